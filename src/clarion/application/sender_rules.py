"""What a sender may be: the draft of one laid over what is stored, with everything that is wrong with it.

Stores nothing and opens no seal; that is `senders`. What a provider needs is said by `domain.providers`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from clarion.application.contact_rules import Refusal
from clarion.application.pace_rules import WarmUpDraft, read_cap, read_domain_rates, read_rate, read_warm_up
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import new_id
from clarion.domain.providers import PROVIDERS, Provider, ProviderName
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smtp import SmtpRelay
from clarion.domain.sender import Sender
from clarion.domain.sms import SmsRules, originator_problems
from clarion.rendering.addresses import AddressFault, parse_mailbox
from clarion.rendering.phone_numbers import COUNTRIES

NAME_LIMIT: Final = 100
CREDENTIAL_LIMIT: Final = 255
SECRET_LIMIT: Final = 8192
WEIGHT_LIMIT: Final = 100
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_LIMIT_FIELDS: Final = {"rate_per_second": "ratePerSecond", "domain_rates": "domainRates", "daily_cap": "dailyCap"}
_FLAT: Final = ("host", "port", "security", "username", "max_connections")
"""The settings of an SMTP relay, which stand beside the sender's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDraft:
    """What a caller says about a sender: UNSET leaves a field as it is, None clears it.

    `settings` and `secrets` are those of a provider that is not an SMTP relay, under the API's names; what they leave
    out stays as it is.
    """

    name: str | UnsetType = UNSET
    provider: ProviderName | UnsetType = UNSET
    host: str | UnsetType = UNSET
    port: int | UnsetType = UNSET
    security: Security | UnsetType = UNSET
    username: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    max_connections: int | UnsetType = UNSET
    settings: Mapping[str, Any] | UnsetType = UNSET
    secrets: Mapping[str, str] | UnsetType = UNSET
    from_address: str | UnsetType = UNSET
    sms: SmsRules | UnsetType | None = UNSET
    rate_per_second: float | UnsetType | None = UNSET
    domain_rates: Mapping[str, float] | UnsetType | None = UNSET
    daily_cap: int | UnsetType | None = UNSET
    warm_up: WarmUpDraft | UnsetType | None = UNSET
    pool: str | UnsetType | None = UNSET
    weight: int | UnsetType = UNSET


_BLANK_RELAY: Final = SmtpRelay(host="", port=0, security=Security.STARTTLS)


def blank_sender(draft: SenderDraft, now: datetime) -> Sender:
    """What a new sender is before anything was said of it, but for its provider.

    Raises:
        Invalid: the settings are not those of its provider.
    """
    kind = ProviderName.SMTP if draft.provider is UNSET else draft.provider
    provider: Provider = _BLANK_RELAY
    if kind is not ProviderName.SMTP:
        provider = _read_settings(PROVIDERS[kind], {}, {} if draft.settings is UNSET else draft.settings)
    return Sender(
        id=new_id(), name="", provider=provider, from_address="", rate_per_second=None, created_at=now, updated_at=now
    )


def laid_over(sender: Sender, draft: SenderDraft, today: date, *, is_new: bool) -> Sender:
    """The sender with the draft laid over it.

    Raises:
        Invalid: with everything that is wrong.
    """
    if is_new and isinstance(sender.provider, SmtpRelay):
        _refuse_missing(draft)
    result = dataclasses.replace(
        sender,
        provider=_provider_of(sender.provider, draft),
        name=sender.name if draft.name is UNSET else draft.name,
        from_address=sender.from_address if draft.from_address is UNSET else draft.from_address,
        sms=sender.sms if draft.sms is UNSET else draft.sms,
        pool=sender.pool if draft.pool is UNSET else draft.pool,
        weight=sender.weight if draft.weight is UNSET else draft.weight,
    )
    limits, problems = _read_limits(draft, today)
    problems += [
        *_name_problems(result),
        *_origin_problems(result),
        *_pool_problems(result),
        *_strange_problems(sender, draft),
        *result.provider.problems(),
        *_login_problems(result.provider, draft),
        *_secret_problems(result.provider, draft, is_new=is_new),
    ]
    if problems:
        raise Invalid.of(problems)
    return dataclasses.replace(result, **limits)


def _refuse_missing(draft: SenderDraft) -> None:
    """Refuses a new relay that nobody could reach; there is nothing to say of fields that are not there."""
    missing = [name for name in ("host", "port", "security", "from_address") if getattr(draft, name) is UNSET]
    if missing:
        raise Invalid.of([Problem(_camel(name), "required", "is required of an SMTP relay") for name in missing])


def _provider_of(provider: Provider, draft: SenderDraft) -> Provider:
    if isinstance(provider, SmtpRelay):
        said = {name: value for name in _FLAT if (value := getattr(draft, name)) is not UNSET}
        return dataclasses.replace(provider, **said)
    if draft.settings is UNSET:
        return provider
    return _read_settings(type(provider), msgspec.to_builtins(provider), draft.settings)


