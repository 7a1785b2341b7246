"""Encrypted inference on files of many parts: memory, going on after a kill, and what is refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.cli.streams import Results
from fhenn.cli.words import words as spoken
from fhenn.errors import AnswerMismatch, BoundsExceeded, MissingValues, ParameterError, PartRefused, WireFormatError
from fhenn.interop import ImportedModel, Reading
from fhenn.planner import fingerprint_of
from fhenn.session import join, receipt_of, split
from fhenn.session.answer import binding_of
from fhenn.session.receipt import Receipt, UploadHeader, digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.stream import Tally

ROWS = 110
"""Of one ciphertext each; ten of them make a part here, and some 160 otherwise."""
runner = CliRunner()


def run(*line, code=0):
    """Standard output of a command; its typed error is raised."""
    result = runner.invoke(cli, [str(each) for each in line])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def interrupted(*line):
    """What a command says where Ctrl-C ends it."""
    result = runner.invoke(cli, [str(each) for each in line])
    assert result.exit_code == 1
    return result.stderr


@pytest.fixture(scope="module", autouse=True)
def _small_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.session.encryption._PART", 300_000)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory, _small_parts):
    """A folder with a model, a plan, keys and a table that makes several parts."""
    here = tmp_path_factory.mktemp("streams")
    draw = np.random.default_rng(7)
    reading = Reading.classification(["no", "yes"], "sigmoid", ["a", "b"])
    model = ImportedModel([fhenn.Linear([[1.0, -0.5]], [0.125])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1], layout="latency")
    client = fhenn.Client(plan)
    artifacts.write(here / "model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write(here / "plan.fhenn", artifacts.plan_to_bytes(plan, model))
    artifacts.write(here / "secret.fhenn", client.secret_bytes(), private=True)
    client.keep_budget(here / "secret.fhenn.budget")
    artifacts.write(here / "keys.fhenn", client.evaluation_keys())
    x = draw.uniform(-1, 1, (ROWS, 2))
    with (here / "rows.csv").open("w") as file:
        csv.writer(file).writerows([["a", "b"], *x.tolist()])
    np.save(here / "rows.npy", x)
    old = Path.cwd()
    os.chdir(here)
    try:
        run("encrypt", "rows.csv", "--workers", 1)
        run("evaluate", "--workers", 1)
    finally:
        os.chdir(old)
    return here


@pytest.fixture
def folder(whole, tmp_path, monkeypatch):
    """The files of the round, for a test to change."""
    for path in whole.iterdir():
        os.link(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scores_of(path):
    with Path(path).open() as file:
        return np.array([[float(row["score"])] for row in csv.DictReader(file)])


def twin():
    return artifacts.model_from_bytes(artifacts.read("model.fhenn")).scores(np.load("rows.npy"))


def hidden(folder="."):
    return sorted(each.name for each in Path(folder).iterdir() if each.name.startswith("."))


@pytest.mark.thorough
def test_a_round_of_several_parts(folder):
    parts = split(Path("upload.fhenn").read_bytes())
    assert len(parts) > 5
    for ending in ("csv", "npy", "parquet"):
        said = json.loads(run("decrypt", "-o", f"out.{ending}", "--json"))
        assert said == {"predictions": f"out.{ending}", "samples": ROWS}
    assert (
        np.abs(scores_of("out.csv") - twin()).max() <= artifacts.plan_from_bytes(Path("plan.fhenn").read_bytes()).error
    )
    assert np.array_equal(np.load("out.npy"), scores_of("out.csv"))
    printed = json.loads(run("decrypt", "--json"))["predictions"]
    assert [row["score"] for row in printed] == scores_of("out.csv")[:, 0].tolist()
    assert {row["prediction"] for row in printed} == {"no", "yes"}
    assert hidden() == []


@pytest.mark.thorough
def test_what_commands_say_of_streams(folder):
    said = json.loads(run("encrypt", "rows.npy", "--json"))
    parts = split(Path("upload.fhenn").read_bytes())
    assert said == {
        "ciphertexts": "upload.fhenn",
        "receipt": "upload.receipt.fhenn",
        "samples": ROWS,
        "parts": len(parts) - 1,
        "bytes": Path("upload.fhenn").stat().st_size,
        "clipped": 0,
    }
    assert Receipt.from_bytes(Path("upload.receipt.fhenn").read_bytes()).samples == ROWS
    said = json.loads(run("evaluate", "--json"))
    assert (said["samples"], said["refused"], said["bytes"]) == (ROWS, 0, Path("answer.fhenn").stat().st_size)
    for name, kind in (("upload", "an upload of ciphertexts"), ("answer", "an answer")):
        shown = json.loads(run("inspect", f"{name}.fhenn", "--json"))
        assert shown["details"]["parts"] == len(parts) - 1
        assert shown["details"]["samples in all parts"] == ROWS
        assert shown["fault"] is None
        assert kind in run("inspect", f"{name}.fhenn")


@pytest.mark.thorough
@pytest.mark.parametrize("command", ["encrypt", "evaluate", "decrypt"])
def test_processes_and_threads_give_the_same(folder, command, monkeypatch):
    monkeypatch.setattr("fhenn.session.stream.FEW", 1)
    if command != "decrypt":
        run(*{"encrypt": ["encrypt", "rows.csv"], "evaluate": ["evaluate"]}[command], "--workers", 2)
        if command == "encrypt":
            run("evaluate", "--workers", 1)
    run("decrypt", "-o", "out.csv", "--workers", 2 if command == "decrypt" else 1)
    assert np.abs(scores_of("out.csv") - twin()).max() <= 1e-2


# going on


def start(*line):
    return subprocess.Popen([sys.executable, "-m", "fhenn", *line], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_after(process, journal, parts):
    """Kill a command once some parts are done. Returns how many were."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            done = json.loads(Path(journal).read_text())["parts"]
        except (OSError, ValueError):
            done = 0
        if done >= parts:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return json.loads(Path(journal).read_text())["parts"]
        time.sleep(0.002)
    raise AssertionError(process.communicate()[1])


