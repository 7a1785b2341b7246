"""How much noise hides what a decryption tells of the secret key.

A CKKS result is the twin's value v plus an error e that depends on the secret key, and whoever sees v + e and knows v
can work back to the key (Li & Micciancio, "On the security of homomorphic encryption on approximate numbers", 2021).
A normal error of deviation σ on top hides e: with ‖e‖₂ <= E, the Kullback-Leibler divergence of what is seen from what
no key is in is at most E²/2σ². Li, Micciancio, Schultz & Sorrell, "Securing approximate homomorphic encryption using
differential privacy", 2022, ask for 2⁻⁽ˢ⁺⁷⁾ in all for s bits of statistical security: σ = 8·√queries·2^(s/2)·E.

E must be a worst case. Guo, Nabokov, Suvanto & Johansson, "Key recovery attacks on approximate homomorphic encryption
with non-worst-case noise flooding countermeasures", 2024, break flooding sized by the average: errors of ciphertexts
that hang together add up, where an average takes them to cancel. So E is from a bound on every error of the circuit,
each but for a probability of 2⁻¹²⁸, all added in magnitude, for the worst inputs within the declared bounds.

E comes with the plan, from the server that must not read the key. So a client does not take its word alone: a plan
that states less than any model of its shape makes is refused (`fhenn.planner.floor`), as is an answer at a scale that
its circuit cannot end at; the noise is sized by what the answer's own scale says where that is more, and by what
double precision leaves uncertain (`precision`); and an answer whose imaginary parts, which are errors and nothing else,
are larger than all of these is not shared (`fhenn.backends.seal.decrypt_with_error`). So an adversary who chooses both
plan and answer gets no less noise than σ = 2¹⁸·√queries·√outputs·E at s = 30, with E the largest of what the answer is
seen to err by, 2⁻⁴⁵ of its values, and the floor, 7.0e-15 at the least: σ >= 1.8e-9·√queries. He can hardly hide an
error from the imaginary parts: without a key for conjugation, which no plan asks for, what he computes treats both
parts alike.

What remains heuristic: E is from the noise model of `fhenn.ckks.noise`, which takes the errors of each step to
be spread as those of independent coefficients; between that floor and what is seen in an answer, which is an average
case, the plan is trusted, and the server to compute what it says (one that returns other ciphertexts can make errors
that hang together); and 2⁻ˢ bounds an adversary's advantage over all queries together, which is less than the key's own
128 bits.
"""

from __future__ import annotations

from math import ceil, inf, log, log2, sqrt

STATISTICAL_BITS = 30
"""s: what OpenFHE takes too; the key itself keeps 128 bits against whoever does not see results."""

MOST_QUERIES = 2**64
"""A budget beyond that is none."""

MOST_BITS = 128
"""The same for s: what the key itself keeps."""

_FAILURE_BITS = 40


def flood(worst: float, outputs: int, queries: int, bits: int = STATISTICAL_BITS) -> float:
    """The deviation σ of the noise for each shared number.

    worst: bound on the error of each. outputs: numbers that one sample's result has. queries: samples whose results are
    ever shared under one key. bits: s.

    >>> flood(1e-9, 1, 1) * 2**0.5 == flood(1e-9, 1, 2)
    True
    """
    return 8 * sqrt(queries) * 2 ** (bits / 2) * worst * sqrt(outputs)


def precision(largest: float) -> float:
    """What double precision leaves uncertain of decrypted values up to `largest`, FFT included.

    2⁻⁴⁵ of the next power of two, so that the noise sized by it says next to nothing of the values.

    >>> precision(0.75) == precision(1.0) == 2.0**-45
    True
    """
    return 2.0 ** (ceil(log2(largest)) - 45) if 0 < largest < inf else largest


def flood_bound(sigma: float, outputs: int) -> float:
    """What none of a sample's numbers is moved by more than, but for a probability of 2⁻⁴⁰."""
    return sigma * sqrt(2 * (log(2 * outputs) + _FAILURE_BITS * log(2)))
