"""Levels, scale and error of an encrypted computation in a picture, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhenn.errors import ParameterError
from fhenn.figures.style import BAND, EXACT, MEASURED, POLYNOMIAL, STYLE, matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Step:
    """A ciphertext after one operation.

    name: of the operation.
    level: rescales that the ciphertext has left.
    scale_bits: log₂ of its scale.
    modulus_bits: log₂ of its modulus, the product of the primes that it has left.
    error: largest |decrypted - expected|, above 0.
    """

    name: str
    level: int
    scale_bits: float
    modulus_bits: float
    error: float

    @property
    def room_bits(self) -> float:
        """log₂ of the largest |value| that modulus and scale leave room for: modulus/(2·scale)."""
        return self.modulus_bits - self.scale_bits - 1


def steps_figure(steps: Sequence[Step]) -> Figure:
    """Draw for each step its modulus, which part of it the scale takes and which the value, and the error after it.

    steps: in the order of the computation, one at least.

    A bar is the modulus, in bits: the dark part is the scale, the yellow part the room for sign and whole digits. A
    rescale takes a prime from both.

    Returns the figure.
    Raises ParameterError where there is no step, ExtraMissing without matplotlib.

    >>> square = Step("x²", level=2, scale_bits=80.0, modulus_bits=140.0, error=1e-8)
    >>> rescaled = Step("rescale", level=1, scale_bits=40.0, modulus_bits=100.0, error=2e-8)
    >>> len(steps_figure([square, rescaled]).axes), rescaled.room_bits
    (2, 59.0)
    """
    if not steps:
        raise ParameterError("there are no steps to draw.", "Give a Step for each operation.")
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 5.6), layout="constrained")
        bits, errors = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
        draw_bits(bits, steps)
        draw_errors(errors, steps)
        errors.set_ylabel("largest error")
        figure.align_ylabels()
        return figure


def draw_errors(axes: Axes, steps: Sequence[Step]) -> None:
    """The error after each step, and what it is called below.

    axes: to draw in.
    steps: in order.
    """
    places = list(range(len(steps)))
    axes.plot(places, [step.error for step in steps], "o-", color=MEASURED, linewidth=1.2)
    for place, step in zip(places, steps, strict=True):
        beside = [steps[other].error for other in (place - 1, place + 1) if 0 <= other < len(steps)]
        offset = -14 if beside and step.error < min(beside) else 8  # below where the line comes from above
        point = (place, step.error)
        axes.annotate(f"{step.error:.0e}", point, (0, offset), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yscale("log")
    axes.margins(y=0.35)
    axes.set_xticks(places, [step.name for step in steps], rotation=35, ha="right")


def draw_bits(axes: Axes, steps: Sequence[Step], *, levels: bool = True) -> None:
    """The modulus after each step, and what of it the scale takes.

    axes: to draw in.
    steps: in order.
    levels: whether the level stands above each, and the scale in its part of the bar; else the scale stands above.
    """
    places = list(range(len(steps)))
    scales = [step.scale_bits for step in steps]
    axes.bar(places, scales, 0.72, color=EXACT, label="scale")
    axes.bar(places, [step.modulus_bits - step.scale_bits for step in steps], 0.72, scales, color=BAND, label="room")
    for place, step in zip(places, steps, strict=True):
        scale, above = f"2^{step.scale_bits:.1f}", step.modulus_bits + 3
        if not levels:  # a long chain leaves the part of the scale too low for a text
            axes.text(place, above, scale, color=EXACT, ha="center", va="bottom", fontsize=8)
        else:
            axes.text(place, step.scale_bits / 2, scale, color="white", ha="center", va="center", fontsize=8)
            axes.text(place, above, f"level {step.level}", color=POLYNOMIAL, ha="center", va="bottom", fontsize=9)
    axes.set_ylim(0, 1.22 * max(step.modulus_bits for step in steps))
    axes.set_ylabel("bits of the modulus")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper right", ncols=2, frameon=False)
