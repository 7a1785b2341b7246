"""How a client that is not honest reconstructs trees from their scores: what `notebooks/security.md` counts.

On codes of real numbers (which no sample has) the scores are a polynomial, whose mixed difference in some bits is 0
unless a leaf asks for all of them. So the sets of bits that share a leaf are found size by size; then the coefficients
of their products, which are all of the model.
"""

from itertools import combinations

import numpy as np

_ZERO = 1e-4
"""Differences that noise does not make; those that a leaf makes are larger, but for few."""


class Oracle:
    """Scores of codes, counted.

    scores: (samples, bits) to (samples, outputs).
    """

    def __init__(self, scores, noise=0.0):
        self._scores, self._noise, self._rng = scores, noise, np.random.default_rng(0)
        self.samples = self.uploads = 0

    def ask(self, codes):
        """The scores of codes, in one upload."""
        self.uploads += 1
        self.samples += len(codes)
        found = self._scores(np.array(codes))
        return found + self._noise * self._rng.normal(size=found.shape)


def by_any_codes(oracle, bits, most):
    """The coefficients of the products of bits, by codes of any numbers between 0 and 1.

    most: bits that a leaf asks for at most.
    """
    begin = np.random.default_rng(1).uniform(0, 0.5, bits)

    def point(places):
        code = begin.copy()
        code[list(places)] += 0.5
        return code

    known = {(): oracle.ask([begin])[0]}
    level = [(place,) for place in range(bits)]
    sets = [()]
    while level and len(level[0]) <= most:
        known |= dict(zip(level, oracle.ask([point(places) for places in level]), strict=True))
        there = [places for places in level if np.abs(_difference(known, places)).max() > _ZERO]
        sets += there
        found = set(there)
        level = [
            (*places, more)
            for places in there
            for more in range(places[-1] + 1, bits)
            if all((*rest, more) in found for rest in combinations(places, len(places) - 1))
        ]
    ones = np.zeros((len(sets), bits))
    for row, places in enumerate(sets):
        ones[row, list(places)] = 1.0
    values = dict(zip(sets, oracle.ask(ones), strict=True))
    return {places: _difference(values, places) for places in sets}


def by_codes_of_samples(oracle, columns, most):
    """The same by codes that samples have: x <= t for each threshold of a feature, ascending.

    columns: how many thresholds each feature has.
    most: features that a leaf asks for at most.
    """
    starts = np.concatenate([[0], np.cumsum(columns)])
    bits = [(feature, place) for feature, count in enumerate(columns) for place in range(count)]
    sets = [
        chosen
        for size in range(most + 1)
        for chosen in combinations(bits, size)
        if len({feature for feature, _ in chosen}) == size
    ]
    codes = np.zeros((len(sets), starts[-1]))
    for row, chosen in enumerate(sets):
        for feature, place in chosen:
            codes[row, starts[feature] + place : starts[feature + 1]] = 1.0  # x is below all larger thresholds too
    values = dict(zip(sets, oracle.ask(codes), strict=True))

    def coefficient(chosen):
        found = 0.0
        for size in range(len(chosen) + 1):
            for up in combinations(chosen, size):  # above the threshold, which is below the next one
                beside = [(f, p + 1) if (f, p) in up else (f, p) for f, p in chosen]
                found = found + (-1) ** size * values[tuple(each for each in beside if each[1] < columns[each[0]])]
        return found

    return {tuple(starts[f] + p for f, p in chosen): coefficient(chosen) for chosen in sets}


def scores_of(coefficients, codes):
    """What a reconstructed model says of codes."""
    return sum(np.outer(codes[:, list(places)].prod(axis=1), value) for places, value in coefficients.items())


def _difference(values, places):
    """The mixed difference of the values in some bits."""
    return sum(
        (-1) ** (len(places) - size) * values[chosen]
        for size in range(len(places) + 1)
        for chosen in combinations(places, size)
    )
