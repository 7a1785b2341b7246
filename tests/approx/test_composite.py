import numpy as np
import pytest

from fhenn.approx import RELU, SIGN, Composite, Polynomial, composite_sign
from fhenn.errors import AccuracyUnreached, ParameterError


def on_union(epsilon):
    x = np.concatenate([np.linspace(epsilon, 1, 10_001), np.geomspace(epsilon, 1, 10_001)])
    return np.concatenate([-x, x])


CASES = [((7, 7), 2**-4), ((7, 7, 13), 2**-6), ((3,) * 5, 0.1), ((63,), 0.05), ((13, 31, 63), 0.1), ((7,) * 7, 2**-6),
         ((3,), 0.9), ((5, 3), 0.999)]  # fmt: skip


@pytest.mark.parametrize(("degrees", "epsilon"), CASES)
def test_error_is_located(degrees, epsilon):
    composite = composite_sign(-1, epsilon, degrees)
    x = on_union(epsilon)
    sampled = np.abs(composite(x) - np.sign(x)).max()
    assert sampled <= composite.sup_error() + 1e-15 * 50
    assert composite.sup_error() <= sampled * (1 + 1e-3) + 1e-14


@pytest.mark.parametrize(("degrees", "epsilon"), CASES)
def test_stages(degrees, epsilon):
    composite = composite_sign(-1, epsilon, degrees)
    x = np.concatenate([np.linspace(-1, 1, 2001), on_union(epsilon)])
    for stage, degree in zip(composite.stages, degrees, strict=True):
        assert (stage.degree, stage.symmetry, stage.basis, stage.function) == (degree, "odd", "chebyshev", SIGN)
        assert stage.coefficients[0] == 0
        # the domain is what the inputs fill
        assert np.abs(x).max() == pytest.approx(stage.domain[1], rel=1e-4)
        assert np.abs(x).max() <= stage.domain[1] * (1 + 1e-14)
        x = stage(x)
    assert composite.depth == sum(int(np.ceil(np.log2(degree + 1))) for degree in degrees)
    np.testing.assert_array_equal(composite(-x), -composite(x))


def test_first_stage_equioscillates():
    """The best odd polynomial of degree 2m - 1 errs equally, with alternating sign, m + 1 times on [ε, 1]."""
    stage = composite_sign(-1, 0.1, (9,)).stages[0]
    x = np.geomspace(0.1, 1, 200_001)
    error = stage(x) - 1
    runs = np.split(error, np.flatnonzero(np.diff(np.sign(error))) + 1)
    sizes = [np.abs(run).max() for run in runs]
    assert len(sizes) == 6
    assert max(sizes) / min(sizes) == pytest.approx(1, abs=1e-6)


def test_narrow_intervals_tend_to_the_flat_polynomial():
    """f₁ = (3x - x³)/2 and f₃ of Cheon, Kim & Kim 2020 are the limits about 1; the second is past float64's minimax."""
    cubic = composite_sign(0, 1 - 1e-6, (3,)).stages[0].to_monomial()
    np.testing.assert_allclose(cubic.coefficients, (0, 1.5, 0, -0.5), atol=1e-5)
    seventh = composite_sign(0, 1 - 1e-6, (7,)).stages[0].to_monomial()
    np.testing.assert_allclose(seventh.coefficients, np.array([0, 35, 0, -35, 0, 21, 0, -5]) / 16, atol=1e-13)


@pytest.mark.parametrize(("alpha", "degrees", "epsilon"), [(7, (7, 7), 2**-3.5), (10, (7, 7, 13), 2**-6.25),
                                                           (13, (15, 15, 27), 2**-9.0)])  # fmt: skip
def test_relu_to_the_precision_that_the_literature_prints(alpha, degrees, epsilon):
    """These degrees give ReLU on [-1, 1], as (x + x·sign(x))/2, to 2^-alpha (Lee et al. 2021, arXiv:2105.10879)."""
    sign = composite_sign(-1, epsilon, degrees)
    x = np.concatenate([np.linspace(-1, 1, 100_001), np.geomspace(1e-6, 1, 100_001)])
    assert np.abs((x + x * sign(x)) / 2 - RELU.value(x)).max() <= 2.0**-alpha
    assert np.abs((x + x * sign(x)) / 2 - RELU.value(x)).max() > 2.0 ** -(alpha + 0.5)


def test_slope_is_the_chain_rule():
    composite = composite_sign(4, 2**-4, (7, 7))
    x, h = np.linspace(-1, 1, 501), 1e-6
    np.testing.assert_allclose(composite.slope(x), (composite(x + h) - composite(x - h)) / (2 * h), atol=1e-6)
    assert composite.slope(np.float32([0.5])).dtype == np.float32
    assert composite(np.float32([0.5])).dtype == np.float32
    assert composite.slope([[0.5, 1]]).shape == composite([[0.5, 1]]).shape == (1, 2)


def test_huge_inputs_do_not_warn():
    composite = composite_sign(4, 2**-4, (7, 7))
    for function in (composite, composite.slope):
        assert not np.isfinite(function([1e200, -np.inf, np.nan])).any()


def test_accuracy_that_the_degrees_do_not_reach():
    assert composite_sign(4.5, 2**-4, (7, 7)).sup_error() <= 2**-4.5
    with pytest.raises(AccuracyUnreached) as caught:
        composite_sign(5, 2**-4, (7, 7))
    assert caught.value.accuracy == 2**-5
    assert caught.value.best == composite_sign(4.5, 2**-4, (7, 7)).sup_error()
    with pytest.raises(AccuracyUnreached):
        composite_sign(np.nan, 2**-4, (7, 7))


@pytest.mark.parametrize("degrees", [(), (2,), (7, 8), (1,), (65,), (7.0,), (-3,)])
def test_refuses_degrees(degrees):
    with pytest.raises(ParameterError):
        composite_sign(1, 0.1, degrees)


@pytest.mark.parametrize("epsilon", [0, 1, -0.1, 2, np.nan])
def test_refuses_epsilons(epsilon):
    with pytest.raises(ParameterError, match="epsilon"):
        composite_sign(1, epsilon, (7,))
    with pytest.raises(ParameterError, match="epsilon"):
        Composite((Polynomial((0, 1), (-1, 1)),), epsilon)


@pytest.mark.parametrize("stages", [(), (Polynomial((0, 1, 1), (-1, 1)),), (Polynomial((0.5, 1), (-1, 1)),)])
def test_refuses_stages(stages):
    with pytest.raises(ParameterError, match="odd"):
        Composite(stages, 0.1)
