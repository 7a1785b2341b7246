"""The HTTP interface: models, evaluation keys, predictions, health, metrics."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from fhenn import __version__
from fhenn.service.bodies import Admission, chunks, declared_length, too_large
from fhenn.service.envelope import Envelope, described
from fhenn.service.limits import Limits
from fhenn.service.logs import log
from fhenn.service.metrics import MEDIA_TYPE as METRICS_TYPE
from fhenn.service.metrics import Metrics
from fhenn.service.problems import MEDIA_TYPE as PROBLEM_TYPE
from fhenn.service.problems import Problem
from fhenn.service.store import Store, StoredModel, no_space
from fhenn.service.tokens import Token
from fhenn.service.uploads import Uploads
from fhenn.service.work import GONE, MEMORY, NO_MEMORY, NO_WITNESS, REFUSED, UNEXPECTED
from fhenn.service.workers import Buffer, Pool, QueueFull, WorkerDied, WorkerLate

BINARY = "application/octet-stream"
_PIECE = 1 << 16
"""Bytes of an answer that are sent at once: a client that takes none of them for `Limits.idle` is gone."""
_bearer = HTTPBearer(
    auto_error=False, bearerFormat="fhenn token", description="A token of `fhenn token create`, for /v1."
)

DESCRIPTION = """
Predictions on encrypted samples. The client keeps the secret key; the service gets evaluation keys and ciphertexts, and
answers with ciphertexts.

1. `GET /v1/models/{model}`: the public plan, from which a client makes its keys.
2. `PUT /v1/keys/{digest}`: the evaluation keys, named by the SHA-256 of their bytes. Repeating it changes nothing; what
   broke off is resumed with `HEAD` and `PATCH`.
3. `POST /v1/models/{model}/predictions?keys={digest}`: ciphertexts in, ciphertexts out. It changes nothing either, so
   that repeating it is safe.

Whatever goes wrong is a problem document (RFC 9457). Its `type` is for programs, its `detail` says the way out, and
`Retry-After` is there where the same request may do better later.
"""


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:fhenn:problem:… : the kind of problem, for programs")
    title: str
    status: int
    detail: str = Field(description="what happened, and the way out")
    instance: str = Field(description="urn:fhenn:request:… : the id of the request, as in the log")


class ModelSummary(BaseModel):
    """A model in brief. Bytes are estimates of the plan."""

    name: str
    features: int
    samples_per_ciphertext: int
    bytes_of_keys: int


class Models(BaseModel):
    """The models that are served."""

    models: list[ModelSummary]


class ModelDocument(BaseModel):
    """One model. plan: the public plan, for `fhenn.Plan.from_json`."""

    name: str
    plan: dict[str, Any]


class KeysDocument(BaseModel):
    """Evaluation keys. digest: SHA-256 of their bytes. stored, used: seconds since the epoch."""

    digest: str
    size: int
    stored: float
    used: float


class KeysList(BaseModel):
    """The evaluation keys of the token's owner, the latest used first."""

    keys: list[KeysDocument]


class UploadState(BaseModel):
    """How far an upload is."""

    digest: str
    size: int
    arrived: int
    complete: bool


class State(BaseModel):
    """Whether the service works, and what it is."""

    status: str
    version: str = __version__


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

    async def _check_keys(self, owner: str, path: FilePath) -> dict[str, Any]:
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


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _holder(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Token:
    """Who asks. Raises Problem."""
    challenge = {"WWW-Authenticate": 'Bearer realm="fhenn"'}
    if credentials is None:
        raise Problem(401, "token-missing", "Send a token: `Authorization: Bearer fhenn_…`.", headers=challenge)
    token = _service(request).store.tokens.holder(credentials.credentials)
    if token is None:
        challenge["WWW-Authenticate"] += ', error="invalid_token"'
        raise Problem(401, "token-invalid", "This token is unknown or expired. Ask for another.", headers=challenge)
    request.scope["state"]["owner"] = token.owner
    return token


ServiceHere = Annotated[Service, Depends(_service)]
Holder = Annotated[Token, Depends(_holder)]
Digest = Annotated[
    str,
    Path(description="SHA-256 of the keys' bytes, 64 lower-case hexadecimal digits", pattern="^[0-9a-f]{64}$"),
]
ModelName = Annotated[str, Path(description="a name of `GET /v1/models`", max_length=64)]
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {BINARY: _BINARY}}}


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    texts = {
        401: "no token, a wrong one or an expired one",
        404: "no such model, keys or upload",
        408: "the client is too slow",
        409: "another offset is expected, or another upload took over",
        411: "a length is needed",
        413: "too large",
        422: "not what it should be: the detail says what",
        429: "too many requests of one owner at once",
        503: "busy, or a worker was lost: try again after `Retry-After`",
        504: "the evaluation takes too long",
        507: "no room to store it",
    }
    return {status: {"description": texts[status], "content": content} for status in statuses}


