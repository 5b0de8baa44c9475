"""Values on a regular grid around atoms, and the files of other programs that hold them."""

import gzip
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from euclidium.atoms.elements import atomic_number, chemical_symbol
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.units import BOHR

SUFFIXES = {".cube": "cube", ".cub": "cube", ".xsf": "xsf", ".chgcar": "chgcar", ".vasp": "chgcar"}
XSF_PERIODS = {"CRYSTAL": 3, "SLAB": 2, "POLYMER": 1, "MOLECULE": 0}
BROKEN = (ValueError, IndexError, StopIteration, RuntimeError, OSError, EOFError, zlib.error)
VASP_NAMES = ("CHGCAR", "CHG", "AECCAR", "PARCHG")


@dataclass(frozen=True, eq=False)
class Volume:
    """A density on a regular grid, e/Å³.

    Point (i, j, k) is at ``origin`` + i/n₁ a + j/n₂ b + k/n₃ c, where a, b, c are the rows of
    ``box`` (Å): the box of a crystal is its cell, so that no point occurs twice. ``spin`` is the
    density of spin, ρ↑ − ρ↓, if it is known.

    Raises ``DataError`` for arrays that do not fit, and a box without a volume.

    >>> proton = Structure(np.array([1]), np.zeros((1, 3)))
    >>> volume = Volume(proton, np.full((2, 2, 2), 0.5), 2 * np.eye(3), np.zeros(3))
    >>> round(volume.electrons, 9), volume.points[-1]
    (4.0, array([1., 1., 1.]))
    """

    structure: Structure
    values: Float[np.ndarray, "a b c"]
    box: Float[np.ndarray, "3 3"]
    origin: Float[np.ndarray, "3"]
    spin: Float[np.ndarray, "a b c"] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.size == 0:
            raise DataError(f"a grid has three axes with points, got {self.values.shape}")
        if not self.volume > 0:
            raise DataError(f"the box of the grid has no volume: {self.box.tolist()}")

    @property
    def volume(self) -> float:
        """Volume of the box, Å³."""
        return float(abs(np.linalg.det(self.box)))

    @property
    def electrons(self) -> float:
        """The sum over the grid, e: near ∫ρ only if the grid resolves the cores."""
        return float(self.values.mean() * self.volume)

    @property
    def points(self) -> Float[np.ndarray, "point 3"]:
        """Where the values are, Å, the last axis fastest."""
        return grid_points(self.values.shape, self.box, self.origin)


