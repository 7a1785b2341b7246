import json
from dataclasses import replace
from functools import cache
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from support import mostly_thorough, on_each

import fhenn
from fhenn.approx.numbers import at_most
from fhenn.ckks.evaluator import SEAL
from fhenn.ckks.layout import FEATURES
from fhenn.ckks.operator import Sparse
from fhenn.ckks.parameters import MAX_MODULUS_BITS
from fhenn.errors import (
    NonFiniteValue,
    ParameterError,
    PlanError,
    ShapeMismatch,
    UnsupportedNode,
    UnwatchedWarning,
    WireFormatError,
)
from fhenn.nn import Affine
from fhenn.planner.chains import chains_of
from fhenn.planner.packing import THROUGHPUT
from fhenn.planner.trial import Trial, with_firsts
from fhenn.planner.walk import Path

rng = np.random.default_rng(0)


def network(*sizes, finish=None, last=False):
    nodes = []
    for width, outputs in pairwise(sizes):
        weight = rng.uniform(-1, 1, (outputs, width))
        weight *= 3 / np.abs(weight).sum(axis=1, keepdims=True)
        nodes += [fhenn.Linear(weight, rng.uniform(-0.5, 0.5, outputs)), fhenn.Sigmoid()]
    return fhenn.Sequential(nodes if last else nodes[:-1], finish=finish)


MODELS = {
    "logistic regression": network(30, 1, last=True),
    "left to the client": network(30, 1, finish="sigmoid"),
    "multilayer": network(16, 8, 4),
    "tall": network(3, 20, 2, last=True),
}


@cache
def multilayer():
    """The plan of the multilayer as it is by default: made once, since it takes a second."""
    return fhenn.plan(MODELS["multilayer"], bounds=[-1, 1])


@on_each
@pytest.mark.parametrize(
    ("name", "layout"),
    # the regression whose samples share a ciphertext, and the multilayer
    mostly_thorough([(name, layout) for name in MODELS for layout in ("latency", "throughput")], (0, 5)),
)
def test_measured_error_stays_below_the_bound(name, layout):
    model = MODELS[name]
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3, layout=layout)
    assert plan.error <= 1e-3
    assert sum(plan.parameters.chain) <= MAX_MODULUS_BITS[plan.parameters.ring_degree]
    # every sample at a corner of the box: data that fills the bounds
    x = rng.choice([-1.0, 1.0], (3, plan.features))
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    scores = client.decrypt_scores(server.predict(client.encrypt(x)))
    assert np.abs(scores - model.infer(x)).max() <= plan.error


@pytest.mark.thorough
def test_takes_the_smallest_ring():
    for name, accuracy, degree in (
        ("left to the client", 1e-3, 4096),
        ("logistic regression", 1e-3, 8192),
        ("logistic regression", 1e-7, 16384),
    ):
        plan = fhenn.plan(MODELS[name], bounds=[-1, 1], accuracy=accuracy, layout="latency")
        assert plan.parameters.ring_degree == degree


@pytest.mark.filterwarnings("ignore::fhenn.errors.UnwatchedWarning")
@pytest.mark.thorough
def test_headroom_covers_the_declared_inputs():
    for bounds in ([-1, 1], [-20, 20]):
        plan = multilayer() if bounds == [-1, 1] else fhenn.plan(MODELS["multilayer"], bounds=bounds, layout="latency")
        assert all(stage.largest <= stage.headroom for stage in plan.stages)
    # three per unit of input, and half of bias
    assert plan.stages[1].largest == pytest.approx(60, abs=0.5)


def test_levels_run_down_to_zero():
    plan = fhenn.plan(MODELS["multilayer"], bounds=[-1, 1], accuracy=1e-2, layout="latency", evaluator="seal")
    # a wide prime for the sigmoid, and a last product that the first prime holds as it is
    assert [stage.level for stage in plan.stages] == [1, 0, 0]
    precise = fhenn.plan(MODELS["multilayer"], bounds=[-1, 1], accuracy=1e-8, layout="latency")
    assert [stage.level for stage in precise.stages] == [3, 1, 0]
    assert precise.parameters.levels == MODELS["multilayer"].cost


