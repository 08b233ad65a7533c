"""Senders: the configured ways out of an account. Passwords are sealed before they are stored and never shown again.

Trying one out goes through its channel, outside of any transaction. Where to read next: `ports/channel`.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from msgspec import UNSET, UnsetType

from clarion.application.contact_rules import Refusal
from clarion.application.pace_rules import WarmUpDraft, read_cap, read_domain_rates, read_rate, read_warm_up
from clarion.application.ports import Transaction
from clarion.application.ports.senders import Sealer
from clarion.domain.errors import Conflict, Invalid, NotFound, Problem
from clarion.domain.ids import Id, new_id
from clarion.domain.sender import DEFAULT_CONNECTIONS, MAX_CONNECTIONS_LIMIT, Security, Sender, SmtpRelay
from clarion.rendering.addresses import AddressFault, parse_mailbox

NAME_LIMIT: Final = 100
CREDENTIAL_LIMIT: Final = 255
WEIGHT_LIMIT: Final = 100
_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.?", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_LIMIT_FIELDS: Final = {"rate_per_second": "ratePerSecond", "domain_rates": "domainRates", "daily_cap": "dailyCap"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDraft:
    """What a caller says about a sender: UNSET leaves a field as it is, None clears it."""

    name: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    port: int | UnsetType = UNSET
    security: Security | UnsetType = UNSET
    username: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    from_address: str | UnsetType = UNSET
    max_connections: int | UnsetType = UNSET
    rate_per_second: float | UnsetType | None = UNSET
    domain_rates: Mapping[str, float] | UnsetType | None = UNSET
    daily_cap: int | UnsetType | None = UNSET
    warm_up: WarmUpDraft | UnsetType | None = UNSET
    pool: str | UnsetType | None = UNSET
    weight: int | UnsetType = UNSET


async def create_sender(tx: Transaction, *, account_id: Id, draft: SenderDraft, sealer: Sealer) -> Sender:
    """Stores a new sender. Runs in the caller's transaction.

    Raises:
        Invalid: with one problem per broken rule.
        Conflict: `SENDER_NAME_TAKEN`.
    """
    now = await tx.campaigns.now()
    blank = Sender(
        id=new_id(),
        name="",
        relay=SmtpRelay(host="", port=0, security=Security.STARTTLS),
        from_address="",
        rate_per_second=None,
        created_at=now,
        updated_at=now,
    )
    sender = _laid_over(blank, draft, now.date())
    await _refuse_strange_pool(tx, account_id, sender)
    sealed = sealer.seal(draft.password.encode()) if isinstance(draft.password, str) else None
    if not await tx.senders.add(account_id, sender, sealed):
        raise Conflict("SENDER_NAME_TAKEN", "Another sender has this name")
    return await get_sender(tx, account_id=account_id, sender_id=sender.id)


async def get_sender(tx: Transaction, *, account_id: Id, sender_id: Id) -> Sender:
    """Reads one sender, without its password.

    Raises:
        NotFound: it is unknown or another account's.
    """
    sender = await tx.senders.get(account_id, sender_id)
    if sender is None:
        raise NotFound("sender")
    return sender


async def list_senders(tx: Transaction, *, account_id: Id, after: Id | None, limit: int) -> list[Sender]:
    """Reads up to `limit` senders with ids above `after`."""
    return await tx.senders.page(account_id, after, limit)


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
    before = await get_sender(tx, account_id=account_id, sender_id=sender_id)
    sealed = await tx.senders.sealed_password(sender_id)
    sender = _laid_over(before, draft, (await tx.campaigns.now()).date())
    await _refuse_strange_pool(tx, account_id, sender)
    if isinstance(draft.password, str):
        sealed = sealer.seal(draft.password.encode())
    elif draft.password is None or sender.relay.username is None:
        sealed = None
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
    await get_sender(tx, account_id=account_id, sender_id=sender_id)
    if not await tx.senders.remove(account_id, sender_id):
        raise Conflict("SENDER_IN_USE", "A campaign uses this sender")
    await tx.pace.forget(sender_id)


def _laid_over(sender: Sender, draft: SenderDraft, today: date) -> Sender:
    """The sender with the draft laid over it; raises `Invalid` with everything that is wrong."""
    relay = sender.relay
    if draft.max_connections is UNSET and not relay.host:
        relay = dataclasses.replace(relay, max_connections=DEFAULT_CONNECTIONS)
    said = {
        name: value
        for name in ("host", "port", "security", "username", "max_connections")
        if (value := getattr(draft, name)) is not UNSET
    }
    result = dataclasses.replace(
        sender,
        relay=dataclasses.replace(relay, **said),
        name=sender.name if draft.name is UNSET else draft.name,
        from_address=sender.from_address if draft.from_address is UNSET else draft.from_address,
        pool=sender.pool if draft.pool is UNSET else draft.pool,
        weight=sender.weight if draft.weight is UNSET else draft.weight,
    )
    limits, problems = _read_limits(draft, today)
    problems += [
        *_name_problems(result),
        *_pool_problems(result),
        *_relay_problems(result.relay),
        *_login_problems(result.relay, draft),
    ]
    if problems:
        raise Invalid.of(problems)
    return dataclasses.replace(result, **limits)


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


def _limits_of(sender: Sender) -> tuple[object, ...]:
    return sender.rate_per_second, dict(sender.domain_rates), sender.daily_cap, sender.warm_up


def _name_problems(sender: Sender) -> Iterator[Problem]:
    if not sender.name.strip() or len(sender.name) > NAME_LIMIT or _UNSAFE.search(sender.name):
        yield Problem("name", "pattern", f"1 to {NAME_LIMIT} characters, no control characters")
    mailbox = parse_mailbox(sender.from_address)
    if isinstance(mailbox, AddressFault):
        yield Problem("fromAddress", mailbox.rule, mailbox.message)


def _pool_problems(sender: Sender) -> Iterator[Problem]:
    if sender.pool is not None and (
        not sender.pool.strip() or len(sender.pool) > NAME_LIMIT or _UNSAFE.search(sender.pool)
    ):
        yield Problem("pool", "pattern", f"1 to {NAME_LIMIT} characters, no control characters")
    if not 1 <= sender.weight <= WEIGHT_LIMIT:
        yield Problem("weight", "range", f"1 to {WEIGHT_LIMIT}")


async def _refuse_strange_pool(tx: Transaction, account_id: Id, sender: Sender) -> None:
    """A message keeps its From whichever sender of the pool it goes by, so all of them must be good for one domain."""
    if sender.pool is None:
        return
    domain = _domain_of(sender.from_address)
    for other in await tx.senders.of_pool(account_id, sender.pool):
        if other.id != sender.id and _domain_of(other.from_address) != domain:
            why = f"{other.name} is in this pool and sends for {_domain_of(other.from_address)}: one domain a pool"
            raise Invalid.of([Problem("pool", "sameDomain", why)])


def _domain_of(from_address: str) -> str:
    mailbox = parse_mailbox(from_address)
    return "" if isinstance(mailbox, AddressFault) else mailbox.address.mailbox.rpartition("@")[2]


def _relay_problems(relay: SmtpRelay) -> Iterator[Problem]:
    if not _is_host(relay.host):
        yield Problem("host", "host", "a host name or an IP address")
    if not 1 <= relay.port <= 65535:
        yield Problem("port", "range", "1 to 65535")
    if not 1 <= relay.max_connections <= MAX_CONNECTIONS_LIMIT:
        yield Problem("maxConnections", "range", f"1 to {MAX_CONNECTIONS_LIMIT}")


def _login_problems(relay: SmtpRelay, draft: SenderDraft) -> Iterator[Problem]:
    for field in ("username", "password"):
        text = getattr(draft, field)
        if isinstance(text, str) and (not text or len(text) > CREDENTIAL_LIMIT or _UNSAFE.search(text)):
            yield Problem(field, "pattern", f"1 to {CREDENTIAL_LIMIT} characters, no control characters")
    if isinstance(draft.password, str) and relay.username is None:
        yield Problem("username", "required", "a password needs a username")
    if relay.username is not None and relay.security is Security.NONE and not _is_loopback(relay.host):
        yield Problem("security", "tlsForLogin", "a login is sent over TLS only: choose starttls or tls")


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(_HOST.fullmatch(host))
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
