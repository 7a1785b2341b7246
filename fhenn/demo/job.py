"""Train on plaintext, encrypt the held-out samples, score them without the secret key, decrypt, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.approx import sigmoid
from fhenn.backends.seal import SealContext
from fhenn.ckks import CipherArray, Parameters, decrypt, encrypt
from fhenn.demo.data import load_breast_cancer
from fhenn.nn import SGD, Linear, Sigmoid

Floats = NDArray[np.float64]

_HELD_OUT = 143
_EPOCHS = 100
_BATCHES = 14
_TARGETS = (0.15, 0.85)
"""The values that the output is trained towards: the cubic reaches them inside its domain, where it misses 0 and 1."""
_EDGE, _PULL = 2.5, 0.25
"""A pre-activation past ±_EDGE is pulled back with strength _PULL, so that it stays in the domain [-4, 4]."""


@dataclass(frozen=True)
class Report:
    """What the main job measured.

    samples: held-out samples that were scored.
    features: of each sample.
    ring_degree: N.
    chain: bits of the primes of the modulus chain.
    scale_bits: log₂ of the scale.
    model_cost: levels that the model consumes.
    accuracy_exact: share of right decisions with the exact sigmoid.
    accuracy_twin: the same with the cubic on plaintext.
    accuracy_encrypted: the same with the decrypted scores.
    largest_difference: largest |decrypted - twin|.
    decisions_changed: decisions in which the decrypted scores and the exact sigmoid differ.
    outside_band: pre-activations outside the domain of the cubic.
    largest_pre_activation: largest |pre-activation|.
    headroom: the largest |pre-activation| that surely fits the modulus.
    seconds: by phase.
    seconds_per_sample: of the phase "evaluate".
    bytes_keys: size of the evaluation keys.
    bytes_upload: size of the encrypted samples.
    bytes_result: size of the encrypted scores.
    ciphertexts: how many the upload holds.
    server_has_secret_key: whether the server's context could decrypt; it must not.
    """

    samples: int
    features: int
    ring_degree: int
    chain: tuple[int, ...]
    scale_bits: float
    model_cost: int
    accuracy_exact: float
    accuracy_twin: float
    accuracy_encrypted: float
    largest_difference: float
    decisions_changed: int
    outside_band: int
    largest_pre_activation: float
    headroom: float
    seconds: dict[str, float]
    seconds_per_sample: float
    bytes_keys: int
    bytes_upload: int
    bytes_result: int
    ciphertexts: int
    server_has_secret_key: bool

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        return asdict(self)


class _Clock:
    """Measures the seconds of every phase, and reports each to a progress callback as it starts."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._progress(name)
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start


PHASES = ("train", "make keys", "encrypt", "evaluate", "decrypt")
"""The phases of the job, in order."""


def run(seed: int = 2, *, progress: Callable[[str], None] = lambda phase: None) -> Report:
    """Run the main job: encrypted logistic regression on the Wisconsin diagnostic breast cancer data.

    seed: of the split, the initial weights and the order of training.
    progress: called with the name of each phase of `PHASES` as it starts.

    Returns what was measured. Client and server are kept apart: the server's side works from bytes, without the secret
    key.
    """
    clock = _Clock(progress)
    rng = np.random.default_rng(seed)
    features, labels, _ = load_breast_cancer()
    order = rng.permutation(len(labels))
    train, test = order[:-_HELD_OUT], order[-_HELD_OUT:]
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    scaled = (features - mean) / deviation

    with clock.phase("train"):
        linear, activation = _fit(scaled[train], labels[train], rng)

    with clock.phase("make keys"):
        cost = linear.cost + activation.cost
        parameters = Parameters.for_depth(cost)
        client = SealContext.generate(parameters)
        evaluation_keys = client.to_bytes()

    with clock.phase("encrypt"):
        upload = encrypt(client, scaled[test], layout="features").to_bytes()

    with clock.phase("evaluate"):
        server = SealContext.from_bytes(evaluation_keys)
        pre_activations = linear(CipherArray.from_bytes(server, upload))
        headroom = activation.headroom(pre_activations)
        result = activation(pre_activations).to_bytes()

    with clock.phase("decrypt"):
        encrypted = decrypt(client, CipherArray.from_bytes(client, result))[:, 0]

    pre = linear(scaled[test])[:, 0]
    silent = Sigmoid(on_violation="ignore")  # the report says it
    twin = silent(pre)
    exact = sigmoid(pre)
    outside = silent.check(pre)
    decided = [scores > 0.5 for scores in (exact, twin, encrypted)]
    return Report(
        samples=len(test),
        features=scaled.shape[1],
        ring_degree=parameters.ring_degree,
        chain=parameters.chain,
        scale_bits=float(np.log2(parameters.scale)),
        model_cost=cost,
        accuracy_exact=_accuracy(decided[0], labels[test]),
        accuracy_twin=_accuracy(decided[1], labels[test]),
        accuracy_encrypted=_accuracy(decided[2], labels[test]),
        largest_difference=float(np.abs(encrypted - twin).max()),
        decisions_changed=int(np.count_nonzero(decided[2] != decided[0])),
        outside_band=outside.outside if outside else 0,
        largest_pre_activation=float(np.abs(pre).max()),
        headroom=headroom,
        seconds=clock.seconds,
        seconds_per_sample=clock.seconds["evaluate"] / len(test),
        bytes_keys=len(evaluation_keys),
        bytes_upload=len(upload),
        bytes_result=len(result),
        ciphertexts=scaled.shape[1],
        server_has_secret_key=server.has_secret_key,
    )


def _fit(x: Floats, labels: Floats, rng: np.random.Generator) -> tuple[Linear, Sigmoid]:
    """A trained `Linear` and its `Sigmoid`: mean squared error, stochastic gradient descent."""
    activation = Sigmoid(on_violation="ignore")  # while it learns; the trained model is checked
    linear = Linear(activation.propose_weights(x, rng=rng), optimiser=SGD(learning_rate=0.2, weight_decay=0.01))
    low, high = _TARGETS
    targets = (low + (high - low) * labels)[:, None]
    for _ in range(_EPOCHS):
        for batch in np.array_split(rng.permutation(len(x)), _BATCHES):
            pre = linear.forward(x[batch])
            error = activation.forward(pre) - targets[batch]
            gradient = activation.backward(2 * error) + _PULL * (pre - np.clip(pre, -_EDGE, _EDGE))
            linear.backward(gradient / len(batch))
            linear.updates()
    linear.disable_cache()
    return linear, Sigmoid()


def _accuracy(decided: NDArray[np.bool_], labels: Floats) -> float:
    return float(np.mean(decided == (labels > 0.5)))
