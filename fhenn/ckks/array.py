"""`CipherArray`: an encrypted array that knows its exact scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from itertools import chain
from math import isfinite, log2, prod
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.numbers import floating
from fhenn.ckks import algebra
from fhenn.ckks import samples as samples_of
from fhenn.ckks.context import Context, require_context
from fhenn.ckks.expressions import A_POLYNOMIAL, function, item, reciprocal, refusal, total, ufunc, whole_exponent
from fhenn.ckks.layout import PACKED, Layout, WholeSamples, layout_from_json, layout_of, layout_to_json
from fhenn.ckks.messages import TensealMessage
from fhenn.errors import (
    ContextMismatch,
    HeadroomExceeded,
    ParameterError,
    ShapeMismatch,
    UnsupportedValue,
    WireFormatError,
)
from fhenn.finite import require_finite
from fhenn.steps import counted
from fhenn.text import an
from fhenn.uncopied import Uncopied
from fhenn.wire import frame, unframe_in_place

_KIND = "ciphertexts"

_MOST_DIMENSIONS = 32
"""As many as every NumPy has."""

_AT_ONCE = 64
"""Ciphertexts that are read at once: their memory is one piece."""


@dataclass(frozen=True, eq=False, repr=False)
class CipherArray(Uncopied):
    """An array of encrypted numbers. Immutable: every operation on it makes a new one.

    It computes as NumPy's arrays do, as far as CKKS allows; what costs levels, and what is refused, each operator says.
    `x + y`, `x - y`, `x * y`, `-x`, `x ** n`, `x / c`, `x @ W`, `x.sum(axis=…)`, `x.mean(axis=…)`, `x[i:j]`, and
    `fhenn.concatenate`; numbers and arrays may stand on either side. Samples are the first axis.

    context: with whose keys it is computed on.
    shape: of the numbers.
    layout: how they sit in slots.
    ciphertexts: of the context's arithmetic.
    level: rescales left.
    scale: exact, never rounded to the context's.

    >>> import fhenn
    >>> client = fhenn.Context.generate(fhenn.Parameters.for_depth(2))
    >>> x = encrypt(client, [1.0, 2.0])
    >>> x.shape, x.level, CipherArray.from_bytes(client, x.to_bytes()).shape
    ((2,), 2, (2,))
    >>> y = x**2 - x + 2
    >>> y.level, decrypt(client, y).round(3).tolist()
    (1, [2.0, 4.0])
    """

    context: Context
    shape: tuple[int, ...]
    layout: Layout
    ciphertexts: tuple[Any, ...]
    level: int
    scale: float

    _instead: ClassVar[str] = "Send to_bytes(), and load it with CipherArray.from_bytes(context, …); it never changes."

    @property
    def fingerprint(self) -> str:
        """Which key generation it belongs to."""
        return self.context.fingerprint

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)

    def __repr__(self) -> str:
        return (
            f"CipherArray(shape={self.shape}, layout={self.layout.name!r}, level={self.level}, "
            f"scale=2^{log2(self.scale):.2f}, ciphertexts={len(self.ciphertexts)}, context={self.fingerprint})"
        )

    def require_same_keys(self, context: Context) -> None:
        """Raise ContextMismatch where this array belongs to other keys than `context`."""
        if context.fingerprint != self.fingerprint:
            raise ContextMismatch(context.fingerprint, self.fingerprint)

    @cached_property
    def handles(self) -> tuple[Any, ...]:
        """What the context's arithmetic computes on."""
        return tuple(self.context.arithmetic.wrap(each, self.level, self.scale) for each in self.ciphertexts)

    def of_handles(
        self, handles: Sequence[Any], shape: tuple[int, ...] | None = None, layout: Layout | None = None
    ) -> CipherArray:
        """An array of other ciphertexts under the same keys.

        handles: of the context's arithmetic, all at one level and scale, at least one.
        shape: of the numbers, None for that of this array.
        layout: how they sit in slots, None for that of this array.
        """
        on = self.context.arithmetic
        return CipherArray(
            self.context,
            self.shape if shape is None else shape,
            self.layout if layout is None else layout,
            tuple(map(on.unwrap, handles)),
            on.level(handles[0]),
            on.scale(handles[0]),
        )

    def reshape(self, shape: tuple[int, ...]) -> CipherArray:
        """The same numbers, in C order, in another shape: nothing is computed.

        shape: of as many numbers; in other layouts than "packed" of as many samples, which the first axis counts.
        Raises ShapeMismatch for another.

        >>> import fhenn
        >>> client = fhenn.Context.generate(fhenn.Parameters.for_depth(1))
        >>> encrypt(client, [[1.0, 2.0, 3.0, 4.0]], "features").reshape((1, 1, 2, 2)).shape
        (1, 1, 2, 2)
        """
        shape = tuple(shape)
        samples = self.layout == PACKED or (len(shape) >= 2 and shape[0] == self.shape[0])
        if not samples or prod(shape) != self.size:
            kept = "" if self.layout == PACKED else f" and {self.shape[0]} samples"
            raise ShapeMismatch("reshape", shape, f"one of {self.size} numbers{kept}")
        return replace(self, shape=shape)

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def __add__(self, other: Any) -> CipherArray:
        """x + y: no level for numbers; for ciphertexts, one where they differ in scale (`fhenn.ckks.algebra.add`)."""
        return algebra.add(self, other) if isinstance(other, CipherArray) else algebra.add_values(self, other)

    __radd__ = __add__

    def __neg__(self) -> CipherArray:
        """-x, at no cost."""
        return algebra.negate(self)

    def __pos__(self) -> CipherArray:
        """x itself."""
        return self

    def __sub__(self, other: Any) -> CipherArray:
        """x - y, as a sum."""
        if isinstance(other, CipherArray):
            return algebra.add(self, -other)
        return algebra.add_values(self, -floating(other))

    def __rsub__(self, other: Any) -> CipherArray:
        """y - x, as a sum."""
        return algebra.add_values(-self, other)

    def __mul__(self, other: Any) -> CipherArray:
        """x·y, number by number: a level below the lower one; at the context's scale where y is plain."""
        return algebra.multiply(self, other) if isinstance(other, CipherArray) else algebra.multiply_values(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> CipherArray:
        """x/y for numbers y, as a product. Raises NonFiniteValue where one is zero."""
        if isinstance(other, CipherArray):
            raise refusal("a quotient by", A_POLYNOMIAL)
        return algebra.multiply_values(self, reciprocal(other))

    def __rtruediv__(self, other: Any) -> CipherArray:
        raise refusal("a quotient by", A_POLYNOMIAL)

    def __pow__(self, exponent: Any) -> CipherArray:
        """x to the power of a whole number from 1: ⌈log₂⌉ of it levels."""
        return algebra.power(self, whole_exponent(exponent))

    def __rpow__(self, other: Any) -> CipherArray:
        raise refusal("a power with the exponent", A_POLYNOMIAL)

    def square(self) -> CipherArray:
        """x²: one level."""
        return algebra.power(self, 2)

    def __matmul__(self, matrix: Any) -> CipherArray:
        """x @ W, for samples × features and a plaintext matrix (features, outputs): one level (`Linear` does it)."""
        if isinstance(matrix, CipherArray):
            raise refusal("a matrix product with another", "(x * y).sum(axis=1) is the product of each pair of rows.")
        return algebra.matmul(self, matrix)

    def __rmatmul__(self, matrix: Any) -> CipherArray:
        raise refusal("a matrix product from the left", "x @ W mixes features; samples are added by x.sum(axis=0).")

    def sum(self, axis: int | None = None, *, keepdims: bool = True) -> CipherArray:
        """The sum over samples (axis 0), features (1) or both (None). The axis stays, of length 1, so keepdims is True.

        Features in layout "features" are added at no cost; those of whole samples take a level, and rotation keys.
        Samples take rotation keys by powers of two, and a level where they do not fill their ciphertexts.
        """
        return total(self, axis, keepdims=keepdims)

    def mean(self, axis: int | None = None, *, keepdims: bool = True) -> CipherArray:
        """The mean, at the cost of the sum."""
        return total(self, axis, mean=True, keepdims=keepdims)

    def __getitem__(self, key: Any) -> CipherArray:
        """x[i:j], neighbouring samples, and x[:, features] in layout "features", each an array of as many axes.

        Samples that begin with a ciphertext cost nothing, others in one ciphertext a rotation, else a level as well.
        """
        return item(self, key)

    def __len__(self) -> int:
        """How many samples there are: the length of the first axis."""
        if not self.shape:
            raise refusal("the length", "It holds one number, and has no axes.")
        return self.shape[0]

    def __iter__(self) -> Iterator[CipherArray]:
        raise refusal("a loop over the samples", "Operations work on all samples at once; x[i:i + 1] is one of them.")

    def __bool__(self) -> bool:
        raise refusal("the truth value")

    def __contains__(self, value: object) -> bool:
        raise refusal("a comparison")

    def __eq__(self, other: object) -> bool:
        raise refusal("a comparison")

    def __ne__(self, other: object) -> bool:
        raise refusal("a comparison")

    def __lt__(self, other: Any) -> bool:
        raise refusal("a comparison")

    def __le__(self, other: Any) -> bool:
        raise refusal("a comparison")

    def __gt__(self, other: Any) -> bool:
        raise refusal("a comparison")

    def __ge__(self, other: Any) -> bool:
        raise refusal("a comparison")

    def __hash__(self) -> int:
        """Of the object: an array is itself alone."""
        return id(self)

    def __abs__(self) -> CipherArray:
        raise refusal("the magnitude", A_POLYNOMIAL)

    def __array__(self, *arguments: Any, **options: Any) -> NDArray[np.float64]:
        raise UnsupportedValue("a CipherArray", "numbers: compute with its own operators, or decrypt it first")

    def __array_ufunc__(self, called: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """What NumPy asks for: np.add(1, x) is 1 + x, and never an array of objects."""
        return ufunc(self, called, method, inputs, options)

    def __array_function__(
        self, called: Any, types: Iterable[type], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if called is np.concatenate:
            return concatenate(*arguments, **options)
        return function(called.__name__, arguments, options)

    @classmethod
    def from_tenseal(cls, vector: Any) -> CipherArray:
        """The values of a `tenseal.CKKSVector`, from copies of its ciphertexts; from here on scales are exact.

        vector: of n values, of which every chunk but the last is full.

        Returns an array of shape (n,) in layout "packed".
        Raises UnsupportedValue for another value, ShapeMismatch where a chunk is not full, ContextMismatch where its
        ciphertexts have other parameters than its context.
        """
        # loaded when it is needed: nothing else here takes TenSEAL
        array: CipherArray = import_module("fhenn.backends.seal").array_of(vector)
        return array

    def to_tenseal(self) -> Any:
        """A `tenseal.CKKSVector` of the values in C order.

        Raises ParameterError where the layout is not "packed". TenSEAL's operators assume the context's scale: raises
        ScaleMismatch where this array has another.
        """
        return self.context.vector_of(self)

    def to_bytes(self) -> bytes:
        """This array as a message, without keys."""
        bodies = (self.context.save(ciphertext) for ciphertext in counted(self.ciphertexts))
        return _message(self.context, self.shape, self.layout, self.level, self.scale, bodies)

    @classmethod
    def from_bytes(cls, context: Context, data: bytes) -> CipherArray:
        """The array in a message.

        context: with the keys that it was encrypted under.
        data: of `to_bytes` or `encrypt_to_bytes`, from a stranger.

        Raises ContextMismatch where it belongs to other keys, WireFormatError where it is not such a message, was
        altered, or has other ciphertexts than its header says.
        """
        meta, body = unframe_in_place(_KIND, data)
        if meta.get("fingerprint") != require_context(context).fingerprint:
            raise ContextMismatch(context.fingerprint, str(meta.get("fingerprint"))[:16])
        shape, layout, level, scale = cls._checked_meta(context, meta)
        bodies = TensealMessage.decode(body).ciphertexts
        # first the count: what follows takes memory in proportion to it
        if len(bodies) != layout.ciphertexts(shape, context.slots):
            raise WireFormatError(_KIND, f"{len(bodies)} ciphertexts cannot hold shape {shape}")
        width = prod(shape[1:])
        if isinstance(layout, WholeSamples) and not (
            width <= layout.tiles * context.slots and layout.holds(width, context.slots)
        ):
            raise WireFormatError(_KIND, f"its layout does not hold {width} features")
        groups = [bodies[start : start + _AT_ONCE] for start in range(0, len(bodies), _AT_ONCE)]
        loading = counted(groups, share=1 / 2)  # what is done with them comes after
        ciphertexts = chain.from_iterable(context.load_all(group, level, scale) for group in loading)
        return cls(context, shape, layout, tuple(ciphertexts), level, scale)

    @staticmethod
    def _checked_meta(context: Context, meta: dict[str, Any]) -> tuple[tuple[int, ...], Layout, int, float]:
        """Shape, layout, level and scale of a header. Raises WireFormatError."""
        try:
            shape = tuple(meta["shape"])
            layout = layout_from_json(meta["layout"])
            level, scale = meta["level"], float.fromhex(meta["scale"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise WireFormatError(_KIND, "its header has no readable shape, layout, level and scale") from error
        sane = (
            len(shape) <= _MOST_DIMENSIONS
            and all(type(size) is int and 0 < size < 1 << 32 for size in shape)
            and (layout == PACKED or len(shape) >= 2)
            and type(level) is int
            and 0 <= level <= context.levels
            and isfinite(scale)
            and scale > 0
        )
        if not sane:
            raise WireFormatError(_KIND, "its header states a shape, level or scale that no array under these keys has")
        return shape, layout, level, scale


def encrypt(
    context: Context, values: ArrayLike, layout: str | Layout = "packed", headroom: float | None = None
) -> CipherArray:
    """Encrypt real numbers at the context's full level and scale.

    context: with the secret key, or the public one.
    values: an array of any shape ("packed") or samples × features ("features" and other layouts), not empty.
    layout: how they sit in slots: "packed", "features" or a `Layout`.
    headroom: the largest |value| that what follows can hold (`node.headroom(context)`), None for what the modulus
    holds; checked here because the server cannot see it.

    Places of the last ciphertext that no sample takes hold 0, and so do outputs that a layer pads. A polynomial whose
    domain is far from 0 can exceed the modulus there, which spoils the ciphertext: fill the places with more samples,
    or let `Client` and `Server` see to both.

    Returns the encrypted array.
    Raises NonFiniteValue, HeadroomExceeded, ShapeMismatch, UnsupportedValue, KeyMissing.

    >>> import fhenn
    >>> client = fhenn.Context.generate(fhenn.Parameters.for_depth(1))
    >>> encrypt(client, [[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    rows, shape, layout = _rows(context, values, layout, headroom)
    level = context.levels
    ciphertexts = tuple(context.encrypt_slots(row.tolist(), level, context.scale) for row in rows)
    return CipherArray(context, shape, layout, ciphertexts, level, context.scale)


def encrypt_to_bytes(
    context: Context,
    values: ArrayLike,
    layout: str | Layout = "packed",
    headroom: float | None = None,
    samples: int | None = None,
    upload: dict[str, Any] | None = None,
    public_key: bool = False,
) -> bytes:
    """`encrypt(…).to_bytes()` under the secret key, at half the bytes: the random halves travel as their seeds.

    context: with the secret key, or with the public one.
    values: as for `encrypt`.
    layout: as for `encrypt`.
    headroom: as for `encrypt`.
    samples: how many of the values' rows count, None for all; those after fill spare places of the last ciphertexts.
    upload: what the message says of itself besides, as plain data; None for nothing.
    public_key: whether to encrypt under the public key, at all the bytes.

    Returns the message, which `CipherArray.from_bytes` reads.
    Raises KeyMissing without the secret key, and what `encrypt` raises.
    """
    rows, shape, layout = _rows(context, values, layout, headroom)
    shape = shape if samples is None else (samples, *shape[1:])
    level, scale = context.levels, context.scale

    def body(row: NDArray[np.float64]) -> bytes:
        if public_key:
            return context.save(context.encrypt_slots(row.tolist(), level, scale))
        return context.encrypt_seeded(row.tolist(), level, scale)

    bodies = map(body, counted(rows))
    return _message(context, shape, layout, level, scale, bodies, {} if upload is None else {"upload": upload})


def _rows(
    context: Context, values: ArrayLike, layout: str | Layout, headroom: float | None
) -> tuple[NDArray[np.float64], tuple[int, ...], Layout]:
    """Slot values of every ciphertext, the shape and the layout. Raises what `encrypt` does."""
    require_context(context)
    layout = layout_of(layout)
    array = floating(values).astype(np.float64, copy=False)
    if array.size == 0:
        raise ShapeMismatch("encrypt", array.shape, "at least one value")
    require_finite("encrypt", array, "CKKS cannot encode them: drop or impute them first.")
    largest = float(np.abs(array).max())
    # SEAL wants a bit of room below half the modulus
    limit = context.modulus(context.levels) / 4 / context.scale
    if headroom is not None:
        if not headroom > 0:
            raise ParameterError(
                f"headroom must be a number above 0, not {headroom!r}.", "Give node.headroom(context)."
            )
        limit = min(limit, headroom)
    if largest > limit:
        raise HeadroomExceeded(largest, limit, "encrypt")
    return layout.pack(array, context.slots), array.shape, layout


def _message(
    context: Context,
    shape: tuple[int, ...],
    layout: Layout,
    level: int,
    scale: float,
    bodies: Iterable[bytes],
    besides: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """The message of ciphertexts.

    besides: what it says of itself beyond that.
    """
    meta = {
        "fingerprint": context.fingerprint,
        "parameters": context.parameters_fingerprint,
        "shape": list(shape),
        "layout": layout_to_json(layout),
        "level": level,
        "scale": scale.hex(),
        **besides,
    }
    return frame(_KIND, meta, *TensealMessage((), tuple(bodies), scale).pieces())


def concatenate(arrays: Sequence[CipherArray], axis: int = 0) -> CipherArray:
    """Several encrypted arrays as one.

    arrays: under the same keys, in one layout, at least one.
    axis: 0 for the samples of one after those of another, 1 for their features, which layout "features" can.

    Levels and scales come to those of the lowest, as in a sum. Features are put together at no cost, and so are samples
    where all arrays but the last fill their ciphertexts. Elsewhere samples take one level, and rotations: an error
    names those that have no key.

    Returns the array.
    Raises ContextMismatch, ShapeMismatch, KeyMissing, LevelExhausted, ScaleMismatch, UnsupportedOperation.

    >>> import fhenn
    >>> client = fhenn.Context.generate(fhenn.Parameters.for_depth(1))
    >>> x = encrypt(client, [[1.0], [2.0]], layout="features")
    >>> decrypt(client, concatenate([x, -x], axis=1)).round(3).tolist()
    [[1.0, -1.0], [2.0, -2.0]]
    """
    return samples_of.concatenate([require_array(array) for array in arrays], axis)


def decrypt(context: Context, array: CipherArray) -> NDArray[np.float64]:
    """Decrypt an array.

    context: with the secret key that it was encrypted under.
    array: of any layout.

    Returns the numbers, in the array's shape. Their noise carries traces of the secret key: keep them with the key
    holder, or share them with `Client.decrypt`.
    Raises ContextMismatch, KeyMissing, UnsupportedValue.

    >>> import fhenn
    >>> client = fhenn.Context.generate(fhenn.Parameters.for_depth(1))
    >>> decrypt(client, encrypt(client, [1.0, 2.0])).round(3).tolist()
    [1.0, 2.0]
    """
    require_array(array).require_same_keys(require_context(context))
    rows = [context.decrypt_slots(ciphertext) for ciphertext in counted(array.ciphertexts)]
    return array.layout.unpack(rows, array.shape)


def decrypt_with_errors(context: Context, array: CipherArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decrypt an array, and see its errors.

    context: with the secret key that it was encrypted under.
    array: of any layout.

    Returns the numbers as `decrypt` does, and the largest error that each sample is seen to have, (samples,); slots
    which hold no sample count for all in their ciphertext. Slots are complex numbers, and what is computed on them is
    real: what is imaginary in a slot is an error, spread as that of its value.
    Raises ContextMismatch, KeyMissing, UnsupportedValue.

    >>> import fhenn
    >>> client = fhenn.Context.generate(fhenn.Parameters.for_depth(1))
    >>> values, errors = decrypt_with_errors(client, encrypt(client, [1.0, 2.0]))
    >>> bool(np.abs(values - [1.0, 2.0]).max() < 10 * errors.max() < 1e-6)
    True
    """
    require_array(array).require_same_keys(require_context(context))
    slots = np.array([context.decrypt_complex(ciphertext) for ciphertext in counted(array.ciphertexts)])
    layout, shape = array.layout, array.shape
    return layout.unpack(slots.real, shape), layout.largest_by_sample(slots.imag, shape)


def require_array(value: Any) -> CipherArray:
    """`value`, which must be a `CipherArray`. Raises UnsupportedValue."""
    if not isinstance(value, CipherArray):
        raise UnsupportedValue(an(type(value).__name__), "a CipherArray: encrypt values with it first")
    return value
