"""How much noise hides what a decryption tells of the secret key.

A CKKS result is the twin's value v plus an error e that depends on the secret key. Whoever sees v + e and knows v can
compute the key from them (Li & Micciancio, "On the security of homomorphic encryption on approximate numbers", 2021).
Normal noise of deviation σ hides e: with ‖e‖₂ <= E, the Kullback-Leibler divergence between what is seen and what
would be seen without the error is at most E²/2σ². Li, Micciancio, Schultz & Sorrell, "Securing approximate homomorphic
encryption using differential privacy", 2022, ask for 2⁻⁽ˢ⁺⁷⁾ in all for s bits of statistical security:
σ = 8·√queries·2^(s/2)·E.

E must be a worst case. Guo, Nabokov, Suvanto & Johansson, "Key recovery attacks on approximate homomorphic encryption
with non-worst-case noise flooding countermeasures", 2024, break noise sized by the average error: errors of correlated
ciphertexts add up, where an average assumes that they cancel. So E is a bound on every error of the circuit, each
except with probability 2⁻¹²⁸, all added in magnitude, for the worst inputs within the declared bounds.

E comes with the plan, from the server that must not learn the key. So a client does not trust the plan alone:

- a plan that states less error than any model of its shape makes is refused (`fhenn.planner.floor`);
- an answer at a scale that the plan's circuit cannot end at is refused;
- E is at least what the answer's own scale says, and what double precision leaves uncertain (`precision`);
- an answer whose imaginary parts, which are nothing but errors, are larger than all of these is not shared
  (`fhenn.ckks.decrypt_with_errors`).

So an adversary who chooses both plan and answer gets no less noise than σ = 2¹⁸·√queries·√outputs·E at s = 30, with E
the largest of the error that is seen in the answer, 2⁻⁴⁵ of its values, and the floor, 7.0e-15 at least:
σ >= 1.8e-9·√queries. He can hardly hide an error from the imaginary parts: without a key for conjugation, which no plan
asks for, his computation treats both parts alike.

What remains heuristic: E is from the noise model of `fhenn.ckks.noise`, which treats the errors of each step as those
of independent coefficients. Between the floor and the error that is seen in an answer, which is an average case, the
plan is trusted, and so is the server to compute what the plan says (other ciphertexts can have correlated errors). And
2⁻ˢ bounds an adversary's advantage over all queries together; that is weaker than the 128 bits of the key itself.
"""

from __future__ import annotations

from math import ceil, inf, log, log2, sqrt

STATISTICAL_BITS = 30
"""s, as in OpenFHE. Against whoever does not see results, the key has 128 bits."""

MOST_QUERIES = 2**64
"""The largest budget; a larger one would not bound anything."""

MOST_BITS = 128
"""The largest s: the security of the key itself."""

_FAILURE_BITS = 40


def flood(worst: float, outputs: int, queries: int, bits: int = STATISTICAL_BITS) -> float:
    """The deviation σ of the noise on each number that is shared.

    worst: bound on the error of each number.
    outputs: numbers in the result of one sample.
    queries: samples whose results may ever be shared under one key.
    bits: s, the statistical security.

    Source: Li, Micciancio, Schultz & Sorrell 2022, as at the top of this module.

    >>> flood(1e-9, 1, 1) * 2**0.5 == flood(1e-9, 1, 2)
    True
    """
    return 8 * sqrt(queries) * 2 ** (bits / 2) * worst * sqrt(outputs)


def precision(largest: float) -> float:
    """The error that double precision, FFT included, leaves in decrypted values.

    largest: the largest |value|.

    Returns 2⁻⁴⁵ of the next power of two, so that noise of this size says next to nothing of the values.

    >>> precision(0.75) == precision(1.0) == 2.0**-45
    True
    """
    return 2.0 ** (ceil(log2(largest)) - 45) if 0 < largest < inf else largest


def flood_bound(sigma: float, outputs: int) -> float:
    """Bound on the noise on every number of one sample, except with probability 2⁻⁴⁰.

    sigma: deviation of the noise.
    outputs: numbers in the result of one sample.
    """
    return sigma * sqrt(2 * (log(2 * outputs) + _FAILURE_BITS * log(2)))
