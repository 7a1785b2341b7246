"""`fhenn train`: from a raw table to a model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from numpy.typing import NDArray

from fhenn import artifacts
from fhenn.cli.complete import columns, files
from fhenn.cli.nodes import FITTED
from fhenn.cli.outcome import Outcome, read_in_words
from fhenn.cli.records import Labels, Records
from fhenn.cli.show import FILE, as_json_option, note, output_option, progress, tell
from fhenn.cli.tables import CsvFormat, csv_options
from fhenn.columns import normalise
from fhenn.errors import DataWarning, ParameterError
from fhenn.nn import Activation, Square
from fhenn.planner import fingerprint_of
from fhenn.tabular import (
    MIN_ROWS,
    Split,
    Task,
    candidates_of,
    choose,
    compare,
    cross_validation,
    hold_out,
    score_of,
    task_of,
    types_in,
    types_of,
)


@click.command()
@click.argument("data", type=FILE, shell_complete=files(endings=(".csv", ".parquet")))
@click.option(
    "--label",
    required=True,
    shell_complete=columns("data"),
    help="Column with what is to be predicted, for every sample.",
)
@click.option(
    "--task",
    type=click.Choice(("auto", "classification", "regression")),
    default="auto",
    show_default=True,
    help="Predict one of a few classes, or a number; auto goes by the labels.",
)
@click.option(
    "--model",
    "kind",
    type=click.Choice(("linear", "perceptron", "trees", "auto")),
    help="Kind of model: a weighted sum, a small neural network, boosted trees (extra sklearn), or the simplest of "
    "those that do best.  [default: linear, with --hidden perceptron]",
)
@click.option(
    "--drop",
    multiple=True,
    metavar="COLUMN",
    shell_complete=columns("data"),
    help="Leave a column out; repeat it for more.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    shell_complete=columns("data"),
    help="Use a column that looks like an id or free text.",
)
@click.option(
    "--category",
    multiple=True,
    metavar="COLUMN",
    shell_complete=columns("data"),
    help="Take the cells of a column as categories, numbers too.",
)
@click.option(
    "--min-rows",
    type=click.IntRange(1),
    default=MIN_ROWS,
    show_default=True,
    help="Rows that a category is in, or clients are told nothing of it: it counts as one that was never seen.",
)
@click.option(
    "--hidden",
    multiple=True,
    type=click.IntRange(1),
    help="Units of a perceptron's hidden layer; repeat it for more.",
)
@click.option(
    "--activation",
    type=click.Choice(("square", *FITTED)),
    default="square",
    show_default=True,
    help="Activation of the hidden layers.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Passes over the samples.  [default: 100; fewer for more than 10,000 samples, 10 at least]",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    help="Parts of the samples, each of which is tested by a model of the others; the model is then of all samples. "
    "Means that fill cells and lists of categories are of all samples for each of them.",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 0.9),
    help="In the place of --folds: test on this share of the samples, and train on the others alone: means that fill "
    "cells and categories are theirs too. Which columns are left out, and which are numbers, all samples say.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the parts, the weights and the order."
)
@csv_options
@output_option("model.fhenn", "the model")
@as_json_option
def train(
    *,
    data: Path,
    label: str,
    task: Task | Literal["auto"],
    kind: Literal["linear", "perceptron", "trees", "auto"] | None,
    drop: tuple[str, ...],
    keep: tuple[str, ...],
    category: tuple[str, ...],
    min_rows: int,
    hidden: tuple[int, ...],
    activation: str,
    epochs: int | None,
    folds: int,
    held_out: float | None,
    seed: int,
    csv_format: CsvFormat,
    output: Path,
    as_json: bool,
) -> None:
    """Train a model on the table DATA, in the clear.

    DATA is CSV or Parquet, as it is: numbers, categories as text, blanks, ids. One column holds what is to be
    predicted. All others are features, but for ids, constants, free text and columns without a name, which are found
    and left out. Missing numbers are filled by the mean of their column; categories become a feature each, rare ones
    one together, and those of few rows none. Numbers with leading zeros are categories. What is made of each column is
    shown and goes into the model's file, so that `fhenn encrypt` takes such raw tables too.

    \b
      fhenn train records.csv --label benign
      fhenn train patients.csv --label outcome --drop visit_date --model auto
      fhenn train houses.csv --label price --task regression --hidden 16
    """
    if data.suffix.lower() == ".npy":
        raise ParameterError(f"{data} has no column of labels: NPY holds numbers alone.", "Give CSV or Parquet.")
    drop, keep, category = (tuple(map(normalise, names)) for names in (drop, keep, category))
    node: Activation = Square() if activation == "square" else FITTED[activation]()
    candidates = candidates_of(kind or ("perceptron" if hidden else "linear"), hidden, node, epochs)
    if held_out == 0 and len(candidates) > 1:
        raise ParameterError("nothing is held out to choose a model by.", "Name one with --model, or leave --held-out.")
    records = Records(data, csv_format, label)
    with progress(as_json) as show:

        def read(share: float) -> None:
            show("read", round(share * 1000), 1000)

        target, facts = records.survey(read)
        found = task_of(target, task, str(data))
        types = types_of(facts, drop=drop, keep=keep, category=category, min_rows=min_rows, operation=str(data))
        for column in types:
            if column.doubt:
                warnings.warn(DataWarning(column.doubt), stacklevel=1)
        known: Labels | None = None
        splits: tuple[Split, ...] = ()
        if held_out is not None:
            known = records.labels(found, target.rows, read)
            splits = _held_out(known[0], held_out, seed, by_class=found == "classification")
            if splits:  # what others hold goes into nothing that is learnt
                part = records.survey_of(splits[0].train, [each.name for each in facts], read)
                types = types_in(types, part, min_rows=min_rows, operation=str(data))
        learnt, preparation = records.features(types, found, target.rows, read, known)
        note(as_json, read_in_words(data, learnt, types))
        if held_out is None:
            splits = cross_validation(learnt.y, folds, seed, by_class=found == "classification")
        trials = compare(candidates, learnt, splits, seed, progress=show) if splits else ()
        chosen = choose(trials).name if trials else candidates[0].name
        candidate = next(each for each in candidates if each.name == chosen)
        rows = splits[0].train if splits and held_out is not None else None
        fitted = candidate.fit(learnt, rows, seed, progress=lambda done, total: show(chosen, done, total))
    model = candidate.model(fitted, learnt, preparation)
    artifacts.write(output, artifacts.model_to_bytes(model))
    used = np.arange(target.rows) if rows is None else rows
    outcome = Outcome(
        label=label,
        data=learnt,
        types=types,
        trials=trials,
        chosen=chosen,
        model=model,
        score=score_of(fitted, learnt, used),
        samples=len(used),
        held_out=target.rows - len(used),
        folds=len(splits) if held_out is None else 0,
    )
    fingerprint = fingerprint_of(model)
    result = {"model": str(output), "fingerprint": fingerprint, **outcome.to_dict()}
    tell(as_json, result, *outcome.shown(), f"wrote {output} ({fingerprint})")


def _held_out(y: NDArray[Any], share: float, seed: int, *, by_class: bool) -> tuple[Split, ...]:
    """What a model is tested on; nothing where no sample is held out."""
    split = hold_out(y, share, seed, by_class=by_class)
    return (split,) if len(split.test) else ()
