"""Messages that are broken, or mean harm, for the TypeScript client, and what Python says of them."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import fhenn
from fhenn.artifacts import plan_from_bytes, preparation_from_bytes
from fhenn.ckks import CipherArray
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.layout import Layout
from fhenn.ckks.packing import ciphertext_for_seal
from fhenn.ckks.structure import Chain, object_header
from fhenn.errors import FhennError
from fhenn.planner import Plan
from fhenn.protobuf import encode_double, encode_field, encode_head, encode_varint, read_fields
from fhenn.session import Receipt
from fhenn.strict import read_json
from fhenn.wire import frame, header_of, unframe

SEED = 7
_HEADER = 16
_HEAD = 2 * _HEADER + 32 + 41 + 8


def outcome(act: Callable[[], Any]) -> str:
    """The name of the error that something raises; empty where it raises none."""
    try:
        act()
    except FhennError as error:
        return type(error).__name__
    return ""


def frames() -> Iterator[tuple[str, bytes]]:
    """Messages of kind "note", and what is none."""
    good = frame("note", {"a": 1, "ä": [1.5, None, "\U0001f600"], "b": 1e-07}, b"body", b" in pieces")
    yield "good", good
    yield "empty", frame("note", {}, b"")
    yield "another kind", frame("answer", {}, b"body")
    yield "an unknown kind", frame("x" * 50, {}, b"body")
    yield "nothing", b""
    yield "magic alone", b"FHENN"
    yield "another magic", b"FHENM" + good[5:]
    for version in (0, 1, 2, 4, 255):
        yield f"version {version}", good[:5] + bytes([version]) + good[6:]
    yield "cut off", good[:-1]
    yield "longer", good + b"x"
    yield "a changed body", good[:-1] + b"X"
    yield "a header without end", good[:6] + struct.pack(">I", 1 << 31) + good[10:]
    yield "a header of nothing", good[:6] + struct.pack(">I", 0) + good[10:]
    start = 10 + int.from_bytes(good[6:10], "big")
    text = good[10:start]

    def headed(header: bytes) -> bytes:
        return good[:6] + struct.pack(">I", len(header)) + header + good[start:]

    yield "other blanks", headed(text.replace(b": ", b":"))
    yield "a key twice", headed(text[:-1] + b', "kind": "note"}')
    yield "a field more", headed(text[:-1] + b', "more": 1}')
    yield "no length", headed(b'{"kind": "note"}')
    yield "a float for a length", headed(text.replace(b'"length": 14', b'"length": 14.0'))
    yield "a truth for a kind", headed(text.replace(b'"note"', b"true"))
    yield "no JSON", headed(b"{" * 20)
    yield "no UTF-8", headed(text[:-1] + b"\xff")
    yield (
        "meta that is no object",
        headed(text.replace(b'"meta": "{', b'"meta": "[{').replace(b'}", "sha', b'}]", "sha')),
    )
    yield "upper digits", headed(text[:-66] + text[-66:].upper())


TEXTS = [
    '{"a": 1, "b": [1.0, 2.5e-07, 1e16, 123456789012345680.0, -0.0, 0.1, 1e22, 5e-324], "c": null}',
    '{"b": true, "a": false, "\\ud83d\\ude00": "\\u00e4\\n\\u007f\\u2028\\"\\\\/", "z\\uffff": 0, "\\ud83d": 1}',
    "[9007199254740993, -9223372036854775808, 18446744073709551615]",
    "[18446744073709551616]",
    "[-9223372036854775809]",
    "[1e400]",
    "[1e-400]",
    "[NaN]",
    "[Infinity]",
    "[-Infinity]",
    "[01]",
    "[1.]",
    "[.5]",
    "[+1]",
    "[1,]",
    '{"a": 1,}',
    '{"a": 1, "a": 1}',
    '{"__proto__": 1, "constructor": {"toString": 2}}',
    "{a: 1}",
    "['a']",
    '["\t"]',
    '["\\x41"]',
    '["\\u12"]',
    '"text"',
    "true",
    "tru",
    "1 2",
    "",
    " \t\r\n[ ] ",
    "\ufeff[]",
    "\u00a0[]",
    "[" * 64 + "]" * 64,
    "[" * 65 + "]" * 65,
    "[" * 5000,
    "[1" + "0" * 500 + ".0]",
    "[0." + "0" * 390 + "1]",
    "[0.30000000000000004, 1.7976931348623157e308, 2.2250738585072014e-308, 1e-05, 0.0001, 1e15, 999999999999999.9]",
]
"""JSON, and what is none."""


def texts() -> Iterator[dict[str, Any]]:
    """Each text, with how Python writes what it reads in it; null where it refuses it."""
    for text in TEXTS:
        try:
            yield {"text": text, "written": json.dumps(read_json(text), sort_keys=True)}
        except ValueError:
            yield {"text": text, "written": None}


def plans(plan: Plan) -> Iterator[tuple[str, bytes]]:
    """A plan with fields as no plan has them, and with some that are fine."""
    fields: dict[str, Any] = json.loads(plan.to_json())

    def framed(**changes: Any) -> bytes:
        return plan_file(fields | changes)

    for yielding in (_shapes, _keys_of_plans, _errors, _parts, _placements):
        yield from yielding(fields, framed)
    yield "as it is", framed()
    for name in fields:
        yield f"no {name}", framed(**{name: ...})
        for value in (None, 7, -1, 1.5, "x", True, [], {}, [None], [[1]], 1 << 63):
            yield f"{name}: {value!r}", framed(**{name: value})
    yield "a field more", framed(more=1)
    yield "text that is none", frame("plan", {}, json.dumps({"plan": "[]", "reading": None}).encode())
    yield "another version", framed(version=2)
    yield "a version of 1.0", framed(version=1.0)
    yield "another kind", framed(kind="fhenn-reading")
    yield "no reading", frame("plan", {}, json.dumps({"plan": plan.to_json()}).encode())
    unasked = {"plan": plan.to_json(), "reading": None, "preparation": "{}"}
    yield "a preparation that none asked for", frame("plan", {}, json.dumps(unasked).encode())
    yield "more than a plan", frame("plan", {}, json.dumps({"plan": plan.to_json(), "reading": None, "x": 1}).encode())


Framed = Callable[..., bytes]


def _shapes(fields: dict[str, Any], framed: Framed) -> Iterator[tuple[str, bytes]]:
    """Parameters, layouts and results."""
    parameters, layout, result = fields["parameters"], fields["layout"], fields["result"]
    slots = parameters["ring_degree"] // 2
    for changes in (
        {"ring_degree": 8191}, {"ring_degree": 65536}, {"chain": [60] * 40}, {"chain": [60]}, {"chain": [14, 40, 50]},
        {"chain": [61, 40, 50]}, {"chain": [19] * 4}, {"scale": 1.0}, {"scale": 1e300}, {"scale": 2.0**31}, {"more": 1},
        {"scale": "x"}, {"chain": [50.0, 30, 50]}, {"ring_degree": True},
    ):  # fmt: skip
        yield f"parameters {changes}", framed(parameters=parameters | changes)
    for changes in (
        {"period": 3}, {"period": 0}, {"period": 1 << 18}, {"tiles": 2}, {"tiles": 1 << 17}, {"form": "spiral"},
        {"samples": slots * 2}, {"samples": slots}, {"step": 3}, {"name": "packed"}, {"name": "features"}, {"more": 1},
        {"form": "replicated"}, {"form": "blocks"},
    ):  # fmt: skip
        yield f"layout {changes}", framed(layout=layout | changes)
        yield f"result layout {changes}", framed(result=result | {"layout": result["layout"] | changes})
    yield "packed", framed(layout={"name": "packed"})
    yield "features", framed(layout={"name": "features"})
    yield "throughput", framed(layout={"name": "features"}, layout_name="throughput", rotations=[], rotation_levels=...)
    for changes in ({"outputs": 0}, {"outputs": 1 << 32}, {"level": -1}, {"level": 99}, {"more": 1}, {"outputs": 2.0}):
        yield f"result {changes}", framed(result=result | changes)


def _keys_of_plans(fields: dict[str, Any], framed: Framed) -> Iterator[tuple[str, bytes]]:
    """Rotations and their levels."""
    slots = fields["parameters"]["ring_degree"] // 2
    for rotations in ([1], [0], [slots], [-1], [1, 1], list(range(1, 300)), [1.0]):
        yield f"rotations {rotations[:3]}", framed(rotations=rotations, rotation_levels=...)
    for levels in ([0], [99] * len(fields["rotations"]), [-1] * len(fields["rotations"])):
        yield f"rotation levels {levels[:3]}", framed(rotation_levels=levels)


def _errors(fields: dict[str, Any], framed: Framed) -> Iterator[tuple[str, bytes]]:
    """Errors, bounds, names and units."""
    for error in (0.0, 1e-30, 1e-12, 1e300):
        yield f"error {error}", framed(error=error)
        yield f"worst {error}", framed(worst=error)
        yield f"deviation {error}", framed(deviation=error)
        yield f"all errors {error}", framed(error=error, worst=error, deviation=error)
    yield "an infinite error", framed(error=float("inf"))
    yield "an infinite worst error", framed(worst=float("inf"))
    yield "low above high", framed(low=fields["high"], high=[-9.0] * len(fields["high"]))
    yield "no features", framed(low=[], high=[])
    yield "an infinite bound", framed(low=[float("-inf"), *fields["low"][1:]])
    yield "names twice", framed(feature_names=["a\u0308", "\u00e4", *map(str, range(len(fields["low"]) - 2))])
    yield "too few names", framed(feature_names=["a"])
    for signature in (["Linear2x2"], ["x" * 600, "finish=None"], ["Linear2x2"] * 300, ["Foo", "finish=None"], []):
        yield f"signature {str(signature[:2])[:40]}", framed(signature=signature)
    for evaluator in ("seal", "native", "gpu", "", "\u001b[31m"):
        yield f"evaluator {evaluator!r}", framed(evaluator=evaluator)
    for units in ([1.0], [2.0, 0.5], [3.0, 1.0], [0.0, 1.0], [2.0**1001, 1.0], [-2.0, 1.0], [float("inf"), 1.0]):
        yield f"units {units}", framed(units=units)
    for ranges in (
        {"samples": 10, "margin": 2.0, "intervals": [[-1, 1]]},
        {"samples": 0, "margin": 2.0, "intervals": []},
    ):
        yield f"ranges {ranges}", framed(ranges=ranges)


def _parts(fields: dict[str, Any], framed: Framed) -> Iterator[tuple[str, bytes]]:
    """Steps and witnesses."""
    steps = {"kind": "rotation", "level": 0, "count": 1}
    for changes in ({}, {"kind": "x"}, {"level": 99}, {"count": 0}, {"count": 1 << 41}, {"more": 1}):
        yield f"steps {changes}", framed(steps=[steps | changes])
    for witness in fields["witnesses"][:1]:
        for changes in (
            {"degree": 3}, {"degree": 16}, {"neurons": 0}, {"neurons": 1 << 20}, {"inner": 0.0}, {"inner": 1.5},
            {"threshold": float("inf")}, {"level": 99}, {"start": 99}, {"domain": [1, 1]}, {"domain": [1]},
            {"limit": -1e9}, {"chance": 0}, {"chance": 2}, {"more": 1}, {"place": -1}, {"node": 7}, {"limit": None},
        ):  # fmt: skip
            yield f"witness {changes}", framed(witnesses=[witness | changes])
        yield "a witness twice", framed(witnesses=[witness, witness])


def _placements(fields: dict[str, Any], framed: Framed) -> Iterator[tuple[str, bytes]]:
    """Places of inputs and outputs."""
    layout = fields["layout"]
    placement = {"name": "placement", "table": "", "period": 4, "samples": 1, "tiles": 1}
    tables = ("", "x", "eJxjYGBgAAAABAAB", "!!!!", "eNoDAAAAAAE=", 7, None, "eJxjYGBgYGRgYGBmYGBgAQAAHgAH")
    for table in tables:
        yield f"placement {table!r}", framed(layout=placement | {"table": table})
    yield "a huge placement", framed(layout=placement | {"period": 1 << 17, "tiles": 1 << 17})
    yield "a target", framed(targets=[layout])
    yield "many targets", framed(targets=[None] * 300)


def at_the_floor(plan: Plan) -> Iterator[tuple[str, bytes]]:
    """A plan that states just as much error as any of its shape must, and that states less."""
    fields = json.loads(plan.to_json()) | {"deviation": 0.0}
    error, worst = plan._least_errors()
    more, less = 1 + 1e-6, 1 - 1e-6
    for share in (more, less):
        yield f"error {share}", plan_file(fields | {"error": error * share, "worst": float("inf")})
        yield f"worst {share}", plan_file(fields | {"error": error * more, "worst": worst * share})


def plan_file(fields: dict[str, Any]) -> bytes:
    """A plan of these fields, in its frame."""
    text = json.dumps({name: value for name, value in fields.items() if value is not ...})
    return frame("plan", {}, json.dumps({"plan": text, "reading": None}).encode())


def said_of_plan(data: bytes) -> dict[str, Any]:
    """What Python says of a message: the error, or the fingerprint of the plan."""
    found: list[Plan] = []
    error = outcome(lambda: found.append(plan_from_bytes(data))) or outcome(lambda: preparation_from_bytes(data))
    return {"error": error, "fingerprint": found[0].fingerprint if found else None}


COMPRESSED = "compressed"
"""What Python reads, and the TypeScript client refuses in words."""


def answers(chain: Chain, good: bytes, upload: bytes, other: bytes) -> Iterator[tuple[str, bytes]]:
    """An answer, and what a server may send in its place.

    chain: of the parameters.
    good: the answer to an upload.
    upload: that upload.
    other: an answer of the same server to another upload.
    """
    meta, body = unframe("answer", good)
    sizes = meta["sizes"]
    parts = [body[sum(sizes[:place]) : sum(sizes[: place + 1])] for place in range(len(sizes))]

    def joined(*messages: bytes, **changes: Any) -> bytes:
        said = meta | {"sizes": list(map(len, messages))} | changes
        return frame("answer", {name: each for name, each in said.items() if each is not ...}, b"".join(messages))

    yield "as it is", good
    yield "the upload", upload
    yield "the upload as a result", joined(upload, *parts[1:])
    yield "another answer", other
    yield "a result alone", parts[0]
    yield "no witnesses", joined(parts[0])
    yield "a witness too many", joined(*parts, parts[-1])
    yield "the result as a witness", joined(parts[0], *[parts[0]] * (len(parts) - 1))
    yield "a witness as the result", joined(parts[-1], *parts[1:])
    yield "no binding", joined(*parts, binding=...)
    for changes in (
        {"part": 1}, {"part": -1}, {"part": True}, {"upload": "0" * 64}, {"upload": "x"}, {"plan": "0" * 32},
        {"plan": "0"}, {"model": "0" * 16}, {"model": None}, {"more": 1},
    ):  # fmt: skip
        yield f"binding {changes}", joined(*parts, binding=meta["binding"] | changes)
    for sizes in ([], [0], [len(body)], [len(body) + 1], [-1, len(body) + 1], [1.5], None, [1 << 62]):
        yield f"sizes {sizes}", frame("answer", meta | {"sizes": sizes}, body)
    said, content = unframe("ciphertexts", parts[0])

    def result(data: bytes = content, **changes: Any) -> bytes:
        stated = {name: each for name, each in (said | changes).items() if each is not ...}
        return joined(frame("ciphertexts", stated, data), *parts[1:])

    rows, outputs = said["shape"]
    for changes in (
        {"shape": [rows + 1, outputs]}, {"shape": [rows, outputs + 1]}, {"shape": [rows]}, {"shape": []},
        {"shape": [rows, outputs, 1]}, {"shape": [1 << 31, 1 << 31]}, {"shape": [0, outputs]}, {"shape": [rows, 1.0]},
        {"shape": ...},
        {"level": said["level"] + 1}, {"level": 99}, {"level": -1}, {"level": None}, {"scale": "0x1.0p+400"},
        {"scale": "nan"}, {"scale": "0x1.0000000000000p+30"}, {"scale": 7}, {"scale": "-0x1.0000000000000p+30"},
        {"fingerprint": "0" * 16}, {"fingerprint": ...}, {"fingerprint": 7}, {"layout": {"name": "packed"}},
        {"layout": {"name": "features"}}, {"layout": {"name": "x"}}, {"layout": said["layout"] | {"tiles": 1 << 17}},
        {"layout": said["layout"] | {"period": 1 << 17}}, {"layout": ...}, {"layout": said["layout"] | {"samples": 2}},
    ):  # fmt: skip
        yield f"result {changes}", result(**changes)
    yield from _contents(chain, content, result)


def _contents(chain: Chain, content: bytes, result: Callable[[bytes], bytes]) -> Iterator[tuple[str, bytes]]:
    """TenSEAL's message of the result, broken, and the ciphertexts in it."""
    found = [(number, value) for number, value in read_fields("x", content) if not isinstance(value, int)]
    ciphertext, *left = [value for number, value in found if number == 2]
    scale = next(struct.unpack("<d", value)[0] for number, value in found if number == 3)

    def message(*ciphertexts: bytes, scale: float = scale) -> bytes:
        heads = [piece for each in ciphertexts for piece in (encode_head(2, len(each)), each)]
        return result(b"".join([encode_field(1, b""), *heads, encode_double(3, scale)]))

    others = [ciphertext] * len(left)
    plain = bytes(ciphertext_for_seal(chain, "answer", ciphertext))
    yield "uncompressed", message(plain, *others)
    for minor in (0, 1, 2, 3, 4):
        yield f"version 4.{minor}", message(ciphertext[:4] + bytes([minor]) + ciphertext[5:], *others)
        yield f"mixed versions, 4.{minor}", message(plain[:93] + bytes([minor]) + plain[94:], *others)
    packed = zstandard().compress(plain[_HEADER:])
    yield COMPRESSED, message(object_header(len(packed), "zstandard") + packed, *others)
    yield "nothing in it", result(b"")
    yield "no ciphertext", message()
    yield "a ciphertext less", message(*others)
    yield "a ciphertext more", message(ciphertext, ciphertext, *others)
    yield "no scale", message(ciphertext, *others, scale=0.0)
    yield "a scale that is none", message(ciphertext, *others, scale=float("nan"))
    yield "an unknown field", result(content + encode_field(9, b"x"))
    yield "a field cut off", result(content + encode_head(2, 1 << 40))
    yield "a number without end", result(content + encode_varint(4 << 3) + b"\xff" * 11)
    yield "a wire type that is none", result(content + encode_varint(4 << 3 | 3))
    places = {
        "magic": 0, "header size": 2, "major": 3, "form": 5, "size": 8, "identity": 16, "ntt": 48, "polynomials": 49,
        "degree": 57, "primes": 65, "scale": 73, "correction": 81, "array": 89, "array size": 97, "count": 105,
    }  # fmt: skip
    for name, at in places.items():
        for flip in (1, 0x80):
            changed = bytearray(ciphertext)
            changed[at] ^= flip
            yield f"{name} ^ {flip}", message(bytes(changed), *others)
    filled = ciphertext[:_HEAD] + b"\xff" * (len(ciphertext) - _HEAD)
    yield "residues beyond their primes", message(filled, *others)
    yield "a ciphertext cut off", message(ciphertext[:-8], *others)
    yield "a ciphertext of a header", message(ciphertext[:_HEADER], *others)
    yield "a ciphertext of nothing", message(b"", *others)
    yield "a ciphertext that is longer", message(ciphertext + b"x", *others)


