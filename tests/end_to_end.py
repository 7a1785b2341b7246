"""A model of images by the commands, from its file to answers: on files, and over a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from service_harness import Running

from fhenn import artifacts
from fhenn.cli import cli


def run(*line: Any) -> Any:
    """What a command says as JSON; its typed error is raised."""
    result = CliRunner().invoke(cli, [*map(str, line), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def plan_for(images: np.ndarray) -> Any:
    """Write the plan and the keys of `model.fhenn`, in this folder, and its images; returns the plan."""
    np.save("images.npy", images)
    Path("bounds.json").write_text("[0, 1]")
    run("plan", "--bounds", "bounds.json", "--rows", len(images), "--accuracy", "1e-2", "--samples", 4)
    run("keygen")
    return artifacts.plan_from_bytes(artifacts.read("plan.fhenn"))


def scores_on_files() -> np.ndarray:
    """The scores of the images by certify, encrypt, evaluate and decrypt."""
    assert run("certify", "--plan", "plan.fhenn", "-o", "certificate.fhenn")["valid"]
    run("encrypt", "images.npy", "--workers", 1)
    run("evaluate", "--certificate", "certificate.fhenn", "--workers", 1)
    run("decrypt", "-o", "on_files.npy", "--workers", 1)
    return np.load("on_files.npy")


def scores_over_a_service(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The same by a service: of the images themselves, and of an upload of them."""
    run("model", "add", "images", "model.fhenn", "plan.fhenn", "--store", "store")
    with Running(Path("store").absolute(), {"workers": 1}) as running:
        monkeypatch.setenv("FHENN_URL", running.url)
        monkeypatch.setenv("FHENN_TOKEN", running.token("hospital"))
        run("fetch", "-o", "fetched.fhenn")
        run("predict", "images.npy", "--plan", "fetched.fhenn", "-o", "of_images.npy", "--workers", 1)
        run("encrypt", "images.npy", "--plan", "fetched.fhenn", "--workers", 1)
        run("predict", "upload.fhenn")
    run("decrypt", "-o", "of_upload.npy", "--workers", 1)
    return [np.load("of_images.npy"), np.load("of_upload.npy")]
