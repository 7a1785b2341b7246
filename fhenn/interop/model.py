"""`ImportedModel`: the twin of a model from elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.numbers import round_up
from fhenn.approx.presets import choose
from fhenn.columns import Table, samples, table_of
from fhenn.errors import AccuracyUnreached, ApproximationWarning, ParameterError, ShapeMismatch
from fhenn.interop.reading import Reading
from fhenn.nn import Activation, Affine, Node, Sequential, layers
from fhenn.ranges import reaches

Floats = NDArray[np.float64]

_DEGREE = 63
"""The highest degree that is tried."""

_SLACK = 1.01
"""Between what inputs can bring and the edge of a domain: room for the noise of the encryption."""


class ImportedModel(Sequential):
    """A `Sequential` that predicts as its users know it: what `fhenn.encrypted_model`, `fhenn.plan` and others take.

    nodes: as of a Sequential; neighbouring affine layers are best made one by `fhenn.interop.fold`.
    reading: what the scores mean.
    stand_ins: activations among the nodes whose polynomial is a choice, not part of the model: `for_inputs` may choose
    it anew.
    Raises ParameterError where a stand-in is no activation.
    Raises ShapeMismatch where nodes or reading do not fit one another.

    `predict` and its sisters take samples × features, an array or anything with named columns (`Reading.samples`), and
    raise FeatureMismatch, ShapeMismatch, NonFiniteValue and UnsupportedValue.

    >>> from fhenn.nn import Linear
    >>> model = ImportedModel([Linear([[1.0, -1.0]])], Reading.classification(["no", "yes"], "sigmoid"))
    >>> model.predict([[2.0, 1.0], [1.0, 2.0]]).tolist()
    ['yes', 'no']
    """

    def __init__(self, nodes: Iterable[Node], reading: Reading, stand_ins: Collection[Node] = ()) -> None:
        super().__init__(nodes, finish=reading.finish)
        self._reading = reading
        self._replaceable = frozenset(
            place for place, node in enumerate(self.nodes) if any(node is stand_in for stand_in in stand_ins)
        )
        if any(not isinstance(self.nodes[place], Activation) for place in self._replaceable):
            raise ParameterError("a stand-in must be an activation.", "Name activations among the nodes.")
        affine = [layer for layer in layers(self) if isinstance(layer, Affine)]
        if affine:
            reading.require_widths(affine[0].inputs, affine[-1].outputs)

    @property
    def reading(self) -> Reading:
        """What the scores mean."""
        return self._reading

    @property
    def stand_ins(self) -> tuple[Node, ...]:
        """The activations whose polynomial may be chosen anew."""
        return tuple(self.nodes[place] for place in sorted(self._replaceable))

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """What the features are called, if anything."""
        return self._reading.features

    def named_by(self, table: Table | None) -> ImportedModel:
        """The model with a table's names for its features, where it has none of its own; its nodes are fresh then."""
        if table is None or table.names is None or self._reading.features is not None:
            return self
        named = ImportedModel(map(_fresh, self.nodes), self._reading.named(table.names))
        named._replaceable = self._replaceable
        return named

    def infer(self, x: Any) -> Any:
        """The output, keeping nothing for `backward`; of a table by the names of its columns."""
        return super().infer(self._by_name(x))

    def forward(self, x: Any) -> Any:
        """The last node's output; of a table by the names of its columns."""
        return super().forward(self._by_name(x))

    def _by_name(self, x: Any) -> Any:
        table = table_of(x)
        return x if table is None else self._reading.samples(table)

    def with_nodes(self, nodes: Iterable[Node]) -> ImportedModel:
        """The same reading of other nodes; what stands where a stand-in stood is one. ParameterError, ShapeMismatch."""
        nodes = list(nodes)
        stand_ins = [nodes[place] for place in self._replaceable] if len(nodes) == len(self.nodes) else []
        return ImportedModel(nodes, self._reading, stand_ins)

    def for_inputs(self, inputs: Any, *, margin: float = 0.5, accuracy: float = 1e-3) -> ImportedModel:
        """The model with stand-ins that are good wherever inputs within bounds can bring their values, soundly.

        inputs, margin: as for `fhenn.encrypted_model`.
        accuracy: the largest |polynomial - exact| of each stand-in there, by the least degree that reaches it. Where
        degree 63 does not, it stands in all the same, with an ApproximationWarning.
        Returns the model; a stand-in that is good enough, and costs no more levels, stays as it is.
        Raises ParameterError where accuracy or margin are out of range, or the model starts with an activation.
        Raises ShapeMismatch, FeatureMismatch, NonFiniteValue, UnsupportedValue where the inputs are no bounds or data.

        >>> from fhenn.nn import Linear, Sigmoid
        >>> nodes = [Linear([[2.0, 2.0]]), Sigmoid(), Linear([[1.0]])]
        >>> model = ImportedModel(nodes, Reading.regression(), stand_ins=[nodes[1]])
        >>> model.for_inputs([-3, 3]).nodes[1].domain
        (-12.2, 12.2)
        """
        if not isinstance(accuracy, Real) or not 0 < accuracy < np.inf:
            raise ParameterError(
                f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3."
            )
        table = table_of(inputs)
        if table is not None and table.names is not None and self._reading.features is None:
            return self.named_by(table).for_inputs(table, margin=margin, accuracy=accuracy)
        bounds = self.bounds(inputs if table is None else table, margin)
        if not self._replaceable:
            return self
        nodes: list[Node] = []
        for place, node in enumerate(self.nodes):
            if place in self._replaceable and isinstance(node, Activation):
                interval = reaches([*layers(Sequential(nodes))], *bounds)[-1].interval
                node = _good_on(node, interval, accuracy)  # noqa: PLW2901
            nodes.append(node)
        return self.with_nodes(map(_fresh, nodes))

    def bounds(self, inputs: Any, margin: float = 0.5) -> tuple[Floats, Floats]:
        """Low and high of every feature: those given, or the box of data, widened. As `fhenn.encrypted_model` says.

        Raises ParameterError, ShapeMismatch, FeatureMismatch, NonFiniteValue, UnsupportedValue.
        """
        first = next(layers(self))
        if not isinstance(first, Affine):
            raise ParameterError(
                "the model must start with an affine layer.", "Put a Linear first; the identity will do."
            )
        width = first.inputs
        values = samples(inputs, self._reading.features, "inputs")
        if values.shape == (2,):
            values = np.repeat(values[:, None], width, axis=1)
        if values.ndim != 2 or values.shape[1] != width or len(values) < 2:
            raise ShapeMismatch("inputs", values.shape, f"(2,), (2, {width}) or (samples, {width})")
        if len(values) == 2:
            low, high = values
            if np.any(low > high):
                raise ParameterError("a lower bound exceeds the upper one.", "Give (low, high).")
            return low, high
        return box(values, margin)

    def scores(self, X: Any) -> Floats:
        """What the nodes compute: (samples, outputs). On ciphertexts it is what `Client.decrypt_scores` gives."""
        values = self._reading.samples(X)
        first = self.nodes[0]
        if isinstance(first, Affine) and values.shape[1] != first.inputs:
            raise ShapeMismatch("samples", values.shape, f"(samples, {first.inputs})")
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


