"""What a run is made of: frozen records, one for each section of a configuration."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from euclidium.models.config import LongRangeConfig, NequIPConfig, SpectrumConfig

DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


class Section(BaseModel):
    """A frozen record that refuses unknown keys, and truth values where numbers are meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, values: Any) -> Any:
        """YAML reads ``yes`` and ``on`` as true, and true would count as 1."""
        for name, value in values.items() if isinstance(values, Mapping) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and field.annotation is not bool:
                raise ValueError(f"{name} is not a yes-or-no setting, got {str(value).lower()}")
        return values


class DataSettings(Section):
    """Which structures to train on, and where their labels are."""

    train: str = Field(description="file of structures, or an embedded data set")
    validation: str | int | float = Field(
        0.1, description="fraction or number of structures kept for validation, or a file"
    )
    test: str | int | float = Field(
        0, description="fraction or number of structures kept for the test, or a file"
    )
    balance: Literal["none", "elements"] = Field(
        "none", description="none: split at random; elements: every element in every part"
    )
    index: str = Field(":", description="structures of the training file to use, e.g. ':500'")
    limit: int | None = Field(
        None,
        ge=1,
        description="learn from so few structures, drawn at random and repeated; null: from all",
    )
    energy_key: str | None = Field(None, description="name of the energy in the files, eV")
    forces_key: str | None = Field(None, description="name of the forces, eV/Å")
    stress_key: str | None = Field(None, description="name of the stress, eV/Å³, tension positive")
    inputs: dict[str, str] = Field(
        {}, description="names in the files of the inputs of the model, where they differ"
    )
    cache: str | None = Field(
        None, description="folder for preprocessed graphs, for data larger than memory"
    )
    workers: int = Field(0, ge=0, description="processes that prepare batches; 0: none beside")

    @field_validator("validation", "test")
    @classmethod
    def _a_part_or_a_file(cls, value: Any) -> Any:
        if isinstance(value, float) and not 0 <= value < 1:
            raise ValueError(f"a fraction lies between 0 and 1, got {value}")
        if isinstance(value, int) and value < 0:
            raise ValueError(f"a number of structures is not negative, got {value}")
        return value


class SpectrumDataSettings(DataSettings):
    """Which phonon spectra to train on."""

    train: str = Field(description="folder of phonon spectra, or 'phonons', the embedded set")
    without: tuple[str, ...] = Field(
        (), description="elements to leave out: crystals that have one become the test"
    )


class PotentialSettings(Section):
    """The model; what is ``auto`` is taken from the training data."""

    cutoff: float = Field(5.0, gt=0, description="cutoff radius, Å")
    network: NequIPConfig = Field(NequIPConfig(), description="the NequIP network")
    dtype: Literal["float32", "float64"] = Field(
        "float32", description="of the network; geometry and sums are always float64"
    )
    inputs: dict[str, str] = Field({}, description="extra atomic input features: name and irreps")
    species: Literal["auto"] | tuple[str, ...] = Field(
        "auto", description="elements the model knows"
    )
    reference_energies: Literal["auto", "none"] | dict[str, float] = Field(
        "auto", description="energy of each element, eV: by least squares, none, or a table"
    )
    scale: Literal["auto"] | float = Field(
        "auto",
        description="scale of the atomic energies, eV: so that the first forces are right",
    )
    mean_neighbors: Literal["auto"] | float = Field(
        "auto", description="mean number of neighbours, normalises the sums over them"
    )


