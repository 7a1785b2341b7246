"""Exact model, twin and ciphertexts side by side: the numbers are those that one computes by hand."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score, roc_curve
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier

import fhenn
from fhenn import comparison
from fhenn.comparison import ranking, side_by_side
from fhenn.comparison.quality import Quality, close
from fhenn.errors import (
    BoundsExceeded,
    FeatureMismatch,
    NonFiniteValue,
    ParameterError,
    PlanError,
    ShapeMismatch,
)

X, Y = make_classification(100, 6, random_state=0)
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    """A perceptron of tanh, with polynomials of an accuracy that shows."""
    fitted = MLPClassifier((4,), activation="tanh", alpha=1.0, max_iter=2000, random_state=0).fit(X, Y)
    return fitted, fhenn.from_sklearn(fitted, inputs=X, accuracy=2e-2)


@pytest.fixture(scope="module")
def made():
    """What was compared already, by evaluator."""
    return {}


@pytest.fixture
def found(evaluator, network, made):
    if evaluator not in made:
        plan = fhenn.plan(network[1], inputs=X, rows=len(X), evaluator=evaluator)
        made[evaluator] = comparison.compare(network[1], plan, X, Y)
    return made[evaluator]


def test_the_numbers_are_those_of_scikit_learn(found, network):
    fitted, model = network
    assert found.whole.samples == found.part.samples == found.sent == len(X)
    assert found.rows.tolist() == list(range(len(X)))
    scores = found.scores
    for quality, way in ((found.part.exact, "exact"), (found.part.twin, "twin"), (found.encrypted, "encrypted")):
        assert quality.score == accuracy_score(Y, model.reading.predict(scores[way]))
        assert quality.auc == pytest.approx(roc_auc_score(Y, scores[way][:, 0]), abs=1e-12)
        assert quality.error is None
    assert found.measure == "accuracy"
    # the exact model is the one that was fitted
    assert model.reading.predict_proba(scores["exact"]) == pytest.approx(fitted.predict_proba(X), abs=1e-9)
    assert found.part.exact.score == fitted.score(X, Y)
    assert scores["twin"] == pytest.approx(model.scores(X))
    assert 1e-4 < found.part.apart.largest == pytest.approx(np.abs(scores["twin"] - scores["exact"]).max())
    assert found.part.apart.mean == pytest.approx(np.abs(scores["twin"] - scores["exact"]).mean())


def test_ciphertexts_are_within_the_plan_of_the_twin(found, network):
    scores, plan = found.scores, found.plan
    distance = np.abs(scores["encrypted"] - scores["twin"])
    assert 0 < distance.max() == found.from_twin.largest <= plan.error
    assert found.from_twin.mean == pytest.approx(distance.mean())
    assert not found.exceeded
    assert found.unexplained == 0
    assert found.from_exact.largest == pytest.approx(np.abs(scores["encrypted"] - scores["exact"]).max())
    decided = {way: network[1].reading.predict(scores[way]) for way in scores}
    assert found.from_exact.differ == np.sum(decided["encrypted"] != decided["exact"])
    assert found.from_twin.differ == np.sum(decided["encrypted"] != decided["twin"])
    assert found.close == np.sum(np.abs(scores["twin"]) <= plan.error)


def test_curves_are_those_of_the_scores(found):
    assert list(found.curves) == ["exact", "twin", "encrypted"]
    assert found.positive == "1"
    for way, curve in found.curves.items():
        false, true, _ = roc_curve(Y, found.scores[way][:, 0], drop_intermediate=False)
        assert curve.false_positive_rate == pytest.approx(false)
        assert curve.true_positive_rate == pytest.approx(true)
    assert found.encrypted.auc == found.curves["encrypted"].area


def test_polynomials_are_shown_beside_what_the_plan_saw(found):
    assert found.expected_apart == pytest.approx(found.part.apart.largest)
    (line,) = (line for line in str(found).splitlines() if "|twin - exact|" in line)
    assert line.split()[-2:] == [f"{found.part.apart.largest:.1e}", f"{found.expected_apart:.1e}"]
    assert found.to_dict()["plan"]["apart"] == found.expected_apart


def test_what_the_plan_saw_is_in_the_units_of_the_model():
    model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), fhenn.Sigmoid(), fhenn.Linear([[1e6]])])
    x = rng.uniform(-1, 1, (20, 2))
    found = comparison.compare(model, fhenn.plan(model, inputs=x, bounds=[-1, 1], relative=True), x)
    assert max(found.plan.units) > 1
    assert found.expected_apart == pytest.approx(found.part.apart.largest)


def test_without_samples_a_plan_saw_nothing(linear):
    found = comparison.compare(*linear, rng.uniform(-1, 1, (4, 2)))
    assert found.expected_apart is None
    assert "|twin - exact|" not in str(found)
    assert (found.curves, found.positive) == ({}, None)


@pytest.fixture(scope="module")
def three():
    """A model of three classes, its samples and labels, with mistakes."""
    x, y = load_iris(return_X_y=True)
    x = x + rng.normal(0, 1, x.shape)
    fitted = LogisticRegression().fit(x, y)
    return fitted, fhenn.from_sklearn(fitted), x, y


def test_of_several_classes_the_area_is_one_against_the_rest(three):
    fitted, model, x, y = three
    found = comparison.compare(model, fhenn.plan(model, inputs=x, rows=50), x, y, rows=50)
    wanted = roc_auc_score(y, fitted.predict_proba(x), multi_class="ovr")
    assert found.whole.exact.auc == pytest.approx(wanted, abs=1e-12)
    part = roc_auc_score(y[found.rows], fitted.predict_proba(x[found.rows]), multi_class="ovr")
    assert found.encrypted.auc == pytest.approx(part, abs=5e-3)
    assert "area under the ROC curve" in str(found)
    assert found.curves == {}


def test_there_is_no_area_of_several_classes_where_one_is_missing_or_nothing_ranks(three):
    _, model, x, y = three
    scores = model.scores(x)
    assert Quality.of(model.reading, scores, y).auc < 1
    assert Quality.of(model.reading, scores[y > 0], y[y > 0]).auc is None
    assert Quality.of(fhenn.Reading.classification([0, 1, 2]), scores, y).auc is None
    scores[0] = np.nan
    assert Quality.of(model.reading, scores, y).auc is None


def test_it_says_what_it_took(found):
    seconds, sizes, predicted = found.seconds, found.sizes, found.predicted
    assert min(seconds.keys, seconds.encrypt, seconds.evaluate, seconds.decrypt, seconds.plaintext) > 0
    assert sizes.keys == pytest.approx(predicted.keys, rel=0.2)
    assert sizes.upload == pytest.approx(predicted.up, rel=0.1)
    assert sizes.answer == pytest.approx(predicted.down, rel=0.1)
    assert predicted.rows == len(X)
    assert found.secret_at_server is False


def test_it_is_data(found):
    data = json.loads(json.dumps(found.to_dict()))
    assert data["samples"] == data["encrypted_samples"] == len(X)
    assert data["encrypted"]["encrypted"]["score"] == found.encrypted.score
    assert data["plan"]["evaluator"] == found.plan.evaluator
    for array in (*found.scores.values(), found.rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        found.close = 3


def test_it_prints_as_a_table(found):
    text = str(found)
    assert text.startswith("100 samples, all encrypted\n")
    for words in (
        "exact        twin   encrypted",
        "accuracy",
        "ROC",
        "unlike the exact model",
        "predicted",
        "<= ",
        "MB",
    ):
        assert words in text
    assert "all 100 samples" not in text
    first, plan, *lines = text.splitlines()
    assert "N=" in plan
    assert max(map(len, (first, *lines))) <= 80
    assert repr(found).startswith("ModelComparison(samples=100, encrypted=100")


@pytest.fixture(scope="module")
def linear():
    """A model of two features, and its plan."""
    reading = fhenn.Reading.classification(["no", "yes"], "sigmoid", ["a", "b"])
    model = fhenn.ImportedModel([fhenn.Linear([[1.0, -1.0]])], reading)
    return model, fhenn.plan(model, bounds=[-1, 1])


def test_some_samples_are_encrypted_and_all_run_in_the_clear(linear):
    model, plan = linear
    x = rng.uniform(-1, 1, (60, 2))
    y = np.where(x[:, 0] + rng.normal(0, 0.3, 60) > x[:, 1], "yes", "no")
    found = comparison.compare(model, plan, x, y, rows=7)
    assert found.rows.tolist() == [0, 9, 19, 29, 39, 49, 59]
    assert (found.whole.samples, found.part.samples, found.sent) == (60, 7, 7)
    assert found.whole.exact.score == model.score(x, y)
    assert found.part.exact.score == model.score(x[found.rows], y[found.rows])
    assert "60 samples, 7 of them encrypted" in str(found)
    assert "all 60 samples" in str(found)
    assert comparison.compare(model, plan, x, y, rows=9999).sent == 60


def test_as_many_as_the_plan_has_time_for(linear, monkeypatch):
    model, plan = linear
    x = rng.uniform(-1, 1, (60, 2))
    monkeypatch.setattr("fhenn.comparison.side_by_side.SECONDS", 0.0)
    assert comparison.compare(model, plan, x).sent == plan.samples_per_ciphertext == 1
    monkeypatch.undo()
    monkeypatch.setattr("fhenn.comparison.side_by_side.MOST", 20)
    assert comparison.compare(model, plan, x).sent == 20


def test_what_is_long_does_not_go_twice(linear, monkeypatch):
    encrypted = []
    real = fhenn.Client.encrypt
    monkeypatch.setattr(fhenn.Client, "encrypt", lambda client, x: encrypted.append(x) or real(client, x))
    comparison.compare(*linear, [[0.5, 0.1]])
    assert len(encrypted) == 1  # the weights are encoded before the clock runs
    monkeypatch.setattr(side_by_side, "_WARM", 0.0)
    assert comparison.compare(*linear, [[0.5, 0.1]]).sent == 1
    assert len(encrypted) == 1


def test_a_plan_that_does_not_say_what_it_costs(linear, monkeypatch):
    def unknown(plan, rows=None):
        raise PlanError("the plan does not say what the server does.", "Plan again.")

    monkeypatch.setattr(fhenn.Plan, "cost", unknown)
    found = comparison.compare(*linear, [[0.5, 0.1]])
    assert found.predicted is None
    assert found.to_dict()["predicted"] is None
    assert "server: evaluate" in str(found)


def test_without_labels_it_is_agreement_alone(linear):
    model, plan = linear
    found = comparison.compare(model, plan, rng.uniform(-1, 1, (20, 2)))
    assert found.encrypted is found.part.exact is found.whole.twin is None
    assert found.from_twin.differ == found.from_exact.differ == 0
    assert "accuracy" not in str(found)


def test_one_class_alone_has_no_area(linear):
    model, plan = linear
    found = comparison.compare(model, plan, [[0.5, 0.1], [0.2, 0.1]], ["yes", "yes"])
    assert found.encrypted.score == 1
    assert found.encrypted.auc is None


def test_regression():
    x, y = make_regression(200, 4, n_informative=4, noise=5.0, random_state=0)
    fitted = LinearRegression().fit(x, y)
    model = fhenn.from_sklearn(fitted)
    found = comparison.compare(model, fhenn.plan(model, inputs=x), x, y)
    assert found.measure == "R²"
    assert found.encrypted.score == pytest.approx(r2_score(y, found.scores["encrypted"][:, 0]))
    assert found.encrypted.error == pytest.approx(mean_absolute_error(y, found.scores["encrypted"][:, 0]))
    assert found.part.exact.score == pytest.approx(fitted.score(x, y))
    assert found.from_twin.differ is found.close is found.unexplained is None
    assert found.from_twin.largest <= max(found.plan.errors)
    assert "mean absolute error" in str(found)
    assert "decided" not in str(found)


def test_several_targets():
    x, y = make_regression(100, 4, n_targets=3, random_state=0)
    model = fhenn.from_sklearn(LinearRegression().fit(x, y))
    found = comparison.compare(model, fhenn.plan(model, inputs=x), x, y)
    assert found.encrypted.score == pytest.approx(r2_score(y, found.scores["encrypted"]))
    assert found.encrypted.error == pytest.approx(mean_absolute_error(y, found.scores["encrypted"]))


def test_many_classes():
    x, y = load_iris(return_X_y=True)
    model = fhenn.from_sklearn(LogisticRegression(max_iter=1000).fit(x, y))
    plan = fhenn.plan(model, inputs=x, accuracy=0.05)
    found = comparison.compare(model, plan, x, y)
    assert found.encrypted.score == accuracy_score(y, found.scores["encrypted"].argmax(axis=1))
    assert found.encrypted.auc == pytest.approx(roc_auc_score(y, model.predict_proba(x), multi_class="ovr"), abs=5e-3)
    ordered = np.sort(found.scores["twin"], axis=1)
    assert found.close == np.sum(ordered[:, -1] - ordered[:, -2] <= 2 * plan.error)


def test_several_classifications_at_once():
    x, _ = load_iris(return_X_y=True)
    y = np.column_stack([x[:, 0] > 5.8, x[:, 1] > 3])
    model = fhenn.from_sklearn(MultiOutputClassifier(LogisticRegression()).fit(x, y))
    found = comparison.compare(model, fhenn.plan(model, inputs=x), x, y)
    right = np.asarray(model.reading.predict(found.scores["encrypted"])) == y
    assert found.encrypted.score == right.all(axis=1).mean()
    assert found.from_twin.differ == 0
    assert found.close is None
    with pytest.raises(ShapeMismatch, match="2 values for each"):
        comparison.compare(model, found.plan, x, y[:, 0])
    with pytest.raises(ParameterError, match="none of the model's classes"):
        comparison.compare(model, found.plan, x, y.astype(int) + 3)


def test_trees_are_exact():
    x, y = make_classification(120, 5, random_state=1)
    model = fhenn.from_sklearn(RandomForestClassifier(3, max_depth=3, random_state=0).fit(x, y))
    found = comparison.compare(model, fhenn.plan(model, rows=50), x, y, rows=50)
    assert found.part.apart == comparison.Apart(0.0, 0.0, 0)
    assert found.encrypted.score == accuracy_score(y[found.rows], model.reading.predict(found.scores["encrypted"]))
    assert found.encrypted.auc is not None


def test_a_model_without_a_reading_is_compared_by_its_scores():
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(3, 2))), fhenn.Sigmoid(on_violation="ignore")])
    plan = fhenn.plan(model, bounds=[-1, 1])
    x = rng.uniform(-1, 1, (10, 2))
    found = comparison.compare(model, plan, x)
    assert found.measure is found.from_twin.differ is found.close is None
    assert found.part.apart.largest > found.from_twin.largest
    with pytest.raises(ParameterError, match="does not say what its scores mean"):
        comparison.compare(model, plan, x, np.zeros(10))


@pytest.mark.parametrize(("finish", "outputs"), [("argmax", 3), ("softmax", 3), ("sigmoid", 1)])
def test_a_finish_decides_too(finish, outputs):
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(outputs, 2)))], finish=finish)
    found = comparison.compare(model, fhenn.plan(model, bounds=[-1, 1]), rng.uniform(-1, 1, (10, 2)))
    assert found.from_twin.differ == found.from_exact.differ == found.close == 0


def test_an_exact_model_that_was_lost_is_not_made_up():
    node = fhenn.Activation.fit(lambda x: x / (1 + x * x), (-3, 3), degree=5)
    made = fhenn.Sequential([fhenn.Linear([[1.0]]), node])
    model = fhenn.artifacts.model_from_bytes(fhenn.artifacts.model_to_bytes(made))
    found = comparison.compare(model, fhenn.plan(model, bounds=[-1, 1]), [[0.5], [0.1]])
    assert found.part.apart is found.from_exact is None
    assert set(found.scores) == {"twin", "encrypted"}
    assert "the exact model is not known" in str(found)


def test_samples_that_left_a_domain_are_left_out():
    model = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid(on_violation="ignore")])
    plan = fhenn.plan(model, bounds=[-6, 6], witness=True, layout="latency", samples=1)
    found = comparison.compare(model, plan, [[0.5], [5.9], [1.0]])
    assert found.left_out == 1
    assert found.rows.tolist() == [0, 2]
    assert found.sent == 3
    assert "1 without an answer" in str(found)


def test_errors_above_the_bound_are_told(linear, monkeypatch):
    model, plan = linear
    real = side_by_side.measure

    def worse(*args, **options):
        found = real(*args, **options)
        found.scores[0] *= -1
        return found

    monkeypatch.setattr(side_by_side, "measure", worse)
    found = comparison.compare(model, plan, [[0.5, 0.1], [0.2, 0.1]], ["yes", "yes"])
    assert found.exceeded
    assert found.unexplained == found.from_twin.differ == 1
    assert "above the plan's bound, of 1 samples" in str(found)


def test_mistakes_are_refused(linear):
    model, plan = linear
    other = fhenn.ImportedModel([fhenn.Linear([[2.0, -1.0]])], model.reading)
    x = [[0.5, 0.1]]
    for make, error, words in (
        (lambda: comparison.compare(other, plan, x), PlanError, "weights"),
        (lambda: comparison.compare(model, plan, [[0.5]]), ShapeMismatch, "samples"),
        (lambda: comparison.compare(model, plan, np.zeros((0, 2))), ShapeMismatch, "not empty"),
        (lambda: comparison.compare(model, plan, {"a": [0.5], "c": [0.1]}), FeatureMismatch, "c"),
        (lambda: comparison.compare(model, plan, [[np.nan, 0.1]]), NonFiniteValue, "finite"),
        (lambda: comparison.compare(model, plan, [[5.0, 0.1]]), BoundsExceeded, "bounds"),
        (lambda: comparison.compare(model, plan, x, ["maybe"]), ParameterError, "none of the model's classes"),
        (lambda: comparison.compare(model, plan, x, ["yes", "no"]), ShapeMismatch, "labels"),
        (lambda: comparison.compare(model, plan, x, rows=0), ParameterError, "1 or more"),
        (lambda: comparison.compare(model, plan, x, rows=True), ParameterError, "1 or more"),
        (lambda: comparison.compare(model, plan, x, memory=1.0), PlanError, "memory"),
    ):
        with pytest.raises(error, match=words):
            make()


def test_what_ranks_samples():
    scores = np.array([[0.2], [-0.7]])
    for probability in (None, "sigmoid"):
        reading = fhenn.Reading.classification([0, 1], probability)
        assert ranking(reading, scores).tolist() == [0.2, -0.7]
    assert ranking(fhenn.Reading.regression(), scores) is None
    assert ranking(fhenn.Reading.classification([0, 1, 2]), np.zeros((2, 3))) is None


@pytest.mark.parametrize("error", [0.1, 0.4])
def test_close_decisions_are_those_that_errors_can_turn(error):
    reading = fhenn.Reading.classification([0, 1, 2])
    model = fhenn.ImportedModel([fhenn.Linear(np.eye(3))], reading)
    scores = rng.normal(size=(300, 3))
    bounds = error * np.array([1.0, 2.0, 0.5])
    best = scores.argmax(axis=1)
    worst = scores + bounds  # of all others
    worst[np.arange(300), best] -= 2 * bounds[best]
    assert close(model, scores, bounds) == np.sum(worst.argmax(axis=1) != best) > 0
