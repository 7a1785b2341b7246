import json
import shutil

import pytest
from click.testing import CliRunner
from service_harness import MODEL, NEXT_PLAN, ONE, PLAN, TWO, stored

import fhenn
from fhenn.artifacts import model_to_bytes, plan_from_bytes, plan_to_bytes
from fhenn.cli import cli
from fhenn.errors import FhennError, FileMissing, ParameterError, PlanError, StoreDamaged, WireFormatError
from fhenn.service.model_store import ModelStore
from fhenn.service.store import Store


@pytest.fixture
def models(tmp_path):
    models = ModelStore(tmp_path / "store" / "models")
    models.tidy()
    return models


def current(models):
    return {model.name: model.version for model in models.catalogue()}


def test_versions_stay_and_the_latest_is_current(models):
    assert len(models.catalogue()) == 0
    assert models.add("cancer", *ONE) == PLAN.fingerprint
    assert models.add("cancer", *TWO) == NEXT_PLAN.fingerprint != PLAN.fingerprint
    catalogue = models.catalogue()
    assert current(models) == {"cancer": NEXT_PLAN.fingerprint}
    assert {version: model.plan for version, model in catalogue.versions["cancer"].items()} == {
        PLAN.fingerprint: PLAN.public(),
        NEXT_PLAN.fingerprint: NEXT_PLAN.public(),
    }
    assert catalogue.outline == models.outline()
    assert models.add("cancer", *ONE) == PLAN.fingerprint
    assert current(models) == {"cancer": PLAN.fingerprint}
    assert len(models.catalogue().versions["cancer"]) == 2


def test_a_version_that_was_read_is_not_read_again(models, monkeypatch):
    models.add("cancer", *ONE)
    known = models.catalogue()
    models.add("cancer", *TWO)
    loads = []
    load = ModelStore._load
    monkeypatch.setattr(ModelStore, "_load", lambda self, *which: loads.append(which) or load(self, *which))
    assert models.catalogue(known).versions["cancer"][PLAN.fingerprint] is known.versions["cancer"][PLAN.fingerprint]
    assert loads == [("cancer", NEXT_PLAN.fingerprint)]


def test_clients_get_no_ranges(models):
    models.add("cancer", *ONE)
    (found,) = models.catalogue()
    assert PLAN.stages and not plan_from_bytes(found.message).stages


@pytest.mark.parametrize("name", ["", "..", "a/b", ".new", "A", "x" * 65, "a\n"])
def test_names_of_models_are_names(models, name):
    with pytest.raises(ParameterError, match="name a model"):
        models.add(name, *ONE)


def test_what_does_not_belong_together_is_not_kept(models, tmp_path):
    with pytest.raises(PlanError):
        models.add("cancer", TWO[0], ONE[1])
    with pytest.raises(WireFormatError):
        models.add("cancer", ONE[1], ONE[0])
    assert list((tmp_path / "store" / "models").iterdir()) == []


def test_a_version_with_other_names_of_classes_is_refused_until_the_way_out_is_taken(models):
    """The plan's fingerprint does not cover them: clients would read one version in two ways."""
    nodes = list(MODEL.nodes)
    for labels in (["benign", "malignant"], ["malignant", "benign"]):
        imported = fhenn.interop.ImportedModel(nodes, fhenn.interop.Reading.classification(labels, "sigmoid"))
        plan = fhenn.plan(imported, bounds=[-1, 1])
        last = model_to_bytes(imported), plan_to_bytes(plan, imported)
        if labels[0] == "benign":
            models.add("cancer", *last)
    with pytest.raises(ParameterError, match="other names of features or classes") as caught:
        models.add("cancer", *last)
    assert "fhenn model remove" in str(caught.value)
    models.remove("cancer")
    models.add("cancer", *last)


def test_versions_and_models_are_removed(models, tmp_path):
    models.add("cancer", *ONE)
    models.add("cancer", *TWO)
    for name, version, message in [
        ("nothing", None, "Name one of these: cancer"),
        ("cancer", "0" * 32, "fhenn model list"),
        ("cancer", NEXT_PLAN.fingerprint, "is the current version"),
        ("../keys", None, "no model"),
        ("cancer", "../cancer", "no version"),
    ]:
        with pytest.raises(ParameterError, match=message):
            models.remove(name, version)
    models.remove("cancer", PLAN.fingerprint)
    assert models.outline() == (("cancer", NEXT_PLAN.fingerprint, (NEXT_PLAN.fingerprint,)),)
    models.remove("cancer")
    assert list((tmp_path / "store" / "models").iterdir()) == []


def refused_until_added_again(models, reason):
    """A damaged model is named with its folder, and what the error advises helps."""
    with pytest.raises(StoreDamaged, match=reason) as caught:
        models.catalogue()
    assert caught.value.path.endswith("models/cancer") and "Delete that folder" in str(caught.value)
    shutil.rmtree(caught.value.path)
    models.add("cancer", *ONE)
    assert models.catalogue().current == {"cancer": PLAN.fingerprint}


@pytest.mark.parametrize("file", ["model.fhenn", "plan.fhenn"])
def test_a_broken_model_is_said(models, tmp_path, file):
    models.add("cancer", *ONE)
    (tmp_path / "store" / "models" / "cancer" / PLAN.fingerprint / file).write_bytes(b"x")
    refused_until_added_again(models, f"version {PLAN.fingerprint} cannot be read")


