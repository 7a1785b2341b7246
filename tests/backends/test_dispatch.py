import subprocess
import sys

import numpy as np
import pytest
import tenseal as ts
from support import tenseal_context

import fhenn
from fhenn.backends import PLAIN, backend_of
from fhenn.errors import ShapeMismatch, UnsupportedValue


@pytest.mark.parametrize("value", [1, 1.5, True, [1, 2], (0.5,), np.float32(1), np.zeros((2, 3)), np.zeros(0)])
def test_numbers_are_plain(value):
    assert backend_of(value) is PLAIN
    assert PLAIN.value(value).dtype.kind == "f"


@pytest.mark.parametrize(
    "value",
    ["text", None, 1j, [1, "a"], [[1], [1, 2]], np.array(["x"]), object(), {1: 2}, np.array([1j]), b"bytes",
     np.array(["2020-01-01"], dtype="datetime64[D]")],
)  # fmt: skip
def test_anything_else_is_refused(value):
    with pytest.raises(UnsupportedValue):
        fhenn.Sigmoid().forward(value)


def test_ciphertexts_find_their_backend(small):
    vector = ts.ckks_vector(small, [1.0])
    array = fhenn.CipherArray.from_tenseal(vector)
    assert backend_of(vector).encrypted
    assert backend_of(array).encrypted
    assert backend_of(vector, 2.0) is backend_of(vector)
    assert backend_of(2.0, array) is backend_of(array)


def test_two_kinds_of_ciphertext_do_not_mix(small):
    vector = ts.ckks_vector(small, [1.0])
    with pytest.raises(UnsupportedValue, match="one kind"):
        backend_of(vector, fhenn.CipherArray.from_tenseal(vector))


def test_other_tenseal_values_are_refused():
    context = ts.context(ts.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, n_threads=1)
    for value in (ts.bfv_vector(context, [1, 2]), ts.plain_tensor([1.0]), context):
        with pytest.raises(UnsupportedValue):
            fhenn.Sigmoid().forward(value)


def test_a_context_is_not_a_value():
    with pytest.raises(UnsupportedValue, match="encrypt"):
        fhenn.Sigmoid().forward(fhenn.Context(tenseal_context(8192, [60, 40, 40, 60], 40)))


def test_plain_broadcasts_or_says_so():
    node = fhenn.Sigmoid()
    node.forward(np.zeros((2, 3)))
    with pytest.raises(ShapeMismatch):
        node.backward(np.zeros(2))
    assert node.backward(np.ones(3)).shape == (2, 3)


def test_import_is_light_and_the_twin_needs_no_tenseal():
    code = (
        "import sys, fhenn; heavy = {'tenseal', 'numpy', 'matplotlib', 'click', 'rich'} & set(sys.modules); "
        "assert not heavy, heavy; fhenn.Sigmoid()(1.0); assert 'tenseal' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
