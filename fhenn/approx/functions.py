"""The activations without parameters that fhenn knows, exact and stable for any float; the others are in `families`.

Formulas: SiLU of Elfwing, Uchibe & Doya 2018, "Sigmoid-weighted linear units", Neural Networks 107; GELU, with Φ and
by tanh, of Hendrycks & Gimpel 2016, arXiv:1606.08415; softplus of Dugas et al. 2001, NIPS 13; Mish of Misra 2020, BMVC;
softsign of Bergstra et al. 2009, Université de Montréal, technical report 1337; SELU of Klambauer et al. 2017, NIPS 30;
ReLU6 of Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10"; hard swish and hard sigmoid, made of ReLU6,
of Howard et al. 2019, "Searching for MobileNetV3", ICCV. ReLU, SiLU, both GELUs, softplus, the logarithm of the sigmoid
and hard swish are x/2 plus an even function: σ(x) - 1/2, Φ(x) - 1/2, tanh and hard_sigmoid(x) - 1/2 are odd, and
softplus(x) - softplus(-x) = x.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import erf, erfc, inf, pi, sqrt
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

RELU = Function("relu", _relu, _relu_prime, symmetry="even", kinks=(0.0,), tilt=0.5, homogeneous=True)
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

_CUBE = 0.044715
"""The coefficient of Hendrycks & Gimpel's tanh."""

_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717
"""Of Klambauer et al., to the digits that float64 has."""


def _gelu_tanh(x: ArrayLike) -> Any:
    near = _clipped(x, inf)
    return (near * sigmoid(_bent(near)))[()]


