"""How close the convolution comes to what the machine can do.

Arithmetic and bytes are counted from the plan, and the ceilings measured beside it, in turns with
it: float32 matrix products for arithmetic, copies of a large tensor for memory. With M(a, c) the
coefficients of a path after contraction with Y, the forward pass multiplies M with x, weights and
sums: for each edge and channel 2 · nonzeros(M) operations and one more for each component c. Once
for each edge comes the contraction. x, Y and w are read once and z is written once. The backward
pass is the three gradients together, without the forward pass: three products of the size of M,
w · g formed once; it reads x, Y, w and the cotangent g and writes the gradients.

share of the roofline = max(arithmetic / matrix-product ceiling, bytes / copy ceiling) / time

    python benchmarks/roofline.py --threads 1
    python benchmarks/roofline.py --lmax 3 --channels 128 --edges 30000 --json roofline.json
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

import convolution as benchmark
import harness
from euclidium.ops import BACKENDS, TensorProductPlan

FLOAT = 4  # bytes
MATRIX = 1536  # rows of the matrices of the arithmetic ceiling
COPY = 64_000_000  # numbers in the tensor of the memory ceiling
COLUMNS = {
    "case": "text",
    "mode": "text",
    "euclidium_s": "s",
    "operations_per_s": "G/s",
    "ceiling_operations_per_s": "G/s",
    "bytes_per_s": "G/s",
    "ceiling_bytes_per_s": "G/s",
    "bound": "text",
    "share": "%",
}


@dataclass(frozen=True)
class Counts:
    """Floating-point operations and bytes of one pass."""

    operations: int
    bytes: int


def forward_counts(plan: TensorProductPlan, n_nodes: int, n_edges: int) -> Counts:
    """What the convolution must do.

    >>> forward_counts(TensorProductPlan.channelwise("2x0e", "0e"), n_nodes=1, n_edges=10)
    Counts(operations=70, bytes=136)
    """
    contraction, of_channel = 0, 0
    for path in plan.paths:
        pairs, components, entries = _sizes(path.coupling.array)
        contraction += 2 * entries - pairs
        of_channel += plan.x[path.segments[0]].mul * (2 * pairs + components)
    numbers = _numbers(plan, n_nodes, n_edges)
    return Counts(n_edges * (contraction + of_channel), FLOAT * sum(numbers.values()))


def backward_counts(plan: TensorProductPlan, n_nodes: int, n_edges: int) -> Counts:
    """What the three gradients must do: M x · g for w, Mᵀ (w g) for x, x (w g) for Y."""
    contraction, of_channel = 0, 0
    for path in plan.paths:
        pairs, components, entries = _sizes(path.coupling.array)
        contraction += 4 * entries - pairs
        of_channel += plan.x[path.segments[0]].mul * (6 * pairs + 2 * components - 1)
    numbers = _numbers(plan, n_nodes, n_edges)
    moved = sum(numbers.values()) + numbers["x"] + numbers["y"] + numbers["w"]
    return Counts(n_edges * (contraction + of_channel), FLOAT * moved)


def _sizes(coupling: np.ndarray) -> tuple[int, int, int]:
    """Pairs (a, c) that are not zero for every b, components c, and non-zero coefficients.

    With one component b whose coefficients are all alike, M is a number times a constant pattern
    and costs no contraction; that is not counted less here.
    """
    nonzero = coupling != 0
    return int(nonzero.any(1).sum()), coupling.shape[2], int(nonzero.sum())


def _numbers(plan: TensorProductPlan, n_nodes: int, n_edges: int) -> dict[str, int]:
    return {
        "x": n_nodes * plan.x.dim,
        "y": n_edges * plan.y.dim,
        "w": n_edges * plan.n_weights,
        "z": n_nodes * plan.out.dim,
    }


def ceilings() -> dict[str, Callable[[], object]]:
    """A large matrix product, and a copy of a tensor that fits in no cache."""
    a, b = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    c, source = torch.empty(MATRIX, MATRIX), torch.ones(COPY)
    target = torch.empty_like(source)
    return {
        "matrix product": lambda: torch.mm(a, b, out=c),
        "copy": lambda: target.copy_(source),
    }


def gradients(function: benchmark.Convolution, case: benchmark.Case) -> Callable[[], object]:
    """The three gradients alone; the forward pass is done here."""
    inputs = [tensor.detach().requires_grad_() for tensor in case.inputs]
    z = function(*inputs)
    return lambda: torch.autograd.grad(z, inputs, case.cotangent, retain_graph=True)


def measure(case: benchmark.Case, repeats: int, backend: str | None) -> Iterator[dict]:
    """One row for the forward pass and one for the gradients."""
    function = benchmark.own(case, backend)
    works = {
        "forward": lambda: benchmark.forward(function, case),
        "backward": gradients(function, case),
        **ceilings(),
    }
    runners = {name: harness.timed(work) for name, work in works.items()}
    timings, failed = harness.race(runners, repeats)
    if failed:
        raise RuntimeError("; ".join(f"{name}: {reason}" for name, reason in failed.items()))
    rates = {
        "operations": 2 * MATRIX**3 / timings["matrix product"].minimum,
        "bytes": 2 * FLOAT * COPY / timings["copy"].minimum,
    }
    sizes = (case.plan, case.edges.n_nodes, case.edges.n_edges)
    for mode, counts in (
        ("forward", forward_counts(*sizes)),
        ("backward", backward_counts(*sizes)),
    ):
        yield share_row(case.name, mode, timings[mode], counts, rates)


def share_row(
    case: str, mode: str, timing: harness.Timing, counts: Counts, rates: dict[str, float]
) -> dict:
    """Rates that were reached, the ceilings, and the share of the roofline."""
    least = {
        "arithmetic": counts.operations / rates["operations"],
        "memory": counts.bytes / rates["bytes"],
    }
    bound = max(least, key=lambda name: least[name])
    row = harness.row(case, mode, {"euclidium": timing, "roofline": _exactly(least[bound])})
    return row | {
        "operations": counts.operations,
        "bytes": counts.bytes,
        "operations_per_s": counts.operations / timing.minimum,
        "bytes_per_s": counts.bytes / timing.minimum,
        "ceiling_operations_per_s": rates["operations"],
        "ceiling_bytes_per_s": rates["bytes"],
        "bound": bound,
        "share": least[bound] / timing.minimum,
    }


def _exactly(seconds: float) -> harness.Timing:
    return harness.Timing(seconds, seconds)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--lmax", type=harness.natural, help="one case: largest degree")
    parser.add_argument("--channels", type=harness.positive, help="one case: channels")
    parser.add_argument("--edges", type=harness.positive, help="one case: number of edges")
    parser.add_argument("--backend", choices=sorted(BACKENDS), help="ours; by default the fastest")
    arguments = parser.parse_args()
    harness.start(arguments)
    rows: list[dict] = []
    for sizes in cases(arguments):
        rows += measure(benchmark.build_case(*sizes), arguments.repeats, arguments.backend)
    harness.report(arguments, rows, COLUMNS)


def cases(arguments: argparse.Namespace) -> tuple[tuple[int, int, int], ...]:
    """The cases of the convolution's benchmark."""
    return tuple(benchmark.cases(arguments))


if __name__ == "__main__":
    main()
