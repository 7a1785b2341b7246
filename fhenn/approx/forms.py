"""How a polynomial is put together on ciphertexts: the least depth first, then the fewest products. Arithmetic only.

All in t, the affine map of the domain to [-1, 1], which a ciphertext is read as for free. Three forms:

- `Affine`: at + b, no level at all: reading x at scale s/a *is* ax.
- `Factored`: k·[t]·[(y - r)]·Π (y² + bᵢy + cᵢ) [+ at] + o, y = t or t². The leading coefficient k is free, so that a
  degree of 2ⁿ takes n levels and not n + 1; a quadratic factor costs no product of ciphertexts beyond the y² that all
  share. Every polynomial is of this form by its roots (for odd and even ones those of p(√y)); it is used up to degree
  20, where no factor is so small beside the others that rounding is magnified.
- `Blocks`: Paterson & Stockmeyer (1973) in the Chebyshev basis, p = q·T_g + r with g a power of 2, again and again,
  until what is left is a sum of the Tⱼ that are there; the quotient's depth is one less than the remainder's, so the
  leading block is split further (Bossuat, Mouchet, Troncoso-Pastoriza & Hubaux, "Efficient bootstrapping for
  approximate homomorphic encryption with non-sparse keys", 2021, algorithm 1). A remainder joins its product before
  the relinearisation and the rescale that it shares. Odd polynomials need odd Tⱼ only, even ones are of T₂.

Depth is at most ceil(log2(degree + 1)). Products of ciphertexts, squares included, and relinearisations (in brackets),
for polynomials that stand for σ or softplus on [-6, 6] (odd, and even but for x/2) and for σ on [-3, 9], beside the
products of Paterson & Stockmeyer's method at depth ceil(log2(degree + 1)) (`Blocks` without symmetry):

| degree | depth | Paterson-Stockmeyer | odd or even | depth | neither |
| -----: | ----: | ------------------: | ----------: | ----: | ------: |
|      1 |     0 |                   0 |       0 (0) |     0 |   0 (0) |
|      2 |     1 |                   1 |       1 (1) |     1 |   1 (1) |
|      3 |     2 |                   2 |       2 (2) |     2 |   2 (2) |
|      4 |     2 |                   3 |       2 (2) |     2 |   2 (2) |
|      5 |     3 |                   4 |       3 (3) |     3 |   3 (3) |
|      6 |     3 |                   4 |       3 (3) |     3 |   3 (3) |
|      7 |     3 |                   5 |       4 (4) |     3 |   4 (4) |
|      8 |     3 |                   5 |       3 (3) |     3 |   4 (4) |
|      9 |     4 |                   6 |       4 (4) |     4 |   5 (5) |
|     11 |     4 |                   6 |       5 (5) |     4 |   6 (5) |
|     13 |     4 |                   7 |       5 (5) |     4 |   7 (6) |
|     15 |     4 |                   8 |       6 (6) |     4 |   8 (7) |
|     16 |     4 |                   8 |       5 (5) |     5 |   8 (7) |
|     17 |     5 |                   9 |       6 (6) |     5 |   9 (7) |
|     19 |     5 |                   9 |       7 (7) |     5 |   9 (7) |
|     23 |     5 |                  10 |       9 (8) |     5 |  10 (8) |
|     27 |     5 |                  11 |      10 (9) |     5 |  11 (8) |
|     31 |     5 |                  13 |     12 (11) |     5 | 13 (10) |
|     32 |     6 |                  12 |       9 (8) |     6 | 12 (11) |
|     47 |     6 |                  14 |     13 (11) |     6 | 14 (12) |
|     63 |     6 |                  18 |     17 (14) |     6 | 18 (15) |

A test holds the table against the circuits. Where factors would magnify rounding, as on wider domains, a polynomial
takes blocks instead: on [-16, 16] from degree 11 on, with as many products as Paterson & Stockmeyer's to degree 19.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import ceil, inf, log2, prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.basis import chebyshev_to_monomial

if TYPE_CHECKING:
    from fhenn.approx.polynomial import Polynomial

Floats = NDArray[np.float64]

_LARGEST_FACTORED = 20
_LARGEST_FACTOR = 64.0
"""What a factor may be in size: the bits above 1 are lost to the modulus."""

_MOST_AMPLIFIED = 24.0
"""By how much a unit of rounding in every factor may move the result; the cubic's own is 1 to 3."""

