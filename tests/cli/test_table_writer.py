"""Tables that are written in chunks: whole under their name or not there, and continued after a process was killed."""

import io
import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from fhenn.cli.tables import Table, as_csv, open_writer, read_table, write_table
from fhenn.cli.tables.writer import unfinished
from fhenn.errors import ParameterError
from fhenn.session.stream import End

ENDINGS = ["csv", "npy", "parquet"]
CONTINUED = ["csv", "npy"]


@pytest.fixture(autouse=True)
def needs(request):
    if "parquet" in request.node.name.casefold():
        pytest.importorskip("pyarrow")


def numbers(rows=30):
    return Table(("a", "b"), (np.arange(rows) / 7, np.arange(float(rows))))


def parts(table, size=8):
    """The same rows in chunks."""
    return [
        Table(table.names, tuple(column[start : start + size] for column in table.columns))
        for start in range(0, table.rows, size)
    ]


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
def test_chunks_make_the_file_that_the_whole_makes(tmp_path, ending):
    table = numbers()
    write_table(tmp_path / f"whole.{ending}", table)
    path = tmp_path / f"t.{ending}"
    with open_writer(path) as writer:
        good = [writer.append(part) for part in parts(table)]
        assert left(tmp_path) == [f".t.{ending}.unfinished", f"whole.{ending}"]
        writer.finish()
    assert left(tmp_path) == [f"t.{ending}", f"whole.{ending}"]
    assert good == sorted({*good})
    assert read_table(path).numbers().tolist() == table.numbers().tolist()
    if ending in CONTINUED:
        assert path.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
        assert good[-1] == path.stat().st_size


def test_every_chunk_is_a_group_of_rows_in_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with open_writer(tmp_path / "t.parquet") as writer:
        for part in parts(numbers()):
            writer.append(part)
        writer.finish()
    meta = parquet.ParquetFile(tmp_path / "t.parquet").metadata
    assert [meta.row_group(place).num_rows for place in range(meta.num_row_groups)] == [8, 8, 8, 6]


def test_arrays_are_those_of_numpy(tmp_path):
    table = numbers()
    write_table(tmp_path / "t.npy", table)
    np.save(buffer := io.BytesIO(), table.numbers())
    assert (tmp_path / "t.npy").read_bytes() == buffer.getvalue()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("masked", [range(4), range(4, 8), [1, 5, 6]])
