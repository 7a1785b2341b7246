"""Networks with x² that peers were run on, of random weights: Orion's perceptron, the one of TenSEAL's tutorial."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import fhenn

Floats = NDArray[np.float64]


def _linear(rng: np.random.Generator, outputs: int, inputs: int) -> fhenn.Linear:
    return fhenn.Linear(rng.normal(size=(outputs, inputs)) / np.sqrt(inputs) / 2)


def _convolution(rng: np.random.Generator) -> fhenn.Linear:
    """Four filters of 7 × 7 with stride 3 on 28 × 28 pixels, as a matrix."""
    weight = np.zeros((4, 8, 8, 28, 28))
    for kernel, of_channel in zip(rng.normal(size=(4, 7, 7)) / 14, weight, strict=True):
        for i in range(8):
            for j in range(8):
                of_channel[i, j, 3 * i : 3 * i + 7, 3 * j : 3 * j + 7] = kernel
    return fhenn.Linear(weight.reshape(256, 784))


def orion() -> fhenn.Sequential:
    """784-128-128-10 with x²."""
    rng = np.random.default_rng(0)
    first, second, last = _linear(rng, 128, 784), _linear(rng, 128, 128), _linear(rng, 10, 128)
    return fhenn.Sequential([first, fhenn.Square(), second, fhenn.Square(), last])


def tutorial() -> fhenn.Sequential:
    """A convolution, 256-64 and 64-10, with x² between."""
    rng = np.random.default_rng(0)
    first, second, last = _convolution(rng), _linear(rng, 64, 256), _linear(rng, 10, 64)
    return fhenn.Sequential([first, fhenn.Square(), second, fhenn.Square(), last])
