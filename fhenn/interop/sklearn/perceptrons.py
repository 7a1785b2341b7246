"""Multilayer perceptrons, whose hidden activations become polynomials."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fhenn.approx import RELU, SIGMOID, TANH, Function
from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.expressions import Scores
from fhenn.interop.reading.operations import Apply, Exceeds
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.stand_in import stand_in
from fhenn.nn import Affine, Dense, Node

_ACTIVATIONS: dict[str, Function | None] = {"identity": None, "logistic": SIGMOID, "tanh": TANH, "relu": RELU}
"""The hidden activations of perceptrons."""


def makers(accuracy: float) -> dict[type, Maker]:
    """The estimators of this module, with stand-ins to an accuracy."""
    from sklearn import neural_network

    kinds = (neural_network.MLPClassifier, neural_network.MLPRegressor)
    return dict.fromkeys(kinds, partial(_perceptron, accuracy))


def _perceptron(accuracy: float, step: Any, where: str, final: Final) -> Imported:
    if len(step.coefs_) > 1 and step.activation not in _ACTIVATIONS:
        raise refuse(step, where, f"activation={step.activation!r} of its hidden layers", tuple(_ACTIVATIONS))
    function = _ACTIVATIONS.get(step.activation)
    parts: list[Node] = []
    for weight, bias in zip(step.coefs_, step.intercepts_, strict=True):
        if parts and function is not None:
            parts.append(stand_in(function, accuracy))
        parts.append(Affine(Dense(np.transpose(weight)), bias))
    return Imported(parts, _reading_of(step, where), decides=False)


def _reading_of(step: Any, where: str) -> Reading:
    """What the outputs of a perceptron mean."""
    if not hasattr(step, "classes_"):
        if step.out_activation_ not in ("identity", "exp"):
            raise refuse(step, where, f"its output goes through {step.out_activation_!r}", "loss='squared_error'")
        maps = Maps(Apply(Scores(tuple(range(step.n_outputs_))), "exp"))
        return Reading.regression(maps=None if step.out_activation_ == "identity" else maps)
    if step._label_binarizer.y_type_.startswith("multilabel"):
        shares = Apply(Scores(tuple(range(step.n_outputs_))), "sigmoid")
        return Reading.multilabel(step.classes_, Maps(Exceeds(shares, 0.5, inclusive=False), shares))
    return Reading.classification(step.classes_, "softmax" if step.out_activation_ == "softmax" else "sigmoid")