@pytest.mark.parametrize("content", [b"0" * 32, b"", b"\xff"])
def test_a_pointer_to_nothing_is_said(models, tmp_path, content):
    models.add("cancer", *ONE)
    (tmp_path / "store" / "models" / "cancer" / "current").write_bytes(content)
    refused_until_added_again(models, "current")


def test_a_version_under_anothers_name_is_said(models, tmp_path):
    """As when somebody copies files into a version's folder: versions never change."""
    models.add("cancer", *ONE)
    for name, data in zip(("model.fhenn", "plan.fhenn"), TWO, strict=True):
        (tmp_path / "store" / "models" / "cancer" / PLAN.fingerprint / name).write_bytes(data)
    refused_until_added_again(models, "that of another version")


def old_layout(folder, model=ONE[0], plan=ONE[1]):
    home = folder / "models" / "cancer"
    home.mkdir(parents=True)
    (home / "model.fhenn").write_bytes(model)
    (home / "plan.fhenn").write_bytes(plan)
    return home


def test_a_store_of_the_old_layout_is_moved_over(tmp_path):
    """Also one whose plan names no model yet: its clients hold that plan, so its fingerprint stays."""
    old = fhenn.Plan.from_json(json.dumps(json.loads(PLAN.public().to_json()) | {"model": None}))
    for place, plan in enumerate((PLAN, old)):
        home = old_layout(tmp_path / str(place), plan=plan_to_bytes(plan, MODEL))
        Store(tmp_path / str(place)).close()
        store = Store(tmp_path / str(place))
        (found,) = store.models.catalogue()
        assert (found.version, found.plan) == (plan.fingerprint, plan.public())
        assert sorted(path.name for path in home.iterdir()) == sorted(["current", plan.fingerprint])
        store.close()


@pytest.mark.parametrize("half", ["moved aside", "replaced", "half new"])
def test_what_an_older_fhenn_left_when_it_was_killed(tmp_path, half):
    """It renamed NAME to .old-NAME, then .new-… to NAME: between the two there was no model."""
    home = old_layout(tmp_path)
    if half == "moved aside":
        home.rename(home.with_name(".old-cancer"))
    elif half == "replaced":
        old_layout(tmp_path / "other", *TWO).rename(home.with_name(".old-cancer"))
    (home.parent / ".new-abc").mkdir()
    (home.parent / ".new-abc" / "model.fhenn").write_bytes(b"half")
    store = Store(tmp_path)
    assert current(store.models) == {"cancer": PLAN.fingerprint}
    assert [path.name for path in home.parent.iterdir()] == ["cancer"]
    store.close()


def test_on_the_command_line(tmp_path):
    """Also while a service runs on the store."""
    runner, where = CliRunner(), ["--store", str(tmp_path / "store")]
    for name, data in zip(("m1", "p1", "m2", "p2"), (*ONE, *TWO), strict=True):
        (tmp_path / name).write_bytes(data)
    assert runner.invoke(cli, ["model", "list", *where, "--json"]).output == "[]\n"
    assert runner.invoke(cli, ["model", "list", *where]).output.startswith("no models in ")
    store = Store(tmp_path / "store")
    for number in "12":
        files = [str(tmp_path / f"m{number}"), str(tmp_path / f"p{number}")]
        added = runner.invoke(cli, ["model", "add", "cancer", *files, *where, "--json"], catch_exceptions=False)
    assert json.loads(added.output) == {"name": "cancer", "version": NEXT_PLAN.fingerprint}
    rows = json.loads(runner.invoke(cli, ["model", "list", *where, "--json"]).output)
    assert {row["version"]: row["current"] for row in rows} == {PLAN.fingerprint: False, NEXT_PLAN.fingerprint: True}
    assert "current" in runner.invoke(cli, ["model", "list", *where]).output
    removed = runner.invoke(cli, ["model", "remove", "cancer", PLAN.fingerprint, *where])
    assert removed.output == f"removed cancer {PLAN.fingerprint}\n"
    with pytest.raises(FhennError):
        runner.invoke(cli, ["model", "remove", "cancer", PLAN.fingerprint, *where], catch_exceptions=False)
    assert len(store.models.outline()) == 1
    store.close()
    missing = CliRunner().invoke(cli, ["model", "add", "cancer", str(tmp_path / "m1"), "nope.fhenn", *where])
    assert isinstance(missing.exception, FileMissing)
    assert "`fhenn plan` and `fhenn fetch` write" in str(missing.exception)


def test_serve_changes_nothing_where_it_is_refused(tmp_path):
    """A second service on the store, and a port that is taken."""
    import socket  # noqa: PLC0415

    from fhenn.errors import ServiceRefused, StoreLocked  # noqa: PLC0415
    from fhenn.service.serving import serve  # noqa: PLC0415

    folder = stored(tmp_path / "store")
    first = Store(folder)
    with pytest.raises(StoreLocked, match="fhenn model add"):
        serve(folder, port=0, add=[("cancer", *TWO)])
    assert current(first.models) == {"cancer": PLAN.fingerprint}
    first.close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServiceRefused, match="--port 0"):
            serve(folder, port=taken.getsockname()[1], add=[("cancer", *TWO)])
    assert current(ModelStore(folder / "models")) == {"cancer": PLAN.fingerprint}
