"""`ModelComparison`: what exact model, twin and ciphertexts say of the same samples, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.numbers import at_most
from fhenn.comparison.quality import Quality
from fhenn.interop.reading import Roc
from fhenn.planner import Plan
from fhenn.planner.cost import Cost, bytes_text, count_of_rows, seconds_text

Floats = NDArray[np.float64]
Way = Literal["exact", "twin", "encrypted"]
WAYS: tuple[Way, ...] = ("exact", "twin", "encrypted")

_WIDTH = 32
"""Of the names of rows, in characters."""


@dataclass(frozen=True)
class Apart:
    """How far one set of scores is from another.

    largest, mean: |difference| of a score; infinite where one of the two is NaN or infinite.
    differ: samples that are decided otherwise; None where nothing is decided.
    """

    largest: float
    mean: float
    differ: int | None

    @classmethod
    def between(cls, first: Floats, second: Floats, differ: NDArray[np.bool_] | None) -> Apart:
        """That of scores (samples, outputs), and of which samples are decided otherwise, (samples,)."""
        distance = np.abs(first - second)
        distance[np.isnan(distance)] = np.inf
        count = None if differ is None else int(np.count_nonzero(differ))
        return cls(float(distance.max(initial=0.0)), float(distance.mean()) if distance.size else 0.0, count)


@dataclass(frozen=True)
class Agreement:
    """How far the twin is from the exact model on some samples, and how well each predicts.

    samples: how many.
    exact, twin: how well they predict; None without labels, and for an exact model that is not known.
    apart: how far the twin is from the exact model; None where that is not known.
    """

    samples: int
    exact: Quality | None
    twin: Quality | None
    apart: Apart | None


@dataclass(frozen=True)
class Seconds:
    """What each step took.

    keys: to make and to load them and to encode the weights, once for a client.
    encrypt, evaluate, decrypt: of all samples that were encrypted. Where an evaluation takes more than two seconds, it
    is the first one that encodes the weights.
    plaintext: the exact model, or else the twin, on as many samples in the clear.
    """

    keys: float
    encrypt: float
    evaluate: float
    decrypt: float
    plaintext: float


@dataclass(frozen=True)
class Sizes:
    """Bytes of what is sent.

    keys: the evaluation keys, once for a client.
    upload, answer: of all samples that were encrypted.
    """

    keys: int
    upload: int
    answer: int


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Exact model, twin and ciphertexts side by side. `fhenn.compare` makes one; print it for a table.

    plan: by which samples were encrypted.
    measure: what `Quality.score` is: "accuracy", "R²" or "D²"; None where the model does not say what its scores mean.
    whole: of exact model and twin on all samples.
    part: the same on those that were encrypted and came back, whose values left no domain.
    encrypted: how well the decrypted scores predict these; None without labels.
    from_exact: how far decrypted scores are from the exact model's; None where that is not known.
    from_twin: how far they are from the twin's.
    unexplained: samples decided otherwise than by the twin although an error was above the plan's bound; 0 where the
    plan holds. Those within the bound are nearer to the threshold than it.
    close: encrypted samples that are so near the threshold that errors within the plan's bound may turn them; None
    where decisions are not those of the largest score or of a sign.
    exceeded: whether an error was above the plan's bound of its output.
    left_out: encrypted samples without an answer, since values of theirs left a domain.
    seconds: that each step took.
    sizes: in bytes.
    predicted: what the plan expected of as many samples.
    secret_at_server: whether the server's side could decrypt; it must not.
    scores: of the samples of `part`, (samples, outputs), by "exact", "twin" and "encrypted", read-only; "exact" is
    missing where that model is not known.
    rows: places of the samples of `part` among all, (samples,), read-only.
    curves: receiver operating characteristics on the samples of `part`, by "exact", "twin" and "encrypted"; empty
    without labels of both classes, and for models that do not tell two classes apart by scores.
    positive: the class that the curves take for positive; None where there are none.
    """

    plan: Plan
    measure: str | None
    whole: Agreement
    part: Agreement
    encrypted: Quality | None
    from_exact: Apart | None
    from_twin: Apart
    unexplained: int | None
    close: int | None
    exceeded: bool
    left_out: int
    seconds: Seconds
    sizes: Sizes
    predicted: Cost | None
    secret_at_server: bool
    scores: dict[Way, Floats]
    rows: NDArray[np.intp]
    curves: dict[Way, Roc]
    positive: str | None

    @property
    def sent(self) -> int:
        """Samples that were encrypted."""
        return self.part.samples + self.left_out

    def __repr__(self) -> str:
        return (
            f"ModelComparison(samples={self.whole.samples}, encrypted={self.sent}, "
            f"largest_error={self.from_twin.largest:.1e}, differ={self.from_twin.differ})"
        )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        part, whole = self.part, self.whole
        yield self._counted()
        yield f"  {self._planned()}"
        yield ""
        yield _row("", WAYS)
        yield from self._qualities((part.exact, part.twin, self.encrypted))
        yield from _distances((None, part.apart, self.from_exact))
        if part.apart is None:
            yield "  the exact model is not known: the function of an activation was lost in a file"
        if whole.samples > part.samples:
            yield ""
            yield _row(f"all {count_of_rows(whole.samples)}", WAYS[:2])
            yield from self._qualities((whole.exact, whole.twin))
            yield from _distances((None, whole.apart))
        yield ""
        yield from self._polynomials()
        yield from self._encryption()
        yield ""
        yield from self._costs()

    def _counted(self) -> str:
        text = count_of_rows(self.whole.samples)
        text += ", all encrypted" if self.sent == self.whole.samples else f", {self.sent:,} of them encrypted"
        return text + (f"; {self.left_out:,} without an answer: values left a domain" if self.left_out else "")

    def _planned(self) -> str:
        plan, parameters = self.plan, self.plan.parameters
        chain = ", ".join(map(str, parameters.chain))
        return f"plan: {plan.layout_name}, N={parameters.ring_degree} [{chain}], evaluator {plan.evaluator}"

    def _qualities(self, qualities: Sequence[Quality | None]) -> Iterator[str]:
        shown = [each for each in qualities if each is not None]
        if not shown or self.measure is None:
            return
        form = "{:.1%}" if self.measure == "accuracy" else "{:.4f}"
        yield _row(self.measure, [None if each is None else form.format(each.score) for each in qualities])
        for name, values in (
            ("area under the ROC curve", [each and each.auc for each in qualities]),
            ("mean absolute error", [each and each.error for each in qualities]),
        ):
            if any(value is not None for value in values):
                form = "{:.4f}" if name.startswith("area") else "{:.4g}"
                yield _row(name, [None if value is None else form.format(value) for value in values])

    @property
    def expected_apart(self) -> float | None:
        """How far the twin was from the exact model at most, in the model's own units, on what was planned from.

        None where the plan does not know.
        """
        plan = self.plan
        return None if plan.distance is None else plan.distance * max(plan.units or (1.0,))

    def _polynomials(self) -> Iterator[str]:
        """What polynomials do to scores, beside what the plan saw on its samples; nothing where the twin is exact."""
        found, expected = self.part.apart, self.expected_apart
        if found is not None and expected is not None:
            yield _row("polynomials alone", ("measured", "planned on"))
            yield _row("largest |twin - exact|", (_small(found.largest), _small(expected)))
            yield ""

    def _encryption(self) -> Iterator[str]:
        """What encryption does to scores, beside what the plan says."""
        found, bound = self.from_twin, max(self.plan.errors)
        yield _row("encryption alone", ("measured", "predicted"))
        yield _row("largest |encrypted - twin|", (_small(found.largest), f"<= {at_most(bound)}"))
        yield _row("mean |encrypted - twin|", (_small(found.mean),))
        if found.differ is not None:
            yield _row("decided unlike the twin", (f"{found.differ:,}",))
        if self.close is not None:
            yield _row("within the bound of a threshold", (f"{self.close:,}",))
        if self.exceeded:
            unlike = "" if self.unexplained is None else f", of {self.unexplained:,} samples that are decided otherwise"
            yield f"  an error was above the plan's bound{unlike}"

    def _costs(self) -> Iterator[str]:
        seconds, sizes, cost = self.seconds, self.sizes, self.predicted
        yield _row("cost", ("measured", "predicted"))
        client = seconds.encrypt + seconds.decrypt
        for name, measured, expected in (
            ("make keys, encode weights", seconds.keys, None if cost is None else cost.setup),
            ("client: encrypt, decrypt", client, None if cost is None else cost.client),
            ("server: evaluate", seconds.evaluate, None if cost is None else cost.server),
        ):
            yield _row(name, (seconds_text(measured), None if expected is None else seconds_text(expected)))
        count = max(self.sent, 1)
        yield _row("evaluate, a sample", (seconds_text(seconds.evaluate / count),))
        yield _row("in the clear, a sample", (seconds_text(seconds.plaintext / count),))
        for name, size, stated in (
            ("evaluation keys", sizes.keys, None if cost is None else cost.keys),
            ("upload", sizes.upload, None if cost is None else cost.up),
            ("answer", sizes.answer, None if cost is None else cost.down),
        ):
            yield _row(name, (bytes_text(size), None if stated is None else bytes_text(stated)))

    def to_dict(self) -> dict[str, Any]:
        """All of it but scores and rows as plain data, for JSON; of the plan what it is called and promises."""
        plan, parameters = self.plan, self.plan.parameters
        return {
            "samples": self.whole.samples,
            "encrypted_samples": self.sent,
            "left_out": self.left_out,
            "measure": self.measure,
            "all": asdict(self.whole),
            "encrypted": {
                **asdict(self.part),
                "encrypted": None if self.encrypted is None else asdict(self.encrypted),
                "from_exact": None if self.from_exact is None else asdict(self.from_exact),
                "from_twin": asdict(self.from_twin),
                "unexplained": self.unexplained,
                "close": self.close,
                "exceeded": self.exceeded,
            },
            "seconds": asdict(self.seconds),
            "bytes": asdict(self.sizes),
            "predicted": None if self.predicted is None else asdict(self.predicted),
            "plan": {
                "fingerprint": plan.fingerprint,
                "evaluator": plan.evaluator,
                "layout": plan.layout_name,
                "parameters": asdict(parameters),
                "errors": list(plan.errors),
                "apart": self.expected_apart,
            },
            "secret_at_server": self.secret_at_server,
        }


def _distances(distances: Sequence[Apart | None]) -> Iterator[str]:
    """How far scores are from the exact model's."""
    if not any(distances):
        return
    if any(each is not None and each.differ is not None for each in distances):
        yield _row("decided unlike the exact model", [each and each.differ for each in distances])
    for name, values in (
        ("largest |score - exact|", [None if each is None else each.largest for each in distances]),
        ("mean |score - exact|", [None if each is None else each.mean for each in distances]),
    ):
        yield _row(name, [None if value is None else _small(value) for value in values])


def _small(value: float) -> str:
    return f"{value:.1e}" if value else "0"


def _row(name: str, cells: Sequence[object]) -> str:
    """A line of a table; nothing where a cell is None."""
    return (f"  {name:<{_WIDTH}}" + "".join(f"{'' if cell is None else str(cell):>12}" for cell in cells)).rstrip()
