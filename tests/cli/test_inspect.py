"""`fhenn inspect`: what it says of every kind of file, in words and as data."""

import json
import re

import numpy as np
import pytest

import fhenn
from fhenn import artifacts
from fhenn.cli import run
from fhenn.interop import ImportedModel, Reading
from fhenn.safety import certify
from fhenn.session import secret as secrets
from fhenn.session.receipt import Receipt


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of every kind."""
    here = tmp_path_factory.mktemp("kinds")
    reading = Reading.classification(["benign", "malignant"], "sigmoid", ["age", "crp"])
    model = ImportedModel([fhenn.Linear([[0.5, -0.5]])], reading)
    plan = fhenn.plan(model, bounds=[[-1, 0], [3, 10]])
    client = fhenn.Client(plan)
    upload = client.encrypt(np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]))
    files = {
        "model": artifacts.model_to_bytes(model),
        "plan": artifacts.plan_to_bytes(plan.public(), model),
        "certificate": artifacts.certificate_to_bytes(certify(model, [[-1, 0], [3, 10]], plan)),
        "open": client.secret_bytes(),
        "keys": client.evaluation_keys(),
        "upload": upload,
        "answer": fhenn.Server(model, plan, client.evaluation_keys()).predict(upload),
        "receipt": Receipt.of(upload).to_bytes(),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "_COST", 1 << 14)
        files["locked"] = client.secret_bytes("a passphrase")
    for name, data in files.items():
        artifacts.write(here / name, data)
    return here


BOUNDS = [{"name": "age", "low": -1.0, "high": 3.0}, {"name": "crp", "low": 0.0, "high": 10.0}]

KINDS = [
    (
        "model",
        "model",
        {"levels": 1, "inputs": 2, "classes": ["benign", "malignant"]},
        [{"name": "age"}, {"name": "crp"}],
    ),
    ("plan", "plan", {"security": 128, "levels": 0, "classes": ["benign", "malignant"]}, BOUNDS),
    ("certificate", "certificate", {"valid": True}, [each | {"name": None} for each in BOUNDS]),
    ("open", "secret-key", {"locked": False}, []),
    ("locked", "secret-key", {"locked": True, "cipher": "aes-256-gcm", "memory to unlock": 16 << 20}, []),
    ("keys", "evaluation-context", {}, []),
    ("upload", "ciphertexts", {"samples": 3, "numbers a sample": 2, "levels left": 0}, []),
    ("answer", "answer", {"samples": 3, "numbers a sample": 1, "levels left": 0, "witnesses": 0}, []),
    ("receipt", "receipt", {"samples": 3}, []),
]


@pytest.mark.parametrize(("name", "kind", "details", "features"), KINDS, ids=[each[0] for each in KINDS])
def test_of_every_kind_it_says_what_it_is(folder, capsys, name, kind, details, features):
    assert run(["inspect", str(folder / name), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["fault"]) == (kind, None)
    assert {key: found["details"][key] for key in details} == details
    assert found["features"] == features
    assert found["units"]["size"] == "bytes"
    assert run(["inspect", str(folder / name)]) == 0
    out = capsys.readouterr().out
    for key, value in found["details"].items():
        assert key in out or value in (None, [])
    for feature in features:
        assert feature["name"] is None or feature["name"] in out
    assert "yes" in out  # whole
    secret = artifacts.read(folder / name)
    assert not any(piece in out.encode() for piece in (secret[-32:], secret[-200:-168]))


def test_it_has_units(folder, capsys):
    run(["inspect", str(folder / "plan")])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "security 128 bits" in lines
    assert any(line.startswith("chain ") and line.endswith(" bits") for line in lines)
    assert any(line.startswith("evaluation keys, about ") and line.endswith(" MB") for line in lines)
    assert "1 age -1 3" in lines
    assert "2 crp 0 10" in lines
    run(["inspect", str(folder / "locked")])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "locked yes" in lines
    assert "memory to unlock 16.78 MB" in lines


def test_people_read_words(folder, capsys):
    """Neither JSON, nor null, nor hexadecimal floats, nor digests of 64 digits; those are in --json."""
    for name in [each[0] for each in KINDS]:
        data = artifacts.read(folder / name)
        (folder / "cut").write_bytes(data[:-3])  # of a damaged file the header is shown as it is
        for path, code in ((folder / name, 0), (folder / "cut", 1)):
            assert run(["inspect", str(path)]) == code
            out = capsys.readouterr().out
            assert not re.search(r"null|[{}\[\]]|0x1\.|[0-9a-f]{13}", out), out
    run(["inspect", str(folder / "upload")])
    out = capsys.readouterr().out
    assert "2^" in out
    assert "part 1, for the plan " in out
    (folder / "cut").write_bytes(artifacts.read(folder / "open")[:-3])
    run(["inspect", str(folder / "cut")])
    assert re.search("lock +not locked", capsys.readouterr().out)


@pytest.mark.parametrize("name", [each[0] for each in KINDS])
def test_damage_is_told_with_what_the_header_says(folder, tmp_path, capsys, name):
    data = artifacts.read(folder / name)
    (tmp_path / "cut").write_bytes(data[:-3])
    assert run(["inspect", str(tmp_path / "cut"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["fault"].startswith("it holds")
    assert run(["inspect", str(tmp_path / "cut")]) == 1
    assert "no: it holds" in capsys.readouterr().out