DUST = 2.0**-53
"""Of the largest coefficient of a series: what is smaller does not show beside it in double precision."""


@dataclass(frozen=True)
class Affine:
    """slope·x + offset. No product, no level."""

    slope: float
    offset: float

    depth = 0


@dataclass(frozen=True)
class Factored:
    """k·[t]·[(y - line)]·Π (y² + by + c) + tilt·t + offset, for t = (x - middle)/half.

    middle, half: centre and half width of the domain.
    k: the leading coefficient.
    odd: whether t itself is a factor.
    squared: whether y is t², else t.
    line: the root of the factor y - line, None where there is no such factor.
    quads: the pairs (b, c), in the order in which they are multiplied.
    tilt, offset: of the part that is added to the product.
    """

    middle: float
    half: float
    k: float
    odd: bool
    squared: bool
    line: float | None
    quads: tuple[tuple[float, float], ...]
    tilt: float
    offset: float

    @property
    def depth(self) -> int:
        """Levels consumed."""
        return max(depth for depth, _ in product_order(list(self.depths)))

    @property
    def depths(self) -> Iterator[int]:
        """Levels that each factor takes: the leading one first, then the quadratic ones."""
        of_y = int(self.squared)
        if self.odd:
            yield 0 if self.line is None else 2
        elif self.line is not None:
            yield of_y
        yield from (of_y + 1 for _ in self.quads)

    @property
    def products(self) -> int:
        """Products of ciphertexts."""
        factors = len(list(self.depths))
        return int(self.squared) + int(bool(self.quads)) + int(self.odd and self.line is not None) + factors - 1

    @property
    def adjustable(self) -> bool:
        """Whether t is a factor with a level to spare, so that the result may land on any scale."""
        return self.odd or (self.line is not None and not self.squared and bool(self.quads))


@dataclass(frozen=True)
class Blocks:
    """Σ cⱼTⱼ(y) + tilt·t, for t = (x - middle)/half and y = t, or T₂(t) if `squared`.

    middle, half: centre and half width of the domain.
    coefficients: the cⱼ, from the constant up.
    squared: whether y is T₂(t), else t.
    baby: the largest j of the Tⱼ in a sum.
    depth: levels consumed.
    tilt: of the part that is added to the sum.
    """

    middle: float
    half: float
    coefficients: tuple[float, ...]
    squared: bool
    baby: int
    depth: int
    tilt: float

    @property
    def products(self) -> int:
        """Products of ciphertexts."""
        odd = not any(self.coefficients[2::2])
        budget = self.depth - int(self.squared)
        return int(blocks_products(len(self.coefficients) - 1, budget, self.baby, odd)) + int(self.squared)

    def split(self, degree: int, budget: int) -> int:
        """The g of the T_g by which a polynomial in y is divided, or 0 where it is a plain sum.

        degree: of the polynomial, in y.
        budget: levels that it may consume.
        """
        return _split(degree, budget, self.baby)


Form = Affine | Factored | Blocks


@lru_cache(maxsize=256)
def form_of(polynomial: Polynomial) -> Form:
    """The form in which a polynomial is evaluated on ciphertexts."""
    series = _without_dust(polynomial.to_chebyshev().coefficients)
    low, high = polynomial.domain
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    if len(series) <= 2:
        slope = series[1] / half if len(series) == 2 else 0.0
        return Affine(slope, series[0] - slope * middle)
    factored = _factored(series, middle, half) if len(series) <= _LARGEST_FACTORED + 1 else None
    blocks = _blocks(series, middle, half)
    if factored is None or (factored.depth, factored.products) > (blocks.depth, blocks.products):
        return blocks
    # a tie: sums share relinearisations, which pays where there are several
    tied = (factored.depth, factored.products) == (blocks.depth, blocks.products)
    return blocks if tied and factored.products > 4 else factored


