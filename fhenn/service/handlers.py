"""What goes wrong in a request, as an answer."""

from __future__ import annotations

import errno

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fhenn.service.key_store import no_space
from fhenn.service.problems import MEDIA_TYPE as PROBLEM_TYPE
from fhenn.service.problems import Problem


def _answer(request: Request, problem: Problem) -> JSONResponse:
    """A problem as the answer to a request."""
    state = request.scope["state"]
    state["problem"] = problem.kind
    if problem.status == 429 and "owner" in state:
        request.app.state.service.security.write_seldom("limit", state["owner"], state["source"], problem.kind)
    document = problem.document(state.get("request_id", "-"))
    return JSONResponse(document, problem.status, problem.all_headers(), PROBLEM_TYPE)


async def _on_problem(request: Request, error: Exception) -> Response:
    """Answer with a problem that a route raised."""
    assert isinstance(error, Problem)  # noqa: S101  (registered for it)
    return _answer(request, error)


async def _on_http(request: Request, error: Exception) -> Response:
    """Answer where no route fits the request."""
    assert isinstance(error, HTTPException)  # noqa: S101
    texts = {
        404: ("not-found", "There is nothing at this address. /docs describes what there is."),
        405: ("method", "This address does not take that method. /docs describes what it takes."),
    }
    kind, detail = texts.get(
        error.status_code, ("http", "The request cannot be handled. /docs describes those that can.")
    )
    return _answer(request, Problem(error.status_code, kind, detail, headers=dict(error.headers or {})))


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Answer where a parameter is not valid."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    places = [f"{' '.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return _answer(request, Problem(422, "parameters", f"{'; '.join(places)[:500]}. /docs describes the parameters."))


async def _on_exception(request: Request, error: Exception) -> Response:
    """Answer where the service failed."""
    if isinstance(error, OSError) and no_space(error):
        return _answer(request, Problem(507, "no-space", "There is no room to store it. Try again later."))
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return _answer(request, Problem(503, "busy", "Too many files are open. Send it again.", retry_after=1))
    if isinstance(error, OSError):
        detail = "The service's storage failed. Ask what is there, and send it again later."
        return _answer(request, Problem(503, "storage", detail, retry_after=2))
    return _answer(
        request, Problem(500, "unexpected", "The service failed unexpectedly. Tell its operator the request's id.")
    )


async def _on_disconnect(request: Request, error: Exception) -> Response:
    """End a request whose client went away."""
    return Response(status_code=499)  # nobody reads it; the log says so


def add_handlers(app: FastAPI) -> None:
    """Let every error of a request become a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(Exception, _on_exception)
