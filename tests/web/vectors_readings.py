"""Readings, with scores and the files that `fhenn decrypt` writes of them."""

from __future__ import annotations

import copy
import json
import random
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from vectors_common import HERE, ODD_NUMBERS, altered, bytes_of, given, suite, verdict

from fhenn.cli.infer import predictions
from fhenn.cli.tables import as_csv
from fhenn.errors import FhennError
from fhenn.interop import Reading
from fhenn.interop.reading import Maps
from fhenn.interop.reading.expressions import Scores
from fhenn.interop.reading.operations import Apply, Exceeds
from fhenn.interop.reading.operations import Function as FunctionName


def reading_case(name: str, text: str, scores: NDArray[np.float64], *, struck: bool = False) -> dict[str, Any]:
    """A reading, scores, and the file that `fhenn decrypt` writes of them."""
    reading = Reading.from_json(text)
    found: dict[str, Any] = {"name": name, "reading": text, "scores": bytes_of(scores), "outputs": scores.shape[1]}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = predictions(scores, reading, None)
        if struck:
            table = table.mask([0, 2])
    except FhennError as error:
        return found | {"error": type(error).__name__}
    return found | {
        "csv": as_csv(table),
        "struck": [0, 2] if struck else [],
        "hasProbabilities": reading.has_probabilities,
    }


def readings() -> Iterator[dict[str, Any]]:
    """Those of the golden files, of estimators, and of every kind of label."""
    folder = HERE.parent / "interop" / "reading" / "golden"
    rng = np.random.default_rng(0)
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        scores = np.array(document["scores"], dtype=np.float64)
        wide_scores = np.concatenate([scores, rng.normal(size=(40, scores.shape[1])) * 3, np.zeros_like(scores[:1])])
        yield reading_case(path.stem, document["reading"], wide_scores)
        yield reading_case(f"{path.stem}, struck", document["reading"], scores, struck=True)
    labels: Sequence[Any] = (
        [0, 1],
        np.array([1, 2, 200], dtype=np.uint8),
        [2**62, 2**53 + 1, -5],
        np.array([2**64 - 1, 3], dtype=np.uint64),
        [0.5, 1.0, 1e22],
        np.array([0.1, 1.5], dtype=np.float32),
        [False, True],
        ["=cmd", "-", "it's", "a,b", 'q"q'],
        ["\n", "é", ""],
        np.array(["x", "yy"], dtype=object),
        np.array(["x", 3], dtype=object),
    )
    for classes in labels:
        reading = Reading.classification(classes)
        for outputs in {len(reading.classes), 1 if len(reading.classes) == 2 else len(reading.classes)}:
            for word in (None, "softmax", "one-vs-rest", "modified-huber"):
                text = Reading.classification(classes, word).to_json()
                yield reading_case(f"{reading!r} {outputs}", text, rng.normal(size=(9, outputs)) * 2)
    yield reading_case("another width", Reading.classification([0, 1, 2]).to_json(), np.zeros((2, 2)))

    for dtype in ("int64", "bool", "float64", "uint8"):
        many = Reading.multilabel(["a", "b=", "c"], Maps(Exceeds(Scores((0, 1, 2)), 0.0, inclusive=False)), dtype=dtype)
        yield reading_case(f"labels of {dtype}", many.to_json(), rng.normal(size=(5, 3)))
    two = Maps(Scores((0, 1)))
    for pair in (([0, 1], ["a", "b"]), ([0, 1], [0.5, 1.0]), ([False, True], [3, 4]), (["x", "y"], [0.5, 2.0])):
        several = Reading.multioutput([Reading.classification(classes, maps=two) for classes in pair])
        yield reading_case(f"outputs {pair}", several.to_json(), rng.normal(size=(5, 2)))
    yield from expressions()


def expressions() -> Iterator[dict[str, Any]]:
    """Every operation, as a regression of it."""

    tests = suite("interop/reading/test_expressions.py")
    for expression, scores, _ in given(tests.test_an_operation_computes_what_it_says):
        maps = Maps(expression)
        rng = np.random.default_rng(1)
        rows = np.concatenate([[scores], rng.normal(size=(12, len(scores))), rng.uniform(0, 1, (6, len(scores)))])
        yield reading_case(f"operation {expression.op}", Reading.regression(maps=maps).to_json(), rows.astype(float))

    points = np.array([[value] for value in (*ODD_NUMBERS, *np.linspace(-9, 9, 73), 30.0, -30.0, 800.0, -800.0)])
    for name in get_args(FunctionName):
        text = Reading.regression(maps=Maps(Apply(Scores((0,)), name))).to_json()
        yield reading_case(f"function {name}", text, points)


def finishes() -> Iterator[dict[str, Any]]:
    """Scores of models without a reading."""
    rng = np.random.default_rng(3)
    for finish in (None, "sigmoid", "softmax", "argmax"):
        for outputs in (1, 3):
            scores = np.concatenate([rng.normal(size=(6, outputs)) * 4, [[800.0] * outputs], [[-800.0] * outputs]])
            csv_text = as_csv(predictions(scores, None, finish))
            yield {"finish": finish, "scores": bytes_of(scores), "outputs": outputs, "csv": csv_text}


CLASSES: Sequence[Sequence[Any]] = (
    [0.1, 1.5], [0.5, 65504.0], [0.5, 65520.0], [2.0**-24, 1.0], [2.0**-25, 1.0], [-1, 2], [0, 255], [0, 256], [0, 1.0],
    [2**63 - 1, 0], [2**63, 0], [2**64 - 1, 0], [True, False], [True, 2], ["a", "bc"], ["a", "b\0"],
    ["a", "日本"], ["a", 1], [0.0, -0.0], [1, 1.0], [1, True], [1e300, 2.0],
)  # fmt: skip
DTYPES = ("?", "|b1", "bool", "<i8", "int64", "int8", "i1", "|u1", "<u8", "<f8", "float64", "<f4", "<f2", "<U1", "<U2",
          "<U5", "|O", "O", "object", ">i8", "<U", "complex128", "<M8[D]", "S2", "i4,i4", "")  # fmt: skip


def strange_readings() -> Iterator[dict[str, Any]]:
    """Documents of strangers, and whether Python reads them."""
    tests = suite("interop/test_reading.py")
    base = json.loads(Reading.classification([0, 1], "sigmoid").to_json())
    texts = [json.dumps(base | change) for change in given(tests.test_other_json_is_refused)]
    texts += [json.dumps(base | {"classes": classes, "dtype": dtype}) for classes in CLASSES for dtype in DTYPES]
    texts += ["", "[]", "[" * 1000, '"a"', "null"]
    expressions_of = suite("interop/reading/test_expressions.py")
    for each in given(expressions_of.test_a_stranger_s_maps_are_refused):
        texts.append(expressions_of.changed(**(each if isinstance(each, dict) else each.values[0])))
    strangers = suite("interop/reading/test_strangers.py")
    rng = random.Random(0)
    texts += [altered(rng, copy.deepcopy(rng.choice(strangers.DOCUMENTS)), strangers.ODD) for _ in range(800)]
    for text in texts:
        error = verdict(lambda text=text: Reading.from_json(text))
        found: dict[str, Any] = {"text": text, "error": error, "read": []}
        if error is None:
            for outputs in (1, 2, 3, 4, 6):
                scores = np.linspace(-3, 3, 5 * outputs).reshape(5, outputs)
                found["read"].append(reading_case("", text, scores))
        yield found