@pytest.mark.thorough
def test_an_upload_goes_on_after_a_kill(folder, monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption._PART", 4 << 20)
    x = np.random.default_rng(8).uniform(-1, 1, (1500, 2))
    Path("rows.npy").unlink()
    np.save("rows.npy", x)
    Path("upload.fhenn").unlink()
    done = kill_after(start("encrypt", "rows.npy", "--workers", "1"), ".upload.fhenn.unfinished.json", 2)
    assert not Path("upload.fhenn").exists()
    with Path(".upload.fhenn.unfinished").open("ab") as file:
        file.write(b"half a part")  # which the kill may leave
    before = Path(".upload.fhenn.unfinished").read_bytes()
    run("encrypt", "rows.npy", "--resume", "--workers", 1)
    assert hidden() == []
    upload = Path("upload.fhenn").read_bytes()
    parts = split(upload)
    assert upload.startswith(join(parts[:done]))
    assert before.startswith(join(parts[:done]))  # they were not made again
    assert [UploadHeader.of(each).part for each in parts[:-1]] == [*range(len(parts) - 1)]
    run("evaluate", "--workers", 1)
    run("decrypt", "-o", "out.csv", "--workers", 1)
    assert np.abs(scores_of("out.csv") - twin()).max() <= 1e-2


def test_an_answer_goes_on_after_a_kill(folder):
    whole = Path("answer.fhenn").read_bytes()
    Path("answer.fhenn").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts.UnfinishedFile, "append", _killed_after(3, artifacts.UnfinishedFile.append))
        assert "goes on with --resume" in interrupted("evaluate", "--workers", 1)
    assert hidden() == [".answer.fhenn.unfinished", ".answer.fhenn.unfinished.json"]
    assert not Path("answer.fhenn").exists()
    run("evaluate", "--resume")
    assert Path("answer.fhenn").read_bytes() == whole  # to the bit
    assert hidden() == []


def test_what_was_only_to_be_named_goes_on(folder):
    """A kill between the last message of a stream and the name of its file."""
    for name, line in (("upload", ("encrypt", "rows.csv")), ("answer", ("evaluate",))):
        whole = Path(f"{name}.fhenn").read_bytes()
        Path(f"{name}.fhenn").unlink()
        with pytest.MonkeyPatch.context() as patch:
            append = _killed_after(len(split(whole)), artifacts.UnfinishedFile.append)
            patch.setattr(artifacts.UnfinishedFile, "append", append)
            assert "goes on with --resume" in interrupted(*line, "--workers", 1)
        left = Path(f".{name}.fhenn.unfinished").read_bytes()
        assert json.loads(run(*line, "--resume", "--json"))["samples"] == ROWS
        assert Path(f"{name}.fhenn").read_bytes() == left
        assert hidden() == []


def test_no_upload_is_without_its_receipt(folder):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "write", interrupt)
        assert "goes on with --resume" in interrupted("encrypt", "rows.csv", "-o", "new.fhenn", "--workers", 1)
    assert not Path("new.fhenn").exists()
    run("encrypt", "rows.csv", "-o", "new.fhenn", "--workers", 1, "--resume")
    sent = Receipt.from_bytes(Path("new.receipt.fhenn").read_bytes())
    assert sent == receipt_of(split(Path("new.fhenn").read_bytes()))


