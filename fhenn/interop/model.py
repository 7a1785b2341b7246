"""`ImportedModel`: the twin of a model from elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.domains import holds
from fhenn.approx.numbers import round_up
from fhenn.approx.presets import choose
from fhenn.columns import (
    Table,
    as_features,
    bounds_of_features,
    features_of,
    flat_hint,
    prepared_table,
    samples,
    table_of,
)
from fhenn.errors import AccuracyUnreached, ApproximationWarning, ParameterError, ShapeMismatch
from fhenn.interop.conversion import ANY, Conversion, Converter, Goal
from fhenn.interop.conversion import DOMAIN_MARGIN as CONVERTED_MARGIN
from fhenn.interop.equalise import equalised
from fhenn.interop.preparation import Preparation
from fhenn.interop.reading import Reading
from fhenn.nn import Activation, Affine, Branches, Node, Sequential, trail, wired
from fhenn.planner import image_shape_of
from fhenn.planner.request import RangesName
from fhenn.planner.ring import expected_ring
from fhenn.ranges import Inputs, reaches
from fhenn.ranges.data import DOMAIN_MARGIN, Interval, range_of
from fhenn.ranges.rebuild import rebuild

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
    it anew; in the branches of a `Residual` as well.
    shape: of a sample that is an image, as of a Sequential.
    preparation: what makes the features of raw tables, which the client runs in the clear; None for a model that takes
    features as they are. Then `predict` and its sisters, and `inputs=` everywhere, take raw tables, and `bounds=` are
    those of the features that it makes.
    Raises ParameterError where a stand-in is no activation.
    Raises ShapeMismatch where nodes or reading do not fit one another.

    `predict` and its sisters take samples × features, an array or anything with named columns (`Reading.samples`), and
    raise FeatureMismatch, ShapeMismatch, NonFiniteValue and UnsupportedValue. A model that knows the shape of its
    images takes (samples, channels, height, width) as well, or one image.

    >>> from fhenn.nn import Linear
    >>> model = ImportedModel([Linear([[1.0, -1.0]])], Reading.classification(["no", "yes"], "sigmoid"))
    >>> model.predict([[2.0, 1.0], [1.0, 2.0]]).tolist()
    ['yes', 'no']
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        reading: Reading,
        stand_ins: Collection[Node] = (),
        *,
        shape: Sequence[int] | None = None,
        preparation: Preparation | None = None,
    ) -> None:
        super().__init__(nodes, finish=reading.finish, shape=shape)
        self._reading = reading if preparation is None else reading.named(preparation.features)
        self._preparation = preparation
        self._conversion: Conversion | None = None
        self._by_agreement = False
        self._replaceable = frozenset(
            place for place, node in enumerate(_activations(self)) if any(node is stand_in for stand_in in stand_ins)
        )
        if len(self._replaceable) < len({id(stand_in) for stand_in in stand_ins}):
            raise ParameterError("a stand-in must be an activation.", "Name activations among the nodes.")
        if self.input_shape is not None and self.output_shape is not None:
            self._reading.require_widths(prod(self.input_shape), prod(self.output_shape))

    @property
    def reading(self) -> Reading:
        """What the scores mean."""
        return self._reading

    @property
    def preparation(self) -> Preparation | None:
        """What makes its features of raw tables, in the clear; None where it takes features as they are."""
        return self._preparation

    @property
    def stand_ins(self) -> tuple[Node, ...]:
        """The activations whose polynomial may be chosen anew."""
        found = _activations(self)
        return tuple(found[place] for place in sorted(self._replaceable))

    @property
    def conversion(self) -> Conversion | None:
        """What became of the activations when polynomials were chosen for samples: print it. None before that."""
        return self._conversion

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """What the features are called, if anything: those of the preparation, where there is one."""
        return self._reading.features

    @property
    def is_regression(self) -> bool:
        """Whether the outputs are values to predict, not scores of classes."""
        return self._reading.task == "regression"

    def named(self, names: tuple[str, ...] | None) -> ImportedModel:
        """The model with names for its features, where it has none of its own; its nodes are fresh then."""
        if names is None or self._reading.features is not None:
            return self
        named = self._with(rebuild(node, {}) for node in self.nodes)
        named._conversion, named._by_agreement = self._conversion, self._by_agreement
        named._reading = self._reading.named(names)
        named._reading.require_widths(*map(prod, (self.input_shape or (), self.output_shape or ())))
        return named

    def infer(self, x: Any) -> Any:
        """The output, keeping nothing for `backward`; of a table by the names of its columns."""
        return super().infer(self._by_name(x))

    def forward(self, x: Any) -> Any:
        """The last node's output; of a table by the names of its columns."""
        return super().forward(self._by_name(x))

    def _by_name(self, x: Any) -> Any:
        table = table_of(x)
        return x if table is None else self._reading.samples(features_of(table, self._preparation, "samples"))

    def with_nodes(self, nodes: Iterable[Node]) -> ImportedModel:
        """The same reading of other nodes; what stands where a stand-in stood is one. ParameterError, ShapeMismatch."""
        return self._with(nodes)

    def _with(self, nodes: Iterable[Node]) -> ImportedModel:
        """The same reading of other nodes, with the same stand-ins where there are as many activations."""
        model = ImportedModel(nodes, self._reading, shape=self._image_shape, preparation=self._preparation)
        if len(_activations(model)) == len(_activations(self)):
            model._replaceable = self._replaceable
        return model

    def for_inputs(
        self,
        inputs: Any = None,
        *,
        bounds: Any = None,
        margin: float = 0.5,
        accuracy: float | None = 1e-3,
        ranges: RangesName = "auto",
        domain_margin: float | None = None,
        agreement: float | None = None,
        depth: int | None = None,
        labels: Any = None,
        max_loss: float | None = None,
    ) -> ImportedModel:
        """The model with stand-ins that are good for its inputs: each to an accuracy, or all together by agreement.

        To an accuracy, each is good wherever inputs within bounds can bring its values, soundly. By agreement, each is
        fitted on the distribution of what the samples bring to it, and their degrees are chosen together: the least
        depth at which the model decides as the exact one does on the samples (`fhenn.interop.conversion`). Before that
        the units of a layer are brought to one size, by factors in the weights, where the activation lets them through
        (`fhenn.interop.equalise`). So it goes where `accuracy` is None, or `agreement` or `depth` is given, and for
        activations that bend sharply, as ReLU does, which no polynomial meets to an accuracy; for samples only, unless
        `ranges` is "worst".

        inputs, bounds, margin: as for `fhenn.encrypted_model`.
        accuracy: the largest |polynomial - exact| of each stand-in, by the least degree that reaches it. Where degree
        63 does not, it stands in all the same, with an ApproximationWarning.
        ranges: "worst" as said; "data" for stand-ins that are good in what the samples bring to them, times
        `domain_margin`; "auto" for the worst case where degree 63 reaches the accuracy, else for the data, if there are
        samples.
        domain_margin: how many times wider than what the samples reach the domains are, which costs degrees; None for
        1.25, by agreement 1.5.
        agreement: the share of decisions on the samples that shall be the exact model's, 0.99 where None; of a
        regression the R² of its outputs on those of the exact model, 0.995 where None. Where no network reaches it, the
        deepest stands in with a ConversionWarning. Samples that the model was not trained on tell more.
        depth: levels that the whole model may take.
        labels: true values of the samples, for the accuracy of both models in the report.
        max_loss: the largest loss of accuracy or R² where labels are given, else of agreement.
        Returns the model, with a report where samples were given (`conversion`). A stand-in that is accurate enough,
        and costs no more levels, stays as it is.
        Raises ParameterError where an argument is out of range, the model starts with an activation, there is no
        network of that depth, or the samples bring the same number to all units of an activation.
        Raises AccuracyLost, with the report, where the model loses more than `max_loss`.
        Raises ShapeMismatch, FeatureMismatch, NonFiniteValue, UnsupportedValue where the inputs are no bounds or data,
        or the labels are not those of the samples.

        >>> from fhenn.nn import Linear, Sigmoid
        >>> nodes = [Linear([[2.0, 2.0]]), Sigmoid(), Linear([[1.0]])]
        >>> model = ImportedModel(nodes, Reading.regression(), stand_ins=[nodes[1]])
        >>> model.for_inputs(bounds=[-3, 3]).nodes[1].domain
        (-12.2, 12.2)
        """
        _require_accuracy(accuracy)
        goal = Goal(agreement, depth, labels, max_loss)
        goal.require_sane()
        known = self.inputs(inputs, bounds=bounds, margin=margin)
        named = self.named(known.names)
        goal.require_samples(known.samples)
        if known.samples is None and accuracy is None:
            raise ParameterError("no accuracy was given, and no samples to choose by.", "Give samples as inputs=.")
        goal.require_ranges(ranges)
        if named._goes_by_agreement(known, accuracy, ranges, goal):
            return named._converted(known, goal, CONVERTED_MARGIN if domain_margin is None else domain_margin)
        narrow = DOMAIN_MARGIN if domain_margin is None else domain_margin
        model = named.standing_in(known, 1e-3 if accuracy is None else accuracy, ranges, narrow)
        return model if known.samples is None else model.reported(known, ranges, goal)

    def _goes_by_agreement(self, known: Inputs, accuracy: float | None, ranges: RangesName, goal: Goal) -> bool:
        """Whether polynomials are chosen together, on samples."""
        if known.samples is None or ranges == "worst" or not self._convertible:
            return False
        return accuracy is None or goal.chooses or any(_bends(node) for node in self._convertible)

    @property
    def _convertible(self) -> tuple[Activation, ...]:
        """The stand-ins that state a function and are one polynomial."""
        return tuple(
            node
            for node in self.stand_ins
            if isinstance(node, Activation) and node.function is not None and len(node.polynomials) == 1
        )

    def _converter(self, samples: Floats, margin: float) -> Converter:
        steps, chosen = list(wired(self)), set(map(id, self._convertible))
        places = [place for place, step in enumerate(steps) if id(step) in chosen]
        reading = self._reading
        decide = None if reading.maps is None or self.is_regression else reading.predict
        each = reading.task == "multilabel"
        return Converter(steps, places, samples, margin, len(reading.classes), decide, each=each)

    def _converted(self, known: Inputs, goal: Goal, margin: float) -> ImportedModel:
        """The model with polynomials that agree, and its report. Raises what `for_inputs` does."""
        samples = known.samples
        assert samples is not None  # noqa: S101  (for the type checker)
        stand_ins = self._convertible
        exact = self._converter(samples, margin)
        truth, seen = exact.truth(goal.labels, self._reading), exact.reaching
        model = equalised(
            self, stand_ins, {id(node): seen[place] for place, node in zip(sorted(seen), stand_ins, strict=True)}
        )
        assert isinstance(model, ImportedModel)  # noqa: S101
        converter = model._converter(samples, margin)
        wanted = goal.wanted(regression=self.is_regression)
        attempt = converter.attempt(converter.search(wanted, goal.depth))
        steps = list(wired(model))
        chosen = dict[int, Affine | Activation]()
        for place, polynomial in attempt.polynomials.items():
            node = steps[place]
            assert isinstance(node, Activation)  # noqa: S101
            chosen[id(node)] = node.with_polynomial(polynomial)
        converted = model._with(rebuild(node, chosen) for node in model.nodes)
        ring = expected_ring(converted, known, "data")
        report = converter.report(attempt, self._reading, truth, ring)
        converted._conversion = report
        converted._by_agreement = True
        goal.require_met(report)
        return converted

    def reported(self, known: Inputs, ranges: RangesName, goal: Goal) -> ImportedModel:
        """The model with a report on samples that were read already. Raises what `for_inputs` does."""
        samples = known.samples
        assert samples is not None  # noqa: S101  (for the type checker)
        converter = self._converter(samples, 1.0)
        steps = list(wired(self))
        there = {place: step.polynomial for place in converter.places if isinstance(step := steps[place], Activation)}
        reported = self._with(rebuild(node, {}) for node in self.nodes)
        ring = expected_ring(reported, known, ranges)
        truth = converter.truth(goal.labels, self._reading)
        report = converter.report(converter.trial(there), self._reading, truth, ring)
        reported._conversion = report
        goal.require_depth(report)
        goal.require_loss(report)
        return reported

    def agreeing(self, known: Inputs, accuracy: float, ranges: RangesName, goal: Goal) -> ImportedModel | None:
        """The model with polynomials that were chosen together, where `for_inputs` would choose so; else None.

        Those of a model that was converted already stay, unless the goal asks for others.
        """
        goal.require_ranges(ranges)
        if self._by_agreement and not goal.chooses and known.samples is not None and ranges != "worst":
            return self if goal.needs_samples is None else self.reported(known, "data", goal)
        if not self._goes_by_agreement(known, accuracy, ranges, goal):
            return None
        return self._converted(known, goal, CONVERTED_MARGIN)

    def standing_in(
        self, known: Inputs, accuracy: float, ranges: RangesName = "auto", domain_margin: float = DOMAIN_MARGIN
    ) -> ImportedModel:
        """The model with stand-ins to an accuracy, for inputs that were read already; as `for_inputs` makes it."""
        if not self._replaceable:
            return self
        if ranges == "auto" and known.samples is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("error", ApproximationWarning)
                try:
                    return self._with_stand_ins(known, accuracy, None)
                except ApproximationWarning:
                    pass  # the worst case is too wide for any degree
        if ranges == "data" and known.samples is None:
            raise ParameterError("ranges='data' needs samples.", "Give them as inputs=, or take ranges='worst'.")
        from_data = ranges != "worst" and known.samples is not None
        return self._with_stand_ins(known, accuracy, domain_margin if from_data else None)

    def _with_stand_ins(self, known: Inputs, accuracy: float, domain_margin: float | None) -> ImportedModel:
        """The model with stand-ins that are good in the worst case, or in the range of the samples."""
        steps, found, chosen = list(wired(self)), dict[int, Interval](), dict[int, Affine | Activation]()
        stand_ins = set(map(id, self.stand_ins))

        def step(place: int, node: Affine | Activation, values: Floats | None) -> Floats | None:
            """Choose the polynomial of a stand-in; what comes out for the samples."""
            if isinstance(node, Activation):
                interval = reaches(steps[:place], *known.box, found)[-1].interval
                if domain_margin is not None and values is not None:
                    interval = found[place] = range_of(values, interval, domain_margin, where=node.name)
                if id(node) in stand_ins:
                    steps[place] = chosen[id(node)] = node = _good_on(node, interval, accuracy)
            if values is None:
                return None
            return np.asarray((node.with_policy("ignore") if isinstance(node, Activation) else node).infer(values))

        samples = None if domain_margin is None else known.samples

        def join(place: int, first: Floats | None, second: Floats | None) -> Floats | None:
            return None if first is None or second is None else first + second

        def product(place: int, first: Floats | None, second: Floats | None) -> Floats | None:
            return None if first is None or second is None else first * second

        for _ in trail(steps, samples, step, join, product):
            pass
        return self._with(rebuild(node, chosen) for node in self.nodes)

    def inputs(self, inputs: Any = None, *, bounds: Any = None, margin: float = 0.5) -> Inputs:
        """What is known of the inputs: bounds that are given, or the box of samples, widened.

        inputs, bounds, margin: as for `fhenn.encrypted_model`.

        Raises PlanError where the model does not start with an affine layer, ParameterError, ShapeMismatch,
        FeatureMismatch, NonFiniteValue, UnsupportedValue.
        """
        return Inputs.of(
            list(wired(self)),
            bounds=bounds_of_features(bounds, self._preparation),
            inputs=features_of(inputs, self._preparation, "inputs"),
            features=self._reading.features,
            margin=margin,
            shape=image_shape_of(self),
        )

    def bounds(self, inputs: Any = None, margin: float = 0.5, *, bounds: Any = None) -> tuple[Floats, Floats]:
        """Low and high of every feature: those given, or the box of samples, widened. As `inputs` says."""
        known = self.inputs(inputs, bounds=bounds, margin=margin)
        return known.low, known.high

    def scores(self, X: Any) -> Floats:
        """What the nodes compute: (samples, outputs). On ciphertexts it is what `Client.decrypt_scores` gives."""
        return np.asarray(self.infer(self.samples(X)), dtype=np.float64)

    def samples(self, X: Any) -> Floats:
        """Samples (samples, features), in C order where they are images; raw tables prepared.

        Raises as `predict` does, and what `Preparation.prepare` does.
        """
        given = features_of(X, self._preparation, "samples")
        shape = image_shape_of(self)
        if shape is not None:
            return as_features(samples(given, self._reading.features), prod(shape), shape, "samples")
        try:
            values = self._reading.samples(given)
        except ShapeMismatch as mismatch:
            hint = "" if self.input_shape is None else flat_hint(mismatch.got, prod(self.input_shape))
            raise replace(mismatch, expected=mismatch.expected + hint) from None
        if self.input_shape is not None and values.shape[1:] != self.input_shape:
            raise ShapeMismatch("samples", values.shape, f"(samples, {prod(self.input_shape)})")
        return values

    def prepared(self, values: Floats | None) -> Floats | Table | None:
        """Features as what is given for inputs, so that they are not prepared again.

        values: (samples, features), of `samples`; None for none.
        """
        if values is None or self._preparation is None:
            return values
        return prepared_table(values, self._preparation.features)

    def predict(self, X: Any) -> Any:
        """Labels (samples,), or values."""
        return self._reading.predict(self.scores(X))

    def predict_proba(self, X: Any) -> Any:
        """Probabilities, as `Reading.predict_proba` gives them. Raises UnsupportedOperation where there are none."""
        return self._reading.predict_proba(self.scores(X))

    def decision_function(self, X: Any) -> Floats:
        """Scores (samples,) of two classes, or (samples, classes). Raises UnsupportedOperation for a regression."""
        return self._reading.decision_function(self.scores(X))

    def score(self, X: Any, y: ArrayLike) -> float:
        """Accuracy, or R²."""
        return self._reading.score(self.scores(X), y)


