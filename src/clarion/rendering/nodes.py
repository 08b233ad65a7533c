"""What a template is made of once it is read: a flat list of nodes in source order, and the data they look up.

Everything that walks a template (writing it for the engine, its bounds, its HTML, its text form) walks this list. Where
to read next: `language`, which makes it from an author's text, and `expressions`, the trees that stand in the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clarion.rendering.expressions import Expr, Filter, children, path


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Hole:
    """`{{ expr }}`."""

    expr: Expr
    line: int


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `elif` or `else`; only the first two have a condition."""

    kind: Literal["if", "elif", "else"]
    condition: Expr | None
    line: int


@dataclass(frozen=True, slots=True)
class Loop:
    """`for names in items [if condition]`."""

    names: tuple[str, ...]
    items: Expr
    condition: Expr | None
    line: int


@dataclass(frozen=True, slots=True)
class Set:
    """`set name = value`."""

    name: str
    value: Expr
    line: int


@dataclass(frozen=True, slots=True)
class End:
    """`endif` or `endfor`."""

    kind: Literal["if", "for"]
    line: int


Node = Text | Hole | Branch | Loop | Set | End


def expressions_of(node: Node) -> tuple[Expr, ...]:
    """The expressions that stand in one node."""
    match node:
        case Hole(expr, _) | Set(_, expr, _):
            return (expr,)
        case Branch(_, condition, _):
            return (condition,) if condition else ()
        case Loop(_, items, condition, _):
            return (items, condition) if condition else (items,)
        case _:
            return ()


def opens(node: Node) -> int:
    """1 for what opens a branch or loop, -1 for what closes one, else 0."""
    if isinstance(node, Loop) or (isinstance(node, Branch) and node.kind == "if"):
        return 1
    return -1 if isinstance(node, End) else 0


def variables_of(nodes: list[Node]) -> frozenset[str]:
    """The dotted names a template looks up in its data, such as `contact.attributes.city`."""
    return frozenset(".".join(names) for names in paths_of(nodes))


def paths_of(nodes: list[Node]) -> frozenset[tuple[str, ...]]:
    """The same, each as its names in order."""
    found: set[tuple[str, ...]] = set()
    own = {"loop"}
    for node in nodes:
        if isinstance(node, Loop):
            own.update(node.names)
        for expr in expressions_of(node):
            _collect(expr, own, found)
        if isinstance(node, Set):
            own.add(node.name)
    return frozenset(found)


def _collect(expr: Expr, own: set[str], found: set[tuple[str, ...]]) -> None:
    names = path(expr)
    if names:
        if names[0] not in own:
            found.add(names)
        return
    for child in children(expr):
        _collect(child, own, found)


def optional_of(nodes: list[Node]) -> frozenset[str]:
    """The dotted names that appear only behind `default` or in conditions, so that nobody misses them when empty."""
    needed: set[str] = set()
    own = {"loop"}
    for node in nodes:
        if isinstance(node, Loop):
            own.update(node.names)
        if isinstance(node, Hole | Set):
            _collect_needed(node.expr if isinstance(node, Hole) else node.value, own, needed)
        if isinstance(node, Set):
            own.add(node.name)
    return variables_of(nodes) - needed


def _collect_needed(expr: Expr, own: set[str], found: set[str]) -> None:
    if isinstance(expr, Filter) and expr.name in {"default", "d"}:
        return
    names = path(expr)
    if names:
        if names[0] not in own:
            found.add(".".join(names))
        return
    for child in children(expr):
        _collect_needed(child, own, found)
