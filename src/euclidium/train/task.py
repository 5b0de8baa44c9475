"""What a task supplies to the engine: a model, a loss and measures of error."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from torch import nn

from euclidium.atoms.graph import Graph
from euclidium.train.loss import Term
from euclidium.train.metrics import Errors

Model = TypeVar("Model", bound=nn.Module)
Prediction = TypeVar("Prediction")


class Task(ABC, Generic[Model, Prediction]):
    """One thing that can be learned. The engine knows no more of it than this."""

    @property
    @abstractmethod
    def description(self) -> Mapping[str, Any]:
        """What the model is built of, as plain values: a resumed run builds it again of them."""

    @abstractmethod
    def build(self) -> Model:
        """A new model, its weights drawn from torch's generator."""

    @abstractmethod
    def predict(self, model: Model, graph: Graph) -> Prediction:
        """What the model says about a batch; differentiable if the model is in training mode."""

    @abstractmethod
    def loss(self, prediction: Prediction, graph: Graph) -> Mapping[str, Term]:
        """The terms of the loss, by name."""

    @abstractmethod
    def errors(self) -> Errors:
        """Empty sums of errors."""

    @abstractmethod
    def measure(self, errors: Errors, prediction: Prediction, graph: Graph) -> None:
        """Add the errors of a batch to the sums."""

    @abstractmethod
    def save(
        self,
        model: Model,
        path: str | os.PathLike[str],
        metrics: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        """Write the model to one file."""
