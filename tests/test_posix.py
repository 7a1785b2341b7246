"""What needs no POSIX runs without, and what does says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fhenn
from fhenn.errors import ServiceRefused
from fhenn.service.folder import require_posix

ROOT = Path(fhenn.__file__).parent

IMPORTS = """
import sys, windows
windows.become()
sys.modules["torch"] = None  # that of this system looks for Windows' libraries
from importlib import import_module
for name in sys.argv[1:]:
    try:
        import_module(name)
    except ImportError as error:
        assert type(error).__name__ == "ExtraMissing" or error.name in ("ray", "torch", "skl2onnx"), (name, error)
print("imported")
"""

SESSION = """
import sys, windows
windows.become()
from click.testing import CliRunner
from fhenn.cli import cli

def run(*words, fails=False):
    done = CliRunner().invoke(cli, words)
    assert bool(done.exit_code) == fails, (words, done.output, done.exception)
    return done.output + str(done.exception)

import pathlib, shutil, fhenn.demo
table = pathlib.Path(fhenn.demo.__file__).with_name("breast_cancer.csv")
pathlib.Path("records.csv").write_text("".join(table.read_text().splitlines(keepends=True)[:40]))
run("train", str(table), "--label", "benign", "--model", "linear")
run("plan", "--bounds-from", str(table))
run("keygen")
run("encrypt", "records.csv", "--clip")
run("evaluate", "--workers", "1")
run("decrypt", "-o", "predictions.csv")
assert len(pathlib.Path("predictions.csv").read_text().splitlines()) == 40
for words in (["serve", "--add", "m", "model.fhenn", "plan.fhenn"], ["token", "create", "a"], ["serve", "--demo"]):
    text = " ".join(run(*words, fails=True).split())
    assert "need POSIX" in text and "the image `server`" in text, text
assert not pathlib.Path("store").exists()
import fhenn
pool = fhenn.LocalPool
model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
for evaluator in ("seal", "native"):
    plan = fhenn.plan(model, bounds=[-1, 1], evaluator=evaluator)
    client = fhenn.Client(plan)
    try:
        with fhenn.LocalPool(model, plan, client.evaluation_keys(), workers=1) as pool:
            print(evaluator, "pooled")
    except fhenn.errors.UnsupportedOperation as error:
        print(evaluator, error)
"""


def without_posix(program, folder, *words):
    """What a program prints where there is no POSIX."""
    places = os.pathsep.join([str(Path(__file__).parent), str(ROOT.parent)])
    environment = os.environ | {"PYTHONPATH": places, "FHENN_URL": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def modules():
    """All modules of fhenn."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if "web" not in parts and parts[-1] != "__main__":
            yield ".".join(parts).removesuffix(".__init__")


@pytest.mark.thorough
def test_every_module_is_imported_without_posix(tmp_path):
    assert without_posix(IMPORTS, tmp_path, *modules()) == "imported\n"


def test_import_of_fhenn_and_its_commands_needs_no_posix(tmp_path):
    assert without_posix(IMPORTS, tmp_path, "fhenn", "fhenn.cli", "fhenn.session", "fhenn.pool") == "imported\n"


@pytest.mark.thorough
def test_a_client_runs_without_posix_and_a_service_says_that_it_needs_it(tmp_path):
    printed = without_posix(SESSION, tmp_path)
    assert "seal a pool of processes is not supported here. Use the native evaluator" in printed
    assert fhenn.backends.is_available("native") == ("native pooled" in printed)


def test_a_service_names_its_way_out(monkeypatch):
    require_posix()
    monkeypatch.setattr("fhenn.service.folder.os", type("os", (), {"name": "nt"}))
    with pytest.raises(ServiceRefused, match="need POSIX") as caught:
        require_posix()
    assert "docker/Dockerfile" in caught.value.suggestion
