"""`fhenn compare`: the same samples in the clear and encrypted, from files."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.cli.run import run as run_command
from fhenn.comparison import side_by_side
from fhenn.errors import (
    BoundsExceeded,
    FeatureMismatch,
    MissingValues,
    ParameterError,
    PlanError,
    ShapeMismatch,
    WireFormatError,
)

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (60, 3)).round(4)
Y = np.where(X @ [1, -1, 0.5] + rng.normal(0, 0.2, 60) > 0, "ill", "well")


def write(path, names, *columns):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))


def invoke(*words):
    return CliRunner().invoke(cli, ["compare", *map(str, words)])


def run(*words):
    """What the command prints as JSON."""
    result = invoke(*words, "--json")
    if result.exception is not None:
        raise result.exception
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of three named features and one without names, plans, and tables that fit and do not."""
    here = tmp_path_factory.mktemp("compare")
    reading = fhenn.Reading.classification(["ill", "well"], "sigmoid", ["age", "crp", "bmi"])
    nodes = [fhenn.Linear([[-1.0, 1.0, -0.5]])]
    model = fhenn.ImportedModel(nodes, reading)
    unnamed = fhenn.ImportedModel([fhenn.Linear([[-1.0, 1.0, -0.5]])], reading.named(None))
    other = fhenn.ImportedModel([fhenn.Linear([[-2.0, 1.0, -0.5]])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1], rows=60)
    bare = fhenn.Sequential([fhenn.Linear([[1.0, 1.0, 1.0]])])
    for name, each in {"model": model, "unnamed": unnamed, "other": other, "bare": bare}.items():
        artifacts.write(here / f"{name}.fhenn", artifacts.model_to_bytes(each))
    artifacts.write(here / "plan.fhenn", artifacts.plan_to_bytes(plan.public(), model))
    age, crp, bmi = X.T
    write(here / "records.csv", ["id", "bmi", "age", "crp", "kind"], [f"p{n}" for n in range(60)], bmi, age, crp, Y)
    write(here / "ordered.csv", ["a", "kind", "b", "c"], age, Y, crp, bmi)
    write(here / "far.csv", ["age", "crp", "bmi", "kind"], [0.5, 7.5], [0, 0], [0, 0], ["ill", "well"])
    write(here / "gap.csv", ["age", "crp", "bmi", "kind"], [0.5, 0.1], [0, 0], [0, 0], ["ill", ""])
    write(here / "narrow.csv", ["age", "crp", "kind"], [0.5], [0], ["ill"])
    write(here / "one.csv", ["age", "crp", "bmi", "kind"], *X[:20].T, ["ill"] * 20)
    write(here / "empty.csv", ["age", "crp", "bmi", "kind"])
    write(here / "labels.csv", ["kind"], Y)
    np.save(here / "x.npy", X)
    return here


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_the_numbers_are_those_of_the_decrypted_scores(folder):
    before = sorted(folder.iterdir())
    found = run("model.fhenn", "records.csv", "--label", "kind", "--plan", "plan.fhenn")
    assert sorted(folder.iterdir()) == before  # no keys, nor anything else
    model = artifacts.model_from_bytes((folder / "model.fhenn").read_bytes())
    scores = model.scores(X)
    assert found["samples"] == found["encrypted_samples"] == 60
    encrypted = found["encrypted"]
    assert encrypted["encrypted"]["score"] == encrypted["exact"]["score"] == accuracy_score(Y, model.predict(X))
    assert encrypted["encrypted"]["auc"] == pytest.approx(roc_auc_score(Y == "well", scores[:, 0]))
    assert 0 < encrypted["from_twin"]["largest"] <= found["plan"]["errors"][0]
    plan = artifacts.plan_from_bytes((folder / "plan.fhenn").read_bytes())
    assert found["plan"]["fingerprint"] == plan.fingerprint
    assert found["predicted"]["rows"] == 60
    assert found["secret_at_server"] is False


def test_for_people_it_is_a_table():
    result = invoke("model.fhenn", "records.csv", "--label", "kind", "--plan", "plan.fhenn")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("model.fhenn on records.csv: 60 samples, all encrypted\n")
    for words in ("exact        twin   encrypted", "accuracy", "unlike the exact model", "server: evaluate"):
        assert words in result.stdout


