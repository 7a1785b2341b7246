"""Results that others may see: the noise on them, its budget, and refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tenseal.sealapi as seal

import fhenn
from fhenn import CipherArray, Context
from fhenn.ckks.parameters import Parameters
from fhenn.errors import ParameterError, PlanError, RangeViolation, SharingRefused, WireFormatError
from fhenn.planner.flooding import flood, flood_bound
from fhenn.safety import flooded
from fhenn.safety.sharing import _normal
from fhenn.session.answer import Answer, Binding
from fhenn.session.receipt import digest_of

MODEL = fhenn.Sequential([fhenn.Linear([[1.0, -0.5, 0.25]])])


@pytest.fixture(scope="module")
def pair(evaluator):
    plan = fhenn.plan(MODEL, bounds=[-1, 1], accuracy=1e-3, layout="throughput", queries=2000)
    client = fhenn.Client(plan)
    return plan, client, fhenn.Server(MODEL, plan, client.evaluation_keys())


def test_shared_results_keep_the_accuracy_and_carry_the_noise(pair):
    plan, client, server = pair
    x = np.random.default_rng(0).uniform(-1, 1, (1500, 3))
    answer = server.predict(client.encrypt(x))
    kept, shared = client.decrypt(answer), client.decrypt(answer, share=True)
    error = shared - MODEL.infer(x)
    sigma = flood(plan.worst, 1, 2000)
    assert np.abs(error).max() <= plan.accuracy
    assert error.std() == pytest.approx(sigma, rel=0.1)
    assert np.abs(kept - MODEL.infer(x)).max() <= plan.error < sigma
    assert np.abs(error.mean()) < 5 * sigma / np.sqrt(1500)
    # the budget: 1500 of 2000 are spent
    with pytest.raises(SharingRefused, match="exceed"):
        client.decrypt(answer, share=True)
    client.decrypt(server.predict(client.encrypt(x[:500])), share=True)
    with pytest.raises(SharingRefused, match="keys"):
        client.decrypt(server.predict(client.encrypt(x[:1])), share=True)
    assert client.decrypt(answer).shape == (1500, 1)  # keeping results costs nothing


def test_the_worst_case_is_far_above_the_bound_and_every_error(pair):
    plan, _, _ = pair
    assert plan.worst > plan.error
    assert flood(plan.worst, 1, 1) >= 2**17 * plan.worst
    assert flood(1.0, 4, 9) == 6 * flood(1.0, 1, 1)
    assert flood(1.0, 1, 1, bits=32) == 2 * flood(1.0, 1, 1, bits=30)


def test_a_plan_that_cannot_carry_it_refuses():
    plan = fhenn.plan(MODEL, bounds=[-1, 1])
    client = fhenn.Client(plan)
    answer = fhenn.Server(MODEL, plan, client.evaluation_keys()).predict(client.encrypt([[0.1, 0.2, 0.3]]))
    with pytest.raises(SharingRefused, match="queries=1") as caught:
        client.decrypt(answer, share=True, queries=1)
    assert "accuracy" in str(caught.value)
    with pytest.raises(ParameterError, match=r"the plan is for no results that are shared\. Say how many .*queries=…"):
        client.decrypt(answer, share=True)
    for queries in (0, -1, 1.5):
        with pytest.raises(ParameterError, match="queries must be a whole number from 1 to"):
            client.decrypt(answer, share=True, queries=queries)
    with pytest.raises(ParameterError, match="bits must be a whole number from 1 to 128, not 0"):
        client.decrypt(answer, share=True, queries=1, bits=0)


@pytest.mark.parametrize(
    "changes",
    [{"worst": 1e-300}, {"worst": 1e-300, "error": 1e-301, "deviation": 1e-302}, {"error": 0.0, "deviation": 0.0}],
)
def test_a_plan_that_states_less_error_than_its_shape_makes_is_refused_everywhere(pair, changes):
    plan, client, _ = pair
    false = replace(plan, **changes)
    with pytest.raises(PlanError, match=r"plan again with fhenn.plan"):
        fhenn.Client(false)
    with pytest.raises(PlanError):
        fhenn.Client.from_secret_bytes(false, client.secret_bytes())
    with pytest.raises(PlanError):
        flooded(np.zeros((1, 1)), false, 2000)
    with pytest.raises(WireFormatError, match="for any model of its shape"):
        fhenn.Plan.from_json(false.to_json())


def test_an_answer_that_errs_by_more_than_the_plan_says_is_not_shared():
    model = fhenn.Sequential([fhenn.Linear([[2_000.0]])])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=10.0, layout="throughput", queries=10)
    # the least that passes, below what this weight makes of a fresh encryption
    false = replace(plan, worst=plan.least_worst(), error=plan.least_worst(), deviation=0.0)
    assert false.worst < plan.worst / 20
    client = fhenn.Client(fhenn.Plan.from_json(false.to_json()))
    answer = fhenn.Server(model, false, client.evaluation_keys()).predict(client.encrypt([[0.5]]))
    with pytest.raises(SharingRefused, match=r"the answer has an error of .* share nothing"):
        client.decrypt(answer, share=True)
    assert client.decrypt(answer).shape == (1, 1)  # results that stay are not touched


@pytest.mark.thorough
def test_the_noise_is_sized_by_the_answer_where_the_plan_says_less():
    model = fhenn.Sequential([fhenn.Linear([[1e-3]]), fhenn.Sigmoid()])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-3, layout="throughput", queries=10)
    client = fhenn.Client(plan)
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt([[0.5]]))
    array = CipherArray.from_bytes(Context.from_bytes(client.evaluation_keys()), Answer.from_bytes(answer).result)
    least = plan.least_worst(array.scale)
    assert plan.least_worst() < least <= plan.worst
    rounding = np.sqrt(plan.parameters.slots * (1 + 2 * plan.parameters.ring_degree / 3) / 12)  # one rescale's
    assert least > 50 * rounding / array.scale
    false = replace(plan, worst=plan.least_worst(), error=plan.least_worst(), deviation=0.0)
    shared = flooded(np.zeros((4000, 1)), false, 10, scale=array.scale)
    assert shared.std() == pytest.approx(flood(least, 1, 10), rel=0.1)


def with_a_scale(answer, client, upload, factor):
    """A server's answer, of the upload itself, times 1 at a scale."""
    context = Context.from_bytes(client.evaluation_keys())
    x, outputs = CipherArray.from_bytes(context, upload), []
    for ciphertext in x.ciphertexts:
        one, product = seal.Plaintext(), seal.Ciphertext()
        encoder = seal.CKKSEncoder(context.seal_context)
        encoder.encode([1.0] * context.slots, ciphertext.parms_id(), factor, one)
        seal.Evaluator(context.seal_context).multiply_plain(ciphertext, one, product)
        outputs.append(product)
    y = CipherArray(context, x.shape, x.layout, tuple(outputs), x.level, float(outputs[0].scale))
    return replace(answer, result=y.to_bytes()).to_bytes()


