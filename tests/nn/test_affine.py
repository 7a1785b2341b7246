import copy
import pickle

import numpy as np
import pytest
from support import parity

import fhenn
from fhenn.errors import (
    CacheEmpty,
    NonFiniteValue,
    ShapeMismatch,
    UnsupportedNode,
    UnsupportedOperation,
    UnsupportedValue,
)
from fhenn.nn import Affine, Dense, Scaling, Sparse, layers
from fhenn.nn.node import Layer

rng = np.random.default_rng(0)

OPERATORS = {
    "dense": Dense(rng.normal(size=(2, 3))),
    "scaling": Scaling(rng.normal(size=3)),
    "sparse": Sparse([0, 1, 1, 3], [2, 0, 1, 0], rng.normal(size=4), (4, 3)),
}


@pytest.mark.parametrize("kind", OPERATORS)
def test_value(kind):
    operator = OPERATORS[kind]
    bias, x = rng.normal(size=operator.outputs), rng.normal(size=(2, 4, 3))
    node = Affine(operator, bias)
    assert (node.inputs, node.outputs, node.operator) == (3, operator.outputs, operator)
    np.testing.assert_allclose(node(x), x @ operator.dense().T + bias)
    single = node(x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, x @ operator.dense().T + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", OPERATORS)
def test_gradient_goes_through_the_transpose(kind):
    operator = OPERATORS[kind]
    node, x = Affine(operator), rng.normal(size=(5, 3))
    node.forward(x)
    gradient = rng.normal(size=(5, operator.outputs))
    np.testing.assert_allclose(node.backward(gradient), gradient @ operator.dense())
    node.forward(x.astype(np.float32))
    assert node.backward(gradient).dtype == np.float32


def test_it_stands_still():
    node = Affine(Scaling([2.0]), [1.0])
    assert not node.has_parameters
    node.backward(node.forward([1.0]))
    node.update()
    node.updates()
    assert node.forward([1.0]).tolist() == [3.0]
    node.backward([1.0])
    with pytest.raises(CacheEmpty):
        node.backward([1.0])
        node.backward([1.0])


@pytest.mark.parametrize("kind", OPERATORS)
def test_parity(small, features, kind):
    operator = OPERATORS[kind]
    node = Affine(operator, rng.normal(size=operator.outputs))
    result = parity(node, rng.normal(size=(5, 3)), features, small, 1e-7)
    assert result.level == 2 - node.cost


@pytest.mark.parametrize("first", OPERATORS)
@pytest.mark.parametrize("last", OPERATORS)
def test_one_after_another_is_one(first, last):
    before = Affine(OPERATORS[first], rng.normal(size=OPERATORS[first].outputs))
    operator = OPERATORS[last] if OPERATORS[last].inputs == before.outputs else Scaling(rng.normal(size=before.outputs))
    after = Affine(operator, 0.5)
    both, x = before.then(after), rng.normal(size=(7, 3))
    np.testing.assert_allclose(both(x), after(before(x)), atol=1e-12)
    assert type(both.operator) is type(operator @ before.operator)


def test_linear_is_one_whose_weight_stays_the_same_array():
    node = fhenn.Linear([[1.0, 2.0]], [0.5])
    assert isinstance(node, Affine)
    assert node.weight is node.weight is node.operator.dense()
    assert node.fresh().weight is node.weight
    before = node.weight
    node.backward(node.forward([1.0, 1.0]))
    node.update()
    assert node.weight is not before


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_is_the_same_to_the_last_bit(dtype):
    """As NumPy's own product gives it, forward and back."""
    weight, bias = rng.normal(size=(5, 7)), rng.normal(size=5)
    x, gradient = rng.normal(size=(9, 7)).astype(dtype), rng.normal(size=(9, 5)).astype(dtype)
    node = fhenn.Linear(weight, bias)
    np.testing.assert_array_equal(node(x), x @ weight.T.astype(dtype) + bias.astype(dtype))
    np.testing.assert_array_equal(node.backward(gradient), gradient @ weight.astype(dtype))


def test_scaled():
    node = Affine(Sparse([0], [1], [3.0], (1, 2)), [1.0]).scaled(2.0)
    assert type(node.operator) is Sparse
    assert (node.operator.dense().tolist(), node.bias.tolist()) == ([[0.0, 6.0]], [2.0])
    linear = fhenn.Linear([[3.0]], [1.0]).scaled(0.5)
    assert (type(linear), linear.weight.tolist(), linear.bias.tolist()) == (fhenn.Linear, [[1.5]], [0.5])
    with pytest.raises(NonFiniteValue):
        node.scaled(np.inf)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))])  # noqa: S301
