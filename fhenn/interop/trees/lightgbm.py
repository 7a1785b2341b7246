"""Models of LightGBM, as it saves them; nothing here needs LightGBM.

Source: LightGBM's `GBDT::SaveModelToString`, and what its `Tree::NumericalDecision` and `CategoricalDecision` decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import ParameterError, UnsupportedModel, WireFormatError
from fhenn.interop.reading import Reading
from fhenn.interop.trees import objectives
from fhenn.interop.trees.boosted import Boosted
from fhenn.interop.trees.categories import Cells, Named, all_cells
from fhenn.interop.trees.ensemble import Ensemble, Tree, Value
from fhenn.interop.trees.nodes import LARGEST_LEAF, Leaf, Split, require_categories, tree_of, trees_of
from fhenn.interop.trees.sources import text_of
from fhenn.strict import MALFORMED, built, read_count, read_json

Floats = NDArray[np.float64]

WHAT = "LightGBM model"
ZERO = float(np.float32(1e-35))
"""The largest magnitude that LightGBM takes for zero."""

_BELOW_ZERO = float(np.nextafter(-ZERO, -np.inf))
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?|inf)", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_MOST_OUTPUTS, _MOST_FEATURES, _MOST_LEAVES = 1 << 12, 1 << 17, 1 << 17
_MOST_COPIES = 64
"""How many times more nodes a tree may have that tells zeros from other numbers."""

_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom")
_EXP = ("poisson", "gamma", "tweedie")
OBJECTIVES = (
    *("binary", "multiclass", "multiclassova", "cross_entropy", "cross_entropy_lambda"),
    *_IDENTITY,
    *_EXP,
)
"""What LightGBM may have been trained for."""

Fields = Mapping[str, str]


def read(
    content: bytes,
    *,
    classes: ArrayLike | None = None,
    rounds: int | None = None,
    missing: bool = True,
    categories: Iterable[str] | None = None,
) -> Boosted:
    """What a saved model is.

    content: text, of `save_model` or `model_to_string`.
    classes: labels of the classes; 0, 1, … where None.
    rounds: of boosting, from the first on; None for all that were saved.
    missing: whether cells may be missing, or are refused.
    categories: names of the columns that were of pandas' type category; None where the file shall tell.
    Raises WireFormatError where it is no such model, UnsupportedModel where fhenn does not take it, ParameterError.
    """
    text = text_of(content, WHAT)
    try:
        return _read(text, classes, rounds, missing, categories)
    except (WireFormatError, UnsupportedModel, ParameterError):
        raise
    except (*MALFORMED, IndexError) as error:
        raise WireFormatError(WHAT, f"it is not what LightGBM saves ({error!s:.80})".rstrip(".")) from error


def _read(
    text: str, classes: ArrayLike | None, rounds: int | None, missing: bool, categories: Iterable[str] | None
) -> Boosted:
    head, *sections = re.split(r"^Tree=[0-9]{1,10}$", text.replace("\r\n", "\n"), flags=re.MULTILINE)
    header = _fields(head)
    if not head.startswith("tree\n") or not sections:
        raise WireFormatError(WHAT, "it does not begin as one, or has no trees")
    sections[-1], end, tail = sections[-1].partition("end of trees")
    if not end:
        raise WireFormatError(WHAT, "it ends before its trees do")
    outputs = read_count(header["num_tree_per_iteration"], _MOST_OUTPUTS)
    features = read_count(header["max_feature_idx"], _MOST_FEATURES) + 1
    names = tuple(header["feature_names"].split(" "))
    if outputs < 1 or len(sections) % outputs or len(names) != features:
        raise WireFormatError(WHAT, f"{len(sections)} trees of {outputs} outputs name {len(names)} features")
    total = len(sections) // outputs
    if rounds is not None and (isinstance(rounds, bool) or not isinstance(rounds, int) or not 1 <= rounds <= total):
        raise ParameterError(f"rounds must be a whole number from 1 to {total}, not {rounds!r:.40}.", "Leave them out.")
    count = total if rounds is None else rounds
    share = 1 / count if "average_output" in header else 1.0
    trees = trees_of(
        _tree(_fields(section), place % outputs, share, outputs, features)
        for place, section in enumerate(sections[: count * outputs])
    )
    named = None if names == tuple(f"Column_{place}" for place in range(features)) else names
    zeros = _zeros(sections[: count * outputs]) if missing else frozenset[int]()
    may = tuple(missing and place not in zeros for place in range(features))
    ensemble = Ensemble(trees, features, np.zeros(outputs), False, False, may, named)
    reading = _reading(header.get("objective", "custom"), outputs, classes)
    cells = all_cells(header.get("feature_infos"), features)
    labels = _named(tail, names, cells, trees, categories is not None)
    return Boosted(ensemble, reading, labels.by_column(categories) if labels else {}, zeros)


def _zeros(sections: Iterable[str]) -> frozenset[int]:
    """Features in which a missing cell is 0 wherever a tree asks: no cell was missing in training, or zeros were."""
    zero, otherwise = set[int](), set[int]()
    for section in sections:
        fields = _fields(section)
        inner = read_count(fields["num_leaves"], _MOST_LEAVES) - 1
        asked, decisions = (_integers(fields, name, inner) for name in ("split_feature", "decision_type"))
        for feature, decision in zip(asked, decisions, strict=True):
            (zero if not decision & 1 and decision >> 2 & 3 in (0, 1) else otherwise).add(feature)
    return frozenset(zero - otherwise)


def _fields(section: str) -> Fields:
    """Lines `key=value` up to an empty one, and lines without a value. Raises ValueError where a key comes twice."""
    found = dict[str, str]()
    for line in section.strip("\n").split("\n"):
        if not line:
            break
        key, _, value = line.partition("=")
        if key in found:
            raise ValueError(f"{key!r:.40} comes twice")
        found[key] = value
    return found


def _reading(objective: str, outputs: int, classes: ArrayLike | None) -> Reading:
    """Of an objective with its parameters, as 'binary sigmoid:1'. Raises UnsupportedModel, ValueError."""
    name, *options = objective.split(" ")
    given = dict(option.partition(":")[::2] for option in options)
    if "sqrt" in given:
        raise UnsupportedModel(
            "reg_sqrt",
            "objective",
            "no client knows the square with the sign of a score",
            "those trained without reg_sqrt",
        )
    made: dict[str, Callable[[], Reading]] = {
        "binary": lambda: objectives.binary(classes, _slope(given["sigmoid"])),
        "multiclass": lambda: objectives.multiclass(outputs, classes),
        "multiclassova": lambda: objectives.one_against_rest(outputs, classes, _slope(given["sigmoid"])),
        "cross_entropy": lambda: objectives.regression(outputs, "sigmoid", classes),
        "cross_entropy_lambda": lambda: objectives.regression(outputs, "log1p-exp", classes),
        **dict.fromkeys(_IDENTITY, lambda: objectives.regression(outputs, classes=classes)),
        **dict.fromkeys(_EXP, lambda: objectives.regression(outputs, "exp", classes)),
    }
    if name not in made:
        raise UnsupportedModel(
            f"objective {name!r:.40}", "the header", "what its scores mean is not known", ", ".join(OBJECTIVES)
        )
    if (name in ("multiclass", "multiclassova")) != (outputs > 1):
        raise WireFormatError(WHAT, f"it has {outputs} outputs and the objective {name}")
    return made[name]()


@dataclass(frozen=True, eq=False)
class _Saved:
    """The nodes of one tree."""

    features: Sequence[int]
    thresholds: Floats
    decisions: Sequence[int]
    left: Sequence[int]
    right: Sequence[int]
    sets: Sequence[tuple[Value, ...]]


def _tree(fields: Fields, output: int, share: float, outputs: int, features: int) -> Tree:
    """One tree, whose leaves are multiplied by a share. Raises WireFormatError, UnsupportedModel, ValueError."""
    if fields.get("is_linear", "0") != "0":
        raise UnsupportedModel(
            "a linear tree",
            "a tree",
            "its leaves are linear models of the features",
            "those trained without linear_tree",
        )
    leaves = read_count(fields["num_leaves"], _MOST_LEAVES)
    inner = leaves - 1
    values = _numbers(fields, "leaf_value", leaves) * share
    if leaves < 1 or not (np.abs(values) <= LARGEST_LEAF).all():
        raise WireFormatError(WHAT, f"a tree has no leaves, or one beyond {LARGEST_LEAF:.3g}")
    names = ("split_feature", "decision_type", "left_child", "right_child")
    asked, decisions, left, right = (_integers(fields, name, inner) for name in names)
    saved = _Saved(asked, _numbers(fields, "threshold", inner), decisions, left, right, _sets(fields))

    def node(key: tuple[int, str]) -> Leaf | Split[tuple[int, str]]:
        at, part = key
        if at < 0:
            found = np.zeros(outputs)
            found[output] = values[~at]
            return Leaf(found)
        return _decision(saved, at, part)

    for place in range(inner):
        children = (saved.left[place], saved.right[place])
        if not all(-leaves <= child < inner for child in children) or not 0 <= saved.features[place] < features:
            raise WireFormatError(WHAT, f"node {place} of a tree has the children {children}, or asks for no feature")
    zeros = any(_is_about_zeros(saved, place) for place in range(inner))
    most = (2 * leaves - 1) * (_MOST_COPIES if zeros else 1)
    try:
        return tree_of((0 if inner else -1, ""), node, outputs, most, WHAT)
    except WireFormatError as error:
        if not zeros:
            raise
        reason = f"as trees of numbers it takes more than {_MOST_COPIES} times its nodes"
        raise UnsupportedModel(
            "a tree with zero_as_missing", "a tree", reason, "those trained without zero_as_missing"
        ) from error


def _beside_zero(threshold: float) -> float:
    """The threshold that tells as LightGBM does, which takes numbers next to zero for zero before it compares."""
    if abs(threshold) > ZERO:
        return threshold
    return ZERO if threshold >= 0 else _BELOW_ZERO


def _is_about_zeros(saved: _Saved, at: int) -> bool:
    """Whether zeros go where their neighbours do not: they count as missing, and missing cells go the other way."""
    decision = saved.decisions[at]
    counts = not decision & 1 and decision >> 2 & 3 == 1
    return counts and bool(decision >> 1 & 1) != (saved.thresholds[at] >= 0)


def _decision(saved: _Saved, at: int, part: str) -> Split[tuple[int, str]]:
    """A node; one that sends zeros apart from their neighbours is three, in parts.

    part: "" for the first one; "near" for the one that zeros come to, "zero" for the one after that.
    """
    feature, threshold, decision = saved.features[at], float(saved.thresholds[at]), saved.decisions[at]
    left, right = (saved.left[at], ""), (saved.right[at], "")
    if decision & 1:
        # a missing cell is in no category
        if not 0 <= threshold < len(saved.sets) or threshold != int(threshold):
            raise WireFormatError(WHAT, f"node {at} of a tree has no set of categories")
        return Split(feature, left, right, values=saved.sets[int(threshold)])
    threshold = _beside_zero(threshold)
    default, kind = bool(decision >> 1 & 1), decision >> 2 & 3
    if kind == 0:  # a missing cell is 0
        return Split(feature, left, right, threshold, missing_left=threshold >= 0)
    if kind == 3:
        raise WireFormatError(WHAT, f"node {at} of a tree takes missing cells in no way that is known")
    if not _is_about_zeros(saved, at):
        return Split(feature, left, right, threshold, default)
    beside, home = (left, right) if threshold >= 0 else (right, left)
    if part == "near":
        return Split(feature, (at, "zero"), beside, ZERO)
    if part == "zero":
        return Split(feature, beside, home, _BELOW_ZERO)
    near = (at, "near")
    return Split(feature, *((near, right) if threshold >= 0 else (left, near)), threshold, default)


def _sets(fields: Fields) -> list[tuple[Value, ...]]:
    """The categories that go left, of each node that asks for some: bits of words. Raises WireFormatError."""
    count = read_count(fields.get("num_cat", "0"), _MOST_LEAVES)
    if not count:
        return []
    ends, words = _integers(fields, "cat_boundaries", count + 1), _integers(fields, "cat_threshold", None)
    if ends[0] != 0 or sorted(ends) != list(ends) or ends[-1] != len(words):
        raise WireFormatError(WHAT, "the categories of a tree are not those of its nodes")
    if not all(0 <= word < 1 << 32 for word in words):
        raise WireFormatError(WHAT, "a set of categories has more than 32 bits a word")
    require_categories(sum(word.bit_count() for word in words))
    return [
        tuple(
            float(32 * place + bit)
            for place, word in enumerate(words[start:end])
            for bit in range(32)
            if word >> bit & 1
        )
        for start, end in pairwise(ends)
    ]


def _named(
    tail: str, names: Sequence[str], cells: Sequence[Cells | None], trees: Sequence[Tree], wanted: bool
) -> Named | None:
    """What categories are called, where the model was trained on a table of pandas that says so.

    wanted: whether it must say so. Raises ParameterError.
    """
    found = re.search(r"^pandas_categorical:(.*)$", tail, flags=re.MULTILINE)
    labels = read_json(found[1]) if found else None
    if not labels:
        if wanted:
            raise ParameterError("categories are given, and the model has no names of any.", "Leave them out.")
        return None
    chosen = re.search(r"^\[categorical_feature: ([0-9,]*)\]$", tail, flags=re.MULTILINE)
    places = [read_count(each, len(names) - 1) for each in chosen[1].split(",") if each] if chosen else []
    kinds = tuple[float | str, ...]
    return Named([built(kinds, each) for each in labels], sorted({*places}), names, cells, trees)


def _integers(fields: Fields, name: str, count: int | None) -> list[int]:
    """Whole numbers of a field. Raises ValueError where it is missing, or has others or another count of them."""
    words = fields.get(name, "").split() if count == 0 else fields[name].split()
    if (count is not None and len(words) != count) or not all(_INTEGER.fullmatch(word) for word in words):
        raise ValueError(f"{name} is not {count} whole numbers")
    return [int(word) for word in words]


def _numbers(fields: Fields, name: str, count: int) -> Floats:
    """Numbers of a field. Raises ValueError as `_integers` does."""
    words = fields.get(name, "").split() if count == 0 else fields[name].split()
    if len(words) != count or not all(_NUMBER.fullmatch(word) for word in words):
        raise ValueError(f"{name} is not {count} numbers")
    return np.array(words, dtype=np.float64) if words else np.zeros(0)


def _slope(text: str) -> float:
    """The parameter `sigmoid` of an objective, which LightGBM wants above 0. Raises ValueError."""
    if not _NUMBER.fullmatch(text) or not 0 < float(text) < np.inf:
        raise ValueError(f"sigmoid {text!r:.40} is no number above 0")
    return float(text)
