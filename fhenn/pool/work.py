"""What a worker process does: check evaluation keys, run a model on ciphertexts."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fhenn.errors import FhennError, WireFormatError
from fhenn.pool.failures import typed_answer

MEMORY, REFUSED, GONE, NO_MODEL = "memory", "refused", "gone", "no-model"
NO_WITNESS, TOO_LARGE, UNEXPECTED = "no-witness", "too-large", "unexpected"
"""Names of errors in answers, beside those of fhenn's typed errors; the last stands for defects of fhenn."""

NO_MEMORY = 77
"""Exit code of a worker that has too little memory for what it is sent."""

Buffer = bytes | bytearray

PIECE = 1 << 20
"""Bytes of a task or an answer that are copied, read or written at once."""

READY = b"ready"
"""What a worker sends once it can answer."""

HEAD = struct.Struct(">IQ")
"""What precedes a task and an answer: sizes of the JSON document and of the bytes behind it."""

HELD = "held"
"""The field of an answer with the worker's `Held`, where that has changed."""

_SEALS = (ValueError, RuntimeError, IndexError, OverflowError)
"""What SEAL raises in the middle of an evaluation, on a crafted ciphertext: a transparent one, for instance."""


_SHARE_OF_KEYS = 24
"""Of the address space, for the messages of evaluation keys that are kept loaded: with the weights that are encoded for
each they take 3.4 to 5 times as much there (measured, regressions and perceptrons on both evaluators), so that a worker
stays below `Bounds.resident`."""


_CIPHERTEXT = 2
"""The number of the field of TenSEAL's messages that holds a ciphertext."""
_START = 64
"""Bytes of a message that tell where its body starts, and more."""
_FEW = 64
"""Fields of a message that are counted in less than a tenth of a millisecond."""

_LOOK = 1.0
"""Seconds between two looks at the files of all keys that are loaded."""


@dataclass(frozen=True)
class Held:
    """What a worker keeps loaded, as the parent is told it.

    names: of models and evaluation keys, by `name_of`.
    full: whether more of them would put out others.
    """

    names: tuple[str, ...] = ()
    full: bool = False


def name_of(model: str, keys: str) -> str:
    """What a worker keeps loaded for a model and evaluation keys, as one name.

    model: folder of the model.
    keys: file of the keys.
    """
    return f"{keys} for {model}"


