"""What is known of a model's inputs: bounds of every feature, and samples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.columns import Table, as_features, table_of
from fhenn.columns import samples as samples_of
from fhenn.errors import ParameterError, PlanError, SamplesWarning, ShapeMismatch
from fhenn.nn import Affine, Step

Floats = NDArray[np.float64]

_FEW = 2
"""Samples that say too little of what a feature can be to take bounds from without a word."""

_LEAST_ALIKE = 4
"""Features that must vary before they show that all are of one unit."""

_SHARE_ALIKE, _LEAST_WIDTH = 0.75, 1 / 8
"""The share of them that must be at least so wide, of what all span together: of pixels, weights of words and
standardised features it is; of a table of ages, amounts and rates it is not."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """Bounds of every feature, and samples where there are some.

    low, high: what every sample lies between, (features,) each.
    samples: (samples, features), within the bounds; None without samples.
    names: of the features, by the table that they came in; None without names.
    declared: whether the bounds were given, and not taken from the samples.

    >>> import fhenn
    >>> Inputs.of([fhenn.Linear([[1.0, 2.0]])], bounds=[-1, 1]).high
    array([1., 1.])
    """

    low: Floats
    high: Floats
    samples: Floats | None = None
    names: tuple[str, ...] | None = None
    declared: bool = True

    @property
    def rows(self) -> int:
        """How many samples there are; 1 where there are only bounds."""
        return 1 if self.samples is None else max(self.samples.shape[0], 1)

    @classmethod
    def of(
        cls,
        nodes: Sequence[Step],
        *,
        bounds: Any = None,
        inputs: Any = None,
        features: Sequence[str] | None = None,
        margin: float = 0.0,
        exact: bool = False,
        shape: Sequence[int] | None = None,
    ) -> Inputs:
        """The inputs that a user describes by bounds, by samples, or by both.

        nodes: of the model, an affine one first.
        bounds: (2, features) of low and high, or (2,) for all features; None for the box of the samples.
        inputs: samples, (samples, features), or (features,) for one; None where there are none.
        features: names by which a table's columns are matched; None to take columns in order.
        margin: how much wider than the samples' bounds are on either side, in units of their width, where they are
        taken from samples (`bounds_of`).
        shape: of a sample that is an image, (channels, height, width); None where samples are none.
        exact: whether bounds that are taken from samples are their least and largest values, whatever these say of
        others.

        Both are arrays, or anything with named columns.
        Raises PlanError where the first node is not affine, ParameterError where neither is given, or a lower bound
        exceeds the upper one, or a sample leaves the bounds, ShapeMismatch, FeatureMismatch, UnsupportedValue,
        NonFiniteValue.
        """
        if not nodes or not isinstance(nodes[0], Affine):
            raise PlanError(
                "the model must start with a Linear node, or another affine one.",
                "Put one first: with the identity matrix as its weight it changes no value.",
            )
        if bounds is None and inputs is None:
            raise ParameterError(
                "the bounds of the inputs are needed.",
                "Give bounds=(low, high), as one pair or as one for each feature, or inputs= with samples.",
            )
        width = nodes[0].inputs
        tables = [table_of(given) for given in (bounds, inputs)]
        names = next((table.names for table in tables if table is not None and table.names), None)
        bounds, inputs = (
            given if table is None else table for given, table in zip((bounds, inputs), tables, strict=True)
        )
        values = None if inputs is None else samples_of(inputs, features, "inputs", one=True)
        if values is not None:
            values = _as_samples(values, width, shape)
            if bounds is None:
                low, high = values.min(axis=0), values.max(axis=0)
                if not exact:
                    alike = not (isinstance(inputs, Table) and inputs.prepared)
                    low, high = bounds_of(values, margin, names or features, alike=alike)
                return cls(low, high, values, names, declared=False)
        low, high = _read_bounds(bounds, width, shape, features, names or features)
        if values is not None:
            _require_within(values, low, high, names or features)
        return cls(low, high, values, names)

    @property
    def box(self) -> tuple[Floats, Floats]:
        """The bounds as clients take them: wider by one step of single precision at the larger bound.

        So a copy of a value in single precision is inside where the value is, 2⁻²³ being that step (IEEE 754).

        >>> Inputs(np.array([0.1]), np.array([0.1])).box[1] > np.float32(0.1)
        array([ True])
        """
        return box_of(self.low, self.high)


def bounds_of(
    values: Floats, margin: float = 0.0, names: Sequence[str] | None = None, *, alike: bool = True
) -> tuple[Floats, Floats]:
    """The bounds that samples give: their least and largest values, widened.

    values: the samples, (samples, features).
    margin: how much wider on either side, in units of the distance from low to high; from 0.
    names: of the features, for the warning; None where they have none.
    alike: whether the features may be of one unit, as pixels are; what a preparation makes is not, however it looks.

    What is not as sure as it looks is said in a SamplesWarning: bounds of features that are equal in all samples
    (`span_of`), and those of one or two samples.

    Returns low and high, (features,) each.
    Raises ParameterError where the margin is out of range.

    >>> bounds_of(np.array([[0.0], [1.0], [2.0]]), margin=0.5)
    (array([-1.]), array([3.]))
    """
    if not isinstance(margin, Real) or not 0 <= margin < np.inf:
        raise ParameterError(f"margin must be a finite number from 0, not {margin!r}.", "Give for instance 0.5.")
    low, high, equal = span_of(values, alike=alike)
    few = len(values) <= _FEW
    if few or equal.size:
        places = () if few else tuple(equal.tolist())
        called = tuple(names[place] for place in places) if names is not None else ()
        shared = (float(low[0]), float(high[0])) if np.all(low < high) else None
        warnings.warn(SamplesWarning(len(values), places, len(low), called, shared), stacklevel=4)
    return low - margin * (high - low), high + margin * (high - low)


def span_of(values: Floats, *, alike: bool = True) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """What samples say of the bounds of features.

    values: the samples, (samples, features).
    alike: whether the features may be of one unit.

    A feature that is equal in all samples has no width. Where the features plainly share one unit, as pixels do, each
    takes the bounds of all together: a pixel at the edge that is black in all samples may be white in another. The
    features show it where the constants lie within what the others span, and three quarters of these, four at least,
    are an eighth as wide as that or wider. Else a constant stays one.

    Returns low and high, (features,) each, and the places of the features that are equal in all samples.

    >>> span_of(np.array([[0.0, 0.1, 0.2, 0.9, 0.0], [0.8, 0.9, 0.8, 0.0, 0.0], [0.1, 0.2, 1.0, 0.3, 0.0]]))[1:]
    (array([1., 1., 1., 1., 1.]), array([4]))
    """
    low, high = values.min(axis=0), values.max(axis=0)
    equal = np.flatnonzero(low == high)
    if alike and len(values) > _FEW and equal.size:
        shared = _shared(low, high)
        if shared is not None:
            low, high = (np.full_like(low, end) for end in shared)
    return low, high, equal


def _shared(low: Floats, high: Floats) -> tuple[float, float] | None:
    """The bounds of all features together, where they plainly share one unit; else None.

    low, high: of each, (features,).
    """
    varies = low < high
    if np.count_nonzero(varies) < _LEAST_ALIKE:
        return None
    least, most = float(low[varies].min()), float(high[varies].max())
    with np.errstate(over="ignore"):  # no unit is shared by what spans more than there are floats
        alike = np.count_nonzero((high - low)[varies] >= _LEAST_WIDTH * (most - least))
    within = least <= low[~varies].min() and high[~varies].max() <= most
    return (least, most) if within and alike >= _SHARE_ALIKE * np.count_nonzero(varies) else None


SINGLE_STEP = 2.0**-23
"""What single precision can be off by at most, relative to a value: one step between neighbours."""


def box_of(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The bounds that clients hold values to (`Inputs.box`).

    low, high: the declared bounds, (features,) each.
    """
    slack = SINGLE_STEP * np.maximum(np.abs(low), np.abs(high))
    return low - slack, high + slack


