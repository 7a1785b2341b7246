"""The table of kernels (kernels.h) called from Python, and each of its operations in Python's integers."""

import ctypes
import os
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_long, c_uint64, c_void_p

import numpy as np

from fhenn.backends.native.build import LIBRARY

OPERATIONS = {
    "forward": (c_void_p, c_void_p, c_int),
    "inverse": (c_void_p, c_void_p),
    "reduce": (c_void_p, c_void_p, c_uint64, c_int, c_void_p),
    "reduce_sum": (c_void_p, c_void_p, c_uint64, c_uint64, c_void_p, c_uint64, c_void_p),
    "dot": (c_void_p, c_int, c_void_p, c_void_p, c_int, c_void_p, c_long, c_long),
    "switch_dot": (
        *(c_void_p, c_int, c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_uint64),
        *(c_void_p, c_void_p, c_long, c_long, c_long),
    ),
    "pair_dot": (c_void_p, c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p, c_void_p, c_long),
    "combine": (c_void_p, c_void_p, c_uint64, c_void_p, c_uint64, c_void_p, c_void_p),
    "subtract_scale": (c_void_p, c_void_p, c_void_p, c_uint64, c_int, c_void_p),
    "permute": (c_void_p, c_void_p, c_void_p, c_int, c_void_p),
    "add": (c_void_p, c_void_p, c_void_p, c_void_p),
    "subtract": (c_void_p, c_void_p, c_void_p, c_void_p),
    "negate": (c_void_p, c_void_p, c_void_p),
    "add_number": (c_void_p, c_void_p, c_uint64, c_void_p),
    "number_dot": (c_void_p, c_int, c_void_p, c_void_p, c_int, c_void_p, c_long, c_long),
    "all_below": (c_void_p, c_void_p),
}
TYPES = {name: CFUNCTYPE(c_int if name == "all_below" else None, *types) for name, types in OPERATIONS.items()}


class Pairs(ctypes.Structure):
    """`Pairs` of kernels.h."""

    _fields_ = [("words", c_void_p), ("pair", c_long), ("group", c_long)]


class Factors(ctypes.Structure):
    """`Factors` of kernels.h."""

    _fields_ = [("words", c_void_p), ("term", c_long), ("group", c_long), ("mirrored", c_int)]


class Kernels(ctypes.Structure):
    """`Kernels` of kernels.h. Arguments are addresses and numbers."""

    _fields_ = [("name_", c_char_p), ("bits", c_int), *TYPES.items()]

    @property
    def name(self):
        return self.name_.decode()


def open_library(path):
    library = ctypes.CDLL(os.fspath(path))
    library.fhenn_kernel_table.restype = library.fhenn_kernels_for.restype = POINTER(Kernels)
    library.fhenn_kernels_for.argtypes = c_uint64, c_char_p
    library.fhenn_kernels_runnable.argtypes = (POINTER(Kernels),)
    library.fhenn_kernels_agree.argtypes = library.fhenn_forwards_agree.argtypes = POINTER(Kernels), c_void_p
    library.fhenn_modulus_new.restype = c_void_p
    library.fhenn_modulus_new.argtypes = c_uint64, c_int
    library.fhenn_modulus_free.argtypes = (c_void_p,)
    for name in ("fhenn_modulus_powers", "fhenn_modulus_inverse_powers"):
        getattr(library, name).restype = POINTER(c_uint64)
        getattr(library, name).argtypes = (c_void_p,)
    return library


def library_under_test():
    """The one in FHENN_TEST_LIBRARY, for runs of these tests on other builds; the installed one otherwise."""
    return open_library(os.environ.get("FHENN_TEST_LIBRARY", LIBRARY))


def all_kernels(library):
    """By name, the fastest last."""
    found = {}
    while table := library.fhenn_kernel_table(len(found)):
        found[table.contents.name] = table.contents
    return found


def runnable_kernels(library):
    return {name: k for name, k in all_kernels(library).items() if library.fhenn_kernels_runnable(k)}


