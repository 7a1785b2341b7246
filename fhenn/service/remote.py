"""`RemoteServer`: a `fhenn.Server` at the other end of a connection."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from math import inf
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

from fhenn.artifacts import plan_from_bytes
from fhenn.ckks import CipherArray
from fhenn.errors import (
    ExtraMissing,
    KeyMissing,
    ParameterError,
    ServiceError,
    ServiceUnreachable,
    UnsupportedValue,
    WireFormatError,
)
from fhenn.planner import Plan
from fhenn.planner.demands import LARGEST_PLAN, bytes_of_answer
from fhenn.service.http_response import HttpResponse, NoResponse
from fhenn.service.loopback import is_loopback
from fhenn.service.scan import digest_of_keys
from fhenn.service.version import HEADER as VERSION_HEADER
from fhenn.service.version import version_of
from fhenn.session.answer import Answer
from fhenn.strict import read_count, read_json
from fhenn.text import printable
from fhenn.uncopied import Uncopied
from fhenn.wire import as_bytes, header_of, require_kind

_PROBLEM = "urn:fhenn:problem:"
_AGAIN = frozenset({408, 425, 429, 502, 503})
"""HTTP statuses after which the same request may do better."""
_TOMORROW = "quota"
"""The kind of problem that ends at midnight: it is not worth waiting for."""
_LONGEST_PAUSE = 20.0
_PIECE = 1 << 20

_FIRST_CONNECT, _CONNECT = 2.5, 10.0
"""Seconds until there is a connection: before the service has ever answered, and after."""

_QUICK = 0.3
"""Seconds: a failure to connect that came within them is tried once more, a slower one is not."""

_DOCUMENT_SECONDS, _DOCUMENT_PATIENCE = 25.0, 30.0
"""Seconds for what a service has at hand: for one exchange, and until the last may start. Below a minute in all."""

_LEAST_RATE, _LEAST_RATE_OF_ANSWER = 1 << 14, 1 << 16
"""Bytes a second: what is sent, and what is answered, is given up where it is slower on the whole."""

_LARGEST_DOCUMENT, _LARGEST_LIST = 1 << 16, 1 << 20
_LARGEST_MESSAGE = LARGEST_PLAN + (1 << 17)
"""Bytes of a plan in its frame."""

_LONGEST_NAME = 64
"""Characters of a model's name, as the service allows."""

_T = TypeVar("_T")


