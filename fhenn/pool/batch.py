"""A batch: a place with uploads, and another that gets the answers and a manifest, which says what became of each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

from fhenn.artifacts import comes_again
from fhenn.errors import FhennError, ParameterError, WireFormatError
from fhenn.pool.base import Pool
from fhenn.pool.places import NewFile, Place
from fhenn.session.answer import Answer
from fhenn.session.receipt import digest_of
from fhenn.session.refusal import Refusal
from fhenn.session.stream import End, Tally, at_once, counted_parts, in_order, messages_in
from fhenn.wire import kind_of

MANIFEST = "manifest.json"
_ENDING, _RECEIPT = ".fhenn", ".receipt.fhenn"
_SAVE = 10.0
"""Seconds between two times that the manifest is written."""


@dataclass(frozen=True)
class Entry:
    """What became of an upload.

    upload: name of its file.
    status: "answered"; "refused", for a reason that stays the same; "waiting", where it is not done yet.
    sha256: of the upload's file; None where it was not read to its end.
    answer: name of the answer's file; None where the upload has no answer.
    parts: that are answered.
    refused: how many of them are answered by a refusal.
    samples: in all parts.
    reason: why the upload is refused.
    """

    upload: str
    status: Literal["answered", "refused", "waiting"] = "waiting"
    sha256: str | None = None
    answer: str | None = None
    parts: int = 0
    refused: int = 0
    samples: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class _Begin:
    """The parts of an upload come next."""

    name: str


@dataclass(frozen=True)
class _Finish:
    """The parts of an upload were all that it has, unless something is wrong with it."""

    upload: _Upload
    error: FhennError | None


_Step = _Begin | _Finish | bytes
_Outcome = _Begin | _Finish | bytes | FhennError


class Batch:
    """Answers all uploads of a place. Their parts are computed at once, across uploads too; memory does not grow.

    uploads: where they are, in files whose names end in .fhenn: all for one plan, and under one client's keys.
    answers: where the answers get to, under the same names, and the manifest.
    pool: answers the parts.
    model: the fingerprint of what the pool runs.
    told: called with (name, bytes that are done, all bytes).

    Raises ParameterError where both places are one, or there is no upload; OSError, StorageRefused among them.
    """

    def __init__(
        self,
        uploads: Place,
        answers: Place,
        pool: Pool,
        model: str,
        told: Callable[[str, int, int], None] = lambda name, done, total: None,
    ) -> None:
        if uploads.is_same(answers):
            raise ParameterError(f"uploads and answers are both in {uploads}.", "Name another place for the answers.")
        self._uploads, self._answers, self._pool, self._told = uploads, answers, pool, told
        self._model, self._plan = model, pool.plan.fingerprint
        names = [name for name in uploads.names() if name.endswith(_ENDING) and not name.endswith(_RECEIPT)]
        self._entries = {name: Entry(name) for name in names if not name.startswith(".")}
        if not self._entries:
            raise ParameterError(f"there is no upload in {uploads}.", f"The names of uploads end in {_ENDING}.")
        self._sizes = {name: uploads.size(name) for name in self._entries}
        self._bytes, self._saved = 0, time.monotonic()
        self._answer: _Growing | None = None

    def run(self) -> list[Entry]:
        """Do it. Answers that are there already, whole and to the same uploads, are kept.

        An upload that is not as it should be is refused, and the others are answered all the same.

        Returns what became of each upload, as the manifest has it.
        Raises what ends all of it: PoolFailed, PoolClosed, VersionsDiffer, OSError. Another run goes on then.
        """
        try:
            for outcome in in_order(self._steps(), self._begin, 2 * self._pool.workers):
                self._take(outcome)
                if time.monotonic() - self._saved > _SAVE:
                    self._save()
        finally:
            if self._answer is not None:
                with suppress(OSError):
                    self._answer.file.give_up()
            self._save()
        return list(self._entries.values())

    # what is to be done

    def _steps(self) -> Iterator[_Step]:
        """The parts of all uploads that are not answered yet."""
        for name in self._entries:
            kept = self._kept(name)
            if kept is not None:
                self._set(kept)
                continue
            yield _Begin(name)
            yield from self._parts(name)

    def _parts(self, name: str) -> Iterator[_Step]:
        """The parts of an upload, and what is wrong with it."""
        error = None
        with self._uploads.open(name) as file:
            upload = _Upload(name, file)
            try:
                yield from upload.parts()
            except FhennError as caught:
                if not comes_again(caught):
                    raise
                error = caught
        yield _Finish(upload, error)

    def _begin(self, step: _Step) -> Future[_Outcome]:
        return _settled(self._pool.submit(step)) if isinstance(step, bytes) else at_once(step)

    def _kept(self, name: str) -> Entry | None:
        """What there is for an upload whose answer is there; None where that is not whole, or answers another."""
        if not self._answers.exists(name):
            return None
        with self._uploads.open(name) as file, self._answers.open(name) as answer:
            upload, given = _Upload(name, file), Tally("answer")
            answers, refused = messages_in(answer), 0
            try:
                for part in upload.parts():
                    found = next(answers)
                    refused += self._require(found, part, given.parts)
                    given.add(given.parts, 1, digest_of(found))
                if not upload.taken.alone and End.from_bytes(next(answers)) != upload.end_of(given):
                    return None
                if next(answers, None) is not None:
                    return None
            except (FhennError, StopIteration) as error:
                if isinstance(error, OSError):
                    raise
                return None
        return upload.answered(refused)

    def _require(self, answer: bytes, part: bytes, place: int) -> bool:
        """Whether an answer is a refusal. Raises FhennError where it is not whole, or not one to this part."""
        refusal = kind_of(answer) == "refusal"
        binding = Refusal.from_bytes(answer).binding if refusal else Answer.from_bytes(answer).binding
        expected = place, digest_of(part), self._model, self._plan
        if binding is None or (binding.part, binding.upload, binding.model, binding.plan) != expected:
            raise WireFormatError("answer", "it answers another upload")
        return refusal

    # what has been done

    def _take(self, outcome: _Outcome) -> None:
        """Take what has come of a step."""
        if isinstance(outcome, _Begin):
            self._answer = _Growing(self._answers.create(outcome.name))
            return
        answer = self._answer
        assert answer is not None  # noqa: S101  (an upload begins first)
        if isinstance(outcome, _Finish):
            self._finish(answer, outcome.upload, answer.error or outcome.error)
            self._answer = None
        elif isinstance(outcome, FhennError):
            answer.error = answer.error or outcome
        elif answer.error is None:
            answer.append(outcome)

    def _finish(self, answer: _Growing, upload: _Upload, error: FhennError | None) -> None:
        if error is not None:
            answer.file.give_up()
            self._set(Entry(upload.name, "refused", upload.sha256, reason=str(error)))
            return
        if not upload.taken.alone:
            answer.file.write(upload.end_of(answer.given).to_bytes())
        answer.file.finish()
        self._set(upload.answered(answer.refused))

    def _set(self, entry: Entry) -> None:
        self._entries[entry.upload] = entry
        self._bytes += self._sizes[entry.upload]
        self._told(entry.upload, self._bytes, sum(self._sizes.values()))

    def _save(self) -> None:
        """Write the manifest."""
        entries = [asdict(entry) for entry in self._entries.values()]
        content = {"model": self._model, "plan": self._plan, "uploads": entries}
        file = self._answers.create(MANIFEST)
        file.write(json.dumps(content, indent=1).encode())
        file.finish()
        self._saved = time.monotonic()


class _Upload:
    """An upload that is read.

    name: of its file.
    file: from a stranger.
    taken: counts its parts.
    """

    def __init__(self, name: str, file: Any) -> None:
        self.name, self.taken = name, Tally("upload")
        self._file, self._digest, self._whole = file, sha256(), False

    def read(self, size: int = -1) -> bytes:
        """As of the file."""
        data: bytes = self._file.read(size)
        self._digest.update(data)
        return data

    def parts(self) -> Iterator[bytes]:
        """Its parts, each once it is counted. Raises WireFormatError, WrongKind, OSError."""
        yield from counted_parts(messages_in(self), self.taken)
        self._whole = True

    @property
    def sha256(self) -> str | None:
        """Of all of it; None where it was not read to its end."""
        return self._digest.hexdigest() if self._whole else None

    def end_of(self, given: Tally) -> End:
        """What ends its answers. given: counts them."""
        return End(self.taken.parts, self.taken.samples, given.end.sha256)

    def answered(self, refused: int) -> Entry:
        """What became of it. refused: how many of its parts were."""
        return Entry(self.name, "answered", self.sha256, self.name, self.taken.parts, refused, self.taken.samples)


class _Growing:
    """An answer that is being written.

    file: that it gets into.
    given: counts its messages.
    error: why there will be none.
    """

    def __init__(self, file: NewFile) -> None:
        self.file, self.given = file, Tally("answer")
        self.refused = 0
        self.error: FhennError | None = None

    def append(self, message: bytes) -> None:
        """Add the answer to a part. Raises OSError."""
        self.refused += kind_of(message) == "refusal"
        self.given.add(self.given.parts, 1, digest_of(message))
        self.file.write(message)


def _settled(answer: Future[bytes]) -> Future[_Outcome]:
    """A future that holds an error, where an upload is to blame for it, and raises others."""
    settled: Future[_Outcome] = Future()

    def pass_on(answer: Future[bytes]) -> None:
        with suppress(InvalidStateError):
            if answer.cancelled():
                settled.cancel()
                return
            error = answer.exception()
            if isinstance(error, FhennError) and comes_again(error):
                settled.set_result(error)
            elif error is not None:
                settled.set_exception(error)
            else:
                settled.set_result(answer.result())

    settled.add_done_callback(lambda settled: answer.cancel() if settled.cancelled() else None)
    answer.add_done_callback(pass_on)
    return settled
