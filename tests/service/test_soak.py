"""A service under load for a long time: as fast at the end as at the beginning, and no larger."""

import threading

import numpy as np
import pytest
from service_harness import resident
from service_load import MODEL, OWNERS, Load
from support import at_length, on_each

import fhenn

pytestmark = [pytest.mark.thorough, on_each]

LOAD = 0.8
"""Of the capacity, which is measured first."""
_LOOK = 1.0
"""Seconds between two looks at the memory."""


class Memory:
    """Bytes that the front end and its workers hold, all the while."""

    def __init__(self, running):
        self._running, self._stop = running, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.front, self.workers = [], []

    def _watch(self):
        while not self._stop.wait(_LOOK):
            self.front.append(resident(self._running.pid()))
            self.workers.append(sum(map(resident, self._running.workers())))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def growth(sizes):
    """Bytes by which the last fifth is larger than the second: in the first, what is kept is loaded."""
    fifth = max(len(sizes) // 5, 1)
    return float(np.median(sizes[-fifth:]) - np.median(sizes[fifth : 2 * fifth]))


def in_megabytes(sizes):
    return f"{sizes[0] / 1e6:.0f} to {sizes[-1] / 1e6:.0f} MB ({growth(sizes) / 1e6:+.1f})"


@at_length("seconds", 10, 600)
def test_four_fifths_of_what_it_can(tmp_path, seconds):
    """In an open loop: requests come when they are due, whether or not those before them are answered."""
    plan = fhenn.plan(MODEL, bounds=[-3, 3], accuracy=1e-2)
    with Load(tmp_path / "load", plan, OWNERS, tls=False) as load:
        capacity = float(np.median([load.per_second() for _ in range(9 if seconds >= 600 else 3)]))
        with Memory(load.running) as memory:
            took = load.at_rate(LOAD * capacity, seconds)
        error, deaths = load.error, load.running.metric("fhenn_worker_deaths")
    p50, p90, p99, p999, most = np.percentile(took, [50, 90, 99, 99.9, 100]) * 1e3
    print(
        f"\n{plan.evaluator}: {LOAD:.0%} of {capacity:.0f} predictions/s for {seconds} s: p50 {p50:.1f} ms, "
        f"p90 {p90:.1f}, p99 {p99:.1f} ({p99 / p50:.1f} x p50), p99.9 {p999:.1f}, at most {most:.1f}; "
        f"front end {in_megabytes(memory.front)}, workers {in_megabytes(memory.workers)}"
    )
    assert error <= plan.error and deaths == 0
    assert growth(memory.front) < 8e6 and growth(memory.workers) < 16e6
    if seconds >= 600:
        assert p99 <= 3 * p50
