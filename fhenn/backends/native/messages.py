"""SEAL's bytes as residues, and back, without SEAL.

`fhenn.ckks.structure` checks the structure of messages, here is what is inside them.

A seed stands in the place of the second polynomial of what was encrypted under a secret key; it is expanded natively.
Bytes are little-endian, as SEAL writes them on every machine that the native library is built for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from fhenn.backends.native.keys import RELINEARISATION, Keys
from fhenn.backends.native.ring import Residues, Ring
from fhenn.ckks.headers import form_of, object_header
from fhenn.ckks.messages import EvaluationMessage
from fhenn.ckks.structure import Chain, Part, Pattern, Receiver, ciphertext_head, parameters_id
from fhenn.errors import WireFormatError

_CONTEXT = "evaluation-context"

_BLAKE2XB = 1
"""SEAL's number of the generator that its seeds are for unless it is told otherwise."""

_PRIME_LIMIT = 1 << 60
"""SEAL_USER_MOD_BIT_COUNT_MAX: primes are below it."""

_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


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


def read_ciphertexts(ring: Ring, what: str, bodies: Sequence[bytes]) -> list[Read]:
    """Several ciphertexts in bytes, as `read_ciphertext` reads each: in one native call, where they are alike.

    ring: of their parameters.
    what: the kind of message, for the error.
    bodies: one or more, from a stranger.

    Raises WireFormatError.
    """
    if len(bodies) > 1 and form_of(what, bodies[0]) == "packed":
        _chain(ring).check_ciphertext(what, bodies[0], _Form(ring, what))
        pattern = Pattern.of(bodies[0])
        if all(map(pattern.fits, bodies)):
            start, seed = len(pattern.head), pattern.seed or 0
            found = ring.read(bodies, pattern.primes, pattern.polynomials, start, seed)
            if found is not None:
                return [Read(residues, pattern.scale) for residues in found]
    return [read_ciphertext(ring, what, body) for body in bodies]


def write_ciphertext(ring: Ring, residues: Residues, scale: float, *, packed: bool = True) -> bytes:
    """The bytes of a ciphertext.

    ring: of its parameters.
    residues: (2, primes, N).
    scale: to be noted on it.
    packed: whether they are for a message (`fhenn.ckks.packing`); SEAL loads plain ones.
    """
    polynomials, primes, ring_degree = residues.shape
    identity = parameters_id(ring_degree, ring.primes[:primes])
    head = ciphertext_head(identity, ring_degree, primes, scale, polynomials)
    body = ring.pack(residues) if packed else _bytes_of(residues)
    return b"".join([object_header(len(head) + len(body), "packed" if packed else "plain"), head, body])


def read_context(data: bytes) -> ContextMessage:
    """What computing takes.

    data: of `SealContext.to_bytes` or `evaluation_bytes`, from a stranger.

    Raises WireFormatError where it is not such a message, was altered, or carries a secret key.
    """
    message, parts = EvaluationMessage.decode(data)
    _require_primes(parts.chain.primes)
    ring = Ring.of(parts.chain.ring_degree, parts.chain.primes)
    public_key = _read_public_key(ring, parts.public_key) if parts.public_key else None
    relinearisation = read_switching_keys(ring, _CONTEXT, parts.relinearisation_keys)
    if message.relinearisation:
        own = message.relinearisation
        relinearisation = read_switching_keys(ring, _CONTEXT, own.data, own.level)
    galois: dict[int, Residues] = {}
    if not message.rotations:
        galois = read_switching_keys(ring, _CONTEXT, parts.galois_keys)
    elif parts.galois_keys:  # SEAL's side takes those of the two that fhenn has made
        parts.chain.check_switching_keys(_CONTEXT, parts.galois_keys)
    for each in message.rotations:  # a key for a higher level takes the place of one for a lower
        galois |= read_switching_keys(ring, _CONTEXT, each.data, each.level)
    fingerprint = _fingerprint(ring, public_key, relinearisation)
    if fingerprint != message.fingerprint:
        raise WireFormatError(_CONTEXT, "its keys are not those that its header names")
    return ContextMessage(ring, parts.scale, fingerprint, Keys(ring, relinearisation, galois))


def read_switching_keys(
    ring: Ring, what: str, data: bytes | memoryview, level: int | None = None
) -> dict[int, Residues]:
    """Switching keys in bytes.

    ring: of the parameters.
    what: the kind of message, for the error.
    data: as SEAL saves relinearisation or Galois keys, from a stranger; no bytes for no keys.
    level: of the ciphertexts that they are for at most; None for all.

    Returns keys by SEAL's index, (digits, 2, primes, N) each: over the primes of that level, and the special one.
    Raises WireFormatError.
    """
    if not data:
        return {}
    chain = _chain(ring)
    receiver = _SwitchingKeys(ring, chain.levels if level is None else level, what)
    chain.up_to(receiver.level).check_switching_keys(what, data, receiver)
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


