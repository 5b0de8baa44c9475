"""The tour's chapter on spectra."""

import pytest

from euclidium.atoms.embedded import embedded_phonons
from euclidium.cli.tour_spectra import SHOWN, _crystals, _table, _trained
from euclidium.models import Spectrum, load, shipped


@pytest.fixture(scope="module")
def crystals():
    return embedded_phonons("dfpt")


@pytest.fixture(scope="module")
def results(crystals):
    model = load(shipped("phonon-dos"))
    return list(model.predict(record.structure for record in crystals))


def test_a_network_learns_the_metals_and_has_not_seen_the_test():
    metals = embedded_phonons("emt")
    model, kept = _trained(metals[:40], quick=True)
    assert isinstance(model, Spectrum)
    assert kept["test"]
    formulas = [{metals[n].structure.formula for n in kept[part]} for part in ("train", "test")]
    assert not formulas[0] & formulas[1]


def test_pictures_show_some_crystals(results, crystals):
    figure = _crystals(results, crystals).figure
    assert len(figure.axes) == min(SHOWN, len(crystals))
    assert all(axis.get_title(loc="left") for axis in figure.axes)


def test_the_table_has_every_crystal(results, crystals):
    assert len(_table(results, crystals).rows) == len(crystals)
