"""`TableReader`: the rows of a file, in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Self

from fhenn.cli.tables.table import Table


class TableReader(Iterator[Table]):
    """The rows of a file in chunks, each a table of its own with all columns; at least one.

    Close it, or use it in a `with`: it holds the file open.

    names: of the columns, None where the file has none.
    source: the file, for errors.
    chunks: each with the share of the file that is read after it.
    file: that they are read from.

    `share` is that of the file which was read, from 0 to 1, and `rows` how many rows were. `next` raises what
    `read_table` does.
    """

    def __init__(
        self, names: tuple[str, ...] | None, source: str, chunks: Iterator[tuple[Table, float]], file: BinaryIO
    ) -> None:
        self.names, self.source = names, source
        self._chunks, self._file = chunks, file
        self.share, self.rows = 0.0, 0

    def __next__(self) -> Table:
        try:
            table, self.share = next(self._chunks)
        except StopIteration:
            self.share = 1.0  # what is left of the file is empty
            raise
        table = replace(table, first=self.rows)
        self.rows += table.rows
        return table

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