@pytest.mark.parametrize("activation", [False, True])
def test_a_scale_that_no_circuit_ends_at_is_not_shared(activation):
    parameters = Parameters(16384, (60, 58, 58, 58, 58, 58, 60), 2.0**58)
    nodes = ("Linear1x1", "Sigmoid3[-4,4]") if activation else ("Linear1x1",)
    made = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1], layout="throughput", queries=10).public()
    told = {"parameters": parameters, "signature": (*nodes, "finish=None"), "model": None, "error": 0.9, "worst": 1.0}
    false = replace(made, **told, result=replace(made.result, level=parameters.levels))
    least = false._least_errors()
    false = replace(false, worst=least[1], error=least[0], deviation=0.0)
    client = fhenn.Client(fhenn.Plan.from_json(false.to_json()))
    upload = client.encrypt(np.linspace(-1, 1, 5)[:, None])
    named = Answer(b"", (), Binding(0, digest_of(upload), "0" * 32, false.fingerprint))
    with pytest.raises(SharingRefused, match=r"a scale of .* allows .* did not follow the plan"):
        client.decrypt(with_a_scale(named, client, upload, 2.0**120), share=True)
    # at a scale that is believed, noise hides what the upload errs by at the least
    shared = with_a_scale(named, client, upload, 2.0 ** (2 if activation else 1))
    raw = client.decrypt(shared)
    for _ in range(3):
        off = np.abs(client.decrypt(shared, share=True, queries=100) - raw)
        assert np.all(off > 0)
        assert off.max() > 0.1 * flood(1e-13, 1, 100)


