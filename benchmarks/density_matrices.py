"""How fast the matrices between the Gaussians of a density are, against PySCF.

The overlap and the Coulomb matrix of clusters of water in the decontracted basis
def2-universal-jfit (102 functions a molecule): every pair of atoms once, in float64; with the
gradient too, as training on positions would need it. PySCF does the values.

    python benchmarks/density_matrices.py --threads 1
    python benchmarks/density_matrices.py --molecules 30 --json matrices.json
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

import torch
from torch import Tensor

import harness
from euclidium.atoms.basis import exchange_basis
from euclidium.ops.gaussians import Shells, coulomb_blocks, overlap_blocks

BASIS = "def2-universal-jfit"
QUICK, FULL = (3, 10), (3, 10, 30)
MATRICES = {"overlap": (overlap_blocks, "int1e_ovlp"), "Coulomb": (coulomb_blocks, "int2c2e")}
SPACING = 5.5  # bohr, between molecules
COLUMNS = {
    "case": "text",
    "mode": "text",
    "euclidium_s": "s",
    "peer_s": "s",
    "peer": "text",
    "ratio": "x",
    "trace_error": "error",
}


class Case:
    """Water molecules on a simple cubic lattice, each turned at random."""

    def __init__(self, molecules: int, matrix: str) -> None:
        generator = torch.Generator().manual_seed(0)
        side = next(n for n in range(1, 100) if n**3 >= molecules)
        places = torch.cartesian_prod(*[torch.arange(side)] * 3)[:molecules].double() * SPACING
        bonds = torch.tensor([[1.43, 1.11, 0.0], [-1.43, 1.11, 0.0]]).double()
        turns = torch.linalg.qr(torch.randn(molecules, 3, 3, generator=generator).double()).Q
        self.name = f"{molecules} waters, {matrix}"
        self.blocks, self.integral = MATRICES[matrix]
        self.basis = exchange_basis(BASIS, ("H", "O"))
        self.places = {8: places, 1: (places[:, None] + bonds @ turns.mT).flatten(0, 1)}

    def pairs(self) -> Iterator[tuple[Shells, Shells, Tensor]]:
        """Shells of two elements and the vectors between their atoms, each pair of atoms once."""
        shells = {
            z: [(l, torch.from_numpy(a)) for l, a in self.basis.exponents(z).items()]
            for z in self.places
        }
        for a, b in combinations_with_replacement(self.places, 2):
            vectors = self.places[b] - self.places[a][:, None]
            if a == b:
                first, second = torch.triu_indices(len(vectors), len(vectors))
                vectors = vectors[first, second]
            yield shells[a], shells[b], vectors.reshape(-1, 3)

    def forward(self) -> float:
        """The matrices; the trace of the blocks of atoms with themselves is a check."""
        trace = 0.0
        for a, b, vectors in self.pairs():
            found = self.blocks(a, b, vectors)
            if a is b:
                itself = found[~vectors.any(-1)]
                trace += float(itself.diagonal(dim1=-2, dim2=-1).sum())
        return trace

    def backward(self) -> None:
        """The matrices, and the gradient of the sum of their elements by every vector."""
        for a, b, vectors in self.pairs():
            vectors.requires_grad_()
            torch.autograd.grad(self.blocks(a, b, vectors).sum(), vectors)

    def peer(self) -> Callable[[], float]:
        """The same matrix by PySCF."""
        from pyscf import gto

        atoms = [
            (f"ghost-{symbol}", place.tolist())
            for z, symbol in ((8, "O"), (1, "H"))
            for place in self.places[z]
        ]
        basis = {
            f"ghost-{symbol}": [[l, [a, 1.0]] for l, a in self.basis.of(z)]
            for z, symbol in ((8, "O"), (1, "H"))
        }
        molecule = gto.M(atom=atoms, basis=basis, unit="Bohr", verbose=0)
        return lambda: float(molecule.intor(self.integral, hermi=1).trace())


def measure(case: Case, repeats: int) -> Iterator[dict]:
    """One row for each mode."""
    works: dict[str, dict[str, Callable[[], object]]] = {
        "forward": {"euclidium": case.forward, "PySCF": case.peer()},
        "backward": {"euclidium": case.backward},
    }
    error = abs(case.forward() / case.peer()() - 1)
    for mode, contestants in works.items():
        runners = {name: harness.timed(work) for name, work in contestants.items()}
        timings, failed = harness.race(runners, repeats)
        yield harness.row(case.name, mode, timings, failed, trace_error=error)


def main() -> None:
    parser = harness.parser(__doc__)
    parser.add_argument("--molecules", type=harness.positive, help="one case: number of molecules")
    arguments: argparse.Namespace = parser.parse_args()
    harness.start(arguments)
    rows: list[dict] = []
    sizes = (arguments.molecules,) if arguments.molecules else FULL if arguments.full else QUICK
    for molecules in sizes:
        for matrix in MATRICES:
            rows += measure(Case(molecules, matrix), arguments.repeats)
    harness.report(arguments, rows, COLUMNS)


if __name__ == "__main__":
    main()
