"""Outputs are padded to a power of two: a polynomial that does not take 0 must not meet one there."""

from itertools import product

import numpy as np
import pytest
from pass_through import PASS_THROUGH
from support import mostly_thorough

import fhenn
from fhenn.approx import Function
from fhenn.approx.fits import chebyshev
from fhenn.backends import is_available
from fhenn.nn import Affine, PolynomialActivation
from fhenn.planner.scaling import with_idle_values

LOG = Function("log", lambda x: np.log(np.maximum(x, 1e-3)), lambda x: 1 / np.maximum(x, 1e-3))
rng = np.random.default_rng(0)
OPTIONS = [{}, {"samples": 4}, {"witness": True}, {"layout": "throughput"}]
WAYS = list(product([3, 4], OPTIONS, [PASS_THROUGH.name, "seal", "native"]))
"""Outputs, of which 4 are not padded, options of the plan, and evaluators."""


def a_logarithm(outputs, *more):
    """Of weights and inputs between 0 and 1: between 5 and 9."""
    first = fhenn.Linear(rng.uniform(0, 1, (outputs, 4)), np.full(outputs, 5.0))
    log = PolynomialActivation(chebyshev(LOG, 15, (5.0, 9.0)), on_violation="ignore")
    return fhenn.Sequential([first, log, *more, fhenn.Linear(rng.uniform(-1, 1, (2, outputs)))])


@pytest.mark.parametrize(
    ("outputs", "options", "evaluator"),
    # every option without keys, and each evaluator of ciphertexts with padding
    mostly_thorough(WAYS, (0, 3, 6, 9, 1, 5)),
    ids=str,
)
@pytest.mark.thorough
def test_a_polynomial_far_from_0_spoils_nothing(outputs, options, evaluator):
    if evaluator == "native" and not is_available("native"):
        pytest.skip("the native library was not built")
    model = a_logarithm(outputs)
    plan = fhenn.plan(model, bounds=[0, 1], accuracy=1e-2, evaluator=evaluator, **{"layout": "latency"} | options)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = rng.uniform(0, 1, (4, 4))
    error = np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.infer(x))
    assert error.max() <= plan.error


def test_layers_hold_the_middle_of_a_domain_without_0():
    log = a_logarithm(3).nodes[1]
    layers = [fhenn.Linear(np.ones((3, 3)), bias) for bias in (None, [1.0, 2.0, 3.0])]
    nodes = [layers[0], log, layers[1], fhenn.Sigmoid(), fhenn.Linear(np.ones((1, 3)))]
    served = with_idle_values(nodes)
    assert [node.idle for node in served[::2]] == [7.0, 0.0, 0.0]
    assert served[1:] == nodes[1:], "the others are served as they are"
    assert with_idle_values(served)[0].idle == 7.0
    assert layers[0].idle == 0.0


@pytest.mark.parametrize("options", [{}, {"samples": 4}, {"witness": True}], ids=str)
def test_activations_in_a_row_spoil_nothing(options):
    """A square takes 0, but what comes after it takes no 0: T15 is about 2^14 · 17^15 there."""
    steep = PolynomialActivation(fhenn.Polynomial((0.0,) * 15 + (1.0,), (8.0, 9.0), "chebyshev"), on_violation="ignore")
    first = fhenn.Linear(rng.uniform(0, 0.03, (3, 4)), np.full(3, 2.86))
    square = fhenn.Square(on_violation="ignore")
    model = fhenn.Sequential([first, square, steep, fhenn.Linear(rng.uniform(-1, 1, (2, 3)))])
    (idle, *_) = [node.idle for node in with_idle_values(model.nodes) if isinstance(node, Affine)]
    assert 8 <= idle**2 <= 9
    plan = fhenn.plan(model, bounds=[0, 1], accuracy=1e-2, layout="latency", evaluator=PASS_THROUGH.name, **options)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = rng.uniform(0, 1, (4, 4))
    error = np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.infer(x))
    assert error.max() <= plan.error
