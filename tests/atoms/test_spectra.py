"""Which reader a path is for."""

import gzip
import io
import json
import lzma
import tarfile
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from euclidium.atoms import PhononDOS, PhononRecord, Structure, read_phonons, write_phonons
from euclidium.atoms.problem import DataError
from euclidium.atoms.spectra import is_phonopy

ATOMS = {"lattice_mat": (4 * np.eye(3)).tolist(), "coords": [[0, 0, 0]], "elements": ["Po"]}


def entry(n):
    return {"jid": f"JVASP-{n}", "atoms": ATOMS, "pdos_elast": [0.0, 1.0, 2.0, 1.0, 0.0]}


def as_json(path, content):
    path.write_bytes(content)
    return path


def as_zip(path, content):
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme.txt", "hello")
        packed.writestr("inside/set.json", content)
    return path


def as_tar(path, content):
    with tarfile.open(path, "w:xz") as packed:
        member = tarfile.TarInfo("inside/set.json")
        member.size = len(content)
        packed.addfile(member, io.BytesIO(content))
    return path


def as_folder(path, content):
    """As downloaded and unpacked: files, folders of files, and a zip."""
    (path / "inside").mkdir(parents=True)
    (path / "inside" / "one.json").write_bytes(content)
    (path / "two.json.gz").write_bytes(gzip.compress(content))
    (path / "notes.txt").write_text("hello")
    as_zip(path / "three.zip", content)
    return path


@pytest.mark.parametrize(
    ("name", "write", "times"),
    [
        ("set.json", as_json, 1),
        ("set.json.gz", lambda path, content: as_json(path, gzip.compress(content)), 1),
        ("set.json.xz", lambda path, content: as_json(path, lzma.compress(content)), 1),
        ("set.zip", as_zip, 1),
        ("download", as_zip, 1),
        ("set.tar.xz", as_tar, 1),
        ("folder", as_folder, 3),
    ],
)
def test_json_however_it_is_packed(name, write, times, tmp_path):
    content = json.dumps([entry(1), entry(2)]).encode()
    records = read_phonons(write(tmp_path / name, content))
    assert [record.name for record in records] == ["JVASP-1", "JVASP-2"] * times
    assert records[0].mean_frequency == pytest.approx(500.0)
    assert not is_phonopy(tmp_path / name)


def test_a_folder_of_records(tmp_path):
    polonium = Structure(np.array([84]), np.zeros((1, 3)), 4 * np.eye(3), np.ones(3, bool))
    dos = PhononDOS.of(polonium, np.array([10.0, 60.0]), np.array([3.0]))
    folder = write_phonons(tmp_path / "set", [PhononRecord.of("Po", polonium, dos)])
    assert [record.name for record in read_phonons(str(folder))] == ["Po"]


def test_the_folder_of_a_table(tmp_path):
    held = {"numbers": [84], "positions": [[0, 0, 0]], "cell": (4 * np.eye(3)).tolist()}
    fields = [str(held), "[0, 20, 40, 60]", "[0.0, 1.0, 0.5, 0.0]"]
    quoted = ",".join(f'"{text}"' for text in fields)
    (tmp_path / "data.csv").write_text(f"structure,phfreq,phdos\n{quoted}\n")
    (tmp_path / "idx_train.txt").write_text("0\n")
    [record] = read_phonons(tmp_path)
    assert record.mean_frequency == pytest.approx(80 / 3)


def test_what_needs_phonopy_is_sent_there(tmp_path):
    folder = tmp_path / "mp-1-20180417"
    folder.mkdir()
    (folder / "FORCE_SETS").write_text("8\n1\n")
    (tmp_path / "phonopy_params.yaml.xz").write_bytes(lzma.compress(b"phonopy:"))
    packed = tmp_path / "mp-1-20180417.tar.lzma"
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(folder, folder.name)
    packed.write_bytes(lzma.compress(data.getvalue(), format=lzma.FORMAT_ALONE))
    for path in (folder, packed, tmp_path / "phonopy_params.yaml.xz"):
        assert is_phonopy(path), path
        with pytest.raises(DataError, match=r"read it with euclidium\.simulate\.read_phonopy"):
            read_phonons(path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("set.json", b"{", r"set\.json of .* is not JSON"),
        ("set.json.gz", b"{}", r"set\.json\.gz cannot be unpacked"),
        ("set.json", b"[]", r"is not phonon data of a known format: expected a folder with"),
        ("set.txt", b"hello", r"is not phonon data of a known format"),
        ("empty.zip", b"PK\x05\x06" + 18 * b"\0", r"is not phonon data of a known format"),
    ],
)
def test_other_files(name, content, sentence, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_phonons(path)


def test_a_name_with_a_slip(tmp_path):
    (tmp_path / "phonons.json").write_text("[]")
    with pytest.raises(DataError, match=r"phonon\.json; did you mean 'phonons\.json'\?"):
        read_phonons(tmp_path / "phonon.json")


def test_crystals_of_the_phonon_database(tmp_path):
    """The first of the crystals that models are trained on: their numbers fit their curves."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "phonons"
    if not (folder / "dos.npz").exists():
        pytest.skip("needs the phonon data beside the repository")
    n = 200
    with lzma.open(folder / "structures.jsonl.xz", "rt") as lines:
        (tmp_path / "structures.jsonl").write_text("".join(islice(lines, n)))
    with np.load(folder / "dos.npz") as archive:
        arrays = dict(archive)
    for name in ("fine", "dos51"):
        arrays[f"{name}_offset"] = arrays[f"{name}_offset"][: n + 1]
        arrays[name] = arrays[name][: arrays[f"{name}_offset"][-1]]
    np.savez(tmp_path / "dos.npz", **arrays)
    records = read_phonons(tmp_path)
    assert len(records) == n
    for record in records:
        assert record.dos.modes.sum() == pytest.approx(3.0)
        np.testing.assert_allclose(sum(record.partial.values()), record.dos.modes, atol=5e-3)
        share = record.structure.n_atoms / 3
        amounts = {s: share * modes.sum() for s, modes in record.partial.items()}
        assert amounts == pytest.approx(record.structure.composition, rel=2e-2)
    # the curve knows what the sums over modes say, but for its Gaussians
    stable = [record for record in records if record.info["wmin"] > -1.0]
    pairs = np.array([(r.heat_capacity, float(r.dos.heat_capacity(300.0))) for r in stable])
    assert len(stable) > 100
    assert np.abs(np.diff(pairs, axis=1)).mean() < 0.02
    pairs = np.array([(r.mean_frequency, r.dos.mean_frequency) for r in stable])
    assert np.abs(np.diff(pairs, axis=1)).mean() < 0.2
