"""Bounds and samples are told apart, and clients scale by the bounds."""

import numpy as np
import pytest
from support import on_each

import fhenn
from fhenn.columns import prepared_table
from fhenn.errors import (
    BoundsExceeded,
    NonFiniteValue,
    ParameterError,
    PlanError,
    PlanWarning,
    SamplesWarning,
    ShapeMismatch,
)
from fhenn.planner.scaling import scale, scaled_bounds, scaled_nodes
from fhenn.ranges import Inputs, bounds_of, box_of

NODES = [fhenn.Linear([[1.0, 2.0, 3.0]])]


def test_bounds_are_a_pair_or_one_for_each_feature():
    for bounds in ([-1, 1], [[-1, -1, -1], [1, 1, 1]]):
        known = Inputs.of(NODES, bounds=bounds)
        assert (known.low.tolist(), known.high.tolist()) == ([-1] * 3, [1] * 3)
        assert known.samples is None
        assert known.declared


@pytest.mark.filterwarnings("ignore::fhenn.errors.SamplesWarning")
def test_samples_give_bounds_whatever_their_number():
    x = np.array([[1.0, 2.0, 3.0], [0.0, 5.0, 3.0]])
    for rows in (x, x[:1], x[0], np.tile(x, (5, 1))):
        known = Inputs.of(NODES, inputs=rows)
        assert known.low.tolist() == np.atleast_2d(rows).min(axis=0).tolist()
        assert known.high.tolist() == np.atleast_2d(rows).max(axis=0).tolist()
        assert not known.declared
        assert known.samples.shape[1] == 3


def test_both_together():
    known = Inputs.of(NODES, bounds=[-1, 1], inputs=[[0.5, 0.5, 0.5]])
    assert known.high.tolist() == [1] * 3
    assert known.samples.shape == (1, 3)
    with pytest.raises(ParameterError, match=r"sample 1 has 2 as its feature 2, outside the bounds \[-1, 1\]"):
        Inputs.of(NODES, bounds=[-1, 1], inputs=[[0.5, 0.5, 0.5], [0, 0, 2]])


def test_swapped_bounds_name_the_feature():
    for bounds, text in (
        ([[0, 3, 0], [1, 2, 1]], "feature 1 has a lower bound of 3, above its upper bound of 2"),
        ({"age": [0, 1], "crp": [0, 1], "bmi": [5, 4]}, "feature 'bmi' has a lower bound of 5"),
    ):
        with pytest.raises(ParameterError, match=text):
            Inputs.of(NODES, bounds=bounds)


@pytest.mark.parametrize("names", [None, ["age", "b", "c"]])
def test_bounds_in_another_form_are_told_the_forms_that_there_are(names):
    model = fhenn.interop.ImportedModel([fhenn.Linear(np.ones((1, 3)))], fhenn.interop.Reading.regression(names))
    pairs = [(0, 120), (0, 1), (0, 2)]
    with pytest.raises(ShapeMismatch, match=r"\(lows, highs\) .* by name, {'age': \(low, high\), …}"):
        fhenn.plan(model, bounds=pairs)
    lows, highs = zip(*pairs, strict=True)
    by_name = dict(zip(["age", "b", "c"], pairs, strict=True))
    for bounds in ((lows, highs), by_name):
        for low, high in (
            fhenn.plan(model, bounds=bounds).bounds,
            fhenn.encrypted_model(model, bounds=bounds).plan.bounds,
            fhenn.plan(model.for_inputs(bounds=bounds), bounds=bounds).bounds,
        ):
            assert (low.tolist(), high.tolist()) == ([*lows], [*highs])
        certificate = fhenn.certify(model, bounds=bounds)
        assert (certificate.low, certificate.high) == (lows, highs)


