"""`fhenn.finite` for tensors, wherever they are."""

from __future__ import annotations

import torch

from fhenn.errors import NonFiniteValue


def require_finite(operation: str, values: torch.Tensor, suggestion: str) -> None:
    """Raise NonFiniteValue where values are NaN or infinite.

    operation: what they are for, as the error calls it.
    values: a tensor of any shape, type and device.
    suggestion: a sentence that says what to do about them.
    """
    count = int(torch.count_nonzero(~torch.isfinite(values)))
    if count:
        raise NonFiniteValue(operation, count, suggestion)
