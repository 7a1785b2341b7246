"""`certify`: before anything is encrypted, what a model's values can reach, and how far its answers can be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Function
from fhenn.approx.domains import holds
from fhenn.approx.enclosure import derivative_of, largest_on
from fhenn.approx.extrema import local_maxima, points
from fhenn.approx.numbers import at_most
from fhenn.ckks.parameters import Parameters
from fhenn.columns import bounds_of_features, features_of
from fhenn.errors import CertificateInvalid, LevelExhausted, PlanError, ScaleMismatch
from fhenn.nn import Activation, Affine, Node, Sequential, SignReLU, Step, circuit, trail
from fhenn.planner import Plan, fingerprint_of, image_shape_of, verify
from fhenn.planner.plan import require_plan
from fhenn.planner.scaling import scale, scaled_bounds, served_nodes
from fhenn.planner.walk import Path, walk
from fhenn.ranges import DataRanges, Inputs, Reach, box_of, reaches
from fhenn.strict import built
from fhenn.text import printable
from fhenn.versioned import VersionedJson

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_DOCUMENT = VersionedJson("certificate", 1, infinite=True, kind_last=True)
_WIDEST = 1e6
"""An interval wider than that has long left every domain."""


@dataclass(frozen=True)
class CertifiedActivation:
    """What a certificate says of one activation.

    node: its name.
    low, high: the interval that its inputs can reach, encrypted or not.
    domain: the interval on which its polynomial is good; all numbers where the activation is exact.
    sup_error: the largest |polynomial - exact| on [low, high]; infinite where the interval is too wide to tell.
    gain: by which factor an error of this activation can grow up to the output.
    """

    node: str
    low: float
    high: float
    domain: Interval
    sup_error: float
    gain: float

    @property
    def inside(self) -> bool:
        """Whether every input lies in the domain, but for a millionth of its width; `sup_error` is of [low, high]."""
        return holds(self.domain, self.low, self.high)


@dataclass(frozen=True)
class Certificate:
    """What holds for every input within bounds. Make one with `fhenn.certify`.

    model: fingerprint of nodes and weights.
    low, high: bounds of every feature.
    activations: what holds for each, in order.
    output: the interval that the scores of the twin can reach.
    approximation: bound on |twin - exact model| at the output.
    noise: bound on |decrypted - twin|, except with probability 2⁻⁴⁰ under the noise model of `fhenn.ckks.noise`; 0
    without a plan.
    finish: what the client applies to the scores, None for nothing.
    parameters: of the plan, None without one.
    from_data: whether the bounds are the least and largest values of sample data, beyond which nothing is certified.
    ranges: of the plan, where it has ranges from data: all this holds for inputs that stay in them, and the witnesses
    of the plan show those that do not. None for the worst case within the bounds.

    >>> import fhenn
    >>> certificate = fhenn.certify(fhenn.Sequential([fhenn.Linear([[9.0]]), fhenn.Sigmoid()]), [-1, 1])
    >>> certificate.valid, Certificate.from_json(certificate.to_json()) == certificate
    (False, True)
    """

    model: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    activations: tuple[CertifiedActivation, ...]
    output: Interval
    approximation: float
    noise: float
    finish: str | None
    parameters: Parameters | None
    from_data: bool
    ranges: DataRanges | None = None

    @property
    def valid(self) -> bool:
        """Whether every activation stays in its domain."""
        return all(activation.inside for activation in self.activations)

    @property
    def total(self) -> float:
        """Bound on |encrypted result - exact model|, score by score."""
        return self.approximation + self.noise

    @property
    def margin(self) -> float:
        """How far a score must be from its threshold, or from the next best score, for its decision to be certain."""
        return 2 * self.total if self.finish in ("argmax", "softmax") else self.total

    def require(self, plan: Plan, model: Node | None = None) -> None:
        """Raise CertificateInvalid unless this holds.

        plan: that it must hold for.
        model: that it must hold for, None for any.
        """
        outside = [activation.node for activation in self.activations if not activation.inside]
        if outside:
            raise CertificateInvalid(
                f"inputs of {', '.join(outside)} may leave the domain.",
                "Take tighter bounds or wider domains, or train with a range penalty, and certify again.",
            )
        if model is not None and fingerprint_of(model) != self.model:
            raise CertificateInvalid("it is for another model, or other weights.", "Certify this model.")
        if self.ranges != plan.ranges:
            raise CertificateInvalid("it is for other ranges than the plan's.", "Certify with this plan.")
        if self.parameters != plan.parameters:
            raise CertificateInvalid("it is for other parameters.", "Certify with this plan.")
        if len(self.low) != len(plan.low) or any(
            mine > theirs for mine, theirs in zip((*self.low, *plan.high), (*plan.low, *self.high), strict=True)
        ):
            raise CertificateInvalid("the plan's bounds are wider than its own.", "Certify for the plan's bounds.")

    def __repr__(self) -> str:
        return (
            f"Certificate(valid={self.valid}, features={len(self.low)}, activations={len(self.activations)}, "
            f"total<={at_most(self.total)}, from_data={self.from_data}, model={self.model})"
        )

    def __str__(self) -> str:
        scope = "its bounds" if not self.from_data else "the box of the data, and nothing beyond it"
        where = "" if self.ranges is None else ", and inputs whose ranges hold"
        lines = [
            f"certificate for {scope}{where}: {self._verdict}",
            f"  scores reach       [{self.output[0]:.4g}, {self.output[1]:.4g}]",
            f"  approximation      <= {at_most(self.approximation)}",
            "  encryption         " + (f"<= {at_most(self.noise)}" if self.parameters else "not counted: no plan"),
            f"  total              <= {at_most(self.total)}, decisions certain from a margin of {at_most(self.margin)}",
            *([] if self.ranges is None else [f"  {self.ranges}; a plan's witnesses show them"]),
        ]
        if self.activations:
            lines += ["", f"  {'activation':<12} {'reaches':>22} {'domain':>16} {'off by':>9} {'gain':>7}"]
        for each in self.activations:
            reach, domain = (f"[{a:.4g}, {b:.4g}]" for a, b in ((each.low, each.high), each.domain))
            note = "" if each.inside else "  leaves its domain"
            row = f"{reach:>22} {domain:>16} {each.sup_error:>9.1e} {each.gain:>7.2g}{note}"
            lines.append(f"  {printable(each.node):<12} {row}")
        return "\n".join(lines)

    @property
    def _verdict(self) -> str:
        """What it says of the activations, in words."""
        if not self.activations:
            return "there is no activation to leave a domain"
        return "every activation stays in its domain" if self.valid else "NOT VALID"

    def to_json(self) -> str:
        """The certificate as JSON; `from_json` reads it."""
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        data |= {
            "activations": [asdict(activation) for activation in self.activations],
            "parameters": None if self.parameters is None else asdict(self.parameters),
        }
        if self.ranges is None:
            del data["ranges"]  # as before there were any, so that an older fhenn reads it
        else:
            data["ranges"] = asdict(self.ranges)
        return _DOCUMENT.write(data)

    @classmethod
    def from_json(cls, text: str | bytes) -> Certificate:
        """The certificate that `to_json` wrote.

        text: JSON.

        Raises WireFormatError where it is not a certificate.
        """
        return _DOCUMENT.read(text, cls._from_fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Certificate:
        certificate: Certificate = built(cls, fields)
        numbers = [certificate.approximation, certificate.noise, *certificate.output]
        numbers += [n for each in certificate.activations for n in (each.low, each.high, each.sup_error, each.gain)]
        if any(map(isnan, numbers)):
            raise ValueError("a number is NaN")
        if not all(map(isfinite, (*certificate.low, *certificate.high))):
            raise ValueError("a bound is not finite")
        if certificate.ranges is not None:
            certificate.ranges.require_sane()
        return certificate


@np.errstate(all="ignore")  # what overflows is unbounded, and the certificate says so
def certify(model: Node, bounds: Any = None, plan: Plan | None = None, *, inputs: Any = None) -> Certificate:
    """What holds for every input of a model within bounds: ranges, errors, and the margin of a certain decision.

    model: a `Sequential` (or a node) of affine nodes and activations, an affine one first.
    bounds: (2, features) of low and high, or (2,) for all features. An array, or anything with named columns. None for
    those of the inputs or, without any, of the plan.
    plan: for encrypted inference: ranges are widened by its noise, and the error counts its bound on that. None to
    certify the twin.
    inputs: samples, (samples, features), whose least and largest values are the bounds where none are given.

    Returns the certificate. The ranges are sound (`fhenn.ranges.reaches`). The errors follow from them: the largest
    error of a polynomial where its inputs reach, times the magnitudes of the weights and the largest slopes of the
    exact functions that follow. An activation without an exact function counts as exact.
    Raises PlanError where the plan is not for the model, ShapeMismatch, NonFiniteValue, ParameterError.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), fhenn.Sigmoid()])
    >>> certificate = certify(model, [-1, 1])
    >>> certificate.valid, round(certificate.total, 3)
    (True, 0.039)
    """
    if plan is not None:
        verify(require_plan(plan), model)
    nodes = circuit(model)
    known = _known_inputs(model, nodes, bounds, inputs, plan)
    low, high = known.low, known.high
    ranges = None if plan is None else plan.ranges
    twin_reaches = reaches(nodes, low, high, {} if ranges is None else ranges.at(nodes))
    noise = [0.0] * len(nodes)
    if plan is not None:
        try:
            path = _path_within(plan, model, low, high)
            walked = walk(path, plan.layout, plan.parameters, evaluator=plan.find_evaluator())
        except (ScaleMismatch, LevelExhausted) as cause:
            raise PlanError(
                "values within these bounds do not fit the plan's parameters.",
                "Certify within the bounds of the plan, or plan again with bounds= these.",
            ) from cause
        noise = [0.0, *walked.bounds[:-1]]
    # what reaches a node under encryption: its values, and the error that came with them
    intervals = [reach.widened(by) for reach, by in zip(twin_reaches, noise, strict=False)]
    places = [place for place, node in enumerate(nodes) if isinstance(node, Activation)]
    errors = {place: _sup_error(nodes[place], intervals[place]) for place in places}
    gains = {place: _gain(nodes, intervals, place, errors) for place in places}
    approximation = _divergence(nodes, intervals, errors)
    return Certificate(
        model=fingerprint_of(model),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        activations=tuple(
            CertifiedActivation(
                nodes[place].name, *intervals[place].interval, _domain(nodes[place]), errors[place], gains[place]
            )
            for place in places
        ),
        output=twin_reaches[-1].interval,
        approximation=approximation,
        noise=0.0 if plan is None else max(plan.errors),
        finish=model.finish if isinstance(model, Sequential) else None,
        parameters=None if plan is None else plan.parameters,
        from_data=not known.declared,
        ranges=ranges,
    )


def _known_inputs(model: Node, nodes: Sequence[Step], bounds: Any, inputs: Any, plan: Plan | None) -> Inputs:
    """The inputs that are certified: those given, or all that a plan lets through."""
    if bounds is None and inputs is None and plan is not None:
        return Inputs(*plan.bounds)
    shape, inputs = image_shape_of(model), features_of(inputs, model.preparation, "inputs")
    bounds = bounds_of_features(bounds, model.preparation)
    return Inputs.of(nodes, bounds=bounds, inputs=inputs, features=model.feature_names, exact=True, shape=shape)


def _path_within(plan: Plan, model: Node, low: Floats, high: Floats) -> Path:
    """A model as the server of a plan runs it, for inputs within bounds."""
    nodes = served_nodes(plan, model)
    if not plan.scaled:
        return Path(nodes, low, high, plan.ranges)
    constant = scaled_bounds(*plan.bounds)[1] == 0
    if np.any(constant & ((low < 0) | (high > 0))):
        raise ScaleMismatch(plan.parameters.scale, 0, "A feature that the plan takes for 0 is not 0 within the bounds.")
    floor, ceiling = (scale(end[None, :], *plan.bounds)[0] for end in box_of(low, high))
    return Path(nodes, floor, ceiling, plan.ranges)


def _domain(node: Step) -> Interval:
    """The domain of an activation; all numbers for an exact one, and for another node."""
    return node.domain if isinstance(node, Activation) and not node.is_exact else (-inf, inf)


def _sup_error(node: Step, x: Reach) -> float:
    """The largest |polynomial - exact| where the inputs reach; 0 where it stands for no function."""
    if not isinstance(node, Activation) or node.function is None:
        return 0.0
    low, high = x.interval
    if isinstance(node, SignReLU):
        return _sign_error(node, low, high) if holds(node.domain, low, high) else inf
    if not high - low <= _WIDEST:
        return inf
    # a point is an interval too, for the search of extrema
    error = node.polynomial.sup_error((low - 1e-9, high + 1e-9))
    return error * (1 + 1e-9) + 1e-9  # it is located to that


def _sign_error(node: SignReLU, low: float, high: float) -> float:
    """The largest |forward - ReLU| on an interval that may stray a hair from the domain."""
    error = node.sup_error()
    for start, end in ((low, node.domain[0]), (node.domain[1], high)):
        if start < end:
            image = reaches([node], np.array([start]), np.array([end]))[-1]
            least, most = max(start, 0.0), max(end, 0.0)
            error = max(error, float(image.high[0]) - least, most - float(image.low[0]))
    return error


def _slope(node: Activation, x: Reach, error: float) -> float:
    """The largest slope of the exact function where the twin and the exact model reach."""
    low, high = x.interval
    interval = (low - error - 1e-9, high + error + 1e-9)
    if node.function is None:
        return largest_on(derivative_of(node.polynomial), interval)
    if not interval[1] - interval[0] <= _WIDEST:
        return inf
    return _steepest(node.function, interval)


def _steepest(function: Function, interval: Interval) -> float:
    """A bound on |derivative| of a function on an interval."""
    grid = points(*interval, 8, function.kinks)
    steepest = float(local_maxima(lambda x: np.abs(function.derivative(x)), grid)[1].max())
    return steepest * (1 + 1e-9) + 1e-9


_Apart = tuple[Floats, int]
"""How far the twin and the exact model are apart in a value, and the place of the step before which it stands."""


def _divergence(nodes: Sequence[Step], intervals: Sequence[Reach], errors: dict[int, float]) -> float:
    """Bound on |twin - exact model| at the output, where activation `place` is off by errors[place]."""

    def step(place: int, node: Affine | Activation, value: _Apart) -> _Apart:
        """How far the outputs of a node are apart where its inputs are."""
        apart, _ = value
        if isinstance(node, Affine):
            apart = node.operator.abs_row_sums(apart) * (1 + 1e-12)
        else:
            largest = float(apart.max())
            carried = _slope(node, intervals[place], largest) * apart if largest else apart
            apart = carried + errors[place]
        return np.where(np.isnan(apart), np.inf, apart), place + 1

    def join(place: int, x: _Apart, y: _Apart) -> _Apart:
        """How far sums are apart where their terms are."""
        return x[0] + y[0], place + 1

    def product(place: int, x: _Apart, y: _Apart) -> _Apart:
        """How far products are apart where their factors are: |x·y - x'·y'| for twins x and y in their intervals."""
        sizes = [np.maximum(np.abs(reach.low), np.abs(reach.high)) for reach in (intervals[x[1]], intervals[y[1]])]
        apart = (sizes[0] * y[0] + sizes[1] * x[0] + x[0] * y[0]) * (1 + 1e-12)
        return np.where(np.isnan(apart), np.inf, apart), place + 1

    *_, (apart, _) = trail(nodes, (np.zeros(intervals[0].low.shape), 0), step, join, product)
    return float(apart.max())


def _gain(nodes: Sequence[Step], intervals: Sequence[Reach], place: int, errors: dict[int, float]) -> float:
    """By which factor an error of one activation can grow up to the output."""
    unit = errors[place] or 1e-6
    if not isfinite(unit):
        return inf
    return _divergence(nodes, intervals, {other: unit if other == place else 0.0 for other in errors}) / unit
