"""What a client makes of decrypted scores, on ciphertexts: one model for each kind of finish."""

import numpy as np
import pytest

import fhenn

pytest.importorskip("sklearn")

from linear_estimators import CASES, fitted, samples

FINISHES = {
    "link": "PoissonRegressor - counts",
    "inverse of a target": "target, a pipeline - positive",
    "mean of links": "VotingRegressor of Poisson - positive",
    "several values": "MultiOutputRegressor - outputs",
    "Platt's sigmoids": "CalibratedClassifierCV - three",
    "isotonic tables": "CalibratedClassifierCV, isotonic - three",
    "temperature": "CalibratedClassifierCV, temperature - three",
    "votes of pairs": "SVC - three",
    "coupled pairs": "SVC, probability - three",
    "pairs of classifiers": "OneVsOneClassifier - four",
    "hard votes": "VotingClassifier, weights - three",
    "soft votes": "VotingClassifier, soft - three",
    "rare classes": "BaggingClassifier, rare - four",
    "codes": "OutputCodeClassifier - three",
    "threshold": "FixedThresholdClassifier, no - binary",
    "stack": "StackingClassifier, through - three",
    "one against the rest": "OneVsRestClassifier, bayes - three",
    "labels": "OneVsRestClassifier - labels",
    "classifications": "MultiOutputClassifier - classes",
    "chain": "ClassifierChain - labels",
    "novelty": "SGDOneClassSVM - novelty",
    "squares": "GaussianNB - three",
    "counts": "MultinomialNB - three",
}
QUICK = ("votes of pairs", "classifications", "temperature", "several values")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.thorough) for n in FINISHES])
def test_ciphertexts_answer_as_the_estimator(name):
    case = FINISHES[name]
    if case not in CASES:
        pytest.skip("this scikit-learn is too old for it")
    x, unseen = samples(case)
    estimator = fitted(*CASES[case], x)
    model = fhenn.from_sklearn(estimator)
    private = fhenn.encrypted_model(model, inputs=np.concatenate([x, unseen]), accuracy=1e-4, margin=0.1, rows=60)
    scores, twin = private.scores(unseen), private.model.scores(unseen)
    assert (np.abs(scores - twin) <= private.plan.errors).all()
    reading = private.reading
    wanted, got = estimator.predict(unseen), reading.predict(scores)
    if reading.task == "regression":
        np.testing.assert_allclose(got, wanted, rtol=1e-2, atol=1e-2 * np.abs(wanted).max())
        return
    # what no error of the plan's size can turn over must be as it is
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(16, *twin.shape))
    moved = [reading.predict(twin + each * private.plan.errors) for each in signs]
    certain = np.all([each == wanted for each in moved], axis=0)
    assert certain.mean() > 0.9
    assert (got == wanted)[certain].all()
    assert got.dtype == wanted.dtype
    if hasattr(estimator, "predict_proba") and name != "coupled pairs":  # whose iteration may end a step earlier
        for one, other in zip(reading.predict_proba(scores), estimator.predict_proba(unseen), strict=True):
            assert np.abs(one - other).max() < 0.02
