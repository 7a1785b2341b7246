"""An answer is taken for what it is the answer to, and for nothing else."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import fhenn
from fhenn import artifacts
from fhenn.errors import AnswerMismatch, PlanError, WireFormatError
from fhenn.session import Receipt
from fhenn.session.answer import Answer, Binding
from fhenn.session.receipt import SentPart, UploadHeader
from fhenn.wire import frame, header_of, unframe

MODEL = fhenn.Sequential([fhenn.Linear([[2.0]], [1.0])], finish="sigmoid")
DEEP = fhenn.Sequential([fhenn.Linear([[0.5, -0.5], [0.25, 0.5]]), fhenn.Sigmoid(), fhenn.Linear([[1.0, -1.0]])])
X, Y = np.array([[0.5], [-0.5]]), np.array([[0.25], [-0.25]])


class Pair:
    """Both sides of a model, and answers to two uploads."""

    def __init__(self, model, **how):
        self.model, self.plan = model, fhenn.plan(model, bounds=[-1, 1], **how)
        self.client = fhenn.Client(self.plan.public())
        self.server = fhenn.Server(model, self.plan, self.client.evaluation_keys())
        features = self.plan.features
        self.x, self.y = np.full((2, features), 0.5), np.full((3, features), -0.25)
        self.upload, self.other = self.client.encrypt(self.x), self.client.encrypt(self.y)
        self.answer = self.server.predict(self.upload)

    def result(self, upload, model=None):
        """A result without its answer, of the same keys and parameters."""
        server = fhenn.Server(model or self.model, replace(self.plan, model=None, result=None), self.keys)
        return server.evaluate(fhenn.CipherArray.from_bytes(server.context, upload))

    @property
    def keys(self):
        return self.client.evaluation_keys()


@pytest.fixture(scope="module", params=["latency", "throughput"])
def pair(evaluator, request):
    return Pair(MODEL, layout=request.param)


@pytest.fixture(scope="module")
def deep(evaluator):
    return Pair(DEEP, layout="latency")


def readers(client):
    return client.decrypt, client.decrypt_scores, client.violations


@pytest.mark.parametrize("how", [{}, {"unbound": True}, {"range_check": False}], ids=str)
def test_an_upload_is_no_answer(pair, deep, how):
    """It used to decrypt: 0.62 for x = 0.5, where the model says 0.88."""
    for each in (pair, deep):
        for read in readers(each.client):
            with pytest.raises(AnswerMismatch, match="kind is an upload, expected an answer") as caught:
                read(each.upload, **how)
            assert caught.value.what == "kind"


@pytest.mark.parametrize("which", [0, 1])
def test_an_upload_of_version_1_is_no_answer_either(pair, deep, which):
    each = (pair, deep)[which]
    meta, body = unframe("ciphertexts", each.upload)
    meta.pop("upload")
    before = frame("ciphertexts", meta, body)
    with pytest.raises(AnswerMismatch, match="upload is not named"):
        each.client.decrypt(before)
    with pytest.raises(AnswerMismatch, match=r"number of outputs|level|layout|content is an upload"):
        each.client.decrypt(before, unbound=True)
    bare = fhenn.Client.from_secret_bytes(replace(each.plan, result=None), each.client.secret_bytes())
    with pytest.raises(AnswerMismatch, match="content is an upload"):
        bare.decrypt(before, unbound=True)


def test_other_kinds_are_no_answers(pair):
    others = [
        pair.keys,
        pair.client.secret_bytes(),
        artifacts.model_to_bytes(MODEL),
        artifacts.plan_to_bytes(pair.plan),
        Receipt.of(pair.upload).to_bytes(),
    ]
    for data in others:
        for read in readers(pair.client):
            with pytest.raises(WireFormatError):
                read(data)


def test_the_answer_to_another_upload(pair):
    mine, others = Receipt.of(pair.upload), Receipt.of(pair.other)
    assert pair.client.decrypt(pair.answer).shape == pair.client.decrypt(pair.answer, receipt=mine).shape
    for read in readers(pair.client):
        with pytest.raises(AnswerMismatch, match="its upload is part 0") as caught:
            read(pair.answer, receipt=others)
        assert caught.value.expected == others.parts[0].sha256[:12]
    again = fhenn.Client.from_secret_bytes(pair.plan, pair.client.secret_bytes())
    with pytest.raises(AnswerMismatch, match="one that this client made"):
        again.decrypt(pair.answer)
    assert np.array_equal(again.decrypt(pair.answer, receipt=mine), pair.client.decrypt(pair.answer))


def test_the_same_samples_encrypted_again_are_another_upload(pair):
    with pytest.raises(AnswerMismatch, match="upload"):
        pair.client.decrypt(pair.answer, receipt=Receipt.of(pair.client.encrypt(pair.x)))


def bound(pair, result, **other):
    binding = Answer.from_bytes(pair.answer).binding
    return Answer(result.to_bytes(), (), replace(binding, **other)).to_bytes()


def test_other_rows_than_were_sent(pair):
    three = pair.result(pair.other)
    with pytest.raises(AnswerMismatch, match="number of samples is 3, expected 2"):
        pair.client.decrypt(bound(pair, three))
    fewer = replace(pair.result(pair.upload), shape=(1, 1))
    if len(fewer.ciphertexts) == 1:
        with pytest.raises(AnswerMismatch, match="number of samples is 1, expected 2"):
            pair.client.decrypt(bound(pair, fewer))


def test_another_number_of_outputs_level_or_layout(deep):
    result = deep.result(deep.upload)
    assert deep.client.decrypt(bound(deep, result)).shape == (2, 1)
    two = replace(result, shape=(2, 2), layout=replace(result.layout, period=2))
    with pytest.raises(AnswerMismatch, match="number of outputs is 2, expected 1"):
        deep.client.decrypt(bound(deep, two))
    higher = fhenn.CipherArray.from_bytes(deep.server.context, deep.upload)
    with pytest.raises(AnswerMismatch, match="number of outputs is 2"):
        deep.client.decrypt(bound(deep, higher))
    with pytest.raises(AnswerMismatch, match=r"level is \d, expected 0"):
        deep.client.decrypt(bound(deep, replace(higher, shape=(2, 1))))
    wide = replace(result, layout=replace(result.layout, period=2))
    with pytest.raises(AnswerMismatch, match="layout is"):
        deep.client.decrypt(bound(deep, wide))


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("model", "0" * 16, "model"),
        ("plan", "0" * 32, "plan"),
        ("upload", "0" * 64, "upload"),
        ("part", 1, "part"),
    ],
)
def test_another_name_in_the_binding(pair, field, value, what):
    forged = bound(pair, pair.result(pair.upload), **{field: value})
    with pytest.raises(AnswerMismatch) as caught:
        pair.client.decrypt(forged)
    assert caught.value.what == what


def test_another_version_of_the_model(pair):
    """Same shape, same parameters, same keys: today's answer of the old weights is none of the new ones."""
    other = fhenn.Sequential([fhenn.Linear([[1.75]], [1.0])], finish="sigmoid")
    plan = fhenn.plan(other, bounds=[-1, 1], layout=pair.plan.layout_name)
    server = fhenn.Server(other, plan, pair.keys)
    with pytest.raises(PlanError, match="upload is for plan"):
        server.predict(pair.upload)
    unnamed = fhenn.Server(other, replace(plan, model=None), pair.keys)
    answer = Answer(
        unnamed.evaluate(fhenn.CipherArray.from_bytes(unnamed.context, pair.upload)).to_bytes(),
        (),
        Binding(0, Receipt.of(pair.upload).parts[0].sha256, fhenn.planner.fingerprint_of(other), pair.plan.fingerprint),
    )
    with pytest.raises(AnswerMismatch, match="its model is"):
        pair.client.decrypt(answer.to_bytes())


