"""Senders as callers see and say them: a relay with its fields, or any other provider with its settings.

Holds no rule; those are `application.sender_rules`. Where to read next: `senders`, the operations.
"""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application.pace_rules import (
    CAP_LIMIT,
    DAYS_LIMIT,
    DOMAINS_LIMIT,
    FACTOR_LEAST,
    FACTOR_LIMIT,
    RATE_LEAST,
    RATE_LIMIT,
    WarmUpDraft,
)
from clarion.application.sender_rules import (
    CREDENTIAL_LIMIT,
    NAME_LIMIT,
    SECRET_LIMIT,
    WEIGHT_LIMIT,
    SenderDraft,
    settings_of,
)
from clarion.domain.channel import ChannelName
from clarion.domain.health import Health
from clarion.domain.providers import ProviderName
from clarion.domain.providers.provider import DEFAULT_CONNECTIONS, MAX_CONNECTIONS_LIMIT, Security
from clarion.domain.providers.smtp import SmtpRelay
from clarion.domain.sender import Sender
from clarion.domain.sms import SmsRules
from clarion.entrypoints.http.api.paging import HexId

Host = Annotated[str, Meta(min_length=1, max_length=253, examples=["smtp.relay.example"])]
Port = Annotated[int, Meta(ge=1, le=65535, examples=[587])]
Credential = Annotated[str, Meta(min_length=1, max_length=CREDENTIAL_LIMIT)]
FromAddress = Annotated[
    str,
    Meta(
        max_length=512,
        description="Of email an address, with a name if you like; of SMS a number, a short code or a name, "
        "or empty where the provider chooses.",
        examples=["Clarion <news@sender.example>"],
    ),
]
Connections = Annotated[int, Meta(ge=1, le=MAX_CONNECTIONS_LIMIT, description="Per worker process.")]
Rate = Annotated[float, Meta(ge=RATE_LEAST, le=RATE_LIMIT, description="Messages per second; null is no limit.")]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, examples=["Main relay"])]
Provider = Annotated[ProviderName, Meta(description="Whom it hands its messages to; it decides the channel.")]
Settings = Annotated[
    dict[str, Any],
    Meta(
        max_length=30,
        description="What the provider needs, by name (docs/providers.md); not for an SMTP relay.",
        examples=[{"accountSid": "AC0123456789abcdef0123456789abcdef"}],
    ),
]
Secrets = Annotated[
    dict[str, Annotated[str, Meta(min_length=1, max_length=SECRET_LIMIT)]],
    Meta(max_length=5, description="The provider's secrets by name. Kept encrypted and never shown."),
]

DomainRates = Annotated[
    dict[str, Annotated[float, Meta(ge=RATE_LEAST, le=RATE_LIMIT)]],
    Meta(
        max_length=DOMAINS_LIMIT,
        description="Messages per second by recipient domain; given anew it replaces all of them.",
        examples=[{"mail.example": 20}],
    ),
]
Messages = Annotated[int, Meta(ge=1, le=CAP_LIMIT)]
PerDay = Annotated[list[Messages], Meta(min_length=1, max_length=DAYS_LIMIT, examples=[[50, 100, 200]])]
StartsOn = Annotated[date, Meta(description="The first day of the plan, in UTC; today when left out.")]
Growth = Annotated[float, Meta(ge=FACTOR_LEAST, le=FACTOR_LIMIT, description="How many times the day before.")]
DailyCap = Annotated[Messages, Meta(description="Messages a day, which begins at midnight UTC; null is no cap.")]


Pool = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_LIMIT,
        description="Senders of one pool carry each other's mail; they send for the same domain.",
        examples=["newsletters"],
    ),
]
Weight = Annotated[int, Meta(ge=1, le=WEIGHT_LIMIT, description="How much of its pool's mail goes by it.")]


class WarmUpInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A plan by which the daily cap grows: `perDay`, or `start`, `factor` and `until` of which it is made."""

    starts_on: StartsOn | None = None
    per_day: PerDay | None = None
    start: Annotated[Messages, Meta(description="Messages of the first day.")] | None = None
    factor: Growth | None = None
    until: Annotated[Messages, Meta(description="Messages of the last day.")] | None = None

    def draft(self) -> WarmUpDraft:
        """The same for the use case."""
        return WarmUpDraft(**{name: getattr(self, name) for name in self.__struct_fields__})


class SmsRulesModel(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a sender of SMS keeps to. Countries are ISO 3166 codes of two letters."""

    originators: Annotated[
        dict[str, str], Meta(max_length=300, description="By country, where it is another than `fromAddress`.")
    ] = {}
    countries: (
        Annotated[list[str], Meta(min_length=1, max_length=300, description="Where it may send; null: everywhere.")]
        | None
    ) = None
    prices: Annotated[
        dict[str, Decimal],
        Meta(max_length=300, description="Of a segment, by country, `*` for all others; previews count with it."),
    ] = {}
    currency: Annotated[str, Meta(description="ISO 4217.", examples=["EUR"])] | None = None

    @classmethod
    def of(cls, rules: SmsRules | None) -> SmsRulesModel | None:
        """The rules as callers see them."""
        if rules is None:
            return None
        return cls(
            originators=dict(rules.originators),
            countries=list(rules.countries) if rules.countries else None,
            prices=dict(rules.prices),
            currency=rules.currency,
        )

    def rules(self) -> SmsRules:
        """The same for the use case."""
        return SmsRules(
            originators=self.originators,
            countries=None if self.countries is None else tuple(self.countries),
            prices=self.prices,
            currency=self.currency,
        )


