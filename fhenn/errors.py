"""The typed errors and warnings of fhenn.

Every error carries its data as attributes, says in one sentence what is wrong and in the next what to do about it.
All derive from `FhennError`, and from the built-in exception that a caller would expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import log2

from fhenn.text import printable

_LONGEST_MESSAGE = 4000
_MOST_NAMED = 5
_MOST_COLUMNS = 50


def listed(things: Sequence[object], noun: str = "") -> str:
    """The first of some things in words, behind their noun, if any, in its number; the rest is an ellipsis.

    >>> listed((1, 2), "sample"), listed(("a", "b", "c", "d", "e", "f"))
    ('samples 1, 2', 'a, b, c, d, e, …')
    """
    names = ", ".join(printable(each) for each in things[:_MOST_NAMED]) + ", …" * (len(things) > _MOST_NAMED)
    return f"{noun}{'s' * (len(things) != 1)} {names}" if noun else names


class FhennError(Exception):
    """Base of every error that fhenn raises on purpose."""

    def __post_init__(self) -> None:
        # Exceptions travel between processes by their `args`; dataclass construction by keyword leaves those empty.
        self.args = tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    def __str__(self) -> str:
        """What is wrong and what to do: in one line, and whatever strangers' words are in it, safe on a terminal."""
        return printable(self._message(), _LONGEST_MESSAGE)

    def _message(self) -> str:
        return super().__str__()


@dataclass(eq=False)
class LevelExhausted(FhennError, ValueError):
    """A computation needs more levels than the ciphertext has left."""

    operation: str
    needed: int
    left: int
    suggestion: str

    def _message(self) -> str:
        levels = "level" if self.needed == 1 else "levels"
        return f"{self.operation} needs {self.needed} {levels}, the ciphertext has {self.left} left. {self.suggestion}"


@dataclass(eq=False)
class ContextMismatch(FhennError, ValueError):
    """A value belongs to another context (other parameters or other keys)."""

    expected: str
    got: str

    def _message(self) -> str:
        return (
            f"the ciphertext belongs to context {self.got}, not to {self.expected}. "
            "Use values, keys and evaluation context of one key generation."
        )


@dataclass(eq=False)
class KeyMissing(FhennError, ValueError):
    """A key that the operation needs is not in the context."""

    key: str
    operation: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.operation} needs the {self.key} key, which this context does not hold. {self.suggestion}"


@dataclass(eq=False)
class ScaleMismatch(FhennError, ValueError):
    """A scale and the primes of the modulus chain do not fit each other."""

    scale: float
    prime: int
    suggestion: str

    def _message(self) -> str:
        return (
            f"scale 2^{log2(self.scale):.2f} does not fit 2^{log2(self.prime):.2f}, the prime or scale that it meets. "
            f"{self.suggestion}"
        )


@dataclass(eq=False)
class HeadroomExceeded(FhennError, ValueError):
    """A value is larger than what surely fits the modulus: wrapping would corrupt every slot of its ciphertext."""

    largest: float
    headroom: float
    operation: str

    def _message(self) -> str:
        return (
            f"{self.operation}: |x| = {self.largest:.6g} exceeds the headroom of {self.headroom:.6g}; past it the "
            "modulus can wrap, which corrupts every slot of the ciphertext. Clip or rescale the data, or choose a "
            "larger first prime."
        )


