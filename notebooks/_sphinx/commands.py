"""The page of the commands, from what `fhenn … --help` is made of."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
from sphinx.application import Sphinx

from _sphinx.reference import FOLDER
from fhenn.cli.main import cli


def lines_of_page() -> Iterator[str]:
    """The page: every command with its text, arguments and options."""
    yield from ("The commands", "============", "")
    yield from _text(cli.help or "")
    context = click.Context(cli, info_name="fhenn")
    yield from _of_group(cli, context, "-")


def _of_group(group: click.Group, context: click.Context, line: str) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        path = inner.command_path
        yield from (f".. _{path.replace(' ', '-')}:", "", path, line * len(path), "")
        yield from (".. code-block:: console", "", "   " + " ".join([path, *command.collect_usage_pieces(inner)]), "")
        yield from _text(command.help or "")
        yield from _options(command, inner)
        if isinstance(command, click.Group):
            yield from _of_group(command, inner, "~")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    if not records:
        return
    yield from (".. list-table::", "   :class: options", "   :widths: 35 65", "")
    for names, text in records:
        yield f"   * - ``{names}``"
        yield f"     - {_inline(text)}"
    yield ""


def _inline(text: str) -> str:
    """A sentence of a help text, its code as literals."""
    escaped = re.sub(r"(`[^`]+`)|([\\*|]|_(?!\w))", lambda found: found[1] or "\\" + found[2], " ".join(text.split()))
    return re.sub(r"`([^`]+)`(?=(\w?))", lambda found: f"``{found[1]}``" + "\\ " * bool(found[2]), escaped)


def _text(text: str) -> Iterator[str]:
    """The help of a command: paragraphs, and those that click prints as they stand."""
    for block in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = block.partition("\n")
        if first.strip() == "\b":
            yield from (".. code-block:: text", "", *(f"   {line}" for line in rest.splitlines()), "")
        else:
            yield from (_inline(block.replace("\f", "")), "")


def _write(app: Sphinx) -> None:
    path, text = Path(app.srcdir) / FOLDER / "commands.rst", "\n".join(lines_of_page())
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", lambda app, config: _write(app), priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
