from dataclasses import replace

import numpy as np
import pytest

from euclidium.analyze.electrostatics import field_at
from euclidium.analyze.forces import calibrate_forces, electrostatic_forces, force_parts
from euclidium.atoms import DataError
from euclidium.atoms.density_file import embedded_densities


def error(records, calibration=None) -> float:
    gaps = [electrostatic_forces(r.density, calibration) - r.forces for r in records]
    return float(np.sqrt((np.concatenate(gaps) ** 2).mean()))


def test_raw_forces_are_useless_and_calibrated_ones_are_not():
    """Trained on molecules and pairs, tested on five of them: forces are 1.1 eV/Å."""
    train = embedded_densities("water", "train")
    test = embedded_densities("water", "test")[:3]
    calibration = calibrate_forces([*train[:60:4], *train[60:150:9]])
    assert calibration.error < 0.13
    assert error(test) > 5
    assert error(test, calibration) < 0.2
    forces = electrostatic_forces(test[0].density, calibration)
    assert forces.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)


def test_parts_add_up_to_the_field_at_the_nucleus():
    density = embedded_densities("water", "train")[0].density
    # without its own charge, whose field there is none
    offsets, atom = density.offsets, 1
    coefficients = density.coefficients.copy()
    s = len(density.basis.exponents(1)[0])
    coefficients[offsets[atom] : offsets[atom] + s] = 0.0
    h = 1e-3
    position = density.structure.positions[atom]
    bare = replace(density, coefficients=coefficients)
    around = np.array([position + s * h * axis for axis in np.eye(3) for s in (1, -1)])
    field = field_at(bare, around)
    away = around - position
    nucleus = 14.39964548 * away / np.linalg.norm(away, axis=1, keepdims=True) ** 3
    expected = (field - nucleus).mean(axis=0)
    assert force_parts(density)[atom].sum(axis=0) == pytest.approx(expected, rel=1e-3)


def test_says_what_is_missing():
    record = embedded_densities("water", "train")[0]
    with pytest.raises(DataError, match="whose forces are known, got none"):
        calibrate_forces([replace(record, forces=None)])
    calibration = calibrate_forces([record])
    partial = replace(calibration, weights={8: calibration.weights[8]})
    with pytest.raises(DataError, match="calibrated for O, not for H"):
        electrostatic_forces(record.density, partial)
