"""Calls that bring their recipients: what one says, and every rule about it that needs no database.

A mistake in the shape of a call is told before anything is stored; an address that cannot be written to is not one, for
the call names others too. Where to read next: `intake`, which stores them in groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from clarion.application.contact_rules import Refusal, check_text, read_phone, read_push_token
from clarion.application.identities import canonical
from clarion.application.json_objects import encoded
from clarion.application.starts import CONTEXT_LIMIT
from clarion.domain.campaign import Category
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, parse_id
from clarion.rendering.addresses import AddressFault, parse_email

RECIPIENTS_LIMIT: Final = 500
"""Recipients of one call."""
REQUEST_ID_LIMIT: Final = 255
BY_ID: Final = "id"
"""The namespace of the ids that Clarion gives to contacts."""
_ADDRESS_SHOWN: Final = 320
"""Characters kept of an address that cannot be written to."""
_NOTHING: Final = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRecipient:
    """One recipient of a call, and what the call says of them.

    `namespace` and `value` are an identity: `id`, `external_id`, `email`, `phone` or a namespace of the account's own.
    An external recipient is never looked up: only the address given counts, or the identity when it is one.
    `addresses` by channel (`email`, `sms`, `push`) win over the contact's own. That of `push` goes by the campaign's
    push sender for `push_app` and `push_platform` (ios, android or web), or by its first one where the call says none.
    `profile` lies over the contact's data as templates see it, `context` over the run's.
    """

    namespace: str
    value: str
    is_external: bool = False
    addresses: Mapping[str, str] = field(default_factory=dict)
    push_app: str | None = None
    push_platform: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCall:
    """One call with its recipients. The same `request_id` with the same `body_hash` is answered as the first time.

    `category` and `high_throughput` are what the caller expects of the campaign; None expects nothing.
    """

    account_id: Id
    campaign_id: Id
    request_id: str | None
    body_hash: bytes
    recipients: tuple[TriggerRecipient, ...]
    created_by: str = ""
    category: Category | None = None
    high_throughput: bool | None = None


class Given(NamedTuple):
    """An address that a call gave, and its key: None when it cannot be written to."""

    address: str
    key: str | None


NO_ADDRESSES: Final[Mapping[ChannelName, Given]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class KnownRecipient:
    """A recipient as it is looked up and kept. `shown` is the identity as it is shown, for a contact to be made.

    `address` is the email address the call gave, `address_key` None when it cannot be written to; `others` are those of
    other channels, and `push_to` the app and the platform of that of push.
    """

    contact_id: Id | None
    namespace: str | None
    value: str | None
    shown: str
    address: str | None
    address_key: str | None
    given: msgspec.Raw
    others: Mapping[ChannelName, Given] = field(default_factory=lambda: NO_ADDRESSES)
    push_to: tuple[str | None, str | None] = (None, None)

    @property
    def has_fault(self) -> bool:
        """Whether the address that the call gave cannot be written to."""
        return self.address is not None and self.address_key is None


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call whose shape is right. `size` is in bytes of what it says of its recipients."""

    call: TriggerCall
    recipients: tuple[KnownRecipient, ...]
    size: int


def read_call(call: TriggerCall) -> KnownCall:
    """Checks the shape of a call.

    Raises:
        Invalid: with a problem for each recipient that cannot be read, or when there are none, too many or one twice.
    """
    if not 1 <= len(call.recipients) <= RECIPIENTS_LIMIT:
        rule = "minItems" if not call.recipients else "maxItems"
        raise Invalid(Problem("recipients", rule, f"must be 1 to {RECIPIENTS_LIMIT} recipients"))
    if call.request_id is not None:
        check_request_id(call.request_id)
    problems: list[Problem] = []
    known: list[KnownRecipient] = []
    for number, recipient in enumerate(call.recipients):
        read = _read(recipient)
        if isinstance(read, Refusal):
            problems.append(Problem(f"recipients[{number}]", read.rule, read.message))
        else:
            known.append(read)
    problems += _twice(call, known) if not problems else ()
    if problems:
        raise Invalid.of(problems)
    return KnownCall(call, tuple(known), sum(len(bytes(recipient.given)) for recipient in known))


