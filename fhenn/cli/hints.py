"""What else is said of a mistake: the option that takes a file, an example, a name that is near."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

import click
from click.exceptions import BadOptionUsage, MissingParameter

from fhenn.cli.folder import columns_of_csv
from fhenn.errors import WireFormatError, join_first
from fhenn.wire import read_header

_MOST = 1000
_UNKNOWN = re.compile(r"No such command '([^']*)'")
_OPTIONS = {
    "model": "--model",
    "plan": "--plan",
    "secret-key": "--secret",
    "evaluation-context": "--keys",
    "certificate": "--certificate",
    "receipt": "--receipt",
    "ids": "--ids",
}
"""The option that takes a file of a kind."""

_TABLES = (".csv", ".npy", ".parquet")
_WORDS = {
    "help": "`fhenn --help` shows all commands, `fhenn COMMAND --help` one.",
    "version": "`fhenn --version` shows it, `fhenn info` those of the libraries.",
    "sign": "`fhenn certify` certifies a model.",
    "test": "`fhenn doctor` checks the installation.",
    "ls": "`fhenn` alone shows what is in this folder.",
    "status": "`fhenn` alone shows what is in this folder.",
    "init": "`fhenn` alone shows how to begin.",
}
"""What is meant by commands that there are not."""


def hint_on(error: click.ClickException, command: click.Command | None) -> str:
    """What helps somebody who called a command wrongly; empty where nothing more is to be said.

    error: of click.
    command: that was called, None where it is not known.
    """
    unknown = _UNKNOWN.match(error.format_message())
    if unknown is not None:
        return _on_command(unknown.group(1), error.format_message(), command)
    if isinstance(error, MissingParameter):
        return _on_missing(error, command)
    if isinstance(error, BadOptionUsage):
        return _on_option(error, command)
    if "unexpected extra argument" in error.format_message() and command is not None:
        return _on_extra(error.format_message(), command)
    return ""


def near_names(path: Path) -> str:
    """Of a file that is not there: its folder that is missing, or a name in it that is near; empty for neither.

    path: of the file.
    """
    if not path.parent.is_dir():
        return f"There is no folder {path.parent}: create it first."
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, _MOST)]
    except OSError:
        return ""
    found = get_close_matches(path.name, names, 1)
    return f"Did you mean {path.with_name(found[0])}?" if found else ""


def _on_command(name: str, message: str, group: click.Command | None) -> str:
    """What is meant by a command that there is not. Later versions of click name those that are near themselves."""
    if name.lower() in _WORDS:
        return _WORDS[name.lower()]
    known = list(getattr(group, "commands", ()))
    near = () if "Did you mean" in message else get_close_matches(name.lower(), known, 1)
    return f"Did you mean '{near[0]}'?" if near else ""


def _on_missing(error: MissingParameter, command: click.Command | None) -> str:
    variable = getattr(error.param, "envvar", None)
    example = _example(command)
    said = [f"Or set {variable}."] if isinstance(variable, str) else []
    table = Path(str((error.ctx.params if error.ctx else {}).get("data", "")))
    if isinstance(error.param, click.Option) and "--label" in error.param.opts and table.suffix.lower() == ".csv":
        with suppress(OSError):
            said.append(f"{table} has the columns {join_first(columns_of_csv(table))}.")
    return " ".join([*said, *([f"For example: {example}"] if example else [])])


def _on_option(error: BadOptionUsage, command: click.Command | None) -> str:
    """What the values of an option are, of which there are too few."""
    for option in () if command is None else command.params:
        if error.option_name in option.opts and option.nargs > 1 and option.metavar:
            return f"They are {option.metavar}."
    return ""


def _on_extra(message: str, command: click.Command) -> str:
    """The option that takes what no argument takes."""
    known = {name for option in command.params for name in option.opts}
    for word in message.partition("(")[2].rstrip(").").split():
        option = _option_for(Path(word))
        if option in known:
            return f"Did you mean {option} {word}?"
    if command.name == "demo":
        return "The demo has data of its own; for yours begin with `fhenn train`."
    return ""


def _option_for(path: Path) -> str:
    """The option that takes a file; empty where none is known to."""
    if path.suffix.lower() in _TABLES:
        return "--bounds-from"
    try:
        with path.open("rb", buffering=0) as file:
            return _OPTIONS.get(read_header(file)[0].kind, "")
    except (OSError, WireFormatError):
        return ""


def _example(command: click.Command | None) -> str:
    """The first example in a command's help; empty where it has none."""
    lines: Sequence[str] = (command.help or "").splitlines() if command is not None else ()
    examples = (line.strip() for line in lines if line.strip().startswith("fhenn "))
    return next((each for each in examples if len(each.split()) > 2), "")  # more than was called
