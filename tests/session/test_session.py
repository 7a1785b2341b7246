import struct
from dataclasses import replace

import numpy as np
import pytest
from support import mostly_thorough, seal_of

import fhenn
from fhenn.approx import sigmoid
from fhenn.ckks.messages import TensealMessage
from fhenn.ckks.sums import drop_to
from fhenn.errors import (
    BoundsExceeded,
    ContextMismatch,
    NonFiniteValue,
    PlanError,
    RangeViolation,
    ShapeMismatch,
    UnsupportedValue,
    WireFormatError,
)
from fhenn.planner.scaling import scale
from fhenn.session import Receipt
from fhenn.session.answer import Answer
from fhenn.wire import frame, unframe

rng = np.random.default_rng(0)


def logistic(finish=None):
    nodes = [fhenn.Linear(rng.normal(size=(1, 6)) / 6, [0.1])]
    return fhenn.Sequential(nodes if finish else [*nodes, fhenn.Sigmoid()], finish=finish)


@pytest.fixture(scope="module")
def pair(evaluator):
    model = logistic()
    plan = fhenn.plan(model, bounds=[-2, 2])
    client = fhenn.Client(plan)
    return model, plan, client, fhenn.Server(model, plan, client.evaluation_keys())


@pytest.mark.parametrize("samples", [1, 3, 40])
def test_any_number_of_samples(pair, samples):
    model, plan, client, server = pair
    x = rng.uniform(-2, 2, (samples, 6))
    answer = client.decrypt(server.predict(client.encrypt(x)))
    assert np.abs(answer - model.predict(x)).max() <= plan.error


@pytest.mark.parametrize(("layout", "samples"), [("throughput", 5000), ("latency", 700)])
def test_more_samples_than_slots_are_chunked(layout, samples):
    model = logistic()
    plan = fhenn.plan(model, bounds=[-1, 1], layout=layout, samples=512)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = rng.uniform(-1, 1, (samples, 6))
    assert np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.predict(x)).max() <= plan.error


def test_one_sample_without_a_batch_axis(pair):
    _, _, client, server = pair
    assert client.decrypt(server.predict(client.encrypt(np.zeros(6)))).shape == (1, 1)


@pytest.mark.parametrize("finish", ["sigmoid", "softmax", "argmax"])
def test_finish_is_the_clients(finish):
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(3, 6)) / 6)], finish=finish)
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = rng.uniform(-1, 1, (4, 6))
    answer = server.predict(client.encrypt(x))
    np.testing.assert_allclose(client.decrypt(answer), model.predict(x), atol=1e-3)
    if finish == "sigmoid":
        np.testing.assert_allclose(client.decrypt(answer), sigmoid(client.decrypt_scores(answer)))


def test_every_slot_that_leaves_the_server_is_an_output():
    """Intermediates of the model must not travel: a multilayer model's answer repeats its outputs, and nothing else."""
    model = fhenn.Sequential(
        [fhenn.Linear(rng.normal(size=(8, 6)) / 6), fhenn.Sigmoid(), fhenn.Linear(rng.normal(size=(3, 8)) / 8)]
    )
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = rng.uniform(-1, 1, (1, 6))
    result = Answer.from_bytes(server.predict(client.encrypt(x))).result
    answer = fhenn.CipherArray.from_bytes(client._context, result)
    slots = np.array(client._context.decrypt_slots(answer.ciphertexts[0]))
    padded = np.append(model.predict(x)[0], 0.0)
    np.testing.assert_allclose(slots, np.resize(padded, len(slots)), atol=plan.error)


def test_the_server_never_holds_a_secret_key(pair):
    _, plan, client, server = pair
    assert not server.context.has_secret_key
    secret = seal_of(client._context).tenseal.serialize(save_secret_key=True)
    message = frame("evaluation-context", {"fingerprint": client.fingerprint, "rotation_keys": 0}, secret)
    with pytest.raises(WireFormatError, match="secret key"):
        fhenn.Server(pair[0], plan, message)


