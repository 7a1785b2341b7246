"""The activations that fhenn knows, exact and stable for any float.

Formulas: SiLU of Elfwing, Uchibe & Doya 2018, "Sigmoid-weighted linear units", Neural Networks 107; GELU, in its exact
form with Φ, of Hendrycks & Gimpel 2016, arXiv:1606.08415; softplus of Dugas et al. 2001, NIPS 13. ReLU, SiLU, GELU and
softplus are x/2 plus an even function: σ(x) - 1/2 and Φ(x) - 1/2 are odd, and softplus(x) - softplus(-x) = x.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import erfc, inf, pi, sqrt
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.function import Function
from fhenn.approx.numbers import floating
from fhenn.approx.sigmoid import SIGMOID, sigmoid, sigmoid_prime

_FAR = 800.0
"""exp(-800) is 0 in float64: past it a function times σ(-x) or Φ(-x) is 0, and inf·0 is not to be computed."""


def _clipped(x: ArrayLike, high: float) -> NDArray[np.floating[Any]]:
    x = floating(x)
    return np.asarray(np.clip(x, x.dtype.type(-_FAR), x.dtype.type(high)))


def _tanh(x: ArrayLike) -> Any:
    return np.tanh(floating(x))[()]


def _tanh_prime(x: ArrayLike) -> Any:
    z = np.exp(-2 * np.abs(_clipped(x, _FAR)))
    # 1 - tanh² = 4z/(1+z)²: free of the cancellation for large x
    return (4 * z / (1 + z) / (1 + z))[()]


def _relu(x: ArrayLike) -> Any:
    x = floating(x)
    return np.maximum(x, x.dtype.type(0))[()]


def _relu_prime(x: ArrayLike) -> Any:
    x = floating(x)
    return np.where(np.isnan(x), x, (x > 0).astype(x.dtype))[()]


def _silu(x: ArrayLike) -> Any:
    near = _clipped(x, inf)
    return (near * sigmoid(near))[()]


def _silu_prime(x: ArrayLike) -> Any:
    near = _clipped(x, _FAR)
    return (sigmoid(near) + near * sigmoid_prime(near))[()]


def _normal(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Φ, the distribution function of the standard normal law; by the C library's erfc, as NumPy has none."""
    values = map(erfc, (-x.astype(np.float64) / sqrt(2)).ravel().tolist())
    return (np.fromiter(values, np.float64, x.size).reshape(x.shape) / 2).astype(x.dtype)


def _gelu(x: ArrayLike) -> Any:
    near = _clipped(x, inf)
    return (near * _normal(near))[()]


def _gelu_prime(x: ArrayLike) -> Any:
    near = _clipped(x, _FAR)
    return (_normal(near) + near * np.exp(-near * near / 2) / near.dtype.type(sqrt(2 * pi)))[()]


def _softplus(x: ArrayLike) -> Any:
    x = floating(x)
    return (np.maximum(x, x.dtype.type(0)) + np.log1p(np.exp(-np.abs(x))))[()]


def _sign(x: ArrayLike) -> Any:
    return np.sign(floating(x))[()]


def _sign_prime(x: ArrayLike) -> Any:
    x = floating(x)
    return np.where(np.isnan(x), x, np.zeros_like(x))[()]


TANH = Function("tanh", _tanh, _tanh_prime, symmetry="odd")
"""tanh(x), with derivative 1 - tanh²."""

RELU = Function("relu", _relu, _relu_prime, symmetry="even", kinks=(0.0,), tilt=0.5)
"""max(x, 0); its derivative at 0 is 0, as in PyTorch and TensorFlow."""

SILU = Function("silu", _silu, _silu_prime, symmetry="even", tilt=0.5)
"""x·σ(x)."""

GELU = Function("gelu", _gelu, _gelu_prime, symmetry="even", tilt=0.5)
"""x·Φ(x), Φ the distribution function of the standard normal law (not the tanh approximation)."""

SOFTPLUS = Function("softplus", _softplus, sigmoid, symmetry="even", tilt=0.5)
"""log(1 + exp(x)), with derivative σ."""


def _square(x: ArrayLike) -> Any:
    return (floating(x) ** 2)[()]


def _square_prime(x: ArrayLike) -> Any:
    return (2 * floating(x))[()]


SQUARE = Function("square", _square, _square_prime, symmetry="even")
"""x², a polynomial itself: nothing to fit, so not among FUNCTIONS."""

SIGN = Function("sign", _sign, _sign_prime, symmetry="odd", kinks=(0.0,))
"""-1, 0 or 1; its derivative is stated as 0 everywhere, at the jump too."""

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {function.name: function for function in (SIGMOID, TANH, RELU, SILU, GELU, SOFTPLUS, SIGN)}
)
"""The functions by name."""

__all__ = ["FUNCTIONS", "GELU", "RELU", "SIGMOID", "SIGN", "SILU", "SOFTPLUS", "TANH", "Function"]
