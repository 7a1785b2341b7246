"""Where pixels are drawn is where clients and servers put them."""

from functools import cache

import numpy as np
import pytest

import fhenn
from fhenn.ckks.maps import in_order
from fhenn.errors import ParameterError, PlanError
from fhenn.figures import placement_figure, save

EMPTY, BEYOND = (0.93,) * 3, (1.0,) * 3
rng = np.random.default_rng(0)


def conv(outputs, inputs, taps, **how):
    return fhenn.Conv2d(rng.normal(size=(outputs, inputs, taps, taps)) / taps**2 / inputs, **how)


def network():
    """Two maps of images, the second one with the pooling before it, and a dense one."""
    nodes = [conv(4, 1, 3, padding=1), fhenn.Square(), fhenn.AvgPool2d(2), conv(5, 4, 3), fhenn.Square()]
    return fhenn.Sequential([*nodes, fhenn.Flatten(), fhenn.Linear(rng.normal(size=(2, 180)) / 50)], shape=(1, 16, 16))


def planned(model, **wishes):
    """A plan of whole samples."""
    return fhenn.plan(model, bounds=[0, 1], accuracy=1e-2, **{"layout": "latency", "samples": 1, **wishes})


@cache
def known(samples=1):
    """A network and its plan."""
    model = network()
    return model, planned(model, samples=samples)


def pixels_of(layout, shape, slots):
    """(channel, row, column) in each slot of the first sample, by what `pack` puts there; None for none."""
    numbered = np.zeros((layout.samples, np.prod(shape)))
    numbered[0] = 1 + np.arange(np.prod(shape))
    packed = layout.pack(numbered, slots)[0].round().astype(int)
    return [tuple(np.unravel_index(n - 1, shape)) if n else None for n in packed.tolist()]


def expected_colour(pixel, shape, base):
    channel, row, column = pixel
    along = (row / (shape[1] - 1) + column / (shape[2] - 1)) / 2
    return 1 - (0.35 + 0.65 * along) * (1 - np.array(base[channel]))


@pytest.mark.thorough
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("layer", [0, 1])
def test_every_pixel_is_drawn_in_its_slot(layer, samples, tmp_path):
    (model, plan), pitch = known(samples), 16
    assert plan.layout.samples == samples
    figure = placement_figure(plan, model, layer)
    shapes = [(1, 16, 16), (4, 16, 16), (5, 6, 6)]
    layouts = [plan.layout, *(target or in_order(180, samples) for target in plan.targets)]
    base = [patch.get_facecolor()[:3] for patch in figure.legends[0].get_patches()]
    assert len({tuple(colour) for colour in base}) == max(shapes[layer][0], shapes[layer + 1][0])
    for side, (whole, corner) in enumerate((figure.axes[:2], figure.axes[2:])):
        shape = shapes[layer + side]
        pixels = pixels_of(layouts[layer + side], shape, plan.parameters.slots)
        colours = whole.images[0].get_array()
        starts = [int(tick.get_text().removeprefix("slot ")) for tick in whole.get_xticklabels()]
        rows, width, _ = colours.shape
        assert width == len(starts) * (pitch + 1) - 1
        seen = []
        for number, start in enumerate(starts):
            for (y, x), _ in np.ndenumerate(np.empty((rows, pitch))):
                pixel, colour = pixels[start + samples * (y * pitch + x)], colours[y, number * (pitch + 1) + x]
                if tuple(colour) == BEYOND:
                    assert y == rows - 1, "behind the end of a block"
                elif pixel is None:
                    assert tuple(colour) == EMPTY
                else:
                    seen.append(pixel)
                    np.testing.assert_allclose(colour, expected_colour(pixel, shape, base), atol=1e-9)
        assert set(seen) == set(np.ndindex(shape)), "each pixel"
        assert len(seen) == np.prod(shape) or layouts[layer + side] is plan.layout, "once, but for what clients pack"
        told = {(int(y), int(x)): text.get_text() for text in corner.texts for x, y in [text.get_position()]}
        first = {(y, x): pixels[starts[0] + samples * (y * pitch + x)] for y in range(8) for x in range(8)}
        assert told == {place: f"{pixel[1]},{pixel[2]}" for place, pixel in first.items() if pixel is not None}
    save(figure, tmp_path / "placement.png")


