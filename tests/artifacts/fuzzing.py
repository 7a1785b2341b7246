"""Readers against bytes that somebody made up: run as a process of its own, which may die.

`python fuzzing.py SEED COUNT` reads COUNT mutated messages of every kind and prints, as JSON, how many were refused,
and how many were taken for what they seem; whatever else happens is an error. Digests are made anew, so that it is the
structure that is tried; what is compressed is changed before or behind the compression.
"""

import json
import random
import struct
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from make_golden import FOLDER

import fhenn
from fhenn import artifacts, protobuf
from fhenn.ckks import inflate
from fhenn.errors import FhennError
from fhenn.session import Receipt
from fhenn.wire import VERSION, frame, header_of, unframe

Mutation = Callable[[random.Random, bytes], bytes]
INTERESTING = (0, 1, 2, 3, 7, 24, 255, 1 << 12, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def flipped(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def grown(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 8, 64))) + data[at:]


def doubled(rng: random.Random, data: bytes) -> bytes:
    at, length = rng.randrange(len(data)), rng.randrange(1, 4096)
    return data[: at + length] + data[at:]


def number(rng: random.Random, data: bytes) -> bytes:
    """A number somewhere, most often at the start, where the sizes are."""
    at = rng.randrange(min(len(data), rng.choice((120, 120, len(data)))))
    return (data[:at] + struct.pack("<Q", rng.choice(INTERESTING)) + data[at + 8 :])[: len(data)]


MUTATIONS: tuple[Mutation, ...] = (flipped, cut, grown, doubled, number)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to three mutations of a body, or of a SEAL object in it, packed again so that headers agree."""
    mutate = rng.choice(MUTATIONS)
    if rng.random() < 0.3:
        return mutate(rng, data)
    start = rng.choice(places(data) or [0])
    if not start:
        return mutate(rng, data)
    (size,) = struct.unpack_from("<Q", data, start + 8)
    inner = data[start + 16 : start + size]
    compressed = data[start + 5] == 2
    zstd = inflate.zstandard()
    if compressed and rng.random() < 0.7:
        content = zstd.decompress(inner)
        for _ in range(rng.randrange(1, 4)):
            content = rng.choice(MUTATIONS)(rng, content) or b"\x00"
        compressed = rng.random() < 0.5
        inner = zstd.compress(content) if compressed else content
    else:
        inner = mutate(rng, inner)
    sealed = struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 2 if compressed else 0, 0, 16 + len(inner)) + inner
    return resized(data, start, size, sealed)


def places(data: bytes) -> list[int]:
    """Where SEAL's headers stand."""
    found, at = [], data.find(b"\x5e\xa1\x10\x04")
    while at >= 0:
        if at + 16 <= len(data) and 16 <= struct.unpack_from("<Q", data, at + 8)[0] <= len(data) - at:
            found.append(at)
        at = data.find(b"\x5e\xa1\x10\x04", at + 1)
    return found


def resized(data: bytes, start: int, size: int, sealed: bytes) -> bytes:
    """`data` with another object at `start`, and the lengths of the protobuf fields around it made to fit."""
    try:
        return _resized(data, start, size, sealed)
    except FhennError:
        return data[:start] + sealed + data[start + size :]


def _resized(data: bytes, start: int, size: int, sealed: bytes) -> bytes:
    old = data[start : start + size]
    parts = []
    for field, value in protobuf.read_fields("message", data):
        if isinstance(value, bytes) and value == old:
            parts.append(protobuf.encode_field(field, sealed))
        elif isinstance(value, bytes) and old in value:
            parts.append(protobuf.encode_field(field, _resized(value, value.index(old), size, sealed)))
        elif isinstance(value, bytes) and len(value) == 8 and field == 3:
            parts.append(protobuf.encode_double(field, *struct.unpack("<d", value)))
        else:
            parts.append(protobuf.encode_field(field, value))
    return b"".join(parts)


def main(seed: int, count: int) -> Counter[str]:
    """Outcomes by kind."""
    rng = random.Random(seed)
    golden = {path.name.partition(".")[0]: path.read_bytes() for path in FOLDER.glob(f"*.v{VERSION}.fhenn")}
    plan = artifacts.plan_from_bytes(golden["plan"])
    context = fhenn.Context.from_bytes(golden["evaluation-context"])
    client = fhenn.Client.from_secret_bytes(plan, golden["secret-key"])
    model = artifacts.model_from_bytes(golden["model"])
    server = fhenn.Server(model, plan, golden["evaluation-context"])
    readers: dict[str, Callable[[bytes], object]] = {
        "model": artifacts.model_from_bytes,
        "every-node": artifacts.model_from_bytes,
        "plan": artifacts.plan_from_bytes,
        "prepared-model": artifacts.model_from_bytes,
        "prepared-plan": artifacts.preparation_from_bytes,
        "certificate": artifacts.certificate_from_bytes,
        "secret-key": lambda data: fhenn.Client.from_secret_bytes(plan, data),
        "evaluation-context": lambda data: fhenn.Server(model, plan, data),
        "evaluation-context-whole": lambda data: fhenn.Server(model, plan, data),
        "ciphertexts": server.predict,
        "ciphertexts-whole": lambda data: fhenn.CipherArray.from_bytes(context, data),
        "ciphertexts-answer": partial(client.decrypt, unbound=True),
        "answer": partial(client.decrypt_scores, receipt=Receipt.from_bytes(golden["receipt"])),
        "receipt": Receipt.from_bytes,
    }
    outcomes: Counter[str] = Counter()
    for turn in range(count):
        name = sorted(readers)[turn % len(readers)]
        kind = header_of(golden[name]).kind
        meta, body = unframe(kind, golden[name])
        data = frame(kind, meta, mutated(rng, body))
        Path(sys.argv[3]).write_bytes(data)  # what killed it, if it dies
        try:
            readers[name](data)
        except FhennError as error:
            outcomes[f"{name}: refused by SEAL" if "SEAL refuses" in str(error) else f"{name}: refused"] += 1
        else:
            outcomes[f"{name}: taken"] += 1
    return outcomes


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
