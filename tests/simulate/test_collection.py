"""Records of many crystals: kept as they come, and failures set apart."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms.phonon_folder import is_phonon_folder
from euclidium.simulate import collection
from euclidium.simulate.collection import Displacement, Job, Response, collect

FAST = Displacement("emt", supercell=4.0)


def test_failures_are_set_apart(tmp_path: Path):
    jobs = [Job(name, bulk(name), FAST, "train", {"of": name}) for name in ("Cu", "Si", "Al")]
    seen = []
    found = collect(jobs, tmp_path, observe=lambda name, sentence: seen.append((name, sentence)))
    assert [record.name for record in found.records] == ["Cu", "Al"]
    assert found.failed == {"Si": "No EMT-potential for Si"}
    assert seen == [("Cu", None), ("Si", "No EMT-potential for Si"), ("Al", None)]
    assert found.records[1].split == "train"
    assert found.records[1].info["of"] == "Al"
    assert found.records[1].info["method"] == "emt"


def test_what_is_there_is_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jobs = [Job("Cu", bulk("Cu"), FAST)]
    first = collect(jobs, tmp_path)
    monkeypatch.setattr(collection, "phonons", None)
    again = collect(jobs, tmp_path)
    np.testing.assert_array_equal(again.records[0].dos.modes, first.records[0].dos.modes)
    # but another crystal, and the same with other settings, are
    for other in (Job("Cu", bulk("Cu", a=3.5), FAST), Job("Cu", bulk("Cu"), Displacement("emt"))):
        assert collect([other], tmp_path).failed == {"Cu": "'NoneType' object is not callable"}


def test_what_failed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jobs = [Job("Cu", bulk("Cu"), FAST)]
    with monkeypatch.context() as broken:
        broken.setattr(collection, "phonons", None)
        assert collect(jobs, tmp_path).failed
    assert not collect(jobs, tmp_path).failed


@pytest.mark.slow
def test_workers_find_the_same(tmp_path: Path):
    jobs = [Job(name, bulk(name), FAST) for name in ("Cu", "Si", "Al")]
    alone, shared = collect(jobs, tmp_path / "1"), collect(jobs, tmp_path / "2", workers=2)
    assert shared.failed == alone.failed
    for one, two in zip(alone.records, shared.records, strict=True):
        assert one.name == two.name
        np.testing.assert_array_equal(one.dos.modes, two.dos.modes)


def test_names_are_unique(tmp_path: Path):
    with pytest.raises(ValueError, match="two crystals are called Cu: give each a name of its own"):
        collect([Job("Cu", bulk("Cu"), FAST), Job("Cu", bulk("Cu", a=3.5), FAST)], tmp_path)


def test_folders_have_safe_names(tmp_path: Path):
    job = Job("../Cu O/2", bulk("Cu"), FAST)
    assert job.folder(tmp_path).parent == tmp_path
    assert not collect([job], tmp_path).failed
    assert is_phonon_folder(job.folder(tmp_path))


def test_identity_of_a_model_is_its_content(tmp_path: Path):
    model = tmp_path / "one.euclidium"
    model.write_bytes(b"1")
    first = Displacement(str(model)).identity()
    assert Displacement(str(model), device="cuda").identity() == first
    model.write_bytes(b"2")
    assert Displacement(str(model)).identity() != first


def test_linear_response_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "Si.psp8").write_text("Si")
    method = Response(folders=(str(tmp_path),))
    found = collect([Job("Si", bulk("Si"), method), Job("C", bulk("C"), method)], tmp_path / "w")
    assert "the program abinit is not on the PATH: install ABINIT" in found.failed["Si"]
    assert found.failed["C"].startswith("no pseudopotential for C in")
    named = Response(pseudopotentials={"C": str(tmp_path / "Si.psp8")})
    assert "not on the PATH" in collect([Job("C", bulk("C"), named)], tmp_path / "w").failed["C"]
