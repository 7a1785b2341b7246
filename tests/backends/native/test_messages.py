"""SEAL's bytes are read and written as SEAL does it, and strangers' bytes end in WireFormatError or in residues."""

import ctypes
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path

import by_hand
import numpy as np
import pytest
import tenseal as ts
import tenseal.sealapi as seal
from support import at_length, tenseal_context

import fhenn
from fhenn import protobuf
from fhenn.backends.native.build import build
from fhenn.backends.native.context import NativeContext
from fhenn.backends.native.keys import RELINEARISATION, Keys, galois_index
from fhenn.backends.native.library import available, require_library
from fhenn.backends.native.messages import (
    _is_prime,
    read_ciphertext,
    read_ciphertexts,
    read_context,
    read_switching_keys,
    write_ciphertext,
)
from fhenn.backends.native.ring import Ring
from fhenn.backends.seal.subchain import seal_context_of
from fhenn.backends.seal.wire import load_object, save_object
from fhenn.ckks.bits import pack
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.messages import EvaluationMessage, TensealMessage
from fhenn.ckks.packing import packed_ciphertext, packed_keys
from fhenn.ckks.structure import Chain, parameters_id
from fhenn.errors import KeyMissing, ParameterError, WireFormatError
from fhenn.wire import frame, unframe

pytestmark = pytest.mark.skipif(not available(), reason="the native library was not built")

CHAINS = [(4096, (33, 23, 23, 30)), (4096, (20, 60, 29)), (8192, (60, 60, 36, 60)), (8192, (35, 42, 51, 31, 59))]
MORE_CHAINS = [
    (4096, (20, 20, 20, 20, 20)),
    (8192, (21, 22, 23, 24, 25, 26, 27, 28)),
    (16384, (50, 40, 40, 40, 40, 50)),
    (32768, (60, *[58] * 12, 60)),
]
STEPS = 1, 5
HEADER = struct.Struct("<HBBBBHQ")
START = 32 + 41 + 16 + 8
"""Bytes of a ciphertext before its coefficients: id, fields, header and count."""


def content_of(data):
    """What is in an object of SEAL's, after its header."""
    return zstandard().decompress(data[16:]) if data[5] == 2 else data[16:]


def saved(content, level=None):
    """The object with that content: not compressed, or by Zstandard of a level."""
    body = content if level is None else zstandard().compress(content, level)
    return HEADER.pack(0xA15E, 16, 4, 3, 0 if level is None else 2, 0, 16 + len(body)) + body


def streamed(content):
    """Compressed without a word of how much it is, as SEAL does it."""
    compressor = zstandard().ZstdCompressor(3)
    body = compressor.compress(content) + compressor.flush()
    return HEADER.pack(0xA15E, 16, 4, 3, 2, 0, 16 + len(body)) + body


class Holder:
    """SEAL's context, and the ring of its primes."""

    def __init__(self, ring_degree, chain):
        self.n, self.scale = ring_degree, 2.0 ** (min(chain[:-1]) - 3)
        parameters = fhenn.Parameters(ring_degree, chain, self.scale)
        self.context = fhenn.Context.generate(parameters, rotations=STEPS)
        self.ring = Ring.of(ring_degree, self.context.all_primes)
        self.galois = self.context.rotation_keys[0].keys

    def seeded(self, level):
        """As SEAL saves it."""
        context = self.context
        return save_object(context._by_secret_key(context.encode([1.5, -2.0], level, self.scale)))

    def loaded(self, data):
        """SEAL's ciphertext."""
        return load_object(seal.Ciphertext(), self.context.seal_context, data)

    def residues_of_seal(self, data, primes):
        """Of SEAL's ciphertext, as they stand in what SEAL saves when it has loaded it."""
        content = content_of(save_object(self.loaded(data)))
        return np.frombuffer(content, "<u8", offset=START).reshape(2, primes, self.n)

    def keys_of_seal(self, keys, level=None):
        """SEAL's keys, by index, as they stand in what SEAL saves; keys: without seeds, up to a level."""
        content, found = content_of(save_object(keys)), {}
        (lists,), at = struct.unpack_from("<Q", content, 32), 40
        words = 2 * (len(self.ring.primes) if level is None else level + 2) * self.n
        for index in range(lists):
            (parts,), at = struct.unpack_from("<Q", content, at), at + 8
            for _ in range(parts):
                part = np.frombuffer(content, "<u8", words, at + 16 + START).reshape(2, -1, self.n)
                found.setdefault(index, []).append(part)
                at += 16 + START + 8 * words
        return {index: np.stack(parts) for index, parts in found.items()}


