"""What is written down, who may ask how much, and the pages for people."""

import json
import os
import re
import time

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from service_harness import PLAN, Running, right, samples, stored, wait_for
from support import on_each

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.cli import cli
from fhenn.errors import ParameterError, ServiceError
from fhenn.service.clock import Clock
from fhenn.service.model_store import ModelStore
from fhenn.service.problems import Problem
from fhenn.service.quota import Quotas, samples_in
from fhenn.service.security_log import SecurityLog
from fhenn.service.tokens import Tokens

PREDICT = "/v1/models/cancer/predictions"


def written(folder):
    return [json.loads(line) for line in (folder / "security.log").read_text().splitlines()]


def test_who_from_where_what_and_how_it_ended(service):
    client, x = fhenn.Client(PLAN), samples(np.random.default_rng(0))
    token = service.token("noted")
    with fhenn.RemoteServer(service.url, token, client.evaluation_keys()) as remote:
        remote.upload()
        assert right(client, remote.predict(client.encrypt(x)), x)
        with service.http(token=token) as http:
            assert http.post(f"{PREDICT}?keys={remote.digest}", content=b"x").status_code == 422
        remote.forget_keys()
    bad = f"fhenn_{'0' * 16}_{'a' * 43}"
    httpx.get(f"{service.url}/v1/models", headers={"Authorization": f"Bearer {bad}"})

    def mine():
        return [(line["event"], line["outcome"]) for line in written(service.folder) if line["who"] == "noted"]

    expected = [("keys", "stored"), ("prediction", "answered"), ("prediction", "malformed"), ("keys", "deleted")]
    wait_for(lambda: mine() == expected and any(line["event"] == "token" for line in written(service.folder)), 5)
    lines = written(service.folder)
    assert {line["from"] for line in lines if line["who"] == "noted"} == {"127.0.0.1"}
    predicted = next(line for line in lines if (line["who"], line["event"]) == ("noted", "prediction"))
    assert (predicted["model"], predicted["version"], predicted["samples"]) == ("cancer", PLAN.fingerprint, 2048)
    assert [line["failures"] for line in lines if line["outcome"] == "refused"][:1] == [1]
    text = (service.folder / "security.log").read_text()
    assert token[22:] not in text and bad[22:] not in text
    assert (service.folder / "security.log").stat().st_mode & 0o777 == 0o600


def test_commands_are_written_down_too(tmp_path):
    store, runner = str(tmp_path / "store"), CliRunner()
    made = json.loads(
        runner.invoke(
            cli,
            ["token", "create", "lab", "--store", store, "--json", "--model", "cancer", "--samples-per-day", "9000"],
        ).stdout
    )
    assert (made["models"], made["samples_per_day"]) == (["cancer"], 9000)
    assert runner.invoke(cli, ["token", "revoke", made["id"], "--store", store]).exit_code == 0
    created, revoked = written(tmp_path / "store")
    assert (created["event"], created["outcome"], created["owner"]) == ("token", "created", "lab")
    assert (revoked["outcome"], revoked["token"], revoked["from"]) == ("revoked", made["id"], "command line")
    assert f"user {os.getuid()}" in revoked["who"]
    assert made["token"][22:] not in (tmp_path / "store" / "security.log").read_text()


