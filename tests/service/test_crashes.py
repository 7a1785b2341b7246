"""What a service says, and of whom it thinks ill, when a worker ends or none is free."""

import asyncio
import signal
import time

import pytest
from service_harness import stored

from fhenn.pool.work import NO_MEMORY
from fhenn.pool.workers import WaitedTooLong, WorkerDied
from fhenn.service.bodies import Admission
from fhenn.service.limits import Limits
from fhenn.service.problems import Problem
from fhenn.service.store import Store


def test_crashes_and_losses_become_problems(tmp_path, monkeypatch):
    """A payload that crashes a worker is its sender's fault; a worker that is lost is asked for once more."""
    from fhenn.service.service import Service  # noqa: PLC0415

    store = Store(stored(tmp_path / "store"))
    service = Service(store, Limits(workers=1))
    calls = []

    def dying(code, times):
        async def run(task, payload, affinity, owner, gone):
            calls.append(code)
            if len(calls) <= times:
                raise WorkerDied(code)
            return {}, b"answer"

        calls.clear()
        monkeypatch.setattr(service.pool, "run", run)

    dying(-signal.SIGSEGV, 9)
    with pytest.raises(Problem) as caught:
        asyncio.run(service.ask("hospital", {}, b"", ""))
    assert (caught.value.status, caught.value.kind, len(calls)) == (422, "crashed", 1)
    dying(NO_MEMORY, 9)
    with pytest.raises(Problem) as caught:
        asyncio.run(service.ask("hospital", {}, b"", ""))
    assert (caught.value.status, caught.value.kind, len(calls)) == (422, "too-much-memory", 1)
    dying(-signal.SIGKILL, 1)
    assert asyncio.run(service.ask("hospital", {}, b"", "")) == ({}, b"answer")
    dying(-signal.SIGKILL, 9)
    with pytest.raises(Problem) as caught:
        asyncio.run(service.ask("hospital", {}, b"", ""))
    assert (caught.value.status, caught.value.kind, len(calls)) == (503, "worker-lost", 2)
    store.close()


def test_owners_whose_requests_end_workers_wait(monkeypatch):
    admission = Admission(Limits(crashes=2))
    for _ in range(2):
        with admission.request("clumsy"):
            admission.blame("clumsy")
    with pytest.raises(Problem) as caught, admission.request("clumsy"):
        pass
    assert (caught.value.status, caught.value.kind) == (429, "too-many-crashes")
    assert 0 < caught.value.retry_after <= 60
    with admission.request("other"):
        pass
    now = time.monotonic()
    monkeypatch.setattr("fhenn.service.bodies.monotonic", lambda: now + 61)
    with admission.request("clumsy"):
        pass


def test_a_wait_that_was_too_long_is_a_problem(tmp_path, monkeypatch):
    from fhenn.service.service import Service  # noqa: PLC0415

    async def run(*_):
        raise WaitedTooLong

    store = Store(stored(tmp_path / "store"))
    service = Service(store, Limits(workers=1))
    monkeypatch.setattr(service.pool, "run", run)
    with pytest.raises(Problem) as caught:
        asyncio.run(service.ask("hospital", {}, b"", ""))
    assert (caught.value.status, caught.value.kind, caught.value.retry_after) == (503, "busy", 1)
    store.close()