def test_nothing_in_the_clear_depends_on_the_weights(pair):
    _, plan, client, _ = pair
    x = client.encrypt(np.ones(6))
    seen = set()
    for weight in (np.zeros((1, 6)), np.full((1, 6), 0.1), np.eye(1, 6)):
        model = fhenn.Sequential([fhenn.Linear(weight, [0.0]), fhenn.Sigmoid()])
        server = fhenn.Server(model, replace(plan, model=None), client.evaluation_keys())
        answer = server.evaluate(fhenn.CipherArray.from_bytes(server.context, x))
        seen.add((answer.level, answer.scale, answer.layout, len(answer.ciphertexts)))
    assert len(seen) == 1


def test_encrypt_refuses(pair):
    _, _, client, _ = pair
    for bad in (np.zeros(5), np.zeros((2, 7)), np.zeros((0, 6)), np.zeros((1, 1, 6)), 1.0, []):
        with pytest.raises(ShapeMismatch, match="6"):
            client.encrypt(bad)
    for bad in (np.nan, np.inf):
        with pytest.raises(NonFiniteValue):
            client.encrypt([0, 0, 0, 0, 0, bad])
    with pytest.raises(UnsupportedValue):
        client.encrypt(["a"] * 6)
    with pytest.raises(BoundsExceeded, match=r"features 1, 4 leave.*-3\.5") as caught:
        client.encrypt([[0, 2.5, 0, 0, 0, 0], [0, 0, 0, 0, -3.5, 0]])
    assert caught.value.features == (1, 4)
    client.encrypt(np.full(6, 2.0))


def test_another_clients_messages_are_refused(pair):
    _, plan, client, server = pair
    other = fhenn.Client(plan)
    with pytest.raises(ContextMismatch):
        server.predict(other.encrypt(np.zeros(6)))
    with pytest.raises(ContextMismatch):
        other.decrypt(server.predict(client.encrypt(np.zeros(6))))


def test_what_does_not_belong_together_is_refused(pair):
    model, plan, client, server = pair
    with pytest.raises(PlanError, match="Plan again"):
        fhenn.Server(logistic("sigmoid"), plan, client.evaluation_keys())
    elsewhere = fhenn.plan(model, bounds=[-2, 2], layout="throughput")
    with pytest.raises(PlanError, match="another plan"):
        fhenn.Server(model, plan, fhenn.Client(elsewhere).evaluation_keys())
    with pytest.raises(ShapeMismatch, match="of this plan"):
        server.predict(fhenn.encrypt(client._context, np.zeros((1, 6)), layout="features").to_bytes())
    with pytest.raises(WireFormatError):
        server.predict(b"")
    with pytest.raises(WireFormatError):
        fhenn.Server(model, plan, b"FHENN")


@pytest.mark.parametrize("factor", [30.0, 1e6])
def test_weights_that_have_grown_since_the_plan_are_refused(pair, factor):
    model, plan, client, _ = pair
    linear = model.nodes[0]
    grown = fhenn.Sequential([fhenn.Linear(linear.weight * factor, linear.bias), fhenn.Sigmoid()])
    shrunk = fhenn.Sequential([fhenn.Linear(linear.weight / 2, linear.bias), fhenn.Sigmoid()])
    for other in (grown, shrunk):
        with pytest.raises(PlanError, match="weights are not those"):
            fhenn.Server(other, plan, client.evaluation_keys())
    of_before = replace(plan, model=None)  # as files were before plans named their model
    with pytest.raises(PlanError, match="do not fit the plan"):
        fhenn.Server(grown, of_before, client.evaluation_keys())
    fhenn.Server(shrunk, of_before, client.evaluation_keys())


