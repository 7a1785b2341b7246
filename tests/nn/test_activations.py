"""The sigmoid's sisters: what they compute, on plaintext and on ciphertexts, and what they refuse."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from support import PACKED, VECTOR, compare, kinds, parity

import fhenn
from fhenn.approx import FUNCTIONS, MISH, SIGMOID_CUBIC, Function, Polynomial, leaky_relu, preset
from fhenn.errors import (
    AccuracyUnreached,
    LevelExhausted,
    NonFiniteValue,
    ParameterError,
    RangeViolation,
    RangeWarning,
    ScaleMismatch,
    UnsupportedOperation,
    UnsupportedValue,
)
from fhenn.nn.activation import flip_of

rng = np.random.default_rng(0)

SISTERS = {
    "sigmoid": lambda **k: fhenn.Sigmoid(domain=(-8, 8), degree=7, **k),
    "tanh": fhenn.Tanh,
    "relu": fhenn.ReLU,
    "silu": fhenn.SiLU,
    "gelu": fhenn.GELU,
    "softplus": fhenn.Softplus,
    "square": fhenn.Square,
    "polynomial": lambda **k: fhenn.PolynomialActivation([0.25, 0.5, 0.125], domain=(-2, 2), **k),
    "sign relu": lambda **k: fhenn.SignReLU(degrees=(5, 5), **k),
}


def points(node, count=257):
    return np.linspace(*node.domain, count)


@pytest.mark.parametrize("name", [name for name in SISTERS if name != "polynomial"])
def test_close_to_the_exact_function(name):
    node = SISTERS[name]()
    stated = node.sup_error() if isinstance(node, fhenn.SignReLU) else node.polynomial.sup_error()
    largest = np.abs(node(points(node, 4001)) - node.exact(points(node, 4001))).max()
    assert 0.9 * stated - 1e-12 <= largest <= stated + 1e-12


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("make", "cost", "stated"),
    [
        (fhenn.Tanh, 3, 0.0026),
        (fhenn.ReLU, 3, 0.07),
        (fhenn.SiLU, 3, 0.002),
        (fhenn.GELU, 3, 0.0098),
        (fhenn.Softplus, 2, 0.0092),
        (fhenn.Square, 1, 0.0),
        (fhenn.SignReLU, 7, 0.11),
        (lambda: fhenn.SignReLU(degrees=(15, 15)), 9, 0.035),
        (lambda: fhenn.SignReLU(degrees=(7, 7, 13)), 11, 0.018),
    ],
)
def test_defaults_are_as_documented(make, cost, stated):
    node = make()
    assert node.cost == cost
    error = np.abs(node(points(node, 4001)) - node.exact(points(node, 4001))).max()
    assert error <= stated <= 1.1 * error + 1e-9


@pytest.mark.parametrize("name", SISTERS)
def test_backward_is_the_slope_of_what_runs(name):
    node = SISTERS[name](on_violation="ignore")
    x, step = points(node, 101), 1e-5
    node.forward(x)
    slope = (node.infer(x + step) - node.infer(x - step)) / (2 * step)
    np.testing.assert_allclose(node.backward(2.0 * np.ones_like(x)), 2 * slope, atol=1e-6)


@pytest.mark.parametrize("name", SISTERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_precision_are_kept(name, dtype):
    node = SISTERS[name]()
    x = rng.uniform(*node.domain, (2, 3)).astype(dtype)
    y = node(x)
    assert (y.shape, y.dtype) == (x.shape, dtype)
    assert node(0.0).shape == ()


def test_gradient_at_the_kink_of_relu_is_stated():
    for node in (fhenn.ReLU(), fhenn.SignReLU()):
        node.forward(np.zeros(1))
        assert node.backward(np.ones(1)) == pytest.approx(0.5, abs=1e-9)
        assert node.function.derivative(0.0) == 0.0


@kinds(VECTOR, PACKED)
@pytest.mark.parametrize("name", [name for name in SISTERS if name != "sign relu"])
def test_parity(name, kind, deep):
    node = SISTERS[name]()
    x = rng.uniform(*node.domain, 16)
    result = parity(node, x, kind, deep, 5e-6)
    extra = 1 if kind is VECTOR else 0
    assert kind.levels(result) == {4 - node.cost - extra}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["softplus", "square", "polynomial"])
def test_backward_on_ciphertexts(name, deep, packed):
    node = SISTERS[name]()
    node.enable_cache()
    x = rng.uniform(*node.domain, 16)
    encrypted = packed.encrypt(deep, x)
    node.forward(encrypted)
    node.forward(x)
    expected = node.backward(np.ones_like(x))
    result = node.backward(packed.encrypt(deep, np.ones_like(x)))
    compare(packed.reveal(result, deep), expected, 1e-5)
    assert packed.levels(result) == {4 - node.backward_cost}


@pytest.mark.thorough
def test_sign_relu_on_ciphertexts(on):
    # a domain of [-4, 4]: 2^40.6 is the scale after the first three of seven levels
    parameters = fhenn.Parameters(16384, (60, 38, *[40] * 3, *[39] * 3, 60), 2.0**38)
    long = on(fhenn.Context.generate(parameters))
    node = fhenn.SignReLU(degrees=(7, 7))
    x = rng.uniform(-4, 4, long.slots)
    result = node(fhenn.encrypt(long, x))
    assert long.levels - result.level == node.cost == 7
    compare(fhenn.decrypt(long, result), node(x), 2e-5)
    with pytest.raises(UnsupportedOperation, match="plaintext"):
        node.enable_cache()
        node.forward(y := fhenn.encrypt(long, x))
        node.backward(y)
    with pytest.raises(LevelExhausted):
        node(result)
    cramped = on(fhenn.Context.generate(fhenn.Parameters(16384, (50, *[36] * 7, 60), 2.0**38)))
    with pytest.raises(ScaleMismatch, match=r"outgrows|suits"):
        node(fhenn.encrypt(cramped, x))
    assert (node.headroom(y), node.headroom(1.0), node.backward_cost) == (4.0, np.inf, 0)


def test_sigmoid_without_arguments_is_the_cubic():
    assert fhenn.Sigmoid().polynomial is SIGMOID_CUBIC


def test_degree_or_accuracy_chooses():
    assert fhenn.Sigmoid(domain=(-8, 8), degree=7).polynomial == preset("sigmoid-minimax-8-7")
    node = fhenn.Sigmoid(domain=(-8, 8), accuracy=1e-3)
    assert node.polynomial.sup_error() <= 1e-3
    assert fhenn.Sigmoid(domain=(-8, 8), degree=node.polynomial.degree - 2).polynomial.sup_error() > 1e-3
    assert fhenn.Sigmoid(degree=5).domain == (-4, 4)
    assert fhenn.Sigmoid(domain=(-2, 6), degree=4).cost == 2


def test_own_polynomials():
    safe = preset("sigmoid-tail-safe-8-16-9")
    node = fhenn.Sigmoid(polynomial=safe, on_violation="ignore")
    assert node.polynomial is safe
    assert flip_of(safe) is None or flip_of(safe) > 16
    assert (node(np.linspace(8, 16, 50)) > 0.55).all()
    assert fhenn.PolynomialActivation(safe).polynomial is safe
    assert fhenn.PolynomialActivation([0, 1]).domain == (-4, 4)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: fhenn.Sigmoid(domain=(4, -4), degree=3), ParameterError),
        (lambda: fhenn.Sigmoid(domain=(4, 4), degree=3), ParameterError),
        (lambda: fhenn.Sigmoid(domain=(-4, 4), degree=0), ParameterError),
        (lambda: fhenn.Sigmoid(domain=(-4, 4), degree=64), ParameterError),
        (lambda: fhenn.Sigmoid(domain=(-4, 4), degree=3, accuracy=0.1), ParameterError),
        (lambda: fhenn.Sigmoid(domain=(-4, 4), accuracy=-1.0), ParameterError),
        (lambda: fhenn.ReLU(domain=(-8, 8), accuracy=1e-3), AccuracyUnreached),
        (lambda: fhenn.Sigmoid(polynomial=SIGMOID_CUBIC, degree=3), ParameterError),
        (lambda: fhenn.Tanh(polynomial=SIGMOID_CUBIC, domain=(-1, 1)), ParameterError),
        (lambda: fhenn.PolynomialActivation(SIGMOID_CUBIC, domain=(-1, 1)), ParameterError),
        (lambda: fhenn.PolynomialActivation([]), ParameterError),
        (lambda: fhenn.PolynomialActivation([np.nan]), ParameterError),
        (lambda: fhenn.Square(domain=(1, 0)), ParameterError),
        (lambda: fhenn.SignReLU(domain=(-4, 5)), ParameterError),
        (lambda: fhenn.SignReLU(degrees=(4, 4)), ParameterError),
        (lambda: fhenn.SignReLU(degrees=()), ParameterError),
        (lambda: fhenn.Sigmoid(on_violation="shout"), ParameterError),
        (lambda: fhenn.Sigmoid(domain=(0, 5e-324), degree=7), ParameterError),
        (lambda: fhenn.Sigmoid(degree=[3]), ParameterError),
        (lambda: fhenn.Sigmoid(accuracy="x"), ParameterError),
        (lambda: fhenn.Sigmoid(polynomial=3), ParameterError),
        (lambda: fhenn.PolynomialActivation("abc"), UnsupportedValue),
        (lambda: fhenn.PolynomialActivation(None), UnsupportedValue),
        (lambda: fhenn.PolynomialActivation([1, 2j]), UnsupportedValue),
        (lambda: fhenn.PolynomialActivation([[1, 2], [3, 4]]), ParameterError),
        (lambda: fhenn.SignReLU(domain=None), ParameterError),
        (lambda: fhenn.SignReLU(domain=(-1e308, 1e308)), ParameterError),
        (lambda: fhenn.SignReLU(degrees=7), ParameterError),
    ],
)
def test_refused(make, error):
    with pytest.raises(error):
        make()


def test_exact_needs_a_function():
    with pytest.raises(ParameterError, match="no function"):
        fhenn.PolynomialActivation([0, 1]).exact(1.0)
    for name, function in FUNCTIONS.items():
        node = fhenn.PolynomialActivation(Polynomial((0.0, 1.0), (-1, 1), function=function))
        assert node.exact(0.5) == function.value(0.5), name


def test_guard_speaks_of_the_polynomial():
    with pytest.warns(RangeWarning, match=r"outside \[-8, 8\].*crosses 0\.5"):
        fhenn.Sigmoid(domain=(-8, 8), degree=7)(9.0)
    with pytest.warns(RangeWarning, match="grow with the highest power"):
        fhenn.GELU()(9.0)
    with pytest.raises(RangeViolation):
        fhenn.SignReLU(on_violation="raise")(9.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fhenn.Tanh(on_violation="ignore")(9.0)


def test_weights_are_proposed_for_the_domain():
    data = rng.normal(size=(50, 4))
    wide = fhenn.Sigmoid(domain=(-16, 16), degree=7)
    assert np.abs(data @ wide.propose_weights(data, rng=0).T).max() > 4 * 0.5
    assert np.abs(data @ wide.propose_weights(data, rng=0).T).max() <= 16
    with pytest.raises(ParameterError, match="round 0"):
        fhenn.Sigmoid(domain=(1, 3), degree=3).propose_weights(data)


def test_trains_with_the_polynomial_that_runs():
    x = rng.uniform(-1, 1, (200, 2))
    wanted = np.abs(x[:, :1]) + 0.5 * x[:, 1:]
    hidden = fhenn.Linear(rng.normal(size=(8, 2)), rng.normal(size=8), fhenn.Adam(0.02))
    activation = fhenn.GELU(on_violation="ignore")
    output = fhenn.Linear(rng.normal(size=(1, 8)) / 4, None, fhenn.Adam(0.02))
    model = fhenn.Sequential([hidden, activation, output])
    losses = []
    for _ in range(300):
        error = model.forward(x) - wanted
        losses.append(float((error**2).mean()))
        model.backward(2 * error / len(x))
        model.updates()
    assert losses[-1] < losses[0] / 50


def test_arguments_of_numpy_types():
    node = fhenn.Sigmoid(domain=np.array([-8, 8]), degree=np.int64(7), accuracy=None)
    assert node.polynomial == preset("sigmoid-minimax-8-7")


@pytest.mark.parametrize("name", SISTERS)
def test_nodes_can_be_copied(name):
    node = SISTERS[name]()
    twin = copy.deepcopy(node)
    assert twin(0.5) == node(0.5)
    assert pickle.loads(pickle.dumps(node.polynomial)) == node.polynomial  # noqa: S301  (our own bytes)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (np.sin, {"degree": 9}),
        (lambda x: x / (1 + x * x), {"accuracy": 1e-2}),
        (MISH, {"degree": 8}),
        (leaky_relu(0.2), {"accuracy": 0.05}),
    ],
    ids=["ufunc", "lambda", "function", "family"],
)
def test_any_function_can_be_fitted(function, options):
    node = fhenn.Activation.fit(function, (-3, 3), **options)
    x = np.linspace(-3, 3, 100)
    exact = function.value(x) if isinstance(function, Function) else function(x)
    np.testing.assert_allclose(node.exact(x), exact)
    np.testing.assert_allclose(node.forward(x), exact, atol=options.get("accuracy", 0.05))
    assert not node.is_exact
    with pytest.warns(RangeWarning):
        node.forward(4.0)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((np.sin, (-3, 3)), ParameterError, "neither degree nor accuracy"),
        ((np.sin, (-3, 3), 5, 0.1), ParameterError, "both given"),
        ((np.sin, (3, -3), 5), ParameterError, "empty"),
        ((lambda x: np.where(x > 1, np.inf, x), (-3, 3), 5), NonFiniteValue, "finite"),
        (("relu", (-3, 3), 5), UnsupportedValue, "a function of arrays"),
        ((np.sum, (-3, 3), 5), ParameterError, "element by element"),
        ((np.sin, (-3, 3), 5, None, [9.0]), ParameterError, "no sample lies"),
        ((np.sin, (-3, 3), None, 0.1, [1.0]), ParameterError, "worst case"),
    ],
)
def test_what_cannot_be_fitted(arguments, error, text):
    with pytest.raises(error, match=text):
        fhenn.Activation.fit(*arguments[:4], samples=arguments[4] if len(arguments) > 4 else None)


def test_a_fit_on_samples_is_closer_on_them():
    x = rng.normal(size=2000)
    by_data, by_worst = (fhenn.Activation.fit(np.abs, (-6, 6), 8, samples=samples) for samples in (x, None))
    off = [np.sqrt(np.mean((node.forward(x) - np.abs(x)) ** 2)) for node in (by_data, by_worst)]
    assert off[0] < 0.8 * off[1]
