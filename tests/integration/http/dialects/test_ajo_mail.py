"""What recipients of Adobe's calls get: the mail of a real worker, as the campaign's author wrote it for Adobe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.http.dialects.ajo_scene import Adobe, adobe, aep, at_work, external, html_of
from tests.support.sink import Sink
from tests.support.stage import until

from clarion.bootstrap import App

ADA = "ada@lovelace.example"


@pytest.fixture
async def ajo(app: App, base_url: str) -> AsyncIterator[Adobe]:
    async with adobe(app, base_url) as made:
        yield made


@pytest.fixture
async def sink(app: App) -> AsyncIterator[Sink]:
    """A mail server, with a worker that delivers to it."""
    async with Sink() as sink, at_work(app):
        yield sink


async def test_mail_goes_to_the_profile_or_to_the_address_of_the_call(ajo: Adobe, sink: Sink) -> None:
    campaign = await ajo.campaign(port=sink.port)
    await ajo.profile(ADA, identities=[("crmid", "c-7")])
    other = {"emailAddress": "ada@engine.example"}
    await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA)))
    await ajo.accepted("unitary", ajo.unitary(campaign, aep("c-7", "CRMId", channelData=other)))
    await ajo.accepted("unitary", ajo.unitary(campaign, external("x-1", "crmid", channelData=other)))
    await sink.wait_accepted(3)
    assert sorted(sink.recipients()) == ["ada@engine.example", "ada@engine.example", ADA]


async def test_context_is_text_and_lists_can_be_walked(ajo: Adobe, sink: Sink) -> None:
    html = (
        "<p>{{context.n}}|{{context.d}}|{{context.yes}}|{{context.deep.er}}|{{context.gone}}|"
        '{%= context.gone ?: "none" %}|{{#each context.items as |item|}}{{item.name}}={{item.price}};{{/each}}|'
        "{%#if context.no%}on{%else%}off{%/if%}|{{context._own.key}}</p>"
    )
    campaign = await ajo.campaign(port=sink.port, html=html, creates_contacts=True)
    context = {
        "n": 5,
        "d": 1.5,
        "yes": True,
        "no": False,
        "deep": {"er": "in"},
        "gone": None,
        "items": [{"name": "Bolt", "price": 3}, {"name": "Nut", "price": 0.25}],
        "_own": {"key": "k"},
    }
    await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA, context=context)))
    await sink.wait_accepted(1)
    assert html_of(sink.accepted[0].data) == "<p>5|1.5|true|in||none|Bolt=3;Nut=0.25;|off|k</p>"


async def test_markup_in_context_is_escaped_unless_the_author_says_so(ajo: Adobe, sink: Sink) -> None:
    campaign = await ajo.campaign(port=sink.port, html="<p>{{context.a}} {{{context.a}}}</p>", creates_contacts=True)
    await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA, context={"a": "<b>&</b>"})))
    await sink.wait_accepted(1)
    assert html_of(sink.accepted[0].data) == "<p>&lt;b&gt;&amp;&lt;&#x2f;b&gt; <b>&</b></p>"


async def test_a_profile_of_the_call_lies_over_the_stored_one(ajo: Adobe, sink: Sink) -> None:
    html = "<p>{{profile.person.name.firstName}} {{profile.person.name.lastName}} {{profile._acme.tier}}</p>"
    campaign = await ajo.campaign(port=sink.port, html=html)
    await ajo.profile(ADA, first_name="Ada", last_name="Lovelace", attributes={"acme": {"tier": "gold"}})
    said: dict[str, Any] = {"person": {"name": {"firstName": "Augusta"}}}
    await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA, profile=said)))
    await sink.wait_accepted(1)
    assert html_of(sink.accepted[0].data) == "<p>Augusta Lovelace gold</p>"
    said |= {"_acme": {"tier": "none"}}
    await ajo.accepted("unitary", ajo.unitary(campaign, external("guest@lovelace.example", profile=said)))
    await sink.wait_accepted(2)
    assert html_of(sink.accepted[1].data) == "<p>Augusta  none</p>"


async def test_high_throughput_mail_reaches_who_is_no_contact(ajo: Adobe, sink: Sink) -> None:
    campaign = await ajo.campaign(port=sink.port, html="<p>{{context.code}}</p>", high_throughput=True)
    people = [external(f"guest{n}@load.example", context={"code": n}) for n in range(20)]
    answer = await ajo.accepted("highthroughput", ajo.unitary(campaign, *people))
    await sink.wait_accepted(20)
    assert {(one.rcpt_to[0], html_of(one.data)) for one in sink.accepted} == {
        (f"guest{n}@load.example", f"<p>{n}</p>") for n in range(20)
    }

    async def all_are_sent() -> bool:
        return {one["status"] for one in await ajo.outcomes(answer["executionId"])} == {"sent"}

    await until(all_are_sent)
    assert await ajo.count_contacts() == 0


async def test_a_repeated_call_sends_one_message(ajo: Adobe, sink: Sink) -> None:
    campaign = await ajo.campaign(port=sink.port, creates_contacts=True)
    body, header = ajo.unitary(campaign, aep(ADA)), {"x-request-id": "gateway-9"}
    await ajo.accepted("unitary", body)
    await ajo.accepted("unitary", body)
    await ajo.accepted("unitary", ajo.unitary(campaign, aep("ben@lovelace.example")), headers=header)
    await ajo.accepted("unitary", ajo.unitary(campaign, aep("ben@lovelace.example")), headers=header)
    await ajo.accepted("unitary", ajo.unitary(campaign, aep("last@lovelace.example")))
    await sink.wait_accepted(3)
    assert sorted(sink.recipients()) == [ADA, "ben@lovelace.example", "last@lovelace.example"]


async def test_what_the_other_side_refuses_is_told(ajo: Adobe, sink: Sink) -> None:
    campaign = await ajo.campaign(port=sink.port, creates_contacts=True)
    answer = await ajo.accepted("unitary", ajo.unitary(campaign, aep("550-rcpt@load.example"), aep(ADA)))

    async def is_told() -> bool:
        return [one["status"] for one in await ajo.outcomes(answer["executionId"])] == ["error", "sent"]

    await until(is_told)
    assert (await ajo.outcomes(answer["executionId"]))[0]["reply"].startswith("550")
