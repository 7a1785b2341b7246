"""How much faster pools of two workers are than one process, on one machine: `python tests/bench/pools.py` (extra ray).

The same parts are answered by a `Server` on one thread, a `LocalPool` and a `RayPool` in turn, several times, and of
each the best time counts, as others may use the machine. Beside it stands what two free cores would give: twice the CPU
time of one process by that of the pool, all processes of a Ray cluster that is started here included.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import perf_counter

import numpy as np
from million_rows import family
from record import Column, printed

import fhenn
from fhenn.backends import threads_here
from fhenn.session import Server
from fhenn.session.stream import in_order

FEATURES, DIFFERENT = 30, 4
COLUMNS = (
    Column("parts"),
    Column("a part", "ms"),
    Column("faster", "×"),
    Column("CPU time", "s"),
    Column("with two free cores", "×"),
)


@dataclass(frozen=True)
class Case:
    """A model, and how many rows its plan has in a part. parts: that are answered in one go."""

    name: str
    model: fhenn.Sequential
    layout: str
    rows: int
    parts: int


def cases() -> Iterator[Case]:
    rng = np.random.default_rng(2)
    regression = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, FEATURES)) / 10, [0.1])], finish="sigmoid")
    hidden = fhenn.Linear(rng.normal(size=(16, FEATURES)) / 10)
    perceptron = fhenn.Sequential([hidden, fhenn.Square(), fhenn.Linear(np.ones((2, 16)) / 20)])
    yield Case("logistic regression, 30 ciphertexts a part", regression, "throughput", 2048, 300)
    yield Case("perceptron 30-16-2, 30 ciphertexts a part", perceptron, "throughput", 4096, 60)
    yield Case("perceptron 30-16-2, 40 single samples a part", perceptron, "latency", 40, 16)


def cpu_seconds() -> float:
    """Of this process and all below it that run."""
    ticks = 0
    for pid in family(os.getpid()):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Best:
    """Of several runs: the seconds of the shortest, and seconds of CPU in all of them."""

    wall: float = inf
    cpu: float = 0.0


def measure(case: Case, runs: int, address: str | None) -> dict[str, Best]:
    """The best of several runs for all parts, by what answers them."""
    plan = fhenn.plan(case.model, bounds=[-1, 1], accuracy=0.01, layout=case.layout)
    client = fhenn.Client(plan.public())
    rng = np.random.default_rng(3)
    uploads = [client.encrypt(rng.uniform(-1, 1, (case.rows, FEATURES))) for _ in range(DIFFERENT)]
    keys, parts = client.evaluation_keys(), [uploads[place % DIFFERENT] for place in range(case.parts)]
    best: defaultdict[str, Best] = defaultdict(Best)

    def timed(name: str, run: Callable[[], list[bytes]]) -> list[bytes]:
        start, cpu = perf_counter(), cpu_seconds()
        answers = run()
        best[name].wall = min(best[name].wall, perf_counter() - start)
        best[name].cpu += cpu_seconds() - cpu
        return answers

    with ExitStack() as stack:
        stack.enter_context(threads_here(1))
        server = Server(case.model, plan, keys)
        local = stack.enter_context(fhenn.LocalPool(case.model, plan, keys, workers=2))
        cluster = stack.enter_context(fhenn.RayPool(case.model, plan, keys, address or "local", workers=2))
        for _ in range(runs):
            expected = timed("one process", lambda: list(map(server.predict, parts)))
            for name, pool in (("LocalPool", local), ("RayPool", cluster)):
                assert timed(name, lambda pool=pool: list(in_order(parts, pool.submit, 4))) == expected  # type: ignore[misc]
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--address", help="of a Ray cluster; without, one is started")
    given = parser.parse_args()
    with printed("pools", "on two cores", COLUMNS, {"Ray": "ray"}) as table:
        for case in cases():
            best = measure(case, given.runs, given.address)
            one = best["one process"]
            for name, each in best.items():
                cells = (
                    1e3 * each.wall / case.parts,
                    one.wall / each.wall,
                    each.cpu / given.runs,
                    2 * one.cpu / each.cpu,
                )
                table.add(f"{case.name}: {name}", case.parts, *cells)


if __name__ == "__main__":
    main()
