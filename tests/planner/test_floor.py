"""The least error that a plan may state: below every honest plan, above what a false one states."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import at_length

import fhenn
from fhenn.ckks.layout import Vectors
from fhenn.ckks.parameters import Parameters
from fhenn.errors import PlanError, WireFormatError
from fhenn.nn import layers
from fhenn.planner.floor import is_known, largest_scale, least_errors
from fhenn.planner.packing import THROUGHPUT, Packing
from fhenn.planner.walk import Path, walk

ACTIVATIONS = {
    "none": None,
    "sigmoid": lambda: fhenn.Sigmoid(on_violation="ignore"),
    "degree 7": lambda: fhenn.Sigmoid(domain=(-8, 8), degree=7, on_violation="ignore"),
    "square": lambda: fhenn.Square(domain=(-4, 4)),
    "even": lambda: fhenn.ReLU(domain=(-4, 4), degree=4, on_violation="ignore"),
    "affine": lambda: fhenn.PolynomialActivation(fhenn.Polynomial((0.1, 0.7), (-2.0, 2.0)), on_violation="ignore"),
    "power": lambda: fhenn.PolynomialActivation(
        fhenn.Polynomial((0.0, 0, 0, 0, 1), (-1.0, 1.0)), on_violation="ignore"
    ),
}


@st.composite
def planned(draw):
    """An honest plan with its model: of any widths, weights from 1e-9 to 10, layouts, activations."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=2, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    nodes = []
    for width, outputs in pairwise(sizes):
        weight = rng.uniform(-1, 1, (outputs, width))
        weight *= 10.0 ** draw(st.integers(-9, 1)) / np.abs(weight).sum(axis=1, keepdims=True)
        nodes.append(fhenn.Linear(weight, rng.uniform(-0.5, 0.5, outputs)))
        activation = ACTIVATIONS[draw(st.sampled_from(sorted(ACTIVATIONS)))]
        nodes += [activation()] if activation else []
    model = fhenn.Sequential(nodes)
    edge = 10.0 ** draw(st.integers(-4, 1))
    how = {
        "accuracy": 10.0 ** -draw(st.integers(0, 6)),
        "layout": draw(st.sampled_from(("latency", "throughput"))),
        "upload": draw(st.integers(1, 2)),
        "samples": draw(st.integers(1, 8)),
        "queries": draw(st.sampled_from((0, 0, 100))),
    }
    try:
        return model, fhenn.plan(model, bounds=[-edge, edge], **how)
    except PlanError:
        return model, None


def check(case):
    model, plan = case
    if plan is None:
        return
    path = Path(list(layers(model)), np.array(plan.low), np.array(plan.high))
    of_error, of_worst = (walk(path, plan.layout, plan.parameters, norm) for norm in (2, 1))
    largest = np.maximum(np.abs(plan.low), np.abs(plan.high)).tolist()
    error, worst = least_errors(plan.parameters, Packing(plan.layout), plan.signature[:-1], largest)
    assert 0 < error <= of_error.bound * (1 + 1e-6)
    assert 0 < worst <= of_worst.noise.bound(plan.parameters.slots, 128) * (1 + 1e-6)
    assert plan.error <= plan.worst
    assert of_error.end.array.scale <= plan.largest_scale
    plan.require_shareable()
    assert fhenn.Plan.from_json(plan.to_json()) == plan
    assert fhenn.Plan.from_json(plan.public().to_json()) == plan.public()


@pytest.mark.usefixtures("refused_briefly")
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(planned())
def test_every_plan_that_is_made_passes(case):
    check(case)


@pytest.mark.usefixtures("refused_briefly")
@at_length("count", 20, 250)
def test_every_plan_that_is_made_passes_many(count):
    settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))(given(planned())(check))()


def test_what_a_product_and_a_rescale_must_add():
    parameters = Parameters(8192, (60, 40, 60), 2.0**40)
    error, worst = least_errors(parameters, THROUGHPUT, ["Linear1x1"], [0.0])
    # a rescale rounds two halves, one of them times a ternary secret: N/2 · (1 + 2N/3)/12, Laplace, bounded at 2^-128
    rounding = np.sqrt(4096 * (1 + 2 * 8192 / 3) / 12) / 2**40
    exponent = np.log(2 * 4096) + np.log(2.0**129)
    assert worst == pytest.approx(rounding * exponent / np.sqrt(2))
    assert error == pytest.approx(rounding * (np.log(2 * 4096) + np.log(2.0**41)) / np.sqrt(2))
    # the weights of a sample's bounds are rounded too, and a sum by rotations makes more of all that
    assert least_errors(parameters, THROUGHPUT, ["Linear1x1"], [1000.0])[1] > worst


