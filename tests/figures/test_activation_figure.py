import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from support import mostly_thorough

import fhenn
from fhenn.approx import SIGMOID_CUBIC, preset, sigmoid, sigmoid_prime
from fhenn.approx.sigmoid import sigmoid_second
from fhenn.errors import ParameterError
from fhenn.figures import BAND, DANGER, EXACT, POLYNOMIAL, activation_figure, save, show
from fhenn.nn.activation import flip_of

NODES = {
    "sigmoid": lambda: fhenn.Sigmoid(domain=(-8, 8), degree=7),
    "tail-safe": lambda: fhenn.Sigmoid(polynomial=preset("sigmoid-tail-safe-8-16-9")),
    "lopsided": lambda: fhenn.Sigmoid(domain=(-2, 10), degree=5),
    "tanh": fhenn.Tanh,
    "relu": fhenn.ReLU,
    "silu": fhenn.SiLU,
    "gelu": fhenn.GELU,
    "softplus": fhenn.Softplus,
    "square": fhenn.Square,
    "sign-relu": fhenn.SignReLU,
}


def curves(axes, color):
    """(x, y) of the solid curve of that colour, None where there is none."""
    drawn = [line for line in axes.lines if line.get_color() == color and line.get_linestyle() == "-"]
    return drawn[0].get_xydata().T if drawn else None


def shades(axes):
    return [patch.get_facecolor() for patch in axes.patches]


def test_the_cubic_by_default():
    value, slope, bend, error = activation_figure().axes
    first, second = SIGMOID_CUBIC.derivative(), SIGMOID_CUBIC.derivative().derivative()
    for axes, exact, polynomial in (
        (value, sigmoid, SIGMOID_CUBIC),
        (slope, sigmoid_prime, first),
        (bend, sigmoid_second, second),
    ):
        x, y = curves(axes, EXACT)
        np.testing.assert_allclose(y, exact(x), atol=1e-10)
        x, y = curves(axes, POLYNOMIAL)
        np.testing.assert_allclose(y, polynomial(x), atol=1e-12)
    x, y = curves(error, POLYNOMIAL)
    np.testing.assert_allclose(y, SIGMOID_CUBIC(x) - sigmoid(x), atol=1e-12)
    assert x[0] == pytest.approx(-9, abs=0.1)


