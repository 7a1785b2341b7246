"""How parameters move along their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError


@dataclass(frozen=True)
class SGD:
    """Gradient descent: p ← p - learning_rate·(gradient + weight_decay·p).

    Raises ParameterError for a learning rate that is not positive or a negative weight decay.

    >>> SGD(0.5).step(np.array([1.0]), np.array([2.0]))
    array([0.])
    """

    learning_rate: float = 0.1
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise ParameterError(f"{self} does not descend.", "Give learning_rate > 0 and weight_decay >= 0.")

    def step(self, parameter: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """The parameter after one step; neither argument is changed."""
        return parameter - self.learning_rate * (gradient + self.weight_decay * parameter)
