"""Writes the golden files of the current format version: `python tests/artifacts/make_golden.py`, once per version.

They stay as they are: what an older fhenn wrote must be read by every later one.
"""

import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
from prepared import TABLE, every

import fhenn
from fhenn import artifacts, encrypt
from fhenn.interop import ImportedModel, Reading
from fhenn.session import Receipt, join
from fhenn.session.answer import Answer, binding_of
from fhenn.session.ids import IdsOfUpload
from fhenn.session.refusal import Refusal
from fhenn.wire import VERSION

FOLDER = Path(__file__).parent / "golden"
PASSPHRASE = "correct horse battery staple"  # noqa: S105  (of a key that guards nothing)
X = [[0.5, -1.0, 0.25], [-0.75, 0.5, 1.0]]


def every_node() -> fhenn.Sequential:
    """A model with one of each node, polynomials in both bases."""
    nodes = [
        fhenn.Linear([[0.1, -0.2, 1 / 3], [0.5, 0.25, -0.125]], [1e-300, -0.1]),
        fhenn.Sigmoid(),
        fhenn.Tanh(),
        fhenn.ReLU(on_violation="ignore"),
        fhenn.Sequential([fhenn.SiLU((-3, 3), 5), fhenn.GELU(), fhenn.Softplus((-2, 6), 4)]),
        fhenn.Square((-8.0, 8.0)),
        fhenn.PolynomialActivation(fhenn.Polynomial((0.25, 0.5, 0.125), (-9, 9), "chebyshev"), on_violation="raise"),
        fhenn.SignReLU((-4.0, 4.0)),
        fhenn.Linear([[1.0, -1.0], [0.3, 0.7]]),
    ]
    return fhenn.Sequential(nodes, finish="softmax")


def prepared_model() -> ImportedModel:
    """A model of raw tables, with one of each step of a preparation."""
    preparation = every()
    weights = [[0.5**place for place in range(len(preparation.features))]]
    return ImportedModel([fhenn.Linear(weights)], Reading.regression(), preparation=preparation)


def make() -> dict[str, bytes]:
    """Every kind of message, by file name."""
    reading = Reading.classification(["benign", "malignant"], "sigmoid", ["a", "b", "c"])
    model = ImportedModel([fhenn.Linear([[1.0, -0.5, 0.25]], [0.125])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2)
    client = fhenn.Client(plan)
    upload = client.encrypt(X)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    streams = in_parts(client, server)
    prepared = prepared_model()
    whole = fhenn.Context.from_bytes(client.evaluation_keys())
    return {
        "model": artifacts.model_to_bytes(model),
        "every-node": artifacts.model_to_bytes(every_node()),
        "plan": artifacts.plan_to_bytes(plan, model),
        "prepared-model": artifacts.model_to_bytes(prepared),
        "prepared-plan": artifacts.plan_to_bytes(fhenn.plan(prepared, bounds=[-99, 99]), prepared),
        "certificate": artifacts.certificate_to_bytes(fhenn.certify(model, [-1, 1], plan)),
        "secret-key": client.secret_bytes(),
        "secret-key-locked": client.secret_bytes(PASSPHRASE),
        "evaluation-context": client.evaluation_keys(),
        "evaluation-context-whole": whole.to_bytes(),
        "ciphertexts": upload,
        "ciphertexts-whole": encrypt(whole, X, layout=plan.layout).to_bytes(),
        "ciphertexts-answer": Answer.from_bytes(server.predict(upload)).result,
        "answer": server.predict(upload),
        "receipt": Receipt.of(upload).to_bytes(),
        **streams,
    }


def in_parts(client: fhenn.Client, server: fhenn.Server) -> dict[str, bytes]:
    """An upload in two parts, the ids of its samples, its answer, what ends it, and a refusal of its second part."""
    with patch("fhenn.session.encryption._PART", 1):
        parts = list(client.encrypt_stream(X))
    answers = list(server.predict_stream(parts))
    return {
        "stream": join(parts),
        "stream-answer": join(answers),
        "end": parts[-1],
        "ids": ids_of(parts),
        "refusal": Refusal(binding_of(answers[1]), 1, "it ended 3 workers").to_bytes(),
    }


def ids_of(parts: list[bytes]) -> bytes:
    """Ids of the samples of an upload."""
    messages: list[bytes] = []
    ids = IdsOfUpload("patient", messages.append)
    ids.add(["007", None])
    for part in parts:
        ids.part(part)
    ids.finish()
    return join(messages)


if __name__ == "__main__":
    for name, data in make().items():
        (FOLDER / f"{name}.v{VERSION}.fhenn").write_bytes(data)
    outputs = np.asarray(every_node().predict(X)).tolist()
    expected = {"x": X, "every_node": outputs, "prepared": every().prepare(TABLE).tolist()}
    (FOLDER / f"expected.v{VERSION}.json").write_text(json.dumps(expected, indent=1) + "\n")
