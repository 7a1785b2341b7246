"""Orion's perceptron 784-128-128-10 with x² beside HElayers and Orion v2: CPU seconds of one sample, error, keys.

Run with `python -m pytest tests/bench/test_squares_bench.py -q -o addopts=`. Peers take part where a Python has them:
this one, or the one that PEERS_PYTHON names, after `pip install pyhelayers onnx orion-v2-compiler orion-v2-evaluator`
(of Python 3.11 on Linux and x86-64). Each runs its own choice of parameters, at 128-bit security, in a process of its
own; fhenn is timed from bytes to bytes. Peaks of peers are those of client, compiler and server together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import peak_memory
import pytest
import square_networks
from conftest import keep_table
from record import Column, Row, Table

import fhenn
from fhenn.backends import is_available

ROUNDS = 7
SCRIPTS = {name: Path(__file__).with_name(f"{name}_network.py") for name in ("helayers", "orion")}
rng = np.random.default_rng(1)
MODEL, X = square_networks.orion(), rng.uniform(0, 1, (1, 784))
SEEN = rng.uniform(0, 1, (500, 784))


COLUMNS = (
    Column("CPU time", "ms"),
    Column("largest error", "error"),
    Column("keys", "MB"),
    Column("upload", "MB"),
    Column("peak memory", "GB"),
)


@dataclass
class Found:
    """Rows of the table, and versions of the peers that were there."""

    rows: list[Row] = field(default_factory=list)
    versions: dict[str, str | None] = field(default_factory=dict)

    def add(
        self, name: str, seconds: float, error: float, keys: float, upload: float, peak: float, peer: str = ""
    ) -> None:
        """Bytes come in, MB and GB are kept."""
        self.rows.append(Row((name, 1e3 * seconds, error, keys / 1e6, upload / 1e6, peak / 1e9), peer))


@pytest.fixture(scope="module")
def found() -> Iterator[Found]:
    kept = Found()
    yield kept
    keep_table("squares", Table("784-128-128-10, x², one sample", COLUMNS, tuple(kept.rows)), kept.versions)


@pytest.mark.parametrize("evaluator", ["native", "seal"])
def test_ours(evaluator: str, found: Found) -> None:
    if not is_available(evaluator):
        pytest.skip("it was not built")
    plan = fhenn.plan(MODEL, inputs=SEEN, bounds=[0, 1], ranges="data", rows=1, accuracy=1e-2, evaluator=evaluator)
    client = fhenn.Client(plan)
    keys, upload = client.evaluation_keys(), client.encrypt(X)
    server, seconds = fhenn.Server(MODEL, plan, keys), list[float]()
    for _ in range(ROUNDS + 1):
        start = process_time()
        answer = server.predict(upload)
        seconds.append(process_time() - start)
    error = float(np.abs(client.decrypt_scores(answer) - MODEL.infer(X)).max())
    peak = peak_memory.of_server(MODEL, plan, keys, upload)
    name = f"fhenn, {evaluator}, N={plan.parameters.ring_degree}"
    found.add(name, median(seconds[1:]), error, len(keys), len(upload), 1e9 * peak)


@pytest.mark.parametrize("peer", SCRIPTS)
def test_peers(peer: str, found: Found, tmp_path: Path) -> None:
    network = tmp_path / "network.npz"
    weights = {f"w{place}": node.weight for place, node in enumerate(MODEL.nodes[::2])}
    np.savez(network, x=X, **weights)
    command = [os.environ.get("PEERS_PYTHON", sys.executable), str(SCRIPTS[peer]), str(network), str(ROUNDS + 1)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"{peer} is not installed")
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    error = float(np.abs(np.array(said["scores"]) - MODEL.infer(X)[0]).max())
    library, version = said["name"].split()
    name = f"{said['name']}, N={said['ring_degree']}"
    found.versions[library] = version
    found.add(name, median(said["seconds"][1:]), error, said["keys"], said["upload"], said["peak"], library)
