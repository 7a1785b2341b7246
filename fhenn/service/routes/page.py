"""The routes of the page for browsers: a fixed answer for each of its files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from fhenn.service.page import INDEX, SUMS, File, Page

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types fhenn"
)
"""No script but the page's own, no request but to its own service, and no frame around it."""

_DENIED = (
    "accelerometer autoplay camera display-capture encrypted-media fullscreen gamepad geolocation gyroscope "
    "hid idle-detection local-fonts magnetometer microphone midi payment picture-in-picture "
    "publickey-credentials-create publickey-credentials-get screen-wake-lock serial usb xr-spatial-tracking"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in _DENIED.split()),
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
}
_LASTING = "public, max-age=31536000, immutable"
_FRESH = "no-cache"
"""Kept, and asked for again each time: unchanged, it costs an answer without a body."""


def router_of(page: Page) -> APIRouter:
    """The routes of a page: one for each file, `/` for its start, and `/SHA256SUMS`."""
    router = APIRouter(include_in_schema=False)
    sums = page.sums.encode()
    files = {
        **{f"/{path}": file for path, file in page.files.items()},
        "/": page.files[INDEX],
        f"/{SUMS}": File("text/plain; charset=utf-8", sums, None, page.sha256, lasting=False),
    }
    for path, file in files.items():
        router.add_api_route(path, _answering(file), methods=["GET", "HEAD"], response_class=Response)
    return router


def _answering(file: File) -> Callable[[Request], Awaitable[Response]]:
    """What answers with a file."""

    async def answer(request: Request) -> Response:
        """The file, or that it is as the browser has it."""
        accepted = request.headers.get("accept-encoding", "")
        body, headers = file.body, _HEADERS | {"Cache-Control": _LASTING if file.lasting else _FRESH}
        headers["ETag"] = f'"{file.sha256}"'
        if file.small is not None and _takes_gzip(accepted):
            body, headers["ETag"], headers["Content-Encoding"] = file.small, f'"{file.sha256}-gzip"', "gzip"
        known = request.headers.get("if-none-match", "")
        if headers["ETag"] in (each.strip().removeprefix("W/") for each in known.split(",")):
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(len(body))
        sent = b"" if request.method == "HEAD" else body
        return Response(sent, headers=headers, media_type=file.media_type)

    return answer


def _takes_gzip(accepted: str) -> bool:
    """Whether a browser takes gzip, by its Accept-Encoding."""
    for each in accepted.split(","):
        name, _, rest = each.partition(";")
        if name.strip().lower() == "gzip":
            return rest.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
