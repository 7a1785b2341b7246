"""The versions in the headers of SEAL's objects: those that are read, those that are not, in every place."""

import by_hand as hand
import pytest
import tenseal.sealapi as seal
from seal_versions import HEAD, context_in, headers_of, in_version, plain

import fhenn
from fhenn.backends.seal import SealContext
from fhenn.backends.seal.wire import load_object, save_object
from fhenn.ckks.headers import MINORS, form_of, in_own_version, object_header
from fhenn.ckks.messages import context_parts
from fhenn.ckks.packing import ciphertext_for_seal, keys_for_seal, packed_ciphertext, packed_keys
from fhenn.ckks.structure import Chain, chain_of, check_parameters
from fhenn.errors import WireFormatError

SMALL = Chain(8, (97, 193, 257))
HALF, WHOLE = 16, 32
PART = hand.ciphertext(primes=3, coefficients=hand.array(24) + hand.seed())
OBJECTS = {
    "ciphertext": (SMALL.check_ciphertext, hand.ciphertext()),
    "seeded": (SMALL.check_ciphertext, hand.ciphertext(coefficients=hand.array(HALF) + hand.seed())),
    "public key": (SMALL.check_public_key, hand.ciphertext(primes=3)),
    "keys": (SMALL.check_switching_keys, hand.switching_keys([], [hand.whole(PART), hand.whole(PART)])),
    "secret key": (SMALL.check_secret_key, hand.secret_key(24)),
    "parameters": (chain_of, hand.parameters(4096, [40_961, 65_537])),
}
UNKNOWN = [(4, 0), (4, 4), (4, 9), (4, 255), (3, 7), (5, 1), (5, 3), (0, 3)]
ODD = pytest.mark.parametrize("form", [0, 2], ids=["plain", "zstandard"])


def whole(content, form):
    data = hand.whole(content)
    return in_version(compressed(data), lambda place: 3) if form else data


def compressed(data):
    from fhenn.ckks.inflate import zstandard  # noqa: PLC0415

    body = zstandard().compress(data[16:])
    return hand.header(16 + len(body), compression=2) + body


@ODD
@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("name", OBJECTS)
def test_versions_of_one_layout_are_read_in_any_mix(name, minor, form):
    check, content = OBJECTS[name]
    data = whole(content, form)
    count = len(headers_of(hand.whole(content)))
    assert count > 1
    check("it", in_version(data, lambda place: minor))
    for odd in range(count):
        check("it", in_version(data, lambda place, odd=odd: minor if place == odd else 3))
        check("it", in_version(data, lambda place, odd=odd: 3 if place == odd else minor))


@ODD
@pytest.mark.parametrize(("major", "minor"), UNKNOWN, ids=str)
@pytest.mark.parametrize("name", OBJECTS)
def test_other_versions_are_refused_in_every_header(name, major, minor, form):
    check, content = OBJECTS[name]
    if form:
        content = compressed(hand.whole(content))
        data = plain(content)
    else:
        data = hand.whole(content)
    for at in headers_of(data):
        changed = bytearray(data)
        changed[at + 3 : at + 5] = major, minor
        changed = bytes(changed)
        with pytest.raises(
            WireFormatError, match=rf"of SEAL {major}\.{minor}, and those of SEAL 4\.1 to 4\.3 are read"
        ):
            check("it", compressed(changed) if form and at else changed)
        if not at:
            with pytest.raises(WireFormatError, match=rf"SEAL {major}\.{minor}"):
                form_of("it", changed)


@ODD
@pytest.mark.parametrize("name", OBJECTS)
def test_what_tenseal_is_to_load_says_its_version_and_nothing_else_changes(name, form):
    check, content = OBJECTS[name]
    own = hand.whole(content)
    data = whole(content, form)
    if name == "parameters":
        check = lambda what, data: check_parameters(what, data)[1]  # noqa: E731
    assert in_own_version(data, check("it", data)) is data
    for minors in (lambda place: 1, lambda place: 1 + place % 3, lambda place: 2 if place else 3):
        older = in_version(data, minors)
        assert bytes(in_own_version(older, check("it", older))) == own


def test_a_header_of_an_older_version_alone_is_changed():
    data = in_version(hand.whole(hand.ciphertext()), lambda place: 3 if place else 1)
    assert SMALL.check_ciphertext("it", data) == ()
    assert bytes(in_own_version(data, ())) == hand.whole(hand.ciphertext())


