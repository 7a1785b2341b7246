"""Two versions of a model: every answer names its version, and none is of another than was asked for."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from service_harness import FEATURES, MODEL, NEXT, NEXT_PLAN, ONE, PLAN, TWO, Running, kill, samples, stored, wait_for
from support import at_length, on_each

import fhenn
from fhenn.errors import ServiceError, WireFormatError
from fhenn.pool.work import Worker
from fhenn.service.model_store import ModelStore
from fhenn.service.version import version_of
from fhenn.wire import frame

pytestmark = pytest.mark.thorough  # each starts a service or more, or trains

PREDICT = "/v1/models/cancer/predictions"
MODELS = {PLAN.fingerprint: MODEL, NEXT_PLAN.fingerprint: NEXT}
PLANS = {PLAN.fingerprint: PLAN, NEXT_PLAN.fingerprint: NEXT_PLAN}
GONE = "0" * 32


def of_version(client, answer, x, version):
    """Whether an answer is that of one version, within its plan's error, and of no other, which is farther away."""
    found = client.decrypt(answer)
    away = {each: float(np.abs(found - model.predict(x)).max()) for each, model in MODELS.items()}
    return away[version] <= PLANS[version].error and min(away, key=away.__getitem__) == version


def current_of(http):
    return http.get("/v1/models").json()["models"][0]["version"]


@pytest.fixture(scope="module")
def running(tmp_path_factory, evaluator):
    with Running(stored(tmp_path_factory.mktemp("versions") / "store"), {"workers": 1}) as running:
        yield running


@pytest.mark.parametrize("fate", ["a worker dies", pytest.param("the service starts anew", marks=pytest.mark.thorough)])
def test_a_client_keeps_the_version_whose_plan_it_holds(running, fate):
    """Through the switch, whatever happens to the service, and a way back; until it is removed."""
    models = ModelStore(running.folder / "models")
    models.add("cancer", *ONE)
    x = samples(np.random.default_rng(1))
    old, new = fhenn.Client(PLAN), fhenn.Client(NEXT_PLAN)
    with running.http() as http, running.remote("old", old.evaluation_keys()) as remote:
        wait_for(lambda: current_of(http) == PLAN.fingerprint, 10)
        assert remote.version == PLAN.fingerprint
        assert of_version(old, remote.predict(old.encrypt(x)), x, PLAN.fingerprint)

        models.add("cancer", *TWO)  # as `fhenn model add` does, beside the service
        wait_for(lambda: current_of(http) == NEXT_PLAN.fingerprint, 10)
        listed = http.get("/v1/models").json()["models"][0]
        assert listed["versions"] == sorted(MODELS)
        for path in ("/v1/models/cancer", "/v1/models/cancer/plan"):
            assert http.get(path).headers["fhenn-model-version"] == NEXT_PLAN.fingerprint
            for version in MODELS:
                pinned = http.get(path, params={"version": version})
                assert pinned.headers["fhenn-model-version"] == version
        told = http.get("/v1/models/cancer", params={"version": PLAN.fingerprint}).json()
        assert (told["version"], fhenn.Plan.from_json(json.dumps(told["plan"]))) == (PLAN.fingerprint, PLAN.public())

        with running.remote("new", new.evaluation_keys()) as later:
            assert later.version == NEXT_PLAN.fingerprint
            for step in ("as it is", fate, "the old one is current again"):
                if step == "a worker dies":
                    kill(running.workers()[0])
                elif step == "the service starts anew":
                    running.kill()
                    running.start()
                elif step == "the old one is current again":
                    models.add("cancer", *ONE)
                    wait_for(lambda: current_of(http) == PLAN.fingerprint, 10)
                assert of_version(old, remote.predict(old.encrypt(x)), x, PLAN.fingerprint), step
                assert of_version(new, later.predict(new.encrypt(x)), x, NEXT_PLAN.fingerprint), step

            models.remove("cancer", NEXT_PLAN.fingerprint)
            wait_for(lambda: len(http.get("/v1/models").json()["models"][0]["versions"]) == 1, 10)
            with pytest.raises(ServiceError, match="410, version-gone") as caught:
                later.predict(new.encrypt(x))
        assert PLAN.fingerprint in str(caught.value) and "GET /v1/models/cancer/plan" in str(caught.value)
        with running.remote("new") as way_out:
            again = fhenn.Client(way_out.plan)
            way_out.upload(again.evaluation_keys())
            assert of_version(again, way_out.predict(again.encrypt(x)), x, PLAN.fingerprint)


def test_a_version_that_is_not_there_is_said(running):
    with running.http() as http:
        for response in (
            http.get("/v1/models/cancer", params={"version": GONE}),
            http.get("/v1/models/cancer/plan", params={"version": GONE}),
            http.post(f"{PREDICT}?keys={'0' * 64}&version={GONE}", content=b"x"),
        ):
            assert (response.status_code, response.json()["type"]) == (410, "urn:fhenn:problem:version-gone")
    with pytest.raises(ServiceError, match="version-gone"):
        running.remote(version=GONE)


