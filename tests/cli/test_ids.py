"""`--id`: a column that goes around the encryption and stands beside the results."""

import csv
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support import mostly_thorough

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.cli.streams import Results
from fhenn.errors import FileMissing, IdsMismatch, ParameterError, WireFormatError, WrongKind
from fhenn.interop import ImportedModel, Reading
from fhenn.session import Receipt, join, split
from fhenn.session.answer import binding_of
from fhenn.session.ids import PartIds
from fhenn.session.receipt import digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.stream import Tally
from fhenn.wire import frame

ROWS = 40
IDS = ["007", "", "7", "patient-äß", "=1+1", "NA", "1.50", "007", 'it\'s, "so"', "x" * 300]
"""And ones that tell where each is."""
ALL = [*IDS, *(f"clinic-{place:04d}" for place in range(ROWS - len(IDS)))]
runner = CliRunner()


def run(*line, code=0):
    """Standard output of a command, its standard error where it ends with another code; its typed error is raised."""
    alone = ["--workers", "1"] if line[0] in ("encrypt", "evaluate", "decrypt") else []
    result = runner.invoke(cli, [*map(str, line), *alone])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.fixture(scope="module", autouse=True)
def _small_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.session.encryption._PART", 300_000)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a model, a plan, keys, and a table with ids in the middle that makes several parts."""
    here = tmp_path_factory.mktemp("ids")
    reading = Reading.classification(["no", "yes"], "sigmoid", ["a", "b"])
    model = ImportedModel([fhenn.Linear([[1.0, -0.5]], [0.125])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1], layout="latency")
    client = fhenn.Client(plan)
    artifacts.write(here / "model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write(here / "plan.fhenn", artifacts.plan_to_bytes(plan, model))
    artifacts.write(here / "secret.fhenn", client.secret_bytes(), private=True)
    client.keep_budget(here / "secret.fhenn.budget")
    artifacts.write(here / "keys.fhenn", client.evaluation_keys())
    x = np.random.default_rng(7).uniform(-1, 1, (ROWS, 2))
    np.save(here / "rows.npy", x)
    with (here / "rows.csv").open("w") as file:
        csv.writer(file).writerows(
            [["a", "patient", "b"], *([a, each, b] for each, (a, b) in zip(ALL, x.tolist(), strict=True))]
        )
    old = Path.cwd()
    os.chdir(here)
    try:
        run("encrypt", "rows.csv", "--id", "patient")
        run("evaluate")
    finally:
        os.chdir(old)
    return here


@pytest.fixture
def folder(whole, tmp_path, monkeypatch):
    """The files of the round, for a test to change."""
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Path(tmp_path / "secret.fhenn").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_in(path):
    with Path(path).open(newline="") as file:
        return [*csv.DictReader(file)]


def hidden():
    return sorted(each.name for each in Path().iterdir() if each.name.startswith("."))


def twin():
    return artifacts.model_from_bytes(artifacts.read("model.fhenn")).scores(np.load("rows.npy"))[:, 0]


def written(each):
    return f"'{each}" if each == "=1+1" else each  # which a spreadsheet would run


def test_ids_stand_beside_the_results(folder):
    assert len(split(Path("upload.fhenn").read_bytes())) > 3
    run("decrypt", "-o", "out.csv")
    rows = rows_in("out.csv")
    assert [*rows[0]] == ["patient", "prediction", "p(no)", "p(yes)", "score"]
    assert [row["patient"] for row in rows] == [*map(written, ALL)]
    assert np.abs(np.array([float(row["score"]) for row in rows]) - twin()).max() < 1e-3
    printed = json.loads(run("decrypt", "--json"))["predictions"]
    assert [row["patient"] for row in printed] == ALL
    assert [row["score"] for row in printed] == [float(row["score"]) for row in rows]
    assert run("decrypt").splitlines()[1].startswith("007,")
    run("decrypt", "-o", "out.parquet")
    pyarrow = pytest.importorskip("pyarrow.parquet")
    assert pyarrow.read_table("out.parquet")["patient"].to_pylist() == ALL


def test_numbers_alone_have_no_ids(folder):
    result = runner.invoke(cli, ["decrypt", "-o", "out.npy", "--workers", "1"])
    assert "out.npy holds numbers alone: the ids of samples are left out" in result.stderr
    assert np.load("out.npy").shape == (ROWS, 1)


def test_ids_can_be_left_out(folder):
    run("decrypt", "--no-ids", "-o", "out.csv")
    assert "patient" not in rows_in("out.csv")[0]


def test_ids_are_nowhere_in_the_upload(folder):
    upload = Path("upload.fhenn").read_bytes()
    parts = b"".join(split(upload))
    assert parts == upload
    for name in ("upload.fhenn", "answer.fhenn", "upload.receipt.fhenn", "keys.fhenn", "plan.fhenn"):
        data = Path(name).read_bytes()
        for each in ("patient", *(each for each in ALL if len(each) > 4)):
            assert each.encode() not in data
            assert json.dumps(each)[1:-1].encode() not in data
    kept = Path("upload.ids.fhenn").read_bytes()  # where the search finds them
    assert all(json.dumps(each).encode() in kept for each in ALL)


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_only_the_owner_reads_ids(folder):
    run("encrypt", "rows.csv", "--id", "patient", "-o", "new.fhenn")
    assert stat.S_IMODE(Path("new.ids.fhenn").stat().st_mode) == 0o600
    assert hidden() == []


@pytest.mark.thorough
def test_what_is_said(folder):
    said = json.loads(run("encrypt", "rows.csv", "--id", "patient", "--json"))
    assert said["ids"] == "upload.ids.fhenn"
    assert "wrote upload.ids.fhenn: its ids" in run("encrypt", "rows.csv", "--id", "patient")
    shown = json.loads(run("inspect", "upload.ids.fhenn", "--json"))
    assert (shown["kind"], shown["fault"], shown["details"]["column"]) == ("ids", None, "patient")
    assert shown["details"]["samples in all parts"] == ROWS
    text = run("inspect", "upload.ids.fhenn")
    assert "a file of ids" in text
    assert not any(each in text for each in ALL if len(each) > 4)
    Path("cut.fhenn").write_bytes(Path("upload.ids.fhenn").read_bytes()[:-3])
    assert json.loads(run("inspect", "cut.fhenn", "--json", code=1) or "{}") is not None


@pytest.mark.thorough
def test_an_upload_without_ids_has_none_of_those_before(folder):
    run("encrypt", "rows.npy")
    assert not Path("upload.ids.fhenn").exists()
    run("evaluate")
    run("decrypt", "-o", "out.csv")
    assert "patient" not in rows_in("out.csv")[0]
    Path("other.ids.fhenn").write_text("mine")
    run("encrypt", "rows.npy", "-o", "other.fhenn")
    assert Path("other.ids.fhenn").read_text() == "mine"
    with pytest.raises(ParameterError, match="which would be lost"):
        run("encrypt", "rows.csv", "--id", "patient", "-o", "other.fhenn")


def test_ids_of_another_upload_are_refused_before_anything_is_written(folder):
    run("encrypt", "rows.csv", "--id", "patient", "-o", "other.fhenn")
    with pytest.raises(IdsMismatch, match="of another upload"):
        run("decrypt", "--ids", "other.ids.fhenn", "-o", "out.csv")
    Path("upload.ids.fhenn").write_bytes(Path("other.ids.fhenn").read_bytes())
    with pytest.raises(IdsMismatch):
        run("decrypt", "-o", "out.csv")
    assert not Path("out.csv").exists()
    run("decrypt", "--no-ids", "-o", "out.csv")


def test_ids_that_are_damaged_or_none(folder):
    messages = split(Path("upload.ids.fhenn").read_bytes())
    for broken in (join(messages[:-1]), join(messages)[:-5], join([*messages, messages[-1]])):
        Path("broken.fhenn").write_bytes(broken)
        with pytest.raises(WireFormatError):
            run("decrypt", "--ids", "broken.fhenn", "-o", "out.csv")
    with pytest.raises(WrongKind, match="a file of ids is needed"):
        run("decrypt", "--ids", "upload.fhenn")
    with pytest.raises(FileMissing):
        run("decrypt", "--ids", "nowhere.fhenn")
    with pytest.raises(WrongKind, match="is a file of ids"):
        run("evaluate", "upload.ids.fhenn")
    Path("upload.receipt.fhenn").unlink()
    with pytest.raises(ParameterError, match="--receipt"):
        run("decrypt", "--unbound", "--ids", "upload.ids.fhenn")


@pytest.mark.thorough
def test_a_receipt_elsewhere_has_its_ids_beside_it(folder):
    run("encrypt", "rows.csv", "--id", "patient", "-o", "up")  # without an ending
    run("evaluate", "up", "-o", "down")
    for receipt in ("up.receipt", "up"):
        run("decrypt", "down", "--receipt", receipt, "-o", "out.csv")
        assert [row["patient"] for row in rows_in("out.csv")] == [*map(written, ALL)]


def test_masked_rows_keep_their_ids(folder):

    answers, parts = (
        split(Path("answer.fhenn").read_bytes()),
        Receipt.from_bytes(Path("upload.receipt.fhenn").read_bytes()).parts,
    )
    answers[1] = Refusal(binding_of(answers[1]), parts[1].samples, "it died").to_bytes()
    tally = Tally("answer")
    for place, part in enumerate(parts):
        tally.add(place, part.samples, digest_of(answers[place]))
    Path("answer.fhenn").write_bytes(join([*answers[:-1], tally.end.to_bytes()]))
    run("decrypt", "-o", "out.csv", "--on-violation", "mask")
    rows = rows_in("out.csv")
    assert [row["patient"] for row in rows] == [*map(written, ALL)]
    assert sum(row["score"] == "" for row in rows) == parts[1].samples


# going on


def _killed_after(parts, append):
    """An `append` that is interrupted once some parts are there."""

    def interrupted(self, message):
        append(self, message)
        if self.parts == parts:
            raise KeyboardInterrupt

    return interrupted


@pytest.mark.parametrize("done", mostly_thorough((2, 4), (0,)))
def test_an_upload_with_ids_goes_on(folder, done):
    for name in ("upload", "upload.ids"):
        Path(f"{name}.fhenn").unlink()
    line = ("encrypt", "rows.csv", "--id", "patient")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts.UnfinishedFile, "append", _killed_after(done, artifacts.UnfinishedFile.append))
        assert "goes on with --resume" in run(*line, code=1)
    assert hidden() == [".upload.fhenn.unfinished", ".upload.fhenn.unfinished.json"]  # of ids nothing is left
    begun = Path(".upload.fhenn.unfinished").read_bytes()
    with pytest.raises(ParameterError, match="its options differ"):
        run("encrypt", "rows.csv", "--resume")
    run(*line, "--resume")
    assert Path("upload.fhenn").read_bytes().startswith(begun)
    assert hidden() == []
    run("evaluate")
    run("decrypt", "-o", "out.csv")
    assert [row["patient"] for row in rows_in("out.csv")] == [*map(written, ALL)]


