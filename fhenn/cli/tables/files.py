"""Tables in files, whose kind is told by their ending."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fhenn.cli.tables.chunks import TableReader
from fhenn.cli.tables.delimited import CsvChunks, CsvFormat
from fhenn.cli.tables.npy import NpyChunks
from fhenn.cli.tables.parquet import ParquetChunks
from fhenn.cli.tables.table import Table, join_tables
from fhenn.cli.tables.writer import CsvWriter, NpyWriter, ParquetWriter, TableWriter
from fhenn.errors import ParameterError

_WRITERS: dict[str, type[TableWriter]] = {".csv": CsvWriter, ".npy": NpyWriter, ".parquet": ParquetWriter}
_AS_IT_LOOKS = CsvFormat()
_CHUNK = 1 << 22
"""Bytes of a chunk, of text or of numbers."""


def open_table(
    path: Path,
    form: CsvFormat = _AS_IT_LOOKS,
    expected: Sequence[str] | None = (),
    size: int = _CHUNK,
    image: Sequence[int] | None = None,
) -> TableReader:
    """A table in a file, to be read in chunks, in memory that does not grow with its rows.

    path: ends in .csv, .npy or .parquet.
    form: how the file is written, where it is CSV.
    expected: names of columns that are wanted, if any; a first line of numbers is recognised as names by them.
    size: of a chunk, in bytes of text or of numbers, about.
    image: the shape of a sample that is an image, (channels, height, width), as NPY holds it too; its numbers are the
    columns, in C order. None where samples are none.

    Raises ParameterError for another ending, and where the file does not hold a table, which may show in any chunk;
    ShapeMismatch where NPY holds other samples than images of the shape; ExtraMissing, OSError.
    """
    check_ending(path)
    ending = path.suffix.lower()
    file = path.open("rb")
    try:
        if ending == ".npy":
            return TableReader(None, str(path), iter(NpyChunks(path, file, size, image)), file)
        chunks = (
            CsvChunks(path, file, form, expected or (), size) if ending == ".csv" else ParquetChunks(path, file, size)
        )
        return TableReader(chunks.names, str(path), iter(chunks), file)
    except BaseException:
        file.close()
        raise


def read_table(path: Path, form: CsvFormat = _AS_IT_LOOKS, expected: Sequence[str] | None = ()) -> Table:
    """The table in a file, whole: see `open_table`."""
    with open_table(path, form, expected) as chunks:
        return join_tables([*chunks])


def open_writer(path: Path, good: int = 0, keep: bool = False) -> TableWriter:
    """A table to be written in chunks.

    path: ends in .csv, .npy or .parquet.
    good: bytes of what an earlier writer left unfinished that are right, to go on from there: what its last `append`
    returned. 0 to write the table afresh.
    keep: whether what this writer leaves unfinished stays for a later one.

    Raises ParameterError for another ending, and where the writer cannot go on; ExtraMissing, OSError.
    """
    check_ending(path)
    return _WRITERS[path.suffix.lower()](path, good, keep)


def write_table(path: Path, table: Table) -> None:
    """Write a table.

    path: ends in .csv, .npy or .parquet.
    table: of numbers only, where it is NPY.

    Raises ParameterError for another ending; ExtraMissing, OSError.
    """
    with open_writer(path) as writer:
        writer.append(table)
        writer.finish()


def check_ending(path: Path) -> None:
    """Raise ParameterError where a file name does not end as a table's does; to be called before any work is done."""
    if path.suffix.lower() not in _WRITERS:
        raise ParameterError(
            f"{path} does not have the ending of a table.", f"Give a name that ends in {', '.join(_WRITERS)}."
        )
