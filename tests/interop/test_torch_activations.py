"""fhenn's activations in PyTorch: the very polynomial, its gradient, statistics and the range penalty."""

import copy
import io

import numpy as np
import pytest

import fhenn
from fhenn.errors import CacheEmpty, NonFiniteValue, ParameterError, RangeReport, UnsupportedValue

torch = pytest.importorskip("torch")
interop = pytest.importorskip("fhenn.interop.torch")

MODULES = {
    "sigmoid": interop.Sigmoid,
    "sigmoid-23": lambda: interop.Sigmoid(domain=(-8, 8), degree=23),
    "sigmoid-aside": lambda: interop.Sigmoid(domain=(-2, 6), accuracy=0.01),
    "sigmoid-tail-safe": lambda: interop.Sigmoid(polynomial=fhenn.approx.preset("sigmoid-tail-safe-8-16-9")),
    "tanh": lambda: interop.Tanh(domain=(-3, 3), degree=9),
    "relu": interop.ReLU,
    "silu": interop.SiLU,
    "gelu": lambda: interop.GELU(domain=(-5, 5), accuracy=0.02),
    "softplus": interop.Softplus,
    "square": interop.Square,
    "sign-relu": lambda: interop.SignReLU(domain=(-6, 6)),
    "affine": lambda: interop.PolynomialActivation([0.5, 0.25]),
    "affine-chebyshev": lambda: interop.PolynomialActivation(fhenn.Polynomial((0.5, 2.0), (-2, 6), "chebyshev")),
    "constant": lambda: interop.PolynomialActivation([0.5]),
    "any": lambda: interop.Activation(fhenn.PolynomialActivation([0.0, -1.0, 0.0, 0.5], domain=(-2, 3))),
}


@pytest.fixture(params=MODULES, ids=str)
def module(request):
    return MODULES[request.param]()


def inputs(module, dtype=np.float64):
    low, high = module.domain
    return np.random.default_rng(0).uniform(low, high, (31, 7)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_the_twin(module, dtype):
    x = inputs(module, dtype)
    twin = module.node
    expected = twin.forward(x)
    got = module(torch.tensor(x))
    assert got.dtype == torch.tensor(x).dtype
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=np.abs(expected).max() * 8 * np.finfo(dtype).eps)


def test_gradient_is_the_twins(module):
    x, twin = inputs(module), module.node
    weight = np.random.default_rng(1).normal(size=x.shape)
    twin.forward(x)
    at = torch.tensor(x, requires_grad=True)
    result = module(at)
    if result.requires_grad:  # a constant has no gradient
        (result * torch.tensor(weight)).sum().backward()
    got = np.zeros_like(x) if at.grad is None else at.grad.numpy()
    expected = twin.backward(weight)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * max(1, np.abs(expected).max()))


def test_second_derivative():
    x = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(interop.Sigmoid(domain=(-8, 8), degree=7, track=False), x)


def test_halves_are_evaluated_in_float32():
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.linspace(-8, 8, 33).to(dtype)
        got = interop.Sigmoid(domain=(-8, 8), degree=15)(x)
        assert got.dtype == dtype
        assert (got.float() - interop.Sigmoid(domain=(-8, 8), degree=15)(x.float())).abs().max() <= torch.finfo(
            dtype
        ).eps


def test_shapes_and_what_is_no_number():
    layer = interop.Sigmoid()
    for shape in ((), (0,), (0, 3), (2, 3, 4)):
        assert layer(torch.zeros(shape)).shape == shape
    for wrong in (torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.complex64), np.zeros(2), 1.0):
        with pytest.raises(UnsupportedValue, match="floating-point"):
            layer(wrong)
    with pytest.raises(UnsupportedValue, match="Sigmoid"):
        interop.Activation(torch.nn.Sigmoid())
    with pytest.raises(ParameterError, match="Give the polynomial alone"):
        interop.Sigmoid(degree=3, polynomial=fhenn.Polynomial((0.0, 1.0), (-1, 1)))


def test_statistics():
    layer = interop.Sigmoid()
    assert layer.report().total == 0
    assert str(layer.report()) == "Sigmoid: no values came to it."
    assert np.isnan([layer.report().smallest, layer.report().largest]).all()
    assert layer.share_outside == 0
    layer(torch.tensor([[4.0, -4.0, 4.5, torch.nan]]))
    layer.eval()
    with torch.no_grad():
        layer(torch.tensor([-torch.inf, 0.0]))
    report = layer.report()
    assert isinstance(report, RangeReport)
    assert (report.total, report.outside, report.nonfinite) == (6, 3, 2)
    assert (report.smallest, report.largest, layer.share_outside) == (-4.0, 4.5, 0.5)
    assert "3 of 6 values outside [-4, 4]" in str(report)
    assert "train with range_penalty" in str(report)
    layer.reset_statistics()
    assert layer.report().total == 0
    layer(torch.tensor([1.0]))
    assert (layer.report().smallest, layer.report().largest) == (1.0, 1.0)
    assert str(layer.report()) == "Sigmoid: none of 1 values outside [-4, 4], smallest 1, largest 1."
    untracked = interop.Sigmoid(track=False)
    untracked(torch.tensor([9.0]))
    assert untracked.report().total == 0


