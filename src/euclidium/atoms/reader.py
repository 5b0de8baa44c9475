"""Reading structures and their labels from files, one frame at a time."""

from collections.abc import Iterable, Iterator, Mapping
from io import StringIO, TextIOBase
from itertools import count, islice
from lzma import LZMAError
from pathlib import Path
from typing import cast

import ase.io
from ase import Atoms
from ase.data import atomic_numbers
from ase.io.extxyz import read_xyz
from ase.io.formats import UnknownFileTypeError, open_with_compression, string2index

from euclidium.atoms.cif import read_cif
from euclidium.atoms.labels import LabelKeys
from euclidium.atoms.problem import DataError, nearest
from euclidium.atoms.structure import Structure

XYZ = frozenset({".xyz", ".extxyz"})
COMPRESSED = frozenset({".gz", ".xz", ".bz2"})


def read(
    path: str | Path,
    index: str | int | slice = ":",
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    labels: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
    require: Iterable[str] = (),
) -> Iterator[Structure]:
    r"""The structures in a file, in any format that ASE reads.

    ``index`` chooses frames as in ASE: ``5``, ``"-1"``, ``":100"``, ``"::10"``. Energy, forces and
    stress are found by their usual names, or under the keys given. ``labels`` and ``inputs`` name
    further ones, as {our name: name in the file}. Extended XYZ, also compressed (.gz, .xz, .bz2),
    is read as a stream. Partial occupancies become ``Structure.occupations``. Units: eV, Å; frames
    are counted from 0.

    Raises ``DataError`` for a file that is missing, empty or cannot be read, and for a frame with
    an unknown element, a label in ``require`` that is absent, two candidates for a label that
    differ, or a number that is not finite. The sentence names the file and the frame.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "atom.xyz")
    ...     _ = path.write_text("1\nenergy=-13.6\nH 0 0 0\n")
    ...     list(read(path, require=["energy"]))
    [Structure(H, labels: energy)]
    """
    keys = LabelKeys(energy_key, forces_key, stress_key, labels or {}, inputs or {}, tuple(require))
    return read_structures(path, index, keys)


def read_structures(
    path: str | Path,
    index: str | int | slice = ":",
    keys: LabelKeys | None = LabelKeys(),  # noqa: B008
) -> Iterator[Structure]:
    """As :func:`read`, with all names of labels in one record; ``keys=None`` reads no labels.

    >>> read_structures("missing.xyz")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no such file: missing.xyz
    """
    path = Path(path)
    check_file(path)
    return _structures(path, _frames(index), keys)


def check_file(path: Path) -> None:
    """Raise ``DataError`` for a file that is missing, empty or a folder."""
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a file with structures")
    if not path.exists():
        folder = path.parent
        names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        raise DataError(f"no such file: {path}{nearest(path.name, names)}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty, expected at least one structure")


def _frames(index: str | int | slice) -> slice:
    """Any way to choose frames, as a slice."""
    try:
        chosen = string2index(index) if isinstance(index, str) else index
        if isinstance(chosen, slice):
            return chosen
        first = int(chosen)
    except ValueError:
        raise DataError(
            f"cannot choose frames by {index!r}: write for example '5', ':100' or '::10'"
        ) from None
    return slice(first, first + 1 or None)


def _structures(path: Path, frames: slice, keys: LabelKeys | None) -> Iterator[Structure]:
    """The structures of the chosen frames."""
    found = False
    for frame, atoms in _atoms(path, frames):
        found = True
        words = {key: value for key, value in atoms.info.items() if isinstance(value, str)}
        yield Structure.from_ase(atoms, keys, {**words, "file": path.name, "frame": frame})
    if not found:
        chosen = [frames.start, frames.stop, frames.step]
        which = ":".join("" if number is None else str(number) for number in chosen)
        raise DataError(f"{path} has no frames" + (f" {which.rstrip(':')}" if any(chosen) else ""))


