"""Finding energies, forces, stresses and other labels where programs store them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from euclidium.atoms.problem import DataError, nearest

# Names under which programs and people store the three.
NAMES = {
    "energy": r"((ref|dft|total)_)?energy|energy_(ref|dft|total)|totenergy|e_?tot(al)?|e",
    "forces": r"((ref|dft)_)?forces?|forces?_(ref|dft)",
    "stress": r"((ref|dft)_)?(stress|virials?)|(stress|virials?)_(ref|dft)",
}
WHAT = {"energy": "energies", "forces": "forces", "stress": "stresses"}
PART_OF_A_STRUCTURE = frozenset({"numbers", "positions", "cell", "pbc"})
ROWS_IN_RESULTS = frozenset({"forces", "energies", "stresses", "charges", "magmoms"})
# Two names for one quantity agree if they differ by no more than the digits a file keeps.
SAME = {"rtol": 1e-9, "atol": 1e-6}


@dataclass(frozen=True)
class LabelKeys:
    """Under which names the labels of a data set are stored.

    ``energy``, ``forces`` and ``stress`` are found by their usual names unless a key is given. A
    key that contains ``virial`` is a virial W in eV and becomes a stress, σ = −W/V. ``others``
    gives further labels, and ``inputs`` further features of the atoms, as {our name: name in the
    data}. Labels in ``require`` must be present.

    >>> LabelKeys(energy="E_pbe0", others={"dipole": "mu"}, require=("energy", "forces")).energy
    'E_pbe0'
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    require: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundLabels:
    """The labels and inputs of one structure; ``per_atom`` names those with one row per atom.

    >>> FoundLabels({"energy": np.array(-1.0)}, {}, frozenset()).labels
    {'energy': array(-1.)}
    """

    labels: Mapping[str, np.ndarray]
    inputs: Mapping[str, np.ndarray]
    per_atom: frozenset[str]


@dataclass(frozen=True)
class _Stored:
    """A value that is stored with the atoms."""

    place: str
    value: object
    per_atom: bool


def find_labels(atoms: Atoms, keys: LabelKeys, origin: str = "the structure") -> FoundLabels:
    """Labels stored with the atoms: eV, eV/Å, eV/Å³ (tension positive), float64.

    They may stand in the calculator's results, in ``atoms.info`` or in ``atoms.arrays``. Results
    are taken as they are, so that constraints do not set forces to zero. A stress may have 3 × 3, 9
    or 6 components (xx yy zz yz xz xy). ``origin`` begins the sentence of an error.

    Raises ``DataError`` for a label that is asked for and not there, two candidates that differ,
    and a shape that does not fit.

    >>> atoms = Atoms("H", info={"REF_energy": -13.6})
    >>> find_labels(atoms, LabelKeys()).labels
    {'energy': array(-13.6)}
    """
    stored = _stored(atoms, origin)
    labels: dict[str, np.ndarray] = {}
    for kind in NAMES:
        value = _find(kind, getattr(keys, kind), stored, atoms, origin)
        if value is not None:
            labels[kind] = value
    per_atom = {"forces"}
    for name, key in keys.others.items():
        entry = _lookup(key, stored, origin)
        labels[name] = _numbers(key, entry.value, origin)
        per_atom |= {name} if entry.per_atom else set()
    inputs = {
        name: _of_each_atom(key, _lookup(key, stored, origin), len(atoms), origin)
        for name, key in keys.inputs.items()
    }
    for name in keys.require:
        if name not in labels:
            raise DataError(_absent(name, stored, origin, f"{name}_key" if name in NAMES else None))
    return FoundLabels(labels, inputs, frozenset(per_atom & labels.keys()))


def _stored(atoms: Atoms, origin: str) -> dict[str, _Stored]:
    """Everything that is stored with the atoms, by name."""
    results = getattr(atoms.calc, "results", None) or {}
    places = {
        "the calculator's results": (results, ROWS_IN_RESULTS),
        "info": (atoms.info, frozenset()),
        "arrays": (atoms.arrays, atoms.arrays.keys()),
    }
    stored: dict[str, _Stored] = {}
    for place, (values, rows) in places.items():
        for name, value in values.items():
            if value is None or name in PART_OF_A_STRUCTURE:
                continue
            if name in stored and not _equal(stored[name].value, value):
                raise DataError(
                    f"{origin} has {name!r} twice, in {stored[name].place} and in {place}, with "
                    "different values: remove one"
                )
            stored.setdefault(str(name), _Stored(place, value, name in rows))
    return stored


