"""The forms of a polynomial (`fhenn.approx.forms`) as circuits with exact scales.

The same circuit runs on ciphertexts and on what stands for them in a plan (`outlook`): what is planned is what is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import copysign, log2
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.approx.forms import Affine, Blocks, Factored, form_of, parts_of, product_order
from fhenn.ckks import cubic
from fhenn.ckks.cubic import CubicForm
from fhenn.ckks.levels import Levels, Placed
from fhenn.ckks.limits import require_digits
from fhenn.errors import ScaleMismatch, UnsupportedOperation

if TYPE_CHECKING:
    from fhenn.ckks.operations import Operations

V = TypeVar("V")
Floats = NDArray[np.float64]
Interval = tuple[float, float]

_BOUNDLESS = 2.0**400
"""A first prime that holds any result."""

_ROOM = 16.0
"""Where a scale must be chosen, it leaves room for results that much larger than the polynomial is on its domain."""

_LARGEST_GROWTH = 2.0**14
"""By how much a result's scale may exceed the input's, where that can be chosen: what follows needs primes for it."""

_LEAST_MULTIPLIER = 2**20
"""An integer of fewer bits would put a result off by 10⁻⁶."""


def evaluate(polynomial: Polynomial, x: V, on: Operations[V, Any], squares: list[V] | None = None) -> V:
    """p(x) by the form that suits p.

    polynomial: p, not a constant.
    x: a ciphertext.
    on: the arithmetic.
    squares: a list that t² is appended to where the circuit makes it (`shares_square`), for t = (x - middle)/half of
    p's domain; None for none.

    Returns p(x), `levels_of(…)` levels down, at the scale that keeps most digits.
    Raises LevelExhausted, KeyMissing, ScaleMismatch where the modulus does not hold the result, UnsupportedOperation
    for a constant polynomial.
    """
    odd = CubicForm.of(polynomial)
    if odd is not None:
        return _evaluate_odd_cubic(odd, polynomial.domain, x, on, squares)
    on.require_levels(f"a polynomial of degree {polynomial.degree}", polynomial.depth, on.level(x))
    form, largest = form_of(polynomial), largest_of(polynomial)
    run = on if squares is None else cast("Operations[V, Any]", _SquareWatch(on, squares))
    try:
        if isinstance(form, Affine):
            result = _evaluate_affine(form, x, run)
        elif isinstance(form, Factored):
            result = _evaluate_factored_to_fit(form, x, run, largest)
        else:
            result = _evaluate_blocks(form, x, run, largest)
        _require_scale(on, result, on.scale(result) * largest)
    except ScaleMismatch as inside:
        raise mismatch(polynomial, on.scale(x), on.primes[on.level(x)]) from inside
    return result


def _evaluate_odd_cubic(form: CubicForm, domain: Interval, x: V, on: Operations[V, Any], squares: list[V] | None) -> V:
    """The cubic as one product of x and x² + b, its leading coefficient read off the scale."""
    on.require_levels("the cubic", cubic.needed_levels(on.scale(x), on.primes[: on.level(x) + 1]), on.level(x))
    made: list[V] | None = None if squares is None else []
    result = cubic.product(on, x, x, form.k, form.b, form.c, made)
    if squares is not None and made is not None:
        # x² read at a larger scale is x²/half²
        squares += [on.read(square, on.scale(square) * domain[1] ** 2) for square in made]
    return result


@lru_cache(maxsize=4096)
def natural_scale(polynomial: Polynomial, scale: float, primes: tuple[float, ...]) -> float:
    """The scale at which p(x) comes out where the first prime holds any scale.

    polynomial: p.
    scale: of x.
    primes: that are divided by, the last one first to be.
    """
    on: Levels[Placed] = Levels((_BOUNDLESS, *primes))
    return on.scale(evaluate(polynomial, on.fresh(scale), on))


def levels_of(polynomial: Polynomial, scale: float, primes: Sequence[float]) -> int:
    """Levels that p(x) consumes.

    polynomial: p.
    scale: of x.
    primes: under x, first prime first.
    """
    if CubicForm.of(polynomial) is not None:
        return cubic.needed_levels(scale, primes)
    return polynomial.depth


def suitable_primes(polynomial: Polynomial, scale_bits: float, nominal_bits: int, wide: int | None) -> list[float]:
    """Bits of the primes that p(x) should divide by, the first to be divided by first.

    polynomial: p.
    scale_bits: log2 of the scale of x.
    nominal_bits: log2 of the scale of fresh ciphertexts.
    wide: bits of one prime in the place of an odd cubic's two, None for two.
    """
    if CubicForm.of(polynomial) is not None:
        return [max(scale_bits, nominal_bits)] * 2 if wide is None else [wide]
    low, high = polynomial.domain
    return [scale_bits + log2((high - low) / 4)] * polynomial.depth


def is_constant(polynomial: Polynomial) -> bool:
    """Whether a polynomial is a constant in double precision."""
    form = form_of(polynomial)
    return isinstance(form, Affine) and form.slope == 0.0


def takes_wide_prime(polynomial: Polynomial) -> bool:
    """Whether one wide prime may take the place of the two that p(x) divides by."""
    return CubicForm.of(polynomial) is not None


def shares_square(domain: Interval, polynomial: Polynomial) -> bool:
    """Whether the circuit of a polynomial makes t² on its way, for t = (x - middle)/half of a domain.

    domain: (low, high).
    polynomial: p.
    """
    if polynomial.domain != domain:
        return False
    return polynomial.depth > 0 and (CubicForm.of(polynomial) is None or domain[0] == -domain[1])


class _SquareWatch(Generic[V]):
    """Operations that keep the first square that a circuit makes, relinearised: t² of t in [-1, 1]."""

    def __init__(self, on: Operations[V, Any], squares: list[V]) -> None:
        self._on, self._squares, self._met = on, squares, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._on, name)

    def multiply_and_relinearise(self, x: V, y: V) -> V:
        product = self._on.multiply_and_relinearise(x, y)
        if not self._met and x is y:
            self._met = True
            self._squares.append(product)
        return product


def square_of(on: Operations[V, Any], x: V, domain: tuple[float, float]) -> V:
    """t² for t = (x - middle)/half of a domain.

    on: the arithmetic.
    x: a ciphertext.
    domain: (low, high).

    Returns the square, not rescaled: at the level of x.
    Raises ScaleMismatch, KeyMissing.
    """
    low, high = domain
    return _square(on, _centre(on, x, low / 2 + high / 2, high / 2 - low / 2))


def chebyshev_power(on: Operations[V, Any], x: V, domain: tuple[float, float], times: int) -> V:
    """The Chebyshev polynomial Tₙ(t) for t = (x - middle)/half of a domain, by T₂ₖ = 2Tₖ² - 1.

    on: the arithmetic.
    x: a ciphertext.
    domain: (low, high).
    times: how often that rule is applied: n = 2^times.

    Returns Tₙ(t), `times` levels down.
    Raises ScaleMismatch, KeyMissing.
    """
    low, high = domain
    t = _centre(on, x, low / 2 + high / 2, high / 2 - low / 2)
    for _ in range(times):
        t = on.rescale_and_add(_double(on, _square(on, t)), -1.0)
    return t


def bring_to(on: Operations[V, Any], x: V, scale: float) -> V:
    """x at another scale, a level down: a product with 1, which is encoded as an integer.

    on: the arithmetic.
    x: a ciphertext.
    scale: that it is wanted at.

    Raises ScaleMismatch where that integer would have few digits.
    """
    multiplier = round(on.primes[on.level(x)] * scale / on.scale(x))
    if multiplier < _LEAST_MULTIPLIER:
        raise ScaleMismatch(
            on.scale(x),
            int(on.primes[on.level(x)]),
            f"It cannot be brought to 2^{log2(scale):.0f} with one prime: use a smaller scale, or larger primes.",
        )
    return on.rescale(times_number(on, x, 1.0, float(multiplier)))


@lru_cache(maxsize=256)
def largest_of(polynomial: Polynomial) -> float:
    """The largest |p(x)| on the domain, 1 at least."""
    return max(*map(abs, polynomial.range()), 1.0)


def multiply_alike(on: Operations[V, Any], x: V, y: V, *, relinearise: bool = False) -> V:
    """x · y, not rescaled.

    on: the arithmetic.
    x, y: ciphertexts at one level.
    relinearise: whether the product is of two parts again.

    Raises ScaleMismatch where the modulus is too small for the product's scale.
    """
    _require_scale(on, x, on.scale(x) * on.scale(y))
    return on.multiply_and_relinearise(x, y) if relinearise else on.multiply(x, y)


def times_number(on: Operations[V, Any], x: V, constant: float, scale: float) -> V:
    """x · constant, not rescaled.

    on: the arithmetic.
    x: a ciphertext.
    constant: a number.
    scale: that it is encoded at.

    Raises ScaleMismatch where the modulus is too small for the product's scale.
    """
    _require_scale(on, x, on.scale(x) * scale)
    factor = on.plaintext(constant, on.level(x), scale)
    if on.is_zero(factor):  # anybody could read the product with it: the least constant there is instead
        factor = on.plaintext(copysign(1 / scale, constant), on.level(x), scale)
    return on.times(x, factor)


def times_slots(on: Operations[V, Any], x: V, values: float | Floats, scale: float) -> V:
    """x · values, slot by slot, a level down.

    on: the arithmetic.
    x: a ciphertext.
    values: one number for every slot, or all slot values.
    scale: exact, of the result.

    A product that would be all zeros is a fresh encryption of zero.
    Raises ScaleMismatch, and KeyMissing where that encryption needs a key that is missing.
    """
    level = on.level(x)
    plain_scale = scale * on.primes[level] / on.scale(x)
    require_digits(on, level, on.scale(x), plain_scale)
    factor = on.plaintext(values, level, plain_scale)
    if on.is_zero(factor):
        return on.zero(level - 1, scale)
    return on.read(on.rescale(on.times(x, factor)), scale)  # equal up to the rounding of two float operations


def _require_scale(on: Operations[V, Any], x: V, scale: float) -> None:
    """Raise ScaleMismatch where a scale at the level of x exceeds the modulus."""
    if 2 * scale > on.modulus(on.level(x)):
        raise ScaleMismatch(
            on.scale(x),
            int(on.primes[on.level(x)]),
            "The product's scale outgrows the modulus: use a smaller scale or a larger first prime; fhenn.plan chooses "
            "such.",
        )


def mismatch(polynomial: Polynomial, scale: float, prime: float) -> ScaleMismatch:
    """The error for an input whose scale does not suit its primes.

    polynomial: that was to be evaluated.
    scale: of the input.
    prime: the first to be divided by.
    """
    low, high = polynomial.domain
    bits = log2(prime) - log2(high - low) + 2
    return ScaleMismatch(
        scale,
        int(prime),
        f"For the domain [{low:g}, {high:g}] a scale of about 2^{bits:.0f} suits these primes (scale·width/4 = prime), "
        "with room above it in the first prime; fhenn.plan chooses such.",
    )


def _evaluate_affine(form: Affine, x: V, on: Operations[V, Any]) -> V:
    """slope·x + offset."""
    if form.slope == 0.0:  # `is_constant`
        raise UnsupportedOperation("a constant polynomial on ciphertexts", "Add the constant to what follows.")
    return on.plus(_scale_by(on, x, form.slope), form.offset)


def _scale_by(on: Operations[V, Any], x: V, factor: float) -> V:
    """factor·x, at no cost: read at another scale."""
    scaled = on.read(x, on.scale(x) / abs(factor))
    return on.negate(scaled) if factor < 0 else scaled


def _centre(on: Operations[V, Any], x: V, middle: float, half: float) -> V:
    """t = (x - middle)/half, at no cost."""
    return on.read(on.plus(x, -middle) if middle else x, on.scale(x) * half)


def _evaluate_factored_to_fit(form: Factored, x: V, on: Operations[V, Any], largest: float) -> V:
    """The product at its natural scale, or, where that does not fit, at one that does."""
    level, scale = on.level(x), on.scale(x)
    natural = _natural_scale(form, (_BOUNDLESS, *on.primes[1 : level + 1]), scale)
    # before the constant k is read off, the scale is k times as large
    room = on.modulus(level - form.depth) / (2 * max(largest, abs(form.k)))
    most = min(room / _ROOM, scale * _LARGEST_GROWTH)
    fits = natural <= min(room / 2, scale * _LARGEST_GROWTH) or not form.adjustable
    return _evaluate_factored(form, x, on, None if fits else most / natural)


@lru_cache(maxsize=1024)
def _natural_scale(form: Factored, primes: tuple[float, ...], scale: float) -> float:
    """The scale that the product of a form's factors has of itself."""
    on: Levels[Placed] = Levels(primes)
    return on.scale(_evaluate_factored(form, on.fresh(scale), on, None))


