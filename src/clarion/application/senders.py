"""Senders: the configured ways out of an account. Secrets are sealed before they are stored and never shown again.

Trying one out goes through its channel, outside of any transaction. Where to read next: `ports/channel`.
"""

from __future__ import annotations

import msgspec

from clarion.application.ports import Transaction
from clarion.application.ports.senders import Sealer
from clarion.application.sender_rules import SenderDraft, blank_sender, laid_over
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id
from clarion.domain.providers import ProviderName
from clarion.domain.providers.push import Apns, Fcm, WebPush
from clarion.domain.providers.smtp import SmtpRelay
from clarion.domain.sender import Sender
from clarion.rendering.addresses import AddressFault, parse_mailbox


async def create_sender(tx: Transaction, *, account_id: Id, draft: SenderDraft, sealer: Sealer) -> Sender:
    """Stores a new sender. Runs in the caller's transaction.

    Raises:
        Invalid: with one problem per broken rule.
        Conflict: `SENDER_NAME_TAKEN`.
    """
    now = await tx.campaigns.now()
    sender = laid_over(blank_sender(draft, now), draft, now.date(), is_new=True)
    await _refuse_strange_pool(tx, account_id, sender)
    sealed = _sealed(sender, draft, None, sealer)
    if not await tx.senders.add(account_id, sender, sealed):
        raise Conflict("SENDER_NAME_TAKEN", "Another sender has this name")
    return await get_sender(tx, account_id=account_id, sender_id=sender.id)


async def get_sender(tx: Transaction, *, account_id: Id, sender_id: Id, lock: bool = False) -> Sender:
    """Reads one sender, without its secrets; with `lock` nobody else changes it in this transaction.

    Raises:
        NotFound: it is unknown or another account's.
    """
    sender = await tx.senders.get(account_id, sender_id, lock=lock)
    if sender is None:
        raise NotFound("sender")
    return sender


async def list_senders(tx: Transaction, *, account_id: Id, after: Id | None, limit: int) -> list[Sender]:
    """Reads up to `limit` senders with ids above `after`."""
    return await tx.senders.page(account_id, after, limit)


async def first_senders(tx: Transaction, *, account_id: Id) -> dict[ChannelName, Sender]:
    """The account's oldest sender on each channel, for what names none."""
    return {sender.channel: sender for sender in await tx.senders.oldest(account_id)}


async def update_sender(
    tx: Transaction, *, account_id: Id, sender_id: Id, draft: SenderDraft, sealer: Sealer
) -> Sender:
    """Changes a sender; batches claimed from then on use it as it is now. Runs in the caller's transaction.

    What waits for room under a limit that changed is let go by the new one.

    Raises:
        NotFound: it is unknown or another account's.
        Invalid: with one problem per broken rule.
        Conflict: `SENDER_NAME_TAKEN`.
    """
    before = await get_sender(tx, account_id=account_id, sender_id=sender_id, lock=True)
    sealed = await tx.senders.sealed_secrets(sender_id)
    sender = laid_over(before, draft, (await tx.campaigns.now()).date(), is_new=False)
    await _refuse_strange_pool(tx, account_id, sender)
    sealed = _sealed(sender, draft, sealed, sealer)
    if not await tx.senders.replace(account_id, sender, sealed):
        raise Conflict("SENDER_NAME_TAKEN", "Another sender has this name")
    if _limits_of(sender) != _limits_of(before):
        await tx.pace.reopen(sender_id)
    return await get_sender(tx, account_id=account_id, sender_id=sender_id)


async def delete_sender(tx: Transaction, *, account_id: Id, sender_id: Id) -> None:
    """Deletes a sender that no campaign names. Runs in the caller's transaction.

    Raises:
        NotFound: it is unknown or another account's.
        Conflict: `SENDER_IN_USE`.
    """
    await get_sender(tx, account_id=account_id, sender_id=sender_id, lock=True)
    if not await tx.senders.remove(account_id, sender_id):
        raise Conflict("SENDER_IN_USE", "A campaign uses this sender")
    await tx.pace.forget(sender_id)


def _sealed(sender: Sender, draft: SenderDraft, before: bytes | None, sealer: Sealer) -> bytes | None:
    """The sender's secrets as they are stored now: of SMTP the password, of others a JSON object of them all."""
    provider = sender.provider
    if isinstance(provider, SmtpRelay):
        if isinstance(draft.password, str):
            return sealer.seal(draft.password.encode())
        return None if draft.password is None or provider.username is None else before
    if not draft.secrets:
        return before
    kept = msgspec.json.decode(sealer.open(before), type=dict[str, str]) if before else {}
    return sealer.seal(msgspec.json.encode({**kept, **draft.secrets}))


def _limits_of(sender: Sender) -> tuple[object, ...]:
    return sender.rate_per_second, dict(sender.domain_rates), sender.daily_cap, sender.warm_up


async def _refuse_strange_pool(tx: Transaction, account_id: Id, sender: Sender) -> None:
    """Whatever goes by one sender of a pool must be able to go by another: one domain, one channel, one app."""
    if sender.pool is None:
        return
    for other in await tx.senders.of_pool(account_id, sender.pool):
        if other.id != sender.id and _reach_of(other) != _reach_of(sender):
            why = f"{other.name} is in this pool and sends {_reach_of(other)}: one kind of message a pool"
            raise Invalid.of([Problem("pool", "sameDomain", why)])


def _reach_of(sender: Sender) -> str:
    """What a sender is good for: a message keeps its From, and a device knows one app, whichever sender it goes by."""
    provider = sender.provider
    if isinstance(provider, Fcm | Apns | WebPush):
        return f"push for {provider.app} by {provider.name}"
    if provider.name is not ProviderName.SMTP:
        return str(provider.channel)
    mailbox = parse_mailbox(sender.from_address)
    domain = "" if isinstance(mailbox, AddressFault) else mailbox.address.mailbox.rpartition("@")[2]
    return f"for {domain}"
