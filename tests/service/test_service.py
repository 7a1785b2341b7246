"""What a worker's end becomes: who is blamed for it, and who is not."""

import asyncio
import signal

import pytest
from service_harness import stored

from fhenn.pool.work import NO_MEMORY
from fhenn.pool.workers import QueueFull, WaitedTooLong, WorkerDied, WorkerLate
from fhenn.service.limits import Limits
from fhenn.service.problems import Problem
from fhenn.service.service import Service
from fhenn.service.store import Store


@pytest.fixture
def service(tmp_path):
    store = Store(stored(tmp_path / "store"))
    yield Service(store, Limits(workers=1, crashes=1))
    store.close()


def ask(service, monkeypatch, error):
    """The kind of problem that an error of the pool becomes, and how often the pool was asked."""
    calls = []

    async def run(*_):
        calls.append(1)
        raise error

    monkeypatch.setattr(service.pool, "run", run)
    with pytest.raises(Problem) as caught:
        asyncio.run(service.ask("hospital", {}, b"", ""))
    return caught.value.status, caught.value.kind, len(calls)


def waits(service, owner="hospital"):
    """Whether the next request of an owner is refused for the workers that it has ended."""
    try:
        with service.admission.request(owner):
            return False
    except Problem as problem:
        assert problem.kind == "too-many-crashes"
        return True


@pytest.mark.parametrize(
    "number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE], ids=lambda each: each.name
)
def test_who_crashes_a_worker_is_blamed_and_not_asked_again(service, monkeypatch, number):
    assert ask(service, monkeypatch, WorkerDied(-number)) == (422, "crashed", 1)
    assert waits(service)
    assert not waits(service, "clinic")


def test_who_takes_too_long_is_blamed(service, monkeypatch):
    assert ask(service, monkeypatch, WorkerLate()) == (504, "too-long", 1)
    assert waits(service)
    assert not waits(service, "clinic")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (WorkerDied(-signal.SIGKILL), (503, "worker-lost", 2)),  # by the system, or its operator
        (WorkerDied(-signal.SIGTERM), (503, "worker-lost", 2)),
        (WorkerDied(1), (503, "worker-lost", 2)),
        (WorkerDied(NO_MEMORY), (422, "too-much-memory", 1)),
        (QueueFull(), (503, "busy", 1)),
        (WaitedTooLong(), (503, "busy", 1)),
    ],
    ids=str,
)
def test_nobody_is_blamed_for_what_he_did_not_do(service, monkeypatch, error, expected):
    assert ask(service, monkeypatch, error) == expected
    assert not waits(service)


@pytest.mark.parametrize(("fits", "kind"), [([], "keys-unfit"), (["cancer 0"], None)])
def test_keys_for_no_model_here_are_not_kept(service, monkeypatch, tmp_path, fits, kind):
    async def run(*_):
        return {"fits": fits}, service.spools.open()

    monkeypatch.setattr(service.pool, "run", run)
    check = service._check_keys("hospital", tmp_path)
    if kind is None:
        assert asyncio.run(check)["fits"] == fits
        return
    with pytest.raises(Problem) as caught:
        asyncio.run(check)
    assert (caught.value.status, caught.value.kind) == (422, kind)
