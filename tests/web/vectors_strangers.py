"""Preparations of strangers, and whether Python reads them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from prepared import TABLE, every
from vectors_common import altered, given, read, suite, verdict
from vectors_prepared import csv_of, prepared_rows

from fhenn.cli.tables import CsvFormat
from fhenn.errors import FhennError
from fhenn.interop import Preparation


def strange_preparations() -> Iterator[dict[str, Any]]:
    """Documents of strangers: those of the tests, and ones with a part changed at random."""
    tests = suite("interop/preparation/test_preparation.py")
    content = csv_of(list(TABLE), zip(*TABLE.values(), strict=True))
    texts = [tests.changed(change) for change in given(tests.test_other_json_is_refused)]
    deep: dict[str, Any] = {"step": "Union", "branches": [[]]}
    for _ in range(25):
        deep = {"step": "Union", "branches": [[deep]]}
    texts += ["", "[]", "{}", "[" * 1000, "[" + "1," * (1 << 20) + "1]", " " * (17 << 20)]
    texts += [tests.changed(lambda data: data.update(steps=[deep]))]
    texts += [tests.changed(lambda data: data.update(features=["a" * 600]))]
    texts += [
        every().to_json().replace("40.5", other) for other in ("NaN", "1e999", "Infinity", "041", "4.", ".5", "1e5")
    ]
    texts += [wide(kind) for kind in ("cells", "steps", "columns", "work")]
    texts += [broken(*each) for each in BROKEN]
    texts += [document([{"step": "Matrix", "weights": [[0] * size] * size}], size, size) for size in (300, 1030)]
    rng = random.Random(0)
    texts += [altered(rng, json.loads(every().to_json()), tests.STRANGE) for _ in range(600)]
    for text in texts:
        yield strange_preparation(text, content)


def strange_preparation(text: str, content: str) -> dict[str, Any]:
    error = verdict(lambda: Preparation.from_json(text))
    short = {"text": text} if len(text) < 1 << 20 else {"repeat": text[:8], "length": len(text)}
    if len(text) >= 1 << 20 and not text.startswith(" "):
        short = {"text": text}
    if error is not None:
        return {**short, "error": error}
    preparation = Preparation.from_json(text)
    table = read(content.encode(), CsvFormat(header=True))
    try:
        rows: Any = prepared_rows(preparation, table)
    except FhennError as refused:
        rows = type(refused).__name__
    return {**short, "error": None, "content": content, "rows": rows, "fingerprint": preparation.fingerprint}


def document(steps: Any, columns: int = 1, features: int = 1) -> str:
    return json.dumps(
        {
            "kind": "fhenn-preparation",
            "version": 1,
            "columns": [{"name": None, "kind": "number", "used": True}] * columns,
            "steps": steps,
            "features": [f"f{place}" for place in range(features)],
            "extra": False,
        }
    )


def wide(kind: str) -> str:
    """A preparation beyond a limit."""
    places = list(range(3000))
    return {
        "cells": lambda: document([{"step": "Select", "places": places}] * 100, 3000, 3000),
        "steps": lambda: document([{"step": "Select", "places": [0]}] * 5000),
        "columns": lambda: document([{"step": "Select", "places": [0]}], (1 << 17) + 1),
        "work": lambda: document(
            [
                {"step": "Sketch", "places": [[0]], "signs": [[1]], "components": 100_000, "gamma": 1.0, "coef0": 0.0},
                {"step": "Select", "places": [0]},
            ]
        ),
    }[kind]()


BROKEN: Sequence[tuple[str, dict[str, Any]]] = (
    ("OneHot", {"categories": [["a", "a"]], "slots": [[0, 1]], "sizes": [2], "unknown": [None]}),
    ("OneHot", {"categories": [[1.0, 2.0]], "slots": [[0, 1]], "sizes": [3], "unknown": [None]}),
    ("OneHot", {"categories": [[1.0, 2.0]], "slots": [[0, 2]], "sizes": [2], "unknown": [None]}),
    ("OneHot", {"categories": [[1.0, 1]], "slots": [[0, 1]], "sizes": [2], "unknown": [None]}),
    ("OneHot", {"categories": [[1.0]], "slots": [[0]], "sizes": [10**9], "unknown": [None]}),
    ("OneHot", {"categories": [[1.0]], "slots": [[0]], "sizes": [1], "unknown": [-1]}),
    ("Lookup", {"categories": [[1.0, True]], "codes": [[1.0, 2.0]], "unknown": [None]}),
    ("Lookup", {"categories": [[1.0]], "codes": [[1.0]], "unknown": ["errors"]}),
    ("Bins", {"edges": [[2.0, 1.0]]}),
    ("Bins", {"edges": [[1, 1]]}),
    ("Quantiles", {"quantiles": [[2.0, 1.0]], "references": [0.0, 1.0], "output": "normal"}),
    ("Quantiles", {"quantiles": [[2.0, 3.0]], "references": [0.0, 1.0], "output": "gamma"}),
    ("Quantiles", {"quantiles": [[1.0, 1.0, 3.0]], "references": [0, 0.5, 1], "output": "uniform"}),
    ("Spline", {"knots": [[1.0, 2.0, 3.0]], "degree": 1, "extrapolation": "error"}),
    ("Spline", {"knots": [[1.0, 2.0]], "degree": 0, "extrapolation": "error"}),
    ("Spline", {"knots": [list(range(99))], "degree": 17, "extrapolation": "error"}),
    ("Function", {"name": "eval"}),
    ("Function", {"name": "constructor"}),
    ("Normalize", {"norm": "l3"}),
    ("Matrix", {"weights": []}),
    ("Matrix", {"weights": [[]]}),
    ("Matrix", {"weights": [["1.0"]]}),
    ("Matrix", {"weights": [[2]], "bias": [1]}),
    ("Sketch", {"places": [[0]], "signs": [[2]], "components": 1, "gamma": 1.0, "coef0": 0.0}),
    ("Sketch", {"places": [[0]], "signs": [[1]], "components": 1, "gamma": -1.0, "coef0": 0.0}),
    ("Sketch", {"places": [[0]], "signs": [[1]], "components": 1, "gamma": 1, "coef0": 0}),
    ("CountWords", {"vocabulary": ["a"]}),
    ("Thermometer", {"thresholds": [[1.0, 1.0]]}),
    ("Thermometer", {"thresholds": [[1.0]], "missing": []}),
    ("Thermometer", {"thresholds": [[1.0]], "missing": [True, False]}),
    ("Thermometer", {"thresholds": [[1.0]], "sets": [[["a"]]]}),
    ("Thermometer", {"thresholds": [[]], "sets": [[[None]]]}),
    ("Impute", {"fill": ["a"]}),
    ("Impute", {"fill": [1], "missing": "x"}),
    ("IsMissing", {"places": [0], "new": 1}),
    ("IsMissing", {"places": [-1]}),
    ("Select", {"places": [0.0]}),
    ("Select", {"places": [2**63]}),
    ("Scale", {"subtract": [1, 2]}),
    ("Scale", {"subtract": [1]}),
    ("Clip", {"low": [1.0], "high": []}),
    ("Power", {"lambdas": [0.5], "method": "log"}),
    ("Polynomial", {"products": [[0] * 65]}),
    ("Kernel", {"kind": "rbf", "rows": [[1]], "gamma": 1, "degree": 2}),
)


def broken(name: str, fields: dict[str, Any]) -> str:
    return document([{"step": name, **fields}])
