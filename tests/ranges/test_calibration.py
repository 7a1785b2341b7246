import json
import warnings

import numpy as np
import pytest

import fhenn
from fhenn import artifacts
from fhenn.approx import SIGMOID, Polynomial, preset, sigmoid
from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch, UnsupportedValue
from fhenn.nn import Affine, Scaling, wired
from fhenn.ranges import QUANTILES

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 5))
FIRST, SECOND = rng.normal(size=(6, 5)) * 2, rng.normal(size=(3, 6))
SHIFT = rng.normal(size=6)


def network(policy="warn", finish=None):
    """Two activations, nested, whose first leaves its domain on X."""
    return fhenn.Sequential(
        [
            fhenn.Linear(FIRST, SHIFT),
            fhenn.Sigmoid(on_violation=policy),
            fhenn.Sequential([fhenn.Linear(SECOND), fhenn.Tanh(on_violation=policy)]),
        ],
        finish=finish,
    )


def passes(model):
    """Pre-activations of both activations on X, and the output: by hand."""
    first, activation, (second, last) = model.nodes[0], model.nodes[1], model.nodes[2].nodes
    one = X @ first.weight.T + first.bias
    two = activation.polynomial(one) @ second.weight.T
    return one, two, last.polynomial(two)


def test_statistics_are_numpys():
    model = network()
    found = fhenn.calibrate(model, X)
    nodes = (model.nodes[1], model.nodes[2].nodes[1])
    for report, values, node in zip(found.activations, passes(model)[:2], nodes, strict=True):
        np.testing.assert_allclose(report.quantiles, np.percentile(values, QUANTILES), rtol=1e-12)
        assert (report.smallest, report.largest) == pytest.approx((values.min(), values.max()))
        outside = (values < node.domain[0]) | (values > node.domain[1])
        assert report.outside == outside.sum() > 0
        assert report.share_outside == pytest.approx(outside.mean())
        assert (report.total, report.nonfinite, report.node) == (values.size, 0, node.name)
        assert report.sup_error == node.polynomial.sup_error()
    assert [report.title for report in found.activations] == ["1 Sigmoid", "2 Tanh"]
    assert found.samples == 400
    assert not found.is_inside


def test_drift_is_from_the_model_that_is_exact_from_the_start():
    model = network()
    found = fhenn.calibrate(model, X)
    one, _, out = passes(model)
    hidden = 1 / (1 + np.exp(-one))
    exact = np.tanh(hidden @ SECOND.T)
    first = np.abs(model.nodes[1].polynomial(one) - hidden)
    last = np.abs(out - exact)
    for drift, expected in zip([report.drift for report in found.activations], (first, last), strict=True):
        assert (drift.largest, drift.mean) == pytest.approx((expected.max(), expected.mean()))
    assert found.output.drift == found.activations[1].drift
    assert found.output.differ == pytest.approx(np.mean(out.argmax(axis=1) != exact.argmax(axis=1)))
    assert found.output.threshold is None


