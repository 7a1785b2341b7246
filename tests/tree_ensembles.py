"""Ensembles of trees of every kind, and samples that try them."""

import numpy as np

from fhenn.interop.trees import Tree

NUMBERS = (-3.0, -0.5, 0.0, 0.1, 0.1 + 2**-40, 1.0, 2.5, 1e6)
TEXTS = ("a", "b", "c", "")
CODES = (0.0, 1.0, 2.0, 3.0)
NUMBER, CODE, TEXT, BOTH = 0, 1, 2, 3
"""Kinds of features: thresholds, sets of numbers, sets of texts, thresholds and sets of numbers."""


def tree_of(rng, kinds, outputs, depth=4):
    """A tree of any shape; the numbers in what is not read are garbage."""
    rows, sets = [], {}

    def grow(level):
        place = len(rows)
        rows.append(None)
        if level == 0 or (level < depth and rng.random() < 0.3):
            rows[place] = (-1, np.nan, -5, 99, False, rng.integers(-3, 4, outputs).astype(float))
            return place
        feature = int(rng.integers(len(kinds)))
        kind, threshold = kinds[feature], np.nan
        if kind == NUMBER or (kind == BOTH and rng.random() < 0.5):
            threshold = rng.choice([*NUMBERS, np.inf])
        else:
            values = TEXTS[:3] if kind == TEXT else CODES
            sets[place] = tuple(value for value in values if rng.random() < 0.4)
        missing_left = rng.random() < 0.5
        left, right = grow(level - 1), grow(level - 1)
        rows[place] = (feature, threshold, left, right, missing_left, [np.nan] * outputs)
        return place

    grow(depth)
    return Tree(*zip(*rows, strict=True), sets)


def samples_of(rng, kinds, missing, count):
    """Cells on thresholds, beside them by a step of double or single precision, in no set, and missing ones."""
    near = [*NUMBERS]
    for number in NUMBERS:
        near += [np.nextafter(number, np.inf), np.nextafter(number, -np.inf)]
        near += [float(np.nextafter(np.float32(number), np.float32(sign))) for sign in (-np.inf, np.inf)]
    cells = {NUMBER: near, CODE: [*CODES, 9.0, 0.5], TEXT: TEXTS, BOTH: near}

    def cell(kind, may):
        return None if may and rng.random() < 0.3 else cells[kind][rng.integers(len(cells[kind]))]

    return [[cell(*each) for each in zip(kinds, missing, strict=True)] for _ in range(count)]


def full_tree(features, depth, outputs=1, steps=64, seed=0):
    """A full tree whose thresholds are multiples of 1/steps in [0, 1], the same for the same seed."""
    rng = np.random.default_rng(seed)
    nodes = 2 ** (depth + 1) - 1
    at = np.arange(nodes)
    inner = at < nodes // 2
    return Tree(
        np.where(inner, rng.integers(features, size=nodes), -1),
        rng.integers(1, steps, nodes) / steps,
        2 * at + 1,
        2 * at + 2,
        np.zeros(nodes, dtype=bool),
        rng.normal(size=(nodes, outputs)),
    )


def chain_tree(depth):
    """A tree whose deepest leaves ask for as many features as it is deep."""
    at = np.arange(2 * depth + 1)
    inner = at < depth
    return Tree(
        np.where(inner, at, -1),
        np.full(len(at), 0.5),
        at + depth,
        np.where(at == depth - 1, 2 * depth, at + 1),
        at % 3 == 0,
        np.random.default_rng(0).normal(size=(len(at), 1)),
    )
