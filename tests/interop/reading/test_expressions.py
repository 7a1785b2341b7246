import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhenn.errors import ParameterError, ShapeMismatch, UnsupportedOperation, WireFormatError
from fhenn.interop import Reading
from fhenn.interop.reading import Maps, expressions
from fhenn.interop.reading.expressions import Scores, evaluate
from fhenn.interop.reading.operations import (
    Affine,
    Apply,
    Average,
    Columns,
    Concatenate,
    Couple,
    Decide,
    Exceeds,
    FirstWithin,
    Interpolate,
    InversePower,
    Normalise,
    PairScores,
    Scale,
    Scatter,
    Softmax,
    Votes,
)

ONE, TWO, THREE = Scores((0,)), Scores((0, 1)), Scores((0, 1, 2))
LN2 = float(np.log(2.0))


@pytest.mark.parametrize(
    ("expression", "scores", "wanted"),
    [
        (Scores((1, 0, 1)), [1, 2], [2, 1, 2]),
        (Columns(TWO, (1, 1)), [1, 2], [2, 2]),
        (Scatter(TWO, (2, 0), 3), [1, 2], [2, 0, 1]),
        (Concatenate((ONE, TWO)), [1, 2], [1, 1, 2]),
        (Scale(TWO, (2.0, -1.0), (0.5, 0.0)), [1, 2], [2.5, -2]),
        (Affine(TWO, ((1.0, 1.0), (0.0, 2.0), (1.0, 0.0)), (0.0, 1.0, 0.0)), [1, 2], [3, 5, 1]),
        (Apply(TWO, "exp"), [0, LN2], [1, 2]),
        (Apply(TWO, "sigmoid"), [0, -1000], [0.5, 0]),
        (Apply(TWO, "log-sigmoid"), [0, -1000], [-LN2, -1000]),
        (Interpolate(ONE, (-1.0, 1.0, 2.0), (0.0, 1.0, 3.0)), [1.5], [2]),
        (Interpolate(ONE, (-1.0, 1.0), (0.25, 1.0)), [-9], [0.25]),
        (Interpolate(ONE, (0.0,), (7.0,)), [9], [7]),
        (InversePower(TWO, "box-cox", (0.0, 2.0)), [LN2, 4], [2, 3]),
        (InversePower(TWO, "yeo-johnson", (0.5, 0.0)), [2, LN2], [3, 1]),
        (InversePower(TWO, "yeo-johnson", (2.0, 0.0)), [-LN2, -1.5], [-1, -1]),
        (Softmax(TWO), [1000, 1000], [0.5, 0.5]),
        (Normalise(TWO), [1, 3], [0.25, 0.75]),
        (Normalise(TWO), [0, 0], [0.5, 0.5]),
        (Average((TWO, Scores((1, 0))), (3.0, 1.0)), [0, 4], [1, 3]),
        (Exceeds(THREE, 1.0, inclusive=False), [0, 1, 2], [0, 0, 1]),
        (Exceeds(THREE, 1.0, inclusive=True), [0, 1, 2], [0, 1, 1]),
        (Decide(THREE), [1, 2, 2], [0, 1, 0]),
        (FirstWithin(THREE, 1e-5), [1, 2, 2 + 9e-6], [0, 1, 0]),
        (FirstWithin(THREE, 1e-5), [2 - 1.1e-5, 2 - 1.1e-5, 2], [0, 0, 1]),
        (FirstWithin(THREE, 0.0), [1, 2, 2], [0, 1, 0]),
        (FirstWithin(TWO, 1e-5), [-np.inf, np.inf], [0, 1]),
        (Votes(THREE), [0, 1, 1], [1, 0, 2]),
        (PairScores(THREE, THREE), [0, 1, 1], [1 - 1 / 6, -1 / 6, 2 + 2 / 9]),
        (Couple(THREE), [0.5, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]),
    ],
    ids=lambda value: value.op if hasattr(value, "op") else None,
)
def test_an_operation_computes_what_it_says(expression, scores, wanted):
    found = evaluate(expression, np.array([scores, scores], dtype=float))
    np.testing.assert_allclose(found, [wanted, wanted], rtol=1e-12, atol=1e-15)
    assert expression.width == len(wanted)


