"""`fhenn …`: every command is one call into the library and a way to show its result."""

from __future__ import annotations

import click

from fhenn import __version__
from fhenn.cli.lazy import InOrder, LazyCommands
from fhenn.cli.show import as_json_option
from fhenn.cli.start import tell_start

COMMANDS = LazyCommands(
    {
        "demo": "fhenn.cli.demo:demo",
        "train": "fhenn.cli.train:train",
        "import": "fhenn.cli.build:import_",
        "plan": "fhenn.cli.build:plan",
        "certify": "fhenn.cli.examine:certify",
        "compare": "fhenn.cli.compare:compare",
        "keygen": "fhenn.cli.infer:keygen",
        "encrypt": "fhenn.cli.infer:encrypt",
        "evaluate": "fhenn.cli.infer:evaluate",
        "batch": "fhenn.cli.batch:batch",
        "decrypt": "fhenn.cli.infer:decrypt",
        "fetch": "fhenn.cli.predict:fetch",
        "predict": "fhenn.cli.predict:predict",
        "serve": "fhenn.cli.serve:serve",
        "model": "fhenn.cli.serve:model",
        "token": "fhenn.cli.serve:token",
        "inspect": "fhenn.cli.inspection:inspect",
        "approx": "fhenn.cli.approx:approx",
        "plot": "fhenn.cli.plot_model:plot",
        "calibrate-machine": "fhenn.cli.calibration:calibrate_machine",
        "info": "fhenn.cli.info:info",
        "doctor": "fhenn.cli.doctor:doctor",
        "completion": "fhenn.cli.completion:completion",
    }
)
"""Where each command is, in the order in which they are used."""


@click.group(
    cls=InOrder,
    commands=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="fhenn")
@as_json_option
@click.pass_context
def cli(context: click.Context, as_json: bool) -> None:
    """Your scikit-learn, PyTorch or ONNX model answers on data that it cannot read.

    Clients encrypt their records, a server evaluates the model on the ciphertexts,
    and the clients alone decrypt the answers. Start with `fhenn demo`; `fhenn` alone
    shows what is in this folder and what to do next. On files of your own, the
    client's steps marked with *:

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
           certificate is not valid (certify), a file is damaged (inspect),
           something is at fault (doctor), an error is above the plan's bound
           (compare)
        2  not done: a mistake, or something is missing; one line says what
        3  not done: a fault in fhenn
      130  stopped by Ctrl-C
    With --json an error is an object on standard output, {"error": its kind,
    "message": a sentence, "data": its details}, with the same exit code.
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"--json belongs behind the command: fhenn {context.invoked_subcommand} --json.")
        return
    tell_start(as_json)
