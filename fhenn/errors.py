"""The typed errors and warnings of fhenn.

Every error carries its data as attributes. Its text says in one sentence what is wrong and in the next what to do.
All errors derive from `FhennError`, and from the built-in exception that a caller would expect. In most of them
`reason` and `suggestion` are those two sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf, log2, prod
from typing import Literal

from fhenn.text import apart, inward, nearest, printable

_LONGEST_MESSAGE = 4000
_MOST_NAMED = 5


def join_first(things: Sequence[object], noun: str = "") -> str:
    """The first five of some things, separated by commas, and how many others there are.

    things: each printed as `str` does.
    noun: stands before them, in the plural where there are several; none where it is empty.

    >>> join_first((1, 2), "sample"), join_first(("a", "b", "c", "d", "e", "f"))
    ('samples 1, 2', 'a, b, c, d, e and 1 other')
    """
    names = ", ".join(printable(each) for each in things[:_MOST_NAMED]) + _and_others(len(things) - _MOST_NAMED)
    return f"{noun}{'s' * (len(things) != 1)} {names}" if noun else names


def _and_others(count: int, noun: str = "other") -> str:
    """The end of a list that is cut: how many are left out. Empty where none is."""
    return f" and {count:,} {noun}{'s' * (count != 1)}" if count > 0 else ""


class FhennError(Exception):
    """Base of every error that fhenn raises on purpose."""

    def __post_init__(self) -> None:
        # Exceptions travel between processes by their `args`; dataclass construction by keyword leaves those empty.
        self.args = tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    def __str__(self) -> str:
        """What is wrong and what to do, in one line that does nothing to a terminal, whoever wrote the words in it."""
        return printable(self._message(), _LONGEST_MESSAGE)

    def _message(self) -> str:
        return super().__str__()


@dataclass(eq=False)
class LevelExhausted(FhennError, ValueError):
    """A computation needs more levels than the ciphertext has left.

    operation: what was to be computed.
    needed: levels that it consumes.
    left: levels that the ciphertext has.
    suggestion: what to do.
    """

    operation: str
    needed: int
    left: int
    suggestion: str

    def _message(self) -> str:
        levels = "level" if self.needed == 1 else "levels"
        return f"{self.operation} needs {self.needed} {levels}, the ciphertext has {self.left} left. {self.suggestion}"


@dataclass(eq=False)
class ContextMismatch(FhennError, ValueError):
    """A value belongs to another context: other parameters or other keys.

    expected: fingerprint of the context that was to be used.
    got: fingerprint of the context that the value belongs to.
    """

    expected: str
    got: str

    def _message(self) -> str:
        return (
            f"the ciphertext belongs to context {self.got}, not to {self.expected}. "
            "Use ciphertexts and keys that come from one key generation."
        )


@dataclass(eq=False)
class KeyMissing(FhennError, ValueError):
    """A key that the operation needs is not in the context.

    key: which one, for instance "secret".
    operation: what needs it.
    suggestion: what to do.
    """

    key: str
    operation: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.operation} needs the {self.key} key, which this context does not hold. {self.suggestion}"


@dataclass(eq=False)
class ScaleMismatch(FhennError, ValueError):
    """A scale does not match a prime of the modulus chain, or another scale.

    scale: the scale.
    prime: the prime or scale that it should match.
    suggestion: what to do.
    """

    scale: float
    prime: int
    suggestion: str

    def _message(self) -> str:
        return (
            f"scale 2^{log2(self.scale):.2f} does not match 2^{log2(self.prime):.2f}, the prime or scale that it is "
            f"combined with. {self.suggestion}"
        )


@dataclass(eq=False)
class HeadroomExceeded(FhennError, ValueError):
    """A value is larger than what surely fits the modulus: wrapping would corrupt every slot of its ciphertext.

    largest: the largest |value|.
    headroom: the largest |value| that surely fits.
    operation: what was to be computed.
    """

    largest: float
    headroom: float
    operation: str

    def _message(self) -> str:
        return (
            f"{self.operation}: |x| = {self.largest:.6g} exceeds the headroom of {self.headroom:.6g}; a larger value "
            "can wrap around the modulus, which corrupts every slot of the ciphertext. Clip or rescale the data, or "
            "choose a larger first prime."
        )


@dataclass(eq=False)
class ParameterError(FhennError, ValueError):
    """An argument, or parameters of CKKS, that are malformed, insecure or do not reach what was asked for."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class PlanError(FhennError, ValueError):
    """No parameters do what was asked for, or a plan belongs to something else."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class PreparationMismatch(PlanError):
    """A preparation that does not belong to the plan that it came with, or that is not there.

    expected: fingerprint of the preparation that the plan names, None for none.
    got: fingerprint of the one that came with it, None for none.
    """

    expected: str | None = None
    got: str | None = None

    @classmethod
    def between(cls, expected: str | None, got: str | None, suggestion: str) -> PreparationMismatch:
        """The error for two fingerprints that differ."""
        reason = (
            f"the preparation is {got or 'missing'}, where {expected or 'none'} is needed: raw tables would not be "
            "prepared as those that the model was fitted on."
        )
        return cls(reason, suggestion, expected, got)


Stake = Literal["range", "depth", "slots", "accuracy", "witness"]
"""What a layer asks too much of."""


@dataclass(frozen=True)
class Remedy:
    """A change under which `fhenn.plan` makes a plan: it was tried.

    name: what is changed: an argument of `fhenn.plan`, or "finish" of the model, or the "degree" of its activations.
    value: that it takes; of "bounds", how many times as wide they are, about their middle.
    text: the same in words.
    """

    name: Literal[
        "bounds", "ranges", "margin", "accuracy", "finish", "layout", "upload", "queries", "degree", "witness"
    ]
    value: float | str
    text: str


@dataclass(eq=False)
class PlanRefused(PlanError):
    """No ring at 128-bit security does what is asked of a plan.

    layer: that makes it impossible: its name, and its place among the nodes, from 0.
    stake: what it asks too much of: the "range" of values, the "depth" of the chain, the "slots" of a ciphertext, the
    "accuracy" that rounding leaves, or the room that a "witness" takes.
    remedies: changes that were tried and give a plan, the least first.
    untried: what was not tried, and why.
    """

    layer: str
    stake: Stake
    remedies: tuple[Remedy, ...] = ()
    untried: tuple[str, ...] = ()


@dataclass(eq=False)
class UnsupportedNode(PlanError, ParameterError):
    """A node of a model that is neither an affine layer nor an activation, so that its ranges and noise are unknown."""

    node: str


@dataclass(eq=False)
class SharingRefused(FhennError, ValueError):
    """A decrypted result cannot be made safe to share."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class BudgetUnknown(SharingRefused):
    """Nobody knows how many results were shared under a key, so no more are shared."""

    def _message(self) -> str:
        return f"budget unknown: {self.reason} {self.suggestion}"


