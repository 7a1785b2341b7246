import numpy as np
import pytest

import fhenn
from fhenn.errors import NonFiniteValue, ShapeMismatch, UnsupportedNode
from fhenn.interop import fold
from fhenn.nn import Affine, Dense, Scaling, Sparse

rng = np.random.default_rng(0)


def maps():
    return [
        Affine(Scaling(rng.normal(size=4)), rng.normal(size=4)),
        Affine(Scaling(rng.normal(size=4)), 0.5),
        Affine(Dense(rng.normal(size=(3, 4))), rng.normal(size=3)),
        Affine(Scaling(rng.normal(size=3))),
        Affine(Dense(rng.normal(size=(2, 3))), rng.normal(size=2)),
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
    (folded,) = fold(chain)
    assert type(folded) is fhenn.Linear
    np.testing.assert_allclose(folded.infer(x), expected, rtol=0, atol=1e-12)


def test_neighbours_become_one_linear():
    parts = maps()
    nodes = fold([*parts, fhenn.Sigmoid(), fhenn.Sequential([fhenn.Linear(np.ones((5, 2)))])])
    assert [node.name for node in nodes] == ["Linear", "Sigmoid", "Linear"]
    x = rng.normal(size=(3, 4))
    expected = x
    for part in parts:
        expected = part(expected)
    np.testing.assert_allclose(nodes[0].infer(x), expected, atol=1e-12)


def test_a_linear_alone_stays_the_same_object():
    linear, activation = fhenn.Linear([[1.0]]), fhenn.Square()
    assert fold([linear, activation]) == [linear, activation]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeMismatch, match=r"\(outputs, 3\)"):
        fold([Affine(Dense(np.ones((3, 2)))), Affine(Scaling(np.ones(2)))])
    with pytest.raises(NonFiniteValue):
        fold([Affine(Scaling([1e200])), Affine(Scaling([1e200]))])
    with pytest.raises(UnsupportedNode):
        fold([1.0])


def test_a_scaling_becomes_linear_and_what_is_sparse_stays_so():
    sparse = Affine(Sparse([0], [1], [2.0], (1, 2)))
    (scaling,), (alone,) = fold([Affine(Scaling([2.0]))]), fold([sparse])
    assert (type(scaling), alone) == (fhenn.Linear, sparse)
    (folded,) = fold([Affine(Scaling([3.0, 5.0])), sparse])
    assert (type(folded.operator), folded.operator.dense().tolist()) == (Sparse, [[0.0, 10.0]])
