"""Weights and bounds at the edges of floating point: a plan or a typed error, and no warning of NumPy's on the way."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import at_length

import fhenn
from fhenn.errors import FhennError, PlanError
from fhenn.ranges import reaches

EDGES = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 5e-324, 1e-300, 1e300, -1e300, 1.7e308, -1.7e308, 1e150, 1e-150, 1e30, 1e-30, 2.0**53]
)
NUMBERS = EDGES | st.floats(allow_nan=False, allow_infinity=False)
ACTIVATIONS = (
    None,
    lambda: fhenn.Sigmoid(on_violation="ignore"),
    lambda: fhenn.Square(domain=(-4, 4), on_violation="ignore"),
    lambda: fhenn.Square(domain=(-1e150, 1e150), on_violation="ignore"),
)


@st.composite
def cases(draw):
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    nodes = []
    for width, outputs in pairwise(sizes):
        weight = np.array(draw(st.lists(NUMBERS, min_size=width * outputs, max_size=width * outputs)))
        bias = draw(st.lists(NUMBERS, min_size=outputs, max_size=outputs))
        nodes.append(fhenn.Linear(weight.reshape(outputs, width), bias))
        activation = draw(st.sampled_from(ACTIVATIONS))
        nodes += [activation()] if activation else []
    edges = np.array(draw(st.lists(NUMBERS, min_size=2 * sizes[0], max_size=2 * sizes[0]))).reshape(2, -1)
    how = {
        "accuracy": draw(st.sampled_from((1e-300, 1e-3, 1.0, 1e300))),
        "layout": draw(st.sampled_from(("latency", "throughput"))),
        "queries": draw(st.sampled_from((0, 10))),
    }
    return nodes, np.sort(edges, axis=0), how


def check(case):
    nodes, bounds, how = case
    model = fhenn.Sequential(nodes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reach in reaches(nodes, *bounds):
            assert not np.isnan([reach.low, reach.high]).any()
        for act in (lambda: fhenn.certify(model, bounds), lambda: fhenn.plan(model, bounds=bounds, **how)):
            try:
                made = act()
            except FhennError:
                continue
            if isinstance(made, fhenn.Plan):
                assert made.error <= made.accuracy
                assert math.isfinite(made.worst)
                assert fhenn.Plan.from_json(made.to_json()) == made
                str(made)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(cases())
def test_no_warning_leaks(case):
    check(case)


@at_length("count", 40, 400)
def test_no_warning_leaks_many(count):
    settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))(given(cases())(check))()


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_a_plan_for_a_map_of_zeros_is_read_again(bias):
    made = fhenn.plan(fhenn.Linear([[1.0]], [bias]), bounds=[0, 0], layout="latency")
    assert all(each.count > 0 for each in made.steps)
    assert fhenn.Plan.from_json(made.to_json()) == made


def test_values_that_no_ring_holds_are_refused_at_once_and_said():
    model = fhenn.Sequential([fhenn.Linear([[1e300, 1e300]]), fhenn.Sigmoid()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            PlanError, match=r"the input of Sigmoid \(node 1\) may reach inf.*Tried without.*tighter bounds"
        ):
            fhenn.plan(model, bounds=[-1e9, 1e9])
        with pytest.raises(PlanError, match="the output may reach 1e\\+300"):
            fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1e300, 1e300])
