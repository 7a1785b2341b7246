"""Files in CSV, and what Python reads of them."""

from __future__ import annotations

import base64
import random
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from vectors_common import given, read, suite

from fhenn.cli.tables import CsvFormat, Table
from fhenn.errors import FhennError


def cells_of(table: Table) -> list[list[Any]]:
    """The cells of each column as text."""
    return [[None if cell is None else str(cell) for cell in column] for column in table.columns]


def options_of(form: CsvFormat) -> dict[str, Any]:
    return {"delimiter": form.delimiter, "decimal": form.decimal, "header": form.header}


def table_case(content: str | bytes, options: dict[str, Any], expected: Sequence[str] = ()) -> dict[str, Any]:
    """A file, and what Python reads of it."""
    data = content if isinstance(content, bytes) else content.encode()
    form = CsvFormat(**options)
    found: dict[str, Any] = {
        "data": base64.b64encode(data).decode(),
        "options": options_of(form),
        "expected": list(expected),
    }
    try:
        table = read(data, form, expected)
    except FhennError as error:
        return found | {"error": type(error).__name__}
    found |= {
        "names": None if table.names is None else list(table.names),
        "columns": cells_of(table),
        "lines": list(table.lines or ()),
        "aside": sorted(table.aside),
    }
    return found | {"numbers": numbers_of(table, expected or None)}


def numbers_of(table: Table, features: Sequence[str] | None) -> Any:
    """The numbers of each row, or why it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            whole = [table.numbers(features)]
        except FhennError as error:
            if type(error).__name__ in ("FeatureMismatch", "ShapeMismatch"):
                return {"error": type(error).__name__}
            whole = []
        return (
            [*map(list, whole[0].tolist())]
            if whole
            else [row_numbers(table, row, features) for row in range(table.rows)]
        )


def row_numbers(table: Table, row: int, features: Sequence[str] | None) -> Any:
    columns = tuple([column[row]] for column in table.columns)
    one = Table(table.names, columns, lines=[1], decimal=table.decimal, aside=table.aside)
    try:
        return one.numbers(features)[0].tolist()
    except FhennError as error:
        return type(error).__name__


def tables() -> Iterator[dict[str, Any]]:
    """Files of all kinds, and those of fhenn's own tests."""
    tests = suite("cli/test_tables.py")
    for content, form, _ in (*tests.REFUSED, *tests.TAKEN):
        yield table_case(content, form)
    for content, features, _ in (
        *given(tests.test_the_first_line_against_the_features_of_a_model),
        *given(tests.test_other_features_are_refused),
    ):
        yield table_case(content, {}, features)
    for test in (tests.test_numbers_that_may_be_names_are_unclear, tests.test_first_samples_are_taken_as_such):
        for content in given(test):
            yield table_case(content, {})
    yield from (table_case(*each) for each in MORE_TABLES)
    for content in ("0,1,7\n5,6,8\n", "0,1,label\n5,6,x\n", "0,1,2,7\n5,6,8,9\n", "1,0,label\n5,6,x\n"):
        for features in (["0", "1"], ["0", "1", "2"], ["label"]):
            yield table_case(content, {}, features)
    for content in ("40,17\n.5,1\n3,2.5\n", "40,17\n.5,1.5\n3,2.5\n4.5,2\n", "40,17\n.5,1\n.3,2\n.4,2.5\n"):
        yield table_case(content, {})
    rng = random.Random(0)
    for _ in range(400):
        yield table_case(random_file(rng), {"header": rng.choice((None, True, False))})


MORE_TABLES: Sequence[tuple[str | bytes, dict[str, Any]]] = (
    ('a,b\n"1","2"\n"3\n4",""\n', {}),
    ('a,b\n"x""y",2\n', {}),
    ('a,b\n"x"y,2\n', {}),
    ('a,b\nx"y,2\n', {}),
    ('a,b\n"x,2\n', {}),
    ("a|b\n1|2\n", {}),
    ("a|b\n1|2\n", {"delimiter": "|"}),
    ("a;b\n1;x\n", {"delimiter": ";"}),
    ("a,b\n'=1+1,'-\n''=2,it's\n'plain,+5\n", {}),
    ("a,b\n\xa01\xa0,\u20032\n", {}),
    ("a,b\n1,2\n\n\n3,4\n", {}),
    ("a\n1\n\n\n3\n", {}),
    ("\n\na,b\n\n1,2\n", {}),
    ("a,b\n1,2\n,\n,\n3,4\n,\n", {}),
    ("a,b\r\n1,2\r\n\r\n3,4", {}),
    ("a,b\r1,2\r\r3,4\r", {}),
    ("x" * 140_000 + ",b\n1,2\n", {}),
    ('a\n"' + "y" * 131_073 + '"\n', {}),
    ('a\n"' + "y" * 131_072 + '"\n', {}),
    ("a,b\n1e400,-inf\n1e-400,Infinity\n", {}),
    ("😀,é\n日本,\U0001f600\n", {}),
    ("e\u0301,b\n1,2\n", {}),
    ("a,b\n1," + "é".encode().decode() + "\n", {}),
    ("a,b\n1,é".encode()[:-1], {}),
    ("a,b\né\xff".encode("latin-1"), {}),
    (b"a,b\n1,\xed\xa0\x80\n", {}),
    ("Unnamed: 0,a\n0,5\n1,6\n", {}),
    (",a\n0,5\n1,6\n", {}),
    (",a\n,5\n,6\n", {}),
    ("", {}),
    ("\ufeff", {}),
    ("a,b\n", {}),
    ("sep=\t\na\tb\n1\t2\n", {}),
    ("sep=;\n", {}),
    ("a,b\n1,2\n3,4,5\n", {"header": False}),
    ("1,2\n3\n", {}),
    ("1;2\n", {"delimiter": ";"}),
    ("1,5;2,5\n0,5;1\n2;3\n", {"delimiter": ";", "decimal": ","}),
)


def random_file(rng: random.Random) -> str:
    """A small file of odd parts."""
    parts = (
        "1",
        "2.5",
        "-3",
        "a",
        "b c",
        '"q"',
        '"x,y"',
        '"l\nm"',
        "",
        " ",
        "NA",
        "7,5",
        "'=1",
        "=1",
        "1e5",
        "é",
        "2019",
    )
    ends = rng.choice(("\n", "\r\n", "\r"))
    delimiter = rng.choice((",", ",", ",", ";", "\t", "|"))
    width = rng.randint(1, 4)
    lines = [
        delimiter.join(rng.choice(parts) for _ in range(width if rng.random() < 0.95 else rng.randint(0, 5)))
        for _ in range(rng.randint(1, 7))
    ]
    return rng.choice(("", "", "", "\ufeff", "sep=;\n")) + ends.join(lines) + rng.choice(("", ends))
