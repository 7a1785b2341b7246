"""What to do next, from what is there."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fhenn.cli.folder import Folder, Found, Sheet
from fhenn.cli.stages import Side, Stages

_LABELS = ("label", "target", "class", "outcome", "y")
"""What a column of labels is often called."""

_MOST_COLUMNS = 6


_Steps = Sequence[tuple[str, Callable[[Folder, Stages], "Advice"]]]
"""Steps by their names, each with what advises on it."""


@dataclass(frozen=True)
class Advice:
    """The next step.

    command: a line for the shell; empty where it is another's turn.
    side: whose step it is; empty where it does not matter.
    why: what it does, or what to wait for.
    also: other lines that make sense now, each with what it does.
    """

    command: str
    side: Side | None
    why: str
    also: tuple[tuple[str, str], ...] = ()


def advice_on(folder: Folder, stages: Stages, environment: Mapping[str, str]) -> Advice:
    """What to do next in a folder.

    folder: what is in it.
    stages: how far the steps are.
    environment: the variables of this process: FHENN_URL names a service.
    """
    served = bool(environment.get("FHENN_URL")) and stages.model is None
    if stages.plan is None and served:
        return Advice("fhenn fetch", "client", "fetches the plan of the model that FHENN_URL serves")
    by_service: _Steps = (("decrypt", _predict),)
    steps: _Steps = (
        ("train", _train),
        ("plan", _plan),
        ("keygen", _keygen),
        *(by_service if served and stages.answer is None else _ON_FILES),
    )
    for name, advise in steps:
        if stages.state(name) in ("missing", "stale", "damaged"):
            return advise(folder, stages)
    return _done(stages)


def _train(folder: Folder, stages: Stages) -> Advice:
    demo = ("fhenn demo", "shows all of it on public data, in seconds")
    if stages.model is not None and stages.model.fault:
        demo = (f"fhenn inspect {_word(stages.model.name)}", "says what is wrong with it")
    if folder.foreign:
        return Advice(
            f"fhenn import {_word(folder.foreign[0])}", "server", "makes a model that computes encrypted", (demo,)
        )
    data = stages.data
    if data is None or data.name.endswith(".npy"):
        other = "fhenn train records.csv --label COLUMN", "begins with a table of yours; COLUMN is what to predict"
        return Advice(demo[0], None, demo[1], (other,))
    label = next((name for name in data.columns if name.lower() in _LABELS), None)
    line = f"fhenn train {_table(data)} --label {_word(label or 'COLUMN')}"
    why = "trains a model, in the clear"
    return Advice(line, "server", why if label else f"{why}; COLUMN is what to predict{_one_of(data)}", (demo,))


def _plan(folder: Folder, stages: Stages) -> Advice:
    bounds = next((sheet for sheet in folder.sheets if sheet.holds_bounds), None)
    given = f" --bounds {_word(bounds.name)}" if bounds else " --bounds-from records.csv"
    why = "chooses the parameters of encryption for the model"
    if not bounds and stages.data:
        given = f" --bounds-from {_table(stages.data)}"
    elif not bounds:
        why += "; records.csv stands for a table like the one that it was trained on"
    return Advice(f"fhenn plan{_named(stages.model, 'model.fhenn')}{given}", "server", why)


def _keygen(folder: Folder, stages: Stages) -> Advice:
    line = f"fhenn keygen{_named(stages.plan, 'plan.fhenn')}"
    why = "makes the secret key, which stays here, and evaluation keys for the server"
    taken = {file.name for file in folder.files}
    if not {"secret.fhenn", "keys.fhenn"} & taken:
        return Advice(line, "client", why)
    number = next(number for number in range(2, len(taken) + 3) if not {*_numbered(number)} & taken)
    secret, keys = _numbered(number)
    other = (f"{line} --overwrite", "replaces the keys that are here; nobody can read their ciphertexts any more")
    return Advice(f"{line} --secret {secret} --keys {keys}", "client", why, (other,))


def _numbered(number: int) -> tuple[str, str]:
    return f"secret-{number}.fhenn", f"keys-{number}.fhenn"


def _encrypt(folder: Folder, stages: Stages) -> Advice:
    if stages.secret is None:
        return Advice("", "server", "wait for the upload of the client whose keys these are: `fhenn encrypt` makes it")
    name, why = _records(stages), "encrypts a table, for the server"
    again = " --resume" if "upload.fhenn" in folder.unfinished else ""
    options = _option("--plan", stages.plan, "plan.fhenn") + _option("--secret", stages.secret, "secret.fhenn")
    return Advice(f"fhenn encrypt {name}{options}{again}", "client", why, tuple(_measures(stages)))


def _measures(stages: Stages) -> Iterator[tuple[str, str]]:
    """What can be measured and proved of a model and its plan, each with what it says."""
    if stages.model is None or stages.data is None:
        return
    line = f"fhenn compare {_word(stages.model.name)} {_table(stages.data)}{_option('--plan', stages.plan, '')}"
    yield line, "says how near encrypted answers are to the exact model's, and how long they take"
    if stages.certificate is None:
        line = f"fhenn certify{_named(stages.model, 'model.fhenn')}{_option('--plan', stages.plan, 'plan.fhenn')}"
        yield line, "says how far answers can be off, whatever the input"


def _evaluate(folder: Folder, stages: Stages) -> Advice:
    upload, keys = stages.upload, stages.keys
    if stages.model is None or upload is None:
        sent = " and ".join(each.name for each in (upload, keys) if each) or "the upload"
        return Advice(
            "", "client", f"send {sent} to the server; put its answer here, as answer.fhenn, for `fhenn decrypt`"
        )
    options = (
        _option("--model", stages.model, "model.fhenn")
        + _option("--plan", stages.plan, "plan.fhenn")
        + _option("--keys", keys, "keys.fhenn")
        + (" --resume" if "answer.fhenn" in folder.unfinished else "")
    )
    return Advice(f"fhenn evaluate {_word(upload.name)}{options}", "server", "runs the model on the ciphertexts")


def _decrypt(folder: Folder, stages: Stages) -> Advice:
    answer, upload = stages.answer, stages.upload
    if answer is None:
        return _evaluate(folder, stages)
    if stages.secret is None:
        return Advice("", "server", f"send {answer.name} to the client, who alone can decrypt it")
    receipt = stages.receipt or upload
    options = (
        _option("--plan", stages.plan, "plan.fhenn")
        + _option("--secret", stages.secret, "secret.fhenn")
        + _option("--receipt", receipt, "upload.receipt.fhenn")
    )
    line = f"fhenn decrypt {_word(answer.name)}{options} -o predictions.csv"
    return Advice(line, "client", "decrypts the answer into a table")


def _predict(folder: Folder, stages: Stages) -> Advice:
    options = (
        _option("--plan", stages.plan, "plan.fhenn")
        + _option("--secret", stages.secret, "secret.fhenn")
        + _option("--keys", stages.keys, "keys.fhenn")
    )
    why = "encrypts a table here, lets the service compute, and decrypts its answer here"
    return Advice(f"fhenn predict {_records(stages)}{options} -o predictions.csv", "client", why)


_ON_FILES: _Steps = (("encrypt", _encrypt), ("evaluate", _evaluate), ("decrypt", _decrypt))
"""The steps without a service, after the keys."""


def _done(stages: Stages) -> Advice:
    if stages.model is None or stages.plan is None:
        return Advice("", None, "all is done")
    name = stages.model.name.removesuffix(".fhenn").lower()
    line = f"fhenn serve --add {_word(name)} {_word(stages.model.name)} {_word(stages.plan.name)}"
    return Advice(line, "server", "all is done; this serves the model to clients elsewhere, over HTTP")


def _records(stages: Stages) -> str:
    """The table to encrypt."""
    return _table(stages.data) if stages.data else "records.csv"


def _table(sheet: Sheet) -> str:
    """A table as an argument, with the option that tells how its cells are separated."""
    told = {";": " --delimiter ';'", "|": " --delimiter '|'", "\t": " --delimiter tab"}
    return _word(sheet.name) + told.get(sheet.delimiter, "")


def _one_of(data: Sheet) -> str:
    if not data.columns:
        return ""
    others = len(data.columns) - _MOST_COLUMNS - 1
    if others < 2:
        return f": {', '.join(data.columns)}"
    return f": {', '.join(data.columns[:_MOST_COLUMNS])}, {others} others or {data.columns[-1]}"


def _named(file: Found | None, default: str) -> str:
    """A file as an argument; nothing where it has the usual name."""
    return "" if file is None or file.name == default else f" {_word(file.name)}"


def _option(option: str, file: Found | None, default: str) -> str:
    """The same as an option."""
    return "" if file is None or file.name == default else f" {option} {_word(file.name)}"


def _word(name: str) -> str:
    """A name as the shell takes it, also one that begins as an option does."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