def work(pipe: socket.socket, memory: int | None, contexts: int, prepare: Callable[[], None] | None = None) -> None:
    """Answer tasks until the parent has ended: what a worker process runs.

    pipe: to the parent.
    memory: largest address space, in bytes; None for no bound.
    contexts: how many evaluation keys to keep loaded.
    prepare: called first.
    """
    from fhenn.backends import use_threads

    _confine(memory)
    if prepare is not None:
        prepare()
    use_threads(1)  # workers share the cores among themselves
    worker, told = Worker(contexts, sys.maxsize if memory is None else memory // _SHARE_OF_KEYS), Held()
    gc.collect()
    gc.freeze()  # what was imported stays: to look through all of it for cycles takes a tenth of the time of a task
    try:
        pipe.sendall(READY)
        while True:
            text_size, size = HEAD.unpack(_received(pipe, HEAD.size))
            task, payload = json.loads(_received(pipe, text_size)), _received(pipe, size)
            answer, body = worker.answer(task, payload)
            payload = b""
            if worker.held != told:
                told = worker.held
                answer[HELD] = asdict(told)
            text = json.dumps(answer).encode()
            with memoryview(body) as view:  # at once as far as possible: each time, the parent is woken
                pipe.sendall(b"".join((HEAD.pack(len(text), len(body)), text, view[:PIECE])))
                pipe.sendall(view[PIECE:])
            body = b""
    except (EOFError, BrokenPipeError, ConnectionResetError):  # the parent has ended
        return
    except MemoryError:  # in the middle of a message, whose rest cannot be told from the next
        os._exit(NO_MEMORY)


def _received(pipe: socket.socket, size: int) -> bytes:
    """So many bytes of a pipe. Raises EOFError where it ends before."""
    data = b""
    while len(data) < size:  # once, unless a signal comes
        piece = pipe.recv(size - len(data), socket.MSG_WAITALL)
        if not piece:
            raise EOFError
        data = data + piece if data else piece
    return data


def _confine(memory: int | None) -> None:
    """Bound the memory, write no core files (they would hold ciphertexts and weights), leave signals to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    try:
        import resource
    except ImportError:  # not on Windows
        return
    if memory is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        bound = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    write_no_cores()


def write_no_cores() -> None:
    """Write no core files in this process: they would hold ciphertexts and weights."""
    with suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Worker:
    """The state of a worker process: models, and the evaluation keys used last.

    contexts: how many evaluation keys to keep loaded.
    size: how many bytes of them, as messages; one is kept however large it is.
    """

    def __init__(self, contexts: int, size: int) -> None:
        from fhenn.artifacts import model_from_bytes, plan_from_bytes
        from fhenn.session import Server

        self._model_from_bytes, self._plan_from_bytes, self._server_of = model_from_bytes, plan_from_bytes, Server
        self._contexts, self._size = contexts, size
        self._models: dict[str, tuple[Any, Any]] = {}
        self._servers: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()
        self._looked = time.monotonic()

    @property
    def held(self) -> Held:
        """What is loaded."""
        sizes = [size for _, size in self._servers.values()]
        full = len(sizes) >= self._contexts or sum(sizes) + max(sizes, default=0) > self._size
        return Held(tuple(sorted(name_of(*each) for each in self._servers)), full)

    def answer(self, task: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Do a task.

        task: its name and arguments, as JSON: "predict" for a client of a service, within bounds; "load" to load the
            keys and weights of a pool, and "run" to do what `Server.predict` does with them; "check" for evaluation
            keys that came; "tidy" to forget those that were deleted.
        payload: the ciphertexts of a prediction; empty otherwise.

        Returns (answer, body): a JSON document, where it fails one that `fhenn.pool.failures` reads, and the bytes of
        a prediction.
        """
        try:
            try:
                return self._do(task, payload)
            except MemoryError:  # perhaps for what others left here
                self._servers.clear()
                return self._do(task, payload)
        except Exception as error:
            return error_answer(error), b""

    def _do(self, task: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Do a task. Raises what goes wrong."""
        if task["task"] == "tidy":
            return {"dropped": self._forget_deleted()}, b""
        if time.monotonic() - self._looked > _LOOK:
            self._forget_deleted()
        if task["task"] == "check":
            return self._check(task), b""
        if task["task"] in ("load", "run"):
            server = self._server(task["model"], task["keys"])
            return {}, b"" if task["task"] == "load" else bytes(server.predict(payload, task["range_check"]))
        return self._predict(task, payload)

    def _check(self, task: dict[str, Any]) -> dict[str, Any]:
        """Whether a file holds evaluation keys, and for which models they were made."""
        keys, plans = Path(task["keys"]).read_bytes(), {}
        for name, folder in task["models"].items():
            with suppress(_NoModel):  # it was removed meanwhile
                plans[name] = self._model(folder)[1]
        from fhenn.backends import runs_on

        computing = {name: runs_on(plan.evaluator) for name, plan in plans.items()}
        contexts = _contexts_of(keys, set(computing.values()))
        fits = [
            name for name, plan in plans.items() if computing[name] in contexts and plan.fits(contexts[computing[name]])
        ]
        return {"fingerprint": next(iter(contexts.values())).fingerprint, "fits": fits}

    def _predict(self, task: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Run a model on ciphertexts. Raises WireFormatError and what the model raises."""
        count = ciphertexts_in(payload)
        if count > task["ciphertexts"]:
            raise WireFormatError("request", f"it has {count} ciphertexts, where {task['ciphertexts']} are allowed")
        server = self._server(task["model"], task["keys"])
        version = server.plan.fingerprint
        if version != task["version"]:
            raise _NoModel
        if task["witness"] and not server.plan.witnesses:
            raise _NoWitness
        range_check = task["witness"] is not False and bool(server.plan.witnesses)
        size = bytes_of_answer(self._model(task["model"])[0], server.plan, count, range_check)
        if size > task["answer"]:
            raise _TooLarge(size)
        return {"version": version}, bytes(server.predict(payload, range_check=task["witness"] is not False))

    def _forget_deleted(self) -> int:
        """Unload keys whose file was deleted, and give their memory back to the system. Returns how many there were."""
        self._looked = time.monotonic()
        deleted = [each for each in self._servers if not Path(each[1]).exists()]
        for each in deleted:
            del self._servers[each]
        if deleted:
            _trim()
        return len(deleted)

    def _server(self, folder: str, keys: str) -> Any:
        """The server of a model and evaluation keys, loaded where it is not yet."""
        if (folder, keys) in self._servers and not Path(keys).exists():  # they were deleted while the task waited
            self._forget_deleted()
        if (folder, keys) not in self._servers:
            model, plan = self._model(folder)
            data = Path(keys).read_bytes()
            while self._servers and (
                len(self._servers) >= self._contexts
                or sum(size for _, size in self._servers.values()) + len(data) > self._size
            ):
                self._servers.popitem(last=False)
            _trim()
            self._servers[folder, keys] = self._server_of(model, plan, data), len(data)
        self._servers.move_to_end((folder, keys))
        return self._servers[folder, keys][0]

    def _model(self, folder: str) -> tuple[Any, Any]:
        """A model and its plan, read where they are not yet. Raises _NoModel."""
        if folder not in self._models:
            try:
                model = self._model_from_bytes(Path(folder, "model.fhenn").read_bytes())
                plan = self._plan_from_bytes(Path(folder, "plan.fhenn").read_bytes())
            except FileNotFoundError as error:
                raise _NoModel from error
            self._models[folder] = model, plan
        return self._models[folder]


def _contexts_of(keys: bytes, evaluators: set[str]) -> dict[str, Any]:
    """Evaluation keys, as a context of each evaluator that reads them, by its name.

    keys: the message, from a stranger.
    evaluators: names of those that models are for; SEAL's where there are no models.

    Raises WireFormatError where none reads them.
    """
    from fhenn.backends import context_class

    contexts, refusals = {}, []
    for name in sorted(evaluators or {"seal"}):
        try:
            contexts[name] = context_class(name).from_bytes(keys)
        except WireFormatError as error:
            refusals.append(error)
    if not contexts:
        raise refusals[0]
    return contexts


def error_answer(error: Exception) -> dict[str, Any]:
    """The answer for an error. Only the texts of fhenn's own are sent on: those of others might quote anything."""
    if isinstance(error, FhennError):
        return typed_answer(error)
    names = {MemoryError: MEMORY, _NoWitness: NO_WITNESS, _NoModel: NO_MODEL, FileNotFoundError: GONE}
    if type(error) in names:
        return {"error": names[type(error)]}
    if isinstance(error, _TooLarge):
        return {"error": TOO_LARGE, "size": error.size}
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames][-3:]
    name = REFUSED if isinstance(error, _SEALS) else UNEXPECTED
    return {"error": name, "cause": type(error).__name__, "where": where}


class _NoModel(Exception):
    """The version of a model that was asked for is not there."""


class _TooLarge(Exception):
    """The answer would be larger than it may be."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class _NoWitness(Exception):
    """A witness was asked for, and the plan has none."""


def ciphertexts_in(data: Buffer) -> int:
    """How many ciphertexts a message claims to hold; of its header, the size alone is looked at.

    data: the message, of which no copy is made.

    Raises WireFormatError where its structure is broken.
    """
    from fhenn.wire import body_of

    try:
        return sum(number == _CIPHERTEXT for number, _ in _fields(data))
    except WireFormatError:
        body_of("ciphertexts", data)  # says more of what is no such message at all
        raise


def is_quickly_counted(data: Buffer) -> bool:
    """Whether `ciphertexts_in` takes no longer than what a request takes anyway, however the message was made.

    data: the message.

    Raises WireFormatError where its structure is broken.
    """
    return sum(1 for _ in islice(_fields(data), _FEW + 1)) <= _FEW


def _fields(data: Buffer) -> Iterator[tuple[int, Any]]:
    """The fields of the body of a message. Raises WireFormatError."""
    from fhenn.protobuf import read_fields
    from fhenn.wire import body_of, start_of_body

    view = memoryview(data)
    start = start_of_body("ciphertexts", bytes(view[:_START]))
    if start is None or start > len(view):
        body_of("ciphertexts", data)  # raises
    return read_fields("TenSEAL message", view[start:])


def bytes_of_answer(model: Any, plan: Any, ciphertexts: int, witness: bool) -> int:
    """About how many bytes an answer will have, before anything is computed.

    model: that will run.
    plan: that it runs by.
    ciphertexts: of the upload.
    witness: whether the answer will hold witnesses.

    A group of samples that share ciphertexts has as many of them in the answer as the layout needs for the outputs;
    each holds two polynomials with the primes that are left, in as many bytes as their bits.
    """
    from fhenn.nn import Affine, circuit, deepest

    nodes = circuit(model)
    wide = [node.outputs for node in nodes if isinstance(node, Affine)]
    groups = -(-ciphertexts // plan.ciphertexts_per_sample)
    slots = plan.parameters.slots
    together = plan.samples_per_ciphertext
    tiles = 1 if not plan.targets or plan.targets[-1] is None else plan.targets[-1].tiles

    def size(outputs: int, level: int) -> int:
        count = plan.layout.ciphertexts((together, outputs), slots) if together == slots else tiles
        return int(groups * count * plan.parameters.ring_degree * sum(plan.parameters.chain[: level + 1]) // 4)

    level = plan.parameters.levels - sum(node.cost for node in deepest(nodes))
    outputs = wide[-1] if wide else plan.features
    total = size(outputs, max(level, 0))
    if witness:
        total += sum(size(1 if each.neurons > 1 else outputs, each.level) for each in plan.witnesses)
    return total


def _trim() -> None:
    """Give memory that is free back to the system, where the C library can (glibc)."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return
