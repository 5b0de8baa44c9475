import inspect

import pytest
import torch

from euclidium.ops.tracing import signed, traced_as_constant


@pytest.mark.usefixtures("unchecked")
def test_a_marked_function_is_called_and_not_traced():
    calls = []

    @traced_as_constant
    def table(n):
        calls.append(n)  # a side effect that tracing would not allow to be lost
        return sum(float(text) for text in ["1", "2", "3"]) * n

    compiled = torch.compile(lambda x: x * table(2), fullgraph=True, backend="eager")
    assert compiled(torch.ones(1)).tolist() == [12.0]
    assert compiled(torch.ones(1)).tolist() == [12.0]
    assert calls == [2]
    torch._dynamo.reset()


def test_a_signed_function_keeps_its_signature():
    """``inspect`` gives the kept one back, and not another it made."""

    def forward(plan: str, *tensors: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    assert str(inspect.signature(forward)) == str(inspect.signature(signed(forward)))
    assert inspect.signature(forward) is inspect.signature(forward)
