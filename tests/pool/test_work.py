"""What a worker does, in this process: what it refuses before it computes, and what it lets go of."""

import numpy as np
import pytest
from service_harness import PLAN, TWO, right, samples, stored

import fhenn
from fhenn.errors import WireFormatError, WrongKind
from fhenn.pool.work import Held, Worker, ciphertexts_in, is_quickly_counted, name_of
from fhenn.protobuf import encode_field
from fhenn.wire import frame

# SEAL runs the plan for the native evaluator too
pytestmark = pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")


@pytest.fixture(scope="module")
def pair(tmp_path_factory, evaluator):
    """A client, and the task to predict for it."""
    folder = stored(tmp_path_factory.mktemp("work") / "store")
    client = fhenn.Client(PLAN)
    keys = folder / "keys.fhenn"
    keys.write_bytes(client.evaluation_keys())
    model = folder / "models" / "cancer" / PLAN.fingerprint
    task = {"task": "predict", "model": str(model), "version": PLAN.fingerprint, "keys": str(keys)}
    return client, task | {"witness": False, "ciphertexts": 2, "answer": 1 << 30}


@pytest.fixture
def worker():
    return Worker(2, 1 << 30)


def test_no_more_ciphertexts_than_are_allowed(pair, worker):
    client, task = pair
    x = samples(np.random.default_rng(0), 2 * PLAN.samples_per_ciphertext)
    answer, body = worker.answer(task, client.encrypt(x))
    assert answer == {"version": PLAN.fingerprint}
    assert right(client, body, x)
    more = samples(np.random.default_rng(0), 2 * PLAN.samples_per_ciphertext + 1)
    answer, body = worker.answer(task, client.encrypt(more))
    assert (answer["error"], body) == ("WireFormatError", b"")


def test_no_answer_that_is_larger_than_it_may_be(pair, worker):
    client, task = pair
    message = client.encrypt(samples(np.random.default_rng(0)))
    # a prime of at most 60 bits is left of the chain: two polynomials of N numbers, packed
    largest = 2 * PLAN.parameters.ring_degree * 60 // 8
    assert worker.answer(task | {"answer": largest}, message)[0] == {"version": PLAN.fingerprint}
    answer, body = worker.answer(task | {"answer": 1000}, message)
    assert (answer["error"], body) == ("too-large", b"")
    assert 1000 < answer["size"] <= largest


@pytest.mark.thorough
def test_no_other_version_than_was_asked_for(pair, worker, tmp_path):
    client, task = pair
    message = client.encrypt(samples(np.random.default_rng(0)))
    answer, body = worker.answer(task | {"version": "0" * 32}, message)
    assert (answer["error"], body) == ("no-model", b"")
    for name, data in zip(("model.fhenn", "plan.fhenn"), TWO, strict=True):
        (tmp_path / name).write_bytes(data)
    answer, body = worker.answer(task | {"model": str(tmp_path)}, message)
    assert (answer["error"], body) == ("no-model", b"")


@pytest.mark.thorough
def test_it_says_what_it_holds(pair, worker, tmp_path):
    client, task = pair
    message = client.encrypt(samples(np.random.default_rng(0)))
    assert worker.held == Held()
    names = []
    for place in range(3):
        keys = tmp_path / str(place)
        keys.write_bytes(client.evaluation_keys())
        worker.answer(task | {"keys": str(keys)}, message)
        names.append(name_of(task["model"], str(keys)))
        assert worker.held == Held(tuple(names[-2:]), full=place >= 1)  # it keeps two
    keys.unlink()
    worker.answer({"task": "tidy"}, b"")
    assert worker.held == Held((names[1],))
    small = Worker(9, 1)
    small.answer(task, message)
    assert small.held == Held((name_of(task["model"], task["keys"]),), full=True)


def test_fields_are_counted_at_once_where_they_are_few():
    def message(count):
        return frame("ciphertexts", {}, encode_field(2, b"x") * count)

    assert is_quickly_counted(message(64)) and not is_quickly_counted(message(65))
    assert [ciphertexts_in(bytearray(message(count))) for count in (0, 1, 65)] == [0, 1, 65]
    for broken in (message(1)[:-1], b"", b"FHENN", message(1)[:30]):
        with pytest.raises(WireFormatError):
            ciphertexts_in(broken)
    with pytest.raises(WrongKind, match="answer"):
        ciphertexts_in(frame("answer", {}, b"\xff"))


@pytest.mark.thorough
def test_keys_that_were_deleted_are_not_used_again(pair, worker, tmp_path):
    client, task = pair
    keys = tmp_path / "keys"
    keys.write_bytes(client.evaluation_keys())
    message = client.encrypt(samples(np.random.default_rng(0)))
    assert worker.answer(task | {"keys": str(keys)}, message)[0] == {"version": PLAN.fingerprint}
    keys.unlink()
    assert worker.answer(task | {"keys": str(keys)}, message) == ({"error": "gone"}, b"")
    assert worker.held == Held()


@pytest.mark.thorough
def test_keys_that_were_deleted_are_let_go(pair, worker, tmp_path):
    client, task = pair
    keys = tmp_path / "keys"
    keys.write_bytes(client.evaluation_keys())
    message = client.encrypt(samples(np.random.default_rng(0)))
    assert worker.answer(task | {"keys": str(keys)}, message)[0] == {"version": PLAN.fingerprint}
    assert worker.answer({"task": "tidy"}, b"")[0] == {"dropped": 0}
    keys.unlink()
    assert worker.answer({"task": "tidy"}, b"")[0] == {"dropped": 1}
    answer, body = worker.answer(task | {"keys": str(keys)}, message)
    assert (answer["error"], body) == ("gone", b"")
