"""The columns that `fhenn decrypt` writes for what a client makes of scores."""

import csv
import json

import numpy as np
import pytest

import fhenn
from fhenn import artifacts
from fhenn.cli import run
from fhenn.cli.infer import predictions
from fhenn.interop import ImportedModel, Reading
from fhenn.interop.reading import Maps
from fhenn.interop.reading.compact import complemented
from fhenn.interop.reading.expressions import Scores
from fhenn.interop.reading.operations import Apply, Columns, Exceeds

TWO = Scores((0, 1))
SHARES = Apply(TWO, "sigmoid")
MARKED = Exceeds(TWO, 0.0, inclusive=False)


def yes_or_no(place, *, probable=True):
    """The reading of one score among several."""
    share = complemented(Columns(SHARES, (place,)))
    return Reading.classification(["no", "yes"], maps=Maps(share, share if probable else None))


@pytest.mark.parametrize(
    ("reading", "columns"),
    [
        (Reading.regression(), ["prediction_0", "prediction_1", "score_0", "score_1"]),
        (Reading.regression(maps=Maps(Columns(TWO, (1,)))), ["prediction", "score_0", "score_1"]),
        (Reading.regression(flat=False, maps=Maps(Columns(TWO, (1,)))), ["prediction", "score_0", "score_1"]),
        (Reading.classification(["a", "b"]), ["prediction", "score_0", "score_1"]),
        (
            Reading.classification(["a", "b"], maps=Maps(SHARES, SHARES)),
            ["prediction", "p(a)", "p(b)", "score_0", "score_1"],
        ),
        (
            Reading.multilabel(["rain", "wind"], Maps(MARKED, SHARES)),
            ["prediction(rain)", "prediction(wind)", "p(rain)", "p(wind)", "score_0", "score_1"],
        ),
        (
            Reading.multilabel(["rain", "wind"], Maps(MARKED)),
            ["prediction(rain)", "prediction(wind)", "score_0", "score_1"],
        ),
        (
            Reading.multioutput([yes_or_no(0), yes_or_no(1)]),
            ["prediction_0", "prediction_1", "p_0(no)", "p_0(yes)", "p_1(no)", "p_1(yes)", "score_0", "score_1"],
        ),
        (
            Reading.multioutput([yes_or_no(0, probable=False), yes_or_no(1)]),
            ["prediction_0", "prediction_1", "score_0", "score_1"],
        ),
    ],
    ids=repr,
)
def test_every_answer_has_a_column(reading, columns):
    scores = np.array([[1.0, -2.0], [0.5, 3.0]])
    table = predictions(scores, reading, None)
    assert list(table.names) == columns
    found = dict(zip(table.names, table.columns, strict=True))
    predicted = np.asarray(reading.predict(scores)).reshape(2, -1)
    answers = [found[name] for name in columns if name.startswith("prediction")]
    assert [list(each) for each in answers] == predicted.T.tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two answers to one sample, its plan and keys."""
    here = tmp_path_factory.mktemp("outputs")
    reading = Reading.multioutput([yes_or_no(0), yes_or_no(1)], ["age", "dose"])
    model = ImportedModel([fhenn.Linear([[2.0, 0.0], [0.0, -1.0]])], reading)
    plan = fhenn.plan(model, bounds=[-2, 2])
    artifacts.write(here / "model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write(here / "plan.fhenn", artifacts.plan_to_bytes(plan, model))
    (here / "rows.csv").write_text("dose,age\n1.5,1\n-0.5,-1\n")
    return here


def test_several_answers_go_through_files(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for line in (
        ["keygen"],
        ["encrypt", "rows.csv"],
        ["evaluate"],
        ["decrypt", "-o", "out.csv"],
    ):
        assert run(line) == 0
    with (folder / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["prediction_0"], row["prediction_1"]) for row in rows] == [("yes", "no"), ("no", "yes")]
    assert float(rows[0]["p_0(yes)"]) == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-2)
    capsys.readouterr()
    for name in ("model.fhenn", "plan.fhenn"):
        assert run(["inspect", name, "--json"]) == 0
        details = json.loads(capsys.readouterr().out)["details"]
        assert details["task"] == "multioutput"
        assert details["classes"] == [["no", "yes"], ["no", "yes"]]
        assert details["on the client"].startswith("scores, apply, 2 × columns, scale")
        assert details["numbers that the client sees"] == 8