def _as_samples(values: Floats, width: int, shape: Sequence[int] | None) -> Floats:
    """Samples, (samples, features). Raises ShapeMismatch."""
    if values.ndim == 0 or len(values) == 0:
        raise ShapeMismatch("inputs", values.shape, f"(samples, {width}), at least one sample")
    return as_features(values, width, shape, "inputs")


def _read_bounds(
    bounds: Any,
    width: int,
    shape: Sequence[int] | None,
    features: Sequence[str] | None,
    names: Sequence[str] | None,
) -> tuple[Floats, Floats]:
    """Low and high of every feature."""
    values = samples_of(bounds, features, "bounds")
    if values.shape == (2,):
        values = np.repeat(values[:, None], width, axis=1)
    if shape is not None and values.shape == (2, *shape):
        values = values.reshape(2, width)
    if values.shape != (2, width):
        raise ShapeMismatch(
            "bounds",
            values.shape,
            f"(2,) or (2, {width}): (low, high) for all features, (lows, highs) of each of {width}, or a pair by name, "
            f"{_by_name(names)}. Samples are given as inputs=",
        )
    low, high = values
    if np.any(low > high):
        worst = int(np.argmax(low - high))
        raise ParameterError(
            f"{_called(worst, names)} has a lower bound of {low[worst]:g}, above its upper bound of {high[worst]:g}.",
            "Give all lower bounds first, then all upper ones: (low, high).",
        )
    return low, high


def _require_within(values: Floats, low: Floats, high: Floats, names: Sequence[str] | None) -> None:
    """Raise ParameterError where a sample leaves the bounds."""
    floor, ceiling = box_of(low, high)
    excess = np.maximum(floor - values, values - ceiling)
    if excess.max() > 0:
        row, feature = map(int, np.unravel_index(int(excess.argmax()), excess.shape))
        raise ParameterError(
            f"sample {row} has {values[row, feature]:.17g} as its {_called(feature, names)}, outside the bounds "
            f"[{low[feature]:.17g}, {high[feature]:.17g}].",
            "Give wider bounds, or leave bounds= out to take those of the samples.",
        )


def _by_name(names: Sequence[str] | None) -> str:
    """How bounds are written by name."""
    first = names[0] if names else "age"
    return f"{{{first!r}: (low, high){', …' if names is None or len(names) > 1 else ''}}}"


def _called(feature: int, names: Sequence[str] | None) -> str:
    """A feature in words."""
    return f"feature {feature}" if names is None else f"feature {names[feature]!r}"
