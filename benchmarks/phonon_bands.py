"""Phonons of potentials trained on small rattled cells, against those from first principles.

Silicon, sodium chloride and magnesium oxide. The potentials are trained with the configurations in
``configs`` on data that come with the package, unless they are there from an earlier run. The
crystal is relaxed if that of the reference is, and its force constants are taken in a supercell of
4×4×4 cells. The reference is linear response with the functional, cutoff and k points of the
training data. Both are compared at the same wave vectors: on the 4×4×4 grid, where neither is
interpolated, and along the path of the band structure, where the reference's Born charges and
dielectric tensor split longitudinal and transverse optical modes. Mean and largest errors are over
all modes, and the relative error is the mean one over the mean frequency.

With phonopy's example folders of NaCl and MgO (finite displacements in VASP) the references are
compared with these, too, at the same fractional wave vectors.

    python benchmarks/phonon_bands.py --picture bands.svg
    python benchmarks/phonon_bands.py silicon --models runs --json bands.json
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import harness
from euclidium.atoms import Structure, embedded_file
from euclidium.cli.tour_phonons import basis_change, lattice_constant
from euclidium.models import describe
from euclidium.simulate import Phonons, phonons

FOLDER = Path(__file__).parent
NAMES = ("silicon", "nacl", "mgo")
EXAMPLES = {"nacl": "NaCl", "mgo": "MgO"}  # phonopy's
SUPERCELL = (4, 4, 4)  # the grid of the references
MESH = (16, 16, 16)
ROOM = 300.0  # K
RELAXED = 0.01  # GPa, the most that a relaxed reference may have
COLUMNS = {
    "crystal": "text",
    "points": "text",
    "against": "text",
    "modes": "n",
    "mean_THz": "THz",
    "error_THz": "THz",
    "largest_THz": "THz",
    "relative_%": "percent",
    "a_Å": "THz",
}


@dataclass(frozen=True)
class Reference:
    """Phonons from first principles, as the README of a data set describes them."""

    cell: np.ndarray  # rows, Å
    scaled_positions: np.ndarray
    numbers: np.ndarray
    lattice_constant: float  # Å
    grid_q: np.ndarray  # in reciprocal vectors of the cell
    grid_frequencies: np.ndarray  # THz
    path_q: np.ndarray
    path_distance: np.ndarray  # 1/Å
    path_frequencies: np.ndarray
    label: np.ndarray
    label_index: np.ndarray
    born_charges: np.ndarray | None = None
    dielectric: np.ndarray | None = None
    pressure: float = 0.0  # GPa

    @classmethod
    def of(cls, name: str) -> "Reference":
        """The reference of one of the embedded data sets."""
        with np.load(embedded_file(name, "phonons.npz")) as archive:
            found = {key: archive[key] for key in cls.__dataclass_fields__ if key in archive}
        numbers = {key: float(value) for key, value in found.items() if value.shape == ()}
        return cls(**found | numbers)

    def crystal(self) -> Structure:
        """The primitive cell."""
        return Structure(
            self.numbers, self.scaled_positions @ self.cell, self.cell, np.ones(3, dtype=bool)
        )


@dataclass(frozen=True)
class Bands:
    """Frequencies (THz) at the wave vectors of a reference."""

    grid: np.ndarray
    path: np.ndarray
    lattice_constant: float  # Å


# -- the two routes ---------------------------------------------------------------------------


def model_of(name: str, arguments: argparse.Namespace) -> Path:
    """The trained potential of a crystal; trained now if it is not there."""
    from euclidium.train import load_config, train

    folder = arguments.models / name
    model = folder / "model.euclidium"
    if not model.exists():
        config = load_config(FOLDER / "configs" / f"{name}.yaml", arguments.set)
        print(f"training {name}", file=sys.stderr, flush=True)
        train(config.model_copy(update={"output": str(folder.resolve())}))
    return model


def of_model(reference: Reference, model: Path) -> tuple[Phonons, Bands]:
    """Phonons of a potential in the reference's crystal, relaxed."""
    found = phonons(
        reference.crystal().to_ase(),
        model,
        SUPERCELL,
        mesh=MESH,
        temperatures=[ROOM],
        relax=abs(reference.pressure) < RELAXED,
        born_charges=reference.born_charges,
        dielectric=reference.dielectric,
    )
    turned = basis_change(found, reference.cell)
    return found, Bands(
        found.frequencies_at(reference.grid_q @ turned),
        found.frequencies_at(reference.path_q @ turned),
        lattice_constant(found),
    )


