"""The forms of a polynomial (`fhenn.approx.forms`) as circuits with exact scales.

The same circuit runs on SEAL's ciphertexts (`arithmetic.Ciphertexts`) and on what stands for them in a plan
(`trace.Trace`): what is planned is what is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log2, prod
from typing import Generic, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.approx.forms import Affine, Blocks, Factored, form_of, parts_of, product_order
from fhenn.ckks.noise import Noise, NoiseModel
from fhenn.ckks.trace import Trace
from fhenn.errors import ScaleMismatch, UnsupportedOperation

V = TypeVar("V")
Floats = NDArray[np.float64]

_BOUNDLESS = 2.0**400
"""A first prime that holds any result."""

_ROOM = 16.0
"""Where a scale must be chosen, it leaves room for results that much larger than the polynomial is on its domain."""

_LARGEST_GROWTH = 2.0**14
"""By how much a result's scale may exceed the input's, where that can be chosen: what follows needs primes for it."""

_LEAST_MULTIPLIER = 2**20
"""An integer of fewer bits would put a result off by 10⁻⁶."""


class Arithmetic(Protocol[V]):
    """What a circuit needs. No operation changes its operands."""

    primes: Sequence[float]

    def level(self, x: V) -> int:
        """Rescales left."""

    def scale(self, x: V) -> float:
        """The exact scale."""

    def read(self, x: V, scale: float) -> V:
        """The same ciphertext read at another scale, which multiplies its message by the old one over the new one."""

    def negate(self, x: V) -> V:
        """-x."""

    def drop(self, x: V, level: int) -> V:
        """x on fewer primes."""

    def plus(self, x: V, constant: float) -> V:
        """x + constant."""

    def times(self, x: V, constant: float, scale: float) -> V:
        """x · constant, not rescaled; the constant encoded at a scale."""

    def add(self, x: V, y: V) -> V:
        """x + y, at one level and scale."""

    def multiply(self, x: V, y: V) -> V:
        """x · y at one level, neither relinearised nor rescaled."""

    def relinearise(self, x: V) -> V:
        """x of two parts again."""

    def rescale(self, x: V) -> V:
        """x divided by its last prime."""


def evaluate(polynomial: Polynomial, x: V, on: Arithmetic[V]) -> V:
    """p(x), `polynomial.depth` levels down, at the scale that keeps most digits.

    Raises ScaleMismatch where the modulus does not hold the result, UnsupportedOperation for a constant polynomial.
    """
    form = form_of(polynomial)
    largest = largest_of(polynomial)
    try:
        if isinstance(form, Affine):
            result = _affine(form, x, on)
        elif isinstance(form, Factored):
            result = _factored_to_fit(form, x, on, largest)
        else:
            result = _blocks(form, x, on, largest)
        _require_scale(on, result, on.scale(result) * largest)
    except ScaleMismatch as inside:
        raise mismatch(polynomial, on.scale(x), on.primes[on.level(x)]) from inside
    return result


def squared(on: Arithmetic[V], x: V, domain: tuple[float, float]) -> V:
    """t² for t = (x - middle)/half of a domain, not rescaled. Raises ScaleMismatch."""
    low, high = domain
    return _square(on, _centred(on, x, low / 2 + high / 2, high / 2 - low / 2))


def doublings(on: Arithmetic[V], x: V, domain: tuple[float, float], times: int) -> V:
    """Tₙ(t), n = 2 to the power of `times`, for t = (x - middle)/half of a domain. Raises ScaleMismatch."""
    low, high = domain
    t = _centred(on, x, low / 2 + high / 2, high / 2 - low / 2)
    for _ in range(times):
        t = on.plus(on.rescale(_doubled(on, _square(on, t))), -1.0)
    return t


def brought_to(on: Arithmetic[V], x: V, scale: float) -> V:
    """x at a scale, a level down: times 1, encoded as an integer. Raises ScaleMismatch where that has few digits."""
    multiplier = round(on.primes[on.level(x)] * scale / on.scale(x))
    if multiplier < _LEAST_MULTIPLIER:
        raise ScaleMismatch(
            on.scale(x),
            int(on.primes[on.level(x)]),
            f"It cannot be brought to 2^{log2(scale):.0f} with one prime: use a smaller scale, or larger primes.",
        )
    return on.rescale(_times(on, x, 1.0, float(multiplier)))


@lru_cache(maxsize=256)
def largest_of(polynomial: Polynomial) -> float:
    """The largest |p(x)| on the domain, 1 at least."""
    return max(*map(abs, polynomial.range()), 1.0)


@dataclass(frozen=True)
class Outlook:
    """What an evaluation will be like: the scale of its result, and the error that it adds."""

    scale: float
    noise: Noise


@lru_cache(maxsize=4096)
def outlook(
    polynomial: Polynomial,
    scale: float,
    model: NoiseModel,
    level: int,
    interval: tuple[float, float] | None = None,
    norm: int = 2,
) -> Outlook:
    """What evaluating p on an input at a level and scale will be like, at the input where it errs most.

    interval: where the inputs lie, the domain if not given. norm: how errors add up (`Noise`).

    Raises ScaleMismatch as `evaluate` does.
    """
    primes = model.primes[: level + 1]
    trace = Trace(primes)
    result = evaluate(polynomial, trace.fresh(scale), trace)
    moved = _moved(polynomial, len(trace.events), interval or polynomial.domain)
    laplace, normal = np.zeros(moved.shape[1]), np.zeros(moved.shape[1])
    for event, by in zip(trace.events, moved, strict=True):
        noise = Noise(model.rounding, 0.0) if event.kind == "rescale" else model.key_switch(event.level)
        laplace += (noise.laplace / event.scale * by) ** norm
        normal += (noise.normal / event.scale * by) ** norm
    worst = int((laplace + normal).argmax())
    added = Noise(float(laplace[worst]) ** (1 / norm), float(normal[worst]) ** (1 / norm), norm)
    return Outlook(result.scale, added)


@lru_cache(maxsize=256)
def _moved(polynomial: Polynomial, events: int, interval: tuple[float, float]) -> Floats:
    """How far a unit of error at each event moves the result, (events, points): whatever the scales are."""
    low, high = interval
    points = (low + high) / 2 - np.cos(np.linspace(0, np.pi, 129)) * (high - low) / 2
    trace = Trace((_BOUNDLESS, *[2.0**40] * polynomial.depth), points)
    x = trace.fresh(2.0**42 / (polynomial.domain[1] - polynomial.domain[0]))
    result = evaluate(polynomial, x, trace)
    if len(trace.events) != events:  # the leading factor was brought to another scale
        trace.events.clear()
        result = _factored(cast(Factored, form_of(polynomial)), x, trace, 1.0)
    return np.abs([result.moved[event] for event in range(events)]).reshape(events, len(points))


@lru_cache(maxsize=4096)
def natural_scale(polynomial: Polynomial, scale: float, primes: tuple[float, ...]) -> float:
    """The scale at which p(x) comes out of those primes where the first prime holds any scale."""
    trace = Trace((_BOUNDLESS, *primes))
    return evaluate(polynomial, trace.fresh(scale), trace).scale


def modulus(on: Arithmetic[V], level: int) -> float:
    """The product of the primes under a value at a level."""
    return prod(float(prime) for prime in on.primes[: level + 1])


def multiplied(on: Arithmetic[V], x: V, y: V) -> V:
    """x · y at one level, neither relinearised nor rescaled. Raises ScaleMismatch where the modulus is too small."""
    _require_scale(on, x, on.scale(x) * on.scale(y))
    return on.multiply(x, y)


def _times(on: Arithmetic[V], x: V, constant: float, scale: float) -> V:
    """x · constant, the constant at a scale. Raises ScaleMismatch where the modulus is too small."""
    _require_scale(on, x, on.scale(x) * scale)
    return on.times(x, constant, scale)


def _require_scale(on: Arithmetic[V], x: V, scale: float) -> None:
    if 2 * scale > modulus(on, on.level(x)):
        raise ScaleMismatch(
            on.scale(x),
            int(on.primes[on.level(x)]),
            "The product's scale outgrows the modulus: use a smaller scale or a larger first prime; fhenn.plan chooses "
            "such.",
        )


def mismatch(polynomial: Polynomial, scale: float, prime: float) -> ScaleMismatch:
    """The error for an input whose scale does not suit its primes."""
    low, high = polynomial.domain
    bits = log2(prime) - log2(high - low) + 2
    return ScaleMismatch(
        scale,
        int(prime),
        f"For the domain [{low:g}, {high:g}] a scale of about 2^{bits:.0f} suits these primes (scale·width/4 = prime), "
        "with room above it in the first prime; fhenn.plan chooses such.",
    )


def _affine(form: Affine, x: V, on: Arithmetic[V]) -> V:
    if form.slope == 0.0:
        raise UnsupportedOperation("a constant polynomial on ciphertexts", "Add the constant to what follows.")
    return on.plus(_scaled(on, x, form.slope), form.offset)


def _scaled(on: Arithmetic[V], x: V, factor: float) -> V:
    """factor·x, free."""
    scaled = on.read(x, on.scale(x) / abs(factor))
    return on.negate(scaled) if factor < 0 else scaled


def _centred(on: Arithmetic[V], x: V, middle: float, half: float) -> V:
    """t = (x - middle)/half, free."""
    return on.read(on.plus(x, -middle) if middle else x, on.scale(x) * half)


def _factored_to_fit(form: Factored, x: V, on: Arithmetic[V], largest: float) -> V:
    """The product at its natural scale, or, where that does not fit, at one that does."""
    level, scale = on.level(x), on.scale(x)
    natural = _natural_scale(form, (_BOUNDLESS, *on.primes[1 : level + 1]), scale)
    # before the constant k is read off, the scale is k times as large
    room = modulus(on, level - form.depth) / (2 * max(largest, abs(form.k)))
    most = min(room / _ROOM, scale * _LARGEST_GROWTH)
    fits = natural <= min(room / 2, scale * _LARGEST_GROWTH) or not form.adjustable
    return _factored(form, x, on, None if fits else most / natural)


@lru_cache(maxsize=1024)
def _natural_scale(form: Factored, primes: tuple[int, ...], scale: float) -> float:
    trace = Trace(primes)
    return trace.scale(_factored(form, trace.fresh(scale), trace, None))


def _factored(form: Factored, x: V, on: Arithmetic[V], adjust: float | None) -> V:
    """adjust: by how much the result's scale should differ from its natural one."""
    t = _centred(on, x, form.middle, form.half)
    square = _square(on, t) if form.squared else t
    y = on.rescale(square) if form.squared and (form.quads or form.odd) else t
    raw: dict[int, V] = {}  # products before their rescale, by place
    ready: dict[int, V] = {}
    place = 0
    if form.odd or form.line is not None:
        if form.odd or not form.squared:
            ready[0] = lead = _lead(form, t, on, adjust)
            if form.odd and form.line is not None:
                factor = on.plus(y, -form.line)
                raw[0] = on.relinearise(multiplied(on, on.drop(lead, on.level(factor)), factor))
                ready.clear()
        else:
            raw[0] = on.plus(square, -cast(float, form.line))
        place = 1
    if form.quads:
        y_square = _square(on, y)
        for b, c in form.quads:
            quad = y_square
            if b:
                quad = on.add(quad, _times(on, on.drop(y, on.level(quad)), b, on.scale(quad) / on.scale(y)))
            raw[place] = on.plus(quad, c) if c else quad
            place += 1
    result = 0
    for _, pair in product_order(list(form.depths)):
        if pair[0] != pair[1]:
            left, right = (ready[at] if at in ready else on.rescale(raw[at]) for at in pair)
            lowest = min(on.level(left), on.level(right))
            raw[place] = on.relinearise(multiplied(on, on.drop(left, lowest), on.drop(right, lowest)))
            result, place = place, place + 1
    last = raw[result]
    if form.tilt:
        last = on.add(last, _times(on, on.drop(t, on.level(last)), form.tilt / form.k, on.scale(last) / on.scale(t)))
    whole = _scaled(on, on.rescale(last), form.k)
    return on.plus(whole, form.offset) if form.offset else whole


