"""`boxes_of`: the leaves of an ensemble as boxes, each once: what all on the way to a leaf asks of each feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.trees.ensemble import Ensemble, Tree, Value

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Condition:
    """What a box asks of one feature: an interval, but for some values; or a few values; or that it is missing.

    low, high: x > low and x <= high, or of a strict ensemble x >= low and x < high; infinite where there is no limit.
    only: the values that are allowed; None for all in the interval but `without`.
    without: values in the interval that are not allowed.
    missing: whether a missing cell is allowed.
    """

    low: float = -inf
    high: float = inf
    only: frozenset[Value] | None = None
    without: frozenset[Value] = frozenset()
    missing: bool = True

    def below(self, threshold: float, *, missing: bool) -> Condition:
        """The same on the left of a threshold. missing: whether a missing cell goes there."""
        return replace(self, high=min(self.high, threshold), missing=self.missing and missing)

    def above(self, threshold: float, *, missing: bool) -> Condition:
        """The same on the right of a threshold."""
        return replace(self, low=max(self.low, threshold), missing=self.missing and missing)

    def inside(self, values: frozenset[Value], *, missing: bool) -> Condition:
        """The same for values of a set."""
        only = values if self.only is None else self.only & values
        return replace(self, only=only, missing=self.missing and missing)

    def outside(self, values: frozenset[Value], *, missing: bool) -> Condition:
        """The same for all but the values of a set."""
        return replace(self, without=self.without | values, missing=self.missing and missing)

    def simple(self, *, strict: bool, missing: bool) -> Condition:
        """The same condition in the one way in which it is written. missing: whether the feature has missing cells."""

        def holds(value: Value) -> bool:
            if isinstance(value, str):
                return True  # texts have no thresholds
            return self.low <= value < self.high if strict else self.low < value <= self.high

        allowed = self.missing and missing
        if self.only is None and self.low < self.high:
            return replace(self, without=frozenset(filter(holds, self.without)), missing=allowed)
        only = frozenset(filter(holds, (self.only or frozenset()) - self.without))
        return Condition(only=only, missing=allowed)

    @property
    def is_never_met(self) -> bool:
        """Whether no cell meets it; of one that is simple."""
        return self.only == frozenset() and not self.missing

    def is_always_met(self, *, missing: bool) -> bool:
        """Whether every cell meets it; of one that is simple. missing: whether the feature has missing cells."""
        whole = self.low == -inf and self.high == inf and self.only is None and not self.without
        return whole and self.missing == missing


@dataclass(frozen=True, eq=False)
class Box:
    """The samples that meet some conditions, and what they add to the scores.

    conditions: by feature; none for all samples.
    values: (outputs,).
    """

    conditions: Mapping[int, Condition]
    values: Floats


def boxes_of(ensemble: Ensemble) -> list[Box]:
    """The leaves that some sample reaches, as boxes; equal ones of all trees are one, of the sum of their values.

    >>> stump = Tree([0, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [False] * 3, [[0.0], [-1.0], [1.0]])
    >>> [(box.conditions[0].high, box.values.tolist()) for box in boxes_of(Ensemble((stump, stump), 1, [0.0]))]
    [(0.5, [-2.0]), (inf, [2.0])]
    """
    found: dict[frozenset[tuple[int, Condition]], Floats] = {}
    for tree in ensemble.trees:
        for leaf, conditions in _leaves(tree):
            box = _simple(conditions, ensemble)
            if box is not None:
                key = frozenset(box.items())
                found[key] = found.get(key, 0.0) + tree.values[leaf]
    # what adds nothing needs no indicator
    return [Box(dict(sorted(key)), values) for key, values in found.items() if np.any(values)]


def _leaves(tree: Tree) -> Iterator[tuple[int, dict[int, Condition]]]:
    """Each leaf with the conditions on the way to it."""
    waiting: list[tuple[int, dict[int, Condition]]] = [(0, {})]
    while waiting:
        node, conditions = waiting.pop()
        feature = int(tree.features[node])
        if feature < 0:
            yield node, conditions
            continue
        before, left = conditions.get(feature, Condition()), bool(tree.missing_left[node])
        values = tree.sets.get(node)
        if values is None:
            threshold = float(tree.thresholds[node])
            first, second = before.below(threshold, missing=left), before.above(threshold, missing=not left)
        else:
            held = frozenset(values)
            first, second = before.inside(held, missing=left), before.outside(held, missing=not left)
        waiting += [
            (int(tree.right[node]), conditions | {feature: second}),
            (int(tree.left[node]), conditions | {feature: first}),
        ]


def _simple(conditions: Mapping[int, Condition], ensemble: Ensemble) -> dict[int, Condition] | None:
    """The conditions that are not always met, each in the one way in which it is written; None for an empty box."""
    found: dict[int, Condition] = {}
    for feature, condition in conditions.items():
        missing = ensemble.missing[feature]
        simple = condition.simple(strict=ensemble.strict, missing=missing)
        if simple.is_never_met:
            return None
        if not simple.is_always_met(missing=missing):
            found[feature] = simple
    return found
