"""The activations whose polynomial can be chosen, by the names that commands take."""

from __future__ import annotations

from collections.abc import Mapping

from fhenn.nn import GELU, ReLU, Sigmoid, SiLU, Softplus, Tanh

FITTED: Mapping[str, type[Sigmoid | Tanh | ReLU | SiLU | GELU | Softplus]] = {
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "silu": SiLU,
    "gelu": GELU,
    "softplus": Softplus,
}
"""By the names of `fhenn.approx.FUNCTIONS`."""