def test_a_pair_as_inputs_is_a_sample_and_no_bounds():
    pair = [-1, 1]
    with pytest.raises(ShapeMismatch):
        fhenn.plan(NODES[0], inputs=pair)
    with pytest.warns(SamplesWarning, match="bounds="):
        known = Inputs.of([fhenn.Linear(np.eye(2))], inputs=pair)
    assert known.samples.tolist() == [pair]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, ParameterError),
        ({"bounds": [[1, 2, 3]]}, ShapeMismatch),
        ({"bounds": np.zeros((3, 3))}, ShapeMismatch),
        ({"bounds": [1, -1]}, ParameterError),
        ({"bounds": [-np.inf, 1]}, NonFiniteValue),
        ({"inputs": [[1, 2]]}, ShapeMismatch),
        ({"inputs": np.zeros((0, 3))}, ShapeMismatch),
        ({"inputs": [[np.nan, 0, 0]]}, NonFiniteValue),
        ({"inputs": [1.0]}, ShapeMismatch),
    ],
    ids=str,
)
def test_what_is_neither_is_refused(given, error):
    with pytest.raises(error):
        Inputs.of(NODES, **given)
    with pytest.raises(PlanError, match="start with a Linear"):
        Inputs.of([fhenn.Square()], bounds=[-1, 1])


@on_each
def test_copies_in_single_precision_are_inside_their_own_bounds():
    x = np.random.default_rng(0).normal(size=(200, 3)) * [1e-6, 1.0, 1.7e9]
    model = fhenn.Linear([[1e6, 1.0, 1e-9]])
    plan = fhenn.plan(model, inputs=x)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    copies = x.astype(np.float32)
    assert (copies > x.max(axis=0)).any() or (copies < x.min(axis=0)).any()
    scores = client.decrypt_scores(server.predict(client.encrypt(copies)))
    assert np.abs(scores - model.infer(copies.astype(np.float64))).max() <= plan.error
    with pytest.raises(BoundsExceeded):
        client.encrypt(x * (1 + 1e-6))


def test_scaled_features_and_layer_are_the_model():
    draw = np.random.default_rng(1)
    low = draw.normal(size=5) * [1e-12, 1e-3, 1, 1e6, 1e12]
    high = low + np.abs(draw.normal(size=5)) * [1e-12, 0, 1, 1e6, 1e12]
    layer = fhenn.Linear(draw.normal(size=(4, 5)) / [1e-12, 1e-3, 1, 1e6, 1e12], draw.normal(size=4))
    x = draw.uniform(low, high, (50, 5))
    scaled = scale(x, low, high)
    assert np.abs(scaled).max() <= 1 + 1e-12
    (first,) = scaled_nodes([layer], low, high)
    assert first.name == "Linear"
    np.testing.assert_allclose(first.infer(scaled), layer.infer(x), rtol=1e-12, atol=1e-12)


def test_a_feature_that_is_always_0_is_encrypted_as_0():
    low, high = np.zeros(1), np.zeros(1)
    assert scale(np.zeros((2, 1)), low, high).tolist() == [[0.0], [0.0]]
    assert [end.tolist() for end in scaled_bounds(low, high)] == [[0.0], [0.0]]


def test_a_box_is_wider_by_a_step_of_single_precision():
    low, high = box_of(np.array([-2.0, 0.0, 3.0]), np.array([1.0, 0.0, 3.0]))
    np.testing.assert_allclose(low - [-2, 0, 3], -np.array([2, 0, 3]) * 2.0**-23)
    np.testing.assert_allclose(high - [1, 0, 3], np.array([2, 0, 3]) * 2.0**-23)


@on_each
@pytest.mark.parametrize("layout", ["latency", "throughput"])
def test_a_timestamp_beside_a_small_feature(layout):
    """Scaled by the client they are alike, whatever their magnitudes are."""
    draw = np.random.default_rng(2)
    x = np.column_stack([1.7e9 + 1e5 * draw.random(40), 1e-9 * draw.normal(size=40)])
    model = fhenn.Linear([[1e-5, 1e9]], [-1.7e4])
    plan = fhenn.plan(model, inputs=x, layout=layout)
    assert plan.parameters.ring_degree == 4096
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    scores = client.decrypt_scores(server.predict(client.encrypt(x)))
    assert np.abs(scores - model.infer(x)).max() <= plan.error <= 1e-3