@dataclass(eq=False)
class AccuracyUnreached(FhennError, ValueError):
    """No polynomial that may be tried is as accurate as was asked for.

    accuracy: the largest error that was allowed.
    best: the smallest error that was found.
    degree: of the polynomial that has it.
    suggestion: what to do.
    """

    accuracy: float
    best: float
    degree: int
    suggestion: str

    def _message(self) -> str:
        return (
            f"an accuracy of {self.accuracy:.3g} is not reached: the best polynomial, of degree {self.degree}, has an "
            f"error of {self.best:.3g}. {self.suggestion}"
        )


@dataclass(frozen=True)
class RawBounds:
    """What a column of a raw table may hold, so that a feature made of it keeps its bounds. Of a `BoundsExceeded`.

    column: its name, or its place from 0 where columns have no names.
    low, high: the least and the largest number that it may hold; -inf or inf where nothing limits it.

    >>> print(RawBounds("age", 30.0, 70.0))
    column 'age' may be from 30 to 70
    """

    column: str | int
    low: float
    high: float

    def __str__(self) -> str:
        column = repr(printable(self.column)) if isinstance(self.column, str) else self.column
        return f"column {column} {self.said}"

    @property
    def said(self) -> str:
        """The bounds in words, to follow the column: in six digits, or as many as tell them apart, none outside."""
        low, high = inward(self.low, self.high)
        if self.low == -inf:
            return f"may be at most {high}"
        return f"may be at least {low}" if self.high == inf else f"may be from {low} to {high}"


@dataclass(eq=False)
class BoundsExceeded(FhennError, ValueError):
    """Values beyond the bounds that were declared to the plan.

    features: places of the features that have such values, from 0.
    largest: the value that is furthest outside.
    low, high: the bounds of its feature.
    samples: places of the samples that have such values, from 0.
    furthest: places of the sample and the feature of `largest`, None where they are not known.
    names: of `features`, empty where they are not known.
    raw: what the column may hold that `largest` was made of, where the samples were a raw table and that can be told.
    """

    features: tuple[int, ...]
    largest: float
    low: float
    high: float
    samples: tuple[int, ...] = ()
    furthest: tuple[int, int] | None = None
    names: tuple[str, ...] = ()
    raw: RawBounds | None = None

    def _message(self) -> str:
        rows = f" in {join_first(self.samples, 'sample')}" if self.samples else ""
        verb = "leaves its" if len(self.features) == 1 else "leave their"
        largest, low, high = apart(self.largest, self.low, self.high)
        raw = "" if self.raw is None else f": in the raw table, {self.raw}"
        called = ","
        if self.furthest is not None and len(self.features) > 1:
            place = self.furthest[1]
            called = f", of feature {printable(dict(zip(self.features, self.names, strict=False)).get(place, place))},"
        return (
            f"{join_first(self.names or self.features, 'feature')} {verb} declared bounds{rows}; the furthest value is "
            f"{largest}{called} outside [{low}, {high}]{self.constant}{raw}. "
            "Clip the data, or plan again with wider bounds: bounds=."
        )

    @property
    def constant(self) -> str:
        """Why the bounds of the furthest value have no width, in words; empty where they have some.

        >>> BoundsExceeded((3,), 0.5, 0.0, 0.0).constant
        ', since all samples that the plan was made from are equal there'
        """
        return ", since all samples that the plan was made from are equal there" if self.low == self.high else ""


