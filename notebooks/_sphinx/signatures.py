"""Signatures as they are written: with the names of types that readers know, not with what these expand to."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from _sphinx.public import definition, full_name

_LONGEST = 40
"""Characters of a default value; a longer one is `...`."""


def signature_of(value: Any) -> tuple[str, str] | None:
    """The arguments and the result of something that is called, as text; None where Python does not know them."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    module = value.__module__
    parameters = [
        each.replace(
            annotation=_written(each.annotation, module), default=_Shown.of(each.default, inspect.Parameter.empty)
        )
        for each in signature.parameters.values()
        if each.name not in ("self", "cls")
    ]
    result = inspect.Signature.empty if inspect.isclass(value) else signature.return_annotation
    returned = _written(result, module)
    text = str(inspect.Signature(parameters))
    return text, "" if returned is inspect.Signature.empty else str(returned)


def types_of(value: Any) -> dict[str, str]:
    """The arguments of something that is called, and their types as text, "" where none is written."""
    try:
        parameters = inspect.signature(value).parameters
    except (TypeError, ValueError):
        return {}
    empty = inspect.Parameter.empty
    return {
        name: "" if each.annotation is empty else str(_written(each.annotation, value.__module__))
        for name, each in parameters.items()
    }


class _Shown(str):
    """A text that `repr` does not put into quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    @classmethod
    def of(cls, value: Any, empty: Any) -> Any:
        """A default value as it is written, `...` where that is long or says nothing."""
        if value is empty:
            return value
        text = repr(value)
        try:
            ast.parse(text, mode="eval")
        except SyntaxError:
            return cls("...")
        return cls(text if len(text) <= _LONGEST else "...")


def _written(annotation: Any, module: str) -> Any:
    if annotation is inspect.Parameter.empty:
        return annotation
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return _Shown(text)
    return _Shown(ast.unparse(_Expanded(module).visit(tree)))


class _Expanded(ast.NodeTransformer):
    """Puts what private names of types stand for in their place; public ones stay, and link to their pages."""

    def __init__(self, module: str) -> None:
        self._module = module

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A name: as it is, or what it stands for."""
        if full_name(node.id):
            return node
        found = definition(self._module, node.id)
        if found is None or not isinstance(found[1], ast.Subscript | ast.BinOp | ast.Name | ast.Attribute):
            return node
        return _Expanded(found[0]).visit(ast.parse(ast.unparse(found[1]), mode="eval").body)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`np.float64` is float64."""
        return ast.Name(node.attr) if isinstance(node.value, ast.Name) and node.value.id == "np" else node
