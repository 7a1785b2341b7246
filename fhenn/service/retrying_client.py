"""Requests to one service, repeated where that may help."""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

from fhenn.errors import ServiceError, ServiceUnreachable
from fhenn.service.http_response import HttpResponse, NoResponse
from fhenn.strict import read_count, read_json
from fhenn.text import printable

if TYPE_CHECKING:  # it needs an extra
    from fhenn.service.http_client import HttpClient

_PROBLEM = "urn:fhenn:problem:"
AGAIN = frozenset({408, 425, 429, 502, 503})
"""HTTP statuses after which the same request may do better."""
_TOMORROW = "quota"
"""The kind of problem that ends at midnight: it is not worth waiting for."""
_LONGEST_PAUSE = 20.0

_FIRST_CONNECT, _CONNECT = 2.5, 10.0
"""Seconds until there is a connection: before the service has ever answered, and after."""

_QUICK = 0.3
"""Seconds: a failure to connect that came within them is tried once more, a slower one is not."""

DOCUMENT_SECONDS, _DOCUMENT_PATIENCE = 25.0, 30.0
"""Seconds for what a service has at hand: for one exchange, and until the last may start. Below a minute in all."""

_T = TypeVar("_T")


class RetryingClient:
    """Sends requests to one service, and repeats them as `fhenn.RemoteServer` says. Several threads may use it at once.

    url: of the service, for errors.
    http: sends one.
    attempts: most attempts of a request.
    patience: how long a call goes on starting attempts, in seconds.
    has_answered: whether the service has ever answered.
    """

    def __init__(self, url: str, http: HttpClient, attempts: int, patience: float, has_answered: bool = False) -> None:
        self._url, self._http, self._attempts, self._patience = url, http, attempts, patience
        self._has_answered, self._ended = has_answered, Event()

    def another(self) -> Self:
        """One for the same service, with connections of its own."""
        return type(self)(self._url, self._http.another(), self._attempts, self._patience, self._has_answered)

    def end(self) -> None:
        """End requests that other threads wait for, at once, and refuse those to come."""
        self._ended.set()
        self._http.end()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(
        self, method: str, path: str, what: str, most: int, seconds: float | None = None, **request: Any
    ) -> HttpResponse:
        """Send a request, repeated where that may help.

        method: of HTTP.
        path: at the service.
        what: the answer is, for the error.
        most: bytes that its body may have.
        seconds: for an exchange; None for those of a document.
        request: more arguments of `HttpClient.exchange`.

        Raises ServiceError, ServiceUnreachable, AnswerRefused.
        """

        def ask(left: float) -> HttpResponse:
            response = self.exchange(method, path, what, most, left, **request)
            self.require_success(response)
            return response

        if seconds is None:
            return self.retry(ask, AGAIN, DOCUMENT_SECONDS, min(self._patience, _DOCUMENT_PATIENCE))
        return self.retry(ask, AGAIN, seconds)

    def retry(
        self, act: Callable[[float], _T], again: frozenset[int], seconds: float, patience: float | None = None
    ) -> _T:
        """Call `act` with `seconds`, repeated as the class says.

        act: called with `seconds`.
        again: statuses after which it may do better.

        seconds: for an exchange.
        patience: until the last may start, in seconds; None for that of the class.

        Returns what `act` returns.
        Raises ServiceError, ServiceUnreachable, AnswerRefused.
        """
        start = monotonic()
        until = start + (self._patience if patience is None else patience)
        attempt = 0
        while True:
            attempt += 1
            wait = None
            first = not self._has_answered
            try:
                return act(seconds)
            except NoResponse as error:
                quick = monotonic() - start < _QUICK
                last = error.late or (first and error.connecting and not (attempt == 1 and quick))
                failure: Exception = ServiceUnreachable(self._url, attempt, error.reason, error.way_out)
                failure.__cause__ = error
            except _ErrorResponse as error:
                failure, wait = error.error, error.wait
                last = error.error.status not in again or error.error.kind == _TOMORROW
            pause = self._pause(attempt, wait)
            if last or attempt >= self._attempts or monotonic() + pause >= until or self._wait(pause):
                raise failure

    def _wait(self, seconds: float) -> bool:
        """Wait for so long, or until `end` is called. Returns whether it was."""
        return self._ended.wait(seconds)

    def exchange(self, method: str, path: str, what: str, most: int, seconds: float, **request: Any) -> HttpResponse:
        """Send a request once. Raises NoResponse, AnswerRefused."""
        connect = _CONNECT if self._has_answered else _FIRST_CONNECT
        response = self._http.exchange(method, path, what, most, seconds, connect, **request)
        self._has_answered = True
        return response

    def require_success(self, response: HttpResponse) -> None:
        """Raise _ErrorResponse where an answer states an error."""
        if 200 <= response.status < 300:
            return
        try:
            document = read_json(response.body)
            kind, detail = str(document["type"]).removeprefix(_PROBLEM), str(document["detail"])
        except (ValueError, KeyError, TypeError):  # of something between us and the service
            redirect = "it redirects to another address, where the token is not sent. Use that address if you trust it."
            kind, detail = "http", redirect if 300 <= response.status < 400 else response.reason
        request_id = response.headers.get("X-Request-ID", "-")
        error = ServiceError(
            response.status, printable(kind, 80), printable(detail or "no detail.", 1000), printable(request_id, 80)
        )
        raise _ErrorResponse(error, response.headers.get("Retry-After"))

    @staticmethod
    def _pause(attempt: int, wait: str | None) -> float:
        """Seconds before the next attempt: more each time, no fewer than the service asks for, and with some chance.

        Chance keeps clients from asking all at once.

        attempt: how many there were.
        wait: the Retry-After header.
        """
        seconds = min(0.1 * 2.0 ** min(attempt, 10), _LONGEST_PAUSE) * (0.5 + random.random() / 2)  # noqa: S311
        try:
            asked = float(read_count(wait or "", 1 << 32))
        except ValueError:  # nothing, or no number of seconds
            return seconds
        return min(max(seconds, asked * (1 + random.random() / 4)), _LONGEST_PAUSE)  # noqa: S311


class _ErrorResponse(Exception):
    """The service answered with an error. wait: its Retry-After header."""

    def __init__(self, error: ServiceError, wait: str | None) -> None:
        super().__init__(error)
        self.error, self.wait = error, wait
