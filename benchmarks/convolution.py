"""How fast the convolution is, and how much memory it takes, against e3nn's.

Gather, tensor product, radial weights and sum over neighbours, forward, with its three gradients
(backward), and with the gradients of those (double). The peer is e3nn's TensorProduct ("uvu", own
weights for each edge) between an index_select and an index_add, in each way of running it that
works: eager, TorchScript, torch.compile, and for the derivatives torch.compile of a function that
holds them inside; the fastest counts. cuEquivariance on its CPU path takes part where it is
installed. OpenEquivariance has no CPU path. Values and gradients are compared with e3nn's.

    python benchmarks/convolution.py --threads 1
    python benchmarks/convolution.py --lmax 2 --channels 64 --edges 6656 --json convolution.json
"""

import argparse
import gc
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

import harness
from euclidium.o3 import Irreps
from euclidium.ops import BACKENDS, Edges, TensorProductPlan, convolution, from_e3nn, to_e3nn

NEIGHBORS = 26
QUICK = ((2, 64, 6656),)
FULL = tuple(product((1, 2, 3), (32, 64, 128), (1_000, 6_656, 30_000, 100_000)))
COLUMNS = {
    "case": "text",
    "mode": "text",
    "euclidium_s": "s",
    "peer_s": "s",
    "peer": "text",
    "ratio": "x",
    "euclidium_bytes": "MB",
    "peer_bytes": "MB",
    "value_error": "error",
    "gradient_error": "error",
}
Convolution = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """One size of the problem, with its tensors: x, Y and w in our layout, and the cotangents."""

    lmax: int
    channels: int
    plan: TensorProductPlan
    edges: Edges
    inputs: tuple[Tensor, Tensor, Tensor]
    cotangent: Tensor
    directions: tuple[Tensor, Tensor, Tensor]

    @property
    def name(self) -> str:
        """Sizes, as the table shows them."""
        return f"l{self.lmax} {self.channels}ch {self.edges.n_edges} edges"


def build_case(lmax: int, channels: int, n_edges: int) -> Case:
    """Random features on a random graph of about 26 neighbours a node."""
    generator = torch.Generator().manual_seed(0)
    harmonics = Irreps.spherical_harmonics(lmax)
    x = Irreps([(channels, block.ir) for block in harmonics])
    everything = TensorProductPlan.channelwise(x, harmonics)
    reached = {block.ir for block in everything.out if block.ir.l <= lmax}
    plan = TensorProductPlan.channelwise(x, harmonics, Irreps([(1, ir) for ir in reached]))
    n_nodes = max(2, round(n_edges / NEIGHBORS))

    def numbers(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=generator)

    receivers = torch.randint(n_nodes, (n_edges,), generator=generator).sort().values
    senders = torch.randint(n_nodes, (n_edges,), generator=generator)
    edges = Edges.from_receivers(senders, receivers, n_nodes)
    shapes = ((n_nodes, plan.x.dim), (n_edges, plan.y.dim), (n_edges, plan.n_weights))
    inputs = tuple(numbers(*shape) for shape in shapes)
    directions = tuple(numbers(*shape) for shape in shapes)
    cotangent = numbers(n_nodes, plan.out.dim)
    return Case(lmax, channels, plan, edges, inputs, cotangent, directions)  # type: ignore[arg-type]


def in_e3nn_layout(case: Case) -> Case:
    """The same case with features in e3nn's order; harmonics and weights are the same."""
    (x, y, w), (dx, dy, dw) = case.inputs, case.directions
    return Case(
        case.lmax,
        case.channels,
        case.plan,
        case.edges,
        (to_e3nn(x, case.plan.x).contiguous(), y, w),
        to_e3nn(case.cotangent, case.plan.out).contiguous(),
        (to_e3nn(dx, case.plan.x).contiguous(), dy, dw),
    )


# -- the work of each mode ------------------------------------------------------------------


def forward(function: Convolution, case: Case) -> Tensor:
    """The convolution alone."""
    with torch.no_grad():
        return function(*case.inputs)


