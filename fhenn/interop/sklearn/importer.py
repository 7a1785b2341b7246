"""`from_sklearn`: fitted estimators and pipelines of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import DataWarning, ExtraMissing, ParameterError, join_first
from fhenn.interop.conversion import Goal
from fhenn.interop.fold import fold
from fhenn.interop.model import ImportedModel, Wanted
from fhenn.interop.preparation import Impute, Preparation
from fhenn.interop.sklearn import boosters, histograms, trees
from fhenn.interop.sklearn.delegates import held_by
from fhenn.interop.sklearn.finals import import_final, makers
from fhenn.interop.sklearn.imported import Imported, refuse
from fhenn.interop.sklearn.preparing import preparation_of, require_agreement
from fhenn.interop.sklearn.scalers import affine_of, is_affine
from fhenn.interop.trees import Ensemble, snapped
from fhenn.interop.trees.boosted import Boosted
from fhenn.nn import Node

Floats = NDArray[np.float64]

_ACCURACY = 1e-3

_MOST_BINS = 4096

Thresholds = Literal["exact", "quantiles"]
"""Those of trees: as they were trained, or quantiles near them."""

Where = Literal["client", "fold"]
"""Where the transformers of a pipeline run: on the client, in the clear, or folded into the first layer."""


_NOT_FOLDED = (
    "the client makes its bits, so that nothing before it can be folded",
    "preparation='client', or leave it out",
)


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
    preparation: Where | None = None,
    allow_rows: bool = False,
    thresholds: Thresholds = "exact",
    bins: int = 64,
) -> ImportedModel:
    """The twin of a fitted estimator or Pipeline, which predicts what the estimator does.

    All of it is exact but for the hidden activations of perceptrons, which become polynomials. What follows the scores,
    such as links, calibrations, votes and thresholds, the client computes from what it decrypts: the model's `reading`
    holds it, so whoever gets that sees its constants, and of an ensemble the scores of every member. Trees take bits
    that the client makes, so whoever has the preparation sees their thresholds. Even votes go to the first class, as in
    scikit-learn; so do those that differ by less than 1e-5 of all, which noise may decide. And float32 cells behind a
    scaler are scaled in float64 here, in float32 by scikit-learn: a sample on a threshold may go the other way.

    estimator: one of `ESTIMATORS`, after any of `TRANSFORMERS`, which are folded into the first linear layer and cost
    nothing, and of `PREPARERS`, which the client runs in the clear.
    inputs, bounds, margin, accuracy, agreement, depth, labels, max_loss: where and how well the polynomials shall stand
    in, as `ImportedModel.for_inputs` takes them; those of ReLU are chosen by agreement on samples. Without either they
    are, to the accuracy, on [-16, 16] for the logistic function and on [-8, 8] for tanh, and for ReLU of degree 16
    there, with a RangeWarning for what leaves that, until `fhenn.encrypted_model` gets to know the inputs.
    preparation: where the transformers run. None folds those that are affine, after the last one that is not; it and
    all before it become the model's `preparation`, which every client sees (`Preparation.tells` says what of the
    training data is in it). "client" leaves all of them to the client; "fold" shows none to it, and refuses what is not
    affine.
    allow_rows: whether rows of the training data may be in the preparation, as a Nystroem holds them.
    thresholds: of trees, which every client sees: "exact", or "quantiles" for the nearest quantiles of the inputs,
    which should be public, and have every feature that thresholds are of. Sets of categories stay as they are. Then a
    DataWarning says how many of the inputs are predicted as before, and which features have sets.
    bins: between quantiles, from 2 to 4,096.

    Returns the model. Where it has a preparation, `predict` and its sisters and `inputs` take raw tables, and the first
    1,000 of the inputs are prepared as scikit-learn does, to 1e-12, or it is refused.
    Raises UnsupportedModel where the estimator, or a step of it, is another.
    Raises ParameterError for other thresholds or bins, and for quantiles without trees or without inputs.
    Raises sklearn.exceptions.NotFittedError where it is not fitted.
    Raises ExtraMissing without scikit-learn.
    Raises what `ImportedModel.for_inputs` does for inputs.

    >>> from sklearn.linear_model import LogisticRegression
    >>> model = from_sklearn(LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]))
    >>> model.predict([[0.2], [2.8]]).tolist()
    ['low', 'high']
    """
    if preparation not in (None, *get_args(Where)):
        raise ParameterError(f"preparation must be 'client' or 'fold', not {preparation!r}.", "Or leave it out.")
    _require_thresholds(thresholds, bins)
    _require_sklearn()
    wanted = Wanted(inputs, bounds, margin, accuracy, Goal(agreement, depth, labels, max_loss))
    if thresholds == "quantiles" and inputs is None:
        raise _needs_trees()
    boosted = _boosted(estimator)
    if isinstance(boosted, Boosted):
        if preparation == "fold":
            raise refuse(estimator, "the estimator", *_NOT_FOLDED)
        exact = boosted.model()
        if thresholds == "exact":
            return wanted.applied(exact)
        changed = boosted.snapped(inputs, bins)
        model = changed.model()
        _warn_of_quantiles(changed.ensemble, bins, exact.predict(inputs), model.predict(inputs), exact.is_regression)
        return wanted.applied(model)
    if boosted is not None:
        if thresholds == "quantiles":
            raise _needs_trees()
        return wanted.applied(boosted)
    known = makers(wanted.provisional)

    def imported(estimator: Any, where: str) -> Imported:
        steps, last = _steps(estimator, where)
        found = import_final(*last, known, imported)
        if found.is_prepared:
            if found.steps and preparation == "fold":
                raise refuse(*last, *_NOT_FOLDED)
            return replace(found, transformers=(*steps, *found.transformers))
        clear = _in_the_clear(steps, preparation)
        before: list[Node] = [affine_of(step, place) for step, place in steps[clear:]]
        return replace(found, parts=[*before, *found.parts], transformers=tuple(steps[:clear]))

    found = imported(estimator, "the estimator")
    if thresholds == "quantiles" and found.ensemble is None:
        raise _needs_trees()
    if not found.is_prepared:
        reading = found.reading.named(_names_of(estimator))
        return wanted.applied(ImportedModel(fold(found.parts), reading, found.stand_ins))
    clear = _preparation(estimator, found, allow_rows)
    if inputs is not None:
        require_agreement(clear, found.transformers, inputs, missing=bool(found.steps))
    if thresholds == "quantiles":
        found = _on_quantiles(found, clear, inputs, bins)
    found = _without_holes(found, clear)
    clear = clear.then(*found.steps) if found.steps else clear
    model = ImportedModel(fold(found.parts), found.reading, found.stand_ins, preparation=clear)
    return (wanted if inputs is None else replace(wanted, inputs=clear.prepared(inputs))).applied(model)


def _boosted(estimator: Any) -> Boosted | ImportedModel | None:
    """What a booster is that gets the table as it is, categories by their names; None for another estimator."""
    steps, (last, _) = _steps(estimator, "the estimator")
    return None if steps else boosters.read(last)


def _require_thresholds(thresholds: Any, bins: Any) -> None:
    """Raise ParameterError for other thresholds, or bins, than there are."""
    if thresholds not in get_args(Thresholds):
        raise ParameterError(f"thresholds must be 'exact' or 'quantiles', not {thresholds!r}.", "Or leave it out.")
    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= _MOST_BINS:
        raise ParameterError(
            f"bins must be a whole number from 2 to {_MOST_BINS:,}, not {bins!r}.", "Leave it out for 64 of them."
        )


def _needs_trees() -> ParameterError:
    return ParameterError(
        "thresholds='quantiles' is for trees, and needs inputs.", "Give samples that are public as inputs=."
    )


def _without_holes(found: Imported, clear: Preparation) -> Imported:
    """Trees that do not ask whether a feature is missing, where the preparation before them leaves none missing."""
    trees = found.ensemble
    if trees is None or not any(trees.missing):
        return found
    come = clear.then(*found.before).may_be_missing
    missing = tuple(each and may for each, may in zip(trees.missing, come, strict=True))
    if missing == trees.missing:
        return found
    return found.of_trees(replace(trees, missing=missing))


def _on_quantiles(found: Imported, clear: Preparation, inputs: Any, bins: int) -> Imported:
    """Trees with other thresholds. Warns, with what that changes.

    clear: what comes before them.
    inputs: the samples.
    bins: between quantiles.
    """
    samples = clear.then(*found.before).prepare(inputs, missing=True)
    there = clear.then(*(step for step in found.before if not isinstance(step, Impute)))  # zeros for blanks are no data
    exact = found.ensemble
    assert exact is not None  # noqa: S101  (`from_sklearn` has looked)
    changed = snapped(exact, there.prepare(inputs, missing=True), bins, there.features)
    before, after = (found.reading.predict(each.scores(samples)) for each in (exact, changed))
    _warn_of_quantiles(changed, bins, before, after, found.reading.task == "regression", there.features)
    return found.of_trees(changed)


def _warn_of_quantiles(
    trees: Ensemble, bins: int, before: Any, after: Any, regression: bool, names: Sequence[str] | None = None
) -> None:
    """Warn of what other thresholds change, and of what they do not: sets of categories.

    before, after: what the samples are predicted as.
    names: of the features; None for those of the trees.
    """
    if regression:
        lost = f"the values differ by {np.sqrt(np.mean((before - after) ** 2)):.3g} (root mean square)"
    else:
        equal = (before == after).reshape(len(before), -1).all(axis=1)
        lost = f"{equal.mean():.1%} of them are predicted as before"
    called = names or trees.names or [f"x{place}" for place in range(trees.features)]
    sets = sorted({int(tree.features[node]) for tree in trees.trees for node in tree.sets})
    kept = f" Sets of categories stay as they are, of {join_first([called[each] for each in sets])}." if sets else ""
    warnings.warn(
        DataWarning(f"thresholds are quantiles of the inputs now, in {bins} bins: {lost}.{kept}"), stacklevel=4
    )


def _in_the_clear(steps: Sequence[tuple[Any, str]], preparation: Where | None) -> int:
    """How many of the transformers the client runs."""
    if preparation == "client":
        return len(steps)
    if preparation == "fold":
        return 0
    return max((place for place, (step, _) in enumerate(steps, start=1) if not is_affine(step)), default=0)


def _preparation(estimator: Any, found: Imported, allow_rows: bool) -> Preparation:
    """What a client does before the first node, but for the last steps of the estimator. Raises UnsupportedModel."""
    if found.transformers:
        return preparation_of(found.transformers, allow_rows=allow_rows)
    _, (last, _) = _steps(estimator, "the estimator")
    return Preparation.of_numbers(_names_of(estimator) or int(last.n_features_in_))


def prepares(estimator: Any) -> bool:
    """Whether an estimator has steps that are not affine before the first that is, so that they run on the client.

    estimator: fitted or not; a pipeline, or one that holds it, as a search does; or trees, which take bits.

    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import PolynomialFeatures, StandardScaler
    >>> prepares(make_pipeline(PolynomialFeatures(), Ridge())), prepares(make_pipeline(StandardScaler(), Ridge()))
    (True, False)
    """
    from sklearn.pipeline import Pipeline

    if type(estimator) is Pipeline:
        return prepares(estimator.steps[-1][1]) or any(not _folds(step) for _, step in estimator.steps[:-1])
    if boosters.are_trees(estimator) or type(estimator) in trees.makers() | histograms.makers():
        return True
    held = getattr(estimator, "estimator", None) or getattr(estimator, "regressor", None)
    if held is None:
        several = getattr(estimator, "estimators", None)
        return isinstance(several, list) and any(prepares(one) for _, one in several)
    return prepares(held)


def _folds(transformer: Any) -> bool:
    """Whether all of a transformer is affine."""
    if transformer is None or isinstance(transformer, str):
        return True
    steps = getattr(transformer, "steps", None)
    return is_affine(transformer) if steps is None else all(_folds(step) for _, step in steps)


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