def _evaluate_factored(form: Factored, x: V, on: Operations[V, Any], adjust: float | None) -> V:
    """The product of a form's factors.

    adjust: by which factor the result's scale should differ from its natural one, None for none.
    """
    t = _centre(on, x, form.middle, form.half)
    square = _square(on, t) if form.squared else t
    if form.squared and form.quads and form.line is not None and not form.odd:
        square = on.shared(square)
    y = on.rescale(square) if form.squared and (form.quads or form.odd) else t
    raw: dict[int, V] = {}  # products before their rescale, by place
    ready: dict[int, V] = {}
    place = 0
    if form.odd or form.line is not None:
        if form.odd or not form.squared:
            ready[0] = lead = _lead(form, t, on, adjust)
            if form.odd and form.line is not None:
                factor = on.plus(y, -form.line)
                raw[0] = multiply_alike(on, on.drop(lead, on.level(factor)), factor, relinearise=True)
                ready.clear()
        else:
            raw[0] = on.plus(square, -cast(float, form.line))
        place = 1
    if form.quads:
        y_square = _square(on, y) if len(form.quads) == 1 else on.shared(_square(on, y))
        for b, c in form.quads:
            quad = y_square
            if b:
                quad = on.add(quad, times_number(on, on.drop(y, on.level(quad)), b, on.scale(quad) / on.scale(y)))
            raw[place] = on.plus(quad, c) if c else quad
            place += 1
    result = 0
    for _, pair in product_order(list(form.depths)):
        if pair[0] != pair[1]:
            left, right = (ready[at] if at in ready else on.rescale(raw[at]) for at in pair)
            lowest = min(on.level(left), on.level(right))
            raw[place] = multiply_alike(on, on.drop(left, lowest), on.drop(right, lowest), relinearise=True)
            result, place = place, place + 1
    last = raw[result]
    if form.tilt:
        last = on.add(
            last, times_number(on, on.drop(t, on.level(last)), form.tilt / form.k, on.scale(last) / on.scale(t))
        )
    scale = on.scale(last) / on.primes[on.level(last)] / abs(form.k)  # k is read off the scale
    return on.rescale_and_add(last, form.offset, scale=scale, negative=form.k < 0)


