"""The range guard: says when the input of an activation leaves the domain of its polynomial."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.domains import tolerated
from fhenn.errors import ParameterError, RangeReport, RangeViolation, RangeWarning

Policy = Literal["warn", "raise", "ignore"]
"""What happens on a violation: a RangeWarning, a RangeViolation, or nothing."""

_PACKAGE = str(Path(__file__).parent.parent) + os.sep  # not resolved: as code objects spell it


@dataclass(frozen=True)
class RangeGuard:
    """Checks values against a domain (low, high) and acts on a violation.

    node: the name of the node whose input it is.
    domain: (low, high).
    consequence: what can go wrong outside, in a sentence.
    policy: what happens on a violation, "warn", "raise" or "ignore".
    Raises ParameterError where the policy is another.

    >>> guard = RangeGuard("Sigmoid", (-4.0, 4.0), "It flips.")
    >>> guard.report(np.array([0.0, 5.0])).outside
    1
    """

    node: str
    domain: tuple[float, float]
    consequence: str
    policy: Policy = "warn"

    def __post_init__(self) -> None:
        if self.policy not in ("warn", "raise", "ignore"):
            raise ParameterError(
                f"on_violation is the unknown policy {self.policy!r}.", "Choose 'warn', 'raise' or 'ignore'."
            )

    def report(self, values: NDArray[np.floating[Any]]) -> RangeReport | None:
        """What left the domain by more than a millionth of its width, None where nothing did; NaN and infinity did.

        values: of any shape.
        """
        if values.size == 0:
            return None
        low, high = tolerated(self.domain)
        smallest, largest = values.min(), values.max()
        if smallest >= low and largest <= high:  # false where one of them is NaN
            return None
        finite = np.isfinite(values)
        inside = np.count_nonzero((values >= low) & (values <= high))
        return RangeReport(
            node=self.node,
            domain=self.domain,
            outside=int(values.size - inside),
            total=int(values.size),
            smallest=float(values.min(initial=np.inf, where=finite)) if finite.any() else nan,
            largest=float(values.max(initial=-np.inf, where=finite)) if finite.any() else nan,
            nonfinite=int(values.size - np.count_nonzero(finite)),
            consequence=self.consequence,
        )

    def act(self, report: RangeReport) -> None:
        """Do what the policy says. Raises RangeViolation under "raise"."""
        if self.policy == "raise":
            raise RangeViolation(report)
        if self.policy == "warn":
            warnings.warn(RangeWarning(report), stacklevel=_frames_to_caller())

    def check(self, values: NDArray[np.floating[Any]]) -> None:
        """Report and act; under "ignore" the values are not even looked at. Raises RangeViolation under "raise"."""
        if self.policy != "ignore":
            report = self.report(values)
            if report is not None:
                self.act(report)


def _frames_to_caller() -> int:
    """The stack level, for `warnings.warn` in the calling function, of the first frame outside fhenn."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
