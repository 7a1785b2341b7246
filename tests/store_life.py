"""The life of a store, told step by step: what may be there after each, for whoever ends it in between.

As a program it lives in children that kill themselves at the n-th call that changes the store:
`python store_life.py START WORK FIRST STEP`, START a folder to start from, WORK a place for others.
"""

from __future__ import annotations

import ast
import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from crash_disk import Call, watched
from service_harness import NEXT_PLAN, ONE, PLAN, TWO
from starlette.requests import ClientDisconnect

from fhenn.service import uploads as uploads_module
from fhenn.service.disk import Disk
from fhenn.service.problems import Problem
from fhenn.service.store import Store
from fhenn.service.uploads import Uploads
from fhenn.wire import frame

Expected = dict[tuple[str, ...], set[Any]]
"""The values that may be found, by what is looked at."""

KEYS = [
    frame("evaluation-context", {"fingerprint": "x", "rotation_keys": 0}, b"\n\x64" + bytes([number]) * 100)
    for number in range(6)
]
"""Messages that look like evaluation keys to whoever does not load them."""
DIGESTS = [sha256(keys).hexdigest() for keys in KEYS]
OWNER = "hospital"
MOST = 3


async def good(owner: str, path: Path) -> dict[str, Any]:
    """What a worker says of the keys."""
    return {}


async def body(data: bytes, breaks: bool = False) -> Any:
    for start in range(0, len(data), 50):
        yield data[start : start + 50]
    if breaks:
        raise ClientDisconnect


def begin(folder: Path) -> Expected:
    """A store to start from, as an older fhenn and this one have left it; what is in it."""
    store = Store(folder, keys_per_owner=MOST)
    store.models.add("cancer", *ONE)
    text, _ = store.tokens.create(OWNER)
    asyncio.run(Uploads(store.keys, Disk(1), good).receive(OWNER, DIGESTS[0], 0, len(KEYS[0]), body(KEYS[0])))
    store.close()
    old = folder / "models" / "old"
    old.mkdir(0o700)
    for name, data in zip(("model.fhenn", "plan.fhenn"), ONE, strict=True):
        (old / name).write_bytes(data)
    (folder / "index.sqlite").write_bytes(b"of an older fhenn")
    return {
        ("keys", DIGESTS[0]): {True},
        ("current", "cancer"): {PLAN.fingerprint},
        ("current", "old"): {None, PLAN.fingerprint},
        ("token", text): {True},
    } | {("keys", digest): {False} for digest in DIGESTS[1:]}


