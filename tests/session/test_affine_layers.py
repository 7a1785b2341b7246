"""Models of sparse and scaling layers from plan to answer, and through files."""

import numpy as np
import pytest

import fhenn
from fhenn import artifacts
from fhenn.nn import Affine, Dense, Scaling, Sparse

rng = np.random.default_rng(0)
X = rng.uniform(-1, 1, (5, 6))

MODELS = {
    "sparse": lambda: [Affine(Sparse([0, 1, 2, 2], [1, 4, 2, 5], rng.normal(size=4), (3, 6)), 0.5)],
    "scaling, square, sparse": lambda: [
        Affine(Scaling(rng.normal(size=6)), rng.normal(size=6)),
        fhenn.Square(on_violation="ignore"),
        Affine(Sparse([0, 1, 2, 2], [1, 4, 2, 5], rng.normal(size=4), (3, 6)), 0.5),
    ],
    "linear, square, dense": lambda: [
        fhenn.Linear(rng.normal(size=(4, 6)) / 4),
        fhenn.Square(on_violation="ignore"),
        Affine(Dense(rng.normal(size=(2, 4)))),
    ],
}


@pytest.mark.parametrize("layout", ["latency", "throughput"])
@pytest.mark.parametrize("name", MODELS)
def test_answers_are_the_twins(name, layout):
    model = artifacts.model_from_bytes(artifacts.model_to_bytes(fhenn.Sequential(MODELS[name]())))
    plan = fhenn.plan(model, bounds=[-1, 1], layout=layout)
    plan.require_shareable()
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys(), certificate=fhenn.certify(model, [-1, 1], plan))
    scores = client.decrypt_scores(server.predict(client.encrypt(X)))
    assert scores.shape == (5, model.nodes[-1].outputs)
    np.testing.assert_allclose(scores, model.infer(X), rtol=0, atol=plan.error)


def test_an_operator_costs_its_diagonals():
    """A scaling after another layer has one diagonal, which takes no step; what is left are the folds."""
    factors, first = rng.normal(size=16), rng.normal(size=(16, 16)) / 16
    scaling, matrix, full = (
        set(fhenn.plan(fhenn.Sequential([fhenn.Linear(first), fhenn.Square(), last]), bounds=[-1, 1]).rotations)
        for last in (
            Affine(Scaling(factors)),
            fhenn.Linear(np.diag(factors)),
            fhenn.Linear(rng.normal(size=(16, 16)) / 4),
        )
    )
    assert scaling == matrix < full
