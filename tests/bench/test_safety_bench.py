"""What range safety costs: the guard on plaintext, the witness on ciphertexts, contestants taking turns."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import process_time

import numpy as np
from conftest import keep_table
from record import Column, Row, Table

import fhenn
from fhenn.safety import observe

VALUES = 1_000_000


def medians(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each, of interleaved rounds, and of what "with" takes more in a round."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 2):
        for name, run in contestants.items():
            start = process_time()
            run()
            seconds[name].append(process_time() - start)
    times = {name: median(values[2:]) for name, values in seconds.items()}
    return times | {"more": median(b - a for a, b in zip(seconds["without"][2:], seconds["with"][2:], strict=True))}


def test_safety():
    x = np.random.default_rng(0).uniform(-4, 4, VALUES)
    ignoring, warning = fhenn.Sigmoid(on_violation="ignore"), fhenn.Sigmoid()
    plain = medians({"without": lambda: ignoring.infer(x), "with": lambda: warning.infer(x)}, 201)
    rows = [_row("guard, twin's forward on 1,000,000 values", plain)]
    for layout, features in (("throughput", 1), ("latency", 30)):
        weight = np.random.default_rng(0).normal(size=(1, features)) / features
        model = fhenn.Sequential([fhenn.Linear(weight), fhenn.Sigmoid()])
        plan = fhenn.plan(model, bounds=[-4, 4], layout=layout, witness=True)
        client = fhenn.Client(plan)
        server = fhenn.Server(model, plan, client.evaluation_keys())
        upload = client.encrypt(np.random.default_rng(1).uniform(-4, 4, (1, features)))
        hidden = model.nodes[0].infer(fhenn.CipherArray.from_bytes(server.context, upload))
        node, witness = model.nodes[1], plan.witnesses[0]
        both = medians(
            {"without": lambda: node.infer(hidden), "with": lambda: observe(node, hidden, witness)},  # noqa: B023
            41,
        )
        chain = ", ".join(map(str, plan.parameters.chain))
        rows.append(_row(f"witness, encrypted sigmoid, N={plan.parameters.ring_degree} [{chain}]", both))
    columns = Column("without", "ms"), Column("with", "ms"), Column("costs", "%")
    keep_table("safety", Table("range safety", columns, tuple(rows)))


def _row(name: str, times: dict[str, float]) -> Row:
    share = times["more"] / times["without"]
    return Row((name, 1e3 * times["without"], 1e3 * times["with"], 100 * share))