@pytest.mark.thorough
def test_takes_a_wide_prime_where_the_accuracy_allows():
    model = MODELS["logistic regression"]
    quick, precise = (fhenn.plan(model, bounds=[-1, 1], accuracy=each, layout="latency") for each in (1e-3, 1e-7))
    assert len(quick.parameters.chain) == 4
    assert max(quick.parameters.chain[1:-1]) > 1.45 * np.log2(quick.parameters.scale)
    assert len(precise.parameters.chain) == 5


def test_prints_a_table():
    text = str(multilayer())
    for words in (
        "128-bit security",
        "error of encryption",
        "error of activations",
        "headroom",
        "Sigmoid",
        "rotations",
    ):
        assert words in text


def test_counts_in_words():
    text = str(fhenn.plan(MODELS["left to the client"], bounds=[-1, 1], rows=1, upload=1))
    assert "error of activations  none\n" in text
    assert "samples               1 in 1 ciphertext, " in text


def test_inputs_are_bounds_or_data():
    model = MODELS["left to the client"]
    data = rng.uniform(-0.5, 0.5, (50, 30))
    low, high = data.min(axis=0), data.max(axis=0)
    by_data, by_box = (
        fhenn.plan(model, layout="latency", **known)
        for known in ({"inputs": data}, {"bounds": [low, high], "rows": 50})
    )
    assert replace(by_data, distance=None) == by_box
    assert multilayer().low == (-1.0,) * 16


@pytest.mark.thorough
def test_a_plan_says_how_far_the_samples_outputs_are_from_those_of_the_exact_model():
    model = network(6, 4, 2)
    first, _, last = model.nodes
    data = rng.uniform(-1, 1, (50, 6))
    exact = last.infer(1 / (1 + np.exp(-first.infer(data))))
    plan = fhenn.plan(model, inputs=data, layout="throughput")
    assert plan.distance == pytest.approx(np.abs(model.infer(data) - exact).max(), rel=1e-9)
    assert f"; the samples' outputs <= {at_most(plan.distance)} off the exact model\n" in str(plan)
    assert fhenn.Plan.from_json(plan.to_json()) == plan
    relative = fhenn.plan(model, inputs=data, relative=True, layout="throughput")
    apart = np.abs(model.infer(data) - exact).max(axis=0)
    assert relative.distance == pytest.approx((apart / relative.units).max(), rel=1e-9)
    for other in (fhenn.plan(model, bounds=[-1, 1], layout="throughput"), fhenn.plan(first, inputs=data)):
        assert other.distance is None
        assert "off the exact" not in str(other)
        assert "distance" not in other.to_json()
    text = plan.to_json().replace(f'"distance": {plan.distance!r}', '"distance": -1.0')
    with pytest.raises(WireFormatError):
        fhenn.Plan.from_json(text)


def test_sizes_are_close_to_the_truth():
    model, plan = MODELS["multilayer"], multilayer()
    client = fhenn.Client(plan)
    keys, upload = client.evaluation_keys(), client.encrypt(np.zeros(16))
    answer = fhenn.Server(model, plan, keys).predict(upload)
    cost = plan.cost(rows=1)
    assert len(keys) == pytest.approx(plan.bytes_of_keys, rel=0.03)
    assert (len(upload), len(answer)) == (pytest.approx(cost.up, rel=0.03), pytest.approx(cost.down, rel=0.03))


def test_upload_trades_ciphertexts_for_rotations():
    options = {"bounds": [-1, 1], "layout": "latency", "evaluator": "seal"}
    one, several = (fhenn.plan(MODELS["logistic regression"], upload=n, **options) for n in (1, 8))
    assert (one.ciphertexts_per_sample, several.ciphertexts_per_sample) == (1, 8)
    assert len(one.rotations) == 5
    assert len(several.rotations) == 2


