"""Every elementwise function of PyTorch: read exactly, and taken by a polynomial."""

import numpy as np
import pytest

import fhenn
from fhenn.errors import UnsupportedModel

torch = pytest.importorskip("torch")
interop = pytest.importorskip("fhenn.interop.torch")
torch.set_num_threads(1)
nn = torch.nn
F = torch.nn.functional

MODULES = {
    "relu": (nn.ReLU, "relu"),
    "relu-inplace": (lambda: nn.ReLU(inplace=True), "relu"),
    "leaky": (lambda: nn.LeakyReLU(0.25), "leaky_relu(0.25)"),
    "prelu": (nn.PReLU, "leaky_relu(0.25)"),
    "rrelu": (lambda: nn.RReLU(0.25, 0.75), "leaky_relu(0.5)"),
    "relu6": (nn.ReLU6, "relu6"),
    "elu": (lambda: nn.ELU(0.5), "elu(0.5)"),
    "selu": (nn.SELU, "selu"),
    "celu": (lambda: nn.CELU(2.0), "celu(2.0)"),
    "gelu": (nn.GELU, "gelu"),
    "gelu-tanh": (lambda: nn.GELU("tanh"), "gelu_tanh"),
    "silu": (nn.SiLU, "silu"),
    "mish": (nn.Mish, "mish"),
    "sigmoid": (nn.Sigmoid, "sigmoid"),
    "log-sigmoid": (nn.LogSigmoid, "log_sigmoid"),
    "hard-sigmoid": (nn.Hardsigmoid, "hard_sigmoid"),
    "hard-swish": (nn.Hardswish, "hard_swish"),
    "tanh": (nn.Tanh, "tanh"),
    "hardtanh": (lambda: nn.Hardtanh(-2, 0.5), "hardtanh(-2.0, 0.5)"),
    "tanhshrink": (nn.Tanhshrink, "tanhshrink"),
    "softplus": (lambda: nn.Softplus(2.0), "softplus(2.0)"),
    "softsign": (nn.Softsign, "softsign"),
}
CALLS = {
    "relu": (torch.relu, "relu"),
    "relu_": (lambda x: x.relu_(), "relu"),
    "leaky": (lambda x: F.leaky_relu(x, 0.25), "leaky_relu(0.25)"),
    "rrelu": (lambda x: F.rrelu(x, 0.25, 0.75), "leaky_relu(0.5)"),
    "elu": (lambda x: F.elu(x, alpha=0.5), "elu(0.5)"),
    "celu": (lambda x: torch.celu(x, 2.0), "celu(2.0)"),
    "gelu": (lambda x: F.gelu(x, approximate="tanh"), "gelu_tanh"),
    "silu": (F.silu, "silu"),
    "mish": (F.mish, "mish"),
    "sigmoid": (lambda x: x.sigmoid(), "sigmoid"),
    "log-sigmoid": (F.logsigmoid, "log_sigmoid"),
    "hard-swish": (F.hardswish, "hard_swish"),
    "hardtanh": (lambda x: F.hardtanh(x, -2, 2), "hardtanh(-2.0, 2.0)"),
    "softplus": (lambda x: F.softplus(x, beta=2), "softplus(2.0)"),
    "exp": (torch.exp, "exp"),
    "abs": (abs, "abs"),
    "erf": (torch.erf, "erf"),
    "clamp": (lambda x: x.clamp(0, 6), "relu6"),
    "clamp-below": (lambda x: x.clamp(min=0.5), "relu"),
    "clamp-above": (lambda x: torch.clamp(x, max=0.5), "relu"),
    "cube": (lambda x: x**3, None),
    "fourth": (lambda x: torch.pow(x, 4), None),
}


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def between_layers(layer, shape=(8,)):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 2)).eval()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *MODULES.values(),
        *((lambda call=call: Called(call), name) for call, name in CALLS.values()),
    ],
    ids=[*MODULES, *(f"call-{name}" for name in CALLS)],
)
def test_every_function_is_read_for_what_it_is(make, name):
    """The reader compares the exact functions with the module itself, to 1e-9."""
    chain = interop.read(between_layers(make()), torch.randn(20, 4)).chain
    names = [step.name for step in chain.steps if isinstance(step, fhenn.approx.Function)]
    assert names == [] if name is None else [name]


@pytest.mark.parametrize("name", ["relu", "leaky", "gelu", "mish"])
def test_a_polynomial_stands_in(name):
    make, function = MODULES[name]
    module = between_layers(make())
    x = torch.randn(200, 4)
    model = fhenn.from_torch(module, x[:1])
    (node,) = model.stand_ins
    assert node.function.name == function
    with torch.no_grad():
        off = np.abs(model.predict(x.numpy()) - module(x).numpy()).max()
    assert 1e-9 < off < 0.15


def test_a_slope_for_each_channel_is_a_sum():
    module = nn.Sequential(nn.Conv2d(1, 3, 2), nn.PReLU(3), nn.Flatten(), nn.Linear(27, 2)).eval()
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([0.1, -0.5, 2.0]))
    chain = interop.read(module, torch.randn(4, 1, 4, 4)).chain
    model = fhenn.from_torch(module, torch.randn(1, 1, 4, 4))
    assert len(chain.steps) == 3
    assert [node.name for node in model.nodes] == ["Conv2d", "Residual", "Flatten", "Linear"]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: nn.PReLU(3), "3 slopes are not one, nor one for each channel"),
        (lambda: nn.Softplus(1.0, 5.0), "linear from 5 on"),
        (lambda: nn.Hardtanh(-float("inf"), 1.0), "low and high must be finite"),
        (lambda: nn.CELU(-1.0), "alpha must be above 0"),
        (lambda: nn.LeakyReLU(float("nan")), "slope must be finite"),
        (lambda: Called(lambda x: x**0.5), "whole ones from 1 to 63"),
        (lambda: Called(lambda x: x**-1), "whole ones from 1 to 63"),
        (lambda: Called(lambda x: 2**x), "known|exponent|not supported"),
        (lambda: Called(lambda x: F.rrelu(x, training=True)), "draws slopes"),
        (lambda: Called(lambda x: x.clamp(x)), "bounds are no numbers"),
    ],
)
def test_what_cannot_be_is_refused(make, reason):
    module = nn.Sequential(nn.Linear(4, 8), make(), nn.Linear(8, 2)).eval()
    with pytest.raises(UnsupportedModel, match=reason):
        interop.read(module, torch.randn(3, 4))