def test_what_is_let_pass_is_hidden(pair):
    plan, _, _ = pair
    parameters = Parameters(16384, (60, 58, 58, 60), 2.0**58)
    fine = replace(plan, parameters=parameters, error=0.0, deviation=0.0, worst=1.0, accuracy=1e9)
    least = fine._least_errors()
    fine = replace(fine, error=least[0], worst=least[1])
    scores = np.full((4000, 1), 1000.0)
    tolerated = 1024 * 2.0**-45  # what double precision leaves of a thousand, and more than the plan's worst
    assert 10 * fine.worst < tolerated
    noise = flooded(scores, fine, 10, seen=0.99 * tolerated) - scores
    assert noise.std() == pytest.approx(flood(tolerated, 1, 10), rel=0.1)
    with pytest.raises(SharingRefused, match="has an error of"):
        flooded(scores, fine, 10, seen=1.01 * tolerated)


@pytest.mark.parametrize(
    "changes", [{"result": None}, {"signature": ("Foo", "finish=None")}, {"signature": ("finish=None",)}]
)
def test_a_plan_that_does_not_say_what_its_answers_are_shares_nothing(pair, changes):
    plan, _, _ = pair
    with pytest.raises(PlanError, match="plan again"):
        flooded(np.zeros((1, 1)), replace(plan, **changes, error=0.5, worst=1.0, accuracy=1e9), 10)


def test_large_results_are_planned_with_the_noise_that_precision_asks_for():
    model = fhenn.Sequential([fhenn.Linear([[1.0]], [30_000.0])])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1.0, layout="throughput", queries=100)
    assert plan.worst >= 30_001 * 2.0**-45
    client = fhenn.Client(plan)
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt([[0.5]]))
    assert abs(client.decrypt(answer, share=True)[0, 0] - 30_000.5) <= 1


def test_shared_numbers_lie_on_a_grid(pair):
    plan, _, _ = pair
    scores = np.random.default_rng(0).normal(size=(50, 1))
    noisy = flooded(scores, plan, 2000)
    step = 2.0 ** np.floor(np.log2(flood(plan.worst, 1, 2000) / 64))
    assert np.array_equal(noisy / step, np.round(noisy / step))
    assert not np.array_equal(noisy, flooded(scores, plan, 2000))


def test_the_noise_is_normal():
    sample = _normal((100_000, 2)).ravel()
    assert abs(sample.mean()) < 0.02
    assert sample.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(sample) > 2).mean() == pytest.approx(0.0455, abs=0.004)
    assert np.abs(sample).max() < flood_bound(1.0, 200_000)


@pytest.mark.usefixtures("refused_briefly")
@pytest.mark.thorough
def test_a_plan_says_that_no_ring_carries_so_many():
    deep = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid(domain=(-8, 8), degree=15), fhenn.Linear([[1.0]])])
    with pytest.raises(fhenn.errors.PlanError):
        fhenn.plan(deep, bounds=[-1, 1], accuracy=1e-6, layout="throughput", queries=10**9)


@pytest.mark.parametrize("how", [{"queries": 10**400}, {"bits": 5000}])
def test_budgets_beyond_measure_are_refused(pair, how):
    _, client, server = pair
    answer = server.predict(client.encrypt([[0.0, 0.0, 0.0]]))
    with pytest.raises(ParameterError):
        client.decrypt(answer, share=True, **how)
    with pytest.raises(ParameterError):
        fhenn.plan(MODEL, bounds=[-1, 1], queries=10**400)


@pytest.mark.parametrize(
    "changes",
    [
        {"worst": -1.0},
        {"worst": 0},
        {"worst": 10**400},
        {"queries": 10**400},
        {"outputs": [2, 1]},
        {"low": [-(10**400)] * 3},
    ],
)
def test_plans_that_cannot_be_are_refused(pair, changes):
    with pytest.raises(WireFormatError):
        fhenn.Plan.from_json(json.dumps(json.loads(pair[0].to_json()) | changes))


