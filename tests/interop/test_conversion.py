"""Trained networks in as they are: degrees for the whole network, and the report."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fhenn
from fhenn.errors import (
    AccuracyLost,
    ConversionWarning,
    MissingValues,
    NonFiniteValue,
    ParameterError,
    PlanWarning,
    RangeWarning,
    SamplesWarning,
    ShapeMismatch,
)
from fhenn.interop import Conversion, ImportedModel, Reading
from fhenn.interop.conversion import Converter, Goal
from fhenn.interop.encrypted import planned
from fhenn.interop.equalise import equalised
from fhenn.nn import circuit, deepest, wired


def fitted(load, hidden=(16,), kind=MLPClassifier, **options):
    X, y = load(return_X_y=True) if callable(load) else load
    train, test, labels, truth = train_test_split(X, y, random_state=0, stratify=y if kind is MLPClassifier else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        exact = make_pipeline(
            StandardScaler(), kind(hidden_layer_sizes=hidden, max_iter=200, random_state=0, **options)
        )
        exact.fit(train, labels)
    return exact, train, labels, test, truth


@pytest.fixture(scope="module")
def wine():
    return fitted(load_wine)


@pytest.fixture(scope="module")
def deep():
    return fitted(load_breast_cancer, (16, 8))


def of(fitted_, **options):
    exact, train, *_ = fitted_
    return fhenn.from_sklearn(exact, inputs=train, **options)


def test_relu_is_converted_and_says_so(wine):
    exact, train, labels, test, _ = wine
    model = of(wine, labels=labels)
    report = model.conversion
    assert np.mean(model.predict(test) == exact.predict(test)) >= 0.97
    assert report.agreement == np.mean(model.predict(train) == exact.predict(train)) >= 0.99
    assert (report.exact, report.twin) == (exact.score(train, labels), model.score(train, labels))
    assert report.levels == model.cost
    assert report.samples == len(train)
    (row,) = report.nodes
    (node,) = model.stand_ins
    assert (row.degree, row.levels, row.domain) == (node.polynomial.degree, node.cost, node.domain)
    assert row.function == "relu"
    values = model.nodes[0].infer(train)
    assert row.error == pytest.approx(np.sqrt(np.mean((node.infer(values) - np.maximum(values, 0)) ** 2)))
    assert 0 < row.effect < 0.5


@pytest.mark.thorough
def test_the_report_prints_as_a_table(deep):
    text = str(of(deep, labels=deep[2]).conversion)
    first, *rows, levels, agreement, accuracy = text.splitlines()
    assert first.split()[:4] == ["activation", "function", "degree", "levels"]
    assert [row.split()[:3] for row in rows] == [["1", "ReLU", "relu"], ["2", "ReLU", "relu"]]
    assert levels.strip() == "11 levels; ring N=32768, by estimate, for single samples at 128-bit security"
    assert agreement.strip().startswith("agrees with the exact model in")
    assert accuracy.strip().startswith("accuracy")
    assert len({len(line) for line in (first, *rows)}) == 1


def test_a_report_without_a_ring_says_so():
    assert "no ring found at 128-bit security" in str(Conversion((), 30, 100, 0.99))


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["wine", "deep"])
def test_the_ring_is_the_one_that_is_planned(name, request):
    exact, train, *_ = request.getfixturevalue(name)
    model = fhenn.from_sklearn(exact, inputs=train)
    plan = fhenn.plan(model, inputs=train, bounds=np.stack(model.bounds(train)), ranges="data", rows=1)
    assert model.conversion.ring == plan.parameters.ring_degree


@pytest.mark.thorough
def test_the_ring_of_a_smooth_model_is_that_of_the_worst_case():
    exact, train, *_ = fitted(load_wine, activation="logistic")
    model = fhenn.from_sklearn(exact, inputs=train)
    private = fhenn.encrypted_model(model, train, rows=1)
    assert private.plan.ranges is None
    assert model.conversion.ring == private.plan.parameters.ring_degree


def test_the_report_is_data(wine):
    report = of(wine).conversion
    assert report.exact is report.twin is None
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301  (our own bytes)
    with pytest.raises(AttributeError):
        report.levels = 3


@pytest.mark.thorough
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_every_activation_of_scikit_learn(activation):
    exact, train, labels, test, _ = fitted(load_wine, activation=activation)
    model = fhenn.from_sklearn(exact, inputs=train, accuracy=None, labels=labels)
    assert np.mean(model.predict(test) == exact.predict(test)) >= 0.97
    assert model.conversion.twin >= model.conversion.exact - 0.01
    assert len(model.conversion.nodes) == (activation != "identity")


def test_regression_is_converted_to_how_the_outputs_vary():
    data = make_regression(400, 6, noise=1.0, random_state=0)
    exact, train, labels, test, truth = fitted(data, (32,), MLPRegressor, solver="lbfgs")
    model = fhenn.from_sklearn(exact, inputs=train, labels=labels)
    off = np.mean((model.predict(train) - exact.predict(train)) ** 2) / exact.predict(train).var()
    assert 1 - model.conversion.agreement == pytest.approx(off, rel=1e-6)
    assert off <= 0.005
    assert abs(model.score(test, truth) - exact.score(test, truth)) < 0.01
    assert "R²" in str(model.conversion)


@pytest.mark.thorough
def test_more_agreement_takes_more_levels(deep):
    depths = [of(deep, agreement=agreement).cost for agreement in (0.9, 0.98, 0.995)]
    assert depths == sorted(depths)
    assert depths[0] < depths[-1]


@pytest.mark.thorough
def test_no_shallower_network_of_the_path_agrees(deep):
    model = of(deep, agreement=0.995)
    with pytest.warns(ConversionWarning, match="where 99.50% was asked for") as caught:
        shallower = of(deep, agreement=0.995, depth=model.cost - 1)
        if shallower.conversion.agreement >= 0.995:  # it agrees on the samples, and is too close to turning
            warnings.warn(ConversionWarning(0.99, 0.995, 1), stacklevel=1)
    assert shallower.cost == model.cost - 1
    assert caught[0].message.levels in (shallower.cost, 1)


def test_levels_go_where_they_matter():
    """Of two activations one hardly matters: its output is multiplied by next to nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    nodes = [
        fhenn.Linear(rng.normal(size=(8, 4))),
        fhenn.Residual(
            fhenn.Sequential(
                [fhenn.Linear(rng.normal(size=(8, 8))), fhenn.ReLU(), fhenn.Linear(1e-3 * rng.normal(size=(8, 8)))]
            )
        ),
        fhenn.ReLU(),
        fhenn.Linear(rng.normal(size=(1, 8))),
    ]
    small, large = nodes[1].body.nodes[1], nodes[2]
    model = ImportedModel(nodes, Reading.regression(), [small, large]).for_inputs(x)
    first, second = model.conversion.nodes
    assert first.levels < second.levels
    assert first.effect < second.effect