class RemoteServer(Uncopied):
    """What `fhenn.Server` is in this process, at the other end of a connection.

    The service may be hostile. An answer may have the size that the plan implies for the samples that were sent,
    anything else a constant size; nothing compressed is accepted. Every exchange ends at a deadline: 25 seconds for
    plans and other documents; for keys and predictions the time-out, plus a second for every 16 kB that is sent and
    for every 64 kB of the answer. An answer may take the time-out until its first byte. From then on every 30 seconds
    must bring 480 kB of it, or all that is left.

    Where the service has never answered and there is no connection, it is tried twice and given up within 3 seconds:
    the address is wrong, or nothing runs there. Once it has answered, it may be restarting, and the attempts go on for
    `patience`.

    Keys and ciphertexts are looked at before a connection is opened, so that a secret key, or another file that was
    mistaken for them, never leaves this machine: that raises WrongKind.

    url: of the service, for instance "https://inference.example.org".
    token: of `fhenn token create`.
    evaluation_keys: bytes of `Client.evaluation_keys`. They are sent when they are first needed, and again where the
        service has lost them. None where there are no keys yet: `plan` is what to make a client for, and `upload` takes
        its keys.
    model: its name; None where the service has only one.
    attempts: most attempts of a request, with pauses between them. Every request can be repeated safely.
    timeout: longest silence of the service, in seconds.
    verify: True for the system's certificates, a file of certificates to trust instead, or an `ssl.SSLContext`.
    progress: called with (what, done, total) while keys are sent, in bytes.
    version: of the model, as `Plan.fingerprint` names it; None for the current one. A prediction runs on the version
        whose plan the ciphertexts name, or on this one where they name none: it never runs on a model that took its
        place meanwhile.
    patience: how long a call goes on starting attempts, in seconds.
    largest_answer: most bytes of an answer that are accepted.

    Raises ServiceError where the service refuses, ServiceUnreachable where it does not answer, AnswerRefused for an
    answer that is too large or compressed, WireFormatError for one that is not what was asked, ParameterError for
    arguments out of range and for an address that would send the token in the clear, ExtraMissing without httpx.

    >>> RemoteServer("http://inference.example.org", "token")
    Traceback (most recent call last):
    ...
    fhenn.errors.ParameterError: http://inference.example.org would send the token in the clear. Use https.
    >>> server = RemoteServer(url, token, client.evaluation_keys())  # doctest: +SKIP
    >>> client.decrypt(server.predict(client.encrypt(samples)))  # doctest: +SKIP
    """

    _instead = (
        "It holds a token and a connection: make one where it is needed, of the same address and evaluation keys."
    )

    def __init__(
        self,
        url: str,
        token: str,
        evaluation_keys: bytes | None = None,
        model: str | None = None,
        *,
        attempts: int = 8,
        timeout: float = 90.0,
        verify: Any = True,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        version: str | None = None,
        patience: float = 120.0,
        largest_answer: int = 64 << 20,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise ParameterError(
                f"{url[:80]!r} is not the address of a service.", "Give one like https://host or http://127.0.0.1:port."
            )
        if "@" in parts.netloc:  # it would be sent in the place of the token
            raise ParameterError("the address holds a user name.", "Leave it out: the token says who asks.")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ParameterError(f"{url[:80]} would send the token in the clear.", "Use https.")
        if not isinstance(token, str) or not token.isascii() or not token or token != token.strip():
            raise ParameterError(
                "the token must be ASCII text, not empty, and without blanks around it.",
                "Give it as `fhenn token create` printed it.",
            )
        _require_bounds(attempts, timeout, patience, largest_answer)
        self._url, self._keys, self._digest, self._keys_sent = url.rstrip("/"), b"", "", False
        if evaluation_keys is not None:  # before a connection is opened: what is handed over may be a secret key
            self._set_keys(evaluation_keys)
        try:
            from fhenn.service.http_client import HttpClient
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("httpx", "httpcore"):
                raise
            raise ExtraMissing("client", "httpx") from error
        self._attempts, self._timeout, self._patience, self._progress = attempts, timeout, patience, progress
        self._largest_answer, self._has_answered = largest_answer, False
        self._http = HttpClient(self._url, token, timeout, verify)
        try:
            self._model = model if model is not None else self._only_model()
            self._message = self._ask_plan(version)
            self._plan = plan_from_bytes(self._message)
            self._plans = {self._plan.fingerprint: self._plan}
        except BaseException:
            self._http.close()
            raise

    def __repr__(self) -> str:
        return f"RemoteServer({self._url!r:.80}, model={self._model[:40]!r}, plan={self._plan.fingerprint})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def plan(self) -> Plan:
        """The public plan: what to make a `fhenn.Client` for."""
        return self._plan

    @property
    def plan_message(self) -> bytes:
        """The plan as the bytes of a file, for `fhenn keygen`, `encrypt` and `decrypt`."""
        return self._message

    @property
    def model(self) -> str:
        """The name of the model at the service."""
        return self._model

    @property
    def version(self) -> str:
        """The version of the model: `plan.fingerprint`."""
        return self._plan.fingerprint

    @property
    def digest(self) -> str:
        """SHA-256 of the evaluation keys, which names them at the service; empty where there are none."""
        return self._digest

    def upload(self, evaluation_keys: bytes | None = None) -> None:
        """Send evaluation keys now, or what the service lacks of them.

        evaluation_keys: bytes of `Client.evaluation_keys`; None for those that were given before.

        Raises KeyMissing where none were given, WrongKind, ServiceError, ServiceUnreachable.
        """
        if evaluation_keys is not None:
            self._set_keys(evaluation_keys)
        self._require_keys()
        path, size = f"/v1/keys/{self._digest}", len(self._keys)

        def send(seconds: float) -> None:
            arrived = self._count_arrived(path, seconds)
            if arrived >= 0:
                self._send_from(path, arrived, size, seconds)

        # 409: another upload of the same keys took over, or fewer bytes have arrived than HEAD said
        self._retry(send, _AGAIN | {409}, self._timeout + size / _LEAST_RATE)
        self._progress("upload", size, size)
        self._keys_sent = True

    def predict(self, ciphertexts: bytes, range_check: bool = True) -> bytes:
        """Have the service run the model on encrypted samples.

        ciphertexts: a message of `Client.encrypt`.
        range_check: False leaves out the witnesses that the plan has: then nobody sees that a value left its range.

        Returns a message for `Client.decrypt`.
        Raises KeyMissing, WrongKind, ServiceError, ServiceUnreachable, AnswerRefused, WireFormatError.
        """
        self._require_keys()
        ciphertexts = as_bytes("upload", ciphertexts)
        require_kind("ciphertexts", ciphertexts, "the upload", self._url)
        version = version_of(ciphertexts) or self.version
        if version not in self._plans:
            self._plans[version] = plan_from_bytes(self._ask_plan(version))
        if not self._keys_sent:
            self.upload()
        path = f"/v1/models/{quote(self._model, safe='')}/predictions"
        query = {"keys": self._digest, "version": version} | ({} if range_check else {"witness": "false"})
        implied = _most_of_answer(self._plans[version], ciphertexts)
        most = min(implied, self._largest_answer)
        seconds = self._timeout + len(ciphertexts) / _LEAST_RATE + most / _LEAST_RATE_OF_ANSWER
        request: dict[str, Any] = {"params": query, "content": ciphertexts}
        if most < implied:
            request["way_out"] = "Send fewer samples at once, or allow more: largest_answer=…, or --answer-mb."
        for _ in range(3):
            try:
                response = self._ask("POST", path, "answer", most, seconds, **request)
            except ServiceError as error:
                if error.kind != "keys-unknown":
                    raise
                lost = error
                self._keys_sent = False  # the service has dropped or lost them: they are sent again
                self.upload()
            else:
                if response.headers.get(VERSION_HEADER) != version:
                    raise WireFormatError(
                        "answer of a service", "it is from another version of the model than was asked"
                    )
                return response.body
        raise lost

    def evaluate(self, x: CipherArray) -> CipherArray:
        """Have the service run the model on ciphertexts that are loaded already.

        x: of shape (samples, features), as the client of this plan encrypts them.

        Returns ciphertexts of shape (samples, outputs).
        Raises UnsupportedValue for anything else, and as `predict` does.
        """
        if not isinstance(x, CipherArray):
            raise UnsupportedValue(f"a {type(x).__name__}", "a CipherArray; bytes are for `predict`")
        return CipherArray.from_bytes(x.context, Answer.from_bytes(self.predict(x.to_bytes())).result)

    def forget_keys(self) -> None:
        """Delete the evaluation keys at the service. Raises ServiceError, ServiceUnreachable."""
        if not self._keys:
            return
        self._keys_sent = False
        try:
            self._ask("DELETE", f"/v1/keys/{self._digest}", "document", _LARGEST_DOCUMENT)
        except ServiceError as error:
            if error.kind != "keys-unknown":
                raise

    def _require_keys(self) -> None:
        """Raise KeyMissing where there are no evaluation keys."""
        if not self._keys:
            raise KeyMissing("evaluation", "a remote prediction", "Hand over Client.evaluation_keys().")

    def _set_keys(self, evaluation_keys: bytes) -> None:
        """Check evaluation keys, and use them from now on. Raises WrongKind, WireFormatError."""
        self._keys = as_bytes("evaluation keys", evaluation_keys)
        self._digest, self._keys_sent = digest_of_keys(self._keys, "the evaluation keys", self._url), False

    def _ask_plan(self, version: str | None) -> bytes:
        """The plan of a version of the model, None for the current one, as the bytes of a file. Raises ServiceError."""
        query = {} if version is None else {"version": version}
        path = f"/v1/models/{quote(self._model, safe='')}/plan"
        message = self._ask("GET", path, "plan", _LARGEST_MESSAGE, params=query).body
        if version not in (None, plan_from_bytes(message).fingerprint):
            raise WireFormatError("answer of a service", "it is the plan of another version than was asked for")
        return message

    def _only_model(self) -> str:
        """The name of the one model of the service. Raises ParameterError where there are more, or none."""
        body = self._ask("GET", "/v1/models", "list of models", _LARGEST_LIST).body
        try:
            names = [model["name"] for model in read_json(body)["models"]]
            if not all(isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME for name in names):
                raise ValueError("a name is not a text of a valid length")
        except (ValueError, KeyError, TypeError) as error:
            raise WireFormatError("answer of a service", "it is not a list of models with their names") from error
        if len(names) != 1:
            raise ParameterError(
                f"the service has {len(names)} models{': ' if names else ''}{printable(', '.join(names[:100]), 500)}.",
                "Say which: model=…" if names else "Ask its operator for one.",
            )
        return str(names[0])

    def _count_arrived(self, path: str, seconds: float) -> int:
        """Bytes of the keys at the service, -1 where they are stored."""
        response = self._exchange("HEAD", path, "document", _LARGEST_DOCUMENT, min(seconds, _DOCUMENT_SECONDS))
        if response.status == 404:
            return 0
        self._require_success(response)
        if response.headers.get("Upload-Complete") == "?1":
            return -1
        try:
            return read_count(response.headers.get("Upload-Offset", "0"), 1 << 48)
        except ValueError as error:
            raise WireFormatError("answer of a service", "it does not say how many bytes have arrived") from error

    def _send_from(self, path: str, offset: int, size: int, seconds: float) -> None:
        """Send the keys from an offset on; all of them where the service has none."""

        def pieces() -> Iterator[bytes]:
            for start in range(offset, size, _PIECE):
                self._progress("upload", start, size)
                yield self._keys[start : start + _PIECE]

        headers, method = {"Content-Length": str(size - offset)}, "PATCH"
        if 0 < offset <= size:
            headers |= {"Upload-Offset": str(offset), "Upload-Length": str(size)}
        else:
            headers["Content-Length"], offset, method = str(size), 0, "PUT"
        sent = self._exchange(method, path, "document", _LARGEST_DOCUMENT, seconds, content=pieces(), headers=headers)
        self._require_success(sent)

    def _ask(
        self, method: str, path: str, what: str, most: int, seconds: float | None = None, **request: Any
    ) -> HttpResponse:
        """Send a request, repeated as the class says. seconds: for an exchange; None for those of a document.

        Raises ServiceError, ServiceUnreachable, AnswerRefused.
        """

        def ask(left: float) -> HttpResponse:
            response = self._exchange(method, path, what, most, left, **request)
            self._require_success(response)
            return response

        if seconds is None:
            return self._retry(ask, _AGAIN, _DOCUMENT_SECONDS, min(self._patience, _DOCUMENT_PATIENCE))
        return self._retry(ask, _AGAIN, seconds)

    def _retry(
        self, act: Callable[[float], _T], again: frozenset[int], seconds: float, patience: float | None = None
    ) -> _T:
        """Call `act` with `seconds`, repeated as the class says. again: statuses after which it may do better.

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
                failure: Exception = ServiceUnreachable(self._url, attempt, error.reason)
                failure.__cause__ = error
            except _ErrorResponse as error:
                failure, wait = error.error, error.wait
                last = error.error.status not in again or error.error.kind == _TOMORROW
            pause = self._pause(attempt, wait)
            if last or attempt >= self._attempts or monotonic() + pause >= until:
                raise failure
            sleep(pause)

    def _exchange(self, method: str, path: str, what: str, most: int, seconds: float, **request: Any) -> HttpResponse:
        """Send a request once. Raises NoResponse, AnswerRefused."""
        connect = _CONNECT if self._has_answered else _FIRST_CONNECT
        response = self._http.exchange(method, path, what, most, seconds, connect, **request)
        self._has_answered = True
        return response

    def _require_success(self, response: HttpResponse) -> None:
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

        Chance keeps clients from asking all at once. attempt: how many there were. wait: the Retry-After header.
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


def _require_bounds(attempts: int, timeout: float, patience: float, largest_answer: int) -> None:
    """Raise ParameterError where a bound of `RemoteServer` is out of range."""
    bounds = (
        ("attempts", attempts, attempts >= 1, "1 or more"),
        ("timeout", timeout, 0 < timeout < inf, "a finite number of seconds above 0"),
        ("patience", patience, 0 <= patience < inf, "a finite number of seconds, 0 or more"),
        ("largest_answer", largest_answer, largest_answer > 0, "a number of bytes above 0"),
    )
    for name, value, valid, allowed in bounds:
        if not valid:
            raise ParameterError(f"{name} must be {allowed}, not {value!r}.", "Leave it out for its default.")


def _has_port(parts: SplitResult) -> bool:
    """Whether an address has a port that exists, or none."""
    try:
        return parts.port != 0
    except ValueError:  # beyond 65535, or no number
        return False


def _most_of_answer(plan: Plan, upload: bytes) -> int:
    """Most bytes that the answer to an upload can have. Raises WireFormatError."""
    shape = header_of(upload).meta.get("shape")
    samples = shape[0] if isinstance(shape, list) and shape else None
    if type(samples) is not int or not 0 < samples < 1 << 32:
        raise WireFormatError("upload", "its header does not say how many samples it holds")
    return bytes_of_answer(plan, samples)
