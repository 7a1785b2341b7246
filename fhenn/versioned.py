"""JSON documents that name their kind and version: how all of them are written, read and refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fhenn.errors import WireFormatError
from fhenn.strict import MALFORMED, read_json
from fhenn.wire import as_bytes

Made = TypeVar("Made")


@dataclass(frozen=True)
class VersionedJson:
    """A kind of JSON document: fields of its own, and the two that say what it is.

    kind: its name, which a document carries as "fhenn-" + kind.
    version: of its format. No other is read, but for `older`.
    infinite: whether its numbers may be infinite (`fhenn.strict.read_json`).
    kind_last: whether kind and version stand behind the fields, where some kinds have always had them.
    indent: of the lines that it is written in; None for a single line, for what is long.
    older: versions before it that are read as well.

    >>> note = VersionedJson("note", 1)
    >>> note.read(note.write({"text": "hello"}), lambda fields: fields["text"])
    'hello'
    >>> note.read('{"kind": "fhenn-note", "version": 2, "text": "hello"}', dict)
    Traceback (most recent call last):
    ...
    fhenn.errors.WireFormatError: not a valid note: it is not readable (another kind or version). Ask the sender \
for it again.
    """

    kind: str
    version: int
    infinite: bool = False
    kind_last: bool = False
    indent: int | None = 1
    older: tuple[int, ...] = ()

    def write(self, fields: Mapping[str, Any], version: int | None = None) -> str:
        """The document of these fields as text.

        fields: by name; values are what JSON has. Floats survive to the last bit.
        version: of the format, where an older one says all; None for the newest.
        Returns the JSON text, one field a line unless `indent` is None.
        """
        head = {"kind": f"fhenn-{self.kind}", "version": self.version if version is None else version}
        return json.dumps({**fields, **head} if self.kind_last else {**head, **fields}, indent=self.indent)

    def read(
        self,
        text: str | bytes,
        make: Callable[[dict[str, Any]], Made],
        check_text: Callable[[str | bytes], None] | None = None,
    ) -> Made:
        """What a document stands for.

        text: of `write`; bytes are UTF-8.
        make: makes it of the fields, kind and version left out, which are a stranger's: whatever it raises because
        they are not what it needs is a refusal.
        check_text: looks at the text before it is parsed, and raises ValueError where it must not be.
        Returns what `make` does.
        Raises WireFormatError where the text is no such document, or `make` or `check_text` refuse it.
        """
        try:
            text = text if isinstance(text, str) else as_bytes(self.kind, text)
            if check_text is not None:
                check_text(text)
            fields = read_json(text, self.infinite)
            # 1.0 and true are equal to 1, and not the same
            versions = set(map(repr, (self.version, *self.older)))
            if fields.pop("kind") != f"fhenn-{self.kind}" or repr(fields.pop("version")) not in versions:
                raise ValueError("another kind or version")
            return make(fields)
        except MALFORMED as error:
            raise WireFormatError(self.kind, f"it is not readable ({error})") from error