def test_a_table_with_ids_goes_on(folder):
    run("decrypt", "-o", "whole.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhenn.cli.streams.Results.append", _killed_after(3, Results.append))
        assert "goes on with --resume" in run("decrypt", "-o", "out.csv", code=1)
    with pytest.raises(ParameterError, match="its ids differ"):
        run("decrypt", "-o", "out.csv", "--no-ids", "--resume")
    run("decrypt", "-o", "out.csv", "--resume")
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()


# what no ids can be


def test_columns_that_no_ids_can_be(folder):
    for line, words in (
        (("rows.csv", "--id", "a"), "'a' is a feature of the model"),
        (("rows.csv", "--id", "nobody"), "there is no column 'nobody' in rows.csv"),
        (("rows.npy", "--id", "patient"), "the columns of rows.npy have no names"),
        (
            ("rows.csv", "--id", "patient", "--ray", "10.0.0.1", "--public-key", "keys.fhenn"),
            "--resume or --id",
        ),
    ):
        with pytest.raises(ParameterError, match=words):
            run("encrypt", *line, "-o", "new.fhenn")
        assert not Path("new.fhenn").exists()
        assert hidden() == []
    text = Path("rows.csv").read_text()
    for name in ("score", "prediction", "p(yes)"):
        Path("named.csv").write_text(text.replace("patient", name, 1))
        with pytest.raises(ParameterError, match=r"the results have a column .* Rename"):
            run("encrypt", "named.csv", "--id", name, "-o", "new.fhenn")
    ids = [PartIds.from_bytes(each) for each in split(Path("upload.ids.fhenn").read_bytes())[:-1]]
    Path("named.fhenn").write_bytes(_renamed(ids, "score"))
    with pytest.raises(ParameterError, match="the results have a column 'score'"):
        run("decrypt", "--ids", "named.fhenn")


