"""Whether a preparation does to samples what scikit-learn does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fhenn.interop.preparation import Preparation
from fhenn.interop.sklearn.imported import refuse

_CLOSE, _SINGLE = 1e-12, 1e-5
"""How far features may be from scikit-learn's, relative to the largest of all, since matrices round so; of tables in
single precision, which scikit-learn computes in."""

_MOST = 1000
"""Samples that are compared."""


def require_agreement(
    preparation: Preparation, transformers: Sequence[tuple[Any, str]], inputs: Any, *, missing: bool = False
) -> None:
    """Compare a preparation with the transformers that it was read from, on samples.

    preparation, transformers: as of `preparation_of`; no transformers agree with anything.
    inputs: a raw table. One of a kind that scikit-learn does not take is not compared.
    missing: whether features may be missing, since more steps are to follow.

    Raises UnsupportedModel where they differ, and what `Preparation.prepare` does.
    """
    if not transformers:
        return
    some = _first(inputs)
    prepared = preparation.prepare(some, missing=missing)
    wanted = some
    try:
        for transformer, _ in transformers:
            wanted = transformer.transform(wanted)
    except Exception:
        return
    wanted = np.asarray(wanted.toarray() if hasattr(wanted, "toarray") else wanted, dtype=np.float64)
    close = _SINGLE if _is_single(some) else _CLOSE
    alike = wanted.shape == prepared.shape
    scale = max(float(np.nanmax(np.abs(wanted), initial=0.0)), 1.0)
    near = np.isclose(prepared, wanted, rtol=0, atol=close * scale, equal_nan=True) if alike else None
    apart = np.array([], int) if near is None else np.flatnonzero(~near.all(axis=0))
    if apart.size or not alike:
        last, where = transformers[-1]
        what = preparation.features[int(apart[0])] if alike else "there are others"
        reason = f"its features differ from those of scikit-learn on the samples: {what}"
        raise refuse(last, where, reason, "numbers in double precision; else report it, with the pipeline")


def _first(inputs: Any) -> Any:
    """The first samples of a table."""
    if hasattr(inputs, "iloc"):
        return inputs.iloc[:_MOST]
    return inputs[:_MOST] if isinstance(inputs, np.ndarray | list | tuple) else inputs


def _is_single(inputs: Any) -> bool:
    """Whether some of the numbers are in less than double precision."""
    dtypes = getattr(inputs, "dtypes", None)
    found = list(dtypes) if dtypes is not None else [getattr(inputs, "dtype", None)]
    return any(getattr(each, "kind", "") in "fiu" and getattr(each, "itemsize", 8) < 8 for each in found)
