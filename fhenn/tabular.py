"""`train`: a small classifier for tables that is ready to run encrypted.

The features are standardised, which is folded into the first weights; a penalty keeps pre-activations in the domain.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.columns import column_of, samples, table_of
from fhenn.errors import DataWarning, MissingValues, ParameterError, ShapeMismatch
from fhenn.interop import ImportedModel, Reading, fold
from fhenn.missing import missing_places
from fhenn.nn import Activation, Adam, Affine, Linear, Node, Scaling, Sequential, Square
from fhenn.nn.finish import Finish, finished
from fhenn.ranges import penalised_backward

Floats = NDArray[np.float64]

_BATCH = 32
_RATE, _DECAY = 0.01, 3e-2
_STRENGTH, _MARGIN = 1.0, 2.0
"""Of the range penalty: pre-activations are kept within half of the domain, which leaves room for other data."""

_FEW = 5
_MOST_NAMED = 5
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)([.,]\d+([eE][+-]?\d+)?|[eE][+-]\d+)?", re.ASCII)
"""Text that is a number. `1E30` is not taken for one, since codes are written so."""
_MANY, _MOST, _EACH = 20, 100, 15
"""How many whole numbers may be classes: without a question; at most; and samples of each, on average, beyond _MANY."""


def train(
    features: Any,
    labels: ArrayLike,
    hidden: Sequence[int] = (),
    activation: Activation | None = None,
    *,
    names: Sequence[str] | None = None,
    epochs: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ImportedModel:
    """Train a classifier: logistic or softmax regression, or a multilayer perceptron.

    features: (samples, features), an array or anything with named columns, for instance a DataFrame.
    labels: (samples,), as `require_classes` accepts them.
    hidden: units of each hidden layer; none for a regression.
    activation: of the hidden layers; by default a `Square`, which is exact and consumes one level.
    names: of the features. None for those of the columns, or their labels as text, unless these are 0, 1, 2, ….
    epochs: passes over the samples, by Adam on the cross-entropy in batches of 32.
    seed: of the initial weights and of the order of the samples.
    progress: called with (done, total) epochs.

    Returns a model that takes the features as they are: they are standardised for training, which is then folded into
    the first weights. The client applies the sigmoid or softmax to the scores, exactly.
    Raises ShapeMismatch, FeatureMismatch, NonFiniteValue, MissingValues, UnsupportedValue, ParameterError.
    Warns as `require_classes` and `warn_of_identifiers` do.

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [16.0], [17.0], [18.0], [19.0], [20.0]])
    >>> train(x, ["low"] * 5 + ["high"] * 5, epochs=20).predict([[3.5], [17.5]]).tolist()
    ['low', 'high']
    """
    table = table_of(features)
    if table is not None and names is None:
        names = table.labels
    x, y = _checked(features if table is None else table, labels, names)
    classes, targets = np.unique(require_classes(y), return_inverse=True)
    if any(units < 1 for units in hidden) or epochs < 1:
        raise ParameterError(
            f"hidden units and epochs must be 1 or more, not hidden {tuple(hidden)} and epochs {epochs}.",
            "Give for instance hidden units (8,) and 100 epochs.",
        )
    warn_of_identifiers(x, names)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1.0  # a constant feature says nothing
    scaled = (x - mean) / deviation
    rng = np.random.default_rng(seed)
    outputs = 1 if len(classes) == 2 else len(classes)
    model = _untrained(scaled, [*hidden, outputs], activation or Square(), rng)
    _descend(model, scaled, targets, outputs, epochs, rng, progress)
    model.disable_cache()
    final = [
        node.with_policy("warn") if isinstance(node, Activation) else _plain(node)
        for node in fold([Affine(Scaling(1 / deviation), -mean / deviation), model])
    ]
    reading = Reading.classification(classes, "sigmoid" if outputs == 1 else "softmax", names)
    return ImportedModel(final, reading)


def require_classes(labels: ArrayLike) -> NDArray[Any]:
    """The labels of a classification, after a check that they are classes.

    labels: (samples,), text or numbers. Whole numbers are classes up to 20 values, and up to 100 where there are 15
    samples or more for each value on average; fractions are classes up to 10 values. Text counts as numbers where 9 in
    10 of its values are numbers.

    Returns them as an array (samples,).
    Raises MissingValues where a label is missing (a word of `fhenn.missing.MISSING`, None, NaN, NaT, `pandas.NA`, a
    masked value); ParameterError where all labels are alike, where they are numbers with too many values for classes (a
    regression target), or where most samples have a label of their own.
    Warns (DataWarning) of classes with fewer than 5 samples, and of more than 20 whole numbers.

    >>> require_classes(["a", "N/A", "b"])
    Traceback (most recent call last):
    ...
    fhenn.errors.MissingValues: train: values are missing or infinite in labels (1: sample 1). Label or drop these \
