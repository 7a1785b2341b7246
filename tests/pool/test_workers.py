"""Workers that are real processes."""

import asyncio
import json
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from service_harness import PLAN, right, samples, stored, wait_for

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.errors import AnswerMismatch
from fhenn.pool.processes import WorkerProcess
from fhenn.pool.spool import SpoolFull, Spools
from fhenn.pool.work import HEAD, NO_MEMORY, Held, Worker, name_of
from fhenn.pool.workers import WaitedTooLong, WorkerDied, Workers
from fhenn.service.limits import Limits
from fhenn.service.store import Store


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A client, and the task to predict for it."""
    folder = stored(tmp_path_factory.mktemp("pool") / "store")
    client = fhenn.Client(PLAN)
    keys = folder / "keys.fhenn"
    keys.write_bytes(client.evaluation_keys())
    model = folder / "models" / "cancer" / PLAN.fingerprint
    task = {"task": "predict", "model": str(model), "version": PLAN.fingerprint, "keys": str(keys)}
    return client, task | {"witness": False, "ciphertexts": 700, "answer": 1 << 30}


def spools(folder):
    return Spools(folder, 1 << 30, 4 << 30)


def processes(folder, on_death=lambda code: None, kind=WorkerProcess, on_recycle=None, on_failure=print, **limits):
    """Workers that are processes, within limits of a service."""
    bounds = Limits(**limits).of_workers
    return Workers(bounds, spools(folder), partial(kind, bounds), on_death, on_recycle, on_failure)


async def run(pool, *arguments, **options):
    """The answer of a worker, with its bytes."""
    answer, spool = await pool.run(*arguments, **options)
    with spool:
        return answer, spool.read(0, spool.size)


@pytest.mark.thorough
def test_tasks_errors_deaths_and_refusals(pair, tmp_path):
    """One pool through all of it: it takes a second to start."""
    client, task = pair
    rng = np.random.default_rng(0)
    x, deaths = samples(rng), []
    message = client.encrypt(x)
    long = client.encrypt(np.tile(x, (600, 1)))

    async def story():
        pool = processes(tmp_path, deaths.append, workers=1, queue=1)
        pool.start()
        answer, body = await run(pool, task, message, "a")
        assert answer == {"version": PLAN.fingerprint} and right(client, body, x)

        answer, _ = await run(pool, task, b"nonsense", "a")
        assert answer["error"] == "WireFormatError" and answer["detail"]
        answer, _ = await run(pool, task | {"ciphertexts": 1}, client.encrypt(np.tile(x, (2, 1))), "a")
        assert "1 are allowed" in answer["detail"]
        answer, _ = await run(pool, task | {"witness": True}, message, "a")
        assert answer["error"] == "no-witness"
        answer, _ = await run(pool, task | {"keys": "nowhere"}, message, "a")
        assert answer["error"] == "gone"
        answer, _ = await run(pool, {"task": "predict"}, message, "a")
        assert answer["error"] == "unexpected" and answer["cause"] == "KeyError"

        (worker,) = pool._all
        for number, crashed in ((signal.SIGSEGV, True), (signal.SIGKILL, False)):
            running = asyncio.ensure_future(run(pool, task, long, "a"))
            while not pool.busy:
                await asyncio.sleep(0.01)
            (worker,) = pool._all
            await asyncio.sleep(0.2)
            os.kill(worker.pid, number)
            with pytest.raises(WorkerDied) as caught:
                await running
            assert caught.value.crashed is crashed
            answer, body = await run(pool, task, message, "a")
            assert right(client, body, x)
        assert deaths == [-signal.SIGSEGV, -signal.SIGKILL]

        running = asyncio.ensure_future(run(pool, task, long, "a"))
        await asyncio.sleep(0.1)
        running.cancel()  # its answer must not meet the next task
        with pytest.raises(asyncio.CancelledError):
            await running
        answer, body = await run(pool, task, message, "a")
        assert right(client, body, x)
        pid = next(iter(pool._all)).pid
        await pool.close()
        assert pool.alive == 0
        return pid

    pid = asyncio.run(story())
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 5)  # noqa: PTH110


@pytest.mark.thorough
def test_memory_is_bounded(pair, tmp_path):
    """A worker with little address space says so where a message takes more, and another takes its place."""
    client, task = pair
    x = samples(np.random.default_rng(0))

    async def story():
        pool = processes(tmp_path, workers=1, memory=900 << 20)
        pool.start()
        try:
            answer, body = await run(pool, task, client.encrypt(x), "a")
            assert answer == {"version": PLAN.fingerprint} and right(client, body, x)
            with pytest.raises(WorkerDied) as caught:
                await run(pool, task, b"FHENN" + bytes(850 << 20), "a")
            assert caught.value.exit_code == NO_MEMORY
            answer, body = await run(pool, task, client.encrypt(x), "a")
            assert right(client, body, x)
        finally:
            await pool.close()

    asyncio.run(story())


@pytest.mark.thorough
def test_loaded_keys_are_bounded_in_number_and_size(pair, tmp_path):
    client, task = pair
    message, size = client.encrypt(samples(np.random.default_rng(0))), len(client.evaluation_keys())
    for worker, kept in ((Worker(2, 1 << 30), 2), (Worker(9, size * 3 // 2), 1), (Worker(9, 1), 1)):
        for place in range(3):
            keys = tmp_path / str(place)
            keys.write_bytes(client.evaluation_keys())
            answer, _ = worker.answer(task | {"keys": str(keys)}, message)
            assert answer == {"version": PLAN.fingerprint}
        assert len(worker._servers) == kept


@pytest.mark.thorough
def test_a_witness_is_passed_through(tmp_path):
    """Where the plan has one, the answer carries it, and the client acts on it."""
    rng = np.random.default_rng(4)
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, 4))), fhenn.Sigmoid()])
    plan = fhenn.plan(model, bounds=[-1, 1], witness=True)
    store = Store(tmp_path / "store")
    store.models.add("watched", model_to_bytes(model), plan_to_bytes(plan))
    (found,) = store.models.catalogue()
    client = fhenn.Client(found.plan)  # the public plan, as clients get it
    keys = tmp_path / "keys.fhenn"
    keys.write_bytes(client.evaluation_keys())
    task = {"task": "predict", "model": str(found.folder), "version": found.version, "keys": str(keys)}
    x = rng.uniform(-0.3, 0.3, (2, 4))
    worker = Worker(contexts=1, size=1 << 30)
    bounds = {"ciphertexts": 99, "answer": 1 << 30}
    plain, with_witness = (
        worker.answer(task | {"witness": witness, **bounds}, client.encrypt(x)) for witness in (False, True)
    )
    assert plain[0] == with_witness[0] == {"version": plan.fingerprint}
    assert len(with_witness[1]) > len(plain[1])
    with pytest.raises(AnswerMismatch, match="number of witnesses"):
        client.decrypt(plain[1])
    for checked, (_, body) in enumerate((plain, with_witness)):
        np.testing.assert_allclose(client.decrypt(body, range_check=bool(checked)), model.predict(x), atol=plan.error)
    store.close()


def answer_of(document, body=b"", size=None):
    """What a worker sends."""
    text = json.dumps(document).encode()
    return HEAD.pack(len(text) if size is None else size, len(body)) + text + body


async def answering(data):
    """A worker that has sent some bytes and ended."""
    worker, (ours, theirs) = WorkerProcess.__new__(WorkerProcess), socket.socketpair()
    worker.held, worker._pipe, worker._watched = Held(), ours, None
    worker._sentinel = os.open(os.devnull, os.O_RDONLY)
    worker._streams = await asyncio.open_connection(sock=ours)
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    return worker, theirs


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", EOFError),
        (answer_of({})[:-1], EOFError),
        (answer_of({}, b"body")[:-1], EOFError),
        (answer_of({}, size=1 << 30), ValueError),
        (answer_of([]), ValueError),
        (answer_of({"held": {"names": 3, "full": False}}), ValueError),
        (answer_of({"held": ["x"]}), ValueError),
        (HEAD.pack(4, 0) + b"{{{{", ValueError),
    ],
    ids=str,
)
def test_a_worker_that_answers_nonsense_is_found_out(data, error):
    async def story():
        worker, theirs = await answering(data)
        with theirs, pytest.raises(error):
            await worker.call({}, b"payload", pieces([]))
        worker.close()

    asyncio.run(story())


def pieces(found, most=99):
    """Takes the pieces of an answer, and refuses those beyond some."""

    async def append(piece):
        if len(found) >= most:
            raise SpoolFull("it is full", retry=False)
        found.append(piece)

    return append


def test_an_answer_that_finds_no_room_is_read_to_its_end(monkeypatch):
    monkeypatch.setattr("fhenn.pool.processes.PIECE", 4)

    async def story():
        held = {"names": ["x", "y"], "full": True}
        data = answer_of({"first": 1}, bytes(10)) + answer_of({"held": held}, b"second")
        worker, theirs = await answering(data)
        with theirs:
            with pytest.raises(SpoolFull):
                await worker.call({}, b"", pieces([], most=0))
            assert worker.held == Held()
            assert await worker.call({"task": "x"}, bytes(9), pieces(found := [])) == {}
            assert (found, worker.held) == ([b"seco", b"nd"], Held(("x", "y"), full=True))
            sent = theirs.recv(1 << 16)
        assert sent == answer_of({}) + answer_of({"task": "x"}, bytes(9))
        worker.close()

    asyncio.run(story())


@pytest.mark.thorough
def test_the_pool_knows_what_its_worker_holds(pair, tmp_path):
    client, task = pair
    message = client.encrypt(samples(np.random.default_rng(0)))
    keys = tmp_path / "keys"
    keys.write_bytes(client.evaluation_keys())

    async def story():
        pool, names = processes(tmp_path, workers=1, contexts=1), []
        pool.start()
        for each in (task, task, task | {"keys": str(keys)}, task | {"keys": "nowhere"}, {"task": "tidy"}):
            await run(pool, each, message, "")
            (worker,) = pool._all
            names.append(worker.held)
        keys.unlink()
        await run(pool, {"task": "tidy"}, b"", "")
        names.append(worker.held)
        await pool.close()
        return names

    first, second = (Held((name_of(task["model"], each),), full=True) for each in (task["keys"], str(keys)))
    seen = asyncio.run(story())
    assert seen[:3] == [first, first, second] and seen[-1] == Held()


@pytest.mark.thorough
def test_tasks_and_answers_of_any_size_pass(pair, tmp_path):
    """More than a pipe takes at once, and more than is kept in memory."""
    client, task = pair
    x = np.tile(samples(np.random.default_rng(0)), (250, 1))
    message = client.encrypt(x)
    assert len(message) > 4 << 20

    async def story():
        pool = processes(tmp_path, workers=1)
        pool.start()
        answer, spool = await pool.run(task, message, "")
        with spool:
            assert answer == {"version": PLAN.fingerprint} and spool.on_disk
            assert right(client, spool.read(0, spool.size), x)
        await pool.close()

    asyncio.run(story())


class StillWorker:
    """A worker that never does anything."""

    def __init__(self):
        self.held, self.loading, self.resident = Held(), "", 0

    def close(self):
        pass

    def end(self):
        return 0


def still_pool(folder, **limits):
    """A pool of two idle workers that gets no others, as where descriptors have run out."""
    pool = processes(folder, workers=2, **limits)
    pool._fill = lambda: None
    pool._free = [StillWorker(), StillWorker()]
    pool._all = set(pool._free)
    return pool


def test_a_task_that_waits_gets_the_worker_that_is_left_when_another_dies(tmp_path):
    async def story():
        pool = still_pool(tmp_path)
        held = await pool._acquire("a", "x", True, None)
        waiting = asyncio.ensure_future(pool._acquire("b", "x", True, None))
        await asyncio.sleep(0.05)
        assert not waiting.done() and len(pool._free) == 1  # the last worker is for other owners' short tasks
        await pool._drop(held)
        assert await asyncio.wait_for(waiting, 2) in pool._all
        await pool.close()

    asyncio.run(story())


def test_a_task_waits_for_a_worker_only_so_long(tmp_path):
    async def story():
        pool = still_pool(tmp_path, wait=0.05)
        held = [await pool._acquire("a", "x", False, None) for _ in range(2)]
        for gone in (None, asyncio.get_running_loop().create_future()):
            with pytest.raises(WaitedTooLong):
                await asyncio.wait_for(pool._acquire("b", "x", False, gone), 2)
        assert pool.waiting == 0
        pool._release(held[0])
        assert await pool._acquire("b", "x", False, None) is held[0]
        await pool.close()

    asyncio.run(story())
    assert Limits().wait == 60


@pytest.mark.thorough
def test_a_worker_past_the_limit_is_replaced_and_no_request_is_lost(tmp_path, monkeypatch):
    """Every worker counts as too large after its first task: the next is there before it goes."""
    limit, sizes, replaced = 1 << 30, [], []
    monkeypatch.setattr(WorkerProcess, "resident", property(lambda self: limit + 1))

    async def story():
        pool = processes(tmp_path, on_recycle=sizes.append, workers=1, resident=limit)
        pool.start()
        for _ in range(3):
            answer, spool = await pool.run({"task": "tidy"}, b"", "")
            spool.close()
            assert answer == {"dropped": 0}
            replaced.append({worker.pid for worker in pool._all})
            async with asyncio.timeout(60):
                while pool._starting:
                    await asyncio.sleep(0.05)
        assert pool.alive == 1
        await pool.close()

    asyncio.run(story())
    assert sizes == [limit + 1] * len(sizes) and len(sizes) >= 3
    assert len(set().union(*replaced)) >= 3


@pytest.mark.thorough
def test_a_start_that_fails_is_tried_again_and_one_that_hangs_is_ended(tmp_path):
    told, failures = [], [OSError(24, "Too many open files"), RuntimeError("can't start new thread"), MemoryError()]
    stopped, deaths = [], []

    class Failing(WorkerProcess):
        def __init__(self, bounds):
            if failures:
                raise failures.pop()
            super().__init__(bounds)
            if not stopped:
                stopped.append(self.pid)
                os.kill(self.pid, signal.SIGSTOP)

    async def story():
        pool = processes(tmp_path, deaths.append, Failing, on_failure=told.append, workers=1, start=4.0)
        pool.start()
        async with asyncio.timeout(60):
            while not pool.alive:
                await asyncio.sleep(0.05)
        answer, spool = await pool.run({"task": "tidy"}, b"", "")
        spool.close()
        assert answer == {"dropped": 0}
        await pool.close()

    asyncio.run(story())
    assert not failures
    assert [type(each) for each in told] == [MemoryError, RuntimeError, OSError, TimeoutError]
    assert deaths == [-signal.SIGKILL]


def test_a_process_is_waited_for_though_the_pool_is_closed_before_that_began(tmp_path):
    """All threads are taken while a worker fails, and the pool is closed: nobody waits for its exit code any more."""
    made, ended, busy = [], [], threading.Event()

    class Failing:
        held, loading, pid, resident = Held(), "", 0, 0

        def __init__(self, bounds):
            made.append(self)

        async def await_ready(self):
            raise EOFError

        def kill(self):
            pool._threads.submit(busy.wait)

        def close(self):
            pass

        def end(self):
            ended.append(self)

    async def story():
        asyncio.get_running_loop().call_later(0.5, busy.set)
        pool.start()
        while not made:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not ended
        await pool.close()

    pool = processes(tmp_path, kind=Failing, on_failure=lambda error: None, workers=1)
    pool._threads = ThreadPoolExecutor(1)
    asyncio.run(story())
    assert ended == made
    assert len(made) == 1