def some_pixels(seed=0, features=12):
    """Values of one unit, with 0 in each column, of which the last two are 0 in the samples planned from."""
    values = np.random.default_rng(seed).uniform(size=(40, features)).round(2)
    values[0], values[1, :-2] = 0.0, 1.0
    values[:, -2:] = 0.0
    return values


def test_features_that_are_constant_in_the_samples_take_the_bounds_of_all_where_the_unit_is_one():
    values = some_pixels()
    values[:, 3] *= 0.2  # one that is nearly black: alike is what most of them are
    with pytest.warns(SamplesWarning) as caught:
        low, high = bounds_of(values, margin=0.5)
    assert (low.tolist(), high.tolist()) == ([-0.5] * 12, [1.5] * 12)
    said = caught[0].message
    assert isinstance(said, PlanWarning)
    assert (said.samples, said.equal, said.features, said.shared) == (40, (10, 11), 12, (0.0, 1.0))
    assert "2 of 12 features are equal in all 40 samples: features 10, 11." in str(said)
    assert "the bounds of all together, [0, 1]. Say what they can be otherwise: bounds=." in str(said)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values * np.r_[np.full(7, 1e-3), 1, 1, 1, 1, 1],  # seven of ten are narrow
        lambda values: values * np.geomspace(1, 1e6, 12),
        lambda values: values + np.r_[np.zeros(10), 0.0, 2.5],  # a constant that no other feature reaches
        lambda values: values[:, 7:],  # three that vary
    ],
    ids=["narrow", "many units", "outside", "few"],
)
def test_constants_stay_constant_where_the_unit_is_not_plainly_one(change):
    values = change(some_pixels())
    with pytest.warns(SamplesWarning, match=r"Other values of theirs will be refused\. Say what .* bounds=") as caught:
        low, high = bounds_of(values, margin=0.5)
    assert np.flatnonzero(low == high).tolist() == [values.shape[1] - 2, values.shape[1] - 1]
    assert caught[0].message.shared is None
    varies = values[:, :-2]
    assert low[:-2] == pytest.approx(varies.min(axis=0) - 0.5 * np.ptp(varies, axis=0))


def test_what_a_preparation_makes_is_of_many_units_however_it_looks():
    values = some_pixels()
    model = fhenn.Sequential([fhenn.Linear(np.ones((1, values.shape[1])) / 100)])
    names = [f"feature {place}" for place in range(values.shape[1])]
    with pytest.warns(SamplesWarning, match="of one unit"):
        bounds_of(values)
    with pytest.warns(SamplesWarning, match="Other values of theirs will be refused") as caught:
        plan = fhenn.plan(model, inputs=prepared_table(values, names))
    assert caught[0].message.shared is None
    assert np.array_equal(plan.bounds, [values.min(axis=0), values.max(axis=0)])


def test_bounds_of_one_or_two_samples_are_said_to_be_so_and_widths_alone_say_nothing():
    for count, text in ((1, "those of 1 sample,"), (2, "those of 2 samples,")):
        with pytest.warns(SamplesWarning, match=text) as caught:
            low, high = bounds_of(some_pixels()[:count])
        assert caught[0].message.equal == ()
        assert (low[-1], high[-1]) == (0.0, 0.0)
    with pytest.raises(ParameterError, match="margin must be a finite number from 0"):
        bounds_of(some_pixels(), margin=-1)


def test_whoever_takes_bounds_from_samples_warns_and_a_value_where_all_were_equal_is_named():
    values = some_pixels() * np.geomspace(1, 1e6, 12)
    node = fhenn.Linear(np.ones((1, 12)))
    with pytest.warns(SamplesWarning):
        plan = fhenn.plan(node, inputs=values)
    stray = values[:1].copy()
    stray[0, 10] = 0.5
    with pytest.raises(BoundsExceeded) as error:
        fhenn.Client(plan).require_bounds(stray)
    assert str(error.value) == (
        "feature 10 leaves its declared bounds in sample 0; the furthest value is 0.5, outside [0, 0], since all "
        "samples that the plan was made from are equal there. Clip the data, or plan again with wider bounds: bounds=."
    )
