"""Outputs are padded to a power of two: a polynomial that does not take 0 must not meet one there."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from pass_through import PASS_THROUGH
from support import mostly_thorough

import fhenn
from fhenn.approx import Function
from fhenn.approx.fits import chebyshev
from fhenn.backends import is_available
from fhenn.ckks import CipherArray
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.layout import Placement, Vectors
from fhenn.ckks.maps import AffineMap, Landing
from fhenn.ckks.operator import Dense
from fhenn.ckks.rotations import CHAINED
from fhenn.ckks.trace import TracedContext
from fhenn.nn import Affine, PolynomialActivation, circuit
from fhenn.planner.scaling import rests, with_idle_values
from fhenn.planner.walk import Path, walk
from fhenn.planner.witness_choice import witnesses_of
from fhenn.session.answer import Answer

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


BOX = {"bounds": [0, 1], "accuracy": 1e-2}


def assert_within_its_error(model, plan):
    """Computed by a client and a server of a plan."""
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = rng.uniform(0, 1, (4, 4))
    error = np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.infer(x))
    assert error.max() <= plan.error


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
    assert_within_its_error(model, fhenn.plan(model, evaluator=evaluator, **BOX, **{"layout": "latency"} | options))


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
    assert_within_its_error(model, fhenn.plan(model, layout="latency", evaluator=PASS_THROUGH.name, **BOX, **options))


def a_sum(shortcut=None):
    """A sigmoid, which makes 0.5 of 0, then a sum of branches that comes to a logarithm without 0 in its domain."""
    log = a_logarithm(3).nodes[1]
    first = fhenn.Linear(rng.uniform(0, 1, (3, 4)), np.full(3, -1.0))
    body = fhenn.Linear(rng.uniform(0, 1, (3, 3)), np.full(3, 5.5))
    return fhenn.Sequential(
        [first, fhenn.Sigmoid(), fhenn.Residual(body, shortcut), log, fhenn.Linear(rng.uniform(-1, 1, (2, 3)))]
    )


def test_what_another_branch_adds_counts():
    served = with_idle_values(circuit(a_sum()))
    found = list(rests(served))
    assert [node.idle for node in served if isinstance(node, Affine)] == [0.0, 6.5, 0.0]
    assert found[2:6] == [0.5, 0.5, 6.5, 7.0], "what is put aside holds 0.5, and comes back in the sum"
    # of two branches with maps the later one brings the sum to where it is wanted
    served = with_idle_values(circuit(a_sum(fhenn.Linear(np.eye(3)))))
    assert [node.idle for node in served if isinstance(node, Affine)] == [0.0, 0.0, 7.0, 0.0]


@pytest.mark.thorough
@pytest.mark.parametrize("shortcut", [None, fhenn.Linear(np.eye(3))], ids=["itself", "map"])
@pytest.mark.parametrize("options", [{}, pytest.param({"witness": True}, marks=pytest.mark.thorough)], ids=str)
def test_a_sum_of_branches_spoils_nothing(shortcut, options):
    model = a_sum(shortcut)
    assert_within_its_error(model, fhenn.plan(model, layout="latency", evaluator=PASS_THROUGH.name, **BOX, **options))


def test_a_witness_knows_what_a_sum_of_branches_leaves_in_spare_positions():
    """Two layers of 3 neurons in 4 positions: what the fourth holds is counted in the threshold."""
    wide, again = (fhenn.Sigmoid(domain=(-8.0, 8.0), on_violation="ignore") for _ in range(2))
    body = fhenn.Linear(rng.uniform(-1, 1, (3, 3)))
    nodes = [fhenn.Linear(rng.uniform(-1, 1, (3, 4))), wide, fhenn.Residual(body), again, fhenn.Linear(np.ones((1, 3)))]
    path = Path(circuit(fhenn.Sequential(nodes)), -np.ones(4), np.ones(4))
    parameters = fhenn.Parameters(32768, (60, *[40] * 9, 60), 2.0**40)
    witnesses = witnesses_of(walk(path, Vectors("replicated", 4), parameters), (4,))
    assert [witness.neurons for witness in witnesses] == [3, 3]
    for witness, rest in zip(witnesses, (0.0, 0.5), strict=True):
        t = rest / 8 / witness.inner
        np.testing.assert_allclose(witness.threshold, 2 * 3 + (8 * t**4 - 8 * t**2 + 1), rtol=1e-12)


def test_what_is_in_idle_positions_counts_where_plaintexts_are_rounded():
    """Zeros multiply it, which are off by their rounding: six fives beside two ones."""
    context = TracedContext(fhenn.Parameters.for_depth(1))
    layout = Placement.of(np.array([[0, -1, -1, 1, -1, -1, -1, -1]]))
    operator = Dense([[1.0, 1.0]])
    affine = AffineMap(operator, None, layout, context.slots, CHAINED, 3.0)
    x = context.array(layout, Bounds(-np.ones(2), np.ones(2))).ciphertexts[0]
    of_zeros, of_fives = (context.arithmetic.apply_map([replace(x, rest=rest)], affine)[0] for rest in (0.0, 5.0))
    alone = context.noise.encoding / Landing.of(context.arithmetic, x.level, x.scale).plain_scale
    more = np.sqrt(of_fives.noise.normal**2 - of_zeros.noise.normal**2)
    assert more == pytest.approx(alone * np.sqrt(6 * 25), rel=1e-3)
    assert of_fives.rest == 3.0


@pytest.mark.thorough
def test_noise_is_as_large_as_it_is_told_where_most_positions_are_idle():
    """Nine pixels, twenty apart, and a million in all positions between them."""
    first = fhenn.Conv2d(1e-3 * rng.normal(size=(1, 1, 1, 1)), [1000.0], stride=20)
    rise = PolynomialActivation([0.0, 1.0, 0.0, 1e-3], domain=(999.0, 1001.0))
    model = fhenn.Sequential([first, rise, fhenn.Conv2d(rng.normal(size=(1, 1, 3, 3)))], shape=(1, 60, 60))
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e9, layout="latency", samples=1, evaluator="seal")
    client = fhenn.Client(plan)
    x = rng.uniform(-1, 1, (1, 1, 60, 60))
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x))
    array = CipherArray.from_bytes(client._context, Answer.from_bytes(answer).result)
    held = array.layout.content(1, plan.parameters.slots)[0]
    error = np.array(client._context.decrypt_slots(array.ciphertexts[0])) - np.where(
        held == 0, model.infer(x).item(), 0
    )
    assert 0.7 * plan.deviation < error.std() < 1.1 * plan.deviation
