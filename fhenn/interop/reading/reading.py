"""`Reading`: what a model's scores mean to those who know the model from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.columns import labels_of, require_distinct, samples, to_python
from fhenn.errors import ParameterError, ShapeMismatch, UnsupportedOperation, UnsupportedValue
from fhenn.interop.reading.compact import Probability, maps_of
from fhenn.interop.reading.expressions import Scores, evaluate
from fhenn.interop.reading.maps import Maps
from fhenn.interop.reading.metrics import d2, r2
from fhenn.nn.finish import Finish
from fhenn.strict import built
from fhenn.versioned import VersionedJson

Floats = NDArray[np.float64]
Task = Literal["regression", "classification", "multilabel", "multioutput"]

_DOCUMENT = VersionedJson("reading", 2, older=(1,))
"""Version 1 has no maps, outputs and deviance, and is still written where there are none."""

_LATER = ("maps", "outputs", "deviance")

_MOST_NAMES, _LONGEST_NAME = 1 << 17, 512
_LARGEST_LABELS = 16 << 20
"""Of what a stranger's reading may hold: features, characters of a name, bytes of labels."""


@dataclass(frozen=True)
class Reading:
    """What scores mean, and what a client makes of them, exactly. Data, with nothing of the weights in it but in maps.

    Make one with `classification`, `multilabel`, `multioutput` or `regression`.

    task: "regression", "classification", "multilabel" (each label is there or not) or "multioutput" (several
    classifications at once).
    classes: the labels, in the order of the scores; none for a regression, and those of the outputs for a multioutput.
    dtype: NumPy's name of the type in which `predict` returns labels; of a multilabel that of its 0 and 1.
    features: names, where the model was fitted on named ones.
    probability: how scores become probabilities; None where the model has none, or its maps say. "sigmoid" of one
    score, that of the second of two classes; "softmax", of one score s as of (-s, s); "one-vs-rest", σ of each score,
    normalised; "modified-huber", (clip(s, -1, 1) + 1)/2, normalised.
    flat: whether one output of a regression is predicted as (samples,).
    maps: expressions of the scores for all that is read of them; None where the largest score wins.
    outputs: of a multioutput: a classification each, with maps.
    deviance: of a regression whose `score` is the share of the Tweedie deviance that it explains: the power of the
    distribution. None for R².
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
    maps: Maps | None = None
    outputs: tuple[Reading, ...] = ()
    deviance: float | None = None

    def __post_init__(self) -> None:
        # as Python has them, so that they print and travel as text and numbers
        object.__setattr__(self, "classes", tuple(map(to_python, self.classes)))
        require_distinct(self.features or (), "features")
        labelled = all(isinstance(label, bool | int | float | str) for label in self.classes)
        least = {"classification": 2, "multilabel": 1}.get(self.task)
        if self.task not in get_args(Task) or (len(self.classes) < least if least else bool(self.classes)):
            raise ParameterError(
                f"task {self.task!r} does not go with {len(self.classes)} classes.",
                "Give 'classification' with two classes or more, 'multilabel' with one or more, or 'regression' or "
                "'multioutput' with none.",
            )
        if not labelled or len(set(self.classes)) < len(self.classes):
            raise ParameterError(
                "classes must be distinct numbers, strings or bools.", "Leave out what is there twice."
            )
        if self.probability not in (None, *get_args(Probability)) or (
            self.probability and (self.task != "classification" or self.maps)
        ):
            raise ParameterError(
                f"probability {self.probability!r} does not go with a {self.task}{' of maps' * bool(self.maps)}.",
                f"Choose None or, for classes without maps, one of {list(get_args(Probability))}.",
            )
        self._require_maps()

    def _require_maps(self) -> None:
        """Raise ParameterError where maps, outputs or deviance do not go with the task."""
        several = self.task == "multioutput"
        others = [each for each in self.outputs if each.task != "classification" or each.maps is None]
        if bool(self.outputs) != several or others:
            raise ParameterError(
                f"a {self.task} does not go with {len(self.outputs)} outputs.",
                "Give a classification with maps for each output of a 'multioutput', and none to others.",
            )
        if (several and self.maps) or (self.task == "multilabel" and not self.maps):
            raise ParameterError(f"a {self.task} has maps{' in its outputs' * several}.", "Give them there.")
        if self.maps is not None:
            self.maps.require_widths(len(self.classes) or None, len(self.classes))
        power = self.deviance
        if power is not None and (self.task != "regression" or not np.isfinite(power) or 0 < power < 1):
            raise ParameterError(
                f"a {self.task} does not go with a deviance of power {power!r}.",
                "Give the power of a Tweedie distribution to a regression: 0 or less, or 1 or more.",
            )

    def __repr__(self) -> str:
        names = None if self.features is None else len(self.features)
        maps = "" if self.maps is None else f", maps='{self.maps}'"
        if self.outputs:
            return f"Reading('multioutput', features={names}, outputs={len(self.outputs)})"
        if not self.classes:
            return f"Reading('regression', features={names}, flat={self.flat}{maps})"
        shown = ", ".join(f"{label!r:.40}" for label in self.classes[:5]) + ", …" * (len(self.classes) > 5)
        return f"Reading({self.task!r}, [{shown}], features={names}, probability={self.probability!r}{maps})"

    @classmethod
    def classification(
        cls,
        classes: ArrayLike,
        probability: Probability | None = None,
        features: Iterable[str] | None = None,
        *,
        maps: Maps | None = None,
    ) -> Reading:
        """Of labels (classes,), which `predict` returns in the type that they have here. Raises ParameterError."""
        labels = labels_of(classes, "classes")
        dtype = "object" if labels.dtype == object else labels.dtype.str
        return cls("classification", tuple(labels.tolist()), dtype, _names(features), probability, maps=maps)

    @classmethod
    def multilabel(
        cls, classes: ArrayLike, maps: Maps, features: Iterable[str] | None = None, *, dtype: str = "int64"
    ) -> Reading:
        """Of labels that a sample may each have, or not; `predict` returns 1 and 0 of a type. Raises ParameterError."""
        labels = labels_of(classes, "classes")
        return cls("multilabel", tuple(labels.tolist()), np.dtype(dtype).str, _names(features), maps=maps)

    @classmethod
    def multioutput(cls, outputs: Iterable[Reading], features: Iterable[str] | None = None) -> Reading:
        """Of several classifications at once, each with maps of all scores. Raises ParameterError."""
        return cls("multioutput", features=_names(features), outputs=tuple(outputs))

    @classmethod
    def regression(
        cls,
        features: Iterable[str] | None = None,
        *,
        flat: bool = True,
        maps: Maps | None = None,
        deviance: float | None = None,
    ) -> Reading:
        """Of scores that are the answer itself, or what maps make of them. Raises ParameterError."""
        return cls("regression", features=_names(features), flat=flat, maps=maps, deviance=deviance)

    def named(self, features: Iterable[str] | None) -> Reading:
        """The same, with names of the features."""
        return replace(self, features=_names(features))

    @property
    def finish(self) -> Finish | None:
        """What comes nearest among the finishes of `fhenn.Sequential`: for certificates, and for `Client.decrypt`."""
        if self.maps is not None or self.outputs:
            largest = self.task == "classification" and self.maps is not None and self.maps.takes_the_largest
            return "argmax" if largest else None
        if len(self.classes) > 2:
            return "softmax" if self.probability == "softmax" else "argmax"
        return "sigmoid" if self.probability == "sigmoid" else None

    @property
    def has_probabilities(self) -> bool:
        """Whether `predict_proba` answers."""
        if self.outputs:
            return all(each.has_probabilities for each in self.outputs)
        return self.probability is not None or (self.maps is not None and self.maps.probabilities is not None)

    @property
    def has_decision(self) -> bool:
        """Whether `decision_function` answers."""
        if self.task == "regression" or self.outputs:
            return False
        return self.maps is None or self.maps.decision is not None

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

    def maps_of(self, outputs: int) -> Maps:
        """The maps, where a word stands for them too.

        outputs: how many scores there are.
        """
        if self.task == "regression" and self.maps is None:
            return Maps(Scores(tuple(range(outputs))))
        return self.maps or maps_of(self.probability, outputs)

    def predict(self, scores: ArrayLike) -> Any:
        """What is predicted, of scores (samples, outputs). Raises ShapeMismatch.

        Returns labels (samples,), where the first of the largest wins; 0 and 1 (samples, labels) of a multilabel;
        labels (samples, outputs) of a multioutput; values (samples,) or (samples, outputs) of a regression.
        """
        return self._predict(self._check(scores))

    def _predict(self, values: Floats) -> Any:
        if self.outputs:
            return np.asarray([each._predict(values) for each in self.outputs]).T
        if self.task == "regression" and self.maps is None:
            found = values
        else:
            found = evaluate(self.maps_of(values.shape[1]).predict, values)
        if self.task == "regression":
            return found[:, 0] if self.flat and found.shape[1] == 1 else found
        if self.task == "multilabel":
            return found.astype(self.dtype)
        return np.array(self.classes, dtype=self.dtype)[np.argmax(found, axis=1)]

    def decision_function(self, scores: ArrayLike) -> Floats:
        """The scores that decide: (samples,) for one, else (samples, classes). Raises UnsupportedOperation."""
        self._require_classes("decision_function")
        values = self._check(scores)
        decision = None if self.outputs else self.maps_of(values.shape[1]).decision
        if decision is None:
            raise UnsupportedOperation(
                "decision_function", "The model has none in scikit-learn either: use predict_proba or predict."
            )
        found = evaluate(decision, values)
        return found[:, 0] if found.shape[1] == 1 and self.task == "classification" else found

    def predict_proba(self, scores: ArrayLike) -> Any:
        """Probabilities, exactly as the model would finish its scores.

        Returns (samples, classes), every row of sum 1; (samples, labels) of a multilabel; of a multioutput a list with
        those of each output.
        Raises UnsupportedOperation where the model has none, ShapeMismatch.
        """
        self._require_classes("predict_proba")
        if not self.has_probabilities:
            raise UnsupportedOperation(
                "predict_proba", "The model was not fitted for probabilities: use decision_function or predict."
            )
        values = self._check(scores)
        if self.outputs:
            return [each._probabilities(values) for each in self.outputs]
        return self._probabilities(values)

    def _probabilities(self, values: Floats) -> Floats:
        probabilities = self.maps_of(values.shape[1]).probabilities
        assert probabilities is not None  # noqa: S101  (for the type checker)
        return evaluate(probabilities, values)

    def score(self, scores: ArrayLike, y: ArrayLike) -> float:
        """How well predictions meet true values `y`: accuracy; of a regression R² (the mean over outputs), or D².

        A multilabel or multioutput is right where all its labels are. Raises ShapeMismatch, and ParameterError where
        the distribution of a deviance does not have a value.
        """
        got, wanted = self.predict(scores), labels_of(y, "score")
        if self.task == "regression" and got.size == len(got) == wanted.size:  # one output, flat or not
            wanted = wanted.reshape(got.shape)
        if wanted.shape != got.shape:
            raise ShapeMismatch("score", wanted.shape, str(got.shape))
        if self.task == "regression":
            wanted = np.asarray(wanted, dtype=np.float64)
            return r2(wanted, got) if self.deviance is None else d2(wanted, got, self.deviance)
        right = got == wanted
        return float(np.mean(right if right.ndim == 1 else right.all(axis=1)))

    def _check(self, scores: ArrayLike) -> Floats:
        if isinstance(scores, bytes | bytearray | memoryview):
            raise UnsupportedValue("an answer", "the scores in it: client.decrypt_scores(answer)")
        values = np.asarray(scores, dtype=np.float64)
        allowed = self._widths
        if values.ndim != 2 or (allowed and values.shape[1] not in allowed):
            expected = " or ".join(map(str, sorted(allowed))) if allowed else "outputs"
            raise ShapeMismatch("scores", values.shape, f"(samples, {expected})")
        return values

    @property
    def _widths(self) -> set[int]:
        """How many scores there may be; none for any number."""
        maps = [each.maps for each in (self, *self.outputs) if each.maps is not None]
        if maps:
            return {max(each.scores for each in maps)}
        return {1, 2} if len(self.classes) == 2 else {len(self.classes)} if self.classes else set()

    def _require_classes(self, operation: str) -> None:
        if self.task == "regression":
            raise UnsupportedOperation(operation, "The model is a regression: use predict.")

    def to_json(self) -> str:
        """The reading as JSON, to send to a client; `from_json` reads it."""
        fields = self.to_fields()
        if any(fields[name] not in (None, []) for name in _LATER):
            return _DOCUMENT.write(fields)
        return _DOCUMENT.write({name: value for name, value in fields.items() if name not in _LATER}, version=1)

    def to_fields(self) -> dict[str, Any]:
        """By name, as JSON has them."""
        found = {each.name: getattr(self, each.name) for each in fields_of(self)}
        maps = None if self.maps is None else self.maps.to_fields()
        return {**found, "maps": maps, "outputs": [each.to_fields() for each in self.outputs]}

    @classmethod
    def from_json(cls, text: str | bytes) -> Reading:
        """The reading of `to_json`. Raises WireFormatError where it is not one."""
        return _DOCUMENT.read(text, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Reading:
        maps, outputs = fields.pop("maps", None), fields.pop("outputs", [])
        if not isinstance(outputs, list) or len(outputs) > _MOST_NAMES:
            raise ValueError("outputs without end")
        made = None if maps is None else Maps.from_fields(maps)
        reading: Reading = built(cls, {**fields, "maps": made, "outputs": tuple(map(cls._from_fields, outputs))})
        if reading.dtype.lstrip("<>=|").startswith("a"):
            raise ValueError("an old name of a type, of which NumPy warns")
        dtype, longest = np.dtype(reading.dtype), max((len(str(label)) for label in reading.classes), default=0)
        # a stranger's type must not make large arrays
        if dtype.kind not in "biufUO" or dtype.itemsize > max(16, 4 * longest):
            raise ValueError("labels of another type")
        names = reading.features or ()
        if len(names) > _MOST_NAMES or any(len(name) > _LONGEST_NAME for name in names):
            raise ValueError("too many features, or a name without end")
        if dtype.itemsize * len(reading.classes) > _LARGEST_LABELS:
            raise ValueError("too many labels, or one without end")
        if reading.task != "multilabel":  # which has labels of any type, and 0 and 1 of this one
            labels = np.array(reading.classes, dtype=reading.dtype).tolist()
            if list(map(repr, labels)) != list(map(repr, reading.classes)):
                raise ValueError("labels that are not of their type")
        return reading


def _names(features: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if features is None else tuple(map(str, features))