@dataclass(eq=False)
class UnsupportedValue(FhennError, TypeError):
    """A value of a type or dtype that no backend computes on.

    got: what it is.
    expected: what is computed on.
    """

    got: str
    expected: str

    def _message(self) -> str:
        return f"cannot compute on {self.got}; expected {self.expected}."


@dataclass(eq=False)
class SparseTooLarge(FhennError, ValueError):
    """A sparse matrix that takes too much memory as the array that is computed on.

    got: shape of the matrix, (samples, features).
    rows: that may be read at once.
    """

    got: tuple[int, ...]
    rows: int

    def _message(self) -> str:
        count = prod(self.got)
        return (
            f"a sparse matrix of shape {self.got} takes {8 * count / 1e9:.3g} GB as an array. "
            f"Give its rows in parts, at most {self.rows} at once: X[:{self.rows}], and so on; "
            "to plan, as many of them and the bounds of all."
        )


@dataclass(eq=False)
class UnsupportedOperation(FhennError, TypeError):
    """An operation that the backend of this value does not offer.

    operation: what was to be done.
    suggestion: what to do instead.
    """

    operation: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.operation} is not supported here. {self.suggestion}"


@dataclass(eq=False)
class UnsupportedModel(FhennError, ValueError):
    """A part of a model from elsewhere that cannot run encrypted, or not as it stands.

    layer: what it is.
    where: its place in the model.
    reason: why it is not supported.
    supported: what is supported in its place.
    """

    layer: str
    where: str
    reason: str
    supported: str

    def _message(self) -> str:
        return f"{self.layer} ({self.where}) is not supported: {self.reason}. Supported: {self.supported}."


@dataclass(eq=False)
class AccuracyLost(FhennError, ValueError):
    """A model that lost more than was allowed when it was made ready for encryption.

    lost: by how much the result is worse than the exact model: a share of decisions, or of R².
    allowed: by how much it may be.
    report: what was done, to print; the way to a better result is in it.
    suggestion: what to do.
    """

    lost: float
    allowed: float
    report: object
    suggestion: str

    def _message(self) -> str:
        lost = f"{self.lost:.4g} of the exact model's quality is lost, and {self.allowed:.4g} is allowed."
        return f"{lost} {self.suggestion} The error's report says where it is lost."


@dataclass(eq=False)
class FeatureMismatch(FhennError, ValueError):
    """A table whose columns are not the features that the model was fitted on: some are missing, or there are more.

    got: names of the columns.
    expected: names of the features.
    raw: whether these are the columns of a raw table, which a preparation makes the features of.
    others: names of columns that the table may have as well. One of them can be a feature that is written otherwise.
    """

    got: tuple[str, ...]
    expected: tuple[str, ...]
    raw: bool = False
    others: tuple[str, ...] = ()

    def _message(self) -> str:
        missing = [name for name in self.expected if name not in self.got]
        unknown = [name for name in self.got if name not in self.expected]
        kinds = (("missing", missing), ("unknown", unknown))
        parts = [f"{kind}: {join_first(names)}" for kind, names in kinds if names]
        names = "model.preparation.names" if self.raw else "model.reading.features"
        pairs = [(near, name) for name in missing[:_MOST_NAMED] if (near := nearest(name, (*unknown, *self.others)))]
        meant = join_first([f"{name!r} where the table has {near!r}" for near, name in pairs])
        hint = f"Did you mean {meant}? " if meant else ""
        return (
            f"the {'columns' if self.raw else 'features'} are not those that the model was fitted on "
            f"({'; '.join(parts)}). {hint}Select them by name, as in X[list({names})]; their order does not matter."
        )


@dataclass(eq=False)
class ShapeMismatch(FhennError, ValueError):
    """Shapes that do not match.

    operation: what was to be done.
    got: the shape that was given.
    expected: the shape that is needed, in words.
    """

    operation: str
    got: tuple[int, ...]
    expected: str

    def _message(self) -> str:
        return f"{self.operation}: got shape {tuple(self.got)}, expected {self.expected}."


@dataclass(eq=False)
class NonFiniteValue(FhennError, ValueError):
    """NaN or infinity where finite numbers are needed.

    operation: what was to be done.
    count: how many values are not finite.
    suggestion: what to do.
    """

    operation: str
    count: int
    suggestion: str

    def _message(self) -> str:
        values = "value is" if self.count == 1 else "values are"
        return f"{self.operation}: {self.count} {values} NaN or infinite. {self.suggestion}"


