"""Breaks very long lines of an HTML template where that changes nothing: inside its tags.

Mail may not hold lines of more than 998 octets (RFC 5322 §2.1.1), and pages made by editors are often one line. Where
the places are is found by `markup`; what is still too long when rendered is dealt with in `email`.
"""

from __future__ import annotations

from typing import Final

from clarion.rendering.nodes import Hole, Loop, Node, Text

_LINE: Final = 400
"""Characters after which the next chance is taken."""


def folded(nodes: list[Node], folds: list[tuple[int, int]]) -> list[Node]:
    """The template with line ends put in at some of `folds`, which are places as (node, offset in its text)."""
    places: dict[int, list[int]] = {}
    for index, offset in folds:
        places.setdefault(index, []).append(offset)
    column, out = 0, list[Node]()
    for index, node in enumerate(nodes):
        if isinstance(node, Text):
            text, column = _broken(node.text, places.get(index, []), column)
            out.append(Text(text, node.line))
        else:
            # What a loop prints may all be one line, so its body is broken at the first chance.
            column = _LINE + 1 if isinstance(node, Loop) else column + isinstance(node, Hole) * 40
            out.append(node)
    return out


def _broken(text: str, places: list[int], column: int) -> tuple[str, int]:
    pieces, done = [], 0
    for place in places:
        last = text.rfind("\n", done, place)
        here = place - last - 1 if last >= 0 else column + place - done
        following = text.find("\n", place)
        if here > _LINE and (following < 0 or following - place > _LINE):
            pieces.append(text[done:place] + "\r\n")
            done, column = place, 0
    pieces.append(text[done:])
    last = text.rfind("\n", done)
    return "".join(pieces), len(text) - last - 1 if last >= 0 else column + len(text) - done
