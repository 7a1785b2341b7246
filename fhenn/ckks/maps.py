"""Affine maps of samples in ciphertexts: few rotations, every slot at work, and only the diagonals that exist.

For a layout of whole samples the diagonal method (Halevi & Shoup 2014) with baby steps and giant steps (Halevi & Shoup
2018), on any content of the slots: a product of `K` shifted copies of x with plaintexts, then a sum over the slots that
are equal modulo the number of outputs m. Slot i of shift k multiplies the feature that it finds there, X(i + k), by the
entry from that feature to output i mod m; where every (output, feature) pair meets once, the sum is the product, in
every slot, with nothing else anywhere. So the result repeats with period m round the whole ring, as the next layer
wants it. A shift whose entries are all zero is left out: its product, and its rotation where nothing else needs it.

K = in·m/slots for "blocks", whose copies each serve other diagonals; 1 for "tiles"; min(in, m) for "replicated". Sizes
are powers of two, and copies lie multiples of K apart: the entry from feature j to output i is met by shift
(j - i) mod K alone. What there is to know of a map is read from its entries, without a table of outputs × inputs.

Inputs and outputs may also stand at places of their own (`Placement`), with periods p and m: then the entry is met by
the shift between their places modulo K = min(p, m). A convolution whose outputs stand where its inputs did, in the gaps
that a stride leaves too, has as many diagonals as its kernel has taps, times the distances between channels (E. Lee et
al., "Low-complexity deep convolutional neural networks on fully homomorphic encryption using multiplexed parallel
convolutions", 2022).

Where inputs or outputs take several ciphertexts, tiles, each pair of them has diagonals of its own, under one schedule:
the rotations of a tile of inputs are made once for all tiles of outputs, and each of these has a sum over giant steps.

In layout "features" an output is a sum of products with numbers, and takes no rotation.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from math import ceil, hypot, sqrt
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.bounds import Bounds
from fhenn.ckks.copies import of_copies
from fhenn.ckks.layout import FEATURES, Layout, Placement, Vectors, WholeSamples
from fhenn.ckks.limits import require_digits
from fhenn.ckks.operations import P, V
from fhenn.ckks.rotations import CHAINED, STRATEGIES, Rotations, rotation_missing
from fhenn.errors import ShapeMismatch, UnsupportedOperation
from fhenn.steps import counted

if TYPE_CHECKING:
    from fhenn.ckks.operations import Operations
    from fhenn.ckks.operator import Operator

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
R = TypeVar("R")

_KINDS_OF_GAPS, _JOINED = 4, 8
"""Of a map's diagonals, by which giant steps are sought; runs of diagonals that one giant step may join."""

KEY_OF_IMAGES = 3.0
"""Rotations that a key is worth where features stand at places of their own: such maps are large, on large rings, where
a key of some megabytes takes longer to make, send and keep than rotations."""

_TOGETHER = 4
"""Plaintexts of numbers that are there at once: each is as large as half a ciphertext."""


def power_of_two(size: int) -> int:
    """The least power of two that is not below a size.

    >>> power_of_two(5)
    8
    """
    return 1 << max(size - 1, 0).bit_length()


@dataclass(frozen=True)
class Diagonals:
    """The diagonals that an operator has in a layout, and the sum at the end, whatever the order of the rotations.

    outputs: m, a power of two.
    shifts: of each tile of inputs for the first tile of outputs, then for the next one …: ascending, those with an
    entry that is not zero.
    most: K, how many there are where no entry is zero.
    folds: rotations of the sum at the end, in positions.
    samples: interleaved samples; a rotation by p positions is one by p·samples slots.
    present: how many there are, over all tiles.
    cyclic: whether a shift by K positions more meets the same entries.
    outlets: tiles of outputs.
    """

    outputs: int
    shifts: tuple[tuple[int, ...], ...]
    most: int
    folds: tuple[int, ...]
    samples: int
    present: int
    cyclic: bool = True
    outlets: int = 1

    @property
    def tiles(self) -> int:
        """Tiles of inputs."""
        return len(self.shifts) // self.outlets

    @cached_property
    def rows(self) -> list[tuple[tuple[int, ...], ...]]:
        """For each tile of outputs, the shifts of each tile of inputs."""
        return [self.shifts[start : start + self.tiles] for start in range(0, len(self.shifts), self.tiles)]

    @property
    def sums(self) -> int:
        """How many tiles of outputs have an entry."""
        return sum(any(row) for row in self.rows)

    @property
    def terms(self) -> int:
        """Products that a slot of the result is the sum of, at the end."""
        return 1 << len(self.folds)


