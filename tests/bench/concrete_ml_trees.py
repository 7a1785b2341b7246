"""Concrete ML's XGBoost on the data of `trees.py`: CPU seconds of a sample, its key, and what it gets right.

Concrete ML wants versions of its own of scikit-learn and XGBoost, and so an environment of its own:

    pip install concrete-ml==1.9.0
    python tests/bench/concrete_ml_trees.py

`trees.py` runs it where CONCRETE_PYTHON names that environment's Python. What comes out is a line of JSON.

It computes on features of `n_bits` bits, so that its trees are not those that XGBoost trains on the features as they
are. CPU seconds are those of all threads together.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from statistics import median
from time import perf_counter, process_time

import numpy as np
from concrete.ml.sklearn import XGBClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def main() -> None:
    """Measure a few samples under encryption, and all in the clear."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, default=6, help="of each feature; 6 is Concrete ML's own default")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--samples", type=int, default=3, help="that are decided under encryption")
    options = parser.parse_args()
    x, test, y, truth = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
    model = XGBClassifier(n_bits=options.bits, n_estimators=options.trees, max_depth=options.depth, n_jobs=1)
    model.fit(x, y)
    circuit = model.compile(x)
    start = process_time()
    circuit.client.keygen()
    keys = process_time() - start
    seconds, clock, differing = [], [], 0
    for row in test[: options.samples]:
        start, now = process_time(), perf_counter()
        decided = model.predict(row[None], fhe="execute")
        seconds.append(process_time() - start)
        clock.append(perf_counter() - now)
        differing += int(decided[0] != model.predict(row[None])[0])
    key_bytes = len(circuit.client.evaluation_keys.serialize())
    said = {
        "version": version("concrete-ml"),
        "name": f"Concrete ML, {options.bits} bits, XGBoost, {options.trees} × depth {options.depth}, breast cancer",
        "seconds": median(seconds),
        "clock": median(clock),
        "keygen": keys,
        "keys": key_bytes,
        "alike": f"{len(seconds) - differing} of {len(seconds)}",
        "right": 100 * float(np.mean(model.predict(test) == truth)),
    }
    print("\n" + json.dumps(said))


if __name__ == "__main__":
    main()
