"""Estimators for scikit-learn that are fitted on plaintext and predict under encryption."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.columns import Table, labels_of, samples, table_of
from fhenn.errors import ExtraMissing
from fhenn.interop import EncryptedModel, ImportedModel
from fhenn.interop.conversion import Goal
from fhenn.interop.encrypted import OnBounds, masked_alike, planned
from fhenn.interop.sklearn import from_sklearn, prepares
from fhenn.planner import Plan
from fhenn.planner.request import LayoutWish
from fhenn.ranges import Inputs, bounds_of
from fhenn.session.answer import OnViolation

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.utils import Tags, get_tags
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ExtraMissing("sklearn", "scikit-learn>=1.6") from error

Floats = NDArray[np.float64]

_UNSEEN = 1e-8
"""An accuracy at which scikit-learn's own checks see no noise."""


class _Encrypted(MetaEstimatorMixin, BaseEstimator):
    """What the classifier and the regressor have in common."""

    _codes: tuple[str, ...] | None = None
    """Labels of the columns that were fitted, as text, where they are neither names nor places (`Table.codes`)."""

    def __init__(
        self,
        estimator: Any = None,
        *,
        accuracy: float = 1e-3,
        layout: LayoutWish = "auto",
        rows: int | None = None,
        margin: float = 0.5,
        on_bounds: OnBounds = "clip",
        on_violation: OnViolation = "raise",
        agreement: float | None = None,
        depth: int | None = None,
        max_loss: float | None = None,
    ) -> None:
        self.estimator = estimator
        self.accuracy = accuracy
        self.layout = layout
        self.rows = rows
        self.margin = margin
        self.on_bounds = on_bounds
        self.on_violation = on_violation
        self.agreement = agreement
        self.depth = depth
        self.max_loss = max_loss

    def _inner(self) -> Any:
        """The estimator that was given, or the default one where it is None."""
        raise NotImplementedError

    def _fit(self, X: Any, y: ArrayLike, fit_params: dict[str, Any], **checks: Any) -> Self:
        y = labels_of(y) if isinstance(y, np.ma.MaskedArray) else y
        for name in ("_planned", "encrypted_"):  # nothing of an earlier fit answers where this one is refused
            self.__dict__.pop(name, None)
        if prepares(self._inner()):
            self._fit_raw(X, y, fit_params)
            return self
        table = _table(X)
        numbers = X if table is None else samples(table, table.labels)
        values, y = validate_data(self, numbers, y, dtype=np.float64, **checks)
        if table is not None and table.names is not None:
            self.feature_names_in_ = np.array(table.names, dtype=object)
        self._codes = None if table is None else table.labels
        self.estimator_ = clone(self._inner()).fit(values, y, **fit_params)
        self.bounds_ = np.stack(bounds_of(values, self.margin, getattr(self, "feature_names_in_", None)))
        self._plan(from_sklearn(self.estimator_), values, y)
        return self

    def _fit_raw(self, X: Any, y: ArrayLike, fit_params: dict[str, Any]) -> None:
        """Fit a pipeline on a table that its own steps prepare: they check it, and the bounds are of what they make."""
        self.estimator_ = clone(self._inner()).fit(X, y, **fit_params)
        self.n_features_in_ = self.estimator_.n_features_in_
        names = getattr(self.estimator_, "feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names
        model = from_sklearn(self.estimator_)
        known = model.inputs(X, margin=self.margin)
        self.bounds_ = np.stack([known.low, known.high])
        assert known.samples is not None  # noqa: S101  (for the type checker)
        self._plan(model, known.samples, y)

    def _plan(self, model: ImportedModel, values: Floats, y: ArrayLike) -> None:
        """Plan and make keys for the twin. values: its features, (samples, features)."""
        known = Inputs(self.bounds_[0], self.bounds_[1], values, declared=False)
        self._planned = planned(model, known, self.accuracy, self.layout, rows=self.rows, goal=self._goal(y))
        self.encrypted_ = self._build()

    def _goal(self, y: ArrayLike) -> Goal:
        """What is asked of activations that become polynomials; with labels where something is."""
        goal = Goal(self.agreement, self.depth, max_loss=self.max_loss)
        goal.require_sane()
        return goal if goal.needs_samples is None else replace(goal, labels=y)

    def _build(self) -> EncryptedModel:
        """Keys for the twin and its plan."""
        return EncryptedModel(*self._planned, on_bounds=self.on_bounds, on_violation=self.on_violation)

    def _scores(self, X: Any) -> Floats:
        check_is_fitted(self)
        if self._private.model.preparation is not None:
            return self._private.scores(X)
        table = _table(X)
        if table is None:
            return self._private.scores(validate_data(self, X, dtype=np.float64, reset=False))
        if len(getattr(X, "shape", ())) == 2:
            # tables that scikit-learn knows are held to its own rule: the order counts too
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                validate_data(self, X, reset=False, skip_check_array=True)
        values = samples(table, getattr(self, "feature_names_in_", self._codes))
        return self._private.scores(values)

    @property
    def _private(self) -> EncryptedModel:
        if "encrypted_" not in vars(self):  # a copy has no keys yet
            check_is_fitted(self)
            self.encrypted_ = self._build()
        return self.encrypted_

    @property
    def model_(self) -> ImportedModel:
        """The twin: the fitted model on plaintext, with polynomials for activations."""
        check_is_fitted(self)
        return self._private.model

    @property
    def plan_(self) -> Plan:
        """The plan: CKKS parameters, and the error to expect."""
        check_is_fitted(self)
        return self._private.plan

    def predict(self, X: Any) -> Any:
        """Labels or values, computed on ciphertexts.

        X: (samples, features), as for the estimator.

        Returns labels or values, one for each sample.
        Raises BoundsExceeded for values beyond the bounds where on_bounds is "raise"; else warns (BoundsWarning).
        """
        scores = self._scores(X)
        return masked_alike(self._private.reading.predict, scores)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_planned")

    def __getstate__(self) -> dict[str, Any]:
        # keys do not travel: a copy, in this process or another, makes its own
        return {name: value for name, value in super().__getstate__().items() if name != "encrypted_"}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self._inner())
        tags.input_tags.sparse = False
        # every encryption has noise of its own, which shows where it is not far below what counts as equal
        tags.non_deterministic = self.accuracy > _UNSEEN
        tags.target_tags.multi_output = inner.target_tags.multi_output
        tags.target_tags.single_output = inner.target_tags.single_output
        if tags.classifier_tags is not None and inner.classifier_tags is not None:
            tags.classifier_tags.multi_label = inner.classifier_tags.multi_label
        return tags


