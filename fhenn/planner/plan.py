"""`Plan`: the parameters for a model and what they cost, as data."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from hashlib import sha256
from itertools import starmap
from math import inf, isfinite, log2, prod
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fhenn.approx.numbers import at_most
from fhenn.backends import evaluator as registered
from fhenn.ckks.context import Context
from fhenn.ckks.evaluator import SEAL, Evaluator
from fhenn.ckks.layout import Layout, WholeSamples, layout_from_json, layout_to_json
from fhenn.ckks.parameters import Parameters
from fhenn.ckks.sizes import bytes_of_key, bytes_of_polynomials, bytes_of_public_key
from fhenn.columns import require_distinct
from fhenn.errors import ParameterError, PlanError, UnsupportedValue, WireFormatError
from fhenn.nn.finish import Finish
from fhenn.planner.cost import Cost, bytes_text, cost_of, count_of, count_of_rows, seconds_text
from fhenn.planner.demands import require_modest, require_short
from fhenn.planner.flooding import MOST_QUERIES
from fhenn.planner.floor import is_known, largest_scale, least_errors
from fhenn.planner.identity import AFFINE, is_affine, is_wiring
from fhenn.planner.packing import Packing
from fhenn.planner.scaling import is_unit, scaled_bounds
from fhenn.planner.steps import Steps
from fhenn.planner.witness import Witness
from fhenn.ranges import DataRanges
from fhenn.strict import built
from fhenn.text import an, apart, printable, wrapped
from fhenn.versioned import VersionedJson

if TYPE_CHECKING:
    from fhenn.planner.layouts import Comparison

LayoutName = Literal["latency", "throughput"]

MOST_ROWS = 1 << 40
"""Samples in an upload, at most."""

_MOST_PLACES = 1 << 22
"""Positions that a plan from elsewhere may name for the outputs of all layers, some sixty times a ciphertext's."""

_DOCUMENT = VersionedJson("plan", 1, infinite=True, kind_last=True)


