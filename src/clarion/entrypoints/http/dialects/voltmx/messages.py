"""What a campaign says, from this API's arrays: the mail that is sent, and push and text messages, which are kept.

One mail makes a campaign's message. Its text is translated, so `##First Name##` is filled in and braces stay braces.
Everything is also kept as it came and shown again. Where to read next: `wishes`.
"""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

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
    """The content of a campaign on each channel; `said` is every array as it came."""

    said: dict[str, list[dict[str, Any]]]
    email: EmailContent | None
    sms: SmsContent | None
    push: PushContent | None
    order: tuple[str, ...]
    sender: Sender | None

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
    push, sms = _push(said[PUSH], apps), _sms(said[SMS])
    email, sender = _mail(said[MAILS], senders)
    messages = Messages(said, email, sms, push, _order(said[PRIORITIES]), sender)
    if email is None and not messages.is_empty:
        raise refused(MAILS, "required", "is missing: push, SMS, voice and passes are stored, but only mail is sent")
    if email and messages.order and "email" not in messages.order:
        raise refused(PRIORITIES, "contains", "must name Email, the one channel that is sent")
    return messages


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


def _push(items: list[dict[str, Any]], apps: Collection[str]) -> PushContent | None:
    for place, item in enumerate(items):
        at = f"{PUSH}[{place}]."
        required_text(item, "message", _TEXT_LIMIT, at)
        application = item.get("application")
        app_id = application.get("appId") if isinstance(application, dict) else None
        if app_id not in (None, "") and str(app_id) not in apps:
            raise refused(f"{at}application.appId", "exists", "is not the id of an application")
    if not items:
        return None
    properties = items[0].get("platformSpecificProps")
    title = properties.get("title") if isinstance(properties, dict) else None
    return PushContent(
        title=_translated(title, f"{PUSH}[0].platformSpecificProps.title") if isinstance(title, str) else None,
        body=_translated(items[0]["message"], f"{PUSH}[0].message"),
    )


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
