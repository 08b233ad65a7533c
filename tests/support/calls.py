"""Calls with their recipients, for tests of the intake: a triggered campaign that is running, and calls to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support import stage
from tests.support.stage import Stage

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.calls import TriggerCall, TriggerRecipient
from clarion.domain.campaign import Category
from clarion.domain.content import EmailContent

LETTER = EmailContent(subject="Order {{ context.order }}", html="<p>Hello {{ contact.firstName }}</p>")

_TRIGGERED = """
UPDATE campaign SET kind = 'triggered', state = 'running', group_ids = '{}', creates_contacts = $2,
                    high_throughput = $3, started_at = now()
WHERE id = $1
"""


async def build(
    database: PostgresDatabase,
    addresses: Sequence[str] = (),
    *,
    category: Category = Category.TRANSACTIONAL,
    creates_contacts: bool = False,
    high_throughput: bool = False,
    email: EmailContent = LETTER,
    port: int = 9,
) -> Stage:
    """An account with contacts at these addresses and a triggered campaign that is running."""
    made = await stage.build(database, addresses, category=category, email=email, port=port)
    await made.execute(_TRIGGERED, made.campaign_id, creates_contacts, high_throughput)
    return made


def call(
    made: Stage, *recipients: str | TriggerRecipient, request_id: str | None = None, body: str = ""
) -> TriggerCall:
    """A call to the campaign of a stage for these recipients; a text is an email address."""
    named = tuple(to(one) if isinstance(one, str) else one for one in recipients)
    return TriggerCall(
        account_id=made.account_id,
        campaign_id=made.campaign_id,
        request_id=request_id,
        body_hash=hashlib.sha256(f"{body or recipients}".encode()).digest(),
        recipients=named,
    )


def to(
    value: str,
    namespace: str = "email",
    *,
    is_external: bool = False,
    addresses: Mapping[str, str] | None = None,
    profile: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
) -> TriggerRecipient:
    """One recipient."""
    return TriggerRecipient(
        namespace=namespace,
        value=value,
        is_external=is_external,
        addresses=addresses or {},
        profile=profile or {},
        context=context or {},
    )
