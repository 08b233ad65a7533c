"""Text messages from a campaign to a message centre and back: receipts move the rows, replies are kept."""

from __future__ import annotations

from tests.support import stage
from tests.support.scene import LINKS
from tests.support.smpp_server.centre import PASSWORD, SYSTEM_ID, Centre
from tests.support.stage import Stage
from tests.support.workers import SEALER, working

from clarion.adapters.channels.registry import ChannelRegistry
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, contacts, senders
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.sender_rules import SenderDraft
from clarion.domain.content import SmsContent
from clarion.domain.ids import Id
from clarion.domain.outcome import Verdict
from clarion.domain.providers import ProviderName
from clarion.domain.sender import Sender
from clarion.pipeline.inbox import NewsInbox
from clarion.pipeline.standing import stand_by

TEXT = SmsContent(text="Hello {{ contact.firstName }}. STOP to end")
_INBOUND = "SELECT address, sent_to, text FROM inbound_message"


async def test_a_campaign_goes_out_and_its_receipts_and_replies_come_back(
    database: PostgresDatabase, database_url: str, centre: Centre
) -> None:
    await centre.set(receipts="DELIVRD", receiptStates={"4915122": "UNDELIV"}, fates={"4915123": {"status": 0x0B}})
    made = await stage.build(database, [])
    sender = await bound_sender(made, "Carrier", centre.port)
    idle = await bound_sender(made, "Nobody sends by it", centre.port)
    people = {f"+4915121{n:06d}": "Ann" for n in range(20)}
    people |= {"+4915122000001": "Bea", "+4915123000001": "Cid", "+4915124000001": "D" * 180}
    await enrol(made, people)
    async with database.transaction() as tx:
        draft = CampaignDraft(sms=TEXT, sms_sender_id=sender.id.hex(), email=None)
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=draft, links=LINKS
        )
    async with working(database, database_url):
        # Both are bound to before anything is sent, and what people write arrives.
        await centre.until("open", 2)
        said = {"source_addr": "4915121000003", "source_addr_ton": 1, "destination_addr": "12345"}
        assert await centre.deliver(b"What is this?", **said) == 0
        async with database.reading() as tx:
            assert [tuple(row) for row in await tx.connection.fetch(_INBOUND)] == [
                ("+4915121000003", "12345", "What is this?")
            ]
        run_id = await made.start()
        await made.finished()
        await stage.until(lambda: has(made, run_id, {"delivered": 21, "bounced": 1, "failed": 1}))
        # A sender that is gone is not listened to any more; one that changed is bound to anew.
        async with database.transaction() as tx:
            await senders.delete_sender(tx, account_id=made.account_id, sender_id=idle.id)
        await centre.until("unbinds", 1)
        async with database.transaction() as tx:
            await senders.update_sender(
                tx, account_id=made.account_id, sender_id=sender.id, draft=SenderDraft(name="Renamed"), sealer=SEALER
            )
        await centre.until("binds", 3)
    counts = await centre.counts()
    assert (counts["taken"], counts["most"], counts["open"]) == (23, 1, 0)
    rows = await made.rows()
    assert rows["+4915122000001"] == ("bounced", "address_rejected")
    assert rows["+4915123000001"] == ("failed", "address_rejected")


async def test_a_restored_copy_takes_no_news_from_the_original(database: PostgresDatabase, centre: Centre) -> None:
    made = await stage.build(database, [])
    sender = await bound_sender(made, "Carrier", centre.port)
    channels = ChannelRegistry(SEALER, NewsInbox(database), helo_name="tests.clarion.example", public_url=None)
    try:
        await made.execute("UPDATE home SET held_since = now()")
        await stand_by(database, channels)
        async with database.reading() as tx:
            sealed = await tx.senders.sealed_secrets(sender.id)
        assert (await channels.probe(sender, sealed)).verdict is Verdict.SENT
        counts = await centre.counts()
        assert (counts["binds"], counts["open"]) == (1, 0)
        await made.execute("UPDATE home SET held_since = NULL")
        await stand_by(database, channels)
        await centre.until("open", 1)
    finally:
        await channels.aclose()


async def bound_sender(made: Stage, name: str, port: int) -> Sender:
    draft = SenderDraft(
        name=name,
        provider=ProviderName.SMPP,
        settings={"host": "127.0.0.1", "port": port, "security": "none", "systemId": SYSTEM_ID},
        secrets={"password": PASSWORD},
        from_address="Clarion",
    )
    async with made.database.transaction() as tx:
        return await senders.create_sender(tx, account_id=made.account_id, draft=draft, sealer=SEALER)


async def enrol(made: Stage, people: dict[str, str]) -> None:
    ids: list[Id] = []
    async with made.database.transaction() as tx:
        for phone, name in people.items():
            draft = ContactDraft(phone=phone, first_name=name)
            contact, _ = await contacts.save_contact(tx, account_id=made.account_id, draft=draft)
            ids.append(contact.id)
        await tx.groups.add_members(made.group_id, ids)


async def has(made: Stage, run_id: Id, wanted: dict[str, int]) -> bool:
    return await stage.states(made.database, run_id) == wanted
