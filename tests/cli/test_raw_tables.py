"""Models with a preparation, from the command line: raw tables in, prepared in chunks where they are."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from service_harness import Running

import fhenn
from fhenn import artifacts
from fhenn.cli import cli
from fhenn.cli.tables import CsvFormat, read_table
from fhenn.cli.words import words
from fhenn.errors import (
    BoundsExceeded,
    CellRefused,
    FeatureMismatch,
    MissingValues,
    ParameterError,
    PreparationMismatch,
    ShapeMismatch,
    UnknownCategory,
    WireFormatError,
)
from fhenn.interop import ImportedModel, Preparation, Reading
from fhenn.interop.preparation import Column, CountWords, Impute, IsMissing, OneHot, Scale, Select, Union
from fhenn.service.store import Store
from fhenn.wire import frame, unframe

runner = CliRunner()
ROWS = 60

PREPARATION = Preparation(
    (
        Column("age"),
        Column("country", "text"),
        Column("mark", "either"),
        Column("notes", "text"),
        Column("unused", "text", False),
    ),
    (
        Union(
            (
                (Select((0,)), Impute((40.0,)), Scale((40.0,), (20.0,))),
                (Select((0,)), IsMissing((0,))),
                (Select((1,)), OneHot((("FR", "NA", " DE", None),), ((0, 1, 2, -1),), (3,), (None,))),
                (Select((2,)), OneHot((("x", 1.0, 2.5),), ((0, 1, 2),), (3,), (-1,))),
                (Select((3,)), CountWords(("cough", "fever"))),
            )
        ),
    ),
    ("age", "age is missing", "FR", "NA", "DE", "x", "1", "2.5", "cough", "fever"),
    extra=True,
)  # fmt: skip
MODEL = ImportedModel(
    [fhenn.Linear([[1.0, 0.25, -0.5, 0.5, 1.0, -1.0, 0.125, 0.5, 0.25, -0.75]], [0.1375])],
    Reading.classification(["no", "yes"], "sigmoid"),
    preparation=PREPARATION,
)


def raw(rows=ROWS):
    rng = np.random.default_rng(3)
    return [
        {
            "patient": f"p{place:03d}",
            "age": rng.choice(["", "NA", "41.5", " 63 ", "18", "5e1"]),
            "country": rng.choice(["FR", "NA", "DE", ""]),
            "mark": rng.choice(["x", "1", "2.50", "", "other"]),
            "notes": rng.choice(["cough, fever", "Fever! Fever!", "none"]),
        }
        for place in range(rows)
    ]


def cells(row):
    """A row as Python has it: what the file says in words of its own is no text."""
    number = row["mark"].replace(".", "").isdigit()
    return {
        "age": None if row["age"].strip() in ("", "NA") else float(row["age"]),
        "country": {"": None, "DE": " DE"}.get(row["country"], row["country"]),
        "mark": float(row["mark"]) if number else row["mark"] or None,
        "notes": row["notes"],
    }


def write(path, rows, **options):
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]], **options)
        writer.writeheader()
        writer.writerows(rows)


def run(*line, code=0):
    """Standard output of a command, its standard error where it ends with another code; its typed error is raised."""
    alone = ["--workers", "1"] if line[0] in ("encrypt", "evaluate", "decrypt", "predict") else []
    result = runner.invoke(cli, [*map(str, line), *alone])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with the model, a raw table, and what commands make of them."""
    here, old = tmp_path_factory.mktemp("raw"), Path.cwd()
    artifacts.write(here / "model.fhenn", artifacts.model_to_bytes(MODEL))
    write(here / "raw.csv", raw())
    os.chdir(here)
    try:
        run("plan", "model.fhenn", "--bounds-from", "raw.csv", "--layout", "latency")
        run("keygen")
    finally:
        os.chdir(old)
    return here


@pytest.fixture
def folder(whole, tmp_path, monkeypatch):
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "secret.fhenn").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wanted():
    return MODEL.scores([cells(row) for row in raw()])[:, 0]


