"""The version of a model that ciphertexts were made for."""

from __future__ import annotations

import re

from fhenn.errors import FhennError
from fhenn.session.receipt import UploadHeader
from fhenn.wire import MOST_OF_HEADER

HEADER = "Fhenn-Model-Version"
"""The header of answers over HTTP that names the version of the model that ran."""

_VERSION = re.compile(r"[0-9a-f]{32}", re.ASCII)


def is_version(text: str) -> bool:
    """Whether a text can be the fingerprint of a plan, which names a version of its model."""
    return _VERSION.fullmatch(text) is not None


def version_of(upload: bytes | bytearray) -> str | None:
    """The version of the model whose plan an upload names; None where it names none.

    upload: the message, of which the header alone is looked at.

    >>> version_of(b"no upload")
    """
    try:
        return UploadHeader.of(bytes(upload[:MOST_OF_HEADER])).plan
    except FhennError:  # whoever reads all of it says what is wrong
        return None
