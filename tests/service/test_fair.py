import asyncio

import pytest

from fhenn.service.fair import FairQueue, QueueFull, Waiter
from fhenn.service.limits import Limits
from fhenn.service.spool import SpoolFull, Spools
from fhenn.service.workers import ClientGone, Pool


def waiter(owner, name, long=False):
    return Waiter(owner, name, long, asyncio.get_running_loop().create_future())


def in_order(*owners, most=99):
    """Names of tasks as they come out of a queue that they were put into in this order."""

    async def story():
        queue = FairQueue(most)
        for place, owner in enumerate(owners):
            queue.add(waiter(owner, f"{owner}{place}"))
        return [queue.next(lambda each: True).affinity for _ in range(len(queue))]

    return asyncio.run(story())


def test_owners_take_turns_and_each_keeps_its_order():
    assert in_order("a", "a", "a", "b", "c", "b") == ["a0", "b3", "c4", "a1", "b5", "a2"]
    assert in_order("a", "a") == ["a0", "a1"]


def test_a_full_queue_makes_room_for_who_has_less_in_it():
    async def story():
        queue = FairQueue(3)
        mine = [waiter("a", str(place)) for place in range(3)]
        for each in mine:
            queue.add(each)
        with pytest.raises(QueueFull):
            queue.add(waiter("a", "more"))
        assert queue.full_for("a") and not queue.full_for("b")
        queue.add(waiter("b", "first"))
        with pytest.raises(QueueFull):
            mine[-1].future.result()
        assert not mine[0].future.done() and not mine[1].future.done()
        with pytest.raises(QueueFull):  # two and one: nobody has more than b would
            queue.add(waiter("b", "second"))
        assert len(queue) == 3

    asyncio.run(story())


def test_who_may_not_run_is_passed_over():
    async def story():
        queue = FairQueue(9)
        for owner, long in (("a", True), ("b", False), ("a", False)):
            queue.add(waiter(owner, owner, long))
        assert [queue.next(lambda each: not each.long).owner for _ in range(2)] == ["a", "b"]
        assert queue.next(lambda each: not each.long) is None and len(queue) == 1

    asyncio.run(story())


class FakeWorker:
    """Takes as long as its task says."""

    pid = resident = 0

    def __init__(self):
        self.recent = []


class FakePool(Pool):
    """A pool whose workers are at hand."""

    def __init__(self, folder, workers, queue=9):
        super().__init__(Limits(workers=workers, queue=queue), Spools(folder, 1 << 20, 1 << 20))
        for _ in range(workers):
            worker = FakeWorker()
            self._all.add(worker)
            self._free.append(worker)


def test_a_long_task_leaves_a_worker_to_other_owners_where_there_are_some(tmp_path):
    async def story():
        pool = FakePool(tmp_path, 2)
        alone = [await pool._acquire("a", "", True, None) for _ in range(2)]  # nobody else is there: it has both
        for worker in alone:
            pool._release(worker)
        await pool._acquire("b", "", False, None)  # b runs, and so a counts as one of several
        waiting = asyncio.ensure_future(pool._acquire("a", "", True, None))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        short = await pool._acquire("a", "", False, None)  # a short one may have the last
        pool._release(short)
        assert not waiting.done()
        pool._release(alone[0])
        assert await waiting is not None

    asyncio.run(story())


def test_a_task_whose_client_has_gone_is_not_begun(tmp_path):
    async def story():
        pool, gone = FakePool(tmp_path, 1), asyncio.Event()
        worker = await pool._acquire("a", "", False, None)
        waiting = asyncio.ensure_future(pool._acquire("b", "", False, gone))
        await asyncio.sleep(0.01)
        assert pool.waiting == 1
        gone.set()
        with pytest.raises(ClientGone):
            await waiting
        assert pool.waiting == 0
        pool._release(worker)
        assert await pool._acquire("c", "", False, None) is worker

    asyncio.run(story())


def test_answers_are_bounded_counted_and_on_the_disk_beyond_a_size(tmp_path):
    spools = Spools(tmp_path, 3 << 20, 4 << 20)
    data = bytes(range(256)) * 8192  # 2 MB
    with spools.open() as small, spools.open() as large:
        small.append(b"few")
        for start in range(0, len(data), 100_000):
            large.append(data[start : start + 100_000])
        assert (small.on_disk, large.on_disk) == (False, True)
        assert spools.held_bytes == 3 + len(data)
        assert b"".join(large.read(start, 70_000) for start in range(0, large.size, 70_000)) == data
        assert small.read(0, 99) == b"few"
        assert not list(tmp_path.iterdir())  # it has no name
        with pytest.raises(SpoolFull) as caught:
            large.append(bytes(2 << 20))
        assert not caught.value.retry
        with spools.open() as another, pytest.raises(SpoolFull) as caught:
            another.append(bytes(3 << 20))
        assert caught.value.retry
    assert spools.held_bytes == 0


def test_a_disk_that_is_full_is_said(tmp_path):
    with Spools(tmp_path / "nowhere", 9 << 20, 9 << 20).open() as spool, pytest.raises(SpoolFull, match="room"):
        spool.append(bytes(2 << 20))
