"""Tables of files: what is read from them, and each mistake in one with the words that name its place."""

import csv
import io
import json
import struct
import unicodedata
from decimal import Decimal

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support import mostly_thorough

from fhenn import artifacts
from fhenn.cli import cli
from fhenn.cli.tables import CsvFormat, Table, as_csv, read_table, write_table
from fhenn.cli.tables.header import is_header
from fhenn.errors import DataWarning, FeatureMismatch, FhennError, MissingValues, ParameterError, ShapeMismatch

UNCLEAR = "names the columns or is a sample. Give --header if it names them, --no-header if it is a sample."
SHAPE = "Correct the line: a cell is missing, or there is one too many, or a delimiter stands outside of quotes."
ONE_COLUMN = "If its commas are decimal commas, give --delimiter ';' --decimal ,. Else correct the line."
NOT_UTF8 = "t.csv is not in UTF-8: it is UTF-16, or not a text file."
UTF8 = "Save it as UTF-8 (in Excel: CSV UTF-8)."

WRONG = "t.csv has cells that are not numbers"
NUMBER = "Write a number there, or drop the row."
TEXT = "Drop a column of text, or encode it in numbers."
COMMAS = (
    "the cells of t.csv are separated by ';', and its numbers have decimal commas. Give --delimiter ';' --decimal ,."
)
DROP = "Drop or impute them first."

