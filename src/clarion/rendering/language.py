"""The template language at the level of tags: text, `{{ … }}`, and the few `{% … %}` there are.

`read_template` gives a flat list of nodes in source order, its tags balanced and its limits kept; `engine_source`
writes such a list for the engine. There is no include, import, extends, macro, call, block, filter or with: they are
refused here. Where to read next: `nodes` (what is read), `reader` (the expressions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from clarion.rendering.expressions import Expr, Filter, children, written
from clarion.rendering.faults import LanguageFault
from clarion.rendering.lexer import tokens
from clarion.rendering.nodes import Branch, End, Hole, Loop, Node, Set, Text, expressions_of
from clarion.rendering.reader import ExpressionReader

TAG_LIMIT: Final = 2000
NEST_LIMIT: Final = 12
LOOP_LIMIT: Final = 3
LOOP_CHUNK: Final = 512
"""Characters of text inside a loop that cost one unit of fuel, so that fuel bounds what a loop can print."""

_END_RAW: Final = re.compile(r"\{%[-+]?\s*+endraw\s*+[-+]?%\}")
ROOTS: Final = frozenset({"contact", "context", "campaign", "account", "unsubscribe_url", "view_url"})
"""The names a template is given."""


def read_template(source: str) -> list[Node]:
    """Reads a template whole.

    Raises: LanguageFault at the first thing that is not of the language.
    """
    nodes: list[Node] = []
    tags = 0
    for node in _nodes(source):
        tags += not isinstance(node, Text)
        if tags > TAG_LIMIT:  # at once: reading the rest of half a megabyte of tags would keep everybody waiting
            raise LanguageFault("maxTags", f"a template has at most {TAG_LIMIT} tags", node.line)
        nodes.append(node)
    check_nesting(nodes)
    return nodes


def _nodes(source: str) -> Iterator[Node]:
    at, line, trim = 0, 1, False
    while at < len(source):
        start = _next_tag(source, at)
        text = source[at:start]
        trims_before = source.startswith("-", start + 2)
        shown = text.lstrip() if trim else text
        shown = shown.rstrip() if trims_before and start < len(source) else shown
        if shown:
            yield Text(shown, line)
        line += text.count("\n")
        if start >= len(source):
            return
        node, end, trim = _read_tag(source, start, line)
        if node:
            yield node
        line += source.count("\n", start, end)
        at = end


def _next_tag(source: str, at: int) -> int:
    while (at := source.find("{", at)) >= 0:
        if source[at + 1 : at + 2] in {"{", "%", "#"}:
            return at
        at += 1
    return len(source)


def _read_tag(source: str, start: int, line: int) -> tuple[Node | None, int, bool]:
    inside = start + 2 + (source[start + 2 : start + 3] in {"-", "+"} and source[start + 1] != "{")
    inside += source.startswith("{{-", start)
    if source[start + 1] == "#":
        end = source.find("#}", start + 2)
        if end < 0:
            raise LanguageFault("syntax", "a comment is not closed", line)
        return None, end + 2, source[end - 1] == "-"
    found, end, closing = tokens(source, inside, line)
    expected = "}}" if source[start + 1] == "{" else "%}"
    if not closing.endswith(expected):
        raise LanguageFault("syntax", f"a tag is closed with '{closing}' instead of '{expected}'", line)
    if expected == "%}" and [token.text for token in found] == ["raw"]:
        return _read_raw(source, end, line)
    reader = ExpressionReader(found, line)
    node = Hole(reader.expression(), line) if expected == "}}" else _statement(reader, line)
    reader.finish()
    _check_safe(node)
    return node, end, closing.startswith("-")


def _check_safe(node: Node) -> None:
    """`safe` ends the expression of a hole, so that `markup` sees every value that is printed unescaped."""
    for expr in expressions_of(node):
        outermost = expr.target if isinstance(node, Hole) and isinstance(expr, Filter) and expr.name == "safe" else expr
        if _has_safe(outermost):
            raise LanguageFault("filter", "'safe' stands last in a printed value, as in {{ value | safe }}", node.line)


def _has_safe(expr: Expr) -> bool:
    return (isinstance(expr, Filter) and expr.name == "safe") or any(map(_has_safe, children(expr)))


def _read_raw(source: str, start: int, line: int) -> tuple[Node, int, bool]:
    end = _END_RAW.search(source, start)
    if end:
        return Text(source[start : end.start()], line), end.end(), False
    raise LanguageFault("syntax", "'raw' is not closed with '{% endraw %}'", line)


def _statement(reader: ExpressionReader, line: int) -> Node:
    word = reader.next().text
    if word in {"if", "elif"}:
        return Branch("if" if word == "if" else "elif", reader.expression(), line)
    if word == "else":
        return Branch("else", None, line)
    if word in {"endif", "endfor"}:
        return End("if" if word == "endif" else "for", line)
    if word == "for":
        return _loop(reader, line)
    if word == "set":
        name = _own_name(reader)
        reader.expect("=")
        return Set(name, reader.expression(), line)
    raise LanguageFault("tag", f"there is no tag '{word}'; there are if, elif, else, for, set and raw", line)


def _loop(reader: ExpressionReader, line: int) -> Loop:
    names = [_own_name(reader)]
    while reader.take(","):
        names.append(_own_name(reader))
    reader.expect("in")
    items = reader.expression(choice=False)
    condition = reader.expression() if reader.take("if") else None
    return Loop(tuple(names), items, condition, line)


def _own_name(reader: ExpressionReader) -> str:
    line, name = reader.line, reader.identifier()
    if name in ROOTS or name in {"loop", "range"}:
        raise LanguageFault("name", f"'{name}' is taken", line)
    return name


def check_nesting(nodes: list[Node]) -> None:
    """Checks that tags are balanced and nest no deeper than the limits.

    Raises: LanguageFault at the first that is not.
    """
    open_tags: list[tuple[str, bool]] = []  # kind, and whether its `else` has been
    for node in nodes:
        if isinstance(node, Loop) or (isinstance(node, Branch) and node.kind == "if"):
            open_tags.append(("for" if isinstance(node, Loop) else "if", False))
            if len(open_tags) > NEST_LIMIT or sum(kind == "for" for kind, _ in open_tags) > LOOP_LIMIT:
                message = f"tags nest at most {NEST_LIMIT} deep, loops {LOOP_LIMIT}"
                raise LanguageFault("maxDepth", message, node.line)
        elif isinstance(node, Branch):
            if not open_tags or open_tags[-1][1] or (node.kind == "elif" and open_tags[-1][0] == "for"):
                raise LanguageFault("syntax", f"'{node.kind}' without its 'if'", node.line)
            open_tags[-1] = (open_tags[-1][0], node.kind == "else")
        elif isinstance(node, End):
            if not open_tags or open_tags.pop()[0] != node.kind:
                raise LanguageFault("syntax", f"'end{node.kind}' without its '{node.kind}'", node.line)
        elif isinstance(node, Set) and any(kind == "for" for kind, _ in open_tags):
            raise LanguageFault("tag", "'set' stands outside of loops", node.line)
    if open_tags:
        raise LanguageFault("syntax", f"'{open_tags[-1][0]}' is not closed", max(node.line for node in nodes))


def engine_source(nodes: list[Node]) -> str:
    """The template as the engine gets it: our own writing of what was read, never the author's between braces."""
    out: list[str] = []
    loops = 0
    for node in nodes:
        if isinstance(node, Text):
            out.append(_text_source(node.text, in_loop=loops > 0))
        else:
            out.append(_tag_source(node))
            loops += isinstance(node, Loop) - (isinstance(node, End) and node.kind == "for")
    return "".join(out)


def _text_source(text: str, *, in_loop: bool) -> str:
    size = LOOP_CHUNK if in_loop else len(text)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    special = any(mark in text for mark in ("{{", "{%", "{#")) or any(piece.endswith("{") for piece in pieces)
    if special:
        return "".join("{{ '{' }}".join(piece.split("{")) for piece in pieces)
    return "{##}".join(pieces)


def _tag_source(node: Hole | Branch | Loop | Set | End) -> str:
    match node:
        case Hole(expr, _):
            return f"{{{{ {written(expr)} }}}}"
        case Branch(kind, condition, _):
            return f"{{% {kind} {written(condition) if condition else ''} %}}"
        case Loop(names, items, condition, _):
            rest = f" if {written(condition)}" if condition else ""
            return f"{{% for {', '.join(names)} in {written(items)}{rest} %}}"
        case Set(name, value, _):
            return f"{{% set {name} = {written(value)} %}}"
        case End(kind, _):
            return f"{{% end{kind} %}}"
