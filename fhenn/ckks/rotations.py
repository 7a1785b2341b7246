"""Which rotations an affine map makes, and with which keys: what differs between evaluators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from fhenn.errors import KeyMissing

X = TypeVar("X")

_HOISTED = 0.3
"""Of a key switch: what a rotation takes whose digits are there (measured: a fifth to two fifths).

Plans name the keys of schedules that were chosen by it: with another number older plans would lack keys.
"""


class Rotations(ABC):
    """How the rotations of one ciphertext by several steps are made. Steps ascend, from 0 or more."""

    @abstractmethod
    def keys(self, steps: Sequence[int]) -> set[int]:
        """The rotations that need a key, in the unit of `steps`."""

    @abstractmethod
    def switches(self, steps: Sequence[int]) -> tuple[int, ...]:
        """How many key switches the ciphertext of each step has gone through, (steps,)."""

    @abstractmethod
    def hoisted(self, steps: Sequence[int]) -> int:
        """How many of the rotations take the digits of another one, which is of the same ciphertext."""

    @abstractmethod
    def make(self, x: X, steps: Sequence[int], rotate: Callable[[X, int], X]) -> list[X]:
        """The ciphertext of each step, one rotation after another.

        x: a ciphertext.
        steps: as above.
        rotate: rotates a ciphertext by one of `keys`.
        """

    @abstractmethod
    def groups(self, folds: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """How a sum of a ciphertext and its rotations is made, where every fold adds a rotation of the sum so far.

        folds: steps.

        Returns groups of steps: the rotations of the sum so far by each of a group are added to it together.
        """

    def count(self, steps: Sequence[int]) -> int:
        """How many rotations are made in all."""
        return sum(after > before for before, after in pairwise((0, *steps)))

    def effort(self, steps: Sequence[int]) -> float:
        """What they take, in units of a rotation that shares nothing."""
        hoisted = self.hoisted(steps)
        return self.count(steps) - hoisted + _HOISTED * hoisted


class Chained(Rotations):
    """Each step is a rotation of the one before it: a key for each distance, and noise that adds up on the way.

    >>> CHAINED.keys([0, 1, 2, 3]), CHAINED.keys([0, 1, 5, 6]), CHAINED.switches([0, 1, 5, 6])
    ({1}, {1, 4}, (0, 1, 2, 3))
    """

    def keys(self, steps: Sequence[int]) -> set[int]:
        return {after - before for before, after in pairwise((0, *steps)) if after > before}

    def switches(self, steps: Sequence[int]) -> tuple[int, ...]:
        first = int(bool(steps) and steps[0] > 0)
        return tuple(range(first, first + len(steps)))

    def hoisted(self, steps: Sequence[int]) -> int:
        return 0

    def make(self, x: X, steps: Sequence[int], rotate: Callable[[X, int], X]) -> list[X]:
        made: list[X] = []
        for before, after in pairwise((0, *steps)):
            x = rotate(x, after - before) if after > before else x
            made.append(x)
        return made

    def groups(self, folds: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        return tuple((fold,) for fold in folds)


class Hoisted(Rotations):
    """Each step is a rotation of the ciphertext itself: a key for each step, and one key switch in each.

    The digits of the ciphertext are made once for all of them (S. Halevi & V. Shoup, "Faster homomorphic linear
    transformations in HElib", 2018).

    >>> HOISTED.keys([0, 1, 5, 6]), HOISTED.switches([0, 1, 5, 6]), HOISTED.hoisted([0, 1, 5, 6])
    ({1, 5, 6}, (0, 1, 1, 1), 2)
    >>> CHAINED.groups([1, 2, 4]), HOISTED.groups([1, 2, 4])
    (((1,), (2,), (4,)), ((1, 2, 3), (4,)))
    """

    def keys(self, steps: Sequence[int]) -> set[int]:
        return set(steps) - {0}

    def switches(self, steps: Sequence[int]) -> tuple[int, ...]:
        return tuple(int(step > 0) for step in steps)

    def hoisted(self, steps: Sequence[int]) -> int:
        return max(self.count(steps) - 1, 0)

    def make(self, x: X, steps: Sequence[int], rotate: Callable[[X, int], X]) -> list[X]:
        return [rotate(x, step) if step else x for step in steps]

    def groups(self, folds: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """Two folds at a time: x turned by a, by b and by a + b, of one decomposition in the place of two."""
        pairs = [folds[start : start + 2] for start in range(0, len(folds), 2)]
        return tuple((*pair, sum(pair)) if len(pair) == 2 else tuple(pair) for pair in pairs)


CHAINED = Chained()
HOISTED = Hoisted()


def rotation_missing(steps: int, level: int) -> KeyMissing:
    """The exception for a rotation without a key.

    steps: in slots.
    level: of the ciphertext.
    """
    suggestion = (
        "Let the client make keys for the rotations that the plan names, as fhenn.Client does; for a circuit of your "
        f"own, fhenn.Context.generate(parameters, rotations=[{steps}]), with the others that it needs."
    )
    return KeyMissing(f"rotation (by {steps}, at level {level})", "a matrix product", suggestion)


def relinearisation_missing(operation: str, level: int, highest: int | None) -> KeyMissing:
    """The exception for a product without a key to relinearise it with.

    operation: that wants it.
    level: of the product.
    highest: level that the key at hand is for; None without a key.
    """
    if highest is None:
        suggestion = "Let the key holder call generate_relin_keys() and send the context again."
        return KeyMissing("relinearisation", operation, suggestion)
    suggestion = f"The one that is there is for level {highest}: let the client make keys for the plan in use."
    return KeyMissing(f"relinearisation (at level {level})", operation, suggestion)


STRATEGIES: tuple[Rotations, ...] = (CHAINED, HOISTED)
"""Every evaluator can make rotations in each of these ways, where there are keys for them."""