def test_samples_share_a_ciphertext_as_far_as_the_layers_allow():
    assert fhenn.plan(MODELS["logistic regression"], bounds=[-1, 1], samples=100).samples_per_ciphertext == 128
    assert fhenn.plan(MODELS["logistic regression"], bounds=[-1, 1], samples=10_000).samples_per_ciphertext == 128
    assert fhenn.plan(MODELS["multilayer"], bounds=[-1, 1], layout="throughput").layout == FEATURES


def test_a_layer_of_more_outputs_than_any_plan_places_is_refused():
    wide = Affine(Sparse(np.arange(2**17 + 1), np.zeros(2**17 + 1, dtype=int), np.ones(2**17 + 1), (2**17 + 1, 1)))
    with pytest.raises(PlanError, match="has 131,073 outputs"):
        fhenn.plan(fhenn.Sequential([wide]), bounds=[-1, 1], layout="latency")


@pytest.mark.thorough
def test_no_ring_says_what_would_do():
    deep = network(4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4)
    with pytest.raises(PlanError, match=r"the best reaches 0.*an accuracy of 0.*Not tried: .*fewer layers"):
        fhenn.plan(deep, bounds=[-1, 1], layout="throughput")


@pytest.mark.usefixtures("refused_briefly")
@pytest.mark.thorough
def test_no_ring_reaches_what_doubles_do_not_hold():
    with pytest.raises(PlanError, match="the best reaches"):
        fhenn.plan(MODELS["logistic regression"], bounds=[-1, 1], accuracy=1e-15)


def test_refuses():
    model = MODELS["logistic regression"]
    with pytest.raises(PlanError, match="start with a Linear"):
        fhenn.plan(fhenn.Sigmoid(), bounds=[-1, 1])
    for wrong in ([1.0], [[1.0, 2.0]], np.zeros((2, 3)), 5.0):
        with pytest.raises(ShapeMismatch, match="bounds"):
            fhenn.plan(model, bounds=wrong)
        with pytest.raises(ShapeMismatch, match="inputs"):
            fhenn.plan(model, inputs=wrong)
    with pytest.raises(NonFiniteValue):
        fhenn.plan(model, bounds=[-np.inf, 1])
    with pytest.raises(ParameterError, match="lower bound"):
        fhenn.plan(model, bounds=[1, -1])
    for settings in ({"layout": "sideways"}, {"accuracy": 0.0}, {"upload": 0}, {"samples": 0}):
        with pytest.raises(ParameterError):
            fhenn.plan(model, bounds=[-1, 1], **settings)


def test_other_nodes_are_refused():
    class Strange(fhenn.Node):
        forward = infer = backwards = update = updates = cost = has_parameters = None
        enable_cache = disable_cache = is_cache_enabled = None

    with pytest.raises(UnsupportedNode, match="Strange is neither"):
        fhenn.plan(fhenn.Sequential([fhenn.Linear([[1.0]]), Strange()]), bounds=[-1, 1])


@pytest.mark.parametrize("wish", [{}, {"layout": "throughput"}, {"upload": 3}, {"samples": 8}], ids=str)
def test_survives_json(wish):
    plan = fhenn.plan(MODELS["multilayer"], bounds=[-1, 1], **wish) if wish else multilayer()
    assert fhenn.Plan.from_json(plan.to_json()) == plan
    assert fhenn.Plan.from_json(plan.public().to_json().encode()) == plan.public()


@on_each
def test_public_plan_tells_no_ranges_and_serves_both_sides():
    model = MODELS["left to the client"]
    plan = fhenn.plan(model, bounds=[-1, 1])
    public = fhenn.Plan.from_json(plan.public().to_json())
    assert public.stages == ()
    assert "headroom" not in str(public)
    assert str(plan).startswith(str(public))
    client = fhenn.Client(public)
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt([[0.5] * 30]))
    assert client.decrypt_scores(answer) == pytest.approx(model.infer([[0.5] * 30]), abs=plan.error)


