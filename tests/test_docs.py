"""Every public name explains itself, and the pages of the interface build without a warning."""

import inspect
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fhenn
from fhenn.errors import ExtraMissing

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", [name for name in fhenn.__all__ if name != "__version__"])
def test_every_public_name_has_a_docstring_with_an_example(name):
    try:
        thing = getattr(fhenn, name)
    except ExtraMissing as missing:
        pytest.skip(str(missing))
    text = inspect.getdoc(thing) or ""
    assert ">>>" in text, f"{name} has no example"


@pytest.mark.thorough
def test_the_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("pdoc")
    pytest.importorskip("torch")
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    command = text.split("<!-- command: docs -->")[1].split("```")[1].removeprefix("sh").strip().split("&&")[-1]
    words = [word.replace(".venv/bin/pdoc", "pdoc") for word in shlex.split(command)]
    words[words.index("--output-directory") + 1] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower()
    assert (tmp_path / "fhenn.html").exists()
    assert "0.197" in (tmp_path / "fhenn" / "nn.html").read_text(encoding="utf-8")
