"""What circuits do on SEAL's ciphertexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import copysign
from typing import Any

import tenseal.sealapi as seal

from fhenn.backends.seal import evaluator
from fhenn.backends.seal.context import Context


@dataclass(frozen=True)
class Handle:
    """A SEAL ciphertext, which is not to be changed, with the level and scale at which it is read."""

    ciphertext: Any
    level: int
    scale: float


class Ciphertexts:
    """`circuits.Arithmetic` on SEAL's ciphertexts of a context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._evaluator = context.evaluator
        self.primes: Sequence[float] = context.primes

    def handle(self, ciphertext: Any) -> Handle:
        """A ciphertext at its own level and scale."""
        return Handle(ciphertext, self._context.level_of(ciphertext), float(ciphertext.scale))

    def ciphertext(self, x: Handle) -> Any:
        """A SEAL ciphertext of its own, with the scale written on it."""
        own = evaluator.at_level(self._context, x.ciphertext, x.level)
        own.scale = x.scale
        return own

    def level(self, x: Handle) -> int:
        return x.level

    def scale(self, x: Handle) -> float:
        return x.scale

    def read(self, x: Handle, scale: float) -> Handle:
        return replace(x, scale=scale)

    def negate(self, x: Handle) -> Handle:
        result = seal.Ciphertext()
        self._evaluator.negate(x.ciphertext, result)
        return replace(x, ciphertext=result)

    def drop(self, x: Handle, level: int) -> Handle:
        if x.level == level:
            return x
        return replace(x, ciphertext=evaluator.at_level(self._context, x.ciphertext, level), level=level)

    def plus(self, x: Handle, constant: float) -> Handle:
        own = self.ciphertext(x)
        evaluator.add_constant(self._context, own, constant)
        return replace(x, ciphertext=own)

    def times(self, x: Handle, constant: float, scale: float) -> Handle:
        plaintext = self._context.encode(constant, x.level, scale)
        if plaintext.is_zero():  # SEAL refuses a product that anybody could read: the least constant there is instead
            plaintext = self._context.encode(copysign(1 / scale, constant), x.level, scale)
        result = seal.Ciphertext()
        self._evaluator.multiply_plain(x.ciphertext, plaintext, result)
        return Handle(result, x.level, x.scale * scale)

    def add(self, x: Handle, y: Handle) -> Handle:
        # both are products of our own; SEAL wants to see one scale on them
        x.ciphertext.scale = y.ciphertext.scale = x.scale
        result = seal.Ciphertext()
        self._evaluator.add(x.ciphertext, y.ciphertext, result)
        return replace(x, ciphertext=result)

    def multiply(self, x: Handle, y: Handle) -> Handle:
        result = seal.Ciphertext()
        if x.ciphertext is y.ciphertext:
            self._evaluator.square(x.ciphertext, result)
        else:
            self._evaluator.multiply(x.ciphertext, y.ciphertext, result)
        return Handle(result, x.level, x.scale * y.scale)

    def relinearise(self, x: Handle) -> Handle:
        if x.ciphertext.size() == 2:
            return x
        result, keys = seal.Ciphertext(), self._context.relinearisation_keys("a product of ciphertexts")
        self._evaluator.relinearize(x.ciphertext, keys, result)
        return replace(x, ciphertext=result)

    def rescale(self, x: Handle) -> Handle:
        result = seal.Ciphertext()
        self._evaluator.rescale_to_next(x.ciphertext, result)
        return Handle(result, x.level - 1, x.scale / self.primes[x.level])


class Watched(Ciphertexts):
    """The same, which keeps the first square that a circuit makes: t² of t = (x - middle)/half of the domain."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.square: Handle | None = None
        self._first: Any | None = None

    def multiply(self, x: Handle, y: Handle) -> Handle:
        product = super().multiply(x, y)
        if self._first is None and x.ciphertext is y.ciphertext:
            self._first = product.ciphertext
        return product

    def relinearise(self, x: Handle) -> Handle:
        result = super().relinearise(x)
        if self.square is None and x.ciphertext is self._first:
            self.square = result
        return result