@dataclass(eq=False)
class ParameterError(FhennError, ValueError):
    """Parameters, of CKKS or of a polynomial, that are malformed, insecure or do not reach what was asked for."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class PlanError(FhennError, ValueError):
    """No parameters do what was asked for, or a plan is for something else."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class SharingRefused(FhennError, ValueError):
    """A decrypted result cannot be made safe to share."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class BudgetUnknown(SharingRefused):
    """Nobody knows how much was shared under a key, so no more is."""

    def _message(self) -> str:
        return f"budget unknown: {self.reason} {self.suggestion}"


@dataclass(eq=False)
class AccuracyUnreached(FhennError, ValueError):
    """No polynomial that may be tried is as accurate as was asked; `best` is the error that `degree` reaches."""

    accuracy: float
    best: float
    degree: int
    suggestion: str

    def _message(self) -> str:
        return (
            f"an accuracy of {self.accuracy:.3g} is not reached: degree {self.degree} comes to {self.best:.3g}. "
            f"{self.suggestion}"
        )


@dataclass(eq=False)
class BoundsExceeded(FhennError, ValueError):
    """Values beyond the bounds that were declared to the plan.

    features, samples: the places of those that have such values. largest: the value that is furthest outside; low,
    high: the bounds of its feature. furthest: the places of its sample and its feature, None where they are not known.
    names: of the features above, as far as they are known.
    """

    features: tuple[int, ...]
    largest: float
    low: float
    high: float
    samples: tuple[int, ...] = ()
    furthest: tuple[int, int] | None = None
    names: tuple[str, ...] = ()

    def _message(self) -> str:
        rows = f" in {listed(self.samples, 'sample')}" if self.samples else ""
        verb = "leaves its" if len(self.features) == 1 else "leave their"
        return (
            f"{listed(self.names or self.features, 'feature')} {verb} declared bounds{rows}; the furthest value is "
            f"{self.largest:.6g}, outside [{self.low:g}, {self.high:g}]. "
            "Clip the data, or plan again with wider inputs."
        )


@dataclass(eq=False)
class UnsupportedValue(FhennError, TypeError):
    """A value of a type or dtype that no backend computes on."""

    got: str
    expected: str

    def _message(self) -> str:
        return f"cannot compute on {self.got}; expected {self.expected}."


@dataclass(eq=False)
class UnsupportedOperation(FhennError, TypeError):
    """An operation that the backend of this value does not offer."""

    operation: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.operation} is not supported here. {self.suggestion}"


@dataclass(eq=False)
class UnsupportedModel(FhennError, ValueError):
    """A part of a model from elsewhere that cannot run encrypted, or not as it stands.

    layer: what it is; where: its place in the model; reason: why not; supported: what is.
    """

    layer: str
    where: str
    reason: str
    supported: str

    def _message(self) -> str:
        return f"{self.layer} ({self.where}) is not supported: {self.reason}. Supported: {self.supported}."


@dataclass(eq=False)
class FeatureMismatch(FhennError, ValueError):
    """A table whose columns are not the features that the model was fitted on: some are missing, or there are more."""

    got: tuple[str, ...]
    expected: tuple[str, ...]

    def _message(self) -> str:
        missing = [name for name in self.expected if name not in self.got]
        unknown = [name for name in self.got if name not in self.expected]
        parts = [f"{what}: {listed(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names]
        return (
            f"the features are not those that the model was fitted on ({'; '.join(parts)}). "
            "Select them by name, as in X[list(model.reading.features)]; their order does not matter."
        )


@dataclass(eq=False)
class ShapeMismatch(FhennError, ValueError):
    """Shapes that do not go together."""

    operation: str
    got: tuple[int, ...]
    expected: str

    def _message(self) -> str:
        return f"{self.operation}: got shape {tuple(self.got)}, expected {self.expected}."


@dataclass(eq=False)
class NonFiniteValue(FhennError, ValueError):
    """NaN or infinity where finite numbers are needed."""

    operation: str
    count: int
    suggestion: str

    def _message(self) -> str:
        return f"{self.operation}: {self.count} values are NaN or infinite. {self.suggestion}"


@dataclass(eq=False)
class MissingValues(NonFiniteValue):
    """Cells of a table with nothing in them, or with no finite number.

    operation: the file, or what was to be done. count: of all such cells. columns: that have some, as they are called;
    counts: how many each has; places: where, in words.
    """

    columns: tuple[str, ...]
    counts: tuple[int, ...]
    places: tuple[str, ...]

    @property
    def listed(self) -> str:
        """What is missing and where, without the operation and the way out."""
        each = list(zip(self.columns, self.counts, self.places, strict=True))
        shown = ", ".join(f"{name} ({count}: {where})" for name, count, where in each[:_MOST_COLUMNS])
        more = f", and {len(self.columns) - _MOST_COLUMNS} columns more" * (len(self.columns) > _MOST_COLUMNS)
        return f"values are missing or infinite in {shown}{more}"

    def _message(self) -> str:
        return f"{self.operation}: {self.listed}. {self.suggestion}"


@dataclass(eq=False)
class CacheEmpty(FhennError, RuntimeError):
    """`backward` or `update` found nothing kept to work on."""

    node: str
    needed: int
    kept: int
    reason: str

    def _message(self) -> str:
        return f"{self.node}: needs {self.needed} kept, has {self.kept}. {self.reason}"


@dataclass(eq=False)
class CertificateInvalid(FhennError, ValueError):
    """A certificate does not hold for what it is shown for."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"the certificate does not hold: {self.reason} {self.suggestion}"


