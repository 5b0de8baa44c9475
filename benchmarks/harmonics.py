"""How fast the spherical harmonics are, against e3nn and sphericart.

All degrees up to l of normalised vectors: values (forward), with their gradient (backward), and
with the gradient of that (double). The peers are e3nn in eager mode, under torch.compile, and for
the second derivatives under torch.compile of a function that holds the first ones; and sphericart
where it is installed. The ratio is against the fastest that can do the mode.

    python benchmarks/harmonics.py --threads 1
    python benchmarks/harmonics.py --lmax 3 --points 10000 --json harmonics.json
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor

import harness
from euclidium.ops import spherical_harmonics

QUICK = ((3, 10_000), (6, 10_000))
FULL = tuple(product(range(1, 9), (1_000, 10_000, 100_000)))
COLUMNS = {
    "case": "text",
    "mode": "text",
    "euclidium_s": "s",
    "peer_s": "s",
    "peer": "text",
    "ratio": "x",
    "value_error": "error",
    "gradient_error": "error",
}
Harmonics = Callable[[Tensor], Tensor]


class Case:
    """Random vectors, a cotangent of the harmonics, and one of the gradient."""

    def __init__(self, lmax: int, points: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.lmax, self.points = lmax, points
        self.vectors = torch.randn(points, 3, generator=generator)
        self.cotangent = torch.randn(points, (lmax + 1) ** 2, generator=generator)
        self.direction = torch.randn(points, 3, generator=generator)

    @property
    def name(self) -> str:
        """Sizes, as the table shows them."""
        return f"l<={self.lmax} {self.points} vectors"


def forward(function: Harmonics, case: Case) -> Tensor:
    """The values alone."""
    with torch.no_grad():
        return function(case.vectors)


def backward(function: Harmonics, case: Case) -> Tensor:
    """Values and gradient."""
    vectors = case.vectors.detach().requires_grad_()
    return torch.autograd.grad(function(vectors), vectors, case.cotangent)[0]


def double(function: Harmonics, case: Case) -> tuple[Tensor, ...]:
    """The same, and the gradients of the gradient, of the vectors and of the cotangent."""
    vectors = case.vectors.detach().requires_grad_()
    cotangent = case.cotangent.detach().requires_grad_()
    (first,) = torch.autograd.grad(function(vectors), vectors, cotangent, create_graph=True)
    return torch.autograd.grad((first * case.direction).sum(), (vectors, cotangent))


WORK = {"forward": forward, "backward": backward, "double": double}


def own(case: Case) -> Harmonics:
    """Our harmonics, normalised by component."""
    degrees = list(range(case.lmax + 1))
    return lambda vectors: spherical_harmonics(degrees, vectors)


def e3nn_harmonics(case: Case) -> Harmonics:
    """The same by e3nn."""
    from e3nn import o3

    degrees = list(range(case.lmax + 1))
    return lambda v: o3.spherical_harmonics(degrees, v, True, normalization="component")


def sphericart_harmonics(case: Case) -> Harmonics | None:
    """The harmonics of sphericart, in its own order of axes and norm; ``None`` if not there."""
    try:
        from sphericart.torch import SphericalHarmonics
    except ImportError:
        return None
    return SphericalHarmonics(case.lmax)


def works(case: Case, mode: str, compiled: bool) -> dict[str, Callable[[], object]]:
    """Every way to run a mode, by name."""

    def bound(function: Harmonics) -> Callable[[], object]:
        return lambda: WORK[mode](function, case)

    e3nn, sphericart = e3nn_harmonics(case), sphericart_harmonics(case)
    result = {"euclidium": bound(own(case)), "e3nn eager": bound(e3nn)}
    if compiled and mode != "double":
        result["e3nn torch.compile"] = bound(torch.compile(e3nn, dynamic=False))
    elif compiled:
        result["e3nn torch.compile of gradients"] = _compiled_double(e3nn, case)
    if sphericart is not None:
        result["sphericart"] = bound(sphericart)
    return result


def _compiled_double(function: Harmonics, case: Case) -> Callable[[], object]:
    """The first derivative inside the compiled function: outside, torch.compile refuses two."""

    def scalar(vectors: Tensor, cotangent: Tensor) -> Tensor:
        _, pull = torch.func.vjp(function, vectors)
        return (pull(cotangent)[0] * case.direction).sum()

    compiled = torch.compile(scalar, dynamic=False)

    def work() -> tuple[Tensor, ...]:
        tensors = [t.detach().requires_grad_() for t in (case.vectors, case.cotangent)]
        return torch.autograd.grad(compiled(*tensors), tensors)

    return work


def agreement(case: Case) -> dict[str, float]:
    """The largest difference to e3nn, as a share of the largest number."""
    ours, theirs = own(case), e3nn_harmonics(case)
    return {
        f"{name}_error": float((a - b).abs().max() / b.abs().max())
        for name, a, b in (
            ("value", forward(ours, case), forward(theirs, case)),
            ("gradient", backward(ours, case), backward(theirs, case)),
        )
    }


def measure(case: Case, repeats: int, compiled: bool) -> Iterator[dict]:
    """One row for each mode."""
    found = agreement(case)
    for mode in harness.MODES:
        torch.compiler.reset()
        runners = {name: harness.timed(work) for name, work in works(case, mode, compiled).items()}
        timings, failed = harness.race(runners, repeats)
        yield harness.row(case.name, mode, timings, failed, **found)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--lmax", type=harness.natural, help="one case: largest degree")
    parser.add_argument("--points", type=harness.positive, help="one case: number of vectors")
    parser.add_argument("--no-compile", action="store_true", help="peers in eager mode only")
    arguments = parser.parse_args()
    harness.start(arguments)
    warnings.simplefilter("ignore")  # of the peers, about what torch will drop
    rows: list[dict] = []
    for sizes in cases(arguments):
        rows += measure(Case(*sizes), arguments.repeats, not arguments.no_compile)
    harness.report(arguments, rows, COLUMNS)
    if not any("sphericart" in (*row["peers"], *row["failed"]) for row in rows):
        print("sphericart is not installed and was left out.")


def cases(arguments: argparse.Namespace) -> tuple[tuple[int, int], ...]:
    """The one case that was asked for, or the grid."""
    if arguments.lmax is None and arguments.points is None:
        return FULL if arguments.full else QUICK
    lmax = 3 if arguments.lmax is None else arguments.lmax
    return ((lmax, arguments.points or 10_000),)


if __name__ == "__main__":
    main()
