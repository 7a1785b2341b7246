"""Payloads as accidents and attackers make them, from a good one."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from fhenn.ckks.inflate import zstandard
from fhenn.ckks.messages import TensealMessage
from fhenn.ckks.packing import ciphertext_for_seal
from fhenn.ckks.structure import Chain
from fhenn.wire import frame, unframe

_SEAL = struct.Struct("<HBBBBHQ")
_START = struct.Struct(">5sBI")
Rng = np.random.Generator
PACKED = 0x80


def flipped(rng: Rng, data: bytes, most: int = 8, start: int = 0, end: int | None = None) -> bytes:
    out = bytearray(data)
    for _ in range(rng.integers(1, most + 1)):
        out[rng.integers(start, min(end or len(out), len(out)))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def restated(good: bytes, version: int | None = None, size: int | None = None, **header: object) -> bytes:
    """A message that states another format version, size of its header, or fields of it, and is the same otherwise."""
    magic, own_version, own_size = _START.unpack_from(good)
    end = _START.size + own_size
    text = json.dumps(json.loads(good[_START.size : end]) | header).encode() if header else good[_START.size : end]
    stated = len(text) if size is None else size
    return _START.pack(magic, own_version if version is None else version, stated) + text + good[end:]


def altered(rng: Rng, good: bytes, strangers: list[bytes]) -> tuple[str, bytes]:
    """A payload that was not made by `frame`, or is not for here; each must be refused. strangers: of other kinds."""
    head = _START.size + _START.unpack_from(good)[2]
    lengths = [0, -1, len(good) - head + 1, 1 << 62, "9", None, 1.5, True]
    ways = {
        "bits": lambda: flipped(rng, good),
        "header bits": lambda: flipped(rng, good, 2, 0, head),
        "cut": lambda: good[: rng.integers(len(good))],
        "longer": lambda: good + rng.bytes(int(rng.integers(1, 5000))),
        "stranger": lambda: strangers[rng.integers(len(strangers))],
        "version": lambda: restated(good, version=int(rng.choice([0, 1, 2, 4, 127, 255]))),
        "length": lambda: restated(good, length=lengths[rng.integers(len(lengths))]),
        "header size": lambda: restated(good, size=int(rng.choice([0, 1, head - 11, head - 9, 1 << 16, 2**32 - 1]))),
        "noise": lambda: rng.bytes(int(rng.integers(1, 4000))),
    }
    name = list(ways)[rng.integers(len(ways))]
    return name, ways[name]()


def seal(content: bytes, compression: int, size: int | None = None) -> bytes:
    """A SEAL object of content that is compressed as it says, or not."""
    return _SEAL.pack(0xA15E, 16, 4, 1, compression, 0, 16 + len(content) if size is None else size) + content


def rle_bomb(blocks: int) -> bytes:
    """A Zstandard frame of `blocks` × 128 KiB zeros, at four bytes a block (RFC 8878, section 3.1.1.2)."""
    most = 1 << 17
    block = (most << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (most << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    # no single segment, no checksum, no content size; window of 128 KiB
    return b"\x28\xb5\x2f\xfd\x00\x38" + block * (blocks - 1) + last


def crafted(rng: Rng, good: bytes, chain: Chain) -> Iterator[tuple[str, bytes]]:
    """Payloads with a right digest and a wrong content, without end; the sender may get garbage, and nobody else.

    chain: of the parameters that the good one was encrypted under.
    """
    meta, body = unframe("ciphertexts", good)
    message = TensealMessage.decode(body)
    packed = message.ciphertexts[0]
    content = bytes(ciphertext_for_seal(chain, "a good one", packed))[16:]
    first = seal(zstandard().compress(content), 2)  # as SEAL saves it

    def of(ciphertexts: list[bytes], scale: float | None = None, sizes: tuple[int, ...] = ()) -> bytes:
        chosen = message.scale if scale is None else scale
        return frame("ciphertexts", meta, TensealMessage(sizes, tuple(ciphertexts), chosen).encode())

    def changed(**fields: object) -> bytes:
        return frame("ciphertexts", meta | fields, body)

    bombs = [
        ("zlib bomb", seal(zlib.compress(bytes(64 << 20)), 1)),
        ("zstd bomb", seal(rle_bomb(1 << 12), 2)),  # 512 MiB in 16 KiB
        ("zstd bomb behind a good start", seal(first[16:] + rle_bomb(1 << 12), 2)),
    ]
    while True:
        yield "bits in the body", frame("ciphertexts", meta, flipped(rng, body))
        yield "bits in the ciphertext", of([packed[:16] + flipped(rng, packed[16:])])
        yield "bits in the head of a packed object", of([seal(flipped(rng, packed[16:], 4, 0, 140), PACKED)])
        yield "cut packed object", of([seal(packed[16 : rng.integers(16, len(packed))], PACKED)])
        yield "a plain object that says it is packed", of([seal(content, PACKED)])
        yield "bits in the frame", of([first[:16] + flipped(rng, first[16:])])
        yield "bits in SEAL's header", of([flipped(rng, first, 3, 0, 16)])
        yield "bits in the head of a plain object", of([seal(flipped(rng, content, 4, 0, 140), 0)])
        yield "bits in the numbers of a plain object", of([seal(flipped(rng, content, 64, 140), 0)])
        yield "cut plain object", of([seal(content[: rng.integers(len(content))], 0)])
        zeros = content[:140] + bytes(len(content) - 140)
        yield "zeros, which SEAL calls transparent", of([seal(zeros, 0)])
        yield "lying size", of([seal(first[16:], 2, int(rng.choice([0, 16, len(first) - 1, len(first) + 1, 1 << 63])))])
        yield "compression", of([seal(first[16:], int(rng.choice([0, 1, 2, 3, 4, PACKED])))])
        name, bomb = bombs[rng.integers(len(bombs))]
        yield name, of([bomb])
        yield "many ciphertexts", of([first] * int(rng.integers(2, 40)))
        yield "thousands of ciphertexts", of([seal(b"", 2)] * 5000)
        yield "scale", of([first], float(rng.choice([1e-300, 1.0, 1e300])))
        yield "sizes", of([first], None, tuple(int(n) for n in rng.integers(0, 1 << 60, 3)))
        yield "no ciphertexts", frame("ciphertexts", meta, b"")
        yield "protobuf", frame("ciphertexts", meta, rng.bytes(int(rng.integers(1, 400))))
        yield "number without end", frame("ciphertexts", meta, b"\x12" + b"\xff" * int(rng.integers(1, 30)))
        yield "length beyond the end", frame("ciphertexts", meta, b"\x12\xff\xff\xff\xff\x0f" + first)
        yield "field", frame("ciphertexts", meta, body + bytes([int(rng.integers(256))]) + rng.bytes(9))
        shapes = [[], [0, 8], [1, 1 << 31], [-1, 8], [1.5, 8], ["1", 8], [1] * 40, [5, 8], [1, 9], None, {}, [True, 8]]
        yield "shape", changed(shape=shapes[rng.integers(len(shapes))])
        yield "level", changed(level=[-1, 7, 1 << 70, "0", None, 0.0][rng.integers(6)])
        yield "scale's text", changed(scale=["nan", "inf", "-0x1p+3", "0x1p+9999", "x", None, 3][rng.integers(7)])
        yield "layout", changed(layout=[None, {}, [], "packed", {"name": "features"}, {"name": "x"}][rng.integers(6)])
        yield "fingerprint", changed(fingerprint=[None, "0" * 16, 7, "x" * 9000][rng.integers(4)])
        yield "deep header", frame("ciphertexts", meta, body).replace(b'"meta": "{', b'"meta": "' + b"[" * 30000, 1)
