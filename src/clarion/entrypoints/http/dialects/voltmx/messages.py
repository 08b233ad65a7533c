"""What a campaign says, from this API's arrays: mail, text messages and push messages; voice and passes are kept.

One of each makes a campaign's message. Texts are translated, so `##First Name##` is filled in and braces stay braces.
Everything is also kept as it came and shown again. Where to read next: `wishes`.
"""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from clarion.domain.channel import ChannelName
from clarion.domain.content import BODY_LIMIT, SUBJECT_LIMIT, EmailContent, PushContent, SmsContent
from clarion.domain.sender import Sender
from clarion.entrypoints.http.dialects.voltmx.refusals import Body, objects, optional_text, refused, required_text
from clarion.rendering.addresses import AddressFault, EmailAddress, Mailbox, parse_email, parse_mailbox
from clarion.rendering.translation import Syntax, translate

PUSH: Final = "campaignMessages"
MAILS: Final = "campaignMails"
SMS: Final = "campaignSms"
CHANNEL_ARRAYS: Final = (PUSH, MAILS, SMS, "campaignVoiceSms", "campaignPasses")
PRIORITIES: Final = "campaignChannelPriorities"
_TEXT_LIMIT: Final = 8192
_ADDRESS_LIMIT: Final = 512
_CHANNELS: Final = {"push": "push", "email": "email", "mail": "email", "sms": "sms"}
_UNSENT_CHANNELS: Final = frozenset({"pass", "passes", "voice", "voicesms"})


