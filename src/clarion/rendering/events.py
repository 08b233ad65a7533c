"""What is met on a walk through an HTML template, in order, and where in the HTML it stands.

Plain values: `markup` makes them as it walks, `plaintext` reads them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from clarion.rendering.nodes import Node

Mode = Literal["text", "raw", "comment", "name", "tag", "equals", "value", "bare", "closing"]


class Spot(NamedTuple):
    """A place in the HTML: what a browser would be reading here."""

    mode: Mode = "text"
    tag: str = ""
    attribute: str = ""
    quote: str = ""


class Event(NamedTuple):
    """One thing met on the walk. `node` is the template's own node for values and tags, `text` literal text."""

    kind: Literal["text", "open", "close", "hide", "show", "attribute", "hole", "value", "tag"]
    spot: Spot
    text: str = ""
    node: Node | None = None
