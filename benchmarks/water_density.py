"""Make the shipped models of water's electron density, and train a peer on the same data.

    python benchmarks/water_density.py --rackers ../shared/data/densities/rackers

trains the networks of ``water-density``, whose mean it is, on the embedded clusters of up to twenty
molecules, each with another tenth of them to validate with, and, where the data are,
``water-density-trimers`` on those of Rackers et al.; each resumable, into ``runs``. It measures
them on larger clusters and on their test trimers, and writes models, with isolated ions, and cards.
To see how errors grow beyond the sizes that were learned, a third one learns from clusters of up to
three molecules, and with ``--peer`` on the same clusters, for the same time, the gate network of
e3nn as in Rackers et al. 2023 (https://doi.org/10.1088/2632-2153/acb314: its irreps, target and
loss). Needs the extra ``density``.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from euclidium.analyze.densities import DensityErrors, evaluate_densities
from euclidium.atoms import (
    Density,
    DensityBasis,
    DensityRecord,
    embedded_densities,
    import_densities,
    write_densities,
)
from euclidium.atoms.density_orders import from_e3nn, to_e3nn
from euclidium.models import DensityModel, combine_densities, load, save
from euclidium.models.storage import describe
from euclidium.simulate import fit_atoms
from harness import write_json
from trainings import finished

HERE = Path(__file__).parent
MODELS = HERE.parent / "src" / "euclidium" / "data" / "models"
LARGEST = 9  # atoms of a cluster that is learned from
SEEDS = (0, 1, 2)  # of the networks
ORBITALS = {"water-density": "def2-SVP", "water-density-trimers": "aug-cc-pVTZ"}
HIDDEN = "125x0e+125x0o+40x1e+40x1o+25x2e+25x2o+15x3e+15x3o"


def main() -> None:
    """Train, measure, write."""
    arguments = parsed()
    torch.set_num_threads(arguments.threads)
    clusters = embedded_densities("water", "train")
    fours = [r for r in clusters if r.density.structure.n_atoms > LARGEST]
    own = {
        "5 and 6 molecules": embedded_densities("water", "test"),
        "7 to 12 molecules": embedded_densities("water", "medium-test"),
    }
    tests = {"4 molecules": fours, **own, **large()}
    runs: Path = arguments.runs
    own_runs = [
        finished(runs / f"water-density-{seed}", "water-density", [f"seed={seed}"])
        for seed in SEEDS
    ]
    found = {"water-density": shipped("water-density", own_runs, {**own, **large()}, PROVENANCE)}
    few = ["data.train=water", f"data.largest={LARGEST}", "training.epochs=200"]
    # what charges far away do cannot be learned from clusters of three molecules
    few += ["model.long_range=null", "loss.average=structures", "optimizer.weight_decay=0.0001"]
    small = finished(runs / "water-density-small", "water-density", few)
    seconds = json.loads((small / "metrics.json").read_text())["seconds"]
    print(f"of ≤ 3 molecules: trained for {seconds:.0f} s")
    model = load(small / "model.euclidium")
    found["of ≤ 3 molecules"] = {part: measured(model, rows) for part, rows in tests.items()}
    if arguments.rackers is not None:
        records = {
            part: import_densities(arguments.rackers / f"w3_dzhf_def2_{part}_energyforce.pkl")
            for part in ("train", "test")
        }
        data = arguments.runs / "rackers-train.npz"
        write_densities(data, records["train"])
        name = "water-density-trimers"
        run = finished(runs / name, name, [f"data.train={data.absolute()}"])
        own = {"20 trimers of Rackers et al.": records["test"]}
        found["water-density-trimers"] = shipped("water-density-trimers", [run], own, RACKERS)
    if arguments.peer:
        seconds = arguments.seconds or seconds
        found["e3nn, of ≤ 3"] = peer(seconds, tests, arguments.seed)
    show(found)
    if arguments.json:
        plain = {who: {k: e.as_dict() for k, e in rows.items()} for who, rows in found.items()}
        write_json(arguments.json, {"seconds": seconds, "errors": plain})


def large() -> dict[str, list[DensityRecord]]:
    """The largest clusters, by the number of molecules."""
    found: dict[str, list[DensityRecord]] = {}
    for record in embedded_densities("water", "large"):
        found.setdefault(f"{record.density.structure.n_atoms // 3} molecules", []).append(record)
    return found


def shipped(
    name: str,
    runs: Sequence[Path],
    tests: dict[str, list[DensityRecord]],
    provenance: dict[str, str],
) -> dict[str, DensityErrors]:
    """Write the mean of some runs with half the digits, and its card; its errors as written."""
    model = combine_densities([load(run / "model.euclidium") for run in runs])
    add_ions(model, ORBITALS[name])
    path = MODELS / f"{name}.euclidium"
    save(model, path, {}, provenance, half=True)
    found = {part: measured(load(path), records) for part, records in tests.items()}
    plain = {part: errors.as_dict() for part, errors in found.items()}
    save(model, path, plain, provenance, half=True)
    path.with_suffix(".md").write_text(card(name, model, path, found))
    return found


def add_ions(model: DensityModel, orbitals: str) -> None:
    """Give the model's basis isolated ions by PBE0, for iterative Hirshfeld charges."""
    ions = fit_atoms(model.basis, "PBE0", orbitals, ions=(-2, -1, 1)).ions
    model.basis = replace(model.basis, ions=ions)
    model.config = model.config.model_copy(update={"basis": model.basis.to_json()})