@dataclass(frozen=True, slots=True)
class Messages:
    """The content of a campaign on each channel, and who sends it; `said` is every array as it came.

    With an `order`, somebody gets one message, on the first of its channels on which they can be reached.
    """

    said: dict[str, list[dict[str, Any]]]
    email: EmailContent | None
    sms: SmsContent | None
    push: PushContent | None
    order: tuple[str, ...]
    sender: Sender | None
    sms_sender: Sender | None
    push_senders: tuple[Sender, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is no message in any channel."""
        return not any(self.said[name] for name in CHANNEL_ARRAYS)


def read_messages(body: Body, senders: list[Sender], apps: Collection[str]) -> Messages:
    """Reads every channel's array.

    Raises:
        Invalid: naming the first part that is missing or wrong, or that no campaign here can have.
    """
    said = {name: objects(body, name) for name in (*CHANNEL_ARRAYS, PRIORITIES)}
    push, push_senders = _push(said[PUSH], senders, apps)
    sms, order = _sms(said[SMS]), _order(said[PRIORITIES])
    email, sender = _mail(said[MAILS], [one for one in senders if one.channel is ChannelName.EMAIL])
    messages = Messages(
        said=said,
        email=email if not order or "email" in order else None,
        sms=sms if not order or "sms" in order else None,
        push=push if not order or "push" in order else None,
        order=order,
        sender=sender,
        sms_sender=next((one for one in senders if one.channel is ChannelName.SMS), None),
        push_senders=push_senders,
    )
    if messages.is_empty:
        return messages
    if not (email or sms or push):
        raise refused(MAILS, "required", "is missing: voice messages and passes are stored, but never sent")
    _check_ways(messages)
    return messages


def _check_ways(messages: Messages) -> None:
    """Refuses what nobody could get: no channel is both said something on and sent by somebody."""
    if not (messages.email or messages.sms or messages.push):
        raise refused(PRIORITIES, "contains", "must name a channel of which there is a message")
    is_sent = messages.email or (messages.sms and messages.sms_sender) or (messages.push and messages.push_senders)
    if not is_sent:
        array = SMS if messages.sms else PUSH
        raise refused(array, "connected", "is not sent by anything: the account has no such sender")


def _mail(mails: list[dict[str, Any]], senders: list[Sender]) -> tuple[EmailContent | None, Sender | None]:
    if len(mails) > 1:
        raise refused(MAILS, "maxItems", "must have at most one mail")
    if not mails:
        return None, None
    mail, at = mails[0], f"{MAILS}[0]."
    subject = required_text(mail, "subject", SUBJECT_LIMIT, at)
    content = required_text(mail, "content", BODY_LIMIT, at)
    is_plain = optional_text(mail, "contentType", _ADDRESS_LIMIT, at).strip().lower() in ("text/plain", "text", "plain")
    markup = html.escape(content, quote=False).replace("\n", "<br>\n") if is_plain else content
    sender, from_ = _from(mail, senders, at)
    return EmailContent(
        subject=_translated(subject, f"{at}subject"),
        html=_translated(markup, f"{at}content"),
        text=_translated(content, f"{at}content") if is_plain else None,
        from_=from_,
    ), sender


def _from(mail: Body, senders: list[Sender], at: str) -> tuple[Sender | None, str | None]:
    """The sender whose address this is, else the account's first; and the From header, if it is not the sender's."""
    address = optional_text(mail, "senderEmail", _ADDRESS_LIMIT, at).strip()
    name = optional_text(mail, "senderName", _ADDRESS_LIMIT, at).strip()
    parsed = parse_email(address) if address else None
    if isinstance(parsed, AddressFault):
        raise refused(f"{at}senderEmail", parsed.rule, parsed.message)
    sender = next((one for one in senders if parsed and _address_of(one) == parsed.key), next(iter(senders), None))
    if parsed is None and not name:
        return sender, None
    return sender, _header(name, parsed, sender, at)


def _header(name: str, address: EmailAddress | None, sender: Sender | None, at: str) -> str | None:
    own = _mailbox_of(sender) if sender else None
    mailbox = address.mailbox if address else own.address.mailbox if own else None
    if mailbox is None:
        return None
    header = f"{name} <{mailbox}>" if name else mailbox
    if isinstance(fault := parse_mailbox(header), AddressFault):
        raise refused(f"{at}senderName", fault.rule, fault.message)
    return header


def _address_of(sender: Sender) -> str | None:
    mailbox = _mailbox_of(sender)
    return mailbox.address.key if mailbox else None


def _mailbox_of(sender: Sender) -> Mailbox | None:
    parsed = parse_mailbox(sender.from_address)
    return parsed if isinstance(parsed, Mailbox) else None


def _sms(items: list[dict[str, Any]]) -> SmsContent | None:
    texts = [required_text(item, "smsMessage", _TEXT_LIMIT, f"{SMS}[{place}].") for place, item in enumerate(items)]
    return SmsContent(text=_translated(texts[0], f"{SMS}[0].smsMessage")) if texts else None


def _push(
    items: list[dict[str, Any]], senders: list[Sender], apps: Collection[str]
) -> tuple[PushContent | None, tuple[Sender, ...]]:
    """The push message, and the senders of its app; one that names none is for every app."""
    serving = [(one, str(getattr(one.provider, "app", ""))) for one in senders if one.channel is ChannelName.PUSH]
    known = {"", *apps, *(served for _, served in serving)}
    for place, item in enumerate(items):
        at = f"{PUSH}[{place}]."
        required_text(item, "message", _TEXT_LIMIT, at)
        if _app_of(item) not in known:
            raise refused(f"{at}application.appId", "exists", "is not the id of an application")
    if not items:
        return None, ()
    properties, app = items[0].get("platformSpecificProps"), _app_of(items[0])
    title = properties.get("title") if isinstance(properties, dict) else None
    content = PushContent(
        title=_translated(title, f"{PUSH}[0].platformSpecificProps.title") if isinstance(title, str) else None,
        body=_translated(items[0]["message"], f"{PUSH}[0].message"),
    )
    return content, tuple(sender for sender, served in serving if app in ("", served))


def _app_of(item: dict[str, Any]) -> str:
    application = item.get("application")
    app_id = application.get("appId") if isinstance(application, dict) else None
    return "" if app_id is None else str(app_id)


def _order(items: list[dict[str, Any]]) -> tuple[str, ...]:
    found: list[str] = []
    for place, item in enumerate(items):
        word = required_text(item, "messageChannel", _ADDRESS_LIMIT, f"{PRIORITIES}[{place}].").strip().lower()
        channel = _CHANNELS.get(word)
        if channel is None and word not in _UNSENT_CHANNELS:
            raise refused(f"{PRIORITIES}[{place}].messageChannel", "enum", "must be PUSH, Email, SMS, PASS or VOICE")
        if channel:
            found.append(channel)
    if len(set(found)) != len(found):
        raise refused(PRIORITIES, "uniqueItems", "must name each channel once")
    return tuple(found)


def _translated(text: str, field: str) -> str:
    return translate(Syntax.VOLTMX, text, field=field).text
