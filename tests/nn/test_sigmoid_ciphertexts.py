"""The node on every kind of ciphertext."""

import io
import json
import re
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tenseal as ts
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from support import (
    BATCHED,
    FEATURES,
    PACKED,
    TENSEAL_KINDS,
    TENSOR,
    VECTOR,
    compare,
    content,
    gain,
    kinds,
    mostly_thorough,
    on_evaluator,
    parity,
    seal_of,
    shaped,
    tenseal_context,
    without_secret,
)

import fhenn
from fhenn.approx import SIGMOID_CUBIC
from fhenn.backends import backend_of
from fhenn.backends.seal import tenseal_values
from fhenn.backends.seal.wire import save_object
from fhenn.ckks.messages import TensealMessage
from fhenn.errors import (
    CacheEmpty,
    ContextMismatch,
    HeadroomExceeded,
    KeyMissing,
    LevelExhausted,
    NonFiniteValue,
    ScaleMismatch,
    ScaleWarning,
    ShapeMismatch,
    UnsupportedValue,
)

DERIVATIVE = SIGMOID_CUBIC.derivative()
BOUND = dict.fromkeys(TENSEAL_KINDS, 3e-7) | dict.fromkeys((*PACKED.values(), *FEATURES.values()), 4e-9)
"""Largest error at N=8192 and scale 2^40; TenSEAL's polyval has 2e-7, its drift and noise together."""

rng = np.random.default_rng(0)
every_kind = kinds(*TENSEAL_KINDS, PACKED, FEATURES)
most_kinds = kinds(VECTOR, BATCHED, PACKED, FEATURES, thorough=(TENSOR,))
"""Without TenSEAL's tensors of a ciphertext for each value, which are slow, and thorough."""
tenseal_kinds = pytest.mark.parametrize("kind", TENSEAL_KINDS, ids=str)


def band(*shape):
    return rng.uniform(-4, 4, shape)


@pytest.fixture(autouse=True)
def quiet():
    """TenSEAL prints where a vector takes several chunks."""
    with redirect_stdout(io.StringIO()):
        yield


TUTORIAL = [40, 21, 21, 21, 21, 21, 21, 40]
"""The chain of TenSEAL's tutorials, for a scale of 2^21."""


@pytest.fixture(scope="module")
def other():
    """Other keys for the parameters of `small`."""
    return tenseal_context(8192, [60, 40, 40, 60], 40)


class TestForward:
    @every_kind
    def test_parity(self, kind, small):
        parity(fhenn.Sigmoid(), shaped(kind, band(4, 3)), kind, small, BOUND[kind])

    @settings(max_examples=6, deadline=None)
    @given(arrays(np.float64, array_shapes(min_dims=2, max_dims=3, max_side=3), elements=st.floats(-4, 4)))
    @kinds(VECTOR, TENSOR, BATCHED, PACKED)
    def test_parity_for_any_shape_and_values(self, kind, small, x):
        if kind is BATCHED and x.shape[-1] == 1:
            x = np.repeat(x, 2, axis=-1)  # TenSEAL itself encrypts batches of single values wrongly
        parity(fhenn.Sigmoid(), shaped(kind, x), kind, small, BOUND[kind])

    @pytest.mark.parametrize("size", [1, 2, 4095, 4096, 4097, 9000])
    @kinds(VECTOR, PACKED)
    def test_any_number_of_chunks(self, kind, small, size):
        parity(fhenn.Sigmoid(), band(size), kind, small, BOUND[kind])

    @every_kind
    def test_cost_is_the_levels_really_consumed(self, kind, deep):
        node, encrypted = fhenn.Sigmoid(), kind.encrypt(deep, shaped(kind, band(2, 2)))
        (before,) = kind.levels(encrypted)
        (after,) = kind.levels(node(encrypted))
        assert before - after == node.cost == 2

    @every_kind
    def test_the_operand_is_not_changed(self, kind, small):
        encrypted = kind.encrypt(small, shaped(kind, band(2, 3)))
        before = list(map(content, kind.ciphertexts(encrypted)))
        fhenn.Sigmoid()(encrypted)
        assert before == list(map(content, kind.ciphertexts(encrypted)))

    @every_kind
    def test_no_secret_and_no_public_key_is_needed(self, kind, small):
        x = shaped(kind, band(2, 2))
        server = without_secret(small, save_public_key=False, save_galois_keys=False)
        encrypted = kind.encrypt(small, x)
        if kind in TENSEAL_KINDS:
            moved = type(encrypted).load(server, encrypted.serialize())
        else:
            ours = on_evaluator(server, kind.evaluator)
            assert not ours.has_secret_key
            assert not seal_of(ours).has_public_key
            moved = replace(encrypted, context=ours)
            moved = replace(fhenn.Sigmoid()(moved), context=encrypted.context)
            compare(kind.reveal(moved, small), fhenn.Sigmoid()(x), BOUND[kind])
            return
        compare(kind.reveal(fhenn.Sigmoid()(moved), small), fhenn.Sigmoid()(x), BOUND[kind])

    def test_the_circuit_is_two_products_two_relinearisations_two_rescales(self, client):
        counts = {}

        class Counting:
            def __init__(self, evaluator):
                self._evaluator = evaluator

            def __getattr__(self, name):
                counts[name] = counts.get(name, 0) + 1
                return getattr(self._evaluator, name)

        context = fhenn.Context(client.tenseal)
        context.__dict__["evaluator"] = Counting(client.evaluator)
        fhenn.Sigmoid()(fhenn.encrypt(context, [1.0]))
        assert counts == {
            "square": 1,
            "multiply": 1,
            "relinearize_inplace": 2,
            "rescale_to_next": 2,
            "add_plain_inplace": 2,
            "mod_switch_to": 1,
            "negate_inplace": 1,
        }

    def test_valid_109_bit_chain(self, tiny, packed):
        parity(fhenn.Sigmoid(), band(2048), packed, tiny, 3e-4)

    @kinds(VECTOR, PACKED)
    def test_every_slot_of_a_full_ciphertext(self, kind, deep):
        parity(fhenn.Sigmoid(), band(8192), kind, deep, 5e-7 if kind is VECTOR else 2e-8)

    @kinds(VECTOR, PACKED)
    def test_sigmoid_after_sigmoid(self, kind, deep):
        node, x = fhenn.Sigmoid(), band(100)
        encrypted = node(node(kind.encrypt(deep, x)))
        assert kind.levels(encrypted) == {0}
        compare(kind.reveal(encrypted, deep), node(node(x)), 3e-7)

    @kinds(VECTOR, PACKED)
    def test_more_levels_than_needed(self, kind, deep):
        assert kind.levels(parity(fhenn.Sigmoid(), band(10), kind, deep, 3e-7)) == {2}

    def test_general_cubics(self, small, packed):
        """The backend evaluates any cubic, not this one alone."""
        x = packed.encrypt(small, values := band(9))
        for coefficients in ((0.1, 0.2, 0.3, 0.4), (0.0, 1.0, 0.0, 1.0), (1.0, -2.0, 0.5, -0.25)):
            polynomial = fhenn.Polynomial(coefficients, (-4, 4))
            compare(packed.reveal(backend_of(x).polynomial(polynomial, x), small), polynomial(values), 1e-6)


