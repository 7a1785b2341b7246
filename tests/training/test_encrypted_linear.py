"""Encrypted weights against NumPy: products, gradients, steps, and a logistic regression trained on ciphertexts."""

import numpy as np
import pytest

import fhenn
from fhenn.ckks import encrypted_weights as weights
from fhenn.errors import (
    CacheEmpty,
    ContextMismatch,
    KeyMissing,
    LevelExhausted,
    ParameterError,
    ShapeMismatch,
    UnsupportedOperation,
    UnsupportedValue,
)
from fhenn.training import EncryptedLinear, keys_for_training

rng = np.random.default_rng(0)
STEP = fhenn.Parameters(8192, (50, 28, 28, 28, 28, 50), 2.0**28)  # z, the cubic's two, the gradient


SERVERS = {}


def server_of(holder):
    """What a server gets of these keys: made once, since it takes a second."""
    if holder.fingerprint not in SERVERS:
        SERVERS[holder.fingerprint] = type(holder).from_bytes(holder.to_bytes())
    return SERVERS[holder.fingerprint]


@pytest.fixture(scope="module")
def holder(evaluator):
    return keys_for_training(STEP, evaluator)


@pytest.fixture(scope="module")
def server(holder):
    return server_of(holder)


def features(holder, values):
    """Encrypted by the holder, as the server reads it."""
    upload = fhenn.encrypt(holder, values, layout="features").to_bytes()
    return fhenn.CipherArray.from_bytes(server_of(holder), upload)


@pytest.mark.thorough
def test_a_step_is_numpys(holder, server):
    x, weight, gradient = rng.normal(size=(50, 3)), rng.normal(size=(2, 3)), rng.normal(size=(50, 2))
    node = EncryptedLinear(server, weight, 0.2, input_gradient=True)
    node.enable_cache()
    y = node(features(holder, x))
    np.testing.assert_allclose(fhenn.decrypt(holder, y), x @ weight.T, atol=1e-3)
    below = node.backward(features(holder, gradient))
    np.testing.assert_allclose(fhenn.decrypt(holder, below), gradient @ weight, atol=1e-3)
    assert (y.level, below.level, node.level, node.cost) == (3, 3, 4, 1)
    node.update()
    expected = weight - 0.2 * gradient.T @ x / 50
    np.testing.assert_allclose(node.reveal(holder), expected, atol=1e-3)
    assert node.level == 3
    np.testing.assert_allclose(fhenn.decrypt(holder, node(features(holder, x))), x @ expected.T, atol=1e-3)


@pytest.mark.thorough
def test_more_samples_than_slots_and_spare_slots_that_hold_something(holder, server):
    x, weight = rng.normal(size=(5000, 2)), rng.normal(size=(1, 2))
    gradient = features(holder, rng.normal(size=(5000, 1)))
    node = EncryptedLinear(server, weight, 1.0)
    node.enable_cache()
    node(features(holder, x))
    # spare slots of this gradient hold σ's cubic at 0
    pushed = fhenn.Sigmoid()(gradient)
    node.backward(pushed)
    node.update()
    slopes = fhenn.Sigmoid(on_violation="ignore")(fhenn.decrypt(holder, gradient))
    np.testing.assert_allclose(node.reveal(holder), weight - slopes.T @ x / 5000, atol=1e-3)


@pytest.mark.thorough
def test_updates_take_the_mean_over_all_samples(holder, server):
    weight = rng.normal(size=(1, 2))
    node = EncryptedLinear(server, weight, 0.5)
    node.enable_cache()
    batches = [(rng.normal(size=(n, 2)), rng.normal(size=(n, 1))) for n in (3, 7)]
    node.forwards([features(holder, x) for x, _ in batches])
    assert node.backwards([features(holder, g) for _, g in batches]) == [None, None]
    node.updates()
    expected = weight - 0.5 * sum(g.T @ x for x, g in batches) / 10
    np.testing.assert_allclose(node.reveal(holder), expected, atol=1e-3)


