"""Plans and certificates, which are JSON, in fhenn's frame."""

from __future__ import annotations

import json

from fhenn.errors import PreparationMismatch, WireFormatError
from fhenn.interop import ImportedModel, Preparation, Reading
from fhenn.interop.preparation import LARGEST, MOST_PARTS
from fhenn.nn import Node
from fhenn.planner import Plan, fingerprint_of
from fhenn.planner.demands import LARGEST_PLAN, require_short
from fhenn.safety import Certificate
from fhenn.strict import MALFORMED, read_json
from fhenn.wire import frame, unframe


def plan_to_bytes(plan: Plan, model: Node | None = None) -> bytes:
    """A plan as a message.

    plan: from `fhenn.plan`.
    model: that it is for; the message then names its fingerprint, and holds the reading and the preparation of an
    `ImportedModel`.

    Raises PreparationMismatch where the model has another preparation than the plan names.

    >>> import fhenn
    >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
    >>> plan_from_bytes(plan_to_bytes(plan)) == plan
    True
    """
    reading = model.reading.to_json() if isinstance(model, ImportedModel) else None
    preparation = model.preparation if isinstance(model, ImportedModel) else None
    meta = {
        "fingerprint": plan.fingerprint,
        "parameters": plan.parameters.fingerprint,
        "features": plan.features,
        "layout": plan.layout_name,
    }
    if model is not None:
        meta["model"] = fingerprint_of(model)
    parts = {"plan": plan.to_json(), "reading": reading}
    if preparation is not None:
        if preparation.fingerprint != plan.preparation:
            raise PreparationMismatch.between(plan.preparation, preparation.fingerprint, "Plan again for this model.")
        meta["preparation"], parts["preparation"] = preparation.fingerprint, preparation.to_json()
    return frame("plan", meta, json.dumps(parts).encode())


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


def preparation_from_bytes(data: bytes) -> Preparation | None:
    """What a client does with raw tables before it encrypts, from a message of `plan_to_bytes`.

    data: the message.

    Returns None where the plan needs none.
    Raises PreparationMismatch where it is another than the plan names, or there is none; WireFormatError.
    """
    plan, _, text = _parts(data)
    named = Plan.from_json(plan).preparation
    found = None if text is None else Preparation.from_json(text)
    if (None if found is None else found.fingerprint) != named:
        raise PreparationMismatch.between(
            named, None if found is None else found.fingerprint, "Ask whoever sent the plan for its message again."
        )
    return found


def _parts(data: bytes) -> tuple[str, str | None, str | None]:
    """The JSON of the plan, of the reading and of the preparation. Raises WireFormatError."""
    body = unframe("plan", data)[1]
    try:
        _require_short(body)
        parts = read_json(body)
        plan, reading, preparation = parts.pop("plan"), parts.pop("reading"), parts.pop("preparation", None)
    except MALFORMED as error:
        raise WireFormatError("plan", f"it is not readable ({error})") from error
    texts = isinstance(plan, str) and isinstance(reading, str | None) and isinstance(preparation, str | None)
    if parts or not texts:
        raise WireFormatError(
            "plan", "it must hold the text of a plan, that of a reading or null, a preparation or none, and no more"
        )
    return plan, reading, preparation


def _require_short(body: bytes) -> None:
    """Raise ValueError, before it is parsed, where a message is longer, or has more parts, than any that is sent."""
    if b'"preparation"' not in body:
        require_short(body)
    elif len(body) > LARGEST_PLAN + LARGEST or body.count(b",") > 2 * MOST_PARTS or body.count(b"[") > 2 * MOST_PARTS:
        raise ValueError("it is longer than any plan and preparation")


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
