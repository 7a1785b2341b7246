"""Errors of double precision are part of a plan's bound: magnitudes that differ inside a layer lose digits."""

import numpy as np
import pytest

import fhenn


@pytest.mark.parametrize("layout", ["latency", "throughput"])
def test_weights_of_sixteen_magnitudes_keep_within_the_bound(layout):
    """1e8 beside 1e-8, on features of 1e-8 and 1e8."""
    model, half = fhenn.Linear([[1e8, 1e-8]]), np.array([1e-8, 1e8])
    plan = fhenn.plan(model, bounds=np.stack([-half, half]), accuracy=100, layout=layout)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2)) * half
    error = np.abs(client.decrypt(server.predict(client.encrypt(x))) - x @ np.array([1e8, 1e-8])[:, None]).max()
    assert error <= plan.error
