"""The server: holds the model and evaluation keys, never the secret key."""

from __future__ import annotations

from collections.abc import Callable

from fhenn.backends.ckks import CipherArray, Context
from fhenn.errors import PlanError, ShapeMismatch
from fhenn.nn import Node
from fhenn.planner import Plan, flatten, verify
from fhenn.safety import Certificate


class Server:
    """Runs a model on ciphertexts for the client whose keys it was given.

    model: what the plan was made for. evaluation_keys: bytes of `Client.evaluation_keys`; bytes that carry a secret
    key are refused. progress: called with (node, done, total) as the model runs. certificate: from `fhenn.certify`;
    when given, it must hold for model and plan. Raises PlanError where model, plan and keys do not belong together,
    CertificateInvalid, WireFormatError.
    """

    def __init__(
        self,
        model: Node,
        plan: Plan,
        evaluation_keys: bytes,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        certificate: Certificate | None = None,
    ) -> None:
        verify(plan, model)
        if certificate is not None:
            certificate.require(plan, model)
        context = Context.from_bytes(evaluation_keys)
        if not plan.fits(context):
            raise PlanError("the keys were made for another plan.", "Make client and server from one plan.")
        self._nodes, self._plan, self._context = tuple(flatten(model)), plan, context
        self._progress = progress

    @property
    def plan(self) -> Plan:
        """What model and keys were made for."""
        return self._plan

    @property
    def context(self) -> Context:
        """The evaluation keys."""
        return self._context

    def predict(self, ciphertexts: bytes) -> bytes:
        """The model's answer to a message of `Client.encrypt`, as a message for `Client.decrypt`.

        Every slot of the answer holds an output of the model, or an output for the sample 0, and nothing else.
        Raises WireFormatError, ContextMismatch, ShapeMismatch.
        """
        return self.evaluate(CipherArray.from_bytes(self._context, ciphertexts)).to_bytes()

    def evaluate(self, x: CipherArray) -> CipherArray:
        """The same for ciphertexts that are loaded already. Raises ShapeMismatch, ContextMismatch."""
        x.require_same_keys(self._context)
        if x.layout != self._plan.layout or x.level != self._plan.parameters.levels or x.scale != self._context.scale:
            raise ShapeMismatch("predict", x.shape, "samples as the client of this plan encrypts them")
        for done, node in enumerate(self._nodes):
            self._progress(node.name, done, len(self._nodes))
            x = node.infer(x)
        self._progress("done", len(self._nodes), len(self._nodes))
        return x
