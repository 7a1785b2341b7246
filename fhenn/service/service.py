"""`Service`: what the handlers of one service share, and what a worker's errors become."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect

from fhenn.pool.cluster import Cluster
from fhenn.pool.handle import WorkerHandle
from fhenn.pool.hosts import Contents, HostedWorker
from fhenn.pool.processes import WorkerProcess
from fhenn.pool.spool import Spool, SpoolFull, Spools
from fhenn.pool.work import GONE, MEMORY, NO_MEMORY, NO_MODEL, NO_WITNESS, REFUSED, TOO_LARGE, UNEXPECTED, name_of
from fhenn.pool.workers import Buffer, ClientGone, QueueFull, WaitedTooLong, WorkerDied, WorkerLate, Workers
from fhenn.service.addresses import Network
from fhenn.service.attempts import Attempts
from fhenn.service.bodies import Admission
from fhenn.service.connections import Connections
from fhenn.service.disk import Disk
from fhenn.service.envelope import error_fields
from fhenn.service.limits import Limits
from fhenn.service.logs import log, log_as_json, log_seldom
from fhenn.service.metrics import Metrics
from fhenn.service.model_store import StoredModel
from fhenn.service.problems import Problem
from fhenn.service.quota import Quotas
from fhenn.service.security_log import NAME as SECURITY_LOG
from fhenn.service.security_log import SecurityLog
from fhenn.service.store import Store
from fhenn.service.tokens import Token
from fhenn.service.uploads import Uploads

_NAMES = 10
"""Models that an error names."""
_WATCH = 1.0
"""Seconds between two looks at the store's models."""
_KEEP_TIME = 60.0
"""Seconds after which the time is written down again."""
_BEHIND = 60.0
"""Seconds by which the system's clock may be behind the latest time that was seen, before that is said."""