def chain_of(holder):
    """Its parameters, as structure is checked by."""
    return Chain(holder.n, holder.ring.primes)


@lru_cache(maxsize=6)  # of gigabytes
def holder_of(ring_degree, chain):
    return Holder(ring_degree, chain)


@pytest.fixture
def small():
    return holder_of(*CHAINS[0])


def test_identities_are_those_of_seal():
    for ring_degree, chain in CHAINS:
        holder = holder_of(ring_degree, chain)
        for level in range(len(chain) - 1):
            expected = struct.pack("<4Q", *holder.context.parms_id(level))
            assert parameters_id(ring_degree, holder.ring.primes[: level + 1]) == expected
        keys = content_of(save_object(holder.galois))
        assert parameters_id(ring_degree, holder.ring.primes) == keys[:32]


def hold_ciphertexts(ring_degree, chain):
    """Every level, with a seed and without, compressed in several ways and not at all; and back."""
    holder = holder_of(ring_degree, chain)
    ring = holder.ring
    for level in range(len(chain) - 1):
        seeded = holder.seeded(level)
        full = save_object(holder.loaded(seeded))
        expected = holder.residues_of_seal(seeded, level + 1)
        assert len(content_of(seeded)) < len(content_of(full))
        for data in (seeded, full):
            content = content_of(data)
            packed = packed_ciphertext(chain_of(holder), data)
            for form in (data, saved(content), saved(content, 1), saved(content, 19), streamed(content), packed):
                read = read_ciphertext(ring, "it", form)
                assert np.array_equal(read.residues, expected)
                assert (read.level, read.scale) == (level, holder.scale)
                assert read.residues.flags.c_contiguous
                assert read.residues.flags.writeable
        plain, packed = (write_ciphertext(ring, read.residues, 3.0, packed=packed) for packed in (False, True))
        assert np.array_equal(read.residues, expected)  # unchanged
        for written in (plain, packed):
            ciphertext = holder.loaded(written)
            assert (ciphertext.scale, ciphertext.size()) == (3.0, 2)
            assert content_of(save_object(ciphertext)) == content_of(plain)
        assert packed == packed_ciphertext(chain_of(holder), plain)


@pytest.mark.thorough
@pytest.mark.parametrize(("ring_degree", "chain"), CHAINS)
def test_ciphertexts_are_read_and_written_as_by_seal(ring_degree, chain):
    hold_ciphertexts(ring_degree, chain)


@pytest.mark.thorough
@pytest.mark.parametrize(("ring_degree", "chain"), MORE_CHAINS)
def test_ciphertexts_of_more_chains_are_read_and_written_as_by_seal(ring_degree, chain):
    hold_ciphertexts(ring_degree, chain)


def test_what_is_written_is_smaller_than_what_seal_writes():
    """All that can be left out is what primes are short of 64 bits."""
    for ring_degree, chain in (*CHAINS, (8192, (50, 36, 36, 36, 50))):
        holder = holder_of(ring_degree, chain)
        level = len(chain) - 2
        ours = save_object(holder.loaded(holder.seeded(level)))
        read = read_ciphertext(holder.ring, "it", ours)
        assert len(write_ciphertext(holder.ring, read.residues, read.scale)) < len(ours)
        assert len(ours) < read.residues.nbytes


