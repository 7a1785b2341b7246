"""`Tree` and `Ensemble`: trained decision trees as plain arrays, whoever trained them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import MissingValues, NonFiniteValue, ParameterError, ShapeMismatch, join_first
from fhenn.missing import is_missing

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Bools = NDArray[np.bool_]
Value = float | str

MOST_NODES = 1 << 22
"""Of all trees of an ensemble."""

DEEPEST = 512
"""Nodes from the root of a tree to a leaf, without the leaf."""

_REREAD = "Save the model anew with the library that trained it."


@dataclass(frozen=True, eq=False)
class Tree:
    """A decision tree: node 0 is the root, every other node has one parent.

    A sample goes left where x <= threshold, or x < threshold if the ensemble is strict; or where x is in the set of the
    node. A missing cell goes where the node says.

    features: (nodes,), the feature that a node asks for, -1 at leaves.
    thresholds: (nodes,), not read at leaves and where a set decides. All go left where one is infinite, and none where
    it is so with a minus.
    left, right: (nodes,), children; not read at leaves.
    missing_left: (nodes,), whether a missing cell goes left.
    values: (nodes, outputs), what the leaves add to the scores; not read at other nodes.
    sets: for nodes where a set decides, the values that go left: all numbers, or all texts.
    Raises ParameterError where it is not a tree, or its numbers are NaN.

    >>> stump = Tree([0, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [False] * 3, [[0.0], [-1.0], [1.0]])
    >>> stump.outputs, stump.leaves.tolist()
    (1, [1, 2])
    """

    features: Whole
    thresholds: Floats
    left: Whole
    right: Whole
    missing_left: Bools
    values: Floats
    sets: Mapping[int, tuple[Value, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = {"features": np.int64, "thresholds": np.float64, "left": np.int64, "right": np.int64,
                 "missing_left": np.bool_, "values": np.float64}  # fmt: skip
        for name, dtype in kinds.items():
            object.__setattr__(self, name, _array(name, getattr(self, name), dtype))
        sets = {int(node): tuple(map(_value, each)) for node, each in self.sets.items()}
        object.__setattr__(self, "sets", MappingProxyType(sets))
        nodes = len(self.features)
        for name in kinds:
            shape = getattr(self, name).shape
            if shape[:1] != (nodes,) or len(shape) != 1 + (name == "values") or nodes == 0:
                raise ParameterError(f"{name} of a tree of {nodes} nodes have shape {shape}.", _REREAD)
        if np.any(self.features < -1):
            raise ParameterError("a node asks for a feature before the first.", "Leaves have the feature -1.")
        self._require_sets()
        decided = np.zeros(nodes, dtype=bool)
        decided[list(self.sets)] = True
        if np.isnan(self.thresholds[~self.is_leaf & ~decided]).any():
            raise ParameterError("a node has NaN for a threshold.", _REREAD)
        if not np.isfinite(self.values[self.is_leaf]).all():
            raise ParameterError("a leaf has a value that is NaN or infinite.", _REREAD)
        self._require_tree()

    def _require_sets(self) -> None:
        for node, values in self.sets.items():
            if not 0 <= node < len(self.features) or self.features[node] < 0:
                raise ParameterError(f"there is a set for node {node}, which decides nothing.", _REREAD)
            texts = {isinstance(value, str) for value in values}
            if len(texts) > 1 or any(not isinstance(value, str) and not np.isfinite(value) for value in values):
                raise ParameterError(
                    f"the set of node {node} is neither of finite numbers nor of texts.", "Give values of one kind."
                )

    def _require_tree(self) -> None:
        """Raise ParameterError where nodes are not reached from the root in one way."""
        seen, level = np.zeros(len(self.features), dtype=bool), np.zeros(1, dtype=np.int64)
        depth = -1
        while level.size:
            depth += 1
            again = seen[level].any() or len(np.unique(level)) < len(level)
            seen[level] = True
            inner = level[~self.is_leaf[level]]
            level = np.concatenate([self.left[inner], self.right[inner]])
            outside = level.size and (level.min() < 0 or level.max() >= len(seen))
            if again or outside or depth > DEEPEST:
                reason = "a node has two parents" if again else "a child is outside" if outside else "it is too deep"
                raise ParameterError(f"the nodes are no tree of at most {DEEPEST} levels: {reason}.", _REREAD)
        if not seen.all():
            raise ParameterError(f"{np.count_nonzero(~seen)} nodes are not reached from the root.", "Leave them out.")

    @property
    def is_leaf(self) -> Bools:
        """Which nodes are leaves, (nodes,)."""
        return self.features < 0

    @property
    def leaves(self) -> Whole:
        """The leaves, ascending."""
        return np.flatnonzero(self.is_leaf)

    @property
    def outputs(self) -> int:
        """How many scores a leaf adds to."""
        return int(self.values.shape[1])


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trees whose leaves add up to scores.

    trees: at least none, whose leaves have one value for each score.
    features: how many there are.
    offset: (outputs,), what is added to the sum.
    strict: whether a node asks for x < threshold, else x <= threshold.
    single: whether x is rounded to single precision before it is compared.
    missing: for each feature, whether it may have missing cells; empty for none.
    names: of the features, where they have any.
    Raises ParameterError where the parts contradict one another, or are more than any model has.

    >>> stump = Tree([0, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [False] * 3, [[0.0], [-1.0], [1.0]])
    >>> Ensemble((stump, stump), 1, [0.5]).scores([[0.5], [0.7]]).tolist()
    [[-1.5], [2.5]]
    """

    trees: tuple[Tree, ...]
    features: int
    offset: Floats
    strict: bool = False
    single: bool = False
    missing: tuple[bool, ...] = ()
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "trees", tuple(self.trees))
        object.__setattr__(self, "offset", _array("offset", self.offset, np.float64))
        object.__setattr__(self, "missing", tuple(map(bool, self.missing)) or (False,) * self.features)
        if self.names is not None:
            object.__setattr__(self, "names", tuple(self.names))
        if self.offset.ndim != 1 or not self.offset.size or not np.isfinite(self.offset).all():
            raise ParameterError("offset must be a finite number for each output.", "Give zeros where there is none.")
        for name in ("missing", "names"):
            part = getattr(self, name)
            if part is not None and len(part) != self.features:
                raise ParameterError(
                    f"{name} has {len(part)} entries for {self.features} features.", "Give one for each feature."
                )
        if sum(len(tree.features) for tree in self.trees) > MOST_NODES:
            raise ParameterError(
                f"the trees have more than {MOST_NODES:,} nodes.", "Train fewer, or smaller ones (max_leaf_nodes)."
            )
        for tree in self.trees:
            if tree.outputs != self.outputs or tree.features.max() >= self.features:
                raise ParameterError(
                    f"a tree of {tree.outputs} outputs asks for feature {tree.features.max()}, and the ensemble has "
                    f"{self.outputs} outputs of {self.features} features.",
                    _REREAD,
                )
        self._require_kinds()

    def _require_kinds(self) -> None:
        """Raise ParameterError where a feature is asked for as a number and as a text."""
        both = self.texts & self.numbers
        if both:
            raise ParameterError(
                f"feature {min(both)} is compared with numbers and with texts.", "Give sets of one kind."
            )

    @property
    def outputs(self) -> int:
        """How many scores there are."""
        return len(self.offset)

    @cached_property
    def used(self) -> frozenset[int]:
        """The features that a tree asks for."""
        found = (tree.features[~tree.is_leaf] for tree in self.trees)
        return frozenset(np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found])).tolist())

    @cached_property
    def texts(self) -> frozenset[int]:
        """The features whose cells are compared with texts."""
        return frozenset(
            int(tree.features[node])
            for tree in self.trees
            for node, values in tree.sets.items()
            if any(isinstance(value, str) for value in values)
        )

    @cached_property
    def numbers(self) -> frozenset[int]:
        """The features whose cells are compared with numbers; of one that is in neither, only whether it is missing."""
        found: set[int] = set()
        for tree in self.trees:
            asks = ~tree.is_leaf
            asks[[node for node, values in tree.sets.items() if not values or isinstance(values[0], str)]] = False
            found.update(np.unique(tree.features[asks]).tolist())
        return frozenset(found)

    def scores(self, x: Any) -> Floats:
        """What the trees say, as their library does, but summed in double precision.

        x: samples × features; NaN or None for missing cells, texts where sets hold texts.

        Returns (samples, outputs).
        Raises ShapeMismatch, MissingValues where a feature has no missing cells, NonFiniteValue, ParameterError.
        """
        columns = self._columns(x)
        found = np.tile(self.offset, (len(columns[0]) if columns else len(x), 1))
        for tree in self.trees:
            found += tree.values[self._reached(tree, columns)]
        return found

    def _columns(self, x: Any) -> list[NDArray[Any]]:
        """Each feature as an array (samples,): numbers, or objects where its cells are texts."""
        # texts, or anything where no tree looks
        mixed = len(self.numbers) < self.features
        cells = np.asarray(x, dtype=object if mixed else np.float64)
        if cells.ndim != 2 or cells.shape[1] != self.features:
            raise ShapeMismatch("scores", cells.shape, f"(samples, {self.features})")
        columns = [
            column.astype(np.float64) if place in self.numbers else column.astype(object)
            for place, column in enumerate(cells.T)
        ]
        for place, (column, may) in enumerate(zip(columns, self.missing, strict=True)):
            rows = [] if may or place not in self.used else np.flatnonzero(_missing(column)).tolist()
            if rows:
                reason = "Fill these cells: the trees were not trained with missing ones there."
                where = (f"feature {place}",), (len(rows),), (join_first(rows, "row"),)
                raise MissingValues("scores", len(rows), reason, *where)
            if column.dtype != object and np.isinf(column).any():
                raise NonFiniteValue("scores", int(np.isinf(column).sum()), f"Give finite numbers for feature {place}.")
        if self.single:
            with np.errstate(over="ignore"):
                columns = [c if c.dtype == object else c.astype(np.float32).astype(np.float64) for c in columns]
        return columns

    def _reached(self, tree: Tree, columns: list[NDArray[Any]]) -> Whole:
        """The leaf of each sample, (samples,)."""
        at = np.zeros(len(columns[0]) if columns else 0, dtype=np.int64)
        for node, here in _visits(tree, at):
            cells = columns[tree.features[node]][here]
            values = tree.sets.get(int(node))
            if values is not None:
                goes = _in(cells, values)
            else:
                goes = cells < tree.thresholds[node] if self.strict else cells <= tree.thresholds[node]
            goes = np.where(_missing(cells), tree.missing_left[node], goes)
            at[here] = np.where(goes, tree.left[node], tree.right[node])
        return at


