"""`Cost`: what a plan takes, before anything runs: seconds, bytes and memory for a number of samples.

Seconds are how often each step of the plan runs (`fhenn.planner.work`) times how long it takes (`Machine`). What is
left out is Python's own work, which shows where a ciphertext takes less than a millisecond.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from fhenn.errors import PlanError
from fhenn.planner.demands import (
    bytes_of_ciphertext,
    ciphertexts_of_outputs,
    memory_of_client,
    memory_of_server,
)
from fhenn.planner.machine import Machine, Primitive

if TYPE_CHECKING:
    from fhenn.planner.plan import Plan

BANDWIDTH = 12.5e6
"""Bytes a second between client and server, 100 Mbit/s, by which bytes and seconds are compared."""

UPLOADS = 10
"""Uploads among which the keys, and what else is done once for them, are shared out."""

_MADE = 0.4
"""Of a rescale: what a plaintext that is made of its coefficients takes (measured: 0.33 to 0.6, by kernels and rings).
It takes half a transform for each prime, where a rescale takes two."""

_FRAME = 450
"""Bytes of what a message says of itself, about."""


@dataclass(frozen=True)
class Cost:
    """What a plan takes for some samples in one upload. Make one with `Plan.cost`.

    rows: how many samples.
    client: seconds to encrypt them and decrypt the answer.
    server: seconds to read, compute and answer; plaintexts that are made at each use included.
    setup: seconds to make and load the keys and to encode the weights, once for a client.
    up: bytes of the upload.
    down: bytes of the answer.
    keys: bytes of the evaluation keys, once for a client.
    client_memory: bytes of memory that the client's process takes at its peak, Python and libraries included.
    server_memory: the same of the server's.
    machine: whose timings they are.
    """

    rows: int
    client: float
    server: float
    setup: float
    up: int
    down: int
    keys: int
    client_memory: float
    server_memory: float
    machine: str

    @property
    def memory(self) -> float:
        """Bytes of memory of the side that takes more."""
        return max(self.client_memory, self.server_memory)

    @property
    def seconds(self) -> float:
        """What plans are compared by: seconds of client, server and transfer, and a tenth of what keys take.

        Transfers at 100 Mbit/s; keys serve ten uploads.
        """
        keys = self.setup + self.keys / BANDWIDTH
        return self.client + self.server + (self.up + self.down) / BANDWIDTH + keys / UPLOADS

    def __str__(self) -> str:
        return (
            f"{count_of_rows(self.rows)}: server {seconds_text(self.server)}, client {seconds_text(self.client)}, "
            f"{bytes_text(self.up)} up, {bytes_text(self.down)} down; memory {bytes_text(self.memory)}"
        )


def cost_of(plan: Plan, rows: int, machine: Machine | None = None) -> Cost:
    """What a plan takes.

    plan: whose steps are known.
    rows: samples in one upload, 1 or more.
    machine: whose timings are taken; `Machine.known()` where None.

    Raises PlanError where the plan is of an older fhenn, which did not count its steps.
    """
    if not (plan.steps or plan.scaled):  # a model of zeros takes none
        raise PlanError("the plan does not say what the server does, as those of an older fhenn.", "Plan again.")
    machine = Machine.known() if machine is None else machine
    evaluator, parameters, ring_degree = plan.evaluator, plan.parameters, plan.parameters.ring_degree

    def seconds(primitive: Primitive, primes: int) -> float:
        return machine.seconds(primitive, ring_degree, primes, evaluator)

    top, groups = parameters.levels + 1, ceil(rows / plan.samples_per_ciphertext)
    sent = plan.ciphertexts_per_sample
    answered = answers_of(plan)
    steps = sum(each.count * seconds(each.kind, each.level + 1) for each in plan.steps if each.kind != "vector")
    vectors = [each for each in plan.steps if each.kind == "vector"]
    encoded = sum(each.count * seconds("vector", each.level + 1) for each in vectors)
    keeping = plan.find_evaluator()
    made = sum(
        each.count * _MADE * seconds("rescale", each.level + 1)
        for each in vectors
        if keeping.makes_weights(ring_degree, each.level, each.count)
    )
    read = sent * seconds("load upload", top)
    saved = sum(count * seconds("save", level + 1) for level, count in answered)
    opened = sum(count * (seconds("load", level + 1) + seconds("decrypt", level + 1)) for level, count in answered)
    # an upload, an answer around a result and witnesses, each with a header
    messages = seconds("message", top)
    keys = seconds("make context", top) + sum(
        count * (seconds("make key", level + 1) + seconds("load key", level + 1))
        for level, count in Counter(plan.rotation_keys.values()).items()
    )
    return Cost(
        rows=rows,
        client=groups * (sent * seconds("encrypt", top) + opened) + (2 + len(answered)) * messages,
        server=groups * (steps + made + read + saved) + (2 + len(answered)) * messages,
        setup=keys + encoded,
        up=groups * sent * plan.bytes_per_ciphertext + _FRAME,
        down=groups * sum(count * bytes_of_ciphertext(plan, level) for level, count in answered)
        + (1 + len(answered)) * _FRAME,
        keys=plan.bytes_of_keys,
        client_memory=memory_of_client(plan, rows),
        server_memory=memory_of_server(plan, rows),
        machine=machine.name,
    )


def answers_of(plan: Plan) -> list[tuple[int, int]]:
    """Ciphertexts that are answered for the samples that share ciphertexts: (level, how many).

    plan: of the model.
    """
    level = 0 if plan.result is None else plan.result.level
    outputs = ciphertexts_of_outputs(plan)
    return [(level, outputs), *((each.level, 1 if each.neurons > 1 else outputs) for each in plan.witnesses)]


def count_of_rows(rows: int) -> str:
    """A number of samples as people read it.

    rows: how many.
    """
    return count_of(rows, "sample")


def count_of(count: int, noun: str) -> str:
    """A number of things as people read it.

    count: how many.
    noun: one of them.

    >>> count_of(1, "ciphertext"), count_of(5000, "sample")
    ('1 ciphertext', '5,000 samples')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def seconds_text(seconds: float) -> str:
    """Seconds as people read them.

    seconds: 0 or more.

    >>> seconds_text(0.0123), seconds_text(75.0), seconds_text(2.5e-7)
    ('12 ms', '75 s', '0.25 µs')
    """
    if 0 < seconds < 1e-5:
        return f"{seconds * 1e6:.2g} µs"
    return (
        f"{seconds * 1e3:.2g} ms" if seconds < 0.0995 else f"{seconds:.2g} s" if seconds < 99.5 else f"{seconds:,.0f} s"
    )


def bytes_text(size: float) -> str:
    """Bytes as people read them.

    size: 0 or more.

    >>> bytes_text(123456.0), bytes_text(12345678)
    ('0.12 MB', '12 MB')
    """
    return f"{size / 1e6:.2g} MB" if size < 99.5e6 else f"{size / 1e6:,.0f} MB"
