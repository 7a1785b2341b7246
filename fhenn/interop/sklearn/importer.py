"""`from_sklearn`: fitted estimators and pipelines of scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhenn.errors import ExtraMissing
from fhenn.interop.conversion import Goal
from fhenn.interop.fold import fold
from fhenn.interop.model import ImportedModel, Wanted
from fhenn.interop.sklearn.delegates import held_by
from fhenn.interop.sklearn.finals import import_final, makers
from fhenn.interop.sklearn.imported import Imported
from fhenn.interop.sklearn.scalers import affine_of
from fhenn.nn import Node

_ACCURACY = 1e-3


def from_sklearn(
    estimator: Any,
    *,
    inputs: Any = None,
    bounds: Any = None,
    margin: float = 0.5,
    accuracy: float | None = _ACCURACY,
    agreement: float | None = None,
    depth: int | None = None,
    labels: Any = None,
    max_loss: float | None = None,
) -> ImportedModel:
    """The twin of a fitted estimator or Pipeline, which predicts what the estimator does.

    All of it is exact but for the hidden activations of perceptrons, which become polynomials.

    estimator: one of `ESTIMATORS`, after any of `TRANSFORMERS`, which are folded into the first linear layer and cost
    nothing.
    inputs, bounds, margin, accuracy, agreement, depth, labels, max_loss: where and how well the polynomials shall stand
    in, as `ImportedModel.for_inputs` takes them; those of ReLU are chosen by agreement on samples. Without either they
    are, to the accuracy, on [-16, 16] for the logistic function and on [-8, 8] for tanh, and for ReLU of degree 16
    there, with a RangeWarning for what leaves that, until `fhenn.encrypted_model` gets to know the inputs.
    Returns the model.
    Raises UnsupportedModel where the estimator, or a step of it, is another.
    Raises sklearn.exceptions.NotFittedError where it is not fitted.
    Raises ExtraMissing without scikit-learn.
    Raises what `ImportedModel.for_inputs` does for inputs.

    >>> from sklearn.linear_model import LogisticRegression
    >>> model = from_sklearn(LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]))
    >>> model.predict([[0.2], [2.8]]).tolist()
    ['low', 'high']
    """
    _require_sklearn()
    wanted = Wanted(inputs, bounds, margin, accuracy, Goal(agreement, depth, labels, max_loss))
    known = makers(wanted.provisional)

    def imported(estimator: Any, where: str) -> Imported:
        steps, last = _steps(estimator, where)
        before: list[Node] = [affine_of(step, place) for step, place in steps]
        found = import_final(*last, known, imported)
        return replace(found, parts=[*before, *found.parts])

    found = imported(estimator, "the estimator")
    reading = found.reading.named(_names_of(estimator))
    return wanted.applied(ImportedModel(fold(found.parts), reading, found.stand_ins))


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ExtraMissing("sklearn", "scikit-learn") from error


def _steps(estimator: Any, where: str) -> tuple[list[tuple[Any, str]], tuple[Any, str]]:
    """The transformers of an estimator with their places, and the last step with its own; a Pipeline opens up."""
    from sklearn.pipeline import Pipeline

    held = held_by(estimator, where)
    if held is not None:
        return _steps(*held)
    if type(estimator) is not Pipeline:
        return [], (estimator, where)
    found: list[tuple[Any, str]] = []
    for name, step in estimator.steps[:-1]:
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        before, last = _steps(step, f"step {name!r}" if where == "the estimator" else f"{where}, step {name!r}")
        found += [*before, last]
    name, step = estimator.steps[-1]
    before, last = _steps(step, f"step {name!r}" if where == "the estimator" else f"{where}, step {name!r}")
    return [*found, *before], last


def _names_of(estimator: Any) -> tuple[str, ...] | None:
    """The features that an estimator, or the first step of a pipeline, was fitted on, where they had names."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        steps, (last, _) = _steps(estimator, "the estimator")
        names = getattr([*(step for step, _ in steps), last][0], "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))