def measured(model: DensityModel, records: Sequence[DensityRecord]) -> DensityErrors:
    """The errors on some records."""
    return evaluate_densities(model.predict(r.structure for r in records), records)


PROVENANCE = {
    "data": "embedded water clusters of one to twenty molecules, PBE0/def2-SVP, CC BY 4.0",
    "test": "other clusters, of five and more molecules",
}
RACKERS = {
    "data": "80 water trimers of https://github.com/JoshRackers/equivariant_electron_density, MIT "
    "© 2021 J. A. Rackers / NTESS, near PBE0/aug-cc-pVTZ",
    "test": "their 20 test trimers",
}
CARD = """# {name}

Electron densities of water clusters: coefficients of Gaussians on the atoms ({basis}),
by {networks} (neighbours within {cutoff:g} Å, {layers} layers, l ≤ {lmax}{far};
{parameters:,} parameters, {size:.1f} MB), made by `benchmarks/water_density.py`.

**Use** for densities of clusters of intact water molecules near equilibrium and at some hundred
kelvin, and what follows from them: potentials, multipoles, starting points for SCF. **Do not use**
it for ions, broken bonds, other molecules or other levels of theory.

**Data**: {data}. Test: {test}.

**Licence** of the weights: that of the data.

## Errors

ε = 100 ∫|Δρ| / N against the fitted labels, on a Becke grid. Labels differ from the calculations
they were fitted to by their own floor, which comes on top. Dipoles: mean error over mean dipole.
Electrons: largest difference from those of the labels; predictions have the exact number.

{table}

ε of the functions of each degree alone: {degrees}.
"""


def card(name: str, model: DensityModel, path: Path, found: dict[str, DensityErrors]) -> str:
    """The card of a model."""
    network, provenance = model.config.network, describe(path)["provenance"]
    count = model.config.members
    lines = ["| test | n | ε | isolated atoms | floor of the labels | electrons | dipole |"]
    lines.append("|---" * 7 + "|")
    for part, e in found.items():
        floor = "not known" if e.eps_floor is None else f"{e.eps_floor:.2f} %"
        lines.append(
            f"| {part} | {e.n} | {e.eps_fit:.3f} % | {e.eps_superposition:.1f} % | {floor} | "
            f"{e.electrons_error:.0e} e | {100 * e.dipole_rel_mae:.2f} % |"
        )
    first = next(iter(found.values()))
    degrees = ", ".join(f"l = {l}: {v:.3f} %" for l, v in enumerate(first.eps_by_degree))
    return CARD.format(
        name=name,
        basis=model.basis.name,
        cutoff=model.cutoff,
        networks="one network" if count == 1 else f"the mean of {count} networks",
        layers=network.layers,
        lmax=network.lmax,
        far="" if model.config.long_range is None else ", and learned charges felt at any distance",
        parameters=sum(p.numel() for p in model.parameters()),
        size=path.stat().st_size / 1e6,
        table="\n".join(lines),
        degrees=degrees,
        **provenance,
    )


