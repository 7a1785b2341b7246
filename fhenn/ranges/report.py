"""What a calibration found, as data: to print, to keep, and to improve the model with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.errors import ParameterError
from fhenn.nn import Activation, Affine, Node, wired
from fhenn.nn.activation import Domain
from fhenn.ranges.proposal import Proposal
from fhenn.ranges.rebuild import rebuild
from fhenn.text import finite
from fhenn.versioned import VersionedJson

Floats = NDArray[np.float64]
How = Literal["domain", "rescale"]

QUANTILES = (0.0, 0.1, 1.0, 50.0, 99.0, 99.9, 100.0)
"""Per cent of an activation's inputs that are no larger than the quantiles in its report."""


@dataclass(frozen=True)
class Drift:
    """|twin - exact|: the largest and the mean; infinite where the twin is NaN or infinite."""

    largest: float
    mean: float

    @classmethod
    def between(cls, twin: Floats, exact: Floats) -> Drift:
        """That of two arrays of one shape."""
        distance = np.abs(twin - exact)
        distance[np.isnan(distance)] = np.inf
        return cls(float(distance.max()), float(distance.mean()))


@dataclass(frozen=True)
class ActivationReport:
    """What reached one activation of the twin.

    place: from 1 among the model's activations.
    node: its name.
    function: what it stands for, None for nothing; "own function" for one that a file did not hold, which is unknown.
    domain: where its polynomial is good.
    flip: the |x| from which an odd polynomial is on the wrong side, None if nowhere.
    total: how many values were seen.
    outside: how many lie outside the domain, NaN and infinity among them; these alone where the activation is exact.
    nonfinite: how many are NaN or infinite.
    quantiles: of the finite values, at QUANTILES per cent; NaN where there is none.
    sup_error: the largest |polynomial - function| on the domain; None without a function that is known.
    drift: of the values after it from those of the model with exact activations; None where that model is not known.
    proposal: an activation that would hold the values; None where there is none.
    no_proposal: why there is none.
    shrink: the factor for weights and bias of the affine layer before it that would bring the values in; None where
    there is none.
    no_shrink: why there is none.
    """

    place: int
    node: str
    function: str | None
    domain: Domain
    flip: float | None
    total: int
    outside: int
    nonfinite: int
    quantiles: tuple[float, ...]
    sup_error: float | None
    drift: Drift | None
    proposal: Proposal | None
    no_proposal: str
    shrink: float | None
    no_shrink: str

    @property
    def smallest(self) -> float:
        """The smallest finite value, NaN where there is none."""
        return self.quantiles[0]

    @property
    def largest(self) -> float:
        """The largest finite value, NaN where there is none."""
        return self.quantiles[-1]

    @property
    def share_outside(self) -> float:
        """The share of values outside the domain, from 0 to 1."""
        return self.outside / self.total

    @property
    def title(self) -> str:
        """Place and name."""
        return f"{self.place} {self.node}"


@dataclass(frozen=True)
class OutputReport:
    """What came out of the twin, beside the model with exact activations.

    drift: of the scores; None where the exact model is not known.
    differ: the share of samples, from 0 to 1, that are decided differently, by the largest score, or for one score by
    the side of `threshold`; a twin's NaN or infinity counts. None where the exact model is not known.
    threshold: of a single score; None for several.
    nonfinite: how many scores are NaN or infinite.
    """

    drift: Drift | None
    differ: float | None
    threshold: float | None
    nonfinite: int


