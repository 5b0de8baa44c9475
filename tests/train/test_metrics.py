"""Measures of error against NumPy, by hand."""

import json

import numpy as np
import pytest
import torch

from euclidium.train.metrics import Errors, Quantity

QUANTITIES = [
    Quantity("energy", "meV/atom", 1e-3),
    Quantity("forces", "meV/Å", 1e-3),
    Quantity("forces", "meV/Å", 1e-3, of="Si"),
]


def test_errors_of_batches_against_numpy():
    rng = np.random.default_rng(0)
    errors = Errors(QUANTITIES)
    values = [rng.normal(size=(n, 3)) for n in (4, 1, 7)]
    for batch in values:
        errors.add("forces", torch.from_numpy(batch))
        errors.add("forces", torch.from_numpy(batch[:1]), of="Si")
    x = 1000 * np.concatenate(values).ravel()
    row = errors.metrics()["forces"]
    assert row.mae == pytest.approx(np.abs(x).mean(), rel=1e-12)
    assert row.rmse == pytest.approx(np.sqrt((x**2).mean()), rel=1e-12)
    assert row.count == x.size
    first = 1000 * np.array([batch[0] for batch in values])
    assert errors.metrics().of("forces", "Si").mae == pytest.approx(np.abs(first).mean())


def test_large_errors_do_not_lose_small_ones():
    """Sums are float64 whatever the prediction's type."""
    errors = Errors(QUANTITIES)
    errors.add("energy", torch.tensor([1e4], dtype=torch.float32))
    for _ in range(10):
        errors.add("energy", torch.tensor([1e-3], dtype=torch.float32))
    assert errors.metrics()["energy"].mae == pytest.approx((1e7 + 10) / 11, rel=1e-9)


def test_what_was_not_measured_is_left_out():
    errors = Errors(QUANTITIES)
    errors.add("energy", torch.tensor([0.001]))
    metrics = errors.metrics()
    assert "energy" in metrics
    assert "forces" not in metrics
    with pytest.raises(KeyError, match="no error of forces: there are energy"):
        metrics["forces"]


def test_errors_of_processes_add_up():
    one, two = Errors(QUANTITIES), Errors(QUANTITIES)
    one.add("energy", torch.tensor([0.001, 0.003]))
    two.add("energy", torch.tensor([0.005]))
    one.reduce(lambda sums: sums + two.sums)
    assert one.metrics()["energy"].mae == pytest.approx(3.0)


def test_a_quantity_that_is_not_in_the_table():
    with pytest.raises(KeyError):
        Errors(QUANTITIES).add("dipole", torch.zeros(1))


def test_plain_values():
    errors = Errors(QUANTITIES)
    errors.add("forces", torch.full((2, 3), 0.002))
    errors.add("forces", torch.full((1, 3), 0.002), of="Si")
    values = json.loads(json.dumps(errors.metrics().as_dict()))
    assert values["forces"]["unit"] == "meV/Å"
    assert values["forces"]["mae"] == pytest.approx(2.0)
    assert values["forces"]["by_element"]["Si"]["count"] == 3
