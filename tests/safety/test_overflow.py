"""Inputs far outside what a plan is for, as by a client that checks no bounds: nothing wrong passes for right.

A sample whose values leave a domain is named, and so is every other one whose result is wrong because it shares a
ciphertext with that one: a number that outgrows its modulus wraps round, and spoils the whole ciphertext.
"""

import numpy as np
import pytest
from support import mostly_thorough

import fhenn
from fhenn.ckks import CipherArray, decrypt
from fhenn.errors import RangeViolation, RangeWarning, SharingRefused
from fhenn.nn import Affine, circuit, plus, trail
from fhenn.session.answer import Answer

FEATURES = 6


def linear(rng, outputs, width, reach):
    weight = rng.normal(size=(outputs, width))
    return fhenn.Linear(weight * reach / np.abs(weight).sum(axis=1, keepdims=True))


def conv(rng, outputs, inputs, reach):
    weight = rng.normal(size=(outputs, inputs, 3, 3))
    return fhenn.Conv2d(weight * reach / np.abs(weight).sum(axis=(1, 2, 3), keepdims=True), padding=1)


def silent(*nodes, shape=None):
    quiet = [n.with_policy("ignore") if isinstance(n, fhenn.Activation) else n for n in nodes]
    return fhenn.Sequential(quiet, shape=shape)


def models(rng):
    yield "one", silent(linear(rng, 1, FEATURES, 3.9), fhenn.Sigmoid())
    yield "hidden", silent(linear(rng, 5, FEATURES, 3.9), fhenn.Sigmoid(), linear(rng, 3, 5, 1.0))
    yield "one output", silent(linear(rng, 8, FEATURES, 1.9), fhenn.Tanh(), linear(rng, 1, 8, 1.0))
    first = linear(rng, 5, FEATURES, 3.9), fhenn.Sigmoid()
    yield "deep", silent(*first, linear(rng, 4, 5, 3.9), fhenn.Sigmoid(), linear(rng, 2, 4, 1.0))
    yield "two", silent(linear(rng, 4, FEATURES, 1.9), fhenn.Tanh(), linear(rng, 2, 4, 1.9), fhenn.Tanh())
    yield "exact last", silent(*first, linear(rng, 4, 5, 2.0), fhenn.Square(), linear(rng, 2, 4, 1.0))


MODELS = dict(models(np.random.default_rng(1)))


def image_models(rng):
    """Whose activations stand behind convolutions, in a branch of a sum, and behind that sum."""
    head = fhenn.AvgPool2d(2), fhenn.Flatten()
    yield "convolutional", silent(conv(rng, 3, 1, 3.9), fhenn.Sigmoid(), *head, linear(rng, 2, 12, 1.0), shape=SHAPE)
    body = silent(conv(rng, 3, 3, 3.9), fhenn.Sigmoid(), conv(rng, 3, 3, 1.0))
    stem = conv(rng, 3, 1, 3.9), fhenn.Sigmoid()
    yield "residual", silent(*stem, fhenn.Residual(body), *head, linear(rng, 2, 12, 1.0), shape=SHAPE)
    projected = fhenn.Residual(
        silent(conv(rng, 2, 2, 3.9), fhenn.Tanh(domain=(-4, 4)), conv(rng, 2, 2, 1.9)), conv(rng, 2, 2, 1.9)
    )
    behind = conv(rng, 2, 1, 1.0), projected, fhenn.Sigmoid(), *head, linear(rng, 2, 8, 1.0)
    yield "behind a sum", silent(*behind, shape=SHAPE)
    plain = conv(rng, 2, 1, 1.0), fhenn.Residual(conv(rng, 2, 2, 2.9)), fhenn.Sigmoid(), fhenn.GlobalAvgPool2d()
    yield "plain sum", silent(*plain, fhenn.Flatten(), linear(rng, 2, 2, 1.0), shape=SHAPE)
    square = silent(conv(rng, 3, 3, 1.0), fhenn.Square(), conv(rng, 3, 3, 1.0))
    squares = conv(rng, 3, 1, 1.0), fhenn.Square(), fhenn.Residual(square), *head, linear(rng, 2, 12, 1.0)
    yield "squares", silent(*squares, shape=SHAPE)


SHAPE = (1, 4, 4)
OF_IMAGES = dict(image_models(np.random.default_rng(1)))
SEEN = np.random.default_rng(2).uniform(-0.5, 0.5, (300, 16))
"""Data from which the ranges of squares are taken; the bounds are wider."""
WAYS = {"alone": {"samples": 1}, "four": {"samples": 4}, "throughput": {"layout": "throughput"}}