REFUSED = [
    (
        "crp,age\n7.61,1\n<5,2\n",
        {},
        f"{WRONG}: column 'crp' holds '<5' on line 3. {NUMBER}",
    ),
    ("a,b\n1,2\n1_000,3\n", {}, f"{WRONG}: column 'a' holds '1_000' on line 3. {NUMBER}"),
    ("a,b\n1,2\n١٢,3\n", {}, f"{WRONG}: column 'a' holds '١٢' on line 3. {NUMBER}"),
    ("a,b\n1,2\n0x1F,3\n", {}, f"{WRONG}: column 'a' holds '0x1F' on line 3. {NUMBER}"),
    ("a,b\n2,2\n1-2,3\n", {}, f"{WRONG}: column 'a' holds '1-2' on line 3. {NUMBER}"),
    (
        "a,b\nx,>2\ny,3\n",
        {},
        f"{WRONG}: column 'a' holds 'x' on line 2 and 1 more; column 'b' holds '>2' on line 2. {TEXT}",
    ),
    (
        'a,b\n1,"3,5"\n',
        {},
        f"{WRONG}: column 'b' holds '3,5' on line 2. Give --decimal , if it is a decimal comma, else remove the comma.",
    ),
    (
        'a,b\n1,"1.234,5"\n',
        {"decimal": ","},
        f"{WRONG}: column 'b' holds '1.234,5' on line 2. {TEXT}",
    ),
    ("<0.5,1,7\n5,6,8\n", {}, f"{WRONG}: column 1 holds '<0.5' on line 1. {NUMBER}"),
    (
        "a,b,c\n1,,3\nNA,n/a,3\n1,2,3\n",
        {},
        f"t.csv: values are missing or infinite in column 'a' (1: line 3), column 'b' (2: lines 2, 3). {DROP}",
    ),
    (
        "a,b\n1,inf\n1e999,2\n",
        {},
        f"t.csv: values are missing or infinite in column 'a' (1: line 3), column 'b' (1: line 2). {DROP}",
    ),
    (",0.7,2\n5,6,7\n", {}, f"t.csv: values are missing or infinite in column 1 (1: line 1). {DROP}"),
    ("NA,0.7,2\n5,6,7\n", {}, f"t.csv: values are missing or infinite in column 1 (1: line 1). {DROP}"),
    ("a\n1\n\n3\n", {}, f"t.csv: values are missing or infinite in column 'a' (1: line 3). {DROP}"),
    (
        "a,b\n1,2\n,\n3,4\n",
        {},
        f"t.csv: values are missing or infinite in column 'a' (1: line 3), column 'b' (1: line 3). {DROP}",
    ),
    ('a,b\n\n"1\n",2\n\nx,4\n', {}, f"{WRONG}: column 'a' holds 'x' on line 6. {NUMBER}"),
    (
        "a,b\r\n\r\n1,2\r\nx,4\r\n",
        {},
        f"{WRONG}: column 'a' holds 'x' on line 4. {NUMBER}",
    ),
    ("sep=,\na,b\n1,2\nx,4\n", {}, f"{WRONG}: column 'a' holds 'x' on line 4. {NUMBER}"),
    (
        "0,1,2\n5,6,7\n",
        {},
        f"t.csv: it is not clear whether line 1 (0, 1, 2) {UNCLEAR}",
    ),
    (
        ",0,1\n0,6,7\n",
        {},
        f"t.csv: it is not clear whether line 1 (, 0, 1) {UNCLEAR}",
    ),
    (",0\n0,6\n1,7\n", {}, f"t.csv: it is not clear whether line 1 (, 0) {UNCLEAR}"),
    (
        "2019,2020,2022\n5,6,7\n",
        {},
        f"t.csv: it is not clear whether line 1 (2019, 2020, 2022) {UNCLEAR}",
    ),
    (
        "40,17,5\n.5,.6,.7\n",
        {},
        f"t.csv: it is not clear whether line 1 (40, 17, 5) {UNCLEAR}",
    ),
    (
        "842302,M,17.99\n1,B,2.5\n",
        {},
        f"t.csv: it is not clear whether line 1 (842302, M, 17.99) {UNCLEAR}",
    ),
    (
        "5.1,trace,7\n1,2,3\n",
        {},
        f"t.csv: it is not clear whether line 1 (5.1, trace, 7) {UNCLEAR}",
    ),
    ("a;b\n1;2\n3;4\n", {}, "the cells of t.csv are separated by ';'. Give --delimiter ';'."),
    (
        "a;b\n1,5;2,5\n3;4\n",
        {},
        COMMAS,
    ),
    (
        "1,5;2,5\n3,5;4,5\n",
        {},
        COMMAS,
    ),
    ("a\tb\n1\t2\n", {}, "the cells of t.csv are separated by tab. Give --delimiter tab."),
    ("a b\n1 2\n", {}, "the cells of t.csv are separated by space. Give --delimiter space."),
    (
        b"\xff\xfea\x00,\x00b\x00\n\x001\x00,\x002\x00\n\x00",
        {},
        f"{NOT_UTF8} {UTF8}",
    ),
    (
        b"\x00a\x00,\x00b\x00\n\x001\x00,\x002\x00\n",
        {},
        f"{NOT_UTF8} {UTF8}",
    ),
    (b"a,gr\xf6\xdfe\n1,2\n", {}, f"t.csv is not in UTF-8: byte 0xf6 on line 1. {UTF8}"),
    ("a,b\n1,2\n3\n", {}, f"line 3 of t.csv has 1 cell, where 2 are needed. {SHAPE}"),
    ("a\n7,61\n", {}, f"line 2 of t.csv has 2 cells, where 1 is needed. {ONE_COLUMN}"),
    ("a\n7\n-7,61\n", {}, f"line 3 of t.csv has 2 cells, where 1 is needed. {ONE_COLUMN}"),
    ("a\n7\nx,61\n", {}, f"line 3 of t.csv has 2 cells, where 1 is needed. {SHAPE}"),
    (
        "a,b\n7,61,3,5\n",
        {},
        "line 2 of t.csv has 4 cells, where 2 are needed. If its commas are decimal commas, save the file with ';' "
        "between its cells and give --delimiter ';' --decimal ,. Else correct the line.",
    ),
    (
        "a,b\n1,2\n<5,3\n,4\nNA,x\n",
        {},
        f"{WRONG}: column 'a' holds '<5' on line 3; column 'b' holds 'x' on line 5. Values are missing or "
        f"infinite in column 'a' (2: lines 4, 5). {NUMBER} Drop or impute the missing ones.",
    ),
    ("a,b\n1,2,9\n3,4\n", {}, f"line 2 of t.csv has 3 cells, where 2 are needed. {SHAPE}"),
    (
        'a,b\n1,2\n"3,4\n5,6\n',
        {},
        "t.csv is not readable as CSV: unexpected end of data, in the row that starts on line 3. "
        "Look for a quotation mark that is not closed.",
    ),
    ("a,b,a\n1,2,3\n", {}, "two columns of t.csv are called 'a'. Rename one of them."),
    ("é,é\n1,2\n", {}, "two columns of t.csv are called 'é'. Rename one of them."),
    ("a,b\n,\n\n", {}, "t.csv has no rows. Give at least one sample."),
    (",,\n\n", {}, "t.csv has no rows. Give at least one sample."),
]

