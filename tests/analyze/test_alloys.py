"""Spectra over the composition: exact averages, and virtual crystals where they are exact."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.data import atomic_masses
from hypothesis import given
from hypothesis import strategies as st

from euclidium.analyze.alloys import (
    averaged,
    check_alloy,
    from_frequencies,
    misplaced,
    sweep,
)
from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.occupations import substitute
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.units import SQRT_DYNAMICAL_TO_THZ, THZ_TO_CM1

COPPER, GOLD = (Structure.from_ase(bulk(e)) for e in ("Cu", "Au"))
SPRING = 10.0  # eV/Å², that holds every atom


def einstein(structure: Structure) -> PhononDOS:
    """Atoms on springs of their own: ω² = K/m."""
    cm1 = np.sqrt(SPRING / structure.masses) * SQRT_DYNAMICAL_TO_THZ * THZ_TO_CM1
    return from_frequencies(structure, np.repeat(cm1, 3))


def predict(structures: Sequence[Structure]) -> Iterator[SimpleNamespace]:
    for structure in structures:
        yield SimpleNamespace(dos=einstein(structure), uncertainty={"cv300": 0.1})


def test_a_sweep_between_end_members():
    line = sweep(predict, COPPER, GOLD, [0.0, 0.25, 0.5, 1.0])
    assert line.formulas == ("Cu", "Au0.25Cu0.75", "Au0.5Cu0.5", "Au")
    volumes = np.array([s.volume for s in line.structures])
    edges = np.cbrt(volumes / volumes[0])
    np.testing.assert_allclose(np.diff(edges)[:2] / 0.25, edges[-1] - edges[0], rtol=1e-9)
    ends = [float(einstein(s).heat_capacity(300.0)) for s in (COPPER, GOLD)]
    np.testing.assert_allclose(line.heat_capacity()[[0, -1]], ends, rtol=1e-12)
    assert (np.diff(line.heat_capacity()) > 0).all(), "heavier atoms hold more heat"
    w = np.arange(0.0, 400.0, 2.0)
    np.testing.assert_allclose(line.curves(w).sum(axis=1) * 2.0, 3.0, rtol=1e-3)
    np.testing.assert_array_equal(line.uncertainty("cv300"), 0.1)
    assert np.isnan(line.uncertainty("dos51")).all()


def test_a_sweep_over_a_replacement_keeps_the_cell():
    line = sweep(predict, COPPER, {"Cu": "Au"}, np.array([0.0, 0.5]))
    np.testing.assert_array_equal(line.structures[1].cell, COPPER.cell)
    mass = atomic_masses[[29, 79]].mean()
    assert line.results[1].dos.mass == pytest.approx(mass)
    per_kg = line.heat_capacity(per="kg")
    assert per_kg[1] < per_kg[0]


def test_sweeps_that_cannot_be():
    with pytest.raises(ValueError, match="a sweep needs at least one fraction, got none"):
        sweep(predict, COPPER, GOLD, [])
    with pytest.raises(ValueError, match="2 compositions have 1 predictions"):
        sweep(lambda s: list(predict(s))[:1], COPPER, GOLD, [0.0, 1.0])
    with pytest.raises(DataError, match="nothing is replaced: name elements"):
        sweep(predict, COPPER, {}, [0.5])
    with pytest.raises(DataError, match="has no Ag to replace"):
        sweep(predict, COPPER, {"Ag": "Au"}, [0.5])


def test_isolated_masses_are_where_the_virtual_crystal_is_wrong():
    """Einstein atoms: the alloy has two frequencies, the virtual crystal one between them."""
    alloy = substitute(COPPER, {"Cu": {"Au": 0.5}})
    found = check_alloy(predict, einstein, alloy, supercell=4, cells=2)
    heavy, light = (float(einstein(s).mean_frequency) for s in (GOLD, COPPER))
    assert found.reference.mean_frequency == pytest.approx((heavy + light) / 2, abs=1e-6)
    assert found.misplaced == pytest.approx(1.0, abs=0.01)
    assert found.spread == pytest.approx(0.0, abs=1e-12), "every cell has the same atoms"
    # ⟨1/√m⟩ exceeds 1/√⟨m⟩
    assert found.mean_frequency_error < 0
    assert found.heat_capacity_error > 0
    assert found.reference.mass == pytest.approx(atomic_masses[[29, 79]].mean())
    assert found.reference.formula_atoms == pytest.approx(1.0)
    assert found.reference.modes.sum() == pytest.approx(3.0)


def test_equal_masses_make_the_virtual_crystal_exact():
    nickel = Structure.from_ase(bulk("Ni"))
    alloy = substitute(nickel, {"Ni": {"Co": 0.5}})  # 58.69 and 58.93
    found = check_alloy(predict, einstein, alloy, supercell=4, cells=1)
    assert found.misplaced < 0.1
    assert abs(found.mean_frequency_error) < 0.8  # intervals of 1 cm⁻¹
    assert abs(found.heat_capacity_error) < 0.02


def test_an_average_needs_cells():
    with pytest.raises(ValueError, match="an average needs one cell or more, got 0"):
        check_alloy(predict, einstein, substitute(COPPER, {"Cu": {"Au": 0.5}}), cells=0)


@given(seed=st.integers(0, 1000), weights=st.lists(st.floats(0.1, 1.0), min_size=3, max_size=3))
def test_means_of_spectra_are_exact(seed: int, weights: list[float]):
    rng = np.random.default_rng(seed)
    spectra = []
    for size in (1, 7, 40):
        edges = np.cumsum(rng.uniform(1.0, 15.0, size + 1)) - 1.0
        modes = rng.uniform(0.1, 1.0, size)
        spectra.append(PhononDOS(edges, 3 * modes / modes.sum(), mass=float(size), volume=2.0))
    mean = averaged(spectra, weights)
    shares = np.array(weights) / sum(weights)
    assert mean.modes.sum() == pytest.approx(3.0, rel=1e-12)
    assert mean.mass == pytest.approx(shares @ [1, 7, 40])
    expected = shares @ np.array([one.mean_frequency for one in spectra])
    assert mean.mean_frequency == pytest.approx(expected, abs=1e-8)
    w = np.linspace(-50.0, 400.0, 200)
    curves = sum(s * one.at(w, 10.0) for s, one in zip(shares, spectra, strict=True))
    np.testing.assert_allclose(mean.at(w, 10.0), curves, atol=1e-6 * curves.max())


def test_means_that_cannot_be():
    one = PhononDOS(np.array([0.0, 1.0]), np.array([3.0]))
    for spectra, weights in (([], None), ([one], [1.0, 2.0]), ([one], [-1.0]), ([one], [0.0])):
        with pytest.raises(ValueError, match=r"spectra with \d weights: give one for each"):
            averaged(spectra, weights)


def test_frequencies_are_counted():
    rng = np.random.default_rng(0)
    frequencies = np.append(rng.uniform(-20.0, 300.0, size=(40, 6)), np.zeros((1, 6)), axis=0)
    weights = rng.uniform(size=frequencies.shape)
    dos = from_frequencies(COPPER, frequencies, weights)
    assert dos.modes.sum() == pytest.approx(3.0, rel=1e-12)
    real = np.where(frequencies > -1.0, weights, 0.0)
    exact = float((frequencies * real).sum() / real.sum())
    assert dos.mean_frequency == pytest.approx(exact, abs=0.3)
    assert dos.imaginary == pytest.approx(
        float(weights[frequencies < -5].sum() / weights.sum()), abs=2e-2
    )
    for wrong in (np.zeros(0), np.array([np.nan])):
        with pytest.raises(ValueError, match="a spectrum needs frequencies, finite numbers"):
            from_frequencies(COPPER, wrong)


def test_misplaced_is_a_distance():
    rng = np.random.default_rng(1)
    curves = [
        PhononDOS(np.linspace(0, 300, 31), 3 * m / m.sum()) for m in rng.uniform(size=(3, 30))
    ]
    a, b, c = curves
    assert misplaced(a, b) == pytest.approx(misplaced(b, a), rel=1e-12)
    assert misplaced(a, c) <= misplaced(a, b) + misplaced(b, c)
    assert 0 < misplaced(a, b) < 1
