"""The command line as a process: how it ends, and how it says what went wrong."""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from fhenn.cli.hints import hint_on, near_names
from fhenn.cli.main import cli
from fhenn.cli.show import say, sentence, tell, warn
from fhenn.cli.words import words
from fhenn.errors import AccuracyLost, FhennError, FileMissing, RangeViolation

NO, MISTAKE, FAULT, STOPPED = 1, 2, 3, 130
"""Exit codes: the result is no; a mistake of the user or something missing; a fault in fhenn; stopped by Ctrl-C."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    arguments: the words after `fhenn`; None for those of this process. With --json among them, an error is a JSON
    object on standard output: {"error": its kind, "message": a sentence, "data": its details, in which places count
    from 0}. Without it, an error is a line on standard error.

    Returns the exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given[: given.index("--") if "--" in given else None]
    before, warnings.showwarning = warnings.showwarning, _show_warning
    try:
        code = cli.main(given, prog_name="fhenn", standalone_mode=False)
    except click.ClickException as error:
        return _usage(error, given, as_json)
    except Exception as error:  # the last place: nothing above would say it
        return _failure(error).show(as_json)
    finally:
        warnings.showwarning = before
    return int(code or 0)


@dataclass(frozen=True)
class _Failure:
    """Why a command failed.

    kind: of the error, for programs.
    message: a sentence.
    data: what the error carries.
    code: the exit code.
    report: lines below the message, where it has some.
    """

    kind: str
    message: str
    data: dict[str, Any]
    code: int
    report: str = ""

    def show(self, as_json: bool) -> int:
        """Print the message and return the exit code."""
        line = sentence(self.message)
        if as_json:
            tell(True, {"error": self.kind, "message": line, "data": self.data})
        else:
            say(f"fhenn: {line}" + f"\n{self.report}" * bool(self.report), err=True)
        return self.code


def _failure(error: Exception) -> _Failure:
    if isinstance(error, click.Abort):
        return _Failure("stopped", "stopped.", {}, STOPPED)
    if isinstance(error, FhennError):
        near = near_names(Path(error.path)) if isinstance(error, FileMissing) else ""
        data: dict[str, Any] = asdict(error) if is_dataclass(error) else {}
        code = NO if isinstance(error, RangeViolation) else MISTAKE
        if isinstance(error, AccuracyLost):
            return _Failure(_kind(error), words(error), data, code, str(error.report))
        return _Failure(_kind(error), f"{words(error)} {near}".rstrip(), data, code)
    if isinstance(error, OSError):
        path = None if error.filename is None else os.fsdecode(error.filename)
        message = f"{path}: {error.strerror}." if path else str(error) or type(error).__name__
        near = near_names(Path(path)) if path and isinstance(error, FileNotFoundError) else ""
        return _Failure("file", f"{message} {near}".rstrip(), {"path": path, "reason": error.strerror}, MISTAKE)
    if isinstance(error, MemoryError):
        return _Failure("memory", "there is not enough memory. Give fewer samples at once.", {}, MISTAKE)
    say(traceback.format_exc().rstrip("\n"), err=True)
    return _Failure("fault", f"a fault in fhenn, please report it: {type(error).__name__}: {error}", {}, FAULT)


def _usage(error: click.ClickException, given: Sequence[str], as_json: bool) -> int:
    """Say that a command was called wrongly, as click does, and what helps."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "fhenn"
    if not as_json and context and isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        say(context.get_help(), err=True)
        return error.exit_code
    called = context.command if context else cli.commands.get(given[0]) if given else None
    message = " ".join([*error.format_message().split(), *hint_on(error, called).split()])
    if as_json:
        return _Failure("usage", message, {"command": command}, error.exit_code).show(as_json)
    usage = f"{context.get_usage()}\n" if context else ""
    say(f"{usage}Try '{command} --help' for help.\n\nError: {sentence(message)}", err=True)
    return error.exit_code


def _kind(error: FhennError) -> str:
    """The name of an error for programs, as "bounds-exceeded"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning in one line, instead of Python's two with a place in the code."""
    warn(message)