def decrypted(path="out.csv"):
    with Path(path).open(newline="") as file:
        return [*csv.DictReader(file)]


def test_files_hold_the_preparation(folder):
    message = artifacts.read("plan.fhenn")
    plan = artifacts.plan_from_bytes(message)
    assert artifacts.preparation_from_bytes(message) == PREPARATION
    assert artifacts.reading_from_bytes(message) == MODEL.reading
    assert plan.preparation == PREPARATION.fingerprint
    assert artifacts.header_of(message).meta["preparation"] == PREPARATION.fingerprint
    again = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
    assert again.preparation == PREPARATION
    assert again.reading == MODEL.reading
    # a plan without one has a message as it had before there were any
    plain = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    assert json.loads(unframe("plan", artifacts.plan_to_bytes(plain))[1]).keys() == {"plan", "reading"}
    assert artifacts.preparation_from_bytes(artifacts.plan_to_bytes(plain)) is None


def test_from_a_raw_table_to_results_with_ids(folder, monkeypatch):
    monkeypatch.setattr("fhenn.session.encryption._PART", 300_000)
    before = run("encrypt", "raw.csv", "--id", "patient")
    assert "60 samples" in before
    run("evaluate")
    run("decrypt", "-o", "out.csv")
    rows = decrypted()
    assert [row["patient"] for row in rows] == [row["patient"] for row in raw()]
    assert np.allclose([float(row["score"]) for row in rows], wanted(), atol=2e-3)
    assert [row["prediction"] for row in rows] == MODEL.predict([cells(row) for row in raw()]).tolist()