TAKEN = [
    ("a,b\n1,2\n3,4.5\n", {}, [[1, 2], [3, 4.5]]),
    ("0.5,7\n3,4\n", {}, [[0.5, 7], [3, 4]]),
    ("0,1,2\n5,6,7\n", {"header": True}, [[5, 6, 7]]),
    ("0,1,2\n5,6,7\n", {"header": False}, [[0, 1, 2], [5, 6, 7]]),
    ("a;b\n1,5;-2,5e3\n3;4\n", {"delimiter": ";", "decimal": ","}, [[1.5, -2500], [3, 4]]),
    ("a\n7,61\n8\n", {"delimiter": ";", "decimal": ","}, [[7.61], [8]]),
    ("a\tb\n1\t2\n", {"delimiter": "\t"}, [[1, 2]]),
    ("sep=;\na;b\n1;2\n", {}, [[1, 2]]),
    ('"sep=;"\r\na;b\r\n1;2\r\n', {}, [[1, 2]]),
    ("sep=;\na\tb\n1\t2\n", {"delimiter": "\t"}, [[1, 2]]),
    ("\ufeffa,b\n1,2\n", {}, [[1, 2]]),
    ("a,b,,\n1,2,,\n3,4,,\n,,,\n,,\n", {}, [[1, 2], [3, 4]]),
    (",,\na,b,\n1,2\n3,4,,\n", {}, [[1, 2], [3, 4]]),
    ("1.5,2,,\n3,4,,\n", {}, [[1.5, 2], [3, 4]]),
    ("a,,b\n1,,2\n", {}, [[1, 2]]),
    ("a,b\n 1 ,+2\n-.5,5.\n007,1E2\n", {}, [[1, 2], [-0.5, 5], [7, 100]]),
    ("Na,K\n140,4\n", {}, [[140, 4]]),
    ("mean radius,b c\n1,2\n", {}, [[1, 2]]),
    ('"a;b",c\n1,2\n', {}, [[1, 2]]),
    ("a,b\r1,2\r", {}, [[1, 2]]),
]


def file(tmp_path, monkeypatch, content, name="t.csv"):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return type(tmp_path)(name)


@pytest.mark.parametrize(("content", "form", "message"), REFUSED, ids=lambda each: repr(each)[:30])
def test_mistakes_are_named_with_their_place(tmp_path, monkeypatch, content, form, message):
    with pytest.raises(FhennError) as caught:
        read_table(file(tmp_path, monkeypatch, content), CsvFormat(**form)).numbers()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "content",
    [
        "350,352,354\n0.12,0.5,1\n0.2,0.1,0.3\n",
        "350,353,351\n0.12,0.5,1\n0.2,0.1,0.3\n0.4,0.2,0.7\n",
        "350.5,352.5,354.5\n0.12,0.5,1\n0.2,0.1,0.3\n",
        "350.5,353.5,354.5\n0.12,0.5,1\n0.2,0.1,0.3\n0.4,0.2,0.7\n",
        "2019\n31\n40\n",
        "2019\n0.5\n0.7\n1\n",
        "7\n0.5\n0.7\n",
        "842\n3\n4\n5\n",
    ],
)
def test_numbers_that_may_be_names_are_unclear(tmp_path, monkeypatch, content):
    path = file(tmp_path, monkeypatch, content)
    with pytest.raises(ParameterError, match=r"names the columns or is a sample\. Give --header if"):
        read_table(path)
    rows = content.count("\n")
    assert [read_table(path, CsvFormat(header=header)).rows for header in (True, False)] == [rows - 1, rows]


@pytest.mark.parametrize(
    "content",
    [
        "5.1\n4.9\n4.7\n",
        "5\n4.9\n5.1\n",
        "30\n31\n40\n45\n",
        "5,3.5\n4.9,3\n",
        "7\n7\n7\n7\n",
        "5\n",
        "2019\n2018\n2020\n",
    ],
)
def test_first_samples_are_taken_as_such(tmp_path, monkeypatch, content):
    assert read_table(file(tmp_path, monkeypatch, content)).rows == content.count("\n")


@pytest.mark.parametrize("name", mostly_thorough(["breast_cancer", "iris", "digits", "wine", "diabetes"], (1, 4)))
def test_no_false_alarm_on_ordinary_data(tmp_path, monkeypatch, name):
    """Whichever sample comes first."""
    datasets = pytest.importorskip("sklearn.datasets")
    x = getattr(datasets, f"load_{name}")().data
    cells = [[f"{value:g}" for value in row] for row in x[:150]]
    found = [is_header(cells[place], [*cells[:place], *cells[place + 1 :]][:100], [], ".") for place in range(150)]
    assert found == [False] * 150


@pytest.mark.parametrize(("content", "form", "values"), TAKEN, ids=lambda each: repr(each)[:30])
def test_what_is_read(tmp_path, monkeypatch, content, form, values):
    assert read_table(file(tmp_path, monkeypatch, content), CsvFormat(**form)).numbers().tolist() == values


