"""Why there is no plan, and what would help: each remedy that is named was tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isqrt
from time import monotonic

import numpy as np

from fhenn.approx import SIGMOID, choose
from fhenn.approx.domains import holds
from fhenn.approx.numbers import round_up
from fhenn.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.errors import FhennError, PlanRefused, Remedy, Stake
from fhenn.nn import Activation, Affine, Step, deepest
from fhenn.planner.chains import chains_of, special_bits
from fhenn.planner.cost import count_of
from fhenn.planner.packing import of_images
from fhenn.planner.plan import LayoutName
from fhenn.planner.request import Request
from fhenn.planner.walk import Path, Walk
from fhenn.ranges import Inputs, reaches, span_of
from fhenn.text import apart

SECONDS = 3.0
"""How long remedies are tried, all together."""

_LARGEST_RING = max(MAX_MODULUS_BITS)
_LARGEST_VALUE = 2.0 ** max(MAX_MODULUS_BITS.values())
"""What no modulus holds, at whatever scale."""

_NARROWER = (1e-6, 1e-3, 1 / 16, 1 / 4, 1 / 2)
_MARGINS = (1.0, 1.25, 1.5)
_DEGREES = (3, 7, 15)
_LARGER_ERRORS = (1.0, 2.0, 10.0)

_LARGE = 1e3
"""Values that take more bits than the digits of an answer do."""

_USEFUL_BITS = 26
"""Of a scale: smaller ones leave few digits, whatever the values are."""


@dataclass(frozen=True)
class Case:
    """What a plan is sought for.

    nodes: of the model, as the user gave it.
    known: its inputs.
    request: what is asked for.
    relative: whether the accuracy is relative to how the outputs vary.
    from_data: whether ranges are those of samples.
    of_bits: whether its inputs are bits, as trees take them, whose bounds nothing narrows.
    """

    nodes: tuple[Step, ...]
    known: Inputs
    request: Request
    relative: bool
    from_data: bool
    of_bits: bool = False


class Refusal(Exception):
    """No ring does what is asked: not yet what would help.

    reason: a sentence.
    layer: that makes it impossible (`PlanRefused`).
    stake: what it asks too much of.
    best: the least error that a ring reaches; infinite where none holds the values.
    closest: the parameters that reach it, None where there are none.
    largest: the largest magnitude of an output while activations stay in their domains; no useful accuracy exceeds it.
    """

    def __init__(
        self,
        reason: str,
        layer: str,
        stake: Stake,
        best: float = inf,
        closest: Parameters | None = None,
        largest: float = inf,
    ) -> None:
        super().__init__(reason)
        self.reason, self.layer, self.stake = reason, layer, stake
        self.best, self.closest, self.largest = best, closest, largest


class OutOfTime(Exception):
    """A search took longer than it may."""


Attempt = Callable[[Case, Parameters | None, float], None]
"""Seeks a plan, near some parameters first, up to a point in time (`time.monotonic`).

