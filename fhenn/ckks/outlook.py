"""What evaluating a polynomial on a ciphertext will be like: the scale of its result, and the error that it adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.ckks.circuits import evaluate
from fhenn.ckks.levels import Kind, Levels, Placed, Plain
from fhenn.ckks.noise import Noise, NoiseModel

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_POINTS = 129


@dataclass(frozen=True)
class Followed(Placed):
    """What stands for a ciphertext on its way through a circuit.

    values: what it holds at the points that are followed, (points,); None where none are.
    moved: how far a unit of error at each event moves them, (points,) by event.
    """

    values: Floats | None = None
    moved: dict[int, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class _Event:
    """Where an error enters.

    kind: "rescale", "key switch" or "number".
    level: of the ciphertext there.
    scale: of the ciphertext there.
    """

    kind: str
    level: int
    scale: float


class Follower(Levels[Followed]):
    """Operations that list where errors enter, and follow them to the result.

    primes: those under the input, first prime first.
    ring_degree: N.
    points: values of the input, (points,), at which they are followed; None to list them only.
    """

    def __init__(self, primes: Sequence[float], ring_degree: int, points: Floats | None = None) -> None:
        super().__init__(primes, ring_degree)
        self.events: list[_Event] = []
        self._points = points

    def fresh(self, scale: float) -> Followed:
        return Followed(len(self.primes) - 1, scale, values=self._points)

    def read(self, x: Followed, scale: float) -> Followed:
        return replace(_scale_by(x, x.scale / scale), scale=scale)

    def negate(self, x: Followed) -> Followed:
        return _scale_by(x, -1.0)

    def plus(self, x: Followed, addend: float | Plain) -> Followed:
        x = super().plus(x, addend)
        constant = addend.values if isinstance(addend, Plain) else addend
        return x if x.values is None else replace(x, values=x.values + constant)

    def times(self, x: Followed, factor: Plain) -> Followed:
        # a number is encoded as an integer, which puts it off by half a unit at most
        product = super().times(_scale_by(x, float(factor.values)), factor)
        return self._enter(product, "number", factor.scale, x.values)

    def add(self, x: Followed, y: Followed) -> Followed:
        total = super().add(x, y)
        if x.values is None or y.values is None:
            return total
        return replace(total, values=x.values + y.values, moved=_add_by_event(x.moved, y.moved))

    def multiply(self, x: Followed, y: Followed) -> Followed:
        product = super().multiply(x, y)
        if x.values is None or y.values is None:
            return product
        left = {event: moved * y.values for event, moved in x.moved.items()}
        right = {event: moved * x.values for event, moved in y.moved.items()}
        return replace(product, values=x.values * y.values, moved=_add_by_event(left, right))

    def relinearise(self, x: Followed) -> Followed:
        return x if x.parts == 2 else self._enter(super().relinearise(x), "key switch")

    def rescale(self, x: Followed) -> Followed:
        return self._enter(super().rescale(x), "rescale")

    def _enter(self, x: Followed, kind: str, scale: float | None = None, by: Floats | None = None) -> Followed:
        """x, where an error of a kind enters.

        x: a followed value.
        kind: of the error.
        scale: at which a unit of it counts, None for that of x.
        by: what it is multiplied by, (points,); None for 1.
        """
        self.events.append(_Event(kind, x.level, scale or x.scale))
        if x.values is None:
            return x
        return replace(x, moved={**x.moved, len(self.events) - 1: np.ones_like(x.values) if by is None else by})


def _scale_by(x: Followed, factor: float) -> Followed:
    """factor·x, with its errors."""
    if x.values is None:
        return x
    moved = {event: moved * factor for event, moved in x.moved.items()}
    return replace(x, values=x.values * factor, moved=moved)


def _add_by_event(x: dict[int, Floats], y: dict[int, Floats]) -> dict[int, Floats]:
    """The movements of a sum: those of its terms, added event by event."""
    return {**y, **{event: moved + y[event] if event in y else moved for event, moved in x.items()}}


@dataclass(frozen=True)
class Outlook:
    """What an evaluation will be like.

    level: of its result.
    scale: of its result.
    noise: what it adds.
    counts: of the steps, by kind and level.
    """

    level: int
    scale: float
    noise: Noise
    counts: Counter[tuple[Kind, int]] = field(default_factory=Counter, compare=False)


@lru_cache(maxsize=4096)
def outlook(
    polynomial: Polynomial,
    scale: float,
    model: NoiseModel,
    level: int,
    interval: Interval | None = None,
    norm: int = 2,
) -> Outlook:
    """What evaluating a polynomial will be like, at the input where it errs most.

    polynomial: p.
    scale: of the input.
    model: of the noise.
    level: of the input.
    interval: (low, high) that the inputs lie in, None for the domain.
    norm: how errors add up (`Noise`).

    Raises LevelExhausted and ScaleMismatch as `evaluate` does.
    """
    primes = model.primes[: level + 1]
    on = Follower(primes, model.ring_degree)
    result = evaluate(polynomial, on.fresh(scale), on)
    kinds = tuple(event.kind for event in on.events)
    moved = _movements(polynomial, kinds, interval or polynomial.domain, (scale, primes, model.ring_degree))
    return Outlook(result.level, result.scale, _added(on.events, moved, model, norm), on.counts)


def noise_of_circuit(
    circuit: Callable[[Follower, Followed], Followed], scale: float, model: NoiseModel, level: int, interval: Interval
) -> Noise:
    """What a circuit of one input adds, at the input where it errs most.

    circuit: takes the operations and the input.
    scale: of the input.
    model: of the noise.
    level: of the input.
    interval: (low, high) that the inputs lie in.

    Raises what the circuit does.
    """
    on = Follower(model.primes[: level + 1], model.ring_degree, _points_of(interval))
    moved = circuit(on, on.fresh(scale)).moved
    return _added(on.events, np.abs([moved.get(event, np.zeros(_POINTS)) for event in range(len(on.events))]), model, 2)


def _added(events: Sequence[_Event], moved: Floats, model: NoiseModel, norm: int) -> Noise:
    """The noise of all events together, at the point where it is largest.

    events: of a circuit.
    moved: how far a unit of error at each moves the result, (events, points).
    model: of the noise.
    norm: how errors add up (`Noise`).
    """
    laplace, normal = np.zeros(_POINTS), np.zeros(_POINTS)
    for event, by in zip(events, moved, strict=True):
        noise = _noise_of(event, model)
        laplace += (noise.laplace / event.scale * by) ** norm
        normal += (noise.normal / event.scale * by) ** norm
    worst = int((laplace + normal).argmax())
    return Noise(float(laplace[worst]) ** (1 / norm), float(normal[worst]) ** (1 / norm), norm)


def _noise_of(event: _Event, model: NoiseModel) -> Noise:
    """Of an event, in units of 1/scale."""
    if event.kind == "number":
        return Noise(0.0, 0.5)
    return Noise(model.rounding, 0.0) if event.kind == "rescale" else model.key_switch(event.level)


def _points_of(interval: Interval) -> Floats:
    """Where errors are followed, (points,)."""
    low, high = interval
    points: Floats = (low + high) / 2 - np.cos(np.linspace(0, np.pi, _POINTS)) * (high - low) / 2
    return points


_KEPT: dict[Any, Floats] = {}


def _movements(
    polynomial: Polynomial, kinds: tuple[str, ...], interval: Interval, under: tuple[float, tuple[float, ...], int]
) -> Floats:
    """How far a unit of error at each event moves the result, (events, points).

    The same for all scales and primes under which the events are the same: kept.
    """
    key = polynomial, kinds, interval
    known = _KEPT.get(key)
    if known is not None:
        return known
    scale, primes, ring_degree = under
    points = _points_of(interval)
    on = Follower(primes, ring_degree, points)
    result = evaluate(polynomial, on.fresh(scale), on)
    moved = [np.broadcast_to(result.moved.get(event, 0.0), points.shape) for event in range(len(kinds))]
    distances: Floats = np.abs(moved).reshape(len(kinds), _POINTS)
    if len(_KEPT) >= 256:
        _KEPT.clear()
    _KEPT[key] = distances  # another thread may clear it again: what was computed is what is returned
    return distances
