"""What routes ask for: the service, who asks, and how their problems are described."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BeforeValidator

from fhenn.service.addresses import caller_of
from fhenn.service.envelope import error_fields
from fhenn.service.key_store import KeyStore
from fhenn.service.logs import log
from fhenn.service.problems import MEDIA_TYPE as PROBLEM_TYPE
from fhenn.service.problems import Problem
from fhenn.service.service import Service
from fhenn.service.tokens import Token
from fhenn.session.receipt import is_digest
from fhenn.strict import read_count

_bearer = HTTPBearer(
    auto_error=False, bearerFormat="fhenn token", description="A token of `fhenn token create`, for /v1."
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
_T = TypeVar("_T")


async def _service(request: Request) -> Service:
    """The service of the application; a coroutine, since FastAPI calls functions in a thread each time."""
    service: Service = request.app.state.service
    return service


async def _authenticate(request: Request, credentials: _Credentials) -> Token:
    """The token of a request. Raises Problem where it is missing, unknown or expired."""
    token, _ = await _look_up(request, credentials, lambda token: None)
    return token


async def _authenticate_with_keys(request: Request, credentials: _Credentials) -> tuple[Token, bool]:
    """The token of a request, and whether its owner has the keys that the query names, which are used now.

    Raises Problem where the token is missing, unknown or expired.
    """
    store, digest = (await _service(request)).store, request.query_params.get("keys", "")
    return await _look_up(
        request, credentials, lambda token: is_digest(digest) and _use(store.keys, token.owner, digest)
    )


def _use(keys: KeyStore, owner: str, digest: str) -> bool:
    """Whether an owner's keys are there; they count as used now. Raises OSError."""
    if keys.size(owner, digest) is None:
        return False
    try:
        keys.touch(owner, digest)
    except OSError as error:  # the answer counts for more than when the keys were used last
        log(logging.WARNING, "last use of keys could not be written", **error_fields(error))
    return True


async def _look_up(
    request: Request, credentials: HTTPAuthorizationCredentials | None, find: Callable[[Token], _T]
) -> tuple[Token, _T]:
    """The token of a request, and what is found for it on the same visit to the disk.

    Raises Problem where the token is missing, unknown or expired.
    """
    challenge = {"WWW-Authenticate": 'Bearer realm="fhenn"'}
    if credentials is None:
        raise Problem(401, "token-missing", "Send a token: `Authorization: Bearer fhenn_…`.", headers=challenge)
    service, state = await _service(request), request.scope["state"]
    text = credentials.credentials

    def look_up() -> tuple[Token, _T] | None:
        token = service.store.tokens.authenticate(text)
        return None if token is None else (token, find(token))

    found = await service.disk(look_up)
    if found is None:
        count = service.attempts.record_failure(caller_of(state["source"]))
        if count & (count - 1) == 0:  # 1, 2, 4, 8 …: a flood must not wash out what else was written
            service.security.write("token", "unknown", state["source"], "refused", failures=count)
        await asyncio.sleep(service.attempts.delay(count))
        challenge["WWW-Authenticate"] += ', error="invalid_token"'
        raise Problem(401, "token-invalid", "This token is unknown or expired. Ask for another.", headers=challenge)
    token, _ = found
    state["owner"] = token.owner
    if (connection := state.get("connection")) is not None:
        connection.recognise(token.owner)
    return found


ServiceHere = Annotated[Service, Depends(_service)]
Holder = Annotated[Token, Depends(_authenticate)]
HolderWithKeys = Annotated[tuple[Token, bool], Depends(_authenticate_with_keys)]
Digest = Annotated[
    str,
    Path(description="SHA-256 of the keys' bytes, 64 lower-case hexadecimal digits", pattern="^[0-9a-f]{64}$"),
]
ModelName = Annotated[str, Path(description="a name of `GET /v1/models`", max_length=64)]
Version = Annotated[
    str | None,
    Query(description="a version of the model, of `GET /v1/models`; by default the current one", max_length=64),
]
WHOLE = BeforeValidator(lambda text: read_count(text, 1 << 60))
"""A whole number in a header: digits alone. Pydantic would accept 1.0, +1 and 1_0."""

BINARY = "application/octet-stream"
BINARY_CONTENT: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
BINARY_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {BINARY: BINARY_CONTENT}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem documents of these statuses, for the description of a route."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    texts = {
        401: "no token, a wrong one or an expired one",
        404: "no such model, keys or upload",
        408: "the client is too slow",
        409: "another offset is expected, or another upload took over",
        410: "this version of the model is no longer here",
        411: "a length is needed",
        413: "too large",
        422: "not what it should be: the detail says what",
        429: "too many requests of one owner at once",
        503: "busy, or a worker was lost: try again after `Retry-After`",
        504: "the evaluation takes too long",
        507: "no room to store it",
    }
    return {status: {"description": texts[status], "content": content} for status in statuses}
