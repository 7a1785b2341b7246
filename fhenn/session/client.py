"""The client: holds the data and the secret key."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import nan
from numbers import Integral
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import context_class, runs_on
from fhenn.ckks import CipherArray, Context, decrypt, decrypt_with_errors, encrypt_to_bytes
from fhenn.columns import samples
from fhenn.errors import (
    AnswerMismatch,
    BoundsExceeded,
    BudgetUnknown,
    ParameterError,
    PartRefused,
    PlanError,
    RangeViolation,
    RangeWarning,
    ShapeMismatch,
    SharingRefused,
    ViolationReport,
)
from fhenn.nn.finish import finished
from fhenn.planner import Plan
from fhenn.planner.demands import allowance, memory_of_keys, memory_of_upload, require_memory
from fhenn.planner.flooding import MOST_BITS, MOST_QUERIES, STATISTICAL_BITS
from fhenn.planner.overflow import largest_beside
from fhenn.planner.plan import require_plan
from fhenn.planner.scaling import scale
from fhenn.ranges import box_of
from fhenn.safety import Budget, BudgetFile, Certificate, SharingBudget, UnknownBudget, flooded
from fhenn.session.answer import Answer, binding_of
from fhenn.session.matching import require_binding, require_keys, require_result
from fhenn.session.receipt import Receipt, digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.secret import secret_from_bytes, secret_to_bytes
from fhenn.session.stream import EncryptedStream, Tally, iterate
from fhenn.session.violations import Suspicion, add_outputs, fits, read_witnesses
from fhenn.steps import report_progress
from fhenn.text import apart
from fhenn.uncopied import Uncopied
from fhenn.wire import kind_of

OnViolation = Literal["raise", "mask", "warn"]
"""What to do about samples whose values left an activation's domain."""

_MOST_SENT = 1 << 16
"""Uploads whose answers a client recognises without a receipt; they take some 10 MB."""


_PART = 4 << 20
"""Bytes of a part of a stream, about, where one group of samples that share ciphertexts takes fewer."""