def is_prime(q):
    """For q below 2^64 (J. Sorenson, J. Webster, 2015: the first twelve primes are witnesses enough)."""
    twos = ((q - 1) & (1 - q)).bit_length() - 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if q % base == 0:
            return q == base
        power = pow(base, (q - 1) >> twos, q)
        if power != 1 and all(pow(power, 1 << i, q) != q - 1 for i in range(twos)):
            return False
    return True


def prime_below(limit, ring_degree):
    """The largest prime below a limit that is 1 modulo twice the ring degree."""
    step = 2 * ring_degree
    q = (limit - 2) // step * step + 1
    while not is_prime(q):
        q -= step
    return q


def address(array):
    return None if array is None else array.ctypes.data


def addresses(arrays):
    """A table of pointers; whoever takes it keeps the arrays."""
    return np.array([array.ctypes.data for array in arrays], np.uint64)


class Modulus:
    """A prime with the tables of the library, and residues to compute on."""

    def __init__(self, library, q, ring_degree, seed=0, largest=False):
        self.q, self.n, self.library = q, ring_degree, library
        self.handle = library.fhenn_modulus_new(q, ring_degree.bit_length() - 1)
        assert self.handle
        self.random, self.largest = np.random.default_rng(seed), largest

    def close(self):
        self.library.fhenn_modulus_free(self.handle)

    @property
    def lazy_bound(self):
        return 1 << 52 if self.q < 1 << 50 else 4 * self.q

    def residues(self, *shape, below=None):
        """Random numbers, one in four at an edge, or all at the upper one."""
        below = below or self.q
        if self.largest:
            return np.full(shape, below - 1, np.uint64)
        values = self.random.integers(0, below, shape, np.uint64)
        edges = self.random.random(shape) < 0.25
        at = [0, 1 % below, below - 1, below // 2, min(below // 2 + 1, below - 1)]
        values[edges] = self.random.choice(np.array(at, np.uint64), int(edges.sum()))
        return values

    def polynomial(self, **bound):
        return self.residues(self.n, **bound)

    def number(self):
        return int(self.residues(1)[0])

    def powers(self):
        return np.ctypeslib.as_array(self.library.fhenn_modulus_powers(self.handle), (self.n,)).copy()

    def inverse_powers(self):
        return np.ctypeslib.as_array(self.library.fhenn_modulus_inverse_powers(self.handle), (self.n,)).copy()


def exact(array):
    """As Python's integers."""
    return array.astype(object)


def centred(array, modulus):
    """Representatives in (-modulus/2, modulus/2)."""
    values = exact(array)
    return np.where(values > modulus // 2, values - modulus, values)


def reversed_bits(value, bits):
    return int(f"{value:0{bits}b}"[::-1], 2)


def automorphism(element, ring_degree):
    """Where X -> X^element takes NTT values from: place i has the value at the root's power 2*reversed(i) + 1."""
    bits = ring_degree.bit_length() - 1
    powers = [element * (2 * reversed_bits(i, bits) + 1) % (2 * ring_degree) for i in range(ring_degree)]
    return np.array([reversed_bits(power >> 1, bits) for power in powers], np.uint32)


# Every operation of some kernels on one modulus, against the definition.


def check_transforms(kernels, m):
    a = m.polynomial()
    values = a.copy()
    kernels.forward(m.handle, address(values), 0)
    root, bits = int(m.powers()[m.n // 2]), m.n.bit_length() - 1
    for place in {0, 1, 7, 8, m.n // 2 - 1, m.n // 2, m.n - 1}:
        x, value = pow(root, 2 * reversed_bits(place, bits) + 1, m.q), 0
        for coefficient in a[::-1].tolist():
            value = (value * x + coefficient) % m.q
        assert int(values[place]) == value, (kernels.name, m.q, place)
    lazy = a.copy()
    kernels.forward(m.handle, address(lazy), 1)
    assert (lazy < m.lazy_bound).all()
    assert np.array_equal(lazy % np.uint64(m.q), values)
    kernels.inverse(m.handle, address(values))
    assert np.array_equal(values, a)


def check_reduce(kernels, m):
    result = np.empty(m.n, np.uint64)
    for modulus in (3, 65537, (1 << 50) - 27, (1 << 52) - 47, (1 << 52) + 21, (1 << 61) - 1, m.q):
        x = m.polynomial(below=modulus)
        kernels.reduce(m.handle, address(x), modulus, 0, address(result))
        assert (result == exact(x) % m.q).all()
        kernels.reduce(m.handle, address(x), modulus, 1, address(result))
        assert (result == centred(x, modulus) % m.q).all()


def check_reduce_sum(kernels, m):
    result = np.empty(m.n, np.uint64)
    edges = (3, (1 << 52) - 47, (1 << 61) - 1, m.q)
    for modulus, modulus_y in [(a, b) for a in edges for b in edges]:
        x, y, factor = m.polynomial(below=modulus), m.polynomial(below=modulus_y), m.number()
        product = centred(x, modulus) * factor
        kernels.reduce_sum(m.handle, address(x), modulus, factor, None, 1, address(result))
        assert (result == product % m.q).all()
        wanted = (product + centred(y, modulus_y)) % m.q
        kernels.reduce_sum(m.handle, address(x), modulus, factor, address(y), modulus_y, address(y))
        assert (y == wanted).all()


def check_dot(kernels, m):
    for terms in (1, 2, 7, 12):
        a, b = m.residues(terms, m.n), m.residues(terms, m.n)
        for accumulate in (0, 1):
            result = m.polynomial()
            wanted = exact(result)
            products = (exact(a) * exact(b)).sum(axis=0)
            wanted[8:-16] = ((wanted if accumulate else 0) + products)[8:-16] % m.q
            tables = addresses(a), addresses(b)
            kernels.dot(m.handle, terms, *map(address, tables), accumulate, address(result), 8, m.n - 24)
            assert (result == wanted).all()


def check_switch_dot(kernels, m):
    groups = m.n // 8
    for digits, key_digits in ((1, 1), (3, 3), (4, 6), (63, 63)):
        digit, key, add, factor = (
            m.residues(digits, m.n),
            m.residues(groups, key_digits, 2, 8),
            m.polynomial(),
            m.number(),
        )
        permutations = automorphism(5, m.n), None, automorphism(2 * m.n - 1, m.n)
        for permutation in permutations[: 1 if digits == 63 else 3]:
            order = slice(None) if permutation is None else permutation
            for added in (None, add):
                at, length, stride = 8, m.n - 24, 24
                results = np.zeros((groups, 3, 8), np.uint64)
                tables = addresses(digit)
                kernels.switch_dot(
                    *(
                        m.handle,
                        digits,
                        address(tables),
                        address(key),
                        key_digits,
                        address(permutation),
                        address(added),
                    ),
                    *(factor, address(results), address(results[:, 1:]), stride, at, length),
                )
                factors = exact(key).transpose(1, 2, 0, 3).reshape(key_digits, 2, m.n)[:digits]
                wanted = (exact(digit)[:, order][:, None] * factors).sum(axis=0)
                if added is not None:
                    wanted[0] += exact(add)[order] * factor
                wanted = wanted.reshape(2, groups, 8)[:, 1:-2] % m.q
                assert (results[:-3, :2].transpose(1, 0, 2) == wanted).all()
                assert not results[-3:].any()
                assert not results[:, 2].any()


def check_pair_dot(kernels, m):
    groups = 4
    for terms, among in ((1, 1), (6, 6), (28, 28), (130, 130), (1, 3), (70, 9), (3, 7)):
        for form in range(8):
            mirrored, accumulate, apart = form & 1, form >> 1 & 1, form >> 2  # terms together, or groups of each
            pairs, plain = m.residues(groups, among, 2, 8), m.residues(groups, terms, 8)
            which = None if terms in (among, 3) else m.random.integers(0, among, terms).astype(np.uint16)
            result = m.residues(2, groups, 8)
            words, factors = pairs, plain
            if apart:
                words, factors = (np.ascontiguousarray(each.swapaxes(0, 1)) for each in (pairs, plain))
            from_pairs = Pairs(address(words), *((16 * groups, 16) if apart else (16, 16 * among)))
            by = Factors(address(factors), *((8 * groups, 8) if apart else (8, 8 * terms)), mirrored)
            taken = exact(pairs)[:, :terms] if which is None else exact(pairs)[:, which]
            multiplied = exact(plain)[::-1, :, ::-1] if mirrored else exact(plain)
            wanted = (taken * multiplied[:, :, None]).sum(axis=1)
            wanted = (wanted + exact(result.transpose(1, 0, 2)) * accumulate) % m.q
            kernels.pair_dot(
                *(m.handle, terms, ctypes.addressof(from_pairs), address(which), ctypes.addressof(by), accumulate),
                *(address(result[0]), address(result[1]), 8 * groups),
            )
            assert (result.transpose(1, 0, 2) == wanted).all()


def check_combine(kernels, m):
    for with_b in (False, True):
        for with_y in (False, True):
            for onto in range(4):
                x, b, y, f, g = m.polynomial(), m.polynomial(), m.polynomial(below=m.lazy_bound), m.number(), m.number()
                wanted = (exact(x) * f + (exact(b) * g if with_b else 0) - (exact(y) if with_y else 0)) % m.q
                b, y = b if with_b else None, y if with_y else None
                result = (x, b, y, None)[onto]
                result = np.empty(m.n, np.uint64) if result is None else result
                kernels.combine(m.handle, address(x), f, address(b), g, address(y), address(result))
                assert (result == wanted).all()


def check_subtract_scale(kernels, m):
    for accumulate in (0, 1):
        x, y, factor, result = m.polynomial(), m.polynomial(below=m.lazy_bound), m.number(), m.polynomial()
        wanted = ((exact(x) - exact(y)) * factor + (exact(result) if accumulate else 0)) % m.q
        kernels.subtract_scale(m.handle, address(x), address(y), factor, accumulate, address(result))
        assert (result == wanted).all()


def check_permute(kernels, m):
    for element in (3, pow(3, m.n // 4 + 1, 2 * m.n), 2 * m.n - 1):
        permutation = automorphism(element, m.n)
        for accumulate in (0, 1):
            x, result = m.polynomial(), m.polynomial()
            wanted = (exact(x)[permutation] + (exact(result) if accumulate else 0)) % m.q
            kernels.permute(m.handle, address(x), address(permutation), accumulate, address(result))
            assert (result == wanted).all()


def check_sums(kernels, m):
    number = m.number()
    for onto in range(3):
        for name in ("add", "subtract", "negate", "add_number"):
            x, y = m.polynomial(), m.polynomial()
            wanted = {
                "add": exact(x) + exact(y),
                "subtract": exact(x) - exact(y),
                "negate": -exact(x),
                "add_number": exact(x) + number,
            }[name] % m.q
            result = (x, y, np.empty(m.n, np.uint64))[onto]
            others = {"negate": (), "add_number": (number,)}.get(name, (address(y),))
            getattr(kernels, name)(m.handle, address(x), *others, address(result))
            assert (result == wanted).all()


def check_number_dot(kernels, m):
    for terms in (1, 9, 130, 300):
        x, number = m.residues(terms, 32), m.residues(terms)
        for accumulate in (0, 1):
            result = m.residues(32)
            wanted = exact(result)
            products = (exact(x) * exact(number)[:, None]).sum(axis=0)
            wanted[8:] = ((wanted if accumulate else 0) + products)[8:] % m.q
            tables = addresses(x)
            kernels.number_dot(m.handle, terms, address(tables), address(number), accumulate, address(result), 8, 24)
            assert (result == wanted).all()


def check_all_below(kernels, m):
    x = m.polynomial()
    assert kernels.all_below(m.handle, address(x))
    for place in (0, 5, m.n - 1):
        for value in (m.q, 1 << 63, (1 << 64) - 1):
            spoiled = x.copy()
            spoiled[place] = value
            assert not kernels.all_below(m.handle, address(spoiled)), (place, value)


CHECKS = {
    "transforms": check_transforms,
    "reduce": check_reduce,
    "reduce_sum": check_reduce_sum,
    "dot": check_dot,
    "switch_dot": check_switch_dot,
    "pair_dot": check_pair_dot,
    "combine": check_combine,
    "subtract_scale": check_subtract_scale,
    "permute": check_permute,
    "sums": check_sums,
    "number_dot": check_number_dot,
    "all_below": check_all_below,
}