@pytest.mark.thorough
def test_branches_are_levelled_by_the_deeper_one():
    """What a shallow branch takes more is free."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    body = fhenn.Sequential(
        [fhenn.Linear(rng.normal(size=(6, 4))), fhenn.ReLU(), fhenn.Linear(rng.normal(size=(6, 6))), fhenn.ReLU()]
    )
    shortcut = fhenn.Sequential([fhenn.Linear(rng.normal(size=(6, 4))), fhenn.ReLU()])
    nodes = [fhenn.Linear(np.eye(4)), fhenn.Residual(body, shortcut), fhenn.Linear(rng.normal(size=(1, 6)))]
    stand_ins = [body.nodes[1], body.nodes[3], shortcut.nodes[1]]
    model = ImportedModel(nodes, Reading.regression(), stand_ins).for_inputs(x, agreement=0.95)
    first, second, beside = model.conversion.nodes
    # with one more both branches would be as deep, and their sum takes a level where they have two scales
    assert beside.levels == min(6, first.levels + second.levels)
    assert model.cost == model.conversion.levels


def test_equalised_units_compute_the_same(deep):
    exact, train, *_ = deep
    plain = fhenn.from_sklearn(exact)
    steps, stand_ins = list(wired(plain)), plain.stand_ins
    places = [place for place, step in enumerate(steps) if step in stand_ins]
    seen = Converter(steps, places, train, 1.5, 2).reaching
    model = equalised(plain, stand_ins, dict(zip(map(id, stand_ins), (seen[place] for place in places), strict=True)))
    before, after = (Converter(list(wired(each)), places, train, 1.5, 2).exact_outputs() for each in (plain, model))
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)
    reaching = Converter(list(wired(model)), places, train, 1.5, 2).reaching
    for values in reaching.values():
        assert np.abs(values).max(axis=0).max() == pytest.approx(1.0)
        assert np.sort(np.abs(values).max(axis=0))[1] > 0.9


def test_images_are_equalised_by_channel():
    rng = np.random.default_rng(0)
    nodes = [
        fhenn.Conv2d(rng.normal(size=(3, 1, 3, 3)) * np.array([1.0, 10.0, 0.1]).reshape(-1, 1, 1, 1)),
        fhenn.ReLU(),
        fhenn.AvgPool2d(2),
        fhenn.nn.Flatten(),
        fhenn.Linear(rng.normal(size=(2, 27))),
    ]
    images = rng.normal(size=(200, 1, 8, 8))
    model = ImportedModel(nodes, Reading.classification([0, 1]), [nodes[1]], shape=(1, 8, 8))
    converted = model.for_inputs(images)
    weights = np.abs(converted.nodes[0].weight).reshape(3, -1).max(axis=1)
    assert weights.max() / weights.min() < 4
    reached = converted.nodes[0].infer(images)
    exact = converted.nodes[4].infer(converted.nodes[3].infer(converted.nodes[2].infer(np.maximum(reached, 0))))
    truth = nodes[4].infer(model.nodes[3].infer(model.nodes[2].infer(np.maximum(model.nodes[0].infer(images), 0))))
    np.testing.assert_allclose(exact, truth, rtol=1e-9, atol=1e-9)
    assert converted.conversion.agreement >= 0.99


@pytest.mark.thorough
def test_smooth_functions_go_as_before_unless_asked():
    exact, train, *_ = fitted(load_wine, activation="tanh")
    before = fhenn.from_sklearn(exact, inputs=train)
    assert before.stand_ins[0].sup_error() <= 1e-3
    assert before.conversion.agreement == 1.0
    assert fhenn.from_sklearn(exact, inputs=train, accuracy=None).cost < before.cost
    assert fhenn.from_sklearn(exact, inputs=train, depth=np.int64(4)).cost <= 4
    assert fhenn.from_sklearn(exact, inputs=train, agreement=0.9).cost < before.cost


@pytest.mark.filterwarnings("ignore::fhenn.errors.PlanWarning")  # of ranges from data
@pytest.mark.thorough
def test_the_encrypted_model_is_the_one_that_was_converted(wine):
    exact, train, _, test, _ = wine
    model = of(wine)
    private = fhenn.encrypted_model(model, train, on_bounds="clip", on_violation="warn")
    assert private.model.stand_ins[0].polynomial == model.stand_ins[0].polynomial
    assert len(private.plan.witnesses) == 1
    inside = test[:8]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (RangeWarning))
        warnings.simplefilter("ignore", fhenn.errors.BoundsWarning)
        assert (private.predict(inside) == exact.predict(inside)).all()


@pytest.mark.filterwarnings("ignore::fhenn.errors.PlanWarning")  # of ranges from data
@pytest.mark.thorough
def test_an_encrypted_model_converts_what_was_not(wine):
    exact, train, *_ = wine
    private = fhenn.encrypted_model(fhenn.from_sklearn(exact), train)
    assert private.model.conversion.agreement >= 0.99


def planned_with(model, train, **goal):
    """The twin that `encrypted_model` plans for, without keys."""
    return planned(model, model.inputs(train), 1e-3, rows=1, goal=Goal(**goal))


@pytest.mark.filterwarnings("ignore::fhenn.errors.PlanWarning")  # of ranges from data
@pytest.mark.thorough
def test_an_encrypted_model_takes_what_the_importers_take(wine):
    exact, train, labels, *_ = wine
    plain = fhenn.from_sklearn(exact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        for goal in ({"depth": 4, "agreement": 1.0}, {"agreement": 0.9}, {"labels": labels}):
            twin, plan = planned_with(plain, train, **goal)
            direct = of(wine, **goal)
            assert twin.conversion == direct.conversion
            assert plan.model == fhenn.planner.fingerprint_of(direct)
        private = fhenn.encrypted_model(plain, train, depth=4, labels=labels, max_loss=0.9, rows=1)
    assert private.model.cost == private.model.conversion.levels == 4
    assert private.model.conversion.exact == exact.score(train, labels)


@pytest.mark.filterwarnings("ignore::fhenn.errors.PlanWarning")  # of ranges from data
@pytest.mark.thorough
def test_what_was_converted_is_converted_anew_where_that_is_asked(wine):
    _, train, labels, *_ = wine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        before = of(wine, depth=5, agreement=1.0)
        assert planned_with(before, train, depth=4)[0].cost == 4 < before.cost
    kept = planned_with(before, train, labels=labels)[0]
    assert kept.cost == before.cost
    assert kept.conversion.twin == before.score(train, labels)
    assert before.conversion.twin is None
    with pytest.raises(AccuracyLost):
        planned_with(before, train, depth=4, max_loss=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("known", [False, True], ids=["as imported", "converted before"])
def test_ranges_from_data_that_nobody_asked_for_are_warned_of_where_polynomials_go_by_agreement(wine, known):
    exact, train, *_ = wine
    model = of(wine) if known else fhenn.from_sklearn(exact)
    with pytest.warns(PlanWarning, match=r"chosen on what samples bring.*ranges from 133 samples") as caught:
        plan = fhenn.encrypted_model(model, inputs=train).plan
    assert plan.ranges.intervals
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked = fhenn.encrypted_model(model, inputs=train, ranges="data").plan
        fhenn.encrypted_model(model, inputs=train, agreement=0.9)
    assert asked.ranges == plan.ranges


@pytest.mark.thorough
def test_smooth_models_report_and_agree_where_that_is_asked():
    exact, train, labels, *_ = fitted(load_wine, activation="tanh")
    plain = fhenn.from_sklearn(exact)
    with pytest.warns(PlanWarning, match="does not fit"):
        twin, plan = planned_with(plain, train)
    assert twin.conversion is None
    with pytest.warns(PlanWarning, match="does not fit"):
        reported, same = planned_with(plain, train, labels=labels)
    assert (reported.conversion.exact, reported.cost) == (exact.score(train, labels), twin.cost)
    assert same.fingerprint == plan.fingerprint
    shallow, _ = planned_with(plain, train, agreement=0.97)
    assert shallow.cost < twin.cost
    assert shallow.conversion == fhenn.from_sklearn(exact, inputs=train, agreement=0.97).conversion


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"depth": 3}, "depth of 3 cannot be had: .* takes 4"),
        ({"depth": 0}, "whole number of levels"),
        ({"agreement": 2.0}, "agreement must be"),
        ({"max_loss": np.nan}, "max_loss must be"),
        ({"depth": 5, "ranges": "worst"}, "depth goes by samples, and the worst case"),
        ({"agreement": 0.9, "ranges": "worst"}, "agreement goes by samples, and the worst case"),
        ({"labels": ["a"] * 133}, "labels 'a' are none of the model's classes"),
    ],
    ids=str,
)
def test_what_an_encrypted_model_is_asked_wrongly(wine, options, text):
    exact, train, *_ = wine
    with pytest.raises(ParameterError, match=text):
        fhenn.encrypted_model(fhenn.from_sklearn(exact), train, **options)


@pytest.mark.parametrize("options", [{"depth": 5}, {"agreement": 0.9}, {"labels": [0]}, {"max_loss": 0.1}], ids=str)
def test_an_encrypted_model_without_samples_says_so(wine, options):
    with pytest.raises(ParameterError, match=f"{next(iter(options))} was given, and no samples"):
        fhenn.encrypted_model(fhenn.from_sklearn(wine[0]), bounds=[-3, 3], **options)


def test_without_samples_the_worst_case_counts(wine):
    exact, train, *_ = wine
    with pytest.warns(fhenn.errors.ApproximationWarning):
        model = fhenn.from_sklearn(exact, bounds=np.stack([train.min(axis=0), train.max(axis=0)]))
    assert model.stand_ins[0].polynomial.degree > 60
    assert model.conversion is None


@pytest.mark.thorough
def test_a_conversion_that_loses_too_much(deep):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        agreement = of(deep, depth=6).conversion.agreement
        assert of(deep, depth=6, max_loss=1.001 - agreement).conversion.agreement == agreement
        with pytest.raises(AccuracyLost, match="is lost, and") as caught:
            of(deep, depth=6, max_loss=0.999 - agreement)
    assert caught.value.lost == 1 - agreement
    assert isinstance(caught.value.report, Conversion)
    assert "ReLU" in str(caught.value.report)
    assert "\n" not in str(caught.value)


OPTIONS = [{"depth": 8}, {"agreement": 0.9}, {"labels": [0]}, {"max_loss": 0.1}, {"accuracy": None}]
"""What says something of samples."""


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"depth": 3}, ParameterError, "depth of 3 cannot be had: .* takes 6"),
        ({"depth": 0}, ParameterError, "whole number of levels"),
        ({"agreement": 0.0}, ParameterError, "agreement must be"),
        ({"agreement": 1.5}, ParameterError, "agreement must be"),
        ({"max_loss": -1.0}, ParameterError, "max_loss must be"),
        ({"accuracy": -1.0}, ParameterError, "accuracy must be"),
        ({"labels": [0, 1]}, ShapeMismatch, "one for each of the 426 samples"),
        ({"labels": ["a"] * 426}, ParameterError, "labels 'a' are none of the model's classes"),
        ({"labels": [np.nan] * 426}, MissingValues, "labels"),
        ({"depth": True}, ParameterError, "whole number of levels"),
        ({"depth": 8.0}, ParameterError, "whole number of levels"),
    ],
    ids=str,
)
def test_bad_arguments(deep, options, error, text):
    with pytest.raises(error, match=text):
        of(deep, **options)


def test_labels_in_two_axes_are_refused_before_anything_is_sought(deep, monkeypatch):
    monkeypatch.setattr(Converter, "search", lambda *_: pytest.fail("it was sought all the same"))
    with pytest.raises(ShapeMismatch, match="one for each of the 426 samples"):
        of(deep, labels=np.zeros((426, 1), int))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_needs_samples_says_so(wine, options):
    with pytest.raises(ParameterError, match="no samples to choose by"):
        fhenn.from_sklearn(wine[0], **options)


def test_data_that_never_reach_a_node(wine):
    exact, train, *_ = wine
    with pytest.raises(NonFiniteValue):
        fhenn.from_sklearn(exact, inputs=np.where(np.arange(13) == 2, np.nan, train))
    nodes = [fhenn.Linear([[0.0, 0.0]], [2.0]), fhenn.ReLU(), fhenn.Linear([[1.0]])]
    model = ImportedModel(nodes, Reading.regression(), [nodes[1]])
    with pytest.raises(ParameterError, match=r"ReLU \(relu\) is .* for all of them"):
        model.for_inputs(np.random.default_rng(0).normal(size=(50, 2)))


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::fhenn.errors.RangeWarning")  # an unseen digit may leave what others reach
def test_digits():
    exact, train, _, test, truth = fitted(load_digits, (64,))
    with pytest.warns(SamplesWarning, match="the same in all|one value|equal"):  # pixels at the edges
        model = fhenn.from_sklearn(exact, inputs=train)
    assert model.score(test, truth) >= exact.score(test, truth) - 0.01
    assert np.mean(model.predict(test) == exact.predict(test)) >= 0.98


def test_decisions_that_training_drove_apart_are_not_taken_for_safe():
    """No sample is near turning, and errors of 0.3 turn none; others may lie as close as the closest tenth's width."""
    scores = np.linspace(1.0, 2.0, 400) * np.where(np.arange(400) % 2, 1.0, -1.0)
    nodes = [fhenn.Linear([[1.0]]), fhenn.ReLU(), fhenn.Linear([[1.0]])]
    steps = list(wired(ImportedModel(nodes, Reading.classification([0, 1]), [nodes[1]])))
    converter = Converter(steps, [1], np.abs(scores)[:, None], 1.5, 2)
    exact = converter.exact_outputs()
    off = converter._uncertain(exact + 0.3 * np.where(np.arange(400) % 3, 1.0, -1.0)[:, None])
    assert off == pytest.approx(0.1 * 0.3 / (np.sqrt(2 * np.pi) * np.quantile(np.abs(exact), 0.1)))


