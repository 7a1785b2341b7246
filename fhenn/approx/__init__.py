"""Polynomials that stand in for activations, and the exact functions beside them. Pure NumPy, but for `tail_safe`."""

from fhenn.approx.composite import Composite, composite_sign
from fhenn.approx.fits import Row, chebyshev, error_table, fit, least_squares, minimax
from fhenn.approx.functions import FUNCTIONS, GELU, RELU, SIGMOID, SIGN, SILU, SOFTPLUS, TANH, Function
from fhenn.approx.polynomial import Polynomial
from fhenn.approx.presets import PRESETS, Preset, choose, preset
from fhenn.approx.sigmoid import SIGMOID_CUBIC, sigmoid, sigmoid_prime, sigmoid_second
from fhenn.approx.tail import is_tail_safe, tail_safe

__all__ = [
    "FUNCTIONS",
    "GELU",
    "PRESETS",
    "RELU",
    "SIGMOID",
    "SIGMOID_CUBIC",
    "SIGN",
    "SILU",
    "SOFTPLUS",
    "TANH",
    "Composite",
    "Function",
    "Polynomial",
    "Preset",
    "Row",
    "chebyshev",
    "choose",
    "composite_sign",
    "error_table",
    "fit",
    "is_tail_safe",
    "least_squares",
    "minimax",
    "preset",
    "sigmoid",
    "sigmoid_prime",
    "sigmoid_second",
    "tail_safe",
]
