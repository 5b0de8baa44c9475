"""A solid that every test can compute by hand: each element vibrates as in Debye's theory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from ase.build import bulk
from ase.data import atomic_masses, chemical_symbols

from euclidium.atoms import DataError, PhononDOS, Structure

EDGES = np.arange(0.0, 1205.0, 5.0)  # cm⁻¹
STRETCH = 0.02  # by which the frequencies are uncertain
STIFFNESS = 5000.0  # cm⁻¹ √amu Å


@dataclass(frozen=True)
class DebyeSpectrum:
    """What the solid says of a crystal."""

    dos: PhononDOS
    last_peak: float
    unstable: float
    uncertainty: dict[str, float]
    structure: Structure


@dataclass
class DebyeSolid:
    """A model: ω_D = 5000 / (√m v^(1/3)) for each element; crystals of lead are unstable."""

    refused: tuple[int, ...] = ()  # elements that it does not know
    batches: list[int] = field(default_factory=list)  # atoms of each call

    def predict(
        self, structures: Iterable[Structure], batch_size: int = 64
    ) -> Iterator[DebyeSpectrum]:
        """The spectra of crystals, in their order."""
        structures = list(structures)
        self.batches.append(sum(s.n_atoms for s in structures))
        for structure in structures:
            unknown = set(structure.species.tolist()) & set(self.refused)
            if unknown:
                raise DataError(f"{structure.origin}: {chemical_symbols[min(unknown)]} is unknown")
            yield self.spectrum(structure)

    def spectrum(self, structure: Structure) -> DebyeSpectrum:
        """The spectrum of one crystal."""
        width = np.cbrt(structure.volume / structure.n_atoms)
        debye = STIFFNESS / (np.sqrt(atomic_masses[structure.species]) * width)
        below = np.clip(EDGES[:, None] / debye, 0, 1) ** 3  # share of the modes of each atom
        dos = PhononDOS.of(structure, EDGES, 3 * np.diff(below.mean(axis=1)))
        up, down = (
            PhononDOS(EDGES * (1 + s), dos.modes).heat_capacity(300.0) for s in (STRETCH, -STRETCH)
        )
        uncertainty = {
            "cv300": float(abs(up - down)) / 2,
            "mean_frequency": STRETCH * dos.mean_frequency,
            "last_peak": STRETCH * float(debye.max()),
        }
        unstable = 0.9 if 82 in structure.species else 0.05
        return DebyeSpectrum(dos, float(debye.max()), unstable, uncertainty, structure)


@pytest.fixture
def solid() -> DebyeSolid:
    """The model."""
    return DebyeSolid()


@pytest.fixture
def crystals() -> list[Structure]:
    """Ten crystals of which two are the same, one in another cell and turned."""
    silicon = bulk("Si", a=5.43, cubic=True)
    silicon.rotate(30, (1, 2, 3), rotate_cell=True)
    silicon.positions += 0.3
    cells = {
        "Si": bulk("Si", a=5.43),
        "C": bulk("C", a=3.567),
        "Pb": bulk("Pb", a=4.95),
        "NaCl": bulk("NaCl", "rocksalt", a=5.64),
        "Si again": silicon,
        "MgO": bulk("MgO", "rocksalt", a=4.21),
        "Al": bulk("Al", a=4.05, cubic=True),
        "LiF": bulk("LiF", "rocksalt", a=4.03),
        "ZnS": bulk("ZnS", "zincblende", a=5.41),
        "PbS": bulk("PbS", "rocksalt", a=5.94),
    }
    return [Structure.from_ase(atoms, info={"name": name}) for name, atoms in cells.items()]
