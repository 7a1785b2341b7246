"""Traces that a secret key would leave in bytes: its residues, and its coefficients in every usual form."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import numpy as np

WINDOW, WINDOWS = 32, 64
"""Numbers in a row that are looked for, and how many such rows, all over the key."""


def coefficients(residues: list[int], prime: int) -> list[int]:
    """The polynomial whose number-theoretic transform SEAL keeps, with coefficients around 0.

    residues: (N,), as SEAL orders them: the value at psi^(2·i + 1) stands at the place whose bits are i's reversed.
    prime: of the residues; psi is the least primitive 2N-th root of unity modulo it (SEAL's `ntt.cpp`).
    """
    size = len(residues)
    psi, bits = least_root(2 * size, prime), size.bit_length() - 1
    values = [residues[int(f"{place:0{bits}b}"[::-1], 2)] for place in range(size)]
    inverse, twist = pow(psi, -1, prime), pow(size, -1, prime)
    found = []
    for each in transform(values, pow(inverse, 2, prime), prime):
        found.append(each * twist % prime)
        twist = twist * inverse % prime
    return [each - prime if each > prime // 2 else each for each in found]


def transform(values: list[int], root: int, prime: int) -> list[int]:
    """The values at the powers of a root of unity of the polynomial with these coefficients."""
    if len(values) == 1:
        return values
    square = root * root % prime
    even, odd = transform(values[::2], square, prime), transform(values[1::2], square, prime)
    first, second, power = [], [], 1
    for one, other in zip(even, odd, strict=True):
        turned = other * power % prime
        first.append((one + turned) % prime)
        second.append((one - turned) % prime)
        power = power * root % prime
    return first + second


def least_root(order: int, prime: int) -> int:
    """The least primitive root of unity of an order that is a power of two."""
    candidates = (pow(each, (prime - 1) // order, prime) for each in range(2, 1000))
    root = next(each for each in candidates if pow(each, order // 2, prime) == prime - 1)
    square, found = root * root % prime, root
    for _ in range(order // 2):  # the primitive ones are the odd powers of one of them
        root = root * square % prime
        found = min(found, root)
    return found


def traces(residues: np.ndarray, primes: list[int]) -> Iterator[tuple[str, bytes]]:
    """What each form of a key would look like, piece by piece.

    residues: (primes, N), as SEAL keeps them.
    primes: of the residues.
    """
    ternary = np.array(coefficients(residues[0].tolist(), primes[0]))
    if set(np.unique(ternary)) != {-1, 0, 1}:
        raise AssertionError("these are no residues of a secret key")
    forms = {f"residues modulo {prime}": residues[place].astype("<u8") for place, prime in enumerate(primes)} | {
        f"coefficients modulo {prime}": (ternary % prime).astype("<u8") for prime in primes
    }
    for kind in ("i1", "<i2", "<i4", "<i8", "<f4", "<f8"):
        forms[f"coefficients as {kind}"] = ternary.astype(kind)
    rng = np.random.default_rng(0)
    for name, values in forms.items():
        for start in rng.choice(len(values) - WINDOW, WINDOWS, replace=False):
            piece = values[start : start + WINDOW].tobytes()
            yield name, piece
            if values.dtype == np.dtype("<u8"):
                yield f"{name}, in hexadecimal", piece.hex().encode()
                for shift in range(3):
                    yield f"{name}, in base 64", b64encode(piece[shift:])[:-8]
    yield "coefficients as text", ",".join(map(str, ternary[:WINDOW])).encode()


def key_of(context: Any) -> tuple[np.ndarray, list[int]]:
    """The residues (primes, N) of a secret key as SEAL keeps them, and their primes.

    context: fhenn's, through SEAL, with the secret key.
    """
    plaintext = context.secret_key("look at its bytes").data()
    primes = [each.value() for each in context.seal_context.key_context_data().parms().coeff_modulus()]
    values = np.array([plaintext.data(place) for place in range(plaintext.coeff_count())], dtype=np.uint64)
    return values.reshape(len(primes), -1), primes
