"""How much noise a shared result carries, in numbers that do not come from the code."""

from math import erfc, log, sqrt

import numpy as np
import pytest

import fhenn
from fhenn.planner.flooding import flood, flood_bound, precision


def test_the_deviation_is_that_of_the_paper():
    """Li et al. 2022: σ = 8·√queries·2^(s/2)·E for s bits; s is 30 unless somebody says otherwise."""
    assert flood(1.0, 1, 1) == 8 * 32768
    assert flood(1e-9, 1, 1) == pytest.approx(2.62144e-4)
    assert flood(1.0, 1, 10_000) == 8 * 32768 * 100
    assert flood(1.0, 9, 1) == 8 * 32768 * 3  # E of nine numbers together: the root of the sum of their squares
    assert flood(1.0, 1, 1, bits=2) == 16
    assert flood(1.0, 4, 25, bits=20) == 8 * 1024 * 2 * 5
    # at 30 bits, for the least error that there is: what the module promises to an adversary who chooses all
    assert flood(7.0e-15, 1, 1) >= 1.8e-9


@pytest.mark.parametrize("outputs", [1, 10, 1000])
def test_the_bound_fails_once_in_2_to_the_40(outputs):
    """By the normal distribution's own tail: not more often, and not a thousand times less."""
    bound = flood_bound(1.0, outputs)
    assert 2**-50 < outputs * erfc(bound / sqrt(2)) <= 2**-40
    assert flood_bound(0.25, outputs) == bound / 4
    assert flood_bound(1.0, 1) == pytest.approx(7.539, abs=1e-3)


def test_doubles_are_uncertain_of_the_last_of_their_bits():
    assert precision(1.0) == 2**-45
    assert precision(1.0000001) == precision(2.0) == 2**-44
    assert precision(0.3) == 2**-46
    assert precision(0.0) == 0.0


def test_the_worst_case_is_no_average():
    """Errors that hang together add up as they are: Guo et al. 2024 break what takes them to cancel.

    A sum of 400 fresh ciphertexts: 400 times the error of one, where the average is 20 times.
    """
    model = fhenn.Linear(np.ones((1, 400)))
    plan = fhenn.plan(model, bounds=[-1, 1], layout="throughput", accuracy=1e-2)
    n, exponent = plan.parameters.ring_degree, log(plan.parameters.ring_degree) + 129 * log(2)
    # encryption: normal with 3.2·√(N/2); each but for a probability of 2⁻¹²⁸ among all slots
    fresh = 3.2 * sqrt(n / 2) * sqrt(2 * exponent) / plan.parameters.scale
    assert plan.worst >= 400 * fresh
    assert plan.worst >= 5 * plan.error
