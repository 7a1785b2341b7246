"""The conversion of a module in a picture."""

import pytest

from fhenn.errors import ParameterError
from fhenn.figures import conversion_figure, save
from fhenn.interop.retraining import Retraining, RetrainingStep

STEPS = (
    RetrainingStep("conv.act", "ReLU", "degree 4", 2, (-3.0, 3.0), 0.91, 0.95, 5, 0.01),
    RetrainingStep("conv.pool", "MaxPool2d", "average", 0, None, 0.80, 0.94, 5, 0.0),
)


def test_the_measure_and_the_levels_of_each_step(tmp_path):
    figure = conversion_figure(Retraining("accuracy", 400, 0.96, 0.94, STEPS, 5))
    quality, levels = figure.axes
    original, replaced, tuned = quality.lines
    assert set(original.get_ydata()) == {96.0}
    assert list(replaced.get_ydata()) == [91.0, 80.0]
    assert list(tuned.get_ydata()) == [95.0, 94.0]
    assert [bar.get_height() for bar in levels.patches] == [2, 0]
    assert [text.get_text() for text in levels.get_xticklabels()] == ["conv.act\ndegree 4", "conv.pool\naverage"]
    assert quality.get_title(loc="left") == "5 levels, on 400 held-out samples"
    save(figure, tmp_path / "conversion.svg")


def test_r_squared_is_no_percentage():
    figure = conversion_figure(Retraining("R²", 400, 0.96, 0.94, STEPS, 5))
    assert list(figure.axes[0].lines[2].get_ydata()) == [0.95, 0.94]
    assert figure.axes[0].get_ylabel() == "R²"


def test_nothing_to_draw():
    with pytest.raises(ParameterError, match="nothing was replaced"):
        conversion_figure(Retraining("accuracy", 400, 0.96, 0.94, (), 5))
