"""A linear node whose weights are encrypted."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.backends import PLAIN, Backend, context_class
from fhenn.ckks import CipherArray, Context, Parameters, decrypt, encrypt
from fhenn.ckks.encrypted_weights import (
    WEIGHTS,
    apply_weights,
    descend,
    input_gradient,
    rotation_steps,
    weight_gradient,
)
from fhenn.errors import ParameterError, ShapeMismatch, UnsupportedValue
from fhenn.nn.node import Layer
from fhenn.text import an


class EncryptedLinear(Layer):
    """y = x Wᵀ with x and W encrypted: a level each time it is used.

    context: that encrypts the weight: the key holder's, or a server's with its public key.
    weight: W in the clear, (outputs, inputs).
    learning_rate: of gradient descent on the mean over the samples of each step, above 0.
    input_gradient: whether `backward` computes the gradient at its input too; a first layer needs none, and `backward`
    returns None then.

    x is samples × features in layout "features". There is no bias: let the key holder append a column of ones to x.
    Spare slots count for nothing: a fresh x holds 0 there, and what a layer before made is cleared.

    `forward` keeps its input once `enable_cache()` was called; `backward` takes the encrypted gradient at the output;
    `update` moves the weights, which leaves them at the gradient's level: when their levels run out, the key holder
    gives them new ones (`refreshed`), the one step that a server cannot do, short of bootstrapping. The context needs
    keys as `keys_for_training` makes them, and a first prime some 8 bits and log2(samples/learning_rate) above the
    scale (the sigmoid's constants and the rate are read off the scale, which takes no level), and a special prime as
    large as the first. Weights and mean gradients far above 1 need that many bits more: what passes the first prime
    wraps round, and no server sees it.

    Raises ShapeMismatch, ParameterError, UnsupportedValue, LevelExhausted, KeyMissing, ContextMismatch.

    >>> import numpy as np, fhenn
    >>> holder = keys_for_training(fhenn.Parameters.for_depth(3))
    >>> x = fhenn.encrypt(holder, np.array([[1.0, 2.0], [3.0, 4.0]]), layout="features")
    >>> node = EncryptedLinear(holder, [[0.5, 0.25]], learning_rate=0.1)
    >>> node.enable_cache()
    >>> fhenn.decrypt(holder, node(x)).round(3).tolist()
    [[1.0], [2.5]]
    >>> node.backward(fhenn.encrypt(holder, np.array([[1.0], [1.0]]), layout="features"))
    >>> node.update()  # 0.5 - 0.1·(1 + 3)/2, 0.25 - 0.1·(2 + 4)/2
    >>> node.reveal(holder).round(3).tolist()
    [[0.3, -0.05]]
    """

    def __init__(
        self, context: Context, weight: ArrayLike, learning_rate: float = 0.1, *, input_gradient: bool = False
    ) -> None:
        super().__init__()
        values = PLAIN.value(weight).astype(np.float64)
        if values.ndim != 2 or 0 in values.shape:
            raise ShapeMismatch("EncryptedLinear weight", values.shape, "(outputs, inputs), not empty")
        if not 0 < learning_rate < np.inf:
            raise ParameterError(
                f"learning_rate must be a positive finite number, not {learning_rate!r}.", "Give for instance 0.1."
            )
        self._shape = (int(values.shape[0]), int(values.shape[1]))
        self._weight = encrypt(context, values.reshape(-1, 1), layout=WEIGHTS)
        self._rate, self._input_gradient = float(learning_rate), input_gradient

    @property
    def weight(self) -> CipherArray:
        """The encrypted weight, (out · in, 1), row by row."""
        return self._weight

    @property
    def level(self) -> int:
        """Levels that the weights have left."""
        return self._weight.level

    @property
    def cost(self) -> int:
        """Levels that `forward` consumes: 1."""
        return 1

    @property
    def has_parameters(self) -> bool:
        """True."""
        return True

    def reveal(self, holder: Context) -> NDArray[np.float64]:
        """The weight in the clear.

        holder: the context with the secret key.

        Returns (outputs, inputs).
        Raises KeyMissing, ContextMismatch.
        """
        return decrypt(holder, self._weight).reshape(self._shape)

    def refreshed(self, holder: Context) -> Self:
        """A node with the same weights at full level and the keys' scale, by decrypting and encrypting them.

        holder: the context with the secret key.

        Returns a new node, without cached inputs.
        Raises KeyMissing, ContextMismatch.
        """
        weight = encrypt(holder, decrypt(holder, self._weight), layout=WEIGHTS)
        return self.with_weight(
            CipherArray(
                self._weight.context, weight.shape, weight.layout, weight.ciphertexts, weight.level, weight.scale
            )
        )

    def with_weight(self, weight: CipherArray) -> Self:
        """A node with another encrypted weight of the same shape, as it comes from another machine.

        weight: as `weight` has it, (out · in, 1), under the context of this side.

        Returns a new node, without cached inputs.
        Raises UnsupportedValue, ShapeMismatch.

        >>> import fhenn
        >>> holder = keys_for_training(fhenn.Parameters.for_depth(3))
        >>> node, start = EncryptedLinear(holder, [[0.5, 0.25]]), EncryptedLinear(holder, [[0.0, 0.0]])
        >>> received = fhenn.CipherArray.from_bytes(holder, node.weight.to_bytes())
        >>> start.with_weight(received).reveal(holder).round(3).tolist()
        [[0.5, 0.25]]
        """
        wanted = (self._shape[0] * self._shape[1], 1)
        if _array(weight).shape != wanted or weight.layout != WEIGHTS:
            raise ShapeMismatch("EncryptedLinear weight", weight.shape, f"{wanted} in the layout of `weight`")
        node = self.fresh()
        node._weight = weight
        return node

    def _forward(self, backend: Backend, x: Any) -> CipherArray:
        return apply_weights(_array(x), self._weight, self._shape[0])

    def _backward(self, x: Any, gradient: Any) -> tuple[CipherArray | None, tuple[CipherArray, int]]:
        gradient = _array(gradient)
        below = input_gradient(gradient, self._weight, self._shape[1]) if self._input_gradient else None
        return below, (weight_gradient(gradient, x), x.shape[0])

    def _step(self, gradients: list[Any]) -> None:
        samples = sum(count for _, count in gradients)
        weight = self._weight
        for gradient, _ in gradients:
            weight = descend(weight, gradient, self._rate / samples)
        self._weight = weight


def keys_for_training(parameters: Parameters, evaluator: str = "seal") -> Context:
    """A key holder's context with the rotation keys for sums over all slots.

    parameters: ring degree, chain and scale.
    evaluator: what computes, by the name that it was registered under (`fhenn.backends.register`).

    Returns the context with the secret key; its `to_bytes()` are the server's.
    Raises ParameterError where the evaluator is not known, or refuses the parameters.

    >>> keys_for_training(Parameters.for_depth(1)).can_rotate(64, level=1)
    True
    """
    return context_class(evaluator).generate(parameters, rotation_steps(parameters.slots))


def _array(value: Any) -> CipherArray:
    """`value`, which must be an encrypted array. Raises UnsupportedValue."""
    if not isinstance(value, CipherArray):
        raise UnsupportedValue(an(type(value).__name__), "a CipherArray in layout 'features'")
    return value
