"""Convolutional modules of PyTorch in: exact on the twin, structured, in files and encrypted; refusals by name."""

import copy

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support import compare

import fhenn
from fhenn.errors import NonFiniteValue, ShapeMismatch, UnsupportedModel
from fhenn.nn import Affine, ImageLayer

torch = pytest.importorskip("torch")
interop = pytest.importorskip("fhenn.interop.torch")
torch.set_num_threads(1)
nn = torch.nn
F = torch.nn.functional
IMAGES = np.random.default_rng(0).normal(size=(3, 4, 9, 7))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def used(module):
    """In evaluation mode, with statistics and weights that are not those of the start."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
            with torch.no_grad():
                each.running_mean.normal_()
                each.running_var.uniform_(0.5, 2)
                each.weight.normal_()
                each.bias.normal_()
    return module.eval()


def in_float64(module, x):
    with torch.no_grad():
        return copy.deepcopy(module).double()(torch.tensor(x)).numpy()


class Functional(nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3, 0.4]))
        self.scale = nn.Parameter(torch.tensor([1.1, 1.2, 1.3, 1.4]))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def exact(module, x=IMAGES):
    """The model, which gives what the module does, on images and on features."""
    model = fhenn.from_torch(used(module), x)
    expected = in_float64(module, x).reshape(len(x), -1)
    bound = 1e-9 * max(1, np.abs(expected).max())
    compare(model.predict(x).reshape(len(x), -1), expected, bound)
    compare(model.predict(x.reshape(len(x), -1)).reshape(len(x), -1), expected, bound)
    assert model.shape == x.shape[1:]
    return model


def names(model):
    return [node.name for node in model.nodes]


@st.composite
def networks(draw):
    """A small network of images and the shape of those."""
    channels = draw(st.integers(1, 16))
    shape = [channels, draw(st.integers(7, 12)), draw(st.integers(7, 12))]
    parts, (height, width) = [], shape[1:]
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "pool", "norm", "square", "pad"]))
        if kind == "conv":
            size, stride = ([draw(st.integers(1, most)) for _ in range(2)] for most in (7, 3))
            padding, gap = [draw(st.integers(0, 3)) for _ in range(2)], [draw(st.integers(1, 2)) for _ in range(2)]
            groups = draw(st.sampled_from([each for each in (1, 2, 4) if channels % each == 0]))
            out = groups * draw(st.integers(1, 16 // groups))
            bias = draw(st.booleans())
            parts.append(nn.Conv2d(channels, out, size, stride, padding, gap, groups, bias))
            channels = out
        elif kind == "pool":
            size, stride = [draw(st.integers(1, 3)) for _ in range(2)], [draw(st.integers(1, 3)) for _ in range(2)]
            padding, modes = [draw(st.integers(0, each // 2)) for each in size], draw(st.tuples(*[st.booleans()] * 2))
            parts.append(nn.AvgPool2d(tuple(size), tuple(stride), tuple(padding), *modes))
        elif kind == "norm":
            parts.append(nn.BatchNorm2d(channels))
        elif kind == "pad":
            parts.append(nn.ZeroPad2d(tuple(draw(st.integers(0, 2)) for _ in range(4))))
        else:
            parts.append(interop.Square())
        try:
            with torch.no_grad():
                height, width = nn.Sequential(*parts).eval()(torch.zeros(1, *shape)).shape[2:]
        except RuntimeError:
            assume(False)
    return [*parts, nn.Flatten(), nn.Linear(channels * height * width, 3)], tuple(shape)


@settings(deadline=None)
@given(networks(), st.integers(0, 2**32 - 1))
def test_any_network(network, seed):
    torch.manual_seed(seed)
    parts, shape = network
    module = used(nn.Sequential(*parts))
    x = np.random.default_rng(seed).normal(size=(2, *shape)) / 4
    model = fhenn.from_torch(module, x)
    expected = in_float64(module, x)
    given_ = x if len(model.shape) > 1 else x.reshape(2, -1)  # without any layer of images, features are all there is
    compare(model.predict(given_), expected, 1e-9 * max(1, np.abs(expected).max()))
    for node in model.nodes[:-1]:  # nothing of images is a matrix
        assert not isinstance(node, Affine) or node.grid is not None or node.input_shape == (np.prod(shape),)


CHAINS = {
    "normalised-before": (
        lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3)),
        ["Conv2d"],
    ),
    "shift-before-padding": (
        lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3, padding=1)),
        ["Affine", "Conv2d"],
    ),
    "groups": (lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3, groups=2)), ["Conv2d"]),
    "same": (lambda: nn.Conv2d(4, 3, (3, 5), padding="same", dilation=(1, 2)), ["Conv2d"]),
    "valid": (lambda: nn.Conv2d(4, 3, 3, padding="valid", bias=False), ["Conv2d"]),
    "zero-pad": (lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(4, 3, 3)), ["Conv2d"]),
    "crop": (lambda: nn.Sequential(nn.ZeroPad2d((-1, 2, 0, -3)), nn.Conv2d(4, 3, 3)), ["Pad", "Conv2d"]),
    "global": (
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        ["GlobalAvgPool2d", "Flatten", "Linear"],
    ),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d((3, None)), ["AvgPool2d"]),
    "divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), ["AvgPool2d", "Affine"]),
    "mean": (
        lambda: Functional(lambda self, x: self.inner(x.mean((-1, 2))), inner=nn.Linear(4, 2)),
        ["GlobalAvgPool2d", "Flatten", "Linear"],
    ),
    "arithmetic": (
        lambda: Functional(
            lambda self, x: self.inner(-((x - self.mean.view(1, 4, 1, 1)) / self.scale.view(4, 1, 1)) * 2 + 1),
            inner=nn.Conv2d(4, 2, 3),
        ),
        ["Conv2d"],
    ),
    "from-a-constant": (lambda: Functional(lambda self, x: 1 - self.inner(x), inner=nn.Conv2d(4, 2, 3)), ["Conv2d"]),
    "pixels": (
        lambda: Functional(lambda self, x: self.inner(x * torch.arange(7.0)), inner=nn.Conv2d(4, 2, 3)),
        ["Affine", "Conv2d"],
    ),
    "matrix": (
        lambda: Functional(lambda self, x: F.avg_pool2d(x, (9, 7)).flatten(1) @ self.scale[:, None]),
        ["AvgPool2d", "Flatten", "Linear"],
    ),
    "functional": (
        lambda: Functional(
            lambda self, x: F.batch_norm(
                F.conv2d(F.pad(x, (1, 1)), self.inner.weight, self.inner.bias, stride=2), self.mean, self.scale
            ),
            inner=nn.Conv2d(4, 4, 3),
        ),
        ["Conv2d"],
    ),
    "adaptive-functional": (lambda: Functional(lambda self, x: F.adaptive_avg_pool2d(x, 1)), ["GlobalAvgPool2d"]),
    "dropped": (
        lambda: Functional(lambda self, x: F.dropout2d(self.inner(x), 0.5, self.training), inner=nn.Conv2d(4, 2, 3)),
        ["Conv2d"],
    ),
    "squared": (lambda: Functional(lambda self, x: self.inner(x) ** 2, inner=nn.Conv2d(4, 2, 3)), ["Conv2d", "Square"]),
    "branches": (
        lambda: Functional(lambda self, x: x + self.inner(x), inner=nn.Conv2d(4, 4, 3, padding=1)),
        ["Affine", "Residual"],
    ),
    "branches-without-image": (
        lambda: Functional(
            lambda self, x: self.first(x).mean((2, 3)) - 2 * self.second(x.flatten(1)),
            first=nn.Conv2d(4, 3, 3),
            second=nn.Linear(252, 3),
        ),
        ["Affine", "Residual"],
    ),
    "two-branches": (
        lambda: Functional(
            lambda self, x: self.one(self.stem(x)) + self.other(self.stem(x)) * 0.5,
            stem=nn.Conv2d(4, 3, 3),
            one=nn.Conv2d(3, 2, 3, 2),
            other=nn.Conv2d(3, 2, 1, 2, bias=False),
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_parts_are_exact(name):
    make, expected = CHAINS[name]
    x = IMAGES[:, :, :7] if name == "two-branches" else IMAGES
    module = make()
    if name == "two-branches":
        module.one = nn.Conv2d(3, 2, 1, 2)
    model = exact(module, x)
    assert expected is None or names(model) == expected


def test_sequences():
    x = IMAGES[:, :, 0]
    module = nn.Sequential(
        nn.BatchNorm1d(4), nn.ZeroPad1d((1, 2)), nn.Conv1d(4, 6, 3, padding=1, dilation=2, groups=2), nn.AvgPool1d(2)
    )
    assert names(exact(module, x))[-2:] == ["Conv1d", "AvgPool1d"]
    exact(nn.Sequential(nn.Conv1d(4, 2, 3, 2), nn.AdaptiveAvgPool1d(1), nn.Flatten()), x)


def test_an_image_that_the_module_makes_of_features():
    module = Functional(lambda self, x: self.inner(x.view(-1, 1, 28, 28)), inner=nn.Conv2d(1, 2, 5, 2))
    x = np.random.default_rng(0).normal(size=(2, 784))
    model = fhenn.from_torch(module, x)
    assert model.shape == (1, 28, 28)
    compare(model.predict(x.reshape(2, 1, 28, 28)).reshape(2, -1), in_float64(module, x).reshape(2, -1), 1e-9)


def block(channels, out, stride):
    short = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    first = nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), interop.Square())
    second = nn.Sequential(nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.second(self.first(x))
        y += self.short(x) if stride > 1 else x
        return self.act(y / 4)

    return Functional(forward, first=first, second=second, short=short, act=nn.Sigmoid())


def test_residual_blocks_and_their_stand_ins():
    module = used(nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), block(6, 6, 1), block(6, 8, 2), nn.Flatten()))
    model = fhenn.from_torch(module, IMAGES, inputs=IMAGES, accuracy=1e-2)
    assert names(model) == ["Conv2d", "Residual", "Affine", "Sigmoid", "Residual", "Affine", "Sigmoid"]
    assert len(model.stand_ins) == 2
    body = model.nodes[1].body.nodes
    assert [node.name for node in body] == ["Conv2d", "Square", "Conv2d"]  # normalisation folded away
    compare(model.predict(IMAGES), in_float64(module, IMAGES), 0.1)


def test_stand_ins_inside_branches():
    inner = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sigmoid(), nn.Conv2d(4, 4, 1))
    module = used(Functional(lambda self, x: x + self.inner(x), inner=inner))
    narrow = fhenn.from_torch(module, IMAGES, bounds=[-0.1, 0.1])
    wide = fhenn.from_torch(module, IMAGES, domain=(-20, 20))
    (found,) = narrow.stand_ins
    assert found is narrow.nodes[1].body.nodes[1]
    assert found.domain[1] < 2
    assert not wide.stand_ins
    assert wide.nodes[1].body.nodes[1].domain == (-20, 20)


def test_weights_are_kept_as_kernels():
    module = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), interop.Square(), nn.Conv2d(32, 32, 3, padding=1))
    model = fhenn.from_torch(module, np.zeros((1, 3, 32, 32)))
    assert sum(node.operator.size for node in model.nodes if isinstance(node, ImageLayer)) == 32 * 9 * 35


def test_the_module_stays_as_it_is():
    module = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3), nn.Dropout2d(), nn.Flatten()).train()
    before = copy.deepcopy(module.state_dict())
    fhenn.from_torch(module, IMAGES)
    assert module.training
    assert module[2].training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def convolution(**options):
    return lambda: nn.Sequential(nn.Identity(), nn.Conv2d(4, 2, 3, **options))


def of(forward, **parts):
    return lambda: Functional(forward, **parts)


REFUSED = {
    "max-pool": (
        lambda: nn.Sequential(nn.MaxPool2d(2)),
        "MaxPool2d",
        "average pooling, torch.nn.AvgPool2d, in its pla",
    ),
    "max-pool-1": (lambda: nn.Sequential(nn.MaxPool1d(2)), "MaxPool1d", "torch.nn.AvgPool1d"),
    "max-functional": (of(lambda self, x: F.max_pool2d(x, 2)), "max_pool2d", "torch.nn.AvgPool2d"),
    "max-adaptive": (lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1)), "AdaptiveMaxPool2d", "AdaptiveAvgPool2d"),
    "reflect": (convolution(padding=1, padding_mode="reflect"), "Conv2d", "'reflect', and only zeros"),
    "circular": (convolution(padding=1, padding_mode="circular"), "Conv2d", "'circular', and only zeros"),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 2, 3)), "ConvTranspose2d", "none of the layers"),
    "channels": (lambda: nn.Sequential(nn.Conv2d(3, 2, 3)), "Conv2d", "3 channels, not samples of shape"),
    "channels-last": (lambda: nn.Sequential(nn.Conv2d(7, 2, 3)), "Conv2d", r"np.moveaxis\(x, -1, 1\)"),
    "kernel": (lambda: nn.Sequential(nn.Conv2d(4, 2, 8)), "Conv2d", "larger than the padded image"),
    "sequence": (lambda: nn.Sequential(nn.Conv1d(4, 2, 3)), "Conv1d", r"\(channels, length\)"),
    "unlike": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(4)), "AdaptiveAvgPool2d", "unlike sizes"),
    "constant-pad": (lambda: nn.Sequential(nn.ConstantPad2d(1, 2.0)), "ConstantPad2d", "pads with 2.0, and only zeros"),
    "reflect-pad": (of(lambda self, x: F.pad(x, (1, 1), mode="reflect")), "pad", "pads with reflect"),
    "pad-channels": (of(lambda self, x: F.pad(x, (0, 0, 0, 0, 1, 1))), "pad", "behind the channels"),
    "reshaped": (
        of(lambda self, x: self.b(self.a(x).view(-1, 2, 7, 5)), a=nn.Conv2d(4, 2, 3), b=nn.Conv2d(2, 2, 1)),
        None,
        None,
    ),
    "transposed-by-view": (
        of(lambda self, x: self.b(self.a(x).view(-1, 2, 5, 7)), a=nn.Conv2d(4, 2, 3), b=nn.Conv2d(2, 2, 1)),
        "Conv2d",
        "a reshape makes",
    ),
    "unlike-branches": (
        of(lambda self, x: x + self.inner(x), inner=nn.Conv2d(4, 4, 3)),
        "add",
        "adds samples of shape",
    ),
    "unlike-product": (
        of(lambda self, x: x * self.inner(x), inner=nn.Conv2d(4, 4, 3)),
        "mul",
        "multiplies samples of shape",
    ),
    "root": (of(lambda self, x: x**0.5), "pow", "whole ones from 1 to 63"),
    "quotient": (of(lambda self, x: 1 / x), "truediv", "divides by what the samples"),
    "mean-of-channels": (of(lambda self, x: x.mean(1)), "mean", "not the mean over all axes behind"),
    "left-matrix": (of(lambda self, x: self.scale @ x), "matmul", "on the right"),
    "training": (
        of(lambda self, x: F.batch_norm(x, self.mean, self.scale, training=True)),
        "batch_norm",
        "no running statistics",
    ),
    "huge": (lambda: nn.Sequential(nn.ZeroPad2d(10**6)), "ZeroPad2d", "more than 1,048,576 numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_is_outside_the_list(name):
    make, layer, reason = REFUSED[name]
    module = make().eval()
    if layer is None:
        exact(module)
        return
    with pytest.raises(UnsupportedModel, match=reason) as caught:
        fhenn.from_torch(module, IMAGES)
    assert caught.value.layer == layer
    assert "Conv2d" in caught.value.supported


def test_nan_weights():
    module = nn.Conv2d(4, 2, 3)
    with torch.no_grad():
        module.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(UnsupportedModel, match="NaN"):
        fhenn.from_torch(module, IMAGES)


def test_bad_images():
    model = exact(nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten()))
    with pytest.raises(ShapeMismatch, match=r"np.moveaxis\(x, -1, 1\)"):
        model.predict(np.moveaxis(IMAGES, 1, -1))
    for wrong in (IMAGES[:, :3], IMAGES[..., :-1], IMAGES.reshape(3, 4, -1)):
        with pytest.raises(ShapeMismatch, match=r"\(samples, 4, 9, 7\)"):
            model.predict(wrong)
    with pytest.raises(NonFiniteValue):
        model.predict(IMAGES * np.nan)
    np.testing.assert_array_equal(model.predict(IMAGES[0]), model.predict(IMAGES[:1]))
    whole = np.ones((1, 4, 9, 7), int)
    np.testing.assert_array_equal(model.predict(whole), model.predict(whole.astype(float)))


def test_a_file_keeps_shapes_and_branches():
    pytest.importorskip("safetensors")
    module = nn.Sequential(nn.BatchNorm2d(4), block(4, 6, 2), nn.Flatten(), nn.Linear(120, 3))
    module = used(module)
    model = fhenn.from_torch(module, IMAGES, domain=(-8, 8), classes=["a", "b", "c"])
    again = fhenn.artifacts.model_from_bytes(fhenn.artifacts.model_to_bytes(model))
    assert again.shape == (4, 9, 7)
    np.testing.assert_array_equal(again.scores(IMAGES), model.scores(IMAGES))
    np.testing.assert_array_equal(again.predict(IMAGES), model.predict(IMAGES))


ENCRYPTED = {
    "small": lambda: nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 3, 3, 2, padding=1), interop.Square(), nn.Flatten(), nn.Linear(48, 3)
    ),
    "residual": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, padding=1),
        interop.Square(),
        Functional(lambda self, x: x + self.inner(x), inner=nn.Conv2d(4, 4, 3, padding=1)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ),
}


@pytest.mark.parametrize("name", ENCRYPTED)
def test_encrypted_end_to_end(name):
    module = used(ENCRYPTED[name]())
    images = np.random.default_rng(0).uniform(size=(4, 1, 8, 8))
    model = fhenn.from_torch(module, images, classes=["a", "b", "c"])
    private = fhenn.encrypted_model(model, images, bounds=[0, 1])
    expected = in_float64(module, images)
    compare(private.scores(images), expected, private.plan.error + 1e-9)
    compare(private.scores(images.reshape(4, -1)), expected, private.plan.error + 1e-9)
    assert private.predict(images).shape == (4,)
    with pytest.raises(ShapeMismatch, match=r"np.moveaxis|no axis of channels"):
        private.predict(images[:, 0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter that needs no other package
@pytest.mark.filterwarnings("ignore:Constant folding:UserWarning")
@pytest.mark.parametrize("dynamic", [None, {"x": {0: "samples"}}])
def test_an_onnx_export_is_the_same_model(tmp_path, dynamic):
    pytest.importorskip("onnx")
    parts = {"stem": nn.Conv2d(4, 6, 3, padding=1), "block": block(6, 8, 2), "head": nn.Linear(8 * 8, 3)}

    def forward(self, x):
        x = (x - self.mean.view(4, 1, 1)) / self.scale.view(4, 1, 1)
        x = F.avg_pool2d(self.block(self.stem(F.pad(x, (1, 0, 0, 1)))), (2, 2), (1, 1), ceil_mode=True)
        return self.head(x.view(x.size(0), -1))

    module = used(Functional(forward, **parts))
    images = IMAGES[..., :4].astype(np.float32)
    torch.onnx.export(module, (torch.tensor(images),), tmp_path / "m.onnx", dynamo=False, dynamic_axes=dynamic,
                      input_names=["x"])  # fmt: skip
    model = fhenn.from_onnx(tmp_path / "m.onnx", domain=(-20, 20))
    same = fhenn.from_torch(module, images, domain=(-20, 20))
    assert [node.name for node in model.nodes] == [node.name for node in same.nodes]
    compare(model.predict(images), same.predict(images), 1e-4)
