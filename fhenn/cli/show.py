"""What all commands share: how results and progress are shown, and how files are named.

Everything that a command prints goes through here, and through `fhenn.text`, so that a stranger's text does nothing to
the terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from fhenn.cli.words import words
from fhenn.errors import ParameterError
from fhenn.text import json_text, printable, printable_lines

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the result, or an error, as JSON.")

FILE = click.Path(dir_okay=False, path_type=Path)
"""A file to read or write; whoever opens it says what is wrong with it."""


_LONGEST_LINE = 1 << 12
_LONGEST_MESSAGE = 4000


def output_option(default: str, what: str) -> Callable[[Any], Any]:
    """-o, --output."""
    return click.option(
        "--output", "-o", type=FILE, default=Path(default), show_default=True, help=f"File for {what}; is overwritten."
    )


class Grid(Table):
    """A table on the terminal whose cells are plain text: no markup, and nothing that a terminal obeys.

    headings: of its columns, as text.
    options: of `rich.table.Table`; without lines unless they say so.
    """

    def __init__(self, *headings: str, **options: Any) -> None:
        super().__init__(*headings, **({"box": None, "pad_edge": False} | options))

    def add_row(self, *cells: object, **options: Any) -> None:
        """A row of cells, each printed as `str` does."""
        super().add_row(*(Text(printable(cell), overflow="fold") for cell in cells), **options)


def say(text: object, err: bool = False) -> None:
    """Print lines of text.

    text: printed as `str` does.
    err: whether to print to standard error.
    """
    click.echo(printable_lines(text), err=err)


def tell(as_json: bool, result: Any, *parts: str | Grid) -> None:
    """Print a result.

    as_json: whether to print `result` as JSON, else `parts`.
    result: plain data.
    parts: texts and tables for people.
    """
    if as_json:
        click.echo(json_text(result))
        return
    for part in parts:
        if isinstance(part, Grid):
            if not part.row_count:  # headings over nothing tell nothing
                continue
            Console(markup=False, emoji=False, highlight=False).print(part)
        else:
            say(part)


def warn(warning: object) -> None:
    """Print a warning in one line on standard error."""
    say(f"fhenn: warning: {sentence(words(warning))}", err=True)


def sentence(text: str) -> str:
    """A text in one line that is safe on the terminal."""
    return printable(" ".join(text.splitlines()), _LONGEST_MESSAGE)


def note(as_json: bool, text: str) -> None:
    """Print on standard error what is about to be done; nothing where the result is JSON."""
    if not as_json:
        say(f"fhenn: {text}", err=True)


def count_of(count: int, noun: str) -> str:
    """A number of things: `1 sample`, `2 samples`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def first_line(path: Path, what: str) -> str:
    """The first line of a short text file.

    path: of the file.
    what: the line holds, for the error.

    Raises ParameterError where the file is not text, or its first line too long; OSError.
    """
    with path.open("rb") as file:
        data = file.read(_LONGEST_LINE)
    line, newline, _ = data.partition(b"\n")
    wrong = ParameterError(f"{path} does not hold a {what}.", f"Give a text file with the {what} on its first line.")
    if b"\0" in data or (not newline and len(data) == _LONGEST_LINE):
        raise wrong
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError as error:
        raise wrong from error


@contextmanager
def progress(as_json: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error, on a terminal only.

    as_json: whether there is no bar.

    Yields a function to call with (what, done, total); a total of 0 is one that nobody knows. The bar appears with its
    first call, so that a passphrase can be asked for before.
    """
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True, disable=as_json or not console.is_terminal)
    task = bar.add_task("", total=None)

    def show(what: str, done: int, total: int) -> None:
        bar.update(task, description=f"{printable(what, 40):>9}", completed=done, total=total or None)
        bar.start()

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def working(as_json: bool, what: str) -> Iterator[None]:
    """A block that takes a while, nobody knows how long: a bar on standard error says so, on a terminal only.

    as_json: whether there is no bar.
    what: is done, in a word or two.
    """
    with progress(as_json) as show:
        show(what, 0, 0)
        yield


def megabytes(size: int) -> str:
    """A size in bytes as people read it.

    >>> megabytes(494951), megabytes(1874), megabytes(96), megabytes(16 * 10**9)
    ('0.49 MB', '1.9 kB', '96 bytes', '16.0 GB')
    """
    if size >= 10_000_000_000:
        return f"{size / 1e9:,.1f} GB"
    if size >= 10_000:
        return f"{size / 1e6:,.2f} MB"
    return f"{size / 1e3:.1f} kB" if size >= 1000 else f"{size} bytes"


def local_time(text: str) -> str:
    """A time in ISO 8601 as people here read it; as it is where it is none.

    text: of a date and time with its offset, as "2026-11-28T13:54:36+00:00".
    """
    try:
        return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return text


_DIGITS = 12


def in_short(fingerprint: str) -> str:
    """The first digits of a fingerprint or a digest: enough to tell one from another.

    >>> in_short("6b1c73c326d8f93c0605202e0cfa3eb0")
    '6b1c73c326d8'
    """
    return fingerprint[:_DIGITS]
