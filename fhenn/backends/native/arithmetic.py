"""The native evaluator as an `Arithmetic`: long calls, and work that is put off until it can be shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fhenn.backends.native.ring import Coefficients, Products, Residues, Ring, compact
from fhenn.ckks.arithmetic import Arithmetic
from fhenn.ckks.evaluator import NATIVE
from fhenn.ckks.maps import AffineMap, Landing, RotationSchedule, biases_in_slots
from fhenn.ckks.noise import NoiseModel
from fhenn.ckks.rotations import CHAINED, HOISTED, Rotations
from fhenn.errors import HeadroomExceeded
from fhenn.finite import require_finite
from fhenn.steps import counted

if TYPE_CHECKING:
    from fhenn.backends.native.context import NativeContext

Floats = NDArray[np.float64]

_KEPT = NATIVE.kept
"""Bytes of plaintexts of one map that are kept in full, as plans reckon with."""

_ROWS_TOGETHER = 32
"""Outputs whose sums share one reading of the inputs."""


@dataclass(frozen=True, eq=False)
class Ciphertext:
    """A ciphertext.

    residues: of its polynomials; three of them where it is a product that is not relinearised yet, asked for or not.
    scale: exact.
    """

    residues: Residues
    scale: float

    @property
    def level(self) -> int:
        """Rescales left."""
        return int(self.residues.shape[1]) - 1


@dataclass(frozen=True, eq=False)
class Plaintext:
    """An encoded plaintext.

    residues: (primes, N); None for one number in every slot.
    number: that number, as an integer.
    scale: that it is encoded at.
    """

    residues: Residues | None
    number: float
    scale: float


@dataclass(frozen=True, eq=False)
class EncodedMap:
    """An affine map of whole samples, encoded for a level and scale.

    babies: the tile and the rotation of each baby step, in slots.
    giants: of each tile of outputs, what each giant step sums, and the rotation after it, the last giant step first.
    source: the bias.
    biases: the same, encoded for each tile of outputs; None for zero.
    """

    babies: tuple[tuple[int, int], ...]
    giants: tuple[tuple[tuple[Products, int], ...], ...]
    source: Floats | None
    biases: tuple[Residues | None, ...]

    @property
    def zeros(self) -> list[bool]:
        """Whether no product is left of each tile of outputs."""
        return [not any(products.terms for products, _ in giants) for giants in self.giants]


class NativeArithmetic(Arithmetic[Ciphertext, Plaintext]):
    """`Arithmetic` on residues.

    context: whose keys it uses.

    A product is relinearised when it must have two polynomials: where products are added, their sum is, once; where it
    is rescaled next, both are one step, with half the transforms.
    """

    def __init__(self, context: NativeContext) -> None:
        self._context = context
        self.primes: Sequence[float] = context.primes
        self.rotations = context.rotations

    @property
    def _ring(self) -> Ring:
        return self._context.ring

    @property
    def nominal(self) -> float:
        return self._context.scale

    @property
    def ring_degree(self) -> int:
        return self._context.ring_degree

    @property
    def noise(self) -> NoiseModel:
        return self._context.noise

    @property
    def encoded(self) -> Any:
        """Affine maps that are encoded already, kept with the context."""
        return self._context.encoded

    def wrap(self, ciphertext: Ciphertext, level: int, scale: float) -> Ciphertext:
        return self.read(ciphertext, scale)

    def unwrap(self, x: Ciphertext) -> Ciphertext:
        return x if len(x.residues) == 2 else replace(x, residues=self._of_two(x))

    def _of_two(self, x: Ciphertext) -> Residues:
        """The two polynomials of a ciphertext."""
        if len(x.residues) == 2:
            return x.residues
        return self._ring.relinearise(x.residues, self._relinearisation_key(x.level))

    def _relinearisation_key(self, level: int) -> Any:
        self._context.require_relinearisation("a product of ciphertexts", level)
        return self._context.keys.relinearisation(level + 1)

    def level(self, x: Ciphertext) -> int:
        return x.level

    def scale(self, x: Ciphertext) -> float:
        return x.scale

    def plaintext(self, values: float | Floats, level: int, scale: float) -> Plaintext:
        self._require_encodable(values, level, scale)
        if isinstance(values, np.ndarray):
            residues = self._ring.encode(values, scale, range(level + 1))
            return Plaintext(residues, 0.0, scale)
        return Plaintext(None, float(np.rint(float(values) * scale)), scale)

    def _require_encodable(self, values: float | Floats, level: int, scale: float) -> None:
        """Raise what SEAL's encoder is told to raise: NonFiniteValue, HeadroomExceeded."""
        require_finite("encode", values, "CKKS cannot encode them: drop or impute them first.")
        largest, room = float(np.abs(values).max()), self.modulus(level) / 4 / scale
        if not largest <= room:
            raise HeadroomExceeded(largest, room, "encode")

    def is_zero(self, plaintext: Plaintext) -> bool:
        return not plaintext.number if plaintext.residues is None else not plaintext.residues.any()

    def zero(self, level: int, scale: float) -> Ciphertext:
        return self._context.encrypt_slots(0.0, level, scale)

    def read(self, x: Ciphertext, scale: float) -> Ciphertext:
        return x if x.scale == scale else replace(x, scale=scale)

    def negate(self, x: Ciphertext) -> Ciphertext:
        return replace(x, residues=self._ring.negate(x.residues))

    def drop(self, x: Ciphertext, level: int) -> Ciphertext:
        if x.level == level:
            return x
        return replace(x, residues=self._ring.copy(x.residues[:, : level + 1]))

    def plus(self, x: Ciphertext, addend: float | Plaintext) -> Ciphertext:
        plaintext = addend if isinstance(addend, Plaintext) else self.plaintext(addend, x.level, x.scale)
        if plaintext.residues is None:
            return replace(x, residues=self._ring.add_number(x.residues, plaintext.number))
        return replace(x, residues=self._ring.add_plain(x.residues, plaintext.residues))

    def times(self, x: Ciphertext, factor: Plaintext) -> Ciphertext:
        if self.is_zero(factor):
            return self.zero(x.level, x.scale * factor.scale)
        return self.sum_of_products([x], [factor])

    def add(self, x: Ciphertext, y: Ciphertext) -> Ciphertext:
        small, large = sorted((x.residues, y.residues), key=len)
        return replace(x, residues=self._ring.add(small, large))

    def sum_of_products(
        self, xs: Sequence[Ciphertext], factors: Sequence[Plaintext], start: Ciphertext | None = None
    ) -> Ciphertext:
        scale = xs[0].scale * factors[0].scale
        if factors[0].residues is None:
            starts = np.array([0, len(xs)])
            integers = np.array([factor.number for factor in factors])
            residues = [x.residues for x in xs]
            if len(xs) == 1:
                total = self._ring.times_number(residues[0], float(integers[0]))
            else:
                (total,) = self._ring.number_rows(list(map(self._of_two, xs)), starts, np.arange(len(xs)), integers)
        else:
            total = self._ring.sum_of_products(
                [x.residues for x in xs] if len({len(x.residues) for x in xs}) == 1 else list(map(self._of_two, xs)),
                [factor.residues for factor in factors if factor.residues is not None],
            )
        result = Ciphertext(total, scale)
        return result if start is None else self.add(result, self.read(start, scale))

    def multiply(self, x: Ciphertext, y: Ciphertext) -> Ciphertext:
        return Ciphertext(self._ring.multiply(self._of_two(x), self._of_two(y)), x.scale * y.scale)

    def relinearise(self, x: Ciphertext) -> Ciphertext:
        if len(x.residues) == 3:
            self._context.require_relinearisation("a product of ciphertexts", x.level)
        return x

    def shared(self, x: Ciphertext) -> Ciphertext:
        return self.unwrap(x)

    def rescale(self, x: Ciphertext) -> Ciphertext:
        scale = x.scale / self.primes[x.level]
        if len(x.residues) == 2:
            return Ciphertext(self._ring.rescale(x.residues), scale)
        return Ciphertext(self._ring.relinearise_and_rescale(x.residues, self._relinearisation_key(x.level)), scale)

    def can_rotate(self, steps: int, level: int) -> bool:
        return self._context.can_rotate(steps, level)

    def rotated(self, x: Ciphertext, steps: Sequence[int], rotations: Rotations = CHAINED) -> list[Ciphertext]:
        for step in rotations.keys(steps):
            self._context.require_rotation(step, x.level)

        def rotate(residues: Residues, *by: int) -> list[Residues]:
            return self._ring.rotate(residues, [self._context.keys.turn(step, x.level + 1) for step in by])

        residues = self._of_two(x)
        if rotations is HOISTED:
            turned = iter(rotate(residues, *(step for step in steps if step)))
            return [replace(x, residues=next(turned) if step else residues) for step in steps]
        made = rotations.make(residues, steps, lambda before, step: rotate(before, step)[0])
        return [replace(x, residues=each) for each in made]

    def apply_map(self, xs: Sequence[Ciphertext], affine: AffineMap) -> list[Ciphertext]:
        landing = Landing.of(self, xs[0].level, xs[0].scale)
        schedule = affine.schedule(self.can_rotate, xs[0].level, landing.folded(xs[0].level))
        if schedule is None:
            return list(self._apply_by_numbers(xs, affine, landing))
        return self._apply_by_diagonals(xs, affine, schedule, landing)

    def _apply_by_numbers(self, xs: Sequence[Ciphertext], affine: AffineMap, landing: Landing) -> Iterator[Ciphertext]:
        """Each output as a sum of products with numbers, some outputs at a time."""
        level, outputs = xs[0].level, affine.operator.outputs
        biases = np.zeros(outputs) if affine.bias is None else affine.bias
        residues, inputs = [self._of_two(x) for x in xs], np.arange(affine.operator.inputs)
        for first in counted(range(0, outputs, _ROWS_TOGETHER)):
            rows = np.arange(first, min(first + _ROWS_TOGETHER, outputs))
            values = affine.operator.entries(rows[:, np.newaxis], inputs[np.newaxis])
            self._require_encodable(values, level, landing.plain_scale)
            integers = np.rint(values * landing.plain_scale)
            sizes = np.count_nonzero(integers, axis=1)
            starts = np.concatenate([[0], np.cumsum(sizes)])
            _, columns = np.nonzero(integers)
            products = self._ring.number_rows(residues, starts, columns, integers[integers != 0])
            for row, size, product in zip(rows, sizes, products, strict=True):
                bias = float(biases[row])
                if size:
                    yield landing.bring(self, Ciphertext(product, xs[0].scale * landing.plain_scale), bias)
                else:
                    nothing = self.zero(landing.level, landing.scale)
                    yield self.plus(nothing, bias) if bias else nothing

    def _apply_by_diagonals(
        self, xs: Sequence[Ciphertext], affine: AffineMap, schedule: RotationSchedule, landing: Landing
    ) -> list[Ciphertext]:
        """The results of one group of samples."""
        primes, samples = xs[0].level + 1, schedule.diagonals.samples
        encoded = self._encode_map(xs[0], affine, schedule, landing)
        zeros = encoded.zeros
        if all(zeros):
            return [self._constant(bias, landing) for bias in encoded.biases]
        turn = self._context.keys.turn
        if schedule.rotations is HOISTED:
            residues = [self._of_two(x) for x in xs]
            babies = [(residues[tile], turn(step, primes) if step else None) for tile, step in encoded.babies]
        else:
            babies = []
            for tile, x in enumerate(xs):
                steps = [step for each, step in encoded.babies if each == tile]
                babies += [(each.residues, None) for each in self.rotated(x, steps, schedule.rotations)]
        steps_of = zip(encoded.giants, zeros, strict=True)
        giants = [
            [(products, turn(step, primes) if step else None) for products, step in each]
            for each, is_zero in steps_of
            if not is_zero
        ]
        biases = [bias for bias, is_zero in zip(encoded.biases, zeros, strict=True) if not is_zero]
        rescaled = landing.level < xs[0].level
        before = landing.folds_first or not rescaled  # on the last level a rescale first makes folds cheap
        at = landing.folded(xs[0].level) + 1
        folds = [[turn(step * samples, at) for step in group] for group in schedule.folds]
        sums = self._ring.apply_map(babies, giants, (folds, []) if before else ([], folds), biases, rescaled=rescaled)
        made = (Ciphertext(each, landing.scale) for each in sums)
        return [
            self._constant(bias, landing) if is_zero else next(made)
            for bias, is_zero in zip(encoded.biases, zeros, strict=True)
        ]

    def _constant(self, bias: Residues | None, landing: Landing) -> Ciphertext:
        """A fresh encryption of zero, plus a bias."""
        nothing = self.zero(landing.level, landing.scale)
        return nothing if bias is None else replace(nothing, residues=self._ring.add_plain(nothing.residues, bias))

    def _encode_map(self, x: Ciphertext, affine: AffineMap, schedule: RotationSchedule, landing: Landing) -> EncodedMap:
        """The map for inputs like x, kept while its operator lives."""
        kept = self.encoded.setdefault(affine.operator, {})
        key = affine.layout, affine.target, schedule, x.level, x.scale, affine.idle
        if key not in kept:
            kept[key] = self._new_map(x, affine, schedule, landing)
        encoded: EncodedMap = kept[key]
        if encoded.source is not affine.bias:
            biases = self._encode_biases(affine, schedule, landing)
            kept[key] = encoded = replace(encoded, source=affine.bias, biases=biases)
        return encoded

    def _new_map(self, x: Ciphertext, affine: AffineMap, schedule: RotationSchedule, landing: Landing) -> EncodedMap:
        """The map, encoded: over the special prime too where baby steps are rotated there."""
        samples = schedule.diagonals.samples
        babies = [(tile, step) for tile in range(schedule.diagonals.tiles) for step in schedule.babies(tile)]
        at = {baby: place for place, baby in enumerate(babies)}
        places = list(range(x.level + 1))
        if schedule.rotations is HOISTED and any(step for _, step in babies):
            places.append(len(self._ring.primes) - 1)
        full = 4.0 * self.ring_degree * len(places) * schedule.diagonals.present <= _KEPT
        rows: list[tuple[tuple[Products, int], ...]] = []
        for outlet in counted(range(schedule.diagonals.outlets), share=1 / 2):
            terms: dict[int, list[tuple[int, Coefficients]]] = {giant: [] for giant in schedule.giants}
            for tile in counted(range(schedule.diagonals.tiles)):
                shifts = counted(schedule.diagonals.rows[outlet][tile])
                for shift, (_, values) in zip(shifts, affine.values(schedule, tile, outlet), strict=True):
                    self._require_encodable(values, x.level, landing.plain_scale)
                    coefficients = np.rint(self._ring.half_of_coefficients(values, landing.plain_scale))
                    if coefficients.any():
                        giant, step = schedule.steps[outlet][tile][shift]
                        terms[giant].append((at[tile, step], compact(coefficients)))
            giants = (
                (self._products(terms.pop(giant), len(babies), places if full else None), turn * samples)
                for giant, turn in zip(schedule.giants[::-1], schedule.turns, strict=True)
            )
            rows.append(tuple(giants))
        steps = tuple((tile, step * samples) for tile, step in babies)
        return EncodedMap(steps, tuple(rows), affine.bias, self._encode_biases(affine, schedule, landing))

    def _products(self, terms: list[tuple[int, Coefficients]], babies: int, primes: Sequence[int] | None) -> Products:
        """The products that a giant step sums.

        terms: the place of a baby step, and half of the coefficients of what it is multiplied by.
        babies: how many there are.
        primes: places of those that plaintexts are kept for; None where their coefficients are kept.
        """
        if not terms:
            return Products.none()
        places = [place for place, _ in terms]
        which = None if places == list(range(babies)) else np.array(places, np.uint16)
        coefficients = np.stack([each for _, each in terms])
        if primes is not None:
            return Products(which, self._ring.pack_plain(coefficients, primes), len(terms))
        return Products(which, None, len(terms), coefficients)

    def _encode_biases(
        self, affine: AffineMap, schedule: RotationSchedule, landing: Landing
    ) -> tuple[Residues | None, ...]:
        """The bias in every slot that holds its output, for each tile of outputs; None where it is zero."""
        biases: list[Residues | None] = []
        for values in biases_in_slots(affine, schedule):
            if values is not None:
                self._require_encodable(values, landing.level, landing.scale)
            biases.append(
                None if values is None else self._ring.encode(values, landing.scale, range(landing.level + 1))
            )
        return tuple(biases)

    def require_relinearisation(self, operation: str) -> None:
        self._context.require_relinearisation(operation)

    def require_levels(self, operation: str, needed: int, left: int) -> None:
        self._context.require_levels(operation, needed, left)