@pytest.mark.thorough
def test_a_logistic_regression_learns_on_ciphertexts_as_on_plaintext(holder, server):
    truth = np.array([2.0, -1.0, 0.5])
    x = np.column_stack([rng.normal(size=(400, 2)), np.ones(400)])
    y = (x @ truth + rng.normal(size=400) / 2 > 0).astype(float)[:, None]
    sigmoid = fhenn.Sigmoid(on_violation="ignore")
    data, labels = features(holder, x), features(holder, y)
    node, twin = EncryptedLinear(server, np.zeros((1, 3)) + 0.1, 1.0), np.zeros((1, 3)) + 0.1
    for _ in range(4):
        node.enable_cache()
        error = weights.difference(sigmoid(node(data)), labels)
        node.backward(error)
        node.update()
        assert node.level == 0
        twin = twin - (sigmoid(x @ twin.T) - y).T @ x / 400
        np.testing.assert_allclose(node.reveal(holder), twin, atol=2e-3)
        with pytest.raises(LevelExhausted):
            node(data)
        node = node.refreshed(holder)
        assert node.level == 4
        assert not node.weight.context.has_secret_key
    accuracy = np.mean((x @ node.reveal(holder).T > 0) == (y > 0.5))
    assert accuracy > 0.9


@pytest.mark.thorough
def test_weights_travel_between_machines_as_bytes(holder, server):
    weight, gradient, x = rng.normal(size=(2, 3)), rng.normal(size=(40, 2)), rng.normal(size=(40, 3))
    node = EncryptedLinear(server, np.zeros((2, 3)), 0.5)
    mine = EncryptedLinear(holder, weight)
    node = node.with_weight(fhenn.CipherArray.from_bytes(server, mine.weight.to_bytes()))
    node.enable_cache()
    node(features(holder, x))
    node.backward(features(holder, gradient))
    node.update()
    expected, used = weight - 0.5 * gradient.T @ x / 40, node.level
    back = mine.with_weight(fhenn.CipherArray.from_bytes(holder, node.weight.to_bytes()))
    np.testing.assert_allclose(back.reveal(holder), expected, atol=1e-3)
    node = node.with_weight(fhenn.CipherArray.from_bytes(server, back.refreshed(holder).weight.to_bytes()))
    assert node.level > used
    assert not node.weight.context.has_secret_key
    np.testing.assert_allclose(fhenn.decrypt(holder, node(features(holder, x))), x @ expected.T, atol=2e-3)
    np.testing.assert_allclose(mine.reveal(holder), weight, atol=1e-3)  # the node that it came from stays as it is
    with pytest.raises(ShapeMismatch, match="EncryptedLinear weight"):
        EncryptedLinear(server, np.zeros((3, 3))).with_weight(node.weight)
    with pytest.raises(ShapeMismatch, match="in the layout of `weight`"):
        EncryptedLinear(server, np.zeros((40, 1))).with_weight(features(holder, x[:, :1]))
    with pytest.raises(UnsupportedValue):
        node.with_weight(weight)


@pytest.mark.thorough
def test_backward_through_the_sigmoid_too(evaluator):
    holder = keys_for_training(fhenn.Parameters(16384, (60, 36, 36, 36, 36, 36, 36, 60), 2.0**36), evaluator)
    x, y, weight = rng.normal(size=(20, 2)), rng.uniform(size=(20, 1)), rng.normal(size=(1, 2)) / 2
    node, sigmoid = EncryptedLinear(server_of(holder), weight, 1.0), fhenn.Sigmoid()
    for each in (node, sigmoid):
        each.enable_cache()
    output = sigmoid(node(features(holder, x)))
    node.backward(sigmoid.backward(weights.difference(output, features(holder, y))))
    node.update()
    z = x @ weight.T
    gradient = (0.197 - 0.012 * z**2) * (0.5 + 0.197 * z - 0.004 * z**3 - y)
    np.testing.assert_allclose(node.reveal(holder), weight - gradient.T @ x / 20, atol=1e-3)


