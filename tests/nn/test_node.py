"""The contract that every node keeps, on a node with parameters and on one without."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import CacheEmpty, NonFiniteValue, ParameterError, UnsupportedOperation


def _linear():
    return fhenn.Linear([[1.0, -2.0]], [0.5], optimiser=fhenn.SGD(learning_rate=1.0))


NODES = [fhenn.Sigmoid, _linear]


@pytest.mark.parametrize("make", NODES)
class TestContract:
    def test_call_is_forward_and_keywords_are_the_ancestors(self, make):
        x = np.array([0.5, -1.0])
        node = make()
        np.testing.assert_array_equal(node(x), node.forward(x=x))
        assert node.backward(gradient=np.ones(node(x).shape)).shape == x.shape
        assert isinstance(node.cost, int)

    def test_inputs_are_kept_last_in_first_out(self, make):
        node, xs = make(), [np.array([float(i), 1.0]) for i in range(4)]
        singles = []
        for x in xs:
            y = node.forward(x)
            singles.append(node.backward(np.ones_like(y)))
        ones = [np.ones_like(y) for y in node.forwards(xs)]
        stacked = [node.backward(one) for one in ones]
        for got, expected in zip(stacked, reversed(singles), strict=True):
            np.testing.assert_array_equal(got, expected)

    def test_backwards_pairs_each_gradient_with_its_own_input(self, make):
        node, xs = make(), [np.array([float(i), 1.0]) for i in range(4)]
        gradients = [np.full_like(node.forward(x), i + 1.0) for i, x in enumerate(xs)]
        expected = [node.backward(gradient) for gradient in reversed(gradients)][::-1]
        node.forwards(iter(xs))
        for got, wanted in zip(node.backwards(iter(gradients)), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)

    def test_fewer_gradients_belong_to_the_last_inputs(self, make):
        node = make()
        y = node.forwards([np.array([0.0, 0.0]), np.array([3.0, 1.0])])
        last = node.backwards([np.ones_like(y[1])])
        node.forward(np.array([3.0, 1.0]))
        np.testing.assert_array_equal(last[0], node.backward(np.ones_like(y[1])))
        node.backward(np.ones_like(y[0]))  # the first is still there

    def test_backward_without_an_input_says_why(self, make):
        node = make()
        with pytest.raises(CacheEmpty, match="enable_cache"):
            node.backward(1.0)
        node.disable_cache()
        node.forward(np.zeros(2))
        assert not node.is_cache_enabled
        with pytest.raises(CacheEmpty, match="turned off"):
            node.backward(1.0)
        node.enable_cache()
        with pytest.raises(CacheEmpty, match="forward first"):
            node.backward(1.0)

    def test_too_many_gradients_change_nothing(self, make):
        node = make()
        y = node.forward(np.zeros(2))
        with pytest.raises(CacheEmpty) as caught:
            node.backwards([np.ones_like(y)] * 2)
        assert (caught.value.needed, caught.value.kept) == (2, 1)
        node.backward(np.ones_like(y))

    def test_a_gradient_that_fails_leaves_the_input(self, make):
        node = make()
        y = node.forward(np.zeros(2))
        with pytest.raises(TypeError):
            node.backward("wrong")
        node.backward(np.ones_like(y))

    def test_disable_cache_forgets(self, make):
        node = make()
        node.forward(np.zeros(2))
        node.disable_cache()
        node.enable_cache()
        with pytest.raises(CacheEmpty):
            node.backward(np.ones(1))

    def test_the_owner_may_change_its_input_afterwards(self, make):
        node, x = make(), np.array([0.5, -1.0])
        y = node.forward(x)
        x[:] = 1e6
        got = node.backward(np.ones_like(y))
        node.forward(np.array([0.5, -1.0]))
        np.testing.assert_array_equal(got, node.backward(np.ones_like(y)))

    def test_inputs_and_gradients_are_not_changed(self, make):
        node, x = make(), np.array([0.5, -1.0])
        x.flags.writeable = False
        gradient = np.ones_like(node.forward(x))
        gradient.flags.writeable = False
        node.backward(gradient)

    def test_float32_in_float32_out_anything_else_float64(self, make):
        node = make()
        y = node.forward(np.float32([0.5, -1.0]))
        assert y.dtype == np.float32
        assert node.backward(np.ones_like(y)).dtype == np.float32
        for dtype in (np.float64, np.float16, np.int32, np.bool_, np.longdouble):
            assert node.forward(np.ones(2, dtype)).dtype == np.float64


class TestParameters:
    def test_sigmoid_has_none(self):
        node = fhenn.Sigmoid()
        assert node.update() is None
        assert node.updates() is None

    def test_update_steps_on_the_last_example(self):
        node = _linear()
        node.forwards([np.array([1.0, 0.0]), np.array([0.0, 1.0])])
        node.backwards([np.array([1.0]), np.array([10.0])])
        node.update()
        np.testing.assert_array_equal(node.weight, [[1.0, -12.0]])
        np.testing.assert_array_equal(node.bias, [-9.5])
        node.update()
        np.testing.assert_array_equal(node.weight, [[0.0, -12.0]])

    def test_updates_steps_on_the_mean_of_all(self):
        node = _linear()
        node.forwards([np.array([1.0, 0.0]), np.array([0.0, 1.0])])
        node.backwards([np.array([1.0]), np.array([10.0])])
        node.updates()
        np.testing.assert_array_equal(node.weight, [[0.5, -7.0]])
        np.testing.assert_array_equal(node.bias, [0.5 - 5.5])
        with pytest.raises(CacheEmpty, match="backward first"):
            node.updates()
        with pytest.raises(CacheEmpty):
            node.update()


def test_fresh_nodes_share_parameters_and_keep_nothing():
    node = fhenn.Linear([[1.0, -2.0]], [0.5])
    node.forward([1.0, 2.0])
    other = node.fresh()
    assert other.weight is node.weight
    assert (len(node.kept_inputs), len(other.kept_inputs)) == (1, 0)
    half = node.scaled(0.5)
    np.testing.assert_array_equal(half.forward([1.0, 2.0]), node.infer([1.0, 2.0]) / 2)
    with pytest.raises(NonFiniteValue):
        node.scaled(float("inf"))


def test_activations_with_another_policy_or_polynomial():
    node = fhenn.Sigmoid(on_violation="raise")
    node.disable_cache()
    assert node.with_policy("ignore")(9.0) == node.polynomial(9.0)
    wide = node.with_polynomial(fhenn.approx.preset("sigmoid-minimax-8-7"))
    assert (type(wide), wide.on_violation, wide.cost) == (fhenn.Sigmoid, "raise", 3)
    assert not wide.is_cache_enabled
    with pytest.raises(fhenn.RangeViolation):
        wide(9.0)
    with pytest.raises(ParameterError):
        node.with_policy("shout")
    composite = fhenn.SignReLU(on_violation="ignore")
    assert composite.with_sign((-8, 8), (7, 7)).on_violation == "ignore"
    with pytest.raises(UnsupportedOperation):
        composite.with_polynomial(node.polynomial)


class Gate(fhenn.nn.Layer):
    """x times the mean of its features: a node of one's own."""

    cost = 1

    def _forward(self, backend, x):
        return x * x.mean(axis=1, keepdims=True)

    def _backward(self, x, gradient):
        both = (gradient * x).mean(axis=1, keepdims=True)
        return gradient * x.mean(axis=1, keepdims=True) + both, None


def test_a_node_of_ones_own_says_what_it_computes_and_no_more():
    rng = np.random.default_rng(0)
    node, x, gradient = Gate(), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    context = fhenn.Context.generate(fhenn.Parameters.for_depth(1))
    encrypted = fhenn.encrypt(context, x, layout="features")
    model = fhenn.Sequential([fhenn.Linear(np.eye(3)), node])
    np.testing.assert_allclose(fhenn.decrypt(context, node(encrypted)), node.infer(x), atol=1e-4)
    assert (model.cost, node.has_parameters, repr(node)) == (2, False, "Gate(cost=1)")
    node.forward(x)
    node.update()  # there is nothing to step
    slope, step = node.backward(gradient), 1e-6 * rng.normal(size=x.shape)
    difference = ((node.infer(x + step) - node.infer(x - step)) * gradient).sum() / 2
    assert (slope * step).sum() == pytest.approx(difference, abs=1e-12)
    with pytest.raises(fhenn.errors.UnsupportedNode, match="a Gate is neither"):
        fhenn.plan(model, bounds=[-1, 1])
