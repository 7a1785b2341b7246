"""Predictions: ciphertexts in, ciphertexts out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope, Send

from fhenn.errors import WireFormatError
from fhenn.pool.spool import Spool
from fhenn.pool.work import is_quickly_counted
from fhenn.service.bodies import PREDICTION, chunks, declared_length, too_large
from fhenn.service.logs import log
from fhenn.service.model_store import StoredModel
from fhenn.service.problems import Problem
from fhenn.service.quota import samples_in
from fhenn.service.routes.dependencies import (
    BINARY,
    BINARY_BODY,
    BINARY_CONTENT,
    HolderWithKeys,
    ModelName,
    ServiceHere,
    Version,
    problems,
)
from fhenn.service.service import Service
from fhenn.service.tokens import Token
from fhenn.service.version import HEADER as VERSION_HEADER
from fhenn.service.version import version_of

_PIECE = 1 << 16
"""Bytes of an answer that are sent at once: a client that takes none of them for `Limits.idle` is gone."""


router = APIRouter(prefix="/v1", tags=["predictions"], responses=problems(401))


@router.post(
    "/models/{model}/predictions",
    summary="Predict on encrypted samples",
    openapi_extra=BINARY_BODY,
    response_class=Response,
    responses={
        **problems(404, 408, 410, 413, 422, 429, 503, 504),
        200: {
            "description": "the encrypted answer, for `Client.decrypt`: its SEAL objects are packed, never compressed, "
            "and their headers say SEAL 4.3",
            "content": {BINARY: BINARY_CONTENT},
            "headers": {VERSION_HEADER: {"description": "the version of the model", "schema": {"type": "string"}}},
        },
    },
)
async def predict(
    service: ServiceHere,
    holder_with_keys: HolderWithKeys,
    request: Request,
    model: ModelName,
    keys: Annotated[str, Query(description="digest of your evaluation keys", pattern="^[0-9a-f]{64}$")],
    witness: Annotated[
        bool | None,
        Query(
            description="the encrypted witnesses, by which the client sees values that leave a domain: as the plan has "
            "them unless said otherwise; `false` leaves them out, `true` refuses where there are none"
        ),
    ] = None,
    version: Version = None,
) -> Response:
    """The bytes of `Client.encrypt(samples)` in, bytes for `Client.decrypt` out.

    Each part of a stream is a request of its own; its end stays with the client.

    Keys and ciphertexts are SEAL's objects, whose headers, and those inside them, may say any of SEAL 4.1 to 4.3: what
    follows a header is plain, packed (`fhenn.ckks.packing`) or a Zstandard frame. Answers are always packed, whatever
    came and whichever evaluator ran, so that a client needs no Zstandard.

    `version` pins the version of the model, by default the one whose plan the ciphertexts name, or the current one;
    `version-gone` (410) says that it is no longer here. The header
    `Fhenn-Model-Version` names the one that answered. `keys-unknown` (404) says that the keys have to be sent again:
    they were deleted, or made room for later ones.
    """
    holder, has_keys = holder_with_keys
    stored = service.model(holder, model, version)
    limits = service.limits
    with ExitStack() as stack:
        stack.enter_context(service.store.keys.pin(holder.owner, keys))
        if not has_keys:
            detail = "These keys are not here (any more). Send them with PUT /v1/keys/{digest}."
            raise Problem(404, "keys-unknown", detail)
        length = declared_length(request, limits.body, PREDICTION)
        if service.pool.full_for(holder.owner):  # before a byte of the body is held
            raise Problem(503, "busy", "Too many requests wait for a worker. Send it again later.", retry_after=1)
        stack.enter_context(service.admission.request(holder.owner))
        buffer = stack.enter_context(service.admission.body())
        async for chunk in chunks(request, limits):
            if len(buffer) + len(chunk) > limits.body:
                raise too_large(PREDICTION, limits.body)
            service.admission.hold(buffer, chunk)
        if not buffer or (length is not None and len(buffer) != length):
            raise Problem(
                422,
                "malformed",
                "The body is empty, or not as long as its Content-Length. Send the bytes of Client.encrypt.",
            )
        if version is None:  # the upload may name the plan that it was made for
            stored = service.model(holder, model, version_of(buffer))
        async with _record(service, holder, request, stored, buffer), _watch_disconnect(request) as gone:
            version, answer = await service.predict(holder.owner, stored, keys, witness, buffer, gone)
        stack.enter_context(answer)
        service.admission.release(buffer)
        return _Answer(service, answer, version, stack.pop_all())


@asynccontextmanager
async def _record(
    service: Service, holder: Token, request: Request, model: StoredModel, upload: bytearray
) -> AsyncIterator[None]:
    """Count the samples of an upload for its token, and write down what became of it. Raises Problem."""
    samples, outcome = 0, "failed"
    try:
        if is_quickly_counted(upload):
            samples = samples_in(upload, model.plan)
        else:
            samples = await service.disk(samples_in, upload, model.plan)
        if holder.samples_per_day is not None:
            day = await service.disk(service.quotas.charge, holder.id, holder.samples_per_day, samples)
        try:
            yield
        except BaseException:  # nothing of the model was told
            if holder.samples_per_day is not None:
                await service.disk(service.quotas.refund, holder.id, day, samples)
            raise
        outcome = "answered"
    except Problem as problem:
        outcome = problem.kind
        raise
    except WireFormatError as error:
        outcome = "malformed"
        raise Problem(422, "malformed", str(error)[:500]) from error
    finally:
        names = {"token": holder.id, "model": model.name, "version": model.version, "samples": samples}
        service.security.write("prediction", holder.owner, request.scope["state"]["source"], outcome, **names)


@asynccontextmanager
async def _watch_disconnect(request: Request) -> AsyncIterator[asyncio.Future[None]]:
    """A future that is done when the client of a request whose body is here goes away."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.get_running_loop().create_task(watch())
    try:
        yield gone
    finally:
        gone.cancel()


class _Answer(Response):
    """An answer that is sent in pieces, within a bound on time.

    service: that answers.
    answer: the bytes.
    version: of the model that ran.
    resources: closed at the end; until then the owner's request counts as running.
    """

    def __init__(self, service: Service, answer: Spool, version: str, resources: ExitStack) -> None:
        super().__init__(media_type=BINARY, headers={VERSION_HEADER: version})
        self.headers["Content-Length"] = str(answer.size)
        self._service, self._answer, self._resources = service, answer, resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits, answer = self._service.limits, self._answer
        with self._resources:
            try:
                async with asyncio.timeout(min(limits.transfer, limits.idle + answer.size / limits.rate)):
                    await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                    for start in range(0, answer.size, _PIECE):
                        piece = await self._read(start)
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            except TimeoutError:
                log(logging.WARNING, "client takes its answer too slowly", owner=scope["state"].get("owner"))
                if (connection := scope["state"].get("connection")) is not None:
                    connection.give_up()

    async def _read(self, start: int) -> bytes:
        """A piece of the answer. Raises OSError."""
        if self._answer.on_disk:
            return await self._service.disk(self._answer.read, start, _PIECE)
        return self._answer.read(start, _PIECE)