def test_weights_that_vanish_leave_an_honest_plan():
    model = fhenn.Sequential([fhenn.Linear([[1e-300]])])
    plan = fhenn.plan(model, bounds=[0, 0], layout="throughput")
    assert plan.worst > 0
    fhenn.Client(fhenn.Plan.from_json(plan.to_json()))


def test_no_scale_makes_the_floor_vanish():
    # a fresh encryption at 2^58, N = 4096, normal with σ = 3.2 and bounded at 2^-128: less than a rescale's rounding
    least = 3.2 * np.sqrt(2048) * np.sqrt(2 * (np.log(2 * 2048) + np.log(2.0**129))) / 2.0**58
    assert least == pytest.approx(7.0e-15, rel=0.01)
    shapes = [["Linear1x1"], ["Linear1x1", "Sigmoid3[-4,4]"], ["Linear1x1", "Linear1x1"], ["Sigmoid3,5[-4,4]"], ["?"]]
    for ring, chain in ((4096, (60, 49)), (16384, (60,) * 7), (16384, (60, 26, 26, 26, 60)), (32768, (60,) * 13)):
        for scale in (2.0**10, 2.0**40, 2.0 ** (sum(chain[:-1]) - 1)):
            parameters = Parameters(ring, chain, scale)
            for nodes in shapes:
                most = largest_scale(parameters, nodes)
                assert most <= 2.0**60
                for at in (None, most, most / 2):
                    assert least_errors(parameters, THROUGHPUT, nodes, [0.0], at)[1] >= 0.99 * least


@pytest.mark.parametrize("signature", [[], ["finish=None"], ["?"], ["Linear9999999999x1", "finish=None"]])
def test_names_that_say_nothing_do_not_crash(signature):
    plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    data = plan.to_json().replace('"worst": ' + repr(plan.worst), '"worst": 1e-300')
    text = data.replace('"Linear1x1"', '"?"') if signature else data
    with pytest.raises(WireFormatError):
        fhenn.Plan.from_json(text)
    assert least_errors(plan.parameters, Packing(plan.layout), signature[:-1], [1.0])[1] > 0


def _rounding(n):
    """A rescale's two halves, one times a ternary secret: Laplace."""
    return (n / 2 * (1 + 2 * n / 3) / 12) ** 0.5


def test_errors_of_a_sum_go_one_way_at_worst():
    """A hundred inputs of a million: what their rounded weights err by, all of one sign, and no root of a hundred."""
    n, slots = 8192, 4096
    parameters = Parameters(n, (60, 40, 60), 2.0**40)
    error, worst = least_errors(parameters, THROUGHPUT, ["Linear100x1"], [1e6] * 100)
    encoding = (1 / 12) ** 0.5 / 2**40  # of a number, at the scale of the prime
    for stated, values, bits in ((worst, 100e6, 129), (error, 10e6, 41)):
        exponent = np.log(2 * slots) + bits * np.log(2)
        expected = _rounding(n) / 2**40 * exponent / 2**0.5 + values * encoding * (2 * exponent) ** 0.5
        assert stated == pytest.approx(expected, rel=1e-4)


def test_a_sum_by_rotations_adds_its_key_switches_and_folds():
    """Eight features, three folds: eight rounded products, seven spread key errors, three spikes."""
    n, slots = 8192, 4096
    parameters = Parameters(n, (60, 40, 60), 2.0**40)
    worst = least_errors(parameters, Packing(Vectors("tiles", 8, 1, 1)), ["Linear8x1"], [0.0] * 8)[1]
    exponent = np.log(2 * slots) + 129 * np.log(2)
    key_error = 3.2 * (n / 2) ** 0.5  # one prime, as large as the special one
    spread = (_rounding(n) ** 2 + key_error**2 * n / 12) ** 0.5
    laplace = (8 * _rounding(n) + 7 * spread) / 2**40
    normal = 3 * key_error * n / 8**0.5 / 2**40
    assert worst == pytest.approx(laplace * exponent / 2**0.5 + normal * (2 * exponent) ** 0.5, rel=1e-3)


def test_what_no_plan_names_is_not_known():
    assert all(map(is_known, ("Linear3x1", "Linear784x32", "Sigmoid3[-4,4]", "SignReLU5,5[-1,1]")))
    assert not any(
        map(is_known, ("", "?", "Linear", "Linear3", "Linear3x", "Sigmoid", "Sigmoid3", "finish=None", "Linear3x1 "))
    )
