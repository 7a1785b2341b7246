"""Through a model node by node: level, range, headroom and noise after each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, prod, sqrt
from typing import cast

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.ckks.circuits import outlook
from fhenn.ckks.layout import Layout, Vectors
from fhenn.ckks.matrix import Schedule, baby_steps
from fhenn.ckks.noise import Noise, NoiseModel, noise_model
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.schedule import LARGEST_NOISE, LEAST_PLAIN_SCALE, CubicForm, CubicSchedule, radius_within
from fhenn.errors import LevelExhausted, PlanError, ScaleMismatch
from fhenn.nn import Activation, Linear, Node, Sequential
from fhenn.planner.plan import Stage
from fhenn.ranges.reach import Interval, Reach, derivative_of, image_of, largest_on, reaches

Floats = NDArray[np.float64]


def flatten(model: Node) -> Iterator[Linear | Activation]:
    """The nodes of a model in order, those of a Sequential in its place. Raises PlanError.

    >>> [node.name for node in flatten(Sequential([Sequential([Linear([[1.0]])]), Linear([[1.0]])]))]
    ['Linear', 'Linear']
    """
    if isinstance(model, Sequential):
        for node in model.nodes:
            yield from flatten(node)
    elif isinstance(model, Linear | Activation):
        yield model
    else:
        raise PlanError(f"a {model.name} cannot be planned.", "Use Linear nodes and activations.")


@dataclass(frozen=True)
class _Weights:
    """How errors come through the rows of a matrix, the worst one each.

    row: norm of a row. values: norm of the largest inputs. turned: of the rounding of the rotations before; spiked: of
    their spikes. All by the norm by which errors add up (`Noise`).

    A baby step is turned again for the next one, so an input carries the rounding of all steps before it. A spike
    stays where the step put it: an output meets those of one giant step, all alike, or of several where outputs are
    fewer than baby steps.
    """

    row: float
    values: float
    turned: float = 0.0
    spiked: float = 0.0

    @classmethod
    def of(cls, node: Linear, x: Reach, layout: Layout, slots: int, norm: int) -> _Weights:
        weight = np.abs(node.weight)
        row = float(((weight**norm).sum(axis=1) ** (1 / norm)).max())
        values = float((np.maximum(np.abs(x.low), np.abs(x.high)) ** norm).sum() ** (1 / norm))
        if not isinstance(layout, Vectors):
            return cls(row, values)
        schedule = Schedule.of(layout, weight.shape[0], slots)
        outputs, width = weight.shape
        steps = baby_steps(schedule, layout, width, slots)[:outputs]
        turned = float(((weight**norm * steps).sum(axis=1) ** (1 / norm)).max())
        met = min((schedule.baby - 1) * ceil(schedule.baby / schedule.outputs), width)
        largest = np.partition(weight, width - met, axis=1)[:, width - met :] if met else np.zeros((1, 1))
        return cls(row, values, turned, float(largest.sum(axis=1).max()))


class Path:
    """A model's nodes, and what there is to know of them whatever the parameters are.

    reach: what comes to each node, and out of the last one (`fhenn.ranges.reaches`).
    """

    def __init__(self, nodes: Sequence[Linear | Activation], low: Floats, high: Floats) -> None:
        self.nodes = tuple(nodes)
        self.reach = reaches(self.nodes, low, high)
        self._weights: dict[tuple[int, Layout, int, int], _Weights] = {}

    def weights(self, place: int, layout: Layout, slots: int, norm: int) -> _Weights:
        """Of the Linear at a place, on inputs in a layout, for errors that add up by a norm."""
        key = (place, layout, slots, norm)
        if key not in self._weights:
            self._weights[key] = _Weights.of(cast(Linear, self.nodes[place]), self.reach[place], layout, slots, norm)
        return self._weights[key]


@dataclass(frozen=True)
class Place:
    """Where a value stands on its way: its level, scale, noise and packing."""

    level: int
    scale: float
    noise: Noise
    layout: Layout
    rotations: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Walk:
    """What a model needs and does under given parameters.

    stages: one for each node. starts: where the input of each node stands. bounds: on the error after each node.
    end: where the output stands.
    """

    stages: tuple[Stage, ...]
    starts: tuple[Place, ...]
    bounds: tuple[float, ...]
    end: Place

    @property
    def rotations(self) -> frozenset[int]:
        """Steps that need a key."""
        return self.end.rotations

    @property
    def noise(self) -> Noise:
        """At the output."""
        return self.end.noise

    @property
    def bound(self) -> float:
        """On the error at the output."""
        return self.bounds[-1]

    @property
    def holds(self) -> bool:
        """Whether every stage has the headroom for what comes to it."""
        return all(stage.largest <= stage.headroom for stage in self.stages)


def walk(path: Path, packing: Layout, parameters: Parameters, norm: int = 2) -> Walk:
    """The model under the parameters; norm: how errors add up (`Noise`).

    Raises ScaleMismatch or LevelExhausted where they do not suit it.
    """
    model = noise_model(parameters)
    place = Place(parameters.levels, parameters.scale, Noise(0.0, model.fresh / parameters.scale, norm), packing)
    stages, bounds, starts = [], [], []
    for number, (node, x) in enumerate(zip(path.nodes, path.reach, strict=False)):
        starts.append(place)
        if isinstance(node, Linear):
            weights = path.weights(number, place.layout, parameters.slots, norm)
            largest = x.largest, path.reach[number + 1].largest
            place, headroom = _linear(model, node, place, parameters.scale, weights, largest)
            width = node.weight.shape[0]
        else:
            place, headroom = _activation(model, node, place, x.interval)
            width = len(x.low)
        stages.append(Stage(node.name, width, place.level, x.largest, headroom, place.noise.deviation))
        bounds.append(place.noise.bound(parameters.slots))
    if path.reach[-1].largest * place.scale > model.primes[0] / 2:
        raise ScaleMismatch(place.scale, int(model.primes[0]), "")
    return Walk(tuple(stages), tuple(starts), tuple(bounds), place)


def _linear(
    model: NoiseModel, node: Linear, place: Place, nominal: float, weights: _Weights, largest: tuple[float, float]
) -> tuple[Place, float]:
    """Where x Wᵀ + b stands, and the headroom at x; the noise is that of the row that has the most.

    nominal: the scale of the result. largest: of |x| and of |x Wᵀ + b|.
    """
    level, scale, layout, rotations, norm = place.level, place.scale, place.layout, place.rotations, place.noise.norm
    # with no level left the product is not rescaled (`evaluator.Landing`)
    rescaled = level > 0
    below = max(level - 1, 0)
    result = nominal if rescaled else scale * nominal
    plain_scale = result * (model.primes[level] if rescaled else 1) / scale
    if not rescaled and 4 * result > model.primes[0]:
        raise LevelExhausted(node.name, 1, level, "")
    if rescaled and plain_scale < LEAST_PLAIN_SCALE:
        raise ScaleMismatch(scale, int(model.primes[level]), "")
    room, room_below = (prod(model.primes[: at + 1]) for at in (level, below))
    # the bias must fit as a plaintext: it can be far larger than the sum that it completes
    if 4 * result * np.abs(node.bias).max() > room_below:
        raise ScaleMismatch(result, int(model.primes[0]), "")
    encoding = weights.values * model.encoding / plain_scale
    rounded, turned = Noise(model.rounding / result if rescaled else 0.0, 0.0), Noise(0.0, 0.0)
    if isinstance(layout, Vectors):
        schedule = Schedule.of(layout, node.weight.shape[0], model.ring_degree // 2)
        rotations |= schedule.rotations
        layout = Vectors("replicated", schedule.outputs, layout.samples)
        terms, folds = 2 ** len(schedule.folds), len(schedule.folds)
        rounded = rounded * terms ** (1 / norm)
        # a spike sits in few slots: a fold's meets a sum once, where its rounding is in every term
        turn = model.key_switch(below) * (1 / result)
        turned = Noise(turn.laplace * (terms - 1) ** (1 / norm), turn.normal * folds ** (1 / norm))
        baby = model.key_switch(level) * (1 / scale)
        turned += Noise(baby.laplace * weights.turned, baby.normal * weights.spiked)
    else:
        # a scalar's rounding is one number, not a slot's worth of them
        encoding /= sqrt(model.ring_degree / 2)
    fits, whole = room_below / 2 / result, room / 2 / scale
    headroom = min(whole, largest[0] * fits / largest[1] if largest[1] else inf)
    noise = place.noise * weights.row + rounded + turned + Noise(0.0, encoding)
    return Place(below, result, noise, layout, rotations), headroom


def _activation(model: NoiseModel, node: Activation, place: Place, interval: Interval) -> tuple[Place, float]:
    """Where the activation of inputs in an interval stands, and the headroom at its input."""
    start, x = place, Reach(np.array(interval[:1]), np.array(interval[1:]))
    first, *others = node.stages
    place, headroom = _polynomial(model, first, place, x.interval)
    if not others and not node.times_input:
        return place, headroom
    y = image_of(first, x)
    for stage in others:
        place, _ = _polynomial(model, stage, place, y.interval)
        y = image_of(stage, y)
    if not node.times_input:
        return place, headroom
    # the last value times the input of the first
    level = min(place.level, start.level)
    if level < 1:
        raise LevelExhausted(node.name, node.cost, start.level, "")
    scale = place.scale * start.scale / model.primes[level]
    if 4 * scale > prod(model.primes[:level]) or model.ring_degree / scale > LARGEST_NOISE:
        raise ScaleMismatch(scale, int(model.primes[level]), "")
    # the last value and the input err together
    both = Noise(
        start.noise.laplace * y.largest + place.noise.laplace * x.largest,
        start.noise.normal * y.largest + place.noise.normal * x.largest,
        place.noise.norm,
    )
    switched = model.key_switch(level) * (1 / place.scale / start.scale)
    noise = both + switched + Noise(model.rounding / scale, 0.0)
    after = replace(place, level=level - 1, scale=scale, noise=noise)
    return after, min(headroom, prod(model.primes[:level]) / 2 / scale / max(y.largest, 1.0))


def _polynomial(model: NoiseModel, polynomial: Polynomial, place: Place, interval: Interval) -> tuple[Place, float]:
    """Where p(x) stands for x in an interval, and the headroom at x."""
    level, scale = place.level, place.scale
    cubic = CubicForm.of(polynomial)
    slope = largest_on(derivative_of(polynomial), interval)
    if cubic is not None:
        moduli = [int(prime) for prime in model.primes[: level + 1]]
        schedule = CubicSchedule.choose(cubic.k, (scale, scale), moduli, model.ring_degree)
        noise = _noise_of_cubic(model, cubic, schedule, level, interval, place.noise.norm)
        after, result, headroom = level - schedule.levels, schedule.result, schedule.headroom(polynomial)
    else:
        after = level - polynomial.depth
        if after < 0:
            raise LevelExhausted(f"a polynomial of degree {polynomial.degree}", polynomial.depth, level, "")
        ahead = outlook(polynomial, scale, model, level, interval, place.noise.norm)
        noise, result = ahead.noise, ahead.scale
        headroom = radius_within(polynomial, prod(model.primes[: after + 1]) / 2 / result)
    return replace(place, level=after, scale=result, noise=place.noise * slope + noise), headroom


def _noise_of_cubic(
    model: NoiseModel, cubic: CubicForm, schedule: CubicSchedule, level: int, interval: Interval, norm: int
) -> Noise:
    """What the cubic adds, at the input where it adds most."""
    largest = max(map(abs, interval))
    of_square = Noise(model.rounding, 0.0) if schedule.levels == 2 else model.key_switch(level)
    noise = of_square * (abs(cubic.k) * largest / schedule.square)
    noise = Noise(noise.laplace, noise.normal, norm) + Noise(model.rounding / schedule.result, 0.0)
    if schedule.multiplier is not None:
        inner = max(abs(cubic.b), abs(largest**2 + cubic.b))
        noise += Noise(model.rounding / schedule.factor * inner, 0.0)
    return noise
