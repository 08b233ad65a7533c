"""The skeleton of a message: the bytes that are the same for everyone, and the gaps between them.

The engine prints the gaps alone, so that the most of a message is neither printed, decoded nor encoded again for each
person: it is joined. Knows no templates of its own and no data. Where to read next: `body`, which fills it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clarion.rendering.language import engine_source
from clarion.rendering.nodes import Node, Text, opens
from clarion.rendering.templates import RenderFault

SEPARATOR: Final = "\x1e"
"""Stands between the gaps in what the engine prints."""

_WORTH: Final = 24
"""Characters from which a fixed text is worth a gap of its own before and after it."""


class Skeleton:
    """Fixed bytes in order, with a gap between each two; `sources` are the templates of the gaps, by part.

    A text in front of and behind each part belongs to the fixed bytes.
    """

    __slots__ = ("_fixed", "_gaps", "sources")

    def __init__(self, frame: Sequence[str], parts: Sequence[list[Node]]) -> None:
        fixed, sources = [frame[0]], list[str]()
        for part, behind in zip(parts, frame[1:], strict=True):
            texts, gaps = _split(part)
            fixed[-1] += texts[0]
            fixed += texts[1:]
            fixed[-1] += behind
            sources.append(SEPARATOR.join(gaps))
        self.sources = sources
        self._fixed = [text.encode() for text in fixed]
        self._gaps = len(fixed) - 1

    def filled(self, printed: Sequence[bytes]) -> list[bytes]:
        """The pieces of one message, to be joined. Raises: RenderFault when a gap holds a separator itself."""
        if len(printed) != self._gaps:
            msg = "the data holds a separator character"
            raise RenderFault(msg)
        pieces: list[bytes] = [b""] * (2 * self._gaps + 1)
        pieces[::2] = self._fixed
        pieces[1::2] = printed
        return pieces


def _split(part: list[Node]) -> tuple[list[str], list[str]]:
    """The fixed texts of a part and, one fewer, the sources of the gaps between them; always at least one gap.

    A text inside a branch or a loop stays in its gap, as does one too short to gain anything.
    """
    texts, gaps = [""], list[list[Node]]()
    depth, fresh = 0, True
    for node in part:
        if isinstance(node, Text) and not depth and len(node.text) >= _WORTH:
            texts[-1] += node.text
            fresh = True
            continue
        if fresh:
            gaps.append([])
            texts.append("")
            fresh = False
        gaps[-1].append(node)
        depth += opens(node)
    if not gaps:
        return [*texts, ""], [""]
    return texts, [engine_source(gap) for gap in gaps]