def _equal(first: object, second: object) -> bool:
    """Whether two stored values say the same."""
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.dtype.kind not in "iuf" or b.dtype.kind not in "iuf":
        return bool(np.array_equal(a, b))
    return np.allclose(a, b, equal_nan=True, **SAME)


def _find(
    kind: str, key: str | None, stored: Mapping[str, _Stored], atoms: Atoms, origin: str
) -> np.ndarray | None:
    """Energy, forces or stress: under the given key, or under a usual name."""
    if key is not None:
        return _shaped(kind, key, _lookup(key, stored, origin, f"{kind}_key").value, atoms, origin)
    found: dict[str, np.ndarray] = {}
    for name in sorted(stored, key=lambda name: name.lower() != kind):
        usual = re.fullmatch(NAMES[kind], name, re.IGNORECASE)
        if not usual or _is_something_else(name, stored[name].value, atoms):
            continue
        value = _shaped(kind, name, stored[name].value, atoms, origin)
        for other, previous in found.items():
            if not np.allclose(previous, value, equal_nan=True, **SAME):
                raise DataError(
                    f"{origin} has two different {WHAT[kind]}, {_quote(other, previous)} and "
                    f"{_quote(name, value)}: choose one with {kind}_key"
                )
        found[name] = value
    return next(iter(found.values()), None)


def _is_something_else(name: str, value: object, atoms: Atoms) -> bool:
    """Whether a usual name means another thing here."""
    if name.lower() == "e":  # may be an electric field
        return np.ndim(np.asarray(value)) > 0
    return "virial" in name.lower() and _volume(atoms) == 0  # of a molecule: no stress


def _quote(name: str, value: np.ndarray) -> str:
    return f"{name!r} ({value:.6g})" if value.ndim == 0 else repr(name)


def _lookup(
    key: str, stored: Mapping[str, _Stored], origin: str, option: str | None = None
) -> _Stored:
    """What is stored under a key that must be there."""
    if key not in stored:
        raise DataError(_absent(key, stored, origin, option))
    return stored[key]


def _absent(key: str, stored: Mapping[str, _Stored], origin: str, option: str | None) -> str:
    """The sentence for a label that is not there."""
    there = f"it has {', '.join(sorted(stored))}" if stored else "it has no labels"
    remedy = f"; name another with {option}" if option and stored else ""
    return f"{origin} has no {key!r} ({there}){nearest(key, stored)}{remedy}"


def _numbers(key: str, value: object, origin: str) -> np.ndarray:
    """A stored value as float64."""
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{origin}: {key!r} is {value!r}, expected numbers") from None


def _of_each_atom(key: str, entry: _Stored, n_atoms: int, origin: str) -> np.ndarray:
    """An input feature, one row per atom; what belongs to the structure is given to each atom."""
    value = np.atleast_1d(_numbers(key, entry.value, origin))
    rows = value if entry.per_atom else np.broadcast_to(value.reshape(1, -1), (n_atoms, value.size))
    return np.ascontiguousarray(rows.reshape(n_atoms, -1))


def _shaped(kind: str, key: str, value: object, atoms: Atoms, origin: str) -> np.ndarray:
    """Energy, forces or stress in our shape and sign."""
    numbers = _numbers(key, value, origin)
    allowed: dict[str, tuple[tuple[int, ...], ...]] = {
        "energy": ((), (1,)),
        "forces": ((len(atoms), 3),),
        "stress": ((3, 3), (9,), (6,)),
    }
    if numbers.shape not in allowed[kind]:
        expected = " or ".join(str(shape) for shape in allowed[kind])
        raise DataError(f"{origin}: {key!r} has the shape {numbers.shape}, expected {expected}")
    if kind == "energy":
        return numbers.reshape(())
    if kind == "forces":
        return numbers
    if numbers.shape == (6,):
        numbers = numbers[[0, 5, 4, 5, 1, 3, 4, 3, 2]]
    return _stress(key, numbers.reshape(3, 3), atoms, origin)


def _stress(key: str, tensor: np.ndarray, atoms: Atoms, origin: str) -> np.ndarray:
    """A stress, also from a virial: σ = −W/V."""
    if "virial" not in key.lower():
        return tensor
    volume = _volume(atoms)
    if volume == 0:
        raise DataError(f"{origin}: {key!r} is a virial, but the cell has no volume to divide by")
    return -tensor / volume


def _volume(atoms: Atoms) -> float:
    return float(abs(np.linalg.det(atoms.cell.array)))