@pytest.mark.parametrize(
    "spoil",
    [
        {"kind": "fhenn-model"},
        {"version": 2},
        {"parameters": {"ring_degree": 4096, "chain": [60, 60, 60], "scale": 2.0**30}},
        {"parameters": [1]},
        {"layout": {"name": "sideways"}},
        {"layout": {"name": "vectors", "form": "tiles", "period": 2, "samples": 1, "step": 1, "tiles": 1}},
        {"layout_name": "both"},
        {"rotations": [0]},
        {"rotations": [4096]},
        {"rotations": ["1"]},
        {"stages": [{"node": "Linear"}]},
        {"low": [2.0] * 16},
        {"low": [-1.0]},
        {"low": [], "high": []},
        {"low": [float("nan")] * 16},
        {"error": float("inf")},
        {"accuracy": "small"},
        {"finish": "round"},
        {"signature": [1]},
        {"surplus": 1},
        {"version": True},
        {"error": -1.0},
        {"accuracy": True},
        {"parameters": {"ring_degree": 4096, "chain": [36.5, 32, 41], "scale": 2.0**32}},
        {"stages": [dict.fromkeys(("node", "features", "level", "largest", "headroom", "noise"))]},
    ],
    ids=str,
)
def test_json_of_something_else_is_refused(spoil):
    with pytest.raises(WireFormatError, match="plan"):
        fhenn.Plan.from_json(json.dumps(json.loads(multilayer().to_json()) | spoil))


@pytest.mark.parametrize("text", ["", "[]", "1", "{", b"\xff", '{"kind": "fhenn-plan"}', "[" * 100_000])
def test_other_bytes_are_refused(text):
    with pytest.raises(WireFormatError, match="plan"):
        fhenn.Plan.from_json(text)


def test_fingerprints_tell_plans_apart():
    model = MODELS["multilayer"]
    options = {"bounds": [-1, 1], "layout": "throughput"}
    plan = fhenn.plan(model, **options)
    other = fhenn.Sequential([fhenn.Linear(model.nodes[0].weight, model.nodes[0].bias + 1e-9), *model.nodes[1:]])
    of_other = fhenn.plan(other, **options)
    assert plan.fingerprint == fhenn.plan(model, **options).fingerprint == plan.public().fingerprint
    assert plan.model == fhenn.planner.fingerprint_of(model) != of_other.model
    seen = {each.fingerprint for each in (plan, of_other, replace(plan, model=None), replace(plan, queries=1))}
    assert len(seen) == 4


ACTIVATIONS = {
    "sigmoid": lambda: fhenn.Sigmoid(domain=(-8, 8), degree=7),
    "gelu": lambda: fhenn.GELU(domain=(-8, 8), degree=8),
    "square": fhenn.Square,
    "lopsided": lambda: fhenn.Sigmoid(domain=(-4, 6), degree=5),
    "sign relu": lambda: fhenn.SignReLU(degrees=(5, 5)),
}


@on_each
@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("sigmoid", "throughput"),
        ("square", "latency"),
        *(
            pytest.param(name, layout, marks=pytest.mark.thorough)
            for name in ACTIVATIONS
            for layout in ("latency", "throughput")
            if (name, layout) not in (("sigmoid", "throughput"), ("square", "latency"))
        ),
    ],
)
def test_activations_are_planned(name, layout):
    first, last = network(6, 4).nodes[0], network(4, 2).nodes[0]
    model = fhenn.Sequential([first, ACTIVATIONS[name](), last])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3, layout=layout)
    # the last product need not be rescaled
    assert plan.parameters.levels in (model.cost - 1, model.cost)
    assert model.cost == 2 + model.nodes[1].cost
    exact = model.nodes[1].sup_error() if name == "sign relu" else model.nodes[1].polynomial.sup_error()
    assert plan.approximation == pytest.approx(exact)
    x = rng.choice([-1.0, 1.0], (16, 6))
    client = fhenn.Client(plan)
    scores = client.decrypt_scores(fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x)))
    assert np.abs(scores - model.infer(x)).max() <= plan.error <= 1e-3


