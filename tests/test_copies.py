"""What holds keys, a connection or a count neither pickles nor is copied, and says what to do instead."""

import copy
import pickle

import numpy as np
import pytest

import fhenn
from fhenn.errors import UnsupportedOperation
from fhenn.interop import EncryptedModel, ImportedModel, Reading
from fhenn.safety import Budget, BudgetFile
from fhenn.service import RemoteServer
from fhenn.training import keys_for_training

MODEL = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
WAYS = {"pickle": pickle.dumps, "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """name: (what holds something, what its error names)."""
    plan = fhenn.plan(MODEL, bounds=[-1, 1])
    client = fhenn.Client(plan)
    holder = keys_for_training(fhenn.Parameters.for_depth(1))
    imported = ImportedModel([fhenn.Linear([[1.0, -1.0]])], Reading.regression())
    remote = object.__new__(RemoteServer)
    return {
        "Client": (client, "secret_bytes"),
        "Context": (holder, "to_bytes"),
        "public Context": (holder.public(), "to_bytes"),
        "CipherArray": (fhenn.encrypt(holder, [1.0]), "to_bytes"),
        "EncryptedModel": (EncryptedModel(imported, plan), "secret_bytes"),
        "Budget": (Budget(), "keep_budget"),
        "BudgetFile": (BudgetFile.create(tmp_path_factory.mktemp("b") / "b", "0" * 16), "path"),
        "RemoteServer": (remote, "evaluation keys"),
        # deeper: what holds one of those
        "list": ([client], "secret_bytes"),
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "name",
    ["Client", "Context", "public Context", "CipherArray", "EncryptedModel", "Budget", "BudgetFile", "RemoteServer"],
)
def test_keys_do_not_travel_by_accident(things, name, way):
    thing, instead = things[name]
    with pytest.raises(UnsupportedOperation, match=instead) as caught:
        WAYS[way](thing)
    assert type(thing).__name__ in str(caught.value)


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_nor_within_what_holds_them(things, way):
    holder = keys_for_training(fhenn.Parameters.for_depth(1))
    for thing in (
        things["list"][0],
        fhenn.EncryptedLinear(holder, [[0.5]]),
        fhenn.Sigmoid(debug_secret=holder),
        {"answer": things["CipherArray"][0]},
    ):
        with pytest.raises(UnsupportedOperation, match=r"to_bytes|secret_bytes"):
            WAYS[way](thing)


@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy])  # noqa: S301
@pytest.mark.thorough
def test_a_server_pickles_by_its_public_parts(again):
    model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), fhenn.Sigmoid()])
    plan = fhenn.plan(model, bounds=[-1, 1])
    client = fhenn.Client(plan)
    server = fhenn.Server(
        model, plan, client.evaluation_keys(), progress=print, certificate=fhenn.certify(model, [-1, 1], plan)
    )
    other = again(server)
    assert not other.context.has_secret_key
    assert other.plan == plan
    x = np.array([[0.75, 0.5]])
    assert np.abs(client.decrypt(other.predict(client.encrypt(x))) - model.infer(x)).max() <= plan.error


def test_a_pickled_server_holds_no_secret_key():
    plan = fhenn.plan(MODEL, bounds=[-1, 1])
    client = fhenn.Client(plan)
    server = fhenn.Server(MODEL, plan, client.evaluation_keys())
    body = pickle.dumps(server)
    assert server.context.to_bytes() in body
    assert len(body) < len(server.context.to_bytes()) + 10_000
