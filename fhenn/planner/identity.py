"""What tells one model from another: the names and shapes of its nodes, and a digest of its weights."""

from __future__ import annotations

from hashlib import sha256

from fhenn.nn import Activation, Linear, Node, Sequential
from fhenn.planner.walk import flatten


def signature_of(model: Node) -> tuple[str, ...]:
    """The names and shapes of a model's nodes, and its finish.

    >>> signature_of(Linear([[1.0, 2.0]]))
    ('Linear2x1', 'finish=None')
    """
    finish = model.finish if isinstance(model, Sequential) else None
    return (*map(described, flatten(model)), f"finish={finish}")


def described(node: Linear | Activation) -> str:
    """Name and shape of a node, or its polynomials' degrees and domain."""
    if isinstance(node, Linear):
        return f"Linear{node.weight.shape[1]}x{node.weight.shape[0]}"
    stages = ",".join(str(stage.degree) for stage in node.stages)
    return f"{node.name}{stages}[{node.domain[0]:g},{node.domain[1]:g}]"


def fingerprint_of(model: Node) -> str:
    """16 hexadecimal digits that tell a model, its weights included, from another.

    >>> import fhenn
    >>> fingerprint_of(fhenn.Linear([[1.0]])) == fingerprint_of(fhenn.Linear([[1.5]]))
    False
    """
    digest = sha256(repr(signature_of(model)).encode())
    for node in flatten(model):
        if isinstance(node, Linear):
            digest.update(node.weight.tobytes() + node.bias.tobytes())
        else:
            digest.update(repr([(stage.coefficients, stage.domain, stage.basis) for stage in node.stages]).encode())
    return digest.hexdigest()[:16]
