"""Every public name explains itself, and the site builds by the documented command: whole, and without a network."""

import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pytest

import fhenn
from fhenn.cli.main import cli
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


def public_names():
    """Every full name that is public: those of fhenn, and of the rooms."""
    names = {f"fhenn.{name}" for name in dir(fhenn) if name != "__version__"}
    for room in fhenn._ROOMS:
        module = importlib.import_module(f"fhenn.{room}")
        names |= {f"fhenn.{room}.{name}" for name in getattr(module, "__all__", ())}
    # errors has no list: all that it defines
    return names | {f"fhenn.errors.{name}" for name, value in vars(fhenn.errors).items() if is_error(value)}


def is_error(value):
    return inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == "fhenn.errors"


def every_command(group=cli, path="fhenn"):
    """The path of each command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if not command.hidden:
            yield f"{path} {name}"
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path} {name}")


@pytest.mark.thorough
def test_the_site_builds_by_its_command(tmp_path):
    for library in ("sphinx", "pydata_sphinx_theme", "myst_nb", "sphinx_design", "latex2mathml"):
        if not os.environ.get("CI"):  # there it is missed
            pytest.importorskip(library)
    from sphinx.util.inventory import InventoryFile  # noqa: PLC0415  (an extra's)

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
    names = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    listed = {name for kind, found in names.items() if kind.startswith("py:") for name in found}
    assert not public_names() - listed
    anchors = {place.uri for kind in names if kind.startswith("py:") for place in names[kind].values()}
    by_path = {}
    for page, _, anchor in (each.partition("#") for each in anchors):
        by_path.setdefault(page, set()).add(anchor)
    for path, wanted in by_path.items():
        assert wanted - {"$"} <= Page(site / path).anchors, path
    commands = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    assert all(f'id="{path.replace(" ", "-")}"' in commands for path in every_command())

    pages = [Page(path) for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > 250
    assert not list(from_elsewhere(site, pages))
    assert not list(dangling(pages))


@pytest.mark.thorough
def test_versions_are_built_side_by_side(tmp_path):
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("versions", ROOT / "notebooks" / "versions.py")
    versions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(versions)
    repository, site = tmp_path / "repository", tmp_path / "site"
    (repository / "notebooks").mkdir(parents=True)

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["/usr/bin/env", "git", *who, *words], cwd=repository, check=True, capture_output=True)

    git("init")
    for tag in ("v1.0", "v1.1"):
        (repository / "notebooks" / "conf.py").write_text(f'project = "{tag}"\nassert tags.has("versions")\n')
        (repository / "notebooks" / "index.rst").write_text(f"Title\n=====\n\nThis is {tag}.\n")
        git("add", ".")
        git("commit", "-m", tag)
        git("tag", tag)
    site.mkdir()
    versions.build(["v1.1", "v1.0"], repository, site)
    for version in ("1.0", "1.1"):
        assert f"This is v{version}." in (site / version / "index.html").read_text(encoding="utf-8")
    assert '["1.1", "1.0"]' in (site / "versions.js").read_text(encoding="utf-8")
    assert "1.1/index.html" in (site / "index.html").read_text(encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        versions.build(["v2.0"], repository, site)
    assert [versions.version_of(tag) for tag in ("v0.2.0", "main", "0.1")] == ["0.2.0", "main", "0.1"]


def test_a_page_chooses_a_version_where_there_are_several():
    jinja2 = pytest.importorskip("jinja2")
    template = jinja2.Template((ROOT / "notebooks" / "_templates" / "version.html").read_text(encoding="utf-8"))
    shown = {"version": "0.2", "pathto": lambda path, resource: f"../{path}"}
    assert template.render(shown, versions=False) == '<span class="version">0.2</span>'
    assert '<script src="../../versions.js"></script>' in template.render(shown, versions=True)


CONVERTED = '''
import json, sys
sys.path.insert(0, "notebooks")
from _sphinx.docstrings import convert, summary
from _sphinx.public import full_name
from _sphinx.signatures import signature_of
import fhenn

text = """What it does, with `Plan.error` of `x_`.

first, second: what |both| are,
    for `fhenn.plan`.
other: is no argument.

Returns a `Plan`.
Raises PlanError for *nothing*.

>>> 1 + 1
2
"""
print(json.dumps([
    convert(text, "fhenn.Client", {"first": "int", "second": "Plan | None"}),
    summary(text),
    [full_name(name, near) for name, near in [("Plan", ""), ("sum", "fhenn.CipherArray"), ("nothing", "")]],
    signature_of(fhenn.approx.minimax),
]))
'''


@pytest.mark.thorough
def test_docstrings_become_pages():
    pytest.importorskip("sphinx")
    # in a process of its own: libraries that are missing have stand-ins there
    done = subprocess.run([sys.executable, "-c", CONVERTED], cwd=ROOT, capture_output=True, text=True, check=True)
    lines, first, names, (arguments, returned) = json.loads(done.stdout)
    assert first == "What it does, with ``Plan.error`` of ``x_``\\ ."
    for line in (
        ":Parameters:",
        "    **first**, **second** : int, \\ :py:obj:`Plan <fhenn.Plan>`\\  \\| None",
        "        what \\|both\\| are, for :py:obj:`fhenn.plan <fhenn.plan>`\\ . other: is no argument.",
        ":Returns: a :py:obj:`Plan <fhenn.Plan>`\\ .",
        ":Raises: :py:obj:`PlanError <fhenn.errors.PlanError>` for \\*nothing\\*.",
        ">>> 1 + 1",
    ):
        assert line in lines, line
    assert names == ["fhenn.Plan", "fhenn.CipherArray.sum", None]
    assert "tuple[float, float]" in arguments
    assert returned == "Polynomial"
