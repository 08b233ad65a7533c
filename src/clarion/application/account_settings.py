"""What an account says of itself: its name, its place and languages, and how other vendors' callers name it.

Where to read next: `access`, which makes accounts.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import phonenumbers
from msgspec import UNSET, UnsetType

from clarion.application.access import checked_name
from clarion.application.contact_rules import Refusal, read_line, read_timezone
from clarion.application.pace_rules import read_domain_rates, read_rate
from clarion.application.ports import Transaction
from clarion.domain.access import Account, DateStyle
from clarion.domain.errors import Invalid, NotFound, Problem
from clarion.domain.ids import Id

LANGUAGES_LIMIT: Final = 50
ORGANISATION_LIMIT: Final = 255
RETENTION_DAYS: Final = (31, 36_500)
WEIGHTS: Final = (1, 100)
"""The least and the most. A month is the least: until then answers may come late and unsubscribe links must work."""

_LANGUAGE = re.compile(r"[a-z]{3}", re.ASCII)
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9](?:[a-z0-9-]{0,62}))*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDraft:
    """What a caller says about an account: UNSET leaves a setting as it is, None clears it."""

    name: str | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    country: str | UnsetType | None = UNSET
    languages: Sequence[str] | UnsetType = UNSET
    date_style: DateStyle | UnsetType = UNSET
    instance: str | UnsetType | None = UNSET
    organisation: str | UnsetType | None = UNSET
    sandbox: str | UnsetType | None = UNSET
    retention_days: int | UnsetType | None = UNSET
    weight: int | UnsetType = UNSET
    rate_per_second: float | UnsetType | None = UNSET
    domain_rates: Mapping[str, float] | UnsetType = UNSET


async def get_account(tx: Transaction, *, account_id: Id) -> Account:
    """Reads an account.

    Raises:
        NotFound: there is none of this id.
    """
    account = await tx.accounts.find(account_id)
    if account is None:
        raise NotFound("account")
    return account


async def update_account(tx: Transaction, *, account_id: Id, draft: AccountDraft) -> Account:
    """Changes the given settings of an account. Runs in the caller's transaction.

    Raises:
        NotFound: there is none of this id.
        Invalid: with one problem per broken rule.
    """
    account = await get_account(tx, account_id=account_id)
    changes: dict[str, Any] = {}
    problems: list[Problem] = []
    for field, read in _READERS.items():
        value = getattr(draft, field)
        result = value if value is UNSET or value is None else read(value)
        if isinstance(result, Refusal):
            problems.append(Problem(field, result.rule, result.message))
        elif result is not UNSET:
            changes[field] = result
    if draft.name is not UNSET:
        try:
            changes["name"] = checked_name(draft.name)
        except Invalid as refused:
            problems += refused.problems
    if problems:
        raise Invalid.of(problems)
    if draft.date_style is not UNSET:
        changes["date_style"] = draft.date_style
    if {"rate_per_second", "domain_rates"} & changes.keys():
        await tx.pace.reopen(account_id)
    return await tx.accounts.update(dataclasses.replace(account, **changes))


def _read_country(value: str) -> str | Refusal:
    code = value.strip(" ").upper()
    if code in phonenumbers.SUPPORTED_REGIONS:
        return code
    return Refusal("country", "must be a country of ISO 3166 in two letters, such as KE")


def _read_languages(values: Sequence[str]) -> tuple[str, ...] | Refusal:
    languages = tuple(dict.fromkeys(value.strip(" ").lower() for value in values))
    if not languages:
        return Refusal("minItems", "must name at least one language")
    if len(languages) > LANGUAGES_LIMIT:
        return Refusal("maxItems", f"must be at most {LANGUAGES_LIMIT}")
    if all(_LANGUAGE.fullmatch(language) for language in languages):
        return languages
    return Refusal("language", "must be languages of ISO 639-3 in three letters, such as eng")


def _read_instance(value: str) -> str | Refusal:
    host = value.strip(" ").lower()
    return (
        host if _HOST.fullmatch(host) else Refusal("hostname", "must be the name of a host, such as acme.example.com")
    )


def _read_word(value: str) -> str | Refusal:
    return read_line(value, ORGANISATION_LIMIT)


def _read_days(value: int) -> int | Refusal:
    least, most = RETENTION_DAYS
    return value if least <= value <= most else Refusal("range", f"must be from {least} to {most} days")


def _read_weight(value: int) -> int | Refusal:
    least, most = WEIGHTS
    return value if least <= value <= most else Refusal("range", f"must be from {least} to {most}")


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "timezone": read_timezone,
    "country": _read_country,
    "languages": _read_languages,
    "instance": _read_instance,
    "organisation": _read_word,
    "sandbox": _read_word,
    "retention_days": _read_days,
    "weight": _read_weight,
    "rate_per_second": read_rate,
    "domain_rates": read_domain_rates,
}
