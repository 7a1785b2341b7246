"""Through a model node by node: level, range, headroom and noise after each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, hypot, inf, sqrt
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.backends.ckks.circuits import outlook
from fhenn.backends.ckks.layout import Layout, Vectors
from fhenn.backends.ckks.matrix import Schedule, baby_steps
from fhenn.backends.ckks.noise import Noise, NoiseModel
from fhenn.backends.ckks.parameters import Parameters
from fhenn.backends.ckks.schedule import CubicForm, CubicSchedule, radius_within
from fhenn.errors import LevelExhausted, PlanError, ScaleMismatch
from fhenn.nn import Activation, Linear, Node, Sequential
from fhenn.planner.plan import Stage

Floats = NDArray[np.float64]
Interval = tuple[float, float]


def flatten(model: Node) -> Iterator[Linear | Activation]:
    """The nodes of a model in order, those of a Sequential in its place. Raises PlanError."""
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from flatten(node)
    elif isinstance(model, Linear | Activation):
        yield model
    else:
        raise PlanError(f"a {model.name} cannot be planned.", "Use Linear nodes and activations.")


def signature_of(model: Node) -> tuple[str, ...]:
    """The names and shapes of a model's nodes, and its finish."""
    finish = model.finish if isinstance(model, Sequential) else None
    return (*map(_described, flatten(model)), f"finish={finish}")


def _described(node: Linear | Activation) -> str:
    if isinstance(node, Linear):
        return f"Linear{node.weight.shape[1]}x{node.weight.shape[0]}"
    stages = ",".join(str(stage.degree) for stage in node.stages)
    return f"{node.name}{stages}[{node.domain[0]:g},{node.domain[1]:g}]"


@dataclass(frozen=True)
class Reach:
    """What comes to a node for inputs in the declared bounds: an interval for every feature."""

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


@dataclass(frozen=True)
class _Weights:
    """How errors come through the rows of a matrix, the worst one each.

    row: norm of a row. values: norm of the largest inputs. turned: of the rounding of the rotations before; spiked: of
    their spikes.

    A baby step is turned again for the next one, so an input carries the rounding of all steps before it. A spike
    stays where the step put it: an output meets those of one giant step, all alike, or of several where outputs are
    fewer than baby steps.
    """

    row: float
    values: float
    turned: float = 0.0
    spiked: float = 0.0

    @classmethod
    def of(cls, node: Linear, x: Reach, layout: Layout, slots: int) -> _Weights:
        weight = node.weight
        row = float(np.sqrt((weight**2).sum(axis=1)).max())
        values = float(np.sqrt((np.maximum(np.abs(x.low), np.abs(x.high)) ** 2).sum()))
        if not isinstance(layout, Vectors):
            return cls(row, values)
        schedule = Schedule.of(layout, weight.shape[0], slots)
        outputs, width = weight.shape
        steps = baby_steps(schedule, layout, width, slots)[:outputs]
        turned = float(np.sqrt((weight**2 * steps).sum(axis=1)).max())
        met = min((schedule.baby - 1) * ceil(schedule.baby / schedule.outputs), width)
        largest = np.partition(np.abs(weight), width - met, axis=1)[:, width - met :] if met else np.zeros((1, 1))
        return cls(row, values, turned, float(largest.sum(axis=1).max()))


class Path:
    """A model's nodes, and what there is to know of them whatever the parameters are.

    reach: what comes to each node, and out of the last one, by interval arithmetic.
    """

    def __init__(self, nodes: Sequence[Linear | Activation], low: Floats, high: Floats) -> None:
        self.nodes = tuple(nodes)
        found = [Reach(low, high)]
        for node in nodes:
            found.append(_through_linear(node, found[-1]) if isinstance(node, Linear) else _activated(node, found[-1]))
        self.reach = tuple(found)
        self._weights: dict[tuple[int, Layout, int], _Weights] = {}

    def weights(self, place: int, layout: Layout, slots: int) -> _Weights:
        """Of the Linear at a place, on inputs in a layout."""
        key = (place, layout, slots)
        if key not in self._weights:
            self._weights[key] = _Weights.of(cast(Linear, self.nodes[place]), self.reach[place], layout, slots)
        return self._weights[key]


