"""The backend of `CipherArray`: exact scales throughout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.backends.plain import PLAIN, broadcast, flatten_first, same_shape
from fhenn.ckks import algebra, cubic
from fhenn.ckks.algebra import require_alike
from fhenn.ckks.arithmetic import require_clear
from fhenn.ckks.array import CipherArray, require_array
from fhenn.ckks.circuits import chebyshev_power, levels_of, square_of
from fhenn.ckks.context import Context
from fhenn.ckks.cubic import quadratic_form
from fhenn.ckks.headroom import radius_within
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.limits import require_room
from fhenn.ckks.operator import Operator
from fhenn.ckks.sums import drop_to, sum_features
from fhenn.errors import UnsupportedOperation
from fhenn.steps import counted

Floats = NDArray[np.float64]


class CipherBackend:
    """Nodes on `CipherArray`, over the arithmetic of its context."""

    encrypted = True

    def value(self, x: Any) -> CipherArray:
        """`x` itself. Raises UnsupportedValue."""
        return require_array(x)

    def keep(self, x: CipherArray) -> CipherArray:
        """`x` itself: it is immutable."""
        return x

    def polynomial(self, polynomial: Polynomial, x: CipherArray) -> CipherArray:
        """p(x), element by element.

        polynomial: p, not a constant.
        x: the inputs, of any shape.

        Returns p(x), `polynomial.depth` levels down (an odd cubic one level on a wide prime).
        Raises LevelExhausted, KeyMissing, ScaleMismatch, UnsupportedOperation.
        """
        on = x.context.arithmetic
        return x.of_handles([on.evaluate_polynomial(handle, polynomial) for handle in counted(x.handles)])

    def polynomial_and_square(self, polynomial: Polynomial, x: CipherArray) -> tuple[CipherArray, CipherArray]:
        """p(x), and the t² that its circuit makes: t = (x - middle)/half of p's domain, ±1 at its edges.

        polynomial: p, of which `fhenn.ckks.circuits.shares_square` holds.
        x: the inputs, of any shape.

        Returns both, of the shape of `x`. No product is added; the square is at the level of `x`, or one below, at a
        scale of its own.
        Raises what `polynomial` raises.
        """
        on, squares = x.context.arithmetic, list[Any]()
        results = [on.evaluate_polynomial(handle, polynomial, squares) for handle in counted(x.handles)]
        return x.of_handles(results), x.of_handles(squares)

    def square(self, domain: tuple[float, float], x: CipherArray) -> CipherArray:
        """t², for t = (x - middle)/half of a domain.

        domain: (low, high).
        x: the inputs, of any shape.

        Returns the squares, not rescaled: at the level of `x`.
        Raises KeyMissing, ScaleMismatch.
        """
        on = x.context.arithmetic
        return x.of_handles([square_of(on, handle, domain) for handle in counted(x.handles)])

    def chebyshev_power(self, domain: tuple[float, float], times: int, x: CipherArray) -> CipherArray:
        """The Chebyshev polynomial Tₙ(t), for t = (x - middle)/half of a domain, by T₂ₖ = 2Tₖ² - 1.

        domain: (low, high).
        times: how often that rule is applied: n = 2^times.
        x: the inputs, of any shape.

        Returns Tₙ(t), `times` levels down, at whatever scale that gives.
        Raises LevelExhausted, KeyMissing, ScaleMismatch.
        """
        on = x.context.arithmetic
        on.require_levels("a Chebyshev polynomial", times, x.level)
        return x.of_handles([chebyshev_power(on, handle, domain, times) for handle in counted(x.handles)])

    def add(self, x: CipherArray, y: CipherArray) -> CipherArray:
        """x + y, at the lower level of the two.

        x, y: arrays under the same keys, of one shape and layout (`fhenn.ckks.algebra.add`).

        Raises ScaleMismatch where two scales meet and no level is left, ContextMismatch, ShapeMismatch.
        """
        y.require_same_keys(x.context)
        require_alike(x, y, "a sum")
        return algebra.add(x, y)

    def drop_to(self, x: CipherArray, level: int) -> CipherArray:
        """The same values at a lower level.

        x: an array at that level or above.
        level: that is wanted.
        """
        return drop_to(x, level)

    def sum_features(self, x: CipherArray) -> CipherArray:
        """The sum over all features of each sample, (samples, 1). Raises KeyMissing, UnsupportedOperation."""
        return sum_features(x)

    def polynomial_times(self, polynomial: Polynomial, x: Any, factor: Any) -> CipherArray:
        """p(x)·factor, element by element.

        polynomial: p.
        x: plaintext or ciphertext.
        factor: plaintext or ciphertext, of the shape of `x`; at least one of the two is a ciphertext.

        Returns the products, a level below p(x); a level below `factor` where `x` is plaintext.
        Raises LevelExhausted, KeyMissing, ScaleMismatch, ContextMismatch, ShapeMismatch, UnsupportedOperation.
        """
        if not isinstance(x, CipherArray):
            return self._times(factor, polynomial(same_shape("backward", PLAIN.value(x), factor.shape)), 1)
        quadratic = quadratic_form(polynomial)
        if quadratic is None:
            return self._general_times(polynomial, x, factor)
        k, b = quadratic
        if isinstance(factor, CipherArray):
            return self._product(x, factor, k, b)
        on = x.context.arithmetic
        on.require_levels("backward", 2, x.level)
        require_room(on, x.level - 1, x.scale**2 / on.primes[x.level], abs(b))
        squares = [on.rescale(on.relinearise(on.multiply(handle, handle))) for handle in x.handles]
        inner = x.of_handles([on.plus(square, b) if b else square for square in squares])
        return self._times(inner, k * broadcast("backward", PLAIN.value(factor), x.shape), 2, abs(b))

    def _general_times(self, polynomial: Polynomial, x: CipherArray, factor: Any) -> CipherArray:
        """p(x)·factor by a circuit for p, then a product."""
        on = x.context.arithmetic
        depth = levels_of(polynomial, x.scale, on.primes[: x.level + 1])
        on.require_levels("a polynomial times a value", depth + 1, x.level)
        if not isinstance(factor, CipherArray):
            values = broadcast("backward", PLAIN.value(factor), x.shape)
            if polynomial.degree == 0:
                raise UnsupportedOperation(
                    "a plaintext gradient on an affine node",
                    "Multiply it by the slope with NumPy: nothing in it is encrypted.",
                )
            return self._times(self.polynomial(polynomial, x), values, 1, max(map(abs, polynomial.range())))
        factor.require_same_keys(x.context)
        require_alike(x, factor)
        if polynomial.degree == 0:
            return self._times(factor, np.full(x.shape, polynomial.coefficient(0)), 1)
        return algebra.multiply(self.polynomial(polynomial, x), factor)

    @staticmethod
    def _product(x: CipherArray, factor: CipherArray, k: float, b: float) -> CipherArray:
        """k·factor·(x² + b), both encrypted."""
        factor.require_same_keys(x.context)
        require_alike(x, factor)
        on, level = x.context.arithmetic, min(x.level, factor.level)
        on.require_levels("backward", cubic.needed_levels(x.scale, on.primes[: level + 1]), level)
        pairs = zip(x.handles, factor.handles, strict=True)
        return x.of_handles(
            [cubic.product(on, on.drop(left, level), on.drop(right, level), k, b) for left, right in pairs]
        )

    @staticmethod
    def _times(x: CipherArray, values: NDArray[np.floating[Any]], levels: int, size: float = 1.0) -> CipherArray:
        """x·values, slot by slot, back at the context's scale; the last of `levels` levels.

        size: what |x| may reach.
        """
        x.context.arithmetic.require_levels("backward", levels, x.level + levels - 1)
        return algebra.multiply_values(x, values, size)

    def affine(
        self,
        x: CipherArray,
        operator: Operator,
        bias: Floats | None,
        idle: float = 0.0,
        target: WholeSamples | None = None,
    ) -> CipherArray:
        """A x + b of every sample.

        x: samples × features. Layout "features" takes no rotation; whole samples take rotation keys.
        operator: A, (outputs, inputs).
        bias: b, (outputs,), or None for zero.
        idle: what the positions hold that whole samples have besides their outputs.
        target: where the outputs of whole samples go; None for one after another, up to a power of two.

        Returns samples × outputs, a level below `x` at the context's scale; where no level is left, the product is not
        rescaled, and its scale is that of `x` times the context's.
        Raises LevelExhausted, ShapeMismatch, KeyMissing, ScaleMismatch, UnsupportedOperation.
        """
        hint = flatten_first(x.shape[1:], operator.inputs)
        return algebra.affine(x, operator, bias, idle, target, hint)

    def headroom(self, polynomial: Polynomial, x: CipherArray | Context) -> float:
        """The largest |x| for which p(x) lies within the modulus.

        polynomial: p.
        x: an input, or a context for what it encrypts afresh.

        Sums, products and rescales are exact modulo the modulus (a rescale turns a multiple of Q into one of Q/q), so
        only the result must lie within it. A vector of slots of largest magnitude v has coefficients of at most v: the
        bound is safe for every vector, and sharp for one whose slots are all alike.

        Raises LevelExhausted, ScaleMismatch.
        """
        context, level = (x, x.levels) if isinstance(x, Context) else (x.context, x.level)
        ahead = require_clear(context.arithmetic, polynomial, level, x.scale)
        return radius_within(polynomial, context.modulus(ahead.level) / 2 / ahead.scale)

    def reveal(self, x: CipherArray, secret: Any) -> NDArray[np.floating[Any]]:
        """The plaintext of `x`.

        x: an encrypted array.
        secret: a `Context`, a TenSEAL context or a TenSEAL secret key; None for the key in the context of `x`.

        Raises KeyMissing, ContextMismatch, UnsupportedValue.
        """
        rows = [x.context.decrypt_slots(ciphertext, secret) for ciphertext in x.ciphertexts]
        return x.layout.unpack(rows, x.shape)


CIPHER = CipherBackend()