class SpectrumSettings(Section):
    """The model of phonon spectra; what is ``auto`` is taken from the training data."""

    cutoff: float = Field(5.0, gt=0, description="cutoff radius, Å")
    network: NequIPConfig = Field(
        NequIPConfig(channels=64, modulation=True), description="the NequIP network"
    )
    elements: Literal["properties", "masses"] = Field(
        "properties", description="what describes an element: its properties, or its mass alone"
    )
    grid: tuple[tuple[float, float, float], ...] = Field(
        SpectrumConfig.model_fields["grid"].default,
        description="pieces of equal intervals of frequency: start, stop, width, cm⁻¹",
    )
    curve: Literal["modes", "maximum"] = Field(
        "modes", description="what the curve is scaled to: three modes an atom, or its maximum"
    )
    broadening: float = Field(
        6.0, ge=0, description="width of the Gaussians in the curves of the data, cm⁻¹"
    )
    peaks: Literal["auto"] | int = Field(
        "auto",
        description="Gaussians in the curve of a site that it places itself: auto is 32, and none "
        "in curves that are scaled to their maximum",
    )
    softest: bool = Field(
        True, description="learn the lowest frequency, too: it tells of stability"
    )
    lattice: float = Field(
        0.0, ge=0, le=1, description="share of the curve from force constants; 0: there are none"
    )
    hidden: int = Field(256, ge=1, description="width of the networks that read out")
    dropout: float = Field(0.2, ge=0, lt=1, description="dropout of the networks that read out")
    feature_dropout: float = Field(
        0.0, ge=0, lt=1, description="dropout of the features that are read out"
    )
    symmetry: float = Field(1e-3, gt=0, description="tolerance of the crystals' symmetry, Å")
    dtype: Literal["float32", "float64"] = Field("float32", description="of the network")
    mean_neighbors: Literal["auto"] | float = Field(
        "auto", description="mean number of neighbours, normalises the sums over them"
    )


class SpectrumLossSettings(Section):
    """The loss of spectra: a weight for each measure of the curve and of what follows from it."""

    modes: float = Field(1.0, ge=0, description="weight of the share of modes in wrong intervals")
    partial: float = Field(0.5, ge=0, description="weight of the same for each element")
    cumulative: float = Field(
        0.1, ge=0, description="weight of the Wasserstein distance, 1/cm⁻¹: how far modes are off"
    )
    curve_mse: float = Field(60.0, ge=0, description="weight of squares on the paper's 51 points")
    curve_mae: float = Field(15.0, ge=0, description="weight of absolute errors there")
    heat_capacity: float = Field(
        2.0, ge=0, description="weight of C_v at 300 K, 1/(J/(K mol)) for a mole of atoms"
    )
    last_peak: float = Field(0.1, ge=0, description="weight of the last peak's CRPS, 1/cm⁻¹")
    stability: float = Field(1.0, ge=0, description="weight of the cross-entropy of stability")
    lowest: float = Field(
        1.0, ge=0, description="weight of the lowest frequency, as arsinh(ω/20 cm⁻¹)"
    )
    lattice: float = Field(
        1.0, ge=0, description="weight of the curve of the force constants, by the measures above"
    )
    gamma: float = Field(
        3.0, ge=0, description="weight of their frequencies at Γ, in units of 20 cm⁻¹ + ω/20"
    )
    charges: float = Field(1.0, ge=0, description="weight of Born charges, e/√ε")


class DensityDataSettings(DataSettings):
    """Which electron densities to train on."""

    train: str | tuple[str, ...] = Field(  # type: ignore[assignment]
        description="a file (.npz), 'water', 'crystals', a part like 'water/large', or a list of "
        "these"
    )
    validation: str | tuple[str, ...] | int | float = Field(  # type: ignore[assignment]
        0.1, description="fraction or number kept for validation, or as train; crystals bring it"
    )
    test: str | tuple[str, ...] | int | float = Field(  # type: ignore[assignment]
        0, description="fraction or number kept for the test, or as train; embedded sets bring it"
    )
    largest: int | None = Field(
        None, ge=1, description="most atoms of a structure to train on; larger ones become the test"
    )

    @field_validator("train", "validation", "test")
    @classmethod
    def _each_once(cls, value: Any) -> Any:
        if isinstance(value, tuple):
            if not value:
                raise ValueError("a list of densities is not empty: name a file or an embedded set")
            twice = next((name for n, name in enumerate(value) if name in value[:n]), None)
            if twice is not None:
                raise ValueError(f"{twice} stands twice in a list of densities: name each once")
        return value


