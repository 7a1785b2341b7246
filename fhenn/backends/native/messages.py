"""SEAL's bytes as residues, and back, without SEAL.

`fhenn.ckks.structure` checks the structure of messages, here is what is inside them.

A seed stands in the place of the second polynomial of what was encrypted under a secret key; it is expanded natively.
Bytes are little-endian, as SEAL writes them on every machine that the native library is built for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256

import numpy as np

from fhenn.backends.native.keys import RELINEARISATION, Keys
from fhenn.backends.native.ring import Residues, Ring
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.messages import context_parts
from fhenn.ckks.structure import Chain, Part, Receiver
from fhenn.errors import WireFormatError
from fhenn.wire import unframe

_CONTEXT = "evaluation-context"
_HEADER = struct.Struct("<HBBBBHQ")  # magic, header size, version major, minor, compression, reserved, size
_MAGIC, _MAJOR, _MINOR, _PLAIN, _ZSTANDARD = 0xA15E, 4, 3, 0, 2
_CIPHERTEXT = struct.Struct("<BQQQdQ")  # NTT form, polynomials, N, primes, scale, correction factor
_COUNT = struct.Struct("<Q")
_CKKS = 2

_BLAKE2XB = 1
"""SEAL's number of the generator that its seeds are for unless it is told otherwise."""

_PRIME_LIMIT = 1 << 60
"""SEAL_USER_MOD_BIT_COUNT_MAX: primes are below it."""

_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)

_LEVEL, _SHORTEST_MATCH = 1, 4
"""Of Zstandard: residues are random, and all that can be left out is what their primes are short of 64 bits. SEAL's own
choice, level 3, finds no more of it, and takes twice the time."""


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
        return len(self.residues[0]) - 1


@dataclass(frozen=True, eq=False)
class ContextMessage:
    """What computing takes, as it was read.

    ring: with the tables of its primes.
    scale: of fresh ciphertexts; None where the context has none.
    fingerprint: of the keys (`Context.fingerprint`).
    keys: for switching.
    """

    ring: Ring
    scale: float | None
    fingerprint: str
    keys: Keys


@lru_cache(maxsize=256)
def parameters_id(ring_degree: int, primes: tuple[int, ...]) -> bytes:
    """SEAL's id of parameters, which is written on every ciphertext and key.

    ring_degree: N.
    primes: under the ciphertext; for a key, all of the chain.

    Returns 32 bytes.

    Source: `EncryptionParameters::compute_parms_id` of SEAL 4: BLAKE2b of scheme, N, primes and plain modulus, which
    CKKS has none of.

    >>> parameters_id(4096, (40961, 65537)).hex()[:16]
    'bbdd6e5446381df0'
    """
    words = struct.pack(f"<{3 + len(primes)}Q", _CKKS, ring_degree, *primes, 0)
    return blake2b(words, digest_size=32).digest()


def read_ciphertext(ring: Ring, what: str, data: bytes) -> Read:
    """A ciphertext in bytes.

    ring: of its parameters.
    what: the kind of message, for the error.
    data: as SEAL saves a ciphertext of two polynomials, from a stranger.

    Raises WireFormatError.
    """
    receiver = _Ciphertext(ring, what)
    _chain(ring).check_ciphertext(what, data, receiver)
    residues = receiver.residues
    _require(what, residues.shape[1] < len(ring.primes), "a ciphertext is at the level of keys")
    return Read(residues, receiver.scale)


def write_ciphertext(ring: Ring, residues: Residues, scale: float, *, compressed: bool = True) -> bytes:
    """The bytes of a ciphertext, as SEAL saves and loads them.

    ring: of its parameters.
    residues: (2, primes, N).
    scale: to be noted on it.
    compressed: whether they are as small as SEAL's own; plain ones are written and loaded in a fraction of the time.
    """
    polynomials, primes, ring_degree = residues.shape
    array = _COUNT.size + residues.nbytes
    head = b"".join(
        [
            parameters_id(ring_degree, ring.primes[:primes]),
            _CIPHERTEXT.pack(1, polynomials, ring_degree, primes, scale, 1),
            _header(array, _PLAIN),
            _COUNT.pack(residues.size),
        ]
    )
    if not compressed:
        return b"".join([_header(len(head) + residues.nbytes, _PLAIN), head, _bytes_of(residues)])
    parameter = zstandard().CompressionParameter
    options = {parameter.compression_level: _LEVEL, parameter.min_match: _SHORTEST_MATCH}
    compressor = zstandard().ZstdCompressor(options=options)
    compressor.set_pledged_input_size(len(head) + residues.nbytes)
    body = [compressor.compress(head), compressor.compress(_bytes_of(residues)), compressor.flush()]
    return b"".join([_header(sum(map(len, body)), _ZSTANDARD), *body])


