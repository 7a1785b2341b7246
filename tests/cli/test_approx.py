import json

import numpy as np
import pytest
from click.testing import CliRunner

import fhenn
from fhenn.approx import FUNCTIONS, Polynomial, is_tail_safe, tail_safe
from fhenn.cli import cli
from fhenn.cli.nodes import FITTED
from fhenn.errors import AccuracyUnreached, ExtraMissing, ParameterError

runner = CliRunner()


def run(line):
    result = runner.invoke(cli, ["approx", *line.split()])
    if result.exception:
        raise result.exception
    return result.stdout


def chosen(line):
    """The report, its polynomial, and that of the node which the line of Python makes."""
    report = json.loads(run(f"{line} --json"))
    entry = report["chosen"]
    polynomial = Polynomial(tuple(entry["coefficients"]), tuple(report["domain"]), entry["basis"])
    return report, polynomial, eval(report["python"], {"fhenn": fhenn}).polynomial  # noqa: S307  (our own text)


def test_table_polynomial_and_python():
    text = run("sigmoid --domain -8 8 --accuracy 0.02")
    assert text.startswith("sigmoid on [-8, 8], minimax\n")
    rows = [line.split() for line in text.splitlines()[2:6]]
    assert rows == [
        ["3", "2", "8.95e-02"],
        ["5", "3", "4.09e-02"],
        ["→", "7", "3", "1.89e-02"],
        ["9", "4", "8.77e-03"],
    ]
    assert "\n0.5 + 0.220557x - 0.00855553x^3 + 0.000174371x^5 - 1.2479e-06x^7\n" in text
    assert text.endswith("\nfhenn.Sigmoid(domain=(-8, 8), degree=7)\n")


def test_high_degrees_are_chebyshev_series_on_short_lines():
    text = run("gelu --domain -3 8 --degree 21")
    assert "with t = (x - 2.5)/5.5" in text
    assert "T21(t)" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "with t = x/8" in run("sigmoid --domain -8 8 --degree 11")


@pytest.mark.parametrize(
    "line",
    [
        "sigmoid --domain -8 8 --accuracy 1e-3",
        "tanh --domain -2 2 --degree 4",
        "relu --domain -4 4 --accuracy 0.05",
        "silu --domain -4.5 4.5 --degree 10",
        "gelu --domain -3 8 --accuracy 1e-2 --method least-squares",
        "softplus --domain -4 4 --degree 6 --method chebyshev",
        "sigmoid --domain -8 8 --degree 9 --tail-safe -16 16",
        "sigmoid --domain -4 4 --degree 5 --tail-safe -6 6.5",
    ],
)
def test_json_says_what_the_node_is(line):
    report, polynomial, of_node = chosen(line)
    name, entry = line.split()[0], report["chosen"]
    assert type(eval(report["python"], {"fhenn": fhenn})) is FITTED[name]  # noqa: S307
    x = np.linspace(*report["domain"], 401)
    np.testing.assert_allclose(polynomial(x), of_node(x), atol=1e-9)
    worst = np.abs(polynomial(x) - FUNCTIONS[name].value(x)).max()
    assert 0.9 * entry["error"] <= worst <= entry["error"] * (1 + 1e-6)
    assert entry["levels"] == of_node.depth
    assert (entry["basis"] == "monomial") == (entry["degree"] <= 9)
    degrees = [row["degree"] for row in report["table"]]
    assert degrees == sorted(degrees)
    assert degrees[-2] == entry["degree"]
    assert {key: entry[key] for key in ("degree", "levels", "error")} in report["table"]


def test_accuracy_is_reached_by_the_smallest_degree():
    rows = json.loads(run("sigmoid --domain -12 12 --accuracy 0.01 --json"))["table"]
    assert [row["error"] <= 0.01 for row in rows] == [False] * (len(rows) - 2) + [True, True]


def test_many_degrees_are_thinned():
    rows = json.loads(run("relu --domain -8 8 --degree 58 --json"))["table"]
    assert [row["degree"] for row in rows] == [2, 6, 14, 30, 46, 48, 50, 52, 54, 56, 58, 60]
    assert json.loads(run("sigmoid --domain -8 8 --degree 63 --json"))["table"][-1]["degree"] == 63