def _killed_after(parts, append):
    """An `append` that is interrupted once some parts are there."""

    def interrupted(self, message):
        append(self, message)
        if self.parts == parts:
            raise KeyboardInterrupt

    return interrupted


@pytest.mark.thorough
@pytest.mark.parametrize("ending", ["csv", "npy"])
def test_a_table_goes_on_after_a_kill(folder, ending):
    run("decrypt", "-o", f"whole.{ending}", "--workers", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.cli.streams.Results.append", _killed_after(3, Results.append))
        assert "goes on with --resume" in interrupted("decrypt", "-o", f"out.{ending}", "--workers", 1)
    assert not Path(f"out.{ending}").exists()
    assert len(hidden()) == 2
    said = json.loads(run("decrypt", "-o", f"out.{ending}", "--workers", 1, "--resume", "--json"))
    assert said["samples"] == ROWS
    assert Path(f"out.{ending}").read_bytes() == Path(f"whole.{ending}").read_bytes()
    assert hidden() == []


def test_parquet_does_not_go_on(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.cli.streams.Results.append", _killed_after(2, Results.append))
        assert "--resume" not in interrupted("decrypt", "-o", "out.parquet", "--workers", 1)
    assert hidden() == []
    run("decrypt", "-o", "out.parquet", "--resume", "--workers", 1)  # from its beginning
    assert hidden() == []


def test_what_changed_meanwhile_does_not_go_on(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts.UnfinishedFile, "append", _killed_after(2, artifacts.UnfinishedFile.append))
        assert "goes on with --resume" in interrupted("encrypt", "rows.csv", "-o", "new.fhenn", "--workers", 1)
    text = Path("rows.csv").read_text()
    Path("rows.csv").unlink()
    Path("rows.csv").write_text(text + "0.5,0.5\n")
    with pytest.raises(ParameterError, match=r"its table differ.*--resume"):
        run("encrypt", "rows.csv", "-o", "new.fhenn", "--resume")
    plan = artifacts.plan_from_bytes(Path("plan.fhenn").read_bytes())
    other = ImportedModel([fhenn.Linear([[1.0, -0.5]], [0.125])], Reading.classification([1, 2], "sigmoid", ["b", "a"]))
    Path("other.fhenn").write_bytes(artifacts.plan_to_bytes(plan, other))  # of the same fingerprint
    with pytest.raises(ParameterError, match="its options, plan"):
        run("encrypt", "rows.npy", "-o", "new.fhenn", "--resume", "--clip", "--plan", "other.fhenn")
    with pytest.raises(ParameterError, match="its options"):
        run("encrypt", "rows.npy", "-o", "new.fhenn", "--resume", "--clip")
    run("encrypt", "rows.csv", "-o", "new.fhenn", "--workers", 1)
    assert Receipt.from_bytes(Path("new.receipt.fhenn").read_bytes()).samples == ROWS + 1


def test_another_upload_does_not_go_on_and_takes_nothing(folder):
    run("encrypt", "rows.npy", "-o", "other.fhenn", "--workers", 1)
    Path("answer.fhenn").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts.UnfinishedFile, "append", _killed_after(2, artifacts.UnfinishedFile.append))
        assert "goes on with --resume" in interrupted("evaluate", "--workers", 1)
    with pytest.raises(ParameterError, match=r"its upload differ"):
        run("evaluate", "other.fhenn", "--workers", 1, "--resume")
    assert len(hidden()) == 2
    run("evaluate", "--workers", 1, "--resume")
    run("decrypt", "-o", "out.csv", "--workers", 1)


def test_parts_that_were_refused(folder):
    """An answer in which the second part is refused goes on, and is decrypted without that part."""
    answers = split(Path("answer.fhenn").read_bytes())
    parts = Receipt.from_bytes(Path("upload.receipt.fhenn").read_bytes()).parts
    answers[1] = Refusal(binding_of(answers[1]), parts[1].samples, "three workers died of it").to_bytes()
    tally = Tally("answer")
    for place, part in enumerate(parts):
        tally.add(place, part.samples, digest_of(answers[place]))
    Path("answer.fhenn").unlink()
    job = {
        "model": fingerprint_of(artifacts.model_from_bytes(Path("model.fhenn").read_bytes())),
        "plan": artifacts.plan_from_bytes(Path("plan.fhenn").read_bytes()).fingerprint,
        "keys": sha256(Path("keys.fhenn").read_bytes()).hexdigest(),
        "upload": artifacts.file_state(Path("upload.fhenn")),
    }
    file = artifacts.UnfinishedFile(Path("answer.fhenn"), "answer", job, False)
    with pytest.raises(KeyboardInterrupt), file:
        for answer in answers[:3]:
            file.append(answer)
        raise KeyboardInterrupt
    said = json.loads(run("evaluate", "--resume", "--workers", 1, "--json"))
    assert (said["refused"], said["samples"]) == (1, ROWS)
    assert Path("answer.fhenn").read_bytes() == join([*answers[:-1], tally.end.to_bytes()])
    with pytest.raises(PartRefused) as caught:
        run("decrypt", "-o", "out.csv", "--workers", 1)
    assert "--on-violation mask" in spoken(caught.value)
    assert hidden() == []  # the same command cannot go on
    run("decrypt", "-o", "out.csv", "--workers", 1, "--on-violation", "mask")
    with Path("out.csv").open() as file:
        empty = [place for place, row in enumerate(csv.DictReader(file)) if row["score"] == ""]
    assert empty == [*range(parts[0].samples, parts[0].samples + parts[1].samples)]


# bad input


@pytest.mark.thorough
def test_streams_that_are_damaged(folder):
    parts, answers = split(Path("upload.fhenn").read_bytes()), split(Path("answer.fhenn").read_bytes())
    for name, line, whole in (("upload", ("evaluate", "--workers", 2), parts), ("answer", ("decrypt",), answers)):
        for broken, words in (
            (join(whole)[:-5], "cut off"),
            (join(whole[:-1]), "before its end"),
            (join([*whole[:2], *whole[3:]]), "is due"),
            (join([*whole[:2], *whole[1:]]), "is due"),
            (join([*whole, whole[0]]), "after its end"),
            (join(whole[:1]), "before its end"),
        ):
            Path(f"{name}.fhenn").unlink()
            Path(f"{name}.fhenn").write_bytes(broken)
            with pytest.raises(WireFormatError, match=words):
                run(*line, "-o", "out.fhenn" if name == "upload" else "out.csv")
            assert not Path("out.fhenn").exists()
            assert not Path("out.csv").exists()
            assert hidden() == []
            seen = name == "upload" or broken != join(whole[:1])  # an answer does not say that it is of several parts
            shown = json.loads(run("inspect", f"{name}.fhenn", "--json", code=int(seen)))
            assert (shown["fault"] is not None) is seen


@pytest.mark.thorough
def test_parts_of_two_uploads(folder):
    run("encrypt", "rows.csv", "-o", "other.fhenn", "--workers", 1)
    first, second = (split(Path(f"{name}.fhenn").read_bytes()) for name in ("upload", "other"))
    Path("mixed.fhenn").write_bytes(join([first[0], second[1], *first[2:]]))
    with pytest.raises(WireFormatError, match="another stream"):
        run("evaluate", "mixed.fhenn", "-o", "out.fhenn")
    assert "another stream" in json.loads(run("inspect", "mixed.fhenn", "--json", code=1))["fault"]
    run("evaluate", "other.fhenn", "-o", "other-answer.fhenn")
    with pytest.raises(AnswerMismatch):
        run("decrypt", "other-answer.fhenn", "-o", "out.csv")
    run("decrypt", "other-answer.fhenn", "--receipt", "other.receipt.fhenn", "-o", "out.csv")
    run("decrypt", "other-answer.fhenn", "--receipt", "other.fhenn", "-o", "again.csv")
    assert Path("out.csv").read_bytes() == Path("again.csv").read_bytes()


@pytest.mark.thorough
def test_wrong_cells_late_in_a_table(folder):
    text = Path("rows.csv").read_text()
    for line, error, words in (
        ("0.5,", MissingValues, f"line {ROWS + 2}"),
        ("0.5,2.0", BoundsExceeded, f"sample {ROWS}"),
        ("0.5,x", ParameterError, f"line {ROWS + 2}"),
    ):
        Path("late.csv").write_text(text + line + "\n")
        with pytest.raises(error, match=words):
            run("encrypt", "late.csv", "-o", "late.fhenn", "--workers", 1)
        assert hidden() == []
        assert not Path("late.fhenn").exists()
    Path("late.csv").write_text(text + "0.5,2.0\n-3,0\n")
    assert json.loads(run("encrypt", "late.csv", "-o", "late.fhenn", "--clip", "--json"))["clipped"] == 2


def test_printed_results_do_not_go_on(folder):
    with pytest.raises(ParameterError, match="--output"):
        run("decrypt", "--resume")


def test_a_number_of_workers_that_there_cannot_be(folder):
    for workers in ("0", "-1", "x", "1.5"):
        assert "workers" in runner.invoke(cli, ["evaluate", "--workers", workers]).output
