"""Streams of parts over HTTP: a real service, and what goes wrong on the way."""

from __future__ import annotations

import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from itertools import islice

import numpy as np
import pytest
from hostile_service import Attack, Hostile, plan, say, silent
from service_harness import MODEL, PLAN, Running, right, samples, stored, tls_of, troubled, wait_for
from support import at_length, on_each

import fhenn
from fhenn.errors import (
    AnswerMismatch,
    KeyMissing,
    ParameterError,
    PartRefused,
    PartTooLarge,
    ServiceError,
    WireFormatError,
)
from fhenn.service.remote import RemoteServer
from fhenn.service.retrying_client import RetryingClient
from fhenn.session import join

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def one_sample_a_part(monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption._PART", 1)


def results(client, answers, receipt=None):
    return np.concatenate(list(client.decrypt_stream(answers, receipt=receipt)))


def all_right(client, answers, x):
    return bool(np.abs(results(client, answers) - MODEL.predict(x)).max() <= PLAN.error)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("fhenn-remote")]


def test_a_stream_is_answered_part_by_part(service):
    client, x = fhenn.Client(PLAN), samples(rng, 9)
    stream = client.encrypt_stream(x)
    with (
        Line(service.port) as line,
        fhenn.RemoteServer(line.url, service.token("streaming"), client.evaluation_keys()) as remote,
    ):
        answers = list(remote.predict_stream(stream))
    assert len(answers) == 10  # and the end
    got = results(client, answers, receipt=stream.receipt)
    assert np.abs(got - MODEL.predict(x)).max() <= PLAN.error
    assert line.predictions == 9


@pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")  # SEAL runs the plan for the native evaluator too
def test_answers_are_those_of_a_server_here(hospital, evaluator):
    parts = list(hospital.client.encrypt_stream(samples(rng, 3)))
    local, remote = (
        list(each.predict_stream(join(parts))) for each in (fhenn.Server(MODEL, PLAN, hospital.keys), hospital.remote)
    )
    assert len(local) == len(remote) == 4
    if evaluator == "native":  # SEAL's answers are compressed, and say when
        assert local == remote


def test_a_stream_of_one_part(hospital):
    x = samples(rng)
    assert all_right(hospital.client, hospital.remote.predict_stream(hospital.client.encrypt_stream(x)), x)


def test_answers_come_while_parts_are_still_to_be_sent_and_few_are_held(hospital):
    made, taken = list(hospital.client.encrypt_stream(samples(rng, 40))), []

    def parts():
        for part in made:
            taken.append(part)
            yield part

    answers = hospital.remote.predict_stream(parts())
    for place, _ in enumerate(islice(answers, 30)):
        assert len(taken) <= place + 2 * 4
    assert len(taken) < 40
    answers.close()


def test_a_stream_goes_on_after_answers_that_are_there(hospital, monkeypatch):
    """As a file does after a kill."""
    x = samples(rng, 7)
    parts = list(hospital.client.encrypt_stream(x))
    answers = list(hospital.remote.predict_stream(parts))
    asked, answer = [], RemoteServer._answer

    def noted(self, http, part, *what):
        asked.append(part)
        return answer(self, http, part, *what)

    monkeypatch.setattr(RemoteServer, "_answer", noted)
    rest = list(hospital.remote.predict_stream(parts, after=answers[:4]))
    assert sorted(asked) == sorted(parts[4:7])
    assert all_right(hospital.client, [*answers[:4], *rest], x)
    with pytest.raises(AnswerMismatch):
        list(hospital.remote.predict_stream(list(hospital.client.encrypt_stream(x)), after=answers[:4]))


@pytest.mark.parametrize("connections", [1, 2, 7])
def test_as_many_are_asked_for_at_once_as_there_are_connections(service, monkeypatch, connections):
    client, running, most = fhenn.Client(PLAN), 0, 0
    lock, exchange = threading.Lock(), RetryingClient.exchange

    def counted(self, method, *what, **request):
        nonlocal running, most
        with lock:
            running += method == "POST"
            most = max(most, running)
        time.sleep(0.05)
        try:
            return exchange(self, method, *what, **request)
        finally:
            with lock:
                running -= method == "POST"

    x = samples(rng, 16)
    with service.remote("many", client.evaluation_keys(), connections=connections) as remote:
        monkeypatch.setattr(RetryingClient, "exchange", counted)
        assert all_right(client, remote.predict_stream(client.encrypt_stream(x)), x)
    assert most == connections


