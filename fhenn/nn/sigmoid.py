"""The sigmoid as a node."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from fhenn.approx import SIGMOID, SIGMOID_CUBIC, Polynomial, sigmoid, sigmoid_prime, sigmoid_second
from fhenn.nn.activation import Activation, Domain, chosen
from fhenn.nn.guard import Policy

_DEFAULT = ((-4.0, 4.0), 3)


class Sigmoid(Activation):
    """σ, as the cubic 0.5 + 0.197x - 0.004x³ on [-4, 4] or as the minimax polynomial that the arguments ask for.

    domain: (low, high), [-4, 4] if not given. degree: of the polynomial, or accuracy: its largest error on the domain,
    for the smallest degree that reaches it. polynomial: one of your own, for instance a tail-safe
    `fhenn.approx.preset`. Without any of them it is the cubic. The rest is as for every `Activation`.
    Raises ParameterError, AccuracyUnreached.

    >>> node = Sigmoid()
    >>> float(round(node.forward(1.0), 3)), node.cost
    (0.693, 2)
    >>> Sigmoid(domain=(-8, 8), accuracy=0.01).polynomial.degree
    9
    """

    def __init__(
        self,
        domain: Domain | None = None,
        degree: int | None = None,
        accuracy: float | None = None,
        *,
        polynomial: Polynomial | None = None,
        on_violation: Policy = "warn",
        debug_secret: Any = None,
    ) -> None:
        if domain is None and degree is None and accuracy is None and polynomial is None:
            polynomial = SIGMOID_CUBIC
        polynomial = chosen(SIGMOID, domain, degree, accuracy, polynomial, default=_DEFAULT)
        super().__init__(polynomial, on_violation=on_violation, debug_secret=debug_secret)

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
