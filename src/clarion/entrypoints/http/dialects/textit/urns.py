"""URNs: how this API writes the identities of a contact, `scheme:path`, and which path each scheme takes.

`mailto`, `tel` and `ext` are a contact's own email address, phone number and external id; the first of each stands in
its column and is written to, everything else is a further identity under the name of its scheme.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import phonenumbers

from clarion.application.contact_rules import Refusal
from clarion.application.identities import canonical
from clarion.domain.contact import Contact, Identity

URN_LIMIT: Final = 255
_DIGITS: Final = r"[0-9]{1,64}"
_PATHS: Final[Mapping[str, re.Pattern[str]]] = {
    scheme: re.compile(path, re.ASCII)
    for scheme, path in {
        "bsuid": r"[\w.-]+",
        "discord": _DIGITS,
        "ext": r".+",
        "facebook": rf"{_DIGITS}|ref:.+",
        "fcm": r".+",
        "freshchat": r"[0-9a-fA-F-]{36}/[0-9a-fA-F-]{36}",
        "instagram": _DIGITS,
        "jiochat": _DIGITS,
        "line": r"\w{1,36}",
        "rocketchat": r".+",
        "slack": r"[A-Z0-9]+",
        "telegram": _DIGITS,
        "twitter": r"\w{1,15}",
        "twitterid": _DIGITS,
        "viber": r"[A-Za-z0-9+/=]{1,24}",
        "vk": _DIGITS,
        "webchat": r"[A-Za-z0-9]{24}(?::[^\s@]+@[^\s@]+)?",
        "wechat": r"[\w-]{1,64}",
        "whatsapp": rf"{_DIGITS}|[A-Z]{{2}}\.\w+",
    }.items()
}
_OWN: Final = {"mailto": "email", "tel": "phone", "ext": "external_id"}
_SCHEMES: Final = {namespace: scheme for scheme, namespace in _OWN.items()}


@dataclass(frozen=True, slots=True)
class Held:
    """The identities of a contact, apart as they are stored."""

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    further: tuple[Identity, ...] = field(default=())


def read_urn(text: str, country: str | None) -> Identity | None:
    """The identity a URN names, None when it is none. A national number belongs to the country of the workspace."""
    scheme, colon, path = text.strip().partition(":")
    scheme, path = scheme.lower(), path.partition("#")[0].strip()
    if not colon or not path or len(text) > URN_LIMIT:
        return None
    if scheme == "tel":
        path = _number(path, country)
    elif scheme == "twitter":
        path = path.removeprefix("@").lower()
    if scheme not in ("tel", "mailto") and not (scheme in _PATHS and _PATHS[scheme].fullmatch(path)):
        return None
    found = canonical(_OWN.get(scheme, scheme), path)
    return None if isinstance(found, Refusal) else found


def held_as(identities: Iterable[Identity]) -> Held:
    """Identities apart as a contact stores them: the first of each own namespace in its column."""
    own: dict[str, str] = {}
    further = []
    for one in dict.fromkeys(identities):
        if one.namespace in _SCHEMES and one.namespace not in own:
            own[one.namespace] = one.value
        else:
            further.append(one)
    return Held(further=tuple(further), **own)


def identities_of(contact: Contact) -> list[Identity]:
    """All identities of a contact, the one it is written to first."""
    own = (("email", contact.email_key), ("phone", contact.phone), ("external_id", contact.external_id))
    return [*(Identity(namespace, value) for namespace, value in own if value), *contact.identities]


def urn_of(identity: Identity) -> str:
    """An identity as a URN."""
    return f"{_SCHEMES.get(identity.namespace, identity.namespace)}:{identity.value}"


def _number(path: str, country: str | None) -> str:
    try:
        number = phonenumbers.parse(path, country)
    except phonenumbers.NumberParseException:
        return path
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
