"""`encrypted_model`: a model's two sides in one process, with the methods that its users know."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fhenn.columns import labels_of
from fhenn.cores import memory_of_machine
from fhenn.errors import (
    ApproximationWarning,
    BoundsWarning,
    ParameterError,
    PlanError,
    PlanWarning,
    RangeViolation,
    RangeWarning,
    ShapeMismatch,
    UnsupportedValue,
    ViolationReport,
)
from fhenn.interop.conversion import ANY, Goal
from fhenn.interop.model import ImportedModel
from fhenn.interop.reading import Reading
from fhenn.planner import Plan, plan
from fhenn.planner.cost import bytes_text
from fhenn.planner.demands import memory_of_client, memory_of_server, rows_within
from fhenn.planner.request import LayoutWish, RangesName
from fhenn.ranges import Inputs
from fhenn.ranges.data import MARGIN
from fhenn.session import Client, Receipt, Server
from fhenn.session.answer import OnViolation
from fhenn.uncopied import Uncopied

Floats = NDArray[np.float64]
OnBounds = Literal["raise", "clip"]

_ON_SAMPLES = "the polynomials of activations were chosen on what samples bring, not on all that the bounds allow"
_ROWS = 100
"""Samples that one upload is planned for where nobody says: training data are more than a call predicts, and more than
that go in several uploads."""

_MEMORY = 1e9
"""Bytes of memory that both sides may take for the samples of one upload, unless those of one ciphertext take more."""


class EncryptedModel(Uncopied):
    """Predicts under encryption: encrypts as a client, computes as a server, decrypts and reads the scores.

    `fhenn.encrypted_model` makes one. All of it is in one process, to try and to measure. Apart, `client` and `server`
    exchange `evaluation_keys`, messages and answers as bytes, and `reading.predict(client.decrypt_scores(answer))` is
    what the client reads. It holds a secret key, so it does not pickle.

    model: the twin.
    plan: made for it.
    on_bounds: what happens to values beyond the plan's bounds, which the server could not see: "raise" refuses them,
    "clip" takes the nearest bound with a BoundsWarning.
    on_violation: what happens to samples whose values left an activation's domain, where the plan has witnesses that
    show it: "raise" RangeViolation, "mask" them in masked arrays, of which `score` leaves them out, or "warn".
    Raises ParameterError where on_bounds or on_violation is another word.
    Raises PlanError where the plan is for another model, or takes more memory than this machine has.

    >>> from fhenn.nn import Linear
    >>> model = ImportedModel([Linear([[1.0, -1.0]])], Reading.regression())
    >>> private = EncryptedModel(model, plan(model, bounds=[0, 2]))
    >>> private.predict([[2.0, 0.5]]).round(2).tolist()
    [1.5]
    """

    _instead = "It holds a secret key. Keep the plan (to_json), and its client's secret_bytes(), or make keys anew."

    def __init__(
        self,
        model: ImportedModel,
        plan: Plan,
        *,
        on_bounds: OnBounds = "raise",
        on_violation: OnViolation = "raise",
    ) -> None:
        if on_bounds not in get_args(OnBounds):
            raise ParameterError(f"on_bounds must be 'raise' or 'clip', not {on_bounds!r}.", "Choose one of them.")
        if on_violation not in get_args(OnViolation):
            raise ParameterError(
                f"on_violation must be 'raise', 'mask' or 'warn', not {on_violation!r}.", "Choose one of them."
            )
        _require_memory(plan)
        self._model, self._plan, self._on_bounds, self._on_violation = model, plan, on_bounds, on_violation
        self._client = Client(plan, memory=inf, preparation=model.preparation)  # the plan is our own
        self._server = Server(model, plan, self._client.evaluation_keys())

    def __repr__(self) -> str:
        return (
            f"EncryptedModel(task={self.reading.task!r}, features={self._plan.features}, "
            f"N={self._plan.parameters.ring_degree}, layout={self._plan.layout_name!r}, "
            f"error<={max(self._plan.errors):.1e}, on_bounds={self._on_bounds!r})"
        )

    @property
    def model(self) -> ImportedModel:
        """The twin."""
        return self._model

    @property
    def reading(self) -> Reading:
        """What the scores mean."""
        return self._model.reading

    @property
    def plan(self) -> Plan:
        """What it costs, and how far decrypted scores may be from the twin's."""
        return self._plan

    @property
    def client(self) -> Client:
        """The side with the data and the secret key."""
        return self._client

    @property
    def server(self) -> Server:
        """The side with the model, which holds evaluation keys only."""
        return self._server

    def scores(self, X: Any) -> Floats:
        """Decrypted scores (samples, outputs), within `plan.errors` of the twin's.

        Samples whose ciphertexts would take more than a gigabyte or so go in several uploads, one after another.

        Raises BoundsExceeded where values leave the plan's bounds and on_bounds is "raise", RangeViolation where a
        plan has witnesses that tell of values that left a domain and on_violation is "raise", and what `ImportedModel`
        raises.
        """
        values = self._model.samples(X)
        if self._on_bounds == "clip" and values.shape[1] == self._plan.features:
            values = self._clip(values)
        step = rows_within(self._plan, _MEMORY)
        if values.shape[1] == self._plan.features:
            self._client.require_bounds(values)  # in all parts, before the first is sent
        found = [self._scores_of(values[start : start + step]) for start in range(0, len(values), step)]
        scores = np.concatenate([part for part, _ in found])
        report = _joined([report for _, report in found], step, len(values))
        if report is None:
            return np.ma.masked_array(scores, mask=False) if self._on_violation == "mask" else scores
        if self._on_violation == "raise":
            raise RangeViolation(report)
        if self._on_violation == "warn":
            warnings.warn(RangeWarning(report), stacklevel=3)
            return scores
        masked: Floats = np.ma.masked_array(scores, mask=False)
        masked[list(report.samples)] = np.ma.masked
        return masked

    def _scores_of(self, values: Floats) -> tuple[Floats, ViolationReport | None]:
        """Scores of the samples of one upload, and which of them mean nothing."""
        upload = self._client.encrypt(self._model.prepared(values))
        answer, receipt = self._server.predict(upload), Receipt.of(upload)
        scores = self._client.decrypt_scores(answer, receipt=receipt, on_violation="mask")
        left = np.ma.getmaskarray(scores).any()
        return np.ma.getdata(scores), self._client.violations(answer, receipt=receipt) if left else None

    def _clip(self, values: Floats) -> Floats:
        inside = np.clip(values, self._plan.low, self._plan.high)
        strays = int(np.count_nonzero((inside != values).any(axis=1)))
        if strays:
            warnings.warn(BoundsWarning(strays, len(values)), stacklevel=4)
        return inside

    def predict(self, X: Any) -> Any:
        """Labels (samples,), or values."""
        return masked_alike(self.reading.predict, self.scores(X))

    def predict_proba(self, X: Any) -> Any:
        """Probabilities, as `Reading.predict_proba` gives them. Raises UnsupportedOperation where there are none."""
        return masked_alike(self.reading.predict_proba, self.scores(X))

    def decision_function(self, X: Any) -> Floats:
        """Scores (samples,) of two classes, or (samples, classes). Raises UnsupportedOperation for a regression."""
        scores: Floats = masked_alike(self.reading.decision_function, self.scores(X))
        return scores

    def score(self, X: Any, y: ArrayLike) -> float:
        """Accuracy, or R²; of the samples that are not masked, and NaN where all are."""
        scores = self.scores(X)
        left = np.ma.getmaskarray(scores).any(axis=1)
        if not left.any():
            return self.reading.score(scores, y)
        wanted = labels_of(y, "score")
        if len(wanted) != len(scores):
            raise ShapeMismatch("score", wanted.shape, str(self.reading.predict(scores).shape))
        return nan if left.all() else self.reading.score(scores[~left], wanted[~left])


