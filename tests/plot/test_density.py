import io

import numpy as np
import pytest

from euclidium.plot.density import degree_errors, density_slice, surface_potential

SPHERE = np.random.default_rng(0).normal(size=(40, 3))
SPHERE /= np.linalg.norm(SPHERE, axis=1, keepdims=True)


def drawn(axes) -> bytes:
    file = io.BytesIO()
    axes.figure.savefig(file, format="png")
    return file.getvalue()


def test_a_slice_is_symmetric_in_sign():
    x = np.linspace(-2, 2, 40)
    values = np.subtract.outer(x, x) * np.exp(-np.add.outer(x**2, x**2))
    axes = density_slice(x, x, values, np.zeros((1, 2)), ["O"])
    mesh = axes.collections[0]
    assert mesh.norm.vmin == -mesh.norm.vmax
    assert mesh.cmap(mesh.norm(0.0))[:3] == pytest.approx((0.98, 0.98, 0.98), abs=0.01)
    assert [text.get_text() for text in axes.texts] == ["O"]
    assert drawn(axes)


def test_a_flat_slice_can_be_drawn():
    x = np.linspace(0, 1, 5)
    assert drawn(density_slice(x, x, np.zeros((5, 5))))


def test_the_surface_is_blue_where_the_potential_is_positive():
    from scipy.spatial import ConvexHull

    triangles = ConvexHull(SPHERE).simplices.astype(np.int64)
    axes = surface_potential(SPHERE, triangles, SPHERE[:, 2], view=np.eye(3))
    colors = axes.collections[0].get_facecolor()
    assert len(colors) == 4 * len(triangles)
    assert drawn(axes)
    # drawn from the back to the front, which is seen from above
    back, front = np.array_split(axes.collections[0].get_facecolor(), 8)[::7]
    assert (front[:, 2] > front[:, 0]).all()
    assert (back[:, 0] > back[:, 2]).all()


def test_errors_of_two_models_and_the_floor():
    axes = degree_errors(
        {"one": np.array([0.5, 0.2]), "other": np.array([0.4, 0.3])}, {"one": 0.6}, floor=1.1
    )
    assert len(axes.patches) == 4
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(names) == ["floor of the labels", "one", "other"]
    assert drawn(axes)
