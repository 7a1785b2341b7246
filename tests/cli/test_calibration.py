"""`fhenn calibrate-machine`."""

import json

import pytest
from click.testing import CliRunner

from fhenn.cli.main import cli
from fhenn.errors import ParameterError
from fhenn.planner.machine import Machine


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("fhenn.cli.calibration.measure", lambda name, progress: Machine(name, SHIPPED.timings))


SHIPPED = Machine.shipped()


def test_it_writes_where_plans_look(tmp_path, monkeypatch):
    monkeypatch.delenv("FHENN_MACHINE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    result = CliRunner().invoke(cli, ["calibrate-machine"])
    assert result.exit_code == 0, result.output
    assert "rotation" in result.output
    assert str(tmp_path / "fhenn" / "machine.json") in "".join(result.output.split())
    assert Machine.known().name != SHIPPED.name


def test_json_and_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.json"
    result = CliRunner().invoke(cli, ["calibrate-machine", "-o", str(path), "--json"])
    found = json.loads(result.output)
    assert found["machine"] == str(path)
    assert found["seconds"]["rotation"] > found["seconds"]["plain product"] > 0
    assert Machine.from_json(path.read_bytes()).timings == SHIPPED.timings
    assert "FHENN_MACHINE" in CliRunner().invoke(cli, ["calibrate-machine", "-o", str(path)]).output


def test_nowhere_to_write(tmp_path):
    result = CliRunner().invoke(cli, ["calibrate-machine"])  # the tests take the shipped timings
    assert isinstance(result.exception, ParameterError)
    assert "--output" in str(result.exception)
    result = CliRunner().invoke(cli, ["calibrate-machine", "-o", str(tmp_path / "none" / "mine.json")])
    assert isinstance(result.exception, FileNotFoundError)