def without(parts, place):
    return [*parts[:place], *parts[place + 1 :]]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda parts, other: without(parts, 2), "part 3 comes where part 2 is due"),
        (lambda parts, other: [*parts[:2], parts[1], *parts[2:]], "part 1 comes where part 2 is due"),
        (lambda parts, other: [*parts[:2], other[2], *parts[3:]], "another stream"),
        (lambda parts, other: parts[:-1], "stops after 4 parts"),
        (lambda parts, other: [*parts[:3], parts[-1]], "3 parts with 3 samples came, and its end names 4 with 4"),
        (lambda parts, other: [*parts, parts[-1]], "goes on after its end"),
        (lambda parts, other: join(parts)[:-3], "not a valid fhenn stream"),
        (lambda parts, other: join(parts[:3])[:-3], "it is cut off"),
        (lambda parts, other: join(parts[:2]) + b"noise", "fhenn"),
    ],
    ids=["missing", "twice", "mixed", "no end", "truncated", "after its end", "end cut off", "part cut off", "noise"],
)
def test_a_stream_that_is_not_whole_is_refused(hospital, spoil, words):
    parts, other = (list(hospital.client.encrypt_stream(samples(rng, 4))) for _ in range(2))
    with pytest.raises(WireFormatError, match=words):
        list(hospital.remote.predict_stream(spoil(parts, other)))
    assert not threads()


def test_what_predict_raises_is_raised(service, hospital):
    parts = list(hospital.client.encrypt_stream(samples(rng, 2)))
    with service.remote("keyless") as remote, pytest.raises(KeyMissing):
        remote.predict_stream(parts)  # before a part is taken
    broken = bytearray(parts[1])
    broken[-9] ^= 1
    answers = hospital.remote.predict_stream([parts[0], bytes(broken), *parts[2:]])
    next(answers)
    with pytest.raises(ServiceError, match="malformed"):
        next(answers)


@pytest.mark.parametrize("connections", [0, 257])
def test_connections_are_some_and_not_too_many(service, connections):
    with pytest.raises(ParameterError, match="from 1 to 256"):
        service.remote("counting", connections=connections)


def test_keys_that_the_service_lost_are_sent_again_once(service):
    client, x = fhenn.Client(PLAN), samples(rng, 12)
    with service.remote("forgetful", client.evaluation_keys()) as remote, service.http("forgetful") as http:
        answers = remote.predict_stream(client.encrypt_stream(x))
        begin = [next(answers) for _ in range(2)]
        assert http.delete(f"/v1/keys/{remote.digest}").status_code == 204
        assert all_right(client, [*begin, *answers], x)


