"""`Reading`: what a model's scores mean to those who know the model from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import sigmoid
from fhenn.columns import labels_of, require_distinct, samples, to_python
from fhenn.errors import ParameterError, ShapeMismatch, UnsupportedOperation
from fhenn.nn.finish import Finish, finished
from fhenn.strict import built
from fhenn.versioned import VersionedJson

Floats = NDArray[np.float64]
Task = Literal["regression", "classification"]
Probability = Literal["sigmoid", "softmax", "one-vs-rest", "modified-huber"]

_DOCUMENT = VersionedJson("reading", 1)

_MOST_NAMES, _LONGEST_NAME = 1 << 17, 512
_LARGEST_LABELS = 16 << 20
"""Of what a stranger's reading may hold: features, characters of a name, bytes of labels."""


@dataclass(frozen=True)
class Reading:
    """What scores mean, and what a client makes of them, exactly. Data, with nothing of the weights in it.

    Make one with `classification` or `regression`.

    task: "regression" or "classification".
    classes: the labels, in the order of the scores; none for a regression.
    dtype: NumPy's name of the type in which `predict` returns labels.
    features: names, where the model was fitted on named ones.
    probability: how scores become probabilities; None where the model has none. "sigmoid" of one score, that of the
    second of two classes; "softmax", of one score s as of (-s, s); "one-vs-rest", σ of each score, normalised;
    "modified-huber", (clip(s, -1, 1) + 1)/2, normalised.
    flat: whether one output of a regression is predicted as (samples,).
    Raises ParameterError where the fields contradict one another.

    >>> reading = Reading.classification(["ham", "spam"], "sigmoid")
    >>> reading.predict([[-0.3], [2.0]]).tolist(), reading.predict_proba([[0.0]]).tolist()
    (['ham', 'spam'], [[0.5, 0.5]])
    """

    task: Task
    classes: tuple[Any, ...] = ()
    dtype: str = "float64"
    features: tuple[str, ...] | None = None
    probability: Probability | None = None
    flat: bool = True

    def __post_init__(self) -> None:
        # as Python has them, so that they print and travel as text and numbers
        object.__setattr__(self, "classes", tuple(map(to_python, self.classes)))
        require_distinct(self.features or (), "features")
        labelled = all(isinstance(label, bool | int | float | str) for label in self.classes)
        if self.task not in get_args(Task) or (self.task == "classification") != (len(self.classes) >= 2):
            raise ParameterError(
                f"task {self.task!r} does not go with {len(self.classes)} classes.",
                "Give 'classification' with two classes or more, or 'regression' with none.",
            )
        if not labelled or len(set(self.classes)) < len(self.classes):
            raise ParameterError(
                "classes must be distinct numbers, strings or bools.", "Leave out what is there twice."
            )
        if self.probability not in (None, *get_args(Probability)) or (self.probability and not self.classes):
            raise ParameterError(
                f"probability {self.probability!r} does not go with a {self.task}.",
                f"Choose None or, for classes, one of {list(get_args(Probability))}.",
            )

    def __repr__(self) -> str:
        shown = ", ".join(f"{label!r:.40}" for label in self.classes[:5]) + ", …" * (len(self.classes) > 5)
        names = None if self.features is None else len(self.features)
        if not self.classes:
            return f"Reading('regression', features={names}, flat={self.flat})"
        return f"Reading({self.task!r}, [{shown}], features={names}, probability={self.probability!r})"

    @classmethod
    def classification(
        cls, classes: ArrayLike, probability: Probability | None = None, features: Iterable[str] | None = None
    ) -> Reading:
        """Of labels (classes,), which `predict` returns in the type that they have here. Raises ParameterError."""
        labels = labels_of(classes, "classes")
        dtype = "object" if labels.dtype == object else labels.dtype.str
        return cls("classification", tuple(labels.tolist()), dtype, _names(features), probability)

    @classmethod
    def regression(cls, features: Iterable[str] | None = None, *, flat: bool = True) -> Reading:
        """Of scores that are the answer itself."""
        return cls("regression", features=_names(features), flat=flat)

    def named(self, features: Iterable[str] | None) -> Reading:
        """The same, with names of the features."""
        return replace(self, features=_names(features))

    @property
    def finish(self) -> Finish | None:
        """What comes nearest among the finishes of `fhenn.Sequential`: for certificates, and for `Client.decrypt`."""
        if len(self.classes) > 2:
            return "softmax" if self.probability == "softmax" else "argmax"
        return "sigmoid" if self.probability == "sigmoid" else None

    def samples(self, X: Any) -> Floats:
        """Samples × features as numbers, of an array or of anything with named columns.

        A table must have the features that the model was fitted on, in any order, and no others; an array has them in
        order. Raises FeatureMismatch, ShapeMismatch, NonFiniteValue, UnsupportedValue, and ParameterError for a name
        that occurs twice.

        >>> Reading.regression(["a", "b"]).samples({"b": [2.0], "a": [1.0]}).tolist()
        [[1.0, 2.0]]
        """
        values = samples(X, self.features)
        if values.ndim != 2 or len(values) == 0 or (self.features and values.shape[1] != len(self.features)):
            width = "features" if self.features is None else len(self.features)
            raise ShapeMismatch("samples", values.shape, f"(samples, {width}), at least one sample")
        return values

    def require_widths(self, inputs: int, outputs: int) -> None:
        """Raise ShapeMismatch where a model of so many features and scores cannot be read like this."""
        if self.features is not None and len(self.features) != inputs:
            raise ShapeMismatch("features", (len(self.features),), f"({inputs},), as the model has")
        self._check(np.zeros((1, outputs)))

    def predict(self, scores: ArrayLike) -> Any:
        """Labels (samples,), or values (samples,) or (samples, outputs), of scores (samples, outputs). ShapeMismatch.

        One score stands for the second class where it is above 0; of several the largest wins.
        """
        values = self._check(scores)
        if self.task == "regression":
            return values[:, 0] if self.flat and values.shape[1] == 1 else values
        labels = np.array(self.classes, dtype=self.dtype)
        return labels[(values[:, 0] > 0).astype(np.intp) if values.shape[1] == 1 else np.argmax(values, axis=1)]

    def decision_function(self, scores: ArrayLike) -> Floats:
        """The scores themselves: (samples,) for one, else (samples, classes). Raises UnsupportedOperation."""
        self._require_classes("decision_function")
        values = self._check(scores)
        return values[:, 0] if values.shape[1] == 1 else values

    def predict_proba(self, scores: ArrayLike) -> Floats:
        """Probabilities (samples, classes), every row of sum 1, exactly as the model would finish its scores.

        Raises UnsupportedOperation where the model has none, ShapeMismatch.
        """
        self._require_classes("predict_proba")
        if self.probability is None:
            raise UnsupportedOperation(
                "predict_proba", "The model was not fitted for probabilities: use decision_function or predict."
            )
        values = self._check(scores)
        single = values.shape[1] == 1
        if self.probability == "softmax":
            return np.asarray(finished("softmax", np.hstack([-values, values]) if single else values))
        if self.probability == "modified-huber":
            return _modified_huber(values)
        if single:
            return np.hstack([sigmoid(-values), sigmoid(values)])
        # σ of each over the sum of all, as the softmax of log σ, which holds for any float
        return np.asarray(finished("softmax", -np.logaddexp(0.0, -values)))

    def score(self, scores: ArrayLike, y: ArrayLike) -> float:
        """Accuracy of a classification, R² of a regression (the mean over outputs), for true values `y`. ShapeMismatch.

        A constant `y` gives an R² of 1 where it is met exactly, else 0.
        """
        got, wanted = self.predict(scores), labels_of(y, "score")
        if wanted.shape != got.shape:
            raise ShapeMismatch("score", wanted.shape, str(got.shape))
        if self.task == "classification":
            return float(np.mean(got == wanted))
        residual = ((wanted - got) ** 2).sum(axis=0)
        spread = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
        shares = np.where(spread == 0, np.where(residual == 0, 0.0, 1.0), residual / np.where(spread == 0, 1.0, spread))
        return float(np.mean(1 - shares))

    def _check(self, scores: ArrayLike) -> Floats:
        values = np.asarray(scores, dtype=np.float64)
        outputs = {1, len(self.classes)} if len(self.classes) == 2 else {len(self.classes)}
        if values.ndim != 2 or (self.classes and values.shape[1] not in outputs):
            expected = " or ".join(map(str, sorted(outputs))) if self.classes else "outputs"
            raise ShapeMismatch("scores", values.shape, f"(samples, {expected})")
        return values

    def _require_classes(self, operation: str) -> None:
        if self.task != "classification":
            raise UnsupportedOperation(operation, "The model is a regression: use predict.")

    def to_json(self) -> str:
        """The reading as JSON, to send to a client; `from_json` reads it."""
        return _DOCUMENT.write(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Reading:
        """The reading of `to_json`. Raises WireFormatError where it is not one."""
        return _DOCUMENT.read(text, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Reading:
        reading: Reading = built(cls, fields)
        dtype, longest = np.dtype(reading.dtype), max((len(str(label)) for label in reading.classes), default=0)
        # a stranger's type must not make large arrays
        if dtype.kind not in "biufUO" or dtype.itemsize > max(16, 4 * longest):
            raise ValueError("labels of another type")
        names = reading.features or ()
        if len(names) > _MOST_NAMES or any(len(name) > _LONGEST_NAME for name in names):
            raise ValueError("too many features, or a name without end")
        if dtype.itemsize * len(reading.classes) > _LARGEST_LABELS:
            raise ValueError("too many labels, or one without end")
        labels = np.array(reading.classes, dtype=reading.dtype).tolist()
        if list(map(repr, labels)) != list(map(repr, reading.classes)):
            raise ValueError("labels that are not of their type")
        return reading


def _names(features: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if features is None else tuple(map(str, features))


def _modified_huber(scores: Floats) -> Floats:
    """Zhang 2002: (clip(s, -1, 1) + 1)/2; over several classes normalised, and alike where all are 0."""
    shares = (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0
    if scores.shape[1] == 1:
        return np.hstack([1.0 - shares, shares])
    shares[shares.sum(axis=1) == 0] = 1.0
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
