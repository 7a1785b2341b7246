"""SEAL's evaluator as an `Arithmetic`: exact scales, and no operand is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from fhenn.ckks.arithmetic import Arithmetic
from fhenn.ckks.noise import NoiseModel
from fhenn.ckks.rotations import CHAINED, Rotations

if TYPE_CHECKING:
    from fhenn.backends.seal.context import SealContext

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Handle:
    """A SEAL ciphertext, with the level and scale at which it is read.

    ciphertext: SEAL's, which is not to be changed.
    level: rescales left.
    scale: exact, whatever SEAL has noted.
    """

    ciphertext: Any
    level: int
    scale: float


@dataclass(frozen=True, eq=False)
class Plaintext:
    """A SEAL plaintext, with the scale that it is encoded at.

    plaintext: SEAL's.
    scale: of its numbers.
    """

    plaintext: Any
    scale: float


class SealArithmetic(Arithmetic[Handle, Plaintext]):
    """`Arithmetic` on the ciphertexts of a context.

    context: whose keys and evaluator it uses.
    """

    def __init__(self, context: SealContext) -> None:
        self._context = context
        self.primes: Sequence[float] = context.primes

    @property
    def nominal(self) -> float:
        return self._context.scale

    @property
    def ring_degree(self) -> int:
        return self._context.ring_degree

    @property
    def noise(self) -> NoiseModel:
        return self._context.noise

    @property
    def _evaluator(self) -> Any:
        """SEAL's evaluator."""
        return self._context.evaluator

    def wrap(self, ciphertext: Any, level: int, scale: float) -> Handle:
        return Handle(ciphertext, level, scale)

    def unwrap(self, x: Handle) -> Any:
        if x.ciphertext.scale == x.scale:
            return x.ciphertext
        own = self._copy(x.ciphertext, x.level)
        own.scale = x.scale
        return own

    def _copy(self, ciphertext: Any, level: int) -> Any:
        """A copy of a ciphertext at the same level or a lower one; its scale and message stay."""
        own = seal.Ciphertext()
        self._evaluator.mod_switch_to(ciphertext, self._context.parms_id(level), own)
        return own

    def level(self, x: Handle) -> int:
        return x.level

    def scale(self, x: Handle) -> float:
        return x.scale

    def plaintext(self, values: float | Floats, level: int, scale: float) -> Plaintext:
        slots = values.tolist() if isinstance(values, np.ndarray) else values
        return Plaintext(self._context.encode(slots, level, scale), scale)

    def is_zero(self, plaintext: Plaintext) -> bool:
        return bool(plaintext.plaintext.is_zero())

    def zero(self, level: int, scale: float) -> Handle:
        return Handle(self._context.encrypt_slots(0.0, level, scale), level, scale)

    def read(self, x: Handle, scale: float) -> Handle:
        return x if x.scale == scale else Handle(x.ciphertext, x.level, scale)

    def negate(self, x: Handle) -> Handle:
        result = seal.Ciphertext()
        self._evaluator.negate(x.ciphertext, result)
        return Handle(result, x.level, x.scale)

    def drop(self, x: Handle, level: int) -> Handle:
        if x.level == level:
            return x
        return Handle(self._copy(x.ciphertext, level), level, x.scale)

    def plus(self, x: Handle, addend: float | Plaintext) -> Handle:
        if isinstance(addend, Plaintext):
            plaintext = addend.plaintext
        else:
            plaintext = self._context.encode(addend, x.level, x.scale)
        own = self._copy(x.ciphertext, x.level)
        own.scale = x.scale
        self._evaluator.add_plain_inplace(own, plaintext)
        return Handle(own, x.level, x.scale)

    def times(self, x: Handle, factor: Plaintext) -> Handle:
        result = seal.Ciphertext()
        self._evaluator.multiply_plain(self._factor(x, factor.scale), factor.plaintext, result)
        return Handle(result, x.level, x.scale * factor.scale)

    def add(self, x: Handle, y: Handle) -> Handle:
        left, right = self.unwrap(x), self.unwrap(self.read(y, x.scale))  # SEAL wants to see one scale on them
        result = seal.Ciphertext()
        try:
            self._evaluator.add(left, right, result)
        except RuntimeError as error:
            if "transparent" not in str(error):
                raise
            return self.zero(x.level, x.scale)  # x - x, which SEAL refuses: anybody could read it
        return Handle(result, x.level, x.scale)

    def sum_of_products(
        self, xs: Sequence[Handle], factors: Sequence[Plaintext], start: Handle | None = None
    ) -> Handle:
        total, term = seal.Ciphertext(), seal.Ciphertext()
        for place, (x, factor) in enumerate(zip(xs, factors, strict=True)):
            ciphertext = self._factor(x, factor.scale)
            self._evaluator.multiply_plain(ciphertext, factor.plaintext, term if place else total)
            if place:
                self._evaluator.add_inplace(total, term)
        if start is not None:
            total.scale = start.scale
            self._evaluator.add_inplace(total, self.unwrap(start))
        return Handle(total, xs[0].level, xs[0].scale * factors[0].scale)

    def multiply(self, x: Handle, y: Handle) -> Handle:
        result = seal.Ciphertext()
        if x.ciphertext is y.ciphertext:
            self._evaluator.square(self._factor(x, x.ciphertext.scale), result)
        else:
            left = self._factor(x, y.ciphertext.scale)
            self._evaluator.multiply(left, self._factor(y, left.scale), result)
        return Handle(result, x.level, x.scale * y.scale)

    def _factor(self, x: Handle, other: float) -> Any:
        """The ciphertext of x, for a product with what has another scale written on it.

        SEAL refuses a product whose written scales outgrow the modulus. Where it is read at a smaller one, that is
        written on a copy; everywhere else what is written does not matter.
        """
        if x.ciphertext.scale * other < self.modulus(x.level) / 2 or x.ciphertext.scale <= x.scale:
            return x.ciphertext
        return self.unwrap(x)

    def relinearise(self, x: Handle) -> Handle:
        if x.ciphertext.size() == 2:
            return x
        result, found = seal.Ciphertext(), self._context.relinearisation_keys("a product of ciphertexts", x.level)
        found.evaluator.relinearize(x.ciphertext, found.keys, result)
        return Handle(result, x.level, x.scale)

    def multiply_and_relinearise(self, x: Handle, y: Handle) -> Handle:
        found = self._context.relinearisation_keys("a product of ciphertexts", x.level)
        product = self.multiply(x, y)
        found.evaluator.relinearize_inplace(product.ciphertext, found.keys)  # nobody else has it yet
        return product

    def rescale_and_add(
        self, x: Handle, constant: float, *, scale: float | None = None, negative: bool = False
    ) -> Handle:
        result = self.rescale(x)
        own = result.ciphertext  # nobody else has it yet
        own.scale = result.scale if scale is None else scale
        if negative:
            self._evaluator.negate_inplace(own)
        if constant:
            self._evaluator.add_plain_inplace(own, self._context.encode(constant, result.level, own.scale))
        return Handle(own, result.level, own.scale)

    def add_rotated(self, x: Handle, steps: int) -> Handle:
        own = self._context.rotate(x.ciphertext, steps, x.level)  # nobody else has it yet
        self._evaluator.add_inplace(own, x.ciphertext)
        return Handle(own, x.level, x.scale)

    def rescale(self, x: Handle) -> Handle:
        result = seal.Ciphertext()
        self._evaluator.rescale_to_next(x.ciphertext, result)
        return Handle(result, x.level - 1, x.scale / self.primes[x.level])

    def can_rotate(self, steps: int, level: int) -> bool:
        return self._context.can_rotate(steps, level)

    def rotated(self, x: Handle, steps: Sequence[int], rotations: Rotations = CHAINED) -> list[Handle]:
        for step in rotations.keys(steps):
            self._context.require_rotation(step, x.level)

        def rotate(y: Handle, step: int) -> Handle:
            return Handle(self._context.rotate(y.ciphertext, step, x.level), x.level, x.scale)

        return rotations.make(x, steps, rotate)

    @property
    def encoded(self) -> Any:
        """Affine maps that are encoded already, kept with the context."""
        return self._context.encoded

    def require_relinearisation(self, operation: str) -> None:
        self._context.relinearisation_keys(operation)

    def require_levels(self, operation: str, needed: int, left: int) -> None:
        self._context.require_levels(operation, needed, left)
