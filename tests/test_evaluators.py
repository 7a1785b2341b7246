"""Clients and servers with any evaluator that is registered: what a plan names is what keys and models run on."""

import json
import re
import subprocess
import sys
import warnings
from copy import copy
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from pass_through import HOISTING, PASS_THROUGH, HoistingContext, PassThrough, PassThroughContext
from support import mostly_thorough

import fhenn
from fhenn.backends import context_class, default_evaluator, evaluator, is_available, register, runs_on
from fhenn.ckks.evaluator import SEAL, Evaluator
from fhenn.ckks.noise import NoiseModel, noise_model
from fhenn.ckks.rotations import CHAINED, HOISTED
from fhenn.errors import (
    HeadroomExceeded,
    KeyMissing,
    NoiseWarning,
    ParameterError,
    PlanError,
    RangeViolation,
    UnsupportedOperation,
    WireFormatError,
)
from fhenn.planner import Plan
from fhenn.pool.work import Worker
from fhenn.training import keys_for_training

rng = np.random.default_rng(5)


@pytest.fixture(scope="module")
def model():
    weights = rng.uniform(-1, 1, (16, 20)) / 20, rng.uniform(-1, 1, (3, 16)) / 16
    return fhenn.Sequential([fhenn.Linear(weights[0]), fhenn.Sigmoid(), fhenn.Linear(weights[1])])


@pytest.mark.parametrize(
    ("name", "options"),
    mostly_thorough(
        product(
            ["pass-through", "pass-through-hoisting"],
            [{}, {"witness": 2}, {"layout": "throughput"}, {"samples": 4}],
        ),
        (0, 3, 5, 6),
    ),
    ids=str,
)
@pytest.mark.thorough
def test_a_model_is_served_without_keys(model, name, options):
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator=name, **options)
    client = fhenn.Client(Plan.from_json(plan.public().to_json()))
    server = fhenn.Server(model, plan, client.evaluation_keys())
    assert type(server.context).evaluator.name == name
    assert not server.context.has_secret_key
    x = rng.uniform(-1, 1, (5, 20))
    answer = client.decrypt(server.predict(client.encrypt(x)))
    np.testing.assert_allclose(answer, model.predict(x), atol=1e-5)
    shared = fhenn.Client(plan)
    with pytest.raises(fhenn.errors.ContextMismatch):
        server.predict(shared.encrypt(x))


@pytest.mark.thorough
def test_a_witness_is_read_without_keys():
    model = fhenn.Sequential([fhenn.Linear(np.full((2, 2), 4.0)), fhenn.Sigmoid(), fhenn.Linear(np.ones((1, 2)))])
    plan = fhenn.plan(model, bounds=[-1, 1], witness=2, layout="latency", evaluator="pass-through")
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    client.decrypt(server.predict(client.encrypt([[0.25, 0.25]])))
    with pytest.raises(RangeViolation):
        client.decrypt(server.predict(client.encrypt([[1.0, 1.0]])))


def test_a_plan_names_the_keys_of_its_evaluator():
    """Baby steps by a key for each: more keys than a chain of rotations has, none of them idle, and less noise.

    Keys that were made for one way serve the other where they are all there.
    """
    weights = rng.uniform(-1, 1, (2, 32, 32)) / 32
    model = fhenn.Sequential([fhenn.Linear(weights[0]), fhenn.Sigmoid(), fhenn.Linear(weights[1])])
    chained, each = (fhenn.plan(model, bounds=[-1, 1], evaluator=one.name) for one in (PASS_THROUGH, HOISTING))
    assert chained.rotations == fhenn.plan(model, bounds=[-1, 1], evaluator="seal").rotations
    assert len(each.rotations) > len(chained.rotations)
    assert each.error < chained.error  # fewer key switches on the way
    x = rng.uniform(-1, 1, (1, 32))
    for steps in each.rotations:
        keys = each.rotation_keys
        del keys[steps]
        context = HoistingContext(each.parameters, keys)
        if set(chained.rotations) <= set(each.rotations) - {steps}:
            model.infer(fhenn.encrypt(context, x, layout=each.layout))
            continue
        with pytest.raises(fhenn.errors.KeyMissing, match=rf"by {steps}, at"):
            model.infer(fhenn.encrypt(context, x, layout=each.layout))
    client = fhenn.Client(each)
    server = fhenn.Server(model, each, client.evaluation_keys())
    np.testing.assert_allclose(client.decrypt(server.predict(client.encrypt(x))), model.predict(x), atol=1e-5)
    with pytest.raises(PlanError, match="another plan"):
        fhenn.Server(model, each, HoistingContext(each.parameters, chained.rotations).to_bytes())


