"""The text form of an HTML template, made once when the author gave none.

Works on the template, not on rendered mail: values and tags stay in place, so the text is as personal as the HTML.
Links are shown as `text (address)`, images by their alternative text, list items with a dash. Lines are wrapped.
"""

from __future__ import annotations

import html
import re
import textwrap
from typing import Final

from clarion.rendering.events import Event
from clarion.rendering.expressions import Expr, Filter
from clarion.rendering.language import check_nesting
from clarion.rendering.markup import HtmlWalk, unwrapped
from clarion.rendering.nodes import Hole, Node, Text

_PARAGRAPHS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "dl",
        "fieldset",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "ul",
    ]
)
_LINES: Final = frozenset(
    [
        "body",
        "br",
        "caption",
        "center",
        "dd",
        "div",
        "dt",
        "figcaption",
        "figure",
        "legend",
        "li",
        "option",
        "summary",
        "tr",
    ]
)
_CELLS: Final = frozenset({"td", "th"})
_HIDDEN: Final = frozenset({"head", "script", "style", "template", "noscript", "iframe", "object", "svg", "title"})
_WIDTH: Final = 76
# Values and tags stand as private-use characters round a number while white space is settled.
_VALUE, _TAG, _END = "\ue000", "\ue001", "\ue002"
_PRIVATE = re.compile("[\ue000-\ue002]")
_MARK = re.compile(f"[{_VALUE}{_TAG}]([0-9]+){_END}")
_ONLY_TAGS = re.compile(rf"^((?:{_TAG}[0-9]+{_END} ?)+)\n", re.MULTILINE)


def text_of_html(nodes: list[Node]) -> list[Node]:
    """The template of the text part for an HTML template that `checked_html` has passed.

    Raises: LanguageFault when the template's tags do not survive without the HTML around them.
    """
    writer = _Writer()
    for event in HtmlWalk(nodes).events:
        writer.take(event)
    text = writer.finished()
    check_nesting(text)
    return text


class _Writer:
    """Collects the text, link by link."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._kept: list[Node] = []
        self._hidden: list[str] = []
        self._conditional = False
        self._link: tuple[int, str] | None = None  # where its text starts, and its address
        self._value: list[str] = []

    def take(self, event: Event) -> None:
        """Writes what one event of the walk leaves in the text."""
        match event.kind:
            case "text":
                self._write(re.sub(r"\s+", " ", _PRIVATE.sub("", html.unescape(event.text)).replace("\xa0", " ")))
            case "open":
                self._open(event.text)
            case "close":
                self._close(event.text)
            case "hide" | "show":
                self._conditional = event.kind == "hide"
            case "attribute":
                self._attribute(event)
            case "value":
                self._value.append(_PRIVATE.sub("", html.unescape(event.text)))
            case "hole" | "tag":
                self._keep(event)

    def _write(self, text: str) -> None:
        if not self._hidden and not self._conditional:
            self._out.append(text)

    def _open(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        self._break(tag)
        self._write({"li": "- ", "hr": "---\n\n"}.get(tag, ""))
        if tag == "a":
            self._link = (len(self._out), "")

    def _close(self, tag: str) -> None:
        if tag == "a" and self._link:
            self._end_link(*self._link)
            self._link = None
        self._break(tag)
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._write("\n\n")
        elif tag in _LINES:
            self._write("\n")
        elif tag in _CELLS:
            self._write(" ")

    def _end_link(self, start: int, address: str) -> None:
        shown = "".join(self._out[start:]).strip()
        if address and not address.startswith("#") and shown not in {address, address.removeprefix("mailto:")}:
            self._write(f" ({address})" if shown else address)

    def _attribute(self, event: Event) -> None:
        value, self._value = "".join(self._value).strip(), []
        name = (event.spot.tag, event.spot.attribute)
        if name == ("a", "href") and self._link:
            self._link = (self._link[0], value)
        elif name in {("img", "alt"), ("area", "alt")}:
            self._write(value)

    def _keep(self, event: Event) -> None:
        node = event.node
        if node is None:
            return
        if isinstance(node, Hole):
            node = Hole(_plain(node.expr), node.line)
        mark = f"{_VALUE if isinstance(node, Hole) else _TAG}{len(self._kept)}{_END}"
        if event.spot.mode == "value":
            self._kept.append(node)
            self._value.append(mark)
        elif not isinstance(node, Hole) or self._is_shown(event):
            # A tag stays whatever surrounds it, or its other half would be alone.
            self._kept.append(node)
            self._out.append(mark)

    def _is_shown(self, event: Event) -> bool:
        return event.spot.mode == "text" and not self._hidden and not self._conditional

    def finished(self) -> list[Node]:
        """The text as a template: white space settled, lines wrapped, values and tags back in place."""
        text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", "".join(self._out)))
        text = re.sub(r"\n{3,}", "\n\n", _ONLY_TAGS.sub(_joined, text.strip(" \n") + "\n"))
        lines = [line if len(line) <= _WIDTH else _wrapped(line) for line in text.split("\n")]
        text = "\r\n".join(lines)
        nodes: list[Node] = []
        at = 0
        for mark in _MARK.finditer(text):
            if mark.start() > at:
                nodes.append(Text(text[at : mark.start()], 1))
            nodes.append(self._kept[int(mark[1])])
            at = mark.end()
        return [*nodes, Text(text[at:], 1)] if at < len(text) else nodes


def _plain(expr: Expr) -> Expr:
    if isinstance(expr, Filter) and expr.name == "link":
        return Filter("plainlink", unwrapped(expr))
    return unwrapped(expr)


def _joined(tags: re.Match[str]) -> str:
    return tags[1].replace(" ", "")


def _wrapped(line: str) -> str:
    return "\r\n".join(textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False))
