"""`Tree` and `Ensemble`: what strangers' files may hold, and how trees decide."""

import numpy as np
import pytest

from fhenn.errors import MissingValues, NonFiniteValue, ParameterError, ShapeMismatch
from fhenn.interop.trees import Ensemble, Tree, ensemble

STUMP = {
    "features": [0, -1, -1],
    "thresholds": [0.5, np.nan, np.nan],
    "left": [1, -1, -1],
    "right": [2, -1, -1],
    "missing_left": [True, False, False],
    "values": [[np.nan], [-1.0], [1.0]],
}


def stump(**changes):
    return Tree(**{**STUMP, **changes})


def test_a_sample_goes_left_where_the_condition_holds():
    trees = (stump(), stump(features=[1, -1, -1], thresholds=[1.0, 0, 0], values=[[0.0], [10.0], [20.0]]))
    found = Ensemble(trees, 2, [100.0]).scores([[0.5, 1.0], [0.5, 1.5], [0.6, 1.0], [np.nextafter(0.5, 1), 2.0]])
    assert found.ravel().tolist() == [109.0, 119.0, 111.0, 121.0]


def test_strict_and_single():
    above = np.nextafter(0.5, 1)  # rounds to 0.5 in single precision
    rows = [[np.nextafter(0.5, 0)], [0.5], [above]]
    assert Ensemble((stump(),), 1, [0.0]).scores(rows).ravel().tolist() == [-1, -1, 1]
    assert Ensemble((stump(),), 1, [0.0], strict=True).scores(rows).ravel().tolist() == [-1, 1, 1]
    assert Ensemble((stump(),), 1, [0.0], single=True).scores(rows).ravel().tolist() == [-1, -1, -1]
    assert Ensemble((stump(),), 1, [0.0], single=True, strict=True).scores(rows).ravel().tolist() == [1, 1, 1]


def test_missing_cells_go_where_the_node_says():
    both = (stump(), stump(missing_left=[False] * 3, values=[[0.0], [10.0], [20.0]]))
    assert Ensemble(both, 1, [0.0], missing=(True,)).scores([[np.nan], [None]]).ravel().tolist() == [19.0, 19.0]
    with pytest.raises(MissingValues, match="feature 0"):
        Ensemble(both, 1, [0.0]).scores([[np.nan]])


def test_sets_decide_numbers_and_texts():
    numbers = stump(sets={0: (1.0, 3.0)})
    assert Ensemble((numbers,), 1, [0.0]).scores([[1], [2], [3]]).ravel().tolist() == [-1, 1, -1]
    texts = stump(features=[1, -1, -1], sets={0: ("a", "b")})
    found = Ensemble((texts, stump()), 2, [0.0], missing=(False, True)).scores([[0, "a"], [1, "c"], [0, None]])
    assert found.ravel().tolist() == [-2, 2, -2]


def test_infinite_thresholds_part_missing_cells_from_others():
    tree = stump(thresholds=[np.inf, 0, 0], missing_left=[False] * 3)
    assert Ensemble((tree,), 1, [0.0], missing=(True,)).scores([[1e308], [np.nan]]).ravel().tolist() == [-1, 1]


def test_a_root_alone_is_an_offset():
    root = Tree([-1], [np.nan], [-1], [-1], [False], [[2.0, 3.0]])
    assert Ensemble((root,), 1, [1.0, 0.0]).scores([[0.0], [5.0]]).tolist() == [[3, 3], [3, 3]]
    assert Ensemble((), 1, [1.0]).scores([[0.0]]).tolist() == [[1.0]]


def test_deep_trees_are_walked():
    count = 40
    at = np.arange(2 * count + 1)
    inner = at < count
    chain = Tree(
        np.where(inner, 0, -1),
        np.where(inner, at, np.nan),
        np.where(inner, at + count, -1),
        np.where(inner, np.where(at == count - 1, 2 * count, at + 1), -1),
        np.zeros(2 * count + 1, dtype=bool),
        at[:, None].astype(float),
    )
    found = Ensemble((chain,), 1, [0.0]).scores([[-1.0], [0.5], [38.5], [1e9]]).ravel()
    assert found.tolist() == [count, count + 1, 2 * count - 1, 2 * count]


