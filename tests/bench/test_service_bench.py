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
from conftest import keep_table
from record import Column, Row, Table
from service_load import CONNECTIONS, MODEL, OWNERS, Load

import fhenn
from fhenn.backends import is_available

ROUNDS = 5


COLUMNS = (
    Column("owners"),
    Column("predictions", "/s"),
    Column("largest error", "error"),
    Column("keys", "MB"),
    Column("upload", "MB"),
)


@pytest.fixture(scope="module")
def rows() -> Iterator[list[Row]]:
    found = list[Row]()
    yield found
    keep_table("service", Table(f"service, {CONNECTIONS} connections, 2 workers", COLUMNS, tuple(found)))


@pytest.mark.parametrize(
    ("evaluator", "owners", "tls"),
    [("native", OWNERS, False), ("native", OWNERS, True), ("native", CONNECTIONS, False), ("seal", OWNERS, False)],
)
def test_requests_of_many_clients(tmp_path: Path, rows: list[Row], evaluator: str, owners: int, tls: bool) -> None:
    """The keys of 64 owners are more than one worker holds, and not more than both do."""
    if not is_available(evaluator):
        pytest.skip(f"the {evaluator} evaluator is not there")
    plan = fhenn.plan(MODEL, bounds=[-3, 3], accuracy=1e-2, evaluator=evaluator)
    with Load(tmp_path / evaluator, plan, owners, tls) as load:
        rate, error = median(load.per_second() for _ in range(ROUNDS)), load.error
    assert error <= plan.error
    name = f"logistic regression, {evaluator}, N={plan.parameters.ring_degree}{', over TLS' if tls else ''}"
    rows.append(Row((name, owners, rate, error, load.keys, load.upload)))
