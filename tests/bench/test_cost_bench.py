"""What plans say that they cost, beside what they then take.

Run with `python -m pytest tests/bench/test_cost_bench.py -q -o addopts=`, after `fhenn calibrate-machine` where the
machine is not the one that the shipped timings are from. Seconds are of the process alone, so that others on the
machine disturb them less. Memory is that of a process with the server alone, its Python and libraries included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import peak_memory
import pytest
from conftest import keep_table
from record import Column, Row, Table
from timing import seconds

import fhenn

rng = np.random.default_rng(0)


def dense(outputs: int, inputs: int) -> fhenn.Linear:
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / inputs**0.5 / 3, rng.normal(size=outputs) / 5)


def sigmoid() -> fhenn.Sigmoid:
    return fhenn.Sigmoid(on_violation="ignore")


REGRESSION = fhenn.Sequential([dense(1, 30), sigmoid()])
PERCEPTRON = fhenn.Sequential([dense(128, 784), sigmoid(), dense(10, 128)])
DIGITS = fhenn.Sequential([dense(32, 64), sigmoid(), dense(10, 32)])
SQUARES = fhenn.Sequential([dense(128, 784), fhenn.Square(), dense(128, 128), fhenn.Square(), dense(10, 128)])
WIDE = fhenn.Sequential([dense(2, 63)], finish="argmax")

ROWS: dict[str, tuple[fhenn.Sequential, int, dict[str, Any]]] = {
    "regression, one sample": (REGRESSION, 1, {}),
    "regression, 8 ciphertexts": (REGRESSION, 1, {"upload": 8}),
    "regression, finish on the client": (fhenn.Sequential([dense(1, 30)], finish="sigmoid"), 1, {}),
    "regression, 4,096 samples": (REGRESSION, 4096, {"layout": "throughput", "accuracy": 1e-5}),
    "perceptron, one ciphertext": (PERCEPTRON, 1, {}),
    "perceptron, 25 ciphertexts": (PERCEPTRON, 1, {"upload": 25}),
    "digits, latency": (DIGITS, 1797, {"samples": 64, "accuracy": 1e-2}),
    "digits, throughput": (DIGITS, 1797, {"layout": "throughput", "accuracy": 1e-2}),
    "digits, witness": (DIGITS, 64, {"samples": 64, "accuracy": 1e-2, "witness": True}),
    "784-128-128-10, squares": (SQUARES, 1, {"accuracy": 10.0}),
    "63 features, 5,000 samples": (WIDE, 5000, {"layout": "throughput"}),
}


COLUMNS = (
    *(Column(name, "×") for name in ("server", "client", "once", "up", "down", "keys", "memory")),
    Column("server took", "ms"),
)


@pytest.fixture(scope="module")
def rows_found():
    found = []
    yield found
    keep_table("cost", Table("predicted/measured", COLUMNS, tuple(found)))


@pytest.mark.parametrize("name", ROWS)
def test_predicted_beside_measured(name, rows_found):
    model, rows, wish = ROWS[name]
    x = rng.uniform(0, 1, (rows, model.nodes[0].inputs))
    plan = fhenn.plan(model, bounds=[0, 1], **({"layout": "latency", "upload": 1, "samples": 1} | wish))
    cost = plan.cost(rows)
    made, client = seconds(lambda: fhenn.Client(plan))
    keys = client.evaluation_keys()
    loaded, server = seconds(lambda: fhenn.Server(model, plan, keys))
    encrypted, upload = seconds(lambda: client.encrypt(x))
    first, answer = seconds(lambda: server.predict(upload))
    warm = min(seconds(lambda: server.predict(upload))[0] for _ in range(5))
    decrypted, _ = seconds(lambda: client.decrypt_scores(answer, range_check=False))
    peak = peak_memory.of_server(model, plan, keys, upload)
    ratios = [
        cost.server / warm,
        cost.client / (encrypted + decrypted),
        cost.setup / (made + loaded + first - warm),
        cost.up / len(upload),
        cost.down / len(answer),
        cost.keys / len(keys),
        cost.server_memory / 1e9 / peak,
    ]
    assert 0.5 < ratios[0] < 2
    rows_found.append(Row((f"{name}, N={plan.parameters.ring_degree}", *ratios, 1e3 * warm)))
