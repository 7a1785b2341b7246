"""A pool on the cores of this machine."""

from __future__ import annotations

import shutil
import sys
import warnings
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from fhenn.artifacts import model_to_bytes, plan_to_bytes
from fhenn.backends import runs_on, threads_here
from fhenn.ckks.evaluator import SEAL
from fhenn.ckks.messages import EvaluationMessage
from fhenn.cores import cores
from fhenn.errors import UnsupportedOperation
from fhenn.nn import Node
from fhenn.planner import Plan, fingerprint_of, verify
from fhenn.pool.base import Engine, Instead, Pool, number_of_workers
from fhenn.pool.bounds import Bounds
from fhenn.pool.processes import WorkerProcess
from fhenn.pool.runner import Runner
from fhenn.safety import Certificate
from fhenn.session import Server
from fhenn.session.server import require_errors
from fhenn.wire import as_bytes

_START = 120.0
"""Seconds that a process may take to start: other programs may hold the cores."""


class LocalPool(Pool):
    """`Server` on several cores of this machine: as many parts at once as there are workers, and the same answers.

    On the native evaluator the workers are threads, which share the keys and the encoded weights. On SEAL they are
    processes, each with its own; a private folder for temporary files holds model, plan and evaluation keys for them. A
    process that dies is replaced, and its part done again.

    model: that the plan was made for.
    plan: from `fhenn.plan`.
    evaluation_keys: bytes of `Client.evaluation_keys`; bytes that hold a secret key are refused.
    workers: how many; None for one a core.
    certificate: from `fhenn.certify`; it must hold for model and plan. None for none.

    Close it, or use it as a context: `with` ends the workers.

    Raises what `Server` raises, ParameterError for another number of workers, PoolFailed where none starts; on SEAL
    UnsupportedValue for nodes of your own, and ExtraMissing without safetensors.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
    >>> plan = fhenn.plan(model, bounds=[-1, 1], layout="throughput")
    >>> client = fhenn.Client(plan)
    >>> rows = iter([[[0.75, 0.5]] * 5000, [[0.0, 1.0]] * 5000])
    >>> with fhenn.LocalPool(model, plan, client.evaluation_keys(), workers=2) as pool:
    ...     answers = pool.predict_stream(client.encrypt_stream(rows))
    ...     results = [part.round(3) for part in client.decrypt_stream(answers)]
    >>> results[0][0], results[-1][-1]
    (array([0.25]), array([-1.]))
    """

    def __init__(
        self,
        model: Node,
        plan: Plan,
        evaluation_keys: bytes,
        workers: int | None = None,
        *,
        certificate: Certificate | None = None,
    ) -> None:
        count = number_of_workers(workers)
        verify(plan, model)
        if certificate is not None:
            certificate.require(plan, model)
        self._on_seal = runs_on(plan.evaluator) == SEAL.name
        if self._on_seal and plan.evaluator != SEAL.name:
            require_errors(plan, model, SEAL.name)  # the processes say nothing of it
        make = _processes if self._on_seal else _Threads
        engine: Engine = make(model, plan, evaluation_keys, count)
        super().__init__(plan, fingerprint_of(model), count, engine)

    @property
    def _where(self) -> str:
        return "processes" if self._on_seal else "threads"


class _Threads:
    """Threads that share a server: an `Engine`."""

    def __init__(self, model: Node, plan: Plan, keys: bytes, workers: int) -> None:
        self._closing, self._each = False, max(1, cores() // workers)
        with threads_here(self._each):
            self._server = Server(model, plan, keys, progress=self._go_on)
        self._executor = ThreadPoolExecutor(workers, "fhenn-pool")

    def submit(self, part: bytes, range_check: bool, instead: Instead | None) -> Future[bytes]:
        """Begin to answer a part, as `Engine` has it. No part ends a thread, so none is refused."""
        try:
            return self._executor.submit(self._answer, part, range_check)
        except RuntimeError:  # it was closed meanwhile, or the interpreter ends
            future: Future[bytes] = Future()
            future.cancel()
            return future

    def close(self) -> None:
        """End the threads, at the next step of what they compute, and wait until they have ended."""
        self._closing = True
        self._executor.shutdown(cancel_futures=True)

    def abandon(self) -> None:
        """The same without a wait."""
        self._closing = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _answer(self, part: bytes, range_check: bool) -> bytes:
        with threads_here(self._each):
            return self._server.predict(part, range_check)

    def _go_on(self, what: str, done: int, total: int) -> None:
        """Raise CancelledError where the pool is being closed."""
        if self._closing:
            raise CancelledError


def _processes(model: Node, plan: Plan, keys: bytes, workers: int) -> Runner:
    """Processes that have loaded model, plan and keys. Raises what is wrong with these, and PoolFailed."""
    if sys.platform == "win32":
        raise UnsupportedOperation("a pool of processes", "Use the native evaluator, whose pools are of threads.")
    EvaluationMessage.decode(keys)  # no secret key is written anywhere
    contents = {"model": model_to_bytes(model), "plan": plan_to_bytes(plan), "keys": as_bytes("keys", keys)}
    folder = Path(mkdtemp(prefix="fhenn-pool-"))
    tidy = partial(shutil.rmtree, folder, ignore_errors=True)
    try:
        for name, data in contents.items():
            (folder / f"{name}.fhenn").write_bytes(data)
        bounds = Bounds(workers, None, contexts=1, resident=None, start=_START, seconds=None, queue=None, wait=None)
        make = partial(WorkerProcess, bounds, _be_quiet, folder)
        runner = Runner(bounds, make, str(folder), str(folder / "keys.fhenn"), tidy)
    except BaseException:
        tidy()
        raise
    try:
        runner.load()
    except BaseException:
        runner.close()
        raise
    return runner


def _be_quiet() -> None:
    """Leave warnings to the parent, which has given them, in a process of a worker."""
    warnings.simplefilter("ignore")
