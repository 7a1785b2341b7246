"""How far an activation's inputs may go before the outputs of a model no longer fit their modulus.

Only what is decrypted must fit. CKKS computes modulo the modulus of each level, and a rescale, a drop and a key switch
respect that: m + q·k becomes m/p + (q/p)·k. So a value that wraps round on the way does no harm where the output fits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.enclosure import enclose
from fhenn.nn import Activation, Affine, Step, Wiring

Floats = NDArray[np.float64]

_STEPS = 4
"""Radii that are tried for each doubling."""

_DOUBLINGS = range(-2, 64)
"""Powers of two between which they lie, in half widths of the domain."""

_DIGITS = 44
"""Double precision, FFT included, leaves an error of 2⁻⁴⁴ of the largest slot in every slot."""


def largest_beside(fits: float, error: float) -> float:
    """The largest magnitude of a decrypted number beside which the others in its ciphertext are right.

    fits: what the modulus holds.
    error: that the others may have.

    Beyond the first it wraps round, beyond the second it takes the digits of the others when it is decoded.

    >>> largest_beside(2.0**60, 2.0**-20) == 2.0**24
    True
    """
    return min(fits, error * 2.0**_DIGITS)


def radius_that_fits(nodes: Sequence[Step], middle: float, half: float, most: float) -> float:
    """The largest h such that outputs surely fit while no |x - middle| exceeds h, to within a fifth; 0 for none.

    nodes: an activation whose inputs x are, and what follows it. Where branches meet, nothing is known.
    middle: of the activation's domain.
    half: its half width.
    most: the largest magnitude of an output that fits.

    >>> import fhenn
    >>> 3 < radius_that_fits([fhenn.Square(), fhenn.Linear([[2.0]])], 0.0, 1.0, 32.0) <= 4
    True
    """
    radii = half * 2.0 ** np.linspace(_DOUBLINGS[0], _DOUBLINGS[-1], _STEPS * (len(_DOUBLINGS) - 1) + 1)
    low, high = middle - radii, middle + radii
    with np.errstate(all="ignore"):  # what overflows does not fit
        for node in nodes:
            if isinstance(node, Wiring):
                return 0.0
            low, high = _through_affine(node, low, high) if isinstance(node, Affine) else _through(node, low, high)
        fits = np.maximum(np.abs(low), np.abs(high)) <= most
    count = len(fits) if fits.all() else int(fits.argmin())
    return float(radii[count - 1]) if count else 0.0


def _through_affine(node: Affine, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """What a layer makes of inputs that all lie in one interval, for each of several, (intervals,)."""
    middle, half = (low + high) / 2, (high - low) / 2
    centre = np.outer(node.operator @ np.ones(node.inputs), middle) + node.bias[:, None]
    radius = np.outer(node.operator.abs_row_sums(), half)
    return (centre - radius).min(axis=0), (centre + radius).max(axis=0)


def _through(node: Activation, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """What an activation makes of several intervals, (intervals,)."""
    ends = low, high
    for polynomial in node.polynomials:
        ends = enclose(polynomial, *ends)
    if not node.times_input:
        return ends
    corners = np.stack([x * y for x in (low, high) for y in ends])
    return corners.min(axis=0), corners.max(axis=0)