def _lead(form: Factored, t: V, on: Operations[V, Any], adjust: float | None) -> V:
    """The factor that needs no product of its own: t, or t - line; brought to another scale if so asked."""
    lead = t if form.odd or form.line is None else on.plus(t, -form.line)
    return lead if adjust is None else bring_to(on, lead, on.scale(t) * adjust)


def _square(on: Operations[V, Any], x: V) -> V:
    """x², relinearised, not rescaled."""
    return multiply_alike(on, x, x, relinearise=True)


def _evaluate_blocks(form: Blocks, x: V, on: Operations[V, Any], largest: float) -> V:
    """A polynomial in Chebyshev form, by powers and quotients (Paterson & Stockmeyer 1973)."""
    level = on.level(x)
    t = _centre(on, x, form.middle, form.half)
    y = t
    if form.squared:
        y = on.rescale_and_add(_double(on, _square(on, t)), -1.0)
    powers = _Powers(on, y)
    result_level = level - form.depth
    budget = form.depth - int(form.squared)
    room = on.modulus(result_level) / (2 * largest * _ROOM)
    scale = min(_leading_scale(form, powers, budget, result_level), room, on.scale(x) * _LARGEST_GROWTH)
    product_scale = scale * on.primes[result_level + 1]
    raw = _sum_blocks(form, powers, np.array(form.coefficients), budget, (result_level, product_scale))
    if form.tilt:
        raw = on.add(raw, times_number(on, on.drop(t, result_level + 1), form.tilt, product_scale / on.scale(t)))
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


