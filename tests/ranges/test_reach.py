"""Intervals that nothing leaves: random, corner and climbing inputs against them, and arithmetic in fractions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fhenn
from fhenn.approx import SIGMOID, Polynomial, minimax
from fhenn.nn import Affine, Dense, Scaling, Sparse
from fhenn.ranges import Reach, reaches
from fhenn.ranges.reach import image_of

rng = np.random.default_rng(0)


def model(sizes, activation, size=1.0):
    nodes = []
    for width, outputs in pairwise(sizes):
        nodes += [
            fhenn.Linear(rng.normal(size=(outputs, width)) * size / width**0.5, rng.normal(size=outputs) / 3),
            activation(),
        ]
    return nodes[:-1]


ACTIVATIONS = {
    "cubic": lambda: fhenn.Sigmoid(on_violation="ignore"),
    "degree 7": lambda: fhenn.Sigmoid(domain=(-8, 8), degree=7, on_violation="ignore"),
    "gelu": lambda: fhenn.GELU(on_violation="ignore"),
    "lopsided": lambda: fhenn.Sigmoid(domain=(-3, 5), degree=5, on_violation="ignore"),
    "sign relu": lambda: fhenn.SignReLU(degrees=(3, 3), on_violation="ignore"),
}


def climbing(nodes, low, high, output, sign):
    """An input that a coordinate search pushes towards the largest (or smallest) value of an output."""

    def value(x):
        for node in nodes:
            x = node.infer(x)
        return sign * x[..., output]

    x = rng.uniform(low, high)
    for _ in range(3):
        for feature in rng.permutation(len(x)):
            tries = np.repeat(x[None], 5, axis=0)
            tries[:, feature] = np.linspace(low[feature], high[feature], 5)
            x = tries[value(tries).argmax()]
    return x


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(5, 4, 3), (3, 8, 8, 2), (20, 6, 1)], ids=str)
def test_nothing_leaves_its_interval(name, sizes):
    nodes = model(sizes, ACTIVATIONS[name])
    low, high = -rng.uniform(0, 1, sizes[0]), rng.uniform(0, 1, sizes[0])
    found = reaches(nodes, low, high)
    x = np.concatenate(
        [
            rng.uniform(low, high, (2000, sizes[0])),
            np.where(rng.random((2000, sizes[0])) < 0.5, low, high),
            *([climbing(nodes, low, high, output, sign)] for output in range(sizes[-1]) for sign in (-1, 1)),
        ]
    )
    for node, reach in zip(nodes, found[1:], strict=True):
        x = node.infer(x)
        assert (reach.low <= x).all()
        assert (x <= reach.high).all()


def test_relaxation_pays_where_layers_follow():
    nodes = model((30, 20, 20, 1), ACTIVATIONS["cubic"])
    low, high = -np.ones(30) / 4, np.ones(30) / 4
    tight = reaches(nodes, low, high)[-1]
    loose = Reach(low, high)
    for node in nodes:  # each node on its own
        loose = reaches([node], loose.low, loose.high)[-1]
    assert (tight.high - tight.low)[0] < (loose.high - loose.low)[0] / 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(-3, 3), st.floats(0, 3))
def test_an_image_holds_every_value(coefficients, low, width):
    polynomial = Polynomial(tuple(coefficients), (-3, 6))
    image = image_of(polynomial, Reach(np.array([low]), np.array([low + width])))
    values = polynomial(np.linspace(low, low + width, 1001))
    assert image.low[0] <= values.min()
    assert values.max() <= image.high[0]
    bend = np.abs(np.polynomial.Polynomial(coefficients).deriv(2)(np.linspace(-3, 6, 101))).max() if width else 0.0
    assert image.high[0] - image.low[0] <= (values.max() - values.min()) * 1.01 + 20 * bend * width**2 / 128**2 + 1e-6


def test_rounding_is_outward():
    """Sums that cancel: the exact value, in fractions, lies inside."""
    weight = np.array([[1e16, 1.0, -1e16, 0.1]])
    node = fhenn.Linear(weight, [0.3])
    for _ in range(50):
        x = rng.uniform(0.9, 1.1, 4)
        reach = reaches([node], x, x)[-1]
        exact = sum(Fraction(w) * Fraction(v) for w, v in zip(weight[0], x, strict=True)) + Fraction(0.3)
        assert Fraction(reach.low[0]) <= exact <= Fraction(reach.high[0])


def test_a_point_stays_a_point_nearly():
    nodes = model((4, 3, 2), ACTIVATIONS["degree 7"])
    x = rng.uniform(-1, 1, 4)
    for reach in reaches(nodes, x, x):
        assert (reach.high - reach.low).max() < 1e-10


def test_fields():
    reach = Reach(np.array([-3.0, 0.0]), np.array([1.0, 2.0]))
    assert (reach.largest, reach.interval) == (3.0, (-3.0, 2.0))
    np.testing.assert_array_equal(reach.widened(0.5).low, [-3.5, -0.5])
    assert image_of(minimax(SIGMOID, 7, (-8, 8)), reach).largest < 1


@pytest.mark.parametrize(
    "operator",
    [Scaling([2.0, -3.0, 0.5]), Sparse([0, 1, 1], [2, 0, 1], [1.5, -2.0, 0.25], (2, 3)), Dense(np.ones((2, 3)))],
    ids=lambda operator: operator.name,
)
def test_an_operator_reaches_what_its_matrix_does(operator):
    low, high = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 0.5, 3.0])
    bias = rng.normal(size=operator.outputs)
    after = fhenn.Linear(rng.normal(size=(2, operator.outputs)))
    mine = reaches([Affine(operator, bias), fhenn.Square(), after], low, high)
    theirs = reaches([fhenn.Linear(operator.dense(), bias), fhenn.Square(), after], low, high)
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose([one.low, one.high], [other.low, other.high], rtol=1e-12, atol=1e-12)
