"""The native evaluator gives SEAL's residues to the bit where it follows SEAL, on every kernel that this CPU runs."""

from functools import lru_cache

import numpy as np
import pytest
import tenseal.sealapi as seal
from support import at_length, mostly_thorough

import fhenn
from fhenn.backends.native.keys import RELINEARISATION, galois_index
from fhenn.backends.native.library import available, status
from fhenn.backends.native.messages import read_ciphertext, read_switching_keys, write_ciphertext
from fhenn.backends.native.ring import Ring, Turn
from fhenn.backends.seal.wire import load_object, save_object
from fhenn.ckks.primes import primes_of
from fhenn.errors import ParameterError

pytestmark = pytest.mark.skipif(not available(), reason="the native library was not built")

KERNELS = status().kernels

CHAINS = [
    (4096, (33, 23, 23, 30)),
    (8192, (35, 42, 51, 31, 59)),
    (8192, (49, 38, 38, 38, 50)),
    (8192, (60, 60, 36, 60)),
]
MORE_CHAINS = [
    (4096, (20, 20, 20, 20, 20)),
    (4096, (54, 55)),
    (8192, (21, 22, 23, 24, 25, 26, 27, 28)),
    (16384, (50, 40, 40, 40, 40, 50)),
    (16384, (47, *[23] * 12, 49)),
    (32768, (60, *[50] * 12, 60)),
    (32768, (60, *[45] * 14, 60)),
]


