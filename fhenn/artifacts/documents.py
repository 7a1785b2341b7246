"""Plans and certificates, which are JSON, in fhenn's frame."""

from __future__ import annotations

import json

from fhenn.errors import WireFormatError
from fhenn.interop import ImportedModel, Reading
from fhenn.nn import Node
from fhenn.planner import Plan, fingerprint_of
from fhenn.planner.demands import require_short
from fhenn.safety import Certificate
from fhenn.strict import MALFORMED, read_json
from fhenn.wire import frame, unframe


def plan_to_bytes(plan: Plan, model: Node | None = None) -> bytes:
    """A plan as a message.

    plan: from `fhenn.plan`.
    model: that it is for; the message then names its fingerprint, and holds the reading of an `ImportedModel`.

    >>> import fhenn
    >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    >>> plan_from_bytes(plan_to_bytes(plan)) == plan
    True
    """
    reading = model.reading.to_json() if isinstance(model, ImportedModel) else None
    meta = {"parameters": plan.parameters.fingerprint, "features": plan.features, "layout": plan.layout_name}
    if model is not None:
        meta["model"] = fingerprint_of(model)
    return frame("plan", meta, json.dumps({"plan": plan.to_json(), "reading": reading}).encode())


def plan_from_bytes(data: bytes) -> Plan:
    """The plan in a message of `plan_to_bytes`.

    data: the message.

    Raises WireFormatError.
    """
    return Plan.from_json(_parts(data)[0])


def reading_from_bytes(data: bytes) -> Reading | None:
    """How a client reads the scores, from a message of `plan_to_bytes`.

    data: the message.

    Returns None where the message does not say.
    Raises WireFormatError.
    """
    text = _parts(data)[1]
    return None if text is None else Reading.from_json(text)


def _parts(data: bytes) -> tuple[str, str | None]:
    """The JSON of the plan and of the reading. Raises WireFormatError."""
    body = unframe("plan", data)[1]
    try:
        require_short(body)
        parts = read_json(body)
        plan, reading = parts.pop("plan"), parts.pop("reading")
    except MALFORMED as error:
        raise WireFormatError("plan", f"it is not readable ({error})") from error
    if parts or not isinstance(plan, str) or not isinstance(reading, str | None):
        raise WireFormatError("plan", "it must hold the text of a plan, that of a reading or null, and nothing else")
    return plan, reading


def certificate_to_bytes(certificate: Certificate) -> bytes:
    """A certificate as a message, which names the fingerprints of model and parameters.

    certificate: from `fhenn.certify`.
    """
    parameters = certificate.parameters
    meta = {"model": certificate.model, "parameters": parameters.fingerprint if parameters else None}
    return frame("certificate", meta, certificate.to_json().encode())


def certificate_from_bytes(data: bytes) -> Certificate:
    """The certificate in a message of `certificate_to_bytes`.

    data: the message.

    Raises WireFormatError.
    """
    return Certificate.from_json(unframe("certificate", data)[1])
