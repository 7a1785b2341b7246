"""What a client makes of decrypted scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx import sigmoid

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
