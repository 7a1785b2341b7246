"""Witnesses in a plan: which number the server returns beside the result, and what it says of an activation's inputs.

For an activation whose domain has the middle c and the half width B, t = (x - c)/B leaves [-1, 1] where x leaves the
domain. The witness of an output is t² itself. The witness of a hidden layer is one number for all of its n neurons, so
that less is revealed: the sum of T(t/r), T a Chebyshev polynomial of degree d. While all |t| <= r, every term is at
most 1 and the sum at most n. One t beyond ±1 makes its term at least T(1/r) = 4n, and the other terms, each at least
-1, cannot bring the sum below 3n. The threshold is 2n. So with the inner edge r = 1/cosh(arcosh(4n)/d), no input
outside the domain is missed; a sample raises no alarm while all |t| <= r; for inputs between it may raise one. With
d = 2 the witness is the sum of t², and r = 1/√n.

A number that outgrows its modulus M (in units of its scale) wraps round, to garbage that is real as messages are, for
every sample of the ciphertext. Three things show that. It can be below the least number that the polynomial takes. It
can be above what surely fits, and then all samples of the ciphertext are condemned, as they are where an input is so
large that the outputs may have wrapped: nothing else shows that of the outputs. A wrapped number that is neither looks
good with a chance of w/M, w the width of good numbers, where the input was not chosen to do so. So the level of the
number, and with it M, is chosen for a chance of at most `CHANCE`, or the least that there is.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields
from math import acosh, ceil, cosh, inf, isfinite, log2, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.text import printable

Interval = tuple[float, float]

DEGREES = (8, 4, 2)
"""Degrees of a hidden layer's witness, best first."""

CHANCE = 2.0**-20
"""With what chance a number that wrapped round may look good."""


