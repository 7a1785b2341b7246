import numpy as np
import pytest

import fhenn
from fhenn.errors import ParameterError


@pytest.mark.parametrize(
    ("optimiser", "settings"),
    [
        (fhenn.SGD, {"learning_rate": 0.0}),
        (fhenn.SGD, {"learning_rate": -1}),
        (fhenn.SGD, {"learning_rate": float("nan")}),
        (fhenn.SGD, {"weight_decay": -0.1}),
        (fhenn.Adam, {"learning_rate": 0.0}),
        (fhenn.Adam, {"beta1": 1.0}),
        (fhenn.Adam, {"beta2": -0.1}),
        (fhenn.Adam, {"epsilon": 0.0}),
        (fhenn.Adam, {"weight_decay": -1.0}),
    ],
)
def test_refuses(optimiser, settings):
    with pytest.raises(ParameterError):
        optimiser(**settings)


def test_weight_decay():
    moved, _ = fhenn.SGD(0.5, weight_decay=0.1).step(np.array([2.0]), np.array([1.0]))
    assert moved == pytest.approx([2.0 - 0.5 * 1.2])


def test_adam_follows_the_paper():
    """Algorithm 1 of Kingma & Ba 2015, written out."""
    adam = fhenn.Adam(0.1, weight_decay=0.01)
    rng = np.random.default_rng(0)
    parameter, state = rng.normal(size=4), None
    expected, m, v = parameter.copy(), np.zeros(4), np.zeros(4)
    for t in range(1, 6):
        gradient = rng.normal(size=4)
        parameter, state = adam.step(parameter, gradient, state)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        expected -= 0.1 * (m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) + 0.01 * expected)
        np.testing.assert_allclose(parameter, expected)


def test_arguments_are_not_changed():
    parameter, gradient = np.ones(2), np.ones(2)
    parameter.flags.writeable = gradient.flags.writeable = False
    _, state = fhenn.Adam().step(parameter, gradient)
    before = state.mean.copy()
    fhenn.Adam().step(parameter, gradient, state)
    np.testing.assert_array_equal(state.mean, before)


def test_layers_remember_between_steps():
    node, other = (fhenn.Linear([[1.0, -2.0]], optimiser=fhenn.Adam(0.1)) for _ in range(2))
    for _ in range(3):
        node.backward(node.forward([1.0, 2.0]))
        node.updates()
    other.backward(other.forward([1.0, 2.0]))
    other.updates()
    assert node._states[0].steps == 3
    assert other._states[1].steps == 1


@pytest.mark.parametrize("rule", [fhenn.nn.SGD, fhenn.nn.Adam])
@pytest.mark.parametrize("value", ["x", None, [0.1]], ids=repr)
def test_what_is_no_number_is_refused(rule, value):
    with pytest.raises(ParameterError, match="must be a number"):
        rule(value)