def grid_points(
    shape: tuple[int, ...], box: Float[np.ndarray, "3 3"], origin: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "point 3"]:
    """The points of a grid in a box, Å, the last axis fastest.

    >>> grid_points((1, 1, 2), 2 * np.eye(3), np.zeros(3)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    axes = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1) @ box + origin


def volume_format(path: str | os.PathLike[str]) -> str | None:
    """The format of a file of a density by its name: ``cube``, ``xsf``, ``chgcar``, or None.

    >>> volume_format("rho.cube"), volume_format("CHGCAR_water.gz"), volume_format("rho.npz")
    ('cube', 'chgcar', None)
    """
    path = Path(path)
    if path.suffix == ".gz":
        path = path.with_suffix("")
    if path.suffix.lower() in SUFFIXES:
        return SUFFIXES[path.suffix.lower()]
    return "chgcar" if path.name.startswith(VASP_NAMES) else None


def read_volume(path: str | os.PathLike[str]) -> Volume:
    """The density in a Gaussian cube, XSF or VASP CHGCAR file, which may end with ``.gz``.

    Cubes hold e/bohr³, CHGCAR electrons per cell, XSF files what their program chose: it is taken
    to be e/Å³. The second grid of a CHGCAR or an XSF file is the density of spin. The box of a cube
    may be a cell or not, which the file does not say: the structures of cubes are not periodic.

    Raises ``DataError`` for a file that is missing, of another kind or cut off.

    >>> read_volume("nowhere.cube")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: there is no file nowhere.cube
    """
    path = Path(path)
    kind = volume_format(path)
    if kind is None:
        raise DataError(f"{path.name} is no density on a grid: give .cube, .xsf or CHGCAR")
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    readers: dict[str, Callable[[Iterator[str]], Volume]] = {
        "cube": _read_cube,
        "xsf": _read_xsf,
        "chgcar": _read_chgcar,
    }
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            return readers[kind](iter(file))
    except BROKEN as error:
        if isinstance(error, DataError):
            raise DataError(f"{path}: {error}") from error
        raise DataError(f"{path} is no {kind} file, or cut off: {error}") from error


def write_volume(path: str | os.PathLike[str], volume: Volume, exact: float | None = None) -> None:
    """Write a density as a Gaussian cube, XSF or VASP CHGCAR file, by the name of the file.

    The values are written as they are: nothing is scaled to the number of electrons. The title says
    what the grid sums up to, beside ``exact``, the integral of the density, if it is given. A
    CHGCAR has no augmentation occupancies, which VASP needs to start from it in PAW calculations;
    a cube has no room for the density of spin.

    Raises ``DataError`` for another name.

    >>> proton = Structure(np.array([1]), np.zeros((1, 3)))
    >>> volume = Volume(proton, np.ones((2, 2, 2)), np.eye(3), np.zeros(3))
    >>> write_volume("rho.txt", volume)
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: rho.txt is no density on a grid: give .cube, .xsf or CHGCAR
    """
    path = Path(path)
    kind = volume_format(path)
    if kind is None or path.suffix == ".gz":
        raise DataError(f"{path.name} is no density on a grid: give .cube, .xsf or CHGCAR")
    writers: dict[str, Callable[[Volume, str], Iterator[str]]] = {
        "cube": _cube,
        "xsf": _xsf,
        "chgcar": _chgcar,
    }
    title = f"{volume.structure.formula}: {volume.electrons:.6f} electrons on this grid"
    title += "" if exact is None else f", {exact:.6f} exactly"
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "w") as file:
            file.writelines(writers[kind](volume, title))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# -- Gaussian cube ---------------------------------------------------------------------------------


def _read_cube(lines: Iterator[str]) -> Volume:
    for _ in range(2):
        next(lines)
    first = next(lines).split()
    n_atoms, origin = int(first[0]), np.array(first[1:4], float)
    if n_atoms < 0:
        raise DataError("it holds orbitals, and no density")
    if len(first) > 4 and int(first[4]) != 1:
        raise DataError(f"it holds {first[4]} values for each point, and no density alone")
    rows = [next(lines).split() for _ in range(3)]
    counts = [int(row[0]) for row in rows]
    steps = np.array([row[1:4] for row in rows], float)
    unit = BOHR if all(n > 0 for n in counts) else 1.0
    shape = [abs(n) for n in counts]
    atoms = np.array([next(lines).split()[:5] for _ in range(n_atoms)], float).reshape(-1, 5)
    values = _numbers(lines, int(np.prod(shape))).reshape(shape) / BOHR**3
    box = steps * np.array(shape)[:, None] * unit
    structure = Structure(atoms[:, 0].astype(int), atoms[:, 2:] * unit)
    return Volume(structure, values, box, origin * unit)


def _cube(volume: Volume, title: str) -> Iterator[str]:
    yield f"{title}\ndensity in e/bohr^3, lengths in bohr\n"
    structure, shape = volume.structure, volume.values.shape
    yield f"{structure.n_atoms:5d}" + _row(volume.origin / BOHR) + "\n"
    for n, step in zip(shape, volume.box / np.array(shape)[:, None], strict=True):
        yield f"{n:5d}" + _row(step / BOHR) + "\n"
    for z, position in zip(structure.species, structure.positions, strict=True):
        yield f"{z:5d}{float(z):13.6f}" + _row(position / BOHR) + "\n"
    # every run along the last axis begins a line
    for run in (volume.values * BOHR**3).reshape(-1, shape[2]):
        yield _wrapped(run, 6, "%14.6E")


def _row(values: np.ndarray) -> str:
    return "".join(f"{value:16.9f}" for value in values)


# -- XSF -------------------------------------------------------------------------------------------


def _read_xsf(lines: Iterator[str]) -> Volume:
    cell, atoms, grids = np.zeros((3, 3)), np.zeros((0, 4)), []
    periodic, along = False, 3
    for line in lines:
        word = line.strip()
        along = XSF_PERIODS.get(word, along)
        if word.startswith(("BEGIN_DATAGRID_3D", "DATAGRID_3D")):
            grids.append(_read_datagrid(lines, periodic))
        elif word == "PRIMVEC":
            periodic = True
            cell = np.array([next(lines).split() for _ in range(3)], float)
        elif word == "PRIMCOORD":
            n = int(next(lines).split()[0])
            atoms = np.array([_xsf_atom(next(lines)) for _ in range(n)])
        elif word == "ATOMS":
            rows = []
            for row in lines:
                if row.strip().startswith("BEGIN_BLOCK"):
                    break
                if row.strip() and not row.strip().startswith("#"):
                    rows.append(_xsf_atom(row))
            atoms = np.array(rows)
    if not grids or not len(atoms):
        raise DataError("it has no atoms, or no DATAGRID_3D")
    pbc = np.arange(3) < (along if periodic else 0)
    structure = Structure(atoms[:, 0].astype(int), np.ascontiguousarray(atoms[:, 1:]), cell, pbc)
    values, box, origin = grids[0]
    spin = grids[1][0] if len(grids) > 1 and grids[1][0].shape == values.shape else None
    return Volume(structure, values, box, origin, spin)


def _xsf_atom(line: str) -> tuple[float, ...]:
    name, *position = line.split()[:4]
    z = int(name) if name.isdigit() else atomic_number(name)
    return (float(z), *map(float, position))


def _read_datagrid(
    lines: Iterator[str], periodic: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, box and origin; the last point of each axis of a crystal repeats the first."""
    shape = [int(n) for n in next(lines).split()]
    origin = np.array(next(lines).split(), float)
    span = np.array([next(lines).split() for _ in range(3)], float)
    values = _numbers(lines, int(np.prod(shape))).reshape(shape, order="F")
    if periodic:
        return np.ascontiguousarray(values[:-1, :-1, :-1]), span, origin
    counts = np.array(shape)[:, None]
    return np.ascontiguousarray(values), span * counts / np.maximum(counts - 1, 1), origin