@dataclass(frozen=True)
class Witness:
    """The number that the server returns for one activation, and how to read it. Part of a `fhenn.Plan`.

    node: name of the activation.
    place: of the activation among the model's nodes, from 0.
    domain: the interval that its inputs are watched for (`watched`).
    neurons: how many inputs one number stands for; 1 where each has its own.
    degree: of the polynomial in x: 2 for t² or a sum of these.
    inner: r. While no |x - c| exceeds r·B there is no alarm.
    threshold: a decrypted number above it is an alarm.
    error: bound on the error of the number, except with probability 2⁻⁴⁰.
    headroom: the largest |x - c| for which the number surely fits the modulus. Up to there no violation is missed.
    start: level of x from which a polynomial of degree > 2 is computed.
    level: of the number that is returned.
    limit: a number above it condemns all samples of its ciphertext: it may have wrapped, or the outputs may have. None
    in older plans.
    chance: with which a number that wrapped round looks good; 1 in older plans, which did not care.
    """

    node: str
    place: int
    domain: Interval
    neurons: int
    degree: int
    inner: float
    threshold: float
    error: float
    headroom: float
    start: int
    level: int
    limit: float | None = None
    chance: float = 1.0

    @property
    def spare(self) -> float:
        """What positions that hold no neuron add to the number."""
        return self.threshold - (1 - self.error if self.degree == 2 else 2 * self.neurons)

    @property
    def least(self) -> float:
        """The least number that inputs can give, its error counted: T is -1 at least, and t² is 0."""
        return self.spare - (0 if self.degree == 2 else self.neurons) - self.error

    @property
    def reach(self) -> float:
        """The |x - c| of one neuron alone that brings the number to the limit."""
        half = (self.domain[1] - self.domain[0]) / 2
        if self.limit is None:
            return self.headroom
        number = self.limit - self.spare
        if self.degree == 2:
            return half * sqrt(max(number, 0.0))
        return half * self.inner * cosh(acosh(max(number + self.neurons - 1, 1.0)) / self.degree)

    @property
    def zone(self) -> tuple[float, float]:
        """The two |x - c| between which there may be an alarm although no input left the domain."""
        half = (self.domain[1] - self.domain[0]) / 2
        return self.inner * half, half

    @property
    def polynomial(self) -> Polynomial:
        """T(t/r), for a degree above 2."""
        return chebyshev_witness(self.domain, self.inner, self.degree)

    def numbers(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """What inputs of the activation give, without the error of encryption.

        inputs: (samples, neurons).

        Returns (samples, numbers), as they are decrypted.
        """
        low, high = self.domain
        scaled = (inputs - (low / 2 + high / 2)) / (high / 2 - low / 2)
        each = scaled**2 if self.degree == 2 else np.asarray(self.polynomial(inputs))
        return each if self.neurons == 1 else each.sum(axis=1, keepdims=True) + self.spare

    def alarms(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which samples raise an alarm, (samples,): a number above the threshold, or below what any input can give.

        values: decrypted numbers, (samples, numbers); NaN raises an alarm.
        """
        alarms: NDArray[np.bool_] = np.any(~((values >= self.least) & (values <= self.threshold)), axis=1)
        return alarms

    def condemns(self, values: NDArray[np.float64], most: float = inf) -> NDArray[np.bool_]:
        """Which samples give a number that may have wrapped round, or come of what made the outputs wrap, (samples,).

        All samples that share a ciphertext with one of them may be garbage.

        values: decrypted numbers, (samples, numbers).
        most: what their ciphertexts hold, where a plan states no limit.
        """
        limit = most if self.limit is None else min(self.limit, most)
        condemned: NDArray[np.bool_] = np.any(~((values >= self.least) & (values <= limit)), axis=1)
        return condemned

    def to_fields(self) -> dict[str, Any]:
        """The fields as plain data, without those at their defaults: the fingerprint of an older plan stays."""
        return {
            name: value for name, value in asdict(self).items() if name not in _DEFAULTS or value != _DEFAULTS[name]
        }

    def require_sane(self, levels: int) -> None:
        """Raise ValueError where fields read from outside are impossible: not finite, or levels beyond the chain.

        levels: of the plan's chain.
        """
        counts = (self.place, self.neurons, self.degree, self.start, self.level)
        numbers = (*self.domain, self.inner, self.threshold, self.error, self.headroom)
        sane = (
            all(type(count) is int and count >= 0 for count in counts)
            and all(type(number) in (float, int) and isfinite(number) for number in numbers)
            and isinstance(self.node, str)
            and len(self.domain) == 2
            and self.domain[0] < self.domain[1]
            and self.degree in DEGREES
            and self.neurons > 0
            and 0 <= self.level <= self.start <= levels
            and 0 < self.inner <= 1
            and type(self.chance) in (float, int)
            and 0 < self.chance <= 1
            and (self.limit is None or (type(self.limit) in (float, int) and self.threshold <= self.limit < inf))
        )
        if not sane:
            raise ValueError("a field of a witness is out of range, or contradicts another one")

    def __str__(self) -> str:
        low, high = self.domain
        inner, outer = self.zone
        each = "each input" if self.neurons == 1 else f"{self.neurons} neurons together"
        return (
            f"witness of {printable(self.node)} ({each}, degree {self.degree}): misses no input outside "
            f"[{low:g}, {high:g}] up to {self.headroom:.3g} from its middle{self._beyond}; "
            + (
                f"may raise a false alarm for inputs {inner:.4g} to {outer:g} from it"
                if f"{inner:.4g}" != f"{outer:.4g}"
                else "raises no false alarm but for inputs at the very edge"
            )
        )

    @property
    def _beyond(self) -> str:
        """What is said of inputs beyond the headroom."""
        if self.limit is None:
            return ""
        return (
            f", and beyond that with a chance of 2^{ceil(log2(self.chance))} at most; condemns the samples of its "
            f"ciphertext from {self.reach:.3g}"
        )


_DEFAULTS = {each.name: each.default for each in fields(Witness) if each.default is not MISSING}


def inner_edge(neurons: int, degree: int) -> float:
    """r, in units of the half width, for the polynomial of a hidden layer.

    neurons: of the layer.
    degree: of the polynomial, above 2.

    >>> round(inner_edge(32, 8), 2)
    0.8
    """
    return 1 / cosh(acosh(4 * neurons) / degree)


def doublings(degree: int) -> int:
    """Levels that a hidden layer's polynomial consumes, by T₂ₖ = 2Tₖ² - 1.

    degree: of the polynomial, a power of 2.

    >>> doublings(8)
    3
    """
    return degree.bit_length() - 1


def chebyshev_witness(domain: Interval, inner: float, degree: int) -> Polynomial:
    """T(t/r) as a polynomial in x, at most 1 in magnitude while |x - c| <= r·B.

    domain: of the activation, with middle c and half width B.
    inner: r.
    degree: of T.
    """
    low, high = domain
    middle, half = low / 2 + high / 2, (high / 2 - low / 2) * inner
    return Polynomial((*[0.0] * degree, 1.0), domain=(middle - half, middle + half), basis="chebyshev")
