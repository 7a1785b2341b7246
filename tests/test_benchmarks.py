"""The page of benchmarks is what the records say; records are kept, merged and written as they should be."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import benches
import numpy as np
import plots
import pytest
import record
import report
import run
from record import Column, Record, Row, Table

ROOT = Path(__file__).parents[1]
FILES = sorted(record.RESULTS.glob("*.json"))
FOUND = report.records()


# what is committed


def test_the_page_is_what_the_records_say():
    assert report.PAGE.read_text("utf-8") == report.page(FOUND), "run python tests/bench/report.py"


@pytest.mark.parametrize("stem", plots.PICTURES)
def test_pictures_are_of_these_records(stem):
    last = (report.IMAGES / f"{stem}.svg").read_text("utf-8").splitlines()[-1]
    assert last == f"<!-- records {plots.digest(stem, FOUND)} -->", "run python tests/bench/report.py"


def test_the_readme_has_the_table_of_these_records():
    text = report.README.read_text("utf-8")
    if "<!-- benchmarks -->" in text:
        table = report.readme_table(FOUND)
        assert f"<!-- benchmarks -->\n{table}<!-- /benchmarks -->" in text, "run python tests/bench/report.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_record_is_written_as_it_is_read_and_says_when_and_where(path):
    content = path.read_text("utf-8")
    found = Record.from_json(content)
    assert found.to_json() == content
    assert found.name == path.stem and found.name in benches.BENCHES
    assert date.fromisoformat(found.measured) <= datetime.now(UTC).date() + timedelta(days=1)
    assert found.machine and found.tables and all(table.rows for table in found.tables)
    for row in (row for table in found.tables for row in table.rows if row.peer):
        assert row.peer in benches.PEERS and row.peer in found.versions
    assert len(content) < 20_000


@pytest.mark.parametrize("bench", benches.BENCHES.values(), ids=list(benches.BENCHES))
def test_a_bench_is_there_and_its_peers_are_known(bench):
    (script,) = (word for word in bench.command if word.startswith("tests/bench/"))
    assert (ROOT / script).exists()
    assert set(bench.peers) <= set(benches.PEERS)
    assert bench.picture[0] in {"", "scaling", *plots.PICTURES}


@pytest.mark.thorough
@pytest.mark.parametrize("stem", plots.PICTURES)
def test_pictures_are_drawn_of_records(stem):
    pytest.importorskip("matplotlib")
    one, same = (plots.drawn(stem, FOUND) for _ in range(2))
    assert one == same
    assert one.startswith("<?xml")


# what a record does


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "ms", ""),
        (float("nan"), "ms", ""),
        ("refused", "ms", "refused"),
        (10.54, "ms", "10.5 ms"),
        (15455.3, "ms", "15,455 ms"),
        (1.504, "ms", "1.50 ms"),
        (0.0154, "s", "0.015 s"),
        (7, "MB", "7 MB"),
        (174.3, "×", "174×"),
        (5877.2, "/s", "5,877/s"),
        (1.96e-7, "error", "2.0e-07"),
        (98.88, "%", "98.9\N{NO-BREAK SPACE}%"),
        (4096, "count", "4,096"),
        (16384, "", "16384"),
        (0.948, "", "0.948"),
    ],
)
def test_cells_in_words(value, unit, words):
    assert record.text(value, unit) == words


COLUMNS = (Column("time", "ms"), Column("error", "error"))
TABLE = Table("network", COLUMNS, (Row(("fhenn", 1.0, 1e-9)), Row(("Peer 2", 3.0, None), "OpenFHE")))
OLD = Record("n", "2026-01-02", "a machine", {"Python": "3.11", "OpenFHE": "1.6"}, (TABLE,), load=0.5)


def test_a_table_in_markdown():
    lines = TABLE.markdown().splitlines()
    assert lines[:2] == ["| network | time, ms | error |", "| --- | --: | --: |"]
    assert lines[2:] == ["| fhenn | 1.00 | 1.0e-09 |", "| Peer 2 | 3.00 |  |"]
    assert TABLE.line(Row(("x", 1, 2.0), measured="2026-01-02")).startswith("| x (2026-01-02) | 1 |")


def test_a_table_whose_row_is_too_short_is_none():
    with pytest.raises(AssertionError):
        Table("network", COLUMNS, (Row(("fhenn", 1.0)),))


def test_numbers_are_kept_with_four_digits_and_numpy_s_as_python_s():
    cells = ("x", np.float64(1.23456), float("nan"))
    found = Record.from_json(replace(OLD, tables=(Table("t", COLUMNS, (Row(cells),)),)).to_json())
    assert found.tables[0].rows[0].cells == ("x", 1.235, None)


def test_peers_that_were_not_there_stay_with_their_day():
    now = Record("n", "2026-03-04", "a machine", {"Python": "3.12"}, (replace(TABLE, rows=TABLE.rows[:1]),))
    merged = now.with_peers_of(OLD)
    assert merged.tables[0].rows == (TABLE.rows[0], replace(TABLE.rows[1], measured="2026-01-02"))
    assert merged.versions == {"Python": "3.12", "OpenFHE": "1.6"}
    later = replace(now, measured="2026-05-06", machine="another")
    assert later.with_peers_of(merged).tables[0].rows[1].measured == "2026-01-02"
    elsewhere = replace(now, machine="another").with_peers_of(OLD)
    assert elsewhere.tables[0].rows[1].measured == "2026-01-02, on another machine"


def test_peers_that_were_there_take_the_place_of_older_rows():
    now = replace(OLD, measured="2026-03-04", tables=(replace(TABLE, rows=(Row(("Peer 3", 2.0, 1.0), "OpenFHE"),)),))
    assert now.with_peers_of(OLD) == now


def test_rows_of_other_columns_are_not_mixed():
    now = replace(OLD, tables=(Table("network", COLUMNS[:1], (Row(("fhenn", 1.0)),)),))
    assert now.with_peers_of(OLD).tables == now.tables


def test_a_record_is_kept_where_it_is_wanted_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("BENCH_RECORD", raising=False)
    record.keep(OLD)
    monkeypatch.setenv("BENCH_RECORD", str(tmp_path / "kept"))
    record.keep(OLD)
    assert record.read("n", tmp_path / "kept") == OLD
    record.keep(replace(OLD, measured="2026-03-04", tables=(replace(TABLE, rows=TABLE.rows[:1]),)))
    assert len(record.read("n", tmp_path / "kept").tables[0].rows) == 2
    assert record.read("another", tmp_path) is None


def test_a_printed_table_is_kept_when_it_is_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BENCH_RECORD", str(tmp_path))
    with record.printed("n", "network", COLUMNS) as table:
        table.add("fhenn", 1.5, 1e-9)
        assert "| fhenn | 1.50 | 1.0e-09 |" in capsys.readouterr().out
    found = record.read("n", tmp_path)
    assert found.tables[0].rows == (Row(("fhenn", 1.5, 1e-9)),)
    assert found.versions["NumPy"] == np.__version__ and "thread" in found.machine
    with pytest.raises(RuntimeError), record.printed("broken", "network", COLUMNS) as table:
        table.add("fhenn", 1.5, 1e-9)
        raise RuntimeError
    with record.printed("empty", "network", COLUMNS):
        pass
    assert [path.stem for path in tmp_path.iterdir()] == ["n"]


# the command


def test_the_list_names_every_bench(monkeypatch, capsys):
    for name, peer in benches.PEERS.items():
        monkeypatch.setitem(
            benches.PEERS, name, replace(peer, found=lambda name=name: None if name == "Orion" else "1")
        )
    assert run.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(benches.BENCHES)
    (squares,) = (line for line in lines if line.startswith("squares"))
    assert f"measured {FOUND['squares'].measured}" in squares and squares.endswith("(without Orion)")


def test_a_peer_s_version_is_that_of_the_python_that_is_named(monkeypatch):
    monkeypatch.delenv("CONCRETE_PYTHON", raising=False)
    assert benches._there("CONCRETE_PYTHON", "numpy") == np.__version__
    assert benches._there("CONCRETE_PYTHON", "no-package-of-that-name") is None
    monkeypatch.setenv("CONCRETE_PYTHON", "/nowhere/python")
    assert benches._there("CONCRETE_PYTHON", "numpy") is None


def test_a_bench_that_there_is_not_is_named(capsys):
    with pytest.raises(SystemExit):
        run.main(["sigmoids"])
    assert "there is no bench sigmoids" in capsys.readouterr().err


def test_what_is_missing_is_said_and_is_no_failure(tmp_path, monkeypatch, capsys):
    bench = benches.Bench("t", ("-c", "pass"), 1, "", "", ("OpenFHE",), ("nothing_of_that_name",))
    assert run.run("n", bench, tmp_path)
    assert "left out, since nothing_of_that_name is not installed" in capsys.readouterr().err
    absent = replace(benches.PEERS["OpenFHE"], found=lambda: None)
    monkeypatch.setitem(benches.PEERS, "OpenFHE", absent)
    assert run.run("n", replace(bench, needs=()), tmp_path)
    assert "n: without OpenFHE (OPENFHE_PYTHON names" in capsys.readouterr().err


def test_a_bench_that_fails_is_said(tmp_path, capsys):
    assert not run.run("n", benches.Bench("t", ("-c", "raise SystemExit(3)"), 1, "", ""), tmp_path)
    assert "ended with 3" in capsys.readouterr().err


def test_records_of_elsewhere_leave_the_page_alone(tmp_path, monkeypatch):
    wrote = []
    code = "import os, pathlib; pathlib.Path(os.environ['BENCH_RECORD'], 'x').touch()"
    monkeypatch.setitem(run.BENCHES, "n", benches.Bench("t", ("-c", code), 1, "", ""))
    monkeypatch.setattr(report, "write_all", lambda: wrote.append(True))
    assert run.main(["n", "--folder", str(tmp_path)]) == 0
    assert (tmp_path / "x").exists() and not wrote
