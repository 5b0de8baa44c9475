"""Autograd functions at little cost: whether they are needed, and the short way into them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad


def is_recorded(tensors: Iterable[Tensor | None]) -> bool:
    """Whether somebody records what is done with these tensors, or transforms it.

    >>> x = torch.ones(2, requires_grad=True)
    >>> is_recorded([x]), is_recorded([x.detach()])
    (True, False)
    """
    return (
        (torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors))
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    )


def applied(function: type[Function], *arguments: Any) -> Any:
    """``function.apply(*arguments)``, for all its arguments in their order.

    ``apply`` looks for arguments that are left out, which takes longer than a small kernel.
    """
    if torch._C._are_functorch_transforms_active():
        return function.apply(*arguments)
    return super(Function, function).apply(*arguments)  # type: ignore[misc]


def are_wanted(ctx: Any, first: int) -> bool:
    """Whether this backward asks for derivatives by the last arguments of an autograd function.

    They are tensors, from the argument of the number ``first`` on. ``ctx.needs_input_grad`` says
    whether anybody could ask: forces, for example, do without derivatives by weights.
    """
    needed = ctx.needs_input_grad[first:]
    if not any(needed) or torch._C._are_functorch_transforms_active():
        return any(needed)
    nodes = [node for node, _ in ctx.next_functions[-len(needed) :]]
    return any(node is not None and _is_reached(node) for node in nodes)


def is_wanted(ctx: Any, argument: int, tensor: int) -> bool:
    """Whether this backward asks for the derivative by one argument of an autograd function.

    ``argument`` is its number among all, ``tensor`` among those that are tensors.
    """
    if not ctx.needs_input_grad[argument] or torch._C._are_functorch_transforms_active():
        return bool(ctx.needs_input_grad[argument])
    node = ctx.next_functions[tensor][0]
    return node is not None and _is_reached(node)


def _is_reached(node: Any) -> bool:
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:  # the answer for a leaf that was asked for by name
        return True
