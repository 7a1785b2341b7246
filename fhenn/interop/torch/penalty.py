"""Training for the band, in PyTorch: a loss on pre-activations beyond the domain."""

from __future__ import annotations

from math import prod

import torch

from fhenn.errors import CacheEmpty, ParameterError
from fhenn.interop.torch.activations import Activation
from fhenn.interop.torch.finite import require_finite
from fhenn.ranges.penalty import band


def range_penalty(module: torch.nn.Module, strength: float = 1.0, *, margin: float = 1.0) -> torch.Tensor:
    """The sum over a module's activations of `fhenn.range_penalty` of what came to each in the last forward pass.

    To be added to a loss that is a mean over the samples.

    module: with activations of `fhenn.interop.torch` in it; one that is in several places counts where it was last.
    strength, margin: as for `fhenn.range_penalty`; all axes but the last are samples.
    Returns a scalar with its graph.
    Raises ParameterError where there is no such activation, or strength or margin are out of range.
    Raises CacheEmpty where one has seen no forward pass with gradients.
    Raises NonFiniteValue where what came to one is NaN or infinite.

    >>> from fhenn.interop.torch import Sigmoid
    >>> module = torch.nn.Sequential(torch.nn.Linear(1, 2), Sigmoid())
    >>> with torch.no_grad():
    ...     _ = module[0].weight.copy_(torch.tensor([[5.0], [1.0]])), module[0].bias.zero_()
    >>> output = module(torch.tensor([[1.0]]))
    >>> range_penalty(module, 0.5).item()
    0.5
    """
    found = [each for each in module.modules() if isinstance(each, Activation)]
    if not found:
        raise ParameterError(
            "the module has no activation of fhenn.interop.torch.",
            "Put its Sigmoid in the place of torch.nn.Sigmoid.",
        )
    inputs = [each.last_input for each in found]
    seen = [x for x in inputs if x is not None]
    if len(seen) < len(inputs):
        raise CacheEmpty(
            "range_penalty", len(inputs), len(seen), "Run the module with gradients enabled just before it."
        )
    return sum(
        (_of(x, band(each.domain, strength, margin), strength) for each, x in zip(found, seen, strict=True)),
        start=torch.zeros((), device=seen[0].device),
    )


def _of(x: torch.Tensor, held: tuple[float, float], strength: float) -> torch.Tensor:
    require_finite("range_penalty", x, "If training led here, it diverged: lower the learning rate.")
    x = x if x.dtype == torch.float64 else x.float()
    excess = x - x.clamp(*held)
    return strength * (excess * excess).sum() / max(1, prod(x.shape[:-1]))
