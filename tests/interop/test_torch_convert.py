"""`fhenn.interop.torch.convert`: a trained module as one that runs encrypted, with what each step cost."""

import copy
import pickle
import re
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from pages import ROOT, blocks_of

import fhenn
from fhenn.errors import (
    AccuracyLost,
    NonFiniteValue,
    ParameterError,
    ShapeMismatch,
    UnsupportedModel,
    UnsupportedValue,
)

torch = pytest.importorskip("torch")
interop = pytest.importorskip("fhenn.interop.torch")
torch.set_num_threads(1)
nn, F = torch.nn, torch.nn.functional
convert = interop.convert


def trained(module, x, y, epochs=30):
    """The module after some epochs on classes, or on values where `y` are some; in evaluation mode."""
    x, y = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y)
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    draw = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=draw).split(32):
            optimiser.zero_grad()
            loss = F.cross_entropy if y.dtype == torch.int64 else F.mse_loss
            loss(module(x[batch]), y[batch]).backward()
            optimiser.step()
    return module.eval()


def blobs(samples=300, features=4, classes=3):
    """Points around corners of a cube, and which corner."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, samples)
    corners = rng.choice([-1.0, 1.0], (classes, features)) + rng.normal(size=(classes, features))
    return corners[y] + rng.normal(size=(samples, features)), y


def perceptron(activation=nn.ReLU, outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), activation(), nn.Linear(8, 8), activation(), nn.Linear(8, outputs))


@pytest.fixture(scope="module")
def simple():
    x, y = blobs()
    return trained(perceptron(), x, y), x, y


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_perceptron_becomes_polynomials_and_the_given_one_stays(simple):
    module, x, y = simple
    before = state_of(module)
    converted, report = convert(module, x, labels=y, epochs=2)
    assert same(before, state_of(module))
    assert not any(each.training for each in (*module.modules(), *converted.modules()))
    assert [type(each).__name__ for each in module] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [(step.place, step.was, step.now, step.levels) for step in report.steps] == [
        ("1", "ReLU", "degree 4", 2),
        ("3", "ReLU", "degree 4", 2),
    ]
    assert report.measure == "accuracy"
    assert report.held_out == 30
    assert report.exact > 0.8
    assert report.final > report.exact - 0.1
    model = fhenn.from_torch(converted, x[:2], classes=[0, 1, 2])
    assert model.cost == report.levels == 7
    assert all(node.sup_error() < 1e-9 and not node.is_exact for node in model.nodes[1::2])  # guarded, and as trained
    with torch.no_grad():
        expected = converted(torch.tensor(x, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(model.scores(x), expected, atol=1e-3 * np.abs(expected).max())
    assert np.mean(model.predict(x) == y) > np.mean(module(torch.tensor(x).float()).argmax(1).numpy() == y) - 0.05


def test_the_same_seed_gives_the_same_bits(simple):
    module, x, y = simple
    state = torch.get_rng_state()
    (one, first), (two, second) = (convert(module, x, labels=y, epochs=2, seed=7) for _ in range(2))
    assert same(state_of(one), state_of(two))
    assert first == second
    assert [each.node.polynomial for each in activations(one)] == [each.node.polynomial for each in activations(two)]
    other, _ = convert(module, x, labels=y, epochs=2, seed=8)
    assert not same(state_of(one), state_of(other))
    assert torch.equal(state, torch.get_rng_state())


def activations(module):
    return [each for each in module.modules() if isinstance(each, interop.Activation)]


def test_fine_tuning_helps_and_the_best_state_is_kept(simple):
    regression, x, y = absolute()
    _, untouched = convert(regression, x, labels=y, epochs=0, depth=5)
    _, tuned = convert(regression, x, labels=y, epochs=8, depth=5)
    assert all(step.epochs == 0 and step.before == step.after for step in untouched.steps)
    assert tuned.final > untouched.final + 0.01
    module, x, y = simple
    # a rate at which every epoch is a step back: the state before them stays
    wild, report = convert(module, x, labels=y, epochs=8, rate=1e4, held_out=0.3)
    kept, still = convert(module, x, labels=y, epochs=0, held_out=0.3)
    assert [step.after for step in report.steps] == [step.after for step in still.steps]
    assert [step.epochs for step in report.steps] == [3, 3]  # early stopping
    assert same(state_of(wild), state_of(kept))


def test_depth_spends_levels_where_they_help(simple):
    module, x, y = simple
    found = {}
    for depth in (5, 6, 7, 9, 20):
        _, report = convert(module, x, labels=y, epochs=0, depth=depth)
        found[depth] = [step.levels for step in report.steps]
        assert report.levels == 3 + sum(found[depth]) <= depth
    assert found[5] == [1, 1]
    assert found[20] == found[9] == [3, 3]
    assert sum(found[6]) == 3
    with pytest.raises(ParameterError, match=r"depth=4 cannot be had.*depth=5 or more"):
        convert(module, x, labels=y, depth=4)


def test_an_odd_function_takes_two_levels_at_least():
    x, y = blobs()
    module = trained(perceptron(nn.Tanh), x, y, 5)
    _, report = convert(module, x, labels=y, epochs=0, depth=7)
    assert [step.levels for step in report.steps] == [2, 2]
    with pytest.raises(ParameterError, match="depth=7 or more"):
        convert(module, x, labels=y, depth=6)


class Functional(nn.Module):
    """Functional forms, one module called twice, in place and not, and a sum of branches."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.act(self.first(x))
        x = x + F.relu(self.second(x))
        x = self.act(self.second(x)).relu()
        return F.log_softmax(self.last(x), dim=1)