def test_a_receipt_of_another_plan(pair, deep):
    with pytest.raises(AnswerMismatch, match="receipt's plan"):
        pair.client.decrypt(pair.answer, receipt=Receipt.of(deep.upload))


def test_answers_of_version_1_only_where_asked_for(pair):
    whole = Answer.from_bytes(pair.answer)
    for before in (whole.result, replace(whole, binding=None).to_bytes()):
        for read in readers(pair.client):
            with pytest.raises(AnswerMismatch, match=r"upload is not named.*unbound=True"):
                read(before)
        scores = pair.client.decrypt_scores(before, unbound=True)
        assert np.abs(scores - pair.model.infer(pair.x)).max() <= pair.plan.error
        with pytest.raises(AnswerMismatch, match="number of samples is 2, expected 3"):
            pair.client.decrypt(before, unbound=True, receipt=Receipt.of(pair.other))


BINDING = {"part": 0, "upload": "0" * 64, "model": "0" * 16, "plan": "0" * 32}


@pytest.mark.parametrize(
    "binding",
    [
        None,
        [],
        {},
        BINDING | {"part": -1},
        BINDING | {"part": True},
        BINDING | {"part": 1 << 40},
        BINDING | {"part": "0"},
        BINDING | {"upload": "0" * 63},
        BINDING | {"upload": "0" * 64 + "\n"},
        BINDING | {"upload": 0},
        BINDING | {"model": "x" * 16},
        BINDING | {"plan": "x" * 16},
        BINDING | {"plan": None},
        BINDING | {"more": 1},
    ],
    ids=str,
)
def test_bindings_that_are_not_readable(pair, binding):
    result = Answer.from_bytes(pair.answer).result
    message = frame("answer", {"sizes": [len(result)], "binding": binding}, result)
    with pytest.raises(WireFormatError, match="answer"):
        pair.client.decrypt(message)