def test_values_are_copies_that_nobody_changes():
    values = np.array([[0.0], [-1.0], [1.0]])
    tree = stump(values=values)
    values[1] = 9
    assert tree.values[1, 0] == -1
    with pytest.raises(ValueError, match="read-only"):
        tree.values[1] = 9
    assert tree.leaves.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"features": []}, "shape"),
        ({"features": [[0, -1, -1]]}, "shape"),
        ({"left": [1, -1]}, "left of a tree of 3 nodes"),
        ({"values": [0.0, 1.0, 2.0]}, "values of a tree"),
        ({"features": [-2, -1, -1]}, "before the first"),
        ({"features": [0.5, -1, -1]}, "features must be numbers"),
        ({"features": ["a", -1, -1]}, "features must be numbers"),
        ({"left": [None, -1, -1]}, "left must be numbers"),
        ({"thresholds": [np.nan, 0, 0]}, "NaN for a threshold"),
        ({"values": [[0.0], [np.inf], [1.0]]}, "NaN or infinite"),
        ({"left": [3, -1, -1]}, "outside"),
        ({"left": [-1, -1, -1]}, "outside"),
        ({"left": [0, -1, -1]}, "two parents"),
        ({"left": [2, -1, -1]}, "two parents"),
        ({"features": [-1, -1, -1], "values": [[0.0]] * 3}, "2 nodes are not reached"),
        ({"sets": {1: (1.0,)}}, "node 1, which decides nothing"),
        ({"sets": {3: (1.0,)}}, "node 3, which decides nothing"),
        ({"sets": {0: (1.0, "a")}}, "neither"),
        ({"sets": {0: (np.nan,)}}, "neither"),
    ],
)
def test_what_is_no_tree_is_refused(changes, reason):
    with pytest.raises(ParameterError, match=reason):
        stump(**changes)


def test_cycles_beside_the_root_are_not_reached():
    with pytest.raises(ParameterError, match="2 nodes are not reached"):
        Tree([-1, 0, 0], [0, 0, 0], [0, 2, 1], [0, 2, 1], [False] * 3, [[0.0]] * 3)


def test_trees_of_too_many_levels_are_refused(monkeypatch):
    monkeypatch.setattr(ensemble, "DEEPEST", 0)
    with pytest.raises(ParameterError, match="too deep"):
        stump()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"features": 0}, "asks for feature 0"),
        ({"offset": [0.0, 0.0]}, "the ensemble has 2 outputs"),
        ({"offset": [np.nan]}, "offset"),
        ({"offset": []}, "offset"),
        ({"offset": [[0.0]]}, "offset"),
        ({"missing": (True, False)}, "missing has 2 entries"),
        ({"names": ("a", "b")}, "names has 2 entries"),
        ({"trees": (stump(), stump(sets={0: ("a",)}))}, "numbers and with texts"),
        ({"trees": (stump(sets={0: (1.0,)}), stump(sets={0: ("a",)}))}, "numbers and with texts"),
    ],
)
def test_what_is_no_ensemble_is_refused(changes, reason):
    with pytest.raises(ParameterError, match=reason):
        Ensemble(**{"trees": (stump(),), "features": 1, "offset": [0.0], **changes})


def test_trees_of_too_many_nodes_are_refused(monkeypatch):
    monkeypatch.setattr(ensemble, "MOST_NODES", 5)
    with pytest.raises(ParameterError, match="more than 5 nodes"):
        Ensemble((stump(), stump()), 1, [0.0])


def test_samples_of_another_shape_are_refused():
    found = Ensemble((stump(),), 1, [0.0])
    with pytest.raises(ShapeMismatch):
        found.scores([[1.0, 2.0]])
    with pytest.raises(NonFiniteValue, match="feature 0"):
        found.scores([[np.inf]])
