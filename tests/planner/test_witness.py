"""Witnesses in a plan: where they raise an alarm, and where they must not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mostly_thorough, on_each

import fhenn
from fhenn.approx import RELU
from fhenn.errors import ParameterError, PlanError, UnwatchedWarning, WireFormatError
from fhenn.nn import circuit
from fhenn.planner import Plan, verify
from fhenn.planner.ring import expected_ring
from fhenn.planner.witness import DEGREES, Witness, chebyshev_witness, inner_edge
from fhenn.planner.witness_choice import _covers, _limit, watched
from fhenn.ranges import Inputs
from fhenn.session import Receipt

rng = np.random.default_rng(0)
HIDDEN = fhenn.Sequential(
    [fhenn.Linear(rng.normal(size=(6, 4))), fhenn.Sigmoid(), fhenn.Linear(rng.normal(size=(2, 6)))]
)


@pytest.fixture(scope="module")
def plan(evaluator):
    return fhenn.plan(HIDDEN, bounds=[-1, 1], witness=True, layout="throughput", evaluator=evaluator)


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
    assert str(witness) in " ".join(str(plan).split())
    assert max(map(len, str(plan).splitlines())) <= 100
    assert "6 neurons together" in str(witness)
    assert plan.public().witnesses == plan.witnesses
    assert fhenn.Plan.from_json(plan.to_json()) == plan
    assert witness.headroom >= plan.stages[1].largest


def test_nothing_is_planned_unasked():
    with pytest.warns(UnwatchedWarning, match="Sigmoid"):
        plan = fhenn.plan(HIDDEN, bounds=[-1, 1], layout="throughput")
    assert plan.witnesses == ()


@pytest.mark.parametrize("degree", mostly_thorough(DEGREES, (0,)))
def test_a_degree_may_be_asked_for(degree):
    (witness,) = fhenn.plan(HIDDEN, bounds=[-1, 1], witness=degree, layout="throughput").witnesses
    assert witness.degree == degree


def one_level(units):
    """A network whose activation takes one level just before the last layer, and what it is planned from."""
    draw = np.random.default_rng(0)
    samples = draw.normal(size=(300, 13))
    first = draw.normal(size=(units, 13)) / np.sqrt(13)
    relu = fhenn.Activation.fit(RELU, (-6, 6), degree=2, samples=samples @ first.T, on_violation="ignore")
    return fhenn.Sequential([fhenn.Linear(first), relu, fhenn.Linear(draw.normal(size=(2, units)) / units)]), samples


@pytest.mark.thorough
def test_a_witness_that_has_no_room_gets_a_level_of_its_own():
    """Degrees 4 and 2, which have room without it, would alarm for the samples that the plan is made from."""
    model, samples = one_level(64)
    plan = fhenn.plan(model, inputs=samples, ranges="data", rows=1)
    (witness,) = plan.witnesses
    assert witness.degree == 8
    assert witness.start >= 3 > model.nodes[1].cost + model.nodes[2].cost
    assert plan.parameters.levels > model.cost
    assert plan.spare > 0 == plan.result.level
    assert not witness.alarms(witness.numbers(model.nodes[0].infer(samples))).any()
    assert Plan.from_json(plan.to_json()) == plan
    verify(plan, model)
    without = fhenn.plan(model, inputs=samples, ranges="data", rows=1, witness=False)
    assert without.parameters.levels <= model.cost
    assert plan.parameters.ring_degree == without.parameters.ring_degree
    known = Inputs.of(circuit(model), inputs=samples)
    assert expected_ring(model, known, "data") == plan.parameters.ring_degree


def linear(outputs, inputs):
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / np.sqrt(inputs))


def softplus(degree=2):
    return fhenn.Softplus((-6, 6), degree=degree, on_violation="ignore")


NEAR_THE_END = {
    "two activations": (1, lambda: [linear(4, 5), softplus(), linear(4, 4), softplus(), linear(3, 4)]),
    "behind a square": (0, lambda: [linear(4, 5), softplus(), linear(3, 4), fhenn.Square()]),
    "in a branch": (
        1,
        lambda: [linear(4, 5), fhenn.Residual(fhenn.Sequential([linear(4, 4), softplus(), linear(4, 4)]))],
    ),
    "in the shallow branch": (
        0,
        lambda: [
            linear(4, 5),
            fhenn.Residual(
                fhenn.Sequential([linear(4, 4), softplus(7), linear(4, 4)]),
                fhenn.Sequential([softplus(), linear(4, 4)]),
            ),
        ],
    ),
    "in a product": (
        0,
        lambda: [linear(4, 5), fhenn.Multiply(fhenn.Sequential([softplus(), linear(4, 4)]), linear(4, 4))],
    ),
    "of images": (
        1,
        lambda: [
            fhenn.Conv2d(rng.normal(size=(2, 1, 2, 2)) / 2, shape=(1, 1, 5), padding=((0, 1), (0, 0))),
            softplus(),
            fhenn.nn.Flatten(),
            linear(2, 8),
        ],
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("layout", ["latency", "throughput"])
@pytest.mark.parametrize("name", NEAR_THE_END)
def test_witnesses_of_degree_8_wherever_the_activation_is(name, layout):
    least, make = NEAR_THE_END[name]
    model = fhenn.Sequential(make(), shape=(1, 1, 5) if name == "of images" else None)
    plan = fhenn.plan(model, bounds=[-1, 1], witness=8, layout=layout)
    assert plan.spare >= least
    assert all(witness.degree == 8 for witness in plan.witnesses)
    verify(plan, model)
    client = fhenn.Client(plan.public())
    server = fhenn.Server(model, Plan.from_json(plan.to_json()), client.evaluation_keys())
    x = rng.uniform(-1, 1, (3, 5))
    scores = client.decrypt_scores(server.predict(client.encrypt(x)), on_violation="raise")
    twin = model.infer(x.reshape(3, 1, 1, 5) if name == "of images" else x)
    assert np.abs(scores - twin).max() <= plan.error


@pytest.mark.thorough
def test_other_spare_levels_are_found():
    model, samples = one_level(64)
    plan = fhenn.plan(model, inputs=samples, ranges="data", rows=1, witness=8)
    assert plan.spare
    for spare in (0, plan.spare + 1):
        with pytest.raises(PlanError):
            verify(replace(plan, spare=spare), model)
    for spare in (-1, plan.parameters.levels, 1.5, "1"):
        with pytest.raises(WireFormatError, match="plan"):
            Plan.from_json(plan.to_json().replace(f'"spare": {plan.spare}', f'"spare": {json.dumps(spare)}'))


@pytest.mark.thorough
def test_no_level_is_spared_that_is_not_needed():
    model, samples = one_level(4)  # degree 4 is quiet
    assert fhenn.plan(model, inputs=samples, ranges="data", rows=1).spare == 0
    deep = fhenn.Sequential([model.nodes[0], fhenn.Tanh((-12, 12), degree=7), model.nodes[2]])
    plan = fhenn.plan(deep, inputs=samples, ranges="data", rows=1, witness=8)
    assert (plan.parameters.levels, plan.spare) == (deep.cost, 0)
    assert "spare" not in plan.to_json()


@pytest.mark.thorough
@pytest.mark.parametrize("queries", [0, 10])
def test_a_spare_level_serves(evaluator, queries):
    model, samples = one_level(64)
    plan = fhenn.plan(model, inputs=samples, ranges="data", rows=1, queries=queries, accuracy=0.05, evaluator=evaluator)
    assert plan.parameters.levels > model.cost
    client = fhenn.Client(plan.public())
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = samples[:3].copy()
    upload = client.encrypt(x)
    answer = server.predict(upload)
    scores = client.decrypt_scores(answer, receipt=Receipt.of(upload))
    assert np.abs(scores - model.infer(x)).max() <= plan.error
    if queries:
        shared = client.decrypt_scores(answer, receipt=Receipt.of(upload), share=True)
        assert np.abs(shared - model.infer(x)).max() <= plan.accuracy


def test_the_plan_of_an_activation_at_the_end_names_its_outputs():
    model = fhenn.Sequential([fhenn.Linear([[1.0, 1.0]]), fhenn.Sigmoid()])
    plan = fhenn.plan(model, bounds=[-3, 3], witness=True, layout="throughput")
    (witness,) = plan.witnesses
    assert (witness.neurons, witness.degree) == (1, 2)
    assert witness.inner > 0.999
    assert plan.outputs == pytest.approx((-0.032, 1.032), abs=2e-4)


def test_another_polynomial_of_the_same_degree_and_domain_is_found():
    layer = fhenn.Linear([[1.0, 1.0]])
    plan = fhenn.plan(fhenn.Sequential([layer, fhenn.Sigmoid()]), bounds=[-1, 1], layout="throughput")
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


@pytest.mark.thorough
@pytest.mark.parametrize("count", mostly_thorough([8, 100], (0,)))
def test_plans_with_other_witnesses_are_refused(plan, count):
    whole = plan.to_json()

    @settings(max_examples=count)
    @given(
        field=st.sampled_from(["place", "neurons", "degree", "inner", "threshold", "error", "start", "level", "node"]),
        value=st.one_of(
            st.none(), st.text(max_size=3), st.just(float("nan")), st.just(-1), st.just(10**6), st.just([])
        ),
    )
    def refused(field, value):
        large, negative = value == 10**6, value == -1
        if (field in ("neurons", "place") and large) or (field in ("threshold", "error") and (large or negative)):
            return
        if field == "node" and isinstance(value, str):
            return
        data = json.loads(whole)
        data["witnesses"][0][field] = value
        with pytest.raises(WireFormatError):
            fhenn.Plan.from_json(json.dumps(data))

    refused()


def test_alarms_are_for_whole_samples_and_for_nan():
    witness = Witness("Sigmoid", 1, (-4.0, 4.0), 1, 2, 1.0, 1.0, 0.0, 9.0, 1, 0)
    numbers = np.array([[0.5, 0.9], [1.1, 0.2], [np.nan, 0.0], [1.0, 0.0], [1.0, -1e-9]])
    assert witness.alarms(numbers).tolist() == [False, True, True, False, True], "no square is below 0"


def test_weights_that_pass_the_headroom_of_a_witness_are_found(plan):
    (witness,) = plan.witnesses
    reach = max(map(abs, (plan.stages[1].largest, witness.domain[1])))
    short = replace(plan, witnesses=(replace(witness, headroom=0.9 * plan.stages[1].largest),))
    assert reach < witness.headroom
    with pytest.raises(PlanError, match="witness of Sigmoid"):
        fhenn.planner.verify(short, HIDDEN)


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": 1e9}, {"domain": (-400.0, 400.0)}, {"neurons": 7}, {"level": 1, "start": 1}, {"inner": 0.1},
        {"chance": 1e-12}, {"limit": 1e18},
    ],
)  # fmt: skip
def test_a_witness_that_says_something_else_is_found(plan, changes):
    (witness,) = plan.witnesses
    with pytest.raises(PlanError):
        fhenn.planner.verify(replace(plan, witnesses=(replace(witness, **changes),)), HIDDEN)


def test_witnesses_of_other_places_are_found(plan):
    (witness,) = plan.witnesses
    for others in ((witness, witness), (replace(witness, place=0),), (replace(witness, place=9),)):
        with pytest.raises(PlanError):
            fhenn.planner.verify(replace(plan, witnesses=others), HIDDEN)


@pytest.mark.thorough
def test_the_threshold_counts_what_spare_positions_hold():
    # σ's cubic at 0, 0.5, is in the spare positions of the second activation, the middle of its domain
    nodes = [fhenn.Linear(np.ones((5, 2))), fhenn.Sigmoid(), fhenn.Sigmoid(degree=3, domain=(0, 1))]
    plan = fhenn.plan(
        fhenn.Sequential([*nodes, fhenn.Linear(np.ones((1, 5)))]),
        bounds=[-1, 1],
        accuracy=0.1,
        witness=8,
        layout="latency",
    )
    first, second = plan.witnesses
    assert first.threshold == pytest.approx(2 * 5 + 3)
    assert second.threshold == pytest.approx(2 * 5 + 3)


@pytest.mark.thorough
def test_spare_positions_hold_what_is_in_the_domain_wherever_that_is():
    """At 0 they would be far from one round 11, and their squares would err far more than those of the neurons."""
    errors = []
    for shift in (0.0, 11.0):
        around = fhenn.Sigmoid(domain=(shift - 1, shift + 1), degree=2)
        nodes = [fhenn.Linear(np.eye(5), np.full(5, shift)), around]
        model = fhenn.Sequential([*nodes, fhenn.Linear(np.ones((1, 5)))])
        plan = fhenn.plan(model, bounds=[-1, 1], witness=2, evaluator="seal")
        errors.append(plan.witnesses[0].error / plan.stages[0].noise)
    assert errors[0] < errors[1] < 2 * errors[0]


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
    # one of before limits, so that nothing else of it can be less than it says
    bolder = replace(witness, headroom=1e6 * witness.headroom, error=1e3 * witness.error, limit=None, chance=1.0)
    fhenn.planner.verify(replace(tolerant, witnesses=(bolder,)), HIDDEN)  # it promises no more than there is
    for stated in (witness, bolder):
        with pytest.raises(PlanError, match="witness of Sigmoid"):
            fhenn.planner.verify(replace(tolerant, witnesses=(stated,)), model)


def test_a_limit_below_0_covers_itself_and_none_below_it(plan):
    """As where many spare positions hold what the polynomial takes below 0."""
    negative = replace(plan.witnesses[0], threshold=-4.0, limit=-4.0)
    assert _covers(negative, negative)
    assert not _covers(replace(negative, limit=-3.9), negative)


def test_what_spare_positions_add_is_added_in_full_to_what_condemns():
    """An input that gives 128, beside -256 of spare positions: the number is -128, or 1 below that."""
    assert _limit(-300.0, 128.0, -256.0, 0.5, 1e9) == 127 - 256 - 0.5
    assert _limit(-300.0, 128.0, 256.0, 0.5, 1e9) == 127 + 256 - 0.5


def test_its_own_inputs_are_its_business_alone():
    """Alarms are for the sample whose number is above, or below -6, for every such sample, and for no other."""
    witness = Witness("Sigmoid", 1, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.1, 9.0, 1, 0)
    numbers = np.array([[12.0], [12.1], [-6.09], [-6.11], [-99.0], [np.nan], [np.inf]])
    assert witness.alarms(numbers).tolist() == [False, True, False, True, True, True, True]
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
        {"chance": 0.0}, {"chance": 1.1}, {"chance": -0.1}, {"chance": float("nan")}, {"chance": None},
        {"limit": 11.9}, {"limit": float("inf")}, {"limit": float("nan")}, {"limit": "20"}, {"limit": True},
    ],
    ids=str,
)  # fmt: skip
def test_fields_that_cannot_be_are_refused_one_by_one(changes):
    good = Witness("Sigmoid", 1, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.1, 9.0, 1, 0)
    for sane in (good, replace(good, limit=12.0), replace(good, limit=20.0, chance=1e-7)):
        sane.require_sane(3)
    with pytest.raises(ValueError, match="contradict"):
        replace(good, **changes).require_sane(3)


def test_the_least_number_is_below_what_any_inputs_give_and_near_it():
    """T is -1 at least whatever its input is, and t² is 0: two witnesses with 3 spare positions at the middle."""
    for degree, threshold, least in ((8, 2 * 6 + 3.0, -6 + 3.0), (2, 1 - 0.1 + 0.0, 0.0)):
        witness = Witness("Sigmoid", 1, (-4.0, 4.0), 6, degree, 0.7, threshold, 0.1, 9.0, 1, 0)
        assert witness.least == pytest.approx(least - 0.1)
    chebyshev = Witness("Sigmoid", 1, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.0, 9.0, 1, 0)
    sums = 6 * chebyshev.polynomial(np.linspace(-40, 40, 100_001))
    assert sums.min() == pytest.approx(chebyshev.least, abs=1e-3)
    assert not chebyshev.alarms(np.array([[sums.min() + 1e-6]]))[0]


def test_a_number_beyond_the_limit_or_below_the_least_condemns_and_an_alarm_alone_does_not():
    witness = Witness("Sigmoid", 1, (-4.0, 4.0), 6, 8, 0.7, 12.0, 0.1, 9.0, 1, 0, limit=500.0, chance=1e-7)
    numbers = np.array([[5.0], [100.0], [500.0], [500.1], [-6.2], [np.nan]])
    assert witness.alarms(numbers).tolist() == [False, True, True, True, True, True]
    assert witness.condemns(numbers).tolist() == [False, False, False, True, True, True]
    assert witness.condemns(numbers, 99.0).tolist() == [False, True, True, True, True, True]
    older = replace(witness, limit=None)
    assert older.condemns(numbers).tolist() == [False, False, False, False, True, True]
    assert older.condemns(numbers, 200.0).tolist() == [False, False, True, True, True, True]


def test_one_neuron_alone_brings_the_number_to_the_limit_where_it_is_said_to(plan):
    (witness,) = plan.witnesses
    others = np.full(5, 0.0)
    # the others at the least that T has
    others[:] = witness.domain[1] * witness.inner * np.cos(np.pi / witness.degree)
    for factor, over in ((0.999, False), (1.001, True)):
        inputs = np.append(others, factor * witness.reach)
        assert witness.condemns(np.array([[witness.polynomial(inputs).sum()]]))[0] == over
    square = Witness("Sigmoid", 1, (-4.0, 4.0), 1, 2, 1.0, 1.0, 0.0, 9.0, 1, 0, limit=4.0)
    assert square.reach == 8.0


@on_each
@pytest.mark.thorough
def test_the_chance_is_the_width_of_good_numbers_over_the_modulus_and_small_enough():
    for layout in ("latency", "throughput"):
        plan = fhenn.plan(HIDDEN, bounds=[-1, 1], witness=True, layout=layout, samples=1, accuracy=1e-2)
        (witness,) = plan.witnesses
        assert witness.chance <= 2.0**-20
        assert f"chance of 2^{np.ceil(np.log2(witness.chance)):.0f} at most" in " ".join(str(plan).split())
        client = fhenn.Client(plan)
        server = fhenn.Server(HIDDEN, plan, client.evaluation_keys())
        upload = fhenn.CipherArray.from_bytes(server.context, client.encrypt(np.zeros(4)))
        _, (number,) = server.witnessed(upload)
        modulus = server.context.modulus(number.level) / number.scale
        assert 0.999 <= witness.chance / ((witness.threshold - witness.least) / modulus) < 4
        assert witness.limit <= modulus / 2 * (1 + 1e-9)


@pytest.mark.thorough
@on_each
@pytest.mark.parametrize("degree", mostly_thorough(DEGREES, (0,)))
def test_an_input_that_makes_the_outputs_wrap_brings_the_number_beyond_the_limit(degree):
    """The witness has room for larger numbers than the outputs have."""
    activation = fhenn.Sigmoid(domain=(-1, 1), degree=7)
    model = fhenn.Sequential([fhenn.Linear(np.eye(3)), activation, fhenn.Linear([[5e4] * 3])])
    plan = fhenn.plan(model, bounds=[-1, 1], witness=degree, accuracy=0.5, layout="throughput")
    (witness,), client = plan.witnesses, fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    upload = fhenn.CipherArray.from_bytes(server.context, client.encrypt(np.zeros(3)))
    result, (number,) = server.witnessed(upload)
    fits, room = (server.context.modulus(each.level) / 2 / each.scale for each in (result, number))
    far = np.geomspace(1.0, 1e4, 10_000)
    output = 5e4 * np.abs(activation.polynomials[0](far)) - 5e4 * 2
    wraps = far[np.argmax(output > min(fits, plan.error * 2.0**44))]
    assert 1 < witness.reach <= wraps
    inputs = np.zeros((1, 3))
    inputs[0, 0] = wraps
    values = witness.numbers(inputs)
    assert witness.condemns(values)[0]
    assert values[0, 0] < room  # else it would be condemned anyway


@pytest.mark.thorough
def test_a_lower_degree_is_taken_where_the_best_would_let_wrapped_numbers_pass():
    """With degree 8 the second number of this chain has a scale of 2^45, under at most 60 bits."""
    layers = [(5, 6), (4, 5), (2, 4)]
    weights = [np.random.default_rng(1).normal(size=shape) for shape in layers]
    nodes = [fhenn.Linear(weight * 3.9 / np.abs(weight).sum(axis=1, keepdims=True)) for weight in weights]
    model = fhenn.Sequential([nodes[0], fhenn.Sigmoid(), nodes[1], fhenn.Sigmoid(), nodes[2]])
    best = fhenn.plan(model, bounds=[-1, 1], witness=True, layout="throughput", accuracy=1e-2)
    asked = fhenn.plan(model, bounds=[-1, 1], witness=8, layout="throughput", accuracy=1e-2)
    assert {witness.degree for witness in asked.witnesses} == {8}
    assert max(witness.chance for witness in best.witnesses) <= 2.0**-20
    assert max(witness.chance for witness in asked.witnesses) < 2.0**-8


def test_plans_of_before_chances_are_read_and_keep_their_fingerprint(plan):
    (witness,) = plan.witnesses
    older = replace(plan, witnesses=(replace(witness, limit=None, chance=1.0),))
    fields = json.loads(older.to_json())
    assert {"limit", "chance"}.isdisjoint(fields["witnesses"][0])
    read = fhenn.Plan.from_json(json.dumps(fields))
    assert (read, read.fingerprint) == (older, older.fingerprint)
    assert older.fingerprint != plan.fingerprint
    fhenn.planner.verify(read, HIDDEN)
    assert "chance" not in str(read.witnesses[0])
    assert fhenn.Plan.from_json(plan.to_json()).witnesses == plan.witnesses


EXACT = fhenn.Sequential(
    [fhenn.Linear(rng.normal(size=(6, 4))), fhenn.Square(), fhenn.Linear(rng.normal(size=(2, 6))), fhenn.Square()]
)


@pytest.mark.thorough
def test_exact_activations_are_not_watched_and_their_outputs_not_bounded():
    options = {"bounds": [-1, 1], "witness": True, "accuracy": 1e-2, "layout": "throughput"}
    plan = fhenn.plan(EXACT, **options)
    assert (plan.witnesses, plan.outputs) == ((), None)
    mixed = fhenn.Sequential([*HIDDEN.nodes, fhenn.Square()])
    plan = fhenn.plan(mixed, **options)
    assert [witness.place for witness in plan.witnesses] == [1]
    fhenn.planner.verify(plan, mixed)
    with pytest.raises(PlanError, match="witnesses are not those"):
        fhenn.planner.verify(replace(plan, witnesses=(replace(plan.witnesses[0], place=3),)), mixed)


def test_what_is_watched_is_the_domain_or_of_an_exact_activation_the_planned_range():
    assert watched(fhenn.Sigmoid(), (-9.0, 9.0)) == watched(fhenn.Sigmoid()) == (-4.0, 4.0)
    assert watched(fhenn.Square(), (-9.0, 9.0)) == (-9.0, 9.0)
    assert watched(fhenn.Square()) is None


@pytest.mark.thorough
def test_older_plans_that_watch_exact_activations_hold_still(monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(fhenn.Square, "is_exact", False)
        old = fhenn.plan(EXACT, bounds=[-1, 1], witness=True, accuracy=1e-2)
    assert [witness.place for witness in old.witnesses] == [1, 3]
    assert old.outputs is not None
    fhenn.planner.verify(fhenn.Plan.from_json(old.to_json()), EXACT)
