import json
import warnings

import numpy as np
import pytest

import fhenn
from fhenn.demo import load_breast_cancer, run
from fhenn.demo.job import PHASES


@pytest.fixture(scope="module")
def report():
    phases = []
    report = run(progress=phases.append)
    assert tuple(phases) == PHASES
    return report


def test_data():
    features, labels, names = load_breast_cancer()
    assert features.shape == (569, 30)
    assert labels.sum() == 212  # malignant
    assert names[0] == "mean_radius"
    assert len(names) == 30
    assert np.isfinite(features).all()


@pytest.mark.thorough
def test_ciphertexts_agree_with_the_twin(report):
    assert report.largest_difference < 1e-6
    assert report.accuracy_encrypted == report.accuracy_twin
    assert report.decisions_changed == 0


def test_model_is_good_and_stays_in_the_band(report):
    assert report.accuracy_exact > 0.93
    assert report.outside_band == 0
    assert report.largest_pre_activation < 4 < report.headroom


def test_parameters_follow_from_the_cost(report):
    assert report.model_cost == 3
    assert len(report.chain) - 2 == 3
    assert report.ring_degree == 8192


def test_the_server_works_without_the_secret_key(report):
    assert report.server_has_secret_key is False


def test_it_says_how_it_ran(report):
    assert report.evaluator == fhenn.backends.default_evaluator()
    assert report.left_out == 0
    assert report.ciphertexts * 60_000 < report.bytes_upload


def test_leaving_the_band_is_reported_and_nothing_else():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(seed=3).outside_band > 0


def test_report_is_json(report):
    again = json.loads(json.dumps(report.to_dict()))
    assert set(again["seconds"]) == set(PHASES)
    assert min(again["bytes_upload"], again["bytes_result"], again["bytes_keys"]) > 0


def test_another_seed():
    assert run(seed=5).largest_difference < 1e-6
