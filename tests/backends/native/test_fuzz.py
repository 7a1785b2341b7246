"""Readers of strangers' bytes against mutated ones: WireFormatError, or the residues that are written there.

Objects are changed as they came, or in what they hold, which is packed again with a header that agrees. A turn that
fails is named; keys are new in each run.
"""

import os
import random
import re
import struct
import subprocess
import sys
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tenseal.sealapi as seal
from fuzzing import INTERESTING, MUTATIONS, mutated
from support import at_length

import fhenn
from fhenn.backends.native.library import available
from fhenn.backends.native.messages import read_ciphertext, read_context, read_switching_keys, write_ciphertext
from fhenn.backends.native.ring import Ring
from fhenn.backends.seal.wire import load_object, save_object
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.messages import EvaluationMessage
from fhenn.ckks.packing import ciphertext_for_seal, keys_for_seal, packed_ciphertext
from fhenn.ckks.structure import Chain
from fhenn.errors import WireFormatError
from fhenn.wire import frame, unframe

pytestmark = pytest.mark.skipif(not available(), reason="the native library was not built")

HEAD = 32 + 41 + 16 + 8
"""Bytes of a ciphertext before its coefficients: id, fields, header and count."""


class Golden:
    """Messages of every kind on the smallest ring that has keys."""

    def __init__(self):
        parameters = fhenn.Parameters(2048, (18, 18, 18), 2.0**12)
        context = fhenn.Context.generate(parameters, rotations=(1,))
        self.fingerprint, self.ring = context.fingerprint, Ring.of(2048, context.all_primes)
        self.levels = context.levels
        levels = range(context.levels + 1)
        seeded = [save_object(context._by_secret_key(context.encode([1.5, -2.0], each, 2.0**12))) for each in levels]
        full = [save_object(load_object(seal.Ciphertext(), context.seal_context, each)) for each in seeded]
        self.chain = Chain(2048, context.all_primes)
        packed = [packed_ciphertext(self.chain, each) for each in (*seeded, *full)]
        self.ciphertexts = [*seeded, *full, *map(plain, (*seeded, *full)), *packed]
        self.contexts = [
            context.to_bytes(), context.evaluation_bytes({1: 0}, 0), context.evaluation_bytes({1: context.levels}),
        ]  # fmt: skip
        self.keys = []
        for message in self.contexts:
            decoded, _ = EvaluationMessage.decode(message)
            every = [*([decoded.relinearisation] if decoded.relinearisation else []), *decoded.rotations]
            for each in every:
                saved_as = keys_for_seal(self.chain.up_to(each.level), "keys", each.data)
                self.keys += [(bytes(each.data), each.level), (bytes(saved_as), each.level)]
        assert {level for _, level in self.keys} == set(range(context.levels + 1))


@cache
def golden():
    return Golden()


def content_of(data):
    return zstandard().decompress(data[16:]) if data[5] == 2 else data[16:]


PLAIN, ZSTANDARD, PACKED = 0, 2, 0x80


def saved(content, form):
    body = zstandard().compress(content, 1) if form == ZSTANDARD else content
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, form, 0, 16 + len(body)) + body


def plain(data):
    return saved(content_of(data), PLAIN)


