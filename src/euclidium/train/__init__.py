"""Training: from a configuration to a model in a file, for any task."""

from euclidium.train.config import ConfigError as ConfigError
from euclidium.train.config import load_config as load_config
from euclidium.train.config import render_config as render_config
from euclidium.train.config import render_defaults as render_defaults
from euclidium.train.finetune import Finetuned as Finetuned
from euclidium.train.finetune import FinetuneSettings as FinetuneSettings
from euclidium.train.finetune import finetune as finetune
from euclidium.train.folder import RunError as RunError
from euclidium.train.force_constants import VibrationErrors as VibrationErrors
from euclidium.train.force_constants import Vibrations as Vibrations
from euclidium.train.force_constants import vibration_errors as vibration_errors
from euclidium.train.loss import Term as Term
from euclidium.train.loss import energy_term as energy_term
from euclidium.train.loss import forces_term as forces_term
from euclidium.train.loss import penalty as penalty
from euclidium.train.loss import stress_term as stress_term
from euclidium.train.loss import total_loss as total_loss
from euclidium.train.metrics import Errors as Errors
from euclidium.train.metrics import Metrics as Metrics
from euclidium.train.metrics import Quantity as Quantity
from euclidium.train.metrics import Row as Row
from euclidium.train.potential import PotentialTask as PotentialTask
from euclidium.train.potential import evaluate as evaluate
from euclidium.train.result import Result as Result
from euclidium.train.run import read_data as read_data
from euclidium.train.run import train as train
from euclidium.train.settings import RunConfig as RunConfig
from euclidium.train.settings import SpectrumTrainConfig as SpectrumTrainConfig
from euclidium.train.settings import TrainConfig as TrainConfig
from euclidium.train.spectrum import SpectrumTask as SpectrumTask
from euclidium.train.spectrum import spectrum_graph as spectrum_graph
from euclidium.train.state import Progress as Progress
from euclidium.train.task import Task as Task
from euclidium.train.trees import grow_trees as grow_trees

__all__ = [
    "ConfigError",
    "Errors",
    "FinetuneSettings",
    "Finetuned",
    "Metrics",
    "PotentialTask",
    "Progress",
    "Quantity",
    "Result",
    "Row",
    "RunConfig",
    "RunError",
    "SpectrumTask",
    "SpectrumTrainConfig",
    "Task",
    "Term",
    "TrainConfig",
    "VibrationErrors",
    "Vibrations",
    "energy_term",
    "evaluate",
    "finetune",
    "forces_term",
    "grow_trees",
    "load_config",
    "penalty",
    "read_data",
    "render_config",
    "render_defaults",
    "spectrum_graph",
    "stress_term",
    "total_loss",
    "train",
    "vibration_errors",
]
