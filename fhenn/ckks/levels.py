"""`Levels`: operations on levels and exact scales alone, with a count of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.operations import Operations

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """What stands for a ciphertext.

    level: rescales left.
    scale: exact.
    parts: polynomials, 3 after a product, 2 otherwise.
    """

    level: int
    scale: float
    parts: int = 2


@dataclass(frozen=True)
class Plain:
    """What stands for a plaintext.

    values: one number for every slot, or all slot values.
    scale: that they are encoded at.
    """

    values: float | Floats
    scale: float


X = TypeVar("X", bound=Placed)


class Levels(Operations[X, Plain], Generic[X]):
    """Levels and scales as any evaluator makes them.

    primes: those under an input, first prime first.
    ring_degree: N; 0 where noise is of no interest.
    nominal: the scale of fresh ciphertexts.
    counts: of "products", "plain products", "relinearisations", "rescales" and "rotations" so far.
    """

    def __init__(self, primes: Sequence[float], ring_degree: int = 0, nominal: float = 1.0) -> None:
        self.primes = primes
        self.counts: Counter[str] = Counter()
        self._ring_degree, self._nominal = ring_degree, nominal

    @property
    def nominal(self) -> float:
        return self._nominal

    @property
    def ring_degree(self) -> int:
        return self._ring_degree

    def fresh(self, scale: float) -> Any:
        """An input at the top level."""
        return Placed(len(self.primes) - 1, scale)

    def level(self, x: X) -> int:
        return x.level

    def scale(self, x: X) -> float:
        return x.scale

    def plaintext(self, values: float | Floats, level: int, scale: float) -> Plain:
        return Plain(values, scale)

    def is_zero(self, plaintext: Plain) -> bool:
        return not np.any(plaintext.values)

    def zero(self, level: int, scale: float) -> Any:
        return replace(self.fresh(scale), level=level)

    def read(self, x: X, scale: float) -> X:
        return replace(x, scale=scale)

    def negate(self, x: X) -> X:
        return x

    def drop(self, x: X, level: int) -> X:
        return x if level == x.level else replace(x, level=level)

    def plus(self, x: X, addend: float | Plain) -> X:
        return x

    def times(self, x: X, factor: Plain) -> X:
        self.counts["plain products"] += 1
        return replace(x, scale=x.scale * factor.scale)

    def add(self, x: X, y: X) -> X:
        return replace(x, parts=max(x.parts, y.parts))

    def multiply(self, x: X, y: X) -> X:
        self.counts["products"] += 1
        return replace(x, scale=x.scale * y.scale, parts=3)

    def relinearise(self, x: X) -> X:
        if x.parts == 2:
            return x
        self.counts["relinearisations"] += 1
        return replace(x, parts=2)

    def rescale(self, x: X) -> X:
        self.counts["rescales"] += 1
        return replace(x, level=x.level - 1, scale=x.scale / self.primes[x.level])

    def can_rotate(self, steps: int) -> bool:
        return True

    def rotated(self, x: X, steps: Sequence[int]) -> list[X]:
        self.counts["rotations"] += self.rotations.count(steps)
        return [x] * len(steps)
