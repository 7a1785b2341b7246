"""The client: holds the data and the secret key."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from math import nan
from pathlib import Path
from threading import Lock
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from fhenn.backends import context_class, runs_on
from fhenn.ckks import CipherArray, Context, decrypt, decrypt_with_errors
from fhenn.columns import Preparing
from fhenn.errors import (
    AnswerMismatch,
    BudgetUnknown,
    ParameterError,
    PartRefused,
    PlanError,
    RangeViolation,
    RangeWarning,
    SharingRefused,
    ViolationReport,
)
from fhenn.nn.finish import finished
from fhenn.planner import Plan
from fhenn.planner.demands import allowance, memory_of_keys, require_memory
from fhenn.planner.flooding import MOST_BITS, MOST_QUERIES, STATISTICAL_BITS
from fhenn.planner.overflow import largest_beside
from fhenn.planner.plan import require_plan
from fhenn.safety import Budget, BudgetFile, Certificate, SharingBudget, UnknownBudget, flooded
from fhenn.session.answer import Answer, AnsweredPart, Asked, Binding, OnViolation, binding_of
from fhenn.session.crew import crew, decrypt_part
from fhenn.session.encryption import Encrypting, require_count, require_workers
from fhenn.session.matching import require_binding, require_keys, require_result
from fhenn.session.receipt import Receipt, UploadHeader, digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.secret import secret_from_bytes, secret_to_bytes
from fhenn.session.stream import Tally, are_many, in_order, iterate
from fhenn.session.violations import Suspicion, add_outputs, fits, read_witnesses
from fhenn.steps import report_progress
from fhenn.text import apart
from fhenn.uncopied import Uncopied
from fhenn.wire import kind_of

_MOST_SENT = 1 << 16
"""Uploads whose answers a client recognises without a receipt; they take some 10 MB."""


class Client(Encrypting, Uncopied):
    """Makes keys for a plan, encrypts samples, decrypts answers.

    plan: from `fhenn.plan`, for the model that the server runs.
    progress: called with (what, done, total) while keys are made, samples encrypted and answers decrypted.
    certificate: from `fhenn.certify`; it must hold for the plan. None for none.
    memory: bytes that the keys, or the ciphertexts of one sample, may take. None for 400 MB where the plan was read,
        since a stranger may have written it, and for no bound where `fhenn.plan` made it in this process.
    preparation: that the plan names (`Plan.preparation`), to encrypt raw tables; None for a client that encrypts
        prepared features only, or none.

    Raises PlanError before any key is made where the plan needs more memory, and where it states less error than any
    model of its shape has, since results would be shared with too little noise (`fhenn.planner.floor`). Raises
    PreparationMismatch for another preparation than the plan's, ParameterError, CertificateInvalid.

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
        preparation: Preparing | None = None,
    ) -> None:
        require_plan(plan)
        if certificate is not None:
            certificate.require(plan)
        plan.require_errors()
        allowed = allowance(plan, memory)
        require_memory("the keys", memory_of_keys(plan), allowed)
        progress("keys", 0, 1)
        context: Context = context_class(runs_on(plan.evaluator)).generate(plan.parameters)
        self._begin(plan, context, allowed, Budget(), preparation, progress=progress, certificate=certificate)
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
        preparation: Preparing | None = None,
    ) -> Self:
        """A client with a secret key that was kept.

        plan: that the key was made for.
        data: bytes of `secret_bytes`.
        passphrase: that they were encrypted with, None where they were not.
        progress: as for a new client.
        certificate: as for a new client.
        budget: the file of `keep_budget` that counts what is shared. Without it the client shares nothing, since other
            copies of the bytes may have shared all that is allowed.
        memory, preparation: as for a new client.

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
        kept: SharingBudget = UnknownBudget(spent) if budget is None else BudgetFile(budget, context.fingerprint, spent)
        allowed = allowance(plan, memory)
        client._begin(plan, context, allowed, kept, preparation, progress=progress, certificate=certificate)
        client._evaluation_keys = None
        return client

    def _begin(
        self,
        plan: Plan,
        context: Context,
        memory: float,
        budget: SharingBudget,
        preparation: Preparing | None,
        *,
        progress: Callable[[str, int, int], None],
        certificate: Certificate | None,
    ) -> None:
        """Hold a key."""
        super().__init__(plan, context, memory, progress, public_key=False, preparation=preparation)
        self._certificate, self._budget = certificate, budget
        self._sent, self._sent_lock = dict[str, UploadHeader](), Lock()

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

    def _restoring(self) -> Callable[[], Encrypting]:
        secret = self.secret_bytes()
        return partial(Client.from_secret_bytes, self._plan, secret, certificate=self._certificate, memory=self._memory)

    def _remember(self, message: bytes) -> None:
        """Note the digest of a part, to recognise the answer to it; only the latest are kept."""
        digest, header = digest_of(message), UploadHeader.of(message)
        with self._sent_lock:
            self._sent[digest] = header
            while len(self._sent) > _MOST_SENT:
                del self._sent[next(iter(self._sent))]

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
        asked = Asked(on_violation, range_check, unbound, share, queries, bits)
        return self._decrypt(answer, receipt, self._sent, asked)

    def decrypt_stream(
        self,
        answers: Iterable[bytes] | bytes,
        *,
        receipt: Receipt | None = None,
        scores: bool = False,
        workers: int | None = 1,
        skip: int = 0,
        **options: Any,
    ) -> Iterator[Any]:
        """The model's answers to a stream, part by part, in their order.

        answers: messages of `Server.predict_stream`, or all of them as `join` writes them.
        receipt: of the stream that they must be the answer to (`EncryptedStream.receipt`); None for any that this
            client made.
        scores: whether to leave out the plan's finish, as `decrypt_scores` does.
        workers: processes that decrypt, where there are more than a few parts; 1 for this one, which also does what is
            shared, None for one a core. Each holds the secret key.
        skip: so many parts at the beginning are looked at, but not decrypted.
        options: what else `decrypt` takes.

        Returns, for each part, what `decrypt` returns. Where the server refused a part, all its samples are masked if
        `on_violation` is "mask".
        Raises, as results are taken, what `decrypt` raises; WireFormatError where a part is missing, comes twice or out
        of its order, or the stream stops before its end; PartRefused, WorkersEnded. With a receipt, SharingRefused
        comes before anything is shared where the budget is less than what all samples take. UnsupportedOperation where
        the plan's evaluator keeps no secret keys that processes could be given.
        """
        asked = Asked(**options)
        count = require_workers(workers)
        if asked.share and receipt is not None:  # none of the samples, rather than those of the first parts
            left = sum(part.samples for part in receipt.parts[skip:])
            if left:
                self._budget.require(left, self._noise_for(asked.queries, asked.bits)[0])
        parts = self._answers(answers, receipt, asked.unbound)
        for _ in zip(range(skip), parts, strict=False):
            pass
        several = count > 1 and not asked.share
        if several:
            several, parts = are_many(parts)
        if not several:
            for part in parts:
                yield self._decrypt_part(part, scores, asked)
            return
        with crew(self._restoring(), count) as submit:
            for result, told in in_order(parts, lambda part: submit(decrypt_part, part, scores, asked), 2 * count):
                for warning in told:
                    warnings.warn(warning, stacklevel=2)
                yield result

    def _answers(
        self, answers: Iterable[bytes] | bytes, receipt: Receipt | None, unbound: bool
    ) -> Iterator[AnsweredPart]:
        """The parts of a stream, each once it is known to be an answer to what was sent.

        Raises as `decrypt_stream` does.
        """
        tally, messages = Tally("answer"), iterate(answers)
        for message in messages:
            if kind_of(message) == "end":
                tally.require_end(message, messages)
                break
            binding = binding_of(message)
            samples = require_binding(binding, self._plan, receipt, self._sent, unbound)
            part = 0 if binding is None else binding.part
            sent = None if samples is None else UploadHeader(part, samples, self._plan.fingerprint)
            stream = self._stream_of(binding, receipt)
            before = tally.samples
            tally.add(part, 1 if samples is None else samples, digest_of(message), stream)
            yield AnsweredPart(message, None if binding is None else binding.upload, sent, before)
        else:
            if not tally.alone:
                raise tally.cut_off
        made = self._parts_made(tally.stream) if receipt is None else len(receipt.parts)
        if made is not None and tally.parts != made:
            raise AnswerMismatch("number of parts", str(made), str(tally.parts), "Ask the server again.")

    def _stream_of(self, binding: Binding | None, receipt: Receipt | None) -> str | None:
        """The stream of the part that is answered; None for an upload by itself, empty where a receipt tells."""
        if binding is None:
            return None
        if receipt is None:
            return self._sent[binding.upload].stream
        return None if len(receipt.parts) == 1 else ""

    def _parts_made(self, stream: str | None) -> int | None:
        """How many parts of a stream this client made; None where it does not know of it."""
        with self._sent_lock:
            places = [header.part for header in self._sent.values() if header.stream == stream]
        return None if stream is None or not places else max(places) + 1

    def _decrypt_part(self, part: AnsweredPart, scores: bool, asked: Asked) -> Any:
        """The result of a part, in which places of samples count from the first of the stream.

        Raises as `decrypt_stream` does.
        """
        if kind_of(part.message) == "refusal":
            return self._refused(part, scores, asked.on_violation)
        sent = {} if part.upload is None or part.sent is None else {part.upload: part.sent}
        return self._decrypt(part.message, None, sent, asked, part.before, scores)

    def _refused(self, part: AnsweredPart, scores: bool, on_violation: OnViolation) -> Any:
        """Masked results of a part that the server refused. Raises PartRefused unless `on_violation` is "mask"."""
        refusal = Refusal.from_bytes(part.message)
        samples = None if part.sent is None else part.sent.samples
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
        asked = Asked(on_violation, range_check, unbound, share, queries, bits)
        scores: NDArray[np.float64] = self._decrypt(answer, receipt, self._sent, asked, only_scores=True)
        return scores

    def violations(
        self, answer: bytes, *, receipt: Receipt | None = None, range_check: bool = True, unbound: bool = False
    ) -> ViolationReport | None:
        """Which samples had values that left a domain, as `decrypt` finds them.

        The arguments are those of `decrypt`.

        Returns None where no such sample can be told.
        Raises WireFormatError, ContextMismatch, AnswerMismatch.
        """
        return self._read(answer, receipt, self._sent, range_check, unbound, None)[1]

    def _noise_for(self, queries: int | None, bits: int) -> tuple[int, int]:
        """The queries and bits that noise is for; None for the plan's own queries. Raises ParameterError."""
        way_out = (
            "Say how many samples' results will be shared under this key: plan(…, queries=…), or "
            "decrypt(…, share=True, queries=…)."
        )
        if queries is None and self._plan.queries == 0:
            raise ParameterError("the plan is for no results that are shared.", way_out)
        queries = require_count("queries", self._plan.queries if queries is None else queries, MOST_QUERIES, way_out)
        return queries, require_count("bits", bits, MOST_BITS, f"Leave it out for {STATISTICAL_BITS}.")

    def _decrypt(
        self,
        answer: bytes,
        receipt: Receipt | None,
        sent: Mapping[str, UploadHeader],
        asked: Asked,
        before: int = 0,
        only_scores: bool = False,
    ) -> Any:
        """The result of an answer, after what `on_violation` and the sharing budget ask for. Raises as `decrypt` does.

        sent: headers of what was sent, by digest.
        asked: how the answer is to be read.
        before: number of samples of the stream before those of the answer, for the error.
        only_scores: whether to leave out the plan's finish.
        """
        on_violation, noise = asked.on_violation, None
        if asked.share:
            noise = self._noise_for(asked.queries, asked.bits)
        if on_violation not in get_args(OnViolation):
            raise ParameterError(
                f"on_violation must be one of {', '.join(map(repr, get_args(OnViolation)))}, not {on_violation!r}.",
                "Leave it out to raise a RangeViolation.",
            )
        scores, report = self._read(answer, receipt, sent, asked.range_check, asked.unbound, noise)
        if report is not None and on_violation == "raise":
            raise RangeViolation(report.after(before))
        if report is not None and on_violation == "warn":
            if noise is not None:
                raise SharingRefused(
                    f"{report.after(before)}",
                    "Share the others: on_violation='mask' leaves nothing of those samples in the result.",
                )
            warnings.warn(RangeWarning(report.after(before)), stacklevel=3)
        if report is not None and noise is not None:
            scores[list(report.samples)] = nan  # what is masked travels with the array
        if noise is not None:
            self._budget.take(len(scores), int(noise[0]))
        return _mask(scores if only_scores else finished(self._plan.finish, scores), report, on_violation)

    def _read(
        self,
        answer: bytes,
        receipt: Receipt | None,
        sent: Mapping[str, UploadHeader],
        range_check: bool,
        unbound: bool,
        noise: tuple[int, int] | None,
    ) -> tuple[NDArray[np.float64], ViolationReport | None]:
        """Scores, with noise for (queries, bits) where `noise` is given, and which samples left a domain."""
        parts = Answer.from_bytes(answer)
        require_keys(self._context, parts)
        samples = require_binding(parts.binding, self._plan, receipt, sent, unbound)
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


def _mask(values: Any, report: ViolationReport | None, on_violation: OnViolation) -> Any:
    """`values`, as an array that masks the samples of the report where `on_violation` is "mask"."""
    if on_violation != "mask":
        return values
    masked = np.ma.masked_array(values, mask=False)
    if report is not None:
        masked[list(report.samples)] = np.ma.masked
    return masked
