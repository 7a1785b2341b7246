"""What a plan may demand of the client that takes it: a stranger may have written it.

Its fields are held to what any plan of `fhenn.plan` states. What remains, and costs memory, is estimated before the
work is done, and held to what the client allows.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, inf, isqrt
from typing import TYPE_CHECKING

from fhenn.ckks.layout import FEATURES, WholeSamples
from fhenn.ckks.sizes import bytes_of_polynomials
from fhenn.errors import PlanError
from fhenn.planner.identity import AFFINE

if TYPE_CHECKING:
    from fhenn.planner.plan import Plan

LARGEST_PLAN = 16 << 20
"""Bytes of a plan as JSON: one of as many features as there may be takes about 12 MB."""

MEMORY = 400e6
"""Bytes that a client takes for keys, or for the ciphertexts that one sample needs, unless it is told otherwise."""

_MOST_FEATURES = 1 << 17
_MOST_NODES = 256
"""Far more than any chain has levels for."""

_LONGEST_NAME = 512

_MOST_CONTAINERS, _MOST_PARTS = 1 << 18, 1 << 20
"""Brackets and commas, those in names too: what parsing takes in time and memory grows with them."""

_CONTEXT_KEYS = 8
"""Making a context, and the relinearisation keys, takes as much memory as that many keys for a rotation (measured)."""

_COPIES_OF_KEYS, _COPIES_OF_CIPHERTEXTS = 2.1, 2.0
"""Times that their bytes are in memory while they are made (measured)."""

_BYTES_PER_SLOT = 20
"""Of values on their way into slots (measured)."""

_COPIES_OF_VALUES, _COPIES_OF_WEIGHTS = 4, 2.0
"""Of a table on its way into ciphertexts, and of a matrix's diagonals while they are encoded (measured)."""

_PROCESS = 70e6
"""Bytes of a process with Python, NumPy and TenSEAL (measured on Linux)."""

_LARGEST_HEADER, _LARGEST_FRAME = 512, 1 << 17
"""Of a ciphertext, and of a message of several."""


def require_short(text: str | bytes) -> None:
    """Raise ValueError, before it is parsed, where a plan is longer, or has more parts, than any of `fhenn.plan`.

    text: the plan as JSON.
    """
    if len(text) > LARGEST_PLAN:
        raise ValueError(f"its {len(text):,} bytes are more than {LARGEST_PLAN:,}")
    raw = text.encode(errors="replace") if isinstance(text, str) else text
    if raw.count(b"[") + raw.count(b"{") > _MOST_CONTAINERS or raw.count(b",") > _MOST_PARTS:
        raise ValueError("its brackets and commas are more parts than any plan has")


def require_modest(plan: Plan) -> None:
    """Raise ValueError where a plan asks for more than any plan of `fhenn.plan`.

    plan: to be checked.

    The schedules of `fhenn.ckks.maps` rotate by whole positions, samples apart; layout "features" needs no rotation.
    The distances between their baby steps, and those between giant steps, add up to the positions, or to twice the
    features, so that √(2·sum) of either differ; nor are there more baby steps, which take a key each where they are
    hoisted. Sums, of a map and of witnesses, rotate by powers of two, and by one and a half of these.
    """
    if plan.features > _MOST_FEATURES:
        raise ValueError(f"{plan.features} features are more than {_MOST_FEATURES}")
    nodes = max(len(plan.signature), len(plan.stages), len(plan.witnesses))
    if nodes > _MOST_NODES:
        raise ValueError(f"{nodes} nodes or witnesses are more than {_MOST_NODES}")
    names = [*plan.signature, *(stage.node for stage in plan.stages), *(witness.node for witness in plan.witnesses)]
    if any(len(name) > _LONGEST_NAME for name in names):
        raise ValueError(f"a name is longer than {_LONGEST_NAME} characters")
    places = [witness.place for witness in plan.witnesses]
    if places != sorted(set(places)) or any(witness.neurons > _MOST_FEATURES for witness in plan.witnesses):
        raise ValueError(
            f"its witnesses must ascend by place and be for at most {_MOST_FEATURES} neurons each, which they are not"
        )
    vectors = isinstance(plan.layout, WholeSamples)
    if not (vectors if plan.layout_name == "latency" else plan.layout == FEATURES):
        raise ValueError(f"its layout {plan.layout.name!r} does not go with the layout_name {plan.layout_name!r}")
    together = plan.layout.samples if isinstance(plan.layout, WholeSamples) else plan.parameters.slots
    whole = all(0 < steps < plan.parameters.slots and steps % together == 0 for steps in plan.rotations)
    positions = plan.parameters.slots // together
    widths = [min(int(match[1]), _MOST_FEATURES) for match in map(AFFINE.fullmatch, plan.signature) if match]
    most = sum(2 * isqrt(2 * max(positions, 2 * width)) for width in widths) + 2 * positions.bit_length()
    if not whole or len(set(plan.rotations)) < len(plan.rotations) or len(plan.rotations) > most:
        raise ValueError(f"it asks for {len(plan.rotations)} rotations, which no matrix product of its layout makes")


