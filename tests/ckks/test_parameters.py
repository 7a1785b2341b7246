import numpy as np
import pytest
import tenseal as ts
import tenseal.sealapi as seal
from hypothesis import given
from hypothesis import strategies as st
from pass_through import PassThroughContext

import fhenn
from fhenn.ckks.parameters import MAX_MODULUS_BITS, Parameters, chain_for_levels
from fhenn.ckks.primes import primes_of
from fhenn.ckks.trace import TracedContext
from fhenn.errors import ParameterError


@pytest.mark.parametrize(
    ("degree", "chain", "scale"),
    [
        (1000, (40, 40), 2.0**30),
        (8192, (60, 60, 60, 60), 2.0**40),  # 240 bits: below 128-bit security
        (8192, (60, 61), 2.0**40),
        (8192, (60,), 2.0**40),
        (8192, (), 2.0**40),
        (8192, (60, 40, 10, 60), 2.0**40),
        (8192, (60, 40, 60), 2.0**100),
        (8192, (60, 40, 60), 0.0),
        (8192, (60, 40, 60), float("nan")),
        (8192, (60, 40, 60), -1.0),
    ],
)
def test_refuses(degree, chain, scale):
    with pytest.raises(ParameterError):
        fhenn.Parameters(degree, chain, scale)


@given(st.integers(1, 20), st.integers(15, 50))
def test_for_depth_is_secure_deep_and_precise_enough_or_says_no(depth, bits):
    try:
        parameters = fhenn.Parameters.for_depth(depth, bits)
    except ParameterError:
        assert bits > 45 or (depth + 2) * bits + 28 > max(MAX_MODULUS_BITS.values())
        return
    assert parameters.levels == depth
    assert sum(parameters.chain) <= MAX_MODULUS_BITS[parameters.ring_degree]
    assert parameters.scale >= 2**bits
    smaller = parameters.ring_degree // 2
    most = (MAX_MODULUS_BITS.get(smaller, 0) - 28) // (depth + 2)
    # of small sizes a ring has few primes
    assert all(primes_of(smaller, (each + 14, *[each] * depth, each + 14)) is None for each in range(bits, most + 1))


@pytest.mark.parametrize(("depth", "bits"), [(0, 30), (-1, 30), (2, 3), (40, 40)])
def test_for_depth_refuses(depth, bits):
    with pytest.raises(ParameterError):
        fhenn.Parameters.for_depth(depth, bits)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_seal_accepts_what_for_depth_chooses(depth):
    context = fhenn.Context.generate(fhenn.Parameters.for_depth(depth))
    assert context.levels == depth


def test_a_chain_of_more_primes_than_there_are_is_refused():
    assert fhenn.Parameters(8192, (40, 20, 20, 20, 20, 20, 40), 2.0**20).primes[1] == 557057
    for chain in ((40, 20, 20, 20, 20, 20, 20, 40), (40, 19, 40), (15,) * 8):
        with pytest.raises(ParameterError, match="not enough primes"):
            fhenn.Parameters(8192, chain, 2.0**12)


@given(
    st.sampled_from([1024, 2048, 4096, 8192, 16384, 32768]),
    st.lists(st.integers(15, 60) | st.integers(17, 24), min_size=2, max_size=9),
)
def test_primes_are_those_that_seal_takes(ring_degree, chain):
    try:
        expected = tuple(prime.value() for prime in seal.CoeffModulus.Create(ring_degree, chain))
    except (RuntimeError, ValueError):
        expected = None
    assert primes_of(ring_degree, chain) == expected


def test_seals_refusal_is_typed(monkeypatch):
    def refuse(*args, **options):
        raise ValueError("no")

    monkeypatch.setattr(ts, "context", refuse)
    with pytest.raises(ParameterError, match="SEAL refuses"):
        fhenn.Context.generate(fhenn.Parameters.for_depth(2))


def test_a_suggestion_is_a_chain_that_works_or_says_that_none_does():
    assert "[60, 40, 40, 60] with poly_modulus_degree=8192" in chain_for_levels([60, 40, 60], 2)
    assert "[60, 23, 23, 23, 23, 60] with poly_modulus_degree=8192" in chain_for_levels([33, 23, 23, 30], 4)
    assert "No ring" in chain_for_levels([60, 40, 60], 30)


def test_for_depth_leaves_room_for_powers_on_a_wide_domain(on):
    node = fhenn.Sigmoid(domain=(-8, 8), degree=15)
    parameters = fhenn.Parameters.for_depth(node.cost, 40, half_width=8)
    assert parameters.scale == 2.0 ** (parameters.chain[1] - 2)
    context = on(fhenn.Context.generate(parameters))
    x = np.linspace(-8, 8, 33)
    assert np.abs(fhenn.decrypt(context, node(fhenn.encrypt(context, x))) - node(x)).max() < 1e-6
    with pytest.raises(ParameterError, match="width"):
        fhenn.Parameters.for_depth(2, half_width=0.0)


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_contexts_without_keys_have_the_parameters_that_they_were_made_of(levels):
    parameters = Parameters.for_depth(levels)
    assert TracedContext(parameters).parameters == parameters
    assert PassThroughContext(parameters).parameters == parameters


@pytest.mark.parametrize(
    "wrong", [{"ring_degree": "a"}, {"chain": "ab"}, {"chain": 3}, {"scale": "a"}, {"scale": None}]
)
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(ParameterError, match="whole number"):
        fhenn.Parameters(**({"ring_degree": 8192, "chain": (60, 40, 60), "scale": 2.0**40} | wrong))


@pytest.mark.parametrize("wrong", [("a",), (2, "a"), (2, 30, "a"), (1.5,)])
def test_for_depth_refuses_what_is_no_number(wrong):
    with pytest.raises(ParameterError, match="number"):
        fhenn.Parameters.for_depth(*wrong)
