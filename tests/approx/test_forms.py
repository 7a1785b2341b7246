"""The forms as arithmetic: they are the polynomial, at the depth and with the products that they promise."""

import re
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mostly_thorough

from fhenn.approx import GELU, RELU, SIGMOID, SOFTPLUS, TANH, Polynomial, forms, minimax
from fhenn.approx.forms import Affine, Blocks, Factored, blocks_products, form_of
from fhenn.ckks.circuits import evaluate
from fhenn.ckks.outlook import Follower

BOUNDLESS = 2.0**400


def traced(polynomial, points=None):
    """The trace of an evaluation, and its result."""
    trace = Follower((BOUNDLESS, *[2.0**40] * polynomial.depth), 0, points)
    low, high = polynomial.domain
    return trace, evaluate(polynomial, trace.fresh(2.0**42 / (high - low)), trace)


def paterson_stockmeyer(degree):
    """Products at the least depth, without symmetry, over all sizes of baby steps."""
    budget = ceil(log2(degree + 1))
    return min(blocks_products(degree, budget, 2**size - 1, odd=False) for size in range(1, budget + 1))


def assert_is(polynomial, tolerance):
    low, high = polynomial.domain
    points = np.linspace(low, high, 301)
    trace, result = traced(polynomial, points)
    size = max(np.abs(polynomial(points)).max(), 1.0)
    np.testing.assert_allclose(result.values, polynomial(points), atol=tolerance * size)
    assert len(trace.primes) - 1 - result.level == polynomial.depth


def made(trace):
    """How many products and relinearisations a trace counted, at all levels."""
    return tuple(
        sum(count for (kind, _), count in trace.counts.items() if kind == name)
        for name in ("product", "relinearisation")
    )


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("function", "domain"),
    mostly_thorough(
        [(SIGMOID, (-8, 8)), (SIGMOID, (-2, 6)), (TANH, (-16, 16)), (RELU, (-4, 4)), (GELU, (-8, 8))], (1, 3)
    ),
    ids=str,
)
def test_every_degree_is_the_polynomial_at_its_depth(function, domain):
    for degree in (*range(1, 25), 31, 32, 33, 47, 62, 63):
        polynomial = minimax(function, degree, domain)
        assert_is(polynomial, 1e-11)
        assert polynomial.depth <= ceil(log2(polynomial.degree + 1))
        if polynomial.degree > 1:
            trace, _ = traced(polynomial)
            products, relinearisations = made(trace)
            assert products == form_of(polynomial).products
            assert products <= paterson_stockmeyer(polynomial.degree)
            assert relinearisations <= products


@pytest.mark.thorough
@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(-10, 10).map(lambda c: round(c, 3)), min_size=2, max_size=12),
    st.sampled_from([(-1.0, 1.0), (-4.0, 4.0), (0.0, 3.0), (-1.0, 9.0)]),
)
def test_any_coefficients_in_either_basis(coefficients, domain):
    if not any(coefficients[1:]):
        return
    for basis in ("monomial", "chebyshev"):
        assert_is(Polynomial(tuple(coefficients), domain, basis), 1e-9)


@pytest.mark.parametrize(
    ("coefficients", "depth", "products"),
    [
        ((3.0, 0.3), 0, 0),  # an affine map
        ((0, 0, 0.3), 1, 1),
        ((1, 2, 3), 1, 1),  # any quadratic
        ((0.5, 0.197, 0, -0.004), 2, 2),
        ((1, 1, 1, 1), 2, 2),
        ((0, 0, 0, 0, 0.001), 2, 2),
        ((1, 2, 3, 4, 5), 2, 2),  # any quartic
        ((0, 0, 0, 0, 0, 0, 0, 0, 2), 3, 3),
        ((0, 1, 0, 0, 0, 0, 0, 0, 2), 3, 3),
        ((0,) * 16 + (1e-6,), 4, 5),
        ((0, 0, 0, 0, 0, 1), 3, 3),
        ((0, 0, 0, 1, 0, 1, 0, 1), 3, 4),
    ],
)
def test_a_free_constant_saves_a_level(coefficients, depth, products):
    polynomial = Polynomial(coefficients, (-4, 4))
    trace, _ = traced(polynomial)
    assert (polynomial.depth, made(trace)[0]) == (depth, products)


def test_an_affine_map_of_any_domain():
    assert form_of(Polynomial((1.0, 2.0), (3, 7))) == Affine(2.0, 1.0)
    assert form_of(Polynomial((5.0,), (3, 7))) == Affine(0.0, 5.0)


def test_wide_domains_take_blocks_rather_than_magnify_rounding():
    assert isinstance(form_of(minimax(SIGMOID, 15, (-8, 8))), Factored)
    assert isinstance(form_of(minimax(SIGMOID, 15, (-16, 16))), Blocks)
    # its factors would be as large as 10^10
    assert isinstance(form_of(Polynomial((0, 1.0, 0, 0, 0, 1e-14, 0, 1e-14), (-1, 1), "chebyshev")), Blocks)


def test_what_float64_does_not_see_costs_nothing():
    assert form_of(Polynomial((0.5, 1.0, 0, 0, 0, 1e-17), (-1, 1), "chebyshev")) == Affine(1.0, 0.5)


CELLS = r"^\| +(\d+) \| +(\d+) \| +(\d+) \| +(\d+) \((\d+)\) \| +(\d+) \| +(\d+) \((\d+)\) \|$"


def test_the_table_is_what_the_circuits_do():
    rows = re.findall(CELLS, forms.__doc__, re.M)
    assert len(rows) == 21
    for row in rows:
        degree, depth, reference, products, relinearised, depth_, products_, relinearised_ = map(int, row)
        symmetric = minimax(SIGMOID, degree, (-6, 6)) if degree % 2 else minimax(SOFTPLUS, degree, (-6, 6))
        for polynomial, stated in (
            (symmetric, (depth, products, relinearised)),
            (minimax(SIGMOID, degree, (-3, 9)), (depth_, products_, relinearised_)),
        ):
            assert polynomial.degree == degree
            assert (polynomial.depth, *made(traced(polynomial)[0])) == stated
        assert products <= reference == paterson_stockmeyer(degree)
        assert degree < 5 or products < reference