@dataclass(frozen=True, eq=False)
class Wanted:
    """What an importer is asked of stand-ins: the arguments of `ImportedModel.for_inputs`.

    inputs, bounds, margin, accuracy, goal: as there.
    """

    inputs: Any
    bounds: Any
    margin: float
    accuracy: float | None
    goal: Goal = ANY

    @property
    def known(self) -> bool:
        """Whether the inputs are known."""
        return self.inputs is not None or self.bounds is not None

    def applied(self, model: ImportedModel) -> ImportedModel:
        """A model with such stand-ins; as it is where nothing is known of the inputs. Raises what `for_inputs` does."""
        self.goal.require_samples(self.inputs)
        if self.inputs is None and self.accuracy is None:
            raise ParameterError("no accuracy was given, and no samples to choose by.", "Give samples as inputs=.")
        if not self.known:
            return model
        return model.for_inputs(
            self.inputs,
            bounds=self.bounds,
            margin=self.margin,
            accuracy=self.accuracy,
            agreement=self.goal.agreement,
            depth=self.goal.depth,
            labels=self.goal.labels,
            max_loss=self.goal.max_loss,
        )

    @property
    def provisional(self) -> float:
        """The accuracy of stand-ins before that. Raises ParameterError where it is not a positive finite number."""
        _require_accuracy(self.accuracy)
        return 1e-3 if self.accuracy is None else self.accuracy


