"""The backend of `CipherArray`: exact scales throughout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.backends.plain import PLAIN, broadcast, same_shape
from fhenn.backends.seal import evaluator
from fhenn.backends.seal.arithmetic import Ciphertexts, Watched
from fhenn.backends.seal.array import CipherArray, require_array
from fhenn.backends.seal.context import Context, secret_key_of
from fhenn.backends.seal.evaluator import require_clear
from fhenn.backends.seal.matrix import multiply
from fhenn.ckks.circuits import doublings, evaluate, multiplied, squared
from fhenn.ckks.layout import FEATURES, Vectors
from fhenn.ckks.schedule import CubicForm, CubicSchedule, needed_levels, quadratic_form, radius_within
from fhenn.errors import ShapeMismatch, UnsupportedOperation
from fhenn.steps import counted


class CipherBackend:
    """Nodes on `CipherArray`."""

    encrypted = True

    def value(self, x: Any) -> CipherArray:
        """`x` itself. Raises UnsupportedValue."""
        return require_array(x)

    def keep(self, x: CipherArray) -> CipherArray:
        """`x` itself: it is immutable."""
        return x

    def polynomial(self, polynomial: Polynomial, x: CipherArray) -> CipherArray:
        """p(x), `polynomial.depth` levels down (an odd cubic one level on a wide prime).

        Raises LevelExhausted, KeyMissing, ScaleMismatch, UnsupportedOperation.
        """
        cubic = CubicForm.of(polynomial)
        return self._circuit(polynomial, x) if cubic is None else self._cubic(cubic, x)

    def polynomial_and_square(self, polynomial: Polynomial, x: CipherArray) -> tuple[CipherArray, CipherArray]:
        """p(x), and the t² that its circuit makes: t = (x - middle)/half of p's domain, ±1 at its edges.

        For polynomials of which `shares_square` holds. No product is added. The square is at the level of `x`, or one
        below, at a scale of its own. Raises as `polynomial` does.
        """
        squares: list[Any] = []
        cubic = CubicForm.of(polynomial)
        if cubic is not None:
            result = self._cubic(cubic, x, squares)
            # x² read at a larger scale is x²/half²
            half_square = polynomial.domain[1] ** 2
            for square in squares:
                square.scale = square.scale * half_square
        else:
            result = self._circuit(polynomial, x, squares)
        level = x.context.level_of(*squares)
        return result, replace(x, ciphertexts=tuple(squares), level=level, scale=squares[0].scale)

    def square(self, domain: tuple[float, float], x: CipherArray) -> CipherArray:
        """t² for t = (x - middle)/half of a domain, not rescaled: at the level of `x`.

        Raises KeyMissing, ScaleMismatch.
        """
        on = Ciphertexts(x.context)
        results = [squared(on, on.handle(ciphertext), domain) for ciphertext in counted(x.ciphertexts)]
        return replace(x, ciphertexts=tuple(map(on.ciphertext, results)), scale=results[0].scale)

    def doubled(self, domain: tuple[float, float], times: int, x: CipherArray) -> CipherArray:
        """Tₙ(t), n = 2 to the power of `times`, that many levels down: t = (x - middle)/half of a domain.

        By T₂ₖ = 2Tₖ² - 1, at whatever scales that gives. Raises LevelExhausted, KeyMissing, ScaleMismatch.
        """
        x.context.require_levels("a Chebyshev polynomial", times, x.level)
        on = Ciphertexts(x.context)
        results = [doublings(on, on.handle(ciphertext), domain, times) for ciphertext in counted(x.ciphertexts)]
        ciphertexts = tuple(map(on.ciphertext, results))
        return replace(x, ciphertexts=ciphertexts, level=results[0].level, scale=results[0].scale)

    def _cubic(self, form: CubicForm, x: CipherArray, squares: list[Any] | None = None) -> CipherArray:
        """2 products, 2 relinearisations, a rescale for each level, no plaintext product."""
        context = x.context
        schedule = self._schedule(form, context, x.level, x.scale)
        results = []
        for ciphertext in counted(x.ciphertexts):
            result = evaluator.cubic_product(context, ciphertext, ciphertext, form.b, schedule, squares)
            evaluator.add_constant(context, result, form.c)
            results.append(result)
        return replace(x, ciphertexts=tuple(results), level=x.level - schedule.levels, scale=results[0].scale)

    def _circuit(self, polynomial: Polynomial, x: CipherArray, squares: list[Any] | None = None) -> CipherArray:
        require_clear(polynomial, x.context, x.level, x.scale)
        results = []
        for ciphertext in counted(x.ciphertexts):
            on = Watched(x.context)
            results.append(evaluate(polynomial, on.handle(ciphertext), on))
            if squares is not None and on.square is not None:
                squares.append(on.ciphertext(on.square))
        ciphertexts = tuple(on.ciphertext(result) for result in results)
        return replace(x, ciphertexts=ciphertexts, level=results[0].level, scale=results[0].scale)

    def polynomial_times(self, polynomial: Polynomial, x: Any, factor: Any) -> CipherArray:
        """p(x)·factor, a level below p(x); 1 level of `factor` where `x` is plaintext.

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
        x.context.require_levels("backward", 2, x.level)
        evaluator.require_room(x.context, x.level - 1, x.scale**2 / x.context.primes[x.level], abs(b))
        keys = x.context.relinearisation_keys("backward")
        squares = tuple(evaluator.square_plus(x.context, c, keys, b) for c in x.ciphertexts)
        inner = replace(x, ciphertexts=squares, level=x.level - 1, scale=squares[0].scale)
        return self._times(inner, k * broadcast("backward", PLAIN.value(factor), x.shape), 2, abs(b))

    def _general_times(self, polynomial: Polynomial, x: CipherArray, factor: Any) -> CipherArray:
        """p(x)·factor by a circuit for p, then a product."""
        depth = polynomial.depth
        if CubicForm.of(polynomial) is not None:
            depth = needed_levels(x.scale, x.context.primes[: x.level + 1])
        x.context.require_levels("a polynomial times a value", depth + 1, x.level)
        if not isinstance(factor, CipherArray):
            values = broadcast("backward", PLAIN.value(factor), x.shape)
            if polynomial.degree == 0:
                raise UnsupportedOperation(
                    "a plaintext gradient on an affine node", "Multiply it by the slope yourself."
                )
            return self._times(self.polynomial(polynomial, x), values, 1, max(map(abs, polynomial.range())))
        factor.require_same_keys(x.context)
        require_alike(x, factor)
        if polynomial.degree == 0:
            return self._times(factor, np.full(x.shape, polynomial.coefficient(0)), 1)
        return self._ciphertext_product(self.polynomial(polynomial, x), factor)

    @staticmethod
    def _ciphertext_product(x: CipherArray, y: CipherArray) -> CipherArray:
        """x·y, slot by slot, one level below the lower one."""
        context, level = x.context, min(x.level, y.level)
        context.require_levels("a product of ciphertexts", 1, level)
        on = Ciphertexts(context)
        results = []
        for pair in zip(x.ciphertexts, y.ciphertexts, strict=True):
            left, right = (on.drop(on.handle(ciphertext), level) for ciphertext in pair)
            results.append(on.rescale(on.relinearise(multiplied(on, left, right))))
        evaluator.require_room(context, level - 1, results[0].scale, 1.0)
        ciphertexts = tuple(on.ciphertext(result) for result in results)
        return replace(x, ciphertexts=ciphertexts, level=level - 1, scale=results[0].scale)

    def _product(self, x: CipherArray, factor: CipherArray, k: float, b: float) -> CipherArray:
        """k·factor·(x² + b), both encrypted."""
        context = x.context
        factor.require_same_keys(context)
        require_alike(x, factor)
        level = min(x.level, factor.level)
        moduli = context.primes[: level + 1]
        context.require_levels("backward", needed_levels(x.scale, moduli), level)
        schedule = CubicSchedule.choose(k, (x.scale, factor.scale), moduli, context.ring_degree)
        results = []
        for pair in zip(x.ciphertexts, factor.ciphertexts, strict=True):
            left, right = (evaluator.at_level(context, ciphertext, level) for ciphertext in pair)
            results.append(evaluator.cubic_product(context, left, right, b, schedule))
        return replace(x, ciphertexts=tuple(results), level=level - schedule.levels, scale=results[0].scale)

    def _times(self, x: CipherArray, values: NDArray[np.floating[Any]], levels: int, size: float = 1.0) -> CipherArray:
        """x·values, slot by slot, back at the context's scale; the last of `levels` levels.

        size: what |x| may reach.
        """
        context = x.context
        context.require_levels("backward", levels, x.level + levels - 1)
        evaluator.require_room(context, x.level - 1, context.scale, float(np.abs(values).max(initial=0.0)) * size)
        rows = x.layout.pack(values.astype(np.float64), context.slots)
        results = tuple(
            evaluator.times_plain(context, ciphertext, row.tolist(), context.scale)
            for ciphertext, row in zip(x.ciphertexts, rows, strict=True)
        )
        return replace(x, ciphertexts=results, level=x.level - 1, scale=context.scale)

    def linear(self, x: CipherArray, weight: NDArray[np.float64], bias: NDArray[np.float64] | None) -> CipherArray:
        """x Wᵀ + b for samples × features: 1 level, back at the context's scale; or no level, where none is left.

        In that case the product is not rescaled, and its scale is that of `x` times the context's.
        Layout "features" takes no rotation; `Vectors` takes rotation keys. Raises LevelExhausted, ShapeMismatch,
        KeyMissing, UnsupportedOperation.
        """
        if x.layout != FEATURES and not isinstance(x.layout, Vectors):
            raise UnsupportedOperation(
                f"Linear on layout {x.layout.name!r}", "Encrypt with layout='features': one feature per ciphertext."
            )
        if x.shape[1] != weight.shape[1]:
            raise ShapeMismatch("Linear", x.shape, f"(samples, {weight.shape[1]})")
        context = x.context
        landing = evaluator.Landing.of(context, x.level, x.scale)
        if isinstance(x.layout, Vectors):
            return multiply(x, x.layout, weight, bias, landing)
        outputs, features = weight.shape
        biases = np.zeros(outputs) if bias is None else bias
        results = []
        for start in counted(range(0, len(x.ciphertexts), features)):
            block = list(x.ciphertexts[start : start + features])
            for row, constant in counted(list(zip(weight.tolist(), biases.tolist(), strict=True))):
                results.append(evaluator.weighted_sum(context, block, row, constant, landing))
        shape = (x.shape[0], outputs)
        return CipherArray(context, shape, x.layout, tuple(results), landing.level, landing.scale)

    def headroom(self, polynomial: Polynomial, x: CipherArray | Context) -> float:
        """The largest |x| that the evaluation of `polynomial` on `x`, or on what a context encrypts afresh, holds.

        Raises LevelExhausted, ScaleMismatch.
        """
        context, level = (x, x.levels) if isinstance(x, Context) else (x.context, x.level)
        cubic = CubicForm.of(polynomial)
        if cubic is not None:
            return self._schedule(cubic, context, level, x.scale).headroom(polynomial)
        scale = require_clear(polynomial, context, level, x.scale)
        return radius_within(polynomial, context.modulus(level - polynomial.depth) / 2 / scale)

    @staticmethod
    def _schedule(form: CubicForm, context: Context, level: int, scale: float) -> CubicSchedule:
        moduli = context.primes[: level + 1]
        context.require_levels("the cubic", needed_levels(scale, moduli), level)
        return CubicSchedule.choose(form.k, (scale, scale), moduli, context.ring_degree)

    def reveal(self, x: CipherArray, secret: Any) -> NDArray[np.floating[Any]]:
        """The plaintext of `x`, with a `Context`, a TenSEAL context or secret key, or the key in its own context.

        Raises KeyMissing, ContextMismatch, UnsupportedValue.
        """
        key = secret_key_of(secret, x.context, "decrypt")
        rows = [x.context.decrypt_slots(ciphertext, key) for ciphertext in x.ciphertexts]
        return x.layout.unpack(rows, x.shape)


def require_alike(x: CipherArray, factor: CipherArray) -> None:
    """Raise ShapeMismatch where two arrays differ in shape or layout."""
    if factor.shape != x.shape or factor.layout != x.layout:
        got = f"{x.shape} in layout {x.layout.name!r}, not {factor.layout.name!r}"
        raise ShapeMismatch("backward", factor.shape, got)
