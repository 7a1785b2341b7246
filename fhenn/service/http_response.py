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
    way_out: what to do, as a sentence; empty where the reason does not tell.
    """

    def __init__(self, reason: str, connecting: bool, late: bool, way_out: str = "") -> None:
        super().__init__(reason)
        self.reason, self.connecting, self.late, self.way_out = reason, connecting, late, way_out
