"""Nodes of images against PyTorch's: values and gradients in double precision."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import fhenn

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
F = torch.nn.functional
BOUND = 1e-10


def both_ways(node, x, theirs, *parameters):
    """Values and gradients of a node and of what PyTorch makes of the same."""
    tensors = [torch.tensor(each, requires_grad=True) for each in (x, *parameters)]
    expected = theirs(*tensors)
    result = node.forward(x)
    np.testing.assert_allclose(result, expected.detach().numpy(), rtol=0, atol=BOUND)
    gradient = np.random.default_rng(1).normal(size=result.shape)
    expected.backward(torch.tensor(gradient))
    np.testing.assert_allclose(node.backward(gradient), tensors[0].grad.numpy(), rtol=0, atol=BOUND)
    return [tensor.grad.numpy() for tensor in tensors[1:]]


@st.composite
def axes(draw, count):
    """Kernel, stride, padding, dilation and length of each axis, which fit."""
    found = []
    for _ in range(count):
        taps, gap, zeros = draw(st.integers(1, 7)), draw(st.integers(1, 2)), draw(st.integers(0, 3))
        least = max(1, (taps - 1) * gap + 1 - 2 * zeros)
        found.append((taps, draw(st.integers(1, 3)), zeros, gap, least + draw(st.integers(0, 4))))
    return tuple(zip(*found, strict=True))


@pytest.mark.parametrize("count", [1, 2])
@given(data=st.data())
def test_convolutions(count, data):
    taps, stride, padding, dilation, size = data.draw(axes(count))
    groups = data.draw(st.sampled_from([1, 2, 4]))
    channels, out = (groups * data.draw(st.integers(1, 16 // groups)) for _ in range(2))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    weight, bias = draw.normal(size=(out, channels // groups, *taps)), draw.normal(size=out)
    x = draw.normal(size=(2, channels, *size))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    ours = {**options, **{name: options[name][0] for name in ("stride", "padding", "dilation") if count == 1}}
    kind, theirs = ((fhenn.Conv1d, F.conv1d), (fhenn.Conv2d, F.conv2d))[count - 1]
    node = kind(weight, bias, optimiser=fhenn.SGD(1.0), **ours)
    of_weight, of_bias = both_ways(node, x, lambda *tensors: theirs(*tensors, **options), weight, bias)
    node.update()
    np.testing.assert_allclose(weight - node.weight, of_weight, rtol=0, atol=BOUND)
    np.testing.assert_allclose(bias - node.channel_bias, of_bias, rtol=0, atol=BOUND)


@pytest.mark.parametrize("count", [1, 2])
@given(data=st.data())
def test_average_pooling(count, data):
    sizes, stride, padding, _, size = data.draw(axes(count))
    padding = tuple(min(zeros, taps // 2) for zeros, taps in zip(padding, sizes, strict=True))
    assume(all(n + 2 * zeros >= taps for n, zeros, taps in zip(size, padding, sizes, strict=True)))
    ceil_mode, counted = data.draw(st.booleans()), data.draw(st.booleans())
    x = np.random.default_rng(0).normal(size=(2, 3, *size))
    kind, theirs = ((fhenn.AvgPool1d, F.avg_pool1d), (fhenn.AvgPool2d, F.avg_pool2d))[count - 1]
    ours = [each[0] if count == 1 else each for each in (sizes, stride, padding)]
    both_ways(kind(*ours, ceil_mode, counted), x, lambda x: theirs(x, sizes, stride, padding, ceil_mode, counted))


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # that PyTorch copies, for even kernels
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("taps", [(1, 2), (3, 4), (5, 6)])
def test_same_padding(taps, dilation):
    weight, x = (
        np.random.default_rng(0).normal(size=(2, 3, *taps)),
        np.random.default_rng(1).normal(size=(2, 3, 11, 12)),
    )
    expected = F.conv2d(torch.tensor(x), torch.tensor(weight), padding="same", dilation=dilation).numpy()
    np.testing.assert_allclose(fhenn.Conv2d(weight, padding="same", dilation=dilation)(x), expected, rtol=0, atol=BOUND)


def test_the_others():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    both_ways(fhenn.GlobalAvgPool2d(), x, lambda x: F.adaptive_avg_pool2d(x, 1))
    both_ways(fhenn.Pad((1, 2, 0, 3)), x, lambda x: F.pad(x, (1, 2, 0, 3)))
    both_ways(fhenn.Pad((-1, 2, 0, -3)), x, lambda x: F.pad(x, (-1, 2, 0, -3)))
    both_ways(fhenn.Upsample((2, 3)), x, lambda x: F.interpolate(x, scale_factor=(2, 3), mode="nearest"))
    both_ways(fhenn.Flatten(), x, lambda x: torch.flatten(x, 1))


def test_a_network_with_a_residual():
    draw = np.random.default_rng(0)
    first, second, short = (
        draw.normal(size=(4, 2, 3, 3)),
        draw.normal(size=(4, 4, 3, 3)),
        draw.normal(size=(4, 2, 1, 1)),
    )
    body = fhenn.Sequential(
        [fhenn.Conv2d(first, stride=2, padding=1), fhenn.Square(), fhenn.Conv2d(second / 4, padding=1)]
    )
    model = fhenn.Sequential(
        [fhenn.Residual(body, fhenn.Conv2d(short, stride=2)), fhenn.AvgPool2d(2), fhenn.Flatten()], shape=(2, 8, 6)
    )

    def theirs(x, first, second, short):
        inner = F.conv2d(F.conv2d(x, first, stride=2, padding=1) ** 2, second / 4, padding=1)
        return torch.flatten(F.avg_pool2d(inner + F.conv2d(x, short, stride=2), 2), 1)

    both_ways(model, draw.normal(size=(3, 2, 8, 6)), theirs, first, second, short)
