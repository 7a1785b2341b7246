"""The choice of a plan's witnesses: the best that the chain has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import acosh, cosh, inf, isclose, sqrt

import numpy as np

from fhenn.approx import Polynomial
from fhenn.ckks.bounds import Bounds
from fhenn.ckks.circuits import chebyshev_power, shares_square, square_of
from fhenn.ckks.layout import WholeSamples
from fhenn.ckks.noise import Noise
from fhenn.ckks.sums import keys_of_sum
from fhenn.ckks.trace import Trace, Traced
from fhenn.errors import PlanError, ScaleMismatch
from fhenn.nn import Activation, Affine
from fhenn.planner.overflow import largest_beside, radius_that_fits
from fhenn.planner.scaling import rests
from fhenn.planner.walk import Place, Walk
from fhenn.planner.witness import CHANCE, DEGREES, Interval, Witness, chebyshev_witness, doublings, inner_edge

_DOUBTFUL = 0.9
"""The threshold of a sum of n lies n from either side: what its error may be, for each neuron."""

_DOUBTFUL_SQUARE = 0.45
"""The threshold of a square gives way by its error: what that may be."""


_LARGEST_SHARE = 2.0**-7
"""What the error of a number far beyond its threshold may be of it."""

_LARGEST_EXPONENT = 700.0

_AROUND = 2.0**-4
"""How far from a single value, relative to it or to 1, an input is watched."""

_AMPLE = 4.0
"""Half widths of the domain that an input may be from its middle before it need condemn its whole ciphertext."""


def watched(node: Activation, planned: Interval | None = None) -> Interval | None:
    """The interval that the inputs of an activation are watched for.

    node: the activation.
    planned: the range that a plan took from data for its inputs, None where its ranges hold for every input.

    Returns the domain; for an exact activation, which has none, the planned range; None where nothing is to be watched.
    """
    if not node.is_exact:
        return node.domain
    if planned is None or planned[0] < planned[1]:
        return planned
    around = _AROUND * max(1.0, abs(planned[0]))  # a single value has no width to count in
    return planned[0] - around, planned[1] + around


def doubt(witnesses: Sequence[Witness]) -> tuple[float, int, float]:
    """How much witnesses leave to be wished, the less the better.

    witnesses: of one plan, all with a limit.

    Returns the chance that a number which wrapped round looks good, the degree of hidden layers' witnesses, and how
    soon they condemn a ciphertext; the first counts most.
    """
    reaches = (2 * each.reach / (each.domain[1] - each.domain[0]) for each in witnesses)
    degree = min((each.degree for each in witnesses if each.neurons > 1), default=DEGREES[0])
    return max((CHANCE, *(each.chance for each in witnesses))), -degree, -min((_AMPLE, *reaches))


def no_doubt(degrees: Sequence[int]) -> tuple[float, int, float]:
    """`doubt` where nothing is left to be wished.

    degrees: that hidden layers' witnesses may have, the best first.
    """
    return CHANCE, -degrees[0], -_AMPLE


def levels_missing(walked: Walk, degrees: Sequence[int]) -> int:
    """Levels more that the best witnesses of hidden layers have use for below their activations; 0 where none.

    Those that their polynomials take, and one at which a number has headroom.

    walked: the model under parameters.
    degrees: that hidden layers' witnesses may have, the best first.
    """
    hidden = (each for each in _observe(walked) if each.is_watched and each.hidden)
    return max((doublings(degrees[0]) + 1 - each.start.array.level for each in hidden), default=0)


def witnesses_of(
    walked: Walk, degrees: Sequence[int], chance: float = 1.0, is_quiet: Callable[[Witness], bool] | None = None
) -> tuple[Witness, ...]:
    """The witness of every activation of a walk that is watched (`watched`): of those that fit, the best.

    walked: the model under parameters.
    degrees: that hidden layers' polynomials may have, the best first. A lower one is taken where no other fits, or
    where it makes it less likely that a number which wrapped round looks good.
    chance: with which such a number may look good at most.
    is_quiet: whether a witness gives no false alarm; None where that does not matter.

    Raises ScaleMismatch where the chain has no room for one that holds what may reach its activation.
    """
    found = []
    for observed in _observe(walked):
        if not observed.is_watched:
            continue
        chosen: Witness | None = None
        for degree in degrees if observed.hidden else degrees[-1:]:
            most = chance if chosen is None else chosen.chance
            fitting = [choice for choice in _choices(observed, degree, most) if choice.headroom >= observed.reach]
            best = min(fitting, key=lambda choice: doubt([choice]), default=None)
            if best is None or (is_quiet is not None and not is_quiet(best)):
                continue
            if chosen is None or best.chance < chosen.chance:
                chosen = best
            if chosen.chance <= CHANCE:
                break
        if chosen is None:
            at = observed.start.array
            scale, prime = at.scale, int(observed.on.primes[at.level])
            raise ScaleMismatch(scale, prime, "No witness fits below these primes.")
        found.append(chosen)
    return tuple(found)


def require_witnesses(witnesses: Sequence[Witness], walked: Walk) -> None:
    """Raise PlanError unless witnesses are those of a model, and hold for what may reach its activations.

    witnesses: of a plan.
    walked: the model under the plan's parameters.
    """
    observed = {each.place: each for each in _observe(walked)}
    places = [witness.place for witness in witnesses]
    needed = {place for place, each in observed.items() if each.is_watched}
    # an older plan has witnesses of exact activations too
    if places != sorted(set(places)) or not needed <= set(places) <= set(observed):
        raise PlanError("the plan's witnesses are not those of the model's activations.", "Plan again for this model.")
    for witness in witnesses:
        each = observed[witness.place]
        choices = _choices(each, witness.degree)
        now = next((new for new in choices if (new.start, new.level) == (witness.start, witness.level)), None)
        if now is None or not _covers(witness, now) or min(witness.headroom, now.headroom) < each.reach:
            raise PlanError(
                f"the witness of {witness.node} does not hold for the model's weights.", "Plan again for this model."
            )


def _covers(old: Witness, new: Witness) -> bool:
    """Whether a witness promises no more than one that is computed anew for the same levels."""
    same = (old.node, old.neurons, old.degree, old.domain) == (new.node, new.neurons, new.degree, new.domain)
    # the edges of a square give way by its error
    middles = [each.threshold + (each.error if each.degree == 2 else 0.0) for each in (old, new)]
    narrower = old.degree == 2 and old.inner < new.inner
    return (
        same
        and new.error <= old.error * (1 + 1e-9)
        and new.chance <= old.chance * (1 + 1e-9)
        and (old.limit is None or (new.limit is not None and old.limit <= new.limit + 1e-9 * abs(new.limit)))
        and isclose(*middles, rel_tol=1e-9)
        and (narrower or isclose(old.inner, new.inner, rel_tol=1e-9))
    )


@dataclass(frozen=True)
class _Observed:
    """An activation in a walk.

    on: the arithmetic of the walk.
    node: the activation.
    place: of it among the model's nodes, from 0.
    start: where its input stands.
    domain: the interval that a witness watches it for.
    is_watched: whether it must have a witness.
    fits: the largest |x - middle| for which the model's outputs surely fit their modulus; infinite where a later
    witness speaks for them.
    reach: the largest |x - middle| that may come to it.
    hidden: whether an affine node follows.
    width: inputs that one number is for.
    spare: positions besides them that a sum adds up.
    rest: the x that those hold.
    """

    on: Trace
    node: Activation
    place: int
    start: Place
    domain: Interval
    is_watched: bool
    fits: float
    reach: float
    hidden: bool
    width: int
    spare: int
    rest: float


def _observe(walked: Walk) -> Iterator[_Observed]:
    """Every activation of a walk, with what its witness depends on."""
    path = walked.path
    last = max((place for place, node in enumerate(path.nodes) if isinstance(node, Affine)), default=-1)
    planned: dict[int, Interval] = {} if path.ranges is None else path.ranges.at(path.nodes)
    activations = [(place, node) for place, node in enumerate(path.nodes) if isinstance(node, Activation)]
    intervals = {place: watched(node, planned.get(place)) for place, node in activations}
    last_watched = max((place for place, interval in intervals.items() if interval is not None), default=-1)
    for place, (node, start, rest) in enumerate(zip(path.nodes, walked.starts, rests(path.nodes), strict=False)):
        if not isinstance(node, Activation):
            continue
        low, high = path.reach[place].interval
        domain = intervals[place] or node.domain
        middle, half = domain[0] / 2 + domain[1] / 2, domain[1] / 2 - domain[0] / 2
        fits = inf
        if place == last_watched:
            fits = radius_that_fits(path.nodes[place:], middle, half, largest_beside(walked.end.fits, walked.bound))
        reach, hidden = max(high - middle, middle - low), place < last
        width = len(path.reach[place].low) if hidden else 1
        # a sum adds up all that a layout holds
        held = start.layout.period * start.layout.tiles if isinstance(start.layout, WholeSamples) else width
        spare = held - width if width > 1 else 0
        must = intervals[place] is not None
        yield _Observed(walked.trace, node, place, start, domain, must, fits, reach, hidden, width, spare, rest)


def meets_square(node: Activation, domain: Interval) -> bool:
    """Whether an activation's circuit makes the t² of a domain on its way.

    node: the activation.
    domain: that its witness watches.
    """
    return len(node.polynomials) == 1 and not node.times_input and shares_square(domain, node.polynomials[0])


def _choices(observed: _Observed, degree: int, chance: float = 1.0) -> Iterator[Witness]:
    """Witnesses of a degree and at most a chance, the cheapest first; t² where each input has one of its own."""
    node, width = observed.node, observed.width
    degree = degree if observed.hidden else 2
    of_node = partial(
        Witness, node=node.name, place=observed.place, domain=observed.domain, neurons=width, degree=degree
    )
    if degree == 2:
        yield from (witness for witness in _square_witnesses(observed, of_node) if witness.chance <= chance)
    else:
        yield from _chebyshev_witnesses(observed, degree, of_node, chance)


def _chebyshev_witnesses(
    observed: _Observed, degree: int, of_node: partial[Witness], chance: float
) -> Iterator[Witness]:
    """Witnesses of a degree above 2, and at most a chance."""
    on, width, spare = observed.on, observed.width, observed.spare
    low, high = observed.domain
    half, inner = (high - low) / 2, inner_edge(width, degree)
    polynomial = chebyshev_witness(observed.domain, inner, degree)
    at_rest = float(polynomial(observed.rest))
    # of one input alone that makes the outputs too large
    far = _chebyshev(observed.fits / half / inner, degree) - (width - 1)
    reaches = 1.0, 1 / inner, abs(observed.rest - (low + high) / 2) / half / inner
    depth = doublings(degree)
    for top in range(depth, observed.start.array.level + 1):
        with suppress(ScaleMismatch):
            x = on.drop(observed.start.traced, top)
            first = _power(on, x, polynomial, reaches[0])
            scale = first.scale
            # before more is computed: the highest level has the least chance
            if _chance(3 * width, on.modulus(first.level) / scale) > chance:
                continue
            others = [_power(on, x, polynomial, t) for t in reaches[1:]]
            beyond, spared = (number.noise for number in others)
            terms = (_sum(first.noise, width) + beyond + _sum(spared, spare)).bound(on.slots)
            for level in range(first.level + 1):
                error = terms + (width + spare) * _rotation_error(on, level, scale)
                room = (on.modulus(level) / 2 / scale - spare * abs(at_rest)) / width
                passing = _chance(3 * width + error, on.modulus(level) / scale)
                if error <= _DOUBTFUL * width and room >= 4 * width and passing <= chance:
                    threshold = 2 * width + spare * at_rest
                    yield of_node(
                        inner=inner,
                        threshold=threshold,
                        error=error,
                        limit=_limit(threshold, far, spare * at_rest, error, on.modulus(level) / 2 / scale),
                        chance=passing,
                        headroom=half * inner * cosh(acosh(room) / degree),
                        start=top,
                        level=level,
                    )


def _square_witnesses(observed: _Observed, of_node: partial[Witness]) -> Iterator[Witness]:
    """Witnesses of t² or its sum."""
    on, node, start = observed.on, observed.node, observed.start
    low, high = observed.domain
    half, width, spare = (high - low) / 2, observed.width, observed.spare
    at_rest = (observed.rest - (low + high) / 2) / half
    squares = [
        _square(on, node, observed.domain, _bound_around(on, start.traced, observed.domain, t))
        for t in (1.0, abs(at_rest))
    ]
    far = (observed.fits / half) ** 2
    each, spared = (square.noise for square in squares)
    terms = (_sum(each, width) + _sum(spared, spare)).bound(on.slots)
    scale = squares[0].scale
    for level in range(squares[0].level + 1):
        turned = (width + spare) * _rotation_error(on, level, scale) if width > 1 else 0.0
        error = terms + turned
        room = (on.modulus(level) / 2 / scale - spare * at_rest**2) / width
        if error <= _DOUBTFUL_SQUARE and room >= 1:
            threshold = 1 - error + spare * at_rest**2
            yield of_node(
                inner=sqrt((1 - 2 * error) / width),
                threshold=threshold,
                error=error,
                limit=_limit(threshold, far, spare * at_rest**2, error, on.modulus(level) / 2 / scale),
                chance=_chance(1.0, on.modulus(level) / scale),
                headroom=half * sqrt(room),
                start=start.array.level,
                level=level,
            )


def _power(on: Trace, x: Traced, polynomial: Polynomial, t: float) -> Traced:
    """T of x, whose values are as far from the middle of the polynomial's domain as t times its half width."""
    return chebyshev_power(
        on, _bound_around(on, x, polynomial.domain, t), polynomial.domain, doublings(polynomial.degree)
    )


