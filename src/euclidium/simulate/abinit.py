"""The program ABINIT: what it is told of a crystal, and what its output says."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import minkowski_reduce
from jaxtyping import Float, Int

from euclidium.units import BOHR, HARTREE, THZ_TO_CM1, THZ_TO_MEV

PROGRAMS = ("abinit", "mrgddb", "anaddb")
# Debian's package abinit-data; the first folder that has an element is taken
DATA = Path("/usr/share/abinit/psp")
FAMILIES = ("Pseudodojo_nc_sr_04_pw_standard_psp8", "PseudosHGH_pwteter")
FINISHED = ("Calculation completed", "+Total cpu time")  # of abinit, of anaddb
HARTREE_TO_CM1 = 1e3 * HARTREE / THZ_TO_MEV * THZ_TO_CM1
FCC_TO_CUBIC = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
FCC_TO_BODY_CENTRED = np.array([[3, -1, -1], [-1, 3, -1], [-1, -1, 3]])


@dataclass(frozen=True)
class Electrons:
    """How the electrons of a crystal are treated: density-functional theory in plane waves.

    ``pseudopotentials`` are files by element symbol, ``cutoff`` is in eV. ``kpoints`` is a length
    in Å: the k points are those of a supercell that is at least so long in any direction.
    ``functional`` is ABINIT's number; 7 is the local density approximation of Perdew and Wang.
    ``smearing`` (eV) fills the bands of metals by Marzari and Vanderbilt's cold smearing, and is
    zero for insulators.
    """

    pseudopotentials: Mapping[str, Path]
    cutoff: float = 1100.0
    kpoints: float = 16.0
    functional: int = 7
    smearing: float = 0.0


def find_programs() -> None:
    """Look for the programs of ABINIT. Raises ``ValueError`` if one is not on the PATH.

    >>> if shutil.which("anaddb") and shutil.which("mrgddb") and shutil.which("abinit"):
    ...     find_programs()
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise ValueError(
            f"the program {missing[0]} is not on the PATH: install ABINIT (www.abinit.org; on "
            "Debian the packages abinit and abinit-data), or displace atoms with a potential"
        )


def find_pseudopotentials(
    symbols: Iterable[str], folders: Sequence[str | os.PathLike[str]] = ()
) -> dict[str, Path]:
    """A pseudopotential for each element, from the first of the folders that has one.

    Files are called as by PseudoDojo, ``Si.psp8``, or as by Hartwigsen, Goedecker and Hutter,
    ``14si.4.hgh``, of which the one with most electrons is taken. Without folders those of Debian's
    package are searched. Raises ``ValueError`` for an element without a file.

    >>> find_pseudopotentials(["Si"], ["no such folder"])
    Traceback (most recent call last):
    ValueError: no pseudopotential for Si in no such folder: give folders with Si.psp8 or 14si.*.hgh
    """
    places = [Path(folder) for folder in folders or [DATA / family for family in FAMILIES]]
    found = {}
    for symbol in dict.fromkeys(symbols):
        hgh = f"{atomic_numbers[symbol]}{symbol.lower()}.*.hgh"
        files = [
            file
            for place in places
            for file in (
                *place.glob(f"{symbol}.psp8"),
                *sorted(place.glob(hgh), key=lambda path: -int(path.suffixes[-2][1:])),
            )
        ]
        if not files:
            raise ValueError(
                f"no pseudopotential for {symbol} in {', '.join(map(str, places))}: "
                f"give folders with {symbol}.psp8 or {hgh}"
            )
        found[symbol] = files[0]
    return found


