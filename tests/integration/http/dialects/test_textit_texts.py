"""TextIt's broadcasts and messages as text messages: who gets one, who gets an email, and how both are listed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.integration.http.conftest import Caller
from tests.integration.http.dialects.test_textit_sending import letters, sending, sent
from tests.integration.http.dialects.textit_scene import NOBODY, Workspace
from tests.support.sms_batch_providers import SignedStandIn
from tests.support.workers import SEALER

from clarion.adapters.postgres.database import PostgresDatabase
from clarion.application.ports.receipts import Inbound
from clarion.application.sender_rules import SenderDraft
from clarion.application.senders import create_sender
from clarion.bootstrap import App
from clarion.domain.ids import Id
from clarion.domain.providers.provider import ProviderName
from clarion.entrypoints.http.dialects.textit import pages
from clarion.pipeline import inbound

ANN, BO, LANDLINE = "+4915123456789", "+12065550100", "+4930123456"


async def connect(app: App, caller: Caller, service: SignedStandIn) -> Id:
    assert isinstance(app.database, PostgresDatabase)
    draft = SenderDraft(
        name="Texts", provider=ProviderName.SIGNED_HTTP, settings={"url": service.provider.url},
        secrets=dict(service.secrets), from_address="36180",
    )  # fmt: skip
    async with app.database.transaction() as tx:
        return (await create_sender(tx, account_id=caller.account.id, draft=draft, sealer=SEALER)).id


async def test_whoever_has_a_number_gets_a_text_message_and_everybody_else_an_email(
    app: App, caller: Caller, workspace: Workspace
) -> None:
    people: list[dict[str, Any]] = [
        {"name": "Ann Lee", "urns": [f"tel:{ANN}", "mailto:ann@lake.example"]},
        {"name": "Bo", "urns": [f"tel:{BO}"]},
        {"name": "Cy", "urns": ["mailto:cy@lake.example"]},
        {"name": "Di", "urns": [f"tel:{LANDLINE}", "mailto:di@lake.example"]},
        {"name": "Ed", "urns": ["ext:ed"]},
    ]
    contacts = [await workspace.made("contacts", person) for person in people]
    async with SignedStandIn() as service, sending(app, caller) as sink:
        await connect(app, caller, service)
        body = {"text": "Hi @contact.first_name", "contacts": [one["uuid"] for one in contacts]}
        made = await workspace.made("broadcasts", body)
        assert made["progress"]["total"] == 5
        await sent(app, made)
        assert sorted((one.to, one.text) for one in service.taken) == [(BO, "Hi Bo"), (ANN, "Hi Ann")]
        assert {address: text for address, (_, text, _) in letters(sink).items()} == {"cy@lake.example": "Hi Cy"}

        one = await workspace.made("messages", {"contact": f"tel:{BO}", "text": "Just @you"})
        assert (one["urn"], one["status"]) == (f"tel:{BO}", "queued")
        await sent(app, {"id": one["broadcast"]})
        assert service.taken[-1].text == "Just @you"
    (done,) = await workspace.rows("broadcasts", uuid=made["uuid"])
    assert (done["status"], done["progress"]) == ("completed", {"total": 5, "started": 5})
    listed = await workspace.rows("messages", broadcast=made["id"])
    assert {(row["urn"], row["status"]) for row in listed} == {
        (f"tel:{ANN}", "sent"), (f"tel:{BO}", "sent"), ("mailto:cy@lake.example", "sent"),
        (f"tel:{LANDLINE}", "failed"), (None, "failed"),
    }  # fmt: skip
    (row,) = await workspace.rows("messages", uuid=one["uuid"])
    assert (row["id"], row["status"], row["urn"]) == (one["id"], "sent", f"tel:{BO}")


async def test_what_people_write_is_in_the_inbox_the_newest_first(
    app: App,
    caller: Caller,
    workspace: Workspace,
    strange_workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = await workspace.made("contacts", {"name": "Ann Lee", "urns": [f"tel:{ANN}"]})
    async with SignedStandIn() as service:
        sender = await connect(app, caller, service)
    written_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert await workspace.rows("messages", folder="inbox") == []
    for number, (who, text) in enumerate(((ANN, "Yes, please"), (BO, "Who is this?"), (ANN, "stop"))):
        await app.inbox.put([Inbound(sender, str(number), who, "36180", text, written_at if who == ANN else None)])
        while await inbound.read_new(app.database):
            pass
    rows = await workspace.rows("messages", folder="inbox")
    assert [(one["text"], one["urn"]) for one in rows] == [
        ("stop", f"tel:{ANN}"), ("Who is this?", f"tel:{BO}"), ("Yes, please", f"tel:{ANN}"),
    ]  # fmt: skip
    (*_, bo, first) = rows
    assert (bo["contact"], bo["sent_on"]) == (None, None)
    assert first == first | {
        "id": None, "broadcast": None, "contact": {"uuid": ann["uuid"], "name": "Ann Lee"}, "channel": None,
        "direction": "in", "type": "text", "status": "handled", "archived": False, "visibility": "visible",
        "labels": [], "flow": None, "attachments": [], "quick_replies": [], "media": None,
    }  # fmt: skip
    assert datetime.fromisoformat(first["sent_on"]) == written_at
    assert await workspace.rows("messages", folder="inbox", uuid=bo["uuid"]) == [bo]
    assert await workspace.rows("messages", folder="inbox", after=bo["created_on"]) == rows[:2]
    assert await workspace.rows("messages", folder="inbox", before=bo["created_on"]) == rows[1:]
    for nothing in ({"uuid": NOBODY}, {"after": "x"}, {"id": "1"}):
        assert await workspace.rows("messages", folder="inbox", **nothing) == []
    assert await strange_workspace.rows("messages", folder="inbox") == await workspace.rows("messages") == []
    monkeypatch.setattr(pages, "PAGE_SIZE", 2)
    page = (await workspace.get("messages", folder="inbox")).json()
    rest = (await workspace.http.get(page["next"])).json()
    assert (page["results"] + rest["results"], rest["next"]) == (rows, None)