@pytest.mark.parametrize(
    ("last", "finish", "threshold"),
    [([], None, 0.0), ([], "sigmoid", 0.0), ([fhenn.Sigmoid], None, 0.5), ([fhenn.Tanh], None, 0.0)],
)
def test_one_score_is_decided_by_its_side(last, finish, threshold):
    nodes = [fhenn.Linear(FIRST), fhenn.Sigmoid(), fhenn.Linear(rng.normal(size=(1, 6)) * 3, [-0.5])]
    model = fhenn.Sequential([*nodes, *(make() for make in last)], finish=finish)
    found = fhenn.calibrate(model, X)
    exact = X
    for node in model.nodes:
        exact = node.exact(exact) if isinstance(node, fhenn.Activation) else node.infer(exact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = model.infer(X)
    assert found.output.threshold == threshold
    assert found.output.differ == np.mean((scores > threshold) != (exact > threshold)) > 0


@pytest.mark.parametrize("policy", ["warn", "raise", "ignore"])
def test_the_guard_is_silent_and_the_model_as_it_was(policy):
    model = network(policy)
    model.nodes[0].forward(X[0])
    found = fhenn.calibrate(model, X)  # warnings are errors here
    assert len(model.nodes[0].kept_inputs) == 1
    assert not model.nodes[1].kept_inputs
    assert model.nodes[1].on_violation == policy
    for how in ("domain", "rescale"):
        better = found.apply(how=how)
        assert better.nodes[1].on_violation == better.nodes[2].nodes[1].on_violation == policy
        assert not better.nodes[0].kept_inputs


@pytest.mark.parametrize("how", ["domain", "rescale"])
def test_apply_brings_everything_inside(how):
    model = network(finish="argmax")
    before = fhenn.calibrate(model, X)
    better = before.apply(how=how)
    after = fhenn.calibrate(better, X)
    assert after.is_inside
    assert after.output.drift.largest < 0.2 * before.output.drift.largest
    assert after.output.differ < before.output.differ
    assert better.finish == "argmax"
    assert [type(node) for node in better.nodes] == [type(node) for node in model.nodes]
    assert type(better.nodes[2].nodes[1]) is fhenn.Tanh
    better.infer(X)  # no warning
    assert model.nodes[1].domain == (-4.0, 4.0)
    assert model.nodes[0].weight is before.model.nodes[0].weight
    again = after.apply(how=how)
    assert fhenn.calibrate(again, X) == after  # nothing more to do


def test_domains_leave_the_weights_and_hold_the_margin():
    model = network()
    found = fhenn.calibrate(model, X, margin=1.5)
    better = found.apply()
    assert better.nodes[0].weight is model.nodes[0].weight
    proposal = found.activations[0].proposal
    largest = np.abs(passes(model)[0]).max()
    assert 1.5 * largest <= proposal.domain[1] <= 1.5 * largest * 1.01
    assert proposal.domain[0] == -proposal.domain[1]
    assert better.nodes[1].domain == proposal.domain
    assert proposal.sup_error <= found.activations[0].sup_error
    assert proposal.sup_error == better.nodes[1].polynomial.sup_error()
    (degree,) = proposal.degrees
    assert SIGMOID.name == better.nodes[1].function.name
    worse = fhenn.approx.fit(SIGMOID, domain=proposal.domain, degree=degree - 2)
    assert worse.sup_error() > found.activations[0].sup_error
    # the second on the values that the improved first hands on
    assert better.nodes[2].nodes[1].domain[1] == pytest.approx(1.5 * np.abs(passes(better)[1]).max(), rel=0.01)


def test_rescaling_shrinks_weight_and_bias_alone():
    model = network()
    found = fhenn.calibrate(model, X, margin=1.0)
    better = found.apply(how="rescale")
    factor = found.activations[0].shrink
    assert factor == pytest.approx(4 / np.abs(passes(model)[0]).max())
    np.testing.assert_allclose(better.nodes[0].weight, factor * FIRST)
    np.testing.assert_allclose(better.nodes[0].bias, factor * SHIFT)
    assert better.nodes[1].polynomial == model.nodes[1].polynomial
    assert fhenn.calibrate(better, X).is_inside


def test_accuracy_asks_for_degree():
    found = fhenn.calibrate(network(), X, accuracy=1e-3)
    for report in found.activations:
        assert report.proposal.sup_error <= 1e-3
    assert found.activations[0].proposal.cost > 3


def test_a_narrower_domain_where_it_saves_a_level():
    wide = fhenn.Sigmoid(domain=(-32, 32), accuracy=0.02)
    report = fhenn.calibrate(wide, X[:, :1]).activations[0]
    assert report.shrink == 1.0
    assert report.proposal.domain[1] < 5
    assert report.proposal.cost < wide.cost
    kept = fhenn.Sigmoid(polynomial=preset("sigmoid-tail-safe-8-16-9"))
    assert fhenn.calibrate(kept, [[-7.9], [5.0]], margin=1.0).apply().polynomial is kept.polynomial


class TestOtherActivations:
    def test_without_a_function(self):
        node = fhenn.PolynomialActivation([0.0, 0.5, 0.25], domain=(-2, 2))
        model = fhenn.Sequential([fhenn.Linear(np.eye(5)), node, fhenn.Linear(np.ones((1, 5))), fhenn.Sigmoid()])
        found = fhenn.calibrate(model, X)
        first, second = found.activations
        assert first.function is first.sup_error is first.drift is second.drift is None
        assert found.output.drift is found.output.differ is None
        assert (first.outside, first.flip, first.shrink, first.no_proposal) == (0, None, 1.0, "")
        assert found.apply().nodes[1].polynomial == node.polynomial
        assert "not known" in str(found)

    def test_an_approximation_without_its_function_cannot_be_fitted_anew(self):
        node = fhenn.Sigmoid(polynomial=fhenn.Polynomial((0.0, 0.5, 0.25), domain=(-2, 2)))
        model = fhenn.Sequential([fhenn.Linear(np.eye(5)), node])
        found = fhenn.calibrate(model, X)
        assert found.activations[0].outside
        assert "no function" in found.activations[0].no_proposal
        with pytest.raises(ParameterError, match="how='rescale'"):
            found.apply()
        assert not fhenn.calibrate(found.apply(how="rescale"), X).activations[0].outside
        inside = fhenn.calibrate(model, X / 10)
        assert inside.apply().nodes[1].polynomial is node.polynomial

    def test_square_stays_a_square(self):
        found = fhenn.calibrate(fhenn.Square(), 3 * X)
        better = found.apply()
        assert type(better) is fhenn.Square
        assert better.polynomial.coefficients == (0.0, 0.0, 1.0)
        assert fhenn.calibrate(better, 3 * X).is_inside
        assert found.output.drift.largest == 0
        square = fhenn.PolynomialActivation(better.polynomial.to_chebyshev())
        assert fhenn.calibrate(square, 9 * X).apply().cost == 1

    def test_sign_relu(self, monkeypatch):
        monkeypatch.setattr("fhenn.ranges.proposal._SIGNS", ((7, 7), (7, 15)))  # each takes a second
        node = fhenn.SignReLU(domain=(-2, 2), degrees=(7, 7), on_violation="raise")
        x = np.linspace(-2.5, 2.5, 99)[:, None]
        found = fhenn.calibrate(node, x)
        better = found.apply()
        assert type(better) is fhenn.SignReLU
        assert better.sup_error() <= node.sup_error()
        assert found.activations[0].proposal.degrees == (7, 15)
        assert better.cost == 8
        assert fhenn.calibrate(better, x).is_inside
        better(x)
        report = fhenn.calibrate(node, 9 * x).activations[0]
        assert report.proposal is None
        assert "is not reached" in report.no_proposal

    def test_a_function_without_symmetry(self):
        function = fhenn.approx.Function("exp", np.exp, np.exp)
        node = fhenn.PolynomialActivation(fhenn.approx.fit(function, domain=(-1, 1), degree=4))
        data = np.linspace(-3, 1, 50)[:, None]
        better = fhenn.calibrate(node, data).apply()
        assert better.domain == pytest.approx((-3.5, 1.5), abs=0.01)
        assert better.polynomial.sup_error() <= node.polynomial.sup_error()

    def test_a_domain_on_one_side(self):
        node = fhenn.Sigmoid(domain=(1, 5), degree=3)
        found = fhenn.calibrate(fhenn.Sequential([fhenn.Linear([[1.0]]), node]), [[0.5], [3.0]])
        assert "both sides of 0" in found.activations[0].no_shrink
        with pytest.raises(ParameterError, match="how='domain'"):
            found.apply(how="rescale")
        assert found.apply().nodes[1].domain == (-3.75, 3.75)

    def test_no_linear_before(self):
        found = fhenn.calibrate(fhenn.Sigmoid(), 3 * X)
        assert "no affine layer" in found.activations[0].no_shrink
        with pytest.raises(ParameterError, match="no affine layer"):
            found.apply(how="rescale")

    def test_any_affine_layer_before_is_scaled(self):
        width = X.shape[1]
        model = fhenn.Sequential([Affine(Scaling(np.full(width, 9.0)), 1.0), fhenn.Sigmoid(on_violation="ignore")])
        found = fhenn.calibrate(model, X)
        better = found.apply(how="rescale")
        shrink = found.activations[0].shrink
        assert 0 < shrink < 1
        assert type(better.nodes[0].operator) is Scaling
        np.testing.assert_allclose(better.nodes[0].operator.factors, 9.0 * shrink)
        np.testing.assert_allclose(better.nodes[0].bias, shrink)
        assert fhenn.calibrate(better, X).is_inside

    def test_no_activation(self):
        found = fhenn.calibrate(fhenn.Linear(FIRST), X)
        assert found.activations == ()
        assert found.output.drift.largest == 0
        assert type(found.apply()) is fhenn.Linear
        assert str(found)

    @pytest.mark.parametrize("value", [0.0, 2.0])
    def test_a_single_value(self, value):
        assert fhenn.calibrate(fhenn.Sigmoid(), [[value]]).apply().domain[1] > value


class TestOverflow:
    model = fhenn.Sequential(
        [
            fhenn.Linear(np.eye(5) * 1e150),
            fhenn.Sigmoid(),
            fhenn.Linear(np.ones((4, 5))),
            fhenn.GELU(),
            fhenn.Linear(np.ones((2, 4))),
        ]
    )

    def test_is_reported(self):
        found = fhenn.calibrate(self.model, X)
        first, second = found.activations
        assert (first.nonfinite, first.share_outside) == (0, 1.0)
        assert first.drift.largest == np.inf
        assert second.nonfinite == second.outside == second.total
        assert np.isnan(second.largest)
        assert found.output.nonfinite == 800
        assert found.output.differ == 1.0
        assert "NaN or infinite" in second.no_proposal
        assert "NaN or infinite: the twin overflows" in str(found)
        data = json.loads(found.to_json())
        assert data["activations"][1]["quantiles"] == [None] * 7
        with pytest.raises(ParameterError, match="1 Sigmoid"):
            found.apply()

    def test_smaller_weights_cure_it(self):
        better = fhenn.calibrate(self.model, X).apply(how="rescale")
        assert fhenn.calibrate(better, X).is_inside

    def test_infinite_already_in_a_linear(self):
        found = fhenn.calibrate(self.model, X * 1e300)
        assert found.activations[0].nonfinite
        assert "NaN or infinite" in found.activations[0].no_shrink


def test_the_table_can_be_read():
    text = str(fhenn.calibrate(network(), X))
    lines = text.splitlines()
    assert lines[0] == "calibration on 400 samples"
    assert lines[1].split()[:2] == ["activation", "domain"]
    assert lines[2].split()[:4] == ["1", "Sigmoid", "[-4,", "4]"]
    assert "of the decisions differ" in lines[4]
    assert "margin of 1.25" in text
    assert "train it again" in lines[-1]
    assert "train it again" not in str(fhenn.calibrate(fhenn.Sigmoid(), [[-3.0], [3.0]])), "nothing is outside"
    assert max(map(len, lines)) <= 150


def test_json_holds_the_findings():
    found = fhenn.calibrate(network(), X)
    data = json.loads(found.to_json())
    assert (data["kind"], data["version"], data["samples"]) == ("fhenn-calibration", 1, 400)
    report, first = data["activations"][0], found.activations[0]
    assert report["quantiles"] == list(first.quantiles)
    assert report["drift"] == {"largest": first.drift.largest, "mean": first.drift.mean}
    assert report["proposal"]["degrees"] == list(first.proposal.degrees)
    assert data["output"]["differ"] == found.output.differ
    assert "model" not in data


def test_later_training_does_not_reach_a_calibration():
    model = fhenn.Sequential([fhenn.Linear(FIRST), fhenn.Sigmoid(on_violation="ignore")])
    found = fhenn.calibrate(model, X)
    model.backward(model.forward(X))
    model.updates()
    np.testing.assert_array_equal(found.apply().nodes[0].weight, FIRST)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ([1.0, 2.0], ShapeMismatch),
        (np.zeros((0, 5)), ShapeMismatch),
        (np.zeros((2, 0)), ShapeMismatch),
        (np.zeros((2, 4)), ShapeMismatch),
        ([[np.nan] * 5], NonFiniteValue),
        ([[np.inf] * 5], NonFiniteValue),
        ([["a"] * 5], UnsupportedValue),
        (np.ma.masked_array(X, X[0, 0] == X), NonFiniteValue),
    ],
    ids=range(8),
)
def test_bad_data_is_refused(data, error):
    with pytest.raises(error):
        fhenn.calibrate(network(), data)


