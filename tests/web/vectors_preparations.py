"""Preparations: of each step, of scikit-learn's transformers, of trees."""

from __future__ import annotations

import importlib.util
import random
import warnings
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from prepared import TABLE, every
from sklearn import compose, ensemble, impute, kernel_approximation, pipeline, preprocessing, tree
from sklearn.feature_extraction import text as words_of
from vectors_common import ODD_NUMBERS, given, suite
from vectors_prepared import csv_of, files_of, frame_rows, of_transformer, prepared_case

import fhenn
from fhenn.interop import Preparation
from fhenn.interop.preparation import (
    Column,
    Field,
    Function,
    IsMissing,
    Lookup,
    OneHot,
    Polynomial,
    Quantiles,
    Scale,
    Spline,
    Thermometer,
)
from fhenn.interop.preparation.scaling import FUNCTIONS


def transformers() -> Iterator[dict[str, Any] | None]:
    """Those of the tests of preparations."""
    tests = suite("interop/preparation/test_sklearn.py")
    fitted, numbers, words, patients = tests.fitted, tests.numbers, tests.words, tests.patients
    for case in (*tests.SCALERS, *tests.IMPUTERS, *tests.INDICATORS):
        yield of_transformer(str(case.id), fitted(case.values[0](), numbers(0, gaps=True)), numbers(1, gaps=True))
    for case in (*tests.NUMERIC, *tests.SPLINES):
        yield of_transformer(str(case.id), fitted(case.values[0](), numbers(0)), 3 * numbers(1))
    for case in (*tests.ONE_HOT, *tests.ORDINAL):
        for gaps in (False, True):
            try:
                transformer = fitted(case.values[0](), words(0, gaps))
            except ValueError:
                continue
            yield of_transformer(str(case.id), transformer, words(1, gaps))
            yield of_transformer(f"{case.id}, new", transformer, words(1, gaps).replace("a", "new"))
    for kind in ("rbf", "linear", "poly", "sigmoid"):
        components = 2 if kind == "linear" else 5
        kernel = kernel_approximation.Nystroem(kind, n_components=components, random_state=0, gamma=None)
        fitted(kernel, numbers(0) / 9)
        yield of_transformer(f"Nystroem {kind}", kernel, numbers(1) / 9, allow_rows=True, odd=False)
    sampler = kernel_approximation.RBFSampler(gamma=0.1, n_components=9, random_state=0)
    yield of_transformer("RBFSampler", fitted(sampler, numbers(0)), numbers(1), odd=False)
    sketch = kernel_approximation.PolynomialCountSketch(degree=2, n_components=11, random_state=0)
    yield of_transformer("sketch of 11", fitted(sketch, numbers(0)), numbers(1))
    box_cox = preprocessing.PowerTransformer("box-cox")
    yield of_transformer("box-cox", fitted(box_cox, np.abs(numbers(0)) + 0.1), numbers(1))
    for kind in ("binary", "continuous"):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 60) if kind == "binary" else rng.normal(size=60)
        encoder = fitted(preprocessing.TargetEncoder(target_type=kind), words(0, gaps=True, rows=60), y)
        yield of_transformer(f"TargetEncoder {kind}", encoder, words(1, gaps=True).replace("a", "new"))
    texts = [*reversed(tests.TEXTS), "a new text of dogs and CATS", "ǅ İstanbul ΣΑΣ 1²3 _x नमस्ते"]
    for case in given(tests.test_words):
        yield of_transformer(str(case.id), fitted(case.values[0](), [*tests.TEXTS, texts[-1]]), texts)
    for options in given(tests.test_columns_by_name):
        yield of_transformer(f"columns {options}", fitted(tests.columns(**options), patients(0)), patients(1))
    union = pipeline.FeatureUnion([("a", preprocessing.StandardScaler()), ("b", impute.SimpleImputer())])
    yield of_transformer("a union", fitted(union, numbers(0)), numbers(1))
    mixed = pd.DataFrame({"n": [3, 1, 2, 1], "f": [0.5, np.nan, 0.5, 2.5], "b": [True, False, True, True]})
    encoder = fitted(preprocessing.OneHotEncoder(handle_unknown="ignore"), mixed)
    yield of_transformer("numbers as categories", encoder, mixed)
    both = compose.make_column_transformer(
        (words_of.CountVectorizer(), "note"), (preprocessing.OrdinalEncoder(), ["n"]), remainder="passthrough"
    )
    notes = mixed.assign(note=["a dog", "the cat", "cat cat", "dog"]).drop(columns="f")
    yield of_transformer("words beside codes", fitted(both, notes), notes)


