"""Tables that are read in chunks: what the whole file holds, and each mistake at its place in the whole file."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhenn.cli.bounds import read_samples, samples_in_chunks
from fhenn.cli.tables import CsvFormat, Table, open_table, read_table
from fhenn.cli.tables.blocks import Blocks
from fhenn.cli.tables.delimited import CsvChunks
from fhenn.cli.tables.grid import Grid
from fhenn.cli.tables.table import join_tables
from fhenn.errors import DataWarning, FhennError, MissingValues, ParameterError, ShapeMismatch

SMALL = 60
"""Bytes of a chunk here: a few rows."""

LONG = "a,b\n" + f"1.{0:0100},2\n" * 2600
"""More than the beginning, which is looked at before the first chunk."""


def chunks(path, form=CsvFormat(), size=SMALL):  # noqa: B008
    with open_table(path, form, size=size) as reader:
        tables = [*reader]
        assert reader.share == 1
        assert reader.rows == sum(table.rows for table in tables)
    assert [table.first for table in tables] == [*np.cumsum([0, *(table.rows for table in tables[:-1])])]
    return tables


def content(table):
    return (
        table.names,
        [list(column) for column in table.columns],
        None if table.lines is None else list(table.lines),
        table.aside,
    )


def samples(table):
    """The numbers of a table, or the error that it has none."""
    try:
        return table.numbers().tolist()
    except FhennError as error:
        return str(error)


NUMBERS = ["1", "2.5", "-3e5", ".5", "+7.", "1E-3", "12345678.87654321", "0"]
KINDS = [
    NUMBERS,
    [" 1", "2 ", "3"],
    ["1,5", "2,25", "-0,5"],
    ["a", "b", "é", "it's", "'=1"],
    ["2026-01-05", "2026-02-06"],
    ["1", "", "NA", "?"],
    ["1", "1-2", "1e999", "inf", "1_0", "1e"],
    ['"1"', '"a\nb"', '"2,5"', '"x""y"', "3"],
    [""],
]


@st.composite
def csv_files(draw):
    """The bytes of a CSV file, and its format."""
    delimiter = draw(st.sampled_from(",,;\t |"))
    newline = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    kinds = draw(st.lists(st.sampled_from([*[NUMBERS] * 6, *KINDS]), min_size=1, max_size=5))
    header = draw(st.booleans())
    names = draw(st.permutations([f"n{place}" for place in range(len(kinds))]))
    unnamed = draw(st.sets(st.integers(0, len(kinds) - 1), max_size=1))
    rows = [["" if place in unnamed else name for place, name in enumerate(names)]] if header else []
    for _ in range(draw(st.integers(1, 25))):
        row = [draw(st.sampled_from(kind)) for kind in kinds]
        odd = draw(st.integers(0, 60))
        rows.append({1: [], 2: [""] * len(row), 3: [*row, ""]}.get(odd, row))
    end = draw(st.sampled_from(["", newline, newline * 3, newline + delimiter * (len(kinds) - 1) + newline]))
    text = newline.join(map(delimiter.join, rows)) + end
    mark = draw(st.sampled_from(["", "\ufeff", f"sep={delimiter}{newline}"]))
    return (mark + text).encode(), CsvFormat(delimiter, draw(st.sampled_from(".,")), header)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:.* left out")
@given(csv_files(), st.integers(1, 120))
def test_chunks_of_any_size_hold_what_the_file_holds(tmp_path_factory, file, size):
    data, form = file
    path = tmp_path_factory.mktemp("chunks") / "t.csv"
    path.write_bytes(data)
    try:
        table = read_table(path, form)
    except FhennError:
        with pytest.raises(FhennError):
            chunks(path, form, size)
        return
    tables = chunks(path, form, size)
    joined = join_tables(tables)
    assert content(joined) == content(table)
    wanted = samples(table)
    assert samples(joined) == wanted
    if isinstance(wanted, list):
        assert np.concatenate([each.numbers() for each in tables]).tolist() == wanted
    else:
        assert any(isinstance(samples(each), str) for each in tables)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_plain_numbers_are_read_by_numpy_beside_text_and_dates(tmp_path, monkeypatch, ending, decimal):
    """Not by the careful way, but for the first chunk: else this is six times as slow."""
    monkeypatch.setattr(CsvChunks, "_rows", counted := Counted(CsvChunks._rows))
    rows = [
        f'"{place}.5";é{place};2026-01-0{1 + place % 9}; {place}e3 ;{place if place % 3 else ""};'.replace(".", decimal)
        for place in range(90)
    ]
    (tmp_path / "t.csv").write_bytes(ending.join(["a;b;c;d;e;", *(row + "x" for row in rows)]).encode())
    tables = chunks(tmp_path / "t.csv", CsvFormat(";", decimal), 200)
    assert (counted.calls, len(tables)) == (1, len(tables))
    assert len(tables) > 9
    assert [column.floats is not None for column in tables[1].columns] == [True, False, False, True, False, False]
    assert np.concatenate([table.numbers(["d", "a"]) for table in tables]).tolist() == [
        [place * 1000.0, place + 0.5] for place in range(90)
    ]
    assert [cell for table in tables for cell in table.column("b")] == [f"é{place}" for place in range(90)]
    assert [line for table in tables for line in table.lines] == [*range(2, 92)]


class Counted:
    """A method that counts its calls."""

    def __init__(self, method):
        self.method, self.calls = method, 0

    def __get__(self, owner, _type):
        def call(*arguments):
            self.calls += 1
            return self.method(owner, *arguments)

        return call


QUOTED = [
    b'1,"2\n',
    b'1,"2""3"\n',
    b'"1,2","3,4"\n',
    b'"1,2"\n',
    b'1, "2"\n',
    b'1,"2" \n',
    b'"1\n2",3\n',
    b'",",","\n',
    b'1"2",3\n',
    b'"",""2""\n',
    b'"",""\n',
]


@pytest.mark.parametrize(
    "data",
    [*QUOTED, b"1,2\r3,4\n", b"1,2\n3\n", b"1,2\n\n3,4\n", b"1,2\n,\n", b"1,2\n , \n", b"1\n2,3\n4\n", b"1,\xff\n"],
)
def test_what_is_not_plain_is_left_to_the_careful_way(data):
    assert Grid.of(data, 2, ",", ".") is None


@pytest.mark.parametrize(("delimiter", "decimal"), [(",", ","), ("e", "."), ("é", "."), ('"', "."), (".", ".")])
def test_odd_delimiters_are_left_to_the_careful_way(delimiter, decimal):
    assert Grid.of(f"1{delimiter}2\n".encode(), 2, delimiter, decimal) is None


def test_a_cell_beyond_the_limit_of_csv_is_refused_in_every_chunk(tmp_path):
    (tmp_path / "t.csv").write_text(LONG + "1," + "2" * 140_000 + "\n")
    with pytest.raises(ParameterError, match=r"field larger than field limit .* starts on line 2602\."):
        chunks(tmp_path / "t.csv")


LATE = {
    "3,<5": "t.csv has cells that are not numbers: column 'b' holds '<5' on line 2602. Write a number there, or drop",
    "1-2,3": "t.csv has cells that are not numbers: column 'a' holds '1-2' on line 2602. Write a number there, or drop",
    "é,3": "t.csv has cells that are not numbers: column 'a' holds 'é' on line 2602. Write a number there, or drop",
    '3,"3,5"': "column 'b' holds '3,5' on line 2602. Give --decimal , if it is a decimal comma",
    "3,": "t.csv: values are missing or infinite in column 'b' (1: line 2602). Drop or impute them first.",
    "NA,1": "t.csv: values are missing or infinite in column 'a' (1: line 2602). Drop or impute them first.",
    "1,1e999": "t.csv: values are missing or infinite in column 'b' (1: line 2602). Drop or impute them first.",
    ",": "t.csv: values are missing or infinite in column 'a' (1: line 2602), column 'b' (1: line 2602). Drop or",
    "\n\nx,1": "t.csv has cells that are not numbers: column 'a' holds 'x' on line 2604.",
    '1,"2\n"\nx,1': "t.csv has cells that are not numbers: column 'a' holds 'x' on line 2604.",
    "3": "line 2602 of t.csv has 1 cell, where 2 are needed. Correct the line",
    "3,4,5": "line 2602 of t.csv has 3 cells, where 2 are needed. Correct the line",
    "7,61,3,5": "line 2602 of t.csv has 4 cells, where 2 are needed. If its commas are decimal commas, save",
    '3,"4': "t.csv is not readable as CSV: unexpected end of data, in the row that starts on line 2602. Look for",
    '3,"4"5': "t.csv is not readable as CSV: ',' expected after '\"', in the row that starts on line 2602. Look for",
    b"3,\xf6": "t.csv is not in UTF-8: byte 0xf6 on line 2602. Save it as UTF-8",
}


@pytest.mark.thorough
@pytest.mark.parametrize("row", LATE)
@pytest.mark.parametrize("size", [1000, 1 << 22])
def test_late_mistakes_are_named_with_their_lines(tmp_path, monkeypatch, row, size):
    monkeypatch.chdir(tmp_path)
    path = type(tmp_path)("t.csv")
    row = row if isinstance(row, bytes) else row.encode()
    path.write_bytes(LONG.encode() + row + b"\n1,2\n")
    message = LATE[row if row in LATE else row.decode()]
    with pytest.raises(FhennError) as caught, open_table(path, size=size) as reader:
        for table in reader:
            table.numbers()
    assert message in str(caught.value)
    assert reader.rows > 2400


def test_the_remedy_for_a_last_row_is_not_to_drop_the_column(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,x\n")
    first, last = chunks(tmp_path / "t.csv", size=1)
    assert first.rows == last.rows == 1
    with pytest.raises(ParameterError, match=r"on line 3\. Write a number there, or drop the row"):
        last.numbers()


def test_a_byte_after_a_mark_is_on_its_line(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n\xf6,4\n")
    with pytest.raises(ParameterError, match="byte 0xf6 on line 3"):
        read_table(tmp_path / "t.csv")


def test_empty_rows_come_before_plain_ones(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n,\n3,4\n")
    tables = chunks(tmp_path / "t.csv", size=4)
    assert [list(table.lines) for table in tables] == [[2], [3], [4]]
    assert samples(tables[1]) == samples(read_table(tmp_path / "t.csv"))


def test_a_last_line_without_an_end_belongs_to_the_last_chunk(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4")
    assert [table.rows for table in chunks(tmp_path / "t.csv", size=100)] == [2]


@pytest.mark.parametrize("size", range(1, 9))
def test_blocks_end_where_a_line_does(size):
    data = b"1\r\n\r\n22\r\n333333333\r\n4\n5\r66\r777777777777\r\r8\n\n9\r\r\na"
    blocks, found = Blocks(io.BytesIO(data)), []
    while block := blocks.take(size):
        found.append(block)
        done = b"".join(found)
        assert data.startswith(done)
        assert done[-1:] in b"\r\n" or done == data
        assert not (done.endswith(b"\r") and data[len(done) :].startswith(b"\n"))
        assert (blocks.taken, blocks.newlines) == (len(done), done.count(b"\n"))
        tail = block[-2:]
        before = done.removesuffix(tail)
        blocks.put_back(tail)
        assert (blocks.taken, blocks.newlines) == (len(before), before.count(b"\n"))
        assert blocks.skip(len(tail)) == tail
    assert b"".join(found) == data
    assert len(found) > 11 - size


def test_a_short_row_is_remembered_until_its_missing_column_is_used(tmp_path):
    """As the whole file tells: a column without a name may be there or not, if it is empty."""
    path = tmp_path / "t.csv"
    path.write_text("a,b,\n1,2\n" + "1,2,\n" * 50)
    assert np.concatenate([table.numbers() for table in chunks(path)]).tolist() == [[1, 2]] * 51
    beginning = "a,b,\n" + f"1.{0:0100},2,\n" * 2600
    path.write_text(beginning + "1,2\n" + "1,2,\n" * 50)
    assert read_table(path).rows == 2651
    path.write_text(beginning + "1,2\n" + "1,2,\n" * 50 + "1,2,3\n")
    with pytest.raises(ParameterError, match=r"^line 2602 of .* has 2 cells, where 3 are needed\."):
        chunks(path)


def test_columns_of_a_file_without_names_are_those_of_its_beginning(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"1.{0:0100},2,\n" * 2600 + "1.5,2,3\n")
    with pytest.raises(ParameterError, match=r"^line 2601 of .* has 3 cells, where 2 are needed\."):
        chunks(path, size=1 << 16)


def test_empty_rows_at_the_end_take_no_memory_and_count_for_nothing(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 30 + ",\n" * 50_000)
    reader = CsvChunks(tmp_path / "t.csv", file := (tmp_path / "t.csv").open("rb"), CsvFormat(), (), 1000)
    with file:
        assert sum(table.rows for table, _ in reader) == 30
        assert reader._empty == [(range(32, 50_032), 2)]


def test_a_beginning_of_long_rows_is_read_until_the_first_line_is_clear(tmp_path):
    """A quoted cell over many lines, longer than what is looked at first."""
    cell = '"' + "x\n" * 60_000 + '"'
    (tmp_path / "t.csv").write_text("a,b\n" + f"1,{cell}\n" * 5)
    assert [table.rows for table in chunks(tmp_path / "t.csv", size=100_000)] == [1] * 5


def test_what_is_left_out_is_said_once(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",a,Unnamed: 2\n" + f"1.{0:0200},2,\n" * 2600)
    assert len(chunks(path, size=1 << 22)) > 1
    with pytest.warns(DataWarning) as caught:
        assert read_samples(path, None, CsvFormat(), True).tolist() == [[2]] * 2600
    assert [str(each.message) for each in caught] == [f"{path}: column 1 is left out: it is an index or has no name."]
    assert read_samples(path, ["a"], CsvFormat(), True).tolist() == [[2]] * 2600


def test_columns_without_name_and_content_are_no_columns(tmp_path):
    (tmp_path / "t.csv").write_text("a,,b,\n1,,2,\n3,,4\n")
    table = read_table(tmp_path / "t.csv")
    assert (table.names, len(table.columns), table.aside) == (("a", "b"), 2, frozenset())


def test_names_are_those_of_the_samples(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(",b,a\n" + "1,2,3\n" * 9)
    with pytest.warns(DataWarning, match="left out"):
        (found,) = samples_in_chunks(path, None, CsvFormat(), True)
    assert (found.names, found.values[0].tolist(), found.first, found.share) == (("b", "a"), [2, 3], 0, 1)
    assert capsys.readouterr().err == ""
    (found,) = samples_in_chunks(path, ["a", "b"], CsvFormat(), False)
    assert (found.names, found.values[0].tolist()) == (("a", "b"), [3, 2])
    assert capsys.readouterr().err == f"fhenn: read {path}: 9 samples of 2 features\n"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2", "?"])
@pytest.mark.parametrize("size", [1, 100, 1 << 22])
def test_arrays_in_chunks(tmp_path, order, dtype, size):
    x = (np.arange(150).reshape(50, 3) % 7).astype(dtype, order=order)
    np.save(tmp_path / "t.npy", x)
    tables = chunks(tmp_path / "t.npy", size=size)
    assert len(tables) == -(-50 // max(1, size // (3 * x.itemsize)))
    assert np.concatenate([table.numbers() for table in tables]).tolist() == x.tolist()
    assert join_tables(tables).columns[0].dtype.kind == x.dtype.kind


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", "u1"])
@pytest.mark.parametrize("size", [1, 500, 1 << 22])
def test_images_in_chunks(tmp_path, order, dtype, size):
    images = np.random.default_rng(0).integers(0, 256, (50, 2, 3, 4)).astype(dtype, order=order)
    np.save(tmp_path / "t.npy", images)
    with open_table(tmp_path / "t.npy", size=size, image=(2, 3, 4)) as reader:
        tables = [*reader]
    assert len(tables) == -(-50 // max(1, size // (24 * images.itemsize)))
    assert np.concatenate([table.numbers() for table in tables]).tolist() == images.reshape(50, 24).tolist()
    assert (reader.rows, reader.share) == (50, 1.0)


@pytest.mark.parametrize(
    ("image", "given", "rows"),
    [
        ((2, 3, 4), (2, 3, 4), 1),
        ((2, 3, 4), (24,), 1),
        ((2, 3, 4), (5, 24), 5),
        ((1, 3, 4), (1, 3, 4), 1),
        ((2, 7), (5, 2, 7), 5),
        ((2, 7), (2, 7), 1),
        ((1, 7), (3, 7), 3),
    ],
)
def test_forms_of_images(tmp_path, image, given, rows):
    x = np.arange(np.prod(given)).reshape(given)
    np.save(tmp_path / "t.npy", x)
    with open_table(tmp_path / "t.npy", image=image) as reader:
        assert join_tables([*reader]).numbers().tolist() == x.reshape(rows, -1).tolist()


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ((5, 3, 4, 2), r"np\.moveaxis\(x, -1, 1\)"),
        ((5, 2, 4, 3), r"\(samples, 2, 3, 4\) or \(samples, 24\)\.$"),
        ((5, 3, 4), "samples, 24"),
        ((5, 23), "samples, 24"),
        ((5, 1, 2, 3, 4), "samples, 24"),
        ((4,), "samples, 24"),
    ],
)
def test_images_of_another_shape_are_refused(tmp_path, given, hint):
    np.save(tmp_path / "t.npy", np.zeros(given))
    with pytest.raises(ShapeMismatch, match=hint) as caught:
        open_table(tmp_path / "t.npy", image=(2, 3, 4))
    assert (caught.value.operation, caught.value.got) == (str(tmp_path / "t.npy"), given)


def test_no_images_at_all_are_refused(tmp_path):
    for shape, fault in (((0, 2, 3, 4), "no rows"), ((5, 2, 0, 4), "no rows"), ((), "samples × features")):
        np.save(tmp_path / "t.npy", np.zeros(shape))
        with pytest.raises(ParameterError, match=fault):
            open_table(tmp_path / "t.npy", image=(2, 3, 4))


def test_rows_of_an_array_are_counted_over_the_whole_file(tmp_path):
    x = np.zeros((50, 3))
    x[40, 1] = np.nan
    np.save(tmp_path / "t.npy", x)
    with (
        pytest.raises(MissingValues, match=r"column 2 \(1: row 41\)"),
        open_table(tmp_path / "t.npy", size=72) as reader,
    ):
        for table in reader:
            table.numbers()
    assert reader.rows == 42


def test_empty_cells_stay_empty_where_chunks_are_joined():
    table = Table(("t", "n"), (np.array(["a", "b"]), np.arange(2.0)))
    joined = join_tables([table, table.mask([1]), table.mask([0, 1])])
    assert joined.records() == [("a", 0), ("b", 1), ("a", 0), (None, None), (None, None), (None, None)]


class TestParquet:
    @pytest.fixture
    def path(self, tmp_path):
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pa.table(
            {
                "n": pa.array([*range(49), None]),
                "x": pa.array(np.arange(50) / 2),
                "t": pa.array([*"ab"] * 25),
                "b": pa.array([True, False] * 25),
            }
        )
        parquet.write_table(table, tmp_path / "t.parquet", row_group_size=20)
        return tmp_path / "t.parquet"

    @pytest.mark.parametrize("size", [1, 4 * 8 * 7, 1 << 22])
    def test_chunks_cross_groups_of_rows(self, path, size):
        tables = chunks(path, size=size)
        assert len(tables) >= 3 if size < 1000 else len(tables) == 1
        joined = join_tables(tables)
        assert content(joined) == content(read_table(path))
        assert joined.numbers(["x", "b"]).tolist() == [[place / 2, 1 - place % 2] for place in range(50)]
        assert joined.labels("t").tolist() == [*"ab"] * 25
        assert list(joined.column("n")) == [*range(49), None]

    def test_rows_are_counted_over_the_whole_file(self, path):
        with pytest.raises(MissingValues, match=r"column 'n' \(1: row 50\)"), open_table(path, size=320) as reader:
            for table in reader:
                table.numbers(["n"])

    def test_empty_groups_are_no_chunks(self, path):
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pa.table({"a": [1.0, 2.0]})
        with parquet.ParquetWriter(path, table.schema) as writer:
            for rows in (0, 2, 0, 2, 0):
                writer.write_table(table.slice(0, rows))
        assert np.concatenate([each.numbers() for each in chunks(path)]).tolist() == [[1], [2]] * 2

    def test_a_broken_group_is_refused_when_its_chunk_comes(self, path):
        data = bytearray(path.read_bytes())
        parquet = pytest.importorskip("pyarrow.parquet")
        at = parquet.ParquetFile(path).metadata.row_group(2).column(1).dictionary_page_offset
        data[at : at + 40] = bytes(40)
        path.write_bytes(data)
        with pytest.raises((ParameterError, OSError)), open_table(path, size=320) as reader:
            for _ in reader:
                pass
        assert reader.rows == 40


def test_the_file_is_closed_after_any_mistake(tmp_path):
    """Warnings of files that were left open are errors here."""
    for name in ("t.csv", "t.npy", "t.parquet"):
        (tmp_path / name).write_bytes(b"\xff")
        with pytest.raises(FhennError):
            open_table(tmp_path / name)
    (tmp_path / "t.csv").write_text("a\n1\n")
    open_table(tmp_path / "t.csv").close()


@pytest.mark.thorough
@pytest.mark.parametrize("ending", ["csv", "npy", "parquet", "text"])
def test_memory_does_not_grow_with_the_rows(tmp_path, ending):
    """Neither of the plain way nor of the careful one, whose cells are text."""

    def peak(rows):
        path = tmp_path / f"t{rows}.{ending if ending != 'text' else 'csv'}"
        x = np.random.default_rng(0).normal(size=(rows, 8))
        if ending == "npy":
            np.save(path, x)
        elif ending == "parquet":
            pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
            parquet.write_table(pa.table({f"c{place}": column for place, column in enumerate(x.T)}), path)
        else:
            quoted = '"%.9g",' if ending == "text" else "%.9g,"
            np.savetxt(path, x, fmt=quoted * 7 + "%.9g", header=",".join("abcdefgh"), comments="")
        tracemalloc.start()
        found = sum(len(each.values) for each in samples_in_chunks(path, None, CsvFormat(), True))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found == rows
        return most

    few, many = peak(200_000), peak(800_000)
    assert many < 1.2 * few
