"""Which slot of a ciphertext holds which pixel of which channel, or which feature, before and after a layer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil, log2, prod
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.maps import in_order
from fhenn.errors import ParameterError
from fhenn.figures.style import MEASURED, STYLE, matplotlib
from fhenn.nn import Activation, Affine, Node, circuit, trail
from fhenn.planner import Plan, verify
from fhenn.planner.scaling import with_targets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colours = NDArray[np.float64]
Places = NDArray[np.int64]
Shape = tuple[int, int, int]

_MOST_BLOCKS = 6
"""Blocks of a ciphertext that are drawn side by side."""

_CORNER = 8, 8
"""Rows and columns that are drawn large."""

_PALETTE, _GREY = "tab10", 7
"""Colours of channels, and which of them is too like the grey of empty slots."""

_COLOURS = 9
"""After so many channels their colours come again."""

_PALEST = 0.35
"""How much of its channel's colour the first pixel has; the last one has all of it."""

_EMPTY = 0.93
"""The grey of slots that hold no pixel."""


@dataclass(frozen=True)
class _Side:
    """What stands in slots before or after a map.

    count: of values.
    layout: where they are in slots.
    shape: (channels, height, width) of images; of features rows in which they are drawn, as one channel.
    """

    count: int
    layout: WholeSamples
    shape: Shape

    @classmethod
    def of_features(cls, count: int, layout: WholeSamples) -> _Side:
        """Features in rows of a power of two, about as many as there are rows."""
        width = 1 << ceil(log2(count) / 2)
        return cls(count, layout, (1, ceil(count / width), width))


@dataclass(frozen=True)
class _Map:
    """A map in a plan.

    name: of the layer, with its stride.
    after_name: of the layer alone.
    images: whether it takes and makes images.
    before, after: what stands in slots.
    """

    name: str
    after_name: str
    images: bool
    before: _Side
    after: _Side


def placement_figure(plan: Plan, model: Node, layer: int = 0) -> Figure:
    """Draw which slot holds which pixel of which channel, or which feature, before and after a layer.

    plan: of whole samples in ciphertexts (`layout="latency"`).
    model: that the plan is for.
    layer: which of the model's maps of images, from 0, or of its affine maps where none is of images; neighbours that
    run as one (`fhenn.nn.circuit`) count as one.

    A channel has a colour, which grows darker from its first pixel to its last; grey slots hold no pixel. Slots stand
    in rows as long as those of the images that the client packs, and in blocks that no channel leaves, each named by
    its first slot; blocks without pixels are left out. Beside them is the corner of the first one, with row and column
    of each pixel. What a client packs may hold a pixel several times. Of several ciphertexts, and of several samples
    in one, the first is drawn. Features are drawn as one channel, in rows, each with its number in the corner.

    Returns the figure.
    Raises PlanError where the plan is for another model, ParameterError where it packs a feature in each ciphertext or
    there is no such layer, ExtraMissing without matplotlib.

    >>> import fhenn
    >>> model = fhenn.Conv2d(np.ones((4, 1, 2, 2)), stride=2, shape=(1, 8, 8))
    >>> figure = placement_figure(fhenn.plan(model, bounds=[0, 1], layout="latency"), model)
    >>> [axes.get_title(loc="left") for axes in figure.axes[::2]]
    ['before Conv2d, stride 2 × 2: 1 × 8 × 8', 'after Conv2d: 4 × 4 × 4']
    """
    verify(plan, model)
    maps = _maps_of(plan, model)
    if not (isinstance(layer, Integral) and 0 <= layer < len(maps)):
        raise ParameterError(
            f"there are {len(maps)} maps{' of images' * maps[0].images}, and this layer is none of them.",
            "Count from 0, and maps that run as one as one: fhenn.nn.circuit(model) lists them.",
        )
    drawn, slots, first = maps[layer], plan.parameters.slots, maps[0].before
    pitch = _pitch(first.layout.content(first.count, slots)[0], first.shape)
    sides = (f"before {drawn.name}", drawn.before), (f"after {drawn.after_name}", drawn.after)
    with matplotlib().rc_context(STYLE):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.5, 5.6), layout="constrained")
        rows = figure.subplots(2, 2, width_ratios=(1.5, 1))
        for (whole, corner), (title, side) in zip(rows, sides, strict=True):
            starts, blocks = _blocks(side, slots, pitch if drawn.images else side.shape[2])
            size = _text(side.shape) if drawn.images else f"{side.count} feature{'s' * (side.count != 1)}"
            whole.set_title(f"{title}: {size}", loc="left")
            _draw_blocks(whole, starts * side.layout.samples, blocks, side.shape)
            _draw_corner(corner, blocks[0], side.shape, drawn.images)
        if drawn.images:
            _legend(figure, max(drawn.before.shape[0], drawn.after.shape[0]))
        return figure


def _maps_of(plan: Plan, model: Node) -> list[_Map]:
    """The maps of images, or all where none is of images, in the order in which they run. Raises ParameterError."""
    if not isinstance(plan.layout, WholeSamples):
        raise ParameterError(
            "the plan packs one feature of many samples in each ciphertext: none stands beside another.",
            "Plan with layout='latency'.",
        )
    found: list[_Map] = []

    def step(_: int, node: Affine | Activation, x: WholeSamples) -> WholeSamples:
        """Where what a node makes is."""
        if isinstance(node, Activation):
            return x
        after = node.target or in_order(node.outputs, x.samples)
        found.append(_map_of(node, x, after))
        return after

    def join(place: int, aside: WholeSamples, x: WholeSamples) -> WholeSamples:
        """Two branches that are added or multiplied stand at the same places."""
        return x

    deque(trail(with_targets(circuit(model), plan.targets), plan.layout, step, join, join), maxlen=0)
    return [each for each in found if each.images] or found


