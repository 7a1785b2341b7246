"""What routes ask for: the service, who asks, and how their problems are described."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BeforeValidator

from fhenn.service.addresses import caller_of
from fhenn.service.problems import MEDIA_TYPE as PROBLEM_TYPE
from fhenn.service.problems import Problem
from fhenn.service.service import Service
from fhenn.service.tokens import Token
from fhenn.strict import read_count

_bearer = HTTPBearer(
    auto_error=False, bearerFormat="fhenn token", description="A token of `fhenn token create`, for /v1."
)


def _service(request: Request) -> Service:
    """The service of the application."""
    service: Service = request.app.state.service
    return service


async def _authenticate(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Token:
    """The token of a request. Raises Problem where it is missing, unknown or expired."""
    challenge = {"WWW-Authenticate": 'Bearer realm="fhenn"'}
    if credentials is None:
        raise Problem(401, "token-missing", "Send a token: `Authorization: Bearer fhenn_…`.", headers=challenge)
    service, state = _service(request), request.scope["state"]
    token = await service.disk(service.store.tokens.authenticate, credentials.credentials)
    if token is None:
        count = service.attempts.record_failure(caller_of(state["source"]))
        if count & (count - 1) == 0:  # 1, 2, 4, 8 …: a flood must not wash out what else was written
            service.security.write("token", "unknown", state["source"], "refused", failures=count)
        await asyncio.sleep(service.attempts.delay(count))
        challenge["WWW-Authenticate"] += ', error="invalid_token"'
        raise Problem(401, "token-invalid", "This token is unknown or expired. Ask for another.", headers=challenge)
    state["owner"] = token.owner
    if (connection := state.get("connection")) is not None:
        connection.recognise(token.owner)
    return token


ServiceHere = Annotated[Service, Depends(_service)]
Holder = Annotated[Token, Depends(_authenticate)]
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
