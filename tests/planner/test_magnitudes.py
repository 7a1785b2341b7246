"""Features and weights of all magnitudes: plans are made, and what they promise holds."""

from dataclasses import dataclass

import numpy as np
import pytest
from support import on_each

import fhenn
from fhenn.approx import Polynomial
from fhenn.errors import PlanError

_ROWS = 8


@dataclass(frozen=True)
class _Case:
    """A model with the bounds of its features and an accuracy relative to its outputs."""

    nodes: list
    bounds: np.ndarray
    layout: str
    accuracy: float


def _magnitudes(rng, *shape):
    return rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-12, 12, shape)


def _draw(seed):
    """Half of the models are linear; the others have an exact activation, and a first layer that suits its inputs."""
    rng = np.random.default_rng(seed)
    features, outputs = int(rng.integers(1, 9)), int(rng.integers(1, 4))
    half = np.abs(_magnitudes(rng, features))
    middle = half * rng.choice([0.0, 0.0, 1.0, -1.0, 30.0], features)
    bounds = np.stack([middle - half, middle + half])
    layout, accuracy = ("latency", "throughput")[seed % 2], float(rng.choice([1e-2, 1e-3, 1e-4]))
    kind = rng.choice(["linear", "linear", "square", "polynomial"])
    if kind == "linear":
        last = fhenn.Linear(_magnitudes(rng, outputs, features), rng.normal(size=outputs))
        return _Case([last], bounds, layout, accuracy)
    hidden = int(rng.integers(1, 5))
    weight = _magnitudes(rng, hidden, features)
    weight *= rng.uniform(0.5, 2, (hidden, 1)) / (np.abs(weight) @ half)[:, None]
    first = fhenn.Linear(weight, 0.3 * rng.normal(size=hidden) - weight @ middle)
    cubic = fhenn.PolynomialActivation(Polynomial((0.1, 0.5, 0.2, -0.05), (-4, 4)))
    last = fhenn.Linear(_magnitudes(rng, outputs, hidden), rng.normal(size=outputs))
    return _Case([first, fhenn.Square() if kind == "square" else cubic, last], bounds, layout, accuracy)


def _share(seed):
    """The largest error that is met, as a share of its bound; None where there is no plan."""
    case, rng = _draw(seed), np.random.default_rng(seed)
    model = fhenn.Sequential(case.nodes)
    try:
        plan = fhenn.plan(model, bounds=case.bounds, accuracy=case.accuracy, relative=True, layout=case.layout)
    except PlanError:
        return None
    assert plan.error <= case.accuracy
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = np.vstack([rng.uniform(*case.bounds, (_ROWS, plan.features)), case.bounds])
    error = np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.infer(x))
    return float((error / plan.errors).max())


@on_each
def test_what_a_plan_promises_holds_for_some_models_of_all_magnitudes():
    shares = [_share(seed) for seed in range(2)]
    assert 0 < max(share for share in shares if share is not None) <= 1
    assert None not in shares


@on_each
@pytest.mark.parametrize(
    "models", [pytest.param(60, marks=pytest.mark.thorough), pytest.param(1000, marks=pytest.mark.soak)]
)
def test_what_a_plan_promises_holds_for_models_of_all_magnitudes(models):
    """No violation; at least nine in ten are planned; the bound is 100 times the error at most, in the median."""
    shares = [_share(seed) for seed in range(models)]
    planned = [share for share in shares if share is not None]
    assert max(planned) <= 1
    assert len(planned) >= 0.9 * models
    assert np.median(planned) >= 1 / 100