def _read_settings(kind: type[Provider], before: Mapping[str, Any], said: Mapping[str, Any]) -> Provider:
    """The provider's settings with what was said laid over them.

    Raises:
        Invalid: a setting is unknown, missing or of another type.
    """
    fields = {_camel(one.name): one for one in dataclasses.fields(cast("Any", kind))}
    values = {**before, **{fields[name].name: value for name, value in said.items() if name in fields}}
    problems = [
        Problem(f"settings.{name}", "unknown", f"{kind.name} has no such setting")
        for name in said
        if name not in fields
    ]
    problems += [
        Problem(f"settings.{name}", "required", "is required")
        for name, one in fields.items()
        if one.default is dataclasses.MISSING and one.name not in values
    ]
    if problems:
        raise Invalid.of(problems)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise Invalid(Problem(f"settings.{_camel(path.rstrip('`'))}", "type", message)) from None


def settings_of(provider: Provider) -> dict[str, Any]:
    """A provider's settings under the API's names."""
    return {_camel(name): value for name, value in msgspec.to_builtins(provider).items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _read_limits(draft: SenderDraft, today: date) -> tuple[dict[str, Any], list[Problem]]:
    """The limits that the draft names, and what is wrong with them."""
    limits: dict[str, Any] = {
        "rate_per_second": _read(read_rate, draft.rate_per_second),
        "domain_rates": _read(read_domain_rates, {} if draft.domain_rates is None else draft.domain_rates),
        "daily_cap": _read(read_cap, draft.daily_cap),
        "warm_up": _read(lambda plan: read_warm_up(plan, today), draft.warm_up),
    }
    problems = [
        Problem(_LIMIT_FIELDS[name], value.rule, value.message)
        for name, value in limits.items()
        if isinstance(value, Refusal)
    ]
    problems += [value for value in limits.values() if isinstance(value, Problem)]
    return {name: value for name, value in limits.items() if value is not UNSET}, problems


def _read(read: Callable[[Any], Any], value: object) -> Any:  # noqa: ANN401 - UNSET and None stay what they are
    return value if value is UNSET or value is None else read(value)


def _name_problems(sender: Sender) -> Iterator[Problem]:
    if not sender.name.strip() or len(sender.name) > NAME_LIMIT or _UNSAFE.search(sender.name):
        yield Problem("name", "pattern", f"1 to {NAME_LIMIT} characters, no control characters")


def _origin_problems(sender: Sender) -> Iterator[Problem]:
    """Whether messages can come from where the sender says: a mailbox, an originator of SMS, nothing for push."""
    if sender.channel is ChannelName.EMAIL:
        mailbox = parse_mailbox(sender.from_address)
        if isinstance(mailbox, AddressFault):
            yield Problem("fromAddress", mailbox.rule, mailbox.message)
    elif sender.channel is ChannelName.SMS:
        yield from originator_problems(sender.from_address, "fromAddress")
    elif sender.from_address:
        yield Problem("fromAddress", "unsupported", "a push message comes from its app")
    if sender.sms is not None:
        if sender.channel is ChannelName.SMS:
            yield from sender.sms.problems(sender.from_address, COUNTRIES)
        else:
            yield Problem("sms", "unsupported", "only a sender of SMS has these rules")


def _pool_problems(sender: Sender) -> Iterator[Problem]:
    if sender.pool is not None and (
        not sender.pool.strip() or len(sender.pool) > NAME_LIMIT or _UNSAFE.search(sender.pool)
    ):
        yield Problem("pool", "pattern", f"1 to {NAME_LIMIT} characters, no control characters")
    if not 1 <= sender.weight <= WEIGHT_LIMIT:
        yield Problem("weight", "range", f"1 to {WEIGHT_LIMIT}")


def _strange_problems(before: Sender, draft: SenderDraft) -> Iterator[Problem]:
    """What was said that this provider has no use for; nothing a caller says is silently dropped."""
    kind = before.provider.name
    if draft.provider is not UNSET and draft.provider is not kind:
        yield Problem("provider", "immutable", f"this sender's provider is {kind}; create another sender")
    if kind is ProviderName.SMTP:
        for field in ("settings", "secrets"):
            if getattr(draft, field) is not UNSET:
                yield Problem(field, "unsupported", "an SMTP relay has host, port, security, username and password")
    else:
        for name in (*_FLAT, "password"):
            if getattr(draft, name) is not UNSET:
                yield Problem(_camel(name), "unsupported", f"{kind} has settings and secrets instead")
    if draft.domain_rates and before.channel is not ChannelName.EMAIL:
        yield Problem("domainRates", "unsupported", "only email addresses have domains")


def _login_problems(provider: Provider, draft: SenderDraft) -> Iterator[Problem]:
    for field in ("username", "password"):
        text = getattr(draft, field)
        if isinstance(text, str) and (not text or len(text) > CREDENTIAL_LIMIT or _UNSAFE.search(text)):
            yield Problem(field, "pattern", f"1 to {CREDENTIAL_LIMIT} characters, no control characters")
    if isinstance(provider, SmtpRelay) and isinstance(draft.password, str) and provider.username is None:
        yield Problem("username", "required", "a password needs a username")


def _secret_problems(provider: Provider, draft: SenderDraft, *, is_new: bool) -> Iterator[Problem]:
    said = {} if draft.secrets is UNSET else draft.secrets
    for name, secret in said.items():
        if name not in provider.secrets:
            yield Problem(f"secrets.{name[:100]}", "unknown", f"{provider.name} has no such secret")
        elif not secret or len(secret) > SECRET_LIMIT or "\0" in secret:
            yield Problem(f"secrets.{name}", "pattern", f"1 to {SECRET_LIMIT:,} characters")
    if is_new:
        for name in provider.secrets:
            if name not in said:
                yield Problem(f"secrets.{name}", "required", "is required")