def encrypted_answers(client: fhenn.Client, good: bytes, rows: int) -> Iterator[tuple[str, bytes]]:
    """An answer with ciphertexts that are sound, and none that a server makes of the upload."""
    plan, result = client.plan, client.plan.result
    assert result is not None
    meta, body = unframe("answer", good)
    sizes = meta["sizes"]
    parts = [body[sum(sizes[:place]) : sum(sizes[: place + 1])] for place in range(len(sizes))]
    for level in range(plan.parameters.levels + 1):
        for place, outputs in ((0, result.outputs), (len(parts) - 1, 1)):
            made = _encrypted(client._context, result.layout, (rows, outputs), level)
            joined = [*parts[:place], made, *parts[place + 1 :]]
            header = meta | {"sizes": list(map(len, joined))}
            yield f"part {place} encrypted at level {level}", frame("answer", header, *joined)


def _encrypted(context: Any, layout: Layout, shape: tuple[int, int], level: int) -> bytes:
    """Zeros at a level, as a message."""
    scale = context.scale if level == context.levels else 2.0**30
    slots = layout.pack(np.zeros(shape), context.slots)
    ciphertexts = tuple(context.encrypt_slots(row.tolist(), level, scale) for row in slots)
    return CipherArray(context, shape, layout, ciphertexts, level, scale).to_bytes()


