"""Public assertions: what every equivariant layer, and every potential, must obey."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from euclidium.o3.irreps import Irreps
from euclidium.o3.rotations import rand_matrix

__all__ = ["TOLERANCES", "assert_equivariant", "equivariance_error"]

# Tolerated relative error of equivariance for each type.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}


def equivariance_error(
    function: Callable[..., Tensor],
    irreps_in: Sequence[Irreps | str],
    irreps_out: Irreps | str,
    dtype: torch.dtype = torch.float64,
    trials: int = 5,
    batch: int = 4,
    seed: int = 0,
) -> float:
    """Largest relative error of f(D x) = D f(x) under rotations and rotoinversions.

    max ‖f(D(g) x) − D(g) f(x)‖ / ‖f(x)‖ over random g in O(3) and random normal inputs of shape
    (batch, irreps.dim); every block of the result counts by itself, relative to its own norm, so
    that a small part cannot hide behind a large one. Each trial is one rotation and its product
    with the inversion.

    Raises ``ValueError`` if a result has the wrong last dimension, is not finite, or is zero
    throughout: zero is equivariant to everything and shows nothing.

    >>> equivariance_error(lambda x: 2 * x, ["1o"], "1o") < 1e-14
    True
    >>> equivariance_error(lambda x: 1e-5 * x**3, ["1o"], "1o") > 0.1
    True
    """
    ins, out = [Irreps(irreps) for irreps in irreps_in], Irreps(irreps_out)
    rng = np.random.default_rng(seed)
    worst, seen = 0.0, np.zeros(len(out), dtype=bool)
    for _ in range(trials):
        x = [torch.as_tensor(rng.normal(size=(batch, irreps.dim))) for irreps in ins]
        plain = _result(function, x, out, dtype)
        rotation = rand_matrix(rng=rng)
        for matrix in (rotation, -rotation):
            turned = [
                values @ torch.as_tensor(irreps.D_from_matrix(matrix)).T
                for values, irreps in zip(x, ins, strict=True)
            ]
            expected = plain @ torch.as_tensor(out.D_from_matrix(matrix)).T
            error = _result(function, turned, out, dtype) - expected
            for n, where in enumerate(out.slices()):
                norm = float(expected[:, where].norm())
                seen[n] |= norm > 0
                difference = float(error[:, where].norm())
                worst = max(worst, difference / norm if norm > 0 else difference)
    if not seen.any():
        raise ValueError("the function is zero throughout, so its equivariance cannot be seen")
    return worst


def assert_equivariant(
    function: Callable[..., Tensor],
    irreps_in: Sequence[Irreps | str],
    irreps_out: Irreps | str,
    trials: int = 5,
    seed: int = 0,
) -> None:
    """Raise unless a function or module is equivariant under rotations and inversion.

    Values and gradients are tested in float32 (relative error below 1e-5) and float64 (1e-12); a
    module is converted to each type, a function must accept both.

    Raises ``AssertionError`` with the error that was found.

    >>> assert_equivariant(lambda x: x.norm(dim=-1, keepdim=True), ["1o"], "0e")
    >>> assert_equivariant(lambda x: x.abs(), ["1o"], "1o")
    Traceback (most recent call last):
    AssertionError: relative equivariance error ... in float32, above 1e-05
    """
    for dtype, tolerance in TOLERANCES.items():
        if isinstance(function, torch.nn.Module):
            function = function.to(dtype)
        error = equivariance_error(function, irreps_in, irreps_out, dtype, trials, seed=seed)
        _check(error, tolerance, f"{dtype}".removeprefix("torch."))
        # ∂⟨c, f(x)⟩/∂x turns with x when the cotangent c turns as f does
        for n, irreps in enumerate(irreps_in):
            both = [*irreps_in, irreps_out]
            gradient = _gradient(function, n)
            error = equivariance_error(gradient, both, irreps, dtype, trials, seed=seed)
            _check(error, tolerance, f"{dtype}, gradient".removeprefix("torch."))


def _check(error: float, tolerance: float, where: str) -> None:
    if not error <= tolerance:
        raise AssertionError(
            f"relative equivariance error {error:.1e} in {where}, above {tolerance}"
        )


def _gradient(function: Callable[..., Tensor], n: int) -> Callable[..., Tensor]:
    """The gradient with respect to input n, as a function of all inputs and the cotangent."""

    def gradient(*values: Tensor) -> Tensor:
        inputs = [v.detach() for v in values[:-1]]
        inputs[n].requires_grad_()
        with torch.enable_grad():
            result = function(*inputs)
        return torch.autograd.grad(result, inputs[n], values[-1])[0]

    return gradient


def _result(
    function: Callable[..., Tensor], inputs: list[Tensor], out: Irreps, dtype: torch.dtype
) -> Tensor:
    """The function's value in float64, checked."""
    with torch.no_grad():
        result = function(*(values.to(dtype) for values in inputs))
    if result.shape[-1] != out.dim:
        raise ValueError(
            f"the result has a last dimension of {result.shape[-1]}, {out} needs {out.dim}"
        )
    if not bool(result.isfinite().all()):
        raise ValueError("the result is not finite")
    return result.double()
