"""`RemoteServer`: a `fhenn.Server` at the other end of a connection."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from math import inf
from threading import Lock
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, quote, urlsplit

from fhenn.artifacts import plan_from_bytes, preparation_from_bytes
from fhenn.ckks import CipherArray
from fhenn.errors import (
    ExtraMissing,
    KeyMissing,
    ParameterError,
    PartTooLarge,
    ServiceError,
    UnsupportedValue,
    WireFormatError,
)
from fhenn.interop import Preparation
from fhenn.interop.preparation import LARGEST
from fhenn.planner import Plan
from fhenn.planner.demands import LARGEST_PLAN, bytes_of_answer
from fhenn.service.loopback import is_loopback
from fhenn.service.retrying_client import AGAIN, DOCUMENT_SECONDS, RetryingClient
from fhenn.service.scan import digest_of_keys
from fhenn.service.version import HEADER as VERSION_HEADER
from fhenn.service.version import version_of
from fhenn.session.answer import Answer, Binding
from fhenn.session.receipt import UploadHeader, digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.stream import answer_in_order
from fhenn.strict import read_count, read_json
from fhenn.text import an, printable
from fhenn.uncopied import Uncopied
from fhenn.wire import as_bytes, header_of, require_kind

_PIECE = 1 << 20

_LEAST_RATE, _LEAST_RATE_OF_ANSWER = 1 << 14, 1 << 16
"""Bytes a second: what is sent, and what is answered, is given up where it is slower on the whole."""

_LARGEST_DOCUMENT, _LARGEST_LIST = 1 << 16, 1 << 20
_LARGEST_MESSAGE = LARGEST_PLAN + LARGEST + (1 << 17)
"""Bytes of a plan and a preparation in their frame."""

_MOST_CONNECTIONS = 256

_CRASHED = frozenset({"crashed", "worker-lost"})
"""Kinds of problems that say that workers ended over a request."""

_TOO_LARGE = frozenset({"too-large", "answer-too-large", "too-much-memory", "too-long"})
"""Kinds of problems that say that a request is more than the service takes on at once."""

_LONGEST_NAME = 64
"""Characters of a model's name, as the service allows."""


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
    connections: parts of a stream that are asked for at once.

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
        connections: int = 4,
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
        _require_bounds(attempts, timeout, patience, largest_answer, connections)
        self._url, self._keys, self._digest, self._keys_sent = url.rstrip("/"), b"", "", False
        if evaluation_keys is not None:  # before a connection is opened: what is handed over may be a secret key
            self._set_keys(evaluation_keys)
        try:
            from fhenn.service.http_client import HttpClient
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("httpx", "httpcore"):
                raise
            raise ExtraMissing("client", "httpx") from error
        self._timeout, self._progress = timeout, progress
        self._largest_answer, self._connections = largest_answer, connections
        self._http = RetryingClient(self._url, HttpClient(self._url, token, timeout, verify), attempts, patience)
        self._preparing = Lock()
        try:
            self._model = model if model is not None else self._only_model()
            self._message = self._ask_plan(self._http, version)
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
    def preparation(self) -> Preparation | None:
        """What the client does with raw tables, `fhenn.Client(plan, preparation=…)`; None where it needs nothing.

        Raises PreparationMismatch where the service sent another than the plan names; WireFormatError.
        """
        return preparation_from_bytes(self._message)

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
        with self._preparing:
            self._upload(self._http)

    def _upload(self, http: RetryingClient) -> None:
        """Send what the service lacks of the evaluation keys. Raises ServiceError, ServiceUnreachable."""
        path, size = f"/v1/keys/{self._digest}", len(self._keys)

        def send(seconds: float) -> None:
            arrived = _count_arrived(http, path, seconds)
            if arrived >= 0:
                self._send_from(http, path, arrived, size, seconds)

        # 409: another upload of the same keys took over, or fewer bytes have arrived than HEAD said
        http.retry(send, AGAIN | {409}, self._timeout + size / _LEAST_RATE)
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
        return self._predict(self._http, ciphertexts, range_check)

    def predict_stream(
        self, parts: Iterable[bytes] | bytes, range_check: bool = True, after: Iterable[bytes] = ()
    ) -> Generator[bytes]:
        """Have the service run the model on a stream of encrypted samples, part by part.

        Each part is a request of its own: the service's limits and quotas hold part by part, what a broken line or a
        restart took is asked for again and nothing else, and answers come while later parts are still to be sent. Some
        more parts than there are connections are in memory.

        parts: messages of `Client.encrypt_stream`, the last of which ends them, or all as `join` writes them.
        range_check: as for `predict`.
        after: answers to the first parts that were made before; those to the others follow.

        Returns the messages for `Client.decrypt_stream`, the last of which ends them: a generator; to close it ends the
        requests that run. In the place of an answer to a part that ends the service's workers there is a refusal.
        Raises KeyMissing; as messages are taken, what `predict` raises, PartTooLarge where a part is more than the
        service takes on at once, AnswerMismatch where `after` answers another stream, and WireFormatError where a part
        is missing, comes twice, out of its order or from another stream, or the stream stops before its end.
        """
        self._require_keys()
        return self._answers(parts, range_check, after)

    def _answers(self, parts: Iterable[bytes] | bytes, range_check: bool, after: Iterable[bytes]) -> Generator[bytes]:
        """What `predict_stream` returns."""
        http = self._http.another()
        with closing(http), ThreadPoolExecutor(self._connections, "fhenn-remote") as threads:

            def submit(part: bytes) -> Future[bytes]:
                return threads.submit(self._answer, http, part, range_check)

            try:
                yield from answer_in_order(parts, submit, 2 * self._connections, after)
            finally:
                http.end()  # nobody waits for what is still asked

    def _answer(self, http: RetryingClient, part: bytes, range_check: bool) -> bytes:
        """The answer to a part of a stream, or a refusal. Raises PartTooLarge, and what `predict` raises."""
        try:
            return self._predict(http, part, range_check)
        except ServiceError as error:
            header = UploadHeader.of(part)
            if error.kind in _CRASHED:
                plan = self._plans[header.plan or self.version]
                binding = Binding(header.part, digest_of(part), plan.model or plan.fingerprint, plan.fingerprint)
                reason = f"it ended workers of the service ({error.kind}, request {error.request_id})"
                return Refusal(binding, header.samples, reason).to_bytes()
            if error.kind in _TOO_LARGE:
                fields = error.status, error.kind, error.detail, error.request_id
                raise PartTooLarge(*fields, header.part, header.samples) from error
            raise

    def _predict(self, http: RetryingClient, ciphertexts: bytes, range_check: bool) -> bytes:
        """What `predict` returns. http: that asks. Raises as `predict` does."""
        ciphertexts = as_bytes("upload", ciphertexts)
        require_kind("ciphertexts", ciphertexts, "the upload", self._url)
        version = version_of(ciphertexts) or self.version
        with self._preparing:  # threads wait for the one that asks
            if version not in self._plans:
                self._plans[version] = plan_from_bytes(self._ask_plan(http, version))
            if not self._keys_sent:
                self._upload(http)
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
                response = http.ask("POST", path, "answer", most, seconds, **request)
            except ServiceError as error:
                if error.kind != "keys-unknown":
                    raise
                lost = error
                with self._preparing:  # the service has dropped or lost them: they are sent again
                    self._keys_sent = False
                    self._upload(http)
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
            raise UnsupportedValue(an(type(x).__name__), "a CipherArray; bytes are for `predict`")
        return CipherArray.from_bytes(x.context, Answer.from_bytes(self.predict(x.to_bytes())).result)

    def forget_keys(self) -> None:
        """Delete the evaluation keys at the service. Raises ServiceError, ServiceUnreachable."""
        if not self._keys:
            return
        self._keys_sent = False
        try:
            self._http.ask("DELETE", f"/v1/keys/{self._digest}", "document", _LARGEST_DOCUMENT)
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

    def _ask_plan(self, http: RetryingClient, version: str | None) -> bytes:
        """The plan of a version of the model, None for the current one, as the bytes of a file. Raises ServiceError."""
        query = {} if version is None else {"version": version}
        path = f"/v1/models/{quote(self._model, safe='')}/plan"
        message = http.ask("GET", path, "plan", _LARGEST_MESSAGE, params=query).body
        if version not in (None, plan_from_bytes(message).fingerprint):
            raise WireFormatError("answer of a service", "it is the plan of another version than was asked for")
        return message

    def _only_model(self) -> str:
        """The name of the one model of the service. Raises ParameterError where there are more, or none."""
        body = self._http.ask("GET", "/v1/models", "list of models", _LARGEST_LIST).body
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

    def _send_from(self, http: RetryingClient, path: str, offset: int, size: int, seconds: float) -> None:
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
        sent = http.exchange(method, path, "document", _LARGEST_DOCUMENT, seconds, content=pieces(), headers=headers)
        http.require_success(sent)


