"""How to install what an extra of fhenn brings: a line that works where fhenn is on no package index, too.

Where fhenn was installed from a folder, which its metadata tell (PEP 610), that folder is named. Else the libraries are
named themselves, as the metadata state them (`Requires-Dist`), or the sources beside which there are no metadata.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NAME = "fhenn"
_SOURCES = Path(__file__).parent.parent
_OF_EXTRA = re.compile(r"""\(?\s*extra\s*==\s*["']([A-Za-z0-9._-]+)["']\s*\)?""")
_QUOTES_OF_MARKERS = ('"', "'") if os.name == "nt" else ("'", '"')
"""Those in the markers of requirements, and those that the shell leaves alone inside its own."""
_PROJECT = re.compile(r"[A-Za-z0-9._-]+")
_SELF = re.compile(rf"{_NAME}\s*\[([^\]]*)\]")


def install_line(extra: str) -> str:
    """A command that installs what an extra brings, in this environment.

    extra: its name, as "cli"; empty for what is always needed.

    >>> install_line("files").startswith("pip install ")
    True
    """
    folder = installed_from() if extra else None
    if folder is not None:
        return f"pip install {_editable()}{_quoted(f'{folder}[{extra}]')}"
    needed = [_quoted(each.replace(*_QUOTES_OF_MARKERS)) for each in requirements(extra)]
    return f"pip install {' '.join(needed or [_quoted(f'{_NAME}[{extra}]' if extra else _NAME)])}"


def installed_from() -> Path | None:
    """The folder of sources that fhenn was installed from; None where it was not, or it is gone."""
    url, _ = _direct_url()
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    folder = _path(url)
    return folder if (folder / "pyproject.toml").is_file() else None


def requirements(extra: str) -> tuple[str, ...]:
    """What an extra brings, extras in it resolved, in the order of its declaration; nothing where it is not known.

    extra: its name; empty for what fhenn needs without any.

    >>> requirements("fit"), requirements("none such")
    (('scipy>=1.11',), ())
    """
    declared = _declared()
    found: dict[str, None] = {}
    waiting, seen = [extra], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        for requirement in declared.get(name, ()):
            itself = _SELF.match(requirement)
            if itself:
                waiting += [each.strip() for each in itself.group(1).split(",")]
            else:
                found[requirement] = None
    return tuple(found)


def not_installed(extra: str) -> tuple[str, ...]:
    """The names of what an extra brings and is not installed; without what only some systems or versions need.

    extra: its name; empty for what is always needed.
    """
    return tuple(_names_of_missing(requirements(extra)))


def version_of(name: str) -> str | None:
    """The version of a distribution that is installed; None where it is not.

    name: of the distribution.
    """
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def extras() -> tuple[str, ...]:
    """The names of all extras, in the order of their declaration."""
    return tuple(name for name in _declared() if name)


def _declared() -> Mapping[str, tuple[str, ...]]:
    """What each extra needs, by its name; under the empty name what is always needed."""
    found = _distribution()
    lines = None if found is None else found.requires
    return _of_sources() if lines is None else _of_metadata(lines)


def _of_metadata(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The same, from lines such as `click>=8.1; extra == 'cli'`."""
    declared: dict[str, list[str]] = {"": []}
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = _OF_EXTRA.search(marker)
        rest = _OF_EXTRA.sub("", marker).strip()
        rest = re.sub(r"^and\s+|\s+and$", "", rest).strip()
        text = requirement.strip() + (f"; {rest}" if rest else "")
        declared.setdefault(extra.group(1) if extra else "", []).append(text)
    return {name: tuple(needed) for name, needed in declared.items()}


@cache
def _of_sources() -> dict[str, tuple[str, ...]]:
    """The same, from the sources around this package; nothing where these are another's, or none."""
    with suppress(OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        project = tomllib.loads((_SOURCES / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == _NAME:
            optional = project.get("optional-dependencies", {})
            return {"": tuple(project.get("dependencies", ()))} | {name: tuple(each) for name, each in optional.items()}
    return {}


def _distribution() -> Distribution | None:
    """This package as it is installed; None where it is not, or another copy of it is."""
    try:
        found = distribution(_NAME)
    except PackageNotFoundError:
        return None
    return found if _is_this(found) else None


def _is_this(found: Distribution) -> bool:
    """Whether a distribution is what runs here: its files, or the sources that it was installed from to be edited."""
    if Path(str(found.locate_file(_NAME))).resolve() == Path(__file__).parent.resolve():
        return True
    url, editable = _direct_url(found)
    return editable and _path(url).resolve() == _SOURCES.resolve()


def _direct_url(found: Distribution | None = None) -> tuple[str, bool]:
    """(url, whether to be edited) of the folder that this was installed from, PEP 610; ("", False) for none."""
    found = _distribution() if found is None else found
    with suppress(ValueError, AttributeError, TypeError, OSError):
        said = json.loads((found.read_text("direct_url.json") if found else None) or "{}")
        if isinstance(said.get("url"), str) and isinstance(said.get("dir_info"), dict):
            return said["url"], said["dir_info"].get("editable") is True
    return "", False


def _path(url: str) -> Path:
    """The path that a file:// URL names."""
    path = unquote(urlsplit(url).path)
    return Path(path.lstrip("/") if os.name == "nt" else path)


def _editable() -> str:
    return "--editable " if _direct_url()[1] else ""


def _quoted(word: str) -> str:
    """A word as the shell takes it."""
    if os.name == "nt":
        return f'"{word}"'
    return shlex.quote(word) if "'" in word else f"'{word}'"


def _names_of_missing(needed: Iterable[str]) -> Iterator[str]:
    for requirement in needed:
        name = _PROJECT.match(requirement)
        if ";" in requirement or name is None:
            continue
        if version_of(name.group()) is None:
            yield name.group()
