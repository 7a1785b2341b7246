"""The client: holds the data and the secret key."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from fhenn.backends.seal import CipherArray, Context, decrypt, decrypt_with_error, encrypt_to_bytes
from fhenn.columns import samples
from fhenn.errors import (
    AnswerMismatch,
    BoundsExceeded,
    BudgetUnknown,
    ParameterError,
    PlanError,
    RangeViolation,
    RangeWarning,
    ShapeMismatch,
    ViolationReport,
    WireFormatError,
)
from fhenn.nn.finish import finished
from fhenn.planner import Plan
from fhenn.planner.demands import allowance, memory_of_keys, memory_of_upload, require_memory
from fhenn.planner.flooding import MOST_BITS, MOST_QUERIES, STATISTICAL_BITS
from fhenn.safety import Budget, BudgetFile, Certificate, SharingBudget, UnknownBudget, flooded
from fhenn.safety.outputs import beyond
from fhenn.session.answer import Answer
from fhenn.session.matching import require_keys, require_named, require_result
from fhenn.session.receipt import Receipt, digest_of
from fhenn.session.secret import restored, secret_bytes_of
from fhenn.steps import report_progress
from fhenn.uncopied import Uncopied

OnViolation = Literal["raise", "mask", "warn"]
"""What happens to samples whose values left a domain."""

_MOST_SENT = 1 << 16
"""Uploads whose answers a client knows without a receipt: some 10 MB."""


class Client(Uncopied):
    """Makes keys for a plan, encrypts samples, decrypts answers.

    plan: from `fhenn.plan`, for the model that the server runs. progress: called with (what, done, total) while keys
    are made, samples encrypted and answers decrypted. certificate: from `fhenn.certify`; when given, it must hold for
    the plan. memory: bytes that keys, or the ciphertexts of one sample, may take: a plan that wants more raises
    PlanError before any is made. By default 400 MB for a plan that was read, which a stranger may have written, and no
    bound for one that `fhenn.plan` made in this process.
    Raises ParameterError, CertificateInvalid, and PlanError also where the plan states less error than any model of its
    shape makes: results would be shared with too little noise (`fhenn.planner.floor`).

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
    >>> plan = fhenn.plan(model, inputs=[-1, 1])
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
        if certificate is not None:
            certificate.require(plan)
        plan.require_errors()
        self._plan, self._certificate = plan, certificate
        self._budget: SharingBudget = Budget()
        self._progress = progress
        self._memory = allowance(plan, memory)
        require_memory("the keys", memory_of_keys(plan), self._memory)
        self._sent, self._sending = dict[str, tuple[int, int]](), Lock()
        progress("keys", 0, 1)
        self._context = Context.generate(plan.parameters)
        self._evaluation_keys: bytes | None = self._context.evaluation_bytes(plan.rotations)
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
        """The client whose `secret_bytes` were kept, for the plan that it was made for.

        progress, certificate, memory: as for a new one. budget: the file of `keep_budget` that counts what is shared;
        without it the client shares nothing, since other copies of the bytes may have shared all that is allowed.
        Raises PlanError where the keys were made for other parameters, or the plan states too little error,
        SecretLocked for a passphrase that is missing or wrong, CertificateInvalid, WireFormatError.
        """
        if certificate is not None:
            certificate.require(plan)
        plan.require_errors()
        context, spent = restored(data, passphrase)
        if context.parameters != (plan.parameters.ring_degree, plan.parameters.chain, plan.parameters.scale):
            raise PlanError("the secret key was made for other parameters.", "Take the plan that it was made for.")
        client = cls.__new__(cls)
        client._plan, client._certificate = plan, certificate
        client._budget = UnknownBudget(spent) if budget is None else BudgetFile(budget, context.fingerprint, spent)
        client._progress, client._context, client._evaluation_keys = progress, context, None
        client._memory = allowance(plan, memory)
        client._sent, client._sending = {}, Lock()
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

        passphrase: encrypts it (scrypt, AES-256-GCM). Made in memory. Whoever restores it shares results only by the
        file of `keep_budget`. Raises ExtraMissing where there is a passphrase and no `cryptography`.

        >>> import fhenn
        >>> client = Client(fhenn.plan(fhenn.Linear([[1.0]]), inputs=[-1, 1]))
        >>> Client.from_secret_bytes(client.plan, client.secret_bytes()).fingerprint == client.fingerprint
        True
        """
        return secret_bytes_of(self._context, self._budget.spent, passphrase)

    def keep_budget(self, path: str | Path, spent: float | None = None, *, overwrite: bool = False) -> None:
        """Count in a new file from now on what is shared under this key: keep it beside the key, and copy neither.

        path: for `from_secret_bytes(…, budget=path)`; every process that shares results of this key names the same.
        spent: the fraction that is spent already, a sample shared for q queries being 1/q; by default what this client
        knows. overwrite: whether a file that is there may be replaced.
        Raises BudgetUnknown where the client was restored and no fraction is given, ParameterError where that is less
        than what the client knows, FileExists, OSError.

        >>> import fhenn, tempfile
        >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), inputs=[-1, 1], layout="throughput", queries=10)
        >>> client, folder = Client(plan), tempfile.TemporaryDirectory()
        >>> client.keep_budget(f"{folder.name}/secret.budget")
        >>> again = Client.from_secret_bytes(plan, client.secret_bytes(), budget=f"{folder.name}/secret.budget")
        >>> folder.cleanup()
        """
        known = self._budget.spent
        if spent is None and not isinstance(self._budget, Budget):
            raise BudgetUnknown("the key was restored.", "Say how much of its budget is spent: spent=….")
        if spent is not None and spent < known:
            raise ParameterError(
                f"{known:g} of the budget is spent, more than {spent:g}.", "Say that, or more, or make new keys."
            )
        spent = known if spent is None else spent
        self._budget = BudgetFile.create(path, self.fingerprint, spent, overwrite=overwrite)

    @property
    def plan(self) -> Plan:
        """What the keys were made for."""
        return self._plan

    @property
    def fingerprint(self) -> str:
        """Which key generation this is."""
        return self._context.fingerprint

    def evaluation_keys(self) -> bytes:
        """What the server needs to compute: public, relinearisation and rotation keys. Never the secret key.

        A client that was restored makes them anew; a server can go on with those of before.
        """
        if self._evaluation_keys is None:
            require_memory("the keys", memory_of_keys(self._plan), self._memory)
            self._evaluation_keys = self._context.evaluation_bytes(self._plan.rotations)
        return self._evaluation_keys

    def encrypt(self, x: Any) -> bytes:
        """Samples × features as a message for the server; any number of samples, one sample may be (features,).

        x: an array, or anything with named columns, as a DataFrame, which must be the plan's features, in any order.
        Raises ShapeMismatch for another number of features or no samples, NonFiniteValue, UnsupportedValue, and
        BoundsExceeded where values leave the bounds that were declared to the plan: the server could not see it.
        """
        values = samples(x, self._plan.feature_names, "encrypt", one=True)
        values = values[None, :] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] != self._plan.features or len(values) == 0:
            raise ShapeMismatch("encrypt", values.shape, f"(samples, {self._plan.features}), at least one sample")
        self._require_bounds(values)
        require_memory("the ciphertexts of one sample", memory_of_upload(self._plan), self._memory)
        named = {"part": 0, "plan": self._plan.fingerprint}
        with report_progress(self._progress, "encrypt"):
            filled = self._filled(values)
            message = encrypt_to_bytes(
                self._context, filled, layout=self._plan.layout, samples=len(values), upload=named
            )
        self._remember(message, len(values))
        return message

    def _remember(self, message: bytes, samples: int) -> None:
        """Keep what tells an answer to an upload from others, of the latest uploads."""
        with self._sending:
            self._sent[digest_of(message)] = (0, samples)
            while len(self._sent) > _MOST_SENT:
                del self._sent[next(iter(self._sent))]

    def _filled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """With spare samples, at the middle of the bounds, so that the last ciphertexts hold nothing outside them.

        Where the bounds do not hold 0, a sample of zeros can be past the headroom, and spoil those beside it.
        """
        spare = -len(values) % self._plan.samples_per_ciphertext
        low, high = np.array(self._plan.low), np.array(self._plan.high)
        return np.concatenate([values, np.tile(low / 2 + high / 2, (spare, 1))])

    def _require_bounds(self, values: NDArray[np.float64]) -> None:
        low, high = np.array(self._plan.low), np.array(self._plan.high)
        beyond = np.maximum(low - values, values - high)
        if beyond.max() > 0:
            features, strays = (tuple(map(int, np.flatnonzero(beyond.max(axis=axis) > 0))) for axis in (0, 1))
            row, feature = map(int, np.unravel_index(int(beyond.argmax()), beyond.shape))
            largest, bounds = float(values[row, feature]), (float(low[feature]), float(high[feature]))
            names = self._plan.feature_names or ()
            called = tuple(names[place] for place in features if names)
            raise BoundsExceeded(features, largest, *bounds, strays, (row, feature), called)

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
        """The model's answer, finished: scores (samples, outputs), or what the plan's finish makes of them.

        receipt: of the upload that it must be the answer to (`fhenn.session.Receipt.of(upload)`); None for any upload
        that this client has made.

        on_violation: what to do about samples whose values left an activation's domain, as far as the answer's
        witnesses, or outputs that no values inside can produce, tell: "raise" RangeViolation, which names them, "mask"
        them in a masked array, or "warn". A server that sees a sample again after that learns that it was one of them.

        range_check: False takes an answer without the witnesses that the plan has: nobody sees then that a value left
        its range.

        unbound: True takes an answer that does not say what it answers, as servers of format version 1 make them: it
        may be that to other samples.

        share: False for results that stay with the holder of the secret key, since a CKKS decryption carries traces of
        it (Li & Micciancio 2021). True for results that others may see: noise is added that hides those traces from
        whoever sees the results of `queries` samples in all (the plan's own number if None), to `bits` bits of
        statistical security. It is sized by a worst case, not the average (Guo et al. 2024). What remains heuristic is
        said in `fhenn.planner.flooding`. Samples shared count against the budget of this client's key, which a restored
        client takes from its file (`keep_budget`). Witnesses are read without that noise: which samples they name, and
        so which are masked, is for the holder of the key.
        Raises WireFormatError, ContextMismatch, AnswerMismatch, RangeViolation, SharingRefused, ParameterError.
        """
        noise = (self._plan.queries if queries is None else queries, bits) if share else None
        scores, report = self._checked(answer, receipt, on_violation, range_check, unbound, noise)
        return _masked(finished(self._plan.finish, scores), report, on_violation)

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
        """The scores (samples, outputs), without the plan's finish.

        The arguments are those of `decrypt`, and so is what it raises.
        """
        noise = (self._plan.queries if queries is None else queries, bits) if share else None
        scores, report = self._checked(answer, receipt, on_violation, range_check, unbound, noise)
        masked: NDArray[np.float64] = _masked(scores, report, on_violation)
        return masked

    def violations(
        self, answer: bytes, *, receipt: Receipt | None = None, range_check: bool = True, unbound: bool = False
    ) -> ViolationReport | None:
        """Which samples' values left a domain, as `decrypt` finds them; None where none did, as far as can be told.

        The arguments are those of `decrypt`. Raises WireFormatError, ContextMismatch, AnswerMismatch.
        """
        return self._read(answer, receipt, range_check, unbound, None)[1]

    def _checked(
        self,
        answer: bytes,
        receipt: Receipt | None,
        on_violation: OnViolation,
        range_check: bool,
        unbound: bool,
        noise: tuple[int, int] | None,
    ) -> tuple[NDArray[np.float64], ViolationReport | None]:
        """Scores and report, where `on_violation` has been done. Raises what `decrypt` does."""
        if on_violation not in get_args(OnViolation):
            raise ParameterError(
                f"on_violation {on_violation!r} is unknown.", f"Choose one of {get_args(OnViolation)}."
            )
        scores, report = self._read(answer, receipt, range_check, unbound, noise)
        if report is not None and on_violation == "raise":
            raise RangeViolation(report)
        if report is not None and on_violation == "warn":
            warnings.warn(RangeWarning(report), stacklevel=3)
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
        """Scores, flooded for so many queries at so many bits where `noise` says so, and what left a domain."""
        parts = Answer.from_bytes(answer)
        require_keys(self._context, parts)
        samples = require_named(parts, self._plan, receipt, self._sent, unbound)
        if range_check and self._plan.witnesses and not parts.witnesses:
            raise AnswerMismatch(
                "number of witnesses",
                str(len(self._plan.witnesses)),
                "0",
                "Ask the server again, for the range check too: without it nobody sees that a value left its range.",
            )
        with report_progress(self._progress, "decrypt"):
            array = require_result(self._context, self._plan, parts.result, samples)
            # the guard sees what others will: which samples it names says nothing more of the key
            scores = decrypt(self._context, array) if noise is None else self._flooded(array, *noise)
        error = self._plan.error if noise is None else self._plan.accuracy
        return scores, self._violations(scores, parts.witnesses, error)

    def _violations(
        self, scores: NDArray[np.float64], witnesses: Sequence[bytes], error: float
    ) -> ViolationReport | None:
        """error: bound on that of the scores."""
        plan = self._plan
        if witnesses and len(witnesses) != len(plan.witnesses):
            raise WireFormatError("answer", f"it holds {len(witnesses)} witnesses, the plan {len(plan.witnesses)}")
        alarms = {}
        for witness, message in zip(plan.witnesses, witnesses, strict=False):
            array = CipherArray.from_bytes(self._context, message)
            if array.level != witness.level or len(array.shape) != 2:
                raise WireFormatError("answer", f"a witness is at level {array.level}, not {witness.level}")
            numbers = decrypt(self._context, array)
            expected = (len(scores), scores.shape[1] if witness.neurons == 1 else 1)
            if numbers.shape[0] != len(scores) or (witness.neurons > 1 and numbers.shape != expected):
                raise WireFormatError("answer", f"a witness has shape {numbers.shape}, not {expected}")
            alarms[f"witness of {witness.node} (node {witness.place})"] = witness.alarms(numbers)
        bounds = [(plan.outputs, "outputs that no input in the domain gives")]
        if self._certificate is not None:
            bounds.append((self._certificate.output, "outputs that the certificate excludes"))
        for allowed, source in bounds:
            if allowed is not None:
                alarms[source] = beyond(scores, allowed, error)
        found = {source: tuple(map(int, np.flatnonzero(each))) for source, each in alarms.items() if each.any()}
        if not found:
            return None
        return ViolationReport(tuple(sorted(set().union(*found.values()))), len(scores), found)

    def _flooded(self, array: CipherArray, queries: int, bits: int) -> NDArray[np.float64]:
        counts = (queries, MOST_QUERIES), (bits, MOST_BITS)
        if not all(isinstance(count, Integral) and 0 < count <= most for count, most in counts):
            raise ParameterError(
                f"a budget of {queries!r} queries at {bits!r} bits is none.",
                "Say how many samples' results will be shared under this key: plan(…, queries=…), or queries=….",
            )
        scores, seen = decrypt_with_error(self._context, array)
        return flooded(scores, self._plan, int(queries), int(bits), scale=array.scale, seen=seen)


def _masked(values: Any, report: ViolationReport | None, on_violation: OnViolation) -> Any:
    """A masked array where that was asked for, without the samples of the report."""
    if on_violation != "mask":
        return values
    masked = np.ma.masked_array(values, mask=False)
    if report is not None:
        masked[list(report.samples)] = np.ma.masked
    return masked