def _renamed(ids, column):

    tally, messages = Tally("ids"), []
    for each in ids:
        messages.append(PartIds(each.part, each.upload, column, each.ids).to_bytes())
        tally.add(each.part, len(each.ids), digest_of(messages[-1]))
    return join([*messages, tally.end.to_bytes()])


@pytest.mark.thorough
def test_a_model_without_names_takes_the_other_columns(folder):
    reading = Reading.classification(["no", "yes"], "sigmoid")
    model = ImportedModel([fhenn.Linear([[1.0, -0.5]], [0.125])], reading)
    plan = fhenn.plan(model, bounds=[-1, 1], layout="latency")
    artifacts.write("model.fhenn", artifacts.model_to_bytes(model))
    artifacts.write("plan.fhenn", artifacts.plan_to_bytes(plan, model))
    run("keygen", "--overwrite")
    run("encrypt", "rows.csv", "--id", "patient")
    run("evaluate")
    run("decrypt", "-o", "out.csv")
    assert [row["patient"] for row in rows_in("out.csv")] == [*map(written, ALL)]
    assert np.abs(np.array([float(row["score"]) for row in rows_in("out.csv")]) - twin()).max() < 1e-3


@pytest.mark.thorough
@pytest.mark.parametrize("nothing", [False, True], ids=["full", "with-blanks"])
def test_ids_of_parquet_keep_their_type(folder, nothing):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    x = np.load("rows.npy")
    ids = [None if nothing and place % 3 == 0 else place + 7 for place in range(ROWS)]
    table = pyarrow.table({"a": x[:, 0], "b": x[:, 1], "number": ids, "list": [[1]] * ROWS})
    parquet.write_table(table, "rows.parquet")
    run("encrypt", "rows.parquet", "--id", "number")
    run("evaluate")
    run("decrypt", "-o", "out.parquet")
    found = parquet.read_table("out.parquet")["number"]
    assert str(found.type) == "int64"
    assert found.to_pylist() == ids
    run("decrypt", "-o", "out.csv")
    assert [row["number"] for row in rows_in("out.csv")] == ["" if each is None else str(each) for each in ids]
    with pytest.raises(ParameterError, match="text or numbers"):
        run("encrypt", "rows.parquet", "--id", "list", "-o", "new.fhenn")


