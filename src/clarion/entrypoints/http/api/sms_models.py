"""What text messages look like in answers before they are sent: segments, encodings, countries and price.

Shapes only; the figures come from `application.sms_estimate`. Used where a campaign is checked or previewed.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from clarion.application.sms_estimate import SmsEstimate
from clarion.rendering.sms_plan import Worded


class SegmentsView(msgspec.Struct, rename="camel"):
    """How many segments the messages of the sample have; `typical` is the median."""

    least: int
    typical: int
    most: int


class SmsCountryView(msgspec.Struct, rename="camel"):
    """What goes to one country; `share` is of everyone in the sample, `pricePerSegment` what the sender says."""

    country: str
    share: float
    price_per_segment: Decimal | None
    """Null when the sender says none."""


class SmsCostView(msgspec.Struct, rename="camel"):
    """What all messages are estimated to cost."""

    amount: Decimal
    """Without the countries that have no price; a warning names them."""
    currency: str | None


class SmsEstimateView(msgspec.Struct, rename="camel"):
    """What the text messages will be, told from a sample of the audience."""

    sampled: int
    """How many people's messages were made."""
    recipients: int
    """How many of the audience have a number and may be written to."""
    segments: SegmentsView | None
    total_segments: int
    """Of all messages together."""
    encodings: dict[str, int]
    """How many messages of the sample are in which."""
    skipped: dict[str, int]
    """How many of the sample would get none, by reason."""
    countries: list[SmsCountryView]
    cost: SmsCostView | None
    """Null when the sender has no prices."""

    @classmethod
    def of(cls, estimate: SmsEstimate) -> SmsEstimateView:
        """The estimate as callers see it; its warnings stand with the others of the campaign."""
        segments = estimate.segments
        return cls(
            sampled=estimate.sampled,
            recipients=estimate.recipients,
            segments=SegmentsView(segments.least, segments.typical, segments.most) if segments else None,
            total_segments=estimate.total,
            encodings={str(encoding): count for encoding, count in estimate.encodings.items()},
            skipped={str(reason): count for reason, count in estimate.skipped.items()},
            countries=[SmsCountryView(one.country, one.share, one.price) for one in estimate.countries],
            cost=None if estimate.cost is None else SmsCostView(estimate.cost, estimate.currency),
        )


class SmsPreviewView(msgspec.Struct, rename="camel"):
    """A text message as one person would get it, cut into its segments."""

    text: str
    encoding: str
    """`gsm` or `ucs2`."""
    segments: list[str]

    @classmethod
    def of(cls, worded: Worded) -> SmsPreviewView:
        """The message as callers see it."""
        return cls(worded.text, str(worded.encoding), list(worded.parts))
