"""`fhenn plot roc`, `calibration`, `placement`, `levels`: a model, and how a plan runs it, in a picture."""

from __future__ import annotations

from pathlib import Path

import click

import fhenn
from fhenn import artifacts, figures
from fhenn.cli.bounds import read_inputs, samples_with_names
from fhenn.cli.complete import TABLES, columns, files
from fhenn.cli.infer import plan_option
from fhenn.cli.plot import finish, output_option, plot, require_target
from fhenn.cli.show import FILE
from fhenn.cli.tables import CsvFormat, csv_options
from fhenn.cli.truth import read_labelled
from fhenn.comparison import in_the_clear, ranking, true_values
from fhenn.errors import ParameterError
from fhenn.interop import ImportedModel
from fhenn.nn import Node
from fhenn.planner import Plan
from fhenn.ranges import samples_of

__all__ = ["plot"]


@plot.command()
@click.argument("model", type=FILE, shell_complete=files("model"))
@click.argument("data", type=FILE, shell_complete=files(endings=TABLES))
@click.option(
    "--label",
    required=True,
    shell_complete=columns("data"),
    help="Column with the class of each sample, or a file of one column.",
)
@csv_options
@output_option
def roc(*, model: Path, data: Path, label: str, csv_format: CsvFormat, output: Path | None) -> None:
    """Draw how well MODEL tells two classes apart on DATA.

    The curves are those of the exact model and of its twin, both in the clear. `fhenn compare --figure` draws that of
    decrypted scores beside them. Positive is the second of the model's classes.

    \b
      fhenn plot roc model.fhenn records.csv --label benign -o roc.svg
    """
    require_target(output)
    network = _read(model)
    reading = network.reading if isinstance(network, ImportedModel) else None
    if reading is None or reading.task != "classification" or len(reading.classes) != 2:
        raise ParameterError(
            f"{model} does not tell two classes apart.", "See with `fhenn compare` how well it predicts."
        )
    values, names, truth = read_labelled(network, data, (label,), csv_format, as_json=False)
    values = samples_of(network, samples_with_names(network, values, names), "samples")
    positive = true_values(network, truth, values) == reading.classes[1]
    plain = in_the_clear(network, values)
    named = {"exact": plain.exact, "twin": plain.twin} if plain.exact is not plain.twin else {"exact": plain.exact}
    curves = {name: ranking(reading, scores) for name, scores in named.items() if scores is not None}
    scored = {name: curve for name, curve in curves.items() if curve is not None}
    if not scored:
        raise ParameterError(
            f"{model} decides, and has no scores that rank samples.", "See `fhenn compare` for others."
        )
    finish(figures.roc_figure(positive, scored, positive=str(reading.classes[1])), output)


@plot.command()
@click.argument("model", type=FILE, shell_complete=files("model"))
@click.argument("data", type=FILE, shell_complete=files(endings=TABLES))
@csv_options
@output_option
def calibration(*, model: Path, data: Path, csv_format: CsvFormat, output: Path | None) -> None:
    """Draw what DATA bring to the activations of MODEL.

    A panel for each activation: bars are where its inputs are, the band is the domain of its polynomial, red zones are
    where a class flips, dashed lines the domain that would hold the inputs.

    \b
      fhenn plot calibration model.fhenn records.csv -o calibration.svg
    """
    require_target(output)
    network = _read(model)
    finish(
        figures.calibration_figure(fhenn.calibrate(network, read_inputs(network, data, csv_format, as_json=False))),
        output,
    )


@plot.command()
@click.argument("model", type=FILE, shell_complete=files("model"), default=Path("model.fhenn"))
@plan_option
@click.option("--layer", type=click.IntRange(1), default=1, show_default=True, help="Which of its maps.")
@output_option
def placement(*, model: Path, plan_file: Path, layer: int, output: Path | None) -> None:
    """Draw which slot holds which value, before and after a layer.

    For a plan that packs whole samples in a ciphertext. Of a MODEL of images a channel has a colour, and its maps of
    images are counted; grey slots hold nothing. Maps that run as one count as one.

    \b
      fhenn plot placement model.fhenn --layer 2 -o placement.svg
    """
    require_target(output)
    finish(figures.placement_figure(_plan(plan_file), _read(model), layer - 1), output)


@plot.command()
@click.argument("model", type=FILE, shell_complete=files("model"), default=Path("model.fhenn"))
@plan_option
@output_option
def levels(*, model: Path, plan_file: Path, output: Path | None) -> None:
    """Draw what each node of MODEL takes of a plan's levels.

    Beside it the bits of the modulus that are left, which of them the scale takes, and the bound on the error so far.

    \b
      fhenn plot levels model.fhenn --plan plan.fhenn -o levels.svg
    """
    require_target(output)
    finish(figures.levels_figure(_plan(plan_file), _read(model)), output)


def _read(model: Path) -> Node:
    return artifacts.model_from_bytes(artifacts.read_kind(model, "model"))


def _plan(plan_file: Path) -> Plan:
    return artifacts.plan_from_bytes(artifacts.read_kind(plan_file, "plan"))
