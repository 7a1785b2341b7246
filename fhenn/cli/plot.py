"""`fhenn plot`: an activation and its polynomial, a model or a plan in a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from fhenn.approx.fits import Domain
from fhenn.cli.nodes import FITTED
from fhenn.cli.show import say
from fhenn.errors import ParameterError
from fhenn.nn import Activation, SignReLU, Square

NAMES = (*FITTED, "square", "sign-relu")


class _Subjects(click.Group):
    """What can be drawn, in order; options of an activation may stand before its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, as they were added."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, with the name of an activation first."""
        if not args and not ctx.resilient_parsing:  # which is how completion parses
            ctx.fail(f"Say what to draw: {', '.join(self.commands)}.")
        name = next((each for each in args if each in NAMES), None)
        if name is not None and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args.remove(name)
            args.insert(0, name)
        return super().parse_args(ctx, args)


@click.group(cls=_Subjects, no_args_is_help=False)
def plot() -> None:
    """Draw an activation, a model, or how a plan runs it.

    Without -o a window opens. Needs the extra `plot`.

    \b
      fhenn plot sigmoid --domain -8 8 --degree 7 -o sigmoid.svg
      fhenn plot roc model.fhenn records.csv --label benign
      fhenn plot calibration model.fhenn records.csv
      fhenn plot levels model.fhenn --plan plan.fhenn
    """


output_option = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, which ends in .svg, .png or .pdf. Without it a window opens.",
)


def require_target(output: Path | None) -> None:
    """Raise ParameterError where a file has no ending of a picture, before any work is done."""
    from fhenn.figures.style import check_target, matplotlib

    matplotlib()
    if output is not None:
        check_target(output)


def finish(figure: Any, output: Path | None) -> None:
    """Write a figure, or open a window.

    figure: of matplotlib.
    output: the file; None for a window.

    Raises ParameterError where the file cannot be written, or there is no display.
    """
    from fhenn.figures import save, show

    if output is None:
        show(figure)
    else:
        save(figure, output)
        say(f"wrote {output}")


def _draw(
    name: str,
    *,
    domain: Domain | None,
    degree: int | None,
    accuracy: float | None,
    reach: float | None,
    output: Path | None,
) -> None:
    from fhenn.figures import activation_figure

    require_target(output)
    finish(activation_figure(node(name, domain, degree, accuracy), reach), output)


def _command(name: str) -> click.Command:
    """What draws an activation."""
    text = f"""Draw {name}, its polynomial and the error.

    The band is the domain; the red zones are where a class flips. Without options it is the node's default, for the
    sigmoid the cubic on [-4, 4].

    \b
      fhenn plot {name}
      fhenn plot {name} --domain -8 8 -o {name}.svg
    """
    command = click.command(name, help=text, short_help=f"{name}, its polynomial and the error.")(partial(_draw, name))
    for option in _OPTIONS:
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[click.Command], click.Command], ...] = (
    click.option("--domain", type=float, nargs=2, metavar="LOW HIGH", help="Interval of the inputs."),
    click.option("--degree", type=int, help="Degree of the polynomial."),
    click.option(
        "--accuracy", type=float, help="Largest error on the domain; takes the smallest degree that reaches it."
    ),
    click.option("--reach", type=float, help="Draw from -REACH to REACH."),
    output_option,
)


def node(name: str, domain: Domain | None, degree: int | None, accuracy: float | None) -> Activation:
    """The activation of a name.

    name: one of NAMES.
    domain: the interval (low, high), None for the default of the activation.
    degree: of its polynomial, None for the default.
    accuracy: the largest error on the domain, in the place of the degree.

    Raises ParameterError for options that the activation does not have, and what its constructor raises.
    """
    if name in FITTED:
        return FITTED[name](domain, degree, accuracy)
    if (degree, accuracy) != (None, None):
        reason = "is a polynomial itself" if name == "square" else "is made of stages of fixed degrees"
        raise ParameterError(f"{name} {reason}.", "Leave --degree and --accuracy out.")
    kind = Square if name == "square" else SignReLU
    return kind() if domain is None else kind(domain)


for each in NAMES:
    plot.add_command(_command(each))