def test_functional_forms_are_replaced_as_modules_are():
    x, y = blobs()
    torch.manual_seed(0)
    module = Functional().eval()
    converted, report = convert(module, x, labels=y, epochs=1)
    assert [(step.place, step.was) for step in report.steps] == [
        ("act", "ReLU"),
        ("relu", "relu"),
        ("act_1", "ReLU"),
        ("relu_1", "relu"),
    ]
    shares = converted(torch.tensor(x).float())
    torch.testing.assert_close(shares.exp().sum(1), torch.ones(len(x)))  # the end is as it was
    model = fhenn.from_torch(converted, x[:2])
    np.testing.assert_allclose(model.predict_proba(x), shares.detach().exp().numpy(), atol=1e-4)


class Meeting(nn.Module):
    """A sum of two activations, which takes a level where both have as many."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.first(x)
        return self.last(F.relu(x) + F.silu(x))


@pytest.mark.parametrize(("depth", "levels"), [(None, 5), (4, 4), (np.int64(5), 5), (6, 6)])
def test_levels_are_those_that_plans_take(depth, levels):
    torch.manual_seed(0)
    converted, report = convert(Meeting().eval(), blobs()[0], epochs=0, depth=depth)
    steps = fhenn.nn.deepest(fhenn.nn.circuit(fhenn.from_torch(converted, np.zeros((1, 4)))))
    assert report.levels == sum(step.cost for step in steps) == levels


@pytest.mark.parametrize("where", ["argument", "keyword", "name"])
def test_what_an_activation_in_place_changes_is_seen_by_those_after_it(where):
    ways = {"argument": lambda x: F.relu(x, True), "keyword": lambda x: F.relu(x, inplace=True), "name": F.relu_}

    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x):
            x = self.linear(x)
            y = ways[where](x)
            return x + y

    x, y = blobs()
    torch.manual_seed(0)
    module = InPlace().eval()
    converted, _ = convert(module, x, labels=y, epochs=0, depth=9)
    samples = torch.tensor(x).float()
    off = (converted(samples) - module(samples)).abs().max()
    assert off < 0.3 * module(samples).abs().max()


def images(samples=120):
    """Two classes of 8 × 8 images: bright above, or bright below."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, samples)
    x = rng.uniform(0, 0.6, (samples, 1, 8, 8))
    x[y == 1, :, :4] += 0.3
    x[y == 0, :, 4:] += 0.3
    return x, y


