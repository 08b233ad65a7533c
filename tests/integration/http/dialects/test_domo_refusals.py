"""What Domo's calls refuse: each with its status, in one shape, and nothing started."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.integration.http.conftest import serving
from tests.integration.http.dialects.domo_scene import ALERT, OWNER, START, Domo, domo, refusal
from tests.support.patience import PATIENCE_S
from tests.support.sink import Sink

from clarion.bootstrap import App, open_app
from clarion.domain.access import Permission


@pytest.fixture
async def scene(app: App, base_url: str) -> AsyncIterator[Domo]:
    async with domo(app, base_url) as made:
        yield made
        assert await made.runs() == []
        assert await made.execute("SELECT count(*) FROM execution WHERE account_id = $1", made.account.id) == 0


@pytest.mark.parametrize("path", [START, ALERT])
@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"emailAddresses": [""]}, "emailAddresses[0]"),
        ({"emailAddresses": ["ada@load.example", "  "]}, "emailAddresses[1]"),
        ({"emailAddresses": [7]}, "emailAddresses[0]"),
        ({"emailAddresses": "ada@load.example"}, "emailAddresses"),
        ({"emailAddresses": ["a@b.example"] * 10_001}, "emailAddresses"),
        ({"campaignId": "12x"}, "campaignId"),
        ({"campaignId": ""}, "campaignId"),
        ({"campaignId": 12.0}, "campaignId"),
        ({"campaignId": True}, "campaignId"),
        ({"campaignId": None}, "campaignId"),
        ({"campaignId": [1]}, "campaignId"),
        ({"campaignId": "9" * 30}, "campaignId"),
        ({"instance": ""}, "instance"),
        ({"instance": None}, "instance"),
        ({"instance": 7}, "instance"),
        ({"isTest": True}, "emailAddresses"),
        ({"isTest": True, "emailAddresses": []}, "emailAddresses"),
        ({"isTest": "true", "emailAddresses": ["ada@load.example"]}, "isTest"),
        ({"fields": {"key": "value"}}, "fields"),
        ({"fields": [{"key": "", "value": "x"}]}, "fields[0]"),
        ({"fields": [{"key": "x", "value": [1]}]}, "fields[0]"),
        ({"fields": ["x"]}, "fields[0]"),
        ({"fields": [{"key": "k", "value": "v" * 300_000}]}, "context"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(scene: Domo, path: str, fields: dict[str, Any], word: str) -> None:
    found = await scene.refused(400, path, **fields)
    assert word in found["message"]
    assert scene.token not in json.dumps(found)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(scene: Domo, raw: bytes) -> None:
    refusal(await scene.http.post(START, content=raw, headers={"Content-Type": "application/json"}), 400)


async def test_text_that_cannot_be_stored_is_refused(scene: Domo) -> None:
    await scene.refused(400, emailAddresses=["a\0b@load.example"])
    raw = json.dumps(scene.body(instance="\ud800")).encode()
    refusal(await scene.http.post(START, content=raw, headers={"Content-Type": "application/json"}), 400)


async def test_a_body_that_is_too_large_or_of_another_type_is_refused(scene: Domo) -> None:
    refusal(await scene.http.post(START, content=b"x" * 1_100_000), 413)
    refusal(await scene.http.post(START, data={"campaignId": "1"}), 415)


async def test_every_wrong_credential_is_refused_in_the_same_words(scene: Domo) -> None:
    ownerless = await scene.key(Permission.CAMPAIGNS_EXECUTE, owner=None)
    wrong: list[dict[str, Any]] = [
        {"domoAccessToken": None},
        {"domoAccessToken": ""},
        {"domoAccessToken": 7},
        {"domoAccessToken": "wrong"},
        {"domoAccessToken": scene.token[:-1] + ("a" if scene.token[-1] != "a" else "b")},
        {"domoAccessTokenOwnerEmailAddress": "somebody@acme.example"},
        {"domoAccessTokenOwnerEmailAddress": None},
        {"domoAccessTokenOwnerEmailAddress": ""},
        {"domoAccessToken": ownerless},
    ]
    answers = [await scene.refused(401, **fields) for fields in wrong]
    assert len({answer["message"] for answer in answers}) == 1


async def test_the_owner_is_the_same_however_the_address_is_written(app: App, base_url: str) -> None:
    async with domo(app, base_url) as scene:
        await scene.started(domoAccessTokenOwnerEmailAddress=f" {OWNER.upper()} ")


async def test_a_key_that_may_not_start_campaigns_is_forbidden(scene: Domo) -> None:
    await scene.refused(403, domoAccessToken=await scene.key(Permission.CAMPAIGNS_READ))


async def test_an_unknown_campaign_is_not_found_whoever_owns_it(app: App, base_url: str, scene: Domo) -> None:
    async with domo(app, base_url) as other:
        unknown = [await scene.refused(404, campaignId=number) for number in (0, -1, 2**40, other.campaign.number)]
    assert {answer["message"] for answer in unknown} == {"No such campaign"}


async def test_the_number_may_be_a_text_and_unknown_keys_are_ignored(app: App, base_url: str) -> None:
    async with domo(app, base_url) as scene:
        await scene.started(campaignId=str(scene.campaign.number), somethingElse={"x": 1})


async def test_an_account_that_names_its_instance_is_found_under_no_other(app: App, base_url: str) -> None:
    async with domo(app, base_url, instance="acme.domo.example") as scene:
        assert (await scene.refused(404, instance="other.domo.example"))["message"] == "No such campaign"
        await scene.started(instance="https://Acme.Domo.Example/")


async def test_a_campaign_that_is_over_cannot_be_started(app: App, base_url: str) -> None:
    async with domo(app, base_url) as scene:
        await scene.started()
        await scene.stop()
        assert "stopped" in (await scene.refused(409, emailAddresses=["ada@load.example"]))["message"]


@pytest.mark.parametrize("path", [START, ALERT])
async def test_another_method_is_refused_in_the_same_voice(scene: Domo, path: str) -> None:
    refusal(await scene.http.get(path), 405)
    refusal(await scene.http.put(path, json={}), 405)


async def test_the_token_reaches_no_log(
    scene: Domo, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await scene.refused(400, campaignId="x")
    await scene.refused(401, domoAccessTokenOwnerEmailAddress="somebody@acme.example")
    await scene.http.post(START, content=json.dumps(scene.body())[:-1].encode())
    printed = "".join((*capfd.readouterr(), caplog.text))
    assert scene.token not in printed
    assert OWNER not in printed


async def test_a_relay_that_does_not_answer_is_told_and_nothing_is_started(app: App) -> None:
    asking = dataclasses.replace(app.settings, relay_check_seconds=int(PATIENCE_S))
    async with open_app(asking, acquire_timeout_s=PATIENCE_S) as app_that_asks, serving(app_that_asks) as url:
        async with domo(app_that_asks, url, port=9) as scene:
            assert "does not answer" in (await scene.refused(502))["message"]
            assert await scene.runs() == []
        async with Sink() as sink, domo(app_that_asks, url, port=sink.port) as scene:
            await scene.started()


@pytest.mark.usefixtures("_standing_clock")
async def test_a_key_that_calls_too_often_is_told_when_to_come_back(app: App) -> None:
    slow = dataclasses.replace(app.settings, requests_per_second=1)
    async with (
        open_app(slow, acquire_timeout_s=PATIENCE_S) as slow_app,
        serving(slow_app) as url,
        domo(slow_app, url) as scene,
    ):
        answers = [await scene.post(campaignId=0) for _ in range(3)]
        assert isinstance(answers[0], httpx.Response)
        assert [answer.status_code for answer in answers] == [404, 404, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1
