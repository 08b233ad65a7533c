"""Text messages from a campaign to a provider over HTTP and back: callbacks move the rows, uncertain ones too."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support import sms_callbacks, stage
from tests.support.scene import LINKS
from tests.support.sms_providers import TwilioStandIn, ground
from tests.support.sms_stand_in import Fate, Taken, number
from tests.support.stage import Stage
from tests.support.workers import SEALER, working

from clarion.adapters.channels.sms_http import twilio
from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application import campaigns, contacts, senders
from clarion.application.campaign_draft import CampaignDraft
from clarion.application.contacts import ContactDraft
from clarion.application.ports.receipts import Callback
from clarion.application.sender_rules import SenderDraft
from clarion.domain.content import SmsContent
from clarion.domain.ids import Id
from clarion.domain.providers import ProviderName
from clarion.domain.sender import Sender
from clarion.pipeline.inbox import NewsInbox

PUBLIC_URL = "https://clarion.example"
TEXT = SmsContent(text="Hello {{ contact.firstName }}. STOP to end")
PEOPLE = [
    *(number(Fate.TAKEN, name) for name in range(20)),
    number(Fate.WRONG_NUMBER),
    number(Fate.OPTED_OUT),
    number(Fate.CUT),
]


async def test_callbacks_move_what_was_sent_and_settle_what_was_uncertain(
    database: PostgresDatabase, database_url: str
) -> None:
    made = await stage.build(database, [])
    inbox = NewsInbox(database)
    async with TwilioStandIn() as far, working(database, database_url, public_url=PUBLIC_URL):
        sender = await _campaign(made, far)
        run_id = await made.start()
        await made.finished()
        await stage.until(lambda: _has(made, run_id, {"sent": 20, "failed": 2, "unknown": 1}))
        assert sorted(taken.to for taken in far.taken) == sorted([*PEOPLE[:20], number(Fate.CUT)])
        rows = await made.rows()
        assert rows[number(Fate.WRONG_NUMBER)] == ("failed", "address_unknown")
        assert rows[number(Fate.OPTED_OUT)] == ("failed", "unsubscribed")

        reader = twilio.callbacks(far.provider, far.secrets, ground())
        for taken in far.taken:
            told = {"MessageStatus": "delivered"}
            if taken.to == PEOPLE[0]:
                told = {"MessageStatus": "undelivered", "ErrorCode": "30003"}
            call = _call(far, sender.id, taken, told)
            news = [one._replace(sender_id=sender.id) for one in reader.read(call)]
            await inbox.put(news)
            await inbox.put(news)
        await stage.until(lambda: _has(made, run_id, {"delivered": 20, "failed": 2, "bounced": 1}))
    rows = await made.rows()
    assert rows[number(Fate.CUT)][0] == "delivered"
    assert rows[PEOPLE[0]] == ("bounced", "unreachable")
    await inbox.aclose()


async def _campaign(made: Stage, far: TwilioStandIn) -> Sender:
    """Everybody above in the campaign's audience, and a sender at the stand-in."""
    draft = SenderDraft(
        name="Texts",
        provider=ProviderName.TWILIO,
        settings={"accountSid": far.account, "baseUrl": far.url},
        secrets=dict(far.secrets),
        from_address="+4915123456789",
    )
    async with made.database.transaction() as tx:
        sender = await senders.create_sender(tx, account_id=made.account_id, draft=draft, sealer=SEALER)
        ids = []
        for phone in PEOPLE:
            person = ContactDraft(phone=phone, first_name="Ann")
            ids.append((await contacts.save_contact(tx, account_id=made.account_id, draft=person))[0].id)
        await tx.groups.add_members(made.group_id, ids)
        content = CampaignDraft(sms=TEXT, sms_sender_id=sender.id.hex(), email=None)
        await campaigns.update_campaign(
            tx, account_id=made.account_id, campaign_id=made.campaign_id, draft=content, links=LINKS
        )
    return sender


def _call(far: TwilioStandIn, sender_id: Id, taken: Taken, told: Mapping[str, str]) -> Callback:
    """The status callback for a message, at the address that its request named."""
    url = f"{PUBLIC_URL}/hooks/{sender_id.hex()}?delivery={taken.key}"
    assert url in far.callback_urls
    return sms_callbacks.twilio(url, far.token, {"AccountSid": far.account, "MessageSid": taken.name, **told})


async def _has(made: Stage, run_id: Id, wanted: dict[str, int]) -> bool:
    return await stage.states(made.database, run_id) == wanted
