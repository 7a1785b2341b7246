"""Run notebooks from start to end and save them clean: `python notebooks/save.py [01 05 ...]`, all if none is named.

The picture of a cell with the tag "index" becomes images/<name>.png, which the index in README.md shows. What a picture
shows is told in the metadata of its cell, `{"mystnb": {"image": {"alt": "…"}}}`, for readers who do not see it.
"""

import sys
import tempfile
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from time import perf_counter

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""All that is kept: what else Jupyter notes tells of the machine and the day."""

KEPT = ("tags", "mystnb")
"""Of the metadata of a cell."""

WIDTH = 480
"""Pixels of a picture in the index."""


def run(path: Path) -> None:
    """Execute the notebook in a fresh kernel and an empty folder, and write it back."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,  # else what is printed falls apart by when it came
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place:02d}"
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in KEPT if cell.metadata.get(key)})
        describe(cell)
        if "index" in cell.metadata.get("tags", []):
            picture(cell, FOLDER / "images" / f"{path.stem}.png")
    nbformat.write(notebook, path)


def describe(cell: nbformat.NotebookNode) -> None:
    """Put what a picture shows in the place of its text, which is Python's name of the figure."""
    for output in cell.get("outputs", []):
        if "image/png" in output.get("data", {}):
            output["data"]["text/plain"] = cell.metadata["mystnb"]["image"]["alt"]


def picture(cell: nbformat.NotebookNode, target: Path) -> None:
    """The cell's figure, small enough for an index."""
    (data,) = (output["data"]["image/png"] for output in cell.outputs if "image/png" in output.get("data", {}))
    image = Image.open(BytesIO(b64decode(data))).convert("RGB")
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.save(target, optimize=True)


def main() -> None:
    """Run those whose names start with an argument."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if path.name.startswith(tuple(sys.argv[1:]) or ""):
            start = perf_counter()
            run(path)
            print(f"{path.name}: {perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
