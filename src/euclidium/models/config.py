"""What a model is made of: frozen records that are written into every model file."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)


class Config(BaseModel):
    """A frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RadialConfig(Config):
    """Functions of distance and the network on top of them.

    >>> RadialConfig(basis="gaussian", size=12).hidden
    (64, 64)
    """

    basis: Literal["bessel", "gaussian", "chebyshev"] = Field(
        "bessel", description="radial functions"
    )
    size: int = Field(8, ge=2, description="number of radial functions")
    trainable: bool = Field(False, description="learn the frequencies of the Bessel functions")
    envelope: Literal["polynomial", "cosine", "xplor"] = Field(
        "polynomial", description="how the functions reach zero at the cutoff"
    )
    power: int = Field(6, ge=2, description="power p of the polynomial envelope")
    onset: float = Field(0.8, ge=0, lt=1, description="onset of the xplor envelope / cutoff")
    hidden: tuple[int, ...] = Field((64, 64), description="widths of the radial network")
    knots: int | None = Field(
        256,
        ge=8,
        description="knots of splines through the network; null: the network at every edge",
    )


class NequIPConfig(Config):
    """The NequIP network.

    >>> NequIPConfig(channels=16, lmax=1).layers
    3
    """

    kind: Literal["nequip"] = Field("nequip", description="name of the network")
    channels: int = Field(32, ge=1, description="channels of each irrep")
    lmax: int = Field(2, ge=0, description="largest degree l of features and harmonics")
    edge_lmax: int | None = Field(
        None, ge=0, description="largest degree of the harmonics of edges; null: that of features"
    )
    layers: int = Field(3, ge=1, description="number of interaction layers")
    parity: bool = Field(False, description="also features whose parity is not (-1)^l")
    modulation: bool = Field(
        False, description="the first features of an atom scale each channel of its messages"
    )
    radial: RadialConfig = Field(RadialConfig(), description="radial functions and their network")

    @property
    def harmonics(self) -> int:
        """The largest degree of the harmonics of edges."""
        return self.lmax if self.edge_lmax is None else self.edge_lmax


class LongRangeConfig(Config):
    """Charges whose field every atom feels: a small network gives them, and they are learned.

    >>> LongRangeConfig(widths=[1.5]).widths
    (1.5,)
    """

    channels: int = Field(4, ge=1, description="kinds of charges of each atom")
    widths: tuple[PositiveFloat, ...] = Field(
        (1.0, 2.0), min_length=1, description="widths of the Gaussian charges, Å"
    )
    network: NequIPConfig = Field(
        NequIPConfig(channels=16, lmax=1, layers=2), description="the network of the charges"
    )


class PotentialConfig(Config):
    """A potential: its network, and the constants taken from the training data.

    >>> PotentialConfig(species=["Si", "O"], cutoff=4.5).network.kind
    'nequip'
    """

    species: tuple[str, ...] = Field(description="chemical symbols the potential knows")
    cutoff: float = Field(5.0, gt=0, description="cutoff radius, Å")
    network: NequIPConfig = NequIPConfig()
    mean_neighbors: float = Field(20.0, gt=0, description="mean number of neighbours of an atom")
    scale: float = Field(1.0, gt=0, description="scale of the learned atomic energies, eV")
    reference_energies: dict[str, float] = Field(
        default_factory=dict, description="energy of each species that is not learned, eV"
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="type of the network")
    inputs: dict[str, str] = Field(
        default_factory=dict, description="extra atomic input features: name and irreps"
    )

    @field_validator("species")
    @classmethod
    def _each_once(cls, species: tuple[str, ...]) -> tuple[str, ...]:
        if not species or len(set(species)) != len(species):
            raise ValueError(f"list each species once, got {list(species)}")
        return species


