"""What a text message will be before anybody gets it: encodings, segments, countries and price, from a sample.

Reads some of the audience and renders for each what they would get; stores nothing. Where to read next:
`rendering.sms_plan` (the message), `domain.sms` (prices).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from clarion.application.ports import Transaction
from clarion.application.ports.samples import Sampled
from clarion.domain.campaign import Campaign
from clarion.domain.ids import Id
from clarion.domain.outcome import Reason
from clarion.domain.segment import Rule
from clarion.domain.sender import Sender
from clarion.domain.sms import NO_RULES, SmsRules
from clarion.rendering.message import Refusal
from clarion.rendering.phone_numbers import look_up
from clarion.rendering.sms import WireSms
from clarion.rendering.sms_encoding import GSM_CHARACTERS, Encoding, fitted
from clarion.rendering.sms_plan import SmsPlan, Worded, foreign_characters

SAMPLE: Final = 500
"""People of the audience whose message is made. With so many a share is right to about two in a hundred."""
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class SegmentCounts:
    """How many segments the messages of the sample have. `typical` is the median."""

    least: int
    typical: int
    most: int


@dataclass(frozen=True, slots=True)
class CountryShare:
    """What goes to one country. `share` is of everyone in the sample; `price` is for one segment."""

    country: str
    share: float
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class SmsEstimate:
    """What the messages of a campaign will be, as far as a sample tells.

    `sampled` people were looked at; of these `encodings` and `skipped` count the ones that get a message, by encoding,
    and the ones that will not, by reason. `recipients` is how many were selected and may be written to, `total` the
    segments they will be sent in all, and `cost` what those cost in `currency`: None when no price is known for any of
    them. Without anybody to look at, `segments` are those of the message without data.
    """

    sampled: int
    recipients: int
    segments: SegmentCounts | None
    encodings: dict[Encoding, int]
    skipped: dict[Reason, int]
    countries: tuple[CountryShare, ...]
    total: int
    cost: Decimal | None
    currency: str | None
    warnings: tuple[str, ...]


async def estimate_sms(
    tx: Transaction,
    *,
    account_id: Id,
    campaign: Campaign,
    rules: Sequence[Rule],
    plan: SmsPlan,
    sender: Sender | None,
    recipients: int,
) -> SmsEstimate:
    """Estimates what a campaign's text messages will be; `rules` are those of its segments.

    `recipients` is how many of the audience may be written to on SMS. One statement, and some milliseconds of
    rendering.
    """
    people = await tx.samples.phones(account_id, campaign, rules, plan.columns, SAMPLE)
    return estimated(plan, sender.sms or NO_RULES if sender else NO_RULES, people, recipients)


def estimated(plan: SmsPlan, rules: SmsRules, people: Sequence[Sampled], recipients: int) -> SmsEstimate:
    """The same from people at hand; pure."""
    rendered = [plan.render(number, one.phone, one.contact, "") for number, one in enumerate(people)]
    made = [(_country_of(message), message) for message in rendered if isinstance(message, WireSms)]
    skipped = Counter(refusal.reason for refusal in rendered if isinstance(refusal, Refusal))
    worded = [message for _, message in made] if people else _for_nobody(plan)
    counts = [len(message.parts) for message in worded]
    countries = Counter(country for country, _ in made)
    costs = [price * len(message.parts) for country, message in made if (price := rules.price(country)) is not None]
    scale = Decimal(recipients) / len(people) if people else Decimal(0)
    return SmsEstimate(
        sampled=len(people),
        recipients=recipients,
        segments=SegmentCounts(min(counts), statistics.median_low(counts), max(counts)) if counts else None,
        encodings=dict(Counter(message.encoding for _, message in made)),
        skipped=dict(skipped),
        countries=tuple(
            CountryShare(country, round(count / len(people), 4), rules.price(country))
            for country, count in countries.most_common()
        ),
        total=round(sum(len(message.parts) for _, message in made) * scale),
        cost=(sum(costs, Decimal(0)) * scale).quantize(_CENT, ROUND_HALF_UP) if costs else None,
        currency=rules.currency,
        warnings=(*_dear(worded), *_unpriced(rules, countries), *_left_out(skipped, len(people))),
    )


def _country_of(message: WireSms) -> str:
    place = look_up(message.to)
    return place.country if place else ""


def _for_nobody(plan: SmsPlan) -> list[Worded]:
    worded = plan.worded(0, {"attributes": {}})
    return [] if isinstance(worded, Refusal) else [worded]


def _dear(worded: Sequence[Worded | WireSms]) -> list[str]:
    """Says what a few characters cost that only UCS-2 can say."""
    found: Counter[tuple[str, int, int]] = Counter()
    for one in worded:
        if one.encoding is Encoding.UCS2:
            plain = "".join(char for char in one.text if char in GSM_CHARACTERS)
            _, parts = fitted(plain)
            if len(parts) < len(one.parts):
                found[foreign_characters(one.text), len(one.parts), len(parts)] += 1
    if not found:
        return []
    ((foreign, many, few), _), *_ = found.most_common()
    who = _share(sum(found.values()), len(worded))
    return [f"{foreign} is not of the GSM alphabet: {many} segments instead of {few}, for {who} of the messages"]


def _unpriced(rules: SmsRules, countries: Counter[str]) -> list[str]:
    unknown = [country for country in countries if rules.price(country) is None]
    return [f"no price is known for {', '.join(sorted(unknown))}"] if rules.prices and unknown else []


def _left_out(skipped: Counter[Reason], everyone: int) -> list[str]:
    return [
        f"{_share(count, everyone)} of those with a number are skipped: {reason}"
        for reason, count in skipped.most_common()
    ]


def _share(count: int, everyone: int) -> str:
    return f"{count / everyone:.0%}" if count * 100 >= everyone else "less than 1%"