def test_progress_is_told():
    told = []
    model = logistic()
    client = fhenn.Client(fhenn.plan(model, bounds=[-1, 1]), progress=lambda *what: told.append(what))
    client.encrypt(np.zeros((2, 6)))
    assert told[:2] == [("keys", 0, 1), ("keys", 1, 1)]
    assert told[2:] == [("encrypt", done, 1000) for done in (0, 500, 1000)]  # two ciphertexts


def test_progress_of_the_server_is_told():
    told = []
    model = logistic()
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys(), progress=lambda *what: told.append(what))
    server.predict(client.encrypt(np.zeros((2, 6))))
    reads = [done for what, done, total in told if what == "read"]
    assert (reads[0], reads[-1]) == (0, 1000)
    for place, node in enumerate(model.nodes):
        of_node = [done for what, done, total in told if what == node.name and total == 1000 * len(model.nodes)]
        assert of_node == sorted(of_node)
        assert (of_node[0], of_node[-1]) == (1000 * place, 1000 * (place + 1))


@pytest.mark.thorough
@pytest.mark.parametrize("layout", mostly_thorough(["latency", "throughput"], (1,)))
def test_a_bar_moves_inside_a_layer_and_for_every_ciphertext(layout):
    told = []
    model = fhenn.Sequential([fhenn.Linear(rng.uniform(-1, 1, (8, 32))), fhenn.Sigmoid(), fhenn.Linear(np.eye(8))])
    plan = fhenn.plan(model, bounds=[-0.1, 0.1], layout=layout, evaluator="seal")
    client = fhenn.Client(plan, progress=lambda *what: told.append(what))
    server = fhenn.Server(model, plan, client.evaluation_keys(), progress=lambda *what: told.append(what))
    upload = client.encrypt(np.zeros((4, 32)))
    answer = server.predict(upload)
    first = [done for what, done, total in told if what == "Linear" and done < 1000]
    assert len(first) >= 8  # the matrix takes eight rows, or rotations, at least
    assert max(np.diff([*first, 1000])) <= 500
    for node in ("Sigmoid",) if layout == "throughput" else ():
        assert sum(what == node for what, *_ in told) >= 8  # a ciphertext for each neuron
    told.clear()
    client.decrypt(answer)
    assert all(what == "decrypt" for what, *_ in told)
    assert len(told) >= (8 if layout == "throughput" else 2)
    assert told[-1][1:] == (1000, 1000)
    untold = fhenn.Server(model, plan, client.evaluation_keys())
    assert client.decrypt(untold.predict(upload)) == pytest.approx(client.decrypt(answer), abs=1e-3)


def test_an_upload_takes_half_the_bytes(pair):
    _, plan, client, server = pair
    x = rng.uniform(-2, 2, (3, 6))
    whole = fhenn.encrypt(client._context, scale(x, *plan.bounds), layout=plan.layout).to_bytes()
    seeded = client.encrypt(x)
    assert len(seeded) < 0.56 * len(whole)
    scores = [
        client.decrypt_scores(server.predict(message), receipt=Receipt.of(message)) for message in (whole, seeded)
    ]
    assert np.abs(scores[0] - scores[1]).max() <= 2 * plan.error


def test_keys_are_seeded_too_and_serve_as_well():
    plan = fhenn.plan(logistic(), bounds=[-2, 2])
    client = fhenn.Client(plan)
    whole = fhenn.Context.generate(plan.parameters, plan.rotations).to_bytes()
    assert len(client.evaluation_keys()) < 0.6 * len(whole)
    assert client.evaluation_keys() is client.evaluation_keys()
    assert plan.fits(fhenn.Context.from_bytes(client.evaluation_keys()))


@pytest.mark.parametrize("how", [{"layout": "throughput"}, {"samples": 4}])
def test_spare_samples_keep_within_bounds_that_do_not_hold_zero(how):
    # at 0 the cubic of -5500 would be far past the headroom
    model = fhenn.Sequential([fhenn.Linear([[1000.0]], [-5500.0]), fhenn.Sigmoid()])
    plan = fhenn.plan(model, bounds=[5.497, 5.503], **how)
    client = fhenn.Client(plan)
    x = np.array([[5.5], [5.502], [5.498]])
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(client.encrypt(x))
    assert np.abs(client.decrypt(answer) - model.infer(x)).max() <= plan.error


