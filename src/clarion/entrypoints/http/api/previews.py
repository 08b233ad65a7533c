"""Seeing a message before anyone gets it: rendered for a contact, or sent to a few people as a test.

Nothing here is in any report, and no transaction is open while a test is sent. Read `application.preview` and
`application.message_tests`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from clarion.application.message_tests import TEST_LIMIT, MessageTest, Testers, compose_message_test
from clarion.application.ports import Transaction
from clarion.application.ports.channel import Window
from clarion.application.preview import Previews, preview
from clarion.domain.access import Permission
from clarion.domain.channel import ChannelName
from clarion.domain.errors import Invalid, Problem
from clarion.domain.ids import Id, parse_id
from clarion.domain.outcome import Outcome, Reason, Verdict
from clarion.entrypoints.http.api.campaigns import find
from clarion.entrypoints.http.api.paging import HexId
from clarion.entrypoints.http.api.sms_models import SmsPreviewView
from clarion.entrypoints.http.operation import Call, Nothing, network_operation, operation
from clarion.rendering.push import WirePush

TEST_PATIENCE_S: Final = 60.0
"""How long a test waits for its senders."""


Context = Annotated[dict[str, Any], Meta(description="What a call would say; templates see it as `context`.")]


class PreviewInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """For whom to render; without a contact every name is empty."""

    contact_id: HexId | None = None
    """Whose data are filled in."""
    context: Context | None = None


class HeaderView(msgspec.Struct, rename="camel"):
    """One header field as it would go out."""

    name: str
    value: str


class PushPreviewView(msgspec.Struct, rename="camel"):
    """A push message as one person would get it."""

    title: str
    body: str
    image_url: str | None
    action_url: str | None
    silent: bool
    extras: dict[str, Any]

    @classmethod
    def of(cls, seen: WirePush) -> PushPreviewView:
        """The preview as callers see it."""
        image_url, action_url = seen.image_url or None, seen.action_url or None
        return cls(seen.title, seen.body, image_url, action_url, seen.is_silent, dict(seen.data))


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
    """What is strange about a message, though it can be sent."""

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
    """Where to send a test, to 10 in all at most, and whose data to fill in."""

    __test__ = False

    addresses: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=320, examples=["ada@lovelace.example"])]],
        Meta(max_length=TEST_LIMIT, description="Who gets the email."),
    ] = []
    phones: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=50, examples=["+12025550123"])]],
        Meta(max_length=TEST_LIMIT, description="Who gets the text message: numbers in E.164."),
    ] = []
    devices: Annotated[
        list[HexId], Meta(max_length=TEST_LIMIT, description="What gets the push message: ids of devices.")
    ] = []
    contact_id: HexId | None = None
    """Whose data are filled in."""
    context: Context | None = None


class TestOutcome(msgspec.Struct, rename="camel"):
    """What became of the test for one address, number or device (its id)."""

    __test__ = False

    channel: ChannelName
    address: str
    verdict: Verdict
    reason: Reason | None
    reply: str
    """The other side's own words."""


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
    description="Sends the messages, marked as tests, to up to 10 addresses, numbers and devices in all, and answers "
    "what became of each.",
    body=TestInput, data=TestView, statuses={409: "`WORKFLOW_NOT_READY` or `CHANNEL_NOT_CONNECTED`"}, find=find,
)  # fmt: skip
async def test(call: Call[TestInput, Nothing]) -> TestView:
    """Sends a few test messages."""
    given = call.body
    async with call.edge.database.reading() as tx:
        tests = await compose_message_test(
            tx,
            account_id=call.account_id,
            campaign_id=call.id("campaignId", "campaign"),
            testers=Testers(addresses=given.addresses, phones=given.phones, devices=given.devices),
            contact_id=_contact_id(given.contact_id),
            context=given.context,
            links=call.edge.links,
        )
    return TestView(
        [
            TestOutcome(by.sender.channel, address, outcome.verdict, outcome.reason, outcome.reply)
            for by, outcomes in zip(tests, await _send(call, tests), strict=True)
            for address, outcome in zip(by.recipients, outcomes, strict=True)
        ]
    )


async def _send(call: Call[TestInput, Nothing], tests: Sequence[MessageTest]) -> list[list[Outcome]]:
    """One outcome per message; what is still open when patience ends may or may not have been sent."""
    async with AsyncExitStack() as opened:
        ways = []
        for by in tests:
            ways.append(call.edge.app.channels.fresh(by.sender, by.sealed_secrets))
            opened.push_async_callback(ways[-1].aclose)
        windows = [Window(by.messages) for by in tests]
        for way, window in zip(ways, windows, strict=True):
            way.send(window)
        await asyncio.gather(*(window.wait(TEST_PATIENCE_S) for window in windows))
        settled = [dict(window.drain()) for window in windows]
    late = Outcome.unknown(Reason.NO_ANSWER)
    return [
        [found.get(number, late) for number in range(len(by.messages))]
        for by, found in zip(tests, settled, strict=True)
    ]


ROUTES = [show, test]
