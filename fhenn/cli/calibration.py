"""`fhenn calibrate-machine`: how long the small steps of CKKS take here, for the costs that plans state."""

from __future__ import annotations

import platform
from pathlib import Path

import click

from fhenn import artifacts
from fhenn.backends import default_evaluator, use_threads
from fhenn.cli.show import FILE, Grid, as_json_option, progress, tell
from fhenn.errors import ParameterError
from fhenn.planner.cost import seconds_text
from fhenn.planner.machine import VARIABLE, Machine, Primitive, machine_file
from fhenn.planner.timing import measure

_SHOWN: tuple[Primitive, ...] = ("rotation", "relinearisation", "plain product", "load upload", "encrypt", "decrypt")
_PRIMES = 4


@click.command("calibrate-machine")
@click.option(
    "--output",
    "-o",
    type=FILE,
    help=f"File for the timings.  [default: among your data, or what {VARIABLE} names]",
)
@as_json_option
def calibrate_machine(*, output: Path | None, as_json: bool) -> None:
    """Measure how long the steps of CKKS take here.

    `fhenn plan` states what a plan will cost, and chooses a layout, by such timings: by those that come with fhenn
    until this command has run. Takes about a minute, best on an idle machine; repeat it when the machine changes.

    \b
      fhenn calibrate-machine
    """
    path = machine_file() if output is None else output
    if path is None:
        raise ParameterError("there is no place for the timings.", "Give --output with the name of a file.")
    if output is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    artifacts.require_place(path)
    use_threads(1)  # seconds are those of the process, whatever shares the work
    with progress(as_json) as show:
        machine = measure(_name(), progress=show)
    artifacts.write(path, machine.to_json().encode(), overwrite=True)
    evaluator = default_evaluator()
    rows, shipped = (
        {name: each.seconds(name, 8192, _PRIMES, evaluator) for name in _SHOWN} for each in (machine, Machine.shipped())
    )
    result = {"machine": str(path), "name": machine.name, "timings": len(machine.timings)}
    result |= {"evaluator": evaluator, "seconds": rows}
    title = f"{machine.name}, evaluator {evaluator}: N=8192, {_PRIMES} primes in use\n"
    table = Grid()
    for column in ("step", "here", "shipped"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for name, seconds in rows.items():
        table.add_row(name, seconds_text(seconds), seconds_text(shipped[name]))
    used = "" if output is None else f"; {VARIABLE} must name it, for plans to be costed by it"
    tell(as_json, result, title, table, f"\nwrote {path}{used}")


def _name() -> str:
    """What to call this machine."""
    processor = platform.processor() or platform.machine() or "unknown processor"
    return f"{processor}, {platform.system()}"[:100]
