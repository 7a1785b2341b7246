"""`preparation_of`: fitted transformers, one after another, as a `Preparation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhenn.errors import ParameterError
from fhenn.interop.preparation import Column, Preparation, Select, Step, walk
from fhenn.interop.preparation.frame import Field, Fields, Kind
from fhenn.interop.sklearn.catalogue import PREPARERS
from fhenn.interop.sklearn.imported import refuse, require_fitted, why_not
from fhenn.interop.sklearn.preparing import categories, gaps, numbers, structure, words
from fhenn.interop.sklearn.preparing.context import Context, Reader, names_in
from fhenn.interop.sklearn.preparing.naming import distinct, names_after

_WAYS_OUT = {
    "KNNImputer": ("it fills cells from rows of the training data, which every client would see", "SimpleImputer"),
    "IterativeImputer": ("it fills cells by models of every column", "SimpleImputer, with add_indicator=True"),
    "KernelPCA": ("it holds rows of the training data", "RBFSampler, then PCA"),
    "HashingVectorizer": ("its hash is code", "TfidfVectorizer or CountVectorizer, with max_features="),
    "FeatureHasher": ("its hash is code", "OneHotEncoder, with max_categories="),
    "DictVectorizer": ("it takes dicts, not columns", "a ColumnTransformer with OneHotEncoder on a table"),
}
"""Why some are refused that many would expect, and what to take instead."""


def preparation_of(transformers: Sequence[tuple[Any, str]], *, allow_rows: bool = False) -> Preparation:
    """What fitted transformers do, one after another, as data.

    transformers: each with its place, for errors; at least one.
    allow_rows: whether rows of the training data may go to the client, as those of a Nystroem.

    Returns a preparation whose features are called as `get_feature_names_out` says.
    Raises UnsupportedModel where one of them is not among `PREPARERS`, sklearn.exceptions.NotFittedError.
    """
    for transformer, where in transformers:
        _reader_of(transformer, where)
    names, count = _columns_of(transformers)
    steps: list[Step] = []
    fields: Fields = tuple(Field("either", place) for place in range(count))
    called: Sequence[str] = [f"x{place}" for place in range(count)] if names is None else names
    for transformer, where in transformers:
        made = read(transformer, Context(where, len(fields), allow_rows, read))
        steps, fields = [*steps, *made], walk(made, fields)
        found = names_after(transformer, called)
        kind = type(transformer).__name__.lower()
        called = found if len(found) == len(fields) else [f"{kind}{place}" for place in range(len(fields))]
    first, where = transformers[0]
    kinds = _kinds(steps, count, first, where, names)
    columns = [
        Column(None if names is None else names[place], kind or "either", kind is not None)
        for place, kind in enumerate(kinds)
    ]
    try:
        return Preparation(tuple(columns), tuple(steps), distinct(called), _ignores_others(first))
    except ParameterError as error:
        last, where = transformers[-1]
        raise refuse(last, where, error.reason.rstrip("."), error.suggestion.rstrip(".")) from error


def read(transformer: Any, context: Context) -> list[Step]:
    """The steps of one fitted transformer. Raises UnsupportedModel, sklearn.exceptions.NotFittedError."""
    reader = _reader_of(transformer, context.where)
    require_fitted(transformer)
    try:
        return reader(transformer, context)
    except ParameterError as error:  # what no step holds, as lengths without end
        raise refuse(transformer, context.where, error.reason.rstrip("."), error.suggestion.rstrip(".")) from error


def _reader_of(transformer: Any, where: str) -> Reader:
    """What reads a transformer of its class. Raises UnsupportedModel."""
    readers = _readers()
    reader = numbers.selector if numbers.is_selector(transformer) else readers.get(type(transformer))
    if reader is None:
        known = _WAYS_OUT.get(type(transformer).__name__, (why_not(transformer, readers), PREPARERS))
        raise refuse(transformer, where, *known)
    return reader


def _readers() -> dict[type, Reader]:
    return structure.readers() | gaps.readers() | categories.readers() | numbers.readers() | words.readers()


def _columns_of(transformers: Sequence[tuple[Any, str]]) -> tuple[tuple[str, ...] | None, int]:
    """Names of the raw columns, None where they have none, and how many there are. Raises UnsupportedModel."""
    from sklearn.pipeline import Pipeline

    for transformer, _ in transformers:
        first = transformer
        while type(first) is Pipeline:
            first = next((step for _, step in first.steps if not structure.passes(step)), None)
        count = getattr(first, "n_features_in_", None)
        if count is not None:
            return names_in(first), int(count)
        if hasattr(first, "vocabulary_"):
            return None, 1
    step, where = transformers[0]
    require_fitted(step)
    raise refuse(step, where, "it does not say which columns it takes", "a step that does, as a StandardScaler, before")


def _kinds(steps: Sequence[Step], count: int, first: Any, where: str, names: Sequence[str] | None) -> list[Kind | None]:
    """What the cells of each raw column are, None for one of which nothing is made. Raises UnsupportedModel."""
    found: list[set[Kind]] = [set() for _ in range(count)]
    used = [False] * count

    def visit(step: Step, before: Fields) -> None:
        for wanted, field in zip(step.wants(len(before)), before, strict=True):
            if field.origin is None or field.kind != "either":
                continue  # it is not the raw column any more
            if wanted is not None:
                found[field.origin].add(wanted)
            if not isinstance(step, Select):
                used[field.origin] = True

    for field in walk(steps, tuple(Field("either", place) for place in range(count)), visit):
        if field.origin is not None and field.kind == "either":
            found[field.origin].add("number")
            used[field.origin] = True
    for place, kinds in enumerate(found):
        if len(kinds) > 1:
            called = f"column {place if names is None else names[place]!r}"
            raise refuse(
                first, where, f"{called} is used as a number and as a text", "one column for each use, with a type each"
            )
    return [(next(iter(kinds), "either") if used[place] else None) for place, kinds in enumerate(found)]


def _ignores_others(transformer: Any) -> bool:
    """Whether a table may have columns that the transformer was not fitted on, as scikit-learn has it."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    while type(transformer) is Pipeline:
        transformer = transformer.steps[0][1]
    return type(transformer) is ColumnTransformer and names_in(transformer) is not None
