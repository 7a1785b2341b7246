"""`fhenn inspect`: what a file is, in words and units."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, groupby
from math import log2
from pathlib import Path
from typing import Any

import click
import numpy as np

from fhenn import artifacts
from fhenn.ckks.messages import bytes_of_rotations
from fhenn.cli.complete import files
from fhenn.cli.infer import budget_of
from fhenn.cli.show import FILE, Grid, as_json_option, in_short, megabytes, tell
from fhenn.errors import BudgetUnknown, FhennError, ParameterError, WireFormatError
from fhenn.interop import ImportedModel, Preparation, Reading
from fhenn.interop.preparation import Column
from fhenn.nn import Activation, Affine, circuit
from fhenn.planner import image_shape_of
from fhenn.safety.budget import BudgetFile
from fhenn.session.answer import Answer
from fhenn.session.ids import PartIds
from fhenn.session.receipt import Receipt
from fhenn.session.stream import End, Tally, counted_parts
from fhenn.wire import Header, header_of, in_words, start_of_body, unframe

_DIGEST = re.compile("[0-9a-f]{16,64}", re.ASCII)


@dataclass(frozen=True)
class Fact:
    """One line about a file.

    name: what it says, for instance "levels".
    value: plain data.
    unit: of the value, empty where it has none.
    listed: whether several values are a line each on the terminal.
    short: what the terminal shows in the place of the value, a text with its unit; None for the value.
    """

    name: str
    value: Any
    unit: str = ""
    listed: bool = False
    short: Any = None

    @property
    def lines(self) -> Sequence[str]:
        """What the terminal shows."""
        value = self.value if self.short is None else self.short
        return [*map(_plain, value)] if self.listed and value else [str(self)]

    @property
    def is_told(self) -> bool:
        """Whether the terminal shows it: it says something."""
        return bool(self.short) or self.value not in (None, [], {}, "")

    def __str__(self) -> str:
        if self.unit == "bytes" and isinstance(self.value, int):
            return megabytes(self.value)
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if isinstance(self.short, str):
            return self.short
        value = self.value if self.short is None else self.short
        if isinstance(value, list):
            text = ", ".join(map(_plain, value)) or "none"
        else:
            text = "none" if value is None else _plain(value)
        return f"{text} {self.unit}".rstrip()


@dataclass(frozen=True)
class Details:
    """What a file says beyond its header.

    facts: its lines.
    features: a row for each feature: its name, and "low" and "high" where the file has bounds.
    """

    facts: tuple[Fact, ...]
    features: tuple[dict[str, Any], ...] = ()


@click.command()
@click.argument("file", type=FILE, shell_complete=files("*"))
@as_json_option
def inspect(*, file: Path, as_json: bool) -> None:
    """Show what FILE is and what it says.

    Prints its kind, format version, size and digest, and for each kind what belongs to it: parameters, levels, classes,
    the bounds of every feature, whether a secret key is locked. Nothing secret is shown, and no passphrase is needed.
    Ends with 1 where the body of the file is not what its header says. Fingerprints are shown by their first digits;
    --json has all of them.

    \b
      fhenn inspect plan.fhenn
    """
    _require_ours(file)
    header = artifacts.header_of(file)
    messages = artifacts.read_messages(file, header.kind)
    fault, details = None, Details(_header_facts(header))
    try:
        data = next(messages)
        unframe(header.kind, data)
        details = _READERS.get(header.kind, _of_header)(header, data)
        if header.kind == "secret-key":
            details = replace(details, facts=(*details.facts, _budget(file, header)))
        details = replace(details, facts=(*details.facts, *_of_stream(header, data, messages)))
    except FhennError as error:
        fault = error.reason if isinstance(error, WireFormatError) else str(error)
    known = (
        Fact("kind", in_words(header.kind)),
        Fact("format version", header.version),
        Fact("size", file.stat().st_size, "bytes"),
        *details.facts,
        Fact("SHA-256", header.sha256),
    )
    grid = Grid(show_header=False)
    for fact in known:
        for place, line in enumerate(fact.lines if fact.is_told else ()):
            grid.add_row("" if place else fact.name, line)
    grid.add_row("whole", "yes" if fault is None else f"no: {fault}")
    result = {
        "file": str(file),
        "kind": header.kind,
        "version": header.version,
        "size": header.size,
        "meta": header.meta,
        "sha256": header.sha256,
        "fault": fault,
        "details": {fact.name: fact.value for fact in details.facts},
        "units": {fact.name: fact.unit for fact in known if fact.unit},
        "features": list(details.features),
    }
    features = ("", _features_table(details.features)) if details.features else ()
    tell(as_json, result, grid, *features)
    if fault is not None:
        click.get_current_context().exit(1)


def _require_ours(file: Path) -> None:
    """Raise ParameterError where a file does not begin as those of fhenn do; OSError."""
    with file.open("rb") as opened:
        begin = opened.read(len("FHENN"))
    try:
        start_of_body("fhenn file", begin)
    except WireFormatError as error:
        way_out = "Give one whose name ends in .fhenn, as commands write them."
        raise ParameterError(f"{file} is not a fhenn file.", way_out) from error


def _features_table(features: tuple[dict[str, Any], ...]) -> Grid:
    bounded, place = "low" in features[0], 1
    named = any(feature["name"] for feature in features)
    table = Grid(
        "" if named else "feature", *(["feature"] if named else []), *(["lowest", "highest"] if bounded else [])
    )
    for feature, alike in groupby(features):  # those without names, as pixels, may have the same bounds
        bounds = (f"{feature['low']:.6g}", f"{feature['high']:.6g}") if bounded else ()
        last = place + sum(1 for _ in alike) - 1
        name = [feature["name"] or "(no name)"] if named else []
        table.add_row(place if place == last else f"{place} to {last}", *name, *bounds)
        place = last + 1
    return table


def _of_model(header: Header, data: bytes) -> Details:
    model = artifacts.model_from_bytes(data)
    nodes = circuit(model)
    affine = [node for node in nodes if isinstance(node, Affine)]
    domains = [list(node.domain) for node in nodes if isinstance(node, Activation)]
    reading = model.reading if isinstance(model, ImportedModel) else None
    names = reading.features if reading is not None else None
    return Details(
        (
            Fact("fingerprint", header.meta.get("fingerprint")),
            Fact("nodes", [node.name for node in nodes]),
            Fact("domains", domains, short=[_interval(*each) for each in domains]),
            Fact("levels", model.cost),
            Fact("inputs", affine[0].inputs if affine else 0),
            *_image_facts(image_shape_of(model)),
            Fact("outputs", affine[-1].outputs if affine else 0),
            Fact("weights", sum(layer.operator.size + layer.bias.size for layer in affine)),
            Fact("finish", model.finish),
            *_reading_facts(reading),
            *_preparation_facts(model.preparation if isinstance(model, ImportedModel) else None),
        ),
        tuple({"name": name} for name in names or ()),
    )


def _of_plan(header: Header, data: bytes) -> Details:
    plan, reading = artifacts.plan_from_bytes(data), artifacts.reading_from_bytes(data)
    parameters = plan.parameters
    names = (reading.features if reading is not None else None) or (None,) * plan.features
    bounds = zip(names, plan.low, plan.high, strict=False)
    return Details(
        (
            Fact("fingerprint", plan.fingerprint),
            Fact("model", plan.model),
            Fact("security", 128, "bits"),
            Fact("ring degree", parameters.ring_degree),
            Fact("chain", list(parameters.chain), "bits"),
            _scale(parameters.scale),
            Fact("levels", parameters.levels),
            *_image_facts(plan.shape),
            Fact("layout", plan.layout_name),
            Fact("samples that share ciphertexts", plan.samples_per_ciphertext),
            Fact("ciphertexts for a sample", plan.ciphertexts_per_sample),
            Fact("ciphertext, about", plan.bytes_per_ciphertext, "bytes"),
            Fact("evaluation keys, about", plan.bytes_of_keys, "bytes"),
            Fact("rotation keys", len(plan.rotations)),
            Fact("error of encryption, at most", max(plan.errors)),
            *([Fact("units of the outputs", list(plan.units))] if plan.units else []),
            Fact("error of an activation, at most", plan.approximation),
            Fact("witnesses, one an activation", len(plan.witnesses)),
            Fact("results to share", plan.queries),
            Fact("finish", plan.finish),
            *_reading_facts(reading),
            *_preparation_facts(artifacts.preparation_from_bytes(data)),
        ),
        tuple({"name": name, "low": low, "high": high} for name, low, high in bounds),
    )


def _image_facts(shape: Sequence[int] | None) -> Iterator[Fact]:
    if shape is not None:
        yield Fact("shape of an image", list(shape))


def _preparation_facts(preparation: Preparation | None) -> Iterator[Fact]:
    if preparation is not None:
        yield Fact("preparation", preparation.fingerprint)
        yield Fact("columns of a raw table", [_called(place, each) for place, each in enumerate(preparation.columns)])
        first = 1 if preparation.names else 0
        short, told = (list(preparation.tells(whole=whole)[first:]) for whole in (False, True))
        short += ["long lists are cut: --json has all"] * (short != told)
        yield Fact("what clients see of the training data", told, listed=True, short=short)


def _called(place: int, column: Column) -> str:
    kind = "number or text" if column.kind == "either" else column.kind
    return f"{column.name or place + 1} ({kind if column.used else 'not used'})"


def _reading_facts(reading: Reading | None) -> Iterator[Fact]:
    if reading is not None:
        yield Fact("task", reading.task)
        if reading.outputs:
            yield Fact("classes", [list(each.classes) for each in reading.outputs])
        if reading.classes:
            yield Fact("classes", list(reading.classes))
            yield Fact("probabilities", reading.probability)
        maps = [each.maps for each in (reading, *reading.outputs) if each.maps is not None]
        if maps:
            yield Fact("on the client", "; ".join(map(str, maps)))
            yield Fact("numbers that the client sees", sum(each.numbers for each in maps))


def _of_certificate(header: Header, data: bytes) -> Details:
    certificate = artifacts.certificate_from_bytes(data)
    pairs = zip(certificate.low, certificate.high, strict=True)
    return Details(
        (
            Fact("model", certificate.model),
            Fact("parameters", header.meta.get("parameters")),
            Fact("valid", certificate.valid),
            Fact("holds for", "the box of data" if certificate.from_data else "declared bounds"),
            Fact("scores", list(certificate.output), short=_interval(*certificate.output)),
            Fact("error, at most", certificate.total),
            Fact("certain from a margin of", certificate.margin),
        ),
        tuple({"name": None, "low": low, "high": high} for low, high in pairs),
    )


def _of_secret(header: Header, data: bytes) -> Details:
    """What the header says: the key itself is not read."""
    lock = header.meta.get("lock")
    facts = [Fact("key", header.meta.get("fingerprint")), Fact("parameters", header.meta.get("parameters"))]
    facts.append(Fact("locked", lock is not None))
    if isinstance(lock, dict):
        facts += [Fact(name, lock.get(name)) for name in ("cipher", "derivation")]
        cost, block = lock.get("cost"), lock.get("block")
        if type(cost) is int and type(block) is int:
            facts.append(Fact("memory to unlock", 128 * cost * block, "bytes"))
    known = {"fingerprint", "parameters", "lock", "spent"}
    return Details((*facts, *(_of_meta(name, value) for name, value in header.meta.items() if name not in known)))


def _budget(file: Path, header: Header) -> Fact:
    """How much of a key's budget is spent, as the file beside the key says."""
    budget = BudgetFile(budget_of(file), str(header.meta.get("fingerprint")))
    try:
        spent = budget.known()
    except BudgetUnknown:
        return Fact("shared so far", None, short="not known: see fhenn decrypt --shared-so-far")
    return Fact("shared so far", round(100 * spent, 6), "% of its budget")


