"""Between slots and coefficients: the canonical embedding, as SEAL orders it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=8)
def _tables(ring_degree: int) -> tuple[NDArray[np.intp], NDArray[np.complex128]]:
    """The place of each slot among the values at odd powers of the root, and the root's powers."""
    exponents = np.empty(ring_degree // 2, np.intp)
    power = 1
    for slot in range(ring_degree // 2):  # slots are the orbit of 3, so that a rotation is X -> X^3
        exponents[slot] = power
        power = power * 3 % (2 * ring_degree)
    twist = np.exp(-1j * np.pi * np.arange(ring_degree) / ring_degree)
    return (exponents - 1) // 2, twist


def coefficients_of(slots: Floats, ring_degree: int) -> Floats:
    """The real coefficients of the polynomial with these values in its slots.

    slots: (N/2,), real.
    ring_degree: N.

    Returns (N,).
    Source: Cheon, Kim, Kim & Song, "Homomorphic encryption for arithmetic of approximate numbers", 2017, section 3.2.
    """
    places, twist = _tables(ring_degree)
    values = np.zeros(ring_degree)
    values[places] = slots
    values[ring_degree - 1 - places] = slots  # at the conjugate powers, real values are the same
    coefficients: Floats = (np.fft.fft(values) * twist).real / ring_degree
    return coefficients