def network():
    torch.manual_seed(0)
    first = [nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)]
    return nn.Sequential(*first, nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


def test_a_convolutional_network_with_maxima_and_batch_normalisation():
    x, y = images()
    module = trained(network(), x, y, 5)
    converted, report = convert(module, x, labels=y, epochs=2, depth=7)
    assert [(step.place, step.now) for step in report.steps] == [
        ("2", "degree 4"),
        ("3", "average"),
        ("6", "degree 4"),
    ]
    assert not torch.equal(converted.get_submodule("1").running_mean, module[1].running_mean)
    assert converted.get_submodule("1").momentum == module[1].momentum
    assert type(converted.get_submodule("3")) is nn.AvgPool2d
    model = fhenn.from_torch(converted, x[:2], classes=[0, 1])
    assert model.predict(x).tolist() == converted(torch.tensor(x).float()).argmax(1).tolist()


def test_statistics_are_those_of_the_training_share():
    x, _ = blobs()
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)).eval()
    converted, report = convert(module, x, epochs=0, held_out=0.2)
    order = np.random.default_rng(0).permutation(len(x))[report.held_out :]
    before = converted.get_submodule("0")(torch.tensor(x[order]).float())
    torch.testing.assert_close(converted.get_submodule("1").running_mean, before.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(converted.get_submodule("1").running_var, before.var(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("pool", "average"),
    [
        (nn.MaxPool2d(3, 2, padding=1), nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)),
        (nn.MaxPool2d((3, 1), ceil_mode=True), nn.AvgPool2d((3, 1), ceil_mode=True)),
        (nn.AdaptiveMaxPool2d(2), nn.AdaptiveAvgPool2d(2)),
    ],
    ids=str,
)
def test_maxima_become_averages_of_the_same_windows(pool, average):
    x, _ = images(20)
    samples = torch.tensor(x).float()
    width = pool(samples).flatten(1).shape[1]
    torch.manual_seed(0)
    module = nn.Sequential(pool, nn.Flatten(), nn.Linear(width, 2)).eval()
    converted, report = convert(module, x, epochs=0)
    assert [step.levels for step in report.steps] == [0]
    expected = nn.Sequential(average, nn.Flatten(), module[2])(samples)
    torch.testing.assert_close(converted(samples), expected)
    functional = convert(Pooled(pool, width).eval(), x, epochs=0)[0]
    assert type(functional.get_submodule(functional_name(functional))) is type(average)


class Pooled(nn.Module):
    """The same pooling as a function."""

    def __init__(self, pool, width):
        super().__init__()
        self.last = nn.Linear(width, 2)
        if isinstance(pool, nn.AdaptiveMaxPool2d):
            self._pool = lambda x: F.adaptive_max_pool2d(x, pool.output_size)
        else:
            options = {"stride": pool.stride, "padding": pool.padding, "ceil_mode": pool.ceil_mode}
            self._pool = lambda x: F.max_pool2d(x, pool.kernel_size, **options)

    def forward(self, x):
        return self.last(torch.flatten(self._pool(x), 1))


def functional_name(module):
    return next(name for name, each in module.named_modules() if "Pool" in type(each).__name__ and name)


def test_a_single_score_and_its_sigmoid():
    x, y = blobs(classes=2)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 1), nn.Sigmoid()).eval()
    converted, report = convert(module, x, labels=y, epochs=2)
    assert [step.place for step in report.steps] == ["1"]
    assert report.measure == "accuracy"
    assert type(converted.get_submodule("3")) is nn.Sigmoid
    model = fhenn.from_torch(converted, x[:2])
    shares = converted(torch.tensor(x).float()).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(x)[:, 1:], shares, atol=1e-5)