@pytest.mark.parametrize(
    ("content", "features", "values"),
    [
        ("0,1,2\n5,6,7\n", ["0", "1", "2"], [[5, 6, 7]]),
        ("0,1\n5,6\n", ["0", "1"], [[5, 6]]),
        ("0\n5\n", ["0"], [[5]]),
        ("0,1,2,label\n5,6,7,8\n", ["0", "1", "2"], [[5, 6, 7]]),
        ("2022,2019,2020\n1,2,3\n", ["2019", "2020", "2022"], [[2, 3, 1]]),
        ("0,1,1\n1,0,1\n", ["0", "1", "2"], [[0, 1, 1], [1, 0, 1]]),
        ("0.5,1,7\n1,0,1\n", ["a", "b", "c"], [[0.5, 1, 7], [1, 0, 1]]),
        ("b,2019,a\n1,2,3\n", ["a", "b"], [[3, 1]]),
        ("e\u0301,b\n1,2\n", ["\u00e9"], [[1]]),
        ("\u00e9,b\n1,2\n", ["e\u0301"], [[1]]),
        ("Unnamed: 0,b\n1,2\n", ["b", "Unnamed: 0"], [[2, 1]]),
    ],
)
def test_the_first_line_against_the_features_of_a_model(tmp_path, monkeypatch, content, features, values):
    table = read_table(file(tmp_path, monkeypatch, content), expected=features)
    assert table.numbers(features).tolist() == values


@pytest.mark.parametrize(
    ("content", "features", "error"),
    [
        ("a,b\n1,2\n", ["a", "c"], FeatureMismatch),
        ("a,2019\n1,2\n", ["a", "c"], FeatureMismatch),
        ("1.5,2\n", ["a", "b", "c"], ShapeMismatch),
        ("2019,2020\n1,2\n", ["2019", "2020", "2021"], ParameterError),
        # what is no header has columns by position
        ("0,1,5\n1,0,5\n", ["1", "0"], ShapeMismatch),
        ("0,1,2,1\n5,6,7,8\n", ["0", "1", "2"], ShapeMismatch),
    ],
)
def test_other_features_are_refused(tmp_path, monkeypatch, content, features, error):
    path = file(tmp_path, monkeypatch, content)
    with pytest.raises(error):
        read_table(path, expected=features).numbers(features)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["1", "0", "-3"], [1, 0, -3]),
        (["0.5", "1.0"], [0.5, 1.0]),
        (["1E30", "1E31"], ["1E30", "1E31"]),
        (["2E1", "20"], ["2E1", "20"]),
        (["007", "7"], ["007", "7"]),
        (["2023_01", "2023_02"], ["2023_01", "2023_02"]),
        (["1", "1.0"], ["1", "1.0"]),
        (["0.50", "1.00"], ["0.50", "1.00"]),
        (["+1", "-1"], ["+1", "-1"]),
        (["-0", "1"], ["-0", "1"]),
        (["inf", "1.5"], ["inf", "1.5"]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["0.1234567890123456789", "0.5"], ["0.1234567890123456789", "0.5"]),
        (["١", "٢"], ["١", "٢"]),
        ([" yes ", "no"], ["yes", "no"]),
        (["e\u0301", "\u00e9"], ["\u00e9", "\u00e9"]),
        (["none", "mild"], ["none", "mild"]),
    ],
)
def test_labels_stay_text_unless_they_print_back_as_they_are(tmp_path, monkeypatch, cells, labels):
    text = "x,y\n" + "".join(f"{place},{cell}\n" for place, cell in enumerate(cells))
    found = read_table(file(tmp_path, monkeypatch, text), expected=["y"]).labels("y")
    assert found.tolist() == labels
    assert [type(each) for each in found.tolist()] == [type(each) for each in labels]


def test_many_digits_before_what_is_no_digit_are_no_number(tmp_path, monkeypatch):
    """A pattern that tries every place for the point between them would take minutes."""
    path = file(tmp_path, monkeypatch, f"a\n{'1' * 130_000}x\n7\n")
    with pytest.raises(ParameterError, match="column 'a' holds '1111"):
        read_table(path).numbers()


MISSING = [
    "",
    "NA",
    "N/A",
    "n/a",
    "na",
    "NaN",
    "nan",
    "NULL",
    "null",
    "None",
    "<NA>",
    "NaT",
    "#N/A",
    "#REF!",
    "#DIV/0!",
    "?",
    ".",
    " NA ",
]


