"""The server's side of a witness: the number that says whether an activation's inputs left its domain.

What it reveals to the client, beside the result: of an output's activation |x - c| itself (some d²/2 chosen samples
then give WᵀW of a layer of d inputs; its outputs give as much, inside the domain); of a hidden layer one number for
all of its neurons. And what a client does next reveals something to the server: one that asks again after a violation
tells that there was one.
"""

from __future__ import annotations

from fhenn.backends.seal import CipherArray
from fhenn.backends.seal.cipher import CipherBackend
from fhenn.backends.seal.total import at, summed
from fhenn.nn import Activation
from fhenn.planner import Witness
from fhenn.planner.witness import doublings
from fhenn.planner.witnesses import meets_square

_BACKEND = CipherBackend()


def observe(node: Activation, x: CipherArray, witness: Witness) -> tuple[CipherArray, CipherArray]:
    """The node's output, and the witness of its input: (samples, outputs), or (samples, 1) for a hidden layer.

    Takes no product of ciphertexts more than the output does for an activation of one polynomial at the model's end.
    Raises as `forward` does.
    """
    if witness.degree > 2:
        result = node.infer(x)
        number = _BACKEND.doubled(witness.polynomial.domain, doublings(witness.degree), at(x, witness.start))
    elif meets_square(node):
        result, number = _BACKEND.polynomial_and_square(node.polynomial, x)
    else:
        result, number = node.infer(x), _BACKEND.square(node.domain, x)
    number = at(number, witness.level)
    return result, number if witness.neurons == 1 else summed(number)
