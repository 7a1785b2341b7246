"""Fits on the distribution of data: close where values are, and safe where they are not.

A minimax polynomial spends its degree on the whole domain alike. What reaches a node crowds about the middle, and an
error there counts for many samples: so the square of the error is weighted by the density of the values, as a smooth
estimate (a Gaussian kernel, with the width of Silverman 1986, "Density estimation for statistics and data analysis"),
plus a share of a uniform weight, which holds the tails that samples did not reach.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.extrema import Array, points
from fhenn.approx.fits import (
    MAX_DEGREE,
    Domain,
    assemble,
    chebyshev_matrix,
    exponents,
    fit_target,
    minimax,
    refuse_jumps,
    require_degree,
    symmetric,
)
from fhenn.approx.function import Function
from fhenn.approx.numbers import floating
from fhenn.approx.polynomial import Polynomial, interval_image, require_domain
from fhenn.errors import NonFiniteValue, ParameterError

TAIL = 0.25
"""|p - f| on the tails at most, as a share of how far the values of f on the domain are apart."""

_FLOORS = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Shares of the uniform weight, beside a density of 1 in all: the first that keeps the tails safe is taken."""

_SYMMETRY = 1.05
"""By how much a symmetric polynomial may err more than one that is not, which takes more products."""

_BINS = 512
_MOST = 1 << 18
"""Samples that `by_levels` estimates a density from; more say the same."""


def weighted(function: Function, degree: int, domain: Domain, samples: ArrayLike) -> Polynomial:
    """The polynomial of `degree` with the smallest mean squared error on what samples come from, tails kept.

    function: the function to approximate.
    degree: of the polynomial, 1 to 63.
    domain: the interval (low, high). What lies between the samples and its ends are the tails.
    samples: values of any shape, of which those inside the domain count.

    Returns the polynomial in the Chebyshev basis of the domain. On the tails it is off by `TAIL` of the function's
    spread on the domain at most and, for an odd function plus a constant, on the function's side of that constant.
    Where no weight reaches that at this degree it is the minimax polynomial, whose largest error is the least there is.
    Raises ParameterError as `minimax` does, and where no sample lies inside the domain; NonFiniteValue.

    >>> from fhenn.approx import RELU
    >>> values = np.random.default_rng(0).normal(size=1000)
    >>> by_data, by_worst = weighted(RELU, 8, (-5, 5), values), minimax(RELU, 8, (-5, 5))
    >>> [float(np.sqrt(np.mean((p(values) - RELU.value(values)) ** 2)).round(3)) for p in (by_data, by_worst)]
    [0.043, 0.06]
    """
    degree, domain = require_degree(degree), require_domain(domain)
    refuse_jumps(function, domain)
    values = floating(samples).astype(np.float64, copy=False).ravel()
    if not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise NonFiniteValue("a fit on data", count, "Leave those samples out.")
    values = values[(values >= domain[0]) & (values <= domain[1])]
    if not values.size:
        raise ParameterError(f"no sample lies in the domain {domain}.", "Give the samples of what comes to the node.")
    tails = _tails(domain, float(values.min()), float(values.max()))
    for floor, polynomial in zip(_FLOORS, _candidates(function, degree, domain, values), strict=True):
        if not _is_safe(polynomial, tails):
            continue
        if floor < 1:
            return polynomial
        break
    else:
        return minimax(function, degree, domain)
    # with so much weight everywhere the worst case can be closer, on the data too
    return min(polynomial, minimax(function, degree, domain), key=lambda p: rms_error(p, values))