def test_floats_are_classes_where_shares_of_them_come_out():
    """As the loss of a sigmoid takes them."""
    x, y = blobs(classes=2)
    torch.manual_seed(0)
    scores = nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 1)).eval()
    shares = nn.Sequential(*scores, nn.Sigmoid()).eval()
    expected = convert(shares, x, labels=y, epochs=1)[1]
    for labels in (y.astype(np.float32), y[:, None].astype(float), torch.tensor(y).double()):
        assert convert(shares, x, labels=labels, epochs=1)[1] == expected
    with pytest.raises(ParameterError, match="loss='mse' takes for values"):
        convert(shares, x, labels=y.astype(float), loss="mse")
    with pytest.raises(ParameterError, match="0 and 1 as floats"):  # of logits, or values
        convert(scores, x, labels=y.astype(float))
    assert convert(scores, x, labels=y.astype(float), loss="cross-entropy", epochs=1)[1] == expected
    assert convert(scores, x, labels=y.astype(float), loss="mse", epochs=0)[1].measure == "R²"


def absolute():
    """A regression on |x₀| + x₁."""
    x = np.random.default_rng(0).normal(size=(300, 4))
    y = (np.abs(x[:, :1]) + x[:, 1:2]).astype(np.float32)
    return trained(perceptron(nn.GELU, 1), x, y), x, y


def test_a_regression():
    module, x, y = absolute()
    _, report = convert(module, x, labels=y, epochs=3)
    assert report.measure == "R²"
    assert report.exact > 0.9
    assert report.final > report.exact - 0.05
    whole = np.round(y).astype(int)
    with pytest.raises(ParameterError, match="loss='mse'"):
        convert(module, x, labels=whole)
    assert convert(module, x, labels=whole, loss="mse", epochs=0)[1].measure == "R²"


def test_without_labels_the_original_is_what_is_learnt(simple):
    module, x, _ = simple
    _, report = convert(module, x, epochs=2)
    assert report.measure == "agreement"
    assert report.exact == 1.0
    assert report.final > 0.9
    assert convert(module, x, epochs=0, loss="mse")[1].measure == "R²"
    with pytest.raises(ParameterError, match="nothing to learn from"):
        convert(module, x, teacher=False)


def test_labels_teach_without_a_teacher():
    x, y = blobs()
    _, report = convert(perceptron().eval(), x, labels=y, teacher=False, epochs=8, held_out=0.3)
    assert report.steps[0].after > report.exact + 0.1


def test_the_range_penalty_is_part_of_the_loss(simple, monkeypatch):
    module, x, y = simple

    def heavy(module, margin):
        assert margin > 1  # it starts within the domains
        return 10 * sum(weight.square().sum() for weight in module.parameters())

    plain, _ = convert(module, x, labels=y, epochs=2)
    monkeypatch.setattr("fhenn.interop.torch.tuning.range_penalty", heavy)
    light, _ = convert(module, x, labels=y, epochs=2)
    sizes = [sum(float(weight.detach().square().sum()) for weight in each.parameters()) for each in (light, plain)]
    assert sizes[0] < 0.9 * sizes[1]


def test_held_out_samples_that_the_original_never_saw(simple):
    module, x, y = simple
    _, report = convert(module, x[:200], labels=y[:200], held_out=(x[200:], y[200:]), epochs=0)
    with torch.no_grad():
        right = module(torch.tensor(x[200:]).float()).argmax(1).numpy() == y[200:]
    assert report.held_out == 100
    assert report.exact == pytest.approx(right.mean())


def test_frozen_weights_stay(simple):
    module, x, y = simple
    frozen = copy.deepcopy(module)
    frozen[0].requires_grad_(False)
    converted, _ = convert(frozen, x, labels=y, epochs=2)
    assert torch.equal(converted.get_submodule("0").weight, module[0].weight)
    assert not torch.equal(converted.get_submodule("2").weight, module[2].weight)
    frozen.requires_grad_(False)
    assert [step.epochs for step in convert(frozen, x, labels=y, epochs=2)[1].steps] == [0, 0]


def test_domains_hold_what_the_data_bring(simple):
    module, x, y = simple
    converted, report = convert(module, x, labels=y, epochs=4)
    assert all(each.report().total == 0 for each in activations(converted))  # statistics start anew
    converted(torch.tensor(x).float())
    for each, step in zip(activations(converted), report.steps, strict=True):
        assert each.share_outside == 0
        assert each.domain == step.domain
        low, high = step.domain
        seen = each.report()
        assert seen.largest - seen.smallest <= (high - low) / 1.2


