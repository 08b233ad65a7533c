"""The templates of one push message: its words, its links and every text within its data, rendered in one call.

They are one template with separators in between, because a call into the engine costs more than the text it carries.
Never knows a provider. Where to read next: `templates` (the engine), `push_plan` (who calls this).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from clarion.domain.content import PUSH_LIMIT, PUSH_URL_LIMIT, PushContent
from clarion.domain.errors import Problem
from clarion.rendering.context import NO_CONTEXT, LookedOver, look_over
from clarion.rendering.language import engine_source
from clarion.rendering.nodes import Node, Text, optional_of, variables_of
from clarion.rendering.push_payload import reserved
from clarion.rendering.skeleton import SEPARATOR
from clarion.rendering.templates import CompiledTemplate, RenderFault
from clarion.rendering.texts import read_text

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):[^\s]", re.ASCII | re.IGNORECASE)
_PLAIN_IN_URL: Final = "!#$%&'()*+,/:;=?@[]~"
_HOSTILE: Final = frozenset({"javascript", "data", "vbscript", "file", "blob"})
_OF_IMAGES: Final = frozenset({"https", "http"})
_WANTED: Final = {
    "action": f"a URL with its scheme, which is none of {', '.join(sorted(_HOSTILE))},",
    "image": "an http or https URL",
}
_RESERVED: Final = "is a name of our own or of a push service"
_NAMES: Final = ("message.push.title", "message.push.body", "message.push.actionUrl", "message.push.imageUrl")


class Texts(NamedTuple):
    """The texts of one message for one person. Of the URLs, empty means that there is none."""

    title: str
    body: str
    action_url: str
    image_url: str
    data: Mapping[str, Any]


class PushTexts:
    """A message's texts, compiled. `variables` and `optional` are the dotted names they look up."""

    __slots__ = ("_count", "_data", "_fixed", "_template", "optional", "variables")

    def __init__(
        self, parts: list[list[Node]], data: Mapping[str, Any], given: Mapping[str, Mapping[str, str]]
    ) -> None:
        everything = [node for part in parts for node in part]
        self.variables = variables_of(everything)
        self.optional = optional_of(everything)
        self._count = len(parts)
        self._data = data
        source = SEPARATOR.join(map(engine_source, parts))
        self._template = CompiledTemplate(source + "\n", everything, given)  # the engine drops one line end at the end
        self._fixed: Texts | None = None
        if all(isinstance(node, Text) for node in everything):
            self._fixed = self._filled(self._template.render(0, {}))

    @classmethod
    def read(
        cls, content: PushContent, given: Mapping[str, Mapping[str, str]], problems: list[Problem]
    ) -> PushTexts | None:
        """Reads every template of a message; what is wrong with them is added to `problems`."""
        before = len(problems)
        sources = [content.title or "", content.body, content.action_url or "", content.image_url or ""]
        parts = [read_text(source, field, PUSH_LIMIT, problems) for source, field in zip(sources, _NAMES, strict=True)]
        problems += [
            Problem(f"message.push.extras.{name}", "reserved", _RESERVED) for name in filter(reserved, content.extras)
        ]
        parts += [read_text(text, "message.push.extras", PUSH_LIMIT, problems) for text in _texts(content.extras)]
        _check_fixed_url(parts[2], "action", problems)
        _check_fixed_url(parts[3], "image", problems)
        if len(problems) > before:
            return None
        try:
            texts = cls(parts, content.extras, given)
        except RenderFault as fault:
            problems.append(Problem("message.push.body", "template", str(fault)))
            return None
        if texts._template.is_too_expensive():
            problems.append(Problem("message.push.body", "tooExpensive", "the message could grow without measure"))
        return texts

    def render(self, contact: Mapping[str, object], context: LookedOver = NO_CONTEXT) -> Texts:
        """The texts for one person. Raises: RenderFault when the data does not fit, UnicodeError."""
        if self._fixed is not None:
            return self._fixed
        person = look_over(contact)
        data: dict[str, Any] = {"contact": person.data, "unsubscribe_url": "", "view_url": ""}
        if context.size:
            data["context"] = context.data
        return self._filled(self._template.render(person.size + context.size, data))

    def _filled(self, printed: str) -> Texts:
        texts = printed.split(SEPARATOR)
        if len(texts) != self._count or "\0" in printed:
            msg = "the data holds a NUL or separator character"
            raise RenderFault(msg)
        title, body, action_url, image_url, *rest = texts
        data = _put_back(self._data, iter(rest)) if rest else self._data
        return Texts(title.strip(), body, _url(action_url, "action"), _url(image_url, "image"), data)


def _check_fixed_url(nodes: list[Node], kind: str, problems: list[Problem]) -> None:
    """Whether a URL that is the same for everyone is one; what data makes of the others is seen when it is there."""
    text = "".join(node.text for node in nodes if isinstance(node, Text))
    try:
        if all(isinstance(node, Text) for node in nodes):
            _url(text, kind)
    except RenderFault:
        problems.append(
            Problem(f"message.push.{kind}Url", "uri", f"must be {_WANTED[kind]} of at most {PUSH_URL_LIMIT} characters")
        )


def _texts(value: object) -> Iterator[str]:
    """Every text within a JSON value, but the names of its members, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _put_back(value: Any, texts: Iterator[str]) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, dict):
        return {name: _put_back(inner, texts) for name, inner in value.items()}
    if isinstance(value, list):
        return [_put_back(inner, texts) for inner in value]
    return value


def _url(printed: str, kind: str) -> str:
    """A URL as it goes out: what may not stand in one is encoded. Raises: RenderFault when it is none."""
    text = printed.strip()
    if not text:
        return ""
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    is_of_kind = scheme in _OF_IMAGES if kind == "image" else scheme not in _HOSTILE
    if not found or len(text) > PUSH_URL_LIMIT or not is_of_kind:
        msg = f"the {kind} URL is no URL with this data"
        raise RenderFault(msg)
    return quote(text, safe=_PLAIN_IN_URL)