class _Keeping(Receiver):
    """Takes packed residues apart natively.

    ring: of the parameters.
    what: the kind of message, for errors.
    """

    def __init__(self, ring: Ring, what: str) -> None:
        self._ring, self._what = ring, what

    def unpack(self, source: memoryview, bits: int, target: memoryview) -> None:
        self._ring.unpack(source, bits, target)


class _Ciphertext(_Keeping):
    """Keeps a ciphertext or a public key."""

    residues: Residues
    scale: float

    def space(self, part: Part) -> memoryview:
        _require_identity(self._ring, range(part.primes), self._what, part)
        self.residues = self._ring.new(2, part.primes)
        self.scale = part.scale
        return _bytes_of(self.residues[: part.polynomials])

    def done(self, part: Part, seed: bytes | None) -> None:
        _complete(self._ring, range(part.primes), self._what, self.residues, seed)


class _Form(Receiver):
    """Checks a ciphertext but for its residues.

    ring: of its parameters.
    what: the kind of message, for errors.
    """

    def __init__(self, ring: Ring, what: str) -> None:
        self._ring, self._what = ring, what

    def space(self, part: Part) -> None:
        _require_identity(self._ring, range(part.primes), self._what, part)
        _require(self._what, part.primes < len(self._ring.primes), "a ciphertext is at the level of keys")

    def done(self, part: Part, seed: bytes | None) -> None:
        _require_generator(self._what, seed)


class _SwitchingKeys(_Keeping):
    """Keeps switching keys.

    ring: of the parameters.
    level: of the ciphertexts that they are for at most.
    what: the kind of message, for errors.
    keys: so far.
    """

    def __init__(self, ring: Ring, level: int, what: str) -> None:
        super().__init__(ring, what)
        self.level = level
        self._places = (*range(level + 1), len(ring.primes) - 1)
        self.keys: dict[int, Residues] = {}

    def space(self, part: Part) -> memoryview:
        _require_identity(self._ring, self._places, self._what, part)
        if part.digit == 0:
            self.keys[part.index] = np.empty((self.level + 1, 2, part.primes, self._ring.ring_degree), np.uint64)
        return _bytes_of(self.keys[part.index][part.digit, : part.polynomials])

    def done(self, part: Part, seed: bytes | None) -> None:
        _complete(self._ring, self._places, self._what, self.keys[part.index][part.digit], seed)


def _require_primes(primes: tuple[int, ...]) -> None:
    """Raise WireFormatError where a chain is none that SEAL takes: primes of at most 60 bits, each once."""
    _require(_CONTEXT, len(set(primes)) == len(primes), "a prime is in its chain twice")
    for prime in primes:
        _require(
            _CONTEXT, prime < _PRIME_LIMIT and _is_prime(prime), f"its chain has {prime}, which SEAL does not take"
        )


def _is_prime(number: int) -> bool:
    """Whether an odd number below 2^64 is a prime. Strangers may send 1, which is none.

    Source: the test of Miller and Rabin, which the first twelve primes as bases decide below 2^64 (J. Sorenson &
    J. Webster, "Strong pseudoprimes to twelve prime bases", 2017).
    """
    if number < 2:
        return False
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


def _require_identity(ring: Ring, places: Sequence[int], what: str, part: Part) -> None:
    """Raise WireFormatError where a ciphertext says that it is of other parameters.

    places: of the primes that it should be over, in the chain.
    """
    expected = parameters_id(ring.ring_degree, tuple(ring.primes[place] for place in places))
    _require(what, part.identity == expected, "a ciphertext is of other parameters")


def _complete(ring: Ring, places: Sequence[int], what: str, residues: Residues, seed: bytes | None) -> None:
    """Expand a seed, and check what came from a stranger.

    places: of the primes, in the chain.
    residues: (2, primes, N); the second polynomial is filled where there is a seed.
    seed: that the second polynomial is made of, after the number of its generator; None where it is there.

    Raises WireFormatError where a residue is not below its prime, or a seed is for another generator than SEAL's own.
    """
    _require_generator(what, seed)
    if seed is not None:
        ring.expand_seed(seed[1:], residues[1], places)
        residues = residues[:1]
    _require(what, ring.holds(residues, places), "a coefficient is not below its prime")


def _require_generator(what: str, seed: bytes | None) -> None:
    """Raise WireFormatError where a seed is for another generator than SEAL's own."""
    _require(what, seed is None or seed[0] == _BLAKE2XB, "a seed is for another generator than SEAL's own")


def _require(what: str, holds: bool, reason: str) -> None:
    """Raise WireFormatError, with a reason, unless something holds."""
    if not holds:
        raise WireFormatError(what, reason)
