"""What is inside a compressed SEAL object, and how much: looked at piece by piece, so that no bomb goes off.

SEAL compresses with Zstandard (RFC 8878). A frame says of itself how it is cut into blocks of at most 128 KiB each,
which bounds what comes out of it before a decoder (Python 3.14's own, or `backports.zstd`) reads the content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from fhenn.ckks.bits import packed_size
from fhenn.errors import UnsupportedOperation, WireFormatError

_MAGIC = b"\x28\xb5\x2f\xfd"
_BLOCK = 1 << 17
_LARGEST_WINDOW_BITS = 27
_PIECE = 1 << 20
_FEW_BLOCKS, _LEAST_OF_BLOCKS = 64, 512
"""What SEAL and fhenn compress comes in blocks of some 100 KB: a frame of empty ones would be walked for seconds."""


def largest_content(what: str, frame: bytes | memoryview) -> int:
    """A bound on the bytes in a Zstandard frame, from the sizes of its blocks.

    what: the kind of message, for the error.
    frame: from a stranger.

    Raises WireFormatError where it is not one frame as SEAL makes them.

    Source: RFC 8878, section 3.1.1: a block yields 128 KiB or the window at most.
    """
    try:
        return _walk(what, frame)
    except IndexError as error:
        raise WireFormatError(what, "a compressed object ends in the middle") from error


def _walk(what: str, frame: bytes | memoryview) -> int:
    """The bound of `largest_content`. Raises IndexError where the frame ends early."""
    if frame[: len(_MAGIC)] != _MAGIC:
        raise WireFormatError(what, "an object is not compressed with Zstandard, as SEAL does")
    descriptor, at = frame[4], 5
    single, checksum, dictionary = descriptor >> 5 & 1, descriptor >> 2 & 1, descriptor & 3
    if dictionary or descriptor >> 3 & 1:
        raise WireFormatError(what, "a compressed object needs a dictionary, or is of another format")
    if not single:
        exponent = frame[at] >> 3
        if exponent + 10 >= _LARGEST_WINDOW_BITS:
            raise WireFormatError(
                what, f"a compressed object needs a window of 2^{exponent + 10} bytes, too much memory"
            )
        at += 1
    field = (single, 2, 4, 8)[descriptor >> 6]
    if len(frame) < at + field:
        raise IndexError
    stated = int.from_bytes(frame[at : at + field], "little") + (256 if field == 2 else 0)
    at += field
    total, last, blocks = 0, False, 0
    while not last:
        blocks += 1
        if blocks > _FEW_BLOCKS + len(frame) // _LEAST_OF_BLOCKS:
            raise WireFormatError(what, "a compressed object has more blocks than its bytes need")
        head = frame[at] | frame[at + 1] << 8 | frame[at + 2] << 16
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        if kind == 3 or size > _BLOCK:
            raise WireFormatError(what, "a compressed object has a block of unknown kind, or of more than 128 KiB")
        total += _BLOCK if kind == 2 else size
        at += 3 + (1 if kind == 1 else size)
    if at + 4 * checksum != len(frame):
        raise WireFormatError(what, "a compressed object does not end where its frame does")
    if stated > total:
        raise WireFormatError(what, "a compressed object states more than its blocks can hold")
    return total


Unpack = Callable[[memoryview, int, memoryview], None]
"""Puts packed residues into words: the packed bytes, the bits of each, and the memory."""


class Content:
    """The bytes of a SEAL object after its header, front to back.

    what: the kind of message, for errors.
    data: the bytes, as they came.
    decoder: of the Zstandard frame that they are, None where they are not compressed.
    limit: more bytes of content are refused.
    packed: whether residues are packed to the bits of their primes.

    `marks` is for places that whoever reads it wants to know later.
    """

    def __init__(
        self, what: str, data: bytes | memoryview, decoder: Any | None, limit: int, packed: bool = False
    ) -> None:
        self._what, self._left, self._decoder, self._packed = what, limit, decoder, packed
        self._limit = limit
        self.marks: list[int] = []
        nothing, everything = memoryview(b""), memoryview(data)
        self._source, self._piece = (nothing, everything) if decoder is None else (everything, nothing)
        self._at = 0

    @property
    def position(self) -> int:
        """Bytes of content so far; packed residues count as the words that they stand for."""
        return self._limit - self._left

    def expect(self, size: int) -> None:
        """Raise WireFormatError where `size` more bytes would pass the limit: before memory is taken for them."""
        if size > self._left:
            raise WireFormatError(self._what, "an object holds more bytes than it can need")

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises WireFormatError where there are fewer, or they pass the limit."""
        return b"".join(self._pieces(size))

    def fill(self, target: memoryview) -> None:
        """Put the next bytes into memory, as many as it has. Raises WireFormatError as `take` does."""
        at = 0
        for piece in self._pieces(target.nbytes):
            target[at : at + len(piece)] = piece
            at += len(piece)

    def residues(self, count: int, bits: int, target: memoryview | None, unpack: Unpack) -> None:
        """Put the residues of a polynomial into words of 64 bits, or pass over them.

        count: of them.
        bits: of their prime.
        target: 8 bytes for each; None to pass over them.
        unpack: what takes packed ones apart.

        Raises WireFormatError as `take` does: the limit is on what they are in words.
        """
        self.expect(8 * count)
        if not self._packed:
            self.skip(8 * count) if target is None else self.fill(target)
            return
        size = packed_size(count, bits)
        source, self._at = self._piece[self._at : self._at + size], self._at + size  # nothing packed is compressed
        self._left -= 8 * count
        if len(source) < size:
            raise WireFormatError(self._what, "an object ends in the middle")
        if target is not None:
            unpack(source, bits, target)

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes. Raises WireFormatError as `take` does."""
        for _ in self._pieces(size):
            pass

    def skip_zeros(self, width: int, most: int) -> int:
        """Pass over numbers that are 0, as many as there are ahead; it may stop before one that is.

        width: of a number, in bytes.
        most: how many are passed over.

        Returns how many were.
        """
        self._fill()
        window = bytes(self._piece[self._at : self._at + width * most])
        passed = (len(window) - len(window.lstrip(b"\0"))) // width
        self.skip(passed * width)
        return passed

    def _pieces(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes, in pieces as they come. Raises WireFormatError as `take` does."""
        self.expect(size)
        self._left -= size
        while size:
            self._fill()
            piece = self._piece[self._at : self._at + size]
            if not piece:
                raise WireFormatError(self._what, "an object ends in the middle")
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def end(self) -> None:
        """Raise WireFormatError where anything is left."""
        self._fill()
        decoder = self._decoder
        if self._at < len(self._piece) or (
            decoder is not None and (not decoder.eof or decoder.unused_data or self._source)
        ):
            raise WireFormatError(self._what, "an object goes on after its end")

    def _fill(self) -> None:
        """Have a byte at hand, if there is one."""
        decoder = self._decoder
        while self._at == len(self._piece) and decoder is not None and not decoder.eof:
            self._piece, self._at = memoryview(b""), 0  # it goes before the next one comes
            source = memoryview(b"")  # a decoder keeps a copy of what it is given and does not need yet
            if decoder.needs_input:
                source, self._source = self._source[:_PIECE], self._source[_PIECE:]
                if not source:
                    break
            try:
                self._piece = memoryview(decoder.decompress(source, max_length=_PIECE))
            except zstandard().ZstdError as error:
                raise WireFormatError(self._what, f"a compressed object is damaged ({error})") from error


@cache
def zstandard() -> Any:
    """Python's own `compression.zstd`, from 3.14 on, or `backports.zstd`, which has the same interface.

    Raises UnsupportedOperation where both are missing: nothing that is compressed may be taken unread.
    """
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ModuleNotFoundError:
            continue
    raise UnsupportedOperation(
        "reading what SEAL has compressed",
        "No Zstandard is installed: pip install backports.zstd, or take a Python 3.14 that was built with it.",
    )