def _through_linear(node: Linear, x: Reach) -> Reach:
    middle, half = (x.low + x.high) / 2, (x.high - x.low) / 2
    centre, reach = node.weight @ middle + node.bias, np.abs(node.weight) @ half
    return Reach(centre - reach, centre + reach)


def _activated(node: Activation, x: Reach) -> Reach:
    y = x
    for stage in node.stages:
        y = _image(stage, y)
    if len(node.stages) == 1:
        return y
    corners = np.stack([a * b for a in (x.low, x.high) for b in (y.low, y.high)])
    return Reach(corners.min(axis=0), corners.max(axis=0))


def _image(polynomial: Polynomial, x: Reach) -> Reach:
    """What a polynomial makes of intervals: its values at their ends, and where it turns between them."""
    values = np.stack([polynomial(np.clip(turn, x.low, x.high)) for turn in (-inf, *_turns(polynomial), inf)])
    return Reach(values.min(axis=0), values.max(axis=0))


@lru_cache(maxsize=256)
def _turns(polynomial: Polynomial) -> tuple[float, ...]:
    roots = map(complex, polynomial.derivative().to_numpy().roots())
    return tuple(root.real for root in roots if abs(root.imag) <= 1e-6 * max(1.0, abs(root)))


@lru_cache(maxsize=256)
def _derivative(polynomial: Polynomial) -> Polynomial:
    return polynomial.derivative()


@lru_cache(maxsize=1024)
def _largest(polynomial: Polynomial, interval: Interval) -> float:
    """The largest |p(x)| on an interval."""
    return _image(polynomial, Reach(np.array([interval[0]]), np.array([interval[1]]))).largest


@dataclass(frozen=True)
class _Place:
    """Where a value stands on its way: its level, scale, noise and packing."""

    level: int
    scale: float
    noise: Noise
    layout: Layout
    rotations: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Walk:
    """What a model needs and does under given parameters.

    stages: one for each node. bound: on the error at the output. rotations: steps that need a key.
    """

    stages: tuple[Stage, ...]
    bound: float
    rotations: frozenset[int]

    @property
    def holds(self) -> bool:
        """Whether every stage has the headroom for what comes to it."""
        return all(stage.largest <= stage.headroom for stage in self.stages)


def walk(path: Path, packing: Layout, parameters: Parameters) -> Walk:
    """The model under the parameters. Raises ScaleMismatch or LevelExhausted where they do not suit it."""
    primes = tuple(2.0**bits for bits in parameters.chain[:-1])
    model = NoiseModel(parameters.ring_degree, primes, 2.0 ** parameters.chain[-1])
    place = _Place(parameters.levels, parameters.scale, Noise(0.0, model.fresh / parameters.scale), packing)
    stages = []
    for number, (node, x) in enumerate(zip(path.nodes, path.reach, strict=False)):
        if isinstance(node, Linear):
            weights = path.weights(number, place.layout, parameters.slots)
            largest = x.largest, path.reach[number + 1].largest
            place, headroom = _linear(model, node, place, parameters.scale, weights, largest)
            width = node.weight.shape[0]
        else:
            place, headroom = _activation(model, node, place, x.interval)
            width = len(x.low)
        stages.append(Stage(node.name, width, place.level, x.largest, headroom, place.noise.deviation))
    if path.reach[-1].largest * place.scale > primes[0] / 2:
        raise ScaleMismatch(place.scale, int(primes[0]), "")
    return Walk(tuple(stages), place.noise.bound(parameters.slots), place.rotations)


