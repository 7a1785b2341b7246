"""Outputs in units of their own: accuracies are relative to how they vary, and results are in the model's units."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support import on_each

import fhenn
from fhenn import Reading
from fhenn.errors import ParameterError, PlanError, ShapeMismatch, WireFormatError
from fhenn.interop import ImportedModel
from fhenn.planner.flooding import flood
from fhenn.planner.scaling import nodes_in_units, units_of
from fhenn.ranges import Reach

WEIGHT = np.array([[1.0, -0.5, 0.25], [2.0, 0.0, 1.0]])
X = np.random.default_rng(0).uniform(-1, 1, (50, 3))


def regression(*factors):
    nodes = [fhenn.Linear(np.array(factors)[:, None] * WEIGHT[: len(factors)])]
    return ImportedModel(nodes, Reading.regression())


def session(model, plan):
    client = fhenn.Client(fhenn.Plan.from_json(plan.public().to_json()))
    return client, fhenn.Server(model, plan, client.evaluation_keys())


@on_each
@pytest.mark.parametrize("layout", ["latency", "throughput"])
@pytest.mark.parametrize("factors", [(1e-9,), (1e9,), (1e-9, 1e9)])
def test_outputs_of_any_unit_are_right_relative_to_how_they_vary(factors, layout):
    model = regression(*factors)
    plan = fhenn.plan(model, inputs=X, layout=layout)
    spread = model.infer(X).std(axis=0)
    assert all(unit <= each < 2 * unit for unit, each in zip(plan.units, spread, strict=True))
    client, server = session(model, plan)
    scores = client.decrypt_scores(server.predict(client.encrypt(X)))
    error = np.abs(scores - model.infer(X)).max(axis=0)
    assert (error <= plan.errors).all()
    assert (error <= 1e-3 * spread).all()
    assert plan.errors == tuple(plan.error * unit for unit in plan.units)


def test_without_samples_half_of_the_reach_is_the_spread():
    assert fhenn.plan(regression(1e9), bounds=[-1, 1]).units == (2.0**30,)  # 1.75e9 at most
    assert fhenn.plan(regression(1e9), inputs=X[:1], bounds=[-1, 1]).units == (2.0**30,)  # one sample has no spread


def test_a_unit_is_the_power_of_two_not_above_the_spread():
    nodes = [fhenn.Linear(np.eye(3))]
    samples = np.tile([[1.0, 3.0, 7.0], [-1.0, 3.0, 7.0 + 1e-15]], (5, 1))
    nothing = Reach(np.zeros(3), np.zeros(3))
    assert units_of(nodes, samples * [4, 1, 1], nothing) == (4.0, 1.0, 1.0)
    assert units_of(nodes, samples * [7.99, 1, 1], nothing) == (4.0, 1.0, 1.0)
    assert units_of(nodes, samples, nothing) == ()  # 1 for all: nothing is done
    wide = Reach(np.array([0.0, -1e300, 5.0]), np.array([0.25, 1e300, 5.0]))
    assert units_of(nodes, None, wide) == (0.125, 2.0**996, 1.0)
    assert units_of(nodes, None, Reach(np.full(3, 5e-324), np.full(3, 1e-310))) == (2.0**-1000,) * 3


def test_few_samples_do_not_say_how_outputs_vary():
    nodes, reach = [fhenn.Linear([[1.0]])], Reach(np.array([-4.0]), np.array([4.0]))
    alike = np.array([[1.0], [1.0 + 1e-9]])
    assert units_of(nodes, alike, reach) == (4.0,)
    assert units_of(nodes, np.linspace(0.0, 1e-3, 9)[:, None], reach) == (4.0,)
    assert units_of(nodes, np.linspace(0.0, 1e-3, 10)[:, None], reach) == (2.0**-12,)
    model = regression(1.0)
    x = np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5 + 1e-9]])
    assert fhenn.plan(model, inputs=x, bounds=[-1, 1]).parameters.ring_degree == 4096


def test_who_decides():
    """The reading where nobody says; scores of classes are compared with one another, and stay as they are."""
    plain = fhenn.Sequential([fhenn.Linear(1e-9 * WEIGHT)])
    classes = ImportedModel([fhenn.Linear(1e-9 * WEIGHT[:1])], Reading.classification(["a", "b"]))
    for model, relative, units in (
        (regression(1e-9), None, True),
        (regression(1e-9), False, False),
        (plain, None, False),
        (plain, True, True),
        (classes, None, False),
        (ImportedModel([fhenn.Linear(WEIGHT[:1]), fhenn.Sigmoid()], Reading.regression()), None, False),
    ):
        assert bool(fhenn.plan(model, bounds=[-1, 1], relative=relative).units) == units
    with pytest.raises(
        ParameterError, match=r"relative .* only where an affine layer is the last.*Leave relative= out"
    ):
        fhenn.plan(fhenn.Sequential([fhenn.Linear(WEIGHT), fhenn.Sigmoid()]), bounds=[-1, 1], relative=True)
    with pytest.raises(ParameterError, match=r"relative must be True, False or None, not 'yes'"):
        fhenn.plan(plain, bounds=[-1, 1], relative="yes")


def test_deep_models_are_divided_in_their_last_layer_alone():
    nodes = [fhenn.Linear(WEIGHT), fhenn.Square(), fhenn.Linear([[3e7, -2e7]], [5e7])]
    model = ImportedModel(nodes, Reading.regression())
    plan = fhenn.plan(model, inputs=X)
    client, server = session(model, plan)
    error = np.abs(client.decrypt(server.predict(client.encrypt(X))) - model.infer(X))
    assert error.max() <= plan.errors[0] < 1e-3 * model.infer(X).std()


def test_what_is_shared_is_hidden_in_units():
    """The deviation is that of the plan's worst error, times each output's unit."""
    model = regression(1e-9, 1e9)
    plan = fhenn.plan(model, bounds=[-1, 1], layout="throughput", queries=2000)
    client, server = session(model, plan)
    x = np.random.default_rng(1).uniform(-1, 1, (2000, 3))
    error = client.decrypt(server.predict(client.encrypt(x)), share=True) - model.infer(x)
    units = np.array(plan.units)
    np.testing.assert_allclose(error.std(axis=0), flood(plan.worst, 2, 2000) * units, rtol=0.1)
    assert (np.abs(error).max(axis=0) <= plan.accuracy * units).all()


def test_a_plan_file_keeps_units_and_refuses_others():
    plan = fhenn.plan(regression(1e-9, 1e9), bounds=[-1, 1])
    assert fhenn.Plan.from_json(plan.to_json()) == plan
    assert plan.fingerprint != replace(plan, units=()).fingerprint
    assert "units" not in json.loads(fhenn.plan(regression(1.0), bounds=[-1, 1], relative=False).to_json())
    for units in ([3.0, 1.0], [0.0, 1.0], [-2.0, 1.0], [float("inf"), 1.0], [2.0], [2.0, 1.0, 1.0], [2.0**1001, 1.0]):
        with pytest.raises(WireFormatError):
            fhenn.Plan.from_json(replace(plan, units=tuple(units)).to_json())
    ends_in_sigmoid = fhenn.plan(fhenn.Sequential([fhenn.Linear(WEIGHT), fhenn.Sigmoid()]), bounds=[-1, 1])
    with pytest.raises(WireFormatError):
        fhenn.Plan.from_json(replace(ends_in_sigmoid, units=(2.0, 2.0)).to_json())


def test_units_of_another_model_do_not_verify():
    plan = fhenn.plan(regression(1e-9, 1e9), bounds=[-1, 1])
    with pytest.raises(PlanError):
        fhenn.planner.verify(replace(plan, units=plan.units[:1]), regression(1e-9, 1e9))
    # an output in a smaller unit errs by more of them
    with pytest.raises(PlanError, match=r"exceeds its accuracy|do not fit"):
        fhenn.planner.verify(replace(plan, units=(plan.units[0] / 2**20, plan.units[1])), regression(1e-9, 1e9))


@on_each
def test_certificates_are_in_the_models_own_units():
    model = regression(1e9)
    plan = fhenn.plan(model, bounds=[-1, 1])
    certificate = fhenn.certify(model, [-1, 1], plan)
    assert certificate.noise == plan.errors[0]
    assert 1.7e9 < certificate.output[1] < 1.8e9
    client = fhenn.Client(plan, certificate=certificate)
    server = fhenn.Server(model, plan, client.evaluation_keys(), certificate=certificate)
    ends = np.sign(WEIGHT[:1])
    np.testing.assert_allclose(client.decrypt(server.predict(client.encrypt(ends))), 1.75e9, rtol=1e-3)
    narrow = fhenn.Client(plan, certificate=replace(certificate, output=(-1e9, 1e9)))
    own = fhenn.Server(model, plan, narrow.evaluation_keys())
    assert narrow.violations(own.predict(narrow.encrypt(ends))) is not None
    assert narrow.violations(own.predict(narrow.encrypt(0.5 * ends))) is None


def test_plans_show_the_models_own_units():
    assert "relative to how the outputs vary" in str(fhenn.plan(regression(1e-9, 1e9), bounds=[-1, 1]))
    assert "relative" not in str(fhenn.plan(regression(1.0), bounds=[-1, 1], relative=False))


def test_an_activation_at_the_end_has_no_units():
    with pytest.raises(ShapeMismatch, match="none, where an activation is the last node"):
        nodes_in_units([fhenn.Linear(WEIGHT), fhenn.Sigmoid()], (2.0, 2.0))
