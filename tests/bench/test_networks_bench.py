"""Encrypted networks beside TenSEAL's own operators and OpenFHE: time of the server, error, keys, same run, one thread.

Run with `python -m pytest tests/bench/test_networks_bench.py -q -o addopts=`; times are seconds of CPU. TenSEAL is used
in its best circuit at the same security: `mm`/`dot`, a bias in all slots, `polyval`. OpenFHE runs the circuits of
`openfhe_circuits`, where a Python has it: this one, or the one that OPENFHE_PYTHON names (on Linux and x86-64 OpenFHE
has wheels for Python 3.10 and 3.12).
Peak memory is that of a process with the server alone, its Python and libraries included.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import product
from math import isnan, nan
from typing import Any

import numpy as np
import openfhe_peer
import peak_memory
import pytest
import tenseal as ts
from conftest import keep_table
from numpy.typing import ArrayLike, NDArray
from record import Column, Table
from record import Row as Line
from support import tenseal_context
from timing import interleaved, seconds

import fhenn
from fhenn.approx import SIGMOID_CUBIC
from fhenn.backends import is_available

PEERS = ("TenSEAL", "OpenFHE")
CUBIC = list(SIGMOID_CUBIC.coefficients)


@dataclass(frozen=True)
class Row:
    """One contestant's result."""

    name: str
    seconds: float
    error: float
    keys: float
    upload: float
    peak: float = nan


Contestant = tuple[str, Callable[[], Any], Callable[[float], Row]]
"""Its name, what to time, and its row for a time."""


def ours(name: str, model: fhenn.Sequential, x: NDArray[np.float64], **wish: Any) -> list[Contestant]:
    """On the native evaluator and on SEAL, each with its plan; timed are the evaluation, and all of `predict`."""
    return [
        contestant
        for evaluator in ("native", "seal")
        if is_available(evaluator)
        for contestant in _ours(f"{name}, {evaluator}", model, x, evaluator=evaluator, **wish)
    ]


def _ours(name: str, model: fhenn.Sequential, x: NDArray[np.float64], **wish: Any) -> list[Contestant]:
    plan = fhenn.plan(model, bounds=np.stack([x.min(axis=0) - 1e-9, x.max(axis=0) + 1e-9]), **wish)
    client = fhenn.Client(plan)
    keys = client.evaluation_keys()
    server = fhenn.Server(model, plan, keys)
    message = client.encrypt(x)
    upload = fhenn.CipherArray.from_bytes(server.context, message)
    scores = client.decrypt_scores(server.predict(message))
    error = float(np.abs(scores - model.infer(x)).max())
    peak = peak_memory.of_server(model, plan, keys, message)
    label = f"fhenn, {name}, N={plan.parameters.ring_degree}"
    row = Row(label, nan, error, len(keys) / 1e6, len(message) / 1e6, peak)
    whole = f"{label}, from bytes to bytes"
    return [
        (label, lambda: server.evaluate(upload), lambda took: replace(row, seconds=took)),
        (whole, lambda: server.predict(message), lambda took: replace(row, name=whole, seconds=took)),
    ]


@pytest.fixture
def openfhe():
    """What makes OpenFHE's contestants: none where it is not installed."""
    with ExitStack() as stack:

        def contestants(name: str, expected: NDArray[np.float64], *circuit: Any, x: ArrayLike) -> list[Contestant]:
            found = openfhe_peer.installed()
            if found is None:
                return []
            peer = stack.enter_context(closing(openfhe_peer.Contestant(*circuit, x=x)))
            peer.run()
            error = float(np.abs(peer.scores() - expected.reshape(-1)).max())
            label = f"OpenFHE {found[1]}, {name}, N=8192"
            row = Row(label, nan, error, peer.key_bytes / 1e6, peer.upload_bytes / 1e6, peer.peak())
            return [(label, peer.run, lambda took: replace(row, seconds=took))]

        yield contestants