@pytest.fixture(scope="module")
def holder():
    return SealContext.generate(fhenn.Parameters(4096, (36, 36, 37), 2.0**20), [1, 2])


@pytest.fixture(scope="module")
def chain(holder):
    return Chain(holder.ring_degree, holder.all_primes)


def test_seal_does_not_load_an_older_version_itself(holder, tmp_path):
    """Why it is changed. Once TenSEAL has SEAL 4.4, it would load it."""
    data = plain(save_object(holder.encrypt_slots(0.5, 1, holder.scale)))
    for changed in (data[:4] + b"\1" + data[5:], in_version(data, lambda place: 1 if place else 3)):
        (tmp_path / "it").write_bytes(changed)
        with pytest.raises((RuntimeError, ValueError)):
            seal.Ciphertext().load(holder.seal_context, str(tmp_path / "it"))


FIRST, MIXED = (lambda place: 1), (lambda place: 1 + place % 3)


@pytest.mark.parametrize("minors", [FIRST, MIXED], ids=["4.1", "mixed"])
def test_ciphertexts_and_keys_of_every_version_are_loaded(holder, chain, minors):
    generator = seal.KeyGenerator(holder.seal_context, holder.secret_key("test"))
    plaintext = holder.encode([0.5], 1, holder.scale)
    for saved in (
        save_object(holder.encrypt_slots(0.5, 1, holder.scale)),
        save_object(holder._by_secret_key(plaintext)),
    ):
        wanted = plain(save_object(load_object(seal.Ciphertext(), holder.seal_context, saved)))
        for data in (saved, plain(saved), packed_ciphertext(chain, saved)):
            older = in_version(data, minors)
            assert older != data
            loaded = load_object(seal.Ciphertext(), holder.seal_context, older)
            assert plain(save_object(loaded)) == wanted
            assert packed_ciphertext(chain, older) == packed_ciphertext(chain, saved)
            assert set(versions_in(ciphertext_for_seal(chain, "it", older))) == {3}
    for kind, made in (
        (seal.GaloisKeys, generator.create_galois_keys([3, 9])),
        (seal.GaloisKeys, holder.rotation_keys[0].keys),
        (seal.RelinKeys, generator.create_relin_keys()),
    ):
        saved = save_object(made)
        wanted = keys_in(load_object(kind(), holder.seal_context, saved))
        for data in (saved, plain(saved), packed_keys(chain, saved)):
            older = in_version(data, minors)
            assert set(versions_in(keys_for_seal(chain, "it", older))) == {3}
            assert keys_in(load_object(kind(), holder.seal_context, older)) == wanted
            assert packed_keys(chain, older) == packed_keys(chain, saved)


def keys_in(loaded):
    """What SEAL has of keys, without the zeros that it writes behind the last that there is."""
    return plain(save_object(loaded))[56:].rstrip(b"\0")


def versions_in(data):
    """The minor versions of the headers of a plain object."""
    data = bytes(data)
    return [data[at + 4] for minor in range(10) for at in headers_of(data.replace(HEAD[:4] + bytes([minor]), HEAD))]


@pytest.mark.parametrize("minors", [FIRST, MIXED], ids=["4.1", "mixed"])
def test_a_context_of_another_version_is_loaded(holder, minors):
    secret = holder.secret_message()
    older = context_in(secret, minors)
    found = SealContext.from_secret_message(older)
    assert found.fingerprint == holder.fingerprint
    assert found.decrypt_slots(found.encrypt_slots(0.5, 1, found.scale))[0] == pytest.approx(0.5, abs=1e-2)
    own = context_parts(older, secret=True).for_seal()
    assert own != older
    assert context_parts(own, secret=True).for_seal() is own
    assert context_parts(secret, secret=True).for_seal() is secret


def test_nothing_of_a_context_is_changed_unchecked(holder):
    """An older version and damage beside it: the damage is found, in whichever object it is."""
    body = context_in(holder.public().tenseal.serialize(save_public_key=True, save_relin_keys=True), FIRST)
    context_parts(body).for_seal()
    for unknown in (0, 4):
        for minors in ((unknown, 1, 1, 1), (1, unknown, 1, 1), (1, 1, 1, unknown)):
            with pytest.raises(WireFormatError, match=f"of SEAL 4.{unknown}"):
                context_parts(
                    context_in(holder.secret_message(), lambda at, of=minors: of[min(at, 3)]), True
                ).for_seal()


def test_fhenn_writes_the_version_that_tenseal_loads():
    assert object_header(0)[:5] == HEAD