def test_a_stride_fills_its_gaps_with_channels():
    model, plan = known()
    *_, after, corner = placement_figure(plan, model, 1).axes
    assert [text.get_text() for text in corner.texts[:4]] == ["0,0", "0,0", "0,1", "0,1"]
    assert after.get_title(loc="left") == "after AvgPool2d_Conv2d: 5 × 6 × 6"


@pytest.mark.thorough
def test_rows_are_those_of_the_images_that_the_client_packs():
    """It may put all that a tap of a stride meets side by side: every other pixel of every other row."""
    nodes = [conv(8, 1, 5, stride=2), fhenn.Square(), conv(8, 8, 3), fhenn.Square(), conv(2, 8, 3)]
    model = fhenn.Sequential(nodes, shape=(1, 16, 16))
    plan = planned(model)
    assert plan.layout.held[0][:3].tolist() == [0, 2, 4]
    before, corner, after, _ = placement_figure(plan, model).axes
    assert before.get_title(loc="left") == "before Conv2d, stride 2 × 2: 1 × 16 × 16"
    told = {tuple(text.get_position()): text.get_text() for text in corner.texts}
    assert [told[place] for place in ((0, 0), (1, 0), (0, 1))] == ["0,0", "0,2", "2,0"]
    assert after.get_xlabel() == "not drawn: 2 more"
    assert len(after.get_xticklabels()) == 6


@pytest.mark.thorough
def test_branches_are_followed():
    body = fhenn.Sequential([conv(2, 2, 3, padding=1), fhenn.Square(), conv(2, 2, 3, padding=1)])
    model = fhenn.Sequential([conv(2, 1, 3, padding=1), fhenn.Residual(body), conv(3, 2, 3)], shape=(1, 8, 8))
    plan = planned(model)
    titles = [placement_figure(plan, model, layer).axes[2].get_title(loc="left") for layer in range(4)]
    assert [title.split(": ")[1] for title in titles] == ["2 × 8 × 8"] * 3 + ["3 × 6 × 6"]


@pytest.mark.thorough
def test_images_that_fill_several_ciphertexts():
    """The client packs them as features; those in the first ciphertext are drawn."""
    model = fhenn.Sequential([conv(1, 1, 9, stride=9), fhenn.Flatten()], shape=(1, 99, 99))
    plan = planned(model, samples=None)
    assert plan.layout.tiles > 1
    before = placement_figure(plan, model).axes[0]
    assert before.get_title(loc="left").endswith("1 × 99 × 99")


def test_refusals():
    model, plan = known()
    for layer in (-1, 2, 0.5, "first"):
        with pytest.raises(ParameterError, match="there are 2 maps of images"):
            placement_figure(plan, model, layer)
    with pytest.raises(PlanError, match="weights"):
        placement_figure(plan, model.with_nodes([model.nodes[0].scaled(0.9), *model.nodes[1:]]))
    with pytest.raises(ParameterError, match="layout='latency'"):
        placement_figure(planned(model, layout="throughput", samples=None), model)
    dense = fhenn.Linear([[1.0, 2.0]])
    with pytest.raises(ParameterError, match="there are 1 maps, and this layer"):
        placement_figure(planned(dense), dense, 1)


@pytest.mark.parametrize("samples", [1, 4])
@pytest.mark.parametrize("features", [1, 2, 30, 33])
def test_every_feature_is_drawn_in_its_slot(features, samples, tmp_path):
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(5, features)) / features), fhenn.Square()])
    plan = planned(model, samples=samples)
    figure = placement_figure(plan, model)
    save(figure, tmp_path / "placement.png")
    whole, corner, after, _ = figure.axes
    assert whole.get_title(loc="left") == f"before Linear: {features} feature{'s' * (features > 1)}"
    assert after.get_title(loc="left") == "after Linear: 5 features"
    assert not figure.legends
    (image,) = whole.images
    colours, labels = image.get_array(), [int(text.get_text().split()[1]) for text in whole.get_xticklabels()]
    height, width = len(colours), (colours.shape[1] + 1) // len(labels) - 1
    content = plan.layout.content(features, plan.parameters.slots)[0][labels[0] // samples :]
    block = content[: height * width].reshape(height, width)
    assert [int(text.get_text()) for text in corner.texts] == [n for n in block[:8, :8].ravel() if n >= 0]
    for drawn, feature in zip(colours[:, :width].reshape(-1, 3), block.ravel(), strict=True):
        assert np.allclose(drawn, EMPTY) == (feature < 0)