def test_without_a_plan_it_is_the_one_of_fhenn_plan(folder, tmp_path):
    line = ["plan", "model.fhenn", "--bounds-from", "records.csv", "-o", str(tmp_path / "made.fhenn")]
    assert CliRunner().invoke(cli, line).exit_code == 0
    made = artifacts.plan_from_bytes((tmp_path / "made.fhenn").read_bytes())
    found = run("model.fhenn", "records.csv", "--label", "kind")
    assert found["plan"]["fingerprint"] == made.fingerprint
    finer = run("model.fhenn", "records.csv", "--accuracy", "1e-6")
    assert finer["plan"]["errors"][0] <= 1e-6 < found["plan"]["errors"][0]


@pytest.mark.parametrize("name", ["native", "seal"])
def test_on_either_evaluator(name):
    assert fhenn.backends.is_available("native") or name == "seal"
    found = run("model.fhenn", "records.csv", "--evaluator", name, "--rows", 5)
    assert found["plan"]["evaluator"] == name
    assert found["encrypted_samples"] == 5
    assert found["encrypted"]["exceeded"] is False


def test_labels_and_features_are_found_wherever_they_are():
    named = run("model.fhenn", "records.csv", "--label", "kind")["all"]
    for words in (
        ("model.fhenn", "records.csv", "--label", "labels.csv"),
        ("unnamed.fhenn", "ordered.csv", "--label", "kind"),
        ("unnamed.fhenn", "x.npy", "--label", "labels.csv"),
    ):
        assert run(*words)["all"] == named


def test_a_regression():
    x, y = load_diabetes(return_X_y=True)
    x, y = x[:80, :4], y[:80]
    fitted = LinearRegression().fit(x, y)
    artifacts.write("regression.fhenn", artifacts.model_to_bytes(fhenn.from_sklearn(fitted)))
    write(Path("diabetes.csv"), ["a", "b", "c", "d", "y"], *x.T, y)
    found = run("regression.fhenn", "diabetes.csv", "--label", "y")
    assert found["measure"] == "R²"
    exact = found["encrypted"]["exact"]
    assert exact["score"] == pytest.approx(r2_score(y, fitted.predict(x)))
    assert exact["error"] == pytest.approx(mean_absolute_error(y, fitted.predict(x)))
    assert found["encrypted"]["encrypted"]["score"] == pytest.approx(exact["score"], abs=1e-3)


def test_several_targets():
    targets = np.column_stack([X @ [1, 2, 3], X @ [0, 1, -1]])
    fitted = LinearRegression().fit(X, targets)
    artifacts.write("targets.fhenn", artifacts.model_to_bytes(fhenn.from_sklearn(fitted)))
    write(
        Path("targets.csv"),
        ["a", "u", "b", "c", "v"],
        X[:, 0],
        targets[:, 0],
        *X.T[1:],
        targets[:, 1],
    )
    found = run("targets.fhenn", "targets.csv", "--label", "u", "--label", "v")
    assert found["encrypted"]["encrypted"]["score"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", ["linear", "trees", "perceptron"])
def test_raw_tables(tmp_path, kind):
    country = rng.choice(["FR", "DE", "IT", ""], 120)
    age = rng.integers(20, 80, 120)
    ill = np.where((country == "FR") | (age > 60), "yes", "no")
    table = tmp_path / "raw.csv"
    write(table, ["patient", "country", "age", "ill"], [f"p{n:03d}" for n in range(120)], country, age, ill)
    line = [
        "train",
        str(table),
        "--label",
        "ill",
        "--model",
        kind,
        "-o",
        str(tmp_path / "raw.fhenn"),
        "--held-out",
        "0",
    ]
    trained = CliRunner().invoke(cli, [*line, "--min-rows", "2"])
    assert trained.exit_code == 0, trained.output
    found = run(tmp_path / "raw.fhenn", table, "--label", "ill", "--rows", 4)
    model = artifacts.model_from_bytes((tmp_path / "raw.fhenn").read_bytes())
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] for row in rows] for name in ("country", "age")}
    columns["age"] = list(map(float, columns["age"]))
    columns["country"] = [each or None for each in columns["country"]]
    wanted = accuracy_score(ill, model.predict(columns))
    assert found["all"]["twin"]["score"] == wanted > 0.6
    assert found["encrypted_samples"] == 4
    assert found["encrypted"]["from_twin"]["differ"] == 0