@pytest.mark.thorough
def test_an_index_of_pandas_can_be_ids(folder):
    pandas = pytest.importorskip("pandas")
    x = np.load("rows.npy")
    frame = pandas.DataFrame({"a": x[:, 0], "b": x[:, 1]}, index=pandas.Index(ALL, name="patient"))
    frame.to_parquet("rows.parquet")
    run("encrypt", "rows.parquet", "--id", "patient")
    run("evaluate")
    assert [row["patient"] for row in json.loads(run("decrypt", "--json"))["predictions"]] == ALL


def test_strangers_ids_do_nothing_to_a_terminal(folder):
    ids = [PartIds.from_bytes(each) for each in split(Path("upload.ids.fhenn").read_bytes())[:-1]]
    evil = [PartIds(each.part, each.upload, "a\x1b[2J", ("\x1b]0;x\x07",) * len(each.ids)) for each in ids]
    Path("evil.fhenn").write_bytes(_renamed(evil, "a\x1b[2J"))
    assert "\x1b" not in run("decrypt", "--ids", "evil.fhenn")
    assert "\x1b" not in run("inspect", "evil.fhenn")
    Path("lies.fhenn").write_bytes(frame("ids", {"part": 0, "of": "a" * 64}, b'{"column": "x", "ids": [[]]}'))
    with pytest.raises(WireFormatError):
        run("decrypt", "--ids", "lies.fhenn")