def _of_keys(header: Header, data: bytes) -> Details:
    return Details(
        (
            Fact("key", header.meta.get("fingerprint")),
            Fact("parameters", header.meta.get("parameters")),
            Fact("rotation keys", bytes_of_rotations(header.meta), "bytes"),
        )
    )


def _of_ciphertexts(header: Header, data: bytes) -> Details:
    meta = header.meta
    shape, layout = meta.get("shape"), meta.get("layout")
    facts = [Fact("key", meta.get("fingerprint")), Fact("parameters", meta.get("parameters"))]
    if isinstance(shape, list) and len(shape) == 2:
        facts += [Fact("samples", shape[0]), Fact("numbers a sample", shape[1])]
    else:
        facts.append(Fact("shape", shape))
    facts.append(Fact("layout", layout.get("name") if isinstance(layout, dict) else layout))
    facts += [Fact("levels left", meta.get("level")), _of_meta("scale", meta.get("scale"))]
    known = {"fingerprint", "parameters", "shape", "layout", "level", "scale"}
    return Details((*facts, *(_of_meta(name, value) for name, value in meta.items() if name not in known)))


def _of_answer(header: Header, data: bytes) -> Details:
    answer = Answer.from_bytes(data)
    result = _of_ciphertexts(header_of(answer.result), answer.result).facts
    facts = [Fact("witnesses", len(answer.witnesses))]
    if answer.binding is None:
        facts.append(Fact("answers", None, short="not said, as by servers of format version 1"))
    else:
        binding = answer.binding
        number = f"number {binding.part + 1}"
        facts += [Fact("answers the upload", binding.upload), Fact("its part", binding.part, short=number)]
        facts += [Fact("model", binding.model), Fact("plan", binding.plan)]
    return Details((*facts, *result))