def _linear(
    model: NoiseModel, node: Linear, place: _Place, nominal: float, weights: _Weights, largest: tuple[float, float]
) -> tuple[_Place, float]:
    """Where x Wᵀ + b stands, and the headroom at x; the noise is that of the row that has the most.

    nominal: the scale of the result. largest: of |x| and of |x Wᵀ + b|.
    """
    level, scale, layout, rotations = place.level, place.scale, place.layout, place.rotations
    if level < 1:
        raise LevelExhausted(node.name, 1, level, "")
    plain_scale = nominal * model.primes[level] / scale
    encoding = weights.values * model.encoding / plain_scale
    rounded, turned = Noise(model.rounding / nominal, 0.0), Noise(0.0, 0.0)
    if isinstance(layout, Vectors):
        schedule = Schedule.of(layout, node.weight.shape[0], model.ring_degree // 2)
        rotations |= schedule.rotations
        layout = Vectors("replicated", schedule.outputs, layout.samples)
        terms, folds = 2 ** len(schedule.folds), len(schedule.folds)
        rounded = rounded * sqrt(terms)
        # a spike sits in few slots: a fold's meets a sum once, where its rounding is in every term
        turn = model.key_switch(level - 1) * (1 / nominal)
        turned = Noise(turn.laplace * sqrt(terms - 1), turn.normal * sqrt(folds))
        baby = model.key_switch(level) * (1 / scale)
        turned += Noise(baby.laplace * weights.turned, baby.normal * weights.spiked)
    else:
        # a scalar's rounding is one number, not a slot's worth of them
        encoding /= sqrt(model.ring_degree / 2)
    fits = float(np.prod(model.primes[:level])) / 2 / nominal
    whole = float(np.prod(model.primes[: level + 1])) / 2 / scale
    headroom = min(whole, largest[0] * fits / largest[1] if largest[1] else inf)
    noise = place.noise * weights.row + rounded + turned + Noise(0.0, encoding)
    return _Place(level - 1, nominal, noise, layout, rotations), headroom


def _activation(model: NoiseModel, node: Activation, place: _Place, interval: Interval) -> tuple[_Place, float]:
    """Where the activation of inputs in an interval stands, and the headroom at its input."""
    start, x = place, Reach(np.array(interval[:1]), np.array(interval[1:]))
    first, *others = node.stages
    place, headroom = _polynomial(model, first, place, x.interval)
    y = _image(first, x)
    for stage in others:
        place, _ = _polynomial(model, stage, place, y.interval)
        y = _image(stage, y)
    if not others:
        return place, headroom
    # the last value times the input of the first
    level = min(place.level, start.level)
    if level < 1:
        raise LevelExhausted(node.name, node.cost, start.level, "")
    scale = place.scale * start.scale / model.primes[level]
    noise = start.noise * y.largest + place.noise * x.largest + Noise(model.rounding / scale, 0.0)
    after = replace(place, level=level - 1, scale=scale, noise=noise)
    return after, min(headroom, float(np.prod(model.primes[:level])) / 2 / scale / max(y.largest, 1.0))


def _polynomial(model: NoiseModel, polynomial: Polynomial, place: _Place, interval: Interval) -> tuple[_Place, float]:
    """Where p(x) stands for x in an interval, and the headroom at x."""
    level, scale = place.level, place.scale
    cubic = CubicForm.of(polynomial)
    slope = _largest(_derivative(polynomial), interval)
    if cubic is not None:
        moduli = [int(prime) for prime in model.primes[: level + 1]]
        schedule = CubicSchedule.choose(cubic.k, (scale, scale), moduli, model.ring_degree)
        noise = _noise_of_cubic(model, cubic, schedule, level, interval)
        after, result, headroom = level - schedule.levels, schedule.result, schedule.headroom(polynomial)
    else:
        after = level - polynomial.depth
        if after < 0:
            raise LevelExhausted(f"a polynomial of degree {polynomial.degree}", polynomial.depth, level, "")
        ahead = outlook(polynomial, scale, model, level, interval)
        noise, result = ahead.noise, ahead.scale
        headroom = radius_within(polynomial, float(np.prod(model.primes[: after + 1])) / 2 / result)
    return replace(place, level=after, scale=result, noise=place.noise * slope + noise), headroom


def _noise_of_cubic(
    model: NoiseModel, cubic: CubicForm, schedule: CubicSchedule, level: int, interval: Interval
) -> Noise:
    """What the cubic adds, at the input where it adds most."""
    largest = max(map(abs, interval))
    of_square = Noise(model.rounding, 0.0) if schedule.levels == 2 else model.key_switch(level)
    rounded = model.rounding / schedule.result
    if schedule.multiplier is not None:
        inner = max(abs(cubic.b), abs(largest**2 + cubic.b))
        rounded = hypot(rounded, model.rounding / schedule.factor * inner)
    return of_square * (abs(cubic.k) * largest / schedule.square) + Noise(rounded, 0.0)
