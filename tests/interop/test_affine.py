import numpy as np
import pytest

import fhenn
from fhenn.errors import NonFiniteValue, ShapeMismatch
from fhenn.interop import Affine, merged

rng = np.random.default_rng(0)


def maps():
    return [
        Affine.of(rng.normal(size=4), rng.normal(size=4)),
        Affine.of(rng.normal(size=4), 0.5),
        Affine.of(rng.normal(size=(3, 4)), rng.normal(size=3)),
        Affine.of(rng.normal(size=3)),
        Affine.of(rng.normal(size=(2, 3)), rng.normal(size=2)),
    ]


@pytest.mark.parametrize("first", range(5))
def test_maps_one_after_another_are_one(first):
    """Every pair of kinds, and all of them."""
    chain = maps()[first:]
    x = rng.normal(size=(7, chain[0].inputs))
    expected, whole = x, None
    for step in chain:
        expected = step(expected)
        whole = step if whole is None else whole.then(step)
        np.testing.assert_allclose(whole(x), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(whole.node().infer(x), expected, rtol=0, atol=1e-12)


def test_neighbours_become_one_linear():
    parts = maps()
    nodes = merged([*parts, fhenn.Sigmoid(), fhenn.Sequential([fhenn.Linear(np.ones((5, 2)))])])
    assert [node.name for node in nodes] == ["Linear", "Sigmoid", "Linear"]
    x = rng.normal(size=(3, 4))
    expected = x
    for part in parts:
        expected = part(expected)
    np.testing.assert_allclose(nodes[0].infer(x), expected, atol=1e-12)


def test_a_linear_alone_stays_the_same_object():
    linear, activation = fhenn.Linear([[1.0]]), fhenn.Square()
    assert merged([linear, activation]) == [linear, activation]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeMismatch, match="3 inputs"):
        Affine.of(np.ones((3, 2))).then(Affine.of(np.ones(2)))
    for weight, bias in ((1.0, None), (np.ones((0, 2)), None), (np.ones((1, 1, 1)), None), (np.ones(2), np.ones(3))):
        with pytest.raises(ShapeMismatch):
            Affine.of(weight, bias)
    with pytest.raises(NonFiniteValue):
        Affine.of([1.0, np.nan]).node()
