"""Activations that train in PyTorch as the very polynomial that will run on ciphertexts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch

from fhenn import nn
from fhenn.approx import Polynomial
from fhenn.errors import RangeReport, UnsupportedValue
from fhenn.nn.activation import Domain, Fitted
from fhenn.text import an

_HALVES = (torch.float16, torch.bfloat16)
"""Too coarse to evaluate a polynomial in: float32 does it, and the result is rounded."""


class Activation(torch.nn.Module):
    """A node's polynomial, element by element, with autograd and statistics of what leaves its domain.

    node: a fhenn activation, for instance `fhenn.SignReLU()`; its policy has no say here. track: whether `forward`
    counts, in training and in evaluation alike, how many inputs it saw, how many of them outside the domain (of an
    exact activation: how many NaN or infinite), and between which extremes (`report`, `reset_statistics`); the counts
    are buffers, in `state_dict` and moved by `to`.
    `forward` takes floating-point tensors of any shape and raises UnsupportedValue for others; it keeps its last input
    for `range_penalty` while gradients are enabled.

    >>> layer = Activation(nn.Square(domain=(-2, 2)))
    >>> layer(torch.tensor([1.0, -3.0])), layer.share_outside  # it is exact everywhere
    (tensor([1., 9.]), 0.0)
    """

    def __init__(self, node: nn.Activation, *, track: bool = True) -> None:
        super().__init__()
        if not isinstance(node, nn.Activation):
            raise UnsupportedValue(an(type(node).__name__), "a fhenn activation")
        self._node = node.fresh()
        self._last: tuple[torch.Tensor] | None = None
        self.track = track
        self.register_buffer("total", torch.zeros((), dtype=torch.int64))
        self.register_buffer("outside", torch.zeros((), dtype=torch.int64))
        self.register_buffer("nonfinite", torch.zeros((), dtype=torch.int64))
        self.register_buffer("smallest", torch.tensor(torch.inf))
        self.register_buffer("largest", torch.tensor(-torch.inf))

    @property
    def node(self) -> nn.Activation:
        """The node that will run encrypted, with nothing kept."""
        return self._node.fresh()

    @property
    def polynomial(self) -> Polynomial:
        """What stands in for the function."""
        return self._node.polynomial

    @property
    def domain(self) -> Domain:
        """The interval on which it is a good one."""
        return self._node.domain

    @property
    def last_input(self) -> torch.Tensor | None:
        """What the last `forward` took, part of its graph; None where that ran without gradients."""
        return None if self._last is None else self._last[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The polynomial at every element of `x`, in its shape and dtype."""
        if not (isinstance(x, torch.Tensor) and x.is_floating_point()):
            raise UnsupportedValue(getattr(x, "dtype", None) or type(x).__name__, "a tensor of floating-point numbers")
        self._last = (x,) if torch.is_grad_enabled() else None
        if self.track and not torch.jit.is_tracing():  # what is exported counts nothing
            self._count(x.detach())
        value = x.float() if x.dtype in _HALVES else x
        result = at_input = value
        *stages, last = self._node.polynomials
        for stage in stages:
            result = evaluate(stage, result)
        result = evaluate(last, result)
        return (result * at_input if self._node.times_input else result).to(x.dtype)

    def _count(self, x: torch.Tensor) -> None:
        if x.numel() == 0:
            return
        low, high = self.domain
        finite = torch.isfinite(x)
        inside = finite if self._node.is_exact else (x >= low) & (x <= high)
        with torch.no_grad():
            self.total += x.numel()
            self.outside += x.numel() - torch.count_nonzero(inside)
            self.nonfinite += x.numel() - torch.count_nonzero(finite)
            self.smallest.copy_(torch.minimum(self.smallest, torch.where(finite, x, torch.inf).amin()))
            self.largest.copy_(torch.maximum(self.largest, torch.where(finite, x, -torch.inf).amax()))

    def report(self) -> RangeReport:
        """What `forward` has seen since it was made, or since `reset_statistics`."""
        total, nonfinite = int(self.total), int(self.nonfinite)
        seen = total > nonfinite
        return RangeReport(
            node=self._node.name,
            domain=self.domain,
            outside=int(self.outside),
            total=total,
            smallest=float(self.smallest) if seen else float("nan"),
            largest=float(self.largest) if seen else float("nan"),
            nonfinite=nonfinite,
            consequence="Outside, the polynomial that runs encrypted stands for nothing: train with range_penalty, or "
            "take a wider domain.",
        )

    @property
    def share_outside(self) -> float:
        """The share of inputs outside the domain, from 0 to 1, NaN and infinity among them; 0 before any."""
        return int(self.outside) / max(1, int(self.total))

    def reset_statistics(self) -> None:
        """Forget what was seen, for instance before a run on held-out data."""
        for count in (self.total, self.outside, self.nonfinite):
            count.zero_()
        self.smallest.fill_(torch.inf)
        self.largest.fill_(-torch.inf)

    def extra_repr(self) -> str:
        """Polynomial and levels."""
        low, high = self.domain
        return f"degree={self.polynomial.degree}, domain=({low:g}, {high:g}), levels={self._node.cost}"

    def __getstate__(self) -> dict[str, Any]:
        """Without the last input: a tensor inside a graph can be neither copied nor saved."""
        return self.__dict__ | {"_last": None}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Weights of a model with another activation in this place say nothing of statistics: those start anew."""
        if not any(key.startswith(prefix) for key in state_dict):
            self.reset_statistics()
            state_dict |= {prefix + name: buffer for name, buffer in self.named_buffers(recurse=False)}
        super()._load_from_state_dict(state_dict, prefix, *others)


def evaluate(polynomial: Polynomial, x: torch.Tensor) -> torch.Tensor:
    """The polynomial at every element of a float32 or float64 tensor, as `Polynomial.__call__` does it.

    >>> evaluate(Polynomial((0.0, 0.0, 1.0), (-2, 2)), torch.tensor([1.5]))
    tensor([2.2500])
    """
    if polynomial.degree == 0:
        return torch.full_like(x, polynomial.coefficients[0])
    return _clenshaw(polynomial, x) if polynomial.basis == "chebyshev" else _horner(polynomial, x)


def _horner(polynomial: Polynomial, x: torch.Tensor) -> torch.Tensor:
    *others, lead = polynomial.coefficients
    value = lead * x
    for exponent in range(len(others) - 1, -1, -1):
        if others[exponent]:
            value = value + others[exponent]
        if exponent:
            value = value * x
    return value


def _clenshaw(polynomial: Polynomial, x: torch.Tensor) -> torch.Tensor:
    first, *middle, lead = polynomial.coefficients
    low, high = polynomial.domain
    t = (x - (low / 2 + high / 2)) / (high / 2 - low / 2)
    if not middle:
        return first + t * lead
    double = t + t
    after, value = lead * torch.ones_like(x), middle[-1] + double * lead
    for coefficient in middle[-2::-1]:
        after, value = value, coefficient + double * value - after
    return first + t * value - after


class _Fitted(Activation):
    """The arguments that choose a polynomial, as for `fhenn.Sigmoid`."""

    _kind: ClassVar[type[Fitted]]

    def __init__(
        self,
        domain: Domain | None = None,
        degree: int | None = None,
        accuracy: float | None = None,
        *,
        polynomial: Polynomial | None = None,
        track: bool = True,
    ) -> None:
        super().__init__(self._kind(domain, degree, accuracy, polynomial=polynomial), track=track)


class Sigmoid(_Fitted):
    """`fhenn.Sigmoid` in PyTorch: domain, degree or accuracy, or a polynomial; without any, the cubic on [-4, 4].

    The rest is as for every `Activation`. Raises ParameterError, AccuracyUnreached.

    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> Sigmoid()(x).sum().backward()
    >>> x.grad
    tensor([0.1970, 0.1850])
    """

    _kind = nn.Sigmoid


class Tanh(_Fitted):
    """`fhenn.Tanh` in PyTorch. Arguments and errors as for `Sigmoid`."""

    _kind = nn.Tanh


class ReLU(_Fitted):
    """`fhenn.ReLU` in PyTorch. Arguments and errors as for `Sigmoid`."""

    _kind = nn.ReLU


class SiLU(_Fitted):
    """`fhenn.SiLU` in PyTorch. Arguments and errors as for `Sigmoid`."""

    _kind = nn.SiLU


class GELU(_Fitted):
    """`fhenn.GELU` in PyTorch. Arguments and errors as for `Sigmoid`."""

    _kind = nn.GELU


class Softplus(_Fitted):
    """`fhenn.Softplus` in PyTorch. Arguments and errors as for `Sigmoid`."""

    _kind = nn.Softplus


class SignReLU(Activation):
    """`fhenn.SignReLU` in PyTorch. Raises ParameterError."""

    def __init__(self, domain: Domain = (-4.0, 4.0), degrees: Sequence[int] = (7, 7), *, track: bool = True) -> None:
        super().__init__(nn.SignReLU(domain, degrees), track=track)


class Square(Activation):
    """`fhenn.Square` in PyTorch. Raises ParameterError."""

    def __init__(self, domain: Domain = (-4.0, 4.0), *, track: bool = True) -> None:
        super().__init__(nn.Square(domain), track=track)


class PolynomialActivation(Activation):
    """`fhenn.PolynomialActivation` in PyTorch. Raises ParameterError."""

    def __init__(
        self, polynomial: Polynomial | Iterable[float], domain: Domain | None = None, *, track: bool = True
    ) -> None:
        super().__init__(nn.PolynomialActivation(polynomial, domain), track=track)
