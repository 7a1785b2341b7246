"""Ranges from data: what samples reach, times a margin, and what that says of unseen ones."""

import json
import math
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mostly_thorough, on_each

import fhenn
from fhenn.errors import (
    CertificateInvalid,
    NonFiniteValue,
    ParameterError,
    PlanError,
    PlanRefused,
    PlanWarning,
    WireFormatError,
)
from fhenn.planner import verify
from fhenn.ranges import DataRanges, data_ranges
from fhenn.ranges.data import mass_outside, range_of

rng = np.random.default_rng(11)
SAMPLES = rng.uniform(-1, 1, (400, 24)) * (rng.random((400, 24)) < 0.1)  # far from the corners of their box
ENDS = -np.ones(24), np.ones(24)


def plan_for(model, **wishes):
    """A plan for whole samples in a ciphertext, where rotations leave the least room."""
    return fhenn.plan(model, **({"inputs": SAMPLES, "layout": "latency", "accuracy": 1e-2} | wishes))


@cache
def plan_from_data(evaluator=None):
    """The plan of the network by its samples: made once, since it takes a second."""
    return plan_for(network(), ranges="data", evaluator=evaluator)


def network():
    draw = np.random.default_rng(5)
    return fhenn.Sequential(
        [
            fhenn.Linear(draw.normal(size=(8, 24))),
            fhenn.Square(),
            fhenn.Linear(draw.normal(size=(8, 8))),
            fhenn.Square(),
            fhenn.Linear(draw.normal(size=(3, 8)) / 50),
        ]
    )


def test_ranges_are_what_samples_reach_times_the_margin():
    model = network()
    nodes = list(model.nodes)
    first, second = data_ranges(nodes, *ENDS, SAMPLES, 3.0).intervals
    seen = nodes[0].infer(SAMPLES)
    middle, half = (seen.min() + seen.max()) / 2, (seen.max() - seen.min()) / 2
    assert first[0] == pytest.approx(middle - 3 * half, rel=0.02)
    assert first[1] == pytest.approx(middle + 3 * half, rel=0.02)
    assert first[0] <= middle - 3 * half
    assert first[1] >= middle + 3 * half
    squares = nodes[2].infer(nodes[1].infer(seen))
    assert second[0] < squares.min() < squares.max() < second[1]


def test_no_range_is_wider_than_the_worst_case():
    nodes = [fhenn.Linear(np.eye(2)), fhenn.Square()]
    (found,) = data_ranges(nodes, -np.ones(2), np.ones(2), np.array([[0.9, -0.9]]), 100.0).intervals
    assert found == pytest.approx((-1.0, 1.0), rel=0.011)


def test_a_domain_that_holds_all_samples_is_the_range():
    nodes = [fhenn.Linear([[20.0]]), fhenn.Sigmoid()]
    assert data_ranges(nodes, -np.ones(1), np.ones(1), np.array([[0.1], [-0.15]])).intervals == ((-4.0, 4.0),)
    assert data_ranges(nodes, -np.ones(1), np.ones(1), np.array([[0.1], [-0.4]])).intervals == ((-13.0, 7.0),)


def test_samples_that_overflow_and_margins_below_1_are_refused():
    nodes = [fhenn.Linear([[1e200]]), fhenn.Square(), fhenn.Linear([[1.0]]), fhenn.Square()]
    with pytest.raises(NonFiniteValue, match="input of Square"), np.errstate(over="ignore"):
        data_ranges(nodes, -np.ones(1), np.ones(1), np.array([[1.0]]))
    for margin in (0.5, math.nan, math.inf):
        with pytest.raises(ParameterError, match="margin"):
            data_ranges(nodes[:2], -np.ones(1), np.ones(1), np.array([[1.0]]), margin)


@pytest.mark.parametrize(
    ("samples", "ends", "share"),
    [(5000, 276, 0.06), (5000, 2, 0.001), (59, 1, 0.05), (93, 2, 0.05), (1, 2, 1.0)],
)
def test_the_share_outside_is_that_of_order_statistics(samples, ends, share):
    """59 and 93 samples for 95 % at 95 % are Wilks's numbers, one-sided and two-sided."""
    assert mass_outside(samples, ends) == pytest.approx(share, rel=0.06)


def test_the_share_outside_holds_for_a_distribution_that_is_known():
    """Uniform samples: how often does the interval of 50 of them leave more than the stated share?"""
    share = mass_outside(50, 2)
    draws = np.random.default_rng(3).random((4000, 50))
    outside = 1 - (draws.max(axis=1) - draws.min(axis=1))
    assert 0.04 < np.mean(outside > share) < 0.06


@pytest.mark.usefixtures("refused_briefly")
@pytest.mark.thorough
def test_a_plan_from_data_is_small_where_the_worst_case_is_not():
    model = network()
    with pytest.raises(PlanError):
        plan_for(model, ranges="worst")
    by_data = plan_from_data()
    worst = plan_for(model, ranges="worst", accuracy=10)
    assert by_data.stages[3].largest < worst.stages[3].largest / 10
    assert (by_data.ranges.samples, by_data.ranges.margin) == (400, 2.0)
    assert worst.ranges is None
    assert len(by_data.witnesses) == 2
    assert not worst.witnesses
    assert "400 samples" in str(by_data)
    assert "can spoil those beside it" in str(by_data)


