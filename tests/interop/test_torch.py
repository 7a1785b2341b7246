"""PyTorch modules in: what they compute, what is refused, and what runs encrypted."""

import copy
import io
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from support import compare

import fhenn
from fhenn.errors import (
    ExtraMissing,
    NonFiniteValue,
    ParameterError,
    ShapeMismatch,
    UnsupportedModel,
    UnsupportedValue,
)

torch = pytest.importorskip("torch")
interop = pytest.importorskip("fhenn.interop.torch")
torch.set_num_threads(1)
nn = torch.nn
F = torch.nn.functional

DIGITS = load_digits()
X = DIGITS.data / 16


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def in_float64(module, x):
    with torch.no_grad():
        return copy.deepcopy(module).double().eval()(torch.tensor(x, dtype=torch.float64)).numpy()


def used_batch_norm(channels, **options):
    """With statistics and weights that are not those of the start."""
    module = nn.BatchNorm1d(channels, **options)
    with torch.no_grad():
        for tensor in (module.running_mean, module.weight, module.bias):
            if tensor is not None:
                tensor.normal_()
        if module.running_var is not None:
            module.running_var.uniform_(0.1, 2)
    return module


class Functional(nn.Module):
    """A module of its own, with functional forms and a reused submodule."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


class OptionalInput(nn.Module):
    def forward(self, x, y=None):
        return x if y is None else x * 2


LINEAR = {
    "linear": lambda: nn.Linear(64, 3),
    "without-bias": lambda: nn.Sequential(nn.Linear(64, 3, bias=False)),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(64, 5), nn.Identity()), nn.Sequential(nn.Linear(5, 2))),
    "batch-norm": lambda: nn.Sequential(used_batch_norm(64), nn.Linear(64, 4), used_batch_norm(4, affine=False)),
    "batch-norm-alone": lambda: used_batch_norm(64),
    "dropout": lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(64, 3), nn.Dropout(0.9)),
    "flatten": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
    "identity": nn.Identity,
    "functional": lambda: Functional(
        lambda self, x: F.linear(F.dropout(x, 0.3, self.training), self.inner.weight, self.inner.bias),
        inner=nn.Linear(64, 3),
    ),
    "flatten-method": lambda: Functional(lambda self, x: self.inner(x.flatten(1)), inner=nn.Linear(64, 3)),
    "view": lambda: Functional(lambda self, x: self.inner(x.view(x.size(0), -1)), inner=nn.Linear(64, 3)),
    "view-shape": lambda: Functional(lambda self, x: self.inner(x.view(x.shape[0], 64)), inner=nn.Linear(64, 3)),
    "reshape": lambda: Functional(lambda self, x: self.inner(torch.reshape(x, (-1, 64))), inner=nn.Linear(64, 3)),
    "squeeze": lambda: Functional(lambda self, x: self.inner(x).squeeze(-1), inner=nn.Linear(64, 1)),
    "branch-of-mode": lambda: Functional(
        lambda self, x: self.inner(x + 1) if self.training else self.inner(x), inner=nn.Linear(64, 3)
    ),
    "optional-input": OptionalInput,
    "twice": lambda: Functional(
        lambda self, x: self.out(self.inner(self.inner(x))), inner=nn.Linear(64, 64), out=nn.Linear(64, 2)
    ),
    "subclass": lambda: type("Mine", (nn.Sequential,), {})(nn.Linear(64, 3)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_parts_are_exact(name):
    module = LINEAR[name]()
    model = fhenn.from_torch(module, torch.zeros(2, 64))
    assert [node.name for node in model.nodes] == ["Linear"]
    expected = in_float64(module, X)
    got = model.predict(X)
    compare(got, expected, 1e-9 * np.abs(expected).max())


IMAGES = {
    "flatten": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
    "two-flattens": lambda: nn.Sequential(nn.Flatten(2), nn.Flatten(1, 2), nn.Linear(64, 3)),
    "channels": lambda: nn.Sequential(nn.Flatten(2), used_batch_norm(4), nn.Flatten(), nn.Linear(64, 3)),
    "sizes": lambda: Functional(
        lambda self, x: self.inner(x.reshape(x.shape[0], x.size(1), -1).view(x.size()[0], -1)), inner=nn.Linear(64, 3)
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_features_are_in_the_order_of_the_image(name):
    module = IMAGES[name]()
    images = X.reshape(-1, 4, 4, 4)
    model = fhenn.from_torch(module, images[:3])
    compare(model.predict(X), in_float64(module, images), 1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_other_precisions_are_taken_as_they_are(dtype):
    module = nn.Sequential(nn.Linear(64, 3)).to(dtype)
    model = fhenn.from_torch(module, X[:2])
    compare(model.predict(X), in_float64(module, X), 1e-9)
    assert module[0].weight.dtype == dtype


def test_the_module_stays_as_it_is():
    module = nn.Sequential(nn.Linear(64, 4), used_batch_norm(4), nn.Dropout(), interop.Sigmoid(), nn.Linear(4, 2))
    module[2].eval()
    module.requires_grad_()
    before = copy.deepcopy(module.state_dict())
    modes, x, random = [each.training for each in module.modules()], torch.randn(5, 64) * 100, torch.get_rng_state()
    untouched = x.clone()
    fhenn.from_torch(module, x)
    assert torch.equal(x, untouched)
    assert torch.equal(random, torch.get_rng_state())
    assert [each.training for each in module.modules()] == modes
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert value.dtype == before[name].dtype
    assert module[3].report().total == 0
    assert module[3].last_input is None


ACTIVATIONS = {
    "sigmoid": (nn.Sigmoid(), "Sigmoid"),
    "torch.sigmoid": (Functional(lambda self, x: torch.sigmoid(x)), "Sigmoid"),
    "F.sigmoid": (Functional(lambda self, x: F.sigmoid(x)), "Sigmoid"),
    "x.sigmoid": (Functional(lambda self, x: x.sigmoid()), "Sigmoid"),
    "tanh": (nn.Tanh(), "Tanh"),
    "torch.tanh": (Functional(lambda self, x: torch.tanh(x)), "Tanh"),
    "x.tanh": (Functional(lambda self, x: x.tanh()), "Tanh"),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_exact_functions_become_polynomials(name):
    function, node = ACTIVATIONS[name]
    module = nn.Sequential(nn.Linear(64, 5), function, nn.Linear(5, 3))
    pixels = {"bounds": [0, 1]}
    for options in ({}, pixels, {"inputs": X, **pixels}, {"domain": (-6, 6)}, {"domain": [(-4, 5)]}):
        model = fhenn.from_torch(module, X[:2], **options)
        assert [each.name for each in model.nodes] == ["Linear", node, "Linear"]
        assert len(model.stand_ins) == (0 if "domain" in options else 1)
        assert model.nodes[1].sup_error() <= 1e-3
        weights = np.abs(module[2].weight.detach().numpy()).sum(axis=1).max()
        compare(model.predict(X), in_float64(module, X), 1e-3 * weights + 1e-9)
    assert fhenn.from_torch(module, X[:2], domain=(-6, 6)).nodes[1].domain == (-6, 6)
    coarse = fhenn.from_torch(module, X[:2], domain=(-6, 6), accuracy=0.05)
    assert (
        coarse.nodes[1].polynomial.degree < fhenn.from_torch(module, X[:2], domain=(-6, 6)).nodes[1].polynomial.degree
    )


def test_fhenns_own_activations_bring_their_polynomials():
    kinds = [interop.Sigmoid(domain=(-8, 8), degree=7), interop.ReLU(), interop.Square(), interop.SignReLU()]
    kinds += [
        interop.Tanh(),
        interop.SiLU(),
        interop.GELU(),
        interop.Softplus(),
        interop.PolynomialActivation([0.5, 1.0]),
    ]
    for activation in kinds:
        module = nn.Sequential(nn.Linear(64, 5), activation, nn.Linear(5, 3))
        model = fhenn.from_torch(module, X[:2])
        assert type(model.nodes[1]) is type(activation.node)
        assert model.nodes[1].polynomials == activation.node.polynomials
        assert not model.stand_ins
        compare(model.predict(X), in_float64(module, X), 1e-9)


def test_an_activation_first_has_a_linear_before_it():
    module = nn.Sequential(interop.Square(), nn.Linear(64, 3))
    model = fhenn.from_torch(module, X[:2])
    assert [node.name for node in model.nodes] == ["Linear", "Square", "Linear"]
    compare(model.predict(X), in_float64(module, X), 1e-9)
    assert fhenn.plan(model, bounds=[0, 1]).error < 1e-2


def test_a_reused_activation_is_a_node_in_each_place():
    act = interop.Sigmoid()
    module = nn.Sequential(nn.Linear(64, 4), act, nn.Linear(4, 4), act, nn.Linear(4, 2))
    compare(fhenn.from_torch(module, X[:2]).predict(X), in_float64(module, X), 1e-9)


def test_ends_become_probabilities():
    linear = nn.Linear(64, 10)
    softmax = in_float64(nn.Sequential(linear, nn.Softmax(1)), X)
    for end in (nn.Softmax(1), nn.Softmax(-1), nn.LogSoftmax(1), Functional(lambda self, x: F.softmax(x, dim=1))):
        model = fhenn.from_torch(nn.Sequential(linear, end), X[:2])
        assert [node.name for node in model.nodes] == ["Linear"]
        compare(model.predict_proba(X), softmax, 1e-9)
        np.testing.assert_array_equal(model.predict(X), softmax.argmax(axis=1))
    named = fhenn.from_torch(nn.Sequential(linear, nn.Softmax(1)), X[:2], classes=list("abcdefghij"))
    assert named.predict(X[:1])[0] == "abcdefghij"[softmax[0].argmax()]
    single = nn.Linear(64, 1)
    for end in (nn.Sigmoid(), Functional(lambda self, x: x.sigmoid().squeeze(1))):
        model = fhenn.from_torch(nn.Sequential(single, end), X[:2])
        probability = in_float64(nn.Sequential(single, nn.Sigmoid()), X)
        compare(model.predict_proba(X)[:, 1:], probability, 1e-9)
        np.testing.assert_array_equal(model.predict(X), (probability[:, 0] > 0.5).astype(int))
    logits = fhenn.from_torch(linear, X[:2], classes=range(10))
    compare(logits.predict_proba(X), softmax, 1e-9)
    several = fhenn.from_torch(nn.Sequential(linear, nn.Sigmoid()), X[:2], domain=(-4, 4))  # not one class of many
    assert [node.name for node in several.nodes] == ["Linear", "Sigmoid"]
    assert several.predict(X).shape == (len(X), 10)


def test_its_onnx_export_is_the_same():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 5), used_batch_norm(5), nn.Tanh(), nn.Linear(5, 3), nn.Softmax(1)
    )
    file, image = io.BytesIO(), torch.zeros(2, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no other package is deprecated
        torch.onnx.export(
            module.eval(), (image,), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "samples"}}
        )
    exported = pytest.importorskip("onnx").ModelProto.FromString(file.getvalue())
    expected = fhenn.from_torch(module, image, domain=(-8, 8))
    compare(fhenn.from_onnx(exported, domain=(-8, 8)).predict_proba(X), expected.predict_proba(X), 1e-9)


def hooked():
    module = nn.Sequential(nn.Linear(64, 3))
    module[0].register_forward_hook(lambda module, args, output: output * 2)
    return module


def patched():
    module = nn.Sequential(nn.Linear(64, 3))
    module[0].forward = lambda x: x[:, :3]
    return module


def nan_weights():
    module = nn.Linear(64, 3)
    with torch.no_grad():
        module.weight[0, 0] = torch.nan
    return module


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        return torch.jit.script(nn.Linear(64, 3))


class Compiled(nn.Linear):
    """As what torch.compile makes, which takes long to load."""

    def __init__(self):
        super().__init__(64, 3)
        self._orig_mod = nn.Linear(64, 3)


class OwnSigmoid(interop.Sigmoid):
    def forward(self, x):
        return super().forward(x) + 1


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class InPlace(nn.Module):
    def forward(self, x):
        x.sigmoid_()
        return x


REFUSED = {
    "nested-conv": (
        lambda: nn.Sequential(nn.Sequential(nn.Conv1d(1, 1, 1))),
        "Conv1d",
        "0.0",
        "takes samples of shape",
    ),
    "batch-norm-2d": (lambda: nn.Sequential(nn.BatchNorm2d(1)), "BatchNorm2d", "0", "its channels"),
    "no-statistics": (
        lambda: nn.Sequential(nn.BatchNorm1d(64, track_running_stats=False)),
        "BatchNorm1d",
        "0",
        "running statistics",
    ),
    "product": (
        lambda: Functional(lambda self, x: x * self.one(x), one=nn.Linear(64, 3)),
        "mul",
        "forward, mul",
        "multiplies samples of shape",
    ),
    "hooks": (hooked, "Linear", "0", "hooks"),
    "weight-norm": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(64, 3)),
        "ParametrizedLinear",
        "",
        "none of",
    ),
    "patched": (patched, "Linear", "0", "replaced on the object"),
    "nan": (nan_weights, "Linear", "the module itself", "NaN"),
    "complex": (lambda: nn.Linear(64, 3, dtype=torch.complex64), "Linear", "", "real"),
    "scripted": (scripted, "RecursiveScriptModule", "the module itself", "compiled"),
    "compiled": (Compiled, "Compiled", "the module itself", "compiled"),
    "namesake": (
        type("Linear", (nn.Identity,), {"__module__": "torch.nn.other"}),
        "torch.nn.other.Linear",
        "",
        "none of",
    ),
    "meta": (lambda: nn.Linear(64, 3, device="meta"), "a tensor", "weight", "meta"),
    "lazy": (lambda: nn.LazyLinear(3), "LazyLinear", "", "run the module once"),
    "own-activation": (lambda: nn.Sequential(OwnSigmoid()), "OwnSigmoid", "0", "its forward is not"),
    "two-inputs": (TwoInputs, "TwoInputs", "forward", "missing 1 required"),
    "always-dropping": (lambda: Functional(lambda self, x: F.dropout(x)), "dropout", "", "evaluation mode too"),
    "in-place": (InPlace, "sigmoid_", "forward", "none of the layers"),
    "softmax-inside": (lambda: nn.Sequential(nn.Softmax(1), nn.Linear(64, 3)), "Linear", "1", "follows a softmax"),
    "softmax-of-samples": (lambda: nn.Softmax(0), "Softmax", "", "dim 0"),
    "softmax-of-one": (lambda: nn.Sequential(nn.Linear(64, 1), nn.Softmax(1)), "Softmax", "1", "two classes"),
    "fixed-batch": (lambda: Functional(lambda self, x: x.view(2, -1)), "view", "", "apart"),
    "fixed-rows": (lambda: Functional(lambda self, x: x.view(2, 64)), "view", "", "apart"),
    "one-sample": (lambda: Functional(lambda self, x: x.view(1, -1)), "view", "", "apart"),
    "all-in-one": (lambda: Functional(lambda self, x: x.flatten()), "flatten", "", "apart"),
    "squeeze-all": (lambda: Functional(lambda self, x: x.squeeze()), "squeeze", "", "without dim"),
    "of-two": (lambda: Functional(lambda self, x: (x, x)), "output", "", "one tensor"),
    "of-none": (lambda: Functional(lambda self, x: None), "output", "", "one tensor"),
    "index": (lambda: Functional(lambda self, x: x[:, :3]), "getitem", "", "a part"),
    "branch": (lambda: Functional(lambda self, x: x if x.sum() > 0 else -x), "Functional", "forward", "torch.fx"),
    "transposed": (lambda: Functional(lambda self, x: x.T), "getattr", "", "asks for T"),
    "dtype": (lambda: Functional(lambda self, x: F.softmax(x, dim=1, dtype=torch.float16)), "softmax", "", "float16"),
    "width": (lambda: nn.Sequential(nn.Linear(63, 3)), "Linear", "0", r"\(3, 63\)"),
    "out-variant": (lambda: Functional(lambda self, x: torch.sigmoid(x, out=x)), "sigmoid", "", "not known"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_is_outside_the_list(name):
    make, layer, where, reason = REFUSED[name]
    with pytest.raises(UnsupportedModel, match=reason) as caught:
        fhenn.from_torch(make(), X[:2])
    assert caught.value.layer == layer
    assert where in caught.value.where
    assert "BatchNorm1d" in caught.value.supported


IN_PLACE = {
    "module": lambda self, y: y + self.act(y),
    "argument": lambda self, y: y + F.relu(y, True),
    "keyword": lambda self, y: F.relu(y, inplace=True) + y,
    "method": lambda self, y: y - y.relu_() * 2,
    "sum": lambda self, y: (y.add_(1.0), y)[1],
    "twice": lambda self, y: y * F.relu_(y.add_(1.0)) + y,
}


@pytest.mark.parametrize("then", IN_PLACE.values(), ids=IN_PLACE)
def test_what_is_written_in_place_is_seen_by_all_who_look_there(then):
    module = Functional(lambda self, x: then(self, self.one(x)), one=nn.Linear(64, 3), act=nn.ReLU(inplace=True)).eval()
    chain = interop.read(module, X[:2]).chain
    np.testing.assert_allclose(chain.exact(X[:50]).reshape(50, -1), in_float64(module, X[:50]), atol=1e-9)


def test_what_escapes_the_reading_is_seen_on_the_example():
    module = Functional(
        lambda self, x: self.one(x) if isinstance(x, torch.Tensor) else self.other(x),
        one=nn.Linear(64, 3),
        other=nn.Linear(64, 3),
    )
    for example in (X[:2], torch.zeros(1, 64)):
        with pytest.raises(UnsupportedModel, match="differs by"):
            fhenn.from_torch(module, example)
    unbiased = Functional(
        lambda self, x: self.one(x) if isinstance(x, torch.Tensor) else self.other(x),
        one=nn.Linear(64, 3, bias=False),
        other=nn.Linear(64, 3, bias=False),
    )
    with pytest.raises(UnsupportedModel, match="differs by"):
        fhenn.from_torch(unbiased, torch.zeros(1, 64))
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, output: output * 1.001)
    try:
        with pytest.raises(UnsupportedModel, match="differs by"):
            fhenn.from_torch(nn.Sequential(nn.Linear(64, 3)), X[:2])
    finally:
        handle.remove()


def test_layers_along_the_last_axis_of_sequences():
    """(B, T, C) @ (C, D), as PyTorch takes it; another last axis is refused."""
    images = DIGITS.images[:9] / 16
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 2), nn.Flatten(), nn.Linear(16, 3)).double()
    with torch.no_grad():
        wanted = module(torch.from_numpy(images)).numpy()
    model = fhenn.from_torch(module, images, bounds=[0, 1])
    compare(model.predict(images.reshape(9, -1)), wanted, 5e-3)
    vector = torch.from_numpy(images[0, 0])
    model = fhenn.from_torch(Functional(lambda self, x: x @ vector), images)
    compare(model.predict(images.reshape(9, -1)), images @ images[0, 0], 1e-9)
    with pytest.raises(UnsupportedModel, match="meet samples"):
        fhenn.from_torch(nn.Linear(7, 3), images)


def test_bad_arguments():
    module = nn.Sequential(nn.Linear(64, 3), nn.Tanh())
    with pytest.raises(UnsupportedValue, match="no pickled files"):
        fhenn.from_torch("model.pt", X[:2])
    for wrong in (X[0], X[:0], np.zeros((1, 0)), 3.0):
        with pytest.raises(ShapeMismatch, match="example_input"):
            fhenn.from_torch(module, wrong)
    with pytest.raises(NonFiniteValue, match="example_input"):
        fhenn.from_torch(module, np.full((1, 64), np.inf))
    for wrong in (["a", "b"], torch.zeros(2, 64, dtype=torch.complex64)):
        with pytest.raises(UnsupportedValue, match="example"):
            fhenn.from_torch(module, wrong)
    for domain in ((4, -4), [(-4, 4), (-4, 4)], (1, 2, 3), 4.0):
        with pytest.raises(ParameterError, match="domain"):
            fhenn.from_torch(module, X[:2], domain=domain)
    with pytest.raises(ParameterError, match="Give one"):
        fhenn.from_torch(module, X[:2], inputs=X, domain=(-4, 4))
    with pytest.raises(NonFiniteValue):
        fhenn.from_torch(module, X[:2], inputs=np.full((3, 64), np.nan))
    with pytest.raises(ShapeMismatch):
        fhenn.from_torch(module, X[:2], classes=["a", "b"])


def test_without_torch(monkeypatch):
    import sys  # noqa: PLC0415

    for name in [name for name in sys.modules if name.startswith("fhenn.interop.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExtraMissing, match=r"the extra torch brings it\. Run pip install "):
        fhenn.from_torch(None, X[:2])


def trained(module, x, labels, steps=100, strength=0.0, decay=0.0):
    """Full-batch Adam on the cross entropy of logits, or of a probability, and on the range penalty."""
    optimiser = torch.optim.Adam(module.parameters(), 0.02, weight_decay=decay)
    x, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(labels)
    for _ in range(steps):
        optimiser.zero_grad()
        output = module(x)
        single = output.shape[1] == 1
        loss = F.binary_cross_entropy(output, labels[:, None].float()) if single else F.cross_entropy(output, labels)
        if strength:
            loss = loss + interop.range_penalty(module, strength, margin=2.0)
        loss.backward()
        optimiser.step()
    return module.eval()


def split(data, seed=0):
    """Train and test samples, 3 to 1, from 0 to 1, and their labels."""
    train, test = np.split(np.random.default_rng(seed).permutation(len(data.target)), [3 * len(data.target) // 4])
    low, high = data.data.min(axis=0), data.data.max(axis=0)
    x = (data.data - low) / np.where(high == low, 1, high - low)
    return x[train], data.target[train], x[test], data.target[test]


REAL = {
    "iris": (
        load_iris(),
        lambda: nn.Sequential(nn.Linear(4, 4), interop.Sigmoid(domain=(-16, 16), degree=9), nn.Linear(4, 3)),
        0.01,
    ),
    "wine": (
        load_wine(),
        lambda: nn.Sequential(nn.BatchNorm1d(13), nn.Linear(13, 6), nn.Tanh(), nn.Dropout(0.1), nn.Linear(6, 3)),
        0.02,
    ),
    "breast-cancer": (
        load_breast_cancer(),
        lambda: nn.Sequential(nn.Linear(30, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid()),
        0.005,
    ),
    "digits": (
        DIGITS,
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Sigmoid(), nn.Linear(16, 10), nn.LogSoftmax(1)),
        0.01,
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "iris" else pytest.mark.thorough) for name in REAL]
)
def test_encrypted_on_real_data(name):
    data, make, accuracy = REAL[name]
    x, labels, held_out, expected = split(data)
    held_out, expected = held_out[:100], expected[:100]
    module = trained(make(), x, labels, 250 if name in ("breast-cancer", "iris") else 100, decay=1e-3)
    model = fhenn.from_torch(module, held_out[:2], classes=data.target_names)
    private = fhenn.encrypted_model(model, bounds=[0, 1], accuracy=accuracy)
    scores, twin = private.scores(held_out), private.model.scores(held_out)
    compare(scores, twin, accuracy)
    outputs = in_float64(module, held_out)
    if outputs.shape[1] == 1:  # the logit, and its distance from 0
        outputs = np.log(outputs / (1 - outputs))
        original, margin = (outputs[:, 0] > 0).astype(int), np.abs(outputs[:, 0])
    else:  # from the next best, which may come nearer by both their errors
        original, margin = outputs.argmax(axis=1), np.diff(np.sort(outputs, axis=1)[:, -2:], axis=1)[:, 0] / 2
    logits = in_float64(module[:-1], held_out) if name == "digits" else outputs
    off = np.abs(scores - logits).max()
    predicted = private.reading.predict(scores)
    differ = predicted != data.target_names[original]
    right = np.mean(predicted == data.target_names[expected])
    print(f"{name}: {differ.sum()} of {len(differ)} labels differ, scores by {off:.1e}, accuracy {right:.1%}")
    assert not np.any(differ & (margin > off))
    assert right > 0.9


@pytest.mark.parametrize("seed", [0, 1])
def test_training_for_the_band(seed):
    """Digits: at most 1 % of accuracy lost against nn.Sigmoid, and nothing outside the band, where some was without."""
    x, labels, held_out, expected = split(DIGITS, seed)
    right, outside = {}, {}
    for name, activation, strength in (
        ("exact", nn.Sigmoid(), 0.0),
        ("free", interop.Sigmoid(domain=(-8, 8), degree=7), 0.0),
        ("kept", interop.Sigmoid(domain=(-8, 8), degree=7), 1.0),
    ):
        torch.manual_seed(seed)
        module = trained(nn.Sequential(nn.Linear(64, 32), activation, nn.Linear(32, 10)), x, labels, 200, strength)
        right[name] = np.mean(in_float64(module, held_out).argmax(axis=1) == expected)
        if name == "exact":
            continue
        model = fhenn.from_torch(module, held_out[:2], classes=range(10))
        outside[name] = fhenn.calibrate(model, held_out).activations[0].outside
        if name == "kept":  # the guard is silent: a warning would fail the test
            assert np.mean(model.predict(held_out) == expected) == pytest.approx(right[name], abs=0.005)
    print(f"accuracy {right}, outside the band {outside}")
    assert right["kept"] >= right["exact"] - 0.01
    assert outside["kept"] == 0 < outside["free"]
