"""Plans in plain torch: differentiable to any order, and the definition of what is right."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from euclidium.o3.irreps import Irreps
from euclidium.ops.plan import Coupling, Path, TensorProductPlan
from euclidium.ops.segments import Edges, segment_sum
from euclidium.ops.tracing import traced_as_constant

COMPONENTS = "abcdefghijkl"


def tensor_product(
    plan: TensorProductPlan,
    operands: Sequence[Float[Tensor, "..."]],
    weights: Float[Tensor, "..."] | None,
) -> Float[Tensor, "..."]:
    """Execute a plan path by path; see ``euclidium.ops.tensor_product``."""
    blocks = [
        split_blocks(values, irreps) for values, irreps in zip(operands, plan.operands, strict=True)
    ]
    results: list[Tensor | None] = [None] * len(plan.out)
    for path, where, shape in zip(plan.paths, plan.weight_slices, plan.weight_shapes, strict=True):
        w = None if weights is None or not shape else weights[..., where].unflatten(-1, shape)
        inputs = [blocks[n][s] for n, s in enumerate(path.segments)]
        term = _path(path, inputs, w)
        so_far = results[path.out]
        results[path.out] = term if so_far is None else so_far + term
    batch = torch.broadcast_shapes(*(o.shape[:-1] for o in operands), _batch(weights))
    flat = [
        operands[0].new_zeros(*batch, block.dim)
        if term is None
        else term.expand(*batch, *term.shape[-2:]).flatten(-2)
        for block, term in zip(plan.out, results, strict=True)
    ]
    return torch.cat(flat, dim=-1)


def convolution(
    plan: TensorProductPlan,
    x: Float[Tensor, "sender x"],
    y: Float[Tensor, "edge y"],
    weights: Float[Tensor, "edge w"],
    edges: Edges,
) -> Float[Tensor, "receiver z"]:
    """Gather, product, weight and sum over neighbours; see ``euclidium.ops.convolution``."""
    sent = x.index_select(0, edges.senders)
    if is_channelwise(plan):
        return _channelwise_convolution(plan, sent, y, weights, edges)
    messages = tensor_product(plan, (sent, y), weights)
    return segment_sum(messages, edges.receivers, edges.n_nodes)


def contraction(
    plan: TensorProductPlan,
    slot: str,
    others: Mapping[str, Float[Tensor, "..."]],
    edges: Edges,
) -> Float[Tensor, "row column"]:
    """The derivative of F(x, y, w, z) = ⟨z, convolution(x, y, w)⟩ with respect to one slot.

    ``slot`` is one of ``"x"``, ``"y"``, ``"w"``, ``"z"``, and ``others`` holds the other three; x
    and z have a row for each node, y and w for each edge. ``"z"`` is the convolution itself. The
    derivative of one of the four with respect to one of its arguments is again one of the four,
    with the slots exchanged: a backend with these four kernels has derivatives of every order.

    >>> plan = TensorProductPlan.channelwise("2x0e", "0e", "0e")
    >>> edges = Edges.from_receivers(torch.tensor([1]), torch.tensor([0]), n_nodes=2)
    >>> x, y, w = torch.ones(2, 2), torch.ones(1, 1), torch.full((1, 2), 3.0)
    >>> contraction(plan, "z", {"x": x, "y": y, "w": w}, edges).tolist()
    [[3.0, 3.0], [0.0, 0.0]]
    """
    if slot == "z":
        return convolution(plan, others["x"], others["y"], others["w"], edges)
    received = others["z"].index_select(0, edges.receivers)
    if slot == "x":
        back = tensor_product(plan.transpose(0), (received, others["y"]), others["w"])
        return segment_sum(back, edges.senders, edges.n_nodes)
    sent = others["x"].index_select(0, edges.senders)
    if slot == "y":
        return tensor_product(plan.transpose(1), (sent, received), others["w"])
    return _weight_derivative(plan, sent, others["y"], received)


def split_blocks(values: Float[Tensor, "..."], irreps: Irreps) -> list[Float[Tensor, "..."]]:
    """The blocks of a feature, each as (…, component, channel).

    >>> [tuple(b.shape) for b in split_blocks(torch.zeros(7, 9), Irreps("3x0e + 2x1o"))]
    [(7, 1, 3), (7, 3, 2)]
    """
    shapes = _shapes(irreps)
    if not shapes:
        return []
    pieces = values.split([components * channels for components, channels in shapes], dim=-1)
    return [piece.unflatten(-1, shape) for piece, shape in zip(pieces, shapes, strict=True)]


@traced_as_constant
def _shapes(irreps: Irreps) -> tuple[tuple[int, int], ...]:
    """Components and channels of each block."""
    return tuple((block.ir.dim, block.mul) for block in irreps)


@traced_as_constant
def is_channelwise(plan: TensorProductPlan) -> bool:
    """Whether every path keeps the channels of x, has its own block, and meets one channel of y."""
    return (
        len(plan.operands) == 2
        and all(block.mul == 1 for block in plan.y)
        and all(path.subscripts == "uv,u,v->u" for path in plan.paths)
        and len({path.out for path in plan.paths}) == len(plan.paths) == len(plan.out)
    )


def constant(coupling: Coupling, like: Tensor) -> Tensor:
    """The coefficients of a coupling with the type and on the device of another tensor."""
    if torch.compiler.is_compiling():
        return torch.tensor(_nested(coupling), dtype=like.dtype, device=like.device)
    # a tensor made under torch.func belongs to its transform and must not be kept; an array may
    array = _array(coupling, like.dtype == torch.float64)
    return torch.from_numpy(array).to(like)


@traced_as_constant
def _nested(coupling: Coupling) -> list:
    return coupling.array.tolist()


@cache
def _array(coupling: Coupling, double: bool) -> np.ndarray:
    return coupling.array.astype(np.float64 if double else np.float32)


def _batch(weights: Tensor | None) -> torch.Size:
    return torch.Size() if weights is None else weights.shape[:-1]


def _path(path: Path, inputs: list[Tensor], weights: Tensor | None) -> Tensor:
    """One path: the operands meet the coefficients one after another, the weights at the end."""
    n = len(inputs)
    components = COMPONENTS[:n]
    out = COMPONENTS[n]
    result = constant(path.coupling, inputs[0]) * path.coefficient
    left = components + out
    batch, channels = "", ""
    # last operand first: for y on the edges this leaves the smallest intermediates
    for i in reversed(range(n)):
        left_after = left.replace(components[i], "")
        letters = path.operand_subscripts[i]
        channels_after = "".join(dict.fromkeys(channels + letters))
        equation = (
            f"{batch}{left}{channels},...{components[i]}{letters}->...{left_after}{channels_after}"
        )
        result = torch.einsum(equation, result, inputs[i])
        left, channels, batch = left_after, channels_after, "..."
    if weights is not None:
        equation = f"...{out}{channels},...{path.weight_subscripts}->...{out}{path.out_subscripts}"
        return torch.einsum(equation, result, weights)
    result = torch.einsum(f"...{out}{channels}->...{out}{path.out_subscripts}", result)
    return result.flatten(-2) if len(path.out_subscripts) == 2 else result


class _Stack(NamedTuple):
    """All channelwise paths of one block of x."""

    block: int  # in x
    shape: tuple[int, int]  # components a and channels u of the block
    paths: tuple[int, ...]  # numbers of the paths
    sizes: tuple[int, ...]  # components c of each path
    outs: tuple[int, ...]  # block of the result of each path


@traced_as_constant
def _stacks(plan: TensorProductPlan) -> tuple[_Stack, ...]:
    return _stacked(plan)[0]


@traced_as_constant
def _nested_couplings(plan: TensorProductPlan) -> list:
    return [coupling.array.tolist() for coupling in _stacked(plan)[1]]


@cache
def _stacked(plan: TensorProductPlan) -> tuple[tuple[_Stack, ...], tuple[Coupling, ...]]:
    """The stacks, and the coefficients [y, (path, c), a] of each."""
    stacks, couplings = [], []
    for i, block in enumerate(plan.x):
        numbers = [n for n, path in enumerate(plan.paths) if path.segments[0] == i]
        if not numbers:
            continue
        paths = [plan.paths[n] for n in numbers]
        sizes = tuple(path.coupling.shape[2] for path in paths)
        matrix = np.zeros((plan.y.dim, sum(sizes), block.ir.dim))
        for path, end in zip(paths, accumulate(sizes), strict=True):
            y = plan.y.slices()[path.segments[1]]
            c = slice(end - path.coupling.shape[2], end)
            matrix[y, c] = path.coefficient * path.coupling.array.transpose(1, 2, 0)
        outs = tuple(path.out for path in paths)
        shape = (block.ir.dim, block.mul)
        stacks.append(_Stack(i, shape, tuple(numbers), sizes, outs))
        couplings.append(Coupling.from_array(matrix))
    return tuple(stacks), tuple(couplings)


def _channelwise_convolution(
    plan: TensorProductPlan,
    x: Float[Tensor, "edge x"],
    y: Float[Tensor, "edge y"],
    weights: Float[Tensor, "edge w"],
    edges: Edges,
) -> Float[Tensor, "node z"]:
    """One small matrix product per edge and block of x; each path is summed by itself.

    Pieces are split off and not sliced, and only sums are joined: the derivative of a slice is a
    tensor of zeros as large as the whole, and the messages are the largest tensors here.
    """
    block_sizes, weight_sizes = _sizes(plan)
    x_blocks, w_paths = x.split(block_sizes, dim=1), weights.split(weight_sizes, dim=1)
    results: dict[int, Tensor] = {}
    for stack, matrix in zip(_stacks(plan), _matrices(plan, x), strict=True):
        block, shape, paths, sizes, outs = stack
        rotations = (y @ matrix.flatten(1)).unflatten(1, (sum(sizes), shape[0]))
        values = x_blocks[block].unflatten(1, shape)
        # a product of one column and one row is faster without a matrix product
        turned = rotations * values if shape[0] == 1 else torch.bmm(rotations, values)
        for piece, path, out in zip(turned.split(sizes, dim=1), paths, outs, strict=True):
            messages = (piece * w_paths[path].unsqueeze(1)).flatten(1)
            results[out] = segment_sum(messages, edges.receivers, edges.n_nodes)
    return torch.cat([results[out] for out in range(len(results))], dim=1)


@traced_as_constant
def _sizes(plan: TensorProductPlan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Widths of the blocks of x, and of the weights of each path."""
    widths = tuple(where.stop - where.start for where in plan.weight_slices)
    return tuple(block.dim for block in plan.x), widths


def _matrices(plan: TensorProductPlan, like: Tensor) -> list[Tensor]:
    if torch.compiler.is_compiling():
        nested = _nested_couplings(plan)
        return [torch.tensor(rows, dtype=like.dtype, device=like.device) for rows in nested]
    return [constant(coupling, like) for coupling in _stacked(plan)[1]]


def _weight_derivative(
    plan: TensorProductPlan,
    x: Float[Tensor, "edge x"],
    y: Float[Tensor, "edge y"],
    z: Float[Tensor, "edge z"],
) -> Float[Tensor, "edge w"]:
    """∂F/∂w on every edge."""
    xs, ys, zs = (
        split_blocks(values, irreps) for values, irreps in ((x, plan.x), (y, plan.y), (z, plan.out))
    )
    derivatives = []
    for path in plan.paths:
        u, v = path.operand_subscripts
        equation = f"ea{u},eb{v},ec{path.out_subscripts},abc->e{path.weight_subscripts}"
        i, j = path.segments
        coefficients = constant(path.coupling, x) * path.coefficient
        term = torch.einsum(equation, xs[i], ys[j], zs[path.out], coefficients)
        derivatives.append(term.flatten(1))
    return torch.cat(derivatives, dim=1)
