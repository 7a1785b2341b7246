"""Descriptors that run out, and workers that do not start: nothing is lost for good."""

import resource
import socket
import time

import httpx
import numpy as np
import pytest
from service_harness import PLAN, Running, kill, right, samples, stored, wait_for
from support import at_length, on_each

import fhenn
from fhenn.service.descriptors import fit_descriptors
from fhenn.service.limits import Limits
from fhenn.service.logs import LOG

pytestmark = pytest.mark.thorough  # each starts a service or more, or trains


def exhausted(pid):
    """Let a process open no more files; the limits that it had."""
    return resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


def exhaust_and_free(running, workers, seconds):
    """Take all descriptors from a service whose workers die, and give them back; seconds until all work again."""
    client, x = fhenn.Client(PLAN), samples(np.random.default_rng(2))
    with running.remote("steady", client.evaluation_keys()) as remote:
        remote.upload()
        pid = running.pid()
        before = exhausted(pid)
        for worker in running.workers():
            kill(worker)
        attempts = [socket.create_connection(("127.0.0.1", running.port), timeout=5) for _ in range(50)]
        time.sleep(seconds)
        assert running.workers() == []
        for attempt in attempts:
            attempt.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        start = time.monotonic()

        def back():
            try:
                return running.metric('fhenn_workers{state="alive"}') == workers
            except httpx.TransportError:
                return False

        wait_for(back, 30)
        taken = time.monotonic() - start
        assert right(client, remote.predict(client.encrypt(x)), x)
    lines = running.log.read_text().splitlines()
    for event in ("worker could not be started", "no descriptor for a connection", "socket.accept()"):
        assert sum(event in line for line in lines) <= 2 * (seconds + 3), event
    return taken


@on_each
def test_workers_come_back_once_there_are_descriptors(tmp_path):
    with Running(stored(tmp_path / "store"), {"workers": 1}) as running:
        exhaust_and_free(running, 1, 1.0)


@on_each
@at_length("seconds", 5, 20)
def test_descriptors_exhausted_for_long_then_freed(tmp_path, seconds):
    with Running(stored(tmp_path / "store"), {"workers": 2}) as running:
        taken = exhaust_and_free(running, 2, seconds)
        print(f"\ndescriptors exhausted for {seconds} s, then freed: all workers back after {taken:.1f} s; asked: 10 s")
        assert taken < 10


def test_how_many_descriptors_are_needed_is_said(monkeypatch, caplog):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 1024))
    monkeypatch.setattr(LOG, "propagate", True)
    limits = fit_descriptors(Limits(workers=1, connections=4096))
    (fields,) = [record.fields for record in caplog.records]
    assert limits.connections == fields["connections"] < fields["descriptors"] == 1024
    assert (fields["asked"], fields["needed"]) == (4096, 4096 + 192 + 16)
    assert f"ulimit -n {fields['needed']}" in fields["way_out"]