def _without_dust(series: Sequence[float]) -> tuple[float, ...]:
    """Coefficients of which float64 would not see what is set to 0: |Tⱼ| <= 1."""
    dust = DUST * max(abs(c) for c in series)
    clean = [0.0 if abs(c) <= dust else c for c in series]
    while len(clean) > 1 and clean[-1] == 0.0:
        clean.pop()
    return tuple(clean)


def _parts(series: Sequence[float]) -> tuple[bool, bool, float]:
    """Whether a series but for its constant is odd, or even but for a tilt·t, and that tilt."""
    odd, even = not any(series[2::2]), not any(series[3::2])
    return odd, even and not odd, series[1] if even and not odd else 0.0


def product_order(depths: list[int]) -> list[tuple[int, tuple[int, int]]]:
    """The order in which factors are multiplied: the two shallowest first.

    depths: levels that each factor takes, of shape (factors,).

    Returns a pair for each product: its depth, and the places of its two factors. A product joins the end of the list
    of factors. One factor alone is (its depth, (0, 0)).
    """
    if len(depths) == 1:
        return [(depths[0], (0, 0))]
    depths, alive, steps = list(depths), list(range(len(depths))), []
    while len(alive) > 1:
        left, right = sorted(alive, key=lambda place: (depths[place], place))[:2]
        depths.append(max(depths[left], depths[right]) + 1)
        alive = [place for place in alive if place not in (left, right)] + [len(depths) - 1]
        steps.append((depths[-1], (left, right)))
    return steps


def _factored(series: Sequence[float], middle: float, half: float) -> Factored | None:
    """The polynomial by its roots, None where that would magnify rounding."""
    odd, squared, tilt = _parts(series)
    powers = np.array(chebyshev_to_monomial(series, (-1.0, 1.0)))
    if odd:
        inner, offsets = powers[1::2], [powers[0]]
    else:
        inner = powers[::2] if squared else powers
        reach = float(np.abs(series).sum())
        offsets = [0.0, float(powers[0]), -reach, reach]
    best, least = None, _MOST_AMPLIFIED
    for offset in offsets:
        shifted = inner.copy()
        if not odd:
            shifted[0] -= offset
        line, quads = _roots(shifted)
        for order in permutations(quads) if len(quads) <= 5 else (quads,):
            k = float(inner[-1])
            form = Factored(middle, half, k, odd, squared or odd, line, tuple(order), tilt, float(offset))
            if len(form.quads) == 0 and line is None and odd:
                return None
            amplification = _amplification(form, series)
            if amplification < least * (1 - 1e-9):
                best, least = form, amplification
    return best


def _roots(powers: Floats) -> tuple[float | None, list[tuple[float, float]]]:
    """The real root that is left over, if any, and the quadratic factors (b, c) of a polynomial in y."""
    roots = np.roots(powers[::-1])
    # np.roots drops zeros at the end: they are roots at 0
    roots = np.concatenate([roots, np.zeros(len(powers) - 1 - len(roots))])
    upper = [root for root in roots if root.imag > 0]
    real = sorted((root.real for root in roots if root.imag == 0), key=abs)
    quads = [(-2 * root.real, abs(root) ** 2) for root in upper]
    line = real.pop(0) if len(real) % 2 else None
    quads += [(-(a + b), a * b) for a, b in zip(real[::2], real[1::2], strict=True)]
    return (None if line is None else float(line)), [(float(b), float(c)) for b, c in quads]


