"""The sigmoid as a node."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fhenn.approx import SIGMOID, SIGMOID_CUBIC, sigmoid, sigmoid_prime, sigmoid_second
from fhenn.nn.activation import Fitted


class Sigmoid(Fitted):
    """σ, as the cubic 0.5 + 0.197x - 0.004x³ on [-4, 4] or as the minimax polynomial that the arguments ask for.

    Without a domain, degree, accuracy or polynomial it is the cubic.

    domain: (low, high); [-4, 4] where only the others are given.
    degree: of the polynomial.
    accuracy: its largest error on the domain, for the smallest degree that reaches it; in the place of degree.
    polynomial: one of your own, for instance a tail-safe `fhenn.approx.preset`; in the place of the other three.
    on_violation, debug_secret: as for every `Activation`.
    Raises ParameterError where the arguments contradict one another.
    Raises AccuracyUnreached where no degree reaches the accuracy.

    >>> node = Sigmoid()
    >>> float(round(node.forward(1.0), 3)), node.cost
    (0.693, 2)
    >>> Sigmoid(domain=(-8, 8), accuracy=0.01).polynomial.degree
    9
    """

    _function = SIGMOID
    _default = ((-4.0, 4.0), 3)
    _standard = SIGMOID_CUBIC

    @staticmethod
    def sigmoid(x: ArrayLike) -> Any:
        """The exact σ(x), stable for any float."""
        return sigmoid(x)

    @staticmethod
    def sigmoid_prime(x: ArrayLike) -> Any:
        """The exact σ′(x) = σ(1 - σ)."""
        return sigmoid_prime(x)

    @staticmethod
    def sigmoid_second(x: ArrayLike) -> Any:
        """The exact σ″(x) = σ′(1 - 2σ)."""
        return sigmoid_second(x)
