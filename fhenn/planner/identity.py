"""How models are told apart: by the names and shapes of their nodes, and by a digest of their weights."""

from __future__ import annotations

import re
from hashlib import sha256

from fhenn.nn import FORK, JOIN, MULTIPLY, SWAP, Affine, Dense, Linear, Node, Sequential, Step, Wiring, circuit, wired

AFFINE = re.compile(r"[A-Za-z_](?:\w*[A-Za-z_])?([0-9]{1,9})x([0-9]{1,9})", re.ASCII)
"""What a signature calls an affine layer: its kind, inputs and outputs, as "Linear3x1"."""


_WIRING = frozenset(each.name for each in (FORK, SWAP, JOIN, MULTIPLY))


def is_affine(name: str) -> bool:
    """Whether a name in a signature is that of an affine layer."""
    return AFFINE.fullmatch(name) is not None


def is_wiring(name: str) -> bool:
    """Whether a name in a signature is that of what parts branches or brings them together."""
    return name in _WIRING


def signature_of(model: Node) -> tuple[str, ...]:
    """The names and shapes of a model's nodes, and its finish.

    model: any node.

    >>> signature_of(Linear([[1.0, 2.0]]))
    ('Linear2x1', 'finish=None')
    """
    finish = model.finish if isinstance(model, Sequential) else None
    return (*map(node_signature, circuit(model)), f"finish={finish}")


def image_shape_of(model: Node) -> tuple[int, ...] | None:
    """The shape of a sample that is an image, as (channels, height, width); None where samples are none.

    model: any node.
    """
    shape = model.input_shape
    return shape if shape is not None and len(shape) > 1 else None


def node_signature(node: Step) -> str:
    """How one node is called in a signature.

    node: affine, named with its inputs and outputs, an activation, named with its degrees and domain, or wiring.

    >>> node_signature(Linear([[1.0, 2.0]]))
    'Linear2x1'
    """
    if isinstance(node, Wiring):
        return node.name
    if isinstance(node, Affine):
        # a Linear is named so whatever its class is called: clients read shapes by that name
        name = "Linear" if isinstance(node, Linear) else node.name
        # a name that ends in a digit would be read as part of the inputs
        return f"{name}{'_' if name[-1].isdigit() else ''}{node.inputs}x{node.outputs}"
    degrees = ",".join(str(each.degree) for each in node.polynomials)
    return f"{node.name}{degrees}[{node.domain[0]:g},{node.domain[1]:g}]"


def fingerprint_of(model: Node) -> str:
    """16 hexadecimal digits that differ from model to model, and with every weight.

    model: any node.

    >>> import fhenn
    >>> fingerprint_of(fhenn.Linear([[1.0]])) == fingerprint_of(fhenn.Linear([[1.5]]))
    False
    """
    digest = sha256(repr(signature_of(model)).encode())
    # layer by layer: products of matrices differ in the last bit by how the matrices lie in memory
    for node in wired(model):
        if isinstance(node, Wiring):
            continue
        if isinstance(node, Affine):
            # a dense operator goes without its name: so it was before there were others
            kind = b"" if isinstance(node.operator, Dense) else node.operator.name.encode()
            digest.update(kind + node.operator.content + node.bias.tobytes())
        else:
            digest.update(repr([(each.coefficients, each.domain, each.basis) for each in node.polynomials]).encode())
    return digest.hexdigest()[:16]
