"""`fhenn certify`: what holds for a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

import fhenn
from fhenn import artifacts
from fhenn.cli.bounds import bounds_options, read_bounds, read_inputs
from fhenn.cli.complete import files
from fhenn.cli.show import FILE, as_json_option, note, tell, working
from fhenn.cli.tables import CsvFormat, csv_options


@click.command()
@click.argument("model", type=FILE, shell_complete=files("model"), default=Path("model.fhenn"))
@bounds_options
@csv_options
@click.option(
    "--plan",
    "plan_file",
    type=FILE,
    shell_complete=files("plan"),
    help="For encrypted inference with this plan; also gives its bounds. Where no bounds are named either: plan.fhenn "
    "beside MODEL.",
)
@click.option("--output", "-o", type=FILE, help="File for the certificate: .json as text, else as a fhenn file.")
@as_json_option
def certify(
    *,
    model: Path,
    declared: Path | None,
    data: Path | None,
    plan_file: Path | None,
    csv_format: CsvFormat,
    output: Path | None,
    as_json: bool,
) -> None:
    """Certify what holds for every input of MODEL in bounds.

    Prints what every activation can reach, how far an answer can be off the exact model, and from which margin a
    decision is certain. Ends with 1 where an activation may leave its domain. With --bounds-from it holds for inputs
    between the least and the largest values of the data only. The plan beside MODEL is taken where no bounds are named.

    \b
      fhenn certify
      fhenn certify model.fhenn --bounds bounds.csv -o certificate.json
      fhenn certify model.fhenn --plan plan.fhenn
    """
    network = artifacts.model_from_bytes(artifacts.read_kind(model, "model"))
    beside = model.with_name("plan.fhenn")
    if plan_file is None and declared is None and data is None and beside.exists():
        plan_file = beside
        note(as_json, f"for the bounds of {beside}, on ciphertexts; --bounds or --bounds-from for others")
    plan = None if plan_file is None else artifacts.plan_from_bytes(artifacts.read_kind(plan_file, "plan"))
    bounds: Any = None
    inputs: Any = None
    if data is not None and declared is None:
        inputs = read_inputs(network, data, csv_format, as_json)
    elif plan is None or declared is not None:  # else those of the plan
        bounds = read_bounds(network, declared, data, csv_format, as_json)
    with working(as_json, "certify"):
        certificate = fhenn.certify(network, bounds, plan, inputs=inputs)
    if output is not None:
        as_text = output.suffix.lower() == ".json"
        artifacts.write(
            output, certificate.to_json().encode() if as_text else artifacts.certificate_to_bytes(certificate)
        )
    result = json.loads(certificate.to_json()) | {
        "valid": certificate.valid,
        "total": certificate.total,
        "margin": certificate.margin,
    }
    tell(as_json, result, str(certificate) + (f"\n\nwrote {output}" if output else ""))
    if not certificate.valid:
        click.get_current_context().exit(1)
