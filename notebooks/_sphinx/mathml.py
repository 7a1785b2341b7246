"""Formulas as MathML, made when the site is built: no script and no font from elsewhere."""

from __future__ import annotations

from html import escape

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_LOG = logging.getLogger(__name__)


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    """A formula in a line."""
    writer.body.append(_mathml(node, "inline"))
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """A formula by itself."""
    writer.body.append(f"{writer.starttag(node, 'div', CLASS='math')}{_mathml(node, 'block')}</div>\n")
    raise nodes.SkipNode


def _mathml(node: nodes.Element, display: str) -> str:
    """A formula; one that cannot be read is a warning and stands as it is written."""
    try:
        return convert(node.astext(), display=display)
    except Exception as error:
        _LOG.warning("not a formula: %r (%s)", node.astext(), type(error).__name__, location=node)
        return f"<code>{escape(node.astext())}</code>"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
