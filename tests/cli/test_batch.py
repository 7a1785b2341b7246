"""`fhenn batch`: a folder of uploads, on the cores of this machine, and where a cluster is asked for."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.errors import ClusterUnreachable, ExtraMissing

ROWS = {"monday": 2, "tuesday": 1}


@pytest.fixture
def at(tmp_path, monkeypatch):
    """A folder with a model, its plan, a client's keys and uploads."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    model = fhenn.Sequential([fhenn.Linear([[0.5, -0.25]], [0.1])])
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan)
    artifacts.write("model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write("plan.fhenn", artifacts.plan_to_bytes(plan))
    artifacts.write("keys.fhenn", client.evaluation_keys())
    (tmp_path / "uploads").mkdir()
    expected = {}
    for name, count in ROWS.items():
        x = rng.uniform(-1, 1, (count, 2))
        artifacts.write(f"uploads/{name}.fhenn", client.encrypt(x))
        expected[name] = model.predict(x)
    return tmp_path, client, expected


def run(*words):
    return CliRunner().invoke(cli, ["batch", *words])


def test_all_uploads_of_a_folder_are_answered(at):
    folder, client, expected = at
    result = run("uploads", "-o", "answers", "--workers", "2")
    assert (result.exit_code, result.stdout) == (0, "answered 2 of 2 uploads, 3 samples, in answers\n"), result.output
    for name, values in expected.items():
        found = client.decrypt((folder / f"answers/{name}.fhenn").read_bytes())
        assert np.abs(found - values).max() < 1e-3
    again = run("uploads", "-o", "answers", "--json")
    assert {each["status"] for each in json.loads(again.stdout)["uploads"]} == {"answered"}
    assert json.loads(again.stdout)["uploads"] == json.loads((folder / "answers/manifest.json").read_text())["uploads"]


def test_an_upload_without_an_answer_is_told(at):
    folder, _, _ = at
    (folder / "uploads/tuesday.fhenn").write_bytes(b"noise")
    result = run("uploads", "-o", "answers")
    assert result.exit_code == 1
    assert result.stdout.startswith("tuesday.fhenn: not a valid")
    assert result.stdout.endswith("answered 1 of 2 uploads, 2 samples, in answers\n")


@pytest.mark.parametrize("words", [["batch", "uploads", "-o", "answers"], ["evaluate", "uploads/monday.fhenn"]])
def test_an_unreachable_cluster_is_told_before_anything_is_written(at, words):
    folder, _, _ = at
    before = sorted(folder.iterdir())
    result = CliRunner().invoke(cli, [*words, "--ray", "127.0.0.1:9"])
    assert isinstance(result.exception, ClusterUnreachable | ExtraMissing)
    assert sorted(folder.iterdir()) == before
