"""The tour's third chapter: phonons of the potential, beside those from first principles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from euclidium.cli.chapter import Chapter, Finding, Tour, picture
from euclidium.cli.progress import bar

if TYPE_CHECKING:
    from euclidium.plot.page import Picture, Table
    from euclidium.simulate.phonons import Phonons

SUPERCELL = (4, 4, 4)  # the grid on which the reference was computed
MESH = (24, 24, 24)
WIDTH = 0.1  # THz, of the Gaussians in both densities of states
ROOM = 300.0  # K
# Measured by neutrons: name of the mode, point, band, frequency in THz.
# Nilsson and Nelin, Phys. Rev. B 6, 3777 (1972), https://doi.org/10.1103/PhysRevB.6.3777
MEASURED = (
    ("Γ optical", "Γ", 5, 15.5),
    ("X transverse acoustic", "X", 0, 4.5),
    ("X longitudinal", "X", 2, 12.3),
    ("X transverse optical", "X", 4, 13.9),
    ("L transverse acoustic", "L", 0, 3.4),
    ("L longitudinal acoustic", "L", 2, 11.3),
    ("L longitudinal optical", "L", 3, 12.6),
    ("L transverse optical", "L", 4, 14.7),
)

TEXT = """
Atoms in a crystal vibrate together, in waves: phonons. Each has a wave vector q and a frequency;
how one depends on the other is what neutrons and light measure. To compute it, one atom is moved
by a hundredth of an Å in a crystal of {n_atoms} atoms. The forces on all the others are spring
constants, and their Fourier transform gives every wave. The potential does this in seconds, and
beside it stands the answer of the first-principles program itself, from linear response. The
potential has never seen a phonon: only energies, forces and stresses of small cells. Of the
{n_waves} waves compared here, {n_held} fit into a cell that it was trained on, as at X and L; it
misses them by {held:.2f} THz. The others it has to infer from how forces fall off with distance:
{others:.2f} THz.

From the frequencies follows the heat that the crystal takes up. Classically every mole of atoms
holds 3R; in truth a mode counts only once kT reaches its quantum ħω, and so the heat capacity
falls to zero in the cold.
"""


@dataclass(frozen=True)
class Reference:
    """Phonons of the first-principles program, as the data set's README describes them."""

    cell: Float[np.ndarray, "3 3"]  # rows, Å
    scaled_positions: Float[np.ndarray, "atom 3"]
    numbers: Int[np.ndarray, " atom"]
    lattice_constant: Float[np.ndarray, ""]  # Å
    path_q: Float[np.ndarray, "q 3"]  # in reciprocal vectors of the cell
    path_distance: Float[np.ndarray, " q"]
    path_frequencies: Float[np.ndarray, "q band"]  # THz
    label: Shaped[np.ndarray, " point"]
    label_index: Int[np.ndarray, " point"]
    grid_q: Float[np.ndarray, "grid 3"]
    grid_frequencies: Float[np.ndarray, "grid band"]
    dos_frequency: Float[np.ndarray, " frequency"]
    dos: Float[np.ndarray, " frequency"]
    temperature: Float[np.ndarray, " temperature"]  # K
    heat_capacity: Float[np.ndarray, " temperature"]  # J/(K mol) of cells with two atoms


def phonons(tour: Tour) -> Chapter:
    """Compute phonons of the potential, and compare them with the reference."""
    from euclidium.plot.page import Fact, Section

    reference = open_reference()
    found = _phonons(tour, reference)
    turned = basis_change(found, reference.cell)
    error = found.frequencies_at(reference.grid_q @ turned) - reference.grid_frequencies
    path = found.frequencies_at(reference.path_q @ turned)
    held = _held_by_training_cells(reference)
    numbers = {
        **_of_frequencies(error, held, reference),
        **_of_points(path, reference),
        **_of_the_crystal(found, reference),
    }
    mean, n = numbers["frequency_mae_THz"], found.n_atoms
    room = [numbers[f"cv_300K{which}_J_per_K_mol"] / n for which in ("", "_reference")]
    facts = (
        Fact("phonon frequencies", f"{mean:.2f} THz off", f"mean of {error.size} modes"),
        Fact("heat capacity, 300 K", f"{room[0]:.2f}", f"J/(K mol); reference {room[1]:.2f}"),
    )
    text = TEXT.format(
        n_atoms=int(np.prod(SUPERCELL)) * n,
        n_waves=len(held),
        n_held=int(held.sum()),
        held=numbers["frequency_mae_in_training_cells_THz"],
        others=numbers["frequency_mae_elsewhere_THz"],
    )
    pictures = [_bands(found, path, reference), _heat_capacity(found, reference)]
    section = Section("Atoms vibrating", text, facts, pictures, [_table(path, reference)])
    return Chapter("phonons", section, numbers, _findings(numbers), facts)