@pytest.mark.parametrize("word", MISSING)
def test_missing_labels_are_refused_with_their_lines(tmp_path, monkeypatch, word):
    text = f"x,y\n1,yes\n2,{word}\n3,no\n4,{word}\n"
    with pytest.raises(MissingValues) as caught:
        read_table(file(tmp_path, monkeypatch, text)).labels("y")
    assert str(caught.value) == (
        "t.csv: values are missing or infinite in column 'y' (2: lines 3, 5). Label or drop these rows."
    )
    assert (caught.value.columns, caught.value.counts, caught.value.places) == (("column 'y'",), (2,), ("lines 3, 5",))


def test_columns_without_a_name_are_left_out_and_said(tmp_path, monkeypatch):
    path = file(tmp_path, monkeypatch, ",a,b,Unnamed: 3\n0,1,2,3\n1,3,4,9\n")
    with pytest.warns(
        DataWarning, match=r"^t.csv: column 1, column 'Unnamed: 3' are left out: they are indices or have no names\.$"
    ):
        data = read_table(path).data()
    assert data.names == ("a", "b")
    assert data.numbers().tolist() == [[1, 2], [3, 4]]


class TestParquet:
    def read(self, tmp_path, monkeypatch, table):
        parquet = pytest.importorskip("pyarrow.parquet")
        monkeypatch.chdir(tmp_path)
        if hasattr(table, "to_parquet"):
            table.to_parquet("t.parquet")
        else:
            parquet.write_table(table, "t.parquet")
        return read_table(type(tmp_path)("t.parquet"))

    @pytest.mark.parametrize("index", [None, "patient", "both"])
    def test_an_index_of_pandas_is_left_out_and_said(self, tmp_path, monkeypatch, index):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame({"a": [1.5, 2.0, 3.0], "y": ["u", "v", "u"]}, index=[5, 2, 9])
        if index == "both":
            frame.index = pandas.MultiIndex.from_tuples([(1, 5), (2, 6), (3, 7)], names=["p", "q"])
        else:
            frame.index.name = index
        table = self.read(tmp_path, monkeypatch, frame)
        assert len(table.names) > 2
        with pytest.warns(DataWarning, match="left out"):
            assert table.without("y").data().names == ("a",)
        assert table.numbers(["a"]).tolist() == [[1.5], [2.0], [3.0]]

    def test_a_plain_range_is_no_column(self, tmp_path, monkeypatch):
        pandas = pytest.importorskip("pandas")
        assert self.read(tmp_path, monkeypatch, pandas.DataFrame({"a": [1.5, 2.0]})).numbers().tolist() == [
            [1.5],
            [2.0],
        ]

    def test_decimals_and_dictionaries_are_taken(self, tmp_path, monkeypatch):
        pa = pytest.importorskip("pyarrow")
        columns = {
            "decimal": pa.array([Decimal("1.50"), Decimal("-2.25")]),
            "half": pa.array(np.array([0.5, 2.0], np.float16)),
            "dictionary": pa.array([7, 8]).dictionary_encode(),
            "truth": pa.array([True, False]),
            "class": pa.array(["u", "v"]).dictionary_encode(),
        }
        table = self.read(tmp_path, monkeypatch, pa.table(columns))
        assert table.without("class").numbers().tolist() == [[1.5, 0.5, 7, 1], [-2.25, 2, 8, 0]]
        assert table.labels("class").tolist() == ["u", "v"]
        assert table.labels("truth").tolist() == [True, False]
        assert table.labels("decimal").tolist() == ["1.50", "-2.25"]
        assert table.labels("dictionary").tolist() == [7, 8]

    def test_missing_values_are_named_by_column_and_row(self, tmp_path, monkeypatch):
        pandas, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
        frame = pandas.DataFrame(
            {"a": pandas.array([1, None, 3], "Int64"), "b": pandas.array([True, None, None], "boolean")}
        )
        with pytest.raises(MissingValues, match=r"column 'a' \(1: row 2\), column 'b' \(2: rows 2, 3\)"):
            self.read(tmp_path, monkeypatch, frame).numbers()
        with pytest.raises(MissingValues, match=r"column 'd' \(1: row 1\)"):
            self.read(tmp_path, monkeypatch, pa.table({"d": pa.array([None, Decimal("1.5")])})).numbers()
        for labels in (pandas.Categorical(["u", None, "v"]), pandas.array([1, None, 3], "Int64"), [1.5, np.nan, 2]):
            with pytest.raises(MissingValues, match=r"column 'y' \(1: row 2\)"):
                self.read(tmp_path, monkeypatch, pandas.DataFrame({"y": labels})).labels("y")

    def test_other_types_are_named(self, tmp_path, monkeypatch):
        pa = pytest.importorskip("pyarrow")
        with pytest.raises(ParameterError, match=r"column 'a' holds '\[1\]' on row 1 and 1 more"):
            self.read(tmp_path, monkeypatch, pa.table({"a": pa.array([[1], [2]])})).numbers()