def test_what_is_converted_already_stays(simple):
    module, x, y = simple
    converted, _ = convert(module, x, labels=y, epochs=1)
    before = state_of(converted)
    again, report = convert(converted, x, labels=y, epochs=1)
    assert report.steps == ()
    assert report.exact == report.final
    assert str(report).startswith("converted: 7 levels, accuracy on 30 held-out samples")
    assert same(before, state_of(converted))
    assert same(before, state_of(again))


def test_the_result_can_be_copied_and_kept(simple, tmp_path):
    module, x, y = simple
    converted, report = convert(module, x, labels=y, epochs=1)
    samples = torch.tensor(x).float()
    torch.save(converted, tmp_path / "module.pt")
    for other in (copy.deepcopy(converted), torch.load(tmp_path / "module.pt", weights_only=False)):
        assert torch.equal(other(samples), converted(samples))
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301  (its own)
    with pytest.raises(FrozenInstanceError):
        report.final = 1.0


def test_the_report_is_a_table(simple):
    module, x, y = simple
    _, report = convert(module, x, labels=y, epochs=1, depth=5)
    head, names, *rows = str(report).splitlines()
    assert head == (
        f"converted: 5 levels, accuracy on 30 held-out samples {report.final:.1%}, the original's {report.exact:.1%}"
    )
    assert names.split() == ["step", "was", "now", "levels", "domain", "before", "after", "epochs", "outside"]
    assert [row.split()[:4] for row in rows] == [["1", "ReLU", "degree", "2"], ["3", "ReLU", "degree", "2"]]
    assert len({len(row) for row in rows}) == 1


def test_progress_is_told(simple, capsys):
    module, x, y = simple
    told = []
    convert(module, x, labels=y, epochs=2, progress=lambda what, done, total: told.append((what, done, total)))
    assert told == [
        *(("1", done, 4) for done in (0, 1, 2)),
        *(("3", done, 4) for done in (2, 3, 4)),
        ("done", 4, 4),
    ]
    convert(module, x, labels=y, epochs=1)
    assert capsys.readouterr() == ("", "")  # no terminal


def test_a_bar_on_a_terminal(simple, monkeypatch, capsys):
    module, x, y = simple
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, report = convert(module, x, labels=y, epochs=1)
    shown = capsys.readouterr().err
    lines = [line.rpartition("\x1b[K")[2] for line in shown.split("\n")]
    assert lines[0] == f"1: accuracy {report.steps[0].before:.4f}, fine-tuned {report.steps[0].after:.4f}"
    assert "[############............] 1" in shown
    assert shown.endswith("\r\x1b[K")


def test_too_much_lost_is_an_error_with_the_report(simple):
    module, x, y = simple
    wrong = (y + 1) % 3
    with pytest.raises(AccuracyLost, match="of the exact model's quality is lost") as caught:
        convert(module, x, labels=y, epochs=0, depth=5, max_loss=0.0, held_out=0.5, margin=100)
    assert caught.value.report.lost == caught.value.lost > 0
    assert isinstance(caught.value.report.steps[0].before, float)
    assert pickle.loads(pickle.dumps(caught.value)).report == caught.value.report  # noqa: S301  (its own)
    convert(module, x, labels=wrong, epochs=0, max_loss=1.0)


def test_training_mode_is_refused(simple):
    module, x, y = simple
    other = copy.deepcopy(module).train()
    with pytest.raises(ParameterError, match=r"training mode.*eval\(\)"):
        convert(other, x, labels=y)
    other.eval()[1].train()
    with pytest.raises(ParameterError, match="training mode"):
        convert(other, x, labels=y)


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.zeros(299, int), ShapeMismatch),
        (np.full(300, 3), ParameterError),
        (np.full(300, -1), ParameterError),
        (np.zeros((300, 2), int), ParameterError),
        (np.array(["a", "b", "c"] * 100), ParameterError),
        (np.zeros(300), ShapeMismatch),  # values, of which the module makes three
        (np.zeros((300, 3)), ParameterError),  # that never vary
        (np.r_[np.nan, np.zeros(299)], NonFiniteValue),
    ],
)
def test_labels_that_do_not_fit(simple, labels, error):
    module, x, _ = simple
    with pytest.raises(error):
        convert(module, x, labels=labels)


