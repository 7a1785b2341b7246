"""One service of each evaluator for all quick tests: it takes seconds to start."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from service_harness import PLAN, Running, stored

import fhenn


@pytest.fixture(scope="session")
def service(tmp_path_factory, evaluator):
    folder = stored(tmp_path_factory.mktemp("service") / "store")
    with Running(
        folder, {"workers": 2, "body": 4 << 20, "keys": 8 << 20, "idle": 3.0, "header": 1.5, "keys_per_owner": 4}
    ) as running:
        yield running
        assert running.stop() == 0


@pytest.fixture(scope="session")
def hospital(service):
    """A client, its keys at the service, and a connection that says what the service answers."""
    client = fhenn.Client(PLAN)
    token = service.token("hospital")
    remote = fhenn.RemoteServer(service.url, token, client.evaluation_keys())
    remote.upload()
    with service.http(token=token) as http:
        yield SimpleNamespace(client=client, remote=remote, http=http, token=token, keys=client.evaluation_keys())
    remote.close()