def hold_keys(ring_degree, chain):
    """Keys of both kinds, with seeds and without."""
    holder = holder_of(ring_degree, chain)
    context, ring = holder.context, holder.ring
    generator = seal.KeyGenerator(context.seal_context, context.secret_key("test"))
    elements = [pow(3, steps, 2 * ring_degree) for steps in STEPS]
    expected = {galois_index(steps, ring_degree) for steps in STEPS}
    for seeded, empty, full, indices in (
        (generator.create_galois_keys(elements), seal.GaloisKeys(), holder.galois, expected),
        (generator.create_relin_keys(), seal.RelinKeys(), context.relinearisation_keys("test").keys, {RELINEARISATION}),
    ):
        loaded = load_object(empty, context.seal_context, save_object(seeded))
        for keys, data in ((full, save_object(full)), (loaded, save_object(seeded))):
            of_seal = holder.keys_of_seal(keys)
            for form in (data, saved(content_of(data)), packed_keys(chain_of(holder), data)):
                found = read_switching_keys(ring, "keys", form)
                assert set(found) == set(of_seal) == indices
                for index, key in found.items():
                    assert np.array_equal(key, of_seal[index])
                    assert key.flags.c_contiguous
        assert len(save_object(seeded)) < 0.7 * len(save_object(full))
    for level in range(context.levels + 1):
        message, _ = EvaluationMessage.decode(context.evaluation_bytes(dict.fromkeys(STEPS, level)))
        (keys,) = message.rotations
        of_seal = load_object(seal.GaloisKeys(), seal_context_of(Chain(holder.n, ring.primes).up_to(level)), keys.data)
        expected = holder.keys_of_seal(of_seal, level)
        found = read_switching_keys(ring, "keys", keys.data, level)
        assert set(found) == set(expected)
        assert all(np.array_equal(key, expected[index]) for index, key in found.items())


@pytest.mark.parametrize(("ring_degree", "chain"), CHAINS[:3])
def test_keys_are_read_as_by_seal(ring_degree, chain):
    hold_keys(ring_degree, chain)


@pytest.mark.thorough
@pytest.mark.parametrize(("ring_degree", "chain"), MORE_CHAINS)
def test_keys_of_more_chains_are_read_as_by_seal(ring_degree, chain):
    hold_keys(ring_degree, chain)


# seeds


def stream_of(seed, counter):
    """A block of BLAKE2Xb, by Python's own BLAKE2b."""
    length = 4096 << 32
    root = struct.unpack("<8Q", blake2b(counter.to_bytes(8, "little"), key=seed, node_offset=length).digest())
    return [word for place in range(64) for word in leaf(root, place | length)]


START_WORDS = [
    *(0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1),
    *(0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179),
]
ORDERS = [
    *("0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d"),
    *("2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0"),
]


def leaf(root, place):
    """BLAKE2b of 64 bytes as RFC 7693 has it, with a depth of 0, which Python's own does not take."""
    state = list(START_WORDS)
    for at, parameter in enumerate((64 | 64 << 32, place, 64 << 8)):
        state[at] ^= parameter
    v, message = state + START_WORDS, [*root, *[0] * 8]
    v[12] ^= 64
    v[14] ^= (1 << 64) - 1
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for turn in range(12):
        order = [int(digit, 16) for digit in ORDERS[turn % 10]]
        for place_, (a, b, c, d) in enumerate(columns + diagonals):
            for added, by, then in ((order[2 * place_], 32, 24), (order[2 * place_ + 1], 16, 63)):
                v[a] = (v[a] + v[b] + message[added]) % (1 << 64)
                v[d] = turned(v[d] ^ v[a], by)
                v[c] = (v[c] + v[d]) % (1 << 64)
                v[b] = turned(v[b] ^ v[c], then)
    return [state[i] ^ v[i] ^ v[8 + i] for i in range(8)]


def turned(x, by):
    return x >> by | x << 64 - by & (1 << 64) - 1


@cache
def expansion(seed, n, primes):
    """What SEAL makes of a seed: all words, then those that take the place of the ones beyond a prime's multiples."""
    blocks = n * len(primes) // 512
    words = [word for counter in range(blocks) for word in stream_of(seed, counter)]
    more = (word for counter in range(blocks, 99) for word in stream_of(seed, counter))
    result, refused = [], 0
    for place, prime in enumerate(primes):
        limit = (1 << 64) - 1 - ((1 << 64) - 1) % prime - 1
        for word in words[place * n : (place + 1) * n]:
            taken = word
            while taken >= limit:
                taken, refused = next(more), refused + 1
            result.append(taken % prime)
    return np.array(result, np.uint64).reshape(len(primes), n), refused


FEATURES = 7
"""All bits of cpu.h."""


