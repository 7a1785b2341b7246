"""`fhenn plan` says what its plan costs, beside the next best ones."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import fhenn
from fhenn import artifacts
from fhenn.cli import run as run_main
from fhenn.cli.main import cli

rng = np.random.default_rng(2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model of 63 features, and 300 samples."""
    monkeypatch.chdir(tmp_path)
    model = fhenn.Linear(rng.normal(size=(2, 63)) / 63)
    artifacts.write("model.fhenn", artifacts.model_to_bytes(model))
    names = ",".join(f"x{place}" for place in range(63))
    np.savetxt("records.csv", rng.uniform(0, 1, (300, 63)), delimiter=",", header=names, comments="")
    (tmp_path / "bounds.json").write_text("[0, 1]")
    return tmp_path


def run(*words):
    result = CliRunner().invoke(cli, ["plan", *words])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def test_the_default_is_the_cheapest_for_the_samples_of_the_table(folder):
    found = json.loads(run("--bounds-from", "records.csv", "--json"))
    assert found["rows"] == 300
    assert found["cost"]["rows"] == 300
    assert found["alternatives"][0]["cost"] == found["cost"]
    assert found["alternatives"][0]["layout"] == found["layout"]
    assert 2 <= len(found["alternatives"]) <= 3
    assert found["reason"]
    written = artifacts.plan_from_bytes((folder / "plan.fhenn").read_bytes())
    assert written.rows == 300
    assert written.cost().up == found["cost"]["up"]


def test_rows_decide_and_candidates_stand_side_by_side(folder):
    found = {rows: json.loads(run("--bounds", "bounds.json", "--rows", rows, "--json")) for rows in ("1", "5000")}
    assert found["1"]["layout"] == "latency"
    assert found["5000"]["layout"] == "throughput"
    assert found["5000"]["cost"]["up"] < 10e6
    text = run("--bounds", "bounds.json", "--rows", "5000")
    assert "5,000 samples, by the timings of" in text
    lines = [line for line in text.splitlines() if line.startswith(("throughput, ", "latency, "))]
    assert len(lines) in (2, 3)
    assert "taken: throughput, 2,048 samples in 63 ciphertexts:" in text
    assert json.loads(run("--bounds", "bounds.json", "--json"))["rows"] == 1


def test_what_is_given_stays(folder):
    words = ["--bounds", "bounds.json", "--rows", "5000", "--json"]
    assert json.loads(run(*words, "--layout", "latency"))["layout"] == "latency"
    assert json.loads(run(*words, "--samples", "4"))["samples_per_ciphertext"] == 4
    assert json.loads(run(*words, "--upload", "8"))["ciphertexts_per_sample"] == 8


@pytest.mark.parametrize(("option", "what"), [("--max-upload-mb", "an upload"), ("--max-memory-mb", "the memory")])
def test_limits_speak_the_words_of_the_command_line(folder, capsys, option, what):
    assert run_main(["plan", "--bounds", "bounds.json", "--rows", "5000", option, "1"]) == 2
    error = capsys.readouterr().err
    assert what in error
    assert f"Allow more: {option} " in error
    assert "rows=" not in error
    assert "max_" not in error
    assert run_main(["plan", "--bounds", "bounds.json", "--rows", "5000", option, "0"]) == 2


@pytest.mark.filterwarnings("default::fhenn.errors.MachineWarning")
def test_a_broken_machine_is_warned_of(folder, capsys, monkeypatch):
    (folder / "machine.json").write_text("{")
    monkeypatch.setenv("FHENN_MACHINE", str(folder / "machine.json"))
    assert run_main(["plan", "--bounds", "bounds.json"]) == 0
    assert "fhenn calibrate-machine" in capsys.readouterr().err