def test_another_activation_is_another_model():
    first = network(6, 4).nodes[0]
    plan = fhenn.plan(fhenn.Sequential([first, fhenn.Sigmoid()]), bounds=[-1, 1], layout="throughput")
    keys = fhenn.Client(plan).evaluation_keys()
    for other in (fhenn.Sigmoid(domain=(-8, 8), degree=3), fhenn.Sigmoid(degree=7), fhenn.Tanh(degree=3)):
        with pytest.raises(PlanError, match="the plan is for"):
            fhenn.Server(fhenn.Sequential([first, other]), plan, keys)


@pytest.mark.usefixtures("refused_briefly")
@pytest.mark.thorough
def test_inputs_beyond_a_domain_are_named():
    first = fhenn.Linear(np.full((1, 4), 20.0))
    model = fhenn.Sequential([first, fhenn.Sigmoid(domain=(-8, 8), degree=5), fhenn.Linear([[1.0]])])
    with pytest.raises(PlanError, match=r"Sigmoid \(node 1\) may reach \[-80, 80\], beyond its domain \[-8, 8\]"):
        fhenn.plan(model, bounds=[-1, 1])


SAMPLES = np.array([[1.0, 1.0], [-0.5, 0.2], [0.0, 0.0]])
"""One of three leaves the domain of a sigmoid behind a sum times 3."""


def behind_a_sum(activation):
    return fhenn.Sequential([fhenn.Linear([[3.0, 3.0]]), activation])


@pytest.mark.parametrize("asked", [{}, {"bounds": [-1, 1]}, {"ranges": "data"}], ids=["box", "bounds", "data"])
def test_samples_that_leave_a_domain_warn_where_they_are_planned_for(asked):
    with pytest.warns(fhenn.RangeWarning, match=r"Sigmoid: 1 of 3 values outside \[-4, 4\]") as caught:
        fhenn.plan(behind_a_sum(fhenn.Sigmoid()), inputs=SAMPLES, **asked)
    assert [warning.filename for warning in caught] == [__file__]


def test_samples_that_leave_a_domain_are_passed_over_where_the_policy_says_so():
    for quiet in (fhenn.Sigmoid(on_violation="ignore"), fhenn.Square()):
        fhenn.plan(behind_a_sum(quiet), inputs=SAMPLES)
    strict = behind_a_sum(fhenn.Sigmoid(on_violation="raise"))
    with pytest.warns(fhenn.RangeWarning, match="1 of 3"):  # a plan computes nothing: there is nothing to be refused
        fhenn.plan(strict, inputs=SAMPLES)
    fhenn.plan(strict, inputs=SAMPLES[1:], bounds=[-1, 1])


def test_without_samples_and_witnesses_what_inputs_can_bring_warns():
    with pytest.warns(
        UnwatchedWarning, match=r"Sigmoid: inputs .* bring \[-6, 6\] .* \[-4, 4\].*witness=True"
    ) as caught:
        fhenn.plan(behind_a_sum(fhenn.Sigmoid()), bounds=[-1, 1])
    (warning,) = caught
    assert warning.filename == __file__
    assert (warning.message.node, warning.message.domain) == ("Sigmoid", (-4, 4))
    assert warning.message.reach == pytest.approx((-6, 6))