def _table(X: Any) -> Table | None:
    """A table, or a masked array, whose mask scikit-learn would drop; None for what scikit-learn checks itself."""
    if isinstance(X, np.ma.MaskedArray) and X.dtype.names is None and X.ndim == 2:
        return Table.of(range(X.shape[1]), X.T)
    return table_of(X)


def _has_probabilities(each: EncryptedClassifier) -> bool:
    if "_planned" in vars(each):
        return each._private.reading.has_probabilities
    return hasattr(each._inner(), "predict_proba")


def _has_decision(each: EncryptedClassifier) -> bool:
    return "_planned" not in vars(each) or each._private.reading.has_decision


class EncryptedClassifier(ClassifierMixin, _Encrypted):
    """A classifier that is fitted on plaintext and predicts under encryption.

    estimator: a classifier or Pipeline that `fhenn.from_sklearn` takes; LogisticRegression() where None. A Pipeline
    whose steps prepare raw tables, as a ColumnTransformer does, is fitted on them as they are.
    accuracy: the largest |decrypted - twin| of a score.
    layout: "latency" for few samples, "throughput" for thousands, "auto" for what is cheapest for `rows` of them.
    rows: samples that one upload is planned for; None for as many as it is fitted on, but 100 at most.
    margin: widens the bounds of the training data on either side, by this share of their width.
    on_bounds: "clip" clips values beyond the bounds and warns (BoundsWarning), "raise" raises BoundsExceeded.
    on_violation: "raise" raises RangeViolation where values left an activation's domain and the plan has witnesses,
    "mask" masks these samples, "warn" only tells of them.
    agreement, depth, max_loss: of activations that become polynomials, as for `fhenn.encrypted_model`, on what it is
    fitted on; what became of them is in `model_.conversion`.

    Fitting makes keys, in this process. They are not pickled; a copy makes its own.
    Attributes after `fit`: `estimator_`, `model_` (the twin), `plan_`, `encrypted_`, `classes_`.
    `fit` raises what the estimator raises, UnsupportedModel, PlanError, and AccuracyLost where more than `max_loss` is.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> estimator = EncryptedClassifier(make_pipeline(StandardScaler(), LogisticRegression()))
    >>> bool(cross_val_score(estimator, *load_iris(return_X_y=True), cv=3).mean() > 0.9)
    True
    """

    def _inner(self) -> Any:
        return LogisticRegression() if self.estimator is None else self.estimator

    def fit(self, X: Any, y: ArrayLike, **fit_params: Any) -> Self:
        """Fit the estimator, then plan and make keys for it.

        X: (samples, features).
        y: labels (samples,), or (samples, outputs) where the estimator takes several.
        fit_params: handed to the estimator's `fit`.
        """
        found = np.asarray(y).shape  # what is no array yet may refuse NumPy's functions
        several = len(found) == 2 and found[1] > 1
        self._fit(X, y, fit_params, multi_output=several)
        self.classes_ = self.estimator_.classes_
        return self

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """Probabilities (samples, classes); the client computes them exactly from the decrypted scores.

        X: (samples, features), as for the estimator.

        Returns a list with those of each output where the estimator does.
        """
        return masked_alike(self._private.reading.predict_proba, self._scores(X))

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy: the share of samples whose labels are all right.

        X: (samples, features), as for the estimator.
        y: true labels.
        sample_weight: (samples,), None for equal ones.
        """
        if self._private.reading.task != "multioutput":
            return float(super().score(X, y, sample_weight))
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        return float(np.average((self.predict(X) == np.asarray(y)).all(axis=1), weights=weights))

    @available_if(_has_decision)
    def decision_function(self, X: Any) -> Floats:
        """Scores: (samples,) for two classes, else (samples, classes).

        X: (samples, features), as for the estimator.
        """
        scores = self._scores(X)
        found: Floats = masked_alike(self._private.reading.decision_function, scores)
        return found


class EncryptedRegressor(RegressorMixin, _Encrypted):
    """A regressor that is fitted on plaintext and predicts under encryption.

    estimator: a regressor or Pipeline that `fhenn.from_sklearn` takes; Ridge() where None.
    accuracy, layout, rows, margin, on_bounds, on_violation, agreement, depth, max_loss: as for `EncryptedClassifier`.

    >>> estimator = EncryptedRegressor().fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0])
    >>> bool(abs(estimator.predict([[1.0]])[0] - estimator.estimator_.predict([[1.0]])[0]) < 1e-3)
    True
    """

    def _inner(self) -> Any:
        return Ridge() if self.estimator is None else self.estimator

    def fit(self, X: Any, y: ArrayLike, **fit_params: Any) -> Self:
        """Fit the estimator, then plan and make keys for it.

        X: (samples, features).
        y: values (samples,) or (samples, outputs).
        fit_params: handed to the estimator's `fit`.
        """
        return self._fit(X, y, fit_params, y_numeric=True, multi_output=True)
