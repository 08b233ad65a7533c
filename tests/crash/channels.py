"""The scene of a gate on SMS or push: the same contacts with a number or a device, and a campaign on that channel.

Owns what differs between the channels before a run starts; a gate and its observer see none of it. Where to read next:
`ground`, which asks for it, and `reader`, which takes the messages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.conftest import TEST_KEY
from tests.crash.reader import PREFIX, WINDOW, WORD, Centre, PushService
from tests.support.push_providers import device
from tests.support.scene import LINKS, Scene

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.adapters.sealing import AesSealer, KeyRing
from clarion.application import campaigns, senders
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.sender_rules import SenderDraft
from clarion.domain.campaign import Category
from clarion.domain.content import PushContent, SmsContent
from clarion.domain.providers import ProviderName
from clarion.settings import load_settings

_NUMBERS: Final = "UPDATE contact SET phone = $2 || lpad(substr(external_id, 6), 7, '0') WHERE account_id = $1"
_DEVICES: Final = """
INSERT INTO device (id, account_id, contact_id, platform, app, token)
SELECT c.id, $1, c.id, 'ios', 'test', lpad(to_hex(('x' || $2)::bit(32)::int + substr(c.external_id, 6)::int), 64, '0')
FROM contact AS c WHERE c.account_id = $1
"""


def _sealer() -> AesSealer:
    """The seal that the processes of a gate open."""
    ring = KeyRing(load_settings({"CLARION_SECRET_KEY": TEST_KEY}).secret_keys())
    return AesSealer(ring.subkeys("sealing"), ring.current)


async def by_sms(database: PostgresDatabase, scene: Scene, centre: Centre, category: Category) -> Scene:
    """The scene with a number for everybody, and a campaign that writes to it over SMPP."""
    async with database.transaction() as tx:
        await tx.connection.execute(_NUMBERS, scene.account_id, PREFIX)
    settings = {"host": "127.0.0.1", "port": centre.port, "security": "none", "systemId": "clarion", "window": WINDOW}
    sender = SenderDraft(
        name="Centre",
        provider=ProviderName.SMPP,
        settings=settings,
        secrets={"password": "secret"},
        from_address="Clarion",
    )
    said = CampaignDraft(name="Texts", category=category, groups=["everyone"], sms=SmsContent(text=f"For {WORD}"))
    return await _campaign(database, scene, sender, said)


async def by_push(database: PostgresDatabase, scene: Scene, service: PushService, category: Category) -> Scene:
    """The scene with a device for everybody, and a campaign that writes to it over APNs."""
    async with database.transaction() as tx:
        await tx.connection.execute(_DEVICES, scene.account_id, device(0)[-8:])
    settings = {"app": "test", "topic": service.topic, "teamId": service.team_id, "keyId": service.key_id}
    sender = SenderDraft(
        name="Service",
        provider=ProviderName.APNS,
        settings={**settings, "baseUrl": service.url},
        secrets={"privateKey": service.private_key},
    )
    said = CampaignDraft(name="Pushes", category=category, groups=["everyone"], push=PushContent(body=f"For {WORD}"))
    return await _campaign(database, scene, sender, said)


async def _campaign(database: PostgresDatabase, scene: Scene, sender: SenderDraft, said: CampaignDraft) -> Scene:
    async with database.transaction() as tx:
        made = (await senders.create_sender(tx, account_id=scene.account_id, draft=sender, sealer=_sealer())).id.hex()
        draft = (
            replace(said, sms_sender_id=made)
            if isinstance(said.sms, SmsContent)
            else replace(said, push_sender_ids=[made])
        )
        campaign = await campaigns.create_campaign(tx, account_id=scene.account_id, draft=draft, links=LINKS)
    return replace(scene, campaign_id=campaign.id)
