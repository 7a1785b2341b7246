"""`from_sklearn`: fitted estimators and pipelines of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import RELU, SIGMOID, TANH, Function
from fhenn.errors import ExtraMissing, UnsupportedModel
from fhenn.interop.conversion import Goal
from fhenn.interop.fold import fold
from fhenn.interop.model import ImportedModel, Wanted
from fhenn.interop.reading import Probability, Reading
from fhenn.interop.stand_in import stand_in
from fhenn.nn import Affine, Dense, Node, Scaling

Floats = NDArray[np.float64]

_ACTIVATIONS: dict[str, Function | None] = {"identity": None, "logistic": SIGMOID, "tanh": TANH, "relu": RELU}
"""The hidden activations of perceptrons."""

_ACCURACY = 1e-3

ESTIMATORS = (
    "LogisticRegression",
    "LinearRegression",
    "Ridge",
    "Lasso",
    "ElasticNet",
    "SGDClassifier",
    "LinearSVC",
    "LinearSVR",
    "OneVsRestClassifier of LogisticRegression, SGDClassifier or LinearSVC",
    "MLPClassifier and MLPRegressor",
    "a Pipeline that ends with one of them",
)
"""What `from_sklearn` takes."""

TRANSFORMERS = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PCA", "TruncatedSVD", "passthrough")
"""What may come before, in a Pipeline; `clip=True` may not."""


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
    steps, final = _steps(estimator, "the estimator")
    parts: list[Node] = [_affine_of(step, where) for step, where in steps]
    last, where = final
    wanted = Wanted(inputs, bounds, margin, accuracy, Goal(agreement, depth, labels, max_loss))
    imported = _import(last, where, wanted.provisional)
    reading = imported.reading.named(_names_of([step for step, _ in steps] + [last]))
    model = ImportedModel(fold([*parts, *imported.parts]), reading, imported.stand_ins)
    return wanted.applied(model)


@dataclass(frozen=True)
class _Imported:
    """Parts of a final estimator, and what its scores mean."""

    parts: list[Node]
    reading: Reading

    @property
    def stand_ins(self) -> list[Node]:
        return [part for part in self.parts if not isinstance(part, Affine)]


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ExtraMissing("sklearn", "scikit-learn") from error


def _steps(estimator: Any, where: str) -> tuple[list[tuple[Any, str]], tuple[Any, str]]:
    """The transformers of an estimator with their places, and the last step with its own; a Pipeline opens up."""
    from sklearn.pipeline import Pipeline

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


def _names_of(steps: list[Any]) -> tuple[str, ...] | None:
    """The features that the first step was fitted on, where they had names."""
    names = getattr(steps[0], "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


def _require_fitted(step: Any) -> None:
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(step)


def _refuse(step: Any, where: str, reason: str, supported: tuple[str, ...] | str) -> UnsupportedModel:
    name = step if isinstance(step, str) else type(step).__name__
    return UnsupportedModel(name, where, reason, supported if isinstance(supported, str) else ", ".join(supported))


def _affine_of(step: Any, where: str) -> Affine:
    """What a transformer does, as an affine map. Raises UnsupportedModel, NotFittedError."""
    from sklearn import decomposition, preprocessing

    makers: dict[type, Callable[[Any], Affine]] = {
        preprocessing.StandardScaler: _standard,
        preprocessing.MinMaxScaler: _min_max,
        preprocessing.MaxAbsScaler: _max_abs,
        preprocessing.RobustScaler: _robust,
        decomposition.PCA: _pca,
        decomposition.TruncatedSVD: lambda step: Affine(Dense(step.components_)),
    }
    maker = makers.get(type(step))
    if maker is None:
        raise _refuse(step, where, _why_not(step, makers), TRANSFORMERS)
    _require_fitted(step)
    if getattr(step, "clip", False):
        raise _refuse(
            step, where, "clip=True is not affine", "clip=False; fhenn.encrypted_model clips with on_bounds='clip'"
        )
    return maker(step)


def _why_not(step: Any, known: Any) -> str:
    if any(isinstance(step, kind) for kind in known):
        return "it is a subclass, which may compute something else"
    return "it is none of those that can be imported"


def _standard(step: Any) -> Affine:
    factor = 1 / step.scale_ if step.with_std else np.ones(step.n_features_in_)
    return Affine(Scaling(factor), -step.mean_ * factor if step.with_mean else None)


def _min_max(step: Any) -> Affine:
    return Affine(Scaling(step.scale_), step.min_)


def _max_abs(step: Any) -> Affine:
    return Affine(Scaling(1 / step.scale_))


def _robust(step: Any) -> Affine:
    factor = 1 / step.scale_ if step.with_scaling else np.ones(step.n_features_in_)
    return Affine(Scaling(factor), -step.center_ * factor if step.with_centering else None)


def _pca(step: Any) -> Affine:
    """(x - mean) Cᵀ, divided by the deviations where it whitens: at least by the precision, as scikit-learn does."""
    components = np.asarray(step.components_, dtype=np.float64)
    if step.whiten:
        deviation = np.sqrt(step.explained_variance_)
        components = components / np.maximum(deviation, np.finfo(deviation.dtype).eps)[:, None]
    return Affine(Dense(components), -components @ step.mean_)


def _import(step: Any, where: str, accuracy: float) -> _Imported:
    """A final estimator. Raises UnsupportedModel, NotFittedError."""
    from sklearn import linear_model, multiclass, neural_network, svm

    makers: dict[type, Callable[[Any, str], _Imported]] = {
        linear_model.LogisticRegression: _linear_classifier,
        linear_model.SGDClassifier: _linear_classifier,
        svm.LinearSVC: _linear_classifier,
        **dict.fromkeys(
            (
                linear_model.LinearRegression,
                linear_model.Ridge,
                linear_model.Lasso,
                linear_model.ElasticNet,
                svm.LinearSVR,
            ),
            _linear_regressor,
        ),
        multiclass.OneVsRestClassifier: _one_vs_rest,
        neural_network.MLPClassifier: lambda step, where: _perceptron(step, where, accuracy),
        neural_network.MLPRegressor: lambda step, where: _perceptron(step, where, accuracy),
    }
    maker = makers.get(type(step))
    if maker is None:
        raise _refuse(step, where, _why_not(step, makers), ESTIMATORS)
    _require_fitted(step)
    return maker(step, where)


def _weights(step: Any) -> Affine:
    coefficients = step.coef_.toarray() if hasattr(step.coef_, "toarray") else np.asarray(step.coef_)
    rows = np.atleast_2d(coefficients)
    return Affine(Dense(rows), np.broadcast_to(np.ravel(step.intercept_), (len(rows),)))


def _linear_regressor(step: Any, where: str) -> _Imported:
    return _Imported([_weights(step)], Reading.regression(flat=np.ndim(step.coef_) == 1))


def _linear_classifier(step: Any, where: str) -> _Imported:
    return _Imported([_weights(step)], Reading.classification(step.classes_, _probability(step)))


def _probability(step: Any) -> Probability | None:
    """How the step's own `predict_proba` reads its scores."""
    binary = len(step.classes_) == 2
    if hasattr(step, "loss"):  # hinge and its like, of an SGDClassifier or a LinearSVC, give none
        if step.loss == "modified_huber":
            return "modified-huber"
        if step.loss != "log_loss":
            return None
        return "sigmoid" if binary else "one-vs-rest"
    # gone since scikit-learn 1.8, where it is as "auto" was
    asked = getattr(step, "multi_class", "auto")
    if asked == "ovr" or (asked != "multinomial" and (binary or step.solver == "liblinear")):
        return "sigmoid" if binary else "one-vs-rest"
    return "softmax"


