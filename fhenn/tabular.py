"""`train`: a small model of table data, ready to run encrypted: standardised, kept in band, folded into its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch
from fhenn.interop import Affine, ImportedModel, Reading
from fhenn.interop.affine import merged
from fhenn.nn import Activation, Adam, Linear, Node, Sequential, Square
from fhenn.nn.finish import Finish, finished
from fhenn.ranges import penalised_backward

Floats = NDArray[np.float64]

_BATCH = 32
_RATE, _DECAY = 0.01, 3e-2
_STRENGTH, _MARGIN = 1.0, 2.0
"""Of the range penalty: pre-activations are kept within half of the domain, which leaves room for other data."""


def train(
    features: ArrayLike,
    labels: ArrayLike,
    hidden: Sequence[int] = (),
    activation: Activation | None = None,
    *,
    names: Sequence[str] | None = None,
    epochs: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ImportedModel:
    """A classifier: logistic or softmax regression, or a multilayer perceptron with `hidden` units a layer.

    features: (samples, features). labels: (samples,), two classes or more. activation: between layers, by default a
    `Square`, which is exact and takes one level; the range penalty keeps pre-activations in its domain. Inputs are
    standardised, which is then folded into the first weights: the model takes the features as they are. The scores are
    finished exactly on the client. names: of the features. progress: called with (done, total) epochs. Adam on the
    cross-entropy, in batches of 32.
    Raises ShapeMismatch, NonFiniteValue, ParameterError.

    >>> x = np.array([[0.0, 5.0], [1.0, 5.0], [9.0, 5.0], [10.0, 5.0]])
    >>> train(x, ["low", "low", "high", "high"], epochs=20).predict(x).tolist()
    ['low', 'low', 'high', 'high']
    """
    x, y = _checked(features, labels)
    classes, targets = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ParameterError(f"the labels are all {classes[0]!r}.", "Give data of two classes or more.")
    if any(units < 1 for units in hidden) or epochs < 1:
        raise ParameterError("a layer of no units, or no epochs.", "Give numbers from 1.")
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
        for node in merged([Affine.of(1 / deviation, -mean / deviation), model])
    ]
    reading = Reading.classification(classes, "sigmoid" if outputs == 1 else "softmax", names)
    return ImportedModel(final, reading)


def _checked(features: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.generic]]:
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if x.ndim != 2 or 0 in x.shape or y.shape != (len(x),):
        raise ShapeMismatch("train", x.shape, f"(samples, features), with a label each; got labels {y.shape}")
    nonfinite = int(np.count_nonzero(~np.isfinite(x)))
    if y.dtype.kind == "f":
        nonfinite += int(np.count_nonzero(~np.isfinite(y)))
    if nonfinite:
        raise NonFiniteValue("train", nonfinite, "Drop or impute them first.")
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
    return Linear(node.weight, node.bias) if isinstance(node, Linear) else node
