"""Strangers cost strangers their connections, and nobody else: nor their address's honest clients."""

import resource
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from service_harness import PLAN, Bystander, Running, right, samples, stored, wait_for
from support import at_length, mostly_thorough, on_each

import fhenn
from fhenn.errors import ParameterError
from fhenn.service.addresses import networks_of
from fhenn.service.attempts import Attempts
from fhenn.service.connections import Connections
from fhenn.service.descriptors import fit_descriptors
from fhenn.service.limits import Limits

ATTACKERS = [f"127.0.0.{last}" for last in range(2, 10)]
BAD = f"fhenn_{'0' * 16}_{'a' * 43}"


def connected(port, source="127.0.0.1", timeout=20):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))


def head(path="/v1/models/cancer/predictions?keys=" + "0" * 64, token=None, length=10**6, method="POST"):
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{bearer}Content-Length: {length}\r\n\r\n".encode()


class Drip:
    """Connections that send a request without a good token, and then a byte of its body each `pause` seconds."""

    def __init__(self, port, count, token=None, pause=0.5):
        self._pause, self._stop = pause, threading.Event()
        self._port, self._token, self._count = port, token, count
        self._thread = threading.Thread(target=self._run)
        self.opened = 0

    def _open(self, place):
        connection = connected(self._port, ATTACKERS[place % len(ATTACKERS)])
        connection.sendall(head(token=self._token))
        connection.setblocking(False)
        self.opened += 1
        return connection

    def _run(self):
        connections = []
        while not self._stop.is_set():
            for place in range(self._count):
                if self._stop.is_set():
                    break
                try:
                    if place >= len(connections):
                        connections.append(self._open(place))
                    else:
                        connections[place].send(b"x")
                except OSError:  # cut: the attacker comes again
                    if place < len(connections):
                        connections[place].close()
                        try:
                            connections[place] = self._open(place)
                        except OSError:
                            self._stop.wait(0.05)
            self._stop.wait(self._pause)
        for connection in connections:
            connection.close()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def open_and_drop(port, count):
    for place in range(count):
        try:
            connected(port, ATTACKERS[place % len(ATTACKERS)]).close()
        except OSError:
            continue


@pytest.mark.parametrize("token", mostly_thorough([None, BAD], (1,)), ids=["no token", "a wrong token"])
@pytest.mark.thorough
def test_after_a_401_the_body_may_not_drip_on(service, token):
    """A byte each half second kept this open for as long as the attacker liked."""
    with connected(service.port, "127.0.0.2") as connection:
        connection.sendall(head(token=token))
        begin = time.monotonic()
        assert connection.recv(4096).startswith(b"HTTP/1.1 401")
        with pytest.raises(OSError):
            while time.monotonic() - begin < 15:
                connection.send(b"x")
                time.sleep(0.2)
        assert time.monotonic() - begin < 8


@pytest.mark.parametrize(
    ("path", "method", "status"),
    mostly_thorough([("/nowhere", b"POST", 404), ("/v1/keys/short", b"PUT", 422)], (0,)),
)
def test_every_answer_that_leaves_a_body_unread_ends_the_connection(service, path, method, status):
    with connected(service.port, "127.0.0.3") as connection:
        connection.sendall(head(path, service.token("dripper"), method=method.decode()))
        begin = time.monotonic()
        assert int(connection.recv(65536).split()[1]) == status
        with pytest.raises(OSError):
            while time.monotonic() - begin < 20:
                connection.send(b"x")
                time.sleep(0.2)
        assert time.monotonic() - begin < 10


