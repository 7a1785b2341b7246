"""`Bounds`: what the values of an array lie between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of each feature; what follows from them is computed once.

    low, high: (features,) each, or (1,) for all features alike.

    >>> Bounds(np.array([-1.0, 0.0]), np.array([0.5, 2.0])).largest
    2.0
    """

    low: Floats
    high: Floats

    @cached_property
    def interval(self) -> Interval:
        """The interval (low, high) that holds all features."""
        return float(self.low.min()), float(self.high.max())

    @cached_property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(map(abs, self.interval))

    @cached_property
    def magnitudes(self) -> Floats:
        """The largest magnitude of each feature."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def norm(self, norm: int, features: int) -> float:
        """The norm of the largest inputs, (Σ magnitudeᵢ^norm)^(1/norm).

        norm: 1 or 2.
        features: how many there are, where all have the same bounds.
        """
        key = norm, features
        if key not in self._norms:
            sizes = np.broadcast_to(self.magnitudes, features)
            self._norms[key] = float((sizes**norm).sum() ** (1 / norm))
        return self._norms[key]

    @cached_property
    def _norms(self) -> dict[tuple[int, int], float]:
        """Norms that were computed already."""
        return {}


NOTHING = Bounds(np.zeros(1), np.zeros(1))
"""The bounds of zero."""
