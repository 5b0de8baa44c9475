"""``euclidium finetune``: a potential learns from phonons that others have computed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.files import check_new
from euclidium.cli.model import find_device, find_model
from euclidium.cli.options import Device, DeviceOption, Force, Model
from euclidium.cli.progress import bar
from euclidium.cli.report import Report, table
from euclidium.cli.structures import open_data

if TYPE_CHECKING:
    from euclidium.atoms.structure import Structure
    from euclidium.simulate.reference import ReferencePhonons
    from euclidium.train.finetune import Finetuned
    from euclidium.train.force_constants import Vibrations

References = Annotated[
    list[str],
    typer.Argument(
        help="Phonons to learn from: files or folders of phonopy, an .npz that euclidium phonons "
        "wrote, densities of states that euclidium data reads, or silicon.",
        metavar="PHONONS...",
    ),
]


def finetune(
    model: Model,
    phonons: References,
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Structures with energies and forces to go on learning from: a file, or an "
            "embedded set such as silicon:train."
        ),
    ] = None,
    validation: Annotated[
        list[str] | None, typer.Option(help="Phonons that choose the best weights; repeatable.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimiser.", min=1)] = 300,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 3e-4,
    directions: Annotated[
        int, typer.Option(help="Columns of the force constants in a step.", min=1)
    ] = 6,
    length: Annotated[
        float, typer.Option(help="Least width of supercells for densities of states, Å.")
    ] = 8.0,
    seed: Annotated[int, typer.Option(help="Seed of random choices.")] = 0,
    force: Force = False,
    device: DeviceOption = Device.auto,
) -> Report:
    """Train a potential further, on force constants or spectra of phonons.

    Without [bold]--data[/bold] it may forget what is far from the crystals it now learns from.

    Example: [bold]euclidium finetune si.euclidium si/phonopy_params.yaml -o better.euclidium[/bold]
    """
    path = find_model(model)
    check_new(output, force)

    from euclidium.models.storage import load
    from euclidium.train.finetune import FinetuneSettings
    from euclidium.train.finetune import finetune as train

    potential = load(path, find_device(device))
    if not hasattr(potential, "atomic_energies"):
        raise ValueError(f"{path} is no potential: only potentials have force constants")
    known = [one for name in phonons for one in read_vibrations(name, length)]
    judges = [one for name in validation or () for one in read_vibrations(name, length)]
    structures: list[Structure] = list(open_data(data)) if data else []
    settings = FinetuneSettings(
        steps=steps, learning_rate=learning_rate, directions=directions, seed=seed
    )
    with bar("fine-tuning", steps) as shown:
        found = train(
            potential,
            known,
            structures,
            settings,
            validation=judges,
            observe=lambda n, total, loss: shown.set(n, f"step {n} of {total}, loss {loss:.3g}"),
        )
    _save(found, path, output, phonons, settings)
    return _report(found, {"model": path, "phonons": phonons, "output": output, "steps": steps})


def read_vibrations(name: str, length: float = 8.0) -> "list[Vibrations]":
    """The vibrations that a name stands for: a file, a folder, or an embedded data set.

    Raises ``DataError`` for what cannot be read.

    >>> [(one.name, one.structure.n_atoms, len(one.q)) for one in read_vibrations("silicon")]
    [('silicon', 128, 64)]
    """
    from euclidium.atoms.embedded import embedded_names
    from euclidium.atoms.problem import DataError
    from euclidium.atoms.spectra import is_phonopy, read_phonons
    from euclidium.simulate.reference import read_force_constants, reference_mesh
    from euclidium.train.force_constants import Vibrations

    path = Path(name)
    if not path.exists() and name in embedded_names():
        return [_embedded(name)]
    if path.exists() and (path.suffix == ".npz" or is_phonopy(path)):
        return [_vibrations(read_force_constants(path))]
    found = []
    for record in read_phonons(path):
        if not record.structure.pbc.all():
            raise DataError(f"{record.name} of {name} is no crystal")
        cell = reference_mesh(record.structure.to_ase(), length, name=record.name)
        known = _vibrations(cell, dos=record.dos)
        assert isinstance(known, Vibrations)
        found.append(known)
    return found


def _vibrations(reference: "ReferencePhonons", **more: Any) -> "Vibrations":
    """A reference as something to learn from."""
    from euclidium.train.force_constants import Vibrations

    return Vibrations(
        reference.structure,
        reference.cell_atoms,
        reference.primitive,
        reference.force_constants,
        reference.q,
        weights=reference.weights,
        masses=reference.masses,
        name=reference.name,
        **more,
    )


def _embedded(name: str) -> "Vibrations":
    """Frequencies on the grid of an embedded data set, in the supercell that holds its waves.

    Raises ``DataError`` for a set without phonons.
    """
    import numpy as np

    from euclidium.atoms.embedded import embedded_file
    from euclidium.atoms.problem import DataError
    from euclidium.atoms.structure import Structure
    from euclidium.train.force_constants import Vibrations

    if not embedded_file(name, "train.extxyz.xz").with_name("phonons.npz").exists():
        raise DataError(f"the data set {name} has no phonons")
    held = np.load(embedded_file(name, "phonons.npz"))
    cell = Structure(
        held["numbers"].astype(np.int64), held["positions"], held["cell"], np.ones(3, dtype=bool)
    )
    times = round(len(held["grid_q"]) ** (1 / 3))
    supercell = Structure.from_ase(cell.to_ase().repeat(times), keys=None)
    return Vibrations(
        supercell,
        np.arange(cell.n_atoms),
        cell.cell,
        q=held["grid_q"],
        frequencies=held["grid_frequencies"],
        masses=held["masses"],
        name=name,
    )


def _save(found: "Finetuned", path: Path, output: Path, phonons: list[str], settings: Any) -> None:
    """Write the model, with what was done to it in its header."""
    from dataclasses import asdict

    from euclidium.models.storage import describe, save

    header = describe(path)
    done = {
        "phonons": [Path(name).name for name in phonons],
        "settings": asdict(settings),
        "best_step": found.best_step,
        "before": asdict(found.before),
        "after": asdict(found.after),
    }
    done = {key: _finite(value) for key, value in done.items()}
    save(found.model, output, provenance={**header["provenance"], "finetuned": done})


def _finite(value: Any) -> Any:
    """The value, with None in place of numbers that are none."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value


def _report(found: "Finetuned", files: dict[str, Any]) -> Report:
    """Errors before and after."""
    units = {"force_constants": "eV/Å²", "frequencies": "THz", "forces": "eV/Å"}
    names = {"force_constants": "force constants", "frequencies": "frequencies", "forces": "forces"}
    rows = [
        (names[key], getattr(found.before, key), getattr(found.after, key), unit)
        for key, unit in units.items()
    ]
    document = {
        **files,
        "before": found.before,
        "after": found.after,
        "best_step": found.best_step,
        "losses": found.losses,
    }
    title = "Root mean square errors"
    warning = () if found.best_step else ("nothing became better: the weights are the first ones",)
    made = table(title, ("", "before", "after", "unit"), rows)
    return Report(document, (made, *warning, f"model: {files['output']}"))
