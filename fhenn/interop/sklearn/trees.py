"""Decision trees and ensembles of them: bits of the features on the client, then exactly what the trees say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.interop.reading import Maps, Reading
from fhenn.interop.reading.compact import complemented, opposed
from fhenn.interop.reading.expressions import Expression, Scores
from fhenn.interop.reading.operations import Apply, Exceeds, FirstWithin, Scale, Softmax
from fhenn.interop.sklearn.imported import Final, Imported, Maker, refuse
from fhenn.interop.trees import Ensemble, Tree
from fhenn.text import an

Floats = NDArray[np.float64]

_TIE = 1e-5
"""How far above another a later class must be to win: votes are often even, and scikit-learn takes the first then.
It is the most that shares of votes were off by in default plans: 9e-6, and 1e-8 in most of them."""


def makers() -> dict[type, Maker]:
    """The estimators of this module."""
    from sklearn import ensemble, tree

    return {
        **dict.fromkeys((tree.DecisionTreeClassifier, tree.ExtraTreeClassifier), _classifier),
        **dict.fromkeys((ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier), _classifier),
        **dict.fromkeys((tree.DecisionTreeRegressor, tree.ExtraTreeRegressor), _regressor),
        **dict.fromkeys((ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor), _regressor),
        **dict.fromkeys((ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor), _boosted),
        ensemble.AdaBoostClassifier: _voting,
        ensemble.IsolationForest: _isolation,
    }


def imported(
    step: Any,
    trees: Iterable[Tree],
    offset: Floats | Sequence[float],
    reading: Reading,
    *,
    decides: bool = True,
    features: int | None = None,
    single: bool = True,
    missing: bool = False,
    transformers: tuple[tuple[Any, str], ...] = (),
) -> Imported:
    """What a client does, and the nodes, of trees.

    step: the estimator that they are of.
    trees, offset, single, missing: as of an `Ensemble`; `missing` is for all features.
    reading, decides, transformers: as of `Imported`.
    features: how many there are; None for as many as the estimator was fitted on.
    Raises ParameterError where it is more than an `Ensemble` may be, or none that depends on the sample.
    """
    count = int(step.n_features_in_) if features is None else features
    ensemble = Ensemble(tuple(trees), count, np.asarray(offset), single=single, missing=(missing,) * count)
    return Imported([], reading, decides, transformers).of_trees(ensemble)


def tree_of(tree: Any, values: Floats, places: NDArray[np.integer[Any]] | None = None) -> Tree:
    """A tree of scikit-learn's.

    tree: its `tree_`.
    values: of its nodes, (nodes, outputs).
    places: of its features among those of the ensemble; None where they are the same.
    """
    leaf = tree.children_left < 0
    features = tree.feature if places is None else np.asarray(places)[np.where(leaf, 0, tree.feature)]
    return Tree(
        np.where(leaf, -1, features),
        tree.threshold,
        tree.children_left,
        tree.children_right,
        tree.missing_go_to_left.astype(bool),
        values,
    )


def takes_missing(step: Any) -> bool:
    """Whether an estimator takes samples with missing cells, and was fitted on such.

    Where no cell was missing, scikit-learn sends missing ones where more of the samples went: trees that do so at every
    node have nothing learnt to say of them, and bits for them would only cost.
    """
    from sklearn.utils import get_tags

    if not get_tags(step).input_tags.allow_nan:
        return False
    return any(
        parts_missing(tree.missing_go_to_left, tree.n_node_samples, tree.children_left, tree.children_right)
        for tree in (each.tree_ for each in _members(step))
    )


def parts_missing(goes_left: Any, samples: Any, left: Any, right: Any) -> bool:
    """Whether a node of a tree sends missing cells elsewhere than where more of its samples went.

    goes_left, samples, left, right: of each node, where missing cells go, how many samples came, and its children.
    """
    inner = np.asarray(left) > 0
    more = np.asarray(samples)[np.asarray(left)[inner]] > np.asarray(samples)[np.asarray(right)[inner]]
    return bool(np.any(np.asarray(goes_left).astype(bool)[inner] != more))


def _members(step: Any) -> list[Any]:
    """The trees of a forest, or a tree itself."""
    return list(getattr(step, "estimators_", [step]))


def _classifier(step: Any, where: str, final: Final) -> Imported:
    """The mean of the shares of the classes in the leaves; of two classes that of the second."""
    found = _members(step)
    several = step.n_outputs_ > 1
    classes = [np.asarray(each) for each in (step.classes_ if several else [step.classes_])]
    sizes = [len(each) for each in classes]
    if min(sizes) < 2:
        raise refuse(step, where, "it was fitted on samples of one class", "samples of two classes or more")
    trees = [tree_of(each.tree_, _shares(each.tree_.value, sizes) / len(found)) for each in found]
    readings, start = list[Reading](), 0
    for labels, size in zip(classes, sizes, strict=True):
        count = 1 if size == 2 else size
        readings.append(Reading.classification(labels, maps=votes(range(start, start + count))))
        start += count
    reading = Reading.multioutput(readings) if several else readings[0]
    return imported(step, trees, [0.0] * start, reading, decides=False, missing=takes_missing(step))


def _shares(values: Floats, sizes: Sequence[int]) -> Floats:
    """Of each node the shares of the classes of each output, of which one does for two.

    values: (nodes, outputs, classes).
    """
    columns = [values[:, place, 1:2] if size == 2 else values[:, place, :size] for place, size in enumerate(sizes)]
    return np.concatenate(columns, axis=1)


def votes(places: Iterable[int]) -> Maps:
    """What is read of the shares of classes: the first class wins whose share is the largest, or as good as that.

    places: of the scores; one score is the share of the second of two classes.
    """
    scores = Scores(tuple(places))
    shares = complemented(scores) if scores.width == 1 else scores
    return Maps(FirstWithin(shares, _TIE), shares)


def _regressor(step: Any, where: str, final: Final) -> Imported:
    found = _members(step)
    trees = [tree_of(each.tree_, each.tree_.value[:, :, 0] / len(found)) for each in found]
    reading = Reading.regression(flat=step.n_outputs_ == 1)
    return imported(step, trees, [0.0] * step.n_outputs_, reading, missing=takes_missing(step))


def _boosted(step: Any, where: str, final: Final) -> Imported:
    """The sum of the trees, of each class some."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if not (isinstance(step.init_, str) or type(step.init_) in (DummyClassifier, DummyRegressor)):
        raise refuse(step, where, f"it begins with {an(type(step.init_).__name__)}", "init=None or 'zero'")
    begin = np.asarray(step._raw_predict_init(np.zeros((1, step.n_features_in_), dtype=np.float32)))[0]
    trees = [
        tree_of(each.tree_, _column(step.learning_rate * each.tree_.value[:, 0, 0], place, len(begin)))
        for stage in step.estimators_
        for place, each in enumerate(stage)
    ]
    if not hasattr(step, "classes_"):
        return imported(step, trees, begin, Reading.regression())
    if step.loss == "exponential":
        reading = Reading.classification(step.classes_, maps=_exponential())
    else:
        reading = Reading.classification(step.classes_, "sigmoid" if len(begin) == 1 else "softmax")
    return imported(step, trees, begin, reading)