@dataclass(frozen=True)
class Calibration:
    """What `fhenn.calibrate` found. Data, but for the model that `apply` improves, which is as it was then.

    samples: how many were run.
    margin: between the values seen and the edge of a proposed domain, as a factor.
    activations: in the order of the model.
    output: beside the exact model's.
    model: as it was; it stays out of `to_json`.

    >>> import fhenn, numpy as np
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid(on_violation="ignore")])
    >>> calibration = fhenn.calibrate(model, np.linspace(-6, 6, 100)[:, None])
    >>> calibration.is_inside, calibration.apply().nodes[1].domain[1] > 6
    (False, True)
    """

    samples: int
    margin: float
    activations: tuple[ActivationReport, ...]
    output: OutputReport
    model: Node = field(repr=False, compare=False)

    @property
    def is_inside(self) -> bool:
        """Whether no value left a domain."""
        return not any(report.outside for report in self.activations)

    def apply(self, *, how: How = "domain") -> Node:
        """The improved model, of new nodes of the same kinds, policies and finish; nothing is changed in place.

        how: "domain" puts every activation's proposal in its place, with the weights as they are; "rescale" multiplies
        weights and biases by the proposed factors, which changes the function that the model computes: train it again.
        Raises ParameterError where the data leave a domain and there is no proposal of that kind.
        """
        if how not in ("domain", "rescale"):
            raise ParameterError(f"how must be 'domain' or 'rescale', not {how!r}.", "Choose one of them.")
        replacements: dict[int, Affine | Activation] = {}
        reports, steps = iter(self.activations), list(wired(self.model))
        for before, layer in zip((None, *steps), steps, strict=False):
            if isinstance(layer, Activation):
                report = next(reports)
                if how == "domain":
                    replacements[id(layer)] = self._proposal_of(report)
                elif self._factor(report) < 1 and isinstance(before, Affine):
                    replacements[id(before)] = before.scaled(self._factor(report))
        return rebuild(self.model, replacements)

    def _proposal_of(self, report: ActivationReport) -> Activation:
        if report.proposal is None:
            raise ParameterError(
                f"activation {report.title}: no domain can be proposed: {report.no_proposal.rstrip('.')}.",
                "Scale its inputs with how='rescale', or train with fhenn.range_penalty.",
            )
        return report.proposal.activation

    def _factor(self, report: ActivationReport) -> float:
        if report.shrink is None:
            raise ParameterError(
                f"activation {report.title}: no rescaling can be proposed: {report.no_shrink}.",
                "Take other domains with how='domain', or scale the data.",
            )
        return report.shrink

    def to_json(self) -> str:
        """The findings as JSON; NaN and infinity are null. The model is left out."""
        data = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "model"}
        data["activations"] = [_plain_report(report) for report in self.activations]
        data["output"] = asdict(self.output)
        return VersionedJson("calibration", 1).write(finite(data))

    def __repr__(self) -> str:
        outside = sum(report.outside > 0 for report in self.activations)
        return f"Calibration(samples={self.samples}, activations={len(self.activations)}, left_their_domain={outside})"

    def __str__(self) -> str:
        names = [
            "activation",
            "domain",
            *(f"{percent:g}%" for percent in QUANTILES),
            "outside",
            "sup error",
            "drift",
            "mean drift",
        ]
        found = [
            [
                report.title,
                _interval(report.domain),
                *(f"{value:.3g}" for value in report.quantiles),
                f"{report.share_outside:.2%}",
                _number(report.sup_error),
                *_drifts(report.drift),
            ]
            for report in self.activations
        ]
        lines = [f"calibration on {self.samples} samples", *_table([names, *found]), self._about_output()]
        nonfinite = sum(report.nonfinite for report in self.activations) + self.output.nonfinite
        if nonfinite:
            lines.append(f"  {nonfinite} values are NaN or infinite: the twin overflows outside its domains")
        names = ["activation", "domain", "degree", "sup error", "levels", "or weights"]
        lines += ["", f"proposals, with a margin of {self.margin:g}; each counts on those before it"]
        lines += _table([names, *map(_proposal_row, self.activations)])
        for report in self.activations:
            lines += [f"  {report.title}: {why}" for why in (report.no_proposal, report.no_shrink) if why]
        if any(report.shrink is not None and report.shrink < 1 for report in self.activations):
            lines.append("  Other weights change what the model computes: train it again after rescaling.")
        return "\n".join(lines)

    def _about_output(self) -> str:
        if self.output.drift is None or self.output.differ is None:
            lost = any(report.function is not None and report.sup_error is None for report in self.activations)
            why = "the function of an activation was lost in a file" if lost else "an activation stands for no function"
            return f"  output: the exact model is not known, as {why}"
        largest, mean = _drifts(self.output.drift)
        return (
            f"  output: drift {largest}, mean {mean}; {self.output.differ:.2%} of the decisions differ from those of "
            "the exact model"
        )


def _plain_report(report: ActivationReport) -> dict[str, Any]:
    data = {item.name: getattr(report, item.name) for item in fields(report)}
    proposal = report.proposal
    if proposal is not None:
        data["proposal"] = {item.name: getattr(proposal, item.name) for item in fields(proposal) if item.compare}
    data["drift"] = None if report.drift is None else asdict(report.drift)
    return data | {"share_outside": report.share_outside}


def _proposal_row(report: ActivationReport) -> list[str]:
    proposal = report.proposal
    cells = ["–"] * 4
    if proposal is not None:
        degrees = ", ".join(map(str, proposal.degrees))
        cells = [_interval(proposal.domain), degrees, _number(proposal.sup_error), str(proposal.cost)]
    return [report.title, *cells, "–" if report.shrink is None else f"× {report.shrink:.4g}"]


def _interval(domain: Domain) -> str:
    return f"[{domain[0]:g}, {domain[1]:g}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _drifts(drift: Drift | None) -> tuple[str, str]:
    return ("–", "–") if drift is None else (_number(drift.largest), _number(drift.mean))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of the rows, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
