"""SEAL keeps the memory that it once had: workers are held to a limit all the same."""

import asyncio

import numpy as np
import pytest
from service_harness import PLAN, Running, right, samples, stored, wait_for

import fhenn
from fhenn.service.limits import Limits
from fhenn.service.spool import Spools
from fhenn.service.workers import Pool, _Worker


def test_a_worker_past_the_limit_is_replaced_and_no_request_is_lost(tmp_path, monkeypatch):
    """Every worker counts as too large after its first task: the next is there before it goes."""
    limit, sizes, replaced = 1 << 30, [], []
    monkeypatch.setattr(_Worker, "resident", property(lambda self: limit + 1))

    async def story():
        pool = Pool(Limits(workers=1, resident=limit), Spools(tmp_path, 1 << 20, 1 << 20), on_recycle=sizes.append)
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
def test_large_keys_leave_no_large_workers(tmp_path):
    """Keys of several clients, one after the other: workers stay near the limit, and all are answered."""
    rng = np.random.default_rng(1)
    limits = {"workers": 1, "resident": 400 << 20, "contexts": 4}
    with Running(stored(tmp_path / "store"), limits) as running:
        for place in range(60):
            client, x = fhenn.Client(PLAN), samples(rng)
            with running.remote(f"client-{place % 7}", client.evaluation_keys()) as remote:
                remote.upload()
                assert right(client, remote.predict(client.encrypt(x)), x)
                remote.forget_keys()
        largest = running.metric("fhenn_worker_resident_bytes")
        print(
            f"\nlargest worker {largest / 1e6:.0f} MB of 420, {running.metric('fhenn_workers_recycled_total')} replaced"
        )
        assert 0 < largest < 600 << 20
        wait_for(lambda: running.metric('fhenn_workers{state="alive"}') == 1, 20)
