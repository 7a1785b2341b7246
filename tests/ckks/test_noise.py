"""The noise model against the evaluators themselves."""

from dataclasses import replace

import numpy as np
import pytest

import fhenn
from fhenn.ckks.evaluator import NATIVE, SEAL
from fhenn.ckks.noise import Noise, NoiseModel, noise_model


@pytest.fixture(scope="module", params=[(8192, (37, 32, 32, 32, 53), 32), (4096, (36, 28, 45), 28)], ids=str)
def case(request, on, evaluator):
    ring_degree, chain, bits = request.param
    context = on(fhenn.Context.generate(fhenn.Parameters(ring_degree, chain, 2.0**bits), [1]))
    primes, special = [2.0**b for b in chain[:-1]], 2.0 ** chain[-1]
    return context, NoiseModel(ring_degree, primes, special, centred=evaluator == "native")


def _fresh(context, values, scale=None):
    """Of all slots, at the top level."""
    scale = scale or context.scale
    return context.arithmetic.wrap(context.encrypt_slots(values, context.levels, scale), context.levels, scale)


def _slots(context, x):
    return np.array(context.decrypt_complex(context.arithmetic.unwrap(x)))


def _error(context, x, expected):
    return (_slots(context, x) - expected).real * context.arithmetic.scale(x)


def _product(context, x):
    """x times a number, rescaled, and the number that it really is."""
    on = context.arithmetic
    product = on.times(x, on.plaintext(0.7345, on.level(x), context.scale))
    return on.rescale(product), round(0.7345 * context.scale) / context.scale


X = np.random.default_rng(0)


def test_fresh(case):
    context, model = case
    x = X.uniform(-1, 1, context.slots)
    # the plaintext's own rounding is there too
    expected = np.hypot(model.fresh, model.encoding)
    assert _error(context, _fresh(context, x.tolist()), x).std() == pytest.approx(expected, rel=0.06)


def test_rescale(case):
    context, model = case
    x = _fresh(context, X.uniform(-1, 1, context.slots).tolist())
    rescaled, factor = _product(context, x)
    assert _error(context, rescaled, _slots(context, x) * factor).std() == pytest.approx(model.rounding, rel=0.1)


def test_rotation(case):
    context, model = case
    x = _fresh(context, X.uniform(-1, 1, context.slots).tolist())
    (rotated,) = context.arithmetic.rotated(x, [1])
    error = _error(context, rotated, np.roll(_slots(context, x), -1))
    assert 0.5 * model.rounding < error.std() < 1.2 * model.key_switch(context.levels).deviation
    assert np.abs(error).max() < model.key_switch(context.levels).bound(context.slots)


def test_relinearisation(case):
    context, model = case
    # a small scale, so that float64 still resolves the noise on the square
    x = _fresh(context, [0.5] * context.slots, 2.0**22)
    on = context.arithmetic
    error = _error(context, on.relinearise(on.multiply(x, x)), _slots(context, x) ** 2)
    assert error.std() > 0.5 * model.rounding  # there was a key switch
    assert np.abs(error).max() < model.key_switch(context.levels).bound(context.slots)


def test_a_rescale_has_the_tails_of_laplace(case):
    """Six deviations among thousands of slots: a normal bound would be broken every other day."""
    context, model = case
    largest = 0.0
    for _ in range(5):
        x = _fresh(context, [0.5] * context.slots)
        rescaled, factor = _product(context, x)
        largest = max(largest, float(np.abs(_error(context, rescaled, _slots(context, x) * factor)).max()))
    bound = Noise(model.rounding, 0.0).bound(5 * context.slots)
    assert 4.5 * model.rounding < largest < bound < 8 * largest


def test_bound_holds_and_is_not_loose():
    normal, laplace = np.abs(X.normal(size=100_000)).max(), np.abs(X.laplace(scale=0.5**0.5, size=100_000)).max()
    assert normal < Noise(0.0, 1.0).bound(100_000) < 3 * normal
    assert laplace < Noise(1.0, 0.0).bound(100_000) < 5 * laplace


def test_errors_add_and_scale():
    total = Noise(3.0, 0.0) + Noise(4.0, 12.0)
    assert (total.laplace, total.normal, total.deviation) == (5.0, 12.0, 13.0)
    assert (total * 2.0).laplace == 10.0


def test_what_adds_up_in_the_worst_case_stays_so():
    """As does what it is mixed with, scaled by, and added to, on whatever side it stands."""
    worst, average = Noise(3.0, 5.0, 1), Noise(4.0, 12.0)
    for total in (
        worst + average,
        average + worst,
        worst * 1.0 + average,
        average * 1.0 + worst,
        worst + Noise(4.0, 12.0, 1),
    ):
        assert (total.laplace, total.normal, total.norm) == (7.0, 17.0, 1)
    assert worst * 2.0 == Noise(6.0, 10.0, 1)
    assert (average + average).norm == 2


def test_bounds_are_those_of_the_distributions():
    """From P(|x| > t) = exp(-√2·t) of Laplace and 2·exp(-t²/2) of normal: 2⁻⁴⁰ together, half for each kind."""
    assert Noise(0.0, 1.0).bound(1) == pytest.approx(7.630, abs=1e-3)  # √(2·42·ln 2)
    assert Noise(1.0, 0.0).bound(1) == pytest.approx(20.585, abs=1e-3)  # 42·ln 2/√2
    assert Noise(0.0, 1.0).bound(4096) == pytest.approx(8.652, abs=1e-3)  # ln 2 + ln 4096 + 41·ln 2
    assert Noise(0.0, 1.0).bound(1, 128) == pytest.approx(13.425, abs=1e-3)
    assert Noise(1.0, 0.0).bound(1, 128) == pytest.approx(63.717, abs=1e-3)
    assert Noise(2.0, 3.0).bound(1) == pytest.approx(2 * 20.585 + 3 * 7.630, abs=1e-2)


