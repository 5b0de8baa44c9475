"""Bases of electron densities: Gaussians on the atoms, different for each element."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import gamma

from euclidium.atoms.elements import atomic_number, site_number, site_symbol
from euclidium.atoms.problem import DataError
from euclidium.o3.irreps import Irrep, Irreps

# Functions χ = N r^l exp(-a r²) Y_lm with ∫χ² = 1 and r in bohr; real harmonics, orthonormal on
# the sphere, with the axes and signs of o3.CONVENTION; coefficients of an atom are a feature of the
# basis' irreps in channel-last layout. Written into every density file.
DENSITY_CONVENTION = "euclidium-density/1"
Shell = tuple[int, float]
BOND_FACTOR = 1.3


@dataclass(frozen=True)
class DensityBasis:
    """Atom-centred Gaussians for the electron density, by element.

    ρ(r) = Σ_A Σ_k Σ_m c_Akm χ_km(r − R_A),   χ_km(r) = N_k r^l exp(−a_k r²) Y_lm(r̂),   ∫χ² = 1

    ``shells`` gives each atomic number its shells, degree and exponent (1/bohr²), sorted by degree
    and then by falling exponent. The coefficients of an atom (e/bohr^1.5; r in bohr) are a feature
    of :meth:`irreps`: inside the block of a degree first the components m, then the shells.
    ``atoms`` are coefficients of the s functions of isolated, spherical, neutral atoms, whose sum
    is what a molecule's density is compared with. Shells of the atomic number 0 stand in the middle
    of bonds, between atoms nearer than ``bond_factor`` times the sum of their covalent radii; see
    :func:`~euclidium.atoms.centers.with_bond_centers`. ``ions`` are spherical ions as ``atoms``
    are, by atomic number and charge.

    Raises ``ValueError`` for shells that are not sorted or exponents that are not positive.

    >>> basis = DensityBasis("two", {1: ((0, 2.0), (0, 0.5), (1, 0.8))})
    >>> basis.irreps(1), basis.size(1)
    (2x0e+1x1o, 5)
    """

    name: str
    shells: Mapping[int, tuple[Shell, ...]]
    atoms: Mapping[int, Float[np.ndarray, " s"]] = field(default_factory=dict)
    bond_factor: float = BOND_FACTOR
    ions: Mapping[int, Mapping[int, Float[np.ndarray, " _"]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for z, shells in self.shells.items():
            if list(shells) != sorted(shells, key=lambda shell: (shell[0], -shell[1])):
                raise ValueError(
                    f"shells of {site_symbol(z)} are sorted by degree, then by falling exponent"
                )
            if any(l < 0 or not exponent > 0 for l, exponent in shells):
                raise ValueError(f"degrees and exponents of {site_symbol(z)} must be positive")

    @property
    def elements(self) -> tuple[int, ...]:
        """The atomic numbers that the basis knows, sorted."""
        return tuple(sorted(self.shells))

    @property
    def lmax(self) -> int:
        """The largest degree."""
        return max(l for shells in self.shells.values() for l, _ in shells)

    def of(self, z: int) -> tuple[Shell, ...]:
        """The shells of an element.

        Raises ``DataError`` for an element that the basis lacks.
        """
        if z not in self.shells:
            known = ", ".join(site_symbol(n) for n in self.elements)
            raise DataError(
                f"the basis {self.name} has no functions for {site_symbol(z)}, only for "
                f"{known}: choose another basis or model"
            )
        return self.shells[z]

    def exponents(self, z: int) -> dict[int, Float[np.ndarray, " shell"]]:
        """The exponents of an element by degree, 1/bohr²; raises as :meth:`of` does."""
        shells = self.of(z)
        return {
            l: np.array([a for degree, a in shells if degree == l])
            for l in sorted({degree for degree, _ in shells})
        }

    def irreps(self, z: int) -> Irreps:
        """What the coefficients of an element are; raises as :meth:`of` does."""
        return _irreps(self.of(z))

    def size(self, z: int) -> int:
        """How many functions an element has; raises as :meth:`of` does."""
        return self.irreps(z).dim

    def offsets(self, species: Sequence[int]) -> list[int]:
        """Where the coefficients of each atom begin, and behind the last their number.

        >>> DensityBasis("s", {1: ((0, 1.0),)}).offsets([1, 1, 1])
        [0, 1, 2, 3]
        """
        sizes = [self.size(int(z)) for z in species]
        return [0, *np.cumsum(sizes, dtype=int).tolist()]

    def superposition(self, species: Sequence[int]) -> Float[np.ndarray, " function"]:
        """Coefficients of the isolated atoms, side by side.

        Raises ``DataError`` for an element whose atom the basis lacks.
        """
        parts = []
        for z in (int(z) for z in species):
            if z not in self.atoms:
                self.of(z)
                raise DataError(
                    f"the basis {self.name} has no isolated atom of {site_symbol(z)}: fit it"
                )
            own = np.zeros(self.size(z))
            own[: len(self.atoms[z])] = self.atoms[z]
            parts.append(own)
        return np.concatenate([np.zeros(0), *parts])

    @property
    def empty(self) -> dict[int, Float[np.ndarray, " s"]]:
        """What stands in the middle of a bond of isolated atoms: no electrons, by atomic number 0.

        >>> DensityBasis("both", {0: ((0, 1.0),), 1: ((0, 1.0),)}).empty
        {0: array([0.])}
        """
        return {z: np.zeros(sum(l == 0 for l, _ in self.of(z))) for z in self.elements if z == 0}

    def to_json(self) -> dict[str, Any]:
        """The basis as plain values.

        >>> basis = DensityBasis("s", {1: ((0, 1.0),)})
        >>> DensityBasis.from_json(basis.to_json()) == basis
        True
        """
        more: dict[str, Any] = {"bond_factor": self.bond_factor} if 0 in self.shells else {}
        if self.ions:
            more["ions"] = {
                site_symbol(z): {str(charge): own.tolist() for charge, own in sorted(ions.items())}
                for z, ions in sorted(self.ions.items())
            }
        return {
            "name": self.name,
            "convention": DENSITY_CONVENTION,
            "shells": {
                site_symbol(z): [list(shell) for shell in shells]
                for z, shells in sorted(self.shells.items())
            },
            "atoms": {site_symbol(z): own.tolist() for z, own in sorted(self.atoms.items())},
            **more,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DensityBasis":
        """The basis that :meth:`to_json` wrote.

        Raises ``DataError`` for another convention.
        """
        if value.get("convention") != DENSITY_CONVENTION:
            raise DataError(
                f"the densities use the convention {value.get('convention')!r}, this version reads "
                f"{DENSITY_CONVENTION!r}"
            )
        return cls(
            str(value["name"]),
            {
                site_number(symbol): tuple((int(l), float(a)) for l, a in shells)
                for symbol, shells in value["shells"].items()
            },
            {site_number(s): np.array(own, float) for s, own in value.get("atoms", {}).items()},
            float(value.get("bond_factor", BOND_FACTOR)),
            {
                site_number(symbol): {int(q): np.array(own, float) for q, own in ions.items()}
                for symbol, ions in value.get("ions", {}).items()
            },
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DensityBasis) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.name, self.elements))


def radial_norm(l: int, exponents: Float[np.ndarray, " shell"]) -> Float[np.ndarray, " shell"]:
    """N of χ = N r^l exp(−a r²) Y_lm with ∫χ² = 1; exponents in 1/bohr².

    N² = 2 (2a)^(l + 3/2) / Γ(l + 3/2)

    >>> radial_norm(0, np.array([0.5])).round(4)
    array([1.5023])
    """
    return np.sqrt(2 * (2 * exponents) ** (l + 1.5) / gamma(l + 1.5))


@cache
def _irreps(shells: tuple[Shell, ...]) -> Irreps:
    """What coefficients of some shells are."""
    degrees = [l for l, _ in shells]
    return Irreps([(degrees.count(l), Irrep(l, (-1) ** l)) for l in sorted(set(degrees))])


def even_tempered(
    elements: Iterable[int | str], smallest: float, ratio: float, counts: Sequence[int]
) -> DensityBasis:
    """The same geometric series of exponents for each element: a_k = a_0 q^k.

    ``counts`` is the number of shells of each degree from l = 0, ``smallest`` is a_0 in 1/bohr².

    Raises ``ValueError`` for a ratio that is not above 1.

    >>> even_tempered(["Si"], 0.12, 2.0, [6, 6, 6, 4]).irreps(14)
    6x0e+6x1o+6x2e+4x3o
    """
    if ratio <= 1 or smallest <= 0:
        raise ValueError(f"the exponents must be positive and grow, got {smallest} and {ratio}")
    shells = tuple(
        (l, smallest * ratio**k) for l, n in enumerate(counts) for k in reversed(range(n))
    )
    name = f"even-tempered {smallest:g} {ratio:g} {','.join(map(str, counts))}"
    return DensityBasis(
        name, {z if isinstance(z, int) else site_number(z): shells for z in elements}
    )


@cache
def exchange_basis(name: str, elements: tuple[str, ...]) -> DensityBasis:
    """A basis of the Basis Set Exchange, decontracted: every exponent a shell of its own.

    Names are those of the exchange, such as ``def2-universal-jfit`` or ``cc-pvqz-jkfit``. It needs
    the extra ``density``.

    Pritchard et al., J. Chem. Inf. Model. 59, 4814 (2019), https://doi.org/10.1021/acs.jcim.9b00725

    Raises ``DataError`` for a basis or an element that the exchange lacks.

    >>> exchange_basis("def2-universal-jfit", ("H", "O")).irreps(8)
    12x0e+5x1o+4x2e+2x3o+1x4e
    """
    try:
        import basis_set_exchange as exchange
    except ImportError as error:
        raise DataError(
            "bases by name come from basis-set-exchange: pip install 'euclidium[density]'"
        ) from error
    numbers = [atomic_number(symbol) for symbol in elements]
    try:
        found = exchange.get_basis(name, elements=numbers)
    except KeyError as error:
        raise DataError(
            f"the Basis Set Exchange has no basis {name!r} with {', '.join(elements)}: "
            "see basissetexchange.org"
        ) from error
    shells = {}
    for z in numbers:
        own = {
            (int(l), float(exponent))
            for shell in found["elements"][str(z)]["electron_shells"]
            for l in shell["angular_momentum"]
            for exponent in shell["exponents"]
        }
        shells[z] = tuple(sorted(own, key=lambda shell: (shell[0], -shell[1])))
    return DensityBasis(name, shells)
