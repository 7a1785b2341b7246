"""Many clients of one owner at once: no error of the service, no wrong answer."""

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import httpx
import numpy as np
import pytest
from service_harness import PLAN, Running, right, samples, stored
from support import at_length, on_each

import fhenn
from fhenn.service.app import create_app
from fhenn.service.limits import Limits
from fhenn.service.store import Store

pytestmark = pytest.mark.thorough  # each starts a service or more, or trains

PREDICT = "/v1/models/cancer/predictions"
EXPECTED = {
    "put": {(201, None), (200, None), (409, "superseded")},
    "put other bytes": {(422, "digest")},
    "delete": {(204, None), (404, "keys-unknown")},
    "predict": {(200, None), (404, "keys-unknown")},
    "list": {(200, None)},
    "head": {(200, None), (404, None)},
}
"""What may be answered. Several clients use the same keys: others put and delete them meanwhile."""


def at_random(running, owner, threads, operations, kinds_of_keys=6):
    """Let threads put, delete, list and predict at random, with few keys among them; what was answered how often."""
    clients = [fhenn.Client(PLAN) for _ in range(kinds_of_keys)]
    keys = [client.evaluation_keys() for client in clients]
    digests = [sha256(each).hexdigest() for each in keys]
    token, wrong, slowest = running.token(owner), [], []

    def one(place):
        rng, seen = np.random.default_rng(place), Counter()
        with running.http(token=token) as http:
            for _ in range(operations // threads):
                which = int(rng.integers(kinds_of_keys))
                path = f"/v1/keys/{digests[which]}"
                operation = rng.choice(
                    ["put", "put other bytes", "delete", "predict", "list", "head"],
                    p=[0.25, 0.05, 0.12, 0.5, 0.04, 0.04],
                )
                begin = time.monotonic()
                if operation == "put":
                    response = http.put(path, content=keys[which])
                elif operation == "put other bytes":
                    response = http.put(path, content=keys[which - 1])
                elif operation == "delete":
                    response = http.delete(path)
                elif operation == "list":
                    response = http.get("/v1/keys")
                elif operation == "head":
                    response = http.head(path)
                else:
                    x = samples(rng)
                    message = clients[which].encrypt(x)
                    response = http.post(f"{PREDICT}?keys={digests[which]}", content=message)
                    if response.status_code == 200 and not right(clients[which], response.content, x):
                        wrong.append(x)
                slowest.append(time.monotonic() - begin)
                kind = None
                if response.status_code >= 400 and response.content:
                    kind = response.json()["type"].rpartition(":")[2]
                seen[operation, response.status_code, kind] += 1
        return seen

    with ThreadPoolExecutor(threads) as pool:
        seen = sum(pool.map(one, range(threads)), Counter())
    assert not wrong
    unexpected = {
        (operation, status, kind): number
        for (operation, status, kind), number in seen.items()
        if (status, kind) not in EXPECTED[operation]
    }
    assert not unexpected, unexpected
    with running.http(token=token) as http:  # what is listed is there, and whole
        listed = {entry["digest"]: entry["size"] for entry in http.get("/v1/keys").json()["keys"]}
    for digest, size in listed.items():
        data = (running.folder / "keys" / owner / digest).read_bytes()
        assert (sha256(data).hexdigest(), len(data)) == (digest, size)
    assert not list((running.folder / "uploads" / owner).iterdir())
    return seen, max(slowest)


def test_clients_of_one_owner_at_random(service):
    """This service keeps four keys of an owner: some also go to make room."""
    seen, _ = at_random(service, "crowded", threads=8, operations=160)
    assert seen["predict", 200, None] and seen["put", 201, None] and seen["delete", 204, None]


@on_each
@at_length("operations", 608, 5008)
def test_sixteen_clients_of_one_owner_and_many_operations(tmp_path, operations):
    with Running(stored(tmp_path / "store"), {"workers": 2}) as running:
        begin = time.monotonic()
        seen, slowest = at_random(running, "hospital", threads=16, operations=operations)
        total = sum(seen.values())
        print(f"\n{total} operations of 16 clients in {time.monotonic() - begin:.0f} s, slowest {slowest:.1f} s:")
        for (operation, status, kind), number in sorted(seen.items(), key=str):
            print(f"  {operation:<16} {status} {kind or '':<14} {number}")
        assert total == operations
        assert running.metric("fhenn_worker_deaths") == 0


@on_each
@at_length("each", 6, 24)
def test_sixteen_clients_with_keys_of_their_own_predict_without_an_error(tmp_path, each):
    """Where four were kept of an owner, the fifth client's keys went to and fro."""
    with Running(stored(tmp_path / "store"), {"workers": 2}) as running:
        token, errors = running.token("hospital"), []

        def one(place):
            rng, client = np.random.default_rng(place), fhenn.Client(PLAN)
            with fhenn.RemoteServer(running.url, token, client.evaluation_keys()) as remote:
                for _ in range(each):
                    x = samples(rng)
                    try:
                        assert right(client, remote.predict(client.encrypt(x)), x)
                    except Exception as error:
                        errors.append(error)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(16)))
        print(f"\n16 clients of one owner, {16 * each} predictions: {len(errors)} failed")
        assert not errors, errors[:3]


def inside(tmp_path, story):
    """Ask an application of this process, whose workers are not started."""
    store = Store(stored(tmp_path / "store"))
    app, service = create_app(store, Limits(workers=1))
    token, _ = store.tokens.create("hospital")

    async def told():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as http:
            return await story(http, service)

    try:
        return asyncio.run(told())
    finally:
        store.close()
        service.disk.close()


def test_a_disk_that_hangs_holds_up_nobody_who_does_not_need_it(tmp_path, monkeypatch):
    """An index that another process had locked held up /health/live for 16 s."""
    go_on = threading.Event()

    async def story(http, service):
        monkeypatch.setattr(service.store.keys, "all", lambda owner: go_on.wait(20) and [])
        hanging = asyncio.create_task(http.get("/v1/keys"))
        await asyncio.sleep(0.05)
        live = await asyncio.wait_for(http.get("/health/live"), 5)
        models = await asyncio.wait_for(http.get("/v1/models"), 5)
        assert not hanging.done()
        go_on.set()
        return live.status_code, models.status_code, (await hanging).json()

    assert inside(tmp_path, story) == (200, 200, {"keys": []})


def test_ready_says_when_the_store_is_gone(tmp_path):
    async def story(http, service):
        kinds = []
        for step in ("there", "away", "back"):
            if step == "away":
                (tmp_path / "store").rename(tmp_path / "elsewhere")
            elif step == "back":
                (tmp_path / "elsewhere").rename(tmp_path / "store")
            response = await http.get("/health/ready")
            kinds.append((response.status_code, response.json()["type"].rpartition(":")[2]))
        return kinds

    not_ready = (503, "not-ready")  # no worker runs here
    assert inside(tmp_path, story) == [not_ready, (503, "store-gone"), not_ready]


def test_a_disk_that_fails_is_a_problem_and_true(tmp_path, monkeypatch):
    """A deletion whose index was locked answered 500 though the file was gone."""

    async def story(http, service):
        def fails(*_):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(service.store.keys, "delete", fails)
        response = await http.delete(f"/v1/keys/{'0' * 64}")
        return response.status_code, response.json()["type"], response.headers["retry-after"]

    assert inside(tmp_path, story) == (503, "urn:fhenn:problem:storage", "2")