def branches_of_activations(rng=None):
    """Two activations that meet in a sum: with as many levels each, it takes one more."""
    rng = np.random.default_rng(0) if rng is None else rng
    relu, sigmoid = fhenn.ReLU(), fhenn.Sigmoid()
    nodes = [
        fhenn.Linear(rng.normal(size=(6, 4))),
        fhenn.Residual(relu, sigmoid),
        fhenn.Linear(rng.normal(size=(3, 6))),
    ]
    return ImportedModel(nodes, Reading.classification([0, 1, 2]), [relu, sigmoid])


@pytest.mark.thorough
@pytest.mark.parametrize("depth", [4, 5, 6])
@pytest.mark.filterwarnings("ignore::fhenn.errors.ConversionWarning")
def test_no_more_levels_than_the_depth_are_taken(depth):
    model = branches_of_activations().for_inputs(np.random.default_rng(1).normal(size=(300, 4)), depth=depth)
    assert sum(step.cost for step in deepest(circuit(model))) == model.conversion.levels <= depth


def test_a_pooling_before_a_convolution_takes_no_level():
    rng = np.random.default_rng(0)
    nodes = [
        fhenn.Conv2d(rng.normal(size=(2, 1, 3, 3))),
        fhenn.ReLU(),
        fhenn.AvgPool2d(2),
        fhenn.Conv2d(rng.normal(size=(2, 2, 3, 3))),
        fhenn.nn.Flatten(),
        fhenn.Linear(rng.normal(size=(2, 2))),
    ]
    model = ImportedModel(nodes, Reading.classification([0, 1]), [nodes[1]], shape=(1, 8, 8))
    images = rng.normal(size=(100, 1, 8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        converted = model.for_inputs(images, depth=5)
    assert sum(step.cost for step in deepest(circuit(converted))) == converted.conversion.levels <= 5


@pytest.mark.thorough
def test_every_output_of_a_regression_counts():
    """One is ten thousand times as large as the other: an error that is nothing beside it is all of the other."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    hidden = rng.normal(size=(20, 5))
    last = rng.normal(size=(2, 20)) * np.array([[1e4], [1.0]])
    nodes = [fhenn.Linear(hidden, rng.normal(size=20)), fhenn.ReLU(), fhenn.Linear(last)]
    model = ImportedModel(nodes, Reading.regression(), [nodes[1]])
    converted = model.for_inputs(x)
    exact = np.maximum(nodes[0].infer(x), 0) @ last.T
    off = np.mean((converted.infer(x) - exact) ** 2, axis=0) / exact.var(axis=0)
    assert converted.conversion.agreement == pytest.approx(1 - off.mean()) and converted.conversion.agreement >= 0.995
    scaled = ImportedModel([*nodes[:2], fhenn.Linear(last * [[1e-4], [1.0]])], Reading.regression(), [nodes[1]])
    same = scaled.for_inputs(x).conversion
    assert same.nodes[0].effect == pytest.approx(converted.conversion.nodes[0].effect)
    assert same.levels == converted.conversion.levels


def test_samples_in_the_order_of_their_classes_show_as_much():
    """What a node's error does is seen on samples from all of them, not on the first class alone."""
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros((2000, 1)), rng.uniform(-1, 1, (200, 1))])
    nodes = [fhenn.Linear([[1.0]]), fhenn.ReLU(), fhenn.Linear([[1.0], [-1.0]])]
    converter = Converter(nodes, [1], x, 1.5, 2)
    mixed = Converter(nodes, [1], rng.permutation(x), 1.5, 2)
    polynomial = fhenn.ReLU(domain=(-1.5, 1.5), degree=4).polynomial
    assert converter.effect(1, polynomial) == pytest.approx(mixed.effect(1, polynomial), rel=0.5)