def test_tail_safe():
    report, polynomial, of_node = chosen("sigmoid --domain -4 4 --accuracy 0.005 --tail-safe -8 8")
    assert report["python"] == 'fhenn.Sigmoid(polynomial=fhenn.approx.preset("sigmoid-tail-safe-4-8-7"))'
    assert report["method"] == "tail-safe"
    assert report["tail_safe"] == [-8.0, 8.0]
    assert is_tail_safe(of_node, (-8.0, 8.0), 0.0499)
    assert polynomial.degree == 7


def test_tail_safe_presets_need_no_scipy(monkeypatch):
    def missing(*_):
        raise ExtraMissing("fit", "scipy")

    monkeypatch.setattr("fhenn.cli.approx.tail_safe", missing)
    line = "sigmoid --domain -8 8 --degree 9 --tail-safe -16 16"
    assert [row["degree"] for row in json.loads(run(f"{line} --json"))["table"]] == [7, 9]
    assert "–" in run(line)
    with pytest.raises(ExtraMissing, match="the extra fit brings it"):
        run("sigmoid --domain -8 8 --degree 9 --tail-safe -12 12")


def test_tail_safe_gives_up_on_degrees_that_have_none(monkeypatch):
    tried = []

    def only_five(function, degree, domain, reach):
        tried.append(degree)
        if degree != 5:
            raise ParameterError("no.", "no.")
        return tail_safe(function, degree, domain, reach)

    monkeypatch.setattr("fhenn.cli.approx.tail_safe", only_five)
    with pytest.raises(AccuracyUnreached, match="degree 5"):
        run("sigmoid --domain -4 4 --accuracy 1e-6 --tail-safe -6 6")
    assert tried == [3, 5, 7, 9, 11, 13]


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("sigmoid --domain -8 8", ParameterError, "neither --degree nor --accuracy is given"),
        ("sigmoid --domain -8 8 --degree 3 --accuracy 0.1", ParameterError, "--degree and --accuracy are both given"),
        ("sigmoid --domain 8 -8 --degree 3", ParameterError, "low < high"),
        ("sigmoid --domain 4 4 --degree 3", ParameterError, "low < high"),
        ("sigmoid --domain -inf 4 --degree 3", ParameterError, "low < high"),
        ("sigmoid --domain -8 8 --degree 64", ParameterError, "1 to 63"),
        ("sigmoid --domain -8 8 --degree -1", ParameterError, "1 to 63"),
        ("sigmoid --domain -8 8 --accuracy 0", ParameterError, "positive"),
        ("sigmoid --domain -8 8 --accuracy nan --tail-safe -16 16", ParameterError, "positive"),
        ("relu --domain -8 8 --accuracy 1e-6", AccuracyUnreached, "narrower than"),
        ("sigmoid --domain -8 8 --degree 7 --tail-safe -4 4", ParameterError, "must go around"),
        ("sigmoid --domain -8 8 --accuracy 0.1 --tail-safe -4 4", ParameterError, "must go around"),
        ("sigmoid --domain -8 8 --degree 7 --tail-safe -16 16 --method minimax", ParameterError, "exclude each other"),
    ],
)
def test_mistakes_are_typed(line, error, words):
    with pytest.raises(error, match=words):
        run(line)


@pytest.mark.parametrize(
    "line",
    ["square --domain -1 1 --degree 2", "sigmoid --degree 3", "sigmoid --domain -8 --degree 3", "sigmoid --domain a b"],
)
def test_usage(line):
    result = runner.invoke(cli, ["approx", *line.split()])
    assert result.exit_code == 2
    assert "Usage" in result.output


def test_help_names_everything():
    text = runner.invoke(cli, ["approx", "--help"]).output
    for word in (*FITTED, "--domain LOW HIGH", "--tail-safe LOW HIGH", "least-squares", "--json", "--accuracy 1e-3"):
        assert word in text