def test_a_body_that_ends_in_time_leaves_the_connection_open(service):
    """Clients that send all before they read keep their connection, after a refusal too."""
    with connected(service.port) as connection:
        connection.sendall(head(length=100_000) + bytes(100_000))
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 401")
        while not answer.endswith(b"}"):
            answer = connection.recv(65536)
        connection.sendall(head("/health/live", length=0, method="GET"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@on_each
@pytest.mark.thorough
def test_strangers_do_not_lock_out_clients_with_tokens(tmp_path):
    limits = {"workers": 1, "connections": 60, "strangers": 30, "per_address": 10}
    with Running(stored(tmp_path / "store"), limits) as running, Bystander(running, 0.1) as bystander:
        with Drip(running.port, 100, pause=0.1) as drip:
            open_and_drop(running.port, 300)
            wait_for(lambda: drip.opened >= 100, 20)
            time.sleep(1)
            client, x = fhenn.Client(PLAN), samples(np.random.default_rng(1))
            with running.remote("newcomer", client.evaluation_keys(), attempts=1) as remote:  # one that comes meanwhile
                assert right(client, remote.predict(client.encrypt(x)), x)
        assert running.metric('fhenn_connections{kind="without a token"}') <= 30
    bystander.require_well(5)


@on_each
@at_length("drips, asked", (200, 60), (1000, 300))
def test_many_dripping_and_ten_times_as_many_dropped_connections(tmp_path, drips, asked):
    """With the limits as they are by default."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with Running(stored(tmp_path / "store"), {"workers": 2}) as running:
        client = fhenn.Client(PLAN)
        message, x = None, samples(np.random.default_rng(1))
        message = client.encrypt(x)

        def seconds(count):
            taken = []
            with running.remote("honest", client.evaluation_keys(), attempts=1) as remote:
                remote.upload()
                for place in range(count):
                    if place % 20 == 0:  # some on new connections
                        with running.remote("honest", client.evaluation_keys(), attempts=1) as another:
                            another.predict(message)
                    start = time.perf_counter()
                    answer = remote.predict(message)
                    taken.append(time.perf_counter() - start)
            assert right(client, answer, x)
            return np.percentile(taken, 95)

        quiet = seconds(asked)
        with Drip(running.port, drips, pause=8.0) as drip, ThreadPoolExecutor(1) as pool:
            wait_for(lambda: drip.opened >= drips, 60)
            dripping = seconds(asked)
            dropping = pool.submit(open_and_drop, running.port, 10 * drips)
            both = seconds(asked)
            dropping.result()
        print(
            f"\np95: {quiet * 1e3:.1f} ms; with {drips:,} dripping {dripping * 1e3:.1f} ms; and {10 * drips:,} dropped "
            f"{both * 1e3:.1f} ms; no 503"
        )


@on_each
@pytest.mark.thorough
def test_an_address_full_of_clients_with_tokens_is_no_crowd(tmp_path):
    """A hospital behind one address: more clients than an address may have strangers."""
    limits = {"workers": 1, "connections": 60, "strangers": 10, "per_address": 3}
    with Running(stored(tmp_path / "store"), limits) as running, ExitStack() as stack:
        token = running.token("hospital")
        clients = [stack.enter_context(running.http(token=token)) for _ in range(20)]
        for _ in range(2):
            assert [client.get("/v1/models").status_code for client in clients] == [200] * 20


@pytest.mark.thorough
def test_wrong_tokens_are_slowed_down_and_right_ones_are_not(service):
    def asks(source, token):
        start = time.monotonic()
        with connected(service.port, source) as connection:
            connection.sendall(head("/v1/models", token, length=0, method="GET"))
            status = int(connection.recv(65536).split()[1])
        return status, time.monotonic() - start

    good = service.token("patient")
    with ThreadPoolExecutor(12) as pool:
        wrong = [pool.submit(asks, "127.0.0.9", BAD) for _ in range(12)]
        time.sleep(0.3)
        status, seconds = asks("127.0.0.9", good)  # the same address
        assert status == 200
        results = [each.result() for each in wrong]
    assert {status for status, _ in results} == {401}
    assert max(seconds for _, seconds in results) > 2
    assert seconds < max(seconds for _, seconds in results) / 2


def test_wrong_tokens_are_forgotten_after_a_minute_and_in_number(monkeypatch):
    attempts, now = Attempts(), [0.0]
    monkeypatch.setattr("fhenn.service.attempts.monotonic", lambda: now[0])
    assert [attempts.record_failure("a") for _ in range(7)] == [1, 2, 3, 4, 5, 6, 7]
    assert attempts.record_failure("b") == 1
    now[0] = 61.0
    assert attempts.record_failure("a") == 1
    for place in range(10_001):
        attempts.record_failure(str(place))
    assert attempts.record_failure("a") == 1


class FakeTransport:
    def __init__(self):
        self.cut = False

    def abort(self):
        self.cut = True


class FakeConnection:
    def __init__(self):
        self.transport = FakeTransport()


def opened(connections, *peer):
    connections.admit(peer)
    connection = FakeConnection()
    guest = connections.claim(peer, connection)
    return guest, connection.transport


def test_who_goes_when_there_are_too_many():
    connections = Connections(Limits(connections=8, strangers=4, per_address=2))
    first, second, third = (opened(connections, "192.0.2.1", port)[1] for port in (1, 2, 3))
    assert (first.cut, second.cut, third.cut) == (True, False, False)  # the oldest of the address
    connections.recognise(("192.0.2.1", 2), "hospital")
    opened(connections, "192.0.2.1", 4)
    assert not second.cut and not third.cut
    others = [opened(connections, f"192.0.2.{place}", 1)[1] for place in (2, 3, 4)]
    assert third.cut and not any(other.cut for other in others)  # of the address that has the most
    assert connections.strangers == 4
    for place in range(4):
        opened(connections, "198.51.100.7", place)
        connections.recognise(("198.51.100.7", place), "clinic")
    assert len(connections) == 8
    assert opened(connections, "203.0.113.1", 1)[0] is not None


def test_when_all_have_tokens_the_one_that_is_idle_goes_or_nobody():
    connections = Connections(Limits(connections=2))
    guests = [opened(connections, "192.0.2.1", port) for port in (1, 2)]
    for port in (1, 2):
        connections.recognise(("192.0.2.1", port), "hospital")
    assert connections.admit(("192.0.2.9", 1)) is None
    guests[1][0].idle_since = 1.0
    assert connections.admit(("192.0.2.9", 1)) is not None
    assert [transport.cut for _, transport in guests] == [False, True]


def test_connections_leave_room_for_descriptors():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300));"
        "from fhenn.service.descriptors import fit_descriptors; from fhenn.service.limits import Limits;"
        "print(fit_descriptors(Limits(workers=2)).connections)"
    )
    import sys  # noqa: PLC0415

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) + 192 + 2 * 16 == 300
    assert fit_descriptors(Limits(connections=10, workers=1)).connections == 10


def test_a_proxy_is_named_by_its_address(tmp_path):
    from fhenn.service.serving import serve  # noqa: PLC0415

    with pytest.raises(ParameterError, match="proxy"):
        serve(tmp_path, port=0, trusted_proxies=["nginx"])


@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"]], ids=["a stranger", "a trusted proxy"])
def test_connections_that_end_before_they_are_ones_are_forgotten(proxies):
    """Before TLS is agreed on, nothing but the closed socket says that one has ended: a proxy was locked out."""
    connections = Connections(Limits(connections=4, strangers=9, per_address=9), networks_of(proxies))
    for port in range(10):
        near, far = socket.socketpair()
        assert connections.admit(("127.0.0.1", port), near) is not None
        near.close()
        far.close()
        assert len(connections) <= 4
    connections.sweep()
    assert (len(connections), connections.strangers) == (0, 0)


def test_a_port_that_is_used_again_is_counted_once():
    connections = Connections(Limits(connections=2), networks_of(["127.0.0.1"]))
    for _ in range(3):
        guest, _ = opened(connections, "127.0.0.1", 7)
    assert (len(connections), connections._owners.total()) == (1, 1)
    connections.leave(("127.0.0.1", 7), guest)
    assert (len(connections), connections._owners.total()) == (0, 0)
