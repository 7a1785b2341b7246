"""The product of two branches: twin, gradients, and ciphertexts on every evaluator."""

import copy
import pickle

import numpy as np
import pytest
from pass_through import PassThroughContext
from support import on_evaluator

import fhenn
from fhenn.ckks.sums import drop_to
from fhenn.errors import (
    CacheEmpty,
    LevelExhausted,
    ParameterError,
    ShapeMismatch,
    UnsupportedNode,
    UnsupportedOperation,
)
from fhenn.nn import circuit, deepest, layers, losses

rng = np.random.default_rng(0)
PARAMETERS = fhenn.Parameters(16384, (60, 40, 40, 40, 40, 60), 2.0**40)


def linear(outputs, inputs):
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / 2, rng.normal(size=outputs) / 2)


def gate():
    return fhenn.Multiply(linear(3, 4), fhenn.Sequential([linear(3, 4), fhenn.Sigmoid()]))


@pytest.fixture(scope="module")
def keys():
    return fhenn.Context.generate(PARAMETERS)


@pytest.fixture(params=["double", "native", pytest.param("seal", marks=pytest.mark.thorough)])
def evaluator(request):
    return request.param


@pytest.fixture
def context(evaluator, keys):
    return PassThroughContext(PARAMETERS) if evaluator == "double" else on_evaluator(keys, evaluator)


def test_the_twin_is_the_product():
    node, x = gate(), rng.normal(size=(5, 4))
    np.testing.assert_array_equal(node.forward(x), node.body.infer(x) * node.other.infer(x))
    np.testing.assert_array_equal(node.infer(x), node.forward(x))
    alone = fhenn.Multiply(linear(4, 4))
    np.testing.assert_array_equal(alone.infer(x), alone.body.infer(x) * x)
    assert alone.other is None
    assert (node.cost, alone.cost, fhenn.Multiply(fhenn.Square()).cost) == (4, 2, 2)
    assert node.infer(x.astype(np.float32)).dtype == np.float32
    assert node.forward(x[0]).shape == (3,)
    assert repr(alone) == f"Multiply({alone.body!r})"


@pytest.mark.parametrize("itself", [False, True])
def test_gradients(itself):
    """At the input and at the weights, beside differences of the twin."""
    node = fhenn.Multiply(linear(4, 4)) if itself else fhenn.Multiply(linear(3, 4), linear(3, 4))
    x, weights = rng.normal(size=(5, 4)), rng.normal(size=(5, node.body.outputs))
    node.forward(x)
    gradient = node.backward(weights)
    for place in np.ndindex(x.shape):
        moved = np.zeros_like(x)
        moved[place] = 1e-6
        slope = (weights * (node.infer(x + moved) - node.infer(x - moved))).sum() / 2e-6
        assert gradient[place] == pytest.approx(slope, abs=1e-7)
    before = node.body.weight.copy()
    node.update()
    other = x if itself else node.other.infer(x)
    if itself:
        np.testing.assert_allclose(before - node.body.weight, 0.1 * (weights * other).T @ x)


def test_each_gradient_meets_its_own_input():
    node, twin = gate(), None
    xs, gradients = rng.normal(size=(3, 5, 4)), rng.normal(size=(3, 5, 3))
    twin = copy.deepcopy(node)
    node.forwards(xs)
    together = node.backwards(gradients)
    for x, gradient, found in zip(xs, gradients, together, strict=True):
        twin.forward(x)
        np.testing.assert_array_equal(twin.backward(gradient), found)
    with pytest.raises(CacheEmpty, match=r"Multiply\.backward"):
        node.backward(gradients[0])
    node.updates()
    node.disable_cache()
    assert not node.is_cache_enabled
    node.forward(xs[0])
    with pytest.raises(CacheEmpty, match="enable_cache"):
        node.backward(gradients[0])
    node.enable_cache()
    node.forward(xs[0].astype(np.float32))
    assert node.backward(gradients[0].astype(np.float32)).dtype == np.float32
    node.forward(xs[0])
    assert node.backward(1.0).shape == (5, 4)
    other = pickle.loads(pickle.dumps(node))  # noqa: S301  (our own)
    np.testing.assert_array_equal(other.infer(xs[0]), node.infer(xs[0]))


