"""What the pages of this folder need beyond their text, which is also read on code hosts."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

_NOTEBOOKS = "\n\n```{toctree}\n:hidden:\n:glob:\n\n[0-9]*\n```\n"

_ABOVE = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}
"""Pages that are files above this folder: on a code host they are a link, here they are the text."""

_OF_ABOVE = {"../README.md": "index.md", **{f"../{path}": f"{page}.md" for page, path in _ABOVE.items()}}

_LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]+)(?:#[\w-]+)?\)")


def _link(found: re.Match[str]) -> str:
    """A link to a file above this folder: to the page that says the same, or its name, where the site has none."""
    label, path = found.groups()
    if path in _OF_ABOVE:
        return f"[{label}]({_OF_ABOVE[path]})"
    return f"`{label}`" if path.startswith("../") else found[0]


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    """A page's text on its way to Sphinx."""
    text = source[0]
    if name in _ABOVE:
        path = Path(app.srcdir).parent / _ABOVE[name]
        app.env.note_dependency(str(path))
        text = path.read_text(encoding="utf-8").replace("](notebooks/", "](")
        text = re.sub(r"\]\((?=(?:README|CHANGELOG|CONTRIBUTING)\.md)", "](../", text)
    text = _LINK.sub(_link, text)
    if name == "README":  # the gallery
        text += _NOTEBOOKS
    source[0] = text


def _pictures(app: Sphinx) -> None:
    """Keep what MyST-NB takes out of notebooks with what else a build keeps, not beside the site."""
    settings = app.env.mystnb_config  # type: ignore[attr-defined]
    app.env.mystnb_config = settings.copy(output_folder=str(app.doctreedir / "notebooks"))  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _read)
    app.connect("builder-inited", _pictures, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