def _atoms(path: Path, frames: slice) -> Iterator[tuple[int, Atoms]]:
    """The chosen frames with their numbers, as ASE reads them."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in COMPRESSED]
    if suffixes and suffixes[-1] in XYZ:
        for frame, text in _choose(xyz_frames(path), frames):
            yield frame, parse_xyz(text, frame, path.name)
        return
    step = frames.step or 1
    first = frames.start if frames.start is not None else (0 if step > 0 else -1)
    stream = _stream(path, frames, suffixes[-1:] in ([".cif"], [".CIF"]))
    for frame in count(first, step):  # counted from the end where that is how they were chosen
        try:
            yield frame, next(stream)
        except StopIteration:
            return
        except UnknownFileTypeError:
            raise DataError(
                f"{path} cannot be read: the format is not known; use for example extended XYZ "
                "(.xyz), POSCAR, .cif or .traj"
            ) from None
        except Exception as error:  # each format fails in its own way
            raise _unreadable(frame, path.name, error) from error


def _stream(path: Path, frames: slice, cif: bool) -> Iterator[Atoms]:
    """The chosen frames of any format but XYZ; nothing is opened before the first is asked for."""
    if cif:
        yield from list(read_cif(path))[frames]
    else:
        yield from ase.io.iread(path, index=frames, do_not_split_by_at_sign=True)


def _choose(stream: Iterator[str], frames: slice) -> Iterator[tuple[int, str]]:
    """The chosen items with their numbers, without keeping the others where that is possible."""
    numbers = (frames.start or 0, frames.stop or 0, frames.step or 1)
    if min(numbers) >= 0:
        return islice(enumerate(stream), frames.start, frames.stop, frames.step)
    return iter(list(enumerate(stream))[frames])


def xyz_frames(path: Path) -> Iterator[str]:
    """The text of each frame of an XYZ file, also of a compressed one, as a stream.

    Empty lines between frames do not matter. Raises ``DataError`` where the file breaks off.
    """
    with cast(TextIOBase, open_with_compression(str(path))) as file:
        for frame in count():
            try:
                lines = _xyz_lines(file, frame, path.name)
            except (
                EOFError,
                LZMAError,
                OSError,
                UnicodeDecodeError,
            ) as error:  # also of decompression
                raise _unreadable(frame, path.name, error) from error
            if not lines:
                return
            yield "".join(lines)


def _xyz_lines(file: TextIOBase, frame: int, name: str) -> list[str]:
    """The lines of the next frame, none at the end of the file."""
    first = next((line for line in file if line.strip()), "")
    if not first:
        return []
    try:
        n_atoms = int(first)
    except ValueError:
        raise DataError(
            f"frame {frame} of {name} cannot be read: it begins with {first.strip()[:40]!r}, "
            "expected the number of atoms"
        ) from None
    lines = [first, file.readline(), *islice(file, n_atoms)]
    if len(lines) != n_atoms + 2:
        raise DataError(
            f"frame {frame} of {name} is cut off: it has {len(lines) - 2} of {n_atoms} atoms"
        )
    return lines


def parse_xyz(text: str, frame: int, name: str) -> Atoms:
    r"""One frame of an XYZ file; a ``DataError`` names the frame and the file.

    >>> parse_xyz("1\n\nAr 0 0 0\n", 0, "argon.xyz")
    Atoms(symbols='Ar', pbc=False)
    """
    try:
        return next(read_xyz(StringIO(text), 0))
    except KeyError as error:
        symbol = error.args[0]
        if symbol in atomic_numbers:
            raise _unreadable(frame, name, error) from error
        raise DataError(
            f"frame {frame} of {name} has an unknown element {symbol!r}: "
            "use chemical symbols such as 'Si' or 'O'"
        ) from None
    except Exception as error:  # ASE raises what the line happens to cause
        raise _unreadable(frame, name, error) from error


def _unreadable(frame: int, name: str, error: Exception) -> DataError:
    what = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"frame {frame} of {name} cannot be read: {what[:200]}")
