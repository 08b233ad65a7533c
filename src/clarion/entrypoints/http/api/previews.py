"""Seeing a message before anyone gets it: rendered for a contact, or sent to a few addresses as a test.

Nothing here is in any report, and no transaction is open while a test is sent. Read `application.preview`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from clarion.application.ports import Transaction
from clarion.application.ports.channel import Window
from clarion.application.preview import TEST_LIMIT, Previews, TestMail, compose_test, preview
from clarion.domain.access import Permission
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, parse_id
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.entrypoints.http.api.campaigns import find
from clarion.entrypoints.http.api.paging import HexId
from clarion.entrypoints.http.api.sms_models import SmsPreviewView
from clarion.entrypoints.http.operation import Call, Nothing, network_operation, operation
from clarion.rendering.push import WirePush

TEST_PATIENCE_S: Final = 60.0
"""How long a test send waits for the relay."""


Context = Annotated[dict[str, Any], Meta(description="What a call would say; templates see it as `context`.")]


class PreviewInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """For whom to render; without a contact every name is empty."""

    contact_id: HexId | None = None
    context: Context | None = None


class HeaderView(msgspec.Struct, rename="camel"):
    """One header field as it would go out."""

    name: str
    value: str


class PushPreviewView(msgspec.Struct, rename="camel"):
    """A push message as one person would get it."""

    title: str
    body: str
    image_url: str
    action_url: str
    is_silent: bool
    data: dict[str, Any]

    @classmethod
    def of(cls, seen: WirePush) -> PushPreviewView:
        """The preview as callers see it."""
        return cls(seen.title, seen.body, seen.image_url, seen.action_url, seen.is_silent, dict(seen.data))


class PreviewView(msgspec.Struct, rename="camel", kw_only=True):
    """A campaign's messages as one person would get them. Their links lead to no delivery.

    `subject` to `headers` are those of the email and null when there is none; `sms` and `push` stand for themselves.
    """

    subject: str | None = None
    html: str | None = None
    text: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    reply_to: str | None = None
    headers: list[HeaderView] = []
    sms: SmsPreviewView | None = None
    push: PushPreviewView | None = None
    warnings: list[str]

    @classmethod
    def of(cls, seen: Previews) -> PreviewView:
        """The previews as callers see them."""
        view = cls(
            sms=SmsPreviewView.of(seen.sms) if seen.sms else None,
            push=PushPreviewView.of(seen.push) if seen.push else None,
            warnings=list(seen.warnings),
        )
        if seen.email:
            view.subject, view.html, view.text = seen.email.subject, seen.email.html, seen.email.text
            view.from_, view.reply_to = seen.email.from_, seen.email.reply_to
            view.headers = [HeaderView(name, value) for name, value in seen.email.headers]
        return view


class TestInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Where to send a test, and whose data to fill in."""

    __test__ = False

    addresses: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=320, examples=["ada@lovelace.example"])]],
        Meta(min_length=1, max_length=TEST_LIMIT),
    ]
    contact_id: HexId | None = None
    context: Context | None = None


class TestOutcome(msgspec.Struct, rename="camel"):
    """What became of the test for one address."""

    __test__ = False

    address: str
    verdict: Verdict
    reason: Reason | None
    reply: str


class TestView(msgspec.Struct, rename="camel"):
    """What became of a test, address by address."""

    __test__ = False

    outcomes: list[TestOutcome]


def _contact_id(text: str | None) -> Id | None:
    found = None if text is None else parse_id(text)
    if text is not None and found is None:
        raise Invalid(Problem("contactId", "pattern", "is not an id"))
    return found


@operation(
    name="previewCampaign", method="POST", path="/campaigns/{campaignId}/preview", tag="campaigns",
    permission=Permission.CAMPAIGNS_READ, summary="Preview a campaign",
    description="Renders its messages as one contact would get them; sends nothing.",
    body=PreviewInput, data=PreviewView, statuses={409: "`WORKFLOW_NOT_READY`"}, find=find,
)  # fmt: skip
async def show(tx: Transaction, call: Call[PreviewInput, Nothing]) -> PreviewView:
    """Renders a message."""
    seen = await preview(
        tx,
        account_id=call.account_id,
        campaign_id=call.id("campaignId", "campaign"),
        contact_id=_contact_id(call.body.contact_id),
        context=call.body.context,
        links=call.edge.links,
    )
    return PreviewView.of(seen)


@network_operation(
    name="testCampaign", method="POST", path="/campaigns/{campaignId}/test", tag="campaigns",
    permission=Permission.CAMPAIGNS_EXECUTE, summary="Send a test",
    description="Sends the message, marked as a test, to up to 10 addresses and answers what the relay said of each.",
    body=TestInput, data=TestView, statuses={409: "`WORKFLOW_NOT_READY` or `CHANNEL_NOT_CONNECTED`"}, find=find,
)  # fmt: skip
async def test(call: Call[TestInput, Nothing]) -> TestView:
    """Sends a few test messages."""
    async with call.edge.database.reading() as tx:
        mail = await compose_test(
            tx,
            account_id=call.account_id,
            campaign_id=call.id("campaignId", "campaign"),
            addresses=call.body.addresses,
            contact_id=_contact_id(call.body.contact_id),
            context=call.body.context,
            links=call.edge.links,
        )
    outcomes = await _send(call, mail)
    return TestView(
        [
            TestOutcome(message.rcpt_to, outcome.verdict, outcome.reason, outcome.reply)
            for message, outcome in zip(mail.messages, outcomes, strict=True)
        ]
    )


async def _send(call: Call[TestInput, Nothing], mail: TestMail) -> list[Outcome]:
    """One outcome per message; what is still open when patience ends may or may not have been sent."""
    channel = call.edge.app.channels.fresh(mail.sender, mail.sealed_secrets)
    window = Window(mail.messages)
    try:
        channel.send(window)
        await window.wait(TEST_PATIENCE_S)
        settled = dict(window.drain())
    finally:
        await channel.aclose()
    late = Outcome.unknown(Reason.NO_ANSWER)
    return [settled.get(number, late) for number in range(len(mail.messages))]


ROUTES = [show, test]
