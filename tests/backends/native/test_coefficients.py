"""Plaintexts of coefficients: exact at the edges of each way to round them, and the same made late or beforehand.

Those of maps have real slots, so that half of their values, and of their coefficients, tell the others.
"""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fhenn
from fhenn.backends import context_class
from fhenn.backends.native import arithmetic
from fhenn.backends.native.build import LIBRARY
from fhenn.backends.native.library import available, status
from fhenn.backends.native.ring import Products, Ring, Turn, compact
from fhenn.ckks import CipherArray
from fhenn.ckks.layout import Placement, Vectors
from fhenn.ckks.maps import AffineMap
from fhenn.ckks.operator import Dense, Sparse
from fhenn.ckks.primes import primes_of
from fhenn.ckks.rotations import STRATEGIES
from fhenn.nn import Affine
from fhenn.planner.scaling import ServedLayer

pytestmark = pytest.mark.skipif(not available(), reason="the native library was not built")

KERNELS = status().kernels
CHAIN = (30, 45, 50, 55, 60)

rng = np.random.default_rng(5)


def test_the_library_is_the_one_that_is_tested():
    assert status().path == os.environ.get("FHENN_TEST_LIBRARY", str(LIBRARY))


@pytest.fixture(scope="module")
def ring():
    return Ring.of(16384, primes_of(16384, CHAIN))


def edges(primes):
    """Lists of coefficients whose largest decides how all of them are rounded."""
    halves = [0.0, -0.0, 0.25, -0.25, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 0.5 - 2**-54, -0.5 - 2**-52, 1e-300]
    yield "halves", halves
    for bits in (50, 51, 52, 53, 62, 63, 64, 100):
        at = 2.0**bits
        near = [at, np.nextafter(at, 0), np.nextafter(at, np.inf), at - 0.25, at - 0.5, at - 0.75, at - 1.5, at - 2.5]
        yield f"2^{bits}", [*halves, *near, *(-each for each in near)]
        below = [each for each in near if each < at]
        yield f"below 2^{bits}", [*halves, *below, *(-each for each in below)]
    for prime in primes:
        for most in (2.5, 2.0, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0, -0.5, -1.0):  # the last of a list is the largest
            near = [prime - each for each in (2.5, 2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0) if each > most] + [prime - most]
            yield f"{prime} - {most}", [*halves, *near, *(-each for each in near)]


def test_plaintexts_are_the_rounded_coefficients_to_the_last_bit(ring):
    places, checked = range(len(CHAIN)), 0
    for name, values in edges(ring.primes):
        coefficients = np.zeros(ring.ring_degree)
        coefficients[: len(values)] = values
        rounded = [int(each) for each in np.rint(values)]  # halves to even, as integers of any size
        for place, residues in zip(places, ring.residues_of(coefficients, places), strict=True):
            found = ring.transform(place, residues, inverse=True)
            expected = [each % ring.primes[place] for each in rounded]
            assert found[: len(values)].tolist() == expected, (name, ring.primes[place])
            assert not found[len(values) :].any()
            checked += 1
    assert checked > 300


def test_kernels_agree_on_plaintexts():
    primes = primes_of(4096, (36, 28, 30))
    for most in (2.0**27, 2.0**50, 2.0**70):
        coefficients = rng.uniform(-most, most, 4096)
        results = [Ring(4096, primes, kernels).residues_of(coefficients, range(3)) for kernels in KERNELS]
        for other in results[1:]:
            np.testing.assert_array_equal(other, results[0])


def whole(half):
    """All coefficients of a polynomial of real slots, from the first half of them."""
    return np.concatenate([half, [0.0], -half[:0:-1]])


def unpacked(packed, primes, terms):
    """`Ring.pack_plain`'s plaintexts, as (primes, terms, N/2)."""
    return packed.reshape(primes, -1, terms, 8).swapaxes(1, 2).reshape(primes, terms, -1)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), power=st.integers(11, 13))
