"""Models of more features than a ciphertext has slots: what plan, keys and answers take, and that they are right."""

import json
import subprocess
import sys

import numpy as np
import pytest
from support import mostly_thorough, on_each

import fhenn
from fhenn.ckks.layout import Vectors
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.operator import Dense, Scaling, Sparse
from fhenn.ckks.rotations import CHAINED
from fhenn.errors import PlanError
from fhenn.nn import Affine
from fhenn.planner.packing import pack_samples
from fhenn.ranges import reaches

rng = np.random.default_rng(11)


def answers(model, x, **wishes):
    """What a client reads, and the plan."""
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, **wishes)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    return client.decrypt(server.predict(client.encrypt(x))), plan


def linear(outputs, inputs):
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / np.sqrt(inputs), rng.normal(size=outputs))


def sparse(outputs, inputs):
    """A row of one entry for each output."""
    return Affine(
        Sparse(np.arange(outputs), np.arange(outputs) % inputs, rng.uniform(-1, 1, outputs), (outputs, inputs))
    )


@on_each
@pytest.mark.parametrize(
    ("model", "features", "samples", "wishes", "form", "most"),
    mostly_thorough(
        [
            (linear(1, 5_000), 5_000, 1, {}, "tiles", 3),
            (linear(3, 20_000), 20_000, 2, {}, "blocks", 10),
            (linear(3, 20_000), 20_000, 1, {"upload": 40}, "tiles", 40),
            (fhenn.Sequential([linear(6, 5_000), fhenn.Square(), linear(2, 6)]), 5_000, 1, {}, "blocks", 3),
        ],
        (0, 1),
    ),
    ids=["one output", "several outputs", "a larger upload", "a network"],
)
def test_whole_samples_in_several_ciphertexts_give_what_the_twin_does(model, features, samples, wishes, form, most):
    x = rng.uniform(-1, 1, (samples, features)) * (rng.random((samples, features)) < 0.01)
    found, plan = answers(model, x, **wishes)
    assert np.abs(found - model.infer(x)).max() <= plan.error <= 1e-2
    assert isinstance(plan.layout, Vectors)
    assert plan.layout.form == form
    assert 1 < plan.ciphertexts_per_sample <= most
    assert fhenn.Plan.from_json(plan.to_json()) == plan


@on_each
@pytest.mark.thorough
def test_a_feature_in_each_ciphertext_gives_what_the_twin_does():
    model, x = linear(2, 2_500), rng.uniform(-1, 1, (2, 2_500))
    found, plan = answers(model, x, layout="throughput")
    assert np.abs(found - model.infer(x)).max() <= plan.error <= 1e-2
    assert plan.ciphertexts_per_sample == 2_500


@on_each
@pytest.mark.parametrize(
    ("model", "features"),
    mostly_thorough(
        [
            (fhenn.Sequential([linear(2, 4), linear(5_000, 2)]), 4),
            (fhenn.Sequential([linear(5_000, 3), fhenn.Square(), linear(2, 5_000)]), 3),
            (fhenn.Sequential([sparse(9_000, 5_000), fhenn.Square(), linear(3, 9_000)]), 5_000),
            (fhenn.Sequential([linear(20_000, 3), fhenn.Square(), linear(2, 20_000)]), 3),
        ],
        (0, 1),
    ),
    ids=["at the end", "hidden", "as features", "wider than any ring"],
)
def test_layers_in_several_ciphertexts_give_what_the_twin_does(model, features):
    x = rng.uniform(-1, 1, (2, features))
    found, plan = answers(model, x, layout="latency")
    assert np.abs(found - model.infer(x)).max() <= plan.error <= 1e-2
    assert max(node.outputs for node in model.nodes if isinstance(node, Affine)) > plan.parameters.slots
    assert fhenn.Plan.from_json(plan.to_json()) == plan


def test_an_upload_that_is_too_small_is_refused():
    model = linear(1, 16_385)
    assert fhenn.plan(model, bounds=[-1, 1], upload=2).ciphertexts_per_sample == 2
    with pytest.raises(PlanError):
        fhenn.plan(model, bounds=[-1, 1], upload=1)