def _lead(form: Factored, t: V, on: Arithmetic[V], adjust: float | None) -> V:
    """The factor that needs no product of its own: t, or t - line; brought to another scale if so asked."""
    lead = t if form.odd or form.line is None else on.plus(t, -form.line)
    return lead if adjust is None else brought_to(on, lead, on.scale(t) * adjust)


def _square(on: Arithmetic[V], x: V) -> V:
    """x², relinearised, not rescaled."""
    return on.relinearise(multiplied(on, x, x))


def _blocks(form: Blocks, x: V, on: Arithmetic[V], largest: float) -> V:
    level = on.level(x)
    t = _centred(on, x, form.middle, form.half)
    y = t
    if form.squared:
        y = on.plus(_doubled(on, on.rescale(_square(on, t))), -1.0)
    powers = _Powers(on, y)
    result_level = level - form.depth
    budget = form.depth - int(form.squared)
    room = modulus(on, result_level) / (2 * largest * _ROOM)
    scale = min(_leading_scale(form, powers, budget, result_level), room, on.scale(x) * _LARGEST_GROWTH)
    product_scale = scale * on.primes[result_level + 1]
    raw = _sum(form, powers, np.array(form.coefficients), budget, (result_level, product_scale))
    if form.tilt:
        raw = on.add(raw, _times(on, on.drop(t, result_level + 1), form.tilt, product_scale / on.scale(t)))
    return on.read(on.rescale(on.relinearise(raw)), scale)