def masked_alike(read: Callable[[Floats], Any], scores: Floats) -> Any:
    """What is read of scores, as a masked array, or a list of such, where they are one.

    read: a method of `Reading`.
    scores: (samples, outputs).

    >>> scores = np.ma.masked_array([[1.0], [9.0]], mask=[[False], [True]])
    >>> masked_alike(Reading.regression().predict, scores).tolist()
    [1.0, None]
    """
    found = read(np.ma.getdata(scores))
    if not isinstance(scores, np.ma.MaskedArray):
        return found
    left = np.asarray(np.ma.getmaskarray(scores).any(axis=1))
    return [_masked(each, left) for each in found] if isinstance(found, list) else _masked(found, left)


def _masked(values: Any, rows: NDArray[np.bool_]) -> Any:
    masked = np.ma.masked_array(values, mask=False)
    masked[rows] = np.ma.masked
    return masked


def _joined(reports: Sequence[ViolationReport | None], step: int, total: int) -> ViolationReport | None:
    """One report on all samples, joined from one for each part; None where no part has a report.

    step: samples in a part.
    total: samples in all.
    """
    shown, condemned = dict[str, tuple[int, ...]](), tuple[int, ...]()
    for part, report in enumerate(reports):
        if report is not None:
            moved = report.after(part * step)
            for source, places in moved.found.items():
                shown[source] = (*shown.get(source, ()), *places)
            condemned = (*condemned, *moved.condemned)
    every = tuple(sorted({*condemned, *(place for places in shown.values() for place in places)}))
    return ViolationReport(every, total, shown, condemned) if every else None


