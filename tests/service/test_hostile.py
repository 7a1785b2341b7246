"""What a hostile service can do to its client: nothing but be refused, in bounded time and memory."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

import numpy as np
import pytest
from click.testing import CliRunner
from hostile_service import (
    MEGABYTES,
    SECONDS,
    SEED,
    VERSION,
    Attack,
    Hostile,
    attacks,
    bomb,
    client,
    endlessly,
    head,
    honest,
    meet,
    model,
    plan,
    say,
)

import fhenn
from fhenn import errors
from fhenn.cli import cli
from fhenn.errors import AnswerRefused, ParameterError, ServiceError, ServiceUnreachable
from fhenn.planner.demands import bytes_of_answer
from fhenn.service import http_client
from fhenn.service.retrying_client import RetryingClient

pytestmark = pytest.mark.thorough  # each starts a service or more, or trains

QUICK = [
    ("plan", "a bomb", say(bomb(64), "Content-Encoding: gzip"), "AnswerRefused", "compressed"),
    ("models", "an endless body", endlessly(head(1 << 40), b"x"), "AnswerRefused", "1,048,576 bytes"),
    ("plan", "endless chunks",
     endlessly(head(None, "Transfer-Encoding: chunked"), b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"),
     "AnswerRefused", "more than"),
    ("predict", "an endless answer", endlessly(head(None, "Connection: close"), bytes(1 << 20)), "AnswerRefused",
     "more than"),
    ("put", "an endless problem", endlessly(head(None, "Connection: close", status="422 No"), bytes(1 << 16)),
     "AnswerRefused", "more than"),
    ("plan", "a redirect", say(b"", "Location: http://127.0.0.1:9/", status="302 Found"), "ServiceError", "redirects"),
    ("head", "an offset", say(b"", "Upload-Offset: x"), "WireFormatError", "how many"),
    ("plan", "half an answer", lambda peer, body: peer.sendall(head(len(body) + 1) + body), "ServiceUnreachable", ""),
    ("plan", "silence", lambda peer, body: time.sleep(3), "ServiceUnreachable", "attempt"),
    ("plan", "a dripping head", endlessly(b"HTTP/1.1 200 OK\r\nX: ", b"y", 0.05, 4.0), "ServiceUnreachable",
     "not complete"),
    ("predict", "a dripping body", endlessly(head(100), b"y", 0.05, 4.0), "ServiceUnreachable", "not complete"),
    ("models", "a name", say(b'{"models": [{"name": 7}]}'), "WireFormatError", "not a list of models"),
    ("predict", "another version", say(honest("predict"), f"{VERSION}: {'0' * 32}"), "WireFormatError", "version"),
    ("predict", "noise", say(b"x" * 1000, f"{VERSION}: {plan().fingerprint}"), "WireFormatError", "fhenn"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "name", "act", "error", "words"), QUICK, ids=[f"{p}: {n}" for p, n, *_ in QUICK])
def test_it_is_refused(monkeypatch, place, name, act, error, words):
    monkeypatch.setattr("fhenn.service.retrying_client.DOCUMENT_SECONDS", 0.7)
    monkeypatch.setattr("fhenn.service.remote._LEAST_RATE", 1 << 30)
    monkeypatch.setattr("fhenn.service.remote._LEAST_RATE_OF_ANSWER", 1 << 30)
    with Hostile(Attack(name, place, act)) as service:
        outcome = client(service.url, timeout=0.7, patience=0.5)
    assert outcome["error"] == error, outcome
    assert words in outcome["text"]
    assert len(outcome["text"]) < 1000


def test_an_honest_one_is_not():
    """What the harness takes for honest passes up to the answer, which it cannot compute."""
    with Hostile(Attack("none", "nowhere", say(b""))) as service, fhenn.RemoteServer(service.url, "token") as remote:
        assert remote.plan == plan()
        holder = fhenn.Client(remote.plan)
        remote.upload(holder.evaluation_keys())
        assert remote.predict(holder.encrypt(np.zeros((3, 2)))) == honest("predict")
        assert service.requests == ["models", "plan", "head", "put", "predict"]


def test_a_bomb_costs_no_memory():
    outcome = meet(Attack("a bomb", "plan", say(bomb(600), "Content-Encoding: gzip")))
    assert (outcome.error, outcome.megabytes < MEGABYTES) == ("AnswerRefused", True), outcome


def test_answers_are_as_large_as_the_plan_implies_and_no_larger():
    holder = fhenn.Client(plan())
    server = fhenn.Server(model(), fhenn.plan(model(), bounds=[-1, 1]), holder.evaluation_keys())
    for samples in (1, 3, 17):
        answer = server.predict(holder.encrypt(np.zeros((samples, 2))))
        assert len(answer) < bytes_of_answer(plan(), samples) < 20 * len(answer) + (1 << 18)


@pytest.mark.parametrize("wishes", [{"layout": "throughput"}, {"witness": True}, {"samples": 4}], ids=str)
def test_every_kind_of_plan_implies_enough(wishes):
    layers = [fhenn.Linear(np.ones((3, 4)) / 9), fhenn.Square(), fhenn.Linear(np.ones((5, 3)) / 9)]
    network = fhenn.Sequential(layers)
    found = fhenn.plan(network, bounds=[-1, 1], accuracy=0.01, **wishes)
    holder = fhenn.Client(found.public())
    server = fhenn.Server(network, found, holder.evaluation_keys())
    for samples in (1, 9):
        answer = server.predict(holder.encrypt(np.zeros((samples, 4))))
        assert len(answer) < bytes_of_answer(found.public(), samples)


def test_an_answer_beyond_what_is_taken_names_the_way_out():
    act = endlessly(head(None, "Connection: close", f"{VERSION}: {plan().fingerprint}"), bytes(1 << 16))
    holder = fhenn.Client(plan())
    upload = holder.encrypt(np.zeros((1, 2)))
    with Hostile(Attack("large", "predict", act)) as service:
        remote = fhenn.RemoteServer(service.url, "token", holder.evaluation_keys(), largest_answer=1000)
        with remote, pytest.raises(AnswerRefused, match=r"1,000 bytes.*largest_answer"):
            remote.predict(upload)


def test_nothing_is_sent_where_a_redirect_points():
    with Hostile(Attack("there", "nowhere", say(b""))) as elsewhere:
        for status in ("301 a", "302 b", "303 c", "307 d", "308 e"):
            act = say(b"", f"Location: {elsewhere.url}/v1/models", status=status)
            with (
                Hostile(Attack("redirect", "models", act)) as service,
                pytest.raises(ServiceError, match="another address"),
            ):
                fhenn.RemoteServer(service.url, "token")
        assert elsewhere.requests == []


def test_cookies_are_not_kept():
    seen = []

    def act(peer, body):
        peer.sendall(head(len(body), "Set-Cookie: a=b; Path=/") + body)
        seen.append(peer.recv(1 << 16))

    with Hostile(Attack("cookie", "models", act)) as service, fhenn.RemoteServer(service.url, "token"):
        pass
    assert b"ookie" not in b"".join(seen)


def test_a_proxy_in_the_clear_is_not_taken(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Hostile(Attack("none", "nowhere", say(b""))) as service, fhenn.RemoteServer(service.url, "token") as remote:
        assert remote.model == "cancer"


def note_pauses(monkeypatch, pauses):
    """Let the client note its pauses in the place of waiting."""
    monkeypatch.setattr(RetryingClient, "_wait", lambda _, seconds: pauses.append(seconds))


@pytest.mark.parametrize("asked", ["²", "9" * 400, "-1", "1e9", "nan", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_pause_that_cannot_be_is_none(monkeypatch, asked):
    pauses = []
    note_pauses(monkeypatch, pauses)
    act = say(
        b"{}", f"Retry-After: {asked}".encode("latin-1").decode("latin-1"), "Connection: close", status="503 Busy"
    )
    with Hostile(Attack("busy", "models", act)) as service, pytest.raises(ServiceError, match="503"):
        fhenn.RemoteServer(service.url, "token", attempts=3)
    assert len(pauses) == 2 and max(pauses) < 1


def test_a_pause_is_taken_as_asked_up_to_a_bound(monkeypatch):
    pauses = []
    note_pauses(monkeypatch, pauses)
    for asked, least, most in ((3, 3.0, 4.0), (86400, 20.0, 20.0)):
        act = say(b"{}", f"Retry-After: {asked}", "Connection: close", status="503 Busy")
        with Hostile(Attack("busy", "models", act)) as service, pytest.raises(ServiceError, match="503"):
            fhenn.RemoteServer(service.url, "token", attempts=2)
        assert least <= pauses.pop() <= most


def refused():
    """An address where nothing listens."""
    with Hostile(Attack("none", "nowhere", say(b""))) as service:
        return service.url


def test_where_nothing_listens_it_is_tried_twice(monkeypatch):
    pauses = []
    note_pauses(monkeypatch, pauses)
    with pytest.raises(ServiceUnreachable, match="in 2 attempts") as caught:
        fhenn.RemoteServer(refused(), "token")
    assert caught.value.attempts == 2
    assert sum(pauses) < 1
    with pytest.raises(ServiceUnreachable, match="in 1 attempt"):
        fhenn.RemoteServer(refused(), "token", attempts=1)


def test_a_connection_that_fails_slowly_is_not_tried_again(monkeypatch):
    from fhenn.service import http_client  # noqa: PLC0415

    def slow(*_, **__):
        time.sleep(0.4)
        raise http_client.httpcore.ConnectTimeout("timed out")

    monkeypatch.setattr(http_client._Network, "connect_tcp", slow)
    with pytest.raises(ServiceUnreachable, match="in 1 attempt"):
        fhenn.RemoteServer("http://127.0.0.1:9", "token")


def test_once_it_has_answered_the_client_waits_for_it(monkeypatch):
    pauses = []
    with Hostile(Attack("none", "nowhere", say(b""))) as service:
        remote = fhenn.RemoteServer(service.url, "token", fhenn.Client(plan()).evaluation_keys())
    remote._http._http._http._transport._pool.close()
    note_pauses(monkeypatch, pauses)
    with pytest.raises(ServiceUnreachable, match="in 8 attempts"):
        remote.upload()
    remote.close()
    assert sum(pauses) > 10


def test_patience_ends(monkeypatch):
    now = [0.0]
    with Hostile(Attack("none", "nowhere", say(b""))) as service:
        remote = fhenn.RemoteServer(service.url, "token", fhenn.Client(plan()).evaluation_keys(), attempts=10**6)
    remote._http._http._http._transport._pool.close()
    started = time.monotonic()
    monkeypatch.setattr("fhenn.service.retrying_client.monotonic", lambda: started + now[0])
    monkeypatch.setattr(RetryingClient, "_wait", lambda _, seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(ServiceUnreachable):
        remote.upload()
    remote.close()
    assert 60 < now[0] < 120


def test_fetch_from_a_dead_port(tmp_path):
    """`fhenn fetch` names the address; the policy, not the clock, says that it does not take long."""
    url = refused()
    result = CliRunner().invoke(cli, ["fetch", "--url", url, "-o", str(tmp_path / "p")], env={"FHENN_TOKEN": "x"})
    assert isinstance(result.exception, ServiceUnreachable)
    assert url in str(result.exception) and "in 2 attempts" in str(result.exception)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "http://127.0.0.1:0", "https://", "https://:80"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(ParameterError, match="is not the address"):
        fhenn.RemoteServer(url, "token")


def test_hosts_that_are_no_names(monkeypatch):
    from fhenn.service import http_client  # noqa: PLC0415

    def idna(*_, **__):
        return "\udcff".encode("idna")

    monkeypatch.setattr(http_client._Network, "connect_tcp", idna)
    with pytest.raises(ServiceUnreachable):
        fhenn.RemoteServer("https://host", "token")


@pytest.mark.parametrize(
    "options", [{"timeout": 0.0}, {"timeout": float("inf")}, {"patience": -1.0}, {"largest_answer": 0}], ids=str
)
def test_options_that_bound_nothing_are_refused(options):
    with pytest.raises(ParameterError):
        fhenn.RemoteServer("http://127.0.0.1:9", "token", **options)


def cases(count: int) -> list[Attack]:
    """Attacks at every place, with other numbers each time round."""
    rounds = (attacks(random.Random(seed)) for seed in range(SEED, SEED + 100))
    return list(islice(chain.from_iterable(rounds), count))


@pytest.mark.soak
def test_500_attacks():
    """Every one is met by a typed error, below 500 MB and a minute. Twelve at a time: most of them wait."""
    tried = cases(500)
    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(meet, tried))
    typed = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.FhennError)
    }
    bad = [
        (attack.place, attack.name, outcome)
        for attack, outcome in zip(tried, outcomes, strict=True)
        if outcome.error not in typed or outcome.seconds >= SECONDS or outcome.megabytes >= MEGABYTES
    ]
    counts = {error: sum(outcome.error == error for outcome in outcomes) for error in {o.error for o in outcomes}}
    slowest = max(outcome.seconds for outcome in outcomes)
    largest = max(outcome.megabytes for outcome in outcomes)
    print(json.dumps({"cases": len(tried), "seconds": slowest, "megabytes": largest, "errors": counts}))  # noqa: T201
    assert bad == []


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", head(1000)], ids=["head", "body"])
def test_the_deadline_cuts_a_drip_off(monkeypatch, start):
    """The client hangs up while the service still drips: it did not wait for the end."""
    monkeypatch.setattr("fhenn.service.retrying_client.DOCUMENT_SECONDS", 0.5)
    served_out = []

    def act(peer, _):
        endlessly(start, b"y", 0.05, 4.0)(peer, b"")
        served_out.append(True)

    with Hostile(Attack("drip", "models", act)) as service, pytest.raises(ServiceUnreachable, match="not complete"):
        fhenn.RemoteServer(service.url, "token")
    assert served_out == []


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


def test_an_answer_that_has_begun_comes_at_a_least_rate(monkeypatch):
    """No 30 s with less than 480 kB (16 kB a second); until its first byte it may take its time."""
    clock = Clock()
    monkeypatch.setattr(http_client, "time", clock)
    pace = http_client._Pace(clock.now + 500)
    clock.now += 200
    assert (pace.seconds_left(reading=True), pace.slow) == (300, False)
    pace.count(1)
    assert pace.seconds_left(reading=True) == 30
    clock.now += 29
    pace.count(30 * 16384 - 1)
    assert (pace.seconds_left(reading=True), pace.slow) == (1, False)
    pace.count(1)
    assert pace.seconds_left(reading=True) == 30
    clock.now += 30
    assert (pace.seconds_left(reading=False), pace.slow) == (241, False)
    assert (pace.seconds_left(reading=True), pace.slow) == (0, True)
    pace.restart()
    assert pace.seconds_left(reading=True) == 241


@pytest.mark.parametrize(
    ("place", "start"),
    [
        ("predict", head(60_000, f"{VERSION}: {plan().fingerprint}")),
        ("predict", b"HTTP/1.1 200 OK\r\nX: "),
        ("put", b"H"),
    ],
    ids=["the body of a prediction", "its head", "the answer to keys"],
)
def test_what_drips_is_given_up_at_once_and_for_good(monkeypatch, place, start):
    """With the time-out of the defaults, whose silence it never meets, and whose attempts it is not given."""
    monkeypatch.setattr(http_client, "_WINDOW", 0.6)
    begin = time.monotonic()
    with Hostile(Attack("drip", place, endlessly(start, b"y", 0.05, 12.0))) as service:
        outcome = client(service.url)
        asked = service.requests.count(place)
    assert (outcome["error"], asked) == ("ServiceUnreachable", 1), outcome
    assert "bytes of the answer came" in outcome["text"]
    assert time.monotonic() - begin < 10


def test_an_evaluation_may_take_longer_than_a_drip(monkeypatch):
    monkeypatch.setattr(http_client, "_WINDOW", 0.3)

    def act(peer, body):
        time.sleep(1.0)
        peer.sendall(head(len(body), f"{VERSION}: {plan().fingerprint}") + body)

    with Hostile(Attack("slow", "predict", act)) as service, fhenn.RemoteServer(service.url, "token") as remote:
        holder = fhenn.Client(remote.plan)
        remote.upload(holder.evaluation_keys())
        assert remote.predict(holder.encrypt(np.zeros((3, 2)))) == honest("predict")
