"""The backend of `tenseal.CKKSVector` and `tenseal.CKKSTensor`: same type out, at exactly the scale that came in.

TenSEAL's operators stamp every result with the vector's scale s, though a rescale by a prime q leaves s²/q. Here that
ratio is known and built into the constants, so the result is right *at s*: exact scales through TenSEAL's own
operators, without a detour over bytes, for any number of chunks and any shape, replication across slots included.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tenseal as ts
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.backends.plain import PLAIN, broadcast, same_shape
from fhenn.backends.seal.arithmetic import Handle, SealArithmetic
from fhenn.backends.seal.context import SealContext, secret_key_of
from fhenn.backends.seal.odd_cubic import OwnCubic, landed_cubic, noise_of_landed, suggest_chain
from fhenn.backends.seal.wire import save_object
from fhenn.ckks.arithmetic import Drowned
from fhenn.ckks.array import CipherArray
from fhenn.ckks.circuits import bring_to, largest_of, multiply_alike, times_slots
from fhenn.ckks.cubic import CubicForm, quadratic_form
from fhenn.ckks.headroom import radius_within
from fhenn.ckks.layout import PACKED, WholeSamples
from fhenn.ckks.limits import require_room
from fhenn.ckks.messages import TensealMessage
from fhenn.ckks.operator import Operator
from fhenn.errors import (
    ContextMismatch,
    FhennError,
    ScaleMismatch,
    ScaleWarning,
    ShapeMismatch,
    UnsupportedOperation,
    UnsupportedValue,
)
from fhenn.text import an

TensealValue = Any
"""`tenseal.CKKSVector` or `tenseal.CKKSTensor`; TenSEAL has no types to check against."""

SCALE_TOLERANCE = 0.1
"""How far scale/prime may be from 1. TenSEAL takes it for 1, so every one of its products is off by that factor:
1e-7 with 40-bit primes, 1 % with 23-bit ones, 15-43 % with the 21-bit primes of its tutorials."""


_EXACT_LEVELS = 3
"""Of an odd cubic that lands on a scale which its primes do not match."""


_warned: set[tuple[str, float]] = set()
"""Parameters and scales of which a ScaleWarning was given in this process."""


@dataclass(frozen=True)
class _State:
    """What a TenSEAL value is made of: its ciphertexts, their level and their scale.

    The scale is what the ciphertexts say. The value has a nominal one besides, which TenSEAL stamps on every product,
    and which differs where the ciphertexts' has drifted.
    """

    context: SealContext
    ciphertexts: tuple[Any, ...]
    level: int
    scale: float

    @property
    def handles(self) -> list[Handle]:
        """What the context's arithmetic computes on."""
        return [self.context.arithmetic.wrap(each, self.level, self.scale) for each in self.ciphertexts]

    def prime(self, below: int = 0) -> int:
        """The prime that a rescale divides by at this level, or `below` levels further down."""
        return self.context.primes[self.level - below]


