"""What a server does for a plan: how often each small step runs, by level."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fhenn.backends import CIPHER
from fhenn.ckks import CipherArray, Layout, Parameters
from fhenn.ckks.evaluator import SEAL, Evaluator
from fhenn.ckks.layout import FEATURES, WholeSamples
from fhenn.ckks.levels import Kind
from fhenn.ckks.trace import Trace, TracedContext
from fhenn.nn import Activation, Affine, trail
from fhenn.planner.steps import Steps
from fhenn.planner.walk import Path
from fhenn.planner.witness import Witness, doublings
from fhenn.planner.witness_choice import meets_square

Counts = Counter[tuple[Kind, int]]


@dataclass(frozen=True)
class Work:
    """What a server does for the samples that share ciphertexts.

    steps: by kind, then level. They follow from the shapes, and from which diagonals or entries of a matrix are zero:
    as much as the time that the server takes tells.
    keys: the rotations, in slots, that it made, and the highest level of what they turned.
    """

    steps: tuple[Steps, ...]
    keys: Mapping[int, int]

    @property
    def rotations(self) -> tuple[int, ...]:
        """The rotations, ascending."""
        return tuple(sorted(self.keys))

    @property
    def rotation_levels(self) -> tuple[int, ...]:
        """The level of each of them."""
        return tuple(self.keys[steps] for steps in self.rotations)


def work_of(
    path: Path,
    packing: Layout,
    parameters: Parameters,
    *,
    evaluator: Evaluator = SEAL,
    witnesses: Sequence[Witness] = (),
    rotations: Mapping[int, int] | None = None,
) -> Work:
    """What a server does for the samples that share ciphertexts.

    path: the model.
    packing: layout of its inputs.
    parameters: ring degree, chain and scale.
    evaluator: that computes.
    witnesses: that are returned beside the result.
    rotations: steps, in slots, that there are keys for, and up to which level; any where None.

    Raises ScaleMismatch, LevelExhausted or KeyMissing where the parameters or keys do not suit the model.
    """
    context = TracedContext(parameters, evaluator=evaluator)
    on, counts = context.arithmetic, Counts()
    on.available = rotations
    wanted = {witness.place: witness for witness in witnesses}
    x = context.array(packing, path.bounds[0])

    def step(place: int, node: Affine | Activation, x: CipherArray) -> CipherArray:
        """What a node makes of a traced array, counted."""
        # one traced ciphertext stands for all of a sample, but for a map, which counts for all of them
        alike = _ciphertexts(x) if isinstance(node, Activation) else 1
        y: CipherArray = node.evaluate(CIPHER, x)
        if place in wanted:
            _observe(on, counts, (node, x, wanted[place]), alike)
        else:
            _gather(on, counts, alike)
        return replace(y, ciphertexts=(on.with_bounds(y.ciphertexts[0], path.bounds[place + 1]),))

    def join(place: int, x: CipherArray, y: CipherArray) -> CipherArray:
        """The sum of two branches, counted."""
        total: CipherArray = CIPHER.add(x, y)
        _gather(on, counts, _ciphertexts(x))
        return replace(total, ciphertexts=(on.with_bounds(total.ciphertexts[0], path.bounds[place + 1]),))

    def product(place: int, x: CipherArray, y: CipherArray) -> CipherArray:
        """The product of two branches, counted."""
        both = x * y
        _gather(on, counts, _ciphertexts(x))
        return replace(both, ciphertexts=(on.with_bounds(both.ciphertexts[0], path.bounds[place + 1]),))

    deque(trail(path.nodes, x, step, join, product), maxlen=0)
    return Work(steps_in(counts), on.keys)


def _ciphertexts(x: CipherArray) -> int:
    """How many ciphertexts a traced one stands for."""
    if x.layout == FEATURES:
        return x.shape[1]
    return x.layout.tiles if isinstance(x.layout, WholeSamples) else 1


def steps_in(counts: Counts) -> tuple[Steps, ...]:
    """Counts as steps, by kind, then level.

    counts: of each kind at each level.
    """
    return tuple(Steps(kind, level, count) for (kind, level), count in sorted(counts.items()))


def _gather(on: Trace, counts: Counts, alike: int) -> None:
    """Add to `counts` what was counted since the last time, as often as there are ciphertexts."""
    for step, count in on.counts.items():
        counts[step] += alike * count
    on.counts.clear()


def _observe(on: Trace, counts: Counts, seen: tuple[Affine | Activation, CipherArray, Witness], alike: int) -> None:
    """Count an activation together with its witness, as `fhenn.safety.observation` computes them."""
    node, x, witness = seen
    if isinstance(node, Activation) and witness.degree == 2 and meets_square(node, witness.domain):
        on.counts.clear()
        _, number = CIPHER.polynomial_and_square(node.polynomials[0], x)
    elif witness.degree > 2:
        start = CIPHER.drop_to(x, witness.start)
        number = CIPHER.chebyshev_power(witness.polynomial.domain, doublings(witness.degree), start)
    else:
        number = CIPHER.square(witness.domain, x)
    _gather(on, counts, alike)
    if witness.neurons > 1:
        CIPHER.sum_features(CIPHER.drop_to(number, witness.level))
        _gather(on, counts, 1)
