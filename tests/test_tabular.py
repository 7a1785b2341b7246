"""Small models of tables, whose values stay where their polynomials hold."""

import numpy as np
import pytest

import fhenn
from fhenn.demo.data import load_breast_cancer
from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch
from fhenn.tabular import train


@pytest.fixture(scope="module")
def data():
    x, y, names = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(y))
    return x[order[143:]], y[order[143:]], x[order[:143]], y[order[:143]], names


def test_a_logistic_regression(data):
    x, y, others, labels, names = data
    model = train(x, y, names=names, epochs=30)
    assert [node.name for node in model.nodes] == ["Linear"]
    assert model.score(others, labels) > 0.95
    assert model.reading.features == tuple(names)
    assert model.reading.classes == (0.0, 1.0)


@pytest.mark.parametrize("activation", [None, fhenn.Sigmoid(), fhenn.Tanh()], ids=["square", "sigmoid", "tanh"])
def test_a_network_stays_in_its_domain(data, activation):
    x, y, others, labels, _ = data
    model = train(x, y, (6,), activation, epochs=30)
    assert model.score(others, labels) > 0.93
    first, node, _ = model.nodes
    inside = (node.domain[0] <= first.infer(others)) & (first.infer(others) <= node.domain[1])
    assert inside.all()  # on samples that it has not seen
    assert node.on_violation == "warn"


def test_the_penalty_does_it(data, monkeypatch):
    x, y, _, _, _ = data
    monkeypatch.setattr("fhenn.tabular._STRENGTH", 0.0)
    monkeypatch.setattr("fhenn.tabular._DECAY", 0.0)
    model = train(x, y, (6,), epochs=60)
    assert np.abs(model.nodes[0].infer(x)).max() > model.nodes[1].domain[1]


def test_the_same_seed_gives_the_same_model_and_nothing_is_changed(data):
    x, y, _, _, _ = data
    before = x.copy()
    one, other = (train(x, y, (3,), epochs=2, seed=5) for _ in range(2))
    assert np.array_equal(one.nodes[0].weight, other.nodes[0].weight)
    assert np.array_equal(x, before)
    assert not np.array_equal(one.nodes[0].weight, train(x, y, (3,), epochs=2, seed=6).nodes[0].weight)


def test_progress_is_told():
    told = []
    train([[0.0], [1.0]], [0, 1], epochs=2, progress=lambda *what: told.append(what))
    assert told == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("x", "y", "hidden", "error"),
    [
        ([[0.0], [1.0]], [1, 1], (), ParameterError),
        ([[0.0], [1.0]], [0, 1], (0,), ParameterError),
        ([[0.0], [1.0]], [0], (), ShapeMismatch),
        ([0.0, 1.0], [0, 1], (), ShapeMismatch),
        (np.zeros((0, 2)), [], (), ShapeMismatch),
        ([[np.nan], [1.0]], [0, 1], (), NonFiniteValue),
        ([[0.0], [1.0]], [0.0, np.inf], (), NonFiniteValue),
    ],
)
def test_what_is_refused(x, y, hidden, error):
    with pytest.raises(error):
        train(x, y, hidden)
    with pytest.raises(ParameterError):
        train([[0.0], [1.0]], [0, 1], epochs=0)
