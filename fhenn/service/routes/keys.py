"""Evaluation keys: stored, resumed, listed, deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from fhenn.service.bodies import chunks, declared_length, too_large
from fhenn.service.problems import Problem
from fhenn.service.routes.dependencies import BINARY_BODY, Digest, Holder, ServiceHere, problems
from fhenn.service.schemas import KeysDocument, KeysList, UploadState
from fhenn.service.service import Service
from fhenn.service.tokens import Token

router = APIRouter(prefix="/v1", tags=["evaluation keys"], responses=problems(401))


@router.get("/keys", summary="The evaluation keys that you have stored")
async def list_keys(service: ServiceHere, holder: Holder) -> KeysList:
    """The latest used first; the least recently used go first when you store too many."""
    keys = [KeysDocument(**vars(keys)) for keys in service.store.keys_of(holder.owner)]
    return KeysList(keys=keys)


@router.head("/keys/{digest}", summary="How far an upload is", responses=problems(404))
async def upload_state(service: ServiceHere, holder: Holder, digest: Digest) -> Response:
    """`Upload-Offset`: bytes that have arrived; `Upload-Complete`: `?1` once the keys are stored, else `?0`."""
    complete = service.store.has_keys(holder.owner, digest)
    arrived = service.store.arrived(holder.owner, digest)
    if complete:
        arrived = service.store.keys_path(holder.owner, digest).stat().st_size
    elif not arrived:
        raise Problem(404, "keys-unknown", "Nothing of these keys is here. Send them with PUT.")
    return Response(headers={"Upload-Offset": str(arrived), "Upload-Complete": "?1" if complete else "?0"})


@router.put(
    "/keys/{digest}",
    summary="Store evaluation keys",
    openapi_extra=BINARY_BODY,
    responses=problems(408, 411, 413, 422, 429, 503, 507),
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


@router.delete(
    "/keys/{digest}",
    summary="Delete evaluation keys",
    responses=problems(404),
    status_code=204,
)
async def delete_keys(service: ServiceHere, holder: Holder, digest: Digest) -> Response:
    """Delete them, or what has arrived of them."""
    arrived = service.store.arrived(holder.owner, digest)
    service.store.drop_upload(holder.owner, digest)
    if not service.store.delete_keys(holder.owner, digest) and not arrived:
        raise Problem(404, "keys-unknown", "There are no such keys of yours. GET /v1/keys lists them.")
    return Response(status_code=204)
