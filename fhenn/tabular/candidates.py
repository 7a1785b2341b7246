"""Models of the features of a table: a linear one, a perceptron."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError
from fhenn.interop import ImportedModel, Preparation, Reading
from fhenn.nn import Activation, Square
from fhenn.tabular.folds import Places
from fhenn.tabular.network import Progress, fit_network

Floats = NDArray[np.float64]
Name = Literal["linear", "perceptron"]
Task = Literal["classification", "regression"]

HIDDEN = (16,)
"""Units of a perceptron's hidden layers where nobody says."""


@dataclass(frozen=True, eq=False)
class Data:
    """What is learnt from.

    x: (samples, features), finite.
    y: (samples,): places of classes, or the numbers to predict.
    task: which of both.
    classes: the labels; none for numbers.
    names: of the features.
    """

    x: Floats
    y: NDArray[Any]
    task: Task
    classes: NDArray[Any]
    names: tuple[str, ...] | None

    @property
    def reading(self) -> Reading:
        """What the scores of a model of these data mean."""
        if self.task == "regression":
            return Reading.regression(self.names)
        return Reading.classification(self.classes, "sigmoid" if len(self.classes) == 2 else "softmax", self.names)

    def labels(self, rows: Places) -> NDArray[Any]:
        """What a model should predict of some samples."""
        found: NDArray[Any] = self.y[rows] if self.task == "regression" else self.classes[self.y[rows]]
        return found


class Fitted(Protocol):
    """A model that can be tested."""

    def score(self, X: Any, y: Any, /) -> float:  # noqa: N803  (as scikit-learn has it)
        """Accuracy, or R²."""


class Candidate(ABC):
    """A kind of model that can be fitted.

    name: of the kind.
    """

    name: Name

    @abstractmethod
    def fit(self, data: Data, rows: Places | None, seed: int, *, progress: Progress) -> Fitted:
        """Fit one.

        data: to learn from.
        rows: of these; None for all.
        seed: of whatever is random.
        progress: called with (done, total).
        """

    def model(self, fitted: Fitted, data: Data, preparation: Preparation | None) -> ImportedModel:
        """One that was fitted, with what makes the features of raw tables before it; None where these are raw."""
        assert isinstance(fitted, ImportedModel)  # noqa: S101  (for the type checker)
        return fitted if preparation is None else ImportedModel(fitted.nodes, fitted.reading, preparation=preparation)


@dataclass(frozen=True)
class Network(Candidate):
    """A linear model, or a perceptron: `fit_network`.

    name: of the kind.
    hidden: units of each hidden layer.
    activation: of these.
    epochs: passes over the samples.
    """

    name: Name = "linear"
    hidden: tuple[int, ...] = ()
    activation: Activation | None = None
    epochs: int = 100

    def fit(self, data: Data, rows: Places | None, seed: int, *, progress: Progress) -> Fitted:
        """Fit one, as `Candidate.fit` says."""
        outputs = 1 if data.task == "regression" or len(data.classes) == 2 else len(data.classes)
        nodes = fit_network(
            data.x,
            data.y,
            outputs,
            self.hidden,
            self.activation or Square(),
            rows=rows,
            task=data.task,
            epochs=self.epochs,
            seed=seed,
            progress=progress,
        )
        return ImportedModel(nodes, data.reading)


def candidates_of(
    model: Name | Literal["auto"],
    hidden: Sequence[int] = (),
    activation: Activation | None = None,
    epochs: int = 100,
) -> tuple[Candidate, ...]:
    """The kinds of models to choose from, the simplest first.

    model: one kind, or "auto" for all of them.
    hidden: units of the hidden layers of a perceptron; by default 16.
    activation: of these.
    epochs: passes over the samples.
    Raises ParameterError where hidden layers are given to a model without.

    >>> [candidate.name for candidate in candidates_of("linear")]
    ['linear']
    """
    if hidden and model not in ("auto", "perceptron"):
        raise ParameterError(
            f"a model of kind {model!r} has no hidden layers.",
            "Give --hidden with --model perceptron alone.",
        )
    makers: dict[Name, Callable[[], Candidate]] = {
        "linear": lambda: Network("linear", epochs=epochs),
        "perceptron": lambda: Network("perceptron", tuple(hidden) or HIDDEN, activation, epochs),
    }
    if model != "auto":
        return (makers[model](),)
    return tuple(make() for make in makers.values())
