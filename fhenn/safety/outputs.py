"""The guard after decryption: it finds outputs that no input in the domain can produce, and says what it misses."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import Polynomial
from fhenn.nn.activation import flip_of

Interval = tuple[float, float]


@dataclass(frozen=True)
class OutputGuard:
    """What the outputs of an activation alone say about its inputs.

    domain: the interval (low, high) of the inputs.
    outputs: the interval that inputs in the domain can produce.
    blind: intervals outside the domain whose outputs look as if the input were inside.
    flips: the least |x| beyond the domain from which an odd polynomial is on the wrong side of its middle value; None
    where it is nowhere.
    """

    domain: Interval
    outputs: Interval
    blind: tuple[Interval, ...]
    flips: float | None

    def alarms(self, values: NDArray[np.float64], error: float = 0.0) -> NDArray[np.bool_]:
        """Which samples have an output that no input in the domain can produce.

        values: decrypted outputs, (samples, outputs).
        error: bound on the error of the encryption.

        Returns (samples,), True for such samples; NaN counts as such an output.
        """
        return are_outside(values, self.outputs, error)

    def __str__(self) -> str:
        low, high = self.outputs
        inside = f"inputs in [{self.domain[0]:g}, {self.domain[1]:g}] give outputs in [{low:.4g}, {high:.4g}]"
        if not self.blind:
            return f"{inside}, and no others do."
        blind = " and ".join(f"({a:.4g}, {b:.4g})" for a, b in self.blind)
        text = f"{inside}; so do inputs in {blind}, which outputs alone cannot tell apart"
        return text + (f"; past |x| = {self.flips:.4g} they are on the wrong side." if self.flips else ".")


def are_outside(
    values: NDArray[np.float64], allowed: Interval, error: float | NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which samples have a value outside an interval, (samples,); NaN counts as outside.

    values: (samples, outputs).
    allowed: the interval (low, high).
    error: by how much a value may be outside, one number or one for each output.
    """
    outside: NDArray[np.bool_] = np.any(~((values >= allowed[0] - error) & (values <= allowed[1] + error)), axis=1)
    return outside


def output_guard(polynomial: Polynomial) -> OutputGuard:
    """The guard for the outputs of one polynomial.

    polynomial: of the activation that the model ends in.

    >>> from fhenn.approx import SIGMOID_CUBIC
    >>> print(output_guard(SIGMOID_CUBIC))  # doctest: +ELLIPSIS
    inputs in [-4, 4] give outputs in [-0.032, 1.032]; so do inputs in (-8.10..., -4.10...) and (4.10..., 8.10...), ...
    """
    low, high = polynomial.range()
    series = polynomial.to_numpy()
    edges = polynomial.domain
    roots = [complex(root) for level in (low, high) for root in (series - level).roots()] if polynomial.degree else []
    real = sorted(root.real for root in roots if abs(root.imag) <= 1e-7 * max(1.0, abs(root)))
    blind = []
    for crossings in (
        [x for x in real if x < edges[0]] + [edges[0]],
        [edges[1]] + [x for x in real if x > edges[1]],
    ):
        for a, b in pairwise(crossings):
            middle = float(polynomial((a + b) / 2))
            if b - a > 1e-6 * (edges[1] - edges[0]) and low <= middle <= high:
                blind.append((a, b))
    return OutputGuard(edges, (low, high), tuple(_join(blind)), flip_of(polynomial))


def _join(intervals: list[Interval]) -> list[Interval]:
    """Ascending intervals, of which those that touch are made one."""
    disjoint: list[Interval] = []
    for a, b in intervals:
        if disjoint and a - disjoint[-1][1] < 1e-9:
            disjoint[-1] = (disjoint[-1][0], b)
        else:
            disjoint.append((a, b))
    return disjoint