def table(title: str, rows: list[Row]) -> None:
    """Ratios are to the first row of TenSEAL and of OpenFHE."""
    bases = {}
    for library in PEERS:
        times = [row.seconds for row in rows if row.name.startswith(library)]
        if times:
            bases[library] = times[0]
    ratios = (Column(f"of {library}", "×") for library in PEERS)
    sizes = Column("keys", "MB"), Column("upload", "MB"), Column("peak memory", "GB")
    columns = (Column("CPU time", "ms"), *ratios, Column("largest error", "error"), *sizes)
    lines = []
    for row in rows:
        of_peers = [row.seconds / bases[library] if library in bases else nan for library in PEERS]
        error = "(bias misplaced)" if isnan(row.error) else row.error
        peer = next((library for library in PEERS if row.name.startswith(library)), "")
        lines.append(Line((row.name, 1e3 * row.seconds, *of_peers, error, row.keys, row.upload, row.peak), peer))
    keep_table("networks", Table(title, columns, tuple(lines)), {"OpenFHE": openfhe_peer.version_here()})


def keys_of(context: ts.Context) -> float:
    return len(context.serialize(save_secret_key=False)) / 1e6


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(1, 30)) / 6, np.array([0.3])
    linear, activation = fhenn.Linear(weight, bias), fhenn.Sigmoid(on_violation="ignore")
    return linear, fhenn.Sequential([linear, activation]), fhenn.Sequential([linear], finish="sigmoid")


def test_logistic_regression_one_sample(regression, openfhe):
    linear, whole, left = regression
    x = np.random.default_rng(1).normal(size=(1, 30))
    context = tenseal_context(8192, [49, 40, 40, 40, 49], 40, galois=True)
    vector = ts.ckks_vector(context, x[0].tolist())
    weight, bias = linear.weight[0].tolist(), float(linear.bias[0])

    def theirs():
        return (vector.dot(weight) + bias).polyval(CUBIC)

    error = abs(theirs().decrypt()[0] - whole.infer(x)[0, 0])
    contestants = [
        *ours("sigmoid encrypted", whole, x, accuracy=1e-3, upload=1),
        *ours("sigmoid encrypted, 8 ciphertexts", whole, x, accuracy=1e-3, upload=8),
        *ours("finish on the client", left, x, accuracy=1e-3, upload=1),
        *openfhe("sigmoid encrypted", whole.infer(x), "LogisticRegression", linear.weight, bias, True, x=x),
    ]
    times = interleaved({"TenSEAL": theirs, **{label: run for label, run, _ in contestants}}, 31)
    rows = [Row("TenSEAL, N=8192", times["TenSEAL"], error, keys_of(context), len(vector.serialize()) / 1e6)]
    table("logistic regression, 30 features, one sample", rows + [row(times[label]) for label, _, row in contestants])


def test_logistic_regression_4096_samples(regression, openfhe):
    linear, whole, _ = regression
    x = np.random.default_rng(1).normal(size=(4096, 30))
    context = tenseal_context(8192, [49, 40, 40, 40, 49], 40)
    columns = [ts.ckks_vector(context, column.tolist()) for column in x.T]
    weight, bias = linear.weight[0].tolist(), float(linear.bias[0])

    def theirs():
        total = columns[0] * weight[0]
        for column, w in zip(columns[1:], weight[1:], strict=True):
            total += column * w
        return (total + bias).polyval(CUBIC)

    error = float(np.abs(np.array(theirs().decrypt()) - whole.infer(x)[:, 0]).max())
    contestants = [
        *ours("throughput", whole, x, accuracy=1e-5, layout="throughput"),
        *openfhe("throughput", whole.infer(x), "LogisticRegression", linear.weight, bias, False, x=x),
    ]
    times = interleaved({"TenSEAL": theirs, **{label: run for label, run, _ in contestants}}, 11)
    upload = sum(len(column.serialize()) for column in columns) / 1e6
    rows = [Row("TenSEAL, N=8192", times["TenSEAL"], error, keys_of(context), upload)]
    table("logistic regression, 4,096 samples at once", rows + [row(times[label]) for label, _, row in contestants])