def _amplification(form: Factored, series: Sequence[float]) -> float:
    """By how much rounding in the factors and their products moves the result at worst: Σ |∂p/∂factor|.

    inf where a factor is too large, or where the form does not evaluate to the polynomial at all.
    """
    t = np.linspace(-1, 1, 402)
    y = t * t if form.squared else t
    factors = []
    if form.odd:
        factors.append(t if form.line is None else t * (y - form.line))
    elif form.line is not None:
        factors.append(y - form.line)
    factors += [y * y + b * y + c for b, c in form.quads]
    sizes = [float(np.abs(factor).max()) for factor in factors]
    if max(*sizes, abs(form.tilt / form.k)) > _LARGEST_FACTOR:
        return inf
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        whole = form.k * prod(factors)
        nodes = list(factors)
        for _, (left, right) in product_order(list(form.depths)):
            nodes.append(nodes[left] * nodes[right] if left != right else nodes[left])
        sensitivity = sum(np.where(node == 0, 0.0, np.abs(whole / node)) for node in nodes[:-1])
        exact = np.polynomial.chebyshev.chebval(t, series)
        lost = np.abs(whole + form.tilt * t + form.offset - exact).max()
    size = float(np.abs(series).sum())
    worst = float(np.max(sensitivity, initial=0.0)) / max(size, 1.0)
    return worst if np.isfinite(worst) and lost <= 1e-12 * size else inf


def _blocks(series: Sequence[float], middle: float, half: float) -> Blocks:
    """The split with the fewest products at the least depth."""
    odd, squared, tilt = _parts(series)
    inner = tuple(series[::2]) if squared else tuple(series)
    degree = len(inner) - 1
    budget = ceil(log2(degree + 1))
    sizes = [2**n - 1 for n in range(1, budget + 1)]
    baby = min(sizes, key=lambda baby: blocks_products(degree, budget, baby, odd))
    return Blocks(middle, half, inner, squared, baby, budget + int(squared), tilt)


@lru_cache(maxsize=4096)
def _split(degree: int, budget: int, baby: int) -> int:
    """0 where a sum of Tⱼ with j <= baby will do, the largest power of 2 not above the degree otherwise."""
    if degree <= 0 or (degree <= baby and ceil(log2(degree)) + 1 <= budget):
        return 0
    return 1 << (degree.bit_length() - 1)


def blocks_products(degree: int, budget: int, baby: int, odd: bool) -> float:
    """Products of ciphertexts that `Blocks` takes; inf where the budget is too small.

    degree: of the polynomial, in y.
    budget: levels that it may consume.
    baby: the largest j of the Tⱼ in a sum.
    odd: whether the polynomial is odd in y.
    """
    used: set[int] = set()

    def visit(degree: int, budget: int) -> float:
        g = _split(degree, budget, baby)
        if not g:
            used.update(range(1, degree + 1, 2 if odd else 1))
            return 0
        if ceil(log2(g)) + 1 > budget:
            return inf
        used.add(g)
        product = 1 if degree > g else 0
        return product + visit(degree - g, budget - 1) + visit(g - 1, budget)

    return visit(degree, budget) + len(needed_powers(used) - {1})


def needed_powers(used: set[int]) -> set[int]:
    """The j of all Tⱼ that must be computed to have those in `used`: T_(g+i) = 2·T_g·Tᵢ - T_(g-i), g a power of 2."""
    needed, todo = set(), set(used) | {1}
    while todo:
        j = todo.pop()
        needed.add(j)
        todo |= {part for part in parts_of(j) if part} - needed
    return needed


def parts_of(j: int) -> tuple[int, int, int]:
    """(a, b, c) with Tⱼ = 2·T_a·T_b - T_c; zeros for j = 1."""
    if j == 1:
        return (0, 0, 0)
    if j & (j - 1) == 0:
        return (j // 2, j // 2, 0)
    g = 1 << (j.bit_length() - 1)
    return (g, j - g, 2 * g - j)