def test_bad_settings_are_refused():
    for margin in (0.9, np.inf, np.nan):
        with pytest.raises(ParameterError, match="margin"):
            fhenn.calibrate(network(), X, margin=margin)
    for accuracy in (0, -1.0, np.nan):
        with pytest.raises(ParameterError, match="accuracy"):
            fhenn.calibrate(network(), X, accuracy=accuracy)
    with pytest.raises(ParameterError, match="how"):
        fhenn.calibrate(network(), X).apply(how="both")
    with pytest.raises(ParameterError, match="neither an affine layer nor an activation"):
        fhenn.calibrate(object(), X)


def test_exact_of_a_hand_written_cubic():
    """The numbers of one value outside, by hand."""
    node = fhenn.PolynomialActivation(Polynomial((0.5, 0.197, 0.0, -0.004), (-4, 4), function=SIGMOID))
    found = fhenn.calibrate(node, [[8.0]])
    assert found.output.drift.largest == pytest.approx(abs(0.5 + 0.197 * 8 - 0.004 * 512 - sigmoid(8.0)))
    assert found.activations[0].flip == pytest.approx(7.0178, abs=1e-4)


def branched(kind, policy="ignore"):
    """An activation in the body, one in the other branch, and one behind both."""
    body = fhenn.Sequential([fhenn.Linear(FIRST, SHIFT), fhenn.Sigmoid(on_violation=policy)])
    other = fhenn.Sequential([fhenn.Linear(FIRST / 8), fhenn.Tanh(on_violation=policy)])
    nodes = [
        fhenn.Linear(np.eye(5) * 1.5),
        kind(body, other),
        fhenn.Linear(SECOND / 4),
        fhenn.Tanh(on_violation=policy),
    ]
    return fhenn.Sequential(nodes)


