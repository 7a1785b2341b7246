import json
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import fhenn
from fhenn.cli import cli

runner = CliRunner()


def test_demo_prints_a_table():
    result = runner.invoke(cli, ["demo"])
    assert result.exit_code == 0, result.output
    for words in ("accuracy, exact sigmoid", "accuracy, ciphertexts", "outside [-4, 4]", "time to evaluate", "MB"):
        assert words in result.output


def test_demo_prints_json_and_nothing_else():
    result = runner.invoke(cli, ["demo", "--json"])
    assert json.loads(result.stdout)["samples"] == 143
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "-h"], ["plot", "--help"], ["approx", "--help"]])
def test_help_teaches(arguments):
    result = runner.invoke(cli, arguments)
    assert result.exit_code == 0
    assert "Usage" in result.output


def commands():
    """(names, command) of every command and subcommand."""
    waiting = [((), cli)]
    while waiting:
        names, command = waiting.pop()
        yield names, command
        waiting += [((*names, name), each) for name, each in getattr(command, "commands", {}).items()]


@pytest.mark.parametrize(("names", "command"), list(commands()), ids=repr)
def test_every_help_reads_well(names, command):
    text = runner.invoke(cli, [*names, "--help"]).output
    assert "..." not in re.sub(r"COMMAND\]? \[ARGS\]\.\.\.", "", text)  # no first line is cut in a list of commands
    assert max(map(len, text.splitlines())) <= 80
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{parameter.opts[0]} of {names} says nothing"


def test_exit_codes_are_documented():
    text = runner.invoke(cli, ["--help"]).output
    assert [line.split()[0] for line in text.splitlines() if line[:9].strip().isdigit()] == ["0", "1", "2", "3", "130"]
    assert "--json" in text
    for name in ("certify", "compare", "decrypt", "inspect"):
        assert "Ends with 1" in " ".join(runner.invoke(cli, [name, "--help"]).output.split())


def test_help_of_the_demo_names_its_steps():
    text = runner.invoke(cli, ["demo", "--help"]).output
    assert "without the secret key" in text
    assert "3. encrypt" in text


def test_version():
    assert fhenn.__version__ in runner.invoke(cli, ["--version"]).output


@pytest.mark.parametrize(
    "arguments", [["demo", "--seed", "-1"], ["demo", "--sed"], ["nothing"], ["plot", "cosine", "-o", "x.svg"], ["plot"]]
)
def test_a_users_mistake_is_a_usage_error(arguments):
    result = runner.invoke(cli, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def _run(*arguments, code="pass"):
    return subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; sys.argv = ['fhenn', *{arguments!r}]; "
         "from fhenn.__main__ import main; main()"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_module_runs():
    done = subprocess.run([sys.executable, "-m", "fhenn", "--version"], capture_output=True, text=True, check=True)
    assert "fhenn, version" in done.stdout


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_the_extra_it_says_how_to_install_it(package):
    done = _run("demo", code=f"sys.modules[{package!r}] = None")
    assert done.returncode == 2
    assert "the extra cli brings it. Run pip install " in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("plot sigmoid -o nowhere/node.svg", "the folder nowhere does not exist. Create it first."),
        ("approx sigmoid --domain 8 -8 --degree 3", "domain 8 -8 is empty. Give LOW HIGH with LOW < HIGH."),
    ],
)
def test_errors_are_one_line(arguments, message):
    done = _run(*arguments.split())
    assert done.returncode == 2
    assert done.stderr == f"fhenn: {message}\n"


@pytest.mark.thorough
def test_plot_without_matplotlib_or_a_display():
    assert "the extra plot" in _run("plot", "sigmoid", "-o", "node.svg", code="sys.modules['matplotlib'] = None").stderr
    done = _run("plot", "sigmoid", code="import os; os.environ['MPLBACKEND'] = 'agg'")
    assert done.returncode == 2
    assert done.stderr == "fhenn: there is no display to open a window on. Write a file instead: -o FILE.svg.\n"
    done = _run("plot", "sigmoid", code="import os; os.environ['MPLBACKEND'] = 'nonsense'")
    assert done.returncode == 2
    assert "Unset MPLBACKEND" in done.stderr
