import numpy as np
from ase.build import bulk

from euclidium.analyze.images import lattice_images, wrapped
from euclidium.atoms import Structure

NACL = Structure.from_ase(bulk("NaCl", "rocksalt", a=5.64))


def test_finds_every_image_within_reach():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 4, (20, 3))
    owners, places = lattice_images(NACL, points, [4.0, 7.0])
    distances = np.linalg.norm(places[:, None] - points[None], axis=-1)
    # by brute force: a block of cells that is larger than needed
    steps = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), -1).reshape(-1, 3)
    for atom, reach in enumerate([4.0, 7.0]):
        every = NACL.positions[atom] + steps @ NACL.cell
        wanted = np.linalg.norm(every[:, None] - points[None], axis=-1) < reach
        assert (distances[owners == atom] < reach).sum() == wanted.sum()


def test_molecules_have_no_images():
    pair = Structure(np.array([1, 8]), np.array([[0.0, 0, 0], [0, 0, 50.0]]))
    owners, places = lattice_images(pair, np.zeros((1, 3)), [1.0, 1.0])
    assert owners.tolist() == [0, 1]
    assert np.array_equal(places, pair.positions)
    assert np.array_equal(wrapped(pair, pair.positions), pair.positions)


def test_slabs_repeat_along_two_axes():
    slab = Structure(
        np.array([6]), np.zeros((1, 3)), np.diag([2.0, 2.0, 0.0]), np.array([1, 1, 0]) > 0
    )
    owners, _ = lattice_images(slab, np.zeros((1, 3)), [2.1])
    assert len(owners) == 5
    assert wrapped(slab, np.array([[2.5, -0.5, 9.0]])).round(9).tolist() == [[0.5, 1.5, 9.0]]


def test_wrapping_moves_by_lattice_vectors():
    points = np.random.default_rng(1).normal(size=(30, 3)) * 20
    inside = wrapped(NACL, points)
    fractional = inside @ np.linalg.inv(NACL.cell)
    steps = (points - inside) @ np.linalg.inv(NACL.cell)
    assert (fractional > -1e-9).all()
    assert (fractional < 1 + 1e-9).all()
    assert np.allclose(steps, steps.round())