class Careless:
    """A client that checks no bounds, and a server.

    model: that the server runs.
    how: arguments of the plan.
    """

    def __init__(self, model, **how):
        self.model = model
        self.features = int(np.prod(model.input_shape))
        self.plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-2, **{"witness": True} | how)
        self.client = fhenn.Client(self.plan)
        self.client.require_bounds = lambda values: None
        self.server = fhenn.Server(model, self.plan, self.client.evaluation_keys())

    def answer(self, x):
        return self.server.predict(self.client.encrypt(x))

    def judge(self, x):
        """For each sample: whether it left a domain, whether it is wrong although it did not, whether it is flagged."""
        answer = self.answer(x)
        report = self.client.violations(answer)
        scores = np.ma.getdata(self.client.decrypt_scores(answer, on_violation="mask"))
        left = np.zeros(len(x), bool)
        *values, twin = trail(circuit(self.model), x, lambda _, node, each: node.infer(each), plus)
        for value, domain in zip(values, self.domains, strict=True):
            if domain is not None:
                left |= ((value < domain[0]) | (value > domain[1])).any(axis=1)
        wrong = ~left & ~(np.abs(scores - twin).max(axis=1) <= self.plan.error)
        flagged = np.isin(np.arange(len(x)), () if report is None else report.samples)
        return left, wrong, flagged

    @property
    def domains(self):
        """What the input of each step must be in: the domain, of an exact activation the range of the data."""
        ranges = iter(() if self.plan.ranges is None else self.plan.ranges.intervals)
        found = []
        for step in circuit(self.model):
            is_activation = isinstance(step, fhenn.Activation)
            interval = next(ranges, None) if is_activation else None
            found.append(step.domain if is_activation and not step.is_exact else interval)
        return found

    def stray(self, rng, samples, factor):
        """Samples of which one or two reach that many times the domain of the first activation."""
        x = rng.uniform(-1, 1, (samples, self.features))
        first = next(step for step in circuit(self.model) if isinstance(step, Affine))
        for place in rng.choice(samples, min(samples, int(rng.integers(1, 3))), replace=False):
            direction = rng.normal(size=self.features)
            reach = np.abs(first.infer(direction[None])).max()
            x[place] = direction * factor * next(filter(None, self.domains))[1] / reach
        return x


def count_unseen(pair, runs, seed):
    """Runs of a model in its packing; returns how many samples left, how many were spoilt, and the unseen of each."""
    rng = np.random.default_rng(seed)
    total = np.zeros(4, int)
    for _ in range(runs):
        together = pair.plan.samples_per_ciphertext
        samples = int(rng.choice([1, 3, 50, together]) if together > 4 else rng.integers(1, 9))
        left, wrong, flagged = pair.judge(pair.stray(rng, samples, 10 ** rng.uniform(np.log10(1.01), 6)))
        total += [left.sum(), wrong.sum(), (left & ~flagged).sum(), (wrong & ~flagged).sum()]
    return total


@pytest.fixture(scope="module")
def pair(evaluator):
    return Careless(MODELS["hidden"], samples=4)


@pytest.mark.thorough
def test_no_stray_and_no_sample_that_it_spoils_goes_unseen(pair):
    for each, runs in ((pair, 16), (Careless(MODELS["one"], layout="throughput"), 8)):
        left, wrong, *unseen = count_unseen(each, runs, 7)
        assert unseen == [0, 0]
        assert left >= runs
        assert wrong > 0, "nothing was spoilt, so that nothing was tested"


IMAGES_IN = [
    ("convolutional", "four"),
    ("plain sum", "four"),
    ("convolutional", "alone"),
    ("convolutional", "throughput"),
    ("residual", "four"),
    ("behind a sum", "four"),
    ("squares", "four"),
    ("squares", "throughput"),
]


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "way"), mostly_thorough(IMAGES_IN, (0, 1)))
def test_no_stray_and_no_sample_that_it_spoils_goes_unseen_among_images(name, way):
    how = {"inputs": SEEN, "ranges": "data"} if name == "squares" else {}
    pair = Careless(OF_IMAGES[name], **{"layout": "latency"} | WAYS[way] | how)
    left, wrong, *unseen = count_unseen(pair, 4, 7)
    assert unseen == [0, 0]
    assert left >= 4
    assert wrong > 0 or way == "alone"


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_no_stray_and_no_sample_that_it_spoils_goes_unseen_in_a_thousand_runs(name, way):
    """18 rows of 56 runs; 1.01 to a million times the domain."""
    left, wrong, *unseen = count_unseen(Careless(MODELS[name], **WAYS[way]), 56, 11)
    assert unseen == [0, 0]
    assert left >= 56
    assert wrong > 0 or way == "alone"


