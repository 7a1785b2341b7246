"""Inputs that stand at several places: which copy each weight takes, and what follows for errors."""

import numpy as np
import pytest

from fhenn.ckks.bounds import Bounds
from fhenn.ckks.copies import of_copies
from fhenn.ckks.layout import FEATURES, Placement, Vectors
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.operator import Dense, Sparse
from fhenn.ckks.rotations import CHAINED
from fhenn.errors import UnsupportedOperation

rng = np.random.default_rng(0)
TWICE = Placement.of(np.array([[0, 1, 1, 0], [2, -1, 2, 2]]))


def test_each_weight_takes_one_copy_of_its_input():
    weight = rng.normal(size=(4, 3))
    operator, places = of_copies(Dense(weight), TWICE, Vectors("replicated", 4), 4)
    assert places.held.tolist() == [[0, 1, 2, 3], [4, -1, 5, 6]]
    features = np.array([0, 1, 1, 0, 2, 2, 2])
    for feature in range(3):
        mine = operator.dense()[:, features == feature]
        np.testing.assert_allclose(mine.sum(axis=1), weight[:, feature])
        assert (np.count_nonzero(mine, axis=1) == 1).all()


def test_few_diagonals_are_left():
    """Each output beside both of its inputs: one diagonal, where one place for each input makes three."""
    rows, columns = np.repeat(np.arange(4), 2), np.array([0, 1, 1, 2, 2, 3, 3, 0])
    operator = Sparse(rows, columns, np.ones(8), (4, 4))
    apart = Placement.of(np.array([[0, 1, 2, 3], [1, 2, 3, 0]]))
    copies, once = (
        AffineMap(operator, None, layout, 4, CHAINED, target=Placement.of(np.arange(4)[np.newaxis])).schedules[0]
        for layout in (apart, Vectors("replicated", 4))
    )
    assert copies.diagonals.shifts == ((0,), (0,))
    assert copies.count == 0
    assert once.diagonals.present == 2


def test_errors_of_copies_are_errors_of_inputs_of_their_own():
    operator = Dense([[1.0, 1.0], [1.0, 1.0]])
    layout = Placement.of(np.array([[0, 1], [1, 0]]))
    copies = AffineMap(operator, None, layout, 2, CHAINED)
    alone = AffineMap(operator, None, Vectors("replicated", 2), 2, CHAINED)
    apart, together = (each.gains(2, each.schedules[0]) for each in (copies, alone))
    assert apart.row == together.row
    assert (apart.spectral, together.spectral) == pytest.approx((np.sqrt(2), 2))
    # what a rounded plaintext meets is in every slot, copies and all
    bounds = Bounds(np.array([-1.0, -2.0]), np.array([1.0, 2.0]))
    assert (copies.norm_of(bounds, 1), alone.norm_of(bounds, 1)) == (6.0, 3.0)
    assert copies.norm_of(bounds, 2) == pytest.approx(np.sqrt(2) * alone.norm_of(bounds, 2))
    assert copies.norm_of(Bounds(np.array([-1.0]), np.array([1.0])), 1) == 4.0


def test_copies_are_of_whole_samples():
    with pytest.raises(UnsupportedOperation):
        _ = AffineMap(Dense([[1.0]]), None, FEATURES, 2, CHAINED)._of_copies
