"""What `fhenn train` says: what it made of each column, how well models predict, and what the chosen one shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fhenn.cli.show import Grid, count_of
from fhenn.interop import ImportedModel
from fhenn.tabular import ColumnType, Data, Trial, has_trees

_MOST_COLUMNS, _MOST_CLASSES, _MOST_TOLD = 40, 8, 12
"""What is named on the terminal; the file has all of it."""
_LARGE = 100e6
"""Bytes of features from which on it is said what they take."""


def read_in_words(path: Path, data: Data, types: Sequence[ColumnType]) -> str:
    """What was read: a line."""
    samples, features = data.x.shape
    left = sum(column.kind == "left out" for column in types)
    made = len(types) - left != features
    text = f"read {path}: {count_of(samples, 'sample')} of {count_of(features, 'feature')}"
    text += f" from {count_of(len(types) - left, 'column')}" if made or left else ""
    text += f", {count_of(left, 'column')} left out" if left else ""
    text += f", {len(data.classes)} classes" if data.task == "classification" else ""
    return text + (f"; {data.x.nbytes / 1e6:,.0f} MB of memory" if data.x.nbytes >= _LARGE else "")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a table.

    label: name of the column that is predicted.
    data: what was learnt from.
    types: of the other columns.
    trials: of the kinds of models; none where nothing was held out.
    chosen: the kind of the model.
    model: as it is written.
    score: of the model on the samples that it was trained on.
    samples: how many these are.
    held_out: how many others there are.
    folds: of the cross-validation, 0 where there was none.
    """

    label: str
    data: Data
    types: Sequence[ColumnType]
    trials: Sequence[Trial]
    chosen: str
    model: ImportedModel
    score: float
    samples: int
    held_out: int
    folds: int

    @property
    def _tested(self) -> Trial | None:
        return next((trial for trial in self.trials if trial.name == self.chosen), None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        classified = self.data.task == "classification"
        tested = None if self._tested is None else self._tested.score
        return {
            "task": self.data.task,
            "kind": self.chosen,
            "samples": self.samples,
            "held_out": self.held_out,
            "folds": self.folds,
            "features": self.data.x.shape[1],
            "classes": list(self.model.reading.classes),
            "levels": self.model.cost,
            "accuracy": self.score if classified else None,
            "accuracy_held_out": tested if classified else None,
            "r2": None if classified else self.score,
            "r2_held_out": None if classified else tested,
            "trials": [{"kind": each.name, "score": each.score, "error": each.error} for each in self.trials],
            "columns": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "says": each.says,
                    "categories": list(each.categories),
                    "rare": list(each.rare),
                }
                for each in self.types
            ],
            "shown_to_clients": list(self._told(whole=True)),
        }

    def shown(self) -> Iterator[str | Grid]:
        """The same for people."""
        yield from self._columns()
        yield self._target()
        if len(self.trials) > 1:
            yield self._trials()
            best = max(self.trials, key=lambda trial: trial.score)
            why = "it does best" if best.name == self.chosen else "the simplest that is as good, but for chance"
            yield f"chosen: {self.chosen}, {why}" + ("" if has_trees() else "; trees need the extra sklearn")
        yield f"\n{self.model.summary()}\n"
        yield self._scores()
        told = self._told()
        if told:
            more = f"\n  … and {len(told) - _MOST_TOLD} more lines: `fhenn inspect` has them" * (len(told) > _MOST_TOLD)
            more += "\n  long lists are cut: `fhenn inspect --json` has all of them" * (told != self._told(whole=True))
            lines = "\n".join(f"  {line}" for line in told[:_MOST_TOLD])
            yield f"clients prepare their tables themselves, and see:\n{lines}{more}"

    def _told(self, *, whole: bool = False) -> Sequence[str]:
        return () if self.model.preparation is None else self.model.preparation.tells(whole=whole)

    def _columns(self) -> Iterator[str | Grid]:
        """A table of them, where there is more to say than that all are numbers."""
        if all(column.kind == "number" and not column.facts.missing for column in self.types):
            return
        table = Grid(box=None, pad_edge=False)
        for title in ("column", "is", ""):
            table.add_column(title)
        # what is not used first: it is what might be wrong
        order = sorted(self.types, key=lambda column: column.kind != "left out")
        for column in order[:_MOST_COLUMNS]:
            table.add_row(column.name, column.kind, column.says)
        yield table
        yield f"… and {len(order) - _MOST_COLUMNS} more columns: --json has them" if order[_MOST_COLUMNS:] else ""

    def _target(self) -> str:
        data = self.data
        if data.task == "regression":
            return f"{self.label}: a number, {data.y.min():g} to {data.y.max():g}; --task classification for classes"
        counts = np.bincount(data.y, minlength=len(data.classes))
        order = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
        shares = ", ".join(f"{data.classes[place]!s:.40} {counts[place] / len(data.y):.1%}" for place in order)
        rest = ", …" * (len(data.classes) > _MOST_CLASSES)
        return f"{self.label}: {len(data.classes)} classes, {shares}{rest}"

    def _trials(self) -> Grid:
        table = Grid(box=None, pad_edge=False)
        table.add_column("model")
        table.add_column("accuracy" if self.data.task == "classification" else "R²", justify="right")
        table.add_column("±", justify="right")
        for trial in self.trials:
            table.add_row(trial.name, self._score(trial.score), self._score(trial.error) if self.folds else "")
        return table

    def _score(self, score: float) -> str:
        return f"{score:.1%}" if self.data.task == "classification" else f"{score:.3f}"

    def _scores(self) -> str:
        """How well the model predicts."""
        classified = self.data.task == "classification"
        text = f"{'accuracy' if classified else 'R²'} {self._score(self.score)} on {count_of(self.samples, 'sample')}"
        if self._tested is not None:
            where = f"held out, in {self.folds} parts" if self.folds else f"{self.held_out} held out"
            text += f", {self._score(self._tested.score)} on {'those ' * bool(self.folds)}{where}"
        if classified:
            most = np.bincount(self.data.y).max() / len(self.data.y)
            text += f"; the most frequent class alone is {most:.1%}"
        return text
