"""What the vectors for TypeScript's tables, preparations and readings have in common."""

from __future__ import annotations

import base64
import copy
import importlib.util
import json
import random
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.cli.tables import CsvFormat, Table, read_table
from fhenn.errors import FhennError

HERE = Path(__file__).resolve().parent
ODD_NUMBERS = (0.0, -0.0, 1e-300, -1e-300, 5e-324, 1e300, -1e15, 0.1, 1 / 3, 2.5, -2.5, 1e16, 123456789.123456789)


@cache
def suite(path: str) -> ModuleType:
    """A module of other tests, for the cases that they have."""
    spec = importlib.util.spec_from_file_location(f"web_vectors_of_{Path(path).stem}", HERE.parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def given(test: Any, place: int = 0) -> Sequence[Any]:
    """What a test is parametrised with. place: of the mark, from the function outwards."""
    marks = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return list(marks[place].args[1])


def bytes_of(values: NDArray[np.float64]) -> str:
    """Numbers as bytes, to the last bit."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


def read(content: bytes, form: CsvFormat, expected: Sequence[str] = ()) -> Table:
    """The table in the bytes of a file."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        return read_table(path, form, expected)


def verdict(make: Callable[[], Any]) -> str | None:
    """The name of the error; None where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make()
    except FhennError as error:
        return type(error).__name__
    return None


def altered(rng: random.Random, value: Any, odd: Sequence[Any]) -> str:
    """A document with some parts replaced, left out or doubled."""
    tests = suite("interop/reading/test_strangers.py")
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder, key = rng.choice(list(tests.parts(value)))
        change = rng.randrange(4)
        if change == 0:
            holder[key] = rng.choice(odd)
        elif change == 1:
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
            holder[key] += rng.choice((-1, 1, 0.5))
    return json.dumps(value)
