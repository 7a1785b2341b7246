"""`fhenn compare`: a model exactly, as its twin and on ciphertexts, on the samples of a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

import fhenn
from fhenn import artifacts
from fhenn.ckks.evaluator import NATIVE, SEAL
from fhenn.cli.bounds import Floats, bounds_in, samples_with_names
from fhenn.cli.build import ACCURACY, MARGIN
from fhenn.cli.complete import TABLES, columns, files
from fhenn.cli.infer import clip_option, memory_bound, memory_option, naming
from fhenn.cli.plot import require_target
from fhenn.cli.show import FILE, as_json_option, count_of, note, progress, tell, working
from fhenn.cli.streams import Clipping
from fhenn.cli.tables import CsvFormat, csv_options
from fhenn.cli.truth import read_labelled
from fhenn.comparison import compare as compare_model
from fhenn.comparison import true_values
from fhenn.errors import ParameterError, join_first
from fhenn.figures import comparison_figure, save
from fhenn.nn import Node
from fhenn.planner import Plan
from fhenn.ranges import samples_of


@click.command()
@click.argument("model", type=FILE, shell_complete=files("model"))
@click.argument("data", type=FILE, shell_complete=files(endings=TABLES))
@click.option(
    "--label",
    "labels",
    multiple=True,
    shell_complete=columns("data"),
    help="Column with what is to be predicted, or a file of one column; once for each of several outputs.  [default: "
    "none, for how scores agree]",
)
@click.option(
    "--plan",
    "plan_file",
    type=FILE,
    shell_complete=files("plan"),
    help="The plan.  [default: as `fhenn plan --bounds-from DATA` makes it]",
)
@click.option("--accuracy", type=float, help="Of a plan that is made here, as for `fhenn plan`.  [default: 0.001]")
@click.option(
    "--evaluator",
    type=click.Choice((NATIVE.name, SEAL.name)),
    help="Of a plan that is made here, as for `fhenn plan`.",
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    help="Samples that are encrypted, spread over the table.  [default: as many as take 20 seconds, by estimate]",
)
@click.option(
    "--figure",
    type=FILE,
    help="Draw it in a file that ends in .svg, .png or .pdf too, of two classes with their ROC curves; needs the extra "
    "`plot`.",
)
@clip_option
@csv_options
@memory_option
@as_json_option
def compare(
    *,
    model: Path,
    data: Path,
    labels: tuple[str, ...],
    plan_file: Path | None,
    accuracy: float | None,
    evaluator: str | None,
    rows: int | None,
    figure: Path | None,
    clip: bool,
    csv_format: CsvFormat,
    memory_mb: int | None,
    as_json: bool,
) -> None:
    """Compare MODEL on DATA: exact, twin and encrypted.

    The exact model has the functions that polynomials stand for in its twin; both run in the clear, on all samples.
    Samples are encrypted, evaluated without the secret key and decrypted, in this process: keys are made for this alone
    and never written. Shows how well each predicts, how far they are apart, and what it takes, beside what the plan
    says. Of more than two classes the area under the ROC curve is the mean of each against the rest. DATA is a table as
    `fhenn encrypt` takes it. Ends with 1 where an error is above the plan's bound.

    \b
      fhenn compare model.fhenn records.csv --label benign
      fhenn compare model.fhenn records.csv --label benign --plan plan.fhenn
    """
    if figure is not None:
        require_target(figure)
    network = artifacts.model_from_bytes(artifacts.read_kind(model, "model"))
    plan = None if plan_file is None else artifacts.plan_from_bytes(artifacts.read_kind(plan_file, "plan"))
    given = {"--accuracy": accuracy, "--evaluator": evaluator}
    if plan is not None and any(value is not None for value in given.values()):
        named = [name for name, value in given.items() if value is not None]
        raise ParameterError(f"{plan_file} says {join_first(named)} already.", "Leave one of the two out.")
    features = None if plan is None else plan.feature_names
    values, names, truth = read_labelled(network, data, labels, csv_format, as_json, features)
    samples_of(network, samples_with_names(network, values, names), "samples")  # said before a plan is sought
    if truth is not None:
        truth = true_values(network, truth, values)
    if plan is None:
        with working(as_json, "plan"):
            plan = _plan(network, values, names, accuracy, evaluator, rows)
    clipping = Clipping(plan)
    samples = samples_with_names(network, clipping.clip(values) if clip else values, names)
    memory = None if plan.own and memory_mb is None else memory_bound(memory_mb)
    with progress(as_json) as show, naming(plan.feature_names):
        found = compare_model(network, plan, samples, truth, rows=rows, memory=memory, progress=show)
    if figure is not None:
        save(comparison_figure(found), figure)
        note(as_json, f"wrote {figure}")
    result = {"model": str(model), "data": str(data), "clipped": clipping.count, **found.to_dict()}
    if rows is None and found.sent < found.whole.samples:
        note(as_json, f"{found.sent:,} samples, spread over the table, are encrypted; --rows says how many")
    if clipping.count:
        note(as_json, f"{count_of(clipping.count, 'value')} clipped to the bounds of the plan")
    tell(as_json, result, f"{model} on {data}: {found}")
    if found.exceeded:
        click.get_current_context().exit(1)


def _plan(
    model: Node,
    values: Floats,
    names: Sequence[str] | None,
    accuracy: float | None,
    evaluator: str | None,
    rows: int | None,
) -> Plan:
    """The plan that `fhenn plan --bounds-from` makes of samples. Raises what `fhenn.plan` does."""
    bounds, samples = bounds_in(model, values, names, MARGIN)
    return fhenn.plan(
        model,
        inputs=samples,
        bounds=bounds,
        accuracy=ACCURACY if accuracy is None else accuracy,
        rows=len(values) if rows is None else min(rows, len(values)),
        evaluator=evaluator,
    )
