"""SEAL's bytes as residues, and back, without SEAL.

`fhenn.ckks.structure` checks the structure of messages, here is what is inside them.

A seed stands in the place of the second polynomial of what was encrypted under a secret key; it is expanded natively.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256

import numpy as np

from fhenn.backends.native.ring import Residues, Ring
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.messages import check_context_message
from fhenn.ckks.structure import Chain, RawCiphertext, chain_of
from fhenn.errors import WireFormatError
from fhenn.protobuf import read_fields
from fhenn.wire import unframe

_CONTEXT = "evaluation-context"
_HEADER = struct.Struct("<HBBBBHQ")  # magic, header size, version major, minor, compression, reserved, size
_MAGIC, _MAJOR, _MINOR, _PLAIN, _ZSTANDARD = 0xA15E, 4, 3, 0, 2
_CIPHERTEXT = struct.Struct("<BQQQdQ")  # NTT form, polynomials, N, primes, scale, correction factor
_COUNT = struct.Struct("<Q")
_CKKS = 2

_COMPRESSION = 1
"""Zstandard's level: residues are random, and all that can be left out is what their primes are short of 64 bits."""


@dataclass(frozen=True, eq=False)
class Read:
    """A ciphertext as it was read.

    residues: (2, primes, N).
    scale: that is noted on it.
    """

    residues: Residues
    scale: float

    @property
    def level(self) -> int:
        """Rescales left."""
        return int(self.residues.shape[1]) - 1


@dataclass(frozen=True, eq=False)
class ContextMessage:
    """What computing takes, as it was read.

    ring: with the tables of its primes.
    scale: of fresh ciphertexts.
    fingerprint: of the keys (`Context.fingerprint`).
    relinearisation: keys by SEAL's index, (digits, 2, primes, N) each.
    galois: the same, for rotations.
    """

    ring: Ring
    scale: float
    fingerprint: str
    relinearisation: dict[int, Residues]
    galois: dict[int, Residues]


@lru_cache(maxsize=256)
def parameters_id(ring_degree: int, primes: tuple[int, ...]) -> bytes:
    """SEAL's id of parameters, which is written on every ciphertext and key.

    ring_degree: N.
    primes: under the ciphertext; for a key, all of the chain.

    Source: `EncryptionParameters::compute_parms_id` of SEAL 4: BLAKE2b of scheme, N, primes and plain modulus, which
    CKKS has none of.
    """
    words = np.array([_CKKS, ring_degree, *primes, 0], "<u8")
    return blake2b(words.tobytes(), digest_size=32).digest()


def read_ciphertext(ring: Ring, what: str, data: bytes) -> Read:
    """A ciphertext in bytes.

    ring: of its parameters.
    what: the kind of message, for the error.
    data: as SEAL saves a ciphertext of two polynomials, from a stranger.

    Raises WireFormatError.
    """
    chain = Chain(ring.ring_degree, ring.primes)
    raw = chain.ciphertext(what, data)
    _require(what, raw.primes < len(chain.primes), "a ciphertext is at the level of keys")
    residues = np.empty((2, raw.primes, ring.ring_degree), np.uint64)
    _fill(ring, what, raw, residues)
    return Read(residues, raw.scale)


def write_ciphertext(ring: Ring, residues: Residues, scale: float) -> bytes:
    """The bytes of a ciphertext, as SEAL saves and loads them.

    ring: of its parameters.
    residues: (2, primes, N).
    scale: to be noted on it.
    """
    polynomials, primes, ring_degree = residues.shape
    array = _object(_COUNT.pack(residues.size) + residues.astype("<u8", copy=False).tobytes())
    head = _CIPHERTEXT.pack(1, polynomials, ring_degree, primes, scale, 1)
    body = b"".join([parameters_id(ring_degree, ring.primes[:primes]), head, array])
    return _object(zstandard().compress(body, _COMPRESSION), _ZSTANDARD)


def _object(body: bytes, compression: int = _PLAIN) -> bytes:
    """An object of SEAL's, with its header."""
    size = _HEADER.size + len(body)
    return _HEADER.pack(_MAGIC, _HEADER.size, _MAJOR, _MINOR, compression, 0, size) + body