def test_columns_have_their_types_also_where_a_chunk_is_all_empty(tmp_path, ending, masked):
    """Labels of any type, which are written alike whatever chunk they come in."""
    table = Table(
        ("text", "whole", "truth", "score"),
        (
            np.array(["a", "=b", "long", "1", "2.50", "007", "é", ""]),
            np.arange(8),
            np.arange(8) % 2 == 0,
            np.arange(8) / 2,
        ),
    )
    path = tmp_path / f"t.{ending}"
    with open_writer(path) as writer:
        for place, part in enumerate(parts(table, 4)):
            writer.append(part.mask([row - 4 * place for row in masked if row // 4 == place]))
        writer.finish()
    if ending == "csv":
        assert path.read_text() == as_csv(table.mask(masked))
        assert path.read_text().splitlines().count(",,,") == len(masked)
        return
    found = pytest.importorskip("pyarrow.parquet").read_table(path)
    assert [str(kind) for kind in found.schema.types] == ["string", "int64", "bool", "double"]
    wanted = [None if row in masked else each for row, each in enumerate(table.records())]
    assert [None if None in each else each for each in zip(*found.to_pydict().values(), strict=True)] == wanted


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("before", [False, True])
def test_nothing_is_left_of_a_table_that_is_not_finished(tmp_path, ending, before):
    path = tmp_path / f"t.{ending}"
    if before:
        write_table(path, numbers(3))
    was = path.read_bytes() if before else None
    with pytest.raises(KeyboardInterrupt), open_writer(path) as writer:
        writer.append(numbers())
        raise KeyboardInterrupt
    with open_writer(path):
        pass
    with pytest.raises(ParameterError, match="would have no rows"), open_writer(path) as writer:
        writer.finish()
    assert left(tmp_path) == ([path.name] if before else [])
    assert (path.read_bytes() if before else None) == was


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_is_as_open_as_other_files(tmp_path, ending):
    old = os.umask(0o027)
    try:
        write_table(tmp_path / f"t.{ending}", numbers())
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / f"t.{ending}").stat().st_mode) == 0o640


def test_files_of_fhenn_are_not_lost(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(End(1, 1, "0" * 64).to_bytes())
    with pytest.raises(ParameterError, match="would be lost"):
        open_writer(path)
    path.unlink()
    with pytest.raises(ParameterError, match="would be lost"), open_writer(path) as writer:
        writer.append(numbers())
        path.write_bytes(End(1, 1, "0" * 64).to_bytes())
        writer.finish()
    assert left(tmp_path) == ["t.csv"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_another_process_that_writes_the_same_is_refused(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    with open_writer(path) as writer:
        with pytest.raises(ParameterError, match="another process writes"):
            open_writer(path)
        writer.append(numbers())
        writer.finish()
    assert read_table(path).rows == 30


def test_folders_that_are_missing_and_links_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        open_writer(tmp_path / "none" / "t.csv")
    assert caught.value.filename == str(tmp_path / "none" / "t.csv")
    (tmp_path / "other").write_text("mine")
    unfinished(tmp_path / "t.csv").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"t\.csv") as caught:
        open_writer(tmp_path / "t.csv")
    assert caught.value.filename == str(tmp_path / "t.csv")
    assert (tmp_path / "other").read_text() == "mine"


@pytest.mark.thorough
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_is_full_leaves_nothing(tmp_path, ending):
    """Bounded as a file is by the shell's `ulimit -f`."""
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from fhenn.cli.tables import Table, open_writer\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "table = Table(('a',), (np.random.default_rng(0).normal(size=5000),))\n"
        "try:\n"
        "    with open_writer(Path(sys.argv[1])) as writer:\n"
        "        while True:\n"
        "            writer.append(table)\n"
        "except OSError as error:\n"
        "    sys.exit(str(error.filename))\n"
    )
    path = tmp_path / f"t.{ending}"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == str(path)
    assert left(tmp_path) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_other_columns_and_cells_are_refused(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    with open_writer(path) as writer:
        good = writer.append(numbers(4))
        with pytest.raises(ParameterError, match="other columns"):
            writer.append(Table(("a", "c"), numbers(4).columns))
        with pytest.raises(ParameterError, match="other columns"):
            writer.append(Table(("a",), numbers(4).columns[:1]))
        if ending != "csv":
            with pytest.raises(ParameterError, match="Write the table as CSV"):
                writer.append(Table(("a", "b"), (np.array(["x"]), np.array(["y"]))))
        assert writer.good == good
        writer.append(numbers(4))
        writer.finish()
    assert read_table(path).numbers().tolist() == numbers(4).numbers().tolist() * 2


@pytest.mark.parametrize("ending", CONTINUED)
def test_a_chunk_that_was_written_by_half_is_no_part_of_the_table(tmp_path, ending, monkeypatch):
    path = tmp_path / f"t.{ending}"
    with open_writer(path) as writer:
        writer.append(numbers())
        with monkeypatch.context() as patch:

            def broken(table):
                writer._file.write(bytes(999))
                raise OSError(5, "broken")

            patch.setattr(writer, "_write", broken)
            with pytest.raises(OSError, match="broken"):
                writer.append(numbers())
        writer.finish()
    assert read_table(path).numbers().tolist() == numbers().numbers().tolist()


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from fhenn.cli.tables import Table, open_writer
table = Table(("a", "b"), (np.arange(8) / 7, np.arange(8.0)))
with open_writer(Path(sys.argv[1]), keep=True) as writer:
    print(writer.append(table))
    print(writer.append(table), flush=True)
    os.pwrite(writer._file.fileno(), b"half of a chunk", writer.good)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("ending", CONTINUED)
@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_killed_process_is_continued_where_it_was_good(tmp_path, ending, chunks):
    path = tmp_path / f"t.{ending}"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert left(tmp_path) == [f".t.{ending}.unfinished"]
    good = [0, *map(int, killed.stdout.split())]
    table = Table(("a", "b"), (np.arange(8) / 7, np.arange(8.0)))
    with open_writer(path, good[chunks]) as writer:
        assert unfinished(path).stat().st_size == good[chunks]
        for _ in range(3 - chunks):
            writer.append(table)
        writer.finish()
    three = Table(("a", "b"), tuple(np.tile(column, 3) for column in table.columns))
    write_table(tmp_path / f"whole.{ending}", three)
    assert path.read_bytes() == (tmp_path / f"whole.{ending}").read_bytes()
    assert left(tmp_path) == [path.name, f"whole.{ending}"]


@pytest.mark.parametrize("ending", CONTINUED)
def test_what_is_good_already_can_be_finished(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    with pytest.raises(KeyboardInterrupt), open_writer(path, keep=True) as writer:
        good = writer.append(numbers())
        raise KeyboardInterrupt
    assert left(tmp_path) == [f".t.{ending}.unfinished"]
    with open_writer(path, good) as writer:
        writer.finish()
    assert read_table(path).numbers().tolist() == numbers().numbers().tolist()


@pytest.mark.parametrize("ending", CONTINUED)
def test_what_cannot_be_continued_is_refused_and_kept(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    with pytest.raises(ParameterError, match="is missing"):
        open_writer(path, 200)
    with open_writer(path, keep=True) as writer:
        good = writer.append(numbers())
    was = unfinished(path).read_bytes()
    for wrong, match in ((good + 1, "shorter"), (good - 1, "not the beginning")):
        with pytest.raises(ParameterError, match=match):
            open_writer(path, wrong)
        unfinished(path).write_bytes(was)
    table = Table(("a", "other", "b"), (np.arange(2.0),) * 3)
    with pytest.raises(ParameterError, match="not the beginning"), open_writer(path, good, keep=True) as writer:
        writer.append(table)
    assert unfinished(path).read_bytes() == was
    unfinished(path).write_bytes(b"x" * good)
    with pytest.raises(ParameterError, match="not the beginning"):
        open_writer(path, good)
    with open_writer(path) as writer:
        writer.append(table)
        writer.finish()
    assert left(tmp_path) == [path.name]


def test_parquet_cannot_be_continued(tmp_path):
    with pytest.raises(ParameterError, match="as CSV or NPY"):
        open_writer(tmp_path / "t.parquet", 100)
    with open_writer(tmp_path / "t.parquet", keep=True) as writer:
        writer.append(numbers())
    assert left(tmp_path) == []