def test_statistics_agree_with_the_guard():
    x = np.random.default_rng(2).normal(size=(50, 4)) * 4
    layer = interop.Tanh()
    layer(torch.tensor(x, dtype=torch.float32))
    with pytest.warns(fhenn.RangeWarning) as caught:
        layer.node.forward(x.astype(np.float32))
    guard, report = caught[0].message.report, layer.report()
    for name in ("node", "domain", "outside", "total", "smallest", "largest", "nonfinite"):
        assert getattr(guard, name) == getattr(report, name)


def test_statistics_are_state():
    layer = torch.nn.Sequential(torch.nn.Linear(2, 2), interop.Sigmoid())
    layer(torch.full((3, 2), 50.0))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = torch.nn.Sequential(torch.nn.Linear(2, 2), interop.Sigmoid())
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other[1].report() == layer[1].report()
    double = copy.deepcopy(layer).double()
    assert double[1].report() == layer[1].report()


def test_takes_the_weights_of_a_model_with_another_activation():
    trained = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sigmoid(), torch.nn.Linear(2, 1))
    mine = torch.nn.Sequential(torch.nn.Linear(2, 2), interop.Sigmoid(), torch.nn.Linear(2, 1))
    mine(torch.full((3, 2), 50.0))
    state = trained.state_dict()
    mine.load_state_dict(state)
    assert mine[1].report().total == 0
    assert set(state) == set(trained.state_dict())
    broken = mine.state_dict()
    del broken["1.total"]
    with pytest.raises(RuntimeError, match="total"):
        mine.load_state_dict(broken)


def test_can_be_copied_after_a_forward_pass():
    layer = torch.nn.Sequential(torch.nn.Linear(2, 2), interop.Sigmoid())
    layer(torch.ones(1, 2))
    twin = copy.deepcopy(layer)
    assert twin[1].last_input is None
    assert layer[1].last_input is not None
    assert "levels=2" in repr(layer)


def test_the_node_is_a_node_of_its_own():
    layer = interop.Sigmoid(domain=(-8, 8), degree=7)
    layer.node.forward(0.0)
    assert layer.node is not layer.node
    assert not layer.node.kept_inputs
    assert layer.node.polynomial == layer.polynomial == fhenn.Sigmoid(domain=(-8, 8), degree=7).polynomial


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4),
        torch.nn.Sequential(interop.Sigmoid(domain=(-0.5, 1)), torch.nn.Linear(4, 2)),
        interop.Tanh(),
    ).double()


def test_the_penalty_is_fhenns():
    model = network()
    x = torch.tensor(np.random.default_rng(0).normal(size=(5, 3)) * 4)
    model(x)
    pre = model[0](x)
    inner = model[1][1](model[1][0](pre))
    model(x)
    for strength, margin in ((1.0, 1.0), (0.3, 1.5)):
        got = interop.range_penalty(model, strength, margin=margin)
        loss, _ = fhenn.range_penalty(pre.detach().numpy(), (-0.5, 1), strength, margin=margin)
        loss += fhenn.range_penalty(inner.detach().numpy(), (-2, 2), strength, margin=margin)[0]
        assert loss > 0
        assert got.item() == pytest.approx(loss, rel=1e-12)
    assert torch.autograd.gradcheck(
        lambda x: (model(x), interop.range_penalty(model, margin=2.0))[1], [x.requires_grad_()]
    )
    only = torch.nn.Sequential(interop.Sigmoid())
    tensor = torch.tensor([[5.0, -1.0], [0.0, -7.0]], requires_grad=True)
    only(tensor)
    penalty = interop.range_penalty(only, 3.0)
    penalty.backward()
    assert penalty.item() == 15
    assert tensor.grad.tolist() == [[3.0, 0.0], [0.0, -9.0]]


def test_the_penalty_refuses():
    with pytest.raises(ParameterError, match="Put its Sigmoid"):
        interop.range_penalty(torch.nn.Sigmoid())
    model = network()
    with pytest.raises(CacheEmpty, match="just before"):
        interop.range_penalty(model)
    model(torch.zeros(1, 3, dtype=torch.float64))
    for strength in (-1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match="strength"):
            interop.range_penalty(model, strength)
    with pytest.raises(ParameterError, match="margin"):
        interop.range_penalty(model, margin=0.5)
    with torch.no_grad():
        model(torch.zeros(1, 3, dtype=torch.float64))
    with pytest.raises(CacheEmpty, match="gradients"):
        interop.range_penalty(model)
    model(torch.full((1, 3), torch.nan, dtype=torch.float64))
    with pytest.raises(NonFiniteValue, match="learning rate"):
        interop.range_penalty(model)
