"""`fhenn …`: every command is one call into the library and a way to show its result."""

from __future__ import annotations

import click

from fhenn import __version__
from fhenn.cli.approx import approx
from fhenn.cli.batch import batch
from fhenn.cli.build import import_, plan
from fhenn.cli.calibration import calibrate_machine
from fhenn.cli.compare import compare
from fhenn.cli.completion import completion
from fhenn.cli.examine import certify
from fhenn.cli.infer import decrypt, encrypt, evaluate, keygen
from fhenn.cli.info import info
from fhenn.cli.inspection import inspect
from fhenn.cli.plot_model import plot
from fhenn.cli.predict import fetch, predict
from fhenn.cli.serve import model, serve, token
from fhenn.cli.show import Grid, as_json_option, progress, tell
from fhenn.cli.train import train
from fhenn.demo import Report, run
from fhenn.demo.job import PHASES


class _InOrder(click.Group):
    """Commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, as they were added."""
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fhenn")
def cli() -> None:
    """Neural-network layers, the sigmoid first, under homomorphic encryption.

    Start with `fhenn demo`. On files of your own, the client's steps marked with *:

    \b
      fhenn train records.csv --label benign    model.fhenn
      fhenn plan --bounds-from records.csv      plan.fhenn
    * fhenn keygen                              secret.fhenn, keys.fhenn
    * fhenn encrypt records.csv                 upload.fhenn
      fhenn evaluate                            answer.fhenn
    * fhenn decrypt -o predictions.csv

    With a model at a service, `fhenn fetch` and `fhenn predict` take the place of plan and evaluate.

    \b
    Exit codes:
        0  done
        1  done, and the answer is no: values left a domain (decrypt), the
           certificate is not valid (certify), a file is damaged (inspect)
        2  not done: a mistake, or something is missing; one line says what
        3  not done: a fault in fhenn
      130  stopped by Ctrl-C
    With --json an error is an object on standard output, {"error": its kind,
    "message": a sentence, "data": its details}, with the same exit code.
    """


@cli.command()
@click.option("--seed", type=click.IntRange(min=0), default=2, show_default=True, help="Seed of split and training.")
@as_json_option
def demo(seed: int, as_json: bool) -> None:
    """Score encrypted medical records without seeing them.

    \b
    On the Wisconsin diagnostic breast cancer data, which ships with the package:
      1. train    a logistic regression (Linear, Sigmoid) on plaintext records
      2. keys     choose CKKS parameters from the model's cost, make keys
      3. encrypt  143 held-out records, on the client's side
      4. evaluate the model on ciphertexts, without the secret key, on the server
      5. decrypt  the scores, on the client's side

    Then compare: the exact sigmoid, the twin (the same cubic on plaintext) and what the ciphertexts hold.
    Takes a few seconds and needs no network.
    """
    with progress(as_json) as show:
        report = run(seed, progress=lambda phase: show(phase, PHASES.index(phase), len(PHASES)))
    tell(as_json, report.to_dict(), _table(report))


for command in (
    train,
    import_,
    plan,
    certify,
    compare,
    keygen,
    encrypt,
    evaluate,
    batch,
    decrypt,
    fetch,
    predict,
    serve,
    model,
    token,
    inspect,
    approx,
    plot,
    calibrate_machine,
    info,
    completion,
):
    cli.add_command(command)


def _table(report: Report) -> Grid:
    """The report as a table that a person can read."""
    table = Grid(title="Encrypted logistic regression, Wisconsin diagnostic breast cancer", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    chain = ", ".join(map(str, report.chain))
    rows = [
        ("samples × features", f"{report.samples} × {report.features}"),
        ("parameters", f"N={report.ring_degree} [{chain}], scale 2^{report.scale_bits:g}, {report.model_cost} levels"),
        None,
        ("accuracy, exact sigmoid", f"{report.accuracy_exact:.1%}"),
        ("accuracy, twin (cubic on plaintext)", f"{report.accuracy_twin:.1%}"),
        ("accuracy, ciphertexts", f"{report.accuracy_encrypted:.1%}"),
        ("largest |ciphertext - twin|", f"{report.largest_difference:.1e}"),
        ("decisions changed (ciphertext against exact)", str(report.decisions_changed)),
        ("pre-activations outside [-4, 4]", f"{report.outside_band}, largest {report.largest_pre_activation:.2f}"),
        ("headroom (largest pre-activation that fits)", f"{report.headroom:.1f}"),
        None,
        *((f"time to {phase}", _milliseconds(report.seconds[phase])) for phase in PHASES),
        ("time to evaluate, per sample", _milliseconds(report.seconds_per_sample)),
        None,
        ("evaluation keys", _megabytes(report.bytes_keys)),
        (f"upload ({report.ciphertexts} ciphertexts)", _megabytes(report.bytes_upload)),
        ("result", _megabytes(report.bytes_result)),
    ]
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(*row)
    return table


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds < 0.01 else f"{seconds * 1e3:,.0f} ms"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"