def _of_stream(header: Header, first: bytes, messages: Iterator[bytes]) -> list[Fact]:
    """What a stream says as a whole; nothing of a message by itself.

    header: of its first message.
    first: that message.
    messages: those after it.

    Raises WireFormatError where one is damaged, or they are not a stream.
    """
    if "upload" in header.meta:
        tally = Tally("upload")
        for message in counted_parts(chain([first], messages), tally):
            unframe(header.kind, message)
        return [] if tally.alone else _size_of(tally.end)
    parts, end = 1, None
    for message in messages:
        if end is not None:
            raise WireFormatError("stream", "it goes on after its end")
        kind = header_of(message).kind
        unframe(kind, message)
        if kind == "end":
            end = End.from_bytes(message)
        else:
            parts += 1
    if end is None and parts > 1:
        raise WireFormatError("stream", f"it stops after {parts} parts, before its end")
    if end is None:
        return []
    if end.parts != parts:
        raise WireFormatError("stream", f"its end names {end.parts} parts, and {parts} are here")
    return _size_of(end)


def _size_of(end: End) -> list[Fact]:
    return [Fact("parts", end.parts), Fact("samples in all parts", end.samples)]


def _of_receipt(header: Header, data: bytes) -> Details:
    receipt = Receipt.from_bytes(data)
    return Details(
        (
            Fact("plan", receipt.plan),
            Fact("samples", receipt.samples),
            Fact("uploads", [part.sha256 for part in receipt.parts]),
        )
    )