def by_levels(function: Function, levels: int, domain: Domain, samples: ArrayLike) -> Polynomial:
    """The best polynomial on the distribution of samples that takes so many levels.

    function, samples: as for `weighted`.
    levels: 1 to 6.
    domain: where it shall be good. A function with a symmetry is fitted on the symmetric domain round it too, where it
    has twice the degree for its products; the better one of the two is returned.

    Raises what `weighted` does.

    >>> from fhenn.approx import RELU
    >>> values = np.random.default_rng(0).normal(size=1000)
    >>> [by_levels(RELU, levels, (-4, 5), values).depth for levels in (1, 2, 3, 4)]
    [1, 2, 3, 4]
    """
    values = floating(samples).astype(np.float64, copy=False).ravel()
    if values.size > _MOST:  # the extremes are where the tails begin
        values = np.concatenate([values[:: -(-values.size // _MOST)], [values.min(), values.max()]])
    found = [_deepest(function, levels, domain, values)]
    edge = max(-domain[0], domain[1])
    if function.symmetry != "none" and edge > 0 and not symmetric(function, domain):
        found.append(_deepest(function, levels, (-edge, edge), values))
    # symmetry saves products: it may err by a little more
    return min(found, key=lambda p: rms_error(p, values) * (1.0 if symmetric(function, p.domain) else _SYMMETRY))


def rms_error(polynomial: Polynomial, samples: ArrayLike) -> float:
    """The root of the mean square of p - f over samples; f is the polynomial's function. Raises ParameterError."""
    if polynomial.function is None:
        raise ParameterError(f"{polynomial!r} has no function to compare it with.", "Give it one.")
    values = floating(samples).astype(np.float64, copy=False)
    return float(np.sqrt(np.mean((polynomial(values) - polynomial.function.value(values)) ** 2)))


def _deepest(function: Function, levels: int, domain: Domain, values: NDArray[np.float64]) -> Polynomial:
    """The polynomial of the highest degree that takes no more levels."""
    degree = min(2**levels, MAX_DEGREE)
    while True:
        polynomial = weighted(function, degree, domain, values)
        if polynomial.depth <= levels or degree == 1:
            return polynomial
        degree -= 1


def _candidates(function: Function, degree: int, domain: Domain, values: NDArray[np.float64]) -> Iterator[Polynomial]:
    """Fits with more and more weight everywhere."""
    x, share = _quadrature(function, degree, domain)
    density = _density(values, domain, x)
    ks, target = exponents(function, degree, domain), fit_target(function, domain)(x)
    basis = chebyshev_matrix(ks, domain)(x)
    for floor in _FLOORS:
        root = np.sqrt(share * (density + floor / (domain[1] - domain[0])))
        solution = np.linalg.lstsq(root[:, None] * basis, root * target, rcond=None)[0]
        yield assemble(function, domain, ks, solution, degree)


def _quadrature(function: Function, degree: int, domain: Domain) -> tuple[Array, Array]:
    """Points and weights of an integral over the domain: Gauss's rule of 8 points between close breaks."""
    inside = [kink for kink in function.kinks if domain[0] < kink < domain[1]]
    even = np.linspace(*domain, 129)
    breaks = np.union1d(np.union1d(points(*domain, degree)[:: max(16, degree // 2)], even), inside)
    breaks = breaks[np.diff(breaks, prepend=-np.inf) > 1e-9 * (domain[1] - domain[0])]
    nodes, weights = legendre.leggauss(8)
    width = np.diff(breaks) / 2
    return (breaks[:-1, None] + width[:, None] * (1 + nodes)).ravel(), (width[:, None] * weights).ravel()


def _density(values: NDArray[np.float64], domain: Domain, x: Array) -> Array:
    """A smooth estimate of the density of values at points x, of integral 1."""
    counts, edges = np.histogram(values, _BINS, domain)
    width = float(edges[1] - edges[0])
    quarter, three = np.percentile(values, (25, 75))
    spread = min(float(values.std()), (three - quarter) / 1.34) or float(values.std())
    bandwidth = max(0.9 * spread * values.size**-0.2, width)
    reach = min(_BINS, int(np.ceil(4 * bandwidth / width)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * width / bandwidth) ** 2)
    smooth = np.convolve(counts, kernel / kernel.sum())[reach : reach + _BINS]
    return np.interp(x, (edges[:-1] + edges[1:]) / 2, smooth / (values.size * width))


def _tails(domain: Domain, least: float, most: float) -> list[Domain]:
    """The parts of a domain beyond the samples."""
    return [(low, high) for low, high in ((domain[0], least), (most, domain[1])) if low < high]


def _is_safe(polynomial: Polynomial, tails: list[Domain]) -> bool:
    """Whether the tails are as `weighted` says."""
    function = polynomial.function
    assert function is not None  # noqa: S101  (for the type checker)
    ends = np.asarray(function.value(np.linspace(*polynomial.domain, 257)))
    allowed = TAIL * float(ends.max() - ends.min())
    for low, high in tails:
        if polynomial.sup_error((low, high)) > allowed:
            return False
        if function.symmetry == "odd" and not low < 0 < high:
            exact = np.asarray(function.value(np.array([low, high]))) - function.centre
            side = float(np.sign(exact.sum()))
            if any(side * (end - function.centre) < 0 for end in interval_image(polynomial, low, high)):
                return False
    return True