class Pair:
    """SEAL's context and rings of the same keys, one for each kernel."""

    def __init__(self, ring_degree, chain):
        self.steps = 1, 5, ring_degree // 4
        scale = 2.0 ** min(chain[1:-1] or [20])
        self.context = fhenn.Context.generate(fhenn.Parameters(ring_degree, chain, scale), rotations=self.steps)
        self.rings = {name: Ring(ring_degree, self.context.all_primes, name) for name in KERNELS}
        self.reader = Ring.of(ring_degree, self.context.all_primes)
        relinearisation, galois = self.context.relinearisation_keys("test").keys, self.context.rotation_keys[0].keys
        self.relinearisation = read_switching_keys(self.reader, "keys", save_object(relinearisation))[RELINEARISATION]
        found = read_switching_keys(self.reader, "keys", save_object(galois))
        self.galois = {step: found[galois_index(step, ring_degree)] for step in self.steps}

    def residues(self, ciphertext):
        """Of a SEAL ciphertext of two polynomials."""
        return read_ciphertext(self.reader, "Ciphertext", save_object(ciphertext)).residues

    def ciphertext(self, residues):
        """SEAL's ciphertext with these residues."""
        data = write_ciphertext(self.reader, residues, 1.0)
        return load_object(seal.Ciphertext(), self.context.seal_context, data)

    def random(self, rng, level):
        """Residues below their primes, many of them at the edges: more than encryption gives."""
        shape = (2, self.context.ring_degree)
        primes = []
        for prime in self.context.primes[: level + 1]:
            values = rng.integers(0, prime, shape, np.uint64)
            edges = rng.random(shape) < 0.2
            values[edges] = rng.choice(np.array([0, 1, prime - 1, prime // 2, prime // 2 + 1], np.uint64), edges.sum())
            primes.append(values)
        return np.ascontiguousarray(np.stack(primes, axis=1))


@lru_cache(maxsize=2)
def pair_of(ring_degree, chain):
    return Pair(ring_degree, chain)


def done_by(operation, *operands):
    """What an operation of SEAL's makes."""
    result = seal.Ciphertext()
    operation(*operands, result)
    return result


def check(pair, kernels, level, rng):
    """Every operation at a level, on random residues."""
    ring, evaluator, k = pair.rings[kernels], pair.context.evaluator, level + 1
    a, b = pair.random(rng, level), pair.random(rng, level)
    x, y = pair.ciphertext(a), pair.ciphertext(b)

    def same(found, expected):
        np.testing.assert_array_equal(found, pair.residues(expected))

    same(ring.add(a, b), done_by(evaluator.add, x, y))
    same(ring.subtract(a, b), done_by(evaluator.sub, x, y))
    same(ring.negate(a), done_by(evaluator.negate, x))
    key = ring.pack_key(pair.relinearisation, k)
    for left, right, product in ((a, b, done_by(evaluator.multiply, x, y)), (a, a, done_by(evaluator.square, x))):
        evaluator.relinearize_inplace(product, pair.context.relinearisation_keys("a test").keys)
        three = ring.multiply(left, right)
        same(ring.relinearise(three, key, centred=False), product)
        if level:
            rescaled = done_by(evaluator.rescale_to_next, product)
            same(ring.rescale(pair.residues(product)), rescaled)
            same(ring.relinearise_and_rescale(three, key, centred=False), rescaled)
    for step in pair.steps:
        turn = Turn(ring.permutation(step), ring.pack_key(pair.galois[step], k))
        (turned,) = ring.rotate(a, [turn], centred=False)
        same(turned, pair.context.rotate(x, step, level))
    # the key of all levels serves a ciphertext of fewer primes
    whole = ring.pack_key(pair.relinearisation, len(ring.primes) - 1)
    np.testing.assert_array_equal(
        ring.relinearise(ring.multiply(a, b), whole, centred=False),
        ring.relinearise(ring.multiply(a, b), key, centred=False),
    )


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("ring_degree", "chain"), mostly_thorough(CHAINS, (0, 1, 3)), ids=str)
def test_every_operation_gives_the_residues_of_seal(ring_degree, chain, kernels):
    pair, rng = pair_of(ring_degree, chain), np.random.default_rng(1)
    for level in range(pair.context.levels + 1):
        check(pair, kernels, level, rng)


@pytest.mark.thorough
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("ring_degree", "chain"), MORE_CHAINS, ids=str)
def test_every_operation_gives_the_residues_of_seal_on_more_chains(ring_degree, chain, kernels):
    pair, rng = pair_of(ring_degree, chain), np.random.default_rng(2)
    for level in range(pair.context.levels + 1):
        check(pair, kernels, level, rng)


@at_length("cases", 500, 10_000)
def test_operations_on_random_residues_give_those_of_seal(cases):
    """Some ten operations a case."""
    rng = np.random.default_rng(3)
    for _ in range(cases // 10):
        pair = pair_of(*CHAINS[rng.integers(len(CHAINS))])
        check(pair, KERNELS[rng.integers(len(KERNELS))], int(rng.integers(pair.context.levels + 1)), rng)


@pytest.mark.parametrize("kernels", KERNELS)
def test_hoisted_rotations_give_the_bits_of_single_ones_with_centred_digits(kernels):
    pair = pair_of(*CHAINS[2])
    ring, a = pair.rings[kernels], pair.random(np.random.default_rng(4), 3)
    turns = [Turn(ring.permutation(step), ring.pack_key(pair.galois[step], 4)) for step in pair.steps]
    for turn, turned in zip(turns, ring.rotate(a, turns), strict=True):
        np.testing.assert_array_equal(turned, ring.rotate(a, [turn])[0])


def test_kernels_agree_on_all_that_follows_no_operation_of_seal():
    """Products with plaintexts and numbers, and centred digits."""
    pair, rng = pair_of(*CHAINS[2]), np.random.default_rng(5)
    a, b = pair.random(rng, 3), pair.random(rng, 3)
    slots = rng.uniform(-1, 1, (2, pair.context.slots))
    results = []
    for ring in pair.rings.values():
        plain = [ring.encode(each, 2.0**38, range(4)) for each in slots]
        key = ring.pack_key(pair.relinearisation, 4)
        rows = ring.number_rows([a, b], np.array([0, 2, 3]), np.array([0, 1, 1]), np.array([3.0, -(2.0**70), 5.0]))
        results.append(
            [
                *plain,
                ring.sum_of_products([a, b], plain),
                ring.times_number(a, -7.0),
                ring.add_number(a, 2.0**60),
                ring.add_plain(a, plain[0]),
                *rows,
                ring.relinearise(ring.multiply(a, b), key),
                ring.relinearise_and_rescale(ring.multiply(a, b), key),
            ]
        )
    for other in results[1:]:
        for expected, found in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_operands_that_are_not_alike_are_refused():
    """Of another level, or of other polynomials; SEAL refuses them too."""
    ring = Ring.of(4096, primes_of(4096, (33, 23, 23, 30)))
    x, lower, product = (np.zeros((*shape, 4096), np.uint64) for shape in ((2, 3), (2, 2), (3, 3)))
    calls = [
        lambda: ring.add(x, lower),
        lambda: ring.add(lower, x),
        lambda: ring.subtract(x, product),
        lambda: ring.multiply(x, lower),
        lambda: ring.multiply(product, product),
        lambda: ring.add_plain(x, lower[0]),
        lambda: ring.sum_of_products([x, lower], [x[0], x[0]]),
        lambda: ring.sum_of_products([x, x], [x[0], lower[0]]),
        lambda: ring.number_rows([x, lower], np.array([0, 2]), np.array([0, 1]), np.array([1.0, 2.0])),
        lambda: ring.number_rows([product], np.array([0, 1]), np.array([0]), np.array([1.0])),
        lambda: ring.apply_map([(x, None), (lower, None)], [[]], ([], []), [None], rescaled=False),
    ]
    for call in calls:
        with pytest.raises(ParameterError, match="shape"):
            call()
    assert not ring.add(x, x).any()
