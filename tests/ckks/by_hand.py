"""SEAL's objects made by hand, from Microsoft SEAL's own format: right in all but what a test has changed."""

from __future__ import annotations

import struct


def header(
    size: int, magic: int = 0xA15E, head: int = 16, major: int = 4, minor: int = 3, compression: int = 0
) -> bytes:
    return struct.pack("<HBBBBHQ", magic, head, major, minor, compression, 0, size)


def whole(content: bytes, **changes: int) -> bytes:
    """An object of that content, not compressed."""
    return header(changes.pop("size", 16 + len(content)), **changes) + content


def array(count: int, size: int | None = None, **changes: int) -> bytes:
    """Coefficients, all 0."""
    return header(24 + 8 * count if size is None else size, **changes) + struct.pack("<Q", count) + bytes(8 * count)


def seed(size: int = 16 + 65, **changes: int) -> bytes:
    """What stands for a random half: a kind and 64 bytes."""
    return header(size, **changes) + bytes(65)


def ciphertext(
    n: int = 8,
    primes: int = 2,
    polynomials: int = 2,
    ntt: int = 1,
    scale: float = 1.0,
    correction: int = 1,
    coefficients: bytes | None = None,
) -> bytes:
    """The content of a ciphertext; coefficients: its array, and the seed where there is one."""
    fields = struct.pack("<BQQQdQ", ntt, polynomials, n, primes, scale, correction)
    return bytes(32) + fields + (array(2 * n * primes) if coefficients is None else coefficients)


def switching_keys(*lists: list[bytes], count: int | None = None) -> bytes:
    """The content of relinearisation or Galois keys: lists of parts, each an object."""
    parts = [struct.pack("<Q", len(each)) + b"".join(each) for each in lists]
    return bytes(32) + struct.pack("<Q", len(lists) if count is None else count) + b"".join(parts)


def secret_key(count: int, scale: float = 1.0, coefficients: int | None = None) -> bytes:
    """The content of a secret key."""
    return bytes(32) + struct.pack("<Qd", count, scale) + array(count if coefficients is None else coefficients)


def modulus(value: int, size: int = 24, **changes: int) -> bytes:
    return header(size, **changes) + struct.pack("<Q", value)


def parameters(n: int, primes: list[int], scheme: int = 2, count: int | None = None, **changes: int) -> bytes:
    """The content of encryption parameters; the plaintext's modulus, which CKKS has none of, comes last."""
    fields = struct.pack("<BQQ", scheme, n, len(primes) if count is None else count)
    return fields + b"".join(modulus(prime, **changes) for prime in primes) + modulus(0)


def field(number: int, value: int | bytes) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