health = APIRouter(tags=["health"])
v1 = APIRouter(prefix="/v1", responses=_problems(401))


@health.get("/health/live", summary="Whether the process answers")
async def live() -> State:
    """200 as long as it runs."""
    return State(status="live")


@health.get("/health/ready", summary="Whether it can predict", responses=_problems(503))
async def ready(service: ServiceHere) -> State:
    """200 where a worker is alive, 503 otherwise."""
    if not service.pool.alive:
        raise Problem(503, "not-ready", "The workers are starting. Try again.", retry_after=1)
    return State(status="ready")


@health.get("/metrics", summary="Counters, for Prometheus", response_class=Response)
async def metrics(service: ServiceHere) -> Response:
    """Requests by route and status, times, workers and their deaths, what waits and what is held."""
    return Response(service.metrics.text(), media_type=METRICS_TYPE)


@v1.get("/models", tags=["models"], summary="The models that are served")
async def list_models(service: ServiceHere, holder: Holder) -> Models:
    """Name, features and sizes of each."""
    summaries = [
        ModelSummary(
            name=model.name,
            features=model.plan.features,
            samples_per_ciphertext=model.plan.samples_per_ciphertext,
            bytes_of_keys=model.plan.bytes_of_keys,
        )
        for model in service.models.values()
    ]
    return Models(models=summaries)


@v1.get("/models/{model}", tags=["models"], summary="A model's public plan", responses=_problems(404))
async def show_model(service: ServiceHere, holder: Holder, model: ModelName) -> Response:
    """Parameters, layout and bounds: what a client needs to make keys and encrypt. It tells nothing of the weights."""
    found = service.model(model)
    return Response(
        f'{{"name": "{found.name}", "plan": {found.plan.to_json()}}}', media_type="application/json"
    )  # the plan's own JSON: floats survive to the last bit


@v1.get(
    "/models/{model}/plan",
    tags=["models"],
    summary="A model's public plan, as a file",
    response_class=Response,
    responses={**_problems(404), 200: {"description": "the file", "content": {BINARY: _BINARY}}},
)
async def plan_file(service: ServiceHere, holder: Holder, model: ModelName) -> Response:
    """For `fhenn keygen`, `encrypt` and `decrypt`: with the names of features and classes, where they are known."""
    return Response(service.model(model).message, media_type=BINARY)


@v1.get("/keys", tags=["evaluation keys"], summary="The evaluation keys that you have stored")
async def list_keys(service: ServiceHere, holder: Holder) -> KeysList:
    """The latest used first; the least recently used go first when you store too many."""
    keys = [KeysDocument(**vars(keys)) for keys in service.store.keys_of(holder.owner)]
    return KeysList(keys=keys)


@v1.head("/keys/{digest}", tags=["evaluation keys"], summary="How far an upload is", responses=_problems(404))
async def upload_state(service: ServiceHere, holder: Holder, digest: Digest) -> Response:
    """`Upload-Offset`: bytes that have arrived; `Upload-Complete`: `?1` once the keys are stored, else `?0`."""
    complete = service.store.has_keys(holder.owner, digest)
    arrived = service.store.arrived(holder.owner, digest)
    if complete:
        arrived = service.store.keys_path(holder.owner, digest).stat().st_size
    elif not arrived:
        raise Problem(404, "keys-unknown", "Nothing of these keys is here. Send them with PUT.")
    return Response(headers={"Upload-Offset": str(arrived), "Upload-Complete": "?1" if complete else "?0"})


