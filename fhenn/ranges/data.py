"""Ranges from data: what samples bring to a model's activations, and what that says of samples that were not seen.

The worst corner of a box of inputs brings values to a node that no real input does, and costs a ring. Ranges from data
are what samples reach in the twin, times a margin. They are no bounds. What can be said without knowing where the
samples come from: with n samples, of which r are the ends of ranges (one lowest and one highest for each activation),
the share of all inputs that leave the ranges, before the margin, is below the 95% quantile of Beta(r, n - r + 1), but
for one time in twenty (Wilks 1941, "Determination of sample sizes for setting tolerance limits"; Tukey 1947, for ends
in several directions). It holds for samples drawn as the inputs will be, on which the model was not trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, lgamma, log, log1p

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.families import is_lost
from fhenn.approx.numbers import round_up
from fhenn.errors import NonFiniteValue, ParameterError, RangeReport
from fhenn.nn import Activation, Affine, Step, plus, trail
from fhenn.ranges.reach import reaches

Floats = NDArray[np.float64]
Interval = tuple[float, float]

MARGIN = 2.0
"""By how much ranges are wider than what samples reached; a bit of headroom."""

DOMAIN_MARGIN = 1.25
"""The same for the domain of a polynomial that is chosen for samples, where width costs degrees."""

SUM_MARGIN = 1.25
"""By how much a range is wider than the root of the sum of squares that samples reached, where a witness adds these up:
it cannot watch less, and its error is taken from that."""

CONFIDENCE = 0.95

_MOST_SAMPLES = 1 << 40
"""More than anybody has; beyond it the share outside loses its digits."""

_BLOCK = 4096
"""Samples whose values are held at once."""

_DIGITS = 3
"""Significant digits to which ranges are rounded outward: a plan shows them to clients."""


@dataclass(frozen=True)
class DataRanges:
    """Ranges of what comes to each activation, from samples. Part of a `fhenn.Plan`.

    samples: how many there were.
    margin: how many times wider the ranges are than what the samples reached.
    intervals: (low, high) of what comes to each activation, in their order.

    >>> print(DataRanges(5000, 2.0, ((-6.0, 6.0),)))
    ranges from 5,000 samples (times 2, or the domains that hold them); unseen inputs, drawn alike and not trained on, \
