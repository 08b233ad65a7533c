"""The vendor's own Python client, unmodified, over a real socket: from an empty workspace to mail that arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from temba_client.v2 import TembaClient
from temba_client.v2.types import Broadcast, Campaign, Contact, Group
from tests.integration.http.conftest import Caller
from tests.support.scene import finished
from tests.support.sink import Sink
from tests.support.workers import SEALER, working

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.sender_rules import SenderDraft
from clarion.application.senders import create_sender
from clarion.bootstrap import App
from clarion.domain.ids import Id, parse_uuid
from clarion.domain.providers.provider import Security

PEOPLE = 600


@pytest.fixture
def client(caller: Caller, base_url: str) -> TembaClient:
    return TembaClient(base_url, caller.text)


def _people(client: TembaClient, group: Group) -> Iterator[Contact]:
    for number in range(PEOPLE):
        yield client.create_contact(
            name=f"Person {number:03} Oak",
            language="fra" if number % 2 else "eng",
            urns=[f"mailto:person.{number:03}@lake.example"],
            fields={"due_date": "2026-12-01T09:00:00Z"},
            groups=[group],
        )


def _story(client: TembaClient) -> tuple[Campaign, Broadcast]:
    """Everything a caller does, in the order they would."""
    group = client.create_group("Reporters")
    assert client.create_field("Due date", "datetime").key == "due_date"
    made = list(_people(client, group))
    pages = list(client.get_contacts(group=group).iterfetches())
    assert [len(page) for page in pages] == [250, 250, 100]
    assert sorted(one.uuid for page in pages for one in page) == sorted(one.uuid for one in made)
    assert client.get_groups(uuid=group).first().count == PEOPLE

    campaign = client.create_campaign("Reminders", group)
    renamed = client.update_campaign(campaign, "Reminders II", group)
    assert (renamed.uuid, renamed.name, renamed.group.uuid) == (campaign.uuid, "Reminders II", group.uuid)
    assert [(one.name, one.archived) for one in client.get_campaigns().all()] == [("Reminders II", False)]

    event = client.create_campaign_event(campaign, "due_date", -2, "days", 9, message="Due soon, @contact.first_name")
    changed = client.update_campaign_event(event, "due_date", 1, "weeks", -1, message={"eng": "Overdue"})
    assert (changed.uuid, changed.offset, changed.unit, changed.message) == (event.uuid, 1, "weeks", {"eng": "Overdue"})
    assert changed.relative_to.key == "due_date"
    client.delete_campaign_event(event)
    assert client.get_campaign_events(campaign=campaign).all() == []

    text = {"eng": "Dear @contact.first_name,\nit is <soon>.", "fra": "Cher @contact.name,\nc'est pour bientôt."}
    return renamed, client.create_broadcast(text, groups=[group])


async def test_the_vendors_client_makes_a_workspace_and_its_broadcast_arrives(
    app: App, caller: Caller, client: TembaClient
) -> None:
    assert isinstance(app.database, PostgresDatabase)
    assert app.settings.database_url is not None
    async with Sink() as sink:
        async with app.database.transaction() as tx:
            draft = SenderDraft(
                name="Relay", host="127.0.0.1", port=sink.port, security=Security.NONE,
                from_address="Lake <news@lake.example>",
            )  # fmt: skip
            await create_sender(tx, account_id=caller.account.id, draft=draft, sealer=SEALER)
            await tx.connection.execute("UPDATE account SET languages = '{eng,fra}' WHERE id = $1", caller.account.id)
        async with working(app.database, app.settings.database_url.reveal()):
            _, broadcast = await asyncio.to_thread(_story, client)
            await finished(app.database, await _run_of(app.database, broadcast.uuid))
        seen = await asyncio.to_thread(lambda: client.get_broadcasts(uuid=broadcast.uuid).first())
        messages = await asyncio.to_thread(lambda: client.get_messages(folder="sent").all())
    assert sorted(sink.recipients()) == [f"person.{number:03}@lake.example" for number in range(PEOPLE)]
    assert seen.status == "completed"
    assert (len(messages), {one.status for one in messages}) == (PEOPLE, {"sent"})
    assert len({one.uuid for one in messages}) == PEOPLE


async def _run_of(database: PostgresDatabase, broadcast: str) -> Id:
    async with database.reading() as tx:
        run = await tx.connection.fetchval("SELECT id FROM run WHERE campaign_id = $1", parse_uuid(broadcast))
    return Id(run)
