"""A service that means harm, on loopback, and the client that meets it in a process of its own.

An attack is what is done, a place is the request that it is done to. Run as a program, this file is the client: it is
handed an address, limits its own address space, and prints the error that it met, and what it cost.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import fhenn
from fhenn.artifacts import plan_to_bytes
from fhenn.ckks.parameters import Parameters
from fhenn.planner import Plan
from fhenn.wire import frame

SEED = 5
SECONDS, MEGABYTES = 60.0, 500.0
"""What the client may take of each at most, whatever the service does."""

_ADDRESSES = 4 << 30
"""Of address space: what bounds the machine should the client not bound itself."""

PLACES = ("models", "plan", "head", "put", "predict")
"""Requests of a client, in their order: the list of models, the plan, how far the keys are, the keys, a prediction."""


@cache
def model() -> fhenn.Sequential:
    return fhenn.Sequential([fhenn.Linear([[0.5, -0.25]], [0.1])], finish="sigmoid")


@cache
def plan() -> Plan:
    return fhenn.plan(model(), bounds=[-1, 1]).public()


def place_of(method: str, path: str) -> str:
    if method == "POST":
        return "predict"
    if path.startswith("/v1/keys/"):
        return {"HEAD": "head", "PUT": "put", "PATCH": "put"}.get(method, "other")
    return "plan" if path.split("?", maxsplit=1)[0].endswith("/plan") else "models"


@dataclass(frozen=True)
class Attack:
    """What is done at one place; name says it. act: given a connection and what an honest service would say."""

    name: str
    place: str
    act: Callable[[socket.socket, bytes], None]


def head(length: int | None, *lines: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", *([] if length is None else [f"Content-Length: {length}"]), *lines)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


VERSION = "Fhenn-Model-Version"


def honest(place: str) -> bytes:
    """The body of an honest answer; the one to a prediction is only framed like one."""
    if place == "models":
        numbers = {"features": 2, "samples_per_ciphertext": 1, "bytes_of_keys": 1}
        return json.dumps({"models": [{"name": "cancer", "version": plan().fingerprint, **numbers}]}).encode()
    if place == "plan":
        return plan_to_bytes(plan())
    return frame("answer", {"sizes": [5]}, b"empty") if place == "predict" else b"{}"


def say(body: bytes, *lines: str, status: str = "200 OK") -> Callable[[socket.socket, bytes], None]:
    """One answer, well formed."""
    return lambda peer, _: peer.sendall(head(len(body), *lines, status=status) + body)


def endlessly(start: bytes, piece: bytes, pause: float = 0.0, seconds: float = 300.0) -> Callable[..., None]:
    """A start, then one piece after another, until the client has gone."""

    def act(peer: socket.socket, _: bytes) -> None:
        peer.sendall(start)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peer.sendall(piece)
            time.sleep(pause)

    return act


def bomb(megabytes: int) -> bytes:
    """Zeros that gzip makes a thousandth of. Its checksum is wrong, which shows at the end only."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * (megabytes - 1) + b"\x03\x00" + bytes(8)


def silent(peer: socket.socket, _: bytes) -> None:
    time.sleep(300)


def reset(peer: socket.socket, _: bytes) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def cut(peer: socket.socket, body: bytes) -> None:
    peer.sendall(head(len(body) + 7) + body)


def echoes_slowly(peer: socket.socket, body: bytes) -> None:
    for byte in head(len(body)) + body:
        peer.sendall(bytes([byte]))
        time.sleep(0.5)


