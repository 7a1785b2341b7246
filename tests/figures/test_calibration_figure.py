import numpy as np
import pytest
from matplotlib.colors import to_rgba

import fhenn
from fhenn.errors import ParameterError
from fhenn.figures import BAND, DANGER, EXACT, calibration_figure, save

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4))


def model(scale=1.0):
    weight = np.random.default_rng(1).normal(size=(6, 4))
    return fhenn.Sequential([fhenn.Linear(weight * scale), fhenn.Sigmoid(), fhenn.Linear(weight.T), fhenn.Tanh()])


def test_bars_are_the_quantiles():
    found = fhenn.calibrate(model(), X)
    figure = calibration_figure(found)
    assert len(figure.axes) == 2
    for axes, report in zip(figure.axes, found.activations, strict=True):
        bars = [patch for container in axes.containers for patch in container]
        quantiles = report.quantiles
        left, right = axes.get_xlim()
        expected = [np.clip((quantiles[low], quantiles[high]), left, right) for low, high in ((0, 6), (1, 5), (2, 4))]
        got = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
        np.testing.assert_allclose(got, expected)
        solid = [line for line in axes.lines if line.get_linestyle() == "-"]
        assert solid[0].get_xdata()[0] == quantiles[3]
        dashed = {line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"}
        assert dashed == {edge for edge in report.proposal.domain if left <= edge <= right}
        assert axes.get_title(loc="left").startswith(report.title)


def test_band_and_danger_zone():
    first, second = calibration_figure(fhenn.calibrate(model(), X)).axes
    bars = 3
    assert [patch.get_facecolor() for patch in first.patches][:-bars] == [to_rgba(c) for c in (BAND, DANGER, DANGER)]
    assert first.patches[0].get_x() == -4.0
    assert first.patches[0].get_width() == 8.0
    assert first.patches[2].get_x() == pytest.approx(7.0178, abs=1e-3)
    assert second.patches[0].get_x() == -2.0


def test_legend():
    entries = ["all, 99.8%, 98% of the values", "median", "domain"]
    figure = calibration_figure(fhenn.calibrate(model(), X))
    assert [t.get_text() for t in figure.legends[0].texts] == [*entries, "class flips", "proposed domain"]
    inside = calibration_figure(fhenn.calibrate(fhenn.Sigmoid(), [[-3.0], [3.0]]))
    assert [t.get_text() for t in inside.legends[0].texts] == entries
    assert not [line for line in inside.axes[0].lines if line.get_linestyle() == "--" and line.get_color() == EXACT]


def test_a_proposal_several_times_as_wide_is_drawn_and_one_beyond_the_picture_is_not_in_the_legend():
    def figure(largest):
        return calibration_figure(fhenn.calibrate(fhenn.Sigmoid(), [[-1.0], [largest]]))

    def named(figure):
        return "proposed domain" in [text.get_text() for text in figure.legends[0].texts]

    def edges(figure):
        return [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"]

    near, far = figure(22.0), figure(60.0)
    assert np.abs(edges(near)) == pytest.approx(27.5)
    assert named(near)
    assert not edges(far)
    assert not named(far)


@pytest.mark.thorough
@pytest.mark.parametrize("scale", [1e6, 1e150])
def test_what_explodes_stays_in_the_picture(scale, tmp_path):
    figure = calibration_figure(fhenn.calibrate(model(scale), X))
    for axes in figure.axes:
        assert max(np.abs(axes.get_xlim())) <= 32
    assert "up to" in figure.axes[0].get_title(loc="left")
    assert ("NaN or infinite" in figure.axes[1].get_title(loc="left")) == (scale > 1e100)
    save(figure, tmp_path / "a.png")


def test_nothing_to_draw():
    with pytest.raises(ParameterError, match="no activations"):
        calibration_figure(fhenn.calibrate(fhenn.Linear(np.eye(4)), X))