@pytest.mark.thorough
@pytest.mark.parametrize("layout", mostly_thorough(["latency", "throughput"], (0,)))
def test_what_is_planned_from_data_runs(layout, evaluator):
    model = network()
    how = {"ranges": "data", "layout": layout, "evaluator": evaluator}
    plan = plan_from_data(evaluator) if layout == "latency" else plan_for(model, **how)
    plan = fhenn.Plan.from_json(plan.public().to_json())
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    scores = client.decrypt_scores(server.predict(client.encrypt(SAMPLES[:5])))
    assert np.abs(scores - model.infer(SAMPLES[:5])).max() <= plan.error <= 1e-2


@pytest.mark.thorough
def test_the_data_is_taken_where_the_worst_case_does_not_fit_and_said():
    model = network()
    with pytest.warns(PlanWarning, match="ranges from 400 samples") as caught:
        plan = plan_for(model)
    assert plan.ranges is not None
    assert caught[0].message.reason.rstrip(".") in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plan_from_data().ranges == plan.ranges
        assert plan_for(fhenn.Linear([[1.0] * 24])).ranges is None  # the worst case will do


@pytest.mark.thorough
def test_a_handful_of_samples_is_not_taken_unasked():
    few = {"inputs": SAMPLES[:20], "bounds": [-1, 1], "evaluator": "seal"}
    with pytest.raises(PlanRefused, match=r"ranges from the samples \('data'\)"):
        plan_for(network(), **few)
    assert plan_for(network(), ranges="data", **few).ranges.samples == 20


@pytest.mark.thorough
def test_without_room_for_witnesses_there_is_a_plan_without_them():
    """A model that fills the chain of the largest ring: no level is left for a witness of the least degree."""
    turned = np.eye(4)[::-1] / 2
    deep = [node for _ in range(12) for node in (fhenn.Square(), fhenn.Linear(turned, bias=np.full(4, 0.3)))]
    model = fhenn.Sequential([fhenn.Linear(np.random.default_rng(5).normal(size=(4, 24)) / 4), *deep])
    with pytest.raises(PlanRefused, match="room for witnesses") as caught:
        plan_for(model, ranges="data", witness=2)
    assert caught.value.stake == "witness"
    remedy = next(each for each in caught.value.remedies if each.name == "witness")
    assert plan_for(model, ranges="data", witness=remedy.value).witnesses == ()


def test_what_is_asked_for_is_checked():
    model = network()
    with pytest.raises(ParameterError, match="needs samples"):
        fhenn.plan(model, bounds=[-1, 1], ranges="data")
    with pytest.raises(ParameterError, match="'auto', 'worst' or 'data'"):
        plan_for(model, ranges="best")
    with pytest.raises(ParameterError, match="margin"):
        plan_for(model, ranges="data", margin=0.9)


def test_a_plan_keeps_its_ranges_and_belongs_to_them():
    model, plan = network(), plan_from_data()
    assert fhenn.Plan.from_json(plan.to_json()) == plan
    verify(plan, model)
    with pytest.raises(PlanError):
        verify(replace(plan, ranges=None), model)
    with pytest.raises(PlanError, match="ranges"):
        verify(replace(plan, ranges=replace(plan.ranges, intervals=plan.ranges.intervals[:1])), model)
    data = json.loads(plan.to_json())
    many = [[-1, 1]] * 5
    for wrong in (
        {"intervals": []},
        {"intervals": many},
        {"samples": 1 << 41},
        {"samples": 0},
        {"margin": 0.5},
        {"intervals": [[1, -1], [0, 1]]},
        {"samples": 1.5},
        {"more": 1},
    ):
        with pytest.raises(WireFormatError):
            fhenn.Plan.from_json(json.dumps(data | {"ranges": data["ranges"] | wrong}))


def test_a_certificate_says_which_ranges_it_is_for():
    model, plan = network(), plan_from_data()
    certificate = fhenn.certify(model, plan=plan)
    assert certificate.ranges == plan.ranges
    assert "whose ranges hold" in str(certificate)
    assert fhenn.certify(model, plan.bounds, plan).ranges == plan.ranges
    assert type(certificate).from_json(certificate.to_json()) == certificate
    certificate.require(plan, model)
    with pytest.raises(CertificateInvalid, match="other ranges"):
        replace(certificate, ranges=None).require(plan, model)
    assert "ranges" not in json.loads(fhenn.certify(model, [-1, 1]).to_json())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**32),
    st.floats(1, 50),
    st.sampled_from([fhenn.Square, fhenn.Sigmoid, fhenn.Tanh, lambda: fhenn.GELU(domain=(-2, 6), degree=6)]),
)
def test_samples_stay_in_their_ranges(seed, margin, activation):
    draw = np.random.default_rng(seed)
    width = int(draw.integers(1, 5))
    nodes = [fhenn.Linear(draw.normal(size=(3, width)) * 10 ** draw.uniform(-2, 1)), activation()]
    x = draw.uniform(-1, 1, (30, width))
    found = DataRanges.at(data_ranges(nodes, -np.ones(width), np.ones(width), x, margin), nodes)
    values = nodes[0].infer(x)
    assert found[1][0] <= values.min()
    assert values.max() <= found[1][1]


