"""`Levels`: operations on levels and exact scales alone, with a count of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.operations import Operations
from fhenn.ckks.rotations import CHAINED, Rotations
from fhenn.errors import ScaleMismatch

Floats = NDArray[np.float64]

Kind = Literal[
    "plain product",
    "product",
    "relinearisation",
    "rescale",
    "rotation",
    "hoisted rotation",
    "addition",
    "number",
    "vector",
]
"""A small step that is counted; "number" and "vector" are plaintexts that are encoded.

A "hoisted rotation" takes the digits of another rotation, of the same ciphertext.
"""


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
    """Levels and scales as any evaluator makes them; what the modulus does not hold, as every evaluator refuses it.

    primes: those under an input, first prime first.
    ring_degree: N; 0 where noise is of no interest.
    nominal: the scale of fresh ciphertexts.
    counts: of each kind of step at each level so far.
    """

    def __init__(self, primes: Sequence[float], ring_degree: int = 0, nominal: float = 1.0) -> None:
        self.primes = primes
        self.counts: Counter[tuple[Kind, int]] = Counter()
        self._ring_degree, self._nominal = ring_degree, nominal

    def count(self, kind: Kind, level: int, count: int = 1) -> None:
        """Note steps that are made.

        kind: of the steps.
        level: of the ciphertexts that they are made on.
        count: how many there are.
        """
        if count:
            self.counts[kind, level] += count

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

    def require_scale(self, level: int, scale: float) -> None:
        """Raise ScaleMismatch where a plaintext or product at a level may not have a scale."""
        if not 2 * scale <= self.modulus(level):
            raise ScaleMismatch(scale, int(self.primes[level]), "The modulus does not hold it: use larger primes.")

    def require_encodable(self, level: int, scale: float, largest: float) -> None:
        """Raise ScaleMismatch where the modulus does not hold a plaintext.

        level: of the ciphertext that it is for.
        scale: that it is encoded at.
        largest: magnitude of its values.
        """
        self.require_scale(level, scale)
        if not 4 * scale * largest <= self.modulus(level):
            raise ScaleMismatch(
                scale, int(self.primes[level]), f"The modulus does not hold {largest:g} there: use larger primes."
            )

    def plaintext(self, values: float | Floats, level: int, scale: float) -> Plain:
        self.require_encodable(level, scale, float(np.abs(values).max()))
        self.count("vector" if isinstance(values, np.ndarray) else "number", level)
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
        if not isinstance(addend, Plain):
            self.require_encodable(x.level, x.scale, abs(addend))
            self.count("number", x.level)
        self.count("addition", x.level)
        return x

    def times(self, x: X, factor: Plain) -> X:
        self.require_scale(x.level, x.scale * factor.scale)
        self.count("plain product", x.level)
        return replace(x, scale=x.scale * factor.scale)

    def add(self, x: X, y: X) -> X:
        self.count("addition", x.level)
        return replace(x, parts=max(x.parts, y.parts))

    def multiply(self, x: X, y: X) -> X:
        self.require_scale(x.level, x.scale * y.scale)
        self.count("product", x.level)
        return replace(x, scale=x.scale * y.scale, parts=3)

    def relinearise(self, x: X) -> X:
        if x.parts == 2:
            return x
        self.count("relinearisation", x.level)
        return replace(x, parts=2)

    def rescale(self, x: X) -> X:
        self.count("rescale", x.level)
        return replace(x, level=x.level - 1, scale=x.scale / self.primes[x.level])

    def can_rotate(self, steps: int, level: int) -> bool:
        return True

    def rotated(self, x: X, steps: Sequence[int], rotations: Rotations = CHAINED) -> list[X]:
        hoisted = rotations.hoisted(steps)
        self.count("rotation", x.level, rotations.count(steps) - hoisted)
        self.count("hoisted rotation", x.level, hoisted)
        return [x] * len(steps)
