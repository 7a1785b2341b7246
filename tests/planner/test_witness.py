"""Witnesses in a plan: where they raise an alarm, and where they must not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mostly_thorough

import fhenn
from fhenn.errors import ParameterError, PlanError, WireFormatError
from fhenn.planner.witness import DEGREES, Witness, chebyshev_witness, inner_edge

rng = np.random.default_rng(0)
HIDDEN = fhenn.Sequential(
    [fhenn.Linear(rng.normal(size=(6, 4))), fhenn.Sigmoid(), fhenn.Linear(rng.normal(size=(2, 6)))]
)


@pytest.fixture(scope="module")
def plan():
    return fhenn.plan(HIDDEN, bounds=[-1, 1], witness=True, layout="throughput")


@given(
    neurons=st.integers(2, 200),
    degree=st.sampled_from([4, 8]),
    outlier=st.floats(1.0, 50.0),
    others=st.floats(-1.0, 1.0),
    sign=st.sampled_from([-1, 1]),
)
def test_a_value_beyond_the_edge_is_above_the_threshold_whatever_the_others_are(neurons, degree, outlier, others, sign):
    polynomial = chebyshev_witness((-4.0, 4.0), inner_edge(neurons, degree), degree)
    values = np.full(neurons, 4 * others)
    values[0] = 4 * outlier * sign
    assert polynomial(values).sum() >= 3 * neurons - 1e-6


@given(neurons=st.integers(2, 200), degree=st.sampled_from([4, 8]), seed=st.integers(0, 1000))
def test_values_within_the_inner_edge_are_below_it(neurons, degree, seed):
    inner = inner_edge(neurons, degree)
    values = 4 * inner * np.random.default_rng(seed).uniform(-1, 1, neurons)
    assert chebyshev_witness((-4.0, 4.0), inner, degree)(values).sum() <= neurons + 1e-9


def test_it_is_part_of_a_plan(plan):
    (witness,) = plan.witnesses
    assert (witness.node, witness.place, witness.neurons) == ("Sigmoid", 1, 6)
    assert witness.degree in (4, 8)
    assert 0 < witness.zone[0] < witness.zone[1] == 4
    assert str(witness) in str(plan)
    assert "6 neurons together" in str(witness)
    assert plan.public().witnesses == plan.witnesses
    assert fhenn.Plan.from_json(plan.to_json()) == plan
    assert witness.headroom >= plan.stages[1].largest


def test_nothing_is_planned_unasked():
    assert fhenn.plan(HIDDEN, bounds=[-1, 1]).witnesses == ()


@pytest.mark.parametrize("degree", mostly_thorough(DEGREES, (1,)))
def test_a_degree_may_be_asked_for(degree):
    (witness,) = fhenn.plan(HIDDEN, bounds=[-1, 1], witness=degree, layout="throughput").witnesses
    assert witness.degree == degree


def test_the_plan_of_an_activation_at_the_end_names_its_outputs():
    model = fhenn.Sequential([fhenn.Linear([[1.0, 1.0]]), fhenn.Sigmoid()])
    plan = fhenn.plan(model, bounds=[-3, 3], witness=True)
    (witness,) = plan.witnesses
    assert (witness.neurons, witness.degree) == (1, 2)
    assert witness.inner > 0.999
    assert plan.outputs == pytest.approx((-0.032, 1.032), abs=2e-4)


def test_another_polynomial_of_the_same_degree_and_domain_is_found():
    layer = fhenn.Linear([[1.0, 1.0]])
    plan = fhenn.plan(fhenn.Sequential([layer, fhenn.Sigmoid()]), bounds=[-1, 1])
    other = fhenn.Sigmoid(polynomial=fhenn.Polynomial((0.5, 0.19, 0.0, -0.004), domain=(-4, 4)))
    with pytest.raises(PlanError, match="weights are not those"):
        fhenn.planner.verify(plan, fhenn.Sequential([layer, other]))
    with pytest.raises(PlanError, match="outputs"):  # a file of before plans named their model
        fhenn.planner.verify(replace(plan, model=None), fhenn.Sequential([layer, other]))
    fhenn.planner.verify(fhenn.Plan.from_json(plan.to_json()), fhenn.Sequential([layer, fhenn.Sigmoid()]))


@pytest.mark.parametrize("witness", [1, 3, 16, -2, "8", 2.5])
def test_other_degrees_are_refused(witness):
    with pytest.raises(ParameterError, match="witness"):
        fhenn.plan(HIDDEN, bounds=[-1, 1], witness=witness)


@pytest.mark.parametrize("queries", [-1, 1.5, "many", None])
def test_other_budgets_are_refused(queries):
    with pytest.raises(ParameterError, match="queries"):
        fhenn.plan(HIDDEN, bounds=[-1, 1], queries=queries)


def test_weights_that_have_grown_are_found(plan):
    grown = fhenn.Sequential([HIDDEN.nodes[0].scaled(200.0), fhenn.Sigmoid(), HIDDEN.nodes[2].scaled(1e-12)])
    with pytest.raises(PlanError):
        fhenn.planner.verify(plan, grown)


@settings(max_examples=30)
@given(
    field=st.sampled_from(["place", "neurons", "degree", "inner", "threshold", "error", "start", "level", "node"]),
    value=st.one_of(st.none(), st.text(max_size=3), st.just(float("nan")), st.just(-1), st.just(10**6), st.just([])),
)
def test_plans_with_other_witnesses_are_refused(plan, field, value):
    data = json.loads(plan.to_json())
    if (field in ("neurons", "place") and value == 10**6) or (field in ("threshold", "error") and value in (-1, 10**6)):
        return
    if field == "node" and isinstance(value, str):
        return
    data["witnesses"][0][field] = value
    with pytest.raises(WireFormatError):
        fhenn.Plan.from_json(json.dumps(data))


def test_alarms_are_for_whole_samples_and_for_nan():
    witness = Witness("Sigmoid", 1, (-4.0, 4.0), 1, 2, 1.0, 1.0, 0.0, 9.0, 1, 0)
    assert witness.alarms(np.array([[0.5, 0.9], [1.1, 0.2], [np.nan, 0.0], [1.0, -1.0]])).tolist() == [
        False,
        True,
        True,
        False,
    ]


def test_weights_that_pass_the_headroom_of_a_witness_are_found(plan):
    (witness,) = plan.witnesses
    reach = max(map(abs, (plan.stages[1].largest, witness.domain[1])))
    short = replace(plan, witnesses=(replace(witness, headroom=0.9 * plan.stages[1].largest),))
    assert reach < witness.headroom
    with pytest.raises(PlanError, match="witness of Sigmoid"):
        fhenn.planner.verify(short, HIDDEN)


@pytest.mark.parametrize(
    "changes",
    [{"threshold": 1e9}, {"domain": (-400.0, 400.0)}, {"neurons": 7}, {"level": 1, "start": 1}, {"inner": 0.1}],
)
def test_a_witness_that_says_something_else_is_found(plan, changes):
    (witness,) = plan.witnesses
    with pytest.raises(PlanError):
        fhenn.planner.verify(replace(plan, witnesses=(replace(witness, **changes),)), HIDDEN)


def test_witnesses_of_other_places_are_found(plan):
    (witness,) = plan.witnesses
    for others in ((witness, witness), (replace(witness, place=0),), (replace(witness, place=9),)):
        with pytest.raises(PlanError):
            fhenn.planner.verify(replace(plan, witnesses=others), HIDDEN)


def test_the_threshold_counts_what_spare_positions_hold():
    # σ's cubic at 0, 0.5, is in the spare positions of the second activation, the middle of its domain
    nodes = [fhenn.Linear(np.ones((5, 2))), fhenn.Sigmoid(), fhenn.Sigmoid(degree=3, domain=(0, 1))]
    plan = fhenn.plan(fhenn.Sequential([*nodes, fhenn.Linear(np.ones((1, 5)))]), bounds=[-1, 1], witness=8)
    first, second = plan.witnesses
    assert first.threshold == pytest.approx(2 * 5 + 3)
    assert second.threshold == pytest.approx(2 * 5 + 3)


def test_the_error_counts_spare_positions_far_from_the_domain():
    errors = []
    for shift in (0.0, 11.0):
        nodes = [fhenn.Linear(np.eye(5), np.full(5, shift)), fhenn.Square(domain=(shift - 1, shift + 1))]
        plan = fhenn.plan(fhenn.Sequential([*nodes, fhenn.Linear(np.ones((1, 5)))]), bounds=[-1, 1], witness=2)
        errors.append(plan.witnesses[0].error / plan.stages[0].noise)
    assert errors[1] > 4 * errors[0]


@pytest.mark.parametrize("degree", [2, 8])
def test_a_witness_that_states_less_error_than_it_has_is_found(degree):
    plan = fhenn.plan(HIDDEN, bounds=[-1, 1], witness=degree, layout="throughput")
    (witness,) = plan.witnesses
    for part in (0.0, 0.5, 0.99):
        # the threshold of a square gives way by its error: both are changed so that they agree
        moved = witness.threshold + ((1 - part) * witness.error if degree == 2 else 0.0)
        false = replace(witness, error=part * witness.error, threshold=moved)
        with pytest.raises(PlanError, match="witness of Sigmoid"):
            fhenn.planner.verify(replace(plan, witnesses=(false,)), HIDDEN)


def test_a_headroom_is_held_to_what_may_come_now_whatever_is_stated(plan):
    """Between what the witness holds and what the activation does: its number would wrap round, and say nothing."""
    (witness,), stage = plan.witnesses, plan.stages[1]
    assert witness.headroom < 0.9 * stage.headroom
    model = fhenn.Sequential([HIDDEN.nodes[0].scaled(1.05 * witness.headroom / stage.largest), *HIDDEN.nodes[1:]])
    tolerant = replace(plan, model=None, accuracy=1e30)
    fhenn.planner.verify(replace(tolerant, witnesses=()), model)
    bolder = replace(witness, headroom=1e6 * witness.headroom, error=1e3 * witness.error)
    fhenn.planner.verify(replace(tolerant, witnesses=(bolder,)), HIDDEN)  # it promises no more than there is
    for stated in (witness, bolder):
        with pytest.raises(PlanError, match="witness of Sigmoid"):
            fhenn.planner.verify(replace(tolerant, witnesses=(stated,)), model)


def test_its_own_inputs_are_its_business_alone():
    """Alarms are for the sample whose number is above, for every such sample, and for no other."""
    witness = Witness("Sigmoid", 1, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.1, 9.0, 1, 0)
    assert witness.alarms(np.array([[12.0], [12.1], [-99.0], [np.nan], [np.inf]])).tolist() == [
        False,
        True,
        False,
        True,
        True,
    ]
    assert witness.alarms(np.zeros((3, 1))).shape == (3,)
    assert witness.zone == pytest.approx((2.8, 4.0))


@pytest.mark.parametrize(
    "changes",
    [
        {"place": -1}, {"place": 1.0}, {"place": True}, {"neurons": 0}, {"neurons": -1}, {"neurons": 2.0},
        {"degree": 0}, {"degree": 3}, {"degree": 16}, {"degree": 8.0}, {"start": -1}, {"start": 4},
        {"level": -1}, {"level": 2},
        {"inner": 0.0}, {"inner": -0.5}, {"inner": 1.1}, {"inner": float("nan")}, {"threshold": float("inf")},
        {"threshold": "1"}, {"error": float("nan")}, {"headroom": float("inf")}, {"domain": (4.0, -4.0)},
        {"domain": (4.0, 4.0)}, {"domain": (-4.0, float("inf"))}, {"domain": (1.0, 2.0, 3.0)}, {"node": 7},
    ],
    ids=str,
)  # fmt: skip
def test_fields_that_cannot_be_are_refused_one_by_one(changes):
    good = Witness("Sigmoid", 1, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.1, 9.0, 1, 0)
    good.require_sane(3)
    with pytest.raises(ValueError, match="contradict"):
        replace(good, **changes).require_sane(3)