class DensitySettings(Section):
    """The model of electron densities; what is ``auto`` is taken from the training data."""

    cutoff: float = Field(5.0, gt=0, description="cutoff radius, Å")
    network: NequIPConfig = Field(NequIPConfig(edge_lmax=3), description="the NequIP network")
    long_range: LongRangeConfig | None = Field(
        None, description="charges whose field every atom feels; null: none beyond the cutoff"
    )
    head: int = Field(32, ge=1, description="channels of each irrep in the networks that read out")
    electrons: Literal["nuclei", "free"] = Field(
        "nuclei", description="how many electrons: as the nuclei and the charge say, or any number"
    )
    charge: bool = Field(False, description="the charge of the whole as an input of the network")
    dtype: Literal["float32", "float64"] = Field("float32", description="of the network")
    mean_neighbors: Literal["auto"] | float = Field(
        "auto", description="mean number of neighbours, normalises the sums over them"
    )


class DensityLossSettings(Section):
    """The loss of densities: how far two of them are apart in space, not in their coefficients."""

    average: Literal["structures", "electrons"] = Field(
        "structures", description="errors for an electron: the mean over structures, or over all"
    )
    real_space: float = Field(1.0, ge=0, description="weight of ∫|Δρ|/N, percent")
    coulomb: float = Field(
        10.0, ge=0, description="weight of the Coulomb self-energy of Δρ, meV/electron"
    )
    overlap: float = Field(0.0, ge=0, description="weight of ∫|Δρ|²/N, e/Å³")
    dipole: float = Field(
        2000.0, ge=0, description="weight of the square of the dipole's error / N, (e·Å)²"
    )
    points: int = Field(
        1500, ge=0, description="random points at which ∫|Δρ| is estimated; 0: not at all"
    )
    degrees: tuple[int, ...] | None = Field(
        None, description="learn these degrees l, the others are as in isolated atoms; null: all"
    )

    @model_validator(mode="after")
    def _points_where_they_are_needed(self) -> "DensityLossSettings":
        if self.real_space and not self.points:
            raise ValueError("loss.real_space needs loss.points: give some, or the weight 0")
        return self


class LossSettings(Section):
    """The loss; a label that the data lacks is left out unless its weight is given here."""

    kind: Literal["mse", "huber", "mae"] = Field("mse", description="penalty of an error")
    delta: float = Field(
        0.01, gt=0, description="where huber turns from a parabola to a line, eV, eV/Å, eV/Å³"
    )
    energy: float = Field(10.0, ge=0, description="weight of the energy per atom, eV")
    forces: float = Field(1.0, ge=0, description="weight of the force components, eV/Å")
    stress: float = Field(100.0, ge=0, description="weight of the stress components, eV/Å³")


class OptimizerSettings(Section):
    """The optimiser."""

    kind: Literal["adam", "adamw", "amsgrad"] = Field("amsgrad", description="the optimiser")
    learning_rate: float = Field(0.005, gt=0, description="learning rate, before its schedule")
    betas: tuple[float, float] = Field((0.9, 0.999), description="memory of the two moments")
    weight_decay: float = Field(0.0, ge=0, description="decay of the weights")


class ScheduleSettings(Section):
    """The learning rate in time."""

    kind: Literal["plateau", "cosine", "exponential", "constant"] = Field(
        "plateau", description="how the learning rate falls"
    )
    warmup: int = Field(0, ge=0, description="steps of linear rise at the start")
    patience: int = Field(10, ge=0, description="plateau: epochs without progress before a cut")
    factor: float = Field(0.5, gt=0, lt=1, description="plateau: the learning rate after a cut")
    decay: float = Field(0.99, gt=0, le=1, description="exponential: factor of each epoch")
    final: float = Field(
        0.001, ge=0, le=1, description="lowest learning rate, as a share of the first"
    )


class EarlyStoppingSettings(Section):
    """When to stop before the last epoch."""

    patience: int = Field(50, ge=1, description="epochs without progress before the end")
    min_delta: float = Field(0.0, ge=0, description="how much less the loss must be to count")


class CheckpointSettings(Section):
    """Checkpoints beside the one after every epoch, to lose less of a long epoch."""

    steps: int | None = Field(None, ge=1, description="also after so many steps")
    minutes: float | None = Field(None, ge=0, description="also after so many minutes")