@pytest.mark.parametrize(
    ("activation", "asked"),
    [
        (fhenn.Sigmoid(), {"bounds": [-1, 1], "witness": True}),
        (fhenn.Sigmoid(), {"bounds": [-0.66, 0.66]}),
        (fhenn.Sigmoid(), {"bounds": [-1, 1], "inputs": SAMPLES[1:]}),
        (fhenn.Sigmoid(on_violation="ignore"), {"bounds": [-1, 1]}),
        (fhenn.Sigmoid(domain=(-6, 6), degree=5), {"bounds": [-1, 1]}),
        (fhenn.Square(), {"bounds": [-1, 1]}),
    ],
    ids=["a witness", "narrow bounds", "samples", "ignored", "a wide domain", "exact"],
)
def test_there_is_no_warning_with(activation, asked):
    fhenn.plan(behind_a_sum(activation), **asked)


def test_all_samples_are_looked_at_and_told_of_together():
    samples = np.zeros((10_000, 2))
    samples[[0, 5_000, 9_999]] = [[0.9, 0.9], [-1.0, -1.0], [0.7, 0.8]]
    with pytest.warns(fhenn.RangeWarning, match="3 of 10000 values .* smallest -6, largest 5.4") as caught:
        fhenn.plan(behind_a_sum(fhenn.Sigmoid()), inputs=samples)
    assert len(caught) == 1


@on_each
@pytest.mark.parametrize(
    ("activation", "layout"),
    mostly_thorough(
        [
            (activation, layout)
            for activation in (
                fhenn.Square,
                lambda: fhenn.SignReLU(degrees=(3,)),
                lambda: fhenn.Sigmoid(domain=(-2, 2), degree=3),
            )
            for layout in ("latency", "throughput")
        ],
        (1, 4),
    ),
)
def test_a_model_that_ends_in_an_activation_runs_as_planned(activation, layout):
    """SEAL's primes are smaller than their bits say, and a plan must hold all the same."""
    model = fhenn.Sequential([fhenn.Linear(np.eye(3)), activation()])
    for accuracy in (0.5, 1e-2):
        plan = fhenn.plan(model, bounds=[-0.9, 0.9], accuracy=accuracy, layout=layout)
        client = fhenn.Client(plan)
        x = rng.choice([-0.9, 0.9], (4, 3))
        answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x))
        assert np.abs(client.decrypt_scores(answer) - model.infer(x)).max() <= plan.error


def test_a_constant_is_no_activation():
    with pytest.raises(PlanError, match="constant"):
        fhenn.plan(fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.PolynomialActivation([0.5])]), bounds=[-1, 1])


@pytest.mark.parametrize(
    "wish", [{"accuracy": "x"}, {"accuracy": np.inf}, {"samples": 2.5}, {"upload": 1.5}, {"upload": "2"}], ids=str
)
def test_wishes_that_no_plan_meets(wish):
    with pytest.raises(ParameterError, match="must be"):
        fhenn.plan(MODELS["multilayer"], bounds=[-1, 1], **wish)


@on_each
def test_a_bias_that_is_larger_than_the_sums_fits_as_a_plaintext():
    """Features far from 0, as of data that were not centred: the bias brings the sums back, and is encoded itself."""
    model = fhenn.Sequential([fhenn.Linear([[1.0, 1.0]], [-200.0])])
    for layout in ("throughput", "latency"):
        plan = fhenn.plan(model, bounds=[99, 101], accuracy=1e-8, layout=layout)
        client = fhenn.Client(plan)
        server = fhenn.Server(model, plan, client.evaluation_keys())
        x = np.array([[99.5, 100.25], [101.0, 99.0]])
        assert np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.predict(x)).max() <= plan.error


def test_a_chain_that_does_not_suit_a_polynomial_is_no_candidate():
    """Of every chain that is tried the scales are followed first; where they do not fit it is passed over."""
    node = fhenn.Sigmoid((-11.1, 11.1), degree=13)
    model = fhenn.Sequential([fhenn.Linear(np.full((4, 4), 0.1)), node, fhenn.Linear(np.ones((1, 4)))])
    assert fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="throughput").error <= 1e-2


