"""`fhenn doctor`: whether all is as it should be, and the way out where it is not."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from fhenn.cli.checks import check_machine, self_test
from fhenn.cli.show import Grid, as_json_option, count_of, tell, working
from fhenn.cli.store_check import check_store

_DEFAULT = Path("fhenn-store")


@click.command()
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    envvar="FHENN_STORE",
    help=f"Folder of a service to look at.  [default: {_DEFAULT}, if it is there]",
)
@as_json_option
def doctor(*, store: Path | None, as_json: bool) -> None:
    """Check this installation and its machine.

    Says of each thing whether it is ok, worth a note, or at fault, and the way out: versions, the evaluator, cores and
    memory that count, extras, variables (never the values of secrets), a service's store; and encrypts, evaluates and
    decrypts two numbers. `fhenn info` states the facts alone. Ends with 1 where something is at fault. Nothing is
    changed, and nothing leaves this machine.

    \b
      fhenn doctor
      fhenn doctor --store /srv/fhenn
    """
    with working(as_json, "check"):
        checks = [
            *check_machine(os.environ),
            *check_store(store or _DEFAULT, named=store is not None),
            self_test(),
        ]
    faults, notes = (sum(check.state == state for check in checks) for state in ("fault", "note"))
    table = Grid(show_header=False)
    for check in checks:
        table.add_row(check.state, check.area, check.says)
        if check.way_out:
            table.add_row("", "", check.way_out)
    verdict = f"{count_of(faults, 'fault')}, {count_of(notes, 'note')}" if faults else "nothing is at fault"
    tell(
        as_json, {"faults": faults, "notes": notes, "checks": [asdict(each) for each in checks]}, table, f"\n{verdict}"
    )
    if faults:
        click.get_current_context().exit(1)
