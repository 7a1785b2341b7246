"""How well predictions meet true values: scikit-learn's `score` methods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError

Floats = NDArray[np.float64]


def r2(wanted: Floats, got: Floats) -> float:
    """The share of the variance that is explained, the mean over outputs.

    wanted, got: true and predicted values, (samples,) or (samples, outputs).

    A constant output gives 1 where it is met exactly, else 0.
    """
    residual = ((wanted - got) ** 2).sum(axis=0)
    spread = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    shares = np.where(spread == 0, np.where(residual == 0, 0.0, 1.0), residual / np.where(spread == 0, 1.0, spread))
    return float(np.mean(1 - shares))


def d2(wanted: Floats, got: Floats, power: float) -> float:
    """The share of the Tweedie deviance that is explained, against the mean of the true values.

    wanted, got: true and predicted values (samples,).
    power: of the distribution: 0 normal, 1 Poisson, 2 gamma.
    Raises ParameterError where a true value is one that the distribution does not have.
    """
    if (power >= 2 and np.any(wanted <= 0)) or (1 <= power < 2 and np.any(wanted < 0)):
        raise ParameterError(
            f"true values are not those of a Tweedie distribution of power {power:g}.",
            f"Leave out those {'of 0 and ' if power >= 2 else ''}below 0.",
        )
    none = np.full_like(wanted, wanted.mean())
    return float(1 - _deviance(wanted, got, power).sum() / _deviance(wanted, none, power).sum())


def _deviance(y: Floats, mean: Floats, power: float) -> Floats:
    """Half the unit deviance (Jørgensen 1997, The Theory of Dispersion Models, chapter 4)."""
    with np.errstate(all="ignore"):
        if power == 1:
            return np.asarray(np.where(y == 0, 0.0, y * np.log(np.where(y == 0, 1.0, y) / mean)) - y + mean)
        if power == 2:
            return np.asarray(np.log(mean / y) + y / mean - 1)
        if power == 0:
            return np.asarray((y - mean) ** 2 / 2)
        return np.asarray(
            np.maximum(y, 0.0) ** (2 - power) / ((1 - power) * (2 - power))
            - y * mean ** (1 - power) / (1 - power)
            + mean ** (2 - power) / (2 - power)
        )
