"""How many predictions a second the service gives to 64 connections at once, with two workers.

Run with `python -m pytest tests/bench/test_service_bench.py -q -o addopts=`. Owners have keys, a token and some of the
connections each, which stay open, and send a ciphertext that was made before, as `RemoteServer` sends it. They are one
thread of this process, on the same machine: what they take, the service lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pytest
from conftest import TABLES
from http_load import Asker, ask
from service_harness import Running, tls_of

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.backends import is_available
from fhenn.service.store import Store

OWNERS, CONNECTIONS, EACH, ROUNDS = 8, 64, 6, 5
rng = np.random.default_rng(0)
MODEL = fhenn.Sequential([
    fhenn.Linear(rng.normal(size=(1, 30)) / 6, [0.3]), fhenn.Sigmoid(on_violation="ignore")
])  # fmt: skip


class Load:
    """A service, and clients of a plan.

    folder: for the service's store.
    plan: that all clients have.
    owners: of the connections, as many each.
    tls: whether they speak TLS.
    """

    def __init__(self, folder: Path, plan: fhenn.Plan, owners: int, tls: bool) -> None:
        folder.mkdir()
        store = Store(folder / "store")
        store.models.add("regression", model_to_bytes(MODEL), plan_to_bytes(plan))
        store.close()
        limits = {"workers": 2, "per_address": 2 * CONNECTIONS}
        self._running = Running(folder / "store", limits, tls=tls_of(folder) if tls else None)
        self._plan, self._tls, self._x = plan, tls, rng.normal(size=(1, 30)).clip(-3, 3)
        self._clients = [fhenn.Client(plan) for _ in range(owners)]
        self._askers: list[Asker] = []

    def __enter__(self) -> Load:
        with ExitStack() as stack:  # where the rest fails, the service ends too
            stack.push(self.__exit__)
            self._running.start()
            self._prepare()
            stack.pop_all()
        return self

    def _prepare(self) -> None:
        tls = self._running.verify if self._tls else None
        for place, client in enumerate(self._clients):
            keys, message = client.evaluation_keys(), client.encrypt(self._x)
            token = self._running.token(f"owner-{place}")
            with fhenn.RemoteServer(self._running.url, token, keys, verify=self._running.verify) as remote:
                remote.upload()
            query = f"keys={sha256(keys).hexdigest()}&version={self._plan.fingerprint}"
            path = f"/v1/models/regression/predictions?{query}"
            for _ in range(CONNECTIONS // len(self._clients)):
                self._askers.append(Asker(self._running.port, path, token, message, tls))
        self.keys, self.upload = len(keys) / 1e6, len(message) / 1e6
        self.per_second()  # the workers load the keys

    def __exit__(self, *_: object) -> None:
        for asker in self._askers:
            asker.socket.close()
        assert self._running.stop() == 0

    def per_second(self) -> float:
        """Predictions a second, all connections at once."""
        start = perf_counter()
        ask(self._askers, EACH)
        return len(self._askers) * EACH / (perf_counter() - start)

    @property
    def error(self) -> float:
        """The largest error of the last answers, one of each owner."""
        exact = MODEL.infer(self._x)
        last = [asker.answer for asker in self._askers[:: CONNECTIONS // len(self._clients)]]
        scores = [client.decrypt_scores(answer) for client, answer in zip(self._clients, last, strict=True)]
        return max(float(np.abs(each - exact).max()) for each in scores)


@pytest.fixture(scope="module")
def lines() -> Iterator[list[str]]:
    found = [
        f"| service, {CONNECTIONS} connections, 2 workers | owners | predictions/s | largest error | keys | upload |",
        "| --- |" + " --: |" * 5,
    ]
    yield found
    TABLES.append("\n".join(found))


@pytest.mark.parametrize(
    ("evaluator", "owners", "tls"),
    [("native", OWNERS, False), ("native", OWNERS, True), ("native", CONNECTIONS, False), ("seal", OWNERS, False)],
)
def test_requests_of_many_clients(tmp_path: Path, lines: list[str], evaluator: str, owners: int, tls: bool) -> None:
    """The keys of 64 owners are more than one worker holds, and not more than both do."""
    if not is_available(evaluator):
        pytest.skip(f"the {evaluator} evaluator is not there")
    plan = fhenn.plan(MODEL, bounds=[-3, 3], accuracy=1e-2, evaluator=evaluator)
    with Load(tmp_path / evaluator, plan, owners, tls) as load:
        rate, error = median(load.per_second() for _ in range(ROUNDS)), load.error
    assert error <= plan.error
    name = f"logistic regression, {evaluator}, N={plan.parameters.ring_degree}{', over TLS' if tls else ''}"
    lines.append(f"| {name} | {owners} | {rate:,.0f} | {error:.1e} | {load.keys:.1f} MB | {load.upload:.2f} MB |")
