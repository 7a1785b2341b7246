from dataclasses import replace

import numpy as np
import pytest
import tenseal as ts
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from support import compare, tenseal_context

import fhenn
from fhenn.ckks.layout import FEATURES, PACKED
from fhenn.ckks.messages import TensealMessage
from fhenn.errors import (
    ContextMismatch,
    HeadroomExceeded,
    NonFiniteValue,
    ParameterError,
    ScaleMismatch,
    ShapeMismatch,
    UnsupportedValue,
)


@given(arrays(np.float64, array_shapes(max_dims=3), elements=st.floats(-9, 9)), st.integers(1, 7))
def test_packed_is_a_bijection(values, slots):
    rows = PACKED.pack(values, slots)
    assert len(rows) == PACKED.ciphertexts(values.shape, slots)
    np.testing.assert_array_equal(PACKED.unpack(rows, values.shape), values)


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-9, 9)), st.integers(1, 7))
def test_features_is_a_bijection_of_columns(values, slots):
    rows = FEATURES.pack(values, slots)
    assert len(rows) == FEATURES.ciphertexts(values.shape, slots)
    np.testing.assert_array_equal(FEATURES.unpack(rows, values.shape), values)
    np.testing.assert_array_equal(rows[0][: min(slots, len(values))], values[:slots, 0])


@settings(max_examples=20, deadline=None)
@given(arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-9, 9)))
def test_encryption_round_trip(client, values):
    compare(fhenn.decrypt(client, fhenn.encrypt(client, values)), values, 1e-7)


def test_more_values_than_slots(client):
    values = np.random.default_rng(0).normal(size=(4097, 2))
    for layout in ("packed", "features"):
        array = fhenn.encrypt(client, values, layout=layout)
        assert len(array.ciphertexts) == (3 if layout == "packed" else 4)
        compare(fhenn.decrypt(client, array), values, 1e-7)


def test_scalars(client):
    assert fhenn.decrypt(client, fhenn.encrypt(client, 1.5)) == pytest.approx(1.5, abs=1e-7)


def test_encrypt_refuses(client):
    for bad in ([np.nan], [1.0, np.inf], [[-np.inf]]):
        with pytest.raises(NonFiniteValue, match="impute"):
            fhenn.encrypt(client, bad)
    with pytest.raises(ShapeMismatch, match="at least one"):
        fhenn.encrypt(client, [])
    with pytest.raises(ShapeMismatch, match="samples"):
        fhenn.encrypt(client, [1.0], layout="features")
    with pytest.raises(ParameterError, match="layout"):
        fhenn.encrypt(client, [1.0], layout="sideways")
    with pytest.raises(UnsupportedValue):
        fhenn.encrypt(client, ["a"])
    half = float(np.prod([float(prime) for prime in client.primes])) / 2 / client.scale
    for value in (1e40, half * 1.01):
        with pytest.raises(HeadroomExceeded):
            fhenn.encrypt(client, [value])
    with pytest.raises(HeadroomExceeded, match="headroom of 5"):
        fhenn.encrypt(client, [5.5], headroom=5.0)
    with pytest.raises(ParameterError, match="headroom"):
        fhenn.encrypt(client, [5.5], headroom=np.nan)
    with pytest.raises(UnsupportedValue, match="masked"):
        fhenn.encrypt(client, np.ma.array([1.0, 99.0], mask=[0, 1]))
    # everything below the limit does encode
    fhenn.encrypt(client, np.full(client.slots, half / 2 * 0.99))


def test_encrypt_leaves_its_input_alone(client):
    values = np.arange(4, dtype=np.float32)
    values.flags.writeable = False
    fhenn.encrypt(client, values)


def test_decrypt_refuses_another_clients_array(client, small):
    with pytest.raises(ContextMismatch, match="one key generation"):
        fhenn.decrypt(fhenn.Context.from_tenseal(small), fhenn.encrypt(client, [1.0]))


