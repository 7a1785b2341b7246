import numpy as np
import pytest
from support import compare

import fhenn
from fhenn.approx import sigmoid
from fhenn.errors import CacheEmpty, ParameterError, ShapeMismatch

rng = np.random.default_rng(0)


def network(finish=None):
    return fhenn.Sequential(
        [
            fhenn.Linear(rng.normal(size=(4, 3)) / 3, rng.normal(size=4) / 3, fhenn.SGD(1.0)),
            fhenn.Sigmoid(),
            fhenn.Linear(rng.normal(size=(2, 4)) / 2, rng.normal(size=2) / 2, fhenn.SGD(1.0)),
        ],
        finish=finish,
    )


def test_forward_is_the_nodes_in_order():
    model, x = network(), rng.normal(size=(5, 3))
    first, activation, last = model.nodes
    np.testing.assert_array_equal(model(x), last(activation(first(x))))


def test_cost_is_the_sum_and_what_is_consumed(deep, features):
    model, x = network(), rng.normal(size=(5, 3))
    encrypted = model(features.encrypt(deep, x))
    assert model.cost == 4
    assert features.levels(encrypted) == {0}
    compare(features.reveal(encrypted, deep), model(x), 1e-7)


def test_gradients_are_the_slopes():
    model, x, gradient = network(), rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    model.forward(x)
    at_input = model.backward(gradient)
    h = 1e-6
    for index in np.ndindex(x.shape):
        moved = x.copy()
        moved[index] += h
        slope = np.sum((model.infer(moved) - model.infer(x)) * gradient) / h
        assert at_input[index] == pytest.approx(slope, abs=1e-5)


def test_backwards_pairs_each_gradient_with_its_own_input():
    model, xs = network(), [rng.normal(size=3) for _ in range(3)]
    gradients = [rng.normal(size=2) for _ in range(3)]
    singles = []
    for x, gradient in zip(xs, gradients, strict=True):
        model.forward(x)
        singles.append(model.backward(gradient))
    model.forwards(xs)
    for got, expected in zip(model.backwards(gradients), singles, strict=True):
        np.testing.assert_allclose(got, expected)


def test_trains():
    """XOR with the very polynomial that will run encrypted."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]) * 2 - 1
    y = np.array([[0.0], [1.0], [1.0], [0.0]])
    draw = np.random.default_rng(1)
    hidden = fhenn.Linear(draw.normal(size=(8, 2)), draw.normal(size=8), fhenn.Adam(0.02))
    out = fhenn.Linear(draw.normal(size=(1, 8)) / 3, None, fhenn.Adam(0.02))
    model = fhenn.Sequential([hidden, fhenn.Sigmoid(on_violation="ignore"), out])
    for _ in range(400):
        model.backward(2 * (model.forward(x) - y))
        model.updates()
    assert np.abs(model.infer(x) - y).max() < 0.1


def test_update_reaches_every_node():
    for step in ("update", "updates"):
        model, x = network(), rng.normal(size=3)
        before = [model.nodes[place].weight for place in (0, 2)]
        model.backward(model.forward(x))
        getattr(model, step)()
        for place, weight in zip((0, 2), before, strict=True):
            assert not np.array_equal(model.nodes[place].weight, weight)


def test_infer_and_predict_keep_nothing():
    model = network()
    model.infer(np.zeros(3))
    model.predict(np.zeros(3))
    with pytest.raises(CacheEmpty):
        model.backward(np.ones(2))


def test_cache_switches_reach_every_node():
    model = network()
    assert model.is_cache_enabled
    model.disable_cache()
    assert not model.is_cache_enabled
    model.forward(np.zeros(3))
    with pytest.raises(CacheEmpty, match="turned off"):
        model.backward(np.ones(2))
    model.enable_cache()
    model.forward(np.zeros(3))
    model.backward(np.ones(2))


def test_models_nest():
    inner = network()
    outer = fhenn.Sequential([fhenn.Linear(np.eye(3)), inner])
    x = rng.normal(size=3)
    np.testing.assert_allclose(outer(x), inner.infer(x))
    assert outer.backward(np.ones(2)).shape == (3,)
    assert outer.cost == 5
    assert outer.has_parameters


class TestFinish:
    def test_sigmoid(self):
        model, x = network("sigmoid"), rng.normal(size=(5, 3))
        np.testing.assert_allclose(model.predict(x), sigmoid(model.infer(x)))

    def test_softmax(self):
        model = network("softmax")
        rows = model.predict(rng.normal(size=(5, 3)))
        np.testing.assert_allclose(rows.sum(axis=-1), 1)
        np.testing.assert_allclose(model.finished([[1000.0, 0.0], [0.0, 0.0]]), [[1, 0], [0.5, 0.5]])

    def test_argmax(self):
        model, x = network("argmax"), rng.normal(size=(5, 3))
        np.testing.assert_array_equal(model.predict(x), model.infer(x).argmax(axis=-1))

    def test_none(self):
        model, x = network(), rng.normal(size=(5, 3))
        np.testing.assert_array_equal(model.predict(x), model.infer(x))


def test_summary_is_a_table():
    text = network("softmax").summary()
    lines = text.splitlines()
    assert lines[0].split() == ["node", "output", "cost", "level", "parameters"]
    assert lines[2].split() == ["Linear", "(...,", "4)", "1", "3", "16"]
    assert lines[4].split()[-1] == "10"
    assert lines[-2].startswith("softmax (client)")
    assert lines[-1].split() == ["total", "4", "26"]


def test_refuses():
    node = fhenn.Sigmoid()
    for nodes in ([], [1], [node, node]):
        with pytest.raises(ParameterError):
            fhenn.Sequential(nodes)
    with pytest.raises(ParameterError, match="softmax"):
        fhenn.Sequential([node], finish="relu")
    with pytest.raises(ShapeMismatch, match="after an output of 4"):
        fhenn.Sequential([fhenn.Linear(np.ones((4, 3))), fhenn.Sigmoid(), fhenn.Linear(np.ones((2, 5)))])


def test_other_nodes_under_the_same_finish():
    model = fhenn.Sequential([fhenn.Linear([[1.0, 2.0]])], finish="sigmoid")
    other = model.with_nodes([fhenn.Linear([[3.0]])])
    assert (other.finish, other.nodes[0].weight.tolist()) == ("sigmoid", [[3.0]])
    assert model.nodes[0].weight.shape == (1, 2)


def test_a_node_stands_in_one_place_however_deep():
    """Else what is put in its place, or kept for its gradients, would be that of another place."""
    shared = fhenn.Linear(np.eye(2))
    deep = fhenn.Sequential([fhenn.Sequential([shared])])
    for make in (
        lambda: fhenn.Sequential([shared, deep]),
        lambda: fhenn.Sequential([deep, fhenn.Square(), fhenn.Residual(shared)]),
        lambda: fhenn.Residual(deep, fhenn.Sequential([shared])),
        lambda: fhenn.nn.Multiply(fhenn.Residual(shared), deep),
    ):
        with pytest.raises(ParameterError, match="a node is in the model twice"):
            make()
    twin = fhenn.Sequential([deep, fhenn.Residual(fhenn.Linear(np.eye(2)))])
    assert twin.infer([1.0, 2.0]).tolist() == [2.0, 4.0]
