"""Readings that any version of fhenn wrote are read by this one, and say the same."""

import json
from pathlib import Path

import numpy as np
import pytest

from fhenn.interop import Reading
from fhenn.interop.reading.operations import OPERATIONS

FILES = sorted((Path(__file__).parent / "golden").glob("*.json"))
DOCUMENTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_reading_of_any_version_says_the_same(name):
    document = DOCUMENTS[name]
    reading = Reading.from_json(document["reading"])
    assert reading.to_json() == document["reading"]
    scores = np.array(document["scores"])
    predicted = reading.predict(scores)
    if reading.task == "regression":
        np.testing.assert_allclose(predicted, document["predict"], rtol=1e-13)
    else:
        assert predicted.tolist() == document["predict"]
    for method in {"predict_proba", "decision_function"} & document.keys():
        for got, wanted in zip(getattr(reading, method)(scores), document[method], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-300)


def test_the_files_have_every_operation_and_version():
    steps = [json.loads(each["reading"]) for each in DOCUMENTS.values()]
    maps = [each.get("maps") for reading in steps for each in (reading, *reading.get("outputs", []))]
    assert {step["op"] for each in maps if each for step in each["steps"]} == OPERATIONS.keys()
    assert {reading["version"] for reading in steps} == {1, 2}
