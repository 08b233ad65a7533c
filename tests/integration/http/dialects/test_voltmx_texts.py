"""Volt MX campaigns with mail and text messages: all channels, or one per user in the order of the priorities."""

from __future__ import annotations

from typing import Any

from tests.integration.http.dialects.voltmx_scene import Volt, ahead, volt
from tests.support.sink import Sink
from tests.support.sms_batch_providers import SignedStandIn
from tests.support.stage import until
from tests.support.workers import SEALER, working

from clarion.application import contacts, senders
from clarion.application.contacts import ContactDraft
from clarion.application.sender_rules import SenderDraft
from clarion.bootstrap import App
from clarion.domain.providers.provider import ProviderName
from clarion.settings import Settings

ADA, BOB = "+4915123456789", "+33612345678"
PUSHES = SenderDraft(
    name="Pushes", provider=ProviderName.FCM, secrets={"privateKey": "not used here"},
    settings={"app": "shop", "projectId": "shop-12345", "clientEmail": "sender@shop.example"},
)  # fmt: skip


async def connect(scene: Volt, service: SignedStandIn) -> None:
    draft = SenderDraft(
        name="Texts", provider=ProviderName.SIGNED_HTTP, settings={"url": service.provider.url},
        secrets=dict(service.secrets), from_address="Stage",
    )  # fmt: skip
    async with scene.app.database.transaction() as tx:
        await senders.create_sender(tx, account_id=scene.account.id, draft=draft, sealer=SEALER)
        await contacts.save_contact(tx, account_id=scene.account.id, draft=ContactDraft(phone=BOB, first_name="Bob"))


async def counted(scene: Volt, campaign: str, texts: int, mails: int) -> None:
    """Waits until a campaign shows so many text messages and mails as sent."""

    async def is_so() -> bool:
        seen = await scene.get(f"campaigns/{campaign}")
        return (seen["campaignSms"][0]["smsSent"], seen["campaignMails"][0]["mailsSent"]) == (texts, mails)

    await until(is_so)


async def test_text_messages_go_beside_mail_or_instead_of_it(app: App, base_url: str, api_settings: Settings) -> None:
    assert api_settings.database_url
    said: dict[str, Any] = {
        "startDateStr": ahead(minutes=-1),
        "campaignSms": [{"name": "s", "smsMessage": "Hi ##First Name##, STOP to stop"}],
    }
    async with Sink() as sink, SignedStandIn() as service, volt(app, base_url, port=sink.port) as scene:
        await scene.person("ada@x.example", phone=ADA, first_name="Ada")
        await scene.person("cy@x.example", first_name="Cy")
        async with app.database.transaction() as tx:
            await senders.create_sender(tx, account_id=scene.account.id, draft=PUSHES, sealer=SEALER)
        order = [{"messageChannel": "SMS"}]
        only_texts = said | {"campaignMessages": [{"message": "Hi"}], "campaignChannelPriorities": order}
        refused = await scene.refused("campaigns", await scene.campaign(**only_texts))
        assert "campaignSms is not sent by anything" in refused  # a sender of push messages does not send them
        await connect(scene, service)
        async with working(app.database, api_settings.database_url.reveal()):
            order = [{"messageChannel": name} for name in ("SMS", "Email")]
            await counted(scene, await scene.made(**said, campaignChannelPriorities=order), texts=2, mails=1)
            assert sorted((one.to, one.text) for one in service.taken) == [
                (BOB, "Hi Bob, STOP to stop"), (ADA, "Hi Ada, STOP to stop"),
            ]  # fmt: skip
            assert sink.recipients() == ["cy@x.example"]
            await counted(scene, await scene.made(**said), texts=2, mails=2)
            assert sorted(sink.recipients()) == ["ada@x.example", "cy@x.example", "cy@x.example"]
