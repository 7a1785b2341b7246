"""Times calls by the seconds of this process alone, so that others on the machine disturb them less."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import process_time
from typing import Any


def seconds(run: Callable[[], Any]) -> tuple[float, Any]:
    """How long `run` took, s, and what it gave."""
    start = process_time()
    result = run()
    return process_time() - start, result


def interleaved(
    contestants: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = process_time
) -> dict[str, float]:
    """Median seconds of each, taking turns within every round, after one round that does not count.

    contestants: what to run; one may return the seconds that it took elsewhere, as a float.
    clock: of this process's seconds of CPU, or of the wall's for what runs at once.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            start = clock()
            spent = run()
            taken[name].append(spent if isinstance(spent, float) else clock() - start)
    return {name: median(values[1:]) for name, values in taken.items()}