def _of_frequencies(
    error: Float[np.ndarray, "grid band"], held: Bool[np.ndarray, " grid"], reference: Reference
) -> dict[str, Any]:
    """Errors on the grid of the reference."""
    size = np.abs(error)
    return {
        "frequency_mae_THz": float(size.mean()),
        "frequency_mae_in_training_cells_THz": float(size[held].mean()),
        "frequency_mae_elsewhere_THz": float(size[~held].mean()),
        "frequency_mean_error_THz": float(error.mean()),
        "frequency_error_of_mean": float(error.mean() / reference.grid_frequencies.mean()),
        "reference_modes": error.size,
    }


def _of_points(path: Float[np.ndarray, "q band"], reference: Reference) -> dict[str, Any]:
    """The optical phonon at Γ."""
    gamma = reference.label_index[0]
    return {
        "optical_THz": float(path[gamma, -1]),
        "optical_reference_THz": float(reference.path_frequencies[gamma, -1]),
    }


def _of_the_crystal(found: "Phonons", reference: Reference) -> dict[str, Any]:
    """Heat capacity of a mole of cells with two atoms, lattice constant, stability."""
    room = np.interp(ROOM, reference.temperature, reference.heat_capacity)
    return {
        "cv_300K_J_per_K_mol": float(found.thermal_at([ROOM]).heat_capacity[0]),
        "cv_300K_reference_J_per_K_mol": float(room),
        "lattice_constant_A": lattice_constant(found),
        "lattice_constant_reference_A": float(reference.lattice_constant),
        "imaginary_fraction": found.imaginary,
    }


