"""The structure of SEAL's objects, checked before SEAL sees them.

After Microsoft SEAL 4.1 to 4.3, whose objects start with a header of 16 bytes (`fhenn.ckks.headers`) and hold:
EncryptionParameters: scheme, N, the primes. Ciphertext: id of its parameters, NTT form, polynomials, N, primes, scale,
correction factor, an array of coefficients; of a seeded one the array holds the first polynomial, and the seed of the
second follows. Plaintext (the secret key): id, coefficients, scale, array. PublicKey: as a ciphertext. Relinearisation
and Galois keys: id, then lists of public keys. What SEAL itself checks, that coefficients lie below their primes and
the id is known, is left to it.

What follows the header of 16 bytes is plain, or a Zstandard frame, which is how SEAL saves; or it is packed, which SEAL
does not know (`fhenn.ckks.packing`): plain, but for residues, which take as many bits as their primes have.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import TypeVar

import numpy as np

from fhenn.ckks.bits import unpack
from fhenn.ckks.headers import HEADER, Places, form_of, inner_size, object_header
from fhenn.ckks.inflate import Content, largest_content, zstandard
from fhenn.ckks.parameters import MAX_MODULUS_BITS
from fhenn.errors import WireFormatError

_CKKS = 2
_IDENTITY = 32
_CIPHERTEXT = struct.Struct("<BQQQdQ")  # NTT form, polynomials, N, primes, scale, correction factor
_PLAINTEXT = struct.Struct("<Qd")  # coefficients, scale
_COUNT = struct.Struct("<Q")
_SEED = 1 + 64
_OVERHEAD = 512
"""More than the bytes of an object that are no coefficients."""

_MOST_PRIMES = 64
_LEAST_DENSITY = 8
"""An honest object of random coefficients is compressed to more than an eighth of its size."""

Found = TypeVar("Found")


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


@dataclass(frozen=True)
class Part:
    """What a ciphertext, or a part of a key, says of itself ahead of its coefficients.

    identity: SEAL's id of its parameters, 32 bytes.
    primes: under it.
    polynomials: whose coefficients follow: 2, or 1 where a seed stands in the place of the second.
    scale: that is noted on it.
    size: bytes of the coefficients as 64-bit words, polynomial by polynomial and prime by prime.
    index: SEAL's, of the key that it is a part of.
    digit: whose part of the key it is.
    """

    identity: bytes
    primes: int
    polynomials: int
    scale: float
    size: int
    index: int = 0
    digit: int = 0


class Receiver:
    """Takes the coefficients of a ciphertext, or of the parts of a key. This one takes none."""

    def space(self, part: Part) -> memoryview | None:
        """Memory for coefficients.

        part: that they are of.

        Returns `part.size` bytes, which they are put into as little-endian words; None where they are not wanted.
        """

    def unpack(self, source: memoryview, bits: int, target: memoryview) -> None:
        """Take packed residues apart.

        source: as `fhenn.ckks.bits.pack` makes it.
        bits: of each.
        target: 8 bytes for each.
        """
        unpack(source, bits, np.frombuffer(target, "<u8"))

    def done(self, part: Part, seed: bytes | None) -> None:
        """Coefficients are where they go.

        part: that they are of.
        seed: of the second polynomial: SEAL's number of its generator, and 64 bytes; None where it is there itself.
        """


_NOWHERE = Receiver()


@dataclass(frozen=True)
class Chain:
    """SEAL's parameters.

    ring_degree: N.
    primes: first prime first, special one last.
    """

    ring_degree: int
    primes: tuple[int, ...]

    @property
    def levels(self) -> int:
        """Rescales that a fresh ciphertext has."""
        return len(self.primes) - 2

    def up_to(self, level: int) -> Chain:
        """The chain of keys for ciphertexts up to a level: their primes, and the special one.

        level: 0 to `levels`.

        Digit i of SEAL's keys encrypts P·s' modulo prime i and 0 modulo the others, P being the special prime. A
        ciphertext that has prime i no more has no digit i to multiply it with, and no residue modulo prime i to add to:
        a key that is made under the shorter chain, of the same secret, does the same for it.

        >>> Chain(4096, (11, 13, 17, 19)).up_to(1).primes
        (11, 13, 19)
        """
        return Chain(self.ring_degree, (*self.primes[: level + 1], self.primes[-1]))

    @property
    def _largest_ciphertext(self) -> int:
        """Bytes of a ciphertext at the first level, at most."""
        return 16 * self.ring_degree * len(self.primes) + _OVERHEAD

    def check_ciphertext(self, what: str, data: bytes | memoryview, receiver: Receiver = _NOWHERE) -> Places:
        """Raise WireFormatError where bytes are not a ciphertext of two polynomials under these parameters.

        what: the kind of message, for the error.
        data: from a stranger.
        receiver: of the coefficients.

        Returns where headers in it are of another version than TenSEAL's (`in_own_version`).
        """
        return self._check_ciphertext(what, data, None, receiver)

    def check_public_key(self, what: str, data: bytes | memoryview, receiver: Receiver = _NOWHERE) -> Places:
        """Raise WireFormatError where bytes are not a public key under these parameters.

        what: the kind of message, for the error.
        data: from a stranger.
        receiver: of the coefficients.

        Returns what `check_ciphertext` does.
        """
        return self._check_ciphertext(what, data, len(self.primes), receiver)

    def _check_ciphertext(self, what: str, data: bytes | memoryview, primes: int | None, receiver: Receiver) -> Places:
        """Raise WireFormatError where bytes are no ciphertext of so many primes; None stands for any level."""

        def check(content: Content) -> None:
            _ciphertext(what, content, self, primes, receiver)

        return _check(what, data, self._largest_ciphertext, check)[1]

    def check_switching_keys(self, what: str, data: bytes | memoryview, receiver: Receiver = _NOWHERE) -> Places:
        """Raise WireFormatError where bytes are not relinearisation or Galois keys under these parameters.

        what: the kind of message, for the error.
        data: from a stranger.
        receiver: of the coefficients, part by part: digits of a key in their order, keys in the order of SEAL's index.

        Returns what `check_ciphertext` does.
        """
        primes, least = len(self.primes), 8 * self.ring_degree * len(self.primes)

        def check(content: Content) -> None:
            content.skip(_IDENTITY)
            (lists,) = _COUNT.unpack(content.take(_COUNT.size))
            _require(what, lists <= self.ring_degree, f"keys come in {lists} lists, more than N={self.ring_degree}")
            index = 0
            while index < lists:
                # of thousands of lists few hold a key
                absent = content.skip_zeros(_COUNT.size, lists - index)
                index += absent
                if absent:
                    continue
                (count,) = _COUNT.unpack(content.take(_COUNT.size))
                _require(what, count in (0, primes - 1), f"a key has {count} parts, where {primes - 1} are due")
                content.expect(count * least)
                for digit in range(count):
                    size = inner_size(what, content)
                    found = HEADER.size + _ciphertext(what, content, self, primes, receiver, index, digit)
                    _require(what, found == size, "a part of a key has another size than it states")
                index += 1

        limit = _LEAST_DENSITY * len(data) + 16 * self.ring_degree
        return _check(what, data, limit, check)[1]

    def check_secret_key(self, what: str, data: bytes) -> Places:
        """Raise WireFormatError where bytes are not a secret key under these parameters.

        what: the kind of message, for the error.
        data: from the client's own file.

        Returns what `check_ciphertext` does.
        """
        expected = self.ring_degree * len(self.primes)

        def check(content: Content) -> None:
            content.skip(_IDENTITY)
            count, scale = _PLAINTEXT.unpack(content.take(_PLAINTEXT.size))
            _require(what, count == expected and isfinite(scale), "a secret key is of other parameters")
            _array_head(what, content, (expected,))
            content.skip(8 * expected)

        return _check(what, data, 8 * expected + _OVERHEAD, check)[1]


def chain_of(what: str, data: bytes) -> Chain:
    """SEAL's parameters in bytes.

    what: the kind of message, for the error.
    data: from a stranger.

    Raises WireFormatError where they are not CKKS parameters at 128-bit security.
    """
    return check_parameters(what, data)[0]


def check_parameters(what: str, data: bytes) -> tuple[Chain, Places]:
    """SEAL's parameters in bytes, and where headers in them are of another version than TenSEAL's (`in_own_version`).

    what: the kind of message, for the error.
    data: from a stranger.

    Raises what `chain_of` raises.
    """

    def check(content: Content) -> Chain:
        scheme, ring_degree, count = struct.unpack("<BQQ", content.take(17))
        _require(what, scheme == _CKKS, "its parameters are not those of CKKS")
        _require(what, ring_degree in MAX_MODULUS_BITS, f"a ring degree of {ring_degree} is not supported")
        _require(
            what, 1 <= count <= _MOST_PRIMES, f"parameters have {count} primes, where 1 to {_MOST_PRIMES} are allowed"
        )
        primes = tuple(_modulus(what, content) for _ in range(count))
        bits = sum(prime.bit_length() for prime in primes)
        _require(
            what,
            bits <= MAX_MODULUS_BITS[ring_degree],
            f"a modulus of {bits} bits at N={ring_degree} is below 128-bit security",
        )
        _require(what, all(prime % (2 * ring_degree) == 1 for prime in primes), "a prime is not 1 modulo 2N")
        _modulus(what, content)  # of the plaintext, which CKKS has none of
        return Chain(ring_degree, primes)

    return _check(what, data, 32 * (_MOST_PRIMES + 2), check)


@dataclass(frozen=True)
class Pattern:
    """What ciphertexts of one message have in common: all but their residues and seeds.

    A message of many is read faster where only the first is looked at in all its parts.

    size: bytes of each.
    head: the bytes ahead of the residues.
    seed: where the seed begins, after the number of its generator; None where there are residues in its place.
    tail: the bytes between the residues and the seed.
    primes: of each.
    polynomials: of which there are residues.
    scale: that is noted on each.
    """

    size: int
    head: bytes
    seed: int | None
    tail: bytes
    primes: int
    polynomials: int
    scale: float

    @classmethod
    def of(cls, data: bytes) -> Pattern:
        """The pattern of a ciphertext.

        data: packed, and passed by `Chain.check_ciphertext`.
        """
        _, _, ring_degree, primes, scale, _ = _CIPHERTEXT.unpack_from(data, HEADER.size + _IDENTITY)
        start = 2 * HEADER.size + _IDENTITY + _CIPHERTEXT.size + _COUNT.size
        (count,) = _COUNT.unpack_from(data, start - _COUNT.size)
        polynomials = count // (primes * ring_degree)
        if polynomials == 2:
            return cls(len(data), data[:start], None, b"", primes, 2, scale)
        seed = len(data) - _SEED + 1
        return cls(len(data), data[:start], seed, data[seed - 1 - HEADER.size : seed], primes, 1, scale)

    def fits(self, data: bytes) -> bool:
        """Whether another ciphertext has it, and so is as well formed as the first.

        data: from a stranger.
        """
        if len(data) != self.size or not data.startswith(self.head):
            return False
        return self.seed is None or data[self.seed - len(self.tail) : self.seed] == self.tail


def ciphertext_head(identity: bytes, ring_degree: int, primes: int, scale: float, polynomials: int) -> bytes:
    """What stands before the coefficients of a ciphertext, or of a part of a key.

    identity: SEAL's id of its parameters (`parameters_id`).
    ring_degree: N.
    primes: under it.
    scale: to be noted on it.
    polynomials: whose coefficients follow: 2, or 1 where a seed follows these.
    """
    count = polynomials * primes * ring_degree
    fields = _CIPHERTEXT.pack(1, 2, ring_degree, primes, scale, 1)
    return b"".join([identity, fields, object_header(_COUNT.size + 8 * count), _COUNT.pack(count)])


def bytes_beside_residues(polynomials: int) -> int:
    """Bytes of a ciphertext, or of a part of a key, that are no residues, its header among them.

    polynomials: of it: 2, or 1 where a seed follows.
    """
    seed = HEADER.size + _SEED if polynomials == 1 else 0
    return 2 * HEADER.size + _IDENTITY + _CIPHERTEXT.size + _COUNT.size + seed


def _check(what: str, data: bytes | memoryview, limit: int, check: Callable[[Content], Found]) -> tuple[Found, Places]:
    """What `check` makes of the content of an object, of `limit` bytes at most, and which headers are to be changed."""
    form = form_of(what, data)
    body = memoryview(data)[HEADER.size :]
    decoder = None
    if form == "zstandard":
        if largest_content(what, body) > 4 * limit + (1 << 20):
            raise WireFormatError(what, "an object holds more bytes than it can need")
        decoder = zstandard().ZstdDecompressor()
    content = Content(what, body, decoder, limit, form == "packed")
    found = check(content)
    content.end()
    return found, tuple(content.marks)


def _require(what: str, holds: bool, reason: str) -> None:
    """Raise WireFormatError, with a reason, unless something holds."""
    if not holds:
        raise WireFormatError(what, reason)


def _ciphertext(
    what: str,
    content: Content,
    chain: Chain,
    primes: int | None,
    receiver: Receiver,
    index: int = 0,
    digit: int = 0,
) -> int:
    """How many bytes the ciphertext that comes next is.

    primes: how many it must have, None for any level.
    receiver: of its coefficients.
    index, digit: where in a key it is.
    """
    identity = content.take(_IDENTITY)
    ntt, size, ring_degree, count, scale, correction = _CIPHERTEXT.unpack(content.take(_CIPHERTEXT.size))
    _require(what, size == 2, f"a ciphertext has {size} polynomials, where 2 are due")
    _require(what, ntt == 1 and correction == 1 and isfinite(scale) and scale > 0, "a ciphertext is not one of CKKS")
    most = len(chain.primes)
    _require(what, ring_degree == chain.ring_degree and 1 <= count <= most, "a ciphertext is of other parameters")
    _require(what, primes is None or count == primes, "a key is not at the first level")
    half = ring_degree * count
    coefficients = _array_head(what, content, (half, 2 * half))
    part = Part(identity, count, coefficients // half, scale, 8 * coefficients, index, digit)
    content.expect(part.size)
    target, words = receiver.space(part), 8 * ring_degree
    for place in range(part.polynomials * count):
        room = None if target is None else target[place * words : (place + 1) * words]
        content.residues(ring_degree, chain.primes[place % count].bit_length(), room, receiver.unpack)
    total = _IDENTITY + _CIPHERTEXT.size + HEADER.size + _COUNT.size + part.size
    seed = None
    if part.polynomials == 1:
        size = inner_size(what, content)
        _require(what, size == HEADER.size + _SEED, "a seed has another size than SEAL's")
        seed = content.take(_SEED)
        total += size
    receiver.done(part, seed)
    return int(total)


def _array_head(what: str, content: Content, counts: tuple[int, ...]) -> int:
    """How many coefficients the array that comes next has.

    counts: how many it may have.
    """
    size = inner_size(what, content)
    (count,) = _COUNT.unpack(content.take(_COUNT.size))
    _require(what, count in counts, f"an object has {count} coefficients, which its parameters do not allow")
    _require(
        what, size == HEADER.size + _COUNT.size + 8 * count, "an array of coefficients has another size than it states"
    )
    return int(count)


def _modulus(what: str, content: Content) -> int:
    """The prime that comes next."""
    _require(what, inner_size(what, content) == HEADER.size + _COUNT.size, "a prime has another size than SEAL's")
    (value,) = _COUNT.unpack(content.take(_COUNT.size))
    return int(value)