@pytest.mark.parametrize(
    "named",
    [
        [],
        {},
        {"part": 0},
        {"part": -1, "plan": "0" * 32},
        {"part": 0, "plan": "é" * 32},
        {"part": 0.0, "plan": "0" * 32},
    ],
    ids=str,
)
def test_uploads_that_are_not_readable(pair, named):
    meta, body = unframe("ciphertexts", pair.upload)
    message = frame("ciphertexts", meta | {"upload": named}, body)
    with pytest.raises(WireFormatError, match="upload"):
        pair.server.predict(message)
    with pytest.raises(WireFormatError, match="upload"):
        Receipt.of(message)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"[1]", b'[{"sha256": "0", "samples": 1}]', b"[" * 100_000])
def test_receipts_that_are_not_readable(body):
    with pytest.raises(WireFormatError, match="receipt"):
        Receipt.from_bytes(frame("receipt", {"plan": "0" * 32}, body))


def test_parts_of_one_upload(pair):
    """Each part's answer names its place: what streams need."""
    meta, body = unframe("ciphertexts", pair.other)
    second = frame("ciphertexts", meta | {"upload": meta["upload"] | {"part": 1}}, body)
    receipt = Receipt.of(pair.upload, second)
    assert receipt.samples == 5
    assert Receipt.from_bytes(receipt.to_bytes()) == receipt
    answers = [pair.server.predict(part) for part in (pair.upload, second)]
    assert [len(pair.client.decrypt(answer, receipt=receipt)) for answer in answers] == [2, 3]
    for parts in ((second, pair.upload), (second,), (pair.upload, pair.upload)):
        with pytest.raises(WireFormatError, match="order"):
            Receipt.of(*parts)
    swapped = Answer.from_bytes(answers[1])
    moved = replace(swapped, binding=replace(swapped.binding, part=0)).to_bytes()
    with pytest.raises(AnswerMismatch, match="upload"):
        pair.client.decrypt(moved, receipt=receipt)


def test_an_upload_names_its_plan_and_part(pair):
    assert header_of(pair.upload).meta["upload"] == {"part": 0, "plan": pair.plan.fingerprint}
    assert UploadHeader.of(pair.upload) == UploadHeader(0, 2, pair.plan.fingerprint)


def test_a_client_remembers_a_bounded_number_of_uploads(monkeypatch):
    monkeypatch.setattr("fhenn.session.client._MOST_SENT", 2)
    pair = Pair(MODEL)
    for _ in range(2):
        pair.client.encrypt(pair.x)
    with pytest.raises(AnswerMismatch, match="receipt"):
        pair.client.decrypt(pair.answer)
    assert len(pair.client.decrypt(pair.answer, receipt=Receipt.of(pair.upload))) == 2


