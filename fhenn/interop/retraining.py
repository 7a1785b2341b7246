"""What `fhenn.interop.torch.convert` did to a module, step by step. Needs no PyTorch: `fhenn.figures` draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhenn.nn.activation import Domain
from fhenn.text import printable

Measure = Literal["accuracy", "agreement", "R²"]


@dataclass(frozen=True)
class RetrainingStep:
    """One layer that was replaced, and what the fine-tuning after it did.

    place: of the layer, as the module calls it.
    was: what stood there.
    now: what stands there.
    levels: that it consumes; 0 for a pooling, which is counted with the maps around it.
    domain: where a polynomial is good when all is done; None of a pooling.
    before, after: the measure on held-out data, before and after the fine-tuning.
    epochs: of fine-tuning that ran.
    outside: the share of the data's values that left the polynomial's first domain in training, for which it was
    widened; 0 of a pooling.
    """

    place: str
    was: str
    now: str
    levels: int
    domain: Domain | None
    before: float
    after: float
    epochs: int
    outside: float


@dataclass(frozen=True)
class Retraining:
    """What became of a module, from input to output: print it, or draw it with `fhenn.figures.conversion_figure`.

    measure: what is measured on held-out data: "accuracy" of classes, "R²" of values, or without labels "agreement"
    with the original's decisions, or R² beside its outputs.
    held_out: samples that trained nothing.
    exact: the measure of the original.
    final: that of the converted module.
    steps: in the order in which the layers were replaced.
    levels: that the whole network consumes on a ciphertext.

    >>> step = RetrainingStep("act", "ReLU", "degree 4", 2, (-3.0, 3.0), 0.91, 0.95, 5, 0.0)
    >>> print(Retraining("accuracy", 100, 0.96, 0.95, (step,), 4))
    converted: 4 levels, accuracy on 100 held-out samples 95.0%, the original's 96.0%
      step  was   now       levels   domain  before  after  epochs  outside
      act   ReLU  degree 4       2  [-3, 3]   91.0%  95.0%       5    0.00%
    """

    measure: Measure
    held_out: int
    exact: float
    final: float
    steps: tuple[RetrainingStep, ...]
    levels: int

    @property
    def lost(self) -> float:
        """By how much the converted module is worse than the original; below 0 where it is better."""
        return self.exact - self.final

    def __str__(self) -> str:
        rows = [("step", "was", "now", "levels", "domain", "before", "after", "epochs", "outside")]
        for step in self.steps:
            domain = "" if step.domain is None else f"[{step.domain[0]:g}, {step.domain[1]:g}]"
            measured = (self.shown(step.before), self.shown(step.after))
            tail = (str(step.epochs), "" if step.domain is None else f"{step.outside:.2%}")
            rows.append((printable(step.place), step.was, step.now, str(step.levels), domain, *measured, *tail))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if place < 3 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        found, exact = self.shown(self.final), self.shown(self.exact)
        head = (
            f"converted: {self.levels} levels, {self.measure} on {self.held_out:,} held-out samples {found}, "
            f"the original's {exact}"
        )
        return "\n".join([head, *(f"  {line}".rstrip() for line in lines)]) if self.steps else head

    def shown(self, value: float) -> str:
        """A value of the measure as people read it."""
        return f"{value:.4f}" if self.measure == "R²" else f"{value:.1%}"