def absurd_plans(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Plans that no planner makes, in their frame."""
    fields = json.loads(plan().to_json())
    slots = plan().parameters.slots

    def framed(**changes: Any) -> bytes:
        return frame("plan", {}, json.dumps({"plan": json.dumps(fields | changes), "reading": None}).encode())

    many = rng.randrange(66_000, 120_000)
    throughput = {"layout": {"name": "features"}, "layout_name": "throughput"}
    yield "every rotation", framed(rotations=list(range(1, slots)))
    yield "some rotations", framed(rotations=sorted(rng.sample(range(1, slots), 200)))
    yield "many features", framed(low=[-1.0] * many, high=[1.0] * many, rotations=[], **throughput)
    yield "many nodes", framed(signature=["Linear2x2"] * many)
    yield "a long name", framed(signature=["x" * rng.randrange(1 << 20, 3 << 20)])
    yield "no numbers", framed(low=[None] * 2)
    yield "a scale beyond all", framed(parameters=fields["parameters"] | {"scale": 1e300})
    yield "deep nesting", frame("plan", {}, b"[" * (1 << 20))
    yield "many lists", frame("plan", {}, b"[" + b"[]," * ((8 << 20) // 3 - 8) + b"[]]")
    yield "many objects", frame("plan", {}, b"[" + b"{}," * ((8 << 20) // 3 - 8) + b"{}]")
    yield "many numbers", frame("plan", {}, b"[" + b"1.5," * ((8 << 20) // 4 - 8) + b"1]")
    yield "a message of another kind", frame("model", {}, b"x" * 1000)
    large = replace(
        plan(),
        parameters=Parameters(32768, (60, *[40] * 15, 60), 2.0**30),
        rotations=(1, 2, 4, 8),
        accuracy=1.0,
        error=1.0,
        worst=2.0,
    )
    yield "keys of gigabytes", plan_to_bytes(large)
    yield "a changed byte", bytes([*honest("plan")[:-9], 0, *honest("plan")[-8:]])
    label = {"kind": "fhenn-reading", "version": 1, "task": "classification", "features": None, "probability": None}
    labels = label | {"classes": ["a" * (1 << 20), *map(str, range(many))], "dtype": f"<U{1 << 20}", "flat": True}
    yield (
        "labels without end",
        frame("plan", {}, json.dumps({"plan": plan().to_json(), "reading": json.dumps(labels)}).encode()),
    )


def absurd_answers(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Messages that are no answers."""
    meta = {"shape": [1 << 31, 1 << 31], "layout": {"name": "features"}, "level": 0, "scale": "0x1p+30"}
    yield "an answer of huge shape", frame("ciphertexts", meta | {"fingerprint": "0" * 16}, b"x")
    yield "noise", rng.randbytes(rng.randrange(1, 300_000))
    yield "a frame of noise", frame("answer", {"sizes": [100_000]}, rng.randbytes(100_000))
    yield "a frame of many parts", frame("answer", {"sizes": [1] * 9000}, b"x" * 9000)
    yield "a header without end", b"FHENN\x01" + struct.pack(">I", 0xFFFFFFFF) + b"{" * 100_000


def generic(rng: random.Random) -> Iterator[tuple[str, Callable[[socket.socket, bytes], None]]]:
    """Attacks on any request."""
    chunked = "Transfer-Encoding: chunked"
    compressed = bomb(rng.choice([200, 600, 1800]))
    encoding = rng.choice(["gzip", "GZIP", " gzip", "gzip, gzip", "deflate", "br", "zstd", "x-gzip", "identity, gzip"])
    status = rng.choice(["200 OK", "201 Created", "422 No", "500 Broken", "404 None"])
    mega, drip = rng.randbytes(1 << 16) * 16, rng.uniform(0.2, 2.0)
    yield "gzip bomb", say(compressed, f"Content-Encoding: {encoding}", status=status)
    yield (
        "gzip bomb in pieces",
        endlessly(
            head(None, f"Content-Encoding: {encoding}", chunked),
            f"{len(compressed):x}\r\n".encode() + compressed + b"\r\n",
        ),
    )
    yield "a bomb that says nothing of it", say(gzip.compress(rng.randbytes(1 << 10)), status=status)
    yield "endless body", endlessly(head(1 << 40, status=status), mega)
    yield "endless body without a length", endlessly(head(None, "Connection: close", status=status), mega)
    yield (
        "endless chunks",
        endlessly(head(None, chunked, status=status), f"{len(mega):x}\r\n".encode() + mega + b"\r\n"),
    )
    yield "endless small chunks", endlessly(head(None, chunked, status=status), b"1\r\nx\r\n" * 1000)
    yield "endless extension of a chunk", endlessly(head(None, chunked) + b"1;", mega)
    yield "a length beyond all", endlessly(head(int("9" * rng.randrange(12, 20))), mega, 0.01)
    yield "a length that is none", say(b"", "Content-Length: " + rng.choice(["-1", "1e9", "٣", "0x10", "9" * 5000]))
    yield "two lengths", say(b"xx", f"Content-Length: {rng.randrange(3, 10**9)}")
    yield "dripping body", endlessly(head(1 << 20, status=status), b"x", drip)
    yield "dripping chunks", endlessly(head(None, chunked, status=status), b"1\r\nx\r\n", drip)
    yield "dripping head", endlessly(b"HTTP/1.1 200 OK\r\nX: ", b"y", drip)
    yield "dripping status", endlessly(b"", b"H", drip)
    yield "dripping honest answer", echoes_slowly
    yield "endless head", endlessly(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 1000 + b"\r\n")
    yield "endless line of a head", endlessly(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000)
    yield "endless 100 Continue", endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001)
    yield "endless cookies", say(b"", *[f"Set-Cookie: a{i}={'x' * 60}" for i in range(900)], status="500 No")
    yield "silence", silent
    yield "reset", reset
    yield "cut off", cut
    yield "not HTTP", endlessly(rng.randbytes(rng.randrange(1, 400)), b"\r\n", 0.05, 2.0)
    yield "redirect", say(b"", f"Location: http://127.0.0.1:9/{rng.randrange(10**6)}", status="307 Elsewhere")
    yield (
        "a problem without end",
        say(json.dumps({"type": "x" * 60_000, "detail": "\x1b]0;x\x07" * 900}).encode(), status="422 No"),
    )
    yield "a problem that is none", say(b"[" * 60_000, status=rng.choice(["400 a", "409 b", "451 c", "599 d"]))
    yield "again, in a century", say(b"{}", f"Retry-After: {rng.choice(['9' * 400, '²', '-5', 'inf', '1e9', '86400'])}",
                                    status=rng.choice(["503 Busy", "429 Slow"]))  # fmt: skip
    yield "JSON without end", endlessly(head(None, "Connection: close", "Content-Type: application/json"), b"[" * 65536)


