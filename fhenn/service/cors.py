"""Pages from elsewhere that browsers let talk to the service (CORS): none, unless its operator names them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from fhenn.service.version import HEADER as VERSION_HEADER

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ASKED = ("Authorization", "Content-Type", "Upload-Offset", "Upload-Length", "X-Request-ID", VERSION_HEADER)
_SHOWN = (VERSION_HEADER, "Upload-Offset", "Upload-Complete", "Retry-After", "X-Request-ID")
_SECONDS = 600
"""How long a browser may take an origin for allowed before it asks again."""


def with_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """An application that tells browsers which pages from elsewhere may use it.

    app: the application.
    origins: of these pages, as `fhenn.service.origins.origin_of` gives them; none for the application itself.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_ASKED,
        expose_headers=_SHOWN,
        max_age=_SECONDS,
    )