def test_coupled_probabilities_are_those_of_pairs_where_these_agree():
    shares = np.array([0.2, 0.3, 0.5])
    pairs = [shares[i] / (shares[i] + shares[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    found = evaluate(Couple(THREE), np.array([pairs, [1, 1, 1]]))
    np.testing.assert_allclose(found[0], shares, atol=0.005)
    assert found[1].argmax() == 0
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scores(()),
        lambda: Scores((-1,)),
        lambda: Columns(TWO, (2,)),
        lambda: Columns(TWO, (-1,)),
        lambda: Columns(TWO, ()),
        lambda: Scatter(TWO, (0, 0), 3),
        lambda: Scatter(TWO, (0, 3), 3),
        lambda: Scatter(TWO, (0,), 3),
        lambda: Scatter(ONE, (0,), 1 << 21),
        lambda: Concatenate(()),
        lambda: Scale(TWO, (1.0,), (0.0, 0.0)),
        lambda: Scale(TWO, (1.0, np.nan), (0.0, 0.0)),
        lambda: Scale(TWO, (1.0, 1.0), (0.0, np.inf)),
        lambda: Affine(TWO, ((1.0,),), (0.0,)),
        lambda: Affine(TWO, ((1.0, 1.0),), ()),
        lambda: Affine(TWO, (), ()),
        lambda: Apply(TWO, "eval"),
        lambda: Apply(TWO, "sum"),
        lambda: Interpolate(TWO, (0.0, 1.0), (0.0, 1.0)),
        lambda: Interpolate(ONE, (0.0, 0.0), (0.0, 1.0)),
        lambda: Interpolate(ONE, (0.0, 1.0), (0.0,)),
        lambda: Interpolate(ONE, (), ()),
        lambda: InversePower(TWO, "yeo-johnson", (1.0,)),
        lambda: InversePower(TWO, "log", (1.0, 1.0)),
        lambda: Average((ONE, TWO), (1.0, 1.0)),
        lambda: Average((ONE, ONE), (1.0, -1.0)),
        lambda: Average((ONE, ONE), (1.0,)),
        lambda: Average((), ()),
        lambda: Exceeds(ONE, np.nan, inclusive=True),
        lambda: Votes(TWO),
        lambda: PairScores(THREE, ONE),
        lambda: PairScores(TWO, TWO),
        lambda: Couple(Scores(tuple(range(257 * 128)))),
    ],
)
def test_operations_that_make_no_sense_are_refused(make):
    with pytest.raises(ParameterError):
        make()


def test_samples_are_computed_some_at_a_time(monkeypatch):
    scores = np.random.default_rng(0).normal(size=(1000, 3))
    expression = Softmax(Scale(THREE, (1.0, 2.0, 3.0), (0.0, 0.0, 1.0)))
    whole = evaluate(expression, scores)
    monkeypatch.setattr(expressions, "_AT_ONCE", 100)
    assert np.array_equal(evaluate(expression, scores), whole)
    assert evaluate(expression, scores[:0]).shape == (0, 3)


def test_what_several_need_is_computed_once_and_written_once():
    shares = Softmax(THREE)
    for _ in range(200):  # as a tree it would be of 2^200 steps
        shares = Average((shares, shares), (1.0, 1.0))
    maps = Maps(shares, shares)
    assert len(maps.to_fields()["steps"]) == 202
    copy = Maps.from_fields(maps.to_fields())
    assert copy == maps
    assert hash(copy) == hash(maps)
    scores = np.array([[0.0, 1.0, 2.0]])
    assert np.array_equal(evaluate(copy.predict, scores), evaluate(maps.predict, scores))
    assert str(maps) == "scores, softmax, 200 × average"
    assert maps != Maps(shares)
    assert maps != "maps"


numbers = st.floats(-1e6, 1e6)


@st.composite
def graphs(draw):
    """Expressions of any shape, which share parts."""
    made = [Scores(tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))))]

    def some():
        return draw(st.sampled_from(made))

    def row(count):
        return tuple(draw(st.lists(numbers, min_size=count, max_size=count)))

    for kind in draw(st.lists(st.integers(0, 10), max_size=12)):
        of = some()
        width = of.width
        alike = [each for each in made if each.width == width]
        made.append(
            [
                lambda of=of: Columns(of, tuple(draw(st.lists(st.integers(0, of.width - 1), min_size=1, max_size=4)))),
                lambda of=of, width=width: Scatter(of, tuple(range(1, width + 1)), width + 2),
                lambda of=of: Concatenate((of, some())),
                lambda of=of, width=width: Scale(of, row(width), row(width)),
                lambda of=of, width=width: Affine(of, (row(width), row(width)), row(2)),
                lambda of=of: Apply(of, draw(st.sampled_from(["exp", "sigmoid", "square", "log1p", "log-sigmoid"]))),
                lambda of=of: Interpolate(Columns(of, (0,)), (-1.0, 0.5), row(2)),
                lambda of=of: Softmax(of),
                lambda of=of, alike=alike: Average((of, draw(st.sampled_from(alike))), (1.0, 2.0)),
                lambda of=of: Exceeds(of, draw(numbers), draw(st.booleans())),
                lambda of=of: Decide(of),
            ][kind]()
        )
    return Maps(made[-1], draw(st.none() | st.sampled_from(made)), draw(st.none() | st.sampled_from(made)))


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_json_keeps_every_expression(maps):
    text = json.dumps(maps.to_fields())
    copy = Maps.from_fields(json.loads(text))
    assert copy == maps
    assert json.dumps(copy.to_fields()) == text
    scores = np.random.default_rng(0).normal(size=(3, maps.scores))
    for one, other in ((maps.predict, copy.predict), (maps.probabilities, copy.probabilities)):
        if one is not None:
            assert np.array_equal(evaluate(one, scores), evaluate(other, scores), equal_nan=True)
    further = maps.shifted(2)
    wide = np.hstack([np.zeros((3, 2)), scores])
    assert np.array_equal(evaluate(further.predict, wide), evaluate(maps.predict, scores), equal_nan=True)


