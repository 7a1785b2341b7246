"""The server: holds the model and evaluation keys, never the secret key."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from numpy.typing import ArrayLike

from fhenn.backends import CIPHER, context_class, runs_on
from fhenn.backends import evaluator as registered
from fhenn.ckks import CipherArray, Context
from fhenn.errors import NoiseWarning, ParameterError, PlanError, ShapeMismatch
from fhenn.nn import Activation, Affine, Node, trail
from fhenn.planner import Plan, Witness, fingerprint_of, verify
from fhenn.planner.averages import first_of, require_averages, shares_of, with_share
from fhenn.planner.scaling import served_nodes
from fhenn.planner.verification import errors_on
from fhenn.safety import Certificate, observe
from fhenn.session.answer import Answer, Binding
from fhenn.session.receipt import UploadHeader, averaged, digest_of
from fhenn.session.stream import answer_in_order, at_once
from fhenn.steps import counted, report_progress
from fhenn.text import apart
from fhenn.wire import as_bytes


class Server:
    """Runs a model on ciphertexts for the client whose keys it was given.

    model: that the plan was made for.
    plan: from `fhenn.plan`.
    evaluation_keys: bytes of `Client.evaluation_keys`; bytes that hold a secret key are refused.
    progress: called with (what, done, total) as ciphertexts are read and each node runs, also within a node.
    certificate: from `fhenn.certify`; it must hold for model and plan. None for none.
    evaluator: what computes, by the name that it was registered under; None for the plan's, or SEAL where the library
        of that is missing. What computes on SEAL's keys runs any plan for such keys, by the rotations that these
        allow; where it may err by more than the plan states there is a NoiseWarning.

    Raises PlanError where model, plan and keys do not belong together, and where results that are to be shared would
    err by more than the plan states; CertificateInvalid, WireFormatError, ParameterError for an unknown evaluator.

    >>> import fhenn
    >>> model = fhenn.Sequential([fhenn.Linear([[1.0, -1.0]])])
    >>> plan = fhenn.plan(model, bounds=[-1, 1])
    >>> client = fhenn.Client(plan.public())
    >>> server = Server(model, plan, client.evaluation_keys())
    >>> client.decrypt(server.predict(client.encrypt([[0.75, 0.5]]))).round(3)
    array([[0.25]])
    """

    def __init__(
        self,
        model: Node,
        plan: Plan,
        evaluation_keys: bytes,
        *,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        certificate: Certificate | None = None,
        evaluator: str | None = None,
    ) -> None:
        verify(plan, model)
        if certificate is not None:
            certificate.require(plan, model)
        name = runs_on(plan.evaluator) if evaluator is None else evaluator
        context: Context = context_class(name).from_bytes(evaluation_keys)
        if name != plan.evaluator:
            require_errors(plan, model, name)
        if not plan.fits(context):
            raise PlanError("the keys were made for another plan.", "Make client and server with the same plan.")
        self._model, self._plan, self._context = model, plan, context
        self._nodes = tuple(served_nodes(plan, model))
        self._certificate, self._fingerprint, self._evaluator = certificate, fingerprint_of(model), evaluator
        self._progress = progress

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, is made of the same model, plan and evaluation keys; `progress` stays."""
        parts = self._model, self._plan, self._context.to_bytes(), self._certificate, self._evaluator
        return _rebuild, (type(self), *parts)

    def __repr__(self) -> str:
        plan = self._plan
        return (
            f"Server(nodes={len(self._nodes)}, N={plan.parameters.ring_degree}, layout={plan.layout_name!r}, "
            f"features={plan.features}, keys={self._context.fingerprint}, plan={plan.fingerprint})"
        )

    @property
    def plan(self) -> Plan:
        """The plan that model and keys were made for."""
        return self._plan

    @property
    def context(self) -> Context:
        """The evaluation keys."""
        return self._context

    def predict(self, upload: bytes, range_check: bool = True) -> bytes:
        """Run the model on encrypted samples.

        The answer names the upload, the model and the plan, so that the client can tell it from other answers. Every
        slot of it holds an output of the model, for a sample or for what the client put in spare places, and nothing
        else.

        upload: a message of `Client.encrypt`.
        range_check: whether to return the witnesses of a plan that has some (`plan(…, witness=True)`): for each
            activation, a number a sample that says whether its inputs left the domain (`fhenn.safety.observation` says
            what it reveals). False leaves them out: then nobody sees that a value left its range.

        Returns a message for `Client.decrypt`.
        Raises WireFormatError, ContextMismatch where the upload is under other keys, ShapeMismatch, PlanError where it
        is for another plan.
        """
        upload = as_bytes("upload", upload)
        header = UploadHeader.of(upload)
        with report_progress(self._progress, "read"):
            x = self._read(upload, header)
        return self._answer(x, Binding(header.part, digest_of(upload), *self._fingerprints), range_check)

    def average(self, uploads: Sequence[bytes], weights: ArrayLike | None = None, range_check: bool = True) -> bytes:
        """Run the model on the average of several uploads, sample by sample, as of what several sides trained.

        Each side encrypts with the public key (`fhenn.Encryptor`) as many samples as the others, and nobody but the
        holder of the secret key reads anything: it reads the average. The model begins with a linear layer; where the
        average itself is wanted, it is `fhenn.nn.Affine(fhenn.nn.Scaling(ones))`. The plan is one of
        `fhenn.planner.for_averages`, which counts what averages err by.

        The answer names the uploads in their order, with their shares: `Receipt.of_average` of the same tells it.

        uploads: messages of `Encryptor.encrypt` or `Client.encrypt`, no two the same.
        weights: of each, above 0, as the numbers of samples that it was trained on; None for equal ones. The average is
            over their sum, so that it lies within the plan's bounds.
        range_check: as for `predict`.

        Returns a message for `Client.decrypt`.
        Raises ParameterError, WireFormatError, ContextMismatch, ShapeMismatch where numbers of samples differ, and
        PlanError where an upload is for another plan, or the plan does not count such averages.

        >>> import fhenn
        >>> model = fhenn.nn.Affine(fhenn.nn.Scaling([1.0, 1.0]))
        >>> plan = fhenn.planner.for_averages(fhenn.plan(model, bounds=[-1, 1], public_key=True), model, 2)
        >>> client = fhenn.Client(plan)
        >>> side = fhenn.Encryptor(plan, client.evaluation_keys())
        >>> uploads = [side.encrypt([[0.2, 0.5]]), side.encrypt([[0.6, -0.5]])]
        >>> answer = Server(model, plan, client.evaluation_keys()).average(uploads, weights=[300, 100])
        >>> receipt = fhenn.session.Receipt.of_average(*uploads, weights=[300, 100])
        >>> client.decrypt(answer, receipt=receipt).round(2)
        array([[0.3 , 0.25]])
        """
        uploads = [as_bytes("upload", upload) for upload in uploads]
        shares = shares_of(weights, len(uploads))
        headers = [UploadHeader.of(upload) for upload in uploads]
        if len({digest_of(upload) for upload in uploads}) < len(uploads):
            raise ParameterError("an upload comes twice.", "Give each once, and a larger weight where it counts more.")
        for header in headers:
            if header.samples != headers[0].samples:
                shape = header.samples, self._plan.features
                raise ShapeMismatch("an average", shape, f"{headers[0].samples} samples, as of the first upload")
            if header.part or header.stream is not None:
                raise PlanError("an upload is a part of a stream.", "Average uploads of one message each.")
        first = first_of(self._nodes)
        require_averages(self._plan, self._model, len(uploads))
        total: CipherArray | None = None
        for upload, header, share in zip(counted(uploads), headers, shares, strict=True):
            x = self._read(upload, header)
            mapped: CipherArray = with_share(first, share).infer(x)
            total = mapped if total is None else CIPHER.add(total, mapped)
        binding = Binding(0, averaged(uploads, shares), *self._fingerprints)
        return self._answer(x, binding, range_check, total)

    @property
    def _fingerprints(self) -> tuple[str, str]:
        """Of the model and the plan."""
        return self._fingerprint, self._plan.fingerprint

    def _read(self, upload: bytes, header: UploadHeader) -> CipherArray:
        """The ciphertexts of an upload. Raises as `predict` does."""
        x = CipherArray.from_bytes(self._context, upload)  # whose digest covers the header
        if header.plan not in (None, self._plan.fingerprint):
            raise PlanError(
                f"the upload is for plan {header.plan}, this server runs {self._plan.fingerprint}.",
                "Encrypt again with this server's plan.",
            )
        self._require_fresh(x)
        return x

    def _answer(self, x: CipherArray, binding: Binding, range_check: bool, mapped: CipherArray | None = None) -> bytes:
        """The message of an answer.

        x: the input.
        binding: what it is the answer to.
        range_check: whether to compute witnesses.
        mapped: what the first node makes of the input, where that is known.
        """
        asked = self._plan.witnesses if range_check else ()
        result, witnesses = self._run(x, {witness.place: witness for witness in asked}, mapped)
        return Answer(result.to_bytes(), tuple(number.to_bytes() for number in witnesses), binding).to_bytes()

    def predict_stream(
        self, parts: Iterable[bytes] | bytes, range_check: bool = True, after: Iterable[bytes] = ()
    ) -> Iterator[bytes]:
        """Run the model on a stream of encrypted samples, part by part.

        parts: messages of `Client.encrypt_stream`, the last of which ends them, or all as `join` writes them.
        range_check: as for `predict`.
        after: answers to the first parts that were made before; those to the others follow.

        Returns the messages for `Client.decrypt_stream`, the last of which ends them.
        Raises, as messages are taken, what `predict` raises, AnswerMismatch where `after` answers another stream, and
        WireFormatError where a part is missing, comes twice,
        out of its order or from another stream, or the stream stops before its end.
        """
        return answer_in_order(parts, lambda part: at_once(self.predict(part, range_check)), 1, after)

    def evaluate(self, x: CipherArray) -> CipherArray:
        """Run the model on ciphertexts that are loaded already.

        x: of shape (samples, features), as the client of this plan encrypts them.

        Returns ciphertexts of shape (samples, outputs).
        Raises ShapeMismatch, ContextMismatch.
        """
        return self._run(x, {})[0]

    def witnessed(self, x: CipherArray) -> tuple[CipherArray, tuple[CipherArray, ...]]:
        """Run the model, and compute the witnesses beside its outputs.

        x: as for `evaluate`.

        Returns (outputs, witnesses): ciphertexts of shape (samples, outputs), and a witness for each of the plan's.
        Raises PlanError where the plan has no witnesses, ShapeMismatch, ContextMismatch.
        """
        if not self._plan.witnesses:
            raise PlanError("the plan has no witnesses.", "Make it with plan(…, witness=True).")
        return self._run(x, {witness.place: witness for witness in self._plan.witnesses})

    def _require_fresh(self, x: CipherArray) -> None:
        """Raise ShapeMismatch or ContextMismatch where an array is not one that a client of the plan encrypted."""
        x.require_same_keys(self._context)
        if x.layout != self._plan.layout or x.level != self._plan.parameters.levels or x.scale != self._context.scale:
            raise ShapeMismatch("predict", x.shape, "fresh samples that a client of this plan encrypted")

    def _run(
        self, x: CipherArray, wanted: dict[int, Witness], mapped: CipherArray | None = None
    ) -> tuple[CipherArray, tuple[CipherArray, ...]]:
        """Run the nodes, and compute the witnesses in `wanted`, by their places. Raises as `evaluate` does.

        mapped: what the first node makes of x, where that is known.
        """
        self._require_fresh(x)
        witnesses = []

        def step(done: int, node: Affine | Activation, x: CipherArray) -> CipherArray:
            with report_progress(self._progress, node.name, done, len(self._nodes)):
                if mapped is not None and not done:
                    return mapped
                if not (isinstance(node, Activation) and done in wanted):
                    y: CipherArray = node.infer(x)
                    return y
                y, number = observe(node, x, wanted[done])
                witnesses.append(number)
                return y

        *_, result = trail(self._nodes, x, step, lambda _, first, second: CIPHER.add(first, second))
        return result, tuple(witnesses)


def _rebuild(
    kind: type[Server], model: Node, plan: Plan, keys: bytes, certificate: Certificate | None, evaluator: str | None
) -> Server:
    """The server that a copy or a pickle is made into."""
    return kind(model, plan, keys, certificate=certificate, evaluator=evaluator)


def require_errors(plan: Plan, model: Node, name: str) -> None:
    """Hold another evaluator than the plan's to what the plan states.

    Clients size the noise on shared results by it. Raises PlanError where they will share some, and warns otherwise.
    """
    error, worst = errors_on(plan, model, plan.suited(registered(name)))
    if error <= plan.error and worst <= plan.worst:
        return
    if plan.queries:
        found, stated = apart(worst, plan.worst, digits=2)
        raise PlanError(
            f"results of the plan are to be shared, and those of the evaluator {name!r} err by up to {found}, where "
            f"the plan, which is for {plan.evaluator!r}, states {stated}.",
            f"Plan with evaluator={name!r}, or install {plan.evaluator!r}.",
        )
    warnings.warn(NoiseWarning(name, plan.evaluator, error, plan.error), stacklevel=3)
