"""Where the features of images go: so that a convolution takes few rotations.

A feature of channel c, row y and column x stands at offset(c) + y·pitch + x·step. Outputs of a stride stand where the
inputs that they come from do; their channels go to the places in between that the stride leaves, and then to blocks
farther on (E. Lee et al. 2022, "multiplexed" channels). Then the distance from an input to an output depends on the tap
of the kernel, and on how far their channels lie apart: as many diagonals as those are.

The client can lay out images as it likes: where the first map has a stride, all that a tap meets goes side by side.
Placements are chosen along the model, those first by which all maps so far take least (`_effort`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.layout import Placement, WholeSamples
from fhenn.ckks.maps import AffineMap, in_order, power_of_two
from fhenn.ckks.rotations import Rotations
from fhenn.nn import FORK, SWAP, Activation, Affine, Grid, Step, deepest

Places = NDArray[np.int64]

_KEPT = 6
"""Placements that are followed, of those after a step."""

_PRODUCT = 0.25
"""Of a transform: what a product with a plaintext takes for each prime (measured)."""


@dataclass(frozen=True)
class _Image:
    """An image in the positions of a ciphertext.

    at: position of each feature, (channels, height, width).
    unit: positions from a row to the next, and from a column, before any stride.
    period: positions, a power of two.
    """

    at: Places
    unit: tuple[int, int]
    period: int

    @classmethod
    def in_order(cls, grid: Grid) -> _Image:
        """What a map makes, one feature after another.

        grid: of the map.
        """
        size = prod(grid.outputs)
        return cls(np.arange(size).reshape(grid.outputs), (grid.outputs[2], 1), power_of_two(size))

    def layout(self, samples: int) -> Placement:
        """The placement, with so many samples interleaved."""
        held = np.full((1, self.period), -1)
        held[0, self.at.reshape(-1)] = np.arange(self.at.size)
        return Placement.of(held, samples)

    def outputs(self, grid: Grid, ring: int) -> Iterator[_Image]:
        """The placements of what a map makes of it, by how far blocks of channels lie apart.

        grid: of the map.
        ring: positions of a ciphertext.
        """
        channels, height, width = grid.outputs
        rows, columns = (self._pitch(axis, stride) for axis, stride in enumerate(grid.stride, 1))
        lattice = np.arange(height)[:, np.newaxis] * rows + np.arange(width) * columns
        gaps = product(range(max(rows // self.unit[0], 1)), range(max(columns // self.unit[1], 1)))
        offsets = sorted(y * self.unit[0] + x * self.unit[1] for y, x in gaps)
        block = power_of_two(int(lattice.max()) + 1)
        while block <= ring:
            within = [offset for offset in offsets if offset + lattice.max() < block]
            channel = np.arange(channels)
            at = channel // len(within) * block + np.array(within)[channel % len(within)]
            places = at[:, np.newaxis, np.newaxis] + lattice
            period = block * power_of_two(-(-channels // len(within)))
            if period <= ring and len(np.unique(places)) == places.size:
                yield _Image(places, self.unit, period)
            block *= 2

    def _pitch(self, axis: int, stride: int) -> int:
        """Positions from an output to the next along an axis."""
        size = self.at.shape[axis]
        if size == 1:
            return self.unit[axis - 1]
        along = np.moveaxis(self.at, axis, 0)[:, 0, 0]
        if stride < size:
            return int(along[stride] - along[0])
        return int(along[1] - along[0]) * stride


def _inputs(grid: Grid, ring: int) -> Iterator[_Image]:
    """Placements of the images that come in, which a client can choose freely.

    grid: of the first map.
    ring: positions of a ciphertext.
    """
    channels, height, width = grid.inputs
    channel, row, column = np.ogrid[:channels, :height, :width]
    block = power_of_two(height * width) if channels > 1 else height * width
    plain = channel * block + row * width + column
    if power_of_two(channels * block) <= ring:
        yield _Image(plain, (width, 1), power_of_two(channels * block))
    rows, columns = grid.stride
    if max(grid.stride) > 1:
        high, wide = -(-height // rows), -(-width // columns)
        phase = (channel * rows + row % rows) * columns + column % columns
        phased = phase * (high * wide) + row // rows * wide + column // columns
        if power_of_two(int(phased.max()) + 1) <= ring:
            yield _Image(phased, (wide, 1), power_of_two(int(phased.max()) + 1))


Laid = tuple[WholeSamples, _Image | None]
"""A layout, and the same as an image; None where its features are none."""


@dataclass(frozen=True)
class _Way:
    """Placements along a model, so far.

    effort: of all maps, in transforms.
    first: of the inputs.
    targets: of the outputs of each map; None for one after another.
    last: of the value that there is.
    levels: that are left.
    aside: the same of what was put aside.
    """

    effort: float
    first: WholeSamples
    targets: tuple[WholeSamples | None, ...]
    last: Laid
    levels: int
    aside: tuple[tuple[Laid, int], ...] = ()

    @property
    def layouts(self) -> tuple[WholeSamples, ...]:
        """What the steps to come depend on."""
        return (self.last[0], *(last[0] for last, _ in self.aside))


@dataclass(frozen=True)
class _Search:
    """The search for placements.

    slots: of a ciphertext.
    samples: that are interleaved, a power of two.
    rotations: how several rotations of one ciphertext are made.
    """

    slots: int
    samples: int
    rotations: Rotations

    @property
    def ring(self) -> int:
        """Positions of a ciphertext."""
        return self.slots // self.samples

    def begin(self, grid: Grid, levels: int) -> list[_Way]:
        """The ways to lay out the inputs.

        grid: of the first map.
        levels: that there are.
        """
        found = ((image.layout(self.samples), image) for image in _inputs(grid, self.ring))
        return [_Way(0.0, layout, (), (layout, image), levels) for layout, image in found]

    def after(self, step: Step, way: _Way) -> Iterator[_Way]:
        """A way continued by a step."""
        if isinstance(step, Affine):
            yield from self._through(step, way)
        elif isinstance(step, Activation):
            yield replace(way, levels=way.levels - step.cost)
        elif step is FORK:
            yield replace(way, aside=(*way.aside, (way.last, way.levels)))
        else:
            *aside, (last, levels) = way.aside
            if step is SWAP:
                yield replace(way, last=last, levels=levels, aside=(*aside, (way.last, way.levels)))
            elif last[0] == way.last[0]:  # else the branches cannot be added
                yield replace(way, levels=min(levels, way.levels), aside=tuple(aside))

    def _through(self, node: Affine, way: _Way) -> Iterator[_Way]:
        """A way continued by a map, in each of the ways to lay out its outputs."""
        grid, (before, image) = node.grid, way.last
        choices: list[Laid] = []
        if grid is not None and image is not None and grid.inputs == image.at.shape:
            choices += [(each.layout(self.samples), each) for each in image.outputs(grid, self.ring)]
        # where it is to be added to
        choices += [last for last, _ in way.aside if last[0].holds(node.outputs, self.slots)]
        if power_of_two(node.outputs) <= self.ring:
            choices.append((in_order(node.outputs, self.samples), None if grid is None else _Image.in_order(grid)))
        for last in dict(choices).items():
            target = None if last[0] == in_order(node.outputs, self.samples) else last[0]
            affine = AffineMap(node.operator, None, before, self.slots, self.rotations, 0.0, target)
            effort = way.effort + _effort(affine, way.levels)
            targets = (*way.targets, target)
            yield replace(way, effort=effort, targets=targets, last=last, levels=max(way.levels - node.cost, 0))


def place_images(
    nodes: Sequence[Step], slots: int, samples: int, rotations: Rotations
) -> tuple[WholeSamples, tuple[WholeSamples | None, ...]] | None:
    """The placements of a model's inputs, and of the outputs of each of its affine nodes.

    nodes: of the model, of which the first is affine and takes images.
    slots: of a ciphertext.
    samples: that are interleaved, a power of two.
    rotations: how several rotations of one ciphertext are made.

    Returns (inputs, targets), None for a target where outputs stand one after another; None where a layer has more
    features than a ciphertext has places.
    """
    first = nodes[0]
    if not isinstance(first, Affine) or first.grid is None:
        return None
    search = _Search(slots, samples, rotations)
    ways = search.begin(first.grid, sum(node.cost for node in deepest(nodes)))
    for node in nodes:
        best: dict[tuple[WholeSamples, ...], _Way] = {}
        for way in sorted((after for way in ways for after in search.after(node, way)), key=lambda way: way.effort):
            best.setdefault(way.layouts, way)
        ways = list(best.values())[:_KEPT]
    return (ways[0].first, ways[0].targets) if ways else None


def _effort(affine: AffineMap, levels: int) -> float:
    """What a map takes, in transforms: its rotations, with a rotation for each key, and its products.

    levels: that are left before it.
    """
    schedule = affine.schedules[0]
    switch = (levels + 1) * (levels + 2)
    return schedule.weight(1.0) * switch + schedule.diagonals.present * _PRODUCT * (levels + 1)
