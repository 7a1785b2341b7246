"""Notebooks run from start to end, and what is saved in them is clean. `pytest -m notebook` runs them."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|tmp|usr|work|Users|opt|var)/|site-packages|[A-Z]:\\\\")

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook):
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


@each
def test_saved_outputs_are_clean(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run all cells, then save"
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        text = json.dumps({key: value for key, value in output.get("data", output).items() if key != "image/png"})
        assert not MACHINE_PATH.search(text), text
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook)), "no figure is saved"


@pytest.mark.notebook
@each
def test_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]


def test_there_are_notebooks():
    assert NOTEBOOKS
