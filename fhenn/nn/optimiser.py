"""How parameters move along their gradients. Optimisers are immutable; what they remember is handed in and out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from numbers import Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError

Floats = NDArray[np.float64]


class Optimiser(Protocol):
    """A rule for one step of one parameter."""

    def step(self, parameter: Floats, gradient: Floats, state: Any) -> tuple[Floats, Any]:
        """The parameter after one step, and what the next step wants to know; `state` is None at the first.

        No argument is changed.
        """


def _require_numbers(rule: SGD | Adam) -> None:
    """Raise ParameterError where a field of an optimiser is no number."""
    for field in fields(rule):
        value = getattr(rule, field.name)
        if not isinstance(value, Real):
            raise ParameterError(
                f"{field.name} must be a number, not {value!r}.", f"Give for instance {type(rule).__name__}(0.1)."
            )


@dataclass(frozen=True)
class SGD:
    """Gradient descent: p ← p - learning_rate·(gradient + weight_decay·p).

    learning_rate: above 0, finite.
    weight_decay: 0 or more, finite.
    Raises ParameterError where one of them is not.

    >>> SGD(0.5).step(np.array([1.0]), np.array([2.0]))[0]
    array([0.])
    """

    learning_rate: float = 0.1
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _require_numbers(self)
        if not (0 < self.learning_rate < inf and 0 <= self.weight_decay < inf):
            raise ParameterError(
                f"learning_rate must be positive, weight_decay 0 or more, and both finite: {self} is not.",
                "Give for instance SGD(0.1).",
            )

    def step(self, parameter: Floats, gradient: Floats, state: None = None) -> tuple[Floats, None]:
        """The parameter after one step; there is nothing to remember."""
        return parameter - self.learning_rate * (gradient + self.weight_decay * parameter), None


@dataclass(frozen=True)
class AdamState:
    """Running means of the gradient and of its square, and the number of steps taken."""

    mean: Floats
    square: Floats
    steps: int


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1), with decoupled weight decay (Loshchilov & Hutter 2019).

    p ← p - learning_rate·(m̂/(√v̂ + epsilon) + weight_decay·p).

    learning_rate: above 0.
    beta1, beta2: of the running means of the gradient and of its square, from 0 to below 1.
    epsilon: above 0; keeps the division finite.
    weight_decay: 0 or more.
    Raises ParameterError where one of them is out of range.

    >>> Adam(0.5).step(np.array([1.0]), np.array([2.0]))[0].round(6)
    array([0.5])
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _require_numbers(self)
        decays = 0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and self.weight_decay >= 0
        if not (self.learning_rate > 0 and self.epsilon > 0 and decays):
            raise ParameterError(
                f"a number of {self} is out of range.",
                "Give learning_rate > 0, 0 <= beta < 1, epsilon > 0 and weight_decay >= 0.",
            )

    def step(self, parameter: Floats, gradient: Floats, state: AdamState | None = None) -> tuple[Floats, AdamState]:
        """The parameter after one step, and the running means with it."""
        state = state or AdamState(np.zeros_like(parameter), np.zeros_like(parameter), 0)
        steps = state.steps + 1
        mean = self.beta1 * state.mean + (1 - self.beta1) * gradient
        square = self.beta2 * state.square + (1 - self.beta2) * gradient**2
        direction = mean / (1 - self.beta1**steps) / (np.sqrt(square / (1 - self.beta2**steps)) + self.epsilon)
        moved = parameter - self.learning_rate * (direction + self.weight_decay * parameter)
        return moved, AdamState(mean, square, steps)