def _fresh(node: Node) -> Node:
    """A node of one's own, with nothing kept."""
    return node.fresh() if isinstance(node, Activation | Affine) else node


def box(values: Floats, margin: float) -> tuple[Floats, Floats]:
    """Low and high of every feature of data, widened.

    values: the data, (samples, features).
    margin: how much wider on either side, in units of the distance from low to high.
    Returns low and high, (features,) each.
    Raises ParameterError where the margin is out of range.
    """
    if not isinstance(margin, Real) or not 0 <= margin < np.inf:
        raise ParameterError(f"margin must be a finite number from 0, not {margin!r}.", "Give for instance 0.5.")
    low, high = values.min(axis=0), values.max(axis=0)
    return low - margin * (high - low), high + margin * (high - low)


def _good_on(node: Activation, interval: tuple[float, float], accuracy: float) -> Activation:
    """`node`, or one of its kind, that is off by `accuracy` at most on an interval; or as little as can be."""
    low, high = interval
    function = node.function
    if function is None:
        return node
    if function.symmetry == "none":
        spare = max((_SLACK - 1) * (high - low), 0.01)
        domain = (low - spare, high + spare)
    else:
        edge = float(round_up(max(_SLACK * -low, _SLACK * high, 1.0), 3))
        domain = (-edge, edge)
    try:
        fitted = node.with_polynomial(choose(function, domain, accuracy=accuracy))
    except AccuracyUnreached:
        fitted = node.with_polynomial(choose(function, domain, degree=_DEGREE))
        warning = ApproximationWarning(node.name, domain, accuracy, fitted.sup_error(), _DEGREE)
        warnings.warn(warning, stacklevel=3)
    good = node.domain[0] <= low and high <= node.domain[1] and node.sup_error() <= accuracy
    return node if good and node.cost <= fitted.cost else fitted
