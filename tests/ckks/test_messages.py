"""TenSEAL's messages made by hand: each right but for one thing, which nothing but the check of that thing can see."""

import struct

import by_hand as hand
import pytest

from fhenn.ckks.messages import TensealMessage, context_parts
from fhenn.errors import WireFormatError
from fhenn.protobuf import read_fields

N, PRIMES = 4096, [40_961, 65_537, 114_689]
PARAMETERS = hand.whole(hand.parameters(N, PRIMES))
PUBLIC_KEY = hand.whole(hand.ciphertext(n=N, primes=3))
PART = hand.whole(hand.ciphertext(n=N, primes=3, coefficients=hand.array(3 * N) + hand.seed()))
KEYS = hand.whole(hand.switching_keys([PART, PART]))
SECRET = hand.whole(hand.secret_key(3 * N))


def context(public=None, parameters=PARAMETERS, secret=None, more=b""):
    """A context's message. public: fields of its public part."""
    fields = {1: PUBLIC_KEY, 4: KEYS, 5: KEYS} if public is None else public
    body = b"".join(hand.field(number, value) for number, value in fields.items())
    first = hand.field(1, parameters) if parameters else b""
    return first + hand.field(2, body) + (b"" if secret is None else hand.field(3, secret)) + more


def test_what_is_right_passes():
    context_parts(context()).for_seal()
    context_parts(context({1: PUBLIC_KEY})).for_seal()
    context_parts(
        context({1: PUBLIC_KEY, 2: 1, 3: struct.pack("<d", 2.0), 4: b"", 5: b""}, more=hand.field(4, 1))
    ).for_seal()
    context_parts(context(secret=hand.field(1, SECRET)), secret=True).for_seal()
    context_parts(context(secret=hand.field(1, SECRET) + hand.field(2, 1)), secret=True).for_seal()


def test_a_context_may_have_no_scale():
    """TenSEAL writes -1 for none."""
    assert context_parts(context({1: PUBLIC_KEY, 3: struct.pack("<d", 2.0**40)})).scale == 2.0**40
    assert context_parts(context({1: PUBLIC_KEY, 3: struct.pack("<d", -1.0)})).scale is None
    assert context_parts(context({1: PUBLIC_KEY})).scale is None


WRONG_KEY = hand.whole(hand.ciphertext(n=N, primes=2))
WRONG_KEYS = hand.whole(hand.switching_keys([PART]))
WRONG = {
    "a secret key": context(secret=hand.field(1, SECRET)),
    "an empty secret part": context(secret=b""),
    "an unknown part": context(more=hand.field(5, b"")),
    "no parameters": context(parameters=None),
    "no public part": hand.field(1, PARAMETERS),
    "a number for the public part": hand.field(1, PARAMETERS) + hand.field(2, 7),
    "a number for the parameters": hand.field(1, 7) + context(parameters=None),
    "parameters twice": context() + hand.field(1, PARAMETERS),
    "a public part twice": context() + hand.field(2, b""),
    "a key twice": hand.field(1, PARAMETERS) + hand.field(2, hand.field(1, PUBLIC_KEY) * 2),
    "an unknown public field": context({1: PUBLIC_KEY, 6: b"x"}),
    "a public key of a lower level": context({1: WRONG_KEY}),
    "relinearisation keys of one part": context({1: PUBLIC_KEY, 4: WRONG_KEYS}),
    "Galois keys of one part": context({1: PUBLIC_KEY, 5: WRONG_KEYS}),
    "a number for a public key": context({1: 7}),
    "a number for relinearisation keys": context({1: PUBLIC_KEY, 4: 7}),
    "a number for Galois keys": context({1: PUBLIC_KEY, 5: 7}),
    "a number for a scale": context({1: PUBLIC_KEY, 3: 7}),
    "a scale of seven bytes": context({1: PUBLIC_KEY, 3: bytes(7)}),
    "a scale of 0": context({1: PUBLIC_KEY, 3: bytes(8)}),
    "a scale below 0": context({1: PUBLIC_KEY, 3: struct.pack("<d", -2.0)}),
    "a scale that is none": context({1: PUBLIC_KEY, 3: struct.pack("<d", float("nan"))}),
    "an infinite scale": context({1: PUBLIC_KEY, 3: struct.pack("<d", float("inf"))}),
}
WRONG_SECRETS = {
    "an unknown field": hand.field(1, SECRET) + hand.field(3, b"x"),
    "a number for a key": hand.field(1, 7),
    "a key of other parameters": hand.field(1, hand.whole(hand.secret_key(2 * N))),
    "a key that lies about its length": hand.field(1, SECRET + b"\0"),
    "a key twice": hand.field(1, SECRET) * 2,
}


