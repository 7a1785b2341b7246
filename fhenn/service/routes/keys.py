"""Evaluation keys: stored, resumed, listed, deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from fhenn.service.bodies import KEYS, chunks, declared_length, too_large
from fhenn.service.problems import Problem
from fhenn.service.routes.dependencies import BINARY_BODY, WHOLE, Digest, Holder, ServiceHere, problems
from fhenn.service.schemas import KeysDocument, KeysList, UploadState
from fhenn.service.service import Service
from fhenn.service.tokens import Token

router = APIRouter(prefix="/v1", tags=["evaluation keys"], responses=problems(401))


@router.get("/keys", summary="The evaluation keys that you have stored")
async def list_keys(service: ServiceHere, holder: Holder) -> KeysList:
    """The latest used first; the least recently used go first when you store too many."""
    stored = await service.disk(service.store.keys.all, holder.owner)
    return KeysList(keys=[KeysDocument(**vars(keys)) for keys in stored])


@router.head("/keys/{digest}", summary="How far an upload is", responses=problems(404))
async def upload_state(service: ServiceHere, holder: Holder, digest: Digest) -> Response:
    """`Upload-Offset`: bytes that have arrived; `Upload-Complete`: `?1` once the keys are stored, else `?0`."""
    keys = service.store.keys
    arrived = await service.disk(keys.count_arrived, holder.owner, digest)  # first: it may become keys in between
    size = await service.disk(keys.size, holder.owner, digest)
    if size is None and not arrived:
        raise Problem(404, "keys-unknown", "Nothing of these keys is here. Send them with PUT.")
    state = (arrived, "?0") if size is None else (size, "?1")
    return Response(headers={"Upload-Offset": str(state[0]), "Upload-Complete": state[1]})


@router.put(
    "/keys/{digest}",
    summary="Store evaluation keys",
    openapi_extra=BINARY_BODY,
    responses=problems(408, 409, 411, 413, 422, 429, 503, 507),
    status_code=201,
)
async def store_keys(service: ServiceHere, holder: Holder, digest: Digest, request: Request) -> Response:
    """The bytes of `Client.evaluation_keys()`. 201 when they are checked and stored, 200 where the same are there.

    They are yours alone: other owners' tokens do not reach them. A secret key among them is refused while it arrives.
    """
    length = declared_length(request, service.limits.keys, KEYS)
    if length is None:
        raise Problem(411, "length", "The length of the body is missing. Send a Content-Length header.")
    return await _receive(service, holder, digest, 0, length, request)


@router.patch(
    "/keys/{digest}",
    summary="Go on with an upload that broke off",
    openapi_extra=BINARY_BODY,
    responses=problems(408, 409, 413, 422, 429, 503, 507),
    status_code=201,
)
async def resume_keys(
    service: ServiceHere,
    holder: Holder,
    digest: Digest,
    request: Request,
    upload_offset: Annotated[
        int, WHOLE, Header(ge=0, description="where these bytes start: what HEAD says has arrived")
    ],
    upload_length: Annotated[int, WHOLE, Header(ge=1, description="how many bytes the whole upload has")],
) -> Response:
    """The bytes from `Upload-Offset` on, all or some of them. 201 when all are there and stored, 202 before."""
    declared_length(request, service.limits.keys, KEYS)
    if upload_length > service.limits.keys:
        raise too_large(KEYS, service.limits.keys)
    return await _receive(service, holder, digest, upload_offset, upload_length, request)


async def _receive(
    service: Service, holder: Token, digest: str, offset: int, size: int, request: Request
) -> JSONResponse:
    """Receive bytes of keys, and say how far the upload is. Raises Problem."""
    with service.admission.request(holder.owner):
        body = chunks(request, service.limits)
        received = await service.uploads.receive(holder.owner, digest, offset, size, body)
    if received.complete:
        outcome = "stored" if received.new else "there already"
        service.security.write("keys", holder.owner, request.scope["state"]["source"], outcome, digest=digest)
    status = 202 if not received.complete else 201 if received.new else 200
    state = UploadState(
        digest=digest,
        size=received.arrived if received.complete else size,
        arrived=received.arrived,
        complete=received.complete,
    )
    return JSONResponse(state.model_dump(), status, {"Upload-Offset": str(received.arrived)})


@router.delete(
    "/keys/{digest}",
    summary="Delete evaluation keys",
    responses=problems(404),
    status_code=204,
)
async def delete_keys(service: ServiceHere, holder: Holder, digest: Digest, request: Request) -> Response:
    """Delete them, or what has arrived of them; an upload of them that runs stores nothing."""
    if not await service.uploads.delete(holder.owner, digest):
        raise Problem(404, "keys-unknown", "You have stored no such keys. GET /v1/keys lists those that you have.")
    service.security.write("keys", holder.owner, request.scope["state"]["source"], "deleted", digest=digest)
    return Response(status_code=204)
