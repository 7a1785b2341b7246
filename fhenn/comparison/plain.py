"""Samples through the exact model and its twin, in the clear."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from fhenn.nn import Activation, Node, circuit
from fhenn.ranges import exact_outputs_of, outputs_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plain:
    """Scores in the clear, (samples, outputs).

    exact: of the model whose activations are the functions that polynomials stand for; None where one was lost in a
    file.
    twin: of the model with its polynomials.
    """

    exact: Floats | None
    twin: Floats

    def at(self, rows: NDArray[np.intp]) -> Plain:
        """Those of some samples."""
        return Plain(None if self.exact is None else self.exact[rows], self.twin[rows])


@np.errstate(all="ignore")  # what overflows shows in the scores
def in_the_clear(model: Node, values: Floats) -> Plain:
    """What exact model and twin make of samples.

    model: any that can be planned for.
    values: (samples, features).

    Returns the scores; the very same array twice where the model has no activation that a polynomial stands in for.

    >>> import fhenn
    >>> plain = in_the_clear(fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid()]), np.array([[3.0]]))
    >>> plain.exact.round(3).tolist(), plain.twin.round(3).tolist()
    ([[0.953]], [[0.983]])
    """
    steps = circuit(model)
    twin = outputs_of(steps, values).reshape(len(values), -1)
    if all(step.is_exact for step in steps if isinstance(step, Activation)):
        return Plain(twin, twin)
    exact = exact_outputs_of(steps, values)
    return Plain(None if exact is None else exact.reshape(len(values), -1), twin)


@np.errstate(all="ignore")
def time_in_the_clear(model: Node, values: Floats) -> float:
    """Seconds of the exact model, or else of the twin, on samples in the clear. model, values: as `in_the_clear`'s."""
    steps = circuit(model)
    start = perf_counter()
    if exact_outputs_of(steps, values) is None:
        start = perf_counter()
        outputs_of(steps, values)
    return perf_counter() - start
