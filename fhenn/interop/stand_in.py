"""The node that stands in for a function of an imported model."""

from __future__ import annotations

from fhenn import nn
from fhenn.approx import EXP, GELU, RELU, SIGMOID, SILU, SOFTPLUS, TANH, Function, Polynomial, chebyshev
from fhenn.approx.presets import choose
from fhenn.errors import AccuracyUnreached
from fhenn.nn import Activation, PolynomialActivation
from fhenn.nn.activation import Domain, Fitted

_KINDS: dict[Function, type[Fitted]] = {
    SIGMOID: nn.Sigmoid,
    TANH: nn.Tanh,
    RELU: nn.ReLU,
    SILU: nn.SiLU,
    GELU: nn.GELU,
    SOFTPLUS: nn.Softplus,
}
"""Functions that have a node of their own name; others have a `PolynomialActivation` that states them."""

_WIDE: Domain = (-8.0, 8.0)
_WIDTHS: dict[Function, Domain] = {SIGMOID: (-16.0, 16.0), EXP: (-4.0, 4.0)}
"""Where a stand-in is good before the model's inputs are known; `_WIDE` for the others."""

_PROVISIONAL = 16
"""The degree before the inputs are known, where none reaches the accuracy: of functions that bend sharply."""


def stand_in(function: Function, accuracy: float, domain: Domain | None = None) -> Activation:
    """The node that stands in for a function.

    function: what a model computes there.
    accuracy: the largest error, by the least degree that reaches it. Where none does, on a domain that nobody gave, the
    degree is 16, until the inputs are known.
    domain: where it shall be good; None where that is not known yet.
    Raises AccuracyUnreached, ParameterError.
    """
    low, high = _WIDTHS.get(function, _WIDE) if domain is None else domain
    try:
        polynomial = choose(function, (low, high), accuracy=accuracy)
    except AccuracyUnreached:
        if domain is not None:
            raise
        polynomial = chebyshev(function, _PROVISIONAL, (low, high))
    return node_of(function, polynomial)


def node_of(function: Function, polynomial: Polynomial) -> Activation:
    """The node of a polynomial for a function: that of its name, where there is one."""
    kind = _KINDS.get(function)
    return PolynomialActivation(polynomial) if kind is None else kind(polynomial=polynomial)
