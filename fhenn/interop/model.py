"""`ImportedModel`: the twin of a model from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.errors import ShapeMismatch
from fhenn.interop.reading import Reading
from fhenn.nn import Linear, Node, Sequential

Floats = NDArray[np.float64]


class ImportedModel(Sequential):
    """A `Sequential` that predicts as its users know it: what `fhenn.encrypted`, `fhenn.plan` and all others take.

    nodes: as of a Sequential; neighbouring Linear nodes are best made one by `merged`. reading: what the scores mean.
    `predict` and its sisters take samples × features, an array or a DataFrame, and raise FeatureMismatch,
    ShapeMismatch, NonFiniteValue and UnsupportedValue. Raises ParameterError, ShapeMismatch.

    >>> model = ImportedModel([Linear([[1.0, -1.0]])], Reading.classification(["no", "yes"], "sigmoid"))
    >>> model.predict([[2.0, 1.0], [1.0, 2.0]]).tolist()
    ['yes', 'no']
    """

    def __init__(self, nodes: Iterable[Node], reading: Reading) -> None:
        super().__init__(nodes, finish=reading.finish)
        self._reading = reading
        widths = [node.weight.shape for node in self.nodes if isinstance(node, Linear)]
        if widths:
            reading.require_widths(widths[0][1], widths[-1][0])

    @property
    def reading(self) -> Reading:
        """What the scores mean."""
        return self._reading

    def with_nodes(self, nodes: Iterable[Node]) -> ImportedModel:
        """The same reading of other nodes. Raises ParameterError, ShapeMismatch."""
        return ImportedModel(nodes, self._reading)

    def scores(self, X: Any) -> Floats:
        """What the nodes compute: (samples, outputs). On ciphertexts it is what `Client.decrypt_scores` gives."""
        values = self._reading.samples(X)
        first = self.nodes[0]
        if isinstance(first, Linear) and values.shape[1] != first.weight.shape[1]:
            raise ShapeMismatch("samples", values.shape, f"(samples, {first.weight.shape[1]})")
        return np.asarray(self.infer(values), dtype=np.float64)

    def predict(self, X: Any) -> Any:
        """Labels (samples,), or values."""
        return self._reading.predict(self.scores(X))

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities (samples, classes). Raises UnsupportedOperation where the model has none."""
        return self._reading.predict_proba(self.scores(X))

    def decision_function(self, X: Any) -> Floats:
        """Scores (samples,) of two classes, or (samples, classes). Raises UnsupportedOperation for a regression."""
        return self._reading.decision_function(self.scores(X))

    def score(self, X: Any, y: ArrayLike) -> float:
        """Accuracy, or R²."""
        return self._reading.score(self.scores(X), y)
