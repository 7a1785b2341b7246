"""What all commands share: how results and progress are shown, and which files they take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fhenn.errors import ParameterError

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")

FILE = click.Path(dir_okay=False, path_type=Path)
"""A file to read or write; what is wrong with it is said by whoever opens it."""


_LONGEST_LINE = 1 << 12


def output_option(default: str, what: str) -> Callable[[Any], Any]:
    """-o, --output."""
    return click.option(
        "--output", "-o", type=FILE, default=Path(default), show_default=True, help=f"File for {what}; is overwritten."
    )


def tell(as_json: bool, result: dict[str, Any], text: str) -> None:
    """Print a result: as JSON, or as text for people."""
    click.echo(json.dumps(result, indent=2, default=str) if as_json else text)


def first_line(path: Path, what: str) -> str:
    """The first line of a short file of text. Raises ParameterError where it is another file, OSError."""
    with path.open("rb") as file:
        data = file.read(_LONGEST_LINE)
    line, newline, _ = data.partition(b"\n")
    remedy = f"Give a file of text with the {what} on its first line."
    if b"\0" in data or (not newline and len(data) == _LONGEST_LINE):
        raise ParameterError(f"{path} holds no {what}.", remedy)
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError as error:
        raise ParameterError(f"{path} holds no {what}.", remedy) from error


@contextmanager
def progress(as_json: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, on a terminal only; what is yielded is called with (what, done, total)."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=as_json or not console.is_terminal) as bar:
        task = bar.add_task("start", total=None)

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=f"{what:>9}", completed=done, total=total)

        yield show


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.2f} MB" if size >= 10_000 else f"{size} bytes"
