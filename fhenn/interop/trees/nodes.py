"""Nodes of a saved tree, in whatever order and form they come, as a `Tree`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import UnsupportedModel, WireFormatError
from fhenn.interop.trees.ensemble import Tree, Value

Floats = NDArray[np.float64]
Key = TypeVar("Key")

MOST_VALUES = 1 << 25
"""Values that the nodes of all trees may have, 256 MB."""

MOST_CATEGORIES = 1 << 22
"""Categories that the sets of all trees may hold, as numbers of Python some 130 MB."""

LARGEST_LEAF = float(np.finfo(np.float32).max)
"""The largest magnitude of what a leaf adds, as in single precision: sums of many are far from the end of doubles."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """A leaf.

    values: what it adds, (outputs,).
    """

    values: Floats


@dataclass(frozen=True)
class Split(Generic[Key]):
    """A node that decides: x <= threshold, x < threshold where the ensemble is strict, or x in a set, goes left.

    feature: that it asks for.
    left, right: keys of the nodes that come next.
    threshold: not read where there is a set.
    missing_left: where a missing cell goes.
    values: the set; None where the threshold decides.
    """

    feature: int
    left: Key
    right: Key
    threshold: float = 0.0
    missing_left: bool = False
    values: tuple[Value, ...] | None = None


def tree_of(root: Key, node: Callable[[Key], Leaf | Split[Key]], outputs: int, most: int, what: str) -> Tree:
    """The nodes that are reached from the root, level by level.

    root: its key.
    node: what a key stands for. A node that several have for a child comes several times.
    outputs: how many values a leaf has.
    most: nodes that there are, if none is below itself.
    what: the kind of model, for the error.
    Raises WireFormatError where there are more; UnsupportedModel where they take too much memory; what `node` does.
    """
    found: list[Leaf | Split[Key]] = []
    children: list[tuple[int, int]] = []
    waiting = [root]
    for key in waiting:  # which grows
        each = node(key)
        found.append(each)
        if isinstance(each, Split):
            children.append((len(waiting), len(waiting) + 1))
            waiting += [each.left, each.right]
        else:
            children.append((-1, -1))
        if len(waiting) * outputs > MOST_VALUES:
            raise _too_large()
        if len(waiting) > most:
            raise WireFormatError(what, f"a tree has more than {most:,} nodes, or goes round in a circle")
    splits = {place: each for place, each in enumerate(found) if isinstance(each, Split)}
    features, thresholds = np.full(len(found), -1), np.zeros(len(found))
    missing_left, values = np.zeros(len(found), dtype=bool), np.zeros((len(found), outputs))
    for place, each in enumerate(found):
        if isinstance(each, Leaf):
            values[place] = each.values
        else:
            features[place], thresholds[place], missing_left[place] = each.feature, each.threshold, each.missing_left
    left, right = np.array(children).T
    sets = {place: each.values for place, each in splits.items() if each.values is not None}
    return Tree(features, thresholds, left, right, missing_left, values, sets)


def trees_of(trees: Iterable[Tree]) -> tuple[Tree, ...]:
    """Trees, one after another. Raises UnsupportedModel where they take too much memory, before there are more."""
    found, values, categories = [], 0, 0
    for tree in trees:
        found.append(tree)
        values += tree.values.size
        categories += sum(map(len, tree.sets.values()))
        require_categories(categories)
        if values > MOST_VALUES:
            raise _too_large()
    return tuple(found)


def require_categories(count: int) -> None:
    """Raise UnsupportedModel where sets would hold too many, before they do."""
    if count > MOST_CATEGORIES:
        reason = f"its sets have more than {MOST_CATEGORIES:,} categories"
        raise UnsupportedModel(
            "a large ensemble", "all of it", reason, "fewer trees, or fewer categories (max_cat_threshold)"
        )


def _too_large() -> UnsupportedModel:
    reason = f"its nodes have more than {MOST_VALUES:,} values"
    return UnsupportedModel("a large ensemble", "all of it", reason, "fewer or smaller trees, or fewer outputs")
