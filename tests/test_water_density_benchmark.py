"""The script that makes the models of water's density: what it hands to the peer, and its card."""

from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from euclidium.analyze.densities import evaluate_densities
from euclidium.atoms import Density, embedded_densities
from euclidium.models.config import DensityConfig, NequIPConfig
from euclidium.models.density import DensityModel
from euclidium.models.storage import save

SCRIPT = "water_density"


def test_coefficients_go_to_the_peer_and_come_back(script: ModuleType):
    record = embedded_densities("water", "test")[0]
    basis = record.density.basis
    scale = {z: script.population_scale(basis, z) for z in basis.elements}
    data, target, mask = script.as_padded(record, basis, scale, 8)
    assert tuple(target.shape) == (15, 70)
    assert mask.sum(1).tolist() == [70.0, 16.0, 16.0] * 5
    assert data["x"].sum(0).tolist() == [10.0, 5.0]
    found = script.from_padded(record, basis, scale, 8, target.double().numpy())
    np.testing.assert_allclose(found.coefficients, record.density.coefficients, atol=1e-5)


def test_the_scale_is_the_norm_of_a_radial_function(script: ModuleType):
    """Twice the root of two over √(2 (2a)^(l + 3/2)), as the anchors' formula for exponents 1/2."""
    basis = embedded_densities("water", "test")[0].density.basis
    scale = script.population_scale(basis, 1)
    exponents = basis.exponents(1)[0]
    np.testing.assert_allclose(scale[: len(exponents)], 2 * (2 * exponents) ** -0.75)


def test_the_card_says_what_was_measured(script: ModuleType, tmp_path: Path):
    records = embedded_densities("water", "test")[:1]
    basis = records[0].density.basis
    torch.manual_seed(0)
    network = NequIPConfig(channels=2, layers=1)
    model = DensityModel(DensityConfig(basis=basis.to_json(), network=network, head=2))
    alone = Density.superposition(records[0].density.structure, basis)
    errors = evaluate_densities([alone], records)
    save(model, tmp_path / "m.euclidium", {}, script.PROVENANCE)
    text = script.card("m", model, tmp_path / "m.euclidium", {"one": errors})
    assert f"| one | 1 | {errors.eps_fit:.3f} % |" in text
    assert "other clusters, of five and more molecules" in text
    assert "l = 4:" in text
