"""What goes wrong, as RFC 9457 problem documents: what happened, why, and the way out."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:fhenn:problem:"
"""Of the `type` of a problem document; the rest is the problem's `kind`."""


@dataclass(eq=False)
class Problem(Exception):
    """Why a request is not answered as it asks, as the service tells its client.

    status: of HTTP.
    kind: a short name that programs can rely on.
    detail: what happened and the way out, for people; never a payload.
    retry_after: after how long the same request may do better, in seconds; None where it will not.
    headers: more headers of the answer.
    """

    status: int
    kind: str
    detail: str
    retry_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem document of a request (RFC 9457)."""
        return {
            "type": PREFIX + self.kind,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:fhenn:request:{request_id}",
        }

    def all_headers(self) -> dict[str, str]:
        """Headers of the answer, `Retry-After` included."""
        wait = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**wait, **self.headers}
