"""How long energy and forces of a whole NequIP potential take, against nequip itself.

Silicon, 64 displaced atoms, cutoff 5 Å; two networks of equal structure and size, random weights,
float32, the same edges. Both also compute the stress, as nequip always does. nequip takes part in
eager mode and compiled by AOTInductor; the faster counts. It lives in an environment of its own.

    python benchmarks/step.py --threads 1
    python benchmarks/step.py --channels 64 --layers 3 --nequip-python PATH --json step.json
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
    "parameters": "text",
    "peer_parameters": "text",
}


def measure(arguments: argparse.Namespace) -> Iterator[dict]:
    """One row for each network."""
    found = potentials.contestants(arguments, "aotinductor")
    with tempfile.TemporaryDirectory() as folder:
        data, warm = Path(folder) / "data.npz", Path(folder) / "warm.npz"
        atoms = silicon.cubic_cells(arguments.supercell)
        graph = silicon.write_batch(atoms, arguments.cutoff, data)
        silicon.write_batch(silicon.cubic_cells(1), arguments.cutoff, warm)
        files = potentials.Files(data, warm, graph.n_edges / graph.n_atoms)
        for network in potentials.networks(arguments):
            request = potentials.request("energy_forces", network, arguments.cutoff, files)
            with potentials.Contest(found, request, arguments) as contest:
                timings, failed = contest.race()
            row = harness.row(f"Si{graph.n_atoms} {network}", "forces", timings, failed)
            yield row | {
                "atoms": graph.n_atoms,
                "edges": graph.n_edges,
                "parameters": contest.facts[potentials.OWN]["parameters"],
                "peer_parameters": contest.facts.get(str(row["peer"]), {}).get("parameters"),
            }


def main() -> None:
    parser = harness.parser(__doc__)
    potentials.add_options(parser)
    parser.add_argument(
        "--supercell", type=harness.positive, default=2, help="cells of 8 atoms along each axis"
    )
    arguments = parser.parse_args()
    harness.start(arguments)
    harness.report(arguments, potentials.run(lambda: measure(arguments)), COLUMNS)


if __name__ == "__main__":
    main()
