"""How samples are packed for the layout "latency": whole samples, in one ciphertext or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from fhenn.ckks.layout import FEATURES, Layout, Placement, Vectors, WholeSamples
from fhenn.ckks.maps import power_of_two
from fhenn.ckks.rotations import Rotations
from fhenn.nn import Affine, Step
from fhenn.planner.placements import place_images


@dataclass(frozen=True)
class Packing:
    """How samples are packed on their way through a model.

    layout: of the inputs.
    targets: of the outputs of each affine node, None for one after another; empty for all of them so.
    """

    layout: Layout
    targets: tuple[WholeSamples | None, ...] = ()


THROUGHPUT = Packing(FEATURES)


def pack(
    nodes: Sequence[Step],
    slots: int,
    rotations: Rotations,
    samples: int = 1,
    upload: int | None = None,
) -> Packing | None:
    """The packing of whole samples in a ring.

    nodes: of the model, an affine one first.
    slots: of a ciphertext.
    rotations: how several rotations of one ciphertext are made.
    samples: that share ciphertexts, where they fit; 1 or more.
    upload: ciphertexts that the client may send for a sample, 1 or more; None for as many as its features fill.

    Returns None where the samples do not fit that many ciphertexts. A layer may take several, of one sample.
    """
    if of_images(nodes):
        together = power_of_two(samples)
        while together:
            placed = place_images(nodes, slots, together, rotations, upload)
            if placed is not None:
                return Packing(*placed)
            together //= 2
    layout = pack_samples(nodes, slots, samples, upload)
    return _pack_wide(nodes, slots, upload) if layout is None else Packing(layout)


def _pack_wide(nodes: Sequence[Step], slots: int, upload: int | None) -> Packing | None:
    """The packing of one sample where layers have more outputs than a ciphertext has slots: they go on in the next one.

    Returns None where no layer has, or the features do not fit as many ciphertexts as may be sent.
    """
    maps = [node for node in nodes if isinstance(node, Affine)]
    width, widest = maps[0].inputs, max(node.outputs for node in maps)
    tiles = ceil(width / slots)
    if power_of_two(widest) <= slots or (upload is not None and upload < tiles):
        return None
    if tiles > 1:
        first = Vectors("blocks", slots, 1, min(power_of_two(maps[0].outputs), slots), tiles)
    else:
        first = Vectors("replicated", power_of_two(width))
    return Packing(first, tuple(_in_turn(node.outputs, slots) for node in maps))


def _in_turn(outputs: int, slots: int) -> Placement | None:
    """Outputs one after another in as many ciphertexts as they fill; None where one holds them."""
    if power_of_two(outputs) <= slots:
        return None
    held = np.arange(ceil(outputs / slots) * slots).reshape(-1, slots)
    return Placement.of(np.where(held < outputs, held, -1))


def of_images(nodes: Sequence[Step]) -> bool:
    """Whether a model takes images, whose layers may take several ciphertexts.

    nodes: of the model.
    """
    first = nodes[0]
    return isinstance(first, Affine) and first.grid is not None


def pack_samples(nodes: Sequence[Step], slots: int, samples: int = 1, upload: int | None = None) -> Vectors | None:
    """The packing of a model's inputs in a ring.

    nodes: of the model, an affine one first.
    slots: of a ciphertext.
    samples: that share ciphertexts, where all features of so many fit one; 1 or more.
    upload: ciphertexts that the client may send for a sample, 1 or more; None for as many as its features fill.

    Returns the layout; None where the features do not fit that many ciphertexts, or a layer has more outputs than a
    ciphertext has slots. More ciphertexts than the features fill are taken where that leaves a single product for each.

    >>> import fhenn, numpy as np
    >>> wide = [fhenn.Linear(np.ones((2, 5000)))]
    >>> pack_samples(wide, 2048)
    Vectors(form='blocks', period=2048, samples=1, step=2, tiles=3)
    >>> pack_samples(wide, 2048, upload=8).form, pack_samples(wide, 2048, upload=2)
    ('tiles', None)
    """
    shapes = [node.operator.shape for node in nodes if isinstance(node, Affine)]
    (outputs, width), widest = shapes[0], max(power_of_two(size) for shape in shapes for size in shape)
    together = power_of_two(samples)
    while together > 1 and slots // together < widest:
        together //= 2
    ring, m = slots // together, power_of_two(outputs)
    least = ceil(width / ring)
    if max(power_of_two(shape[0]) for shape in shapes) > ring or (upload is not None and upload < least):
        return None
    period = power_of_two(ceil(width / max(upload or 1, least)))
    if period * m <= ring:
        return Vectors("tiles", period, together, m, ceil(width / period))
    if width <= ring:  # one ciphertext, whose diagonals need fewer rotations than those of several
        period = power_of_two(width)
    return Vectors("blocks", period, together, m * period // ring, ceil(width / period))
