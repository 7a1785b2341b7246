"""Polynomials of a sigmoid on [-8, 8] by degree: levels, time, error, beside TenSEAL's polyval and OpenFHE's series.

Run with `python -m pytest tests/bench/test_activations_bench.py -q -o addopts=`. All at N=16384, one full ciphertext,
one thread, a scale of 2⁴⁰, each with the chain that it needs; contestants take turns within every round, in seconds of
CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import openfhe_peer
import tenseal as ts
from conftest import keep_table
from numpy.typing import NDArray
from record import Column, Row, Table
from support import tenseal_context

import fhenn
from fhenn.approx import SIGMOID, Polynomial, minimax
from fhenn.backends import context_class, is_available

N, ROUNDS, BITS = 16384, 9, 40


@dataclass(frozen=True)
class Contestant:
    """What to time, seconds for one run; the levels that it took and its largest error."""

    name: str
    run: Callable[[], float]
    levels: int
    error: float
    peer: str = ""
    close: Callable[[], None] = lambda: None


def timed(run: Callable[[], Any]) -> Callable[[], float]:
    def seconds() -> float:
        start = process_time()
        run()
        return process_time() - start

    return seconds


def tenseal_polyval(polynomial: Polynomial, x: NDArray[np.float64]) -> Contestant:
    levels = ceil(log2(polynomial.degree + 1)) + 1
    context = tenseal_context(N, [60, *[BITS] * levels, 60], BITS)
    vector = ts.ckks_vector(context, x.tolist())
    powers = list(polynomial.to_monomial().coefficients)
    result = vector.polyval(powers)
    used = vector.ciphertext()[0].coeff_modulus_size() - result.ciphertext()[0].coeff_modulus_size()
    error = float(np.abs(np.array(result.decrypt()) - polynomial(x)).max())
    return Contestant("`CKKSVector.polyval`", timed(lambda: vector.polyval(powers)), used, error, "TenSEAL")


def ours(polynomial: Polynomial, x: NDArray[np.float64], evaluator: str) -> Contestant:
    node = fhenn.PolynomialActivation(polynomial, on_violation="ignore")
    special = 50 if evaluator == "native" else 60  # the native kernels' own size; no result is at it
    chain = (60, *[BITS + 2] * node.cost, special)  # scale·width/4
    context = context_class(evaluator).generate(fhenn.Parameters(N, chain, 2.0**BITS))
    array = fhenn.encrypt(context, x)
    result = node(array)
    error = float(np.abs(fhenn.decrypt(context, result) - polynomial(x)).max())
    return Contestant(f"fhenn, {evaluator}", timed(lambda: node(array)), context.levels - result.level, error)


def openfhe_series(polynomial: Polynomial, x: NDArray[np.float64]) -> Contestant:
    peer = openfhe_peer.chebyshev(list(polynomial.coefficients), x, ring_degree=N, scale_bits=BITS)
    peer.run()
    error = float(np.abs(peer.scores() - polynomial(x)).max())
    return Contestant("OpenFHE, `EvalChebyshevSeries`", peer.run, peer.levels(), error, "OpenFHE", peer.close)


def test_degrees():
    rows = []
    x = np.random.default_rng(0).uniform(-8, 8, N // 2)
    for degree in (3, 7, 15, 31):
        polynomial = minimax(SIGMOID, degree, (-8, 8))
        evaluators = filter(is_available, ("native", "seal"))
        contestants = [tenseal_polyval(polynomial, x), *(ours(polynomial, x, each) for each in evaluators)]
        if openfhe_peer.installed():
            contestants.append(openfhe_series(polynomial, x))
        seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
        for _ in range(ROUNDS + 1):
            for contestant in contestants:
                seconds[contestant.name].append(contestant.run())
        for contestant in contestants:
            contestant.close()
        times = {name: median(values[1:]) for name, values in seconds.items()}
        first = times[contestants[0].name]
        rows += [
            Row((each.name, degree, each.levels, 1e3 * took, took / first, each.error), each.peer)
            for each, took in zip(contestants, times.values(), strict=True)
        ]
    columns = (
        Column("degree"),
        Column("levels"),
        Column("CPU time", "ms"),
        Column("of polyval", "×"),
        Column("largest error", "error"),
    )
    table = Table("sigmoid on [-8, 8], N=16384", columns, tuple(rows))
    keep_table("degrees", table, {"OpenFHE": openfhe_peer.version_here()})
