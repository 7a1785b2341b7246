"""What samples are called: ids that a client keeps beside a receipt, and puts back beside the results.

They are carried around the encryption, never into it. Each part of an upload has a message with the ids of its samples,
which names the part by its SHA-256; what ends the messages counts them.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite, isnan
from typing import Self

from fhenn.errors import IdsMismatch, WireFormatError
from fhenn.session.receipt import Receipt, UploadHeader, digest_of, is_digest
from fhenn.session.stream import Tally
from fhenn.strict import MALFORMED, read_json
from fhenn.text import an
from fhenn.wire import frame, kind_of, unframe

Id = str | int | float | None
"""As a table has it: text, a number, or nothing."""

_TYPES = {str, int, float, type(None)}
_KIND = "ids"
_SHOWN = 12
_OTHER = "Give the ids that `fhenn encrypt --id` wrote with this receipt."


@dataclass(frozen=True)
class PartIds:
    """The ids of the samples of a part.

    part: its place in the upload, from 0.
    upload: the digest that the part states of itself.
    column: what the ids are called.
    ids: one a sample; any of them may come twice, or be None.

    >>> named = PartIds(0, "0" * 64, "patient", ("007", None))
    >>> PartIds.from_bytes(named.to_bytes()) == named
    True
    """

    part: int
    upload: str
    column: str
    ids: tuple[Id, ...]

    def __repr__(self) -> str:
        # of patients
        return f"PartIds(part={self.part}, upload={self.upload[:_SHOWN]}, ids={len(self.ids)})"

    def to_bytes(self) -> bytes:
        """The ids as a message."""
        body = json.dumps({"column": self.column, "ids": self.ids}, allow_nan=False)
        return frame(_KIND, {"part": self.part, "of": self.upload}, body.encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The ids in a message of `to_bytes`. Raises WireFormatError."""
        meta, body = unframe(_KIND, data)
        part, upload = meta.get("part"), meta.get("of")
        try:
            content = read_json(body)
            column, ids = content["column"], content["ids"]
            # not by `built`: they are many
            if type(column) is not str or type(ids) is not list or not {*map(type, ids)} <= _TYPES:
                raise TypeError
            "".join([column, *(each for each in ids if type(each) is str)]).encode()  # no halves of characters
        except MALFORMED as error:
            raise WireFormatError(_KIND, "they are not readable") from error
        if type(part) is not int or not 0 <= part < 1 << 32 or not is_digest(upload) or not ids:
            raise WireFormatError(_KIND, "a place or a digest in them is not valid, or they are none")
        return cls(part, str(upload), column, tuple(ids))


class IdsOfRows:
    """Ids of rows that were read, which wait for those of their part to be taken."""

    def __init__(self) -> None:
        self._waiting = deque[deque[Id]]()
        self.count = 0

    def add(self, ids: Iterable[Id]) -> None:
        """Add those of the next rows."""
        block = deque(ids)
        if block:
            self._waiting.append(block)
            self.count += len(block)

    def take(self, count: int) -> tuple[Id, ...]:
        """The next ones, no fewer: there must be as many (`count`)."""
        taken: list[Id] = []
        while len(taken) < count:
            block = self._waiting[0]
            taken.extend(islice(iter(block.popleft, block), min(count - len(taken), len(block))))
            if not block:
                self._waiting.popleft()
        self.count -= count
        return tuple(taken)


class IdsOfUpload:
    """Brings the ids of rows together with the parts of an upload, whichever comes first.

    column: what the ids are called.
    write: called with each message.

    >>> import fhenn
    >>> client = fhenn.Client(fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1]))
    >>> written = []
    >>> ids = IdsOfUpload("patient", written.append)
    >>> ids.add(["007", "008"])
    >>> upload = client.encrypt([[0.5], [0.25]])
    >>> ids.part(upload)
    >>> ids.finish()
    >>> [part.ids for part in IdsOfParts(written, Receipt.of(upload))]
    [('007', '008')]
    """

    def __init__(self, column: str, write: Callable[[bytes], None]) -> None:
        self._column, self._write = column, write
        self._rows, self._parts = IdsOfRows(), deque[tuple[str, int]]()
        self._tally = Tally(_KIND)

    def add(self, ids: Iterable[Id]) -> None:
        """Add the ids of the next rows. Raises what `write` does."""
        self._rows.add(ids)
        self._match()

    def part(self, message: bytes) -> None:
        """Add the next part of the upload; what ends it may be among them. Raises WireFormatError, what `write` does.

        message: of `Client.encrypt_stream`.
        """
        if kind_of(message) == "end":
            return
        self._parts.append((digest_of(message), UploadHeader.of(message).samples))
        self._match()

    def finish(self) -> None:
        """Write what ends the messages. Raises WireFormatError where ids and samples are not as many."""
        if self._parts or self._rows.count:
            raise WireFormatError(_KIND, "they are not as many as the samples")
        self._write(self._tally.end.to_bytes())

    def _match(self) -> None:
        while self._parts and self._parts[0][1] <= self._rows.count:
            digest, samples = self._parts.popleft()
            ids = PartIds(self._tally.parts, digest, self._column, self._rows.take(samples))
            message = ids.to_bytes()
            self._tally.add(ids.part, samples, digest_of(message))
            self._write(message)


class IdsOfParts(Iterator[PartIds]):
    """The ids of an upload, part by part, each once it is known to be that of the part.

    messages: as `IdsOfUpload` wrote them.
    receipt: of the upload.

    Raises, as they are taken, WireFormatError where they are damaged, and IdsMismatch where they are of another upload.
    """

    def __init__(self, messages: Iterable[bytes], receipt: Receipt) -> None:
        self._messages, self._receipt, self._tally = iter(messages), receipt, Tally(_KIND)
        self._column: str | None = None

    def __next__(self) -> PartIds:
        message = next(self._messages, None)
        if message is None:
            raise self._tally.cut_off
        if kind_of(message) == "end":
            self._tally.require_end(message, self._messages)
            if self._tally.parts != len(self._receipt.parts):
                raise IdsMismatch(f"{len(self._receipt.parts)} parts", f"{self._tally.parts}", _OTHER)
            raise StopIteration
        found = PartIds.from_bytes(message)
        place = self._tally.parts
        self._tally.add(found.part, len(found.ids), digest_of(message))
        sent = self._receipt.parts[place : place + 1]
        if not sent or sent[0].sha256 != found.upload or sent[0].samples != len(found.ids):
            expected = f"part {place}, {sent[0].sha256[:_SHOWN]}" if sent else f"{place} parts"
            raise IdsMismatch(expected, f"part {place}, {found.upload[:_SHOWN]}", _OTHER)
        if self._column not in (None, found.column):
            raise WireFormatError(_KIND, "its parts name them differently")
        self._column = found.column
        return found


def as_written(cells: Sequence[object]) -> list[Id]:
    """Cells of a table as ids: text and numbers as they are, what is missing as None, dates and their like as text.

    Raises TypeError for cells that hold several values, as lists do.

    >>> from datetime import date
    >>> as_written(["007", 7, float("nan"), None, date(2024, 5, 1)])
    ['007', 7, None, None, '2024-05-01']
    """
    return [_as_id(cell) for cell in cells]


def _as_id(cell: object) -> Id:
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, int):
        return cell if -(1 << 63) <= cell < 1 << 63 else str(cell)
    if isinstance(cell, float):
        return None if isnan(cell) else cell if isfinite(cell) else str(cell)
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if isinstance(cell, list | tuple | dict | set):
        raise TypeError(an(type(cell).__name__))
    return str(cell)