def check_request_id(request_id: str) -> None:
    """Raises `Invalid` unless a request id has 1 to 255 characters that can be stored."""
    if not 1 <= len(request_id) <= REQUEST_ID_LIMIT:
        raise Invalid(Problem("requestId", "maxLength", f"must have 1 to {REQUEST_ID_LIMIT} characters"))
    if refusal := check_text(request_id):
        raise Invalid(Problem("requestId", refusal.rule, refusal.message))


def _twice(call: TriggerCall, known: list[KnownRecipient]) -> list[Problem]:
    """A recipient that comes twice in one call is a mistake of its caller, who would not want to send two messages."""
    names = [_who(recipient, one) for recipient, one in zip(call.recipients, known, strict=True)]
    if len(set(names)) == len(names):
        return []
    at = next(number for number, name in enumerate(names) if name in names[:number])
    value = call.recipients[at].value[:80]
    return [Problem(f"recipients[{at}]", "uniqueItems", f"names {value!r}, who is in this call already")]


def _who(recipient: TriggerRecipient, known: KnownRecipient) -> tuple[object, ...]:
    """Whom a recipient means; somebody who is not looked up and has no address is told apart by the identity given."""
    name = (known.contact_id, known.namespace, known.value, known.address, *known.others.values())
    return name if any(name) else (recipient.namespace.lower(), recipient.value)


def _read(recipient: TriggerRecipient) -> KnownRecipient | Refusal:
    given = _given(recipient)
    if isinstance(given, Refusal):
        return given
    address = recipient.addresses.get("email")
    push_to = recipient.push_app, recipient.push_platform
    if recipient.is_external:
        if address is None and recipient.namespace.lower() == "email":
            address = recipient.value
        others = _others(recipient.addresses, recipient.value if recipient.namespace.lower() == "phone" else None)
        return KnownRecipient(None, None, None, "", *_address(address), given, others, push_to)
    name = _name(recipient.namespace, recipient.value)
    if isinstance(name, Refusal):
        return name
    return KnownRecipient(*name, *_address(address), given, _others(recipient.addresses, None), push_to)


def _others(addresses: Mapping[str, str], phone: str | None) -> Mapping[ChannelName, Given]:
    """The addresses of other channels than email, and a number that a recipient was named by."""
    if phone is None and not addresses.keys() & {ChannelName.SMS, ChannelName.PUSH}:
        return NO_ADDRESSES
    found: dict[ChannelName, Given] = {}
    for channel, text, read in (
        (ChannelName.SMS, addresses.get("sms", phone), read_phone),
        (ChannelName.PUSH, addresses.get("push"), read_push_token),
    ):
        if text is not None:
            key = read(text)
            found[channel] = Given(text[:_ADDRESS_SHOWN], None) if isinstance(key, Refusal) else Given(key, key)
    return found


def _name(namespace: str, value: str) -> tuple[Id | None, str | None, str | None, str] | Refusal:
    """A contact's id, or the canonical namespace and value, and how the value is shown."""
    if namespace == BY_ID:
        contact_id = parse_id(value)
        if contact_id is None:
            return Refusal("pattern", "must name a contact by an id of 24 hexadecimal digits")
        return contact_id, None, None, ""
    if namespace == "email":
        return _mailbox(value)
    identity = canonical(namespace, value)
    if isinstance(identity, Refusal):
        return identity
    if identity.namespace == "email":  # by another name of it
        return _mailbox(value)
    return None, identity.namespace, identity.value, identity.value


def _mailbox(value: str) -> tuple[Id | None, str | None, str | None, str] | Refusal:
    parsed = parse_email(value)
    if isinstance(parsed, AddressFault):
        return Refusal(parsed.rule, parsed.message)
    return None, "email", parsed.key, parsed.mailbox


def _address(text: str | None) -> tuple[str | None, str | None]:
    """The mailbox to write to and its key; what cannot be one is kept as it came, to be shown."""
    if text is None:
        return None, None
    parsed = parse_email(text)
    if isinstance(parsed, AddressFault):
        return text[:_ADDRESS_SHOWN], None
    return parsed.mailbox, parsed.key


def _given(recipient: TriggerRecipient) -> msgspec.Raw | Refusal:
    said = {name: value for name, value in (("profile", recipient.profile), ("context", recipient.context)) if value}
    if not said:
        return _NOTHING
    text = encoded(said, CONTEXT_LIMIT)
    return text if isinstance(text, Refusal) else msgspec.Raw(text)
