"""The server's side of a witness: the number that says whether an activation's inputs left its domain.

What it reveals to the client, beside the result: of an output's activation |x - c| itself (some d²/2 chosen samples
then give WᵀW of a layer of d inputs; its outputs give as much, inside the domain); of a hidden layer one number for
all of its neurons. And what a client does next reveals something to the server: one that asks again after a violation
tells that there was one.
"""

from __future__ import annotations

from typing import cast

from fhenn.backends import CipherOperations, backend_of
from fhenn.ckks import CipherArray
from fhenn.nn import Activation
from fhenn.planner import Witness
from fhenn.planner.witness import doublings
from fhenn.planner.witness_choice import meets_square


def observe(node: Activation, x: CipherArray, witness: Witness) -> tuple[CipherArray, CipherArray]:
    """An activation's output, and the witness of its input.

    node: the activation.
    x: its input, (samples, features).
    witness: of it, as the plan says.

    Returns the output, (samples, features), and the witness: (samples, features), or (samples, 1) for a hidden layer.
    For an activation of one polynomial at the model's end, it takes no more products of ciphertexts than the output.
    Raises what `forward` raises.
    """
    on = cast(CipherOperations, backend_of(x))
    if witness.degree > 2:
        result, start = node.infer(x), on.drop_to(x, witness.start)
        number = on.chebyshev_power(witness.polynomial.domain, doublings(witness.degree), start)
    elif meets_square(node, witness.domain):
        result, number = on.polynomial_and_square(node.polynomial, x)
    else:
        result, number = node.infer(x), on.square(witness.domain, x)
    number = on.drop_to(number, witness.level)
    return result, number if witness.neurons == 1 else on.sum_features(number)
