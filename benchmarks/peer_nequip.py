"""Worker that holds a potential of nequip, run by the Python that has it; see ``workers.py``.

Settings: ``eager``; ``aotinductor``, what ``nequip-compile`` makes for energies and forces of one
structure; ``compile``, torch.compile as nequip trains with, for batches of several structures.
"""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workers import Model, Work, serve, training_step

Data = dict[str, torch.Tensor]


def read_data(path: str) -> Data:
    """The batch in a file, by nequip's names; its edges run from the receiver to the sender."""
    from nequip.data import AtomicDataDict as keys

    data = {name: torch.from_numpy(values) for name, values in np.load(path).items()}
    batch = {
        keys.POSITIONS_KEY: data["positions"],
        keys.CELL_KEY: data["cell"],
        keys.ATOM_TYPE_KEY: torch.zeros_like(data["species"]),
        keys.EDGE_INDEX_KEY: torch.stack([data["receivers"], data["senders"]]),
        keys.EDGE_CELL_SHIFT_KEY: data["shifts"],
        keys.TOTAL_ENERGY_KEY: data["energy"][:, None],
        keys.FORCE_KEY: data["forces"],
    }
    if len(data["cell"]) > 1:  # for one structure nequip takes a shorter way without these
        batch[keys.BATCH_KEY] = data["structure"]
        batch[keys.NUM_NODES_KEY] = torch.bincount(data["structure"])
    return batch


def build(request: dict[str, Any]) -> Model:
    """The potential, for energy and forces or for training."""
    warnings.simplefilter("ignore")
    setting = request["setting"]
    model = build_model(request["model"], "compile" if setting == "compile" else "eager")
    facts = {"parameters": sum(p.numel() for p in model.parameters() if p.requires_grad)}
    if request["task"] == "training":
        model.train()
        return Model(lambda path: _training(model, read_data(path)), facts)
    model.eval().requires_grad_(False)
    run = ahead_of_time(model, read_data(request["warm"])) if setting == "aotinductor" else model
    return Model(lambda path: _prediction(run, read_data(path)), facts)


def _prediction(run: Callable[[Data], object], data: Data) -> Work:
    return lambda: run(dict(data))


def _training(model: torch.nn.Module, data: Data) -> Work:
    return training_step(model, lambda: loss(model, data))


def loss(model: torch.nn.Module, data: Data) -> torch.Tensor:
    """Mean squares of the errors of the energy per atom and of the force components."""
    from nequip.data import AtomicDataDict as keys

    labels = (keys.TOTAL_ENERGY_KEY, keys.FORCE_KEY)
    found = model({key: value for key, value in data.items() if key not in labels})
    energy = found[keys.TOTAL_ENERGY_KEY] - data[keys.TOTAL_ENERGY_KEY]
    counts = data.get(keys.NUM_NODES_KEY, torch.tensor([len(data[keys.POSITIONS_KEY])]))
    forces = found[keys.FORCE_KEY] - data[keys.FORCE_KEY]
    return (energy / counts[:, None]).square().mean() + forces.square().mean()


def build_model(sizes: dict[str, Any], compile_mode: str) -> torch.nn.Module:
    """The potential of these sizes, float32."""
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    return NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        compile_mode=compile_mode,
        type_names=["Si"],
        r_max=sizes["cutoff"],
        num_layers=sizes["layers"],
        l_max=sizes["lmax"],
        parity=False,
        num_features=sizes["channels"],
        radial_mlp_depth=len(sizes["hidden"]),
        radial_mlp_width=sizes["hidden"][0],
        num_bessels=sizes["bessel"],
        avg_num_neighbors=sizes["mean_neighbors"],
        per_type_energy_scales=1.0,
        per_type_energy_shifts=0.0,
    )


def ahead_of_time(model: torch.nn.Module, data: Data) -> Callable[[Data], Data]:
    """The model compiled for one structure of any size."""
    from nequip.scripts._compile_utils import ASE_TARGET
    from nequip.utils.aot import aot_export_model

    dimensions = {
        "graph": torch.export.Dim.STATIC,
        "node": torch.export.Dim("num_nodes", min=2),
        "edge": torch.export.Dim("num_edges", min=2),
    }
    inputs, outputs = ASE_TARGET["input"], ASE_TARGET["output"]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.nequip.pt2")
        aot_export_model(model, "cpu", inputs, outputs, data, dimensions, path)
        compiled = torch._inductor.aoti_load_package(path)

    def run(batch: Data) -> Data:
        with torch.inference_mode():
            return dict(zip(outputs, compiled([batch[key] for key in inputs]), strict=True))

    return run


if __name__ == "__main__":
    serve(build)