def of_example(reference: Reference, folder: Path) -> Bands:
    """Phonons of one of phonopy's examples, at the reference's fractional wave vectors."""
    import phonopy

    found = phonopy.load(
        folder / "phonopy_disp.yaml",
        force_sets_filename=folder / "FORCE_SETS",
        born_filename=folder / "BORN",
        primitive_matrix="F",
        log_level=0,
    )
    size = found.primitive.cell @ np.linalg.inv(reference.cell)
    if not np.allclose(size, size[0, 0] * np.eye(3), atol=1e-6):
        raise ValueError(f"{folder} has another primitive cell than the reference")

    def at(q: np.ndarray) -> np.ndarray:
        found.run_qpoints(q)
        return np.array(found.qpoints.frequencies)

    return Bands(
        at(reference.grid_q), at(reference.path_q), reference.lattice_constant * size[0, 0]
    )


# -- rows -------------------------------------------------------------------------------------


def compare(crystal: str, against: str, found: Bands, reference: Reference) -> Iterator[dict]:
    """One row for the grid and one for the path."""
    pairs = {
        "grid": (found.grid, reference.grid_frequencies),
        "path": (found.path, reference.path_frequencies),
    }
    for points, (ours, theirs) in pairs.items():
        error = np.abs(ours - theirs)
        yield {
            "crystal": crystal,
            "points": points,
            "against": against,
            "modes": error.size,
            "mean_THz": round(float(theirs.mean()), 4),
            "error_THz": round(float(error.mean()), 4),
            "largest_THz": round(float(error.max()), 3),
            "relative_%": round(100 * float(error.mean() / theirs.mean()), 2),
            "a_Å": round(found.lattice_constant, 4),
            "a_reference_Å": reference.lattice_constant,
        }


def measure(arguments: argparse.Namespace) -> Iterator[dict]:
    """The rows of all crystals, and the picture if it was asked for."""
    drawn = []
    for name in arguments.crystals:
        reference = Reference.of(name)
        model = model_of(name, arguments)
        _, bands = of_model(reference, model)
        forces = describe(model)["metrics"]["test"]["forces"]
        for row in compare(name, "DFPT", bands, reference):
            yield row | {"force_error_meV/Å": forces["mae"]}
        drawn.append((name, reference, bands))
    for name, formula in EXAMPLES.items():
        folder = arguments.examples / formula
        if name in arguments.crystals and (folder / "FORCE_SETS").exists():
            reference = Reference.of(name)
            found = of_example(reference, folder)
            yield from compare(f"{name} in VASP, PBE", "DFPT", found, reference)
    if arguments.picture:
        draw(drawn, arguments.picture)


# -- the picture ------------------------------------------------------------------------------


def special_points(reference: Reference) -> tuple[list[float], list[str], list[int]]:
    """Ticks, labels and jumps of the path; two points at one distance are written ``U|K``."""
    ticks: list[float] = []
    labels: list[str] = []
    breaks: list[int] = []
    for name, index in zip(reference.label, reference.label_index, strict=True):
        distance = float(reference.path_distance[index])
        if not ticks or not np.isclose(distance, ticks[-1]):
            ticks.append(distance)
            labels.append(str(name))
        elif labels[-1] != name:
            labels[-1] += f"|{name}"
            breaks.append(int(index))
    return ticks, labels, breaks


def draw(drawn: Sequence[tuple[str, Reference, Bands]], path: Path) -> None:
    """Bands of the potentials over those from first principles."""
    from euclidium.plot import bands, canvas

    axes = canvas(columns=len(drawn), size=(4.6 * len(drawn), 3.8))
    for (name, reference, found), place in zip(drawn, axes, strict=True):
        bands(
            reference.path_distance,
            found.path,
            *special_points(reference),
            reference=(reference.path_distance, reference.path_frequencies),
            names=("potential", "first principles"),
            axes=place,
        )
        place.set_title({"silicon": "Si", "nacl": "NaCl", "mgo": "MgO"}[name], loc="left")
    temporary = path.with_name(f".{path.name}{path.suffix}")
    axes[0].figure.savefig(temporary)
    temporary.replace(path)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("crystals", nargs="*", metavar="CRYSTAL", help=", ".join(NAMES))
    parser.add_argument(
        "--models",
        type=Path,
        default=FOLDER / "runs",
        metavar="DIR",
        help="folder of the trained potentials, DIR/silicon/model.euclidium",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a configuration"
    )
    parser.add_argument(
        "--examples",
        type=Path,
        default=FOLDER.parents[1] / "shared" / "data" / "phonons" / "phonopy_examples",
        metavar="DIR",
        help="phonopy's examples, left out if they are not there",
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="bands as .svg, .png or .pdf")
    arguments = parser.parse_args()
    arguments.crystals = arguments.crystals or list(NAMES)
    unknown = sorted(set(arguments.crystals) - set(NAMES))
    if unknown:
        parser.error(f"no crystal {unknown[0]!r}: choose from {', '.join(NAMES)}")
    harness.start(arguments)
    harness.report(arguments, list(measure(arguments)), COLUMNS)


if __name__ == "__main__":
    main()
