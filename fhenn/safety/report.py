"""The four layers of range safety for one model, on one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhenn.columns import table_of
from fhenn.nn import Activation, Node, circuit
from fhenn.planner import Plan, Witness
from fhenn.ranges import Calibration, calibrate
from fhenn.safety.certificate import Certificate, certify
from fhenn.safety.outputs import OutputGuard, output_guard
from fhenn.text import wrapped


@dataclass(frozen=True)
class SafetyReport:
    """What each layer of range safety says of a model. Make one with `fhenn.safety_report`.

    certificate: what can happen, for every input within bounds.
    calibration: what happened on sample data; None without data.
    witnesses: what encrypted answers will tell; empty where the plan has none.
    guard: what outputs alone tell; None where the model does not end in an activation of one polynomial, or in an exact
    one, for which every output is right.
    """

    certificate: Certificate
    calibration: Calibration | None
    witnesses: tuple[Witness, ...]
    guard: OutputGuard | None

    def __repr__(self) -> str:
        data = None if self.calibration is None else self.calibration.samples
        return (
            f"SafetyReport({self.certificate!r}, samples={data}, witnesses={len(self.witnesses)}, guard={self.guard})"
        )

    def __str__(self) -> str:
        no_data = "  no data given: pass data=… to see what reaches the activations"
        calibration = no_data if self.calibration is None else str(self.calibration)
        witnesses = "\n".join(wrapped(str(witness)) for witness in self.witnesses)
        guard = (
            wrapped(str(self.guard))
            if self.guard
            else "  the model ends in numbers, for which every output is possible"
        )
        return "\n".join(
            (
                "1. before: certificate, for every input within bounds",
                str(self.certificate),
                "",
                "2. before: calibration, on data",
                calibration,
                "",
                "3. during: witness, beside each encrypted answer",
                witnesses or "  the plan has none: make one with fhenn.plan(..., witness=True)",
                "",
                "4. after: guard of the outputs",
                guard,
            )
        )


def safety_report(model: Node, bounds: Any = None, data: Any = None, plan: Plan | None = None) -> SafetyReport:
    """What the four layers of range safety say of a model.

    model: as for `fhenn.certify`.
    bounds: of the features, as for `fhenn.certify`; None for the least and largest values of the data.
    data: (samples, features), as for `fhenn.calibrate`; None to leave calibration out.
    plan: for encrypted inference, None for the twin.

    Raises what `fhenn.certify` and `fhenn.calibrate` raise.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]]), fhenn.Sigmoid()])
    >>> report = safety_report(model, [-1, 1])
    >>> report.certificate.valid, len(report.guard.blind)
    (True, 2)
    """
    table = table_of(data)
    data = data if table is None else table  # a stream can be read once
    last = circuit(model)[-1]
    single = isinstance(last, Activation) and len(last.polynomials) == 1 and not last.times_input and not last.is_exact
    return SafetyReport(
        certificate=certify(model, bounds, plan, inputs=data if bounds is None else None),
        calibration=None if data is None else calibrate(model, data),
        witnesses=plan.witnesses if plan is not None else (),
        guard=output_guard(last.polynomials[0]) if isinstance(last, Activation) and single else None,
    )
