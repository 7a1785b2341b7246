"""What commands on streams share: how many processes, whether to go on, and a bar that moves with the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
import numpy as np

from fhenn import artifacts
from fhenn.cli.bounds import Floats, Samples
from fhenn.cli.show import count_of, say
from fhenn.cli.tables import Table, join_tables, open_writer
from fhenn.columns import prepared_table
from fhenn.interop import Preparation
from fhenn.planner import Plan
from fhenn.session.ids import Id
from fhenn.wire import kind_of

workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="How many processors to use.  [default: all]",
)

resume_option = click.option(
    "--resume", is_flag=True, help="Go on with what an earlier run of the same command left unfinished, if it did."
)


@contextmanager
def kept(output: Path | None) -> Iterator[None]:
    """Say where a file is not whole, but can go on. output: the file, None for none."""
    try:
        yield
    except BaseException as error:
        if output is not None and not artifacts.comes_again(error) and artifacts.unfinished(output).exists():
            say(f"fhenn: what is done of {output} is kept: the same command goes on with --resume.", err=True)
        raise


class Rows:
    """A bar for samples that pass by.

    show: of `progress`.
    what: is done with them.
    """

    def __init__(self, show: Callable[[str, int, int], None], what: str) -> None:
        self._show, self._what = show, what
        self.count = 0

    def pass_by(self, messages: Iterator[Any], count: Callable[[Any], int]) -> Iterator[Any]:
        """The messages, each counted by its samples once it has passed."""
        for message in messages:
            yield message
            self.count += count(message)

    def reach(self, done: int, total: int) -> None:
        """Move the bar: so much of the total is done."""
        self._show(f"{self._what} {self.count:,} samples", done, total)


class Refusals:
    """Counts the parts that were refused, among the messages of an answer that pass by."""

    def __init__(self) -> None:
        self.count = 0

    def pass_by(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        """The messages, each once it is counted."""
        for message in messages:
            self.count += kind_of(message) == "refusal"
            yield message

    def __str__(self) -> str:
        refused = count_of(self.count, "part")
        return f"; {refused} refused, which ended workers again and again" if self.count else ""


class Clipping:
    """Replaces values beyond the bounds of a plan by the nearest bound, and counts them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.count = 0

    def clip(self, values: Floats) -> Floats:
        """Samples within the bounds; as they are where they have another number of features than the plan."""
        if values.shape[1] != self._plan.features:
            return values
        inside = np.clip(values, self._plan.low, self._plan.high)
        self.count += int(np.count_nonzero(inside != values))
        return inside


def passing(
    chunks: Iterator[Samples], rows: Rows, name: Callable[[Sequence[Id]], None] = lambda ids: None
) -> Iterator[Floats]:
    """The values of samples that come in chunks, (samples, features).

    chunks: of `samples_in_chunks`.
    rows: the bar to move.
    name: is called with the ids of each chunk's samples, where they have some.
    """
    for chunk in chunks:
        if chunk.ids is not None:
            name(chunk.ids)
        yield chunk.values
        rows.reach(int(1000 * chunk.share), 1000)


def as_given(values: Iterator[Floats], preparation: Preparation | None) -> Iterator[Any]:
    """Samples as `encrypt_stream` takes them: marked as prepared, where a preparation made them.

    values: (samples, features) each.
    preparation: None for none.
    """
    return values if preparation is None else (prepared_table(each, preparation.features) for each in values)


def holds_numbers_alone(path: Path | None) -> bool:
    """Whether a table of results is NPY. path: None for one that is printed."""
    return path is not None and path.suffix.lower() == ".npy"


class Results:
    """Decrypted rows on their way into a table, part by part; as a context, the table is whole at its end.

    path: of the table; None to keep the rows.
    job: what they are made from (`artifacts.Journal`); None where no other run can go on with them.
    resume: whether to go on where there is something to go on with.
    name: puts ids beside the rows of a part, unless the file holds numbers alone; None for no ids.
    """

    def __init__(
        self,
        path: Path | None,
        job: Mapping[str, str] | None = None,
        resume: bool = False,
        name: Callable[[Table], Table] | None = None,
    ) -> None:
        self.numeric = holds_numbers_alone(path)
        self._name = name
        self.rows = 0
        self._kept: list[Table] = []
        self._path = path
        self._journal = None if path is None or job is None else artifacts.Journal(path, job, resume)
        if path is not None:
            done = 0 if self._journal is None else self._journal.size
            self._writer = open_writer(path, done, keep=self._journal is not None)

    @property
    def parts(self) -> int:
        """That are there already."""
        return 0 if self._journal is None else self._journal.parts

    @property
    def table(self) -> Table:
        """All rows, where they are kept."""
        return join_tables(self._kept)

    def append(self, table: Table) -> None:
        """Add the rows of a part. Raises OSError, and what `TableWriter.append` does."""
        self.rows += table.rows
        if self._name is not None and not self.numeric:
            table = self._name(table)
        if self._path is None:
            self._kept.append(table)
            return
        size = self._writer.append(table)
        if self._journal is not None:
            self._journal.advance(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._path is None:
            return
        with self._writer:
            if error is None:
                self._writer.finish()
        if self._journal is None:
            return
        if error is None:
            self._journal.forget()
        elif artifacts.comes_again(error) or not self.parts or not artifacts.unfinished(self._path).exists():
            self._journal.remove()
