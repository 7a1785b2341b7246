"""`Trace`: the arithmetic of a plan. In the place of ciphertexts it keeps levels, scales, bounds of values and noise.

It counts operations and lists the rotations that need keys, and it refuses what an evaluator would refuse. One traced
value stands for all ciphertexts of an array, which are alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import inf, sqrt
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.approx.enclosure import derivative_of, image_on, largest_on, magnitude_on
from fhenn.ckks.arithmetic import Arithmetic, require_clear
from fhenn.ckks.array import CipherArray
from fhenn.ckks.bounds import NOTHING, Bounds
from fhenn.ckks.circuits import evaluate, square_of
from fhenn.ckks.context import Context
from fhenn.ckks.evaluator import SEAL, Evaluator
from fhenn.ckks.layout import Layout
from fhenn.ckks.levels import Levels, Placed, Plain
from fhenn.ckks.maps import AffineMap, Gains, Landing, RotationSchedule
from fhenn.ckks.noise import Noise, NoiseModel
from fhenn.ckks.outlook import outlook
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.rotations import CHAINED, Rotations
from fhenn.errors import KeyMissing

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Traced(Placed):
    """What stands for a ciphertext.

    level: rescales left.
    scale: exact.
    parts: polynomials, 3 after a product, 2 otherwise.
    noise: of the worst slot.
    bounds: of the values.
    room: how many times over the largest value fits under the modulus, at the place on the way where that is least.
    alike: in how many features a step errs alike (`Noise.alike`): the same ciphertext's, and those with the same keys.
    rest: what the positions hold that whole samples have besides their features.
    """

    noise: Noise = field(default_factory=lambda: Noise(0.0, 0.0))
    bounds: Bounds = NOTHING
    room: float = inf
    alike: tuple[int, int] = (1, 1)
    rest: float = 0.0

    @property
    def interval(self) -> Interval:
        """The interval (low, high) that holds all features."""
        return self.bounds.interval

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return self.bounds.largest


class Trace(Levels[Traced], Arithmetic[Any, Plain]):
    """`Arithmetic` on `Traced` values.

    model: the noise of the evaluator that the plan is for.
    nominal: the scale of fresh ciphertexts.
    norm: how errors add up (`Noise`).
    rotations: how that evaluator makes several rotations of one ciphertext where there are keys for each way.
    keys: the rotations, in slots, that needed a key so far, and the highest level of what they turned.
    available: the rotations that there are keys for, and up to which level; any where None.
    """

    def __init__(self, model: NoiseModel, nominal: float, norm: int = 2, rotations: Rotations = CHAINED) -> None:
        super().__init__(model.primes, model.ring_degree, nominal)
        self._noise, self._norm, self.rotations = model, norm, rotations
        self.keys: dict[int, int] = {}
        self.available: Mapping[int, int] | None = None

    @property
    def noise(self) -> NoiseModel:
        return self._noise

    def wrap(self, ciphertext: Any, level: int, scale: float) -> Traced:
        if (ciphertext.level, ciphertext.scale) == (level, scale):
            traced: Traced = ciphertext
            return traced
        return self.read(self.drop(ciphertext, level), scale)

    def unwrap(self, x: Traced) -> Any:
        return x

    def fresh(self, scale: float) -> Traced:
        made = self._noise.encryption
        noise = Noise(made.laplace / scale, made.normal / scale, self._norm)
        return Traced(len(self.primes) - 1, scale, noise=noise)

    def with_bounds(self, x: Traced, bounds: Bounds) -> Traced:
        """x, known to hold values within bounds.

        x: a traced value.
        bounds: of its values.
        """
        return replace(x, bounds=bounds, room=self._room(x, bounds.largest))

    def _room(self, x: Traced, largest: float) -> float:
        """The room of x, where values of that size are met."""
        return min(x.room, self.modulus(x.level) / 2 / x.scale / largest if largest else inf)

    def drop(self, x: Traced, level: int) -> Traced:
        below = super().drop(x, level)
        return x if below is x else replace(below, room=self._room(below, x.largest))

    def read(self, x: Traced, scale: float) -> Traced:
        return replace(_scale_by(x, x.scale / scale), scale=scale)

    def negate(self, x: Traced) -> Traced:
        return _scale_by(x, -1.0)

    def plus(self, x: Traced, addend: float | Plain) -> Traced:
        x = super().plus(x, addend)
        if not isinstance(addend, Plain):
            bounds = Bounds(x.bounds.low + addend, x.bounds.high + addend)
            return replace(x, bounds=bounds, rest=x.rest + addend)
        constant = addend.values
        noise = x.noise + Noise(0.0, self._encoding_of(constant), self._norm)
        return replace(x, noise=noise, bounds=Bounds(x.bounds.low + np.min(constant), x.bounds.high + np.max(constant)))

    def times(self, x: Traced, factor: Plain) -> Traced:
        factors = Bounds(*(np.atleast_1d(np.float64(end(factor.values))) for end in (np.min, np.max)))
        encoding = (self._noise.encoding / factor.scale + self._encoding_of(factor.values)) * x.largest
        noise = x.noise * factors.largest + Noise(0.0, encoding, self._norm)
        return replace(super().times(x, factor), noise=noise, bounds=_product_of(x.bounds, factors))

    def _encoding_of(self, values: float | Floats) -> float:
        """What double precision puts the slots of a plaintext off by."""
        if isinstance(values, np.ndarray) and values.ndim:
            return self._noise.transform * float(np.abs(values).max())
        return self._noise.roundoff * abs(float(values))

    def rounded(self, x: Traced, roundings: int, size: float) -> Traced:
        """x after the roundings of double precision.

        x: a traced value.
        roundings: how many there are.
        size: of what is rounded.
        """
        return replace(x, noise=x.noise + Noise(0.0, roundings * self._noise.roundoff * size, self._norm))

    def decoded(self, x: Traced) -> Traced:
        """x as it is read after decryption, where double precision puts it off a little.

        x: a traced value.
        """
        return replace(x, noise=x.noise + Noise(0.0, self._noise.transform * x.largest, self._norm))

    def add(self, x: Traced, y: Traced) -> Traced:
        return replace(
            super().add(x, y),
            noise=x.noise + y.noise,
            bounds=Bounds(x.bounds.low + y.bounds.low, x.bounds.high + y.bounds.high),
            room=min(x.room, y.room),
            rest=x.rest + y.rest,
        )

    def sum(self, xs: Sequence[Traced], count: int) -> Traced:
        (x,) = xs
        self.count("addition", x.level, count - 1)
        # of as many as there are bounds of, or of any of them
        each = x.bounds if len(x.bounds.low) in (1, count) else Bounds(*(np.array([end]) for end in x.interval))
        ends = (float(np.broadcast_to(end, count).sum()) for end in (each.low, each.high))
        bounds = Bounds(*(np.array([end]) for end in ends))
        factor = count ** (1 / self._norm)
        total = replace(x, noise=x.noise.through(factor, factor), bounds=bounds)
        return replace(total, room=self._room(total, bounds.largest))

    def multiply(self, x: Traced, y: Traced) -> Traced:
        product = super().multiply(x, y)
        bounds = _product_of(x.bounds, y.bounds)
        if x is y:
            bounds = Bounds(np.maximum(bounds.low, 0.0), bounds.high)
        # one may have come from the other
        noise = (x.noise * y.largest).with_error_of(y.noise * x.largest)
        return replace(product, noise=noise, bounds=bounds, room=min(x.room, y.room), rest=x.rest * y.rest)

    def relinearise(self, x: Traced) -> Traced:
        if x.parts == 2:
            return x
        return replace(
            super().relinearise(x), noise=x.noise + (self._noise.key_switch(x.level) * (1 / x.scale)).alike(*x.alike)
        )

    def rescale(self, x: Traced) -> Traced:
        below = super().rescale(x)
        noise = x.noise + Noise(self._noise.rounding / below.scale, 0.0).alike(*x.alike)
        return replace(below, noise=noise, room=self._room(below, x.largest))

    def can_rotate(self, steps: int, level: int) -> bool:
        return self.available is None or level <= self.available.get(steps, -1)

    def _need(self, keys: Mapping[int, int]) -> None:
        """Note rotations, and the levels of what they turn."""
        for steps, level in keys.items():
            self.keys[steps] = max(level, self.keys.get(steps, 0))

    def rotated(self, x: Traced, steps: Sequence[int], rotations: Rotations = CHAINED) -> list[Traced]:
        super().rotated(x, steps, rotations)
        self._need(dict.fromkeys(rotations.keys(steps), x.level))
        turn = self._noise.key_switch(x.level) * (1 / x.scale)
        low, high = x.interval  # any feature may come to any slot, and the zeros of slots that hold none
        turned = replace(x, bounds=Bounds(np.array([min(low, 0.0)]), np.array([max(high, 0.0)])))
        return [
            replace(turned if step else x, noise=x.noise + turn * count ** (1 / self._norm))
            for step, count in zip(steps, rotations.switches(steps), strict=True)
        ]

    def evaluate_polynomial(self, x: Traced, polynomial: Polynomial, squares: list[Traced] | None = None) -> Traced:
        require_clear(self, polynomial, x.level, x.scale)
        interval = x.interval
        ahead = outlook(polynomial, x.scale, self._noise, x.level, interval, self._norm)
        self.counts.update(ahead.counts)
        slope = largest_on(derivative_of(polynomial), interval)
        # of the twin, and of the constants that the circuit encodes
        size = magnitude_on(polynomial, interval) + slope * x.largest
        rounded = Noise(0.0, (polynomial.degree + 2) * self._noise.roundoff * size, self._norm)
        noise = x.noise * slope + ahead.noise.alike(*x.alike) + rounded
        rest = float(polynomial(x.rest))
        result = Traced(ahead.level, ahead.scale, 2, noise, _image(polynomial, interval), x.room, x.alike, rest)
        room = self._room(result, largest_on(polynomial, interval_up_to(polynomial, x.largest)))
        if squares is not None:
            squares += self._squares_on_the_way(x, polynomial)
        return replace(result, room=room)

    def _squares_on_the_way(self, x: Traced, polynomial: Polynomial) -> list[Traced]:
        """The t² that the circuit of a polynomial makes; nothing where it makes none."""
        levels: Levels[Placed] = Levels(self.primes[: x.level + 1], self.ring_degree)
        met: list[Placed] = []
        evaluate(polynomial, levels.fresh(x.scale), levels, met)
        if not met:
            return []
        counts = self.counts.copy()  # it is no product more
        square = square_of(self, x, polynomial.domain)
        if met[0].level < square.level:
            square = self.rescale(square)
        self.counts = counts
        return [square]

    def apply_map(self, xs: Sequence[Traced], affine: AffineMap) -> list[Traced]:
        (x,) = xs
        landing = Landing.of(self, x.level, x.scale)
        result, model, norm = landing.scale, self._noise, self._norm
        self.require_encodable(x.level, landing.plain_scale, affine.operator.largest)
        self.require_scale(x.level, x.scale * landing.plain_scale)
        # the bias must fit as a plaintext: it can be far larger than the sum that it completes
        self.require_encodable(landing.level, result, affine.largest_constant)
        schedule = affine.schedule(self.can_rotate, x.level, landing.folded(x.level))
        norm_of_inputs = affine.norm_of(x.bounds, norm, x.rest, schedule)
        encoding = norm_of_inputs * model.encoding / landing.plain_scale
        # of the twin, of numbers that are encoded, and of scales
        floats = (affine.operator.inputs + 4) * model.roundoff * affine.sums_of_magnitudes(x.bounds)
        rounded = Noise(model.rounding / result if landing.level < x.level else 0.0, 0.0, norm)
        turned = Noise(0.0, 0.0, norm)
        self._count_map(x.level, landing, affine, schedule)
        gains = affine.gains(norm, schedule)
        if schedule is None:
            # a scalar's rounding is one number, not a slot's worth of them
            encoding /= sqrt(model.ring_degree / 2)
        else:
            self._need(schedule.keys_at(x.level, landing.folded(x.level)))
            terms, folds = schedule.diagonals.terms, sum(map(len, schedule.folds))
            product = model.key_switch(x.level) * (1 / (x.scale * landing.plain_scale))
            # one key turns every sum of giant steps: its spikes are alike
            giants = max(schedule.turning)
            turned = Noise(product.laplace * (giants * terms) ** (1 / norm), product.normal * giants, norm)
            # a spike sits in few slots: a fold's meets a sum once, where its rounding is in every term
            fold = product if landing.folds_first else model.key_switch(landing.level) * (1 / result)
            turned += Noise(fold.laplace * (terms - 1) ** (1 / norm), fold.normal * folds ** (1 / norm), norm)
            if not landing.folds_first:
                rounded = rounded * terms ** (1 / norm)
            turned += self._turned(model.key_switch(x.level) * (1 / x.scale), gains)
            # small entries share plaintexts with the largest one, and so do biases
            encoding += model.transform * (norm_of_inputs * gains.largest + affine.largest_constant)
        plain = Noise(0.0, encoding, norm) + Noise(0.0, floats, norm)
        alike = (1, 1) if schedule else (affine.alike, affine.operator.outputs)
        noise = x.noise.through(gains.row, gains.spectral) + rounded.alike(*alike) + turned + plain
        rest = 0.0 if schedule is None else affine.idle
        mapped = Traced(landing.level, result, 2, noise, room=x.room, alike=alike, rest=rest)
        return [self.with_bounds(mapped, affine.image(x.bounds))]

    def _turned(self, turn: Noise, gains: Gains) -> Noise:
        """What the rotations of a map's input add to its results.

        turn: of one rotation.
        gains: of the map.
        """
        together = turn.laplace * gains.turned_together, turn.normal * gains.spiked_together
        return Noise(turn.laplace * gains.turned, turn.normal * gains.spiked, self._norm, together)

    def _count_map(self, level: int, landing: Landing, affine: AffineMap, schedule: RotationSchedule | None) -> None:
        """Note the steps of a map, of one group of samples.

        level: of the inputs.
        landing: where the results come out.
        affine: the map.
        schedule: how it rotates.
        """
        below = landing.level
        biases = 0 if affine.bias is None else int(np.count_nonzero(affine.bias))
        if schedule is None:
            sizes = affine.row_sizes
            products, sums = int(sizes.sum()), int(np.count_nonzero(sizes))
            self.count("number", level, products)
            self.count("number", below, biases)
        else:
            diagonals = schedule.diagonals
            products, biases = diagonals.present, diagonals.outlets * (affine.largest_constant > 0)
            sums, folds, hoisted = diagonals.sums, schedule.folding, schedule.hoisted_folds
            self.count("vector", level, sum(map(len, diagonals.shifts)))
            self.count("vector", below, biases)
            self.count("rotation", level, schedule.count - schedule.hoisted - (folds - hoisted))
            self.count("hoisted rotation", level, schedule.hoisted - hoisted)
            at = landing.folded(level)
            self.count("rotation", at, folds - hoisted)
            self.count("hoisted rotation", at, hoisted)
            self.count("addition", at, folds)
        self.count("plain product", level, products)
        self.count("addition", level, max(products - sums, 0))  # a map of zeros keeps one diagonal, without a product
        self.count("addition", below, biases)
        self.count("rescale", level, sums if below < level else 0)


def _product_of(x: Bounds, y: Bounds) -> Bounds:
    """Bounds of the products of values within bounds."""
    corners = np.stack([a * b for a in (x.low, x.high) for b in (y.low, y.high)])
    return Bounds(corners.min(axis=0), corners.max(axis=0))


def _scale_by(x: Traced, factor: float) -> Traced:
    """factor·x, with its noise."""
    ends = x.bounds.low * factor, x.bounds.high * factor
    bounds = Bounds(*(ends if factor >= 0 else ends[::-1]))
    return replace(x, noise=x.noise * abs(factor), bounds=bounds, rest=x.rest * factor)


@lru_cache(maxsize=256)
def _image(polynomial: Polynomial, interval: Interval) -> Bounds:
    """The bounds of p(x) for x in an interval."""
    low, high = image_on(polynomial, interval)
    return Bounds(np.array([low]), np.array([high]))


def interval_up_to(polynomial: Polynomial, largest: float) -> Interval:
    """All x up to a magnitude; for a domain that does not hold 0 inside, from it outwards (`radius_within`).

    polynomial: whose domain it is.
    largest: the magnitude.
    """
    low, high = polynomial.domain
    if low < 0 < high:
        return -largest, largest
    return (low, max(low, largest)) if low >= 0 else (min(high, -largest), high)


class TracedContext(Context):
    """Parameters without keys, under which nodes compute on traced values.

    parameters: ring degree, chain and scale.
    norm: how errors add up (`Noise`).
    evaluator: whose rotations and noise are traced.

    >>> from fhenn.ckks import FEATURES
    >>> context = TracedContext(Parameters.for_depth(2))
    >>> x = context.array(FEATURES, Bounds(np.array([-1.0]), np.array([1.0])))
    >>> x.level, x.ciphertexts[0].largest
    (2, 1.0)
    """

    fingerprint: ClassVar[str] = "traced"
    has_secret_key: ClassVar[bool] = False

    def __init__(self, parameters: Parameters, norm: int = 2, evaluator: Evaluator = SEAL) -> None:
        self._parameters, self._norm, self._evaluator = parameters, norm, evaluator

    @property
    def ring_degree(self) -> int:
        return self._parameters.ring_degree

    @cached_property
    def all_primes(self) -> tuple[int, ...]:
        return self._parameters.primes

    @property
    def scale(self) -> float:
        return self._parameters.scale

    @cached_property
    def noise(self) -> NoiseModel:
        return self._evaluator.noise(self._parameters)

    @cached_property
    def arithmetic(self) -> Trace:
        return Trace(self.noise, self.scale, self._norm, self._evaluator.rotations)

    def can_rotate(self, steps: int, level: int) -> bool:
        return True

    def array(self, layout: Layout, bounds: Bounds) -> CipherArray:
        """A traced array of samples.

        layout: how they sit in slots.
        bounds: of the features, (features,) each.
        """
        on = self.arithmetic
        x = on.with_bounds(on.fresh(self.scale), bounds)
        x = replace(x, noise=x.noise + Noise(0.0, self.noise.transform * bounds.largest, self._norm))
        return CipherArray(self, (1, len(bounds.low)), layout, (x,), x.level, x.scale)

    def encrypt_slots(self, values: float | list[float], level: int, scale: float) -> Any:
        raise self._no_keys("encrypt")

    def decrypt_complex(self, ciphertext: Any, secret: Any = None) -> list[complex]:
        raise self._no_keys("decrypt")

    def save(self, ciphertext: Any) -> bytes:
        raise self._no_keys("save")

    def encrypt_seeded(self, values: float | list[float], level: int, scale: float) -> bytes:
        raise self._no_keys("encrypt")

    @classmethod
    def generate(cls, parameters: Parameters, rotations: Collection[int] = ()) -> Self:
        raise cls._no_keys("make keys")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        raise cls._no_keys("load keys")

    def to_bytes(self) -> bytes:
        raise self._no_keys("send")

    def evaluation_bytes(self, rotations: Mapping[int, int] | None = None, relinearisation: int | None = None) -> bytes:
        raise self._no_keys("send")

    def load(self, data: bytes, level: int, scale: float) -> Any:
        raise self._no_keys("load")

    @staticmethod
    def _no_keys(operation: str) -> KeyMissing:
        """The exception for what a plan cannot do."""
        return KeyMissing("any", operation, "A plan has parameters and no keys: take a Context.")
