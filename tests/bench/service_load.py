"""A service, and many clients of it in one thread."""

from __future__ import annotations

from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import numpy as np
from http_load import Asker, ask, at_rate
from numpy.typing import NDArray
from service_harness import Running, tls_of

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.service.store import Store

OWNERS, CONNECTIONS, EACH = 8, 64, 6
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
    running: the service.
    """

    def __init__(self, folder: Path, plan: fhenn.Plan, owners: int, tls: bool) -> None:
        folder.mkdir()
        store = Store(folder / "store")
        store.models.add("regression", model_to_bytes(MODEL), plan_to_bytes(plan))
        store.close()
        limits = {"workers": 2, "per_address": 2 * CONNECTIONS}
        self.running = Running(folder / "store", limits, tls=tls_of(folder) if tls else None)
        self._plan, self._tls, self._x = plan, tls, rng.normal(size=(1, 30)).clip(-3, 3)
        self._clients = [fhenn.Client(plan) for _ in range(owners)]
        self._askers: list[Asker] = []

    def __enter__(self) -> Load:
        with ExitStack() as stack:  # where the rest fails, the service ends too
            stack.push(self.__exit__)
            self.running.start()
            self._prepare()
            stack.pop_all()
        return self

    def _prepare(self) -> None:
        tls = self.running.verify if self._tls else None
        for place, client in enumerate(self._clients):
            keys, message = client.evaluation_keys(), client.encrypt(self._x)
            token = self.running.token(f"owner-{place}")
            with fhenn.RemoteServer(self.running.url, token, keys, verify=self.running.verify) as remote:
                remote.upload()
            query = f"keys={sha256(keys).hexdigest()}&version={self._plan.fingerprint}"
            path = f"/v1/models/regression/predictions?{query}"
            for _ in range(CONNECTIONS // len(self._clients)):
                self._askers.append(Asker(self.running.port, path, token, message, tls))
        self.keys, self.upload = len(keys) / 1e6, len(message) / 1e6
        self.per_second()  # the workers load the keys

    def __exit__(self, *_: object) -> None:
        for asker in self._askers:
            asker.socket.close()
        assert self.running.stop() == 0

    def per_second(self) -> float:
        """Predictions a second, all connections at once."""
        start = perf_counter()
        ask(self._askers, EACH)
        return len(self._askers) * EACH / (perf_counter() - start)

    def at_rate(self, rate: float, seconds: float) -> NDArray[np.float64]:
        """Seconds that each answer took, in an open loop of so many requests a second."""
        return np.array(at_rate(self._askers, rate, seconds))

    @property
    def error(self) -> float:
        """The largest error of the last answers, one of each owner."""
        exact = MODEL.infer(self._x)
        last = [asker.answer for asker in self._askers[:: CONNECTIONS // len(self._clients)]]
        scores = [client.decrypt_scores(answer) for client, answer in zip(self._clients, last, strict=True)]
        return max(float(np.abs(each - exact).max()) for each in scores)
