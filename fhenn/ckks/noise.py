"""What CKKS adds to a result: a model of the noise, in slots, with a bound that holds but for 2⁻⁴⁰.

The errors of encryption, rounding and key switching are polynomials whose coefficients are independent and centred.
A plaintext's rounding, and a fresh encryption's error, are normal in a slot, as a sum of N of them. A ciphertext's
rounding is not: its second half is multiplied by the secret, and a slot of that product, of two normal numbers, is
Laplace: six deviations are common among thousands of slots. With σ = 3.2 the width of SEAL's errors and h = 2N/3 that
of a uniform ternary secret, a slot's variance is, in units of 1/scale²:

- fresh, under the secret key: N/2 · σ²
- fresh, under the public key: a rescale's, since SEAL divides such a ciphertext by the special prime p, which leaves
  N/2 · σ² · (1 + 2h)/p² of the key's own error
- a rescale (rounding both halves of the ciphertext): N/2 · (1 + h)/12
- a key switch with special prime p: the same rounding, and N/2 · Σ N·q²/12 · σ²/p² over the primes q in use.
  SEAL's digits are not centred: their mean q/2 times Σ Xⁱ, which is 2N/π at the root next to 1 and 1/k of that at the
  k-th (k odd), adds a spike of variance Σ q²/p² · (N/π)² · N/2 · σ² in slot 0, normal as the key's own error is. The
  squares of all slots sum to π²/8 of that: what a sum over any slots sees. Digits that are centred, uniform between
  -q/2 and q/2, have the same variance q²/12 and no mean, and so no spike (S. Halevi, Y. Polyakov & V. Shoup, "An
  improved RNS variant of the BFV homomorphic encryption scheme", 2019, whose residues are centred).
- a plaintext's rounding, times the values that it multiplies: N/2 · 1/12 in units of 1/(its scale)²

Besides, SEAL encodes and decodes in double precision, whatever the scale: the transform between slots and coefficients
puts each slot off by some 2⁻⁵³ of the root mean square of all slots, and so of the largest one at most. A small number
beside a large one in a plaintext loses its digits. Measured on SEAL 4, encoding and decoding together, over slots that
are normal, uniform, of random signs, periodic, spread over 12 magnitudes, or one among zeros, in units of that root
mean square: 2.5·10⁻¹⁶ at N = 4096, 2.7·10⁻¹⁶ at 8192, 2.8·10⁻¹⁶ at 16384, 2.9·10⁻¹⁶ at 32768. Encoding and decoding
count 2⁻⁵² = 2.2·10⁻¹⁶ each. A single number for all slots takes no transform: it errs by one rounding, 2⁻⁵³ of itself.
The twin rounds as well: a sum of n products by at most (n + 2)·2⁻⁵³ of the sum of their magnitudes (Higham, "Accuracy
and stability of numerical algorithms", 2002, section 3.1).

Errors of several features do not stay independent: a layer whose rows are alike makes one error of an input an error
of all its outputs, and the next layer may add these up. So beside the deviation of the worst feature a `Noise` keeps
the largest deviation of Σ uᵢ·errorᵢ over all u with Σ uᵢ² = 1: for errors of a feature's own the same number; after a
matrix A at most its spectral norm times what there was. An output w·x errs by at most ‖w‖₂ times that.

(Costache, Curtis, Hales, Murphy, Ogilvie & Player, "On the precision loss in approximate homomorphic encryption", 2023,
for the average-case analysis; the formulas above agree with SEAL 4 to within 5 % where the tests measure them.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, log, pi, sqrt

SIGMA = 3.2
"""Standard deviation of SEAL's error distribution."""

TRANSFORM = 2.0**-52
"""Standard deviation of a slot's error by SEAL's encoding or decoding, in units of the largest slot."""

UNIT_ROUNDOFF = 2.0**-53
"""The largest relative error of one operation in double precision."""

_FAILURE_BITS = 40