@pytest.fixture(scope="module")
def spoilt(pair):
    """Eight samples in two ciphertexts, of which the fifth is so far outside that its whole ciphertext is garbage."""
    x = np.random.default_rng(3).uniform(-1, 1, (8, FEATURES))
    x[4] = 1e4 * np.sign(MODELS["hidden"].nodes[0].weight[0])
    return x, pair.answer(x)


def test_the_samples_beside_it_are_named_apart_and_those_of_other_ciphertexts_are_right(pair, spoilt):
    x, answer = spoilt
    report = pair.client.violations(answer)
    assert report.samples == (4, 5, 6, 7)
    assert 4 in report.left or report.left, "one at least shows it"
    assert set(report.left) | set(report.condemned) == {4, 5, 6, 7}
    masked = pair.client.decrypt(answer, on_violation="mask")
    assert np.ma.getmaskarray(masked).any(axis=1).tolist() == [False] * 4 + [True] * 4
    assert np.abs(masked[:4] - MODELS["hidden"].infer(x[:4])).max() <= pair.plan.error
    with pytest.raises(RangeViolation) as caught:
        pair.client.decrypt(answer)
    assert caught.value.report == report
    with pytest.warns(RangeWarning) as warned:
        pair.client.decrypt(answer, on_violation="warn")
    assert warned[0].message.report == report


def test_a_stray_within_the_headroom_spoils_nobody(pair):
    """Its witness says that it left, and how far: the three beside it are right, and not accused."""
    x = np.random.default_rng(3).uniform(-1, 1, (4, FEATURES))
    x[2] = 1.5 * np.sign(MODELS["hidden"].nodes[0].weight[0])
    left, wrong, flagged = pair.judge(x)
    assert left.tolist() == flagged.tolist() == [False, False, True, False]
    assert not wrong.any()


@pytest.mark.thorough
def test_samples_are_condemned_whose_own_numbers_look_right():
    """The outputs wrap round where the witness does not: of the three beside the stray only their ciphertext tells."""
    pair = Careless(MODELS["one output"], samples=4, evaluator="seal")
    x = np.random.default_rng(0).uniform(-1, 1, (4, FEATURES))
    direction = np.sign(pair.model.nodes[0].weight[0])
    x[1] = direction * 8 * 2 / np.abs(pair.model.nodes[0].infer(direction[None])).max()
    left, wrong, flagged = pair.judge(x)
    assert left.tolist() == [False, True, False, False]
    assert wrong.tolist() == [True, False, True, True]
    assert flagged.all()
    report = pair.client.violations(pair.answer(x))
    assert 1 in report.left
    assert report.condemned, "no other sign than that of the stray"


@pytest.mark.thorough
def test_a_sample_alone_in_its_ciphertext_condemns_no_other():
    pair = Careless(MODELS["one output"], samples=1)
    x = np.random.default_rng(3).uniform(-1, 1, (5, FEATURES))
    x[1] = 1e5
    left, wrong, flagged = pair.judge(x)
    assert left.tolist() == flagged.tolist() == [False, True, False, False, False]
    assert not wrong.any()


def test_what_wraps_is_below_the_least_or_beyond_the_limit_in_most_slots(pair, spoilt):
    """The garbage is real, and most of it cannot be taken for a good number; that is what condemns."""
    _, answer = spoilt
    (witness,) = pair.plan.witnesses
    (message,) = Answer.from_bytes(answer).witnesses
    numbers = decrypt(pair.client._context, CipherArray.from_bytes(pair.client._context, message))
    assert np.abs(numbers[4:]).max() > 1e3 * witness.threshold
    assert witness.condemns(numbers).any()
    assert not witness.condemns(numbers)[:4].any()


@pytest.fixture(scope="module")
def shared(evaluator):
    """A client whose results are shared, and an answer in which the second of two ciphertexts is spoilt."""
    pair = Careless(MODELS["one"], samples=2, queries=10, witness=2)
    x = np.zeros((4, FEATURES))
    x[2] = 1e5
    return pair, pair.answer(x)


