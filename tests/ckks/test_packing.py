"""Objects packed and taken apart again: to the bit, on every width, and refused where they lie."""

import struct

import by_hand as hand
import numpy as np
import pytest
import tenseal.sealapi as seal
from hypothesis import given
from hypothesis import strategies as st

import fhenn
from fhenn import protobuf
from fhenn.backends.seal.wire import load_object, save_object
from fhenn.ckks import inflate
from fhenn.ckks.bits import pack, packed_size, unpack
from fhenn.ckks.headers import form_of
from fhenn.ckks.messages import EvaluationMessage, context_parts
from fhenn.ckks.packing import ciphertext_for_seal, keys_for_seal, packed_ciphertext, packed_keys
from fhenn.ckks.structure import Chain, Receiver
from fhenn.errors import WireFormatError

PACKED = 0x80
N, BITS = 4096, (36, 20, 60, 37)


@pytest.fixture(scope="module")
def context():
    # not to be computed with: the widths are what matters
    return fhenn.Context.generate(fhenn.Parameters(8192, BITS, 2.0**15), [1, 5])


@pytest.fixture(scope="module")
def chain(context):
    return Chain(context.ring_degree, context.all_primes)


@given(st.integers(9, 64), st.integers(1, 40), st.randoms(use_true_random=False))
def test_numbers_are_written_one_after_another_lowest_bits_first(bits, groups, random):
    numbers = [random.choice((0, 1, (1 << bits) - 1, random.getrandbits(bits))) for _ in range(8 * groups)]
    packed = pack(np.array(numbers, np.uint64), bits)
    assert len(packed) == packed_size(8 * groups, bits)
    assert int.from_bytes(packed, "little") == sum(number << place * bits for place, number in enumerate(numbers))
    found = np.full(8 * groups, 77, np.uint64)
    unpack(packed, bits, found)
    assert found.tolist() == numbers


def plain_of(data):
    """The content of an object as SEAL saves it."""
    return inflate.zstandard().decompress(data[16:]) if form_of("it", data) == "zstandard" else bytes(data[16:])


def test_ciphertexts_come_back_to_the_bit(context, chain):
    for level in range(context.levels + 1):
        plaintext = context.encode([0.5, -1.0], level, context.scale)
        for data in (
            save_object(context._by_secret_key(plaintext)),
            save_object(context.encrypt_slots(0.5, level, 8.0)),
        ):
            packed = packed_ciphertext(chain, data)
            assert form_of("it", packed) == "packed"
            assert len(packed) < len(data)
            back = ciphertext_for_seal(chain, "it", packed)
            assert form_of("it", back) == "plain"
            assert plain_of(back) == plain_of(data)
            assert packed_ciphertext(chain, back) == packed_ciphertext(chain, packed) == packed
            assert ciphertext_for_seal(chain, "it", data) is data


def keys_in(data):
    """The content of keys, without the 0 that SEAL writes for every index beyond the last that has a key."""
    content = plain_of(data)
    return content[:32], content[40:].rstrip(b"\0")


def test_keys_come_back_to_the_bit(context, chain):
    generator = seal.KeyGenerator(context.seal_context, context.secret_key("test"))
    for kind, made in (
        (seal.GaloisKeys, generator.create_galois_keys([3, pow(3, 5, 2 * chain.ring_degree)])),
        (seal.GaloisKeys, context.rotation_keys[0].keys),
        (seal.RelinKeys, generator.create_relin_keys()),
        (seal.RelinKeys, context.relinearisation_keys("test").keys),
    ):
        data = save_object(made)
        packed = packed_keys(chain, data)
        assert form_of("it", packed) == "packed"
        back = keys_for_seal(chain, "it", packed)
        assert keys_in(back) == keys_in(data)
        assert packed_keys(chain, back) == packed
        assert keys_for_seal(chain, "it", data) is data
        loaded = load_object(kind(), context.seal_context, packed)
        assert keys_in(save_object(loaded)) == keys_in(save_object(load_object(kind(), context.seal_context, data)))


def test_seal_refuses_what_is_packed(context, chain, tmp_path):
    """So that it is not taken for anything else where a packed object is put into a message of TenSEAL's."""
    (tmp_path / "it").write_bytes(context.save(context.encrypt_slots(0.5, 1, context.scale)))
    with pytest.raises((RuntimeError, ValueError)):
        seal.Ciphertext().load(context.seal_context, str(tmp_path / "it"))


def as_packed(content):
    return hand.whole(content, compression=PACKED)


