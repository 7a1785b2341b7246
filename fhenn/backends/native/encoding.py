"""Between slots and coefficients: the canonical embedding, as SEAL orders it.

Slots are real here, so that X -> 1/X leaves the polynomial as it is: coefficient N - k is minus coefficient k, and
coefficient N/2 is 0. Half of the coefficients tell the others.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=8)
def _tables(ring_degree: int) -> tuple[NDArray[np.intp], NDArray[np.complex128]]:
    """Which slot each input of the transform is, and what turns its outputs into those of a cosine transform."""
    half = ring_degree // 2
    slots = np.empty(half, np.intp)  # at the root's power 2j + 1, or at the inverse of that
    power = 1
    for slot in range(half):  # slots are the orbit of 3, so that a rotation is X -> X^3
        slots[min(power, 2 * ring_degree - power) // 2] = slot
        power = power * 3 % (2 * ring_degree)
    order = np.concatenate([np.arange(0, half, 2), np.arange(half - 1, 0, -2)])
    twist = np.exp(-0.5j * np.pi * np.arange(half // 2 + 1) / half)
    return slots[order], twist


def half_of_coefficients(slots: Floats, ring_degree: int) -> Floats:
    """The first half of the coefficients of polynomials with these values in their slots.

    slots: (..., N/2), real.
    ring_degree: N.

    Returns (..., N/2): coefficient k is 2/N times the sum of slots times cos(πk(2j + 1)/N), a cosine transform, which
    a Fourier transform of as many real numbers gives.
    Sources: Cheon, Kim, Kim & Song, "Homomorphic encryption for arithmetic of approximate numbers", 2017, section 3.2;
    J. Makhoul, "A fast cosine transform in one and two dimensions", 1980.

    >>> half_of_coefficients(np.array([1.0, 0.0]), 4).round(3).tolist()
    [0.5, 0.354]
    """
    order, twist = _tables(ring_degree)
    half = ring_degree // 2
    turned = np.fft.rfft(slots[..., order]) * twist
    result = np.empty((*slots.shape[:-1], half))
    np.multiply(turned.real, 1 / half, out=result[..., : half // 2 + 1])
    np.multiply(turned.imag[..., 1 : half // 2], -1 / half, out=result[..., : half // 2 : -1])
    return result


def coefficients_of(slots: Floats, ring_degree: int) -> Floats:
    """The real coefficients of the polynomial with these values in its slots.

    slots: (N/2,), real.
    ring_degree: N.

    Returns (N,).

    >>> coefficients_of(np.array([1.0, 0.0]), 4).round(3).tolist()
    [0.5, 0.354, 0.0, -0.354]
    """
    half = half_of_coefficients(slots, ring_degree)
    coefficients: Floats = np.concatenate([half, [0.0], -half[:0:-1]])
    return coefficients
