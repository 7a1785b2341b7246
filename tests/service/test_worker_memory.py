"""SEAL keeps the memory that it once had: workers are held to a limit all the same."""

from contextlib import ExitStack
from itertools import pairwise

import numpy as np
import pytest
from service_harness import Running, resident, wait_for
from support import at_length

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.service.store import Store

pytestmark = pytest.mark.thorough  # each starts a service or more, or trains


def perceptron(rng):
    """One whose keys have some 60 MB, and take six times that once SEAL has loaded them."""
    nodes = []
    for width, outputs in pairwise((784, 128, 128, 10)):
        weight = rng.uniform(-1, 1, (outputs, width))
        nodes += [fhenn.Linear(2 * weight / np.abs(weight).sum(axis=1, keepdims=True)), fhenn.Sigmoid()]
    return fhenn.Sequential(nodes[:-1])


@at_length("limit", 600 << 20, 1 << 30)
def test_large_keys_leave_no_large_workers(tmp_path, limit):
    """Clients with large keys take turns: between their requests the worker stays below its limit, whoever asks."""
    rng = np.random.default_rng(1)
    model = perceptron(rng)
    plan = fhenn.plan(model, bounds=[0, 1], accuracy=1e-3)
    folder = tmp_path / "store"
    store = Store(folder)
    store.models.add("perceptron", model_to_bytes(model), plan_to_bytes(plan, model))
    store.close()
    seen = []
    with Running(folder, {"workers": 1, "resident": limit}) as running, ExitStack() as stack:
        clients = [fhenn.Client(plan, memory=4e9) for _ in range(4)]
        remotes = [
            stack.enter_context(running.remote(f"client-{place}", client.evaluation_keys()))
            for place, client in enumerate(clients)
        ]
        for client, remote in [*zip(clients, remotes, strict=True)] * 2:
            x = rng.uniform(0, 1, (1, 784))
            answer = remote.predict(client.encrypt(x))
            assert np.abs(client.decrypt(answer) - model.predict(x)).max() <= plan.error
            seen.append(max(map(resident, running.workers()), default=0))
            # past the limit, the next worker is on its way: it is there before this one goes
            wait_for(lambda: max(map(resident, running.workers()), default=0) <= limit, 30)
        size = len(clients[0].evaluation_keys()) / 1e6
        print(
            f"\nkeys of {size:.0f} MB, 4 clients: worker {max(seen) / 1e6:.0f} MB at most, limit {limit / 1e6:.0f}, "
            f"{running.metric('fhenn_workers_recycled_total'):.0f} replaced"
        )
        for remote in remotes:
            remote.forget_keys()
        wait_for(lambda: 0 < max(map(resident, running.workers()), default=0) < 500 << 20, 30)