def _column(values: Floats, place: int, outputs: int) -> Floats:
    """Values of nodes as those of one of several outputs, (nodes, outputs)."""
    found = np.zeros((len(values), outputs))
    found[:, place] = values
    return found


def _exponential() -> Maps:
    """Of the exponential loss: the logistic function of twice the score."""
    both = opposed(Scores((0,)))
    return Maps(both, Apply(Scale(both, (2.0, 2.0), (0.0, 0.0)), "sigmoid"), Scores((0,)))


def _voting(step: Any, where: str, final: Final) -> Imported:
    """SAMME (Zhu, Zou, Rosset and Hastie 2009): the weighted votes of the trees."""
    from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

    other = next(
        (each for each in step.estimators_ if type(each) not in (DecisionTreeClassifier, ExtraTreeClassifier)), None
    )
    if other is not None:
        place = f"{where}, estimators_"
        raise refuse(other, place, "it votes for a class, and is no tree", "DecisionTreeClassifier, as by default")
    if getattr(step, "algorithm", "SAMME") == "SAMME.R":
        raise refuse(step, where, "algorithm='SAMME.R' adds logarithms of shares", "algorithm='SAMME'")
    count = len(step.classes_)
    shares = step.estimator_weights_[: len(step.estimators_)] / step.estimator_weights_.sum()
    trees = []
    for each, share in zip(step.estimators_, shares.tolist(), strict=True):
        decided = np.asarray(each.classes_)[np.argmax(each.tree_.value[:, 0], axis=1)]
        votes_for = decided[:, None] == np.asarray(step.classes_)
        values = share * np.where(votes_for, 1.0, -1.0 / (count - 1))
        trees.append(tree_of(each.tree_, 2 * values[:, 1:] if count == 2 else values))
    if count == 2:
        reading = Reading.classification(step.classes_, "sigmoid")
    else:
        scores = Scores(tuple(range(count)))
        shared: Expression = Softmax(Scale(scores, (1 / (count - 1),) * count, (0.0,) * count))
        reading = Reading.classification(step.classes_, maps=Maps(scores, shared, scores))
    outputs = 1 if count == 2 else count
    return imported(step, trees, [0.0] * outputs, reading, missing=takes_missing(step))


def _isolation(step: Any, where: str, final: Final) -> Imported:
    """How soon random splits leave a sample alone (Liu, Ting and Zhou 2008): the mean depth is the score."""
    from sklearn.ensemble._iforest import _average_path_length

    most = len(step.estimators_) * float(_average_path_length([step._max_samples])[0])
    if most == 0:
        raise refuse(step, where, "it was fitted on a single sample", "more samples")
    trees = []
    for place, (each, features) in enumerate(zip(step.estimators_, step.estimators_features_, strict=True)):
        depths = step._decision_path_lengths[place] + step._average_path_length_per_tree[place] - 1.0
        trees.append(tree_of(each.tree_, depths[:, None] / most, features))
    decision = Scale(Apply(Scale(Scores((0,)), (-1.0,), (0.0,)), "exp2"), (-1.0,), (-float(step.offset_),))
    maps = Maps(complemented(Exceeds(decision, 0.0, inclusive=True)), decision=decision)
    reading = Reading.classification(np.array([-1, 1]), maps=maps)
    return imported(step, trees, [0.0], reading, missing=takes_missing(step))