class TestBackward:
    """Every mix of plaintext and ciphertext input and gradient."""

    @most_kinds
    @pytest.mark.parametrize("chunks", [1, 2])
    def test_encrypted_input_and_gradient(self, kind, small, chunks):
        several = chunks == 2 and kind not in (TENSOR, BATCHED)
        x, g = (shaped(kind, band(2049 if several else 3, 2)) for _ in range(2))
        node = self._after(kind.encrypt(small, x))
        result = node.backward(kind.encrypt(small, g))
        assert kind.levels(result) == {0}
        compare(kind.reveal(result, small), DERIVATIVE(x) * g, 3e-7)

    @pytest.mark.thorough
    @most_kinds
    def test_encrypted_input_and_plain_gradient(self, kind, small):
        x, g = shaped(kind, band(3, 4)), shaped(kind, band(3, 4))
        for gradient in (g, 0.5, 1, np.float32(2), np.full(x.shape, -1.0), g.tolist()):
            node = self._after(kind.encrypt(small, x))
            result = node.backward(gradient)
            assert kind.levels(result) == {2 - node.backward_cost}
            compare(kind.reveal(result, small), DERIVATIVE(x) * np.asarray(gradient, dtype=float), 3e-7)

    @most_kinds
    def test_plain_input_and_encrypted_gradient(self, kind, small):
        x, g = shaped(kind, band(3, 4)), shaped(kind, band(3, 4))
        result = self._after(x).backward(kind.encrypt(small, g))
        assert kind.levels(result) == {1}
        compare(kind.reveal(result, small), DERIVATIVE(x) * g, 1e-7)

    @most_kinds
    def test_a_gradient_of_zeros_is_an_encrypted_zero(self, kind, small):
        x = shaped(kind, band(2, 2))
        result = self._after(kind.encrypt(small, x)).backward(0.0)
        compare(kind.reveal(result, small), np.zeros_like(x), 1e-7)
        if kind in TENSEAL_KINDS:
            assert kind.scales(result) == {2.0**40}

    def test_a_gradient_of_zeros_without_a_key_to_encrypt_it(self, small):
        server = without_secret(small, save_public_key=False)
        vector = ts.ckks_vector_from(server, ts.ckks_vector(small, [1.0]).serialize())
        node = self._after(vector)
        with pytest.raises(KeyMissing, match="public"):
            node.backward(0.0)
        assert node.backward(1.0).size() == 1

    @kinds(VECTOR, PACKED)
    @pytest.mark.parametrize("lower", ["input", "gradient"])
    def test_levels_that_differ(self, kind, deep, lower):
        x, g = band(5), band(5)
        low, high = (x, g) if lower == "input" else (g, x)
        brought_down = ts.ckks_vector(deep, low.tolist()) * 1.0
        if kind is not VECTOR:
            message = fhenn.CipherArray.from_tenseal(brought_down).to_bytes()
            brought_down = fhenn.CipherArray.from_bytes(on_evaluator(deep, kind.evaluator), message)
        pair = {lower: brought_down, "gradient" if lower == "input" else "input": kind.encrypt(deep, high)}
        result = self._after(pair["input"]).backward(pair["gradient"])
        assert kind.levels(result) == {1}
        compare(kind.reveal(result, deep), DERIVATIVE(x) * g, 3e-6)

    @most_kinds
    def test_ciphertexts_are_kept_only_when_asked(self, kind, small):
        node, encrypted = fhenn.Sigmoid(), kind.encrypt(small, shaped(kind, band(1, 1)))
        for _ in range(3):
            node(encrypted)
        assert node.kept_inputs == ()
        with pytest.raises(CacheEmpty, match="enable_cache"):
            node.backward(1.0)

    @tenseal_kinds
    def test_in_place_changes_of_a_kept_value_do_not_reach_backward(self, kind, small):
        x = shaped(kind, np.array([[1.0, 2.0]]))
        value = kind.encrypt(small, x)
        node = self._after(value)
        value += 1.0
        compare(kind.reveal(node.backward(1.0), small), DERIVATIVE(x), 1e-6)

    @most_kinds
    @pytest.mark.parametrize("level", [0, 1])
    def test_too_few_levels(self, kind, deep, level):
        x = shaped(kind, band(2, 2))
        node = fhenn.Sigmoid()
        node.enable_cache()
        fresh = kind.encrypt(deep, x)
        spent = kind.at_level(fresh, level)
        backend = backend_of(spent)
        for left, right in ((spent, 1.0), (spent, fresh), (fresh, spent)):
            with pytest.raises(LevelExhausted, match="needs 2 levels"):
                backend.polynomial_times(DERIVATIVE, left, right)
        if level == 0:
            with pytest.raises(LevelExhausted, match="needs 1 level,"):
                backend.polynomial_times(DERIVATIVE, x, spent)
        compare(kind.reveal(spent, deep), x, 1e-4)

    @tenseal_kinds
    def test_keys_and_scales_are_checked(self, kind, small):
        server = without_secret(small, save_relin_keys=False)
        fresh = kind.encrypt(small, shaped(kind, np.ones((1, 2))))
        moved = type(fresh).load(server, fresh.serialize())
        for gradient in (1.0, moved):
            with pytest.raises(KeyMissing, match="relinearisation"):
                backend_of(moved).polynomial_times(DERIVATIVE, moved, gradient)
        misfit = kind.encrypt(tenseal_context(8192, [60, 40, 40, 60], 41), shaped(kind, np.ones((1, 2))))
        for x, gradient in ((misfit, 1.0), (misfit, misfit), (shaped(kind, np.ones((1, 2))), misfit)):
            with pytest.raises(ScaleMismatch, match="comes out wrong"):
                backend_of(misfit).polynomial_times(DERIVATIVE, x, gradient)

    @kinds(VECTOR, PACKED)
    def test_plain_products_land_exactly_on_the_scale(self, kind, deep):
        result = self._after(kind.encrypt(deep, band(3))).backward(band(3))
        assert kind.scales(result) == {2.0**40}

    def test_batches_pair_each_gradient_with_its_input(self, small):
        node = fhenn.Sigmoid()
        node.enable_cache()
        xs, gs = [band(3) for _ in range(3)], [band(3) for _ in range(3)]
        node.forwards([VECTOR.encrypt(small, x) for x in xs])
        for result, x, g in zip(node.backwards(gs), xs, gs, strict=True):
            compare(result.decrypt(), DERIVATIVE(x) * g, 3e-7)

    @kinds(VECTOR, PACKED, TENSOR)
    def test_refuses_what_does_not_go_together(self, kind, small, deep, other):
        node = self._after(kind.encrypt(small, band(3)))
        with pytest.raises(ShapeMismatch):
            node.backward(kind.encrypt(small, band(4)))
        with pytest.raises(ShapeMismatch):
            node.backward(band(4))
        with pytest.raises(ContextMismatch):
            node.backward(kind.encrypt(other, band(3)))
        with pytest.raises(ContextMismatch):
            node.backward(kind.encrypt(deep, band(3)))

    def test_refuses_other_layouts(self, small, packed, features):
        node = self._after(packed.encrypt(small, x := band(3, 1)))
        with pytest.raises(ShapeMismatch, match="layout 'packed'"):
            node.backward(features.encrypt(small, x))

    def test_refuses_other_types_and_scales(self, small):
        node = self._after(VECTOR.encrypt(small, band(3)))
        with pytest.raises(UnsupportedValue, match="one type"):
            node.backward(TENSOR.encrypt(small, band(3)))
        with pytest.raises(ScaleMismatch, match="one scale"):
            node.backward(ts.ckks_vector(small, [1.0, 2.0, 3.0], scale=1.05 * 2.0**40))

    @staticmethod
    def _after(x):
        node = fhenn.Sigmoid()
        node.enable_cache()
        node(x)
        return node


