"""What comes of one exchange with a service: an answer, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class HttpResponse:
    """A whole answer.

    status: of HTTP.
    reason: the phrase beside the status.
    headers: by names in any case.
    body: all of it.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class NoResponse(Exception):
    """No answer came.

    reason: what failed, as a clause.
    connecting: whether it failed before there was a connection.
    late: whether the deadline had passed, or the answer came too slowly.
    """

    def __init__(self, reason: str, connecting: bool, late: bool) -> None:
        super().__init__(reason)
        self.reason, self.connecting, self.late = reason, connecting, late
