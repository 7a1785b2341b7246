"""The ring that a model is expected to take is the one that its plan takes."""

import numpy as np
import pytest
from support import mostly_thorough

import fhenn
from fhenn.errors import PlanError
from fhenn.nn import circuit
from fhenn.planner.ring import expected_ring
from fhenn.ranges import Inputs

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))


def linear(outputs, inputs, size=1.0):
    return fhenn.Linear(size * rng.normal(size=(outputs, inputs)) / np.sqrt(inputs))


def chain(*degrees, size=1.0):
    """A network with activations of degrees."""
    nodes = [linear(6, 4, size)]
    for degree in degrees:
        nodes += [fhenn.Tanh(domain=(-6, 6), degree=degree), linear(6, 6)]
    return fhenn.Sequential(nodes)


MODELS = {
    "affine": lambda: fhenn.Sequential([linear(3, 4)]),
    "square": lambda: fhenn.Sequential([linear(3, 4), fhenn.Square(), linear(2, 3)]),
    "two squares": lambda: fhenn.Sequential([linear(3, 4), fhenn.Square(), linear(3, 3), fhenn.Square(), linear(2, 3)]),
    "one cubic": lambda: chain(3),
    "one high": lambda: chain(15),
    "two": lambda: chain(7, 7),
    "ends in an activation": lambda: fhenn.Sequential([linear(3, 4), fhenn.Tanh(domain=(-6, 6), degree=7)]),
    "large values": lambda: fhenn.Sequential([linear(3, 4, 300.0), fhenn.Square(), linear(2, 3, 1e-4)]),
    "product": lambda: fhenn.Sequential([linear(4, 4), fhenn.Multiply(linear(4, 4), fhenn.Square()), linear(2, 4)]),
    "sum": lambda: fhenn.Sequential([linear(4, 4), fhenn.Residual(fhenn.Square(), linear(4, 4)), linear(2, 4)]),
    "image": lambda: fhenn.Sequential(
        [fhenn.Conv2d(rng.normal(size=(2, 1, 2, 2)), shape=(1, 2, 2)), fhenn.Square(), fhenn.nn.Flatten(), linear(2, 2)]
    ),
}


def known_of(model, samples=None, bounds=None):
    return Inputs.of(circuit(model), bounds=bounds, inputs=samples, shape=fhenn.planner.image_shape_of(model))


@pytest.mark.parametrize(
    ("ranges", "name"),
    mostly_thorough([(ranges, name) for ranges in ("worst", "data") for name in MODELS], (0, 1, 12)),
)
def test_it_is_that_of_the_plan(ranges, name):
    model = MODELS[name]()
    known = known_of(model, X)
    plan = fhenn.plan(model, inputs=X, ranges=ranges, rows=1)
    assert expected_ring(model, known, ranges) == plan.parameters.ring_degree


@pytest.mark.thorough
def test_data_take_the_place_of_the_worst_case():
    """The worst corner of the box leaves the domain far behind; the samples do not."""
    model = fhenn.Sequential([fhenn.Linear(np.full((1, 4), 8.0)), fhenn.Tanh(domain=(-6, 6), degree=15)])
    inputs = np.where(np.arange(4) % 2, 1.0, -1.0) * rng.uniform(-1, 1, (500, 1)) + rng.normal(size=(500, 4)) / 50
    known = known_of(model, inputs)
    assert expected_ring(model, known, "worst") is None
    with pytest.raises(PlanError):
        fhenn.plan(model, inputs=inputs, ranges="worst", rows=1)
    with pytest.warns(fhenn.errors.PlanWarning):
        plan = fhenn.plan(model, inputs=inputs, rows=1)
    assert expected_ring(model, known) == expected_ring(model, known, "data") == plan.parameters.ring_degree


@pytest.mark.parametrize(
    "model",
    [
        fhenn.Sequential([node for _ in range(9) for node in (fhenn.Linear(np.eye(4)), fhenn.Tanh((-8, 8), 31))]),
        fhenn.Sequential([fhenn.Linear(np.full((1, 4), 1e300)), fhenn.Square(), fhenn.Linear([[1e300]])]),
        fhenn.Sequential([fhenn.Linear(np.eye(4)), fhenn.PolynomialActivation([2.0])]),
    ],
    ids=["depth", "size", "constant"],
)
def test_where_there_is_no_plan_there_is_no_ring(model):
    with pytest.raises(PlanError):
        fhenn.plan(model, bounds=[-1, 1])
    assert expected_ring(model, known_of(model, bounds=[-1, 1])) is None


def test_the_accuracy_counts():
    model = chain(7)
    known = known_of(model, bounds=[-1, 1])
    rings = [expected_ring(model, known, accuracy=accuracy) for accuracy in (1e-1, 1e-3, 1e-7)]
    assert rings == sorted(rings)
    assert rings[0] < rings[-1]
