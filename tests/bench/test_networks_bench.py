"""Encrypted networks beside TenSEAL's own operators: time of the server, error, keys, same run, one thread.

Run with `python -m pytest tests/bench -q -o addopts=`. TenSEAL is used in its best circuit at the same security:
`mm`/`dot`, a bias in all slots, `polyval`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import tenseal as ts
from conftest import TABLES
from numpy.typing import NDArray
from support import tenseal_context

import fhenn
from fhenn.approx import SIGMOID_CUBIC

CUBIC = list(SIGMOID_CUBIC.coefficients)


@dataclass(frozen=True)
class Row:
    """One contestant's result."""

    name: str
    seconds: float
    error: float
    keys: float
    upload: float


def interleaved(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taking turns within every round."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            start = perf_counter()
            run()
            seconds[name].append(perf_counter() - start)
    return {name: median(values[1:]) for name, values in seconds.items()}


def ours(
    name: str, model: fhenn.Sequential, x: NDArray[np.float64], **wish: Any
) -> tuple[str, Callable[[], Any], Callable[[float], Row]]:
    """A contestant: its name, what to time, and its row for a time."""
    plan = fhenn.plan(model, inputs=np.stack([x.min(axis=0) - 1e-9, x.max(axis=0) + 1e-9]), **wish)
    client = fhenn.Client(plan)
    keys = client.evaluation_keys()
    server = fhenn.Server(model, plan, keys)
    message = client.encrypt(x)
    upload = fhenn.CipherArray.from_bytes(server.context, message)
    scores = client.decrypt_scores(server.predict(message))
    error = float(np.abs(scores - model.infer(x)).max())
    label = f"fhenn, {name}, N={plan.parameters.ring_degree}"
    return label, lambda: server.evaluate(upload), lambda t: Row(label, t, error, len(keys) / 1e6, len(message) / 1e6)


def table(title: str, rows: list[Row]) -> None:
    lines = [f"| {title} | time | × TenSEAL | largest error | keys | upload |", "| --- | --: | --: | --: | --: | --: |"]
    for row in rows:
        ratio = row.seconds / rows[0].seconds
        lines.append(
            f"| {row.name} | {row.seconds * 1e3:,.1f} ms | {ratio:.4f} | {row.error:.1e} | {row.keys:.0f} MB "
            f"| {row.upload:.1f} MB |"
        )
    TABLES.append("\n".join(lines))


def keys_of(context: ts.Context) -> float:
    return len(context.serialize(save_secret_key=False)) / 1e6


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(1, 30)) / 6, np.array([0.3])
    linear, activation = fhenn.Linear(weight, bias), fhenn.Sigmoid(on_violation="ignore")
    return linear, fhenn.Sequential([linear, activation]), fhenn.Sequential([linear], finish="sigmoid")


def test_logistic_regression_one_sample(regression):
    linear, whole, left = regression
    x = np.random.default_rng(1).normal(size=(1, 30))
    context = tenseal_context(8192, [49, 40, 40, 40, 49], 40, galois=True)
    vector = ts.ckks_vector(context, x[0].tolist())
    weight, bias = linear.weight[0].tolist(), float(linear.bias[0])

    def theirs():
        return (vector.dot(weight) + bias).polyval(CUBIC)

    error = abs(theirs().decrypt()[0] - whole.infer(x)[0, 0])
    contestants = [
        ours("sigmoid encrypted", whole, x, accuracy=1e-3),
        ours("sigmoid encrypted, 8 ciphertexts", whole, x, accuracy=1e-3, upload=8),
        ours("finish on the client", left, x, accuracy=1e-3),
    ]
    times = interleaved({"TenSEAL": theirs, **{label: run for label, run, _ in contestants}}, 31)
    rows = [Row("TenSEAL, N=8192", times["TenSEAL"], error, keys_of(context), len(vector.serialize()) / 1e6)]
    table("logistic regression, 30 features, one sample", rows + [row(times[label]) for label, _, row in contestants])


def test_logistic_regression_4096_samples(regression):
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
    contestants = [ours("throughput", whole, x, accuracy=1e-5, layout="throughput")]
    times = interleaved({"TenSEAL": theirs, **{label: run for label, run, _ in contestants}}, 11)
    upload = sum(len(column.serialize()) for column in columns) / 1e6
    rows = [Row("TenSEAL, N=8192", times["TenSEAL"], error, keys_of(context), upload)]
    table("logistic regression, 4,096 samples at once", rows + [row(times[label]) for label, _, row in contestants])


def test_multilayer_perceptron():
    rng = np.random.default_rng(0)
    first = fhenn.Linear(rng.normal(size=(128, 784)) / 28, rng.normal(size=128) / 5)
    last = fhenn.Linear(rng.normal(size=(10, 128)) / 6, rng.normal(size=10))
    model = fhenn.Sequential([first, fhenn.Sigmoid(on_violation="ignore"), last])
    x = rng.uniform(0, 1, (1, 784))
    context = tenseal_context(8192, [39, 35, 35, 35, 35, 39], 35, galois=True)
    vector = ts.ckks_vector(context, x[0].tolist())

    def theirs():
        hidden = vector.mm(first.weight.T.tolist()) + first.bias.tolist()
        return hidden.polyval(CUBIC).mm(last.weight.T.tolist()) + last.bias.tolist()

    # a plain bias reaches the first slots only, which the second mm then reads wrongly: time the circuit as it stands
    start = perf_counter()
    theirs()
    slow = perf_counter() - start
    contestants = [
        ours("one ciphertext", model, x, accuracy=1e-3),
        ours("25 ciphertexts", model, x, accuracy=1e-3, upload=25),
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
    lines = [
        "| digits 64-32-10, 1,797 samples | time | samples/s | decisions kept | bound | largest error | accuracy |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for layout, samples in (("latency", 64), ("throughput", 1)):
        plan = fhenn.plan(model, inputs=x, accuracy=1e-2, layout=layout, samples=samples)
        client = fhenn.Client(plan)
        server = fhenn.Server(model, plan, client.evaluation_keys())
        upload = fhenn.CipherArray.from_bytes(server.context, client.encrypt(x))
        server.evaluate(upload)
        start = perf_counter()
        answer = server.evaluate(upload)
        seconds = perf_counter() - start
        scores, twin = client.decrypt_scores(answer.to_bytes()), model.infer(x)
        ranked = np.sort(twin, axis=1)
        sure = ranked[:, -1] - ranked[:, -2] > 2 * plan.error
        decided = scores.argmax(axis=1)
        kept = decided == twin.argmax(axis=1)
        assert kept[sure].all()
        lines.append(
            f"| fhenn, {layout}, N={plan.parameters.ring_degree} | {seconds * 1e3:,.0f} ms | {len(x) / seconds:,.0f} "
            f"| {kept.sum()} ({(~sure).sum()} not certain) | {plan.error:.1e} | {np.abs(scores - twin).max():.1e} "
            f"| {np.mean(decided == labels):.1%} |"
        )
    TABLES.append("\n".join(lines))