def hold_expansion(library, masked):
    """A number that refuses a fourth of all words, and others that refuse few; what lies behind stays as it was."""
    library.fhenn_cpu_mask(masked)
    seed = bytes(range(64))
    try:
        for numbers in (((1 << 60) - 93, 12_289), ((1 << 60) + 33, 6 << 60)):
            expected, refused = expansion(seed, 1024, numbers)
            assert (refused > 200) == (6 << 60 in numbers)
            words, moduli = np.frombuffer(seed, "<u8"), np.array(numbers, np.uint64)
            result = np.full(1024 * len(numbers) + 8, 77, np.uint64)
            library.fhenn_expand_seed(words.ctypes.data, 1024, len(numbers), moduli.ctypes.data, result.ctypes.data)
            assert np.array_equal(result[:-8].reshape(len(numbers), 1024), expected)
            assert (result[-8:] == 77).all()
    finally:
        library.fhenn_cpu_mask(0)


EXPANDING = {
    "fhenn_expand_seed": (None, (ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
    "fhenn_cpu_mask": (None, (ctypes.c_int,)),
    "fhenn_cpu_features": (ctypes.c_int, ()),
}


@pytest.mark.parametrize("masked", [0, 6, FEATURES], ids=["all", "AVX2", "portable"])
def test_seeds_are_expanded_by_any_registers(masked):
    hold_expansion(require_library(EXPANDING), masked)


@pytest.mark.thorough
def test_seeds_are_expanded_by_the_registers_of_avx512(tmp_path):
    library = ctypes.CDLL(str(build(tmp_path / "emulated.so", emulation=Path(__file__).parent)))
    for name, (result, arguments) in EXPANDING.items():
        getattr(library, name).restype, getattr(library, name).argtypes = result, arguments
    assert library.fhenn_cpu_features() & 6
    hold_expansion(library, 0)


@pytest.mark.parametrize("bits", range(9, 65))
def test_residues_are_packed_as_in_python(bits):
    """Arrays are as long as they must be: a sanitizer sees what is read or written beyond."""
    library = require_library(PACKING)
    draw = np.random.default_rng(bits)
    for count in (8, 16, 24, 64, 1024):
        numbers = draw.integers(0, (1 << bits) - 1, count, np.uint64, endpoint=True)
        numbers[[0, -1]] = (1 << bits) - 1
        expected = pack(numbers, bits)
        packed, back = np.empty(len(expected), np.uint8), np.empty(count, np.uint64)
        library.fhenn_pack(numbers.ctypes.data, count, bits, packed.ctypes.data)
        assert packed.tobytes() == expected
        library.fhenn_unpack(packed.ctypes.data, count, bits, back.ctypes.data)
        assert np.array_equal(back, numbers)


PACKING = dict.fromkeys(
    ("fhenn_pack", "fhenn_unpack"), (None, (ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_void_p))
)


def test_packed_residues_of_another_size_are_not_read(small):
    target = memoryview(bytearray(64))
    for size in (0, 19, 21):
        with pytest.raises(ParameterError, match=f"have {size} bytes, where 20 are due"):
            small.ring.unpack(memoryview(bytes(size)), 20, target)


def test_threads_read_at_once(small):
    data = [small.seeded(level) for level in (0, 1, 2)] * 40
    expected = [read_ciphertext(small.ring, "it", each).residues for each in data[:3]]
    with ThreadPoolExecutor(16) as pool:
        for place, read in enumerate(pool.map(lambda each: read_ciphertext(small.ring, "it", each), data)):
            assert np.array_equal(read.residues, expected[place % 3])


# what is wrong


def changed(content, at, form, value):
    """The content with another value at a place."""
    value = struct.pack(form, value)
    at %= len(content)
    assert content[at : at + len(value)] != value
    return content[:at] + value + content[at + len(value) :]


def refuse(holder, content, match, seal_too=True):
    """Nobody takes it: compressed or not."""
    for data in (saved(content), saved(content, 1)):
        with pytest.raises(WireFormatError, match=match):
            read_ciphertext(holder.ring, "it", data)
    if seal_too:
        with pytest.raises(WireFormatError):
            holder.loaded(saved(content))


@lru_cache
def several(seeded):
    """A ring, and ciphertexts of one message."""
    parameters = fhenn.Parameters(4096, (33, 23, 23, 30), 2.0**23)
    context = NativeContext.generate(parameters)
    values = np.random.default_rng(2).normal(size=(5, 2048))
    if seeded:
        message = fhenn.ckks.array.encrypt_to_bytes(context, values)
    else:
        message = fhenn.encrypt(context, values).to_bytes()
    bodies = TensealMessage.decode(unframe("ciphertexts", message)[1]).ciphertexts
    assert len(bodies) == 5 and len({len(body) for body in bodies}) == 1
    return context.ring, bodies


def outcome(act):
    """The residues and scales that were read, or what was raised."""
    try:
        return [(each.residues.tolist(), each.scale) for each in act()]
    except WireFormatError as error:
        return str(error)


@pytest.mark.parametrize("seeded", [True, False])
def test_several_ciphertexts_are_read_as_each_is(seeded, monkeypatch):
    ring, bodies = several(seeded)
    expected = outcome(lambda: [read_ciphertext(ring, "x", body) for body in bodies])
    monkeypatch.setattr("fhenn.backends.native.messages.read_ciphertext", lambda *_: pytest.fail("one by one"))
    assert outcome(lambda: read_ciphertexts(ring, "x", bodies)) == expected


@pytest.mark.thorough
@pytest.mark.parametrize("seeded", [True, False])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_one_of_several_that_is_another_is_refused_as_by_itself_or_read(seeded, place):
    """Every byte ahead of the residues and of the seed, each length, and a residue that is too large."""
    ring, bodies = several(seeded)
    good, size = bodies[place], len(bodies[place])
    places = [*range(16 + START + 3), size - 1, *(range(size - 64 - 20, size - 62) if seeded else ())]
    others = [good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :] for at in places for bit in (0, 6)]
    most = good[: 16 + START] + b"\xff" * 33 + good[16 + START + 33 :]  # of the first eight residues
    others += [good[:-1], good + b"x", good[:70], b"", most, save_object_of(ring, good), bodies[place - 1]]
    refused = 0
    for other in others:
        mixed = [*bodies[:place], other, *bodies[place + 1 :]]
        expected = outcome(lambda mixed=mixed: [read_ciphertext(ring, "x", body) for body in mixed])
        assert outcome(lambda mixed=mixed: read_ciphertexts(ring, "x", mixed)) == expected
        refused += isinstance(expected, str)
    assert refused > len(others) / 2


def save_object_of(ring, body):
    """The same ciphertext as SEAL takes it."""
    read = read_ciphertext(ring, "x", body)
    return write_ciphertext(ring, read.residues, read.scale, packed=False)


def test_no_more_is_read_than_is_there():
    ring, bodies = several(True)
    for start, seed in ((len(bodies[0]) - 10, 0), (16, len(bodies[0]) - 63)):
        with pytest.raises(ValueError, match="fewer than"):
            ring.read(bodies, 3, 1, start, seed)


def test_a_residue_must_lie_below_its_prime(small):
    """At the first and the last place of every polynomial and prime; one less is taken."""
    level, n = 2, small.n
    seeded = content_of(small.seeded(level))
    full = content_of(save_object(small.loaded(saved(seeded))))
    for content, polynomials in ((full, 2), (seeded, 1)):
        for row in range(polynomials * (level + 1)):
            prime = small.ring.primes[row % (level + 1)]
            for place in (0, n - 1):
                at = START + 8 * (row * n + place)
                for value in (prime, (1 << 64) - 1):
                    refuse(small, changed(content, at, "<Q", value), "not below its prime")
                read = read_ciphertext(small.ring, "it", saved(changed(content, at, "<Q", prime - 1)))
                assert read.residues[row // (level + 1), row % (level + 1), place] == prime - 1


def test_an_identity_must_be_that_of_the_level(small):
    contents = [content_of(small.seeded(level)) for level in range(3)]
    refuse(small, changed(contents[1], 31, "<B", contents[1][31] ^ 1), "other parameters")
    refuse(small, contents[2][:32] + contents[1][32:], "other parameters")
    keys = content_of(save_object(small.galois))
    at = keys.index(parameters_id(small.n, small.ring.primes), 32)
    with pytest.raises(WireFormatError, match="other parameters"):
        read_switching_keys(small.ring, "keys", saved(changed(keys, at, "<B", keys[at] ^ 1)))


def test_ciphertexts_of_keys_are_none(small):
    """SEAL takes them at the level of keys, where nothing is computed; its level is then no level."""
    public = protobuf_parts(small.context.to_bytes())[1][1]
    refuse(small, content_of(public), "level of keys", seal_too=False)


def test_a_seed_must_be_for_the_generator_of_seal(small):
    content = content_of(small.seeded(1))
    assert content[-65] == 1
    for kind in (0, 2, 255):  # 2 is SHAKE-256, which SEAL takes where it is told to
        refuse(small, changed(content, -65, "<B", kind), "another generator", seal_too=False)


def test_truncated_ciphertexts_are_refused(small):
    for data in (small.seeded(1), saved(content_of(small.seeded(0)))):
        for length in [*range(120), *range(120, len(data), len(data) // 97), len(data) - 1]:
            for cut in (data[:length], data[:8] + struct.pack("<Q", length) + data[16:length]):
                with pytest.raises(WireFormatError):
                    read_ciphertext(small.ring, "it", cut[:length])


def hold_mutations(rng, count):
    """Changed bytes are refused, or read as residues; seldom taken: an object has few bytes that nothing depends on."""
    holder = holder_of(4096, (36, 36, 37))
    ring = holder.ring
    seeded = content_of(holder.seeded(0))
    wholes = [saved(seeded), streamed(seeded), saved(content_of(save_object(holder.loaded(saved(seeded)))), 1)]
    top = np.array(ring.primes[:1], np.uint64)[:, None]
    refused = 0
    for turn in range(count):
        data = bytearray(wholes[turn % 3])
        for _ in range(rng.integers(1, 4)):
            end = 160 if rng.random() < 0.7 else len(data)
            place = int(rng.integers(0, end)) if rng.random() < 0.8 else -1 - int(rng.integers(0, 90))
            data[place] = int(rng.integers(0, 256))
        if rng.random() < 0.1:
            del data[int(rng.integers(16, len(data))) :]
            data[8:16] = struct.pack("<Q", len(data))
        try:
            read = read_ciphertext(ring, "it", bytes(data))
        except WireFormatError:
            refused += 1
        else:
            assert read.residues.shape == (2, 1, holder.n)
            assert (read.residues < top).all()
            assert 0 < read.scale < float("inf")
    assert 0.5 * count < refused < count


def test_mutated_ciphertexts_are_refused_or_read():
    hold_mutations(np.random.default_rng(17), 2_000)


@at_length("count", 100_000, 1_000_000)
def test_more_mutated_ciphertexts_are_refused_or_read(count):
    hold_mutations(np.random.default_rng(18), count)


# keys


def test_keys_are_packed_for_what_they_were_made_for(small):
    """A key up to a level gives what it gives of the whole one, for as many primes; for more, KeyMissing."""
    ring = small.ring
    whole = read_switching_keys(ring, "keys", save_object(small.galois))
    short = {index: np.take(key[:2], [0, 1, 3], axis=2) for index, key in whole.items()}
    for index, key in short.items():
        for primes in (1, 2):
            assert np.array_equal(ring.pack_key(key, primes).words, ring.pack_key(whole[index], primes).words)
    packs = Keys(ring, {RELINEARISATION: short[galois_index(1, small.n)]}, short)
    for _ in range(2):
        assert packs.turn(1, 2).key.digits == packs.relinearisation(2).digits == 2
        for ask in (packs.relinearisation, lambda primes: packs.turn(5, primes)):
            with pytest.raises(KeyMissing, match="for 3 primes"):
                ask(3)


def test_a_residue_of_a_key_must_lie_below_its_prime(small):
    """In the digit and the polynomial that come last, at the special prime."""
    content = content_of(save_object(small.context.relinearisation_keys("test").keys))
    special = small.ring.primes[-1]
    with pytest.raises(WireFormatError, match="not below its prime"):
        read_switching_keys(small.ring, "keys", saved(changed(content, -8, "<Q", special)))
    found = read_switching_keys(small.ring, "keys", saved(changed(content, -8, "<Q", special - 1)))
    assert found[RELINEARISATION][-1, -1, -1, -1] == special - 1


def test_keys_take_no_more_memory_than_is_kept():
    """What is kept, and a piece of what is inflated."""
    holder = holder_of(8192, (60, 60, 36, 60))
    message, _ = EvaluationMessage.decode(holder.context.evaluation_bytes(dict.fromkeys(range(1, 13), 1)))
    tracemalloc.start()
    found = read_switching_keys(holder.ring, "keys", message.rotations[0].data, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    kept = sum(key.nbytes for key in found.values())
    assert kept == 12 * 8 * 2 * 2 * 3 * holder.n
    assert kept <= peak < kept + (4 << 20)


# contexts


def protobuf_parts(message):
    """Meta data of a message, fields of the public part of its context, and its rotation keys."""
    meta, body = unframe("evaluation-context", message)
    size = meta["rotation_keys"]
    outer = dict(protobuf.read_fields("context", body[: len(body) - size]))
    return meta, dict(protobuf.read_fields("context", outer[2])), body[len(body) - size :], outer[1]


def remade(message, rotations=None, more=b"", meta=None, parameters=None, **public):
    """The message with other fields in its public part; None leaves a field out."""
    old, fields, keys, own_parameters = protobuf_parts(message)
    fields |= {int(name[1:]): value for name, value in public.items()}
    inner = b"".join(protobuf.encode_field(number, value) for number, value in fields.items() if value is not None)
    body = protobuf.encode_field(1, parameters or own_parameters) + protobuf.encode_field(2, inner) + more
    keys = keys if rotations is None else rotations
    old |= {"rotation_keys": len(keys), "rotation_levels": [[2, len(keys)]] if keys else []}
    return frame("evaluation-context", old | (meta or {}), body, keys)


@pytest.mark.parametrize("seeded", [False, True])
def test_a_context_is_read_as_by_seal(small, seeded):
    context = small.context
    data = context.evaluation_bytes(dict.fromkeys(STEPS, context.levels)) if seeded else context.to_bytes()
    read, of_seal = read_context(data), fhenn.Context.from_bytes(data)
    assert read.fingerprint == of_seal.fingerprint == context.fingerprint
    assert (read.ring.ring_degree, read.ring.primes) == (small.n, context.all_primes)
    assert read.scale == small.scale
    assert [read.keys.can_rotate(steps, context.levels) for steps in (1, 5, 2)] == [True, True, False]
    assert read.keys.can_relinearise(context.levels)
    keys = holder_keys(small, of_seal)
    for primes in (1, 3):
        assert np.array_equal(
            read.keys.relinearisation(primes).words, small.ring.pack_key(keys[RELINEARISATION], primes).words
        )


def holder_keys(holder, context):
    return holder.keys_of_seal(context.relinearisation_keys("test").keys)


@pytest.mark.parametrize("galois", [False, True])
def test_the_context_of_tenseal_is_read_as_by_seal(galois):
    """Its own Galois keys are used where fhenn has made none; without a scale, it is asked for when it is needed."""
    context = tenseal_context(4096, [33, 23, 23, 30], 23, galois)
    data = fhenn.Context.from_tenseal(context).to_bytes()
    read = read_context(data)
    assert read.fingerprint == fhenn.Context.from_bytes(data).fingerprint
    assert [read.keys.can_rotate(steps, 2) for steps in (1, 2, 3)] == [galois, galois, False]


def test_a_context_without_public_key_or_scale():
    context = ts.context(
        ts.SCHEME_TYPE.CKKS, 4096, coeff_mod_bit_sizes=[36, 36, 37], encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
        n_threads=1,
    )  # fmt: skip
    data = fhenn.Context.from_tenseal(context).to_bytes()
    read = read_context(data)
    assert read.scale is None
    assert read.fingerprint == fhenn.Context.from_bytes(data).fingerprint
    for kind in (NativeContext, fhenn.Context):
        with pytest.raises(ParameterError, match="no scale"):
            _ = kind.from_bytes(data).scale
    bare = remade(data, _4=None, meta={"fingerprint": "0" * 16})  # its fingerprint is then one of parameters alone
    with pytest.raises(WireFormatError, match="not those that its header names"):
        read_context(bare)
    # keys of which none is for the square of the secret: there is nothing to take the fingerprint of
    keys = struct.pack("<QQ", 2, 0)
    content = content_of(protobuf_parts(data)[1][4])
    shifted = saved(content[:32] + keys + content[40:])
    with pytest.raises(WireFormatError, match="square of the secret"):
        read_context(remade(data, _4=shifted))


def of_primes(*primes):
    return by_hand.whole(by_hand.parameters(4096, list(primes)))


def test_primes_are_told_from_other_numbers():
    """Below 20,000 by a sieve; composites that pass the test for all bases up to 7, 23 and 37; SEAL's own primes."""
    sieve = np.ones(20_000, bool)
    sieve[:2] = False
    for number in range(2, 142):
        sieve[number * number :: number] = False
    odd = np.arange(3, 20_000, 2)
    assert [int(number) for number in odd if _is_prime(int(number))] == odd[sieve[odd]].tolist()
    # C. Pomerance, J. Selfridge & S. Wagstaff, 1980; G. Jaeschke, 1993
    assert not any(map(_is_prime, (3_215_031_751, 3_825_123_056_546_413_051, 341_550_071_728_321)))
    assert all(_is_prime(prime) for ring_degree, chain in CHAINS for prime in holder_of(ring_degree, chain).ring.primes)


def test_wrong_contexts_are_refused(small):
    primes = small.ring.primes
    good = small.context.to_bytes()
    other = holder_of(*CHAINS[1]).context.to_bytes()
    _, fields, rotations, _ = protobuf_parts(good)
    assert read_context(remade(good)).fingerprint == small.context.fingerprint
    key = content_of(fields[1])
    prime = small.ring.primes[0]
    wrong = {
        "a secret key": (remade(good, more=protobuf.encode_field(3, b"")), "secret key"),
        "another fingerprint": (remade(good, meta={"fingerprint": "0" * 16}), "header names"),
        "no fingerprint": (remade(good, meta={"fingerprint": None}), "header names"),
        "keys without number": (remade(good, meta={"rotation_keys": None}), "how many"),
        "keys of a fraction": (remade(good, meta={"rotation_keys": 1.0}), "how many"),
        "fewer keys than none": (remade(good, meta={"rotation_keys": -1}), "how many"),
        "more keys than bytes": (remade(good, meta={"rotation_keys": 1 << 40}), "how many"),
        "keys of another length": (remade(good, meta={"rotation_keys": len(rotations) - 1}), None),
        "a public key of others": (remade(good, _1=protobuf_parts(other)[1][1]), None),
        "relinearisation keys of others": (remade(good, _4=protobuf_parts(other)[1][4]), None),
        "rotation keys of others": (remade(good, rotations=protobuf_parts(other)[2]), None),
        "Galois keys that are not used, and none": (remade(good, _5=b"it"), "header"),
        "a public key beyond its prime": (remade(good, _1=saved(changed(key, START, "<Q", prime))), "below its prime"),
        "another public key": (remade(good, _1=saved(changed(key, START, "<Q", (1 << 10) + 1))), "header names"),
        "a number that is no prime": (
            remade(good, rotations=b"", parameters=of_primes(primes[0] * primes[1])),
            "does not take",
        ),
        "a prime of 61 bits": (
            remade(good, rotations=b"", parameters=of_primes(1_152_921_504_606_904_321)),
            "does not take",
        ),
        "one for a prime": (remade(good, rotations=b"", parameters=of_primes(1)), "does not take"),
        "a prime twice": (remade(good, rotations=b"", parameters=of_primes(*primes[:2], primes[0])), "twice"),
        "another kind": (frame("ciphertexts", {}, b""), None),
        "half of it": (good[: len(good) // 2], None),
        "nothing": (b"", None),
    }
    for name, (data, match) in wrong.items():
        with pytest.raises(WireFormatError, match=match):
            read_context(data)
            pytest.fail(name)


def test_an_altered_context_is_refused(small):
    good = small.context.to_bytes()
    for place in range(0, len(good), len(good) // 50):
        with pytest.raises(WireFormatError):
            read_context(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])


def test_mutated_contexts_are_refused_or_read(small):
    """With a digest that matches: changes in parameters, in protobuf's structure and in the heads of keys."""
    rng = np.random.default_rng(19)
    meta, body = unframe("evaluation-context", small.context.evaluation_bytes({1: 2}))
    squares = len(body) - meta["rotation_keys"]
    starts = [0, 90, squares, squares + meta["relinearisation"][1], len(body) - 100]
    refused = 0
    for _ in range(150):
        altered = bytearray(body)
        place = min(int(rng.choice(starts)) + int(rng.integers(0, 100)), len(body) - 1)
        altered[place] ^= int(rng.integers(1, 256))
        try:
            read = read_context(frame("evaluation-context", meta, bytes(altered)))
        except WireFormatError:
            refused += 1
        else:
            assert read.fingerprint == small.context.fingerprint
    assert refused > 75