@v1.put(
    "/keys/{digest}",
    tags=["evaluation keys"],
    summary="Store evaluation keys",
    openapi_extra=_BODY,
    responses=_problems(408, 411, 413, 422, 429, 503, 507),
    status_code=201,
)
async def store_keys(service: ServiceHere, holder: Holder, digest: Digest, request: Request) -> Response:
    """The bytes of `Client.evaluation_keys()`. 201 when they are checked and stored, 200 where they are there already.

    They are yours alone: other owners' tokens do not reach them. A secret key among them is refused while it arrives.
    """
    length = declared_length(request, service.limits.keys, "Evaluation keys")
    if length is None:
        raise Problem(411, "length", "State a Content-Length.")
    return await _receive(service, holder, digest, 0, length, request)


@v1.patch(
    "/keys/{digest}",
    tags=["evaluation keys"],
    summary="Go on with an upload that broke off",
    openapi_extra=_BODY,
    responses=_problems(408, 409, 413, 422, 429, 503, 507),
    status_code=201,
)
async def resume_keys(
    service: ServiceHere,
    holder: Holder,
    digest: Digest,
    request: Request,
    upload_offset: Annotated[int, Header(ge=0, description="where these bytes start: what HEAD says has arrived")],
    upload_length: Annotated[int, Header(ge=1, description="how many bytes the whole upload has")],
) -> Response:
    """The bytes from `Upload-Offset` on, all or some of them. 201 when all are there and stored, 202 before."""
    declared_length(request, service.limits.keys, "Evaluation keys")
    if upload_length > service.limits.keys:
        raise too_large("Evaluation keys", service.limits.keys)
    return await _receive(service, holder, digest, upload_offset, upload_length, request)


async def _receive(
    service: Service, holder: Token, digest: str, offset: int, size: int, request: Request
) -> JSONResponse:
    with service.admission.request(holder.owner):
        arrived, status = size, 201
        if service.store.has_keys(holder.owner, digest):
            status = 200
        else:
            body = chunks(request, service.limits)
            arrived = await service.uploads.receive(holder.owner, digest, offset, size, body)
            status = 201 if arrived == size else 202
    state = UploadState(digest=digest, size=size, arrived=arrived, complete=arrived == size)
    return JSONResponse(state.model_dump(), status, {"Upload-Offset": str(arrived)})


@v1.delete(
    "/keys/{digest}",
    tags=["evaluation keys"],
    summary="Delete evaluation keys",
    responses=_problems(404),
    status_code=204,
)
async def delete_keys(service: ServiceHere, holder: Holder, digest: Digest) -> Response:
    """Delete them, or what has arrived of them."""
    arrived = service.store.arrived(holder.owner, digest)
    service.store.drop_upload(holder.owner, digest)
    if not service.store.delete_keys(holder.owner, digest) and not arrived:
        raise Problem(404, "keys-unknown", "There are no such keys of yours. GET /v1/keys lists them.")
    return Response(status_code=204)


