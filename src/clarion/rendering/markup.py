"""Where in the HTML each tag of a template stands, and what may be printed there.

Autoescaping protects text and quoted attributes only. So a template is walked once, when it is saved, as a browser
would read it: values are refused where escaping does not help (unquoted attributes, scripts, event handlers, names),
and a value that starts a link is sent through a filter that lets only http, https, mailto, tel and paths pass. Branches
must leave the HTML where their siblings do, so that this holds whichever is taken. Where to read next: `plaintext`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from clarion.rendering.events import Event, Mode, Spot
from clarion.rendering.expressions import Expr, Filter, Name
from clarion.rendering.faults import LanguageFault
from clarion.rendering.folding import folded
from clarion.rendering.link_starts import LinkStart
from clarion.rendering.nodes import Branch, End, Hole, Loop, Node, Set, Text

STEP_LIMIT: Final = 60_000
"""Tags, attributes, spaces and texts of one HTML body; an ordinary one has some thousands."""

_URL_ATTRIBUTES: Final = frozenset({
    "action", "background", "cite", "codebase", "data", "dynsrc", "formaction", "href", "icon", "longdesc", "lowsrc",
    "manifest", "ping", "poster", "src", "usemap", "xlink:href",
})  # fmt: skip
_CLOSED_ATTRIBUTES: Final = frozenset({"srcset", "srcdoc", "http-equiv", "xmlns"})
_WATCHED: Final = _URL_ATTRIBUTES | {"alt"}
_RAW_ELEMENTS: Final = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes", "noscript"})
_TEXT_ELEMENTS: Final = frozenset({"textarea", "title"})
_OUR_LINKS: Final = (Name("unsubscribe_url"), Name("view_url"))

_CONDITIONAL = re.compile(r"<!--\[if([^\]>]{0,100})\]>(\s*<!-->|\s*<!--\s*-->)?", re.IGNORECASE)
_CONDITIONAL_END = re.compile(r"<!\[endif\](?:--)?>|<!--\s*<!\[endif\]-->", re.IGNORECASE)
_OPEN = re.compile(r"<([A-Za-z][^\s/>]*)")
_CLOSE = re.compile(r"</([A-Za-z][^\s/>]*)")
_UNFINISHED = re.compile(r"<(?:/?[A-Za-z][^\s/>]*|/|!-{0,2})?$")
_ATTRIBUTE = re.compile(r"([^\s=/>\"'<]++)(\s*+=\s*+)?")
_SPACES = re.compile(r"\s++")
_WHOLE_ATTRIBUTE = re.compile(r"""([^\s=/>"'<]++)\s*+=\s*+(?:"[^"]*+"|'[^']*+')""")


@dataclass(slots=True)
class _Fork:
    """An open `if` or `for`: where it began, and where its branches so far have ended."""

    entry: Spot
    entry_settled: bool
    ends: list[Spot] = field(default_factory=list)
    settled: list[bool] = field(default_factory=list)
    has_else: bool = False


class HtmlWalk:
    """Walks one HTML template.

    `nodes` is the template with its links made safe, `events` what was met, and `folds` the (node, offset) places
    inside tags where a line may be broken without changing anything.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes: list[Node] = []
        self.events: list[Event] = []
        self.folds: list[tuple[int, int]] = []
        self._spot = Spot()
        self._forks: list[_Fork] = []
        self._link = LinkStart()
        self._line = 1
        self._steps = 0
        self._readers: dict[Mode, Callable[[str, int], int]] = {
            "text": self._text, "raw": self._raw, "comment": self._comment, "tag": self._in_tag, "equals": self._equals,
            "value": self._value, "bare": self._bare, "closing": self._closing,
        }  # fmt: skip
        for node in nodes:
            self._line = node.line
            self._visit(node)

    def _visit(self, node: Node) -> None:
        if isinstance(node, Text):
            at = 0
            while at < len(node.text):
                self._steps += 1
                if self._steps > STEP_LIMIT:
                    raise self._fault("maxNodes", f"the HTML has more than {STEP_LIMIT} tags, attributes and texts")
                at = self._readers[self._spot.mode](node.text, at)
        elif isinstance(node, Hole):
            node = self._hole(node)
        else:
            self._statement(node)
        self.nodes.append(node)

    def _fault(self, rule: str, message: str) -> LanguageFault:
        return LanguageFault(rule, message, self._line)

    def _emit(self, kind: Literal["text", "open", "close", "hide", "show", "attribute"], text: str) -> None:
        self.events.append(Event(kind, self._spot, text))

    # --- literal text, one reader a mode: each takes what it knows and says where it stopped

    def _text(self, text: str, at: int) -> int:
        start = text.find("<", at)
        if start != at:
            self._emit("text", text[at:start] if start >= 0 else text[at:])
            return start if start >= 0 else len(text)
        if match := _CONDITIONAL.match(text, at):
            self._emit("show" if match[2] else "hide", "")
        elif match := _CONDITIONAL_END.match(text, at):
            self._emit("show", "")
        elif match := _UNFINISHED.match(text, at):
            self._spot = Spot("name")
        elif text.startswith("<!--", at):
            self._spot = Spot("comment")
            return at + 4
        elif text.startswith(("<!", "<?"), at):
            self._spot = Spot("closing")
            return at + 2
        elif match := _OPEN.match(text, at):
            self._spot = Spot("tag", match[1].lower())
            self._emit("open", match[1].lower())
        elif match := _CLOSE.match(text, at):
            self._emit("close", match[1].lower())
            self._spot = Spot("closing")
        else:
            self._emit("text", "<")
            return at + 1
        return match.end()

    def _raw(self, text: str, at: int) -> int:
        match = re.compile(rf"</{re.escape(self._spot.tag)}(?=[\s/>])", re.IGNORECASE).search(text, at)
        if match is None:
            return len(text)
        self._emit("close", self._spot.tag)
        self._spot = Spot("closing")
        return match.end()

    def _comment(self, text: str, at: int) -> int:
        end = text.find("-->", at)
        if end < 0:
            return len(text)
        self._spot = Spot()
        return end + 3

    def _closing(self, text: str, at: int) -> int:
        end = text.find(">", at)
        if end < 0:
            return len(text)
        self._spot = Spot()
        return end + 1

    def _in_tag(self, text: str, at: int) -> int:
        char = text[at]
        if match := _SPACES.match(text, at):
            self.folds.append((len(self.nodes), at))
            return match.end()
        if (match := _WHOLE_ATTRIBUTE.match(text, at)) and match[1].lower() not in _WATCHED:
            return match.end()
        if char in "/>":
            self.folds.append((len(self.nodes), at))
            if char == ">":
                tag = self._spot.tag
                raw = tag in _RAW_ELEMENTS or tag in _TEXT_ELEMENTS
                self._spot = Spot("raw", tag) if raw else Spot()
            return at + 1
        match = _ATTRIBUTE.match(text, at)
        if match is None:
            raise self._fault("html", f"unexpected {char!r} inside <{self._spot.tag}>")
        name = match[1].lower()
        self._spot = Spot("equals", self._spot.tag, name) if match[2] else Spot("tag", self._spot.tag)
        return match.end()

    def _equals(self, text: str, at: int) -> int:
        quote = text[at] if text[at] in "\"'" else ""
        self._spot = self._spot._replace(mode="value" if quote else "bare", quote=quote)
        self._link = LinkStart(is_settled=self._spot.attribute not in _URL_ATTRIBUTES)
        return at + len(quote)

    def _value(self, text: str, at: int) -> int:
        end = text.find(self._spot.quote, at)
        self._attribute_text(text[at:end] if end >= 0 else text[at:])
        if end < 0:
            return len(text)
        self._leave_value()
        return end + 1

    def _bare(self, text: str, at: int) -> int:
        match = re.compile(r"[^\s>]*").match(text, at)
        end = match.end() if match else at
        self._attribute_text(text[at:end])
        if end < len(text):
            self._leave_value()
        return end

    def _leave_value(self) -> None:
        self._check_link(ended=True)
        self._emit("attribute", "")
        self._spot = Spot("tag", self._spot.tag)

    def _attribute_text(self, text: str) -> None:
        self.events.append(Event("value", self._spot, text))
        self._link = self._link.followed_by(text)

    def _check_link(self, *, ended: bool) -> None:
        if self._link.is_wrong(ended=ended):
            message = f"a link in '{self._spot.attribute}' starts with http:, https:, mailto: or tel:"
            raise self._fault("link", message)

    # --- values and tags

    def _hole(self, hole: Hole) -> Hole:
        spot = self._spot
        if spot.mode != "text":
            hole = _escaped(hole)
        if spot.mode in {"text", "comment"} or (spot.mode == "raw" and spot.tag in _TEXT_ELEMENTS):
            rewritten = self._printed(hole)
        elif spot.mode == "value":
            rewritten = self._in_attribute(hole)
        elif spot.mode == "raw":
            raise self._fault("place", f"values cannot be printed inside <{spot.tag}>")
        elif spot.mode in {"bare", "equals"}:
            raise self._fault("quotes", f"the value of '{spot.attribute}' needs quotes when it holds an expression")
        else:
            raise self._fault("place", "values cannot be printed as names of tags or attributes")
        self.events.append(Event("hole", spot, node=rewritten))
        return rewritten

    @staticmethod
    def _printed(hole: Hole) -> Hole:
        return Hole(Filter("safe", hole.expr), hole.line) if hole.expr in _OUR_LINKS else hole

    def _in_attribute(self, hole: Hole) -> Hole:
        spot = self._spot
        if (
            spot.attribute.startswith("on")
            or spot.attribute in _CLOSED_ATTRIBUTES
            or (spot.tag, spot.attribute) == ("meta", "content")
        ):
            raise self._fault("place", f"values cannot be printed in '{spot.attribute}'")
        self._check_link(ended=False)
        is_whole, self._link = self._link.is_settled, LinkStart(is_settled=True)
        if is_whole or hole.expr in _OUR_LINKS:
            return self._printed(hole)
        return Hole(Filter("link", hole.expr), hole.line)

    def _statement(self, node: Branch | Loop | Set | End | Hole | Text) -> None:
        if self._spot.mode in {"name", "equals", "bare", "closing"}:
            raise self._fault("place", "a tag of the template cannot stand here; attribute values need quotes")
        self.events.append(Event("tag", self._spot, node=node))
        if self._spot.mode == "value":
            self._check_link(ended=False)
        if isinstance(node, Loop) or (isinstance(node, Branch) and node.kind == "if"):
            self._forks.append(_Fork(self._spot, self._link.is_settled))
        elif isinstance(node, Branch):
            self._end_branch(self._forks[-1])
            self._forks[-1].has_else |= node.kind == "else"
            self._spot = self._forks[-1].entry
            self._link = LinkStart(is_settled=self._forks[-1].entry_settled)
        elif isinstance(node, End):
            self._join(self._forks.pop())

    def _end_branch(self, fork: _Fork) -> None:
        fork.ends.append(self._spot)
        fork.settled.append(self._link.is_settled)

    def _join(self, fork: _Fork) -> None:
        self._end_branch(fork)
        if not fork.has_else:
            fork.ends.append(fork.entry)
            fork.settled.append(fork.entry_settled)
        if len(set(fork.ends)) > 1:
            raise self._fault("branches", "all branches of an if or for must leave the HTML at the same place")
        self._link = LinkStart(is_settled=all(fork.settled))


def _escaped(hole: Hole) -> Hole:
    """The hole without its author's `safe`: outside of text, an unescaped value could leave the place it stands in."""
    expr = hole.expr
    return Hole(expr.target, hole.line) if isinstance(expr, Filter) and expr.name == "safe" else hole


def checked_html(nodes: list[Node]) -> list[Node]:
    """The template with links made safe and very long lines broken inside tags, where that changes nothing.

    Raises: LanguageFault where a value stands in a place that escaping cannot protect.
    """
    walk = HtmlWalk(nodes)
    return folded(walk.nodes, walk.folds)


def unwrapped(expr: Expr) -> Expr:
    """The expression as the author wrote it, without what `checked_html` put round it."""
    while isinstance(expr, Filter) and expr.name in {"safe", "link"}:
        expr = expr.target
    return expr