leave what these reached in less than 0.095% of cases (95% confidence)
    """

    samples: int
    margin: float
    intervals: tuple[Interval, ...]

    @property
    def outside(self) -> float:
        """The share of unseen inputs, at most, that leave what the samples reached, at 95% confidence."""
        return mass_outside(self.samples, 2 * len(self.intervals))

    def at(self, nodes: Sequence[Step]) -> dict[int, Interval]:
        """The ranges by the places of the activations among a model's nodes.

        nodes: of the model. Raises ValueError where it has another number of activations.
        """
        places = [place for place, node in enumerate(nodes) if isinstance(node, Activation)]
        return dict(zip(places, self.intervals, strict=True))

    def require_sane(self) -> None:
        """Raise ValueError where fields read from outside are impossible."""
        ends = [end for interval in self.intervals for end in interval]
        sane = (
            type(self.samples) is int
            and 0 < self.samples <= _MOST_SAMPLES
            and 1 <= self.margin < inf
            and all(map(isfinite, ends))
            and all(low <= high for low, high in self.intervals)
        )
        if not sane:
            raise ValueError("its ranges are out of order, or not finite")

    def __str__(self) -> str:
        share, ends = self.outside, 2 * len(self.intervals)
        if share < 1:
            said = f"leave what these reached in less than {round_up(100 * share, 2)}% of cases (95% confidence)"
        else:
            said = f"can leave what these reached any number of times: {self.samples:,} samples are few for {ends} ends"
        return (
            f"ranges from {self.samples:,} samples (times {self.margin:g}, or the domains that hold them); unseen "
            f"inputs, drawn alike and not trained on, {said}"
        )


def data_ranges(
    nodes: Sequence[Step], low: Floats, high: Floats, samples: Floats, margin: float = MARGIN
) -> DataRanges:
    """What comes to each activation of a model, by what samples bring there.

    nodes: of the model, an affine one first.
    low, high: bounds of the inputs, (features,) each.
    samples: (samples, features), within the bounds.
    margin: how many times wider than what the samples reach the ranges are, about their middle; from 1.

    The range of an activation that approximates a function is its domain where that holds all samples (`range_of`). No
    range is wider than the worst case within the ranges before it.

    Raises ParameterError for a margin below 1, NonFiniteValue where samples overflow on their way.

    >>> import fhenn
    >>> nodes = [fhenn.Linear([[3.0, 3.0]]), fhenn.Square()]
    >>> data_ranges(nodes, -np.ones(2), np.ones(2), np.array([[1.0, -0.5], [0.2, 0.1]])).intervals
    ((0.6, 1.8),)
    """
    if not 1 <= margin < inf:
        raise ParameterError(
            f"margin must be a finite number from 1, not {margin!r}.", "Give for instance 2.0, which costs one bit."
        )
    intervals: dict[int, Interval] = {}
    seen = seen_by(nodes, samples)
    for place, node in enumerate(nodes):
        if isinstance(node, Activation):
            worst = reaches(nodes[:place], low, high, intervals)[-1].interval
            domain = None if node.is_exact else node.domain
            intervals[place] = range_of(seen[place], worst, margin, domain, node.name)
    return DataRanges(len(samples), float(margin), tuple(intervals.values()))


def seen_by(nodes: Sequence[Step], samples: Floats) -> dict[int, Floats]:
    """What samples bring to each activation, in the twin: (samples, features) by its place.

    nodes: of the model.
    samples: (samples, features).
    """
    values = trail(nodes, samples, _twin, plus)
    return {
        place: value
        for place, (node, value) in enumerate(zip(nodes, values, strict=False))
        if isinstance(node, Activation)
    }


def strays(nodes: Sequence[Step], samples: Floats) -> list[RangeReport]:
    """What samples bring to activations outside of their domains, in the twin; nothing of those that ignore it.

    nodes: of the model.
    samples: (samples, features).

    >>> import fhenn
    >>> print(*strays([fhenn.Linear([[1.0]]), fhenn.Sigmoid()], np.array([[0.0], [5.0]])))  # doctest: +ELLIPSIS
    Sigmoid: 1 of 2 values outside [-4, 4], smallest 0, largest 5. ...
    """
    watched = {
        place: node.with_policy("ignore")
        for place, node in enumerate(nodes)
        if isinstance(node, Activation) and not node.is_exact and node.on_violation != "ignore"
    }
    found: dict[int, list[RangeReport]] = {place: [] for place in watched}
    totals = dict.fromkeys(watched, 0)
    for start in range(0, len(samples) if watched else 0, _BLOCK):
        seen = seen_by(nodes, samples[start : start + _BLOCK])
        for place, node in watched.items():
            report = node.check(seen[place])
            totals[place] += seen[place].size
            found[place] += [] if report is None else [report]
    return [_together(reports, totals[place]) for place, reports in found.items() if reports]


def _together(reports: Sequence[RangeReport], total: int) -> RangeReport:
    """The reports of some samples of so many, as one."""
    return replace(
        reports[0],
        outside=sum(each.outside for each in reports),
        total=total,
        smallest=float(np.fmin.reduce([each.smallest for each in reports])),
        largest=float(np.fmax.reduce([each.largest for each in reports])),
        nonfinite=sum(each.nonfinite for each in reports),
    )


def outputs_of(nodes: Sequence[Step], samples: Floats) -> Floats:
    """What a model makes of samples, in the twin: (samples, outputs).

    nodes: of the model.
    samples: (samples, features).
    """
    *_, values = trail(nodes, samples, _twin, plus)
    return values


def distance_to_exact(nodes: Sequence[Step], samples: Floats) -> Floats | None:
    """How far a model is from the exact one, whose activations are the functions that its polynomials stand for.

    nodes: of the model.
    samples: (samples, features).

    Returns the largest |model - exact model| over the samples of each output, (outputs,); None where no activation
    stands for a function, or the function of one was lost in a file.

    >>> import fhenn
    >>> distance_to_exact([fhenn.Linear([[1.0]]), fhenn.Sigmoid()], np.array([[0.0], [3.0]])).round(3)
    array([0.03])
    """
    if all(node.is_exact for node in nodes if isinstance(node, Activation)):
        return None
    exact = exact_outputs_of(nodes, samples)
    distance: Floats | None = None if exact is None else np.abs(outputs_of(nodes, samples) - exact).max(axis=0)
    return distance


def exact_outputs_of(nodes: Sequence[Step], samples: Floats) -> Floats | None:
    """What the exact model makes of samples, whose activations are the functions that polynomials stand for.

    nodes: of the model.
    samples: (samples, features).

    Returns (samples, outputs); None where the function of an activation was lost in a file.

    >>> import fhenn
    >>> exact_outputs_of([fhenn.Linear([[1.0]]), fhenn.Sigmoid()], np.array([[0.0], [3.0]])).round(3).tolist()
    [[0.5], [0.953]]
    """
    activations = [node for node in nodes if isinstance(node, Activation)]
    if any(node.function is not None and is_lost(node.function) for node in activations):
        return None

    def exactly(place: int, node: Affine | Activation, x: Floats) -> Floats:
        """What the exact model makes of a value."""
        return np.asarray(node.infer(x) if isinstance(node, Affine) or node.is_exact else node.exact(x))

    *_, values = trail(nodes, samples, exactly, plus)
    return values


def _twin(place: int, node: Affine | Activation, x: Floats) -> Floats:
    """What a node makes of a value; no guard warns."""
    return np.asarray((node.with_policy("ignore") if isinstance(node, Activation) else node).infer(x))


def range_of(
    values: Floats, worst: Interval, margin: float, domain: Interval | None = None, where: str = "an activation"
) -> Interval:
    """The range of what comes to an activation.

    values: what samples bring there, of any shape.
    worst: what inputs within bounds can bring there, which the range leaves by its rounding at most.
    margin: how many times wider than the values' interval the range is, about its middle.
    domain: where the activation is good, None for everywhere. Where it holds all values it is the range: beyond it
    answers are wrong anyway, and the polynomial grows fast. Where it does not, the range holds it too.
    where: the values are, in messages.

    Raises NonFiniteValue.
    """
    seen = float(values.min()), float(values.max())
    if not all(map(isfinite, seen)):
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise NonFiniteValue(f"the input of {where}", count, "Scale the weights, or leave those samples out.")
    middle, half = seen[0] / 2 + seen[1] / 2, margin * (seen[1] / 2 - seen[0] / 2)
    half = half or (margin - 1) * abs(middle)  # of a single value
    if domain is not None and domain[0] <= seen[0] and seen[1] <= domain[1]:
        low, high = domain
    else:
        low, high = middle - half, middle + half
        if domain is not None:
            low, high = min(low, domain[0]), max(high, domain[1])
    # rounded last: the worst case is computed from the weights
    return -_outward(-max(low, worst[0])), _outward(min(high, worst[1]))


def range_for_sums(values: Floats, narrow: Interval, worst: Interval) -> Interval:
    """A range so wide that Σ t² of samples stays below 1, for t from -1 to 1 in it: what a witness of squares needs.

    values: what samples bring to an activation, (samples, features).
    narrow: the range without that, which it holds.
    worst: what inputs within bounds can bring there, which the range leaves by its rounding at most.
    """
    middle = narrow[0] / 2 + narrow[1] / 2
    half = SUM_MARGIN * float(np.sqrt(((values - middle) ** 2).sum(axis=1)).max(initial=0.0))
    low, high = min(narrow[0], middle - half), max(narrow[1], middle + half)
    return -_outward(-max(low, worst[0])), _outward(min(high, worst[1]))


def _outward(value: float) -> float:
    """A number rounded up to a few digits."""
    return float(round_up(value, _DIGITS)) if value > 0 else -_inward(-value)


def _inward(value: float) -> float:
    """A number from 0, rounded down to a few digits."""
    rounded = float(f"{value:.{_DIGITS}g}")
    return rounded if rounded <= value else float(np.nextafter(value, 0.0))


def mass_outside(samples: int, ends: int) -> float:
    """The share of all inputs, at most, that leave ranges which are set by samples, at 95% confidence.

    samples: n, how many there were.
    ends: r, how many ends the ranges have.

    Returns the 95% quantile of Beta(r, n - r + 1); 1 where there are fewer samples than ends. It is the share e for
    which fewer than r of n samples lie outside with a probability of 5%: Σ_{k<r} C(n, k) eᵏ (1 - e)ⁿ⁻ᵏ = 0.05.

    >>> round(mass_outside(5000, 2 * 138), 3), round(mass_outside(5000, 2), 4)
    (0.061, 0.0009)
    """
    if samples < ends or ends == 0:
        return float(ends > 0)
    least, most = 0.0, 1.0
    for _ in range(60):
        middle = (least + most) / 2
        if _tail(samples, ends, middle) > 1 - CONFIDENCE:
            least = middle
        else:
            most = middle
    return most


def _tail(n: int, r: int, share: float) -> float:
    """The probability that fewer than r of n fall into a share of all."""
    if not 0 < share < 1:
        return float(share <= 0)
    terms = (
        lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(share) + (n - k) * log1p(-share) for k in range(r)
    )
    return sum(map(exp, terms))
