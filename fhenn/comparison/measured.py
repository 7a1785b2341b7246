"""Samples through both sides of encrypted inference, in one process, with what each step takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import context_class, runs_on
from fhenn.ckks.evaluator import SEAL
from fhenn.columns import Table, prepared_table
from fhenn.interop import ImportedModel
from fhenn.nn import Node
from fhenn.planner import Plan
from fhenn.session import Client, Server

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Measured:
    """What came out of ciphertexts, and what it took.

    scores: decrypted, (samples, outputs); masked where values left a domain, of plans with witnesses.
    keys: seconds to make and load the keys, with those of a sample that goes first.
    encrypt, evaluate, decrypt: seconds of all samples.
    bytes_keys, bytes_upload, bytes_answer: sizes of what is sent.
    secret_at_server: whether the server's side could decrypt; it must not.
    """

    scores: np.ma.MaskedArray[Any, np.dtype[np.float64]]
    keys: float
    encrypt: float
    evaluate: float
    decrypt: float
    bytes_keys: int
    bytes_upload: int
    bytes_answer: int
    secret_at_server: bool


class _Tap:
    """Messages that pass by: their bytes, and the seconds that it took to make them, with what they are made of."""

    def __init__(self, messages: Iterable[bytes]) -> None:
        self._messages = iter(messages)
        self.seconds, self.size = 0.0, 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        start = perf_counter()
        try:
            message = next(self._messages)
        finally:
            self.seconds += perf_counter() - start
        self.size += len(message)
        return message


def _joined(parts: Sequence[Any]) -> np.ma.MaskedArray[Any, np.dtype[np.float64]]:
    """The scores of parts, (samples, outputs), masked where theirs are."""
    values = np.concatenate([np.ma.getdata(part) for part in parts])
    return np.ma.masked_array(values, mask=np.concatenate([np.ma.getmaskarray(part) for part in parts]))


def measure(
    model: Node, plan: Plan, values: Floats, progress: Progress, memory: float | None, *, warm: bool
) -> Measured:
    """Encrypt samples, run a model on the ciphertexts from bytes, without the secret key, and decrypt what comes back.

    model: that the plan is for.
    plan: whose keys are made, in this process alone; they are not kept.
    values: (samples, features), prepared where the model has a preparation.
    progress: called with (what, done, total).
    memory: as for `Client`.
    warm: whether one sample goes through first, which encodes the weights, among the seconds of the keys.

    Raises PlanError where the plan is not for the model, BoundsExceeded where values leave its bounds, and what
    `Client` and `Server` raise.
    """
    preparation = model.preparation if isinstance(model, ImportedModel) else None

    def as_given(values: Floats) -> Floats | Table:
        """Samples as the client takes them."""
        return values if preparation is None else prepared_table(values, preparation.features)

    for name in (plan.evaluator, SEAL.name):  # libraries are loaded before the clock runs; SEAL makes all keys
        context_class(runs_on(name))
    start = perf_counter()
    client = Client(plan, progress=progress, memory=memory, preparation=preparation)
    client.require_bounds(values)  # of all of them, before the first is sent
    keys = client.evaluation_keys()
    server = Server(model, plan, keys, progress=progress)
    if warm:
        client.decrypt_scores(server.predict(client.encrypt(as_given(values[:1]))), on_violation="mask")
    made = perf_counter() - start
    stream = client.encrypt_stream(as_given(values))
    sent = _Tap(stream)
    answered = _Tap(server.predict_stream(sent))
    start = perf_counter()
    # each part is made when it is asked for, so that memory does not grow with their number
    parts = list(client.decrypt_stream(answered, scores=True, on_violation="mask"))
    total = perf_counter() - start
    return Measured(
        scores=_joined(parts),
        keys=made,
        encrypt=sent.seconds,
        evaluate=answered.seconds - sent.seconds,
        decrypt=total - answered.seconds,
        bytes_keys=len(keys),
        bytes_upload=sent.size,
        bytes_answer=answered.size,
        secret_at_server=server.context.has_secret_key,
    )
