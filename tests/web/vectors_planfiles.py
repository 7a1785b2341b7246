"""Plan files whose preparation is that of the plan, another, or not there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import linear_model, pipeline, preprocessing
from vectors_common import verdict

import fhenn
from fhenn.artifacts import plan_to_bytes, preparation_from_bytes
from fhenn.interop import Preparation
from fhenn.interop.preparation import Scale
from fhenn.wire import frame, unframe


def plan_files() -> Iterator[dict[str, Any]]:
    """A file, and the error that Python raises for it; null for none."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 9, (40, 2))
    steps = pipeline.make_pipeline(preprocessing.PolynomialFeatures(), linear_model.LogisticRegression())
    model = fhenn.from_sklearn(steps.fit(x, x[:, 0] > x[:, 1]))
    right = plan_to_bytes(fhenn.plan(model, inputs=x), model)
    other = Preparation.of_numbers(2).then(Scale((1.0, 1.0)))
    plain = fhenn.Linear([[1.0, 2.0]])
    without = plan_to_bytes(fhenn.plan(plain, bounds=[-1, 1]), plain)
    for data in (
        right,
        changed(right, preparation=other.to_json()),
        changed(right, preparation=None),
        changed(right, preparation="{}"),
        changed(right, preparation=3),
        without,
        changed(without, preparation=other.to_json()),
        changed(without, preparation=None),
        changed(without, more=1),
    ):
        error = verdict(lambda data=data: preparation_from_bytes(data))
        yield {"data": base64.b64encode(data).decode(), "error": error}


def changed(data: bytes, **parts: Any) -> bytes:
    """A file with other parts."""
    meta, body = unframe("plan", data)
    return frame("plan", meta, json.dumps({**json.loads(body), **parts}).encode())
