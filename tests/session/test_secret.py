"""The secret key as bytes: the same client again, and only for whom it is."""

import builtins
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fhenn
from fhenn.errors import (
    BudgetUnknown,
    CertificateInvalid,
    ExtraMissing,
    FileExists,
    ParameterError,
    PlanError,
    SecretLocked,
    SharingRefused,
    WireFormatError,
)
from fhenn.session import Receipt, secret
from fhenn.wire import frame, header_of, unframe

COST = secret._COST  # as it is; the tests take less
X = np.random.default_rng(1).uniform(-1, 1, (3, 4))
MODEL = fhenn.Sequential([fhenn.Linear([[0.5, -0.25, 0.125, 0.25]], [0.1])])


@pytest.fixture(scope="module")
def client(evaluator):
    return fhenn.Client(fhenn.plan(MODEL, bounds=[-1, 1]))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(secret, "_COST", 1 << 14)


@pytest.mark.parametrize("passphrase", [None, "correct horse", "пароль"])
def test_a_restored_client_reads_what_the_first_one_asked(client, passphrase):
    again = fhenn.Client.from_secret_bytes(client.plan, client.secret_bytes(passphrase), passphrase)
    server = fhenn.Server(MODEL, client.plan, client.evaluation_keys())
    assert again.fingerprint == client.fingerprint
    for asks, reads in [(client, again), (again, client)]:
        upload = asks.encrypt(X)
        answer = reads.decrypt(server.predict(upload), receipt=Receipt.of(upload))
        assert np.abs(answer - MODEL.predict(X)).max() <= client.plan.error


def test_keys_made_anew_fit_the_same_ciphertexts(client):
    again = fhenn.Client.from_secret_bytes(client.plan, client.secret_bytes())
    server = fhenn.Server(MODEL, client.plan, again.evaluation_keys())
    assert np.abs(client.decrypt(server.predict(client.encrypt(X))) - MODEL.predict(X)).max() <= client.plan.error


def test_a_locked_key_opens_with_its_passphrase_only(client):
    locked = client.secret_bytes("right")
    assert locked != client.secret_bytes("right")
    for passphrase, reason in [("wrong", "wrong"), (None, "needs"), ("", "needs")]:
        with pytest.raises(SecretLocked, match=reason):
            fhenn.Client.from_secret_bytes(client.plan, locked, passphrase)
    with pytest.raises(SecretLocked, match="empty"):
        client.secret_bytes("")


def test_a_locked_key_holds_nothing_in_the_clear(client):
    plain = unframe("secret-key", client.secret_bytes())[1]
    locked = unframe("secret-key", client.secret_bytes("right"))[1]
    assert len(locked) == len(plain) + 16
    assert not any(plain[at : at + 16] in locked for at in range(0, len(plain) - 16, 4096))


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0" * 16},
        {"parameters": "0" * 16},
        {"lock": {"cipher": "none"}},
        {"lock": []},
        {"lock": 5},
        {"cost": 1 << 40},
        {"cost": 3},
        {"cost": True},
        {"cost": 1 << 15},
        {"block": 1 << 30},
        {"salt": "00"},
        {"salt": "zz" * 16},
        {"nonce": "00" * 12},
        {"derivation": "md5"},
    ],
    ids=str,
)
def test_what_the_header_says_is_authenticated_and_bounded(client, change):
    meta, body = unframe("secret-key", client.secret_bytes("right"))
    meta = meta | change if set(change) <= set(meta) else meta | {"lock": meta["lock"] | change}
    with pytest.raises((SecretLocked, WireFormatError)):
        fhenn.Client.from_secret_bytes(client.plan, frame("secret-key", meta, body), "right")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_altered_key_is_refused(client, data):
    message = client.secret_bytes()
    at, bit = data.draw(st.integers(0, len(message) - 1)), data.draw(st.integers(0, 7))
    with pytest.raises(WireFormatError):
        fhenn.Client.from_secret_bytes(client.plan, message[:at] + bytes([message[at] ^ 1 << bit]) + message[at + 1 :])


def test_other_messages_and_plans_are_refused(client):
    with pytest.raises(WireFormatError, match="is a set of evaluation keys, where"):
        fhenn.Client.from_secret_bytes(client.plan, client.evaluation_keys())
    _, body = unframe("evaluation-context", client.evaluation_keys())
    size = header_of(client.evaluation_keys()).meta["rotation_keys"]
    without = frame("secret-key", {"fingerprint": client.fingerprint, "lock": None}, body[: len(body) - size])
    with pytest.raises(WireFormatError, match="no secret key"):
        fhenn.Client.from_secret_bytes(client.plan, without)
    other = fhenn.plan(fhenn.Sequential([fhenn.Linear(np.eye(4)), fhenn.Sigmoid()]), bounds=[-1, 1])
    with pytest.raises(PlanError, match="other parameters"):
        fhenn.Client.from_secret_bytes(other, client.secret_bytes())
    meta, body = unframe("secret-key", client.secret_bytes())
    with pytest.raises(WireFormatError, match="header names"):
        fhenn.Client.from_secret_bytes(client.plan, frame("secret-key", meta | {"fingerprint": "0" * 16}, body))


@pytest.fixture
def sharing():
    """A plan for 10 shared samples, a client, and a server's answer to 4 samples."""
    plan = fhenn.plan(MODEL, bounds=[-1, 1], accuracy=0.1, queries=10)
    client = fhenn.Client(plan)
    server = fhenn.Server(MODEL, plan, client.evaluation_keys())
    upload = client.encrypt(np.tile(X[:1], (4, 1)))
    return plan, client, server.predict(upload), Receipt.of(upload)


