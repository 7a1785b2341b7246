"""A preparation with one of each step, and a raw table for it."""

from __future__ import annotations

from typing import Any, Literal

from fhenn.interop import Preparation
from fhenn.interop.preparation import (
    Bins,
    Clip,
    Column,
    CountWords,
    Function,
    Impute,
    IsMissing,
    Kernel,
    Lookup,
    Matrix,
    Normalize,
    OneHot,
    Polynomial,
    Power,
    Quantiles,
    Scale,
    Select,
    Sketch,
    Spline,
    Thermometer,
    Union,
)  # fmt: skip

RAW = (
    Column("age"),
    Column("sex", "text"),
    Column("note", "text"),
    Column("mark", "either"),
    Column("id", "text", False),
)

YEO: Literal["yeo-johnson"] = "yeo-johnson"
EVERY = (
    Union(
        (
            (
                Select((0,)),
                Union(((Impute((40.5,)),), (IsMissing((0,)),))),
                Scale((1.0, 0.5), (2.0, 1.0), (1.0, 3.0), (0.0, 0.1)),
                Clip((-50.0, -1.0), (50.0, 1.0)),
                Union(((), (Polynomial(((), (0, 1), (1, 1, 1))),), (Function("tanh"),), (Power((0.5, 2.5), YEO),))),
                Normalize("l2"),
                Matrix(((0.25,) * 9, (-1.5,) * 9), (0.0, -0.0)),
                Sketch(((0, 1, 2), (2, 2, 0)), ((1, -1, 1), (-1, 1, 1)), 4, 0.5, 2.0),
                Kernel("rbf", ((0.0, 1.0, 2.0, 3.0),), 0.25),
            ),
            (Select((0,)), Impute((1.0,)), Bins(((30.0,),)), OneHot(((0.0, 1.0),), ((0, 1),), (2,), (None,))),
            (Select((0,)), Impute((1.0,)), Spline(((-9.0, 0.0, 9.0, 18.0),), 1, "linear")),
            (Select((0,)), Impute((1.0,)), Quantiles(((1.0, 2.0, 90.0),), (0.0, 0.5, 1.0), "normal")),
            (Select((0,)), Thermometer(((18.0, 65.0),), missing=(True,))),
            (Select((1,)), OneHot((("f", "m", None),), ((0, 1, -1),), (2,), (-1,))),
            (Select((1,)), Lookup((("f", "m"),), ((0.5, -1.0),), (7.0,))),
            (Select((2,)), CountWords(("cat", "a cat"), 1, 2, True, ("the",))),
            (Select((3,)), Lookup((("x", 1.0, None),), ((1.0, 2.0, 3.0),), ("error",))),
        )
    ),
)  # fmt: skip

TABLE: dict[str, list[Any]] = {
    "age": [30, None, 71.5],
    "sex": ["f", "x", None],
    "note": ["A cat.", "the cat", ""],
    "mark": [1, "x", None],
}


def every() -> Preparation:
    """A preparation with one of each step."""
    return Preparation(RAW, EVERY, tuple(f"f{place}" for place in range(15)), extra=True)
