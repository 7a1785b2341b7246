"""What is asked of a plan, checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from typing import Any, Literal, get_args

from fhenn.backends import default_evaluator
from fhenn.backends import evaluator as registered
from fhenn.ckks.evaluator import Evaluator
from fhenn.errors import ParameterError
from fhenn.planner.flooding import MOST_QUERIES
from fhenn.planner.plan import require_rows
from fhenn.planner.witness import DEGREES
from fhenn.ranges.data import MARGIN

RangesName = Literal["auto", "worst", "data"]
LayoutWish = Literal["auto", "latency", "throughput"]


@dataclass(frozen=True)
class Request:
    """The arguments of `fhenn.plan`, without the model and its inputs.

    accuracy: the largest error at the output, above 0.
    relative: whether the accuracy is relative to how the outputs vary; None for what the model is.
    layout: how samples are packed; "auto" leaves it open.
    upload: ciphertexts that the client may send for a sample, 1 or more; None leaves it open.
    samples: samples that share ciphertexts, 1 or more; None leaves it open.
    ranges: where the ranges of what comes to activations are from.
    margin: how many times wider than the samples' the ranges from data are.
    witness: whether answers carry witnesses, and of which degree; None for those of plans with ranges from data.
    queries: samples whose results may be shared, 0 or more.
    evaluator: what will compute, on what clients may send.
    public_key: whether they may encrypt with the public key.
    rows: samples that one upload will hold, 1 or more.
    max_upload: bytes that an upload may have.
    max_memory: bytes that client or server may take.
    max_keys: bytes that the evaluation keys may have.
    """

    accuracy: float
    relative: bool | None
    layout: LayoutWish
    upload: int | None
    samples: int | None
    ranges: RangesName
    margin: float
    witness: bool | int | None
    queries: int
    evaluator: Evaluator
    rows: int = 1
    max_upload: float = inf
    max_memory: float = inf
    max_keys: float = inf
    public_key: bool = False

    @classmethod
    def of(
        cls,
        *,
        accuracy: Any,
        relative: Any = None,
        layout: Any = "auto",
        upload: Any = None,
        samples: Any = None,
        ranges: Any = "auto",
        margin: Any = MARGIN,
        witness: Any = None,
        queries: Any = 0,
        evaluator: Any = None,
        rows: Any = 1,
        max_upload: Any = None,
        max_memory: Any = None,
        max_keys: Any = None,
        public_key: Any = False,
    ) -> Request:
        """The request of arguments as a user gives them to `fhenn.plan`, which says what they are.

        Raises ParameterError where one is out of range.
        """
        if layout not in get_args(LayoutWish):
            raise ParameterError(
                f"layout must be 'auto', 'latency' or 'throughput', not {layout!r}.",
                "Leave it out for the cheapest, or choose 'latency' for few samples, 'throughput' for thousands.",
            )
        if not isinstance(accuracy, Real) or not 0 < float(accuracy) < inf:
            raise ParameterError(
                f"accuracy must be a positive finite number, not {accuracy!r}.", "Give for instance 1e-3."
            )
        if not all(count is None or (isinstance(count, Integral) and int(count) > 0) for count in (upload, samples)):
            raise ParameterError(
                f"upload and samples must be whole numbers above 0, not {upload!r} and {samples!r}.",
                "Leave them out for what is cheapest.",
            )
        if not isinstance(relative, bool | None):
            raise ParameterError(
                f"relative must be True, False or None, not {relative!r}.",
                "Give True for an accuracy relative to how the outputs vary, False for one in their own units.",
            )
        for name, limit in (("max_upload", max_upload), ("max_memory", max_memory), ("max_keys", max_keys)):
            if limit is not None and not (isinstance(limit, Real) and float(limit) > 0):
                raise ParameterError(
                    f"{name} must be a number of bytes above 0, not {limit!r}.",
                    "Give for instance 1e9, or leave it out.",
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
        if not isinstance(public_key, bool):
            raise ParameterError(
                f"public_key must be True or False, not {public_key!r}.",
                "Leave it out for clients that hold the secret key.",
            )
        known = registered(default_evaluator() if evaluator is None else evaluator)
        return cls(
            accuracy=float(accuracy),
            relative=relative,
            layout=layout,
            upload=None if upload is None else int(upload),
            samples=None if samples is None else int(samples),
            ranges=ranges,
            margin=float(margin),
            witness=witness,
            queries=int(queries),
            evaluator=known.with_public_key() if public_key else known,
            rows=require_rows(rows),
            max_upload=inf if max_upload is None else float(max_upload),
            max_memory=inf if max_memory is None else float(max_memory),
            max_keys=inf if max_keys is None else float(max_keys),
            public_key=public_key,
        )

    @property
    def leaves_layout_open(self) -> bool:
        """Whether whole samples may share a ciphertext as well as features: nothing is said of either."""
        return self.layout == "auto" and self.samples is None and self.upload is None

    def degrees(self, from_data: bool) -> tuple[int, ...]:
        """Degrees of hidden layers' witnesses, best first; empty without witnesses.

        from_data: whether the ranges are from data, which nothing holds inputs to: witnesses show what leaves them.
        """
        witness = from_data if self.witness is None else self.witness
        return DEGREES if witness is True else (int(witness),) if witness else ()
