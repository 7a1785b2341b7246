"""Every operation of every kernel that can run here, against its definition in Python's integers."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_table import (
    CHECKS,
    OPERATIONS,
    TYPES,
    Kernels,
    Modulus,
    address,
    all_kernels,
    is_prime,
    library_under_test,
    open_library,
    prime_below,
    reversed_bits,
    runnable_kernels,
)

import fhenn
from fhenn.backends.native.build import build
from fhenn.backends.native.library import available

pytestmark = pytest.mark.skipif(
    not available() and "FHENN_TEST_LIBRARY" not in os.environ, reason="the native library was not built"
)

AVX2, AVX512, IFMA = 1, 2, 4
"""Bits of cpu.h."""

GCC = shutil.which("gcc")

BITS = 20, 30, 40, 47, 48, 49, 50, 60, 61
"""Of primes; kernels change their ways at 2^47, 2^48, 2^49 and 2^50."""


@pytest.fixture(scope="module")
def library():
    return library_under_test()


@pytest.fixture(scope="module")
def runnable(library):
    return runnable_kernels(library)


@pytest.fixture
def modulus_of(library):
    """Makes moduli, which are freed at the end of the test."""
    made = []

    def make(q, ring_degree, **how):
        made.append(Modulus(library, q, ring_degree, **how))
        return made[-1]

    yield make
    for m in made:
        m.close()


def serving(kernels, q):
    return [k for k in kernels.values() if q < 1 << k.bits]


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("largest", [False, True])
def test_every_operation_is_its_definition(runnable, modulus_of, name, largest):
    for bits in (25, 47, 50, 60, 61) if name != "switch_dot" else (50, 60):
        m = modulus_of(prime_below(1 << bits, 1024), 1024, largest=largest)
        for kernels in serving(runnable, m.q):
            CHECKS[name](kernels, m)


@settings(max_examples=40)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), name=st.sampled_from(sorted(set(CHECKS) - {"switch_dot"})))
def test_random_primes_and_residues(data, seed, name):
    library = library_under_test()
    kernels = data.draw(st.sampled_from(list(runnable_kernels(library).values())))
    bits = data.draw(st.integers(15, kernels.bits))
    q = prime_below(data.draw(st.integers(1 << (bits - 1), 1 << bits)) | 1 << 14, 1024)
    m = Modulus(library, q, 1024, seed=seed)
    try:
        CHECKS[name](kernels, m)
    finally:
        m.close()


@pytest.mark.parametrize("ring_degree", [1024, 8192])
def test_the_root_is_the_least_and_stands_where_seal_has_it(modulus_of, ring_degree):
    q, bits = prime_below(1 << 40, ring_degree), ring_degree.bit_length() - 1
    m = modulus_of(q, ring_degree)
    powers, inverse_powers = m.powers().tolist(), m.inverse_powers().tolist()
    root = powers[reversed_bits(1, bits)]
    assert pow(root, ring_degree, q) == q - 1
    assert root == min(pow(root, odd, q) for odd in range(1, 2 * ring_degree, 2))
    for place in range(ring_degree):
        power = pow(root, reversed_bits(place, bits), q)
        assert powers[place] == power
        assert inverse_powers[place] * power % q == 1


@pytest.mark.parametrize("q", [15, 2048 * 5 + 1, (1 << 40) + 1, 2048 * 3 * 5 * 7 + 1, 65537**3])
def test_what_is_no_prime_of_a_ring_is_refused(library, q):
    assert not (is_prime(q) and q % 2048 == 1)
    assert library.fhenn_modulus_new(q, 10) is None


@pytest.mark.parametrize("bits", [30, 40, 49, 50, 60])
@pytest.mark.parametrize("ring_degree", [4096, 8192])
def test_transforms_are_seals(runnable, modulus_of, ring_degree, bits):
    context = fhenn.Context.generate(fhenn.Parameters(ring_degree, (bits, min(bits, 49)), 2.0 ** (bits - 10)))
    ciphertext = context.encrypt_slots([0.5, -0.25], 0, 2.0 ** (bits - 10))

    def residues():
        return np.array([ciphertext[i] for i in range(2 * ring_degree)], np.uint64).reshape(2, ring_degree)

    values = residues()
    context.evaluator.transform_from_ntt_inplace(ciphertext)
    coefficients = residues()
    m = modulus_of(context.all_primes[0], ring_degree)
    for kernels in serving(runnable, m.q):
        for polynomial in range(2):
            a = coefficients[polynomial].copy()
            kernels.forward(m.handle, address(a), 0)
            assert np.array_equal(a, values[polynomial]), kernels.name
            kernels.inverse(m.handle, address(a))
            assert np.array_equal(a, coefficients[polynomial]), kernels.name


@pytest.mark.parametrize("bits", [47, 48, 49, 50, 61])
@pytest.mark.parametrize("place", [0, 1, 2, 5])
def test_values_that_grow_in_every_stage(runnable, modulus_of, bits, place):
    """What a place takes up in each stage is (q - 1)/2, of which sums without reductions would be the largest."""
    ring_degree = 32768
    m = modulus_of(prime_below(1 << bits, ring_degree), ring_degree)
    powers, a = m.powers().tolist(), np.zeros(ring_degree, np.uint64)
    a[place] = m.q - 1
    blocks = 1
    while (half := ring_degree // blocks // 2) > place:
        a[place + half] = (m.q - 1) // 2 * pow(powers[blocks], -1, m.q) % m.q
        blocks *= 2
    wanted = a.copy()
    runnable["portable"].forward(m.handle, address(wanted), 0)
    for kernels in serving(runnable, m.q):
        values = a.copy()
        kernels.forward(m.handle, address(values), 0)
        assert np.array_equal(values, wanted), kernels.name
        kernels.inverse(m.handle, address(values))
        assert np.array_equal(values, a), kernels.name


def test_kernels_that_run_agree(runnable, modulus_of):
    for bits in BITS:
        m = modulus_of(prime_below(1 << bits, 4096), 4096)
        for kernels in serving(runnable, m.q):
            assert m.library.fhenn_kernels_agree(kernels, m.handle)


RESULT = {"forward": 1, "inverse": 1, "dot": 5, "switch_dot": 9, "pair_dot": 7, "number_dot": 5}
"""Which argument of an operation is its (second) result: the last one of the others."""


def broken(kernels, operation, words):
    """The kernels but for one operation, which errs in the last of so many words; and what must be kept."""
    works = getattr(kernels, operation)

    def errs(*arguments):
        if operation == "all_below":
            return 1
        works(*arguments)
        last = ctypes.cast(arguments[RESULT.get(operation, -1)] + 8 * (words - 1), ctypes.POINTER(ctypes.c_uint64))
        last[0] ^= 1
        return None

    copy, function = Kernels.from_buffer_copy(kernels), TYPES[operation](errs)
    setattr(copy, operation, function)
    return copy, function


@pytest.mark.parametrize("operation", OPERATIONS)
def test_kernels_that_err_in_one_word_do_not_agree(runnable, modulus_of, operation):
    m = modulus_of(prime_below(1 << 49, 1024), 1024)
    words = {"forward": m.n, "inverse": m.n, "switch_dot": 8}.get(operation, 40)
    kernels, kept = broken(next(iter(runnable.values())), operation, words)
    assert not m.library.fhenn_kernels_agree(kernels, m.handle)
    assert kept


def test_forward_transforms_that_err_in_one_word_do_not_agree(runnable, modulus_of):
    m = modulus_of(prime_below(1 << 49, 1024), 1024)
    for kernels in serving(runnable, m.q):
        assert m.library.fhenn_forwards_agree(kernels, m.handle)
        spoiled, kept = broken(kernels, "forward", m.n)
        assert not m.library.fhenn_forwards_agree(spoiled, m.handle)
        assert kept


@pytest.fixture
def masked(library):
    """Hides features of the CPU until the end of the test."""
    yield library.fhenn_cpu_mask
    library.fhenn_cpu_mask(0)


def test_nothing_runs_that_the_cpu_lacks(library, masked):
    needs = {"portable": 0, "avx512dq": AVX2 | AVX512, "avx2wide": AVX2, "avx2": AVX2, "avx512ifma": AVX512 | IFMA}
    found = library.fhenn_cpu_features()
    assert set(all_kernels(library)) <= set(needs)
    for mask in range(8):
        masked(mask)
        assert library.fhenn_cpu_features() == found & ~mask
        runnable = runnable_kernels(library)
        assert set(runnable) == {name for name in all_kernels(library) if not needs[name] & ~(found & ~mask)}
        for bits in BITS:
            q = prime_below(1 << bits, 4096)
            assert library.fhenn_kernels_for(q, None).contents.name == serving(runnable, q)[-1].name
            for name in needs:
                chosen = library.fhenn_kernels_for(q, name.encode()).contents.name
                assert chosen == (name if name in [k.name for k in serving(runnable, q)] else "portable")
    masked(AVX2 | AVX512 | IFMA)
    assert list(runnable_kernels(library)) == ["portable"]


def test_what_the_system_says_of_the_cpu_is_what_is_found(library):
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else pytest.skip("no cpuinfo")
    if "FHENN_TEST_LIBRARY" in os.environ:
        pytest.skip("features may be emulated")
    expected = AVX2 if {"avx2", "fma"} <= set(flags) else 0
    if {"avx2", "fma", "avx512f", "avx512dq", "avx512vl"} <= set(flags):
        expected |= AVX512 | (IFMA if "avx512ifma" in flags else 0)
    assert library.fhenn_cpu_features() == expected


@pytest.mark.thorough
@pytest.mark.parametrize("ring_degree", [1024, 2048, 4096, 8192, 16384, 32768])
def test_every_size_of_ring_and_prime(runnable, modulus_of, ring_degree):
    for bits in range(max(20, ring_degree.bit_length() + 3), 62):
        for largest in (False, True):
            m = modulus_of(prime_below(1 << bits, ring_degree), ring_degree, seed=bits, largest=largest)
            for kernels in serving(runnable, m.q):
                CHECKS["transforms"](kernels, m)
                assert m.library.fhenn_kernels_agree(kernels, m.handle)
                if ring_degree == 1024 and (bits % 5 == 0 or bits in BITS):
                    for check in CHECKS.values():
                        check(kernels, m)


def run_on(library, environment, *arguments, file=__file__):
    """These tests, or those of another file, on another build of the library."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", *arguments, file]
    environment = os.environ | environment | {"FHENN_TEST_LIBRARY": str(library)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "passed" in done.stdout


@pytest.mark.thorough
@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="AVX-512 is of x86-64")
def test_avx512_emulated(tmp_path):
    """AVX-512 kernels in plain C, which any CPU runs."""
    library = build(tmp_path / "emulated.so", emulation=Path(__file__).parent)
    assert set(runnable_kernels(open_library(library))) >= {"portable", "avx512dq", "avx512ifma"}
    run_on(library, {}, "-k", "not emulated")
    run_on(library, {}, "-k", "every_size and (2048 or 4096 or 8192)", "-m", "thorough")


@pytest.mark.thorough
@pytest.mark.skipif(not GCC, reason="AddressSanitizer is gcc's here")
def test_memory_and_arithmetic_are_sound(tmp_path, monkeypatch):
    """On a library that stops at reads and writes outside arrays, and at what C does not define."""
    monkeypatch.setenv("CC", GCC)
    library = build(tmp_path / "watched.so", sanitize=True, emulation=Path(__file__).parent)
    found = subprocess.run([GCC, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    watched = {"LD_PRELOAD": found.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}  # leaks: those of Python itself
    run_on(library, watched, "-k", "not seals")
    # maps, and how their plaintexts are encoded; what chains of rotations add is not in C
    run_on(library, watched, "-k", "not Chained", file=Path(__file__).with_name("test_coefficients.py"))
