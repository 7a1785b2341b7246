"""Measures a `Machine`: how long the small steps of CKKS take here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import process_time
from typing import Any

import numpy as np

from fhenn.backends import context_class, is_available
from fhenn.ckks import CipherArray, Context, Parameters, encrypt_to_bytes
from fhenn.ckks.evaluator import NATIVE, SEAL
from fhenn.ckks.parameters import MAX_MODULUS_BITS
from fhenn.ckks.rotations import HOISTED
from fhenn.planner.machine import Machine, Primitive, Timing

PRIMES: dict[int, tuple[int, ...]] = {2048: (1,), 4096: (1, 2, 4), 8192: (1, 2, 4, 7), 16384: (1, 4, 8)}
"""Numbers of primes that are measured, the most of each ring last; a larger ring follows by the laws."""

_BITS = 40
"""Of each prime, where they fit: a plan's scales are near to that."""

_LEAST_SECONDS, _MOST_SECONDS, _LEAST_RUNS = 0.02, 0.5, 3
"""For which a primitive is repeated, and how often at least where that takes no longer."""

_TICK = 1e-3
"""Seconds: what is timed at once takes as long, so that clocks which count in steps, or stand still, tell it from 0."""

_ROTATIONS = (1, 2, 4)
_TERMS = 8
"""Products that are timed together: an evaluator may sum them as it makes them."""

_LEAST = 1e-6
"""Seconds: what differences of times that others disturbed are at least."""


def measure(
    name: str,
    evaluators: Sequence[str] | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    primes: dict[int, tuple[int, ...]] = PRIMES,
) -> Machine:
    """A machine, measured in about a minute. Keys are made for it, and thrown away.

    name: of the machine, for people.
    evaluators: that are measured, by the names that plans name them by; None for SEAL, and the native one where it is
    there. Where SEAL is not among them its shipped timings stand beside theirs.
    progress: called with (what, done, total).
    primes: for each ring degree, the numbers of primes to measure, ascending.

    Raises ParameterError for an unknown evaluator.
    """
    if evaluators is None:
        evaluators = [each for each in (SEAL.name, NATIVE.name) if is_available(each)]
    kinds = {each: context_class(each) for each in evaluators}
    timings = [each for each in Machine.shipped().timings if each.evaluator == SEAL.name and SEAL.name not in kinds]
    done, total = 0, len(kinds) * sum(map(len, primes.values()))
    for evaluator, kind in kinds.items():
        for ring_degree, counts in primes.items():
            progress(f"{evaluator}, N={ring_degree}", done, total)
            for primitive, count, seconds in _measure_ring(kind, ring_degree, counts):
                timings.append(Timing(evaluator, primitive, ring_degree, count, seconds))
            done += len(counts)
    progress("done", total, total)
    return Machine(name, tuple(timings))


