"""Typed errors of a worker as JSON, and what they are for who asked: the same class, data and text."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from fhenn import errors
from fhenn.errors import FhennError
from fhenn.strict import built


def typed_answer(error: FhennError) -> dict[str, Any]:
    """The answer of a worker for a typed error.

    error: that was raised.

    >>> typed_answer(errors.ContextMismatch("aa", "bb"))["fields"]
    {'expected': 'aa', 'got': 'bb'}
    """
    answer: dict[str, Any] = {"error": type(error).__name__, "detail": str(error)}
    try:
        fields: dict[str, Any] = asdict(error) if is_dataclass(error) else {}
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError):  # it carries what JSON does not: the text must do
        return answer
    return answer | {"fields": fields}


def typed_error(answer: dict[str, Any]) -> FhennError | None:
    """The error that a worker answered with; None where its class is not one of `fhenn.errors`.

    answer: of `typed_answer`, perhaps from a worker that was taken over: it yields an error of fhenn, and nothing else.

    Where the data did not travel, it is a `FhennError` of the same text.

    >>> error = typed_error(typed_answer(errors.ShapeMismatch("predict", (2, 3), "fresh samples")))
    >>> type(error).__name__, error.got, str(error)
    ('ShapeMismatch', (2, 3), 'predict: got shape (2, 3), expected fresh samples.')
    """
    kind = getattr(errors, str(answer.get("error")), None)
    if not (isinstance(kind, type) and issubclass(kind, FhennError)):
        return None
    try:
        error: FhennError = built(kind, answer["fields"])
    except (KeyError, TypeError, ValueError):
        return FhennError(str(answer.get("detail")))
    return error
