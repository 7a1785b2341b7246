"""Through a model node by node: level, range, headroom and noise after each of them.

The nodes themselves run, on what stands for ciphertexts (`fhenn.ckks.trace`): what is planned is what a server does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, sqrt
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.enclosure import image_on
from fhenn.backends import CIPHER
from fhenn.ckks import CipherArray, Layout, Parameters
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.evaluator import SEAL, Evaluator
from fhenn.ckks.headroom import radius_within
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.noise import Noise
from fhenn.ckks.outlook import outlook
from fhenn.ckks.trace import Trace, Traced, TracedContext
from fhenn.errors import ScaleMismatch
from fhenn.nn import Activation, Affine, Node, Step, Wiring, trail
from fhenn.planner.plan import Plan, Stage
from fhenn.planner.scaling import (
    ServedLayer,
    nodes_in_units,
    scaled_bounds,
    served_nodes,
    starting,
    with_idle_values,
    with_spare,
    with_targets,
)
from fhenn.ranges import DataRanges, Reach, reaches
from fhenn.ranges.data import range_for_sums

Floats = NDArray[np.float64]

NOTHING_SEEN: Mapping[int, Floats] = MappingProxyType({})


class Path:
    """A model's nodes, and what there is to know of them whatever the parameters are.

    nodes: of the model, in order.
    low, high: bounds of the inputs, (features,) each.
    ranges: of what comes to activations, from data; None for the worst case.
    seen: what samples bring to the activations, (samples, features) of each by its place; empty without samples.
    reach: what comes to each node, and out of the last one (`fhenn.ranges.reaches`).
    bounds: of the same values, as the arithmetic of a plan takes them.
    """

    def __init__(
        self,
        nodes: Sequence[Step],
        low: Floats,
        high: Floats,
        ranges: DataRanges | None = None,
        seen: Mapping[int, Floats] = NOTHING_SEEN,
    ) -> None:
        self.nodes, self.ranges, self.seen = tuple(with_idle_values(nodes)), ranges, seen
        self.reach = reaches(self.nodes, low, high, {} if ranges is None else ranges.at(self.nodes))
        self.bounds = tuple(Bounds(reach.low, reach.high) for reach in self.reach)

    @classmethod
    def of(cls, plan: Plan, model: Node) -> Path:
        """A model as the server of a plan runs it.

        plan: of the model.
        model: any node.

        Raises ValueError where the plan has ranges for another number of activations, and ShapeMismatch, which is one
        too, where it has units for other outputs.
        """
        bounds = scaled_bounds(*plan.bounds) if plan.scaled else plan.bounds
        return cls(served_nodes(plan, model), *bounds, plan.ranges)

    def in_units(self, units: Sequence[float]) -> Path:
        """The same model with outputs in units.

        units: powers of two, (outputs,); none for outputs as they are.
        """
        if not units:
            return self
        path, end = copy(self), self.reach[-1]
        path.nodes = tuple(nodes_in_units(self.nodes, units))
        path.reach = (*self.reach[:-1], Reach(end.low / np.array(units), end.high / np.array(units)))
        path.bounds = (*self.bounds[:-1], Bounds(path.reach[-1].low, path.reach[-1].high))
        return path

    def with_spare(self, spare: int) -> Path:
        """The same model under so many levels more than its nodes take (`with_spare`).

        spare: levels.
        """
        path = copy(self)
        path.nodes = tuple(with_spare(self.nodes, spare))
        return path

    def placed(self, targets: Sequence[WholeSamples | None]) -> Path:
        """The same model with outputs at given places.

        targets: of each affine node (`with_targets`).
        """
        path = copy(self)
        path.nodes = tuple(with_targets(self.nodes, targets))
        return path

    def widened(self, places: Collection[int]) -> Path:
        """The same model with ranges from data so wide that witnesses which add up squares are quiet.

        places: of the activations whose ranges widen; they have samples in `seen`.
        """
        if self.ranges is None:
            return self
        ends, intervals = (self.reach[0].low, self.reach[0].high), self.ranges.at(self.nodes)
        for place in sorted(places):
            worst = reaches(self.nodes[:place], *ends, intervals)[-1].interval
            intervals[place] = range_for_sums(self.seen[place], intervals[place], worst)
        return Path(self.nodes, *ends, replace(self.ranges, intervals=tuple(intervals.values())), self.seen)


@dataclass(frozen=True)
class Place:
    """Where a value stands on its way through a model.

    array: of one traced ciphertext, which stands for all.
    """

    array: CipherArray

    @property
    def traced(self) -> Traced:
        """Level, scale, noise and bounds."""
        traced: Traced = self.array.ciphertexts[0]
        return traced

    @property
    def layout(self) -> Layout:
        """How it sits in slots."""
        return self.array.layout

    @property
    def values(self) -> int:
        """How many values there are in its ciphertexts, for as many samples as share them."""
        return self.array.context.slots * (self.layout.tiles if isinstance(self.layout, WholeSamples) else 1)

    @property
    def bound(self) -> float:
        """Bound on the error of all of them, except with probability 2⁻⁴⁰."""
        return self.traced.noise.bound(self.values)

    @property
    def fits(self) -> float:
        """The largest magnitude under the modulus here."""
        return self.array.context.modulus(self.array.level) / 2 / self.array.scale


@dataclass(frozen=True)
class Walk:
    """What a model needs and does under given parameters.

    path: the model.
    places: where the input of each node stands, and the output.
    trace: the arithmetic that it was computed with.
    """

    path: Path
    places: tuple[Place, ...]
    trace: Trace

    @property
    def starts(self) -> tuple[Place, ...]:
        """Where the input of each node stands."""
        return self.places[:-1]

    @property
    def end(self) -> Place:
        """Where the output stands."""
        return self.places[-1]

    @property
    def rotations(self) -> Mapping[int, int]:
        """Steps, in slots, that need a key, and the highest level of what they turn."""
        return self.trace.keys

    @property
    def noise(self) -> Noise:
        """The error at the output."""
        return self.end.traced.noise

    @cached_property
    def bounds(self) -> tuple[float, ...]:
        """Bound on the error after each node, except with probability 2⁻⁴⁰."""
        return tuple(place.bound for place in self.places[1:])

    @property
    def bound(self) -> float:
        """Bound on the error at the output, except with probability 2⁻⁴⁰."""
        return self.end.bound

    @property
    def holds(self) -> bool:
        """Whether the modulus holds what comes to every node."""
        return self.end.traced.room >= 1

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One for each node, with its headroom."""
        return tuple(
            Stage(
                node=node.name,
                features=len(image.low),
                level=after.array.level,
                largest=x.largest,
                headroom=self._headroom(node, (before, after), (x, image)),
                noise=after.traced.noise.deviation,
            )
            for node, before, after, x, image in zip(
                self.path.nodes,
                self.starts,
                self.places[1:],
                self.path.reach[:-1],
                self.path.reach[1:],
                strict=True,
            )
            if not isinstance(node, Wiring)
        )

    def _headroom(self, node: Affine | Activation, places: tuple[Place, Place], reach: tuple[Reach, Reach]) -> float:
        """The largest |x| that the modulus surely holds on the way through a node.

        places: before and after it.
        reach: what comes to it, and out of it.
        """
        (before, after), (x, image) = places, reach
        if isinstance(node, Affine):
            return min(before.fits, x.largest * after.fits / image.largest if image.largest else inf)
        first, *others = node.polynomials
        ahead = outlook(first, before.array.scale, self.trace.noise, before.array.level)
        headroom = radius_within(first, self.trace.modulus(ahead.level) / 2 / ahead.scale)
        if not node.times_input:
            return headroom
        interval = image_on(first, x.interval)
        for polynomial in others:
            interval = image_on(polynomial, interval)
        return min(headroom, after.fits / max(*map(abs, interval), 1.0))