class Service:
    """What the handlers of one service share.

    store: of models, keys and tokens.
    limits: on requests.
    proxies: those whose headers say where a request comes from.
    security_log: the file of the security log; None for `security.log` in the store.
    cluster: where the workers are to be; None for this machine.

    Raises FhennError where a stored model is not what it should be.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        proxies: Sequence[Network] = (),
        security_log: Path | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self.store, self.limits, self.metrics = store, limits, Metrics()
        self.disk = Disk()
        self.catalogue = store.models.catalogue()
        self.admission, self.attempts = Admission(limits), Attempts()
        self.connections = Connections(limits, proxies)
        self.quotas = Quotas(store.folder / "quotas", store.clock)
        self.quotas.tidy()
        self.security = SecurityLog(security_log or store.folder / SECURITY_LOG)
        self.spools = Spools(store.folder, limits.answer, limits.spooled)
        bounds = limits.of_workers
        make: Callable[[], WorkerHandle] = partial(WorkerProcess, bounds, log_as_json)
        if cluster is not None:
            make = partial(HostedWorker, cluster, bounds, Contents(cluster))
        self.pool = Workers(
            bounds,
            self.spools,
            make,
            self._on_worker_death,
            self._on_worker_recycle,
            _on_worker_failure,
        )
        self.uploads = Uploads(store.keys, self.disk, self._check_keys)
        metrics = self.metrics
        metrics.workers.labels("alive").set_function(lambda: self.pool.alive)
        metrics.workers.labels("busy").set_function(lambda: self.pool.busy)
        metrics.waiting.set_function(lambda: self.pool.waiting)
        metrics.connections.labels("without a token").set_function(lambda: self.connections.strangers)
        metrics.connections.labels("all").set_function(lambda: len(self.connections))
        metrics.resident.set_function(lambda: self.pool.resident)
        metrics.held_bytes.set_function(lambda: self.admission.held_bytes + self.spools.held_bytes)

    def _on_worker_death(self, code: int | None) -> None:
        """Count and log a worker that died."""
        self.metrics.deaths.labels(str(code)).inc()
        log(logging.WARNING, "worker died", exit_code=code)

    def _on_worker_recycle(self, size: int) -> None:
        """Count and log a worker that is replaced for its memory."""
        self.metrics.replacements.inc()
        log(logging.INFO, "worker replaced for its memory", bytes=size)

    def model(self, holder: Token, name: str, version: str | None = None) -> StoredModel:
        """A version of a model.

        holder: the token that asks; only models that it reaches are found.
        name: of the model.
        version: fingerprint of its plan; None for the current version.

        Raises Problem where there is none.
        """
        versions = self.catalogue.versions.get(name) if holder.reaches(name) else None
        if versions is None:
            raise Problem(404, "model-unknown", self._no_such_model(holder))
        current = self.catalogue.current[name]
        if version is not None and version not in versions:
            detail = (
                f"This version of the model is not here (any more); the current one is {current}. Get its plan from "
                f"GET /v1/models/{name}/plan, and make keys and ciphertexts with it."
            )
            raise Problem(410, "version-gone", detail)
        return versions[version or current]

    def _no_such_model(self, holder: Token) -> str:
        """What to say of a model that is not there, or that the token does not reach: the names that it reaches."""
        names = [name for name in self.catalogue.versions if holder.reaches(name)]
        if not names:
            return "There is no such model here, and none that this token reaches. Ask the operator for one."
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        listed = ", ".join(names[:_NAMES]) + more
        return f"There is no such model here. This token reaches {listed}. GET /v1/models lists them."

    async def watch(self) -> None:
        """Follow the store as long as the service runs: models that are added and removed, and the time."""
        last_written: float | None = None
        failed: type[Exception] | None = None
        while True:
            await asyncio.sleep(_WATCH)
            self.connections.sweep()
            try:
                outline = await self.disk(self.store.models.outline)
                if outline != self.catalogue.outline:
                    self.catalogue = await self.disk(self.store.models.catalogue, self.catalogue)
                    log(logging.INFO, "models changed", current=dict(self.catalogue.current))
                if last_written is None or time.monotonic() - last_written > _KEEP_TIME:
                    last_written = time.monotonic()
                    await self.disk(self.store.clock.keep)
                    if (lag := self.store.clock.lag()) > _BEHIND:
                        log(logging.WARNING, "the system's clock is behind the store's", seconds=round(lag))
            except Exception as error:  # the models of before are served, and this is logged once
                if type(error) is not failed:
                    log(logging.ERROR, "changes to the store could not be read", **error_fields(error))
                failed = type(error)
            else:
                failed = None

    async def _check_keys(self, owner: str, path: Path) -> dict[str, Any]:
        """Have a worker check that a file holds evaluation keys for one of the models. Raises Problem."""
        folders = {
            f"{model.name} {model.version}": str(model.folder)
            for versions in self.catalogue.versions.values()
            for model in versions.values()
        }
        task = {"task": "check", "keys": str(path), "models": folders}
        answer, nothing = await self.ask(owner, task, b"", affinity="")
        nothing.close()
        if not answer["fits"]:
            detail = (
                "These keys fit none of the models here. Make keys with the plan of the model, from "
                "GET /v1/models/{model}/plan."
            )
            raise Problem(422, "keys-unfit", detail)
        return answer

    async def ask(
        self, owner: str, task: dict[str, Any], payload: Buffer, affinity: str, gone: asyncio.Future[None] | None = None
    ) -> tuple[dict[str, Any], Spool]:
        """Have a worker do a task; another is asked where the first was ended by something else than the task.

        owner: whose turn it takes.
        task: for `fhenn.pool.work.Worker.answer`.
        payload: the bytes that belong to it.
        affinity: what it needs loaded, by `fhenn.pool.work.name_of`: workers that hold it are preferred.
        gone: done when the client goes away.

        Returns (answer, body): the worker's JSON document, and the bytes beside it.
        Raises Problem, ClientDisconnect.
        """
        try:
            try:
                answer, body = await self.pool.run(task, payload, affinity, owner, gone)
            except WorkerDied as death:
                if death.crashed or death.exit_code == NO_MEMORY:
                    raise
                answer, body = await self.pool.run(task, payload, affinity, owner, gone)
        except ClientGone as error:
            raise ClientDisconnect from error
        except SpoolFull as error:
            if error.retry:
                raise Problem(
                    503, "busy", f"The answer cannot be kept now: {error.reason}. Send it again later.", retry_after=2
                ) from error
            raise _answer_too_large(self.limits.answer) from error
        except (QueueFull, WaitedTooLong) as error:
            raise Problem(
                503, "busy", "Too many requests wait for a worker. Send it again later.", retry_after=1
            ) from error
        except WorkerLate as error:
            self.admission.blame(owner)
            detail = (
                f"The evaluation took longer than {self.limits.seconds:g} s, the limit. Send fewer samples at once."
            )
            raise Problem(504, "too-long", detail) from error
        except WorkerDied as death:
            if death.exit_code == NO_MEMORY:
                raise _problem_of(MEMORY, {}) from death
            if death.crashed:
                self.admission.blame(owner)
                detail = "These bytes crashed the worker that evaluated them. Make them again with `fhenn.Client`."
                raise Problem(422, "crashed", detail) from death
            raise Problem(
                503, "worker-lost", "The worker ended before it answered, twice. Send it again.", retry_after=1
            ) from death
        error_name = answer.get("error")
        if error_name is None:
            return answer, body
        body.close()
        if error_name == TOO_LARGE:
            raise _answer_too_large(self.limits.answer)
        raise _problem_of(error_name, answer)

    async def predict(
        self,
        owner: str,
        model: StoredModel,
        digest: str,
        witness: bool | None,
        data: bytearray,
        gone: asyncio.Future[None],
    ) -> tuple[str, Spool]:
        """Have a worker run a model on encrypted samples.

        owner: whose evaluation keys are used.
        model: that runs.
        digest: of the evaluation keys.
        witness: whether witnesses are wanted; None for those that the plan has.
        data: a message of `Client.encrypt`.
        gone: done when the client goes away.

        Returns (version, answer): the version of the model that ran, and a message for `Client.decrypt`.
        Raises Problem, ClientDisconnect.
        """
        path = str(self.store.keys.path(owner, digest))
        task = {
            "task": "predict",
            "model": str(model.folder),
            "version": model.version,
            "keys": path,
            "witness": witness,
            "ciphertexts": self.limits.ciphertexts,
            "answer": self.limits.answer,
        }
        start = time.perf_counter()
        answer, body = await self.ask(owner, task, data, name_of(str(model.folder), path), gone)
        self.metrics.evaluation.observe(time.perf_counter() - start)
        return str(answer["version"]), body


def _on_worker_failure(error: Exception) -> None:
    """Log what kept a worker from starting: no memory, no descriptor, no thread, or it was stopped."""
    log_seldom(logging.ERROR, "worker could not be started", exception=type(error).__name__)


def _answer_too_large(most: int) -> Problem:
    """The problem of an answer past its limit."""
    detail = f"The answer would have more than {most} bytes, the limit. Send fewer samples at once."
    return Problem(413, "answer-too-large", detail)


_PROBLEMS = {
    MEMORY: (422, "too-much-memory", "This takes more memory than a worker may use. Send fewer samples at once."),
    NO_WITNESS: (422, "no-witness", "The plan of this model has no witness. Ask without witness=true."),
    GONE: (404, "keys-unknown", "These keys were deleted meanwhile. Send them with PUT /v1/keys/{digest}."),
    NO_MODEL: (
        410,
        "version-gone",
        "This version of the model was removed meanwhile. Get the plan of the current one.",
    ),
    UNEXPECTED: (500, "unexpected", "The service failed unexpectedly. Tell its operator the request's id."),
    REFUSED: (
        422,
        "not-evaluable",
        "These bytes cannot be evaluated. Make them with `fhenn.Client` for the plan of this model.",
    ),
}
"""Status, kind and detail of the problem for each error of a worker that is not one of fhenn's typed errors."""

_KINDS = {
    "WireFormatError": "malformed",
    "WrongKind": "malformed",
    "ContextMismatch": "keys-differ",
    "ShapeMismatch": "shape",
    "PlanError": "keys-unfit",
}
"""The kind of problem for each of fhenn's typed errors; "refused" for the others."""


def _problem_of(name: str, answer: dict[str, Any]) -> Problem:
    """The problem for an error that a worker answered with."""
    if name == UNEXPECTED:
        log(logging.ERROR, "unexpected error", exception=answer.get("cause"), where=answer.get("where"))
    elif name == REFUSED:
        log(logging.WARNING, "evaluation refused", exception=answer.get("cause"), where=answer.get("where"))
    if name in _PROBLEMS:
        return Problem(*_PROBLEMS[name])
    return Problem(422, _KINDS.get(name, "refused"), str(answer["detail"])[:500])
