"""`parts_of`: ensembles as networks of bits, which say what the trees say, to rounding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_ensembles import full_tree, samples_of, tree_of

from fhenn.errors import MissingValues, ParameterError
from fhenn.interop.trees import Ensemble, Tree, boxes, network, parts_of, preparation_of
from fhenn.nn import Affine, PolynomialActivation, Sequential


@given(st.integers(0, 2**64))
@settings(max_examples=100, deadline=None)
def test_a_network_says_what_the_trees_say(seed):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, rng.integers(1, 5)).tolist()
    outputs = int(rng.integers(1, 3))
    trees = [tree_of(rng, kinds, outputs) for _ in range(rng.integers(1, 4))]
    strict, single, *missing = (rng.random(2 + len(kinds)) < 0.5).tolist()
    ensemble = Ensemble(trees, len(kinds), rng.normal(size=outputs), strict, single, missing)
    rows = np.array(samples_of(rng, kinds, missing, 50), dtype=object)
    try:
        steps, nodes = parts_of(ensemble)
    except ParameterError as error:
        assert "same for every sample" in error.reason
        assert np.ptp(ensemble.scores(rows), axis=0).max() == 0
        return
    bits = preparation_of(ensemble, steps).prepare(rows)
    assert set(np.unique(bits)) <= {0.0, 1.0}
    assert np.allclose(Sequential(nodes).infer(bits), ensemble.scores(rows), rtol=0, atol=1e-9)


@pytest.mark.parametrize("conditions", [1, 2, 3, 4, 8, 9, 16, 31, 63])
def test_the_indicator_is_one_where_all_conditions_are_met(conditions):
    found = network.indicator(conditions)(np.arange(conditions + 1.0))
    assert np.abs(found - [*[0.0] * conditions, 1.0]).max() < 1e-12
    assert network.indicator(conditions).degree == conditions


def test_the_indicator_takes_no_level_more_than_its_degree():
    depths = [network.indicator(conditions).depth for conditions in range(1, 9)]
    assert depths == [0, 1, 2, 2, 3, 3, 3, 3]


def test_leaves_of_all_trees_are_counted_once():
    tree = full_tree(3, 3)
    _, once = parts_of(Ensemble((tree,), 3, [0.0]))
    _, twice = parts_of(Ensemble((tree, tree), 3, [0.0]))
    assert once[0].outputs == twice[0].outputs <= 8
    assert np.array_equal(2 * once[-1].operator.dense(), twice[-1].operator.dense())


def test_thresholds_of_leaves_that_nothing_reaches_have_no_bit():
    # x <= 1, and on its right x <= 0.5, which nothing meets
    tree = Tree([0, -1, 0, -1, -1], [1, 0, 0.5, 0, 0], [1, 0, 3, 0, 0], [2, 0, 4, 0, 0], [False] * 5,
                [[0.0], [1.0], [0.0], [2.0], [3.0]])  # fmt: skip
    (thermometer,), (node,) = parts_of(Ensemble((tree,), 1, [0.0]))
    assert thermometer.thresholds == ((1.0,),)
    assert node.forward([[1.0], [0.0]]).tolist() == [[1.0], [3.0]]


def test_stumps_are_a_map_of_bits():
    trees = [Tree([0, -1, -1], [t, 0, 0], [1, 0, 0], [2, 0, 0], [False] * 3, [[0.0], [t], [-t]]) for t in (1.0, 2.0)]
    _, nodes = parts_of(Ensemble(trees, 1, [0.0]))
    assert [type(node) for node in nodes] == [Affine]


def test_deeper_trees_take_a_polynomial():
    _, nodes = parts_of(Ensemble((full_tree(9, 3),), 9, [0.0]))
    assert [type(node) for node in nodes] == [Affine, PolynomialActivation, Affine]


def test_values_that_no_set_tells_apart_share_a_bit():
    sets = [("a", "b", "c"), ("c", "d")]
    trees = [Tree([0, -1, -1], [0] * 3, [1, 0, 0], [2, 0, 0], [False] * 3, [[0.0], [1.0], [2.0]], {0: s}) for s in sets]
    (thermometer,), _ = parts_of(Ensemble(trees, 1, [0.0]))
    assert sorted(thermometer.sets[0]) == [("a", "b"), ("c",), ("d",)]


def test_trees_that_do_not_split_are_refused():
    root = Tree([-1], [0], [0], [0], [False], [[1.0]])
    with pytest.raises(ParameterError, match="same for every sample"):
        parts_of(Ensemble((root,), 2, [0.0]))


def test_too_many_leaves_are_refused(monkeypatch):
    monkeypatch.setattr(boxes, "MOST_BOXES", 3)
    with pytest.raises(ParameterError, match="more than 3 different leaves"):
        parts_of(Ensemble((full_tree(9, 3),), 9, [0.0]))


def chain(depth, sets=None, values=1.0):
    """A tree whose every node has a leaf on its left and asks for a feature of its own, or of one alone for sets."""
    nodes = np.arange(2 * depth + 1)
    inner = (nodes % 2 == 0) & (nodes < 2 * depth)
    features = np.where(inner, nodes // 2 if sets is None else 0, -1)
    given = {} if sets is None else dict(zip(nodes[inner].tolist(), sets, strict=True))
    leaves = np.where(nodes[:, None] < 2 * depth, values, 1.0)
    return Tree(features, nodes * 0.5, nodes + 1, nodes + 2, [False] * len(nodes), leaves, given)


def no_more_than(monkeypatch, most):
    """Refuse to go to more leaves than that."""
    made = []
    leaves = boxes._leaves

    def counted(*arguments):
        for each in leaves(*arguments):
            made.append(each)
            assert len(made) <= most
            yield each

    monkeypatch.setattr(boxes, "_leaves", counted)


def test_leaves_of_more_conditions_than_a_plan_holds_are_refused_before_others_are_made(monkeypatch):
    _, nodes = parts_of(Ensemble((chain(64),), 64, [0.0]))
    assert nodes[1].polynomial.degree == 64
    no_more_than(monkeypatch, 64)
    with pytest.raises(ParameterError, match="conditions on 65 features, more than 64: no plan"):
        parts_of(Ensemble([chain(500)] * 3, 500, [0.0]))


def test_a_deep_leaf_that_adds_nothing_is_no_matter():
    first = Tree([0, -1, -1], [0] * 3, [1, 0, 0], [2, 0, 0], [False] * 3, [[0.0], [1.0], [2.0]])
    deep = chain(100, values=0.0)
    with pytest.raises(ParameterError, match="conditions on 100 features"):
        parts_of(Ensemble((first, deep), 100, [0.0]))  # its last leaf adds 1
    nothing = Tree(deep.features, deep.thresholds, deep.left, deep.right, deep.missing_left, 0 * deep.values)
    _, nodes = parts_of(Ensemble((first, nothing), 100, [0.0]))
    assert [type(node) for node in nodes] == [Affine]


def test_conditions_without_end_are_refused_before_others_are_made(monkeypatch):
    monkeypatch.setattr(boxes, "MOST_IN_ALL", 100)
    no_more_than(monkeypatch, 13)  # 1 + 2 + … + 13 = 91
    with pytest.raises(ParameterError, match="more than 100 conditions at their leaves"):
        parts_of(Ensemble((chain(20),), 20, [0.0]))


def test_sets_without_end_are_refused_before_all_are_made(monkeypatch):
    # each node adds its values to those that its right side leaves out, so that they grow as their number squared
    monkeypatch.setattr(boxes, "MOST_IN_ALL", 2000)
    sets = [tuple(map(float, range(10 * place, 10 * place + 10))) for place in range(300)]
    no_more_than(monkeypatch, 20)
    with pytest.raises(ParameterError, match="more than 2,000 conditions at their leaves"):
        parts_of(Ensemble((chain(300, sets),), 1, [0.0]))


def test_nothing_is_made_below_a_node_that_no_sample_reaches(monkeypatch):
    # x <= 0, and on its left x <= 1, which all meet, so that a full tree is on its right in vain
    full = full_tree(9, 3)
    shift = np.where(full.is_leaf, 0, 4)
    features = [0, 0, -1, -1, *full.features.tolist()]
    thresholds = [0, 1, 0, 0, *full.thresholds.tolist()]
    left, right = [1, 3, 0, 0, *(full.left + shift).tolist()], [2, 4, 0, 0, *(full.right + shift).tolist()]
    values = [[0.0], [0.0], [1.0], [2.0], *full.values.tolist()]
    tree = Tree(features, thresholds, left, right, [False] * len(features), values)
    no_more_than(monkeypatch, 2)
    _, (node,) = parts_of(Ensemble((tree,), 9, [0.0]))
    assert node.forward([[1.0], [0.0]]).tolist() == [[2.0], [1.0]]


def test_cells_that_the_trees_do_not_take_are_refused():
    tree = Tree([0, -1, -1], [0] * 3, [1, 0, 0], [2, 0, 0], [True] * 3, [[0.0], [1.0], [2.0]], {0: ("a",)})
    ensemble = Ensemble((tree,), 1, [0.0], names=("colour",))
    preparation = preparation_of(ensemble, parts_of(ensemble)[0])
    assert preparation.prepare({"colour": ["a", "z"]}).tolist() == [[1.0], [0.0]]
    with pytest.raises(MissingValues, match="colour"):
        preparation.prepare({"colour": [None]})
