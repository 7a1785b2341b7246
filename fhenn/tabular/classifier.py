"""`train`: a small model for tables that is ready to run encrypted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.columns import column_of, samples, table_of
from fhenn.errors import ParameterError, ShapeMismatch
from fhenn.interop import ImportedModel
from fhenn.nn import Activation
from fhenn.tabular.candidates import Data, Network, Task
from fhenn.tabular.classes import require_classes, warn_of_identifiers

Floats = NDArray[np.float64]


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
    task: Task = "classification",
) -> ImportedModel:
    """Train a small model: logistic, softmax or linear regression, or a multilayer perceptron.

    features: (samples, features), an array or anything with named columns, for instance a DataFrame.
    labels: (samples,), as `require_classes` accepts them; of a regression finite numbers.
    hidden: units of each hidden layer; none for a regression.
    activation: of the hidden layers; by default a `Square`, which is exact and consumes one level.
    names: of the features. None for those of the columns, or their labels as text, unless these are 0, 1, 2, ….
    epochs: passes over the samples, by Adam on the cross-entropy, or the squared error, in batches of 32 or 1/1024.
    seed: of the initial weights and of the order of the samples.
    progress: called with (done, total) epochs.
    task: "regression" to predict the numbers themselves, by the least squares.

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
    if any(units < 1 for units in hidden) or epochs < 1:
        raise ParameterError(
            f"hidden units and epochs must be 1 or more, not hidden {tuple(hidden)} and epochs {epochs}.",
            "Give for instance hidden units (8,) and 100 epochs.",
        )
    warn_of_identifiers(x, names)
    targets: NDArray[Any]
    if task == "regression":
        classes, targets = np.array([]), samples(y, operation="train")
    else:
        classes, targets = np.unique(require_classes(y), return_inverse=True)
    data = Data(x, targets, task, classes, None if names is None else tuple(map(str, names)))
    model = Network(hidden=tuple(hidden), activation=activation, epochs=epochs).fit(data, None, seed, progress=progress)
    assert isinstance(model, ImportedModel)  # noqa: S101  (for the type checker)
    return model


def _checked(features: Any, labels: ArrayLike, names: Sequence[str] | None) -> tuple[Floats, NDArray[Any]]:
    x, y = samples(features, names, "train"), column_of(labels)
    if x.ndim != 2 or 0 in x.shape or y.shape != (len(x),):
        raise ShapeMismatch(
            "train", x.shape, f"(samples, features) with one label for each sample; the labels have shape {y.shape}"
        )
    return x, y