@pytest.fixture(scope="module")
def witnessed():
    """A plan with all that a plan can have."""
    nodes = [fhenn.Linear(np.ones((2, 2))), fhenn.Sigmoid(), fhenn.Linear([[1.0, 1.0]]), fhenn.Sigmoid()]
    return fhenn.plan(fhenn.Sequential(nodes), bounds=[-1, 1], accuracy=1e-2, layout="throughput", witness=2)


ONE_BY_ONE = {
    "an accuracy of 0": {"accuracy": 0.0},
    "an accuracy below 0": {"accuracy": -1e-3},
    "an infinite approximation": {"approximation": float("inf")},
    "an approximation below 0": {"approximation": -1e-9},
    "a deviation below 0": {"deviation": -1e-9},
    "an infinite bound": {"high": [1.0, float("inf")]},
    "bounds the wrong way round": {"low": [-1.0, 1.5]},
    "queries below 0": {"queries": -1},
    "more queries than there may be": {"queries": 2**64 + 1},
    "a model of no fingerprint": {"model": "0" * 15},
    "a model of capitals": {"model": "A" * 16},
    "outputs the wrong way round": {"outputs": [1.0, 0.0]},
    "infinite outputs": {"outputs": [0.0, float("inf")]},
    "three outputs": {"outputs": [0.0, 1.0, 2.0]},
    "names for some features": {"feature_names": ["a"]},
    "a name twice": {"feature_names": ["a", "a"]},
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_field_that_cannot_be_is_refused(witnessed, name):
    data = json.loads(witnessed.to_json())
    fhenn.Plan.from_json(json.dumps(data))
    with pytest.raises(WireFormatError, match="plan"):
        fhenn.Plan.from_json(json.dumps(data | ONE_BY_ONE[name]))


@pytest.mark.parametrize(
    "changes",
    [{"level": -1}, {"level": 99}, {"outputs": 0}, {"outputs": 2**32}, {"layout": {"name": "packed"}}, {"level": 1.0}],
    ids=str,
)
def test_a_result_that_cannot_be_is_refused(witnessed, changes):
    data = json.loads(witnessed.to_json())
    with pytest.raises(WireFormatError, match="plan"):
        fhenn.Plan.from_json(json.dumps(data | {"result": data["result"] | changes}))


@pytest.mark.parametrize("changes", [{"inner": 2.0}, {"level": 99}, {"degree": 3}, {"neurons": 0}], ids=str)
def test_a_witness_that_cannot_be_is_refused(witnessed, changes):
    data = json.loads(witnessed.to_json())
    first, *others = data["witnesses"]
    with pytest.raises(WireFormatError, match="plan"):
        fhenn.Plan.from_json(json.dumps(data | {"witnesses": [first | changes, *others]}))


@pytest.mark.parametrize("part", [0.0, 0.5, 0.9])
def test_less_error_than_any_model_makes_is_refused(witnessed, part):
    """A rescale rounds, whatever the weights are; the deviation is below the bound, and that below the worst case."""
    n = witnessed.parameters.ring_degree
    rounding = (n / 2 * (1 + 2 * n / 3) / 12) ** 0.5 / 2.0 ** witnessed.parameters.chain[0]
    exponent = {bits: np.log(n) + (bits + 1) * np.log(2) for bits in (40, 128)}
    error, worst = (rounding * exponent[bits] / 2**0.5 for bits in (40, 128))
    good = replace(witnessed, deviation=0.0, error=1.1 * error, worst=1.1 * worst)
    good.require_errors()
    for changes in (
        {"error": part * error},
        {"worst": max(part * worst, 1.2 * error)},
        {"deviation": 1.2 * error},
        {"error": 1.2 * worst},
    ):
        with pytest.raises(PlanError, match="states an error"):
            replace(good, **changes).require_errors()


def test_keys_fit_by_their_parameters_and_rotations(witnessed):
    def keys(parameters, *rotations, up_to=9, relinearised=9):
        fits = lambda steps, level: steps in rotations and level <= up_to  # noqa: E731
        squares = lambda level: level <= relinearised  # noqa: E731
        prints = parameters.fingerprint
        return SimpleNamespace(parameters_fingerprint=prints, can_rotate=fits, can_relinearise=squares)

    plan, mine = replace(witnessed, rotations=(1, 4), rotation_levels=(0, 2)), witnessed.parameters
    assert plan.fits(keys(mine, 1, 2, 4))
    assert plan.fits(keys(mine, 1, 4, up_to=2))
    assert not plan.fits(keys(mine, 1, 4, up_to=1))
    assert not replace(plan, rotation_levels=()).fits(keys(mine, 1, 4, up_to=mine.levels - 1))
    assert plan.fits(keys(mine, 1, 4, relinearised=plan.relinearisation_level))
    assert not plan.fits(keys(mine, 1, 4, relinearised=plan.relinearisation_level - 1))
    assert not plan.fits(keys(mine, 1, 2))
    assert not plan.fits(keys(mine))
    first, *rest = mine.chain
    for other in (
        replace(mine, scale=2 * mine.scale),
        replace(mine, chain=(first - 1, *rest)),
        replace(mine, chain=(first, *rest[:-1])),
        replace(mine, ring_degree=2 * mine.ring_degree),
    ):
        assert not plan.fits(keys(other, 1, 4))


def test_the_public_one_says_nothing_of_the_weights(witnessed):
    assert witnessed.stages
    public = witnessed.public()
    assert public.stages == ()
    for stage in witnessed.stages:
        assert repr(stage.headroom) not in public.to_json()


@pytest.mark.parametrize(
    "before", mostly_thorough([fhenn.Sigmoid, fhenn.Tanh, fhenn.Square], (0,)), ids=lambda node: node.__name__
)
def test_a_cubic_may_follow_another_activation(before):
    """Its scale has grown by then, and a prime that is wide for a fresh one is not wide for it."""
    model = fhenn.Sequential([fhenn.Linear(np.eye(3) / 2), before(), fhenn.Sigmoid(), fhenn.Linear(np.eye(3))])
    plan = fhenn.plan(model, bounds=[-1, 1], layout="throughput")
    assert plan.error <= 1e-3
    assert [stage.level for stage in plan.stages][-1] == 0


@pytest.mark.parametrize("number", [3, 3.5, np.int64(3)], ids=str)
@pytest.mark.parametrize("name", ["bounds", "inputs"])
def test_a_number_alone_is_no_bounds(name, number):
    with pytest.raises(ShapeMismatch, match=name):
        fhenn.plan(fhenn.Linear([[1.0, 2.0]]), **{name: number})


def test_no_first_prime_that_holds_a_model_is_passed_over():
    """The search leaves most of them out: what it finds is the least that a search through all of them finds."""
    nodes = [fhenn.Linear(np.full((4, 4), 5.0)), fhenn.Square(), fhenn.Linear(np.full((2, 4), 30.0))]
    path = Path(nodes, np.full(4, -1.0), np.full(4, 1.0))
    trial = Trial(path, THROUGHPUT, 0, SEAL)
    found = {(each.parameters.scale, each.parameters.chain[1:-1]): each for each in trial.candidates(8192)}
    count = 0
    for bits, used, least in chains_of(path.nodes, shared=False):
        choices = map(trial.candidate, with_firsts(8192, bits, used, range(least, 61, 2)))
        first = next(filter(None, choices), None)
        same = found.get((2.0**bits, used))
        assert (first and first.parameters) == (same and same.parameters)
        count += first is not None and first.parameters.chain[0] > least
    assert count > 5


@pytest.mark.parametrize("signature", [[], ["finish=None"]])
def test_plan_files_of_no_node_are_refused(signature):
    made = json.loads(fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1]).to_json())
    with pytest.raises(WireFormatError):
        fhenn.Plan.from_json(json.dumps(made | {"signature": signature}))
