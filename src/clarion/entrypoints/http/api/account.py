"""The settings of the account itself.

Owns how they look to callers, never what they may hold: that is `application.account_settings`. Next: `keys`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.application.access import NAME_LIMIT
from clarion.application.account_settings import (
    LANGUAGES_LIMIT,
    ORGANISATION_LIMIT,
    RETENTION_DAYS,
    AccountDraft,
    get_account,
    update_account,
)
from clarion.application.ports import Transaction
from clarion.domain.access import Account, DateStyle, Permission
from clarion.entrypoints.http.api.paging import HexId
from clarion.entrypoints.http.operation import Call, Nothing, operation

Name = Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)]
Timezone = Annotated[str, Meta(max_length=64, description="An IANA time zone.", examples=["Africa/Nairobi"])]
Country = Annotated[str, Meta(max_length=2, description="ISO 3166 in two letters.", examples=["KE"])]
Languages = Annotated[
    list[Annotated[str, Meta(max_length=3, examples=["eng"])]],
    Meta(min_length=1, max_length=LANGUAGES_LIMIT, description="ISO 639-3 in three letters, the first the default."),
]
Instance = Annotated[
    str,
    Meta(max_length=253, description="The host name by which callers name it.", examples=["acme.campaigns.example"]),
]
CallersName = Annotated[
    str, Meta(max_length=ORGANISATION_LIMIT, description="How callers name it; null: any name is accepted.")
]
RetentionDays = Annotated[
    int,
    Meta(
        ge=RETENTION_DAYS[0],
        le=RETENTION_DAYS[1],
        description="How long deliveries are kept after their run ended; null: as long as the operator says.",
    ),
]


class AccountSettingsInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What changes: what is left out stays as it is, null clears a setting."""

    name: Name | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET
    country: Country | UnsetType | None = UNSET
    languages: Languages | UnsetType = UNSET
    date_style: DateStyle | UnsetType = UNSET
    instance: Instance | UnsetType | None = UNSET
    organisation: CallersName | UnsetType | None = UNSET
    sandbox: CallersName | UnsetType | None = UNSET
    retention_days: RetentionDays | UnsetType | None = UNSET

    def draft(self) -> AccountDraft:
        """The same for the use case."""
        return AccountDraft(**{name: getattr(self, name) for name in self.__struct_fields__})


class AccountSettingsView(msgspec.Struct, rename="camel"):
    """The settings of an account."""

    id: HexId
    name: str
    timezone: str
    country: str | None
    languages: list[str]
    date_style: DateStyle
    instance: str | None
    organisation: str | None
    sandbox: str | None
    retention_days: int | None
    weight: int
    rate_per_second: float | None
    """Messages per second over all senders, set by the operator; null is no limit."""
    domain_rates: dict[str, float]
    """Messages per second by recipient domain over all senders, set by the operator."""
    created_at: datetime

    @classmethod
    def of(cls, account: Account) -> AccountSettingsView:
        """The settings as callers see them."""
        return cls(
            id=account.id.hex(),
            name=account.name,
            timezone=account.timezone,
            country=account.country,
            languages=list(account.languages),
            date_style=account.date_style,
            instance=account.instance,
            organisation=account.organisation,
            sandbox=account.sandbox,
            retention_days=account.retention_days,
            weight=account.weight,
            rate_per_second=account.rate_per_second,
            domain_rates=dict(account.domain_rates),
            created_at=account.created_at,
        )


@operation(
    name="getAccountSettings", method="GET", path="/settings", tag="account", permission=Permission.CAMPAIGNS_READ,
    summary="Read the account's settings", description="Answers what the account says of itself.",
    data=AccountSettingsView,
)  # fmt: skip
async def read(tx: Transaction, call: Call[Nothing, Nothing]) -> AccountSettingsView:
    """Reads the settings."""
    return AccountSettingsView.of(await get_account(tx, account_id=call.account_id))


@operation(
    name="updateAccountSettings", method="PATCH", path="/settings", tag="account", permission=Permission.KEYS_WRITE,
    summary="Change the account's settings",
    description="Time zone, date style and country say how dates and numbers without them are read.",
    body=AccountSettingsInput, data=AccountSettingsView,
)  # fmt: skip
async def update(tx: Transaction, call: Call[AccountSettingsInput, Nothing]) -> AccountSettingsView:
    """Changes the given settings."""
    return AccountSettingsView.of(await update_account(tx, account_id=call.account_id, draft=call.body.draft()))


ROUTES = [read, update]
