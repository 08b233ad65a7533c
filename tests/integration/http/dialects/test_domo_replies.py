"""Row 21: replies by SMS, as Twilio posts them, stop everything or one campaign; what it did not sign does nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
import pytest
from tests.integration.http.dialects.domo_scene import Domo, domo, refusal
from tests.support.sms_callbacks import twilio

from clarion.application.sender_rules import SenderDraft
from clarion.application.senders import create_sender
from clarion.bootstrap import App
from clarion.domain.channel import ChannelName
from clarion.domain.providers import ProviderName
from clarion.pipeline import inbound

PATH: Final = "/api/v1/campaigns/queue/sms"
OURS: Final = "+14155550100"
ADA: Final = "+14155550111"


def account_sid(scene: Domo) -> str:
    """The account's own one at Twilio: several tests use one database, and by it the number is found."""
    return f"AC{scene.account.id.hex():0>32}"


async def reply(
    scene: Domo, text: str, *, token: str = "made up", headers: Mapping[str, str] | None = None, to: str = OURS
) -> httpx.Response:
    """One message of Ada's, posted and obeyed."""
    form = {
        "AccountSid": account_sid(scene),
        "MessageSid": f"SM{text}",
        "SmsStatus": "received",
        "From": ADA,
        "To": to,
        "Body": text,
    }
    call = twilio(f"{scene.app.links.base_url}{PATH}", token, form)
    answer = await scene.http.post(PATH, content=call.body, headers=headers or call.headers)
    while await inbound.read_new(scene.app.database):
        pass
    return answer


async def stopped(scene: Domo) -> tuple[bool, bool]:
    """Whether Ada is written to by nobody, and whether this campaign leaves her alone."""
    async with scene.app.database.reading() as tx:
        everywhere = await tx.suppressions.find(scene.account.id, ChannelName.SMS, ADA)
        here = await tx.suppressions.find_for_campaign(scene.account.id, scene.campaign.id, ChannelName.SMS, ADA)
    return everywhere is not None, here is not None


@pytest.fixture
async def scene(app: App, base_url: str) -> AsyncIterator[Domo]:
    draft = SenderDraft(
        name="Texts",
        provider=ProviderName.TWILIO,
        secrets={"authToken": "made up"},
        from_address=OURS,
    )
    async with domo(app, base_url) as made:
        draft = dataclasses.replace(draft, settings={"accountSid": account_sid(made)})
        async with app.database.transaction() as tx:
            await create_sender(tx, account_id=made.account.id, draft=draft, sealer=app.sealer)
        yield made


async def test_row_21_a_number_before_stop_means_one_campaign_and_start_does_not_lift_it(scene: Domo) -> None:
    answer = await reply(scene, f"{scene.campaign.number}STOP")
    assert (answer.status_code, answer.text) == (200, "<Response/>")
    assert await stopped(scene) == (False, True)
    await reply(scene, "999999 stop")
    assert await stopped(scene) == (False, True)
    await reply(scene, "STOP")
    assert await stopped(scene) == (True, True)
    await reply(scene, "START")
    assert await stopped(scene) == (False, True)


async def test_what_twilio_did_not_sign_or_is_of_no_number_here_stops_nobody(scene: Domo) -> None:
    refusal(await reply(scene, "STOP", token="another"), 403)
    refusal(await reply(scene, "STOP", headers={"content-type": "application/x-www-form-urlencoded"}), 403)
    refusal(await reply(scene, "STOP", to="+14155550999"), 404)
    refusal(await scene.http.post(PATH, content=b"Body=STOP"), 404)
    assert await stopped(scene) == (False, False)
