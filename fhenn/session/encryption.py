"""What encrypts samples for a server: by the secret key (`Client`), or by the public one (`Encryptor`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import context_class, runs_on
from fhenn.ckks import Context, encrypt_to_bytes
from fhenn.columns import Preparing, Table, as_features, features_of, samples
from fhenn.cores import cores
from fhenn.errors import (
    AnswerMismatch,
    BoundsExceeded,
    ContextMismatch,
    NonFiniteValue,
    ParameterError,
    PlanError,
    PreparationMismatch,
    ShapeMismatch,
    WireFormatError,
)
from fhenn.planner import Plan
from fhenn.planner.demands import allowance, memory_of_upload, require_memory
from fhenn.planner.plan import require_plan
from fhenn.planner.scaling import scale
from fhenn.ranges import box_of
from fhenn.session.crew import crew, encrypt_part
from fhenn.session.receipt import UploadHeader
from fhenn.session.stream import EncryptedStream, SubmitSamples, at_once
from fhenn.steps import report_progress
from fhenn.wire import as_bytes, header_of, kind_of, unframe

_PART = 4 << 20
"""Bytes of a part of a stream, about, where one group of samples that share ciphertexts takes fewer."""
_MOST_WORKERS = 1 << 10

_ITS_OWN = "Take the plan and the preparation of one message, as the server sends them."
_NEEDED = (
    "Give it: Client(plan, preparation=model.preparation), or for preparation= what comes with the plan "
    "(fhenn.artifacts.preparation_from_bytes)."
)


class Encrypting(ABC):
    """Encrypts samples as a plan says.

    plan: that the keys were made for.
    context: with the keys.
    memory: bytes that the ciphertexts of one sample may take.
    progress: called with (what, done, total) while samples are encrypted.
    public_key: whether it is the public key that encrypts.
    """

    def __init__(
        self,
        plan: Plan,
        context: Context,
        memory: float,
        progress: Callable[[str, int, int], None],
        public_key: bool,
        preparation: Preparing | None,
    ) -> None:
        if preparation is not None and preparation.fingerprint != plan.preparation:
            raise PreparationMismatch.between(plan.preparation, preparation.fingerprint, _ITS_OWN)
        self._plan, self._context, self._memory, self._progress = plan, context, memory, progress
        self._public_key, self._preparation = public_key, preparation

    @property
    def plan(self) -> Plan:
        """The plan that the keys were made for."""
        return self._plan

    @property
    def fingerprint(self) -> str:
        """Identifies the key generation, in 16 hexadecimal digits."""
        return self._context.fingerprint

    @abstractmethod
    def _restoring(self) -> Callable[[], Encrypting]:
        """What makes one like this in another process."""

    @abstractmethod
    def _remember(self, message: bytes) -> None:
        """Note what was encrypted."""

    def encrypt(self, x: Any) -> bytes:
        """Encrypt samples for the server.

        x: of shape (samples, features), or (features,) for one sample: an array, or a table with named columns such as
            a DataFrame, whose columns must be the plan's features, in any order. Where the plan is for images, they may
            have its `shape`. Where it names a preparation, a raw table, or what `Preparation.prepared` made of one.

        Returns a message for `Server.predict`.
        Raises ShapeMismatch for another number of features or no samples, NonFiniteValue, UnsupportedValue,
        BoundsExceeded where values leave the bounds that were declared to the plan, which the server could not see,
        PlanError where the ciphertexts of one sample need more memory than the client may take, PreparationMismatch
        where the plan names a preparation and there is none, and what `Preparation.prepare` does.
        """
        values = self._samples(x)
        if len(values) == 0:
            raise self._unfit(values)
        self._require_fit(values, 0)
        message = self._encrypt_part(values, 0, None)
        self._remember(message)
        return message

    def encrypt_stream(self, rows: Any, *, workers: int | None = 1, after: Iterable[bytes] = ()) -> EncryptedStream:
        """Encrypt samples for the server part by part, in memory that does not grow with them.

        rows: samples as `encrypt` takes them, or an iterator of such tables or arrays, of any sizes each; for a list of
            tables, `iter(tables)`.
        workers: processes that encrypt, where there are more than a few parts; 1 for this one, None for one a core.
            Each holds the key.
        after: messages of the same rows that were made before, up to where they were broken off, or all of them; the
            stream goes on after them.

        Returns the messages for `Server.predict_stream`: an iterator, which makes each when it is asked for, and has
        the `receipt` of all then. The last ends them, unless all samples fit one part: that is a message by itself, as
        `encrypt` makes it.
        Raises, as messages are taken, what `encrypt` raises; WireFormatError where there are no samples, or `after` are
        not the first parts of a stream; ContextMismatch where they are of another key, AnswerMismatch where they are of
        another plan; WorkersEnded, and UnsupportedOperation where the plan's evaluator keeps no secret keys that
        processes could be given.

        >>> import fhenn
        >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
        >>> plan = fhenn.plan(model, bounds=[-1, 1])
        >>> client = fhenn.Client(plan)
        >>> server = fhenn.Server(model, plan, client.evaluation_keys())
        >>> stream = client.encrypt_stream(iter([[[0.75, 0.5]], [[0.5, 0.25], [0.0, 1.0]]]))
        >>> answers = server.predict_stream(stream)
        >>> np.concatenate(list(client.decrypt_stream(answers))).round(3).tolist()
        [[0.25], [0.25], [-1.0]]
        """
        workers = require_workers(workers)
        tables = rows if hasattr(rows, "__next__") else iter([rows])
        encryption = partial(self._encryption, workers)
        return EncryptedStream(partial(self._parts, tables), encryption, self._remember, self._own(after))

    def _own(self, messages: Iterable[bytes]) -> Iterator[bytes]:
        """Messages of an upload, each once it is known to be this client's. Raises as `encrypt_stream` does."""
        for message in messages:
            if kind_of(message) == "end":
                yield message
                continue
            header = UploadHeader.of(message)
            unframe("ciphertexts", message)  # its digest
            keys = str(header_of(message).meta.get("fingerprint"))[:16]
            if keys != self.fingerprint:
                raise ContextMismatch(self.fingerprint, keys)
            if header.plan != self._plan.fingerprint:
                raise AnswerMismatch("plan", self._plan.fingerprint, str(header.plan), "Encrypt from the start.")
            yield message

    @contextmanager
    def _encryption(self, workers: int, several: bool) -> Iterator[tuple[SubmitSamples, int]]:
        """What begins to encrypt a part, and how many at once: in processes where there are more than a few."""
        if workers == 1 or not several:
            yield lambda values, part, stream: at_once(self._encrypt_part(values, part, stream)), 1
            return
        with crew(self._restoring(), workers) as submit:
            yield lambda values, part, stream: submit(encrypt_part, values, part, stream), 2 * workers

    def _parts(self, tables: Iterator[Any], made: int) -> Iterator[NDArray[np.float64]]:
        """Samples in as many as a part holds: whole ciphertexts; without so many that were made before."""
        plan = self._plan
        group = plan.samples_per_ciphertext
        most = group * max(1, _PART // (plan.ciphertexts_per_sample * plan.bytes_per_ciphertext))
        waiting = list[NDArray[np.float64]]()
        left, read, held = made, 0, 0
        for table in tables:
            try:
                values = self._samples(table)
            except NonFiniteValue as error:
                where = f"encrypt, counted after the first {read:,} samples" if read else error.operation
                raise replace(error, operation=where) from None
            if not len(values):
                continue
            self._require_fit(values, read)
            read += len(values)
            skipped = min(left, len(values))
            left -= skipped
            waiting.append(values[skipped:])  # a copy, as whoever gave the rows may fill them anew
            held += len(waiting[-1])
            if held < most:
                continue
            whole = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
            while held >= most:
                yield whole[:most]
                whole, held = whole[most:], held - most
            waiting = [whole]
        if left:
            raise WireFormatError("upload", f"{made} samples were made before, and there are {left} fewer now")
        if held:
            yield np.concatenate(waiting)

    def _samples(self, x: Any) -> NDArray[np.float64]:
        """Samples as an array (samples, features). Raises as `encrypt` does."""
        x = features_of(x, self._preparation, "encrypt")
        if self._plan.preparation is not None and not (isinstance(x, Table) and x.prepared):
            raise PreparationMismatch.between(self._plan.preparation, None, _NEEDED)
        values = samples(x, self._plan.feature_names, "encrypt", one=True)
        return as_features(values, self._plan.features, self._plan.shape, "encrypt")

    def _require_fit(self, values: NDArray[np.float64], before: int) -> None:
        """Require that samples are within bounds, and their ciphertexts within memory.

        values: (samples, features).
        before: number of samples that came before these, for the error.

        Raises BoundsExceeded, PlanError.
        """
        require_memory("the ciphertexts of one sample", memory_of_upload(self._plan), self._memory)
        try:
            self.require_bounds(values)
        except BoundsExceeded as error:
            furthest = error.furthest and (error.furthest[0] + before, error.furthest[1])
            places = tuple(place + before for place in error.samples)
            raise replace(error, samples=places, furthest=furthest) from None

    def _unfit(self, values: NDArray[np.float64]) -> ShapeMismatch:
        expected = f"(samples, {self._plan.features}), at least one sample"
        return ShapeMismatch("encrypt", values.shape, expected)

    def _encrypt_part(self, values: NDArray[np.float64], part: int, stream: str | None) -> bytes:
        """The message of a part.

        values: (samples, features).
        part: its place in the upload.
        stream: that it names; None for an upload by itself.
        """
        header = {"part": part, "plan": self._plan.fingerprint} | ({} if stream is None else {"stream": stream})
        with report_progress(self._progress, "encrypt"):
            return encrypt_to_bytes(
                self._context,
                self._prepare(values),
                layout=self._plan.layout,
                samples=len(values),
                upload=header,
                public_key=self._public_key,
            )

    def _prepare(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale samples as the plan says, and repeat the last one to fill the last ciphertext.

        Anything else there, zeros or the middle of the bounds, may be what no sample is like: beyond the headroom of a
        plan with ranges from data it would spoil the samples beside it.
        """
        spare = -len(values) % self._plan.samples_per_ciphertext
        filled = np.concatenate([values, np.repeat(values[-1:], spare, axis=0)])
        return scale(filled, *self._plan.bounds) if self._plan.scaled else filled

    def require_bounds(self, values: NDArray[np.float64]) -> None:
        """Raise BoundsExceeded where values are outside the bounds that were declared to the plan.

        values: (samples, features).
        """
        low, high = self._plan.bounds
        floor, ceiling = box_of(low, high) if self._plan.scaled else (low, high)
        if np.all(values.min(axis=0) >= floor) and np.all(values.max(axis=0) <= ceiling):
            return  # as nearly always, in no memory
        excess = np.maximum(floor - values, values - ceiling)
        features, strays = (tuple(map(int, np.flatnonzero(excess.max(axis=axis) > 0))) for axis in (0, 1))
        row, feature = map(int, np.unravel_index(int(excess.argmax()), excess.shape))
        largest, bounds = float(values[row, feature]), (float(low[feature]), float(high[feature]))
        names = self._plan.feature_names or ()
        stray_names = tuple(names[place] for place in features if names)
        raw = None if self._preparation is None else self._preparation.raw_bounds(feature, *bounds)
        raise BoundsExceeded(features, largest, *bounds, strays, (row, feature), stray_names, raw)


class Encryptor(Encrypting):
    """Encrypts samples with the public key, for a `Client` elsewhere that decrypts the answers.

    It holds nothing secret, so that it may stand where data are collected, or on a cluster. Its uploads are twice as
    large as the client's, which sends seeds in the place of random halves.

    plan: of `fhenn.plan(…, public_key=True)`: such ciphertexts err by more, which other plans do not count.
    evaluation_keys: bytes of `Client.evaluation_keys`; bytes that hold a secret key are refused.
    progress: called with (what, done, total) while samples are encrypted.
    memory, preparation: as for `Client`.

    Raises PlanError where the plan is not for such samples, or the keys are of other parameters; PreparationMismatch;
    WireFormatError.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
    >>> plan = fhenn.plan(model, bounds=[-1, 1], public_key=True)
    >>> client = fhenn.Client(plan)
    >>> upload = Encryptor(plan, client.evaluation_keys()).encrypt([[0.75, 0.5]])
    >>> answer = fhenn.Server(model, plan, client.evaluation_keys()).predict(upload)
    >>> client.decrypt(answer, receipt=fhenn.session.Receipt.of(upload)).round(3)
    array([[0.25]])
    """

    def __init__(
        self,
        plan: Plan,
        evaluation_keys: bytes,
        *,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        memory: float | None = None,
        preparation: Preparing | None = None,
    ) -> None:
        require_plan(plan)
        if not plan.public_key:
            raise PlanError(
                "the plan does not count by how much samples err that are encrypted with the public key.",
                "Plan with public_key=True, or encrypt where the secret key is.",
            )
        self._keys = as_bytes("evaluation keys", evaluation_keys)
        context: Context = context_class(runs_on(plan.evaluator)).from_bytes(self._keys)
        if context.parameters_fingerprint != plan.parameters.fingerprint:
            raise PlanError("the keys were made for other parameters.", "Use the plan that they were made for.")
        super().__init__(plan, context, allowance(plan, memory), progress, public_key=True, preparation=preparation)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, is made of the same plan and keys; `progress` stays."""
        return self._restoring(), ()

    def __repr__(self) -> str:
        plan = self._plan
        return (
            f"Encryptor(N={plan.parameters.ring_degree}, layout={plan.layout_name!r}, features={plan.features}, "
            f"keys={self.fingerprint}, plan={plan.fingerprint})"
        )

    def _restoring(self) -> Callable[[], Encrypting]:
        return partial(Encryptor, self._plan, self._keys, memory=self._memory, preparation=self._preparation)

    def _remember(self, message: bytes) -> None:
        pass  # nobody decrypts here


def require_workers(workers: int | None) -> int:
    """A number of processes; None for one a core. Raises ParameterError where it is not from 1 to 1,024."""
    if workers is None:
        return cores()
    return require_count("workers", workers, _MOST_WORKERS, "Leave it out to work in this process alone.")


def require_count(name: str, count: int, most: int, way_out: str) -> int:
    """`count` as an int. Raises ParameterError where it is not a whole number from 1 to `most`."""
    if not isinstance(count, Integral) or not 0 < count <= most:
        raise ParameterError(f"{name} must be a whole number from 1 to {most:,}, not {count!r}.", way_out)
    return int(count)
