"""Files that any version of fhenn wrote are read by this one, and say the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from make_golden import PASSPHRASE, every_node, make
from prepared import TABLE, every
from support import on_each

import fhenn
from fhenn import artifacts
from fhenn.errors import AnswerMismatch, PartRefused
from fhenn.planner import fingerprint_of
from fhenn.session import Receipt, receipt_of, split
from fhenn.session.answer import Answer
from fhenn.session.ids import IdsOfParts
from fhenn.session.stream import End
from fhenn.wire import READABLE, VERSION

FOLDER = Path(__file__).parent / "golden"
VERSIONS = sorted({path.suffixes[-2] for path in FOLDER.glob("*.fhenn")})


def data(name, version):
    return artifacts.read(FOLDER / f"{name}{version}.fhenn")


def test_there_are_some():
    assert {f".v{version}" for version in READABLE} == set(VERSIONS)


@pytest.mark.thorough
@on_each
@pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")  # SEAL runs plans for the native evaluator too
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
            message = data(upload, version)
            scores = clients[0].decrypt_scores(server.predict(message), receipt=Receipt.of(message))
            assert np.abs(scores - twin).max() <= plan.error
    for name in ("ciphertexts-answer", "answer"):
        with pytest.raises(AnswerMismatch):
            clients[1].decrypt_scores(data(name, version))
    # version 1's has a witness that its plan does not name
    answer = replace(Answer.from_bytes(data("answer", version)), binding=None, witnesses=()).to_bytes()
    for each in (answer, data("ciphertexts-answer", version)):
        scores = clients[1].decrypt_scores(each, unbound=True)
        assert np.abs(scores - twin).max() <= plan.error
    if version != ".v1":
        receipt = Receipt.from_bytes(data("receipt", version))
        assert receipt == Receipt.of(data("ciphertexts", version))
        assert np.array_equal(clients[1].decrypt_scores(data("answer", version), receipt=receipt), scores)
    reading = artifacts.reading_from_bytes(data("plan", version))
    assert reading == model.reading
    assert reading.predict(scores).tolist() == model.predict(x).tolist()


@on_each
@pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")
@pytest.mark.parametrize("version", [each for each in VERSIONS if each not in (".v1", ".v2")])
def test_streams_are_readable(version):
    plan = artifacts.plan_from_bytes(data("plan", version))
    model = artifacts.model_from_bytes(data("model", version))
    client = fhenn.Client.from_secret_bytes(plan, data("secret-key", version))
    server = fhenn.Server(model, plan, data("evaluation-context", version))
    upload, answer = data("stream", version), data("stream-answer", version)
    x = json.loads((FOLDER / f"expected{version}.json").read_text())["x"]
    twin = model.scores(np.array(x))
    receipt = receipt_of(split(upload))
    for answers in (answer, server.predict_stream(upload)):
        scores = np.concatenate(list(client.decrypt_stream(answers, receipt=receipt, scores=True)))
        assert np.abs(scores - twin).max() <= plan.error
    assert End.from_bytes(data("end", version)) == End.from_bytes(split(upload)[-1])
    assert [part.ids for part in IdsOfParts(split(data("ids", version)), receipt)] == [("007",), (None,)]
    refused = [split(answer)[0], data("refusal", version)]
    with pytest.raises(PartRefused, match="part 1, 1 samples: it ended 3 workers"):
        list(client.decrypt_stream(refused, receipt=receipt))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_node_computes_what_it_did(version):
    expected = json.loads((FOLDER / f"expected{version}.json").read_text())
    model = artifacts.model_from_bytes(data("every-node", version))
    np.testing.assert_allclose(model.predict(expected["x"]), expected["every_node"], rtol=1e-12)
    assert fingerprint_of(model) == artifacts.header_of(data("every-node", version)).meta["fingerprint"]
    # compared by polynomial: fits differ in the last bits from machine to machine
    assert [node.name for node in model.nodes] == [node.name for node in every_node().nodes]


@pytest.mark.parametrize("version", [each for each in VERSIONS if each not in (".v1", ".v2")])
def test_raw_tables_are_prepared_as_they_were(version):
    expected = json.loads((FOLDER / f"expected{version}.json").read_text())["prepared"]
    model = artifacts.model_from_bytes(data("prepared-model", version))
    plan, preparation = (
        read(data("prepared-plan", version)) for read in (artifacts.plan_from_bytes, artifacts.preparation_from_bytes)
    )
    assert model.preparation == preparation == every()
    assert plan.preparation == preparation.fingerprint
    np.testing.assert_allclose(preparation.prepare(TABLE), expected, rtol=1e-12, atol=1e-12)
    assert fhenn.Client(plan, preparation=preparation).plan == plan


@pytest.mark.thorough
def test_there_is_a_golden_file_of_every_kind():
    kinds = {artifacts.header_of(path).kind for path in FOLDER.glob("*.fhenn")}
    assert kinds == {
        "model", "plan", "certificate", "secret-key", "evaluation-context", "ciphertexts", "answer", "receipt", "end",
        "refusal", "ids",
    }  # fmt: skip
    assert {path.name.partition(".")[0] for path in FOLDER.glob(f"*.v{VERSION}.fhenn")} == set(make())