def trees() -> Iterator[dict[str, Any] | None]:
    """Ensembles of trees, whose preparation ends in bits."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).round(2)
    y = (x[:, 0] + x[:, 1] ** 2 > 0.5).astype(int) + (x[:, 2] > 1)
    kinds: tuple[Any, ...] = (
        tree.DecisionTreeClassifier(max_depth=4, random_state=0),
        ensemble.RandomForestClassifier(5, max_depth=3, random_state=0),
        ensemble.ExtraTreesRegressor(4, max_depth=3, random_state=0),
        ensemble.GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=0),
        ensemble.HistGradientBoostingRegressor(max_iter=4, max_depth=3, random_state=0),
    )
    for model in kinds:
        yield of_model(type(model).__name__, model.fit(x, y), x)
    blank = np.where(rng.random(x.shape) < 0.1, np.nan, x)
    yield of_model("blanks", ensemble.HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(blank, y), blank)
    tests = suite("interop/preparation/test_sklearn.py")
    table = tests.patients(0)[["age", "dose", "count", "site"]].dropna()
    steps = compose.make_column_transformer(
        (preprocessing.OneHotEncoder(handle_unknown="ignore"), ["site"]), remainder="passthrough"
    )
    model = pipeline.make_pipeline(steps, ensemble.RandomForestClassifier(4, max_depth=3, random_state=0))
    yield of_model("a pipeline", model.fit(table, table["count"] > 4), tests.patients(1)[[*table.columns]])
    sets = Thermometer(((), (0.1, 2.5)), missing=(True, False), sets=((("a", "NA"), ("",)), ((1.0, 3.0),)), single=True)
    preparation = Preparation((Column("t", "text"), Column("n")), (sets,), sets.names(["t", "n"]))
    rows = [[cell, number] for cell in ("a", "NA", "", "b", None) for number in (0.1, np.nextafter(0.1, 1), 3.0)]
    yield prepared_case("sets", preparation, files_of(preparation, rows, ["t", "n"]))
    yield from boosted(x, y)


def boosted(x: NDArray[np.float64], y: NDArray[np.int64]) -> Iterator[dict[str, Any] | None]:
    """Those of XGBoost and LightGBM, where these are."""
    if importlib.util.find_spec("xgboost"):
        model = (
            importlib.import_module("xgboost").XGBClassifier(n_estimators=3, max_depth=3).fit(x.astype(np.float32), y)
        )
        yield of_model("XGBoost", model, x)
    if importlib.util.find_spec("lightgbm"):
        kind = importlib.import_module("lightgbm").LGBMClassifier
        model = kind(n_estimators=3, max_depth=3, verbose=-1).fit(x, y)
        yield of_model("LightGBM", model, x)


def of_model(name: str, model: Any, table: Any) -> dict[str, Any] | None:
    """The case of the preparation of a model; None where it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        preparation = fhenn.from_sklearn(model).preparation
    if preparation is None:
        return None
    rows, names = frame_rows(table)
    if names is None and preparation.names is not None:
        names = list(preparation.names)
    return prepared_case(name, preparation, files_of(preparation, rows[:40], names if preparation.names else None))