class Client(Uncopied):
    """Makes keys for a plan, encrypts samples, decrypts answers.

    plan: from `fhenn.plan`, for the model that the server runs.
    progress: called with (what, done, total) while keys are made, samples encrypted and answers decrypted.
    certificate: from `fhenn.certify`; it must hold for the plan. None for none.
    memory: bytes that the keys, or the ciphertexts of one sample, may take. None for 400 MB where the plan was read,
        since a stranger may have written it, and for no bound where `fhenn.plan` made it in this process.

    Raises PlanError before any key is made where the plan needs more memory, and where it states less error than any
    model of its shape has, since results would be shared with too little noise (`fhenn.planner.floor`). Raises
    ParameterError, CertificateInvalid.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
    >>> plan = fhenn.plan(model, bounds=[-1, 1])
    >>> client = Client(plan)
    >>> server = fhenn.Server(model, plan, client.evaluation_keys())
    >>> client.decrypt(server.predict(client.encrypt([[0.75, 0.5]]))).round(3)
    array([[0.25]])
    """

    _instead = (
        "It holds the secret key: keep secret_bytes(passphrase), and restore with Client.from_secret_bytes(plan, …)."
    )

    def __init__(
        self,
        plan: Plan,
        *,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        certificate: Certificate | None = None,
        memory: float | None = None,
    ) -> None:
        require_plan(plan)
        if certificate is not None:
            certificate.require(plan)
        plan.require_errors()
        self._plan, self._certificate = plan, certificate
        self._budget: SharingBudget = Budget()
        self._progress = progress
        self._memory = allowance(plan, memory)
        require_memory("the keys", memory_of_keys(plan), self._memory)
        self._sent, self._sent_lock = dict[str, tuple[int, int]](), Lock()
        progress("keys", 0, 1)
        self._context: Context = context_class(runs_on(plan.evaluator)).generate(plan.parameters)
        self._evaluation_keys: bytes | None = self._context.evaluation_bytes(
            plan.rotation_keys, plan.relinearisation_level
        )
        progress("keys", 1, 1)

    @classmethod
    def from_secret_bytes(
        cls,
        plan: Plan,
        data: bytes,
        passphrase: str | None = None,
        *,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        certificate: Certificate | None = None,
        budget: str | Path | None = None,
        memory: float | None = None,
    ) -> Self:
        """A client with a secret key that was kept.

        plan: that the key was made for.
        data: bytes of `secret_bytes`.
        passphrase: that they were encrypted with, None where they were not.
        progress: as for a new client.
        certificate: as for a new client.
        budget: the file of `keep_budget` that counts what is shared. Without it the client shares nothing, since other
            copies of the bytes may have shared all that is allowed.
        memory: as for a new client.

        Raises PlanError where the key was made for other parameters, or the plan states too little error, SecretLocked
        for a passphrase that is missing or wrong, CertificateInvalid, WireFormatError, UnsupportedOperation where the
        plan's evaluator keeps no secret keys.
        """
        require_plan(plan)
        if certificate is not None:
            certificate.require(plan)
        plan.require_errors()
        context, spent = secret_from_bytes(context_class(runs_on(plan.evaluator)), data, passphrase)
        if context.parameters_fingerprint != plan.parameters.fingerprint:
            raise PlanError("the secret key was made for other parameters.", "Use the plan that it was made for.")
        client = cls.__new__(cls)
        client._plan, client._certificate = plan, certificate
        client._budget = UnknownBudget(spent) if budget is None else BudgetFile(budget, context.fingerprint, spent)
        client._progress, client._context, client._evaluation_keys = progress, context, None
        client._memory = allowance(plan, memory)
        client._sent, client._sent_lock = {}, Lock()
        return client

    def __repr__(self) -> str:
        # the fingerprint is of the key's public side
        plan = self._plan
        return (
            f"Client(N={plan.parameters.ring_degree}, layout={plan.layout_name!r}, features={plan.features}, "
            f"keys={self.fingerprint}, plan={plan.fingerprint})"
        )

    def secret_bytes(self, passphrase: str | None = None) -> bytes:
        """The secret key as a message for `from_secret_bytes`: for the client's own disk, and nobody else.

        No file is written. Whoever restores the key can share results only with the file of `keep_budget`.

        passphrase: encrypts the key (scrypt, AES-256-GCM); None leaves it in the clear.

        Raises SecretLocked for an empty passphrase, ExtraMissing for one without `cryptography`, UnsupportedOperation
        where the plan's evaluator keeps no secret keys.

        >>> import fhenn
        >>> client = Client(fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1]))
        >>> Client.from_secret_bytes(client.plan, client.secret_bytes()).fingerprint == client.fingerprint
        True
        """
        return secret_to_bytes(self._context, self._budget.spent, passphrase)

    def keep_budget(self, path: str | Path, spent: float | None = None, *, overwrite: bool = False) -> None:
        """Count in a new file from now on what is shared under this key: keep it beside the key, and copy neither.

        path: of the file, for `from_secret_bytes(…, budget=path)`. Every process that shares results under this key
            must name the same file.
        spent: the fraction of the budget that is spent already, from 0 to 1: a sample shared for q queries is 1/q.
            None for what this client knows.
        overwrite: whether a file of that name may be replaced.

        Raises BudgetUnknown where the client was restored and no fraction is given, ParameterError where the fraction
        is less than what the client knows, FileExists, OSError.

        >>> import fhenn, tempfile
        >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1], layout="throughput", queries=10)
        >>> client, folder = Client(plan), tempfile.TemporaryDirectory()
        >>> client.keep_budget(f"{folder.name}/secret.budget")
        >>> again = Client.from_secret_bytes(plan, client.secret_bytes(), budget=f"{folder.name}/secret.budget")
        >>> folder.cleanup()
        """
        known = self._budget.spent
        if spent is None and not isinstance(self._budget, Budget):
            raise BudgetUnknown(
                "the key was restored, so other copies of it may have shared results.",
                "Say how much of its budget is spent: keep_budget(path, spent=…).",
            )
        if spent is not None and spent < known:
            least, given = apart(known, spent)
            raise ParameterError(
                f"spent must be at least {least}, which this client has spent already, not {given}.",
                f"Pass {known!r} or more, or make new keys.",
            )
        spent = known if spent is None else spent
        self._budget = BudgetFile.create(path, self.fingerprint, spent, overwrite=overwrite)

    @property
    def plan(self) -> Plan:
        """The plan that the keys were made for."""
        return self._plan

    @property
    def fingerprint(self) -> str:
        """Identifies the key generation, in 16 hexadecimal digits."""
        return self._context.fingerprint

    def evaluation_keys(self) -> bytes:
        """What the server needs to compute: public, relinearisation and rotation keys. Never the secret key.

        A restored client makes them anew; a server can also go on with those that it has.

        Raises PlanError where a restored client would need more memory for them than it may take.
        """
        if self._evaluation_keys is None:
            require_memory("the keys", memory_of_keys(self._plan), self._memory)
            self._evaluation_keys = self._context.evaluation_bytes(
                self._plan.rotation_keys, self._plan.relinearisation_level
            )
        return self._evaluation_keys

    def encrypt(self, x: Any) -> bytes:
        """Encrypt samples for the server.

        x: of shape (samples, features), or (features,) for one sample: an array, or a table with named columns such as
            a DataFrame, whose columns must be the plan's features, in any order.

        Returns a message for `Server.predict`.
        Raises ShapeMismatch for another number of features or no samples, NonFiniteValue, UnsupportedValue,
        BoundsExceeded where values leave the bounds that were declared to the plan, which the server could not see,
        and PlanError where the ciphertexts of one sample need more memory than the client may take.
        """
        values = self._samples(x)
        if len(values) == 0:
            raise self._unfit(values)
        return self._encrypt(values, 0, {})

    def encrypt_stream(self, rows: Any) -> EncryptedStream:
        """Encrypt samples for the server part by part, in memory that does not grow with them.

        rows: samples as `encrypt` takes them, or an iterator of such tables or arrays, of any sizes each.

        Returns the messages for `Server.predict_stream`, the last of which ends them: an iterator, which makes each
        when it is asked for, and has the `receipt` of all then.
        Raises, as messages are taken, what `encrypt` raises; WireFormatError where there are no samples.

        >>> import fhenn
        >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
        >>> plan = fhenn.plan(model, bounds=[-1, 1])
        >>> client = Client(plan)
        >>> server = fhenn.Server(model, plan, client.evaluation_keys())
        >>> stream = client.encrypt_stream(iter([[[0.75, 0.5]], [[0.5, 0.25], [0.0, 1.0]]]))
        >>> answers = server.predict_stream(stream)
        >>> np.concatenate(list(client.decrypt_stream(answers))).round(3).tolist()
        [[0.25], [0.25], [-1.0]]
        """
        stream = token_hex(16)
        return EncryptedStream(
            self._parts(rows if hasattr(rows, "__next__") else iter([rows])),
            lambda values, part: self._encrypt(values, part, {"stream": stream}),
        )

    def _parts(self, tables: Iterator[Any]) -> Iterator[NDArray[np.float64]]:
        """Samples in as many as a part holds: whole ciphertexts."""
        plan = self._plan
        group = plan.samples_per_ciphertext
        most = group * max(1, _PART // (plan.ciphertexts_per_sample * plan.bytes_per_ciphertext))
        waiting = np.empty((0, plan.features))
        for table in tables:
            waiting = np.concatenate([waiting, self._samples(table)])
            while len(waiting) >= most:
                yield waiting[:most]
                waiting = waiting[most:]
        if len(waiting):
            yield waiting

    def _samples(self, x: Any) -> NDArray[np.float64]:
        """Samples as an array (samples, features). Raises as `encrypt` does."""
        values = samples(x, self._plan.feature_names, "encrypt", one=True)
        values = values[None, :] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] != self._plan.features:
            raise self._unfit(values)
        return values

    def _unfit(self, values: NDArray[np.float64]) -> ShapeMismatch:
        return ShapeMismatch("encrypt", values.shape, f"(samples, {self._plan.features}), at least one sample")

    def _encrypt(self, values: NDArray[np.float64], part: int, named: dict[str, str]) -> bytes:
        """The message of a part.

        values: (samples, features).
        part: its place in the upload.
        named: what its header says besides.
        """
        self.require_bounds(values)
        require_memory("the ciphertexts of one sample", memory_of_upload(self._plan), self._memory)
        header = {"part": part, "plan": self._plan.fingerprint, **named}
        with report_progress(self._progress, "encrypt"):
            message = encrypt_to_bytes(
                self._context, self._prepare(values), layout=self._plan.layout, samples=len(values), upload=header
            )
        self._remember(message, part, len(values))
        return message

    def _remember(self, message: bytes, part: int, samples: int) -> None:
        """Note the digest of a part, to recognise the answer to it; only the latest are kept."""
        with self._sent_lock:
            self._sent[digest_of(message)] = (part, samples)
            while len(self._sent) > _MOST_SENT:
                del self._sent[next(iter(self._sent))]

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
        excess = np.maximum(floor - values, values - ceiling)
        if excess.max() > 0:
            features, strays = (tuple(map(int, np.flatnonzero(excess.max(axis=axis) > 0))) for axis in (0, 1))
            row, feature = map(int, np.unravel_index(int(excess.argmax()), excess.shape))
            largest, bounds = float(values[row, feature]), (float(low[feature]), float(high[feature]))
            names = self._plan.feature_names or ()
            stray_names = tuple(names[place] for place in features if names)
            raise BoundsExceeded(features, largest, *bounds, strays, (row, feature), stray_names)

    def decrypt(
        self,
        answer: bytes,
        *,
        receipt: Receipt | None = None,
        on_violation: OnViolation = "raise",
        range_check: bool = True,
        unbound: bool = False,
        share: bool = False,
        queries: int | None = None,
        bits: int = STATISTICAL_BITS,
    ) -> Any:
        """The model's answer, after the plan's finish.

        answer: a message of `Server.predict`.
        receipt: of the upload that it must be the answer to (`fhenn.session.Receipt.of(upload)`); None for any upload
            that this client made.
        on_violation: what to do about samples whose values left an activation's domain: "raise" RangeViolation, which
            names them, "mask" them in a masked array, or "warn". They are known by the answer's witnesses, and by
            outputs that no values inside the domains can give. Where one was so large that it may have spoilt those
            that share its ciphertext, these are treated alike, and named apart (`ViolationReport.condemned`). A server
            that sees a sample again after that learns that it was one of them.
        range_check: False accepts an answer without the witnesses that the plan has: then nobody sees that a value left
            its range.
        unbound: True accepts an answer that does not say what it answers, as servers of format version 1 make them: it
            may be the answer to other samples.
        share: False for results that stay with the holder of the secret key, since a CKKS decryption carries traces of
            it (Li & Micciancio 2021). True for results that others may see: noise hides those traces. It is sized by
            the worst case, not the average (Guo et al. 2024); `fhenn.planner.flooding` says what remains heuristic.
            The samples count against the budget of this client's key, which a restored client reads from its file
            (`keep_budget`). Witnesses are read without that noise, so which samples they name, and which are masked, is
            for the holder of the key alone; what is shared holds NaN, or a fixed label, in their place, and under
            "warn" nothing is shared.
        queries: samples whose results will be shared under this key in all; None for the plan's own number.
        bits: of statistical security that the noise gives against whoever sees those results.

        Returns the scores, of shape (samples, outputs), or what the plan's finish makes of them.
        Raises WireFormatError, ContextMismatch, AnswerMismatch, RangeViolation, SharingRefused, ParameterError.
        """
        noise = self._noise_for(queries, bits) if share else None
        scores, report = self._decrypt(answer, receipt, on_violation, range_check, unbound, noise)
        return _mask(finished(self._plan.finish, scores), report, on_violation)

    def decrypt_stream(
        self, answers: Iterable[bytes] | bytes, *, receipt: Receipt | None = None, scores: bool = False, **options: Any
    ) -> Iterator[Any]:
        """The model's answers to a stream, part by part, in their order.

        answers: messages of `Server.predict_stream`, or all of them as `join` writes them.
        receipt: of the stream that they must be the answer to (`EncryptedStream.receipt`); None for any that this
            client made.
        scores: whether to leave out the plan's finish, as `decrypt_scores` does.
        options: what else `decrypt` takes.

        Returns, for each part, what `decrypt` returns. Where the server refused a part, all its samples are masked if
        `on_violation` is "mask".
        Raises, as results are taken, what `decrypt` raises; WireFormatError where a part is missing, comes twice or out
        of its order, or the stream stops before its end; PartRefused.
        """
        tally, messages = Tally("answer"), iterate(answers)
        for message in messages:
            kind = kind_of(message)
            if kind == "end":
                tally.require_end(message, messages)
                if receipt is not None and tally.parts != len(receipt.parts):
                    raise AnswerMismatch(
                        "number of parts", str(len(receipt.parts)), str(tally.parts), "Ask the server again."
                    )
                return
            if kind == "refusal":
                result = self._refused(message, receipt, scores, **options)
            else:
                result = (self.decrypt_scores if scores else self.decrypt)(message, receipt=receipt, **options)
            binding = binding_of(message)
            tally.add(0 if binding is None else binding.part, len(result), digest_of(message))
            yield result
        raise tally.cut_off

    def _refused(
        self, message: bytes, receipt: Receipt | None, scores: bool, on_violation: OnViolation = "raise", **_: Any
    ) -> Any:
        """Masked results of a part that the server refused. Raises PartRefused unless `on_violation` is "mask"."""
        refusal = Refusal.from_bytes(message)
        samples = require_binding(refusal.binding, self._plan, receipt, self._sent, unbound=False)
        if samples != refusal.samples:
            raise AnswerMismatch("number of samples", str(samples), str(refusal.samples), "Ask the server again.")
        if on_violation != "mask" or self._plan.result is None:
            raise PartRefused(refusal.binding.part, refusal.samples, refusal.reason)
        empty = np.full((refusal.samples, self._plan.result.outputs), nan)
        return np.ma.masked_array(empty if scores else finished(self._plan.finish, empty), mask=True)

    def decrypt_scores(
        self,
        answer: bytes,
        *,
        receipt: Receipt | None = None,
        on_violation: OnViolation = "raise",
        range_check: bool = True,
        unbound: bool = False,
        share: bool = False,
        queries: int | None = None,
        bits: int = STATISTICAL_BITS,
    ) -> NDArray[np.float64]:
        """The model's scores, without the plan's finish.

        The arguments are those of `decrypt`, and so are the errors that it raises.

        Returns an array of shape (samples, outputs).
        """
        noise = self._noise_for(queries, bits) if share else None
        scores, report = self._decrypt(answer, receipt, on_violation, range_check, unbound, noise)
        masked: NDArray[np.float64] = _mask(scores, report, on_violation)
        return masked

    def violations(
        self, answer: bytes, *, receipt: Receipt | None = None, range_check: bool = True, unbound: bool = False
    ) -> ViolationReport | None:
        """Which samples had values that left a domain, as `decrypt` finds them.

        The arguments are those of `decrypt`.

        Returns None where no such sample can be told.
        Raises WireFormatError, ContextMismatch, AnswerMismatch.
        """
        return self._read(answer, receipt, range_check, unbound, None)[1]

    def _noise_for(self, queries: int | None, bits: int) -> tuple[int, int]:
        """The queries and bits that noise is for; None for the plan's own queries. Raises ParameterError."""
        way_out = (
            "Say how many samples' results will be shared under this key: plan(…, queries=…), or "
            "decrypt(…, share=True, queries=…)."
        )
        queries = _require_count("queries", self._plan.queries if queries is None else queries, MOST_QUERIES, way_out)
        return queries, _require_count("bits", bits, MOST_BITS, f"Leave it out for {STATISTICAL_BITS}.")

    def _decrypt(
        self,
        answer: bytes,
        receipt: Receipt | None,
        on_violation: OnViolation,
        range_check: bool,
        unbound: bool,
        noise: tuple[int, int] | None,
    ) -> tuple[NDArray[np.float64], ViolationReport | None]:
        """Scores and report, after what `on_violation` and the sharing budget ask for. Raises as `decrypt` does."""
        if on_violation not in get_args(OnViolation):
            raise ParameterError(
                f"on_violation must be one of {', '.join(map(repr, get_args(OnViolation)))}, not {on_violation!r}.",
                "Leave it out to raise a RangeViolation.",
            )
        scores, report = self._read(answer, receipt, range_check, unbound, noise)
        if report is not None and on_violation == "raise":
            raise RangeViolation(report)
        if report is not None and on_violation == "warn":
            if noise is not None:
                raise SharingRefused(
                    f"{report}", "Share the others: on_violation='mask' leaves nothing of those samples in the result."
                )
            warnings.warn(RangeWarning(report), stacklevel=3)
        if report is not None and noise is not None:
            scores[list(report.samples)] = nan  # what is masked travels with the array
        if noise is not None:
            self._budget.take(len(scores), int(noise[0]))
        return scores, report

    def _read(
        self,
        answer: bytes,
        receipt: Receipt | None,
        range_check: bool,
        unbound: bool,
        noise: tuple[int, int] | None,
    ) -> tuple[NDArray[np.float64], ViolationReport | None]:
        """Scores, with noise for (queries, bits) where `noise` is given, and which samples left a domain."""
        parts = Answer.from_bytes(answer)
        require_keys(self._context, parts)
        samples = require_binding(parts.binding, self._plan, receipt, self._sent, unbound)
        if range_check and self._plan.witnesses and not parts.witnesses:
            raise AnswerMismatch(
                "number of witnesses",
                str(len(self._plan.witnesses)),
                "0",
                "Ask the server again, with range_check=True. Or accept this answer, in which nobody sees that a value "
                "left its range: decrypt(…, range_check=False), or decrypt --no-range-check.",
            )
        with report_progress(self._progress, "decrypt"):
            array = require_result(self._context, self._plan, parts.result, samples)
            suspicion = read_witnesses(self._context, self._plan, parts.witnesses, (array.shape[0], array.shape[1]))
            if noise is None:
                scores = decrypt(self._context, array)
                self._judge(suspicion, array, scores, self._plan.error)
            else:
                scores = self._decrypt_with_noise(array, suspicion, *noise)
        return scores * self._plan.units if self._plan.units else scores, suspicion.report()

    def _judge(
        self, suspicion: Suspicion, array: CipherArray, scores: NDArray[np.float64], error: float
    ) -> NDArray[np.bool_]:
        """Note what scores in units of the outputs show. Returns the samples that must not be used, (samples,).

        error: the largest that a score may have.
        """
        plan, units = self._plan, np.array(self._plan.units or 1.0)
        over = ~np.all(np.abs(scores) <= largest_beside(fits(self._context, array), plan.error), axis=1)
        add_outputs(suspicion, plan, self._certificate, scores * units, over, error * units)
        return suspicion.flagged

    def _decrypt_with_noise(
        self, array: CipherArray, suspicion: Suspicion, queries: int, bits: int
    ) -> NDArray[np.float64]:
        """Scores with noise that hides the key; of samples under suspicion nothing but the noise.

        The guard sees what others will: which samples it names says nothing more of the key. Raises SharingRefused.
        """
        plan, flagged = self._plan, suspicion.flagged
        scores, seen = decrypt_with_errors(self._context, array)
        scores[flagged], seen[flagged] = 0.0, 0.0
        flag = partial(self._judge, suspicion, array, error=plan.accuracy)
        return flooded(scores, plan, queries, bits, scale=array.scale, seen=seen, flag=flag)


def _require_count(name: str, count: int, most: int, way_out: str) -> int:
    """`count` as an int. Raises ParameterError where it is not a whole number from 1 to `most`."""
    if not isinstance(count, Integral) or not 0 < count <= most:
        raise ParameterError(f"{name} must be a whole number from 1 to {most:,}, not {count!r}.", way_out)
    return int(count)


def _mask(values: Any, report: ViolationReport | None, on_violation: OnViolation) -> Any:
    """`values`, as an array that masks the samples of the report where `on_violation` is "mask"."""
    if on_violation != "mask":
        return values
    masked = np.ma.masked_array(values, mask=False)
    if report is not None:
        masked[list(report.samples)] = np.ma.masked
    return masked
