import warnings
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import fhenn
from fhenn.errors import ParameterError


def _report(x):
    with pytest.warns(fhenn.RangeWarning) as caught:
        fhenn.Sigmoid()(x)
    assert len(caught) == 1
    return caught[0].message.report


def test_warning_says_who_how_many_and_how_far():
    report = _report([-5.0, 0.0, 9.0])
    assert (report.node, report.outside, report.total) == ("Sigmoid", 2, 3)
    assert (report.smallest, report.largest, report.nonfinite) == (-5.0, 9.0, 0)
    text = str(report)
    assert "2 of 3 values outside [-4, 4], smallest -5, largest 9" in text
    assert "past |x| = 7.02" in text
    assert "flips class" in text


def test_warning_points_at_the_callers_line():
    node = fhenn.Sigmoid()
    for call in (lambda: node(5.0), lambda: node.forward(5.0), lambda: node.forwards([5.0]), lambda: node.check(5.0)):
        with pytest.warns(fhenn.RangeWarning) as caught:
            call()
        assert caught[0].filename == __file__
        assert caught[0].lineno == call.__code__.co_firstlineno


@pytest.mark.parametrize("x", [4.0, -4.0, [[0.0, 4.0]], np.zeros((0, 3)), 0, True, np.float32(4)])
def test_inside_is_silent(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fhenn.Sigmoid()(x)


@pytest.mark.parametrize("x", [4.00001, np.float32(4.00001), [0.0, -4.5], [np.nan, 0.0], np.inf, [-np.inf]])
def test_outside_is_not(x):
    assert _report(x).outside == 1


def test_nan_and_infinity_are_violations():
    report = _report([np.nan, np.inf, -np.inf, 1.0, 5.0])
    assert (report.outside, report.nonfinite, report.smallest, report.largest) == (4, 3, 1.0, 5.0)
    nothing = _report(np.nan)
    assert isnan(nothing.smallest)
    assert isnan(nothing.largest)


@given(arrays(np.float64, array_shapes(), elements=st.floats(allow_nan=True, width=64)))
def test_reports_what_is_there(x):
    guard = fhenn.Sigmoid(on_violation="ignore")._guard
    report = guard.report(x)
    outside = int(np.count_nonzero(~((x >= -4) & (x <= 4))))
    assert (report.outside if report else 0) == outside


def test_policies():
    with pytest.raises(fhenn.RangeViolation) as caught:
        fhenn.Sigmoid(on_violation="raise")(5.0)
    assert caught.value.report.largest == 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fhenn.Sigmoid(on_violation="ignore")(500.0)
    assert fhenn.Sigmoid(on_violation="ignore").check(500.0).largest == 500.0
    with pytest.raises(ParameterError, match="'warn', 'raise'"):
        fhenn.Sigmoid(on_violation="shout")


def test_warnings_filters_work():
    with warnings.catch_warnings():
        warnings.simplefilter("error", fhenn.RangeWarning)
        with pytest.raises(fhenn.RangeWarning):
            fhenn.Sigmoid()(5.0)
        warnings.simplefilter("ignore", UserWarning)
        fhenn.Sigmoid()(5.0)


def test_a_violation_that_raises_keeps_no_input():
    node = fhenn.Sigmoid(on_violation="raise")
    with pytest.raises(fhenn.RangeViolation):
        node(5.0)
    with pytest.raises(RuntimeError):
        node.backward(1.0)


def test_the_class_does_flip_where_the_warning_says():
    node = fhenn.Sigmoid(on_violation="ignore")
    assert node(7.0) > 0.5 > node(7.04)
    assert node(-7.0) < 0.5 < node(-7.04)
