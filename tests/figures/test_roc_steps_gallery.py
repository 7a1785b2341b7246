"""ROC curves, steps of a computation, galleries."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from fhenn.errors import NonFiniteValue, ParameterError, ShapeMismatch
from fhenn.figures import BAND, EXACT, Step, gallery_figure, roc, roc_figure, save, steps_figure

STEPS = [Step("encrypt", 2, 40.0, 140.0, 1e-9), Step("square", 2, 80.0, 140.0, 2e-9), Step("rescale", 1, 40, 100, 3e-9)]


def chance(labels, scores):
    """That a positive scores above a negative, ties counted half."""
    positive, negative = scores[labels == 1][:, None], scores[labels == 0][None, :]
    return np.mean((positive > negative) + 0.5 * (positive == negative))


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_the_chance_that_a_positive_scores_higher(ties):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    scores = rng.normal(size=200) + labels
    scores = scores.round(0 if ties else 9)
    curve = roc(labels, scores)
    assert curve.area == pytest.approx(chance(labels, scores), abs=1e-12)
    for rate in (curve.false_positive_rate, curve.true_positive_rate):
        assert (rate[0], rate[-1]) == (0, 1)
        assert np.all(np.diff(rate) >= 0)


def test_perfect_and_reversed_scores():
    assert roc([0, 0, 1, 1], [1, 2, 3, 4]).area == 1
    assert roc([1, 1, 0, 0], [1, 2, 3, 4]).area == 0
    assert roc([1, 0], [3, 3]).area == 0.5


@pytest.mark.parametrize(
    ("labels", "scores", "error"),
    [
        ([0, 1], [1.0], ShapeMismatch),
        ([[0, 1]], [[1.0, 2.0]], ShapeMismatch),
        ([0, 1], [1.0, np.nan], NonFiniteValue),
        ([1, 1], [1.0, 2.0], ParameterError),
        ([], [], ParameterError),
    ],
)
def test_roc_refuses(labels, scores, error):
    with pytest.raises(error):
        roc(labels, scores)


def test_roc_figure_draws_every_curve(tmp_path):
    figure = roc_figure([0, 1, 0, 1], {"exact": [0.1, 0.9, 0.2, 0.8], "encrypted": [0.1, 0.4, 0.4, 0.9]})
    (whole,) = figure.axes
    assert len(whole.lines) == 3
    assert [text.get_text() for text in figure.legends[0].texts] == ["exact, area 1.0000", "encrypted, area 0.8750"]
    save(figure, str(tmp_path / "roc.png"))
    for count in (0, 4):
        with pytest.raises(ParameterError, match="draws 1 to 3 sets"):
            roc_figure([0, 1], {str(place): [0.0, 1.0] for place in range(count)})


@pytest.mark.parametrize(("apart", "panels"), [(0.4, 1), (1.4, 1), (3.3, 2), (20, 1), (-20, 1)])
def test_the_corner_is_drawn_where_curves_pass_it(apart, panels):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    scores = rng.normal(size=400) + apart * labels
    figure = roc_figure(labels, {"exact": scores, "twin": scores})
    assert len(figure.axes) == panels
    assert [axes.get_ylabel() for axes in figure.axes] == ["true positive rate"] * panels
    if panels == 2:
        corner, curve = figure.axes[1], roc(labels, scores)
        (_, right), (low, _) = corner.get_xlim(), corner.get_ylim()
        false, true = curve.false_positive_rate, curve.true_positive_rate
        assert np.count_nonzero((false < right) & (true > low)) > 10
        assert right < 0.2


def test_the_corner_is_as_wide_as_the_farthest_curve_needs():
    labels, near = np.repeat([0, 1], 50), np.arange(100.0)
    far = near.copy()
    far[[45, 55]] = far[[55, 45]]
    figure = roc_figure(labels, {"exact": near, "encrypted": far})
    assert figure.axes[1].get_xlim()[1] == pytest.approx(3 * 0.02)


def test_steps_figure_shows_scale_room_level_and_error(tmp_path):
    figure = steps_figure(STEPS)
    bits, errors = figure.axes
    scale, room = ([patch.get_height() for patch in bars] for bars in bits.containers)
    assert scale == [step.scale_bits for step in STEPS]
    assert np.add(scale, room).tolist() == [step.modulus_bits for step in STEPS]
    assert [bars[0].get_facecolor() for bars in bits.containers] == [to_rgba(EXACT), to_rgba(BAND)]
    assert [text.get_text() for text in bits.texts if "level" in text.get_text()] == ["level 2", "level 2", "level 1"]
    assert errors.lines[0].get_ydata().tolist() == [step.error for step in STEPS]
    assert STEPS[0].room_bits == 99
    save(figure, tmp_path / "steps.png")
    with pytest.raises(ParameterError, match="no steps"):
        steps_figure([])


def test_gallery_frames_what_is_marked(tmp_path):
    figure = gallery_figure(np.random.default_rng(0).random((5, 8, 8)), list("abcde"), marked={2}, columns=3)
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes] == [*"abcde", ""]
    assert [axes.spines["top"].get_visible() for axes in figure.axes] == [place == 2 for place in range(6)]
    save(figure, tmp_path / "gallery.png")


@pytest.mark.parametrize("shape", [(2, 8), (1, 8, 8), (0, 8, 8), (2, 0, 8)])
def test_gallery_refuses(shape):
    with pytest.raises(ShapeMismatch):
        gallery_figure(np.zeros(shape), ["a", "b"])
    with pytest.raises(ParameterError):
        gallery_figure(np.zeros((1, 8, 8)), ["a"], columns=0)
