"""`fhenn plot`: an activation and its polynomial in a picture."""

from __future__ import annotations

from pathlib import Path

import click

from fhenn.approx.fits import Domain
from fhenn.cli.nodes import FITTED
from fhenn.cli.show import say
from fhenn.errors import ParameterError
from fhenn.nn import Activation, SignReLU, Square

NAMES = (*FITTED, "square", "sign-relu")


@click.command()
@click.argument("name", type=click.Choice(NAMES), metavar="NAME")
@click.option("--domain", type=float, nargs=2, metavar="LOW HIGH", help="Interval of the inputs.")
@click.option("--degree", type=int, help="Degree of the polynomial.")
@click.option("--accuracy", type=float, help="Largest error on the domain; takes the smallest degree that reaches it.")
@click.option("--reach", type=float, help="Draw from -REACH to REACH.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, which ends in .svg, .png or .pdf. Without it a window opens.",
)
def plot(
    *,
    name: str,
    domain: Domain | None,
    degree: int | None,
    accuracy: float | None,
    reach: float | None,
    output: Path | None,
) -> None:
    """Draw an activation, its polynomial and the error.

    NAME is sigmoid, tanh, relu, silu, gelu, softplus, square or sign-relu. The band is the domain; the red zones are
    where a class flips. Without options it is the node's default, for the sigmoid the cubic on [-4, 4]. Needs the
    extra `plot`.

    \b
      fhenn plot sigmoid
      fhenn plot sigmoid --domain -8 8 --degree 7 -o sigmoid.svg
    """
    from fhenn.figures import activation_figure, save, show
    from fhenn.figures.style import check_target

    if output is not None:
        check_target(output)
    figure = activation_figure(node(name, domain, degree, accuracy), reach)
    if output is None:
        show(figure)
    else:
        save(figure, output)
        say(f"wrote {output}")


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
