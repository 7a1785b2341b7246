"""Whole models without keys: what nodes, plans and traces agree on, whatever evaluates."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_through import PASS_THROUGH, PassThroughContext, planned
from support import mostly_thorough

import fhenn
from fhenn.backends import CIPHER, context_class, evaluator
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.operator import Dense
from fhenn.ckks.rotations import CHAINED
from fhenn.ckks.trace import TracedContext
from fhenn.errors import KeyMissing, ParameterError, PlanError
from fhenn.nn import layers
from fhenn.planner import verify
from fhenn.safety import observe

rng = np.random.default_rng(0)


def linear(outputs, inputs):
    return fhenn.Linear(rng.uniform(-1, 1, (outputs, inputs)) / inputs, rng.uniform(-0.5, 0.5, outputs))


MODELS = {
    "logistic regression": lambda: fhenn.Sequential([linear(1, 30), fhenn.Sigmoid()]),
    "scores": lambda: fhenn.Sequential([linear(3, 5)], finish="softmax"),
    "perceptron": lambda: fhenn.Sequential([linear(16, 20), fhenn.Sigmoid(), linear(3, 16)]),
    "deep": lambda: fhenn.Sequential(
        [linear(8, 12), fhenn.Sigmoid(domain=(-8, 8), degree=7), linear(4, 8), fhenn.Square(), linear(2, 4)]
    ),
    "lopsided": lambda: fhenn.Sequential([linear(4, 5), fhenn.SiLU(domain=(-2, 6), degree=6), linear(2, 4)]),
    "composite": lambda: fhenn.Sequential([linear(4, 5), fhenn.SignReLU(), linear(2, 4)]),
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "options"),
    # every model and every option
    mostly_thorough(
        product(MODELS, [{}, {"layout": "throughput"}, {"samples": 4}, {"upload": 3}]), (0, 3, 4, 7, 9, 10, 12, 17, 21)
    ),
    ids=str,
)
def test_a_model_runs_as_planned_and_as_traced(name, options):
    """Levels and scales of the trace are those of an evaluator, every bound holds, and so does the twin."""
    model = MODELS[name]()
    plan, context = planned(model, bounds=[-1, 1], **options)
    x = rng.uniform(-1, 1, (5, plan.features))
    real = fhenn.encrypt(context, x, layout=plan.layout)
    traces = TracedContext(plan.parameters)
    traced = traces.array(plan.layout, Bounds(np.array(plan.low), np.array(plan.high)))
    twin = x
    for node, stage in zip(layers(model), plan.stages, strict=True):
        assert np.abs(twin).max() <= stage.largest <= stage.headroom
        real, traced, twin = node.evaluate(CIPHER, real), node.evaluate(CIPHER, traced), node.infer(twin)
        assert (real.level, real.layout) == (traced.level, traced.layout) == (stage.level, traced.layout)
        assert real.scale == pytest.approx(traced.scale, rel=1e-9)
        (bounds,) = traced.ciphertexts
        held = fhenn.decrypt(context, real)
        np.testing.assert_allclose(held, twin, atol=1e-4)
        assert bounds.interval[0] - 1e-4 <= held.min()
        assert held.max() <= bounds.interval[1] + 1e-4
    assert traces.arithmetic.keys == plan.rotation_keys


@pytest.mark.parametrize("name", MODELS)
def test_no_rotation_key_is_idle_and_none_is_missing(name):
    model = MODELS[name]()
    plan, _ = planned(model, bounds=[-1, 1])
    x = rng.uniform(-1, 1, (1, plan.features))
    for steps, level in plan.rotation_keys.items():  # not for one level less either
        context = PassThroughContext(plan.parameters, plan.rotation_keys | {steps: level - 1})
        with pytest.raises(KeyMissing, match=rf"by {steps}, at level {level}\)"):
            model.infer(fhenn.encrypt(context, x, layout=plan.layout))


def test_keys_that_turn_at_a_lower_level_than_needed_are_refused():
    model = fhenn.Sequential([linear(8, 8), fhenn.Sigmoid(), linear(4, 8)])
    plan, _ = planned(model, bounds=[-1, 1])
    for at, level in enumerate(plan.rotation_levels):
        lower = (*plan.rotation_levels[:at], max(level - 1, 0), *plan.rotation_levels[at + 1 :])
        if level:
            with pytest.raises(PlanError, match="no key that the model needs"):
                verify(replace(plan, rotation_levels=lower), model)


@pytest.mark.parametrize(("levels", "folded"), [(1, 0), (2, 2)])
def test_folds_take_keys_of_the_level_at_which_they_are_summed(levels, folded):
    """On the last level after the rescale, above it before: then by keys for a prime more."""
    context = TracedContext(fhenn.Parameters.for_depth(levels))
    layout = fhenn.ckks.Vectors("tiles", 8, 1, 1, 1)
    linear(1, 8).infer(context.array(layout, Bounds(-np.ones(8), np.ones(8))))
    assert context.arithmetic.keys == {1: folded, 2: folded, 4: folded}


def _rotations(trace):
    """How many a trace counted, at all levels."""
    return sum(count for (kind, _), count in trace.counts.items() if kind == "rotation")


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**16))
def test_a_sparse_map_costs_what_its_diagonals_cost(outputs, inputs, kept, seed):
    """Any set of non-zero entries is right, with no more keys and rotations than a dense one."""
    random = np.random.default_rng(seed)
    weight = np.where(random.uniform(size=(outputs, inputs)) < kept / 3, random.normal(size=(outputs, inputs)), 0.0)
    dense = fhenn.Linear(random.uniform(0.5, 1, (outputs, inputs)))
    sparse = fhenn.Linear(weight)
    parameters = fhenn.Parameters(4096, (45, 30, 34), 2.0**30)
    x = random.normal(size=(2, inputs))
    layout = fhenn.ckks.Vectors("replicated", 1 << (inputs - 1).bit_length())
    counts = []
    for node in (dense, sparse):
        traces = TracedContext(parameters)
        node.evaluate(CIPHER, traces.array(layout, Bounds(-np.ones(inputs), np.ones(inputs))))
        counts.append(_rotations(traces.arithmetic))
    assert counts[1] <= counts[0]
    context = PassThroughContext(parameters, traces.arithmetic.keys)
    got = sparse.infer(fhenn.encrypt(context, x, layout=layout))
    np.testing.assert_allclose(fhenn.decrypt(context, got), x @ weight.T, atol=1e-5)


def test_a_diagonal_and_a_banded_matrix_take_few_rotations():
    layout, parameters = fhenn.ckks.Vectors("replicated", 64), fhenn.Parameters(4096, (45, 30, 34), 2.0**30)
    counts = {}
    for name, weight in {
        "dense": np.ones((64, 64)),
        "identity": np.eye(64),
        "band": np.eye(64) + np.eye(64, k=1) + np.eye(64, k=2),
        "permutation": np.roll(np.eye(64), 5, axis=1),
    }.items():
        traces = TracedContext(parameters)
        fhenn.Linear(weight).evaluate(CIPHER, traces.array(layout, Bounds(-np.ones(64), np.ones(64))))
        counts[name] = _rotations(traces.arithmetic)
    assert counts == {"dense": 14, "identity": 0, "band": 2, "permutation": 1}


def test_an_evaluator_is_registered_in_one_place():
    assert context_class("pass-through") is PassThroughContext
    assert evaluator("pass-through") is PASS_THROUGH
    for find in (context_class, evaluator):
        with pytest.raises(ParameterError, match=r"one of .*'pass-through', .*'seal', not 'other'"):
            find("other")


ROLLED = fhenn.Linear(np.roll(np.eye(8), 2, axis=1))


@pytest.mark.thorough
def test_the_sum_of_a_witness_has_its_keys():
    """A sparse layer after a summed one leaves no key for a single position: the witness brings its own."""
    model = fhenn.Sequential([linear(8, 8), fhenn.Sigmoid(), ROLLED])
    plan, context = planned(model, bounds=[-1, 1], witness=4)
    assert 1 in plan.rotations
    assert set(planned(model, bounds=[-1, 1])[0].rotations) < set(plan.rotations)
    x = fhenn.encrypt(context, rng.uniform(-1, 1, (1, 8)), layout=plan.layout)
    first, sigmoid, _ = model.nodes
    (witness,) = plan.witnesses
    _, number = observe(sigmoid, first.infer(x), witness)
    assert not witness.alarms(fhenn.decrypt(context, number)).any()
    with pytest.raises(PlanError, match="rotation by 1, which the witness"):
        verify(replace(plan, rotations=tuple(sorted({*plan.rotations} - {1})), rotation_levels=()), model)
    with pytest.raises(PlanError, match="rotation by 1, which the witness"):
        lower = plan.rotation_keys | {1: witness.level - 1}
        verify(replace(plan, rotation_levels=tuple(lower[steps] for steps in plan.rotations)), model)


def test_keys_that_were_made_for_all_diagonals_serve_a_pruned_matrix():
    """Plans and keys of before diagonals were left out go on; without any that do, the plan is refused."""
    model = fhenn.Sequential([linear(8, 8), fhenn.Sigmoid(), ROLLED])
    full = fhenn.Sequential([model.nodes[0], fhenn.Sigmoid(), linear(8, 8)])
    plan, old = planned(model, bounds=[-1, 1]), planned(full, bounds=[-1, 1])[0]
    assert not set(plan[0].rotations) <= set(old.rotations)
    # more rotations err more, for which the plan of then had room
    kept = replace(plan[0], rotations=old.rotations, rotation_levels=(), accuracy=10 * plan[0].accuracy)
    verify(kept, model)
    context = PassThroughContext(kept.parameters, kept.rotations)
    x = rng.uniform(-1, 1, (1, 8))
    answer = model.infer(fhenn.encrypt(context, x, layout=kept.layout))
    np.testing.assert_allclose(fhenn.decrypt(context, answer), model.infer(x), atol=1e-4)
    with pytest.raises(PlanError, match=r"no key that the model needs: rotation \(by"):
        verify(replace(kept, rotations=()), model)


def test_a_map_outlives_its_caller():
    """Nothing but the map needs to hold an operator."""
    affine = AffineMap(Dense(np.ones((2, 2))), None, fhenn.ckks.FEATURES, 16, CHAINED)
    assert affine.operator.shape == (2, 2)
    assert affine.gains(1, None).row == 2
