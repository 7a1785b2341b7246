"""Polynomials that stand in for activations, and the exact functions beside them. Pure NumPy."""

from fhenn.approx.polynomial import Polynomial
from fhenn.approx.sigmoid import SIGMOID_CUBIC, sigmoid, sigmoid_prime, sigmoid_second

__all__ = ["SIGMOID_CUBIC", "Polynomial", "sigmoid", "sigmoid_prime", "sigmoid_second"]