def memory_of_keys(plan: Plan) -> float:
    """About how many bytes of memory it takes to make a plan's keys: two polynomials for each prime of each key."""
    whole = _words_of_key(plan.parameters.ring_degree, plan.parameters.levels)
    return whole * _CONTEXT_KEYS + _rotation_keys(plan) + _COPIES_OF_KEYS * plan.bytes_of_keys


def bytes_of_answer(plan: Plan, samples: int) -> int:
    """Bytes that an answer has at most, with every witness of the plan.

    plan: of the model.
    samples: that the answer is for.

    Counted as SEAL keeps two polynomials of a ciphertext before it compresses them, at the first level.
    """
    groups = ceil(samples / plan.samples_per_ciphertext) * ciphertexts_of_outputs(plan)
    each = 16 * plan.parameters.ring_degree * (plan.parameters.levels + 1) * 1.02 + _LARGEST_HEADER
    return ceil((1 + len(plan.witnesses)) * (groups * each + _LARGEST_FRAME))


def outputs_of(plan: Plan) -> int:
    """Outputs of a sample, from the shape of the last affine node; the most that there may be where none is named.

    plan: of the model.
    """
    widths = _widths(plan)
    return min(widths[-1], _MOST_FEATURES) if widths else _MOST_FEATURES


def ciphertexts_of_outputs(plan: Plan) -> int:
    """Ciphertexts that hold the outputs of the samples that share ciphertexts.

    plan: of the model.
    """
    return _tiles_of(plan)[-1] if isinstance(plan.layout, WholeSamples) else outputs_of(plan)


def _tiles_of(plan: Plan) -> list[int]:
    """Ciphertexts of the inputs, and of the outputs of every affine node, where samples are whole."""
    targets = plan.targets or (None,)
    inputs = plan.layout.tiles if isinstance(plan.layout, WholeSamples) else 1
    return [inputs, *(1 if target is None else target.tiles for target in targets)]


def _widths(plan: Plan) -> list[int]:
    """Outputs of every affine node."""
    return [int(match[2]) for match in map(AFFINE.fullmatch, plan.signature) if match]


def bytes_of_ciphertext(plan: Plan, level: int) -> int:
    """About how many bytes an answer's ciphertext has.

    plan: of the model.
    level: of the ciphertext.
    """
    return bytes_of_polynomials(plan.parameters.ring_degree, plan.parameters.chain[: level + 1], 2)


def memory_of_client(plan: Plan, rows: int) -> float:
    """About how many bytes of memory a client's process takes at its peak.

    plan: of the model.
    rows: samples in an upload.
    """
    groups = ceil(rows / plan.samples_per_ciphertext)
    values = _COPIES_OF_VALUES * 8 * groups * plan.samples_per_ciphertext * plan.features
    upload = _resident_keys(plan) + plan.bytes_of_keys + groups * memory_of_upload(plan) + values
    return _PROCESS + max(memory_of_keys(plan), upload)