def said_of_answer(client: fhenn.Client, receipt: Receipt, answer: bytes) -> str:
    """The error that Python's client meets."""
    return outcome(lambda: client.decrypt(answer, receipt=receipt))


def write_broken(folder: Path, plan: Plan, others: Mapping[str, Plan]) -> None:
    """Frames, texts and plans, and what Python says of them.

    plan: whose fields are changed.
    others: of which less is changed, by their names.
    """
    place = folder / "broken"
    place.mkdir(exist_ok=True)
    said: dict[str, Any] = {"frames": [], "texts": list(texts()), "plans": []}
    for number, (name, data) in enumerate(frames()):
        (place / f"frame{number}").write_bytes(data)
        header = outcome(lambda data=data: header_of(data))  # type: ignore[misc]
        said["frames"].append(
            {"name": name, "error": outcome(lambda data=data: unframe("note", data)), "header": header}
        )  # type: ignore[misc]
    every = list(plans(plan))
    for name, other in others.items():
        fields = json.loads(other.to_json())
        rotating = _keys_of_plans(fields, lambda fields=fields, **changes: plan_file(fields | changes))
        every += [(f"{name}: {change}", data) for change, data in (*at_the_floor(other), *rotating)]
    for number, (name, data) in enumerate(every):
        (place / f"plan{number}").write_bytes(data)
        said["plans"].append({"name": name, **said_of_plan(data)})
    (folder / "broken.json").write_text(json.dumps(said))


def changed_at_random(data: bytes, count: int, rng: random.Random) -> Iterator[bytes]:
    """A message whose body has a changed byte, and a digest that says nothing of it."""
    meta, body = unframe("answer", data)
    for _ in range(count):
        changed = bytearray(body)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        yield frame("answer", meta, bytes(changed))
