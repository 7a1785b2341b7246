"""Uploads and answers as streams of parts."""

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import Future
from io import BytesIO
from itertools import takewhile
from threading import Timer

import numpy as np
import pytest

import fhenn
from fhenn.errors import (
    AnswerMismatch,
    BoundsExceeded,
    BudgetUnknown,
    ContextMismatch,
    MissingValues,
    ParameterError,
    PartRefused,
    RangeViolation,
    RangeWarning,
    ShapeMismatch,
    SharingRefused,
    UnsupportedOperation,
    UnsupportedValue,
    WireFormatError,
    WorkersEnded,
)
from fhenn.safety import BudgetFile
from fhenn.session import join, messages_in, split
from fhenn.session.answer import Binding, binding_of
from fhenn.session.receipt import Receipt, UploadHeader, digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.stream import End, Tally, answer_in_order, in_order, receipt_of
from fhenn.wire import frame, header_of, kind_of, read_message

MODEL = fhenn.Sequential([fhenn.Linear([[0.5, -0.5], [0.25, 0.5]]), fhenn.Sigmoid(), fhenn.Linear([[1.0, -1.0]])])
PARTS = 4
rng = np.random.default_rng(18)


class Streamed:
    """Both sides of a model, a stream of four parts, three of them full, and its answers."""

    def __init__(self, layout):
        self.plan = fhenn.plan(MODEL, bounds=[-1, 1], layout=layout)
        self.client = fhenn.Client(self.plan)
        self.server = fhenn.Server(MODEL, self.plan, self.client.evaluation_keys())
        self.group = self.plan.samples_per_ciphertext
        self.x = rng.uniform(-1, 1, ((PARTS - 1) * self.group + max(1, self.group // 2), 2))
        stream = self.client.encrypt_stream(self.x)
        self.upload = list(stream)
        self.receipt = stream.receipt
        self.answers = list(self.server.predict_stream(self.upload))
        self.y = MODEL.forward(self.x)

    def decrypted(self, answers, **options):
        return np.concatenate(list(self.client.decrypt_stream(answers, **options)))


@pytest.fixture(scope="module", params=["latency", "throughput"])
def streamed(evaluator, request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.session.encryption._PART", 1)  # a part is one group of samples
        yield Streamed(request.param)


@pytest.fixture(scope="module")
def narrow(evaluator):
    """Parts of one sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.session.encryption._PART", 1)
        yield Streamed("latency")


@pytest.fixture
def _many(monkeypatch):
    monkeypatch.setattr("fhenn.session.stream.FEW", 1)  # so that processes begin


@pytest.mark.thorough
def test_a_stream_is_answered_part_by_part(streamed):
    assert [kind_of(each) for each in streamed.upload] == ["ciphertexts"] * PARTS + ["end"]
    assert [kind_of(each) for each in streamed.answers] == ["answer"] * PARTS + ["end"]
    headers = [UploadHeader.of(each) for each in streamed.upload[:-1]]
    assert [each.part for each in headers] == [*range(PARTS)]
    assert len({each.stream for each in headers}) == 1
    assert [each.samples for each in headers[:-1]] == [streamed.group] * (PARTS - 1)
    for receipt in (None, streamed.receipt):
        for given in (streamed.answers, iter(streamed.answers), join(streamed.answers)):
            assert np.abs(streamed.decrypted(given, receipt=receipt) - streamed.y).max() <= streamed.plan.accuracy


def test_the_ends_say_what_came(streamed):
    end = End.from_bytes(streamed.upload[-1])
    assert (end.parts, end.samples) == (PARTS, len(streamed.x))
    answered = End.from_bytes(streamed.answers[-1])
    assert (answered.parts, answered.samples) == (PARTS, len(streamed.x))
    assert answered.sha256 != end.sha256
    assert End.from_bytes(end.to_bytes()) == end


def test_a_stream_whole_or_in_pieces_is_the_same(streamed):
    whole = join(streamed.upload)
    assert split(whole) == streamed.upload
    assert list(messages_in(BytesIO(whole))) == streamed.upload
    again = list(streamed.server.predict_stream(whole))
    assert np.array_equal(streamed.decrypted(again), streamed.decrypted(streamed.answers))


@pytest.mark.thorough
@pytest.mark.parametrize("sizes", [[1] * 40, [3, 0, 36, 1], [40], [39, 1]], ids=str)
def test_rows_in_pieces_of_any_size_become_the_same_parts(narrow, sizes, monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption._PART", 10 * narrow.plan.bytes_per_ciphertext)
    x = rng.uniform(-1, 1, (40, 2))
    ends = np.cumsum(sizes)
    stream = narrow.client.encrypt_stream(x[end - size : end] for end, size in zip(ends, sizes, strict=True))
    upload = list(stream)
    assert [UploadHeader.of(each).samples for each in upload[:-1]] == [10] * 4
    assert stream.samples == 40
    found = narrow.decrypted(narrow.server.predict_stream(upload), receipt=stream.receipt)
    assert np.abs(found - MODEL.forward(x)).max() <= narrow.plan.accuracy


def test_rows_may_come_in_one_buffer(narrow, monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption._PART", 2 * narrow.plan.bytes_per_ciphertext)
    x, buffer = rng.uniform(-1, 1, (9, 2)), np.empty((3, 2))

    def rows():
        for start in range(0, 9, 3):
            buffer[:] = x[start : start + 3]
            yield buffer

    stream = narrow.client.encrypt_stream(rows())
    found = narrow.decrypted(narrow.server.predict_stream(stream))
    assert np.abs(found - MODEL.forward(x)).max() <= narrow.plan.accuracy


def test_samples_that_fit_one_part_are_an_upload_by_itself(streamed):
    x = streamed.x[: streamed.group]
    stream = streamed.client.encrypt_stream(x)
    (upload,) = stream
    assert header_of(upload).meta["upload"] == {"part": 0, "plan": streamed.plan.fingerprint}
    assert stream.receipt == Receipt.of(upload) == receipt_of([upload])
    for given in ([upload], [streamed.client.encrypt(x)]):
        (answer,) = streamed.server.predict_stream(given)
        assert kind_of(answer) == "answer"
        found = streamed.decrypted([answer], receipt=receipt_of(given))
        assert np.array_equal(found, streamed.client.decrypt(answer))
        assert np.array_equal(found, streamed.decrypted([answer]))


def test_nothing_is_made_before_it_is_asked_for(narrow):
    taken = []

    def rows():
        for place in range(9):
            taken.append(place)
            yield narrow.x[:1]

    stream = narrow.client.encrypt_stream(rows())
    answers = narrow.client.decrypt_stream(narrow.server.predict_stream(stream))
    assert not taken
    next(answers)
    assert taken == [
        0,
        1,
        2,
        3,
        4,
    ]  # whether more than one part comes, or many, decides what the first says, and who works
    with pytest.raises(UnsupportedOperation, match="goes on"):
        _ = stream.receipt
    assert len(list(answers)) == 8
    assert stream.receipt.samples == 9
    assert "parts=9" in repr(stream.receipt)


def test_the_receipt_is_that_of_the_messages(streamed):
    assert receipt_of(streamed.upload) == streamed.receipt == Receipt.of(*streamed.upload[:-1])
    assert Receipt.from_bytes(streamed.receipt.to_bytes()) == streamed.receipt


def without(parts, place):
    return [*parts[:place], *parts[place + 1 :]]


def twice(parts, place):
    return [*parts[:place], parts[place], *parts[place:]]


def swapped(parts, place):
    return [*parts[:place], parts[place + 1], parts[place], *parts[place + 2 :]]


BROKEN = {
    "missing": (lambda parts: without(parts, 1), "part 2 comes where part 1 is due"),
    "first missing": (lambda parts: without(parts, 0), "part 1 comes where part 0 is due"),
    "last missing": (lambda parts: without(parts, PARTS - 1), "3 parts .* came, and its end names 4"),
    "twice": (lambda parts: twice(parts, 1), "part 1 comes where part 2 is due"),
    "swapped": (lambda parts: swapped(parts, 1), "part 2 comes where part 1 is due"),
    "cut off": (lambda parts: parts[:-1], "stops after 4 parts, before its end"),
    "cut off early": (lambda parts: parts[:1], "stops after 1 parts, before its end"),
    "goes on": (lambda parts: [*parts, parts[0]], "goes on after its end"),
    "goes on with its end": (lambda parts: [*parts, parts[-1]], "goes on after its end"),
    "nothing": (lambda parts: [], "stops after 0 parts"),
    "an end alone": (lambda parts: parts[-1:], "no parts"),
}


@pytest.mark.parametrize(("change", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_streams(narrow, change, words):
    with pytest.raises(WireFormatError, match=words):
        list(narrow.server.predict_stream(change(narrow.upload)))
    with pytest.raises(WireFormatError, match=words):
        receipt_of(change(narrow.upload))
    for receipt in (None, narrow.receipt):
        with pytest.raises(WireFormatError, match=words):
            list(narrow.client.decrypt_stream(change(narrow.answers), receipt=receipt))


def test_answers_before_a_fault_are_given(narrow):
    answers = narrow.server.predict_stream(without(narrow.upload, 2))
    assert [binding_of(next(answers)).part, binding_of(next(answers)).part] == [0, 1]
    with pytest.raises(WireFormatError):
        next(answers)


def test_parts_of_two_uploads_do_not_mix(narrow):
    other = list(narrow.client.encrypt_stream(narrow.x))
    mixed = [narrow.upload[0], other[1], *narrow.upload[2:]]
    with pytest.raises(WireFormatError, match="belongs to another stream"):
        list(narrow.server.predict_stream(mixed))
    with pytest.raises(WireFormatError, match="not those of one upload"):
        Receipt.of(*mixed[:-1])
    with pytest.raises(WireFormatError, match="or other ones"):
        list(narrow.server.predict_stream([*narrow.upload[:-1], other[-1]]))
    alone = narrow.client.encrypt(narrow.x[:1])
    for mixed in ([alone, other[1]], [alone, narrow.upload[1], narrow.upload[-1]]):
        with pytest.raises(WireFormatError, match="belongs to another stream"):
            list(narrow.server.predict_stream(mixed))
    tally = Tally("upload")
    tally.add(0, 1, digest_of(alone), None)
    for rest in ([alone], [tally.end.to_bytes()]):
        with pytest.raises(WireFormatError):
            list(narrow.server.predict_stream([alone, *rest]))


def test_parts_that_name_no_stream_are_not_one(narrow):
    header = header_of(narrow.upload[1])
    body = narrow.upload[1][-header.size :]
    alone = narrow.client.encrypt(narrow.x[:1])
    second = frame("ciphertexts", header.meta | {"upload": {"part": 1, "plan": narrow.plan.fingerprint}}, body)
    tally = Tally("upload")
    for place, part in enumerate((alone, second)):
        tally.add(place, 1, digest_of(part))
    with pytest.raises(WireFormatError, match="belongs to another stream"):
        list(narrow.server.predict_stream([alone, second, tally.end.to_bytes()]))


@pytest.mark.parametrize(
    "wrong",
    ["Z" * 64, "A" * 64, " " + "a" * 63, "a" * 63, ""],
    ids=["letters", "capitals", "blank", "short", "none"],
)
def test_a_part_whose_header_states_no_digest(narrow, wrong):
    """It is refused before it is counted, answered or kept in a receipt: its digest is what answers are bound to."""
    part, stated = narrow.upload[1], header_of(narrow.upload[1]).sha256
    bad = part.replace(stated.encode(), wrong.ljust(64).encode())
    assert header_of(bad).sha256 != stated
    parts = [narrow.upload[0], bad, *narrow.upload[2:]]
    answers = narrow.server.predict_stream(parts)
    assert binding_of(next(answers)).part == 0
    for take in (
        lambda: digest_of(bad),
        lambda: next(answers),
        lambda: receipt_of(parts),
        lambda: Receipt.of(*parts[:-1]),
    ):
        with pytest.raises(WireFormatError, match="the digest in its header is not valid"):
            take()
    answer = narrow.answers[1]
    of_answer = answer.replace(header_of(answer).sha256.encode(), wrong.ljust(64).encode(), 1)
    with pytest.raises(WireFormatError, match="digest"):
        narrow.decrypted([narrow.answers[0], of_answer, *narrow.answers[2:]], receipt=narrow.receipt)


def test_answers_to_two_uploads_do_not_mix(narrow):
    other = list(narrow.server.predict_stream(narrow.client.encrypt_stream(narrow.x)))
    with pytest.raises(AnswerMismatch, match="upload"):
        narrow.decrypted([narrow.answers[0], other[1], *narrow.answers[2:]], receipt=narrow.receipt)
    with pytest.raises(AnswerMismatch, match="upload"):
        narrow.decrypted(other, receipt=narrow.receipt)
    mixed = [narrow.answers[0], other[1], *narrow.answers[2:-1]]
    with pytest.raises(WireFormatError, match="another stream"):  # without a receipt the client knows its own parts
        narrow.decrypted([*mixed, End(PARTS, PARTS, _digest(mixed)).to_bytes()])


def test_an_answer_to_fewer_parts_than_were_sent(narrow):
    """A server that leaves the last parts out, and says so in its end."""
    fewer = [*narrow.answers[:2], End(2, 2, _digest(narrow.answers[:2])).to_bytes()]
    for receipt in (None, narrow.receipt):
        with pytest.raises(AnswerMismatch, match="number of parts is 2, expected 4"):
            narrow.decrypted(fewer, receipt=receipt)
    alone = narrow.answers[:1]
    with pytest.raises(WireFormatError, match="before its end"):
        narrow.decrypted(alone, receipt=narrow.receipt)


def _digest(messages):
    tally = Tally("answer")
    for place, message in enumerate(messages):
        tally.add(place, 1, digest_of(message))
    return tally.end.sha256


def test_other_messages_in_a_stream(narrow):
    for stranger in (narrow.receipt.to_bytes(), b"", b"nonsense", frame("note", {}, b"")):
        with pytest.raises(WireFormatError):
            list(narrow.server.predict_stream([stranger]))
        with pytest.raises((WireFormatError, AnswerMismatch)):
            narrow.decrypted([stranger])
    with pytest.raises(AnswerMismatch):
        narrow.decrypted(narrow.upload)


def test_messages_that_are_no_bytes(narrow):
    for given in ("upload.fhenn", [narrow.upload[0].hex()], [5]):
        with pytest.raises(UnsupportedValue, match="as a message of a stream"):
            list(narrow.server.predict_stream(given))
        with pytest.raises(UnsupportedValue, match="as a message of a stream"):
            narrow.decrypted(given)
    upload = map(bytearray, narrow.upload)
    assert np.array_equal(narrow.decrypted(narrow.server.predict_stream(upload)), narrow.decrypted(narrow.answers))


def test_rows_that_do_not_fit(narrow):
    with pytest.raises(WireFormatError, match="no parts"):
        list(narrow.client.encrypt_stream(iter([])))
    with pytest.raises(WireFormatError, match="no parts"):
        list(narrow.client.encrypt_stream(np.empty((0, 2))))
    with pytest.raises(ShapeMismatch):
        list(narrow.client.encrypt_stream(iter([narrow.x[:1], [[1.0, 2.0, 3.0]]])))
    with pytest.raises(ShapeMismatch, match=r"encrypt_stream\(iter\(tables\)\)"):
        list(narrow.client.encrypt_stream([narrow.x, narrow.x]))
    with pytest.raises(MissingValues, match=r"after the first 4 samples: .*row 1"):
        list(narrow.client.encrypt_stream(iter([narrow.x, [[0.5, 0.5], [0.5, np.nan]]])))
    with pytest.raises(MissingValues, match=r"^encrypt: "):
        list(narrow.client.encrypt_stream(iter([[[0.5, np.nan]], narrow.x])))
    with pytest.raises(BoundsExceeded) as caught:
        list(narrow.client.encrypt_stream(iter([narrow.x, [[0.5, 0.5], [0.5, 2.0]]])))
    assert (caught.value.samples, caught.value.furthest) == ((len(narrow.x) + 1,), (len(narrow.x) + 1, 1))


@pytest.mark.thorough
@pytest.mark.usefixtures("_many")
def test_violations_and_options_reach_each_part(narrow):
    x = np.array([[0.5, 0.5], [0.25, 0.5]])
    model = fhenn.Sequential([fhenn.Linear([[4.0, 4.0]]), fhenn.Sigmoid()])
    plan = fhenn.plan(model, bounds=[-1, 1], ranges="data", inputs=0.25 * rng.uniform(-1, 1, (200, 2)))
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    wild = np.array([*0.1 * x, [1.0, 1.0]])
    answers = list(server.predict_stream(client.encrypt_stream(wild)))
    for workers in (1, 2):
        with pytest.raises(RangeViolation) as caught:
            list(client.decrypt_stream(answers, workers=workers))
        assert (caught.value.report.samples, caught.value.report.total) == ((2,), 3)  # of the whole stream
        masked = np.ma.concatenate(list(client.decrypt_stream(answers, on_violation="mask", workers=workers)))
        assert masked.mask[:, 0].tolist() == [False, False, True]
        with pytest.warns(RangeWarning, match="sample 2;"):
            list(client.decrypt_stream(answers, on_violation="warn", workers=workers))


GROUP = 256
"""Samples of a part in the plan of `shared`."""


@pytest.fixture(scope="module")
def shared(evaluator):
    """A client with a key for four parts that are shared, a stream of three whose last one is wild, its answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.session.encryption._PART", 1)
        model = fhenn.Sequential([fhenn.Linear([[4.0, 4.0]]), fhenn.Sigmoid()])
        plan = fhenn.plan(
            model,
            bounds=[-1, 1],
            ranges="data",
            inputs=0.25 * rng.uniform(-1, 1, (200, 2)),
            accuracy=0.05,
            queries=4 * GROUP,
            layout="latency",
        )
        assert plan.samples_per_ciphertext == GROUP
        client = fhenn.Client(plan)
        stream = client.encrypt_stream(np.repeat([[0.05, 0.05], [0.02, 0.05], [1.0, 1.0]], GROUP, axis=0))
        answers = list(fhenn.Server(model, plan, client.evaluation_keys()).predict_stream(stream))
        yield client, answers, stream.receipt


@pytest.mark.thorough
def test_a_stream_is_shared_as_a_whole_or_not_at_all(shared, tmp_path):
    client, answers, receipt = shared
    client.keep_budget(tmp_path / "budget", 0.5, overwrite=True)  # for two more parts
    restored = fhenn.Client.from_secret_bytes(client.plan, client.secret_bytes(), budget=tmp_path / "budget")
    options = {"share": True, "on_violation": "mask", "receipt": receipt}
    for each in (client, restored):
        with pytest.raises(SharingRefused, match=f"{3 * GROUP} more samples exceed"):
            next(each.decrypt_stream(answers, **options))
        assert BudgetFile(tmp_path / "budget", client.fingerprint).known() == 0.5
    unknown = fhenn.Client.from_secret_bytes(client.plan, client.secret_bytes())
    with pytest.raises(BudgetUnknown):
        next(unknown.decrypt_stream(answers, **options))
    assert len(list(client.decrypt_stream(answers, skip=1, **options))) == 2  # what others go on with is less
    assert BudgetFile(tmp_path / "budget", client.fingerprint).known() == 1.0
    assert list(client.decrypt_stream(answers, skip=3, **options)) == []


def test_what_is_not_shared_is_told_by_its_place_in_the_stream(shared):
    client, answers, _ = shared
    results = client.decrypt_stream(answers, share=True, on_violation="warn", skip=2)
    with pytest.raises(SharingRefused, match=f"samples {2 * GROUP}, {2 * GROUP + 1}"):
        next(results)


def refusal_for(narrow, place, samples=1, reason="it ended 3 workers", **changes):
    binding = binding_of(narrow.answers[place])
    named = {each: getattr(binding, each) for each in ("part", "upload", "model", "plan")} | changes
    return Refusal(Binding(**named), samples, reason).to_bytes()


def with_refusal(narrow, refusal):
    answers = [narrow.answers[0], refusal, *narrow.answers[2:-1]]
    return [*answers, End(PARTS, len(narrow.x), _digest(answers)).to_bytes()]


@pytest.mark.thorough
@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_refused_part_is_masked_or_raised(narrow, workers):
    answers = with_refusal(narrow, refusal_for(narrow, 1))
    with pytest.raises(PartRefused, match="no answer to part 1, 1 samples: it ended 3 workers") as caught:
        narrow.decrypted(answers, workers=workers)
    assert (caught.value.part, caught.value.samples) == (1, 1)
    for scores in (False, True):
        parts = list(narrow.client.decrypt_stream(answers, on_violation="mask", scores=scores, workers=workers))
        masked = np.ma.concatenate(parts)
        assert masked.mask[:, 0].tolist() == [False, True, False, False]
        assert np.abs(masked - narrow.y).max() <= narrow.plan.accuracy


def test_a_refusal_of_something_else_is_refused(narrow):
    for refusal, error in (
        (refusal_for(narrow, 1, samples=2), AnswerMismatch),
        (refusal_for(narrow, 1, plan="0" * 32), AnswerMismatch),
        (refusal_for(narrow, 1, upload="0" * 64), AnswerMismatch),
        (refusal_for(narrow, 2), WireFormatError),
        (frame("refusal", {"samples": 1}, b""), AnswerMismatch),
        (frame("refusal", header_of(refusal_for(narrow, 1)).meta, b"more"), WireFormatError),
        (refusal_for(narrow, 1, reason="x" * 2000), WireFormatError),
        (frame("refusal", header_of(refusal_for(narrow, 1)).meta | {"samples": True}, b""), WireFormatError),
    ):
        with pytest.raises(error):
            narrow.decrypted(with_refusal(narrow, refusal), on_violation="mask")


def test_a_refusal_reads_back(narrow):
    refusal = Refusal(binding_of(narrow.answers[0]), 3, "it is too large")
    assert Refusal.from_bytes(refusal.to_bytes()) == refusal


GOOD = {"parts": 2, "samples": 3, "sha256": "0" * 64}
BAD = (
    [], {}, GOOD | {"more": 1}, GOOD | {"parts": 0}, GOOD | {"parts": -1}, GOOD | {"parts": 4}, GOOD | {"parts": True},
    GOOD | {"parts": 2.0}, GOOD | {"samples": "3"}, GOOD | {"samples": 1 << 63}, GOOD | {"sha256": "0" * 63},
    GOOD | {"sha256": "G" * 64}, GOOD | {"sha256": None},
)  # fmt: skip


@pytest.mark.parametrize("meta", BAD, ids=str)
def test_bad_ends(meta):
    with pytest.raises(WireFormatError):
        End.from_bytes(frame("end", meta, b""))


def test_an_end_has_no_body():
    assert End.from_bytes(frame("end", GOOD, b"")) == End(**GOOD)
    with pytest.raises(WireFormatError):
        End.from_bytes(frame("end", GOOD, b"x"))
    with pytest.raises(WireFormatError):
        End.from_bytes(frame("answer", GOOD, b""))


@pytest.mark.parametrize("stream", ["", "0" * 31, "0" * 33, "G" * 32, 5, True, ["0" * 32], "٠" * 32], ids=repr)
def test_bad_names_of_streams(narrow, stream):
    header = header_of(narrow.upload[0])
    upload = frame("ciphertexts", header.meta | {"upload": header.meta["upload"] | {"stream": stream}}, b"")
    with pytest.raises(WireFormatError):
        UploadHeader.of(upload)


# reading from a file


def test_messages_are_read_from_a_file_one_at_a_time(narrow, tmp_path):
    path = tmp_path / "upload.fhenn"
    path.write_bytes(join(narrow.upload))
    with path.open("rb") as file:
        assert [read_message(file) for _ in narrow.upload] == narrow.upload
        assert read_message(file) is None


@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_a_message_that_is_cut_off(narrow, share):
    whole = join(narrow.upload[:2])
    for end in (int(share * len(whole)), len(narrow.upload[0]) + int(30 * share) + 1):
        with pytest.raises(WireFormatError, match="cut off"):
            split(whole[:end])


def test_bytes_between_messages(narrow):
    for between in (b"x" * 4, b"FHENN", b"\0" * 20):
        with pytest.raises(WireFormatError):
            split(narrow.upload[0] + between + narrow.upload[1])
    assert split(b"") == []


def test_a_size_that_is_only_stated_takes_no_memory():
    whole = frame("note", {}, b"x" * 1000)
    claimed = whole.replace(b'"length": 1000', b'"length": 9e12', 1)
    with pytest.raises(WireFormatError):
        split(claimed)
    claimed = whole.replace(b'"length": 1000', b'"length": 1000000000000', 1)
    size = int.from_bytes(whole[6:10]) + len(claimed) - len(whole)
    claimed = claimed[:6] + size.to_bytes(4) + claimed[10:]
    tracemalloc.start()
    with pytest.raises(WireFormatError, match="cut off"):
        split(claimed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


# going on


@pytest.mark.thorough
def test_a_stream_goes_on_where_it_was_broken_off(streamed):
    for made in range(PARTS + 2):
        client = fhenn.Client.from_secret_bytes(streamed.plan, streamed.client.secret_bytes())
        stream = client.encrypt_stream(streamed.x, after=iter(streamed.upload[:made]))
        rest = list(stream)
        assert len(rest) == PARTS - made + 1
        upload = [*streamed.upload[:made], *rest]
        assert stream.receipt == receipt_of(upload)
        answers = list(streamed.server.predict_stream(upload))
        found = np.concatenate(list(client.decrypt_stream(answers)))
        assert np.abs(found - streamed.y).max() <= streamed.plan.accuracy


def test_a_stream_does_not_go_on_with_another_one(narrow):
    other = fhenn.Client(narrow.plan)
    with pytest.raises(ContextMismatch):
        other.encrypt_stream(narrow.x, after=narrow.upload[:2])
    with pytest.raises(WireFormatError, match="is due"):
        narrow.client.encrypt_stream(narrow.x, after=narrow.upload[1:2])
    with pytest.raises(WireFormatError, match="fewer now"):
        list(narrow.client.encrypt_stream(narrow.x[:1], after=narrow.upload[:2]))
    with pytest.raises(WireFormatError, match="fewer samples now"):
        list(narrow.client.encrypt_stream(narrow.x[:1], after=narrow.upload[:1]))
    again = fhenn.plan(MODEL, bounds=[-1, 1], layout="latency", accuracy=2 * narrow.plan.accuracy)
    if again.parameters == narrow.plan.parameters:
        client = fhenn.Client.from_secret_bytes(again, narrow.client.secret_bytes())
        with pytest.raises(AnswerMismatch, match="plan"):
            client.encrypt_stream(narrow.x, after=narrow.upload[:1])
    alone = narrow.client.encrypt(narrow.x[:1])
    with pytest.raises(WireFormatError, match="another stream"):
        list(narrow.client.encrypt_stream(narrow.x, after=[alone]))


def test_answers_go_on_where_they_were_broken_off(streamed):
    for made in range(PARTS + 2):
        rest = list(streamed.server.predict_stream(streamed.upload, after=iter(streamed.answers[:made])))
        assert len(rest) == PARTS - made + 1
        assert rest == streamed.answers[made:]  # to the bit


def test_answers_to_another_stream_do_not_go_on(narrow):
    other = list(narrow.client.encrypt_stream(narrow.x))
    with pytest.raises(AnswerMismatch):
        list(narrow.server.predict_stream(other, after=narrow.answers[:2]))
    with pytest.raises(AnswerMismatch, match="no part"):
        alone = narrow.client.encrypt(narrow.x[:1])
        list(narrow.server.predict_stream(alone, after=[narrow.server.predict(alone)] * 2))
    with pytest.raises(WireFormatError):
        narrow.client.encrypt_stream(narrow.x, after=[damaged(narrow.upload[0])])
    with pytest.raises(WireFormatError, match="digest"):
        list(narrow.server.predict_stream(narrow.upload, after=[damaged(narrow.answers[0])]))


def damaged(message):
    return message[:-1] + bytes([message[-1] ^ 1])


def test_what_was_ended_does_not_go_on_with_another_end(narrow):
    with pytest.raises(WireFormatError, match="more samples now"):
        list(narrow.client.encrypt_stream(np.tile(narrow.x, (2, 1)), after=narrow.upload))
    with pytest.raises(WireFormatError, match="its end names"):
        narrow.client.encrypt_stream(narrow.x, after=[*narrow.upload[:2], narrow.upload[-1]])
    with pytest.raises(WireFormatError, match="after its end"):
        narrow.client.encrypt_stream(narrow.x, after=[*narrow.upload, narrow.upload[0]])
    for after in ([*narrow.answers[:2], narrow.answers[-1]], [*narrow.answers[:-1], narrow.upload[-1]]):
        with pytest.raises(AnswerMismatch, match=r"its (end|upload) is"):
            list(narrow.server.predict_stream(narrow.upload, after=after))


# processes


def test_for_a_few_parts_no_process_begins(narrow, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    upload = list(narrow.client.encrypt_stream(narrow.x, workers=2))
    answers = narrow.server.predict_stream(upload)
    assert np.abs(narrow.decrypted(answers, workers=2) - narrow.y).max() <= narrow.plan.accuracy


@pytest.mark.thorough
@pytest.mark.usefixtures("_many")
def test_processes_encrypt_and_decrypt_the_same(streamed):
    stream = streamed.client.encrypt_stream(streamed.x, workers=2)
    upload = list(stream)
    assert receipt_of(upload) == stream.receipt
    answers = list(streamed.server.predict_stream(upload))
    one = streamed.decrypted(answers)
    assert np.abs(one - streamed.y).max() <= streamed.plan.accuracy
    for receipt in (None, stream.receipt):
        assert np.array_equal(streamed.decrypted(answers, receipt=receipt, workers=2), one)
        assert np.array_equal(streamed.decrypted(answers, receipt=receipt, workers=2, scores=True), one)


@pytest.mark.thorough
@pytest.mark.usefixtures("_many")
def test_errors_of_processes_are_those_of_one(narrow):
    with pytest.raises(BoundsExceeded) as caught:
        list(narrow.client.encrypt_stream(iter([narrow.x, [[0.5, 2.0]]]), workers=2))
    assert (caught.value.features, caught.value.largest) == ((1,), 2.0)
    answers = [narrow.answers[0], damaged(narrow.answers[1]), *narrow.answers[2:]]
    for workers in (1, 2):
        with pytest.raises(WireFormatError):
            narrow.decrypted(answers, workers=workers)


@pytest.mark.thorough
@pytest.mark.usefixtures("_many")
def test_a_process_that_ends_is_told(narrow, monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption.encrypt_part", _end)
    with pytest.raises(WorkersEnded, match="--resume"):
        list(narrow.client.encrypt_stream(narrow.x, workers=2))


def _end(*_):
    os._exit(9)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", 1 << 20], ids=repr)
def test_a_number_of_processes_that_there_cannot_be(narrow, workers):
    with pytest.raises(ParameterError, match="workers"):
        narrow.client.encrypt_stream(narrow.x, workers=workers)
    with pytest.raises(ParameterError, match="workers"):
        list(narrow.client.decrypt_stream(narrow.answers, workers=workers))


@pytest.mark.thorough
@pytest.mark.usefixtures("_many")
def test_a_stream_that_is_closed_lets_its_processes_go(narrow, monkeypatch):
    begun, popen = [], subprocess.Popen

    def begin(*line, **options):
        begun.append(popen(*line, **options))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", begin)
    stream = narrow.client.encrypt_stream(narrow.x, workers=2)
    next(stream)
    assert [each.poll() for each in begun] == [None] * len(begun) != []
    stream.close()
    assert [each.returncode for each in begun] == [0] * len(begun)


SCRIPT = """
import os, subprocess, time
import numpy as np
import fhenn
import fhenn.session.stream

fhenn.session.encryption._PART, fhenn.session.stream.FEW = 1, 1
popen = subprocess.Popen

def begin(*line, **options):
    process = popen(*line, **options)
    os.write(1, f"{process.pid}\\n".encode())  # at once: several threads begin processes
    return process

subprocess.Popen = begin
client = fhenn.Client(fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1], layout="latency"))
for part in client.encrypt_stream(np.zeros((10_000, 1)), workers=2):
    os.write(1, b"a part\\n")
    time.sleep(0.1)
"""


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="asks the system for processes as POSIX does")
def test_a_script_needs_no_guard_and_its_processes_end_with_it(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True) as script:
        late = Timer(60, script.kill)
        late.start()
        processes = [int(line) for line in takewhile(lambda line: line != "a part\n", script.stdout)]
        script.send_signal(signal.SIGKILL)
        late.cancel()
    assert processes
    deadline = time.monotonic() + 30
    while any(map(_runs, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, processes))


def _runs(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# in order


def test_results_keep_their_order_and_no_more_are_begun_than_may():
    begun, most_open, futures = [], 0, {}

    def submit(item):
        nonlocal most_open
        begun.append(item)
        futures[item] = Future()
        most_open = max(most_open, sum(not each.done() for each in futures.values()))
        if len(begun) % 3 == 0 or item == 19:  # the later ones of three are done first
            for each in reversed([each for each in begun if not futures[each].done()]):
                futures[each].set_result(10 * each)
        return futures[item]

    assert list(in_order(range(20), submit, 3)) == [10 * each for each in range(20)]
    assert most_open == 3


def test_items_wait_while_as_many_are_open_as_may():
    taken = []

    class Late(Future):
        """Is done when somebody waits for it."""

        def result(self, timeout=None):
            self.set_result(None)
            return super().result(timeout)

    results = in_order(iter(lambda: taken.append(0), 1), lambda item: Late(), 3)
    for given in range(5):
        next(results)
        assert len(taken) == 3 + given


def test_what_is_not_needed_any_more_is_cancelled():
    futures = [Future() for _ in range(4)]
    results = in_order(range(4), futures.__getitem__, 4)
    Timer(0.2, futures[0].set_result, [1]).start()
    assert next(results) == 1
    results.close()
    assert all(each.cancelled() for each in futures[1:])


def test_a_part_that_fails_ends_a_stream(narrow):
    def submit(part):
        future = Future()
        if UploadHeader.of(part).part == 1:
            future.set_exception(MemoryError("too large"))
        else:
            future.set_result(narrow.answers[UploadHeader.of(part).part])
        return future

    answers = answer_in_order(narrow.upload, submit, 2)
    assert next(answers) == narrow.answers[0]
    with pytest.raises(MemoryError, match="too large"):
        next(answers)