Raises Refusal or another error where it finds none, OutOfTime where it did not come to the end.
"""


def require_room(path: Path) -> None:
    """Raise Refusal at once where values may come to a node that no modulus holds.

    path: the model.
    """
    for place, x in enumerate(path.reach):
        if not x.largest < _LARGEST_VALUE:
            layer = name_of(path.nodes, min(place, len(path.nodes) - 1))
            where = "the output" if place == len(path.nodes) else f"the input of {layer}"
            raise Refusal(
                f"{where} may reach {x.largest:.3g}, which no ring at 128-bit security holds.{_describe_stray(path)}",
                layer,
                "range",
            )


_MOST_OUTPUTS = 1 << 17
"""Of a layer that takes several ciphertexts: as many as a layout from elsewhere may place."""


def require_slots(nodes: Sequence[Step], request: Request) -> None:
    """Raise Refusal where a layer has more outputs than a plan may place, or an upload fewer slots than features.

    nodes: of the model.
    request: what is asked for.
    """
    if request.layout != "latency":
        return
    slots, first = _LARGEST_RING // 2, nodes[0]
    for place, node in enumerate(nodes):
        if isinstance(node, Affine) and node.outputs > _MOST_OUTPUTS and not of_images(nodes):
            raise Refusal(
                f"{name_of(nodes, place)} has {node.outputs:,} outputs; a layer may have {_MOST_OUTPUTS:,} at most.",
                name_of(nodes, place),
                "slots",
            )
    if isinstance(first, Affine) and request.upload is not None and first.inputs > slots * request.upload:
        raise Refusal(
            f"{name_of(nodes, 0)} takes {first.inputs:,} features; the {slots:,} slots of a ciphertext at most are too "
            f"few for an upload of {request.upload}.",
            name_of(nodes, 0),
            "slots",
        )


def unreached(
    path: Path,
    request: Request,
    best: float = inf,
    closest: Walk | None = None,
    parameters: Parameters | None = None,
) -> Refusal:
    """The refusal of an accuracy that no ring reaches.

    path: the model.
    request: what is asked for.
    best: the smallest error that a ring does reach.
    closest: the model under the parameters that reach it; None where none hold it.
    parameters: those.
    """
    levels = count_of(sum(node.cost for node in deepest(path.nodes)), "level")
    found = f"the best reaches {round_up(best)}" if best < inf else "none holds the depth and the values"
    noise = f" with the noise that hides the key from {request.queries:,} shared results" if request.queries else ""
    layer, stake, why = _blame(path, request, closest)
    if closest is not None and best <= request.accuracy:
        place = next(place for place, node in enumerate(path.nodes) if isinstance(node, Activation))
        return Refusal(
            f"no ring at 128-bit security has room for witnesses that would show what leaves the ranges; without them "
            f"one reaches {round_up(best)}.",
            name_of(path.nodes, place),
            "witness",
            best,
            parameters,
            _largest_output(path),
        )
    return Refusal(
        f"no ring at 128-bit security reaches {request.accuracy!r} for {levels}{noise}: {found}. {why}",
        layer,
        stake,
        best,
        parameters,
        _largest_output(path),
    )


def _largest_output(path: Path) -> float:
    """The largest magnitude of an output while the inputs of activations stay where their polynomials are good."""
    held = {
        place: node.domain
        for place, node in enumerate(path.nodes)
        if isinstance(node, Activation) and not node.is_exact
    }
    inputs = path.reach[0]
    return min(path.reach[-1].largest, reaches(path.nodes, inputs.low, inputs.high, held)[-1].largest)


def name_of(nodes: Sequence[Step], place: int) -> str:
    """How a message calls a node: by its name, and its place from 0.

    nodes: of the model.
    place: of the node.
    """
    return f"{nodes[place].name} (node {place})"


def _blame(path: Path, request: Request, closest: Walk | None) -> tuple[str, Stake, str]:
    """The layer that makes it impossible, what it asks too much of, and a sentence on that."""
    nodes = path.nodes
    stray = _find_stray(path)
    for bits in (0,) if stray is not None else (0, _USEFUL_BITS):
        for count in range(1, len(nodes) + 1):
            if closest is None and not _fits_depth(nodes[:count], request, bits):
                layer = name_of(nodes, count - 1)
                levels = sum(node.cost for node in deepest(nodes[:count]))
                return layer, "depth", f"{layer} makes it {levels} levels, more than the largest ring has."
    if stray is not None:
        return name_of(nodes, stray), "range", _describe_stray(path).strip()
    place = int(np.argmax([x.largest for x in path.reach[:-1]]))
    if closest is None or path.reach[place].largest > _LARGE:
        layer = name_of(nodes, place)
        return layer, "range", f"The inputs of {layer} may reach {path.reach[place].largest:.3g}."
    before = closest.starts[0].traced.noise.bound(closest.trace.slots)
    errors = np.maximum((before, *closest.bounds), 1e-300)
    place = int(np.argmax(errors[1:] / errors[:-1]))
    layer = name_of(nodes, place)
    return layer, "accuracy", f"The error grows most in {layer}, to {errors[place + 1]:.1e}."


def _fits_depth(nodes: Sequence[Step], request: Request, least_bits: int) -> bool:
    """Whether the largest ring has a chain for nodes, whatever their values are, with a scale of some bits at least."""
    return any(
        bits >= least_bits and special_bits(_LARGEST_RING, (least, *used)) > bits
        for bits, used, least in chains_of(nodes, shared=request.queries > 0)
    )


def _find_stray(path: Path) -> int | None:
    """The place of the first activation whose inputs may leave the domain on which it approximates its function."""
    for place, (node, x) in enumerate(zip(path.nodes, path.reach, strict=False)):
        if isinstance(node, Activation) and not node.is_exact and not holds(node.domain, *x.interval):
            return place
    return None


def _describe_stray(path: Path) -> str:
    """A sentence on the first activation whose inputs may leave its domain, where its polynomial grows fast."""
    place = _find_stray(path)
    node = None if place is None else path.nodes[place]
    if place is None or not isinstance(node, Activation):
        return ""
    low, high, least, most = apart(*path.reach[place].interval, *node.domain, digits=3)
    return (
        f" The inputs of {name_of(path.nodes, place)} may reach [{low}, {high}], beyond its domain [{least}, {most}]."
    )


def explain(refusal: Refusal, case: Case, attempt: Attempt) -> PlanRefused:
    """The exception for a refusal, with the remedies that give a plan.

    refusal: of the case.
    case: what a plan was sought for.
    attempt: seeks a plan for another case.
    """
    end = monotonic() + SECONDS
    remedies: list[Remedy] = []
    failed: list[str] = []
    untried: list[str] = []
    for kind, options in _questions(case, refusal):
        if isinstance(options, str):
            untried.append(options)
            continue
        if not options:
            continue
        found, complete = _mildest(options, attempt, refusal.closest, end)
        if found is not None:
            remedies.append(found)
        elif complete:
            failed.append(kind)
        else:
            untried.append(f"{kind} (not to the end)")
    untried.append("shallower trees (max_depth=, max_leaf_nodes=)" if case.of_bits else "fewer layers")
    says = [
        f"What gives a plan: {'; '.join(each.text for each in remedies)}." if remedies else "",
        f"Tried without finding one: {', '.join(failed)}." if failed else "",
        f"Not tried: {', '.join(untried)}.",
    ]
    stake = refusal.stake
    if stake == "accuracy" and any(each.name in ("ranges", "margin") for each in remedies):
        stake = "range"
    text = " ".join(filter(None, says))
    return PlanRefused(refusal.reason, text, refusal.layer, stake, tuple(remedies), tuple(untried))


Option = tuple[Remedy, Case]


def _mildest(
    options: Sequence[Option], attempt: Attempt, near: Parameters | None, end: float
) -> tuple[Remedy | None, bool]:
    """The last of options, from the one that changes most, up to which all give a plan.

    Returns it, None where the first does not; and whether there was time to know.
    """
    found = None
    for remedy, case in options:
        try:
            attempt(case, near, monotonic() + (end - monotonic()) / 4)
        except OutOfTime:
            return found, False
        except (Refusal, FhennError):
            return found, True
        found = remedy
    return found, True


def _questions(case: Case, refusal: Refusal) -> Iterator[tuple[str, list[Option] | str]]:
    """Kinds of remedies in the order in which they are named: the options of each, or why there is nothing to try."""
    if refusal.stake != "slots":
        if refusal.stake != "accuracy" and not case.of_bits:
            yield "tighter bounds", _tighter_bounds(case)
        yield from _other_ranges(case)
        if refusal.stake == "witness":
            remedy = Remedy("witness", False, "no witnesses (witness=False): then nobody sees what leaves the ranges")
            yield "no witnesses", [(remedy, _asking(case, witness=False))]
        elif refusal.best < refusal.largest:
            yield "a larger accuracy", _larger_errors(case, refusal.best)
        if case.request.queries > 1:
            yield "fewer queries", _fewer_queries(case)
        yield from _without_the_end(case)
    if not case.request.leaves_layout_open:
        other: LayoutName = "latency" if case.request.layout == "throughput" else "throughput"
        remedy = Remedy("layout", other, f"the layout {other!r}")
        yield remedy.text, [(remedy, _asking(case, layout=other))]
    yield "a larger upload", _larger_upload(case)
    if refusal.stake != "slots":
        yield from _lower_degrees(case)


def _other_ranges(case: Case) -> Iterator[tuple[str, list[Option] | str]]:
    """Ranges of samples, or nearer to what they are."""
    if case.from_data:
        margins = [margin for margin in _MARGINS if margin < case.request.margin]
        remedies = [Remedy("margin", margin, f"a margin of {margin:g}") for margin in margins]
        yield "a smaller margin", [(each, _asking(case, margin=each.value)) for each in remedies]
    elif any(isinstance(node, Activation) for node in case.nodes):
        if case.known.samples is None:
            yield "ranges from data", "ranges from data, which need samples"
        else:
            remedy = Remedy("ranges", "data", "ranges from the samples ('data')")
            yield "ranges from data", [(remedy, _asking(replace(case, from_data=True), ranges="data"))]


def _larger_upload(case: Case) -> list[Option]:
    """As many ciphertexts as the features fill on the largest ring, where more were not allowed."""
    first, upload = case.nodes[0], case.request.upload
    if upload is None or not isinstance(first, Affine):
        return []
    least = ceil(first.inputs / (_LARGEST_RING // 2))
    remedy = Remedy("upload", least, f"an upload of {least} ciphertexts")
    return [(remedy, _asking(case, upload=least))] if least > upload else []


def _asking(case: Case, **changes: object) -> Case:
    """The case with other arguments."""
    return replace(case, request=replace(case.request, **changes))  # type: ignore[arg-type]


def _tighter_bounds(case: Case) -> list[Option]:
    """Bounds nearer to the middle, or those of the samples."""
    low, high = case.known.low, case.known.high
    if case.known.samples is not None:
        if not case.known.declared:
            return []
        box = span_of(case.known.samples)[:2]
        remedy = Remedy("bounds", "samples", "the bounds of the samples, which are tighter")
        return [(remedy, replace(case, known=replace(case.known, low=box[0], high=box[1], declared=False)))]
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    return [
        (
            Remedy("bounds", factor, f"bounds {factor:g} times as wide about their middle"),
            replace(case, known=replace(case.known, low=middle - factor * half, high=middle + factor * half)),
        )
        for factor in _NARROWER
    ]


def _larger_errors(case: Case, best: float) -> list[Option]:
    """Accuracies from the most that the rings need, down to the best that they reach."""
    values = [float(round_up(factor * best)) for factor in _LARGER_ERRORS[::-1]]
    return [(Remedy("accuracy", value, f"an accuracy of {value:g}"), _asking(case, accuracy=value)) for value in values]


def _fewer_queries(case: Case) -> list[Option]:
    """Fewer samples whose results are shared."""
    counts = sorted({1, isqrt(case.request.queries), case.request.queries // 2})
    return [
        (Remedy("queries", count, f"no more queries than {count:,}"), _asking(case, queries=count)) for count in counts
    ]


def _without_the_end(case: Case) -> Iterator[tuple[str, list[Option]]]:
    """The model without its last sigmoid, which the client takes exactly."""
    *before, last = case.nodes
    if before and isinstance(last, Activation) and last.function is SIGMOID and isinstance(before[-1], Affine):
        remedy = Remedy("finish", "sigmoid", "the model without its last activation, and with finish 'sigmoid'")
        yield "the last sigmoid left to the client", [(remedy, replace(case, nodes=tuple(before)))]


def _lower_degrees(case: Case) -> Iterator[tuple[str, list[Option]]]:
    """Activations of a lower degree."""
    highest = max((_degree_of(node) for node in case.nodes), default=0)
    options = []
    for degree in _DEGREES:
        if degree < highest:
            try:
                nodes = tuple(_lowered(node, degree) for node in case.nodes)
            except FhennError:  # this degree cannot be fitted
                continue
            remedy = Remedy("degree", degree, f"activations of degree {degree} at most")
            options.append((remedy, replace(case, nodes=nodes)))
    if options:
        yield "activations of a lower degree", options


def _degree_of(node: Step) -> int:
    """The degree of the polynomial that stands for a function; 0 of another node."""
    replaceable = isinstance(node, Activation) and node.function is not None and len(node.polynomials) == 1
    return node.polynomials[0].degree if isinstance(node, Activation) and replaceable and not node.times_input else 0


def _lowered(node: Step, degree: int) -> Step:
    """An activation of a degree at most, on its domain; another node as it is."""
    if not isinstance(node, Activation) or node.function is None or _degree_of(node) <= degree:
        return node
    return node.with_polynomial(choose(node.function, node.domain, degree=degree))
