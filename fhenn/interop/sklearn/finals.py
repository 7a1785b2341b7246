"""The last step of a pipeline, or an estimator alone: by its class."""

from __future__ import annotations

from typing import Any

from fhenn.interop.sklearn import linear, meta, perceptrons
from fhenn.interop.sklearn.catalogue import ESTIMATORS
from fhenn.interop.sklearn.imported import Imported, refuse, require_fitted, why_not


def import_final(step: Any, where: str, accuracy: float) -> Imported:
    """The parts of a final estimator, and what its scores mean.

    step: the estimator.
    where: its place, for the errors.
    accuracy: of stand-ins, before the inputs are known.
    Raises UnsupportedModel, sklearn.exceptions.NotFittedError.
    """
    makers = linear.makers() | meta.makers() | perceptrons.makers(accuracy)

    def final(step: Any, where: str) -> Imported:
        maker = makers.get(type(step))
        if maker is None:
            raise refuse(step, where, why_not(step, makers), ESTIMATORS)
        require_fitted(step)
        return maker(step, where, final)

    return final(step, where)