@pytest.mark.parametrize("name", NODES)
def test_curves_are_those_of_the_node(name):
    node = NODES[name]()
    value, slope, bend, error = activation_figure(node).axes
    x, y = curves(value, POLYNOMIAL)
    inside = (x >= node.domain[0]) & (x <= node.domain[1])
    near = x[inside]
    np.testing.assert_allclose(y[inside], node(near), atol=1e-12)
    np.testing.assert_allclose(curves(value, EXACT)[1], node.exact(x), atol=1e-12)
    backward = node.backward(np.ones_like(near))
    np.testing.assert_allclose(curves(slope, POLYNOMIAL)[1][inside], backward, atol=1e-12)
    exact = curves(slope, EXACT)[1]
    smooth = np.isfinite(exact)
    np.testing.assert_allclose(exact[smooth], node.function.derivative(x[smooth]), atol=1e-12)
    assert np.count_nonzero(~smooth) == (1 if "relu" in name else 0)
    turned = np.gradient(backward, near)
    assert np.abs(curves(bend, POLYNOMIAL)[1][inside] - turned)[1:-1].max() < 0.05 * (1 + np.ptp(turned))
    np.testing.assert_allclose(curves(error, POLYNOMIAL)[1][inside], node(near) - node.exact(near), atol=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize("name", NODES)
def test_band_and_danger_zone(name):
    node = NODES[name]()
    flip = flip_of(node.polynomial) if name != "tail-safe" else None  # its flip is far beyond what is shown
    figure = activation_figure(node)
    for axes in figure.axes:
        expected = [BAND] if flip is None else [BAND, DANGER, DANGER]
        assert shades(axes) == [to_rgba(color) for color in expected]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ([] if flip is None else [f"past ±{flip:.2f} the class flips"])


@pytest.mark.parametrize("name", mostly_thorough(NODES, (0, 3, len(NODES) - 1)))
def test_the_function_fills_its_panel(name):
    """A polynomial that explodes leaves the picture, and does not squash it."""
    node = NODES[name]()
    value, *_, error = activation_figure(node).axes
    x, exact = curves(value, EXACT)
    low, high = value.get_ylim()
    assert np.ptp(exact) > 0.45 * (high - low)
    assert low < exact.min()
    assert exact.max() < high
    inside = (x >= node.domain[0]) & (x <= node.domain[1])
    off = np.abs(curves(error, POLYNOMIAL)[1][inside]).max()
    if off:
        assert 0.3 < off / error.get_ylim()[1] < 0.5


def test_a_polynomial_without_a_function_is_drawn_alone():
    node = fhenn.PolynomialActivation([0.0, 0.5, 0.25], domain=(-2, 2))
    figure = activation_figure(node)
    assert len(figure.axes) == 3
    assert all(curves(axes, EXACT) is None for axes in figure.axes)
    x, y = curves(figure.axes[0], POLYNOMIAL)
    np.testing.assert_allclose(y, 0.5 * x + 0.25 * x**2, atol=1e-12)
    assert [text.get_text() for text in figure.legends[0].texts] == ["0.5x + 0.25x²", "domain [-2, 2]"]


@pytest.mark.parametrize("coefficients", [[2.0], [0.0], [-3.0, 1.0]])
def test_flat_polynomials(coefficients):
    for axes in activation_figure(fhenn.PolynomialActivation(coefficients)).axes:
        low, high = axes.get_ylim()
        assert low < curves(axes, POLYNOMIAL)[1].min() <= curves(axes, POLYNOMIAL)[1].max() < high


def test_legend_says_what_is_what():
    texts = [text.get_text() for text in activation_figure().legends[0].texts]
    assert texts == ["σ(x)", "0.5 + 0.197x − 0.004x³", "domain [-4, 4]", "class flips"]
    texts = [text.get_text() for text in activation_figure(NODES["sigmoid"]()).legends[0].texts]
    assert texts[1] == "polynomial of degree 7, 3 levels"
    assert "at most 0.051 on [-4, 4]" in [text.get_text() for text in activation_figure().axes[-1].texts]


def test_reach():
    for reach in (2.0, 30.0):
        axes = activation_figure(reach=reach).axes[0]
        assert axes.get_xlim() == (-reach, reach)
        assert len(axes.patches) == (1 if reach == 2.0 else 3)
        assert len(axes.texts) == (0 if reach == 2.0 else 1)
    assert activation_figure(fhenn.Sigmoid(domain=(5, 9)), reach=2.0).axes
    for reach in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match="reach"):
            activation_figure(reach=reach)


def test_the_node_stays_as_it_was():
    node = fhenn.Sigmoid(on_violation="raise")
    node(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        activation_figure(node)
    assert node.backward(1.0) == SIGMOID_CUBIC.derivative()(1.0)
    with pytest.raises(fhenn.RangeViolation):
        node(9.0)


def test_same_picture_same_file(tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        save(activation_figure(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_window_shows_the_figure(monkeypatch):
    seen = []
    pyplot.switch_backend("agg")
    monkeypatch.setattr(FigureCanvasAgg, "required_interactive_framework", "tk")
    monkeypatch.setattr(pyplot, "show", lambda: seen.append(pyplot.get_current_fig_manager().canvas.figure))
    figure = activation_figure()
    show(figure)
    pyplot.close("all")
    assert seen == [figure]


def test_no_window_without_a_display():
    pyplot.switch_backend("agg")
    with pytest.raises(ParameterError, match="-o FILE"):
        show(activation_figure())
    assert not pyplot.get_fignums()
