"""Products of two branches of PyTorch in, as `Multiply`; those that are an activation, as that."""

import copy

import numpy as np
import pytest
from support import mostly_thorough

import fhenn
from fhenn import artifacts
from fhenn.errors import UnsupportedModel
from fhenn.nn import Multiply, wired
from fhenn.planner import fingerprint_of, verify

torch = pytest.importorskip("torch")
interop = pytest.importorskip("fhenn.interop.torch")
torch.set_num_threads(1)
nn = torch.nn
F = torch.nn.functional
DRAW = np.random.default_rng(0)
X = DRAW.uniform(-1, 1, (60, 6))
IMAGES = DRAW.uniform(-1, 1, (5, 4, 6, 6))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Functional(nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def of(forward, **parts):
    return lambda: Functional(forward, **{name: part() for name, part in parts.items()}).eval()


def linear(inputs, outputs):
    return lambda: nn.Linear(inputs, outputs)


def exact(module, x):
    """What the module says, in double precision."""
    with torch.no_grad():
        return copy.deepcopy(module).double()(torch.tensor(x)).numpy().reshape(len(x), -1)


def squared(self, x):
    """What is written over meets itself."""
    a = self.a(x)
    return self.c(a.sub_(self.b(x)).mul_(a))


PRODUCTS = {
    "affine": of(lambda self, x: self.c(self.a(x) * self.b(x)), a=linear(6, 4), b=linear(6, 4), c=linear(4, 3)),
    "gated": of(
        lambda self, x: self.c(self.a(x) * self.b(x).sigmoid()), a=linear(6, 4), b=linear(6, 4), c=linear(4, 3)
    ),
    "with-itself": of(lambda self, x: self.c(x * self.a(x)), a=linear(6, 6), c=linear(6, 3)),
    "one-for-all": of(lambda self, x: self.c(x * self.a(x).tanh()), a=linear(6, 1), c=linear(6, 3)),
    "in-place": of(lambda self, x: self.c(self.a(x).mul_(self.b(x))), a=linear(6, 4), b=linear(6, 4), c=linear(4, 3)),
    "in-place-of-both": of(
        squared,
        a=linear(6, 4),
        b=linear(6, 4),
        c=linear(4, 3),
    ),
    "function": of(lambda self, x: torch.mul(self.a(x), self.b(x)), a=linear(6, 4), b=linear(6, 4)),
    "cross-network": of(lambda self, x: self.c(x * self.a(x) + x), a=linear(6, 6), c=linear(6, 3)),
    "tanh-of-itself": of(lambda self, x: self.c(self.a(x) * self.a(x).tanh()), a=linear(6, 4), c=linear(4, 3)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_it_is_what_the_module_computes(name):
    module = PRODUCTS[name]()
    expected = exact(module, X)
    np.testing.assert_allclose(interop.read(module, X[:2]).chain.exact(X), expected, atol=1e-9)
    model = fhenn.from_torch(module, X[:2], inputs=X, accuracy=1e-5)
    assert any(step.name == ("Square" if name == "in-place-of-both" else "Multiply") for step in wired(model))
    assert np.abs(model.scores(X) - expected).max() <= 1e-3
    again = artifacts.model_from_bytes(artifacts.model_to_bytes(model))
    assert fingerprint_of(again) == fingerprint_of(model)


@pytest.mark.parametrize("name", mostly_thorough(["gated", "cross-network"], ()))
def test_encrypted(name, evaluator):
    model = fhenn.from_torch(PRODUCTS[name](), X[:2], inputs=X, accuracy=1e-2)
    plan = fhenn.plan(model, inputs=X, bounds=[-1.5, 1.5], rows=2, evaluator=evaluator)
    verify(plan, model)
    client = fhenn.Client(plan.public())
    server = fhenn.Server(model, plan, client.evaluation_keys())
    scores = client.decrypt_scores(server.predict(client.encrypt(X[:2])))
    assert np.all(np.abs(scores - model.scores(X[:2])) <= plan.errors)


ACTIVATIONS = {
    "silu": lambda x: x * x.sigmoid(),
    "silu-first": lambda x: torch.sigmoid(x) * x,
    "hard_swish": lambda x: x * F.hardsigmoid(x),
    "mish": lambda x: x * torch.tanh(F.softplus(x)),
    "gelu": lambda x: 0.5 * x * (1.0 + torch.erf(x / 2**0.5)),
    "softsign": lambda x: x / (1 + x.abs()),
    "tanhshrink": lambda x: x - torch.tanh(x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_product_that_is_an_activation_is_one_node(name):
    function = ACTIVATIONS[name]
    module = of(lambda self, x: self.c(function(self.a(x))), a=linear(6, 4), c=linear(4, 3))()
    chain = interop.read(module, X[:2]).chain
    np.testing.assert_allclose(chain.exact(X), exact(module, X), atol=1e-9)
    model = fhenn.from_torch(module, X[:2], inputs=X, accuracy=1e-2)
    assert [node.name for node in model.nodes[::2]] == ["Linear", "Linear"]
    assert model.nodes[1].function.name == name.partition("-")[0]


class Excitation(nn.Module):
    """Squeeze and excitation (Hu et al. 2018), as torchvision writes it."""

    def __init__(self, channels, inner):
        super().__init__()
        self.average, self.first = nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inner, 1)
        self.second = nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        scale = torch.sigmoid(self.second(F.relu(self.first(self.average(x)))))
        return scale * x


OF_IMAGES = {
    "excitation": lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), Excitation(4, 2), nn.Conv2d(4, 2, 3)).eval(),
    "attention": of(
        lambda self, x: self.c(x * self.b(x).sigmoid()),
        b=lambda: nn.Conv2d(4, 1, 3, padding=1),
        c=lambda: nn.Conv2d(4, 2, 3),
    ),
    "average": of(lambda self, x: self.c(x + x.mean((2, 3), keepdim=True)), c=lambda: nn.Conv2d(4, 2, 3)),
}


@pytest.mark.parametrize("name", OF_IMAGES)
def test_of_images(name):
    module = OF_IMAGES[name]()
    expected, flat = exact(module, IMAGES), IMAGES.reshape(len(IMAGES), -1)
    np.testing.assert_allclose(interop.read(module, IMAGES[:1]).chain.exact(flat), expected, atol=1e-9)
    if name == "excitation":
        model = fhenn.from_torch(module, IMAGES[:1])
        (product,) = (node for node in model.nodes if isinstance(node, Multiply))
        assert "Upsample" in [node.name for node in product.body.nodes]
        assert model.nodes[-1].name == "Conv2d"


@pytest.mark.parametrize(
    "forward",
    [lambda self, x: 1 / x.abs(), lambda self, x: x / (2 + x.abs()), lambda self, x: x / x.sigmoid()],
    ids=["number", "other", "gate"],
)
def test_other_quotients_are_refused(forward):
    with pytest.raises(UnsupportedModel, match="divides by what the samples"):
        fhenn.from_torch(Functional(forward).eval(), X[:2])
