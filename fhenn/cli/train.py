"""`fhenn train`: from a table to a model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fhenn import artifacts
from fhenn.cli.nodes import FITTED
from fhenn.cli.show import FILE, as_json_option, count_of, note, output_option, progress, tell
from fhenn.cli.tables import CsvFormat, csv_options, read_table
from fhenn.errors import DataWarning, ParameterError
from fhenn.nn import Activation, Square
from fhenn.planner import fingerprint_of
from fhenn.tabular import require_classes, warn_of_identifiers
from fhenn.tabular import train as train_model


@click.command()
@click.argument("data", type=FILE)
@click.option("--label", required=True, help="Column with the class of every sample.")
@click.option("--hidden", multiple=True, type=click.IntRange(1), help="Units of a hidden layer; repeat it for more.")
@click.option(
    "--activation",
    type=click.Choice(("square", *FITTED)),
    default="square",
    show_default=True,
    help="Activation of the hidden layers.",
)
@click.option("--epochs", type=click.IntRange(1), default=100, show_default=True, help="Passes over the samples.")
@click.option(
    "--held-out",
    type=click.FloatRange(0, 0.9),
    default=0.25,
    show_default=True,
    help="Share of the samples that the model is tested on and not trained on.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the split, the weights and the order."
)
@csv_options
@output_option("model.fhenn", "the model")
@as_json_option
def train(
    *,
    data: Path,
    label: str,
    hidden: tuple[int, ...],
    activation: str,
    epochs: int,
    held_out: float,
    seed: int,
    csv_format: CsvFormat,
    output: Path,
    as_json: bool,
) -> None:
    """Train a classifier on the table DATA, in the clear.

    A logistic regression, or with --hidden a small network. DATA is CSV or Parquet with a column of labels, which stay
    text unless each is a number that prints back as it is written. All other columns are features, but for an index
    and columns without a name. The features are standardised, which is folded into the weights, so that the model takes
    them as they are; a penalty keeps what reaches an activation in its domain.

    \b
      fhenn train records.csv --label benign
      fhenn train records.csv --label benign --hidden 8 -o network.fhenn
    """
    if data.suffix.lower() == ".npy":
        raise ParameterError(f"{data} has no column of labels: NPY holds numbers alone.", "Give CSV or Parquet.")
    table = read_table(data, csv_format, (label,))
    features = table.without(label).data()
    x, labels = features.numbers(), require_classes(table.labels(label))
    warn_of_identifiers(x, features.names)
    shape = f"{count_of(len(x), 'sample')} of {count_of(x.shape[1], 'feature')}"
    note(as_json, f"read {data}: {shape}, {len(set(labels.tolist()))} classes")
    test, rest = _split(labels, held_out, seed)
    count = len(test)
    node: Activation = Square() if activation == "square" else FITTED[activation]()
    with progress(as_json) as show, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said above, of all samples
        model = train_model(
            x[rest],
            labels[rest],
            hidden,
            node,
            names=features.names,
            epochs=epochs,
            seed=seed,
            progress=lambda done, total: show("train", done, total),
        )
    artifacts.write(output, artifacts.model_to_bytes(model))
    result = {
        "model": str(output),
        "fingerprint": fingerprint_of(model),
        "samples": len(rest),
        "held_out": count,
        "features": x.shape[1],
        "classes": list(model.reading.classes),
        "levels": model.cost,
        "accuracy": model.score(x[rest], labels[rest]),
        "accuracy_held_out": model.score(x[test], labels[test]) if count else None,
    }
    tested = f", {result['accuracy_held_out']:.1%} on {count} held out" if count else ""
    text = (
        f"{model.summary()}\n\naccuracy {result['accuracy']:.1%} on {count_of(len(rest), 'sample')}{tested}\n"
        f"wrote {output} ({result['fingerprint']})"
    )
    tell(as_json, result, text)


def _split(labels: NDArray[Any], held_out: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the samples that are held out, and of the others, which have one of every class at least."""
    order = np.random.default_rng(seed).permutation(len(labels))
    count = round(held_out * len(labels))
    trained_on = set(labels[order[count:]].tolist())
    needed = []  # a class that the model has never seen is one that it cannot answer
    for place in order[:count]:
        if labels[place] not in trained_on:
            trained_on.add(labels[place])
            needed.append(place)
    test = order[:count][~np.isin(order[:count], needed)]
    return test, np.concatenate([order[count:], np.array(needed, dtype=np.intp)])