@dataclass(eq=False)
class MissingValues(NonFiniteValue):
    """Cells of a table that are empty or hold no finite number.

    operation: the file, or what was to be done.
    count: of all such cells.
    suggestion: what to do.
    columns: names of the columns that have such cells.
    counts: how many each column has.
    places: where they are in each column, in words.
    """

    columns: tuple[str, ...]
    counts: tuple[int, ...]
    places: tuple[str, ...]

    @property
    def missing(self) -> str:
        """What is missing and where, without the operation and the suggestion."""
        each = list(zip(self.columns, self.counts, self.places, strict=True))
        shown = ", ".join(f"{name} ({count}: {where})" for name, count, where in each[:_MOST_NAMED])
        return f"values are missing or infinite in {shown}{_and_others(len(each) - _MOST_NAMED, 'other column')}"

    def _message(self) -> str:
        return f"{self.operation}: {self.missing}. {self.suggestion}"


@dataclass(eq=False)
class CellRefused(FhennError, ValueError):
    """Cells of a raw table that a model's preparation cannot take.

    operation: the file, or what was to be done.
    column: name of the column, or its place from 0, in words.
    rows: places of all such cells in the rows that were given together, from 0.
    where: the same in words, as rows or as the lines of a file.
    cell: what the first of them holds, as text.
    reason: why it is refused.
    suggestion: what to do.
    """

    operation: str
    column: str
    rows: tuple[int, ...]
    where: str
    cell: str
    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.operation}: {self.column} holds {self.cell} in {self.where}: {self.reason}. {self.suggestion}"


@dataclass(eq=False)
class UnknownCategory(CellRefused):
    """Categories that the model was not fitted on, where it says that these are errors.

    known: the categories that it was fitted on, as text.
    """

    known: tuple[str, ...] = ()


@dataclass(eq=False)
class CacheEmpty(FhennError, RuntimeError):
    """`backward` or `update` was called without the `forward` or `backward` that it continues.

    node: the node and its method.
    needed: cached inputs or gradients that it needs.
    kept: how many there are.
    reason: why they are not there, and what to do.
    """

    node: str
    needed: int
    kept: int
    reason: str

    def _message(self) -> str:
        values = "value" if self.needed == 1 else "values"
        return f"{self.node} needs {self.needed} cached {values} and has {self.kept}. {self.reason}"


