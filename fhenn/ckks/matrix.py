"""Matrix products on whole samples in a ciphertext: few rotations, every slot at work.

The diagonal method (Halevi & Shoup 2014) with baby steps and giant steps (Halevi & Shoup 2018), on any content of the
slots: a product of `K` shifted copies of x with plaintexts, then a sum over the slots that are equal modulo the number
of outputs m. Slot i of shift k multiplies the feature that it finds there, X(i + k), by the weight from that feature
to output i mod m; where every (output, feature) pair meets once, the sum is the product, in every slot, with nothing
else anywhere. So the result repeats with period m round the whole ring, as the next layer wants it.

K = in·m/slots for "blocks", whose copies each serve other diagonals; 1 for "tiles"; min(in, m) for "replicated".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.layout import Vectors
from fhenn.errors import ShapeMismatch


def power_of_two(size: int) -> int:
    """The least power of two that is not below `size`."""
    return 1 << max(size - 1, 0).bit_length()


@dataclass(frozen=True)
class Schedule:
    """How one matrix is multiplied: shifts in baby and giant steps, then a fold.

    outputs: m, a power of two. shifts: K. baby: how many shifts a giant step covers. folds: rotations, in positions,
    of the sum at the end. samples: interleaved samples; a rotation by p positions is one by p·samples slots.
    """

    outputs: int
    shifts: int
    baby: int
    folds: tuple[int, ...]
    samples: int

    @classmethod
    def of(cls, layout: Vectors, outputs: int, slots: int) -> Schedule:
        """The schedule for a matrix with that many outputs. Raises ShapeMismatch where it does not fit the ring."""
        ring, m = slots // layout.samples, power_of_two(outputs)
        if m > ring or layout.period > ring:
            raise ShapeMismatch("Linear", (outputs, layout.period), f"at most {ring} positions")
        if layout.form == "replicated":
            shifts, end = min(layout.period, m), layout.period
        elif layout.form == "blocks":
            shifts, end = layout.step, ring
            if layout.step * ring != layout.period * m:
                raise ShapeMismatch("Linear", (outputs,), f"{layout.step * ring // layout.period} outputs, as packed")
        else:
            shifts, end = 1, layout.step * layout.period
            if layout.step != m:
                raise ShapeMismatch("Linear", (outputs,), f"{layout.step} outputs, as packed")
        baby = 1 << ceil(shifts.bit_length() / 2 - 0.5)
        folds = []
        step = m
        while step < end:
            folds.append(step)
            step *= 2
        return cls(m, shifts, min(baby, shifts), tuple(folds), layout.samples)

    @property
    def giants(self) -> int:
        """Giant steps, the first included, which needs no rotation."""
        return self.shifts // self.baby

    @property
    def rotations(self) -> set[int]:
        """The rotations, in slots, that need a key."""
        steps = set(self.folds)
        if self.baby > 1:
            steps.add(1)
        if self.giants > 1:
            steps.add(self.baby)
        return {step * self.samples for step in steps}


@lru_cache(maxsize=256)
def baby_steps(schedule: Schedule, layout: Vectors, width: int, slots: int) -> NDArray[np.int64]:
    """How many times the input that each weight multiplies has been rotated before, (outputs padded, width)."""
    held = layout.content(width, slots)
    rows = np.arange(held.shape[1]) % schedule.outputs
    steps = np.zeros((schedule.outputs, width + 1), np.int64)
    for shift in range(schedule.shifts):
        for tile in held:
            steps[rows, np.roll(tile, -shift)] = shift % schedule.baby
    return steps[:, :width]


def weights_of(schedule: Schedule, layout: Vectors, weight: NDArray[np.float64], slots: int) -> NDArray[np.float64]:
    """The slot values that multiply each shift of each tile: (tiles, shifts, slots)."""
    outputs, width = weight.shape
    padded = np.zeros((schedule.outputs, width + 1))
    padded[:outputs, :width] = weight
    held = layout.content(width, slots)
    ring = held.shape[1]
    rows = np.arange(ring) % schedule.outputs
    shifted = np.stack([np.roll(held, -shift, axis=1) for shift in range(schedule.shifts)], axis=1)
    values = padded[rows[None, None, :], shifted]
    # a giant step rotates what it has summed: turn its weights the other way first
    for shift in range(schedule.shifts):
        giant = shift - shift % schedule.baby
        values[:, shift] = np.roll(values[:, shift], giant, axis=1)
    return np.repeat(values, layout.samples, axis=2)
