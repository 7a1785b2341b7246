import json

import numpy as np
import pytest

from fhenn.errors import (
    FeatureMismatch,
    NonFiniteValue,
    ParameterError,
    ShapeMismatch,
    UnsupportedOperation,
    UnsupportedValue,
    WireFormatError,
)
from fhenn.interop import Reading

rng = np.random.default_rng(0)

READINGS = [
    Reading.regression(),
    Reading.regression(["a", "b"], flat=False),
    Reading.classification([0, 1], "sigmoid"),
    Reading.classification(np.array([3, 1, 2], dtype=np.int32), "softmax", ["a", "b"]),
    Reading.classification(["ham", "spam", "eggs"], "one-vs-rest"),
    Reading.classification([False, True]),
    Reading.classification([0.5, 1.5], "modified-huber"),
    Reading.classification(np.array(["x", "yy"], dtype=object), "softmax"),
]


@pytest.mark.parametrize("reading", READINGS, ids=range(len(READINGS)))
def test_json_keeps_everything(reading):
    copy = Reading.from_json(reading.to_json())
    assert copy == reading
    if reading.classes:
        scores = rng.normal(size=(9, len(reading.classes)))
        assert copy.predict(scores).dtype == reading.predict(scores).dtype
        assert copy.predict(scores).tolist() == reading.predict(scores).tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "fhenn-plan"},
        {"version": 3},
        {"task": "clustering"},
        {"classes": [1]},
        {"classes": [1, 1]},
        {"classes": [1, None]},
        {"classes": [[1], [2]]},
        {"classes": 3},
        {"classes": ["a", "b"]},
        {"dtype": "V8"},
        {"dtype": "<U999999999"},
        {"dtype": "int8", "classes": [1, 300]},
        {"dtype": "nothing"},
        {"dtype": "a5"},
        {"dtype": None},
        {"features": 3},
        {"probability": "certain"},
        {"flat": "yes"},
        {"more": 1},
    ],
    ids=str,
)
def test_other_json_is_refused(change):
    data = json.loads(Reading.classification([0, 1], "sigmoid").to_json()) | change
    with pytest.raises(WireFormatError, match="reading"):
        Reading.from_json(json.dumps(data))
    for text in ("", "[]", "[" * 100_000, b"\xff", '"a"'):
        with pytest.raises(WireFormatError):
            Reading.from_json(text)


@pytest.mark.parametrize("probability", ["sigmoid", "softmax", "one-vs-rest", "modified-huber"])
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_rows_of_probabilities_sum_to_one_and_agree_with_the_labels(probability, outputs):
    if probability == "sigmoid" and outputs > 1:
        return
    reading = Reading.classification(range(max(outputs, 2)), probability)
    scores = np.concatenate([rng.normal(size=(50, outputs)), np.array([[-1e3], [1e3]]) * np.ones(outputs)])
    found = reading.predict_proba(scores)
    assert found.shape == (52, max(outputs, 2))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-15)
    assert found.min() >= 0
    clear = np.abs(scores).min(axis=1) < 1 if probability == "modified-huber" else np.full(52, True)
    best = found.max(axis=1) == found[np.arange(52), reading.predict(scores)]
    assert best[clear].all()


def test_scores_become_labels_as_everywhere_else():
    binary = Reading.classification(["no", "yes"])
    assert binary.predict([[0.0], [1e-9], [-1e-9]]).tolist() == ["no", "yes", "no"]
    assert binary.decision_function([[0.5], [1.0]]).tolist() == [0.5, 1.0]
    three = Reading.classification([10, 20, 30], "softmax")
    assert three.predict([[0, 2, 1], [1, 1, 0]]).tolist() == [20, 10]
    assert three.decision_function([[0, 2, 1]]).shape == (1, 3)
    assert Reading.regression().predict([[1.5], [2.5]]).tolist() == [1.5, 2.5]
    assert Reading.regression(flat=False).predict([[1.5]]).shape == (1, 1)
    assert Reading.regression().predict([[1.5, 2.0]]).shape == (1, 2)