READING = Reading.classification(["a", "b", "c"], maps=Maps(THREE, Softmax(THREE), THREE))
SCORES, SOFTMAX = {"op": "scores", "places": [0, 1, 2]}, {"op": "softmax", "of": 0}


def changed(**fields):
    """The JSON of a reading of three classes with other fields, those of its maps included."""
    document = json.loads(READING.to_json())
    for name, value in fields.items():
        (document if name in document else document["maps"])[name] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": None},
        {"steps": {}},
        {"steps": []},
        {"steps": [SCORES]},
        {"steps": [SCORES, {"op": "softmax", "of": 1}]},
        {"steps": [SCORES, {"op": "softmax", "of": -1}]},
        {"steps": [SCORES, {"op": "softmax", "of": False}]},
        {"steps": [SCORES, {"op": "softmax", "of": 0.0}]},
        {"steps": [SCORES, {"op": "softmax", "of": [0]}]},
        {"steps": [SCORES, {"op": "softmax"}]},
        {"steps": [SCORES, {"op": "softmax", "of": 0, "width": 3}]},
        {"steps": [SCORES, {"op": "eval", "of": 0}]},
        {"steps": [SCORES, {"op": ["softmax"], "of": 0}]},
        {"steps": [SCORES, {"of": 0}]},
        {"steps": [SCORES, 3]},
        {"steps": [SCORES, SOFTMAX, SOFTMAX]},  # one that no answer needs
        {"steps": [{"op": "scores", "places": [0, 1]}, SOFTMAX]},  # of another width
        {"steps": [{"op": "scores", "places": [0, 1, True]}, SOFTMAX]},
        {"steps": [{"op": "scores", "places": [0, 1, 10**20]}, SOFTMAX]},
        {"steps": [SCORES, {"op": "concatenate", "parts": [0, 1]}]},
        {"steps": [SCORES, {"op": "concatenate", "parts": 0}]},
        {"steps": [SCORES, {"op": "average", "parts": [0], "weights": ["1"]}]},
        {"steps": [SCORES, {"op": "apply", "of": 0, "function": "__class__"}]},
        {"steps": [SCORES, {"op": "scatter", "of": 0, "places": [0, 1, 2], "columns": 1 << 40}]},
        pytest.param({"steps": [SCORES, SOFTMAX] * 40_000}, marks=pytest.mark.thorough),
        pytest.param({"steps": [{"op": "scores", "places": [0] * 60_000}] * 20}, marks=pytest.mark.thorough),
        {"steps": [SCORES, {"op": "columns", "of": 0, "places": [0, 1]}]},  # probabilities of another width
        {"predict": None},
        {"predict": 2},
        {"predict": True},
        {"predict": "0"},
        {"probabilities": -1},
        {"more": 1},
        {"maps": None, "task": "multilabel"},
        {"maps": {}},
        {"maps": [1]},
        {"maps": 3},
        {"probability": "softmax"},
        {"task": "regression"},
        {"task": "multioutput"},
        {"outputs": 3},
        {"outputs": [{}]},
        {"deviance": 1.5},
        {"deviance": "1"},
        {"classes": ["a", "b"]},
        {"dtype": "<U99"},
    ],
    ids=lambda fields: json.dumps(fields)[:60],
)
def test_a_stranger_s_maps_are_refused(fields):
    with pytest.raises(WireFormatError, match="reading"):
        Reading.from_json(changed(**fields))