@v1.post(
    "/models/{model}/predictions",
    tags=["predictions"],
    summary="Predict on encrypted samples",
    openapi_extra=_BODY,
    response_class=Response,
    responses={
        **_problems(404, 408, 413, 422, 429, 503, 504),
        200: {
            "description": "the encrypted answer, for `Client.decrypt`",
            "content": {BINARY: _BINARY},
        },
    },
)
async def predict(
    service: ServiceHere,
    holder: Holder,
    request: Request,
    model: ModelName,
    keys: Annotated[str, Query(description="digest of your evaluation keys", pattern="^[0-9a-f]{64}$")],
    witness: Annotated[bool, Query(description="add the encrypted witness, where the plan has one")] = False,
) -> Response:
    """The bytes of `Client.encrypt(samples)` in, bytes for `Client.decrypt` out.

    `keys-unknown` (404) says that the keys have to be sent again: they were deleted, or made room for later ones.
    """
    found = service.model(model)
    if not service.store.has_keys(holder.owner, keys):
        raise Problem(404, "keys-unknown", "These keys are not here (any more). Send them with PUT /v1/keys/{digest}.")
    limits = service.limits
    length = declared_length(request, limits.body, "A prediction")
    if service.pool.full:  # before a byte of the body is held
        raise Problem(503, "busy", "Too many requests wait. Send it again later.", retry_after=1)
    with ExitStack() as stack:
        stack.enter_context(service.admission.request(holder.owner))
        buffer = stack.enter_context(service.admission.body())
        async for chunk in chunks(request, limits):
            if len(buffer) + len(chunk) > limits.body:
                raise too_large("A prediction", limits.body)
            service.admission.hold(buffer, chunk)
        if not buffer or (length is not None and len(buffer) != length):
            raise Problem(
                422, "malformed", "There are no ciphertexts in the request. Send the bytes of Client.encrypt."
            )
        answer = await service.predict(holder.owner, found, keys, witness, buffer)
        try:
            service.store.touch(holder.owner, keys)
        except sqlite3.OperationalError as error:  # the answer counts for more than when the keys were used last
            log(logging.WARNING, "use of keys not noted", **described(error))
        return _HeldResponse(answer, stack.pop_all())


class _HeldResponse(Response):
    """An answer that its owner's request, and memory, counts for until it is taken; it is sent in pieces."""

    def __init__(self, answer: bytes, held: ExitStack) -> None:
        super().__init__(answer, media_type=BINARY)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for start in range(0, len(self.body), _PIECE):
                piece = self.body[start : start + _PIECE]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _answer(request: Request, problem: Problem) -> JSONResponse:
    state = request.scope["state"]
    state["problem"] = problem.kind
    document = problem.document(state.get("request_id", "-"))
    return JSONResponse(document, problem.status, problem.all_headers(), PROBLEM_TYPE)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  (registered for it)
    return _answer(request, error)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    texts = {
        404: ("not-found", "There is nothing at this address. /docs describes what there is."),
        405: ("method", "This address does not take that method. /docs describes what it takes."),
    }
    kind, detail = texts.get(error.status_code, ("http", "The request cannot be handled. /docs describes what can."))
    return _answer(request, Problem(error.status_code, kind, detail, headers=dict(error.headers or {})))


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    places = [f"{' '.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return _answer(request, Problem(422, "parameters", f"{'; '.join(places)[:500]}. /docs describes the parameters."))


async def _on_exception(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError | sqlite3.Error) and no_space(error):
        return _answer(request, Problem(507, "no-space", "There is no room to store it. Try again later."))
    return _answer(request, Problem(500, "unexpected", "An error of the service. Tell its operator the request's id."))


def _described(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description, with problem documents in the place of its own errors."""
    if app.openapi_schema is None:
        description = FastAPI.openapi(app)
        schemas = description["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        for operations in description["paths"].values():
            for operation in operations.values():
                if "422" in operation["responses"]:
                    operation["responses"]["422"] = _problems(422)[422]
    return app.openapi_schema or {}


def create_app(store: Store, limits: Limits) -> tuple[ASGIApp, Service]:
    """The ASGI application of a service, and the service itself. Raises FhennError where a stored model is broken."""
    service = Service(store, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.pool.start()
        yield
        await service.pool.close()

    app = FastAPI(
        title="fhenn",
        version=__version__,
        summary="Predictions on encrypted samples",
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_tags=[
            {"name": "models", "description": "what is served, and the public plans to make keys for"},
            {"name": "evaluation keys", "description": "sent once, kept for the token's owner alone"},
            {"name": "predictions", "description": "ciphertexts in, ciphertexts out"},
            {"name": "health", "description": "for whoever runs the service; no token needed"},
        ],
        redoc_url=None,
    )
    app.state.service = service
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    app.include_router(health)
    app.include_router(v1)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_exception)
    return Envelope(app, service.metrics), service