def _leading_scale(form: Blocks, powers: _Powers[V], budget: int, level: int) -> float:
    """The scale of a result whose leading block is at the scale of y: every quotient keeps the digits that it has."""
    on, degree = powers.on, len(form.coefficients) - 1
    scale = on.scale(powers[1])
    while g := form.split(degree, budget):
        level += 1
        scale *= on.scale(powers[g]) / on.primes[level]
        degree, budget = degree - g, budget - 1
    return scale


def _doubled(on: Arithmetic[V], x: V) -> V:
    return on.read(x, on.scale(x) / 2)


class _Powers(Generic[V]):
    """The Chebyshev polynomials of y that are there, made when first asked for."""

    def __init__(self, on: Arithmetic[V], y: V) -> None:
        self.on = on
        self._made = {1: y}

    def __getitem__(self, j: int) -> V:
        if j not in self._made:
            on, (a, b, c) = self.on, parts_of(j)
            left, right = self[a], self[b]
            lowest = min(on.level(left), on.level(right))
            product = multiplied(on, on.drop(left, lowest), on.drop(right, lowest))
            doubled = _doubled(on, on.relinearise(product))
            if c:
                less = self[c]
                ratio = on.scale(doubled) / on.scale(less)
                doubled = on.add(doubled, _times(on, on.drop(less, lowest), -1.0, ratio))
            made = on.rescale(doubled)
            self._made[j] = made if c else on.plus(made, -1.0)
        return self._made[j]