def test_threads_that_encrypt_more_than_a_client_remembers(pair, monkeypatch):
    client = fhenn.Client.from_secret_bytes(pair.plan, pair.client.secret_bytes())
    monkeypatch.setattr("fhenn.session.client._MOST_SENT", 2)
    monkeypatch.setattr("fhenn.session.client.digest_of", bytes.hex)
    monkeypatch.setattr("fhenn.session.client.UploadHeader.of", lambda data: None)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def remember(thread):
        for place in range(2000):
            client._remember(bytes([thread, place // 256, place % 256]))

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(remember, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert len(client._sent) == 2


@pytest.mark.parametrize("samples", [0, -1, 1.0, True, 1 << 32, "1", None])
def test_a_receipt_counts_its_samples(samples):
    digest = "0" * 64
    good = json.dumps([{"sha256": digest, "samples": 1}]).encode()
    assert Receipt.from_bytes(frame("receipt", {"plan": None}, good)).samples == 1
    bad = json.dumps([{"sha256": digest, "samples": samples}]).encode()
    with pytest.raises(WireFormatError):
        Receipt.from_bytes(frame("receipt", {"plan": None}, bad))


@pytest.mark.parametrize("digest", ["0" * 63, "0" * 65, "A" * 64, "", "g" * 64, "0" * 63 + "\n"])
def test_a_receipt_names_digests(digest):
    with pytest.raises(WireFormatError):
        Receipt.from_bytes(frame("receipt", {"plan": None}, json.dumps([{"sha256": digest, "samples": 1}]).encode()))


def test_a_receipt_is_for_the_part_that_it_names():
    receipt = Receipt("0" * 32, (SentPart("1" * 64, 2), SentPart("2" * 64, 3)))
    assert receipt.samples == 5
    assert receipt.require(1, "2" * 64).samples == 3
    for part, digest in ((0, "2" * 64), (1, "1" * 64), (2, "2" * 64), (0, "0" * 64)):
        with pytest.raises(AnswerMismatch):
            receipt.require(part, digest)


@pytest.mark.parametrize("sizes", [None, [], [0], [5, -1], [2, 0, 2], [3], [5], [4.0], [True, 3], "4", [2, 3]], ids=str)
def test_an_answers_parts_add_up(sizes):
    assert Answer.from_bytes(frame("answer", {"sizes": [1, 3]}, b"abcd")).witnesses == (b"bcd",)
    with pytest.raises(WireFormatError):
        Answer.from_bytes(frame("answer", {"sizes": sizes}, b"abcd"))


def test_ciphertexts_that_say_what_upload_they_are_are_no_answer():
    """Those that say nothing may be an answer of version 1."""
    of_before = frame("ciphertexts", {"shape": [1, 1]}, b"")
    assert Answer.from_bytes(of_before) == Answer(of_before)
    with pytest.raises(AnswerMismatch):
        Answer.from_bytes(frame("ciphertexts", {"shape": [1, 1], "upload": {"part": 0, "plan": "0" * 32}}, b""))


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "part": [-1, 1 << 32, 1.0, True, "0", None],
        "upload": ["", "0" * 63, "0" * 65, "A" * 64, "x" * 64, "0" * 64 + "\n", 0, None],
        "model": ["", "0" * 15, "0" * 65, "A" * 16, "x" * 16, "0" * 16 + "\n", 0, None],
        "plan": ["", "0" * 15, "0" * 65, "A" * 32, "x" * 32, "0" * 32 + "\n", 0, None],
    }.items(),
)
def test_a_binding_is_of_digests_and_fingerprints(field, values):
    good = {"part": 0, "upload": "0" * 64, "model": "0" * 16, "plan": "0" * 32}
    assert Binding.from_json(good) == Binding(**good)
    for value in values:
        with pytest.raises(WireFormatError):
            Binding.from_json(good | {field: value})
