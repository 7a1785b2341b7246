"""Ensembles of trees on encrypted tables: CPU seconds alone and of many samples at once, keys, uploads, error.

    OMP_NUM_THREADS=1 python tests/bench/trees.py            # some minutes
    python tests/bench/trees.py --only forest --alone 5

Trained on three quarters of scikit-learn's breast cancer or digits, XGBoost as its defaults are but for what is named.
Every test sample is decided under encryption, in uploads of many, and some of them each alone; the decisions are held
to those of the trees' own library, and scores to the twin's. Times are those of the server, in seconds of one thread.
`pip install '.[bench]' xgboost-cpu lightgbm` brings what it needs; a library that is missing is left out.

Concrete ML's XGBoost on the same data takes part where CONCRETE_PYTHON names a Python that has it: it wants an
environment of its own (`concrete_ml_trees.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import Column, printed
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split

import fhenn
from fhenn.backends import use_threads

Floats = NDArray[np.float64]

ACCURACY = 1e-5
"""The bound on the error of a score, relative to the range of the scores; what is measured is far below it."""

COLUMNS = (
    Column("N"),
    Column("server, a sample", "ms"),
    Column("samples", "/s"),
    Column("client, a sample", "ms"),
    Column("keys", "MB"),
    Column("upload, a sample", "kB"),
    Column("decided alike"),
    Column("error / range", "error"),
    Column("right", "%"),
)

AT_ONCE = 4096
"""Samples of an upload for throughput: the slots of the smallest ring."""


def split(load: Callable[..., Any]) -> list[Any]:
    """Training and test samples, and their labels, of one of scikit-learn's data sets."""
    found: list[Any] = train_test_split(*load(return_X_y=True), random_state=0)
    return found


def xgboost() -> Any:
    """100 trees of depth 4, not fitted."""
    from xgboost import XGBClassifier  # noqa: PLC0415

    return XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1)


def lightgbm() -> Any:
    """100 trees of depth 4, not fitted."""
    from lightgbm import LGBMClassifier  # noqa: PLC0415

    return LGBMClassifier(n_estimators=100, max_depth=4, n_jobs=1, verbose=-1)


@dataclass(frozen=True)
class Case:
    """An ensemble and its data.

    name: in the table.
    make: an estimator that is not fitted.
    load: the data.
    at_once: whether many samples are decided at once, too.
    options: of the plan.
    """

    name: str
    make: Callable[[], Any]
    load: Callable[..., Any]
    at_once: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "xgboost": Case("XGBoost, 100 × depth 4, breast cancer", xgboost, load_breast_cancer),
    "lightgbm": Case("LightGBM, 100 × depth 4, breast cancer", lightgbm, load_breast_cancer),
    "boosting": Case(
        "GradientBoosting, 100 × depth 3, breast cancer",
        lambda: GradientBoostingClassifier(random_state=0),
        load_breast_cancer,
    ),
    "forest": Case(
        "RandomForest, 100 × depth 8, digits",
        lambda: RandomForestClassifier(max_depth=8, random_state=0),
        load_digits,
        at_once=False,
        # what comes of other bits than thermometers have is no range to plan for
        options={"ranges": "data", "range_margin": 1.25, "witness": False},
    ),
}


@dataclass(frozen=True)
class Measured:
    """Of one ensemble in one layout.

    seconds: of the server, a sample.
    client: of the client, a sample.
    keys, upload: in bytes; the upload that of one sample, or a sample's part of it.
    differing: decisions that are not those of the trees' library, of so many samples.
    samples: that were decided.
    error: the largest |decrypted - twin|, relative to the range of the scores.
    ring: N.
    """

    seconds: float
    client: float
    keys: int
    upload: float
    differing: int
    samples: int
    error: float
    ring: int