@dataclass(eq=False)
class WireFormatError(FhennError, ValueError):
    """Bytes that are not a well-formed fhenn or TenSEAL message."""

    what: str
    reason: str

    def _message(self) -> str:
        return f"not a valid {self.what}: {self.reason}. Ask the sender for it again."


@dataclass(eq=False)
class WrongKind(WireFormatError):
    """A file, or bytes, of another kind than is needed; said before anything is done with it.

    what: the kind that is needed, source: the file or argument, got: what it is, both in words. destination: the
    address that it would have been sent to, empty where it was to stay on this machine.
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
    """A file that a step needs is not there. what: what it would hold, as "a plan"."""

    path: str
    what: str
    suggestion: str

    def _message(self) -> str:
        return f"there is no file {self.path}, which would hold {self.what}. {self.suggestion}"


@dataclass(eq=False)
class AnswerMismatch(FhennError, ValueError):
    """Bytes that are no answer to what was asked. what: the part that differs; expected, got: as far as they tell."""

    what: str
    expected: str
    got: str
    suggestion: str

    def _message(self) -> str:
        return f"not the answer asked for: its {self.what} is {self.got}, expected {self.expected}. {self.suggestion}"


@dataclass(eq=False)
class FileExists(FhennError, FileExistsError):
    """A file is there already, and was not to be overwritten."""

    path: str

    def _message(self) -> str:
        return f"{self.path} exists already. Choose another name, or ask for it to be overwritten."


@dataclass(eq=False)
class SecretLocked(FhennError, ValueError):
    """A secret key is encrypted, and the passphrase missing or wrong."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"the secret key stays locked: {self.reason} {self.suggestion}"


@dataclass(eq=False)
class StoreLocked(FhennError, RuntimeError):
    """Another process writes to a service's store; `path` is the lock that `holder` has."""

    path: str
    holder: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.path} is held by {self.holder}. {self.suggestion}"


@dataclass(eq=False)
class StoreUnsafe(FhennError, RuntimeError):
    """A folder that is to be private is not: what is in it cannot be believed."""

    path: str
    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.path} is not safe as a store: {self.reason}. {self.suggestion}"


@dataclass(eq=False)
class ServiceRefused(FhennError, RuntimeError):
    """The service does not start as it was told to."""

    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"{self.reason} {self.suggestion}"


@dataclass(eq=False)
class ServiceError(FhennError, RuntimeError):
    """The service answered with a problem (RFC 9457). kind: which one, for programs; request_id: as in its log."""

    status: int
    kind: str
    detail: str
    request_id: str

    def _message(self) -> str:
        return f"the service answers {self.status}, {self.kind}: {self.detail} (request {self.request_id})"


@dataclass(eq=False)
class ServiceUnreachable(FhennError, ConnectionError):
    """No answer of the service came, however often it was asked."""

    url: str
    attempts: int
    reason: str

    def _message(self) -> str:
        return (
            f"no answer from {self.url} in {self.attempts} attempts ({self.reason}). "
            "Check the address, and that the service runs."
        )


