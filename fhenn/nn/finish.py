"""What a client makes of decrypted scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import sigmoid
from fhenn.approx.numbers import floating, is_whole
from fhenn.errors import ParameterError

Finish = Literal["sigmoid", "softmax", "argmax"]
"""What the client applies, exactly, to the scores that it has decrypted."""


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row by row, stable for any float."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


FINISHES: dict[str, Callable[[NDArray[np.float64]], Any]] = {
    "sigmoid": sigmoid,
    "softmax": _softmax,
    "argmax": lambda scores: np.argmax(scores, axis=-1),
}


def finished(finish: Finish | None, scores: ArrayLike) -> Any:
    """Scores (..., outputs), their exact σ, their softmax, or the index of the largest: (...,) for "argmax".

    >>> finished("argmax", [[0.1, 0.7], [0.6, 0.2]])
    array([1, 0])
    """
    values = np.asarray(scores, dtype=np.float64)
    return values if finish is None else FINISHES[finish](values)


def one_hot(labels: ArrayLike, classes: int) -> NDArray[np.float64]:
    """1 at the place of each label, 0 elsewhere: targets of a training, or what decided labels are as probabilities.

    labels: whole numbers from 0, of any shape.
    classes: how many there are.

    Returns (..., classes).
    Raises ParameterError where a label is none of them, UnsupportedValue.

    >>> one_hot([2, 0], 3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    if not is_whole(classes) or classes < 1:
        raise ParameterError(f"classes must be a number of them, 1 or more, not {classes!r}.", "Give for instance 10.")
    values = floating(labels)
    wrong = ~((values >= 0) & (values < classes) & (np.floor(values) == values))
    if wrong.any():
        raise ParameterError(
            f"a label is {np.asarray(values)[wrong].flat[0]:g}, and {classes} classes are whole numbers from 0 to "
            f"{classes - 1}.",
            "Number them so, as np.unique(labels, return_inverse=True)[1] does.",
        )
    places: NDArray[np.float64] = np.eye(classes)[values.astype(np.int64)]
    return places