def measured(
    estimator: Any, model: fhenn.ImportedModel, inputs: Floats, x: Floats, rows: int, calls: int, **options: Any
) -> Measured:
    """Decide samples under encryption.

    inputs: by which a plan takes the ranges of deep trees, whose worst case no ring holds.
    x: the samples.
    rows: of an upload.
    calls: uploads that are made; samples are repeated where there are too few.
    options: of the plan.
    """
    layout = "latency" if rows == 1 else "throughput"
    twin = model.scores(x)
    accuracy = ACCURACY * float(np.ptp(twin, axis=0).min())
    private = fhenn.encrypted_model(model, inputs, accuracy=accuracy, rows=rows, layout=layout, **options)
    server, client, found, uploads = [], [], [], []
    repeated = np.resize(np.arange(len(x)), rows * calls)
    for places in np.split(repeated, calls):
        start = process_time()
        upload = private.client.encrypt(x[places])
        ready = process_time()
        answer = private.server.predict(upload)
        done = process_time()
        found.append(private.client.decrypt_scores(answer))
        client.append(ready - start + process_time() - done)
        server.append(done - ready)
        uploads.append(len(upload))
    scores = np.concatenate(found)
    decided = model.reading.predict(scores)
    return Measured(
        median(server) / rows,
        median(client) / rows,
        private.plan.bytes_of_keys,
        median(uploads) / rows,
        int(np.count_nonzero(decided != estimator.predict(x)[repeated])),
        len(np.unique(repeated)),
        float(np.max(np.abs(scores - twin[repeated]) / np.ptp(twin, axis=0))),
        private.plan.parameters.ring_degree,
    )


def rows_of(case: Case, alone: int) -> Iterator[tuple[Any, ...]]:
    """Rows of the table for one ensemble."""
    x, test, y, truth = split(case.load)
    estimator = case.make().fit(x, y)
    model = fhenn.from_sklearn(estimator)
    first, last = model.nodes[0], model.nodes[-1]
    print(f"{case.name}: {first.operator.inputs} bits, {last.operator.inputs} leaves", file=sys.stderr)
    for rows, calls in ((1, alone), (AT_ONCE, 2))[: 1 + case.at_once]:
        got = measured(estimator, model, x, test, rows, calls, **case.options)
        right = 100 * float(np.mean(estimator.predict(test) == truth))
        yield (
            case.name if rows == 1 else f"{case.name}, 4,096 at once",
            got.ring,
            1e3 * got.seconds,
            1 / got.seconds,
            1e3 * got.client,
            got.keys / 1e6,
            got.upload / 1e3,
            f"{got.samples - got.differing} of {got.samples}",
            got.error,
            right,
        )


def concrete_ml() -> dict[str, Any] | None:
    """What `concrete_ml_trees.py` says, None where no Python is named."""
    python = os.environ.get("CONCRETE_PYTHON")
    if not python:
        return None
    script = str(Path(__file__).with_name("concrete_ml_trees.py"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, script], stdout=subprocess.PIPE, text=True, env=environment, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES), help="these alone")
    parser.add_argument("--alone", type=int, default=20, help="samples that are decided one by one")
    options = parser.parse_args()
    use_threads(1)
    warnings.simplefilter("ignore", fhenn.errors.PlanWarning)  # of ranges from data
    packages = {"scikit-learn": "scikit-learn", "XGBoost": "xgboost", "LightGBM": "lightgbm"}
    with printed("trees", "trees", COLUMNS, packages) as table:
        for name in options.only:
            try:
                for row in rows_of(CASES[name], options.alone):
                    table.add(*row)
            except ImportError as error:
                print(f"left out: {error}", file=sys.stderr)
        if "xgboost" in options.only and (found := concrete_ml()):
            seconds = found["seconds"]
            sizes = found["keys"] / 1e6, None, found["alike"], None, found["right"]
            table.add(found["name"], None, 1e3 * seconds, 1 / seconds, None, *sizes, peer="Concrete ML")
            table.versions["Concrete ML"] = found["version"]


if __name__ == "__main__":
    main()
