"""The encrypted sigmoid beside TenSEAL's polyval: time and error, same ciphertext, same run.

Run with `python -m pytest tests/bench/test_sigmoid_bench.py -q -o addopts=`. Contestants take turns within every round,
so that a machine that slows down slows them alike; times are seconds of CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import pytest
import tenseal as ts
import tenseal.sealapi as seal
from conftest import keep_table
from record import Column, Row, Table
from support import tenseal_context

import fhenn
from fhenn.approx import SIGMOID_CUBIC
from fhenn.backends import is_available

ROUNDS = 41

PARAMETERS = {
    "N=8192 [50, 40, 40, 50]": (8192, [50, 40, 40, 50], 40),
    "N=8192 [60, 40, 40, 60]": (8192, [60, 40, 40, 60], 40),
    "N=16384 [60, 40, 40, 40, 60]": (16384, [60, 40, 40, 40, 60], 40),
    "N=4096 [33, 23, 23, 30]": (4096, [33, 23, 23, 30], 23),
}

POLYVAL = "`CKKSVector.polyval`"
VECTOR = "`Sigmoid` on `CKKSVector`"
TENSOR = "`Sigmoid` on a batched `CKKSTensor`"
ARRAY = "`Sigmoid` on `CipherArray`, SEAL"
NATIVE = "`Sigmoid` on `CipherArray`, native"
COLUMNS = (
    Column("CPU time", "ms"),
    Column("faster", "×"),
    Column("largest error", "error"),
    Column("smaller", "×"),
)
PRIMITIVES = "its 2 products, 2 relinearisations, 2 rescales alone"


def primitives(context: fhenn.Context, ciphertext: Any) -> Callable[[], None]:
    """What the evaluation on `CipherArray` cannot do without, in its order, on operands that are ready."""
    evaluator, keys = context.evaluator, context.relinearisation_keys("bench").keys
    lower, square, product = seal.Ciphertext(), seal.Ciphertext(), seal.Ciphertext()
    evaluator.mod_switch_to_next(ciphertext, lower)

    def run() -> None:
        evaluator.square(ciphertext, square)
        evaluator.relinearize_inplace(square, keys)
        evaluator.rescale_to_next_inplace(square)
        evaluator.multiply(square, lower, product)
        evaluator.relinearize_inplace(product, keys)
        evaluator.rescale_to_next_inplace(product)

    return run


@pytest.mark.skipif(not is_available("native"), reason="the native library was not built")
@pytest.mark.parametrize("name", PARAMETERS)
def test_sigmoid(name, benchmark):
    ring_degree, chain, scale_bits = PARAMETERS[name]
    tenseal = tenseal_context(ring_degree, chain, scale_bits)
    context = fhenn.Context.from_tenseal(tenseal)
    x = np.random.default_rng(0).uniform(-4, 4, ring_degree // 2)
    vector, node = ts.ckks_vector(tenseal, x.tolist()), fhenn.Sigmoid()
    array = fhenn.CipherArray.from_tenseal(vector)
    own = fhenn.NativeContext(context)
    same = fhenn.CipherArray.from_bytes(own, array.to_bytes())
    tensor = ts.ckks_tensor(tenseal, x, batch=True)  # one ciphertext, as the vector
    contestants = {
        POLYVAL: lambda: vector.polyval(list(SIGMOID_CUBIC.coefficients)),
        VECTOR: lambda: node(vector),
        TENSOR: lambda: node(tensor),
        NATIVE: lambda: node(same),
        ARRAY: lambda: node(array),
        PRIMITIVES: primitives(context, vector.ciphertext()[0]),
    }
    errors = {
        POLYVAL: np.abs(contestants[POLYVAL]().decrypt() - node(x)).max(),
        VECTOR: np.abs(contestants[VECTOR]().decrypt() - node(x)).max(),
        TENSOR: np.abs(np.array(contestants[TENSOR]().decrypt().tolist()) - node(x)).max(),
        NATIVE: np.abs(fhenn.decrypt(own, contestants[NATIVE]()) - node(x)).max(),
        ARRAY: np.abs(fhenn.decrypt(context, contestants[ARRAY]()) - node(x)).max(),
    }

    def smaller(contestant: str) -> float | None:
        return errors[POLYVAL] / errors[contestant] if contestant in errors else None

    seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}

    def one_round() -> None:
        for contestant, run in contestants.items():
            start = process_time()
            run()
            seconds[contestant].append(process_time() - start)

    benchmark.pedantic(one_round, rounds=ROUNDS, warmup_rounds=3)
    times = {contestant: median(values[3:]) for contestant, values in seconds.items()}
    benchmark.extra_info.update(
        {contestant: {"median": times[contestant], "error": errors.get(contestant)} for contestant in contestants}
    )
    rows = tuple(
        Row(
            (contestant, 1e3 * time, times[POLYVAL] / time, errors.get(contestant), smaller(contestant)),
            peer="TenSEAL" if contestant in {POLYVAL, PRIMITIVES} else "",
        )
        for contestant, time in times.items()
    )
    keep_table("sigmoid", Table(name, COLUMNS, rows))
