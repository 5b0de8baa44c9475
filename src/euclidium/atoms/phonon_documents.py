"""Phonon densities of states in JSON, as public databases give them.

Three kinds of objects are known; a file holds one or a list of them. Frequencies become cm⁻¹.

* JARVIS (``edos_pdos`` of the JARVIS tools): ``jid``, ``atoms`` (``lattice_mat`` in Å, ``coords``,
  ``elements``, ``cartesian``) and the curve in ``pdos_elast``, ``phdos`` or ``pdos``, on any scale
  and on points at equal distances from 0 to 1000 cm⁻¹, which is assumed where neither the object
  (``frequencies``) nor the name of the file (``...Freq-300_1000_20.json``: from, to, step) says
  otherwise. Objects without a curve (``"na"``) are left out.
* Petretto et al. 2018 (DFPT): ``metadata`` with ``material_id`` and ``structure`` (a CIF), and
  ``phonon`` with ``dos_frequencies`` and ``ph_dos`` in cm⁻¹, or both in ``ph_dos``. Petretto et
  al., Sci. Data 5, 180065 (2018), https://doi.org/10.1038/sdata.2018.65.
* pymatgen (Materials Project): a ``CompletePhononDos``, ``frequencies`` in THz, ``densities``,
  ``pdos`` by site and ``structure``, or an object that holds it as ``ph_dos`` or ``phonon_dos``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, cast

import ase.io
import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from jaxtyping import Float

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.problem import DataError
from euclidium.atoms.sites import N_COLUMNS, majority, mixed
from euclidium.atoms.structure import Structure
from euclidium.units import THZ_TO_CM1

CURVES = ("pdos_elast", "phdos", "pdos")
RANGE = re.compile(r"Freq(?P<first>-?\d+)_(?P<last>\d+)_(?P<step>\d+)")
HIGHEST = 1000.0  # cm⁻¹, where the curves of JARVIS end
# by how much partial densities may miss the total, as a share of the modes, to be believed
SLACK = 0.1


def read_documents(content: object, name: str) -> list[PhononRecord]:
    """The records in what a JSON file held; ``name`` is that of the file.

    Raises ``DataError`` for objects of no known kind, or that cannot be read.

    >>> read_documents([{"id": 1}], "x.json")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: object 0 of x.json is not phonon data: it has id; ...
    """
    documents = content if isinstance(content, list) else [content]
    records = []
    for k, document in enumerate(documents):
        where = f"object {k} of {name}" if len(documents) > 1 or content is documents else name
        try:
            records += list(_records(document, name, where))
        except DataError as error:
            if str(error).startswith(where):
                raise
            raise DataError(f"{where}: {error}") from error
        except (KeyError, TypeError, ValueError, IndexError) as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{where} cannot be read: {what}") from error
    return records


def partial_modes(
    dos: PhononDOS, curves: Mapping[str, Float[np.ndarray, " interval"]], structure: Structure
) -> dict[str, np.ndarray] | None:
    """Modes by element from curves on any scale, or None where they do not sum to the total.

    Each element has three modes for each of its atoms, which sets the scale of its curve; what the
    sum then misses of the total, up to a tenth of all modes, is shared out in proportion.

    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> dos = PhononDOS.of(argon, np.array([0.0, 9.0, 18.0]), np.array([1.0, 2.0]))
    >>> partial_modes(dos, {"Ar": np.array([0.5, 1.0])}, argon)["Ar"].tolist()
    [1.0, 2.0]
    """
    amounts = structure.composition
    if set(curves) != set(amounts) or any(len(c) != len(dos.modes) for c in curves.values()):
        return None
    clipped = {symbol: np.clip(curve, 0.0, None) for symbol, curve in curves.items()}
    if not all(curve.any() and np.isfinite(curve).all() for curve in clipped.values()):
        return None
    share = {symbol: amount / sum(amounts.values()) for symbol, amount in amounts.items()}
    scaled = {s: 3 * share[s] * curve / curve.sum() for s, curve in clipped.items()}
    total = np.sum(list(scaled.values()), axis=0)
    if np.abs(total - dos.modes).sum() / 2 > SLACK * 3:
        return None
    ratio = np.divide(dos.modes, total, out=np.zeros_like(total), where=total > 0)
    missing = np.where(total > 0, 0.0, dos.modes)  # where no element has any, all take their share
    return {s: ratio * curve + share[s] * missing for s, curve in scaled.items()}


def _records(document: object, name: str, where: str) -> Iterator[PhononRecord]:
    """The record of an object, or none if it has no curve."""
    if not isinstance(document, Mapping):
        raise DataError(f"{where} is not phonon data: expected an object, got {document!r:.40}")
    if "jid" in document and "atoms" in document:
        yield from _jarvis(document, name)
        return
    if "metadata" in document and "phonon" in document:
        yield _petretto(document, name)
        return
    found = next((document[k] for k in ("ph_dos", "phonon_dos") if k in document), document)
    if isinstance(found, Mapping) and {"frequencies", "densities"} <= found.keys():
        yield _pymatgen(found, document, name)
        return
    keys = ", ".join(sorted(map(str, document))[:8])
    raise DataError(
        f"{where} is not phonon data: it has {keys}; known are JARVIS (jid, atoms, pdos_elast), "
        "Petretto (metadata, phonon) and pymatgen (frequencies, densities, structure)"
    )


def _jarvis(document: Mapping[str, Any], name: str) -> Iterator[PhononRecord]:
    key = next((k for k in CURVES if isinstance(document.get(k), Sequence)), None)
    curve = None if key is None else document[key]
    if key is None or isinstance(curve, str) or not curve:
        return
    density = np.array(curve, dtype=np.float64)
    found = RANGE.search(name)
    if "frequencies" in document:
        points = np.array(document["frequencies"], dtype=np.float64)
    elif found:
        points = np.arange(float(found["first"]), float(found["last"]) + 1.0, float(found["step"]))
    else:
        points = np.linspace(0.0, HIGHEST, len(density))
    if len(points) != len(density):
        raise ValueError(f"{len(density)} values of {key} at {len(points)} frequencies")
    atoms = document["atoms"]
    cell = np.array(atoms["lattice_mat"], dtype=np.float64)
    coordinates = np.array(atoms["coords"], dtype=np.float64)
    structure = Structure(
        species=np.array([_number(symbol) for symbol in atoms["elements"]]),
        positions=coordinates if atoms.get("cartesian") else coordinates @ cell,
        cell=cell,
        pbc=np.ones(3, dtype=bool),
        info={"name": document["jid"]},
    )
    dos = PhononDOS.from_curve(points, density, structure)
    yield PhononRecord.of(document["jid"], structure, dos, info={"source": "JARVIS-DFT"})


def _petretto(document: Mapping[str, Any], name: str) -> PhononRecord:
    metadata, phonon = document["metadata"], document["phonon"]
    material = str(metadata.get("material_id", _stem(name)))
    atoms = cast(Atoms, ase.io.read(StringIO(metadata["structure"]), format="cif"))
    structure = Structure.from_ase(atoms, keys=None, info={"name": material})
    curve = phonon["ph_dos"]
    if "dos_frequencies" in phonon:
        points, density = phonon["dos_frequencies"], curve
    else:
        points, density = curve  # the pair of both
    dos = PhononDOS.from_curve(
        np.array(points, dtype=np.float64), np.array(density, dtype=np.float64), structure
    )
    kept = {key: metadata[key] for key in ("space_group", "nsites") if key in metadata}
    kept |= {"flags": document["flags"]} if "flags" in document else {}
    return PhononRecord.of(material, structure, dos, info=kept | {"source": "Petretto 2018"})


def _pymatgen(found: Mapping[str, Any], document: Mapping[str, Any], name: str) -> PhononRecord:
    keys = ("structure", "primitive")
    held = next((o[k] for o in (found, document) for k in keys if k in o), None)
    if held is None:
        raise DataError("there is a density of states without a structure: add one")
    words = ("material_id", "mp_id", "mp-id", "name")
    material = str(next((document[k] for k in words if k in document), _stem(name)))
    structure = _pymatgen_structure(held, material)
    points = np.array(found["frequencies"], dtype=np.float64) * THZ_TO_CM1
    dos = PhononDOS.from_curve(points, np.array(found["densities"], dtype=np.float64), structure)
    curves: dict[str, np.ndarray] = {}
    for number, site in zip(structure.species, found.get("pdos") or (), strict=False):
        symbol = chemical_symbols[number]
        curves[symbol] = curves.get(symbol, 0.0) + np.array(site, dtype=np.float64)
    partial = partial_modes(dos, curves, structure) if curves else None
    return PhononRecord.of(material, structure, dos, partial, info={"source": "pymatgen"})


def _pymatgen_structure(held: Mapping[str, Any], name: str) -> Structure:
    """From the dictionary of a pymatgen structure, also with mixed sites."""
    cell = np.array(held["lattice"]["matrix"], dtype=np.float64)
    fractions = np.zeros((len(held["sites"]), N_COLUMNS))
    for row, site in zip(fractions, held["sites"], strict=True):
        for part in site["species"]:
            row[_number(part["element"])] += float(part["occu"])
    return Structure(
        species=majority(fractions),
        positions=np.array([site["abc"] for site in held["sites"]], dtype=np.float64) @ cell,
        cell=cell,
        pbc=np.ones(3, dtype=bool),
        info={"name": name},
        occupations=fractions if mixed(fractions).any() else None,
    )


def _stem(name: str) -> str:
    return name.partition(".json")[0]


def _number(symbol: str) -> int:
    if symbol not in atomic_numbers or symbol == "X":
        raise ValueError(f"{symbol!r} is not an element")
    return int(atomic_numbers[symbol])
