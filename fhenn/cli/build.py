"""`fhenn import`, `fhenn plan`: from a model from elsewhere to a model and its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click
from numpy.typing import NDArray

import fhenn
from fhenn import artifacts
from fhenn.ckks.evaluator import NATIVE, SEAL
from fhenn.cli.bounds import (
    bounds_options,
    feature_names,
    read_bounds_and_samples,
    read_inputs,
    read_named_samples,
)
from fhenn.cli.complete import SOURCES, TABLES, columns, files
from fhenn.cli.replaced import write_plan
from fhenn.cli.show import FILE, as_json_option, output_option, tell, working
from fhenn.cli.tables import CsvFormat, csv_options
from fhenn.cli.tables.cells import labels as as_labels
from fhenn.cli.truth import read_others, read_truth
from fhenn.columns import Table
from fhenn.errors import ParameterError, join_first
from fhenn.interop import ImportedModel
from fhenn.interop.conversion import truth_of
from fhenn.planner import fingerprint_of
from fhenn.planner.flooding import MOST_QUERIES
from fhenn.planner.request import LayoutWish, RangesName
from fhenn.ranges.data import MARGIN as RANGE_MARGIN

ACCURACY, MARGIN = 1e-3, 0.5
"""Of a plan, and of the bounds of data, where nothing is said."""

_TREES: Mapping[str, Callable[..., ImportedModel]] = {
    ".json": fhenn.from_xgboost,
    ".ubj": fhenn.from_xgboost,
    ".txt": fhenn.from_lightgbm,
}
"""What reads a file of trees, by its ending."""

_OF_SKLEARN = "Such a file is a program: save the model as ONNX (skl2onnx), or convert it in Python."
_OF_TORCH = "Save the model as ONNX (torch.onnx.export), or convert it in Python."
_WAYS_OUT = {
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".skops"), _OF_SKLEARN),
    **dict.fromkeys((".pt", ".pth", ".safetensors"), _OF_TORCH),
    **dict.fromkeys((".csv", ".parquet"), "It is a table: `fhenn train` makes a model of it."),
    ".fhenn": "It is a file of fhenn already: `fhenn plan` takes models, `fhenn inspect` says what it is.",
}
"""What to do with files of other endings."""


@click.command(name="import")
@click.argument("source", type=FILE, shell_complete=files(endings=SOURCES))
@click.option(
    "--inputs",
    "--data",
    "inputs",
    type=FILE,
    shell_complete=files(endings=TABLES),
    help="Sample data (CSV, NPY, Parquet) by which polynomials are chosen.",
)
@click.option(
    "--labels",
    shell_complete=columns("inputs"),
    help="What they shall be predicted as: a column of the sample data, or a file of one column.",
)
@click.option(
    "--classes",
    help="Labels in the order of the outputs, between commas, for a model that names none, as trees do.  [default: "
    "0,1,… of trees, and where several outputs have labels so, or end in a softmax]",
)
@csv_options
@click.option(
    "--accuracy",
    type=float,
    help="Largest error of each polynomial, of smooth activations where neither --agreement nor --depth is given.  "
    "[default: 0.001]",
)
@click.option(
    "--agreement",
    type=click.FloatRange(0, 1, min_open=True),
    help="The share of decisions on the data that shall be the exact model's; of a regression the R² on its "
    "outputs.  [default: 0.99; 0.995]",
)
@click.option("--depth", type=click.IntRange(1), help="Levels that the model may take; polynomials go by agreement.")
@click.option("--max-loss", type=click.FloatRange(0), help="Refuse a model that loses more accuracy (or R²) than this.")
@click.option("--rounds", type=click.IntRange(1), help="Of boosting, the first so many.  [default: the model's]")
@click.option(
    "--categories",
    help="Columns, between commas, that were of pandas' type category when LightGBM trained, where its file does not "
    "tell.",
)
@output_option("model.fhenn", "the model")
@as_json_option
def import_(
    *,
    source: Path,
    inputs: Path | None,
    labels: str | None,
    classes: str | None,
    accuracy: float | None,
    agreement: float | None,
    depth: int | None,
    max_loss: float | None,
    rounds: int | None,
    categories: str | None,
    csv_format: CsvFormat,
    output: Path,
    as_json: bool,
) -> None:
    """Import a model of ONNX, XGBoost or LightGBM.

    SOURCE is a file that ends in .onnx, which needs the extra `onnx`, or one that XGBoost saved as .json or .ubj, or
    LightGBM as .txt; neither library is needed. A network gets polynomials inside, trees stay exact. Of a network,
    sample data tell what became of every activation, and how often the model decides as the exact one does; with
    labels, the accuracy of both. Of trees, samples with labels tell the accuracy.

    \b
      fhenn import network.onnx --inputs records.csv
      fhenn import network.onnx --inputs records.csv --labels benign
      fhenn import trees.json
    """
    named = None if classes is None else as_labels([each.strip() for each in classes.split(",")])
    importer = _TREES.get(source.suffix.lower())
    score = None
    if categories is not None and importer is not fhenn.from_lightgbm:
        raise ParameterError(f"{source} is no model of LightGBM (.txt).", "Leave --categories out.")
    if importer is not None:
        choices = {"--accuracy": accuracy, "--agreement": agreement, "--depth": depth, "--max-loss": max_loss}
        given = [name for name, value in choices.items() if value is not None]
        if inputs is not None and labels is None:
            given.append("--inputs without --labels")
        if given:
            raise ParameterError(
                f"{source} holds trees, which are exact: nothing about them is chosen.",
                f"Leave {join_first(given)} out.",
            )
        columns = {} if categories is None else {"categories": [each.strip() for each in categories.split(",")]}
        with working(as_json, "import"):
            model = importer(source, classes=named, rounds=rounds, **columns)
        score = _score_of(model, inputs, labels, csv_format, as_json)
    elif source.suffix.lower() == ".onnx":
        if rounds is not None:
            raise ParameterError(f"{source} holds no boosted trees.", "Leave --rounds out.")
        sample, truth = _samples_and_labels(inputs, labels, csv_format, as_json)
        with working(as_json, "import"):
            model = fhenn.from_onnx(
                source,
                inputs=sample,
                accuracy=1e-3 if accuracy is None else accuracy,
                classes=named,
                agreement=agreement,
                depth=depth,
                labels=truth,
                max_loss=max_loss,
            )
    else:
        raise ParameterError(
            f"{source} does not have the ending of a file that is known.",
            _WAYS_OUT.get(
                source.suffix.lower(),
                "Give ONNX (.onnx), or trees as XGBoost (.json, .ubj) or LightGBM (.txt) saves them.",
            ),
        )
    artifacts.write(output, artifacts.model_to_bytes(model))
    conversion = model.conversion
    result = {
        "model": str(output),
        "fingerprint": fingerprint_of(model),
        "levels": model.cost,
        "reading": model.reading.to_fields(),
        "conversion": None if conversion is None else asdict(conversion),
        "score": score,
    }
    report = "" if conversion is None else f"{conversion}\n\n"
    if score is not None:
        report = f"{'R²' if model.is_regression else 'accuracy'} {score:.4g}\n\n"
    tell(as_json, result, f"{model.summary()}\n\n{report}wrote {output} ({result['fingerprint']})")


def _score_of(
    model: ImportedModel, inputs: Path | None, labels: str | None, form: CsvFormat, as_json: bool
) -> float | None:
    """The accuracy, or R², of a model that is exact; None without labels. Raises ParameterError, ShapeMismatch."""
    if labels is None:
        return None
    samples = _require_inputs(inputs)
    truth = read_truth(samples, [labels], form)
    scores = model.scores(read_inputs(model, samples, form, as_json))
    return model.reading.score(scores, truth_of(truth, model.reading, *scores.shape))


def _require_inputs(inputs: Path | None) -> Path:
    if inputs is None:
        raise ParameterError("--labels needs the samples that they belong to.", "Give these with --inputs.")
    return inputs


def _samples_and_labels(
    inputs: Path | None, labels: str | None, form: CsvFormat, as_json: bool
) -> tuple[Any, NDArray[Any] | None]:
    """Sample data, and their labels, of a column beside them or of a file of their own.

    Raises ParameterError where there are labels without data, or the file of labels has several columns.
    """
    if labels is None:
        return (None if inputs is None else read_named_samples(inputs, form, as_json)), None
    samples = _require_inputs(inputs)
    truth = read_truth(samples, [labels], form)
    if Path(labels).is_file():
        return read_named_samples(samples, form, as_json), truth
    values, names = read_others(samples, [labels], form, as_json)
    return (values if names is None else Table.of(names, values.T)), truth


@click.command()
@click.argument("model", type=FILE, shell_complete=files("model"), default=Path("model.fhenn"))
@bounds_options
@csv_options
@click.option(
    "--margin",
    type=click.FloatRange(0),
    default=MARGIN,
    show_default=True,
    help="Widens the bounds of --bounds-from on either side, by this share of their width.",
)
@click.option(
    "--accuracy", type=float, default=ACCURACY, show_default=True, help="Largest |decrypted - twin| of a score."
)
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
    default=RANGE_MARGIN,
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

    The client encrypts no values beyond the bounds, since nobody could see what goes wrong with them; trees need none.
    The plan tells nothing of the weights; give it to server and clients alike. Keys and uploads of another plan that it
    replaces go with it no more: a warning names them. What it costs is told by timings of this
    machine where `fhenn calibrate-machine` took them.

    \b
      fhenn plan model.fhenn --bounds-from records.csv
      fhenn plan model.fhenn --bounds bounds.csv --rows 5000
    """
    network = artifacts.model_from_bytes(artifacts.read_kind(model, "model"))
    if ranges == "data" and data is None:
        raise ParameterError("--ranges data needs data.", "Give them with --bounds-from.")
    bounds, samples_seen = read_bounds_and_samples(network, declared, data, csv_format, as_json, margin)
    with working(as_json, "plan"):
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
    orphaned = write_plan(output, artifacts.plan_to_bytes(full_plan.public(), network))
    result = {
        "plan": str(output),
        "orphaned": orphaned,
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
