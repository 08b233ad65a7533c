"""People with every mix of addresses, devices, consents, suppressions and statuses, and whom a campaign reaches.

`expected` works out, from the mix alone and person by person, what a report must say. It knows no SQL and nothing of
the code it judges.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from clarion.adapters.postgres.database import PostgresTransaction
from clarion.domain.ids import Id, new_id, new_ids
from clarion.domain.push_address import WebSubscription

PLATFORMS: Final = ("ios", "android", "web")
APP: Final = "test"
"""The app of the stand-ins' senders."""
Listed = str | None
"""Why an address is on a list: unsubscribed, bounced, or `campaign` for the opt-out of the one campaign."""
Counts = Counter[tuple[str, str, str | None]]
"""Deliveries by channel, state and reason."""

Subscribe = Callable[[], WebSubscription]
"""Makes a new browser's subscription."""


def nowhere() -> WebSubscription:
    """A subscription that nothing is sent to, with the keys of RFC 8291, Appendix A."""
    return WebSubscription(
        f"https://push.crowd.example/{uuid.uuid4().hex}",
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    )


@dataclass(frozen=True, slots=True)
class Gadget:
    """A device of somebody."""

    id: Id
    platform: str
    token: str
    keys: tuple[str | None, str | None] = (None, None)
    app: str = APP
    is_retired: bool = False
    listed: Listed = None

    @property
    def is_live(self) -> bool:
        """Whether a push message may go to it, as far as the device is concerned."""
        return self.app == APP and not self.is_retired


@dataclass(frozen=True, slots=True)
class Somebody:
    """A contact, as the mix has it."""

    id: Id
    status: str
    is_deleted: bool
    email: str | None
    phone: str | None
    is_landline: bool
    devices: tuple[Gadget, ...]
    consents: dict[str, bool | None]
    listed: dict[str, Listed] = field(default_factory=dict)


def crowd(size: int, seed: int, subscribe: Subscribe = nowhere) -> list[Somebody]:
    """So many people, each drawn apart from the others, so that every mix comes up among thousands."""
    dice = random.Random(seed)
    return [_somebody(dice, number, id_, subscribe) for number, id_ in enumerate(new_ids(size))]


def _somebody(dice: random.Random, number: int, id_: Id, subscribe: Subscribe) -> Somebody:
    listings: Sequence[Listed] = (None,) * 9 + ("unsubscribed", "bounced", "campaign")
    is_landline = dice.random() < 0.1
    phone = f"+4930{23000000 + number}" if is_landline else f"+491573{5000000 + number}"
    is_deleted = dice.random() < 0.03
    names = [f"{number:056x}{place:08x}" for place in range(dice.choice((0, 0, 1, 1, 2, 3)))]
    gadgets = [_gadget(dice, name, dice.choice(listings), subscribe) for name in names]
    return Somebody(
        id=id_,
        status=dice.choice(("active",) * 17 + ("blocked", "stopped", "archived")),
        is_deleted=is_deleted,
        email=None if is_deleted or dice.random() < 0.3 else f"person{number}@crowd.example",
        phone=None if is_deleted or dice.random() < 0.3 else phone,
        is_landline=is_landline,
        devices=() if is_deleted else tuple(gadgets),
        consents={channel: dice.choice((None, None, True, False)) for channel in ("email", "sms", "push")},
        listed={channel: dice.choice(listings) for channel in ("email", "sms")},
    )


def _gadget(dice: random.Random, token: str, listed: Listed, subscribe: Subscribe) -> Gadget:
    platform, app = dice.choice(PLATFORMS), dice.choice((APP,) * 9 + ("game",))
    keys: list[str | None] = [None, None]
    if platform == "web":
        token, *keys = subscribe()
    return Gadget(new_id(), platform, token, (keys[0], keys[1]), app, is_retired=dice.random() < 0.15, listed=listed)


async def settle_in(
    tx: PostgresTransaction, account_id: Id, campaign_id: Id, group_id: Id, people: Sequence[Somebody]
) -> None:
    """Stores the people, as members of the group, with their devices and what they asked us not to do."""
    await tx.connection.executemany(
        "INSERT INTO contact (id, account_id, email, email_key, phone, consent_email, consent_sms, consent_push,"
        " status, deleted_at) VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() END)",
        [
            (one.id, account_id, one.email, one.phone, *one.consents.values(), one.status, one.is_deleted)
            for one in people
        ],
    )
    await tx.connection.execute(
        "INSERT INTO group_member (group_id, contact_id) SELECT $1, unnest($2::bytea[])",
        group_id,
        [one.id for one in people],
    )
    await tx.connection.executemany(
        "INSERT INTO device (id, account_id, contact_id, platform, app, token, p256dh, auth, retired_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() END)",
        [
            (
                gadget.id, account_id, one.id, gadget.platform, gadget.app, gadget.token,
                *gadget.keys, gadget.is_retired,
            )
            for one in people
            for gadget in one.devices
        ],
    )  # fmt: skip
    listed = [
        *((channel, address, one.listed[channel]) for one in people for channel, address in _addresses(one)),
        *(("push", gadget.token, gadget.listed) for one in people for gadget in one.devices),
    ]
    await tx.connection.executemany(
        "INSERT INTO suppression (account_id, channel, address_key, reason) VALUES ($1, $2, $3, $4)",
        [(account_id, *row) for row in listed if row[2] not in {None, "campaign"}],
    )
    await tx.connection.executemany(
        "INSERT INTO campaign_suppression (account_id, campaign_id, channel, address_key) VALUES ($1, $2, $3, $4)",
        [(account_id, campaign_id, channel, address) for channel, address, why in listed if why == "campaign"],
    )


def _addresses(one: Somebody) -> list[tuple[str, str]]:
    return [(channel, address) for channel, address in (("email", one.email), ("sms", one.phone)) if address]


def expected(people: Sequence[Somebody], order: Sequence[str], *, first_available: bool) -> Counts:
    """What the report of a marketing campaign over these people says once everything has been sent."""
    counts: Counts = Counter()
    for one in people:
        refusals = {channel: _refusal(one, channel) for channel in order}
        chosen = [next((channel for channel in order if refusals[channel] is None), order[0])]
        for channel in chosen if first_available else order:
            for state, reason in _deliveries(one, channel, refusals[channel]):
                counts[channel, state, reason] += 1
    return counts


def _refusal(one: Somebody, channel: str) -> str | None:
    """Why somebody as a whole is not reached on a channel."""
    if one.is_deleted:
        return "contact_deleted"
    if one.status != "active":
        return "contact_blocked"
    live = [gadget for gadget in one.devices if gadget.is_live]
    if not {"email": one.email, "sms": one.phone, "push": live}[channel]:
        return "no_address"
    if one.consents[channel] is False:
        return "no_consent"
    lists = {_reason_of(gadget.listed) for gadget in live} if channel == "push" else {_reason_of(one.listed[channel])}
    if None in lists:
        return None
    return "unsubscribed" if lists == {"unsubscribed"} else "suppressed"


def _reason_of(listed: Listed) -> str | None:
    return {None: None, "unsubscribed": "unsubscribed", "campaign": "unsubscribed", "bounced": "suppressed"}[listed]


def _deliveries(one: Somebody, channel: str, refusal: str | None) -> list[tuple[str, str | None]]:
    if refusal is not None:
        return [("skipped", refusal)]
    if channel == "sms" and one.is_landline:
        return [("skipped", "landline")]
    if channel != "push":
        return [("sent", None)]
    reasons = [_reason_of(gadget.listed) for gadget in one.devices if gadget.is_live]
    return [("skipped" if reason else "sent", reason) for reason in reasons]
