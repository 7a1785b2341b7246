from pathlib import Path

import numpy as np

from fhenn.approx import SIGMOID_CUBIC, sigmoid
from fhenn.figures import save, sigmoid_figure


def test_curves_are_the_functions():
    top, bottom = sigmoid_figure().axes
    exact, cubic = (line.get_xydata() for line in top.lines[:2])
    np.testing.assert_allclose(exact[:, 1], sigmoid(exact[:, 0]))
    np.testing.assert_allclose(cubic[:, 1], SIGMOID_CUBIC(cubic[:, 0]))
    difference = bottom.lines[0].get_xydata()
    np.testing.assert_allclose(difference[:, 1], cubic[:, 1] - exact[:, 1])


def test_same_picture_same_file(tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        save(sigmoid_figure(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
