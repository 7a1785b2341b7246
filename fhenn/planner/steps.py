"""`Steps`: how often a server makes one of the small steps of CKKS. Part of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from fhenn.ckks.levels import Kind

MOST_STEPS = 1 << 40
"""Far more than a server makes in a year."""


@dataclass(frozen=True)
class Steps:
    """How often one step runs for the samples that share ciphertexts. Part of a `fhenn.Plan`.

    kind: of the step; a "vector" is encoded once under a client's keys, all others run for every group of samples.
    level: of the ciphertexts that it runs on.
    count: how often.
    """

    kind: Kind
    level: int
    count: int

    def require_sane(self, levels: int) -> None:
        """Raise ValueError where fields read from outside are impossible.

        levels: of the plan's chain.
        """
        if not (0 <= self.level <= levels and 0 < self.count <= MOST_STEPS):
            raise ValueError(f"the plan cannot make {self.count} of the steps {self.kind!r} at level {self.level}")
