"""`--id`: what samples are called, carried around the encryption and put back beside the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from fhenn import artifacts
from fhenn.cli.complete import columns, files
from fhenn.cli.show import FILE
from fhenn.cli.tables import Table
from fhenn.columns import normalise
from fhenn.errors import ParameterError
from fhenn.session import Receipt
from fhenn.session.ids import Id, IdsOfParts, IdsOfRows, IdsOfUpload
from fhenn.wire import kind_of

id_option = click.option(
    "--id",
    "id_column",
    metavar="COLUMN",
    shell_complete=columns("data"),
    help="Column that names the samples: not encrypted, put back beside results.",
)


def ids_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--ids and --no-ids."""
    command = click.option("--no-ids", is_flag=True, help="Leave the ids of samples out.")(command)
    return click.option(
        "--ids",
        "ids_file",
        type=FILE,
        shell_complete=files("ids"),
        help="Ids of the samples, as `fhenn encrypt --id` wrote them.  [default: those beside the receipt, if any]",
    )(command)


def ids_beside(file: Path) -> Path:
    """The file for the ids of an upload: `upload.ids.fhenn` for `upload.fhenn` and for `upload.receipt.fhenn`."""
    suffix = "" if file.suffix == ".receipt" else file.suffix  # of a receipt of `upload`
    return file.with_name(f"{file.stem.removesuffix('.receipt')}.ids{suffix}")


def require_apart(column: str, features: Sequence[str] | None, results: Sequence[str]) -> None:
    """Require that a column of ids is no feature, and is not called as what is put beside it.

    column: its name.
    features: names of what is encrypted, None where they have none.
    results: names of the columns of results.

    Raises ParameterError.
    """
    if normalise(column) in map(normalise, features or ()):
        raise ParameterError(
            f"column {column!r} is a feature of the model, so that it would be encrypted.",
            "Give a column that the model does not use, or train the model without it.",
        )
    if column in results:
        raise ParameterError(
            f"the results have a column {column!r} too, beside which no ids of that name can stand.",
            "Rename the column of ids in the table.",
        )


class IdsKept:
    """The ids of an upload on their way to a file beside its receipt; as a context, nothing is left without `finish`.

    path: of the file, which its owner alone can read.
    column: what the ids are called.

    Raises what `artifacts.PrivateFile` does.
    """

    def __init__(self, path: Path, column: str) -> None:
        self._file = artifacts.PrivateFile(path, "ids")
        self._ids = IdsOfUpload(column, self._file.append)

    def add(self, ids: Iterable[Id]) -> None:
        """Add the ids of rows that were read. Raises OSError."""
        self._ids.add(ids)

    def pass_by(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        """The parts of the upload, each noted once it has passed. Raises WireFormatError, OSError."""
        for part in parts:
            yield part
            self._ids.part(part)

    def finish(self) -> None:
        """Give the file its name. Raises WireFormatError, OSError."""
        self._ids.finish()
        self._file.finish()

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, traceback)


def remove_ids(path: Path) -> None:
    """Remove the ids of an upload that there was before under the same name; a file of another kind stays."""
    try:
        with path.open("rb") as file:
            found = kind_of(file.read(artifacts.MOST_OF_HEADER))
    except FileNotFoundError:
        return
    if found == "ids":
        path.unlink(missing_ok=True)


class IdsOfFile:
    """The ids beside a receipt, all of them checked: for the results of one part after another.

    path: of the file.
    receipt: of the upload that they must be of.

    `column` is what they are called, `state` tells that the file is still the one that it was.

    Raises FileMissing, WrongKind, WireFormatError, IdsMismatch, OSError.
    """

    def __init__(self, path: Path, receipt: Receipt) -> None:
        self._path, self._receipt = path, receipt
        for part in self._parts():
            self.column = part.column
        self.state = artifacts.file_state(path)
        self._next = self._parts()

    def _parts(self) -> IdsOfParts:
        return IdsOfParts(artifacts.read_messages(self._path, "ids"), self._receipt)

    def skip(self, parts: int) -> None:
        """Leave out those of so many parts. Raises as they did at first."""
        for _ in range(parts):
            next(self._next)

    def beside(self, table: Table) -> Table:
        """The results of the next part with its ids as the first column. Raises as they did at first."""
        return _with_ids(table, self.column, next(self._next).ids)


def ids_of(file: Path | None, receipt_file: Path, receipt: Receipt | None) -> IdsOfFile | None:
    """The ids of an upload; None where there are none.

    file: that was asked for, None for the one beside the receipt, if there is one.
    receipt_file: the file of the receipt, or of the upload.
    receipt: of the upload, None where nobody has it.

    Raises ParameterError where ids were asked for without a receipt, and what `IdsOfFile` does.
    """
    if receipt is None and file is not None:
        raise ParameterError("ids are told by the receipt of their upload.", "Give --receipt.")
    path = ids_beside(receipt_file) if file is None else file
    if receipt is None or (file is None and not path.exists()):
        return None
    return IdsOfFile(path, receipt)


class IdsInMemory:
    """The ids of rows that were read, for results that come back while others are read.

    column: what the ids are called.
    """

    def __init__(self, column: str) -> None:
        self.column, self._rows = column, IdsOfRows()

    def add(self, ids: Iterable[Id]) -> None:
        """Add the ids of rows that were read."""
        self._rows.add(ids)

    def beside(self, table: Table) -> Table:
        """The next results with their ids as the first column."""
        return _with_ids(table, self.column, self._rows.take(table.rows))


def _with_ids(table: Table, column: str, ids: Sequence[Id]) -> Table:
    return Table((column, *(table.names or ())), (ids, *table.columns))
