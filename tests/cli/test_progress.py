"""Bars: on a terminal, of what takes a while, and nowhere else."""

import numpy as np
import pytest
from rich.console import Console

import fhenn
from fhenn import artifacts
from fhenn.cli import run
from fhenn.cli.show import progress, working


@pytest.fixture
def terminal(monkeypatch):
    """Standard error is a terminal, as far as bars know."""
    monkeypatch.setattr(Console, "is_terminal", property(lambda self: True))
    monkeypatch.setenv("TERM", "xterm")


def test_a_bar_of_an_unknown_length(terminal, capsys):
    with working(False, "plan"):
        pass
    assert "plan" in capsys.readouterr().err
    with working(True, "plan"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_bar_that_was_never_asked_for_is_not_shown(terminal, capsys):
    with progress():
        pass
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_there_is_none(capsys):
    with working(False, "plan"):
        pass
    assert capsys.readouterr() == ("", "")


def test_an_error_ends_it(terminal, capsys):
    with pytest.raises(ZeroDivisionError), working(False, "plan"):
        1 / 0  # noqa: B018
    assert capsys.readouterr().out == ""


LINES = {
    "train records.csv --label c --folds 2": "read",
    "plan --bounds-from records.csv": "plan",
    "certify": "certify",
    "keygen": "keys",
    "encrypt records.csv": "encrypt",
    "evaluate": "evaluate",
    "decrypt -o p.csv": "decrypt",
    "compare model.fhenn records.csv": "plan",
    "doctor": "check",
    "demo": "train",
}


def test_every_step_of_a_session_has_one(terminal, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(40, 2))
    lines = [f"{a:.3f},{b:.3f},{int(a > b)}" for a, b in rows]
    (tmp_path / "records.csv").write_text("\n".join(["a,b,c", *lines]) + "\n")
    for line, what in LINES.items():
        assert run(line.split()) == 0, line
        err = capsys.readouterr().err
        assert "━" in err, line
        assert what in err, line


def test_an_import_has_one(terminal, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(
        __import__("fhenn.cli.build", fromlist=["_TREES"])._TREES,
        ".json",
        lambda source, classes, rounds: fhenn.interop.ImportedModel(
            [fhenn.Linear([[1.0]])], fhenn.interop.Reading.classification(["a", "b"], "sigmoid", None)
        ),
    )
    (tmp_path / "trees.json").write_text("{}")
    assert run(["import", "trees.json"]) == 0
    assert "import" in capsys.readouterr().err
    assert artifacts.header_of(tmp_path / "model.fhenn").kind == "model"
