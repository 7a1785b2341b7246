"""What a page shows of each model: what it predicts, of what, and how precisely."""

import json
from dataclasses import replace

import numpy as np
import pytest
from asgi import ask
from service_harness import ONE, PLAN

import fhenn
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.interop import ImportedModel, Reading
from fhenn.service.app import create_app
from fhenn.service.limits import Limits
from fhenn.service.routes import models
from fhenn.service.store import Store


def added(store, name, model, **wishes):
    found = fhenn.plan(model, bounds=[-1, 1], **wishes)
    store.models.add(name, model_to_bytes(model), plan_to_bytes(found, model))
    return found


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The list, and the store."""
    store = Store(tmp_path_factory.mktemp("list") / "store")
    store.models.add("plain", *ONE)
    many = [fhenn.Linear(np.ones((120, 3)) / 3)]
    labels = ["x" * 100 + str(place) for place in range(120)]
    reading = Reading.classification(["benign", "malignant"], "sigmoid", ["a", "b", "c"])
    plans = {
        "classes": added(store, "classes", ImportedModel([fhenn.Linear([[1.0, -0.5, 0.25]])], reading)),
        "many": added(store, "many", ImportedModel(many, Reading.classification(labels, "softmax"))),
        "numbers": added(
            store, "numbers", ImportedModel([fhenn.Linear([[1.0, 2.0]])], Reading.classification([0, 1], "sigmoid"))
        ),
        "price": added(store, "price", ImportedModel([fhenn.Linear([[1.0, 2.0]])], Reading.regression())),
    }
    app, service = create_app(store, Limits(workers=1))
    text, _ = store.tokens.create("page")
    (answer,) = ask(app, ("GET", "/v1/models", {"Authorization": f"Bearer {text}"}))
    assert answer.status_code == 200, answer.text
    described = ask(app, ("GET", "/openapi.json", {}))[0].json()["components"]["schemas"]["ModelSummary"]
    yield {each["name"]: each for each in answer.json()["models"]}, plans, described, service
    store.close()


def test_what_is_predicted_is_told(listed):
    found = listed[0]
    assert (found["classes"]["task"], found["classes"]["classes"]) == ("classification", ["benign", "malignant"])
    assert (found["numbers"]["classes"], found["numbers"]["class_count"]) == ([0, 1], 2)
    assert (found["price"]["task"], found["price"]["classes"], found["price"]["outputs"]) == ("regression", [], 1)
    assert (found["plain"]["task"], found["plain"]["classes"], found["plain"]["outputs"]) == (None, [], 1)


def test_a_list_stays_short(listed):
    many = listed[0]["many"]
    assert (len(many["classes"]), many["class_count"], many["outputs"]) == (20, 120, 120)
    assert {len(label) for label in many["classes"]} == {40}
    assert len(json.dumps(many)) < 2000


def test_how_precise_it_is_is_told(listed):
    found, plans, *_ = listed
    for name, plan in plans.items():
        assert found[name]["error"] == plan.error
        assert found[name]["distance"] == plan.distance
    assert found["plain"]["error"] == PLAN.error
    assert not found["plain"]["prepared"] and found["plain"]["shape"] is None


def test_what_older_clients_read_is_there_as_before(listed):
    found, _, described, _ = listed
    before = {"name", "version", "versions", "features", "samples_per_ciphertext", "bytes_of_keys"}
    assert all(before <= set(each) for each in found.values())
    assert set(described["required"]) == before  # the rest may be missing in an older service's
    assert all(field.get("description") for name, field in described["properties"].items() if name not in before)
    assert set(found["plain"]) == set(described["properties"])


def test_preparations_images_and_errors_without_a_bound(listed):
    stored = next(iter(listed[3].catalogue))
    plan = replace(stored.plan, preparation="0" * 32, shape=(1, 2, 4), error=float("inf"), distance=None, result=None)
    told = models._summary(replace(stored, plan=plan), ["x"])
    assert (told.prepared, told.shape, told.error, told.distance, told.outputs) == (True, [1, 2, 4], None, None, None)


def test_a_model_of_a_store_is_read_with_what_its_scores_mean(listed):
    readings = {model.name: model.reading for model in listed[3].catalogue}
    assert readings["plain"] is None
    assert readings["classes"].features == ("a", "b", "c")
