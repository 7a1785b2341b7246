"""`fhenn plot roc`, `calibration`, `placement`, `levels`, and the figure of `fhenn compare`."""

import csv
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

import fhenn
from fhenn import artifacts, figures
from fhenn.cli import cli
from fhenn.cli.run import run
from fhenn.errors import ParameterError
from fhenn.interop.reading.compact import opposed
from fhenn.interop.reading.expressions import Scores
from fhenn.interop.reading.maps import Maps

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (40, 2))
SCORES = X @ [1.0, -1.0]
Y = np.where(SCORES + rng.normal(0, 0.3, 40) > 0, "yes", "no")


def write(path, names, *columns):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models of two classes, of three, and of images; a plan for the first and the last; tables."""
    here = tmp_path_factory.mktemp("plot")
    two = fhenn.Reading.classification(["no", "yes"], None, ["a", "b"])
    hidden = fhenn.Tanh((-3, 3), degree=5, on_violation="ignore")
    models = {
        "model": fhenn.ImportedModel([fhenn.Linear([[1.0, -1.0]]), hidden, fhenn.Linear([[1.0]])], two),
        "linear": fhenn.ImportedModel([fhenn.Linear([[1.0, -1.0]])], two),
        "three": fhenn.ImportedModel([fhenn.Linear(np.eye(3, 2))], fhenn.Reading.classification([0, 1, 2])),
        "images": fhenn.Sequential(
            [fhenn.Conv2d(np.ones((2, 1, 3, 3)) / 9), fhenn.Square(), fhenn.Conv2d(np.ones((2, 2, 3, 3)) / 9)],
            shape=(1, 8, 8),
        ),
    }
    for name, model in models.items():
        artifacts.write(here / f"{name}.fhenn", artifacts.model_to_bytes(model))
    for name, bounds in {"model": [-1, 1], "images": [0, 1]}.items():
        plan = fhenn.plan(models[name], bounds=bounds, accuracy=1e-2, layout="latency")
        artifacts.write(here / f"{name}_plan.fhenn", artifacts.plan_to_bytes(plan.public(), models[name]))
    spread = fhenn.plan(models["images"], bounds=[0, 1], accuracy=1e-2, layout="throughput")
    artifacts.write(here / "spread.fhenn", artifacts.plan_to_bytes(spread.public(), models["images"]))
    write(here / "records.csv", ["id", "a", "b", "kind"], range(40), *X.T, Y)
    write(here / "one.csv", ["a", "b", "kind"], *X.T, ["yes"] * 40)
    return here


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def invoke(line):
    return CliRunner().invoke(cli, line.split())


@pytest.mark.parametrize(
    "line",
    [
        "plot roc model.fhenn records.csv --label kind",
        "plot calibration model.fhenn records.csv",
        "plot levels model.fhenn --plan model_plan.fhenn",
        "plot placement images.fhenn --plan images_plan.fhenn --layer 2",
    ],
)
def test_each_writes_its_picture(tmp_path, line):
    target = tmp_path / "picture.svg"
    result = invoke(f"{line} -o {target}")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote {target}\n"
    assert target.stat().st_size > 5000


def test_without_a_file_a_window_opens(monkeypatch):
    seen = []
    monkeypatch.setattr(figures, "show", seen.append)
    assert invoke("plot levels model.fhenn --plan model_plan.fhenn").exit_code == 0
    assert len(seen) == 1


def test_roc_draws_exact_model_and_twin(monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "roc_figure", lambda *args, **options: drawn.append((args, options)))
    monkeypatch.setattr(figures, "show", lambda figure: None)
    assert invoke("plot roc model.fhenn records.csv --label kind").exit_code == 0
    (positive, scores), options = drawn[0]
    assert positive.tolist() == (Y == "yes").tolist()
    assert options == {"positive": "yes"}
    assert scores["exact"] == pytest.approx(np.tanh(SCORES))
    assert scores["twin"] == pytest.approx(fhenn.Tanh((-3, 3), degree=5).infer(SCORES))
    assert invoke("plot roc linear.fhenn records.csv --label kind").exit_code == 0
    assert list(drawn[1][0][1]) == ["exact"]  # which is its own twin


def test_compare_draws_too(tmp_path):
    target = tmp_path / "compared.png"
    result = invoke(f"compare model.fhenn records.csv --label kind --plan model_plan.fhenn --rows 4 --figure {target}")
    assert result.exit_code == 0, result.output
    assert f"wrote {target}" in result.stderr
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("words", "panels"), [("--label kind", 3), ("", 2)])
def test_the_figure_of_compare_has_roc_curves(monkeypatch, words, panels):
    drawn = []
    monkeypatch.setattr("fhenn.cli.compare.save", lambda figure, path: drawn.append(figure))
    result = invoke(f"compare model.fhenn records.csv {words} --plan model_plan.fhenn --figure x.png")
    assert result.exit_code == 0, result.output
    assert len(drawn[0].axes) == panels
    if panels == 3:
        names = [text.get_text() for text in drawn[0].axes[2].get_legend().texts]
        area = roc_auc_score(Y == "yes", np.tanh(SCORES))
        assert names[0] == f"exact, area {area:.4f}"
        assert [name.split(",")[0] for name in names] == ["exact", "twin", "encrypted"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plot roc three.fhenn records.csv --label kind", "three.fhenn does not tell two classes apart"),
        ("plot roc images.fhenn records.csv --label kind", "images.fhenn does not tell two classes apart"),
        ("plot roc model.fhenn records.csv --label nothing", "no column 'nothing'"),
        ("plot roc model.fhenn one.csv --label kind", "Give samples of both classes"),
        ("plot roc model.fhenn records.csv --label kind -o x.txt", "End the name in"),
        ("plot calibration linear.fhenn records.csv", "no activations"),
        ("plot placement model.fhenn --plan model_plan.fhenn --layer 3", "there are 2 maps, and"),
        ("plot placement images.fhenn --plan images_plan.fhenn --layer 9", "there are 2 maps of images"),
        ("plot placement images.fhenn --plan spread.fhenn", "Plan with --layout latency"),
        ("plot placement images.fhenn --plan model_plan.fhenn", "Plan again for this model"),
        ("plot levels linear.fhenn --plan model_plan.fhenn", "Plan again for this model"),
        ("plot levels model.fhenn", "plan.fhenn, which should hold a plan"),
        ("compare model.fhenn records.csv --figure x.txt", "End the name in"),
    ],
)
def test_mistakes_are_told(line, words, capsys):
    assert run(line.split()) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert words in said
    assert "=" not in said


@pytest.mark.parametrize(
    "line", ["plot roc model.fhenn records.csv", "plot roc model.fhenn", "plot placement --layer 0", "plot nothing"]
)
def test_usage(line):
    result = invoke(line)
    assert result.exit_code == 2
    assert "Error: " in result.output


@pytest.mark.parametrize(
    "line",
    [
        "plot roc model.fhenn records.csv --label kind",
        "plot calibration model.fhenn records.csv",
        "plot levels model.fhenn",
        "plot placement images.fhenn",
        "compare model.fhenn records.csv --figure x.svg",
    ],
)
def test_without_the_extra_it_is_named_at_once(line, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(line.split()) == 2
    assert "the extra plot brings it" in capsys.readouterr().err


def test_a_model_that_only_decides_has_no_curve():
    reading = fhenn.Reading.classification(["no", "yes"], maps=Maps(opposed(Scores((0,)))), features=["a", "b"])
    model = fhenn.ImportedModel([fhenn.Linear([[1.0, -1.0]])], reading)
    artifacts.write("decides.fhenn", artifacts.model_to_bytes(model))
    with pytest.raises(ParameterError, match="no scores that rank samples"):
        raise invoke("plot roc decides.fhenn records.csv --label kind").exception
