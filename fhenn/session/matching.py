"""Whether an answer belongs to what was sent: by its binding first, then by what its ciphertexts are."""

from __future__ import annotations

from collections.abc import Mapping

from fhenn.ckks import CipherArray, Context
from fhenn.errors import AnswerMismatch, ContextMismatch, WireFormatError
from fhenn.planner import Plan
from fhenn.session.answer import Answer, Binding
from fhenn.session.receipt import Receipt, UploadHeader
from fhenn.wire import header_of

_AGAIN = "Ask the server again."


def require_binding(
    binding: Binding | None, plan: Plan, receipt: Receipt | None, sent: Mapping[str, UploadHeader], unbound: bool
) -> int | None:
    """Require that an answer says it is one to an upload of this client, under this plan.

    binding: of the answer; None where it has none.
    plan: that the upload was made with.
    receipt: of the upload; None for any upload in `sent`.
    sent: headers of the parts that this client sent, by their SHA-256.
    unbound: whether an answer without a binding is accepted.

    Returns the number of samples that the answer must hold, None where nothing tells.
    Raises AnswerMismatch.
    """
    if binding is None:
        if unbound:
            return None if receipt is None else receipt.samples
        raise AnswerMismatch(
            "upload",
            "a digest",
            "not named",
            "A server of format version 1 made it, so it can be the answer to other samples. Ask a newer server, or "
            "accept it as it is: decrypt(…, unbound=True).",
        )
    if binding.plan != plan.fingerprint:
        raise AnswerMismatch("plan", plan.fingerprint, binding.plan, "Use the plan that the upload was made with.")
    if plan.model not in (None, binding.model):
        raise AnswerMismatch(
            "model", str(plan.model), binding.model, "Ask the server for the model that the plan is for."
        )
    if receipt is not None:
        if receipt.plan not in (None, plan.fingerprint):
            raise AnswerMismatch("receipt's plan", plan.fingerprint, str(receipt.plan), "Use this upload's receipt.")
        return receipt.require(binding.part, binding.upload).samples
    known = sent.get(binding.upload)
    if known is None:
        raise AnswerMismatch(
            "upload",
            "one that this client made",
            binding.upload[:12],
            "Pass the receipt of its upload, decrypt(…, receipt=Receipt.of(upload)), or encrypt again.",
        )
    if known.part != binding.part:
        raise AnswerMismatch("part", str(known.part), str(binding.part), _AGAIN)
    return known.samples


def require_result(context: Context, plan: Plan, message: bytes, samples: int | None) -> CipherArray:
    """Load a result, and require that it has the shape, level and layout that the plan states.

    context: with the secret key of the client that sent the samples.
    plan: that the upload was made with.
    message: the result of an `Answer`.
    samples: how many it must hold; None where nothing tells.

    Returns ciphertexts of shape (samples, outputs).
    Raises AnswerMismatch, WireFormatError, ContextMismatch.
    """
    array = CipherArray.from_bytes(context, message)
    if len(array.shape) != 2:
        raise WireFormatError("answer", f"it holds an array of shape {array.shape}, not (samples, outputs)")
    checks: dict[str, tuple[object, object]] = {"number of samples": (samples, array.shape[0])}
    if plan.result is not None:
        checks |= {
            "number of outputs": (plan.result.outputs, array.shape[1]),
            "level": (plan.result.level, array.level),
            "layout": (plan.result.layout, array.layout),
        }
    for what, (expected, got) in checks.items():
        if expected is not None and expected != got:
            raise AnswerMismatch(what, str(expected), str(got), _AGAIN)
    if (array.level, array.scale) == (plan.parameters.levels, context.scale):
        raise AnswerMismatch("content", "a result", "an upload", "Decrypt what the server answered to it.")
    return array


def require_keys(context: Context, answer: Answer) -> None:
    """Raise ContextMismatch where an answer names the keys of another client; its ciphertexts are not looked at."""
    keys = str(header_of(answer.result).meta.get("fingerprint"))[:16]
    if keys != context.fingerprint:
        raise ContextMismatch(context.fingerprint, keys)