MEET = {fhenn.Residual: np.add, fhenn.Multiply: np.multiply}


@pytest.mark.parametrize("kind", MEET, ids=lambda kind: kind.__name__)
class TestBranches:
    def test_statistics_and_drift_are_those_by_hand(self, kind):
        model = branched(kind)
        found = fhenn.calibrate(model, X)
        body, other = model.nodes[1].body.nodes, model.nodes[1].second.nodes
        x = 1.5 * X
        first, second = body[0].infer(x), other[0].infer(x)
        met = MEET[kind](body[1].polynomial(first), other[1].polynomial(second))
        exactly = MEET[kind](sigmoid(first), np.tanh(second))
        third, exact = met @ SECOND.T / 4, exactly @ SECOND.T / 4
        for report, values in zip(found.activations, (first, second, third), strict=True):
            np.testing.assert_allclose(report.quantiles, np.percentile(values, QUANTILES), rtol=1e-9)
            assert report.outside > 0
        outcome = model.nodes[3].polynomial(third)
        assert found.output.drift.largest == pytest.approx(np.abs(outcome - np.tanh(exact)).max(), rel=1e-9)
        assert found.activations[1].drift.largest == pytest.approx(
            np.abs(other[1].polynomial(second) - np.tanh(second)).max()
        )

    @pytest.mark.parametrize("how", ["domain", "rescale"])
    def test_the_improved_model_keeps_the_data_inside(self, kind, how):
        model = branched(kind)
        before = [step.operator.dense().copy() for step in wired(model) if isinstance(step, Affine)]
        better = fhenn.calibrate(model, X).apply(how=how)
        assert type(better.nodes[1]) is kind
        assert fhenn.calibrate(better, X).is_inside
        assert not fhenn.calibrate(model, X).is_inside  # as it was
        after = [step.operator.dense() for step in wired(better) if isinstance(step, Affine)]
        if how == "domain":
            assert all(map(np.array_equal, before, after))
            exact = MEET[kind](sigmoid(1.5 * X @ FIRST.T + SHIFT), np.tanh(1.5 / 8 * X @ FIRST.T)) @ SECOND.T / 4
            near, far = (np.abs(each(X) - np.tanh(exact)).max() for each in (better, model))
            assert near < far
        else:
            assert np.array_equal(before[0], after[0])  # it goes into both branches
            assert not any(map(np.array_equal, before[1:3], after[1:3]))

    def test_a_branch_that_is_the_input_itself(self, kind):
        model = fhenn.Sequential([fhenn.Linear(FIRST / 4), kind(fhenn.Tanh(on_violation="ignore"))])
        found = fhenn.calibrate(model, X)
        (report,) = found.activations
        assert report.shrink is None
        assert "no affine layer just before it" in report.no_shrink  # that one goes into the other branch as well
        assert fhenn.calibrate(found.apply(), X).is_inside
        with pytest.raises(ParameterError, match="how='domain'"):
            found.apply(how="rescale")

    def test_the_report_is_text_and_data(self, kind):
        found = fhenn.calibrate(branched(kind), X)
        assert [line.split()[1] for line in str(found).splitlines() if line[2:3].isdigit()][:3] == [
            "Sigmoid",
            "Tanh",
            "Tanh",
        ]
        assert len(json.loads(found.to_json())["activations"]) == 3


