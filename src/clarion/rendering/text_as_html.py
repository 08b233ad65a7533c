"""A plain text as HTML: what its author typed is escaped and keeps its lines; what is printed into it is escaped later.

Takes the template of a text that says something and prints values, without conditions or loops. Where to read next:
`language`.
"""

from __future__ import annotations

import html
from typing import Final

from clarion.domain.errors import Invalid, Problem
from clarion.rendering.faults import LanguageFault
from clarion.rendering.language import read_template
from clarion.rendering.nodes import Hole, Node, Text
from clarion.rendering.translation.writing import literal, source_of

_LINE: Final = "<br>\n"


def text_as_html(source: str, *, field: str = "text") -> str:
    """The template of a text as one of HTML.

    Raises:
        Invalid: it is no template, or has more than texts and printed values.
    """
    try:
        return "".join(_written(node, field) for node in read_template(source))
    except LanguageFault as fault:
        raise Invalid(Problem(field, fault.rule, f"line {fault.line}: {fault.message}")) from None


def _written(node: Node, field: str) -> str:
    if isinstance(node, Text):
        return literal(html.escape(node.text.replace("\r\n", "\n").replace("\r", "\n")).replace("\n", _LINE))
    if isinstance(node, Hole):
        return f"{{{{ {source_of(node.expr)} }}}}"
    raise Invalid(Problem(field, "tag", "a plain text only prints values"))