_FINGERPRINT = re.compile("[0-9a-f]{16}", re.ASCII)
_PREPARATION = re.compile("[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Stage:
    """One node of the plan.

    node: its name.
    features: how many values a sample has after it.
    level: rescales left after it.
    largest: bound on |value| at its input.
    headroom: the largest |value| at its input that the modulus surely holds.
    noise: standard deviation of the error after it; of outputs in the plan's units.
    """

    node: str
    features: int
    level: int
    largest: float
    headroom: float
    noise: float


@dataclass(frozen=True)
class Result:
    """What an answer is.

    outputs: of each sample.
    level: of the ciphertexts.
    layout: how outputs are packed in slots.
    """

    outputs: int
    level: int
    layout: Layout


@dataclass(frozen=True)
class Plan:
    """CKKS parameters for a model, and what they cost. Make one with `fhenn.plan`.

    parameters: ring degree, modulus chain and scale.
    layout: how the client packs samples × features.
    layout_name: "latency" or "throughput".
    rotations: steps, in slots, that need a key.
    stages: what holds at each node; empty in a public plan.
    low, high: the declared bounds of every feature.
    accuracy: the largest |decrypted - twin| that was asked for, in units of the outputs where there are some.
    error: bound on |decrypted - twin| at the output, except with probability 2⁻⁴⁰, in the same units (`errors`).
    deviation: standard deviation of that error, in the same units.
    approximation: the largest |polynomial - exact| of an activation on its domain; it is not part of `error`.
    signature: names and shapes of the nodes that the plan is for, and the finish.
    finish: what the client applies to decrypted scores, None for nothing.
    worst: bound on |decrypted - twin| where all parts of the error add up, except with probability 2⁻¹²⁸, in the same
    units.
    queries: samples whose results may be shared (`Client.decrypt`), 0 where that was not asked for.
    witnesses: numbers that the server can return beside the result, one for each activation; empty if not asked for.
    outputs: the interval that an activation at the end produces from inputs in its domain; None for another end, or an
    exact one.
    model: fingerprint of the model that the plan is for (`fingerprint_of`); None in older files.
    result: what the answers are; None in older files.
    feature_names: by which `Client.encrypt` matches the columns of a table; None without names.
    evaluator: what computes, by the name that it was registered under (`fhenn.backends.register`).
    rows: how many samples an upload was planned to hold.
    steps: what the server does for the samples that share ciphertexts (`fhenn.planner.work`), from which `cost`
    follows; empty in older files.
    scaled: whether the client maps every feature from its bounds to [-1, 1] (`fhenn.planner.scaling`); False in older
    files.
    ranges: what comes to the activations, where samples say so; None for the worst case within the bounds.
    units: a power of two for each output, by which the client multiplies what it decrypts (`fhenn.planner.scaling`);
    empty for outputs as they are.
    rotation_levels: of each rotation, the level of the ciphertexts that it turns, at most; empty in older files, whose
    keys are for every level.
    targets: where outputs go in ciphertexts of whole samples, for each affine layer (`fhenn.planner.placements`); None
    for one after another. Empty for all of them so.
    shape: of a sample that is an image, as (channels, height, width), features in C order; None where samples are none.
    public_key: whether samples may be encrypted with the public key alone (`fhenn.Encryptor`), which errs by more.
    preparation: fingerprint of what makes the features of raw tables (`fhenn.interop.Preparation`); None where clients
    hold the features themselves.
    spare: levels more than the model takes, in which witnesses have room; before the last affine layer they are left
    out (`fhenn.planner.scaling`).
    distance: the largest |twin - exact model| of an output over the samples that it was planned from (2,000 of them at
    most), in the same units as the error, of which it is no part; None without samples, or where the twin is exact.

    Sizes in bytes are within 3 %, since SEAL's compression varies (`fhenn.ckks.sizes`). The chain was chosen for
    the ranges of the weights, and the stages state them: give clients `public()`.

    >>> import fhenn
    >>> plan = fhenn.plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1])
    >>> plan.error <= plan.accuracy, plan.public().stages, Plan.from_json(plan.to_json()) == plan
    (True, (), True)
    """

    parameters: Parameters
    layout: Layout
    layout_name: LayoutName
    rotations: tuple[int, ...]
    stages: tuple[Stage, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    accuracy: float
    error: float
    deviation: float
    approximation: float
    signature: tuple[str, ...]
    finish: Finish | None
    worst: float = inf
    queries: int = 0
    witnesses: tuple[Witness, ...] = ()
    outputs: tuple[float, float] | None = None
    model: str | None = None
    result: Result | None = None
    feature_names: tuple[str, ...] | None = None
    evaluator: str = SEAL.name
    rows: int = 1
    steps: tuple[Steps, ...] = ()
    scaled: bool = False
    ranges: DataRanges | None = None
    units: tuple[float, ...] = ()
    distance: float | None = None
    rotation_levels: tuple[int, ...] = ()
    public_key: bool = False
    targets: tuple[WholeSamples | None, ...] = ()
    shape: tuple[int, ...] | None = None
    preparation: str | None = None
    spare: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that differ from plan to plan, and so between versions of a model.

        `public()`, which leaves out the stages, has the same. Fields at their defaults do not count, so that a later
        fhenn, whose plans have more fields, computes the same fingerprint for an older plan.

        >>> import fhenn
        >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
        >>> plan.fingerprint == Plan.from_json(plan.public().to_json()).fingerprint
        True
        """
        data = json.loads(self.public().to_json())
        stated = {each.name for each in fields(self) if getattr(self, each.name) != each.default}
        content = {name: value for name, value in data.items() if name in stated - {"stages"}}
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    def find_evaluator(self) -> Evaluator:
        """What the plan takes from the evaluator that it is for. Raises PlanError where none of that name is known."""
        try:
            return self.suited(registered(self.evaluator))
        except ParameterError as error:
            raise PlanError(
                f"the plan is for another evaluator: {error.reason}",
                "Make it known with fhenn.backends.register before, or plan again for one that is known.",
            ) from error

    def suited(self, evaluator: Evaluator) -> Evaluator:
        """An evaluator as it errs on what clients of the plan may send."""
        return evaluator.with_public_key() if self.public_key else evaluator

    @property
    def rotation_keys(self) -> dict[int, int]:
        """The rotations that need a key, and the level of the ciphertexts that each turns, at most.

        >>> import fhenn
        >>> plan = fhenn.plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1])
        >>> tuple(plan.rotation_keys) == plan.rotations
        True
        """
        levels = self.rotation_levels or (self.parameters.levels,) * len(self.rotations)
        return dict(zip(self.rotations, levels, strict=True))

    @property
    def relinearisation_level(self) -> int:
        """The level, at most, of the products that a key brings back to two polynomials.

        >>> import fhenn
        >>> plan = fhenn.plan(fhenn.Sequential([fhenn.Linear([[1.0]]), fhenn.Sigmoid()]), bounds=[-1, 1])
        >>> plan.relinearisation_level == plan.parameters.levels - 1  # the matrix takes a level before
        True
        """
        if not self.steps:
            return self.parameters.levels
        return max((each.level for each in self.steps if each.kind == "relinearisation"), default=0)

    @property
    def own(self) -> bool:
        """Whether `fhenn.plan` made it in this process, so that no stranger chose what it costs.

        >>> import fhenn
        >>> plan = fhenn.plan(fhenn.Linear([[1.0]]), bounds=[-1, 1])
        >>> plan.own, plan.public().own, Plan.from_json(plan.to_json()).own
        (True, True, False)
        """
        return "_own" in vars(self)

    def as_own(self) -> Plan:
        """The same plan, marked as made in this process."""
        plan = replace(self)
        vars(plan)["_own"] = True  # no field: it is not written, and does not tell plans apart
        return plan

    @property
    def comparison(self) -> Comparison | None:
        """How it compares with other layouts; None in plans that were read, and in those for clients."""
        found: Comparison | None = vars(self).get("_comparison")
        return found

    def compared(self, comparison: Comparison) -> Plan:
        """The same plan, with how it compares; that is not written.

        comparison: with itself first.
        """
        plan = self.as_own() if self.own else replace(self)
        vars(plan)["_comparison"] = comparison  # no field: it does not tell plans apart
        return plan

    def fits(self, context: Context) -> bool:
        """Whether keys were made for these parameters and rotations."""
        alike = self.parameters.fingerprint == context.parameters_fingerprint
        rotates = all(starmap(context.can_rotate, self.rotation_keys.items()))
        return alike and rotates and context.can_relinearise(self.relinearisation_level)

    def least_worst(self, scale: float | None = None) -> float:
        """The least that `worst` can be for a model of this shape, whatever its weights are (`fhenn.planner.floor`).

        scale: of an answer's ciphertexts, None where there is no answer yet.
        """
        return self._least_errors(scale)[1]

    @property
    def largest_scale(self) -> float:
        """The largest scale that an answer can have."""
        return largest_scale(self.parameters, self.signature[:-1])

    def _least_errors(self, scale: float | None = None) -> tuple[float, float]:
        """The least error and worst error that a plan of this shape can state."""
        ends = scaled_bounds(*self.bounds) if self.scaled else self.bounds
        largest = np.maximum(*map(np.abs, ends)).tolist()
        nodes = self.signature[:-1]
        return least_errors(
            self.parameters, Packing(self.layout, self.targets), nodes, largest, scale, self.find_evaluator()
        )

    def require_shareable(self) -> None:
        """Raise PlanError where results must not be shared: the plan is incomplete, or states too little error.

        The noise that hides the key would be sized by what the server made up (`fhenn.planner.floor`).
        """
        self.require_errors()
        strange = [node for node in self.signature[:-1] if not is_known(node)]
        if self.result is None or strange or len(self.signature) < 2:
            reason = "does not say what its answers are" if self.result is None else f"has unknown nodes: {strange}"
            raise PlanError(
                f"the plan {reason}, so that the errors of its answers are unknown.",
                "Ask whoever sent it to plan again with fhenn.plan; results that stay with you need no noise.",
            )

    def require_errors(self) -> None:
        """Raise PlanError where the plan states less error than any model of its shape makes.

        The noise on shared results would be too small then. Every plan of `fhenn.plan` passes.
        """
        least_error, least_worst = self._least_errors()
        stated = self.deviation, self.error, self.worst
        if not (least_error <= self.error and least_worst <= self.worst and list(stated) == sorted(stated)):
            _, error, worst, *least = apart(*stated, least_error, least_worst, digits=2)
            raise PlanError(
                f"the plan states an error of {error}, {worst} at worst; for any model of its shape "
                f"and parameters these are at least {least[0]} and {least[1]}.",
                "Ask whoever sent it to plan again with fhenn.plan: shared results would reveal the secret key.",
            )

    @cached_property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The declared bounds as arrays: low and high, (features,) each, read-only."""
        low, high = np.array(self.low), np.array(self.high)
        low.flags.writeable = high.flags.writeable = False
        return low, high

    @property
    def errors(self) -> tuple[float, ...]:
        """Bounds on |decrypted - twin| of each output in the model's own units; one for all where they have none.

        >>> import fhenn
        >>> plan = fhenn.plan(fhenn.Linear([[1e9]]), bounds=[-1, 1], relative=True)
        >>> plan.units == (2.0**29,), plan.errors == (plan.error * 2.0**29,)
        (True, True)
        """
        return tuple(self.error * unit for unit in self.units or (1.0,))

    @property
    def features(self) -> int:
        """Features of a sample."""
        return len(self.low)

    @property
    def samples_per_ciphertext(self) -> int:
        """Samples that share ciphertexts."""
        return self.layout.samples if isinstance(self.layout, WholeSamples) else self.parameters.slots

    @property
    def ciphertexts_per_sample(self) -> int:
        """Ciphertexts of one upload: of one sample, or of all that share them."""
        return self.layout.ciphertexts((1, self.features), self.parameters.slots)

    @property
    def bytes_per_ciphertext(self) -> int:
        """Bytes of a fresh ciphertext, whose random half is sent as a seed; the public key sends both halves."""
        return bytes_of_polynomials(self.parameters.ring_degree, self.parameters.chain[:-1], 1 + self.public_key)

    @property
    def bytes_of_keys(self) -> int:
        """Bytes of the public, relinearisation and rotation keys; the last two have seeds for random halves."""
        ring_degree, chain = self.parameters.ring_degree, self.parameters.chain
        keys = Counter([self.relinearisation_level, *self.rotation_keys.values()])
        return bytes_of_public_key(ring_degree, chain) + sum(
            count * bytes_of_key(ring_degree, (*chain[: level + 1], chain[-1])) for level, count in keys.items()
        )

    def cost(self, rows: int | None = None) -> Cost:
        """What it takes to run: seconds, bytes and memory, before anything runs.

        rows: samples in one upload, 1 or more; those that it was planned for where None.

        Returns the cost by the timings of this machine where they were measured (`fhenn calibrate-machine`), and else
        of one that fhenn was measured on; within a factor of 2 of what then happens there (`tests/bench`).
        Raises PlanError where the plan is of an older fhenn, ParameterError where rows is no number of samples.

        >>> import fhenn
        >>> plan = fhenn.plan(fhenn.Linear([[1.0, 2.0]]), bounds=[-1, 1])
        >>> plan.cost(rows=10_000).server > plan.cost(rows=1).server > 0
        True
        """
        return cost_of(self, require_rows(self.rows if rows is None else rows))

    def __repr__(self) -> str:
        fields = [
            f"layout={self.layout_name!r}, N={self.parameters.ring_degree}, chain={list(self.parameters.chain)}",
            f"features={self.features}, accuracy={self.accuracy:g}, error<={at_most(self.error)}",
            f"witnesses={len(self.witnesses)}, queries={self.queries}, model={self.model}",
        ]
        return f"Plan({', '.join(fields)})"

    def __str__(self) -> str:
        chain = ", ".join(map(str, self.parameters.chain))
        beside = (
            "" if self.distance is None else f"; the samples' outputs <= {at_most(self.distance)} off the exact model"
        )
        approximation = f"<= {at_most(self.approximation)} each, on their domain" if self.approximation else "none"
        width = max([10, *(len(printable(stage.node)) for stage in self.stages)])
        lines = [
            f"plan, {self.layout_name}: N={self.parameters.ring_degree} [{chain}], "
            f"scale 2^{log2(self.parameters.scale):g}, 128-bit security",
            f"  evaluator             {self.evaluator}",
            f"  error of encryption   <= {at_most(self.error)} (asked: {self.accuracy:g}), "
            f"deviation {self.deviation:.1e}",
            f"  error of activations  {approximation}{beside}",
            f"  samples               {self.samples_per_ciphertext} in "
            f"{count_of(self.ciphertexts_per_sample, 'ciphertext')}, "
            f"{self.bytes_per_ciphertext * self.ciphertexts_per_sample / 1e6:.2f} MB",
            f"  evaluation keys       {self.bytes_of_keys / 1e6:.1f} MB, {count_of(len(self.rotations), 'rotation')}",
            "",
            f"  {'node':<{width}} {'features':>8} {'level':>5} {'largest |x|':>12} {'headroom':>10} {'deviation':>10}",
        ]
        if self.steps:
            cost = self.cost()
            lines[-2:-2] = [
                f"  cost                  {count_of_rows(cost.rows)}: server {seconds_text(cost.server)}, "
                f"client {seconds_text(cost.client)}, {bytes_text(cost.up)} up, {bytes_text(cost.down)} down",
                f"{'':<24}{bytes_text(cost.memory)} of memory; keys and weights {seconds_text(cost.setup)}, once",
                f"{'':<24}chosen for {count_of_rows(self.rows)} an upload; rows asks for another number",
            ]
        if self.queries:
            lines.insert(-2, f"  results to share      of {self.queries} samples, within the accuracy asked for")
        if self.units:
            least, most = min(self.errors), max(self.errors)
            lines.insert(
                3,
                "    relative to how the outputs vary; in the model's own units "
                + (f"<= {at_most(most)}" if least == most else f"<= {at_most(least)} to {at_most(most)}"),
            )
        if self.ranges is not None:
            lines[-2:-2] = [
                wrapped(str(self.ranges)),
                "  one sample beyond the headroom can spoil those beside it in its ciphertext",
            ]
        lines[-2:-2] = [wrapped(str(witness)) for witness in self.witnesses]
        if not self.stages:
            return "\n".join(lines[:-2])
        lines += [
            f"  {printable(stage.node):<{width}} {stage.features:>8} {stage.level:>5} {stage.largest:>12.4g} "
            f"{stage.headroom:>10.3g} {stage.noise:>10.1e}"
            for stage in self.stages
        ]
        return "\n".join(lines)

    def public(self) -> Plan:
        """The plan for clients: without its stages, whose ranges and headroom tell of the weights."""
        plan = replace(self, stages=())
        return plan.as_own() if self.own else plan

    def to_json(self) -> str:
        """The plan as JSON, to keep in a file or send; `from_json` reads it. Floats survive to the last bit."""
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        data |= {
            "parameters": asdict(self.parameters),
            "layout": layout_to_json(self.layout),
            "stages": [asdict(stage) for stage in self.stages],
            "witnesses": [witness.to_fields() for witness in self.witnesses],
            "steps": [asdict(each) for each in self.steps],
            "ranges": self.ranges and asdict(self.ranges),
            "targets": [target and layout_to_json(target) for target in self.targets],
            "result": self.result and vars(self.result) | {"layout": layout_to_json(self.result.layout)},
        }
        for name in ("ranges", "units", "distance", "rotation_levels", "targets", "shape"):
            if data[name] in (None, (), []):
                del data[name]
        if not self.spare:
            del data["spare"]
        if self.evaluator == SEAL.name:
            del data["evaluator"]  # as before there were others, so that an older fhenn reads it
        return _DOCUMENT.write(data)

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """The plan that `to_json` wrote.

        text: JSON.

        Raises WireFormatError where it is not a plan, or states something impossible, as an error below what every
        model of its shape makes (`require_errors`); PlanError where it is for an evaluator that is not known here.
        """
        plan = _DOCUMENT.read(text, cls._from_fields, require_short)
        plan.find_evaluator()
        try:
            plan.require_errors()
        except PlanError as error:
            raise WireFormatError("plan", f"it is not readable ({error})") from error
        return plan

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Plan:
        """The plan of fields from outside. Raises ValueError where they cannot be."""
        fields["layout"] = layout_from_json(fields["layout"])
        if fields.get("result") is not None:
            fields["result"]["layout"] = layout_from_json(fields["result"]["layout"])
        plan: Plan = replace(built(cls, {**fields, "targets": ()}), targets=_targets_of(fields))
        plan._require_sane()
        require_modest(plan)
        return plan

    def _has_sane_targets(self) -> bool:
        """Whether each affine layer has places for its outputs, and no more of them."""
        shapes = [found for node in self.signature[:-1] if (found := AFFINE.fullmatch(node))]
        if not self.targets:
            return True
        return (
            isinstance(self.layout, WholeSamples)
            and len(shapes) == len(self.targets)
            and all(
                target is None
                or (
                    isinstance(target, WholeSamples)
                    and target.is_plain
                    and target.samples == self.layout.samples
                    and target.holds(int(shape[2]), self.parameters.slots)
                )
                for shape, target in zip(shapes, self.targets, strict=True)
            )
        )

    def _require_sane(self) -> None:
        """Raise ValueError where fields read from outside contradict one another."""
        require_distinct(self.feature_names or (), "features")
        numbers = (*self.low, *self.high, self.accuracy, self.error, self.deviation, self.approximation)
        sane = (
            all(map(isfinite, numbers))
            and len(self.low) == len(self.high) > 0
            and all(low <= high for low, high in zip(self.low, self.high, strict=True))
            and all(0 < steps < self.parameters.slots for steps in self.rotations)
            and len(self.rotation_levels) in (0, len(self.rotations))
            and all(0 <= level <= self.parameters.levels for level in self.rotation_levels)
            and 0 <= self.spare < max(self.parameters.levels, 1)
            and self.accuracy > 0
            and (self.feature_names is None or len(self.feature_names) == len(self.low))
            and self.worst > 0
            and (len(self.signature) > 1 or not self.steps)  # a node and the finish
            and (self.model is None or _FINGERPRINT.fullmatch(self.model) is not None)
            and (self.preparation is None or _PREPARATION.fullmatch(self.preparation) is not None)
            and 0 <= self.queries <= MOST_QUERIES
            and 0 < self.rows <= MOST_ROWS
            and (self.outputs is None or (len(self.outputs) == 2 and -inf < self.outputs[0] <= self.outputs[1] < inf))
            and min(self.error, self.deviation, self.approximation) >= 0
            and (not isinstance(self.layout, WholeSamples) or self.layout.holds(len(self.low), self.parameters.slots))
            and self._has_sane_targets()
            and (self.shape is None or (min(self.shape, default=0) > 0 and prod(self.shape) == len(self.low)))
        )
        if self.result is not None:
            sane = (
                sane
                and 0 < self.result.outputs < 1 << 32
                and 0 <= self.result.level <= self.parameters.levels
                and (
                    isinstance(self.result.layout, WholeSamples)
                    if isinstance(self.layout, WholeSamples)
                    else self.result.layout == self.layout
                )
            )
        if self.units:
            sane = (
                sane
                and self.result is not None
                and len(self.units) == self.result.outputs
                and all(map(is_unit, self.units))
                and AFFINE.fullmatch(self.signature[-2]) is not None
            )
        if self.distance is not None:
            sane = sane and 0 <= self.distance < inf
        if self.ranges is not None:
            self.ranges.require_sane()
            activations = sum(not (is_affine(node) or is_wiring(node)) for node in self.signature[:-1])
            sane = sane and len(self.ranges.intervals) == activations > 0
        for witness in self.witnesses:
            witness.require_sane(self.parameters.levels)
        for each in self.steps:
            each.require_sane(self.parameters.levels)
        if not sane:
            raise ValueError("a field is out of range, or contradicts another one")


