"""Matrix products on SEAL's ciphertexts of whole samples (`fhenn.ckks.matrix`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from fhenn.backends.seal import evaluator
from fhenn.backends.seal.evaluator import Landing
from fhenn.ckks.layout import Vectors
from fhenn.ckks.matrix import Schedule, weights_of
from fhenn.steps import counted

if TYPE_CHECKING:
    from fhenn.backends.seal.array import CipherArray
    from fhenn.backends.seal.context import Context


@dataclass(frozen=True)
class Encoded:
    """A matrix encoded once for a context, level and scale. Entries None stand for zeros, which need no product."""

    schedule: Schedule
    plaintexts: tuple[tuple[Any | None, ...], ...]
    bias: Any | None


def encode(
    context: Context,
    layout: Vectors,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64] | None,
    at: tuple[int, float],
    landing: Landing,
) -> Encoded:
    """The matrix for inputs at level and scale `at`; kept with the context while the weight lives."""
    key = (id(weight), id(bias), layout, at)
    known = context.encoded.get(key)
    if known is not None and known[0]() is weight:
        found: Encoded = known[1]
        return found
    schedule = Schedule.of(layout, weight.shape[0], context.slots)
    values = weights_of(schedule, layout, weight, context.slots)
    plaintexts = tuple(
        tuple(_encoded(context, row, at[0], landing.plain_scale) for row in counted(tile))
        for tile in counted(values, share=1 / 2)  # the products come after
    )
    constant = None
    if bias is not None and np.any(bias):
        padded = np.zeros(schedule.outputs)
        padded[: len(bias)] = bias
        rows = np.repeat(np.resize(padded, context.slots // layout.samples), layout.samples)
        constant = context.encode(rows.tolist(), landing.level, landing.scale)
    encoded = Encoded(schedule, plaintexts, constant)
    context.encoded[key] = (ref(weight, lambda _: context.encoded.pop(key, None)), encoded)
    return encoded


def _encoded(context: Context, values: NDArray[np.float64], level: int, scale: float) -> Any | None:
    if not np.any(values):
        return None
    plaintext = context.encode(values.tolist(), level, scale)
    return None if plaintext.is_zero() else plaintext


def multiply(
    x: CipherArray, layout: Vectors, weight: NDArray[np.float64], bias: NDArray[np.float64] | None, landing: Landing
) -> CipherArray:
    """x Wᵀ + b, as the landing says, in layout "replicated" with period m.

    Raises KeyMissing where a rotation key is missing, ShapeMismatch where the packing is for another matrix.
    """
    context = x.context
    encoded = encode(context, layout, weight, bias, (x.level, x.scale), landing)
    results = []
    for start in counted(range(0, len(x.ciphertexts), layout.tiles)):
        product = _product(context, x.ciphertexts[start : start + layout.tiles], encoded, landing)
        if product is None:
            product = context.encrypt_slots(0.0, landing.level, landing.scale)
        if encoded.bias is not None:
            context.evaluator.add_plain_inplace(product, encoded.bias)
        results.append(product)
    outcome = Vectors("replicated", encoded.schedule.outputs, layout.samples)
    shape = (x.shape[0], weight.shape[0])
    return replace(x, shape=shape, layout=outcome, ciphertexts=tuple(results), level=landing.level, scale=landing.scale)


def _product(context: Context, tiles: tuple[Any, ...], encoded: Encoded, landing: Landing) -> Any | None:
    """The matrix product of one group of samples, None where every weight is zero."""
    schedule = encoded.schedule
    inner: list[Any | None] = [None] * schedule.giants
    term = seal.Ciphertext()
    for ciphertext, plaintexts in counted(list(zip(tiles, encoded.plaintexts, strict=True)), share=3 / 4):
        turned = ciphertext
        for baby in counted(range(schedule.baby)):
            if baby:
                turned = context.rotate(turned, schedule.samples)
            for giant in range(schedule.giants):
                plaintext = plaintexts[giant * schedule.baby + baby]
                if plaintext is None:
                    continue
                total = inner[giant]
                if total is None:
                    inner[giant] = total = seal.Ciphertext()
                    context.evaluator.multiply_plain(turned, plaintext, total)
                else:
                    context.evaluator.multiply_plain(turned, plaintext, term)
                    context.evaluator.add_inplace(total, term)
    # Horner: one key serves every giant step
    outer: Any | None = None
    for total in counted(inner[::-1]):
        if outer is not None:
            outer = context.rotate(outer, schedule.baby * schedule.samples)
        outer = evaluator.sum_of(context, outer, total)
    if outer is None:
        return None
    # folding after the rescale: a level fewer makes every key switch cheaper
    landing.rescale(context, outer)
    for fold in schedule.folds:
        context.evaluator.add_inplace(outer, context.rotate(outer, fold * schedule.samples))
    return outer