def _xsf(volume: Volume, title: str) -> Iterator[str]:
    structure = volume.structure
    periodic = bool(structure.pbc.all())
    yield f"# {title}\n# density in e/angstrom^3\n"
    if periodic:
        yield "CRYSTAL\nPRIMVEC\n"
        yield from (_row(vector) + "\n" for vector in structure.cell)
        yield f"PRIMCOORD\n{structure.n_atoms} 1\n"
    else:
        yield "ATOMS\n"
    for z, position in zip(structure.species, structure.positions, strict=True):
        yield f"{z:4d}" + _row(position) + "\n"
    yield "BEGIN_BLOCK_DATAGRID_3D\nelectrons\n"
    yield from _datagrid("density", volume.values, volume, periodic)
    if volume.spin is not None:
        yield from _datagrid("spin", volume.spin, volume, periodic)
    yield "END_BLOCK_DATAGRID_3D\n"


def _datagrid(name: str, values: np.ndarray, volume: Volume, periodic: bool) -> Iterator[str]:
    counts = np.array(values.shape)[:, None]
    span = volume.box if periodic else volume.box * (counts - 1) / counts
    if periodic:
        values = np.pad(values, [(0, 1)] * 3, mode="wrap")
    yield f"BEGIN_DATAGRID_3D_{name}\n{' '.join(map(str, values.shape))}\n"
    yield _row(volume.origin) + "\n"
    yield from (_row(vector) + "\n" for vector in span)
    yield _wrapped(values.ravel(order="F"), 5, "%16.8E")
    yield f"END_DATAGRID_3D_{name}\n"