@pytest.mark.thorough
@pytest.mark.parametrize("shape", [(), (3,), (2, 1, 1)])
def test_answers_of_another_shape_are_refused(shape):
    model = logistic()
    client = fhenn.Client(fhenn.plan(model, bounds=[-1, 1]))
    message = fhenn.encrypt(client._context, np.ones(shape)).to_bytes()
    for read in (client.decrypt, client.decrypt_scores, client.violations):
        with pytest.raises(WireFormatError, match="shape"):
            read(message, unbound=True)


def test_a_server_takes_arrays_as_its_plans_client_encrypts_them_alone(pair):
    """Another level, scale, layout or key makes garbage, or an answer that nobody can read."""
    _, plan, client, server = pair
    array = fhenn.CipherArray.from_bytes(server.context, client.encrypt(np.zeros((1, 6))))
    assert server.evaluate(array).shape == (1, 1)
    for other in (
        drop_to(array, array.level - 1),
        replace(array, scale=2 * array.scale),
        replace(array, scale=np.nextafter(array.scale, 0)),
        replace(array, layout=replace(array.layout, samples=2)),
        replace(array, layout=fhenn.ckks.FEATURES),
    ):
        with pytest.raises(ShapeMismatch, match="of this plan"):
            server.evaluate(other)
    foreign = fhenn.Context.generate(plan.parameters)
    with pytest.raises(ContextMismatch):
        server.evaluate(replace(array, context=foreign))


def test_an_upload_says_its_own_level_and_is_refused_where_that_is_another(pair):
    _, plan, client, server = pair
    message = client.encrypt(np.zeros((1, 6)))
    for level in (plan.parameters.levels - 1, plan.parameters.levels + 1, 0):
        meta, body = unframe("ciphertexts", message)
        with pytest.raises(WireFormatError):
            server.predict(frame("ciphertexts", meta | {"level": level}, body))


@pytest.mark.parametrize("exponent", [60, 1023, -1022])
def test_answers_at_any_scale_that_they_and_their_header_state_are_read_or_refused(pair, exponent):
    """SEAL reads nothing at a scale beyond the modulus: whoever made the answer chose it."""
    _, _, client, server = pair
    answer = Answer.from_bytes(server.predict(client.encrypt(np.zeros((1, 6)))))
    meta, body = unframe("ciphertexts", answer.result)
    message, scales = TensealMessage.decode(body), 16 + 32 + 25  # SEAL's header, id, and what stands before the scale
    altered = [bytearray(each) for each in message.ciphertexts]
    for each in altered:
        struct.pack_into("<d", each, scales, 2.0**exponent)
    body = replace(message, ciphertexts=tuple(map(bytes, altered))).encode()
    result = frame("ciphertexts", meta | {"scale": (2.0**exponent).hex()}, body)
    stretched = replace(answer, result=result).to_bytes()
    if exponent > 0:
        with pytest.raises(WireFormatError, match="at a scale of"):
            client.decrypt(stretched)
    else:
        with pytest.raises(RangeViolation):
            client.decrypt(stretched)


def test_an_upload_for_another_plan_is_refused(pair):
    _, _, client, server = pair
    meta, body = unframe("ciphertexts", client.encrypt(np.zeros((1, 6))))
    other = frame("ciphertexts", meta | {"upload": {"part": 0, "plan": "0" * 32}}, body)
    with pytest.raises(PlanError, match="the upload is for plan"):
        server.predict(other)
    of_before = frame("ciphertexts", {name: value for name, value in meta.items() if name != "upload"}, body)
    server.predict(of_before)
