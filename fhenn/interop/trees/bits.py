"""`bits_of`: the bits of raw features that the boxes of an ensemble are made of, and conditions as sums of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from fhenn.interop.preparation import Thermometer
from fhenn.interop.trees.boxes import Box, Condition
from fhenn.interop.trees.ensemble import Ensemble, Value


@dataclass(frozen=True)
class Sum:
    """A constant, and bits by their places, each with its weight."""

    constant: float
    weights: Mapping[int, float]


@dataclass(frozen=True, eq=False)
class FeatureBits:
    """The bits of one feature, by their places among those of all.

    below: of "x is below this threshold".
    among: of "x is one of these values", no value in two of them.
    missing: of "x is missing"; None for a feature without missing cells.
    """

    below: Mapping[float, int]
    among: Mapping[frozenset[Value], int]
    missing: int | None

    def sum_of(self, condition: Condition) -> Sum:
        """What is 1 for a cell that meets a simple condition, and 0 for another, as a sum of bits."""
        weights: dict[int, float] = {}
        if condition.only is None:
            if condition.high < inf:
                weights[self.below[condition.high]] = 1.0
            elif self.missing is not None and not condition.missing:
                weights[self.missing] = -1.0
            if condition.low > -inf:
                weights[self.below[condition.low]] = -1.0
        if self.missing is not None and condition.missing and (condition.only is not None or condition.high < inf):
            weights[self.missing] = 1.0
        for values, weight in ((condition.only or frozenset(), 1.0), (condition.without, -1.0)):
            weights |= {place: weight for atom, place in self.among.items() if atom <= values}
        return Sum(float(condition.only is None and condition.high == inf), weights)


def bits_of(ensemble: Ensemble, boxes: Iterable[Box]) -> tuple[Thermometer, dict[int, FeatureBits]]:
    """What makes the bits that conditions of boxes need of the features that these name, and where those of each are.

    Values that no condition tells apart share a bit, so that a client learns no more of the sets than it must.
    """
    asked: dict[int, list[Condition]] = defaultdict(list)
    for box in boxes:
        for feature, condition in box.conditions.items():
            asked[feature].append(condition)
    named = sorted(asked)
    thresholds, sets = [_thresholds(asked[each]) for each in named], [_atoms(asked[each]) for each in named]
    missing = tuple(ensemble.missing[each] for each in named)
    thermometer = Thermometer(
        tuple(thresholds),
        strict=ensemble.strict,
        single=ensemble.single,
        missing=missing if any(missing) else (),
        sets=tuple(tuple(tuple(sorted(atom)) for atom in atoms) for atoms in sets) if any(sets) else (),
    )
    found, start = dict[int, FeatureBits](), 0
    for feature, steps, atoms, may, bits in zip(named, thresholds, sets, missing, thermometer.bits, strict=True):
        below = {step: place for place, step in enumerate(steps, start)}
        among = {atom: place for place, atom in enumerate(atoms, start + len(steps))}
        start += bits
        found[feature] = FeatureBits(below, among, start - 1 if may else None)
    return thermometer, found


def _thresholds(conditions: Sequence[Condition]) -> tuple[float, ...]:
    """The finite limits of intervals, ascending."""
    limits = {limit for each in conditions if each.only is None for limit in (each.low, each.high)}
    return tuple(sorted(limits - {-inf, inf}))


def _atoms(conditions: Sequence[Condition]) -> list[frozenset[Value]]:
    """The values that conditions name, those together that no condition tells apart."""
    sets = dict.fromkeys(values for each in conditions for values in (each.only or frozenset(), each.without))
    holding: dict[Value, list[int]] = defaultdict(list)
    for place, values in enumerate(sets):
        for value in values:
            holding[value].append(place)
    found: dict[tuple[int, ...], set[Value]] = {}
    for value in sorted(holding):
        found.setdefault(tuple(holding[value]), set()).add(value)
    return [frozenset(atom) for atom in found.values()]