def _require_accuracy(accuracy: float | None) -> None:
    """Raise ParameterError where an accuracy is given and is not a positive finite number."""
    if accuracy is not None and not (isinstance(accuracy, Real) and 0 < accuracy < np.inf):
        raise ParameterError(f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3.")


def _activations(node: Node | None) -> list[Activation]:
    """The activations of a model in order, those in branches too."""
    if isinstance(node, Sequential):
        return [found for each in node.nodes for found in _activations(each)]
    if isinstance(node, Branches):
        return [*_activations(node.body), *_activations(node.second)]
    return [node] if isinstance(node, Activation) else []


def _bends(node: Activation) -> bool:
    """Whether a node stands for a function that no polynomial meets to an accuracy."""
    return node.function is not None and bool(node.function.kinks)


def _good_on(node: Activation, interval: tuple[float, float], accuracy: float) -> Activation:
    """`node`, or one of its kind, that is off by `accuracy` at most on an interval; or as little as can be."""
    low, high = interval
    function = node.function
    if function is None:
        return node
    spare = max((_SLACK - 1) * (high - low), 0.01)
    alone, edge = (low - spare, high + spare), float(round_up(max(_SLACK * -low, _SLACK * high, 1.0), 3))
    domain = alone if function.symmetry == "none" else (-edge, edge)
    fitted: Activation | None = None
    for tried in dict.fromkeys((domain, alone)):  # far from 0, the symmetric one is far wider than the interval
        with suppress(AccuracyUnreached):
            fitted = node.with_polynomial(choose(function, tried, accuracy=accuracy))
            break
    if fitted is None:
        fitted = node.with_polynomial(choose(function, domain, degree=_DEGREE))
        warning = ApproximationWarning(node.name, domain, accuracy, fitted.sup_error(), _DEGREE)
        warnings.warn(warning, stacklevel=3)
    good = holds(node.domain, low, high) and node.sup_error() <= accuracy
    return node if good and node.cost <= fitted.cost else fitted