def word(rng, content):
    """A word at a place of words: a residue, a size, a count."""
    at = rng.choice((0, 0, HEAD % 8)) + 8 * rng.randrange(len(content) // 8 + 1)
    value = rng.choice((rng.choice(INTERESTING), rng.randrange(1 << 18)))
    return (content[:at] + struct.pack("<Q", value) + content[at + 8 :])[: len(content)]


def changed(rng, data):
    """An object, changed as it came or in what it holds."""
    if rng.random() < 0.4:
        return rng.choice(MUTATIONS)(rng, data)
    content = content_of(data)
    for _ in range(rng.randrange(1, 4)):
        content = rng.choice((*MUTATIONS, word, word))(rng, content) or b"\0"
    if data[5] == PACKED and rng.random() < 0.9:
        return saved(content, PACKED)
    return saved(content, ZSTANDARD if rng.random() < 0.3 else PLAIN)


def hold_ciphertext(rng):
    """Whether it was taken; its first polynomial, or both, are then the words in the message."""
    ring = golden().ring
    data = changed(rng, rng.choice(golden().ciphertexts))
    try:
        read = read_ciphertext(ring, "it", data)
    except WireFormatError:
        return False
    primes = read.level + 1
    assert primes < len(ring.primes)
    content = content_of(ciphertext_for_seal(golden().chain, "it", data))
    (count,) = struct.unpack_from("<Q", content, HEAD - 8)
    written = np.frombuffer(content, "<u8", count, HEAD)
    assert np.array_equal(read.residues.reshape(-1)[:count], written)
    require_residues(read.residues, ring.primes[:primes])
    for packed in (False, True):
        again = read_ciphertext(ring, "it", write_ciphertext(ring, read.residues, read.scale, packed=packed))
        assert np.array_equal(again.residues, read.residues)
        assert again.scale == read.scale > 0
    return True


def hold_keys(rng):
    """Whether they were taken, at the level that they are for or another."""
    ring = golden().ring
    data, level = rng.choice(golden().keys)
    level = level if rng.random() < 0.9 else rng.randrange(golden().levels + 1)
    data = changed(rng, data)
    try:
        keys = read_switching_keys(ring, "keys", data, level)
    except WireFormatError:
        return False
    primes = (*ring.primes[: level + 1], ring.primes[-1])
    for key in keys.values():
        assert key.shape == (level + 1, 2, len(primes), ring.ring_degree)
        for digit in key:
            require_residues(digit, primes)
    (lists,) = struct.unpack_from("<Q", content_of(data), 32)
    assert len(keys) <= lists
    for index, key in keys.items():
        packed_key = ring.pack_key(key, level + 1)
        assert index < lists
        assert packed_key.digits == level + 1
    return True


def hold_context(rng):
    """Whether it was taken; the digest of the message is made anew."""
    meta, body = unframe("evaluation-context", rng.choice(golden().contexts))
    body = mutated(rng, body)
    if rng.random() < 0.2:
        name = rng.choice(sorted(meta))
        meta = meta | {name: rng.choice((None, -1, 0, 1, len(body), 1 << 70, [], [[0, 1]], [0, 1], "0", 1.5, True))}
    try:
        read = read_context(frame("evaluation-context", meta, body))
    except WireFormatError:
        return False
    assert read.fingerprint == golden().fingerprint
    return True


def require_residues(residues, primes):
    assert residues.flags.c_contiguous
    assert (residues < np.array(primes, np.uint64)[:, np.newaxis]).all()


def fuzz(seed, count):
    """Outcomes by kind."""
    outcomes = Counter()
    kinds = (hold_ciphertext,) * 17 + (hold_keys,) * 2 + (hold_context,)
    for turn in range(count):
        rng = random.Random(seed << 32 | turn)
        hold = kinds[turn % len(kinds)]
        try:
            outcomes[hold.__name__, "taken" if hold(rng) else "refused"] += 1
        except Exception as error:
            error.add_note(f"seed {seed}, turn {turn}")
            raise
    return outcomes


def test_mutated_messages_are_refused_or_read():
    outcomes = fuzz(1, 1000)
    refused = sum(count for (_, outcome), count in outcomes.items() if outcome == "refused")
    assert 700 < refused < 1000
    assert outcomes[hold_ciphertext.__name__, "taken"] > 20  # some 70; of keys some 7


@at_length("count", 50_000, 500_000)
@pytest.mark.parametrize("seed", range(2))
def test_mutated_messages_at_length(seed, count):
    outcomes = fuzz(seed, count)
    print(dict(outcomes))  # noqa: T201 - for the notebook
    assert sum(outcomes.values()) == count


@pytest.mark.skipif(find_spec("atheris") is None, reason="libFuzzer for Python is not installed: pip install atheris")
@at_length("limit", "-max_total_time=60", "-runs=1000000")
def test_libfuzzer_finds_nothing_else(tmp_path, limit):
    """Led by the branches that it reaches, from honest messages on (fuzz_target.py)."""
    (tmp_path / "found").mkdir()
    script = Path(__file__).with_name("fuzz_target.py")
    paths = [
        str(Path(fhenn.__file__).parents[1]),
        *map(str, (script.parent, script.parents[2] / "artifacts", script.parents[2])),
    ]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "found"), limit],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    runs = re.search(r"^Done (\d+) runs", done.stderr, re.MULTILINE)
    assert runs, done.stderr[-5000:]
    assert done.returncode == 0
    print(runs[0])  # noqa: T201 - for the notebook
    assert int(runs[1]) > 20_000
