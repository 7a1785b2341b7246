"""Parameters that hold a model in one packing: candidates of ring, chain and scale, and the witnesses that fit them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, groupby
from math import inf, log2
from time import monotonic

import numpy as np

from fhenn.ckks.arithmetic import Drowned
from fhenn.ckks.evaluator import Evaluator
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.primes import primes_of
from fhenn.errors import LevelExhausted, ScaleMismatch
from fhenn.nn import Activation, Affine
from fhenn.planner.chains import LARGEST_PRIME_BITS, chains_of, special_bits
from fhenn.planner.flooding import flood, flood_bound, precision
from fhenn.planner.floor import SECURITY_BITS, least_errors
from fhenn.planner.identity import node_signature
from fhenn.planner.packing import Packing
from fhenn.planner.refusal import OutOfTime
from fhenn.planner.walk import Path, Walk, walk
from fhenn.planner.witness import Witness
from fhenn.planner.witness_choice import doubt, levels_missing, no_doubt, witnesses_of

_ROOMIER = 8
"""Bits between the first primes that are tried for a witness."""

_AMPLE = 2
"""Bits by which a special prime is larger than the others where a larger one would not show in the error."""

_HOPELESS = 64.0
"""How many times over the accuracy an error is that no smaller scale brings below it: a bit less about doubles it."""


@dataclass(frozen=True)
class Candidate:
    """Parameters that hold a model.

    trial: the model in its packing.
    parameters: ring degree, chain and scale.
    walk: the model under them.
    error: bound on the error of what the client reads, the noise on shared results included.
    witnesses: that fit them.
    """

    trial: Trial
    parameters: Parameters
    walk: Walk
    error: float
    witnesses: tuple[Witness, ...] = ()

    @property
    def primes(self) -> int:
        """How many primes the chain has."""
        return len(self.parameters.chain)


@dataclass(frozen=True)
class Trial:
    """A model in a packing, whose parameters are sought.

    path: the model, its outputs at the places of the packing.
    packing: of its samples.
    queries: samples whose results may be shared.
    evaluator: what will compute.
    until: when to give up (`time.monotonic`).
    most: bits of a prime, at most.
    spare: levels more than the model takes, for witnesses to have room.
    """

    path: Path
    packing: Packing
    queries: int
    evaluator: Evaluator
    until: float = inf
    most: int = LARGEST_PRIME_BITS
    spare: int = 0

    @property
    def _chains(self) -> list[tuple[int, tuple[int, ...], int]]:
        """Those that are tried, of fewer primes first (`chains_of`)."""
        return chains_of(self.path.nodes, self.queries > 0, self.most, self.spare)

    def candidates(self, ring_degree: int, *, exact_first: bool = False) -> Iterator[Candidate]:
        """Candidates on a ring: every chain with the least first prime that fits.

        ring_degree: N.
        exact_first: whether those of large scales come first, in the place of those of fewer primes.
        """
        chains = self._chains
        if exact_first:
            chains.sort(key=lambda chain: -chain[0])
        for bits, used, least in chains:
            with suppress(Drowned):
                found = self._with_least_first(with_firsts(ring_degree, bits, used, range(least, self.most + 1, 2)))
                if found is not None:
                    yield found

    def _with_least_first(self, choices: Iterator[Parameters]) -> Candidate | None:
        """The first of choices that holds the model, None where none does.

        Where the largest first prime leaves no room, none does, so that the others need not be tried. Where noise is
        why neither the least nor the largest does, and the special prime is the same, no choice is less noisy or has
        more room: raises Drowned then. Raises OutOfTime.

        choices: alike but for the first prime, which grows, and the special one, which may have to shrink for it.
        """
        drowned = False
        for least in choices:
            try:
                return self._require(least)
            except (ScaleMismatch, LevelExhausted) as error:
                drowned = isinstance(error, Drowned)
                break
        larger = list(choices)
        try:
            largest = self._require(larger[-1]) if larger else None
        except Drowned:  # a larger special prime may do
            if drowned and larger[-1].chain[-1] == least.chain[-1]:
                raise
            largest = None
        except (ScaleMismatch, LevelExhausted):
            return None
        if largest is not None and isinstance(self.path.nodes[-1], Affine):
            # the room shrinks with the first prime: where one leaves none, no smaller one does (an activation at the
            # end may choose its scale to fit)
            enough = largest.parameters.chain[0] - log2(largest.walk.end.traced.room)
            start = sum(choice.chain[0] < enough for choice in larger)
            if start and self.candidate(larger[start - 1]) is None:
                larger = larger[start:]
        return next(filter(None, map(self.candidate, larger[:-1])), largest)

    def by_primes(self, ring_degree: int) -> Iterator[list[Candidate]]:
        """Candidates on a ring, those of one number of primes at a time, the most exact first."""
        for _, alike in groupby(self.candidates(ring_degree), key=lambda candidate: candidate.primes):
            yield sorted(alike, key=lambda candidate: candidate.error)

    def reaches(self, ring_degree: int, accuracy: float, degrees: Sequence[int]) -> bool:
        """Whether candidates on a ring reach an accuracy, with witnesses: without looking for the best of them.

        ring_degree: N.
        accuracy: the largest error.
        degrees: that hidden layers' witnesses may have; empty where there are none.
        """
        closest: Candidate | None = None
        for wider in self.with_wider_ranges() if degrees else (self,):
            fits = None
            for candidate in wider._promising(ring_degree, accuracy):
                if candidate.error > accuracy:
                    continue
                if not degrees or wider.with_witnesses([candidate], degrees, accuracy) is not None:
                    return True
                fits = candidate
            if fits is None:
                break
            closest = closest or fits
        return closest is not None and any(
            deeper.reaches(ring_degree, accuracy, degrees) for deeper in self.with_spare_levels(closest, degrees)
        )

    def _promising(self, ring_degree: int, accuracy: float) -> Iterator[Candidate]:
        """Candidates on a ring, those of large scales first, down to a scale at which noise is why none does.

        Smaller scales err more, unless they let the special prime grow.

        ring_degree: N.
        accuracy: the largest error.
        """
        chains = sorted(self._chains, key=lambda chain: -chain[0])
        for bits, alike in groupby(chains, key=lambda chain: chain[0]):
            noisy = []
            for _, used, least in alike:
                choices = list(with_firsts(ring_degree, bits, used, range(least, self.most + 1, 2)))
                if not choices:
                    continue
                ample = choices[0].chain[-1] >= min(max(used, default=0) + _AMPLE, self.most)
                found = None
                try:
                    found = self._require(choices[0])
                except Drowned:
                    if ample:  # other first primes hardly help
                        noisy.append(True)
                        continue
                except (ScaleMismatch, LevelExhausted):
                    pass
                if found is None:
                    with suppress(Drowned):
                        found = self._with_least_first(iter(choices[1:]))
                noisy.append(ample and found is not None and found.error > _HOPELESS * accuracy)
                if found is not None:
                    yield found
            if noisy and all(noisy):
                return

    def would_try(self, parameters: Parameters, ring_degree: int) -> bool:
        """Whether parameters are among those of `candidates`, but for their first prime.

        parameters: of any model.
        ring_degree: N.
        """
        tried = ((used, 2.0**bits) for bits, used, _ in self._chains)
        return parameters.ring_degree == ring_degree and (parameters.chain[1:-1], parameters.scale) in tried

    def candidate(self, parameters: Parameters) -> Candidate | None:
        """The parameters as a candidate, None where they do not hold the model. Raises OutOfTime."""
        try:
            return self._require(parameters)
        except (ScaleMismatch, LevelExhausted):
            return None

    def _require(self, parameters: Parameters) -> Candidate:
        """The parameters as a candidate.

        Raises ScaleMismatch or LevelExhausted where they do not hold the model, Drowned where noise is why; OutOfTime.
        """
        if monotonic() > self.until:
            raise OutOfTime
        found = walk(self.path, self.packing.layout, parameters, evaluator=self.evaluator)
        if not (found.holds and found.bound < inf):
            raise (ScaleMismatch if found.bound < inf else Drowned)(parameters.scale, parameters.chain[0], "")
        error = max(found.bound, self.least_errors(parameters)[0])
        if self.queries:
            outputs = self.path.reach[-1].low.size
            error += flood_bound(flood(self.worst_error(parameters, error), outputs, self.queries), outputs)
        return Candidate(self, parameters, found, error)

    def witnessed(
        self,
        ring_degree: int,
        accuracy: float,
        degrees: Sequence[int],
        candidates: Sequence[Candidate] | None = None,
    ) -> Candidate | None:
        """The candidate on a ring whose witnesses leave least to be wished; None where none fit.

        ring_degree: N.
        accuracy: the largest error.
        degrees: that hidden layers' witnesses may have, the best first.
        candidates: those that reach the accuracy; None where they are not known.
        """
        if candidates is None:
            found = chain.from_iterable(self.by_primes(ring_degree))
            candidates = [candidate for candidate in found if candidate.error <= accuracy]
        return self.with_witnesses(candidates, degrees, accuracy)

    def with_witnesses(
        self, candidates: Sequence[Candidate], degrees: Sequence[int], accuracy: float
    ) -> Candidate | None:
        """The candidate whose witnesses leave least to be wished (`doubt`); None where none fit."""
        least, best = (1.0, 0, inf), None
        for candidate in (found for each in candidates for found in self._roomier(each, accuracy)):
            with suppress(ScaleMismatch):
                witnesses = witnesses_of(
                    candidate.walk, degrees, least[0], self._is_quiet if len(degrees) > 1 else None
                )
                left = doubt(witnesses)
                if left < least:
                    least, best = left, replace(candidate, witnesses=witnesses)
                if left <= no_doubt(degrees):
                    break
        return best

    def with_spare_levels(self, candidate: Candidate, degrees: Sequence[int]) -> Iterator[Trial]:
        """The model on chains of a level more than it takes, of two, and so on, as far as witnesses have use for them.

        One behind an activation of few levels near the end has no room for a high degree, and one of a low degree is
        quiet on a small part of its domain only.

        candidate: without witnesses.
        degrees: that hidden layers' witnesses may have, the best first.
        """
        if not self.spare:
            for spare in range(1, levels_missing(candidate.walk, degrees) + 1):
                yield replace(self, path=self.path.with_spare(spare), spare=spare)

    def with_wider_ranges(self) -> Iterator[Trial]:
        """Itself, and the model with wider ranges of its last hidden exact activation, of its last two, and so on.

        A witness of few levels adds up squares, and is quiet where the range is as wide as the sum for samples needs.
        """
        yield self
        last = max((place for place, node in enumerate(self.path.nodes) if isinstance(node, Affine)), default=-1)
        hidden = [place for place in self.path.seen if place < last]
        for start in range(len(hidden) - 1, -1, -1):
            node = self.path.nodes[hidden[start]]
            if not (isinstance(node, Activation) and node.is_exact):
                return
            yield replace(self, path=self.path.widened(hidden[start:]))

    def _is_quiet(self, witness: Witness) -> bool:
        """Whether a witness gives no false alarm for a sample whose values are all inside."""
        inputs = self.path.seen.get(witness.place)
        if inputs is None:
            return True
        low, high = witness.domain
        inside = inputs[((inputs >= low) & (inputs <= high)).all(axis=1)]
        return not (len(inside) and witness.alarms(witness.numbers(inside)).any())

    def _roomier(self, candidate: Candidate, accuracy: float) -> Iterator[Candidate]:
        """A candidate, and one like it with the largest first prime that it can have, for witnesses to fit in."""
        yield candidate
        ring_degree, (first, *used, _) = candidate.parameters.ring_degree, candidate.parameters.chain
        for larger in range(self.most, first, -_ROOMIER):
            special = special_bits(ring_degree, (larger, *used), self.most)
            chain = (larger, *used, special)
            known = special > log2(candidate.parameters.scale) and primes_of(ring_degree, chain) is not None
            found = self.candidate(replace(candidate.parameters, chain=chain)) if known else None
            if found is not None and found.error <= accuracy:
                yield found
                return

    def worst_error(self, parameters: Parameters, error: float) -> float:
        """Bound on the error at the output where all of its parts go one way, but for a probability of 2⁻¹²⁸.

        error: bound where they are independent; it may be larger, since it goes through bounds of spectral norms.
        """
        together = walk(self.path, self.packing.layout, parameters, norm=1, evaluator=self.evaluator)
        found = together.noise.bound(together.end.values, SECURITY_BITS)
        # decrypted values err a little more than twins do; below that no noise is sized (`safety.flooded`)
        return max(found, error, self.least_errors(parameters)[1], precision(1.01 * self.path.reach[-1].largest))

    def least_errors(self, parameters: Parameters) -> tuple[float, float]:
        """What a client asks a plan to state at least: more than weights that all but vanish make."""
        low, high = self.path.reach[0].low, self.path.reach[0].high
        largest = np.maximum(np.abs(low), np.abs(high)).tolist()
        signature = [node_signature(node) for node in self.path.nodes]
        return least_errors(parameters, self.packing, signature, largest, evaluator=self.evaluator)


def with_firsts(ring_degree: int, bits: int, used: tuple[int, ...], firsts: range) -> Iterator[Parameters]:
    """Parameters with every first prime that is asked for, as far as there are such primes.

    ring_degree: N.
    bits: of the scale.
    used: primes above the first one, in bits.
    firsts: first primes, in bits, ascending, whose last is the most that any prime may have.
    """
    for first in firsts:
        special = special_bits(ring_degree, (first, *used), firsts.stop - 1)
        if special <= bits:
            return
        chain = (first, *used, special)
        if primes_of(ring_degree, chain) is not None:  # other sizes of the first and special one may do
            yield Parameters(ring_degree, chain, 2.0**bits)