def test_real_slots_make_coefficients_that_half_of_them_tell(seed, power):
    on = Ring.of(1 << power, primes_of(1 << power, (18, 20)))
    slots = np.random.default_rng(seed).uniform(-1, 1, on.ring_degree // 2)
    found, half = on.coefficients(slots, 2.0**10), on.half_of_coefficients(slots, 2.0**10)
    np.testing.assert_allclose(found, whole(half), atol=2.0**-35)


@pytest.mark.parametrize(("most", "kind"), [(2.0**31, np.int32), (2.0**50, np.int64), (2.0**70, np.float64)])
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("ring_degree", [4096, 8192])
def test_half_a_transform_is_the_half_of_one(kernels, ring_degree, most, kind):
    """And its mirror image the other one, at the largest integers of each kind that coefficients are kept as."""
    primes = primes_of(ring_degree, (36, 28, 30) if ring_degree == 4096 else (50, 30, 47, 48))
    on, places = Ring(ring_degree, primes, kernels), range(len(primes))
    largest = np.nextafter(most, 0) if kind is np.float64 else most - 1
    halves = np.rint(rng.uniform(-largest, largest, (3, ring_degree // 2)))
    halves[0, :4], halves[1] = [largest, -largest, 0.0, 1.0], largest
    compacted = compact(halves)
    assert compacted.dtype == kind
    np.testing.assert_array_equal(compacted, halves)
    found = unpacked(on.pack_plain(compacted, places), len(primes), len(halves))
    for term, half in enumerate(halves):
        expected = on.residues_of(whole(half), places)
        np.testing.assert_array_equal(expected, expected[:, ::-1])
        np.testing.assert_array_equal(found[:, term], expected[:, : ring_degree // 2])


def test_products_with_halves_are_those_with_whole_plaintexts():
    """What `sum_of_products` makes of plaintexts that are there in full."""
    primes = primes_of(8192, (27, 24, 24, 30))
    on, k = Ring(8192, primes), len(primes) - 1
    xs = [
        np.ascontiguousarray(np.stack([rng.integers(0, q, (2, 8192), np.uint64) for q in primes[:k]], 1)) for _ in "ab"
    ]
    halves = compact(np.rint(rng.uniform(-(2.0**20), 2.0**20, (2, 4096))))
    expected = on.sum_of_products(xs, [on.residues_of(whole(half.astype(float)), range(k)) for half in halves])
    for products in (Products(None, on.pack_plain(halves, range(k)), 2), Products(None, None, 2, halves)):
        (found,) = on.apply_map([(x, None) for x in xs], [[(products, None)]], ([], []), [None], rescaled=False)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("lifted", [False, True])
def test_products_are_the_same_made_at_each_use(kernels, threads, lifted):
    """Over the special prime too, and without it; of all baby steps, and of some; more than are made at once."""
    primes = primes_of(8192, (27, 24, 24, 30))
    on, k, many = Ring(8192, primes, kernels, threads), len(primes) - 1, 37

    def random(polynomials, used):
        values = [rng.integers(0, prime, (polynomials, 8192), np.uint64) for prime in used]
        return np.ascontiguousarray(np.stack(values, axis=1))

    x, key = random(2, primes[:k]), on.pack_key(np.stack([random(2, primes) for _ in range(k)]), k)
    turns = [Turn(on.permutation(step), key) for step in (1, 2)]
    babies = [(x, None), *((x, turns[place % 2] if lifted else None) for place in range(many - 1))]
    places = [*range(k), len(primes) - 1] if lifted else range(k)
    halves = compact(np.rint([on.half_of_coefficients(rng.uniform(-1, 1, 4096), 2.0**20) for _ in range(many)]))
    some = np.concatenate([[2, 0], rng.integers(0, many, many - 5)]).astype(np.uint16)
    fewer = halves[: len(some)].copy()
    full = [
        Products(None, on.pack_plain(halves, places), many),
        Products(some, on.pack_plain(fewer, places), len(some)),
    ]
    late = [Products(None, None, many, halves), Products(some, None, len(some), fewer)]
    bias = on.encode(rng.uniform(-1, 1, 4096), 2.0**20, range(k - 1))
    results = [
        on.apply_map(babies, [[(first, turns[0]), (second, None)]], ([turns], []), [bias], rescaled=True)[0]
        for first, second in (full, late, (full[0], late[1]))
    ]
    assert results[0].any()
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


WIDE = Sparse(np.repeat(np.arange(2500), 3), rng.integers(0, 32, 7500), rng.choice([-1.0, 1.0], 7500), (2500, 32))
TILES = Placement.of(np.where(np.arange(4096) < 2500, np.arange(4096), -1).reshape(2, 2048))
MAPS = {
    "one ciphertext": (8192, Dense(rng.normal(size=(20, 32))), None),
    "two ciphertexts": (4096, WIDE, TILES),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("way", STRATEGIES, ids=lambda each: type(each).__name__)
def test_a_map_kept_as_coefficients_gives_the_bits_of_one_kept_in_full(way, name, monkeypatch):
    ring_degree, operator, target = MAPS[name]
    parameters = fhenn.Parameters(ring_degree, (37, 32, 32, 50) if target is None else (35, 30, 40), 2.0**30)
    layout, affine = Vectors("replicated", 32), Affine(operator, rng.normal(size=operator.outputs))
    if target is not None:
        affine = ServedLayer(affine, target=target)
    keys = AffineMap(operator, None, layout, parameters.slots, way, 0.0, target).schedules[0].keys
    seal = fhenn.Context.generate(parameters, rotations=keys)
    x = rng.uniform(-1, 1, (3, 32))
    message, results = fhenn.encrypt(context_class("native")(seal, None, way), x, layout=layout).to_bytes(), []
    for kept, full in ((arithmetic._KEPT, True), (0, False)):
        monkeypatch.setattr(arithmetic, "_KEPT", kept)
        context = context_class("native")(seal, None, way)
        arrays = [CipherArray.from_bytes(context, message) for _ in range(2)]
        results += map(affine.infer, arrays)  # the first encodes the map, and the second finds it kept
        (encoded,) = context.encoded[affine.operator].values()
        products = [each for giants in encoded.giants for each, _ in giants if each.terms]
        assert products
        assert all((each.plain is not None) == full == (each.coefficients is None) for each in products)
    assert len(results[0].ciphertexts) == 3 * (1 if target is None else target.tiles)
    assert np.abs(fhenn.decrypt(context, results[0]) - affine.infer(x)).max() < 1e-3
    for other in results[1:]:
        for expected, found in zip(results[0].ciphertexts, other.ciphertexts, strict=True):
            np.testing.assert_array_equal(found.residues, expected.residues)
