"""A codec for TenSEAL's protobuf messages and SEAL's objects inside fhenn's frame (`fhenn.wire`).

TenSEAL crashes, or hands back foreign memory, on messages that lie about their structure. So structure is checked
here, in Python, before a byte reaches it. Bytes from strangers who mean harm must besides be loaded in a process that
may die.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import Any

from fhenn.ckks.headers import Places, form_of, in_own_version
from fhenn.ckks.structure import Chain, chain_of, check_parameters
from fhenn.errors import WireFormatError
from fhenn.protobuf import (
    Change,
    change_fields,
    encode_double,
    encode_field,
    encode_head,
    encode_varints,
    read_fields,
    read_varints,
)
from fhenn.wire import frame, unframe

_EVALUATION, _CONTEXT = "evaluation-context", "TenSEAL context"
_NO_SCALE = -1.0
"""What TenSEAL writes where a context has no scale."""


@dataclass(frozen=True)
class KeysObject:
    """Switching keys for ciphertexts up to a level.

    level: of these.
    data: packed (`fhenn.ckks.packing`) or as SEAL saves them, under `Chain.up_to` that level; not looked into yet.
    """

    level: int
    data: bytes | memoryview


@dataclass(frozen=True)
class EvaluationMessage:
    """What computing takes, in bytes.

    fingerprint: of the keys (`Context.fingerprint`).
    parameters: the fingerprint of their parameters.
    context: TenSEAL's message of parameters and public key, and of the relinearisation keys that are for every level.
    relinearisation: keys for fewer levels; None where `context` has those for every level, or nobody made any.
    rotations: rotation keys, levels ascending.
    """

    fingerprint: str
    parameters: str
    context: bytes
    relinearisation: KeysObject | None = None
    rotations: tuple[KeysObject, ...] = ()

    def encode(self) -> bytes:
        """The message in a frame."""
        keys = [*([self.relinearisation] if self.relinearisation else []), *self.rotations]
        meta: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "parameters": self.parameters,
            "rotation_keys": sum(len(each.data) for each in keys),
            "rotation_levels": [[each.level, len(each.data)] for each in self.rotations],
        }
        if self.relinearisation:
            meta["relinearisation"] = [self.relinearisation.level, len(self.relinearisation.data)]
        return frame(_EVALUATION, meta, self.context, *(each.data for each in keys))

    @classmethod
    def decode(cls, data: bytes) -> tuple[EvaluationMessage, ContextParts]:
        """The content of a message, and what is in its context.

        data: of `encode`, from a stranger. Messages of before keys had levels are read as well: theirs are for all.

        Raises WireFormatError where it is not such a message, was altered, or carries a secret key. Public,
        relinearisation and rotation keys are left to whoever reads them, and so is whether they have the fingerprint.
        """
        meta, body = unframe(_EVALUATION, data)
        size = meta.get("rotation_keys")
        if type(size) is not int or not 0 <= size <= len(body):
            raise WireFormatError(_EVALUATION, "its header does not say how many of its bytes are rotation keys")
        context, left = body[: len(body) - size], memoryview(body)[len(body) - size :]
        parts = context_parts(context)
        squares, rotations = _stated(meta, parts.chain.levels, size)
        # the fingerprint is taken of the public key, or else of relinearisation keys in the context
        if squares and (parts.relinearisation_keys or not parts.public_key):
            raise WireFormatError(_EVALUATION, "its relinearisation keys are there twice, or no public key is")
        keys = []
        for level, length in (*squares, *rotations):
            keys.append(KeysObject(level, left[:length]))
            left = left[length:]
        relinearisation = keys.pop(0) if squares else None
        found = cls(str(meta.get("fingerprint")), str(meta.get("parameters")), context, relinearisation, tuple(keys))
        return found, parts


def bytes_of_rotations(meta: dict[str, Any]) -> Any:
    """How many bytes of a message are rotation keys, as its header says; None where it does not.

    meta: a stranger's.
    """
    size, squares = meta.get("rotation_keys"), meta.get("relinearisation")
    return size - squares[1] if isinstance(size, int) and isinstance(squares, list) and _is_section(squares) else size


_Sections = list[tuple[int, int]]


def _stated(meta: dict[str, Any], highest: int, size: int) -> tuple[_Sections, _Sections]:
    """The levels of relinearisation and of rotation keys, and the bytes that each take.

    meta: a stranger's.
    highest: level of a ciphertext.
    size: bytes of all of them.

    Raises WireFormatError where they cannot be.
    """
    squares, rotations = meta.get("relinearisation"), meta.get("rotation_levels")
    if squares is None and rotations is None and size:
        rotations = [[highest, size]]
    found = [squares] if squares is not None else [], rotations if rotations is not None else []
    each_kind = all(isinstance(kind, list) and all(map(_is_section, kind)) for kind in found)
    if not (
        each_kind
        and all(0 <= level <= highest and length > 0 for kind in found for level, length in kind)
        and all(before < after for (before, _), (after, _) in pairwise(found[1]))
        and sum(length for kind in found for _, length in kind) == size
    ):
        raise WireFormatError(_EVALUATION, "its header does not say for which levels its keys are")
    return [(level, length) for level, length in found[0]], [(level, length) for level, length in found[1]]


def _is_section(stated: Any) -> bool:
    """Whether it is a pair of whole numbers."""
    return isinstance(stated, list) and list(map(type, stated)) == [int, int]


@dataclass(frozen=True)
class ContextParts:
    """What is in a TenSEAL context message.

    message: the message itself.
    chain: its parameters.
    public_key: as SEAL saves it, not looked into yet; empty where there is none.
    relinearisation_keys: the same.
    galois_keys: the same.
    scale: of fresh ciphertexts; None where the context has none.
    """

    message: bytes = field(repr=False)  # it may carry a secret key
    chain: Chain
    public_key: bytes
    relinearisation_keys: bytes
    galois_keys: bytes
    scale: float | None

    def for_seal(self) -> bytes:
        """The message as TenSEAL loads it: all that is in it is checked, and in the version of TenSEAL's SEAL.

        Raises WireFormatError where an object in it is not what SEAL makes.
        """
        what, chain = _CONTEXT, self.chain

        def own(check: Callable[[str, bytes], Places]) -> Change:
            return lambda data: bytes(in_own_version(data, check(what, data))) if data else data

        keys = own(chain.check_switching_keys)
        public: dict[int, Change] = {1: own(chain.check_public_key), 4: keys, 5: keys}
        return change_fields(
            _CONTEXT,
            self.message,
            {
                1: own(lambda what, data: check_parameters(what, data)[1]),
                2: lambda part: change_fields(_CONTEXT, part, public),
                3: lambda part: change_fields(_CONTEXT, part, {1: own(chain.check_secret_key)}),
            },
        )


def context_parts(body: bytes, secret: bool = False) -> ContextParts:
    """What is in a TenSEAL context message.

    body: the message, from a stranger.
    secret: whether it may carry a secret key, which is checked, and not returned: on the client's side alone.

    Raises WireFormatError where it is no such message. Public, relinearisation and Galois keys are left to whoever
    reads them.
    """
    what = _CONTEXT
    parts = _once(what, read_fields(what, body))
    if 3 in parts and not secret:
        raise WireFormatError(what, "it carries a secret key, which must never leave the client")
    public, private = parts.pop(2, None), parts.pop(3, b"")
    parameters, _ = parts.pop(1, None), parts.pop(4, None)
    if parts:
        raise WireFormatError(what, f"unknown field {next(iter(parts))}")
    if not isinstance(parameters, bytes) or not isinstance(public, bytes) or not isinstance(private, bytes):
        raise WireFormatError(what, "parameters or public part are missing")
    chain = chain_of(what, _object(what, parameters))
    found = _once(what, read_fields(what, public))
    for number in found:
        if not 1 <= number <= 5:
            raise WireFormatError(what, f"unknown field {number}")
    for number, value in _once(what, read_fields(what, private)).items():
        if number == 1:
            chain.check_secret_key(what, _object(what, value))
        elif number != 2:
            raise WireFormatError(what, f"unknown field {number}")
    public_key, relinearisation_keys, galois_keys = (_object(what, found.get(number, b"")) for number in (1, 4, 5))
    return ContextParts(body, chain, public_key, relinearisation_keys, galois_keys, _scale_in(what, found.get(3)))


def _scale_in(what: str, value: int | bytes | None) -> float | None:
    """The scale in a field, None where the context has none. Raises WireFormatError."""
    if value is None:
        return None
    if not isinstance(value, bytes) or len(value) != 8:
        raise WireFormatError(what, "its scale is no number")
    scale: float = struct.unpack("<d", value)[0]
    if scale == _NO_SCALE:
        return None
    if not (isfinite(scale) and scale > 0):
        raise WireFormatError(what, "its scale is not a finite number above 0")
    return scale


def _once(what: str, fields: Iterator[tuple[int, int | bytes]]) -> dict[int, int | bytes]:
    """Fields by number. Raises WireFormatError where one comes twice: parsers differ about which of them counts."""
    found: dict[int, int | bytes] = {}
    for number, value in fields:
        if number in found:
            raise WireFormatError(what, f"field {number} comes twice")
        found[number] = value
    return found


def _object(what: str, value: int | bytes) -> bytes:
    """The bytes of a SEAL object. Raises WireFormatError where a number stands in its place, or SEAL cannot read it."""
    if isinstance(value, int):
        raise WireFormatError(what, "a number stands in the place of an object")
    if value and form_of(what, value) == "packed":
        raise WireFormatError(what, "an object of TenSEAL's is packed, as it cannot be")
    return value


def with_relinearisation_keys(body: bytes, keys: bytes) -> bytes:
    """A TenSEAL context message with relinearisation keys in its public part.

    body: the message without any.
    keys: as SEAL saves them.
    """
    parts = []
    for number, value in read_fields(_CONTEXT, body):
        if number == 2 and isinstance(value, bytes):
            parts.append(encode_field(number, value + encode_field(4, keys)))
        else:
            parts.append(encode_field(number, value))
    return b"".join(parts)


@dataclass(frozen=True)
class TensealMessage:
    """The content of a serialised CKKSVector or CKKSTensor.

    sizes: of a vector's chunks; of a tensor, its shape.
    ciphertexts: as SEAL saves them.
    scale: of the value, which TenSEAL stamps on its ciphertexts.
    batch: values per ciphertext of a batched tensor, None otherwise.
    """

    sizes: tuple[int, ...]
    ciphertexts: tuple[bytes, ...]
    scale: float
    batch: int | None = None

    def __repr__(self) -> str:
        size = sum(map(len, self.ciphertexts))
        return f"TensealMessage({len(self.ciphertexts)} ciphertexts, {size:,} bytes, sizes={self.sizes[:8]})"

    def encode(self) -> bytes:
        """The protobuf message."""
        return b"".join(self.pieces())

    def pieces(self) -> list[bytes]:
        """The protobuf message in pieces, where ciphertexts are not copied.

        TenSEAL's tensors.proto: sizes or shape 1, ciphertexts 2, scale 3, batch_size 4.
        """
        parts = [encode_field(1, encode_varints(self.sizes))]
        for ciphertext in self.ciphertexts:
            parts += [encode_head(2, len(ciphertext)), ciphertext]
        parts.append(encode_double(3, self.scale))
        if self.batch is not None:
            parts.append(encode_field(4, self.batch))
        return parts

    @classmethod
    def decode(cls, data: bytes | memoryview) -> TensealMessage:
        """The content of a message.

        data: from a stranger. Of what is in it, copies are made.

        Raises WireFormatError where it has unknown fields, no ciphertexts or scale, or a ciphertext without a header of
        SEAL's.
        """
        what = "TenSEAL message"
        sizes: Sequence[int] = ()
        ciphertexts: list[bytes] = []
        scale, batch = 0.0, None
        for number, found in read_fields(what, memoryview(data)):
            value = found if isinstance(found, int) else bytes(found)
            if number == 1 and isinstance(value, bytes):
                sizes = read_varints(what, value)
            elif number == 2 and isinstance(value, bytes):
                form_of(what, value)
                ciphertexts.append(value)
            elif number == 3 and isinstance(value, bytes) and len(value) == 8:
                scale = struct.unpack("<d", value)[0]
            elif number == 4 and isinstance(value, int):
                batch = value or None
            else:
                raise WireFormatError(what, f"unexpected field {number}")
        if not ciphertexts or not isfinite(scale) or scale <= 0:
            raise WireFormatError(what, "it has no ciphertexts, or no positive finite scale")
        return cls(tuple(sizes), tuple(ciphertexts), scale, batch)