def shape_of(layout: WholeSamples, period: int, slots: int) -> tuple[int, int, tuple[int, ...]]:
    """The shape of a map's diagonals.

    layout: of the inputs.
    period: positions after which the outputs repeat, or how many outputs there are: m, or what it is the power of two
    above.
    slots: of a ciphertext.

    Returns m, K and the folds (`Diagonals`).
    Raises ShapeMismatch where the map does not fit the ring.
    """
    ring, m = slots // layout.samples, power_of_two(period)
    if m > ring or layout.period > ring:
        raise ShapeMismatch("Linear", (period, layout.period), f"at most {ring} positions")
    if not isinstance(layout, Vectors) or layout.form == "replicated":
        most, end = min(layout.period, m), layout.period
    elif layout.form == "blocks":
        most, end = layout.step, ring
        if layout.step * ring != layout.period * m:
            raise ShapeMismatch("Linear", (period,), f"{layout.step * ring // layout.period} outputs, as packed")
    else:
        most, end = 1, layout.step * layout.period
        if layout.step != m:
            raise ShapeMismatch("Linear", (period,), f"{layout.step} outputs, as packed")
    folds = []
    step = m
    while step < end:
        folds.append(step)
        step *= 2
    return m, most, tuple(folds)


def in_order(outputs: int, samples: int) -> Vectors:
    """One output after another, up to a power of two, round the ring.

    outputs: of a map.
    samples: that are interleaved.
    """
    return Vectors("replicated", power_of_two(outputs), samples)


def diagonals_of(operator: Operator, layout: WholeSamples, slots: int, target: WholeSamples | None = None) -> Diagonals:
    """The diagonals of an operator.

    operator: (outputs, inputs).
    layout: of the inputs.
    slots: of a ciphertext.
    target: of the outputs; None for one after another.

    Raises ShapeMismatch where the operator does not fit the ring.
    """
    target = in_order(operator.outputs, layout.samples) if target is None else target
    m, most, folds = shape_of(layout, target.period, slots)
    met = np.zeros((target.tiles, layout.tiles, most), bool)
    for rows, columns, _ in operator.pieces():
        met[_place(layout, target, most, rows, columns)] = True
        if met.all():
            break
    shifts = tuple(tuple(np.flatnonzero(pair).tolist()) for pair in met.reshape(-1, most))
    cyclic = not (isinstance(layout, Vectors) and layout.form == "blocks")
    return Diagonals(m, shifts, most, folds, layout.samples, int(met.sum()), cyclic, target.tiles)


def _place(
    layout: WholeSamples, target: WholeSamples, most: int, rows: Places, columns: Places
) -> tuple[Places, Places, Places]:
    """The tile of the outputs, that of the inputs, and the shift that meet entries.

    most: K, a power of two.
    """
    tile, start = layout.places(columns)
    outlet, end = target.places(rows)
    return outlet, tile, (start - end) & (most - 1)


