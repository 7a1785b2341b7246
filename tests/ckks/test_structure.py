"""What lies inside SEAL's compressed objects is refused in Python, before SEAL sees it, though every digest matches."""

import random
import struct
import sys
from contextlib import suppress

import by_hand as hand
import pytest
import tenseal.sealapi as seal
from hypothesis import given, settings
from hypothesis import strategies as st

import fhenn
from fhenn import protobuf
from fhenn.backends.seal import wire
from fhenn.ckks import inflate, messages, structure
from fhenn.ckks.headers import form_of
from fhenn.ckks.layout import Vectors
from fhenn.ckks.structure import Chain, Receiver, chain_of
from fhenn.errors import UnsupportedOperation, WireFormatError
from fhenn.wire import frame, unframe

N, PRIMES = 4096, 3
zstd = inflate.zstandard()


@pytest.fixture(scope="module")
def holder():
    return fhenn.Context.generate(fhenn.Parameters(N, (36, 36, 37), 2.0**20), [1, 2])


@pytest.fixture(scope="module")
def chain(holder):
    return wire._chain_in(holder.seal_context)


@pytest.fixture(scope="module")
def objects(holder):
    """Contents of one SEAL object of each kind, inflated, and what checks them."""
    outer = dict(protobuf.read_fields("context", holder.secret_message()))
    secret = dict(protobuf.read_fields("context", outer[3]))[1]
    public = dict(protobuf.read_fields("context", outer[2]))[1]
    generator = seal.KeyGenerator(holder.seal_context, holder.secret_key("test"))
    found = {
        "parameters": outer[1],
        "public": public,
        "secret": secret,
        "ciphertext": wire.save_object(holder.encrypt_slots([1.0], 1, holder.scale)),
        "seeded": wire.save_object(holder._by_secret_key(holder.encode([1.0], 1, holder.scale))),
        "galois": wire.save_object(holder.rotation_keys[0].keys),
        "seeded galois": wire.save_object(generator.create_galois_keys([3, 9])),
        "relinearisation": wire.save_object(generator.create_relin_keys()),
    }
    return {name: zstd.decompress(data[16:]) for name, data in found.items()}


def checker(name, chain):
    checks = {
        "parameters": chain_of,
        "public": chain.check_public_key,
        "secret": chain.check_secret_key,
        "ciphertext": chain.check_ciphertext,
        "seeded": chain.check_ciphertext,
    }
    return checks.get(name, chain.check_switching_keys)


def saved(content, compression=2):
    body = zstd.compress(content) if compression == 2 else content
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, compression, 0, 16 + len(body)) + body


NAMES = ["parameters", "public", "secret", "ciphertext", "seeded", "galois", "seeded galois", "relinearisation"]