def test_ciphertexts_choose_the_version_whose_plan_they_name(running):
    """Also where the request names none: as a client of plain HTTP sends them."""
    models = ModelStore(running.folder / "models")
    models.add("cancer", *TWO)
    models.add("cancer", *ONE)
    x = samples(np.random.default_rng(2))
    with running.http("plain") as http:
        wait_for(lambda: len(http.get("/v1/models").json()["models"][0]["versions"]) == 2, 10)
        client = fhenn.Client(NEXT_PLAN)
        with running.remote("plain", client.evaluation_keys()) as remote:
            remote.upload()
            message = client.encrypt(x)
            response = http.post(f"{PREDICT}?keys={remote.digest}", content=message)
            assert response.headers["fhenn-model-version"] == version_of(message) == NEXT_PLAN.fingerprint
            assert of_version(client, response.content, x, NEXT_PLAN.fingerprint)
        with running.remote("plain", client.evaluation_keys()) as remote:  # whose own plan is the current one's
            assert remote.version == PLAN.fingerprint
            assert of_version(client, remote.predict(message), x, NEXT_PLAN.fingerprint)


def test_what_uploads_name():
    for named, version in [
        ({"plan": GONE, "part": 0}, GONE),
        ({"plan": None, "part": 0}, None),
        ({"plan": GONE.replace("0", "A"), "part": 0}, None),
        ({"plan": GONE + "\n", "part": 0}, None),
        ([GONE], None),
        (None, None),
    ]:
        message = frame("ciphertexts", {"shape": [1, FEATURES], "upload": named}, b"body")
        assert version_of(message) == version_of(bytearray(message)) == version
    for other in (b"", b"FHENN", b"FHENN\1\xff\xff\xff\xff", b"\0" * 100, frame("answer", {}, b"")):
        assert version_of(other) is None
    client = fhenn.Client(PLAN)
    assert version_of(client.encrypt(samples(np.random.default_rng(0)))) == PLAN.fingerprint


def test_ciphertexts_for_another_version_than_is_asked_for_are_refused(running):
    ModelStore(running.folder / "models").add("cancer", *TWO)
    ModelStore(running.folder / "models").add("cancer", *ONE)
    client = fhenn.Client(PLAN)
    message = client.encrypt(samples(np.random.default_rng(0)))
    with running.http("mixed") as http, running.remote("mixed", client.evaluation_keys()) as remote:
        remote.upload()
        wait_for(lambda: len(http.get("/v1/models").json()["models"][0]["versions"]) == 2, 10)
        query = {"keys": remote.digest, "version": NEXT_PLAN.fingerprint}
        response = http.post(PREDICT, params=query, content=message)
    assert response.status_code == 422 and "the upload is for plan" in response.json()["detail"]


@on_each
@pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")  # SEAL runs the plan for the native evaluator too
def test_a_worker_answers_for_no_other_version(tmp_path):
    """Where files were exchanged under it: it looks at what it has loaded."""
    folder = stored(tmp_path / "store") / "models" / "cancer" / PLAN.fingerprint
    client = fhenn.Client(NEXT_PLAN)
    (tmp_path / "keys").write_bytes(client.evaluation_keys())
    for name, data in zip(("model.fhenn", "plan.fhenn"), TWO, strict=True):
        (folder / name).write_bytes(data)
    task = {"task": "predict", "model": str(folder), "version": PLAN.fingerprint, "keys": str(tmp_path / "keys")}
    task |= {"witness": False, "ciphertexts": 9}
    message = client.encrypt(samples(np.random.default_rng(1)))
    answer, body = Worker(1, 1 << 30).answer(task, message)
    assert (answer["error"], body) == ("no-model", b"")
    answer, body = Worker(1, 1 << 30).answer(task | {"model": str(tmp_path / "nowhere")}, message)
    assert (answer["error"], body) == ("no-model", b"")
    models = {"there": str(folder), "removed meanwhile": str(tmp_path / "nowhere")}
    answer, _ = Worker(1, 1 << 30).answer({"task": "check", "keys": task["keys"], "models": models}, b"")
    assert answer["fits"] == ["there"]


def test_a_client_refuses_an_answer_of_another_version(running, monkeypatch):
    """As from a service, or something before it, that does not know versions."""
    client = fhenn.Client(PLAN)
    with running.remote("careful", client.evaluation_keys(), version=PLAN.fingerprint) as remote:
        ask = remote._http.ask
        for header in (None, NEXT_PLAN.fingerprint):

            def stray(*what, header=header, **request):
                response = ask(*what, **request)
                response.headers.pop("fhenn-model-version", None)
                if header:
                    response.headers["fhenn-model-version"] = header
                return response

            monkeypatch.setattr(remote._http, "ask", stray)
            with pytest.raises(WireFormatError, match="version of the model"):
                remote.predict(client.encrypt(samples(np.random.default_rng(1))))


