"""Losses beside PyTorch's definitions, their gradients beside differences, and models that learn by them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fhenn
from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch, UnsupportedValue
from fhenn.nn import one_hot
from fhenn.nn.losses import MAE, MSE, BinaryCrossEntropy, CrossEntropy

rng = np.random.default_rng(0)
SCORES = rng.normal(size=(6, 3))
NUMBERS = rng.normal(size=(6, 3))
LABELS = np.array([0, 2, 1, 1, 0, 2])
SHARES = rng.dirichlet(np.ones(3), 6)
CASES = {
    "MSE": (MSE(), NUMBERS),
    "MAE": (MAE(), NUMBERS),
    "labels": (CrossEntropy(), LABELS),
    "shares": (CrossEntropy(), SHARES),
    "shares that are not of sum 1": (CrossEntropy(), 0.5 * SHARES),
    "yes or no": (BinaryCrossEntropy(), one_hot(LABELS, 3)),
    "probabilities": (BinaryCrossEntropy(), SHARES),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_the_loss(name):
    loss, targets = CASES[name]
    gradient, step = loss.gradient(SCORES, targets), 1e-6
    for place in np.ndindex(SCORES.shape):
        moved = np.zeros_like(SCORES)
        moved[place] = step
        slope = (loss(SCORES + moved, targets) - loss(SCORES - moved, targets)) / (2 * step)
        assert gradient[place] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_the_precision_and_the_shape_of_the_scores(name):
    loss, targets = CASES[name]
    for dtype in (np.float32, np.float64):
        assert loss.gradient(SCORES.astype(dtype), targets).dtype == dtype
    assert isinstance(loss(SCORES, targets), float)
    # more axes, and none but the outputs
    deep = SCORES.reshape(2, 3, 3), np.asarray(targets).reshape(2, 3, *np.shape(targets)[1:])
    assert loss(*deep) == pytest.approx(loss(SCORES, targets))
    np.testing.assert_allclose(loss.gradient(*deep).reshape(6, 3), loss.gradient(SCORES, targets))
    assert loss.gradient(SCORES[0], targets[0]).shape == (3,)


def test_values_by_definition():
    assert MSE()(SCORES, NUMBERS) == pytest.approx(((SCORES - NUMBERS) ** 2).mean())
    assert MAE()(SCORES, NUMBERS) == pytest.approx(np.abs(SCORES - NUMBERS).mean())
    shares = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    assert CrossEntropy()(SCORES, LABELS) == pytest.approx(-np.log(shares[np.arange(6), LABELS]).mean())
    assert CrossEntropy()(SCORES, SHARES) == pytest.approx(-(SHARES * np.log(shares)).sum(axis=1).mean())
    odds = 1 / (1 + np.exp(-SCORES))
    expected = -(SHARES * np.log(odds) + (1 - SHARES) * np.log(1 - odds)).mean()
    assert BinaryCrossEntropy()(SCORES, SHARES) == pytest.approx(expected)


def test_beside_pytorch():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for loss, theirs, targets in (
        (MSE(), functional.mse_loss, NUMBERS),
        (MAE(), functional.l1_loss, NUMBERS),
        (CrossEntropy(), functional.cross_entropy, LABELS),
        (CrossEntropy(), functional.cross_entropy, SHARES),
        (BinaryCrossEntropy(), functional.binary_cross_entropy_with_logits, SHARES),
    ):
        scores = torch.tensor(SCORES, requires_grad=True)
        value = theirs(scores, torch.tensor(targets))
        value.backward()
        assert loss(SCORES, targets) == pytest.approx(value.item())
        np.testing.assert_allclose(loss.gradient(SCORES, targets), scores.grad.numpy(), atol=1e-12)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_no_score_overflows(first, second):
    scores = np.array([[first, second]])
    for loss, targets in ((CrossEntropy(), [1]), (BinaryCrossEntropy(), [[0.0, 1.0]])):
        assert loss(scores, targets) >= 0
        assert np.all(np.abs(loss.gradient(scores, targets)) <= 1)


@pytest.mark.parametrize("loss", [MSE(), MAE(), CrossEntropy(), BinaryCrossEntropy()], ids=repr)
def test_what_is_no_score(loss):
    for bad in (np.nan, np.inf):
        with pytest.raises(NonFiniteValue, match="learning rate"):
            loss([[bad, 1.0]], [[0.0, 1.0]])
        with pytest.raises(NonFiniteValue, match="impute"):
            loss.gradient([[0.0, 1.0]], [[0.0, bad]])
    with pytest.raises(ShapeMismatch, match="at least one"):
        loss(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(UnsupportedValue):
        loss("scores", [[0.0, 1.0]])
    for targets in (np.zeros((2, 2)), np.zeros((1, 3)), 0.0):
        with pytest.raises(ShapeMismatch, match="targets"):
            loss([[0.0, 1.0]], targets)


def test_a_column_of_scores_and_a_row_of_targets():
    """NumPy would broadcast them to every pair of samples."""
    for loss in (MSE(), MAE(), BinaryCrossEntropy()):
        with pytest.raises(ShapeMismatch, match=r"\(3, 1\)"):
            loss(np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(ShapeMismatch, match="BinaryCrossEntropy"):
        CrossEntropy()(np.zeros((3, 1)), [0, 0, 0])


def test_targets_that_are_no_probabilities():
    for targets in ([[1.5, 0.0]], [[-0.1, 1.0]]):
        for loss in (CrossEntropy(), BinaryCrossEntropy()):
            with pytest.raises(ParameterError, match="probabilities"):
                loss([[0.0, 1.0]], targets)
    for labels in ([2], [-1], [0.5]):
        with pytest.raises(ParameterError, match="whole numbers from 0 to 1"):
            CrossEntropy()([[0.0, 1.0]], labels)


def test_one_hot():
    np.testing.assert_array_equal(one_hot([[0, 2], [1, 1]], 3), np.eye(3)[[[0, 2], [1, 1]]])
    np.testing.assert_array_equal(one_hot(1, np.int64(2)), [0.0, 1.0])
    np.testing.assert_array_equal(one_hot([1.0, True], 2), np.eye(2)[[1, 1]])
    assert one_hot([], 4).shape == (0, 4)
    for labels in ([3], [-1], [0.5], [np.nan]):
        with pytest.raises(ParameterError, match="from 0 to 2"):
            one_hot(labels, 3)
    for classes in (0, -1, 2.0, True, None):
        with pytest.raises(ParameterError, match="classes"):
            one_hot([0], classes)
    with pytest.raises(UnsupportedValue):
        one_hot(["a"], 3)


@pytest.mark.parametrize("finish", ["softmax", "argmax"])
def test_a_finish_that_says_nothing_of_one_output(finish):
    with pytest.raises(ParameterError, match="every sample"):
        fhenn.Sequential([fhenn.Linear([[1.0, 1.0]])], finish=finish)
    assert fhenn.Sequential([fhenn.Linear([[1.0], [1.0]])], finish=finish).finish == finish


@pytest.mark.parametrize(
    ("loss", "outputs", "finish"),
    [(CrossEntropy(), 3, "softmax"), (BinaryCrossEntropy(), 1, "sigmoid"), (MSE(), 1, None), (MAE(), 1, None)],
    ids=repr,
)
def test_models_learn_by_them(loss, outputs, finish):
    """Three clouds, whose labels or first coordinate a small network learns."""
    centres = np.array([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])
    labels = rng.integers(0, 3, 300)
    x = centres[labels] + rng.normal(size=(300, 2)) * 0.2
    targets = {3: labels, 1: x[:, :1] if finish is None else (labels == 0)[:, None].astype(float)}[outputs]
    rule = fhenn.Adam(0.02)
    first, last = (
        fhenn.Linear(rng.normal(size=shape) / 2, np.zeros(shape[0]), rule) for shape in ((8, 2), (outputs, 8))
    )
    model = fhenn.Sequential([first, fhenn.Square(), last], finish=finish)
    before = loss(model.infer(x), targets)
    for _ in range(150):
        scores = model.forward(x)
        model.backward(loss.gradient(scores, targets))
        model.updates()
    assert loss(model.infer(x), targets) < 0.3 * before
    if finish == "softmax":
        assert np.mean(model.infer(x).argmax(axis=1) == labels) > 0.97
