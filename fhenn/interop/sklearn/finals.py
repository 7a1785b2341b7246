"""The last step of a pipeline, or an estimator alone: by its class."""

from __future__ import annotations

from typing import Any

from fhenn.errors import ParameterError
from fhenn.interop.sklearn import (
    bayes,
    boosters,
    calibration,
    delegates,
    ensembles,
    histograms,
    linear,
    machines,
    multiclass,
    outputs,
    perceptrons,
    targets,
    trees,
)
from fhenn.interop.sklearn.catalogue import ESTIMATORS
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse, require_fitted, why_not
from fhenn.interop.sklearn.refusals import reason_for


def makers(accuracy: float) -> dict[type, Maker]:
    """What imports each estimator, by its class.

    accuracy: of stand-ins, before the inputs are known.
    """
    rooms = (
        linear,
        bayes,
        machines,
        calibration,
        delegates,
        ensembles,
        multiclass,
        outputs,
        targets,
        trees,
        histograms,
    )
    found = perceptrons.makers(accuracy)
    for room in rooms:
        found |= room.makers()
    return found


def import_final(step: Any, where: str, known: dict[type, Maker], inner: Final) -> Imported:
    """The parts of a final estimator, and what its scores mean.

    step: the estimator.
    where: its place, for the errors.
    known: of `makers`.
    inner: imports the estimators inside it.
    Raises UnsupportedModel, sklearn.exceptions.NotFittedError.
    """
    maker = known.get(type(step)) or boosters.maker_of(step)
    if maker is None:
        reason, supported = reason_for(step) or (why_not(step, known), ", ".join(ESTIMATORS))
        raise refuse(step, where, reason, supported)
    require_fitted(step)
    try:
        return maker(step, where, inner)
    except ParameterError as error:  # trees that are too many, or of several kinds
        raise refuse(step, where, error.reason.rstrip("."), error.suggestion.rstrip(".")) from error
