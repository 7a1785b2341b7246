"""Degrees for a whole network at once: the least depth at which the twin decides as the exact model does.

Every node's polynomial is fitted on what reaches it (`fhenn.approx.weighted`), after the polynomials before it. How
much a node's error matters is what it does at the output when that node alone is replaced in the exact model; errors of
several nodes add as independent ones do. So levels are given out one after another, each to the node that it helps
most, and of the networks on that path the shallowest one that agrees is found by bisection, each tried as it would run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, inf, pi, sqrt
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.approx.numbers import is_whole
from fhenn.approx.weighted import by_levels, rms_error
from fhenn.columns import labels_of
from fhenn.errors import AccuracyLost, ConversionWarning, ParameterError, ShapeMismatch
from fhenn.interop.reading import Reading
from fhenn.nn import Activation, Affine, Step, depths, plus, trail
from fhenn.nn.activation import Domain
from fhenn.nn.circuit import joined
from fhenn.ranges.data import range_of

Floats = NDArray[np.float64]
Levels = Mapping[int, int]

MOST_LEVELS = 6
"""Of a node: degree 63."""

DOMAIN_MARGIN = 1.5
"""How many times wider than what samples reach the domains are: a witness that adds up a layer is quiet on three
quarters of a domain only."""

_WATCHED = 3
"""Levels from an activation to the outputs that a witness of degree 8 takes."""

_CLOSE = 0.1
"""The share of decisions, the closest ones, by whose width it is told how close others can be."""

_ROWS = 4096
"""Samples that are tried while levels are sought; all count for the domains and for what is reported."""

_SENSITIVE = 512
"""Samples that show how much a node matters."""

_WORK = 1 << 34
"""Products that each of the two may take, at most, on large networks."""

_FEWEST = 64
"""Samples that are tried at least."""

_NO_SPREAD = 2.0**-40
"""Outputs that vary by less than that, of their size, are constants with rounding."""

DECISIONS, OUTPUTS = 0.99, 0.995
"""The agreement of classifiers and of regressions, unless another is asked for."""


@dataclass(frozen=True)
class NodeConversion:
    """What became of one activation.

    place: from 1 among the activations that became polynomials.
    node: its name.
    function: what its polynomial stands for.
    degree, levels: of the polynomial.
    domain: where it is good.
    error: the root of the mean square of polynomial - function on what the samples bring there.
    effect: what this polynomial alone does to the outputs of the exact model, the root of the mean square relative to
    how these vary.
    """

    place: int
    node: str
    function: str
    degree: int
    levels: int
    domain: Domain
    error: float
    effect: float


@dataclass(frozen=True)
class Conversion:
    """What became of a model whose activations turned into polynomials. Print it for a table.

    nodes: of the activations, in order.
    levels: of the whole model.
    samples: that it was measured on.
    agreement: the share of samples that the twin decides as the exact model does; of a regression the R² of its outputs
    on those of the exact model, the mean over outputs.
    exact, twin: accuracy of both, or R², where labels were given.
    regression: whether the outputs are values and not scores.
    ring: the ring degree that plans for single samples, with all else at its default, are expected to take
    (`fhenn.planner.ring`); None where no ring is found.
    """

    nodes: tuple[NodeConversion, ...]
    levels: int
    samples: int
    agreement: float
    exact: float | None = None
    twin: float | None = None
    regression: bool = False
    ring: int | None = None

    @property
    def loss(self) -> float:
        """What the twin loses: of accuracy or R² where labels were given, else of the agreement with the exact model.

        >>> Conversion((), 3, 100, 0.99, exact=0.95, twin=0.94).loss
        0.01
        """
        if self.exact is None or self.twin is None:
            return 1.0 - self.agreement
        return round(self.exact - self.twin, 12)

    def __str__(self) -> str:
        names = ("activation", "function", "degree", "levels", "domain", "error on the data", "effect at the output")
        rows = [
            (
                f"{node.place} {node.node}",
                node.function,
                str(node.degree),
                str(node.levels),
                f"[{node.domain[0]:.4g}, {node.domain[1]:.4g}]",
                f"{node.error:.2g}",
                f"{node.effect:.2%}",
            )
            for node in self.nodes
        ]
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        lines = [
            "  " + "  ".join(cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in cells)
            for cells in (enumerate(zip(row, widths, strict=True)) for row in (names, *rows))
        ]
        agrees = (
            f"R² on the exact model's outputs {self.agreement:.4f}"
            if self.regression
            else f"agrees with the exact model in {self.agreement:.2%}"
        )
        ring = (
            "no ring found at 128-bit security"
            if self.ring is None
            else f"ring N={self.ring}, by estimate, for single samples at 128-bit security"
        )
        text = [f"{self.levels} levels; {ring}", f"{agrees} ({self.samples:,} samples)"]
        if self.exact is not None and self.twin is not None:
            score = "R²" if self.regression else "accuracy"
            shown = "{:.4f}" if self.regression else "{:.2%}"
            text.append(f"{score} {shown.format(self.twin)}, of the exact model {shown.format(self.exact)}")
        return "\n".join([*lines, *(f"  {line}" for line in text)])


@dataclass(frozen=True, eq=False)
class Goal:
    """What is asked of a conversion as a whole: arguments of `ImportedModel.for_inputs`.

    agreement, depth, labels, max_loss: as there.
    """

    agreement: float | None = None
    depth: int | None = None
    labels: Any = None
    max_loss: float | None = None

    @property
    def needs_samples(self) -> str | None:
        """The name of an argument that says something of samples; None where none does."""
        given = {"depth": self.depth, "agreement": self.agreement, "labels": self.labels, "max_loss": self.max_loss}
        return next((name for name, value in given.items() if value is not None), None)

    @property
    def chooses(self) -> bool:
        """Whether polynomials are to be chosen together."""
        return self.depth is not None or self.agreement is not None

    def require_samples(self, samples: Any) -> None:
        """Raise ParameterError where something is asked of samples that are not there."""
        if samples is None and self.needs_samples is not None:
            raise ParameterError(
                f"{self.needs_samples} was given, and no samples to choose by.", "Give samples as inputs=."
            )

    def wanted(self, *, regression: bool) -> float:
        """The agreement that is asked for."""
        if self.agreement is not None:
            return self.agreement
        return OUTPUTS if regression else DECISIONS

    def require_met(self, report: Conversion) -> None:
        """Raise AccuracyLost where a conversion loses too much; warn where it agrees less than was asked for."""
        self.require_loss(report)
        wanted = self.wanted(regression=report.regression)
        if report.agreement < wanted:
            warnings.warn(ConversionWarning(report.agreement, wanted, report.levels), stacklevel=5)

    def require_loss(self, report: Conversion) -> None:
        """Raise AccuracyLost where a conversion loses too much."""
        if self.max_loss is not None and report.loss > self.max_loss:
            raise AccuracyLost(
                report.loss,
                self.max_loss,
                report,
                "Allow more depth, ask for a higher agreement, or train on with polynomials in it.",
            )

    def require_depth(self, report: Conversion) -> None:
        """Raise ParameterError where a model whose polynomials are not chosen by depth takes more levels."""
        if self.depth is not None and report.levels > self.depth:
            raise ParameterError(
                f"a depth of {self.depth} cannot be had: the model takes {report.levels}, and has no activations whose "
                "polynomials can be chosen anew.",
                f"Give depth={report.levels} or more, or leave it out.",
            )

    def require_ranges(self, ranges: str) -> None:
        """Raise ParameterError where something goes by samples, and ranges are those of the worst case."""
        asked = "depth" if self.depth is not None else "agreement" if self.agreement is not None else None
        if asked and ranges == "worst":
            raise ParameterError(
                f"{asked} goes by samples, and the worst case by what inputs within bounds can bring.",
                "Leave one of them out.",
            )

    def require_sane(self) -> None:
        """Raise ParameterError where an argument is out of range."""
        if self.agreement is not None and not (isinstance(self.agreement, Real) and 0 < self.agreement <= 1):
            raise ParameterError(
                f"agreement must be a share above 0, at most 1, not {self.agreement!r}.", "Give for instance 0.99."
            )
        if self.depth is not None and (not is_whole(self.depth) or self.depth < 1):
            raise ParameterError(f"depth must be a whole number of levels, not {self.depth!r}.", "Give for instance 8.")
        if self.max_loss is not None and not (isinstance(self.max_loss, Real) and 0 <= self.max_loss < inf):
            raise ParameterError(
                f"max_loss must be a share from 0, not {self.max_loss!r}.", "Give 0.01 for one point of accuracy."
            )


ANY = Goal()
"""Nothing is asked for."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """A twin that was tried.

    polynomials: by the place of their node among the steps.
    values: what reaches each, by its place.
    outputs: of the twin, (samples, outputs).
    """

    polynomials: Mapping[int, Polynomial]
    values: Mapping[int, Floats]
    outputs: Floats


class Converter:
    """Finds polynomials for some activations of a circuit.

    steps: of the circuit.
    places: of the activations that are to become polynomials; each states its function.
    samples: (samples, features).
    margin: how many times wider than what the samples reach the domains are.
    classes: of the outputs, 0 for a regression.
    decide: what is decided of outputs; None where the largest wins, or of one output 0 and what is above.
    each: whether every output decides by itself, as those of a multilabel model do.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        places: Sequence[int],
        samples: Floats,
        margin: float,
        classes: int,
        decide: Callable[[Floats], NDArray[Any]] | None = None,
        *,
        each: bool = False,
    ) -> None:
        self._steps, self._places, self._margin, self._classes = list(steps), list(places), margin, classes
        self._decide, self._each = decide or _largest, each
        self._samples = samples
        self._chosen = frozenset(places)
        self._circuit, at = joined(self._steps), iter(self._places)
        mine = {id(self._steps[place]) for place in places}
        self._standing = {place: next(at) for place, step in enumerate(self._circuit) if id(step) in mine}
        products = sum(step.operator.most_entries for step in self._steps if isinstance(step, Affine))
        self._few = _some(samples, min(_ROWS, _WORK // max(products, 1)))
        self._exact, self._reaching = self._run(self._few, {})
        runs = MOST_LEVELS * len(self._places) + 1
        self._sensitive = min(len(self._few), _SENSITIVE, max(_FEWEST, _WORK // (max(products, 1) * runs)))

    @property
    def places(self) -> tuple[int, ...]:
        """Of the activations that become polynomials."""
        return tuple(self._places)

    @property
    def reaching(self) -> Mapping[int, Floats]:
        """What comes to each of them in the exact model, of some of the samples."""
        return self._reaching

    @property
    def least(self) -> int:
        """Levels of the shallowest model.

        One for each activation, two for one so near the end that a witness would have no room beside it.
        """
        return self.levels_of(self._fewest())

    def levels_of(self, levels: Levels) -> int:
        """Levels of the whole model, of the deeper one of two branches."""
        return self._depths(levels)[-1]

    def _depths(self, levels: Levels) -> list[int]:
        """Levels before each step of the circuit, and in all."""
        return depths(self._circuit, {place: levels[mine] for place, mine in self._standing.items()})

    def _fewest(self) -> dict[int, int]:
        *before, total = self._depths(dict.fromkeys(self._places, 1))
        return {mine: 1 + (total - before[place] < _WATCHED) for place, mine in self._standing.items()}

    def exact_outputs(self) -> Floats:
        """What the exact model makes of all samples."""
        return self._exact if self._few is self._samples else self._run(self._samples, {})[0]

    def effect(self, place: int, polynomial: Polynomial) -> float:
        """What one polynomial alone does to the outputs of the exact model, relative to how they vary."""
        rows, exact = (_some(each, self._sensitive) for each in (self._few, self._exact))
        off = self._relative(self._run(rows, {place: polynomial})[0] - exact)
        return float(np.sqrt(np.mean((off / self._spread(exact)) ** 2)))

    def search(self, agreement: float, depth: int | None) -> Levels:
        """The levels of every node, of the shallowest network found that agrees so far; of the best one if none does.

        Raises ParameterError where there is no network of that depth.
        """
        if depth is not None and depth < self.least:
            raise ParameterError(
                f"a depth of {depth} cannot be had: with the least for each activation the model takes {self.least}.",
                f"Give depth={self.least} or more, or leave it out.",
            )
        path = [levels for levels in self._path() if depth is None or self.levels_of(levels) <= depth]
        low, high = 0, len(path)
        while low < high:
            middle = (low + high) // 2
            if self._agrees(path[middle], agreement):
                high = middle
            else:
                low = middle + 1
        return path[min(low, len(path) - 1)]

    def attempt(self, levels: Levels) -> Attempt:
        """The twin of such levels, on all samples."""
        return self._attempt(self._samples, levels)

    def trial(self, polynomials: Mapping[int, Polynomial]) -> Attempt:
        """The twin of polynomials by the place of their node, on all samples."""
        outputs, values = self._run(self._samples, dict(polynomials))
        return Attempt(polynomials, values, outputs)

    def _attempt(self, rows: Floats, levels: Levels) -> Attempt:
        polynomials = dict[int, Polynomial]()
        outputs, values = self._run(rows, polynomials, levels)
        return Attempt(polynomials, values, outputs)

    def truth(self, labels: Any, reading: Reading) -> NDArray[Any] | None:
        """True values of the samples, as `Reading.score` takes them; None where there are no labels.

        labels: of a user.
        reading: of the outputs.
        Raises ShapeMismatch, ParameterError, MissingValues, UnsupportedValue.
        """
        return None if labels is None else truth_of(labels, reading, len(self._samples), self._exact.shape[1])

    def report(self, attempt: Attempt, reading: Reading, truth: NDArray[Any] | None, ring: int | None) -> Conversion:
        """What became of the model.

        attempt: the twin, tried on all samples.
        reading: of the outputs.
        truth: true values of the samples (`truth`); None where they are not known.
        ring: that it is expected to take.
        """
        exact = self.exact_outputs()
        return Conversion(
            nodes=tuple(self._rows(attempt)),
            levels=self.levels_of({place: polynomial.depth for place, polynomial in attempt.polynomials.items()}),
            samples=len(exact),
            agreement=self.agreement(exact, attempt.outputs),
            exact=None if truth is None else reading.score(exact, truth),
            twin=None if truth is None else reading.score(attempt.outputs, truth),
            regression=not self._classes,
            ring=ring,
        )

    def _rows(self, attempt: Attempt) -> Iterator[NodeConversion]:
        for number, (place, polynomial) in enumerate(attempt.polynomials.items(), 1):
            node, function = self._steps[place], polynomial.function
            assert isinstance(node, Activation)  # noqa: S101  (for the type checker)
            yield NodeConversion(
                place=number,
                node=node.name,
                function="" if function is None else function.name,
                degree=polynomial.degree,
                levels=polynomial.depth,
                domain=polynomial.domain,
                error=rms_error(polynomial, attempt.values[place]),
                effect=self.effect(place, polynomial),
            )

    def agreement(self, exact: Floats, twin: Floats) -> float:
        """As `Conversion.agreement` says."""
        if not self._classes:
            return 1.0 - float(np.mean(((twin - exact) / self._spread(exact)) ** 2))
        return float(np.mean(self._decide(exact) == self._decide(twin)))

    def _agrees(self, levels: Levels, wanted: float) -> bool:
        outputs = self._attempt(self._few, levels).outputs
        if not np.isfinite(outputs).all():
            return False
        return min(self.agreement(self._exact, outputs), 1.0 - self._uncertain(outputs)) >= wanted

    def _uncertain(self, outputs: Floats) -> float:
        """The share of decisions that errors of this size turn over, by how close decisions are.

        Training drives its samples away from decisions, and others lie closer. So it is no less than for decisions as
        close as those of the closest tenth would be if they lay evenly: ∫ Φ(-m/s) dm is s/√(2π) for errors of size s.
        """
        if not self._classes:
            return 0.0
        exact = self._exact
        if self._each or exact.shape[1] == 1:
            closeness, off = np.abs(exact).ravel(), (outputs - exact).ravel()
        else:
            rows, order = np.arange(len(exact)), np.argsort(exact, axis=1)
            first, second = order[:, -1], order[:, -2]
            closeness = exact[rows, first] - exact[rows, second]
            off = (outputs - exact)[rows, first] - (outputs - exact)[rows, second]
        size = float(np.sqrt(np.mean(off**2)))
        if size == 0:
            return 0.0
        turned = float(np.mean([erfc(ratio / sqrt(2)) / 2 for ratio in (closeness / size).tolist()]))
        width = float(np.quantile(closeness, _CLOSE))
        return max(turned, _CLOSE * size / (sqrt(2 * pi) * width)) if width > 0 else turned

    def _path(self) -> Iterator[Levels]:
        """Levels of networks, one level deeper each: what is free first, then what helps most."""
        effects = self._sensitivity()
        levels = self._fewest()
        total = self.levels_of(levels)
        while True:
            for place in self._by_gain(levels, effects):
                if self.levels_of({**levels, place: levels[place] + 1}) == total:
                    levels[place] += 1
                    break
            else:
                yield dict(levels)
                order = self._by_gain(levels, effects)
                if not order:
                    return
                levels[order[0]] += 1
                total = self.levels_of(levels)

    def _by_gain(self, levels: Levels, effects: Mapping[int, Sequence[float]]) -> list[int]:
        """The nodes that can take a level more, by how much smaller the error gets."""
        open_ = [place for place in self._places if levels[place] < MOST_LEVELS]

        def gain(place: int) -> float:
            before, after = effects[place][levels[place] - 1 : levels[place] + 1]
            return after**2 - before**2

        return sorted(open_, key=gain)

    def _sensitivity(self) -> dict[int, list[float]]:
        """By place, what the polynomial of each number of levels does to the outputs alone."""
        found = dict[int, list[float]]()
        for place in self._places:
            values = self._reaching[place]
            effects = [self.effect(place, self._fit(place, levels, values)) for levels in range(1, MOST_LEVELS + 1)]
            found[place] = np.minimum.accumulate(effects).tolist()
        return found

    def _fit(self, place: int, levels: int, values: Floats) -> Polynomial:
        node = self._steps[place]
        assert isinstance(node, Activation)  # noqa: S101  (for the type checker)
        assert node.function is not None  # noqa: S101
        domain = range_of(values, (-inf, inf), self._margin, where=node.name)
        if not domain[0] < domain[1] or values.min() == values.max():
            raise ParameterError(
                f"what the samples bring to {node.name} ({node.function.name}) is {float(values.flat[0]):g} for all of "
                "them, and no polynomial can be chosen by that.",
                "Give samples that vary, as the inputs will.",
            )
        return by_levels(node.function, levels, domain, values)

    def _run(
        self, x: Floats, polynomials: dict[int, Polynomial], levels: Levels | None = None
    ) -> tuple[Floats, dict[int, Floats]]:
        """Outputs, and what reaches the nodes, with polynomials where there are some, and exact functions elsewhere.

        levels: of polynomials that are fitted on the way, and added; None for those that there are.
        """
        seen = dict[int, Floats]()

        def step(place: int, node: Affine | Activation, value: Floats) -> Floats:
            if isinstance(node, Affine) or place not in self._chosen:
                return np.asarray((node.with_policy("ignore") if isinstance(node, Activation) else node).infer(value))
            seen[place] = value
            if levels is not None:
                polynomials[place] = self._fit(place, levels[place], value)
            return np.asarray(polynomials[place](value) if place in polynomials else node.exact(value))

        with np.errstate(over="ignore", invalid="ignore"):
            *_, outputs = trail(self._steps, x, step, plus)
        return outputs.reshape(len(x), -1), seen

    def _relative(self, off: Floats) -> Floats:
        """What of a difference of scores can change a decision: what is alike in all classes cannot."""
        together = self._classes and not self._each and off.shape[1] > 1
        return off - off.mean(axis=1, keepdims=True) if together else off

    def _spread(self, outputs: Floats) -> Floats:
        """How outputs vary from sample to sample: scores of classes alike, each value by itself, (1 or outputs,).

        What never varies counts by its size.
        """
        values, axis = self._relative(outputs), None if self._classes else 0
        largest = np.abs(values).max(axis=axis, keepdims=True)
        scale = np.where(largest > 0, largest, 1.0)
        spread = np.sqrt(np.mean(((values - values.mean(axis=0)) / scale) ** 2, axis=axis, keepdims=True))
        found: Floats = scale * np.where(spread > _NO_SPREAD, spread, 1.0)
        return found.ravel()


def _largest(scores: Floats) -> NDArray[np.intp]:
    if scores.shape[1] == 1:
        return (scores[:, 0] > 0).astype(np.intp)
    return np.asarray(np.argmax(scores, axis=1))


def truth_of(labels: Any, reading: Reading, samples: int, outputs: int) -> NDArray[Any]:
    """True values of so many samples, for a model of so many outputs, as `Reading.score` takes them.

    labels: (samples,), or (samples, targets) where there are several.
    reading: of the model.

    Raises ShapeMismatch for other shapes. Raises ParameterError where a label is not one of the classes, or a value of
    a regression is not a number.
    """
    truth = labels_of(labels, "labels")
    targets = np.shape(reading.predict(np.zeros((1, outputs))))[1:]
    wanted = (samples, *targets)
    if outputs == 1 and not reading.classes and truth.size == samples and truth.ndim in (1, 2):
        truth = truth.reshape(wanted)  # a column of a table has one axis, and values of a single output may have two
    if truth.shape != wanted:
        each = f"{targets[0]} values" if targets else "one"
        raise ShapeMismatch("labels", truth.shape, f"{wanted}, {each} for each of the {samples} samples")
    if reading.task == "regression":
        try:
            return np.asarray(truth, np.float64)
        except ValueError:
            raise ParameterError("labels of a regression must be numbers.", "Give the column of values.") from None
    for output, column in zip(reading.outputs, truth.T, strict=False):
        _require_classes(column, output.classes)
    if not reading.outputs:
        _require_classes(truth, (0, 1) if reading.task == "multilabel" else reading.classes)
    return truth


def _require_classes(truth: NDArray[Any], classes: Sequence[Any]) -> None:
    """Raise ParameterError where a label is not one of the classes."""
    strangers = [label for label in dict.fromkeys(truth.ravel().tolist()) if label not in classes]
    if strangers:
        shown = ", ".join(map(repr, strangers[:3])) + ", …" * (len(strangers) > 3)
        raise ParameterError(
            f"labels {shown} are none of the model's classes, {', '.join(map(repr, classes[:5]))}.",
            "Give the column with the labels that it was trained on, or classes= to the importer.",
        )


def _some(samples: Floats, most: int) -> Floats:
    """At most so many of the samples, evenly spread over them."""
    return samples if len(samples) <= most else samples[:: -(-len(samples) // max(most, _FEWEST))]
