"""Errors of double precision are part of a plan's bound: magnitudes that differ inside a layer lose digits."""

import numpy as np
import pytest
from support import on_each

import fhenn
from fhenn.ckks.layout import FEATURES, Vectors
from fhenn.planner.walk import Path, walk

OLDER = (
    '{"parameters": {"ring_degree": 8192, "chain": [49, 45, 60], "scale": 35184372088832.0}, "layout": '
    '{"name": "vectors", "form": "tiles", "period": 2, "samples": 1, "step": 1, "tiles": 1}, '
    '"layout_name": "latency", "rotations": [1], "stages": [{"node": "Linear", "features": 1, "level": '
    '0, "largest": 100000000.0, "headroom": 399999998.5098835, "noise": 0.0005844402860335065}], "low": '
    '[-1e-08, -100000000.0], "high": [1e-08, 100000000.0], "accuracy": 0.01, "error": '
    '0.005056673415511097, "deviation": 0.0005844402860335065, "approximation": 0.0, "signature": '
    '["Linear2x1", "finish=None"], "finish": null, "worst": 0.008903545911654674, "queries": 0, '
    '"witnesses": [], "outputs": null, "model": "05c47700495e6d81", "result": {"outputs": 1, "level": 0, '
    '"layout": {"name": "vectors", "form": "replicated", "period": 1, "samples": 1, "step": 1, "tiles": '
    '1}}, "feature_names": null, "kind": "fhenn-plan", "version": 1}'
)
"""A plan of before these errors counted, which states 0.0051 and errs by 1.5."""


MODEL, HALF = fhenn.Linear([[1e8, 1e-8]]), np.array([1e-8, 1e8])
X = np.random.default_rng(0).uniform(-1, 1, (20, 2)) * HALF


@pytest.mark.parametrize(
    ("layout", "least"), [(Vectors("tiles", 2, 1), 0.1), (FEATURES, 1e-4)], ids=["vectors", "features"]
)
def test_weights_of_sixteen_magnitudes_keep_within_the_bound(layout, least, on):
    """1e8 beside 1e-8, on features of 1e-8 and 1e8 as they are; the bound was broken 300 times over."""
    parameters = fhenn.Parameters(8192, (49, 45, 60), 2.0**45)
    bound = walk(Path([MODEL], -HALF, HALF), layout, parameters).bound
    context = on(fhenn.Context.generate(parameters, [1]))
    error = np.abs(fhenn.decrypt(context, MODEL.infer(fhenn.encrypt(context, X, layout))) - MODEL.infer(X)).max()
    assert least < error <= bound < 50


@on_each
@pytest.mark.parametrize("layout", ["latency", "throughput"])
def test_scaled_inputs_lose_nothing(layout):
    plan = fhenn.plan(MODEL, bounds=np.stack([-HALF, HALF]), layout=layout)
    client = fhenn.Client(plan)
    server = fhenn.Server(MODEL, plan, client.evaluation_keys())
    error = np.abs(client.decrypt(server.predict(client.encrypt(X))) - MODEL.infer(X)).max()
    assert error <= plan.error <= 1e-3


@on_each
def test_plans_of_before_these_errors_counted_serve_as_they_did():
    plan = fhenn.Plan.from_json(OLDER)
    client = fhenn.Client(plan)
    server = fhenn.Server(MODEL, plan, client.evaluation_keys())
    np.testing.assert_allclose(client.decrypt(server.predict(client.encrypt(HALF[None, :]))), [[2.0]], atol=20)