class TrainingSettings(Section):
    """How long, how exactly, and on what to train."""

    epochs: int = Field(500, ge=1, description="most epochs")
    max_time: str | float | None = Field(
        None, description="most time, in seconds or like 1h30m; all resumed parts together"
    )
    batch_size: int = Field(5, ge=1, description="structures of a step, on each device")
    validation_batch_size: int | None = Field(
        None, ge=1, description="structures of a validation batch; null: as batch_size"
    )
    ema: float | None = Field(
        0.99, gt=0, lt=1, description="memory of the average of the weights; null: no average"
    )
    clip: float | None = Field(
        10.0, gt=0, description="largest norm of the gradient; null: no limit"
    )
    early_stopping: EarlyStoppingSettings | None = Field(
        EarlyStoppingSettings(), description="stop without progress; null: never"
    )
    precision: Literal["full", "bf16-mixed"] = Field(
        "full", description="full: as model.dtype; bf16-mixed: products of matrices in bfloat16"
    )
    checkpoint: CheckpointSettings = Field(
        CheckpointSettings(), description="checkpoints within an epoch"
    )
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = Field(
        "auto", description="kind of device"
    )
    devices: int | Literal["auto"] = Field(1, description="number of devices of a node")
    num_nodes: int = Field(1, ge=1, description="number of nodes")
    strategy: str = Field("auto", description="how to use several devices, e.g. ddp")

    @field_validator("max_time")
    @classmethod
    def _a_duration(cls, value: str | float | None) -> float | None:
        return None if value is None else seconds(value)


class WandbSettings(Section):
    """Logging to Weights & Biases."""

    project: str = Field("euclidium", description="name of the project")
    name: str | None = Field(None, description="name of the run; null: as the output folder")
    mode: Literal["online", "offline"] = Field("online", description="send now, or keep to send")


class LoggingSettings(Section):
    """Logs beside metrics.csv, which is always written."""

    tensorboard: bool = Field(True, description="write TensorBoard events")
    wandb: WandbSettings | None = Field(None, description="Weights & Biases: {project: name}")


class RunConfig(Section):
    """What every run has, whatever it learns; each task adds its model and its loss.

    Only ``data``, ``task`` and ``output`` are needed. ``data`` may be one file, which is
    then split. Raises ``pydantic.ValidationError`` for a wrong key or value; ``load_config`` makes
    a sentence of it.

    >>> RunConfig(data="train.xyz", task="potential", output="run").data.train
    'train.xyz'
    """

    data: DataSettings = Field(description="the structures: a file, or the keys below")
    task: str = Field(description="what to learn")
    output: str = Field(description="folder for everything that the run writes")
    seed: int = Field(0, ge=0, description="of the weights, the split and the order of batches")
    model: Section = Field(Section(), description="the model")
    loss: Section = Field(Section(), description="the loss")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="the optimiser")
    schedule: ScheduleSettings = Field(ScheduleSettings(), description="the learning rate in time")
    training: TrainingSettings = Field(TrainingSettings(), description="the run")
    logging: LoggingSettings = Field(LoggingSettings(), description="logs")

    @model_validator(mode="before")
    @classmethod
    def _a_file_is_data(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("data"), str):
            return {**values, "data": {"train": values["data"]}}
        return values


class TrainConfig(RunConfig):
    """A run that learns a potential.

    >>> config = TrainConfig(data="train.xyz", task="potential", output="run")
    >>> config.data.train, config.training.batch_size
    ('train.xyz', 5)
    """

    task: Literal["potential"] = Field(description="what to learn")
    model: PotentialSettings = Field(PotentialSettings(), description="the model")
    loss: LossSettings = Field(LossSettings(), description="the loss")

    @model_validator(mode="after")
    def _one_precision(self) -> "TrainConfig":
        if self.training.precision == "bf16-mixed" and self.model.dtype != "float32":
            raise ValueError("training.precision bf16-mixed needs model.dtype float32")
        return self


class SpectrumOptimizerSettings(OptimizerSettings):
    """The optimiser of spectra: with decay, as the networks learn the data by heart without."""

    kind: Literal["adam", "adamw", "amsgrad"] = Field("adamw", description="the optimiser")
    learning_rate: float = Field(0.002, gt=0, description="learning rate, before its schedule")
    weight_decay: float = Field(0.05, ge=0, description="decay of the weights")