@pytest.mark.thorough
def test_the_guard_of_shared_results_sees_what_others_see(monkeypatch):
    model = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid(domain=(-1, 1), degree=3)])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, layout="throughput", queries=100)
    client = fhenn.Client(plan)
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt([[-1.0]] * 4))
    sigma = flood(plan.worst, 1, 100)
    # noise takes them below the least output, and not below what noise may
    monkeypatch.setattr("fhenn.safety.sharing._normal", lambda shape: np.full(shape, -0.98 * plan.accuracy / sigma))
    assert np.all(client.decrypt(answer, share=True) < plan.outputs[0] - 0.9 * plan.accuracy)
    monkeypatch.setattr("fhenn.safety.sharing._normal", lambda shape: np.full(shape, -1.1 * plan.accuracy / sigma))
    with pytest.raises(RangeViolation):
        client.decrypt(answer, share=True)


def test_errors_of_samples_that_are_flagged_do_not_count():
    plan = replace(fhenn.plan(MODEL, bounds=[-1, 1], layout="throughput", queries=10), accuracy=1e9)
    scores, seen = np.array([[0.25], [1e30], [0.5]]), np.array([0.0, 1e20, plan.worst])
    shown = []

    def flag(values):
        shown.append(values)
        return values[:, 0] > 1e9

    shared = flooded(scores, plan, 10, seen=seen, flag=flag)
    sigma = flood(plan.worst, 1, 10)
    assert np.abs(shared[:, 0] - [0.25, 0.0, 0.5]).max() <= flood_bound(sigma, 3) < 1e9
    assert np.all(shown[0][[0, 2]] != scores[[0, 2]])  # with noise
    assert np.abs(shown[0] - shared)[[0, 2]].max() <= sigma / 64  # the same, that was given away
    for errors in (np.array([0.0, 1e20, 1.01 * plan.worst]), np.array([np.nan, 0.0, 0.0])):
        with pytest.raises(SharingRefused, match="has an error of"):
            flooded(scores, plan, 10, seen=errors, flag=flag)


def spread_of(plan, value=0.0, **how):
    """The deviation of what is added to 4000 equal scores."""
    shared = flooded(np.full((4000, 1), value), plan, 10, **how)
    return float(shared.std()), shared


def test_noise_is_as_much_as_the_worst_that_is_let_pass():
    """8·√10·2¹⁵ of it, whatever says most: the plan, the answer's scale, or how far doubles reach."""
    plan = replace(fhenn.plan(MODEL, bounds=[-1, 1], layout="throughput", queries=10), accuracy=1e9)
    factor = 8 * 10**0.5 * 32768
    stated, shared = spread_of(plan)
    assert stated == pytest.approx(factor * plan.worst, rel=0.05)
    step = 2.0 ** np.floor(np.log2(factor * plan.worst / 64))
    assert np.array_equal(shared, np.round(shared / step) * step)
    assert len(np.unique(shared)) < 1000
    # a rescale rounds at the answer's own scale: the smaller, the more
    n, scale = plan.parameters.ring_degree, 2.0**20
    rounding = (n / 2 * (1 + 2 * n / 3) / 12) ** 0.5 / scale * (np.log(n) + 129 * np.log(2)) / 2**0.5
    assert spread_of(plan, scale=scale)[0] >= 0.95 * factor * rounding > 10 * stated
    assert spread_of(plan, 2.0**30)[0] == pytest.approx(factor * 2.0 ** (30 - 45), rel=0.05)
    assert factor * 2.0**-15 > 10 * stated


def test_an_answer_that_is_not_the_plans_is_not_shared():
    plan = replace(fhenn.plan(MODEL, bounds=[-1, 1], layout="throughput", queries=10), accuracy=1e9)
    spread_of(plan, seen=plan.worst)
    for seen in (1.01 * plan.worst, 1.0, np.inf, np.nan):
        with pytest.raises(SharingRefused, match="has an error of"):
            spread_of(plan, seen=seen)
    spread_of(plan, scale=plan.largest_scale)
    for scale in (1.01 * plan.largest_scale, 2.0**120, np.inf, 0.5, 0.0, -1.0, np.nan):
        with pytest.raises(SharingRefused, match="scale"):
            spread_of(plan, scale=scale)
    with pytest.raises(SharingRefused, match="accuracy"):
        spread_of(replace(plan, accuracy=2 * plan.worst))
    for strange in ({"result": None}, {"signature": ("?", "finish=None")}, {"worst": 0.5 * plan.least_worst()}):
        with pytest.raises(PlanError):
            spread_of(replace(plan, **strange))