SMALL = Chain(8, (0b1_0000_0001, 0b11_0000_0001))  # of 9 and 10 bits


def coefficients(numbers=(1,) * 16, count=16, beside=b""):
    """A polynomial's worth of residues, packed by hand."""
    bits = "".join(f"{n:0{9 if place < 8 else 10}b}"[::-1] for place, n in enumerate(numbers))
    body = int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")
    return hand.header(24 + 8 * count) + struct.pack("<Q", count) + body + beside


class Taking(Receiver):
    """Takes all of them."""

    def space(self, part):
        self.taken = bytearray(part.size)
        return memoryview(self.taken)


def test_residues_are_taken_apart_by_the_bits_of_their_primes():
    numbers = [*range(250, 258), *range(760, 768)]
    taking = Taking()
    content = hand.ciphertext(coefficients=coefficients(numbers) + hand.seed())
    SMALL.check_ciphertext("it", as_packed(content), taking)
    assert struct.unpack("<16Q", taking.taken) == tuple(numbers)
    SMALL.check_ciphertext("it", as_packed(content))  # nobody takes them


@pytest.mark.parametrize("content", {
    "a byte too few": hand.ciphertext(coefficients=coefficients() + hand.seed())[:-1],
    "residues that end early": hand.ciphertext(coefficients=coefficients()[:-1]),
    "a byte too many": hand.ciphertext(coefficients=coefficients() + hand.seed()) + b"\0",
    "two polynomials, and the residues of one": hand.ciphertext(coefficients=coefficients(count=32)),
    "words in the place of packed ones": hand.ciphertext(coefficients=hand.array(16) + hand.seed()),
    "nothing": b"",
}.values())  # fmt: skip
def test_what_does_not_hold_what_it_says_is_refused(content):
    for receiver in (Receiver(), Taking()):
        with pytest.raises(WireFormatError):
            SMALL.check_ciphertext("it", as_packed(content), receiver)


def test_no_memory_is_asked_for_more_than_keys_can_be():
    """Packed or not, what comes out is at most some times what came."""
    large = Chain(32_768, tuple(range(1 << 20, (1 << 20) + 16)))
    head = bytes(32) + struct.pack("<QQ", 1, 15) + hand.header(1 << 20)
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        large.check_switching_keys("it", as_packed(head))


def test_the_limit_is_on_what_packed_residues_are_in_words():
    packed = pack(np.arange(8, dtype=np.uint64), 10)
    inflate.Content("it", packed, None, 64, packed=True).residues(8, 10, None, unpack)
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        inflate.Content("it", packed, None, 63, packed=True).residues(8, 10, None, unpack)


def test_what_seal_is_to_load_is_checked_in_any_form(context, chain):
    ciphertext = save_object(context.encrypt_slots(0.5, 1, context.scale))
    keys = save_object(context.rotation_keys[0].keys)
    for name, data, of in (
        ("keys for a ciphertext", keys, ciphertext_for_seal),
        ("a ciphertext for keys", ciphertext, keys_for_seal),
        ("half of one", hand.whole(plain_of(ciphertext)[:1000]), ciphertext_for_seal),
        ("half of them", hand.whole(plain_of(keys)[:1000]), keys_for_seal),
    ):
        with pytest.raises(WireFormatError):
            of(chain, "it", data)
            pytest.fail(name)


def test_a_ciphertext_of_other_parameters_is_not_packed(context, chain):
    data = save_object(context.encrypt_slots(0.5, 1, context.scale))
    with pytest.raises(WireFormatError):
        packed_ciphertext(Chain(4096, chain.primes), data)
    with pytest.raises(WireFormatError):
        packed_keys(chain, data)
    with pytest.raises(WireFormatError):
        keys_for_seal(chain, "it", packed_ciphertext(chain, data))


@pytest.mark.parametrize("number", [1, 4], ids=["public key", "relinearisation keys"])
def test_what_tenseal_reads_cannot_be_packed(context, chain, number):
    """TenSEAL hands it to SEAL as it is."""
    fields = dict(protobuf.read_fields("context", EvaluationMessage.decode(context.to_bytes())[0].context))
    public = dict(protobuf.read_fields("context", fields[2]))
    for form, match in ((PACKED, "packed, as it cannot be"), (7, "SEAL 4 header")):
        changed = public | {number: public[number][:5] + bytes([form]) + public[number][6:]}
        body = b"".join(protobuf.encode_field(at, value) for at, value in changed.items())
        with pytest.raises(WireFormatError, match=match):
            context_parts(protobuf.encode_field(1, fields[1]) + protobuf.encode_field(2, body))