class TensealBackend:
    """Nodes on TenSEAL's own CKKS values."""

    encrypted = True

    def value(self, x: TensealValue) -> TensealValue:
        """`x` itself. Raises UnsupportedValue where it has no context or TenSEAL's automatic steps are off."""
        if not isinstance(x, ts.CKKSVector | ts.CKKSTensor):
            raise UnsupportedValue(type(x).__name__, "tenseal.CKKSVector, tenseal.CKKSTensor or plaintext")
        context, _ = unpack(x)
        off = [name for name in ("auto_relin", "auto_rescale", "auto_mod_switch") if not getattr(context.tenseal, name)]
        if off:
            raise UnsupportedValue(
                f"{an(type(x).__name__)} whose context has {', '.join(off)} off", "TenSEAL's automatic steps left on"
            )
        return x

    def keep(self, x: TensealValue) -> TensealValue:
        """A copy that in-place operators (`x += 1`) do not reach."""
        return x.pow(1)

    def polynomial(self, polynomial: Polynomial, x: TensealValue) -> TensealValue:
        """p(x), element by element, at the scale of `x`.

        polynomial: p, not a constant.
        x: a vector or tensor.

        An odd cubic goes through TenSEAL's own operators: 2 levels, 2 products, 2 relinearisations, 4 rescales. Others
        go through SEAL's: `polynomial.depth` levels, and one more to land on the scale. So does an odd cubic where
        scale and primes differ by more than TenSEAL bears; a ScaleWarning says then that TenSEAL's own operations
        drift.

        Raises LevelExhausted, KeyMissing, ScaleMismatch, UnsupportedOperation, ContextMismatch.
        """
        form = CubicForm.of(polynomial)
        state, nominal = self._state(x), TensealMessage.decode(x.serialize()).scale
        drifting = self._drifting_prime(state, nominal)
        if form is None:
            result = self._circuit(polynomial, x, nominal)
        elif drifting is not None and state.level >= _EXACT_LEVELS:
            result = self._exact_cubic(polynomial, x, form, nominal)
        else:
            return self._own_cubic(polynomial, x, form)
        if drifting is not None:
            _warn_once(state.context, nominal, drifting)
        return result

    def _own_cubic(self, polynomial: Polynomial, x: TensealValue, form: CubicForm) -> TensealValue:
        """An odd cubic by TenSEAL's own operators. Raises LevelExhausted, KeyMissing, ScaleMismatch."""
        result = self._cubic(polynomial.domain, x, x, form.k, form.b)
        if form.c:
            result.add_(form.c)
        return result

    def _circuit(self, polynomial: Polynomial, x: TensealValue, target: float) -> TensealValue:
        """p(x) at the scale `target` by the circuit that `CipherArray` takes."""
        return _of_handles(x, self._state(x).context.arithmetic, self._handles(polynomial, x, target))

    def _handles(self, polynomial: Polynomial, x: TensealValue, target: float) -> list[Handle]:
        """p(x) at the scale `target`, ciphertext by ciphertext."""
        state = self._state(x)
        on = state.context.arithmetic
        operation = f"a polynomial of degree {polynomial.degree} that keeps TenSEAL's scale"
        state.context.require_levels(operation, polynomial.depth + 1, state.level)
        results = [on.evaluate_polynomial(handle, polynomial) for handle in state.handles]
        return [on.read(bring_to(on, result, target), target) for result in results]

    def _exact_cubic(self, polynomial: Polynomial, x: TensealValue, form: CubicForm, target: float) -> TensealValue:
        """The odd cubic at the scale `target`, whatever the primes are: 3 levels.

        Raises LevelExhausted, KeyMissing, ScaleMismatch, and Drowned as `require_clear` does.
        """
        state = self._state(x)
        on, top = state.context.arithmetic, state.level
        state.context.require_levels("the cubic on primes that do not match its scale", _EXACT_LEVELS, top)
        state.context.relinearisation_keys("the cubic")
        m = max(abs(bound) for bound in polynomial.domain) ** 2 / 2
        added = noise_of_landed(form, polynomial.domain, target, on.noise, top, state.scale)
        cubic = OwnCubic(polynomial.domain, form.k, form.b)
        if cubic.is_drowned_by(added):
            raise Drowned(
                target,
                self._drifting_prime(state, target) or state.prime(),
                cubic.remedy(state.context, target),
            )
        return _of_handles(x, on, [landed_cubic(on, handle, form, m, target) for handle in state.handles])

    def _cubic(self, domain: tuple[float, float], x: TensealValue, w: TensealValue, k: float, b: float) -> TensealValue:
        """k·w·(x² + b) as k·w·(x² - m) + k(b + m)·w.

        The first factor of the product carries the noise of a rescale, which the second multiplies: m in the middle
        of x² makes that |x² - m| <= m instead of |x² + b|, a sixth for the sigmoid.
        """
        at_x = self._state(x)
        at_w = at_x if w is x else self._state(w)
        context = at_x.context
        operation = "the cubic"
        for state in (at_x, at_w):
            context.require_levels(operation, 2, state.level)
            self._require_fit(state, state.scale)
        context.relinearisation_keys(operation)
        m = max(abs(bound) for bound in domain) ** 2 / 2
        square = x.square()
        nominal = scale_of(square)  # stamped by TenSEAL: a vector does not tell it otherwise
        self._require_fit(at_x, nominal)
        cubic, level = OwnCubic(domain, k, b, w is x), min(at_x.level, at_w.level)
        if cubic.is_drowned_by(cubic.noise(context.arithmetic.noise, level, nominal)):
            raise Drowned(nominal, at_x.prime(), cubic.remedy(context, nominal))
        # what TenSEAL takes for 1 after each rescale, and is not
        of_square = at_x.scale**2 / at_x.prime() / nominal
        of_factor = at_w.scale / at_w.prime()
        of_product = nominal / context.primes[min(at_x.level, at_w.level) - 1]
        square.add_(-m * of_square)
        result = w * (k / (of_square * of_factor * of_product))
        if scale_of(result) != nominal:
            raise ScaleMismatch(scale_of(result), round(nominal), "Encrypt input and gradient at one scale.")
        result.mul_(square)
        result.add_(w * (k * (b + m) / of_factor))
        return result

    def polynomial_times(self, polynomial: Polynomial, x: Any, factor: Any) -> TensealValue:
        """p(x)·factor, element by element.

        polynomial: p.
        x: plaintext, or a vector or tensor.
        factor: plaintext, or a vector or tensor of the type and shape of `x`; one of the two is encrypted.

        Returns the products, a level below p(x); a level below `factor` where `x` is plaintext.
        Raises LevelExhausted, KeyMissing, ScaleMismatch, ContextMismatch, ShapeMismatch, UnsupportedOperation.
        """
        if not isinstance(x, ts.CKKSVector | ts.CKKSTensor):
            state = self._state(factor)
            state.context.require_levels("backward", 1, state.level)
            shape = shape_of(factor)
            return self._times_plain(factor, state, polynomial(same_shape("backward", PLAIN.value(x), shape)))
        quadratic = quadratic_form(polynomial)
        if quadratic is None:
            return self._general_times(polynomial, x, factor)
        k, b = quadratic
        if isinstance(factor, ts.CKKSVector | ts.CKKSTensor):
            self._require_alike(x, factor)
            return self._cubic(polynomial.domain, x, factor, k, b)
        state = self._state(x)
        state.context.require_levels("backward", 2, state.level)
        state.context.relinearisation_keys("backward")
        shape = shape_of(x)
        values = k * broadcast("backward", PLAIN.value(factor), shape)
        square = x.square()
        self._require_fit(state, scale_of(square))
        of_square = state.scale**2 / state.prime() / scale_of(square)
        square.add_(b * of_square)
        return self._times_plain(square, self._state(square), values / of_square, abs(b))

    def _general_times(self, polynomial: Polynomial, x: TensealValue, factor: Any) -> TensealValue:
        """p(x)·factor by a circuit for p, at a scale from which the product lands on that of `x`."""
        if polynomial.degree == 0:
            raise UnsupportedOperation(
                "backward of an affine node on ciphertexts", "Multiply the gradient by the slope: gradient * slope."
            )
        state, scale = self._state(x), TensealMessage.decode(x.serialize()).scale
        below = polynomial.depth + 1
        state.context.require_levels("backward", below + 1, state.level)
        if not isinstance(factor, ts.CKKSVector | ts.CKKSTensor):
            values = broadcast("backward", PLAIN.value(factor), shape_of(x))
            inner = self._circuit(polynomial, x, scale)
            return self._times_plain(inner, self._state(inner), values, largest_of(polynomial))
        self._require_alike(x, factor)
        level = min(state.level - below, self._state(factor).level)
        state.context.require_levels("backward", 1, level)
        on, other = state.context.arithmetic, self._state(factor)
        inner = self._handles(polynomial, x, scale * state.context.primes[level] / other.scale)
        products = []
        for left, right in zip(inner, other.handles, strict=True):
            product = multiply_alike(on, on.drop(left, level), on.drop(right, level))
            products.append(on.read(on.rescale(on.relinearise(product)), scale))
        return _of_handles(x, on, products)

    def _times_plain(
        self, x: TensealValue, state: _State, values: NDArray[np.floating[Any]], size: float = 1.0
    ) -> TensealValue:
        """x·values where `values` has the shape of x; every copy of x across the slots is multiplied alike.

        size: what |x| may reach.
        TenSEAL's own product with a plain vector touches the first slots only and leaves zeros in the others.
        """
        message = TensealMessage.decode(x.serialize())
        self._require_fit(state, message.scale, levels=1)
        largest = float(np.abs(values).max(initial=0.0)) * size
        require_room(state.context.arithmetic, state.level - 1, message.scale, largest)
        rows = self._rows(x, values.astype(np.float64), message, state.context.slots)
        on = state.context.arithmetic
        products = tuple(
            save_object(on.unwrap(times_slots(on, handle, row, message.scale)))
            for handle, row in zip(state.handles, rows, strict=True)
        )
        result = TensealMessage(message.sizes, products, message.scale, message.batch).encode()
        return type(x).load(x.context(), result)

    @staticmethod
    def _rows(
        x: TensealValue, values: NDArray[np.float64], message: TensealMessage, slots: int
    ) -> list[float | NDArray[np.float64]]:
        """The plaintext of each ciphertext of `x`: chunks repeated across the slots for a vector, one number per
        ciphertext for a tensor, its batch for a batched one.
        """
        if isinstance(x, ts.CKKSVector):
            chunks = np.split(values, np.cumsum(message.sizes)[:-1])
            return [np.resize(chunk, slots) for chunk in chunks]
        if message.batch is None:
            return [float(value) for value in values.reshape(-1)]
        return list(values.reshape(message.batch, -1).T)

    def affine(
        self,
        x: TensealValue,
        operator: Operator,
        bias: NDArray[np.float64] | None,
        idle: float = 0.0,
        target: WholeSamples | None = None,
    ) -> TensealValue:
        """Not offered: TenSEAL has its own. Raises UnsupportedOperation."""
        raise UnsupportedOperation(
            f"Linear on {type(x).__name__}", "Use x.mm(weight.T), or encrypt with fhenn.encrypt(layout='features')."
        )

    def headroom(self, polynomial: Polynomial, x: TensealValue) -> float:
        """The largest |x| for which p(x) lies within the modulus that is left (see `CipherBackend.headroom`).

        polynomial: p.
        x: a vector or tensor.

        Raises LevelExhausted, ScaleMismatch.
        """
        state = self._state(x)
        nominal = TensealMessage.decode(x.serialize()).scale
        own = CubicForm.of(polynomial) is not None and self._drifting_prime(state, nominal) is None
        levels = 2 if own else polynomial.depth + 1
        state.context.require_levels("the polynomial", levels, state.level)
        at_result = state.context.modulus(state.level - levels) / 2
        return radius_within(polynomial, at_result / nominal)

    def reveal(self, x: TensealValue, secret: Any) -> NDArray[np.floating[Any]]:
        """The plaintext of `x`.

        x: a vector or tensor.
        secret: a `tenseal` secret key or context, or a `Context`; None for the key in the context of `x`.

        Raises KeyMissing where none of them holds the secret key, ContextMismatch, UnsupportedValue.
        """
        key = secret_key_of(secret, unpack(x)[0], "decrypt")
        plain = x.decrypt(ts.enc_context.SecretKey(key))
        return np.array(plain if isinstance(plain, list) else plain.tolist(), dtype=np.float64)

    @staticmethod
    def _state(x: TensealValue) -> _State:
        """Level and scales of `x`, the same for all its ciphertexts. Raises ContextMismatch."""
        context, ciphertexts = unpack(x)
        return _State(context, ciphertexts, context.level_of(*ciphertexts), _common_scale(ciphertexts))

    @staticmethod
    def _drifting_prime(state: _State, scale: float, levels: int = 2) -> int | None:
        """The first of the next primes with which TenSEAL's own operators are wrong at this scale; None for none."""
        primes = (state.prime(below) for below in range(min(levels, state.level)))
        return next((prime for prime in primes if abs(scale / prime - 1) > SCALE_TOLERANCE), None)

    @classmethod
    def _require_fit(cls, state: _State, scale: float, levels: int = 2) -> None:
        """Raise ScaleMismatch where TenSEAL's own operators are wrong with this scale on the next primes."""
        prime = cls._drifting_prime(state, scale, levels)
        if prime is not None:
            raise ScaleMismatch(
                scale,
                prime,
                "TenSEAL takes the two for equal, so every product comes out wrong by their ratio. "
                f"{suggest_chain(state.context, scale)} Or use fhenn.encrypt, which keeps exact scales.",
            )

    def _require_alike(self, x: TensealValue, factor: TensealValue) -> None:
        """Raise unless both are of one type, shape and context."""
        if type(x) is not type(factor):
            raise UnsupportedValue(f"{type(x).__name__} with {type(factor).__name__}", "two values of one type")
        if shape_of(x) != shape_of(factor) or tuple(x.shape) != tuple(factor.shape):
            raise ShapeMismatch("backward", shape_of(factor), str(shape_of(x)))
        mine, other = (SealContext.from_tenseal(value.context()) for value in (x, factor))
        if mine.fingerprint != other.fingerprint:
            raise ContextMismatch(mine.fingerprint, other.fingerprint)


