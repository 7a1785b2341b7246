"""Every public name explains itself, and the site builds by the documented command: whole, and without a network."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import fhenn
from fhenn.errors import ExtraMissing

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", [name for name in fhenn.__all__ if name != "__version__"])
def test_every_public_name_has_a_docstring_with_an_example(name):
    try:
        thing = getattr(fhenn, name)
    except ExtraMissing as missing:
        pytest.skip(str(missing))
    text = inspect.getdoc(thing) or ""
    assert ">>>" in text, f"{name} has no example"


class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.anchors, self.path = [], [], set(), path
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "link" and found.get("href"):
            self.loaded.append(found["href"])
        self.loaded += [found[key] for key in ("src", "srcset", "data") if found.get(key) and tag != "a"]


def dangling(pages):
    """Links and resources of pages that lead nowhere in the site."""
    by_path = {page.path.resolve(): page for page in pages}
    for page in pages:
        for target in page.links + page.loaded:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
            there = by_path.get(path)
            anchor = unquote(parts.fragment)
            if not path.is_file() or (anchor and there and anchor not in there.anchors):
                yield f"{page.path.name}: {target}"


def from_elsewhere(site, pages):
    """What a browser would fetch from another server: by tags, by style sheets, by scripts of the site's own."""
    for page in pages:
        yield from (f"{page.path.name}: {each}" for each in page.loaded if re.match(r"(?:\w+:)?//", each))
    for sheet in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import )['\"]?((?:https?:)?//[^'\")]+)", sheet.read_text(encoding="utf-8"))
        yield from (f"{sheet.name}: {each}" for each in found)


@pytest.mark.thorough
def test_the_site_builds_by_its_command(tmp_path):
    for library in ("sphinx", "pydata_sphinx_theme", "myst_nb", "sphinx_design", "latex2mathml"):
        if not os.environ.get("CI"):  # there it is missed
            pytest.importorskip(library)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    command = text.split("<!-- command: docs -->")[1].split("```")[1].removeprefix("sh").strip().split("&&")[-1]
    words = shlex.split(command)
    assert words[0] == ".venv/bin/sphinx-build"
    assert "-W" in words
    assert words[-1] == "site"
    words = [sys.executable, "-m", "sphinx.cmd.build", *words[1:-1], str(tmp_path / "site")]
    words[words.index("-d") + 1] = str(tmp_path / "trees")
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600, cwd=ROOT, env=where)
    assert done.returncode == 0, done.stderr
    assert not done.stderr

    site = tmp_path / "site"
    pages = [Page(path) for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > 250
    assert not list(from_elsewhere(site, pages))
    assert not list(dangling(pages))
