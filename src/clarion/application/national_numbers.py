"""Telephone numbers written as people of a country write them: whose country they are read in.

Where to read next: `contact_rules.read_phone`, which reads them.
"""

from __future__ import annotations

from clarion.application.ports import Transaction
from clarion.domain.ids import Id


async def country_of(tx: Transaction, account_id: Id, *given: object) -> str | None:
    """The account's country when one of these is a number without its country; None when that is not needed."""
    if all(not isinstance(text, str) or text.lstrip(" (").startswith("+") for text in given):
        return None
    account = await tx.accounts.find(account_id)
    return account.country if account else None
