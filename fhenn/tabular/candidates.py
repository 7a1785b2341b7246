"""Models of the features of a table: a linear one, a perceptron, boosted trees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ExtraMissing, ParameterError, UnsupportedModel
from fhenn.interop import ImportedModel, Preparation, Reading
from fhenn.interop.preparation import Select, Step, Thermometer
from fhenn.nn import Activation, Affine, Dense, Operator, Sparse, Square
from fhenn.tabular.folds import Places
from fhenn.tabular.network import Progress, fit_network
from fhenn.tabular.preparing import narrowed

Floats = NDArray[np.float64]
Name = Literal["linear", "perceptron", "trees"]
Task = Literal["classification", "regression"]

HIDDEN = (16,)
"""Units of a perceptron's hidden layers where nobody says."""
_EPOCHS, _FEWEST_EPOCHS, _PASSED = 100, 10, 1_000_000
"""Passes over the samples where nobody says; the least; and samples that pass by at most, but for these."""
_TREES, _DEPTH, _BINS = 100, 4, 64
"""Of boosted trees: how many of them, for all classes together, how deep they are, and what a feature is cut into."""
_LEAF = 20
"""Samples that a leaf has at least, fewer where there are few."""


@dataclass(frozen=True, eq=False)
class Data:
    """What is learnt from.

    x: (samples, features), finite.
    y: (samples,): places of classes, or the numbers to predict.
    task: which of both.
    classes: the labels; none for numbers.
    names: of the features.
    called: what errors call the features where they have no names, as those that were made of raw tables.
    """

    x: Floats
    y: NDArray[Any]
    task: Task
    classes: NDArray[Any]
    names: tuple[str, ...] | None
    called: tuple[str, ...] | None = None

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

    def predict(self, X: Any, /) -> NDArray[Any]:
        """Classes, or numbers."""


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
    epochs: passes over the samples; None for 100, and fewer where there are more than 10,000 samples, 10 at least.
    """

    name: Name = "linear"
    hidden: tuple[int, ...] = ()
    activation: Activation | None = None
    epochs: int | None = None

    def fit(self, data: Data, rows: Places | None, seed: int, *, progress: Progress) -> Fitted:
        """Fit one, as `Candidate.fit` says."""
        samples = len(data.x) if rows is None else len(rows)
        outputs = 1 if data.task == "regression" or len(data.classes) == 2 else len(data.classes)
        nodes = fit_network(
            data.x,
            data.y,
            outputs,
            self.hidden,
            self.activation or Square(),
            rows=rows,
            task=data.task,
            epochs=self.epochs or max(_FEWEST_EPOCHS, min(_EPOCHS, _PASSED // samples)),
            seed=seed,
            progress=progress,
            names=data.names or data.called,
        )
        return ImportedModel(nodes, data.reading)


@dataclass(frozen=True)
class Trees(Candidate):
    """Gradient boosting of histograms, by scikit-learn: 100 trees of depth 4, which run encrypted exactly.

    Clients learn the thresholds: 63 at most of a feature.

    Raises ExtraMissing without scikit-learn.
    """

    name: Name = "trees"

    def __post_init__(self) -> None:
        if not has_trees():
            raise ExtraMissing("sklearn", "scikit-learn")

    def fit(self, data: Data, rows: Places | None, seed: int, *, progress: Progress) -> Fitted:
        """Fit one, as `Candidate.fit` says."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        chosen = np.arange(len(data.x)) if rows is None else rows
        kind = HistGradientBoostingRegressor if data.task == "regression" else HistGradientBoostingClassifier
        each = max(10, _TREES // max(1, len(data.classes))) if len(data.classes) > 2 else _TREES
        progress(0, 1)
        # early stopping would hold out samples of its own
        estimator = kind(
            max_iter=each,
            max_depth=_DEPTH,
            max_bins=_BINS,
            min_samples_leaf=min(_LEAF, max(2, len(chosen) // _LEAF)),
            early_stopping=False,
            random_state=seed,
        )
        estimator.fit(data.x[chosen], data.y[chosen])
        if data.task == "classification":  # scikit-learn learns no classes that are fractions
            estimator.classes_ = data.classes[estimator.classes_]
        progress(1, 1)
        return cast(Fitted, estimator)

    def model(self, fitted: Fitted, data: Data, preparation: Preparation | None) -> ImportedModel:
        """One that was fitted, as `Candidate.model` says: with the bits of its thresholds after the features.

        Columns that no tree asks for are no part of it.
        """
        from fhenn.interop.sklearn import from_sklearn

        try:
            found = from_sklearn(fitted)
        except UnsupportedModel as error:
            raise ParameterError(
                f"no model can be made of the trees: {error.reason}.", "Give more samples, or another --model."
            ) from error
        assert found.preparation is not None  # noqa: S101  (for the type checker)
        steps, places = _without_missing(found.preparation.steps)
        before = preparation or Preparation.of_numbers(data.names or data.x.shape[1])
        if isinstance(steps[0], Select):  # of the features that the trees ask for
            before, asked = narrowed(before, steps[0].places)
            steps = [Select(tuple(asked)), *steps[1:]]
        first, *rest = found.nodes
        assert isinstance(first, Affine)  # noqa: S101
        nodes = [Affine(_columns(first.operator, places), first.bias), *rest]
        return ImportedModel(nodes, found.reading.named(None), preparation=before.then(*steps))


def _columns(operator: Operator, places: Sequence[int]) -> Operator:
    """An operator of some of its inputs alone: the others are 0."""
    if not isinstance(operator, Sparse):
        return Dense(operator.dense()[:, list(places)])
    kept = np.isin(operator.columns, places)
    columns = np.searchsorted(places, operator.columns[kept])
    return Sparse(operator.rows[kept], columns, operator.values[kept], (operator.outputs, len(places)))


def _without_missing(steps: Sequence[Step]) -> tuple[list[Step], list[int]]:
    """Steps of trees that are never asked for missing cells, since something fills these before: a blank that nothing
    fills is refused then.

    steps: of which one makes bits, and one after it may select some.

    Returns the steps, and which of the bits that came out of the steps before come out still.
    """
    at = next(place for place, step in enumerate(steps) if isinstance(step, Thermometer))
    bits, last = steps[at], steps[-1]
    assert isinstance(bits, Thermometer)  # noqa: S101  (for the type checker)
    asks = np.zeros(sum(bits.bits), dtype=bool)
    asks[np.cumsum(bits.bits)[list(bits.missing)] - 1] = True
    used = np.array(last.places if isinstance(last, Select) and len(steps) > at + 1 else range(len(asks)))
    kept = np.flatnonzero(~asks[used])
    numbered = np.cumsum(~asks) - 1
    return [*steps[:at], replace(bits, missing=()), Select(numbered[used[kept]].tolist())], kept.tolist()


def has_trees() -> bool:
    """Whether trees can be fitted: whether scikit-learn is installed."""
    return find_spec("sklearn") is not None


def candidates_of(
    model: Name | Literal["auto"],
    hidden: Sequence[int] = (),
    activation: Activation | None = None,
    epochs: int | None = None,
) -> tuple[Candidate, ...]:
    """The kinds of models to choose from, the simplest first.

    model: one kind, or "auto" for all of them, without trees where scikit-learn is not installed.
    hidden: units of the hidden layers of a perceptron; by default 16.
    activation: of these.
    epochs: passes over the samples; None as for `Network`.
    Raises ParameterError where hidden layers are given to a model without; ExtraMissing.

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
        "trees": Trees,
    }
    if model != "auto":
        return (makers[model](),)
    return tuple(make() for name, make in makers.items() if name != "trees" or has_trees())
