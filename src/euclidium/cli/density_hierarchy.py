"""``euclidium density hierarchy``: what each degree of features and outputs is good for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euclidium.cli.files import replacing
from euclidium.cli.hierarchy_page import finish
from euclidium.cli.progress import bar, note
from euclidium.cli.report import Report, to_json

if TYPE_CHECKING:
    from euclidium.analyze.hierarchy import Cell, CellResult
    from euclidium.train.module import Training
    from euclidium.train.parts import Parts
    from euclidium.train.settings import RunConfig

RESULT, DYNAMICS, ISOLATED = "hierarchy.json", "dynamics.json", "isolated.json"
TEST = "test"  # key of how many test structures were asked for, in the first and the last
PROBE = 12  # validation structures on which the training is watched
RATIO = 1.35  # of the steps after which it is measured
PRIMARY = {"density": "epsilon", "potential": "forces"}

Numbers = Annotated[str, typer.Option(metavar="N,N,…")]


def hierarchy(
    config: Annotated[
        Path, typer.Argument(help="A training configuration, a YAML file.", metavar="CONFIG")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Settings to change, such as training.epochs=20.", metavar="KEY=VALUE"),
    ] = None,
    degrees: Annotated[
        str, typer.Option(metavar="L,L,…", help="Largest degrees of the hidden features.")
    ] = "0,1,2,3",
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…", help="Structures to learn from; by default 1/8, 1/4, 1/2 and all."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind.")] = 2,
    matched: Annotated[
        bool,
        typer.Option(
            "--matched/--fixed", help="Also networks with as many parameters as the largest."
        ),
    ] = True,
    outputs: Annotated[
        str | None,
        typer.Option(metavar="L,L,…", help="Degrees of the density to learn alone, as well."),
    ] = None,
    test: Annotated[
        int, typer.Option(min=1, help="Most test structures, taken at equal distances.")
    ] = 64,
) -> Report:
    """Study what each degree l of the features and of the output is good for.

    Trains one network after another, over hidden degrees, sizes of the training set and seeds,
    each into a folder of its own below the configuration's output, and writes a page about all of
    them: learning curves and their slopes, errors by degree of the output, features and gradients
    through training, what is lost without a degree, and the weights of the paths. Run it again to
    go on after an interruption: what is finished is not done again.

    Example: [bold]euclidium density hierarchy hierarchy.yaml --outputs 0,1,2[/bold]
    """
    from euclidium.train.config import load_config

    settings = load_config(config, overrides or [])
    if settings.task not in PRIMARY:
        raise ValueError(
            f"{config} learns a {settings.task}: the study is about density and potential"
        )
    study = Study(settings, test)
    chosen = _integers("--sizes", sizes) if sizes else study.fractions()
    alone = [(l,) for l in _integers("--outputs", outputs)] if outputs else []
    cells = study.cells(_integers("--degrees", degrees), chosen, list(range(seeds)), matched, alone)
    results = []
    with bar("training", total=len(cells)) as shown:
        for n, cell in enumerate(cells, 1):
            shown.set(n - 1, f"training {n} of {len(cells)}: {cell.name}")
            results.append(study.result(cell))
            note(f"{n} of {len(cells)}, {cell.name}: {results[-1].mean:.4g} {results[-1].unit}")
    return finish(results, study.output, study.isolated())


class Study:
    """Trainings below one folder, which differ from one configuration in few settings."""

    def __init__(self, config: "RunConfig", test: int) -> None:
        self.config, self.test = config, test
        self.output = Path(config.output)
        self._parts: tuple[int, Parts] | None = None

    def parts(self, seed: int) -> "Parts":
        """The data of a seed, the last one kept."""
        from dataclasses import replace

        from euclidium.train.parts import Part
        from euclidium.train.run import read_data

        if self._parts is None or self._parts[0] != seed:
            self._parts = None  # so that not both are in memory
            whole = read_data(self.config.model_copy(update={"seed": seed}))
            kept = whole.test if len(whole.test) else whole.validation
            step = max(1, -(-len(kept) // self.test))
            some = Part(kept.graphs, list(kept.indices)[::step])
            self._parts = (seed, replace(whole, test=some))
        return self._parts[1]

    def fractions(self) -> list[int]:
        """An eighth of the structures, a quarter, half of them, and all."""
        n = len(self.parts(0).train)
        return sorted({max(1, n // 8), max(1, n // 4), max(1, n // 2), n})

    def cells(
        self,
        lmax: list[int],
        sizes: list[int],
        seeds: list[int],
        matched: bool,
        outputs: Sequence[tuple[int, ...]],
    ) -> "list[Cell]":
        """The trainings; the reference is the network of the largest hidden degree."""
        from functools import cache

        from euclidium.analyze.hierarchy import grid
        from euclidium.analyze.learning_curves import matched_channels

        channels = self.network.channels
        if outputs and self.config.task != "density":
            raise ValueError("--outputs are degrees of a density: leave it out for a potential")

        @cache
        def as_many(l: int) -> int:
            wanted = self.parameters(max(lmax), channels)
            return matched_channels(lambda n: self.parameters(l, n), wanted)

        reference = (max(lmax), channels)
        return grid(lmax, sizes, seeds, reference, as_many if matched else None, outputs)

    @property
    def network(self) -> Any:
        """The settings of the network."""
        return self.config.model.network  # type: ignore[attr-defined]

    def parameters(self, lmax: int, channels: int) -> int:
        """How many parameters a model has."""
        from euclidium.models.density import DensityModel
        from euclidium.models.potential import Potential
        from euclidium.train.density import density_config
        from euclidium.train.density_parts import DensityParts
        from euclidium.train.potential import potential_config

        parts = self.parts(0)
        settings: Any = self._model(lmax, channels)
        model: Any
        if isinstance(parts, DensityParts):
            some = [parts.train[0]]
            model = DensityModel(density_config(settings, parts.basis, parts.spin, some), False)
        else:
            model = Potential(potential_config(settings, parts, 0), False)
        return sum(p.numel() for p in model.parameters())

    def _model(self, lmax: int, channels: int) -> Any:
        """The settings of a model; the harmonics of edges stay what they are."""
        changed = {"lmax": lmax, "channels": channels, "edge_lmax": self.network.harmonics}
        network = self.network.model_copy(update=changed)
        return self.config.model.model_copy(update={"network": network})

    def settings(self, cell: "Cell") -> "RunConfig":
        """The configuration of one training."""
        update: dict[str, Any] = {
            "model": self._model(cell.lmax, cell.channels),
            "data": self.config.data.model_copy(update={"limit": cell.size}),
            "seed": cell.seed,
            "output": str(self.output / cell.name),
        }
        if cell.degrees is not None:
            update["loss"] = self.config.loss.model_copy(update={"degrees": cell.degrees})
        return self.config.model_copy(update=update)

    def result(self, cell: "Cell") -> "CellResult":
        """Train, or go on with it, and measure; or read what was measured before.

        Raises ``RunError`` for a training that was made with other settings.
        """
        from dataclasses import replace

        from euclidium.analyze.hierarchy import CellResult
        from euclidium.train.folder import CHECKPOINT, CONFIG, METRICS, run_in, same_config
        from euclidium.train.run import train

        folder, settings = self.output / cell.name, self.settings(cell)
        path = folder / RESULT
        if path.is_file():
            same_config(folder, run_in(folder), settings)
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop(TEST, self.test) == self.test:
                return replace(CellResult.from_dict(values), cell=cell)
        parts = self.parts(cell.seed)
        watcher = Watcher(folder, parts, settings.training.epochs)
        resume = (folder / CHECKPOINT).is_file()
        if not (folder / METRICS).is_file():
            again = not resume and (folder / CONFIG).is_file()
            train(settings, resume, again, watch=watcher, parts=parts)
        found = measured(cell, settings, parts, watcher.rows())
        with replacing(path) as temporary:
            temporary.write_text(to_json(found.as_dict() | {TEST: self.test}), encoding="utf-8")
        return found

    def isolated(self) -> dict[str, Any] | None:
        """The errors of isolated atoms on the test structures; None for a potential."""
        from euclidium.analyze.degrees import atoms_errors
        from euclidium.train.density_parts import DensityParts

        path = self.output / ISOLATED
        if self.config.task != "density":
            return None
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if not known or known.get(TEST, self.test) != self.test:
            parts = self.parts(0)
            assert isinstance(parts, DensityParts)
            errors = atoms_errors(parts.basis, parts.test)
            known = {
                "total": errors.mean,
                "by_degree": errors.by_degree.tolist(),
                "coefficients": errors.coefficients.tolist(),
                TEST: self.test,
            }
            with replacing(path) as temporary:
                temporary.write_text(to_json(known), encoding="utf-8")
        return known


class Watcher:
    """Measures features, gradients and errors of a network while it is trained."""

    def __init__(self, folder: Path, parts: "Parts", epochs: int) -> None:
        from euclidium.atoms.graph import collate

        self.path, self.epochs = folder / DYNAMICS, epochs
        source = parts.validation if len(parts.validation) else parts.train
        self.graphs = [source[n] for n in range(min(PROBE, len(source)))]
        self.batch = collate(self.graphs)

    def rows(self) -> list[dict[str, Any]]:
        """What was measured, by step."""
        if not self.path.is_file():
            return []
        return json.loads(self.path.read_text(encoding="utf-8"))

    def __call__(self, training: "Training") -> None:
        """Measure where it is due: at the start, after ever more steps, and at the end."""
        from euclidium.analyze.degrees import degree_errors, layer_sizes
        from euclidium.models.density import DensityModel
        from euclidium.train.loss import total_loss

        step, last = training.state.step, training.batches * self.epochs
        if not is_due(step, last):
            return
        model, values, batch = training.model, [], self.batch.to(training.device)

        def loss() -> Any:
            prediction = training.task.predict(model, batch)
            values.append(total_loss(training.task.loss(prediction, batch)))
            return values[0]

        layers = layer_sizes(model, loss)
        row: dict[str, Any] = {
            "step": step,
            "loss": float(values[0].detach()),
            "features": [layer.features for layer in layers],
            "gradients": [layer.gradients for layer in layers],
        }
        if isinstance(model, DensityModel):
            errors = degree_errors(model, self.graphs)
            row |= {"epsilon": errors.mean, "by_degree": errors.by_degree.tolist()}
        kept = [own for own in self.rows() if own["step"] < step]
        with replacing(self.path) as temporary:
            temporary.write_text(to_json([*kept, row]), encoding="utf-8")


def is_due(step: int, last: int) -> bool:
    """Whether to measure after a step.

    >>> [step for step in range(40) if is_due(step, 40)]
    [0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30]
    """
    due = 0
    while due < step:
        due = max(due + 1, round(due * RATIO))
    return due == step or step == last


def measured(
    cell: "Cell", config: "RunConfig", parts: "Parts", dynamics: list[dict[str, Any]]
) -> "CellResult":
    """The errors of a finished training on the test structures, whole and without each degree."""
    import torch

    from euclidium.analyze.degrees import path_sizes, without_degree
    from euclidium.analyze.hierarchy import CellResult
    from euclidium.models.storage import load
    from euclidium.train.folder import MODEL

    model = load(Path(config.output) / MODEL)
    graphs = [parts.test[n] for n in range(len(parts.test))]
    errors = _errors(model, config, parts)
    knocked = {}
    for l in range(cell.lmax + 1):
        with without_degree(model, l):
            found = _errors(model, config, parts)
        knocked[str(l)] = {
            "total": sum(found["errors"]) / len(found["errors"]),
            "by_degree": found["by_degree"],
        }
    distances = torch.cat([graph.edge_vectors().norm(dim=1) for graph in graphs[:PROBE]])
    paths = path_sizes(model, distances)
    return CellResult(
        cell=cell,
        parameters=sum(p.numel() for p in model.parameters()),
        quantity=PRIMARY[config.task],
        unit={"density": "% of electrons", "potential": "meV/Å"}[config.task],
        **errors,
        knocked=knocked,
        paths=[{" ".join(map(str, key)): size for key, size in own.items()} for own in paths],
        dynamics=dynamics,
    )


def _errors(model: Any, config: "RunConfig", parts: "Parts") -> dict[str, Any]:
    """Errors on the test structures."""
    from euclidium.analyze.degrees import degree_errors
    from euclidium.models.density import DensityModel
    from euclidium.train.engine import measure
    from euclidium.train.potential import PotentialTask

    if isinstance(model, DensityModel):
        found = degree_errors(model, parts.test)
        return {
            "errors": found.epsilon.tolist(),
            "by_degree": found.by_degree.tolist(),
            "coefficients": found.coefficients.tolist(),
        }
    loss: Any = config.loss
    metrics = measure(PotentialTask(model.config, loss), model, parts.test)
    return {"errors": [metrics[PRIMARY["potential"]].mae], "by_degree": [], "coefficients": []}


def _integers(option: str, text: str) -> list[int]:
    """Numbers between commas, sorted, each once."""
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = [-1]
    if found[0] < 0:
        raise ValueError(f"{option} are numbers between commas, such as 0,1,2, got {text!r}")
    return found
