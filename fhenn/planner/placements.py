"""Where the features of images go: so that a convolution takes few rotations.

A feature of channel c, row y and column x stands at offset(c) + y·pitch + x·step. Outputs of a stride stand where the
inputs that they come from do; their channels go to the places in between that the stride leaves, and then to blocks
farther on (E. Lee et al. 2022, "multiplexed" channels). Then the distance from an input to an output depends on the tap
of the kernel, and on how far their channels lie apart: as many diagonals as those are. What one ciphertext has no room
for goes on in the next one.

The client can lay out images as it likes: where the first map has a stride, all that a tap meets goes side by side; or
what each tap meets goes where the outputs are to stand ("im2col"), some pixels at several places, so that no rotation
is needed for the taps.

Placements are chosen along the model, those first by which all maps so far take least (`_effort`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.layout import Placement, WholeSamples
from fhenn.ckks.maps import KEY_OF_IMAGES, AffineMap, RotationSchedule, in_order, power_of_two
from fhenn.ckks.rotations import Rotations
from fhenn.nn import FORK, SWAP, Activation, Affine, Grid, Step, depths

Places = NDArray[np.int64]

_KEPT = 6
"""Placements that are followed, of those after a step."""

_PRODUCT = 0.25
"""Of a transform: what a product with a plaintext takes for each prime (measured)."""


_SENT = 200.0
"""Transforms that each prime of an upload's ciphertext takes: to encrypt it, to send it at 100 Mbit/s, to load it."""

_MOST_PLACES = 1 << 18
"""Positions of an upload whose inputs stand at several places."""


