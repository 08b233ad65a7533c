"""HTML."""

from clarion.rendering.language import Node, Text


def checked_html(nodes: list[Node]) -> list[Node]:
    return nodes


def text_of_html(nodes: list[Node]) -> list[Node]:
    return [n for n in nodes if not isinstance(n, Text)]
