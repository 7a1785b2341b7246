"""What the tests share: the kinds of ciphertext, keys on either evaluator, and the one parity helper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pytest
import tenseal as ts
from numpy.typing import NDArray

import fhenn
from fhenn.backends import context_class
from fhenn.backends.seal.wire import save_object
from fhenn.ckks.messages import TensealMessage
from fhenn.ckks.sums import drop_to

Floats = NDArray[np.float64]


def mostly_thorough(every: Iterable[Any], quick: Iterable[int]) -> list[Any]:
    """Values of a parameter, of which all but those at the places `quick` are left to the thorough tests."""
    kept = set(quick)
    return [
        value
        if place in kept
        else pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.thorough)
        for place, value in enumerate(every)
    ]


def at_length(name: str, some: Any, many: Any) -> pytest.MarkDecorator:
    """Run a test with `some` for the argument `name` among the thorough ones, and with `many` among those that soak."""
    return pytest.mark.parametrize(
        name,
        [
            pytest.param(*(value if "," in name else (value,)), marks=mark)
            for value, mark in ((some, pytest.mark.thorough), (many, pytest.mark.soak))
        ],
    )


def tenseal_context(ring_degree: int, chain: list[int], scale_bits: float, galois: bool = False) -> ts.Context:
    context = ts.context(ts.SCHEME_TYPE.CKKS, ring_degree, coeff_mod_bit_sizes=chain, n_threads=1)
    context.global_scale = 2.0**scale_bits
    if galois:
        context.generate_galois_keys()
    return context


def without_secret(context: ts.Context, **keep: bool) -> ts.Context:
    """The context as a server gets it."""
    return ts.context_from(context.serialize(save_secret_key=False, **keep), n_threads=1)


def on_evaluator(keys: ts.Context | fhenn.Context, evaluator: str) -> fhenn.Context:
    """A context of keys that SEAL made, on which an evaluator computes."""
    return _native_of(keys) if evaluator == "native" else _seal_of(keys)


def _seal_of(keys: ts.Context | fhenn.Context) -> fhenn.Context:
    return fhenn.Context.from_tenseal(keys) if isinstance(keys, ts.Context) else keys


@lru_cache(maxsize=8)
def _native_of(keys: ts.Context | fhenn.Context) -> fhenn.Context:
    """Kept, since it reads the keys, which takes longer than most of what is done with them."""
    ours = _seal_of(keys)
    # TenSEAL makes a rotation key for every power of two: seconds to read, and nothing here takes them
    without_rotations = isinstance(keys, ts.Context) and keys.has_galois_keys()
    return context_class("native")(ours, ours.evaluation_bytes() if without_rotations else None)


@dataclass(frozen=True)
class Kind:
    """One kind of ciphertext: how to make it, read it, and see its level and scale.

    evaluator: that computes on it; None for TenSEAL's own values, on which SEAL does whatever else is there.
    """

    name: str
    encrypt: Callable[[ts.Context, Floats], Any]
    reveal: Callable[[Any, ts.Context], Floats]
    ciphertexts: Callable[[Any], list[Any]]
    evaluator: str | None = None

    def at_level(self, value: Any, level: int) -> Any:
        """A copy brought down to `level` by dropping primes; the message stays what it is."""
        if isinstance(value, fhenn.CipherArray):
            return drop_to(value, level)
        on = fhenn.Context.from_tenseal(value.context()).arithmetic
        message = TensealMessage.decode(value.serialize())
        handles = (on.wrap(each, each.coeff_modulus_size() - 1, each.scale) for each in value.ciphertext())
        lower = tuple(save_object(on.unwrap(on.drop(handle, level))) for handle in handles)
        return type(value).load(value.context(), replace(message, ciphertexts=lower).encode())

    def levels(self, value: Any) -> set[int]:
        return set(map(level_of, self.ciphertexts(value)))

    def scales(self, value: Any) -> set[float]:
        return {ciphertext.scale for ciphertext in self.ciphertexts(value)}

    def __str__(self) -> str:
        return self.name


def _of_tenseal(value: Any, context: ts.Context) -> Floats:
    plain = value.decrypt(context.secret_key())
    return np.array(plain if isinstance(plain, list) else plain.tolist())


VECTOR = Kind("CKKSVector", lambda c, x: ts.ckks_vector(c, x.tolist()), _of_tenseal, lambda v: v.ciphertext())
TENSOR = Kind("CKKSTensor", ts.ckks_tensor, _of_tenseal, lambda v: v.ciphertext())
BATCHED = Kind("batched CKKSTensor", lambda c, x: ts.ckks_tensor(c, x, batch=True), _of_tenseal, TENSOR.ciphertexts)
TENSEAL_KINDS = (VECTOR, TENSOR, BATCHED)


def array_kind(layout: str, evaluator: str) -> Kind:
    """A `CipherArray` in a layout, on an evaluator."""
    on = partial(on_evaluator, evaluator=evaluator)
    return Kind(
        f"{layout} CipherArray, {evaluator}",
        lambda c, x: fhenn.encrypt(on(c), x, layout=layout),
        lambda v, c: fhenn.decrypt(on(c), v),
        lambda v: list(v.ciphertexts),
        evaluator,
    )


PACKED = {name: array_kind("packed", name) for name in ("native", "seal")}
"""By evaluator."""

FEATURES = {name: array_kind("features", name) for name in ("native", "seal")}
"""By evaluator."""


def kinds(*every: Kind | dict[str, Kind], thorough: tuple[Kind, ...] = ()) -> pytest.MarkDecorator:
    """Run a test with each kind of ciphertext as its argument `kind`, `CipherArray`s on each evaluator.

    thorough: kinds that are left to the thorough tests, as SEAL's `CipherArray`s are.
    """
    quick = [kind for each in every for kind in (each.values() if isinstance(each, dict) else [each])]
    left = [*thorough, *(kind for kind in quick if kind.evaluator == "seal")]
    values = [kind for kind in quick if kind not in left]
    return pytest.mark.parametrize(
        "kind", [*values, *(pytest.param(kind, marks=pytest.mark.thorough) for kind in left)], ids=str
    )


on_each = pytest.mark.usefixtures("evaluator")
"""Run a test on each evaluator, which is what plans and keys are for then; nothing of it may be made before."""


def content(ciphertext: Any) -> bytes:
    """Of a ciphertext as its evaluator holds it."""
    return save_object(ciphertext) if hasattr(ciphertext, "parms_id") else ciphertext.residues.tobytes()


def level_of(ciphertext: Any) -> int:
    """Of a ciphertext as its evaluator holds it."""
    return ciphertext.coeff_modulus_size() - 1 if hasattr(ciphertext, "parms_id") else ciphertext.level


def shaped(kind: Kind, x: Floats) -> Floats:
    """`x` in a shape that the kind holds."""
    return x.reshape(-1) if kind is VECTOR else x


def parity(node: fhenn.Node, x: Floats, kind: Kind, context: ts.Context, bound: float) -> Any:
    """Run `node` on the twin and on a ciphertext of `x`; return the encrypted result.

    bound: largest |decrypted - twin| allowed.
    """
    encrypted = kind.encrypt(context, x)
    result = node.forward(encrypted)
    assert type(result) is type(encrypted)
    compare(kind.reveal(result, context), node.forward(x), bound)
    return result


def seal_of(context: Any) -> Any:
    """SEAL's context of the same keys, whatever computes with them."""
    return getattr(context, "seal", context)


def gain(got: Any, expected: Any) -> float:
    """By how much `got` is `expected` scaled up, all slots together: noise averages out, a wrong constant does not."""
    got, expected = np.asarray(got), np.asarray(expected)
    return float((got * expected).sum() / (expected * expected).sum()) - 1


def compare(got: Any, expected: Any, bound: float) -> None:
    """Equal shapes, and no element further apart than `bound`."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    difference = float(np.abs(got - expected).max())
    assert difference <= bound, f"largest difference {difference:.3g} exceeds {bound:.3g}"
