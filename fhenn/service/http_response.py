"""What comes of one exchange with a service: an answer, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class HttpResponse:
    """An answer, whole. reason: the phrase beside its status. headers: whatever their case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class NoResponse(Exception):
    """No answer came. connecting: there was no connection yet. late: the deadline has passed."""

    def __init__(self, reason: str, connecting: bool, late: bool) -> None:
        super().__init__(reason)
        self.reason, self.connecting, self.late = reason, connecting, late
