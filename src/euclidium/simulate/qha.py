"""The quasi-harmonic approximation: thermal expansion, bulk modulus and heat capacity."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from jaxtyping import Float

from euclidium.simulate.calculator import Model
from euclidium.simulate.phonons import Phonons, calculator_for, phonons
from euclidium.simulate.record import load_record, save_record
from euclidium.simulate.relax import relax as relaxed
from euclidium.simulate.state import EQUATIONS, Equation, fit_state
from euclidium.simulate.strain import mesh_numbers, phonons_at_strains
from euclidium.simulate.supercell import supercell_matrix
from euclidium.units import EV_TO_KJ_PER_MOL, GPA

STRAINS = (-0.02, -0.01, 0.0, 0.01, 0.02, 0.03)
FEWEST_VOLUMES = 5
FOLLOWING = (  # what has one value at each temperature
    "volume",
    "expansion",
    "bulk_modulus",
    "gibbs",
    "entropy",
    "heat_capacity",
    "heat_capacity_v",
    "gruneisen",
)
# The share of imaginary modes up to which their contribution is left out, as noise.
FEW = 1e-3


@dataclass(frozen=True)
class QuasiHarmonic:
    """Thermodynamics at constant pressure, of a crystal whose phonons follow its volume.

    Of the primitive cell with ``n_atoms`` atoms. First what was computed at some volumes, then what
    follows at each of the ``temperatures``: NaN where the volume of equilibrium is not between
    those volumes. ``free_energies`` are without P V.
    """

    n_atoms: int
    pressure: float  # GPa
    equation: Equation
    volumes: Float[np.ndarray, " volume"]  # Å³
    energies: Float[np.ndarray, " volume"]  # eV, at rest
    axes: Float[np.ndarray, "volume 3"]  # lengths of the vectors of the cell that was given, Å
    imaginary: Float[np.ndarray, " volume"]  # share of imaginary modes
    temperatures: Float[np.ndarray, " temperature"]  # K
    free_energies: Float[np.ndarray, "temperature volume"]  # F = E + F_phonon, eV
    entropies: Float[np.ndarray, "temperature volume"]  # J/(K mol)
    heat_capacities: Float[np.ndarray, "temperature volume"]  # C_V, J/(K mol)
    volume: Float[np.ndarray, " temperature"]  # Å³
    lengths: Float[np.ndarray, "temperature 3"]  # of the vectors of the cell, Å
    expansion: Float[np.ndarray, " temperature"]  # β = ∂ ln V/∂T, 1/K
    bulk_modulus: Float[np.ndarray, " temperature"]  # isothermal, GPa
    gibbs: Float[np.ndarray, " temperature"]  # G = F + P V, eV
    entropy: Float[np.ndarray, " temperature"]  # J/(K mol)
    heat_capacity: Float[np.ndarray, " temperature"]  # C_P, J/(K mol)
    heat_capacity_v: Float[np.ndarray, " temperature"]  # C_V at the volume, J/(K mol)
    gruneisen: Float[np.ndarray, " temperature"]  # β B V / C_V

    @property
    def adiabatic_modulus(self) -> Float[np.ndarray, " temperature"]:
        """Adiabatic bulk modulus in GPa, that of sound: B_S = B C_P / C_V."""
        with np.errstate(invalid="ignore"):
            ratio = self.heat_capacity / self.heat_capacity_v
        return self.bulk_modulus * np.where(self.heat_capacity_v > 0, ratio, 1.0)

    def under(self, pressure: float, equation: Equation | None = None) -> "QuasiHarmonic":
        """The same crystal under another pressure (GPa), or fitted with another equation of state.

        Raises ``ValueError`` if no temperature has its equilibrium between the volumes.

        >>> from ase.build import bulk
        >>> from ase.calculators.emt import EMT
        >>> copper = quasi_harmonic(
        ...     bulk("Cu"), EMT(), (2, 2, 2), mesh=(4, 4, 4), temperatures=[300.0]
        ... )
        >>> (copper.under(5.0).volume / copper.volume).round(2)
        array([0.96])
        """
        found: dict[str, Any] = _equilibrium(self, pressure, equation or self.equation)
        return replace(self, pressure=pressure, equation=equation or self.equation, **found)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a NumPy archive, or as JSON to a name that ends with ``.json``."""
        return save_record(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "QuasiHarmonic":
        """Read an archive that ``save`` has written. Raises ``ValueError`` for another file."""
        return load_record(cls, path)


def quasi_harmonic(
    atoms: Atoms,
    model: Model | BaseCalculator | str | os.PathLike[str],
    supercell: float | Sequence[int] | Sequence[Sequence[int]] | np.ndarray = 10.0,
    *,
    strains: Sequence[float] | np.ndarray = STRAINS,
    pressure: float = 0.0,
    equation: Equation = "vinet",
    temperatures: Sequence[float] | np.ndarray | None = None,
    method: Literal["displacement", "hessian"] = "displacement",
    displacement: float = 0.01,
    mesh: float | Sequence[int] = 60.0,
    relax: bool = True,
    symprec: float = 1e-5,
    observe: Callable[[int, int], None] | None = None,
) -> QuasiHarmonic:
    """Thermal expansion, bulk modulus, C_P and Gibbs energy in the quasi-harmonic approximation.

    G(T, P) = min_V E(V) + F_phonon(V, T) + P V,    β = (∂S/∂V)_T / B,    C_P = C_V + T V β² B

    Phonons are harmonic at each volume. Lengths are 1 + each of the ``strains`` times those of the
    relaxed crystal; the shape of the cell and the atoms relax at constant volume unless ``relax``
    is False, when the crystal is scaled as it is. ``equation`` is fitted to E + F at each
    temperature; S and C_V are cubics in ln V between the volumes. ``pressure`` in GPa. The rest is
    as for ``phonons``; ``observe`` is called with the number of crystals done and their total.

    Raises ``ValueError`` as ``phonons``; for fewer than five strains or two that are equal; for a
    crystal that is unstable at one of the volumes, with more than 0.1 % of its modes imaginary;
    and if no temperature has its equilibrium between the volumes.
    Baroni, Giannozzi and Isaev, Rev. Mineral. Geochem. 71, 39 (2010),
    https://doi.org/10.2138/rmg.2010.71.3.

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> copper = quasi_harmonic(
    ...     bulk("Cu"), EMT(), (2, 2, 2), mesh=(4, 4, 4), temperatures=[0.0, 300.0]
    ... )
    >>> (1e6 * copper.expansion).round(), copper.bulk_modulus.round()
    (array([ 0., 64.]), array([131., 120.]))
    """
    strains = _checked(strains, equation)
    calculator = calculator_for(model, method)
    crystal = relaxed(atoms, calculator, fmax=1e-4).atoms if relax else atoms.copy()
    options: dict[str, Any] = {"method": method, "displacement": displacement, "symprec": symprec}
    options["supercell"] = supercell_matrix(crystal, supercell, symprec)
    options["temperatures"] = temperatures
    numbers = mesh
    if isinstance(mesh, int | float):  # the same mesh at all volumes
        first = phonons(crystal, calculator, mesh=mesh, relax=False, **options)
        numbers = mesh_numbers(first, mesh)
    assert not isinstance(numbers, int | float)
    found = phonons_at_strains(
        crystal, calculator, strains, numbers, relax=relax, observe=observe, **options
    )
    return _quasi_harmonic(found, strains, pressure, equation)


def _checked(strains: Sequence[float] | np.ndarray, equation: str) -> np.ndarray:
    """The strains, from the smallest to the largest."""
    ordered = np.sort(np.asarray(strains, dtype=np.float64))
    if ordered.ndim != 1 or len(ordered) < FEWEST_VOLUMES or not (np.diff(ordered) > 1e-6).all():
        raise ValueError(
            f"strains are {FEWEST_VOLUMES} different numbers or more, such as "
            f"{', '.join(map(str, STRAINS))}, got {np.asarray(strains).tolist()}"
        )
    if not np.abs(ordered).max() < 0.3:
        raise ValueError(f"strains are small numbers, got {np.asarray(strains).tolist()}")
    if equation not in EQUATIONS:
        raise ValueError(f"the equation is one of {', '.join(EQUATIONS)}, got {equation!r}")
    return ordered


def _quasi_harmonic(
    found: Sequence[tuple[Atoms, Phonons]],
    strains: np.ndarray,
    pressure: float,
    equation: Equation,
) -> QuasiHarmonic:
    """Thermodynamics from crystals and their phonons."""
    for strain, (_, result) in zip(strains, found, strict=True):
        if result.imaginary > FEW:
            raise ValueError(
                f"at the strain {strain:+g} {result.imaginary:.1%} of the modes are imaginary: "
                "take strains at which the crystal is stable"
            )
    crystals, results = zip(*found, strict=True)
    n_atoms = results[0].n_atoms
    cells = len(crystals[0]) / n_atoms  # primitive ones in the cell that was given
    volumes = np.array([crystal.get_volume() for crystal in crystals]) / cells
    energies = np.array([crystal.get_potential_energy() for crystal in crystals]) / cells
    thermal = [result.thermal for result in results]
    T = thermal[0].temperatures
    free = np.stack([t.free_energy for t in thermal], axis=1) / EV_TO_KJ_PER_MOL + energies
    unknown = dict.fromkeys(FOLLOWING, np.full(len(T), np.nan))
    computed = QuasiHarmonic(
        n_atoms=n_atoms,
        pressure=pressure,
        equation=equation,
        volumes=volumes,
        energies=energies,
        axes=np.array([crystal.cell.lengths() for crystal in crystals]),
        imaginary=np.array([result.imaginary for result in results]),
        temperatures=T,
        free_energies=free,
        entropies=np.stack([t.entropy for t in thermal], axis=1),
        heat_capacities=np.stack([t.heat_capacity for t in thermal], axis=1),
        lengths=np.full((len(T), 3), np.nan),
        **unknown,
    )
    return computed.under(pressure)


def _equilibrium(
    computed: QuasiHarmonic, pressure: float, equation: Equation
) -> dict[str, np.ndarray]:
    """What follows from free energies at some volumes, at each temperature."""
    V = computed.volumes
    rows = [
        _at_temperature(*row, V, pressure, equation)
        for row in zip(
            computed.temperatures,
            computed.free_energies,
            computed.entropies,
            computed.heat_capacities,
            strict=True,
        )
    ]
    columns = {name: np.array([row[name] for row in rows]) for name in FOLLOWING}
    if not np.isfinite(columns["volume"]).any():
        raise ValueError(
            f"the crystal is nowhere in equilibrium between {V[0]:.4g} and {V[-1]:.4g} Å³ at these "
            "temperatures and this pressure: take other strains"
        )
    lengths = [_curve(V, axis, columns["volume"])[0] for axis in computed.axes.T]
    return {**columns, "lengths": np.stack(lengths, axis=1)}


def _at_temperature(
    T: float,
    free: np.ndarray,
    entropies: np.ndarray,
    capacities: np.ndarray,
    volumes: np.ndarray,
    pressure: float,
    equation: Equation,
) -> dict[str, float]:
    """Equilibrium at one temperature; NaN without one."""
    state = fit_state(volumes, free + pressure * GPA * volumes, equation)
    if state is None:
        return dict.fromkeys(FOLLOWING, np.nan)
    V, B = state.volume, state.modulus
    entropy, slope = (float(x[0]) for x in _curve(volumes, entropies, np.array([V])))
    C_v = float(_curve(volumes, capacities, np.array([V]))[0][0])
    molar = EV_TO_KJ_PER_MOL * 1000  # J/mol of one eV
    expansion = slope / (molar * B)
    return {
        "volume": V,
        "expansion": expansion,
        "bulk_modulus": B / GPA,
        "gibbs": state.energy,
        "entropy": entropy,
        "heat_capacity": C_v + molar * T * V * expansion**2 * B,
        "heat_capacity_v": C_v,
        "gruneisen": molar * expansion * B * V / C_v if C_v > 1e-9 else np.nan,
    }


def _curve(volumes: np.ndarray, values: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A quantity and its derivative at some volumes, from a cubic in ln V."""
    curve = np.polynomial.Polynomial.fit(np.log(volumes), values, 3)
    return curve(np.log(V)), curve.deriv()(np.log(V)) / V
