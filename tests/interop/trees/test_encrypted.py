"""Trees on ciphertexts: what a client decrypts is what the trees say, within what the plan states."""

import numpy as np
import pytest
from support import mostly_thorough, on_each
from tree_ensembles import chain_tree, full_tree, samples_of, tree_of

import fhenn
from fhenn.artifacts import model_from_bytes, model_to_bytes
from fhenn.interop import ImportedModel, Reading
from fhenn.interop.trees import Ensemble, parts_of, preparation_of
from fhenn.nn import PolynomialActivation

rng = np.random.default_rng(5)
KINDS = [0, 1, 2, 3]


def imported(ensemble):
    steps, nodes = parts_of(ensemble)
    return ImportedModel(nodes, Reading.regression(flat=False), preparation=preparation_of(ensemble, steps))


def mixed():
    """Trees of thresholds, sets of numbers and of texts, with missing cells."""
    trees = [tree_of(rng, KINDS, 2) for _ in range(6)]
    return Ensemble(trees, 4, [0.5, -0.5], strict=True, single=True, missing=(True,) * 4)


def full(count, features, depth, outputs=1):
    trees = [full_tree(features, depth, outputs, seed=place) for place in range(count)]
    return Ensemble(trees, features, [0.0] * outputs)


@on_each
@pytest.mark.parametrize(
    ("ensemble", "degree", "layout"),
    mostly_thorough(
        [
            (full(2, 4, 2), 2, "latency"),
            (full(3, 8, 3), 3, "throughput"),
            (mixed(), 4, "latency"),
            (full(2, 40, 8, 3), 8, "latency"),
            (Ensemble([chain_tree(13)] * 2, 13, [0.0], missing=(True,) * 13), 13, "latency"),
        ],
        (0,),
    ),
    ids=["depth 2", "many samples", "mixed", "depth 8", "deep"],
)
def test_what_is_decrypted_is_what_the_trees_say(ensemble, degree, layout):
    model = imported(ensemble)
    if any(ensemble.missing):
        kinds = KINDS if ensemble.features == 4 else [0] * ensemble.features
        rows = np.array(samples_of(rng, kinds, ensemble.missing, 8), dtype=object)
    else:
        rows = rng.integers(0, 129, (8, ensemble.features)) / 128  # on thresholds and between them
    wanted = ensemble.scores(rows)
    plan = fhenn.plan(model, layout=layout, accuracy=1e-2, relative=False)
    (polynomial,) = (node for node in model.nodes if isinstance(node, PolynomialActivation))
    assert polynomial.polynomial.degree == degree
    client = fhenn.Client(plan, preparation=model.preparation)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    found = client.decrypt_scores(server.predict(client.encrypt(rows)))
    assert np.abs(found - wanted).max() <= plan.error <= 1e-2


@pytest.mark.thorough
def test_leaves_that_fill_several_ciphertexts():
    ensemble = full(44, 30, 7, 2)
    model = imported(ensemble)
    plan = fhenn.plan(model, layout="latency", accuracy=1e-2, relative=False)
    assert model.nodes[0].outputs > 4096
    client = fhenn.Client(plan, preparation=model.preparation)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    rows = rng.random((2, 30))
    found = client.decrypt_scores(server.predict(client.encrypt(rows)))
    assert np.abs(found - ensemble.scores(rows)).max() <= plan.error


def test_the_certificate_is_exact_whatever_the_samples_are():
    model = imported(full(3, 8, 3))
    certificate = fhenn.certify(model)
    assert certificate.approximation == 0
    assert not certificate.from_data
    assert (certificate.low[0], certificate.high[0]) == (0, 1)


def test_models_are_kept_in_files():
    ensemble = mixed()
    model = imported(ensemble)
    copy = model_from_bytes(model_to_bytes(model))
    rows = np.array(samples_of(rng, KINDS, ensemble.missing, 20), dtype=object)
    assert np.allclose(copy.scores(rows), ensemble.scores(rows), rtol=0, atol=1e-9)