def memory_of_server(plan: Plan, rows: int) -> float:
    """About how many bytes of memory a server's process takes at its peak.

    plan: of the model.
    rows: samples in an upload.
    """
    parameters = plan.parameters
    groups, ring_degree = ceil(rows / plan.samples_per_ciphertext), parameters.ring_degree
    sent = plan.ciphertexts_per_sample
    evaluator, vectors = plan.find_evaluator(), [each for each in plan.steps if each.kind == "vector"]
    weights = sum(evaluator.bytes_of_weights(ring_degree, each.level, each.count) for each in vectors)
    ciphertext = 16 * ring_degree * (parameters.levels + 1)
    keys = _resident_keys(plan) + plan.bytes_of_keys
    # what was read stays while the nodes run, each from its inputs to its outputs
    widths = _tiles_of(plan) if isinstance(plan.layout, WholeSamples) else [plan.features, *_widths(plan)]
    between = max(before + after for before, after in pairwise(widths))
    held = groups * (sent * (2 * plan.bytes_per_ciphertext + ciphertext) + (between - widths[0]) * ciphertext)
    return _PROCESS + keys + weights * _COPIES_OF_WEIGHTS + held


def rows_within(plan: Plan, memory: float) -> int:
    """How many samples an upload may hold so that client and server together take no more than so much memory.

    plan: of the model.
    memory: bytes, for the samples alone; those of one group of ciphertexts are taken at least.
    """
    together, many = plan.samples_per_ciphertext, 1000  # keys weigh more than few groups
    first, second = (
        memory_of_client(plan, groups * together) + memory_of_server(plan, groups * together)
        for groups in (many, 2 * many)
    )
    return together * max(int(memory * many / (second - first)), 1)


def _resident_keys(plan: Plan) -> int:
    """Bytes of relinearisation and rotation keys in memory: two polynomials for each digit, without seeds."""
    return _words_of_key(plan.parameters.ring_degree, plan.relinearisation_level) + _rotation_keys(plan)


def _rotation_keys(plan: Plan) -> int:
    """Bytes of rotation keys in memory."""
    return sum(_words_of_key(plan.parameters.ring_degree, level) for level in plan.rotation_keys.values())


def _words_of_key(ring_degree: int, level: int) -> int:
    """Bytes of a key for ciphertexts of a level: two polynomials for each prime, modulo these and the special one."""
    return 16 * ring_degree * (level + 1) * (level + 2)


def memory_of_upload(plan: Plan) -> float:
    """About how many bytes of memory it takes to encrypt the samples that share ciphertexts."""
    each = _BYTES_PER_SLOT * plan.parameters.slots + _COPIES_OF_CIPHERTEXTS * plan.bytes_per_ciphertext
    return plan.ciphertexts_per_sample * each


def allowance(plan: Plan, memory: float | None) -> float:
    """Bytes of memory that a plan may take.

    plan: that takes it.
    memory: what the user allows; None for MEMORY where the plan came from elsewhere, and no limit for one's own.
    """
    return (inf if plan.own else MEMORY) if memory is None else memory


def require_memory(what: str, needed: float, allowed: float) -> None:
    """Raise PlanError where something takes more memory than is allowed.

    what: takes it, in the plural, for instance "the keys".
    needed: bytes that it takes.
    allowed: bytes that it may take.
    """
    if needed > allowed:
        enough = ceil(needed / 1e8) * 100
        raise PlanError(
            f"{what} of this plan take about {ceil(needed / 1e6):,} MB of memory; "
            f"allowed are {int(allowed / 1e6):,} MB.",
            f"If you trust whoever made the plan, allow more: memory={enough}e6, or --memory-mb {enough}.",
        )
