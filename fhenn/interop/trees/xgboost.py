"""Models of XGBoost, as it saves them; nothing here needs XGBoost.

Source: XGBoost's "Introduction to Model IO" and its schema of JSON; what it decides, `decision` in its predictors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import ParameterError, UnsupportedModel, WireFormatError
from fhenn.interop.reading import Reading
from fhenn.interop.trees import objectives
from fhenn.interop.trees.boosted import Boosted
from fhenn.interop.trees.ensemble import Ensemble, Tree, Value
from fhenn.interop.trees.nodes import Leaf, Split, require_categories, tree_of, trees_of
from fhenn.interop.trees.ubjson import is_ubjson, read_ubjson
from fhenn.strict import MALFORMED, built, read_count, read_json

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

WHAT = "XGBoost model"
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_MOST_OUTPUTS, _MOST_FEATURES = 1 << 12, 1 << 17
_MOST_PARTS = 1 << 20
_NO_NODE = -1

_IDENTITY = (
    *("reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror"),
    *("reg:quantileerror", "reg:expectileerror", "rank:pairwise", "rank:ndcg", "rank:map"),
)
_EXP = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
_LOGISTIC = ("binary:logistic", "reg:logistic")
_MULTICLASS = ("multi:softmax", "multi:softprob")
OBJECTIVES = (*_LOGISTIC, "binary:logitraw", "binary:hinge", *_MULTICLASS, *_IDENTITY, *_EXP)
"""What XGBoost may have been trained for."""


@dataclass(frozen=True, eq=False)
class Linear:
    """A model of XGBoost that is linear.

    weights: (outputs, features).
    bias: (outputs,).
    reading: of the scores.
    names: of the features, if they have any.
    """

    weights: Floats
    bias: Floats
    reading: Reading
    names: tuple[str, ...] | None


def read(
    content: bytes,
    *,
    classes: ArrayLike | None = None,
    rounds: int | None = None,
    missing: bool = True,
    best: bool | None = None,
) -> Boosted | Linear:
    """What a saved model is.

    content: JSON or UBJSON, of `save_model` or `save_raw`.
    classes: labels of the classes; 0, 1, … where None.
    rounds: of boosting, from the first on; None for what `predict` takes.
    missing: whether cells may be missing, or are refused.
    best: whether `predict` takes the rounds up to the best one of early stopping; None where the model itself says so,
    as the estimators for scikit-learn do when they save.
    Raises WireFormatError where it is no such model, UnsupportedModel where fhenn does not take it, ParameterError.
    """
    try:
        return _read(_document(content), classes, rounds, missing, best)
    except (WireFormatError, UnsupportedModel, ParameterError):
        raise
    except (*MALFORMED, IndexError) as error:
        raise WireFormatError(WHAT, f"it is not what XGBoost saves ({error!s:.80})".rstrip(".")) from error


def _document(content: bytes) -> Any:
    """The value of JSON or UBJSON. Raises ValueError."""
    if is_ubjson(content):
        return read_ubjson(content)
    if content.count(b"[") + content.count(b"{") > _MOST_PARTS:  # two bytes make a list of many
        raise ValueError(f"it has more than {_MOST_PARTS:,} lists and objects")
    return read_json(content, nan=True)


def _read(
    document: Any, classes: ArrayLike | None, rounds: int | None, missing: bool, best: bool | None
) -> Boosted | Linear:
    learner = document["learner"]
    booster, shape = learner["gradient_booster"], _Shape.of(learner)
    objective = built(str, learner["objective"]["name"])
    reading = _reading(objective, shape, classes)
    offset = _margin(objective, shape.base_score)
    if booster["name"] == "gblinear":
        if rounds is not None:
            raise ParameterError("rounds are given, and the model is linear.", "Leave them out.")
        return _linear(booster["model"], shape, reading, offset)
    kept = booster["gbtree"] if booster["name"] == "dart" else booster
    if kept["name"] not in ("gbtree", "dart"):
        raise _refusal(f"booster {kept['name']!r:.40}", "gradient_booster", "it is not known", "gbtree, dart, gblinear")
    model = kept["model"]
    trees, groups = model["trees"], _whole(model["tree_info"])
    weights = _singles(booster["weight_drop"]) if booster["name"] == "dart" else np.ones(len(trees))
    if not len(trees) == len(groups) == len(weights):
        raise WireFormatError(WHAT, f"{len(trees)} trees have {len(groups)} groups and {len(weights)} weights")
    count = _first_trees(model, learner.get("attributes", {}), shape, rounds, best)
    made = trees_of(
        _tree(tree, int(group), float(weight), shape)
        for tree, group, weight in zip(trees[:count], groups[:count], weights[:count], strict=True)
    )
    may = (bool(missing),) * shape.features
    ensemble = Ensemble(made, shape.features, offset, True, True, may, shape.names)
    return Boosted(ensemble, reading, _labels(model.get("cats"), shape))


@dataclass(frozen=True, eq=False)
class _Shape:
    """What goes in and comes out.

    features, names: what goes in.
    outputs: how many scores there are.
    several: whether they are of several targets, not of the classes of one.
    base_score: (outputs,), as it was saved.
    """

    features: int
    names: tuple[str, ...] | None
    outputs: int
    several: bool
    base_score: Floats

    @classmethod
    def of(cls, learner: Any) -> _Shape:
        """Of a saved learner. Raises WireFormatError."""
        parameters = learner["learner_model_param"]
        features = read_count(parameters["num_feature"], _MOST_FEATURES)
        classes = read_count(parameters["num_class"], _MOST_OUTPUTS)
        targets = read_count(parameters.get("num_target", "1"), _MOST_OUTPUTS)
        if features < 1 or (classes > 1 and targets > 1):
            raise WireFormatError(WHAT, f"it has {features} features, {classes} classes and {targets} targets")
        outputs = max(classes, targets, 1)
        names = built(tuple[str, ...], learner.get("feature_names") or [])
        if len(names) not in (0, features):
            raise WireFormatError(WHAT, f"it names {len(names)} of {features} features")
        base = _listed(parameters["base_score"])
        if len(base) not in (1, outputs):
            raise WireFormatError(WHAT, f"it has {len(base)} base scores for {outputs} outputs")
        return cls(features, names or None, outputs, targets > 1, np.broadcast_to(base, (outputs,)))


def _listed(text: Any) -> Floats:
    """The base score: '5E-1', or since version 3.1 '[5E-1,…]'. Raises ValueError."""
    parts = built(str, text).removeprefix("[").removesuffix("]").split(",")
    if not all(_NUMBER.fullmatch(part.strip()) for part in parts) or len(parts) > _MOST_OUTPUTS:
        raise ValueError(f"a base score {text!r:.40}")
    return np.array([np.float32(part) for part in parts], dtype=np.float64)


def _reading(objective: str, shape: _Shape, classes: ArrayLike | None) -> Reading:
    if objective == "binary:logitraw" and classes is None:  # what XGBoost predicts is the score
        return objectives.regression(shape.outputs)
    if objective in ("binary:logistic", "binary:logitraw", "binary:hinge"):
        if shape.several:
            return objectives.multilabel(shape.outputs, classes)
        return objectives.binary(classes, probable=objective != "binary:hinge")
    if objective in _MULTICLASS:
        return objectives.multiclass(shape.outputs, classes)
    if objective in _IDENTITY:
        return objectives.regression(shape.outputs, classes=classes)
    if objective in (*_EXP, "reg:logistic"):
        return objectives.regression(shape.outputs, "exp" if objective in _EXP else "sigmoid", classes)
    raise _refusal(
        f"objective {objective!r:.40}", "objective", "what its scores mean is not known", ", ".join(OBJECTIVES)
    )


def _margin(objective: str, base: Floats) -> Floats:
    """The base score as what is added to the leaves: XGBoost saves it as a prediction."""
    with np.errstate(all="ignore"):
        found = (
            np.log(base) - np.log1p(-base) if objective in _LOGISTIC else np.log(base) if objective in _EXP else base
        )
    if not np.isfinite(found).all():
        raise WireFormatError(WHAT, f"a base score of {base.tolist()!s:.40} is none of {objective!r:.40}")
    return np.asarray(found)


def _linear(model: Any, shape: _Shape, reading: Reading, offset: Floats) -> Linear:
    weights = _singles(model["weights"])
    if len(weights) != (shape.features + 1) * shape.outputs:
        raise WireFormatError(WHAT, f"it has {len(weights)} weights for {shape.features} features")
    table = weights.reshape(shape.features + 1, shape.outputs)
    return Linear(table[:-1].T.copy(), table[-1] + offset, reading, shape.names)


def _first_trees(
    model: Any, attributes: Mapping[str, Any], shape: _Shape, rounds: int | None, best: bool | None
) -> int:
    """How many trees `predict` takes. Raises ParameterError, WireFormatError."""
    total = len(model["trees"])
    if "iteration_indptr" in model:
        ends = _whole(model["iteration_indptr"]).tolist()
    else:  # before version 2
        parallel = read_count(model["gbtree_model_param"].get("num_parallel_tree", "1"), total + 1)
        ends = list(range(0, total + 1, max(1, parallel) * shape.outputs))
    if ends[0] != 0 or ends[-1] != total or sorted(ends) != ends:
        raise WireFormatError(WHAT, f"its rounds of boosting end at {str(ends)[:40]}, and it has {total} trees")
    if rounds is None:
        best = "scikit_learn" in attributes if best is None else best
        if not best or "best_iteration" not in attributes:
            return total
        rounds = read_count(attributes["best_iteration"], 1 << 31) + 1
    if isinstance(rounds, bool) or not isinstance(rounds, int) or not 1 <= rounds < len(ends):
        raise ParameterError(
            f"rounds must be a whole number from 1 to {len(ends) - 1}, not {rounds!r:.40}.", "Leave them out."
        )
    return int(ends[rounds])


def _tree(tree: Any, group: int, weight: float, shape: _Shape) -> Tree:
    """One tree, whose leaves are multiplied by a weight. Raises WireFormatError."""
    parameters = tree["tree_param"]
    width = read_count(parameters.get("size_leaf_vector", "1"), _MOST_OUTPUTS)
    left, right = _whole(tree["left_children"]), _whole(tree["right_children"])
    features, conditions = _whole(tree["split_indices"]), _singles(tree["split_conditions"])
    count, defaults = len(left), _whole(tree["default_left"])
    if not count or {*map(len, (right, features, conditions, defaults))} != {count}:
        raise WireFormatError(WHAT, "the parts of a tree have different lengths")
    if not 0 <= group < shape.outputs or (width > 1 and width != shape.outputs):
        raise WireFormatError(WHAT, f"a tree is for output {group} of {shape.outputs}, with {width} values a leaf")
    sets = _sets(tree, count)
    leaves = _vectors(tree, count, width) if width > 1 else None

    def node(at: int) -> Leaf | Split[int]:
        if not 0 <= at < count:
            raise WireFormatError(WHAT, f"a tree of {count} nodes has a child {at}")
        if left[at] == _NO_NODE:
            values = np.zeros(shape.outputs)
            if leaves is None:
                values[group] = conditions[at] * weight
            else:
                values[:] = leaves(at, int(right[at])) * weight
            return Leaf(values)
        feature, default = int(features[at]), bool(defaults[at])
        if not 0 <= feature < shape.features:
            raise WireFormatError(WHAT, f"a tree asks for feature {feature} of {shape.features}")
        below, above = int(left[at]), int(right[at])
        if at in sets:  # what is in the set goes right
            return Split(feature, above, below, missing_left=not default, values=sets[at])
        return Split(feature, below, above, float(conditions[at]), default)

    return tree_of(0, node, shape.outputs, count, WHAT)


def _vectors(tree: Any, count: int, width: int) -> Any:
    """Where the values of leaves are that have several: since version 3.1 in a table of their own."""
    own = "leaf_weights" in tree
    table = _singles(tree["leaf_weights" if own else "base_weights"])
    if len(table) % width or (not own and len(table) != count * width):
        raise WireFormatError(WHAT, f"leaves of {width} values have {len(table)} numbers")
    rows = table.reshape(-1, width)

    def values(at: int, place: int) -> Floats:
        row = place if own else at
        if not 0 <= row < len(rows):
            raise WireFormatError(WHAT, f"a leaf has its values in row {row} of {len(rows)}")
        found: Floats = rows[row]
        return found

    return values


def _sets(tree: Any, count: int) -> dict[int, tuple[Value, ...]]:
    """For nodes that ask for categories, those that go right. Raises WireFormatError."""
    kinds = _whole(tree["split_type"]) if "split_type" in tree else np.zeros(count, dtype=np.int64)
    asking = set(np.flatnonzero(kinds == 1).tolist())
    categories = _whole(tree.get("categories", []))
    parts = [_whole(tree.get(f"categories_{name}", [])).tolist() for name in ("nodes", "segments", "sizes")]
    if len(kinds) != count or not set(kinds.tolist()) <= {0, 1} or len({*map(len, parts)}) != 1:
        raise WireFormatError(WHAT, "the categories of a tree are not those of its nodes")
    if sum(parts[2]) > len(categories):  # or a small file would hold large sets
        raise WireFormatError(WHAT, "nodes of a tree share categories")
    require_categories(len(categories))
    found = dict[int, tuple[Value, ...]]()
    for node, start, size in zip(*parts, strict=True):
        if not 0 <= start <= start + size <= len(categories) or node in found:
            raise WireFormatError(WHAT, f"node {node} has no categories of its own")
        found[node] = tuple(map(float, categories[start : start + size]))
    left = _whole(tree["left_children"])
    if {node for node in asking if left[node] != _NO_NODE} - found.keys():
        raise WireFormatError(WHAT, "a node asks for categories, and has none")
    return {node: found[node] for node in asking if node in found}


def _labels(saved: Any, shape: _Shape) -> dict[int, Sequence[Value]]:
    """What categories are called, where the model was trained on a table that says so: since version 3.1."""
    coded = (saved or {}).get("enc") or []
    if len(coded) not in (0, shape.features):
        raise WireFormatError(WHAT, f"categories are named for {len(coded)} of {shape.features} features")
    return {place: labels for place, each in enumerate(coded) if (labels := tuple(_names(each)))}


def _names(coded: Any) -> Iterator[Value]:
    values = built(tuple[float, ...], coded["values"])
    if "offsets" not in coded:
        yield from values
        return
    ends = _whole(coded["offsets"]).tolist()
    content = np.array(values, dtype=np.int64).astype(np.uint8).tobytes()  # signed in JSON
    if ends and (ends[0] != 0 or sorted(ends) != ends or ends[-1] > len(content)):
        raise WireFormatError(WHAT, "names of categories have no ends")
    for start, end in pairwise(ends):
        try:
            yield content[start:end].decode("ascii")
        except UnicodeDecodeError as error:  # XGBoost 3.2 counts characters where it should count bytes
            raise _refusal(
                f"category {content[start:end]!r:.40}",
                "cats",
                "XGBoost cuts names that are not all ASCII",
                "names in ASCII, or numbers in their place",
            ) from error


def _whole(values: Any) -> Whole:
    """A list of whole numbers, or truths. Raises ValueError."""
    if not isinstance(values, list) or not {*map(type, values)} <= {int, bool}:
        raise ValueError("a list that is not of whole numbers")
    return np.array(values, dtype=np.int64)


def _singles(values: Any) -> Floats:
    """A list of numbers in single precision. Raises ValueError."""
    with np.errstate(over="raise"):
        try:
            return np.array(built(tuple[float, ...], values), dtype=np.float32).astype(np.float64)
        except FloatingPointError as error:
            raise ValueError("a number beyond single precision") from error


def _refusal(what: str, where: str, reason: str, supported: str) -> UnsupportedModel:
    return UnsupportedModel(what, where, reason, supported)
