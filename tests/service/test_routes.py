"""Who may use which route: every one that the application has, so that a new one is not forgotten."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest
from service_harness import stored

from fhenn.service.app import create_app
from fhenn.service.attempts import Attempts
from fhenn.service.limits import Limits
from fhenn.service.store import Store

OPEN = {"/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/metrics"}
"""For everybody: what this is, how to use it, whether it is well."""

EXAMPLES = {"{digest}": "0" * 64, "{model}": "cancer"}
QUERY = {"keys": "0" * 64}
HEADERS = {"Upload-Offset": "0", "Upload-Length": "1"}


def every_route(routes):
    """Method and path of every route, those of routers within routers too."""
    for route in routes:
        inner = getattr(route, "original_router", route)
        if hasattr(inner, "routes"):
            yield from every_route(inner.routes)
        else:
            yield from ((method, route.path) for method in route.methods)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    store = Store(stored(tmp_path_factory.mktemp("routes") / "store"))
    envelope, service = create_app(store, Limits(workers=1))
    yield envelope, service
    store.close()


@pytest.fixture(scope="module")
def routes(service):
    app = service[0]._app
    found = set(every_route(app.routes))
    # none is missed: the description names them too
    described = {(method.upper(), path) for path, each in app.openapi()["paths"].items() for method in each}
    assert described
    assert described <= found
    return sorted(found)


def answers(service, routes, **headers):
    """The answer of every route to a request that has all it asks for."""
    envelope, inside = service

    async def ask():
        found = []
        transport = httpx.ASGITransport(envelope, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            for method, path in routes:
                inside.attempts = Attempts()  # wrong tokens wait longer and longer
                url = path
                for name, example in EXAMPLES.items():
                    url = url.replace(name, example)
                assert "{" not in url, "give an example for it"
                answer = await client.request(method, url, params=QUERY, headers=HEADERS | headers, content=b"x")
                found.append((method, path, answer))
        return found

    return asyncio.run(ask())


def wrong_headers(service):
    """What a request may show, and is let in for nowhere."""
    tokens = service[1].store.tokens
    text, _ = tokens.create("hospital")
    yield "no token", {}
    yield "a password", {"Authorization": "Basic dXNlcjpwYXNz"}
    yield "nonsense", {"Authorization": "Bearer x"}
    yield "an unknown token", {"Authorization": f"Bearer fhenn_{'0' * 16}_{'a' * 43}"}
    yield "another secret", {"Authorization": f"Bearer {text[:-4]}AAAA"}
    revoked, kept = tokens.create("hospital")
    tokens.revoke(kept.id)
    yield "a revoked token", {"Authorization": f"Bearer {revoked}"}
    old, kept = tokens.create("hospital")
    kept = replace(kept, expires="2001-01-01T00:00:00+00:00")
    (tokens._folder / f"{kept.id}.json").write_text(json.dumps(vars(kept)))
    yield "an expired token", {"Authorization": f"Bearer {old}"}


def test_every_route_is_open_to_all_or_refuses_whoever_has_no_good_token(service, routes):
    assert {path for _, path in routes if not path.startswith("/v1/")} == OPEN
    for name, headers in wrong_headers(service):
        for method, path, answer in answers(service, routes, **headers):
            if path in OPEN:
                assert answer.status_code in (200, 503), f"{method} {path}"  # the workers of this one do not run
                continue
            assert answer.status_code == 401, f"{method} {path} with {name}: {answer.status_code}"
            assert answer.headers["www-authenticate"].startswith("Bearer"), f"{method} {path}"


def test_with_a_good_one_no_route_does(service, routes):
    text, _ = service[1].store.tokens.create("hospital")
    for method, path, answer in answers(service, routes, Authorization=f"Bearer {text}"):
        assert answer.status_code not in (401, 405, 500), f"{method} {path}: {answer.status_code}"


def test_what_is_open_says_nothing_of_the_models(service, routes):
    for _, path, answer in answers(service, [route for route in routes if route[1] in OPEN]):
        assert "cancer" not in answer.text, path


def test_a_token_for_other_models_reaches_this_one_nowhere(service, routes):
    text, _ = service[1].store.tokens.create("hospital", models=["another"])
    of_models = [route for route in routes if "{model}" in route[1]]
    assert len(of_models) >= 3
    for method, path, answer in answers(service, of_models, Authorization=f"Bearer {text}"):
        assert answer.status_code == 404, f"{method} {path}"
        assert answer.json()["type"] == "urn:fhenn:problem:model-unknown"
    listed = [answer for _, _, answer in answers(service, [("GET", "/v1/models")], Authorization=f"Bearer {text}")]
    assert listed[0].json() == {"models": []}


def test_keys_that_a_query_names_are_the_owners_alone(service, routes):
    """No name leads out of the owner's folder: whose keys it reached would seem to be used."""
    store = service[1].store
    for owner in ("hospital", "clinic"):
        for folder in ("keys", "used"):
            (store.folder / folder / owner).mkdir(parents=True, exist_ok=True)
    store.keys.path("clinic", "0" * 64).write_bytes(b"keys")
    token, _ = store.tokens.create("hospital")
    envelope, _ = service

    async def ask(name):
        transport = httpx.ASGITransport(envelope, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            path, headers = "/v1/models/cancer/predictions", {"Authorization": f"Bearer {token}"}
            return await client.post(path, params={"keys": name}, headers=headers, content=b"x")

    assert asyncio.run(ask(f"../clinic/{'0' * 64}")).status_code == 422
    assert asyncio.run(ask("0" * 64)).status_code == 404
    assert not list((store.folder / "used" / "clinic").iterdir())
    store.keys.path("hospital", "0" * 64).write_bytes(b"keys")
    assert asyncio.run(ask("0" * 64)).status_code == 422  # the body is no upload
    assert [path.name for path in (store.folder / "used" / "hospital").iterdir()] == ["0" * 64]
