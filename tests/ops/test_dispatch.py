import pytest
import torch

from euclidium.ops import (
    BACKENDS,
    Edges,
    TensorProductPlan,
    available_backends,
    choose_backend,
    convolution,
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
