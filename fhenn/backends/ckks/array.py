"""`CipherArray`: an encrypted array that knows its exact scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log2, prod
from typing import Any

import numpy as np
import tenseal as ts
import tenseal.sealapi as seal
from numpy.typing import ArrayLike, NDArray

from fhenn.backends.ckks.context import Context
from fhenn.backends.ckks.layout import PACKED, Layout, Vectors, layout_from_json, layout_of, layout_to_json
from fhenn.backends.ckks.wire import (
    TensealMessage,
    frame,
    loaded,
    saved,
    unframe,
)
from fhenn.backends.plain import PLAIN
from fhenn.errors import (
    ContextMismatch,
    HeadroomExceeded,
    NonFiniteValue,
    ParameterError,
    ScaleMismatch,
    ShapeMismatch,
    WireFormatError,
)

_KIND = "ciphertexts"


@dataclass(frozen=True, eq=False, repr=False)
class CipherArray:
    """An array of encrypted numbers. Immutable: every operation on it makes a new one.

    context: whose keys it is computed on with. shape: of the array. layout: how values sit in slots.
    ciphertexts: SEAL's. level: rescales left. scale: exact, never rounded to the context's.
    """

    context: Context
    shape: tuple[int, ...]
    layout: Layout
    ciphertexts: tuple[Any, ...]
    level: int
    scale: float

    __array_ufunc__ = None  # ndarray + CipherArray is a TypeError, not an array of objects

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

    @classmethod
    def from_tenseal(cls, vector: ts.CKKSVector) -> CipherArray:
        """The values of a `tenseal.CKKSVector`, shape (n,), from copies of its ciphertexts.

        From here on scales are exact. Vectors of several chunks must fill all but the last. Raises ContextMismatch
        where its ciphertexts have other parameters than its context.
        """
        context = Context.from_tenseal(vector.context())
        ciphertexts = tuple(vector.ciphertext())
        level, scale = context.level_of(*ciphertexts), common_scale(context, ciphertexts)
        if PACKED.ciphertexts((vector.size(),), context.slots) != len(ciphertexts):
            raise ShapeMismatch("from_tenseal", (vector.size(),), f"at least {len(ciphertexts) - 1} full chunks")
        return cls(context, (vector.size(),), PACKED, ciphertexts, level, scale)

    def to_tenseal(self) -> ts.CKKSVector:
        """A `tenseal.CKKSVector` of the values in C order, for layout "packed".

        TenSEAL's operators assume the context's scale. Raises ScaleMismatch where this array has another: let a
        `fhenn.Linear` bring it back, or stay with CipherArray.
        """
        if self.layout != PACKED:
            raise ParameterError(f"layout {self.layout.name!r} has no counterpart in TenSEAL.", "Use layout 'packed'.")
        if abs(self.scale / self.context.scale - 1) > 1e-12:
            raise ScaleMismatch(
                self.scale, round(self.context.scale), "Stay with CipherArray, or pass a CKKSVector to the node itself."
            )
        slots, rest = self.context.slots, self.size
        sizes = []
        while rest > 0:
            sizes.append(min(slots, rest))
            rest -= slots
        bodies = tuple(saved(ciphertext) for ciphertext in self.ciphertexts)
        message = TensealMessage(tuple(sizes), bodies, self.context.scale).encode()
        return ts.ckks_vector_from(self.context.tenseal, message)

    def to_bytes(self) -> bytes:
        """This array as a message, without keys."""
        meta = {
            "fingerprint": self.fingerprint,
            "shape": list(self.shape),
            "layout": layout_to_json(self.layout),
            "level": self.level,
            "scale": self.scale.hex(),
        }
        bodies = tuple(saved(ciphertext) for ciphertext in self.ciphertexts)
        return frame(_KIND, meta, TensealMessage((), bodies, self.scale).encode())

    @classmethod
    def from_bytes(cls, context: Context, data: bytes) -> CipherArray:
        """The array in a message of `to_bytes`.

        Raises ContextMismatch where it belongs to other keys, WireFormatError where it is malformed or altered, or
        where its ciphertexts are not what its header says.
        """
        meta, body = unframe(_KIND, data)
        if meta.get("fingerprint") != context.fingerprint:
            raise ContextMismatch(context.fingerprint, str(meta.get("fingerprint"))[:16])
        shape, layout, level, scale = cls._checked_meta(context, meta)
        bodies = TensealMessage.decode(body).ciphertexts
        if len(bodies) != layout.ciphertexts(shape, context.slots):
            raise WireFormatError(_KIND, f"{len(bodies)} ciphertexts cannot hold shape {shape}")
        ciphertexts = tuple(loaded(seal.Ciphertext(), context.seal_context, body) for body in bodies)
        for ciphertext in ciphertexts:
            found = (ciphertext.parms_id(), ciphertext.scale, ciphertext.size())
            if found != (context.parms_id(level), scale, 2):
                raise WireFormatError(_KIND, "a ciphertext is not at the level and scale that the header states")
        return cls(context, shape, layout, ciphertexts, level, scale)

    @staticmethod
    def _checked_meta(context: Context, meta: dict[str, Any]) -> tuple[tuple[int, ...], Layout, int, float]:
        """Shape, layout, level and scale of a header. Raises WireFormatError."""
        try:
            shape = tuple(meta["shape"])
            layout = layout_from_json(meta["layout"])
            level, scale = meta["level"], float.fromhex(meta["scale"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise WireFormatError(_KIND, "its header is not readable") from error
        sane = (
            all(type(size) is int and 0 < size < 1 << 32 for size in shape)
            and (layout == PACKED or len(shape) == 2)
            and (not isinstance(layout, Vectors) or layout.holds(shape[1], context.slots))
            and type(level) is int
            and 0 <= level <= context.levels
            and isfinite(scale)
            and scale > 0
        )
        if not sane:
            raise WireFormatError(_KIND, "its header states a shape, level or scale that cannot be")
        return shape, layout, level, scale


def encrypt(
    context: Context, values: ArrayLike, layout: str | Layout = "packed", headroom: float | None = None
) -> CipherArray:
    """Encrypt real numbers at the context's full level and scale.

    values: an array of any shape ("packed") or samples × features ("features" and other layouts), not empty.
    headroom: the largest |value| that what follows can hold (`node.headroom(context)`); checked here because the
    server cannot see it.
    Raises NonFiniteValue, HeadroomExceeded, ShapeMismatch, UnsupportedValue, KeyMissing.

    >>> from fhenn.backends.ckks.parameters import Parameters
    >>> client = Context.generate(Parameters.for_depth(1))
    >>> encrypt(client, [[1.0, 2.0], [3.0, 4.0]]).shape
    (2, 2)
    """
    layout = layout_of(layout)
    array = PLAIN.value(values).astype(np.float64, copy=False)
    if array.size == 0:
        raise ShapeMismatch("encrypt", array.shape, "at least one value")
    nonfinite = int(np.count_nonzero(~np.isfinite(array)))
    if nonfinite:
        raise NonFiniteValue("encrypt", nonfinite, "CKKS cannot encode them: drop or impute them first.")
    level = context.levels
    largest = float(np.abs(array).max())
    limit = min(float(prod(context.primes)) / 2 / context.scale, np.inf if headroom is None else headroom)
    if largest > limit:
        raise HeadroomExceeded(largest, limit, "encrypt")
    rows = layout.pack(array, context.slots)
    ciphertexts = tuple(context.encrypt_slots(row, level, context.scale) for row in rows)
    return CipherArray(context, array.shape, layout, ciphertexts, level, context.scale)


def decrypt(context: Context, array: CipherArray) -> NDArray[np.float64]:
    """The numbers in `array`, in its shape, decrypted with the secret key in `context`.

    The result carries traces of the secret key in its noise: keep it with the key holder. Raises ContextMismatch,
    KeyMissing.
    """
    array.require_same_keys(context)
    rows = [context.decrypt_slots(ciphertext) for ciphertext in array.ciphertexts]
    return array.layout.unpack(rows, array.shape)


def common_scale(context: Context, ciphertexts: Sequence[Any]) -> float:
    """The one scale of SEAL ciphertexts. Raises ContextMismatch where they have several."""
    scales = {float(ciphertext.scale) for ciphertext in ciphertexts}
    if len(scales) != 1:
        raise ContextMismatch(context.fingerprint, "ciphertexts of several scales")
    return scales.pop()