@dataclass(eq=False)
class AnswerRefused(FhennError, RuntimeError):
    """What a service sends is not taken: it is larger than it can have to be, or of another form than was asked.

    what: was asked for ("plan", "answer", …).
    """

    url: str
    what: str
    reason: str
    suggestion: str

    def _message(self) -> str:
        return f"the {self.what} from {self.url} is not taken: {self.reason}. {self.suggestion}"


@dataclass(eq=False)
class ExtraMissing(FhennError, ImportError):
    """An optional dependency is not installed."""

    extra: str
    package: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.name = self.package

    def _message(self) -> str:
        return f"{self.package} is not installed. Install it with: pip install 'fhenn[{self.extra}]'"


@dataclass(frozen=True)
class RangeReport:
    """What left the domain of an activation.

    node: name of the node; domain: the interval (low, high) on which its polynomial is good.
    outside: how many values lie outside, NaN and infinity included; total: how many there were.
    smallest, largest: extremes of the finite values (NaN where there is none); nonfinite: NaN and infinite values.
    consequence: what can go wrong, in a sentence.

    >>> report = RangeReport("Sigmoid", (-4.0, 4.0), 1, 9, -2.0, 5.0, 0, "It flips.")
    >>> str(report)
    'Sigmoid: 1 of 9 values outside [-4, 4], smallest -2, largest 5. It flips.'
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
        low, high = self.domain
        text = (
            f"{printable(self.node)}: {self.outside} of {self.total} values outside [{low:g}, {high:g}], "
            f"smallest {self.smallest:.6g}, largest {self.largest:.6g}"
        )
        if self.nonfinite:
            text += f", {self.nonfinite} of them NaN or infinite"
        return f"{text}. {self.consequence}"


@dataclass(frozen=True)
class ViolationReport:
    """Which samples of an encrypted prediction had values that left a domain, by what the client decrypted.

    samples: their places, total: of how many. found: for each source ("witness of Sigmoid", "outputs") the places that
    it names.
    """

    samples: tuple[int, ...]
    total: int
    found: dict[str, tuple[int, ...]]

    def __str__(self) -> str:
        sources = ", ".join(f"{printable(source)} ({len(places)})" for source, places in self.found.items())
        return (
            f"{len(self.samples)} of {self.total} samples have, or may have, values outside an activation's domain: "
            f"{listed(self.samples, 'sample')}; found by {sources}. Their results mean nothing: drop them "
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


class ApproximationWarning(UserWarning):
    """No polynomial that may be tried is as accurate as was asked, and the best stands in.

    node: its name; domain: where its inputs can lie; wanted, reached: largest |polynomial - exact| there; degree: its.
    """

    def __init__(self, node: str, domain: tuple[float, float], wanted: float, reached: float, degree: int) -> None:
        super().__init__(node, domain, wanted, reached, degree)
        self.node, self.domain, self.wanted, self.reached, self.degree = node, domain, wanted, reached, degree

    def __str__(self) -> str:
        low, high = self.domain
        return (
            f"{printable(self.node)}: its inputs can lie anywhere in [{low:g}, {high:g}], where degree {self.degree} "
            f"is off by {self.reached:.2g}; {self.wanted:.2g} was asked. Labels near a decision can differ. Scale the "
            "features to one range (MinMaxScaler), declare tighter bounds, train with more regularisation, or accept "
            "it with a larger accuracy."
        )


class DataWarning(UserWarning):
    """Something about a table that a model should not be trained on unseen; its text says what."""


class BoundsWarning(UserWarning):
    """Values beyond the plan's bounds were clipped: samples, how many of total."""

    def __init__(self, samples: int, total: int) -> None:
        super().__init__(samples, total)
        self.samples, self.total = samples, total

    def __str__(self) -> str:
        return (
            f"{self.samples} of {self.total} samples leave the bounds of the plan and were clipped to them: theirs are "
            "the answers for the nearest values inside. Plan with a wider margin to serve them as they are."
        )


@dataclass(eq=False)
class RangeViolation(FhennError, ValueError):
    """An activation's input left the domain of its polynomial, and the node or client was told to raise.

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
