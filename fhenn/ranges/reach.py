"""What can come to each node of a model for inputs in a box: sound intervals, tightened by linear relaxation.

Every value is enclosed twice, and the narrower end counts: by an interval (Moore 1966), and by a zonotope, centre +
generators · ε + radius with ε in [-1, 1], which remembers which inputs a value came from (Singh, Gehr, Mirman, Püschel
& Vechev 2018, "Fast and effective robustness certification"). An activation is a·x + m ± δ on its interval, a the
slope of its chord; δ is its largest distance from that line, from a grid and the second derivative between its points.

A box needs no generators, whatever passes through it feature by feature: they come with the first affine map that mixes
features, W·half, as large as its matrix. Where they would be far larger than the weights, a value goes on as a box.

Rounding is outward: a dot product of n terms is off by less than γ = (n + 2)·u/(1 - (n + 2)·u) times the product of the
magnitudes, u = 2⁻⁵³ (Higham 2002, chapter 3), and values of a polynomial by less than 10⁻¹² of their size there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.approx.enclosure import OF_A_VALUE, enclose, on_grid
from fhenn.nn import Activation, Affine, Scaling, Step, trail

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_UNIT = 2.0**-53

_ROOM = 1 << 24
"""Numbers that generators may be, unless the weights are more: 128 MB."""

_WORK = 1 << 34
"""Products that a map of generators may take: some seconds."""
NO_RANGES: Mapping[int, Interval] = MappingProxyType({})


@dataclass(frozen=True)
class Reach:
    """An interval for every feature.

    low, high: its ends, (features,).

    >>> Reach(np.array([-1.0, 0.0]), np.array([0.5, 2.0])).interval
    (-1.0, 2.0)
    """

    low: Floats
    high: Floats

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return float(np.maximum(np.abs(self.low), np.abs(self.high)).max())

    @property
    def interval(self) -> Interval:
        """What holds all features."""
        return float(self.low.min()), float(self.high.max())

    def within(self, interval: Interval) -> Reach:
        """The part of the intervals that lies in another one; its nearest end where there is none."""
        return Reach(*(np.clip(end, *interval) for end in (self.low, self.high)))

    def met(self, other: Reach) -> Reach:
        """What lies in both."""
        return Reach(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    def widened(self, by: float | Floats) -> Reach:
        """The intervals, larger by that much at both ends."""
        return Reach(self.low - by, self.high + by)


@np.errstate(all="ignore")  # what overflows is unbounded, and said so
def reaches(
    nodes: Sequence[Step], low: Floats, high: Floats, ranges: Mapping[int, Interval] = NO_RANGES
) -> tuple[Reach, ...]:
    """What comes to each node, and out of the last one, for inputs with low <= x <= high.

    It holds in real numbers, and for the floats of the twin too.

    nodes: affine layers and activations in order.
    low, high: bounds of the inputs, (features,).
    ranges: (low, high) of what comes to some nodes, by their places, which is taken for true (`fhenn.ranges.data`).
    Returns one reach before each node, and one after the last.

    >>> import fhenn
    >>> nodes = [fhenn.Linear([[1.0, 1.0]]), fhenn.Square(), fhenn.Linear([[2.0]], [1.0])]
    >>> [np.round(reach.interval, 3).tolist() for reach in reaches(nodes, np.zeros(2), np.ones(2))]
    [[0.0, 1.0], [-0.0, 2.0], [-0.0, 4.0], [1.0, 9.0]]
    """
    room = max(_ROOM, 2 * sum(node.operator.size for node in nodes if isinstance(node, Affine)))
    narrowed: dict[int, Reach] = {}

    def step(place: int, node: Affine | Activation, value: _Value) -> _Value:
        """What a node makes of a value."""
        if place in ranges:
            value = _Value(value.reach.within(ranges[place]), None)
            narrowed[place] = value.reach
        x, shape = value.reach, value.shape
        if isinstance(node, Affine):
            image, shape = _through_affine(node, x), _mix(node, x, shape, room, last=place == len(nodes) - 1)
        elif not node.times_input:
            polynomial = node.polynomials[0]
            image = image_of(polynomial, x)
            shape = None if shape is None else shape.through_polynomial(polynomial, x, room)
        else:
            image, shape = _through_stages(node, x), None
        return _Value(image if shape is None else image.met(shape.reach), shape).known

    # each as it was before it is said what was narrowed
    values = list(trail(nodes, _Value(Reach(low, high), None), step, _sum, _product))
    return tuple(narrowed.get(place, value.reach) for place, value in enumerate(values))


@dataclass(frozen=True)
class _Value:
    """A value enclosed twice.

    reach: by intervals.
    shape: by a zonotope, None where that says no more.
    """

    reach: Reach
    shape: _Zonotope | None

    @property
    def known(self) -> _Value:
        """The same, unbounded where nothing is known: infinity less infinity says nothing."""
        low, high = self.reach.low, self.reach.high
        return _Value(Reach(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)), self.shape)


def _sum(place: int, x: _Value, y: _Value) -> _Value:
    """The sum of two branches, as if they had nothing in common."""
    low, high = x.reach.low + y.reach.low, x.reach.high + y.reach.high
    return _Value(Reach(low, high).widened(2 * _UNIT * np.maximum(np.abs(low), np.abs(high))), None).known


def _product(place: int, x: _Value, y: _Value) -> _Value:
    """The product of two branches, as if they had nothing in common."""
    corners = np.stack([a * b for a in (x.reach.low, x.reach.high) for b in (y.reach.low, y.reach.high)])
    low, high = corners.min(axis=0), corners.max(axis=0)  # NaN where one is unbounded
    return _Value(Reach(low, high).widened(2 * _UNIT * np.maximum(np.abs(low), np.abs(high))), None).known


def _mix(node: Affine, x: Reach, shape: _Zonotope | None, room: int, *, last: bool) -> _Zonotope | None:
    """The zonotope after an affine map; None for a box.

    x: what comes to the map.
    shape: of that, None for a box.
    room: numbers that generators may be.
    last: whether no node follows: the interval of each output alone is exact for a box.
    """
    operator = node.operator
    if shape is None:
        alone = last or isinstance(operator, Scaling)  # nobody asks what features share
        return None if alone or operator.outputs * operator.inputs > room else _Zonotope.after(node, x)
    symbols = shape.generators.shape[1]
    fits = operator.outputs * symbols <= room and operator.size * symbols <= _WORK
    return shape.through_affine(node) if fits else None


def image_of(polynomial: Polynomial, x: Reach) -> Reach:
    """What a polynomial makes of intervals: its values on a grid, and what its bend allows between the points.

    No roots are sought: with a leading coefficient next to nothing they can get lost, and a turning point with them.
    """
    return Reach(*enclose(polynomial, x.low, x.high))


def _slack(node: Affine, largest: Floats) -> Floats:
    """How far rounding can put a sum of products off, for inputs of those magnitudes."""
    terms = (node.inputs + 2) * _UNIT
    slack: Floats = 2 * terms / (1 - terms) * (node.operator.abs_row_sums(largest) + np.abs(node.bias))
    return slack


def _through_affine(node: Affine, x: Reach) -> Reach:
    middle, half = (x.low + x.high) / 2, (x.high - x.low) / 2
    centre, radius = node.operator @ middle + node.bias, node.operator.abs_row_sums(half)
    slack = _slack(node, np.abs(middle) + half)
    return Reach(centre - radius - slack, centre + radius + slack)


def _through_stages(node: Activation, x: Reach) -> Reach:
    """Stages one after another, and the product with x."""
    y = x
    for stage in node.polynomials:
        y = image_of(stage, y)
    corners = np.stack([a * b for a in (x.low, x.high) for b in (y.low, y.high)])
    slack = OF_A_VALUE * np.abs(corners).max(axis=0)
    return Reach(corners.min(axis=0) - slack, corners.max(axis=0) + slack)


@dataclass(frozen=True)
class _Zonotope:
    """centre + generators · ε ± radius: (features,), (features, symbols), (features,)."""

    centre: Floats
    generators: Floats
    radius: Floats

    @classmethod
    def after(cls, node: Affine, x: Reach) -> _Zonotope:
        """What an affine map makes of a box."""
        middle, half = (x.low + x.high) / 2, (x.high - x.low) / 2
        rounded = 4 * _UNIT * (np.abs(middle) + half)
        radius = node.operator.abs_row_sums(rounded) + _slack(node, np.abs(middle) + half + rounded)
        return cls(node.operator @ middle + node.bias, node.operator.dense() * half, radius)

    @property
    def reach(self) -> Reach:
        spread = np.abs(self.generators).sum(axis=1)
        spread += self.radius + 2 * _UNIT * self.generators.shape[1] * (spread + np.abs(self.centre))
        return Reach(self.centre - spread, self.centre + spread)

    def through_affine(self, node: Affine) -> _Zonotope:
        magnitudes = np.abs(self.centre) + np.abs(self.generators).sum(axis=1) + self.radius
        radius = node.operator.abs_row_sums(self.radius) + _slack(node, magnitudes)
        return _Zonotope(node.operator @ self.centre + node.bias, node.operator @ self.generators, radius)

    def through_polynomial(self, polynomial: Polynomial, x: Reach, room: int) -> _Zonotope | None:
        features, symbols = self.generators.shape
        if features * (symbols + features) > room:
            return None
        slope, middle, far = _line(polynomial, x)
        magnitudes = np.abs(self.centre) + np.abs(self.generators).sum(axis=1) + self.radius
        radius = np.abs(slope) * self.radius + 4 * _UNIT * (np.abs(slope) * magnitudes + np.abs(middle))
        generators = np.hstack([slope[:, None] * self.generators, np.diag(far)])
        return _Zonotope(slope * self.centre + middle, generators, radius)


def _line(polynomial: Polynomial, x: Reach) -> tuple[Floats, Floats, Floats]:
    """a, m and δ with |p(x) - a·x - m| <= δ on each interval, (features,) each."""
    width = x.high - x.low
    ends = polynomial(x.high) - polynomial(x.low)
    slope = np.divide(ends, width, out=np.zeros_like(width), where=width > 0)
    distance, between = on_grid(polynomial, x.low, x.high, lambda points, values: values - slope * points)
    between += OF_A_VALUE * np.abs(slope) * np.maximum(np.abs(x.low), np.abs(x.high))
    low, high = distance.min(axis=0) - between, distance.max(axis=0) + between
    return slope, (low + high) / 2, (high - low) / 2
