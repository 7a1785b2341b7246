"""`fhenn doctor`: what it finds, what it judges, and the way out that it names."""

import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

import fhenn
from fhenn import artifacts, extras
from fhenn.backends.native.library import NativeStatus, available
from fhenn.cli import checks, run, store_check
from fhenn.cli.checks import check_machine, self_test
from fhenn.cli.store_check import check_store
from fhenn.service.lock import Lock
from fhenn.service.model_store import ModelStore
from fhenn.service.tokens import Tokens

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder, and none of the variables that it looks at."""
    monkeypatch.chdir(tmp_path)
    for name in ("FHENN_URL", "FHENN_TOKEN", "FHENN_PASSPHRASE", "FHENN_STORE", "FHENN_NATIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FHENN_MACHINE", "shipped")
    return tmp_path


def found(area, environment=None):
    """What it says of an area, the worst first."""
    said = [each for each in check_machine(environment or {}) if each.area == area]
    return max(said, key=lambda each: ("ok", "note", "fault").index(each.state))


def test_as_text_and_as_json(capsys, monkeypatch):
    monkeypatch.setattr(checks, "_LEAST_MEMORY", 0)
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "nothing is at fault" in out
    assert run(["doctor", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["faults"] == 0
    assert {each["area"] for each in data["checks"]} >= {"fhenn", "Python", "system", "evaluator", "store", "self test"}
    assert all(each["area"] in out for each in data["checks"])
    assert all(set(each) == {"area", "state", "says", "way_out"} for each in data["checks"])


def test_a_fault_ends_with_1(capsys, monkeypatch):
    monkeypatch.setattr(fhenn, "Client", None)
    assert run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "1 fault" in out
    assert "TypeError" in out


def test_the_self_test_measures(monkeypatch):
    right = self_test()
    assert right.state == "ok"
    assert "off by" in right.says
    wrong = type("Client", (fhenn.Client,), {"decrypt": lambda self, answer: fhenn.Client.decrypt(self, answer) + 1})
    monkeypatch.setattr(fhenn, "Client", wrong)
    assert self_test().state == "fault"


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10, 1), "fault"), ((3, 11, 0), "ok"), ((3, 14, 2), "ok"), ((3, 15, 0), "fault")]
)
def test_versions_of_python(monkeypatch, version, state):
    monkeypatch.setattr(checks.sys, "version_info", version)
    assert found("Python").state == state


@pytest.mark.parametrize(
    ("system", "machine", "state"),
    [
        ("Linux", "x86_64", "ok"),
        ("Linux", "aarch64", "note"),
        ("Darwin", "arm64", "note"),
        ("Windows", "AMD64", "note"),
    ],
)
def test_systems_that_were_tried(monkeypatch, system, machine, state):
    monkeypatch.setattr(checks.platform, "system", lambda: system)
    monkeypatch.setattr(checks.platform, "machine", lambda: machine)
    check = found("system")
    assert check.state == state
    assert state == "ok" or "not tried" in check.says


@pytest.mark.skipif(not available(), reason="the native library was not built")
def test_the_native_evaluator(monkeypatch):
    assert found("evaluator").state == "ok"
    monkeypatch.setenv("FHENN_NATIVE", "0")
    off = found("evaluator")
    assert off.state == "note"
    assert off.way_out == "Unset FHENN_NATIVE."


@pytest.mark.parametrize(("there", "state"), [(True, "fault"), (False, "note")])
def test_an_evaluator_that_cannot_be_used(monkeypatch, tmp_path, there, state):
    library = tmp_path / "kernels.so"
    if there:
        library.write_bytes(b"")
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("processor: 0\nflags\t\t: fpu avx2 avx512f\n")
    monkeypatch.setattr(checks, "_CPU", cpu)
    monkeypatch.setattr(checks, "status", lambda: NativeStatus(False, "it is damaged", str(library)))
    check = found("evaluator")
    assert check.state == state
    assert "it is damaged" in check.says
    assert "would use AVX2, AVX-512 of this CPU" in check.says
    assert check.way_out.endswith("python -m fhenn.backends.native.build")
    monkeypatch.setattr(checks, "_CPU", tmp_path / "none")
    assert "would use" not in found("evaluator").says


@pytest.mark.parametrize(
    ("quota", "state"), [("max 100000", "ok"), ("50000 100000", "note"), ("nonsense", "ok"), ("1 0", "ok")]
)
def test_the_time_of_a_container(monkeypatch, tmp_path, quota, state):
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    monkeypatch.setattr(checks, "_QUOTA", path)
    check = found("cores")
    assert check.state == state
    assert state == "ok" or "--workers 1" in check.way_out


@pytest.mark.parametrize(("size", "state"), [(1e9, "note"), (8e9, "ok"), (float("inf"), "note")])
def test_memory(monkeypatch, size, state):
    monkeypatch.setattr(checks, "memory_of_machine", lambda: size)
    assert found("memory").state == state


def test_timings_of_this_machine(monkeypatch, tmp_path):
    assert found("timings").state == "ok"
    monkeypatch.setenv("FHENN_MACHINE", str(tmp_path / "machine.json"))
    assert "calibrate-machine" in found("timings").way_out
    (tmp_path / "machine.json").write_text("{}")
    assert found("timings").state == "ok"


def test_what_is_not_installed_is_named_with_its_line(monkeypatch):
    known = extras.version_of
    monkeypatch.setattr(extras, "version_of", lambda name: None if name in ("tenseal", "matplotlib") else known(name))
    check = found("libraries")
    assert (check.state, "tenseal" in check.says) == ("fault", True)
    assert check.way_out.startswith("Run pip install ")
    plot = next(each for each in check_machine({}) if "plot not installed" in each.says)
    assert plot.state == "note"
    assert plot.way_out == f"Run {extras.install_line('plot')}"


def test_commands_run_without_cryptography(monkeypatch):
    known = extras.version_of
    monkeypatch.setattr(extras, "version_of", lambda name: None if name == "cryptography" else known(name))
    (cli,) = (each.says for each in check_machine({}) if each.says.startswith("cli "))
    assert cli == "cli installed in part: lacks cryptography, for keys under a passphrase"


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({}, "ok"),
        ({"FHENN_URL": "https://u:hidden@host", "FHENN_TOKEN": "fhenn_hidden"}, "ok"),
        ({"FHENN_URL": "https://u:hidden@host"}, "note"),
        ({"FHENN_TOKEN": "fhenn_hidden"}, "note"),
    ],
)
def test_variables_are_never_shown(environment, state):
    assert found("service", environment).state == state
    said = [*check_machine(environment | {"FHENN_PASSPHRASE": "hidden"})]
    assert not any("hidden" in str(each) for each in said)
    assert any(each.area == "passphrase" for each in said)


def worst(store, named=True):
    return max(check_store(store, named), key=lambda each: ("ok", "note", "fault").index(each.state))


@pytest.fixture
def store(tmp_path):
    """A store with a model and a token."""
    folder = tmp_path / "store"
    model = fhenn.Linear([[1.0]])
    plan = fhenn.plan(model, bounds=[-1, 1])
    ModelStore(folder / "models").add(
        "m", artifacts.model_to_bytes(model), artifacts.plan_to_bytes(plan.public(), model)
    )
    Tokens(folder / "tokens").create("me")
    return folder


def state_of(folder: Path):
    return sorted((str(path), path.stat().st_mode, path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_a_store_that_is_well(store):
    before = state_of(store)
    said = list(check_store(store, True))
    assert {each.state for each in said} == {"ok"}
    assert "no service runs" in said[0].says
    assert "1 model, 1 token" in said[1].says
    assert state_of(store) == before


def test_who_holds_it(store):
    with Lock(store / "lock", ""):
        assert f"process {os.getpid()}" in next(iter(check_store(store, True))).says
    assert "no service runs" in next(iter(check_store(store, True))).says


def test_what_a_store_lacks(store, monkeypatch):
    Usage = namedtuple("Usage", "free")
    for free, state in ((1e8, "fault"), (1e9, "note"), (1e10, "ok")):
        monkeypatch.setattr(store_check.shutil, "disk_usage", lambda path, free=free: Usage(int(free)))
        assert worst(store).state == state
    shutil.rmtree(store / "tokens")
    assert "token create" in worst(store).way_out
    ModelStore(store / "models").remove("m")
    assert "model add" in worst(store).way_out


def test_no_store(tmp_path):
    missing = worst(tmp_path / "none")
    assert (missing.state, "FHENN_STORE" in missing.way_out) == ("fault", True)
    assert worst(tmp_path / "none", named=False).state == "ok"
    assert not (tmp_path / "none").exists()
    assert worst(tmp_path).state == "note"
    assert "no store yet" in worst(tmp_path).says
    (tmp_path / "letter.txt").write_text("")
    foreign = worst(tmp_path)
    assert foreign.state == "fault"
    assert "no store of a service, but holds letter.txt" in foreign.says
    assert worst(tmp_path, named=False).state == "note"


def test_a_variable_that_names_no_store(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FHENN_STORE", str(tmp_path / "none"))
    assert run(["doctor", "--json"]) == 1
    assert f"there is no {tmp_path / 'none'}" in capsys.readouterr().out


def damage_model(store):
    (path,) = (store / "models").glob("m/*/model.fhenn")
    path.write_bytes(path.read_bytes()[:-7])


def damage_current(store):
    (store / "models" / "m" / "current").write_text("x")


def make_current_unreadable(store):
    (store / "models" / "m" / "current").write_bytes(b"\xff")


def remove_plan(store):
    next((store / "models").glob("m/*/plan.fhenn")).unlink()


@pytest.mark.parametrize("damage", [damage_model, damage_current, make_current_unreadable, remove_plan])
def test_a_model_that_would_not_be_served(store, damage):
    damage(store)
    with pytest.raises((fhenn.errors.FhennError, OSError)) as refused:
        ModelStore(store / "models").catalogue()
    before = state_of(store)
    faults = [check for check in check_store(store, True) if check.state == "fault"]
    assert len(faults) == 1
    assert faults[0].says.startswith("model m: ")
    assert "fhenn model add" in faults[0].way_out
    assert getattr(refused.value, "reason", "No such file") in faults[0].says
    assert state_of(store) == before


def test_each_model_is_looked_at(store):
    models, model = ModelStore(store / "models"), fhenn.Linear([[2.0]])
    plan = fhenn.plan(model, bounds=[-1, 1])
    models.add("n", artifacts.model_to_bytes(model), artifacts.plan_to_bytes(plan.public(), model))
    damage_model(store)
    assert [name for name, _ in models.faults()] == ["m"]
    says = [check.says for check in check_store(store, True)]
    assert "1 model, 1 token" in says
    (store / "models" / "n" / "current").write_text("x")
    assert [check.state for check in check_store(store, True)].count("fault") == 2


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"id": 1}', b"\xff"])
def test_a_token_that_cannot_be_read(store, content, capsys):
    _, record = Tokens(store / "tokens").create("other")
    path = store / "tokens" / f"{record.id}.json"
    path.write_bytes(content)
    fault = worst(store)
    assert (fault.state, str(path) in fault.says, "token create" in fault.way_out) == ("fault", True, True)
    assert run(["token", "list", "--store", str(store)]) == 0
    said = capsys.readouterr()
    assert f"{path} is damaged" in said.err
    assert "me" in said.out


def test_a_time_without_its_zone_is_no_token(store):
    (path,) = (store / "tokens").glob("*.json")
    path.write_text(path.read_text().replace("+00:00", ""))
    assert Tokens(store / "tokens").damaged() == [path]


@posix
def test_a_store_that_others_read(store):
    store.chmod(0o755)
    note = worst(store)
    assert (note.state, "0755" in note.says) == ("note", True)
    assert note.way_out.startswith(f"Run chmod 700 {store}")


@posix
def test_a_store_that_others_reach(store):
    store.chmod(0o770)
    check = worst(store)
    assert check.state == "fault"
    assert "chmod 700" in check.way_out
    assert store.stat().st_mode & 0o777 == 0o770


def test_a_store_that_cannot_be_read(store, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(store_check, "holder_of", refused)
    check = worst(store)
    assert check.state == "fault"
    assert "Permission denied" in check.says
