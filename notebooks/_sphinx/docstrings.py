"""Docstrings of fhenn as reStructuredText.

They are: what it is in a line; `name: text` for every argument; sentences that begin with Returns and Raises; prose;
examples. Code stands between single backticks, formulas are plain text.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from _sphinx.public import full_name

_ARGUMENT = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*): (.*)")
_SENTENCE = re.compile(r"(Returns|Raises|Yields) (?!and raises)(.*)")
_CODE = re.compile(r"``([^`]+)``|`([^`]+)`")
_ERROR = re.compile(r"(?<![\w.])[A-Z]\w*(?:[A-Z]\w*)+(?![\w.]*\w)")
_SPECIAL = re.compile(r"([\\*|]|_(?!\w)|(?<!\w)_(?=\w))")


def inline(text: str, near: str = "") -> str:
    """A sentence, its code as literals that link to what they name.

    text: of a docstring.
    near: the full name of what it describes.
    """
    pieces, at = [], 0
    for found in _CODE.finditer(text):
        pieces.append(_prose(text[at : found.start()], near))
        before = text[found.start() - 1 : found.start()]
        after = text[found.end() : found.end() + 1]
        pieces.append(("\\ " if before.strip() else "") + _code(found[1] or found[2], near))
        if after.strip():
            pieces.append("\\ ")
        at = found.end()
    return "".join([*pieces, _prose(text[at:], near)])


def _code(code: str, near: str) -> str:
    target = full_name(re.sub(r"\(.*\)$", "", code), near) if re.fullmatch(r"[\w.]+(\(.*\))?", code) else None
    if target and target != near:
        return f":py:obj:`{code} <{target}>`"
    return f"``{code}``"


def _prose(text: str, near: str) -> str:
    def link(found: re.Match[str]) -> str:
        target = full_name(found[0], near)
        return f":py:obj:`{found[0]} <{target}>`" if target and target.startswith("fhenn.errors.") else found[0]

    parts, at = [], 0
    for found in _ERROR.finditer(text):
        parts += [_escaped(text[at : found.start()]), link(found)]
        at = found.end()
    return "".join([*parts, _escaped(text[at:])])


def _type(text: str, near: str) -> str:
    """A type, its public names as links."""

    def name(found: re.Match[str]) -> str:
        target = full_name(found[0], near)
        return f"\\ :py:obj:`{found[0]} <{target}>`\\ " if target and target != near else _escaped(found[0])

    text = re.sub(r"\bLiteral\[([^\]]*)\]", lambda found: found[1].replace(", ", " | "), text)
    # texts are no names
    return re.sub(r"'[^']*'|[A-Za-z_][\w.]*|[\\*|`]", lambda f: name(f) if f[0][0] != "'" else _escaped(f[0]), text)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def summary(text: str, near: str = "") -> str:
    """What a docstring says first: its first paragraph up to an argument, as reStructuredText in a line.

    text: the docstring.
    near: the full name of what it describes.
    """
    first = inspect.cleandoc(text).split("\n\n", 1)[0].splitlines()
    kept = first[:1]
    for line in first[1:]:
        if _ARGUMENT.match(line) or _SENTENCE.match(line) or line.startswith(("- ", ">>>")):
            break
        kept.append(line)
    whole = " ".join(kept)
    if len(whole) > 200:  # the first sentence then
        whole = re.split(r"(?<=[^A-Z.][.:]) (?=[A-Z`])", whole)[0].rstrip(":")
    return inline(whole, near)


def convert(
    text: str, near: str = "", arguments: Mapping[str, str] = MappingProxyType({}), fields: Iterable[str] = ()
) -> list[str]:
    """The lines of a docstring as reStructuredText.

    text: the docstring.
    near: the full name of what it describes.
    arguments: what it is called with, and their types; only these open an entry of their own under "Parameters".
    fields: other attributes, which open one under "Attributes".
    """
    fields = set(fields)
    done: list[str] = []
    label = ""
    for block in _blocks(inspect.cleandoc(text)):
        if block[0].startswith(">>>"):
            done += [*block, ""]
            label = ""
            continue
        for name, lines in _entries(block, lambda name: name in arguments or name in fields):
            if name in ("Returns", "Raises", "Yields"):
                done += [f":{name}: " + inline(" ".join(lines), near)]
                label = ""
            elif name:
                heading = "Parameters" if any(each in arguments for each in _split(name)) else "Attributes"
                if heading != label:
                    done += [f":{heading}:"]
                    label = heading
                term = ", ".join(f"**{_escaped(each)}**" for each in _split(name))
                types = dict.fromkeys(each for each in map(arguments.get, _split(name)) if each)
                if types:
                    term += " : " + ", ".join(_type(each, near) for each in types)
                done += [f"    {term}", f"        {inline(' '.join(lines), near)}", ""]
            else:
                done += ["", *_list_or_prose(lines, near), ""]
                label = ""
        if done and done[-1]:
            done.append("")
    return done


def _split(name: str) -> list[str]:
    return [each.lstrip("*") for each in name.split(", ")]


def _blocks(text: str) -> Iterable[list[str]]:
    for block in re.split(r"\n\s*\n", text):
        if block.strip():
            yield block.splitlines()


def _entries(block: list[str], known: Callable[[str], bool]) -> list[tuple[str, list[str]]]:
    """The arguments, sentences and prose of a paragraph: a name, "Returns" or "", and its lines."""
    entries: list[tuple[str, list[str]]] = []
    for line in block:
        argument = _ARGUMENT.match(line)
        ended = not entries or entries[-1][1][-1].rstrip().endswith((".", ")", ":"))
        sentence = _SENTENCE.match(line) if ended else None
        if argument and all(map(known, _split(argument[1]))):
            entries.append((argument[1], [argument[2]]))
        elif sentence:
            entries.append((sentence[1], [sentence[2]]))
        elif entries:
            entries[-1][1].append(line if line.startswith(("- ", "  ")) and not entries[-1][0] else line.strip())
        else:
            entries.append(("", [line]))
    return entries


def _list_or_prose(lines: list[str], near: str) -> list[str]:
    done: list[str] = []
    inside = False
    for line in _joined(lines):
        if line.startswith("- ") != inside:
            done.append("")
            inside = not inside
        done.append("- " + inline(line[2:], near) if inside else inline(line, near))
    return done


def _joined(lines: list[str]) -> list[str]:
    """Each item of a list in a line, since code may go from one line to the next; and so with prose."""
    whole: list[str] = []
    for line in lines:
        if whole and not line.startswith("- "):
            whole[-1] += " " + line.strip()
        else:
            whole.append(line)
    return whole
