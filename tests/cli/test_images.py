"""Commands on a model of images, whose samples come in NPY as (samples, channels, height, width)."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.errors import BoundsExceeded, MissingValues, ParameterError, ShapeMismatch
from fhenn.ranges import bounds_of

SHAPE = (2, 3, 4)
IMAGES = np.random.default_rng(0).uniform(0, 1, (60, *SHAPE))


def network():
    kernel = np.random.default_rng(1).normal(size=(3, 2, 2, 2)) / 8
    return fhenn.Sequential([fhenn.Conv2d(kernel, np.ones(3)), fhenn.Square(), fhenn.GlobalAvgPool2d()], shape=SHAPE)


def run(*line, code=0):
    """Standard output of a command; its typed error is raised."""
    result = CliRunner().invoke(cli, [str(each) for each in line])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model, its plan for images, and keys."""
    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        artifacts.write("model.fhenn", artifacts.model_to_bytes(network()))
        np.save("images.npy", IMAGES)
        run("plan", "--bounds-from", "images.npy", "--layout", "latency")
        run("keygen")
    return folder


@pytest.fixture(autouse=True)
def _inside(made, monkeypatch):
    monkeypatch.chdir(made)


def plan():
    return artifacts.plan_from_bytes(artifacts.read("plan.fhenn"))


@pytest.mark.thorough
def test_bounds_are_taken_from_images():
    assert plan().shape == SHAPE
    assert len(plan().low) == 24
    np.testing.assert_array_equal([plan().low, plan().high], bounds_of(IMAGES.reshape(60, 24), 0.5))


def test_certificates_hold_for_images():
    data, of_plan = ("--bounds-from", "images.npy"), ("--plan", "plan.fhenn")
    for options in (data, of_plan, data + of_plan):
        assert json.loads(run("certify", *options, "--json"))["valid"]
    np.save("flat.npy", IMAGES.reshape(60, 24))
    of_images, of_rows = (run("certify", "--bounds-from", f"{name}.npy", "--json") for name in ("images", "flat"))
    assert of_images == of_rows


@pytest.mark.parametrize("count", [1, 60])
def test_images_are_encrypted_in_their_order(count, tmp_path):
    np.save(tmp_path / "some.npy", IMAGES[:count] if count > 1 else IMAGES[0])
    run("encrypt", tmp_path / "some.npy", "-o", "up", "--workers", 1)
    run("evaluate", "up", "-o", "down", "--workers", 1)
    run("decrypt", "down", "--receipt", "up.receipt", "-o", tmp_path / "out.npy", "--workers", 1)
    twin = network().infer(IMAGES[:count]).reshape(count, -1)
    assert np.abs(np.load(tmp_path / "out.npy") - twin).max() <= plan().error


@pytest.mark.parametrize(
    ("x", "hint"),
    [
        (np.moveaxis(IMAGES, 1, -1), r"last\.npy: got shape \(60, 3, 4, 2\).*np\.moveaxis\(x, -1, 1\)"),
        (IMAGES[:, :1], r"\(samples, 2, 3, 4\) or \(samples, 24\)"),
        (IMAGES[:, 0], r"\(samples, 2, 3, 4\)"),
        (IMAGES[..., np.newaxis], r"\(samples, 2, 3, 4\)"),
    ],
)
def test_images_of_another_shape_are_refused(x, hint):
    np.save("last.npy", x)
    for line in (("encrypt",), ("plan", "--bounds-from"), ("certify", "--bounds-from")):
        with pytest.raises(ShapeMismatch, match=hint):
            run(*line, "last.npy", "-o", "nothing.fhenn")
    assert not Path("nothing.fhenn").exists()


def test_other_bad_images():
    for value, error in ((np.nan, MissingValues), (9.0, BoundsExceeded)):
        x = IMAGES.copy()
        x[3, 1, 2, 0] = value
        np.save("bad.npy", x)
        with pytest.raises(error):
            run("encrypt", "bad.npy", "-o", "up", "--workers", 1)
    run("encrypt", "bad.npy", "-o", "up", "--clip", "--workers", 1)


def test_images_for_a_model_of_features(tmp_path):
    artifacts.write(tmp_path / "dense.fhenn", artifacts.model_to_bytes(fhenn.Linear(np.ones((1, 24)))))
    with pytest.raises(ParameterError, match=r"reshape\(len\(images\), -1\)"):
        run("plan", tmp_path / "dense.fhenn", "--bounds-from", "images.npy", "-o", "nothing.fhenn")
    with pytest.raises(ParameterError, match="no column of labels"):
        run("train", "images.npy", "--label", "y", "-o", "nothing.fhenn")


def test_files_say_what_images_they_are_for(tmp_path):
    for name in ("model", "plan"):
        assert json.loads(run("inspect", f"{name}.fhenn", "--json"))["details"]["shape of an image"] == [2, 3, 4]
        assert "2, 3, 4" in run("inspect", f"{name}.fhenn")
    alike = fhenn.plan(network(), bounds=[0, 1], layout="latency")
    artifacts.write(tmp_path / "plan.fhenn", artifacts.plan_to_bytes(alike.public(), network()))
    said = run("inspect", tmp_path / "plan.fhenn")
    assert "1 to 24" in said
    assert said.count(" to 24") == 1
    assert "(no name)" not in said
    assert len(json.loads(run("inspect", tmp_path / "plan.fhenn", "--json"))["features"]) == 24


def test_what_was_read_is_said():
    found = CliRunner().invoke(cli, ["certify", "--bounds-from", "images.npy"])
    assert "read images.npy: 60 images of 2 × 3 × 4\n" in found.stderr
