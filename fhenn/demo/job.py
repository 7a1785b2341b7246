"""Train on plaintext, encrypt the held-out samples, score them without the secret key, decrypt, compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import ceil, nan
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.comparison import Quality, compare
from fhenn.demo.data import load_breast_cancer
from fhenn.interop import ImportedModel, Reading
from fhenn.interop.reading import Maps
from fhenn.interop.reading.compact import complemented
from fhenn.interop.reading.expressions import Scores
from fhenn.nn import SGD, Linear, Sigmoid
from fhenn.planner import plan

Floats = NDArray[np.float64]

_HELD_OUT = 143
_EPOCHS = 100
_BATCHES = 14
_TARGETS = (0.15, 0.85)
"""The values that the output is trained towards: the cubic reaches them inside its domain, where it misses 0 and 1."""
_ACCURACY = 1e-6
"""Of the plan: the largest |decrypted - twin| of a score."""
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
    evaluator: what computed on the ciphertexts.
    accuracy_exact: share of right decisions with the exact sigmoid.
    accuracy_twin: the same with the cubic on plaintext.
    accuracy_encrypted: the same with the decrypted scores.
    largest_difference: largest |decrypted - twin|.
    decisions_changed: decisions in which the decrypted scores and the exact sigmoid differ.
    outside_band: pre-activations outside the domain of the cubic.
    left_out: samples without an answer, since a witness showed that they left the range that was planned for.
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
    evaluator: str
    accuracy_exact: float
    accuracy_twin: float
    accuracy_encrypted: float
    largest_difference: float
    decisions_changed: int
    outside_band: int
    left_out: int
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


PHASES = ("train", "plan", "make keys", "encrypt", "evaluate", "decrypt")
"""The phases of the job, in order."""

_PHASE = {"keys": "make keys", "encrypt": "encrypt", "decrypt": "decrypt"}
"""What the sides call a piece of their work, and the phase that it is part of; all else is "evaluate"."""


def run(seed: int = 2, *, progress: Callable[[str], None] = lambda phase: None) -> Report:
    """Run the main job: encrypted logistic regression on the Wisconsin diagnostic breast cancer data.

    seed: of the split, the initial weights and the order of training.
    progress: called with the name of each phase of `PHASES` as it starts.

    Returns what was measured. Client and server are kept apart: the server's side works from bytes, without the secret
    key.
    """
    told = list[str]()

    def tell(phase: str) -> None:
        """Report a phase, once."""
        if phase not in told:
            told.append(phase)
            progress(phase)

    rng = np.random.default_rng(seed)
    features, labels, _ = load_breast_cancer()
    order = rng.permutation(len(labels))
    train, test = order[:-_HELD_OUT], order[-_HELD_OUT:]
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    scaled = (features - mean) / deviation

    tell("train")
    start = perf_counter()
    linear, activation = _fit(scaled[train], labels[train], rng)
    trained = perf_counter()

    tell("plan")
    share = Scores((0,))  # of malignant, which the sigmoid says
    reading = Reading.classification([0.0, 1.0], maps=Maps(complemented(share), complemented(share), share))
    model = ImportedModel([linear, activation], reading)
    # which values there can be, whoever collects records knows
    bounds = np.stack([scaled.min(axis=0), scaled.max(axis=0)])
    made = plan(model, inputs=scaled[train], bounds=bounds, accuracy=_ACCURACY, ranges="data", rows=len(test))
    planned = perf_counter()

    found = compare(
        model,
        made,
        scaled[test],
        labels[test],
        rows=len(test),
        progress=lambda what, done, total: tell(_PHASE.get(what, "evaluate")),
    )
    pre = linear(scaled[test])[:, 0]
    outside = activation.with_policy("ignore").check(pre)
    seconds = found.seconds
    parameters = made.parameters
    return Report(
        samples=len(test),
        features=scaled.shape[1],
        ring_degree=parameters.ring_degree,
        chain=parameters.chain,
        scale_bits=float(np.log2(parameters.scale)),
        model_cost=model.cost,
        evaluator=made.evaluator,
        accuracy_exact=_score(found.part.exact),
        accuracy_twin=_score(found.part.twin),
        accuracy_encrypted=_score(found.encrypted),
        largest_difference=found.from_twin.largest,
        decisions_changed=(found.from_exact.differ if found.from_exact else None) or 0,
        outside_band=outside.outside if outside else 0,
        left_out=found.left_out,
        largest_pre_activation=float(np.abs(pre).max()),
        headroom=made.stages[-1].headroom,
        seconds={
            "train": trained - start,
            "plan": planned - trained,
            "make keys": seconds.keys,
            "encrypt": seconds.encrypt,
            "evaluate": seconds.evaluate,
            "decrypt": seconds.decrypt,
        },
        seconds_per_sample=seconds.evaluate / len(test),
        bytes_keys=found.sizes.keys,
        bytes_upload=found.sizes.upload,
        bytes_result=found.sizes.answer,
        ciphertexts=made.ciphertexts_per_sample * ceil(len(test) / made.samples_per_ciphertext),
        server_has_secret_key=found.secret_at_server,
    )


def _score(quality: Quality | None) -> float:
    """The accuracy; none where no sample came back."""
    return nan if quality is None else quality.score


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