def _bound_around(on: Trace, x: Traced, domain: tuple[float, float], t: float) -> Traced:
    """x, whose values are as far from the middle of a domain as t times its half width, 1 at least."""
    low, high = domain
    middle, far = low / 2 + high / 2, (high / 2 - low / 2) * max(t, 1.0)
    return on.with_bounds(x, Bounds(np.array([middle - far]), np.array([middle + far])))


def _square(on: Trace, node: Activation, domain: Interval, x: Traced) -> Traced:
    """t² as the node's circuit makes it."""
    squares: list[Traced] = []
    if meets_square(node, domain):
        on.evaluate_polynomial(x, node.polynomials[0], squares)
    return squares[0] if squares else square_of(on, x, domain)


def _chebyshev(t: float, degree: int) -> float:
    """T(t) for t from 0; infinite where that is too large."""
    angle = degree * acosh(max(t, 1.0)) if t < inf else inf
    return cosh(angle) if angle < _LARGEST_EXPONENT else inf


def _limit(threshold: float, far: float, beside: float, error: float, fits: float) -> float:
    """The number that condemns a ciphertext.

    threshold: of an alarm; no less condemns.
    far: what a single input gives that may make the outputs wrap, with all others at the least.
    beside: what spare positions add, which may be below 0.
    error: of the number.
    fits: the largest number that the modulus holds.
    """
    # beyond the domain the error grows in proportion, at worst, to what it may be of the threshold
    return max(threshold, min(far * (1 - _LARGEST_SHARE) + beside - error, largest_beside(fits, error)))