WRITTEN = {
    "=1+1": "'=1+1",
    '=HYPERLINK("http://host";"x")': '\'=HYPERLINK("http://host";"x")',
    "+1+cmd|' /C calc'!A0": "'+1+cmd|' /C calc'!A0",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\tx": "'\tx",
    "\rx": "'\rx",
    "\nx": "'\nx",
    " =1": "' =1",
    "＝1": "'＝1",
    "-": "'-",
    "'=1": "''=1",
    "-1.5": "-1.5",
    "+7": "+7",
    "it's": "it's",
    "'tis": "'tis",
    "a=b": "a=b",
}


class TestFormulas:
    def test_text_is_quoted_in_cells_and_names_and_numbers_are_not(self):
        table = Table(("=n", "b"), (np.array([*WRITTEN]), -np.arange(float(len(WRITTEN)))))
        names, *rows = csv.reader(io.StringIO(as_csv(table), newline=""))
        assert names == ["'=n", "b"]
        assert [row[0] for row in rows] == [*WRITTEN.values()]
        assert [float(row[1]) for row in rows] == [-float(place) for place in range(len(rows))]

    @settings(max_examples=30)
    @given(st.lists(st.text(st.sampled_from("'=+-@\t\r\n a1,\";")).map(str.strip).filter(bool), min_size=1))
    def test_what_is_written_reads_back(self, tmp_path_factory, cells):
        path = tmp_path_factory.mktemp("round") / "t.csv"
        write_table(path, Table(("=x", "n"), (np.array([f"t{cell}" for cell in cells]), np.arange(len(cells)))))
        write_table(path, Table(("=x", "n"), (np.array(cells), np.arange(len(cells)))))
        table = read_table(path, CsvFormat(header=True))
        assert table.names == ("=x", "n")
        assert list(table.column("=x")) == cells

    def test_classes_that_are_formulas_come_back_as_labels(self, tmp_path):
        write_table(tmp_path / "t.csv", Table(("x", "y"), (np.arange(2.0), np.array(["=cmd", "-"]))))
        assert read_table(tmp_path / "t.csv").labels("y").tolist() == ["=cmd", "-"]


