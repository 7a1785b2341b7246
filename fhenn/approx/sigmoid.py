"""The sigmoid, its derivatives, and the cubic that stands in for it on ciphertexts.

The exact functions are computed from z = exp(-|x|) <= 1, so that no input overflows: σ(±1000) is 1 or 0 without a
warning, where the textbook 1/(1+exp(-x)) overflows at x = -710.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fhenn.approx.function import Function
from fhenn.approx.numbers import floating
from fhenn.approx.polynomial import Polynomial


def sigmoid(x: ArrayLike) -> Any:
    """The exact sigmoid σ(x) = 1/(1 + exp(-x)), for any float.

    x: real numbers of any shape.

    Returns an array of that shape (a scalar for a scalar): float32 for float32, float64 otherwise. NaN stays NaN.
    Raises UnsupportedValue for anything but real numbers.

    >>> float(sigmoid(0.0)), float(sigmoid(1000.0)), float(sigmoid(-1000.0))
    (0.5, 1.0, 0.0)
    """
    x = floating(x)
    z = np.exp(-np.abs(x))
    return (np.where(x >= 0, x.dtype.type(1), z) / (1 + z))[()]


def sigmoid_prime(x: ArrayLike) -> Any:
    """The exact first derivative σ′ = σ(1 - σ), for any float.

    x: real numbers of any shape.

    Returns and raises as `sigmoid` does.

    >>> float(sigmoid_prime(0.0))
    0.25
    """
    z = np.exp(-np.abs(floating(x)))
    # σ(-|x|)·σ(|x|): symmetric in x, and free of the cancellation in 1-σ for large x
    return (z / (1 + z) * (1 / (1 + z)))[()]


def sigmoid_second(x: ArrayLike) -> Any:
    """The exact second derivative σ″ = σ′(1 - 2σ), for any float.

    x: real numbers of any shape.

    Returns and raises as `sigmoid` does.

    >>> float(sigmoid_second(0.0))
    0.0
    """
    x = floating(x)
    z = np.exp(-np.abs(x))
    # 1 - 2σ = sign(x)(z-1)/(1+z)
    return (np.sign(x) * (z - 1) / (1 + z) * (z / (1 + z) * (1 / (1 + z))))[()]


SIGMOID = Function("sigmoid", sigmoid, sigmoid_prime, symmetry="odd")
"""σ, which is 1/2 plus an odd function."""

SIGMOID_CUBIC = Polynomial((0.5, 0.197, 0.0, -0.004), domain=(-4.0, 4.0), function=SIGMOID)
"""0.5 + 0.197x - 0.004x³: the minimax cubic of σ on [-5, 5], truncated to three decimals (Chen, Gilad-Bachrach, Han,
Huang, Jalali, Laine & Lauter, "Logistic regression over encrypted data from fully homomorphic encryption", BMC Medical
Genomics 11:81, 2018). fhenn uses it on [-4, 4], where it is off by at most 0.051."""
