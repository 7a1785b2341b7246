"""Threads inside a call, calls from many threads, and calls in children of a process that had threads."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from fhenn.backends.native import ring as native
from fhenn.backends.native.keys import RELINEARISATION, Keys
from fhenn.backends.native.library import available
from fhenn.backends.native.ring import Products, Ring, Turn, compact
from fhenn.ckks.primes import primes_of
from fhenn.errors import ParameterError

pytestmark = pytest.mark.skipif(not available(), reason="the native library was not built")

RING_DEGREE, PRIMES = 8192, primes_of(8192, (27, 24, 24, 30))
LEVELS = len(PRIMES) - 1


class Work:
    """Every kind of call on one ciphertext and one key, both random."""

    def __init__(self, threads):
        rng = np.random.default_rng(7)
        self.ring = ring = Ring(RING_DEGREE, PRIMES, threads=threads)
        self.x = residues(rng, PRIMES[:LEVELS], 2)
        raw = np.stack([residues(rng, PRIMES, 2) for _ in range(LEVELS)])
        self.key = ring.pack_key(raw, LEVELS)
        self.turns = [Turn(ring.permutation(steps), self.key) for steps in (1, 2)]
        slots = rng.uniform(-1, 1, (3, RING_DEGREE // 2))
        halves = compact(np.rint([ring.half_of_coefficients(each, 2.0**20) for each in slots]))
        self.products = Products(None, ring.pack_plain(halves, range(LEVELS + 1)), 3)
        self.late = Products(None, None, 3, halves)
        self.bias = ring.encode(slots[0], 2.0**20, range(LEVELS - 1))

    def __call__(self):
        ring, three = self.ring, self.ring.multiply(self.x, self.x)
        babies = [(self.x, None), *((self.x, turn) for turn in self.turns)]
        giants = [(self.products, self.turns[0]), (self.products, None)]
        late = [(self.late, self.turns[0]), (self.late, None)]
        results = [
            three,
            ring.relinearise(three, self.key),
            ring.relinearise_and_rescale(three, self.key),
            *ring.rotate(self.x, self.turns),
            *ring.apply_map(babies, [giants, giants[1:] * 2], ([self.turns], []), [self.bias, None], rescaled=True),
            *ring.apply_map(babies, [late, late[1:] * 2], ([self.turns], []), [self.bias, None], rescaled=True),
            *ring.number_rows([self.x, self.x], np.array([0, 2, 3]), np.array([0, 1, 1]), np.array([3.0, -5.0, 7.0])),
        ]
        return b"".join(result.tobytes() for result in results)


def residues(rng, primes, polynomials):
    values = [rng.integers(0, prime, (polynomials, RING_DEGREE), np.uint64) for prime in primes]
    return np.ascontiguousarray(np.stack(values, axis=1))


@pytest.fixture(scope="module")
def expected():
    return Work(1)()


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_nothing(expected, threads):
    work = Work(threads)
    assert all(work() == expected for _ in range(5))


@pytest.mark.thorough
@pytest.mark.parametrize("threads", [1, 2])
def test_sixteen_threads_call_at_once(expected, threads):
    work = Work(threads)
    with ThreadPoolExecutor(16) as pool:
        assert all(found == expected for found in pool.map(lambda _: work(), range(64)))


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_ring_serves_a_child_of_its_process(expected):
    """Its threads are not there; neither are those that were inside a call when it was made."""
    work = Work(2)
    with ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(lambda: [work() for _ in range(20)]) for _ in range(4)]
        for _ in range(5):
            child = os.fork()
            if not child:
                os._exit(0 if work() == expected else 1)
            assert os.waitpid(child, 0)[1] == 0
        assert all(one.result()[-1] == expected for one in busy)


def test_rings_are_shared_while_they_are_used():
    first = Ring.of(RING_DEGREE, PRIMES)
    assert Ring.of(RING_DEGREE, list(PRIMES)) is first
    assert Ring.of(RING_DEGREE, PRIMES[1:]) is not first


def test_a_process_says_how_many_threads_it_uses(monkeypatch):
    monkeypatch.setattr(native, "_allowed", None)
    assert native.threads_in_use() >= 1
    native.use_threads(3)
    assert native.threads_in_use() == 3
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(ParameterError, match="threads"):
            native.use_threads(wrong)
    native.use_threads(None)


def test_a_thread_says_for_a_while_how_many_it_uses(monkeypatch):
    monkeypatch.setattr(native, "_allowed", 2)
    with native.threads_here(5):
        assert native.threads_in_use() == 5
        ring = Ring.of(RING_DEGREE, PRIMES)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(native.threads_in_use).result() == 2
        with pytest.raises(KeyError), native.threads_here(1):
            raise KeyError
        assert native.threads_in_use() == 5
    assert native.threads_in_use() == 2
    assert Ring.of(RING_DEGREE, PRIMES) is not ring


def test_what_is_brief_lets_no_other_thread_in():
    ring = Ring.of(RING_DEGREE, PRIMES)
    assert ring._library_for(1 << 18) is ring._brief
    assert ring._library_for((1 << 18) + 1) is ring._library


@pytest.mark.thorough
def test_more_threads_call_than_scratches_are_kept():
    """SCRATCHES of ring.h is 64; those beyond it have memory of their own. Calls are long, so that they overlap."""
    rng, primes, count = np.random.default_rng(3), primes_of(RING_DEGREE, (45,) * 16), 100
    ring = Ring(RING_DEGREE, primes)
    key = ring.pack_key(np.stack([residues(rng, primes, 2)] * 15), 15)
    x = residues(rng, primes[:15], 3)
    expected, gate = ring.relinearise(x, key), Barrier(count)

    def relinearise(_):
        gate.wait()
        return np.array_equal(ring.relinearise(x, key), expected)

    with ThreadPoolExecutor(count) as pool:
        assert all(pool.map(relinearise, range(count)))


AT_THE_END = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
from test_threads import Work
work = Work(1)
def forever():
    while True:
        work()
for _ in range(4):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.thorough
def test_a_process_ends_while_daemon_threads_are_inside_calls():
    """Tables are not taken from under them."""
    command = [sys.executable, "-c", AT_THE_END, str(Path(__file__).parent)]
    for _ in range(2):
        assert subprocess.run(command, check=False).returncode == 0


def child_ends(task):
    """Whether a child that does it ends, within 20 seconds."""
    child = os.fork()
    if not child:
        signal.alarm(20)
        task()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_has_no_locks_of_other_threads():
    """Another thread is held inside while this one forks."""
    ring = Ring.of(RING_DEGREE, PRIMES)
    raw = np.stack([residues(np.random.default_rng(1), PRIMES, 2) for _ in range(LEVELS)])
    keys = Keys(ring, {RELINEARISATION: raw}, {})
    with Ring._LOCK, keys._lock:
        assert child_ends(lambda: (Ring.of(RING_DEGREE, PRIMES[:2]), keys.relinearisation(1)))
    assert keys.relinearisation(1).digits == 1