def test_it_is_rotated_and_private(tmp_path, monkeypatch):
    monkeypatch.setattr("fhenn.service.security_log._LARGEST", 1000)
    log = SecurityLog(tmp_path / "security.log")
    for place in range(100):
        log.write("prediction", "owner", "192.0.2.1", "answered", samples=place)
    for _ in range(50):
        log.write_seldom("limit", "owner", "192.0.2.1", "quota")
    log.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 10  # this one and nine older
    assert all(path.stat().st_size <= 1000 and path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert sum(path.read_text().count('"limit"') for path in files) == 1


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").touch()
    log = SecurityLog(tmp_path / "file" / "security.log")
    log.write("prediction", "owner", "192.0.2.1", "answered")
    log.close()


def test_tokens_reach_the_models_that_they_name_and_no_others(service):
    tokens = Tokens(service.folder / "tokens")
    elsewhere, here = tokens.create("lab", models=["other"])[0], tokens.create("lab", models=["cancer"])[0]
    with service.http(token=elsewhere) as http:
        assert http.get("/v1/models").json() == {"models": []}
        for path in ("/v1/models/cancer", "/v1/models/cancer/plan"):
            assert http.get(path).status_code == 404
        assert http.post(f"{PREDICT}?keys={'0' * 64}", content=b"x").json()["type"].endswith("model-unknown")
    with service.http(token=here) as http:
        assert [model["name"] for model in http.get("/v1/models").json()["models"]] == ["cancer"]


@pytest.mark.parametrize("samples_per_day", [0, -1, 100, 2047, 1 << 60])
def test_samples_a_day_are_some(tmp_path, samples_per_day):
    with pytest.raises(ParameterError, match="samples"):
        Tokens(tmp_path / "tokens").create("lab", samples_per_day=samples_per_day)


def test_a_token_that_can_never_predict_is_refused(tmp_path):
    store, runner = str(stored(tmp_path / "store")), CliRunner()

    def token(*arguments):
        return runner.invoke(cli, ["token", *arguments, "--store", store])

    store_of_more = ModelStore(tmp_path / "store" / "models")
    wide = fhenn.Sequential([fhenn.Linear(np.ones((1, 8)) / 8), fhenn.Square(), fhenn.Linear([[1.0]]), fhenn.Square()])
    plan = fhenn.plan(wide, bounds=[-1, 1])
    slots = plan.parameters.slots
    assert slots > 2048
    store_of_more.add("wide", model_to_bytes(wide), plan_to_bytes(plan))
    refused = token("create", "lab", "--samples-per-day", "2048")
    assert (type(refused.exception), refused.stdout) == (ParameterError, "")
    assert f"for wide: an upload counts as {slots} or more. Allow at least {slots}" in str(refused.exception)
    assert token("create", "lab", "--samples-per-day", "2048", "--model", "cancer").exit_code == 0
    assert token("create", "any", "--samples-per-day", str(slots)).exit_code == 0
    unknown = token("create", "other", "--model", "nosuchmodel")
    assert unknown.exit_code == 0 and "no model 'nosuchmodel'" in unknown.stderr
    rows = json.loads(token("list", "--json").stdout)
    found = {row["owner"]: (row["models"], row["samples_per_day"]) for row in rows}
    assert found == {"lab": (["cancer"], 2048), "any": (None, slots), "other": (["nosuchmodel"], None)}
    assert "cancer" in token("list").stdout and "2,048" in token("list").stdout


@on_each
@pytest.mark.thorough
def test_samples_a_day_are_counted_over_a_restart(tmp_path):
    """An upload counts as its slots, 2048 here, whatever its header says."""
    client, x = fhenn.Client(PLAN), samples(np.random.default_rng(0))
    running = Running(stored(tmp_path / "store"), {"workers": 1})
    with running:
        token = Tokens(running.folder / "tokens").create("curious", samples_per_day=2 * 2048 + 5)[0]
        message = client.encrypt(x)
        assert samples_in(message, PLAN) == 2048
        with fhenn.RemoteServer(running.url, token, client.evaluation_keys(), attempts=9) as remote:
            remote.upload()
            path = f"{PREDICT}?keys={remote.digest}"
            with running.http(token=token) as http:
                assert http.post(path, content=message[:-1]).status_code == 422  # no answer, no count
                assert http.post(path, content=fhenn.Client(PLAN).encrypt(x)).status_code == 422
            assert right(client, remote.predict(message), x)
            running.kill()
            running.start()
            assert right(client, remote.predict(message), x)
            with running.http(token=token) as http:
                refused = http.post(path, content=message)
                assert (refused.status_code, refused.json()["type"]) == (429, "urn:fhenn:problem:quota")
                assert "5 of the 4101" in refused.json()["detail"]
                assert 0 < int(refused.headers["retry-after"]) <= 24 * 3600
            start = time.monotonic()
            with pytest.raises(ServiceError, match="429, quota"):
                remote.predict(message)
            assert time.monotonic() - start < 5  # tomorrow is not waited for


def test_a_count_is_of_a_day_and_no_clock_that_is_set_back_forgets_it(tmp_path):
    day = 24 * 3600 * 10**9
    wall, steady = [100 * day], [0]
    clock = Clock(tmp_path / "clock", lambda: wall[0], lambda: steady[0])
    quotas = Quotas(tmp_path / "quotas", clock)
    assert quotas.charge("a", 10, 7) == 100
    with pytest.raises(Problem, match="3 of the 10") as caught:
        quotas.charge("a", 10, 4)
    assert caught.value.retry_after == 24 * 3600
    quotas.refund("a", 100, 2)
    assert (quotas.used_today("a"), quotas.used_today("b")) == (5, 0)
    wall[0] -= 3 * day
    assert quotas.used_today("a") == 5
    wall[0] = 101 * day
    assert quotas.used_today("a") == 0
    quotas.charge("a", 10, 4)
    quotas.refund("a", 100, 3)  # of yesterday's
    assert quotas.used_today("a") == 4
    with pytest.raises(Problem, match=r"11 samples.*never be answered.*may have more") as caught:
        quotas.charge("a", 10, 11)
    assert (caught.value.status, caught.value.kind, caught.value.retry_after) == (429, "quota", None)
    (tmp_path / "quotas" / ".a.0.part").touch()
    quotas.tidy()
    assert [path.name for path in (tmp_path / "quotas").iterdir()] == ["a"]
    (tmp_path / "quotas" / "a").write_text("[1.0, 0]")
    with pytest.raises(OSError, match="not readable"):
        quotas.charge("a", 10, 1)


def test_pages_hold_no_script_and_nothing_from_elsewhere(service):
    for path in ("/", "/docs"):
        page = httpx.get(service.url + path)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
        assert "<script" not in page.text and "http" not in re.sub(
            "RemoteServer.*|HTTP", "", page.text.split("</head>")[0]
        )
        assert not re.search(r"(src|href)=.?(https?:)?//", page.text)
        assert not re.search(r"\son[a-z]+=|style=", page.text)
    assert 'href="/docs"' in httpx.get(service.url).text
    described = httpx.get(f"{service.url}/openapi.json").json()
    for path in described["paths"]:
        assert path in page.text
    assert "default-src 'none'" in httpx.get(f"{service.url}/v1/models").headers["content-security-policy"]


@pytest.mark.parametrize("number", ["1.0", "+1", "1_0", " 1", "-1", "1e3", "9" * 5000, "9" * 25, "٣", "NaN", "0x1", ""])
def test_lengths_and_offsets_are_digits(service, number):
    with service.http("numbers") as http:
        for name, other in (("Upload-Offset", "Upload-Length"), ("Upload-Length", "Upload-Offset")):
            headers = {name: number.encode(), other: b"7"}
            if number == " 1":
                continue  # HTTP takes spaces around a value away
            response = http.patch(f"/v1/keys/{'0' * 64}", content=b"x", headers=headers)
            assert response.status_code == 422 or (len(number) > 4000 and response.status_code in (400, 422)), number
            assert response.headers["content-type"] == "application/problem+json"