class Line(socketserver.ThreadingTCPServer):
    """A line to a service, which breaks once: use it with `with`.

    up: after so many bytes from the client; None for never.
    down: after so many bytes from the service.
    breaks: how often it broke.
    predictions: that were asked for over it.
    """

    daemon_threads, block_on_close = True, True

    def __init__(self, port: int, up: int | None = None, down: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._port, self._left, self._lock = port, {"up": up, "down": down}, threading.Lock()
        self.url, self.breaks, self.predictions = f"http://127.0.0.1:{self.server_address[1]}", 0, 0

    def __enter__(self) -> Line:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def finish_request(self, near: socket.socket, _: object) -> None:
        """Carry both ways until one end closes, or it breaks."""
        with socket.create_connection(("127.0.0.1", self._port)) as far:
            ways = {near: ("up", far), far: ("down", near)}
            while True:
                for source in select.select(list(ways), [], [])[0]:
                    way, sink = ways[source]
                    try:
                        piece = source.recv(4096)
                        with self._lock:
                            self.predictions += piece.startswith(b"POST ")  # a head comes apart from what is before it
                        through = self._through(way, len(piece))
                        sink.sendall(piece[:through])
                    except OSError:
                        return
                    if not piece or through < len(piece):
                        return

    def _through(self, way: str, size: int) -> int:
        """How many of so many bytes come through."""
        with self._lock:
            left = self._left[way]
            if left is None or size <= left:
                self._left[way] = None if left is None else left - size
                return size
            self._left[way] = None
            self.breaks += 1
            return left


@pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")  # as above
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_line_that_breaks_in_a_part_costs_that_part_alone(service, way):
    client, x = fhenn.Client(PLAN), samples(rng, 8)
    token = service.token("broken")
    with fhenn.RemoteServer(service.url, token, client.evaluation_keys()) as remote:
        remote.upload()
    parts = list(client.encrypt_stream(x))
    size = len(parts[0]) if way == "up" else len(fhenn.Server(MODEL, PLAN, client.evaluation_keys()).predict(parts[0]))
    with (
        Line(service.port, **{way: 9 * size // 2}) as line,
        fhenn.RemoteServer(line.url, token, client.evaluation_keys(), connections=1) as remote,
    ):
        assert all_right(client, remote.predict_stream(parts), x)
    assert line.breaks == 1
    assert line.predictions == 8 + 1


def test_closing_ends_what_is_asked():
    """At once, although nothing comes for 90 seconds; as many connections as were asked for are used."""
    client = fhenn.Client(plan())
    parts = list(client.encrypt_stream(rng.uniform(-1, 1, (20, 2))))
    with (
        Hostile(Attack("silence", "predict", silent)) as hostile,
        fhenn.RemoteServer(hostile.url, "token", client.evaluation_keys(), connections=12) as remote,
    ):

        def closing():
            yield from parts[:13]
            wait_for(lambda: hostile.requests.count("predict") == 12, 30)
            assert len(threads()) == 12
            raise GeneratorExit

        begin = time.monotonic()
        with pytest.raises(GeneratorExit):
            list(remote.predict_stream(closing()))
        assert time.monotonic() - begin < 60
        assert not threads()
        assert hostile.requests.count("predict") == 12


def test_closing_ends_pauses():
    client = fhenn.Client(plan())
    busy = say(b"{}", "Retry-After: 20", status="503 Busy")
    with Hostile(Attack("busy", "predict", busy)) as hostile:
        with fhenn.RemoteServer(hostile.url, "token", client.evaluation_keys()) as remote:
            parts = list(client.encrypt_stream(rng.uniform(-1, 1, (3, 2))))

            def closing():
                yield from parts[:2]
                wait_for(lambda: hostile.requests.count("predict") == 2, 30)
                time.sleep(0.3)  # until they pause
                raise GeneratorExit

            begin = time.monotonic()
            with pytest.raises(GeneratorExit):
                list(remote.predict_stream(closing()))
            assert time.monotonic() - begin < 15
        assert not threads()


def test_closing_early_leaves_the_rest(service, hospital):
    x = samples(rng, 30)
    answers = hospital.remote.predict_stream(hospital.client.encrypt_stream(x))
    first = [next(answers) for _ in range(3)]
    answers.close()
    assert not threads()
    assert right(hospital.client, first[2], x[2:3])
    assert all_right(hospital.client, hospital.remote.predict_stream(hospital.client.encrypt_stream(x[:5])), x[:5])


_INTERRUPTED = """
import signal, sys, fhenn
from hostile_service import plan
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what runs in the background ignore it
client = fhenn.Client(plan())
import fhenn.session.client
fhenn.session.encryption._PART = 1
remote = fhenn.RemoteServer(sys.argv[1], "token", client.evaluation_keys())
answers = remote.predict_stream(client.encrypt_stream([[0.5, 0.5]] * 9))
print("asks", flush=True)
try:
    next(answers)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.thorough
def test_an_interrupt_ends_what_is_asked():
    """Ctrl-C, while all threads wait for a service that says nothing."""
    with Hostile(Attack("silence", "predict", silent)) as hostile:
        process = subprocess.Popen(
            [sys.executable, "-c", _INTERRUPTED, hostile.url], stdout=subprocess.PIPE, text=True, cwd="tests"
        )
        with process:
            assert process.stdout.readline() == "asks\n"
            while hostile.requests.count("predict") < 4:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert process.wait(30) == 0


@pytest.mark.thorough
def test_closing_early_over_tls(tmp_path):
    client, x = fhenn.Client(PLAN), samples(rng, 30)
    with (
        Running(stored(tmp_path / "store"), {"workers": 1}, tls=tls_of(tmp_path)) as running,
        running.remote(keys=client.evaluation_keys(), verify=running.verify) as remote,
    ):
        assert all_right(client, remote.predict_stream(client.encrypt_stream(x[:5])), x[:5])
        answers = remote.predict_stream(client.encrypt_stream(x))
        assert right(client, next(answers), x[:1])
        answers.close()
        assert not threads()
        assert right(client, remote.predict(client.encrypt(x[:1])), x[:1])


@on_each
@pytest.mark.thorough
@pytest.mark.parametrize("how", ["crash", "exit"])
def test_a_part_that_ends_workers_is_refused_and_the_rest_goes_on(tmp_path, how):
    client, x = fhenn.Client(PLAN), samples(rng, 8)
    with (
        Running(
            stored(tmp_path / "store"), {"workers": 2, "crashes": 50}, prelude=troubled(tmp_path, 2, how)
        ) as running,
        running.remote("hospital", client.evaluation_keys(), attempts=2) as remote,
    ):
        parts = list(client.encrypt_stream(x))
        answers = list(remote.predict_stream(parts))
        with pytest.raises(ServiceError, match=r"crashed|worker-lost"):
            remote.predict(parts[2])
    got = np.ma.concatenate(list(client.decrypt_stream(answers, on_violation="mask")))
    refused = np.ma.getmaskarray(got)[:, 0]
    assert np.flatnonzero(refused).tolist() == [2]
    assert np.abs(got - MODEL.predict(x)).max() <= PLAN.error
    with pytest.raises(PartRefused, match=r"part 2, 1 samples: it ended workers of the service"):
        results(client, answers)


def answered_with(status, kind):
    """What a stream raises where every prediction is answered with a problem."""
    client = fhenn.Client(plan())
    problem = f'{{"type": "urn:fhenn:problem:{kind}", "detail": "Send fewer samples at once."}}'.encode()
    with (
        Hostile(Attack(kind, "predict", say(problem, status=f"{status} No"))) as hostile,
        fhenn.RemoteServer(hostile.url, "token", client.evaluation_keys(), attempts=1) as remote,
        pytest.raises(ServiceError) as caught,
    ):
        list(remote.predict_stream(client.encrypt_stream(rng.uniform(-1, 1, (3, 2)))))
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"), [(413, "too-large"), (413, "answer-too-large"), (422, "too-much-memory"), (504, "too-long")]
)
def test_a_part_that_is_too_large_names_the_way_out(status, kind):
    error = answered_with(status, kind)
    assert isinstance(error, PartTooLarge)
    assert (error.status, error.kind, error.part, error.samples) == (status, kind, 0, 1)
    assert "part 0 of the stream, 1 samples" in str(error) and "predict(Client.encrypt(…))" in str(error)


@pytest.mark.parametrize(("status", "kind"), [(422, "malformed"), (429, "quota"), (500, "unexpected"), (503, "busy")])
def test_other_problems_are_raised_as_they_are(status, kind):
    error = answered_with(status, kind)
    assert type(error) is ServiceError and error.kind == kind


@pytest.mark.thorough
def test_a_part_beyond_the_limits_of_a_real_service(service, monkeypatch):
    """Its bodies may have 4 MB."""
    monkeypatch.setattr("fhenn.session.encryption._PART", 8 << 20)
    client = fhenn.Client(PLAN)
    with service.remote("large", client.evaluation_keys()) as remote:
        with pytest.raises(PartTooLarge, match="at most 4,194,304 bytes"):
            list(remote.predict_stream(client.encrypt_stream(samples(rng, 400))))
        x = samples(rng, 100)  # what the error names
        assert right(client, remote.predict(client.encrypt(x)), x)


@on_each
@pytest.mark.thorough
@pytest.mark.parametrize("way", ["up", "down"])
def test_lines_that_break_again_and_again(tmp_path, way):
    client, x = fhenn.Client(PLAN), samples(rng, 20)
    with Running(stored(tmp_path / "store"), {"workers": 2}) as running:
        token = running.token("hospital")
        for place in range(1, 8):
            with (
                Line(running.port, **{way: 7_001 * place**2}) as line,
                fhenn.RemoteServer(line.url, token, client.evaluation_keys()) as remote,
            ):
                assert all_right(client, remote.predict_stream(client.encrypt_stream(x)), x)
                assert line.breaks == 1


@on_each
@at_length("parts,kills", (40, 2), (400, 12))
def test_a_service_that_is_killed_and_started_again_under_eight_clients(tmp_path, parts, kills):
    """No wrong answer, and all of them in the end."""
    answered, done = [], []
    with Running(stored(tmp_path / "store"), {"workers": 2}) as running:
        tokens = [running.token(f"client-{place}") for place in range(8)]

        def one(place):
            rng, client = np.random.default_rng(place), fhenn.Client(PLAN)
            x = samples(rng, parts)
            stream = client.encrypt_stream(iter(x[:, None]))
            with fhenn.RemoteServer(running.url, tokens[place], client.evaluation_keys(), attempts=20) as remote:

                def noted():
                    for answer in remote.predict_stream(stream):
                        answered.append(place)
                        yield answer

                got = results(client, noted())
            done.append((place, float(np.abs(got - MODEL.predict(x)).max()), got.shape))

        clients = [threading.Thread(target=one, args=(place,)) for place in range(8)]
        for client in clients:
            client.start()
        for kill in range(kills):
            due = (kill + 1) * 8 * parts // (kills + 1)
            while len(answered) < due:
                assert any(client.is_alive() for client in clients)
                time.sleep(0.02)
            running.kill()
            time.sleep(0.3)
            running.start()
        for client in clients:
            client.join()
        assert running.stop() == 0
    assert sorted(place for place, *_ in done) == list(range(8))
    assert all(error <= PLAN.error and shape == (parts, 1) for _, error, shape in done)