def _chance(width: float, modulus: float) -> float:
    """With which chance a number that wrapped round is among those that raise no alarm.

    width: of the interval of these.
    modulus: in units of the number's scale.
    """
    return min(1.0, width / modulus)


def _sum(noise: Noise, count: int) -> Noise:
    """The noise of a sum over features.

    noise: of each.
    count: how many there are.
    """
    factor = count ** (1 / noise.norm)
    return noise.through(factor, factor)


def _rotation_error(on: Trace, level: int, scale: float) -> float:
    """Bound on what the rotations of a sum add, for each of its terms.

    Where rotations are made of several, there are more errors than terms, and fewer than the square of that: they are
    independent, so that the terms' bounds together hold for them all.
    """
    return (on.noise.key_switch(level) * (1 / scale)).bound(on.slots)


def keys_of_witnesses(walked: Walk, witnesses: Sequence[Witness]) -> dict[int, int]:
    """The rotations that the sums of witnesses need keys for besides those of the model, and their levels.

    walked: the model.
    witnesses: of it.
    """
    keys: dict[int, int] = {}
    for witness in sorted(witnesses, key=lambda witness: -witness.level):  # keys for one serve those below it
        layout = walked.starts[witness.place].layout
        if witness.neurons > 1 and isinstance(layout, WholeSamples):
            there = {step for step, level in walked.rotations.items() if level >= witness.level} | set(keys)
            keys |= dict.fromkeys(keys_of_sum(layout.period, layout.samples, there), witness.level)
    return keys


def require_keys(witnesses: Sequence[Witness], walked: Walk, rotations: Mapping[int, int]) -> None:
    """Raise PlanError where the sums of witnesses cannot be made with the keys of a plan.

    witnesses: of the plan.
    walked: the model under its parameters.
    rotations: that the plan has keys for, in slots, and up to which level.
    """
    for witness in witnesses:
        layout = walked.starts[witness.place].layout
        summed = witness.neurons > 1 and isinstance(layout, WholeSamples) and layout.period > 1
        if summed and isinstance(layout, WholeSamples) and witness.level > rotations.get(layout.samples, -1):
            raise PlanError(
                f"the plan names no key for a rotation by {layout.samples}, which the witness of {witness.node} needs.",
                "Plan again for this model.",
            )
