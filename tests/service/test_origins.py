"""Pages from elsewhere: none may use a service, unless its operator names them."""

import pytest
from asgi import ask
from service_harness import stored

from fhenn.errors import ServiceRefused
from fhenn.service.app import create_app
from fhenn.service.limits import Limits
from fhenn.service.origins import origin_of
from fhenn.service.serving import serve
from fhenn.service.store import Store

PAGE = "https://page.example.org"
NEEDED = "authorization,content-type,fhenn-model-version,upload-length,upload-offset"


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    """Without origins, and with two."""
    stores = [Store(stored(tmp_path_factory.mktemp("origins") / "store")) for _ in range(2)]
    origins = [(), (PAGE, "http://127.0.0.1:8080")]
    yield [create_app(store, Limits(workers=1), origins=each)[0] for store, each in zip(stores, origins, strict=True)]
    for store in stores:
        store.close()


def preflight(origin, method="POST", headers=NEEDED, path="/v1/models/cancer/predictions"):
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return "OPTIONS", path, asked | ({"Access-Control-Request-Headers": headers} if headers else {})


def test_by_default_no_page_from_elsewhere_is_let_in(apps):
    for answer in ask(apps[0], preflight(PAGE), preflight("null"), ("GET", "/v1/models", {"Origin": PAGE})):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.status_code in (401, 405)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_a_page_that_is_named_may_ask_for_all_that_a_client_does(apps, method):
    for origin in (PAGE, "http://127.0.0.1:8080"):
        (answer,) = ask(apps[1], preflight(origin, method))
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert method in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert all(each in allowed for each in NEEDED.split(","))
        assert "access-control-allow-credentials" not in answer.headers  # tokens are not cookies
        assert "Origin" in answer.headers["vary"]
        assert answer.headers["x-request-id"]


def test_it_sees_what_a_client_needs_of_an_answer(apps):
    """Of a refusal as well, so that it can say what is wrong."""
    (answer,) = ask(apps[1], ("GET", "/v1/models", {"Origin": PAGE}))
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE
    shown = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"Fhenn-Model-Version", "Upload-Offset", "Upload-Complete", "Retry-After"} <= shown


@pytest.mark.parametrize("origin", [
    "https://other.example.org", "http://page.example.org", "https://page.example.org:444", "https://PAGE.example.org",
    "https://page.example.org.evil.example", "https://evil.example/https://page.example.org", "null", "*", "",
    "http://127.0.0.1:8081", "https://page.example.org/",
])  # fmt: skip
def test_others_are_not(apps, origin):
    asked, read = ask(apps[1], preflight(origin), ("GET", "/v1/models", {"Origin": origin}))
    assert asked.status_code == 400
    for answer in (asked, read):
        assert "access-control-allow-origin" not in answer.headers
        assert "Origin" in answer.headers["vary"]


def test_what_a_client_does_not_need_is_not_allowed(apps):
    for request in (preflight(PAGE, "TRACE"), preflight(PAGE, headers="x-other")):
        assert ask(apps[1], request)[0].status_code == 400


@pytest.mark.parametrize(("text", "origin"), [
    (PAGE, PAGE),
    ("https://page.example.org:443/", PAGE),
    ("HTTPS://Page.example.ORG", PAGE),
    ("https://page.example.org:8443", "https://page.example.org:8443"),
    ("https://[2001:DB8::1]:444", "https://[2001:db8::1]:444"),
    ("http://localhost:80", "http://localhost"),
    ("http://[::1]:5173", "http://[::1]:5173"),
])  # fmt: skip
def test_origins_are_written_as_browsers_do(text, origin):
    assert origin_of(text) == origin


@pytest.mark.parametrize("text", [
    "*", "", "null", "page.example.org", "https://", "https://*.example.org", "http://page.example.org", "ftp://x.org",
    "https://page.example.org/app", "https://page.example.org?x", "https://page.example.org/#", "https://me@x.org",
    "https://me:word@x.org", "https://x.org:port", "https://x.org:99999", "https://x.org,https://y.org", "file:///x",
    "https://[::1", "https://x y.org", "https://münchen.example",
])  # fmt: skip
def test_what_is_no_origin_is_refused(text, tmp_path):
    with pytest.raises(ServiceRefused, match="no origin of a page") as caught:
        origin_of(text)
    assert "https://page.example.org" in caught.value.suggestion
    with pytest.raises(ServiceRefused, match="no origin"):
        serve(tmp_path / "store", origins=[text])
    assert not (tmp_path / "store").exists()
