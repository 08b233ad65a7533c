"""Push campaigns through the whole pipeline: too large, dead devices, other apps' devices, and a key that ran out."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support import stage
from tests.support.apns_server import ApnsServer
from tests.support.push_providers import device, pem
from tests.support.scene import LINKS
from tests.support.stage import Stage
from tests.support.workers import SEALER, working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import activation, campaigns, contacts, devices, senders
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.devices import DeviceDraft
from clarion.application.sender_rules import SenderDraft
from clarion.domain.content import PushContent
from clarion.domain.device import Device, Platform
from clarion.domain.errors import Invalid
from clarion.domain.providers import ProviderName
from clarion.domain.sender import Sender

APP = "shop"
PEOPLE = {name: f"{name}@load.example" for name in ("plain", "long", "gone", "foreign", "later")}
TOKENS = {name: device(number) for number, name in enumerate(PEOPLE, 1)}
MESSAGE = PushContent(title="Hello", body="News: {{ contact.attributes.note }}", ttl_seconds=60)


async def built(database: PostgresDatabase, server: ApnsServer, private_key: str) -> Stage:
    """A campaign on push alone: five people with a device each, of whom one has five kilobytes of data."""
    made = await stage.build(database, [*PEOPLE.values()])
    settings = {"app": APP, "topic": server.topic, "teamId": server.team_id, "keyId": server.key_id}
    async with database.transaction() as tx:
        for name, address in PEOPLE.items():
            contact_id = made.contact_ids[address]
            note = "x" * 5000 if name == "long" else name
            draft = ContactDraft(email=address, attributes={"note": note})
            await contacts.save_contact(tx, account_id=made.account_id, draft=draft)
            found = DeviceDraft(platform=Platform.IOS, app=APP, token=TOKENS[name])
            await devices.register_device(tx, account_id=made.account_id, contact_id=contact_id, draft=found)
        sender = await senders.create_sender(
            tx,
            account_id=made.account_id,
            draft=SenderDraft(
                name="Apple",
                provider=ProviderName.APNS,
                settings=settings | {"baseUrl": server.url if server.port else "http://127.0.0.1:9"},
                secrets={"privateKey": private_key},
            ),
            sealer=SEALER,
        )
        change = CampaignDraft(email=None, push=MESSAGE, push_sender_ids=[sender.id.hex()])
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=change, links=LINKS
        )
    made.sender_id = sender.id
    return made


async def sender_of(made: Stage) -> Sender:
    async with made.database.reading() as tx:
        return await senders.get_sender(tx, account_id=made.account_id, sender_id=made.sender_id)


async def devices_of(made: Stage) -> dict[str, Device]:
    async with made.database.reading() as tx:
        return {
            name: (await tx.devices.list_of(made.account_id, made.contact_ids[address]))[0]
            for name, address in PEOPLE.items()
        }


async def test_each_device_gets_its_message_or_a_reason(database: PostgresDatabase, database_url: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    async with ApnsServer(key.public_key()) as server:
        server.fates = {TOKENS["gone"]: "Unregistered", TOKENS["foreign"]: "DeviceTokenNotForTopic"}
        made = await built(database, server, pem(key))

        with pytest.raises(Invalid) as caught:
            async with database.transaction() as tx:
                await activation.activate(tx, account_id=made.account_id, campaign_id=made.campaign_id, links=LINKS)
        assert [(problem.field, problem.rule) for problem in caught.value.problems] == [("message.push", "tooBig")]

        async with working(database, database_url):
            await made.start()
            await made.finished()
        assert await made.rows() == {
            TOKENS["plain"]: ("sent", None),
            TOKENS["long"]: ("skipped", "too_big"),
            TOKENS["gone"]: ("failed", "address_unknown"),
            TOKENS["foreign"]: ("failed", "address_rejected"),
            TOKENS["later"]: ("sent", None),
        }
        assert sorted(server.recipients()) == sorted([TOKENS["plain"], TOKENS["later"]])
        assert server.complaints == []
        (arrival,) = [one for one in server.arrivals if one.token == TOKENS["plain"]]
        assert arrival.headers["apns-collapse-id"] == arrival.payload["deliveryId"]
        retired = {name: one.retired_reason for name, one in (await devices_of(made)).items() if one.retired_at}
        assert list(retired) == ["gone"]


async def test_a_key_that_ran_out_shuts_the_sender_and_costs_nobody_a_message(
    database: PostgresDatabase, database_url: str
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ahead = time.time() + 7200
    async with ApnsServer(key.public_key(), clock=lambda: ahead) as server:
        made = await built(database, server, pem(key))
        async with working(database, database_url):
            await made.start()

            async def is_shut() -> bool:
                health = (await sender_of(made)).health
                return health is not None and health.is_shut

            await stage.until(is_shut)
            health = (await sender_of(made)).health
            assert health is not None
            assert health.reason == "auth_failed"
            assert "ExpiredProviderToken" in health.reply
            assert {state for state, _ in (await made.rows()).values()} <= {"pending", "sending", "skipped"}
            server.clock = time.time
            server.tokens.clear()
            await made.execute("UPDATE sender_health SET try_at = now()")
            await made.finished()
        assert [state for state, _ in (await made.rows()).values()].count("sent") == 4
        assert not any(one.retired_at for one in (await devices_of(made)).values())


async def test_five_kilobytes_for_everybody_are_refused_when_they_are_saved(database: PostgresDatabase) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = await built(database, ApnsServer(key.public_key()), pem(key))
    draft = CampaignDraft(push=replace(MESSAGE, title="x" * 904, body="x" * 4096))
    with pytest.raises(Invalid) as caught:
        async with database.transaction() as tx:
            await campaigns.update_campaign(
                tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
            )
    assert [(problem.field, problem.rule) for problem in caught.value.problems] == [("message.push", "tooBig")]
