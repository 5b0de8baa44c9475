"""What a compiler may take as given while it traces an operation."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Function = TypeVar("Function", bound=Callable)


def traced_as_constant(function: Function) -> Function:
    """Mark a function of plans and numbers: ``torch.compile`` calls it and keeps the result.

    The same mark as ``torch.compiler.assume_constant_result``, which would import the compiler.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def signed(function: Function) -> Function:
    """Keep the signature of ``forward`` of an autograd function, which asks for it at every call.

    >>> signed(lambda x: x).__signature__
    <Signature (x)>
    """
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function


def once(jvp: Callable) -> Callable:
    """Let the ``jvp`` of an autograd function refuse forward mode over forward mode.

    torch calls it with forward mode switched off, so that what it adds and multiplies would lose
    the tangents of the outer derivative in silence. Raises ``NotImplementedError`` then.
    """

    @functools.wraps(jvp)
    def checked(*arguments: Any) -> Any:
        stack = torch._C._functorch.get_interpreter_stack() or []
        forward = [level for level in stack if level.key().name == "Jvp"]
        if len(forward) > 1:
            raise NotImplementedError(
                "fused kernels have no forward-mode derivative of a forward-mode derivative: take "
                "one of the two by torch.func.jacrev, or set EUCLIDIUM_BACKEND=reference"
            )
        return jvp(*arguments)

    return checked