class TestCompensation:
    """Primes are not the scale: what they are off by must not show in the result."""

    @kinds(VECTOR, PACKED)
    @pytest.mark.parametrize("levels", [(4, 4), (3, 4), (4, 3), (3, 2)], ids=str)
    def test_no_constant_is_off(self, kind, deep, levels):
        size, bound = 8192, 3e-8
        x, g = band(size), band(size)
        node = fhenn.Sigmoid()
        node.enable_cache()
        encrypted, gradient = (
            kind.at_level(kind.encrypt(deep, values), level) for values, level in zip((x, g), levels, strict=True)
        )
        forward = kind.reveal(node(encrypted), deep)
        assert abs(gain(forward - 0.5, node(x) - 0.5)) < bound
        node.backward(1.0)  # that of the twin
        expected = DERIVATIVE(x) * g
        assert abs(gain(kind.reveal(node.backward(gradient), deep), expected)) < bound
        node(encrypted)
        assert abs(gain(kind.reveal(node.backward(g), deep), expected)) < bound
        node(x)
        assert abs(gain(kind.reveal(node.backward(gradient), deep), expected)) < bound


class TestInTensealPipelines:
    """The result carries exactly the input's scale, so that every later TenSEAL operation is right."""

    X = band(6)
    Y = rng.uniform(-1, 1, 6)

    @pytest.fixture
    def after(self, deep):
        return fhenn.Sigmoid()(ts.ckks_vector(deep, self.X.tolist()))

    @pytest.mark.parametrize(
        ("name", "operation", "expected"),
        [
            ("+ number", lambda v, c: v + 1.5, lambda p, y: p + 1.5),
            ("+ plain", lambda v, c: v + TestInTensealPipelines.Y.tolist(), lambda p, y: p + y),
            ("+ encrypted", lambda v, c: v + ts.ckks_vector(c, TestInTensealPipelines.Y.tolist()), lambda p, y: p + y),
            ("- number", lambda v, c: v - 1.5, lambda p, y: p - 1.5),
            ("- encrypted", lambda v, c: v - ts.ckks_vector(c, TestInTensealPipelines.Y.tolist()), lambda p, y: p - y),
            ("number -", lambda v, c: -v + 1.5, lambda p, y: 1.5 - p),
            ("* number", lambda v, c: v * 2.5, lambda p, y: p * 2.5),
            ("* plain", lambda v, c: v * TestInTensealPipelines.Y.tolist(), lambda p, y: p * y),
            ("* encrypted", lambda v, c: v * ts.ckks_vector(c, TestInTensealPipelines.Y.tolist()), lambda p, y: p * y),
            ("square", lambda v, c: v.square(), lambda p, y: p**2),
            ("power", lambda v, c: v.pow(3), lambda p, y: p**3),
            ("dot plain", lambda v, c: v.dot(TestInTensealPipelines.Y.tolist()), lambda p, y: [p @ y]),
            ("dot encrypted", lambda v, c: v.dot(ts.ckks_vector(c, TestInTensealPipelines.Y.tolist())),
             lambda p, y: [p @ y]),
            ("mm", lambda v, c: v.mm(np.outer(TestInTensealPipelines.Y, [1.0, -2.0]).tolist()),
             lambda p, y: p @ np.outer(y, [1.0, -2.0])),
            ("polyval", lambda v, c: v.polyval([1.0, 0.5, -0.25]), lambda p, y: 1 + 0.5 * p - 0.25 * p**2),
            ("sum", lambda v, c: v.sum(), lambda p, y: [p.sum()]),
            ("save and load", lambda v, c: ts.ckks_vector_from(c, v.serialize()) * 1.0, lambda p, y: p),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )  # fmt: skip
    def test_every_later_operation_is_right(self, deep, after, name, operation, expected):
        wanted = np.asarray(expected(fhenn.Sigmoid()(self.X), self.Y))
        compare(operation(after, deep).decrypt(), wanted, 3e-5)

    @tenseal_kinds
    def test_scale_is_exactly_the_inputs(self, kind, deep):
        encrypted = kind.encrypt(deep, shaped(kind, band(2, 2)))
        assert kind.scales(fhenn.Sigmoid()(encrypted)) == kind.scales(encrypted)

    def test_tensor_operations_afterwards(self, deep):
        x = band(2, 3)
        after = fhenn.Sigmoid()(ts.ckks_tensor(deep, x))
        y = fhenn.Sigmoid()(x)
        compare((after + after).decrypt().tolist(), y + y, 1e-6)
        compare((after * 2.0).decrypt().tolist(), y * 2, 1e-5)
        compare(after.square().decrypt().tolist(), y**2, 1e-5)
        compare(after.sum().decrypt().tolist(), y.sum(axis=0), 1e-6)
        weight = band(3, 2)
        compare(after.mm(ts.plain_tensor(weight)).decrypt().tolist(), y @ weight, 1e-4)

    @pytest.mark.parametrize(("inner", "outer"), [(8, 4), (5, 3), (3, 7)])
    def test_mm_sigmoid_mm(self, deep, inner, outer):
        first, last = band(6, inner) / 16, band(inner, outer) / 4
        encrypted = ts.ckks_vector(deep, self.X.tolist()).mm(first.tolist())
        node = fhenn.Sigmoid()
        encrypted = node(encrypted).mm(last.tolist())
        compare(encrypted.decrypt(), node(self.X @ first) @ last, 1e-5)

    def test_backward_keeps_the_replication_too(self, deep):
        node = fhenn.Sigmoid()
        node.enable_cache()
        g = band(6)
        weight = band(6, 3) / 4
        for gradient in (g, ts.ckks_vector(deep, g.tolist())):
            node(ts.ckks_vector(deep, self.X.tolist()))
            after = node.backward(gradient).mm(weight.tolist())
            compare(after.decrypt(), (DERIVATIVE(self.X) * g) @ weight, 1e-5)

    @pytest.mark.parametrize("drift", [1e-3, -1e-3, 0.05])
    def test_scales_that_have_drifted(self, deep, drift):
        """A ciphertext whose own scale is not the vector's: the message counts, and the result is back in step."""
        vector = ts.ckks_vector(deep, self.X.tolist())
        ciphertext = vector.ciphertext()[0]
        ciphertext.scale = 2.0**40 * (1 + drift)
        drifted = TensealMessage((6,), (save_object(ciphertext),), 2.0**40).encode()
        result = fhenn.Sigmoid()(ts.ckks_vector_from(deep, drifted))
        expected = fhenn.Sigmoid()(self.X / (1 + drift))
        assert VECTOR.scales(result) == {2.0**40}
        compare(result.decrypt(), expected, 1e-6)
        compare((result + 1.0).decrypt(), expected + 1, 1e-6)
        compare(result.mm(np.eye(6).tolist()).decrypt(), expected, 1e-5)

    def test_drifting_primes_are_compensated(self, tiny):
        """23-bit primes sit 1.4 % off: TenSEAL's own polyval is off by that, the node is not."""
        x = np.full(2000, 4.0)  # so many that the noise averages out
        vector = ts.ckks_vector(tiny, x.tolist())
        ours = abs(np.mean(fhenn.Sigmoid()(vector).decrypt() - fhenn.Sigmoid()(x)))
        theirs = abs(np.mean(vector.polyval(list(SIGMOID_CUBIC.coefficients)).decrypt() - fhenn.Sigmoid()(x)))
        assert ours < 0.1 * theirs

    def test_forward_needs_no_encryption_of_a_constant(self, small):
        server = without_secret(small, save_public_key=False)
        vector = ts.ckks_vector_from(server, ts.ckks_vector(small, [1.0]).serialize())
        with pytest.raises(ValueError, match="encryption"):
            vector.polyval([0.5, 0.197, 0.0, -0.004])
        assert fhenn.Sigmoid()(vector).decrypt(small.secret_key()) == pytest.approx([0.693], abs=1e-6)


class TestHeadroom:
    @kinds(VECTOR, PACKED)
    @pytest.mark.parametrize("context", ["small", "tiny"])
    def test_holds_inside_and_wraps_beyond(self, kind, context, request):
        """For slots all alike the bound is sharp; one percent beyond it every slot is garbage."""
        context, node = request.getfixturevalue(context), fhenn.Sigmoid(on_violation="ignore")
        slots = context.seal_context().data.key_context_data().parms().poly_modulus_degree() // 2
        headroom = node.headroom(kind.encrypt(context, np.ones(1)))
        for share, holds in ((0.98, True), (-0.98, True), (1.02, False), (-1.02, False)):
            x = np.full(slots, share * headroom)
            if abs(share) > 1 and share > 0 and abs(node(x[0])) < abs(node(-x[0])):
                continue  # the polynomial is larger on the other side
            error = np.abs(kind.reveal(node(kind.encrypt(context, x)), context) - node(x)) / np.abs(node(x))
            assert (error.max() < 0.1) == holds, f"{share} of {headroom}: {error.max()}"

    def test_one_slot_beyond_corrupts_every_slot(self, tiny, packed):
        node, x = fhenn.Sigmoid(on_violation="ignore"), np.zeros(2048)
        x[7] = 200.0
        result = packed.reveal(node(packed.encrypt(tiny, x)), tiny)
        assert np.abs(np.delete(result, 7) - 0.5).min() > 0 and np.median(np.abs(np.delete(result, 7) - 0.5)) > 0.1

    def test_known_cases(self, tiny, small, on, packed):
        node = fhenn.Sigmoid()
        assert 9 < node.headroom(on(tiny)) < 11
        assert node.headroom(on(small)) == node.headroom(packed.encrypt(small, np.ones(1)))

    def test_is_checked_where_plaintext_is_at_hand(self, tiny, on):
        node, context = fhenn.Sigmoid(), on(tiny)
        headroom = node.headroom(context)
        fhenn.encrypt(context, [0.99 * headroom], headroom=headroom)
        with pytest.raises(HeadroomExceeded) as caught:
            fhenn.encrypt(context, [0.0, -1.01 * headroom], headroom=headroom)
        assert caught.value.largest == pytest.approx(1.01 * headroom)

    @kinds(VECTOR, PACKED)
    def test_levels_are_checked_first(self, kind, small):
        node = fhenn.Sigmoid()
        with pytest.raises(LevelExhausted):
            node.headroom(node(kind.encrypt(small, np.ones(1))))


class TestDebugging:
    """With the secret key at hand, ciphertexts can be checked as plaintext is."""

    @most_kinds
    def test_check(self, kind, small):
        node = fhenn.Sigmoid()
        x = shaped(kind, np.array([[1.0, 5.0]]))
        assert node.check(kind.encrypt(small, x / 5)) is None
        with pytest.warns(fhenn.RangeWarning) as caught:
            report = node.check(kind.encrypt(small, x))
        assert report.outside == 1
        assert report.largest == pytest.approx(5.0, abs=1e-4)
        assert caught[0].filename == __file__

    def test_with_a_key_from_elsewhere(self, small, on):
        node = fhenn.Sigmoid(on_violation="raise")
        server = without_secret(small)
        vector = ts.ckks_vector(server, [5.0])
        ours = fhenn.Context.from_tenseal(small)
        array = fhenn.encrypt(on(server), [5.0])
        for value, secret in ((vector, small.secret_key()), (vector, ours), (array, ours), (array, on(small))):
            with pytest.raises(fhenn.RangeViolation):
                node.check(value, secret)
        for value in (vector, array):
            with pytest.raises(KeyMissing, match="secret"):
                node.check(value)

    @kinds(VECTOR, PACKED)
    def test_at_every_forward(self, kind, small):
        ours = fhenn.Context.from_tenseal(small)
        node = fhenn.Sigmoid(on_violation="raise", debug_secret=ours)
        node(kind.encrypt(small, np.ones(2)))
        with pytest.raises(fhenn.RangeViolation):
            node(kind.encrypt(small, np.full(2, 4.5)))

    def test_beyond_the_headroom_raises_whatever_the_policy(self, tiny, packed):
        node = fhenn.Sigmoid(on_violation="ignore")
        with pytest.raises(HeadroomExceeded, match="corrupts every slot"):
            node.check(packed.encrypt(tiny, np.array([0.0, 12.0])))


class TestRefusals:
    @most_kinds
    def test_too_few_levels(self, kind, small):
        node = fhenn.Sigmoid()
        x = shaped(kind, band(2, 2))
        spent = node(kind.encrypt(small, x))
        with pytest.raises(LevelExhausted) as caught:
            node(spent)
        assert (caught.value.needed, caught.value.left) == (2, 0)
        assert "[60, 40, 40, 40, 40, 60] with poly_modulus_degree=16384" in str(caught.value)
        compare(kind.reveal(spent, small), node(x), BOUND[kind])

    @most_kinds
    def test_one_level_left(self, kind):
        context = tenseal_context(8192, [60, 40, 60], 40)
        x = shaped(kind, np.ones((1, 2)))
        encrypted = kind.encrypt(context, x)
        with pytest.raises(LevelExhausted, match="needs 2 levels, the ciphertext has 1"):
            fhenn.Sigmoid()(encrypted)
        compare(kind.reveal(encrypted, context), x, 1e-6)
        node = fhenn.Sigmoid()
        node(x)
        node.backward(encrypted)

    @most_kinds
    def test_no_relinearisation_keys(self, kind, small):
        server = without_secret(small, save_relin_keys=False)
        x = shaped(kind, band(2, 2))
        if kind in TENSEAL_KINDS:
            encrypted = type(kind.encrypt(small, x)).load(server, kind.encrypt(small, x).serialize())
        else:
            encrypted = kind.encrypt(server, x)
        with pytest.raises(KeyMissing, match="relinearisation"):
            fhenn.Sigmoid()(encrypted)
        compare(kind.reveal(encrypted, small), x, 1e-6)

    @tenseal_kinds
    @pytest.mark.parametrize("bits", [41, 30, 39, 45])
    def test_a_scale_that_does_not_fit_the_chain(self, kind, bits):
        context = tenseal_context(8192, [60, 40, 40, 60], bits)
        with pytest.raises(ScaleMismatch, match="every product comes out wrong"):
            fhenn.Sigmoid()(kind.encrypt(context, shaped(kind, np.ones((1, 2)))))

    @pytest.mark.parametrize("kind", mostly_thorough(TENSEAL_KINDS, (0, 2)), ids=str)
    def test_the_primes_of_tenseals_tutorials_are_landed_on_with_a_warning(self, kind, monkeypatch):
        monkeypatch.setattr(tenseal_values, "_warned", set())
        context = tenseal_context(8192, TUTORIAL, 21)
        x, other = shaped(kind, band(12)), shaped(kind, band(2))
        encrypted = kind.encrypt(context, x)
        with pytest.warns(ScaleWarning, match="differ by 17%") as caught:
            result = fhenn.Sigmoid()(encrypted)
        assert (caught[0].message.scale, round(caught[0].message.prime, -5)) == (2.0**21, 1800000)
        fhenn.Sigmoid()(kind.encrypt(context, other))  # once is enough for parameters, wherever in the code it is
        fhenn.Sigmoid()(kind.encrypt(tenseal_context(8192, TUTORIAL, 21), other))
        with pytest.warns(ScaleWarning):
            fhenn.Sigmoid()(kind.encrypt(tenseal_context(8192, [*TUTORIAL[:-2], 40], 21), other))
        assert kind.levels(result) == {3}
        assert {ciphertext.scale for ciphertext in result.ciphertext()} == {2.0**21}
        error = np.abs(kind.reveal(result, context) - fhenn.Sigmoid()(x)).max()
        assert error <= 0.01  # polyval errs by 0.06, fresh encryption by 0.002 to 0.004

    @pytest.mark.parametrize(
        ("chain", "bits"),
        [
            ([60, 40, 40, 40, 60], 20),
            ([60, 40, 40, 40, 60], 22),
            ([60, 40, 40, 40, 60], 24),
            ([60, 25, 25, 25, 60], 40),
            ([60, 28, 28, 28, 60], 40),
        ],
    )
    @pytest.mark.parametrize("node", [fhenn.Sigmoid(), fhenn.Sigmoid(domain=(-8, 8), degree=3), fhenn.Tanh(degree=3)])
    def test_a_level_to_spare_does_not_let_noise_drown_a_cubic(self, chain, bits, node):
        vector = ts.ckks_vector(tenseal_context(16384, chain, bits), [0.5, -1.0, 2.0])
        with pytest.raises(ScaleMismatch, match=r"Noise would drown the cubic. Use a global_scale of 2\*\*"):
            node(vector)

    @pytest.mark.parametrize("primes", mostly_thorough([23, 24, 25, 26, 28, 30, 35, 40], (1, 7)))
    @pytest.mark.filterwarnings("ignore::fhenn.errors.ScaleWarning")
    def test_any_scale_gives_what_the_twin_gives_or_an_error(self, primes):
        nodes = [fhenn.Sigmoid(), fhenn.Tanh(degree=3), fhenn.Square()]
        nodes += [fhenn.Sigmoid(domain=(-width, width), degree=3) for width in (8, 16)]
        for bits in (primes - 8, primes - 4, primes - 1, primes, primes + 1, primes + 6):
            context = tenseal_context(16384, [60, primes, primes, primes, 60], bits)
            for node in nodes:
                x = np.linspace(*node.domain, 400)
                exact = node.infer(x)
                with suppress(ScaleMismatch):
                    found = np.array(node(ts.ckks_vector(context, x)).decrypt())
                    encryption = 2.0 ** (9 - bits) * max(1.0, np.abs(np.gradient(exact, x)).max())
                    assert np.abs(found - exact).max() <= 1.25 * 2**-7 * max(1.0, np.abs(exact).max()) + encryption

    @pytest.mark.parametrize(
        ("width", "chain", "bits"),
        [(8, [60, 24, 24, 24, 60], 24), (16, [60, 24, 24, 60], 24), (16, [60, 26, 26, 60], 26)],
    )
    def test_nor_do_primes_that_match_and_the_chain_that_is_named_holds_it(self, width, chain, bits):
        node = fhenn.Sigmoid(domain=(-width, width), degree=3)
        x = np.linspace(-width, width, 300)
        with pytest.raises(ScaleMismatch, match="Noise would drown the cubic") as refused:
            node(ts.ckks_vector(tenseal_context(16384, chain, bits), x))
        named = re.search(r"2\*\*(\d+) on the chain (\[.*?\]) at ring degree (\d+)", str(refused.value))
        scale, chain, ring = map(json.loads, named.groups())
        found = node(ts.ckks_vector(tenseal_context(ring, chain, scale), x)).decrypt()
        assert np.abs(np.array(found) - node.infer(x)).max() < 2**-7 + 2.0 ** (9 - scale)

    @pytest.mark.parametrize("bits", [24, 28])
    def test_a_gradient_is_right_or_refused(self, bits):
        slope = fhenn.Sigmoid(domain=(-8, 8), degree=3).polynomial.derivative()
        x, gradient = np.linspace(-8, 8, 300), np.linspace(-1, 1, 300)
        context = tenseal_context(16384, [60, bits, bits, 60], bits)
        both = [ts.ckks_vector(context, values) for values in (x, gradient)]
        if bits == 24:
            with pytest.raises(ScaleMismatch, match="Noise would drown the cubic"):
                tenseal_values.TENSEAL.polynomial_times(slope, *both)
        else:
            found = np.array(tenseal_values.TENSEAL.polynomial_times(slope, *both).decrypt())
            assert np.abs(found - slope(x) * gradient).max() < 2**-7

    def test_too_few_levels_for_that_name_a_chain_that_fits(self):
        context = tenseal_context(8192, TUTORIAL, 21)
        vector = ts.ckks_vector(context, [1.0])
        for _ in range(4):
            vector = vector * 1.0
        with pytest.raises(ScaleMismatch, match=r"2\*\*26 on the chain \[31, 26, 26, 26, 26, 26, 26, 31\]"):
            fhenn.Sigmoid()(vector)
        suggested = ts.ckks_vector(tenseal_context(8192, [31, *[26] * 6, 31], 26), x := band(60))
        for _ in range(4):
            suggested = suggested * 1.0
        assert np.abs(np.array(fhenn.Sigmoid()(suggested).decrypt()) - fhenn.Sigmoid()(x)).max() < 5e-3

    @pytest.mark.parametrize("bits", [41, 36, 38])
    def test_which_exact_scales_take_in_their_stride(self, bits, packed):
        context = tenseal_context(8192, [60, 40, 40, 60], bits)
        parity(fhenn.Sigmoid(), band(10), packed, context, 1e-5)

    def test_but_not_one_that_drowns_in_noise(self, packed):
        context = tenseal_context(8192, [60, 40, 40, 60], 30)
        with pytest.raises(ScaleMismatch, match="close to the primes"):
            fhenn.Sigmoid()(packed.encrypt(context, np.ones(1)))

    def test_a_scale_beyond_any_room(self, packed):
        context = tenseal_context(8192, [30, 30, 30, 60], 55)
        with pytest.raises(ScaleMismatch, match="larger first prime"):
            fhenn.Sigmoid()(packed.encrypt(context, np.ones(1)))

    def test_a_vector_without_a_context(self, small):
        lazy = ts.lazy_ckks_vector_from(ts.ckks_vector(small, [1.0]).serialize())
        with pytest.raises(UnsupportedValue, match="link_context"):
            fhenn.Sigmoid()(lazy)

    def test_an_empty_vector(self, small):
        with pytest.raises(UnsupportedValue, match="empty"):
            fhenn.Sigmoid()(ts.ckks_vector_from(small, b""))

    @pytest.mark.parametrize("flag", ["auto_relin", "auto_rescale", "auto_mod_switch"])
    def test_automatic_steps_that_are_off(self, flag):
        context = tenseal_context(8192, [60, 40, 40, 60], 40)
        setattr(context, flag, False)
        with pytest.raises(UnsupportedValue, match=flag):
            fhenn.Sigmoid()(ts.ckks_vector(context, [1.0]))

    def test_ciphertexts_of_several_levels(self, deep):
        fresh, used = (ts.ckks_vector(deep, [1.0]), ts.ckks_vector(deep, [1.0]) * 1.0)
        bodies = tuple(save_object(v.ciphertext()[0]) for v in (fresh, used))
        mixed = ts.ckks_vector_from(deep, TensealMessage((1, 1), bodies, 2.0**40).encode())
        with pytest.raises(UnsupportedValue, match="several levels"):
            fhenn.Sigmoid()(mixed)


class TestFoundByReview:
    """Faults that were there once."""

    def test_batched_and_unbatched_tensors_do_not_mix(self, small):
        x = band(3, 4, 2)
        node = fhenn.Sigmoid()
        node.enable_cache()
        node(ts.ckks_tensor(small, x, batch=True))
        with pytest.raises(ShapeMismatch):
            node.backward(ts.ckks_tensor(small, x, batch=False))

    @kinds(VECTOR, PACKED)
    def test_gradients_beyond_the_modulus(self, kind, small):
        encrypted = kind.encrypt(small, np.array([1.0, 2.0]))
        for gradient, error in ((1e7, HeadroomExceeded), (1e30, HeadroomExceeded), (np.nan, NonFiniteValue)):
            node = fhenn.Sigmoid()
            node.enable_cache()
            node(encrypted)
            with pytest.raises(error):
                node.backward(gradient)

    def test_a_first_prime_without_room_for_backward(self, packed):
        context = tenseal_context(8192, [30, 40, 40, 60], 40)
        node = fhenn.Sigmoid()
        node.enable_cache()
        array = packed.encrypt(context, np.ones(2))
        backend = backend_of(array)
        with pytest.raises(ScaleMismatch, match="larger first prime"):
            backend.polynomial_times(DERIVATIVE, array, 1.0)

    def test_a_plain_gradient_where_the_square_would_drown_in_noise(self, packed):
        context = tenseal_context(8192, [60, 36, 60, 60], 36)
        array = packed.encrypt(context, np.ones(2))
        with pytest.raises(ScaleMismatch):
            backend_of(array).polynomial_times(DERIVATIVE, array, 1.0)

    def test_plain_input_and_encrypted_gradient_of_another_shape(self, small, packed):
        node = fhenn.Sigmoid()
        node([1.0, 2.0, 3.0])
        with pytest.raises(ShapeMismatch):
            node.backward(packed.encrypt(small, np.ones((2, 3))))

    @kinds(VECTOR, PACKED)
    def test_secrets_of_every_kind(self, kind, small, other):
        node, value = fhenn.Sigmoid(), kind.encrypt(small, np.ones(2))
        on = [partial(on_evaluator, evaluator=name) for name in {"seal", kind.evaluator or "seal"}]
        for secret in (None, small, small.secret_key(), *(each(small) for each in on)):
            assert node.check(value, secret) is None
        for secret in (other, *(each(other) for each in on)):
            with pytest.raises(ContextMismatch):
                node.check(value, secret)
        for secret in ("key", 0):
            with pytest.raises(UnsupportedValue):
                node.check(value, secret)

    def test_too_few_levels_without_a_global_scale(self):
        context = ts.context(ts.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 60], n_threads=1)
        with pytest.raises(LevelExhausted):
            fhenn.Sigmoid()(ts.ckks_vector(context, [1.0], scale=2.0**40))

    def test_the_suggested_parameters_do(self, tiny, packed):
        node = fhenn.Sigmoid()
        spent = node(packed.encrypt(tiny, np.ones(1)))
        with pytest.raises(LevelExhausted) as caught:
            node(spent)
        chain, degree = re.search(r"sizes=\[([^]]+)\].*degree=(\d+)", str(caught.value)).groups()
        context = tenseal_context(int(degree), [int(bits) for bits in chain.split(",")], 23)
        compare(packed.reveal(node(node(packed.encrypt(context, np.ones(1)))), context), node(node([1.0])), 0.1)

    def test_debugging_sees_the_headroom_too(self, tiny, packed):
        node = fhenn.Sigmoid(on_violation="ignore", debug_secret=tiny)
        with pytest.raises(HeadroomExceeded):
            node(packed.encrypt(tiny, np.array([12.0])))