async def live(folder: Path, expected: Expected, tell: Callable[[Expected], None]) -> None:  # noqa: PLR0915
    """Live through all that changes a store. tell: called whenever something else may be there."""
    uploads_module._BUFFER = 64  # several writes for each upload

    def may(*what: str, value: Any) -> None:
        expected.setdefault(what, {None}).add(value)
        tell(expected)

    def must(*what: str, value: Any) -> None:
        expected[what] = {value}
        tell(expected)

    store = Store(folder, keys_per_owner=MOST)
    must("current", "old", value=PLAN.fingerprint)
    disk = Disk(1)
    uploads = Uploads(store.keys, disk, good)

    async def put(number: int, breaks_at: int = 0, goes: tuple[int, ...] = ()) -> None:
        digest, data = DIGESTS[number], KEYS[number]
        may("keys", digest, value=True)
        for other in goes:
            may("keys", DIGESTS[other], value=False)
        if breaks_at:
            with suppress(ClientDisconnect):
                await uploads.receive(OWNER, digest, 0, len(data), body(data[:breaks_at], breaks=True))
        received = await uploads.receive(OWNER, digest, breaks_at, len(data), body(data[breaks_at:]))
        assert received.complete
        must("keys", digest, value=True)
        for other in goes:
            must("keys", DIGESTS[other], value=False)

    async def delete(number: int) -> None:
        may("keys", DIGESTS[number], value=False)
        assert await uploads.delete(OWNER, DIGESTS[number])
        must("keys", DIGESTS[number], value=False)

    def add(name: str, files: tuple[bytes, bytes], version: str) -> None:
        may("current", name, value=version)
        assert store.models.add(name, *files) == version
        must("current", name, value=version)

    await put(1)
    add("cancer", TWO, NEXT_PLAN.fingerprint)
    await put(2, breaks_at=120)
    store.keys.touch(OWNER, DIGESTS[0])
    store.clock.keep()
    text, token = store.tokens.create(OWNER)
    must("token", text, value=True)
    await put(3, goes=(1,))
    with suppress(Problem):  # other bytes than the address names
        await uploads.receive(OWNER, DIGESTS[4], 0, len(KEYS[0]), body(KEYS[0]))
    await delete(2)
    await put(2)
    add("cancer", ONE, PLAN.fingerprint)
    store.models.remove("cancer", NEXT_PLAN.fingerprint)
    may("token", text, value=False)
    store.tokens.revoke(token.id)
    must("token", text, value=False)
    add("other", TWO, NEXT_PLAN.fingerprint)
    may("current", "old", value=None)
    store.models.remove("old")
    must("current", "old", value=None)
    store.close()
    store = Store(folder, keys_per_owner=MOST)
    uploads = Uploads(store.keys, disk, good)
    await put(5, goes=(0,))
    await delete(5)
    disk.close()
    store.close()


def check(folder: Path, expected: Expected) -> None:
    """The store opens, holds what it must, nothing half, and goes on. Raises what is not so."""
    store = Store(folder, keys_per_owner=MOST)
    try:
        catalogue = store.models.catalogue()  # it is verified
        kept = {keys.digest for keys in store.keys.all(OWNER)}
        for what, values in expected.items():
            kind, name = what
            if kind == "keys":
                found: Any = name in kept
            elif kind == "current":
                found = catalogue.current.get(name)
            else:
                found = store.tokens.authenticate(name) is not None
            assert found in values, f"{kind} {name}: {found}, not one of {values}"
        for path in folder.glob("keys/*/*"):
            assert sha256(path.read_bytes()).hexdigest() == path.name, f"{path} is half there"
        left = [path for path in folder.rglob(".*") if path.parent.name != "tokens"]
        assert not left, f"left over: {left}"
        for path in folder.glob("models/*/*/*"):
            assert path.name in ("model.fhenn", "plan.fhenn") and path.stat().st_size, path
        store.models.add("cancer", *TWO)
        text, _ = store.tokens.create(OWNER)
        assert store.tokens.authenticate(text)
        assert not list(folder.rglob(".*"))
    finally:
        store.close()


def main(start: Path, work: Path, first: int, step: int) -> None:
    """Kill children at every `step`-th call; check what each left."""
    begun: Expected = ast.literal_eval(sys.stdin.read())
    for at in count(first, step):
        folder = work / str(at)
        shutil.copytree(start, folder)
        status, told = killed_at(at, folder, begun)
        check(folder, told)
        shutil.rmtree(folder)
        if os.WIFEXITED(status):  # it lived to the end
            assert os.WEXITSTATUS(status) == 0
            print((at - first) // step)
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


def killed_at(at: int, folder: Path, begun: Expected) -> tuple[int, Expected]:
    """How a child ended that kills itself before the call of that number, and what it had told."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        seen = 0

        def before(call: Call) -> None:
            nonlocal seen
            seen += call[0] != "open"
            if seen > at:
                os.kill(os.getpid(), signal.SIGKILL)

        def tell(now: Expected) -> None:
            os.write(writer, f"{now!r}\n".encode())

        with watched(folder, before):
            asyncio.run(live(folder, deepcopy(begun), tell))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read().splitlines()
    return os.waitpid(child, 0)[1], ast.literal_eval(told[-1]) if told else deepcopy(begun)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