def test_a_budget_in_a_file_survives_restarts(sharing, tmp_path):
    plan, client, answer, receipt = sharing
    client.keep_budget(tmp_path / "budget")
    secret = client.secret_bytes()
    client.decrypt(answer, share=True, receipt=receipt)
    restored = fhenn.Client.from_secret_bytes(plan, secret, budget=tmp_path / "budget")
    restored.decrypt(answer, share=True, receipt=receipt)
    for each in (client, fhenn.Client.from_secret_bytes(plan, secret, budget=tmp_path / "budget")):
        with pytest.raises(SharingRefused, match="exceed"):
            each.decrypt(answer, share=True, receipt=receipt)
        assert each.decrypt(answer, receipt=receipt).shape == (4, 1)  # keeping results costs nothing


def test_a_key_without_its_budget_shares_nothing_and_says_the_way_out(sharing, tmp_path):
    plan, client, answer, receipt = sharing
    secret = client.secret_bytes()
    for budget, reason in ((None, "restored without the file"), (tmp_path / "missing", "is missing")):
        again = fhenn.Client.from_secret_bytes(plan, secret, budget=budget)
        with pytest.raises(BudgetUnknown, match=f"budget unknown: .*{reason}.*new keys"):
            again.decrypt(answer, share=True, receipt=receipt)
        with pytest.raises(BudgetUnknown, match="spent="):
            again.keep_budget(tmp_path / "new")
    again.keep_budget(tmp_path / "new", spent=0.5)
    again.decrypt(answer, share=True, receipt=receipt)
    with pytest.raises(SharingRefused, match="exceed"):
        again.decrypt(answer, share=True, receipt=receipt)
    with pytest.raises(FileExists):
        again.keep_budget(tmp_path / "new", spent=1)
    with pytest.raises(ParameterError, match=r"at least 0\.9, .* not 0\.5"):
        again.keep_budget(tmp_path / "new", spent=0.5, overwrite=True)


def test_what_the_key_itself_says_is_spent_counts(sharing, tmp_path):
    plan, client, answer, receipt = sharing
    client.decrypt(answer, share=True, receipt=receipt)
    again = fhenn.Client.from_secret_bytes(plan, client.secret_bytes())
    with pytest.raises(ParameterError, match=r"at least 0\.4, "):
        again.keep_budget(tmp_path / "budget", spent=0.1)


@pytest.mark.parametrize("spent", [None, "0", -1.0, float("inf"), float("nan"), True])
def test_a_budget_that_cannot_be_is_refused(client, spent):
    meta, body = unframe("secret-key", client.secret_bytes())
    with pytest.raises(WireFormatError, match="header"):
        fhenn.Client.from_secret_bytes(client.plan, frame("secret-key", meta | {"spent": spent}, body))


def test_a_certificate_goes_with_a_restored_client(client):
    fhenn.Client.from_secret_bytes(
        client.plan, client.secret_bytes(), certificate=fhenn.certify(MODEL, [-1, 1], client.plan)
    )
    with pytest.raises(CertificateInvalid):
        fhenn.Client.from_secret_bytes(
            client.plan, client.secret_bytes(), certificate=fhenn.certify(MODEL, [0, 1], client.plan)
        )


def test_a_server_refuses_it(client):
    with pytest.raises(WireFormatError, match="a secret key, where a set of evaluation keys is needed"):
        fhenn.Server(MODEL, client.plan, client.secret_bytes())


def test_no_file_is_touched(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a secret key went through a file")

    for place in ("builtins.open", "io.open", "os.open", "os.memfd_create", "tempfile.mkstemp", "pathlib.Path.open"):
        monkeypatch.setattr(place, refuse)
    data = client.secret_bytes()
    fhenn.Client.from_secret_bytes(client.plan, data)


def test_without_the_extra_a_passphrase_is_refused(client, monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("cryptography"):
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ExtraMissing, match="the extra crypto brings it"):
        client.secret_bytes("right")
    client.secret_bytes()


def test_the_plan_may_be_the_public_one(client):
    public = replace(client.plan.public())
    assert json.loads(public.to_json())["stages"] == []
    fhenn.Client.from_secret_bytes(public, client.secret_bytes())


@pytest.mark.thorough
def test_a_passphrase_costs_whoever_guesses_it(client, monkeypatch):
    """scrypt with n = 2¹⁷, r = 8, p = 1 (OWASP), AES-256-GCM with a nonce of 96 bits, as the message says."""
    monkeypatch.setattr(secret, "_COST", COST)
    locks = [unframe("secret-key", client.secret_bytes("right"))[0]["lock"] for _ in range(2)]
    for lock in locks:
        assert (lock["cipher"], lock["derivation"]) == ("aes-256-gcm", "scrypt")
        assert (lock["cost"], lock["block"], lock["lanes"]) == (131_072, 8, 1)
        assert len(lock["salt"]) == 32
        assert len(lock["nonce"]) == 24
    assert locks[0]["salt"] != locks[1]["salt"]
    assert locks[0]["nonce"] != locks[1]["nonce"]


def test_a_key_without_a_lock_is_the_one_that_its_header_names(client):
    """Nothing is authenticated there: a budget, or a receipt, of another key would be taken for this one's."""
    meta, body = unframe("secret-key", client.secret_bytes())
    fhenn.Client.from_secret_bytes(client.plan, frame("secret-key", meta, body))
    for fingerprint in ("0" * 16, "", None, client.fingerprint.upper() + "0", 7):
        with pytest.raises(WireFormatError):
            fhenn.Client.from_secret_bytes(client.plan, frame("secret-key", meta | {"fingerprint": fingerprint}, body))
