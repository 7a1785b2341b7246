"""`boxes_of`: the leaves of an ensemble as boxes, each once: what all on the way to a leaf asks of each feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError
from fhenn.interop.trees.ensemble import Ensemble, Tree, Value

Floats = NDArray[np.float64]

MOST_BOXES = 1 << 17
"""Leaves, equal ones counted once: what a server computes on in a minute or two."""

MOST_CONDITIONS = 64
"""Of a leaf: the degree of its polynomial. Plans hold fewer."""

MOST_IN_ALL = 1 << 21
"""Conditions of all leaves, and values in sets on the way to them: what a few seconds make."""


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
    def values_named(self) -> int:
        """How many values it names."""
        return len(self.without) + len(self.only or ())

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

    Raises ParameterError where they are more than a server can compute on, before all of them are made.

    >>> stump = Tree([0, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [False] * 3, [[0.0], [-1.0], [1.0]])
    >>> [(box.conditions[0].high, box.values.tolist()) for box in boxes_of(Ensemble((stump, stump), 1, [0.0]))]
    [(0.5, [-2.0]), (inf, [2.0])]
    """
    found: dict[frozenset[tuple[int, Condition]], Floats] = {}
    work = _Work()
    for tree in ensemble.trees:
        for leaf, box in _leaves(tree, ensemble, work):
            key = frozenset(box.items())
            if key not in found:
                work.require_boxes(len(found) + 1)
            found[key] = found.get(key, 0.0) + tree.values[leaf]
    return [Box(dict(sorted(key)), values) for key, values in found.items() if np.any(values)]


class _Work:
    """How much was made, of what may be."""

    def __init__(self) -> None:
        self._done = 0

    def add(self, conditions: int) -> None:
        """Count conditions, and values in sets of them. Raises ParameterError."""
        self._done += conditions
        if self._done > MOST_IN_ALL:
            raise self._too_many(f"{MOST_IN_ALL:,} conditions at their leaves")

    def require_boxes(self, boxes: int) -> None:
        """Raise ParameterError where there are too many."""
        if boxes > MOST_BOXES:
            raise self._too_many(f"{MOST_BOXES:,} different leaves")

    def _too_many(self, what: str) -> ParameterError:
        return ParameterError(
            f"the trees have more than {what}.",
            "Train fewer trees, or smaller ones (max_depth, max_leaf_nodes, min_samples_leaf).",
        )


def _leaves(tree: Tree, ensemble: Ensemble, work: _Work) -> Iterator[tuple[int, dict[int, Condition]]]:
    """The leaves that a sample may reach and that add something, with the conditions that not every sample meets.

    Raises ParameterError where these are too many.
    """
    conditions: dict[int, Condition] = {}  # on the way to the present node: a copy for each would be as deep squared
    waiting: list[tuple[int, int, Condition | None]] = [(0, -1, None)]
    """Nodes to go to, with what is asked of the feature of the node before; -1 for the way back, past that node."""
    while waiting:
        node, asked, condition = waiting.pop()
        if condition is not None:
            conditions[asked] = condition
        else:
            conditions.pop(asked, None)
        if node < 0 or (condition is not None and condition.is_never_met):
            continue
        feature = int(tree.features[node])
        if feature >= 0:
            first, second = (
                each.simple(strict=ensemble.strict, missing=ensemble.missing[feature])
                for each in _halves(tree, node, conditions.get(feature, Condition()))
            )
            work.add(first.values_named + second.values_named)
            waiting += [
                (-1, feature, conditions.get(feature)),
                (int(tree.right[node]), feature, second),
                (int(tree.left[node]), feature, first),
            ]
        elif np.any(tree.values[node]):  # what adds nothing needs no indicator
            box = {
                each: met for each, met in conditions.items() if not met.is_always_met(missing=ensemble.missing[each])
            }
            if len(box) > MOST_CONDITIONS:
                raise ParameterError(
                    f"a leaf of the trees has conditions on {len(box)} features, more than {MOST_CONDITIONS}: no plan "
                    "holds a polynomial of such a degree.",
                    "Train trees that are less deep (max_depth).",
                )
            work.add(len(box))
            yield node, box


def _halves(tree: Tree, node: int, before: Condition) -> tuple[Condition, Condition]:
    """What is asked of the feature of a node on its left and on its right."""
    left, values = bool(tree.missing_left[node]), tree.sets.get(node)
    if values is None:
        threshold = float(tree.thresholds[node])
        return before.below(threshold, missing=left), before.above(threshold, missing=not left)
    held = frozenset(values)
    return before.inside(held, missing=left), before.outside(held, missing=not left)