def _map_of(node: Affine, before: WholeSamples, after: WholeSamples) -> _Map:
    grid = node.grid
    if grid is None:
        sides = _Side.of_features(node.inputs, before), _Side.of_features(node.outputs, after)
        return _Map(node.name, node.name, False, *sides)
    stride = "" if grid.stride == (1, 1) else f", stride {_text(grid.stride)}"
    sides = _Side(node.inputs, before, grid.inputs), _Side(node.outputs, after, grid.outputs)
    return _Map(f"{node.name}{stride}", node.name, True, *sides)


def _pitch(content: Places, shape: Shape) -> int:
    """Slots from a row of the client's images to the next one that it packs there."""
    _, height, width = shape
    starts = [int(np.argmax(content == row * width)) for row in range(height) if row * width in content]
    return int(np.diff(sorted(starts)).min(initial=len(content))) if len(starts) > 1 else width


def _blocks(side: _Side, slots: int, pitch: int) -> tuple[Places, Places]:
    """The blocks of the first ciphertext that hold pixels.

    side: of the map.
    slots: of a ciphertext.
    pitch: slots in a row.

    Returns the place where each begins, and the feature at each of its places, (blocks, rows, columns): -1 for none,
    -2 behind its end.
    """
    layout = side.layout
    content = layout.content(side.count, slots)[0]
    size = _block_size(content, side.shape)
    if layout.is_plain:  # what comes after its period is the same again
        content = content[: max(layout.period, size)]
    blocks = content.reshape(-1, size)
    taken = np.flatnonzero((blocks >= 0).any(axis=1))
    rows = -(-size // pitch)
    padded = np.full((len(taken), rows * pitch), -2)
    padded[:, :size] = blocks[taken]
    return taken * size, padded.reshape(-1, rows, pitch)


def _block_size(content: Places, shape: Shape) -> int:
    """The least power of two at whose multiples no channel goes from one block to another."""
    features, first = np.unique(content, return_index=True)
    held = features >= 0
    channel = features[held] // prod(shape[1:])
    spans = [first[held][channel == each] for each in np.unique(channel)]
    size = 1
    while any(span.min() // size != span.max() // size for span in spans):
        size *= 2
    return size


def _draw_blocks(axes: Axes, starts: Places, blocks: Places, shape: Shape) -> None:
    """The first blocks side by side, with the slots where they begin."""
    drawn = blocks[:_MOST_BLOCKS]
    apart = np.pad(drawn, ((0, 0), (0, 0), (0, 1)), constant_values=-2)
    axes.imshow(_colours(np.hstack(list(apart))[:, :-1], shape), interpolation="nearest", aspect="auto")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    middles = np.arange(len(drawn)) * apart.shape[2] + (blocks.shape[2] - 1) / 2
    axes.set_xticks(middles, [f"slot {start}" for start in starts[:_MOST_BLOCKS]])
    axes.tick_params(length=0)
    if len(blocks) > len(drawn):
        axes.set_xlabel(f"not drawn: {len(blocks) - len(drawn)} more")


def _draw_corner(axes: Axes, block: Places, shape: Shape, images: bool) -> None:
    """The upper left corner of a block, with row and column of each pixel, or the number of each feature."""
    rows, columns = _CORNER
    corner = block[:rows, :columns]
    _, height, width = shape
    axes.imshow(_colours(corner, shape), interpolation="nearest", aspect="auto")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title("row, column" if images else "feature, from 0", loc="left", fontsize=9)
    for (y, x), feature in np.ndenumerate(corner):
        if feature >= 0:
            text = f"{feature // width % height},{feature % width}" if images else f"{feature}"
            axes.text(x, y, text, ha="center", va="center", fontsize=7, color=MEASURED)


def _colours(features: Places, shape: Shape) -> Colours:
    """A colour for what each place holds, (..., 3)."""
    _, height, width = shape
    channel, pixel = np.divmod(np.maximum(features, 0), height * width)
    along = (pixel // width / max(height - 1, 1) + pixel % width / max(width - 1, 1)) / 2
    strength = _PALEST + (1 - _PALEST) * along
    colours: Colours = 1 - strength[..., np.newaxis] * (1 - _of_channel(channel))
    colours[features == -1] = _EMPTY
    colours[features == -2] = 1.0
    return colours


def _of_channel(channel: Places) -> Colours:
    """The full colour of channels, (..., 3)."""
    palette = np.delete(np.array(matplotlib().colormaps[_PALETTE].colors), _GREY, axis=0)
    colours: Colours = palette[channel % _COLOURS]
    return colours


def _legend(figure: Figure, channels: int) -> None:
    """The colours of channels, above the panels, where they cover nothing."""
    from matplotlib.patches import Patch

    shown = range(min(channels, _COLOURS))
    handles = [Patch(color=colour) for colour in _of_channel(np.array(shown))]
    names = [f"channel {place}" if place == 0 else f"{place}" for place in shown]
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False, columnspacing=1.2)


def _text(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes))
