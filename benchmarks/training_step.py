"""How long one step of training on forces takes, and how much memory, against nequip.

Two structures of 64 silicon atoms; loss of energies and forces, its gradient (so the force is
differentiated once more), and a step of Adam. Networks of equal structure and size, float32. nequip
takes part in eager mode and with torch.compile, its own fast way to train; the faster counts. The
memory is the growth of a fresh process at its highest during one step on the full batch, after a
step on a small one.

    python benchmarks/training_step.py --threads 1
    python benchmarks/training_step.py --channels 64 --layers 3 --json training_step.json
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import harness
import potentials
import silicon

COLUMNS = {
    "case": "text",
    "mode": "text",
    "euclidium_s": "s",
    "peer_s": "s",
    "peer": "text",
    "ratio": "x",
    "euclidium_bytes": "MB",
    "peer_bytes": "MB",
    "memory_ratio": "x",
}


def measure(arguments: argparse.Namespace) -> Iterator[dict]:
    """One row for each network."""
    found = potentials.contestants(arguments, "compile")
    with tempfile.TemporaryDirectory() as folder:
        data, warm = Path(folder) / "data.npz", Path(folder) / "warm.npz"
        atoms = silicon.cubic_cells(arguments.supercell)
        graph = silicon.write_batch(atoms, arguments.cutoff, data, arguments.batch)
        silicon.write_batch(silicon.cubic_cells(1), arguments.cutoff, warm, arguments.batch)
        files = potentials.Files(data, warm, graph.n_edges / graph.n_atoms)
        for network in potentials.networks(arguments):
            request = potentials.request("training", network, arguments.cutoff, files)
            with potentials.Contest(found, request, arguments) as contest:
                memory = contest.memory()  # before the race: memory once used does not grow again
                timings, failed = contest.race()
            case = f"{arguments.batch} x Si{len(atoms)} {network}"
            row = harness.row(case, "training", timings, failed)
            yield row | _memory(row, memory)


def _memory(row: dict, found: dict[str, int | None]) -> dict[str, object]:
    """Memory of euclidium and of the peer that was fastest; the leanest peer beside it."""
    own, peer = found.get(potentials.OWN), found.get(str(row["peer"]))
    others = [value for name, value in found.items() if name != potentials.OWN and value]
    return {
        "euclidium_bytes": own,
        "peer_bytes": peer,
        "leanest_peer_bytes": min(others, default=None),
        "memory_ratio": peer / own if own and peer else None,
        "memory": found,
    }


def main() -> None:
    parser = harness.parser(__doc__)
    potentials.add_options(parser)
    parser.add_argument(
        "--supercell", type=harness.positive, default=2, help="cells of 8 atoms along each axis"
    )
    parser.add_argument("--batch", type=harness.positive, default=2, help="structures in a step")
    arguments = parser.parse_args()
    harness.start(arguments)
    harness.report(arguments, potentials.run(lambda: measure(arguments)), COLUMNS)


if __name__ == "__main__":
    main()
