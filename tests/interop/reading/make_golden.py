"""Writes the files of `golden`: readings as JSON, with scores and what a client reads of them.

Run it after a change of the format, under a new name for what it changes; files that are there stay as they are.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

import fhenn
from fhenn.interop import Reading
from fhenn.interop.sklearn.trees import votes

FOLDER = Path(__file__).parent / "golden"

WORDS = {
    "regression": (Reading.regression(), 1),
    "regression-outputs": (Reading.regression(["a", "b"], flat=False), 2),
    "sigmoid": (Reading.classification([0, 1], "sigmoid"), 1),
    "softmax": (Reading.classification(np.array([3, 1, 2], dtype=np.int32), "softmax", ["a", "b"]), 3),
    "softmax-of-one": (Reading.classification(np.array(["x", "yy"], dtype=object), "softmax"), 1),
    "one-vs-rest": (Reading.classification(["ham", "spam", "eggs"], "one-vs-rest"), 3),
    "modified-huber": (Reading.classification([0.5, 1.5, 2.5], "modified-huber"), 3),
    "no-probabilities": (Reading.classification([False, True]), 1),
}
"""Readings that version 1 has, and how many scores they are of."""

CASES = {
    "stacking": "StackingClassifier, through - three",
    "calibrated": "CalibratedClassifierCV - three",
    "isotonic": "CalibratedClassifierCV, isotonic - binary",
    "temperature": "CalibratedClassifierCV, tempered bayes - three",
    "machine": "SVC, probability - three",
    "machine-ties": "SVC, breaking ties - four",
    "votes": "VotingClassifier, weights - three",
    "rare-classes": "BaggingClassifier, rare - four",
    "threshold": "FixedThresholdClassifier, no - binary",
    "chain": "ClassifierChain - labels",
    "labels": "OneVsRestClassifier, hinge - labels",
    "outputs": "MultiOutputClassifier - classes",
    "novelty": "OneClassSVM - novelty",
    "poisson": "PoissonRegressor - counts",
    "target": "target, a pipeline - positive",
    "box-cox": "target, Box-Cox - positive",
}
"""Readings of estimators, by the case of `linear_estimators` that they are from."""


SHARES = {
    "forest": (["a", "b", "c"], [[0.2, 0.3, 0.5], [0.4, 0.4 + 9e-6, 0.2], [0.4, 0.4 + 1.1e-5, 0.2], [0.1, 0.45, 0.45]]),
    "forest-of-two": ([False, True], [[0.2], [0.5], [0.5 + 4e-6], [0.5 + 6e-6], [0.8]]),
}
"""Classes of forests with shares of their votes, some of them nearly even."""


def answers(reading, scores):
    """What a client reads, as JSON has it."""
    found = {"predict": reading.predict(scores).tolist()}
    if reading.has_probabilities:
        shares = reading.predict_proba(scores)
        found["predict_proba"] = [each.tolist() for each in shares] if isinstance(shares, list) else shares.tolist()
    if reading.task != "regression" and not reading.outputs and reading.maps_of(scores.shape[1]).decision is not None:
        found["decision_function"] = reading.decision_function(scores).tolist()
    return found


def write(name, reading, scores):
    """One file, unless it is there."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        document = {"reading": reading.to_json(), "scores": scores.tolist(), **answers(reading, scores)}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def main():
    """All files."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    estimators = import_module("linear_estimators")
    rng = np.random.default_rng(0)
    for name, (reading, outputs) in WORDS.items():
        write(f"{name}.v1", reading, rng.normal(size=(6, outputs)).round(3))
    for name, case in CASES.items():
        model = fhenn.from_sklearn(estimators.fitted(*estimators.CASES[case]))
        write(f"{name}.v2", model.reading, model.scores(estimators.features()[1][:6]))
    for name, (classes, shares) in SHARES.items():
        reading = Reading.classification(classes, maps=votes(range(len(shares[0]))))
        write(f"{name}.v2", reading, np.array(shares))


if __name__ == "__main__":
    main()