class SenderPatch(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Changes to a sender. What is left out stays as it is; null clears a field."""

    name: Name | UnsetType = UNSET
    provider: Provider | UnsetType = UNSET
    host: Host | UnsetType = UNSET
    port: Port | UnsetType = UNSET
    security: Security | UnsetType = UNSET
    username: Credential | UnsetType | None = UNSET
    password: Annotated[Credential, Meta(description="Kept encrypted and never shown.")] | UnsetType | None = UNSET
    max_connections: Connections | UnsetType = UNSET
    settings: Settings | UnsetType = UNSET
    secrets: Secrets | UnsetType = UNSET
    from_address: FromAddress | UnsetType = UNSET
    sms: SmsRulesModel | UnsetType | None = UNSET
    """Rules of a sender of text messages."""
    rate_per_second: Rate | UnsetType | None = UNSET
    domain_rates: DomainRates | UnsetType | None = UNSET
    daily_cap: DailyCap | UnsetType | None = UNSET
    warm_up: WarmUpInput | UnsetType | None = UNSET
    pool: Pool | UnsetType | None = UNSET
    weight: Weight | UnsetType = UNSET

    def draft(self) -> SenderDraft:
        """The same for the use case."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        if isinstance(self.warm_up, WarmUpInput):
            said["warm_up"] = self.warm_up.draft()
        if isinstance(self.sms, SmsRulesModel):
            said["sms"] = self.sms.rules()
        return SenderDraft(**said)


class SenderInput(SenderPatch, kw_only=True):
    """A new sender: an SMTP relay with `host`, `port` and `security`, or another provider with its `settings`."""

    name: Name
    provider: Provider = ProviderName.SMTP

    def draft(self) -> SenderDraft:
        """The same for the use case; what a relay must have is asked for here."""
        draft = SenderPatch.draft(self)
        if self.provider is ProviderName.SMTP and self.max_connections is UNSET:
            return dataclasses.replace(draft, max_connections=DEFAULT_CONNECTIONS)
        return draft


class WarmUpView(msgspec.Struct, rename="camel"):
    """A warm-up plan, day by day."""

    starts_on: date
    per_day: list[int]


class ShutView(msgspec.Struct, rename="camel"):
    """Why a sender is left alone for now: it failed as a whole. It is tried again at `nextTryAt`."""

    reason: str
    reply: str
    since: datetime
    next_try_at: datetime | None

    @classmethod
    def of(cls, health: Health | None) -> ShutView | None:
        """None for a sender that is used."""
        if health is None or not health.is_shut:
            return None
        return cls(health.reason, health.reply, health.since, health.next_try_at)


class SenderView(msgspec.Struct, rename="camel", kw_only=True):
    """A stored sender without its secrets. `host` to `username` are those of an SMTP relay, `settings` of any other."""

    id: HexId
    name: str
    channel: ChannelName
    provider: ProviderName
    host: str | None
    port: int | None
    security: Security | None
    username: str | None
    settings: dict[str, Any] | None
    from_address: str
    """Empty for push, where a message comes from its app."""
    sms: SmsRulesModel | None
    max_connections: int
    rate_per_second: float | None
    domain_rates: dict[str, float]
    daily_cap: int | None
    warm_up: WarmUpView | None
    pool: str | None
    weight: int
    shut: ShutView | None
    """Null while it is used."""
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, sender: Sender) -> SenderView:
        """The sender as callers see it."""
        provider = sender.provider
        relay = provider if isinstance(provider, SmtpRelay) else None
        return cls(
            id=sender.id.hex(),
            name=sender.name,
            channel=sender.channel,
            provider=provider.name,
            host=relay.host if relay else None,
            port=relay.port if relay else None,
            security=relay.security if relay else None,
            username=relay.username if relay else None,
            settings=None if relay else settings_of(provider),
            from_address=sender.from_address,
            sms=SmsRulesModel.of(sender.sms),
            max_connections=provider.max_connections,
            rate_per_second=sender.rate_per_second,
            domain_rates=dict(sender.domain_rates),
            daily_cap=sender.daily_cap,
            warm_up=WarmUpView(sender.warm_up.starts_on, list(sender.warm_up.per_day)) if sender.warm_up else None,
            pool=sender.pool,
            weight=sender.weight,
            shut=ShutView.of(sender.health),
            created_at=sender.created_at,
            updated_at=sender.updated_at,
        )