def backward(function: Convolution, case: Case) -> tuple[Tensor, ...]:
    """The convolution and its gradients with respect to x, Y and w."""
    inputs = [tensor.detach().requires_grad_() for tensor in case.inputs]
    return torch.autograd.grad(function(*inputs), inputs, case.cotangent)


def double(function: Convolution, case: Case) -> tuple[Tensor, ...]:
    """The same, and the gradients of a scalar made of the three: of x, Y, w and the cotangent."""
    inputs = [tensor.detach().requires_grad_() for tensor in case.inputs]
    cotangent = case.cotangent.detach().requires_grad_()
    first = torch.autograd.grad(function(*inputs), inputs, cotangent, create_graph=True)
    scalar = sum((a * b).sum() for a, b in zip(first, case.directions, strict=True))
    return torch.autograd.grad(scalar, [*inputs, cotangent])


WORK = {"forward": forward, "backward": backward, "double": double}


# -- e3nn -----------------------------------------------------------------------------------


def e3nn_convolution(case: Case, jit_mode: str) -> Convolution:
    """Gather, e3nn's tensor product, and sum; the weights in the order of our paths."""
    import e3nn
    from e3nn import o3

    plan, edges = case.plan, case.edges
    instructions = [(*path.segments, path.out, "uvu", True) for path in plan.paths]
    defaults = e3nn.get_optimization_defaults()
    e3nn.set_optimization_defaults(jit_mode=jit_mode)
    try:
        multiply = o3.TensorProduct(
            str(plan.x),
            str(plan.y),
            str(plan.out),
            instructions,
            internal_weights=False,
            shared_weights=False,
        )
    finally:
        e3nn.set_optimization_defaults(**defaults)

    def run(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        messages = multiply(x.index_select(0, edges.senders), y, w)
        zeros = x.new_zeros(edges.n_nodes, messages.shape[1])
        return zeros.index_add(0, edges.receivers, messages)

    return run


def e3nn_works(case: Case, mode: str, compiled: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every way to run a mode with e3nn, by name."""
    eager = e3nn_convolution(case, "eager")
    yield "e3nn eager", lambda: WORK[mode](eager, case)
    if not compiled:
        return
    with suppress(Exception):  # TorchScript is on its way out of torch
        script = e3nn_convolution(case, "script")
        yield "e3nn TorchScript", lambda: WORK[mode](script, case)
    if mode != "double":
        fast = torch.compile(eager, dynamic=False)
        yield "e3nn torch.compile", lambda: WORK[mode](fast, case)
    else:
        yield "e3nn torch.compile of gradients", _compiled_double(eager, case)


def _compiled_double(function: Convolution, case: Case) -> Callable[[], object]:
    """The first derivatives inside the compiled function: outside, torch.compile refuses two."""

    def scalar(x: Tensor, y: Tensor, w: Tensor, cotangent: Tensor) -> Tensor:
        _, pull = torch.func.vjp(function, x, y, w)
        return sum((a * b).sum() for a, b in zip(pull(cotangent), case.directions, strict=True))

    compiled = torch.compile(scalar, dynamic=False)

    def work() -> tuple[Tensor, ...]:
        tensors = [t.detach().requires_grad_() for t in (*case.inputs, case.cotangent)]
        return torch.autograd.grad(compiled(*tensors), tensors)

    return work


# -- cuEquivariance -------------------------------------------------------------------------


def cuequivariance_convolution(case: Case) -> Convolution | None:
    """The same product by cuEquivariance, in its own order of weights; ``None`` if not there."""
    try:
        import cuequivariance as cue
        import cuequivariance_torch as cuet
    except ImportError:
        return None
    plan, edges = case.plan, case.edges
    multiply = cuet.ChannelWiseTensorProduct(
        cue.Irreps("O3", str(plan.x)),
        cue.Irreps("O3", str(plan.y)),
        [cue.O3(ir.l, ir.p) for ir in {block.ir for block in plan.out}],
        layout=cue.ir_mul,
        shared_weights=False,
        internal_weights=False,
    )
    if multiply.weight_numel != plan.n_weights:
        raise RuntimeError(f"{multiply.weight_numel} weights, expected {plan.n_weights}")

    def run(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
        messages = multiply(x.index_select(0, edges.senders), y, w)
        zeros = x.new_zeros(edges.n_nodes, messages.shape[1])
        return zeros.index_add(0, edges.receivers, messages)

    return run


# -- measuring ------------------------------------------------------------------------------


def own(case: Case, backend: str | None = None) -> Convolution:
    """Our convolution, by the named backend or the fastest."""
    return lambda x, y, w: convolution(case.plan, x, y, w, case.edges, backend)


def agreement(ours: Convolution, case: Case, theirs: Case, eager: Convolution) -> dict[str, float]:
    """The largest difference to e3nn, values and gradients, as a share of the largest number."""
    plan = case.plan
    values = from_e3nn(forward(eager, theirs), plan.out)
    dx, dy, dw = backward(eager, theirs)
    pairs = zip(backward(ours, case), (from_e3nn(dx, plan.x), dy, dw), strict=True)
    return {
        "value_error": _difference(forward(ours, case), values),
        "gradient_error": max(_difference(a, b) for a, b in pairs),
    }


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-30))


def measure(case: Case, arguments: argparse.Namespace) -> Iterator[dict]:
    """One row for each mode."""
    theirs = in_e3nn_layout(case)
    ours, cue = own(case, arguments.backend), cuequivariance_convolution(case)
    found = agreement(ours, case, theirs, e3nn_convolution(theirs, "eager"))
    for mode in arguments.modes:
        torch.compiler.reset()
        works: dict[str, Callable[[], object]] = {"euclidium": _bound(ours, case, mode)}
        works |= dict(e3nn_works(theirs, mode, not arguments.no_compile))
        if cue is not None:
            works["cuequivariance"] = _bound(cue, case, mode)
        runners = {name: harness.timed(work) for name, work in works.items()}
        timings, failed = harness.race(runners, arguments.repeats)
        memory = {name: harness.peak_growth(works[name]) for name in timings}
        row = harness.row(case.name, mode, timings, failed, peer_memory=memory, **found)
        row["euclidium_bytes"] = memory.get("euclidium")
        row["peer_bytes"] = memory.get(str(row["peer"]))
        yield row
        gc.collect()


def _bound(function: Convolution, case: Case, mode: str) -> Callable[[], object]:
    return lambda: WORK[mode](function, case)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--lmax", type=harness.natural, help="one case: largest degree")
    parser.add_argument("--channels", type=harness.positive, help="one case: channels")
    parser.add_argument("--edges", type=harness.positive, help="one case: number of edges")
    parser.add_argument("--modes", nargs="+", choices=harness.MODES, default=harness.MODES)
    parser.add_argument("--backend", choices=sorted(BACKENDS), help="ours; by default the fastest")
    parser.add_argument("--no-compile", action="store_true", help="peers in eager mode only")
    arguments = parser.parse_args()
    harness.start(arguments)
    warnings.simplefilter("ignore")  # of the peers, about what torch will drop
    rows: list[dict] = []
    for sizes in cases(arguments):
        rows += measure(build_case(*sizes), arguments)
    harness.report(arguments, rows, COLUMNS)
    if "cuequivariance" not in {name for row in rows for name in (*row["peers"], *row["failed"])}:
        print("cuequivariance is not installed and was left out.")


def cases(arguments: argparse.Namespace) -> Iterable[tuple[int, int, int]]:
    """The one case that was asked for, or the grid."""
    given = (arguments.lmax, arguments.channels, arguments.edges)
    if given == (None, None, None):
        return FULL if arguments.full else QUICK
    lmax, channels, edges = given
    return [(2 if lmax is None else lmax, channels or 64, edges or 6656)]


if __name__ == "__main__":
    main()