def _of_ids(header: Header, data: bytes) -> Details:
    """What they are called; whose they are stays unsaid."""
    ids = PartIds.from_bytes(data)
    return Details((Fact("column", ids.column), Fact("of the upload", ids.upload)))


def _of_header(header: Header, data: bytes) -> Details:
    return Details(_header_facts(header))


def _header_facts(header: Header) -> tuple[Fact, ...]:
    return tuple(_of_meta(name, value) for name, value in header.meta.items())


def _of_meta(name: str, value: Any) -> Fact:
    """What a header says under a name, in words where that is known."""
    if name == "lock":
        return Fact(name, value, short="not locked" if value is None else "locked")
    if name == "scale" and isinstance(value, str):
        with suppress(ValueError, OverflowError):
            return _scale(float.fromhex(value))
    if name == "upload" and isinstance(value, dict) and type(value.get("part")) is int:
        several = " of several" if value.get("stream") is not None else ""
        plan = value.get("plan")
        made = f", for the plan {in_short(plan)}" if isinstance(plan, str) else ""
        return Fact(name, value, short=f"part {value['part'] + 1}{several}{made}")
    return Fact(name, value)


def _interval(low: float, high: float) -> str:
    return f"{low:.6g} to {high:.6g}"


def _scale(scale: float) -> Fact:
    """The scale of ciphertexts, a power of two for people. Raises ValueError where it is not positive."""
    bits = round(log2(scale), 2)
    return Fact("scale", bits, "bits", short=f"2^{bits:g}")


def _plain(value: Any) -> str:
    """A value as people read it: fingerprints and digests by their first digits."""
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    if isinstance(value, str):
        return in_short(value) if _DIGEST.fullmatch(value) else value
    return "none" if value is None else json.dumps(value)


_READERS: Mapping[str, Callable[[Header, bytes], Details]] = {
    "model": _of_model,
    "plan": _of_plan,
    "certificate": _of_certificate,
    "secret-key": _of_secret,
    "evaluation-context": _of_keys,
    "ciphertexts": _of_ciphertexts,
    "answer": _of_answer,
    "receipt": _of_receipt,
    "ids": _of_ids,
}
"""How to read each kind; of others the header is shown as it is."""