def test_encrypt_tells_of_blank_cells_and_unknown_categories(folder, monkeypatch):
    rows = [cells(row) for row in raw()]
    blank = sum(1 for row in rows if row["age"] is None or row["age"] != row["age"])
    lines = Path("raw.csv").read_text().splitlines()
    place = lines[0].split(",").index("mark")
    for at, mark in ((1, "q"), (2, "r"), (3, "q")):
        parts = next(csv.reader([lines[at]]))
        parts[place] = mark
        lines[at] = ",".join(f'"{part}"' if "," in part else part for part in parts)
    Path("strange.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("fhenn.cli.tables.delimited._MOST_CELLS", 35)
    monkeypatch.setattr("fhenn.cli.tables.files._CHUNK", 200)
    told = runner.invoke(cli, ["encrypt", "strange.csv"]).stderr
    marked = next(line for line in told.splitlines() if "'mark'" in line)
    written = [row["mark"] for row in csv.DictReader(Path("strange.csv").read_text().splitlines())]
    strange = sum(1 for mark in written if mark in {"q", "r", "other"})
    assert f"{strange} cells of categories that the model does not know, such as 'q', 'r', 'other'" in marked
    assert blank
    assert any(f"'age': {blank} blank cell" in line for line in told.splitlines()), told
    assert "blank" not in runner.invoke(cli, ["encrypt", "strange.csv", "-o", "again.fhenn", "--json"]).stderr


def test_unknown_categories_are_told_what_they_may_be_and_refused_where_that_is_asked(tmp_path, monkeypatch):
    preparation = Preparation(
        (Column("sex", "text"), Column("age")),
        (Union(((Select((0,)), OneHot((("female", "male"),), ((0, 1),), (2,), (-1,))), (Select((1,)),))),),
        ("female", "male", "age"),
    )
    model = ImportedModel(
        [fhenn.Linear([[1.0, 0.5, 0.25]])], Reading.regression(preparation.features), preparation=preparation
    )
    monkeypatch.chdir(tmp_path)
    artifacts.write("model.fhenn", artifacts.model_to_bytes(model))
    write("known.csv", [{"sex": "male", "age": 2}, {"sex": "female", "age": 1}, {"sex": "", "age": 1}])
    write("table.csv", [{"sex": "mal", "age": 1}, {"sex": "", "age": 2}, {"sex": "x", "age": 2}])
    run("plan", "--bounds-from", "known.csv", "--layout", "latency")
    run("keygen")
    told = runner.invoke(cli, ["encrypt", "table.csv", "--workers", "1"]).stderr
    assert "2 cells of categories that the model does not know, such as 'mal' (perhaps 'male'), 'x': it goes on" in told
    assert "--strict" in told
    Path("upload.fhenn").unlink()
    with pytest.raises(UnknownCategory, match=r"'mal' in lines 2, 4: .* Did you mean 'male'\? Write it so"):
        run("encrypt", "table.csv", "--strict")
    assert not Path("upload.fhenn").exists()
    write("blank.csv", [{"sex": "male", "age": 1}, {"sex": "", "age": 2}])
    run("encrypt", "blank.csv", "--strict")  # a blank cell is of no unknown category
    with pytest.raises(UnknownCategory, match="Did you mean 'male'"):
        preparation.prepare({"sex": ["mal"], "age": [1.0]}, strict=True)


@pytest.mark.thorough
def test_raw_tables_are_prepared_in_chunks(folder, monkeypatch):
    monkeypatch.setattr("fhenn.cli.tables.delimited._MOST_CELLS", 35)
    monkeypatch.setattr("fhenn.cli.tables.delimited._START", 200)
    monkeypatch.setattr("fhenn.cli.tables.files._CHUNK", 200)
    seen = []
    prepare = Preparation.prepare
    monkeypatch.setattr(
        Preparation, "prepare", lambda self, table, **more: seen.append(1) or prepare(self, table, **more)
    )
    run("encrypt", "raw.csv")
    assert len(seen) > 5
    run("evaluate")
    run("decrypt", "-o", "out.csv")
    assert np.allclose([float(row["score"]) for row in decrypted()], wanted(), atol=2e-3)


@pytest.mark.thorough
def test_parquet_holds_raw_tables_too(folder):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [cells(row) for row in raw()]
    columns = {name: [row[name] for row in rows] for name in ("age", "country", "notes")}
    marks = pyarrow.array([None if isinstance(row["mark"], float) else row["mark"] for row in rows], pyarrow.string())
    parquet.write_table(pyarrow.table({**columns, "mark": marks}), "raw.parquet")
    run("encrypt", "raw.parquet")
    run("evaluate")
    run("decrypt", "-o", "out.csv")
    text = [row | {"mark": None if isinstance(row["mark"], float) else row["mark"]} for row in rows]
    assert np.allclose([float(row["score"]) for row in decrypted()], MODEL.scores(text)[:, 0], atol=2e-3)


@pytest.mark.thorough
def test_who_looks_at_a_model_gives_raw_tables(folder):
    found = json.loads(run("certify", "model.fhenn", "--bounds-from", "raw.csv", "--json"))
    assert len(found["low"]) == 10
    features = MODEL.samples([cells(row) for row in raw()])
    assert np.allclose(found["low"], features.min(axis=0))
    plan = artifacts.plan_from_bytes(artifacts.read("plan.fhenn"))
    assert np.allclose(plan.low, features.min(axis=0) - 0.5 * np.ptp(features, axis=0))
    Path("bounds.json").write_text(json.dumps({name: [-3, 3] for name in PREPARATION.features}))
    run("plan", "model.fhenn", "--bounds", "bounds.json", "-o", "other.fhenn")
    assert artifacts.plan_from_bytes(artifacts.read("other.fhenn")).low == (-3.0,) * 10
    for name in ("model.fhenn", "plan.fhenn"):
        shown = " ".join(run("inspect", name).split())  # lines are as wide as the terminal
        assert PREPARATION.fingerprint[:12] in shown
        assert "country (text)" in shown
        assert "unused (not used)" in shown
        facts = json.loads(run("inspect", name, "--json"))["details"]
        assert "notes: a vocabulary of 2 terms, 'cough', 'fever'" in facts["what clients see of the training data"]
        assert facts["preparation"] == PREPARATION.fingerprint


def changed(place, **cells):
    rows = raw()
    rows[place] |= cells
    write("bad.csv", rows)


@pytest.mark.parametrize(
    ("cells", "error", "says"),
    [
        ({"age": "old"}, CellRefused, r"bad\.csv: column 'age' holds 'old' in line 9: it is no number"),
        ({"age": "<5"}, CellRefused, r"holds '<5' in line 9"),
        ({"age": "2024-02-29"}, CellRefused, r"line 9: it is a date.*number of days"),
        ({"age": "inf"}, CellRefused, r"line 9: it is infinite"),
        ({"age": "4,5"}, CellRefused, r"line 9: decimal points and decimal commas are mixed"),
        ({"country": "IT"}, UnknownCategory, r"column 'country' holds 'IT' in line 9.*Known are 'FR', 'NA', ' DE'"),
        ({"country": "fr"}, UnknownCategory, r"Write it as 'FR', to the letter"),
        ({"notes": ""}, MissingValues, r"bad\.csv: values are missing or infinite in column 'notes' \(1: line 9\)"),
        (
            {"age": "1e9"},
            BoundsExceeded,
            r"feature age leaves.*in the raw table, column 'age' may be from",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_errors_name_column_cell_and_line(folder, cells, error, says):
    changed(7, **cells)
    with pytest.raises(error, match=f"(?s){says}"):
        run("encrypt", "bad.csv")
    assert not Path("upload.fhenn").exists()


@pytest.mark.thorough
def test_other_tables_are_refused(folder):
    rows = [{name: cell for name, cell in row.items() if name != "age"} for row in raw()]
    write("bad.csv", rows)
    with pytest.raises(FeatureMismatch, match=r"columns are not those.*missing: age") as caught:
        run("encrypt", "bad.csv")
    assert "fhenn inspect" in words(caught.value)
    write("bad.csv", [{name.replace("age", "Age "): cell for name, cell in row.items()} for row in raw()])
    with pytest.raises(FeatureMismatch, match="Did you mean 'age' where the table has 'Age"):
        run("encrypt", "bad.csv")
    write("bad.csv", [row | {"age": ""} for row in raw()])
    run("encrypt", "bad.csv")  # all blank, and filled
    write("bad.csv", [row | {"country": ""} for row in raw()])
    run("encrypt", "bad.csv")
    with pytest.raises(ParameterError, match="is a feature of the model"):
        run("encrypt", "raw.csv", "--id", "age")
    np.save("rows.npy", np.zeros((3, 4)))
    with pytest.raises(ShapeMismatch, match=r"\(samples, 5\)"):
        run("encrypt", "rows.npy")


@pytest.mark.thorough
def test_decimal_commas(folder):
    rows = [row | {"age": row["age"].replace(".", ",")} for row in raw()]
    write("comma.csv", rows, delimiter=";")
    with pytest.raises(CellRefused, match="it has a decimal comma") as caught:
        run("encrypt", "comma.csv", "--delimiter", ";")
    assert "Give --decimal ," in words(caught.value)
    run("encrypt", "comma.csv", "--delimiter", ";", "--decimal", ",")
    changed(7, age="41.5")
    write("mixed.csv", [row | {"age": "41,5" if place else "41.5"} for place, row in enumerate(raw())], delimiter=";")
    with pytest.raises(CellRefused, match=r"line 2: decimal points and decimal commas are mixed.*decimal comma\."):
        run("encrypt", "mixed.csv", "--delimiter", ";", "--decimal", ",")


def test_truths_are_numbers(folder):
    plain = Preparation((Column("smoker"), Column("age")), (), ("smoker", "age"))
    Path("truth.csv").write_text("smoker,age\nTrue,3\nFALSE,4\n")
    table = read_table(Path("truth.csv"))
    assert plain.prepare(table.raw(plain), where=table.where).tolist() == [[1.0, 3.0], [0.0, 4.0]]


def test_tables_without_names_are_read_by_place(folder):
    plain = Preparation((Column(None), Column(None, "text")), (Select((0,)),), ("a",))
    Path("plain.csv").write_text("1,x\n2.5,y\n")
    table = read_table(Path("plain.csv"), CsvFormat(header=False))
    assert plain.prepare(table.raw(plain)).tolist() == [[1.0], [2.5]]
    with pytest.raises(ShapeMismatch):
        Preparation.of_numbers(3).prepare(table.raw(Preparation.of_numbers(3)))


def other_message(change):
    """The plan's message, with other parts, whole as a message."""
    header = artifacts.header_of(artifacts.read("plan.fhenn"))
    parts = json.loads(unframe("plan", artifacts.read("plan.fhenn"))[1])
    change(parts)
    return frame("plan", header.meta, json.dumps(parts).encode())


@pytest.mark.thorough
def test_a_preparation_that_is_not_the_plans_is_refused(folder):
    other = PREPARATION.then(Scale(add=(1.0,) * 10)).to_json()
    for change in (lambda parts: parts.update(preparation=other), lambda parts: parts.pop("preparation")):
        message = other_message(change)
        artifacts.write("plan.fhenn", message, overwrite=True)
        with pytest.raises(PreparationMismatch, match=PREPARATION.fingerprint):
            artifacts.preparation_from_bytes(message)
        with pytest.raises(PreparationMismatch):
            run("encrypt", "raw.csv")
        (folder / "plan.fhenn").write_bytes(artifacts.plan_to_bytes(fhenn.plan(MODEL, bounds=[-9, 9]), MODEL))
    for wrong in ("{}", "x", PREPARATION.to_json().replace("Union", "Pickle"), 3, ["a"]):
        message = other_message(lambda parts, wrong=wrong: parts.update(preparation=wrong))
        with pytest.raises(WireFormatError):
            artifacts.preparation_from_bytes(message)
    long = other_message(lambda parts: parts.update(preparation=" " * (33 << 20)))
    with pytest.raises(WireFormatError, match="longer than any plan"):
        artifacts.plan_from_bytes(long)
    with pytest.raises(PreparationMismatch):
        artifacts.plan_to_bytes(fhenn.plan(ImportedModel(MODEL.nodes, MODEL.reading), bounds=[-1, 1]), MODEL)


def test_a_model_file_with_another_preparation_is_not_the_plans(folder):
    wrong = ImportedModel(MODEL.nodes, MODEL.reading, preparation=PREPARATION.then(Scale(add=(1.0,) * 10)))
    artifacts.write("model.fhenn", artifacts.model_to_bytes(wrong), overwrite=True)
    run("encrypt", "raw.csv")
    with pytest.raises(PreparationMismatch):
        run("evaluate")


@pytest.mark.thorough
def test_a_service_gives_the_preparation_to_its_clients(folder, monkeypatch):
    store = Store(folder / "store")
    plan = fhenn.plan(MODEL, inputs=[cells(row) for row in raw()])
    store.models.add("risk", artifacts.model_to_bytes(MODEL), artifacts.plan_to_bytes(plan, MODEL))
    store.close()
    with Running(folder / "store", {}) as service:
        monkeypatch.setenv("FHENN_URL", service.url)
        monkeypatch.setenv("FHENN_TOKEN", service.token("hospital"))
        for name in ("plan.fhenn", "secret.fhenn", "keys.fhenn"):
            Path(name).unlink()
        Path("secret.fhenn.budget").unlink(missing_ok=True)
        run("fetch")
        run("keygen")
        run("predict", "raw.csv", "--id", "patient", "-o", "out.csv")
        rows = decrypted()
        assert [row["patient"] for row in rows] == [row["patient"] for row in raw()]
        assert np.allclose([float(row["score"]) for row in rows], wanted(), atol=2e-3)
        with fhenn.RemoteServer(service.url, service.token("clinic")) as remote:
            assert remote.preparation == PREPARATION
            client = fhenn.Client(remote.plan, preparation=remote.preparation)
            remote.upload(client.evaluation_keys())
            table = [cells(row) for row in raw()[:5]]
            assert np.allclose(
                client.decrypt_scores(remote.predict(client.encrypt(table)))[:, 0], wanted()[:5], atol=2e-3
            )
