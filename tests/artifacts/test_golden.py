"""Files that any version of fhenn wrote are read by this one, and say the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from make_golden import PASSPHRASE, every_node, make

import fhenn
from fhenn import artifacts
from fhenn.planner import fingerprint_of

FOLDER = Path(__file__).parent / "golden"
VERSIONS = sorted({path.suffixes[-2] for path in FOLDER.glob("*.fhenn")})


def data(name, version):
    return artifacts.read(FOLDER / f"{name}{version}.fhenn")


def test_there_are_some():
    assert ".v1" in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_the_whole_round_is_readable(version):
    plan = artifacts.plan_from_bytes(data("plan", version))
    model = artifacts.model_from_bytes(data("model", version))
    certificate = artifacts.certificate_from_bytes(data("certificate", version))
    certificate.require(plan, model)
    x = json.loads((FOLDER / f"expected{version}.json").read_text())["x"]
    clients = [
        fhenn.Client.from_secret_bytes(plan, data("secret-key", version)),
        fhenn.Client.from_secret_bytes(plan, data("secret-key-locked", version), PASSPHRASE),
    ]
    twin = model.scores(np.array(x))
    for keys in ("evaluation-context", "evaluation-context-whole"):
        server = fhenn.Server(model, plan, data(keys, version), certificate=certificate)
        for upload in ("ciphertexts", "ciphertexts-whole"):
            answer = server.predict(data(upload, version))
            assert np.abs(clients[0].decrypt_scores(answer) - twin).max() <= plan.error
    for name in ("ciphertexts-answer", "answer"):
        answer = data(name, version)
        assert np.abs(clients[1].decrypt_scores(answer) - twin).max() <= plan.error
    reading = artifacts.reading_from_bytes(data("plan", version))
    assert reading == model.reading
    assert reading.predict(clients[1].decrypt_scores(answer)).tolist() == model.predict(x).tolist()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_node_computes_what_it_did(version):
    expected = json.loads((FOLDER / f"expected{version}.json").read_text())
    model = artifacts.model_from_bytes(data("every-node", version))
    np.testing.assert_allclose(model.predict(expected["x"]), expected["every_node"], rtol=1e-12)
    assert fingerprint_of(model) == artifacts.header_of(data("every-node", version)).meta["fingerprint"]
    # compared by polynomial: fits differ in the last bits from machine to machine
    assert [node.name for node in model.nodes] == [node.name for node in every_node().nodes]


def test_there_is_a_golden_file_of_every_kind():
    kinds = {artifacts.header_of(path).kind for path in FOLDER.glob("*.fhenn")}
    assert kinds == {"model", "plan", "certificate", "secret-key", "evaluation-context", "ciphertexts", "answer"}
    assert {path.name.partition(".")[0] for path in FOLDER.glob("*.fhenn")} == set(make())