def attacks(rng: random.Random) -> Iterator[Attack]:
    """Every attack at every place where it means something."""
    for place in PLACES:
        for name, act in generic(rng):
            yield Attack(name, place, act)
    for name, body in absurd_plans(rng):
        yield Attack(name, "plan", say(body))
    for name, body in absurd_answers(rng):
        yield Attack(name, "predict", say(body, f"{VERSION}: {plan().fingerprint}"))
    wrong: list[Any] = [None, [], 7, "x" * 70, {"a": 1}]
    for name in wrong:
        yield Attack("a name that is none", "models", say(json.dumps({"models": [{"name": name}]}).encode()))
    yield Attack("many models", "models", say(json.dumps({"models": [{"name": "x"}] * 40_000}).encode()))
    for offset in ("-1", "x", "9" * 5000, "²", "1.5", "0x7"):
        yield Attack("an offset that is none", "head", say(b"", f"Upload-Offset: {offset}"))
    unknown = json.dumps({"type": "urn:fhenn:problem:keys-unknown", "detail": "No."}).encode()
    yield Attack("keys that are never known", "predict", say(unknown, status="404 No"))
    yield Attack("no version", "predict", say(honest("predict")))
    yield Attack("a body that nobody reads", "put", lambda peer, _: time.sleep(300))


class Hostile:
    """A service that does an attack, and is honest up to there."""

    def __init__(self, attack: Attack) -> None:
        outer = self
        self.requests: list[str] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

            def handle_error(self, *_: object) -> None:
                """The client went away, as it should."""

        self._attack, self._server = attack, Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Hostile:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as file:
            while line := file.readline():
                method, path = line.decode("latin-1").split()[:2]
                length = 0
                while header := file.readline().decode("latin-1").strip():
                    name, _, value = header.partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                place = place_of(method, path)
                self.requests.append(place)
                if self._attack.name == "a body that nobody reads" and place == "put":
                    self._attack.act(peer, b"")
                while length:
                    length -= len(file.read(min(length, 1 << 16)))
                if place == self._attack.place:
                    self._attack.act(peer, honest(place))
                    peer.shutdown(socket.SHUT_WR)
                    return
                body, lines, status = honest(place), (), "200 OK"
                if place == "head":
                    body, status = b"", "404 None"
                if place == "predict":
                    lines = (f"{VERSION}: {plan().fingerprint}",)
                peer.sendall(head(len(body), *lines, status=status) + body)


@dataclass(frozen=True)
class Outcome:
    """What became of a client. error: the type of what it met, empty where it met none."""

    error: str
    text: str
    seconds: float
    megabytes: float


def meet(attack: Attack) -> Outcome:
    """The client's outcome, in a process of its own whose address space is limited."""
    with Hostile(attack) as service:
        done = subprocess.run(
            [sys.executable, __file__, service.url], capture_output=True, text=True, check=False, timeout=3 * SECONDS
        )
    if done.returncode or not done.stdout:
        return Outcome("crash", f"{done.returncode}: {done.stderr[-2000:]}", 0.0, 0.0)
    return Outcome(**json.loads(done.stdout))


def most_memory() -> float:
    """Of this process since it started, in MB: getrusage would count what it was forked from."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1e3


def client(url: str, timeout: float = 8.0, patience: float = 12.0) -> dict[str, Any]:
    """Everything that a client does: plan, keys, upload, prediction, decryption."""
    from fhenn.artifacts import reading_from_bytes  # noqa: PLC0415
    from fhenn.errors import FhennError  # noqa: PLC0415

    error, text, start = "", "", time.monotonic()
    try:
        with fhenn.RemoteServer(url, "token", timeout=timeout, patience=patience) as remote:
            reading_from_bytes(remote.plan_message)
            holder = fhenn.Client(remote.plan)
            remote.upload(holder.evaluation_keys())
            answer = remote.predict(holder.encrypt(np.zeros((1, remote.plan.features))))
            holder.decrypt(answer)
    except FhennError as caught:
        error, text = type(caught).__name__, str(caught)
    return {"error": error, "text": text, "seconds": time.monotonic() - start, "megabytes": most_memory()}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    print(json.dumps(client(sys.argv[1])))  # noqa: T201
