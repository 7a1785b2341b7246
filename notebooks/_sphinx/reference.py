"""The pages of the reference: one for every room with a table of its names, and one for every class and function."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import fhenn
from _sphinx import docstrings
from _sphinx.public import TOP, Thing, definition, full_name, members_of, names_in, rooms, things
from _sphinx.signatures import signature_of, types_of

FOLDER = "reference"
"""Beside the guides; what is in it is made anew by every build, and in no commit."""

_HEADINGS = {"class": "Classes", "function": "Functions", "error": "Errors and warnings", "data": "Values"}
_OF_FHENN = {
    "nn": "Layers and training in the clear",
    "interop": "Models from elsewhere",
    "planner": "Plans",
    "session": "The two sides",
    "pool": "Cores and clusters",
    "service": "A service",
    "ranges": "What reaches activations",
    "safety": "What is certain",
    "comparison": "Encrypted beside exact",
    "approx": "Polynomials",
    "ckks": "Encrypted arrays",
    "backends": "Keys",
    "training": "Training on ciphertexts",
    "errors": "Errors and reports",
}
"""What the names of fhenn are about, by the room that they come from, in the order in which they are used."""

_MOST_ARGUMENTS = 10
"""Arguments of a signature; a class of more is data that others make, whose fields its text lists with their types."""

_SHORT = 60
"""Characters of a value that is shown."""


def write(folder: Path) -> None:
    """Write all pages.

    folder: where; what is there already and stays as it is keeps its time, so that Sphinx leaves it out.
    """
    pages = dict(_pages())
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()
    for name, lines in pages.items():
        path, text = folder / f"{name}.rst", "\n".join(lines) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def pages_of(own: Iterable[Thing]) -> dict[str, str]:
    """The page of each class and function by its full name; names that differ by case alone have different ones."""
    pages: dict[str, str] = {}
    for thing in own:
        if thing.kind in ("class", "function"):
            lower = {page.lower() for page in pages.values()}
            pages[thing.full] = thing.full if thing.full.lower() not in lower else f"{thing.full}-{thing.kind}"
    return pages


def _pages() -> Iterator[tuple[str, list[str]]]:
    pages = pages_of(things())
    yield "index", _index()
    for room in rooms():
        yield room, _room(room, pages)
    for thing in things():
        if thing.full in pages:
            yield pages[thing.full], _page(thing)


def _title(text: str, line: str = "=") -> list[str]:
    return [text, line * max(len(text), 3), ""]


def _index() -> list[str]:
    text = (
        "Every public name. What most need is in ``fhenn`` itself; the rest is in rooms, such as ``fhenn.approx``. "
        "What may change from one version to the next is said in :doc:`/contributing`."
    )
    rows = [(f":doc:`{room} <{room}>`", _first(room)) for room in rooms()]
    rows.append((":doc:`The commands <commands>`", "Every command of ``fhenn …``, with its arguments and options."))
    hidden = [".. toctree::", "   :hidden:", "", *(f"   {room}" for room in rooms()), "   commands"]
    return [*_title("Reference"), text, "", *_table(rows), *hidden]


def _first(room: str) -> str:
    return docstrings.summary(inspect.getdoc(import_module(room)) or "", room)


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [".. list-table::", "   :class: names", "   :widths: 30 70", ""]
    for name, text in rows:
        lines += [f"   * - {name}", f"     - {text}"]
    return [*lines, ""]


def _room(room: str, pages: dict[str, str]) -> list[str]:
    module = import_module(room)
    text = docstrings.convert(inspect.getdoc(module) or "", room)
    lines = [*_title(room), f".. py:module:: {room}", "", *text]
    by_value = {(id(thing.value), thing.name if thing.kind == "data" else ""): thing for thing in things()}
    here = []
    for name in names_in(room):
        value = getattr(module, name)
        here.append((name, by_value.get((id(value), "")) or by_value[id(value), name]))
    for heading, chosen in _groups(room, here):
        lines += _title(heading, "-")
        lines += _table((_link(name, thing), _summary(thing)) for name, thing in chosen)
        for _, thing in chosen:
            if thing.room == room and thing.full not in pages:
                lines += _error(thing) if thing.kind == "error" else _value(thing)
    own = [pages[thing.full] for _, thing in here if thing.room == room and thing.full in pages]
    return [*lines, ".. toctree::", "   :hidden:", "", *(f"   {page}" for page in own), ""]


def _groups(room: str, here: list[tuple[str, Thing]]) -> Iterator[tuple[str, list[tuple[str, Thing]]]]:
    """The names of a room by kind; those of fhenn by the room that they come from."""
    if room == TOP:
        homes = {name: home.split(".")[1] for name, home in fhenn._HOME.items()}
        for home in dict.fromkeys([*_OF_FHENN, *homes.values()]):
            yield _OF_FHENN.get(home, home), [(name, thing) for name, thing in here if homes[name] == home]
        return
    for kind, heading in _HEADINGS.items():
        chosen = [(name, thing) for name, thing in here if thing.kind == kind]
        if chosen:
            yield heading, chosen


def _link(name: str, thing: Thing) -> str:
    return f":py:obj:`{name} <{thing.full}>`"


def _summary(thing: Thing) -> str:
    text = _value_text(thing) if thing.kind == "data" else inspect.getdoc(thing.value) or ""
    return docstrings.summary(text, thing.full)


def _page(thing: Thing) -> list[str]:
    lines = [*_title(thing.name), f".. py:currentmodule:: {thing.room}", ""]
    if thing.kind == "function":
        return [*lines, f".. autofunction:: {thing.full}", ""]
    return [*lines, *_class(thing)]


def _class(thing: Thing) -> list[str]:
    members = ", ".join(members_of(thing.value))
    shown = ["   :inherited-members:", f"   :members: {members}"] if members else []
    special = ["   :special-members: __call__"] if "__call__" in members else []
    return [f".. autoclass:: {thing.full}", *_inheritance(thing), *shown, *special, ""]


def _error(thing: Thing) -> list[str]:
    return [f".. autoexception:: {thing.full}", *_inheritance(thing), ""]


def _inheritance(thing: Thing) -> list[str]:
    return ["   :show-inheritance:"] if any(map(_is_told, thing.value.__bases__)) else []


def _is_told(base: type) -> bool:
    """Whether a class is named as a base: one that is public, or of Python."""
    named = f"{base.__module__}.{base.__qualname__}"
    return base is not object and (base.__module__ == "builtins" or full_name(named) is not None)


def _value_text(thing: Thing) -> str:
    found = definition(thing.room, thing.name)
    return (found and found[2]) or f"A `{type(thing.value).__name__}`."


def _value(thing: Thing) -> list[str]:
    value = repr(thing.value)
    shown = [f"   :value: {value}"] if len(value) <= _SHORT and " at 0x" not in value and "\n" not in value else []
    text = docstrings.convert(_value_text(thing), thing.full)
    return [f".. py:data:: {thing.name}", *shown, "", *(f"   {line}" for line in text), ""]


def _text(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """A docstring on its way to a page."""
    called = types_of(obj) if what in ("class", "exception", "function", "method") else {}
    own = [field.name for field in fields(obj)] if inspect.isclass(obj) and is_dataclass(obj) else []
    if inspect.isclass(obj):
        own += [each for owner in obj.__mro__ for each in getattr(owner, "__annotations__", {})]
        own += [each for each in dir(obj) if not each.startswith("_")]
    lines[:] = docstrings.convert("\n".join(lines), full_name(name) or name, called, own)


def _signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str, str] | None:
    """A signature on its way to a page."""
    if not callable(obj) or signature is None:
        return None
    if inspect.isclass(obj) and len(types_of(obj)) > _MOST_ARGUMENTS:
        return "", ""
    return signature_of(obj)


def _bases(app: Sphinx, name: str, obj: Any, options: Any, bases: list[Any]) -> None:
    """The bases of a class on their way to a page."""
    bases[:] = [base for base in bases if inspect.isclass(base) and _is_told(base)]


def _types(app: Sphinx, tree: nodes.document) -> None:
    """Name what a type of a signature stands for in full, since several rooms have an `Activation`."""
    for node in tree.findall(pending_xref):
        if node.get("refdomain") == "py":
            node.attributes.pop("refspecific", None)
            node["reftarget"] = full_name(node["reftarget"], node.get("py:module") or "") or node["reftarget"]


def _foreign(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.TextElement | None:
    """A type that is not public, or of another library, is plain text; whatever else leads nowhere is a warning."""
    if node.get("refdomain") == "py" and full_name(node["reftarget"]) is None:
        return text
    return None


def _aliases(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Give every other public name of a thing the place of the first."""
    domain = env.domains.python_domain
    for thing in things():
        for alias in thing.aliases:
            if alias not in domain.objects and thing.full in domain.objects:
                domain.objects[alias] = domain.objects[thing.full]._replace(aliased=True)
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    # pages link to names of others: all are read again where there are other names
    app.add_config_value("fhenn_names", sorted(thing.full for thing in things()), "env", frozenset({list}))
    app.connect("config-inited", lambda app, config: write(Path(app.srcdir) / FOLDER), priority=900)
    app.connect("autodoc-process-docstring", _text)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-bases", _bases)
    app.connect("doctree-read", _types)
    app.connect("missing-reference", _foreign)
    app.connect("env-updated", _aliases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
