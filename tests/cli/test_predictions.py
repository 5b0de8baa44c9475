import numpy as np
import pytest

from euclidium.atoms.structure import Structure
from euclidium.cli.predictions import batches, check_elements, predictions
from euclidium.models.config import NequIPConfig, PotentialConfig
from euclidium.models.potential import Potential

CRYSTAL = np.ones(3, dtype=bool)


def structure(n_atoms: int, pbc: np.ndarray = CRYSTAL, z: int = 14) -> Structure:
    rng = np.random.default_rng(n_atoms)
    positions = 2.5 * np.arange(n_atoms)[:, None] + rng.random((n_atoms, 3))
    return Structure(np.full(n_atoms, z), positions, 20 * np.eye(3), pbc)


@pytest.fixture
def potential() -> Potential:
    network = NequIPConfig(channels=4, lmax=1, layers=2)
    config = PotentialConfig(species=["Si"], cutoff=4.0, network=network, dtype="float64")
    return Potential(config).eval()


def test_batches_are_full_but_not_larger():
    sizes = [len(batch) for batch in batches(map(structure, [4, 4, 4, 20, 1, 1]), n_atoms=10)]
    assert sizes == [2, 1, 1, 2]


def test_batches_do_not_mix_crystals_and_molecules():
    molecule = structure(2, pbc=~CRYSTAL)
    found = list(batches([structure(2), molecule, molecule, structure(3)]))
    assert [len(batch) for batch in found] == [1, 2, 1]
    assert list(batches([])) == []


def test_batched_predictions_are_the_single_ones(potential: Potential):
    given = [structure(3), structure(5), structure(2, pbc=~CRYSTAL)]
    together = list(predictions(potential, given))
    for before, (same, predicted) in zip(given, together, strict=True):
        assert same is before
        _, alone = next(predictions(potential, [before]))
        assert set(predicted.labels) == set(alone.labels)
        for name, value in predicted.labels.items():
            np.testing.assert_allclose(value, alone.labels[name], atol=1e-12)
        assert float(predicted.labels["energy"]) == pytest.approx(
            predicted.labels["energies"].sum()
        )
    assert ["stress" in predicted.labels for _, predicted in together] == [True, True, False]


def test_an_unknown_element_is_found_before_the_model_runs(potential: Potential):
    with pytest.raises(ValueError, match="structure.* has C, but the model knows only Si"):
        check_elements(potential, structure(2, z=6))
