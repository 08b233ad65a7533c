"""A template cut into stretches: fixed text, plain values, links of ours, and what only the engine can print.

Done once for a run. Knows the engine only to print what is the same for everyone, and what `direct` asks for. Never
decides whether a person's values are fit for it. Where to read next: `direct`, which puts the stretches together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from clarion.rendering.email import LINE_LIMIT
from clarion.rendering.expressions import Const, Expr, Filter, Name, path
from clarion.rendering.language import engine_source
from clarion.rendering.nodes import Hole, Node, Set, Text, opens, paths_of
from clarion.rendering.templates import CompiledTemplate, RenderFault

HTML_START: Final = "{% autoescape 'html' %}"
HTML_END: Final = "{% endautoescape %}"
_DATA: Final = ("contact", "context")
_LINKS: Final = ("unsubscribe_url", "view_url")

PARTS_LIMIT: Final = 400
"""Values and stretches for the engine in one template: so many stay far below what a message may measure."""

Names = tuple[str, ...]


class Unfit(Exception):
    """A template that only goes the long way."""


class Value(NamedTuple):
    """A value that is looked up, and what is printed where there is none."""

    names: Names
    default: str = ""


class Slot(NamedTuple):
    """A place where a value is printed: escaped, or as it is."""

    value: Value
    is_escaped: bool


@dataclass(slots=True, eq=False)
class Kept:
    """A stretch whose text is kept for each combination of the values it looks up; `at` is where those are found."""

    nodes: list[Node]
    is_html: bool
    values: list[Value]
    at: list[int] = field(default_factory=list)
    texts: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    template: CompiledTemplate | None = None


Item = bytes | str | Slot | Kept
"""Fixed text, the name of a link of ours, a value, or what is kept."""


class Stretches:
    """The stretches of a message's subject and body, in order.

    `frame` stands before, between and after its parts, `given` is what the engine knows beside a person's data.
    Raises: Unfit.
    """

    def __init__(
        self,
        subject: list[Node],
        parts: Sequence[list[Node]],
        frame: Sequence[str],
        given: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._given = given
        text, html = parts
        before, between, after = (part.encode() for part in frame)
        self.subject = self._settled([*_cut(subject, is_html=False)])
        self.body = self._settled([before, *_cut(text, is_html=False), between, *_cut(html, is_html=True), after])

    def printed(self, kept: Kept, data: Mapping[str, Any], size: int) -> bytes:
        """A stretch as the engine prints it for this data, whose JSON is `size` octets long. Raises: RenderFault."""
        if kept.template is None:
            source = engine_source(kept.nodes)
            source = f"{HTML_START}{source}{HTML_END}\n" if kept.is_html else f"{source}\n"
            kept.template = CompiledTemplate(source, kept.nodes, self._given)
        return kept.template.render(size, data).encode()

    def _settled(self, items: Sequence[Item]) -> list[Item]:
        """The items with everything fixed that is the same for everyone, and fixed texts joined."""
        if sum(not isinstance(item, bytes) for item in items) > PARTS_LIMIT:
            raise Unfit
        try:
            items = [self.printed(it, {}, 0) if isinstance(it, Kept) and not it.values else it for it in items]
        except (RenderFault, UnicodeError):
            raise Unfit from None
        joined: list[Item] = []
        for item in items:
            if isinstance(item, bytes) and joined and isinstance(joined[-1], bytes):
                joined[-1] += item
            else:
                joined.append(item)
        return joined


def _cut(nodes: Sequence[Node], *, is_html: bool) -> Iterator[Item]:
    held: list[Node] = []
    depth = 0
    for node in nodes:
        if isinstance(node, Set):
            raise Unfit  # what it sets is known to every stretch behind it
        if not depth and isinstance(node, Text):
            yield node.text.encode()
        elif not depth and isinstance(node, Hole) and (item := _plain(node.expr, is_html=is_html)) is not None:
            yield item
        else:
            held.append(node)
            depth += opens(node)
            if not depth:
                yield _kept(held, is_html=is_html)
                held = []


def _plain(expr: Expr, *, is_html: bool) -> str | Slot | None:
    """A link of ours or a value that is printed just as it is, or None."""
    default = ""
    match expr:
        case Filter("safe", Name(name)) if name in _LINKS:
            return name
        case Name(name) if name in _LINKS and not is_html:
            return name
        case Filter("d" | "default", target, (Const(str(text)),)):
            names, default = path(target), text
        case _:
            names = path(expr)
    return Slot(Value(names, default), is_html) if names and names[0] in _DATA and len(names) > 1 else None


def _kept(nodes: list[Node], *, is_html: bool) -> Kept:
    paths = [names for names in sorted(paths_of(nodes)) if names[0] in {*_DATA, *_LINKS}]
    if any(len(names) == 1 for names in paths):
        raise Unfit  # a link differs for everyone, and so does everything that is known of a person
    return Kept(nodes, is_html, [Value(names) for names in paths])


def longest_line(text: bytes) -> int:
    """Octets of its longest line."""
    return max(map(len, text.split(b"\n")))


def room_in_lines(items: Sequence[Item]) -> int:
    """How long a line of whatever is put between the fixed texts may be, so that no line of the whole is too long.

    One octet is left for a dot that is doubled later.
    """
    limit = room = LINE_LIMIT - 1
    length = gaps = 0
    for item in items:
        if not isinstance(item, bytes):
            gaps += 1
            continue
        *ended, rest = item.split(b"\n")
        for line in ended:
            length += len(line)
            room = min(room, (limit - length) // max(gaps, 1))
            length = gaps = 0
        length += len(rest)
    return room