@pytest.mark.thorough
def test_flagged_samples_are_not_shared_with_a_warning(shared):
    pair, answer = shared
    spent = pair.client._budget.spent
    with pytest.raises(SharingRefused, match="on_violation='mask'"):
        pair.client.decrypt(answer, share=True, on_violation="warn")
    with pytest.raises(RangeViolation):
        pair.client.decrypt(answer, share=True)
    assert pair.client._budget.spent == spent


@pytest.mark.thorough
@pytest.mark.parametrize("read", ["decrypt", "decrypt_scores"])
def test_what_is_masked_in_shared_results_holds_nothing(shared, read):
    pair, answer = shared
    masked = getattr(pair.client, read)(answer, share=True, on_violation="mask")
    assert np.ma.getmaskarray(masked).ravel().tolist() == [False, False, True, True]
    assert np.isnan(np.ma.getdata(masked)[2:]).all()
    assert np.abs(np.ma.getdata(masked)[:2] - 0.5).max() <= pair.plan.accuracy


@pytest.fixture(scope="module")
def unwatched(evaluator):
    """A client whose results are shared, without witnesses."""
    model = silent(linear(np.random.default_rng(3), 1, FEATURES, 0.9), fhenn.Sigmoid(domain=(-1, 1)))
    return Careless(model, witness=False, samples=1, queries=10)


@pytest.mark.parametrize("far", [40.0, 4e3])
@pytest.mark.thorough
def test_samples_that_only_their_outputs_betray_are_masked_and_the_others_shared(unwatched, far):
    pair, x = unwatched, np.zeros((3, FEATURES))
    x[1] = far * np.sign(pair.model.nodes[0].weight[0])
    masked = pair.client.decrypt(pair.answer(x), share=True, on_violation="mask")
    assert np.ma.getmaskarray(masked).ravel().tolist() == [False, True, False]
    assert np.abs(np.ma.getdata(masked)[[0, 2]] - 0.5).max() <= pair.plan.accuracy


def test_results_that_stay_with_the_key_are_given_with_a_warning(shared):
    pair, answer = shared
    with pytest.warns(RangeWarning):
        scores = pair.client.decrypt(answer, on_violation="warn")
    assert np.isfinite(scores).all()


def test_ranges_from_data_watch_exact_activations_too():
    rng = np.random.default_rng(5)
    model = silent(linear(rng, 6, FEATURES, 4.0), fhenn.Square(), linear(rng, 2, 6, 1.0))
    seen = rng.uniform(-0.1, 0.1, (200, FEATURES))
    plan = fhenn.plan(model, inputs=seen, bounds=[-1, 1], ranges="data", accuracy=1e-2, samples=4)
    (witness,) = plan.witnesses
    assert witness.domain == plan.ranges.intervals[0]
    client = fhenn.Client(plan)
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = np.concatenate([0.9 * seen[:3], np.sign(model.nodes[0].weight[:1])])
    answer = server.predict(client.encrypt(x))
    report = client.violations(answer)
    assert 3 in report.left
    good = [place for place in range(4) if place not in report.samples]
    scores = np.ma.getdata(client.decrypt_scores(answer, on_violation="mask"))
    assert np.abs(scores - model.infer(x))[good].max(initial=0.0) <= plan.error
    assert client.violations(server.predict(client.encrypt(x[:3]))) is None


def test_exact_activations_are_never_blamed():
    """Values far outside a nominal domain give right answers: no alarm, no warning, and a certificate that holds."""
    model = fhenn.Sequential([fhenn.Linear([[30.0, -20.0]]), fhenn.Square(on_violation="raise")])
    plan = fhenn.plan(model, bounds=[-1, 1], accuracy=1e-1, witness=True)
    client = fhenn.Client(plan, certificate=fhenn.certify(model, [-1, 1], plan))
    server = fhenn.Server(model, plan, client.evaluation_keys())
    x = [[1.0, -1.0], [0.1, 0.2]]
    assert np.abs(client.decrypt(server.predict(client.encrypt(x))) - model.forward(x)).max() <= plan.error
    certificate = fhenn.certify(model, [-1, 1])
    assert certificate.valid
    assert "leaves" not in str(certificate)
    assert fhenn.calibrate(model, x).is_inside
    assert fhenn.safety_report(model, [-1, 1], x, plan).guard is None
