"""Transformers of transformers: `ColumnTransformer`, `FeatureUnion`, nested `Pipeline`s."""

from __future__ import annotations

from typing import Any

from fhenn.interop.preparation import Scale, Select, Step, Union
from fhenn.interop.sklearn.imported import refuse
from fhenn.interop.sklearn.preparing.context import Context, Reader, names_in, same
from fhenn.interop.sklearn.preparing.places import places_of


def readers() -> dict[type, Reader]:
    """The transformers of this module."""
    from sklearn import compose, pipeline

    return {
        compose.ColumnTransformer: _column_transformer,
        pipeline.FeatureUnion: _feature_union,
        pipeline.Pipeline: _pipeline,
    }


def passes(transformer: Any) -> bool:
    """Whether a step leaves everything as it is."""
    return transformer is None or (isinstance(transformer, str) and transformer == "passthrough")


def _pipeline(step: Any, context: Context) -> list[Step]:
    found: list[Step] = []
    for name, each in step.steps:
        if not passes(each):
            found += context.read(each, context.inside(f"step {name!r}", context.after(found)))
    return found


def _column_transformer(step: Any, context: Context) -> list[Step]:
    names, count = names_in(step), int(step.n_features_in_)
    branches = []
    for name, transformer, selected in step.transformers_:
        places = places_of(selected, names, count)
        if places and not _drops(transformer):
            inner = _branch(step, name, transformer, context.inside(f"transformer {name!r}", len(places)))
            branches.append((Select(places), *inner))
    return _union(step, context, branches)


def _feature_union(step: Any, context: Context) -> list[Step]:
    branches = [
        _branch(step, name, transformer, context.inside(f"transformer {name!r}", context.count))
        for name, transformer in step.transformer_list
        if not _drops(transformer)
    ]
    return _union(step, context, branches)


def _branch(step: Any, name: str, transformer: Any, context: Context) -> tuple[Step, ...]:
    """What is done to the columns of one transformer, with its weight."""
    steps = [] if passes(transformer) else context.read(transformer, context)
    weight = (step.transformer_weights or {}).get(name)
    return (*steps, *([] if weight is None else [Scale(multiply=same(weight, context.after(steps)))]))


def _drops(transformer: Any) -> bool:
    return isinstance(transformer, str) and transformer == "drop"


def _union(step: Any, context: Context, branches: list[tuple[Step, ...]]) -> list[Step]:
    if not branches:
        raise refuse(step, context.where, "it keeps no column", "at least one transformer with columns")
    return [Union(tuple(branches))]