def _require_memory(plan: Plan) -> None:
    """Raise PlanError where both sides, here in one process, take more memory than the machine has."""
    together = plan.samples_per_ciphertext
    needed = memory_of_client(plan, together) + memory_of_server(plan, together)
    there = memory_of_machine()
    if needed > there:
        raise PlanError(
            f"an upload of this plan takes about {bytes_text(needed)} of memory on both sides, and "
            f"{bytes_text(there)} are there.",
            "Make the model smaller: fewer units, or trees with fewer leaves (max_depth=, max_leaf_nodes=); or ask for "
            "another layout= or a larger accuracy=, and see fhenn.plan(…) for what it costs.",
        )


def encrypted_model(
    model: ImportedModel,
    inputs: Any = None,
    *,
    bounds: Any = None,
    accuracy: float = 1e-3,
    layout: LayoutWish = "auto",
    rows: int | None = None,
    margin: float = 0.5,
    on_bounds: OnBounds = "raise",
    on_violation: OnViolation = "raise",
    witness: bool | None = None,
    ranges: RangesName = "auto",
    range_margin: float = MARGIN,
    agreement: float | None = None,
    depth: int | None = None,
    labels: Any = None,
    max_loss: float | None = None,
) -> EncryptedModel:
    """An imported model with keys of its own, ready to predict under encryption.

    model: of an importer, or of nodes and a `Reading`.
    inputs: samples, (samples, features), or raw tables where the model has a preparation, whose box, widened by
    `margin`, is what clients may send; better not those of the training, for what `ranges` says of unseen ones. None
    where there are only bounds.
    bounds: (2, features) of low and high or (2,) for all features, in the place of the samples' box. Whoever gets the
    plan sees the bounds: declare round ones where the extremes of the data are not to be known. Both are arrays, or
    anything with named columns, which name the features where the model does not.
    accuracy: largest |decrypted - twin| of a score, relative to how the outputs vary for a regression, and largest
    error of every stand-in, which are made good for these inputs first (`ImportedModel.for_inputs`). Stand-ins that
    were chosen together, by agreement on samples, stay as they are.
    layout: "throughput" serves thousands of samples as fast as one, "latency" single ones or a few together; "auto" is
    what is cheapest for `rows` samples.
    rows: samples that one upload is planned for; None for as many as there are in `inputs`, but 100 at most, 1 without
    them. Any number can be predicted.
    margin: how much wider than the data the bounds are on either side, in units of their width. Features that are equal
    in all samples take the bounds of all together where they plainly share one unit, as pixels do, and else stay
    constant, with a SamplesWarning (`fhenn.ranges.bounds_of`).
    on_bounds: whether values beyond the bounds are refused ("raise") or clipped ("clip").
    on_violation: whether samples whose values left a domain are refused ("raise"), masked ("mask") or only told of
    ("warn"), where there is a witness.
    witness: whether the server returns what shows that values left a domain; None for where the ranges are from data.
    ranges: what comes to activations, as for `fhenn.plan`: "auto" is the worst case within the bounds where stand-ins
    and plan reach the accuracy for it, and otherwise what the samples bring, with a PlanWarning; so it is too where
    stand-ins were chosen together by agreement, as ReLU's are, unless `agreement` or `depth` asks for that here.
    range_margin: how many times wider than what the samples reach ranges from data are.
    agreement, depth: of stand-ins that are chosen together by their agreement with the exact model on the samples, as
    for `ImportedModel.for_inputs`: where one of them is given, stand-ins that were chosen so before are chosen anew.
    labels: true values of the samples, for the accuracy of both models in the report (`EncryptedModel.model`, its
    `conversion`).
    max_loss: the largest loss of accuracy or R² where labels are given, else of agreement.
    Raises UnsupportedValue where the model is another object.
    Raises AccuracyLost, with the report, where the model loses more than `max_loss`.
    Raises what `fhenn.plan` and `ImportedModel.for_inputs` do.

    >>> from fhenn.nn import Linear
    >>> model = ImportedModel([Linear([[1.0, -1.0]])], Reading.classification(["no", "yes"], "sigmoid"))
    >>> private = encrypted_model(model, bounds=[0, 2])
    >>> private.predict([[2.0, 1.0], [1.0, 2.0]]).tolist()
    ['yes', 'no']
    """
    if not isinstance(model, ImportedModel):
        name = type(model).__name__
        raise UnsupportedValue(name, f"an ImportedModel: what fhenn.from_sklearn makes of a fitted {name}")
    goal = Goal(agreement, depth, labels, max_loss)
    goal.require_sane()
    goal.require_samples(inputs)
    known = model.inputs(inputs, bounds=bounds, margin=margin)
    model = model.named(known.names)
    made = planned(
        model,
        known,
        accuracy,
        layout,
        rows=rows,
        witness=witness,
        ranges=ranges,
        range_margin=range_margin,
        goal=goal,
    )
    return EncryptedModel(*made, on_bounds=on_bounds, on_violation=on_violation)


