"""Matrix products on whole samples in a ciphertext: few rotations, every slot at work.

The diagonal method (Halevi & Shoup 2014) with baby steps and giant steps (Halevi & Shoup 2018), on any content of the
slots: a product of `K` shifted copies of x with plaintexts, then a sum over the slots that are equal modulo the number
of outputs m. Slot i of shift k multiplies the feature that it finds there, X(i + k), by the weight from that feature
to output i mod m; where every (output, feature) pair meets once, the sum is the product, in every slot, with nothing
else anywhere. So the result repeats with period m round the whole ring, as the next layer wants it.

K = in·m/slots for "blocks", whose copies each serve other diagonals; 1 for "tiles"; min(in, m) for "replicated".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from fhenn.backends.ckks import evaluator
from fhenn.backends.ckks.evaluator import Landing
from fhenn.backends.ckks.layout import Vectors
from fhenn.errors import ShapeMismatch
from fhenn.steps import counted

if TYPE_CHECKING:
    from fhenn.backends.ckks.array import CipherArray
    from fhenn.backends.ckks.context import Context


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


@dataclass(frozen=True)
class Encoded:
    """A matrix encoded once for a context, level and scale. Entries None stand for zeros, which need no product."""

    schedule: Schedule
    plaintexts: tuple[tuple[Any | None, ...], ...]
    bias: Any | None


def encode(
    context: Context,
    layout: Vectors,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64] | None,
    at: tuple[int, float],
    landing: Landing,
) -> Encoded:
    """The matrix for inputs at level and scale `at`; kept with the context while the weight lives."""
    key = (id(weight), id(bias), layout, at)
    known = context.encoded.get(key)
    if known is not None and known[0]() is weight:
        found: Encoded = known[1]
        return found
    schedule = Schedule.of(layout, weight.shape[0], context.slots)
    values = weights_of(schedule, layout, weight, context.slots)
    plaintexts = tuple(
        tuple(_encoded(context, row, at[0], landing.plain_scale) for row in counted(tile))
        for tile in counted(values, share=1 / 2)  # the products come after
    )
    constant = None
    if bias is not None and np.any(bias):
        padded = np.zeros(schedule.outputs)
        padded[: len(bias)] = bias
        rows = np.repeat(np.resize(padded, context.slots // layout.samples), layout.samples)
        constant = context.encode(rows.tolist(), landing.level, landing.scale)
    encoded = Encoded(schedule, plaintexts, constant)
    context.encoded[key] = (ref(weight, lambda _: context.encoded.pop(key, None)), encoded)
    return encoded


def _encoded(context: Context, values: NDArray[np.float64], level: int, scale: float) -> Any | None:
    if not np.any(values):
        return None
    plaintext = context.encode(values.tolist(), level, scale)
    return None if plaintext.is_zero() else plaintext


def multiply(
    x: CipherArray, layout: Vectors, weight: NDArray[np.float64], bias: NDArray[np.float64] | None, landing: Landing
) -> CipherArray:
    """x Wᵀ + b, as the landing says, in layout "replicated" with period m.

    Raises KeyMissing where a rotation key is missing, ShapeMismatch where the packing is for another matrix.
    """
    context = x.context
    encoded = encode(context, layout, weight, bias, (x.level, x.scale), landing)
    results = []
    for start in counted(range(0, len(x.ciphertexts), layout.tiles)):
        product = _product(context, x.ciphertexts[start : start + layout.tiles], encoded, landing)
        if product is None:
            product = context.encrypt_slots(0.0, landing.level, landing.scale)
        if encoded.bias is not None:
            context.evaluator.add_plain_inplace(product, encoded.bias)
        results.append(product)
    outcome = Vectors("replicated", encoded.schedule.outputs, layout.samples)
    shape = (x.shape[0], weight.shape[0])
    return replace(x, shape=shape, layout=outcome, ciphertexts=tuple(results), level=landing.level, scale=landing.scale)


def _product(context: Context, tiles: tuple[Any, ...], encoded: Encoded, landing: Landing) -> Any | None:
    """The matrix product of one group of samples, None where every weight is zero."""
    schedule = encoded.schedule
    inner: list[Any | None] = [None] * schedule.giants
    term = seal.Ciphertext()
    for ciphertext, plaintexts in counted(list(zip(tiles, encoded.plaintexts, strict=True)), share=3 / 4):
        turned = ciphertext
        for baby in counted(range(schedule.baby)):
            if baby:
                turned = context.rotate(turned, schedule.samples)
            for giant in range(schedule.giants):
                plaintext = plaintexts[giant * schedule.baby + baby]
                if plaintext is None:
                    continue
                total = inner[giant]
                if total is None:
                    inner[giant] = total = seal.Ciphertext()
                    context.evaluator.multiply_plain(turned, plaintext, total)
                else:
                    context.evaluator.multiply_plain(turned, plaintext, term)
                    context.evaluator.add_inplace(total, term)
    # Horner: one key serves every giant step
    outer: Any | None = None
    for total in counted(inner[::-1]):
        if outer is not None:
            outer = context.rotate(outer, schedule.baby * schedule.samples)
        outer = evaluator.sum_of(context, outer, total)
    if outer is None:
        return None
    # folding after the rescale: a level fewer makes every key switch cheaper
    landing.rescale(context, outer)
    for fold in schedule.folds:
        context.evaluator.add_inplace(outer, context.rotate(outer, fold * schedule.samples))
    return outer