def _targets_of(fields: dict[str, Any]) -> tuple[WholeSamples | None, ...]:
    """The places of outputs in fields from outside. Raises ValueError for too many before all are read."""
    found: list[WholeSamples | None] = []
    targets, places = fields.get("targets", ()), 0
    if len(targets) > len(fields["signature"]):
        raise ValueError("it has places for more layers than there are")
    for target in targets:
        layout = None if target is None else layout_from_json(target)
        if not isinstance(layout, WholeSamples | None):
            raise TypeError("its outputs are not placed as whole samples")
        places += 0 if layout is None else layout.period * layout.tiles
        if places > _MOST_PLACES:
            raise ValueError(f"it has places for more than {_MOST_PLACES:,} values")
        found.append(layout)
    return tuple(found)


def require_rows(rows: Any) -> int:
    """A number of samples as an int. Raises ParameterError where it is none.

    rows: from a user.
    """
    if not isinstance(rows, Integral) or isinstance(rows, bool) or not 0 < int(rows) <= MOST_ROWS:
        raise ParameterError(
            f"rows must be a whole number of samples, 1 or more, not {rows!r:.40}.",
            "Give how many samples one upload will hold.",
        )
    return int(rows)


def require_plan(value: Any) -> Plan:
    """`value`, which must be a plan. Raises UnsupportedValue."""
    if not isinstance(value, Plan):
        raise UnsupportedValue(f"{an(type(value).__name__)} as a plan", "a Plan, as fhenn.plan makes")
    return value
