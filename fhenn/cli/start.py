"""`fhenn` alone: the path from a model to predictions, what of it is in this folder, and what to do next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fhenn import __version__
from fhenn.cli.advice import Advice, advice_on
from fhenn.cli.folder import Folder, Found, look
from fhenn.cli.show import Grid, tell
from fhenn.cli.stages import Stage, Stages, stages_of
from fhenn.text import printable
from fhenn.wire import in_words

_MOST_OTHERS = 10

_MARKS = {"done": "ok", "stale": "!", "damaged": "!"}

_TITLES = {"train": "train, import"}
"""Steps that several commands can do."""

_MAKES = {
    "train": "makes model.fhenn",
    "plan": "makes plan.fhenn",
    "certify": "how far answers can be off",
    "keygen": "makes secret.fhenn, keys.fhenn",
    "encrypt": "makes upload.fhenn of a table",
    "evaluate": "makes answer.fhenn",
    "decrypt": "makes a table of predictions",
}
"""What is said of a step that is not done."""

_ELSEWHERE = {"train": "the model is at the server", "keygen": "the secret key is at the client"}
"""What is said of a step that the other side did."""


def tell_start(as_json: bool) -> None:
    """Show the path, what of it is in this folder, and what to do next. Nothing is written.

    as_json: whether to print JSON.
    """
    folder = look(Path())
    stages = stages_of(folder)
    advice = advice_on(folder, stages, os.environ)
    if as_json:
        tell(True, _as_data(folder, stages, advice))
        return
    tell(False, None, *_as_text(folder, stages, advice))


def _as_data(folder: Folder, stages: Stages, advice: Advice) -> dict[str, Any]:
    return {
        "version": __version__,
        "steps": [asdict(stage) for stage in stages.all],
        "others": [{"name": each.name, "says": _says(each)} for each in stages.rest],
        "fault": folder.fault,
        "next": {
            "command": advice.command or None,
            "side": advice.side,
            "why": advice.why,
            "also": [{"command": command, "why": why} for command, why in advice.also],
        },
    }


def _as_text(folder: Folder, stages: Stages, advice: Advice) -> Iterator[str | Grid]:
    yield f"fhenn {__version__}: a model answers on data that it cannot read. All commands: fhenn --help\n"
    if folder.fault:
        yield f"this folder cannot be listed: {folder.fault}\n"
    table = Grid("", "step", "side", "in this folder", "", box=None, pad_edge=False, header_style="")
    for stage in stages.all:
        title, mark = _TITLES.get(stage.name, stage.name), _MARKS.get(stage.state, "-")
        for place, (name, says) in enumerate(_lines(stage)):
            first = (mark, title, stage.side) if not place else ("", "", "")
            table.add_row(*first, name, says)
    yield table
    if stages.rest:
        more = f"; and {len(stages.rest) - _MOST_OTHERS} more" * (len(stages.rest) > _MOST_OTHERS)
        others = "; ".join(f"{printable(each.name)} ({_says(each)})" for each in stages.rest[:_MOST_OTHERS])
        yield f"\nalso here: {others}{more}"
    whose = f", on the {advice.side}'s side" if advice.side else ""
    said = [(advice.command, advice.why), *advice.also]
    for place, (command, why) in enumerate(said):
        lines = [command, f"  {why}"] if command else [why]
        yield "\n".join(["or:" if place else f"\nnext{whose}:", *(f"  {printable(line, 4000)}" for line in lines)])


def _lines(stage: Stage) -> list[tuple[str, str]]:
    """The files of a step, each with what is said of it; one line at least."""
    lines = [(line.name, line.says) for line in stage.lines]
    if stage.state == "elsewhere" and stage.name in _ELSEWHERE:
        lines.append(("", _ELSEWHERE[stage.name]))
    return lines or [("", _MAKES[stage.name])]


def _says(file: Found) -> str:
    """What a file is that takes no part."""
    return file.fault or in_words(file.kind or None)