def test_a_gated_model_learns():
    """Whether two coordinates have one sign: no linear model tells, and a product of two does."""
    x = rng.normal(size=(400, 2))
    labels = (x[:, 0] * x[:, 1] > 0).astype(float)[:, None]
    rule, loss = fhenn.Adam(0.05), losses.BinaryCrossEntropy()
    first, second = (fhenn.Linear(rng.normal(size=(3, 2)), optimiser=rule) for _ in range(2))
    model = fhenn.Sequential([fhenn.Multiply(first, second), fhenn.Linear(rng.normal(size=(1, 3)), optimiser=rule)])
    for _ in range(200):
        model.backward(loss.gradient(model.forward(x), labels))
        model.updates()
    assert np.mean((model.infer(x) > 0) == labels) > 0.97


def test_ciphertexts(context):
    node, x = gate(), rng.uniform(-1, 1, (5, 4))
    encrypted = fhenn.encrypt(context, x, layout="features")
    for found in (node.forward(encrypted), node.infer(encrypted)):
        assert (found.shape, found.level) == ((5, 3), context.levels - node.cost)
        np.testing.assert_allclose(fhenn.decrypt(context, found), node.infer(x), atol=1e-6)
    itself = fhenn.Multiply(linear(4, 4))
    found = itself.infer(encrypted)
    assert found.level == context.levels - 2
    np.testing.assert_allclose(fhenn.decrypt(context, found), itself.infer(x), atol=1e-6)
    with pytest.raises(LevelExhausted):
        node.infer(drop_to(encrypted, 3))
    node.enable_cache()
    node.forward(encrypted)  # of which nothing is kept, so that the gradient is that of the plaintext
    with pytest.raises(CacheEmpty):
        node.backward(np.ones((5, 3)))
    node.forward(x)
    with pytest.raises(UnsupportedOperation, match="Train on plaintext"):
        node.backward(fhenn.encrypt(context, np.ones((5, 3)), layout="features"))


def test_branches_that_do_not_meet():
    x = rng.normal(size=(5, 4))
    for node in (fhenn.Multiply(linear(3, 4), linear(2, 4)), fhenn.Multiply(linear(3, 4))):
        for run in (node.forward, node.infer):
            with pytest.raises(ShapeMismatch, match="from its body, as comes from its other"):
                run(x)
    with pytest.raises(ShapeMismatch, match="Multiply"):
        fhenn.Sequential([linear(4, 4), fhenn.Multiply(linear(3, 4), linear(2, 4))])
    same = linear(3, 4)
    with pytest.raises(ParameterError, match="the same node"):
        fhenn.Multiply(same, same)
    for body, other in ((None, same), (same, 3)):
        with pytest.raises(ParameterError, match="fhenn nodes"):
            fhenn.Multiply(body, other)
    with pytest.raises(UnsupportedNode, match="a Multiply has two branches"):
        list(layers(gate()))


def test_its_circuit():
    names = [step.name for step in circuit(gate())]
    assert names == ["Fork", "Linear", "Swap", "Linear", "Sigmoid", "Multiply"]
    assert [step.name for step in deepest(circuit(gate()))] == ["Linear", "Sigmoid", "Multiply"]
    assert sum(step.cost for step in deepest(circuit(gate()))) == gate().cost


@pytest.mark.parametrize(
    ("body", "shortcut", "levels"),
    [
        ("square", "linear", 2),
        ("linear", "square", 2),
        ("linear", "linear", 1),
        ("square", "square", 1),
        ("sigmoid", "square", 2),
        ("linear square", "square linear", 3),
        ("linear square", "linear square", 2),
    ],
)
def test_a_sum_takes_a_level_where_two_scales_meet(body, shortcut, levels):
    """As many as are counted on the way: no fewer, and no more."""
    make = {"square": fhenn.Square, "sigmoid": fhenn.Sigmoid, "linear": lambda: linear(4, 4)}
    branches = (fhenn.Sequential([make[name]() for name in names.split()]) for names in (body, shortcut))
    node = fhenn.Residual(*branches)
    context, x = PassThroughContext(PARAMETERS), rng.uniform(-1, 1, (5, 4))
    assert sum(step.cost for step in deepest(circuit(node))) == levels
    found = node.infer(fhenn.encrypt(context, x, layout="features"))
    assert context.levels - found.level == levels
    np.testing.assert_allclose(fhenn.decrypt(context, found), node.infer(x), atol=1e-6)
