"""What is to be predicted: classes, or a number."""

from __future__ import annotations

from typing import Literal

from fhenn.errors import CellRefused, MissingValues, ParameterError
from fhenn.tabular.candidates import Task
from fhenn.tabular.classes import is_continuous
from fhenn.tabular.survey import Facts

_NUMBERS = 0.9
"""The share of numbers from which on a label with many values is one."""


def task_of(label: Facts, wanted: Task | Literal["auto"] = "auto", operation: str = "train") -> Task:
    """Whether classes are to be predicted, or a number.

    label: what the column of labels holds.
    wanted: a task, or "auto" for a regression where the labels are numbers with too many values for classes.
    operation: the file, for errors.
    Raises MissingValues where labels are missing.
    Raises CellRefused where a regression has labels that are no numbers.
    Raises ParameterError where they are all the same.

    >>> from fhenn.tabular.survey import Survey
    >>> survey = Survey(["price", "sold"])
    >>> survey.add([[f"{price}.5" for price in range(30)], ["yes", "no"] * 15])
    >>> [task_of(label) for label in survey.facts()]
    ['regression', 'classification']
    """
    if label.missing:
        raise MissingValues(
            operation,
            label.missing,
            "Label or drop these rows.",
            (f"column {label.name!r}",),
            (label.missing,),
            (label.missing_where,),
        )
    values = label.cells
    if len(values) == 1 and not label.is_cut:
        (value,) = values
        shown = f"{value:g}" if isinstance(value, float) else repr(value)
        raise ParameterError(f"the labels are all {shown}.", "Give samples of two of them, or more.")
    task: Task = wanted if wanted != "auto" else "regression" if _is_measured(label) else "classification"
    if task == "regression":
        _require_numbers(label, operation)
    return task


def _is_measured(label: Facts) -> bool:
    numbers = label.numbers + label.counts.get("comma", 0) + label.counts.get("point", 0)
    if label.is_cut and numbers >= _NUMBERS * label.present:
        return True
    count = len(label.values) + label.counts.get("comma", 0)
    return numbers >= _NUMBERS * label.present and is_continuous(count, label.rows, whole=label.whole)


def _require_numbers(label: Facts, operation: str) -> None:
    if label.strays:
        sort, stray = min(label.strays.items(), key=lambda item: item[1].row)
        numbers = label.counts.get("comma", 0) + label.numbers >= label.present
        raise CellRefused(
            operation,
            f"column {label.name!r}",
            (stray.row,),
            stray.where,
            stray.cell,
            "it is infinite" if sort == "infinite" else "it is no number, and a regression predicts numbers",
            "Give --decimal , if it has a decimal comma, or write a number there."
            if sort == "comma" and numbers
            else "Write a number there, or drop the row; classes are predicted with --task classification.",
        )