def planned(
    model: ImportedModel,
    known: Inputs,
    accuracy: float,
    layout: LayoutWish = "auto",
    *,
    rows: int | None = None,
    witness: bool | None = None,
    ranges: RangesName = "auto",
    range_margin: float = MARGIN,
    goal: Goal = ANY,
) -> tuple[ImportedModel, Plan]:
    """The twin and the plan of `encrypted_model`.

    known: what is known of the inputs.
    goal: its arguments from `agreement` on.

    The other arguments are those of `encrypted_model`.
    """

    def attempt(which: RangesName, chosen: ImportedModel | None = None) -> tuple[ImportedModel, Plan]:
        twin = model.standing_in(known, accuracy, which) if chosen is None else chosen
        if chosen is None and goal.needs_samples is not None:
            twin = twin.reported(known, which, goal)  # before the plan, which takes longer
        made = plan(
            twin,
            inputs=twin.prepared(known.samples),
            bounds=np.stack([known.low, known.high]),
            accuracy=accuracy,
            layout=layout,
            rows=min(known.rows, _ROWS) if rows is None else rows,
            witness=witness,
            ranges=which,
            margin=range_margin,
        )
        return twin, made

    agreeing = model.agreeing(known, accuracy, ranges, goal)
    if agreeing is not None:
        made = attempt("data", agreeing)
        if ranges == "auto" and not goal.chooses:
            _tell_of_ranges(made[1], _ON_SAMPLES)
        return made
    if ranges != "auto" or known.samples is None:
        return attempt("worst" if ranges == "auto" else ranges)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApproximationWarning)
        try:
            return attempt("worst")
        except (ApproximationWarning, PlanError) as cause:
            refusal = cause
    try:
        made = attempt("data")
    except PlanError:
        if isinstance(refusal, PlanError):
            raise refusal from None
        return attempt("worst")  # off by more than was asked for, with a warning that says so
    _tell_of_ranges(made[1], refusal.reason if isinstance(refusal, PlanError) else str(refusal).partition(". ")[0])
    return made


def _tell_of_ranges(made: Plan, reason: str) -> None:
    """Warn where a plan stands on ranges from data that nobody asked for. reason: why it does."""
    if made.ranges is not None and made.ranges.intervals:
        warnings.warn(PlanWarning(reason, str(made.ranges)), stacklevel=4)
