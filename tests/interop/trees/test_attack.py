"""What clients that are not honest learn of trees: all of them, from samples that are counted."""

import numpy as np
import pytest
from tree_attack import Oracle, by_any_codes, by_codes_of_samples, scores_of
from tree_ensembles import full_tree

from fhenn.interop.trees import Ensemble, parts_of, preparation_of
from fhenn.nn import Sequential

rng = np.random.default_rng(3)


def ensemble(count, features=4, depth=3, steps=6):
    return Ensemble([full_tree(features, depth, steps=steps, seed=place) for place in range(count)], features, [0.25])


@pytest.fixture
def served():
    """Six trees of depth 3: what makes the bits, the scores of any codes, and codes of samples."""
    trees = ensemble(6)
    steps, nodes = parts_of(trees)
    codes = preparation_of(trees, steps).prepare(rng.random((400, 4)))
    return steps[0], Sequential(nodes).infer, codes


def test_any_codes_give_the_model_away(served):
    thermometer, scores, codes = served
    oracle = Oracle(scores, noise=1e-8)
    found = by_any_codes(oracle, sum(thermometer.bits), 3)
    assert np.abs(scores_of(found, codes) - scores(codes)).max() < 1e-5
    assert oracle.uploads == 5
    assert oracle.samples < 2_000


def test_codes_of_samples_give_it_away_too(served):
    thermometer, scores, codes = served
    oracle = Oracle(scores, noise=1e-8)
    found = by_codes_of_samples(oracle, thermometer.bits, 3)
    assert np.abs(scores_of(found, codes) - scores(codes)).max() < 1e-5
    assert oracle.uploads == 1
    assert oracle.samples < 2_000
