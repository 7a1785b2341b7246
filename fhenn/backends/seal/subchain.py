"""SEAL under the chain of keys for a level (`Chain.up_to`): contexts, and the secret key that makes such keys."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import tenseal as ts
import tenseal.sealapi as seal

from fhenn.backends.seal.forks import keep_in_forks
from fhenn.ckks.headers import form_of, object_header
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.structure import Chain, parameters_id
from fhenn.protobuf import encode_field, read_fields

_CKKS = 2
_HEADER_SIZE = len(object_header(0))
_ARRAY_AT = 32 + 8 + 8 + _HEADER_SIZE + 8
"""Where the words of a secret key start: after id, coefficients, scale, and the head of the array."""


@dataclass(frozen=True, eq=False)
class LevelKeys:
    """Switching keys for ciphertexts up to a level.

    level: of these.
    keys: SEAL's, of Galois elements or for relinearisation.
    evaluator: SEAL's, under the chain of these keys.
    """

    level: int
    keys: Any
    evaluator: Any

    def can_rotate(self, element: int, level: int) -> bool:
        """Whether there is a key.

        element: of the Galois group.
        level: of the ciphertext.
        """
        return level <= self.level and bool(self.keys.has_key(element))


def seal_context_of(chain: Chain) -> Any:
    """SEAL's context of a chain: ciphertexts of a longer chain that are at one of its levels are at home in it.

    chain: of parameters at 128-bit security.

    It is not kept for others: strangers choose the chains of what they send.
    """
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
    parameters.set_poly_modulus_degree(chain.ring_degree)
    parameters.set_coeff_modulus([seal.Modulus(prime) for prime in chain.primes])
    return seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)


def generator_of(message: bytes, chain: Chain, level: int) -> Any:
    """SEAL's generator of keys for ciphertexts up to a level.

    message: of `SealContext.secret_message`: it stays in memory, as does what is made of it.
    chain: of the secret key.
    level: 0 to `chain.levels`.
    """
    shorter = chain.up_to(level)
    context = ts.Context.load(_shortened(message, chain, level), n_threads=1)
    keep_in_forks(context.data)
    return seal.KeyGenerator(seal_context_of(shorter), context.secret_key().data)


def _shortened(message: bytes, chain: Chain, level: int) -> bytes:
    """TenSEAL's message of the same secret key, modulo fewer primes."""
    what = "secret key"
    shorter, fields = chain.up_to(level), dict(read_fields(what, message))
    words = np.frombuffer(_content(_object(what, fields[3], 1)), "<u8", offset=_ARRAY_AT)
    kept = words.reshape(len(chain.primes), chain.ring_degree)[[*range(level + 1), -1]]
    secret = _saved(
        parameters_id(chain.ring_degree, shorter.primes)
        + struct.pack("<Qd", kept.size, 1.0)
        + _saved(struct.pack("<Q", kept.size) + kept.tobytes())
    )
    moduli = b"".join(_saved(struct.pack("<Q", number)) for number in (*shorter.primes, 0))  # no plaintext modulus
    parameters = _saved(struct.pack("<BQQ", _CKKS, chain.ring_degree, len(shorter.primes)) + moduli)
    return encode_field(1, parameters) + encode_field(2, b"") + encode_field(3, encode_field(1, secret))


def _object(what: str, part: int | bytes, number: int) -> bytes:
    """The object in a field of a part of a message that fhenn has made."""
    found = dict(read_fields(what, part if isinstance(part, bytes) else b""))[number]
    return found if isinstance(found, bytes) else b""


def _content(data: bytes) -> bytes:
    """What is in an object of SEAL's, without its header."""
    body = data[_HEADER_SIZE:]
    return zstandard().decompress(body) if form_of("secret key", data) == "zstandard" else body


def _saved(content: bytes) -> bytes:
    """An object of SEAL's, as it saves one uncompressed."""
    return object_header(len(content)) + content