def _of_handles(x: TensealValue, on: SealArithmetic, handles: list[Handle]) -> TensealValue:
    """A value like `x` of other ciphertexts."""
    bodies = tuple(save_object(on.unwrap(handle)) for handle in handles)
    message = replace(TensealMessage.decode(x.serialize()), ciphertexts=bodies, scale=handles[0].scale)
    return type(x).load(x.context(), message.encode())


def scale_of(x: TensealValue) -> float:
    """The scale of the ciphertexts of a vector or tensor (its own `scale()` raises AttributeError in TenSEAL 0.3)."""
    return float(x.ciphertext()[0].scale)


def shape_of(x: TensealValue) -> tuple[int, ...]:
    """The shape of the plaintext of a vector or tensor; of a batched tensor, the batch first."""
    shape = tuple(x.shape)
    if isinstance(x, ts.CKKSTensor):
        batch = TensealMessage.decode(x.serialize()).batch
        if batch is not None:
            return (batch, *shape)
    return shape


def unpack(value: Any) -> tuple[SealContext, tuple[Any, ...]]:
    """The context of a TenSEAL value, and copies of its ciphertexts.

    value: a vector or tensor.

    Raises UnsupportedValue where it is linked to no context, or holds nothing; ParameterError where the context is not
    of CKKS.
    """
    try:
        context = SealContext.from_tenseal(value.context())
    except ValueError as error:
        if isinstance(error, FhennError):
            raise
        raise UnsupportedValue(
            f"{an(type(value).__name__)} without a context", "one that is linked: call link_context(context) first"
        ) from error
    ciphertexts = tuple(value.ciphertext())
    if not ciphertexts:
        raise UnsupportedValue(f"an empty {type(value).__name__}", "one that holds values")
    return context, ciphertexts