def test_copies_compute_the_same(duplicate):
    node = Affine(OPERATORS["sparse"], 1.0)
    np.testing.assert_array_equal(duplicate(node)(np.ones(3)), node(np.ones(3)))


def test_refuses():
    operator = OPERATORS["dense"]
    for bias in (np.ones(3), np.ones((1, 2))):
        with pytest.raises(ShapeMismatch, match="Affine bias"):
            Affine(operator, bias)
    with pytest.raises(NonFiniteValue, match="Affine bias"):
        Affine(operator, [np.nan, 0.0])
    node = Affine(operator)
    for x in (1.0, [1.0], np.ones((3, 2))):
        with pytest.raises(ShapeMismatch, match=r"expected \(\.\.\., 3\)"):
            node(x)
    node.forward(np.ones((2, 3)))
    with pytest.raises(ShapeMismatch, match=r"Affine\.backward"):
        node.backward(np.ones((2, 3)))
    with pytest.raises(ShapeMismatch, match=r"Affine after Affine: got shape \(2, 3\), expected \(outputs, 2\)"):
        node.then(node)
    huge = Affine(Scaling([1e200]), 1e200)
    with pytest.raises(NonFiniteValue):
        huge.then(huge)


def test_backward_on_ciphertexts_is_refused(small, features):
    node = Affine(Scaling([1.0]))
    node.enable_cache()
    node(features.encrypt(small, np.ones((2, 1))))
    with pytest.raises(UnsupportedOperation, match="plaintext"):
        node.backward(np.ones((2, 1)))


def test_in_a_model():
    model = fhenn.Sequential([Affine(Scaling([2.0, 3.0])), fhenn.Sigmoid(), fhenn.Linear([[1.0, 1.0]])])
    assert model.cost == 4
    assert "(..., 2)" in model.summary().splitlines()[2]
    assert model.summary().splitlines()[2].split()[-1] == "4"
    with pytest.raises(ShapeMismatch, match="after an output of 2"):
        fhenn.Sequential([Affine(Scaling([2.0, 3.0])), fhenn.Sigmoid(), Affine(Scaling([1.0]))])


class TestLayers:
    def test_those_of_a_sequential_in_its_place(self):
        nodes = [Affine(Scaling([1.0])), fhenn.Sigmoid(), fhenn.Linear([[1.0]])]
        model = fhenn.Sequential([fhenn.Sequential(nodes[:1]), fhenn.Sequential(nodes[1:])])
        assert list(layers(model)) == nodes
        assert list(layers(nodes[1])) == nodes[1:2]

    def test_others_are_refused(self):
        for other in (object(), fhenn.Linear):
            with pytest.raises(UnsupportedNode, match="neither an affine layer nor an activation") as caught:
                list(layers(other))
            assert caught.value.node == type(other).__name__


REPRS = [
    (fhenn.Sigmoid(), "Sigmoid(domain=(-4, 4), degree=3, cost=2)"),
    (fhenn.SignReLU(domain=(-8, 8), degrees=(7, 7)), "SignReLU(domain=(-8, 8), degrees=(7, 7), cost=7)"),
    (fhenn.Square((-1.5, 2)), "Square(domain=(-1.5, 2), degree=2, cost=1)"),
    (fhenn.Linear([[12345.0, 1.0, 1.0]] * 2), "Linear(inputs=3, outputs=2, cost=1)"),
    (Affine(Scaling([12345.0, 1.0])), "Affine(operator=Scaling(inputs=2, outputs=2), cost=1)"),
    (
        fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid()], finish="sigmoid"),
        "Sequential([Linear(inputs=1, outputs=1, cost=1), Sigmoid(domain=(-4, 4), degree=3, cost=2)], "
        "finish='sigmoid')",
    ),
    (fhenn.Sequential([fhenn.Square()]), "Sequential([Square(domain=(-4, 4), degree=2, cost=1)])"),
]


@pytest.mark.parametrize(("node", "text"), REPRS, ids=[type(node).__name__ for node, _ in REPRS])
def test_repr_says_what_a_node_is(node, text):
    assert repr(node) == text


def test_repr_holds_no_secret():
    class Locked(Layer):
        cost, has_parameters = 2, False
        _forward = _backward = _step = None

        def __init__(self):
            super().__init__()
            self.key = "s3cret"

    assert repr(Locked()) == "Locked(cost=2)"
    assert "s3cret" not in repr(fhenn.Sigmoid(debug_secret="s3cret"))  # noqa: S106


@pytest.mark.parametrize("operator", [[[1.0, 2.0]], np.eye(2), "a", None], ids=lambda each: type(each).__name__)
def test_a_matrix_is_no_operator(operator):
    with pytest.raises(UnsupportedValue, match=r"Dense\(matrix\)"):
        Affine(operator)
