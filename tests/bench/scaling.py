"""How far workers scale that one front end feeds: a simulation, from what is measured on this machine.

Run as a script: `python tests/bench/scaling.py [--keep FILE.json] [--measured FILE.json] [--plot FILE.svg]`.

A batch is a stream of parts. The front end is one process: it reads a part, checks its digest and hands it over, and
takes each answer likewise, one thing at a time. Parts go to the workers over one link and answers come back over the
other direction of it, one after another at the link's speed. A worker computes one part while the next one waits there.
As in every pool, twice as many parts as workers are taken at most before the first of them is answered, and answers are
given in order, so that a slow part holds up what comes after it.

Times of a worker are drawn from those that were measured, so that their spread counts. How long the front end takes is
measured with a pipe, whose other end a process of this machine reads, or with Ray's object store (`--ray`); another
store is put in its place by `--store-in` and `--store-out`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from record import Column, Row, Table, keep, recorded, versions_of

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LINKS = (1.0, 10.0, 25.0)
"""Gbit/s."""

PARTS = 10_000
"""Of a batch."""

DELAY = 1e-4
"""Seconds that a message is on its way, besides what its bytes take."""

STATIONS = ("worker", "network", "front end")


@dataclass(frozen=True)
class Costs:
    """What a part of one plan costs.

    name: of the plan, in words.
    samples: of a part.
    part: bytes of it.
    answer: bytes of the answer to it.
    seconds: that a worker takes, each as it was measured.
    front_in: seconds of the front end for a part: reading, digest, handing over.
    front_out: seconds of the front end for an answer.
    steps: seconds of what a worker does, by name, for the report.
    """

    name: str
    samples: int
    part: int
    answer: int
    seconds: tuple[float, ...]
    front_in: float
    front_out: float
    steps: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a batch.

    seconds: until the last answer was given.
    busy: the share of them that each of `STATIONS` was busy, of the network its busier direction.
    efficiency: the answers a second, as a share of those that as many workers would give that wait for nothing.
    """

    seconds: float
    busy: dict[str, float]
    efficiency: float

    @property
    def limit(self) -> str:
        """The busiest station."""
        return max(STATIONS, key=lambda name: self.busy[name])


class _Line:
    """What does one thing at a time, in the order in which they come."""

    def __init__(self, clock: _Clock) -> None:
        self._clock, self._waiting = clock, deque[tuple[float, Callable[[], None]]]()
        self._at_work, self.busy = False, 0.0

    def add(self, seconds: float, then: Callable[[], None]) -> None:
        """Do what takes so long, after what came before it; then call."""
        self._waiting.append((seconds, then))
        if not self._at_work:
            self._next()

    def _next(self) -> None:
        self._at_work = bool(self._waiting)
        if not self._at_work:
            return
        seconds, then = self._waiting.popleft()

        def done() -> None:
            self.busy += seconds
            then()
            self._next()

        self._clock.after(seconds, done)


class _Clock:
    """The time of a simulation, and what happens when."""

    def __init__(self) -> None:
        self.now, self._events, self._count = 0.0, list[tuple[float, int, Callable[[], None]]](), 0

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        """Call in so many seconds; what is due at the same time comes in the order in which it was asked for."""
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, then))

    def run(self) -> None:
        """Until nothing happens any more."""
        while self._events:
            self.now, _, then = heapq.heappop(self._events)
            then()