def test_multilayer_perceptron(openfhe):
    rng = np.random.default_rng(0)
    first = fhenn.Linear(rng.normal(size=(128, 784)) / 28, rng.normal(size=128) / 5)
    last = fhenn.Linear(rng.normal(size=(10, 128)) / 6, rng.normal(size=10))
    model = fhenn.Sequential([first, fhenn.Sigmoid(on_violation="ignore"), last])
    x = rng.uniform(0, 1, (1, 784))
    weights = first.weight, first.bias, last.weight, last.bias
    context = tenseal_context(8192, [39, 35, 35, 35, 35, 39], 35, galois=True)
    vector = ts.ckks_vector(context, x[0].tolist())

    def theirs():
        hidden = vector.mm(first.weight.T.tolist()) + first.bias.tolist()
        return hidden.polyval(CUBIC).mm(last.weight.T.tolist()) + last.bias.tolist()

    # a plain bias reaches the first slots only, which the second mm then reads wrongly: time the circuit as it stands
    slow, _ = seconds(theirs)
    contestants = [
        *ours("one ciphertext", model, x, accuracy=1e-3, upload=1),
        *ours("25 ciphertexts", model, x, accuracy=1e-3, upload=25),
        *openfhe("one ciphertext", model.infer(x), "Perceptron", *weights, 1, x=x),
        *openfhe("25 ciphertexts", model.infer(x), "Perceptron", *weights, 25, x=x),
    ]
    times = interleaved({label: run for label, run, _ in contestants}, 11)
    rows = [Row("TenSEAL, N=8192", slow, float("nan"), keys_of(context), len(vector.serialize()) / 1e6)]
    table("perceptron 784-128-10, one sample", rows + [row(times[label]) for label, _, row in contestants])


def test_digits():
    """A perceptron 64-32-10 on all of scikit-learn's digits: every decision that the bound vouches for is kept."""
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    x, rng = images / 16, np.random.default_rng(0)
    first = fhenn.Linear(rng.normal(size=(32, 64)) / 8, None, fhenn.Adam(0.01))
    last = fhenn.Linear(rng.normal(size=(10, 32)) / 6, None, fhenn.Adam(0.01))
    activation = fhenn.Sigmoid(on_violation="ignore")
    wanted = np.eye(10)[labels]
    for _ in range(60):
        for batch in np.array_split(rng.permutation(len(x)), 28):
            pre = first.forward(x[batch])
            scores = last.forward(activation.forward(pre))
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            at_scores = (powers / powers.sum(axis=1, keepdims=True) - wanted[batch]) / len(batch)
            pull = 0.2 * (pre - np.clip(pre, -2.5, 2.5)) / len(batch)
            first.backward(activation.backward(last.backward(at_scores)) + pull)
            last.updates()
            first.updates()
    model = fhenn.Sequential([first, fhenn.Sigmoid(), last], finish="argmax")
    rows = []
    ways = (("latency", 64), ("throughput", 1))
    for (layout, samples), evaluator in product(ways, filter(is_available, ("native", "seal"))):
        plan = fhenn.plan(model, bounds=[0, 1], accuracy=1e-2, layout=layout, samples=samples, evaluator=evaluator)
        client = fhenn.Client(plan)
        server = fhenn.Server(model, plan, client.evaluation_keys())
        message = client.encrypt(x)
        upload = fhenn.CipherArray.from_bytes(server.context, message)
        server.evaluate(upload)
        took, _ = seconds(lambda: server.evaluate(upload))  # noqa: B023
        scores, twin = client.decrypt_scores(server.predict(message)), model.infer(x)
        ranked = np.sort(twin, axis=1)
        sure = ranked[:, -1] - ranked[:, -2] > 2 * plan.error
        decided = scores.argmax(axis=1)
        kept = decided == twin.argmax(axis=1)
        assert kept[sure].all()
        name = f"fhenn, {layout}, {evaluator}, N={plan.parameters.ring_degree}"
        kept_of = f"{kept.sum()} ({(~sure).sum()} not certain)"
        error, right = float(np.abs(scores - twin).max()), 100 * float(np.mean(decided == labels))
        rows.append(Line((name, 1e3 * took, len(x) / took, kept_of, plan.error, error, right)))
    columns = (
        Column("CPU time", "ms"),
        Column("samples", "/s"),
        Column("decisions kept"),
        Column("bound", "error"),
        Column("largest error", "error"),
        Column("accuracy", "%"),
    )
    keep_table("networks", Table("digits 64-32-10, 1,797 samples", columns, tuple(rows)))
