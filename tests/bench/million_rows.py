"""A million rows through `fhenn encrypt`, `evaluate` and `decrypt`: seconds, CPU and memory of each command.

Run as a script: `python tests/bench/million_rows.py --rows 1000000 --ending csv`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
from record import Column, printed

import fhenn
from fhenn import artifacts
from fhenn.cli.tables import Table, write_table
from fhenn.interop import ImportedModel, Reading

FEATURES = 30
COLUMNS = Column("time", "s"), Column("CPU time", "s"), Column("most memory", "MB"), Column("written", "MB")
NAMES = tuple(f"feature_{place}" for place in range(FEATURES))


def resident_of(pids: Iterable[int]) -> int:
    """Bytes of memory that processes hold together; what they share counts once."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
            total += 1024 * int(text.split("Pss:")[1].split()[0])
        except (OSError, IndexError):  # it has ended
            continue
    return total


def family(pid: int) -> list[int]:
    """A process and those that it started, and those that these started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(each) for each in task.read_text("ascii").split()]
        except OSError:
            continue
        for child in children:
            found += family(child)
    return found


def measure(line: list[str], folder: Path) -> tuple[float, float, float]:
    """Run a command. Returns (seconds, seconds of CPU, peak of all its processes together in MB)."""
    before, peak = getrusage(RUSAGE_CHILDREN), 0
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fhenn", *line], cwd=folder, stdout=subprocess.DEVNULL)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, resident_of(family(process.pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    seconds, after = time.perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    if code:
        sys.exit(f"{line[0]} ended with {code}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, peak / 1e6


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ending", choices=("csv", "npy", "parquet"), default="csv")
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    draw = np.random.default_rng(0)
    reading = Reading.classification(["no", "yes"], "sigmoid", NAMES)
    model = ImportedModel([fhenn.Linear(draw.normal(size=(1, FEATURES)) / 10, [0.1])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1], rows=given.rows)
    client = fhenn.Client(plan)
    x = draw.uniform(-1, 1, (given.rows, FEATURES)).round(6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        artifacts.write(folder / "model.fhenn", artifacts.model_to_bytes(model))
        artifacts.write(folder / "plan.fhenn", artifacts.plan_to_bytes(plan, model))
        artifacts.write(folder / "secret.fhenn", client.secret_bytes(), private=True)
        client.keep_budget(folder / "secret.fhenn.budget")
        artifacts.write(folder / "keys.fhenn", client.evaluation_keys())
        table, out = f"rows.{given.ending}", f"out.{given.ending}"
        if given.ending == "csv":
            np.savetxt(folder / table, x, fmt="%.6f", delimiter=",", header=",".join(NAMES), comments="")
        else:
            write_table(folder / table, Table(NAMES, tuple(x.T)))
        twin = model.scores(x)
        del x
        workers = [] if given.workers is None else ["--workers", str(given.workers)]
        rows = [
            (line[0], *measure([*line, *workers], folder), (folder / file).stat().st_size / 1e6)
            for line, file in (
                (["encrypt", table], "upload.fhenn"),
                (["evaluate"], "answer.fhenn"),
                (["decrypt", "-o", out], out),
            )
        ]
        if given.ending == "npy":
            off = np.abs(np.load(folder / out) - twin).max()
            sys.stdout.write(f"largest error {off:.1e}\n")
        size = (folder / table).stat().st_size / 1e6
    total = ("together", *(sum(row[place] for row in rows) for place in (1, 2)), max(row[3] for row in rows), None)
    title = f"{given.rows:,} rows of {FEATURES}, {given.ending.upper()} of {size:.0f} MB"
    with printed("million-rows", title, COLUMNS) as found:
        for row in (*rows, total):
            found.add(*row)


if __name__ == "__main__":
    main()
