"""What the TypeScript client is held to: plans, uploads and answers of Python, good ones and broken ones, in files.

Run as a program, it writes them into the folder that it is given.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from broken_client import write_broken
from numpy.typing import NDArray

import fhenn
from fhenn.artifacts import plan_to_bytes
from fhenn.nn import Node
from fhenn.planner import Plan

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A model with a plan, and rows for it.

    rows: (rows, features), as a client is given them.
    """

    name: str
    model: Node
    plan: Plan
    rows: Floats


def _weights(outputs: int, inputs: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(outputs, inputs)) / np.sqrt(inputs)


def _linear(outputs: int, inputs: int, seed: int = 0) -> fhenn.Linear:
    return fhenn.Linear(_weights(outputs, inputs, seed), np.linspace(-0.5, 0.5, outputs))


def _images(rows: int, shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(4).uniform(-1, 1, (rows, *shape)).reshape(rows, -1)


def _conv() -> Node:
    kernel = np.random.default_rng(2).normal(size=(2, 1, 3, 3)) / 3
    layers = [fhenn.Conv2d(kernel, padding=1, shape=(1, 6, 6)), fhenn.Square(), fhenn.AvgPool2d(2), fhenn.Flatten()]
    return fhenn.Sequential([*layers, fhenn.Linear(_weights(3, 18))], finish="softmax")


_WIDE = {"bounds": np.stack([np.linspace(-9, -1, 7), np.linspace(0.5, 40, 7)])}
_CONSTANT = {"bounds": np.array([[0.0, -1.0, 3.0], [0.0, 1.0, 3.0]])}

MODELS: dict[str, tuple[Callable[[], Node], dict[str, Any]]] = {
    "one": (lambda: fhenn.Linear([[1.0]]), {}),
    "regression": (lambda: _linear(1, 5), {}),
    "sigmoid-finish": (lambda: fhenn.Sequential([_linear(1, 30)], finish="sigmoid"), {}),
    "softmax-finish": (lambda: fhenn.Sequential([_linear(3, 4)], finish="softmax"), {}),
    "argmax-finish": (lambda: fhenn.Sequential([_linear(10, 16)], finish="argmax"), {}),
    "sigmoid": (lambda: fhenn.Sequential([_linear(1, 9), fhenn.Sigmoid()]), {}),
    "sigmoids": (lambda: fhenn.Sequential([_linear(4, 6), fhenn.Sigmoid()]), {"witness": True}),
    "hidden": (lambda: fhenn.Sequential([_linear(8, 6), fhenn.Square(), _linear(2, 8)]), {}),
    "hidden-witness": (lambda: fhenn.Sequential([_linear(8, 6), fhenn.Sigmoid(), _linear(2, 8)]), {"witness": True}),
    "two-hidden": (
        lambda: fhenn.Sequential([_linear(8, 5), fhenn.Square(), _linear(6, 8, 1), fhenn.Square(), _linear(3, 6, 2)]),
        {},
    ),
    "wide-bounds": (lambda: _linear(2, 7), _WIDE),
    "constants": (lambda: _linear(2, 3), _CONSTANT),
    "units": (lambda: fhenn.Linear([[3e9, 1e9], [1e-3, 2e-3]]), {"relative": True}),
    "shared": (lambda: _linear(2, 12), {"samples": 8, "rows": 8}),
    "tiles": (lambda: _linear(2, 300), {"upload": 4}),
    "many-tiles": (lambda: _linear(2, 5000), {}),
    "names": (lambda: _linear(1, 3), {"bounds": {"ä": [-1.0, 1.0], 'a "b"': [0.0, 2.0], "c\u2028": [-3.0, 0.0]}}),
    "images": (_conv, {}),
    "accurate": (lambda: _linear(3, 8), {"accuracy": 1e-6}),
    "shareable": (lambda: _linear(2, 4), {"queries": 10, "accuracy": 1e-2, "evaluator": "seal"}),
}
"""Twenty models, and what is asked of their plans in either layout."""

_FOR_LATENCY = frozenset({"samples", "upload"})


@cache
def case(name: str, layout: str) -> Case:
    """The case of a model in a layout."""
    make, options = MODELS[name]
    model = make()
    asked = {"bounds": [-1, 1]} | options
    if layout == "throughput":
        asked = {key: value for key, value in asked.items() if key not in _FOR_LATENCY}
    plan = fhenn.plan(model, layout=layout, **asked).public()
    return Case(f"{name}-{layout}", model, plan, rows_for(plan, 3))


@cache
def alarming(layout: str) -> Case:
    """A model whose activation takes what its samples bring, and rows that bring more, and far more."""
    model = fhenn.Sequential([_linear(4, 6), fhenn.Sigmoid(), _linear(2, 4)])
    samples = np.random.default_rng(5).uniform(-1, 1, (200, 6))
    asked: dict[str, Any] = {"inputs": samples, "bounds": [-1000, 1000], "layout": layout, "witness": True}
    if layout == "latency":
        asked |= {"samples": 4, "rows": 4}
    plan = fhenn.plan(model, ranges="data", **asked).public()
    rows = np.concatenate([samples[:5], 9 * samples[5:6], 1000 * samples[6:7], samples[7:10]])
    return Case(f"alarming-{layout}", model, plan, rows)


def rows_for(plan: Plan, count: int) -> Floats:
    """Rows within the bounds of a plan; the first two are its corners."""
    low, high = plan.bounds
    share = np.random.default_rng(1).uniform(size=(count, plan.features))
    share[:2] = [[0.0], [1.0]][: min(count, 2)]
    rows: Floats = low + share * (high - low)
    return np.clip(rows, low, high)


def cases() -> Iterator[Case]:
    """All of them."""
    for name in MODELS:
        for layout in ("latency", "throughput"):
            if (name, layout) != ("many-tiles", "throughput"):  # 5,000 ciphertexts: 'wide' tables are not for it
                yield case(name, layout)


def write_cases(folder: Path, every: Iterable[Case]) -> None:
    """Plans and rows of cases, and what the plans say."""
    told = {}
    for each in every:
        (folder / f"{each.name}.plan").write_bytes(plan_to_bytes(each.plan, each.model))
        (folder / f"{each.name}.rows").write_bytes(each.rows.astype("<f8").tobytes())
        plan = each.plan
        told[each.name] = {
            "rows": len(each.rows),
            "fingerprint": plan.fingerprint,
            "parameters": plan.parameters.fingerprint,
            "primes": [str(prime) for prime in plan.parameters.primes],
            "samplesPerCiphertext": plan.samples_per_ciphertext,
            "ciphertextsPerSample": plan.ciphertexts_per_sample,
            "bytesPerCiphertext": plan.bytes_per_ciphertext,
            "relinearisationLevel": plan.relinearisation_level,
            "rotationKeys": [list(each) for each in plan.rotation_keys.items()],
        }
    (folder / "cases.json").write_text(json.dumps(told))


def main(folder: Path) -> None:
    """Write all vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    write_cases(folder, cases())
    write_broken(folder, case("hidden-witness", "latency").plan, {each.name: each.plan for each in cases()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
