"""Small models of tables, whose values stay where their polynomials hold."""

import numpy as np
import pytest

import fhenn
from fhenn.demo.data import load_breast_cancer
from fhenn.errors import DataWarning, MissingValues, NonFiniteValue, ParameterError, ShapeMismatch
from fhenn.tabular import train

X = [[0.5], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0], [9.0]]
Y = [0] * 5 + [1] * 5


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
    monkeypatch.setattr("fhenn.tabular.network._STRENGTH", 0.0)
    monkeypatch.setattr("fhenn.tabular.network._DECAY", 0.0)
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
    train(X, Y, epochs=2, progress=lambda *what: told.append(what))
    assert told == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("x", "y", "hidden", "error"),
    [
        ([[0.0], [1.0]], [1, 1], (), ParameterError),
        (X, Y, (0,), ParameterError),
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


def test_no_epochs():
    with pytest.raises(ParameterError, match="must be 1 or more"):
        train(X, Y, epochs=0)


MISSING = ["", "NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "<NA>", "NaT", "#N/A", "?", ".", " NA "]


@pytest.mark.parametrize("word", [*MISSING, None, np.nan])
def test_missing_labels_are_refused_by_sample(word):
    y = np.array(["a", "b", word, "a", word] * 2, dtype=object)
    with pytest.raises(MissingValues) as caught:
        train(X, y)
    assert (caught.value.columns, caught.value.counts, caught.value.places) == (
        ("labels",),
        (4,),
        ("samples 2, 4, 7, 9",),
    )
    assert "in labels (4: samples 2, 4, 7, 9). Label or drop these samples." in str(caught.value)


def test_other_missing_labels():
    pandas = pytest.importorskip("pandas")
    places = np.arange(10)
    for y in (
        pandas.array([None if place == 3 else place % 2 for place in places], "Int64"),
        pandas.Series([pandas.NA if place == 3 else "ab"[place % 2] for place in places]),
        pandas.Categorical([None if place == 3 else "ab"[place % 2] for place in places]),
        np.ma.MaskedArray(places % 2, mask=places == 3),
        np.ma.MaskedArray(np.array(["a", "b"])[places % 2], mask=places == 3),
        np.where(places == 3, np.datetime64("NaT"), np.array(["2020-01-01", "2021-01-01"], "M8[D]")[places % 2]),
        np.where(places == 3, np.nan, places % 2),
    ):
        with pytest.raises(MissingValues, match="sample 3"):
            train(X, y)


@pytest.mark.parametrize("word", ["none", "Na", "unknown", "-", "0"])
def test_words_that_are_classes(word):
    assert train(X, ["a"] * 5 + [word] * 5, epochs=1).reading.classes == tuple(sorted(["a", word]))


def data_of(labels):
    return np.random.default_rng(0).normal(size=(len(labels), 2)), labels


@pytest.mark.parametrize(
    "labels",
    [
        np.linspace(0.1, 9.7, 40).round(1),  # a fraction a sample
        np.repeat(np.linspace(0.1, 1.2, 12), 50),  # few fractions, but more than grades have
        np.arange(2000) % 1414,  # whole numbers of which each comes once or twice
        np.arange(300) % 30,
        np.arange(12),
        [f"{value:.2f}" for value in np.linspace(0.1, 9.7, 40)],
        [f"{value:.2f}".replace(".", ",") for value in np.linspace(0.1, 9.7, 40)],
        [f"{value:.1e}" for value in np.linspace(1, 9, 60)],
        [f"{value:.0e}" for value in 10.0 ** np.arange(-20, 20)],
        [*("<5", ">9"), *(f"{value:.2f}" for value in np.linspace(5.1, 8.9, 40))],
    ],
    ids=lambda labels: f"{labels[1]} {len(labels)}",
)
def test_a_continuous_target_is_refused(labels):
    with pytest.raises(ParameterError, match="a regression target, not classes") as caught:
        train(*data_of(labels))
    assert "task='regression'" in str(caught.value)
    assert "'low' and 'high'" in str(caught.value)


def test_the_ways_out_of_a_continuous_target():
    linear = pytest.importorskip("sklearn.linear_model")
    x, _ = data_of([0] * 200)
    y = 100 * x[:, 0] + x[:, 1]
    with pytest.raises(ParameterError):
        train(x, y)
    assert fhenn.from_sklearn(linear.Ridge().fit(x, y)).score(x, y) > 0.99
    assert train(x, y, task="regression").score(x, y) > 0.99
    assert train(x, y, (4,), task="regression", epochs=30).score(x, y) > 0.9
    assert train(x, np.where(y > 0, "high", "low"), epochs=60).score(x, np.where(y > 0, "high", "low")) > 0.8
    with pytest.warns(DataWarning, match="of 40 classes have fewer than 5"):
        assert len(train(x, [f"c{round(value) % 40}" for value in y], epochs=1).reading.classes) == 40


@pytest.mark.parametrize(
    "labels",
    [
        np.repeat(np.arange(10), 10),
        np.repeat(np.arange(0.5, 5.5, 0.5), 5),
        np.repeat([0.1, 0.2], 5),
        [f"1E{place}" for place in range(30)] * 5,
    ],
    ids=lambda labels: f"{labels[0]} {len(labels)}",
)
def test_numbers_that_are_classes_are_taken(labels):
    assert len(train(*data_of(labels), epochs=1).reading.classes) == len(set(np.asarray(labels).tolist()))


@pytest.mark.parametrize(
    "labels",
    [
        np.repeat(np.arange(43), 60),
        np.repeat(np.arange(26), 16),
        18 + np.arange(2000) % 73,
        [str(18 + place % 73) for place in range(2000)],
    ],
    ids=lambda labels: f"{labels[0]} {len(labels)}",
)
def test_many_whole_numbers_are_taken_with_a_warning(labels):
    count = len(set(np.asarray(labels).tolist()))
    with pytest.warns(
        DataWarning, match=f"^the labels have {count} different whole numbers, .* cut them into a few classes"
    ):
        assert len(train(*data_of(labels), epochs=1).reading.classes) == count


def test_text_of_its_own_for_each_sample_is_no_class():
    with pytest.raises(ParameterError, match="12 values in 12 samples: too many for classes"):
        train(*data_of([f"name {place}" for place in range(12)]))


def test_labels_of_several_types_are_refused():
    with pytest.raises(ParameterError, match="several types"):
        train(X, np.array([1, "a"] * 5, dtype=object))


def test_classes_with_few_samples_are_named():
    labels = ["a"] * 20 + ["b"] * 4 + ["c"] * 5 + ["B"]
    with pytest.warns(DataWarning, match=r"^2 of 4 classes have fewer than 5 samples: B \(1\), b \(4\)\. Are they"):
        train(*data_of(labels), epochs=1)


class TestIdentifiers:
    def train(self, column, names=None):
        x = np.column_stack([np.random.default_rng(0).normal(size=len(column)), column])
        return train(x, [0, 1] * (len(column) // 2), epochs=1, names=names)

    @pytest.mark.parametrize("start", [0, 1, 1000])
    def test_a_row_number_in_any_order_is_named(self, start):
        column = start + np.random.default_rng(1).permutation(30)
        with pytest.warns(DataWarning, match="^feature 'id' numbers the samples: is it an identifier"):
            self.train(column, ["a", "id"])
        with pytest.warns(DataWarning, match="^feature 1 numbers the samples"):
            self.train(column)

    def test_whole_numbers_that_are_nearly_unique_are_named(self):
        column = np.random.default_rng(1).integers(0, 10**9, 100)
        column[:2] = 7
        with pytest.warns(DataWarning, match="has 99 whole numbers in 100 samples"):
            self.train(column)

    def test_measurements_are_not(self):
        rng = np.random.default_rng(1)
        self.train(rng.normal(size=100))
        self.train(rng.integers(0, 50, 100))
        self.train(np.arange(100) // 2)
        self.train(np.arange(100) % 7)
