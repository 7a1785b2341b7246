"""Messages as clients with another SEAL than TenSEAL's send them, made of fhenn's own."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

from fhenn.ckks.headers import Form, form_of
from fhenn.ckks.inflate import zstandard
from fhenn.ckks.messages import EvaluationMessage, KeysObject, TensealMessage
from fhenn.ckks.packing import ciphertext_for_seal, keys_for_seal
from fhenn.ckks.structure import Chain
from fhenn.protobuf import change_fields
from fhenn.wire import frame, unframe

HEAD = bytes.fromhex("5ea1100403")
"""How each header of SEAL 4.3 starts."""

Minors = Callable[[int], int]
"""The minor version of a header, by its place among those of an object, from 0."""


def headers_of(data: bytes) -> list[int]:
    """Where the headers of an object that is not compressed start, its own first."""
    found, at = [], 0
    while (at := data.find(HEAD, at)) >= 0:
        if data[at + 6 : at + 8] == b"\0\0":
            found.append(at)
        at += 1
    return found


def in_version(data: bytes, minors: Minors, major: int = 4) -> bytes:
    """An object whose headers say other versions; in a compressed one, those inside as well."""
    if form_of("object", data) == "zstandard":
        changed = in_version(plain(data), minors, major)
        body = zstandard().compress(changed[16:])
        return changed[:5] + b"\2" + changed[6:8] + struct.pack("<Q", 16 + len(body)) + body
    changed = bytearray(data)
    for number, at in enumerate(headers_of(bytes(data))):
        changed[at + 3 : at + 5] = major, minors(number)
    return bytes(changed)


def plain(data: bytes) -> bytes:
    """A compressed object, plain."""
    content = zstandard().decompress(data[16:])
    return data[:5] + b"\0" + data[6:8] + struct.pack("<Q", 16 + len(content)) + content


def in_form(data: bytes, form: Form) -> bytes:
    """A plain object in another form that SEAL saves."""
    if form == "plain":
        return data
    body = zstandard().compress(data[16:])
    return data[:5] + b"\2" + data[6:8] + struct.pack("<Q", 16 + len(body)) + body


def upload_in(upload: bytes, chain: Chain, form: Form, minors: Minors, major: int = 4) -> bytes:
    """An upload whose ciphertexts are of another version and form."""
    meta, body = unframe("ciphertexts", upload)
    message = TensealMessage.decode(body)

    def changed(data: bytes) -> bytes:
        if form != "packed":
            data = in_form(bytes(ciphertext_for_seal(chain, "it", data)), form)
        return in_version(data, minors, major)

    bodies = tuple(map(changed, message.ciphertexts))
    return frame("ciphertexts", meta, replace(message, ciphertexts=bodies).encode())


def keys_in(keys: bytes, form: Form, minors: Minors, major: int = 4) -> bytes:
    """Evaluation keys of another version, and of another form where TenSEAL's message does not decide that."""
    message, parts = EvaluationMessage.decode(keys)

    def changed(found: KeysObject) -> KeysObject:
        data = bytes(found.data)
        if form != "packed":
            data = in_form(bytes(keys_for_seal(parts.chain.up_to(found.level), "it", data)), form)
        return replace(found, data=in_version(data, minors, major))

    squares = message.relinearisation
    return replace(
        message,
        context=context_in(message.context, minors, major),
        relinearisation=None if squares is None else changed(squares),
        rotations=tuple(map(changed, message.rotations)),
    ).encode()


def context_in(message: bytes, minors: Minors, major: int = 4) -> bytes:
    """TenSEAL's message of a context whose objects are of another version."""

    def change(data: bytes) -> bytes:
        return in_version(data, minors, major) if data else data

    def part(data: bytes) -> bytes:
        return change_fields("it", data, {1: change, 4: change, 5: change})

    return change_fields("it", message, {1: change, 2: part, 3: part})
