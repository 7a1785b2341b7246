"""`EncryptedModel` sends many samples in several uploads, as if they were one."""

import sys

import numpy as np
import pytest

import fhenn
from fhenn.errors import BoundsExceeded, RangeViolation
from fhenn.interop import EncryptedModel, Reading
from fhenn.interop.model import ImportedModel

rng = np.random.default_rng(4)

MODEL = ImportedModel(
    [fhenn.Linear([[1.0, -1.0], [0.5, 0.5]]), fhenn.Square(), fhenn.Linear([[0.5, -0.5]])], Reading.regression()
)


@pytest.fixture(scope="module")
def private():
    return fhenn.encrypted_model(MODEL, bounds=[-1, 1], layout="latency", rows=4)


@pytest.fixture(autouse=True)
def little_memory(monkeypatch):
    # the package names a function so, too
    monkeypatch.setattr(sys.modules["fhenn.interop.encrypted"], "_MEMORY", 1.0)


def test_each_part_holds_what_shares_ciphertexts(private, monkeypatch):
    sent = []
    encrypt = private.client.encrypt
    monkeypatch.setattr(private.client, "encrypt", lambda x: sent.append(len(x)) or encrypt(x))
    x = rng.uniform(-1, 1, (11, 2))
    assert np.abs(private.scores(x) - private.model.infer(x)).max() <= 2 * private.plan.error
    assert sent == [4, 4, 3]
    assert private.predict(x[:3]).shape == (3,)
    assert sent[3:] == [3]


def test_strays_of_any_part_are_named_by_their_places_before_anything_is_sent(private, monkeypatch):
    monkeypatch.setattr(private.client, "encrypt", None)
    x = np.zeros((11, 2))
    x[2, 1], x[9, 0] = 1.5, -3.0
    with pytest.raises(BoundsExceeded) as caught:
        private.scores(x)
    assert caught.value.samples == (2, 9)
    assert caught.value.furthest == (9, 0)


def test_violations_of_all_parts_are_one_report():
    nodes = [fhenn.Linear([[2.5, -2.5], [0.5, 0.5]]), fhenn.Sigmoid(), fhenn.Linear([[0.5, -0.5]])]
    model = ImportedModel(nodes, Reading.regression())
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=0.1, layout="latency", samples=4, witness=2)
    private = EncryptedModel(model, plan)
    stray = [[1.0, -1.0] if place in (1, 6, 10) else [0.0, 0.0] for place in range(11)]
    with pytest.raises(RangeViolation) as caught:
        private.scores(np.array(stray))
    assert caught.value.report.samples == (1, 6, 10)
    assert caught.value.report.total == 11