def _findings(numbers: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What people read in the terminal."""
    pairs = (
        ("optical phonon at Γ", "optical{}_THz", "THz"),
        ("heat capacity at 300 K", "cv_300K{}_J_per_K_mol", "J/(K mol)"),
        ("lattice constant", "lattice_constant{}_A", "Å"),
    )
    return (
        Finding("mean error of the phonon frequencies", numbers["frequency_mae_THz"], "THz"),
        *(
            Finding(what, numbers[key.format("")], unit, numbers[key.format("_reference")])
            for what, key, unit in pairs
        ),
    )


def _held_by_training_cells(reference: Reference) -> Bool[np.ndarray, " grid"]:
    """Which waves of the grid fit into a cell that the potential was trained on."""
    from euclidium.atoms.embedded import embedded

    cells = np.array([structure.cell for structure in embedded("silicon", "train")])
    return fits(reference.grid_q, cells, reference.cell)


def fits(
    q: Float[np.ndarray, "q 3"],
    cells: Float[np.ndarray, "cell 3 3"],
    primitive: Float[np.ndarray, "3 3"],
) -> Bool[np.ndarray, " q"]:
    """Whether a wave has the period of any of some cells, which may be a little strained.

    A cell S·A of a crystal with primitive cell A holds the wave q if S q is a vector of integers.

    >>> q = np.array([[0.5, 0.0, 0.0], [0.25, 0.0, 0.0]])
    >>> fits(q, np.diag([2.05, 1.0, 1.0])[None], np.eye(3))
    array([ True, False])
    """
    supercells = np.unique(np.rint(cells @ np.linalg.inv(primitive)), axis=0)
    phases = np.einsum("sij,qj->qsi", supercells, q)
    return np.isclose(phases, np.rint(phases)).all(axis=2).any(axis=1)


def open_reference() -> Reference:
    """The reference, from the data that comes with the package."""
    from euclidium.atoms.embedded import embedded_file

    with np.load(embedded_file("silicon", "phonons.npz")) as archive:
        return Reference(**{name: archive[name] for name in Reference.__dataclass_fields__})


def _phonons(tour: Tour, reference: Reference) -> "Phonons":
    """Phonons of the potential in the reference's crystal, relaxed."""
    from euclidium.atoms.structure import Structure
    from euclidium.simulate.phonons import phonons

    positions = reference.scaled_positions @ reference.cell
    crystal = Structure(reference.numbers, positions, reference.cell, np.ones(3, dtype=bool))
    with bar("phonons"):
        return phonons(
            crystal.to_ase(),
            tour.model,
            SUPERCELL,
            mesh=MESH,
            temperatures=reference.temperature,
        )


def basis_change(found: "Phonons", cell: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The matrix M that takes q in reciprocal vectors of ``cell`` to q M in those of our own.

    The two cells span the same lattice, but may have chosen other vectors, and a relaxed cell
    differs in size.
    """
    ours = found.primitive.T @ found.cell
    return np.rint(ours @ np.linalg.inv(cell)).T


def lattice_constant(found: "Phonons") -> float:
    """Edge of the cubic cell, Å; the primitive one is a quarter of it."""
    volume = abs(np.linalg.det(found.primitive.T @ found.cell))
    return float(np.cbrt(4 * volume))


def smeared(found: "Phonons", frequencies: Float[np.ndarray, " f"]) -> Float[np.ndarray, " f"]:
    """Density of states as Gaussians of the reference's width, states per THz and cell."""
    distance = frequencies[:, None, None] - found.mesh_frequencies[None]
    gaussians = np.exp(-0.5 * (distance / WIDTH) ** 2) / (WIDTH * np.sqrt(2 * np.pi))
    return gaussians.sum(axis=2) @ found.mesh_weights


def _bands(found: "Phonons", path: Float[np.ndarray, "q band"], reference: Reference) -> "Picture":
    """Bands and density of states, over those of the reference."""
    from euclidium.plot.canvas import canvas
    from euclidium.plot.curves import bands, dos

    names = ("potential", "first principles")
    left, right = canvas(columns=2, widths=(3.2, 1), size=(8.6, 4.2), share_y=True)
    ticks, labels, breaks = _special_points(reference)
    bands(
        reference.path_distance,
        path,
        ticks,
        labels,
        breaks,
        reference=(reference.path_distance, reference.path_frequencies),
        names=names,
        axes=left,
    )
    ours = smeared(found, reference.dos_frequency)
    theirs = (reference.dos_frequency, reference.dos)
    dos(reference.dos_frequency, ours, theirs, names, sideways=True, axes=right)
    return picture(
        left,
        "Phonons. Left: frequency along lines between points of high symmetry; thin lines are the "
        "potential, broad grey ones the first-principles program. Right: how many modes there are "
        "at each frequency (solid: potential; dashed: first principles).",
    )


def _special_points(reference: Reference) -> tuple[list[float], list[str], list[int]]:
    """Ticks, labels and jumps of the path; two points at one distance are written ``U|K``."""
    ticks: list[float] = []
    labels: list[str] = []
    breaks: list[int] = []
    for name, index in zip(reference.label, reference.label_index, strict=True):
        distance = float(reference.path_distance[index])
        if ticks and np.isclose(distance, ticks[-1]):
            labels[-1] += f"|{name}"
            breaks.append(int(index))
        else:
            ticks.append(distance)
            labels.append(str(name))
    return ticks, labels, breaks


def _heat_capacity(found: "Phonons", reference: Reference) -> "Picture":
    """Heat capacity against temperature, per mole of atoms."""
    from euclidium.plot.curves import heat_capacity

    n = found.n_atoms  # per mole of atoms, as in tables
    axes = heat_capacity(
        found.thermal.temperatures,
        found.thermal.heat_capacity / n,
        reference=(reference.temperature[::4], reference.heat_capacity[::4] / n),
        names=("potential", "first principles"),
    )
    return picture(
        axes,
        "Heat capacity at constant volume, for one mole of atoms. At room temperature silicon is "
        "still a quantum solid: it holds four fifths of the classical 3R.",
    )


def _table(path: Float[np.ndarray, "q band"], reference: Reference) -> "Table":
    """Frequencies at points of high symmetry: potential, first principles, measured."""
    from euclidium.plot.page import Table

    first = dict(zip(reference.label[::-1], reference.label_index[::-1], strict=True))
    rows = [
        (
            name,
            f"{path[first[point], band]:.2f}",
            f"{reference.path_frequencies[first[point], band]:.2f}",
            f"{measured:.1f}",
        )
        for name, point, band, measured in MEASURED
    ]
    return Table(
        ("mode", "potential", "first principles", "measured"),
        rows,
        "Frequencies in THz. The potential can be no better than the calculation it learned from; "
        "the last column was measured with neutrons (Nilsson and Nelin, 1972).",
    )
