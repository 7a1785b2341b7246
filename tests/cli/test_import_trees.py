"""`fhenn import` of trees that XGBoost and LightGBM saved, from a raw table to predictions."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fhenn import artifacts, from_lightgbm
from fhenn.cli import cli
from fhenn.cli.run import run as run_command
from fhenn.errors import ParameterError, UnsupportedModel, WireFormatError

GOLDEN = Path(__file__).parents[1] / "interop/trees/golden"
LIGHTGBM, XGBOOST = "lightgbm-4.7-categories.txt", "xgboost-3.2-three.json"


def run(*args):
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def said(name):
    return json.loads((GOLDEN / f"{name}.expected").read_text(encoding="utf-8"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a raw table that has ids, texts, blanks and outcomes."""
    monkeypatch.chdir(tmp_path)
    found = said(LIGHTGBM)
    columns = {**found["samples"], "outcome": found["predict"], "patient": [f"p{row}" for row in range(20)]}
    with Path("raw.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return tmp_path


def test_from_trees_and_a_raw_table_to_predictions_with_ids(here):
    text = run("import", GOLDEN / LIGHTGBM, "--inputs", "raw.csv", "--labels", "outcome")
    assert "R² 1\n" in text
    run("plan", "--accuracy", 1e-6)  # bits need no bounds
    run("keygen", "plan.fhenn")
    run("encrypt", "raw.csv", "--id", "patient")
    run("evaluate", "upload.fhenn")
    run("decrypt", "answer.fhenn", "-o", "predictions.csv")
    with Path("predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["patient"] for row in rows] == [f"p{row}" for row in range(20)]
    np.testing.assert_allclose([float(row["prediction"]) for row in rows], said(LIGHTGBM)["predict"], atol=1e-5)


def test_data_tell_how_many_samples_come_and_widen_nothing(here):
    run("import", GOLDEN / LIGHTGBM)
    for options, rows in (((), 1), (("--bounds-from", "raw.csv"), 20)):
        run("plan", *options)
        plan = artifacts.plan_from_bytes(artifacts.read(Path("plan.fhenn")))
        assert plan.rows == rows
        assert not np.any(plan.low)
        assert np.all(np.equal(plan.high, 1))
    assert json.loads(run("certify", "model.fhenn", "--json"))["valid"]


def test_trees_of_xgboost_and_names_of_their_classes(here):
    np.save("x.npy", np.array(said(XGBOOST)["samples"]))
    np.save("y.npy", np.array(said(XGBOOST)["predict"])[:, None])
    shutil.copy(GOLDEN / XGBOOST, "TREES.JSON")
    found = json.loads(run("import", "TREES.JSON", "--inputs", "x.npy", "--labels", "y.npy", "--json"))
    assert found["score"] == 1.0
    assert found["conversion"] is None
    run("import", "TREES.JSON", "--classes", "a,b,c")
    model = artifacts.model_from_bytes(artifacts.read(Path("model.fhenn")))
    assert model.predict(said(XGBOOST)["samples"]).tolist() == ["abc"[each] for each in said(XGBOOST)["predict"]]
    Path("y.csv").write_text("\n".join(["y", *("abc"[each] for each in said(XGBOOST)["predict"])]), encoding="utf-8")
    with pytest.raises(ParameterError, match=r"labels .* are none of the model's classes, 0, 1, 2"):
        run("import", "TREES.JSON", "--inputs", "x.npy", "--labels", "y.csv")
    asked = ["import", "TREES.JSON", "--classes", "a,b,c", "--inputs", "x.npy", "--labels", "y.csv", "--json"]
    assert json.loads(run(*asked))["score"] == 1.0


@pytest.mark.parametrize(
    "options",
    [("--accuracy", 0.001), ("--depth", 4), ("--agreement", 0.9), ("--max-loss", 0), ("--inputs", "raw.csv")],
    ids=lambda options: options[0],
)
def test_nothing_about_trees_is_chosen(here, options):
    with pytest.raises(ParameterError, match=f"which are exact: nothing about them is chosen.*Leave {options[0]}"):
        run("import", GOLDEN / LIGHTGBM, *options)


def test_columns_of_categories_are_named(here, capsys):
    text = (GOLDEN / LIGHTGBM).read_text(encoding="utf-8")
    Path("model.txt").write_text(re.sub(r"\[-3\.1\S+\]", "[0:1]", text), encoding="utf-8")
    assert run_command(["import", "model.txt"]) == 2
    assert "names are not those of size. Supported: --categories with the names of" in capsys.readouterr().err
    run("import", "model.txt", "--categories", "colour, grade", "--inputs", "raw.csv", "--labels", "outcome")
    with pytest.raises(ParameterError, match=r"is no model of LightGBM.*Leave --categories out"):
        run("import", GOLDEN / XGBOOST, "--categories", "colour")


def test_the_first_rounds_are_taken(here):
    run("import", GOLDEN / LIGHTGBM, "--rounds", 1)
    model = artifacts.model_from_bytes(artifacts.read(Path("model.fhenn")))
    found = model.predict(said(LIGHTGBM)["samples"])
    assert np.array_equal(found, from_lightgbm(GOLDEN / LIGHTGBM, rounds=1).predict(said(LIGHTGBM)["samples"]))
    with pytest.raises(ParameterError, match="rounds must be a whole number from 1 to 3"):
        run("import", GOLDEN / LIGHTGBM, "--rounds", 4)
    Path("network.onnx").write_bytes(b"")
    with pytest.raises(ParameterError, match=r"holds no boosted trees\. Leave --rounds out"):
        run("import", "network.onnx", "--rounds", 1)


def test_what_is_refused(here):
    with pytest.raises(ParameterError, match="--labels needs the samples"):
        run("import", GOLDEN / LIGHTGBM, "--labels", "outcome")
    with pytest.raises(ParameterError, match="there is no column 'nothing'"):
        run("import", GOLDEN / LIGHTGBM, "--inputs", "raw.csv", "--labels", "nothing")
    Path("model.pickle").write_bytes(b"")
    with pytest.raises(ParameterError, match="ending of a file that is known"):
        run("import", "model.pickle")
    Path("model.json").write_text("{}", encoding="utf-8")
    with pytest.raises(WireFormatError, match="XGBoost model"):
        run("import", "model.json")
    text = (GOLDEN / LIGHTGBM).read_text(encoding="utf-8").replace("is_linear=0", "is_linear=1")
    Path("model.txt").write_text(text, encoding="utf-8")
    with pytest.raises(UnsupportedModel, match="without linear_tree"):
        run("import", "model.txt")


def test_a_refusal_is_one_line(here, capsys):
    Path("model.json").write_text("{}", encoding="utf-8")
    assert run_command(["import", "model.json"]) == 2
    assert capsys.readouterr().err.startswith("fhenn: not a valid XGBoost model:")
