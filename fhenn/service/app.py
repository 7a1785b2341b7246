"""The application: routes, handlers and description put together."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from fhenn import __version__
from fhenn.pool.cluster import Cluster
from fhenn.service.addresses import PROXY_HEADERS, Network
from fhenn.service.cors import with_origins
from fhenn.service.envelope import Envelope
from fhenn.service.handlers import add_handlers
from fhenn.service.limits import Limits
from fhenn.service.page import Page
from fhenn.service.routes import health, keys, models, pages, predictions
from fhenn.service.routes.dependencies import problems
from fhenn.service.routes.page import router_of
from fhenn.service.schemas import ProblemDocument
from fhenn.service.service import Service
from fhenn.service.store import Store

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


def _describe(app: FastAPI) -> dict[str, Any]:
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
                    operation["responses"]["422"] = problems(422)[422]
    return app.openapi_schema or {}


def create_app(
    store: Store,
    limits: Limits,
    proxies: Sequence[Network] = (),
    security_log: Path | None = None,
    proxy_header: str = PROXY_HEADERS[0],
    cluster: Cluster | None = None,
    page: Page | None = None,
    origins: Sequence[str] = (),
) -> tuple[ASGIApp, Service]:
    """Make the ASGI application of a service.

    store: of models, keys and tokens.
    limits: on requests.
    proxies: those whose headers say where a request comes from.
    security_log: the file of the security log; None for `security.log` in the store.
    proxy_header: the header in which proxies say it, of `fhenn.service.addresses.PROXY_HEADERS`.
    cluster: where the workers are to be; None for this machine.
    page: for browsers, served at `/`; None for a page that says what this is.
    origins: of pages elsewhere that browsers let use the service (`fhenn.service.origins.origin_of`).

    Returns (application, service).
    Raises FhennError where a stored model is broken.
    """
    service = Service(store, limits, proxies, security_log, cluster)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.pool.start()
        gc.collect()
        gc.freeze()  # what was made until now stays: to look through it for cycles again and again holds requests up
        watch = asyncio.get_running_loop().create_task(service.watch())
        yield
        watch.cancel()
        await service.pool.close()
        service.disk.close()
        service.security.close()

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
        docs_url=None,  # a page of our own: FastAPI's loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    if page is not None:
        app.include_router(router_of(page))  # the first route that fits a request takes it
    app.include_router(pages.router)
    app.include_router(health.router)
    for each in (models, keys, predictions):
        app.include_router(each.router)
    add_handlers(app)
    return Envelope(with_origins(app, origins), service.metrics, proxies, proxy_header), service
