"""How the time per atom of energy and forces changes from 10 to 10,000 atoms.

Displaced silicon, cutoff 5 Å. A time per atom that stays the same is what is hoped for; what small
structures take more is overhead. nequip takes part up to ``--peer-atoms``, because its memory grows
with the number of edges. By default up to 1,000 atoms, with ``--full`` up to 10,000.

    python benchmarks/scaling.py --threads 1
    python benchmarks/scaling.py --threads 1 --full --no-peer --json scaling.json
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import harness
import potentials
import silicon

REPETITIONS = {
    10: (5, 1, 1),
    32: (4, 2, 2),
    100: (5, 5, 2),
    320: (8, 5, 4),
    1_000: (10, 10, 5),
    3_200: (16, 10, 10),
    10_000: (20, 25, 10),
}
QUICK = 1_000
COLUMNS = {
    "case": "text",
    "mode": "text",
    "euclidium_s": "s",
    "euclidium_per_atom_s": "s",
    "peer_per_atom_s": "s",
    "peer": "text",
    "ratio": "x",
}


def measure(arguments: argparse.Namespace) -> Iterator[dict]:
    """One row for each size, of the first network."""
    (network, *_) = potentials.networks(arguments)
    largest = max(REPETITIONS) if arguments.full else QUICK
    found = potentials.contestants(arguments, "aotinductor")
    with tempfile.TemporaryDirectory() as folder:
        data, warm = Path(folder) / "data.npz", Path(folder) / "warm.npz"
        small = silicon.write_batch(silicon.cubic_cells(1), arguments.cutoff, warm)
        files = potentials.Files(warm, warm, small.n_edges / small.n_atoms)
        request = potentials.request("energy_forces", network, arguments.cutoff, files)
        with potentials.Contest(found, request, arguments) as contest:
            for atoms, repeats in REPETITIONS.items():
                if atoms > largest:
                    break
                graph = silicon.write_batch(silicon.crystal(*repeats), arguments.cutoff, data)
                names = list(contest.workers)
                names = names if atoms <= arguments.peer_atoms else [potentials.OWN]
                contest.load(str(data), names)
                timings, failed = contest.race(names)
                row = harness.row(f"Si{atoms} {network}", "forces", timings, failed)
                yield row | _per_atom(row, atoms) | {"atoms": atoms, "edges": graph.n_edges}


def _per_atom(row: dict, atoms: int) -> dict[str, float | None]:
    return {
        "euclidium_per_atom_s": row["euclidium_s"] / atoms,
        "peer_per_atom_s": row["peer_s"] / atoms if row["peer"] else None,
    }


def main() -> None:
    parser = harness.parser(__doc__)
    potentials.add_options(parser)
    parser.add_argument(
        "--peer-atoms", type=harness.positive, default=1_000, help="largest structure of the peer"
    )
    arguments = parser.parse_args()
    harness.start(arguments)
    harness.report(arguments, potentials.run(lambda: measure(arguments)), COLUMNS)


if __name__ == "__main__":
    main()