@dataclass(frozen=True)
class _Image:
    """An image in the positions of ciphertexts.

    at: position of each feature, counted through all ciphertexts, (channels, height, width).
    unit: positions from a row to the next, and from a column, before any stride.
    period: positions of a ciphertext, a power of two.
    """

    at: Places
    unit: tuple[int, int]
    period: int

    @classmethod
    def in_order(cls, grid: Grid, ring: int) -> _Image:
        """What a map makes, one feature after another.

        grid: of the map.
        ring: positions of a ciphertext.
        """
        size = prod(grid.outputs)
        return cls(np.arange(size).reshape(grid.outputs), (grid.outputs[2], 1), min(power_of_two(size), ring))

    @property
    def tiles(self) -> int:
        """Ciphertexts that it takes."""
        return len(np.unique(self.at // self.period))

    def layout(self, samples: int) -> Placement:
        """The placement, with so many samples interleaved."""
        return _placed(self.at, self.period, samples)

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
        block, found = power_of_two(int(lattice.max()) + 1), False
        while True:
            within = [offset for offset in offsets if offset + lattice.max() < block]
            channel = np.arange(channels)
            at = channel // len(within) * block + np.array(within)[channel % len(within)]
            places = at[:, np.newaxis, np.newaxis] + lattice
            size = block * power_of_two(-(-channels // len(within)))
            if (size <= ring or not found) and len(np.unique(places)) == places.size:
                yield _Image(places, self.unit, min(size, ring))
                found = True
            if size > ring:  # where one ciphertext does not do, as few as do
                return
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


def _placed(at: Places, period: int, samples: int) -> Placement:
    """The placement of features at positions.

    at: position of each feature, counted through all ciphertexts.
    period: positions of a ciphertext.
    samples: that are interleaved.

    A ciphertext that would hold none is left out.
    """
    held = np.full((int(at.max()) // period + 1, period), -1)
    held.reshape(-1)[at.reshape(-1)] = np.arange(at.size)
    return Placement.of(held[(held >= 0).any(axis=1)], samples)


@dataclass(frozen=True)
class _Columns:
    """Inputs that stand where the outputs of the first map do, for each of its taps.

    after: the placement of the outputs.
    """

    after: _Image


def _columns(node: Affine, grid: Grid, ring: int, samples: int) -> Iterator[Laid]:
    """Placements of what each tap of the first map meets, where its outputs are to stand.

    node: the map.
    grid: of it.
    ring: positions of a ciphertext.
    samples: that are interleaved.

    With M channels of outputs, a group of D taps takes M blocks: the taps in turn, M/D times over. Then each channel
    finds each of them within D blocks: as many diagonals. The sum over groups is one by folds. D = 1 takes no rotation
    but those, and M times the room.
    """
    channels, height, width = grid.outputs
    size = height * width
    block, together = power_of_two(size), power_of_two(channels)
    met = _met_by_taps(node, grid)
    if not len(met) or together * block > ring or len(met) * block > _MOST_PLACES:
        return
    at = np.arange(channels)[:, np.newaxis] * block + np.arange(size)
    after = _Image(at.reshape(grid.outputs), (width, 1), together * block)
    for apart in (1 << power for power in range(together.bit_length())):
        groups = -(-len(met) // apart)
        fit = min(ring // (together * block), power_of_two(groups))
        tiles = -(-groups // fit)
        if tiles * fit * together * block > _MOST_PLACES:
            continue
        taps = np.full((groups * apart, size), -1)
        taps[: len(met)] = met
        blocks = np.full((tiles * fit, together // apart, apart, block), -1)
        blocks[:groups, ..., :size] = taps.reshape(groups, 1, apart, size)
        held = blocks.reshape(tiles, -1)
        missing, empty = np.setdiff1d(np.arange(node.inputs), held), np.flatnonzero(held.reshape(-1) < 0)
        if len(missing) <= len(empty):  # pixels that no tap meets go anywhere
            held.reshape(-1)[empty[: len(missing)]] = missing
            yield Placement.of(held, samples), _Columns(after)


def _met_by_taps(node: Affine, grid: Grid) -> Places:
    """The input that each tap of a map meets for each output of a channel, (taps, outputs); -1 for none."""
    _, rows, columns = grid.inputs
    (down, right), (_, height, width) = grid.stride, grid.outputs
    tall, wide = rows + down * height, columns + right * width  # distances between an input and an output are less
    codes = [np.zeros(0, np.int64)]
    for outputs, inputs, _ in node.operator.pieces():
        _, i, j = np.unravel_index(outputs, grid.outputs)
        channel, y, x = np.unravel_index(inputs, grid.inputs)
        codes.append(np.unique((channel * 2 * tall + y - down * i + tall) * 2 * wide + x - right * j + wide))
    code = np.unique(np.concatenate(codes))[:, np.newaxis, np.newaxis]
    y = code // (2 * wide) % (2 * tall) - tall + down * np.arange(height)[:, np.newaxis]
    x = code % (2 * wide) - wide + right * np.arange(width)
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    met = np.where(inside, (code // (2 * wide) // (2 * tall) * rows + y) * columns + x, -1)
    return met.reshape(len(code), height * width)


def _inputs(grid: Grid, ring: int) -> list[_Image]:
    """Placements of the images that come in, each pixel once, which a client can choose freely.

    grid: of the first map.
    ring: positions of a ciphertext.
    """
    channels, height, width = grid.inputs
    channel, row, column = np.ogrid[:channels, :height, :width]
    block = power_of_two(height * width) if channels > 1 else height * width
    plain = channel * block + row * width + column
    found = [_Image(plain, (width, 1), min(power_of_two(channels * block), ring))]
    rows, columns = grid.stride
    if max(grid.stride) > 1:
        high, wide = -(-height // rows), -(-width // columns)
        phase = (channel * rows + row % rows) * columns + column % columns
        phased = phase * (high * wide) + row // rows * wide + column // columns
        found.append(_Image(phased, (wide, 1), min(power_of_two(int(phased.max()) + 1), ring)))
    return found


Laid = tuple[WholeSamples, _Image | _Columns | None]
"""A layout, and the same as an image; None where its features are none."""


@dataclass(frozen=True)
class _Way:
    """Placements along a model, so far.

    effort: of all maps, in transforms.
    first: of the inputs.
    targets: of the outputs of each map; None for one after another.
    last: of the value that there is.
    aside: of what was put aside.
    keys: rotations that there are keys for by now.
    """

    effort: float
    first: WholeSamples
    targets: tuple[WholeSamples | None, ...]
    last: Laid
    aside: tuple[Laid, ...] = ()
    keys: frozenset[int] = frozenset()

    @property
    def layouts(self) -> tuple[WholeSamples, ...]:
        """What the steps to come depend on."""
        return (self.last[0], *(last[0] for last in self.aside))

    @property
    def joins(self) -> bool:
        """Whether the value can meet one that was put aside."""
        return any(last[0] == self.last[0] for last in self.aside)


@dataclass(frozen=True)
class _Search:
    """The search for placements.

    slots: of a ciphertext.
    samples: that are interleaved, a power of two.
    rotations: how several rotations of one ciphertext are made.
    upload: ciphertexts that the inputs may take.
    """

    slots: int
    samples: int
    rotations: Rotations
    upload: float

    @property
    def tiles(self) -> float:
        """Ciphertexts that outputs may take: samples share ciphertexts where one holds them."""
        return inf if self.samples == 1 else 1

    @property
    def ring(self) -> int:
        """Positions of a ciphertext."""
        return self.slots // self.samples

    def begin(self, node: Affine, grid: Grid, levels: int) -> list[_Way]:
        """The ways to lay out the inputs.

        node: the first map.
        grid: of it.
        levels: that there are.
        """
        images: Iterator[Laid] = ((image.layout(self.samples), image) for image in _inputs(grid, self.ring))
        ways = list(self._sent(images, levels))
        least = min((after.effort for way in ways for after in self._through(node, way, levels)), default=inf)
        columns = self._sent(_columns(node, grid, self.ring, self.samples), levels)
        return ways + [way for way in columns if way.effort < least]  # else it is dearer whatever it saves

    def _sent(self, found: Iterator[Laid], levels: int) -> Iterator[_Way]:
        """Ways that begin with inputs, where a client may send as many ciphertexts.

        found: the inputs.
        levels: that there are.
        """
        for layout, image in found:
            if layout.tiles <= min(self.upload, self.tiles):
                yield _Way(_SENT * layout.tiles * (levels + 1), layout, (), (layout, image))

    def after(self, step: Step, way: _Way, levels: int) -> Iterator[_Way]:
        """A way continued by a step.

        levels: that are left before it.
        """
        if isinstance(step, Affine):
            yield from self._through(step, way, levels)
        elif isinstance(step, Activation):
            yield way
        elif step is FORK:
            yield replace(way, aside=(*way.aside, way.last))
        else:
            *aside, last = way.aside
            if step is SWAP:
                yield replace(way, last=last, aside=(*aside, way.last))
            elif last[0] == way.last[0]:  # else the branches cannot meet
                yield replace(way, aside=tuple(aside))

    def _through(self, node: Affine, way: _Way, levels: int) -> Iterator[_Way]:
        """A way continued by a map, in each of the ways to lay out its outputs.

        levels: that are left before it.
        """
        grid, (before, image) = node.grid, way.last
        choices: list[Laid] = []
        if grid is not None and isinstance(image, _Columns):
            choices.append((image.after.layout(self.samples), image.after))
        elif grid is not None and isinstance(image, _Image) and grid.inputs == image.at.shape:
            images = (each for each in image.outputs(grid, self.ring) if each.tiles <= self.tiles)
            choices += [(each.layout(self.samples), each) for each in images]
        # where it is to be added to
        choices += [last for last in way.aside if last[0].holds(node.outputs, self.slots)]
        if node.outputs <= self.ring * self.tiles:
            choices.append(self._in_order(node))
        for last in dict(choices).items():
            target = None if last[0] == in_order(node.outputs, self.samples) else last[0]
            affine = AffineMap(node.operator, None, before, self.slots, self.rotations, 0.0, target)
            schedule, targets = affine.schedules[0], (*way.targets, target)
            effort = way.effort + _effort(schedule, schedule.keys - way.keys, levels)
            yield replace(way, effort=effort, keys=way.keys | schedule.keys, targets=targets, last=last)

    def along(self, nodes: Sequence[Step], ways: list[_Way]) -> _Way | None:
        """The best way through a model; None where there is none.

        nodes: of the model.
        ways: to begin.
        """
        *before, total = depths(nodes)
        for node, depth in zip(nodes, before, strict=True):
            best: dict[tuple[WholeSamples, ...], _Way] = {}
            found = (after for way in ways for after in self.after(node, way, total - depth))
            for way in sorted(found, key=lambda way: way.effort):
                best.setdefault(way.layouts, way)
            ranked = list(best.values())
            # and those whose branches can be added, of which the best ones may be none
            ways = ranked[:_KEPT] + [way for way in ranked[_KEPT:] if way.joins][:_KEPT]
        return ways[0] if ways else None

    def _in_order(self, node: Affine) -> Laid:
        """One output after another."""
        image = None if node.grid is None else _Image.in_order(node.grid, self.ring)
        if power_of_two(node.outputs) <= self.ring:
            return in_order(node.outputs, self.samples), image
        return _placed(np.arange(node.outputs), self.ring, self.samples), image


def place_images(
    nodes: Sequence[Step], slots: int, samples: int, rotations: Rotations, upload: int | None = None
) -> tuple[WholeSamples, tuple[WholeSamples | None, ...]] | None:
    """The placements of a model's inputs, and of the outputs of each of its affine nodes.

    nodes: of the model, of which the first is affine and takes images.
    slots: of a ciphertext.
    samples: that are interleaved, a power of two.
    rotations: how several rotations of one ciphertext are made.
    upload: ciphertexts that the inputs may take; None for any.

    Returns (inputs, targets), None for a target where outputs stand one after another; None where the inputs take more
    ciphertexts, or several samples more than one.
    """
    first = nodes[0]
    if not isinstance(first, Affine) or first.grid is None:
        return None
    search = _Search(slots, samples, rotations, inf if upload is None else upload)
    begun = search.begin(first, first.grid, depths(nodes)[-1])
    # what is cheap at first leads those astray that come to be cheaper later
    ends = [search.along(nodes, [way for way in begun if way.first.is_plain is plain]) for plain in (True, False)]
    best = min(filter(None, ends), key=lambda way: way.effort, default=None)
    return None if best is None else (best.first, best.targets)


def _effort(schedule: RotationSchedule, keys: frozenset[int], levels: int) -> float:
    """What a map takes, in transforms: its rotations, with some for each key, and its products.

    schedule: of the map.
    keys: that no map before it has.
    levels: that are left before it.
    """
    switch = (levels + 1) * (levels + 2)
    rotations = schedule.effort + KEY_OF_IMAGES * len(keys)
    return rotations * switch + schedule.diagonals.present * _PRODUCT * (levels + 1)
