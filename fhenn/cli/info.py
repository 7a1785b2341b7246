"""`fhenn info`: versions, and what computes on this machine."""

from __future__ import annotations

import click

from fhenn.backends.native.library import status
from fhenn.cli.checks import versions
from fhenn.cli.show import Grid, as_json_option, tell


@click.command()
@as_json_option
def info(as_json: bool) -> None:
    """Show versions, and which evaluator computes here.

    The native evaluator is a library in C, compiled when fhenn was installed. Where it is missing, or FHENN_NATIVE=0
    turns it off, SEAL computes, which is slower; this command says why. `fhenn doctor` judges, and knows ways out.

    \b
      fhenn info
    """
    native = status()
    found = versions()
    evaluator = "native" if native.usable else "seal"
    result = {
        "versions": found,
        "evaluator": evaluator,
        "reason": native.reason,
        "library": native.path,
        "kernels": list(native.kernels),
        "cpu": list(native.features),
    }
    table = Grid(show_header=False)
    table.add_row("evaluator", evaluator)
    if native.usable:
        table.add_row("kernels", ", ".join(native.kernels))
        table.add_row("CPU", ", ".join(native.features) or "no feature that kernels use")
    else:
        table.add_row("not native, since", native.reason)
    table.add_row("library", native.path)
    for name, number in found.items():
        table.add_row(name, number)
    tell(as_json, result, table)