def test_images(tmp_path):
    weights = rng.normal(size=(2, 1, 3, 3))
    nodes = [fhenn.Conv2d(weights), fhenn.Square(), fhenn.Flatten(), fhenn.Linear(rng.normal(size=(3, 72)) / 72)]
    model = fhenn.ImportedModel(nodes, fhenn.Reading.classification(["a", "b", "c"], "softmax"), shape=(1, 8, 8))
    artifacts.write(tmp_path / "images.fhenn", artifacts.model_to_bytes(model))
    images = rng.random((12, 1, 8, 8))
    np.save(tmp_path / "images.npy", images)
    write(tmp_path / "labels.csv", ["kind"], model.predict(images))
    words = (tmp_path / "images.fhenn", tmp_path / "images.npy", "--label", tmp_path / "labels.csv", "--rows", 2)
    found = run(*words, "--accuracy", "0.01")
    assert found["all"]["exact"]["score"] == found["encrypted"]["encrypted"]["score"] == 1
    assert found["samples"] == 12


def test_it_says_that_it_encrypted_some_alone(monkeypatch):
    monkeypatch.setattr(side_by_side, "MOST", 7)
    words = ("model.fhenn", "records.csv", "--plan", "plan.fhenn")
    assert "7 samples, spread over the table, are encrypted; --rows says how many" in invoke(*words).stderr
    assert "spread over" not in invoke(*words, "--rows", 5).stderr


def test_values_beyond_the_bounds_are_refused_or_clipped():
    words = ("model.fhenn", "far.csv", "--label", "kind", "--plan", "plan.fhenn")
    with pytest.raises(BoundsExceeded) as caught:
        run(*words)
    assert caught.value.names == ("age",)
    found = run(*words, "--clip")
    assert found["clipped"] == 1
    assert "1 value clipped" in invoke(*words, "--clip").stderr


def test_an_error_above_the_bound_ends_with_1(monkeypatch):
    real = side_by_side.measure

    def worse(*args, **options):
        found = real(*args, **options)
        found.scores[0] += 1
        return found

    monkeypatch.setattr(side_by_side, "measure", worse)
    result = invoke("model.fhenn", "records.csv", "--plan", "plan.fhenn", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["encrypted"]["exceeded"] is True


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("model.fhenn records.csv --label nothing", ParameterError, "no column 'nothing'"),
        ("model.fhenn x.npy --label kind", ParameterError, "Give labels in a file"),
        ("model.fhenn records.csv --label ordered.csv", ParameterError, "has 4 columns"),
        ("model.fhenn records.csv --label id", ParameterError, "none of the model's classes"),
        ("model.fhenn gap.csv --label kind", MissingValues, "Label or drop these rows"),
        ("model.fhenn narrow.csv --label kind", FeatureMismatch, "bmi"),
        ("unnamed.fhenn narrow.csv --label kind", ShapeMismatch, "3"),
        ("model.fhenn empty.csv --label kind", ParameterError, "no "),
        ("model.fhenn one.csv --label labels.csv", ShapeMismatch, "20 samples"),
        ("bare.fhenn x.npy --label labels.csv", ParameterError, "does not say what its scores mean"),
        ("other.fhenn records.csv --plan plan.fhenn", PlanError, "weights"),
        ("plan.fhenn records.csv", WireFormatError, "is a plan, where a model is needed"),
        ("model.fhenn records.csv --plan model.fhenn", WireFormatError, "is a model, where a plan is needed"),
        ("model.fhenn records.csv --plan plan.fhenn --accuracy 1", ParameterError, "Leave one of the two out"),
        ("model.fhenn records.csv --accuracy -1", ParameterError, "positive finite number"),
        ("model.fhenn records.txt", ParameterError, "ending of a table"),
    ],
)
def test_mistakes_are_typed_and_told(line, error, words, capsys):
    result = invoke(*line.split())
    assert isinstance(result.exception, error), result.output
    assert run_command(["compare", *line.split()]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert words in said


def test_one_class_alone_has_no_area():
    found = run("model.fhenn", "one.csv", "--label", "kind")
    assert found["encrypted"]["encrypted"]["auc"] is None


def test_a_model_without_a_reading_is_compared_by_its_scores():
    found = run("bare.fhenn", "x.npy")
    assert found["measure"] is None
    assert found["encrypted"]["from_twin"]["differ"] is None