@pytest.mark.thorough
def test_outputs_that_never_vary_are_measured_by_their_size(wine):
    exact, train, *_ = wine
    with pytest.warns(SamplesWarning):
        report = fhenn.from_sklearn(exact, inputs=np.repeat(train[:1], 20, axis=0)).conversion
    assert report.nodes[0].effect < 1


def test_models_without_stand_ins_are_held_to_the_depth_too():
    model = ImportedModel([fhenn.Linear([[1.0]]), fhenn.Square(), fhenn.Linear([[1.0]])], Reading.regression())
    x = np.linspace(-1, 1, 20)[:, None]
    assert model.for_inputs(x, depth=3).conversion.levels == 3
    with pytest.raises(ParameterError, match="depth of 2 cannot be had: the model takes 3, and has no activations"):
        model.for_inputs(x, depth=2)


@pytest.mark.parametrize("options", [{"depth": 8}, {"agreement": 0.9}], ids=str)
def test_what_goes_by_samples_does_not_go_with_the_worst_case(deep, options):
    with pytest.raises(ParameterError, match="goes by samples, and the worst case"):
        fhenn.from_sklearn(deep[0]).for_inputs(deep[1], ranges="worst", **options)


def test_products_of_branches_are_converted_for_bounds():
    rng = np.random.default_rng(0)
    gate = fhenn.Sigmoid()
    branch = fhenn.Sequential([fhenn.Linear(rng.uniform(-0.3, 0.3, (3, 3))), gate])
    nodes = [fhenn.Linear(np.eye(3)), fhenn.nn.Multiply(branch), fhenn.Linear(np.ones((1, 3)))]
    model = ImportedModel(nodes, Reading.regression(), [gate]).for_inputs(bounds=[-1, 1])
    assert model.stand_ins[0].sup_error() <= 1e-3
    assert model.conversion is None


def test_what_lies_far_from_zero_is_met_where_it_lies():
    """On the domain that is symmetric about 0, which spares products, no polynomial is close enough."""
    gelu = fhenn.GELU()
    nodes = [fhenn.Linear([[1.0], [0.5]], [100.0, 90.0]), gelu, fhenn.Linear([[1.0, 1.0]])]
    model = ImportedModel(nodes, Reading.regression(), [gelu])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.for_inputs(bounds=[-2, 2]).stand_ins[0]
    assert found.sup_error() <= 1e-3
    assert 88 < found.domain[0] < found.domain[1] < 103
