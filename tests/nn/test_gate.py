import pytest
import torch
from e3nn.nn import Gate as TheirGate
from torch.nn.functional import silu

from euclidium.nn import Gate
from euclidium.ops import from_e3nn, to_e3nn
from euclidium.testing import assert_equivariant


def test_equal_to_e3nn():
    # e3nn sorts the irreps of its input; here they are sorted
    ours = Gate("3x0o+4x0e", "3x0e", "2x1o+1x2e", even_gate="silu").double()
    theirs = TheirGate("3x0o+4x0e", [torch.tanh, silu], "3x0e", [silu], "2x1o+1x2e")
    # e3nn estimates the second moments from samples: take its factors
    ours.scalars.odd.factor, ours.scalars.even.factor = (act.cst for act in theirs.act_scalars.acts)
    ours.gates.even.factor = theirs.act_gates.acts[0].cst
    x = torch.randn(6, ours.irreps_in.dim, dtype=torch.float64, requires_grad=True)
    mine = to_e3nn(ours(x), ours.irreps_out)
    yours = theirs(to_e3nn(x, ours.irreps_in))
    torch.testing.assert_close(mine, yours, rtol=1e-10, atol=1e-10)
    g = torch.randn_like(mine)
    torch.testing.assert_close(
        *(torch.autograd.grad(z, x, g)[0] for z in (mine, yours)), rtol=1e-10, atol=1e-10
    )
    torch.testing.assert_close(from_e3nn(mine, ours.irreps_out), ours(x))


@pytest.mark.parametrize(
    "gate",
    [
        Gate("4x0e", "3x0e", "2x1o+1x2e"),
        Gate("2x0e+2x0o", "2x0o+2x0e", "2x1o+2x1e"),
        Gate("2x0e", "1x0e+2x0o", "3x1o"),
        Gate.for_irreps("4x0e+2x0o+3x1o+2x1e+1x2e"),
        Gate.for_irreps("4x0e"),
    ],
    ids=lambda gate: str(gate.irreps_in),
)
def test_equivariance(gate):
    assert_equivariant(gate, [gate.irreps_in], gate.irreps_out)


def test_odd_gates_change_parity():
    assert str(Gate("2x0e", "1x0e+2x0o", "3x1o").irreps_out) == "2x0e+1x1o+2x1e"


def test_one_gate_for_each_channel():
    with pytest.raises(ValueError, match=r"3 gated channels \(3x1o\) need as many gates, got 2"):
        Gate("2x0e", "2x0e", "3x1o")


def test_wrong_last_dimension():
    message = r"Gate expects a last dimension of 9 \(5x0e\+1x0e\+1x1o\), got 8"
    with pytest.raises(ValueError, match=message):
        Gate("5x0e", "1x0e", "1x1o")(torch.zeros(1, 8))