def _sum(form: Blocks, powers: _Powers[V], c: Floats, budget: int, at: tuple[int, float]) -> V:
    """Σ cⱼTⱼ for a result at level `at[0]`, before its rescale: a level above, at scale `at[1]`."""
    on, (level, scale) = powers.on, at
    degree = len(c) - 1
    g = form.split(degree, budget)
    if not g:
        return _plain_sum(powers, c, level + 1, scale)
    quotient, remainder = _divided(c, g)
    power = on.drop(powers[g], level + 1)
    if len(quotient) == 1:
        product = _times(on, power, float(quotient[0]), scale / on.scale(power))
    else:
        inner_scale = scale / on.scale(power)
        inner = _sum(form, powers, quotient, budget - 1, (level + 1, inner_scale * on.primes[level + 2]))
        inner = on.read(on.rescale(on.relinearise(inner)), inner_scale)
        product = multiplied(on, inner, power)
    if not np.any(remainder):
        return product
    if not np.any(remainder[1:]):
        return on.plus(product, float(remainder[0]))
    return on.add(product, _sum(form, powers, _trimmed(remainder), budget, at))


def _plain_sum(powers: _Powers[V], c: Floats, level: int, scale: float) -> V:
    on, total = powers.on, None
    for j in range(len(c) - 1, 0, -1):
        if c[j]:
            power = on.drop(powers[j], level)
            term = _times(on, power, float(c[j]), scale / on.scale(power))
            total = term if total is None else on.add(total, term)
    if total is None:
        raise UnsupportedOperation("a constant polynomial on ciphertexts", "Add the constant to what follows.")
    return on.plus(total, float(c[0])) if c[0] else total


def _divided(c: Floats, g: int) -> tuple[Floats, Floats]:
    """q and r with Σ cⱼTⱼ = q·T_g + r, by T_(g+i) = 2·T_g·Tᵢ - T_(g-i)."""
    quotient = c[g:].copy()
    quotient[1:] *= 2
    remainder = c[:g].copy()
    for i in range(1, len(quotient)):
        remainder[g - i] -= c[g + i]
    return quotient, remainder


def _trimmed(c: Floats) -> Floats:
    return c[: np.flatnonzero(c)[-1] + 1]
