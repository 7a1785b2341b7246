"""The options of every command that reads a table: how its CSV is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from fhenn.cli.tables.delimited import CsvFormat

_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}


def _delimiter(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    character = _NAMED.get(value, value)
    if len(character) != 1 or character.isalnum() or character in "\"'\r\n\0.+-":
        raise click.BadParameter(f"the delimiter must be one character, for instance ';' or tab, not {value!r}.")
    return character


def csv_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--delimiter, --decimal, --header and --no-header; the command gets them as one `csv_format`."""

    @wraps(command)
    def with_format(*, delimiter: str | None, decimal: str, header: bool | None, **rest: Any) -> Any:
        return command(csv_format=CsvFormat(delimiter, decimal, header), **rest)

    for option in (
        click.option(
            "--header/--no-header",
            default=None,
            help="Whether the first line of a CSV names its columns.  [default: by how it looks]",
        ),
        click.option(
            "--decimal",
            type=click.Choice((".", ",")),
            default=".",
            show_default=True,
            help="Decimal point of a CSV.",
        ),
        click.option("--delimiter", callback=_delimiter, help="Between cells of a CSV, as ';' or tab.  [default: ,]"),
    ):
        with_format = option(with_format)
    return with_format
