"""Which rotations an affine map makes, and with which keys: what differs between evaluators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise


class Rotations(ABC):
    """How the rotations of one ciphertext by several steps are made. Steps ascend, from 0 or more."""

    @abstractmethod
    def keys(self, steps: Sequence[int]) -> set[int]:
        """The rotations that need a key, in the unit of `steps`."""

    @abstractmethod
    def switches(self, steps: Sequence[int]) -> tuple[int, ...]:
        """How many key switches the ciphertext of each step has gone through, (steps,)."""

    @abstractmethod
    def count(self, steps: Sequence[int]) -> int:
        """How many rotations are made in all."""


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

    def count(self, steps: Sequence[int]) -> int:
        return sum(after > before for before, after in pairwise((0, *steps)))


CHAINED = Chained()
