"""What a client reads of an answer's witnesses and outputs: which samples must not be used, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fhenn.ckks import CipherArray, Context, decrypt
from fhenn.errors import ViolationReport, WireFormatError
from fhenn.planner import Plan, Witness
from fhenn.planner.overflow import largest_beside
from fhenn.safety import Certificate
from fhenn.safety.outputs import are_outside

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Suspicion:
    """Which samples of an answer are suspected so far.

    total: how many samples there are.
    group: how many share a ciphertext, in order.
    """

    def __init__(self, total: int, group: int) -> None:
        self._groups = np.arange(total) // group
        self._alarms: dict[str, Flags] = {}
        self.spoilt: Flags = np.zeros(total, bool)
        """Samples whose ciphertext holds one that may have overflown."""

    def add(self, source: str, alarms: Flags, over: Flags) -> None:
        """Note what one source shows.

        source: as the report names it.
        alarms: samples that it accuses.
        over: those of them that may have spoilt all samples of their ciphertext.
        """
        self._alarms[source] = alarms | over
        self.spoilt |= np.isin(self._groups, self._groups[over])

    @property
    def flagged(self) -> Flags:
        """All samples that must not be used."""
        flagged = self.spoilt.copy()
        for alarms in self._alarms.values():
            flagged |= alarms
        return flagged

    def report(self) -> ViolationReport | None:
        """The samples that must not be used; None where there is none."""
        flagged = self.flagged
        if not flagged.any():
            return None
        accused = np.any(list(self._alarms.values()), axis=0)
        found = {source: _places(alarms) for source, alarms in self._alarms.items() if alarms.any()}
        return ViolationReport(_places(flagged), len(flagged), found, _places(flagged & ~accused))


def _places(flags: Flags) -> tuple[int, ...]:
    return tuple(map(int, np.flatnonzero(flags)))


def read_witnesses(context: Context, plan: Plan, witnesses: Sequence[bytes], outputs: tuple[int, int]) -> Suspicion:
    """What the witnesses of an answer show.

    context: with the secret key.
    plan: that the answer is for.
    witnesses: messages, one for each of the plan's; or none.
    outputs: shape (samples, outputs) of the answer's result.

    Raises WireFormatError where they are not those of the plan.
    """
    suspicion = Suspicion(outputs[0], plan.samples_per_ciphertext)
    if witnesses and len(witnesses) != len(plan.witnesses):
        raise WireFormatError("answer", f"it holds {len(witnesses)} witnesses, the plan has {len(plan.witnesses)}")
    for witness, message in zip(plan.witnesses, witnesses, strict=False):
        array = CipherArray.from_bytes(context, message)
        if array.level != witness.level or len(array.shape) != 2:
            raise WireFormatError("answer", f"a witness is at level {array.level}, not {witness.level}")
        numbers = decrypt(context, array)
        expected = (outputs[0], outputs[1] if witness.neurons == 1 else 1)
        if numbers.shape[0] != outputs[0] or (witness.neurons > 1 and numbers.shape != expected):
            raise WireFormatError("answer", f"a witness has shape {numbers.shape}, not {expected}")
        over = witness.condemns(numbers, largest_beside(fits(context, array), witness.error))
        suspicion.add(_name(witness), witness.alarms(numbers), over)
    return suspicion


def _name(witness: Witness) -> str:
    return f"witness of {witness.node} (node {witness.place})"


def add_outputs(
    suspicion: Suspicion,
    plan: Plan,
    certificate: Certificate | None,
    scores: Floats,
    over: Flags,
    error: float | Floats,
) -> None:
    """Note what the outputs of an answer show.

    suspicion: what its witnesses show.
    plan: that it is for.
    certificate: that holds for it, None for none.
    scores: decrypted, (samples, outputs), in the model's units.
    over: samples with an output beyond what its ciphertext surely holds, (samples,).
    error: the largest error of a score, one or (outputs,).
    """
    suspicion.add("outputs that may not fit their modulus", over, over)
    nobody = np.zeros(len(scores), bool)
    if plan.outputs is not None:
        suspicion.add("outputs that no input in the domain gives", are_outside(scores, plan.outputs, error), nobody)
    if certificate is not None:
        suspicion.add("outputs that the certificate excludes", are_outside(scores, certificate.output, error), nobody)


def fits(context: Context, array: CipherArray) -> float:
    """The largest magnitude that the modulus of an array holds.

    context: of its keys.
    array: that is decrypted.
    """
    return context.modulus(array.level) / 2 / array.scale