def _header(size: int, compression: int) -> bytes:
    """The header of an object of SEAL's; size: in bytes, of what follows."""
    return _HEADER.pack(_MAGIC, _HEADER.size, _MAJOR, _MINOR, compression, 0, _HEADER.size + size)


def read_context(data: bytes) -> ContextMessage:
    """What computing takes.

    data: of `SealContext.to_bytes` or `evaluation_bytes`, from a stranger.

    Raises WireFormatError where it is not such a message, was altered, or carries a secret key.
    """
    meta, body = unframe(_CONTEXT, data)
    size = meta.get("rotation_keys")
    if type(size) is not int or not 0 <= size <= len(body):
        raise WireFormatError(_CONTEXT, "its header does not say how many of its bytes are rotation keys")
    rotations = memoryview(body)[len(body) - size :]
    parts = context_parts(body[: len(body) - size])
    _require_primes(parts.chain.primes)
    ring = Ring.of(parts.chain.ring_degree, parts.chain.primes)
    public_key = _read_public_key(ring, parts.public_key) if parts.public_key else None
    relinearisation = read_switching_keys(ring, _CONTEXT, parts.relinearisation_keys)
    if rotations and parts.galois_keys:  # SEAL's side takes those of the two that fhenn has made
        parts.chain.check_switching_keys(_CONTEXT, parts.galois_keys)
    galois = read_switching_keys(ring, _CONTEXT, rotations or parts.galois_keys)
    fingerprint = _fingerprint(ring, public_key, relinearisation)
    if fingerprint != meta.get("fingerprint"):
        raise WireFormatError(_CONTEXT, "its keys are not those that its header names")
    return ContextMessage(ring, parts.scale, fingerprint, Keys(ring, relinearisation, galois))


def read_switching_keys(ring: Ring, what: str, data: bytes | memoryview) -> dict[int, Residues]:
    """Switching keys in bytes.

    ring: of their parameters.
    what: the kind of message, for the error.
    data: as SEAL saves relinearisation or Galois keys, from a stranger; no bytes for no keys.

    Returns keys by SEAL's index, (digits, 2, primes, N) each. The last digits of a key may be zeros, where it was made
    for ciphertexts of d primes: it then has d digits, and is over d primes and the special one.
    Raises WireFormatError.
    """
    if not data:
        return {}
    receiver = _SwitchingKeys(ring, what)
    _chain(ring).check_switching_keys(what, data, receiver)
    return receiver.keys


def _read_public_key(ring: Ring, data: bytes) -> Residues:
    """A public key, (2, primes, N). Raises WireFormatError."""
    receiver = _Ciphertext(ring, _CONTEXT)
    _chain(ring).check_public_key(_CONTEXT, data, receiver)
    return receiver.residues


def _fingerprint(ring: Ring, public_key: Residues | None, relinearisation: Mapping[int, Residues]) -> str:
    """What `SealContext.fingerprint` gives. Raises WireFormatError where keys lack the one that it is taken of."""
    digest = sha256(repr((ring.ring_degree, ring.primes)).encode())
    key = public_key
    if key is None and relinearisation:
        _require(_CONTEXT, RELINEARISATION in relinearisation, "no key in it is for the square of the secret")
        key = relinearisation[RELINEARISATION][0]
    if key is not None:
        digest.update(repr((int(key[0, 0, 0]), int(key[1, 0, 0]))).encode())
    return digest.hexdigest()[:16]