MEASURED = """
import json, sys, time
from pathlib import Path
import numpy as np
import fhenn, fhenn.planner
features, outputs, layout = json.loads(sys.argv[1])
most = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1e3  # of this program
model = fhenn.Linear(np.random.default_rng(1).normal(size=(outputs, features)) / features**0.5)
before, start = most(), time.process_time()
plan = fhenn.plan(model, bounds=[-1, 1], layout=layout)
seconds, planned = time.process_time() - start, most()
client = fhenn.Client(plan)
keys = client.evaluation_keys()
server = fhenn.Server(model, plan, keys)
served, start = most(), time.process_time()
if layout == "latency":
    import scipy.sparse
    x = scipy.sparse.random(1, features, 0.01, random_state=1, format="csr")
    answer = client.decrypt(server.predict(client.encrypt(x)))
    assert np.abs(answer - model.infer(x.toarray())).max() <= plan.error
print(json.dumps([seconds, planned - before, served, time.process_time() - start, most()]))
"""


@pytest.mark.parametrize("layout", mostly_thorough(["latency", "throughput"], (0,)))
@pytest.mark.thorough
def test_a_model_of_100_000_features_is_planned_in_seconds_and_little_memory(layout):
    command = [sys.executable, "-c", MEASURED, json.dumps([100_000, 1, layout])]
    planning, memory, served, running, most = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    assert planning < 3
    assert memory < 200
    assert served < 500
    assert running < 10
    assert most < 500


@pytest.mark.thorough
@pytest.mark.parametrize(("features", "outputs"), [(40_000, 64), (16_384, 256), (784, 4_000)])
def test_memory_grows_with_the_weights(features, outputs):
    command = [sys.executable, "-c", MEASURED, json.dumps([features, outputs, "latency"])]
    _, memory, served, _, _ = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    weights = features * outputs * 8 / 1e6
    assert memory < 100 + 6 * weights
    assert served < 400 + 8 * weights


@pytest.mark.parametrize(
    "operator", [Scaling(np.ones(16_384)), Sparse(range(16_384), range(16_384), np.ones(16_384), (16_384, 16_384))]
)
def test_sparse_maps_are_read_by_their_entries(operator, peak):
    """Their matrix would take 2 GB."""
    low, high = -np.ones(16_384), np.ones(16_384)
    with peak() as used:
        found = reaches([Affine(operator), fhenn.Square(), linear(1, 16_384)], low, high)
        affine = AffineMap(operator, None, Vectors("replicated", 16_384), 16_384, CHAINED)
        (schedule, *_) = affine.schedules
        gains = affine.gains(2, schedule)
    assert schedule.diagonals.shifts == ((0,),)
    assert gains.row == 1
    assert gains.turned == 0
    assert found[-1].largest < 16_384
    assert used() < 300e6


@pytest.mark.parametrize(
    "kind", [Dense, lambda matrix: Sparse(*np.nonzero(matrix), matrix[np.nonzero(matrix)], matrix.shape)]
)
def test_pieces_and_largest_sums_are_those_of_the_matrix(kind):
    matrix = rng.normal(size=(7, 12)) * (rng.random((7, 12)) < 0.5)
    operator, found = kind(matrix), np.zeros((7, 12))
    for rows, columns, values in operator.pieces():
        found[rows, columns] = values
    np.testing.assert_array_equal(found, matrix)
    for count in (1, 3, 12):
        largest = np.sort(np.abs(matrix), axis=1)[:, -count:].sum(axis=1)
        np.testing.assert_allclose(operator.largest_sums(count), largest)


@pytest.mark.parametrize("samples", [1, 4])
@pytest.mark.parametrize("width", [100, 2_048, 2_049, 5_000])
def test_features_find_places_in_as_few_ciphertexts_as_hold_them(width, samples):
    layout = pack_samples([linear(3, width)], 2_048, samples)
    assert layout is not None
    assert layout.holds(width, 2_048)
    assert layout.tiles == -(-width // 2_048)