@pytest.mark.thorough
def test_a_plan_states_the_noise_of_its_evaluator(model):
    """Key switches far noisier than SEAL's are in every bound, and in what a plan must state at least."""

    def noisy(ring_degree, primes):
        quiet = noise_model(ring_degree, primes)
        return NoiseModel(quiet.ring_degree, quiet.primes, quiet.special / 2**30)

    register(Evaluator("noisy", CHAINED, noisy), lambda: PassThroughContext)
    quiet, loud = (fhenn.plan(model, bounds=[-1, 1], accuracy=0.5, evaluator=name) for name in ("seal", "noisy"))
    assert loud.least_worst() > 10 * replace(loud, evaluator="seal").least_worst()
    assert loud.stages[-1].noise > 10 * quiet.stages[-1].noise or loud.parameters != quiet.parameters
    fhenn.planner.verify(loud, model)
    fhenn.certify(model, bounds=[-1, 1], plan=loud)
    with pytest.raises(PlanError, match="states an error"):
        replace(loud, error=quiet.least_worst() / 10, worst=quiet.least_worst() / 10).require_errors()


def test_a_plan_for_seal_is_written_as_before_there_were_others(model):
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator="seal")
    assert plan.evaluator == "seal"
    assert "evaluator" not in json.loads(plan.to_json())
    other = replace(plan, evaluator="pass-through")
    assert json.loads(other.to_json())["evaluator"] == "pass-through"
    assert Plan.from_json(other.to_json()) == other
    assert other.fingerprint != plan.fingerprint
    assert plan.fingerprint == Plan.from_json(plan.to_json()[:-2] + ',"evaluator": "seal"}').fingerprint


def test_a_plan_for_an_unknown_evaluator_is_refused_first(model, monkeypatch):
    plan = replace(fhenn.plan(model, bounds=[-1, 1]), evaluator="strange")
    monkeypatch.setattr(PassThroughContext, "generate", None)
    for use in (
        lambda: Plan.from_json(plan.to_json()),
        lambda: fhenn.Client(plan),
        lambda: fhenn.Client.from_secret_bytes(plan, b""),
        lambda: fhenn.Server(model, plan, b""),
        lambda: fhenn.planner.verify(plan, model),
    ):
        with pytest.raises(PlanError, match=r"one of .*'pass-through', .*'seal', not 'strange'\. .*register"):
            use()
    for name in ("strange", ["seal"], ""):
        with pytest.raises(ParameterError, match="the evaluator must be one of"):
            fhenn.plan(model, bounds=[-1, 1], evaluator=name)


def test_a_plan_of_the_wrong_kind_of_evaluator_is_malformed(model):
    fields = json.loads(fhenn.plan(model, bounds=[-1, 1]).to_json())
    with pytest.raises(WireFormatError, match="evaluator"):
        Plan.from_json(json.dumps(fields | {"evaluator": 1}))


def test_the_secret_key_is_kept_where_the_evaluator_can(model):
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator="pass-through")
    with pytest.raises(UnsupportedOperation, match=r"PassThroughContext in bytes.*evaluator='seal'"):
        fhenn.Client(plan).secret_bytes()
    kept = fhenn.Client(fhenn.plan(model, bounds=[-1, 1])).secret_bytes()
    with pytest.raises(UnsupportedOperation, match="PassThroughContext"):
        fhenn.Client.from_secret_bytes(plan, kept)


