"""What training makes small, with the gradient that goes into `model.backward`.

Scores are what a model gives before its finish, (..., outputs); a loss is a mean, so that its gradient is that of one
step whatever the size of a batch:

    scores = model.forward(batch)
    model.backward(loss.gradient(scores, targets))
    model.updates()

They are for plaintext: train with them, and run the trained model encrypted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import sigmoid
from fhenn.approx.numbers import floating
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.finite import require_finite
from fhenn.nn.finish import finished, one_hot

__all__ = ["MAE", "MSE", "BinaryCrossEntropy", "CrossEntropy", "Loss"]

Floats = NDArray[np.floating[Any]]


class Loss(Protocol):
    """A number that says how far scores are from targets, and its gradient."""

    def __call__(self, scores: ArrayLike, targets: ArrayLike) -> float:
        """The loss.

        scores: of the model, (..., outputs).
        targets: what they should be, of a shape that the loss names.

        Raises ShapeMismatch, NonFiniteValue, UnsupportedValue; ParameterError for labels that are none.
        """

    def gradient(self, scores: ArrayLike, targets: ArrayLike) -> Floats:
        """The gradient of the loss at the scores, of their shape and precision.

        scores, targets: as for the loss, with the same errors.
        """


@dataclass(frozen=True)
class MSE:
    """The mean squared error, over all numbers. Targets have the shape of the scores.

    >>> MSE()([[1.0], [3.0]], [[0.0], [1.0]]), MSE().gradient([[1.0], [3.0]], [[0.0], [1.0]]).tolist()
    (2.5, [[1.0], [2.0]])
    """

    def __call__(self, scores: ArrayLike, targets: ArrayLike) -> float:
        """The loss."""
        values, wanted = _pair("MSE", scores, targets)
        return float(np.mean((values - wanted) ** 2, dtype=np.float64))

    def gradient(self, scores: ArrayLike, targets: ArrayLike) -> Floats:
        """2(scores - targets) over how many there are."""
        values, wanted = _pair("MSE", scores, targets)
        return 2 * (values - wanted) / values.size


@dataclass(frozen=True)
class MAE:
    """The mean absolute error, over all numbers, which outliers pull less. Targets have the shape of the scores.

    >>> MAE()([[1.0], [3.0]], [[0.0], [1.0]]), MAE().gradient([[1.0], [3.0]], [[0.0], [3.0]]).tolist()
    (1.5, [[0.5], [0.0]])
    """

    def __call__(self, scores: ArrayLike, targets: ArrayLike) -> float:
        """The loss."""
        values, wanted = _pair("MAE", scores, targets)
        return float(np.mean(np.abs(values - wanted), dtype=np.float64))

    def gradient(self, scores: ArrayLike, targets: ArrayLike) -> Floats:
        """The sign of scores - targets over how many there are: 0 where they agree."""
        values, wanted = _pair("MAE", scores, targets)
        return np.sign(values - wanted) / values.size


@dataclass(frozen=True)
class CrossEntropy:
    """-Σ target·log softmax(scores), the mean over samples: for one class of several, with finish="softmax".

    Targets are labels, whole numbers from 0, (...,), or probabilities of the classes, of the shape of the scores, as
    `one_hot` and smoothed ones are.

    >>> round(CrossEntropy()([[0.0, 0.0]], [1]), 4), CrossEntropy().gradient([[0.0, 0.0]], [1]).tolist()
    (0.6931, [[0.5, -0.5]])
    """

    def __call__(self, scores: ArrayLike, targets: ArrayLike) -> float:
        """The loss."""
        values, wanted = self._pair(scores, targets)
        shifted = values - values.max(axis=-1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return -float(np.mean((wanted * logs).sum(axis=-1), dtype=np.float64))

    def gradient(self, scores: ArrayLike, targets: ArrayLike) -> Floats:
        """softmax(scores)·Σ targets - targets, over how many samples there are."""
        values, wanted = self._pair(scores, targets)
        shares = finished("softmax", values).astype(values.dtype)
        samples = values.size // values.shape[-1]
        gradient: Floats = (shares * wanted.sum(axis=-1, keepdims=True) - wanted) / samples
        return gradient

    @staticmethod
    def _pair(scores: ArrayLike, targets: ArrayLike) -> tuple[Floats, Floats]:
        """Scores, and probabilities of their shape."""
        values = _scores("CrossEntropy", scores)
        if not values.ndim or values.shape[-1] < 2:
            raise ShapeMismatch("CrossEntropy", values.shape, "(..., classes), two at least: one is BinaryCrossEntropy")
        wanted = floating(targets)
        if wanted.shape == values.shape[:-1]:
            return values, one_hot(wanted, values.shape[-1]).astype(values.dtype)
        return values, _probabilities("CrossEntropy", wanted, values, f"{values.shape[:-1]} for labels, or ")


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """-t·log σ(score) - (1 - t)·log(1 - σ(score)), the mean over all numbers: for yes or no, with finish="sigmoid".

    Targets are 0, 1 or probabilities between, of the shape of the scores. For a `Sigmoid` in the model, which gives
    probabilities itself, take `MSE`.

    >>> round(BinaryCrossEntropy()([[0.0]], [[1.0]]), 4), BinaryCrossEntropy().gradient([[0.0]], [[1.0]]).tolist()
    (0.6931, [[-0.5]])
    """

    def __call__(self, scores: ArrayLike, targets: ArrayLike) -> float:
        """The loss."""
        values, wanted = self._pair(scores, targets)
        # log(1 + exp(s)) - t·s, so that no exponential overflows
        losses = np.maximum(values, 0) - wanted * values + np.log1p(np.exp(-np.abs(values)))
        return float(np.mean(losses, dtype=np.float64))

    def gradient(self, scores: ArrayLike, targets: ArrayLike) -> Floats:
        """σ(scores) - targets over how many there are."""
        values, wanted = self._pair(scores, targets)
        gradient: Floats = (np.asarray(sigmoid(values), values.dtype) - wanted) / values.size
        return gradient

    @staticmethod
    def _pair(scores: ArrayLike, targets: ArrayLike) -> tuple[Floats, Floats]:
        """Scores, and probabilities of their shape."""
        values = _scores("BinaryCrossEntropy", scores)
        return values, _probabilities("BinaryCrossEntropy", floating(targets), values, "")


def _scores(loss: str, scores: ArrayLike) -> Floats:
    """Scores, finite and not none. Raises NonFiniteValue, ShapeMismatch, UnsupportedValue."""
    values = floating(scores)
    if not values.size:
        raise ShapeMismatch(loss, values.shape, "at least one score")
    require_finite(loss, values, "If training led here, it diverged: lower the learning rate.")
    return values


def _pair(loss: str, scores: ArrayLike, targets: ArrayLike) -> tuple[Floats, Floats]:
    """Scores and targets, of one shape and in the precision of the scores."""
    values, wanted = _scores(loss, scores), floating(targets)
    if wanted.shape != values.shape:
        # (samples,) beside (samples, 1) would be broadcast to every pair of samples
        raise ShapeMismatch(f"targets of {loss}", wanted.shape, f"{values.shape}, as the scores have")
    require_finite(f"targets of {loss}", wanted, "Drop those samples, or impute them.")
    return values, wanted.astype(values.dtype, copy=False)


def _probabilities(loss: str, wanted: Floats, values: Floats, also: str) -> Floats:
    """Targets from 0 to 1, of the shape of the scores. Raises ShapeMismatch, NonFiniteValue, ParameterError."""
    if wanted.shape != values.shape:
        raise ShapeMismatch(f"targets of {loss}", wanted.shape, f"{also}{values.shape}, as the scores have")
    require_finite(f"targets of {loss}", wanted, "Drop those samples, or impute them.")
    if wanted.min() < 0 or wanted.max() > 1:
        raise ParameterError(
            f"targets of {loss} are probabilities, and these are from {wanted.min():g} to {wanted.max():g}.",
            "Give 0 and 1, or labels from 0 for several classes.",
        )
    return wanted.astype(values.dtype, copy=False)