def simulate(
    costs: Costs, workers: int, gigabits: float, parts: int = PARTS, *, delay: float = DELAY, seed: int = 0
) -> Outcome:
    """Run a batch.

    costs: of a part.
    workers: how many there are.
    gigabits: a second that the front end's link carries in each direction; infinite for no bound.
    parts: of the batch.
    delay: of a message on the link, in seconds.
    seed: of the times that are drawn from the measured ones.
    """
    clock = _Clock()
    front, out, back = _Line(clock), _Line(clock), _Line(clock)
    crew = [_Line(clock) for _ in range(workers)]
    promised = [0] * workers
    """Parts that each worker has, or will have."""
    times = np.random.default_rng(seed).choice(np.array(costs.seconds), parts)
    bytes_a_second = gigabits * 1e9 / 8
    answered = [False] * parts
    taken = given = 0
    finished = 0.0

    def take() -> None:
        nonlocal taken
        while taken < parts and taken - given < 2 * workers:
            part, taken = taken, taken + 1
            front.add(costs.front_in, lambda part=part: send(part))  # type: ignore[misc]

    def send(part: int) -> None:
        worker = min(range(workers), key=promised.__getitem__)
        promised[worker] += 1
        out.add(costs.part / bytes_a_second, lambda: clock.after(delay, lambda: compute(part, worker)))

    def compute(part: int, worker: int) -> None:
        crew[worker].add(float(times[part]), lambda: answer(part, worker))

    def answer(part: int, worker: int) -> None:
        promised[worker] -= 1
        back.add(
            costs.answer / bytes_a_second,
            lambda: clock.after(delay, lambda: front.add(costs.front_out, lambda: give(part))),
        )

    def give(part: int) -> None:
        nonlocal given, finished
        answered[part] = True
        while given < parts and answered[given]:
            given += 1
        finished = clock.now
        take()

    take()
    clock.run()
    busy = {
        "worker": sum(each.busy for each in crew) / workers / finished,
        "network": max(out.busy, back.busy) / finished,
        "front end": front.busy / finished,
    }
    return Outcome(finished, busy, float(times.sum()) / workers / finished)


# measuring


def plans() -> dict[str, tuple[Any, Any]]:
    """Models and their plans, by what they are."""
    import fhenn  # noqa: PLC0415  (the simulation does without)

    rng = np.random.default_rng(0)
    regression = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, 30)) / 10, [0.1])], finish="sigmoid")
    perceptron = fhenn.Sequential([
        fhenn.Linear(rng.normal(size=(16, 30)) / 12),
        fhenn.Sigmoid(on_violation="ignore"),
        fhenn.Linear(rng.normal(size=(1, 16)) / 8),
    ])  # fmt: skip
    return {
        "logistic regression, 30 features": (regression, fhenn.plan(regression, bounds=[-1, 1], rows=10_000_000)),
        "perceptron, 30-16-1": (perceptron, fhenn.plan(perceptron, bounds=[-1, 1], accuracy=0.01, rows=10_000_000)),
        "logistic regression, one sample a ciphertext": (
            regression,
            fhenn.plan(regression, bounds=[-1, 1], layout="latency"),
        ),
    }


def measure(name: str, model: Any, plan: Any, seconds: float, kind: type[_Pipe | _Ray]) -> Costs:
    """What a part of a plan costs here, on one thread, in seconds of CPU: others may use the machine meanwhile.

    name: of the plan.
    model: that runs.
    plan: that it runs by.
    seconds: for how long to measure a worker.
    kind: of the worker that the front end is measured with.
    """
    import fhenn  # noqa: PLC0415
    from fhenn.backends import use_threads  # noqa: PLC0415
    from fhenn.ckks import CipherArray  # noqa: PLC0415
    from fhenn.session.receipt import UploadHeader  # noqa: PLC0415
    from fhenn.wire import unframe  # noqa: PLC0415

    use_threads(1)
    client = fhenn.Client(plan)
    rng = np.random.default_rng(1)
    rows = (rng.uniform(-1, 1, (1 << 12, plan.features)) for _ in range(1 << 20))
    stream = client.encrypt_stream(rows)
    part = next(stream)
    stream.close()
    server = fhenn.Server(model, plan, client.evaluation_keys())
    answer = server.predict(part)  # what is encoded once is encoded now
    x = CipherArray.from_bytes(server.context, part)
    steps = {
        "digest": timed(lambda: unframe("ciphertexts", part)),
        "loading, digest included": timed(lambda: CipherArray.from_bytes(server.context, part)),
        "evaluation": timed(lambda: server.evaluate(x)),
    }
    took, end = list[float](), time.perf_counter() + seconds
    while len(took) < 20 or time.perf_counter() < end:
        start = time.thread_time()
        server.predict(part)
        took.append(round(time.thread_time() - start, 6))
    samples = UploadHeader.of(part).samples
    return Costs(
        name, samples, len(part), len(answer), tuple(took), *_front_end(part, answer, kind), tuple(steps.items())
    )


def timed(call: Callable[[], object], times: int = 11) -> float:
    """The median of the seconds of CPU that a call takes."""
    took = []
    for _ in range(times):
        start = time.thread_time()
        call()
        took.append(time.thread_time() - start)
    return median(took)


