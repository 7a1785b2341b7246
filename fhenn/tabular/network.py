"""The nodes of a small model, trained on rows of a table: a linear map, or a multilayer perceptron.

The features are standardised, which is folded into the first weights; a penalty keeps pre-activations in the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError
from fhenn.interop import fold
from fhenn.nn import Activation, Adam, Affine, Linear, Node, Scaling, Sequential
from fhenn.nn.finish import Finish, finished
from fhenn.ranges import penalised_backward

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Progress = Callable[[int, int], None]
"""Called with (done, total) epochs."""

_BATCH, _MOST_BATCHES = 32, 1024
"""Samples of a batch; and how many batches an epoch has at most: those of longer tables are larger."""
_RATE, _DECAY = 0.01, 3e-2
_STRENGTH, _MARGIN = 1.0, 2.0
"""Of the range penalty: pre-activations are kept within half of the domain, which leaves room for other data."""
_RIDGE = 1e-4
"""Of least squares, on standardised features: so that columns that say the same have weights of ordinary size."""
_BLOCK = 1 << 16
"""Rows that are standardised at once."""
_SAMPLE = 1 << 14
"""Rows by which first weights are chosen."""


def fit_network(
    x: Floats,
    targets: NDArray[np.generic],
    outputs: int,
    hidden: Sequence[int],
    activation: Activation,
    *,
    rows: Places | None = None,
    task: Literal["classification", "regression"] = "classification",
    epochs: int,
    seed: int,
    progress: Progress,
    names: Sequence[str] | None = None,
) -> list[Node]:
    """Nodes from features as they are to scores: of classes by the cross-entropy, of a number by the squared error.

    x: (samples, features), finite; no copy of it is made.
    targets: (samples,), places of classes, or the numbers themselves.
    outputs: how many scores there are: 1 for two classes or a number.
    hidden: units of each hidden layer; none for a linear map, which for a number is that of the least squares.
    activation: of the hidden layers.
    rows: that are trained on; None for all.
    task: what the targets are.
    epochs: passes over the samples.
    seed: of the initial weights and of the order of the samples.
    progress: called with (done, total) epochs.
    names: of the features, for errors; None for their places.
    Raises ParameterError where squares of features or numbers are none in double precision.
    """
    chosen = np.arange(len(x)) if rows is None else rows
    mean, deviation = _moments(x, chosen, names)
    before = Affine(Scaling(1 / deviation), -mean / deviation)

    def scaled(places: Places) -> Floats:
        standard: Floats = (x[places] - mean) / deviation
        return standard

    if task == "classification":
        model = _trained(scaled, chosen, targets, outputs, hidden, activation, epochs, seed, progress)
        return _plain([before, model])
    numbers = np.asarray(targets, dtype=np.float64)
    (centre,), (spread,) = _moments(numbers[:, None], chosen, ["the labels"])
    after = Affine(Scaling([spread]), [centre])
    wanted = (numbers - centre) / spread
    if not hidden:
        return _plain([before, _least_squares(scaled, chosen, wanted), after])
    return _plain([before, _trained(scaled, chosen, wanted, None, hidden, activation, epochs, seed, progress), after])


def _moments(x: Floats, rows: Places, names: Sequence[str] | None) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column in some rows; 1 in the place of the deviation of a constant.

    Raises ParameterError where values are so large, or differ by so little, that their squares are lost.
    """
    blocks = np.array_split(rows, ceil(len(rows) / _BLOCK))
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        mean = np.sum([x[block].sum(axis=0) for block in blocks], axis=0) / len(rows)
        square = np.sum([((x[block] - mean) ** 2).sum(axis=0) for block in blocks], axis=0) / len(rows)
    varies = np.any([(x[block] != x[rows[0]]).any(axis=0) for block in blocks], axis=0)
    lost = np.flatnonzero(~np.isfinite(square) | (varies & (square == 0)))
    if len(lost):
        place = int(lost[0])
        most = np.abs(x[rows, place]).max()
        raise ParameterError(
            f"values of {f'feature {place}' if names is None else names[place]} reach {most:.3g}: their squares are "
            f"{'none' if np.isfinite(square[place]) else 'no numbers'} in double precision.",
            "Give them in another unit, or leave the column out with --drop.",
        )
    deviation = np.sqrt(square)
    deviation[deviation == 0] = 1.0  # a constant feature says nothing
    return mean, deviation


def _least_squares(scaled: Callable[[Places], Floats], rows: Places, targets: Floats) -> Linear:
    """The linear map of the least squares on standardised features, with a little ridge."""
    features = scaled(rows[:1]).shape[1]
    gram, moment = np.zeros((features, features)), np.zeros(features)
    for block in np.array_split(rows, ceil(len(rows) / _BLOCK)):
        x = scaled(block)
        gram, moment = gram + x.T @ x, moment + x.T @ targets[block]
    return Linear(np.linalg.solve(gram + _RIDGE * len(rows) * np.eye(features), moment)[None])


def _trained(
    scaled: Callable[[Places], Floats],
    rows: Places,
    targets: NDArray[np.generic],
    outputs: int | None,
    hidden: Sequence[int],
    activation: Activation,
    epochs: int,
    seed: int,
    progress: Progress,
) -> Sequential:
    """A network trained on standardised features; outputs: None for one that is a number."""
    rng = np.random.default_rng(seed)
    model = _untrained(scaled(rows[:_SAMPLE]), [*hidden, outputs or 1], activation, rng)
    batches = ceil(len(rows) / max(_BATCH, ceil(len(rows) / _MOST_BATCHES)))
    finish: Finish | None = None if outputs is None else "sigmoid" if outputs == 1 else "softmax"
    codes = np.eye(outputs) if outputs is not None and outputs > 1 else None
    for epoch in range(epochs):
        progress(epoch, epochs)
        for batch in np.array_split(rng.permutation(len(rows)), batches):
            at = rows[batch]
            wanted = targets[at][:, None].astype(np.float64) if codes is None else codes[targets[at]]
            # the gradient of the loss at the scores: of the cross-entropy for either finish, or half the square
            error = finished(finish, model.forward(scaled(at))) - wanted
            penalised_backward(model, error / len(batch), _STRENGTH, margin=_MARGIN)
            model.updates()
    progress(epochs, epochs)
    model.disable_cache()
    return model


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


def _plain(nodes: Sequence[Node]) -> list[Node]:
    """The layers of nodes, folded, without what they keep for training."""
    return [
        node.with_policy("warn") if isinstance(node, Activation) else _without_optimiser(node) for node in fold(nodes)
    ]


def _without_optimiser(node: Node) -> Node:
    """A Linear without its optimiser's memory."""
    return Linear(node.weight, node.bias) if isinstance(node, Linear) else node
