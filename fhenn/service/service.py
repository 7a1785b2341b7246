"""`Service`: what the handlers of one service share, and what a worker's errors become."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from fhenn.service.bodies import Admission
from fhenn.service.limits import Limits
from fhenn.service.logs import log
from fhenn.service.metrics import Metrics
from fhenn.service.problems import Problem
from fhenn.service.store import Store, StoredModel
from fhenn.service.uploads import Uploads
from fhenn.service.work import GONE, MEMORY, NO_MEMORY, NO_WITNESS, REFUSED, UNEXPECTED
from fhenn.service.workers import Buffer, Pool, QueueFull, WorkerDied, WorkerLate


class Service:
    """What the handlers of one service share. Raises FhennError where a stored model is not what it should be."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self.store, self.limits, self.metrics = store, limits, Metrics()
        self.models: dict[str, StoredModel] = store.models()
        self.admission = Admission(limits)
        self.pool = Pool(limits, self._died)
        self.uploads = Uploads(store, self._check_keys)
        metrics = self.metrics
        metrics.workers.labels("alive").set_function(lambda: self.pool.alive)
        metrics.workers.labels("busy").set_function(lambda: self.pool.busy)
        metrics.waiting.set_function(lambda: self.pool.waiting)
        metrics.held.set_function(lambda: self.admission.held)

    def _died(self, code: int | None) -> None:
        self.metrics.deaths.labels(str(code)).inc()
        log(logging.WARNING, "worker died", exit_code=code)

    def model(self, name: str) -> StoredModel:
        """The model of a name. Raises Problem."""
        if name not in self.models:
            raise Problem(404, "model-unknown", "There is no such model here. GET /v1/models names those there are.")
        return self.models[name]

    async def _check_keys(self, owner: str, path: Path) -> dict[str, Any]:
        folders = {name: str(model.folder) for name, model in self.models.items()}
        task = {"task": "check", "keys": str(path.resolve()), "models": folders}
        answer, _ = await self.ask(owner, task, b"", affinity="")
        if not answer["fits"]:
            raise Problem(
                422, "keys-unfit", "The keys were made for none of the models here. Make them for a model's plan."
            )
        return answer

    async def ask(
        self, owner: str, task: dict[str, Any], payload: Buffer, affinity: str
    ) -> tuple[dict[str, Any], bytes]:
        """The answer of a worker; another is asked where one died of something else than the task. Raises Problem."""
        try:
            try:
                answer, body = await self.pool.run(task, payload, affinity)
            except WorkerDied as death:
                if death.crashed or death.exit_code == NO_MEMORY:
                    raise
                answer, body = await self.pool.run(task, payload, affinity)
        except QueueFull as error:
            raise Problem(503, "busy", "Too many requests wait. Send it again later.", retry_after=1) from error
        except WorkerLate as error:
            self.admission.blame(owner)
            detail = f"It took longer than the {self.limits.seconds:g} s that it may. Send fewer samples at once."
            raise Problem(504, "too-long", detail) from error
        except WorkerDied as death:
            if death.exit_code == NO_MEMORY:
                raise _problem_of(MEMORY, {}) from death
            if death.crashed:
                self.admission.blame(owner)
                detail = "The process that evaluated these bytes crashed on them. Make them again with a sound client."
                raise Problem(422, "crashed", detail) from death
            raise Problem(503, "worker-lost", "The worker was lost, twice. Send it again.", retry_after=1) from death
        error_name = answer.get("error")
        if error_name is None:
            return answer, body
        raise _problem_of(error_name, answer)

    async def predict(self, owner: str, model: StoredModel, digest: str, witness: bool, data: bytearray) -> bytes:
        """The encrypted answer to encrypted samples. Raises Problem."""
        path = str(self.store.keys_path(owner, digest))
        task = {
            "task": "predict",
            "model": str(model.folder),
            "keys": path,
            "witness": witness,
            "ciphertexts": self.limits.ciphertexts,
        }
        start = time.perf_counter()
        _, body = await self.ask(owner, task, data, affinity=path)
        self.metrics.evaluation.observe(time.perf_counter() - start)
        return body


_KINDS = {
    "WireFormatError": "malformed",
    "WrongKind": "malformed",
    "ContextMismatch": "keys-differ",
    "ShapeMismatch": "shape",
    "PlanError": "keys-unfit",
}


def _problem_of(name: str, answer: dict[str, Any]) -> Problem:
    """The problem for an error that a worker answered with."""
    if name == MEMORY:
        return Problem(
            422, "too-much-memory", "It takes more memory than a request may have. Send fewer samples at once."
        )
    if name == NO_WITNESS:
        return Problem(422, "no-witness", "The plan of this model has no witness. Ask without witness=true.")
    if name == GONE:
        return Problem(404, "keys-unknown", "These keys were deleted meanwhile. Send them with PUT /v1/keys/{digest}.")
    if name == UNEXPECTED:
        log(logging.ERROR, "unexpected error", exception=answer.get("cause"), where=answer.get("where"))
        return Problem(500, "unexpected", "An error of the service. Tell its operator the request's id.")
    if name == REFUSED:
        log(logging.WARNING, "evaluation refused", exception=answer.get("cause"), where=answer.get("where"))
        detail = "These bytes cannot be evaluated. Make them with `fhenn.Client` for the plan of this model."
        return Problem(422, "not-evaluable", detail)
    return Problem(422, _KINDS.get(name, "refused"), str(answer["detail"])[:500])