def test_there_is_an_end_to_steps_and_to_numbers_of_a_sample(monkeypatch):
    assert Reading.from_json(READING.to_json()) == READING
    for name, most in (("MOST_STEPS", 1), ("MOST_CELLS", 8)):
        with monkeypatch.context() as patch, pytest.raises(WireFormatError):
            patch.setattr(expressions, name, most)
            Reading.from_json(READING.to_json())
    with pytest.raises(ParameterError, match="too many for a client"):
        Maps(Average((Scores((0,) * 1000),) * 2000, (1.0,) * 2000))


def test_numbers_that_are_none_are_refused():
    text = changed(steps=[SCORES, {"op": "scale", "of": 0, "factors": [1.5, 1.0, 1.0], "shifts": [0.0, 0.0, 0.0]}])
    assert Reading.from_json(text).maps is not None
    for number in ("NaN", "Infinity", "1e999", '"1"', "null", "true"):
        with pytest.raises(WireFormatError):
            Reading.from_json(text.replace("1.5", number))


@pytest.mark.thorough
def test_what_a_stranger_may_send_is_computed_in_little_time():
    """The deepest and the widest reading that are taken."""
    deep = Reading.regression(maps=Maps(THREE))
    document = json.loads(deep.to_json())
    steps = [SCORES, *({"op": "softmax", "of": place} for place in range(20_000))]
    document["maps"] |= {"steps": steps, "predict": len(steps) - 1}
    start = time.perf_counter()
    reading = Reading.from_json(json.dumps(document))
    assert reading.predict([[1.0, 2.0, 3.0]]).shape == (1, 3)
    assert reading.to_json() == Reading.from_json(reading.to_json()).to_json()
    assert time.perf_counter() - start < 20


