"""The choice of a layout: by what each of them would cost for the samples that an upload holds.

Candidates are one feature in a ciphertext ("throughput"), and whole samples in ciphertexts ("latency"), 1, 2, 4 … of
them together, each in as few ciphertexts as hold it or in more. They are compared by their shapes first, as if no entry
of a matrix were zero and every activation made a product for each of its levels. For the best of them parameters are
searched for, which show what the others would cost; those that still promise to be cheaper are searched in turn. Limits
are held against plans whose parameters were searched, since a sketch may be off.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from math import ceil
from textwrap import fill

from fhenn.ckks.evaluator import Evaluator
from fhenn.ckks.layout import FEATURES, Layout, Vectors, WholeSamples
from fhenn.ckks.levels import Kind
from fhenn.ckks.maps import Diagonals, RotationSchedule, power_of_two, shape_of
from fhenn.ckks.parameters import MAX_MODULUS_BITS, Parameters
from fhenn.errors import LevelExhausted, PlanError, ScaleMismatch
from fhenn.nn import Activation, Affine, Step, deepest
from fhenn.planner.cost import BANDWIDTH, UPLOADS, Cost, bytes_text, cost_of, count_of, count_of_rows, seconds_text
from fhenn.planner.identity import node_signature
from fhenn.planner.machine import Machine
from fhenn.planner.packing import THROUGHPUT, Packing, of_images, pack
from fhenn.planner.plan import LayoutName, Plan
from fhenn.planner.refusal import Refusal
from fhenn.planner.request import Request
from fhenn.planner.walk import Path
from fhenn.planner.work import Counts, Work, steps_in, work_of

_SEARCHED, _SEARCHED_FOR_LIMITS = 3, 9
"""Candidates for which parameters are searched, at most: where one is within the limits, and where none is."""

_SKETCHY, _HOPELESS = 1.5, 4.0
"""How many times over a limit a sketch may be whose plan may fit, and one whose plan will not."""

_NEAR = 3.0
"""How many times dearer a layout of the other kind may be for its cost to be worth knowing."""

_TRACED = 4
"""Candidates whose steps are counted exactly for each that is searched."""

_SHOWN = 3

_TYPICAL_BITS, _END_BITS = 36, 50
"""Of a prime for each level, and of the first and the special prime, before a chain is searched for."""

_PRODUCT: tuple[Kind, ...] = ("product", "relinearisation", "rescale")


@dataclass(frozen=True)
class Alternative:
    """One way to lay samples out, and what it would cost.

    layout: "latency" or "throughput".
    samples: that share ciphertexts.
    ciphertexts: that those take in an upload.
    ring_degree: N.
    cost: for the rows of the comparison.
    planned: whether parameters were searched for it; else its cost is that under the parameters of the chosen one.
    """

    layout: LayoutName
    samples: int
    ciphertexts: int
    ring_degree: int
    cost: Cost
    planned: bool

    def __str__(self) -> str:
        return f"{self.layout}, {count_of_rows(self.samples)} in {count_of(self.ciphertexts, 'ciphertext')}"


@dataclass(frozen=True)
class Comparison:
    """The layouts that a plan was chosen from, the chosen one first. `Plan.comparison` holds it.

    alternatives: the two or three cheapest.
    rows: samples in an upload.
    machine: whose timings they were compared by.
    """

    alternatives: tuple[Alternative, ...]
    rows: int
    machine: str

    @property
    def reason(self) -> str:
        """Why the first was taken, in a sentence."""
        first, *others = self.alternatives
        if not others:
            return f"{first} is the only one that there is."
        cheapest, next_ = first.cost, others[0].cost
        parts = {
            "the server": next_.server - cheapest.server,
            "the client": next_.client - cheapest.client,
            "transfers": (next_.up + next_.down - cheapest.up - cheapest.down) / BANDWIDTH,
            "keys": (next_.setup - cheapest.setup + (next_.keys - cheapest.keys) / BANDWIDTH) / UPLOADS,
        }
        most = max(parts, key=lambda part: parts[part])
        return (
            f"{first}: {seconds_text(cheapest.seconds)} in all against {seconds_text(next_.seconds)} "
            f"of {others[0]}, most of it saved on {most}."
        )

    def __str__(self) -> str:
        head = f"{'layout':<44} {'in all':>7} {'server':>7} {'client':>7}"
        head += "".join(f" {name:>8}" for name in ("up", "down", "keys", "memory"))
        lines = [f"{count_of_rows(self.rows)}, by the timings of {self.machine} (~: before a search of its own)", head]
        for each in self.alternatives:
            cost = each.cost
            about = "~" * (not each.planned)
            times = " ".join(f"{about + seconds_text(value):>7}" for value in (cost.seconds, cost.server, cost.client))
            sizes = " ".join(f"{bytes_text(value):>8}" for value in (cost.up, cost.down, cost.keys, cost.memory))
            lines.append(f"{each!s:<44} {times} {sizes}")
        return "\n".join([*lines, fill(f"taken: {self.reason}", len(head), break_on_hyphens=False)])


@dataclass(frozen=True)
class _Option:
    """A layout with nothing left open.

    request: that asks for it.
    packing: of the samples in the ring that is in view.
    """

    request: Request
    packing: Packing


class _Choice:
    """The search for the cheapest layout.

    path: the model.
    request: what is asked for.
    make: the plan of a request that leaves nothing open. Raises Refusal.
    """

    def __init__(self, path: Path, request: Request, make: Callable[[Request], Plan]) -> None:
        self._path, self._request, self._make = path, request, make
        self._machine = Machine.known()
        self._made: dict[Request, Plan] = {}
        self._refused: dict[LayoutName, Refusal] = {}
        self._known: dict[Request, Plan] = {}
        self._costs: dict[Request, tuple[Plan, Cost]] = {}
        self._failed = 0

    def plan(self) -> Plan:
        """The plan of the cheapest layout, with its comparison. Raises Refusal, PlanError."""
        self._look_around(typical_parameters(self._path.nodes, self._request))
        while (best := self._next()) is not None:
            self._try(best)
        rival = self._rival()
        if rival is not None:
            self._try(rival)
        chosen = self._chosen()
        if chosen is None:
            raise self._failure()
        return self._made[chosen].compared(self._compare(chosen))

    def _next(self) -> Request | None:
        """What to search next: the cheapest sketch, unless a plan within the limits is cheaper; None where all is done.

        Only the searched plan tells whether a layout exceeds a limit. A sketch may be off; those that exceed one far
        are searched while there is no plan, the nearest first.
        """
        chosen, tried = self._chosen(), len(self._made) + self._failed
        if tried >= (_SEARCHED if chosen is not None else _SEARCHED_FOR_LIMITS):
            return None
        excess = {each: self._excess(each) for each in self._known if each not in self._made}
        near = [each for each in excess if excess[each] <= _SKETCHY]
        if near:
            best = min(near, key=self._seconds)
            return best if chosen is None or self._seconds(best) < self._seconds(chosen) else None
        farther = min(excess, key=excess.__getitem__, default=None)
        hopeless = farther is None or (excess[farther] > _HOPELESS and self._made)
        return None if chosen is not None or hopeless else farther

    def _rival(self) -> Request | None:
        """The cheapest layout of the other kind, where it comes near the chosen one and parameters are not searched.

        Its sketch is under parameters that it may not reach the accuracy with.
        """
        chosen = self._chosen()
        if chosen is None:
            return None
        others = [each for each in self._known if self._name(each) != self._name(chosen) and self._within(each)]
        best = min(others, key=self._seconds, default=chosen)
        near = best not in self._made and self._seconds(best) <= _NEAR * self._seconds(chosen)
        return best if near else None

    def _try(self, request: Request) -> None:
        """Search parameters for a layout, and sketch the others under them."""
        try:
            self._made[request] = self._make(request)
        except Refusal as error:
            self._failed += 1
            self._refused[self._name(request)] = error
            parameters = typical_parameters(self._path.nodes, self._request)
            parameters = next((each.parameters for each in reversed(self._made.values())), parameters)
        else:
            parameters = self._made[request].parameters
        self._look_around(parameters)

    def _chosen(self) -> Request | None:
        """The cheapest of the searched layouts that stay within the limits; None where none does."""
        return min(filter(self._within, self._made), key=self._seconds, default=None)

    def _failure(self) -> Exception:
        """Why there is no plan."""
        if self._made:
            return self._limit_error(min(self._made, key=self._excess))
        if not self._refused:  # no ring holds the samples as they were asked for
            self._try(replace(self._request, layout="latency", samples=self._request.samples or 1))
        return min(self._refused.values(), key=lambda refusal: refusal.best)

    def _excess(self, request: Request) -> float:
        """How many times over a layout fills the limits."""
        return max(self._filled(request).values())

    def _filled(self, request: Request) -> dict[str, float]:
        """How much of each limit a layout takes."""
        cost, asked = self._cost(request), self._request
        return {
            "upload": cost.up / asked.max_upload,
            "memory": cost.memory / asked.max_memory,
            "keys": cost.keys / asked.max_keys,
        }

    def _look_around(self, parameters: Parameters) -> None:
        """Sketch what every layout would be like under parameters; the cheapest ones with all that their maps hold."""
        options = {each.request: each for each in self._options(parameters.slots)}
        sketches = {each: self._sketch(options[each], parameters) for each in options}
        self._known = sketches | self._made
        if not self._made:
            return
        for each in sorted(options, key=self._seconds)[:_TRACED]:
            if each not in self._made:
                with suppress(ScaleMismatch, LevelExhausted):
                    self._known[each] = self._trace(options[each], parameters)

    def _options(self, slots: int) -> Iterator[_Option]:
        """Layouts that the request leaves open, in a ring of so many slots."""
        asked, nodes = self._request, self._path.nodes
        if (asked.leaves_layout_open or asked.layout == "throughput") and "throughput" not in self._refused:
            yield _Option(replace(asked, layout="throughput", samples=1, upload=None), THROUGHPUT)
        if asked.layout == "throughput" or "latency" in self._refused:
            return
        width = self._path.reach[0].low.size
        samples = _doubled(power_of_two(asked.rows)) if asked.samples is None else [asked.samples]
        # placements of images come in as many ciphertexts as they are best in
        leave = asked.upload is None and not of_images(nodes)
        uploads = [None, *_doubled(width)] if leave else [asked.upload]
        seen: set[Packing] = set()
        for together, upload in product(samples, uploads):
            packing = pack(nodes, slots, asked.evaluator.rotations, together, upload)
            if packing is not None and packing not in seen:
                seen.add(packing)
                yield _Option(replace(asked, layout="latency", samples=together, upload=upload), packing)

    def _name(self, request: Request) -> LayoutName:
        return "throughput" if request.layout == "throughput" else "latency"

    def _cost(self, request: Request) -> Cost:
        plan, known = self._known[request], self._costs.get(request)
        if known is None or known[0] is not plan:
            known = self._costs[request] = plan, cost_of(plan, self._request.rows, self._machine)
        return known[1]

    def _seconds(self, request: Request) -> float:
        return self._cost(request).seconds

    def _within(self, request: Request) -> bool:
        """Whether a layout stays within the limits."""
        return self._excess(request) <= 1

    def _sketch(self, option: _Option, parameters: Parameters) -> Plan:
        """A plan that says as much of an option as its shapes tell."""
        if option.packing.targets:  # shapes say little of maps with few diagonals
            with suppress(ScaleMismatch, LevelExhausted):
                return self._trace(option, parameters)
        counts, keys = _steps_by_shape(self._path.nodes, option.packing.layout, parameters, self._request.evaluator)
        return self._outline(option, parameters, Work(steps_in(counts), keys))

    def _trace(self, option: _Option, parameters: Parameters) -> Plan:
        """A plan that says what an option takes under parameters. Raises ScaleMismatch, LevelExhausted."""
        work = work_of(
            self._path.placed(option.packing.targets),
            option.packing.layout,
            parameters,
            evaluator=self._request.evaluator,
        )
        return self._outline(option, parameters, work)

    def _outline(self, option: _Option, parameters: Parameters, work: Work) -> Plan:
        """A plan that holds what its cost depends on, and nothing else."""
        nodes, width = self._path.nodes, self._path.reach[0].low.size
        return Plan(
            parameters=parameters,
            layout=option.packing.layout,
            layout_name=self._name(option.request),
            rotations=work.rotations,
            rotation_levels=work.rotation_levels,
            stages=(),
            low=(0.0,) * width,
            high=(0.0,) * width,
            accuracy=self._request.accuracy,
            error=0.0,
            deviation=0.0,
            approximation=0.0,
            signature=tuple(map(node_signature, nodes)),
            finish=None,
            evaluator=self._request.evaluator.name,
            steps=work.steps,
            scaled=True,
            targets=option.packing.targets,
        )

    def _compare(self, chosen: Request) -> Comparison:
        """The chosen layout beside the next ones, of which one is of the other kind where it is in view."""
        least = self._seconds(chosen)
        others = sorted(
            (each for each in self._known if each != chosen and self._seconds(each) >= least and self._within(each)),
            key=self._seconds,
        )
        # several requests can come to one layout
        found = {str(self._alternative(each)): each for each in (chosen, *others)[::-1]}
        others = [each for name, each in reversed(found.items()) if name != str(self._alternative(chosen))]
        unlike = [each for each in others if self._name(each) != self._name(chosen)][:1]
        shown = sorted({*others[: _SHOWN - 1 - len(unlike)], *unlike}, key=self._seconds)
        alternatives = tuple(self._alternative(each) for each in (chosen, *shown))
        return Comparison(alternatives, self._request.rows, self._machine.name)

    def _alternative(self, request: Request) -> Alternative:
        plan = self._known[request]
        return Alternative(
            plan.layout_name,
            plan.samples_per_ciphertext,
            plan.ciphertexts_per_sample,
            plan.parameters.ring_degree,
            self._cost(request),
            request in self._made,
        )

    def _limit_error(self, least: Request) -> PlanError:
        """The exception where every layout exceeds a limit: with what would fit.

        least: the layout that exceeds it least.
        """
        asked, plan = self._request, self._known[least]
        cost, filled = self._cost(least), self._filled(least)
        name = max(filled, key=filled.__getitem__)
        sizes = {"upload": cost.up, "memory": cost.memory, "keys": cost.keys}
        limits = {"upload": asked.max_upload, "memory": asked.max_memory, "keys": asked.max_keys}
        needed, limit = sizes[name], limits[name]

        def fits(rows: int) -> bool:
            found = cost_of(plan, rows, self._machine)
            within = found.up <= asked.max_upload and found.memory <= asked.max_memory
            return within and found.keys <= asked.max_keys

        rows = bisect(range(1, asked.rows), 0, key=lambda rows: not fits(rows))
        fewer = f", or send fewer samples at once: rows={rows}" if rows else ""
        what = {
            "upload": f"an upload for {count_of_rows(asked.rows)} takes",
            "memory": f"the memory for {count_of_rows(asked.rows)} takes",
            "keys": "the evaluation keys take",
        }[name]
        return PlanError(
            f"{what} {bytes_text(needed)} in the smallest layout "
            f"({self._alternative(least)}), where {bytes_text(limit)} are allowed.",
            f"Allow more: max_{name}={ceil(needed / 1e6)}e6{fewer}.",
        )


def choose_layout(path: Path, request: Request, make: Callable[[Request], Plan]) -> Plan:
    """The plan of the cheapest layout that meets the accuracy.

    path: the model.
    request: what is asked for; what it leaves open of the layout is chosen.
    make: the plan of a request that leaves nothing open. Raises Refusal.

    Returns the plan, with its `comparison`.
    Raises Refusal where no layout meets the accuracy, PlanError where none stays within the limits.
    """
    return _Choice(path, request, make).plan()


def typical_parameters(nodes: Sequence[Step], request: Request) -> Parameters:
    """Parameters as a model's depth suggests them, before any are searched for.

    nodes: of the model.
    request: whose samples the ring is to hold.
    """
    most = (max(MAX_MODULUS_BITS.values()) - 2 * _END_BITS) // _TYPICAL_BITS
    levels = min(sum(node.cost for node in deepest(nodes)), most)
    chain = (_END_BITS, *[_TYPICAL_BITS] * levels, _END_BITS)
    rings = [ring for ring, bits in MAX_MODULUS_BITS.items() if bits >= sum(chain)]
    fitting = (ring for ring in rings if pack(nodes, ring // 2, request.evaluator.rotations, 1, request.upload))
    return Parameters(next(fitting, rings[0]), chain, 2.0**_TYPICAL_BITS)


def _doubled(most: int) -> list[int]:
    """1, 2, 4 … up to a number."""
    return [1 << power for power in range(most.bit_length())]


def _steps_by_shape(
    nodes: Sequence[Step], packing: Layout, parameters: Parameters, evaluator: Evaluator
) -> tuple[Counts, dict[int, int]]:
    """The steps of matrices without zeros and of activations that make a product for every level, and their keys."""
    counts, keys, layout, width = Counts(), dict[int, int](), packing, 1
    level = parameters.levels
    for node in nodes:
        if isinstance(node, Activation):
            alike = width if layout == FEATURES else 1
            for _ in range(node.cost):
                for kind in _PRODUCT:
                    counts[kind, level] += alike
                level = max(level - 1, 0)
            continue
        if not isinstance(node, Affine):
            continue
        below, width = max(level - 1, 0), node.outputs
        if isinstance(layout, WholeSamples):
            m, most, folds = shape_of(layout, node.outputs, parameters.slots)
            every = (tuple(range(most)),) * layout.tiles
            products = min(most * layout.tiles, node.operator.most_entries)
            diagonals = Diagonals(m, every, most, folds, layout.samples, products)
            schedule = RotationSchedule.dense(diagonals, evaluator.rotations)
            last = schedule.folding - schedule.hoisted_folds
            counts["rotation", level] += schedule.count - schedule.hoisted - last
            counts["hoisted rotation", level] += schedule.hoisted - schedule.hoisted_folds
            at = level if below else below  # `Landing.folds_first`
            keys = schedule.keys_at(level, at) | keys  # the first level that a key is for is the highest
            counts["rotation", at] += last
            counts["hoisted rotation", at] += schedule.hoisted_folds
            counts["vector", level] += products
            sums, layout = 1, Vectors("replicated", m, layout.samples)
        else:
            products, sums = node.operator.most_entries, node.outputs
            counts["number", level] += products
        counts["plain product", level] += products
        counts["addition", level] += products - sums
        counts["rescale", level] += sums
        level = below
    return +counts, keys