class _Ciphertext(Receiver):
    """Keeps a ciphertext or a public key.

    ring: of its parameters.
    what: the kind of message, for errors.
    """

    residues: Residues
    scale: float

    def __init__(self, ring: Ring, what: str) -> None:
        self._ring, self._what = ring, what

    def space(self, part: Part) -> Iterable[memoryview]:
        _require_identity(self._ring, self._what, part)
        self.residues = np.empty((2, part.primes, self._ring.ring_degree), np.uint64)
        self.scale = part.scale
        return (_bytes_of(self.residues[: part.polynomials]),)

    def done(self, part: Part, seed: bytes | None) -> None:
        _complete(self._ring, self._what, self.residues, seed)


class _SwitchingKeys(Receiver):
    """Keeps switching keys.

    ring: of their parameters.
    what: the kind of message, for errors.
    keys: so far.
    """

    def __init__(self, ring: Ring, what: str) -> None:
        self._ring, self._what = ring, what
        self._digits = len(ring.primes) - 1
        self.keys: dict[int, Residues] = {}

    def space(self, part: Part) -> Iterable[memoryview]:
        _require_identity(self._ring, self._what, part)
        if part.digit == 0:
            self.keys[part.index] = np.empty((self._digits, 2, part.primes, self._ring.ring_degree), np.uint64)
        return (_bytes_of(self.keys[part.index][part.digit, : part.polynomials]),)

    def done(self, part: Part, seed: bytes | None) -> None:
        key = self.keys[part.index]
        _complete(self._ring, self._what, key[part.digit], seed)
        if part.digit == self._digits - 1:
            self.keys[part.index] = self._without_zeros(key)

    def _without_zeros(self, key: Residues) -> Residues:
        """A key without the digits that are zeros, and without the primes that the others are not used for."""
        digits = self._digits
        while digits and not key[digits - 1].any():
            digits -= 1
        _require(self._what, digits > 0, "a key is zero")
        if digits == self._digits:
            return key
        return np.take(key[:digits], [*range(digits), self._digits], axis=2)


def _require_primes(primes: tuple[int, ...]) -> None:
    """Raise WireFormatError where a chain is none that SEAL takes: primes of at most 60 bits, each once."""
    _require(_CONTEXT, len(set(primes)) == len(primes), "a prime is in its chain twice")
    for prime in primes:
        _require(
            _CONTEXT, prime < _PRIME_LIMIT and _is_prime(prime), f"its chain has {prime}, which SEAL does not take"
        )


def _is_prime(number: int) -> bool:
    """Whether an odd number below 2^64 is a prime.

    Source: the test of Miller and Rabin, which the first twelve primes as bases decide below 2^64 (J. Sorenson &
    J. Webster, "Strong pseudoprimes to twelve prime bases", 2017).
    """
    odd = number - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in _BASES:
        if number <= base:
            return number in _BASES
        power = pow(base, odd, number)
        if power not in (1, number - 1) and all(
            (power := power * power % number) != number - 1 for _ in range(twos - 1)
        ):
            return False
    return True


def _chain(ring: Ring) -> Chain:
    """The parameters of a ring, as structure is checked by."""
    return Chain(ring.ring_degree, ring.primes)


def _bytes_of(residues: Residues) -> memoryview:
    """The memory of contiguous residues."""
    return residues.reshape(-1).data.cast("B")


def _require_identity(ring: Ring, what: str, part: Part) -> None:
    """Raise WireFormatError where a ciphertext says that it is of other parameters."""
    expected = parameters_id(ring.ring_degree, ring.primes[: part.primes])
    _require(what, part.identity == expected, "a ciphertext is of other parameters")


def _complete(ring: Ring, what: str, residues: Residues, seed: bytes | None) -> None:
    """Expand a seed, and check what came from a stranger.

    residues: (2, primes, N); the second polynomial is filled where there is a seed.
    seed: that the second polynomial is made of, after the number of its generator; None where it is there.

    Raises WireFormatError where a residue is not below its prime, or a seed is for another generator than SEAL's own.
    """
    if seed is not None:
        _require(what, seed[0] == _BLAKE2XB, "a seed is for another generator than SEAL's own")
        ring.expand_seed(seed[1:], residues[1])
        residues = residues[:1]
    _require(what, ring.holds(residues), "a coefficient is not below its prime")


def _require(what: str, holds: bool, reason: str) -> None:
    """Raise WireFormatError, with a reason, unless something holds."""
    if not holds:
        raise WireFormatError(what, reason)