@dataclass(frozen=True)
class NoiseModel:
    """Standard deviations of a slot's error, in units of 1/scale, for a ring degree and a chain.

    ring_degree: N.
    primes: first prime first, without the special one.
    special: the special prime.
    transform: of an encoding or decoding of slots, in units of the largest slot instead.
    roundoff: the largest relative error of one operation on numbers, in the twin and where one number is encoded.
    centred: whether the digits of key switches are centred.
    public_key: whether samples may be encrypted under the public key, and not only under the secret one.
    """

    ring_degree: int
    primes: tuple[float, ...]
    special: float
    transform: float = TRANSFORM
    roundoff: float = UNIT_ROUNDOFF
    centred: bool = False
    public_key: bool = False

    @property
    def fresh(self) -> float:
        """Of a ciphertext encrypted under the secret key; that of one encrypted under the public key is larger."""
        return sqrt(self.ring_degree / 2) * SIGMA

    @property
    def encryption(self) -> Noise:
        """Of a ciphertext that a client has encrypted, by whichever key it may use."""
        if not self.public_key:
            return Noise(0.0, self.fresh)
        left = sqrt(self.ring_degree / 2 * (1 + 4 * self.ring_degree / 3)) * SIGMA / self.special
        return Noise(hypot(self.rounding, left), self.fresh)

    @property
    def rounding(self) -> float:
        """Of a rescale."""
        return sqrt(self.ring_degree / 2 * (1 + 2 * self.ring_degree / 3) / 12)

    @property
    def encoding(self) -> float:
        """Of a plaintext."""
        return sqrt(self.ring_degree / 24)

    def key_switch(self, level: int) -> Noise:
        """Of a rotation or relinearisation, in the worst slot; the normal part is a spike in few slots, if any.

        level: of the ciphertext.
        """
        n = self.ring_degree
        ratios = sqrt(sum((prime / self.special) ** 2 for prime in self.primes[: level + 1]))
        key_error = ratios * sqrt(n / 2) * SIGMA
        spike = 0.0 if self.centred else key_error * n / pi * sqrt(pi**2 / 8)
        return Noise(hypot(self.rounding, key_error * sqrt(n / 12)), spike)


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the two kinds of error in a value.

    laplace: of what is multiplied by the secret.
    normal: of the rest.
    norm: how errors add up: 2, as independent ones do; 1, as the worst ones do that all go one way.
    together: both, of the combination of features that errs most, its weights' squares adding up to 1; None where
    features err each for itself.
    """

    laplace: float
    normal: float
    norm: int = 2
    together: tuple[float, float] | None = None

    @property
    def deviation(self) -> float:
        """Of both together."""
        return hypot(self.laplace, self.normal)

    @property
    def worst(self) -> tuple[float, float]:
        """Both kinds, of the combination of features that errs most."""
        return self.together or (self.laplace, self.normal)

    def __mul__(self, factor: float) -> Noise:
        laplace, normal = self.worst
        together = None if self.together is None else (laplace * factor, normal * factor)
        return Noise(self.laplace * factor, self.normal * factor, self.norm, together)

    def __add__(self, other: Noise) -> Noise:
        if min(self.norm, other.norm) == 1:
            return Noise(self.laplace + other.laplace, self.normal + other.normal, 1)
        laplace, normal = map(hypot, self.worst, other.worst)
        together = None if self.together is None and other.together is None else (laplace, normal)
        return Noise(hypot(self.laplace, other.laplace), hypot(self.normal, other.normal), 2, together)

    def through(self, row: float, spectral: float) -> Noise:
        """After a matrix.

        row: the largest norm of its rows, of the norm by which errors add up.
        spectral: its spectral norm, or more.
        """
        if self.norm == 1:
            return self * row
        laplace, normal = self.worst
        return Noise(laplace * row, normal * row, 2, (laplace * spectral, normal * spectral))

    def alike(self, ciphertexts: int, features: int) -> Noise:
        """The noise of a step in several features.

        ciphertexts: that are the same, and so are rounded alike.
        features: whose errors by keys and constants are the same.
        """
        if self.norm == 1 or ciphertexts == features == 1:
            return self
        together = (
            max(self.laplace * sqrt(ciphertexts), self.worst[0]),
            max(self.normal * sqrt(features), self.worst[1]),
        )
        return replace(self, together=together)

    def with_error_of(self, other: Noise) -> Noise:
        """With an error that may go the same way.

        other: that error.
        """
        laplace, normal = (mine + theirs for mine, theirs in zip(self.worst, other.worst, strict=True))
        together = None if self.together is None and other.together is None else (laplace, normal)
        return Noise(self.laplace + other.laplace, self.normal + other.normal, self.norm, together)

    def bound(self, values: int, failure_bits: int = _FAILURE_BITS) -> float:
        """What no error of several values exceeds, except with a small probability.

        values: how many there are.
        failure_bits: the probability is 2 to the minus that.

        From P(|x| > t) = exp(-√2·t/σ) for a Laplace error and at most 2·exp(-t²/2σ²) for a normal one; a sum of
        several errors of a kind has lighter tails.
        """
        exponent = log(2 * values) + (failure_bits + 1) * log(2)
        return self.laplace * exponent / sqrt(2) + self.normal * sqrt(2 * exponent)


def noise_model(ring_degree: int, primes: Sequence[int], centred: bool = False) -> NoiseModel:
    """The noise in a ring with primes.

    ring_degree: N.
    primes: first prime first, special prime last.
    centred: whether the digits of key switches are centred.
    """
    *used, special = map(float, primes)
    return NoiseModel(ring_degree, tuple(used), special, centred=centred)