class TestCommands:
    """Every command that reads a table takes the options, and says how many samples before it writes."""

    def run(self, *line, code=0):
        result = CliRunner().invoke(cli, [*map(str, line)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    @pytest.fixture
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        rng = np.random.default_rng(0)
        x = rng.normal(size=(80, 3))
        rows = [f"{a:.3f};{b:.3f};{c:.3f};{'=high' if a > 0 else 'low'}".replace(".", ",") for a, b, c in x]
        (tmp_path / "t.csv").write_text("\n".join(["0;1;2;label", *rows]) + "\n")
        (tmp_path / "x.csv").write_text("\n".join(["0;1;2", *(row.rpartition(";")[0] for row in rows[:5])]) + "\n")
        return tmp_path

    def test_a_round_with_other_delimiters_and_a_header_of_numbers(self, here):
        form = ("--delimiter", ";", "--decimal", ",")
        result = self.run("train", "t.csv", "--label", "label", "--epochs", 100, *form)
        assert result.stderr == "fhenn: read t.csv: 80 samples of 3 features, 2 classes\n"
        result = self.run("plan", "--bounds-from", "x.csv", "--margin", 1, *form)
        assert result.stderr == "fhenn: read x.csv: 5 samples of 3 features\n"
        self.run("certify", "--bounds-from", "x.csv", *form)
        self.run("keygen")
        result = self.run("encrypt", "x.csv", *form)
        assert result.stderr == "fhenn: read x.csv: 5 samples of 3 features\n"
        self.run("evaluate")
        self.run("decrypt", "-o", "out.csv")
        lines = (here / "x.csv").read_text().replace(",", ".").splitlines()[1:]
        model = artifacts.model_from_bytes(artifacts.read("model.fhenn"))
        wanted = model.predict([[float(cell) for cell in line.split(";")] for line in lines]).tolist()
        assert {*wanted} == {"=high", "low"}
        assert read_table(here / "out.csv").labels("prediction").tolist() == wanted
        assert "\n'=high," in (here / "out.csv").read_text()

    def test_bounds_with_other_delimiters(self, here):
        self.run("train", "t.csv", "--label", "label", "--epochs", 2, "--delimiter", ";", "--decimal", ",")
        (here / "b.csv").write_text("feature;low;high;\n0;-1,5;1,5;\n1;-2;2;\n2;-2;2;\n")
        self.run("plan", "--bounds", "b.csv", "--delimiter", "semicolon", "--decimal", ",")
        with pytest.raises(ParameterError, match="separated by ';', and its numbers have decimal commas"):
            self.run("plan", "--bounds", "b.csv")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("feature,low,high\n0,-1,1\n1,-1,1\n0,2,3\n", r"b.csv names the feature '0' twice \(lines 2, 4\)"),
            ("feature,low,high\n0,-1,\n1,-1,1\n", r"column 'high' \(1: line 2\)"),
            ("feature,low,high\n0,-1,<2\n1,-1,1\n", "column 'high' holds '<2' on line 2"),
            ("feature,low,high\n00,-1,2\n1,-1,1\n", "b.csv has no bounds for 0"),
            ("0,-1,2\n1,-1,1\n", "b.csv has no columns feature,low,high"),
        ],
    )
    def test_bounds_that_are_none(self, here, text, message):
        self.run("train", "t.csv", "--label", "label", "--epochs", 2, "--delimiter", ";", "--decimal", ",")
        (here / "b.csv").write_text(text)
        with pytest.raises(FhennError, match=message):
            self.run("plan", "--bounds", "b.csv")

    def test_bounds_are_matched_in_nfc(self, here):
        (here / "n.csv").write_text("\u00e9,y\n" + "".join(f"{place}.5,{place % 2}\n" for place in range(20)))
        self.run("train", "n.csv", "--label", "y", "--epochs", 2)
        (here / "b.csv").write_text("feature,low,high\ne\u0301,0,20\n")
        self.run("plan", "--bounds", "b.csv")
        (here / "b.json").write_text('{"e\\u0301": [0, 20]}')
        self.run("plan", "--bounds", "b.json")
        (here / "b.json").write_text('{"e\\u0301": [0, 20], "\\u00e9": [0, 1]}')
        with pytest.raises(ParameterError, match="names a feature twice"):
            self.run("plan", "--bounds", "b.json")

    def test_one_sample_is_one(self, here):
        rows = "".join(f"{place % 7},{place % 5},{place % 3},{place % 2}\n" for place in range(20))
        (here / "many.csv").write_text(f"a,b,c,y\n{rows}")
        (here / "one.csv").write_text("a,b,c\n1,2,1\n")
        self.run("train", "many.csv", "--label", "y", "--epochs", 2)
        self.run("plan", "--bounds-from", "many.csv")
        self.run("keygen")
        result = self.run("encrypt", "one.csv")
        assert result.stderr == "fhenn: read one.csv: 1 sample of 3 features\n"
        assert "upload.fhenn: 1 sample, " in result.stdout

    @pytest.mark.parametrize("value", ["", "ab", "5", "a", '"', "\n", "."])
    def test_delimiters_that_are_none(self, here, value):
        assert (
            "must be one character" in self.run("train", "t.csv", "--label", "y", "--delimiter", value, code=2).stderr
        )

    def test_every_command_that_reads_a_table_takes_them(self, here):
        for command in ("train", "plan", "certify", "encrypt", "import"):
            text = self.run(command, "--help").stdout
            assert all(option in text for option in ("--delimiter", "--decimal", "--header / --no-header"))

    def test_import_reads_its_sample_data_so(self, here):
        onnx = pytest.importorskip("onnx")
        helper, real = onnx.helper, onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            [helper.make_node("Gemm", ["x", "w"], ["h"], transB=1), helper.make_node("Sigmoid", ["h"], ["y"])],
            "logistic",
            [helper.make_tensor_value_info("x", real, ["n", 3])],
            [helper.make_tensor_value_info("y", real, ["n", 1])],
            [helper.make_tensor("w", real, [1, 3], [1.0, -1.0, 0.5])],
        )
        onnx.save(helper.make_model(graph), "m.onnx")
        form = ("--delimiter", ";", "--decimal", ",")
        with pytest.raises(ParameterError, match=r"not clear whether line 1 \(0, 1, 2\) names"):
            self.run("import", "m.onnx", "--inputs", "x.csv", *form)
        assert not (here / "model.fhenn").exists()
        result = self.run("import", "m.onnx", "--inputs", "x.csv", *form, "--header")
        assert result.stderr == "fhenn: read x.csv: 5 samples of 3 features\n"
        result = self.run("import", "m.onnx", "--inputs", "x.csv", *form, "--no-header")
        assert result.stderr == "fhenn: read x.csv: 6 samples of 3 features, no names of columns\n"

    def test_what_training_should_not_see(self, here):
        rows = [f"{place},{place * 0.5},{'yes' if place % 2 else 'no'}" for place in range(40)]
        (here / "n.csv").write_text("\n".join(["id,a,y", *rows]) + "\n")
        found = json.loads(self.run("train", "n.csv", "--label", "y", "--epochs", 1, "--json").stdout)["columns"]
        assert [found[0][key] for key in ("name", "kind", "says")] == ["id", "left out", "numbers the rows: an id"]
        rows[3] = "3,1.5,yess"
        (here / "n.csv").write_text("\n".join([",a,y", *rows]) + "\n")
        with pytest.warns(DataWarning) as caught:
            self.run("train", "n.csv", "--label", "y", "--epochs", 1)
        assert [str(each.message) for each in caught] == [
            "n.csv: column 1 is left out: it is an index or has no name.",
            "1 of 3 classes have fewer than 5 samples: yess (1). Are they misspelt?",
        ]

    @pytest.mark.parametrize("write", ["{:.2f}", "{:.2f}0", "{:.0f}", "~{:.0f}"])
    def test_a_continuous_target_is_no_class(self, here, write):
        values = [100 * np.sin(place) for place in range(60)]
        cells = [(write if place else "{:.1f}").format(value) for place, value in enumerate(values)]
        (here / "n.csv").write_text(
            "\n".join(["a,y", *(f"{value},{cell}" for value, cell in zip(values, cells, strict=True))])
        )
        classes = "values in 60 samples"
        with pytest.raises(ParameterError, match=classes):
            self.run("train", "n.csv", "--label", "y", "--task", "classification")
        assert not (here / "model.fhenn").exists()
        if write[0] == "~":
            with pytest.raises(ParameterError, match=classes):
                self.run("train", "n.csv", "--label", "y")
        else:
            found = json.loads(self.run("train", "n.csv", "--label", "y", "--json").stdout)
            assert (found["task"], found["classes"]) == ("regression", [])
            assert found["r2_held_out"] > 0.9