def test_a_worker_checks_keys_by_the_plans_of_its_models(model, tmp_path):
    plans = {name: fhenn.plan(model, bounds=[-1, 1], evaluator=name) for name in ("seal", "pass-through")}
    clients = {name: fhenn.Client(plan) for name, plan in plans.items()}
    for name, plan in plans.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.fhenn").write_bytes(fhenn.artifacts.model_to_bytes(model))
        (tmp_path / name / "plan.fhenn").write_bytes(fhenn.artifacts.plan_to_bytes(plan))
        (tmp_path / f"{name}.keys").write_bytes(clients[name].evaluation_keys())
    folders = {name: str(tmp_path / name) for name in plans}
    for name in plans:
        task = {"task": "check", "keys": str(tmp_path / f"{name}.keys"), "models": folders}
        answer, _ = Worker(1, 1 << 30).answer(task, b"")
        assert answer == {"fingerprint": clients[name].fingerprint, "fits": [name]}
    (tmp_path / "none.keys").write_bytes(b"nothing")
    task = {"task": "check", "keys": str(tmp_path / "none.keys"), "models": folders}
    assert Worker(1, 1 << 30).answer(task, b"")[0]["error"] == "WireFormatError"


def test_weights_are_trained_with_any_evaluator():
    keys = keys_for_training(fhenn.Parameters.for_depth(1), evaluator="pass-through")
    assert isinstance(keys, PassThroughContext)
    assert keys.can_rotate(64, keys.levels)
    with pytest.raises(ParameterError, match="not 'strange'"):
        keys_for_training(fhenn.Parameters.for_depth(1), evaluator="strange")


def test_what_seal_is_like_is_known_without_loading_it():
    assert evaluator("seal") is SEAL
    code = (
        "import sys, fhenn.session, fhenn; from fhenn.backends import evaluator; evaluator('seal');"
        "fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1], evaluator='seal'); assert 'tenseal' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def without_native(monkeypatch):
    monkeypatch.setenv("FHENN_NATIVE", "0")


def _wide():
    """A model whose first layer makes baby steps."""
    generator = np.random.default_rng(8)
    weights = generator.uniform(-1, 1, (2, 32, 32)) / 32
    return fhenn.Sequential([fhenn.Linear(weights[0]), fhenn.Sigmoid(), fhenn.Linear(weights[1])])


@pytest.mark.thorough
def test_seal_runs_plans_of_an_evaluator_that_is_missing(without_native):
    """By its keys, with more noise, of which a warning says how much."""
    model, x = _wide(), rng.uniform(-1, 1, (3, 32))
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator="native")
    assert (plan.evaluator, runs_on("native"), is_available("native")) == ("native", "seal", False)
    client = fhenn.Client(plan)
    with pytest.warns(NoiseWarning) as caught:
        server = fhenn.Server(model, plan, client.evaluation_keys())
    assert type(server.context).__name__ == type(client._context).__name__ == "SealContext"
    (said,) = (each.message for each in caught)
    assert (said.evaluator, said.planned, said.stated) == ("seal", "native", plan.error)
    assert said.error == fhenn.planner.verification.errors_on(plan, model, SEAL)[0] > plan.error
    text = r"for the evaluator 'native' and states an error of [^;]+; 'seal' computes in its place, and errs by up to "
    assert re.search(text, str(said))
    error = np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.predict(x)).max()
    assert error < said.error
    kept = fhenn.Client.from_secret_bytes(plan, client.secret_bytes())
    assert kept.fingerprint == client.fingerprint


@pytest.mark.parametrize("options", [{}, {"layout": "throughput"}, {"samples": 4}], ids=str)
@pytest.mark.thorough
def test_the_native_evaluator_runs_plans_for_seal(options):
    """By a chain of rotations, for which alone there are keys, and with less noise."""
    if not is_available("native"):
        pytest.skip("there is no native library")
    model, x = _wide(), rng.uniform(-1, 1, (3, 32))
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator="seal", **options)
    client = fhenn.Client(plan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        server = fhenn.Server(model, plan, client.evaluation_keys(), evaluator="native")
    assert type(server.context).__name__ == "NativeContext"
    assert np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.predict(x)).max() < plan.error


def test_what_is_to_be_shared_is_not_computed_with_more_noise_than_stated(without_native):
    model = fhenn.Sequential([_wide().nodes[0]])
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator="native", accuracy=0.05, queries=10, layout="latency", samples=1)
    with pytest.raises(PlanError, match=r"are to be shared.*evaluator='seal'"):
        fhenn.Server(model, plan, fhenn.Client(plan).evaluation_keys())


