"""The headers of SEAL's objects: 16 bytes that say version, form and size, of an object and of each inside it.

SEAL before 4.4 loads nothing whose headers say another minor version than its own, though what follows them has not
changed from 4.1 to 4.3: the bodies of `save_members` in ciphertext, plaintext, encryptionparams, kswitchkeys, modulus,
randomgen and dynarray are the same there, and CHANGES.md of 4.4.0 says that the format is unchanged. Browsers have SEAL
4.1 (node-seal 7), TenSEAL has 4.3. So headers of both are read, in any mix; and what is for TenSEAL is written anew in
its version, once all of it has been checked (`in_own_version`).
"""

from __future__ import annotations

import struct
from typing import Any, Literal

from fhenn.ckks.inflate import Content, zstandard
from fhenn.errors import WireFormatError

Form = Literal["plain", "zstandard", "packed"]
"""How what follows the header of an object is written."""

HEADER = struct.Struct("<HBBBBHQ")
"""Magic, size of the header, major and minor version, compression, reserved, size of the object."""

MINORS = (1, 2, 3)
"""The minor versions of SEAL 4 whose objects are read."""

_MAGIC, _MAJOR, _OWN_MINOR = 0xA15E, 4, 3
_MINOR_AT = 4
"""Where a header has the minor version."""

_FORMS: dict[Form, int] = {"plain": 0, "zstandard": 2, "packed": 0x80}
_FORM_OF = {number: form for form, number in _FORMS.items()}

Places = tuple[int, ...]
"""Where in the content of an object headers have another minor version than that of TenSEAL's SEAL."""


def object_header(size: int, form: Form = "plain") -> bytes:
    """The header of an object as TenSEAL's SEAL saves it.

    size: in bytes, of what follows.
    form: of what follows.

    >>> len(object_header(100)), form_of("it", object_header(4) + b"body")
    (16, 'plain')
    """
    return HEADER.pack(_MAGIC, HEADER.size, _MAJOR, _OWN_MINOR, _FORMS[form], 0, HEADER.size + size)


def form_of(what: str, data: Any) -> Form:
    """How an object is written.

    what: the kind of message, for the error.
    data: the object, from a stranger.

    Raises WireFormatError where it has no header of SEAL 4.1 to 4.3 that states its length.
    """
    if not isinstance(data, bytes | memoryview) or len(data) < HEADER.size:
        raise WireFormatError(what, "an object is too short for a SEAL header")
    magic, header, major, minor, compression, _, size = HEADER.unpack_from(data)
    if magic != _MAGIC or header != HEADER.size or compression not in _FORM_OF:
        raise WireFormatError(what, "an object does not start with a SEAL 4 header")
    _require_version(what, major, minor)
    if size != len(data):
        raise WireFormatError(what, f"a SEAL object states {size} bytes and has {len(data)}")
    return _FORM_OF[compression]


def inner_size(what: str, content: Content) -> int:
    """The size that the object that comes next, inside another one, states.

    what: the kind of message, for the error.
    content: of the other one, whose `marks` get a place where the version is another than that of TenSEAL's SEAL.

    Raises WireFormatError where it has no header of SEAL 4.1 to 4.3, or is compressed again.
    """
    start = content.position
    magic, header, major, minor, compression, _, size = HEADER.unpack(content.take(HEADER.size))
    if (magic, header, compression) != (_MAGIC, HEADER.size, _FORMS["plain"]):
        raise WireFormatError(
            what, "an object inside another does not start with the header of an uncompressed SEAL 4 object"
        )
    _require_version(what, major, minor)
    if minor != _OWN_MINOR:
        content.marks.append(start + _MINOR_AT)
    return int(size)


def in_own_version(data: bytes | memoryview, places: Places) -> bytes | memoryview:
    """An object as SEAL 4.3 loads it, which is TenSEAL's.

    data: the object, plain or compressed, all of which has been checked.
    places: that the check has found.

    Returns `data` itself where it is of that version, else a plain object: headers inside a compressed one cannot be
    reached.

    >>> in_own_version(bytes.fromhex("5ea1100401000000") + (18).to_bytes(8, "little") + b"it", ())[4]
    3
    """
    if not places and data[_MINOR_AT] == _OWN_MINOR:
        return data
    compressed = form_of("object", data) == "zstandard"
    content = memoryview(data)[HEADER.size :]
    written = bytearray(HEADER.size)
    written += zstandard().decompress(content) if compressed else content
    written[: HEADER.size] = object_header(len(written) - HEADER.size)
    for place in places:
        written[HEADER.size + place] = _OWN_MINOR
    return memoryview(written)


def _require_version(what: str, major: int, minor: int) -> None:
    """Raise WireFormatError where a header is of a version whose objects may be written otherwise."""
    if major != _MAJOR or minor not in MINORS:
        known = f"{_MAJOR}.{MINORS[0]} to {_MAJOR}.{MINORS[-1]}"
        raise WireFormatError(
            what, f"an object is of SEAL {major}.{minor}, and those of SEAL {known} are read: save it with one of them"
        )
