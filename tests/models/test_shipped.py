"""Models that come with the package."""

import pytest

from euclidium.models.shipped import shipped, shipped_names


def test_names_are_those_of_the_files(tmp_path):
    (tmp_path / "phonon-dos.euclidium").write_bytes(b"")
    (tmp_path / "phonon-dos.md").write_text("card")
    assert shipped_names(tmp_path) == ["phonon-dos"]
    assert shipped("phonon-dos", tmp_path).name == "phonon-dos.euclidium"


def test_another_name_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "phonon-dos.euclidium").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="did you mean 'phonon-dos'"):
        shipped("phonons-dos", tmp_path)