def peer(
    seconds: float, tests: dict[str, list[DensityRecord]], seed: int
) -> dict[str, DensityErrors]:
    """The gate network of e3nn, trained for some processor time as Rackers et al. did.

    Adam with the rate 0.01, single clusters, mean squares of all coefficients less those of the
    isolated atoms, in their scale of populations; elements padded to the functions of oxygen.
    """
    from e3nn.nn.models.gate_points_2101 import Network

    torch.manual_seed(seed)
    records = [
        r for r in embedded_densities("water", "train") if r.density.structure.n_atoms <= LARGEST
    ]
    basis = records[0].density.basis
    scale = {z: population_scale(basis, z) for z in basis.elements}
    largest = max(basis.elements, key=basis.size)
    network = Network(
        irreps_in="2x0e",
        irreps_hidden=HIDDEN,
        irreps_out=str(basis.irreps(largest)),
        irreps_node_attr="0e",
        irreps_edge_attr="1x0e+1x1o+1x2e+1x3o",
        layers=3,
        max_radius=3.5,
        number_of_basis=10,
        radial_layers=1,
        radial_neurons=128,
        num_neighbors=12.2298,
        num_nodes=9.0,
        reduce_output=False,
    )
    items = [as_padded(record, basis, scale, largest) for record in records]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    generator, start, steps = np.random.default_rng(seed), time.process_time(), 0
    while time.process_time() - start < seconds:
        data, target, mask = items[generator.integers(len(items))]
        optimizer.zero_grad()
        ((network(data) * mask - target) ** 2).mean().backward()
        optimizer.step()
        steps += 1
    count = sum(p.numel() for p in network.parameters())
    print(f"e3nn: {steps} steps in {seconds:.0f} s of processor time, {count:,} parameters")

    def predictions(part: Sequence[DensityRecord]) -> Iterator[Density]:
        for record in part:
            data, _, _ = as_padded(record, basis, scale, largest)
            with torch.no_grad():
                found = network(data).double().numpy()
            yield from_padded(record, basis, scale, largest, found)

    return {name: evaluate_densities(predictions(part), part) for name, part in tests.items()}


def population_scale(basis: DensityBasis, z: int) -> np.ndarray:
    """The factor of Rackers et al. for each function: 2√2 over Psi4's norm, by the exponent."""
    parts = []
    for block, exponents in zip(basis.irreps(z), basis.exponents(z).values(), strict=True):
        norm = np.sqrt(2 * (2 * exponents) ** (block.ir.l + 1.5))
        parts.append(np.tile(2 * np.sqrt(2) / norm, block.ir.dim))
    return np.concatenate(parts)


def places(basis: DensityBasis, z: int, largest: int) -> np.ndarray:
    """Where the coefficients of an element stand among those of the largest, in e3nn's layout."""
    mine = basis.irreps(z)
    found = []
    for block, where in zip(basis.irreps(largest), basis.irreps(largest).slices(), strict=True):
        found += range(where.start, where.start + mine.count(block.ir) * block.ir.dim)
    return np.array(found)


def as_padded(
    record: DensityRecord, basis: DensityBasis, scale: dict[int, np.ndarray], largest: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Input, target and mask of a record."""
    structure = record.density.structure
    change = record.density.coefficients - basis.superposition(structure.species.tolist())
    target = np.zeros((structure.n_atoms, basis.size(largest)))
    mask = np.zeros_like(target)
    rows = np.split(change, record.density.offsets[1:-1])
    for n, (z, own) in enumerate(zip(structure.species.tolist(), rows, strict=True)):
        where = places(basis, z, largest)
        target[n, where] = to_e3nn(own * scale[z], basis, [z])
        mask[n, where] = 1.0
    kinds = np.eye(2)[(structure.species == largest).astype(int)]
    data = {
        "pos": torch.from_numpy(structure.positions).float(),
        "x": torch.from_numpy(kinds).float(),
        "batch": torch.zeros(structure.n_atoms, dtype=torch.long),
    }
    return data, torch.from_numpy(target).float(), torch.from_numpy(mask).float()


def from_padded(
    record: DensityRecord,
    basis: DensityBasis,
    scale: dict[int, np.ndarray],
    largest: int,
    found: np.ndarray,
) -> Density:
    """The density that the peer predicts."""
    structure = record.density.structure
    values = basis.superposition(structure.species.tolist())
    parts = [
        from_e3nn(found[n, places(basis, z, largest)], basis, [z]) / scale[z]
        for n, z in enumerate(structure.species.tolist())
    ]
    return Density(structure, basis, values + np.concatenate(parts))


def show(found: dict[str, dict[str, DensityErrors]]) -> None:
    """Print the table."""
    for who, rows in found.items():
        for part, e in rows.items():
            print(
                f"{who:21} {part:28} n {e.n:3d}  ε {e.eps_fit:.3f} %  atoms "
                f"{e.eps_superposition:.1f} %  electrons {e.electrons_error:.1e}  dipole "
                f"{100 * e.dipole_rel_mae:.2f} %"
            )


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--rackers", type=Path, help="folder of the trimers of Rackers et al.")
    parser.add_argument("--peer", action="store_true", help="also train e3nn's network")
    parser.add_argument(
        "--seconds", type=float, help="processor time of the peer; as long as ours took without"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