def k_mesh(
    atoms: Atoms, length: float, multiple: Sequence[int] = (1, 1, 1)
) -> tuple[Int[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """The mesh of k points with the fewest points for a length in Å.

    The points are k with exp(ik·R) = ±1 for the rows R of the matrix, given in lattice vectors, and
    the second part is the shift of the mesh (1/2: the sign is −). No R·n is shorter than
    ``length``. R are multiples of ``multiple`` lattice vectors, so that k + q is in the mesh for
    all points q of a mesh of that size. For a face-centred lattice it is a cubic or a body-centred
    mesh without Γ, which converges faster than one with it.
    Moreno and Soler, Phys. Rev. B 45, 13891 (1992), https://doi.org/10.1103/PhysRevB.45.13891.

    >>> from ase.build import bulk
    >>> k_mesh(bulk("Si"), 18.0, (2, 2, 2))[0].tolist()
    [[6, -2, -2], [-2, 6, -2], [-2, -2, 6]]
    """
    if not 0 < length < 1000:
        raise ValueError(f"the length of the mesh of k points is in Å, above zero, got {length:g}")
    step = np.array(multiple)
    if not (_is_face_centred(atoms) and len(set(multiple)) == 1):
        counts = np.ceil(length / atoms.cell.lengths() / step - 1e-6).astype(int)
        while _shortest(np.diag(step * counts) @ atoms.cell.array) < length - 1e-6:
            counts += 1  # of a skew cell, whose differences of vectors are shorter than these
        return np.diag(step * counts), np.zeros(3)
    meshes = []
    for shape in (FCC_TO_CUBIC, FCC_TO_BODY_CENTRED):
        # the smallest multiple of the shape that is one of the mesh of wave vectors, too
        first = next(n for n in range(1, step[0] + 1) if not (n * shape % step).any())
        times = int(np.ceil(length / _shortest(shape @ atoms.cell.array) / first - 1e-6))
        meshes.append(first * times * shape)
    smallest = min(meshes, key=lambda matrix: round(abs(np.linalg.det(matrix))))
    return smallest, np.full(3, 0.5)


def crystal_input(atoms: Atoms) -> str:
    """Cell and atoms for ABINIT, in bohr; elements are numbered in order of appearance.

    >>> from ase.build import bulk
    >>> "typat 1 2" in crystal_input(bulk("NaCl", "rocksalt", a=5.6))
    True
    """
    symbols = _symbols(atoms)
    return "\n".join(
        [
            "acell 3*1.0",
            "rprim",
            _rows(atoms.cell.array / BOHR),
            f"natom {len(atoms)}",
            f"ntypat {len(symbols)}",
            f"znucl {' '.join(str(atomic_numbers[symbol]) for symbol in symbols)}",
            f"typat {' '.join(str(1 + symbols.index(symbol)) for symbol in atoms.symbols)}",
            "xred",
            _rows(atoms.get_scaled_positions(wrap=False)),
            "chkprim 0",
            "",
        ]
    )


def electrons_input(
    atoms: Atoms, electrons: Electrons, mesh: tuple[np.ndarray, np.ndarray] | None = None
) -> str:
    """Pseudopotentials, cutoff, k points and occupations for ABINIT.

    The ``mesh`` is what :func:`k_mesh` has returned, perhaps for another size of the crystal.
    Raises ``ValueError`` for an element without a pseudopotential, and for a cutoff or a smearing
    that makes no sense.

    >>> from ase.build import bulk
    >>> electrons = Electrons({"Si": Path("psp/Si.psp8")}, cutoff=544.0)
    >>> [line for line in electrons_input(bulk("Si"), electrons).splitlines() if "ecut " in line]
    ['ecut 19.991631']
    """
    if electrons.cutoff <= 0 or electrons.smearing < 0:
        raise ValueError(
            "the cutoff is an energy in eV above zero, and the smearing is not negative, got "
            f"{electrons.cutoff:g} and {electrons.smearing:g}"
        )
    missing = [s for s in _symbols(atoms) if s not in electrons.pseudopotentials]
    if missing:
        raise ValueError(f"there is no pseudopotential for {missing[0]}: give one for each element")
    files = [Path(electrons.pseudopotentials[symbol]).resolve() for symbol in _symbols(atoms)]
    folder = Path(os.path.commonpath([file.parent for file in files]))
    lattice, shift = mesh or k_mesh(atoms, electrons.kpoints)
    smearing = electrons.smearing / HARTREE
    return "\n".join(
        [
            f'pp_dirpath "{folder}"',
            f'pseudos "{", ".join(file.relative_to(folder).as_posix() for file in files)}"',
            f"ixc {electrons.functional}",
            f"ecut {electrons.cutoff / HARTREE:.6f}",
            "ecutsm 0.5",
            f"occopt 4\ntsmear {smearing:.8f}" if smearing else "occopt 1",
            "kptrlatt",
            *(" ".join(map(str, row)) for row in lattice),
            "nshiftk 1",
            "shiftk " + " ".join(f"{x:g}" for x in shift),
            "chksymtnons 0",
            "nstep 100",
            "",
        ]
    )


def finished(folder: Path, text: str) -> bool:
    """Whether a program has finished in a folder, with this input.

    >>> finished(Path("no such folder"), "natom 1")
    False
    """
    source, output = folder / "run.abi", folder / "run.abo"
    if not (source.exists() and output.exists()) or source.read_text() != text:
        return False
    done = output.read_text()
    return any(words in done for words in FINISHED)


def run(folder: Path, text: str, program: str = "abinit") -> str:
    """Run a program of ABINIT in a folder, unless it has finished there before with this input.

    Returns its output. Raises ``RuntimeError`` with the last words of the program if it stops
    early.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source, output = folder / "run.abi", folder / "run.abo"
    if finished(folder, text):
        return output.read_text()
    for old in folder.glob("run*"):
        old.unlink()
    source.write_text(text)
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    with (folder / "log").open("w") as log:
        code = subprocess.run(
            [program, source.name],
            cwd=folder,
            env={**os.environ, **threads},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code or not finished(folder, text):
        raise RuntimeError(
            f"{program} stopped early in {folder} (exit code {code}): {_complaint(folder / 'log')}"
        )
    return output.read_text()


def merge(folder: Path, parts: Sequence[Path]) -> Path:
    """Merge the dynamical matrices of several runs into the file ``merged_DDB`` of a folder.

    Raises ``RuntimeError`` if it does not work out.
    """
    merged = folder / "merged_DDB"
    merged.unlink(missing_ok=True)
    if len(parts) == 1:  # mrgddb wants two
        shutil.copyfile(parts[0], merged)
        return merged
    names = [os.path.relpath(part, folder) for part in parts]  # long names are cut off
    done = subprocess.run(
        ["mrgddb"],
        cwd=folder,
        input="\n".join([merged.name, "euclidium", str(len(parts)), *names, ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not merged.exists():
        raise RuntimeError(f"mrgddb could not merge {len(parts)} files in {folder}: {done.stderr}")
    return merged


def read_crystal(text: str, atoms: Atoms) -> Atoms:
    r"""The crystal with which a run ended: cell and positions of the atoms it began with.

    >>> from ase.build import bulk
    >>> text = "-outvars: echo values of variables after computation\n"
    >>> text += " acell 2.0 2.0 2.0 Bohr\n ecut 9.0 Hartree\n rprim 1.0 0.0 0.0\n"
    >>> text += " 0.0 1.0 0.0\n 0.0 0.0 2.0\n xred 0.5 0.0 0.0\n"
    >>> read_crystal(text, bulk("Po", "sc", a=3.0)).cell.lengths().round(3).tolist()
    [1.058, 1.058, 2.117]
    """
    moved = atoms.copy()
    lengths = _echoed(text, "acell", np.ones(3)) * BOHR
    moved.set_cell(lengths[:, None] * _echoed(text, "rprim", np.eye(3).ravel()).reshape(3, 3))
    positions = _echoed(text, "xred", np.zeros(3 * len(atoms))).reshape(-1, 3)
    moved.set_scaled_positions(positions)
    return moved


def read_dielectric(text: str) -> Float[np.ndarray, "3 3"]:
    """The electronic dielectric tensor in Cartesian axes.

    Raises ``ValueError`` if the output has none.
    """
    found = np.full((3, 3), np.nan)
    for (i, _, j, _), value in _matrix(text, "Dielectric tensor, in cartesian coordinates"):
        found[i, j] = value
    return _complete(found, "dielectric tensor")


def read_born_charges(text: str, n_atoms: int) -> Float[np.ndarray, "atom 3 3"]:
    """The Born charges in e, Z[atom, direction of the field, direction of the displacement].

    Raises ``ValueError`` if the output has none.
    """
    found = np.full((n_atoms, 3, 3), np.nan)
    for (i, atom, j, _), value in _matrix(text, "Effective charges, in cartesian coordinates"):
        found[atom, j, i] = value
    return _complete(found, "Born charges")


def read_frequencies(text: str, n_modes: int) -> Float[np.ndarray, "q mode"]:
    r"""All frequencies (cm⁻¹) that an output lists, a row for each wave vector or direction.

    >>> read_frequencies("Phonon frequencies in cm-1    :\n- -1.5E+00  2.0E+01\n-  3.0E+02", 3)
    array([[ -1.5,  20. , 300. ]])
    """
    rows = []
    for part in text.split("Phonon frequencies in cm-1")[1:]:
        numbers = re.findall(r"-?\d\.\d+E[-+]\d+", part)[:n_modes]
        rows.append([float(number) for number in numbers])
    return np.array(rows)


def read_dos(
    text: str, n_types: int
) -> tuple[Float[np.ndarray, " edge"], Float[np.ndarray, "part interval"]]:
    """Edges (cm⁻¹) and modes of the cell in the intervals: all, and by element; of anaddb's table.

    The integrated columns are taken, so that the sum over intervals is exact.
    Raises ``ValueError`` for another kind of table.
    """
    rows = [line.split() for line in text.splitlines() if line.strip() and "#" not in line]
    table = np.array(rows, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 3 + 2 * n_types or len(table) < 2:
        raise ValueError(
            f"the density of states has the shape {table.shape}, expected {3 + 2 * n_types} columns"
        )
    return table[:, 0] * HARTREE_TO_CM1, np.clip(np.diff(table[:, 2::2], axis=0).T, 0.0, None)


def _symbols(atoms: Atoms) -> list[str]:
    """The elements in order of appearance."""
    return list(dict.fromkeys(atoms.symbols))


def _rows(array: np.ndarray) -> str:
    return "\n".join(" ".join(f"{x:.14f}" for x in row) for row in array)


def _is_face_centred(atoms: Atoms) -> bool:
    """Whether the lattice is face-centred cubic, with vectors to the nearest neighbours."""
    lengths, angles = np.split(atoms.cell.cellpar(), 2)
    return bool(np.ptp(lengths) < 1e-4 and np.abs(angles - 60).max() < 1e-3)


def _shortest(vectors: np.ndarray) -> float:
    """Length of the shortest vector of a lattice."""
    return float(np.linalg.norm(minkowski_reduce(vectors)[0], axis=1).min())


def _complaint(log: Path) -> str:
    """What a program said before it stopped: the message of its error, or its last lines."""
    text = log.read_text(errors="replace")
    message = re.findall(r"--- !(?:ERROR|BUG).*?message: \|?(.*?)\n(?:\.\.\.|[a-z_]+:)", text, re.S)
    return " ".join((message[-1] if message else text[-300:]).split()) or "it said nothing"


def _echoed(text: str, name: str, default: np.ndarray) -> np.ndarray:
    """The numbers of a variable in the last echo of the output; ABINIT leaves out defaults."""
    last = text[max(text.rfind("echo values of variables after computation"), 0) :]
    number = r"[-+]?\d+\.\d+(?:E[-+]\d+)?"
    found = re.search(rf"^[-P\s]+{name}((?:\s+{number})+)", last, re.MULTILINE)
    if found is None:
        return default
    values = np.array([float(word) for word in found[1].split()])
    if values.shape != default.shape:
        raise ValueError(f"ABINIT echoes {len(values)} numbers for {name}, not {len(default)}")
    return values


def _matrix(text: str, title: str) -> Iterator[tuple[tuple[int, ...], float]]:
    """Direction, perturbation, direction, perturbation (from zero) and value, below a title."""
    if title not in text:
        return
    line = r"^ +(\d+) +(\d+) +(\d+) +(\d+) +(-?\d+\.\d+) +-?\d+\.\d+ *$"
    part = text[text.index(title) :]
    # the next title is a line with a word of letters after the table has begun
    lines = part.splitlines()[1:]
    begun = False
    for words in lines:
        found = re.match(line, words)
        if found:
            begun = True
            yield tuple(int(found[n]) - 1 for n in range(1, 5)), float(found[5])
        elif begun and re.search(r"[a-z]{3}", words):
            return


def _complete(array: np.ndarray, what: str) -> np.ndarray:
    if np.isnan(array).any():
        raise ValueError(f"ABINIT's output has no complete {what}")
    return array