def test_a_service_says_so_and_goes_on_where_the_store_is_broken(running):
    """What is served stays as it was."""
    models = ModelStore(running.folder / "models")
    broken = running.folder / "models" / "broken"
    broken.mkdir(0o700)
    (broken / "current").write_text(GONE)
    try:
        wait_for(lambda: "changes to the store could not be read" in Path(running.log).read_text(), 10)
        with running.http() as http:
            assert [model["name"] for model in http.get("/v1/models").json()["models"]] == ["cancer"]
    finally:
        (broken / "current").unlink()
        broken.rmdir()
    models.add("cancer", *TWO)
    with running.http() as http:
        wait_for(lambda: current_of(http) == NEXT_PLAN.fingerprint, 10)
    models.add("cancer", *ONE)


def rolling(running, seconds, clients, kills=0):
    """Clients that predict, with a version pinned or none, while versions take turns; what was answered how often."""
    models, wrong = ModelStore(running.folder / "models"), []
    own = [{version: fhenn.Client(plan) for version, plan in PLANS.items()} for _ in range(clients)]
    digests = []
    for place, pair in enumerate(own):
        for client in pair.values():
            with running.remote(f"client-{place % 3}", client.evaluation_keys()) as remote:
                remote.upload()
                digests.append(remote.digest)
    models.add("cancer", *TWO)
    with running.http() as http:
        wait_for(lambda: len(http.get("/v1/models").json()["models"][0]["versions"]) == 2, 10)
    end = time.monotonic() + seconds

    def roll():
        turn = killed = 0
        while time.monotonic() < end:
            time.sleep(0.7)
            models.add("cancer", *(ONE, TWO)[turn % 2])
            turn += 1
            if killed < kills and turn % 10 == 0 and running.workers():
                kill(running.workers()[0])
                killed += 1

    def one(place):
        rng, counted = np.random.default_rng(place), Counter()
        with running.http(f"client-{place % 3}") as http:
            while time.monotonic() < end:
                which, pinned = int(rng.integers(2)), bool(rng.integers(4))
                version, x = list(MODELS)[which], samples(rng)
                query = {"keys": digests[2 * place + which]} | ({"version": version} if pinned else {})
                message = own[place][version].encrypt(x)
                response = http.post(PREDICT, params=query, content=message)
                counted[pinned, response.status_code] += 1
                if response.status_code != 200:
                    continue
                named = response.headers.get("fhenn-model-version")
                asked = version if pinned else version_of(message)
                if named not in MODELS or asked not in (None, named):
                    wrong.append((asked, named))
                elif (named == version or not asked) and not of_version(
                    own[place][version], response.content, x, named
                ):
                    wrong.append((asked, named, "values"))
        return counted

    turns = threading.Thread(target=roll)
    turns.start()
    with ThreadPoolExecutor(clients) as pool:
        seen = sum(pool.map(one, range(clients)), Counter())
    turns.join()
    assert not wrong, wrong[:5]
    return seen


@pytest.mark.thorough
def test_versions_that_take_turns(running):
    seen = rolling(running, 4, 3)
    assert {status for _, status in seen} == {200}
    assert seen[True, 200] and seen[False, 200]


@on_each
@at_length("seconds", 15, 60)
def test_versions_that_take_turns_under_eight_clients_and_dying_workers(tmp_path, seconds):
    with Running(stored(tmp_path / "store"), {"workers": 2}) as running:
        seen = rolling(running, seconds, 8, kills=8)
        print(f"\n2 versions, 8 clients, {running.metric('fhenn_worker_deaths'):.0f} workers killed: {dict(seen)}")
        assert {status for _, status in seen} <= {200, 503}
        assert seen[True, 200] > seconds and running.metric("fhenn_worker_deaths") >= seconds // 15


def test_plans_of_before_there_were_fingerprints_have_a_version_too(tmp_path):
    """Their clients hold those plans; what they are told is the same version as the store's."""
    old = replace(PLAN, model=None)
    assert old.fingerprint != PLAN.fingerprint
    models = ModelStore(tmp_path / "store" / "models")
    assert models.add("cancer", ONE[0], fhenn.artifacts.plan_to_bytes(old)) == old.fingerprint
    (found,) = models.catalogue()
    assert found.plan == old.public()


def test_the_description_tells_of_versions(running):
    paths = httpx.get(f"{running.url}/openapi.json").json()["paths"]
    for path, method in ((PREDICT, "post"), ("/v1/models/cancer", "get"), ("/v1/models/cancer/plan", "get")):
        operation = paths[path.replace("cancer", "{model}")][method]
        assert "version" in {parameter["name"] for parameter in operation["parameters"]}
        assert "410" in operation["responses"]