def _count_arrived(http: RetryingClient, path: str, seconds: float) -> int:
    """Bytes of the keys at the service, -1 where they are stored."""
    response = http.exchange("HEAD", path, "document", _LARGEST_DOCUMENT, min(seconds, DOCUMENT_SECONDS))
    if response.status == 404:
        return 0
    http.require_success(response)
    if response.headers.get("Upload-Complete") == "?1":
        return -1
    try:
        return read_count(response.headers.get("Upload-Offset", "0"), 1 << 48)
    except ValueError as error:
        raise WireFormatError("answer of a service", "it does not say how many bytes have arrived") from error


def _require_bounds(attempts: int, timeout: float, patience: float, largest_answer: int, connections: int) -> None:
    """Raise ParameterError where a bound of `RemoteServer` is out of range."""
    bounds = (
        ("attempts", attempts, attempts >= 1, "1 or more"),
        ("timeout", timeout, 0 < timeout < inf, "a finite number of seconds above 0"),
        ("patience", patience, 0 <= patience < inf, "a finite number of seconds, 0 or more"),
        ("largest_answer", largest_answer, largest_answer > 0, "a number of bytes above 0"),
        ("connections", connections, 0 < connections <= _MOST_CONNECTIONS, f"from 1 to {_MOST_CONNECTIONS}"),
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