@pytest.mark.parametrize("name", WRONG)
def test_one_thing_that_is_wrong_is_refused(name):
    with pytest.raises(WireFormatError):
        context_parts(WRONG[name]).for_seal()


@pytest.mark.parametrize("name", WRONG_SECRETS)
def test_a_secret_part_is_looked_at_too(name):
    with pytest.raises(WireFormatError):
        context_parts(context(secret=WRONG_SECRETS[name]), secret=True).for_seal()
    with pytest.raises(WireFormatError):
        context_parts(context() + hand.field(3, 7), secret=True).for_seal()


def test_fields_are_bounded():
    assert list(read_fields("it", b"\x08\x96\x01\x12\x03abc\x19" + bytes(8) + b"\x25" + bytes(4))) == [
        (1, 150),
        (2, b"abc"),
        (3, bytes(8)),
        (4, bytes(4)),
    ]
    longest = b"\x08" + b"\xff" * 9 + b"\x01"
    assert list(read_fields("it", longest)) == [(1, (1 << 64) - 1)]
    for wrong in (
        b"\x08" + b"\x80" * 10 + b"\x01",  # more than 64 bits
        b"\x08" + b"\x80" * 1000 + b"\x01",
        b"\x12\x04abc",  # a length beyond the end
        b"\x12\xff\xff\xff\xff\x0f",
        b"\x19" + bytes(7),
        b"\x25" + bytes(3),
        b"\x0b",  # groups, which nobody writes any more
        b"\x0c",
        b"\x0e",
        b"\x0f",
        b"\x08",
        b"\x80",
    ):
        with pytest.raises(WireFormatError):
            list(read_fields("it", wrong))


OBJECT = hand.whole(b"x")


def double(value):
    return struct.pack("<d", value)


ONE = double(1.0)


def message(*ciphertexts, scale=ONE, more=b""):
    parts = [hand.field(1, b"\x01"), *(hand.field(2, each) for each in ciphertexts)]
    return b"".join(parts) + (hand.varint(3 << 3 | 1) + scale if scale else b"") + more


def test_ciphertexts_have_headers_and_a_scale():
    assert TensealMessage.decode(message(OBJECT, OBJECT)) == TensealMessage((1,), (OBJECT, OBJECT), 1.0)
    assert TensealMessage.decode(message(OBJECT, more=hand.field(4, 5))).batch == 5
    for wrong in (
        message(),
        message(OBJECT, scale=None),
        message(OBJECT, scale=double(float("inf"))),
        message(OBJECT, scale=double(float("nan"))),
        message(OBJECT, scale=double(0.0)),
        message(OBJECT, scale=double(-1.0)),
        message(OBJECT, more=hand.field(5, b"")),
        message(OBJECT, more=hand.field(2, 7)),
        message(OBJECT, more=hand.field(4, b"x")),
        message(OBJECT[:15]),
        message(OBJECT + b"x"),
        message(b"\0" + OBJECT[1:]),
        message(OBJECT, scale=None) + hand.varint(3 << 3 | 5) + bytes(4),
        hand.field(1, b"\x80") + message(OBJECT),
    ):
        with pytest.raises(WireFormatError):
            TensealMessage.decode(wrong)
