"""One model that fails silently without range safety, and which of its four layers catches what."""

import numpy as np
import pytest
import tenseal as ts

import fhenn
from fhenn.approx import sigmoid
from fhenn.errors import CertificateInvalid, RangeViolation
from fhenn.safety import output_guard

WEIGHT = np.array([[2.0, -1.0, 1.5, 0.5]])
DIRECTION = WEIGHT / (WEIGHT @ WEIGHT.T)
# pre-activations: inside the band, where the class has flipped but the output looks usual, and past that
REACHES = {"inside": [-3.5, -1.0, 0.5, 3.9], "flipped": [7.1, -7.5, 8.0, -7.9], "stray": [8.3, -8.5, 9.0, -9.2]}
X = np.concatenate([np.outer(values, DIRECTION) for values in REACHES.values()])
INSIDE, FLIPPED, STRAY = (slice(0, 4), slice(4, 8), slice(8, 12))
MODEL = fhenn.Sequential([fhenn.Linear(WEIGHT), fhenn.Sigmoid(on_violation="ignore")])


@pytest.fixture(scope="module")
def found(evaluator):
    """For each layer the samples that it speaks against."""
    certificate = fhenn.certify(MODEL, np.stack([X.min(axis=0), X.max(axis=0)]))
    calibration = fhenn.calibrate(MODEL, X)
    plan = fhenn.plan(MODEL, inputs=X, witness=True, layout="throughput")
    client = fhenn.Client(plan.public())
    server = fhenn.Server(MODEL, plan, client.evaluation_keys())
    answer = server.predict(client.encrypt(X))
    report = client.violations(answer)
    scores = np.ma.getdata(client.decrypt_scores(answer, on_violation="mask"))
    return certificate, calibration, report, scores, (client, server, plan, answer)


def test_tenseal_flips_the_class_without_a_word(deep):
    exact = sigmoid(X @ WEIGHT.T).ravel()
    scores = np.array(
        [ts.ckks_vector(deep, x).mm(WEIGHT.T.tolist()).polyval([0.5, 0.197, 0, -0.004]).decrypt()[0] for x in X]
    )
    wrong = (scores > 0.5) != (exact > 0.5)
    assert wrong.tolist() == [False] * 4 + [True] * 8
    assert np.abs(exact[4:] - 0.5).min() > 0.49, "confident ones at that"
    assert np.all((scores[FLIPPED] > -0.03) & (scores[FLIPPED] < 1.03)), "and nothing to see in the output"


def test_before_the_certificate_refuses_the_model(found):
    certificate, _, _, _, (_, _, plan, _) = found
    assert not certificate.valid
    assert certificate.activations[0].high >= 9.0
    with pytest.raises(CertificateInvalid, match="may leave the domain"):
        fhenn.Client(plan, certificate=certificate)


def test_before_calibration_sees_all_eight(found):
    _, calibration, _, _, _ = found
    assert calibration.activations[0].outside == 8
    mended = calibration.apply()
    assert mended.nodes[1].domain[1] >= 9.2
    assert np.all((mended.infer(X) > 0.5) == (sigmoid(X @ WEIGHT.T) > 0.5))


def test_during_the_witness_names_the_samples(found):
    _, _, report, _, (client, _, _, answer) = found
    named = next(places for source, places in report.found.items() if "witness" in source)
    assert named == tuple(range(4, 12))
    with pytest.raises(RangeViolation):
        client.decrypt(answer)


def test_after_the_outputs_tell_of_the_strays_only(found):
    _, _, report, scores, (client, server, plan, _) = found
    guard = output_guard(MODEL.nodes[1].polynomial)
    assert np.flatnonzero(guard.alarms(scores, plan.error)).tolist() == list(range(8, 12))
    assert report.found["outputs that no input in the domain gives"] == tuple(range(8, 12))
    without = client.violations(server.predict(client.encrypt(X), range_check=False), range_check=False)
    assert without.samples == tuple(range(8, 12)), "this layer alone misses what has flipped"


def test_every_bad_sample_is_caught_before_its_answer_is_used(found):
    certificate, calibration, report, _, _ = found
    first_three = set(report.found["witness of Sigmoid (node 1)"])
    assert not certificate.valid
    assert calibration.activations[0].outside == 8
    assert first_three >= set(range(4, 12))
    assert not first_three & set(range(4)), "and no good one is accused"
