"""The small steps of CKKS that every evaluator can do; circuits and affine maps are written over them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property, reduce
from math import prod
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.rotations import CHAINED, Rotations
from fhenn.errors import LevelExhausted

if TYPE_CHECKING:
    from fhenn.ckks.maps import Encoded
    from fhenn.ckks.operator import Operator

V = TypeVar("V")
"""A handle on a ciphertext, immutable, with a level and an exact scale."""

P = TypeVar("P")
"""A plaintext that is encoded for a level, at a scale."""

Floats = NDArray[np.float64]


class Operations(ABC, Generic[V, P]):
    """CKKS on opaque handles. No operation changes its operands, rounds a scale, or drops a level that it need not.

    primes: those under a fresh ciphertext, first prime first; a handle at level l has the first l + 1 of them.
    """

    primes: Sequence[float]

    rotations: Rotations = CHAINED
    """How an affine map makes its rotations where there are keys for each way."""

    @property
    @abstractmethod
    def nominal(self) -> float:
        """The scale of fresh ciphertexts, to which an affine map brings its result."""

    @property
    @abstractmethod
    def ring_degree(self) -> int:
        """N; a ciphertext has N/2 slots."""

    @property
    def slots(self) -> int:
        """Values that a ciphertext holds."""
        return self.ring_degree // 2

    @cached_property
    def encoded(self) -> WeakKeyDictionary[Operator, dict[Any, Encoded[P]]]:
        """Affine maps that are encoded already, while their operators live: by bias, layout, level and scale."""
        return WeakKeyDictionary()

    @cached_property
    def _moduli(self) -> tuple[float, ...]:
        """The modulus of each level."""
        return tuple(float(prod(self.primes[: level + 1])) for level in range(len(self.primes)))

    def modulus(self, level: int) -> float:
        """The product of the primes under a handle at a level."""
        return self._moduli[level]

    @abstractmethod
    def level(self, x: V) -> int:
        """Rescales left."""

    @abstractmethod
    def scale(self, x: V) -> float:
        """The exact scale."""

    @abstractmethod
    def plaintext(self, values: float | Floats, level: int, scale: float) -> P:
        """An encoded plaintext.

        values: one number for every slot, or the values of all slots, (slots,).
        level: of the ciphertext that it is for.
        scale: that it is encoded at.
        """

    @abstractmethod
    def is_zero(self, plaintext: P) -> bool:
        """Whether an encoded plaintext is all zeros: a product with it would need no key to read."""

    @abstractmethod
    def zero(self, level: int, scale: float) -> V:
        """A fresh encryption of zero.

        level: that it is at.
        scale: that it has.

        Raises KeyMissing.
        """

    @abstractmethod
    def read(self, x: V, scale: float) -> V:
        """The same ciphertext, read at another scale.

        x: a ciphertext.
        scale: the new one; its message is multiplied by the old scale over the new one, at no cost.
        """

    @abstractmethod
    def negate(self, x: V) -> V:
        """-x."""

    @abstractmethod
    def drop(self, x: V, level: int) -> V:
        """x at a lower level.

        x: a ciphertext at that level or above.
        level: that is wanted.
        """

    @abstractmethod
    def plus(self, x: V, addend: float | P) -> V:
        """x + addend.

        x: a ciphertext.
        addend: one number for every slot, or a plaintext at the level and scale of x.
        """

    @abstractmethod
    def times(self, x: V, factor: P) -> V:
        """x · factor, not rescaled.

        x: a ciphertext.
        factor: a plaintext at the level of x. Where it is zero, the product is a fresh encryption of zero.
        """

    @abstractmethod
    def add(self, x: V, y: V) -> V:
        """x + y, at one level and scale."""

    def sum(self, xs: Sequence[V], count: int) -> V:
        """The sum of ciphertexts of the same samples: of their features in layout "features", or of their tiles.

        xs: the ciphertexts, at one level and scale; one where a value stands for all (`Trace`).
        count: how many there are.
        """
        return reduce(self.add, xs)

    @abstractmethod
    def multiply(self, x: V, y: V) -> V:
        """x · y at one level, neither relinearised nor rescaled."""

    @abstractmethod
    def relinearise(self, x: V) -> V:
        """x of two parts again. Raises KeyMissing."""

    def shared(self, x: V) -> V:
        """x, which several sums will take, each of which is rescaled: what was put off is done once, now."""
        return x

    @abstractmethod
    def rescale(self, x: V) -> V:
        """x divided by its last prime."""

    @abstractmethod
    def can_rotate(self, steps: int, level: int) -> bool:
        """Whether there is a key for a rotation.

        steps: in slots.
        level: of the ciphertext.
        """

    @abstractmethod
    def rotated(self, x: V, steps: Sequence[int], rotations: Rotations = CHAINED) -> list[V]:
        """x rotated by several steps, of which the work may be shared.

        x: a ciphertext.
        steps: in slots, ascending; 0 for x itself.
        rotations: how they are made, and with which keys; a single one is the same in every way.

        Returns one ciphertext for each step, whose slot i holds what slot i + step held.
        Raises KeyMissing where one of the keys is missing.
        """

    def sum_of_products(self, xs: Sequence[V], factors: Sequence[P], start: V | None = None) -> V:
        """start + Σ xᵢ·factorᵢ, not rescaled.

        xs: ciphertexts at one level and scale, at least one.
        factors: a plaintext for each, at one scale, none of them zero.
        start: a ciphertext at the level and scale of the products, None for zero.
        """
        total = start
        for x, factor in zip(xs, factors, strict=True):
            product = self.times(x, factor)
            total = product if total is None else self.add(total, product)
        if total is None:
            raise ValueError("a sum of products needs at least one product: take `zero` for none")
        return total

    def multiply_and_relinearise(self, x: V, y: V) -> V:
        """x · y at one level, of two parts, not rescaled. Raises KeyMissing."""
        return self.relinearise(self.multiply(x, y))

    def rescale_and_add(self, x: V, constant: float, *, scale: float | None = None, negative: bool = False) -> V:
        """x divided by its last prime, plus a number.

        x: a ciphertext.
        constant: the number.
        scale: at which the quotient is read before the number is added; None for the scale that it comes out at.
        negative: whether -x takes the place of x.
        """
        result = self.rescale(x)
        if scale is not None:
            result = self.read(result, scale)
        if negative:
            result = self.negate(result)
        return self.plus(result, constant) if constant else result

    def add_rotated(self, x: V, steps: int) -> V:
        """x + x rotated.

        x: a ciphertext.
        steps: in slots, above 0.

        Raises KeyMissing.
        """
        return self.add(x, self.rotated(x, [steps])[0])

    def require_relinearisation(self, operation: str) -> None:
        """Raise KeyMissing where there are no keys to relinearise with.

        operation: that needs them.
        """

    def require_levels(self, operation: str, needed: int, left: int) -> None:
        """Raise LevelExhausted where levels are missing.

        operation: that needs them.
        needed: levels that it consumes.
        left: levels that there are.
        """
        if left < needed:
            raise LevelExhausted(operation, needed, left, self._more_levels(needed - left))

    def _more_levels(self, missing: int) -> str:
        """A sentence with parameters that would do."""
        return f"{missing} more levels are needed."
