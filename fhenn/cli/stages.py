"""The steps from a model to predictions, and which are done in a folder: fingerprints tell what belongs together.

A plan names its model, keys the parameters of their plan, an upload its key and its plan, an answer its upload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from fhenn.cli.beside import receipt_beside
from fhenn.cli.folder import Folder, Found, Sheet
from fhenn.cli.show import in_short, megabytes

Side = Literal["server", "client"]
State = Literal["done", "stale", "damaged", "missing", "elsewhere", "optional"]


@dataclass(frozen=True)
class Line:
    """What is said of a file.

    name: of the file.
    says: what it is, and where it does not belong.
    """

    name: str
    says: str


@dataclass(frozen=True)
class Stage:
    """A step.

    name: the command that makes it; the first where there are several.
    side: whose step it is.
    state: "stale" where something is there that belongs to something else; "elsewhere" where it is the other side's.
    lines: its files.
    """

    name: str
    side: Side
    state: State
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Stages:
    """The steps, and the files that they go by; None where there is none.

    model, plan, certificate, secret, keys, upload, receipt, ids, answer: those that belong together.
    results: decrypted ones.
    data: a table to work on.
    all: the steps in their order.
    rest: fhenn files that take no part.
    """

    model: Found | None = None
    plan: Found | None = None
    certificate: Found | None = None
    secret: Found | None = None
    keys: Found | None = None
    upload: Found | None = None
    receipt: Found | None = None
    ids: Found | None = None
    answer: Found | None = None
    results: Sheet | None = None
    data: Sheet | None = None
    all: tuple[Stage, ...] = ()
    rest: tuple[Found, ...] = ()

    def state(self, name: str) -> State:
        """How far a step is."""
        return next(stage.state for stage in self.all if stage.name == name)


def stages_of(folder: Folder) -> Stages:
    """The steps, as far as a folder tells."""
    model = _choose(folder, "model", "model.fhenn")
    plan = _choose(folder, "plan", "plan.fhenn", lambda each: model is None or each.said("model") == _print(model))
    secret = _choose(folder, "secret-key", "secret.fhenn", lambda each: _same(each, plan, "parameters"))
    keys = _choose(
        folder,
        "evaluation-context",
        "keys.fhenn",
        lambda each: _same(each, plan, "parameters") and _same(each, secret, "fingerprint"),
    )
    certificate = _choose(folder, "certificate", "certificate.fhenn", lambda each: each.said("model") == _print(model))
    upload = _choose(
        folder,
        "ciphertexts",
        "upload.fhenn",
        lambda each: _same(each, secret or keys, "fingerprint") and _is_for(each.said("upload", "plan"), plan),
    )
    answer = _choose(
        folder, "answer", "answer.fhenn", lambda each: upload is None or each.said("binding", "upload") == upload.sha256
    )
    receipt = folder.named(receipt_beside(Path(upload.name)).name) if upload else None
    if upload is None:
        receipt = _choose(folder, "receipt", "upload.receipt.fhenn", lambda each: _is_for(each.said("plan"), plan))
    ids = next((each for each in folder.of_kind("ids") if upload and each.said("of") == upload.sha256), None)
    decrypted = [sheet for sheet in folder.sheets if _are_results(sheet, plan, answer)]
    results = next(iter(decrypted), None)
    data = [sheet for sheet in folder.sheets if sheet not in decrypted and not sheet.holds_bounds]
    found = Stages(
        model=model,
        plan=plan,
        certificate=certificate,
        secret=secret,
        keys=keys,
        upload=upload,
        receipt=receipt,
        ids=ids,
        answer=answer,
        results=results,
        data=next((sheet for sheet in data if sheet.name == "records.csv"), data[0] if data else None),
    )
    taken = {each.name for each in (model, plan, certificate, secret, keys, upload, receipt, ids, answer) if each}
    steps = (_train, _plan, _certify, _keygen, _encrypt, _evaluate, _decrypt)
    return replace(
        found,
        all=tuple(step(found) for step in steps),
        rest=tuple(each for each in folder.files if each.name not in taken),
    )


def _choose(
    folder: Folder, kind: str, default: str, belongs: Callable[[Found], bool] = lambda each: True
) -> Found | None:
    """The file of a kind that belongs to the others; where none does, the one of the usual name, or the newest."""
    damaged = [each for each in folder.files if each.name == default and not each.kind]
    files = sorted([*folder.of_kind(kind), *damaged], key=lambda each: each.name != default)
    return next((each for each in files if not each.fault and belongs(each)), files[0] if files else None)


def _train(found: Stages) -> Stage:
    if found.model is None:
        here = found.plan is not None or found.secret is not None
        return Stage("train", "server", "elsewhere" if here else "missing")
    says = f"{in_short(_print(found.model))}, {_when(found.model.changed)}"
    return _stage("train", "server", (found.model, says, ""))


def _plan(found: Stages) -> Stage:
    plan, model = found.plan, found.model
    if plan is None:
        return Stage("plan", "server", "missing")
    named = plan.said("model")
    if model is None or model.fault:
        return _stage("plan", "server", (plan, f"for a model {in_short(named)}" if named else "", ""))
    fault = "" if named in ("", _print(model)) else f"for another model, {in_short(named)}: plan again"
    return _stage("plan", "server", (plan, f"for {model.name}", fault))


def _certify(found: Stages) -> Stage:
    if found.certificate is None:
        return Stage("certify", "server", "optional")
    named = found.certificate.said("model")
    if found.model is None and not found.certificate.fault:
        line = Line(found.certificate.name, f"for a model {in_short(named)}, which is not here")
        return Stage("certify", "server", "elsewhere", (line,))
    fault = ""
    if found.model and not found.model.fault and named != _print(found.model):
        fault = f"for another model, {in_short(named)}: certify again"
    parameters = found.certificate.said("parameters")
    if not fault and found.plan and parameters and parameters != found.plan.said("parameters"):
        fault = "for another plan: certify again"
    return _stage("certify", "server", (found.certificate, f"for the model {in_short(named)}", fault))


def _keygen(found: Stages) -> Stage:
    secret, keys, plan = found.secret, found.keys, found.plan
    if secret is None and keys is None:
        return Stage("keygen", "client", "missing")
    said: list[tuple[Found, str, str]] = []
    for each in (secret, keys):
        if each is None:
            continue
        lock = "" if each is keys else ", locked" if each.meta.get("lock") is not None else ", not locked"
        role = ", for the server" if each is keys else ""
        fault = "" if _same(each, plan, "parameters") else "made for another plan"
        if each is keys and secret is not None and not secret.fault and not _same(each, secret, "fingerprint"):
            fault = f"of another key, {in_short(_print(each))}, than {secret.name}"
        said.append((each, f"{in_short(_print(each))}{lock}{role}", fault))
    stage = _stage("keygen", "client", *said)
    if stage.state == "done" and secret is None:
        return Stage("keygen", "client", "elsewhere", stage.lines)
    if stage.state == "done" and keys is None:
        line = Line("", "the evaluation keys that belong to it are not here")
        return Stage("keygen", "client", "stale", (*stage.lines, line))
    return stage


def _are_results(sheet: Sheet, plan: Found | None, answer: Found | None) -> bool:
    """Whether a table is what was decrypted here, where there is something that it can be the result of."""
    if sheet.holds_results:
        return plan is not None
    own = sheet.name == "records.csv"  # what commands and guides call a table to begin with
    return sheet.holds_scores and not own and answer is not None and sheet.changed >= answer.changed


def _encrypt(found: Stages) -> Stage:
    upload, receipt, key = found.upload, found.receipt, found.secret or found.keys
    if upload is None:
        if receipt is None:
            return Stage("encrypt", "client", "missing")
        return Stage("encrypt", "client", "elsewhere", (Line(receipt.name, "the receipt of an upload, not here"),))
    shape = upload.meta.get("shape")
    alone = isinstance(shape, list) and shape and type(shape[0]) is int and not upload.said("upload", "stream")
    samples = f"{shape[0]:,} samples, " if alone and isinstance(shape, list) else ""
    fault = ""
    if key and not key.fault and not _same(upload, key, "fingerprint"):
        fault = f"under another key, {in_short(_print(upload))}: encrypt again"
    elif not _is_for(upload.said("upload", "plan"), found.plan):
        fault = "for another plan: encrypt again"
    said = [(upload, f"{samples}{megabytes(upload.size)}", fault)]
    said += [(each, says, "") for each, says in ((receipt, "its receipt, for decrypt"), (found.ids, "its ids")) if each]
    return _stage("encrypt", "client", *said)


def _evaluate(found: Stages) -> Stage:
    answer, upload = found.answer, found.upload
    if answer is None:
        return Stage("evaluate", "server", "missing")
    named = answer.said("binding", "upload")
    part = answer.meta.get("binding")
    first = isinstance(part, dict) and part.get("part") == 0
    fault = ""
    if upload and not upload.fault and named and first and named != upload.sha256:
        fault = "answers another upload: evaluate again"
    elif not _is_for(answer.said("binding", "plan"), found.plan):
        fault = "for another plan: evaluate again"
    elif found.model and not found.model.fault and answer.said("binding", "model") not in ("", _print(found.model)):
        fault = f"of another model, {in_short(answer.said('binding', 'model'))}: evaluate again"
    return _stage("evaluate", "server", (answer, megabytes(answer.size), fault))


def _decrypt(found: Stages) -> Stage:
    results, answer = found.results, found.answer
    if results is None:
        return Stage("decrypt", "client", "missing")
    if answer is not None and results.changed < answer.changed:
        return Stage("decrypt", "client", "stale", (Line(results.name, "older than the answer"),))
    if answer is None or _evaluate(found).state != "done":  # nothing here says what they are the results of
        newer = [each for each in (found.model, found.plan, found.secret) if each and each.changed > results.changed]
        if newer:
            latest = max(newer, key=lambda each: each.changed)
            return Stage("decrypt", "client", "stale", (Line(results.name, f"older than {latest.name}"),))
    return Stage("decrypt", "client", "done", (Line(results.name, _when(results.changed)),))


def _stage(name: str, side: Side, *said: tuple[Found, str, str]) -> Stage:
    """A step by its files: each with what it is, and in which way it does not belong, empty where it does."""
    lines = tuple(Line(each.name, each.fault or fault or says) for each, says, fault in said)
    if any(each.fault for each, _, _ in said):
        return Stage(name, side, "damaged", lines)
    return Stage(name, side, "stale" if any(fault for _, _, fault in said) else "done", lines)


def _print(file: Found | None) -> str:
    return "" if file is None else file.said("fingerprint")


def _same(file: Found, other: Found | None, name: str) -> bool:
    """Whether two headers say the same; also where one says nothing."""
    here, there = file.said(name), "" if other is None else other.said(name)
    return not here or not there or here == there


def _is_for(named: str, plan: Found | None) -> bool:
    """Whether a fingerprint of a plan is that of a file; also where either says nothing."""
    there = _print(plan)
    return not named or not there or named == there


def _when(seconds: float) -> str:
    """A time of this machine, as people read it."""
    try:
        return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return "at an unknown time"