def _bent(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """2√(2/π)·(x + 0.044715x³), of which GELU by tanh takes the sigmoid: (1 + tanh(y/2))/2 = σ(y)."""
    close = np.clip(x, x.dtype.type(-_FAR), x.dtype.type(_FAR))
    bent: NDArray[np.floating[Any]] = close * (1 + x.dtype.type(_CUBE) * close * close) * x.dtype.type(2 * sqrt(2 / pi))
    return bent


def _gelu_tanh_prime(x: ArrayLike) -> Any:
    near = _clipped(x, _FAR)
    slope = (1 + near.dtype.type(3 * _CUBE) * near * near) * near.dtype.type(2 * sqrt(2 / pi))
    bent = _bent(near)
    return (sigmoid(bent) + near * slope * sigmoid_prime(bent))[()]


def _ratio(x: NDArray[np.floating[Any]]) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """tanh(softplus(x)) and 1 - its square: n/(n + 2) and 4(n + 1)/(n + 2)², n = e²ˣ + 2eˣ, by e^-|x|."""
    z = np.exp(-np.abs(x))
    top = np.where(x >= 0, 1 + 2 * z, z * (z + 2))
    whole = np.where(x >= 0, top + 2 * z * z, top + 2)
    rest = np.where(x >= 0, z * z * (top + z * z), top + 1)
    return top / whole, 4 * rest / whole / whole


def _mish(x: ArrayLike) -> Any:
    near = _clipped(x, inf)
    return (near * _ratio(near)[0])[()]


def _mish_prime(x: ArrayLike) -> Any:
    near = _clipped(x, _FAR)
    share, slope = _ratio(near)
    return (share + near * slope * sigmoid(near))[()]


def _softsign(x: ArrayLike) -> Any:
    x = floating(x)
    near = np.clip(x, x.dtype.type(-1e30), x.dtype.type(1e30))  # inf/inf is not to be computed
    return (near / (1 + np.abs(near)))[()]


def _softsign_prime(x: ArrayLike) -> Any:
    share = 1 / (1 + np.abs(floating(x)))
    return (share * share)[()]


def _log_sigmoid(x: ArrayLike) -> Any:
    return -_softplus(-floating(x))


def _log_sigmoid_prime(x: ArrayLike) -> Any:
    return sigmoid(-floating(x))


def _relu6(x: ArrayLike) -> Any:
    x = floating(x)
    return np.clip(x, x.dtype.type(0), x.dtype.type(6))[()]


def _relu6_prime(x: ArrayLike) -> Any:
    return _inside(floating(x), 0.0, 6.0)[()]


def _inside(x: NDArray[np.floating[Any]], low: float, high: float) -> NDArray[np.floating[Any]]:
    """1 between two ends, 0 at them and beyond; NaN stays NaN."""
    return np.where(np.isnan(x), x, ((x > low) & (x < high)).astype(x.dtype))


def _hard_sigmoid(x: ArrayLike) -> Any:
    x = floating(x)
    return (np.clip(x + x.dtype.type(3), x.dtype.type(0), x.dtype.type(6)) / 6)[()]


def _hard_sigmoid_prime(x: ArrayLike) -> Any:
    return (_inside(floating(x), -3.0, 3.0) / 6)[()]


def _hard_swish(x: ArrayLike) -> Any:
    near = _clipped(x, inf)
    return (near * _hard_sigmoid(near))[()]


def _hard_swish_prime(x: ArrayLike) -> Any:
    near = _clipped(x, _FAR)
    return (_hard_sigmoid(near) + near * _hard_sigmoid_prime(near))[()]


def _tanhshrink(x: ArrayLike) -> Any:
    x = floating(x)
    return (x - np.tanh(x))[()]


def _tanhshrink_prime(x: ArrayLike) -> Any:
    return (_tanh(x) ** 2)[()]


def _selu(x: ArrayLike) -> Any:
    x = floating(x)
    below = x.dtype.type(_SELU_ALPHA) * np.expm1(np.minimum(x, x.dtype.type(0)))
    with np.errstate(over="ignore"):  # infinite, as what is too large is everywhere
        return (x.dtype.type(_SELU_SCALE) * np.where(x > 0, x, below))[()]


def _selu_prime(x: ArrayLike) -> Any:
    x = floating(x)
    below = x.dtype.type(_SELU_ALPHA) * np.exp(np.minimum(x, x.dtype.type(0)))
    return (x.dtype.type(_SELU_SCALE) * np.where(x > 0, x.dtype.type(1), below))[()]


def _erf(x: ArrayLike) -> Any:
    x = floating(x)
    values = map(erf, x.astype(np.float64).ravel().tolist())
    return np.fromiter(values, np.float64, x.size).reshape(x.shape).astype(x.dtype)[()]


def _erf_prime(x: ArrayLike) -> Any:
    near = _clipped(x, _FAR)
    return (np.exp(-near * near) * near.dtype.type(2 / sqrt(pi)))[()]


def _exp(x: ArrayLike) -> Any:
    with np.errstate(over="ignore"):  # infinite, as what is too large is everywhere
        return np.exp(floating(x))[()]


def _abs(x: ArrayLike) -> Any:
    return np.abs(floating(x))[()]


GELU_TANH = Function("gelu_tanh", _gelu_tanh, _gelu_tanh_prime, symmetry="even", tilt=0.5)
"""x·(1 + tanh(√(2/π)·(x + 0.044715x³)))/2, the approximation of GELU."""

MISH = Function("mish", _mish, _mish_prime)
"""x·tanh(softplus(x))."""

SELU = Function("selu", _selu, _selu_prime, kinks=(0.0,))
"""λx for x > 0, λα(eˣ - 1) else, λ = 1.0507…, α = 1.6732…; its derivative at 0 is the one from the left, λα."""

SOFTSIGN = Function("softsign", _softsign, _softsign_prime, symmetry="odd", kinks=(0.0,))
"""x/(1 + |x|); its second derivative jumps at 0."""

LOG_SIGMOID = Function("log_sigmoid", _log_sigmoid, _log_sigmoid_prime, symmetry="even", tilt=0.5)
"""log σ(x) = -softplus(-x)."""

RELU6 = Function("relu6", _relu6, _relu6_prime, kinks=(0.0, 6.0))
"""min(max(x, 0), 6); its derivative at 0 and 6 is 0."""

HARD_SIGMOID = Function("hard_sigmoid", _hard_sigmoid, _hard_sigmoid_prime, symmetry="odd", kinks=(-3.0, 3.0))
"""min(max(x + 3, 0), 6)/6, as in PyTorch; its derivative at -3 and 3 is 0."""

HARD_SWISH = Function("hard_swish", _hard_swish, _hard_swish_prime, symmetry="even", kinks=(-3.0, 3.0), tilt=0.5)
"""x·hard_sigmoid(x)."""

TANHSHRINK = Function("tanhshrink", _tanhshrink, _tanhshrink_prime, symmetry="odd")
"""x - tanh(x), with derivative tanh²."""

ERF = Function("erf", _erf, _erf_prime, symmetry="odd")
"""The error function, 2Φ(√2x) - 1; by the C library's, as NumPy has none."""

EXP = Function("exp", _exp, _exp)
"""eˣ, its own derivative."""

ABS = Function("abs", _abs, _sign, symmetry="even", kinks=(0.0,), homogeneous=True)
"""|x|; its derivative at 0 is 0."""

SIGN = Function("sign", _sign, _sign_prime, symmetry="odd", kinks=(0.0,))
"""-1, 0 or 1; its derivative is stated as 0 everywhere, at the jump too."""

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        function.name: function
        for function in (
            SIGMOID,
            TANH,
            RELU,
            SILU,
            GELU,
            SOFTPLUS,
            SIGN,
            GELU_TANH,
            MISH,
            SELU,
            SOFTSIGN,
            LOG_SIGMOID,
            RELU6,
            HARD_SIGMOID,
            HARD_SWISH,
            TANHSHRINK,
            ERF,
            EXP,
            ABS,
        )
    }
)
"""The functions by name; those of `fhenn.approx.families` have names with parameters, which `function_named` knows."""

__all__ = [
    "ABS",
    "ERF",
    "EXP",
    "FUNCTIONS",
    "GELU",
    "GELU_TANH",
    "HARD_SIGMOID",
    "HARD_SWISH",
    "LOG_SIGMOID",
    "MISH",
    "RELU",
    "RELU6",
    "SELU",
    "SIGMOID",
    "SIGN",
    "SILU",
    "SOFTPLUS",
    "SOFTSIGN",
    "TANH",
    "TANHSHRINK",
    "Function",
]
