"""Frames of Zstandard made by hand (RFC 8878), each right but for one thing."""

import random
import time
import tracemalloc

import pytest

from fhenn.ckks.inflate import Content, largest_content, zstandard
from fhenn.errors import WireFormatError

MAGIC = b"\x28\xb5\x2f\xfd"
WINDOW = bytes([7 << 3])  # 2^17 bytes


def block(kind, size, content, last=True):
    """A block: 0 raw, 1 a byte that repeats, 2 compressed; 3 is none."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + content


RAW = block(0, 3, b"abc")


def frame(blocks=RAW, descriptor=0, window=WINDOW, stated=b"", magic=MAGIC, end=b""):
    return magic + bytes([descriptor]) + window + stated + blocks + end


RIGHT = {
    "raw": (frame(), 3),
    "two blocks": (frame(block(0, 2, b"ab", last=False) + RAW), 5),
    "a byte that repeats": (frame(block(1, 1 << 17, b"a")), 1 << 17),
    "compressed, whatever is in it": (frame(block(2, 3, b"abc")), 1 << 17),
    "a checksum": (frame(descriptor=0x04, end=b"1234"), 3),
    "the largest window": (frame(window=bytes([16 << 3])), 3),
    "one that states its size": (frame(descriptor=0x80, stated=(3).to_bytes(4, "little")), 3),
    "a single segment": (frame(descriptor=0x20, window=b"", stated=b"\x03"), 3),
}
WRONG = {
    "another magic": frame(magic=b"\x27\xb5\x2f\xfd"),
    "a dictionary": frame(descriptor=0x01),
    "a reserved bit": frame(descriptor=0x08),
    "a window of 2^27": frame(window=bytes([17 << 3])),
    "a block of no kind": frame(block(3, 3, b"abc")),
    "a block of more than 128 KiB": frame(block(1, (1 << 17) + 1, b"a")),
    "bytes after the last block": frame(end=b"1"),
    "no checksum where one is stated": frame(descriptor=0x04),
    "more than its blocks hold": frame(descriptor=0x80, stated=(4).to_bytes(4, "little")),
    "no last block": frame(block(0, 3, b"abc", last=False)),
    "a block that ends early": frame(block(0, 4, b"abc")),
    "nothing": b"",
    "a magic alone": MAGIC,
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_bounded(name):
    data, bound = RIGHT[name]
    assert largest_content("it", data) == bound


@pytest.mark.parametrize("name", WRONG)
def test_one_thing_that_is_wrong_is_refused(name):
    with pytest.raises(WireFormatError):
        largest_content("it", WRONG[name])


def contents(data, limit):
    """Content that is plain, and the same compressed."""
    yield Content("it", data, None, limit)
    module = zstandard()
    if module is not None:
        yield Content("it", module.compress(data), module.ZstdDecompressor(), limit)


def test_no_more_comes_out_than_may_and_than_there_is():
    for content in contents(bytes(100), 60):
        content.skip(60)
        with pytest.raises(WireFormatError, match="more bytes than it can need"):
            content.take(1)
    for content in contents(bytes(100), 1000):
        content.skip(100)
        with pytest.raises(WireFormatError, match="ends in the middle"):
            content.take(1)


def test_nothing_may_be_left():
    for content in contents(bytes(100), 1000):
        content.skip(99)
        with pytest.raises(WireFormatError, match="goes on"):
            content.end()
    for content in contents(bytes(100), 1000):
        content.skip(100)
        content.end()


def test_a_frame_ends_where_it_is_and_nothing_is_behind_it():
    module = zstandard()
    whole = module.compress(bytes(100))
    behind = Content("it", whole + whole, module.ZstdDecompressor(), 1000)
    behind.skip(100)
    with pytest.raises(WireFormatError, match="goes on"):
        behind.end()
    piece, numbers = 1 << 20, random.Random(1).randbytes(1 << 20)
    size = 2 * piece - len(module.compress(numbers))
    exact = module.compress(numbers[:size])
    assert len(exact) == piece  # as much as a decoder is given at once
    behind = Content("it", exact + whole, module.ZstdDecompressor(), 1 << 21)
    behind.skip(size)
    with pytest.raises(WireFormatError, match="goes on"):
        behind.end()
    stream = module.ZstdCompressor()
    begun = stream.compress(bytes(100)) + stream.flush(module.ZstdCompressor.FLUSH_BLOCK)  # no last block
    open_ended = Content("it", begun, module.ZstdDecompressor(), 1000)
    open_ended.skip(100)
    with pytest.raises(WireFormatError, match="goes on"):
        open_ended.end()


def test_what_is_compressed_is_not_copied_whole():
    module = zstandard()
    data = module.compress(random.Random(1).randbytes(8 << 20))
    content = Content("it", data, module.ZstdDecompressor(), 8 << 20)
    tracemalloc.start()
    content.skip(8 << 20)
    content.end()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


def test_a_frame_of_many_empty_blocks_is_refused_at_once():
    """64 of them and one for every 512 bytes are more than any object that is compressed in its 100 KB has."""
    empty = block(0, 0, b"", last=False)
    assert largest_content("it", frame(empty * 63 + RAW)) == 3
    with pytest.raises(WireFormatError, match="more blocks"):
        largest_content("it", frame(empty * 70 + RAW))
    start = time.process_time()
    with pytest.raises(WireFormatError, match="more blocks"):
        largest_content("it", frame(empty * (1 << 22) + RAW))
    assert time.process_time() - start < 1  # it took seconds to walk


@pytest.mark.parametrize("compressed", [False, True])
def test_zeros_are_passed_over_whole_numbers_at_a_time(compressed):
    """Whatever is read next is the number that is not 0, also where pieces end in the middle of one."""
    for zeros in (0, 1, 5, 131_071, 131_073):
        data = b"abc" + bytes(8 * zeros) + (1 << 56).to_bytes(8, "little") + bytes(8)
        body = zstandard().compress(data) if compressed else data
        content = Content("it", body, zstandard().ZstdDecompressor() if compressed else None, len(data))
        content.skip(3)
        passed = 0
        while passed < zeros:
            step = content.skip_zeros(8, zeros + 9 - passed)
            passed += step
            if not step:
                assert content.take(8) == bytes(8)
                passed += 1
        assert passed == zeros
        assert content.skip_zeros(8, 9) == 0
        assert content.take(8) == (1 << 56).to_bytes(8, "little")
        assert content.skip_zeros(8, 0) == 0
        assert content.skip_zeros(8, 9) == 1
        content.end()


def test_zeros_beyond_the_limit_are_refused():
    content = Content("it", bytes(80), None, 40)
    with pytest.raises(WireFormatError, match="more bytes than it can need"):
        content.skip_zeros(8, 10)
