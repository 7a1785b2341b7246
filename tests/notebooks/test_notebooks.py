"""Notebooks run from start to end, and what is saved in them is clean. `pytest -m notebook` runs them."""

import json
import os
import re
from base64 import b64decode
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|tmp|usr|work|Users|opt|var)/|site-packages|[A-Z]:\\\\")
TIME_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d|\d\d:\d\d:\d\d")
LINK = re.compile(r"\]\(([^)#:]+)\)")
MOST_SECONDS = 60
PAGE = 110
"""Columns that fit into a page where the notebooks are shown."""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook):
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


@each
def test_saved_outputs_are_clean(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run all cells, then save"
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        text = json.dumps({key: value for key, value in output.get("data", output).items() if key != "image/png"})
        assert not MACHINE_PATH.search(text), text
        assert not TIME_STAMP.search(text), text
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook)), "no figure is saved"


@each
def test_nothing_tells_of_the_machine_it_was_saved_on(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags", "mystnb"}, "save it with `python notebooks/save.py`"
        for output in cell.get("outputs", []):
            assert not output.get("metadata")
            picture = b64decode(output.get("data", {}).get("image/png", ""))
            assert b"/home/" not in picture


@each
def test_cells_are_short_and_figures_are_introduced(path):
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    for place, cell in enumerate(cells):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 60, cell.source
            if any("image/png" in output.get("data", {}) for output in cell.outputs):
                before = [other for other in cells[:place] if other.cell_type == "markdown"]
                told = cells[place - 1] in before or "What to look for" in before[-1].source
                assert told, f"nothing says what to look for before:\n{cell.source}"


@each
def test_it_opens_with_what_you_will_see_and_closes_with_what_we_saw(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    first, second, *others = re.findall(r"^(#+) (.*)$", text, re.MULTILINE)
    assert (first[0], first[1].split(". ")[0]) == ("#", str(int(path.name[:2])))
    assert second == ("##", "What you will see")
    assert cells[1].source.startswith("## What you will see")
    for word in ("*Time*", "*To know*", "*To install*"):
        assert word in " ".join(cells[1].source.split())
    sections = [title for level, title in others if level == "##"]
    assert {level for level, _ in others} <= {"##", "###"}, "one title, then sections"
    assert [title.split(". ")[0] for title in sections[:-1]] == [str(place) for place in range(1, len(sections))]
    assert sections[-1] == "What we saw"
    assert "**Next**: " in cells[-1].source
    assert "**Guides**: " in " ".join(cells[-1].source.split())


@each
def test_what_is_printed_fits_a_page_and_pictures_are_told(path):
    for cell in nbformat.read(path, as_version=4).cells:
        names = [output.name for output in cell.get("outputs", []) if output.output_type == "stream"]
        assert len(names) == len(set(names)), "save it with `python notebooks/save.py`"
        for output in cell.get("outputs", []):
            wide = [line for line in output.get("text", "").splitlines() if len(line) > PAGE]
            assert not wide, wide
            if "image/png" in output.get("data", {}):
                told = cell.metadata["mystnb"]["image"]["alt"]
                assert len(told) > 40
                assert output["data"]["text/plain"] == told


@pytest.mark.parametrize("path", [*NOTEBOOKS, FOLDER / "README.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    missing = [target for target in LINK.findall(text) if not (FOLDER / target).exists()]
    assert not missing
    assert not re.findall(r"!\[\]\(", text), "a picture without words"


def test_the_index_shows_every_notebook_in_order():
    assert all(re.fullmatch(r"\d\d-[a-z-]+", path.stem) for path in NOTEBOOKS)
    assert len({path.name[:2] for path in NOTEBOOKS}) == len(NOTEBOOKS)
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    places = [index.find(f"]({path.name})") for path in NOTEBOOKS]
    assert -1 not in places
    assert places == sorted(places)
    for path in NOTEBOOKS:
        assert f"](images/{path.stem}.png)" in index
        cells = nbformat.read(path, as_version=4).cells
        question = cells[0].source.split("\n\n")[1].split("?")[0] + "?"
        assert " ".join(question.replace("$\\sigma$", "σ").split()) in index
        tags = [cell.metadata.get("tags") for cell in cells]
        assert tags.count(["index"]) == 1, "the cell whose figure stands for the notebook"


@pytest.mark.notebook
@each
def test_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    before = os.times()
    NotebookClient(notebook, timeout=4 * MOST_SECONDS, kernel_name="python3", resources=resources).execute()
    after = os.times()
    seconds = sum(getattr(after, name) - getattr(before, name) for name in ("children_user", "children_system"))
    assert seconds < MOST_SECONDS, "of the processor: other work on the machine does not count"
    for output in outputs(notebook):
        assert output.get("name") != "stderr", output.text
        assert not MACHINE_PATH.search(output.get("text", "")), output.text


def test_there_are_notebooks():
    assert NOTEBOOKS
