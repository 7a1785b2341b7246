"""What the features of a transformer are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fhenn.columns import normalise
from fhenn.interop.sklearn.preparing.context import names_in
from fhenn.interop.sklearn.preparing.places import places_of

_LONGEST_NAME = 512


def names_after(transformer: Any, names: Sequence[str]) -> list[str]:
    """As scikit-learn says; where it says nothing, since a transformer inside does not, those of what is inside.

    transformer: fitted.
    names: of the columns that come in.

    Returns those that a transformer keeps where it says nothing of others.
    """
    try:
        return [str(name) for name in transformer.get_feature_names_out(list(names))]
    except (AttributeError, ValueError, NotImplementedError, TypeError):
        pass  # a FunctionTransformer says nothing of names unless it is asked to
    inside = _insides().get(type(transformer))
    return list(names) if inside is None else inside(transformer, names)


def _insides() -> dict[type, Callable[[Any, Sequence[str]], list[str]]]:
    from sklearn import compose, pipeline

    return {
        compose.ColumnTransformer: _of_columns,
        pipeline.FeatureUnion: _of_union,
        pipeline.Pipeline: _of_pipeline,
    }


def _of_columns(step: Any, names: Sequence[str]) -> list[str]:
    found = []
    for name, transformer, selected in step.transformers_:
        places = places_of(selected, names_in(step), len(names))
        if places:
            found += _of_branch(name, transformer, [names[place] for place in places], step.verbose_feature_names_out)
    return found


def _of_union(step: Any, names: Sequence[str]) -> list[str]:
    verbose = getattr(step, "verbose_feature_names_out", True)
    return [each for name, inner in step.transformer_list for each in _of_branch(name, inner, names, verbose)]


def _of_branch(name: str, transformer: Any, names: Sequence[str], verbose: Any) -> list[str]:
    if isinstance(transformer, str):
        found = list(names) if transformer == "passthrough" else []
    else:
        found = names_after(transformer, names)
    return [f"{name}__{each}" for each in found] if verbose is True else found


def _of_pipeline(step: Any, names: Sequence[str]) -> list[str]:
    found = list(names)
    for _, inner in step.steps:
        found = found if inner is None or isinstance(inner, str) else names_after(inner, found)
    return found


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names, cut where they are too long, and numbered where they would be the same.

    >>> distinct(["a", "b", "a"])
    ('a', 'b', 'a (2)')
    """
    seen: set[str] = set()
    found = []
    for place, name in enumerate(names):
        short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 20] + f"… ({place})"
        short = f"{short[: _LONGEST_NAME - 20]} ({place})" if normalise(short) in seen else short
        seen.add(normalise(short))
        found.append(short)
    return tuple(found)
