"""The words of a broadcast: texts by language with their quick replies, read, checked, and put into our templates.

Texts are evaluated as expressions (`@contact.name`) when they are a broadcast's, and are plain words when they are one
message's. Where to read next: `texts`, `rendering.translation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clarion.domain.access import Account
from clarion.entrypoints.http.dialects.textit.inputs import Inputs, not_a_list, too_long, too_many
from clarion.entrypoints.http.dialects.textit.refusals import WHOLE_BODY, no_such
from clarion.entrypoints.http.dialects.textit.texts import is_language, read_texts
from clarion.entrypoints.http.strict_json import Json
from clarion.rendering.translation import Syntax, translate

QuickReply = dict[str, str | None]
_REPLIES_LIMIT: Final = 10
_ATTACHMENTS_LIMIT: Final = 10
_REPLY_TEXT_LIMIT: Final = 64
_REPLY_EXTRA_LIMIT: Final = 1000
_REPLY_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "form": ("text", "extra"),
    "url": ("text", "extra"),
    "location": (),
}
"""From each type of quick reply to what it must have."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said. `base_language` has a text."""

    texts: dict[str, str]
    quick_replies: dict[str, list[QuickReply]]
    base_language: str


def read_wording(inputs: Inputs, account: Account) -> Wording:
    """What a broadcast says; mistakes are noted, and a wording is given back all the same."""
    default = inputs.said.get("base_language")
    default = default if isinstance(default, str) and is_language(default) else account.languages[0]
    texts = read_texts(inputs, "text", default) or {}
    read_attachments(inputs)
    replies = read_quick_replies(inputs, default)
    base = _base_language(inputs, texts)
    if inputs.problems:
        return Wording(texts, replies, base or default)
    if not texts:
        inputs.refuse(WHOLE_BODY, "Must provide either text or attachments.")
    elif base not in texts:
        inputs.refuse(WHOLE_BODY, "No text translation provided in base language.")
    elif replies and base not in replies:
        inputs.refuse(WHOLE_BODY, "No quick_replies translations provided in base language.")
    return Wording(texts, replies, base or default)


def templates_of(wording: Wording) -> dict[str, str]:
    """The texts as templates of ours. Raises `Invalid` for an expression that has no counterpart here."""
    return {
        language: translate(Syntax.TEXTIT, text, field=f"text.{language}").text
        for language, text in wording.texts.items()
    }


def fallback_of(wording: Wording, account: Account) -> str:
    """Whose text everybody gets who has none of their own: the workspace's first language, else the base language."""
    first = account.languages[0]
    return first if first in wording.texts else wording.base_language


def heard_by(texts: dict[str, str], fallback: str, account: Account) -> dict[str, str]:
    """The texts that somebody may get: a contact's own language counts when it is one of the workspace's."""
    return {language: text for language, text in texts.items() if language == fallback or language in account.languages}


def read_attachments(inputs: Inputs) -> None:
    """Attachments name media of the workspace, and there are none here: only an empty list is right."""
    value = inputs.said.get("attachments")
    lists: list[Json] = [value] if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    if value is not None and not isinstance(value, list | dict):
        inputs.refuse("attachments", not_a_list(value))
    for each in lists:
        if not isinstance(each, list):
            inputs.refuse("attachments", not_a_list(each))
        elif len(each) > _ATTACHMENTS_LIMIT:
            inputs.refuse("attachments", too_many(_ATTACHMENTS_LIMIT))
        elif each:
            inputs.problems["attachments"] = {str(place): [no_such(one)] for place, one in enumerate(each)}


def read_quick_replies(inputs: Inputs, default: str) -> dict[str, list[QuickReply]]:
    """Quick replies by language. They are kept and shown; a message by email has none."""
    value = inputs.said.get("quick_replies")
    if value is None:
        return {}
    by_language = value if isinstance(value, dict) else {default: value}
    found: dict[str, list[QuickReply]] = {}
    problems: dict[str, Any] = {}
    for language, replies in by_language.items():
        read, wrong = _replies(replies)
        if wrong:
            problems[language] = wrong
        if read:
            found[language] = read
    if problems:
        inputs.problems["quick_replies"] = problems if isinstance(value, dict) else problems[default]
    return found


def _base_language(inputs: Inputs, texts: dict[str, str]) -> str | None:
    said = inputs.said.get("base_language")
    if said is None:
        return next(iter(texts), None)
    if not isinstance(said, str) or not is_language(said):
        inputs.refuse("base_language", "Not an allowed ISO 639-3 language code.")
        return None
    return said


def _replies(replies: Json) -> tuple[list[QuickReply], Any]:
    if not isinstance(replies, list):
        return [], [not_a_list(replies)]
    if len(replies) > _REPLIES_LIMIT:
        return [], [too_many(_REPLIES_LIMIT)]
    read = [_reply(reply) for reply in replies]
    wrong = {str(place): [said] for place, (_, said) in enumerate(read) if said}
    return [reply for reply, _ in read], wrong


def _reply(reply: Json) -> tuple[QuickReply, str | None]:
    said = {"type": "text", "text": reply} if isinstance(reply, str) else reply
    if not isinstance(said, dict):
        return {}, "Not a valid quick reply."
    kind, text, extra = said.get("type") or "text", said.get("text"), said.get("extra")
    if not isinstance(kind, str) or kind not in _REPLY_TYPES:
        return {}, f'"{str(kind)[:100]}" is not a valid choice.'
    needs = _REPLY_TYPES[kind]
    if any(not said.get(part) for part in needs):
        named = " and ".join(f"'{part}'" for part in needs)
        return {}, f"Quick replies of type '{kind}' require {named} values."
    for value, limit in ((text, _REPLY_TEXT_LIMIT), (extra, _REPLY_EXTRA_LIMIT)):
        if value is not None and not isinstance(value, str):
            return {}, "Not a valid string."
        if value and len(value) > limit:
            return {}, too_long(limit)
    return {"type": kind, "text": text or None, "extra": extra or None}, None  # type: ignore[dict-item]
