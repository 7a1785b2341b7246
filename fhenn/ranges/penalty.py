"""Training for the band: a loss on pre-activations beyond the domain, for models that train in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.approx.polynomial import require_domain
from fhenn.backends import PLAIN
from fhenn.errors import CacheEmpty, ParameterError
from fhenn.finite import require_finite
from fhenn.nn import Activation, Branches, Node, Sequential, Wiring, wired
from fhenn.nn.activation import Domain

Floats = NDArray[np.float64]


def range_penalty(
    pre_activations: ArrayLike, domain: Domain, strength: float = 1.0, *, margin: float = 1.0
) -> tuple[float, Floats]:
    """strength · the mean over samples of the sum of squared excess beyond the domain, and its gradient.

    The boundary loss of Al Hossain & Rahman 2025, "A Training Framework for Optimal and Stable Training of Polynomial
    Neural Networks" (arXiv:2505.11589), with a square in the place of their exponential.

    pre_activations: what goes into an activation, (..., units); all axes but the last are samples.
    domain: the activation's.
    strength: a factor from 0.
    margin: a factor from 1 by which the domain is shrunk about its middle before the penalty starts, which leaves room
    for data that were not seen.
    Returns the loss and its gradient, of the shape of `pre_activations`, to be added to what goes back into the layer
    before.
    Raises ParameterError where strength or margin are out of range, or the domain is empty.
    Raises NonFiniteValue, UnsupportedValue where the values are no finite numbers.

    >>> loss, gradient = range_penalty([[5.0, -1.0], [0.0, -6.0]], (-4, 4))
    >>> loss, gradient.tolist()
    (2.5, [[1.0, 0.0], [0.0, -2.0]])
    """
    low, high = band(domain, strength, margin)
    x = PLAIN.value(pre_activations).astype(np.float64)
    require_finite("range_penalty", x, "If training led here, it diverged: lower the learning rate.")
    excess = x - np.clip(x, low, high)
    samples = max(1, prod(x.shape[:-1]))
    return strength * float(np.sum(excess * excess)) / samples, 2 * strength / samples * excess


def band(domain: Domain, strength: float, margin: float) -> Domain:
    """Where nothing is penalised: the domain shrunk by `margin` about its middle. Raises ParameterError.

    >>> band((-4, 4), 1.0, 2.0)
    (-2.0, 2.0)
    """
    low, high = require_domain(domain)
    if not 0 <= strength < inf:
        raise ParameterError(f"strength must be a finite number from 0, not {strength!r}.", "Give for instance 1.")
    if not 1 <= margin < inf:
        raise ParameterError(f"margin must be a finite number from 1, not {margin!r}.", "Give for instance 1.25.")
    middle, half = low / 2 + high / 2, (high / 2 - low / 2) / margin
    return middle - half, middle + half


def penalised_backward(
    model: Node, gradient: ArrayLike, strength: float = 1.0, *, margin: float = 1.0
) -> tuple[float, Any]:
    """`model.backward(gradient)` with the `range_penalty` of every activation added on the way.

    model: a node or a `Sequential`, of affine layers, activations and branches.
    gradient: that of a loss which is a mean over the samples, at the output of the last `forward` on plaintext.
    strength, margin: as of `range_penalty`.
    Returns the sum of the penalties and the gradient at the model's input; `update` and `updates` then follow both.
    Raises CacheEmpty where a node kept no input.
    Raises UnsupportedNode where a node is neither affine nor an activation.
    Raises what `range_penalty` does. Nothing is changed then.

    >>> from fhenn.nn import SGD, Linear, Sequential, Sigmoid
    >>> model = Sequential([Linear([[9.0]], optimiser=SGD(0.5)), Sigmoid(on_violation="ignore")])
    >>> for _ in range(20):
    ...     error = model.forward([[1.0], [-1.0]]) - [[0.9], [0.1]]
    ...     loss, _ = penalised_backward(model, 2 * error / len(error))
    ...     model.updates()
    >>> loss < 1e-3, abs(float(model.nodes[0].weight[0, 0])) < 4.01
    (True, True)
    """
    nodes = [node for node in wired(model) if not isinstance(node, Wiring)]
    for node in nodes:
        if not node.kept_inputs:
            raise CacheEmpty(
                "penalised_backward", len(nodes), sum(bool(n.kept_inputs) for n in nodes), "Call forward first."
            )
    penalties = {
        id(node): range_penalty(node.kept_inputs[-1], node.domain, strength, margin=margin)
        for node in nodes
        if isinstance(node, Activation)
    }
    return sum(loss for loss, _ in penalties.values()), _back(model, gradient, penalties)


def _back(node: Node, gradient: Any, penalties: Mapping[int, tuple[float, Floats]]) -> Any:
    """The gradient at the input of a node, those of penalties added.

    node: of a model.
    gradient: at its output.
    penalties: of activations by `id`, with their gradients.
    """
    if isinstance(node, Sequential):
        for each in reversed(node.nodes):
            gradient = _back(each, gradient, penalties)
        return gradient
    if isinstance(node, Branches):
        of_body, of_second = node.split(gradient)
        through = _back(node.body, of_body, penalties)
        return through + (of_second if node.second is None else _back(node.second, of_second, penalties))
    at = node.backward(gradient)
    return at + penalties[id(node)][1].astype(at.dtype) if id(node) in penalties else at
