"""Adobe's calls that bring their recipients: what is taken, what is refused, and that once is once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.http.dialects.ajo_scene import NOWHERE, Adobe, adobe, aep, external

from clarion.application import lifecycle
from clarion.bootstrap import App
from clarion.domain.campaign import CampaignKind, Category
from clarion.domain.ids import as_uuid
from clarion.domain.suppression import SuppressionReason

ADA, BEN = "ada@lovelace.example", "ben@lovelace.example"


@pytest.fixture
async def ajo(app: App, base_url: str) -> AsyncIterator[Adobe]:
    async with adobe(app, base_url) as made:
        yield made


async def test_a_call_is_accepted_with_an_execution(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    answer = await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA), requestId="mine"))
    kind, _, number = answer["executionId"].partition("-")
    assert (kind, answer["requestId"]) == ("UMA", "mine")
    assert int(number).to_bytes(12, "big")
    assert abs(datetime.fromisoformat(answer["createdAt"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_the_campaign_is_named_by_its_uuid_or_by_its_id(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    for name in (as_uuid(campaign.id), as_uuid(campaign.id).upper(), campaign.id.hex()):
        await ajo.accepted("highthroughput", ajo.unitary(await _fast(ajo), external(ADA)))
        await ajo.profile(ADA)
        await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA), campaignId=name))


async def _fast(ajo: Adobe) -> Any:
    return await ajo.campaign(html="<p>{{context.code}}</p>", high_throughput=True)


async def test_twenty_recipients_are_one_execution_and_twenty_one_too_many(ajo: Adobe) -> None:
    campaign = await ajo.campaign(creates_contacts=True)
    people = [aep(f"person{n}@load.example") for n in range(21)]
    answer = await ajo.accepted("unitary", ajo.unitary(campaign, *people[:20]))
    assert len(await ajo.outcomes(answer["executionId"])) == 20
    await ajo.refused("unitary", ajo.unitary(campaign, *people))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"recipients": []}, "recipients"),
        ({"recipients": None}, "recipients"),
        ({"recipients": {"type": "aep"}}, "recipients"),
        ({"recipients": ["ada"]}, "recipients[0]"),
        ({"recipients": [{"namespace": "email", "userId": ADA}]}, "type"),
        ({"recipients": [{"type": "aep", "namespace": "email"}]}, "userId"),
        ({"recipients": [{"type": "aep", "userId": ADA}]}, "namespace"),
        ({"recipients": [{"type": "guest", "namespace": "email", "userId": ADA}]}, "recipients[0].type"),
        ({"recipients": [aep(5)]}, "recipients[0].userId"),  # type: ignore[arg-type]
        ({"recipients": [aep("x" * 256)]}, "recipients[0].userId"),
        ({"recipients": [aep("")]}, "recipients[0].userId"),
        ({"recipients": [aep(ADA), aep(ADA)]}, "recipients"),
        ({"recipients": [aep(ADA), aep(ADA, "Email")]}, "recipients"),
        ({"recipients": [aep(ADA, "no such namespace!")]}, "recipients[0]"),
        ({"recipients": [aep("no address")]}, "recipients[0]"),
        ({"recipients": [aep(ADA, context={"system": {"a": 1}})]}, "context.system"),
        ({"recipients": [aep(ADA, context=["a"])]}, "recipients[0].context"),
        ({"recipients": [aep(ADA, context={"a": "\0"})]}, "NUL"),
        ({"recipients": [aep(ADA, profile={"a": "\0"})]}, "NUL"),
        ({"recipients": [aep("a\0b", "crmid")]}, "recipients[0].userId"),
        ({"recipients": [aep(ADA, channelData={"emailAddress": "a\0b"})]}, "channelData"),
        ({"recipients": [aep(ADA, channelData="x")]}, "channelData"),
        ({"requestId": ""}, "requestId"),
        ({"requestId": 5}, "requestId"),
        ({"requestId": "x" * 256}, "requestId"),
        ({"requestId": "a\0b"}, "requestId"),
        ({"campaignId": ""}, "campaignId"),
        ({"campaignId": None}, "campaignId"),
    ],
)
@pytest.mark.parametrize("place", ["unitary", "highthroughput"])
async def test_a_body_that_breaks_a_rule_is_refused(
    ajo: Adobe, place: str, changes: dict[str, Any], named: str
) -> None:
    campaign = await (ajo.campaign() if place == "unitary" else _fast(ajo))
    body = ajo.unitary(campaign, aep(ADA)) | changes
    error = await ajo.refused(place, body)
    if place == "unitary":
        assert named in error["report"]["additionalContext"]["errors"]


@pytest.mark.parametrize("field", ["requestId", "campaignId", "recipients"])
async def test_a_missing_field_is_refused_and_the_rest_told_back(ajo: Adobe, field: str) -> None:
    body = {"requestId": "r-1", "campaignId": NOWHERE, "recipients": [aep(ADA)]}
    del body[field]
    error = await ajo.refused("unitary", body)
    said = error["report"]["additionalContext"]
    assert field in said["errors"]
    assert {name: said.get(name) for name in ("requestId", "campaignId")} == {
        name: body.get(name) for name in ("requestId", "campaignId")
    }


async def test_a_refused_value_is_not_told_back_at_length(ajo: Adobe) -> None:
    body = {"requestId": "r-1", "campaignId": NOWHERE, "recipients": [aep(ADA) | {"type": "x" * 100_000}]}
    error = await ajo.refused("unitary", body)
    assert "recipients[0].type" in error["report"]["additionalContext"]["errors"]
    assert len(str(error)) < 2000


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"requestId": "\\ud800"}', b"[" * 100_000, b'{"a": NaN}', b"{} x"]
)
async def test_what_is_no_json_object_is_refused(ajo: Adobe, raw: bytes) -> None:
    answer = await ajo.http.post(
        "/ajo/im/executions/unitary", content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400, answer.text


async def test_a_body_of_another_type_or_size_is_refused(ajo: Adobe) -> None:
    path = "/ajo/im/executions/unitary"
    assert (await ajo.http.post(path, content="a=b", headers={"content-type": "text/plain"})).status_code == 415
    large = await ajo.http.post(path, content=b" " * (2 << 20), headers={"content-type": "application/json"})
    assert large.status_code == 413


async def test_unknown_fields_are_accepted(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    person = aep(ADA, attachments=[{"name": "a.pdf"}], mergePolicyName="Default Timebased", anything=[1, None])
    await ajo.accepted("unitary", ajo.unitary(campaign, person, more={"a": 1}))


async def test_context_beyond_its_limit_is_refused(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA, context={"a": "x" * 190_000})))
    error = await ajo.refused("unitary", ajo.unitary(campaign, aep(ADA, context={"a": "x" * 210_000})))
    assert "200" in error["report"]["additionalContext"]["errors"]


@pytest.mark.parametrize("depth", [40, 20_000])
async def test_context_that_is_nested_too_deep_is_refused(ajo: Adobe, depth: int) -> None:
    raw = (
        b'{"requestId":"r","campaignId":"%s","recipients":[{"type":"aep","namespace":"email","userId":"a@b.example",'
        % (NOWHERE.encode())
    )
    raw += b'"context":{"a":' + b"[" * depth + b"]" * depth + b"}}]}"
    answer = await ajo.http.post(
        "/ajo/im/executions/unitary", content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("name", [NOWHERE, "nothing", "0" * 24, "9" * 200, "a\0b", "é"])
async def test_an_unknown_campaign_is_told_apart(ajo: Adobe, name: str) -> None:
    body = {"requestId": "r-1", "campaignId": name, "recipients": [aep(ADA)]}
    error = await ajo.refused("unitary", body, 404)
    assert "Cannot find the Campaign" in error["title"]


async def test_only_a_live_campaign_takes_calls(ajo: Adobe, app: App) -> None:
    await ajo.profile(ADA)
    soon = datetime.now(UTC) + timedelta(hours=1)
    draft = await ajo.campaign(is_live=False)
    scheduled = await ajo.campaign(is_live=False, start_at=soon)
    stopped, archived, paused = [await ajo.campaign() for _ in range(3)]
    ended, completed = [await ajo.campaign(end_at=soon) for _ in range(2)]
    over = [ended.id, completed.id]
    await ajo.execute("UPDATE campaign SET end_at = now() - interval '1 s' WHERE id = ANY($1)", over)
    async with app.database.transaction() as tx:
        for campaign in (stopped, archived):
            await lifecycle.stop(tx, account_id=ajo.account.id, campaign_id=campaign.id)
        await lifecycle.archive(tx, account_id=ajo.account.id, campaign_id=archived.id)
        await lifecycle.pause(tx, account_id=ajo.account.id, campaign_id=paused.id)
        await lifecycle.complete_overdue(tx, account_id=ajo.account.id, campaign_id=completed.id)
    for campaign in (draft, scheduled, stopped, archived, paused, ended, completed):
        error = await ajo.refused("unitary", ajo.unitary(campaign, aep(ADA)))
        assert error["title"] == "The campaign is not live"


async def test_each_endpoint_takes_its_own_kind_of_campaign(ajo: Adobe) -> None:
    await ajo.profile(ADA)
    standard, fast = await ajo.campaign(), await _fast(ajo)
    marketing = await ajo.campaign(category=Category.MARKETING)
    group = await ajo.group("everyone", await ajo.profile(BEN))
    broadcast = await ajo.campaign(kind=CampaignKind.BROADCAST, groups=[group.hex()])
    await ajo.refused("highthroughput", ajo.unitary(standard, external(ADA)))
    await ajo.refused("unitary", ajo.unitary(fast, external(ADA)))
    await ajo.refused("unitary", ajo.unitary(marketing, aep(ADA)))
    await ajo.refused("unitary", ajo.unitary(broadcast, aep(ADA)))
    error = await ajo.refused("highthroughput", ajo.unitary(fast, aep(ADA)))
    assert "recipients[0].type" in error["report"]["additionalContext"]["errors"]


async def test_high_throughput_neither_reads_nor_makes_profiles(ajo: Adobe) -> None:
    campaign = await _fast(ajo)
    answer = await ajo.accepted("highthroughput", ajo.unitary(campaign, external(ADA), external(BEN)))
    assert answer["executionId"].startswith("HUMA-")
    assert [one["address"] for one in await ajo.outcomes(answer["executionId"])] == [ADA, BEN]
    assert await ajo.count_contacts() == 0


async def test_an_unknown_profile_fails_the_call_and_nothing_is_stored(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    error = await ajo.refused("unitary", ajo.unitary(campaign, aep(ADA), aep("no-one", "ecid")), 404)
    assert error["title"] == "Cannot find the Profile"
    assert await ajo.count_contacts() == 1


async def test_unknown_profiles_are_made_where_the_campaign_says_so(ajo: Adobe) -> None:
    campaign = await ajo.campaign(creates_contacts=True)
    people = (aep(ADA, "Email"), aep("e-1", "ECID", channelData={"emailAddress": BEN}), aep("15005550006", "phone"))
    answer = await ajo.accepted("unitary", ajo.unitary(campaign, *people))
    assert [one["address"] for one in await ajo.outcomes(answer["executionId"])] == [ADA, BEN, None]
    assert await ajo.count_contacts() == 3
    await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA.upper()), aep("e-1", "ecid")))
    assert await ajo.count_contacts() == 3


async def test_who_may_not_or_cannot_be_written_to_is_excluded_and_the_call_is_taken(ajo: Adobe) -> None:
    campaign = await ajo.campaign()
    for email in (ADA, BEN, "out@lovelace.example"):
        await ajo.profile(email, consent_email=False)
    await ajo.profile(external_id="c-7")
    await ajo.suppress(BEN, SuppressionReason.BOUNCED)
    people = (
        aep(ADA),
        aep(BEN),
        aep("c-7", "externalId"),
        external("x", "crmid"),
        external("y", "crmid"),
        aep("out@lovelace.example", channelData={"emailAddress": "no address"}),
    )
    answer = await ajo.accepted("unitary", ajo.unitary(campaign, *people))
    found = [
        (one["status"], one["exclusion"] and (one["exclusion"]["reason"], one["exclusion"]["code"]))
        for one in await ajo.outcomes(answer["executionId"])
    ]
    assert found == [
        ("pending", None),  # transactional mail needs no consent
        ("excluded", ("EmailSuppressed", "050102")),
        *[("excluded", ("EmailNoAddressFoundInProfile", "050020"))] * 3,
        ("excluded", ("EmailMalformedAddress", "050024")),
    ]


@pytest.mark.parametrize("text", ["UMA-1", "UMA-0", "UMA-", "nothing", "CMA-5", f"UMA-{'9' * 40}", "UMA-\u0661"])
async def test_an_unknown_execution_is_not_found(ajo: Adobe, text: str) -> None:
    answer = await ajo.get(f"unitary/{text}")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


async def test_an_execution_of_another_account_is_not_found(ajo: Adobe, app: App, base_url: str) -> None:
    campaign = await ajo.campaign()
    await ajo.profile(ADA)
    answer = await ajo.accepted("unitary", ajo.unitary(campaign, aep(ADA)))
    async with adobe(app, base_url) as other:
        assert (await other.get(f"unitary/{answer['executionId']}")).status_code == 404
