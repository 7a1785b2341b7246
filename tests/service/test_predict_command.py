"""`fhenn predict` on tables and uploads of many parts, with a real service."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from service_harness import FEATURES, MODEL, PLAN, Running, samples, stored, troubled
from support import on_each

import fhenn
from fhenn import artifacts
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.cli import cli
from fhenn.errors import AnswerMismatch, BoundsExceeded, ParameterError, PartRefused, WrongKind
from fhenn.service.remote import RemoteServer
from fhenn.service.store import Store
from fhenn.session import split

rng = np.random.default_rng(0)
ROWS = 25


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption._PART", 4 * PLAN.bytes_per_ciphertext)


@pytest.fixture
def x():
    return samples(rng, ROWS)


@pytest.fixture
def folder(tmp_path, monkeypatch, x):
    """The files of a client, and its table."""
    monkeypatch.chdir(tmp_path)
    put_client(PLAN)
    np.save("rows.npy", x)
    with Path("rows.csv").open("w") as file:
        csv.writer(file).writerows([[f"f{place}" for place in range(FEATURES)], *x.tolist()])
    return tmp_path


def put_client(plan):
    client = fhenn.Client(plan)
    artifacts.write("plan.fhenn", plan_to_bytes(plan.public()))
    artifacts.write("secret.fhenn", client.secret_bytes(), private=True)
    client.keep_budget("secret.fhenn.budget")
    artifacts.write("keys.fhenn", client.evaluation_keys())


@pytest.fixture
def run(service, monkeypatch):
    """Runs a command; its typed error is raised."""
    monkeypatch.setenv("FHENN_URL", service.url)
    monkeypatch.setenv("FHENN_TOKEN", service.token("hospital"))

    def run(*line, code=0):
        result = CliRunner().invoke(cli, [*map(str, line), "--workers", "1"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    return run


def scores_in(path):
    with Path(path).open() as file:
        return np.array([[float(row["sigmoid"])] for row in csv.DictReader(file)])


def hidden():
    return sorted(each.name for each in Path().iterdir() if each.name.startswith("."))


def test_a_table_is_predicted(folder, run, x):
    for data, output in (("rows.csv", "out.csv"), ("rows.npy", "again.csv")):
        assert json.loads(run("predict", data, "-o", output, "--json")) == {"predictions": output, "samples": ROWS}
        assert np.abs(scores_in(output) - MODEL.predict(x)).max() <= PLAN.error
    run("predict", "rows.csv", "-o", "out.npy")
    assert np.abs(np.load("out.npy") - MODEL.infer(x)).max() <= PLAN.error
    printed = json.loads(run("predict", "rows.csv", "--json"))["predictions"]
    assert np.abs([row["sigmoid"] for row in printed] - MODEL.predict(x)[:, 0]).max() <= PLAN.error
    assert hidden() == []


def test_an_upload_is_answered(folder, run, x):
    run("encrypt", "rows.csv")
    parts = split(Path("upload.fhenn").read_bytes())
    assert len(parts) == 7 + 1
    said = json.loads(run("predict", "--json"))
    assert (said["samples"], said["refused"], said["model"]) == (ROWS, 0, "cancer")
    assert said["bytes"] == Path("answer.fhenn").stat().st_size
    assert len(split(Path("answer.fhenn").read_bytes())) == len(parts)
    run("decrypt", "-o", "out.csv")
    assert np.abs(scores_in("out.csv") - MODEL.predict(x)).max() <= PLAN.error


def test_an_upload_of_one_part_is_answered(folder, run, x):
    client = fhenn.Client(PLAN)
    artifacts.write("keys.fhenn", client.evaluation_keys())
    artifacts.write("upload.fhenn", client.encrypt(x))
    run("predict")
    assert np.abs(client.decrypt(Path("answer.fhenn").read_bytes()) - MODEL.predict(x)).max() <= PLAN.error


def test_an_answer_goes_on_where_it_was_broken_off(folder, run, x, monkeypatch):
    run("encrypt", "rows.csv")
    append = artifacts.UnfinishedFile.append

    def interrupted(self, message):
        append(self, message)
        if self.parts == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(artifacts.UnfinishedFile, "append", interrupted)
        assert "goes on with --resume" in run("predict", code=1)
    assert hidden() == [".answer.fhenn.unfinished", ".answer.fhenn.unfinished.json"]
    begun = split(Path(".answer.fhenn.unfinished").read_bytes())
    asked = []
    predict = RemoteServer._predict

    def counted(*what):
        asked.append(what)
        return predict(*what)

    monkeypatch.setattr(RemoteServer, "_predict", counted)
    run("predict", "--resume")
    assert hidden() == []
    assert len(asked) == 7 - 3
    assert split(Path("answer.fhenn").read_bytes())[:3] == begun
    run("decrypt", "-o", "out.csv")
    assert np.abs(scores_in("out.csv") - MODEL.predict(x)).max() <= PLAN.error


IDS = ["patient-007", "", *(f"clinic-{place:03d}" for place in range(ROWS - 2))]


@pytest.fixture
def named(folder, x):
    """The table with a column of ids."""
    with Path("named.csv").open("w") as file:
        names = ["patient-id", *(f"f{place}" for place in range(FEATURES))]
        csv.writer(file).writerows([names, *([each, *row] for each, row in zip(IDS, x.tolist(), strict=True))])
    return folder


@pytest.fixture
def sent(monkeypatch):
    """All bytes that leave this process."""
    pieces = []

    def watched(real):
        def send(self, data, *flags):
            pieces.append(bytes(data))
            return real(self, data, *flags)

        return send

    for name in ("send", "sendall"):
        monkeypatch.setattr(socket.socket, name, watched(getattr(socket.socket, name)))
    return pieces


def test_ids_of_a_table_stay_here(named, run, x, sent):
    run("predict", "named.csv", "--id", "patient-id", "-o", "out.csv")
    with Path("out.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert [row["patient-id"] for row in rows] == IDS
    assert np.abs(scores_in("out.csv") - MODEL.predict(x)).max() <= PLAN.error
    everything = b"".join(sent)
    assert len(everything) > 7 * PLAN.bytes_per_ciphertext
    assert b"POST /v1/" in everything
    assert not any(each.encode() in everything for each in ("patient-id", *IDS) if each)
    printed = json.loads(run("predict", "named.csv", "--id", "patient-id", "--json"))["predictions"]
    assert [row["patient-id"] for row in printed] == IDS


@pytest.mark.thorough
def test_ids_of_an_upload_stay_here(named, run, sent):
    run("encrypt", "named.csv", "--id", "patient-id")
    run("predict")
    run("decrypt", "-o", "out.csv")
    with Path("out.csv").open() as file:
        assert [row["patient-id"] for row in csv.DictReader(file)] == IDS
    everything = b"".join(sent)
    assert len(everything) > Path("upload.fhenn").stat().st_size
    assert not any(each.encode() in everything for each in ("patient-id", *IDS) if each)


def test_where_no_ids_go(named, run):
    run("encrypt", "named.csv", "--id", "patient-id")
    for line, words in (
        (("upload.fhenn",), "is an upload, which has no columns"),
        (("named.csv", "-o", "out.npy"), "holds numbers alone"),
    ):
        with pytest.raises(ParameterError, match=words):
            run("predict", *line, "--id", "patient-id")
    with pytest.raises(ParameterError, match="'sigmoid' too"):
        run("predict", "named.csv", "--id", "sigmoid")


def test_a_table_begins_anew(folder, run, monkeypatch):
    with pytest.raises(ParameterError, match="begin anew"):
        run("predict", "rows.csv", "--resume")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fhenn.cli.predict.rows_of", interrupt)
    assert "--resume" not in run("predict", "rows.csv", "-o", "out.csv", code=1)
    assert hidden() == [] and not Path("out.csv").exists()


def test_values_beyond_bounds_late_in_a_table(folder, run):
    with Path("rows.csv").open("a") as file:
        file.write(",".join(["0.5"] * (FEATURES - 1) + ["2.0"]) + "\n")
    with pytest.raises(BoundsExceeded, match=f"sample {ROWS}"):
        run("predict", "rows.csv", "-o", "out.csv")
    assert hidden() == [] and not Path("out.csv").exists()
    run("predict", "rows.csv", "-o", "out.csv", "--clip")
    assert len(scores_in("out.csv")) == ROWS + 1


def test_what_is_no_table_and_no_upload_stays_here(folder, run, service):
    for name in ("secret.fhenn", "plan.fhenn", "rows.txt"):
        Path("rows.txt").write_text("0.5\n")
        with pytest.raises(WrongKind, match="has not left this machine"):
            run("predict", name)
    with pytest.raises(ParameterError, match="ending of a table"):
        run("predict", "rows.csv", "-o", "keys.fhenn")


@pytest.mark.filterwarnings("ignore::fhenn.errors.NoiseWarning")  # SEAL runs the plan for the native evaluator too
def test_answers_of_the_service_to_another_stream(folder, run, monkeypatch):
    other = fhenn.Client(PLAN)
    answer = fhenn.Server(MODEL, PLAN, other.evaluation_keys()).predict(other.encrypt(samples(rng)))
    monkeypatch.setattr(RemoteServer, "_answer", lambda *_: answer)
    with pytest.raises(AnswerMismatch):
        run("predict", "rows.csv", "-o", "out.csv")
    assert hidden() == [] and not Path("out.csv").exists()


@on_each
@pytest.mark.thorough
def test_a_part_that_is_refused(folder, x, tmp_path_factory, monkeypatch):
    """Its rows are empty in the table where that is asked for; else it says which."""
    store = stored(tmp_path_factory.mktemp("refusing") / "store")
    with Running(store, {"workers": 1}, prelude=troubled(store.parent, 2, "crash")) as running:
        line = ["predict", "rows.csv", "-o", "out.csv", "--url", running.url, "--workers", "1"]
        env = {"FHENN_TOKEN": running.token("hospital")}
        assert isinstance(CliRunner().invoke(cli, line, env=env).exception, PartRefused)
        done = CliRunner().invoke(cli, [*line, "--on-violation", "mask"], env=env)
        assert done.exit_code == 0, done.output
        assert CliRunner().invoke(cli, ["encrypt", "rows.csv", "--workers", "1"]).exit_code == 0
        said = CliRunner().invoke(cli, ["predict", "--url", running.url], env=env)
        assert "1 part refused" in said.stdout
    with Path("out.csv").open() as file:
        empty = [place for place, row in enumerate(csv.DictReader(file)) if not row["sigmoid"]]
    assert empty == [8, 9, 10, 11]


_MEASURED = """
import re, sys, threading
from pathlib import Path
from fhenn.__main__ import main
peak = 0
def watch():
    global peak
    while not done.wait(0.02):
        peak = max(peak, int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
done = threading.Event()
thread = threading.Thread(target=watch)
thread.start()
try:
    main()
finally:
    done.set()
    thread.join()
    print(peak / 1e3, file=sys.stderr)
"""


def peak_of(rows, run_env):
    """Megabytes of memory of its own that `predict` holds at its peak."""
    np.save("many.npy", rng.uniform(-1, 1, (rows, FEATURES)))
    line = [sys.executable, "-c", _MEASURED, "predict", "many.npy", "-o", "many-out.npy", "--workers", "1", "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=os.environ | run_env)
    assert json.loads(done.stdout)["samples"] == rows
    return float(done.stderr.split()[-1])


@pytest.mark.thorough
def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = fhenn.plan(MODEL, bounds=[-1, 1], layout="throughput")
    put_client(plan)
    store = Store(tmp_path / "store")
    store.models.add("cancer", model_to_bytes(MODEL), plan_to_bytes(plan))
    store.close()
    with Running(tmp_path / "store", {"workers": 1}) as running:
        env = {"FHENN_TOKEN": running.token("hospital"), "FHENN_URL": running.url}
        few, many = peak_of(800_000, env), peak_of(2_400_000, env)
        exact, got = MODEL.infer(np.load("many.npy")), np.load("many-out.npy")
    assert np.abs(got - exact).max() <= plan.error
    assert many < few + 25, (few, many)
