import json
from hashlib import sha256

import httpx
import numpy as np
import pytest
from service_harness import FEATURES, MODEL, PLAN, right, samples, wait_for
from support import seal_of

import fhenn
from fhenn.errors import KeyMissing, ParameterError, ServiceError, ServiceUnreachable
from fhenn.service.tokens import Tokens
from fhenn.wire import frame

rng = np.random.default_rng(0)
PREDICT = "/v1/models/cancer/predictions"


def problem(response, status, kind):
    """The answer is that problem, in full."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"urn:fhenn:problem:{kind}", document
    assert document["status"] == status
    assert document["title"]
    assert document["detail"].rstrip().endswith((".", ")"))
    assert document["instance"] == f"urn:fhenn:request:{response.headers['x-request-id']}"
    assert "Traceback" not in response.text
    return document


def digest(data):
    return sha256(data).hexdigest()


def test_a_prediction_is_the_twins(hospital):
    for count in (1, 3):
        x = samples(rng, count)
        assert right(hospital.client, hospital.remote.predict(hospital.client.encrypt(x)), x)


@pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")  # SEAL runs the plan for the native evaluator too
def test_remote_and_local_are_exchanged_in_one_line(service, hospital):
    x = samples(rng)
    local = fhenn.Server(MODEL, PLAN, hospital.keys)
    remote = fhenn.RemoteServer(service.url, hospital.token, hospital.keys)
    for server in (local, remote):
        assert server.plan.parameters == PLAN.parameters
        assert right(hospital.client, server.predict(hospital.client.encrypt(x)), x)
        encrypted = fhenn.CipherArray.from_bytes(local.context, hospital.client.encrypt(x))
        scores = fhenn.decrypt(hospital.client._context, server.evaluate(encrypted))
        assert np.abs(scores - MODEL.infer(x)).max() <= PLAN.error
    remote.close()


def test_what_a_remote_server_prints_holds_no_token(service, hospital):
    said = repr(hospital.remote)
    assert said == f"RemoteServer({service.url!r}, model='cancer', plan={PLAN.fingerprint})"
    assert hospital.token not in said
    with pytest.raises(ParameterError, match="user name") as caught:
        fhenn.RemoteServer(service.url.replace("://", "://me:word@"), hospital.token)
    assert "word" not in str(caught.value)


def test_the_plan_that_is_told_is_the_public_one(hospital):
    assert hospital.remote.plan == PLAN.public()
    assert hospital.remote.model == "cancer"
    listed = hospital.http.get("/v1/models").json()["models"]
    assert [(model["name"], model["features"]) for model in listed] == [("cancer", FEATURES)]
    assert "stages" not in json.dumps(listed)


def test_keys_are_listed_and_deleted(service):
    client = fhenn.Client(PLAN)
    with service.remote("clinic", client.evaluation_keys()) as remote, service.http("clinic") as http:
        remote.upload()
        assert [(keys["digest"], keys["size"]) for keys in http.get("/v1/keys").json()["keys"]] == [
            (remote.digest, len(client.evaluation_keys()))
        ]
        assert http.head(f"/v1/keys/{remote.digest}").headers["upload-complete"] == "?1"
        again = http.put(f"/v1/keys/{remote.digest}", content=client.evaluation_keys())
        assert (again.status_code, again.json()["complete"]) == (200, True)
        remote.forget_keys()
        remote.forget_keys()
        assert http.get("/v1/keys").json() == {"keys": []}
        problem(http.delete(f"/v1/keys/{remote.digest}"), 404, "keys-unknown")
        problem(http.post(f"{PREDICT}?keys={remote.digest}", content=b"x"), 404, "keys-unknown")


def test_keys_that_the_service_lost_are_sent_again(service):
    client = fhenn.Client(PLAN)
    x = samples(rng)
    with service.remote("loser", client.evaluation_keys()) as remote, service.http("loser") as http:
        remote.upload()
        assert http.delete(f"/v1/keys/{remote.digest}").status_code == 204
        assert right(client, remote.predict(client.encrypt(x)), x)


def test_the_least_recently_used_keys_go(service):
    with service.http("collector") as http:
        digests = []
        for _ in range(5):
            keys = fhenn.Client(PLAN).evaluation_keys()
            digests.append(digest(keys))
            assert http.put(f"/v1/keys/{digests[-1]}", content=keys).status_code == 201
        kept = [entry["digest"] for entry in http.get("/v1/keys").json()["keys"]]
        assert kept == digests[:0:-1]


def test_an_upload_is_resumed(service):
    keys = fhenn.Client(PLAN).evaluation_keys()
    path, half = f"/v1/keys/{digest(keys)}", len(keys) // 2
    with service.http("resumer") as http:
        head = {"Upload-Length": str(len(keys))}
        problem(http.patch(path, content=keys[half:], headers=head | {"Upload-Offset": str(half)}), 409, "offset")
        first = http.patch(path, content=keys[:half], headers=head | {"Upload-Offset": "0"})
        assert (first.status_code, first.json()["arrived"]) == (202, half)
        state = http.head(path)
        assert (state.headers["upload-offset"], state.headers["upload-complete"]) == (str(half), "?0")
        wrong = http.patch(path, content=b"x", headers=head | {"Upload-Offset": "7"})
        assert problem(wrong, 409, "offset") and wrong.headers["upload-offset"] == str(half)
        rest = http.patch(path, content=keys[half:], headers=head | {"Upload-Offset": str(half)})
        assert (rest.status_code, rest.json()["complete"]) == (201, True)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (None, "token-missing"),
        ("Basic dXNlcjpwYXNz", "token-missing"),
        ("Bearer x", "token-invalid"),
        (f"Bearer fhenn_{'0' * 16}_{'a' * 43}", "token-invalid"),
    ],
)
def test_without_a_good_token_there_is_nothing(service, text, kind):
    headers = {} if text is None else {"Authorization": text}
    for method, path in (("GET", "/v1/models"), ("GET", "/v1/keys"), ("POST", f"{PREDICT}?keys={'0' * 64}")):
        response = httpx.request(method, service.url + path, headers=headers)
        problem(response, 401, kind)
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_expired_and_revoked_tokens(service):
    tokens = Tokens(service.folder / "tokens")
    text, kept = tokens.create("brief", days=1e-9)
    problem(httpx.get(f"{service.url}/v1/models", headers={"Authorization": f"Bearer {text}"}), 401, "token-invalid")
    text, kept = tokens.create("brief")
    assert httpx.get(f"{service.url}/v1/models", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    tokens.revoke(kept.id)
    problem(httpx.get(f"{service.url}/v1/models", headers={"Authorization": f"Bearer {text}"}), 401, "token-invalid")


def test_anothers_keys_are_out_of_reach(service, hospital):
    with service.http("intruder") as http:
        path = f"/v1/keys/{hospital.remote.digest}"
        message = hospital.client.encrypt(samples(rng))
        problem(http.post(f"{PREDICT}?keys={hospital.remote.digest}", content=message), 404, "keys-unknown")
        problem(http.delete(path), 404, "keys-unknown")
        assert http.head(path).status_code == 404
        assert http.get("/v1/keys").json() == {"keys": []}
    assert hospital.http.head(path).status_code == 200


def test_another_token_of_the_same_owner_reaches_the_keys(service, hospital):
    with service.http("hospital") as http:
        message = hospital.client.encrypt(samples(rng))
        assert http.post(f"{PREDICT}?keys={hospital.remote.digest}", content=message).status_code == 200


def secret_keys(client):
    """Ways in which a secret key might be sent by mistake."""
    context = seal_of(client._context).tenseal.serialize(save_secret_key=True)
    yield "the secret key's own file", client.secret_bytes()
    yield "locked", client.secret_bytes("passphrase")
    yield (
        "keys with a secret among them",
        frame("evaluation-context", {"fingerprint": client.fingerprint, "rotation_keys": 0}, context),
    )
    yield "TenSEAL's own message", context


def test_a_secret_key_is_neither_stored_nor_logged(service):
    client = fhenn.Client(PLAN)
    seal = seal_of(client._context).tenseal.serialize(save_secret_key=True)
    with service.http("careless") as http:
        for name, data in secret_keys(client):
            kind = "malformed" if name.startswith("TenSEAL") else "secret-key"
            problem(http.put(f"/v1/keys/{digest(data)}", content=data), 422, kind)
            half = len(data) // 2
            head = {"Upload-Length": str(len(data))}
            http.patch(f"/v1/keys/{digest(data)}", content=data[:half], headers=head | {"Upload-Offset": "0"})
            http.patch(f"/v1/keys/{digest(data)}", content=data[half:], headers=head | {"Upload-Offset": str(half)})
            assert http.head(f"/v1/keys/{digest(data)}").status_code == 404
            problem(http.post(f"{PREDICT}?keys={digest(data)}", content=data), 404, "keys-unknown")
    secret = seal[-2000:-1900]  # well inside the last field, the secret key
    for path in [*service.folder.rglob("*"), service.log]:
        if path.is_file():
            assert secret not in path.read_bytes(), path
    assert not list((service.folder / "uploads" / "careless").iterdir())


def test_keys_that_are_not_good_are_refused_and_leave_nothing(service):
    other = fhenn.Client(fhenn.plan(fhenn.Linear(np.eye(3)), bounds=[-1, 1], layout="throughput"))
    keys = fhenn.Client(PLAN).evaluation_keys()
    message = fhenn.Client(PLAN).encrypt(samples(rng))
    with service.http("sloppy") as http:
        for name, data, kind in [
            ("another plan's", other.evaluation_keys(), "keys-unfit"),
            ("ciphertexts", message, "malformed"),
            ("garbage", b"\0" * 1000, "malformed"),
            ("cut", keys[:-100], "malformed"),
            ("longer", keys + b"x", "malformed"),
            ("altered", keys[:-50] + b"x" + keys[-49:], "malformed"),
        ]:
            answer = http.put(f"/v1/keys/{digest(data)}", content=data)
            assert problem(answer, 422, kind), name
        problem(http.put(f"/v1/keys/{'0' * 64}", content=keys), 422, "digest")
        problem(http.put(f"/v1/keys/{digest(keys)}", content=bytes(9 << 20)), 413, "too-large")
        problem(http.put("/v1/keys/short", content=keys), 422, "parameters")
        problem(http.put(f"/v1/keys/{digest(keys)}", content=iter([keys])), 411, "length")
        assert http.get("/v1/keys").json() == {"keys": []}
    assert not list((service.folder / "uploads" / "sloppy").iterdir())


def test_predictions_that_are_not_good_are_refused(service, hospital):
    post, path = hospital.http.post, f"{PREDICT}?keys={hospital.remote.digest}"
    message = hospital.client.encrypt(samples(rng))
    other = fhenn.Client(PLAN).encrypt(samples(rng))
    problem(post(path, content=b""), 422, "malformed")
    problem(post(path, content=b"FHENN" * 100), 422, "malformed")
    problem(post(path, content=message[:-1]), 422, "malformed")
    problem(post(path, content=hospital.keys), 422, "malformed")
    problem(post(path, content=other), 422, "keys-differ")
    problem(post(path, content=bytes(5 << 20)), 413, "too-large")
    problem(post(path, content=iter([bytes(5 << 20)])), 413, "too-large")
    problem(post(path, content=message, headers={"Content-Encoding": "gzip"}), 415, "encoding")
    problem(post(f"{path}&witness=true", content=message), 422, "no-witness")
    problem(post(f"{path}&witness=perhaps", content=message), 422, "parameters")
    problem(post(PREDICT, content=message), 422, "parameters")
    problem(post(f"/v1/models/nothing/predictions?keys={hospital.remote.digest}", content=b"x"), 404, "model-unknown")
    features = fhenn.encrypt(hospital.client._context, samples(rng), layout="features").to_bytes()
    problem(post(path, content=features), 422, "shape")


def test_every_address_answers_with_problems(hospital):
    problem(hospital.http.get("/nowhere"), 404, "not-found")
    problem(hospital.http.get("/v1/models/nothing"), 404, "model-unknown")
    problem(hospital.http.post("/v1/models"), 405, "method")
    problem(hospital.http.put("/health/live"), 405, "method")


def test_request_ids_are_taken_where_they_are_harmless(hospital):
    assert hospital.http.get("/health/live", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    for bad in ("a b", "x" * 65, '"}'):
        assert hospital.http.get("/health/live", headers={"X-Request-ID": bad}).headers["x-request-id"] != bad


def test_health_metrics_and_description(service, hospital):
    assert httpx.get(f"{service.url}/health/live").json()["status"] == "live"
    assert httpx.get(f"{service.url}/health/ready").json() == {"status": "ready", "version": fhenn.__version__}
    hospital.remote.predict(hospital.client.encrypt(samples(rng)))
    text = httpx.get(f"{service.url}/metrics").text
    assert 'fhenn_requests_total{method="POST",route="/v1/models/{model}/predictions",status="200"}' in text
    assert 'fhenn_workers{state="alive"} 2.0' in text
    assert "hospital" not in text
    description = httpx.get(f"{service.url}/openapi.json").json()
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["description"], (method, path)
    assert {"401", "404", "413", "422", "503"} <= set(
        description["paths"]["/v1/models/{model}/predictions"]["post"]["responses"]
    )
    assert "ProblemDocument" in description["components"]["schemas"]


def test_logs_are_json_with_ids_and_without_payloads(service, hospital, evaluator):
    message = hospital.client.encrypt(samples(rng))
    hospital.http.post(f"{PREDICT}?keys={hospital.remote.digest}", content=message, headers={"X-Request-ID": "seen-1"})
    wait_for(lambda: '"seen-1"' in service.log.read_text(), 5)  # it is logged once the answer is out
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    warned = [line for line in lines if line["event"] == "warning"]
    assert [line["kind"] for line in warned] == ["NoiseWarning"] * len(warned)
    assert bool(warned) == (evaluator == "seal")  # which runs a plan for the other
    mine = [line for line in lines if line.get("request_id") == "seen-1"]
    assert [(line["route"], line["status"], line["owner"]) for line in mine] == [
        ("/v1/models/{model}/predictions", 200, "hospital")
    ]
    assert mine[0]["bytes_in"] == len(message)
    assert hospital.token.split("_", 2)[2] not in service.log.read_text()


def test_the_remote_server_says_what_is_wrong(service, hospital):
    with pytest.raises(ServiceUnreachable, match="in 2 attempts"):
        fhenn.RemoteServer("http://127.0.0.1:9", hospital.token, attempts=2)
    with pytest.raises(ServiceError, match="401, token-invalid"):
        fhenn.RemoteServer(service.url, f"fhenn_{'0' * 16}_{'a' * 43}")
    with pytest.raises(ServiceError, match="404, model-unknown") as caught:
        fhenn.RemoteServer(service.url, hospital.token, model="nothing")
    assert (caught.value.status, caught.value.kind) == (404, "model-unknown")
    assert "This token reaches cancer." in str(caught.value)
    for url in ("http://example.org", "ftp://127.0.0.1", "127.0.0.1"):
        with pytest.raises(ParameterError):
            fhenn.RemoteServer(url, hospital.token)
    for token in ("", "ö", " x", None):
        with pytest.raises(ParameterError, match="token"):
            fhenn.RemoteServer(service.url, token)
    with fhenn.RemoteServer(service.url, hospital.token) as remote, pytest.raises(KeyMissing, match="evaluation_keys"):
        remote.predict(b"x")
    with pytest.raises(ServiceError, match="422, malformed"):
        hospital.remote.predict(hospital.client.encrypt(samples(rng))[:-1])
