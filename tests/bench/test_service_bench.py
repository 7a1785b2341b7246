"""How many predictions a second the service gives to 64 connections at once, with two workers, over HTTP.

Run with `python -m pytest tests/bench/test_service_bench.py -q -o addopts=`. Eight owners have keys, a token and eight
connections each, and send a ciphertext that was made before. They are threads of this process, on the same machine:
what they take, the service lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pytest
from conftest import TABLES
from service_harness import TLS, Running

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.backends import is_available
from fhenn.service.store import Store

OWNERS, CONNECTIONS, EACH, ROUNDS = 8, 8, 6, 5
rng = np.random.default_rng(0)
MODEL = fhenn.Sequential([
    fhenn.Linear(rng.normal(size=(1, 30)) / 6, [0.3]), fhenn.Sigmoid(on_violation="ignore")
])  # fmt: skip


class Load:
    """A service, and clients of a plan."""

    def __init__(self, folder: Path, plan: fhenn.Plan) -> None:
        store = Store(folder)
        store.models.add("regression", model_to_bytes(MODEL), plan_to_bytes(plan))
        store.close()
        self._running = Running(folder, {"workers": 2, "per_address": 2 * OWNERS * CONNECTIONS})
        self._x = rng.normal(size=(1, 30)).clip(-3, 3)
        self._clients = [fhenn.Client(plan) for _ in range(OWNERS)]
        self._requests: list[tuple[HTTPConnection, str, bytes, dict[str, str]]] = []

    def __enter__(self) -> Load:
        with ExitStack() as stack:  # where the rest fails, the service ends too
            stack.push(self.__exit__)
            self._running.start()
            self._prepare()
            stack.pop_all()
        return self

    def _prepare(self) -> None:
        errors = []
        for client in self._clients:
            keys, token, message = (
                client.evaluation_keys(),
                self._running.token(f"owner-{len(errors)}"),
                client.encrypt(self._x),
            )
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
            with closing(fhenn.RemoteServer(self._running.url, token, keys, verify=TLS)) as remote:
                remote.upload()
            path = f"/v1/models/regression/predictions?keys={sha256(keys).hexdigest()}"
            for _ in range(CONNECTIONS):
                connection = HTTPConnection("127.0.0.1", self._running.port, timeout=60)
                self._requests.append((connection, path, message, headers))
            scores = client.decrypt_scores(self._ask(len(self._requests) - 1, 1))
            errors.append(np.abs(scores - MODEL.infer(self._x)).max())
        self.error, self.keys, self.upload = float(max(errors)), len(keys) / 1e6, len(message) / 1e6
        self.per_second()  # both workers load all keys

    def __exit__(self, *_: object) -> None:
        for connection, *_rest in self._requests:
            connection.close()
        assert self._running.stop() == 0

    def _ask(self, place: int, times: int) -> bytes:
        connection, path, message, headers = self._requests[place]
        for _ in range(times):
            connection.request("POST", path, message, headers)
            with closing(connection.getresponse()) as response:
                answer = response.read()
                assert response.status == 200, answer
        return answer

    def per_second(self) -> float:
        """Predictions a second, all connections at once."""
        start, count = perf_counter(), len(self._requests)
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda place: self._ask(place, EACH), range(count)))
        return count * EACH / (perf_counter() - start)


@pytest.fixture(scope="module")
def lines() -> Iterator[list[str]]:
    found = [
        f"| service, {OWNERS} owners, {OWNERS * CONNECTIONS} connections, 2 workers | predictions/s | largest error |"
        " keys | upload |",
        "| --- |" + " --: |" * 4,
    ]
    yield found
    TABLES.append("\n".join(found))


def test_requests_of_many_clients(tmp_path: Path, lines: list[str]) -> None:
    for evaluator in filter(is_available, ("native", "seal")):
        plan = fhenn.plan(MODEL, bounds=[-3, 3], accuracy=1e-2, evaluator=evaluator)
        with Load(tmp_path / evaluator, plan) as load:
            rate = median(load.per_second() for _ in range(ROUNDS))
        name = f"logistic regression, {evaluator}, N={plan.parameters.ring_degree}"
        lines.append(f"| {name} | {rate:,.0f} | {load.error:.1e} | {load.keys:.1f} MB | {load.upload:.2f} MB |")