@dataclass(eq=False)
class CertificateInvalid(FhennError, ValueError):
    """A certificate does not hold for the model, bounds or plan that it was given with."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"the certificate does not hold: {self.reason} {self.suggestion}"


@dataclass(eq=False)
class WireFormatError(FhennError, ValueError):
    """Bytes that are not a well-formed fhenn or TenSEAL message.

    what: the kind of message that they should be.
    reason: what is wrong with them.
    """

    what: str
    reason: str

    def _message(self) -> str:
        article = "" if self.what.endswith("s") else "a "  # ciphertexts, keys
        return f"not {article}valid {self.what}: {self.reason}. Ask the sender for it again."


@dataclass(eq=False)
class StoreDamaged(WireFormatError):
    """A file in a service's store is not what the service wrote there.

    what: "store".
    reason: what is wrong.
    path: the folder that is damaged.
    suggestion: the way out, a sentence.
    """

    path: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.path} is damaged: {self.reason}. {self.suggestion}"


@dataclass(eq=False)
class WrongKind(WireFormatError):
    """A file, or bytes, of another kind than is needed. It is raised before anything is done with them.

    what: the kind that is needed, in words.
    reason: what is wrong.
    source: the file or argument.
    got: the kind that it is, in words.
    destination: the address that it would have been sent to, empty where it was to stay on this machine.
    suggestion: what to do.
    """

    source: str
    got: str
    destination: str
    suggestion: str

    def _message(self) -> str:
        kept = f" It has not left this machine; it would have gone to {self.destination}." if self.destination else ""
        return f"{self.source} is {self.got}, where {self.what} is needed.{kept} {self.suggestion}"


@dataclass(eq=False)
class FileMissing(FhennError, FileNotFoundError):
    """A file that is needed does not exist.

    path: of the file.
    what: what it should hold, for instance "a plan".
    suggestion: what to do.
    """

    path: str
    what: str
    suggestion: str

    def _message(self) -> str:
        return f"there is no file {self.path}, which should hold {self.what}. {self.suggestion}"


@dataclass(eq=False)
class AnswerMismatch(FhennError, ValueError):
    """An answer that does not belong to the upload that was sent.

    what: the part of it that differs.
    expected, got: what that part should be and what it is.
    suggestion: what to do.
    """

    what: str
    expected: str
    got: str
    suggestion: str

    def _message(self) -> str:
        return (
            f"this is not the answer that was asked for: its {self.what} is {self.got}, expected {self.expected}. "
            f"{self.suggestion}"
        )


@dataclass(eq=False)
class IdsMismatch(FhennError, ValueError):
    """Ids of samples that belong to another upload.

    expected: what the receipt names, got: what the ids name.
    suggestion: what to do.
    """

    expected: str
    got: str
    suggestion: str

    def _message(self) -> str:
        return f"these ids are of another upload: they name {self.got}, expected {self.expected}. {self.suggestion}"


@dataclass(eq=False)
class PartRefused(FhennError, RuntimeError):
    """A server gave no answer to a part of a stream.

    part: its place, from 0.
    samples: that it holds.
    reason: in words, as a clause.
    """

    part: int
    samples: int
    reason: str

    def _message(self) -> str:
        return (
            f"the server has no answer to part {self.part}, {self.samples} samples: {printable(self.reason, 300)}. "
            'Encrypt these samples again, or go on without them: on_violation="mask".'
        )


@dataclass(eq=False)
class WorkersEnded(FhennError, RuntimeError):
    """A process that encrypted or decrypted ended in the middle of its work, perhaps for lack of memory."""

    def _message(self) -> str:
        return (
            "a process that worked for this one ended in the middle of its work, perhaps for lack of memory. Go on "
            "with what is done (`--resume` of the commands), with fewer processes: workers=1, or --workers 1."
        )


@dataclass(eq=False)
class PoolClosed(FhennError, RuntimeError):
    """A pool was asked for something after it was closed, or closed before it had answered.

    pool: which kind of pool.
    """

    pool: str

    def _message(self) -> str:
        return f"the {self.pool} is closed. Make another, and close it once all answers are there."


@dataclass(eq=False)
class PoolFailed(FhennError, RuntimeError):
    """A pool has no workers that could answer, whatever is asked.

    reason: why, a sentence.
    suggestion: what to do.
    """

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class ClusterUnreachable(FhennError, ConnectionError):
    """A Ray cluster cannot be entered.

    address: of its head.
    reason: in words, as a clause.
    """

    address: str
    reason: str

    def _message(self) -> str:
        return (
            f"no Ray cluster can be entered at {self.address}: {printable(self.reason, 500)}. Give the address of its "
            "head, HOST:PORT, on a machine that is part of it, with the cluster's versions of Ray and Python."
        )


@dataclass(eq=False)
class StorageRefused(FhennError, OSError):
    """An object store does not do what it is asked for.

    url: of the place in it.
    reason: in words.
    """

    url: str
    reason: str

    def _message(self) -> str:
        return (
            f"{self.url} cannot be used: {printable(self.reason, 500)}. Look at its address and at your rights there; "
            "for s3:// and gs:// install s3fs or gcsfs."
        )


@dataclass(eq=False)
class VersionsDiffer(FhennError, RuntimeError):
    """A node of a cluster does not have the fhenn that was asked to compute.

    node: in words.
    there: what it has.
    here: what this process has.
    """

    node: str
    there: str
    here: str

    def _message(self) -> str:
        return (
            f"{self.node} has {self.there}, this process has {self.here}. Install the same version of fhenn "
            "on every node of the cluster."
        )


@dataclass(eq=False)
class FileExists(FhennError, FileExistsError):
    """A file exists already and is not overwritten unless that is asked for."""

    path: str

    def _message(self) -> str:
        return f"{self.path} exists already. Choose another name, or give overwrite=True."


@dataclass(eq=False)
class SecretLocked(FhennError, ValueError):
    """A secret key is encrypted, and the passphrase is missing or wrong."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"the secret key stays locked: {self.reason} {self.suggestion}"


@dataclass(eq=False)
class StoreLocked(FhennError, RuntimeError):
    """Another process writes to a service's store.

    path: of the lock.
    holder: the process that holds it, in words.
    suggestion: what to do.
    """

    path: str
    holder: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.path} is held by {self.holder}. {self.suggestion}"


@dataclass(eq=False)
class StoreUnsafe(FhennError, RuntimeError):
    """A folder that must be private is open to others, so that its contents cannot be trusted."""

    path: str
    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.path} is not safe as a store: {self.reason}. {self.suggestion}"


