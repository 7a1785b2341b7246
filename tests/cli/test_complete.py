"""What a shell's completion offers, asked as shells ask."""

import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete, get_completion_class

import fhenn
from fhenn import artifacts
from fhenn.cli import cli, run
from fhenn.service.model_store import ModelStore
from fhenn.service.tokens import Tokens


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with files of some kinds, tables and a store."""
    monkeypatch.chdir(tmp_path)
    for name in ("FHENN_STORE", "_FHENN_COMPLETE"):
        monkeypatch.delenv(name, raising=False)
    model = fhenn.Linear([[1.0]])
    plan = fhenn.plan(model, bounds=[-1, 1])
    contents = artifacts.model_to_bytes(model), artifacts.plan_to_bytes(plan.public(), model)
    for name, content in zip(("model.fhenn", "plan.fhenn"), contents, strict=True):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "net.fhenn").write_bytes(contents[0])
    (tmp_path / "damaged.fhenn").write_bytes(b"FHENN")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "deep.csv").write_text("a\n1\n")
    (tmp_path / "records.csv").write_text("age,mean radius,ill\n1,2,0\n")
    (tmp_path / "network.onnx").write_bytes(b"")
    store = ModelStore(tmp_path / "fhenn-store" / "models")
    store.add("heart", *contents)
    store.add("lung", *contents)
    Tokens(tmp_path / "fhenn-store" / "tokens").create("hospital-7")
    return tmp_path


def offered(line):
    """The values that are offered for the last word, which may be empty."""
    *words, last = line.split(" ")
    return [item.value for item in ShellComplete(cli, {}, "fhenn", "_FHENN_COMPLETE").get_completions(words, last)]


def of_files(line):
    *words, last = line.split(" ")
    items = ShellComplete(cli, {}, "fhenn", "_FHENN_COMPLETE").get_completions(words, last)
    return [item.type for item in items]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("tr", ["train"]),
        ("do", ["doctor"]),
        ("plan ", ["model.fhenn", "net.fhenn"]),
        ("plan n", ["net.fhenn"]),
        ("keygen ", ["plan.fhenn"]),
        ("evaluate --model m", ["model.fhenn"]),
        ("encrypt ", ["records.csv"]),
        ("encrypt data/", ["data/deep.csv"]),
        ("encrypt ./r", ["./records.csv"]),
        ("inspect ", ["damaged.fhenn", "model.fhenn", "net.fhenn", "plan.fhenn"]),
        ("import ", ["network.onnx"]),
        ("train records.csv --label ", ["age", "mean radius", "ill"]),
        ("train records.csv --label m", ["mean radius"]),
        ("train records.csv --label ill --drop a", ["age"]),
        ("encrypt records.csv --id i", ["ill"]),
        ("import network.onnx --inputs records.csv --labels il", ["ill"]),
        ("compare model.fhenn records.csv --label il", ["ill"]),
        ("plan --layout l", ["latency"]),
        ("plot sig", ["sigmoid", "sign-relu"]),
        ("model remove ", ["heart", "lung"]),
        ("model remove l", ["lung"]),
        ("model remove --store nowhere ", []),
        ("token create --model h", ["heart"]),
        ("token create ", ["hospital-7"]),
        ("decrypt --on-violation m", ["mask"]),
        ("completion z", ["zsh"]),
    ],
)
def test_it_offers_what_can_stand_there(here, line, values):
    found = offered(line)
    assert found == values


def test_versions_and_tokens(here):
    (name,) = [path.name for path in (here / "fhenn-store" / "models" / "heart").iterdir() if path.is_dir()]
    assert offered("model remove heart ") == [name]
    (path,) = (here / "fhenn-store" / "tokens").glob("*.json")
    assert offered("token revoke ") == [path.stem]
    items = ShellComplete(cli, {}, "fhenn", "_FHENN_COMPLETE").get_completions(["token", "revoke"], "")
    assert items[0].help == "hospital-7"
    path.write_bytes(b"\xff")
    assert offered("token revoke ") == [path.stem]


def test_where_nothing_fits_the_shell_offers_files(here):
    assert of_files("decrypt ") == ["file"]
    assert of_files("plan nowhere/") == ["file"]
    assert of_files("train records.csv -o ") == ["file"]
    assert offered("train none.csv --label ") == []
    assert offered("train --label ") == []


def test_bash_gets_quotes(here, monkeypatch):
    monkeypatch.setenv("_FHENN_COMPLETE", "bash_complete")
    assert offered("train records.csv --label m") == ["'mean radius'"]
    assert offered("train records.csv --label a") == ["age"]


def test_no_name_is_offered_for_every_command_without_importing_it():
    code = "from fhenn.cli import run; import sys; run([]); print('numpy' in sys.modules)"
    environment = os.environ | {"_FHENN_COMPLETE": "bash_complete", "COMP_WORDS": "fhenn ", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "plain,train" in done.stdout
    assert "numpy" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_of_click_has_its_script(capsys, shell):
    if get_completion_class(shell) is None:
        pytest.skip("not a shell of this version of click")
    assert run(["completion", shell]) == 0
    assert "_FHENN_COMPLETE" in capsys.readouterr().out


def test_it_says_how_to_install_it(capsys, monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert run(["completion"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["zsh", "fhenn", "completion", "zsh", ">>", "~/.zshrc", "this", "shell"]
    assert any("~/.bashrc" in line for line in lines)


def parameters(command, names=()):
    for name, each in getattr(command, "commands", {}).items():
        yield from parameters(each, (*names, name))
    for each in command.params:
        yield names, each


def test_every_file_that_is_read_is_offered_by_what_it_is():
    """What a command only writes, and files that are not of fhenn, are the shell's to complete."""
    others = {
        "output",
        "figure",
        "passphrase_file",
        "token_file",
        "cafile",
        "ssl_certfile",
        "ssl_keyfile",
        "security_log",
    }
    for names, each in parameters(cli):
        if isinstance(each.type, click.Path) and each.type.file_okay and each.name not in others:
            assert each._custom_shell_complete is not None or names in {("doctor",)}, (names, each.name)
