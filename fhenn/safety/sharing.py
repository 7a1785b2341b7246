"""Results that others may see: with noise that hides what they say of the secret key (`planner.flooding`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import floor, log2, prod

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import SharingRefused
from fhenn.planner import Plan
from fhenn.planner.flooding import STATISTICAL_BITS, flood, flood_bound, precision
from fhenn.text import apart


def flooded(
    scores: NDArray[np.float64],
    plan: Plan,
    queries: int,
    bits: int = STATISTICAL_BITS,
    *,
    scale: float | None = None,
    seen: float | NDArray[np.float64] = 0.0,
    flag: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None,
) -> NDArray[np.float64]:
    """Decrypted scores with noise that hides what they say of the secret key.

    scores: (samples, outputs), in units of the outputs where the plan has some: the noise is sized in them.
    plan: of the model.
    queries: samples whose results may ever be shared under the key.
    bits: statistical security.
    scale: of the answer's ciphertexts. It gives a least error, whatever the plan states (`fhenn.planner.floor`).
    seen: the errors that were measured in the answer (`decrypt_with_errors`), (samples,) or one for all.
    flag: which samples must not be shared, (samples,), by scores that carry the noise: it sees what others would.
        Their scores are 0 then, with noise, and their errors do not count. None where all may be.

    Returns (samples, outputs), rounded to multiples of a 64th of the noise's deviation: the last digits of a float
    would tell where it came from.
    Raises SharingRefused where the plan's accuracy would not hold, and where the answer's error or scale is larger than
    the plan says; PlanError where the plan states less error than any model of its shape makes, or does not say what
    its answers are.

    Source: `planner.flooding`; for the rounding Mironov 2012, "On significance of the least significant bits for
    differential privacy".

    >>> import fhenn
    >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1], layout="throughput", queries=10)
    >>> bool(abs(flooded(np.array([[0.5]]), plan, 10)[0, 0] - 0.5) < plan.accuracy)
    True
    """
    plan.require_shareable()
    if scale is not None and not 1 <= scale <= plan.largest_scale:
        raise SharingRefused(
            f"the answer has a scale of {scale:.3g}, where the plan allows {plan.largest_scale:.3g} at most.",
            "The server did not follow the plan: share nothing, and ask for an answer of fhenn.Server.",
        )
    outputs = scores.shape[1]
    # what is let pass is hidden: an error up to `worst` may be there, wherever the bound comes from
    worst = max(plan.worst, plan.least_worst(scale))
    noise, seen = _normal(scores.shape), np.broadcast_to(seen, len(scores))
    if flag is not None:
        flagged = flag(scores + flood(worst, outputs, queries, bits) * noise)
        scores, seen = np.where(flagged[:, None], 0.0, scores), np.where(flagged, 0.0, seen)
    worst = max(worst, precision(float(np.abs(scores).max(initial=0.0))))
    largest = float(seen.max(initial=0.0))
    if not largest <= worst:
        found, allowed = apart(largest, worst, digits=2)
        raise SharingRefused(
            f"the answer has an error of {found}, where the plan allows {allowed} at worst.",
            "The plan is wrong, or the server did not follow it: share nothing, and ask for a plan of fhenn.plan.",
        )
    sigma = flood(worst, outputs, queries, bits)
    error = plan.error + flood_bound(sigma, outputs)
    if not error <= plan.accuracy:
        made, accuracy = apart(error, plan.accuracy, digits=2)
        raise SharingRefused(
            f"noise that hides the key from {queries} queries makes an error of {made}, more than the plan's "
            f"accuracy of {accuracy}.",
            f"Plan with queries={queries}, which chooses a scale for them, or share fewer.",
        )
    step = 2.0 ** floor(log2(sigma / 64))
    noisy: NDArray[np.float64] = np.round((scores + sigma * noise) / step) * step
    return noisy


def _normal(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Normal numbers from the system's secure source (Box & Muller 1958)."""
    count = prod(shape)
    raw = np.frombuffer(os.urandom(16 * count), np.uint64).reshape(2, *shape)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    normal: NDArray[np.float64] = np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1])
    return normal
