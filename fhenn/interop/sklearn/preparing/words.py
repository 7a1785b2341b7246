"""Transformers of texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from fhenn.interop.preparation import CountWords, Function, Normalize, Scale, Step
from fhenn.interop.sklearn.imported import refuse
from fhenn.interop.sklearn.preparing.context import Context, Reader, floats

_PATTERN = r"(?u)\b\w\w+\b"

_PLAIN: dict[str, tuple[Any, ...]] = {
    "analyzer": ("word",),
    "tokenizer": (None,),
    "preprocessor": (None,),
    "strip_accents": (None,),
    "token_pattern": (_PATTERN,),
    "input": ("content",),
}
"""What options must be: of others code, or other rules of Python, would have to travel."""


def readers() -> dict[type, Reader]:
    """The transformers of this module."""
    from sklearn.feature_extraction import text

    return {
        text.CountVectorizer: _counts,
        text.TfidfVectorizer: lambda step, context: [*_counts(step, context), *_weights(step, context)],
        text.TfidfTransformer: _weights,
    }


def _counts(step: Any, context: Context) -> list[Step]:
    for name, allowed in _PLAIN.items():
        value = getattr(step, name)
        if value not in allowed:
            reason = f"{name}={value!r:.60} does not travel as data"
            raise refuse(step, context.where, reason, f"{name}={allowed[0]!r}")
    if np.dtype(step.dtype).kind == "f" and np.dtype(step.dtype) != np.float64:
        raise refuse(step, context.where, f"dtype={np.dtype(step.dtype)}", "dtype=numpy.float64")
    shortest, longest = step.ngram_range
    stop = step.get_stop_words()
    terms = sorted(step.vocabulary_, key=step.vocabulary_.__getitem__)
    return [
        CountWords(
            tuple(map(str, terms)),
            int(shortest),
            int(longest),
            bool(step.lowercase),
            () if stop is None else tuple(sorted(stop)),
            bool(step.binary),
        )
    ]


def _weights(step: Any, context: Context) -> list[Step]:
    """Counts weighed by how rare words are, each text then of norm 1."""
    found: list[Step] = [Function("sublinear")] if step.sublinear_tf else []
    if step.use_idf:
        found.append(Scale(multiply=floats(step.idf_)))
    if step.norm is not None:
        found.append(Normalize(step.norm))
    return found