# -- VASP ------------------------------------------------------------------------------------------


def _read_chgcar(lines: Iterator[str]) -> Volume:
    next(lines)
    scale = np.array(next(lines).split()[:3], float)
    cell = np.array([next(lines).split()[:3] for _ in range(3)], float)
    if len(scale) == 1 and scale[0] < 0:  # the volume
        scale = (-scale / abs(float(np.linalg.det(cell)))) ** (1 / 3)
    cell *= scale
    symbols = next(lines).split()
    if symbols[0].isdigit():
        raise DataError("it names no elements, as VASP 4 wrote it: add a line with them")
    counts = [int(n) for n in next(lines).split()]
    kind = next(lines).strip()[:1].lower()
    if kind == "s":  # selective dynamics
        kind = next(lines).strip()[:1].lower()
    positions = np.array([next(lines).split()[:3] for _ in range(sum(counts))], float)
    positions = positions * scale if kind in ("c", "k") else positions @ cell
    species = np.repeat([atomic_number(re.split("[_/]", s)[0]) for s in symbols], counts)
    structure = Structure(species, positions, cell, np.ones(3, dtype=bool))
    next(lines)
    shape = tuple(int(n) for n in next(lines).split())
    grids = [_numbers(lines, int(np.prod(shape)))]
    for line in lines:  # past the augmentation occupancies
        if line.split() == [str(n) for n in shape]:
            grids.append(_numbers(lines, int(np.prod(shape))))
    if len(grids) > 2:
        raise DataError("its spins are not collinear: it has four grids")
    volume = structure.volume
    found = [np.ascontiguousarray(g.reshape(shape, order="F")) / volume for g in grids]
    return Volume(structure, found[0], cell, np.zeros(3), found[1] if len(found) > 1 else None)


def _chgcar(volume: Volume, title: str) -> Iterator[str]:
    structure = volume.structure
    order = np.argsort(structure.species, kind="stable")
    species, counts = np.unique(structure.species, return_counts=True)
    fractional = (structure.positions - volume.origin) @ np.linalg.inv(volume.box)
    yield f"{title}; smooth density without augmentation occupancies\n   1.0\n"
    yield from (_row(vector) + "\n" for vector in volume.box)
    yield " ".join(f"{chemical_symbol(int(z)):>4}" for z in species) + "\n"
    yield " ".join(f"{n:4d}" for n in counts) + "\nDirect\n"
    yield from (_row(position) + "\n" for position in fractional[order])
    for values in (volume.values, volume.spin):
        if values is not None:
            yield "\n" if values is volume.values else ""
            yield " ".join(f"{n:4d}" for n in values.shape) + "\n"
            yield _wrapped(values.ravel(order="F") * volume.volume, 5, " %18.11E")


# -- numbers ---------------------------------------------------------------------------------------


def _numbers(lines: Iterator[str], count: int) -> np.ndarray:
    """The next numbers of a file, which fill whole lines."""
    parts: list[str] = []
    for line in lines:
        parts += line.split()
        if len(parts) >= count:
            break
    if len(parts) < count:
        raise DataError(f"it ends after {len(parts)} of {count} numbers")
    return np.array(parts[:count], dtype=float)


def _wrapped(values: np.ndarray, columns: int, form: str) -> str:
    """Numbers in lines of some columns."""
    whole = len(values) // columns * columns
    text = (form * columns + "\n") * (whole // columns) % tuple(values[:whole])
    rest = values[whole:]
    return text + (form * len(rest) % tuple(rest) + "\n" if len(rest) else "")