def test_scores_of_another_shape_are_refused():
    for reading, bad in (
        (Reading.regression(), [1.0]),
        (Reading.classification([0, 1]), [[1.0, 2.0, 3.0]]),
        (Reading.classification([0, 1, 2]), [[1.0]]),
    ):
        with pytest.raises(ShapeMismatch, match="scores"):
            reading.predict(bad)
    with pytest.raises(ShapeMismatch, match="score"):
        Reading.regression().score([[1.0], [2.0]], [1.0])


def test_what_a_model_does_not_have_is_refused():
    for reading in (Reading.classification([0, 1]), Reading.regression()):
        with pytest.raises(UnsupportedOperation, match="predict_proba"):
            reading.predict_proba([[1.0]])
    with pytest.raises(UnsupportedOperation, match="decision_function"):
        Reading.regression().decision_function([[1.0]])


def test_readings_that_contradict_themselves_are_refused():
    for arguments in (
        ("regression", (0, 1)),
        ("classification", (0,)),
        ("classification", ()),
        ("classification", (0, 0)),
        ("classification", (0, (1,))),
        ("ranking",),
    ):
        with pytest.raises(ParameterError):
            Reading(*arguments)
    with pytest.raises(ParameterError, match="certain"):
        Reading.classification([0, 1], "certain")
    with pytest.raises(ParameterError):
        Reading("regression", probability="sigmoid")


def test_score_is_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    values, got = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    values[:, 1] = 1.0
    got[:, 1] = 1.0
    assert Reading.regression().score(got, values) == pytest.approx(metrics.r2_score(values, got))
    assert Reading.regression().score(got[:, :1], values[:, 0]) == pytest.approx(
        metrics.r2_score(values[:, 0], got[:, 0])
    )
    labels = rng.integers(0, 3, 20)
    reading = Reading.classification([0, 1, 2])
    assert reading.score(got, labels) == metrics.accuracy_score(labels, reading.predict(got))


class Frame:
    """What DataFrames of pandas and polars have in common."""

    def __init__(self, columns, values):
        self.columns, self._values = columns, np.asarray(values)

    def to_numpy(self):
        return self._values


def test_features_are_checked_by_name_where_there_are_names():
    reading = Reading.regression(["a", "b"])
    assert reading.samples(Frame(["a", "b"], [[1, 2]])).tolist() == [[1.0, 2.0]]
    assert reading.samples(Frame(["b", "a"], [[2, 1]])).tolist() == [[1.0, 2.0]]
    assert reading.samples([[1, 2]]).tolist() == [[1.0, 2.0]]
    assert reading.samples(Frame([0, 1], [[1, 2]])).tolist() == [[1.0, 2.0]]
    for columns, text in (
        (["a", "c"], "missing: b; unknown: c"),
        (["a"], "missing: b"),
        (["a", "b", "c"], "unknown: c"),
    ):
        with pytest.raises(FeatureMismatch, match=text):
            reading.samples(Frame(columns, np.ones((1, len(columns)))))
    assert Reading.regression().samples(Frame(["z"], [[1]])).tolist() == [[1.0]]


def test_samples_are_checked():
    reading = Reading.regression(["a", "b"])
    for bad in ([1.0, 2.0], [[1.0]], np.zeros((0, 2)), 3.0, [[[1.0, 2.0]]]):
        with pytest.raises(ShapeMismatch, match="samples"):
            reading.samples(bad)
    for bad in ([["x", "y"]], [[1j, 2]], np.array([[object(), 1]], dtype=object)):
        with pytest.raises(UnsupportedValue):
            reading.samples(bad)
    for bad in (np.nan, np.inf):
        with pytest.raises(NonFiniteValue):
            reading.samples([[bad, 1.0]])
    sparse = pytest.importorskip("scipy.sparse")
    assert reading.samples(sparse.csr_array(np.ones((1, 2)))).tolist() == [[1.0, 1.0]]
