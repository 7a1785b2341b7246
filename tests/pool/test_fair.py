import asyncio

import pytest

from fhenn.pool.fair import FairQueue, QueueFull, Waiter
from fhenn.pool.spool import Spools
from fhenn.pool.work import Held
from fhenn.pool.workers import ClientGone, Workers
from fhenn.service.limits import Limits


def waiter(owner, name, long=False, seconds=0.0):
    return Waiter(owner, name, long, asyncio.get_running_loop().create_future(), seconds)


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


def in_order_of_preference(*tasks):
    """Owners as their tasks come out of a queue, where those that need "hot" are preferred."""

    async def story():
        queue = FairQueue(99)
        for owner, name, seconds in tasks:
            queue.add(waiter(owner, name, seconds=seconds))
        return "".join(queue.next(lambda each: True, lambda each: each.affinity == "hot").owner for _ in tasks)

    return asyncio.run(story())


def test_a_preferred_task_overtakes_others_by_a_second_of_work_in_all():
    hot = [(owner, "hot", 0.3) for owner in "bcdef"]
    assert in_order_of_preference(("a", "cold", 0.1), *hot) == "bcdaef"
    # each has a second of its own to lose
    assert in_order_of_preference(hot[0], ("a", "cold", 0.1), hot[1], ("g", "cold", 0.1), *hot[2:]) == "bcdeafg"
    assert in_order_of_preference(("a", "cold", 0.1), ("b", "hot", 1.5), ("c", "hot", 0.1)) == "cab"


def test_owners_of_preferred_tasks_take_turns():
    assert in_order_of_preference(*[(owner, "hot", 0.1) for owner in "aaabbc"]) == "abcaba"


class FakeWorker:
    """Takes as long as its task says."""

    pid = resident = 0

    def __init__(self, *names, full=False):
        self.held, self.loading = Held(names, full), ""


class FakePool(Workers):
    """A pool whose workers are at hand."""

    def __init__(self, folder, workers, queue=9, given=()):
        bounds = Limits(workers=workers, queue=queue).of_workers
        super().__init__(bounds, Spools(folder, 1 << 20, 1 << 20), FakeWorker)
        for worker in given or [FakeWorker() for _ in range(workers)]:
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
        pool, gone = FakePool(tmp_path, 1), asyncio.get_running_loop().create_future()
        worker = await pool._acquire("a", "", False, None)
        waiting = asyncio.ensure_future(pool._acquire("b", "", False, gone))
        await asyncio.sleep(0.01)
        assert pool.waiting == 1
        gone.set_result(None)
        with pytest.raises(ClientGone):
            await waiting
        assert pool.waiting == 0
        pool._release(worker)
        assert await pool._acquire("c", "", False, None) is worker

    asyncio.run(story())


async def settled(future):
    """Whether a future is done once all else is."""
    for _ in range(9):
        await asyncio.sleep(0)
    return future.done()


def asked(pool, owner, affinity, seconds=0.01):
    return asyncio.ensure_future(pool._acquire(owner, affinity, False, None, seconds))


def test_an_idle_worker_is_chosen_for_what_it_holds_and_else_for_its_room(tmp_path):
    async def story():
        first, second = FakeWorker("x", "y"), FakeWorker("z")
        pool = FakePool(tmp_path, 2, given=[first, second])
        for affinity, expected in (("y", first), ("z", second), ("new", second), ("", second)):
            assert await pool._acquire("a", affinity, False, None) is expected, affinity
            pool._release(expected)
        second.held = Held(("z",), full=True)
        assert await pool._acquire("a", "new", False, None) is first

    asyncio.run(story())


def test_a_worker_that_becomes_free_is_given_a_task_whose_keys_it_holds(tmp_path):
    async def story():
        worker = FakeWorker("x")
        pool = FakePool(tmp_path, 1, given=[worker])
        await pool._acquire("a", "x", False, None)
        cold, hot = asked(pool, "a", "y"), asked(pool, "b", "x")
        await asyncio.sleep(0)
        pool._release(worker)
        assert await settled(hot) and not await settled(cold)
        pool._release(worker)
        assert await settled(cold)

    asyncio.run(story())


def test_no_owner_starves_behind_others_whose_keys_are_loaded(tmp_path):
    async def story():
        worker = FakeWorker("x")
        pool = FakePool(tmp_path, 1, given=[worker])
        await pool._acquire("a", "x", False, None)
        cold, overtaken = asked(pool, "cold", "y"), 0
        while not await settled(cold):
            hot = asked(pool, f"hot-{overtaken}", "x", 0.1)
            await asyncio.sleep(0)
            pool._release(worker)
            overtaken += await settled(hot)
            assert overtaken < 20
        hot.cancel()
        return overtaken

    assert 8 <= asyncio.run(story()) <= 10


@pytest.mark.parametrize("loading", [False, True])
def test_a_task_is_left_for_a_moment_to_the_busy_worker_that_holds_its_keys(tmp_path, loading):
    """To load them would put out others' in the idle one, which then come back."""

    async def story():
        busy, idle = FakeWorker(*["x"] * (not loading), full=True), FakeWorker("y", full=True)
        pool = FakePool(tmp_path, 2, given=[busy, idle])
        pool._free.remove(busy)
        busy.loading = "x"
        waiting = asked(pool, "a", "x")
        assert not await settled(waiting)
        busy.held = Held(("x",), full=True)
        pool._release(busy)
        assert await waiting is busy
        assert await asyncio.wait_for(asked(pool, "a", "x"), 5) is idle  # which nobody releases meanwhile
        busy.loading = ""
        pool._release(idle)
        assert await pool._acquire("a", "another", False, None) is idle  # which nobody holds

    asyncio.run(story())


def test_a_worker_with_room_loads_what_another_holds(tmp_path):
    async def story():
        busy, idle = FakeWorker("x"), FakeWorker("y")
        pool = FakePool(tmp_path, 2, given=[busy, idle])
        assert await pool._acquire("a", "x", False, None) is busy
        assert await settled(asked(pool, "a", "x"))

    asyncio.run(story())


def test_an_answer_that_nobody_waits_for_any_more_is_dropped(tmp_path):
    class Quick(FakeWorker):
        async def call(self, task, payload, append):
            await append(b"answer")
            asyncio.get_running_loop().call_soon(running.cancel)
            return {}

    async def story():
        nonlocal running
        pool = FakePool(tmp_path, 1, given=[Quick()])
        running = asyncio.ensure_future(pool.run({}, b"", ""))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert pool._spools.held_bytes == 0 and len(pool._free) == 1

    running = None
    asyncio.run(story())
