"""What a message looks like in requests and answers, channel by channel, and the way from one to the other.

Checks shapes and sizes only; what a template may say is for `rendering`. Used by `campaign_models`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from clarion.domain.campaign import Campaign
from clarion.domain.content import (
    BODY_LIMIT,
    PUSH_LIMIT,
    PUSH_TTL_LIMIT,
    PUSH_URL_LIMIT,
    SEGMENTS_LIMIT,
    SMS_LIMIT,
    SUBJECT_LIMIT,
    EmailContent,
    PushContent,
    SmsContent,
)

Subject = Annotated[str, Meta(min_length=1, max_length=SUBJECT_LIMIT, examples=["Hello {{ contact.firstName }}"])]
Body = Annotated[str, Meta(max_length=BODY_LIMIT)]
Mailbox = Annotated[str, Meta(min_length=1, max_length=512, examples=["Clarion <news@sender.example>"])]
Url = Annotated[str, Meta(min_length=1, max_length=PUSH_URL_LIMIT, examples=["https://shop.example/offers"])]


class EmailInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An email: Jinja templates over `contact`, `context`, `campaign`, `account`, `unsubscribe_url` and `view_url`."""

    subject: Subject
    html: Annotated[Body, Meta(min_length=1, examples=["<p>Hello {{ contact.firstName | default('there') }}</p>"])]
    text: Annotated[Body, Meta(description="Derived from `html` when left out.")] | None = None
    from_: Annotated[Mailbox, Meta(description="Instead of the sender's address.")] | None = msgspec.field(
        default=None, name="from"
    )
    reply_to: Mailbox | None = None

    def content(self) -> EmailContent:
        """The same for the use case."""
        return EmailContent(
            subject=self.subject, html=self.html, text=self.text, from_=self.from_, reply_to=self.reply_to
        )


class SmsInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A text message: a Jinja template over the same names as an email."""

    text: Annotated[str, Meta(min_length=1, max_length=SMS_LIMIT, examples=["Your code is {{ context.code }}"])]
    transliterate: Annotated[
        bool, Meta(description="Write quotes, dashes and accents as the GSM alphabet can, so that segments hold more.")
    ] = False
    max_segments: (
        Annotated[int, Meta(ge=1, le=SEGMENTS_LIMIT, description="Whoever's message is longer gets none.")] | None
    ) = None

    def content(self) -> SmsContent:
        """The same for the use case."""
        return SmsContent(text=self.text, transliterate=self.transliterate, max_segments=self.max_segments)


_TTL: Final = "How long it is kept for a device that is away; 0 is now or never, nothing as long as can be."


class PushInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A push message. Its words, its URLs and the texts within `extras` are templates."""

    body: Annotated[str, Meta(max_length=PUSH_LIMIT, description="May be empty when it is silent.")]
    title: Annotated[str, Meta(max_length=PUSH_LIMIT)] | None = None
    action_url: Url | None = None
    """What a tap opens: of any scheme that opens an app."""
    image_url: Url | None = None
    """An `http` or `https` address."""
    silent: Annotated[bool, Meta(description="Shows nothing: it wakes the app, which gets `extras` alone.")] = False
    ttl_seconds: Annotated[int, Meta(ge=0, le=PUSH_TTL_LIMIT, description=_TTL)] | None = None
    extras: Annotated[dict[str, Any], Meta(description="What the app is handed along.")] = {}

    def content(self) -> PushContent:
        """The same for the use case."""
        return PushContent(
            title=self.title,
            body=self.body,
            action_url=self.action_url,
            image_url=self.image_url,
            silent=self.silent,
            ttl_seconds=self.ttl_seconds,
            extras=self.extras,
        )


class MessageInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What to say, per channel. A message replaces what was said before on every channel."""

    email: EmailInput | None = None
    sms: SmsInput | None = None
    push: PushInput | None = None


def contents_of(message: MessageInput | UnsetType) -> dict[str, Any]:
    """The fields of a draft that a message stands for."""
    if message is UNSET:
        return {}
    inputs = {"email": message.email, "sms": message.sms, "push": message.push}
    return {channel: given.content() if given else None for channel, given in inputs.items()}


class EmailView(msgspec.Struct, rename="camel"):
    """An email as it was written."""

    subject: str
    html: str
    text: str | None
    from_: str | None = msgspec.field(name="from")
    reply_to: str | None


class SmsView(msgspec.Struct, rename="camel"):
    """A text message as it was written."""

    text: str
    transliterate: bool
    max_segments: int | None


class PushView(msgspec.Struct, rename="camel"):
    """A push message as it was written."""

    body: str
    title: str | None
    action_url: str | None
    image_url: str | None
    silent: bool
    ttl_seconds: int | None
    extras: dict[str, Any]


class MessageView(msgspec.Struct, rename="camel"):
    """What a campaign says, per channel."""

    email: EmailView | None
    sms: SmsView | None
    push: PushView | None

    @classmethod
    def of(cls, campaign: Campaign) -> MessageView:
        """The campaign's content as callers see it."""
        return cls(_email_view(campaign.email), _sms_view(campaign.sms), _push_view(campaign.push))


def _email_view(email: EmailContent | None) -> EmailView | None:
    if email is None:
        return None
    return EmailView(email.subject, email.html, email.text, email.from_, email.reply_to)


def _sms_view(sms: SmsContent | None) -> SmsView | None:
    return None if sms is None else SmsView(sms.text, sms.transliterate, sms.max_segments)


def _push_view(push: PushContent | None) -> PushView | None:
    if push is None:
        return None
    return PushView(push.body, push.title, push.action_url, push.image_url, push.silent, push.ttl_seconds, push.extras)
