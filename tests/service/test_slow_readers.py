"""Wide answers, and readers that take them slowly: memory stays small, and others are served."""

import socket
import threading
import time

import httpx
import numpy as np
import pytest
from service_harness import Bystander, Running, resident, stored, wait_for
from support import at_length, mostly_thorough, on_each

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.pool.work import bytes_of_answer, ciphertexts_in
from fhenn.service.model_store import ModelStore

pytestmark = pytest.mark.thorough  # each starts a service or more, or trains

FEATURES = 8


def wide(outputs, layout="throughput"):
    """A model whose answer is far larger than what it is asked: a ciphertext for each output."""
    weight = np.random.default_rng(5).normal(size=(outputs, FEATURES)) / FEATURES
    model = fhenn.Sequential([fhenn.Linear(weight)])
    return model, fhenn.plan(model, bounds=[-1, 1], layout=layout)


def serving(folder, outputs):
    model, plan = wide(outputs)
    ModelStore(stored(folder) / "models").add("wide", model_to_bytes(model), plan_to_bytes(plan))
    return model, plan


def asked(running, token, digest, message):
    """A connection that has asked for a wide answer and takes little of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", running.port))
    head = f"POST /v1/models/wide/predictions?keys={digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    connection.sendall(f"{head}Content-Length: {len(message)}\r\n\r\n".encode() + message)
    return connection


def held(running):
    return running.metric("fhenn_held_bytes")


def slow_readers(folder, outputs, readers, limits, cut=True):
    """What the parent holds while several read slowly: bytes of memory at most, of answers; a bystander's seconds."""
    _, plan = serving(folder, outputs)
    client = fhenn.Client(plan)
    message = client.encrypt(np.random.default_rng(0).uniform(-1, 1, (3, FEATURES)))
    with Running(folder, limits) as running, Bystander(running, 0.1) as bystander:
        token = running.token("slow")
        with fhenn.RemoteServer(running.url, token, client.evaluation_keys(), model="wide") as remote:
            remote.upload()
            connections = [asked(running, token, remote.digest, message) for _ in range(readers)]
            stop, largest, counted = threading.Event(), [0], [0.0]

            def watch():
                while not stop.is_set():
                    largest[0] = max(largest[0], resident(running.pid()))
                    counted[0] = max(counted[0], held(running))
                    for connection in connections:
                        connection.setblocking(False)
                        try:
                            connection.recv(1024)
                        except OSError:
                            continue
                    stop.wait(0.1)

            thread = threading.Thread(target=watch)
            thread.start()
            expected = 0.5 * outputs * readers * plan.parameters.ring_degree * plan.parameters.chain[0] // 4
            wait_for(lambda: counted[0] > expected, 240)
            wait_for(lambda: bystander.answers >= 5, 60)  # while the answers are held
            if cut:
                wait_for(lambda: held(running) < 1 << 20, 120)
            stop.set()
            thread.join()
            for connection in connections:
                connection.close()
    bystander.require_well(5)
    return largest[0], counted[0], bystander


@on_each
@pytest.mark.thorough
def test_slow_readers_are_counted_and_cut(tmp_path):
    limits = {"workers": 2, "idle": 3.0, "rate": 1 << 30}
    largest, counted, _ = slow_readers(tmp_path / "store", 100, 2, limits)
    assert counted > 8 << 20
    assert largest < 300 << 20


@on_each
@at_length("outputs, readers", (400, 4), (1500, 5))
def test_several_slow_readers_of_wide_answers(tmp_path, outputs, readers):
    """1,500 outputs: answers of some 100 MB each, all of them there at once."""
    limits = {"workers": 2, "idle": 200.0, "seconds": 200.0}
    largest, counted, bystander = slow_readers(tmp_path / "store", outputs, readers, limits, cut=False)
    p95 = np.percentile(bystander.seconds, 95)
    print(
        f"\n{readers} slow readers: parent {largest / 1e6:.0f} MB (asked: 300), "
        f"counted as held {counted / 1e6:.0f} MB, "
        f"another owner's p95 {p95:.2f} s (asked: 2), slowest {bystander.slowest:.2f} s"
    )
    assert largest < 300e6


@on_each
def test_an_answer_that_would_be_too_large_is_refused_before_it_is_computed(tmp_path):
    _, plan = serving(tmp_path / "store", 400)
    client = fhenn.Client(plan)
    message = client.encrypt(np.zeros((1, FEATURES)))
    with Running(tmp_path / "store", {"workers": 1, "answer": 1 << 20}) as running:
        keys = client.evaluation_keys()
        with running.http("wide") as http, running.remote("wide", keys, model="wide") as remote:
            remote.upload()
            start = time.monotonic()
            response = http.post(f"/v1/models/wide/predictions?keys={remote.digest}", content=message)
        assert (response.status_code, response.json()["type"]) == (413, "urn:fhenn:problem:answer-too-large")
        assert time.monotonic() - start < 5
        assert held(running) == 0
        assert httpx.get(f"{running.url}/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("nodes", "options"),
    mostly_thorough(
        [
            ((40,), {"layout": "throughput"}),
            ((4,), {}),
            ((16, 4), {}),
            ((16, 4), {"layout": "throughput"}),
            ((16,), {"witness": True, "activation": True}),
            ((16,), {"witness": True, "activation": True, "layout": "throughput"}),
        ],
        (0, 1, 5),
    ),
)
def test_the_size_of_an_answer_is_known_before(nodes, options):
    rng, width, layers = np.random.default_rng(2), FEATURES, []
    activation = options.pop("activation", False)
    for outputs in nodes:
        layers += [fhenn.Linear(rng.normal(size=(outputs, width)) / width), fhenn.Sigmoid()]
        width = outputs
    model = fhenn.Sequential(layers if activation else layers[:-1])
    plan = fhenn.plan(model, bounds=[-1, 1], **options)
    client = fhenn.Client(plan)
    message = client.encrypt(rng.uniform(-1, 1, (3, FEATURES)))
    answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(message)
    expected = bytes_of_answer(model, plan, ciphertexts_in(message), bool(plan.witnesses))
    assert 0.7 * len(answer) < expected < 1.5 * len(answer)
