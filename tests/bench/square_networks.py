"""Networks with square activations, trained on MNIST: Orion's perceptron, and the one of TenSEAL's tutorial."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import fhenn

Floats = NDArray[np.float64]

RATES = 0.9, 0.999, 1e-3, 1e-8  # Adam's, of Kingma & Ba 2015: two decays, the step, what keeps it finite
EPOCHS, BATCH = 15, 64


def _dense(rng: np.random.Generator, *sizes: int) -> list[list[Floats]]:
    """PyTorch's initial weights and biases of layers of these sizes."""
    drawn = []
    for wide, narrow in pairwise(sizes):
        k = 1 / np.sqrt(wide)
        drawn.append([rng.uniform(-k, k, (narrow, wide)), rng.uniform(-k, k, narrow)])
    return drawn


def _convolution(rng: np.random.Generator) -> list[Floats]:
    """Four filters of 7 × 7 with stride 3 on 28 × 28 pixels, as a matrix."""
    weight = np.zeros((4, 8, 8, 28, 28))
    for kernel, of_channel in zip(rng.uniform(-1 / 7, 1 / 7, (4, 7, 7)), weight, strict=True):
        for i in range(8):
            for j in range(8):
                of_channel[i, j, 3 * i : 3 * i + 7, 3 * j : 3 * j + 7] = kernel
    return [weight.reshape(256, 784), np.full(256, 0.1)]


def _trained(layers: list[list[Floats]], frozen: int, x: Floats, y: Floats) -> fhenn.Sequential:
    """The network after Adam on the cross-entropy, its first `frozen` layers as they were."""
    rng, moments, step = np.random.default_rng(1), [[np.zeros((2, *w.shape)) for w in pair] for pair in layers], 0
    decay, decay2, rate, least = RATES
    for _ in range(EPOCHS):
        for batch in np.array_split(rng.permutation(len(x)), len(x) // BATCH):
            step += 1
            into, h = [], x[batch]
            for place, (weight, bias) in enumerate(layers):
                into.append(h)
                z = h @ weight.T + bias
                h = z if place == len(layers) - 1 else z**2
            e = np.exp(h - h.max(axis=1, keepdims=True))
            slope = (e / e.sum(axis=1, keepdims=True) - np.eye(h.shape[1])[y[batch]]) / len(batch)
            for place in range(len(layers) - 1, frozen - 1, -1):
                weight, bias = layers[place]
                gradients = slope.T @ into[place], slope.sum(axis=0)
                if place > frozen:
                    before = into[place - 1] @ layers[place - 1][0].T + layers[place - 1][1]
                    slope = slope @ weight * 2 * before
                for value, gradient, moment in zip((weight, bias), gradients, moments[place], strict=True):
                    moment[0] += (1 - decay) * (gradient - moment[0])
                    moment[1] += (1 - decay2) * (gradient**2 - moment[1])
                    spread = np.sqrt(moment[1] / (1 - decay2**step)) + least
                    np.subtract(value, rate * moment[0] / (1 - decay**step) / spread, out=value)
    nodes: list[fhenn.Node] = []
    for weight, bias in layers:
        nodes += [fhenn.Linear(weight, bias), fhenn.Square()]
    return fhenn.Sequential(nodes[:-1])


def orion(x: Floats, y: Floats) -> fhenn.Sequential:
    """784-128-128-10 (the MLP of Orion, Ebel, Garimella & Reagen 2025)."""
    return _trained(_dense(np.random.default_rng(0), 784, 128, 128, 10), 0, x, y)


def tutorial(x: Floats, y: Floats) -> fhenn.Sequential:
    """TenSEAL's "Encrypted Convolution on MNIST"; the filters stay as drawn, so that their matrix is a convolution."""
    rng = np.random.default_rng(0)
    return _trained([_convolution(rng), *_dense(rng, 256, 64, 10)], 1, x, y)
