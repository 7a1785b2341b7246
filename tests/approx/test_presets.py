import json
from importlib.resources import files

import numpy as np
import pytest

from fhenn.approx import (
    FUNCTIONS,
    GELU,
    PRESETS,
    RELU,
    SIGMOID,
    SIGMOID_CUBIC,
    TANH,
    Function,
    choose,
    fit,
    is_tail_safe,
    least_squares,
    minimax,
    preset,
)
from fhenn.approx.recipes import DECIMALS, KIM, RECIPES, write_presets
from fhenn.errors import AccuracyUnreached, ParameterError


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_preset_is_made_again(recipe):
    stored, made = PRESETS[recipe.name], recipe.make()
    assert stored.source == recipe.source
    assert stored.name == recipe.name
    assert (stored.polynomial.domain, stored.polynomial.basis) == (made.domain, made.basis)
    assert stored.polynomial.function is made.function
    digit = 10.0**-DECIMALS if made.basis == "chebyshev" else 0.0
    # a tie of the last digit may fall either way
    np.testing.assert_allclose(stored.polynomial.coefficients, made.coefficients, rtol=0, atol=1.01 * digit)


def test_the_file_holds_the_recipes_in_their_order(tmp_path, monkeypatch):
    assert list(PRESETS) == [recipe.name for recipe in RECIPES]
    assert len(PRESETS) == len(set(PRESETS)) == len(RECIPES)
    monkeypatch.setattr("fhenn.approx.recipes.RECIPES", RECIPES[:12])
    write_presets(tmp_path / "presets.json")
    text = (files("fhenn.approx") / "presets.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "presets.json").read_text(encoding="utf-8")) == json.loads(text)[:12]


def test_chen_is_the_cubic_that_fhenn_runs():
    assert preset("sigmoid-chen-3") == SIGMOID_CUBIC
    exact = minimax(SIGMOID, 3, (-5, 5)).to_monomial()
    assert [int(1000 * c) for c in exact.coefficients] == [500, 197, 0, -4]


def test_kim_is_least_squares():
    """Degree 3 to every printed digit; of degree 5 the last coefficient is not what least squares gives."""
    fits = {degree: least_squares(SIGMOID, degree, (-8, 8)).to_monomial() for degree in KIM}
    scaled = {n: [fits[n].coefficient(k) * 8**k for k in range(1, n + 1, 2)] for n in KIM}
    assert tuple(np.round(scaled[3], 5)) == KIM[3]
    np.testing.assert_allclose(scaled[5][:2], KIM[5][:2], rtol=6e-5)
    assert KIM[5][2] / scaled[5][2] == pytest.approx(1 - 0.0236, abs=1e-4)
    np.testing.assert_allclose(scaled[7], KIM[7], rtol=8e-4)
    for degree, printed in KIM.items():
        value = sum(c * 0.75**k for c, k in zip(printed, range(1, degree + 1, 2), strict=True))
        assert float(preset(f"sigmoid-kim-{degree}")(6.0)) == pytest.approx(0.5 + value, abs=1e-14)


def test_presets_are_what_their_names_say():
    for name, entry in PRESETS.items():
        function, polynomial = name.split("-")[0], entry.polynomial
        assert polynomial.function is FUNCTIONS[function]
        assert polynomial.degree == int(name.rsplit("-", 1)[1])
        if "minimax" in name:
            if polynomial.degree in {3, 14, 15, 31}:  # rounding costs less than a hundredth
                best = minimax(polynomial.function, polynomial.degree, polynomial.domain).sup_error()
                assert polynomial.sup_error() <= 1.01 * best, name
            assert polynomial.domain[1] == float(name.split("-")[2])
        if "tail-safe" in name:
            width, reach = map(float, name.split("-")[3:5])
            assert polynomial.domain == (-width, width)
            assert is_tail_safe(polynomial, (-reach, reach)), name


def test_the_presets_that_were_asked_for():
    for width in (4, 6, 8, 12, 16):
        for degree in range(3, 32, 2):
            assert preset(f"sigmoid-minimax-{width}-{degree}").domain == (-width, width)


@pytest.mark.parametrize("name", ["sigmoid-minimax-8-8", "nothing", "", None, 3])
def test_unknown_names(name):
    with pytest.raises(ParameterError, match="Did you mean"):
        preset(name)
    with pytest.raises(KeyError):
        PRESETS[name]


def test_the_nearest_names_are_offered():
    with pytest.raises(ParameterError, match="sigmoid-kim-7"):
        preset("sigmoid-kimm-7")


def test_choice_prefers_a_preset():
    assert choose(SIGMOID, (-8, 8), degree=7) is preset("sigmoid-minimax-8-7")
    assert choose(TANH, (-4, 4), degree=15) is preset("tanh-minimax-4-15")
    assert choose(RELU, (-4.0, 4.0), degree=6) is preset("relu-minimax-4-6")
    accurate = choose(SIGMOID, (-8, 8), accuracy=1e-3)
    assert accurate is preset(f"sigmoid-minimax-8-{accurate.degree}")
    assert accurate.degree == fit(SIGMOID, domain=(-8, 8), accuracy=1e-3).degree == 15


def test_choice_fits_where_there_is_none():
    assert choose(SIGMOID, (-8, 7), degree=7) == minimax(SIGMOID, 7, (-8, 7))
    assert choose(SIGMOID, (-7, 8), degree=7) == minimax(SIGMOID, 7, (-7, 8))
    assert choose(SIGMOID, (-8.00000001, 8.00000001), degree=7) == minimax(SIGMOID, 7, (-8.00000001, 8.00000001))
    assert choose(SIGMOID, (-8, 8), degree=33) == minimax(SIGMOID, 33, (-8, 8))
    assert choose(SIGMOID, (-8, 7), degree=7) is choose(SIGMOID, (-8.0, 7.0), degree=7)


def test_an_accuracy_that_rounding_would_miss_is_kept():
    exact = minimax(SIGMOID, 31, (-4, 4))
    accuracy = exact.sup_error() * (1 + 1e-12)
    chosen = choose(SIGMOID, (-4, 4), accuracy=accuracy)
    assert chosen.sup_error() <= accuracy


def test_another_function_of_a_known_name_is_not_confused():
    other = Function("sigmoid", np.tanh, lambda x: 1 - np.tanh(x) ** 2, symmetry="odd")
    chosen = choose(other, (-8, 8), degree=7)
    assert chosen.coefficients == minimax(TANH, 7, (-8, 8)).coefficients
    assert choose(SIGMOID, (-8, 8), degree=7) is preset("sigmoid-minimax-8-7")


def test_choice_refuses_what_fit_refuses():
    for options in (
        {},
        {"degree": 3, "accuracy": 0.1},
        {"degree": 64},
        {"accuracy": 0},
        {"degree": 7, "accuracy": 0.1},
    ):
        with pytest.raises(ParameterError):
            choose(SIGMOID, (-8, 8), **options)
    with pytest.raises(ParameterError):
        choose(SIGMOID, (8, -8), degree=7)
    with pytest.raises(AccuracyUnreached):
        choose(SIGMOID, (-100, 100), accuracy=1e-6)


def test_choice_of_a_function_that_is_constant_on_its_domain():
    chosen = choose(GELU, (-110, -90), accuracy=1e-3)
    assert (chosen.degree, chosen.sup_error()) == (0, 0.0)