@dataclass(eq=False)
class ServiceRefused(FhennError, RuntimeError):
    """The service cannot start with the options that were given."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class ServiceError(FhennError, RuntimeError):
    """The service answered with a problem (RFC 9457).

    status: of HTTP.
    kind: which problem, for programs.
    detail: what is wrong and what to do, in words.
    request_id: as in the service's log.
    """

    status: int
    kind: str
    detail: str
    request_id: str

    def _message(self) -> str:
        return f"the service answers {self.status}, {self.kind}: {self.detail} (request {self.request_id})"


@dataclass(eq=False)
class PartTooLarge(ServiceError):
    """A part of a stream is more than the service takes on at once.

    part: its place, from 0.
    samples: that it holds.
    """

    part: int
    samples: int

    def _message(self) -> str:
        return (
            f"part {self.part} of the stream, {self.samples} samples, is more than the service takes on at once: "
            f"{super()._message()}. Fewer rows at a time are no stream: predict(Client.encrypt(…))."
        )


@dataclass(eq=False)
class ServiceUnreachable(FhennError, ConnectionError):
    """The service did not answer in any attempt.

    url: of the request.
    attempts: how many were made.
    reason: of the last failure.
    suggestion: the way out, a sentence; empty for the usual one.
    """

    url: str
    attempts: int
    reason: str
    suggestion: str = ""

    def _message(self) -> str:
        return (
            f"no answer from {self.url} in {self.attempts} attempts ({self.reason}). "
            f"{self.suggestion or 'Check the address, and that the service is running.'}"
        )


@dataclass(eq=False)
class AnswerRefused(FhennError, RuntimeError):
    """What a service sent is refused: it is larger than it can need to be, or of another form than was asked for.

    url: of the service.
    what: was asked for ("plan", "answer", …).
    reason: why it is refused.
    suggestion: what to do.
    """

    url: str
    what: str
    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"the {self.what} from {self.url} is refused: {self.reason}. {self.suggestion}"


@dataclass(eq=False)
class ExtraMissing(FhennError, ImportError):
    """An optional dependency is not installed.

    extra: of fhenn that brings it.
    package: that is missing.
    """

    extra: str
    package: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.name = self.package

    def _message(self) -> str:
        from fhenn.extras import install_line  # which reads metadata: nothing else needs that

        return f"{self.package} is not installed; the extra {self.extra} brings it. Run {install_line(self.extra)}"


@dataclass(frozen=True)
class RangeReport:
    """What came to an activation, and how much of it left the domain.

    node: name of the activation.
    domain: the interval (low, high) on which its polynomial is good.
    outside: how many values lie outside, NaN and infinity included.
    total: how many values there were.
    smallest, largest: of the finite values; NaN where there is none.
    nonfinite: how many values are NaN or infinite.
    consequence: what can go wrong outside, in a sentence; the text says it only where something is outside.

    >>> report = RangeReport("Sigmoid", (-4.0, 4.0), 1, 9, -2.0, 5.0, 0, "It flips.")
    >>> str(report)
    'Sigmoid: 1 of 9 values outside [-4, 4], smallest -2, largest 5. It flips.'
    >>> str(RangeReport("Sigmoid", (-4.0, 4.0), 0, 9, -2.0, 3.0, 0, "It flips."))
    'Sigmoid: none of 9 values outside [-4, 4], smallest -2, largest 3.'
    """

    node: str
    domain: tuple[float, float]
    outside: int
    total: int
    smallest: float
    largest: float
    nonfinite: int
    consequence: str

    def __str__(self) -> str:
        if not self.total:
            return f"{printable(self.node)}: no values came to it."
        low, high = self.domain
        text = (
            f"{printable(self.node)}: {self.outside or 'none'} of {self.total} values outside [{low:g}, {high:g}], "
            f"smallest {self.smallest:.6g}, largest {self.largest:.6g}"
        )
        if self.nonfinite:
            text += f", {self.nonfinite} of them NaN or infinite"
        return f"{text}. {self.consequence}" if self.outside else f"{text}."


@dataclass(frozen=True)
class ViolationReport:
    """Which samples of an encrypted prediction mean nothing, as the client sees from what it decrypts.

    samples: the places, from 0, of all that must not be used.
    total: how many samples there are.
    found: for each source ("witness of Sigmoid", "outputs"), the places of the samples that it shows.
    condemned: those of `samples` that no source shows, but which share a ciphertext with one beyond the headroom.

    >>> report = ViolationReport((2, 3), 8, {"witness of Sigmoid": (2,)}, condemned=(3,))
    >>> report.left, report.condemned
    ((2,), (3,))
    """

    samples: tuple[int, ...]
    total: int
    found: dict[str, tuple[int, ...]]
    condemned: tuple[int, ...] = ()

    @property
    def left(self) -> tuple[int, ...]:
        """The places of the samples that have, or may have, values outside an activation's domain."""
        return tuple(sorted(set(self.samples) - set(self.condemned)))

    def after(self, before: int) -> ViolationReport:
        """The same of a part of more samples. before: number of those that come before it.

        >>> ViolationReport((2,), 4, {"outputs": (2,)}).after(10).found
        {'outputs': (12,)}
        """

        def moved(places: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(place + before for place in places)

        found = {source: moved(places) for source, places in self.found.items()}
        return ViolationReport(moved(self.samples), self.total + before, found, moved(self.condemned))

    def __str__(self) -> str:
        sources = ", ".join(f"{printable(source)} ({len(places)})" for source, places in self.found.items())
        beside = ""
        if self.condemned:
            share = "shares" if len(self.condemned) == 1 else "share"
            beside = (
                f" Beside them {join_first(self.condemned, 'sample')} ({len(self.condemned)}) {share} a ciphertext "
                "with one beyond the headroom, which may have spoilt all that is in it; a plan for 'latency' with "
                "samples=1 confines the damage to that one."
            )
        return (
            f"{len(self.left)} of {self.total} samples have, or may have, values outside an activation's domain: "
            f"{join_first(self.left, 'sample')}; found by {sources}.{beside} Their results mean nothing: drop them "
            "(on_violation='mask'), or calibrate the model on data like these."
        )


class RangeWarning(UserWarning):
    """An activation's input left the domain of its polynomial; `report` holds the numbers.

    >>> import warnings, fhenn
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     y = fhenn.Sigmoid().forward([1.0, 5.0])
    >>> caught[0].message.report.outside
    1
    """

    def __init__(self, report: RangeReport | ViolationReport) -> None:
        super().__init__(report)
        self.report = report


class UnwatchedWarning(UserWarning):
    """An activation that inputs within a plan's bounds can bring beyond its domain, where no answer would show that.

    node: name of the activation.
    reach: the interval (low, high) that inputs within the bounds can bring to it.
    domain: the interval (low, high) on which its polynomial is good.

    >>> print(UnwatchedWarning("Sigmoid", (-9.0, 5.0), (-4.0, 4.0)))  # doctest: +ELLIPSIS
    Sigmoid: inputs within the bounds can bring [-9, 5] to it, beyond its domain [-4, 4], and no answer would ...
    """

    def __init__(self, node: str, reach: tuple[float, float], domain: tuple[float, float]) -> None:
        super().__init__(node, reach, domain)
        self.node, self.reach, self.domain = node, reach, domain

    def __str__(self) -> str:
        reach, domain = (f"[{low:.4g}, {high:.4g}]" for low, high in (self.reach, self.domain))
        return (
            f"{printable(self.node)}: inputs within the bounds can bring {reach} to it, beyond its domain {domain}, "
            "and no answer would show it. With plan(…, witness=True) answers do; with samples as inputs= it is seen "
            "now whether any of them does; fhenn.certify proves what holds for all."
        )


class ApproximationWarning(UserWarning):
    """No polynomial that may be tried is as accurate as was asked for; the best one is used.

    node: name of the activation.
    domain: the interval (low, high) in which its inputs can lie.
    wanted: the largest |polynomial - exact| that was allowed there.
    reached: the largest |polynomial - exact| of the polynomial that is used.
    degree: of that polynomial.
    """

    def __init__(self, node: str, domain: tuple[float, float], wanted: float, reached: float, degree: int) -> None:
        super().__init__(node, domain, wanted, reached, degree)
        self.node, self.domain, self.wanted, self.reached, self.degree = node, domain, wanted, reached, degree

    def __str__(self) -> str:
        low, high = self.domain
        return (
            f"{printable(self.node)}: its inputs can lie anywhere in [{low:g}, {high:g}], where degree {self.degree} "
            f"is off by {self.reached:.2g}, where {self.wanted:.2g} was asked for. Labels near a decision can differ. "
            "Scale the features to one range (MinMaxScaler), declare tighter bounds, train with more regularisation, "
            "or accept it with a larger accuracy."
        )


class ConversionWarning(UserWarning):
    """No network of polynomials that may be tried agrees with the exact model as was asked for; the best is used.

    agreement: with the exact model, on the data.
    wanted: what was asked for.
    levels: of the network.
    """

    def __init__(self, agreement: float, wanted: float, levels: int) -> None:
        super().__init__(agreement, wanted, levels)
        self.agreement, self.wanted, self.levels = agreement, wanted, levels

    def __str__(self) -> str:
        return (
            f"of {self.levels} levels, the converted model agrees with the exact one in {self.agreement:.2%} of the "
            f"samples, where {self.wanted:.2%} was asked for. Print its `conversion`; allow more depth, give samples "
            "without outliers, or train on with polynomials in the place of its activations."
        )


class PlanWarning(UserWarning):
    """A plan stands on ranges from data, which unseen inputs may leave, since the worst case does not fit.

    `SamplesWarning` is one too.

    reason: why there is no plan for the worst case.
    ranges: what the plan takes instead, and how often unseen inputs may leave it, in words.
    """

    def __init__(self, reason: str, ranges: str) -> None:
        super().__init__(reason, ranges)
        self.reason, self.ranges = reason, ranges

    def __str__(self) -> str:
        return (
            f"the worst case within the bounds does not fit ({self.reason.rstrip('.')}); the plan takes {self.ranges}. "
            "Witnesses show the samples that leave them. To be asked for that is ranges='data'; ranges='worst' refuses."
        )


class SamplesWarning(PlanWarning):
    """Bounds that were taken from samples, and are a guess for some features.

    samples: how many samples there were.
    equal: places of the features that had one value in all samples; empty where the samples are too few to say so.
    features: how many features there are.
    names: of `equal`, empty where they are not known.
    shared: the bounds (low, high), before any margin, that all features were given together, since they plainly share
    one unit; None where each keeps its own, so that no other value of those in `equal` is accepted.
    """

    def __init__(
        self,
        samples: int,
        equal: tuple[int, ...],
        features: int,
        names: tuple[str, ...] = (),
        shared: tuple[float, float] | None = None,
    ) -> None:
        UserWarning.__init__(self, samples, equal, features, names, shared)
        self.samples, self.equal, self.features, self.names, self.shared = samples, equal, features, names, shared

    def __str__(self) -> str:
        return self.text(join_first(self.names or self.equal, "feature"))

    def text(self, called: str) -> str:
        """What the warning says.

        called: the features in `equal`, in words.
        """
        if not self.equal:
            what = "1 sample" if self.samples == 1 else f"{self.samples:,} samples"
            return (
                f"the bounds are those of {what}, and values beyond them will be refused. "
                "Give more samples, or say what the features can be: bounds=."
            )
        said = (
            f"{len(self.equal):,} of {self.features:,} features are equal in all {self.samples:,} samples: {called}. "
        )
        if self.shared is None:
            return f"{said}Other values of theirs will be refused. Say what they can be: bounds=."
        low, high = self.shared
        return (
            f"{said}All seem to be of one unit, as pixels are, so each has the bounds of all together, "
            f"[{low:.6g}, {high:.6g}]. Say what they can be otherwise: bounds=."
        )


class ScaleWarning(UserWarning):
    """A TenSEAL value has a scale that its primes do not match: what fhenn computes is right, TenSEAL's own is not.

    scale: of the value.
    prime: of the modulus chain, by which TenSEAL will divide.
    """

    def __init__(self, scale: float, prime: int) -> None:
        super().__init__(scale, prime)
        self.scale, self.prime = scale, prime

    def __str__(self) -> str:
        off = abs(self.scale / self.prime - 1)
        return (
            f"scale 2^{log2(self.scale):.2f} and prime 2^{log2(self.prime):.2f} differ by {off:.0%}, which TenSEAL "
            "takes for equal: this node comes out at the scale, with a level more, but each product of TenSEAL's own "
            "after it is off by as much. Primes of 26 bits or more match their scale."
        )


class DataWarning(UserWarning):
    """Something in a table, or made of one, that should be looked at before a model is trained or served.

    The text says what.
    """


class NoiseWarning(PlanWarning):
    """A server computes by another evaluator than the plan is for, whose answers may err by more than the plan states.

    evaluator: that computes.
    planned: that the plan is for.
    error: bound on the error of its answers, in units of the outputs where the plan has some.
    stated: what the plan states.
    """

    def __init__(self, evaluator: str, planned: str, error: float, stated: float) -> None:
        UserWarning.__init__(self, evaluator, planned, error, stated)
        self.evaluator, self.planned, self.error, self.stated = evaluator, planned, error, stated

    def __str__(self) -> str:
        error, stated = apart(self.error, self.stated)
        return (
            f"the plan is for the evaluator {self.planned!r} and states an error of {stated}; {self.evaluator!r} "
            f"computes in its place, and errs by up to {error}: do not share those results. Plan with "
            f"evaluator={self.evaluator!r}, or run it where {self.planned!r} is installed."
        )


class NativeUnavailable(UserWarning):
    """The native library is there and cannot be used; SEAL computes in its place.

    path: of the library.
    reason: why it cannot be used.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"The native evaluator at {self.path} is not used: {self.reason}. SEAL computes instead, more slowly. "
            "Build it anew: python -m fhenn.backends.native.build."
        )


class MachineWarning(UserWarning):
    """The timings that were measured on this machine cannot be read; those that come with the package are taken.

    path: of the file.
    reason: what is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"the timings of this machine in {printable(self.path)} are not used ({printable(self.reason)}): costs are "
            "those of the machine that fhenn was measured on. Measure yours with `fhenn calibrate-machine`."
        )


class BoundsWarning(UserWarning):
    """Values beyond the bounds of the plan were clipped to them.

    samples: how many samples had such values.
    total: how many samples there were.
    """

    def __init__(self, samples: int, total: int) -> None:
        super().__init__(samples, total)
        self.samples, self.total = samples, total

    def __str__(self) -> str:
        return (
            f"{self.samples} of {self.total} samples leave the bounds of the plan and were clipped to them: their "
            "results are those of the nearest values inside. To serve them as they are, plan with a wider margin."
        )


@dataclass(eq=False)
class RangeViolation(FhennError, ValueError):
    """An activation's input left the domain of its polynomial, and `on_violation` is "raise".

    report: the numbers.

    >>> import fhenn
    >>> try:
    ...     fhenn.Sigmoid(on_violation="raise").forward([1.0, 5.0])
    ... except RangeViolation as violation:
    ...     violation.report.largest
    5.0
    """

    report: RangeReport | ViolationReport

    def _message(self) -> str:
        return str(self.report)
