"""Errors of workers, some of which were taken over."""

import json

import pytest

from fhenn import errors
from fhenn.errors import FhennError
from fhenn.pool.failures import typed_answer, typed_error
from fhenn.pool.runner import error_of


@pytest.mark.parametrize(
    "error",
    [
        errors.WireFormatError("upload", "it is short"),
        errors.WrongKind("a plan", "it is a key", "s.fhenn", "a key", "", "Give one."),
        errors.ContextMismatch("aa", "bb"),
        errors.ShapeMismatch("predict", (2, 3), "fresh samples"),
        errors.RangeViolation(errors.RangeReport("Sigmoid", (-4.0, 4.0), 2, 9, -5.0, 7.5, 1, "It flips.")),
        errors.PlanRefused("None.", "Use less.", "Sigmoid", "range", (errors.Remedy("margin", 1, "a"),)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_as_it_was(error):
    found = typed_error(json.loads(json.dumps(typed_answer(error))))
    assert (type(found), found.args, str(found)) == (type(error), error.args, str(error))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_does_not_hold_is_left_to_the_text(value):
    error = errors.HeadroomExceeded(value, 1.0, "encrypt") if isinstance(value, float) else errors.PlanError(value, "")
    found = typed_error(json.loads(json.dumps(typed_answer(error))))
    assert (type(found), str(found)) == (FhennError, str(error))


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "ContextMismatch"},
        {"error": "ContextMismatch", "fields": []},
        {"error": "ContextMismatch", "fields": {"expected": 1, "got": "x"}},
        {"error": "ContextMismatch", "fields": {"expected": "x", "got": "x", "more": 1}},
        {"error": "FhennError", "fields": {}},
    ],
)
def test_a_worker_that_was_taken_over_yields_errors_alone(answer):
    found = typed_error(answer | {"detail": "so it says\x1b[2J"})
    assert type(found) is FhennError
    assert str(found).isprintable()


@pytest.mark.parametrize(
    "name", ["", "Exception", "dataclass", "annotations", "RangeReport", "RangeWarning", "Literal", 3]
)
def test_other_names_are_no_errors_of_fhenn(name):
    assert typed_error({"error": name, "fields": {}, "detail": "x"}) is None


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ({"error": "gone"}, errors.PoolFailed, "were removed"),
        ({"error": "no-model"}, errors.PoolFailed, "were removed"),
        ({"error": "memory"}, errors.PoolFailed, "unexpectedly: memory"),
        ({"error": "unexpected", "cause": "KeyError", "where": ["a.py:3"]}, errors.PoolFailed, r"KeyError \(a.py:3\)"),
    ],
)
def test_what_is_no_typed_error_is_the_pools(answer, kind, said):
    with pytest.raises(kind, match=said):
        raise error_of(answer, b"")
