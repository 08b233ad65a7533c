"""Domo's markup in our language: distribution columns, values of an alert, the unsubscribe link, comments.

A column or key is written into an index, never into a name, so spaces and letter case are kept as Domo keeps them.
`{{…}}` that is none of Domo's tags is text over there and stays text here. Read `translated` for what comes out.
"""

from __future__ import annotations

import re
from typing import Final

from clarion.rendering.expressions import Const, Expr, Item, Name
from clarion.rendering.faults import LanguageFault
from clarion.rendering.translation.translated import Translated
from clarion.rendering.translation.writing import literal, source_of

COLUMNS: Final = {
    "email": "email",
    "emailaddress": "email",
    "phone": "phone",
    "phonenumber": "phone",
    "mobile": "phone",
    "firstname": "firstName",
    "lastname": "lastName",
    "language": "language",
    "timezone": "timezone",
    "externalid": "externalId",
}
"""From a column of a distribution list, in lower case without spaces and signs, to the contact's own name for it."""
_UNSUBSCRIBE: Final = frozenset({"domo-unsubscribe", "domo-unsubscribe-link", "domo-unsubscribe-url"})
_SIGNS: Final = re.compile(r"[\s_-]+")
_DISTRIBUTION: Final = "domo-distribution-"
_ALERT: Final = "domo-alert-"


def translate_domo(source: str) -> Translated:
    """The text in our language.

    Raises: LanguageFault for one of Domo's tags that has no counterpart, such as a card's content.
    """
    out: list[str] = []
    text, at, line, counted = 0, source.find("{{"), 1, 0
    while at >= 0:
        end = source.find("}}", at + 2)
        if end < 0:
            break
        if not source.startswith("{{!", at):
            at = _innermost(source, at, end)
        line, counted = line + source.count("\n", counted, at), at
        written = _tag(source[at + 2 : end].strip(), line)
        if written is not None:
            out += [literal(source[text:at]), written]
            text = end + 2
        at = source.find("{{", end + 2)
    out.append(literal(source[text:]))
    return Translated("".join(out))


def _innermost(source: str, at: int, end: int) -> int:
    """Where the tag that ends at `end` begins: braces before it are text, unless they begin a comment."""
    comment = source.find("{{!", at, end)
    return comment if comment >= 0 else source.rfind("{{", at, end)


def _tag(name: str, line: int) -> str | None:
    """What stands for a tag, or None when Domo knows none such."""
    if name.startswith("!"):
        return ""
    if name.startswith(_DISTRIBUTION):
        return f"{{{{ {source_of(_column(_named(name, _DISTRIBUTION, line), line))} }}}}"
    if name.startswith(_ALERT):
        key = _kept(_named(name, _ALERT, line), line)
        return f"{{{{ {source_of(Item(Name('context'), Const(key)))} }}}}"
    if name in _UNSUBSCRIBE:
        return "{{ unsubscribe_url }}"
    if name.startswith("domo-"):
        raise LanguageFault("unsupported", f"'{{{{{name[:80]}}}}}' is not available here", line)
    return None


def _named(name: str, prefix: str, line: int) -> str:
    """What follows the prefix, which is one line and not empty."""
    rest = name.removeprefix(prefix)
    if not rest.strip() or len(rest) > _NAME_LIMIT or not rest.isprintable():
        raise LanguageFault("name", f"'{prefix}' needs a name of 1 to {_NAME_LIMIT} printable characters", line)
    return rest


_NAME_LIMIT: Final = 200


def _column(column: str, line: int) -> Expr:
    own = COLUMNS.get(_SIGNS.sub("", column).lower())
    if own:
        return Item(Name("contact"), Const(own))
    return Item(Item(Name("contact"), Const("attributes")), Const(_kept(column, line)))


def _kept(key: str, line: int) -> str:
    """A key that templates may look up."""
    if key.startswith("_"):
        raise LanguageFault("name", f"names do not start with an underscore ('{key[:80]}')", line)
    return key
