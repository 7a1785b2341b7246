"""Ids of samples: paired with parts in any order, and held to their upload."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhenn.errors import IdsMismatch, WireFormatError
from fhenn.session import Receipt
from fhenn.session.ids import IdsOfParts, IdsOfRows, IdsOfUpload, PartIds, as_written
from fhenn.session.receipt import SentPart
from fhenn.session.stream import End
from fhenn.wire import frame, kind_of

PLAN = "0" * 16


def uploads(sizes, salt=""):
    """Messages that say of themselves what parts of an upload say."""
    return [
        frame(
            "ciphertexts",
            {"shape": [size, 2], "upload": {"part": place, "plan": PLAN, "stream": "0" * 32}},
            f"{salt}{place}".encode(),
        )
        for place, size in enumerate(sizes)
    ]


def paired(sizes, blocks, order):
    """The messages for ids 0, 1, … that come in blocks among parts of some sizes. order: whether each is a block."""
    written, parts, ids = [], iter(uploads(sizes)), iter(range(sum(sizes)))
    pairing, blocks = IdsOfUpload("id", written.append), iter(blocks)
    for is_block in order:
        if is_block:
            pairing.add([*(next(ids) for _ in range(next(blocks)))])
        else:
            pairing.part(next(parts))
    pairing.finish()
    return written


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_rows_and_parts_come_in_any_order(data):
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    cuts = sorted(data.draw(st.lists(st.integers(0, sum(sizes)), max_size=6)))
    blocks = [high - low for low, high in zip([0, *cuts], [*cuts, sum(sizes)], strict=True)]
    order = data.draw(st.permutations([True] * len(blocks) + [False] * len(sizes)))
    found = [*IdsOfParts(paired(sizes, blocks, order), Receipt.of(*uploads(sizes)))]
    assert [len(part.ids) for part in found] == sizes
    assert [each for part in found for each in part.ids] == [*range(sum(sizes))]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.text(), st.integers(-(1 << 63), (1 << 63) - 1), st.none(), st.floats(allow_nan=False,
       allow_infinity=False)), min_size=1), st.text())  # fmt: skip
def test_ids_survive(ids, column):
    part = PartIds(3, "a" * 64, column, tuple(ids))
    try:
        data = part.to_bytes()
        PartIds.from_bytes(data)
    except WireFormatError:
        assert any("\ud800" <= letter < "\ue000" for text in [column, *ids] if isinstance(text, str) for letter in text)
        return
    found = PartIds.from_bytes(data)
    assert found == part
    assert [*map(type, found.ids)] == [*map(type, ids)]
    assert not any(text in repr(part) for text in ids if isinstance(text, str) and len(text) > 70)


def test_as_many_ids_as_samples():
    pairing = IdsOfUpload("id", lambda message: None)
    pairing.add([1])
    pairing.part(uploads([2])[0])
    with pytest.raises(WireFormatError, match="not as many"):
        pairing.finish()
    pairing.add([2, 3])
    with pytest.raises(WireFormatError, match="not as many"):
        pairing.finish()
    with pytest.raises(WireFormatError, match="no parts"):
        IdsOfUpload("id", lambda message: None).finish()


def test_ids_are_taken_as_they_were_added():
    rows = IdsOfRows()
    for block in ([1, 2], [], [3]):
        rows.add(block)
    assert (rows.take(1), rows.take(2), rows.count) == ((1,), (2, 3), 0)


def test_ids_of_another_upload_are_refused():
    written = paired([2, 1], [3], [True, False, False])
    receipt = Receipt.of(*uploads([2, 1]))
    for other in (
        Receipt.of(*uploads([2, 1], "other")),
        Receipt.of(*uploads([2, 1, 1])),
        Receipt.of(*uploads([2])),
        Receipt(PLAN, (receipt.parts[0], SentPart(receipt.parts[1].sha256, 2))),
    ):
        with pytest.raises(IdsMismatch, match="of another upload"):
            list(IdsOfParts(written, other))
    assert len(list(IdsOfParts(written, receipt))) == 2


def test_what_is_damaged_is_refused():
    written = paired([2, 1], [3], [True, False, False])
    receipt = Receipt.of(*uploads([2, 1]))
    (two, one, end), other = written, PartIds(1, receipt.parts[1].sha256, "name", (3,)).to_bytes()
    for messages, words in (
        ([two, one], "before its end"),
        ([two], "before its end"),
        ([], "before its end"),
        ([one, end], "is due"),
        ([two, two, end], "is due"),
        ([two, one, end, end], "after its end"),
        ([two, one, End(2, 4, "0" * 64).to_bytes()], "2 parts with 3 samples came"),
        ([two, other, end], "name them differently"),
        ([two, uploads([1])[0]], "file of ids"),
    ):
        with pytest.raises(WireFormatError, match=words):
            list(IdsOfParts(messages, receipt))


@pytest.mark.parametrize(
    ("meta", "body"),
    [
        ({}, b'{"column": "id", "ids": [1]}'),
        ({"part": 0.0}, b'{"column": "id", "ids": [1]}'),
        ({"part": -1}, b'{"column": "id", "ids": [1]}'),
        ({"part": True}, b'{"column": "id", "ids": [1]}'),
        ({"of": "A" * 64}, b'{"column": "id", "ids": [1]}'),
        ({"of": 7}, b'{"column": "id", "ids": [1]}'),
        ({"part": 0}, b'{"column": 1, "ids": [1]}'),
        ({"part": 0}, b'{"column": "id", "ids": []}'),
        ({"part": 0}, b'{"column": "id", "ids": [true]}'),
        ({"part": 0}, b'{"column": "id", "ids": [[1]]}'),
        ({"part": 0}, b'{"column": "id", "ids": {"1": 1}}'),
        ({"part": 0}, b'{"column": "id", "ids": ["\\ud800"]}'),
        ({"part": 0}, b'{"column": "id", "ids": [NaN]}'),
        ({"part": 0}, b'{"column": "id", "ids": [1e999]}'),
        ({"part": 0}, b'{"column": "id"}'),
        ({"part": 0}, b"[]"),
        ({"part": 0}, b""),
    ],
)
def test_ids_of_strangers_are_looked_at(meta, body):
    whole = {"part": 0, "of": "a" * 64} | meta if meta else {}
    with pytest.raises(WireFormatError, match="ids"):
        PartIds.from_bytes(frame("ids", whole, body))


def test_cells_as_they_are_written():
    cells = ["007", "", 7, 1 << 63, 0.5, float("nan"), float("inf"), None, True, b"a\xff", Decimal("1.50")]
    assert as_written(cells) == ["007", "", 7, str(1 << 63), 0.5, None, "inf", None, "True", "a\\xff", "1.50"]
    assert as_written([date(2024, 5, 1)]) == ["2024-05-01"]
    with pytest.raises(TypeError, match="a list"):
        as_written([[1]])


def test_what_ends_an_upload_needs_no_ids():
    written = []
    pairing = IdsOfUpload("id", written.append)
    pairing.part(uploads([1])[0])
    pairing.part(End(1, 1, "0" * 64).to_bytes())
    pairing.add(["a"])
    pairing.finish()
    assert [*map(kind_of, written)] == ["ids", "end"]