def _one_vs_rest(step: Any, where: str) -> _Imported:
    from sklearn import linear_model, svm

    inner = {linear_model.LogisticRegression, linear_model.SGDClassifier, svm.LinearSVC}
    if step.multilabel_:
        raise _refuse(step, where, "it was fitted on several labels per sample", "one label per sample")
    for one in step.estimators_:
        if type(one) not in inner:
            raise _refuse(
                one, f"{where}, estimators_", _why_not(one, inner), "LogisticRegression, SGDClassifier, LinearSVC"
            )
    rows = [_weights(one) for one in step.estimators_]
    weights = Affine(
        Dense(np.concatenate([row.operator.dense() for row in rows])), np.concatenate([row.bias for row in rows])
    )
    probability = _probability(step.estimators_[0])
    if len(rows) > 1 and probability == "softmax":
        raise _refuse(step.estimators_[0], f"{where}, estimators_", "it is multinomial", "multi_class='ovr'")
    if len(rows) > 1 and probability == "sigmoid":
        probability = "one-vs-rest"
    return _Imported([weights], Reading.classification(step.classes_, probability))


def _perceptron(step: Any, where: str, accuracy: float) -> _Imported:
    if len(step.coefs_) > 1 and step.activation not in _ACTIVATIONS:
        raise _refuse(step, where, f"activation={step.activation!r} of its hidden layers", tuple(_ACTIVATIONS))
    function = _ACTIVATIONS.get(step.activation)
    parts: list[Node] = []
    for weight, bias in zip(step.coefs_, step.intercepts_, strict=True):
        if parts and function is not None:
            parts.append(stand_in(function, accuracy))
        parts.append(Affine(Dense(np.transpose(weight)), bias))
    return _Imported(parts, _reading_of(step, where))


def _reading_of(step: Any, where: str) -> Reading:
    """What the outputs of a perceptron mean."""
    if not hasattr(step, "classes_"):
        if step.out_activation_ != "identity":
            raise _refuse(step, where, f"its output goes through {step.out_activation_!r}", "loss='squared_error'")
        return Reading.regression()
    if step._label_binarizer.y_type_.startswith("multilabel"):
        raise _refuse(step, where, "it was fitted on several labels per sample", "one label per sample")
    return Reading.classification(step.classes_, "softmax" if step.out_activation_ == "softmax" else "sigmoid")
