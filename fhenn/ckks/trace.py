"""Circuits without ciphertexts: levels, scales, counts of operations, and how far each rounding moves the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Traced:
    """What stands for a ciphertext: its level, exact scale and parts (3 after a product, 2 otherwise).

    values: what it holds at the points of the trace. moved: how far a unit of error at each event moves them.
    """

    level: int
    scale: float
    parts: int = 2
    values: Floats | None = None
    moved: dict[int, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Where an error enters: a "rescale", or a "key switch", at a level and scale."""

    kind: str
    level: int
    scale: float


class Trace:
    """`circuits.Arithmetic` that keeps levels and scales, counts operations and lists where errors enter.

    primes: those under the input, first prime first. points: inputs at which to follow values and errors, if any.
    """

    def __init__(self, primes: Sequence[float], points: Floats | None = None) -> None:
        self.primes = primes
        self.counts: Counter[str] = Counter()
        self.events: list[Event] = []
        self._points = points

    def fresh(self, scale: float) -> Traced:
        """An input at the top level."""
        return Traced(len(self.primes) - 1, scale, values=self._points)

    def level(self, x: Traced) -> int:
        return x.level

    def scale(self, x: Traced) -> float:
        return x.scale

    def read(self, x: Traced, scale: float) -> Traced:
        return replace(self._scaled(x, x.scale / scale), scale=scale)

    def negate(self, x: Traced) -> Traced:
        return self._scaled(x, -1.0)

    def drop(self, x: Traced, level: int) -> Traced:
        return replace(x, level=level)

    def plus(self, x: Traced, constant: float) -> Traced:
        return x if x.values is None else replace(x, values=x.values + constant)

    def times(self, x: Traced, constant: float, scale: float) -> Traced:
        self.counts["plain products"] += 1
        return replace(self._scaled(x, constant), scale=x.scale * scale)

    def add(self, x: Traced, y: Traced) -> Traced:
        total = replace(x, parts=max(x.parts, y.parts))
        if x.values is None or y.values is None:
            return total
        return replace(total, values=x.values + y.values, moved=_sum(x.moved, y.moved))

    def multiply(self, x: Traced, y: Traced) -> Traced:
        self.counts["products"] += 1
        product = Traced(x.level, x.scale * y.scale, 3)
        if x.values is None or y.values is None:
            return product
        left = {event: moved * y.values for event, moved in x.moved.items()}
        right = {event: moved * x.values for event, moved in y.moved.items()}
        return replace(product, values=x.values * y.values, moved=_sum(left, right))

    def relinearise(self, x: Traced) -> Traced:
        if x.parts == 2:
            return x
        self.counts["relinearisations"] += 1
        return self._entered(replace(x, parts=2), "key switch")

    def rescale(self, x: Traced) -> Traced:
        self.counts["rescales"] += 1
        return self._entered(replace(x, level=x.level - 1, scale=x.scale / self.primes[x.level]), "rescale")

    @staticmethod
    def _scaled(x: Traced, factor: float) -> Traced:
        if x.values is None:
            return x
        moved = {event: moved * factor for event, moved in x.moved.items()}
        return replace(x, values=x.values * factor, moved=moved)

    def _entered(self, x: Traced, kind: str) -> Traced:
        self.events.append(Event(kind, x.level, x.scale))
        if x.values is None:
            return x
        return replace(x, moved={**x.moved, len(self.events) - 1: np.ones_like(x.values)})


def _sum(x: dict[int, Floats], y: dict[int, Floats]) -> dict[int, Floats]:
    return {**y, **{event: moved + y[event] if event in y else moved for event, moved in x.items()}}