def test_branches_of_images():
    kernel = rng.normal(size=(2, 2, 3, 3))
    body = fhenn.Sequential([fhenn.Conv2d(kernel, padding=1), fhenn.Sigmoid(on_violation="ignore")])
    model = fhenn.Sequential([fhenn.Conv2d(rng.normal(size=(2, 1, 3, 3))), fhenn.Residual(body)], shape=(1, 6, 6))
    images = rng.normal(size=(50, 1, 6, 6)) / 4
    found = fhenn.calibrate(model, images)
    values = body.nodes[0].infer(model.nodes[0].infer(images))
    np.testing.assert_allclose(found.activations[0].quantiles, np.percentile(values, QUANTILES), rtol=1e-9)
    assert fhenn.calibrate(found.apply(), images).is_inside


def witch(x):
    return x / (1 + x * x)


def test_a_function_that_was_lost_in_a_file_is_unknown():
    node = fhenn.Activation.fit(witch, (-3, 3), degree=9, on_violation="ignore")
    model = fhenn.Sequential([fhenn.Linear(np.eye(5)), node, fhenn.Linear(np.ones((1, 5)))])
    known = fhenn.calibrate(model, X)
    assert known.activations[0].function == "witch"
    assert known.activations[0].sup_error > 0
    assert known.output.drift is not None
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    found = fhenn.calibrate(again, X)
    (report,) = found.activations
    assert report.outside == known.activations[0].outside > 0  # watched on the same domain
    assert report.function == "own function"
    assert report.sup_error is report.drift is report.proposal is found.output.drift is found.output.differ is None
    assert "does not hold" in report.no_proposal
    assert "the function of an activation was lost in a file" in str(found)
    with pytest.raises(ParameterError, match="cannot be fitted anew"):
        found.apply()
    assert fhenn.calibrate(found.apply(how="rescale"), X).is_inside
    inside = fhenn.calibrate(again, X / 3)
    assert inside.is_inside
    assert inside.apply().nodes[1].polynomial == again.nodes[1].polynomial


def test_a_plan_states_no_distance_from_a_function_that_was_lost():
    node = fhenn.Activation.fit(witch, (-3, 3), degree=5)
    model = fhenn.Sequential([fhenn.Linear(np.eye(2)), node])
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    samples = rng.uniform(-1, 1, (20, 2))
    assert fhenn.plan(model, inputs=samples).distance > 0
    assert fhenn.plan(again, inputs=samples).distance is None