class _Pipe:
    """A worker that is a process with a pipe, and answers each message with so many bytes."""

    clock = staticmethod(time.thread_time)  # what waits for the other end takes nothing of the front end

    def __init__(self, size: int) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._worker = context.Process(target=_echo, args=(theirs, size), daemon=True)
        self._worker.start()
        theirs.close()

    def send(self, message: bytes) -> None:
        """Hand over a part."""
        self._ours.send_bytes(message)

    def wait(self) -> None:
        """Until there is an answer."""
        self._ours.poll(None)

    def receive(self) -> bytes:
        """Take the answer."""
        return self._ours.recv_bytes()

    def close(self) -> None:
        """End the worker."""
        self._ours.close()
        self._worker.join()


def _echo(pipe: Any, size: int) -> None:
    """Take messages, and answer each with so many bytes."""
    answer = bytes(size)
    try:
        while True:
            pipe.recv_bytes()
            pipe.send_bytes(answer)
    except (EOFError, OSError):
        return


class _Ray:
    """A worker that is an actor on a Ray of this machine: parts and answers go through its object store."""

    clock = staticmethod(time.perf_counter)  # the caller waits while the store takes the bytes

    def __init__(self, size: int) -> None:
        import ray  # noqa: PLC0415

        class Worker:
            def answer(self, message: bytes) -> bytes:
                assert message
                return bytes(size)

        self._ray = ray
        if not ray.is_initialized():
            ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20)
        self._worker = ray.remote(Worker).remote()
        self._answer: Any = None

    def send(self, message: bytes) -> None:
        """Hand over a part."""
        self._answer = self._worker.answer.remote(message)

    def wait(self) -> None:
        """Until there is an answer."""
        self._ray.wait([self._answer])

    def receive(self) -> bytes:
        """Take the answer."""
        return bytes(self._ray.get(self._answer))

    def close(self) -> None:
        """End the worker."""
        self._ray.kill(self._worker)


def _front_end(part: bytes, answer: bytes, kind: type[_Pipe | _Ray], times: int = 40) -> tuple[float, float]:
    """Seconds that the front end takes for a part, and for an answer."""
    from fhenn.session.receipt import UploadHeader, digest_of  # noqa: PLC0415
    from fhenn.wire import read_message  # noqa: PLC0415

    into, out = list[float](), list[float]()
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as written, closing(kind(len(answer))) as worker:
        file.write(part)
        for _ in range(times):
            file.seek(0)
            start = worker.clock()
            message = read_message(file)
            assert message is not None
            UploadHeader.of(message)
            digest_of(message)
            worker.send(message)
            into.append(worker.clock() - start)
            worker.wait()
            start = worker.clock()
            received = worker.receive()
            digest_of(answer)
            written.seek(0)
            written.write(received)
            written.flush()
            out.append(worker.clock() - start)
    return median(into), median(out)


# reporting


def with_store(costs: Costs, store_in: float | None, store_out: float | None) -> Costs:
    """Costs with a store in the place of the pipe.

    store_in: seconds of the front end for a megabyte of a part; None for what was measured.
    store_out: the same of an answer.
    """
    if store_in is not None:
        costs = replace(costs, front_in=store_in * costs.part / 1e6)
    if store_out is not None:
        costs = replace(costs, front_out=store_out * costs.answer / 1e6)
    return costs


def table(costs: Costs, outcomes: dict[float, dict[int, Outcome]]) -> str:
    """What one plan costs, and how it scales, in Markdown."""
    took = np.array(costs.seconds) * 1e3
    low, middle, high = np.percentile(took, [5, 50, 95])
    lines = [
        f"{costs.name}: a part has {costs.samples:,} samples, {costs.part / 1e6:.2f} MB, its answer "
        f"{costs.answer / 1e6:.2f} MB; a worker takes {middle:.1f} ms (5 % to 95 %: {low:.1f} to {high:.1f}; "
        f"{', '.join(f'{name} {seconds * 1e3:.1f}' for name, seconds in costs.steps)}), the front end "
        f"{costs.front_in * 1e3:.2f} ms and {costs.front_out * 1e3:.2f} ms",
        "",
        "| workers |" + "".join(f" {link:g} Gbit/s |" for link in outcomes),
        "| --: |" + " --: |" * len(outcomes),
    ]
    for workers in next(iter(outcomes.values())):
        cells = (
            f"{each[workers].efficiency:.0%}, {each[workers].limit} ({each[workers].busy[each[workers].limit]:.0%})"
            for each in outcomes.values()
        )
        lines.append(f"| {workers} | {' | '.join(cells)} |")
    return "\n".join(lines)


