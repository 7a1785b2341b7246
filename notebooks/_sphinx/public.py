"""Which names are public, where each is described, and what else it is called."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sphinx.ext.autodoc.mock import mock

import fhenn

WITHIN = ("backends.native", "backends.seal", "interop.sklearn", "interop.torch", "nn.losses", "columns")
"""Modules that are described beside the rooms: those inside them that are public too, and what tables are to them."""

TOP = "fhenn"


@dataclass(frozen=True)
class Thing:
    """A public name.

    room: the module in which it is described.
    name: what it is called there.
    value: the object.
    kind: "class", "error", "function" or "data".
    aliases: its other full names, public or where it is defined.
    """

    room: str
    name: str
    value: Any
    kind: str
    aliases: tuple[str, ...]

    @property
    def full(self) -> str:
        """The name by which it is described."""
        return f"{self.room}.{self.name}"


MOCKED = [library for library in ("torch",) if find_spec(library) is None]
"""Libraries whose wheels bring gigabytes: the pages are the same where something stands in for them."""

with mock(MOCKED):
    for room in WITHIN:
        import_module(f"{TOP}.{room}")


@cache
def rooms() -> tuple[str, ...]:
    """The modules whose names are public, fhenn first."""
    return (TOP, *(f"{TOP}.{room}" for room in sorted({*fhenn._ROOMS, *WITHIN})))


def names_in(room: str) -> list[str]:
    """The public names of a module: its `__all__`, else what it or the modules inside it define."""
    module = import_module(room)
    listed = getattr(module, "__all__", None)
    if listed is None:
        listed = [
            name
            for name, value in vars(module).items()
            if name[0] != "_" and str(getattr(value, "__module__", "")).startswith(room) and callable(value)
        ]
    return [name for name in listed if name != "__version__" and not inspect.ismodule(getattr(module, name))]


@cache
def things() -> tuple[Thing, ...]:
    """Every public name once, under the first of its names: that in fhenn, else that in the first room that has it.

    Errors are all in their own room.
    """
    found: dict[tuple[object, ...], Thing] = {}
    for room in rooms():
        for name in names_in(room):
            value = getattr(import_module(room), name)
            kind = _kind(value)
            key = (id(value),) if kind != "data" else (id(value), name)
            if key in found:
                known = found[key]
                names = (known.full, f"{room}.{name}")
                first = room if kind == "error" and _is_at_home(value, room) else known.room
                others = [each for each in (*known.aliases, *names) if each != f"{first}.{known.name}"]
                found[key] = Thing(first, known.name, value, kind, tuple(dict.fromkeys(others)))
            else:
                home = f"{value.__module__}.{value.__qualname__}" if kind != "data" else ""
                aliases = (home,) if home and home != f"{room}.{name}" else ()
                found[key] = Thing(room, name, value, kind, aliases)
    return tuple(found.values())


def _is_at_home(value: Any, room: str) -> bool:
    return str(getattr(value, "__module__", "")) == room


def _kind(value: Any) -> str:
    if inspect.isclass(value):
        return "error" if issubclass(value, BaseException) else "class"
    return "function" if inspect.isroutine(value) else "data"


@cache
def described() -> dict[str, str]:
    """Every full name, of members too, and the name under which it is described."""
    names = {room: room for room in rooms()}
    for thing in things():
        for each in (thing.full, *thing.aliases):
            names.setdefault(each, thing.full)
        for member in members_of(thing.value) if inspect.isclass(thing.value) else ():
            for each in (thing.full, *thing.aliases):
                names.setdefault(f"{each}.{member}", f"{thing.full}.{member}")
    return names


@cache
def _by_bare_name() -> dict[str, str | None]:
    names: dict[str, str | None] = {}
    for thing in things():
        names[thing.name] = thing.full if thing.name not in names or thing.room == TOP else None
    return names


def full_name(text: str, near: str = "") -> str | None:
    """What a name in a text stands for, or None.

    text: "fhenn.plan", "Plan.targets", "minimax".
    near: the full name of what the text describes: its members and its room come first.
    """
    names = described()
    parts = near.split(".")
    for length in range(len(parts), 0, -1):
        found = names.get(".".join([*parts[:length], text]))
        if found:
            return found
    if text in names:
        return names[text]
    head, _, rest = text.partition(".")
    owner = _by_bare_name().get(head)
    return names.get(f"{owner}.{rest}" if rest else owner) if owner else None


@cache
def members_of(kind: type) -> tuple[str, ...]:
    """What is described of a class: its public members with a docstring, and those of its bases that are not public."""
    public = {id(thing.value) for thing in things()}
    found: dict[str, None] = {}
    for owner in kind.__mro__:
        if owner is not kind and (id(owner) in public or not owner.__module__.startswith(TOP)):
            continue
        for name, value in vars(owner).items():
            if (name[0] != "_" or name == "__call__") and _has_text(value) and name not in found:
                found[name] = None
    return tuple(found)


def _has_text(value: Any) -> bool:
    target = getattr(value, "func", value)  # a cached_property
    target = getattr(target, "__func__", target)
    described = inspect.isroutine(target) or isinstance(target, property)
    return described and bool(getattr(target, "__doc__", None))


@cache
def tree_of(module: str) -> ast.Module:
    """The source of a module, parsed."""
    return ast.parse(inspect.getsource(import_module(module)))


def definition(module: str, name: str) -> tuple[str, ast.expr | None, str] | None:
    """Where a name of a module is assigned: the module, the value, and the text that follows it; None if nowhere."""
    body = tree_of(module).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(TOP):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return definition(node.module, alias.name)
        elif name in _assigned(node):
            text = ""
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = str(following.value.value)
            return module, getattr(node, "value", None), inspect.cleandoc(text)
    return None


def _assigned(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        for each in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(each, ast.Name):
                yield each.id