def _visits(tree: Tree, at: Whole) -> Iterator[tuple[int, Whole]]:
    """Inner nodes with the samples that are there, from the root down; whoever gets them moves these in `at`."""
    waiting = [(0, np.arange(len(at)))]
    while waiting:
        node, here = waiting.pop()
        if tree.features[node] < 0 or not here.size:
            continue
        yield node, here
        went = at[here] == tree.left[node]
        waiting += [(int(tree.left[node]), here[went]), (int(tree.right[node]), here[~went])]


def _value(value: Any) -> Value:
    return str(value) if isinstance(value, str) else float(value)


def _missing(cells: NDArray[Any]) -> Bools:
    if cells.dtype == object:
        return np.fromiter((not isinstance(cell, str) and is_missing(cell) for cell in cells), bool, len(cells))
    found: Bools = np.isnan(cells)
    return found


def _in(cells: NDArray[Any], values: tuple[Value, ...]) -> Bools:
    if cells.dtype != object:
        found: Bools = np.isin(cells, np.array(values, dtype=np.float64))
        return found
    wanted = frozenset(values)
    return np.fromiter((cell in wanted for cell in cells), bool, len(cells))


def _array(name: str, values: ArrayLike, dtype: type) -> NDArray[Any]:
    """A copy that nobody changes. Raises ParameterError where values are of another type."""
    try:
        found = np.asarray(values)
        made: NDArray[Any] = found.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must be numbers of type {dtype.__name__}.", "Give an array of them.") from error
    if found.dtype.kind not in "biuf" or (dtype is np.int64 and np.any(made != found)):
        raise ParameterError(f"{name} must be numbers of type {dtype.__name__}.", "Give an array of them.")
    made.flags.writeable = False
    return made
