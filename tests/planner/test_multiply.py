"""Plans of models with products of branches, and of branches that meet at two scales."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_through import planned
from support import mostly_thorough

import fhenn
from fhenn.artifacts.model import model_from_bytes, model_to_bytes
from fhenn.backends import CIPHER
from fhenn.ckks import FEATURES, Parameters
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.rotations import HOISTED
from fhenn.ckks.trace import TracedContext
from fhenn.nn import Affine, circuit, deepest, depths, trail
from fhenn.planner import fingerprint_of, placements, signature_of, verify
from fhenn.planner.walk import Path, walk
from fhenn.ranges import DataRanges, reaches

rng = np.random.default_rng(0)


def linear(outputs, inputs, random=rng):
    return fhenn.Linear(random.normal(size=(outputs, inputs)) / inputs, random.normal(size=outputs) / 4)


def gate(random=rng):
    return fhenn.Multiply(linear(4, 6, random), fhenn.Sequential([linear(4, 6, random), fhenn.Sigmoid()]))


MODELS = {
    "gate": lambda: fhenn.Sequential([linear(6, 5), gate(), linear(2, 4)]),
    "by itself": lambda: fhenn.Sequential([linear(4, 5), fhenn.Multiply(fhenn.Sigmoid()), linear(2, 4)]),
    "at the end": lambda: fhenn.Sequential([linear(4, 5), fhenn.Multiply(linear(3, 4), linear(3, 4))]),
    "two scales": lambda: fhenn.Sequential([linear(4, 5), fhenn.Residual(fhenn.Square(), linear(4, 4)), linear(2, 4)]),
    "two scales at the end": lambda: fhenn.Sequential([linear(4, 5), fhenn.Residual(fhenn.Square(), linear(4, 4))]),
    "one in the other": lambda: fhenn.Sequential(
        [
            linear(4, 5),
            fhenn.Residual(fhenn.Multiply(linear(4, 4), linear(4, 4)), fhenn.Square()),
            fhenn.Multiply(fhenn.Sequential([fhenn.Square(), fhenn.Residual(linear(4, 4))]), linear(4, 4)),
            linear(3, 4),
        ]
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "layout"), mostly_thorough(product(MODELS, ["throughput", "latency"]), (0, 3, 4, 7, 8))
)
def test_a_model_runs_as_planned_and_as_traced(name, layout):
    model = MODELS[name]()
    plan, context = planned(model, bounds=[-1, 1], layout=layout)
    x = rng.uniform(-1, 1, (5, 5))
    traces = TracedContext(plan.parameters)
    traced = traces.array(plan.layout, Bounds(np.array(plan.low), np.array(plan.high)))
    steps = circuit(model)
    ways = [
        trail(steps, start, lambda _, node, value: node.evaluate(CIPHER, value), lambda _, a, b: CIPHER.add(a, b))
        for start in (fhenn.encrypt(context, x, layout=plan.layout), traced)
    ]
    twins = trail(steps, x, lambda _, node, value: node.infer(value), lambda _, a, b: a + b)
    for real, trace, twin in zip(*ways, twins, strict=True):
        assert (real.level, real.layout) == (trace.level, trace.layout)
        assert real.scale == pytest.approx(trace.scale, rel=1e-9)
        np.testing.assert_allclose(fhenn.decrypt(context, real), twin, atol=1e-4)
    assert real.level == plan.result.level
    assert traces.arithmetic.keys == plan.rotation_keys
    np.testing.assert_allclose(twin, model.infer(x))
    verify(plan, model)


@pytest.mark.parametrize("name", MODELS)
def test_levels_are_counted_as_they_are_taken(name):
    """Before every step, those of products and of sums at two scales too."""
    steps = circuit(MODELS[name]())
    taken = depths(steps)
    assert taken[-1] == sum(step.cost for step in deepest(steps))
    context = TracedContext(Parameters(32768, (50, *[40] * 14, 50), 2.0**40))
    start = context.array(FEATURES, Bounds(-np.ones(5), np.ones(5)))
    traced = trail(steps, start, lambda _, node, value: node.evaluate(CIPHER, value), lambda _, a, b: CIPHER.add(a, b))
    assert [start.level - x.level for x in traced] == taken


@pytest.mark.thorough
def test_placements_count_the_level_of_a_product(monkeypatch):
    """Maps are weighed at the levels that they run at, those behind a product or a sum at two scales too."""
    kernel = rng.normal(size=(2, 2, 3, 3))
    model = fhenn.Sequential(
        [
            fhenn.Conv2d(kernel, padding=1),
            fhenn.Multiply(fhenn.Conv2d(kernel, padding=1), fhenn.Square()),
            fhenn.Conv2d(kernel, padding=1),
            fhenn.Residual(fhenn.Square(), fhenn.Conv2d(kernel, padding=1)),
            fhenn.Conv2d(kernel),
        ],
        shape=(2, 6, 6),
    )
    steps, weighed = circuit(model), {}

    class Weighing(placements._Search):
        def _through(self, node, way, levels):
            weighed.setdefault(id(node), set()).add(levels)
            return super()._through(node, way, levels)

    monkeypatch.setattr(placements, "_Search", Weighing)
    assert placements.place_images(steps, 2048, 1, HOISTED) is not None
    found = [weighed[id(step)] for step in steps if isinstance(step, Affine)]
    assert found == [{7}, {6}, {4}, {3}, {1}]


@pytest.mark.parametrize("evaluator", ["native", pytest.param("seal", marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    ("name", "layout"),
    mostly_thorough(product(["gate", "two scales", "one in the other"], ["throughput", "latency"]), (2,)),
)
def test_answers_err_by_what_is_stated(name, layout, evaluator):
    model = MODELS[name]()
    plan = fhenn.plan(model, bounds=[-1, 1], layout=layout, evaluator=evaluator)
    client = fhenn.Client(fhenn.Plan.from_json(plan.public().to_json()))
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = rng.uniform(-1, 1, (7, 5))
    answer = client.decrypt(server.predict(client.encrypt(x)))
    assert np.abs(answer - model.infer(x)).max() <= plan.error


@pytest.mark.filterwarnings("ignore::fhenn.errors.UnwatchedWarning")
@pytest.mark.thorough
def test_images():
    """Channels weighed by what a second branch makes of them, as attention does."""

    def conv(channels, size, **how):
        return fhenn.Conv2d(rng.normal(size=(channels, 2, size, size)) / 4, rng.normal(size=channels) / 4, **how)

    weigh = fhenn.Multiply(conv(2, 3, padding=1), fhenn.Sequential([conv(2, 3, padding=1), fhenn.Sigmoid()]))
    model = fhenn.Sequential(
        [conv(2, 3, padding=1), weigh, fhenn.AvgPool2d(2), fhenn.Flatten(), linear(3, 8)], shape=(2, 4, 4)
    )
    x = rng.uniform(-1, 1, (4, 2, 4, 4))
    for layout in ("latency", "throughput"):
        plan = fhenn.plan(model, bounds=[-1, 1], layout=layout)
        client = fhenn.Client(plan)
        answer = client.decrypt(fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x)))
        assert np.abs(answer - model.infer(x)).max() <= plan.error


@settings(max_examples=60)
@given(st.integers(0, 1 << 16), st.floats(0.1, 10.0))
def test_what_reaches_a_node_is_sound(seed, size):
    random = np.random.default_rng(seed)
    nodes = circuit(fhenn.Sequential([linear(6, 5, random), gate(random), linear(2, 4, random)]))
    low = random.uniform(-size, size, 5)
    high = low + random.uniform(0, size, 5)
    reach = reaches(nodes, low, high)
    x = random.uniform(low, high, (300, 5))
    with np.errstate(all="ignore"):
        values = trail(
            nodes,
            x,
            lambda _, node, value: (node if isinstance(node, Affine) else node.with_policy("ignore")).infer(value),
            lambda _, a, b: a + b,
        )
        for found, value in zip(reach, values, strict=True):
            assert np.all((found.low <= value) & (value <= found.high))


def test_certificates_of_products():
    """How far the twin is from the exact model, for inputs within bounds: no sample is further."""
    model = MODELS["gate"]()
    plan = fhenn.plan(model, bounds=[-1, 1], witness=True, layout="throughput")
    certificate = fhenn.certify(model, plan=plan)
    x = rng.uniform(-1, 1, (2000, 5))
    first, branches, last = model.nodes
    before = first.infer(x)
    exact = branches.body.infer(before) / (1 + np.exp(-branches.other.nodes[0].infer(before)))
    apart = np.abs(last.infer(exact) - model.infer(x)).max()
    assert 0 < apart <= certificate.approximation
    client = fhenn.Client(plan, certificate=certificate)
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x[:5]))
    assert np.abs(client.decrypt(answer) - model.infer(x[:5])).max() <= plan.error


def test_ranges_from_data():
    model = MODELS["gate"]()
    x = rng.uniform(-0.2, 0.2, (200, 5))
    plan = fhenn.plan(model, inputs=x, bounds=[-1, 1], layout="throughput")
    client = fhenn.Client(plan)
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x[:9]))
    assert np.abs(client.decrypt(answer) - model.infer(x[:9])).max() <= plan.error


@pytest.mark.parametrize("name", MODELS)
def test_files_and_fingerprints(name):
    model = MODELS[name]()
    again = model_from_bytes(model_to_bytes(model))
    assert (fingerprint_of(again), signature_of(again)) == (fingerprint_of(model), signature_of(model))
    x = rng.uniform(-1, 1, (3, 5))
    np.testing.assert_array_equal(again.infer(x), model.infer(x))
    body, other = linear(4, 4), linear(4, 4)
    assert fingerprint_of(fhenn.Multiply(body, other)) != fingerprint_of(fhenn.Residual(body, other))


def test_the_range_of_an_activation_at_the_start_of_a_branch_is_its_own():
    """What is put aside is as wide as the inputs make it; the polynomial's error is that of its narrower range."""
    first, steep = fhenn.Linear(8 * np.eye(3)), fhenn.ReLU(domain=(-1.0, 1.0), degree=8)
    parameters, ranges = fhenn.Parameters.for_depth(6), DataRanges(100, 2.0, ((-1.0, 1.0),))
    ends = -np.ones(3), np.ones(3)

    def deviation(*nodes):
        path = Path(circuit(fhenn.Sequential([first, *nodes])), *ends, ranges)
        walked = walk(path, FEATURES, parameters)
        place = next(place for place, node in enumerate(path.nodes) if node is steep)
        return walked.places[place + 1].traced.noise.deviation

    in_branches = [fhenn.Residual(steep, fhenn.Linear(np.eye(3))), fhenn.Residual(fhenn.Linear(np.eye(3)), steep)]
    assert [deviation(branches) for branches in in_branches] == [pytest.approx(deviation(steep), rel=1e-6)] * 2
