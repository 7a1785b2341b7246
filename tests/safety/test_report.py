"""The four layers on one page."""

import numpy as np

import fhenn

MODEL = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), fhenn.Sigmoid(on_violation="ignore")])


def test_every_layer_has_its_part():
    plan = fhenn.plan(MODEL, bounds=[-3, 3], witness=True)
    report = fhenn.safety_report(MODEL, [-3, 3], np.random.default_rng(0).uniform(-3, 3, (50, 2)), plan)
    text = str(report)
    assert not report.certificate.valid
    assert report.calibration.activations[0].outside > 0
    assert report.witnesses == plan.witnesses
    assert [text.index(layer) for layer in ("1. before", "2. before", "3. during", "4. after")] == sorted(
        text.index(layer) for layer in ("1. before", "2. before", "3. during", "4. after")
    )
    for words in ("NOT VALID", "outside", "misses no input", "cannot tell", "wrong side"):
        assert words in text


def test_what_is_missing_is_said():
    model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
    text = str(fhenn.safety_report(model, [-1, 1]))
    assert "no data given" in text
    assert "witness=True" in text
    assert "every output is possible" in text