def test_names_are_compared_in_nfc_to_those_of_a_model():
    table = Table(("\u00e9",), (("1",),))
    assert table.numbers([unicodedata.normalize("NFD", "\u00e9")]).tolist() == [[1.0]]


def npy(header, body=b""):
    """An NPY file of format 1.0 with a header of one's own."""
    text = header.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def described(shape, descr="'<f8'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


ODD_NPY = {
    "nothing": b"",
    "an archive": b"PK\x03\x04" + bytes(50),
    "a version that there is not": b"\x93NUMPY\x09\x00\x10\x00",
    "a header beyond the end": b"\x93NUMPY\x03\x00\xff\xff\xff\xff",
    "half a header": npy("{'descr': '<f8', 'shape': (2,"),
    "deep nesting": npy("(" * 9000),
    "a null": npy(described("(2, 2)", "'\0'")),
    "terabytes": npy(described("(1000000000000, 1000)")),
    "more than there is": npy(described("(2, 2)"), bytes(8)),
    "an overflow": npy(described("(4294967296, 4294967296)"), bytes(8)),
    "a negative size": npy(described("(-1, 2)"), bytes(64)),
    "a truth for a size": npy(described("(True, 2)"), bytes(16)),
    "a number without end": npy(described(f"({'9' * 5000}, 2)")),
    "code": npy(described("(2, 2)", "[('a', '<f8')] * 3")),
    "objects": npy(described("(2, 2)", "'|O'"), bytes(64)),
    "fields": npy(described("(2, 2)", "[('a', '<f8')]"), bytes(64)),
}


@pytest.mark.parametrize("name", ODD_NPY)
def test_odd_arrays_are_refused(name, tmp_path):
    path = tmp_path / "t.npy"
    path.write_bytes(ODD_NPY[name])
    with pytest.raises(ParameterError, match=r"NPY|samples × features"):
        read_table(path)


def test_images_in_npy_are_told_how_to_save_them(tmp_path):
    path = tmp_path / "images.npy"
    images = np.random.default_rng(0).normal(size=(2, 4, 3, 1))
    np.save(path, images)
    with pytest.raises(ParameterError, match=r"np.moveaxis\(images, -1, 1\).reshape\(len\(images\), -1\)"):
        read_table(path)
    np.save(path, np.moveaxis(images, -1, 1).reshape(len(images), -1))
    assert read_table(path).columns[5].tolist() == images[:, 1, 2, 0].tolist()


def test_an_array_of_one_axis_is_one_sample(tmp_path):
    (tmp_path / "t.npy").write_bytes(npy(described("(3,)"), np.arange(3.0).tobytes()))
    assert read_table(tmp_path / "t.npy").numbers().tolist() == [[0.0, 1.0, 2.0]]
