import gc
import weakref

import pytest
import tenseal as ts
from support import tenseal_context, without_secret

import fhenn
from fhenn.errors import ContextMismatch, KeyMissing, ParameterError, UnsupportedValue, WireFormatError
from fhenn.wire import frame


def test_public_has_no_secret_key(client):
    public = client.public()
    assert client.has_secret_key
    assert not public.has_secret_key
    assert public.fingerprint == client.fingerprint
    assert not public.tenseal.has_secret_key()
    with pytest.raises(KeyMissing, match="client"):
        fhenn.decrypt(public, fhenn.encrypt(public, [1.0]))
    with pytest.raises(ValueError, match="Secret key"):
        public.tenseal.secret_key()


def test_public_encrypts_with_the_public_key(client):
    public = client.public()
    encrypted = fhenn.encrypt(public, [1.0, 2.0])
    assert fhenn.decrypt(client, encrypted) == pytest.approx([1.0, 2.0], abs=1e-6)


def test_bytes_never_hold_the_secret_key(client):
    secret = client.tenseal.serialize(save_secret_key=True)
    public = client.tenseal.serialize(save_secret_key=False)
    assert ts.context_from(secret).has_secret_key()
    assert not ts.context_from(public).has_secret_key()
    assert not fhenn.Context.from_bytes(client.to_bytes()).has_secret_key


def test_fingerprints_tell_key_generations_apart(client, small):
    again = fhenn.Context.generate(fhenn.Parameters.for_depth(3))
    prints = {client.fingerprint, again.fingerprint, fhenn.Context.from_tenseal(small).fingerprint}
    assert len(prints) == 3


def test_fingerprint_without_a_public_key():
    context = tenseal_context(8192, [60, 40, 40, 60], 40)
    server = fhenn.Context(without_secret(context, save_public_key=False))
    again = fhenn.Context(without_secret(context, save_public_key=False))
    assert not server.has_public_key
    assert server.fingerprint == again.fingerprint
    with pytest.raises(KeyMissing, match="public"):
        fhenn.encrypt(server, [1.0])


def test_symmetric_contexts_work():
    context = ts.context(
        ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 40, 60], n_threads=1,
        encryption_type=ts.ENCRYPTION_TYPE.SYMMETRIC,
    )  # fmt: skip
    context.global_scale = 2.0**40
    ours = fhenn.Context.from_tenseal(context)
    result = fhenn.Sigmoid()(fhenn.encrypt(ours, [1.0]))
    assert fhenn.decrypt(ours, result) == pytest.approx([0.693], abs=1e-7)
    assert not ours.public().has_secret_key


def test_nothing_keeps_a_context_alive():
    """A secret key must not outlive its owner's last reference."""
    context = tenseal_context(8192, [60, 40, 40, 60], 40)
    fhenn.Sigmoid()(ts.ckks_vector(context, [1.0]))
    fhenn.CipherArray.from_tenseal(ts.ckks_vector(context, [1.0]))
    alive = weakref.ref(context.data)
    del context
    gc.collect()
    assert alive() is None


def test_changes_of_a_tenseal_context_are_seen():
    context = tenseal_context(8192, [60, 40, 40, 60], 40)
    ours = fhenn.Context.from_tenseal(context)
    array = fhenn.encrypt(ours, [1.0])
    fhenn.decrypt(ours, array)
    context.global_scale = 2.0**39
    assert ours.scale == 2.0**39
    context.make_context_public()
    assert not ours.has_secret_key
    with pytest.raises(KeyMissing, match="secret"):
        fhenn.decrypt(ours, array)


@pytest.mark.parametrize("wrong", [None, "context", 5])
def test_other_things_are_not_contexts(client, wrong):
    array = fhenn.encrypt(client, [1.0])
    for call in (
        lambda: fhenn.Context.from_tenseal(wrong),
        lambda: fhenn.encrypt(wrong, [1.0]),
        lambda: fhenn.decrypt(wrong, array),
        lambda: fhenn.decrypt(client, wrong),
        lambda: fhenn.CipherArray.from_bytes(wrong, array.to_bytes()),
        lambda: fhenn.CipherArray.from_tenseal(wrong),
    ):
        with pytest.raises(UnsupportedValue):
            call()
    with pytest.raises(UnsupportedValue, match="from_tenseal"):
        fhenn.encrypt(client.tenseal, [1.0])


def test_refuses_other_schemes_and_missing_scales():
    bfv = ts.context(ts.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, n_threads=1)
    with pytest.raises(ParameterError, match="CKKS"):
        fhenn.Context.from_tenseal(bfv)
    context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 60], n_threads=1)
    with pytest.raises(ParameterError, match="global_scale"):
        fhenn.encrypt(fhenn.Context.from_tenseal(context), [1.0])


def test_ciphertexts_of_other_parameters_have_no_level_here(client, small):
    ciphertext = ts.ckks_vector(small, [1.0]).ciphertext()[0]
    with pytest.raises(ContextMismatch):
        client.level_of(ciphertext)


def test_repr_tells_parameters_and_no_keys(client):
    assert "N=8192" in repr(client)
    assert "with secret key" in repr(client)
    assert len(repr(client)) < 120


class TestWire:
    def test_a_secret_key_is_refused(self, client):
        body = client.tenseal.serialize(save_secret_key=True)
        message = frame("evaluation-context", {"fingerprint": client.fingerprint, "rotation_keys": 0}, body)
        with pytest.raises(WireFormatError, match="secret key"):
            fhenn.Context.from_bytes(message)

    def test_other_keys_under_the_same_name_are_refused(self, client):
        body = client.tenseal.serialize(save_secret_key=False)
        with pytest.raises(WireFormatError, match="header names"):
            fhenn.Context.from_bytes(frame("evaluation-context", {"fingerprint": "0" * 16, "rotation_keys": 0}, body))

    @pytest.mark.parametrize("data", [b"", b"FHENN", b"x" * 100, b"FHENN\x02\x00\x00\x00\x02{}", "text", None])
    def test_other_bytes_are_refused(self, data):
        with pytest.raises(WireFormatError):
            fhenn.Context.from_bytes(data)


def test_keys_go_with_the_context():
    """Not when the garbage collector comes to it: they are large, and may be secret."""
    context = fhenn.Context.generate(fhenn.Parameters.for_depth(1), [1])
    x = fhenn.encrypt(context, [[1.0, 2.0]], layout="features")
    fhenn.Linear([[1.0, 1.0]])(x)
    gone = weakref.ref(context)
    gc.disable()
    try:
        del context, x
        assert gone() is None
    finally:
        gc.enable()
