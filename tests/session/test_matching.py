"""Which answer is taken for which upload: every name that is not the right one is refused, keys or no keys."""

from types import SimpleNamespace

import pytest

import fhenn
from fhenn.ckks.layout import FEATURES, Vectors
from fhenn.errors import AnswerMismatch, WireFormatError
from fhenn.planner.plan import Result
from fhenn.session import matching
from fhenn.session.answer import Binding
from fhenn.session.matching import require_binding, require_result
from fhenn.session.receipt import Receipt, SentPart, UploadHeader

PLAN, MODEL, UPLOAD = "a" * 32, "b" * 16, "c" * 64
OTHER = {"plan": "d" * 32, "model": "e" * 16, "upload": "f" * 64, "part": 1}
NAMED = SimpleNamespace(fingerprint=PLAN, model=MODEL)
SENT = {"0" * 64: UploadHeader(0, 9, PLAN), UPLOAD: UploadHeader(0, 3, PLAN)}
RECEIPT = Receipt(PLAN, (SentPart(UPLOAD, 3), SentPart("1" * 64, 4)))


def binding(**changes):
    return Binding(**({"part": 0, "upload": UPLOAD, "model": MODEL, "plan": PLAN} | changes))


def test_the_right_answer_is_taken_by_receipt_and_from_memory():
    assert require_binding(binding(), NAMED, None, SENT, unbound=False) == 3
    assert require_binding(binding(), NAMED, RECEIPT, {}, unbound=False) == 3
    assert require_binding(binding(part=1, upload="1" * 64), NAMED, RECEIPT, {}, unbound=False) == 4
    of_before = SimpleNamespace(fingerprint=PLAN, model=None)
    assert require_binding(binding(model=OTHER["model"]), of_before, None, SENT, unbound=False) == 3
    assert require_binding(binding(), NAMED, Receipt(None, RECEIPT.parts), {}, unbound=False) == 3


@pytest.mark.parametrize("receipt", [None, RECEIPT], ids=["memory", "receipt"])
@pytest.mark.parametrize("unbound", [False, True])
@pytest.mark.parametrize("name", OTHER)
def test_another_name_is_refused(name, unbound, receipt):
    with pytest.raises(AnswerMismatch):
        require_binding(binding(**{name: OTHER[name]}), NAMED, receipt, SENT, unbound)


def test_nothing_is_taken_where_nothing_was_sent():
    with pytest.raises(AnswerMismatch):
        require_binding(binding(), NAMED, None, {}, unbound=False)
    for receipt in (Receipt(OTHER["plan"], RECEIPT.parts), Receipt(PLAN, (SentPart("1" * 64, 4), SentPart(UPLOAD, 3)))):
        with pytest.raises(AnswerMismatch):
            require_binding(binding(), NAMED, receipt, SENT, unbound=False)


def test_an_answer_that_names_nothing_is_taken_where_that_was_asked_for_alone():
    for receipt, samples in ((None, None), (RECEIPT, 7)):
        assert require_binding(None, NAMED, receipt, SENT, unbound=True) == samples
        with pytest.raises(AnswerMismatch):
            require_binding(None, NAMED, receipt, SENT, unbound=False)


LAYOUT = Vectors("replicated", 4)
EXPECTED = SimpleNamespace(result=Result(2, 0, LAYOUT), parameters=SimpleNamespace(levels=3))
RIGHT = {"shape": (5, 2), "level": 0, "layout": LAYOUT, "scale": 2.0**30}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, None),
        ({"shape": (4, 2)}, AnswerMismatch),
        ({"shape": (6, 2)}, AnswerMismatch),
        ({"shape": (5, 1)}, AnswerMismatch),
        ({"shape": (5, 3)}, AnswerMismatch),
        ({"level": 1}, AnswerMismatch),
        ({"layout": Vectors("replicated", 8)}, AnswerMismatch),
        ({"layout": FEATURES}, AnswerMismatch),
        ({"shape": (5,)}, WireFormatError),
        ({"shape": (5, 2, 1)}, WireFormatError),
    ],
    ids=str,
)
def test_a_result_is_what_the_plan_says(monkeypatch, changes, error):
    array = SimpleNamespace(**(RIGHT | changes))
    monkeypatch.setattr(matching, "CipherArray", SimpleNamespace(from_bytes=lambda context, message: array))
    context = SimpleNamespace(scale=2.0**40)
    if error is None:
        assert require_result(context, EXPECTED, b"", 5) is array
        assert require_result(context, EXPECTED, b"", None) is array
        return
    with pytest.raises(error):
        require_result(context, EXPECTED, b"", 5)


def test_an_upload_is_no_result_though_a_plan_of_before_does_not_say_what_is(monkeypatch):
    of_before = SimpleNamespace(result=None, parameters=SimpleNamespace(levels=3))
    context = SimpleNamespace(scale=2.0**40)
    for changes, taken in (({"level": 3, "scale": 2.0**40}, False), ({"level": 3}, True), ({"scale": 2.0**40}, True)):
        array = SimpleNamespace(**(RIGHT | changes))
        monkeypatch.setattr(matching, "CipherArray", SimpleNamespace(from_bytes=lambda context, message: array))  # noqa: B023
        if taken:
            assert require_result(context, of_before, b"", 5) is array
            continue
        with pytest.raises(AnswerMismatch):
            require_result(context, of_before, b"", 5)


def test_the_names_are_those_that_a_plan_has():
    plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    assert require_binding(binding(plan=plan.fingerprint, model=plan.model), plan, None, SENT, unbound=False) == 3
    with pytest.raises(AnswerMismatch):
        require_binding(binding(), plan, None, SENT, unbound=False)