def _double(on: Operations[V, Any], x: V) -> V:
    """2x, at no cost."""
    return on.read(x, on.scale(x) / 2)


class _Powers(Generic[V]):
    """The Chebyshev polynomials of y that are there, made when first asked for."""

    def __init__(self, on: Operations[V, Any], y: V) -> None:
        self.on = on
        self._made = {1: y}

    def __getitem__(self, j: int) -> V:
        if j not in self._made:
            on, (a, b, c) = self.on, parts_of(j)
            left, right = self[a], self[b]
            lowest = min(on.level(left), on.level(right))
            product = multiply_alike(on, on.drop(left, lowest), on.drop(right, lowest), relinearise=True)
            doubled = _double(on, product)
            if c:
                less = self[c]
                ratio = on.scale(doubled) / on.scale(less)
                doubled = on.add(doubled, times_number(on, on.drop(less, lowest), -1.0, ratio))
            self._made[j] = on.rescale(doubled) if c else on.rescale_and_add(doubled, -1.0)
        return self._made[j]


def _sum_blocks(form: Blocks, powers: _Powers[V], c: Floats, budget: int, at: tuple[int, float]) -> V:
    """Σ cⱼTⱼ for a result at level `at[0]`, before its rescale: a level above, at scale `at[1]`."""
    on, (level, scale) = powers.on, at
    degree = len(c) - 1
    g = form.split(degree, budget)
    if not g:
        return _sum_terms(powers, c, level + 1, scale)
    quotient, remainder = _divide(c, g)
    power = on.drop(powers[g], level + 1)
    if len(quotient) == 1:
        product = times_number(on, power, float(quotient[0]), scale / on.scale(power))
    else:
        inner_scale = scale / on.scale(power)
        inner = _sum_blocks(form, powers, quotient, budget - 1, (level + 1, inner_scale * on.primes[level + 2]))
        inner = on.read(on.rescale(on.relinearise(inner)), inner_scale)
        product = multiply_alike(on, inner, power)
    if not np.any(remainder):
        return product
    if not np.any(remainder[1:]):
        return on.plus(product, float(remainder[0]))
    return on.add(product, _sum_blocks(form, powers, _trim(remainder), budget, at))


def _sum_terms(powers: _Powers[V], c: Floats, level: int, scale: float) -> V:
    """Σ cⱼTⱼ of powers that are there, at a level and scale, not rescaled."""
    on, total = powers.on, None
    for j in range(len(c) - 1, 0, -1):
        if c[j]:
            power = on.drop(powers[j], level)
            term = times_number(on, power, float(c[j]), scale / on.scale(power))
            total = term if total is None else on.add(total, term)
    if total is None:
        raise UnsupportedOperation("a constant polynomial on ciphertexts", "Add the constant to what follows.")
    return on.plus(total, float(c[0])) if c[0] else total


def _divide(c: Floats, g: int) -> tuple[Floats, Floats]:
    """q and r with Σ cⱼTⱼ = q·T_g + r, by T_(g+i) = 2·T_g·Tᵢ - T_(g-i)."""
    quotient = c[g:].copy()
    quotient[1:] *= 2
    remainder = c[:g].copy()
    for i in range(1, len(quotient)):
        remainder[g - i] -= c[g + i]
    return quotient, remainder


def _trim(c: Floats) -> Floats:
    """Coefficients without the zeros at the end."""
    return c[: np.flatnonzero(c)[-1] + 1]
