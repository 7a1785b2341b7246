"""Whether an answer is the one to what was sent: by the names that it bears, then by what its ciphertexts are."""

from __future__ import annotations

from collections.abc import Mapping

from fhenn.backends.seal import CipherArray, Context
from fhenn.errors import AnswerMismatch, ContextMismatch, WireFormatError
from fhenn.planner import Plan
from fhenn.session.answer import Answer
from fhenn.session.receipt import Receipt
from fhenn.wire import header_of

_AGAIN = "Ask the server again."


def require_named(
    answer: Answer, plan: Plan, receipt: Receipt | None, sent: Mapping[str, tuple[int, int]], unbound: bool
) -> int | None:
    """The samples that an answer must hold, where it names plan, model and upload; None where nothing tells.

    receipt: of the upload, None for any that was sent. sent: place and samples of each part, by its SHA-256. unbound:
    whether an answer that names nothing is taken. Raises AnswerMismatch.
    """
    binding = answer.binding
    if binding is None:
        if unbound:
            return None if receipt is None else receipt.samples
        raise AnswerMismatch(
            "upload",
            "a digest",
            "not named",
            "A server of format version 1 made it, and it may be that to other samples: ask a newer one, or say that "
            "you take it unbound.",
        )
    if binding.plan != plan.fingerprint:
        raise AnswerMismatch("plan", plan.fingerprint, binding.plan, "Take the plan that the upload was made with.")
    if plan.model not in (None, binding.model):
        raise AnswerMismatch("model", str(plan.model), binding.model, "Ask for the model that the plan is for.")
    if receipt is not None:
        if receipt.plan not in (None, plan.fingerprint):
            raise AnswerMismatch("receipt's plan", plan.fingerprint, str(receipt.plan), "Take this upload's receipt.")
        return receipt.require(binding.part, binding.upload).samples
    known = sent.get(binding.upload)
    if known is None:
        raise AnswerMismatch(
            "upload",
            "one that this client made",
            binding.upload[:12],
            "Hand over the receipt of the upload, which `Receipt.of` makes, or encrypt again.",
        )
    part, samples = known
    if part != binding.part:
        raise AnswerMismatch("part", str(part), str(binding.part), _AGAIN)
    return samples


def require_result(context: Context, plan: Plan, message: bytes, samples: int | None) -> CipherArray:
    """The ciphertexts of a result, where they are what the plan says. samples: None where nothing tells how many.

    Raises AnswerMismatch, WireFormatError, ContextMismatch.
    """
    array = CipherArray.from_bytes(context, message)
    if len(array.shape) != 2:
        raise WireFormatError("answer", f"it holds an array of shape {array.shape}, not (samples, outputs)")
    found: dict[str, tuple[object, object]] = {"number of samples": (samples, array.shape[0])}
    if plan.result is not None:
        found |= {
            "number of outputs": (plan.result.outputs, array.shape[1]),
            "level": (plan.result.level, array.level),
            "layout": (plan.result.layout, array.layout),
        }
    for what, (expected, got) in found.items():
        if expected is not None and expected != got:
            raise AnswerMismatch(what, str(expected), str(got), _AGAIN)
    if (array.level, array.scale) == (plan.parameters.levels, context.scale):
        raise AnswerMismatch("content", "a result", "an upload", "Take what the server made of it.")
    return array


def require_keys(context: Context, answer: Answer) -> None:
    """Raise ContextMismatch where an answer is for the keys of another client; its ciphertexts are not looked at."""
    keys = str(header_of(answer.result).meta.get("fingerprint"))[:16]
    if keys != context.fingerprint:
        raise ContextMismatch(context.fingerprint, keys)