@pytest.fixture(scope="module")
def wide():
    return tenseal_context(8192, [60, 60, 36, 60], 36)


class TestWidePrime:
    """One wide prime takes the place of two: a prime less under every key switch, and x² is not rounded."""

    def test_parity_and_levels(self, wide, features):
        node, x = fhenn.Sigmoid(), band(4096, 1)
        linear = fhenn.Linear([[1.0]])
        before = linear(features.encrypt(wide, x))
        after = node(before)
        assert before.level - after.level == 1
        assert features.levels(after) == {0}
        compare(features.reveal(after, wide), node(x), 1e-8)

    def test_backward_too(self, wide, packed):
        x, g = band(9), band(9)
        node = fhenn.Sigmoid()
        node.enable_cache()
        # a level down, the wide prime comes next
        low, gradient = (packed.at_level(packed.encrypt(wide, values), 1) for values in (x, g))
        node(low)
        compare(packed.reveal(node.backward(gradient), wide), DERIVATIVE(x) * g, 1e-7)

    @pytest.mark.parametrize("share", [0.98, -0.98, -1.02])
    def test_headroom_is_sharp(self, wide, share, packed):
        node = fhenn.Sigmoid(on_violation="ignore")
        array = packed.at_level(packed.encrypt(wide, np.ones(1)), 1)
        x = np.full(4096, share * node.headroom(array))
        result = node(packed.at_level(packed.encrypt(wide, x), 1))
        error = np.abs(packed.reveal(result, wide) / node(x) - 1).max()
        assert (error < 0.1) == (abs(share) < 1)

    def test_no_room_is_said(self, packed):
        context = tenseal_context(8192, [40, 60, 40, 60], 36)
        array = packed.at_level(packed.encrypt(context, np.ones(1)), 1)
        with pytest.raises(ScaleMismatch, match="wide prime"):
            fhenn.Sigmoid()(array)

    def test_no_level_left(self, wide, packed):
        with pytest.raises(LevelExhausted, match="the ciphertext has 0"):
            fhenn.Sigmoid()(packed.at_level(packed.encrypt(wide, np.ones(1)), 0))
