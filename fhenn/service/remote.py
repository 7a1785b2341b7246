"""`RemoteServer`: a `fhenn.Server` at the other end of a connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from fhenn.artifacts import plan_from_bytes
from fhenn.backends.ckks import CipherArray
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
from fhenn.service.loopback import is_loopback
from fhenn.service.scan import digest_of_keys
from fhenn.service.version import HEADER as VERSION_HEADER
from fhenn.service.version import version_of
from fhenn.session.answer import Answer
from fhenn.uncopied import Uncopied
from fhenn.wire import as_bytes, require_kind

if TYPE_CHECKING:
    import httpx

_PROBLEM = "urn:fhenn:problem:"
_AGAIN = frozenset({408, 425, 429, 502, 503})
"""Statuses after which the same request may do better."""
_LONGEST_PAUSE = 20.0
_PIECE = 1 << 20


class RemoteServer(Uncopied):
    """What `fhenn.Server` is in this process, at the other end of a connection.

    url: of the service, for instance "https://inference.example.org". token: of `fhenn token create`.
    evaluation_keys: bytes of `Client.evaluation_keys`, sent when they are first needed, and again should the service
    have lost them; without them `plan` says what to make a client for, and `upload` takes them then. model: its name;
    where the service has one only, that one. version: of the model, as `Plan.fingerprint` names it; by default the
    one that is current now. Predictions are asked of the version whose plan the ciphertexts name, or else of this
    one: a model that is exchanged meanwhile does not answer in its place. attempts: of each request, with pauses
    between them: all of them can be repeated safely. timeout: seconds to wait for a connection, and for the next
    bytes of an answer. verify: a file of certificates to trust in the place of the system's, or an `ssl.SSLContext`.

    Whatever is handed over is looked at before a connection is opened, so that a secret key, or any other file that was
    taken for evaluation keys or an upload, does not leave: that raises WrongKind.

    Raises ServiceError where the service says no, ServiceUnreachable where none answers, ParameterError for an address
    that would send the token in the clear, ExtraMissing without httpx.

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
        attempts: int = 8,
        timeout: float = 90.0,
        verify: Any = True,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        version: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ParameterError(
                f"{url[:80]!r} is no address of a service.", "Give https://host or http://127.0.0.1:port."
            )
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ParameterError(f"{url[:80]} would send the token in the clear.", "Use https.")
        if not token.isascii() or not token or token != token.strip():
            raise ParameterError("the token is empty or not ASCII.", "`fhenn token create` prints one.")
        if attempts < 1:
            raise ParameterError(f"{attempts} attempts ask nothing.", "Allow at least one.")
        self._url, self._keys, self._digest, self._sent = url.rstrip("/"), b"", "", False
        if evaluation_keys is not None:  # before a connection is opened: what is handed over may be a secret key
            self._take(evaluation_keys)
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise ExtraMissing("client", "httpx") from error
        self._httpx, self._attempts, self._progress = httpx, attempts, progress
        self._http = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
            verify=verify,
            follow_redirects=False,  # a redirect could take the token elsewhere
        )
        try:
            self._model = model if model is not None else self._only_model()
            query = {} if version is None else {"version": version}
            path = f"/v1/models/{quote(self._model, safe='')}/plan"
            self._message = bytes(self._ask("GET", path, params=query).content)
            self._plan = plan_from_bytes(self._message)
            if version not in (None, self._plan.fingerprint):
                raise WireFormatError("answer of a service", "it is the plan of another version than was asked for")
        except BaseException:
            self._http.close()
            raise

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
        """The plan as a file, for `fhenn keygen` and its sisters."""
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
        """SHA-256 of the evaluation keys, which is their name at the service; empty before there are any."""
        return self._digest

    def upload(self, evaluation_keys: bytes | None = None) -> None:
        """Send evaluation keys now, or what is missing of them. Raises ServiceError, ServiceUnreachable, KeyMissing."""
        if evaluation_keys is not None:
            self._take(evaluation_keys)
        self._require_keys()
        path, size = f"/v1/keys/{self._digest}", len(self._keys)
        left = self._attempts
        while True:
            try:
                arrived = self._arrived(path)
                if arrived < 0:
                    break
                self._send_from(path, arrived, size)
                break
            except (_Broken, ServiceError) as error:
                left -= 1
                # 409: another upload of the same keys took over, or less has arrived than we thought
                again = isinstance(error, _Broken) or error.status in _AGAIN or error.status == 409
                if not again or left <= 0:
                    if isinstance(error, _Broken):
                        raise ServiceUnreachable(self._url, self._attempts, error.reason) from error
                    raise
                self._pause(self._attempts - left, None)
        self._progress("upload", size, size)
        self._sent = True

    def predict(self, ciphertexts: bytes, range_check: bool = True) -> bytes:
        """The model's answer to a message of `Client.encrypt`, as a message for `Client.decrypt`.

        range_check: False leaves out the witnesses that the plan has: nobody sees then that a value left its range.
        Raises ServiceError, ServiceUnreachable, KeyMissing.
        """
        self._require_keys()
        require_kind("ciphertexts", as_bytes("upload", ciphertexts), "the upload", self._url)
        if not self._sent:
            self.upload()
        path = f"/v1/models/{quote(self._model, safe='')}/predictions"
        version = version_of(ciphertexts) or self.version
        query = {"keys": self._digest, "version": version} | ({} if range_check else {"witness": "false"})
        for _ in range(3):
            try:
                response = self._ask("POST", path, params=query, content=ciphertexts)
            except ServiceError as error:
                if error.kind != "keys-unknown":
                    raise
                lost = error
                self._sent = False  # made room for others, or the service lost them: the same bytes go there again
                self.upload()
            else:
                if response.headers.get(VERSION_HEADER) != version:
                    raise WireFormatError("answer of a service", "it is not of the version of the model that was asked")
                return bytes(response.content)
        raise lost

    def evaluate(self, x: CipherArray) -> CipherArray:
        """The same for ciphertexts that are loaded already. Raises UnsupportedValue for anything else."""
        if not isinstance(x, CipherArray):
            raise UnsupportedValue(f"a {type(x).__name__}", "a CipherArray; bytes are for `predict`")
        return CipherArray.from_bytes(x.context, Answer.from_bytes(self.predict(x.to_bytes())).result)

    def forget_keys(self) -> None:
        """Delete the evaluation keys at the service. Raises ServiceError, ServiceUnreachable."""
        if not self._keys:
            return
        self._sent = False
        try:
            self._ask("DELETE", f"/v1/keys/{self._digest}")
        except ServiceError as error:
            if error.kind != "keys-unknown":
                raise

    def _require_keys(self) -> None:
        if not self._keys:
            raise KeyMissing("evaluation", "a remote prediction", "Hand over Client.evaluation_keys().")

    def _take(self, evaluation_keys: bytes) -> None:
        self._keys = as_bytes("evaluation keys", evaluation_keys)
        self._digest, self._sent = digest_of_keys(self._keys, "the evaluation keys", self._url), False

    def _only_model(self) -> str:
        try:
            names = [str(model["name"]) for model in self._ask("GET", "/v1/models").json()["models"]]
        except (ValueError, KeyError, TypeError) as error:
            raise WireFormatError("answer of a service", "it names no models") from error
        if len(names) != 1:
            raise ParameterError(
                f"the service has {len(names)} models{': ' if names else ''}{', '.join(names)[:500]}.",
                "Say which: model=…" if names else "Ask its operator for one.",
            )
        return names[0]

    def _arrived(self, path: str) -> int:
        """Bytes of the keys at the service, -1 where they are stored."""
        response = self._once("HEAD", path)
        if response.status_code == 404:
            return 0
        self._require_good(response)
        if response.headers.get("Upload-Complete") == "?1":
            return -1
        return int(response.headers.get("Upload-Offset", "0"))

    def _send_from(self, path: str, offset: int, size: int) -> None:
        def pieces() -> Iterator[bytes]:
            for start in range(offset, size, _PIECE):
                self._progress("upload", start, size)
                yield self._keys[start : start + _PIECE]

        headers = {"Content-Length": str(size - offset)}
        if 0 < offset <= size:
            headers |= {"Upload-Offset": str(offset), "Upload-Length": str(size)}
            self._require_good(self._once("PATCH", path, content=pieces(), headers=headers))
        else:
            headers["Content-Length"], offset = str(size), 0
            self._require_good(self._once("PUT", path, content=pieces(), headers=headers))

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer to a request that can be repeated. Raises ServiceError, ServiceUnreachable."""
        reason = ""
        for attempt in range(1, self._attempts + 1):
            wait = None
            try:
                response = self._once(method, path, **request)
                self._require_good(response)
            except _Broken as error:
                reason = error.reason
            except ServiceError as error:
                if error.status not in _AGAIN or attempt == self._attempts:
                    raise
                wait = response.headers.get("Retry-After")
            else:
                return response
            if attempt < self._attempts:
                self._pause(attempt, wait)
        raise ServiceUnreachable(self._url, self._attempts, reason)

    def _once(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)
        except self._httpx.TransportError as error:
            raise _Broken(str(error) or type(error).__name__) from error

    def _require_good(self, response: httpx.Response) -> None:
        """Raise the ServiceError that an answer states."""
        if response.is_success:
            return
        try:
            document = response.json()
            kind, detail = str(document["type"]).removeprefix(_PROBLEM), str(document["detail"])
        except (ValueError, KeyError, TypeError):  # of something between us and the service
            kind, detail = "http", response.reason_phrase or "no detail."
        raise ServiceError(response.status_code, kind, detail[:1000], response.headers.get("X-Request-ID", "-")[:80])

    @staticmethod
    def _pause(attempt: int, wait: str | None) -> None:
        """Longer each time, at least what the service asks for, and never in step with other clients."""
        seconds = min(0.1 * 2**attempt, _LONGEST_PAUSE) * (0.5 + random.random() / 2)  # noqa: S311  (no secret)
        if wait is not None and wait.isdigit():
            seconds = min(max(seconds, float(wait) * (1 + random.random() / 4)), _LONGEST_PAUSE)  # noqa: S311
        time.sleep(seconds)


class _Broken(Exception):
    """A connection that was refused, or broke."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
