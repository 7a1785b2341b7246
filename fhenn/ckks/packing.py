"""SEAL's objects packed, as fhenn's messages carry ciphertexts and keys, and as SEAL takes them.

A packed object is SEAL's plain one, whose residues take as many bits as their primes have (`fhenn.ckks.bits`). It is
smaller than what Zstandard makes of it, by a twentieth to a fifth: residues are random below their primes, and all that
any compression can leave out is what primes are short of 64 bits. And it is read at the speed of memory.
"""

from __future__ import annotations

import struct

import numpy as np

from fhenn.ckks.bits import pack
from fhenn.ckks.headers import Form, form_of, in_own_version, object_header
from fhenn.ckks.structure import Chain, Part, Receiver, ciphertext_head, parameters_id

_COUNT = struct.Struct("<Q")


def packed_ciphertext(chain: Chain, data: bytes) -> bytes:
    """A ciphertext, packed.

    chain: of its parameters.
    data: as SEAL saves it.

    Raises WireFormatError where it is no ciphertext of them.
    """
    return bytes(_rewritten(chain, "ciphertext", data, "packed", keys=False))


def packed_keys(chain: Chain, data: bytes) -> memoryview:
    """Relinearisation or Galois keys, packed.

    chain: of their parameters.
    data: as SEAL saves them.

    Raises WireFormatError where they are not keys of them.
    """
    return _rewritten(chain, "keys", data, "packed", keys=True)


def ciphertext_for_seal(chain: Chain, what: str, data: bytes | memoryview) -> bytes | memoryview:
    """A ciphertext as TenSEAL's SEAL loads it.

    chain: of its parameters.
    what: the kind of message, for the error.
    data: packed, or as SEAL 4.1 to 4.3 saves it, from a stranger.

    Raises WireFormatError where it is no ciphertext of them.
    """
    if form_of(what, data) == "packed":
        return _rewritten(chain, what, data, "plain", keys=False)
    return in_own_version(data, chain.check_ciphertext(what, data))


def keys_for_seal(chain: Chain, what: str, data: bytes | memoryview) -> bytes | memoryview:
    """Relinearisation or Galois keys as TenSEAL's SEAL loads them.

    chain: of their parameters.
    what: the kind of message, for the error.
    data: packed, or as SEAL 4.1 to 4.3 saves them, from a stranger.

    Raises WireFormatError where they are not keys of them.
    """
    if form_of(what, data) == "packed":
        return _rewritten(chain, what, data, "plain", keys=True)
    return in_own_version(data, chain.check_switching_keys(what, data))


def _rewritten(chain: Chain, what: str, data: bytes | memoryview, form: Form, *, keys: bool) -> memoryview:
    """An object in another form. Raises WireFormatError where it is none of the chain."""
    writer = _Writer(chain, form, keys=keys)
    (chain.check_switching_keys if keys else chain.check_ciphertext)(what, data, writer)
    return writer.object()


class _Writer(Receiver):
    """Writes what it receives, once: keys are large.

    chain: of the parameters.
    form: "plain" or "packed".
    keys: whether it receives switching keys, and not a ciphertext.
    """

    def __init__(self, chain: Chain, form: Form, *, keys: bool) -> None:
        self._chain, self._form, self._keys = chain, form, keys
        self._lists = 0
        self._written = bytearray(len(self._head(0)))  # it is known at the end

    def space(self, part: Part) -> memoryview:
        self._words = np.empty(part.size // 8, "<u8")
        return self._words.data.cast("B")

    def done(self, part: Part, seed: bytes | None) -> None:
        """Write what came, with what stands before it."""
        degree = self._chain.ring_degree
        head = ciphertext_head(part.identity, degree, part.primes, part.scale, part.polynomials)
        tail = b"" if seed is None else object_header(len(seed)) + seed
        if self._keys:
            if part.digit == 0:
                absent = part.index - self._lists
                self._lists = part.index + 1
                self._written += bytes(absent * _COUNT.size) + _COUNT.pack(len(self._chain.primes) - 1)
            self._written += object_header(len(head) + part.size + len(tail))
        self._written += head
        if self._form == "packed":
            for place, residues in enumerate(self._words.reshape(-1, degree)):
                self._written += pack(residues, self._chain.primes[place % part.primes].bit_length())
        else:
            self._written += self._words.data.cast("B")
        self._written += tail

    def object(self) -> memoryview:
        """The object."""
        head = self._head(len(self._written))
        self._written[: len(head)] = head
        return memoryview(self._written)

    def _head(self, size: int) -> bytes:
        """What stands before all else in an object of so many bytes."""
        header = object_header(size - len(object_header(0)), self._form) if size else object_header(0)
        if not self._keys:
            return header
        return header + parameters_id(self._chain.ring_degree, self._chain.primes) + _COUNT.pack(self._lists)
