"""The parts of the data of a run on phonon spectra."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from euclidium.atoms.elements import atomic_number
from euclidium.atoms.embedded import named_phonons
from euclidium.atoms.phonon_record import PhononRecord
from euclidium.atoms.spectra_split import composition_split
from euclidium.atoms.splits import split_indices
from euclidium.train.config import ConfigError
from euclidium.train.parts import NAMES, Part, Parts, file_checksum
from euclidium.train.settings import SpectrumTrainConfig
from euclidium.train.spectrum import spectrum_config, spectrum_dataset

LOWEST_SOUND = -500.0  # cm⁻¹, a mode below is an artefact of a calculation


def read_spectra(config: SpectrumTrainConfig) -> Parts:
    """Read the phonon spectra that a configuration names, and divide them by composition.

    What is not a set of its own is taken from the training set: as ``validation`` the part that the
    set itself calls so, where it has one and the configuration gives no number, else a fraction; as
    ``test`` its own, or compositions that no other part has, see
    :func:`~euclidium.atoms.composition_split`, or none with ``data.test: 0`` written out. With
    ``data.without`` the test are the crystals that have one of these elements, and no other part
    has such a crystal.

    Raises ``ConfigError`` if nothing is left to train on, and ``DataError`` for data that cannot be
    read.
    """
    data = config.data
    named = {"train": data.train, "validation": data.validation, "test": data.test}
    files = {name: value for name, value in named.items() if isinstance(value, str)}
    records = {name: named_phonons(value) for name, value in files.items()}
    indices = _indices(records["train"], config)
    for name in {"validation", "test"} & records.keys():
        indices[name] = list(range(len(records[name])))
    model = spectrum_config(config.model, mean_neighbors=1.0)  # of graphs that are not there yet
    top = model.grid[-1][1]
    indices["train"] = [n for n in indices["train"] if is_sound(records["train"][n], top)]
    if not indices["train"]:
        raise ConfigError(
            f"data.train: no crystal of the {len(records['train'])} is left to train on: take "
            "fewer for validation and test"
        )
    parts = {}
    for name in NAMES:
        own = records.get(name, records["train"])
        graphs = spectrum_dataset([own[n] for n in indices[name]], model)
        parts[name] = Part(graphs, range(len(graphs)))
    return Parts(
        **parts, files={name: _checksum(value) for name, value in files.items()}, indices=indices
    )


def is_sound(record: PhononRecord, top: float) -> bool:
    """Whether a record may be learned from: no frequency below −500 (imaginary) or above ``top``.

    In cm⁻¹, by the ``wmin`` and ``wmax`` of the record where it has them: such frequencies are
    artefacts, which the window of the curve may not even show.

    >>> import numpy as np
    >>> from euclidium.atoms.dos import PhononDOS
    >>> from euclidium.atoms.structure import Structure
    >>> argon = Structure(np.array([18]), np.zeros((1, 3)), 5 * np.eye(3), np.ones(3, bool))
    >>> dos = PhononDOS(np.array([0.0, 60.0]), np.array([3.0]))
    >>> is_sound(PhononRecord.of("argon", argon, dos, info={"wmax": 9000.0}), 4600.0)
    False
    """
    limits = [record.info.get(name, 0.0) for name in ("wmin", "wmax")]
    lowest, highest = (float(str(value)) for value in limits)
    return lowest > LOWEST_SOUND and highest < top


def _indices(records: Sequence[PhononRecord], config: SpectrumTrainConfig) -> dict[str, list[int]]:
    """The records of the training set that each part takes."""
    data = config.data
    found = {name: own.tolist() for name, own in composition_split(records).items()}
    if any(record.split == "test" for record in records):
        named = [record.split or "train" for record in records]
        found = {part: [n for n, own in enumerate(named) if own == part] for part in found}
    rest, validation, test = found["train"], found["val"], found["test"]
    if "test" in data.model_fields_set:
        rest, test = sorted([*rest, *test]), []
    if data.without:
        unseen = {atomic_number(symbol) for symbol in data.without}
        test = [n for n, r in enumerate(records) if unseen & set(r.structure.species.tolist())]
        rest, validation = (sorted(set(part) - set(test)) for part in (rest, validation))
    if isinstance(data.validation, str):
        rest, validation = sorted([*rest, *validation]), []
    elif not validation or "validation" in data.model_fields_set:
        rest, validation = sorted([*rest, *validation]), []
        taken = split_indices(len(rest), validation=data.validation, test=0, seed=config.seed)
        validation = [rest[n] for n in taken.validation.tolist()]
        rest = [rest[n] for n in taken.train.tolist()]
    return {"train": rest, "validation": validation, "test": test}


def _checksum(name: str) -> str:
    """Name and SHA-256 of what a folder holds."""
    path = Path(name)
    if not path.is_dir():
        return file_checksum(path) if path.exists() else name
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.is_file() and file.suffix in (".npz", ".xz", ".jsonl"):
            digest.update(file_checksum(file).encode())
    return f"{path.name} sha256:{digest.hexdigest()}"