def test_numpy_and_cipher_arrays_mix_encrypted(client):
    array = fhenn.encrypt(client, [1.0])
    for result in (np.add(np.ones(1), array), np.ones(1) + array):
        assert isinstance(result, fhenn.CipherArray)
        assert fhenn.decrypt(client, result) == pytest.approx([2.0], abs=1e-5)


def test_immutable_and_printable(client):
    array = fhenn.encrypt(client, [[1.0, 2.0]])
    with pytest.raises(AttributeError):
        array.scale = 1.0
    assert "shape=(1, 2)" in repr(array)
    assert "level=3" in repr(array)
    assert array.size == 2


def test_what_goes_to_tenseal_repeats_across_the_slots(deep):
    """TenSEAL's matrix product relies on it."""
    context = fhenn.Context.from_tenseal(deep)
    matrix = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    vector = fhenn.encrypt(context, [1.0, 2.0, 3.0]).to_tenseal()
    compare(vector.mm(matrix).decrypt(), [22.0, 28.0], 1e-3)
    node = fhenn.Sigmoid()
    node.enable_cache()
    node(fhenn.encrypt(context, [1.0, 2.0, 3.0]))
    gradient = node.backward([1.0, 1.0, 1.0])
    expected = (0.197 - 0.012 * np.array([1.0, 4.0, 9.0])) @ np.array(matrix)
    compare(gradient.to_tenseal().mm(matrix).decrypt(), expected, 1e-3)


@pytest.mark.parametrize("size", [1, 3, 4096, 4097, 9000])
def test_from_and_to_tenseal(small, size):
    values = np.random.default_rng(size).uniform(-4, 4, size)
    array = fhenn.CipherArray.from_tenseal(ts.ckks_vector(small, values.tolist()))
    compare(fhenn.decrypt(fhenn.Context.from_tenseal(small), array), values, 1e-6)
    vector = array.to_tenseal()
    compare(vector.decrypt(), values, 1e-6)
    compare((vector * 2.0).decrypt(), values * 2, 1e-5)


def test_to_tenseal_refuses_a_scale_that_tenseal_would_misread(client):
    grown = fhenn.Sigmoid()(fhenn.encrypt(client, [1.0]))
    with pytest.raises(ScaleMismatch, match="Stay with CipherArray"):
        grown.to_tenseal()
    with pytest.raises(ScaleMismatch):
        replace(fhenn.encrypt(client, [1.0]), scale=client.scale * (1 + 1e-6)).to_tenseal()
    with pytest.raises(ParameterError, match="packed"):
        fhenn.encrypt(client, [[1.0]], layout="features").to_tenseal()


def test_from_tenseal_refuses_chunks_that_are_not_full(small):
    packed = ts.CKKSVector.pack_vectors
    vector = ts.ckks_vector(small, [1.0, 2.0])
    odd = ts.ckks_vector(small, list(range(4097)))
    assert packed([vector]).size() == 2
    assert fhenn.CipherArray.from_tenseal(odd).shape == (4097,)
    message = TensealMessage.decode(odd.serialize())
    uneven = TensealMessage((10, 20), message.ciphertexts, message.scale).encode()
    with pytest.raises(ShapeMismatch, match="full chunks"):
        fhenn.CipherArray.from_tenseal(ts.ckks_vector_from(small, uneven))


def test_vectors_linked_to_another_context_do_not_decrypt(small):
    vector = ts.lazy_ckks_vector_from(ts.ckks_vector(small, [1.0]).serialize())
    other = tenseal_context(8192, [60, 40, 40, 60], 40)
    vector.link_context(other)
    # same parameters, other keys: the server cannot tell, the client's decryption can
    array = fhenn.CipherArray.from_tenseal(vector)
    with pytest.raises(ContextMismatch):
        fhenn.decrypt(fhenn.Context.from_tenseal(small), array)