def efficiencies(costs: Costs, outcomes: dict[float, dict[int, Outcome]]) -> Table:
    """How one plan scales, as a table to keep."""
    columns = tuple(Column(f"{link:g} Gbit/s", "%") for link in outcomes)
    rows = (
        Row((f"{workers} at work", *(100 * each[workers].efficiency for each in outcomes.values())))
        for workers in WORKERS
    )
    size = f"{costs.samples:,} samples of {costs.part / 1e6:.1f} MB a part, {1e3 * median(costs.seconds):.0f} ms"
    return Table(f"{costs.name}, {size}", columns, tuple(rows))


def plot(path: Path, found: Sequence[tuple[Costs, dict[float, dict[int, Outcome]]]]) -> None:
    """Draw efficiencies by the number of workers, a panel for each plan, and mark what limits."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    from fhenn.figures import style  # noqa: PLC0415

    colours = (style.OTHER, style.POLYNOMIAL, style.EXACT)
    markers = dict(zip(STATIONS, ("o", "s", "^"), strict=True))
    with style.matplotlib().rc_context(style.STYLE):
        figure = Figure(figsize=(3.4 * len(found), 3.4), layout="constrained")
        panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for panel, (costs, outcomes) in zip(panels, found, strict=True):
            for colour, (link, each) in zip(colours, outcomes.items(), strict=False):
                panel.plot(
                    list(each), [one.efficiency for one in each.values()], color=colour, label=f"{link:g} Gbit/s"
                )
                for workers, one in each.items():
                    face = colour if one.limit == "worker" else "white"
                    panel.plot(workers, one.efficiency, markers[one.limit], color=colour, mfc=face, markersize=5)
            panel.set(title=costs.name, xlabel="workers", xscale="log", ylim=(0, 1.05))
            panel.set_xticks(WORKERS, [str(each) for each in WORKERS])
            panel.minorticks_off()
        panels[0].set_ylabel("efficiency")
        lines, names = panels[0].get_legend_handles_labels()
        figure.legend(
            [*lines, *(_mark(mark, name == "worker", style.MEASURED) for name, mark in markers.items())],
            [*names, *(f"{name} is busiest" for name in markers)],
            loc="outside upper center",
            ncols=len(lines) + len(markers),
            frameon=False,
            columnspacing=1.4,
        )
        style.save(figure, path)


def _mark(mark: str, filled: bool, colour: str) -> Any:
    """A mark of the legend."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return Line2D([], [], color=colour, linestyle="", marker=mark, mfc=colour if filled else "white", markersize=5)


def main() -> None:
    """Measure or read what was measured, simulate, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="file for what is measured, JSON")
    parser.add_argument("--measured", type=Path, help="file of --keep, instead of measuring")
    parser.add_argument("--seconds", type=float, default=5.0, help="for which a worker is measured, for each plan")
    parser.add_argument("--parts", type=int, default=PARTS, help=f"of the batch; {PARTS:,} unless given")
    parser.add_argument("--ray", action="store_true", help="measure Ray's object store, not a pipe (extra ray)")
    parser.add_argument("--store-in", type=float, help="seconds of the front end for a MB of parts, as another store")
    parser.add_argument("--store-out", type=float, help="the same for answers")
    parser.add_argument("--plot", type=Path, help="picture to draw: .svg, .png or .pdf")
    given = parser.parse_args()
    if given.measured:
        rows = json.loads(given.measured.read_text())
        every = [
            Costs(**row | {"seconds": tuple(row["seconds"]), "steps": tuple(map(tuple, row["steps"]))}) for row in rows
        ]
    else:
        every = [measure(name, *each, given.seconds, _Ray if given.ray else _Pipe) for name, each in plans().items()]
    if given.keep:
        given.keep.write_text(json.dumps([asdict(costs) for costs in every]) + "\n")
    found, tables = [], []
    for costs in (with_store(each, given.store_in, given.store_out) for each in every):
        outcomes = {link: {count: simulate(costs, count, link, given.parts) for count in WORKERS} for link in LINKS}
        found.append((costs, outcomes))
        sys.stdout.write(table(costs, outcomes) + "\n\n")
        tables.append(efficiencies(costs, outcomes))
    if not given.measured:
        keep(recorded("scaling", tables, versions_of({})))
    if given.plot:
        plot(given.plot, found)


if __name__ == "__main__":
    main()