def _common_scale(ciphertexts: Sequence[Any]) -> float:
    """The one scale of SEAL ciphertexts. Raises UnsupportedValue where they have several."""
    scales = {float(ciphertext.scale) for ciphertext in ciphertexts}
    if len(scales) != 1:
        raise UnsupportedValue("ciphertexts of several scales", "ciphertexts of one scale")
    return scales.pop()


def array_of(vector: ts.CKKSVector) -> CipherArray:
    """The array of `CipherArray.from_tenseal`.

    vector: a `tenseal.CKKSVector`, of which every chunk but the last is full.

    Raises UnsupportedValue for another value, ShapeMismatch where a chunk is not full.
    """
    if not isinstance(vector, ts.CKKSVector):
        raise UnsupportedValue(an(type(vector).__name__), "a tenseal.CKKSVector")
    context, ciphertexts = unpack(vector)
    level, scale = context.level_of(*ciphertexts), _common_scale(ciphertexts)
    if PACKED.ciphertexts((vector.size(),), context.slots) != len(ciphertexts):
        raise ShapeMismatch("from_tenseal", (vector.size(),), f"at least {len(ciphertexts) - 1} full chunks")
    return CipherArray(context, (vector.size(),), PACKED, ciphertexts, level, scale)


TENSEAL = TensealBackend()


def _warn_once(context: SealContext, scale: float, prime: int) -> None:
    """Give a ScaleWarning, unless these parameters had one at that scale.

    Python's own register would give it anew for every place in the code that evaluates a node.

    context: whose parameters they are.
    scale: of the value.
    prime: that it does not match.
    """
    key = (context.parameters_fingerprint, scale)
    if key not in _warned:
        warnings.warn(ScaleWarning(scale, prime), stacklevel=3)
        _warned.add(key)  # not where the warning is raised as an error