class SpectrumScheduleSettings(ScheduleSettings):
    """The learning rate of spectra in time: it falls to nearly nothing, whatever the loss does."""

    kind: Literal["plateau", "cosine", "exponential", "constant"] = Field(
        "cosine", description="how the learning rate falls"
    )
    warmup: int = Field(200, ge=0, description="steps of linear rise at the start")
    final: float = Field(
        0.01, ge=0, le=1, description="lowest learning rate, as a share of the first"
    )


class SpectrumTrainingSettings(TrainingSettings):
    """How long, how exactly, and on what to train spectra."""

    epochs: int = Field(24, ge=1, description="most epochs")
    batch_size: int = Field(16, ge=1, description="structures of a step, on each device")
    validation_batch_size: int | None = Field(
        64, ge=1, description="structures of a validation batch; null: as batch_size"
    )
    ema: float | None = Field(
        0.998, gt=0, lt=1, description="memory of the average of the weights; null: no average"
    )
    clip: float | None = Field(
        5.0, gt=0, description="largest norm of the gradient; null: no limit"
    )
    early_stopping: EarlyStoppingSettings | None = Field(
        None, description="stop without progress; null: never"
    )


class SpectrumTrainConfig(RunConfig):
    """A run that learns phonon spectra; the data are a folder of them.

    >>> config = SpectrumTrainConfig(data="phonons", task="spectrum", output="run")
    >>> config.training.epochs, config.optimizer.weight_decay
    (24, 0.05)
    """

    data: SpectrumDataSettings = Field(description="the spectra: a folder, or the keys below")
    task: Literal["spectrum"] = Field(description="what to learn")
    model: SpectrumSettings = Field(SpectrumSettings(), description="the model")
    loss: SpectrumLossSettings = Field(SpectrumLossSettings(), description="the loss")
    optimizer: SpectrumOptimizerSettings = Field(
        SpectrumOptimizerSettings(), description="the optimiser"
    )
    schedule: SpectrumScheduleSettings = Field(
        SpectrumScheduleSettings(), description="the learning rate in time"
    )
    training: SpectrumTrainingSettings = Field(SpectrumTrainingSettings(), description="the run")


class DensityOptimizerSettings(OptimizerSettings):
    """The optimiser of densities."""

    kind: Literal["adam", "adamw", "amsgrad"] = Field("adamw", description="the optimiser")
    weight_decay: float = Field(1e-4, ge=0, description="decay of the weights")


class DensityTrainingSettings(SpectrumTrainingSettings):
    """How long, how exactly, and on what to train densities."""

    epochs: int = Field(200, ge=1, description="most epochs")
    batch_size: int = Field(8, ge=1, description="structures of a step, on each device")
    ema: float | None = Field(
        0.99, gt=0, lt=1, description="memory of the average of the weights; null: no average"
    )


class DensityTrainConfig(RunConfig):
    """A run that learns electron densities; the data are a file of them.

    >>> config = DensityTrainConfig(data="water", task="density", output="run")
    >>> config.training.epochs, config.loss.real_space
    (200, 1.0)
    """

    data: DensityDataSettings = Field(description="the densities: a file, or the keys below")
    task: Literal["density"] = Field(description="what to learn")
    model: DensitySettings = Field(DensitySettings(), description="the model")
    loss: DensityLossSettings = Field(DensityLossSettings(), description="the loss")
    optimizer: DensityOptimizerSettings = Field(
        DensityOptimizerSettings(), description="the optimiser"
    )
    schedule: SpectrumScheduleSettings = Field(
        SpectrumScheduleSettings(warmup=100), description="the learning rate in time"
    )
    training: DensityTrainingSettings = Field(DensityTrainingSettings(), description="the run")


def seconds(duration: str | float) -> float:
    """Seconds of a duration: a number, or hours, minutes and seconds like ``1h30m``.

    Raises ``ValueError`` for anything else.

    >>> seconds("1h30m"), seconds("45s"), seconds(2.5)
    (5400.0, 45.0, 2.5)
    """
    if isinstance(duration, str):
        match = DURATION.fullmatch(duration.strip())
        if not match or not any(match.groups()):
            raise ValueError(f"a time is written in seconds or like 1h30m, got {duration!r}")
        hours, minutes, rest = (float(part or 0) for part in match.groups())
        duration = 3600 * hours + 60 * minutes + rest
    if not duration > 0:
        raise ValueError(f"a time is positive, got {duration}")
    return float(duration)
