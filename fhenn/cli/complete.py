"""What a shell's completion offers: files by what they are, columns of tables, what is in a service's store."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from fhenn.cli.folder import columns_of_csv
from fhenn.errors import WireFormatError
from fhenn.wire import read_header

TABLES = (".csv", ".npy", ".parquet")
SOURCES = (".onnx", ".json", ".ubj", ".txt")
"""Endings of models of other libraries."""

_MOST = 500
"""Files of a folder that are looked at while somebody types."""

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def files(*kinds: str, endings: tuple[str, ...] = ()) -> Complete:
    """Offers the files of a folder of some kinds, or with some endings; all files where it has none of these.

    kinds: of fhenn files, as their headers name them ("model", "plan", …); "*" for every kind.
    endings: of other files, as ".csv".
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        folder, start = os.path.split(incomplete)
        found = [
            _item(os.path.join(folder, name))  # noqa: PTH118, a path would lose what was typed: ./, or two slashes
            for name in _names(Path(folder))
            if _begins(name, start) and _is_of(Path(folder, name), kinds, endings)
        ]
        return found or [CompletionItem(incomplete, type="file")]

    return complete


def columns(*tables: str) -> Complete:
    """Offers the columns of a CSV that the line names already.

    tables: parameters that may name it, the likeliest first.
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        # click leaves arguments unread behind an option that waits for its value
        given = [*(context.params.get(each) for each in tables), *context.args]
        path = next((str(each) for each in given if str(each).lower().endswith(".csv")), None)
        start = incomplete.lstrip("'\"")
        with suppress(OSError):
            return [_item(name) for name in columns_of_csv(Path(path)) if name.startswith(start)] if path else []
        return []

    return complete


def models(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers the models in the store."""
    return [_item(name) for name in _names(_store(context) / "models", folders=True) if name.startswith(incomplete)]


def versions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers the versions in the store of the model that the line names."""
    home = _store(context) / "models" / Path(str(context.params.get("name") or "")).name
    return [_item(name) for name in _names(home, folders=True) if name.startswith(incomplete)]


def tokens(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers the ids of tokens in the store, each with its owner."""
    folder = _store(context) / "tokens"
    names = (name.removesuffix(".json") for name in _names(folder) if name.endswith(".json"))
    return [CompletionItem(name, help=_owner(folder, name)) for name in names if name.startswith(incomplete)]


def owners(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers the owners of the tokens in the store."""
    folder = _store(context) / "tokens"
    found = {_owner(folder, name.removesuffix(".json")) for name in _names(folder) if name.endswith(".json")}
    return [_item(name) for name in sorted(found) if name.startswith(incomplete)] if found else []


def _store(context: click.Context) -> Path:
    return Path(str(context.params.get("store") or os.environ.get("FHENN_STORE") or "fhenn-store"))


def _owner(folder: Path, identity: str) -> str:
    with suppress(OSError, ValueError, AttributeError):
        return str(json.loads((folder / f"{identity}.json").read_bytes()).get("owner", ""))
    return ""


def _names(folder: Path, folders: bool = False) -> Iterator[str]:
    """The names of files in a folder, or of the folders in it; nothing where it cannot be listed."""
    with suppress(OSError), os.scandir(folder) as entries:
        found: Iterable[os.DirEntry[str]] = islice(entries, _MOST)
        yield from sorted(each.name for each in found if (each.is_dir() if folders else each.is_file()))


def _begins(name: str, start: str) -> bool:
    """Whether a name begins so; a hidden one only where its dot was typed."""
    return name.startswith(start) and (bool(start) or not name.startswith("."))


def _is_of(path: Path, kinds: tuple[str, ...], endings: tuple[str, ...]) -> bool:
    if path.name.lower().endswith(endings or ("\0",)):
        return True
    if not kinds or path.suffix != ".fhenn":
        return False
    try:
        with path.open("rb", buffering=0) as file:
            return "*" in kinds or read_header(file)[0].kind in kinds
    except (OSError, WireFormatError):
        return False


def _item(value: str) -> CompletionItem:
    """A value; for bash, which takes it as it is, in quotes where it needs them."""
    in_bash = os.environ.get("_FHENN_COMPLETE", "").startswith("bash")
    return CompletionItem(shlex.quote(value) if in_bash else value)
