"""Results that others may see: flooded with noise, so that they say nothing of the secret key (`planner.flooding`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import floor, log2

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import SharingRefused
from fhenn.planner import Plan
from fhenn.planner.flooding import STATISTICAL_BITS, flood, flood_bound


@dataclass
class Budget:
    """How much of what may be told under one key has been: a sample shared for q queries takes 1/q of it.

    It is kept with the secret key (`Client.secret_bytes`), as it stood then.

    >>> budget = Budget()
    >>> budget.take(3, 4)
    >>> budget.spent
    0.75
    """

    spent: float = 0.0

    def take(self, samples: int, queries: int) -> None:
        """Spend. Raises SharingRefused, and spends nothing, where not that much is left."""
        spent = self.spent + samples / queries
        if spent > 1 + 1e-9:
            raise SharingRefused(
                f"{samples} more samples exceed the {queries} queries that the noise is for.",
                "Make new keys, or a plan for more queries.",
            )
        self.spent = spent


def flooded(scores: NDArray[np.float64], plan: Plan, queries: int, bits: int = STATISTICAL_BITS) -> NDArray[np.float64]:
    """Decrypted scores (samples, outputs) with the noise on top that `planner.flooding` asks for.

    On a grid of a 64th of the noise's deviation, since a float's last digits would tell where it came from (Mironov
    2012, "On significance of the least significant bits for differential privacy"). Raises SharingRefused where the
    plan's accuracy would not hold.

    >>> import fhenn
    >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), inputs=[-1, 1], layout="throughput", queries=10)
    >>> bool(abs(flooded(np.array([[0.5]]), plan, 10)[0, 0] - 0.5) < plan.accuracy)
    True
    """
    outputs = scores.shape[1]
    sigma = flood(plan.worst, outputs, queries, bits)
    error = plan.error + flood_bound(sigma, outputs)
    if not error <= plan.accuracy:
        raise SharingRefused(
            f"noise that hides the key from {queries} queries makes an error of {error:.1e}, the plan's accuracy is "
            f"{plan.accuracy:.1e}.",
            f"Plan with queries={queries}, for which the scale is chosen, or share fewer.",
        )
    step = 2.0 ** floor(log2(sigma / 64))
    noisy: NDArray[np.float64] = np.round((scores + sigma * _normal(scores.shape)) / step) * step
    return noisy


def _normal(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Normal numbers from the system's secure source (Box & Muller 1958)."""
    count = int(np.prod(shape))
    raw = np.frombuffer(os.urandom(16 * count), np.uint64).reshape(2, *shape)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    normal: NDArray[np.float64] = np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1])
    return normal