@dataclass(frozen=True)
class RotationSchedule:
    """The order of a map's rotations: shifts in baby and giant steps, then folds.

    diagonals: which there are.
    giants: giant steps, ascending. A shift is made of the last giant step that is not beyond it, and a baby step; one
    that lies before the first giant step is taken K positions farther, which comes to the same.
    rotations: how several rotations of one ciphertext are made.
    """

    diagonals: Diagonals
    giants: tuple[int, ...]
    rotations: Rotations

    @classmethod
    def dense(cls, diagonals: Diagonals, rotations: Rotations) -> RotationSchedule:
        """The schedule of as many baby as giant steps, all of them made, whatever diagonals there are.

        It has the fewest rotations where no diagonal is zero, and two keys beside the folds. Keys that were made for
        other entries of a matrix of that shape serve it too.

        diagonals: which there are.
        rotations: how several rotations of one ciphertext are made.
        """
        every = (tuple(range(diagonals.most)),) * len(diagonals.shifts)
        middle = ceil(diagonals.most.bit_length() / 2 - 0.5)
        return cls.regular(replace(diagonals, shifts=every), min(1 << middle, diagonals.most), rotations)

    @classmethod
    def regular(cls, diagonals: Diagonals, baby: int, rotations: Rotations) -> RotationSchedule:
        """The schedule whose giant steps are multiples of a number.

        diagonals: which there are.
        baby: the number.
        rotations: how several rotations of one ciphertext are made.
        """
        giants = {shift // baby * baby for shifts in diagonals.shifts for shift in shifts}
        return cls(diagonals, tuple(sorted(giants)), rotations)

    @classmethod
    def of(
        cls, diagonals: Diagonals, rotations: Rotations, *, by_runs: bool = True, key: float = 1.0
    ) -> RotationSchedule:
        """The schedule of the least effort and keys together, of those that take no more effort than the dense one.

        diagonals: which there are.
        rotations: how several rotations of one ciphertext are made.
        by_runs: whether giant steps may be anything but multiples of a power of two, as they are in older plans.
        key: rotations that one key is worth.
        """
        return _least(diagonals, rotations, by_runs, key)

    def weight(self, key: float) -> float:
        """What the rotations take together with the keys, in units of a rotation that shares nothing.

        key: rotations that one key is worth.
        """
        return self.effort + key * len(self.keys)

    @cached_property
    def _splits(self) -> dict[tuple[int, ...], tuple[Places, Places]]:
        """The giant and the baby steps of shifts, for all shifts that tiles have: many have the same."""
        giants, most, splits = np.array(self.giants), self.diagonals.most, {}
        for shifts in dict.fromkeys(self.diagonals.shifts):
            far = np.array(shifts, np.int64)
            if shifts:
                far = np.where(far < giants[0], far + most, far)
            giant = giants[np.searchsorted(giants, far, side="right") - 1] if shifts else far
            splits[shifts] = giant, far - giant
        return splits

    @cached_property
    def steps(self) -> tuple[tuple[dict[int, tuple[int, int]], ...], ...]:
        """The giant and the baby step of each shift, of each tile of inputs for each tile of outputs."""
        known = {
            shifts: dict(zip(shifts, zip(giants.tolist(), babies.tolist(), strict=True), strict=True))
            for shifts, (giants, babies) in self._splits.items()
        }
        return tuple(tuple(known[shifts] for shifts in row) for row in self.diagonals.rows)

    def babies(self, tile: int) -> list[int]:
        """The baby steps of a tile of inputs that have a diagonal, ascending."""
        alike = dict.fromkeys(row[tile] for row in self.diagonals.rows)
        babies: list[int] = np.unique(np.concatenate([self._splits[shifts][1] for shifts in alike])).tolist()
        return babies

    @cached_property
    def turns(self) -> list[int]:
        """By how many positions the sum of the giant steps is rotated after each of them, the last giant step first."""
        return [after - before for before, after in pairwise((0, *self.giants))][::-1]

    @cached_property
    def turning(self) -> tuple[int, ...]:
        """How many rotations of its sum of giant steps each tile of outputs takes: from the last one that it has on."""
        last = {shifts: int(giants.max(initial=-1)) for shifts, (giants, _) in self._splits.items()}
        lasts = (max(last[shifts] for shifts in set(row)) for row in self.diagonals.rows)
        return tuple(bisect(self.giants, each) - (self.giants[0] == 0) if each >= 0 else 0 for each in lasts)

    @cached_property
    def keys(self) -> frozenset[int]:
        """The rotations, in slots, that need a key."""
        return frozenset(self.keys_at(0, 0))

    def keys_at(self, level: int, folded: int) -> dict[int, int]:
        """The rotations, in slots, that need a key, and the level of what they turn.

        level: of the inputs.
        folded: level of the sum that folds turn, at most that of the inputs.
        """
        if not self.giants:  # nothing to sum
            return {}
        steps = set(self.turns)
        for babies, _ in self._babies_of_tiles:
            steps |= self.rotations.keys(babies)
        levels = {step: folded for group in self.folds for step in group} | dict.fromkeys(steps - {0}, level)
        return {step * self.diagonals.samples: at for step, at in levels.items()}

    @cached_property
    def folds(self) -> tuple[tuple[int, ...], ...]:
        """The rotations of the sum at the end, in positions; those of a group are of one ciphertext."""
        return self.rotations.groups(self.diagonals.folds)

    @property
    def folding(self) -> int:
        """How many rotations the sums at the end take, of all tiles of outputs."""
        return self.diagonals.sums * sum(map(len, self.folds))

    @property
    def hoisted_folds(self) -> int:
        """How many of these take the digits of another one."""
        return self.folding - self.diagonals.sums * len(self.folds)

    @cached_property
    def _babies_of_tiles(self) -> list[tuple[list[int], int]]:
        """The baby steps that tiles have, and how many tiles have them: of thousands of tiles most are alike."""
        columns = list(zip(*self.diagonals.rows, strict=True))
        return [(self.babies(columns.index(shifts)), tiles) for shifts, tiles in Counter(columns).items()]

    def _over_tiles(self, value: Callable[[Sequence[int]], float]) -> float:
        """The sum over all tiles of what their baby steps take."""
        return sum(value(babies) * tiles for babies, tiles in self._babies_of_tiles)

    @cached_property
    def count(self) -> int:
        """How many rotations are made for a group of samples."""
        if not self.giants:
            return 0
        return int(self._over_tiles(self.rotations.count)) + sum(self.turning) + self.folding

    @cached_property
    def hoisted(self) -> int:
        """How many of the rotations take the digits of another one."""
        if not self.giants:
            return 0
        return int(self._over_tiles(self.rotations.hoisted)) + self.hoisted_folds

    @cached_property
    def effort(self) -> float:
        """What the rotations take, in units of one that shares nothing."""
        if not self.giants:
            return 0
        folds = self.diagonals.sums * sum(self.rotations.effort(sorted(group)) for group in self.folds)
        return self._over_tiles(self.rotations.effort) + sum(self.turning) + folds


@lru_cache(maxsize=256)
def _least(diagonals: Diagonals, rotations: Rotations, by_runs: bool, key: float) -> RotationSchedule:
    """The schedule of the least effort and keys together (`RotationSchedule.of`).

    Kept, since a plan asks for it again for every placement and packing under which a layer has the same diagonals.
    """
    dense = RotationSchedule.dense(diagonals, rotations)
    powers = [
        RotationSchedule.regular(diagonals, 1 << power, rotations) for power in range(diagonals.most.bit_length())
    ]
    runs = [RotationSchedule(diagonals, giants, rotations) for giants in _giants_of_runs(diagonals)] if by_runs else []
    choices = [dense, *(choice for choice in (*powers, *runs) if choice.effort <= dense.effort)]
    return min(choices, key=lambda choice: choice.weight(key))  # the first of equals


def _giants_of_runs(diagonals: Diagonals) -> Iterator[tuple[int, ...]]:
    """Giant steps at which runs of diagonals begin, as those of a convolution's rows of taps, and of its channels.

    diagonals: which there are, of all tiles.

    A run goes on while the next diagonal is not far; what is far is what the distances between neighbours say. Then
    runs of equal distance are joined, two, three … of them to one giant step.
    """
    shifts = sorted(set(chain.from_iterable(diagonals.shifts)))
    if not 1 < len(shifts) < diagonals.most:
        return
    around = [after - before for before, after in pairwise((*shifts, shifts[0] + diagonals.most))]
    cut = (max(range(len(shifts)), key=around.__getitem__) + 1) % len(shifts)  # after the widest gap
    if diagonals.cyclic and cut:
        shifts = [*shifts[cut:], *(shift + diagonals.most for shift in shifts[:cut])]
    gaps = [after - before for before, after in pairwise(shifts)]
    for far in sorted(set(gaps))[-_KINDS_OF_GAPS:]:
        starts = [shifts[0], *(after for gap, after in zip(gaps, shifts[1:], strict=True) if gap >= far)]
        yield tuple(starts)
        between = [after - before for before, after in pairwise(starts)]
        usual = min(between)
        for together in range(2, _JOINED + 1):
            joined = [starts[0]]
            for start in starts[1:]:
                if start - joined[-1] >= together * usual:
                    joined.append(start)
            if len(joined) < len(starts):
                yield tuple(joined)


@dataclass(frozen=True)
class Gains:
    """By which factors errors come through a map, in its worst row, by the norm by which they add up (`Noise`).

    row: for errors of the inputs: the norm of a row.
    largest: for errors in units of the largest entry.
    spectral: for errors of the inputs, over all rows at once: the spectral norm, or more.
    turned: for the rounding of the rotations before.
    spiked: for their spikes.
    turned_together, spiked_together: the same, over all rows at once.

    With chained rotations an input carries the rounding of all steps before it; over all rows, each step's is taken as
    if it came through the whole matrix. With hoisted ones it carries that of one step s, which all entries (i, j) meet
    with j - i ≡ s; these, Aₛ, are a Fourier coefficient of D*AD over diagonal matrices D of phases, so that Σₛ‖uAₛ‖² is
    the mean of ‖uD*AD‖², and at most (‖A‖‖u‖)². A spike stays where the step put it: an output meets those of one giant
    step, taken as alike; over all rows, each step's is an error of one input.
    """

    row: float
    largest: float
    spectral: float
    turned: float = 0.0
    spiked: float = 0.0
    turned_together: float = 0.0
    spiked_together: float = 0.0


def _gains_of(operator: Operator, norm: int) -> Gains:
    """Those of a map without rotations."""
    return Gains(float(operator.row_norms(norm).max()), operator.largest, operator.spectral_norm)


_KNOWN: WeakKeyDictionary[Operator, dict[Any, Any]] = WeakKeyDictionary()
"""What was computed of operators, while they live; nothing in it holds one."""


@dataclass(frozen=True, eq=False)
class AffineMap:
    """y = A x + b of samples in a layout: what it computes, and how.

    What follows from A is computed once, while A lives.

    operator: A, (outputs, inputs).
    bias: b, (outputs,), which is not to be changed, or None for zero.
    layout: of the inputs.
    slots: of a ciphertext.
    rotations: how several rotations of one ciphertext are made where there are keys for each way.
    idle: what the positions hold that whole samples have besides their outputs.
    target: of the outputs of whole samples; None for one after another, up to a power of two.
    """

    operator: Operator
    bias: Floats | None
    layout: Layout
    slots: int
    rotations: Rotations
    idle: float = 0.0
    target: WholeSamples | None = None

    @property
    def largest_constant(self) -> float:
        """The largest magnitude of what is added at the end."""
        return max(abs(self.idle), 0.0 if self.bias is None else float(np.abs(self.bias).max()))

    @property
    def schedules(self) -> tuple[RotationSchedule, ...]:
        """The ways to rotate as `rotations` says, best first; none for layout "features", which takes no rotation.

        Raises ShapeMismatch, UnsupportedOperation.
        """
        if self.layout == FEATURES:
            return ()
        if not isinstance(self.layout, WholeSamples):
            raise UnsupportedOperation(
                f"Linear on layout {self.layout.name!r}", "Encrypt with layout='features': one feature per ciphertext."
            )
        return self._schedules_by(self.rotations)

    def _schedules_of_images(self, rotations: Rotations) -> tuple[RotationSchedule, ...]:
        """The ways to rotate where features stand at places of their own, best first."""

        def find() -> tuple[RotationSchedule, ...]:
            operator, places = self._of_copies
            diagonals = diagonals_of(operator, places, self.slots, self.target)
            ways = [
                RotationSchedule.of(diagonals, each, key=KEY_OF_IMAGES) for each in dict.fromkeys((rotations, CHAINED))
            ]
            return tuple(sorted(ways, key=lambda way: way.weight(KEY_OF_IMAGES)))

        return self._once(("schedules of images", rotations), find)

    def _schedules_by(self, rotations: Rotations) -> tuple[RotationSchedule, ...]:
        """The ways to rotate as a strategy says, best first."""
        if self.target is not None or isinstance(self.layout, Placement):
            return self._schedules_of_images(rotations)

        def find() -> tuple[RotationSchedule, ...]:
            operator, places = self._of_copies
            diagonals = self._once("diagonals", lambda: diagonals_of(operator, places, self.slots, self.target))
            dense = RotationSchedule.dense(diagonals, rotations)
            best, before = (RotationSchedule.of(diagonals, rotations, by_runs=runs) for runs in (True, False))
            # keys that were made for other entries of a matrix of that shape are for one of the latter two
            return tuple(dict.fromkeys((best, before, RotationSchedule.of(dense.diagonals, rotations), dense)))

        return self._once(("schedules", rotations), find)

    def schedule(self, can_rotate: Callable[[int, int], bool], level: int, folded: int) -> RotationSchedule | None:
        """The best way to rotate for which there are keys; None for layout "features".

        can_rotate: whether there is a key for a rotation, in slots, of a ciphertext at a level.
        level: of the inputs.
        folded: level of the sum that folds turn (`Landing.folded`).

        Keys that were made for another evaluator serve too: where `rotations` lacks some, they decide on the way.

        Raises KeyMissing where there is none, ShapeMismatch, UnsupportedOperation.
        """
        if not self.schedules:
            return None
        others = (each for each in STRATEGIES if each is not self.rotations)
        ways = chain(self.schedules, chain.from_iterable(self._schedules_by(each) for each in others))
        for schedule in ways:
            keys = schedule.keys_at(level, folded)
            if all(can_rotate(steps, at) for steps, at in keys.items()):
                return schedule
        wanted = self.schedules[0].keys_at(level, folded)
        raise rotation_missing(*min((steps, at) for steps, at in wanted.items() if not can_rotate(steps, at)))

    def values(self, schedule: RotationSchedule, tile: int, outlet: int = 0) -> Iterator[tuple[int, Floats]]:
        """What multiplies each shift that the schedule makes of a tile of inputs, for a tile of outputs.

        schedule: of this map.
        tile: of the inputs, from 0.
        outlet: tile of the outputs, from 0.

        Returns pairs of a shift and slot values, (slots,), turned back by the giant step that rotates them later.
        """
        held, samples = self._held[tile], schedule.diagonals.samples
        rows = self.results[outlet]
        for shift, (giant, baby) in schedule.steps[outlet][tile].items():
            entries = self._of_copies[0].entries(rows, np.roll(held, -giant - baby))
            yield shift, np.repeat(np.roll(entries, giant), samples)

    @cached_property
    def results(self) -> Places:
        """The output that each position of each tile is to hold."""
        return self.outlet.content(self.operator.outputs, self.slots)

    @cached_property
    def _held(self) -> Places:
        """The feature that each position of each tile holds, or the copy."""
        operator, places = self._of_copies
        return places.content(operator.inputs, self.slots)

    @property
    def _of_copies(self) -> tuple[Operator, WholeSamples]:
        """What is multiplied, and where it is: a map of copies where inputs stand at several places."""
        layout, outlet = self.layout, self.outlet
        if not isinstance(layout, WholeSamples):
            raise UnsupportedOperation(f"diagonals of layout {layout.name!r}", "Pack whole samples.")
        if not isinstance(layout, Placement) or layout.is_plain:
            return self.operator, layout
        most = shape_of(layout, outlet.period, self.slots)[1]
        return self._once("copies", lambda: of_copies(self.operator, layout, outlet, most))

    def norm_of(self, bounds: Bounds, norm: int, rest: float = 0.0, schedule: RotationSchedule | None = None) -> float:
        """The norm of what a position of the results meets: all inputs, copies and all, and what is beside them.

        bounds: of the inputs.
        norm: 2 or 1 (`Noise`).
        rest: what positions without an input hold.
        schedule: how the map rotates; None for layout "features", which has no such positions.
        """
        found, beside = self._norm_of_inputs(bounds, norm), 0.0
        if rest and schedule is not None and (count := self._rests_met(schedule)):
            beside = abs(rest) * count ** (1 / norm)  # infinite where that is too large
        return found + beside if norm == 1 else hypot(found, beside)

    def _norm_of_inputs(self, bounds: Bounds, norm: int) -> float:
        """The norm of all that inputs within bounds put into slots."""
        if isinstance(self.layout, Placement) and not self.layout.is_plain:
            held = self.layout.held
            low, high = (
                np.broadcast_to(end, self.operator.inputs)[held[held >= 0]] for end in (bounds.low, bounds.high)
            )
            bounds = Bounds(low, high)
            return bounds.norm(norm, len(low))
        return bounds.norm(norm, self.operator.inputs)

    def _rests_met(self, schedule: RotationSchedule) -> int:
        """How many positions without an input a position of the results meets, at most."""
        layout, diagonals = self.layout, schedule.diagonals
        if isinstance(layout, Placement):
            spare = int((layout.held < 0).sum())
        else:
            spare = layout.period * layout.tiles - self.operator.inputs if isinstance(layout, WholeSamples) else 0
        return min(spare, max(sum(map(len, row)) for row in diagonals.rows) * diagonals.terms)

    @property
    def alike(self) -> int:
        """How many outputs may be one ciphertext, but for its sign: rows that are the same, where each has its own."""
        if isinstance(self.layout, WholeSamples):
            return 1
        return self._once("alike", self.operator.most_alike)

    @property
    def result_layout(self) -> Layout:
        """How the results sit in slots. Raises ShapeMismatch, UnsupportedOperation."""
        return self.outlet if self.schedules else self.layout

    @cached_property
    def outlet(self) -> WholeSamples:
        """How the results of whole samples sit in slots."""
        if self.target is not None:
            return self.target
        samples = self.layout.samples if isinstance(self.layout, WholeSamples) else 1
        return in_order(self.operator.outputs, samples)

    @property
    def group(self) -> int:
        """Ciphertexts that hold a group of samples together."""
        return self.layout.tiles if isinstance(self.layout, WholeSamples) else self.operator.inputs

    def image(self, bounds: Bounds) -> Bounds:
        """Bounds of the outputs for inputs within bounds. The last ones are kept.

        bounds: of the inputs.
        """
        return self._image_and_sums(bounds)[0]

    def sums_of_magnitudes(self, bounds: Bounds) -> float:
        """The largest Σⱼ|aᵢⱼ·xⱼ| + |bᵢ| for inputs within bounds.

        bounds: of the inputs.
        """
        return self._image_and_sums(bounds)[1]

    def _image_and_sums(self, bounds: Bounds) -> tuple[Bounds, float]:
        """`image` and `sums_of_magnitudes`."""
        known = _KNOWN.setdefault(self.operator, {})
        last = known.get("image")
        if last is not None and last[0] is bounds and last[1] is self.bias:
            found: tuple[Bounds, float] = last[2]
            return found
        low, high, inputs = bounds.low, bounds.high, self.operator.inputs
        middle, half = (np.broadcast_to(each, inputs) for each in ((low + high) / 2, (high - low) / 2))
        bias = np.zeros(self.operator.outputs) if self.bias is None else self.bias
        centre, radius = self.operator @ middle + bias, self.operator.abs_row_sums(half)
        inner = self.operator.abs_row_sums(np.abs(middle)) if middle.any() else 0.0
        image = Bounds(centre - radius, centre + radius), float((inner + radius + np.abs(bias)).max())
        known["image"] = bounds, self.bias, image
        return image

    @property
    def row_sizes(self) -> Places:
        """How many entries of every row are not zero, (outputs,)."""
        return self._once("row sizes", self.operator.row_sizes)

    def gains(self, norm: int, schedule: RotationSchedule | None) -> Gains:
        """By which factors errors come through.

        norm: how they add up, 2 or 1 (`Noise`).
        schedule: how the map rotates.
        """
        return self._once(("gains", norm, schedule), lambda: self._gains_by(norm, schedule))

    def _once(self, name: Any, compute: Callable[[], R]) -> R:
        """What is computed of the operator in this layout, kept while the operator lives."""
        known = _KNOWN.setdefault(self.operator, {})
        key = name, self.layout, self.target, self.slots, self.rotations
        if key not in known:
            known[key] = compute()
        found: R = known[key]
        return found

    def _gains_by(self, norm: int, schedule: RotationSchedule | None) -> Gains:
        """The factors for one norm."""
        if schedule is None:
            return _gains_of(self.operator, norm)
        operator, places = self._of_copies
        plain = _gains_of(operator, norm)
        before = self._switches_before(schedule)
        most = int(before.max())
        # one key turns every tile: its spikes are alike, and meet in one output
        spikes = sum(schedule.rotations.count(schedule.babies(tile)) for tile in range(schedule.diagonals.tiles))
        if not most:
            return plain
        sums = np.zeros(self.operator.outputs)
        for rows, columns, values in operator.pieces():
            _, *met = _place(places, self.outlet, schedule.diagonals.most, rows, columns)
            switches = before[tuple(met)]
            sums += np.bincount(rows, np.abs(values) ** norm * switches, len(sums))
        turned = float(sums.max() ** (1 / norm))
        spiked = float(operator.largest_sums(min(spikes, operator.inputs)).max())
        column = float(operator.transpose.row_norms(2).max())
        return replace(
            plain,
            turned=turned,
            spiked=spiked,
            turned_together=max(turned, plain.spectral * sqrt(most)),
            spiked_together=max(spiked, min(column * spikes, spiked * sqrt(self.operator.outputs))),
        )

    def _switches_before(self, schedule: RotationSchedule) -> NDArray[np.int64]:
        """How many key switches an input has gone through before each shift of each tile, (tiles, K)."""
        diagonals = schedule.diagonals
        before = np.zeros((diagonals.tiles, diagonals.most), np.int64)
        for tile in range(diagonals.tiles):
            babies = schedule.babies(tile)
            switches = dict(zip(babies, schedule.rotations.switches(babies), strict=True))
            for row in schedule.steps:
                for shift, (_, baby) in row[tile].items():
                    before[tile, shift] = switches[baby]
        return before


@dataclass(frozen=True)
class Landing:
    """Where the product of a ciphertext with plaintext weights comes out.

    plain_scale: of the weights.
    level: of the result.
    scale: of the result.

    A level down at the nominal scale; or, where no level is left, not rescaled, if the first prime holds it.
    """

    plain_scale: float
    level: int
    scale: float

    @property
    def folds_first(self) -> bool:
        """Whether the sum at the end comes before the rescale.

        A sum that comes after adds up the rounding of all its terms, which the layers to come make larger; one that
        comes before is rounded once. Its key switches are of a prime more: on the last level that doubles their time,
        above it adds little.
        """
        return self.level > 0

    def folded(self, level: int) -> int:
        """The level of the sum that folds turn.

        level: of the inputs.
        """
        return level if self.folds_first else self.level

    @classmethod
    def of(cls, on: Operations[Any, Any], level: int, scale: float) -> Landing:
        """Where the product of a ciphertext comes out.

        on: the arithmetic.
        level: of the ciphertext.
        scale: of the ciphertext.

        Raises LevelExhausted, ScaleMismatch.
        """
        nominal = on.nominal
        if level == 0 and 4 * scale * nominal <= on.modulus(0):
            return cls(nominal, 0, scale * nominal)
        on.require_levels("Linear", 1, level)
        plain_scale = nominal * on.primes[level] / scale
        require_digits(on, level, scale, plain_scale)
        return cls(plain_scale, level - 1, nominal)

    def bring(self, on: Operations[V, Any], product: V, bias: float = 0.0) -> V:
        """A product, brought there, plus a number.

        on: the arithmetic.
        product: not rescaled.
        bias: the number.
        """
        # the scale is equal to what comes out up to the rounding of two float operations
        if on.level(product) > self.level:
            return on.rescale_and_add(product, bias, scale=self.scale)
        result = on.read(product, self.scale)
        return on.plus(result, bias) if bias else result


@dataclass(frozen=True)
class Encoded(Generic[P]):
    """A map on a layout of whole samples, encoded for a level and scale.

    diagonals: of each tile of inputs for each tile of outputs, by shift; those that round to nothing are left out.
    source: the bias.
    biases: the same, encoded for each tile of outputs; None for zero.
    """

    diagonals: tuple[tuple[dict[int, P], ...], ...]
    source: Floats | None
    biases: tuple[P | None, ...]


def apply(on: Operations[V, P], xs: Sequence[V], affine: AffineMap) -> list[V]:
    """An affine map of one group of samples, over the small steps.

    on: the arithmetic.
    xs: ciphertexts that hold the group, in the layout that the map is for, at one level and scale.
    affine: the map.

    Returns the ciphertexts of the results, in the map's `result_layout`, at the level and scale of `Landing`.
    Raises LevelExhausted, ScaleMismatch, KeyMissing, ShapeMismatch, UnsupportedOperation.
    """
    landing = Landing.of(on, on.level(xs[0]), on.scale(xs[0]))
    schedule = affine.schedule(on.can_rotate, on.level(xs[0]), landing.folded(on.level(xs[0])))
    if schedule is None:
        return list(_apply_by_numbers(on, xs, affine, landing))
    encoded = _encode_map(on, xs[0], affine, schedule, landing)
    results = _apply_by_diagonals(on, xs, encoded, schedule, landing)
    return [
        result if bias is None else on.plus(result, bias) for result, bias in zip(results, encoded.biases, strict=True)
    ]


def _apply_by_numbers(on: Operations[V, P], xs: Sequence[V], affine: AffineMap, landing: Landing) -> Iterator[V]:
    """Each output as a sum of products with numbers."""
    level = on.level(xs[0])
    biases = np.zeros(affine.operator.outputs) if affine.bias is None else affine.bias
    columns = np.arange(affine.operator.inputs)
    for row in counted(range(affine.operator.outputs)):
        entries = affine.operator.entries(np.array(row), columns)
        total: V | None = None
        used = np.flatnonzero(entries)
        for start in range(0, len(used), _TOGETHER):
            some = used[start : start + _TOGETHER].tolist()
            encoded = {column: on.plaintext(float(entries[column]), level, landing.plain_scale) for column in some}
            factors = {column: plaintext for column, plaintext in encoded.items() if not on.is_zero(plaintext)}
            if factors:
                total = on.sum_of_products([xs[column] for column in factors], list(factors.values()), total)
        bias = float(biases[row])
        if total is not None:
            yield landing.bring(on, total, bias)
        else:
            nothing = on.zero(landing.level, landing.scale)
            yield on.plus(nothing, bias) if bias else nothing


def _encode_map(
    on: Operations[V, P], x: V, affine: AffineMap, schedule: RotationSchedule, landing: Landing
) -> Encoded[P]:
    """The map for inputs like x, kept while its operator lives."""
    kept = on.encoded.setdefault(affine.operator, {})
    key = affine.layout, affine.target, schedule, on.level(x), on.scale(x), affine.idle
    encoded: Encoded[P] | None = kept.get(key)
    if encoded is None or encoded.source is not affine.bias:
        known = None if encoded is None else encoded.diagonals
        diagonals = _encode_diagonals(on, x, affine, schedule, landing) if known is None else known
        biases = _encode_biases(on, affine, schedule, landing)
        kept[key] = encoded = Encoded(diagonals, affine.bias, biases)
    return encoded


def _encode_diagonals(
    on: Operations[V, P], x: V, affine: AffineMap, schedule: RotationSchedule, landing: Landing
) -> tuple[tuple[dict[int, P], ...], ...]:
    """What multiplies each shift, of each tile of inputs for each tile of outputs."""
    rows = []
    for outlet in counted(range(schedule.diagonals.outlets), share=1 / 2):
        tiles = []
        for tile in counted(range(schedule.diagonals.tiles)):
            shifts = counted(schedule.diagonals.rows[outlet][tile])
            pairs = zip(shifts, affine.values(schedule, tile, outlet), strict=True)
            found = {shift: on.plaintext(values, on.level(x), landing.plain_scale) for shift, (_, values) in pairs}
            tiles.append({shift: plaintext for shift, plaintext in found.items() if not on.is_zero(plaintext)})
        rows.append(tuple(tiles))
    return tuple(rows)


def _encode_biases(
    on: Operations[V, P], affine: AffineMap, schedule: RotationSchedule, landing: Landing
) -> tuple[P | None, ...]:
    """The bias in every slot that holds its output, for each tile of outputs; None where it is zero."""
    return tuple(
        None if values is None else on.plaintext(values, landing.level, landing.scale)
        for values in biases_in_slots(affine, schedule)
    )


def biases_in_slots(affine: AffineMap, schedule: RotationSchedule) -> Iterator[Floats | None]:
    """The bias in every slot that holds its output, and `idle` in the others, of each tile of outputs.

    affine: the map.
    schedule: of the map.

    Returns (slots,) for each tile, None where all are zero.
    """
    bias = np.zeros(affine.operator.outputs) if affine.bias is None else affine.bias
    for rows in affine.results:
        values = np.where(rows >= 0, bias[rows], affine.idle)
        yield np.repeat(values, schedule.diagonals.samples) if values.any() else None


def _apply_by_diagonals(
    on: Operations[V, P], xs: Sequence[V], encoded: Encoded[P], schedule: RotationSchedule, landing: Landing
) -> Iterator[V]:
    """The products of one group of samples, without bias."""
    samples = schedule.diagonals.samples
    turned: list[dict[int, V]] = []
    for tile, x in enumerate(counted(xs, share=1 / 2)):
        babies = schedule.babies(tile)
        turns = on.rotated(x, [step * samples for step in babies], schedule.rotations)
        turned.append(dict(zip(babies, turns, strict=True)))
    for steps, row in counted(list(zip(schedule.steps, encoded.diagonals, strict=True))):
        terms: dict[int, list[tuple[V, P]]] = {giant: [] for giant in schedule.giants}
        for at, split, plaintexts in zip(turned, steps, row, strict=True):
            for shift, plaintext in plaintexts.items():
                giant, step = split[shift]
                terms[giant].append((at[step], plaintext))
        total = _sum_of_giants(on, terms, schedule)
        yield on.zero(landing.level, landing.scale) if total is None else _fold(on, total, schedule, landing)


def _sum_of_giants(on: Operations[V, P], terms: dict[int, list[tuple[V, P]]], schedule: RotationSchedule) -> V | None:
    """The sum of the products of every giant step, each rotated by it; None where there is no product."""
    # Horner: a key serves every distance between giant steps
    total: V | None = None
    for giant, turn in counted(list(zip(schedule.giants[::-1], schedule.turns, strict=True))):
        if terms[giant]:
            xs, factors = (list(side) for side in zip(*terms.pop(giant), strict=True))
            total = on.sum_of_products(xs, factors, total)
        if turn and total is not None:
            (total,) = on.rotated(total, [turn * schedule.diagonals.samples])
    return total


def _fold(on: Operations[V, P], total: V, schedule: RotationSchedule, landing: Landing) -> V:
    """The sum over the slots that are equal modulo the number of outputs, brought to where the result comes out."""
    samples = schedule.diagonals.samples
    if not landing.folds_first:
        total = landing.bring(on, total)
    for group in schedule.folds:
        if len(group) == 1:
            total = on.add_rotated(total, group[0] * samples)
            continue
        sums = on.rotated(total, [step * samples for step in sorted(group)], schedule.rotations)
        for each in sums:
            total = on.add(total, each)
    return landing.bring(on, total) if landing.folds_first else total
