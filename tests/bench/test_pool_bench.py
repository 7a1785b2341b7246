"""`LocalPool` with two workers beside one `Server`, on the same parts in the same run.

Run with `python -m pytest tests/bench/test_pool_bench.py -q -o addopts=`, on two cores that nobody else uses: the clock
on the wall counts, since the seconds of a process say nothing of what runs at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np
import pytest
from conftest import keep_table
from record import Column, Row, Table
from timing import interleaved

import fhenn
from fhenn.backends import is_available

FEATURES, ROUNDS = 30, 5
COLUMNS = Column("`Server`, a part", "ms"), Column("`LocalPool(workers=2)`", "ms"), Column("faster", "×")


def regression(rng: np.random.Generator) -> fhenn.Sequential:
    return fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, FEATURES)) / FEATURES, [0.1])], finish="sigmoid")


def perceptron(rng: np.random.Generator) -> fhenn.Sequential:
    hidden = fhenn.Linear(rng.normal(size=(16, FEATURES)) / FEATURES)
    return fhenn.Sequential([hidden, fhenn.Sigmoid(), fhenn.Linear(rng.normal(size=(1, 16)) / 4)])


WORK = {
    "logistic regression, 4096 samples": (regression, {"layout": "throughput"}, 4096, 12),
    "logistic regression, 10,240 samples": (regression, {"layout": "throughput"}, 10_240, 6),
    "perceptron, 8 samples": (perceptron, {"layout": "latency", "accuracy": 1e-2}, 8, 8),
}
"""Name: model, options of its plan, samples a part, parts."""


def row_of(name: str, evaluator: str) -> Row:
    make, options, samples, count = WORK[name]
    rng = np.random.default_rng(0)
    model = make(rng)
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator=evaluator, **options)
    client = fhenn.Client(plan)
    keys = client.evaluation_keys()
    server = fhenn.Server(model, plan, keys)
    x = rng.uniform(-1, 1, (samples * count, FEATURES))
    parts = list(parts_of(client, x, samples))
    with fhenn.LocalPool(model, plan, keys, workers=2) as pool:
        assert list(pool.predict_stream(parts)) == list(server.predict_stream(parts))  # both have encoded all weights
        times = interleaved(
            {
                "server": lambda: [None for _ in server.predict_stream(parts)] and None,
                "pool": lambda: [None for _ in pool.predict_stream(parts)] and None,
            },
            ROUNDS,
            perf_counter,
        )
    alone, together = (1e3 * times[each] / count for each in ("server", "pool"))
    return Row((f"{name} a part", alone, together, alone / together))


def parts_of(client: fhenn.Client, x: np.ndarray, samples: int) -> Iterator[bytes]:
    """A stream whose parts have so many samples."""
    plan = client.plan
    size = samples // plan.samples_per_ciphertext * plan.ciphertexts_per_sample * plan.bytes_per_ciphertext
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fhenn.session.encryption._PART", size)
        yield from client.encrypt_stream(x)


@pytest.mark.parametrize("evaluator", ["native", "seal"])
def test_two_workers_beside_one_server(evaluator):
    if not is_available(evaluator):
        pytest.skip(f"the {evaluator} evaluator is not there")
    keep_table("pool", Table(evaluator, COLUMNS, tuple(row_of(name, evaluator) for name in WORK)))
