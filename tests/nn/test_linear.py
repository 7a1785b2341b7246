import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import VECTOR, parity

import fhenn
from fhenn.errors import LevelExhausted, NonFiniteValue, ShapeMismatch, UnsupportedOperation

rng = np.random.default_rng(0)


def test_value():
    weight, bias, x = rng.normal(size=(3, 5)), rng.normal(size=3), rng.normal(size=(2, 4, 5))
    np.testing.assert_allclose(fhenn.Linear(weight, bias)(x), x @ weight.T + bias)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 1000))
def test_gradients_are_the_slopes(inputs, outputs, rows, seed):
    draw = np.random.default_rng(seed)
    weight, bias = draw.normal(size=(outputs, inputs)), draw.normal(size=outputs)
    x, gradient = draw.normal(size=(rows, inputs)), draw.normal(size=(rows, outputs))
    node = fhenn.Linear(weight, bias, optimiser=fhenn.SGD(learning_rate=1.0))
    node.forward(x)
    at_input = node.backward(gradient)
    node.update()

    def loss(w, b, v):
        return np.sum((v @ w.T + b) * gradient)

    h = 1e-6
    for array, slope, place in ((weight, weight - node.weight, 0), (bias, bias - node.bias, 1), (x, at_input, 2)):
        for index in np.ndindex(array.shape):
            moved = [weight.copy(), bias.copy(), x.copy()]
            moved[place][index] += h
            numeric = (loss(*moved) - loss(weight, bias, x)) / h
            assert slope[index] == pytest.approx(numeric, abs=1e-4)


@pytest.mark.parametrize("samples", [1, 5, 4100])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2), (2, 4)])
def test_parity(small, features, samples, inputs, outputs):
    node = fhenn.Linear(rng.normal(size=(outputs, inputs)), rng.normal(size=outputs))
    result = parity(node, rng.normal(size=(samples, inputs)), features, small, 1e-7)
    assert result.level == 1
    assert result.scale == 2.0**40


def test_cost_is_the_levels_consumed(small, features):
    node = fhenn.Linear([[1.0]])
    x = features.encrypt(small, np.ones((2, 1)))
    assert x.level - node(x).level == node.cost == 1


def test_zero_weights_and_no_bias(small, features):
    node = fhenn.Linear([[0.0, 0.0], [0.0, 2.0], [1e-20, 0.0]])
    parity(node, np.array([[1.0, 3.0]]), features, small, 1e-7)


def test_linear_sigmoid_linear(on):
    first = fhenn.Linear(rng.normal(size=(3, 4)) / 4, rng.normal(size=3))
    last = fhenn.Linear(rng.normal(size=(2, 3)), rng.normal(size=2))
    context = on(fhenn.Context.generate(fhenn.Parameters.for_depth(4, scale_bits=40)))
    x = rng.uniform(-1, 1, (6, 4))
    encrypted = last(fhenn.Sigmoid()(first(fhenn.encrypt(context, x, layout="features"))))
    assert encrypted.level == 0
    np.testing.assert_allclose(fhenn.decrypt(context, encrypted), last(fhenn.Sigmoid()(first(x))), atol=1e-7)


def test_refuses_shapes(small, features):
    for weight, bias in (([1.0], None), (np.zeros((0, 2)), None), ([[1.0]], [1.0, 2.0]), ([[1.0]], 1.0)):
        with pytest.raises(ShapeMismatch):
            fhenn.Linear(weight, bias)
    node = fhenn.Linear([[1.0, 2.0]])
    for x in (1.0, [1.0], [[1.0, 2.0, 3.0]], features.encrypt(small, np.ones((2, 3)))):
        with pytest.raises(ShapeMismatch):
            node(x)
    node.forward([1.0, 2.0])
    with pytest.raises(ShapeMismatch):
        node.backward([1.0, 2.0])


def test_refuses_values():
    for weight in ([[np.nan]], [[np.inf]]):
        with pytest.raises(NonFiniteValue):
            fhenn.Linear(weight)
    with pytest.raises(NonFiniteValue):
        fhenn.Linear([[1.0]], [np.nan])


def test_divergence_is_said():
    node = fhenn.Linear([[1.0]], optimiser=fhenn.SGD(learning_rate=1e300))
    with np.errstate(over="ignore"):
        node.backward(node.forward([1e9]) * 1e9)
        with pytest.raises(NonFiniteValue, match="learning rate"):
            node.update()


def test_parameters_are_read_only_copies():
    weight = np.ones((1, 2))
    node = fhenn.Linear(weight)
    weight[:] = 5
    assert node.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        node.weight[0, 0] = 2


def test_other_layouts_and_types_are_refused(small, packed):
    node = fhenn.Linear([[1.0, 2.0]])
    with pytest.raises(UnsupportedOperation, match="layout='features'"):
        node(packed.encrypt(small, np.ones((1, 2))))
    with pytest.raises(UnsupportedOperation, match="mm"):
        node(VECTOR.encrypt(small, np.ones(2)))


def test_no_level_left(small, features):
    node = fhenn.Linear([[1.0]])
    x = node(node(features.encrypt(small, np.ones((2, 1)))))
    with pytest.raises(LevelExhausted, match="needs 1 level,"):
        node(x)


def test_backward_on_ciphertexts_is_refused(small, features):
    node = fhenn.Linear([[1.0]])
    node.enable_cache()
    node(features.encrypt(small, np.ones((2, 1))))
    with pytest.raises(UnsupportedOperation, match="plaintext"):
        node.backward(np.ones((2, 1)))
