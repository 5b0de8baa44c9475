import pytest
import torch

from euclidium.ops import (
    BACKENDS,
    BackendStatus,
    Edges,
    TensorProductPlan,
    available_backends,
    choose_backend,
    convolution,
    dispatch,
    radial_convolution,
    tensor_product,
)

PLAN = TensorProductPlan.channelwise("4x0e+4x1o", "0e+1o", keep="0e+1o")
EDGES = Edges.from_receivers(torch.tensor([1, 0]), torch.tensor([0, 1]), 2)


def arguments(**changed):
    tensors = {"x": torch.ones(2, 16), "y": torch.ones(2, 4), "w": torch.ones(2, PLAN.n_weights)}
    return {**tensors, **changed}


def test_the_reference_is_always_there():
    assert "reference" in BACKENDS
    assert [s.available for s in available_backends() if s.name == "reference"] == [True]
    assert choose_backend("cpu") in BACKENDS


def test_an_unknown_backend_is_refused():
    t = arguments()
    with pytest.raises(ValueError, match="backend is .fast.: choose one of reference, cpu, gpu"):
        tensor_product(PLAN, t["x"], t["y"], weights=t["w"], backend="fast")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"x": torch.ones(2, 15)}, r"operand 0 \(4x0e\+4x1o\) needs a last dimension of 16, got a"),
        ({"y": torch.ones(2, 3)}, r"operand 1 \(1x0e\+1x1o\) needs a last dimension of 4, got a"),
        ({"w": torch.ones(2, 7)}, "weights needs a last dimension of 16, got a"),
        ({"w": None}, "the plan needs 16 weights, got none"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_shapes_of_a_product(changed, sentence):
    t = arguments(**changed)
    with pytest.raises(ValueError, match=sentence):
        tensor_product(PLAN, t["x"], t["y"], weights=t["w"])


def test_wrong_number_of_operands():
    with pytest.raises(ValueError, match="the plan has 2 operands, got 1"):
        tensor_product(PLAN, torch.ones(2, 16))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"x": torch.ones(3, 16)}, "x has 3 nodes, the edges have 2"),
        ({"y": torch.ones(5, 4)}, "harmonics have 5 edges, expected 2"),
        ({"w": torch.ones(1, 16)}, "weights have 1 edges, expected 2"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_shapes_of_a_convolution(changed, sentence):
    t = arguments(**changed)
    with pytest.raises(ValueError, match=sentence):
        convolution(PLAN, t["x"], t["y"], t["w"], EDGES)


def test_types_do_not_mix_in_silence():
    t = arguments(x=torch.ones(2, 16, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"different types met \(float32, float64\)"):
        tensor_product(PLAN, t["x"], t["y"], weights=t["w"])


def test_autocast_takes_the_widest_type():
    t = arguments()
    expected = convolution(PLAN, t["x"], t["y"], t["w"], EDGES)
    with torch.autocast("cpu", torch.bfloat16):
        z = convolution(PLAN, t["x"].bfloat16(), t["y"], t["w"].bfloat16(), EDGES)
        p = tensor_product(PLAN, t["x"].bfloat16(), t["y"], weights=t["w"])
    assert z.dtype == p.dtype == torch.float32
    torch.testing.assert_close(z, expected, rtol=1e-2, atol=1e-2)


def test_the_rule(monkeypatch):
    """The environment first, then the device, then what is available."""
    monkeypatch.delenv("EUCLIDIUM_BACKEND", raising=False)
    assert choose_backend("cpu") == "cpu"
    assert choose_backend("cuda") == "reference"
    monkeypatch.setattr(dispatch.cpu, "unavailable", lambda: "it is switched off here")
    dispatch._fastest.cache_clear()
    assert choose_backend("cpu") == "reference"
    statuses = {status.name: status for status in available_backends()}
    assert statuses["cpu"] == BackendStatus("cpu", False, "it is switched off here")
    dispatch._fastest.cache_clear()
    monkeypatch.setenv("EUCLIDIUM_BACKEND", "reference")
    assert choose_backend("cpu") == "reference"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("numba", "EUCLIDIUM_BACKEND is 'numba': choose one of reference, cpu, gpu"),
        ("gpu", "EUCLIDIUM_BACKEND is 'gpu', which cannot run here: .*"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting, sentence, monkeypatch):
    monkeypatch.setattr(dispatch.gpu, "unavailable", lambda: "there is no device")
    monkeypatch.setenv("EUCLIDIUM_BACKEND", setting)
    with pytest.raises(ValueError, match=sentence):
        choose_backend("cpu")


def test_what_a_backend_does_not_execute(monkeypatch):
    """Told by name it raises; chosen by the rule, the reference does it."""
    t = arguments()
    with pytest.raises(ValueError, match="the backend 'cpu' cannot do this: it executes conv"):
        tensor_product(PLAN, t["x"], t["y"], weights=t["w"], backend="cpu")
    half = [t[n].bfloat16() for n in "xyw"]
    with pytest.raises(ValueError, match=r"'cpu' cannot do this: it does not compute in torch\.bf"):
        convolution(PLAN, *half, EDGES, backend="cpu")
    monkeypatch.setenv("EUCLIDIUM_BACKEND", "cpu")
    assert tensor_product(PLAN, t["x"], t["y"], weights=t["w"]).shape == (2, PLAN.out.dim)
    assert convolution(PLAN, *half, EDGES).dtype == torch.bfloat16


def test_the_environment_is_obeyed(monkeypatch):
    """The kernels are called, or not."""
    calls = []
    contract = dispatch.contract
    monkeypatch.setattr(dispatch, "contract", lambda *a: calls.append(a[1]) or contract(*a))
    t = arguments()
    for setting, count in (("reference", 0), ("cpu", 1)):
        monkeypatch.setenv("EUCLIDIUM_BACKEND", setting)
        convolution(PLAN, t["x"], t["y"], t["w"], EDGES)
        assert len(calls) == count


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_radial_convolution_is_one_with_the_product_for_weights(backend):
    t = arguments()
    hidden, matrix = torch.randn(2, 3), torch.randn(3, PLAN.n_weights)
    found = radial_convolution(PLAN, t["x"], t["y"], hidden, matrix, EDGES, backend)
    expected = convolution(PLAN, t["x"], t["y"], hidden @ matrix, EDGES, backend)
    torch.testing.assert_close(found, expected)
    with torch.autocast("cpu", torch.bfloat16):
        cast = radial_convolution(PLAN, t["x"], t["y"], hidden, matrix, EDGES)
    torch.testing.assert_close(cast, expected, rtol=0.05, atol=0.1)


@pytest.mark.usefixtures("unchecked")
def test_hidden_values_and_matrix_must_fit():
    t = arguments()
    with pytest.raises(ValueError, match=r"hidden values \(2, 3\) and matrix \(4, 16\) do not fit"):
        radial_convolution(PLAN, t["x"], t["y"], torch.ones(2, 3), torch.ones(4, 16), EDGES)


def test_types_do_not_mix_in_a_radial_convolution():
    t = arguments(x=torch.ones(2, 16, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"different types met \(float32, float64\)"):
        radial_convolution(PLAN, t["x"], t["y"], torch.ones(2, 3), torch.ones(3, 16), EDGES)