def test_a_server_can_choose_its_evaluator(model):
    """Less noise than planned for is no reason to warn; another evaluator's keys may be no keys at all."""
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator="pass-through-hoisting")
    client = fhenn.Client(plan)
    quiet = Evaluator("quiet", HOISTED, HOISTING.noise_of)
    register(quiet, lambda: PassThroughContext)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        server = fhenn.Server(model, plan, client.evaluation_keys(), evaluator="quiet")
    assert type(server.context) is PassThroughContext
    assert type(copy(server).context) is PassThroughContext
    with pytest.raises(WireFormatError):
        fhenn.Server(model, plan, client.evaluation_keys(), evaluator="seal")
    with pytest.raises(ParameterError, match="not 'strange'"):
        fhenn.Server(model, plan, client.evaluation_keys(), evaluator="strange")


def test_a_plan_that_another_evaluator_cannot_run_is_refused(model):
    """Noise that drowns a polynomial, and keys that are missing."""

    def loud(ring_degree, primes):
        return replace(noise_model(ring_degree, primes), special=1.0)

    register(Evaluator("loud", HOISTED, loud), lambda: PassThroughContext)
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator="pass-through")
    with pytest.raises(PlanError, match=r"does not run on 'loud'.*evaluator='loud'"):
        fhenn.Server(model, plan, fhenn.Client(plan).evaluation_keys(), evaluator="loud")


def test_a_plan_is_for_the_default_where_none_is_named(model, monkeypatch):
    """The native evaluator where its library is there, and not turned off."""
    library = pytest.importorskip("fhenn.backends.native.library")
    monkeypatch.setattr(library, "available", lambda: True)
    assert fhenn.plan(model, bounds=[-1, 1]).evaluator == default_evaluator() == "native"
    monkeypatch.setattr(library, "available", lambda: False)
    assert fhenn.plan(model, bounds=[-1, 1]).evaluator == default_evaluator() == "seal"
    monkeypatch.undo()
    monkeypatch.setenv("FHENN_NATIVE", "0")
    assert default_evaluator() == "seal"
    assert fhenn.plan(model, bounds=[-1, 1], evaluator="native").evaluator == "native"


PARAMETERS = fhenn.Parameters(4096, (45, 30, 34), 2.0**30)


def test_the_pass_through_refuses_a_scale_that_seal_would():
    """A scale that is read away stays written on the ciphertext until a product would not fit what is written."""
    context = PassThroughContext(PARAMETERS)
    on = context.arithmetic
    x = on.wrap(context.encrypt_slots(0.5, 1, 2.0**38), 1, 2.0**38)
    with pytest.raises(AssertionError, match="scale out of bounds"):
        on.multiply(x, x)
    low = on.read(x, 2.0**10)
    assert low.written == 2.0**38
    assert on.multiply(low, low).scale == 2.0**20


def test_the_pass_through_refuses_values_that_the_modulus_does_not_hold():
    context = PassThroughContext(PARAMETERS)
    on: PassThrough = context.arithmetic
    x = on.wrap(context.encrypt_slots(1.0, 1, 2.0**30), 1, 2.0**30)
    assert context.decrypt_slots(on.unwrap(on.drop(x, 0)))[0] == 1.0
    large = on.times(x, on.plaintext(2.0**15, 1, 2.0**30))
    on.rescale(large)  # on the way it may wrap round
    bare = on.drop(on.plus(x, 2.0**14), 0)
    with pytest.raises(HeadroomExceeded, match="decrypt"):
        context.decrypt_slots(on.unwrap(bare))


@pytest.mark.parametrize("name", ["seal", "native", "pass-through"])
def test_the_public_side_of_a_context_computes_and_reads_nothing(name):
    if not is_available(name):
        pytest.skip(f"{name} is not installed")
    holder = context_class(name).generate(fhenn.Parameters.for_depth(1))
    server = holder.public()
    x = fhenn.CipherArray.from_bytes(server, fhenn.encrypt(holder, [0.5]).to_bytes())
    assert (type(server), server.fingerprint) == (type(holder), holder.fingerprint)
    assert (holder.has_secret_key, server.has_secret_key) == (True, False)
    answer = fhenn.CipherArray.from_bytes(holder, (x + x).to_bytes())
    assert fhenn.decrypt(holder, answer)[0] == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(KeyMissing, match="secret"):
        fhenn.decrypt(server, x)
