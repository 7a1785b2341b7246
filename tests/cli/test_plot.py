import pytest
from click.testing import CliRunner
from support import mostly_thorough

import fhenn
from fhenn import figures
from fhenn.cli import cli
from fhenn.cli.plot import NAMES, node
from fhenn.errors import AccuracyUnreached, ParameterError

runner = CliRunner()


@pytest.mark.parametrize("ending", mostly_thorough(["svg", "png", "pdf"], (0,)))
def test_writes_the_picture(tmp_path, ending):
    target = tmp_path / f"node.{ending}"
    result = runner.invoke(cli, ["plot", "sigmoid", "-o", str(target)])
    assert result.exit_code == 0, result.output
    assert result.output == f"wrote {target}\n"
    assert target.stat().st_size > 5000


def test_options_reach_the_figure(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(figures, "activation_figure", lambda *arguments: seen.append(arguments))
    monkeypatch.setattr(figures, "save", lambda *_: None)
    line = f"plot sigmoid --domain -8 8 --degree 7 --reach 20 -o {tmp_path / 'x.svg'}"
    assert runner.invoke(cli, line.split()).exit_code == 0
    (drawn, reach) = seen[0]
    assert drawn.polynomial == fhenn.Sigmoid(domain=(-8, 8), degree=7).polynomial
    assert reach == 20.0


def test_without_a_file_a_window_opens(monkeypatch):
    seen = []
    monkeypatch.setattr(figures, "show", seen.append)
    result = runner.invoke(cli, ["plot", "square"])
    assert result.exit_code == 0, result.output
    assert result.output == ""
    assert len(seen) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_its_node(name):
    made = node(name, None, None, None)
    assert type(made).__name__.lower() == name.replace("-", "")
    assert made.domain == type(made)().domain
    assert node(name, (-3.0, 3.0), None, None).domain == (-3.0, 3.0)


def test_accuracy_chooses_the_degree():
    assert node("tanh", (-4.0, 4.0), None, 0.01).polynomial.sup_error() <= 0.01


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("plot sign-relu --degree 7", ParameterError, "stages of fixed degrees"),
        ("plot square --accuracy 0.1", ParameterError, "Leave --degree and --accuracy out"),
        ("plot sigmoid --degree 7 --accuracy 0.1", ParameterError, "Give one"),
        ("plot sigmoid --degree 64", ParameterError, "1 to 63"),
        ("plot relu --accuracy 1e-9", AccuracyUnreached, "Ask for"),
        ("plot sigmoid --domain 4 -4", ParameterError, "low < high"),
        ("plot sigmoid --domain nan 4", ParameterError, "low < high"),
        ("plot sign-relu --domain -4 5", ParameterError, "symmetric"),
        ("plot sigmoid --reach -3", ParameterError, "positive"),
        ("plot sigmoid -o node.txt", ParameterError, "End the name in"),
        ("plot sigmoid -o nowhere/node.svg", ParameterError, "Create it first"),
    ],
)
def test_mistakes_are_typed(line, error, words):
    result = runner.invoke(cli, line.split())
    assert isinstance(result.exception, error)
    assert words in str(result.exception)


@pytest.mark.parametrize("line", ["plot cosine", "plot", "plot sigmoid --domain 4", "plot sigmoid --degree many"])
def test_usage(line):
    result = runner.invoke(cli, line.split())
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert "Traceback" not in result.output


def test_help_names_everything():
    text = runner.invoke(cli, ["plot", "--help"]).output
    for word in (*NAMES, "roc", "calibration", "placement", "levels", "window"):
        assert word in text
    for name in NAMES:
        text = runner.invoke(cli, ["plot", name, "--help"]).output
        for word in (name, "--domain LOW HIGH", "--degree", "--accuracy", "--reach", "--output", "window"):
            assert word in text


def test_without_a_subject_it_names_them():
    output = runner.invoke(cli, ["plot"]).output
    assert "Say what to draw: sigmoid, " in output
    assert "roc, calibration, placement, levels." in output


def test_options_may_stand_before_the_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(figures, "activation_figure", lambda *arguments: seen.append(arguments))
    monkeypatch.setattr(figures, "save", lambda *_: None)
    line = f"plot --degree 7 -o {tmp_path / 'x.svg'} sigmoid --reach 9"
    assert runner.invoke(cli, line.split()).exit_code == 0
    assert seen[0][0].polynomial.degree == 7
    assert seen[0][1] == 9.0