class SpectrumConfig(Config):
    """A model of phonon spectra: its network, its grid of frequencies, and how it reads out.

    ``grid`` lists pieces of equal intervals, each (start, stop, width) in cm⁻¹. ``curve`` is
    ``modes`` for a curve of three modes an atom from every site, or ``maximum`` for one that is
    scaled to its largest value and says nothing of the amplitude, as in Chen et al. 2021.

    >>> SpectrumConfig(grid=[(-100, 1000, 20)]).n_intervals
    55
    """

    cutoff: float = Field(5.0, gt=0, description="cutoff radius, Å")
    network: NequIPConfig = NequIPConfig(channels=64, modulation=True)
    mean_neighbors: float = Field(45.0, gt=0, description="mean number of neighbours of an atom")
    elements: Literal["properties", "masses"] = Field(
        "properties", description="what describes an element: its properties, or its mass alone"
    )
    grid: tuple[tuple[float, float, float], ...] = Field(
        ((-300, 1000, 10), (1000, 2000, 20), (2000, 4600, 40)),
        description="pieces of equal intervals of frequency: start, stop, width, cm⁻¹",
    )
    broadening: float = Field(
        6.0, ge=0, description="width of the Gaussians in the curves that it learns, cm⁻¹"
    )
    curve: Literal["modes", "maximum"] = Field("modes", description="what the curve is scaled to")
    peaks: int = Field(
        0, ge=0, description="Gaussians in the curve of a site that it places itself; 0: none"
    )
    softest: bool = Field(
        False, description="whether the lowest frequency is learned, and tells of stability"
    )
    lattice: float = Field(
        0.0, ge=0, le=1, description="share of the curve from force constants; 0: there are none"
    )
    hidden: int = Field(256, ge=1, description="width of the networks that read out")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout of the networks that read out")
    feature_dropout: float = Field(
        0.0, ge=0, lt=1, description="dropout of the features that are read out"
    )
    members: int = Field(1, ge=1, description="networks whose predictions are averaged")
    networks: tuple[NequIPConfig, ...] = Field(
        (), description="the network of each member, where they differ"
    )
    lattices: tuple[float, ...] = Field(
        (), description="share of force constants in each member's curve, where they differ"
    )
    weights: tuple[float, ...] = Field(
        (), description="weight of each member's curve in the average; without, all are the same"
    )
    number_weights: tuple[float, ...] = Field(
        (), description="the same of each member's last peak and stability"
    )
    trees: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="number of trees that tell of stability, and of their nodes"
    )
    stability: tuple[float, float, float] = Field(
        (1.0, 0.0, 0.0), description="weights of the networks and of the trees, and a constant"
    )
    symmetry: float = Field(1e-3, gt=0, description="tolerance of the crystal's symmetry, Å")
    uncertainty: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="of each quantity: its error, and what each unit of disagreement adds to it",
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="type of the network")

    @field_validator("grid")
    @classmethod
    def _pieces_that_join(
        cls, grid: tuple[tuple[float, float, float], ...]
    ) -> tuple[tuple[float, float, float], ...]:
        for n, (start, stop, width) in enumerate(grid):
            count = (stop - start) / width if width > 0 else 0.0
            if count < 1 or abs(count - round(count)) > 1e-9:
                raise ValueError(f"from {start} to {stop} there are {count:g} intervals of {width}")
            if n and start != grid[n - 1][1]:
                raise ValueError(f"a piece of the grid begins at {start}, not where the last ended")
        if not grid:
            raise ValueError("a grid has at least one piece: start, stop and width in cm⁻¹")
        return grid

    @model_validator(mode="after")
    def _peaks_are_modes(self) -> "SpectrumConfig":
        if self.peaks and self.curve == "maximum":
            raise ValueError("peaks hold modes, which a curve scaled to its maximum has not")
        return self

    @model_validator(mode="after")
    def _what_force_constants_need(self) -> "SpectrumConfig":
        if any(self.lattice_of_each) and self.curve == "maximum":
            raise ValueError("force constants give modes, which a scaled curve has not")
        for share, network in zip(self.lattice_of_each, self.network_of_each, strict=False):
            if share and (network.lmax < 2 or network.layers < 2):
                raise ValueError(
                    f"force constants need lmax and layers of 2 at least, got {network.lmax} and "
                    f"{network.layers}"
                )
        return self

    @model_validator(mode="after")
    def _one_for_each_member(self) -> "SpectrumConfig":
        for name in ("networks", "lattices", "weights", "number_weights"):
            count = len(getattr(self, name))
            if count not in (0, self.members):
                raise ValueError(f"{self.members} members need {self.members} {name}, got {count}")
        return self

    @property
    def network_of_each(self) -> tuple[NequIPConfig, ...]:
        """The network of each member."""
        return self.networks or (self.network,) * self.members

    @property
    def lattice_of_each(self) -> tuple[float, ...]:
        """The share of force constants in each member's curve."""
        return self.lattices or (self.lattice,) * self.members

    @property
    def n_intervals(self) -> int:
        """Number of intervals of the grid."""
        return sum(round((stop - start) / width) for start, stop, width in self.grid)


class DensityConfig(Config):
    """A model of electron densities: its network, and the Gaussians whose coefficients it gives.

    ``basis`` is what ``DensityBasis.to_json`` gives, with isolated atoms. ``electrons`` is how many
    there are: ``nuclei`` for as many as the nuclei and the charge say, ``free`` for densities that
    do not count them all, such as smooth ones of a plane-wave program.

    >>> from euclidium.atoms.basis import DensityBasis
    >>> basis = DensityBasis("one", {1: ((0, 1.0),)})
    >>> DensityConfig(basis=basis.to_json()).cutoff
    5.0
    """

    basis: dict[str, Any] = Field(description="the Gaussians of each element, and isolated atoms")
    cutoff: float = Field(5.0, gt=0, description="cutoff radius, Å")
    network: NequIPConfig = NequIPConfig(edge_lmax=3)
    long_range: LongRangeConfig | None = Field(
        None, description="charges whose field every atom feels; null: none beyond the cutoff"
    )
    head: int = Field(32, ge=1, description="channels of each irrep in the networks that read out")
    mean_neighbors: float = Field(20.0, gt=0, description="mean number of neighbours of an atom")
    electrons: Literal["nuclei", "free"] = Field(
        "nuclei", description="how many electrons: as the nuclei and the charge say, or any number"
    )
    charge: bool = Field(False, description="the charge of the whole as an input of the network")
    spin: bool = Field(False, description="also the spin density")
    members: int = Field(1, ge=1, description="networks whose densities are averaged")
    dtype: Literal["float32", "float64"] = Field("float32", description="type of the network")


def check_alike(configs: Sequence[Config], free: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for no models to combine, or some that differ in more than is ``free``.

    >>> check_alike([NequIPConfig(lmax=1), NequIPConfig(lmax=3)], {"lmax": 1})
    >>> check_alike([NequIPConfig(lmax=1), NequIPConfig(lmax=3)], {"layers": 1})
    Traceback (most recent call last):
    ValueError: models with different configurations cannot be combined
    """
    if not configs:
        raise ValueError("there is no model to combine")
    alike = [config.model_copy(update=free) for config in configs]
    if any(config != alike[0] for config in alike):
        raise ValueError("models with different configurations cannot be combined")
