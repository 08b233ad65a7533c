"""Text messages under test: a sender with rules, and a plan made of few words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tests.support.templates import LINKS, facts

from clarion.domain.campaign import Category
from clarion.domain.content import SmsContent
from clarion.domain.ids import Id
from clarion.domain.providers.sms_http import SignedHttp
from clarion.domain.sender import Sender
from clarion.domain.sms import SmsRules
from clarion.rendering.sms_plan import SmsPlan, compile_sms

_NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)


def sender(rules: SmsRules | None) -> Sender:
    """A sender of text messages that comes as `Clarion`."""
    provider = SignedHttp(url="https://sms.clarion.test/send")
    return Sender(
        id=Id(bytes(12)), name="SMS", provider=provider, from_address="Clarion", sms=rules, rate_per_second=None,
        created_at=_NOW, updated_at=_NOW,
    )  # fmt: skip


def plan_of(
    text: str,
    *,
    rules: SmsRules | None = None,
    category: Category = Category.TRANSACTIONAL,
    from_address: str = "Clarion",
    **options: object,
) -> SmsPlan:
    """A compiled plan."""
    content = SmsContent(text=text, **options)  # type: ignore[arg-type]
    return compile_sms(content, facts=facts(category, from_address), sender=sender(rules), links=LINKS)