def read_context(data: bytes) -> ContextMessage:
    """What computing takes.

    data: of `SealContext.to_bytes` or `evaluation_bytes`, from a stranger.

    Raises WireFormatError where it is not such a message, was altered, or carries a secret key.
    """
    meta, body = unframe(_CONTEXT, data)
    size = meta.get("rotation_keys")
    if type(size) is not int or not 0 <= size <= len(body):
        raise WireFormatError(_CONTEXT, "its header does not say how many of its bytes are rotation keys")
    body, rotations = body[: len(body) - size], body[len(body) - size :]
    check_context_message(body, walk=False)
    outer = dict(read_fields(_CONTEXT, body))
    chain = chain_of(_CONTEXT, _bytes(outer[1]))
    inner = dict(read_fields(_CONTEXT, _bytes(outer[2])))
    ring = Ring.of(chain.ring_degree, chain.primes)
    relinearisation = _read_keys(ring, _bytes(inner.get(4, b"")))
    galois = _read_keys(ring, rotations or _bytes(inner.get(5, b"")))
    fingerprint = _fingerprint(ring, _bytes(inner.get(1, b"")), relinearisation)
    if fingerprint != meta.get("fingerprint"):
        raise WireFormatError(_CONTEXT, "its keys are not those that its header names")
    return ContextMessage(ring, _scale(inner.get(3)), fingerprint, relinearisation, galois)


def _bytes(value: int | bytes) -> bytes:
    """A field that holds bytes. Raises WireFormatError."""
    if isinstance(value, int):
        raise WireFormatError(_CONTEXT, "a number stands in the place of an object")
    return value


def _scale(value: int | bytes | None) -> float:
    """The scale in a message. Raises WireFormatError where there is none."""
    if not isinstance(value, bytes) or len(value) != 8:
        raise WireFormatError(_CONTEXT, "it has no scale")
    scale: float = struct.unpack("<d", value)[0]
    if not 0 < scale < float("inf"):
        raise WireFormatError(_CONTEXT, "its scale is not a finite number above 0")
    return scale


def _fingerprint(ring: Ring, public_key: bytes, relinearisation: dict[int, Residues]) -> str:
    """What `SealContext.fingerprint` gives."""
    digest = sha256(repr((ring.ring_degree, ring.primes)).encode())
    key: Residues | None = None
    if public_key:
        key = np.empty((2, len(ring.primes), ring.ring_degree), np.uint64)
        _fill(ring, _CONTEXT, Chain(ring.ring_degree, ring.primes).public_key(_CONTEXT, public_key), key)
    elif relinearisation:
        key = relinearisation[min(relinearisation)][0]
    if key is not None:
        digest.update(repr((int(key[0, 0, 0]), int(key[1, 0, 0]))).encode())
    return digest.hexdigest()[:16]


def _read_keys(ring: Ring, data: bytes) -> dict[int, Residues]:
    """Switching keys by SEAL's index, (digits, 2, primes, N) each; none for no bytes. Raises WireFormatError."""
    if not data:
        return {}
    found = {}
    raw = Chain(ring.ring_degree, ring.primes).switching_keys(_CONTEXT, data)
    for index in list(raw):
        parts = raw.pop(index)  # the bytes go when the residues are there
        found[index] = np.empty((len(parts), 2, len(ring.primes), ring.ring_degree), np.uint64)
        for part, key in zip(parts, found[index], strict=True):
            _fill(ring, _CONTEXT, part, key)
    return found


def _fill(ring: Ring, what: str, raw: RawCiphertext, residues: Residues) -> None:
    """Put what was read where it belongs.

    raw: what was read.
    residues: to be filled, (2, primes, N).

    Raises WireFormatError where the parameters are others, or a residue is not below its prime.
    """
    primes = ring.primes[: raw.primes]
    _require(what, raw.identity == parameters_id(ring.ring_degree, primes), "a ciphertext is of other parameters")
    words = np.frombuffer(raw.coefficients, "<u8").reshape(-1, *residues.shape[1:])
    residues[: len(words)] = words
    if raw.seed is not None:
        residues[1] = ring.expand_seed(raw.seed, raw.primes)
    _require(what, ring.holds(residues[: len(words)]), "a coefficient is not below its prime")


def _require(what: str, holds: bool, reason: str) -> None:
    """Raise WireFormatError, with a reason, unless something holds."""
    if not holds:
        raise WireFormatError(what, reason)
