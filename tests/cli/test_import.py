"""`fhenn import` with samples and labels: what it prints, and what it refuses."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from fhenn import artifacts
from fhenn.cli import cli
from fhenn.cli.run import run as run_command
from fhenn.errors import AccuracyLost, ParameterError, ShapeMismatch

onnx = pytest.importorskip("onnx")
rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4))
FIRST, SECOND = rng.normal(size=(12, 4)), rng.normal(size=(3, 12))
Y = np.argmax(np.maximum(X @ FIRST.T, 0) @ SECOND.T, axis=1)


def run(*args):
    result = CliRunner().invoke(cli, [str(arg) for arg in args])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def write(path, names, columns):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("import")
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["h"], transB=1),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "v", "c"], ["s"], transB=1),
            helper.make_node("Softmax", ["s"], ["y"]),
        ],
        "network",
        [helper.make_tensor_value_info("x", double, ["n", 4])],
        [helper.make_tensor_value_info("y", double, ["n", 3])],
        [
            onnx.numpy_helper.from_array(np.asarray(value), name)
            for name, value in {"w": FIRST, "b": np.zeros(12), "v": SECOND, "c": np.zeros(3)}.items()
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), folder / "m.onnx")
    names = ["a", "b", "c", "d"]
    write(folder / "both.csv", [*names, "kind"], [*X.T, Y])
    write(folder / "x.csv", names, X.T)
    write(folder / "y.csv", ["kind"], [Y])
    write(folder / "words.csv", ["kind"], [["word"] * 300])
    np.save(folder / "y.npy", Y[:, None])
    np.save(folder / "x.npy", X)
    return folder


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("inputs", "labels"), [("both.csv", "kind"), ("x.csv", "y.csv"), ("x.npy", "y.csv"), ("x.csv", "y.npy")]
)
def test_it_prints_the_report(here, inputs, labels):
    labels = here / labels if "." in labels else labels
    text = run("import", here / "m.onnx", "--inputs", here / inputs, "--labels", labels, "-o", here / "m.fhenn")
    assert "effect at the output" in text
    assert "levels; ring N=16384, by estimate" in text
    assert "accuracy" in text
    assert "of the exact model 100.00%" in text
    model = artifacts.model_from_bytes(artifacts.read(here / "m.fhenn"))
    assert np.mean(model.predict(X) == Y) >= 0.98


def test_the_report_is_in_the_json(here):
    report = json.loads(
        run(
            "import",
            here / "m.onnx",
            "--data",
            here / "x.csv",
            "--depth",
            5,
            "--agreement",
            0.9,
            "-o",
            here / "m.fhenn",
            "--json",
        )
    )
    assert report["levels"] == report["conversion"]["levels"] <= 5
    assert report["conversion"]["nodes"][0]["function"] == "relu"
    assert report["conversion"]["exact"] is None
    assert report["conversion"]["ring"] == 8192
    assert json.loads(run("import", here / "m.onnx", "-o", here / "m.fhenn", "--json"))["conversion"] is None


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (("--labels", "y.csv"), ParameterError, "--labels needs the samples"),
        (("--inputs", "x.csv", "--labels", "words.csv"), ParameterError, "none of the model's classes"),
        (("--inputs", "x.csv", "--labels", "both.csv"), ParameterError, "has 5 columns"),
        (("--inputs", "x.csv", "--labels", "missing"), ParameterError, "there is no column 'missing'"),
        (("--inputs", "x.npy", "--labels", "missing"), ParameterError, "has no columns with names"),
        (("--inputs", "x.csv", "--depth", 3), ParameterError, "the model takes 4"),
        (("--inputs", "x.csv", "--agreement", 1, "--depth", 4, "--max-loss", 0), AccuracyLost, "is allowed"),
    ],
    ids=str,
)
def test_what_is_refused(here, options, error, text):
    options = [here / option if "." in str(option) else option for option in options]
    with pytest.raises(error, match=text):
        run("import", here / "m.onnx", *options, "-o", here / "m.fhenn")


def test_labels_of_other_samples(here):
    write(here / "short.csv", ["kind"], [Y[:9]])
    with pytest.raises(ShapeMismatch, match="one for each of the 300 samples"):
        run("import", here / "m.onnx", "--inputs", here / "x.csv", "--labels", here / "short.csv")


def test_a_loss_is_shown_with_its_report_in_lines(here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    given = ["import", "m.onnx", "--inputs", "x.csv", "--agreement", "1", "--depth", "4", "--max-loss", "0"]
    assert run_command(given) == 2
    first, *table = capsys.readouterr().err.splitlines()[1:]
    assert first.endswith("train on with polynomials in it.")
    assert [line.split()[:2] for line in table][1] == ["1", "ReLU"]


@pytest.fixture(scope="module")
def scores(here):
    """The same network without its softmax, as networks of PyTorch are exported; and one with a single value."""
    network = onnx.load(here / "m.onnx")
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    del network.graph.node[-1], network.graph.output[:]
    network.graph.output.append(helper.make_tensor_value_info("s", double, ["n", 3]))
    onnx.save(network, here / "scores.onnx")
    network.graph.node.append(helper.make_node("ReduceSum", ["s", "axis"], ["z"], keepdims=1))
    network.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))
    network.graph.output[0].CopyFrom(helper.make_tensor_value_info("z", double, ["n", 1]))
    onnx.save(network, here / "value.onnx")
    write(here / "names.csv", ["kind"], [np.array(["no", "maybe", "yes"])[Y]])
    write(here / "values.csv", ["price"], [(np.maximum(X @ FIRST.T, 0) @ SECOND.T).sum(axis=1)])
    return here


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        (("--labels", "y.csv"), [0, 1, 2]),
        (("--labels", "names.csv", "--classes", "no, maybe,yes"), ["no", "maybe", "yes"]),
        (("--labels", "y.csv", "--classes", "0,1,2"), [0, 1, 2]),
    ],
    ids=str,
)
def test_scores_without_a_softmax_are_those_of_the_labels(scores, options, classes):
    options = [scores / option if option.endswith(".csv") else option for option in options]
    text = run("import", scores / "scores.onnx", "--inputs", scores / "x.csv", *options, "-o", scores / "s.fhenn")
    assert "of the exact model 100.00%" in text
    model = artifacts.model_from_bytes(artifacts.read(scores / "s.fhenn"))
    assert list(model.reading.classes) == classes
    assert np.mean(model.predict(X) == np.array(classes)[Y]) >= 0.98


def test_a_column_of_values_is_what_a_single_output_is_measured_by(scores):
    values = scores / "values.csv"
    text = run("import", scores / "value.onnx", "--inputs", scores / "x.csv", "--labels", values, "-o", scores / "v")
    assert "of the exact model 1.0000" in text


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (("--labels", "names.csv"), ParameterError, "one for each sample, and the model has 3 outputs without names"),
        (("--labels", "values.csv"), ParameterError, "one for each sample, and the model has 3 outputs without names"),
        (("--labels", "names.csv", "--classes", "no,yes"), ShapeMismatch, "scores"),
        (("--labels", "names.csv", "--classes", "no,yes,no"), ParameterError, "distinct"),
        (("--labels", "names.csv", "--classes", "a,b,c"), ParameterError, "none of the model's classes"),
    ],
    ids=str,
)
def test_labels_and_classes_that_do_not_fit(scores, options, error, text):
    options = [scores / option if option.endswith(".csv") else option for option in options]
    with pytest.raises(error, match=text):
        run("import", scores / "scores.onnx", "--inputs", scores / "x.csv", *options, "-o", scores / "s.fhenn")
