"""The backend of `CipherArray`: exact scales throughout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.backends.ckks import evaluator
from fhenn.backends.ckks.array import CipherArray, require_array
from fhenn.backends.ckks.context import Context, secret_key_of
from fhenn.backends.ckks.layout import FEATURES, Vectors
from fhenn.backends.ckks.matrix import multiply
from fhenn.backends.ckks.schedule import CubicForm, CubicSchedule, needed_levels
from fhenn.backends.plain import PLAIN, broadcast, same_shape
from fhenn.errors import ShapeMismatch, UnsupportedOperation


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
        """p(x) for a cubic p: 2 levels (1 on a wide prime), 2 products, 2 relinearisations, a rescale for each level.

        Raises LevelExhausted, KeyMissing, ScaleMismatch, UnsupportedOperation.
        """
        form = cubic_form(polynomial)
        context = x.context
        schedule = self._schedule(polynomial, context, x.level, x.scale)
        results = []
        for ciphertext in x.ciphertexts:
            shifted = ciphertext
            if form.shift:
                shifted = evaluator.at_level(context, ciphertext, x.level)
                evaluator.add_constant(context, shifted, form.shift)
            result = evaluator.cubic_product(context, ciphertext, shifted, form.b, schedule)
            evaluator.add_constant(context, result, form.c)
            results.append(result)
        return replace(x, ciphertexts=tuple(results), level=x.level - schedule.levels, scale=results[0].scale)

    def polynomial_times(self, polynomial: Polynomial, x: Any, factor: Any) -> CipherArray:
        """p(x)·factor for p = a₂x² + a₀: 2 levels of `x`; 1 level of `factor` where `x` is plaintext.

        Raises LevelExhausted, KeyMissing, ScaleMismatch, ContextMismatch, ShapeMismatch, UnsupportedOperation.
        """
        if not isinstance(x, CipherArray):
            return self._times(factor, polynomial(same_shape("backward", PLAIN.value(x), factor.shape)), 1)
        k, b = quadratic_form(polynomial)
        if isinstance(factor, CipherArray):
            return self._product(x, factor, k, b)
        x.context.require_levels("backward", 2, x.level)
        evaluator.require_room(x.context, x.level - 1, x.scale**2 / x.context.primes[x.level], abs(b))
        keys = x.context.relinearisation_keys("backward")
        squares = tuple(evaluator.square_plus(x.context, c, keys, b) for c in x.ciphertexts)
        inner = replace(x, ciphertexts=squares, level=x.level - 1, scale=squares[0].scale)
        return self._times(inner, k * broadcast("backward", PLAIN.value(factor), x.shape), 2, abs(b))

    def _product(self, x: CipherArray, factor: CipherArray, k: float, b: float) -> CipherArray:
        """k·factor·(x² + b), both encrypted."""
        context = x.context
        factor.require_same_keys(context)
        if factor.shape != x.shape or factor.layout != x.layout:
            got = f"{x.shape} in layout {x.layout.name!r}, not {factor.layout.name!r}"
            raise ShapeMismatch("backward", factor.shape, got)
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
            evaluator.times_plain(context, ciphertext, row, context.scale)
            for ciphertext, row in zip(x.ciphertexts, rows, strict=True)
        )
        return replace(x, ciphertexts=results, level=x.level - 1, scale=context.scale)

    def linear(self, x: CipherArray, weight: NDArray[np.float64], bias: NDArray[np.float64] | None) -> CipherArray:
        """x Wᵀ + b for samples × features: 1 level, back at the context's scale.

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
        context.require_levels("Linear", 1, x.level)
        if isinstance(x.layout, Vectors):
            return multiply(x, x.layout, weight, bias)
        outputs, features = weight.shape
        biases = np.zeros(outputs) if bias is None else bias
        results = []
        for start in range(0, len(x.ciphertexts), features):
            block = list(x.ciphertexts[start : start + features])
            for row, constant in zip(weight.tolist(), biases.tolist(), strict=True):
                results.append(evaluator.weighted_sum(context, block, row, constant, context.scale))
        shape = (x.shape[0], outputs)
        return CipherArray(context, shape, x.layout, tuple(results), x.level - 1, context.scale)

    def headroom(self, polynomial: Polynomial, x: CipherArray | Context) -> float:
        """The largest |x| that the evaluation of `polynomial` on `x`, or on what a context encrypts afresh, holds.

        Raises LevelExhausted, ScaleMismatch.
        """
        if isinstance(x, Context):
            return self._schedule(polynomial, x, x.levels, x.scale).headroom(polynomial)
        return self._schedule(polynomial, x.context, x.level, x.scale).headroom(polynomial)

    @staticmethod
    def _schedule(polynomial: Polynomial, context: Context, level: int, scale: float) -> CubicSchedule:
        moduli = context.primes[: level + 1]
        context.require_levels("the cubic", needed_levels(scale, moduli), level)
        form = cubic_form(polynomial)
        return CubicSchedule.choose(form.k, (scale, scale), moduli, context.ring_degree)

    def reveal(self, x: CipherArray, secret: Any) -> NDArray[np.floating[Any]]:
        """The plaintext of `x`, with a `Context`, a TenSEAL context or secret key, or the key in its own context.

        Raises KeyMissing, ContextMismatch, UnsupportedValue.
        """
        key = secret_key_of(secret, x.context, "decrypt")
        rows = [x.context.decrypt_slots(ciphertext, key) for ciphertext in x.ciphertexts]
        return x.layout.unpack(rows, x.shape)


def cubic_form(polynomial: Polynomial) -> CubicForm:
    """The polynomial as k·(x + shift)·(x² + b) + c. Raises UnsupportedOperation for another degree than 3."""
    if polynomial.degree != 3:
        raise UnsupportedOperation(f"a polynomial of degree {polynomial.degree} on ciphertexts", "Use degree 3.")
    return CubicForm.of(polynomial)


def quadratic_form(polynomial: Polynomial) -> tuple[float, float]:
    """(k, b) with p(x) = k·(x² + b). Raises UnsupportedOperation for another form."""
    if polynomial.degree != 2 or polynomial.coefficient(1):
        raise UnsupportedOperation(f"the derivative {polynomial} on ciphertexts", "Use a cubic without a term in x².")
    return polynomial.coefficient(2), polynomial.coefficient(0) / polynomial.coefficient(2)