@pytest.mark.parametrize("compression", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_honest_objects_pass(objects, chain, name, compression):
    checker(name, chain)("it", saved(objects[name], compression))


@pytest.mark.parametrize("name", NAMES)
def test_objects_that_end_early_or_go_on_are_refused(objects, chain, name):
    content = objects[name]
    for bad in (content[:-1], content[: len(content) // 2], content[:20], b"", content + b"\x00", content + content):
        for compression in (0, 2):
            with pytest.raises(WireFormatError):
                checker(name, chain)("it", saved(bad, compression))


def at(name, offset, form, value):
    return pytest.param(name, offset, struct.pack(form, value), id=f"{name} at {offset}: {value}")


CIPHERTEXT = [
    at("ciphertext", 32, "<B", 0),  # not in NTT form
    at("ciphertext", 33, "<Q", 3),  # polynomials
    at("ciphertext", 33, "<Q", 0),
    at("ciphertext", 33, "<Q", 2**63),
    at("ciphertext", 41, "<Q", 8192),  # N
    at("ciphertext", 49, "<Q", 1),  # primes
    at("ciphertext", 49, "<Q", 2**62),
    at("ciphertext", 57, "<d", float("nan")),  # scale
    at("ciphertext", 57, "<d", -1.0),
    at("ciphertext", 57, "<d", float("inf")),
    at("ciphertext", 65, "<Q", 7),  # correction factor
    at("ciphertext", 73, "<H", 0xA15F),  # header of the array
    at("ciphertext", 78, "<B", 2),  # compressed again
    at("ciphertext", 81, "<Q", 24),  # its size
    at("ciphertext", 89, "<Q", 2**60),  # its count
    at("ciphertext", 89, "<Q", N * 2),  # a seed's worth, and no seed
    at("seeded", 89, "<Q", N),
    at("seeded", -73, "<Q", 2**40),  # size of the seed
]


@pytest.mark.parametrize(("name", "offset", "value"), [
    *CIPHERTEXT,
    at("public", 49, "<Q", 2),
    at("secret", 32, "<Q", 2**60),
    at("secret", 40, "<d", float("nan")),
    at("secret", 64, "<Q", 2**60),
    at("galois", 32, "<Q", N + 1),  # lists of keys
    at("galois", 32, "<Q", 2**63),
    at("galois", 40, "<Q", 2**63),  # parts of a key
    at("relinearisation", 32, "<Q", 2),
    at("relinearisation", 40, "<Q", 1),
    at("relinearisation", 56, "<Q", 16),  # size of the first part
    at("parameters", 0, "<B", 1),  # BFV
    at("parameters", 0, "<B", 255),
    at("parameters", 1, "<Q", 2**63),  # N
    at("parameters", 1, "<Q", 65536),
    at("parameters", 1, "<Q", 2048),  # no longer secure
    at("parameters", 9, "<Q", 0),  # primes
    at("parameters", 9, "<Q", 2**63),
    at("parameters", 33, "<Q", 2**61),  # a prime
    at("parameters", 33, "<Q", 12345),
])  # fmt: skip
def test_objects_that_lie_are_refused(objects, chain, name, offset, value):
    content = bytearray(objects[name])
    offset %= len(content)
    assert content[offset : offset + len(value)] != value
    content[offset : offset + len(value)] = value
    for compression in (0, 2):
        with pytest.raises(WireFormatError):
            checker(name, chain)("it", saved(bytes(content), compression))


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_a_bomb_does_not_go_off(objects, chain, name, monkeypatch):
    """Gigabytes of zeros in kilobytes: refused by the sizes of the blocks alone, nothing inflated.

    Blocks enough for that are refused by their number, and a few, behind bytes that do not compress, by their sizes.
    """
    body = zstd.compress(bytes(1 << 28))
    assert len(body) < 1 << 15
    with pytest.raises(WireFormatError, match="more blocks"):
        inflate.largest_content("it", body)
    body = zstd.compress(random.Random(0).randbytes(1 << 20) + bytes(1 << 28))
    bomb = struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 2, 0, 16 + len(body)) + body
    monkeypatch.setattr(inflate.Content, "take", lambda *_: pytest.fail("inflated"))
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        checker(name, chain)("it", bomb)


def test_a_small_bomb_behind_an_honest_start_is_refused(objects, chain):
    content = objects["ciphertext"]
    with pytest.raises(WireFormatError):
        chain.check_ciphertext("it", saved(content + bytes(200_000)))


def test_without_a_decoder_nothing_compressed_is_taken(objects, chain, monkeypatch):
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("fhenn.ckks.structure.zstandard", inflate.zstandard.__wrapped__)  # not the one found before
    for name in NAMES:
        with pytest.raises(UnsupportedOperation, match=r"pip install backports\.zstd"):
            checker(name, chain)("it", saved(objects[name]))
    assert chain_of("it", saved(objects["parameters"], 0)).ring_degree == N


@pytest.mark.parametrize("number", [1, 4, 5])
@pytest.mark.parametrize("value", [0, 7])
def test_a_number_in_the_place_of_an_object_is_refused(holder, number, value):
    outer = dict(protobuf.read_fields("context", holder.secret_message()))
    public = protobuf.encode_field(1, outer[1]) + protobuf.encode_field(2, protobuf.encode_field(number, value))
    with pytest.raises(WireFormatError, match="a number stands"):
        messages.context_parts(public).for_seal()
    private = protobuf.encode_field(1, outer[1]) + protobuf.encode_field(2, b"")
    if number == 1:
        with pytest.raises(WireFormatError, match="a number stands"):
            messages.context_parts(
                private + protobuf.encode_field(3, protobuf.encode_field(number, value)), secret=True
            )


def test_no_more_is_inflated_than_the_limit():
    content = inflate.Content("it", zstd.compress(bytes(1000)), zstd.ZstdDecompressor(), 900)
    content.skip(800)
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        content.take(200)


def test_the_decoder_is_found():
    assert inflate.zstandard().decompress(zstd.compress(b"it")) == b"it"


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_the_walk_over_blocks_takes_any_bytes(data):
    for body in (data, b"\x28\xb5\x2f\xfd" + data):
        try:
            bound = inflate.largest_content("it", body)
        except WireFormatError:
            continue
        with suppress(zstd.ZstdError):
            assert len(zstd.decompress(body)) <= bound


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1 << 19), st.integers(0, 255), st.integers(1, 19))
def test_the_bound_holds(size, value, level):
    content = bytes([value]) * size + bytes(range(256)) * (size // 1024)
    body = zstd.compress(content, level=level)
    assert len(content) <= inflate.largest_content("it", body)
    streamed = zstd.ZstdCompressor(level)
    body = streamed.compress(content) + streamed.flush()  # does not state the size
    assert len(content) <= inflate.largest_content("it", body)


@pytest.mark.parametrize("compression", [1, 3, 255])
def test_other_compressions_are_refused(objects, compression):
    with pytest.raises(WireFormatError, match="SEAL 4"):
        form_of("it", saved(objects["parameters"], compression))


def test_damaged_compression_is_refused(objects, chain):
    whole = saved(objects["ciphertext"])
    for place in range(20, len(whole), 4999):
        bad = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        try:
            chain.check_ciphertext("it", bad)
        except WireFormatError:
            continue
    two = saved(b"")[:16] + zstd.compress(objects["ciphertext"]) + zstd.compress(b"more")
    two = two[:8] + struct.pack("<Q", len(two)) + two[16:]
    with pytest.raises(WireFormatError, match="where its frame does"):
        chain.check_ciphertext("it", two)


def test_a_message_with_a_field_twice_is_refused(holder):
    meta, whole = unframe("evaluation-context", holder.evaluation_bytes())
    body, keys = whole[: -meta["rotation_keys"]], whole[-meta["rotation_keys"] :]
    outer = dict(protobuf.read_fields("context", body))
    for twice in (body + protobuf.encode_field(1, outer[1]), body + protobuf.encode_field(2, outer[2])):
        with pytest.raises(WireFormatError, match="twice"):
            fhenn.Context.from_bytes(frame("evaluation-context", meta, twice, keys))


@pytest.mark.parametrize("tiles", [65536, 3])
def test_a_layout_that_claims_memory_is_refused(holder, tiles):
    """2¹⁶ tiles of 2¹¹ positions would be a gigabyte to lay out."""
    message = fhenn.encrypt(holder, [[1.0, 2.0]], layout="features").to_bytes()
    meta, body = unframe("ciphertexts", message)
    layout = {"name": "vectors", "form": "tiles", "period": 1, "samples": 1, "step": 1, "tiles": tiles}
    for shape in ([1, tiles], [1, (1 << 32) - 1], [1, 5]):
        with pytest.raises(WireFormatError):
            fhenn.CipherArray.from_bytes(holder, frame("ciphertexts", meta | {"layout": layout, "shape": shape}, body))


def test_a_layout_that_has_no_place_for_a_feature_is_refused(holder):
    """One ciphertext, as is right, and four places in it for five features."""
    message = fhenn.encrypt(holder, [[1.0, 2.0, 3.0, 4.0]], layout=Vectors("replicated", 4)).to_bytes()
    meta, body = unframe("ciphertexts", message)
    assert fhenn.CipherArray.from_bytes(holder, frame("ciphertexts", meta | {"shape": [1, 3]}, body)).shape == (1, 3)
    with pytest.raises(WireFormatError):
        fhenn.CipherArray.from_bytes(holder, frame("ciphertexts", meta | {"shape": [1, 5]}, body))


def test_parameters_make_a_chain(objects, holder):
    assert chain_of("it", saved(objects["parameters"])) == Chain(N, holder.all_primes)


# objects made by hand: each is right but for one thing, which nothing but the check of that thing can see

SMALL = Chain(8, (97, 193, 257))
PART = hand.whole(hand.ciphertext(primes=3))
HALF, WHOLE = 8 * 2, 2 * 8 * 2

RIGHT = {
    "ciphertext": (SMALL.check_ciphertext, hand.ciphertext()),
    "at the first level": (SMALL.check_ciphertext, hand.ciphertext(primes=3)),
    "with a seed": (SMALL.check_ciphertext, hand.ciphertext(coefficients=hand.array(HALF) + hand.seed())),
    "public key": (SMALL.check_public_key, hand.ciphertext(primes=3)),
    "keys": (SMALL.check_switching_keys, hand.switching_keys([PART, PART], [], [PART, PART])),
    "as many lists as may be": (SMALL.check_switching_keys, hand.switching_keys(*[[]] * 8)),
    "secret key": (SMALL.check_secret_key, hand.secret_key(24)),
    "parameters": (chain_of, hand.parameters(4096, [40_961, 65_537])),
    "as many primes as may be": (chain_of, hand.parameters(32_768, [1] * 64)),
    "as many bits as may be": (chain_of, hand.parameters(4096, [(1 << 54) + 1, (1 << 53) + 1])),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name):
    check, content = RIGHT[name]
    check("it", hand.whole(content))
    with pytest.raises(WireFormatError, match="goes on after its end"):
        check("it", hand.whole(content + b"\0"))
    with pytest.raises(WireFormatError):
        check("it", hand.whole(content[:-1]))


class Watched(Receiver):
    """Takes nothing, and knows what it was asked for."""

    def __init__(self):
        self.parts = []

    def space(self, part):
        self.parts.append((part.index, part.digit, part.polynomials, part.size))


def test_a_receiver_is_told_of_each_part_in_order():
    seeded = hand.whole(hand.ciphertext(primes=3, coefficients=hand.array(8 * 3) + hand.seed()))
    watched = Watched()
    SMALL.check_switching_keys("it", hand.whole(hand.switching_keys([PART, seeded], [], [PART, PART])), watched)
    assert watched.parts == [(0, 0, 2, 384), (0, 1, 1, 192), (2, 0, 2, 384), (2, 1, 2, 384)]


class Taking(Receiver):
    """Takes all of them."""

    def __init__(self):
        self.taken, self.seed = bytearray(), None

    def space(self, part):
        self.taken = bytearray(part.size)
        return memoryview(self.taken)

    def done(self, part, seed):
        self.seed = seed


@pytest.mark.parametrize("compression", [0, 2])
def test_coefficients_go_where_the_receiver_wants_them(compression):
    """Each byte counted from the start of the coefficients; the seed is handed out as it is."""
    content = bytearray(hand.ciphertext(coefficients=hand.array(HALF) + hand.seed()))
    start = len(content) - 65 - 16 - 8 * HALF
    content[start : start + 8 * HALF] = range(8 * HALF)
    content[-65:] = b"\x01" + bytes(range(64))
    taking = Taking()
    SMALL.check_ciphertext("it", saved(bytes(content), compression), taking)
    assert taking.taken == bytes(range(8 * HALF))
    assert taking.seed == b"\x01" + bytes(range(64))
    SMALL.check_ciphertext("it", saved(hand.ciphertext(), compression), taking)
    assert taking.seed is None


def test_no_memory_is_asked_for_what_cannot_come():
    """A key of 15 digits of 16 primes at N = 32768 would be 126 MB, and its message has some hundred bytes."""
    large = Chain(32_768, tuple(range(16)))
    head = bytes(32) + struct.pack("<QQ", 1, 15) + hand.header(1 << 20)
    watched = Watched()
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        large.check_switching_keys("it", hand.whole(head), watched)
    # what comes is one part's worth of promises: its coefficients would be more than the message may hold
    one = Chain(8, (97, 193))
    head = bytes(32) + struct.pack("<QQ", 1, 1) + hand.header(1 << 20) + hand.ciphertext(coefficients=b"")
    head += hand.header(24 + 8 * WHOLE) + struct.pack("<Q", WHOLE)
    content = inflate.Content("it", head, None, len(head) + 8 * WHOLE - 1)
    content.take(48 + 16)
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        structure._ciphertext("it", content, one, None, watched)
    assert not watched.parts


def lying(part, by):
    """The part, with a size that it has not."""
    return hand.whole(part[16:], size=len(part) + by)


of_keys = SMALL.check_switching_keys
OTHERS = {
    "size": hand.array(WHOLE, 24 + 8 * WHOLE + 8),
    "magic": hand.array(WHOLE, magic=0xA15F),
    "header": hand.array(WHOLE, head=17),
    "version": hand.array(WHOLE, major=3),
    "compression": hand.array(WHOLE, compression=2),
}
WRONG = {
    **{
        f"an array of another {name}": (SMALL.check_ciphertext, hand.ciphertext(coefficients=wrong))
        for name, wrong in OTHERS.items()
    },
    "three polynomials": (SMALL.check_ciphertext, hand.ciphertext(polynomials=3)),
    "not in NTT form": (SMALL.check_ciphertext, hand.ciphertext(ntt=0)),
    "a correction factor": (SMALL.check_ciphertext, hand.ciphertext(correction=2)),
    "a scale that is none": (SMALL.check_ciphertext, hand.ciphertext(scale=float("nan"))),
    "an infinite scale": (SMALL.check_ciphertext, hand.ciphertext(scale=float("inf"))),
    "no scale": (SMALL.check_ciphertext, hand.ciphertext(scale=0.0)),
    "a scale below 0": (SMALL.check_ciphertext, hand.ciphertext(scale=-1.0)),
    "another ring": (SMALL.check_ciphertext, hand.ciphertext(n=4)),
    "no prime": (SMALL.check_ciphertext, hand.ciphertext(primes=0)),
    "more primes than there are": (SMALL.check_ciphertext, hand.ciphertext(primes=4, n=8)),
    "too many coefficients": (SMALL.check_ciphertext, hand.ciphertext(coefficients=hand.array(WHOLE + 1))),
    "too few": (SMALL.check_ciphertext, hand.ciphertext(coefficients=hand.array(HALF - 1) + hand.seed())),
    "a seed of another size": (SMALL.check_ciphertext, hand.ciphertext(coefficients=hand.array(HALF) + hand.seed(80))),
    "a public key at a lower level": (SMALL.check_public_key, hand.ciphertext(primes=2)),
    "more lists than may be": (of_keys, hand.switching_keys(*[[]] * 9)),
    "a key of one part": (of_keys, hand.switching_keys([PART])),
    "a key of three parts": (of_keys, hand.switching_keys([PART, PART, PART])),
    "a part larger than it is": (of_keys, hand.switching_keys([PART, lying(PART, 1)])),
    "a part smaller than it is": (of_keys, hand.switching_keys([PART, lying(PART, -1)])),
    "a part at a lower level": (of_keys, hand.switching_keys([PART, hand.whole(hand.ciphertext(primes=2))])),
    "a secret key of another count": (SMALL.check_secret_key, hand.secret_key(23, coefficients=24)),
    "a secret key of an infinite scale": (SMALL.check_secret_key, hand.secret_key(24, float("inf"))),
    "a secret key of another array": (SMALL.check_secret_key, hand.secret_key(24, coefficients=23)),
    "a secret key of an array with a word behind it": (
        SMALL.check_secret_key, hand.secret_key(24, coefficients=23) + bytes(8)
    ),
    "BFV": (chain_of, hand.parameters(4096, [40_961], scheme=1)),
    "a ring of no security": (chain_of, hand.parameters(512, [12_289])),
    "a ring beyond those that are known": (chain_of, hand.parameters(65_536, [786_433])),
    "parameters of no prime": (chain_of, hand.parameters(4096, [])),
    "65 primes": (chain_of, hand.parameters(32_768, [1] * 65)),
    "110 bits at N = 4096": (chain_of, hand.parameters(4096, [(1 << 54) + 1, (1 << 54) + 1])),
    "a prime that does not fit the ring": (chain_of, hand.parameters(4096, [40_961, 12_289])),
    "a prime of another size": (chain_of, hand.parameters(4096, [40_961], size=25)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_one_thing_that_is_wrong_is_refused(name):
    check, content = WRONG[name]
    with pytest.raises(WireFormatError):
        check("it", hand.whole(content))


@pytest.mark.parametrize(
    "changes",
    [{"magic": 0xA15F}, {"head": 17}, {"major": 3}, {"compression": 1}, {"size": 1}, {"size": 1 << 40}, {"size": 0}],
    ids=str,
)
def test_an_object_whose_header_is_wrong_is_refused(changes):
    content = hand.ciphertext()
    with pytest.raises(WireFormatError):
        SMALL.check_ciphertext("it", hand.whole(content, **changes))
    with pytest.raises(WireFormatError):
        form_of("it", hand.whole(content, **changes))
    for short in (b"", hand.header(16)[:15], None, 7):
        with pytest.raises(WireFormatError):
            form_of("it", short)


def test_keys_are_no_larger_than_random_numbers_are_compressed():
    """Zeros are compressed to next to nothing, and so are no keys: an honest one keeps more than an eighth."""
    content = hand.switching_keys(*[[PART, PART]] * 8)
    SMALL.check_switching_keys("it", hand.whole(content))
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        SMALL.check_switching_keys("it", saved(content))
