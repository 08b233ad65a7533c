"""A made-up account with contacts in one group, a sender and a campaign: the stage for crash and load runs.

Contacts are written by one statement (a million take seconds); the campaign goes through the use cases, so what runs
afterwards is what a client would have started.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.support.patience import PATIENCE_S

from clarion.adapters.postgres.database import PostgresDatabase, PostgresTransaction
from clarion.application import campaigns, lifecycle
from clarion.application.campaign_draft import CampaignDraft
from clarion.domain.campaign import Category
from clarion.domain.content import EmailContent
from clarion.domain.ids import Id, new_id
from clarion.domain.providers.provider import Security
from clarion.domain.providers.smtp import SmtpRelay
from clarion.domain.sender import Sender
from clarion.rendering.email import WireEmail
from clarion.rendering.facts import RunFacts
from clarion.rendering.headers import date_header
from clarion.rendering.links import Links
from clarion.rendering.plan import compile_email
from clarion.rendering.tokens import TokenSigner

LETTER = Path("src/clarion/entrypoints/cli/assets/campaign.html").read_text("utf-8")

SUBJECT = "Hello {{ contact.firstName }}"
FROM = "Load <load@clarion.example>"

LINKS = Links("https://clarion.example", TokenSigner({0: bytes(32)}, 0))
"""For checking the letter only; workers sign with the key of their settings."""

_ACCOUNT = "INSERT INTO account (id, name) VALUES ($1, 'Load')"

_CONTACTS = """
INSERT INTO contact (id, account_id, external_id, email, email_key, first_name, last_name, language, attributes)
SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), $1, 'load-' || n, a.address, a.address,
       (ARRAY['Alna', 'Brick', 'Corra', 'Daniel', 'Elbel', 'Finna', 'Grétya'])[1 + n % 7],
       (ARRAY['Amberfield', 'Birchley', 'Cedarmann', 'Dunewood', 'Elmstone'])[1 + n % 5], 'en',
       jsonb_build_object('city', (ARRAY['Northmere', 'Lindenau', 'Clairval'])[1 + n % 3],
                          'plan', (ARRAY['free', 'plus', 'studio'])[1 + n % 3])
FROM generate_series($4::int, $4::int + $2::int - 1) AS n,
     LATERAL (SELECT $3 || lpad(n::text, 7, '0') || '@load.example' AS address) AS a
"""

_FINISHED = "SELECT finished_at IS NOT NULL FROM run WHERE id = $1"
_GROUP = "INSERT INTO contact_group (id, account_id, name) VALUES ($1, $2, 'everyone')"
_MEMBERS = (
    "INSERT INTO group_member (group_id, contact_id) SELECT $1, id FROM contact WHERE account_id = $2 ORDER BY id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What was made, ready to be started with `start`."""

    account_id: Id
    campaign_id: Id
    recipients: int


async def build(
    database: PostgresDatabase,
    *,
    recipients: int,
    port: int,
    connections: int = 10,
    local_part: str = "person.",
    first: int = 1,
    category: Category = Category.MARKETING,
    email: EmailContent | None = None,
) -> Scene:
    """Makes everything up to a campaign whose sender is a plain relay on the loopback `port`.

    Addresses are `local_part` and a number of seven digits, so that a scripted sink can be told what to do. The n-th
    person is the n-th delivery of the run. Numbers begin with `first`, so that several accounts have nobody in common.
    """
    account_id, group_id = new_id(), new_id()
    async with database.transaction() as tx:
        await tx.connection.execute("SET LOCAL statement_timeout = 0")
        await tx.connection.execute(_ACCOUNT, account_id)
        await tx.connection.execute(_GROUP, group_id, account_id)
        await tx.connection.execute(_CONTACTS, account_id, recipients, local_part, first, timeout=600)
        await tx.connection.execute(_MEMBERS, group_id, account_id, timeout=600)
    async with database.reading() as tx:
        await tx.connection.execute("VACUUM (ANALYZE) contact, group_member", timeout=600)
    async with database.transaction() as tx:
        sender = await _sender(tx, account_id, port, connections)
        draft = CampaignDraft(
            name="Load",
            category=category,
            groups=[group_id.hex()],
            sender_id=sender.id.hex(),
            email=email or EmailContent(subject=SUBJECT, html=LETTER),
        )
        campaign = await campaigns.create_campaign(tx, account_id=account_id, draft=draft, links=LINKS)
    return Scene(account_id=account_id, campaign_id=campaign.id, recipients=recipients)


async def start(database: PostgresDatabase, scene: Scene) -> Id:
    """Starts the campaign and returns the id of its run."""
    async with database.transaction() as tx:
        await lifecycle.start(tx, account_id=scene.account_id, campaign_id=scene.campaign_id)
        runs = await tx.runs.page(scene.account_id, scene.campaign_id, None, 1)
    return runs[0].id


async def finished(database: PostgresDatabase, run_id: Id, patience_s: float = PATIENCE_S) -> None:
    """Waits until the run is closed. Raises TimeoutError."""
    async with asyncio.timeout(patience_s), database.reading() as tx:
        while not await tx.connection.fetchval(_FINISHED, run_id):
            await asyncio.sleep(0.02)


def letter_bytes() -> int:
    """How large the letter is on the wire, for rivals that send as much."""
    facts = RunFacts(
        account_id=new_id(),
        account_name="Load",
        campaign_id=new_id(),
        campaign_name="Load",
        run_id=new_id(),
        category=Category.MARKETING,
        from_address=FROM,
    )
    plan = compile_email(EmailContent(subject=SUBJECT, html=LETTER), facts=facts, links=LINKS)
    person = {
        "externalId": "load-1000",
        "email": "person.0001000@load.example",
        "firstName": "Corra",
        "lastName": "Birchley",
        "language": "en",
        "attributes": {"city": "Northmere", "plan": "plus"},
    }
    message = plan.render(1000, "person.0001000@load.example", person, date_header(datetime.now(UTC)))
    assert isinstance(message, WireEmail)
    return len(message.data)


async def _sender(tx: PostgresTransaction, account_id: Id, port: int, connections: int) -> Sender:
    async with tx.connection.transaction():
        now = await tx.campaigns.now()
    sender = Sender(
        id=new_id(),
        name="Sink",
        provider=SmtpRelay(host="127.0.0.1", port=port, security=Security.NONE, max_connections=connections),
        from_address=FROM,
        rate_per_second=None,
        created_at=now,
        updated_at=now,
    )
    await tx.senders.add(account_id, sender, None)
    return sender