def test_data_that_do_not_fit(simple):
    module, x, y = simple
    broken = x.copy()
    broken[3, 1] = np.nan
    with pytest.raises(NonFiniteValue, match="data"):
        convert(module, broken, labels=y)
    with pytest.raises(ShapeMismatch, match="10 samples"):
        convert(module, x[:9], labels=y[:9])
    with pytest.raises(UnsupportedModel, match="fails on the data"):
        convert(module, x[:, :3], labels=y)
    with pytest.raises(UnsupportedValue):
        convert("a module", x)
    with pytest.raises(UnsupportedValue):
        convert(module, x.astype(str))
    with pytest.raises(ParameterError, match=r"what comes to 1 \(ReLU\) is the same for all data"):
        convert(module, np.zeros((50, 4)), labels=np.zeros(50, int))


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": -1},
        {"epochs": 1.5},
        {"held_out": 1.0},
        {"margin": 0.5},
        {"rate": 0.0},
        {"max_loss": -0.1},
        {"loss": "hinge"},
        {"depth": "deep"},
        {"seed": -1},
        {"seed": "one"},
    ],
    ids=str,
)
def test_options_out_of_range(simple, options):
    module, x, y = simple
    with pytest.raises(ParameterError):
        convert(module, x, labels=y, **options)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.PReLU(8), "a slope for each channel; put torch.nn.PReLU"),
        (nn.LayerNorm(8), "put torch.nn.BatchNorm1d"),
        (nn.GroupNorm(2, 8), "put torch.nn.BatchNorm1d"),
        (nn.MultiheadAttention(8, 1), "MultiheadAttention"),
        (nn.MaxPool2d(2, dilation=2), "gaps"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_cannot_run_encrypted_is_refused_before_anything_is_trained(layer, text):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.layer = nn.Linear(4, 8), layer

        def forward(self, x):
            x = self.first(x)
            if isinstance(self.layer, nn.MultiheadAttention):
                return self.layer(x, x, x)[0]
            if isinstance(self.layer, nn.MaxPool2d):
                return self.layer(x.view(-1, 1, 2, 4).repeat(1, 1, 4, 2)).flatten(1)
            return self.layer(x)

    with pytest.raises(UnsupportedModel, match=text):
        convert(Odd().eval(), blobs()[0], progress=lambda *_: pytest.fail("trained"))


def test_a_module_of_doubles_stays_one(simple):
    module, x, y = simple
    converted, _ = convert(copy.deepcopy(module).double(), x, labels=y, epochs=1)
    assert {each.dtype for each in converted.parameters()} == {torch.float64}


@pytest.mark.thorough
def test_the_guides_example(capsys):
    blocks = blocks_of(ROOT / "notebooks" / "models.md")
    place = next(place for place, block in enumerate(blocks) if " convert(" in block.code)
    example, shown = blocks[place : place + 2]
    exec(compile(example.code, "models.md", "exec"), {})  # noqa: S102  (our own text)
    found, expected = (re.sub(r"[\d.]+", "0", table).split() for table in (capsys.readouterr().out, shown.code))
    assert found == expected  # all but the digits, which another processor rounds otherwise


@pytest.mark.thorough
def test_encrypted_decisions_are_the_converted_modules():
    x, y = images(200)
    module = trained(network(), x, y, 5)
    converted, _ = convert(module, x, labels=y, epochs=2)
    model = fhenn.from_torch(converted, x[:2], classes=[0, 1])
    plan = fhenn.plan(model, inputs=x, bounds=[0, 1], ranges="data", layout="latency", samples=8)
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    found = client.decrypt_scores(server.predict(client.encrypt(x[:8])))
    np.testing.assert_allclose(found, model.scores(x[:8]), atol=plan.error)
    assert found.argmax(1).tolist() == converted(torch.tensor(x[:8]).float()).argmax(1).tolist()
