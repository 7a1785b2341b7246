"""A hair beyond a domain counts as inside, wherever domains and values are compared."""

import warnings

import numpy as np
import pytest

import fhenn
from fhenn.approx.domains import holds, tolerated
from fhenn.errors import RangeWarning

HAIR = 8e-6 * 0.9  # of [-4, 4], whose millionth is 8e-6


def test_a_millionth_of_the_width_is_tolerated():
    assert tolerated((-4.0, 4.0)) == (-4.000008, 4.000008)
    assert holds((-4.0, 4.0), -4.0 - HAIR, 4.0 + HAIR)
    assert not holds((-4.0, 4.0), -4.0 - 2 * HAIR, 4.0)
    assert not holds((-4.0, 4.0), -4.0, 4.0 + 2 * HAIR)


def test_the_guard_takes_a_hair_and_no_more():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fhenn.Sigmoid()(np.array([4.0 + HAIR]))
    with pytest.warns(RangeWarning):
        fhenn.Sigmoid()(np.array([4.0 + 2 * HAIR]))


@pytest.mark.parametrize("node", [fhenn.Sigmoid, fhenn.SignReLU], ids=lambda node: node.__name__)
def test_inputs_that_just_fill_a_domain_certify(node):
    model = fhenn.Sequential([fhenn.Linear([[1.0, 1.0, 1.0, 1.0]]), node()])
    certificate = fhenn.certify(model, [-1.0, 1.0])
    (activation,) = certificate.activations
    assert max(-activation.low, activation.high) > 4.0  # the float rounding that is meant
    assert activation.inside
    assert certificate.valid
    x = np.linspace(activation.low, activation.high, 10_001)
    assert np.abs(model.nodes[1].infer(x) - model.nodes[1].exact(x)).max() <= activation.sup_error < 0.2
    assert not fhenn.certify(model, [-1.00001, 1.00001]).activations[0].inside
