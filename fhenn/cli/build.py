"""`fhenn train`, `fhenn import`, `fhenn plan`: from data, or a model from elsewhere, to a model and its plan."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from numpy.typing import NDArray

import fhenn
from fhenn import artifacts
from fhenn.ckks.evaluator import NATIVE, SEAL
from fhenn.cli.bounds import bounds_options, feature_names, read_bounds_and_samples, read_named_samples
from fhenn.cli.nodes import FITTED
from fhenn.cli.show import FILE, as_json_option, count_of, note, output_option, progress, tell
from fhenn.cli.tables import CsvFormat, csv_options, read_table
from fhenn.cli.tables.cells import labels as as_labels
from fhenn.columns import Table
from fhenn.errors import DataWarning, ParameterError
from fhenn.nn import Activation, Square
from fhenn.planner import fingerprint_of
from fhenn.planner.flooding import MOST_QUERIES
from fhenn.planner.request import LayoutWish, RangesName
from fhenn.ranges.data import MARGIN
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


@click.command(name="import")
@click.argument("source", type=FILE)
@click.option(
    "--inputs", "--data", "inputs", type=FILE, help="Sample data (CSV, NPY, Parquet) by which polynomials are chosen."
)
@click.option("--labels", help="What they shall be predicted as: a column of the sample data, or a file of one column.")
@click.option(
    "--classes",
    help="Labels in the order of the outputs, between commas, for a network that names none.  [default: 0,1,… where "
    "several outputs have labels so, or end in a softmax]",
)
@csv_options
@click.option(
    "--accuracy",
    type=float,
    default=1e-3,
    show_default=True,
    help="Largest error of each polynomial, of smooth activations where neither --agreement nor --depth is given.",
)
@click.option(
    "--agreement",
    type=click.FloatRange(0, 1, min_open=True),
    help="The share of decisions on the data that shall be the exact model's; of a regression the R² on its "
    "outputs.  [default: 0.99; 0.995]",
)
@click.option("--depth", type=click.IntRange(1), help="Levels that the model may take; polynomials go by agreement.")
@click.option("--max-loss", type=click.FloatRange(0), help="Refuse a model that loses more accuracy (or R²) than this.")
@output_option("model.fhenn", "the model")
@as_json_option
def import_(
    *,
    source: Path,
    inputs: Path | None,
    labels: str | None,
    classes: str | None,
    accuracy: float,
    agreement: float | None,
    depth: int | None,
    max_loss: float | None,
    csv_format: CsvFormat,
    output: Path,
    as_json: bool,
) -> None:
    """Import a model from ONNX, with polynomials inside.

    SOURCE is a file that ends in .onnx. Needs the extra `onnx`. With sample data it tells what became of every
    activation, and how often the model decides as the exact one does; with labels, the accuracy of both.

    \b
      fhenn import network.onnx --inputs records.csv
      fhenn import network.onnx --inputs records.csv --labels benign
    """
    if source.suffix.lower() != ".onnx":
        raise ParameterError(
            f"{source} does not have the ending of an ONNX file.", "Export the model to one that ends in .onnx."
        )
    sample, truth = _samples_and_labels(inputs, labels, csv_format, as_json)
    model = fhenn.from_onnx(
        source,
        inputs=sample,
        accuracy=accuracy,
        classes=None if classes is None else as_labels([each.strip() for each in classes.split(",")]),
        agreement=agreement,
        depth=depth,
        labels=truth,
        max_loss=max_loss,
    )
    artifacts.write(output, artifacts.model_to_bytes(model))
    conversion = model.conversion
    result = {
        "model": str(output),
        "fingerprint": fingerprint_of(model),
        "levels": model.cost,
        "reading": model.reading.to_fields(),
        "conversion": None if conversion is None else asdict(conversion),
    }
    report = "" if conversion is None else f"{conversion}\n\n"
    tell(as_json, result, f"{model.summary()}\n\n{report}wrote {output} ({result['fingerprint']})")


def _samples_and_labels(
    inputs: Path | None, labels: str | None, form: CsvFormat, as_json: bool
) -> tuple[Any, NDArray[Any] | None]:
    """Sample data, and their labels, of a column beside them or of a file of their own.

    Raises ParameterError where there are labels without data, or the file of labels has several columns.
    """
    if labels is None:
        return (None if inputs is None else read_named_samples(inputs, form, as_json)), None
    if inputs is None:
        raise ParameterError("--labels needs the samples that they belong to.", "Give these with --inputs.")
    if not Path(labels).is_file():
        if inputs.suffix.lower() == ".npy":
            raise ParameterError(
                f"there is no file {labels}, and {inputs} has no columns with names.", "Give labels in a file."
            )
        table = read_table(inputs, form, (labels,))
        features = table.without(labels).data()
        values, names = features.numbers(), features.names
        note(as_json, f"read {inputs}: {count_of(len(values), 'sample')} of {count_of(values.shape[1], 'feature')}")
        return (values if names is None else Table.of(names, values.T)), table.labels(labels)
    table = read_table(Path(labels), form, None).data()
    if len(table.columns) != 1:
        raise ParameterError(
            f"{labels} has {len(table.columns)} columns.", "Give a file of labels alone, or the name of a column."
        )
    return read_named_samples(inputs, form, as_json), replace(table, names=("labels",)).labels("labels")


@click.command()
@click.argument("model", type=FILE, default=Path("model.fhenn"))
@bounds_options
@csv_options
@click.option(
    "--margin",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    help="Widens the bounds of --bounds-from on either side, by this share of their width.",
)
@click.option("--accuracy", type=float, default=1e-3, show_default=True, help="Largest |decrypted - twin| of a score.")
@click.option(
    "--relative/--absolute",
    default=None,
    help="An accuracy relative to how the outputs vary, or in their own unit. Relative for a regression.",
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    help="Samples that one upload will hold.  [default: as many as --bounds-from has, else 1]",
)
@click.option(
    "--layout",
    type=click.Choice(("auto", "latency", "throughput")),
    default="auto",
    show_default=True,
    help="Whole samples in a ciphertext, for few of them; a feature in each, for thousands; or what is cheapest.",
)
@click.option("--samples", type=click.IntRange(1), help="Samples that share ciphertexts.  [default: the cheapest]")
@click.option("--upload", type=click.IntRange(1), help="Ciphertexts per sample, at most.  [default: the cheapest]")
@click.option("--max-upload-mb", type=click.FloatRange(0, min_open=True), help="Refuse larger uploads.")
@click.option(
    "--max-memory-mb", type=click.FloatRange(0, min_open=True), help="Refuse what takes more memory, by estimate."
)
@click.option("--max-keys-mb", type=click.FloatRange(0, min_open=True), help="Refuse larger evaluation keys.")
@click.option(
    "--ranges",
    type=click.Choice(get_args(RangesName)),
    default="auto",
    show_default=True,
    help="What comes to activations: the worst that the bounds allow, or what the data of --bounds-from brings; auto "
    "is the worst where that meets the accuracy, else the data.",
)
@click.option(
    "--range-margin",
    type=click.FloatRange(1),
    default=MARGIN,
    show_default=True,
    help="How many times wider than the data ranges are.",
)
@click.option(
    "--witness/--no-witness",
    default=None,
    help="Plan for witnesses, which show values that leave a domain or a range; by default where ranges are data's.",
)
@click.option(
    "--evaluator",
    type=click.Choice((NATIVE.name, SEAL.name)),
    help="What will compute: it decides the keys and the error.  [default: native where it is installed, else seal]",
)
@click.option(
    "--public-key", is_flag=True, help="Let clients encrypt with the public key alone (`fhenn encrypt --public-key`)."
)
@click.option(
    "--queries",
    type=click.IntRange(0, MOST_QUERIES),
    default=0,
    show_default=True,
    help="Samples whose results may be shared under a key (`fhenn decrypt --share`), with the accuracy after that.",
)
@output_option("plan.fhenn", "the plan")
@as_json_option
def plan(
    *,
    model: Path,
    declared: Path | None,
    data: Path | None,
    margin: float,
    accuracy: float,
    relative: bool | None,
    rows: int | None,
    layout: LayoutWish,
    samples: int | None,
    upload: int | None,
    max_upload_mb: float | None,
    max_memory_mb: float | None,
    max_keys_mb: float | None,
    ranges: RangesName,
    range_margin: float,
    witness: bool | None,
    evaluator: str | None,
    public_key: bool,
    queries: int,
    csv_format: CsvFormat,
    output: Path,
    as_json: bool,
) -> None:
    """Choose parameters for MODEL, at 128-bit security.

    The client encrypts no values beyond the bounds, since nobody could see what goes wrong with them. The plan tells
    nothing of the weights; give it to server and clients alike. What it costs is told by timings of this machine
    where `fhenn calibrate-machine` took them.

    \b
      fhenn plan model.fhenn --bounds-from records.csv
      fhenn plan model.fhenn --bounds bounds.csv --rows 5000
    """
    network = artifacts.model_from_bytes(artifacts.read_kind(model, "model"))
    if ranges == "data" and data is None:
        raise ParameterError("--ranges data needs data.", "Give them with --bounds-from.")
    bounds, samples_seen = read_bounds_and_samples(network, declared, data, csv_format, as_json, margin)
    full_plan = fhenn.plan(
        network,
        inputs=samples_seen,
        bounds=bounds,
        accuracy=accuracy,
        relative=relative,
        layout=layout,
        rows=rows,
        ranges=ranges,
        margin=range_margin,
        upload=upload,
        samples=samples,
        witness=witness,
        queries=queries,
        evaluator=evaluator,
        public_key=public_key,
        max_upload=None if max_upload_mb is None else max_upload_mb * 1e6,
        max_memory=None if max_memory_mb is None else max_memory_mb * 1e6,
        max_keys=None if max_keys_mb is None else max_keys_mb * 1e6,
    )
    artifacts.write(output, artifacts.plan_to_bytes(full_plan.public(), network))
    result = {
        "plan": str(output),
        "model": fingerprint_of(network),
        "parameters": asdict(full_plan.parameters),
        "layout": full_plan.layout_name,
        "evaluator": full_plan.evaluator,
        "rotations": len(full_plan.rotations),
        "witnesses": len(full_plan.witnesses),
        "ranges": None if full_plan.ranges is None else asdict(full_plan.ranges),
        "queries": full_plan.queries,
        "error": full_plan.error,
        "errors": list(full_plan.errors),
        "distance": full_plan.distance,
        "features": feature_names(network),
        "bytes_of_keys": full_plan.bytes_of_keys,
        "bytes_per_ciphertext": full_plan.bytes_per_ciphertext,
        "ciphertexts_per_sample": full_plan.ciphertexts_per_sample,
        "samples_per_ciphertext": full_plan.samples_per_ciphertext,
        "rows": full_plan.rows,
        "cost": asdict(full_plan.cost()),
    }
    compared = full_plan.comparison
    if compared is not None:
        result["alternatives"] = [asdict(each) for each in compared.alternatives]
        result["reason"] = compared.reason
    tell(as_json, result, f"{full_plan}\n\n{compared}\n\nwrote {output}")
