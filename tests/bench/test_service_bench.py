"""How many predictions a second the service gives to 64 connections at once, with two workers.

Run with `python -m pytest tests/bench/test_service_bench.py -q -o addopts=`. Owners have keys, a token and some of the
connections each, which stay open, and send a ciphertext that was made before, as `RemoteServer` sends it. They are one
thread of this process, on the same machine: what they take, the service lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from conftest import TABLES
from service_load import CONNECTIONS, MODEL, OWNERS, Load

import fhenn
from fhenn.backends import is_available

ROUNDS = 5


@pytest.fixture(scope="module")
def lines() -> Iterator[list[str]]:
    found = [
        f"| service, {CONNECTIONS} connections, 2 workers | owners | predictions/s | largest error | keys | upload |",
        "| --- |" + " --: |" * 5,
    ]
    yield found
    TABLES.append("\n".join(found))


@pytest.mark.parametrize(
    ("evaluator", "owners", "tls"),
    [("native", OWNERS, False), ("native", OWNERS, True), ("native", CONNECTIONS, False), ("seal", OWNERS, False)],
)
def test_requests_of_many_clients(tmp_path: Path, lines: list[str], evaluator: str, owners: int, tls: bool) -> None:
    """The keys of 64 owners are more than one worker holds, and not more than both do."""
    if not is_available(evaluator):
        pytest.skip(f"the {evaluator} evaluator is not there")
    plan = fhenn.plan(MODEL, bounds=[-3, 3], accuracy=1e-2, evaluator=evaluator)
    with Load(tmp_path / evaluator, plan, owners, tls) as load:
        rate, error = median(load.per_second() for _ in range(ROUNDS)), load.error
    assert error <= plan.error
    name = f"logistic regression, {evaluator}, N={plan.parameters.ring_degree}{', over TLS' if tls else ''}"
    lines.append(f"| {name} | {owners} | {rate:,.0f} | {error:.1e} | {load.keys:.1f} MB | {load.upload:.2f} MB |")