@pytest.mark.thorough
def test_differences(holder):
    x, y = rng.normal(size=(2, 4, 2))
    a, b = features(holder, x), features(holder, y)
    low = fhenn.Sigmoid()(b)
    np.testing.assert_allclose(fhenn.decrypt(holder, weights.difference(a, b)), x - y, atol=1e-3)
    np.testing.assert_allclose(fhenn.decrypt(holder, weights.difference(a, low)), x - fhenn.Sigmoid()(y), atol=1e-3)
    np.testing.assert_allclose(fhenn.decrypt(holder, weights.difference(low, a)), fhenn.Sigmoid()(y) - x, atol=1e-3)
    np.testing.assert_allclose(fhenn.decrypt(holder, a), x, atol=1e-3)
    with pytest.raises(ShapeMismatch):
        weights.difference(a, features(holder, x[:, :1]))
    with pytest.raises(ShapeMismatch):
        weights.difference(a, fhenn.encrypt(holder, x))


def test_wrong_operands(holder, server, on):
    node = EncryptedLinear(server, [[1.0, 2.0]])
    x = features(holder, [[1.0, 2.0]])
    with pytest.raises(UnsupportedValue):
        node([[1.0, 2.0]])
    with pytest.raises(ShapeMismatch):
        node(features(holder, [[1.0, 2.0, 3.0]]))
    with pytest.raises(ShapeMismatch):
        node(fhenn.encrypt(holder, [[1.0, 2.0]]))
    with pytest.raises(ShapeMismatch, match="in layout 'features'"):
        node(fhenn.encrypt(holder, [1.0, 2.0]))
    with pytest.raises(CacheEmpty):
        node.backward(x)
    with pytest.raises(CacheEmpty):
        node.update()
    node.enable_cache()
    node(x)
    with pytest.raises(ShapeMismatch):
        node.backward(features(holder, [[1.0], [2.0]]))
    with pytest.raises(KeyMissing):
        node.reveal(server)
    other = on(fhenn.Context.generate(STEP))
    with pytest.raises(ContextMismatch):
        node(features(other, [[1.0, 2.0]]))
    without = EncryptedLinear(other, [[1.0, 2.0]])
    without.enable_cache()
    without(features(other, [[1.0, 2.0]]))
    with pytest.raises(KeyMissing, match="rotation"):
        without.backward(features(other, [[1.0]]))
    for bad in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ParameterError):
            EncryptedLinear(server, [[1.0]], bad)
    for shape in ((3,), (0, 2), (1, 2, 3)):
        with pytest.raises(ShapeMismatch):
            EncryptedLinear(server, np.zeros(shape))


def test_a_plain_linear_names_it(holder):
    node = fhenn.Linear([[1.0, 2.0]])
    node.enable_cache()
    node(features(holder, [[1.0, 2.0]]))
    with pytest.raises(UnsupportedOperation, match="EncryptedLinear"):
        node.backward(features(holder, [[1.0]]))


@pytest.mark.thorough
def test_spare_slots_of_a_hidden_layer_count_for_nothing(evaluator):
    # σ's cubic leaves 0.5 in the spare slots of what the second layer takes
    holder = keys_for_training(fhenn.Parameters(16384, (50, *[36] * 6, 50), 2.0**36), evaluator)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    first, second = rng.normal(size=(3, 2)), rng.normal(size=(2, 3))
    server = server_of(holder)
    nodes = EncryptedLinear(server, first), fhenn.Sigmoid(), EncryptedLinear(server, second, 0.5)
    values = features(holder, x)
    for node in nodes:
        node.enable_cache()
        values = node(values)
    nodes[2].backward(weights.difference(values, features(holder, y)))
    nodes[2].update()
    hidden = fhenn.Sigmoid().infer(x @ first.T)
    expected = second - 0.5 * (hidden @ second.T - y).T @ hidden / 4
    np.testing.assert_allclose(nodes[2].reveal(holder), expected, atol=1e-4)
