"""What counts as inside a domain."""

from __future__ import annotations

Interval = tuple[float, float]

_TOLERANCE = 1e-6
"""By how much of a domain's width values may stray that count as inside: those that just fill it, and rounding."""


def tolerated(domain: Interval) -> Interval:
    """A domain with the millionth of its width at each end that float rounding is given.

    domain: (low, high).

    >>> tolerated((-4.0, 4.0))
    (-4.000008, 4.000008)
    """
    low, high = domain
    room = _TOLERANCE * (high - low)
    return low - room, high + room


def holds(domain: Interval, low: float, high: float) -> bool:
    """Whether an interval lies inside a domain, but for a millionth of the domain's width.

    domain: (low, high).
    low, high: ends of the interval.
    """
    least, most = tolerated(domain)
    return least <= low and high <= most