def test_outputs_are_classifications_with_maps_and_have_no_outputs_themselves():
    one = Reading.classification(["a", "b"], maps=Maps(TWO))
    several = Reading.multioutput([one, READING], ["x", "y"])
    assert several.predict([[0.0, 1.0, 2.0]]).tolist() == [["b", "c"]]
    assert Reading.from_json(several.to_json()) == several
    for outputs in ([], [several], [Reading.classification(["a", "b"])], [Reading.regression(maps=Maps(ONE))]):
        with pytest.raises(ParameterError):
            Reading.multioutput(outputs)
    with pytest.raises(UnsupportedOperation):
        several.decision_function([[0.0, 1.0, 2.0]])
    with pytest.raises(UnsupportedOperation):
        several.predict_proba([[0.0, 1.0, 2.0]])
    assert several.score([[0.0, 1.0, 2.0]] * 2, [["b", "c"], ["b", "a"]]) == 0.5
    with pytest.raises(ShapeMismatch):
        several.score([[0.0, 1.0, 2.0]] * 2, [["b"], ["b"]])


def test_scores_of_another_width_are_refused():
    for reading, width in ((READING, 2), (READING, 4), (Reading.regression(maps=Maps(Apply(ONE, "exp"))), 2)):
        with pytest.raises(ShapeMismatch, match="scores"):
            reading.predict(np.zeros((1, width)))
        with pytest.raises(ShapeMismatch):
            reading.require_widths(5, width)


def test_readings_say_what_they_are():
    labels = Reading.multilabel(["rain", "wind"], Maps(Exceeds(TWO, 0.0, inclusive=False), Apply(TWO, "sigmoid"), TWO))
    assert repr(labels) == (
        "Reading('multilabel', ['rain', 'wind'], features=None, probability=None, maps='scores, exceeds, apply')"
    )
    assert labels.predict([[1.0, -1.0]]).tolist() == [[1, 0]]
    assert labels.decision_function([[1.0, -1.0]]).tolist() == [[1.0, -1.0]]
    assert repr(Reading.multioutput([READING])) == "Reading('multioutput', features=None, outputs=1)"
    assert repr(Reading.regression(maps=Maps(Apply(ONE, "exp")))).endswith("maps='scores, apply')")
    assert labels.finish is None
    assert READING.finish == "argmax"
    with pytest.raises(ParameterError):
        Reading.multilabel(["rain"], Maps(TWO))
    with pytest.raises(ParameterError):
        Reading.multilabel([], Maps(TWO))
    with pytest.raises(ParameterError):
        Reading("multilabel", ("rain",))


def test_a_decision_that_scikit_learn_does_not_have_is_refused():
    reading = Reading.classification(["a", "b", "c"], maps=Maps(THREE))
    with pytest.raises(UnsupportedOperation, match="decision_function"):
        reading.decision_function([[0.0, 1.0, 2.0]])
    with pytest.raises(UnsupportedOperation, match="predict_proba"):
        reading.predict_proba([[0.0, 1.0, 2.0]])


@pytest.mark.parametrize("power", [-1.0, 0.0, 1.0, 1.5, 2.0, 3.0])
def test_the_share_of_deviance_is_scikit_learn_s(power):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    wanted, got = rng.uniform(0.1, 3, 20), rng.uniform(0.1, 3, 20)
    wanted[0] = 0.0 if power < 2 else wanted[0]
    found = Reading.regression(deviance=power).score(got[:, None], wanted)
    assert found == pytest.approx(metrics.d2_tweedie_score(wanted, got, power=power))


def test_values_that_a_distribution_does_not_have_are_refused():
    for power, bad in ((1.0, -1.0), (2.0, 0.0), (3.0, -1.0)):
        with pytest.raises(ParameterError, match="Tweedie"):
            Reading.regression(deviance=power).score([[1.0], [1.0]], [1.0, bad])
    for power in (0.5, np.nan, np.inf):
        with pytest.raises(ParameterError):
            Reading.regression(deviance=power)