def walk(
    path: Path,
    packing: Layout,
    parameters: Parameters,
    norm: int = 2,
    keys: Mapping[int, int] | None = None,
    evaluator: Evaluator = SEAL,
    uploads: int = 1,
) -> Walk:
    """A model under parameters.

    path: the model.
    packing: layout of its inputs.
    parameters: ring degree, chain and scale.
    norm: how errors add up, 2 or 1 (`fhenn.ckks.noise.Noise`).
    keys: rotations, in slots, that there are keys for, and up to which level; any where None.
    evaluator: whose rotations and noise they are.
    uploads: whose average the first node makes, each with a map of its own (`fhenn.planner.averages`).

    Returns what it needs and does there.
    Raises ScaleMismatch or LevelExhausted where the parameters do not suit the model, KeyMissing where the keys do not.
    """
    context = TracedContext(parameters, norm, evaluator)
    on = context.arithmetic
    on.available = keys

    def step(place: int, node: Affine | Activation, x: CipherArray) -> CipherArray:
        """What a node makes of a traced array."""
        if isinstance(node, Activation):  # where a branch begins, its range is narrower than what is put aside
            x = replace(x, ciphertexts=(on.with_bounds(x.ciphertexts[0], path.bounds[place]),))
        x = node.evaluate(CIPHER, x)
        traced = on.with_bounds(x.ciphertexts[0], path.bounds[place + 1])
        if isinstance(node, ServedLayer) and node.sums is not None:
            # of the twin, and of the map that the server makes of the layer
            traced = on.rounded(traced, 2 * node.inputs + 8, float(node.sums.max()))
        if not place:
            traced = replace(traced, noise=traced.noise * uploads)  # their plaintexts may err alike
        return replace(x, ciphertexts=(traced,))

    def join(place: int, x: CipherArray, y: CipherArray) -> CipherArray:
        """The sum of two branches."""
        total = CIPHER.add(x, y)
        traced = total.ciphertexts[0]
        # they may have errors in common: a + b <= √2·√(a² + b²)
        noise = traced.noise * (sqrt(2) if norm == 2 else 1.0)
        return replace(total, ciphertexts=(on.with_bounds(replace(traced, noise=noise), path.bounds[place + 1]),))

    def product(place: int, x: CipherArray, y: CipherArray) -> CipherArray:
        """The product of two branches."""
        both, bounds = x * y, path.bounds[place + 1]
        traced = on.rounded(both.ciphertexts[0], 2, bounds.largest)  # of the twin
        return replace(both, ciphertexts=(on.with_bounds(traced, bounds),))

    *arrays, x = trail(path.nodes, context.array(packing, path.bounds[0]), step, join, product)
    places = (*map(Place, starting(path.nodes, arrays)), Place(replace(x, ciphertexts=(on.decoded(x.ciphertexts[0]),))))
    if path.reach[-1].largest * x.scale > on.primes[0] / 2:
        raise ScaleMismatch(x.scale, int(on.primes[0]), "")
    return Walk(path, places, on)
