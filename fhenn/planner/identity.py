"""What tells one model from another: the names and shapes of its nodes, and a digest of its weights."""

from __future__ import annotations

import re
from hashlib import sha256

from fhenn.nn import Activation, Affine, Dense, Linear, Node, Sequential, layers

AFFINE = re.compile(r"[A-Za-z_]\w*?([0-9]{1,9})x([0-9]{1,9})", re.ASCII)
"""What a signature calls an affine layer: its kind, inputs and outputs, as "Linear3x1"."""


def signature_of(model: Node) -> tuple[str, ...]:
    """The names and shapes of a model's nodes, and its finish.

    >>> signature_of(Linear([[1.0, 2.0]]))
    ('Linear2x1', 'finish=None')
    """
    finish = model.finish if isinstance(model, Sequential) else None
    return (*map(described, layers(model)), f"finish={finish}")


def described(node: Affine | Activation) -> str:
    """Name and shape of a node, or its polynomials' degrees and domain."""
    if isinstance(node, Affine):
        # a Linear is named so whatever its class is called: clients read shapes by that name
        return f"{'Linear' if isinstance(node, Linear) else node.name}{node.inputs}x{node.outputs}"
    stages = ",".join(str(stage.degree) for stage in node.stages)
    return f"{node.name}{stages}[{node.domain[0]:g},{node.domain[1]:g}]"


def fingerprint_of(model: Node) -> str:
    """16 hexadecimal digits that tell a model, its weights included, from another.

    >>> import fhenn
    >>> fingerprint_of(fhenn.Linear([[1.0]])) == fingerprint_of(fhenn.Linear([[1.5]]))
    False
    """
    digest = sha256(repr(signature_of(model)).encode())
    for node in layers(model):
        if isinstance(node, Affine):
            # a dense operator goes without its name: so it was before there were others
            kind = b"" if isinstance(node.operator, Dense) else node.operator.name.encode()
            digest.update(kind + node.operator.content + node.bias.tobytes())
        else:
            digest.update(repr([(stage.coefficients, stage.domain, stage.basis) for stage in node.stages]).encode())
    return digest.hexdigest()[:16]
