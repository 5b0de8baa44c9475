from pathlib import Path

import pytest

from euclidium.cli.files import check_new, replacing


def test_a_file_that_exists_needs_force(tmp_path: Path):
    path = tmp_path / "traj.xyz"
    path.write_text("old")
    with pytest.raises(ValueError, match=r"traj\.xyz exists: replace it with --force, or choose"):
        check_new(path, force=False)
    assert check_new(path, force=True) == path
    assert check_new(tmp_path / "new.xyz", force=False) == tmp_path / "new.xyz"


def test_a_folder_is_not_a_file(tmp_path: Path):
    with pytest.raises(ValueError, match="it is a folder, give the name of a file"):
        check_new(tmp_path, force=True)


def test_the_folder_must_exist(tmp_path: Path):
    with pytest.raises(ValueError, match="there is no folder .*missing, make it first"):
        check_new(tmp_path / "missing" / "traj.xyz", force=False)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "traj.xyz"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            assert temporary.suffix == ".xyz"
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_success_replaces_the_old_file(tmp_path: Path):
    path = tmp_path / "traj.xyz"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
