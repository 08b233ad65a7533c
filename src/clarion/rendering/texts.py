"""Short texts, of text and push messages: their templates are read and bounded like those of an email.

Nothing here renders for a person. Where to read next: `templates` (the engine), `language` (what may be written).
"""

from __future__ import annotations

import re
from typing import Final

from clarion.domain.errors import Problem
from clarion.rendering.faults import LanguageFault
from clarion.rendering.language import read_template
from clarion.rendering.nodes import Node
from clarion.rendering.templates import RenderFault, compile_source

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_GIVEN: Final = {"account": {"id": "", "name": ""}, "campaign": {"id": "", "name": ""}}


def check_template(source: str, field: str, limit: int) -> list[Problem]:
    """Everything that is wrong with the template of a short text; an empty list means it compiles."""
    problems: list[Problem] = []
    nodes = read_text(source, field, limit, problems)
    if problems:
        return problems
    try:
        template = compile_source(nodes, _GIVEN)
    except RenderFault as fault:
        return [Problem(field, "template", str(fault))]
    if template.is_too_expensive():
        return [Problem(field, "tooExpensive", "the text could grow without measure")]
    return []


def read_text(source: str, field: str, limit: int, problems: list[Problem]) -> list[Node]:
    """Reads the template of a short text; what is wrong with it is added to `problems`, and then there is nothing."""
    if len(source) > limit:
        problems.append(Problem(field, "maxLength", f"must have at most {limit} characters"))
    elif control := _CONTROL.search(source):
        message = f"the text holds a control character (U+{ord(control[0]):04X})"
        problems.append(Problem(field, "characters", message))
    else:
        try:
            return read_template(source)
        except LanguageFault as fault:
            problems.append(Problem(field, fault.rule, f"line {fault.line}: {fault.message}"))
    return []