samples.
    """
    cells = column_of(labels)
    y = np.ma.getdata(cells)
    absent = {*missing_places(y), *np.flatnonzero(np.ma.getmaskarray(cells)).tolist()}
    if y.dtype.kind == "f":
        absent |= {*np.flatnonzero(~np.isfinite(y)).tolist()}
    missing = sorted(absent)
    if missing:
        places = ", ".join(map(str, missing[:_MOST_NAMED])) + ", …" * (len(missing) > _MOST_NAMED)
        where = f"sample{'s' * (len(missing) > 1)} {places}"
        raise MissingValues(
            "train", len(missing), "Label or drop these samples.", ("labels",), (len(missing),), (where,)
        )
    try:
        classes, counts = np.unique(y, return_counts=True)
    except TypeError as error:
        raise ParameterError(
            "the labels are of several types, which cannot be compared.", "Make all of them text, or all numbers."
        ) from error
    _require_few(y, classes)
    few = [f"{classes[place]!s:.40} ({counts[place]})" for place in np.flatnonzero(counts < _FEW)]
    if few:
        named = ", ".join(few[:_MOST_NAMED]) + ", …" * (len(few) > _MOST_NAMED)
        message = f"{len(few)} of {len(classes)} classes have fewer than {_FEW} samples: {named}. Are they misspelt?"
        warnings.warn(DataWarning(message), stacklevel=2)
    return y


def _require_few(y: NDArray[Any], classes: NDArray[Any]) -> None:
    """Raise ParameterError where labels are alike, or values of a continuous target, or one a sample."""
    samples, count = len(y), len(classes)
    if count < 2:
        raise ParameterError(f"the labels are all {classes.tolist()[0]!r}.", "Give samples of two classes or more.")
    values = [float(str(each).replace(",", ".")) for each in classes.tolist() if _is_number(each)]
    if len(values) >= 0.9 * count and y.dtype.kind != "b":
        whole = all(value.is_integer() for value in values)
        most = max(_MANY, min(_MOST, samples // _EACH)) if whole else 10
        if count > most or 2 * count > samples > 2 * _FEW:
            raise ParameterError(
                f"the labels are numbers with {count} values in {samples} samples: a regression target, not classes.",
                "`train` fits classes only: cut the numbers into a few classes, as 'low' and 'high', or fit a "
                "regression with scikit-learn and convert it with fhenn.from_sklearn. If the numbers are codes of "
                "classes, write them as text, as 'c17'.",
            )
        if whole and count > _MANY:
            message = (
                f"the labels have {count} different whole numbers, and each is treated as a class. If they measure "
                "something, as an age does, cut them into a few classes, as 'low' and 'high'."
            )
            warnings.warn(DataWarning(message), stacklevel=3)
    elif 2 * count > samples > 2 * _FEW:
        raise ParameterError(
            f"the labels have {count} values in {samples} samples: too many for classes.",
            "Choose the column that holds the class of each sample.",
        )


def _is_number(label: Any) -> bool:
    return isinstance(label, int | float) or bool(_NUMBER.fullmatch(str(label)))


def warn_of_identifiers(x: Floats, names: Sequence[str] | None = None) -> None:
    """Warn (DataWarning) of columns that number or identify the samples, which a model learns by heart.

    x: (samples, features).
    names: of the features, None for their places.

    Such columns hold whole numbers without a gap, each once and in any order (from 5 samples on), or whole numbers of
    which 95 in 100 are different (from 20 samples on).
    """
    for place, column in enumerate(x.T):
        if len(column) < _FEW or np.any(column != np.round(column)):
            continue
        values = np.unique(column)
        numbered = len(values) == len(column) == values[-1] - values[0] + 1
        if numbered or (len(column) >= 4 * _FEW and len(values) >= 0.95 * len(column)):
            what = "numbers the samples" if numbered else f"has {len(values)} whole numbers in {len(column)} samples"
            name = repr(names[place]) if names is not None else str(place)
            message = f"feature {name} {what}: is it an identifier? Leave it out, unless it measures something."
            warnings.warn(DataWarning(message), stacklevel=2)


def _checked(features: Any, labels: ArrayLike, names: Sequence[str] | None) -> tuple[Floats, NDArray[Any]]:
    x, y = samples(features, names, "train"), column_of(labels)
    if x.ndim != 2 or 0 in x.shape or y.shape != (len(x),):
        raise ShapeMismatch(
            "train", x.shape, f"(samples, features) with one label for each sample; the labels have shape {y.shape}"
        )
    return x, y


def _untrained(x: Floats, units: Sequence[int], activation: Activation, rng: np.random.Generator) -> Sequential:
    """Linear nodes with activations between, whose weights suit the domain on standardised data."""
    optimiser = Adam(_RATE, weight_decay=_DECAY)
    nodes: list[Node] = []
    at = x
    for place, count in enumerate(units):
        if place:
            between = activation.with_policy("ignore")  # while it learns; the trained model says
            at = between.infer(at)
            nodes.append(between)
        linear = Linear(activation.propose_weights(at, count, rng), optimiser=optimiser)
        at = linear.infer(at)
        nodes.append(linear)
    return Sequential(nodes)


def _descend(
    model: Sequential,
    x: Floats,
    targets: NDArray[np.intp],
    outputs: int,
    epochs: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], None],
) -> None:
    wanted = targets[:, None].astype(np.float64) if outputs == 1 else np.eye(outputs)[targets]
    finish: Finish = "sigmoid" if outputs == 1 else "softmax"
    batches = ceil(len(x) / _BATCH)
    for epoch in range(epochs):
        progress(epoch, epochs)
        for batch in np.array_split(rng.permutation(len(x)), batches):
            # the gradient of the cross-entropy at the scores, for either finish
            error = finished(finish, model.forward(x[batch])) - wanted[batch]
            penalised_backward(model, error / len(batch), _STRENGTH, margin=_MARGIN)
            model.updates()
    progress(epochs, epochs)


def _plain(node: Node) -> Node:
    """A Linear without its optimiser's memory."""
    return Linear(node.weight, node.bias) if isinstance(node, Linear) else node  # Linear: what trains has an optimiser
