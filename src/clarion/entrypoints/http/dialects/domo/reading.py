"""From Domo's body to what is asked: every field by itself, unknown ones ignored, every mistake told at once.

No message repeats a value, for the body holds a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clarion.domain.errors import Invalid, Malformed, Problem, Unauthenticated
from clarion.entrypoints.http.strict_json import Json, parse_json
from clarion.rendering.addresses import AddressFault, parse_email

ADDRESSES_LIMIT: Final = 10_000
FIELDS_LIMIT: Final = 500
_NAME_LIMIT: Final = 200
_INSTANCE_LIMIT: Final = 253
_ADDRESS_LIMIT: Final = 320
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_SCHEME: Final = re.compile(r"https?://", re.IGNORECASE)

Body = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a body asks for. `only` is None for the whole audience."""

    number: int
    instance: str
    only: tuple[str, ...] | None
    is_test: bool
    context: dict[str, str] | None


def read_body(raw: bytes) -> Body:
    """The JSON object of a request. Raises `Malformed` for anything else."""
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise Malformed(Problem("body", "type", "must be a JSON object"))
    return value


def credentials(body: Body) -> tuple[str, str]:
    """The token and its owner's address. Raises `Unauthenticated` when one is missing."""
    token, owner = body.get("domoAccessToken"), body.get("domoAccessTokenOwnerEmailAddress")
    if isinstance(token, str) and isinstance(owner, str) and token.strip() and owner.strip():
        return token.strip(), owner
    raise Unauthenticated(REFUSED)


REFUSED: Final = "The access token is missing, not valid, or not its owner's"
"""The same for every reason, so that nobody learns which half is wrong."""


def canonical(address: str) -> str:
    """The key an address is found by; what is no address is nobody's."""
    read = parse_email(address)
    return address.strip().casefold() if isinstance(read, AddressFault) else read.key


def read_asked(body: Body) -> Asked:
    """What is asked. Raises `Invalid` with every mistake."""
    problems: list[Problem] = []
    asked = Asked(
        number=_number(body.get("campaignId"), problems),
        instance=_instance(body.get("instance"), problems),
        only=_addresses(body.get("emailAddresses"), problems),
        is_test=_flag(body.get("isTest"), problems),
        context=_context(body.get("fields"), problems),
    )
    if asked.is_test and not asked.only:
        problems.append(Problem("emailAddresses", "required", "a test needs at least one address"))
    if problems:
        raise Invalid.of(problems[:100])
    return asked


def _number(value: Json, problems: list[Problem]) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return int(value)
    problems.append(Problem("campaignId", "type", "must be a whole number"))
    return 0


def _instance(value: Json, problems: list[Problem]) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _INSTANCE_LIMIT:
        problems.append(Problem("instance", "required", "must name the instance, as in acme.domo.com"))
        return ""
    return _SCHEME.sub("", value.strip()).partition("/")[0].lower()


def _addresses(value: Json, problems: list[Problem]) -> tuple[str, ...] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list):
        problems.append(Problem("emailAddresses", "type", "must be a list"))
        return None
    if len(value) > ADDRESSES_LIMIT:
        problems.append(Problem("emailAddresses", "maxItems", f"has more than {ADDRESSES_LIMIT} addresses"))
        return None
    read: dict[str, None] = {}
    for number, address in enumerate(value):
        if isinstance(address, str) and address.strip() and len(address) <= _ADDRESS_LIMIT:
            read[canonical(address)] = None
        else:
            problems.append(Problem(f"emailAddresses[{number}]", "pattern", "must be an email address"))
    return tuple(read)


def _flag(value: Json, problems: list[Problem]) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    problems.append(Problem("isTest", "type", "must be true or false"))
    return False


def _context(value: Json, problems: list[Problem]) -> dict[str, str] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list) or len(value) > FIELDS_LIMIT:
        problems.append(Problem("fields", "type", f"must be a list of at most {FIELDS_LIMIT} keys with their values"))
        return None
    context: dict[str, str] = {}
    for number, field in enumerate(value):
        key = field.get("key") if isinstance(field, dict) else None
        said = _said(field.get("value")) if isinstance(field, dict) else None
        if not isinstance(key, str) or not 0 < len(key) <= _NAME_LIMIT or said is None:
            problems.append(
                Problem(f"fields[{number}]", "type", "must have a key, and a value that is no list or object")
            )
        else:
            context[key] = said
    return context


def _said(value: Json) -> str | None:
    """A value as the message shows it; None for one that cannot be shown."""
    if isinstance(value, list | dict):
        return None
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