def test_a_key_switch_sums_its_primes_and_has_a_spike():
    """Key error 3.2·√(N/2)·√Σ(q/p)², times √(N/12) where it is spread, N/π·√(π²/8) where digits' means gather."""
    model = NoiseModel(4096, (2.0**40, 2.0**39, 2.0**39), 2.0**40)
    for level, ratio in ((0, 1.0), (1, 1.25**0.5), (2, 1.5**0.5)):
        switch = model.key_switch(level)
        key_error = ratio * 3.2 * 2048**0.5
        rounding = (2048 * (1 + 2 * 4096 / 3) / 12) ** 0.5
        assert switch.normal == pytest.approx(key_error * 4096 / 8**0.5)
        assert switch.laplace == pytest.approx((rounding**2 + key_error**2 * 4096 / 12) ** 0.5)


def test_centred_digits_leave_no_spike():
    """Uniform between -q/2 and q/2 they have the variance of SEAL's, and no mean."""
    chain = (2**40 + 1, 2**39 + 1, 2**39 - 1, 2**40 - 1)
    seal_, centred = noise_model(4096, chain), noise_model(4096, chain, centred=True)
    for level in range(3):
        switch = centred.key_switch(level)
        assert (switch.laplace, switch.normal) == (seal_.key_switch(level).laplace, 0.0)
        assert seal_.key_switch(level).normal > 3 * switch.laplace
    assert NATIVE.noise(fhenn.Parameters(4096, (36, 28, 45), 2.0**28)).centred
    assert not SEAL.noise(fhenn.Parameters(4096, (36, 28, 45), 2.0**28)).centred
    assert NATIVE.without_roundoff().noise_of(4096, chain) == replace(centred, transform=0.0, roundoff=0.0)


_SPREADS = {
    "normal": lambda n: X.normal(size=n),
    "signs": lambda n: X.choice([-1.0, 1.0], n),
    "periodic": lambda n: np.resize(X.uniform(-1, 1, 8), n),
    "one beside small ones": lambda n: np.r_[1.0, 1e-9 * X.uniform(-1, 1, n - 1)],
    "of 12 magnitudes": lambda n: 10.0 ** X.uniform(-12, 0, n),
}


@pytest.mark.parametrize("ring_degree", [4096, 8192, 16384, 32768])
def test_double_precision_puts_slots_off_by_a_share_of_the_largest(ring_degree):
    """At a scale where nothing else is seen; encoding and decoding together, 2⁻⁵² of the root mean square for each.

    SEAL encodes and decodes what clients of either evaluator send and read.
    """
    bits = 60 if ring_degree > 4096 else 34
    context = fhenn.Context.generate(
        fhenn.Parameters(ring_degree, (bits, bits, bits + 1 if bits < 60 else 60), 2.0**20)
    )
    model = NoiseModel(ring_degree, (2.0**bits,) * 2, 2.0**60)
    for make in _SPREADS.values():
        values = make(context.slots)
        size = float(np.sqrt((values**2).mean()))
        plaintext = context.encode(values.tolist(), context.levels, 2.0 ** (2 * bits - 6))
        error = np.array(context.encoder.decode_double(plaintext)) - values
        assert error.std() < 2**0.5 * 2.0**-52 * size
        largest = float(np.abs(values).max())
        assert np.abs(error).max() < Noise(0.0, 2**0.5 * model.transform * largest).bound(context.slots)
    # not a loose one: signs come near it
    signs = _SPREADS["signs"](context.slots)
    plaintext = context.encode(signs.tolist(), context.levels, 2.0 ** (2 * bits - 6))
    assert (np.array(context.encoder.decode_double(plaintext)) - signs).std() > model.transform / 2


@pytest.mark.parametrize("number", [np.pi, 1e-3, 7e5])
def test_a_number_for_all_slots_is_rounded_once(case, number, evaluator):
    context, model = case
    plaintext = context.arithmetic.plaintext(number, context.levels, 2.0**38)
    if evaluator == "native":
        found = plaintext.number / plaintext.scale
    else:
        found = np.array(context.encoder.decode_double(plaintext.plaintext))
    # a coefficient is a whole number, and double precision has 53 bits
    assert np.abs(found - number).max() <= 2.0**-39 + 2 * model.roundoff * number


def test_errors_that_features_share_add_up():
    """Inputs err by 3 each: outputs of two equal rows (1, 1) err alike, and their sum by twice what one does."""
    own = Noise(3.0, 4.0)
    assert own.worst == (3.0, 4.0)
    hidden = own.through(row=2**0.5, spectral=2.0)  # [[1, 1], [1, 1]]
    assert hidden.laplace == pytest.approx(3 * 2**0.5)
    assert hidden.worst == pytest.approx((6.0, 8.0))
    total = hidden.through(row=2**0.5, spectral=2**0.5)  # [[1, 1]]
    assert (total.laplace, total.normal) == pytest.approx((6 * 2**0.5, 8 * 2**0.5))
    assert (hidden * 2.0).worst == pytest.approx((12.0, 16.0))
    assert (hidden + Noise(8.0, 6.0)).worst == pytest.approx((10.0, 10.0))
    assert hidden.with_error_of(own).worst == pytest.approx((9.0, 12.0))
    assert Noise(3.0, 4.0, 1).through(row=5.0, spectral=2.0) == Noise(15.0, 20.0, 1)
    assert own.alike(1, 1) == own
    assert own.alike(4, 9).worst == (6.0, 12.0)
    assert own.alike(4, 9).deviation == own.deviation
