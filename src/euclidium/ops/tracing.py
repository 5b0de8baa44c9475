"""What a compiler may take as given while it traces an operation."""

import inspect
from collections.abc import Callable
from typing import TypeVar

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