def test_witnesses_are_quiet_for_the_samples_of_a_plan():
    model, plan = network(), plan_from_data()
    values = SAMPLES
    for place, node in enumerate(model.nodes):
        for witness in plan.witnesses:
            if witness.place == place:
                assert not witness.alarms(witness.numbers(values)).any()
                far = values[:1].copy()
                far[0, 0] = witness.domain[1] + 1e-6
                assert witness.alarms(witness.numbers(far)).all()
        values = node.infer(values)


@pytest.mark.thorough
def test_a_public_plan_shows_no_digits_of_the_weights():
    draw = np.random.default_rng(2)
    first = fhenn.Linear(draw.normal(size=(4, 8)))
    model = fhenn.Sequential([first, fhenn.Square(), fhenn.Linear(draw.normal(size=(2, 4)) / 9)])
    x = draw.uniform(-1, 1, (50, 8))
    for margin in (2.0, 50.0):
        plan = fhenn.plan(model, inputs=x, bounds=[-1, 1], ranges="data", margin=margin, accuracy=1e-2)
        for end in plan.public().ranges.intervals[0]:
            assert end == float(f"{end:.3g}")


def test_few_samples_are_said_to_say_little():
    text = str(DataRanges(3, 2.0, ((-1.0, 1.0), (0.0, 1.0))))
    assert "any number of times: 3 samples are few for 4 ends" in text


def test_a_single_value_has_a_range_too():
    assert range_of(np.array([[0.7]]), (-5.0, 5.0), 2.0) == (0.0, 1.4)


def test_a_model_without_activations_has_no_ranges():
    plan = fhenn.plan(fhenn.Linear([[1.0, 2.0]]), inputs=np.eye(3)[:, :2], ranges="data")
    assert plan.ranges is None
    assert fhenn.Plan.from_json(plan.to_json()) == plan


def test_what_has_no_levels_left_is_watched_by_squares_in_a_wider_range():
    """The first activation has levels for a polynomial of a higher degree, the last one for a sum of squares alone."""
    draw = np.random.default_rng(0)
    first, second, last = (draw.normal(size=size) / size[1] ** 0.5 / 2 for size in ((128, 784), (128, 128), (10, 128)))
    model = fhenn.Sequential(
        [fhenn.Linear(first), fhenn.Square(), fhenn.Linear(second), fhenn.Square(), fhenn.Linear(last)]
    )
    images = draw.random((300, 784)) * (draw.random((300, 784)) < 0.2)
    plan = fhenn.plan(model, inputs=images, ranges="data", accuracy=1e-2, rows=1, evaluator="seal")
    assert plan.parameters.ring_degree == 8192
    assert plan.bytes_of_keys < 35e6
    assert plan.witnesses[0].degree > plan.witnesses[1].degree == 2
    squares = plan.witnesses[1]
    hidden = fhenn.Sequential(list(model.nodes[:3])).infer(images)
    inside, numbers = plan.ranges.intervals[1], squares.numbers(hidden)
    assert inside == squares.domain
    assert numbers.max() < squares.threshold  # quiet for all samples
    narrow = data_ranges(list(model.nodes), *plan.bounds, images).intervals
    assert plan.ranges.intervals[0] == narrow[0]
    assert inside[0] < narrow[1][0] < narrow[1][1] < inside[1]
    assert replace(squares, domain=narrow[1]).numbers(hidden).max() > squares.threshold


@on_each
@pytest.mark.parametrize("layout", ["latency", "throughput"])
@pytest.mark.thorough
def test_places_without_a_sample_do_not_spoil_those_beside(layout):
    """The middle of the bounds brings -100 to an activation whose range from samples ends near -1."""
    draw = np.random.default_rng(2)
    samples = draw.uniform(0, 0.1, (300, 4))
    weight = np.vstack([draw.uniform(-1, 1, (7, 4)), np.full((1, 4), -5.0)])
    model = fhenn.Sequential([fhenn.Linear(weight), fhenn.Sigmoid(domain=(-2, 2), degree=7), fhenn.Linear(np.eye(8))])
    bounds = np.array([[0.0] * 4, [10.0] * 4])
    plan = fhenn.plan(model, inputs=samples, bounds=bounds, ranges="data", layout=layout, samples=None, rows=4)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    for count in (1, 3):
        scores = client.decrypt_scores(server.predict(client.encrypt(samples[:count])))
        assert np.abs(scores - model.infer(samples[:count])).max() <= plan.error