def _measure_ring(
    kind: type[Context], ring_degree: int, counts: tuple[int, ...]
) -> Iterator[tuple[Primitive, int, float]]:
    """Every primitive on one ring, with the primes in use and its seconds."""
    for most in sorted({counts[len(counts) // 2], counts[-1]}):
        bits = min(_BITS, MAX_MODULUS_BITS[ring_degree] // (most + 1))
        client = kind.generate(Parameters(ring_degree, (bits,) * (most + 1), 2.0 ** (bits // 3)))
        keys, bare = client.evaluation_bytes(dict.fromkeys(_ROTATIONS, client.levels)), client.evaluation_bytes()
        server = kind.from_bytes(keys)
        yield from _measure_keys(client, most, (keys, bare))
    for count in counts:
        yield from ((primitive, count, seconds) for primitive, seconds in _measure_steps(client, server, count - 1))
    message = encrypt_to_bytes(client, [0.5])
    alone = CipherArray.from_bytes(server, message)
    read = fastest(lambda: CipherArray.from_bytes(server, message)) + fastest(alone.to_bytes)
    body = client.encrypt_seeded([0.5] * client.slots, client.levels, client.scale)
    inner = fastest(lambda: server.load(body, client.levels, client.scale))
    inner += fastest(lambda: server.save(alone.ciphertexts[0]))
    yield "message", counts[-1], max(read - inner, _LEAST) / 2


def _measure_keys(client: Context, primes: int, keys: tuple[bytes, bytes]) -> Iterator[tuple[Primitive, int, float]]:
    """What keys take.

    client: with the secret key.
    primes: of the chain but the special one.
    keys: evaluation keys with rotations, and without.
    """
    kind, (full, bare) = type(client), keys
    context = fastest(lambda: kind.generate(client.parameters))
    made, loaded = fastest(client.evaluation_bytes), fastest(lambda: kind.from_bytes(bare))
    yield "make context", primes, context + made + loaded
    rotations = fastest(lambda: client.evaluation_bytes(dict.fromkeys(_ROTATIONS, client.levels))) - made
    yield "make key", primes, max(rotations, _LEAST) / len(_ROTATIONS)
    yield "load key", primes, max(fastest(lambda: kind.from_bytes(full)) - loaded, _LEAST) / len(_ROTATIONS)


def _measure_steps(client: Context, server: Context, level: int) -> Iterator[tuple[Primitive, float]]:
    """What is timed at a level, and its seconds."""
    on, scale = server.arithmetic, client.scale
    values = np.random.default_rng(0).uniform(-1, 1, client.slots)
    upload = client.encrypt_seeded(values.tolist(), level, scale)
    ciphertext = server.load(upload, level, scale)
    x, y = (on.wrap(each, level, scale) for each in (ciphertext, server.load(upload, level, scale)))
    factor, saved = on.plaintext(values, level, scale), server.save(ciphertext)
    product = on.multiply(x, y)
    steps: list[tuple[Primitive, Callable[[], Any]]] = [
        ("product", lambda: on.multiply(x, y)),
        # what is put off is done where it is unwrapped
        ("relinearisation", lambda: on.unwrap(on.relinearise(product))),
        ("number", lambda: on.plaintext(0.3, level, scale)),
        ("vector", lambda: on.plaintext(values, level, scale)),
        ("encrypt", lambda: client.encrypt_seeded(values.tolist(), level, scale)),
        ("decrypt", lambda: np.array(client.decrypt_slots(ciphertext))),
        ("load upload", lambda: server.load(upload, level, scale)),
        ("load", lambda: server.load(saved, level, scale)),
        ("save", lambda: server.save(ciphertext)),
    ]
    yield from ((primitive, fastest(run)) for primitive, run in steps)
    term = fastest(lambda: on.sum_of_products([x] * _TERMS, [factor] * _TERMS)) / _TERMS
    alone = min(fastest(lambda: on.times(x, factor)), term)
    yield "plain product", alone
    yield "addition", max(min(fastest(lambda: on.add(x, y)), term - alone), _LEAST)
    rotation = fastest(lambda: on.rotated(x, [1]))
    yield "rotation", rotation
    if level:
        rescale = fastest(lambda: on.rescale(x))
        yield "rescale", rescale
        if on.rotations is HOISTED:
            others = fastest(lambda: on.rotated(x, _ROTATIONS, HOISTED)) - rotation
            # a map divides by the special prime once for many of them, which is a rescale of one prime more
            division = rescale * (level + 2) / (level + 1)
            yield "hoisted rotation", max(others / (len(_ROTATIONS) - 1) - division, _LEAST)


def fastest(run: Callable[[], Any]) -> float:
    """The least seconds of several runs, of this process's own: others on the machine disturb those least.

    run: what is timed.
    """
    times: list[float] = []
    total, together = 0.0, 1
    while not times or total < (_LEAST_SECONDS if len(times) >= _LEAST_RUNS else _MOST_SECONDS):
        start = process_time()
        for _ in range(together):
            run()
        spent = process_time() - start
        total += spent
        if spent < _TICK:
            together *= 2
        else:
            times.append(spent / together)
    return min(times)