def by_hand() -> Iterator[dict[str, Any]]:
    """Steps that no transformer of the tests makes: equal knots and quantiles, alike categories, marks for gaps."""
    points = [[value] for value in (*np.linspace(-2, 7, 37).tolist(), 1 - 1e-7, 1 + 1e-7, 1 - 2e-7, 4 + 1e-7, 4 - 1e-8)]
    knots = ([0.0, 1.0, 1.0, 1.0, 2.0, 4.0, 4.0, 4.0, 5.0, 6.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0])
    ways: tuple[Any, ...] = ("error", "constant", "linear", "continue", "periodic")
    for each, degree, way in product(knots, range(5), ways):
        if way == "periodic" and len(each) < 3 * degree + 2:
            continue
        step = Spline((tuple(each),), degree, way, bias=degree != 2)
        count = len(step.after((Field(),)))
        preparation = Preparation.of_numbers(["x"]).then(step, features=[f"s{place}" for place in range(count)])
        yield prepared_case(
            f"spline {each[:2]} {degree} {way}", preparation, [(csv_of(["x"], points), {"header": True})]
        )
    outputs: tuple[Any, ...] = ("uniform", "normal")
    for quantiles, output in product(((1.0, 1.0, 2.5, 2.5, 4.0), (3.0,) * 5, (-0.0, 0.0, 1.0, 4.0, 4.0)), outputs):
        preparation = Preparation.of_numbers(["x"]).then(Quantiles((quantiles,), (0.0, 0.25, 0.5, 0.75, 1.0), output))
        yield prepared_case(f"{output} {quantiles}", preparation, [(csv_of(["x"], points), {"header": True})])
    alike = OneHot((("a", "a ", "\u2003a", "A", "NA", ""),), ((0, 1, 2, 3, 4, 5),), (6,), (None,))
    names = [f"c{place}" for place in range(6)]
    preparation = Preparation((Column("t", "text"),), (alike,), names)
    rows = [["a"], ["a "], ["\u2003a"], ["A"], ["NA"], ["None"], ["?"], ["b"], [" A"]]
    yield prepared_case("alike categories", preparation, [(csv_of(["t"], rows), {"header": True})])
    for mark in (None, -1.0):
        preparation = Preparation.of_numbers(["a", "b"]).then(IsMissing((0,), mark, new=False), features=["gone"])
        numbers = [[value, other] for value in (None, -1.0, 2.0) for other in (None, -1.0, 3.0)]
        yield prepared_case(f"gaps {mark}", preparation, [(csv_of(["a", "b"], numbers), {"header": True})])
    yield prepared_case("every step, of many rows", every(), [(csv_of(list(TABLE), many_rows()), {"header": True})])


def many_rows() -> Iterator[list[Any]]:
    """Rows of odd cells for a preparation with one of each step."""
    rng = random.Random(1)
    numbers = [*ODD_NUMBERS, 18.0, 65.0, 30.0, 17.999999, 200.0, None, "NA", "x", "1,5", "TRUE", "2024-01-01"]
    for _ in range(400):
        age = rng.choice(numbers) if rng.random() < 0.4 else round(rng.uniform(-5, 120), 2)
        note = " ".join(rng.choice(("a", "cat", "the", "CAT", "dog;", "cat_", "ä")) for _ in range(rng.randrange(6)))
        yield [age, rng.choice(("f", "m", "x", "", "F")), note, rng.choice(("x", 1.0, "1", "01", "", "y", "NA"))]


def preparations() -> Iterator[dict[str, Any]]:
    """All of them: of each step, of scikit-learn's transformers, of trees."""
    rows = list(zip(*TABLE.values(), strict=True))
    yield prepared_case("every step", every(), files_of(every(), rows, list(TABLE)))
    points = [[value] for value in (*ODD_NUMBERS, 0.3, 0.5, 1.5, -0.5, -0.3, 0.99, 1.0, -1.0, 20.0, 700.0, -700.0)]
    for name in FUNCTIONS:
        preparation = Preparation.of_numbers(["x"]).then(Function(name))
        yield prepared_case(f"function {name}", preparation, [(csv_of(["x"], points), {"header": True})])
    codes = Preparation(
        (Column("a", "text"),), (Lookup((("é", "NA", "", " b "),), ((1.0, 2.0, 3.0, None),), (0.0,)),), ("a",)
    )
    yield prepared_case(
        "codes", codes, [(csv_of(["a"], [["é"], ["e\u0301"], ["NA"], [""], ["b"], ["z"]]), {"header": True})]
    )
    numbers = Preparation.of_numbers(["a", "b"]).then(Polynomial(((0, 1), (1, 1, 1))), features=["ab", "bbb"])
    yield prepared_case("products", numbers, files_of(numbers, [[1.0, 2.0], [1e200, 1e200]], ["a", "b"]))
    places = Preparation.of_numbers(3).then(Scale((1.0,) * 3, (3.0,) * 3, (0.1,) * 3, (0.7,) * 3))
    files = [
        ("1,2,3\n4,5,6\n7,9,8\n", {"header": False}),
        ("1,2\n", {"header": False}),
        ("q,r,s\n1,2,3\n", {"header": True}),
    ]
    yield prepared_case("by place", places, files)
    yield from by_hand()
    for case in (*transformers(), *trees()):
        if case is not None:
            yield case
