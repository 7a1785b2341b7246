"""What is asked of a plan, checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from typing import Any, Literal, get_args

from fhenn.backends import evaluator as registered
from fhenn.ckks.evaluator import Evaluator
from fhenn.errors import ParameterError
from fhenn.planner.flooding import MOST_QUERIES
from fhenn.planner.plan import LayoutName
from fhenn.planner.witness import DEGREES

RangesName = Literal["auto", "worst", "data"]


@dataclass(frozen=True)
class Request:
    """The arguments of `fhenn.plan`, without the model and its inputs.

    accuracy: the largest error at the output, above 0.
    relative: whether the accuracy is relative to how the outputs vary; None for what the model is.
    layout: how samples are packed.
    upload: ciphertexts that the client may send for a sample, 1 or more; None for as many as its features fill.
    samples: samples that share ciphertexts, 1 or more.
    ranges: where the ranges of what comes to activations are from.
    margin: how many times wider than the samples' the ranges from data are.
    witness: whether answers carry witnesses, and of which degree; None for those of plans with ranges from data.
    queries: samples whose results may be shared, 0 or more.
    evaluator: what will compute.
    """

    accuracy: float
    relative: bool | None
    layout: LayoutName
    upload: int | None
    samples: int
    ranges: RangesName
    margin: float
    witness: bool | int | None
    queries: int
    evaluator: Evaluator

    @classmethod
    def of(
        cls,
        *,
        accuracy: Any,
        relative: Any,
        layout: Any,
        upload: Any,
        samples: Any,
        ranges: Any,
        margin: Any,
        witness: Any,
        queries: Any,
        evaluator: Any,
    ) -> Request:
        """The request of arguments as a user gives them to `fhenn.plan`, which says what they are.

        Raises ParameterError where one is out of range.
        """
        if layout not in ("latency", "throughput"):
            raise ParameterError(
                f"layout must be 'latency' or 'throughput', not {layout!r}.",
                "Choose 'latency' for few samples, 'throughput' for thousands.",
            )
        if not isinstance(accuracy, Real) or not 0 < float(accuracy) < inf:
            raise ParameterError(
                f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3."
            )
        counts = (samples,) if upload is None else (upload, samples)
        if not all(isinstance(count, Integral) and int(count) > 0 for count in counts):
            raise ParameterError(
                f"upload and samples must be whole numbers above 0, not {upload!r} and {samples!r}.",
                "Give 1 for one sample, and leave upload out for as many ciphertexts as its features fill.",
            )
        if not isinstance(relative, bool | None):
            raise ParameterError(
                f"relative must be True, False or None, not {relative!r}.",
                "Give True for an accuracy relative to how the outputs vary, False for one in their own units.",
            )
        if ranges not in get_args(RangesName):
            raise ParameterError(
                f"ranges must be 'auto', 'worst' or 'data', not {ranges!r}.",
                "Give 'data' for ranges of samples, 'worst' for all that the bounds allow.",
            )
        if not isinstance(margin, Real) or not 1 <= float(margin) < inf:
            raise ParameterError(
                f"margin must be a finite number from 1, not {margin!r}.", "Give for instance 2.0, which costs one bit."
            )
        if not isinstance(witness, bool | None) and witness not in DEGREES:
            raise ParameterError(
                f"witness must be True, False or one of the degrees {DEGREES}, not {witness!r}.",
                "Give True for the best degree that fits.",
            )
        if not isinstance(queries, Integral) or not 0 <= int(queries) <= MOST_QUERIES:
            raise ParameterError(
                f"queries must be a whole number from 0 to 2^64, not {queries!r}.",
                "Give 0 for results that are not shared.",
            )
        known = registered(evaluator)
        return cls(
            accuracy=float(accuracy),
            relative=relative,
            layout=layout,
            upload=None if upload is None else int(upload),
            samples=int(samples),
            ranges=ranges,
            margin=float(margin),
            witness=witness,
            queries=int(queries),
            evaluator=known,
        )

    def degrees(self, from_data: bool) -> tuple[int, ...]:
        """Degrees of hidden layers' witnesses, best first; empty without witnesses.

        from_data: whether the ranges are from data, which nothing holds inputs to: witnesses show what leaves them.
        """
        witness = from_data if self.witness is None else self.witness
        return DEGREES if witness is True else (int(witness),) if witness else ()
