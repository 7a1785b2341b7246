"""Tables, preparations and readings in TypeScript against those in Python, by files in both directions."""

import base64
import json
import warnings

import numpy as np
import pytest
from vitest import run_vitest

from fhenn.cli.tables import CsvFormat, read_table
from fhenn.interop import Preparation, Reading

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import vectors_data

CLOSE = 1e-12

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def folder(vectors):
    """Where the files are, after TypeScript has read those of Python and has written its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectors_data.write(vectors)
    run_vitest(vectors, "test/data")
    return vectors


def written(folder, name):
    return json.loads((folder / "from_js" / name).read_text(encoding="utf-8"))


def test_there_are_enough_of_each_kind(folder):
    cases = {
        name: json.loads((folder / "data" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("tables", "preparations", "strange_preparations", "readings", "strange_readings")
    }
    assert len(cases["preparations"]) >= 200
    assert sum(case["exact"] for case in cases["preparations"]) >= 90
    rows = [row for case in cases["preparations"] for table in case["tables"] for row in table["rows"]]
    for refusal in ("MissingValues", "CellRefused", "UnknownCategory"):
        assert rows.count(refusal) >= 20
    for name in ("strange_preparations", "strange_readings", "tables"):
        refused = [case.get("error") is not None for case in cases[name]]
        assert min(refused.count(True), refused.count(False)) >= 100
    assert len(cases["readings"]) >= 150


def test_features_that_typescript_prepares_are_those_of_python(folder):
    cases = written(folder, "prepared.json")
    assert len(cases) >= 200
    for case in cases:
        preparation = Preparation.from_json(case["preparation"])
        path = folder / "raw.csv"
        path.write_text(case["content"], encoding="utf-8")
        table = read_table(path, CsvFormat(**case["options"]), case["expected"])
        width = len(preparation.features)
        features = np.array(case["features"], dtype=np.float64).reshape(table.rows, width)
        ready = case["ready"]
        if not ready:
            continue
        raw = table.raw(preparation)
        kept = type(raw)(raw.names, tuple(column[ready] for column in raw.columns))
        wanted = preparation.prepare(kept, decimal=table.decimal)
        scale = np.maximum(np.abs(wanted).max(axis=1, keepdims=True, initial=0.0), 1.0)
        assert (np.abs(features[ready] - wanted) <= CLOSE * scale).all(), case["name"]
        assert np.isnan(np.delete(features, ready, axis=0)).all()


def test_files_of_words_come_back_as_they_were(folder):
    words = written(folder, "words.json")
    table = read_table(folder / "from_js" / "words.csv", CsvFormat(header=True))
    assert table.names == ("=name", "n", "k", "t", "none")
    assert list(table.columns[0]) == words
    assert list(table.columns[1]) == [repr(place / 3) for place in range(len(words))]
    assert list(table.columns[2]) == list(map(str, range(len(words))))
    assert list(table.columns[3]) == [str(place % 2 == 0) for place in range(len(words))]


def test_results_that_typescript_writes_are_those_of_python(folder):
    cases = written(folder, "results.json")
    assert len(cases) >= 150
    for case in cases:
        reading = Reading.from_json(case["reading"])
        path = folder / "results.csv"
        path.write_text(case["csv"], encoding="utf-8")
        table = read_table(path, CsvFormat(header=True))
        scores = np.frombuffer(base64.b64decode(case["scores"]), dtype="<f8").reshape(-1, case["outputs"])
        kept = [row for row in range(len(scores)) if row not in case["struck"]]
        assert table.rows == len(scores) or not kept
        with np.errstate(all="ignore"):
            predicted = np.asarray(reading.predict(scores))
        if reading.task != "classification" or any(label != str(label).strip() for label in map(str, reading.classes)):
            continue  # what is read of a file has no blanks around it
        found = list(table.column("prediction"))
        assert [found[row] for row in kept] == [str(predicted.tolist()[row]) for row in kept], case["name"]
