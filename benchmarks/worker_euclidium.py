"""Worker that holds a potential of euclidium; see ``workers.py``."""

from typing import Any

import numpy as np
import torch

from euclidium.atoms import Graph
from euclidium.models import NequIPConfig, Potential, PotentialConfig, RadialConfig, freeze
from euclidium.ops import Edges
from workers import Model, Work, serve, training_step


def read_graph(path: str) -> Graph:
    """The batch in a file."""
    data = {name: torch.from_numpy(values) for name, values in np.load(path).items()}
    edges = Edges.from_receivers(data["senders"], data["receivers"], len(data["species"]))
    return Graph(
        species=data["species"],
        positions=data["positions"],
        cell=data["cell"],
        pbc=torch.ones(len(data["cell"]), 3, dtype=torch.bool),
        structure=data["structure"],
        edges=edges,
        shifts=data["shifts"],
        labels={"energy": data["energy"], "forces": data["forces"]},
    )


def build(request: dict[str, Any]) -> Model:
    """The potential, for energy and forces or for training."""
    model = build_model(request["model"])
    facts = {"parameters": sum(p.numel() for p in model.parameters())}
    if request["task"] == "training":
        model.train()
        return Model(lambda path: _training(model, read_graph(path)), facts)
    model = freeze(model)
    return Model(lambda path: _prediction(model, read_graph(path)), facts)


def _prediction(model: Potential, graph: Graph) -> Work:
    # nequip computes the stress at hardly any extra cost, so both do
    return lambda: model(graph, stress=True)


def _training(model: Potential, graph: Graph) -> Work:
    """A step of training on the mean squares of energy per atom and force components."""
    from euclidium.train import energy_term, forces_term, total_loss

    def loss() -> torch.Tensor:
        found = model(graph)
        counts = graph.atoms_per_structure
        return total_loss(
            {
                "energy": energy_term(found.energy, graph.labels["energy"], counts),
                "forces": forces_term(found.forces, graph.labels["forces"]),
            }
        )

    return training_step(model, loss)


def build_model(sizes: dict[str, Any]) -> Potential:
    """The potential of these sizes, float32."""
    network = NequIPConfig(
        channels=sizes["channels"],
        lmax=sizes["lmax"],
        layers=sizes["layers"],
        radial=RadialConfig(size=sizes["bessel"], hidden=tuple(sizes["hidden"])),
    )
    return Potential(
        PotentialConfig(
            species=("Si",),
            cutoff=sizes["cutoff"],
            network=network,
            mean_neighbors=sizes["mean_neighbors"],
        )
    )


if __name__ == "__main__":
    serve(build)
